"""What is written into the store: when something happened, the puzzle as it is kept, a rating taken back."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TypedDict

from tensordrill.app.asked import Asked
from tensordrill.domain import Event, EventType, PuzzleRecord
from tensordrill.schedule import rebuild, study_day
from tensordrill.settings import DEFAULTS, Settings
from tensordrill.store import Store


class When(TypedDict):
    """A moment, by the fields that an event has for it."""

    at_ms: int
    offset_min: int
    study_day: date


def when(moment: datetime, settings: Settings) -> When:
    offset = moment.utcoffset()
    assert offset is not None
    return {
        "at_ms": round(moment.timestamp() * 1000),
        "offset_min": round(offset / timedelta(minutes=1)),
        "study_day": study_day(moment, settings.rollover),
    }


def take_back(store: Store, moment: datetime, settings: Settings = DEFAULTS) -> Event:
    """Take the last rating back by an event of its own, and return the event that gave it."""

    def write(number: int, last: Event) -> Event:
        return replace(
            last,
            **when(moment, settings),
            number=number,
            type=EventType.UNDO,
            answer="",
            status=None,
            wrong_turn=None,
            duration_ms=0,
            rating=None,
            policy=None,
            replica=store.replica,
            undoes=last.id,
        )

    return store.undo(write, lambda events: next(iter(rebuild(events).values()), None))


def record_of(asked: Asked) -> PuzzleRecord:
    """The puzzle as it is kept under its hash."""
    face, puzzle = asked.puzzle.face, asked.puzzle
    return PuzzleRecord(
        hash=puzzle.hash,
        drill=asked.drill.id,
        kind=puzzle.kind,
        prompt=face.prompt,
        code=face.code or "",
        reference=puzzle.reference.source,
    )
