"""The rating policy as a table."""

from datetime import date

import pytest

from tensordrill.domain import Card, Mode, Rating, Status
from tensordrill.schedule import rate

DAY = date(2026, 3, 10)
YESTERDAY, TOMORROW = date(2026, 3, 9), date(2026, 3, 11)


def card(last_day: date) -> Card:
    return Card(
        drill="einsum.trace",
        due=DAY,
        stability=2.0,
        difficulty=5.0,
        reps=1,
        lapses=0,
        level=1,
        first_day=date(2026, 3, 1),
        last_day=last_day,
        last_rating=Rating.GOOD,
    )


@pytest.mark.parametrize("before", [None, card(YESTERDAY)], ids=["first ever", "rated yesterday"])
@pytest.mark.parametrize(
    ("status", "attempt", "hints", "rating"),
    [
        (Status.CORRECT, 1, 0, Rating.GOOD),
        (Status.CORRECT, 1, 1, Rating.HARD),
        (Status.CORRECT, 2, 0, Rating.HARD),
        (Status.WRONG_SHAPE, 1, 0, Rating.AGAIN),
        (Status.WRONG_DTYPE, 1, 0, Rating.AGAIN),
        (Status.WRONG_VALUE, 1, 2, Rating.AGAIN),
        (Status.RAISED, 1, 0, Rating.AGAIN),
        (Status.TIMEOUT, 1, 0, Rating.AGAIN),
        (Status.MEMORY, 1, 0, Rating.AGAIN),
        (Status.REFUSED, 1, 0, Rating.AGAIN),
        (None, 1, 0, Rating.AGAIN),  # the solution was shown
        (None, 1, 3, Rating.AGAIN),
        (Status.UNPARSABLE, 1, 0, None),
        (Status.INTERNAL, 1, 0, None),
    ],
)
def test_the_first_answer_of_a_day_rates(
    before: Card | None, status: Status | None, attempt: int, hints: int, rating: Rating | None
) -> None:
    assert rate(mode=Mode.REVIEW, status=status, attempt=attempt, hints=hints, card=before, day=DAY) is rating


@pytest.mark.parametrize("status", [*Status, None])
@pytest.mark.parametrize(
    ("mode", "before"),
    [
        (Mode.PRACTICE, None),
        (Mode.PRACTICE, card(YESTERDAY)),
        (Mode.REVIEW, card(DAY)),
        (Mode.REVIEW, card(TOMORROW)),  # the clock went back: that day has had its rating
    ],
)
def test_everything_else_practises(status: Status | None, mode: Mode, before: Card | None) -> None:
    assert rate(mode=mode, status=status, attempt=1, hints=0, card=before, day=DAY) is None
