"""What a program does step by step: the shape after each step, the gradients as they come back."""

from collections.abc import Iterator

import pytest

from tensordrill.catalog import built_in
from tensordrill.judge import Judge
from tensordrill.judge.steps import WIDEST
from tensordrill.puzzles import Edit, PredictShape, PredictValue, Puzzle, Wrong

DRILLS = built_in()
PREDICTIONS = [name for name in DRILLS if DRILLS[name].puzzle(0).kind in ("shape", "value")]


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Judge() as made:
        yield made


def shape(program: str, ask: str, *wrong: Wrong | Edit, can_fail: bool = False) -> PredictShape:
    return PredictShape(program=program, ask=ask, wrong=wrong, can_fail=can_fail, hints=(), why="")


def value(program: str, ask: str, *, can_fail: bool = False) -> PredictValue:
    return PredictValue(program=program, ask=ask, can_fail=can_fail, hints=(), why="")


def lines(*rows: str) -> str:
    return "\n".join(rows)


def test_shapes_after_each_step(judge: Judge) -> None:
    puzzle = shape(
        """
        x = torch.zeros(2, 3, 4)
        pieces = [x[i] for i in range(2)]
        y = x.permute(2, 0, 1).flatten(1)
        """,
        "torch.cat([y, (y + 1)[:, :2]], dim=-1)",
    )
    assert judge.steps(puzzle) == lines(
        "x                                       (2, 3, 4)",
        "pieces                                  2 of (3, 4)",
        "x.permute(2, 0, 1)                      (4, 2, 3)",
        "y = ...flatten(1)                       (4, 6)",
        "y + 1                                   (4, 6)",
        "...[:, :2]                              (4, 2)",
        "torch.cat([y, (y + 1)[:, :2]], dim=-1)  (4, 8)",
    )


def test_where_a_mistake_departs(judge: Judge) -> None:
    inverse = Edit("inverse", "2, 0, 1", "1, 2, 0", "")
    puzzle = shape("x = torch.zeros(2, 3, 4)\ny = x.permute(2, 0, 1).sum(0)", "y.unsqueeze(0)", inverse)
    assert judge.steps(puzzle, inverse) == lines(
        "x                   (2, 3, 4)",
        "x.permute(2, 0, 1)  (4, 2, 3)  you: (3, 4, 2)",
        "y = ...sum(0)       (2, 3)     you: (4, 2)",
        "y.unsqueeze(0)      (1, 2, 3)  you: (1, 4, 2)",
    )


def test_a_mistake_with_other_steps_shows_in_the_end(judge: Judge) -> None:
    kept = Wrong("kept", "(2, 3, 1)", "")
    puzzle = shape("x = torch.zeros(2, 3, 4)", "x.sum(-1)", kept)
    assert judge.steps(puzzle, kept) == "x          (2, 3, 4)\nx.sum(-1)  (2, 3)     you: (2, 3, 1)"
    assert judge.grade(puzzle, "2 3 1").steps == judge.steps(puzzle, kept)


def test_the_step_that_raises(judge: Judge) -> None:
    works = Edit("works", "x @ x.T[:2]", "x[:, :2] @ x.T[:2]", "")
    puzzle = shape("x = torch.zeros(2, 3)\ny = x @ x.T[:2]", "y.T", works, can_fail=True)
    steps = "x                (2, 3)\nx.T              (3, 2)\n...[:2]          (2, 2)\ny = x @ x.T[:2]  raises"
    assert judge.steps(puzzle) == steps
    assert judge.steps(puzzle, works) == steps + "  you: (2, 2)"
    assert judge.grade(puzzle, "error").correct


def test_gradients_in_the_order_in_which_they_come(judge: Judge) -> None:
    puzzle = value(
        """
        x = torch.tensor([1., 2.], requires_grad=True)
        w = torch.tensor([[3., 4.], [5., 6.]], requires_grad=True)
        y = x * w
        y.sum().backward()
        """,
        "x.grad",
    )
    assert judge.steps(puzzle) == lines(
        "y.sum().backward()",
        "  y.sum()    1",
        "  y = x * w  [[1, 1], [1, 1]]",
        "  x          [8, 10]",
        "  w          [[1, 2], [1, 2]]",
    )


def test_every_backward_pass_is_shown(judge: Judge) -> None:
    puzzle = value(
        "x = torch.tensor(3., requires_grad=True)\n(x * x).backward()\n(2 * x).backward()\n"
        "g = torch.autograd.grad(5 * x, x)",
        "x.grad",
    )
    assert judge.steps(puzzle) == lines(
        "(x * x).backward()",
        "  x * x  1",
        "  x      6",
        "(2 * x).backward()",
        "  2 * x  1",
        "  x      2",
        "torch.autograd.grad(5 * x, x)",
        "  5 * x  1",
        "  x      5",
    )
    assert judge.grade(puzzle, "6").steps == judge.steps(puzzle)


def test_steps_come_only_with_what_is_wrong(judge: Judge) -> None:
    puzzle = shape("x = torch.zeros(2, 3)", "x.T")
    assert judge.grade(puzzle, "3 2").steps is None
    assert judge.grade(puzzle, "three").steps is None
    assert judge.grade(puzzle, "2 3").steps == "x    (2, 3)\nx.T  (3, 2)"


@pytest.mark.parametrize("name", PREDICTIONS)
def test_the_steps_of_every_drill_are_readable(judge: Judge, name: str) -> None:
    drill = DRILLS[name]
    for level in range(1, drill.levels + 1):
        for seed in range(2):
            puzzle: Puzzle = drill.puzzle(seed, level)
            if puzzle.traced() is None:
                continue
            for steps in (judge.steps(puzzle), *(judge.steps(puzzle, wrong) for wrong in puzzle.wrong[:2])):
                assert steps, f"{name} level {level} seed {seed}: no steps"
                widest = max(steps.split("\n"), key=len)
                assert len(widest) <= WIDEST, f"{name} level {level} seed {seed}: {widest}"


def test_no_step_is_shown_of_a_backward_pass_that_is_not_reached(judge: Judge) -> None:
    puzzle = value("x = torch.ones(2, requires_grad=True)\nx += 1\nx.sum().backward()", "x.grad", can_fail=True)
    assert judge.steps(puzzle) is None
