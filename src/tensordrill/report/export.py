"""The history as rows for other programs: JSON lines and CSV. Streams, so a history of any length will do."""

import csv
import json
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from tensordrill.domain import Card, Event

Row: TypeAlias = dict[str, str | int | float | bool | None]

COLUMNS = (
    "event",
    "type",
    "mode",
    "at",
    "study_day",
    "drill",
    "level",
    "seed",
    "puzzle",
    "answer",
    "correct",
    "status",
    "wrong_turn",
    "attempt",
    "hints",
    "duration_ms",
    "rating",
    "policy",
    "due",
    "stability",
    "difficulty",
    "replica",
    "undoes",
)


def rows(pairs: Iterable[tuple[Event, Card | None]]) -> Iterator[Row]:
    """One row of `COLUMNS` for each event and its drill's card after it, as `schedule.replay` pairs them.

    `at` is local time in ISO 8601 with its offset, to the millisecond. A solution that was shown has no status, and is
    not correct. What is None: `due`, `stability` and `difficulty` before a drill's first rating, `rating` and
    `policy` where the event rates nothing, and `undoes` in all but an undo. An event that was taken back keeps the
    rating that it gave, and changes no card.
    """
    for event, card in pairs:
        yield {
            "event": event.id,
            "type": event.type.value,
            "mode": event.mode.value,
            "at": event.at.isoformat(timespec="milliseconds"),
            "study_day": event.study_day.isoformat(),
            "drill": event.drill,
            "level": event.level,
            "seed": event.seed,
            "puzzle": event.puzzle,
            "answer": event.answer,
            "correct": event.correct,
            "status": None if event.status is None else event.status.value,
            "wrong_turn": event.wrong_turn,
            "attempt": event.attempt,
            "hints": event.hints,
            "duration_ms": event.duration_ms,
            "rating": None if event.rating is None else event.rating.label,
            "policy": event.policy,
            "due": None if card is None else card.due.isoformat(),
            "stability": None if card is None else card.stability,
            "difficulty": None if card is None else card.difficulty,
            "replica": event.replica,
            "undoes": event.undoes,
        }


def as_json(table: Iterable[Row]) -> Iterator[str]:
    r"""Each row as a JSON object on a line of its own, ended by "\n". ASCII, so that any answer passes any pipe."""
    return (json.dumps(row) + "\n" for row in table)


def as_csv(table: Iterable[Row]) -> Iterator[str]:
    r"""A header and each row as CSV records ended by "\r\n", as RFC 4180 has it.

    True and false are `true` and `false`, None is empty. Line breaks and control characters in an answer stand as they
    are, within quotes; a lone surrogate, which no encoding of text can hold, becomes "?".
    """
    writer = csv.DictWriter(_Line(), COLUMNS)
    yield _line(writer, dict(zip(COLUMNS, COLUMNS, strict=True)))
    for row in table:
        yield _line(writer, {name: str(cell).lower() if isinstance(cell, bool) else cell for name, cell in row.items()})


class _Line:
    """A file whose `write` returns the text, which is then what csv's `writerow` returns."""

    def write(self, text: str, /) -> str:
        return text.encode(errors="replace").decode()


def _line(writer: "csv.DictWriter[str]", row: Row) -> str:
    line: str = writer.writerow(row)
    return line
