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
                if steps is None and judge.raised(puzzle):
                    continue  # nothing has come back before it raises
                assert steps, f"{name} level {level} seed {seed}: no steps"
                assert steps.isascii()
                widest = max(steps.split("\n"), key=len)
                assert len(widest) <= WIDEST, f"{name} level {level} seed {seed}: {widest}"


def test_no_step_is_shown_of_a_backward_pass_that_is_not_reached(judge: Judge) -> None:
    puzzle = value("x = torch.ones(2, requires_grad=True)\nx += 1\nx.sum().backward()", "x.grad", can_fail=True)
    assert judge.steps(puzzle) is None


def remembered(program: str, ask: str) -> PredictValue:
    return PredictValue(program=program, ask=ask, memory=True, hints=(), why="")


def test_views_lie_in_one_memory(judge: Judge) -> None:
    puzzle = remembered("x = torch.tensor([[1, 2, 3], [4, 5, 6]])\ny = x.T[1:]\ny[0, 1] = 50", "x")
    assert judge.steps(puzzle) == lines(
        "Memory: x, y",
        "  place    0    1    2    3    4    5",
        "  holds    1    2    3    4   50    6",
        "  x      0,0  0,1  0,2  1,0  1,1  1,2",
        "  y           0,0  1,0       0,1  1,1",
        "  x  (2, 3), strides (3, 1), offset 0, walks 0 1 2, 3 4 5",
        "  y  (2, 2), strides (1, 3), offset 1, walks 1 4, 2 5",
    )
    assert judge.grade(puzzle, "1").steps == judge.steps(puzzle)
    assert judge.grade(puzzle, "[[1, 2, 3], [4, 50, 6]]").steps is None


def test_a_copy_lies_in_another(judge: Judge) -> None:
    puzzle = remembered("x = torch.tensor([7, 8])\ny = x.clone()\nx.zero_()", "y")
    assert judge.steps(puzzle) == lines(
        "One memory: x",
        "  place  0  1",
        "  holds  0  0",
        "  x      0  1",
        "  x  (2,), strides (1,), offset 0, walks 0 1",
        "Another memory: y",
        "  place  0  1",
        "  holds  7  8",
        "  y      0  1",
        "  y  (2,), strides (1,), offset 0, walks 0 1",
    )


def test_an_expanded_axis_is_one_cell(judge: Judge) -> None:
    puzzle = remembered("x = torch.tensor([7, 8])\ny = x.expand(3, 2)\nw = x.as_strided((2, 2), (1, 0))", "y")
    told = judge.steps(puzzle) or ""
    assert "  y      :,0  :,1\n" in told
    assert "  w      0,:  1,:\n" in told
    assert "y  (3, 2), strides (0, 1), offset 0, walks 0 1, 0 1, 0 1\n" in told


def test_entries_that_overlap_share_a_cell(judge: Judge) -> None:
    told = judge.steps(remembered("x = torch.tensor([7, 8, 9])\ny = x.unfold(0, 2, 1)", "y")) or ""
    assert ["y", "0,0", "0,1+", "1,1"] in [line.split() for line in told.split("\n")]


def test_a_tensor_without_a_name_is_shown_where_it_is_written_to(judge: Judge) -> None:
    for line in ("x[1].zero_()", "x[1][0] = 0", "x[1][0] += 1"):
        told = judge.steps(remembered(f"x = torch.tensor([[1, 2], [3, 4]])\n{line}", "x")) or ""
        assert "Memory: x, x[1]\n" in told
        assert "\n  x[1]  (2,), strides (1,), offset 2, walks 2 3" in told


def test_names_that_are_made_together(judge: Judge) -> None:
    told = judge.steps(remembered("x = torch.tensor([1, 2, 3])\na, b = x.split(2)", "b")) or ""
    assert "\n  b  (1,), strides (1,), offset 2, walks 2" in told


def test_what_was_made_before_an_error_is_shown(judge: Judge) -> None:
    puzzle = PredictValue(
        program="x = torch.tensor([[1, 2], [3, 4]])\ny = x.T\nz = y.view(-1)",
        ask="z",
        memory=True,
        can_fail=True,
        hints=(),
        why="",
    )
    assert (judge.steps(puzzle) or "").startswith("Memory: x, y\n")
    assert (judge.raised(puzzle) or "").startswith("RuntimeError: view size is not compatible")


@pytest.mark.parametrize("count", [24, 25, 1000])
def test_a_large_memory_is_told_in_numbers_alone(judge: Judge, count: int) -> None:
    told = judge.steps(remembered(f"x = torch.arange({count}).view(-1, 1).T", "x")) or ""
    assert ("place" in told) == (count == 24)
    assert max(map(len, told.split("\n"))) <= WIDEST
    assert told.endswith("..." if count > 24 else " 23")


@pytest.mark.parametrize(
    "made", ["torch.tensor(3.)", "torch.empty(0)", "torch.tensor([True, False])", "torch.tensor([1 + 2j])"]
)
def test_any_memory_can_be_shown(judge: Judge, made: str) -> None:
    assert (judge.steps(remembered(f"x = {made}\ny = 3\nz = [x]", "x.dim()")) or "").startswith("Memory: x\n")
