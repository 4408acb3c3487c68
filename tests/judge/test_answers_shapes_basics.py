"""Answers to the drills about the shapes of one tensor, of broadcasting and of products, as people type them."""

from collections.abc import Mapping
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 -- as everybody writes it
from torch import nn

from tensordrill.catalog import Catalog
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import PredictShape, Wrong

DRILLS = ("permute", "squeeze", "reduce", "flatten", "reshape", "broadcast", "matmul", "expand-repeat")
MAY_RAISE = ("reshape", "broadcast", "matmul")
LEVELS = (1, 2, 3)


class Solved(NamedTuple):
    """A puzzle worked out by hand: what is asked, the right answer, and the wrong ones with their wrong turns."""

    drill: str
    level: int
    seed: int
    ask: str
    right: str
    wrong: Mapping[str, str | None]


SOLVED = (
    Solved(
        "permute", 1, 300, "torch.movedim(residual, 0, 2)", "(6, 3, 8)",
        {"(3, 6, 8)": "exchanged-not-moved", "(3, 8, 6)": "moved-backwards", "(8, 6, 3)": None},
    ),
    Solved(
        "permute", 1, 301, "photos.mT", "(6, 8, 2, 4)",
        {"(2, 4, 8, 6)": "all-reversed", "(8, 6, 4, 2)": "first-two-exchanged", "(6, 8, 8)": None},
    ),
    Solved(
        "permute", 2, 302, "patterns.permute(3, -3, -5, -4, 4).mT", "(7, 2, 4, 6, 3)",
        {"(2, 7, 3, 6, 4)": "inverse-order", "(6, 3, 4, 2, 7)": "all-reversed", "(7, 2, 4, 3, 6)": None},
    ),
    Solved(
        "permute", 3, 301, "torch.moveaxis(z, -3, -1)", "(6, 5, 2)",
        {"(5, 6, 2)": "exchanged-not-moved", "(5, 2, 6)": "moved-backwards"},
    ),
    Solved(
        "squeeze", 1, 300, "torch.squeeze(W_Q)", "(6, 5)",
        {"(1, 6, 5)": "first-axis-kept", "(6, 1, 5)": "first-one-only", "(1, 6, 1, 5)": "nothing-removed"},
    ),
    Solved(
        "squeeze", 1, 301, "cache.squeeze(2)", "(2, 1, 4, 1)",
        {"(2, 1, 1)": "non-one-removed", "(2, 4)": "all-ones-removed", "(2, 4, 1)": "counted-from-one"},
    ),
    Solved(
        "squeeze", 2, 302, "acts[..., None].squeeze(dim=0)", "(2, 1, 1)",
        {"(2,)": "all-ones-removed", "(1, 2, 1, 1)": "nothing-removed", "(2, 1)": "none-takes-axis"},
    ),
    Solved(
        "squeeze", 3, 302, "z[..., 0]", "(5, 1, 6)",
        {"(1, 5, 6)": "counted-in-the-input", "(5, 1, 6, 1)": "item-keeps-axis", "(1, 6, 2)": "other-end-taken"},
    ),
    Solved(
        "reduce", 1, 300, "torch.sum(scores, dim=3, keepdim=True)", "(4, 8, 6, 1)",
        {"(4, 8, 6)": "keepdim-forgotten", "(1, 1, 1, 7)": "others-reduced", "(4, 8, 1, 7)": "counted-from-one"},
    ),
    Solved(
        "reduce", 1, 302, "torch.prod(tokens, dim=0)", "(8,)",
        {"(1, 8)": "kept-as-one", "(7,)": "others-reduced", "()": None},
    ),
    Solved(
        "reduce", 2, 300, "torch.median(cache, 2).values.cumsum(dim=2)", "(6, 4, 2)",
        {"(6, 4)": "taken-for-reduction", "(6, 4, 1, 2)": "kept-as-one", "(6, 3, 2)": "counted-from-one"},
    ),
    Solved(
        "reduce", 3, 301, "z[..., 0]", "(8, 6)",
        {"(8, 6, 1)": "item-keeps-axis", "(6, 7)": "other-end-taken", "(8, 1, 6)": "kept-as-one"},
    ),
    Solved(
        "flatten", 1, 300, "torch.unflatten(scores, 3, (-1, 2))", "(12, 7, 5, 3, 2)",
        {"(12, 7, 5, 2, 3)": "sizes-reversed", "(12, 7, 5, 6, 2)": "not-divided", "(3, 2, 12, 7, 5)": "put-first"},
    ),
    Solved(
        "flatten", 1, 301, "cache.flatten(2)", "(7, 8, 12)",
        {"(7, 8, 7)": "sizes-added", "(672,)": "all-merged", "(168, 4)": "start-taken-for-end", "(7, 8, 3, 4)": None},
    ),
    Solved(
        "flatten", 2, 302, "nn.Flatten()(images).unflatten(1, (-1, 10))", "(5, 28, 10)",
        {"(5, 10, 28)": "sizes-reversed", "(5, 280, 10)": "not-divided", "(28, 10, 5)": "put-first"},
    ),
    Solved(
        "flatten", 3, 301, "torch.swapaxes(z, -2, -1)", "(8, 7, 5)",
        {"(5, 7, 8)": "sizes-reversed", "(8, 7, 40)": "not-divided", "(8, 5, 7)": None},
    ),
    Solved(
        "reshape", 1, 302, "latents.view(-1, 6)", "(10, 6)",
        {"(5, 6)": "keeps-its-size", "(2, 6)": "last-size", "(30, 6)": "others-left-alone", "error": "axes-must-fit"},
    ),
    Solved(
        "reshape", 2, 300, "experts.view(-1, 10).reshape(3, -1, 4)", "(3, 5, 4)",
        {"(3, 60, 4)": "not-divided", "(3, 20, 4)": "one-size-forgotten", "(3, 10, 4)": "keeps-its-size"},
    ),
    Solved(
        "reshape", 2, 302, "keys.view(9, -1)", "error",
        {"(9, 26)": "rounded-down", "(9, 6)": "keeps-its-size", "(9, 60)": "others-left-alone", "(9, 25)": None},
    ),
    Solved("reshape", 3, 301, "y.view(-1, 3)", "error", {"(10, 3)": "view-copies", "(30, 3)": "not-divided"}),
    Solved(
        "broadcast", 1, 300, "penalty - logits", "(6, 2, 3)",
        {"error": "equal-or-error", "(2, 3)": "shape-of-first", "(6, 1, 1)": "shape-of-last", "(2, 3, 6)": None},
    ),
    Solved(
        "broadcast", 1, 302, "prior < logits", "error",
        {"(4, 5)": "aligned-left", "(4, 4)": "smaller-size-wins", "(5,)": None},
    ),
    Solved(
        "broadcast", 2, 302, "torch.maximum(p[None, :, None], q.unsqueeze(-2))", "(8, 4, 7)",
        {"(1, 4, 1)": "shape-of-first", "(8, 1, 7)": "shape-of-last", "error": "equal-or-error"},
    ),
    Solved(
        "broadcast", 3, 300, "diff.norm(dim=-1)", "(6, 7, 4)",
        {"(6, 7, 4, 1)": "reduced-axis-kept", "(6, 7, 1)": "shape-of-first", "error": "equal-or-error"},
    ),
    Solved(
        "matmul", 1, 301, "torch.matmul(weights, x)", "(4, 2)",
        {"(4, 1, 2)": "vector-axis-kept", "(4, 5)": "other-axis-summed", "error": "fitting-refused", "(2, 4)": None},
    ),
    Solved(
        "matmul", 2, 300, "x @ W.mT", "(2, 9, 4, 7)",
        {"(9, 4, 7)": "batch-of-first", "(9, 2, 1, 4, 7)": "all-pairs-of-batches", "error": "batches-must-agree"},
    ),
    Solved(
        "matmul", 2, 301, "nn.Linear(6, 7)(x)", "error",
        {"(7, 4)": "any-axis", "(6, 4)": "features-unchanged", "(6, 4, 7)": "features-added", "(6, 7)": None},
    ),
    Solved(
        "matmul", 3, 300, "W @ x[..., None]", "error",
        {"(3, 6, 1)": "inner-unchecked", "(3, 9, 1)": "left-transposed", "(3, 9)": None},
    ),
    Solved(
        "expand-repeat", 1, 301, "latents.repeat(2, 4, 1, 1)", "(2, 24, 7, 5)",
        {"(2, 4, 1, 1)": "numbers-are-sizes", "(24, 7, 5, 2)": "new-axes-last", "(12, 28, 5, 1)": "lined-up-left"},
    ),
    Solved(
        "expand-repeat", 1, 303, "experts.expand(9, 8, -1, 7)", "(9, 8, 5, 7)",
        {"(9, 8, 5, 49)": "taken-for-repeat", "(8, 5, 7, 9)": "new-axes-last", "(9, 8, 1, 7)": "minus-one-is-one"},
    ),
    Solved(
        "expand-repeat", 2, 303, "W_E.expand(6, 7, 3).tile((4, 4))", "(6, 28, 12)",
        {"(24, 28, 3)": "lined-up-left", "(4, 4, 6, 7, 3)": "new-axes-made", "(6, 4, 4)": "numbers-are-sizes"},
    ),
    Solved(
        "expand-repeat", 3, 301, "y.tile(2)", "(18, 4)",
        {"(36, 2)": "lined-up-left", "(2, 18, 2)": "new-axes-made", "(9, 4)": "sizes-added"},
    ),
)  # fmt: skip
every = pytest.mark.parametrize("it", SOLVED, ids=lambda it: f"{it.drill}-{it.level}-{it.seed}")


def puzzle_of(catalog: Catalog, drill: str, seed: int, level: int) -> PredictShape:
    it = catalog[f"shapes.{drill}"].puzzle(seed, level)
    assert isinstance(it, PredictShape)
    return it


def spellings(answer: str) -> list[str]:
    if answer == "error":
        return ["error", "Error", "it raises", "raises."]
    bare = answer.strip("(),")
    return [answer, f"torch.Size([{bare}])", f"[{bare}]", f" {bare} ", bare.replace(", ", " "), bare.replace(", ", "x")]


@every
def test_what_is_right(judge: Judge, catalog: Catalog, it: Solved) -> None:
    puzzle = puzzle_of(catalog, it.drill, it.seed, it.level)
    assert puzzle.ask == it.ask, "another puzzle than the one that was worked out"
    for answer in spellings(it.right)[it.level - 1 :: 2]:
        verdict = judge.grade(puzzle, answer)
        assert verdict.correct, (answer, verdict.feedback)


@every
def test_what_is_wrong_is_named(judge: Judge, catalog: Catalog, it: Solved) -> None:
    puzzle = puzzle_of(catalog, it.drill, it.seed, it.level)
    for answer, turn in it.wrong.items():
        verdict = judge.grade(puzzle, answer)
        assert verdict.status in (Status.WRONG_SHAPE, Status.WRONG_VALUE), (answer, verdict.feedback)
        assert verdict.wrong_turn == turn, answer


def run(puzzle: PredictShape) -> str:
    scope = {"torch": torch, "nn": nn, "F": F}
    exec(puzzle.program, scope)
    try:
        return str(tuple(eval(puzzle.ask, scope).shape))
    except RuntimeError:
        return "error"


@pytest.mark.parametrize("drill", DRILLS)
@pytest.mark.parametrize("level", LEVELS)
def test_torch_itself_is_right(judge: Judge, catalog: Catalog, drill: str, level: int) -> None:
    for seed in range(4):
        puzzle = puzzle_of(catalog, drill, seed, level)
        answer = run(puzzle)
        assert judge.grade(puzzle, answer).correct, (seed, answer)
        if answer != "error":
            assert not judge.grade(puzzle, "1, " + answer.strip("()")).correct


@pytest.mark.parametrize("drill", DRILLS)
@pytest.mark.parametrize("level", LEVELS)
def test_every_mistake_shows(catalog: Catalog, drill: str, level: int) -> None:
    """None of the wrong rules gives the right answer; and calls fail as often as design asks, or never."""
    count, failing = 120, 0
    for seed in range(count):
        puzzle = puzzle_of(catalog, drill, seed, level)
        answer = run(puzzle)
        assert answer not in [str(wrong.answer) for wrong in puzzle.wrong if isinstance(wrong, Wrong)]
        assert len(puzzle.wrong) > 1
        failing += answer == "error"
    low, high = (0.25, 0.5) if drill in MAY_RAISE else (0, 0)
    assert low <= failing / count <= high


@pytest.mark.parametrize("drill", sorted({*DRILLS} - {*MAY_RAISE}))
def test_where_nothing_raises_an_error_is_no_answer(judge: Judge, catalog: Catalog, drill: str) -> None:
    assert judge.grade(puzzle_of(catalog, drill, 1, 2), "error").status is Status.UNPARSABLE


@pytest.mark.parametrize("drill", DRILLS)
def test_what_is_no_shape_is_a_slip(judge: Judge, catalog: Catalog, drill: str) -> None:
    puzzle = puzzle_of(catalog, drill, 2, 1)
    for text in ("", "(2, -1)", "2 by 3", "(2, 3]", "x.shape"):
        assert judge.grade(puzzle, text).status is Status.UNPARSABLE, text
