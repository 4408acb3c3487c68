"""The judge where forking is not safe, forced here: a process for each answer. Few tests: each start imports torch."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from tensordrill.domain import Status
from tensordrill.errors import UsageError
from tensordrill.judge import Judge, landlock
from tensordrill.judge.sandbox import Limits
from tensordrill.judge.spawned import VARIABLE, Spawned, backend_named
from tensordrill.puzzles import WriteCode, tensor

PUZZLE = WriteCode(
    prompt="The sum over the columns.",
    tensors=[tensor("x", "row column")],
    signature="def total(x):",
    body="return x.sum(1)",
    observe={"the result": "total(x)"},
    hints=["a", "b"],
    why="sum",
)
RIGHT = "return x.sum(1)"


@pytest.fixture(scope="module")
def strict() -> Iterator[Judge]:
    with Judge(Limits(cpu_s=1, wall_s=3.0, memory=128 * 2**20), backend="spawned") as judge:
        assert judge.certify(PUZZLE).ok
        yield judge


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (RIGHT, Status.CORRECT),
        ("print('noise')\nreturn x.sum(1)", Status.CORRECT),
        ("return x.sum(0)", Status.WRONG_SHAPE),
        ("return x.sum(1) / 0 / x.foo", Status.RAISED),
        ("while True: pass", Status.TIMEOUT),
        ("import time\ntime.sleep(60)", Status.TIMEOUT),
        ("return 'x' * 10**11", Status.MEMORY),
        ("import os\nos._exit(0)", Status.RAISED),
        ("import os\nos.abort()", Status.RAISED),
        ("import torch\nopt = torch.optim.SGD([nn.Parameter(x)], 0.1)\nopt.step()\nreturn x.sum(1)", Status.CORRECT),
        ("return open('/etc/hosts').read()", Status.RAISED),
    ],
)
def test_it_is_named(strict: Judge, body: str, status: Status) -> None:
    verdict = strict.grade(PUZZLE, body)
    assert verdict.status is status, verdict.feedback
    assert verdict.feedback


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("for _ in range(50): os.write(pipe, b'x' * 2**20)", Status.REFUSED),
        ("os.write(pipe, b'[]\\n')", Status.REFUSED),
    ],
    ids=["flood", "forgery"],
)
def test_what_an_answer_writes_to_the_judge_itself_is_no_reply(strict: Judge, line: str, status: Status) -> None:
    body = f"import os\nfor pipe in range(3, 10):\n    try:\n        {line}\n    except OSError: pass\nreturn x.sum(1)"
    verdict = strict.grade(PUZZLE, body)
    assert verdict.status is status, verdict.feedback


def test_what_one_answer_changes_the_next_does_not_see(strict: Judge) -> None:
    strict.grade(PUZZLE, "torch.sum = torch.Tensor.sum = lambda *a, **k: torch.zeros(3)\nreturn torch.sum(x)")
    assert strict.grade(PUZZLE, "return torch.sum(x, 1)").correct


@pytest.mark.skipif(not landlock.version(), reason="the system has no Landlock")
def test_what_torch_does_behind_pythons_back_is_held_too(strict: Judge, tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"secret")
    read = strict.grade(PUZZLE, f"return torch.from_file({str(tmp_path / 'kept')!r}, size=6, dtype=torch.uint8)")
    assert (read.status, "Permission denied" in read.feedback) == (Status.RAISED, True), read.feedback
    strict.grade(PUZZLE, f"return torch.from_file({str(tmp_path / 'new')!r}, shared=True, size=6)")
    assert [file.name for file in tmp_path.iterdir()] == ["kept"]


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_beside_a_gpu_memory_is_what_is_written_to() -> None:
    code = """
        import mmap
        from tensordrill.judge import guarding
        guarding.enter(64 * 2**20, gpu=True)
        mmap.mmap(-1, 2**38, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=0)  # as CUDA does
        try:
            bytearray(128 * 2**20)
        except MemoryError:
            raise SystemExit(3)
    """
    assert subprocess.run([sys.executable, "-c", dedent(code)], check=False, timeout=60).returncode == 3


def test_a_killed_spare_is_replaced_and_the_answer_judged(strict: Judge) -> None:
    assert strict.zygote_pid is not None
    os.kill(strict.zygote_pid, signal.SIGKILL)
    assert strict.grade(PUZZLE, RIGHT).correct


def test_an_answer_sees_neither_the_environment_nor_the_folder(
    strict: Judge, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_LEARNER", "x")
    monkeypatch.chdir(tmp_path)
    strict.grade(PUZZLE, RIGHT)  # the spare was there before
    body = "import os\nassert os.getcwd() != {!r} and 'SECRET_OF_THE_LEARNER' not in os.environ\nreturn x.sum(1)"
    verdict = strict.grade(PUZZLE, body.format(str(tmp_path)))
    assert verdict.correct, verdict.feedback


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_process_and_no_folder_is_left() -> None:
    spawned = Spawned(Limits())
    spawned.wait_ready()
    folder, pid = Path(f"/proc/{spawned.pid}/cwd").readlink(), spawned.pid
    assert folder.is_dir()
    assert not list(folder.iterdir())
    spawned.close()
    assert not folder.exists()
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_worker_whose_starter_is_gone_ends_and_takes_its_folder_along() -> None:
    spawned = Spawned(Limits())
    try:
        spawned.wait_ready()
        folder = Path(f"/proc/{spawned.pid}/cwd").readlink()
        spawned._spare._stdin.close()  # as the system does for a process that was killed
        for _ in range(200):
            if Path(f"/proc/{spawned.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                break
            time.sleep(0.05)
        else:
            pytest.fail("it waits for nobody")
        assert not folder.exists()
    finally:
        spawned.close()


def test_a_stopped_judge_says_so() -> None:
    with Judge(backend="spawned") as judge:
        judge.start()
        judge.stop()
        verdict = judge.grade(PUZZLE, RIGHT)
        assert verdict.status is Status.INTERNAL
        assert "stopped" in verdict.feedback


def test_which_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert backend_named() == "zygote"
    for other in ("darwin", "win32"):
        monkeypatch.setattr("sys.platform", other)
        assert backend_named() == "spawned"
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv(VARIABLE, "spawned")
    assert backend_named() == "spawned"
    assert backend_named("zygote") == "zygote"
    monkeypatch.setenv(VARIABLE, "fork")
    with pytest.raises(UsageError, match="no judge 'fork'"):
        Judge()


def test_what_windows_lacks_is_not_missed() -> None:
    """The judge of spawned processes can be imported where there is no `resource`, and where signals are few."""
    code = """
        import signal, sys
        sys.modules["resource"] = sys.modules["fcntl"] = sys.modules["pty"] = None
        for name in ("SIGSYS", "SIGXCPU", "SIGKILL", "SIGALRM"):
            delattr(signal, name)
        from tensordrill.judge import Judge, probing
        Judge(backend="spawned").close()
    """
    subprocess.run([sys.executable, "-c", dedent(code)], check=True, timeout=60)
