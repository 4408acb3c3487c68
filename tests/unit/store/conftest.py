"""A data file in a folder of its own, and answers to record in it."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tensordrill.domain import Card, Event, EventType, Mode, PuzzleRecord, Rating, Status
from tensordrill.store import Store

Record = Callable[..., tuple[Event, Card | None]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "tensordrill.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store.open(path) as opened:
        yield opened


@pytest.fixture
def puzzle() -> PuzzleRecord:
    return PuzzleRecord(
        hash="5eed", drill="einsum.trace", kind="einsum", prompt="The trace.", code="", reference="i i ->"
    )


@pytest.fixture
def card() -> Card:
    return Card(
        drill="einsum.trace",
        due=date(2026, 3, 12),
        stability=2.3065,
        difficulty=2.118103970459016,
        reps=1,
        lapses=0,
        level=2,
        first_day=date(2026, 3, 10),
        last_day=date(2026, 3, 10),
        last_rating=Rating.GOOD,
    )


@pytest.fixture
def record(puzzle: PuzzleRecord) -> Record:
    """Records a right answer, with some facts changed; `card` is what becomes of the drill's card."""

    def recorded(store: Store, *, card: Card | None = None, **facts: Any) -> tuple[Event, Card | None]:
        def write(number: int, before: Card | None) -> tuple[Event, Card | None]:
            right: dict[str, Any] = {
                "number": number,
                "type": EventType.ANSWER,
                "mode": Mode.REVIEW,
                "at_ms": 1_773_133_200_000 + number,
                "offset_min": 60,
                "study_day": date(2026, 3, 10),
                "drill": puzzle.drill,
                "level": 1,
                "seed": 7,
                "puzzle": puzzle.hash,
                "answer": "i i ->",
                "status": Status.CORRECT,
                "wrong_turn": None,
                "attempt": 1,
                "hints": 0,
                "duration_ms": 12_345,
                "rating": None if card is None else card.last_rating,
                "policy": None if card is None else "by hand",
                "replica": store.replica,
            }
            return Event(**right | facts), card or before

        return store.record(facts.get("drill", puzzle.drill), puzzle, write)

    return recorded
