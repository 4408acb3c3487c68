"""A session as a state machine, without I/O: what is asked next, and what an answer leads to.

`Session` is immutable; every method returns the next one. Front ends ask `phase` what can be done now.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from tensordrill.domain import Mode

GAP = 3  # how many others come before a missed drill is practised again


class Phase(StrEnum):
    """What the learner is looking at."""

    EXAMPLE = "example"  # a drill's first exposure: a solved puzzle to read
    ASKING = "asking"
    SOLVED = "solved"
    SHOWN = "shown"  # the solution, after it was asked for
    OVER = "over"


@dataclass(frozen=True)
class Item:
    """A drill that waits in the session. `new` shows a worked example first; `again` is practice after a miss.

    Its puzzles are drawn from what the learner has met, or from a `key` that is the same for everybody.
    """

    drill: str
    level: int
    new: bool = False
    again: bool = False
    key: str = ""


@dataclass(frozen=True)
class Result:
    """How an item ended.

    `alone` means right at the first answer, without a hint; `missed` that an answer was wrong, or the solution shown.
    One that was skipped is none of these.
    """

    item: Item
    solved: bool
    alone: bool
    missed: bool

    @property
    def judged(self) -> bool:
        return self.solved or self.missed


@dataclass(frozen=True, kw_only=True)
class Session:
    """Where a session stands. `attempts` and `hints` count for the current puzzle; `missed` says it went wrong once."""

    mode: Mode
    waiting: tuple[Item, ...]
    current: Item | None = None
    phase: Phase = Phase.OVER
    attempts: int = 0
    hints: int = 0
    missed: bool = False
    results: tuple[Result, ...] = ()

    @classmethod
    def begin(cls, mode: Mode, items: Iterable[Item]) -> "Session":
        """A session that stands at its first item; it is over at once where there are none."""
        return cls(mode=mode, waiting=tuple(items)).to_first()

    @property
    def left(self) -> int:
        """Items still to do, the current one included."""
        return len(self.waiting) + (self.current is not None)

    def example_read(self) -> "Session":
        """The worked example was read; now a fresh puzzle of the same drill is asked."""
        self._expect(Phase.EXAMPLE)
        return replace(self, phase=Phase.ASKING)

    def hinted(self) -> "Session":
        self._expect(Phase.ASKING)
        return replace(self, hints=self.hints + 1)

    def answered(self, *, correct: bool) -> "Session":
        """A judged answer. A wrong one leaves the puzzle open for another try."""
        self._expect(Phase.ASKING)
        attempts = self.attempts + 1
        if correct:
            return replace(self, attempts=attempts, phase=Phase.SOLVED)
        return replace(self, attempts=attempts, missed=True)

    def shown(self) -> "Session":
        """The learner asked for the solution."""
        self._expect(Phase.ASKING)
        return replace(self, phase=Phase.SHOWN, missed=True)

    def replaced(self) -> "Session":
        """The puzzle was at fault: another of the same drill takes its place, as if this one had not been."""
        self._expect(Phase.ASKING)
        return replace(self, attempts=0, hints=0, missed=False)

    def undone(self, drill: str, level: int) -> "Session":
        """A rating of that drill was taken back: the drill is asked once more, as if for the first time."""
        if self.current and self.current.drill == drill and self.phase is Phase.ASKING:
            return replace(self, attempts=0, missed=False)
        item = self.current if self.current and self.current.drill == drill else Item(drill, level)
        others = (*([self.current] if self.current and self.current is not item else []), *self.waiting)
        before = [i for i, result in enumerate(self.results) if result.item.drill == drill][-1:]
        return replace(
            self,
            waiting=(replace(item, new=False), *(other for other in others if other.drill != drill)),
            results=tuple(result for i, result in enumerate(self.results) if i not in before),
        ).to_first()

    def advanced(self) -> "Session":
        """To the next item; an unanswered one is skipped. In review, a missed drill comes back until solved alone."""
        if self.current is None:
            return self
        solved = self.phase is Phase.SOLVED
        alone = solved and self.attempts == 1 and not self.hints
        results = (*self.results, Result(self.current, solved, alone, self.missed))
        waiting = self.waiting
        unfinished = self.missed or (self.current.again and solved and not alone)
        if self.mode is Mode.REVIEW and unfinished:
            again = replace(self.current, new=False, again=True)
            waiting = (*waiting[:GAP], again, *waiting[GAP:])
        return replace(self, waiting=waiting, results=results).to_first()

    def to_first(self) -> "Session":
        """At the first of those that wait; over where none does."""
        fresh = replace(self, attempts=0, hints=0, missed=False)
        if not self.waiting:
            return replace(fresh, current=None, phase=Phase.OVER)
        first, *rest = self.waiting
        phase = Phase.EXAMPLE if first.new else Phase.ASKING
        return replace(fresh, current=first, waiting=tuple(rest), phase=phase)

    def _expect(self, phase: Phase) -> None:
        if self.phase is not phase:
            raise ValueError(f"the session is {self.phase}, not {phase}")
