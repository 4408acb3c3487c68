"""Answers that do not behave: each gets a named status, none is correct, and the next answer is judged as ever."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.judge.sandbox import Limits
from tensordrill.puzzles import WriteCode, WriteExpression, tensor

PUZZLE = WriteExpression(
    prompt="The sum over the columns.",
    tensors=[tensor("x", "row column")],
    reference_expression="x.sum(1)",
    hints=["a", "b"],
    why="sum",
)
CODE = WriteCode(
    prompt="The sum over the columns.",
    tensors=[tensor("x", "row column")],
    signature="def total(x):",
    body="return x.sum(1)",
    observe={"the result": "total(x)"},
    hints=["a", "b"],
    why="sum",
)


@pytest.fixture(scope="module")
def strict() -> Iterator[Judge]:
    """A judge with little patience, so that the tests are quick."""
    with Judge(Limits(cpu_s=1, wall_s=2.0, memory=128 * 2**20)) as judge:
        assert judge.grade(PUZZLE, "x.sum(1)").correct
        yield judge


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("all(True for _ in iter(int, 1))", Status.TIMEOUT),
        ("__import__('time').sleep(60)", Status.TIMEOUT),
        ("__import__('os')._exit(0)", Status.RAISED),
        ("exit()", Status.RAISED),
        ("__import__('sys').exit('\\x1b[2J')", Status.RAISED),
        ("__import__('os').kill(__import__('os').getpid(), 9)", Status.RAISED),
        ("__import__('os').abort()", Status.RAISED),
        ("torch.zeros(10**11)", Status.MEMORY),
        ("[torch.empty(10**7) for _ in range(10**4)]", Status.MEMORY),
        ("'x' * 10**11", Status.MEMORY),
        ("(lambda f: f(f))(lambda f: f(f))", Status.RAISED),
        ("torch.zeros(1000, 1000)", Status.RAISED),  # more than any result is worth sending
        ("(_ for _ in ())", Status.WRONG_VALUE),
        ("x.sum(1).numpy()", Status.WRONG_VALUE),
        ("x.sum(1).tolist()", Status.WRONG_VALUE),
        ("None", Status.WRONG_VALUE),
        ("print('noise') or x.sum(1)", Status.CORRECT),
        ("nn.Parameter(x.sum(1))", Status.CORRECT),
    ],
)
def test_it_is_named_and_the_next_answer_is_judged(strict: Judge, answer: str, status: Status) -> None:
    verdict = strict.grade(PUZZLE, answer)
    assert verdict.status is status, verdict.feedback
    assert verdict.feedback
    assert strict.grade(PUZZLE, "x.sum(1)").correct


@pytest.mark.parametrize(
    "body",
    [
        "import sys\nsys.stdout.write('x' * 100_000)\nreturn x.sum(1)",
        "import warnings\nwarnings.warn('look')\nreturn x.sum(1)",
        "torch.set_default_dtype(torch.float32)\nreturn x.sum(1)",
        "torch.set_num_threads(2)\nreturn x.sum(1)",
    ],
)
def test_odd_and_right_is_right(strict: Judge, body: str) -> None:
    assert strict.grade(CODE, body).correct


def test_an_answer_cannot_write_to_a_file(strict: Judge, tmp_path: Path) -> None:
    target = tmp_path / "written"
    strict.grade(CODE, f"open({str(target)!r}, 'w').write('x' * 100)\nreturn x.sum(1)")
    assert not target.exists() or not target.read_bytes()


def test_what_one_answer_changes_the_next_does_not_see(strict: Judge) -> None:
    strict.grade(CODE, "torch.sum = torch.Tensor.sum = lambda *a, **k: torch.zeros(3)\nreturn torch.sum(x)")
    assert strict.grade(CODE, "return torch.sum(x, 1)").correct


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_outlives_its_answer(strict: Judge) -> None:
    """What an answer starts is killed with it, even where it leaves the answer sleeping in the background."""
    marker = "outlives-its-answer"
    body = f"import os, time\nif os.fork() == 0:\n    marker = {marker!r}\n    time.sleep(60)\nreturn x.sum(1)"
    strict.grade(CODE, body)
    for _ in range(100):
        group = [pid for pid in descendants(strict.zygote_pid) if state_of(pid) not in ("Z", "gone")]
        if len(group) <= 1:  # the spare child, which waits for the next answer
            return
        time.sleep(0.05)
    pytest.fail(f"still there: {group}")


def descendants(root: int | None) -> list[int]:
    """The processes below this one, those of its own session excluded."""
    parents = {int(p.name): parent_of(int(p.name)) for p in Path("/proc").iterdir() if p.name.isdigit()}
    found = [pid for pid, parent in parents.items() if parent == root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "gone"


@pytest.mark.skipif(sys.platform != "linux", reason="the system's filter is Linux's")
def test_the_second_try_of_an_answer_has_the_time_that_the_first_has_left() -> None:
    """One that is stopped is tried again with all of torch: it must not take its time twice."""
    with Judge(Limits(cpu_s=1, wall_s=2.0, memory=128 * 2**20)) as fresh:
        assert fresh.grade(PUZZLE, "x.sum(1)").correct
        verdict = fresh.grade(CODE, "import os, time\ntime.sleep(1.5)\nos.fork()\nreturn x.sum(1)")
        assert verdict.status is Status.TIMEOUT, verdict.feedback


def test_what_breaks_the_judge_is_no_verdict_and_not_its_end(strict: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("tensordrill.judge.client.explain", lambda *_: 1 / 0)
        verdict = strict.grade(PUZZLE, "x.sum(0)")
    assert verdict.status is Status.INTERNAL
    assert "ZeroDivisionError" in verdict.feedback
    assert strict.grade(PUZZLE, "x.sum(1)").correct


def test_a_killed_zygote_is_replaced_and_the_answer_judged() -> None:
    with Judge() as judge:
        assert judge.grade(PUZZLE, "x.sum(1)").correct
        assert judge.zygote_pid is not None
        os.kill(judge.zygote_pid, signal.SIGKILL)
        assert judge.grade(PUZZLE, "x.sum(dim=1)").correct


def test_a_stopped_judge_says_so() -> None:
    with Judge() as judge:
        judge.stop()
        verdict = judge.grade(PUZZLE, "x.sum(1)")
        assert verdict.status is Status.INTERNAL
        assert "stopped" in verdict.feedback
