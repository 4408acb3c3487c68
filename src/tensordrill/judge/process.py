"""The zygote seen from outside: started, asked, killed when it hangs, started again."""

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from dataclasses import astuple, dataclass

from tensordrill.judge.sandbox import Limits

START_S = 120.0  # importing torch from a cold, slow disk
_SLACK_S = 10.0  # beyond the zygote's own deadline for a child, before the zygote itself is taken for hung
_CHUNK = 1 << 18


class ZygoteDiedError(RuntimeError):
    """The zygote ended, or does not answer."""


@dataclass(frozen=True)
class Reply:
    """`outcome` is `ran`, `timeout`, `flood` or `died`; `signal` is what ended the child, or 0."""

    outcome: str
    signal: int
    data: bytes


class Zygote:
    """A running zygote. Not for two threads at once."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # Its own session: Ctrl-C in the terminal is for the learner's session, not for the judge.
        self._process = subprocess.Popen(  # noqa: S603 -- our own module
            [sys.executable, "-P", "-m", "tensordrill.judge.zygote", json.dumps(astuple(limits))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin = self._process.stdin.fileno()
        self._stdout = self._process.stdout.fileno()
        self._buffer = b""
        self._ready = False

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_ready(self) -> None:
        """Return when torch is loaded. Raises ZygoteDiedError."""
        if not self._ready:
            self._line(time.monotonic() + START_S)
            self._ready = True

    def ask(self, request: list[dict[str, object]]) -> Reply:
        """Run a request in a fresh child. Raises ZygoteDiedError."""
        self.wait_ready()
        deadline = time.monotonic() + self._limits.wall_s + _SLACK_S
        try:
            _write_all(self._stdin, json.dumps(request).encode() + b"\n")
        except OSError:
            raise ZygoteDiedError("the judge's process has ended") from None
        header = json.loads(self._line(deadline))
        while len(self._buffer) < header["bytes"]:
            self._fill(deadline)
        data, self._buffer = self._buffer[: header["bytes"]], self._buffer[header["bytes"] :]
        return Reply(header["outcome"], header["signal"], data)

    def kill(self) -> None:
        """End it at once; its children die with it. Safe to call from another thread."""
        self._process.kill()

    def close(self) -> None:
        """End it. Its stdin ends, which ends its spare child too."""
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                assert pipe is not None
                pipe.close()
        try:
            self._process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _line(self, deadline: float) -> bytes:
        while b"\n" not in self._buffer:
            self._fill(deadline)
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _fill(self, deadline: float) -> None:
        readable, _, _ = select.select([self._stdout], [], [], max(0.0, deadline - time.monotonic()))
        if not readable:
            raise ZygoteDiedError("the judge's process does not answer")
        try:
            chunk = os.read(self._stdout, _CHUNK)
        except OSError:
            chunk = b""
        if not chunk:
            raise ZygoteDiedError("the judge's process has ended")
        self._buffer += chunk


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
