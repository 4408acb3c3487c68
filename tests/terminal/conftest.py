"""A terminal that a test can read: the real program on a pty, and an emulator that shows what a person would see."""

import os
import re
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pexpect
import pyte
import pytest

PATIENCE = 120.0  # seconds; only ever waited for in full where something is broken
COLOURS = {*range(30, 39), *range(40, 49), *range(90, 98), *range(100, 108)}  # as numbers in escape codes
NOW = "2026-03-02T18:00:00+01:00"


class Screen(pyte.Screen):
    """An emulated screen that notes when a line ran over its right edge, and answers as terminals do."""

    def __init__(self, columns: int, lines: int, reply: Callable[[bytes], object]) -> None:
        super().__init__(columns, lines)
        self.overrun = False
        self._reply = reply

    def draw(self, data: str) -> None:
        for character in data:
            wraps = self.cursor.x == self.columns and pyte.modes.DECAWM in self.mode
            self.overrun |= wraps and pyte.screens.wcwidth(character) > 0
            super().draw(character)

    def write_process_input(self, data: str) -> None:
        self._reply(data.encode())


class Terminal:
    """The program in a terminal of that size. `raw` is all that it wrote."""

    def __init__(self, args: Sequence[str], columns: int, lines: int, env: dict[str, str]) -> None:
        self.child: Any = pexpect.spawn(
            sys.executable,
            ["-W", "error", "-m", "tensordrill", *args],
            dimensions=(lines, columns),
            env=os.environ | {"TERM": "xterm-256color", "TENSORDRILL_NOW": NOW} | env,
            timeout=PATIENCE,
        )
        self.child.delaybeforesend = None
        self.modes = termios.tcgetattr(self.child.child_fd)[:4]
        self.screen = Screen(columns, lines, self.child.send)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self._submitted = 0  # how much it had written when the last line was submitted

    @property
    def rows(self) -> list[str]:
        return [row.rstrip() for row in self.screen.display]

    @property
    def text(self) -> str:
        """What stands on the screen, without its empty rows at the end."""
        return "\n".join(self.rows).rstrip()

    @property
    def line(self) -> str:
        """The row of the cursor."""
        return self.rows[self.screen.cursor.y]

    def type(self, text: str) -> None:
        self.child.send(text)

    def submit(self, text: str = "") -> None:
        """Type a line and press Enter."""
        self._submitted = len(self.raw)
        self.child.send(text + "\r")

    def wait_for(self, there: Callable[[], object] | str) -> None:
        """Read until that text is on the screen, or until that is so."""
        holds = (lambda: there in self.text) if isinstance(there, str) else there
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline, f"waited for {there!r} in vain:\n{self.text}"
            try:
                self._feed(self.child.read_nonblocking(1 << 16, timeout=1))
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                assert holds(), f"it ended without {there!r}:\n{self.text}"

    def wait_for_prompt(self) -> None:
        """Until the program waits for an answer, with nothing typed yet; after a submission, until it does so again."""

        def waits() -> bool:
            since = self.raw[self._submitted :]
            begun = b"\x1b[?2004h" in since or b"\n> " in since  # with editing, or without
            return begun and self.line == ">" and self.screen.cursor.x == 2

        self.wait_for(waits)

    def ended(self) -> int:
        """Read to the end; returns the exit code."""
        with suppress(pexpect.EOF):
            while True:
                self._feed(self.child.read_nonblocking(1 << 16, timeout=PATIENCE))
        self.child.wait()
        code: int = self.child.exitstatus
        return code

    def colours(self) -> set[str]:
        """Every colour that was asked for, as the parameters of its escape code."""
        found = set()
        for parameters in re.findall(rb"\x1b\[([\d;]*)m", self.raw):
            for number in parameters.decode().split(";"):
                if number.isdecimal() and int(number) in COLOURS:
                    found.add(parameters.decode())
        return found

    def _feed(self, data: bytes) -> None:
        self.raw += data
        self._stream.feed(data)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Start the program in a terminal: `terminal("today", columns=40, lines=20, NO_COLOR="1")`."""
    started: list[Terminal] = []

    def start(*args: str, columns: int = 80, lines: int = 24, **env: str) -> Terminal:
        env.setdefault("TENSORDRILL_TRACE", str(tmp_path / "trace"))
        started.append(Terminal(args, columns, lines, env))
        return started[-1]

    yield start
    for one in started:
        one.child.close(force=True)
