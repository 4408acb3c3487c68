"""What a child may not do. Applied in the child, before it reads what it is to run."""

import os
import resource
import signal
from dataclasses import dataclass

_PAGE = resource.getpagesize()


@dataclass(frozen=True)
class Limits:
    """For one child: seconds of CPU, seconds by the wall clock, and bytes of memory beyond what torch itself takes."""

    cpu_s: int = 5
    wall_s: float = 10.0
    memory: int = 768 * 2**20


def enter(limits: Limits, keep: tuple[int, int]) -> None:
    """Take from this process what an answer does not need: files, terminal, time and memory.

    `keep` are the two descriptors that stay open: where the request comes from and where the reply goes.
    """
    os.setsid()  # a group of its own: whatever it starts is killed with it
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(name, signal.SIG_DFL)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    low, high = sorted(keep)
    os.closerange(3, low)
    os.closerange(low + 1, high)
    os.closerange(high + 1, 1024)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 1))
    size = _address_space() + limits.memory
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def _address_space() -> int:
    """Bytes of address space that this process has: torch maps gigabytes of it before it computes anything."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 -- pathlib is slower, and this is per child
            return int(statm.read().split()[0]) * _PAGE
    except OSError:
        return 2**40  # no /proc (macOS, which does not enforce RLIMIT_AS either)
