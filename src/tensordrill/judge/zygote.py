"""The zygote: torch loaded once, one thread, and a fresh child forked for every request.

It takes orders on a socket, and never sees a request: with `take` it hands over the pipes of a child that waits,
and whoever asks talks to that child directly. So nothing of one request, and no reference, is in the memory that the
next child inherits. A spare child is forked ahead, while the one before runs, and warmed where nobody waits for it:
that takes 30 ms out of the waiting time.
"""

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
import tempfile
import time
from dataclasses import dataclass, replace

from tensordrill.judge import large_pages
from tensordrill.judge.sandbox import Layers, Limits, address_space, enter

_CHUNK = 1 << 18
MAX_ORDER = 1000
_MANY = 30  # children
_IDLE_S = 1.0
_ended: list[int] = []


@dataclass
class Child:
    """A forked process that waits for a request on one pipe and replies on another."""

    pid: int
    request: int
    reply: int


def serve(limits: Limits, control: socket.socket, *, hurried: bool) -> None:
    """Obey orders until the socket ends: `take` a child, with all of torch or not, or one has `ended`."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    _load()
    if (layers := _layers_that_work(limits)) is None:
        return
    _send(control, {"landlock": layers.landlock is not None, "seccomp": layers.seccomp})
    spare = _fork(limits, layers, warm=not hurried)
    everything = large = False
    taken = 0
    while True:
        # It takes a third of a second: few forks would not earn that back, and nobody should wait for it.
        if taken >= _MANY and not large and (hurried or not select.select([control], [], [], _IDLE_S)[0]):
            large_pages.use()
            large = True
        if not (order := control.recv(MAX_ORDER)):
            _kill(spare.pid)
            return
        match json.loads(order):
            case {"take": bool(wanted)}:
                if wanted and not everything:
                    everything, spare = True, _reload(spare, limits, layers)
                socket.send_fds(control, [json.dumps({"pid": spare.pid}).encode()], [spare.request, spare.reply])
                os.close(spare.request)
                os.close(spare.reply)
                taken += 1
                spare = _fork(limits, layers, warm=not hurried)
            case {"ended": int(pid), "tell": bool(tell)}:
                _kill(pid)
                if tell:
                    _send(control, {"status": os.waitpid(pid, 0)[1]})
                else:
                    _ended.append(pid)  # its exit takes milliseconds, and nobody needs to wait for it
                _reap()


def _load() -> None:
    """Import torch, keep it to one thread (a fork after a parallel operation hangs the child), and warm it up."""
    sys.dont_write_bytecode = True  # a child that imports a module must not try to keep it
    time.tzset()
    tempfile.tempdir = os.environ.get("TMPDIR", "/tmp")  # noqa: S108 -- named, never written: a child cannot try which it may write
    import torch  # noqa: PLC0415 -- only the zygote and its children pay for it

    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    _warm_up()
    _freeze()


def _reload(spare: Child, limits: Limits, layers: Layers) -> Child:
    """Import what torch imports late (its optimizers, torch.func), and fork a spare that has it.

    They take as long to import as torch itself, and few answers need them. Certifying a puzzle ahead asks for them too.
    """
    from tensordrill.judge import running  # noqa: PLC0415 -- loaded before

    _kill(spare.pid)
    os.waitpid(spare.pid, 0)
    os.close(spare.request)
    os.close(spare.reply)
    running.import_the_rest()
    _freeze()
    return _fork(limits, layers)


def _freeze() -> None:
    gc.collect()
    gc.freeze()  # a child that collected garbage would copy every page it looks at


def _layers_that_work(limits: Limits) -> Layers | None:
    """The layers under which a child can compute: all that the system offers, or fewer where one of them breaks torch.

    None where it cannot compute at all: a fork of a process with more than one thread may hang.
    """
    offered = Layers.offered()
    for layers in dict.fromkeys((offered, replace(offered, seccomp=False), Layers(), None)):
        if layers is None or _computes(limits, layers):
            return layers
    return None


def _computes(limits: Limits, layers: Layers) -> bool:
    from tensordrill.judge import running  # noqa: PLC0415 -- loaded before

    child = _fork(limits, layers)
    with contextlib.suppress(BrokenPipeError):
        _write(child.request, json.dumps(running.WARM_UP).encode())
    os.close(child.request)
    answers = bool(select.select([child.reply], [], [], limits.wall_s)[0]) and bool(os.read(child.reply, 1))
    os.close(child.reply)
    _kill(child.pid)
    os.waitpid(child.pid, 0)
    return answers


def _fork(limits: Limits, layers: Layers, *, warm: bool = True) -> Child:
    request_out, request_in = os.pipe()
    reply_out, reply_in = os.pipe()
    space = address_space()
    pid = os.fork()
    if pid == 0:
        try:
            enter(limits, (request_out, reply_in), layers, space)
            if warm:
                _warm_up()
            _be_child(request_out, reply_in)
        finally:
            os._exit(0)
    os.close(request_out)
    os.close(reply_in)
    return Child(pid, request_in, reply_out)


def _warm_up() -> None:
    """Touch what an answer touches: a fork shares its parent's memory, and copies each page that it is first to touch.

    Where somebody waits already, that is no help: not every answer needs all of it.
    """
    from tensordrill.judge import running  # noqa: PLC0415 -- loaded before

    running.run(running.WARM_UP)


def _be_child(request: int, reply: int) -> None:
    from tensordrill.judge import running  # noqa: PLC0415 -- loaded before

    parts = []
    while chunk := os.read(request, _CHUNK):
        parts.append(chunk)
    os.close(request)
    if parts:
        _write(reply, json.dumps(running.run(json.loads(b"".join(parts)))).encode())
        os.close(reply)  # before the exit, which takes milliseconds to take torch apart


def _reap() -> None:
    for pid in _ended.copy():
        if os.waitpid(pid, os.WNOHANG)[0]:
            _ended.remove(pid)


def _kill(pid: int) -> None:
    """Kill the child with all that it started."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def _send(control: socket.socket, message: dict[str, object]) -> None:
    control.send(json.dumps(message).encode())


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    values, in_a_hurry = json.loads(sys.argv[1])
    serve(Limits(*values), socket.socket(fileno=os.dup(0)), hurried=in_a_hurry)
