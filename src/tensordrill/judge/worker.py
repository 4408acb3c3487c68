"""The process behind `spawned` and `gpu`: imports torch, says so, and runs what it is asked, on one device.

It is started as a module with a JSON object of `Order`'s fields. It writes three kinds of lines: `{"ready": ...}` or
`{"missing": ...}` once, then for every request `{"begun": true}` and the reply. Whoever reads trusts none of them.
"""

import contextlib
import json
import os
import queue
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


_HOST_MEMORY = 4 * 2**30  # beside a GPU: CUDA's libraries load their kernels into it as they come to be used


@dataclass(frozen=True)
class Order:
    """What a worker is: the torch device that it runs on, its limits, and whether it ends after one request.

    `memory` is in bytes: beyond what torch itself takes, or on a GPU all that it may use there. `cpu_s` holds for one
    request, and only in a worker that runs a single one: a warm one has its deadline from outside.
    """

    device: str
    once: bool
    cpu_s: int
    memory: int


def serve(order: Order) -> None:
    """Answer requests until stdin ends, or after one."""
    requests, replies = _requests(os.dup(0)), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):  # whatever a library prints must not reach the replies
        os.dup2(nowhere, standard)
    import torch  # noqa: PLC0415 -- nobody but the worker pays for it

    from tensordrill.judge import guarding, running  # noqa: PLC0415 -- they import torch too

    device = torch.device(order.device)
    if problem := _prepare(device, order):
        _write(replies, {"missing": problem})
        return
    with contextlib.ExitStack() as modes:
        if not order.once:
            from tensordrill.judge.drawing import DrawnOnCpu  # noqa: PLC0415 -- takes as long as torch itself

            modes.enter_context(torch.device(device))
            modes.enter_context(DrawnOnCpu())
        running.run(running.WARM_UP)
        if not order.once:
            running.import_the_rest()
            guarding.enter(order.memory if device.type == "cpu" else _HOST_MEMORY, gpu=device.type != "cpu")
        _write(replies, {"ready": _named(device)})
        while True:
            line = requests.get()
            if order.once:
                if b"optim" in line:
                    running.import_the_rest()
                guarding.enter(order.memory, order.cpu_s)
            _write(replies, {"begun": True})
            jobs = json.loads(line)
            del line
            _write(replies, running.run(jobs))
            if order.once:
                os._exit(0)
            _clean(device)


def _prepare(device: "torch.device", order: Order) -> str:
    """Make torch exact and repeatable on the device. Returns why it cannot be used, or nothing."""
    import torch  # noqa: PLC0415 -- loaded before

    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    if device.type != "cuda":
        return ""
    if not torch.cuda.is_available():
        built = f"sees no device of CUDA {torch.version.cuda}" if torch.version.cuda else "is built without CUDA"
        return f"torch {torch.__version__} {built}"
    try:
        torch.backends.cuda.matmul.allow_tf32 = False  # 10 bits of mantissa would differ from the CPU
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = False
        # Some operations (cumsum, median) have no deterministic form on CUDA. They warn and run: raising would fail
        # answers that are right, and in float64 the order of a sum stays far below any tolerance.
        torch.use_deterministic_algorithms(True, warn_only=True)
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, order.memory / total), device)
        torch.zeros(1, device=device).item()
    except RuntimeError as error:  # a driver that is too old, a device that is lost or in exclusive use
        return f"the GPU cannot be used: {(str(error).splitlines() or [''])[0]}"
    return ""


def _named(device: "torch.device") -> str:
    import torch  # noqa: PLC0415 -- loaded before

    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _clean(device: "torch.device") -> None:
    """What one answer has changed, and torch's own settings show, is not there for the next."""
    import gc  # noqa: PLC0415 -- a warm worker alone needs it

    import torch  # noqa: PLC0415 -- loaded before

    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        torch.use_deterministic_algorithms(True, warn_only=True)


def _requests(descriptor: int) -> "queue.SimpleQueue[bytes]":
    """The lines that come. At their end this process ends, whatever it does, and its folder with it.

    Whoever started it is gone then, and may not have had the time.
    """
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    folder = os.getcwd()  # noqa: PTH109 -- as the guard compares it

    def read() -> None:
        with os.fdopen(descriptor, "rb") as pipe:
            for line in pipe:
                lines.put(line)
        with contextlib.suppress(OSError):
            os.rmdir(folder)  # noqa: PTH106 -- as above
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    return lines


def _write(descriptor: int, value: object) -> None:
    view = memoryview(json.dumps(value).encode() + b"\n")
    with contextlib.suppress(BrokenPipeError):
        while view:
            view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    serve(Order(**json.loads(sys.argv[1])))
