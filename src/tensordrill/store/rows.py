"""Facts to rows and back. Days are ISO text and enumerations are their values, whatever the database."""

from dataclasses import asdict
from datetime import date
from typing import Any

from sqlalchemy import RowMapping

from tensordrill.domain import Card, Event, EventType, Mode, Rating, Status


def event_row(event: Event) -> dict[str, Any]:
    return asdict(event) | {"id": event.id, "study_day": event.study_day.isoformat()}


def event_of(row: RowMapping) -> Event:
    """The event in a row. Raises ValueError where its content cannot be one."""
    return Event(
        number=row["number"],
        type=EventType(row["type"]),
        mode=Mode(row["mode"]),
        at_ms=row["at_ms"],
        offset_min=row["offset_min"],
        study_day=date.fromisoformat(row["study_day"]),
        drill=row["drill"],
        level=row["level"],
        seed=row["seed"],
        puzzle=row["puzzle"],
        answer=row["answer"],
        status=None if row["status"] is None else Status(row["status"]),
        wrong_turn=row["wrong_turn"],
        attempt=row["attempt"],
        hints=row["hints"],
        duration_ms=row["duration_ms"],
        rating=None if row["rating"] is None else Rating(row["rating"]),
        policy=row["policy"],
        replica=row["replica"],
        undoes=row["undoes"],
        stability=row["stability"],
    )


def card_row(card: Card) -> dict[str, Any]:
    days = {name: getattr(card, name).isoformat() for name in ("due", "first_day", "last_day")}
    return asdict(card) | days


def card_of(row: RowMapping) -> Card:
    """The card in a row. Raises ValueError where its content cannot be one."""
    days = {name: date.fromisoformat(row[name]) for name in ("due", "first_day", "last_day")}
    return Card(**{**row, **days, "last_rating": Rating(row["last_rating"])})
