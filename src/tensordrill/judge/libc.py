"""The C library, opened once: a child that opened it anew would copy hundreds of pages for that."""

import ctypes
from functools import cache

_PR_SET_NO_NEW_PRIVS = 38  # from linux/prctl.h


@cache
def libc() -> ctypes.CDLL:
    """For system calls that Python lacks. Not on Windows."""
    return ctypes.CDLL(None, use_errno=True)


def no_new_privileges() -> bool:
    """No program that this process starts may do more than it: what Linux demands of who restricts himself."""
    return bool(libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
