"""FSRS over study days: from a card and a rating to the next card.

Stability and difficulty are FSRS-6's, with its default parameters. There are no learning or relearning steps: a card
always waits for at least the next study day.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from hashlib import sha256
from math import inf

import fsrs

from tensordrill.domain import MAX_LEVEL, Card, Rating
from tensordrill.schedule.rating import RETENTION

# FSRS's published ranges: between the first two numbers of days, each day widens the fuzz by the third.
FUZZ_RANGES = ((2.5, 7.0, 0.15), (7.0, 20.0, 0.1), (20.0, inf, 0.05))
MAX_INTERVAL = 36_500


def review(
    card: Card | None, *, drill: str, level: int, rating: Rating, day: date, retention: float = RETENTION
) -> Card:
    """The card after a rating on a study day; `card` is None at a drill's first.

    It comes back when the chance to solve it has fallen to `retention`, from 0 to 1. A day before the card's last one
    (the clock went back) counts as that last day, with no time elapsed. From `level`, at which the drill was asked,
    Good goes one up, Hard stays, and Again goes one down.
    """
    day = day if card is None else max(day, card.last_day)
    after, _ = _scheduler(retention).review_card(_before(card, day), fsrs.Rating(rating), _moment(day))
    assert after.stability is not None  # review_card sets both
    assert after.difficulty is not None
    reps = 1 if card is None else card.reps + 1
    lapsed = card is not None and rating is Rating.AGAIN
    interval = fuzzed((after.due - _moment(day)).days, drill, reps)
    return Card(
        drill=drill,
        due=day + timedelta(days=interval),
        stability=after.stability,
        difficulty=after.difficulty,
        reps=reps,
        lapses=(0 if card is None else card.lapses) + lapsed,
        level=_next_level(level, rating),
        first_day=day if card is None else card.first_day,
        last_day=day,
        last_rating=rating,
    )


def placed(drill: str, *, level: int, stability: float, day: date) -> Card:
    """The card of a drill that is held to be known without a rating: due when its stability, in days, has passed."""
    fresh, _ = _scheduler(RETENTION).review_card(_before(None, day), fsrs.Rating.Good, _moment(day))
    assert fresh.difficulty is not None
    return Card(
        drill=drill,
        due=day + timedelta(days=max(1, round(stability))),
        stability=stability,
        difficulty=fresh.difficulty,
        reps=0,
        lapses=0,
        level=level,
        first_day=day,
        last_day=day,
        last_rating=Rating.GOOD,
    )


def retrievability(card: Card, day: date) -> float:
    """The probability, from 0 to 1, that the drill would be solved on that study day; 1 on or before its last one."""
    return _scheduler(RETENTION).get_card_retrievability(_before(card, day), _moment(day))


def fuzzed(interval: int, drill: str, reps: int) -> int:
    """An interval in days, moved within FSRS's fuzz so that drills learned together part ways.

    A hash of the drill and the repetition takes the place of chance: replay finds the same day. Below 2.5 days
    nothing moves; otherwise each day of the range is equally likely.
    """
    low, high = fuzz_range(interval)
    digest = sha256(f"{drill}#{reps}".encode()).digest()
    return low + int.from_bytes(digest[:8]) * (high - low + 1) // 2**64


def fuzz_range(interval: int) -> tuple[int, int]:
    """The least and the most days that `fuzzed` makes of an interval."""
    if interval < FUZZ_RANGES[0][0]:
        return interval, interval
    delta = 1 + sum(factor * max(min(interval, end) - start, 0) for start, end, factor in FUZZ_RANGES)
    return max(2, round(interval - delta)), min(round(interval + delta), MAX_INTERVAL)


def _next_level(level: int, rating: Rating) -> int:
    moved = level + {Rating.AGAIN: -1, Rating.HARD: 0, Rating.GOOD: 1}[rating]
    return min(max(moved, 1), MAX_LEVEL)


@cache
def _scheduler(retention: float) -> fsrs.Scheduler:
    return fsrs.Scheduler(
        desired_retention=retention,
        learning_steps=(),
        relearning_steps=(),
        maximum_interval=MAX_INTERVAL,
        enable_fuzzing=False,  # it draws from the global random state
    )


def _before(card: Card | None, day: date) -> fsrs.Card:
    # Without an id and a due time, fsrs.Card reads the clock and sleeps.
    if card is None:
        return fsrs.Card(card_id=0, due=_moment(day))
    return fsrs.Card(
        card_id=0,
        state=fsrs.State.Review,
        stability=card.stability,
        difficulty=card.difficulty,
        due=_moment(card.due),
        last_review=_moment(card.last_day),
    )


def _moment(day: date) -> datetime:
    # py-fsrs counts blocks of 24 hours and takes only UTC: one fixed hour makes them study days.
    return datetime.combine(day, time(12), UTC)
