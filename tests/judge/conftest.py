"""What the tests of hand-written answers share: the puzzle that an answer is for, and how answers are checked."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import pytest

from tensordrill.catalog import Catalog
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import Puzzle

Check = Callable[[Puzzle, Iterable[str], Mapping[str, str | None]], None]


class AskedFor(Protocol):
    def __call__(self, drill: str, level: int, *told: str) -> Puzzle: ...


@pytest.fixture(scope="session")
def asked_for(catalog: Catalog) -> AskedFor:
    """The first puzzle of a drill and level that shows all of that: regular expressions, `^` and `$` for lines."""

    def first(drill: str, level: int, *told: str) -> Puzzle:
        for seed in range(5000):
            it = catalog[drill].puzzle(seed, level)
            face = it.face
            prompt, axes = " ".join(face.prompt.split()), [tensor.axes for tensor in face.tensors or ()]
            if all(re.search(one, f"{prompt}\n{face.code}\n{face.ask}\n{axes}", re.MULTILINE) for one in told):
                return it
        raise AssertionError((drill, level, told))

    return first


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
