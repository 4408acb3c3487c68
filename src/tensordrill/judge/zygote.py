"""The zygote: torch loaded once, one thread, and a fresh child forked for every request.

Requests are lines of JSON on stdin. A reply is a line `{"outcome", "signal", "bytes"}` and that many bytes, which come
from the child and are passed on unread. The zygote never sees which answer is right, so its children cannot find it.
A spare child is forked and warmed ahead, while the one before runs: that takes 30 ms out of the waiting time.
"""

import contextlib
import gc
import json
import os
import select
import signal
import sys
import tempfile
import time
from dataclasses import dataclass

from tensordrill.judge.sandbox import Limits, enter
from tensordrill.judge.values import MAX_REPLY

_CHUNK = 1 << 18
IDLE_S = 0.3
_ended: list[int] = []


@dataclass
class Child:
    """A forked process that waits for a request on one pipe and replies on another."""

    pid: int
    request: int
    reply: int


def serve(limits: Limits) -> None:
    """Answer requests until stdin ends."""
    requests, replies = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(2, 1)  # whatever a library prints must not reach the replies
    _load()
    if not _self_test(limits):
        return
    _write(replies, b'{"ready": true}\n')
    spare = _fork(limits)
    with_optimizers = False
    buffer = b""
    while True:
        if not with_optimizers and (_heavy(buffer) or not _waits(requests, IDLE_S)):
            # They take as long to import as torch itself: done when nobody waits, or when somebody needs them.
            with_optimizers = True
            _kill(spare)
            _load_optimizers()
            spare = _fork(limits)
        while b"\n" not in buffer:
            if not (chunk := os.read(requests, _CHUNK)):
                _kill(spare)
                return
            buffer += chunk
        if not with_optimizers and _heavy(buffer):
            continue
        line, _, buffer = buffer.partition(b"\n")
        child = spare
        _send(child, line)
        del line
        spare = _fork(limits, child.reply)
        outcome, killed_by, reply = _collect(child, limits)
        header = json.dumps({"outcome": outcome, "signal": killed_by, "bytes": len(reply)})
        _write(replies, header.encode() + b"\n" + reply)
        _reap()


def _load() -> None:
    """Import torch, keep it to one thread (a fork after a parallel operation hangs the child), and warm it up."""
    tempfile.tempdir = os.environ.get("TMPDIR", "/tmp")  # noqa: S108 -- named, never written: a child cannot try which it may write
    import torch  # noqa: PLC0415 -- only the zygote and its children pay for it

    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    from tensordrill.judge import running  # noqa: PLC0415

    running.run(running.WARM_UP)
    _freeze()


def _heavy(request: bytes) -> bool:
    """Whether it may need what optimizers import. Tensors on `meta` import the same, with the first operation."""
    return b"optim" in request or b"meta" in request


def _load_optimizers() -> None:
    from tensordrill.judge import running  # noqa: PLC0415 -- loaded before

    running.load_optimizers()
    _freeze()


def _freeze() -> None:
    gc.collect()
    gc.freeze()  # a child that collected garbage would copy every page it looks at


def _self_test(limits: Limits) -> bool:
    """Whether a child can compute at all: a fork of a process with more than one thread may hang."""
    from tensordrill.judge import running  # noqa: PLC0415 -- loaded before

    child = _fork(limits)
    _send(child, json.dumps(running.WARM_UP).encode())
    return _collect(child, limits)[0] == "ran"


def _waits(requests: int, seconds: float) -> bool:
    """Whether a request comes within that time."""
    return bool(select.select([requests], [], [], seconds)[0])


def _fork(limits: Limits, foreign: int | None = None) -> Child:
    request_out, request_in = os.pipe()
    reply_out, reply_in = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if foreign is not None:
                os.close(foreign)
            enter(limits, (request_out, reply_in))
            _be_child(request_out, reply_in)
        finally:
            os._exit(0)
    os.close(request_out)
    os.close(reply_in)
    return Child(pid, request_in, reply_out)


def _be_child(request: int, reply: int) -> None:
    from tensordrill.judge import running  # noqa: PLC0415 -- already loaded by the zygote

    # A fork shares its parent's memory page by page, and pays for each page that it is first to touch: 20 ms for a
    # first answer. Here nobody waits yet.
    running.run(running.WARM_UP)
    parts = []
    while chunk := os.read(request, _CHUNK):
        parts.append(chunk)
    if parts:
        _write(reply, json.dumps(running.run(json.loads(b"".join(parts)))).encode())
        os.close(reply)  # before the exit, which takes milliseconds to take torch apart


def _send(child: Child, line: bytes) -> None:
    try:
        _write(child.request, line)
    except BrokenPipeError:
        pass  # it died; collecting its reply will tell
    finally:
        os.close(child.request)


def _collect(child: Child, limits: Limits) -> tuple[str, int, bytes]:
    """The outcome (`ran`, `timeout`, `flood` or `died`), the signal that ended the child or 0, and its reply."""
    deadline = time.monotonic() + limits.wall_s
    poller = select.poll()
    poller.register(child.reply, select.POLLIN | select.POLLHUP)
    parts: list[bytes] = []
    outcome = "ran"
    size = 0
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not poller.poll(left * 1000):
            outcome = "timeout"
            break
        if not (chunk := os.read(child.reply, _CHUNK)):
            break
        parts.append(chunk)
        size += len(chunk)
        if size > MAX_REPLY:
            outcome = "flood"
            break
    os.close(child.reply)
    _kill(child)
    if outcome == "ran" and parts:
        _ended.append(child.pid)  # its exit takes milliseconds, and nobody needs to wait for it
        return outcome, 0, b"".join(parts)
    status = os.waitpid(child.pid, 0)[1]
    killed_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if outcome == "ran":
        outcome = "timeout" if killed_by == signal.SIGXCPU else "died"
    return outcome, killed_by, b""


def _reap() -> None:
    for pid in _ended.copy():
        if os.waitpid(pid, os.WNOHANG)[0]:
            _ended.remove(pid)


def _kill(child: Child) -> None:
    """Kill the child with all that it started."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(child.pid, signal.SIGKILL)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    serve(Limits(*json.loads(sys.argv[1])))
