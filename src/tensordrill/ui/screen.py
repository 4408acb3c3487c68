"""Where text goes and answers come from: a terminal with editing, or plain lines for pipes and simple terminals."""

import os
import sys
from collections.abc import Sequence
from typing import Protocol

from rich.console import Console

from tensordrill.ui.console import make_console

__all__ = ["COMMANDS", "LineReader", "Reader", "Screen", "command_of", "make_console", "open_screen"]

COMMANDS = {
    ":hint": "a hint",
    ":solution": "the solution",
    ":skip": "skip this one",
    ":quit": "leave; everything is kept",
}


class Reader(Protocol):
    """Reads what the learner types. Raises EOFError at the end of input and KeyboardInterrupt at Ctrl-C."""

    def read(self, *, multiline: bool) -> str: ...


class Screen:
    """A console to print on and a reader to ask. `width` is that of the terminal, 80 in a pipe."""

    def __init__(self, console: Console, reader: Reader, *, interactive: bool) -> None:
        self.console = console
        self.interactive = interactive
        self._reader = reader

    def read(self, *, multiline: bool = False) -> str:
        return self._reader.read(multiline=multiline)


def open_screen() -> Screen:
    """The screen that this process has."""
    console = make_console()
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    if interactive and os.environ.get("TERM", "dumb") not in ("dumb", "unknown"):
        from tensordrill.ui.editing import EditingReader  # noqa: PLC0415 -- prompt_toolkit costs 0.2 s; pipes do without

        return Screen(console, EditingReader(), interactive=True)
    return Screen(console, LineReader(console), interactive=interactive)


class LineReader:
    """Lines from stdin. A longer answer ends with an empty line."""

    def __init__(self, console: Console) -> None:
        self._console = console
        if hasattr(sys.stdin, "reconfigure"):
            sys.stdin.reconfigure(errors="surrogateescape")  # bytes that are not text become a slip, not a traceback

    def read(self, *, multiline: bool) -> str:
        self._console.print("> ", end="")
        lines = [self._line()]
        while multiline and lines[-1].strip() and not lines[0].startswith(":"):
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
