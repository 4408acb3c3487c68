"""The zygote seen from outside: started, asked for children, and ended."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import astuple, dataclass
from functools import cache
from threading import Lock
from typing import Any

from tensordrill.judge.sandbox import Limits
from tensordrill.judge.values import MAX_REPLY

START_S = 120.0  # importing torch from a cold, slow disk
_SLACK_S = 20.0  # before the zygote, which only forks and loads optimizers, is taken for hung
_CHUNK = 1 << 18
_LATE = (b"optim", b"meta", b"torch.func")  # what needs modules that torch imports late
_MAX_MESSAGE = 1000
_KEPT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "PYTHONPATH",
    "PYTHONHOME",
    "LD_LIBRARY_PATH",
    "SYSTEMROOT",
)


class ZygoteDiedError(RuntimeError):
    """The zygote ended, or does not answer."""


@dataclass(frozen=True)
class Reply:
    """`outcome` is `ran`, `timeout`, `flood` or `died`; `signal` is what ended the child, or 0."""

    outcome: str
    signal: int
    data: bytes


class Zygote:
    """A running zygote. Several threads may ask it, each for children of its own.

    `layers` says, once it is ready, which of the system's protections its children are under. `hurried` says that
    answers come without a pause: then children are not warmed up ahead, which pays only while nobody waits.
    """

    def __init__(self, limits: Limits, *, hurried: bool = False) -> None:
        self._limits = limits
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Its own session: Ctrl-C in the terminal is for the learner's session, not for the judge.
        try:
            self._process = subprocess.Popen(  # noqa: S603 -- our own module
                [sys.executable, "-P", "-m", "tensordrill.judge.zygote", json.dumps([astuple(limits), hurried])],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env=environment(),
            )
        except OSError:
            self._control.close()
            raise
        finally:
            theirs.close()
        self._ordering = Lock()  # an order and what it brings belong together
        self.layers: dict[str, bool] | None = None
        self._everything = False  # whether torch is imported to its last module

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_ready(self) -> None:
        """Return when torch is loaded. Raises ZygoteDiedError."""
        with self._ordering:
            if self.layers is None:
                self.layers = self._receive(START_S)[0]

    def ask(self, request: list[dict[str, object]]) -> Reply:
        """Run a request in a fresh child. Raises ZygoteDiedError.

        What torch imports when it is first needed (its optimizers, torch.func) makes files and looks around, which a
        child may not. So where a child was stopped, the zygote imports that, and another child tries again, in the
        time that the first has left.
        """
        self.wait_ready()
        data = json.dumps(request).encode()
        everything = self._everything or any(word in data for word in _LATE)
        reply, left = self._ask(data, self._limits.wall_s, everything=everything)
        if reply.signal == signal.SIGSYS and not everything:
            reply, _ = self._ask(data, left, everything=True)
        return reply

    def _ask(self, data: bytes, seconds: float, *, everything: bool) -> tuple[Reply, float]:
        """What a child replies, and how much of the time it leaves."""
        with self._ordering:
            self._everything |= everything
            self._order({"take": everything})
            told, descriptors = self._receive(_SLACK_S)
        pid, (request_in, reply_out) = told["pid"], descriptors
        started = time.monotonic()
        try:
            outcome, reply = _exchange(request_in, reply_out, data, seconds)
        finally:
            os.close(request_in)
            os.close(reply_out)
        left = seconds - (time.monotonic() - started)
        fine = outcome == "ran" and bool(reply)
        with self._ordering:
            self._order({"ended": pid, "tell": not fine})
            if fine:
                return Reply(outcome, 0, reply), left
            status = self._receive(_SLACK_S)[0]["status"]
        killed_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        if outcome == "ran":
            outcome = "timeout" if killed_by == signal.SIGXCPU else "died"
        return Reply(outcome, killed_by, b""), left

    def kill(self) -> None:
        """End it at once; its children die with it. Safe to call from another thread."""
        self._process.kill()

    def close(self) -> None:
        """End it. Its socket ends, which ends its spare child too."""
        self._control.close()
        try:
            self._process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _order(self, order: dict[str, object]) -> None:
        try:
            self._control.send(json.dumps(order).encode())
        except OSError:
            raise ZygoteDiedError("the judge's process has ended") from None

    def _receive(self, seconds: float) -> tuple[dict[str, Any], list[int]]:
        """A message, and the descriptors that come with it."""
        try:
            self._control.settimeout(seconds)  # another judge may have closed it
            message, descriptors, _, _ = socket.recv_fds(self._control, _MAX_MESSAGE, 2, socket.MSG_CMSG_CLOEXEC)
        except TimeoutError:
            self.kill()  # what it answered later would be taken for the answer to another order
            raise ZygoteDiedError("the judge's process does not answer") from None
        except OSError:
            message, descriptors = b"", []
        if not message:
            raise ZygoteDiedError("the judge's process has ended")
        return json.loads(message), descriptors


def environment() -> dict[str, str]:
    """What the judge's processes know of this one's environment: where Python is, and no secret."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {"OMP_NUM_THREADS": "1", "OMP_THREAD_LIMIT": "1", "MKL_NUM_THREADS": "1"}


def _exchange(request: int, reply: int, data: bytes, seconds: float) -> tuple[str, bytes]:
    """Send the request to a child and collect its reply: the outcome (`ran`, `timeout` or `flood`), and what came."""
    deadline = time.monotonic() + seconds
    os.set_blocking(request, False)
    view = memoryview(data)
    poller = select.poll()
    poller.register(request, select.POLLOUT)
    poller.register(reply, select.POLLIN | select.POLLHUP)
    parts: list[bytes] = []
    size = 0
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not (ready := poller.poll(left * 1000)):
            return "timeout", b""
        for descriptor, events in ready:
            if descriptor == request:
                view = _written(request, view) if events & select.POLLOUT else view[len(view) :]
                if not view:
                    poller.unregister(request)
                    os.dup2(_nowhere(), request)  # the end of the request: the child waits for it
            elif not (chunk := os.read(reply, _CHUNK)):
                return "ran", b"".join(parts)
            else:
                parts.append(chunk)
                size += len(chunk)
                if size > MAX_REPLY:
                    return "flood", b""


def _written(descriptor: int, view: memoryview) -> memoryview:
    """What is left after as much as goes was written; nothing where the other end has gone."""
    try:
        return view[os.write(descriptor, view) :]
    except BlockingIOError:
        return view
    except BrokenPipeError:
        return view[len(view) :]


@cache
def _nowhere() -> int:
    return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
