"""Answers that ask the kernel for what no learner needs: a system may refuse these by itself, the judge always does."""

# ruff: noqa: E501 -- an answer on one line is easier to scan in a table

from collections.abc import Callable

import pytest

CALL = "libc = ctypes.CDLL(None, use_errno=True)\n"
ATTACKS = {
    "a key": CALL + "libc.syscall(248, b'user', name.encode(), b'kept', 4, -4)",
    "a key in the session": CALL + "libc.syscall(248, b'user', name.encode(), b'kept', 4, -3)",
    "a keyring joined": CALL + "return 'joined' if libc.syscall(250, 1, name.encode()) > 0 else None",
    "a user namespace": CALL + "return 'apart' if libc.unshare(0x10000000) == 0 else None",
    "a mount namespace": CALL + "return 'apart' if libc.unshare(0x10020000) == 0 else None",
    "a network namespace": CALL + "return 'apart' if libc.unshare(0x50000000) == 0 else None",
    "a namespace of another's": "return os.open(f'/proc/{victim}/ns/net', 0) and 'open'",
    "setns": CALL + "return 'joined' if libc.setns(libc.syscall(434, client, 0), 0x40000000) == 0 else None",
    "a mount": CALL + """
libc.unshare(0x10020000)
return 'mounted' if libc.mount(b'none', folder.encode(), b'tmpfs', 1 << 14 | 1 << 18, None) == 0 else None""",
    "a mount by descriptor": CALL + "return 'mount' if libc.syscall(430, b'tmpfs', 0) > 0 else None",
    "a copy of the tree": CALL + "libc.unshare(0x10020000)\nreturn 'tree' if libc.syscall(428, -100, b'/tmp', 0x80001) > 0 else None",
    "another root": CALL + "return 'moved' if libc.chroot(folder.encode()) == 0 else None",
    "io_uring": CALL + "return 'ring' if libc.syscall(425, 4, ctypes.create_string_buffer(256)) > 0 else None",
    "userfaultfd": CALL + "return 'faults' if libc.syscall(323, 1) > 0 else None",
    "perf events": CALL + """
wish = ctypes.create_string_buffer(128)
wish[0:8] = (1 | 112 << 32).to_bytes(8, 'little')
wish[40:48] = (0x60).to_bytes(8, 'little')  # not the kernel's
return 'counts' if libc.syscall(298, wish, 0, -1, -1, 0) > 0 else None""",
    "a program in the kernel": CALL + """
wish = (ctypes.c_uint32 * 32)(2, 4, 8, 1)  # an array of one entry
return 'map' if libc.syscall(321, 0, wish, 128) > 0 else None""",
    "inotify": CALL + "return 'watches' if libc.inotify_add_watch(libc.inotify_init(), folder.encode(), 0xfff) > 0 else None",
    "fanotify": CALL + "return 'watches' if libc.fanotify_init(0x200, 0) > 0 else None",
    "a secret memory": CALL + "return 'secret' if libc.syscall(447, 0) > 0 else None",
    "a memory without a file": CALL + "return 'memory' if libc.syscall(319, name.encode(), 0) > 0 else None",
    "an event": "return str(os.eventfd(0))",
    "a timer": CALL + "return 'timer' if libc.timerfd_create(1, 0) > 0 else None",
    "signals to read": CALL + "return 'signals' if libc.signalfd(-1, ctypes.create_string_buffer(128), 0) > 0 else None",
    "a process by descriptor": "return str(os.pidfd_open(victim))",
    "comparing processes": CALL + "return 'compared' if libc.syscall(312, victim, client, 1, 0, 0) >= 0 else None",
    "another's robust list": CALL + "return 'list' if libc.syscall(274, victim, ctypes.create_string_buffer(8), ctypes.create_string_buffer(8)) == 0 else None",
    "memory moved": CALL + "return 'moved' if libc.syscall(256, victim, 8, ctypes.create_string_buffer(8), ctypes.create_string_buffer(8)) >= 0 else None",
    "memory locked": CALL + "return 'locked' if libc.mlockall(2) == 0 else None",
    "another's memory advised": CALL + "return 'advised' if libc.syscall(440, libc.syscall(434, victim, 0), (ctypes.c_size_t * 2)(0, 0), 1, 20, 0) >= 0 else None",
    "personality": CALL + "return 'other' if libc.personality(0x0040000) >= 0 else None",
    "a filter of its own": CALL + "return 'filter' if libc.prctl(38, 1, 0, 0, 0) == 0 else None",
    "a domain of its own": CALL + "return 'domain' if libc.syscall(444, (ctypes.c_uint64 * 1)(1), 8, 0) > 0 else None",
    "the host's name": CALL + "libc.unshare(0x14000000)\nreturn 'named' if libc.sethostname(b'own', 3) == 0 else None",
    "the kernel's messages": CALL + "return 'read' if libc.klogctl(3, ctypes.create_string_buffer(999), 999) > 0 else None",
    "another user": CALL + "return 'nobody' if libc.setuid(65534) == 0 and libc.getuid() == 65534 else None",
    "capabilities": CALL + "return 'kept' if libc.prctl(8, 1, 0, 0, 0) == 0 else None",
    "ports": CALL + "return 'ports' if libc.ioperm(0x80, 1, 1) == 0 else None",
    "priorities of discs": CALL + "return 'slowed' if libc.syscall(251, 1, 0, 3 << 13) == 0 else None",
    "tcp over ipv6": "socket.socket(socket.AF_INET6).connect(('::ffff:127.0.0.1', tcp))",
    "tcp over many paths": "socket.socket(proto=262).connect(('127.0.0.1', tcp))",
    "raw packets": "return str(socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))",
    "the machine's host": "return str(socket.socket(socket.AF_VSOCK))",
    "the kernel's ciphers": "return str(socket.socket(38, socket.SOCK_SEQPACKET))",
    "pipes doubled": CALL + "out, into = os.pipe()\nreturn 'pipe' if libc.fcntl(out, 1031, 1 << 20) > 0 else None",
}  # fmt: skip


def test_contained(contained: Callable[[str], object], attack: str) -> None:
    contained(attack)


def test_it_works_where_nothing_contains_it(proven: Callable[[str], None], attack: str) -> None:
    try:
        proven(attack)
    except AssertionError as error:
        if "did nothing" not in str(error):
            raise
        pytest.skip("this system refuses it by itself")
