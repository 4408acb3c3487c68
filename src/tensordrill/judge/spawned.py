"""Processes started anew, for systems without a safe fork, and for devices that do not survive one.

A `Worker` is one process; `Spawned` has one for each answer, with a spare that loads torch ahead. `start_backend`
chooses between that and the zygote. What an answer starts is killed with it through its process group; Windows has
none, and there only the audit hook of `guarding` keeps an answer from starting anything.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from typing import IO, Protocol

from tensordrill.errors import UsageError
from tensordrill.judge.process import START_S, Reply, Zygote, ZygoteDiedError
from tensordrill.judge.sandbox import Limits
from tensordrill.judge.values import MAX_REPLY
from tensordrill.judge.worker import Order

_BEGIN_S = 30.0  # to load torch's optimizers, on a slow disk
BACKENDS = ("zygote", "spawned")
VARIABLE = "TENSORDRILL_JUDGE"
# What Python and the loader of libraries need; an answer sees nothing else of the learner's environment.
_KEPT = ("SYSTEMROOT", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "LC_ALL")
_KEPT_FOR_GPU = (
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "CUDA_HOME",
    "HIP_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
)
_FOR_GPU = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8", "USE_PYTORCH_KERNEL_CACHE": "0"}  # repeatable; nothing is written


class Backend(Protocol):
    """What runs requests: the zygote, or `Spawned`. Not for two threads at once, but for `kill`."""

    @property
    def pid(self) -> int: ...

    def wait_ready(self) -> None: ...

    def ask(self, request: list[dict[str, object]]) -> Reply: ...

    def kill(self) -> None: ...

    def close(self) -> None: ...


def backend_named(backend: str | None = None) -> str:
    """The backend that is asked for, that `TENSORDRILL_JUDGE` names, or that suits the system.

    Raises UsageError where there is none of that name.
    """
    name = backend or os.environ.get(VARIABLE) or ("zygote" if sys.platform == "linux" else "spawned")
    if name not in BACKENDS:
        raise UsageError(
            f"There is no judge {name!r}.",
            hint=f"{VARIABLE} may be {' or '.join(BACKENDS)}; unset, the system decides.",
        )
    return name


def start_backend(limits: Limits, backend: str | None = None, *, hurried: bool = False) -> Backend:
    """Begin to load torch, in a backend of that name. Raises UsageError as `backend_named` does."""
    return Zygote(limits, hurried=hurried) if backend_named(backend) == "zygote" else Spawned(limits)


class MissingDeviceError(RuntimeError):
    """The worker's device is not there, in a clause."""


class Worker:
    """A process that has torch, or loads it. `name` is what its device is called, once it is ready."""

    def __init__(self, order: Order) -> None:
        self.name = ""
        self._folder = tempfile.TemporaryDirectory(prefix="tensordrill-", ignore_cleanup_errors=True)
        # Its own session: Ctrl-C in the terminal is for the learner's session, not for the judge.
        self._process = subprocess.Popen(  # noqa: S603 -- our own module
            [sys.executable, "-P", "-W", "ignore", "-m", "tensordrill.judge.worker", json.dumps(asdict(order))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self._folder.name,
            env=_environment(self._folder.name, order.device),
            start_new_session=sys.platform != "win32",
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # Windows's own
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin = self._process.stdin
        self._closed = False
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        # A thread, because Windows cannot wait for a pipe with a time limit.
        threading.Thread(target=_read, args=(self._process.stdout, self._lines), daemon=True).start()

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    def wait_ready(self) -> None:
        """Return when torch is loaded. Raises ZygoteDiedError, or MissingDeviceError where its device is not there."""
        if self.name:
            return
        match _value(self._line(time.monotonic() + START_S)):
            case {"ready": str() as name}:
                self.name = name or "?"
            case {"missing": str() as why}:
                raise MissingDeviceError(why)
            case _:
                raise ZygoteDiedError("the judge's process says what it should not")

    def ask(self, request: list[dict[str, object]], seconds: float, begin: float = _BEGIN_S) -> Reply:
        """What the process replies within so many seconds of work, which it must `begin` within so many others.

        Raises ZygoteDiedError where it does not begin: then no answer is at fault.
        """
        self.wait_ready()
        try:
            self._stdin.write(json.dumps(request).encode() + b"\n")
            self._stdin.flush()
        except OSError:
            raise ZygoteDiedError("the judge's process has ended") from None
        if _value(self._line(time.monotonic() + begin)) != {"begun": True}:
            raise ZygoteDiedError("the judge's process says what it should not")
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            return Reply("timeout", 0, b"")
        if line.endswith(b"\n"):
            return Reply("ran", 0, line[:-1])
        if len(line) > MAX_REPLY:
            return Reply("flood", 0, b"")
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        killed_by = -min(0, self._process.poll() or 0)
        overran = sys.platform != "win32" and killed_by == signal.SIGXCPU
        return Reply("timeout" if overran else "died", killed_by, b"")

    def kill(self) -> None:
        """End it at once, with all that it started. Safe to call from another thread."""
        if self._closed:
            return  # its number may be another's by now
        if sys.platform != "win32":
            with suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
        self._process.kill()

    def close(self) -> None:
        """End it, and free its pipes and its folder."""
        self.kill()
        self._closed = True
        self._process.wait()
        with suppress(OSError):
            self._stdin.close()
        self._folder.cleanup()

    def _line(self, deadline: float) -> bytes:
        """A line in time. Raises ZygoteDiedError."""
        try:
            line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise ZygoteDiedError("the judge's process does not answer") from None
        if not line.endswith(b"\n"):
            raise ZygoteDiedError("the judge's process has ended")
        return line


class Spawned:
    """A new process for each answer, used once; the next one loads torch meanwhile. It does what `Zygote` does."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._order = Order("cpu", once=True, cpu_s=limits.cpu_s, memory=limits.memory)
        self._killed = False
        self._running: Worker | None = None
        self._spare = Worker(self._order)

    @property
    def pid(self) -> int:
        """The process that the next answer runs in."""
        return self._spare.pid

    def wait_ready(self) -> None:
        """Return when torch is loaded. Raises ZygoteDiedError."""
        self._spare.wait_ready()

    def ask(self, request: list[dict[str, object]]) -> Reply:
        """Run a request in a process of its own. Raises ZygoteDiedError."""
        self._spare.wait_ready()
        self._running, self._spare = self._spare, Worker(self._order)
        if self._killed:
            self._spare.kill()
        try:
            return self._running.ask(request, self._limits.wall_s)
        finally:
            self._running.close()

    def kill(self) -> None:
        """End both processes at once. Safe to call from another thread."""
        self._killed = True
        for worker in (self._running, self._spare):
            if worker:
                worker.kill()

    def close(self) -> None:
        """End both processes and free what they held."""
        for worker in (self._running, self._spare):
            if worker:
                worker.close()


def _environment(folder: str, device: str) -> dict[str, str]:
    kept = (*_KEPT, *_KEPT_FOR_GPU) if device != "cpu" else _KEPT
    named = {name: os.environ[name] for name in kept if name in os.environ}
    if path := os.environ.get("PYTHONPATH"):
        named["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, path.split(os.pathsep)))
    own = dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP", "USERPROFILE"), folder)
    return named | own | (_FOR_GPU if device != "cpu" else {})


def _read(stdout: IO[bytes], lines: "queue.SimpleQueue[bytes]") -> None:
    """Pass on each line, and at the end or after one too long what is left, which then has no newline."""
    with stdout:
        while True:
            line = stdout.readline(MAX_REPLY + 1)
            lines.put(line)
            if not line.endswith(b"\n"):
                return


def _value(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
