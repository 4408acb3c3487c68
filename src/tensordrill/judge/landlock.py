"""Landlock: which files a child may read. It can write, make, rename and delete none. Linux 5.13 and later.

That a file is there, how large it is and when it was changed cannot be hidden by it: `stat` asks for no right.

Called through libc: the only package for it on PyPI has no release yet, and this is three system calls.
"""

import ctypes
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

from tensordrill.judge.libc import libc, no_new_privileges

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # on every architecture
_VERSION, _BENEATH = 1, 1  # LANDLOCK_CREATE_RULESET_VERSION, LANDLOCK_RULE_PATH_BENEATH
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _CONTROL_DEVICE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 15
_ACCESS = {
    1: (1 << 13) - 1,
    2: (1 << 14) - 1,
    3: (1 << 15) - 1,
    5: (1 << 16) - 1,
}  # of files, by the version since which
_NETWORK, _NETWORK_SINCE = 0b11, 4  # bind and connect
_SCOPES, _SCOPES_SINCE = 0b11, 6  # abstract UNIX sockets and signals
_DEV = Path("/dev")
_OURS = ("tensordrill", "__editable__")  # what answers are found in, or lead to


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("access", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """The version of Landlock that the system has; 0 where it has none."""
    if sys.platform != "linux":
        return 0
    return max(0, _call(_CREATE_RULESET, None, 0, _VERSION))


def ruleset() -> int | None:
    """A descriptor to `restrict` with: only Python's files and its packages can be read. None without Landlock."""
    return _ruleset(0, {path: _READ_FILE | (_READ_DIR if path.is_dir() else 0) for path in readable()}, alone=True)


def writable() -> int | None:
    """A descriptor to `restrict` with: nothing but a GPU's devices can be written to. None without Landlock."""
    devices = [
        path for sign in ("null", "nvidia*", "nvhost*", "nvmap", "kfd", "dri", "dxg") for path in _DEV.glob(sign)
    ]
    return _ruleset(
        _EXECUTE | _READ_FILE | _READ_DIR, dict.fromkeys(devices, _WRITE_FILE | _CONTROL_DEVICE), alone=False
    )


def _ruleset(left_alone: int, allowed: Mapping[Path, int], *, alone: bool) -> int | None:
    """A descriptor for rules over all but what is `left_alone`; `alone` shuts off the network and other processes."""
    found = version()
    if not found:
        return None
    handled = _ACCESS[max(since for since in _ACCESS if since <= found)] & ~left_alone
    wanted = _Ruleset(
        fs=handled,
        net=_NETWORK if alone and found >= _NETWORK_SINCE else 0,
        scoped=_SCOPES if alone and found >= _SCOPES_SINCE else 0,
    )
    fields = 3 if found >= _SCOPES_SINCE else 2 if found >= _NETWORK_SINCE else 1
    made = _call(_CREATE_RULESET, ctypes.byref(wanted), fields * 8, 0)
    if made < 0:
        return None
    for path, access in allowed.items():
        _allow(made, path, access & handled)
    return made


def enter(ruleset: int | None) -> None:
    """Restrict this thread by a ruleset, if there is one, and close it."""
    if ruleset is not None:
        no_new_privileges()
        restrict(ruleset)
        os.close(ruleset)


def restrict(descriptor: int) -> bool:
    """Restrict this process, and what it starts, for ever. Needs `no_new_privs`. Returns whether it worked."""
    return _call(_RESTRICT_SELF, descriptor, 0) == 0


def readable() -> Iterator[Path]:
    """Python's library and the installed packages, without tensordrill itself: the references are in there."""
    folders = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders |= {folder / "lib-dynload" for folder in folders}
    packages = ("site-packages", "dist-packages")
    for folder in folders:
        if folder.is_dir():
            yield from (each for each in folder.iterdir() if each.name not in packages and not _is_ours(each))
    yield from (Path("/dev/null"), Path("/dev/zero"), Path("/dev/urandom"), Path("/etc/localtime"))
    yield from (
        Path(found)
        for found in ("/usr/share/zoneinfo", "/lib", "/usr/lib", "/lib64")
        if Path(found).is_dir() and not _holds(Path(found), folders)
    )


def _holds(folder: Path, others: set[Path]) -> bool:
    """Whether one of the others is in that folder: allowing it would allow that too."""
    return any(other.resolve().is_relative_to(folder.resolve()) for other in others)


def _is_ours(path: Path) -> bool:
    return path.name.startswith(_OURS) or path.suffix == ".pth"


def _allow(ruleset: int, path: Path, access: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        _call(_ADD_RULE, ruleset, _BENEATH, ctypes.byref(_Beneath(access=access, parent=descriptor)), 0)
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    result: int = libc().syscall(number, *arguments)
    return result
