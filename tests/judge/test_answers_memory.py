"""Answers to memory.view-or-copy as people type them, right and wrong, and what the judge says of them."""

import pytest
from tensordrill.drills.memory import Step, by_layout, first_steps, named_steps, question

from tensordrill.catalog import Catalog
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import PredictValue
from tensordrill.rng import Rng

SHAPE, VALUE, SLIP = Status.WRONG_SHAPE, Status.WRONG_VALUE, Status.UNPARSABLE
VALUES, GRID = [[1, 2, 3], [4, 5, 6]], [[0, 1, 2], [3, 4, 5]]


def written(source: str, line: str, *, write: int = 1, ask: int = 0, inline: bool = False) -> PredictValue:
    """The puzzle in which `y` is made by that source and whose last line is that one."""
    known = [*first_steps("x", GRID), *named_steps("x", GRID), *by_layout(GRID)]
    step = next(step for step in known if step.source == source)
    for seed in range(5000):
        it: PredictValue = question(Rng(str(seed), 2), VALUES, GRID, [step], write=write, ask=ask, inline=inline)
        if it.program.endswith(f"\n{line}"):
            return it
    raise AssertionError((source, line))


ROW = written("x[1]", "y[0] = 50")
COLUMN = written("x[:, 1]", "y.zero_()")
TRANSPOSED = written("x.T", "y[2, 0] = -1")
LISTED = written("x[[0, 1]]", "y[0] += 10")
FLAT = written("x.reshape(-1)", "y[4] = 50")
UNEVEN = written("x.T.reshape(-1)", "y[1] = 50")
ITSELF = written("x.to(torch.int64)", "x[0, 0] = 0", write=0, ask=1)
OTHER_DTYPE = written("x.to(torch.float64)", "x[0, 0] = 0", write=0, ask=1)
STACKED = written("torch.stack([x[1], x[0]])", "x[1, 2] = -1", write=0, ask=1)
UNNAMED = written("x[[1]]", "x[[1]].fill_(50)", inline=True)


@pytest.mark.parametrize(
    ("it", "answer"),
    [
        (ROW, "[[1, 2, 3], [50, 5, 6]]"),
        (ROW, "tensor([[ 1,  2,  3], [50,  5,  6]])"),
        (ROW, "((1, 2, 3), (50, 5, 6))"),
        (ROW, "[[1.0, 2, 3], [50, 5, 6]]"),
        (COLUMN, "[[1, 0, 3], [4, 0, 6]]"),
        (COLUMN, "torch.tensor([[1, 0, 3], [4, 0, 6]])"),
        (TRANSPOSED, "[[1, 2, -1], [4, 5, 6]]"),
        (LISTED, "[[1, 2, 3], [4, 5, 6]]"),
        (FLAT, "[[1, 2, 3], [4, 50, 6]]"),
        (UNEVEN, "[[1, 2, 3], [4, 5, 6]]"),
        (ITSELF, "[[0, 2, 3], [4, 5, 6]]"),
        (OTHER_DTYPE, "[[1., 2., 3.], [4., 5., 6.]]"),
        (OTHER_DTYPE, "[[1, 2, 3], [4, 5, 6]]"),
        (STACKED, "[[4, 5, 6], [1, 2, 3]]"),
        (UNNAMED, "[[1, 2, 3], [4, 5, 6]]"),
    ],
)
def test_what_torch_gives_is_right(judge: Judge, it: PredictValue, answer: str) -> None:
    verdict = judge.grade(it, answer)
    assert verdict.correct, verdict.feedback


@pytest.mark.parametrize(
    ("it", "answer", "status", "turn"),
    [
        (ROW, "[[1, 2, 3], [4, 5, 6]]", VALUE, "view-taken-for-copy"),
        (ROW, "[50, 5, 6]", SHAPE, None),
        (ROW, "1 2 3 50 5 6", SHAPE, None),
        (ROW, "[[50, 2, 3], [4, 5, 6]]", VALUE, None),
        (ROW, "x", SLIP, None),
        (ROW, "error", SLIP, None),
        (COLUMN, "[[1, 2, 3], [4, 5, 6]]", VALUE, "view-taken-for-copy"),
        (COLUMN, "[[1, 2, 3], [0, 0, 0]]", VALUE, None),
        (TRANSPOSED, "[[1, 2, 3], [4, 5, 6]]", VALUE, "view-taken-for-copy"),
        (LISTED, "[[11, 12, 13], [4, 5, 6]]", VALUE, "copy-taken-for-view"),
        (FLAT, "[[1, 2, 3], [4, 5, 6]]", VALUE, "view-taken-for-copy"),
        (UNEVEN, "[[1, 2, 3], [50, 5, 6]]", VALUE, "copy-taken-for-view"),
        (UNEVEN, "[[1, 50, 3], [4, 5, 6]]", VALUE, None),
        (ITSELF, "[[1, 2, 3], [4, 5, 6]]", VALUE, "view-taken-for-copy"),
        (OTHER_DTYPE, "[[0, 2, 3], [4, 5, 6]]", VALUE, "copy-taken-for-view"),
        (STACKED, "[[4, 5, -1], [1, 2, 3]]", VALUE, "copy-taken-for-view"),
        (STACKED, "[[1, 2, 3], [4, 5, -1]]", VALUE, None),
        (UNNAMED, "[[1, 2, 3], [50, 50, 50]]", VALUE, "copy-taken-for-view"),
    ],
)
def test_what_is_wrong_is_named(judge: Judge, it: PredictValue, answer: str, status: Status, turn: str | None) -> None:
    verdict = judge.grade(it, answer)
    assert (verdict.status, verdict.wrong_turn) == (status, turn), verdict.feedback


def test_the_same_index_in_a_transposed_view_is_named(judge: Judge) -> None:
    it = written("x.T", "y[0, 1] = 50")
    assert judge.grade(it, "[[1, 2, 3], [50, 5, 6]]").correct
    assert judge.grade(it, "[[1, 50, 3], [4, 5, 6]]").wrong_turn == "same-index"


@pytest.mark.parametrize("steps", [first_steps("x", GRID), named_steps("x", GRID), by_layout(GRID)])
def test_torch_agrees_with_every_step(judge: Judge, steps: list[Step]) -> None:
    """Certification runs both beliefs: a step that is listed as a view and copies would be found out."""
    for step in steps:
        for write, ask in ((0, 1), (1, 0)):
            it = question(Rng(step.source, 2), VALUES, GRID, [step], write=write, ask=ask)
            assert judge.certify(it).ok, (step.source, judge.certify(it).problems)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_views_and_copies_come_equally_often(catalog: Catalog, level: int) -> None:
    turns = [catalog["memory.view-or-copy"].puzzle(seed, level).wrong[0].id for seed in range(200)]
    assert 60 <= turns.count("copy-taken-for-view") <= 140
