"""The facts that every part of tensordrill speaks of. Frozen, without behaviour that needs a clock, a file or torch."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from enum import IntEnum, StrEnum
from functools import cached_property
from hashlib import sha256

MAX_LEVEL = 3


class Status(StrEnum):
    """What became of an answer."""

    CORRECT = "correct"
    WRONG_SHAPE = "wrong-shape"
    WRONG_DTYPE = "wrong-dtype"
    WRONG_VALUE = "wrong-value"
    RAISED = "raised"
    UNPARSABLE = "unparsable"  # a slip of the hand: not judged, typed again
    TIMEOUT = "timeout"
    MEMORY = "memory"
    REFUSED = "refused"
    INTERNAL = "internal"  # our fault: shown as ours, never rated

    @property
    def judged(self) -> bool:
        """Whether the answer counts: a slip or a fault of ours does not."""
        return self not in (Status.UNPARSABLE, Status.INTERNAL)


class Mode(StrEnum):
    """Review answers rate a drill; those of practice and of placement never do."""

    REVIEW = "review"
    PRACTICE = "practice"
    PLACEMENT = "placement"


class EventType(StrEnum):
    """An answer that was judged, a solution that the learner asked to see, or a change to what those have led to."""

    ANSWER = "answer"
    SHOWN = "shown"
    UNDO = "undo"  # takes back one event of the same drill
    PLACED = "placed"  # the drill is held to be known, by a placement


class Rating(IntEnum):
    """FSRS's grades, with FSRS's numbers. Easy is never given: nobody but the learner could know."""

    AGAIN = 1
    HARD = 2
    GOOD = 3

    @property
    def label(self) -> str:
        return self.name.capitalize()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The judge's word on one answer.

    `expected` and `got` show the smallest counterexample as text; `steps`, for a wrong prediction, what the program
    does step by step; `elapsed_ms` is the wall time of the judging.
    """

    status: Status
    feedback: str
    wrong_turn: str | None = None
    expected: str | None = None
    got: str | None = None
    steps: str | None = None
    device: str = "cpu"
    elapsed_ms: float = 0.0

    @property
    def correct(self) -> bool:
        return self.status is Status.CORRECT


@dataclass(frozen=True, kw_only=True)
class Event:
    """One judged answer, or one solution shown: the raw facts, never changed after they are written.

    `number` counts the events of one replica from 1. `at_ms` is UTC milliseconds since the epoch, `offset_min` the
    local offset then, in minutes. `study_day` is the local day on which it counted. `level` and `seed` with `drill`
    regenerate the puzzle, `puzzle` is its content hash. `duration_ms` is the learner's time, from a monotonic clock.
    An undo names the event that it `undoes`, and that event's puzzle; a placement gives the drill its first
    `stability`, in days, and names the last puzzle that it was concluded from.
    """

    number: int
    type: EventType
    mode: Mode
    at_ms: int
    offset_min: int
    study_day: date
    drill: str
    level: int
    seed: int
    puzzle: str
    answer: str
    status: Status | None
    wrong_turn: str | None
    attempt: int
    hints: int
    duration_ms: int
    rating: Rating | None
    policy: str | None
    replica: str
    undoes: str | None = None
    stability: float | None = None

    @cached_property
    def id(self) -> str:
        """The hash of the content: merging two histories is a union, and a changed bit shows."""
        facts = asdict(self) | {"study_day": self.study_day.isoformat()}
        for later in ("undoes", "stability"):  # facts of schema 0002: events without them keep the id that they had
            if facts[later] is None:
                del facts[later]
        text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def correct(self) -> bool:
        return self.status is Status.CORRECT

    @property
    def at(self) -> datetime:
        """The local time at which it happened, with its offset."""
        zone = timezone(timedelta(minutes=self.offset_min))
        return (datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=self.at_ms)).astimezone(zone)


@dataclass(frozen=True, kw_only=True)
class Card:
    """What FSRS remembers of one drill. Derived from the events, so it can always be rebuilt.

    `stability` is in days, `difficulty` from 1 to 10; `due`, `first_day` and `last_day` are study days. `reps` counts
    the ratings: a drill that a placement held to be known has none yet.
    """

    drill: str
    due: date
    stability: float
    difficulty: float
    reps: int
    lapses: int
    level: int
    first_day: date
    last_day: date
    last_rating: Rating

    @property
    def learned(self) -> bool:
        return self.last_rating is not Rating.AGAIN


@dataclass(frozen=True, kw_only=True)
class PuzzleRecord:
    """A puzzle as it was asked, kept once under its hash, so that an old review can always be shown."""

    hash: str
    drill: str
    kind: str
    prompt: str
    code: str
    reference: str
