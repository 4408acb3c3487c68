"""Events made by hand."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tensordrill.domain import Event, EventType, Mode, Status

START = date(2026, 3, 10)


@pytest.fixture
def event() -> Callable[..., Event]:
    """Makes a right practice answer, some days after March 10, with some facts changed."""

    def made(day: int = 0, **facts: Any) -> Event:
        study_day = START + timedelta(days=day)
        right: dict[str, Any] = {
            "number": 1,
            "type": EventType.ANSWER,
            "mode": Mode.REVIEW,
            "at_ms": int(datetime.combine(study_day, datetime.min.time(), UTC).timestamp() * 1000) + 36_000_042,
            "offset_min": -570,
            "study_day": study_day,
            "drill": "einsum.trace",
            "level": 1,
            "seed": 7,
            "puzzle": "5eed",
            "answer": "i i ->",
            "status": Status.CORRECT,
            "wrong_turn": None,
            "attempt": 1,
            "hints": 0,
            "duration_ms": 1_500,
            "rating": None,
            "policy": None,
            "replica": "me",
        }
        return Event(**right | facts)

    return made
