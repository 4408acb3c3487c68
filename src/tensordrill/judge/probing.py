"""Proves what the judge's children may not do: each probe is an answer that tries it, in a child like any other.

A new kind of protection takes one more `Probe` here, and nothing elsewhere.
"""

import os
import signal
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tensordrill.judge.gpu import Gpu
from tensordrill.judge.process import Reply, Zygote
from tensordrill.judge.sandbox import Limits
from tensordrill.judge.spawned import Backend, MissingDeviceError, backend_named, start_backend
from tensordrill.judge.values import BadReplyError, Items, Observed, Scalar, read_reply

_STRICT = Limits(cpu_s=1, wall_s=4.0, memory=256 * 2**20)  # the same limits as for answers, but nobody waits for long
_ROUNDS = 5
_REFUSALS = {"OSError", "PermissionError", "BlockingIOError", "MemoryError"}
_SIGSYS, _SIGXCPU = (getattr(signal, name, -1) for name in ("SIGSYS", "SIGXCPU"))  # Windows has none of them
_PATIENCE_S = 1.0


@dataclass(frozen=True)
class Tried:
    """What became of a probe: how its child ended, what it raised or else gave, and the folder that it could reach."""

    reply: Reply
    raised: str
    value: object
    folder: Path

    @property
    def refused(self) -> bool:
        """Whether the system refused it, by an error or by a signal; an answer's own mistake is no refusal."""
        return self.raised in _REFUSALS or self.reply.signal == _SIGSYS


@dataclass(frozen=True)
class Probe:
    """Something that no answer should do. `held` says whether it was kept from that.

    `offered` is true of what is held on every system; the rest takes Landlock and seccomp.

    The source finds `folder`, a path of this probe alone with a file `kept` in it, and `port`, where somebody listens.
    """

    name: str
    source: str
    held: Callable[[Tried], bool]
    offered: bool = True


@dataclass(frozen=True)
class Device:
    """What torch says of itself in a child: its version, that of the CUDA it is built with, and how many devices."""

    torch: str
    build: str | None
    devices: int


def _alive(pid: object) -> bool:
    """Whether that process runs still, after some patience. One that ended and was not waited for does not."""
    if not isinstance(pid, int):
        return True  # it cannot be told: nothing was proven
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        with suppress(OSError):
            if (
                Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]
                in "ZX"
            ):
                return False
        time.sleep(0.02)
    with suppress(OSError):
        os.kill(pid, signal.SIGKILL)
    return True


def _left(folder: Path) -> dict[str, int]:
    """The files of a folder and their sizes."""
    return {file.name: file.stat().st_size for file in folder.iterdir()}


_FORK = """
import os, time
answer = os.fork()
if not answer:
    {escape}
    os.closerange(0, 1024)
    time.sleep(20)
    os._exit(0)
time.sleep(0.1)
"""
PROBES = (
    Probe("CPU time", "while True: pass", lambda tried: tried.reply.signal == _SIGXCPU),
    Probe(
        "time by the clock",
        "import time\ntime.sleep(60)\nanswer = 1",
        lambda tried: tried.reply.outcome == "timeout" and tried.reply.signal != _SIGXCPU,
    ),
    Probe("memory", "answer = len(bytearray(400 * 2**20))", lambda tried: tried.refused),
    Probe(
        "writing to files",
        "with open(folder + '/new', 'wb', 0) as file: answer = file.write(b'x')",
        lambda tried: tried.refused and not _left(tried.folder).get("new"),
    ),
    Probe("the terminal", "import os\nanswer = os.open('/dev/tty', os.O_RDWR)", lambda tried: tried.refused),
    Probe("processes left behind", _FORK.format(escape=""), lambda tried: tried.refused or not _alive(tried.value)),
    Probe(
        "processes that hide",
        _FORK.format(escape="os.setsid()"),
        lambda tried: tried.refused or not _alive(tried.value),
        offered=False,
    ),
    Probe("reading your files", "answer = open(folder + '/kept').read()", lambda tried: tried.refused, offered=False),
    Probe("making files", "answer = open(folder + '/new', 'wb').close()", lambda tried: tried.refused, offered=False),
    Probe(
        "deleting files",
        "import os\nanswer = os.unlink(folder + '/kept')",
        lambda tried: tried.refused and "kept" in _left(tried.folder),
        offered=False,
    ),
    Probe(
        "the network",
        "import socket\nanswer = socket.create_connection(('127.0.0.1', port), 5).close()",
        lambda tried: tried.refused,
        offered=False,
    ),
    Probe(
        "starting programs",
        "import subprocess\nanswer = subprocess.run(['/bin/sh', '-c', ':']).returncode",
        lambda tried: tried.refused,
        offered=False,
    ),
)
_DEVICE = """
import os
os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # else torch maps gigabytes to find out, which the limits forbid
answer = [str(torch.__version__), torch.version.cuda, torch.cuda.device_count() if torch.cuda.is_available() else 0]
"""


class Prober:
    """A judge's process to be probed, from its first use: of the kind that `backend` names, as sessions use it.

    Raises UsageError where `TENSORDRILL_JUDGE` names none, later ZygoteDiedError where it cannot be kept running.
    """

    def __init__(self) -> None:
        self.backend = backend_named()
        self._zygote: Backend | None = None

    def close(self) -> None:
        if self._zygote:
            self._zygote.close()

    def holds_all(self) -> bool:
        """Whether every probe is meant to be held: once it has answered, in a zygote that has all layers of Linux."""
        return isinstance(self._zygote, Zygote) and all((self._zygote.layers or {"none": False}).values())

    def device(self) -> Device:
        """What torch sees. Raises BadReplyError where it does not say."""
        tried = self._try(_DEVICE)
        match tried.value:
            case [str(torch), str() | None as build, int(devices)]:
                return Device(torch, build, devices)
        raise BadReplyError(tried.raised or f"the process that was asked has {tried.reply.outcome}")

    def gpu(self) -> str | None:
        """What the GPU calls itself that a worker for answers finds; None where it finds none."""
        gpu = Gpu(_STRICT)
        try:
            return gpu.name()
        except MissingDeviceError:
            return None
        finally:
            gpu.close()

    def round_trip_ms(self) -> float:
        """The median time of an answer that does nothing, once everything is loaded."""
        times = []
        for _ in range(_ROUNDS):
            started = time.perf_counter()
            self._try("answer = 1")
            times.append((time.perf_counter() - started) * 1000)
        return statistics.median(times)

    def probes(self) -> Iterator[tuple[Probe, bool]]:
        """Each probe, and whether its child was kept from what it tried."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            for probe in PROBES:
                with TemporaryDirectory() as folder:
                    (Path(folder) / "kept").write_text("kept", encoding="ascii")
                    scope = f"folder, port = {folder!r}, {listener.getsockname()[1]}\n"
                    yield probe, probe.held(self._try(scope + probe.source, Path(folder)))

    def _try(self, source: str, folder: Path = Path()) -> Tried:
        instance = {"sizes": {}, "fill": "small", "seed": 0, "tensors": []}
        job: dict[str, object] = {"programs": [[source, [["answer", "answer"]]]], "instances": [instance]}
        job |= {"setup": "", "defines": "", "dtype": "float32"}
        self._zygote = self._zygote or start_backend(_STRICT, self.backend)
        reply = self._zygote.ask([job])
        if reply.outcome != "ran":
            return Tried(reply, "", None, folder)
        [[[seen]]] = read_reply(reply.data, [(1, 1)])
        return Tried(reply, seen.raised.type if seen.raised else "", _value(seen), folder)


def _value(seen: Observed) -> object:
    def plain(value: object) -> object:
        match value:
            case Scalar():
                return value.value
            case Items():
                return [plain(item) for item in value.items]
        return value

    return plain(seen.values[0][1]) if seen.values else None
