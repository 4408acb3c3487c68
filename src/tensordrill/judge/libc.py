"""The C library, opened once: a child that opened it anew would copy hundreds of pages for that."""

import ctypes
from functools import cache


@cache
def libc() -> ctypes.CDLL:
    """For system calls that Python lacks. Not on Windows."""
    return ctypes.CDLL(None, use_errno=True)
