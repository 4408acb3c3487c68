"""seccomp: which system calls a child may make. Any other ends it at once, by SIGSYS. Linux on x86-64 and arm64.

The list is our own, and of what may be done rather than of what may not: the bindings to libseccomp need a library that
pip cannot install, and have no types. A test compares the numbers with the system's headers.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Iterator
from functools import cache

from tensordrill.judge.libc import libc, no_new_privileges

_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # a column below; AUDIT_ARCH_…
_X32 = 0x40000000  # x86-64's calls with 32-bit pointers: other numbers for the same
_SET_SECCOMP, _FILTER = 22, 2

Numbers = dict[str, tuple[int | None, int | None]]
ALLOWED: Numbers = {
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66), "pread64": (17, 67), "close": (3, 57),
    "close_range": (436, 436), "fstat": (5, 80), "newfstatat": (262, 79), "stat": (4, None), "lstat": (6, None),
    "statx": (332, 291), "lseek": (8, 62), "mmap": (9, 222), "munmap": (11, 215), "mprotect": (10, 226),
    "mremap": (25, 216), "madvise": (28, 233), "brk": (12, 214), "mincore": (27, 232), "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132), "restart_syscall": (219, 128),
    "futex": (202, 98), "getpid": (39, 172), "getppid": (110, 173), "gettid": (186, 178), "getuid": (102, 174),
    "geteuid": (107, 175), "getgid": (104, 176), "getegid": (108, 177), "getpgid": (121, 155), "getpgrp": (111, None),
    "getsid": (124, 156), "getresuid": (118, 148), "getresgid": (120, 150), "getgroups": (115, 158),
    "getrandom": (318, 278), "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101), "gettimeofday": (96, 169), "time": (201, None), "times": (100, 153),
    "getrusage": (98, 165), "getrlimit": (97, 163), "sched_yield": (24, 124), "sched_getaffinity": (204, 123),
    "getcpu": (309, 168), "uname": (63, 160), "sysinfo": (99, 179), "access": (21, None), "faccessat": (269, 48),
    "faccessat2": (439, 439), "readlink": (89, None), "readlinkat": (267, 78), "getcwd": (79, 17),
    "getdents64": (217, 61), "dup": (32, 23), "dup2": (33, None), "dup3": (292, 24), "pipe2": (293, 59),
    "pipe": (22, None), "poll": (7, None), "ppoll": (271, 73), "select": (23, None), "pselect6": (270, 72),
    "alarm": (37, None), "setitimer": (38, 103), "getitimer": (36, 102), "pause": (34, None),
    "rt_sigpending": (127, 136), "rt_sigtimedwait": (128, 137), "set_robust_list": (273, 99),
    "get_robust_list": (274, 100), "rseq": (334, 293), "membarrier": (324, 283), "arch_prctl": (158, None),
    "set_tid_address": (218, 96), "exit": (60, 93), "exit_group": (231, 94), "statfs": (137, 43),
    "fstatfs": (138, 44),
}  # fmt: skip
POLITE: Numbers = {  # refused by an error: honest code asks for these, and can do without
    "sched_setaffinity": (203, 122), "set_mempolicy": (238, 237), "get_mempolicy": (239, 236), "mbind": (237, 235),
    "setpriority": (141, 140), "getpriority": (140, 141), "mlock": (149, 228), "munlock": (150, 229),
    "sched_setscheduler": (144, 119), "sched_getscheduler": (145, 120), "sched_getparam": (143, 121),
    "wait4": (61, 260), "waitid": (247, 95), "chdir": (80, 49), "umask": (95, 166), "getxattr": (191, 8),
    "lgetxattr": (192, 9), "fgetxattr": (193, 10), "listxattr": (194, 11), "llistxattr": (195, 12),
    "flistxattr": (196, 13), "prctl": (157, 167),
}  # fmt: skip
CHECKED: Numbers = {
    "open": (2, None), "openat": (257, 56), "clone": (56, 220), "clone3": (435, 435), "fcntl": (72, 25),
    "prlimit64": (302, 261), "kill": (62, 129), "tgkill": (234, 131), "ioctl": (16, 29),
}  # fmt: skip

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | 0o20000000  # the last is O_TMPFILE
_CLONE_THREAD = 0x10000
_DUPLICATING = (0, 1, 2, 3, 1030)  # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERROR, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCHITECTURE = 0, 4  # where struct seccomp_data has them
_ITSELF = 0x54455354  # no system gives out a process id that high
Instruction = tuple[int, int, int, int]


def available() -> bool:
    """Whether this system's calls are known here."""
    if sys.platform != "linux" or platform.machine() not in _ARCHITECTURES:
        return False
    _packed(platform.machine())
    return True


def install() -> bool:
    """Filter the system calls of this process, and of what it starts, for ever. Returns whether it worked."""
    if not available() or not no_new_privileges():
        return False
    code = _packed(platform.machine()).replace(struct.pack("=I", _ITSELF), struct.pack("=I", os.getpid()))
    instructions = ctypes.create_string_buffer(code, len(code))
    filter_ = struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions))
    return bool(libc().prctl(_SET_SECCOMP, _FILTER, ctypes.c_char_p(filter_), 0, 0) == 0)


@cache
def _packed(machine: str) -> bytes:
    """The filter in the kernel's form, with `_ITSELF` for the process: made once, before the forks."""
    return b"".join(struct.pack("=HBBI", *each) for each in program(machine, _ITSELF))


def program(machine: str, pid: int) -> Iterator[Instruction]:
    """The filter, in classic BPF: `(code, jump if true, jump if false, operand)`. That process may signal itself."""
    column, architecture = _ARCHITECTURES[machine]
    yield from ((_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, architecture), _result(_KILL), (_LOAD, 0, 0, _NUMBER))
    if machine == "x86_64":
        yield from ((_AT_LEAST, 0, 1, _X32), _result(_KILL))
    for numbers, result in ((ALLOWED, _ALLOW), (POLITE, _ERROR | errno.EPERM)):
        for number in numbers.values():
            yield from _where(number[column], [_result(result)])
    for name, checks in _checks(pid).items():
        yield from _where(CHECKED[name][column], checks)
    yield _result(_KILL)


def _checks(pid: int) -> dict[str, list[Instruction]]:
    """What some calls are allowed for, by their arguments."""
    own = [_argument(0), *_if(_EQUAL, pid, _ALLOW), _result(_KILL)]
    return {
        "open": [_argument(1), *_if(_ANY_BIT, _WRITING, _KILL), _result(_ALLOW)],
        "openat": [_argument(2), *_if(_ANY_BIT, _WRITING, _KILL), _result(_ALLOW)],
        "kill": own,
        "tgkill": own,
        # A thread cannot be started, and Python says so; a process is another matter.
        "clone": [_argument(0), *_if(_ANY_BIT, _CLONE_THREAD, _ERROR | errno.EAGAIN), _result(_KILL)],
        "clone3": [_result(_ERROR | errno.ENOSYS)],  # its arguments cannot be seen; libc goes back to clone
        "fcntl": [
            _argument(1),
            *(each for command in _DUPLICATING for each in _if(_EQUAL, command, _ALLOW)),
            _result(_ERROR | errno.EPERM),
        ],
        "prlimit64": [  # to look, and not to change
            _argument(2),
            (_EQUAL, 0, 3, 0),
            _argument(2, high=True),
            *_if(_EQUAL, 0, _ALLOW),
            _result(_ERROR | errno.EPERM),
        ],
        "ioctl": [_result(_ERROR | errno.ENOTTY)],
    }


def _where(number: int | None, then: list[Instruction]) -> Iterator[Instruction]:
    if number is not None:
        yield (_EQUAL, 0, len(then), number)
        yield from then


def _if(test: int, operand: int, result: int) -> list[Instruction]:
    return [(test, 0, 1, operand), _result(result)]


def _argument(index: int, *, high: bool = False) -> Instruction:
    return (_LOAD, 0, 0, 16 + 8 * index + 4 * high)


def _result(result: int) -> Instruction:
    return (_RETURN, 0, 0, result)
