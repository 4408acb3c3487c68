"""Tab: the names of the puzzle, and torch's, from a table that is made when the program is built (`make names`)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from tensordrill.puzzles import Face

AT_HAND = ("torch", "F", "nn", "np", "math", "einops", "rearrange", "reduce", "repeat")
ALIASES = {
    "torch.nn": "nn",
    "torch.nn.functional": "F",
    "nn.functional": "F",
    "nn.utils": "torch.nn.utils",
    "optim": "torch.optim",
    "numpy": "np",
}
IN_WORDS = ("einsum", "pattern")  # kinds whose answers name axes, and call nothing


@cache
def table() -> Mapping[str, Sequence[str]]:
    """The names below each module, and below `Tensor` what a tensor has."""
    lines = resources.files("tensordrill.ui").joinpath("names.txt").read_text(encoding="utf-8").splitlines()
    return {line.split()[0]: line.split()[1:] for line in lines}


def names_of(face: Face) -> list[str]:
    """What the puzzle itself names: its tensors and axes, and the names in its code."""
    told = [tensor.name for tensor in face.tensors or ()]
    told += [axis for tensor in face.tensors or () for axis in tensor.axes or ()]
    for code in (face.signature, face.code, *(face.lines or ())):
        told += re.findall(r"(?<![.\w\"'])[A-Za-z_]\w*", code or "")
    return [name for name in dict.fromkeys(told) if len(name) > 1 or name.isalpha()]


def completions(before: str, names: Sequence[str], *, calls: bool = True) -> list[str]:
    """What the word before the cursor may go on to be, without what is typed of it already; best first."""
    word = re.search(r"[\w.]*$", before)
    owner, dot, start = (word[0] if word else "").rpartition(".")
    if dot and (not calls or owner.isdecimal()):
        return []
    if dot:
        known = table().get(ALIASES.get(owner, owner), () if owner == "math" else table()["Tensor"])
    else:
        known = [*names, *(AT_HAND if calls else ())]
    fitting = [name for name in dict.fromkeys(known) if name.startswith(start) and name != start]
    return fitting if start or dot else []


class PuzzleCompleter(Completer):
    """Completes answers to one puzzle, and the commands."""

    def __init__(self, names: Sequence[str], commands: Sequence[str], *, calls: bool) -> None:
        self._names = names
        self._commands = commands
        self._calls = calls

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        del complete_event
        before = document.text_before_cursor
        if before.startswith(":"):
            for command in self._commands:
                if command.startswith(before):
                    yield Completion(command, start_position=-len(before))
            return
        start = len(re.split(r"[^\w]", before)[-1])
        for name in completions(before, self._names, calls=self._calls):
            yield Completion(name, start_position=-start)
