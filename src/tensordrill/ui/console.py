"""The console that everything is printed on: any encoding, any width, with or without colour."""

import os
import sys
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Span, Text
from rich.theme import Theme

from tensordrill.ui.themes import PALETTES, Palette
from tensordrill.ui.transliteration import FALLBACK, fitted


class Terminal(Console):
    """Prints what the terminal cannot show in ASCII letters that mean the same, before lines are laid out.

    Raises nothing for any character, whatever the encoding.
    """

    palette = PALETTES["auto"]

    @property
    def encoding(self) -> str:
        """The encoding of the stream; `ascii` where the locale is C, which Python itself takes for UTF-8."""
        return "ascii" if _c_locale() else super().encoding

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        encoding = self.encoding
        if isinstance(renderable, Text):
            renderable = spelled(renderable, encoding)
        elif isinstance(renderable, str):
            renderable = fitted(renderable, encoding)
        for segment in super().render(renderable, options):  # rich draws some pieces itself, such as bullets
            yield segment if segment.text.isascii() else segment._replace(text=fitted(segment.text, encoding))


def make_console(*, stderr: bool = False, plain: bool = False, theme: str = "auto") -> Terminal:
    """The console on stdout, or on stderr. With `plain`, no escape code is ever written."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=FALLBACK)
    palette = PALETTES[theme]
    made = Terminal(
        stderr=stderr,
        highlight=False,
        soft_wrap=False,
        emoji=False,
        theme=styles(palette),
        color_system=None if plain else "auto",
        force_terminal=False if plain else None,
    )
    made.palette = palette
    return made


def styles(palette: Palette) -> Theme:
    """The names that texts give their colours by."""
    return Theme({"markdown.code": f"bold {palette.number}", "right": palette.right})


def spelled(text: Text, encoding: str) -> Text:
    """The text with only such characters as the encoding has; its styles stay where they are."""
    pieces = [fitted(character, encoding) for character in text.plain]
    if (plain := "".join(pieces)) == text.plain:
        return text
    places = [0]
    for piece in pieces:
        places.append(places[-1] + len(piece))
    made = text.blank_copy(plain)
    made.spans = [
        Span(places[max(0, span.start)], places[min(span.end, len(pieces))], span.style)
        for span in text.spans
        if span.start < len(pieces)
    ]
    return made


def _c_locale() -> bool:
    if os.environ.get("PYTHONIOENCODING") or os.environ.get("PYTHONUTF8"):
        return False
    chosen = next((value for name in ("LC_ALL", "LC_CTYPE", "LANG") if (value := os.environ.get(name))), "")
    return chosen in ("C", "POSIX")
