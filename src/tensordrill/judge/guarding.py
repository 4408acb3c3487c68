"""What keeps an answer in check in a process that was started anew: limits, Landlock, and Python's own audit hook.

The hook holds what an answer does by mistake, and whoever tries the obvious. It cannot hold native code: an answer that
is made to break out of Python does. Then Landlock keeps it from files, and nothing from processes and sockets: these
processes have threads and load libraries late, and beside a GPU talk to its driver, so no system call is filtered.
`doctor` tries what is active.
"""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from tensordrill.judge import landlock

# Families of audit events (https://docs.python.org/3/library/audit_events.html) that no answer needs.
_FAMILIES = {
    "socket", "subprocess", "shutil", "tempfile", "ctypes", "resource", "pty", "fcntl", "syslog", "sqlite3",
    "urllib", "http", "ftplib", "smtplib", "poplib", "imaplib", "nntplib", "telnetlib", "webbrowser", "winreg",
    "_winapi", "msvcrt", "ensurepip",
}  # fmt: skip
_EVENTS = {
    "os.chdir", "os.chflags", "os.chmod", "os.chown", "os.exec", "os.fork", "os.forkpty", "os.getxattr",
    "os.kill", "os.killpg", "os.link", "os.listxattr", "os.lockf", "os.mkdir", "os.posix_spawn",
    "os.remove", "os.removexattr", "os.rename", "os.rmdir", "os.setxattr", "os.spawn", "os.startfile",
    "os.startfile/2", "os.symlink", "os.system", "os.truncate", "os.unsetenv", "os.utime",
    "signal.pthread_kill", "sys.addaudithook",
}  # fmt: skip
_MAPPED, _DATA = 0, 5  # where /proc/self/statm has them
_READS = {"os.listdir", "os.scandir", "os.walk", "os.fwalk", "glob.glob", "glob.glob/2"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def enter(memory: int, cpu_s: int | None = None, *, gpu: bool = False) -> None:
    """Take from this process what an answer does not need. Cannot be taken back.

    `memory` is in bytes beyond what the process has; `cpu_s` is counted from now. Beside a `gpu` memory is what is
    written to: CUDA maps more than there is. And anything may be read: nobody knows what a driver reads.
    """
    _limit(memory, cpu_s, gpu=gpu)
    landlock.enter(landlock.writable() if gpu else landlock.ruleset())
    _refuse()


def _limit(memory: int, cpu_s: int | None, *, gpu: bool) -> None:
    try:
        import resource  # noqa: PLC0415 -- Windows has none
    except ImportError:
        return
    limits = [(resource.RLIMIT_CORE, 0, 0), (resource.RLIMIT_FSIZE, 0, 0)]
    if cpu_s is not None:
        until = int(time.process_time()) + 1 + cpu_s
        limits.append((resource.RLIMIT_CPU, until, until + 1))
    if size := _memory(resource.getpagesize(), _DATA if gpu else _MAPPED):
        limits.append((resource.RLIMIT_DATA if gpu else resource.RLIMIT_AS, size + memory, size + memory))
    for which, soft, hard in limits:
        with suppress(ValueError, OSError):  # a system that does not know it; the others hold all the same
            resource.setrlimit(which, (soft, hard))


def _memory(page: int, kind: int) -> int:
    """Bytes that this process has mapped, or that it can write to; 0 where the system does not tell (or hold) it."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[kind]) * page
    except OSError:
        return 0


def _refuse() -> None:
    """Refuse to read outside of what Python imports from, and to write, connect or start anything at all."""
    places = [sys.prefix, sys.base_prefix, sys.exec_prefix, str(Path(__file__).parents[1]), *sys.path]
    roots = tuple({_whole(place) for place in places if place})
    folder = os.getcwd()  # noqa: PTH109 -- cheap where it is compared

    def readable(path: object) -> bool:
        if isinstance(path, int):
            return True  # a descriptor that is open already
        name = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else "."
        return name == os.devnull or _whole(name).startswith(roots)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            writes = set(str(mode or "")) & set("wxa+") or (isinstance(flags, int) and flags & _WRITING)
            if (writes and path != os.devnull and not isinstance(path, int)) or not readable(path):
                raise PermissionError("an answer may not open that file")
        elif event in _READS:
            if not readable(arguments[0]):
                raise PermissionError("an answer may not look there")
        elif event == "os.rmdir" and arguments[0] == folder:
            return  # its own, which is empty, when nobody else can
        elif event in _EVENTS or event.partition(".")[0] in _FAMILIES:
            raise PermissionError(f"an answer may not do that ({event})")

    sys.addaudithook(hook)


def _whole(path: str) -> str:
    """The path without links, as the system compares it, and with a separator at its end."""
    return os.path.join(os.path.normcase(os.path.realpath(path)), "")  # noqa: PTH118 -- pathlib drops the separator
