"""Who says how well a drill went: the first judged answer of a study day, and nobody else."""

from datetime import date

from tensordrill.domain import Card, Mode, Rating, Status

RETENTION = 0.9
"""The desired share of reviews that are answered rightly, unless the learner sets another."""


def policy(retention: float = RETENTION) -> str:
    """The rule below, the model and the desired retention. It is kept with each rating: a new rule takes a new name."""
    return f"first-answer-1/fsrs-6/{retention:.2f}"


def retention_of(policy: str | None) -> float:
    """The desired retention that a policy names. Of one that names none, the default."""
    try:
        found = float((policy or "").rpartition("/")[2])
    except ValueError:
        return RETENTION
    return found if 0 < found < 1 else RETENTION


def rate(*, mode: Mode, status: Status | None, attempt: int, hints: int, card: Card | None, day: date) -> Rating | None:
    """The rating that an answer gives its drill, or None where it only practises.

    `status` is None where the solution was shown, `attempt` counts the answers to this puzzle from 1, `card` is the
    drill's card before the answer. Only the first judged answer on a study day rates. A day at or before the last
    rated one (the clock went back, or the learner flew west) has had its rating.
    """
    if mode is not Mode.REVIEW or (status is not None and not status.judged):
        return None
    if card is not None and day <= card.last_day:
        return None
    if status is not Status.CORRECT:
        return Rating.AGAIN
    return Rating.GOOD if hints == 0 and attempt == 1 else Rating.HARD
