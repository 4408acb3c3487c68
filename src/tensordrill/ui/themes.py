"""Colours. They only underline what words and marks already say."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Palette:
    """The colours of code and of good news, as rich names them, or as `#rrggbb`."""

    keyword: str
    string: str
    number: str

    @property
    def right(self) -> str:
        return self.string


PALETTES: Mapping[str, Palette] = {
    "auto": Palette("magenta", "green", "cyan"),  # the terminal's own, which suit its background
    "dark": Palette("#d7afff", "#afd787", "#87d7ff"),
    "light": Palette("#8700af", "#005f00", "#005faf"),
}
