"""`tensordrill doctor`."""

import os
import shutil
import sys
from itertools import chain
from textwrap import TextWrapper
from typing import TYPE_CHECKING

import click

from tensordrill.cli import options
from tensordrill.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tensordrill.app.doctor import Finding

_NARROW = 40  # columns


@click.command()
@options.as_json
def command(as_json: bool) -> int:  # noqa: FBT001 -- a flag
    """Look at versions, paths, data, the judge and its protection, and the terminal.

    Each line is marked ok, note or FAULT. It changes nothing, and exits with 1 where there is a fault.
    """
    from tensordrill.app.doctor import Mark, sections

    found: list[dict[str, str]] = []
    for title, findings in chain([("terminal", _terminal())], sections()):
        if not as_json:
            _print(title)
        for finding in findings:
            section = title.partition(" ")[0]
            found.append({"section": section, "name": finding.name, "mark": finding.mark.value})
            found[-1] |= {"text": finding.text, "hint": finding.hint}
            if not as_json:
                _print_finding(finding)
    faults = sum(each["mark"] == Mark.FAULT for each in found)
    if as_json:
        options.print_json({"ok": not faults, "findings": found})
    else:
        _print("Nothing is amiss." if not faults else f"{faults} fault{'s' if faults > 1 else ''}.")
    return ExitCode.FAULT if faults else ExitCode.OK


def _terminal() -> "Iterator[Finding]":
    from tensordrill.app.doctor import Finding, Mark
    from tensordrill.ui.console import make_console

    console = make_console()
    term = os.environ.get("TERM", "not set")
    if not console.is_terminal:
        yield Finding(Mark.OK, "screen", f"none: the output goes to a file or a pipe; TERM is {term}")
    else:
        narrow = console.width < _NARROW
        hint = f"Code and shapes need {_NARROW} columns." if narrow else ""
        size = f"{console.width} columns, {console.height} lines; TERM is {term}"
        yield Finding(Mark.NOTE if narrow else Mark.OK, "screen", size, hint)
    none = "NO_COLOR is set" if console.no_color else "this terminal shows none"
    colours = None if console.no_color else console.color_system
    yield Finding(Mark.OK, "colours", colours or f"none: {none}")
    encoding = console.encoding
    plain = encoding.lower().replace("-", "") != "utf8"
    hint = "Set LC_ALL=C.UTF-8." if plain else ""
    text = f"{encoding}; what it cannot show becomes a question mark" if plain else encoding
    yield Finding(Mark.NOTE if plain else Mark.OK, "encoding", text, hint)


def _print_finding(finding: "Finding") -> None:
    begin = f"  {finding.mark.value:<5}  "
    width = max(shutil.get_terminal_size().columns, len(begin) + 20)
    beside = " " * len(begin)
    _print(_wrapped(f"{finding.name}: {finding.text}", begin, beside, width))
    if finding.hint:
        _print(_wrapped(finding.hint, f"{beside}  ", f"{beside}  ", width))


def _wrapped(text: str, first: str, following: str, width: int) -> str:
    text = text if text.isprintable() else text.encode("unicode_escape").decode()
    wrapper = TextWrapper(width, initial_indent=first, subsequent_indent=following)
    wrapper.break_on_hyphens = wrapper.break_long_words = False  # a path stays whole, so that it can be copied
    return wrapper.fill(text)


def _print(line: str) -> None:
    print(line)
    sys.stdout.flush()
