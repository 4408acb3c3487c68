"""What to drill on a study day. `after` is the catalog: each drill's id, in order, with those that it builds on.

Cards of drills that the catalog lacks are left alone: a pack that was removed may come back.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from statistics import median

from tensordrill.domain import Card
from tensordrill.schedule.memory import retrievability

NEW_PER_DAY = 5
USUAL_SECONDS = 45.0


@dataclass(frozen=True)
class Task:
    """A drill to ask, at a level; `new` where the learner has never been rated on it."""

    drill: str
    level: int
    new: bool


class State(StrEnum):
    """Where a drill stands for the learner."""

    LOCKED = "locked"  # some drill that it builds on is not learned yet
    NEW = "new"
    DUE = "due"
    MISSED = "missed"  # the last rating was Again, and it is not due yet
    LEARNED = "learned"

    @property
    def learned(self) -> bool:
        """Whether it was learned: what is due again is."""
        return self in (State.LEARNED, State.DUE)


def plan(
    *, after: Mapping[str, Sequence[str]], cards: Mapping[str, Card], day: date, new_limit: int = NEW_PER_DAY
) -> list[Task]:
    """The day's tasks: due drills, the likeliest forgotten first, then new ones in catalog order.

    `new_limit` counts those that were begun earlier on the same day.
    """
    due = [card for card in _known(after, cards) if card.due <= day]
    due.sort(key=lambda card: (retrievability(card, day), card.drill))
    begun = sum(card.first_day == day and card.reps > 0 for card in cards.values())
    new = [drill for drill in after if state(drill, after=after, cards=cards, day=day) is State.NEW]
    return [Task(card.drill, card.level, new=False) for card in due] + [
        Task(drill, 1, new=True) for drill in new[: max(0, new_limit - begun)]
    ]


def fit(tasks: Sequence[Task], pace: Mapping[str, float], seconds: float) -> list[Task]:
    """The first of the tasks that fill so much time, one at least. `pace` is what a drill has taken so far, in seconds.

    A drill without a pace takes the median of the others. A new one takes that again, for its example.
    """
    usual = median(pace.values()) if pace else USUAL_SECONDS
    left, chosen = seconds, list[Task]()
    for task in tasks:
        left -= pace.get(task.drill, usual) * (2 if task.new else 1)
        if chosen and left < 0:
            break
        chosen.append(task)
    return chosen


def state(drill: str, *, after: Mapping[str, Sequence[str]], cards: Mapping[str, Card], day: date) -> State:
    """Where a drill of the catalog stands on a study day."""
    card = cards.get(drill)
    if card is None:
        ready = all(before in cards and cards[before].learned for before in after[drill])
        return State.NEW if ready else State.LOCKED
    if card.due <= day:
        return State.DUE
    return State.LEARNED if card.learned else State.MISSED


def forecast(*, after: Mapping[str, Sequence[str]], cards: Mapping[str, Card], day: date) -> dict[date, int]:
    """How many drills come due on each study day, in order. Those overdue count on `day` itself."""
    return dict(sorted(Counter(max(card.due, day) for card in _known(after, cards)).items()))


def next_due(*, after: Mapping[str, Sequence[str]], cards: Mapping[str, Card], day: date) -> date | None:
    """The first study day, from `day` on, on which a drill is due; None where there are no cards."""
    return next(iter(forecast(after=after, cards=cards, day=day)), None)


def _known(after: Mapping[str, Sequence[str]], cards: Mapping[str, Card]) -> Iterator[Card]:
    return (card for drill, card in cards.items() if drill in after)
