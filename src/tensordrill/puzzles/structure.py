"""The structure of a puzzle: its reference with labels renamed in order of appearance and numbers dropped.

Two puzzles of one structure differ in story and size alone. What a drill can vary is counted in structures.
"""

import keyword
import re

from tensordrill.puzzles.base import Puzzle

_EINSUM = re.compile(r'einsum\("([^"]*)"')
_TOKEN = re.compile(r"\d+(?:\.\d*)?(?:e[-+]?\d+)?|[A-Za-z_]\w*|\s+|.", re.DOTALL)
_LIBRARIES = {"torch", "nn", "F", "np", "math", "einops", "rearrange", "reduce", "repeat", "answer"}
_ARGUMENTS = {"dim", "keepdim", "dtype", "axis", "start_dim", "end_dim", "requires_grad", "gradient", "device", "lr"}
_BUILTINS = {"range", "len", "zip", "enumerate", "list", "tuple", "dict", "sum", "min", "max", "print", "float", "int"}
_KEPT = _LIBRARIES | _ARGUMENTS | _BUILTINS | set(keyword.kwlist)


def structure(puzzle: Puzzle) -> str:
    """The same text for puzzles that differ only in labels and numbers."""
    reference = puzzle.reference
    asked = " ; ".join(expression for _, expression in reference.observe) if puzzle.predicts else ""
    source = _EINSUM.sub(lambda found: f'einsum("{" ".join(found[1])}"', f"{reference.source}\n{asked}")
    names: dict[str, str] = {}
    parts = []
    before = ""
    for token in _TOKEN.findall(source):
        if token[0].isdigit():
            parts.append("#")
        elif (token[0].isalpha() or token[0] == "_") and before != "." and token not in _KEPT:
            parts.append(names.setdefault(token, f"v{len(names)}"))
        elif not token.isspace() or "\n" in token:
            parts.append(token)
        before = token
    return " ".join(parts)
