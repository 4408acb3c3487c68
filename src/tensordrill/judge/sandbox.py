"""What a child may not do. Applied in the child, before it reads what it is to run.

On Linux three layers, each of which holds without the others: limits (time, memory, file size), Landlock (which files)
and seccomp (which system calls).
"""

import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tensordrill.judge import landlock, seccomp
from tensordrill.judge.libc import libc, no_new_privileges

with suppress(ImportError):  # Windows has none; its judge takes only the limits from here
    import resource

_PR_SET_PDEATHSIG = 1  # from linux/prctl.h
_MOST_DESCRIPTORS = 2**20


@dataclass(frozen=True)
class Limits:
    """For one child: seconds of CPU, seconds by the wall clock, and bytes of memory beyond what torch itself takes."""

    cpu_s: int = 5
    wall_s: float = 10.0
    memory: int = 512 * 2**20


@dataclass(frozen=True)
class Layers:
    """What the system offers: a Landlock ruleset's descriptor, and whether its system calls can be filtered."""

    landlock: int | None = None
    seccomp: bool = False

    @classmethod
    def offered(cls) -> "Layers":
        """All that there is here. Made once, and then inherited by the children."""
        return cls(landlock.ruleset(), seccomp.available())


def enter(limits: Limits, keep: tuple[int, int], layers: Layers, space: int) -> None:
    """Take from this process what an answer does not need: files, terminal, time, memory and system calls.

    `keep` are the two descriptors that stay open: where the request comes from and where the reply goes. `space` is the
    `address_space` that it has. What can be made before the fork is: each page that a child writes is copied for it.
    Raises OSError where a layer that is offered cannot be entered.
    """
    _die_with_parent()
    os.setsid()  # a group of its own: whatever it starts is killed with it
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(name, signal.SIG_DFL)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_AS, (space + limits.memory, space + limits.memory))
    if layers.landlock is not None:
        no_new_privileges()
        if not landlock.restrict(layers.landlock):
            raise OSError("Landlock does not hold")
    low, high = sorted(keep)
    os.closerange(3, low)
    os.closerange(low + 1, high)
    os.closerange(high + 1, _MOST_DESCRIPTORS)
    if layers.seccomp and not seccomp.install():
        raise OSError("seccomp does not hold")


def _die_with_parent() -> None:
    """On Linux: no answer outlives the zygote, not even one that sleeps. Elsewhere the CPU limit ends most."""
    if sys.platform == "linux":
        libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def address_space() -> int:
    """Bytes of address space that this process has: torch maps gigabytes of it before it computes anything."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    except OSError:
        return 2**40  # no /proc (macOS, which does not enforce RLIMIT_AS either)
