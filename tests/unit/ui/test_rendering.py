"""Feedback and solutions as they are printed."""

import io
from datetime import date

from rich.console import RenderableType

from tensordrill.app.asked import Feedback, Solved
from tensordrill.domain import Status, Verdict
from tensordrill.puzzles import PredictShape
from tensordrill.ui import rendering
from tensordrill.ui.console import Terminal
from tensordrill.ui.layout import Sheet

TODAY = date(2026, 3, 2)


def printed(part: RenderableType, width: int = 80) -> list[str]:
    file = io.StringIO()
    Terminal(file=file, width=width, _environ={}).print(part)
    return file.getvalue().splitlines()


def wrong(expected: str, got: str, *, width: int = 80, plain: bool = False) -> list[str]:
    verdict = Verdict(status=Status.WRONG_VALUE, feedback="It differs.", expected=expected, got=got)
    return printed(rendering.verdict_on(Feedback(verdict), TODAY, predicted=False, plain=plain), width)


GRID = "shape (row 2, col 2)\n[[1, 2],\n [3, 4]]"
OTHER = "shape (row 2, col 2)\n[[ 1, 2],\n [30*, 4]]"


def test_expected_beside_got() -> None:
    assert wrong(GRID, OTHER) == [
        "Not yet. It differs.",
        "Shape (row 2, col 2)",
        "  expected   got  (* differs)",
        "  [[1, 2],   [[ 1, 2],",
        "   [3, 4]]    [30*, 4]]",
    ]


def test_one_below_the_other_where_it_is_narrow() -> None:
    wide = ", ".join(map(str, range(10, 19)))
    assert wrong(f"[{wide}]", f"[{wide}*]", width=60) == [
        "Not yet. It differs.",
        "expected",
        f"  [{wide}]",
        "got  (* differs)",
        f"  [{wide}*]",
    ]


def test_in_words() -> None:
    assert wrong(GRID, OTHER, plain=True)[1:] == [
        "Shape (row 2, col 2)",
        "Expected:",
        "[[1, 2],",
        " [3, 4]]",
        "Got, with a star where it differs:",
        "[[ 1, 2],",
        " [30*, 4]]",
    ]


def test_of_many_rows_those_that_differ_are_shown() -> None:
    expected = "\n".join(f"row {i}" for i in range(30))
    lines = wrong(expected, expected.replace("row 27", "row 0*"))
    assert len(lines) == 2 + 12
    assert lines[-2:] == ["  row 27             row 0*", "  ... 19 more rows   ... 19 more rows"]


def test_entries_by_their_places() -> None:
    expected, got = (
        "[row 0, col 1]: 5\n[row 2, col 10]: 60\n... and 7 more",
        "[row 0, col 1]: 6*\n[row 2, col 10]: 7*\n... and 7 more",
    )
    assert wrong(expected, got, width=60)[1:] == [
        "                   expected   got  (* differs)",
        "  [row 0, col 1]:  5          6*",
        "  [row 2, col 10]: 60         7*",
        "  ... and 7 more",
    ]
    assert wrong(expected, got, width=40)[4:] == ["  ... and 7 more", "got  (* differs)"] + [
        f"  {row}" for row in got.split("\n")
    ]


def test_what_the_sentence_says_is_not_said_again() -> None:
    error = "RuntimeError: shape '[3]' is invalid"
    verdict = Verdict(status=Status.WRONG_VALUE, feedback=f"It raises {error}", expected=error, got="(3,)")
    assert printed(rendering.verdict_on(Feedback(verdict), TODAY, predicted=False)) == [f"Not yet. It raises {error}"]


def test_steps_where_it_is_narrow() -> None:
    steps = "x = torch.zeros(2, 3)  (2, 3)\ny = ...flatten(1)      (2, 3)  you: (6,)\n  B  [[1, 2], [3, 4]]"
    lines = printed(Sheet(list(rendering.steps(steps))), width=40)
    assert lines == [
        "",
        "Step by step",
        "  x = torch.zeros(2, 3)  (2, 3)",
        "  y = ...flatten(1)",
        "    (2, 3)",
        "    you: (6,)",
        "    B  [[1, 2], [3, 4]]",
    ]


def test_other_shapes_stay_in_their_columns() -> None:
    assert wrong("shape (1,)\n[1]", "True")[1:] == [
        "  expected     got",
        "  shape (1,)   True",
        "  [1]",
    ]


def test_what_torch_says_stands_below_an_error() -> None:
    puzzle = PredictShape(program="x = torch.zeros(2).view(3)", ask="x", can_fail=True, hints=(), why="Two are not 3.")
    solved = Solved("error", puzzle.why, None, "RuntimeError: shape '[3]' is invalid", puzzle)
    assert printed(rendering.solution(solved)) == [
        "The solution",
        "  error",
        "  torch says: RuntimeError: shape '[3]' is invalid",
        "",
        "Two are not 3.",
    ]
    assert printed(rendering.solution(solved, plain=True))[0] == "The solution:"
