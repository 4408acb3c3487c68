"""Pieces that puzzles and feedback are laid out with. None leaves spaces at the end of a line, or is too wide."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pygments.token import Comment, Keyword, Name, Number, Operator, String, Token
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markdown import Markdown
from rich.segment import Segment
from rich.style import Style
from rich.syntax import ANSISyntaxTheme, Syntax
from rich.text import Text

from tensordrill.ui.console import spelled

INDENT = 2
_HANG = 4  # columns that the rest of a broken line of code stands further in
_GAP = 3  # columns between what stands side by side

# Of the terminal's own colours those that can be read on a dark background and on a light one; bold says it too.
_CODE = ANSISyntaxTheme(
    {
        Token: Style(),
        Comment: Style(dim=True),
        Keyword: Style(color="magenta", bold=True),
        Operator.Word: Style(color="magenta", bold=True),
        Name.Function: Style(bold=True),
        Name.Class: Style(bold=True),
        String: Style(color="green"),
        Number: Style(color="cyan"),
    }
)
_FENCED = re.compile(r"^```.*\n((?:.*\n)*?)```$", re.MULTILINE)
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
class Heading:
    """A line of facts, drawn out to the right edge where there is room."""

    text: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        text = spelled(Text(self.text), console.encoding)
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
        text = Syntax("", "python", theme=_CODE, background_color="default").highlight(self.source)
        text.rstrip()
        lines = list(spelled(text, console.encoding).split("\n", allow_blank=True))
        digits = len(str(len(lines)))
        left = digits + 2 if self.numbered else 0
        for number, line in enumerate(lines, 1):
            for i, piece in enumerate(_broken(line, options.max_width - left)):
                beside = (f"{number:>{digits}}  " if not i else " " * left) if self.numbered else ""
                yield Text.assemble((beside, "dim"), piece, no_wrap=True, overflow="fold")


@dataclass(frozen=True)
class Grids:
    """Two texts of several lines under their headings: side by side, or where that is too wide one below the other."""

    left: tuple[str, Sequence[str]]
    right: tuple[str, Sequence[str]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = [[spelled(Text(row), console.encoding).plain for row in rows] for _, rows in (self.left, self.right)]
        width = max(len(self.left[0]), *(cell_len(row) for row in columns[0]))
        other = max(len(self.right[0]), *(cell_len(row) for row in columns[1]))
        if INDENT + width + _GAP + other > options.max_width:
            for (heading, _), rows in zip((self.left, self.right), columns, strict=True):
                yield Text(heading, style="dim")
                for row in rows:
                    yield Hanging(" " * INDENT, marked(row))
            return
        yield Text(f"{'':{INDENT}}{self.left[0]:<{width + _GAP}}{self.right[0]}", style="dim")
        for i in range(max(map(len, columns))):
            one, two = (column[i] if i < len(column) else "" for column in columns)
            space = " " * (width + _GAP - cell_len(one))
            yield Text.assemble(" " * INDENT, one, space, marked(two), no_wrap=True)


def marked(row: str) -> Text:
    """A row of a grid; the entries with a star stand out, as their star says."""
    text = Text(row, overflow="fold")
    text.highlight_regex(_MARKED, "bold")
    return text


def _broken(line: Text, width: int) -> Iterator[Text]:
    """The line in pieces of that width: broken at a space where there is one, else wherever it is full."""
    plain = line.plain
    indent = len(plain) - len(plain.lstrip())
    hang = min(indent + _HANG, width // 2)
    start, room = 0, width
    while cell_len(plain[start:]) > room:
        end = start + room
        while cell_len(plain[start:end]) > room:
            end -= 1
        space = plain.rfind(" ", start + indent + 1 if start == 0 else start + 1, end + 1)
        end = space + 1 if space > start else max(end, start + 1)
        yield _further(line[start:end], hang if start else 0)
        start, room = end, width - hang
    yield _further(line[start:], hang if start else 0)


def _further(piece: Text, columns: int) -> Text:
    piece.rstrip()
    return Text.assemble(" " * columns, piece) if columns else piece


def _trimmed(line: Sequence[Segment]) -> list[Segment]:
    kept = list(line)
    while kept and not kept[-1].text.rstrip(" "):
        kept.pop()
    if kept:
        kept[-1] = Segment(kept[-1].text.rstrip(" "), kept[-1].style, kept[-1].control)
    return kept
