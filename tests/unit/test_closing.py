"""The end of a session: what it counts, and its one suggestion."""

from datetime import date, timedelta

import pytest

from tensordrill.app.closing import LEECH, Closing, closing
from tensordrill.domain import Card, Mode, Rating
from tensordrill.session import Item, Result, Session

DAY = date(2026, 3, 10)


def card(drill: str, lapses: int = 0) -> Card:
    return Card(
        drill=drill,
        due=DAY + timedelta(days=3),
        stability=3.0,
        difficulty=5.0,
        reps=4,
        lapses=lapses,
        level=1,
        first_day=DAY,
        last_day=DAY,
        last_rating=Rating.AGAIN,
    )


def ended(*results: Result, left: int = 0, mode: Mode = Mode.REVIEW, lapses: int = 0, tomorrow: int = 1) -> Closing:
    session = Session(mode=mode, waiting=tuple(Item(f"w.{i}", 1) for i in range(left)), results=results)
    return closing(
        session,
        seconds=90,
        cards={"a.x": card("a.x", lapses), "a.y": card("a.y")},
        study_days=[DAY, DAY - timedelta(days=1), DAY - timedelta(days=3)],
        due={DAY + timedelta(days=1): tomorrow},
        following=DAY + timedelta(days=1),
        open_ended=["einsum.random"],
        day=DAY,
    )


RIGHT = Result(Item("a.y", 1), solved=True, alone=True, missed=False)
HARD = Result(Item("a.y", 1), solved=True, alone=False, missed=False)
MISSED = Result(Item("a.x", 1), solved=True, alone=False, missed=True)
SKIPPED = Result(Item("a.y", 1), solved=False, alone=False, missed=False)


def test_what_is_counted() -> None:
    end = ended(RIGHT, HARD, MISSED, SKIPPED, left=2)
    assert (end.solved, end.alone, end.left, end.streak, end.tomorrow) == (3, 1, 2, 2, 1)
    assert end.missed == {"a.x": DAY + timedelta(days=3)}, "a hint is no miss"


def test_practice_leaves_nothing_for_today() -> None:
    assert ended(RIGHT, left=5, mode=Mode.PRACTICE).left == 0
    assert "tensordrill today" not in ended(RIGHT, left=5, mode=Mode.PRACTICE).suggestion


@pytest.mark.parametrize(
    ("end", "suggested"),
    [
        (ended(MISSED, left=1), "tensordrill today"),
        (ended(MISSED), "tensordrill practice a.x"),
        (ended(MISSED, lapses=LEECH), f"slipped {LEECH} times"),
        (ended(RIGHT, tomorrow=0), "tensordrill practice einsum.random"),
        (ended(RIGHT), "tensordrill daily"),
    ],
)
def test_the_one_suggestion(end: Closing, suggested: str) -> None:
    assert suggested in end.suggestion
