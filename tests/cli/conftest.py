"""The real program in processes of its own, and a learner who types at it."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import fsrs
import pytest

from tensordrill.catalog import Catalog
from tensordrill.judge import Judge
from tensordrill.puzzles import Puzzle

PATIENCE = 120.0  # seconds; only ever waited for in full where something is broken
PROGRAM = [sys.executable, "-W", "error", "-m", "tensordrill"]

Row = dict[str, Any]


class Run(Protocol):
    """A command with its input, to its end."""

    def __call__(
        self, *args: str, stdin: str | bytes = "", env: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]": ...


@pytest.fixture
def run(home: Path) -> Run:
    """Run a command in this test's home. No command may ever show a traceback."""
    del home

    def ran(
        *args: str, stdin: str | bytes = "", env: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        typed = stdin if isinstance(stdin, bytes) else stdin.encode()
        done = subprocess.run(
            [*PROGRAM, *args],
            input=typed,
            capture_output=True,
            env=os.environ | dict(env or {}),
            timeout=PATIENCE,
            check=False,
        )
        out, err = done.stdout.decode(), done.stderr.decode()
        assert "Traceback" not in err
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    return ran


@pytest.fixture
def exported(run: Run) -> Callable[[], list[Row]]:
    """Every event of this home, as the real command exports it."""

    def rows() -> list[Row]:
        done = run("export", "json")
        assert (done.returncode, done.stderr) == (0, "")
        return [json.loads(line) for line in done.stdout.splitlines()]

    return rows


@dataclass(frozen=True)
class Prompt:
    """What the program waits for an answer to, as its trace has it."""

    drill: str
    level: int
    seed: int
    puzzle: Puzzle


class Learner:
    """Somebody at the other end of the program's pipes, who reads before typing.

    `prompt` is what is asked now, None once the program has ended; `said` is all that it has printed.
    """

    def __init__(
        self, catalog: Catalog, judge: Judge, trace: Path, args: Iterable[str], env: Mapping[str, str]
    ) -> None:
        self._catalog = catalog
        self._judge = judge
        self._trace = trace
        self._seen = len(self._lines())
        self._output = bytearray()
        self._more = threading.Condition()
        self.process = subprocess.Popen(
            [*PROGRAM, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"TENSORDRILL_TRACE": str(trace)} | dict(env),
        )
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        self._answered_at = 0
        self.prompt: Prompt | None = None
        self._wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        self._reading.join()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with suppress(OSError):
                assert pipe is not None
                pipe.close()

    @property
    def said(self) -> str:
        return self._output.decode()

    @property
    def solution(self) -> str:
        return self._judge.solution(self.now.puzzle)

    @property
    def wrong_answers(self) -> list[str]:
        return self._judge.wrong_answers(self.now.puzzle)

    def right(self) -> str:
        return self.type(self.solution)

    def wrong(self, which: int = 0) -> str:
        """A wrong turn of this puzzle."""
        return self.type(self.wrong_answers[which % len(self.wrong_answers)])

    @property
    def now(self) -> Prompt:
        assert self.prompt is not None, self.said
        return self.prompt

    def type(self, text: str) -> str:
        """Type an answer or a command; returns what the program printed until its next prompt, or its end."""
        command = text.startswith(":")
        if self.now.puzzle.multiline and not command:
            text = re.sub(r"\n\s*\n", "\n", text.strip("\n")) + "\n"  # an empty line ends it
        self.send(text + "\n")
        return self._wait()

    def send(self, text: str) -> None:
        """Type without waiting for what comes of it."""
        self._answered_at = len(self._output)
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode("utf-8", "surrogateescape"))
        self.process.stdin.flush()

    def until(self, sentence: str) -> None:
        """Wait until that stands in what was printed since the last typing."""
        with self._more:
            assert self._more.wait_for(lambda: sentence.encode() in self._output[self._answered_at :], PATIENCE), (
                self.said
            )

    def leave(self) -> int:
        """End the input, as Ctrl-D does, and return the exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self._ended()

    def end(self) -> None:
        """Leave, where the session has not come to its end by itself."""
        assert (self.leave() if self.prompt else self.ended()) == 0

    def interrupt(self) -> int:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        return self._ended()

    def ended(self) -> int:
        """The exit code of a session that came to its end by itself."""
        assert self.prompt is None, self.said
        return self._ended()

    def _ended(self) -> int:
        code = self.process.wait(PATIENCE)
        self._reading.join(PATIENCE)
        self.prompt = None
        assert self.process.stderr is not None
        assert self.process.stderr.read().decode().strip() == ""
        return code

    def _wait(self) -> str:
        """Until there is a new prompt, or the end."""
        deadline = time.monotonic() + PATIENCE
        while True:
            over = not self._reading.is_alive()
            lines = self._lines()
            if len(lines) > self._seen and self._at_prompt():
                self._seen = len(lines)
                asked = json.loads(lines[-1])
                puzzle = self._catalog[asked["drill"]].puzzle(asked["seed"], asked["level"])
                self.prompt = Prompt(asked["drill"], asked["level"], asked["seed"], puzzle)
                break
            if over:
                self.prompt = None
                break
            assert time.monotonic() < deadline, f"neither a prompt nor an end:\n{self.said}"
            with self._more:
                self._more.wait(0.02)
        return self._output[self._answered_at :].decode()

    def _at_prompt(self) -> bool:
        return self._output.endswith(b"\n> ") and len(self._output) > self._answered_at

    def _lines(self) -> list[str]:
        text = self._trace.read_text(encoding="utf-8") if self._trace.exists() else ""
        return text.splitlines() if text.endswith("\n") else text.splitlines()[:-1]

    def _read(self) -> None:
        assert self.process.stdout is not None
        with suppress(ValueError, OSError):
            while chunk := os.read(self.process.stdout.fileno(), 1 << 16):
                with self._more:
                    self._output += chunk
                    self._more.notify_all()
        with self._more:
            self._more.notify_all()


class Sit(Protocol):
    """A session begun by a learner, at a frozen time."""

    def __call__(self, *args: str, now: str = ..., **env: str) -> Learner: ...


@pytest.fixture
def sit(catalog: Catalog, judge: Judge, tmp_path: Path) -> Iterator[Sit]:
    """Begin `tensordrill today`, or another command, at 2026-03-02 18:00 +01:00 unless told otherwise."""
    begun: list[Learner] = []

    def started(*args: str, now: str = "2026-03-02T18:00:00+01:00", **env: str) -> Learner:
        learner = Learner(catalog, judge, tmp_path / "trace", args or ("today",), {"TENSORDRILL_NOW": now} | env)
        begun.append(learner)
        return learner

    yield started
    for learner in begun:
        learner.__exit__(None, None, None)


@dataclass(frozen=True)
class Memory:
    """What FSRS itself remembers of a drill. `days` is the interval before any fuzz."""

    card: fsrs.Card
    day: date
    days: int

    @property
    def due(self) -> tuple[date, date]:
        """The first and the last day that FSRS's fuzz allows, by its published ranges."""
        if self.days < 2.5:
            return (self.day + timedelta(days=self.days),) * 2
        ranges = ((2.5, 7.0, 0.15), (7.0, 20.0, 0.1), (20.0, float("inf"), 0.05))
        delta = 1.0 + sum(factor * max(min(self.days, end) - start, 0.0) for start, end, factor in ranges)
        low, high = max(2, round(self.days - delta)), round(self.days + delta)
        return self.day + timedelta(days=low), self.day + timedelta(days=high)


class FsrsReplay:
    """The history told once more, from the raw facts of the export and with nothing but `fsrs`."""

    def __init__(self) -> None:
        self.scheduler = fsrs.Scheduler(learning_steps=(), relearning_steps=(), enable_fuzzing=False)
        self.memories: dict[str, Memory] = {}

    def step(self, row: Row) -> Memory | None:
        """Check a row against FSRS; returns the drill's memory after it, None before its first rating."""
        drill, day = row["drill"], date.fromisoformat(row["study_day"])
        before = self.memories.get(drill)
        local = datetime.fromisoformat(row["at"])
        assert day == (local.replace(tzinfo=None) - timedelta(hours=4)).date()
        if row["mode"] == "review" and (before is None or day > before.day):
            alone = row["correct"] and row["attempt"] == 1 and row["hints"] == 0
            rating = "Good" if alone else "Hard" if row["correct"] else "Again"
            assert row["rating"] == rating
            assert row["policy"]
            self.memories[drill] = self._reviewed(before, fsrs.Rating[rating], day)
        else:
            assert row["rating"] is None
            assert row["policy"] is None
        after = self.memories.get(drill)
        if after is None:
            assert row["stability"] is row["difficulty"] is row["due"] is None
            return None
        assert row["stability"] == pytest.approx(after.card.stability, rel=1e-9)
        assert row["difficulty"] == pytest.approx(after.card.difficulty, rel=1e-9)
        low, high = after.due
        assert low <= date.fromisoformat(row["due"]) <= high
        return after

    def recall(self, drill: str, day: date) -> float:
        """The probability that the drill would be solved on that day."""
        return self.scheduler.get_card_retrievability(self.memories[drill].card, _noon(day))

    def _reviewed(self, before: Memory | None, rating: fsrs.Rating, day: date) -> Memory:
        card = before.card if before else fsrs.Card(card_id=1, due=_noon(day))
        after, _ = self.scheduler.review_card(card, rating, _noon(day))
        return Memory(after, day, (after.due - _noon(day)).days)


def _noon(day: date) -> datetime:
    return datetime.combine(day, clock_time(12), UTC)


@pytest.fixture
def replay() -> FsrsReplay:
    return FsrsReplay()
