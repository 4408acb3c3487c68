"""The figures of a small history, counted by hand."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest

from tensordrill.domain import Card, Event, EventType, Mode, Rating, Status
from tensordrill.report import Track, summary

START = date(2026, 3, 10)
CATALOG: dict[str, list[str]] = {"shapes.view": [], "einsum.trace": [], "einsum.outer": ["einsum.trace"]}
CARD = Card(
    drill="einsum.trace",
    due=START + timedelta(days=4),
    stability=2.0,
    difficulty=5.0,
    reps=1,
    lapses=0,
    level=2,
    first_day=START,
    last_day=START,
    last_rating=Rating.GOOD,
)


def test_a_small_history(event: Callable[..., Event]) -> None:
    wrong = {"status": Status.WRONG_VALUE, "rating": Rating.AGAIN}
    history = [
        event(rating=Rating.GOOD),
        event(drill="einsum.outer", **wrong),
        event(drill="einsum.outer"),  # later that day: practice
        event(1, mode=Mode.PRACTICE, status=Status.RAISED),
        event(1, drill="einsum.outer", rating=Rating.HARD),
        event(2, type=EventType.SHOWN, status=None, rating=Rating.AGAIN),
        event(2, type=EventType.SHOWN, status=None),
        event(2, drill="gone.one", rating=Rating.GOOD),
    ]
    cards = {
        "einsum.trace": replace(CARD, last_rating=Rating.AGAIN),
        "einsum.outer": replace(CARD, drill="einsum.outer", due=START + timedelta(days=2)),
        "gone.one": replace(CARD, drill="gone.one", due=START),
    }
    figures = summary(history, cards, CATALOG, START + timedelta(days=2))
    shapes, einsum = figures.tracks
    assert shapes == Track(name="shapes", drills=1, learned=0, due=0, reviews=0, right=0, practice=0)
    assert einsum == Track(name="einsum", drills=2, learned=1, due=1, reviews=4, right=1, practice=2)
    assert (shapes.share_right, einsum.share_right) == (None, 0.25)
    assert (figures.study_days, figures.streak) == (3, 3)
    assert figures.time_spent == timedelta(milliseconds=8 * 1_500)


@pytest.mark.parametrize(
    ("days", "today", "streak"),
    [
        ([], 0, 0),
        ([0], 0, 1),
        ([0], 1, 1),  # today has not begun: nothing is broken yet
        ([0], 2, 0),
        ([0, 1, 2], 2, 3),
        ([0, 2, 3], 3, 2),
        ([0, 2, 3], 4, 2),
        ([0, 1, 5], 1, 2),  # the clock was ahead once
        ([0, 0, 0], 0, 1),
    ],
)
def test_the_streak(event: Callable[..., Event], days: list[int], today: int, streak: int) -> None:
    figures = summary(map(event, days), {}, CATALOG, START + timedelta(days=today))
    assert figures.streak == streak
    assert figures.study_days == len(set(days))
