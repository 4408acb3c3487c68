"""Where text goes and answers come from: a terminal with editing, or plain lines for pipes and simple terminals."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from threading import Timer
from typing import Protocol

from rich.console import Console

from tensordrill.puzzles import Face
from tensordrill.settings import Settings
from tensordrill.ui.console import make_console

PATIENCE_S = 0.15  # what takes longer shows that it is being done


@dataclass(frozen=True)
class Question:
    """What is read. Answers of one `kind` share a history, and `given` is text to begin with.

    `commands` are those that work now.
    """

    commands: Sequence[str] = (":quit",)
    kind: str = ""
    face: Face | None = None
    multiline: bool = False
    given: str = ""


class Reader(Protocol):
    """Reads what the learner types. Raises EOFError at the end of input and KeyboardInterrupt at Ctrl-C."""

    def read(self, question: Question) -> str: ...


class Screen:
    """A console to print on and a reader to ask.

    `interactive`: somebody sits there, who needs time to read. `edits`: the reader can take up an earlier answer, and
    shows by itself which commands work. `plain`: linear text, in words.
    """

    def __init__(
        self, console: Console, reader: Reader, *, interactive: bool, edits: bool = False, plain: bool = False
    ) -> None:
        self.console = console
        self.plain = plain
        self.interactive = interactive
        self.edits = edits
        self._reader = reader

    def read(self, question: Question) -> str:
        return self._reader.read(question)

    def waiting(self, what: str) -> AbstractContextManager[None]:
        """While something is done. After a moment, an editing screen says what."""
        return _spinning(self.console, what) if self.edits else nullcontext()


def open_screen(settings: Settings, *, plain: bool = False) -> Screen:
    """The screen that this process has; with `plain`, or where nothing else works, linear text and no redrawing."""
    console = make_console(plain=plain, theme=settings.theme)
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    if interactive and not plain and os.environ.get("TERM", "dumb") not in ("dumb", "unknown"):
        from tensordrill.ui.editing import EditingReader  # noqa: PLC0415 -- prompt_toolkit costs 0.2 s; pipes do without

        return Screen(console, EditingReader(settings), interactive=True, edits=True)
    return Screen(console, LineReader(console), interactive=interactive, plain=plain)


class LineReader:
    """Lines from stdin. A longer answer ends with an empty line."""

    def __init__(self, console: Console) -> None:
        self._console = console
        if hasattr(sys.stdin, "reconfigure"):
            sys.stdin.reconfigure(errors="surrogateescape")  # bytes that are not text become a slip, not a traceback

    def read(self, question: Question) -> str:
        self._console.print("> ", end="")
        lines = [self._line()]
        while question.multiline and lines[-1].strip() and not lines[0].startswith(":"):
            try:
                lines.append(self._line())
            except EOFError:
                break
        if not sys.stdin.isatty():
            self._console.print()  # nobody pressed Enter on this screen
        return "\n".join(lines)

    def _line(self) -> str:
        sys.stdout.flush()
        if not (line := sys.stdin.readline()):
            raise EOFError
        return line.rstrip("\n")


def command_of(text: str, possible: Sequence[str]) -> str | None:
    """The command that was typed, by its name or a beginning of it; None where the text is an answer.

    A colon never begins an answer, so a command that is misspelled is no answer either: it comes back as `:`.
    """
    word = text.strip().lower()
    if not word.startswith(":"):
        return None
    matching = [name for name in possible if name.startswith(word)] if len(word) > 1 else []
    return matching[0] if len(matching) == 1 else ":"


@contextmanager
def _spinning(console: Console, what: str) -> Iterator[None]:
    ascii_only = not console.encoding.lower().startswith("utf")
    status = console.status(what, spinner="line" if ascii_only else "dots")
    timer = Timer(PATIENCE_S, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        status.stop()
