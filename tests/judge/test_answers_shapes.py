"""Answers to the shapes drills as people type them, right and wrong, and what the judge says of them."""

import pytest
from tensordrill.drills.shapes import Join, Shape, puzzle, zeros

from tensordrill.catalog import Catalog
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import PredictShape

SHAPE, VALUE, SLIP = Status.WRONG_SHAPE, Status.WRONG_VALUE, Status.UNPARSABLE


def asked(kind: str, *shapes: Shape, dim: int) -> PredictShape:
    names = "abcd"[: len(shapes)]
    program = "\n".join(f"{name} = {zeros(shape)}" for name, shape in zip(names, shapes, strict=True))
    asked: PredictShape = puzzle(program, f"[{', '.join(names)}]", Join(kind, shapes, dim))
    return asked


STACK = asked("stack", (2, 5), (2, 5), (2, 5), dim=1)
LAST = asked("stack", (2, 5), (2, 5), (2, 5), dim=-1)
INNER = asked("stack", (4, 5, 6), (4, 5, 6), dim=-2)
UNLIKE = asked("stack", (2, 5), (2, 6), dim=0)
CAT = asked("cat", (2, 5), (2, 5), (2, 5), dim=1)
LONGER = asked("cat", (2, 5), (2, 7), dim=-1)
CLASH = asked("cat", (2, 5), (3, 5), dim=1)
PAST = asked("cat", (2, 5), (2, 5), dim=2)
RANKS = asked("cat", (2, 5, 3), (5, 3), dim=0)


@pytest.mark.parametrize(
    ("it", "answer"),
    [
        (STACK, "(2, 3, 5)"),
        (STACK, "2 3 5"),
        (STACK, "2,3,5"),
        (STACK, "[2, 3, 5]"),
        (STACK, "torch.Size([2, 3, 5])"),
        (STACK, "2x3x5"),
        (LAST, "(2, 5, 3)"),
        (INNER, "(4, 5, 2, 6)"),
        (UNLIKE, "error"),
        (UNLIKE, "It raises."),
        (CAT, "(2, 15)"),
        (CAT, "2 × 15"),  # noqa: RUF001 -- as it is pasted
        (LONGER, "(2, 12)"),
        (LONGER, "(2, 12,)"),
        (CLASH, "Error"),
        (PAST, "error"),
        (RANKS, "raises"),
    ],
)
def test_what_is_right(judge: Judge, it: PredictShape, answer: str) -> None:
    verdict = judge.grade(it, answer)
    assert verdict.correct, verdict.feedback


@pytest.mark.parametrize(
    ("it", "answer", "status", "turn"),
    [
        (STACK, "(2, 15)", SHAPE, "taken-for-cat"),
        (STACK, "(3, 2, 5)", VALUE, "axis-first"),
        (STACK, "(2, 5, 3)", VALUE, "axis-last"),
        (STACK, "error", VALUE, "stack-must-fail"),
        (STACK, "(6, 5)", SHAPE, None),
        (LAST, "(2, 3, 5)", VALUE, "negative-dim"),
        (LAST, "(3, 2, 5)", VALUE, "axis-first"),
        (INNER, "(4, 2, 5, 6)", VALUE, "negative-dim"),
        (INNER, "(4, 5, 6, 2)", VALUE, "axis-last"),
        (UNLIKE, "(2, 2, 5)", VALUE, "shapes-ignored"),
        (UNLIKE, "(2, 2, 6)", VALUE, "shapes-ignored"),
        (CAT, "(2, 3, 5)", SHAPE, "taken-for-stack"),
        (CAT, "(6, 5)", VALUE, "wrong-axis"),
        (CAT, "(2, 5)", VALUE, "not-added"),
        (CAT, "error", VALUE, "cat-must-fail"),
        (LONGER, "error", VALUE, "equal-or-error"),
        (LONGER, "(2, 7)", VALUE, "not-added"),
        (LONGER, "(4, 5)", VALUE, "wrong-axis"),
        (CLASH, "(2, 10)", VALUE, "others-ignored"),
        (CLASH, "(5, 5)", VALUE, "wrong-axis"),
        (PAST, "(2, 5, 2)", VALUE, "taken-for-stack"),
        (PAST, "(2, 10)", VALUE, "dim-wraps"),
        (RANKS, "(3, 5, 3)", VALUE, "rank-ignored"),
        (STACK, "2 by 3", SLIP, None),
        (STACK, "(2, -1, 5)", SLIP, None),
        (STACK, "", SLIP, None),
    ],
)
def test_what_is_wrong_is_named(judge: Judge, it: PredictShape, answer: str, status: Status, turn: str | None) -> None:
    verdict = judge.grade(it, answer)
    assert (verdict.status, verdict.wrong_turn) == (status, turn), verdict.feedback


@pytest.mark.parametrize("level", [1, 2, 3])
def test_calls_fail_about_as_often_as_design_asks(judge: Judge, catalog: Catalog, level: int) -> None:
    puzzles = [catalog["shapes.stack-cat"].puzzle(seed, level) for seed in range(60)]
    failing = sum(judge.solution(it) == "error" for it in puzzles)
    assert 9 <= failing <= 33


@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("seed", range(10))
def test_shapes_of_generators_are_those_of_torch(judge: Judge, catalog: Catalog, level: int, seed: int) -> None:
    it = catalog["shapes.stack-cat"].puzzle(seed, level)
    certificate = judge.certify(it)
    assert certificate.ok, certificate.problems
