"""Answers to memory.numpy-bridge as people type them, right and wrong, and what the judge says of them."""

import re
from typing import TYPE_CHECKING

import pytest
from tensordrill.drills.memory_numpy import MORE_TO_NUMPY, MORE_TO_TORCH, TO_NUMPY, TO_TORCH, Bridge

from tensordrill.catalog import Catalog
from tensordrill.judge import Judge
from tensordrill.puzzles import PredictValue

if TYPE_CHECKING:
    from tests.judge.conftest import AskedFor


@pytest.mark.parametrize("bridge", [*TO_TORCH, *TO_NUMPY, *MORE_TO_TORCH, *MORE_TO_NUMPY])
def test_torch_and_numpy_share_what_the_drill_says(judge: Judge, bridge: Bridge) -> None:
    to_torch = bridge in (*TO_TORCH, *MORE_TO_TORCH)
    near, far = ("a", "x") if to_torch else ("x", "a")
    made = "a = np.array([4, 6, 2])" if to_torch else "x = torch.tensor([4, 6, 2])"
    it = PredictValue(
        program=f"{made}\n{far} = {bridge.source.format(v=near)}\n{near}[2] = 50",
        ask=f"[{far}.tolist()[-1]]",
        hints=["", ""],
        why="",
    )
    assert judge.grade(it, "[50]" if bridge.shares else "[2]").correct, bridge


def numbers(it: PredictValue) -> list[int]:
    line = it.program.split("\n")[0]
    return [int(float(text)) for text in line.partition("[")[2].partition("]")[0].split(",")]


@pytest.mark.parametrize(
    ("level", "holds", "right", "wrong", "turn"),
    [
        (1, ("from_numpy(a)\na[:] = 50", "x.tolist"), [50, 50, 50], "old", "view-taken-for-copy"),
        (1, ("torch.tensor(a)\na[:] = 0", "x.tolist"), "old", [0, 0, 0], "copy-taken-for-view"),
        (1, ("as_tensor(a)\nx.fill_(50)", "a.tolist"), [50, 50, 50], "old", "view-taken-for-copy"),
        (1, ("np.array(x)\na.fill(0)", "x.tolist"), "old", [0, 0, 0], "copy-taken-for-view"),
        (2, ("= torch.from_numpy(a)\na = a + 10", "x.tolist"), "old", "plus", "rebinding-writes"),
        (2, ("torch.from_numpy(a).float()\na.fill(-1)", "x.tolist"), "old", [-1, -1, -1], "copy-taken-for-view"),
        (2, ("torch.from_numpy(a).long()\na[:] = 0", "x.tolist"), [0, 0, 0], "old", "view-taken-for-copy"),
        (3, ("requires_grad=True)\na = x.numpy()",), "error", "old", None),
        (3, ("with torch.no_grad():\n    a = x.numpy()\na[0] = 50",), "first 50", "error", "always-raises"),
        (3, ("requires_grad=True)\na = x.detach().clone().numpy()",), "old", "error", "always-raises"),
    ],
)
def test_answers(
    judge: Judge,
    asked_for: "AskedFor",
    level: int,
    holds: tuple[str, ...],
    right: object,
    wrong: object,
    turn: str | None,
) -> None:
    it = asked_for("memory.numpy-bridge", level, *map(re.escape, holds))
    assert isinstance(it, PredictValue)
    old = numbers(it)
    known = {"old": old, "plus": [n + 10 for n in old], "first 50": [50, *old[1:]], "error": "error"}
    answer, mistake = (known[one] if isinstance(one, str) else one for one in (right, wrong))
    assert judge.grade(it, str(answer)).correct, it.program
    assert judge.grade(it, f"tensor({answer})" if answer != "error" else "raises").correct, it.program
    verdict = judge.grade(it, str(mistake))
    assert not verdict.correct
    assert turn is None or verdict.wrong_turn == turn, (it.program, verdict.feedback)


@pytest.mark.parametrize("level", [1, 2])
def test_sharing_and_copying_come_about_equally_often(catalog: Catalog, level: int) -> None:
    turns = [catalog["memory.numpy-bridge"].puzzle(seed, level).wrong[0].id for seed in range(300)]
    assert 100 <= turns.count("view-taken-for-copy") <= 200
