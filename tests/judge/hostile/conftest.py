"""A judge with little patience, baits for hostile answers, and a look at everything that they could have touched.

An attack is the body of a function. It finds the names of `Bait.names`, and what it returns, if anything, is its proof:
the test sees the word `breach` in the verdict. What it does to files, processes or listeners the test sees by itself.
"""

import contextlib
import ctypes
import json
import os
import resource
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent, indent

import pytest

from tensordrill.domain import Status, Verdict
from tensordrill.judge import Judge
from tensordrill.judge.sandbox import Limits
from tensordrill.judge.values import Scalar, read_reply
from tensordrill.puzzles import Puzzle, WriteCode, tensor

collect_ignore_glob = [] if sys.platform == "linux" else ["test_*.py"]  # the baits are Linux's, as the containment is

PUZZLE = WriteCode(
    prompt="The sum over the columns.",
    tensors=[tensor("x", "row column")],
    signature="def total(x):",
    body="unspoken = x.sum(1)\nreturn unspoken",
    observe={"the result": "total(x)"},
    hints=["a", "b"],
    why="sum",
)
HONEST = "return x.sum(1)"
NAMED = set(Status) - {Status.CORRECT, Status.INTERNAL, Status.UNPARSABLE}
LIMITS = Limits(cpu_s=1, wall_s=2.0, memory=128 * 2**20)
PATIENCE_S = 5.0
START_S = 120.0
ATTACK_S = 3.0
HANGS_S = 30
MOST_SAID = 10_000
_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True)
_KEYCTL, _SEARCH, _SESSION_RING, _USER_RING = 250, 10, -3, -4  # x86-64's number; others do not find the key
Contained = Callable[..., Verdict]


class Bait:
    """What hostile answers are let near: all of it random, harmless, and watched."""

    def __init__(self, folder: Path) -> None:
        self.name = f"td{secrets.token_hex(6)}"
        self.variable = self.name.upper()
        self.tokens = {"a secret file": secrets.token_hex(16), "the environment": secrets.token_hex(16)}
        os.environ[self.variable] = self.tokens["the environment"]
        self.secret, self.folder = folder / "secret", folder / "folder"
        self.victim: subprocess.Popen[bytes] | None = None
        self._fifo: int | None = None
        self._sleeps: object = None
        self.lay()
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.unix, self.abstract = (socket.socket(socket.AF_UNIX) for _ in range(2))
        self.unix.bind(str(folder / "unix"))
        self.abstract.bind(f"\0{self.name}")
        for listener in (self.unix, self.abstract):
            listener.listen()
        for listener in (self.tcp, self.udp, self.unix, self.abstract):
            listener.setblocking(False)
        self.key = secrets.randbits(30) | 1

    @property
    def names(self) -> dict[str, object]:
        assert self.victim is not None
        return {
            "secret": str(self.secret),
            "folder": str(self.folder),
            "tcp": self.tcp.getsockname()[1],
            "udp": self.udp.getsockname()[1],
            "unix": self.unix.getsockname(),
            "victim": self.victim.pid,
            "client": os.getpid(),
            "variable": self.variable,
            "name": self.name,
            "key": self.key,
        }

    def lay(self) -> None:
        """Put back what an attack that was not contained has spoiled."""
        self.secret.unlink(missing_ok=True)
        self.secret.write_text(self.tokens["a secret file"], encoding="ascii")
        self.secret.chmod(0o600)
        if self.victim is None or _condition(self.victim.pid) != self._sleeps:
            if self.victim:
                self.victim.kill()
                self.victim.wait()
            self.victim = subprocess.Popen(["/bin/sleep", "1000"])
            _ended_up(self.victim.pid, "sleep")
            self._sleeps = _condition(self.victim.pid)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        (self.folder / "kept").write_text("kept", encoding="ascii")
        os.mkfifo(self.folder / "fifo")
        if self._fifo is not None:
            os.close(self._fifo)
        self._fifo = os.open(self.folder / "fifo", os.O_RDONLY | os.O_NONBLOCK)

    def files(self) -> object:
        """All that can be told of the files but when they were read; a change of anything changes a ctime."""
        found = []
        for path in sorted([self.secret.parent, *self.secret.parent.rglob("*")]):
            was = path.lstat()
            facts = (was.st_mode, was.st_uid, was.st_nlink, was.st_size, was.st_mtime_ns, was.st_ctime_ns)
            found.append((str(path), facts, path.read_bytes() if path.is_file() else b""))
        return found

    def received(self) -> list[str]:
        """Who heard from it since the last look."""
        heard = []
        for kind in ("tcp", "unix", "abstract"):
            with contextlib.suppress(BlockingIOError):
                getattr(self, kind).accept()[0].close()
                heard.append(f"{kind} connection")
        with contextlib.suppress(BlockingIOError):
            self.udp.recv(100)
            heard.append("udp datagram")
        assert self._fifo is not None
        with contextlib.suppress(BlockingIOError):
            heard += ["fifo"] * bool(os.read(self._fifo, 100))
        return heard

    def shared(self) -> list[str]:
        """What was left in memory that processes share, by its name or key; it is removed."""
        left = [str(path) for path in Path("/dev/shm").glob(f"*{self.name}*")]
        for path in left:
            Path(path).unlink()
        for kind, remove in (("shm", _LIBC.shmctl), ("msg", _LIBC.msgctl), ("sem", _LIBC.semctl)):
            listed = Path(f"/proc/sysvipc/{kind}")
            for line in listed.read_text(encoding="ascii").splitlines()[1:] if listed.exists() else ():
                key, identity = line.split()[:2]
                if int(key) == self.key:
                    remove(int(identity), 0, 0)
                    left.append(kind)
        with contextlib.suppress(AttributeError):
            if _LIBC.mq_unlink(f"/{self.name}".encode()) == 0:
                left.append("message queue")
        for ring in (_SESSION_RING, _USER_RING):
            key = _LIBC.syscall(_KEYCTL, _SEARCH, ring, b"user", self.name.encode(), 0)
            if key > 0 and _LIBC.syscall(_KEYCTL, 9, key, ring) == 0:
                left.append("key")
        return left

    def close(self) -> None:
        os.environ.pop(self.variable, None)
        for listener in (self.tcp, self.udp, self.unix, self.abstract):
            listener.close()
        if self._fifo is not None:
            os.close(self._fifo)
        if self.victim:
            self.victim.kill()
            self.victim.wait()


class Watch:
    """What was so before an attack, and what is no longer so after it.

    `starter` is the process that runs attacks, `spares` how many children of it wait for the next one; others have
    `patience_s` seconds to end.
    """

    def __init__(self, bait: Bait, starter: Callable[[], int | None], *, spares: int, patience_s: float) -> None:
        self._bait, self._starter, self._spares, self._patience_s = bait, starter, spares, patience_s
        assert bait.victim is not None
        bait.received()
        bait.shared()
        _signals.clear()
        self._pid = starter()
        mine, starters = _trees(os.getpid(), self._pid)
        self._others = set(mine) - set(starters)
        self._files = bait.files()
        self._watched = [pid for pid in (self._pid, bait.victim.pid, os.getpid()) if pid]
        self._conditions = [_condition(pid) for pid in self._watched]

    def effects(self, *said: str | None) -> list[str]:
        """What the attack did, in words; `said` is all text that it got out."""
        text = "\n".join(filter(None, said))
        found = [f"told {what}" for what, token in self._bait.tokens.items() if token in text]
        found += ["told its proof"] * ("breach" in text) + self._bait.received() + self._bait.shared()
        found += [f"sent signal {number}" for number in _signals]
        if self._files != self._bait.files():
            found.append("changed files")
        if self._pid != self._starter():
            found.append("ended the process that started it")
        for pid, before in zip(self._watched, self._conditions, strict=True):
            if (after := _condition(pid)) != before:
                found.append(f"changed process {pid}: {before} {after}")
        return found + self._left()

    def _left(self) -> list[str]:
        """The processes that live on, after some patience; they are killed."""
        deadline = time.monotonic() + self._patience_s
        while True:
            everything, mine = _trees(os.getpid(), self._pid)
            left = set(everything) - set(mine) - self._others
            below = [pid for pid in mine if pid != self._pid]
            if not left and len(below) <= self._spares:
                return []
            if time.monotonic() > deadline:
                for pid in left or below:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                return [f"left processes {sorted(left or below)}"]
            time.sleep(0.02)


_signals: list[int] = []


def _ended_up(pid: int, name: str) -> None:
    """Wait until a process that was started runs its program, and sleeps."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and f"({name}) S" not in Path(f"/proc/{pid}/stat").read_text(encoding="ascii"):
        time.sleep(0.005)


def _trees(*roots: int | None) -> list[list[int]]:
    """For each root the living processes from it downwards; none where it has ended. Every attack looks four times."""
    below: dict[int, list[int]] = {}
    alive = set()
    for entry in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 -- pathlib takes five times as long
        with contextlib.suppress(OSError):
            descriptor = os.open(f"/proc/{entry}/stat", os.O_RDONLY)
            try:
                state, parent = os.read(descriptor, 1000).rpartition(b")")[2].split()[:2]
            finally:
                os.close(descriptor)
            if state not in b"ZX":
                alive.add(int(entry))
                below.setdefault(int(parent), []).append(int(entry))
    trees = [[root] if root in alive else [] for root in roots]
    for tree in trees:
        for pid in tree:
            tree.extend(below.get(pid, []))
    return trees


def _condition(pid: int) -> object:
    """What others may do to a process: stop it, trace it, slow it, limit it, rename it."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
        facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        limits = [resource.prlimit(pid, kind) for kind in range(resource.RLIMIT_RTPRIO + 1)]
        score = Path(f"/proc/{pid}/oom_score_adj").read_text(encoding="ascii")
    except OSError:
        return "gone"
    state = facts["State"][0]
    if state in "ZX":
        return "gone"
    priority = os.getpriority(os.PRIO_PROCESS, pid), os.sched_getscheduler(pid), os.sched_getaffinity(pid)
    return state in "tT", facts["Name"], facts["TracerPid"], priority, limits, score


def wrapped(bait: Bait, attack: str) -> str:
    """The attack as an answer that ends in silence, and wrong, unless the attack proves something."""
    given = "\n".join(f"{name} = {value!r}" for name, value in bait.names.items())
    return (
        f"import ctypes, os, socket, subprocess, sys, time\n{given}\n"
        f"def attack():\n{indent(dedent(attack).strip(), '    ')}\n"
        "try:\n    proof = attack()\n"
        "except BaseException as error:\n    proof, cause = None, type(error).__name__\n"
        "else:\n    cause = 'nothing'\n"
        "if proof is not None:\n    sys.breach = f'breach {proof}'\n"
        "return getattr(sys, 'breach', cause)"  # that of the first instance: what works once may fail the second time
    )


@pytest.fixture(scope="session")
def bait(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bait]:
    """Shared by a worker's attacks. Until its end, orphans become children of this process, where they are seen."""
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    caught = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGURG, signal.SIGCONT)
    handlers = {number: signal.signal(number, lambda sent, _: _signals.append(sent)) for number in caught}
    made = Bait(tmp_path_factory.mktemp("bait"))
    yield made
    made.close()
    for number, handler in handlers.items():
        signal.signal(number, handler)
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@pytest.fixture(scope="session")
def hunted(bait: Bait) -> Iterator[Judge]:
    """The judge that is attacked; it starts when the baits are laid."""
    del bait
    with Judge(LIMITS) as judge:
        assert judge.grade(PUZZLE, HONEST).correct
        yield judge


@contextlib.contextmanager
def patience() -> Iterator[None]:
    """Interrupts a judge that an answer has made hang, its own process that is, for which no limits hold."""

    def interrupt(*_: object) -> None:
        pytest.fail("The judge itself hangs.")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(HANGS_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def contained(bait: Bait, hunted: Judge) -> Contained:
    """Grade a hostile answer and look at everything; the next answer is judged as ever."""

    def attack(answer: str, puzzle: Puzzle = PUZZLE) -> Verdict:
        if hunted.zygote_pid is None:  # after a failure; else the honest answer after the attack before was the last
            assert hunted.grade(PUZZLE, HONEST).correct
        watch = Watch(bait, lambda: hunted.zygote_pid, spares=1, patience_s=PATIENCE_S)
        with patience():
            verdict = hunted.grade(puzzle, answer)
        said = (verdict.feedback, verdict.expected, verdict.got, verdict.steps)
        after = hunted.grade(PUZZLE, HONEST)
        assert watch.effects(*said) == []
        assert not verdict.correct
        assert verdict.status in NAMED, f"{verdict.status}: {verdict.feedback}"
        for text in filter(None, said):
            assert all(c.isprintable() or c == "\n" for c in text)
            assert len(text) < MOST_SAID
        assert after.correct, after.feedback
        return verdict

    def fresh(answer: str, puzzle: Puzzle = PUZZLE) -> Verdict:
        try:
            return attack(answer, puzzle)
        except BaseException:
            hunted.close()  # what was not contained must not spoil the next test; it starts again by itself
            raise

    return fresh


class Uncontained:
    """Processes that run attacks with nothing in their way: an attack that fails even here would prove nothing.

    `pid` is the one that runs the next attack; None where it has ended.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("uncontained.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        self._starter = int(self._line(START_S))

    @property
    def pid(self) -> int | None:
        return self._starter if _condition(self._starter) != "gone" else None

    def run(self, answer: str) -> str:
        """The text that the answer gives; nothing where it gives none in time, or ends what runs it."""
        program = PUZZLE.read(answer)
        instance = {"sizes": {}, "fill": "small", "seed": 0, "tensors": [["x", [2, 3], "any", 0]]}
        job = {
            "programs": [[program.source, program.observe]],
            "instances": [instance],
            "setup": "",
            "defines": "",
            "dtype": "float64",
        }
        self._send(json.dumps([job]).encode())
        line = self._line(ATTACK_S)
        if not line.startswith(b"["):
            return ""
        [[[seen]]] = read_reply(line, [(1, 1)])
        value = seen.values[0][1] if seen.values else Scalar("str", f"{seen.raised}")
        return str(value.value) if isinstance(value, Scalar) else ""

    def renew(self) -> None:
        """Have a fresh process for the next attack."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._starter, signal.SIGKILL)
        while not (line := self._line(START_S)).isdigit():
            assert line or self._process.poll() is None
        self._starter = int(line)

    def close(self) -> None:
        self._process.kill()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._starter, signal.SIGKILL)
        self._process.communicate()

    def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        os.write(self._process.stdin.fileno(), data)

    def _line(self, patience_s: float) -> bytes:
        assert self._process.stdout is not None
        readable = select.select([self._process.stdout], [], [], patience_s)[0]
        return self._process.stdout.readline().strip() if readable else b""


@pytest.fixture(scope="session")
def uncontained() -> Iterator[Uncontained]:
    process = Uncontained()
    yield process
    process.close()


@pytest.fixture
def proven(bait: Bait, uncontained: Uncontained) -> Callable[[str], None]:
    """Run an attack where nothing contains it: it must do what it is here for."""

    def attack(answer: str) -> None:
        watch = Watch(bait, lambda: uncontained.pid, spares=0, patience_s=0.05)
        said = uncontained.run(answer)
        effects = watch.effects(said)
        uncontained.renew()
        assert effects, f"It did nothing: {said}"

    return attack


@pytest.fixture
def attack(bait: Bait, request: pytest.FixtureRequest) -> str:
    """One of the module's ATTACKS, as an answer."""
    bait.lay()
    return wrapped(bait, request.param)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "attack" in metafunc.fixturenames:
        table: dict[str, str] = metafunc.module.ATTACKS
        metafunc.parametrize("attack", table.values(), ids=table, indirect=True)
