"""What a terminal shows that has ASCII alone."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from tensordrill.ui.console import Terminal, spelled
from tensordrill.ui.transliteration import FALLBACK, fitted, to_ascii


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("(AB)ᵀ ≤ 2 × √3", "(AB)^T <= 2 * sqrt3"),
        ("a → b … — „no”", 'a -> b ... - "no"'),
        ("x² + y₁", "x^2 + y_1"),
        ("α, Σ, λ, ϕ, naïve", "alpha, Sigma, lambda, phi, naive"),
        ("½", "1/2"),
        ("中\N{SNOWMAN}", "\\u4e2d\\u2603"),
    ],
)
def test_what_it_means_in_ascii(text: str, told: str) -> None:
    assert to_ascii(text) == told


@given(st.text())
def test_it_is_ascii_and_ascii_stays(text: str) -> None:
    assert to_ascii(text).isascii()
    assert to_ascii(to_ascii(text)) == to_ascii(text)


@given(st.text())
def test_a_stream_that_cannot_encode_it_does_not_fail(text: str) -> None:
    assert text.encode("ascii", FALLBACK).decode("ascii") == to_ascii(text)


def test_what_the_encoding_has_stays() -> None:
    assert fitted("a × b → c", "latin-1") == "a × b -> c"
    assert fitted("a × b → c", "utf-8") == "a × b → c"


def test_styles_stay_on_their_words() -> None:
    text = Text.assemble("a … ", ("→ b", "bold"), " … c", ("d", "green"))
    told = spelled(text, "ascii")
    assert told.plain == "a ... -> b ... cd"
    assert [(told.plain[span.start : span.end], span.style) for span in told.spans] == [
        ("-> b", "bold"),
        ("d", "green"),
    ]


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8"])
def test_a_c_locale_has_ascii_alone(monkeypatch: pytest.MonkeyPatch, locale: str) -> None:
    monkeypatch.delenv("PYTHONIOENCODING", raising=False)
    monkeypatch.delenv("PYTHONUTF8", raising=False)
    monkeypatch.setenv("LC_ALL", locale)
    file = io.StringIO()
    Terminal(file=file).print(Text("a → b"))
    assert file.getvalue() == ("a → b\n" if "UTF" in locale else "a -> b\n")


def test_lines_are_laid_out_after_characters_were_replaced() -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Terminal(file=file, width=10).print(Text("… … … … …"))
    file.seek(0)
    assert max(map(len, file.read().splitlines())) <= 10
