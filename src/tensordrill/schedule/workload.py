"""What a retention costs: FSRS played over a year, with answers as often right as it expects."""

from datetime import date, timedelta
from random import Random

from tensordrill.domain import Rating
from tensordrill.schedule.memory import retrievability, review

_BEGIN = date(2001, 1, 1)  # any day: only differences count
_DRILLS = 300  # played; enough for a mean to the nearest review or two


def reviews_a_year(retention: float) -> float:
    """How often a drill that was solved at the first try comes back in its first 365 days, on average."""
    chance = Random(0)  # noqa: S311 -- the same answers for every retention
    end, reviews = _BEGIN + timedelta(days=365), 0
    for drill in map(str, range(_DRILLS)):
        card = review(None, drill=drill, level=1, rating=Rating.GOOD, day=_BEGIN, retention=retention)
        while card.due < end:
            reviews += 1
            solved = chance.random() < retrievability(card, card.due)
            rating = Rating.GOOD if solved else Rating.AGAIN
            card = review(card, drill=drill, level=1, rating=rating, day=card.due, retention=retention)
    return reviews / _DRILLS
