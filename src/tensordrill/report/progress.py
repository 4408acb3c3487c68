"""Where the learner stands: a row for each track, and what all of them come to."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from tensordrill.domain import Card, Event, EventType, Rating


@dataclass(frozen=True, kw_only=True)
class Track:
    """One track of the catalog.

    `drills`, `learned` and `due` count its drills; `due` ones were learned or missed before. `reviews` counts ratings,
    at most one for a drill and study day; `right` are those that were right alone, at the first try. `practice`
    counts the answers that rated nothing.
    """

    name: str
    drills: int
    learned: int
    due: int
    reviews: int
    right: int
    practice: int

    @property
    def share_right(self) -> float | None:
        """The share of reviews that were right at the first try, from 0 to 1; None before the first review."""
        return self.right / self.reviews if self.reviews else None


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The tracks in catalog order, and the whole history, removed drills included.

    `study_days` counts the days with any answer; `streak` those in a row up to today, or up to yesterday where today's
    has not begun. `time_spent` adds up the time at the answers.
    """

    tracks: tuple[Track, ...]
    study_days: int
    streak: int
    time_spent: timedelta


def summary(
    events: Iterable[Event], cards: Mapping[str, Card], after: Mapping[str, Sequence[str]], day: date
) -> Summary:
    """The figures of a history on a study day. `after` is the catalog: each drill, in order, with its prerequisites."""
    reviews, right, practice = Counter[str](), Counter[str](), Counter[str]()
    days: set[date] = set()
    spent_ms = 0
    for event in events:
        track = track_of(event.drill)
        reviews[track] += event.rating is not None
        right[track] += event.rating is Rating.GOOD
        practice[track] += event.rating is None and event.type is EventType.ANSWER
        days.add(event.study_day)
        spent_ms += event.duration_ms

    mine = {drill: card for drill, card in cards.items() if drill in after}
    drills = Counter(map(track_of, after))
    learned = Counter(track_of(drill) for drill, card in mine.items() if card.learned)
    due = Counter(track_of(drill) for drill, card in mine.items() if card.due <= day)
    return Summary(
        tracks=tuple(
            Track(
                name=name,
                drills=count,
                learned=learned[name],
                due=due[name],
                reviews=reviews[name],
                right=right[name],
                practice=practice[name],
            )
            for name, count in drills.items()
        ),
        study_days=len(days),
        streak=streak(days, day),
        time_spent=timedelta(milliseconds=spent_ms),
    )


def track_of(drill: str) -> str:
    """The track that a drill's id begins with."""
    return drill.partition(".")[0]


def streak(days: Collection[date], today: date) -> int:
    """How many study days in a row are among these, up to today, or to yesterday where today has not begun."""
    last = today if today in days else today - timedelta(days=1)
    length = 0
    while last - timedelta(days=length) in days:
        length += 1
    return length
