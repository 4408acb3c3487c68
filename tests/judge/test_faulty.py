"""A puzzle that is at fault is told to be, and costs nobody anything."""

import pytest

from tensordrill.app.grading import solved
from tensordrill.domain import Status
from tensordrill.errors import TensordrillError
from tensordrill.judge import Judge
from tensordrill.judge.sandbox import Limits
from tensordrill.puzzles import PredictValue, Wrong

ENDLESS = PredictValue(program="while True: pass", ask="1", wrong=[Wrong("w", "2", "")], hints=("", ""), why="")
BROKEN = PredictValue(program="x = 1 / 0", ask="x", wrong=[Wrong("w", "2", "")], hints=("", ""), why="")


@pytest.mark.parametrize("puzzle", [ENDLESS, BROKEN], ids=["endless", "broken"])
def test_its_solution_is_refused_in_a_sentence(puzzle: PredictValue) -> None:
    with Judge(Limits(cpu_s=1)) as judge:
        with pytest.raises(TensordrillError, match="This puzzle is at fault: "):
            solved(puzzle, judge)
        assert judge.grade(puzzle, "1").status is Status.INTERNAL
