"""FSRS over study days, against py-fsrs itself and by hand."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import fsrs
import pytest

from tensordrill.domain import MAX_LEVEL, Card, Rating
from tensordrill.schedule import retrievability, review
from tensordrill.schedule.memory import fuzz_range, fuzzed

DAY = date(2026, 3, 10)
AGAIN, HARD, GOOD = Rating


def reviewed(*history: tuple[int, Rating]) -> Card:
    """The card after ratings, each some days after the one before."""
    card, day = None, DAY
    for days, rating in history:
        day += timedelta(days=days)
        card = review(card, drill="einsum.trace", level=1 if card is None else card.level, rating=rating, day=day)
    assert card is not None
    return card


# FSRS-6's default initial stabilities are 0.212, 1.2931 and 2.3065 days; at a retention of 0.9 they are the intervals.
@pytest.mark.parametrize(("rating", "stability", "days"), [(AGAIN, 0.212, 1), (HARD, 1.2931, 1), (GOOD, 2.3065, 2)])
def test_the_first_rating(rating: Rating, stability: float, days: int) -> None:
    card = reviewed((0, rating))
    assert (card.stability, card.due) == (stability, DAY + timedelta(days=days))
    assert (card.reps, card.lapses, card.first_day, card.last_day) == (1, 0, DAY, DAY)
    assert (card.last_rating, card.learned) == (rating, rating is not AGAIN)


def test_a_long_interval_follows_fsrs_within_the_fuzz() -> None:
    card = reviewed((0, GOOD), (2, GOOD), (11, GOOD))
    ours = fsrs.Scheduler(learning_steps=(), relearning_steps=(), enable_fuzzing=False)
    theirs, now = fsrs.Card(card_id=1, due=datetime(2026, 3, 10, tzinfo=UTC)), datetime(2026, 3, 10, tzinfo=UTC)
    for days in (0, 2, 11):
        now += timedelta(days=days)
        theirs, _ = ours.review_card(theirs, fsrs.Rating.Good, now)
    assert (card.stability, card.difficulty) == (theirs.stability, theirs.difficulty)
    low, high = fuzz_range((theirs.due - now).days)
    assert low <= (card.due - card.last_day).days <= high


def test_a_lapse_counts_on_a_card_that_was_there() -> None:
    assert reviewed((0, AGAIN)).lapses == 0
    card = reviewed((0, AGAIN), (1, GOOD), (3, AGAIN), (1, AGAIN))
    assert (card.reps, card.lapses) == (4, 2)
    assert card.first_day == DAY
    assert card.due > card.last_day


@pytest.mark.parametrize(
    ("level", "rating", "then"),
    [(1, GOOD, 2), (2, GOOD, 3), (MAX_LEVEL, GOOD, MAX_LEVEL), (2, HARD, 2), (3, AGAIN, 2), (1, AGAIN, 1)],
)
def test_levels(level: int, rating: Rating, then: int) -> None:
    assert review(None, drill="einsum.trace", level=level, rating=rating, day=DAY).level == then


def test_a_clock_that_went_back_counts_as_no_time() -> None:
    card = reviewed((0, GOOD), (9, GOOD))
    for rating in Rating:
        same = review(card, drill=card.drill, level=1, rating=rating, day=card.last_day)
        assert review(card, drill=card.drill, level=1, rating=rating, day=DAY - timedelta(days=400)) == same
        assert same.last_day == card.last_day
        assert same.due > same.last_day


def test_retrievability_falls_to_nine_tenths_after_its_stability() -> None:
    card = replace(reviewed((0, GOOD)), stability=10.0)
    assert retrievability(card, DAY) == 1
    assert retrievability(card, DAY - timedelta(days=5)) == 1
    assert retrievability(card, DAY + timedelta(days=10)) == pytest.approx(0.9)
    assert retrievability(card, DAY + timedelta(days=11)) < retrievability(card, DAY + timedelta(days=9))


@pytest.mark.parametrize(
    ("interval", "low", "high"),
    # From 2.5 days on: 1 day, and 0.15 for each day up to 7, 0.1 up to 20, 0.05 beyond.
    [(1, 1, 1), (2, 2, 2), (3, 2, 4), (7, 5, 9), (8, 6, 10), (20, 17, 23), (100, 93, 107), (36_500, 34_673, 36_500)],
)
def test_fuzz_covers_its_range_evenly(interval: int, low: int, high: int) -> None:
    assert fuzz_range(interval) == (low, high)
    drawn = Counter(fuzzed(interval, f"drill-{n}", 1) for n in range(2000))
    assert min(drawn) >= low
    assert max(drawn) <= high
    if high - low < 10:
        assert set(drawn) == set(range(low, high + 1))
        assert min(drawn.values()) > 0.7 * max(drawn.values())


def test_fuzz_depends_on_the_drill_and_on_the_repetition() -> None:
    assert fuzzed(100, "einsum.trace", 3) == fuzzed(100, "einsum.trace", 3) == 96
    assert len({fuzzed(100, "einsum.trace", reps) for reps in range(20)}) > 5


def test_the_global_random_state_is_left_alone() -> None:
    import random  # noqa: PLC0415

    state = random.getstate()
    reviewed((0, GOOD), (2, GOOD), (11, GOOD))
    assert random.getstate() == state
