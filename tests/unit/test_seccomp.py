"""The filter's numbers are the system's, and what it says of a call is what it should."""

import errno
import os
import re
from pathlib import Path

import pytest

from tensordrill.judge import seccomp
from tensordrill.judge.seccomp import ALLOWED, CHECKED, POLITE, program

PID = 4321
HEADERS = {
    "x86_64": (0, Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), {}),
    "aarch64": (1, Path("/usr/include/asm-generic/unistd.h"), {"newfstatat": "fstatat"}),
}
ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW, KILL = 0x7FFF0000, 0x80000000


def verdict(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """What the kernel would do: classic BPF, interpreted."""
    found = ARCHITECTURE[machine] if architecture is None else architecture
    padded = [*arguments, *[0] * (6 - len(arguments))]
    words = {0: number, 4: found}
    for i, argument in enumerate(padded):
        words |= {16 + 8 * i: argument & 0xFFFFFFFF, 20 + 8 * i: argument >> 32}
    code, at, loaded = list(program(machine, PID)), 0, 0
    while True:
        operation, true, false, operand = code[at]
        at += 1
        match operation:
            case 0x20:
                loaded = words[operand]
            case 0x06:
                return operand
            case _:
                holds = {0x15: loaded == operand, 0x35: loaded >= operand, 0x45: bool(loaded & operand)}[operation]
                at += true if holds else false


@pytest.mark.parametrize("machine", HEADERS)
def test_the_numbers_are_the_headers(machine: str) -> None:
    column, header, aliases = HEADERS[machine]
    if not header.exists():
        pytest.skip(f"{header} is not installed")
    pairs = re.findall(r"#define __NR(?:3264)?_(\w+) (\d+)", header.read_text(encoding="ascii"))
    known = {name: int(number) for name, number in pairs}
    for name, numbers in (ALLOWED | POLITE | CHECKED).items():
        assert numbers[column] == known.get(aliases.get(name, name)), name


@pytest.mark.parametrize("machine", HEADERS)
def test_what_is_allowed_refused_and_ended(machine: str) -> None:
    column = HEADERS[machine][0]

    def call(name: str, *arguments: int) -> int:
        number = (ALLOWED | POLITE | CHECKED)[name][column]
        assert number is not None
        return verdict(machine, number, *arguments)

    assert call("read") == call("mmap") == call("exit_group") == ALLOW
    assert call("prctl") == call("wait4") == 0x50000 | errno.EPERM
    assert call("openat", 0, 0, os.O_RDONLY | os.O_CLOEXEC) == ALLOW
    for flag in (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC, os.O_APPEND, os.O_TMPFILE):
        assert call("openat", 0, 0, flag) == KILL
    assert call("kill", PID, 9) == call("tgkill", PID, PID, 6) == ALLOW
    assert call("kill", PID + 1, 9) == call("kill", 0, 9) == call("kill", 2**32 - PID, 9) == KILL
    assert call("clone", 0x3D0F00) == 0x50000 | errno.EAGAIN
    assert call("clone", 17) == KILL
    assert call("clone3") == 0x50000 | errno.ENOSYS
    assert call("fcntl", 3, 1030) == ALLOW
    assert call("fcntl", 3, 8) == 0x50000 | errno.EPERM  # F_SETOWN: a signal to another process
    assert call("prlimit64", 0, 7, 0) == ALLOW
    assert call("prlimit64", 0, 7, 1) == call("prlimit64", 0, 7, 2**32) == 0x50000 | errno.EPERM
    named = {numbers[column] for numbers in (ALLOWED | POLITE | CHECKED).values()}
    for number in range(600):
        if number not in named:
            assert verdict(machine, number) == KILL


@pytest.mark.parametrize("machine", HEADERS)
def test_another_architecture_s_calls_end_it(machine: str) -> None:
    other = ARCHITECTURE["aarch64" if machine == "x86_64" else "x86_64"]
    assert verdict(machine, 0, architecture=other) == KILL
    assert verdict(machine, 0x40000000, architecture=ARCHITECTURE[machine]) == KILL


@pytest.mark.parametrize("machine", HEADERS)
def test_every_jump_lands_inside(machine: str) -> None:
    code = list(program(machine, PID))
    assert len(code) < 4096
    for at, (_, true, false, _) in enumerate(code):
        assert at + 1 + max(true, false) < len(code) or code[at][0] == 0x06
    assert code[-1] == (0x06, 0, 0, KILL)


def test_elsewhere_there_is_no_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert not seccomp.available()
    assert not seccomp.install()
