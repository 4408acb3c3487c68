"""Text for a terminal that shows ASCII only: every other character as the letters that mean the same."""

import codecs
import unicodedata
from functools import cache

FALLBACK = "tensordrill.ascii"  # what a stream does with characters that it cannot encode

_MEANS = {
    "…": "...", "·": "*", "•": "*", "—": "-", "–": "-", "−": "-", "‐": "-", "\N{NO-BREAK SPACE}": " ",
    "‘": "'", "’": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "′": "'",
    "→": "->", "⟶": "->", "←": "<-", "↔": "<->", "⇒": "=>", "⇐": "<=", "↦": "|->", "↑": "^", "↓": "v",
    "×": "*", "÷": "/", "⋅": "*", "∘": "o", "⁄": "/", "⊙": "*", "⊗": "(x)", "±": "+-", "≤": "<=", "≥": ">=", "≠": "!=",
    "≈": "~=", "≡": "==", "∞": "inf", "√": "sqrt", "∑": "sum", "∏": "prod", "∂": "d", "∇": "grad", "∈": " in ",
    "‖": "||",
    "ᵀ": "^T", "⊤": "^T", "°": " deg", "✓": "yes", "✗": "no",
    "─": "-", "│": "|", "├": "|", "└": "`", "┌": ".", "┐": ".", "┘": "'", "┤": "|", "┬": "-", "┴": "-", "┼": "+",
    "╴": "-", "╶": "-", "━": "-", "█": "#",
    "\N{REPLACEMENT CHARACTER}": "?",
}  # fmt: skip


def to_ascii(text: str) -> str:
    """The text in ASCII. Greek letters are spelled out, accents are dropped; what nobody knows stays as its code."""
    return text if text.isascii() else "".join(map(_spelled, text))


def fitted(text: str, encoding: str) -> str:
    """The text with only such characters as the encoding has."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(c if _has(encoding, c) else _spelled(c) for c in text)
    return text


@cache
def _spelled(character: str) -> str:
    """One character in ASCII: `→` is `->`, `²` is `^2`, `α` is `alpha`."""
    if character.isascii():
        return character
    if character in _MEANS:
        return _MEANS[character]
    name = unicodedata.name(character, "")
    if name.startswith("GREEK ") and " LETTER " in name:
        word = name.partition(" LETTER ")[2].partition(" WITH ")[0].rpartition(" ")[2].lower()
        word = word.replace("lamda", "lambda")
        return word.capitalize() if "CAPITAL" in name else word
    kind, *parts = unicodedata.decomposition(character).split() or [""]
    if kind in ("<super>", "<sub>"):
        return {"<super>": "^", "<sub>": "_"}[kind] + "".join(_spelled(chr(int(part, 16))) for part in parts)
    plain = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c))
    if plain != character:
        return to_ascii(plain)
    return character.encode("ascii", "backslashreplace").decode()


@cache
def _has(encoding: str, character: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _encode_error(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return to_ascii(error.object[error.start : error.end]), error.end


codecs.register_error(FALLBACK, _encode_error)
