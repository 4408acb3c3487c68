"""General mistakes, run in torch: each is found for what it is, on every seed, and a right answer never is one."""

import pytest

from tensordrill.judge import Judge
from tensordrill.puzzles import WriteCode, WriteEinsum, WriteExpression, tensor

TABLE = WriteExpression(
    prompt="",
    tensors=[tensor("x", "batch row column")],
    reference_expression="x * 2 + 1",
    output=["batch", "row", "column"],
    hints=["a", "b"],
    why="w",
)
MEAN = WriteExpression(
    prompt="",
    tensors=[tensor("x", "batch row column")],
    reference_expression="x.mean(-1)",
    output=["batch", "row"],
    hints=["a", "b"],
    why="w",
)
MASK = WriteExpression(
    prompt="", tensors=[tensor("x", "row column")], reference_expression="x > 0", output=["row", "column"],
    hints=["a", "b"], why="w",
)  # fmt: skip
SCORES = WriteEinsum(
    prompt="",
    tensors=[tensor("Q", "batch query d_head"), tensor("K", "batch key d_head")],
    output=["batch", "query", "key"],
    hints=["a", "b"],
    why="w",
)


GRAM = WriteExpression(
    prompt="", tensors=[tensor("x", "row column")], reference_expression="x @ x.T", output=["row", "row"],
    hints=["a", "b"], why="w",
)  # fmt: skip

WRITTEN = WriteCode(
    prompt="",
    signature="def run(x):",
    body="return (x + 1) @ (x + 1).T",
    observe={"the result": "run(x)", "x afterwards": "x"},
    tensors=[tensor("x", "row column")],
    hints=["a", "b"],
    why="w",
)


@pytest.mark.parametrize(
    ("puzzle", "answer", "says"),
    [
        # a symmetric result that is off by a little is not one with its axes swapped
        (GRAM, "x @ x.T * (1 + 1e-7)", "right to about six digits"),
        (TABLE, "(x * 2 + 1).mT", "row and column swapped"),
        (TABLE, "(x * 2 + 1).permute(1, 2, 0)", "another order: row, column, batch"),
        (TABLE, "-(x * 2 + 1)", "opposite sign"),
        (TABLE, "x * 4 + 2", "twice"),
        (TABLE, "x + 0.5", "half of"),
        (TABLE, "x * 2 + 2", "off by one: it should be smaller"),
        (TABLE, "x * 2", "off by one: it should be larger"),
        (TABLE, "(x * 2 + 1).roll(1, -1)", "off by one along column"),
        (TABLE, "(x * 2 + 1).flip(0)", "backwards along batch"),
        (TABLE, "(x * 2 + 1).sum(1)", "summed over row"),
        (TABLE, "(x * 2 + 1).mean(0)", "averaged over batch"),
        (TABLE, "(x * 2 + 1).unsqueeze(0)", "size 1"),
        (TABLE, "(x * 2 + 1).expand(4, *x.shape)", "repeated along an axis"),
        (MEAN, "x.sum(-1)", "a sum in place of a mean"),
        (MEAN, "x.mean(-1, keepdim=True)", "size 1"),
        (MEAN, "x / x.shape[-1]", "kept an axis that should be summed"),
        (MASK, "x <= 0", "inverted"),
        (MASK, "(x > 0).long()", "dtype should be bool"),
        (SCORES, "bqd,bkd->bkq", "query and key swapped"),
        (SCORES, "bqd,bkd->bq", "summed over key"),
        (SCORES, "bqd,bkd->qk", "summed over batch"),
        (SCORES, "bqd,bkd->bqkd", "kept an axis that should be summed: the one at position 3"),
        (SCORES, "bqd,bkd->bqz", "z, which is in none of the terms"),
        (SCORES, "bqd,bkd->bqq", "q stands twice"),
        (SCORES, "bqd,bk->bqk", "K has 3 axes (batch, key, d_head), and your term bk names 2"),
        (SCORES, "bqd->bq", "1 term, and there are 2 tensors: Q and K"),
        (SCORES, "bqd,bqd->bq", "You use q for query of Q, which has size"),
        (SCORES, "bqd,bdk->bqk", "You use d for d_head of Q, which has size"),
    ],
)
def test_named(judge: Judge, puzzle: WriteExpression | WriteEinsum, answer: str, says: str) -> None:
    verdict = judge.grade(puzzle, answer)
    assert not verdict.correct
    assert says in verdict.feedback


@pytest.mark.parametrize(
    "answer",
    ["x", "x * 0", "torch.randn_like(x)", "x.flatten()", "x.sum()", "torch.zeros(2, 2, 2, 2, 2, 2)", "x.tolist()"],
)
def test_what_is_no_general_mistake_is_not_called_one(judge: Judge, answer: str) -> None:
    verdict = judge.grade(TABLE, answer)
    assert not verdict.correct
    assert "\n" not in verdict.feedback  # one sentence: what differs, without a diagnosis


def test_a_first_result_that_is_right_is_not_called_nearly_right(judge: Judge) -> None:
    """What differs is another observation."""
    answer = "def run(x):\n    x += 0 * x + 1\n    return x @ x.T"
    verdict = judge.grade(WRITTEN, answer)
    assert not verdict.correct
    assert "six digits" not in verdict.feedback


def test_the_cells_that_differ_are_marked(judge: Judge) -> None:
    puzzle = WriteExpression(
        prompt="", tensors=[tensor("x", "row column")], reference_expression="x", hints=["a", "b"], why="w"
    )
    verdict = judge.grade(puzzle, "torch.where(torch.arange(x.shape[1]) == 1, x + 1000, x)")
    assert verdict.expected is not None
    assert verdict.got is not None
    assert "*" not in verdict.expected
    assert verdict.got.count("*") == len(verdict.got.splitlines()) - 1  # one cell in each row


def test_a_large_result_shows_only_cells_that_differ(judge: Judge) -> None:
    puzzle = WriteExpression(
        prompt="", tensors=[tensor("x", "a b c d")], reference_expression="x", hints=["a", "b"], why="w"
    )
    verdict = judge.grade(puzzle, "x + (torch.arange(x.numel()) == 5).view(x.shape) * 1000")
    assert verdict.expected is not None
    assert verdict.got is not None
    assert verdict.expected.startswith("[0, 0, 1, 2]: ")
    assert verdict.got.endswith("*")
