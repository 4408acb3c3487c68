"""How any puzzle is printed: never too wide, nothing at line ends, and in ASCII where there is nothing else."""

import io
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import RenderableType
from rich.text import Text

from tensordrill.app.asked import Asked, Feedback, Solved
from tensordrill.catalog import Catalog, built_in
from tensordrill.domain import MAX_LEVEL, Rating, Status, Verdict
from tensordrill.ui import rendering
from tensordrill.ui.console import Terminal, styles
from tensordrill.ui.layout import Code, Heading, Prose, Sheet
from tensordrill.ui.themes import PALETTES
from tensordrill.ui.transliteration import to_ascii

every_drill = pytest.mark.parametrize("name", list(built_in()))
seeds = st.integers(0, 2**63 - 1)
levels = st.integers(1, MAX_LEVEL)
widths = st.sampled_from([40, 60, 80, 120, 200])
some = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TODAY = date(2026, 3, 2)


def printed(
    parts: list[RenderableType], *, width: int = 80, encoding: str = "utf-8", colour: bool = False
) -> list[str]:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
    console = Terminal(
        file=file,
        width=width,
        theme=styles(PALETTES["auto"]),
        highlight=False,
        emoji=False,
        force_terminal=colour,
        color_system="standard" if colour else None,
        _environ={},
    )
    for part in parts:
        console.print(part)
    file.seek(0)
    return [Text.from_ansi(line).plain if colour else line for line in file.read().split("\n")]


def pages(catalog: Catalog, name: str, seed: int, level: int, *, plain: bool) -> list[RenderableType]:
    """A puzzle, its hints and its solution, as far as no program must run for it."""
    drill = catalog[name]
    level = min(level, drill.levels)
    puzzle = drill.puzzle(seed, level)
    solved = Solved(puzzle.solution or "error", puzzle.why, None, "RuntimeError: no", puzzle)
    return [
        rendering.puzzle(Asked(drill, level, seed, puzzle), f"{drill.id}, level {level}", plain=plain),
        *(Prose(f"Hint: {hint}") for hint in puzzle.hints),
        rendering.solution(solved, plain=plain),
    ]


def squeezed(lines: list[str]) -> str:
    return "".join("".join(lines).split())


@every_drill
@some
@given(level=levels, seed=seeds, width=widths, plain=st.booleans(), colour=st.booleans())
def test_every_line_fits(
    catalog: Catalog, name: str, *, level: int, seed: int, width: int, plain: bool, colour: bool
) -> None:
    shown = pages(catalog, name, seed, level, plain=plain)
    lines = printed([shown[0], shown[-1]], width=width, colour=colour)
    assert max(map(len, lines)) <= width
    assert not [line for line in lines if line != line.rstrip()]
    assert not plain or not [line for line in lines if "──" in line or "----" in line]


@every_drill
@some
@given(level=levels, seed=seeds, plain=st.booleans(), colour=st.booleans())
def test_ascii_loses_nothing(catalog: Catalog, name: str, *, level: int, seed: int, plain: bool, colour: bool) -> None:
    shown = pages(catalog, name, seed, level, plain=plain)
    full = printed(shown, width=2000, colour=colour)
    lines = printed(shown, width=2000, encoding="ascii", colour=colour)
    rule = {ord("-"): None}  # as long as there is room for
    assert "\n".join(lines).isascii()
    assert "\\u" not in "".join(lines)
    assert squeezed(lines).translate(rule) == squeezed([to_ascii(line) for line in full]).translate(rule)


@every_drill
@some
@given(level=levels, seed=seeds)
def test_markdown_loses_nothing(catalog: Catalog, name: str, level: int, seed: int) -> None:
    """What is written between backticks, or looks like Markdown and is none, comes out whole."""
    puzzle = catalog[name].puzzle(seed, min(level, catalog[name].levels))
    for text in (puzzle.face.prompt, puzzle.why, *puzzle.hints, *(puzzle.face.choices or ())):
        told = squeezed(printed([Prose(text)], width=2000, colour=True)).replace("•", "-")
        assert told == squeezed([text]).replace("```python", "").replace("`", "")


grids = st.lists(st.text("0123456789,[]* ", max_size=60), min_size=1, max_size=30)


@given(expected=grids, got=grids, width=st.integers(40, 200), plain=st.booleans())
def test_expected_and_got_fit(*, expected: list[str], got: list[str], width: int, plain: bool) -> None:
    verdict = Verdict(status=Status.WRONG_VALUE, feedback="No.", expected="\n".join(expected), got="\n".join(got))
    feedback = Feedback(verdict, Rating.AGAIN, TODAY)
    lines = printed([rendering.verdict_on(feedback, TODAY, predicted=False, plain=plain)], width=width)
    assert max(map(len, lines)) <= width
    assert not [line for line in lines if line != line.rstrip()]


def test_a_long_line_of_code_goes_on_further_in() -> None:
    code = Code("def f(x):\n    return torch.einsum('ij,jk->ik', first_tensor, second_tensor)")
    assert printed([Sheet([code])], width=40) == [
        "def f(x):",
        "    return torch.einsum('ij,jk->ik',",
        "        first_tensor, second_tensor)",
        "",
    ]


def test_a_comment_stays_one() -> None:
    code = Code("x = torch.zeros(2, 3)  # the numbers of all rows and columns")
    assert printed([Sheet([code])], width=40) == [
        "x = torch.zeros(2, 3)",
        "    # the numbers of all rows and",
        "    # columns",
        "",
    ]


def test_rows_of_a_tensor_stay_whole() -> None:
    assert printed([Sheet([Code("x = torch.tensor([[9, 3], [8, 7], [1, 60]])")])], width=40) == [
        "x = torch.tensor([[9, 3], [8, 7],",
        "    [1, 60]])",
        "",
    ]


def test_facts_in_a_heading_are_no_products() -> None:
    assert printed([Heading("1 of 9 · einsum")], width=20, encoding="ascii")[0] == "1 of 9 - einsum ----"
    assert printed([Heading("1 of 9 · einsum")], width=20)[0] == "1 of 9 · einsum ────"
