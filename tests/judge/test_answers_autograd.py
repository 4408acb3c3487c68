"""Answers to autograd.broadcast as people type them, right and wrong, and what the judge says of them."""

import pytest
from tensordrill.drills.autograd import gradient, ignoring_upstream, other_operand, sign, sums

from tensordrill.catalog import Catalog
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import PredictValue

SHAPE, VALUE, SLIP = Status.WRONG_SHAPE, Status.WRONG_VALUE, Status.UNPARSABLE

COLUMNS = gradient(
    "w",
    [
        "x = torch.tensor([[1., 2., 3.], [4., 1., 2.]], requires_grad=True)",
        "w = torch.tensor([5., 6., 7.], requires_grad=True)",
        "g = torch.tensor([[3., 4., 5.], [4., 3., 3.]])",
        "(g * (x * w)).sum().backward()",
    ],
    [*sums("w", "g * x", "sum(1)", 2), ignoring_upstream("w", "x * w"), other_operand("x")],
)
ROWS = gradient(
    "b",
    [
        "x = torch.tensor([[1., 2.], [3., 4.], [4., 1.]], requires_grad=True)",
        "b = torch.tensor([[5.], [6.], [7.]], requires_grad=True)",
        "g = torch.tensor([[3., 4.], [5., 3.], [4., 4.]])",
        "(x - b).backward(g)",
    ],
    [*sums("b", "-g", "sum(0, keepdim=True)", 2), ignoring_upstream("b", "x - b"), other_operand("x"), sign("b")],
)
MIDDLE = gradient(
    "s",
    [
        "x = torch.tensor([[[1., 2.], [3., 1.], [2., 2.]], [[3., 3.], [1., 2.], [2., 1.]]], requires_grad=True)",
        "s = torch.tensor([[[5., 6.]], [[7., 8.]]], requires_grad=True)",
        "(x * s).sum().backward()",
    ],
    [*sums("s", "x + 0", "sum(0, keepdim=True)", 3), other_operand("x")],
)


@pytest.mark.parametrize(
    ("it", "answer"),
    [
        (COLUMNS, "[19, 11, 21]"),
        (COLUMNS, "tensor([19., 11., 21.])"),
        (COLUMNS, "(19, 11, 21)"),
        (COLUMNS, "19 11 21"),
        (COLUMNS, "19, 11, 21"),
        (COLUMNS, "[19.0, 22/2, 21]"),
        (COLUMNS, "torch.tensor([19, 11, 21], dtype=torch.float64)"),
        (COLUMNS, "`[19, 11, 21]`"),
        (ROWS, "[[-7], [-8], [-8]]"),
        (ROWS, "tensor([[-7.], [-8.], [-8.]])"),
        (ROWS, "((-7,), (-8,), (-8,))"),
        (ROWS, "[[\N{MINUS SIGN}7], [\N{MINUS SIGN}8], [\N{MINUS SIGN}8]]"),  # pasted from a document
        (MIDDLE, "[[[6, 5]], [[6, 6]]]"),
        (MIDDLE, "[ [ [6., 5.] ], [ [6., 6.] ] ]"),
        (MIDDLE, "np.array([[[6, 5]], [[6, 6]]])"),
    ],
)
def test_the_gradient_is_right_however_it_is_typed(judge: Judge, it: PredictValue, answer: str) -> None:
    verdict = judge.grade(it, answer)
    assert verdict.correct, verdict.feedback


@pytest.mark.parametrize(
    ("it", "answer", "status", "turn"),
    [
        (COLUMNS, "[[3, 8, 15], [16, 3, 6]]", SHAPE, "not-summed"),
        (COLUMNS, "[26, 25]", SHAPE, "wrong-axis"),
        (COLUMNS, "[9.5, 5.5, 10.5]", VALUE, "averaged"),
        (COLUMNS, "[5, 3, 5]", VALUE, "upstream-ignored"),
        (COLUMNS, "[[15, 24, 35], [20, 18, 21]]", SHAPE, "other-operand"),
        (COLUMNS, "[[19, 11, 21]]", SHAPE, None),
        (COLUMNS, "[5, 6, 7]", VALUE, None),
        (COLUMNS, "[19, 11, 12]", VALUE, None),
        (COLUMNS, "51", SHAPE, None),
        (COLUMNS, "error", SLIP, None),
        (COLUMNS, "[19, 11, ]]", SLIP, None),
        (COLUMNS, "g.T @ x", SLIP, None),
        (ROWS, "[[7], [8], [8]]", VALUE, "sign"),
        (ROWS, "[-7, -8, -8]", SHAPE, None),
        (ROWS, "[[-2], [-2], [-2]]", VALUE, "upstream-ignored"),
        (ROWS, "[[-12, -11]]", SHAPE, "wrong-axis"),
        (ROWS, "[[3, 4], [5, 3], [4, 4]]", SHAPE, "other-operand"),
        (ROWS, "[[-3, -4], [-5, -3], [-4, -4]]", SHAPE, "not-summed"),
        (ROWS, "[[-3.5], [-4], [-4]]", VALUE, "averaged"),
        (MIDDLE, "[[6, 5], [6, 6]]", SHAPE, None),
        (MIDDLE, "[[[2, 5/3]], [[2, 2]]]", VALUE, "averaged"),
        (MIDDLE, "[[[4, 5], [4, 3], [4, 3]]]", SHAPE, "wrong-axis"),
    ],
)
def test_what_is_wrong_is_named(judge: Judge, it: PredictValue, answer: str, status: Status, turn: str | None) -> None:
    verdict = judge.grade(it, answer)
    assert (verdict.status, verdict.wrong_turn) == (status, turn), verdict.feedback


@pytest.mark.parametrize("level", [1, 2, 3])
def test_answers_are_few_whole_numbers(judge: Judge, catalog: Catalog, level: int) -> None:
    for seed in range(10):
        solution = judge.solution(catalog["autograd.broadcast"].puzzle(seed, level))
        numbers = solution.replace("[", "").replace("]", "").split(",")
        assert len(numbers) <= 6
        assert all(abs(int(number)) < 100 for number in numbers)
