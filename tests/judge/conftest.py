"""What the tests of answers share."""

from collections.abc import Callable, Iterable, Mapping

import pytest

from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import Puzzle

Check = Callable[[Puzzle, Iterable[str], Mapping[str, str | None]], None]


@pytest.fixture
def check(judge: Judge) -> Check:
    """Grades answers that are right, and answers that are wrong, each by the name of its wrong turn or without one."""

    def graded(it: Puzzle, right: Iterable[str], wrong: Mapping[str, str | None]) -> None:
        for answer in right:
            verdict = judge.grade(it, answer)
            assert verdict.correct, (it.face.code, answer, verdict.feedback)
        for answer, turn in wrong.items():
            verdict = judge.grade(it, answer)
            assert not verdict.correct, (it.face.code, answer)
            assert verdict.status is not Status.INTERNAL, verdict.feedback
            assert verdict.wrong_turn == turn, (it.face.code, answer, verdict.feedback)

    return graded
