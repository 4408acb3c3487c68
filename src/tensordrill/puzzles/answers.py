"""What a learner typed, before any kind of puzzle reads it: cleaned, and refused with a sentence where it is a slip."""

import re
import unicodedata

MAX_ANSWER = 20_000

_LOOKALIKES = str.maketrans(
    {"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "−": "-", "–": "-", "—": "-", "→": "->", "⟶": "->", "×": "*"}  # noqa: RUF001 -- these are the characters to replace
)
_FENCE = re.compile(r"\A```[a-z]*\n(.*?)\n?```\Z", re.DOTALL)


class Slip(ValueError):
    """An answer that cannot be read. It is typed again, and never judged."""


class Forbidden(ValueError):
    """An answer that uses what the prompt rules out."""


def clean(text: str) -> str:
    """The answer without surrounding blank space or a Markdown fence. Raises Slip where nobody could mean it."""
    if len(text) > MAX_ANSWER:
        raise Slip(f"That answer has {len(text):,} characters; the longest that is read has {MAX_ANSWER:,}.")
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\N{NO-BREAK SPACE}", " ")
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t":
            raise Slip(f"That answer holds {name_of(character)}, which cannot be part of one.")
    if fenced := _FENCE.match(text.strip()):
        text = fenced[1]
    text = text.strip("\n").rstrip()
    if not text.strip():
        raise Slip("That answer is empty.")
    return text


def one_line(text: str) -> str:
    """A short answer in plain ASCII: typographic quotes, dashes and arrows are understood, other look-alikes named."""
    text = unicodedata.normalize("NFKC", clean(text).translate(_LOOKALIKES))
    text = " ".join(text.split())
    for character in text:
        if not character.isascii():
            raise Slip(f"{name_of(character)} looks like part of the answer and is not. Type it in plain ASCII.")
    return text


def unquoted(text: str) -> str:
    """The text without the quotes or backticks around it."""
    text = text.strip()
    while len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'`":  # noqa: PLR2004 -- an opening and a closing one
        text = text[1:-1].strip()
    return text


def name_of(character: str) -> str:
    name = unicodedata.name(character, "a control character" if ord(character) < 32 else "a character")  # noqa: PLR2004
    shown = f"'{character}' " if character.isprintable() else ""
    return f"{shown}(U+{ord(character):04X}, {name})"
