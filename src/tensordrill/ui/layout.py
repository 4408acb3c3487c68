"""Pieces that puzzles and feedback are laid out with. None leaves spaces at the end of a line, or is too wide."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest

from pygments.token import Comment, Keyword, Name, Number, Operator, String, Token
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markdown import Markdown
from rich.segment import Segment
from rich.style import Style
from rich.syntax import ANSISyntaxTheme, Syntax
from rich.text import Text

from tensordrill.ui.console import spelled
from tensordrill.ui.themes import PALETTES, Palette

INDENT = 2
_HANG = 4  # columns that the rest of a broken line of code stands further in
_GAP = 3  # columns between what stands side by side

_FENCED = re.compile(r"^```.*\n((?:.*\n)*?)```$", re.MULTILINE)
_COMMENT = re.compile(r"(?:  |^)# ?(?=[^'\"]*$)")
_ENTRY = re.compile(r"(\[[^\]]*\]): (.*)")  # a place, and what is there
_MARKED = re.compile(r"[^\s\[\],]+\*")


@dataclass(frozen=True)
class Prose:
    """Markdown. Where there is no colour to set `code` apart, it stays as it is written, with its backticks."""

    text: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        del options
        coloured = console.is_terminal and not console.no_color and console.color_system
        parts: list[RenderableType] = []
        for i, part in enumerate(_FENCED.split(self.text)):
            if text := part.strip("\n"):
                inner = Indented(Code(text)) if i % 2 else Markdown(text) if coloured else Text(text)
                parts += [*([Text()] if parts else []), inner]
        yield from parts


@dataclass(frozen=True)
class Sheet:
    """Its parts, one below the other, without spaces at the ends of lines: what is copied carries none."""

    parts: Sequence[RenderableType]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in console.render_lines(Group(*self.parts), options.update(height=None), pad=False):
            yield from _trimmed(line)
            yield Segment.line()


@dataclass(frozen=True)
class Indented:
    """Something two columns further in."""

    inner: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in console.render_lines(self.inner, options.update_width(options.max_width - INDENT), pad=False):
            yield Segment(" " * INDENT)
            yield from line
            yield Segment.line()


@dataclass(frozen=True)
class Hanging:
    """A label, and text beside it whose further lines stand under its first."""

    label: str
    inner: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        left = cell_len(self.label)
        lines = console.render_lines(self.inner, options.update_width(max(1, options.max_width - left)), pad=False)
        for i, line in enumerate(lines):
            yield Segment(" " * left if i else self.label)
            yield from line
            yield Segment.line()


@dataclass(frozen=True)
class Row:
    """A line whose columns are two spaces or more apart. Where it is too wide, each further column is a line below."""

    text: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        indent = " " * (len(self.text) - len(self.text.lstrip(" ")))
        label, space, rest = self.text[len(indent) :].partition("  ")
        cells = rest.strip(" ").split("  you: ")
        if cell_len(self.text) <= options.max_width or not space or label.startswith("["):
            yield Hanging(indent, Text(self.text[len(indent) :], overflow="fold"))
            return
        yield Hanging(indent, Text(label, overflow="fold"))
        for i, cell in enumerate(cells):
            yield Hanging(indent + " " * INDENT, Text(("you: " if i else "") + cell.strip(" "), overflow="fold"))


@dataclass(frozen=True)
class Heading:
    """A line of facts, drawn out to the right edge where there is room."""

    text: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        facts = self.text.replace(" · ", " - ") if options.ascii_only else self.text
        text = spelled(Text(facts), console.encoding)
        room = options.max_width - text.cell_len - 1
        if room > 1:
            text.append(" " + ("-" if options.ascii_only else "─") * room)
        text.stylize("dim")
        yield text


@dataclass(frozen=True)
class Code:
    """Python, highlighted. A line that is too long goes on below, further in, so that no break is taken for a line."""

    source: str
    numbered: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        theme = _highlighting(getattr(console, "palette", PALETTES["auto"]))
        text = Syntax("", "python", theme=theme, background_color="default").highlight(self.source)
        text.rstrip()
        lines = list(spelled(text, console.encoding).split("\n", allow_blank=True))
        digits = len(str(len(lines)))
        left = digits + 2 if self.numbered else 0
        for number, line in enumerate(lines, 1):
            for i, piece in enumerate(_broken(line, options.max_width - left)):
                beside = (f"{number:>{digits}}  " if not i else " " * left) if self.numbered else ""
                yield Text.assemble((beside, "dim"), piece, no_wrap=True, overflow="fold")


@cache
def _highlighting(palette: Palette) -> ANSISyntaxTheme:
    keyword = Style(color=palette.keyword, bold=True)
    return ANSISyntaxTheme(
        {
            Token: Style(),
            Comment: Style(dim=True),
            Keyword: keyword,
            Operator.Word: keyword,
            Name.Function: Style(bold=True),
            Name.Class: Style(bold=True),
            String: Style(color=palette.string),
            Number: Style(color=palette.number),
        }
    )


@dataclass(frozen=True)
class Grids:
    """Two texts of several lines under their headings: side by side, or where that is too wide one below the other.

    Where the lines are entries by their places (`[0, 1]: 5`), each place is told once.
    """

    left: tuple[str, Sequence[str]]
    right: tuple[str, Sequence[str]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        stacked = [[spelled(Text(row), console.encoding).plain for row in rows] for _, rows in (self.left, self.right)]
        heading, columns = self.left[0], _by_places(*stacked)
        if columns:
            heading = " " * (max(row.find("]:") for row in columns[0]) + len("]: ")) + heading
        one, two = columns or stacked
        width = max(len(heading), *map(cell_len, one))
        if INDENT + width + _GAP + max(len(self.right[0]), *map(cell_len, two)) > options.max_width:
            for (told, _), rows in zip((self.left, self.right), stacked, strict=True):
                yield Text(told, style="dim")
                for row in rows:
                    yield Hanging(" " * INDENT, marked(row))
            return
        yield Text(f"{'':{INDENT}}{heading:<{width + _GAP}}{self.right[0]}", style="dim")
        for before, after in zip_longest(one, two, fillvalue=""):
            space = " " * (width + _GAP - cell_len(before))
            yield Text.assemble(" " * INDENT, before, space, marked(after), no_wrap=True)


def _by_places(expected: Sequence[str], got: Sequence[str]) -> tuple[list[str], list[str]] | None:
    """The rows without the places on the right side; None where they are not entries at the same places."""
    pairs = [(_ENTRY.fullmatch(one), _ENTRY.fullmatch(two)) for one, two in zip(expected, got, strict=False)]
    entries = [(one, two) for one, two in pairs if one and two and one[1] == two[1]]
    rest = list(expected[len(entries) :])
    if not entries or len(rest) > 1 or rest != list(got[len(entries) :]):
        return None
    width = max(len(one[1]) for one, _ in entries)
    left = [f"{one[1] + ':':<{width + 1}} {one[2]}" for one, _ in entries]
    return left + rest, [two[2] for _, two in entries]


def marked(row: str) -> Text:
    """A row of a grid; the entries with a star stand out, as their star says."""
    text = Text(row, overflow="fold")
    text.highlight_regex(_MARKED, "bold")
    return text


def _broken(line: Text, width: int) -> Iterator[Text]:
    """The line in pieces of that width: code is broken where Python goes on reading, a comment is one in each piece."""
    plain = line.plain
    if cell_len(plain) <= width:
        yield line
        return
    indent = len(plain) - len(plain.lstrip())
    hang = min(indent + _HANG, width // 2)
    comment = _COMMENT.search(plain, indent)
    start, room, stop = 0, width, comment.start() if comment else len(plain)
    while cell_len(plain[start:stop]) > room:
        end = _break(plain, max(start, indent), start + room)
        yield _further(line[start:end], " " * hang * bool(start))
        start, room = end, width - hang
    yield _further(line[start:stop], " " * hang * bool(start))
    if comment:
        words = Text(plain[comment.end() :], style="dim").wrap(Console(width=width), width - hang - len("# "))
        for piece in words:
            yield _further(piece, " " * hang + "# ")


def _break(plain: str, start: int, full: int) -> int:
    """Where to break before the column that is full: after a space, or a bracket or comma, or before a dot."""
    end = full
    while cell_len(plain[start:end]) > full - start:
        end -= 1
    half = start + (full - start) // 2
    space, row = plain.rfind(" ", start + 1, end + 1) + 1, plain.rfind("], ", start + 1, end + 1) + len("], ")
    if max(space, row) > half:
        return row if row > half else space  # rows of a tensor stay whole
    bracket = max(plain.rfind(mark, start + 1, end) + 1 for mark in "([{,")
    return (
        max(space, bracket, plain.rfind(".", start + 1, end))
        if max(space, bracket) > start + 1
        else max(end, start + 1)
    )


def _further(piece: Text, before: str) -> Text:
    piece.rstrip()
    return Text.assemble(before, piece) if before else piece


def _trimmed(line: Sequence[Segment]) -> list[Segment]:
    kept = list(line)
    while kept and not kept[-1].text.rstrip(" "):
        kept.pop()
    if kept:
        kept[-1] = Segment(kept[-1].text.rstrip(" "), kept[-1].style, kept[-1].control)
    return kept
