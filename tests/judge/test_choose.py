"""A choice is true because running the program says so."""

from typing import Any

import pytest

from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import Choice, Choose, WriteEinsum, Wrong, tensor

RAISES = "It raises: the sizes of `j` differ"
CHOICES = (
    Choice(RAISES, raises="does not broadcast with previously seen size"),
    Choice("It gives shape `(2, 4)`", holds="out.shape == (2, 4)"),
    Choice("It gives shape `(2, 3)`", holds="out.shape == (2, 3)"),
    Choice("It gives a scalar", holds="out.shape == ()"),
)


def choose(right: str, program: str, **more: Any) -> Choose:
    wrong = [Wrong(f"w{i}", c.text, f"Not {c.text}") for i, c in enumerate(CHOICES) if c.text != right]
    return Choose(
        prompt="?", program=program, choices=CHOICES, right=right, wrong=wrong, hints=["a", "b"], why="w", **more
    )


BROKEN = choose(RAISES, 'out = torch.einsum("ij,jk->ik", torch.ones(2, 3), torch.ones(5, 4))', order=(2, 0, 3, 1))
SOUND = choose("It gives shape `(2, 4)`", 'out = torch.einsum("ij,jk->ik", torch.ones(2, 3), torch.ones(3, 4))')


@pytest.mark.parametrize(
    "answer",
    ["b", "B", "b)", "(b)", " b. ", RAISES, f"b) {RAISES}", f"B. {RAISES}", "it raises: the sizes of j differ."],
)
def test_right(judge: Judge, answer: str) -> None:
    assert judge.grade(BROKEN, answer).correct


def test_wrong(judge: Judge) -> None:
    verdict = judge.grade(BROKEN, "c")
    assert verdict.status is Status.WRONG_VALUE
    assert verdict.wrong_turn == "w3"
    assert verdict.expected == f"b) {RAISES}"
    assert verdict.got == "c) It gives a scalar"


@pytest.mark.parametrize("answer", ["e", "1", "", "ab", "It gives", "a b", f"a) {RAISES}"])
def test_slips(judge: Judge, answer: str) -> None:
    assert judge.grade(BROKEN, answer).status is Status.UNPARSABLE


def test_solution(judge: Judge) -> None:
    assert judge.solution(BROKEN) == "b"
    assert judge.solution(SOUND) == "b"
    assert judge.wrong_answers(BROKEN) == ["d", "a", "c"]


def test_torch_has_the_last_word(judge: Judge) -> None:
    mistaken = choose("It gives a scalar", SOUND.program)
    assert "the choice that is true is" in judge.certify(mistaken).problems[0].lower()
    none_true = choose("It gives a scalar", "out = torch.ones(7)")
    assert "0 are true" in judge.certify(none_true).problems[0]


def test_an_ellipsis_in_an_einsum(judge: Judge) -> None:
    puzzle = WriteEinsum(
        prompt="",
        tensors=[tensor("x", "... row column"), tensor("w", "column out")],
        output=["...", "row", "out"],
        hints=["a", "b"],
        why="w",
    )
    assert judge.certify(puzzle).ok
    assert judge.grade(puzzle, "...rc,co->...ro").correct
    assert judge.grade(puzzle, "... row col, col out -> ... row out").correct
    assert not judge.grade(puzzle, "...rc,co->ro...").correct
    assert not judge.grade(puzzle, "rc,co->ro").correct
    assert not judge.grade(puzzle, "...rc,co->ro").correct


def test_an_enormous_result_is_told_at_once(judge: Judge) -> None:
    puzzle = WriteEinsum(
        prompt="",
        tensors=[tensor("A", "a b c d"), tensor("B", "e f g h")],
        output=[],
        hints=["a", "b"],
        why="w",
    )
    verdict = judge.grade(puzzle, "abcd,efgh->abcdefgh")
    assert verdict.status is Status.MEMORY
    assert "entries, of shape" in verdict.feedback
