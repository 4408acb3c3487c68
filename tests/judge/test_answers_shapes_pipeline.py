"""Answers to shapes.pipeline as people type them, and what the judge says of them. Its rules are torch's."""

import contextlib

import einops
import pytest
import torch
from tensordrill.drills.shapes_pipeline import (
    OPERATIONS,
    Chain,
    Shape,
    Step,
    asked,
    gone,
    inserted,
    joined,
    multiplied,
    on_axis,
    one,
    reordered,
)

from tensordrill.authoring import Rng
from tensordrill.catalog import Catalog
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import PredictShape

SHAPE, VALUE = Status.WRONG_SHAPE, Status.WRONG_VALUE

PERMUTE = Step("{x}.permute(2, 0, 1)", reordered((2, 0, 1)), "permute-inverted", reordered((1, 2, 0)), "…")
SUM = Step("{x}.sum(1)", on_axis(1, gone), "dim-kept", on_axis(1, one), "…")
NONE = Step("{x}[:, None]", inserted(1, 1), "none-off-by-one", inserted(2, 1), "…")
STACK = Step("torch.stack([{x}, {x}], dim=0)", inserted(0, 2), "stack-as-cat", on_axis(0, lambda n: (2 * n,)), "…")
CAT = Step("torch.cat([{x}, {w}], dim=0)", joined((4, 3), 0), "cat-not-added", on_axis(0, lambda n: (max(n, 4),)), "…",
           (4, 3), joined((4, 3), 0, checked=False))  # fmt: skip
MATMUL = Step("{x} @ {w}", multiplied((2, 5)), "matmul-keeps-last", lambda shape: shape, "…", (2, 5),
              multiplied((2, 5), checked=False))  # fmt: skip


def puzzle(start: Shape, *steps: Step, led_by: int | None = None, spare: int = 1) -> PredictShape:
    """The steps in a row; after the first, they are made for the belief with that number."""
    chain = Chain(start, spare)
    for step in steps:
        chain.take(step)
        chain.led_by = led_by
    assert len(chain.codes) == len(steps)
    made: PredictShape = asked(Rng("corpus"), chain)
    return made


RUNS = puzzle((2, 3, 4), PERMUTE, SUM, NONE)
GUIDED = puzzle((2, 3, 4), PERMUTE, SUM, NONE, spare=0)
RANKS = puzzle((2, 3), STACK, CAT, NONE, led_by=0)
INNER = puzzle((2, 3, 4), PERMUTE, MATMUL, SUM, led_by=0)


@pytest.mark.parametrize(
    ("it", "answer"),
    [
        (RUNS, "(4, 1, 3)"),
        (RUNS, "4 1 3"),
        (RUNS, "[4, 1, 3]"),
        (RUNS, "torch.Size([4, 1, 3])"),
        (RUNS, "4x1x3"),
        (GUIDED, "(4, 1, 3)"),
        (RANKS, "error"),
        (RANKS, "It raises."),
        (INNER, "Error"),
    ],
)
def test_what_is_right(judge: Judge, it: PredictShape, answer: str) -> None:
    verdict = judge.grade(it, answer)
    assert verdict.correct, verdict.feedback


@pytest.mark.parametrize(
    ("it", "answer", "status", "turn"),
    [
        (RUNS, "(3, 1, 2)", VALUE, "permute-inverted"),
        (RUNS, "(4, 1, 1, 3)", SHAPE, "dim-kept"),
        (RUNS, "(4, 3, 1)", VALUE, "none-off-by-one"),
        (RUNS, "error", VALUE, "nothing-raises"),
        (RUNS, "(4, 3)", SHAPE, None),
        (RUNS, "(4, 1,", Status.UNPARSABLE, None),
        (GUIDED, "error", Status.UNPARSABLE, None),
        (RANKS, "(8, 1, 3)", VALUE, "stack-as-cat"),
        (RANKS, "(2, 1, 2, 3)", VALUE, None),
        (INNER, "(3, 5)", VALUE, "permute-inverted"),
        (INNER, "(4, 5)", VALUE, "error-missed"),
    ],
)
def test_what_is_wrong_is_named(judge: Judge, it: PredictShape, answer: str, status: Status, turn: str | None) -> None:
    verdict = judge.grade(it, answer)
    assert (verdict.status, verdict.wrong_turn) == (status, turn), verdict.feedback


@pytest.mark.parametrize(("level", "steps", "least", "most"), [(1, 3, 0, 0), (2, 4, 8, 22), (3, 5, 8, 22)])
def test_every_step_has_a_mistake_that_shows_and_some_raise(
    judge: Judge, catalog: Catalog, level: int, steps: int, least: int, most: int
) -> None:
    puzzles = [catalog["shapes.pipeline"].puzzle(seed, level) for seed in range(50)]
    failing = [it for it in puzzles if judge.solution(it) == "error"]
    assert least <= len(failing) <= most
    assert all(len(it.wrong) >= (1 if it in failing else steps) for it in puzzles)


@pytest.mark.parametrize("level", [2, 3])
def test_who_says_that_it_raises_is_not_told_which_mistake_that_is(catalog: Catalog, level: int) -> None:
    """Many end in an error."""
    puzzles = [catalog["shapes.pipeline"].puzzle(seed, level) for seed in range(60)]
    assert {wrong.id for it in puzzles for wrong in it.wrong if getattr(wrong, "answer", "") == "error"} == {
        "nothing-raises"
    }


EVERY = {operation.__name__: (least, operation) for least, operation in OPERATIONS[3]}


@pytest.mark.parametrize("name", list(EVERY))
def test_the_rule_of_an_operation_is_that_of_torch(name: str) -> None:
    """On the shape that it is made for, and on others, where it may raise."""
    least, operation = EVERY[name]
    for seed in range(30):
        rng = Rng(f"{name}/{seed}", 1 + seed % 3)
        shape = tuple([rng.integer(1, 7) for _ in range(rng.integer(least, 4))])
        step = operation(rng, shape)
        others = [tuple([rng.integer(1, 7) for _ in range(rng.integer(1, 4))]) for _ in range(4)]
        for size in [shape, shape[::-1], (2, *shape), shape[1:] or (3,), *others] if step else ():
            assert step.rule(size) == in_torch(step, size), (step.code, size)


def in_torch(step: Step, shape: Shape) -> Shape | None:
    names = {"torch": torch, "nn": torch.nn, "F": torch.nn.functional, "einops": einops, "x": torch.zeros(shape)}
    if step.other:
        names["w"] = torch.zeros(step.other)
    with contextlib.suppress(RuntimeError, IndexError, einops.EinopsError):
        return tuple(eval(step.code.format(x="x", w="w"), names).shape)
    return None
