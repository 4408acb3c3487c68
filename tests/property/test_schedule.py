"""Whatever a learner does, the cards are what the history says, and what FSRS says of it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import fsrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tensordrill.app.recording import take_back
from tensordrill.domain import MAX_LEVEL, Card, Event, EventType, Mode, PuzzleRecord, Rating, Status
from tensordrill.errors import UsageError
from tensordrill.schedule import plan, policy, rate, rebuild, replay, retrievability, review, step
from tensordrill.schedule.memory import fuzz_range
from tensordrill.settings import DEFAULTS
from tensordrill.store import Store

DRILLS = ("einsum.trace", "einsum.outer", "hooks.patch")
START = date(2026, 3, 1)


@dataclass(frozen=True)
class Action:
    """An answer, or a solution shown where the status is None, some days after the one before."""

    days: int
    drill: str
    mode: Mode
    status: Status | None
    hints: int
    attempt: int
    level: int
    answer: str


def actions(days: st.SearchStrategy[int]) -> st.SearchStrategy[list[Action]]:
    return st.lists(
        st.builds(
            Action,
            days=days,
            drill=st.sampled_from(DRILLS),
            mode=st.sampled_from([Mode.REVIEW, Mode.REVIEW, Mode.PRACTICE]),
            status=st.sampled_from([Status.CORRECT, Status.CORRECT, Status.WRONG_VALUE, Status.RAISED, None]),
            hints=st.integers(0, 1),
            attempt=st.integers(1, 2),
            level=st.integers(1, MAX_LEVEL),
            answer=st.text(st.characters(codec=None), max_size=5),
        ),
        max_size=15,
    )


FORWARD = st.one_of(st.integers(0, 3), st.integers(0, 300))
ANY_CLOCK = st.one_of(FORWARD, st.integers(-5, -1))


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "tensordrill.db"
    Store.open(path).close()
    return path


@contextmanager
def copy_of(empty: Path) -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(shutil.copy(empty, folder))) as store:
        yield store


def record(store: Store, action: Action, day: date) -> tuple[Event, Card | None]:
    puzzle = PuzzleRecord(
        hash=f"{action.drill}/{action.level}", drill=action.drill, kind="einsum", prompt="", code="", reference=""
    )

    def write(number: int, card: Card | None) -> tuple[Event, Card | None]:
        rating = rate(
            mode=action.mode, status=action.status, attempt=action.attempt, hints=action.hints, card=card, day=day
        )
        event = Event(
            number=number,
            type=EventType.SHOWN if action.status is None else EventType.ANSWER,
            mode=action.mode,
            at_ms=int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp() * 1000),
            offset_min=0,
            study_day=day,
            drill=action.drill,
            level=action.level,
            seed=number,
            puzzle=puzzle.hash,
            answer=action.answer,
            status=action.status,
            wrong_turn=None,
            attempt=action.attempt,
            hints=action.hints,
            duration_ms=1,
            rating=rating,
            policy=None if rating is None else policy(),
            replica=store.replica,
        )
        return event, step(card, event)

    return store.record(action.drill, puzzle, write)


def play(store: Store, history: list[Action]) -> list[tuple[Event, Card | None]]:
    recorded, day = [], START
    for action in history:
        day += timedelta(days=action.days)
        recorded.append(record(store, action, day))
    return recorded


@settings(deadline=None, max_examples=40)
@given(history=actions(ANY_CLOCK))
def test_replay_rebuilds_the_cards_that_were_written_on_the_way(empty: Path, history: list[Action]) -> None:
    with copy_of(empty) as store:
        recorded = play(store, history)
        assert list(replay(store.events())) == recorded
        assert rebuild(store.events()) == store.cards()
        assert store.damaged() == []
        rated = [(event.drill, event.study_day) for event, _ in recorded if event.rating is not None]
        assert len(set(rated)) == len(rated)  # at most one rating for a drill and a study day


@settings(deadline=None, max_examples=40)
@given(history=actions(ANY_CLOCK), undos=st.lists(st.integers(0, 14), max_size=4))
def test_what_is_taken_back_might_never_have_been(empty: Path, history: list[Action], undos: list[int]) -> None:
    with copy_of(empty) as store:
        day, ratings = START, 0
        for number, action in enumerate(history):
            day += timedelta(days=action.days)
            event, _ = record(store, action, day)
            ratings += event.rating is not None
            for _ in range(undos.count(number)):
                if ratings:
                    taken = take_back(store, datetime(day.year, day.month, day.day, 13, tzinfo=UTC), DEFAULTS)
                    assert taken.rating is not None
                    ratings -= 1
                else:
                    with pytest.raises(UsageError, match="no review to take back"):
                        take_back(store, datetime(day.year, day.month, day.day, 13, tzinfo=UTC), DEFAULTS)
        undone = store.undone()
        assert rebuild(store.events(), undone) == store.cards()
        assert store.damaged() == []
        stand = [event for event in store.events() if event.id not in undone]
        assert sum(event.rating is not None for event in stand) == ratings
        assert rebuild(stand) == store.cards()


@settings(deadline=None, max_examples=40)
@given(history=actions(FORWARD))
def test_the_cards_are_those_of_fsrs(empty: Path, history: list[Action]) -> None:
    scheduler = fsrs.Scheduler(desired_retention=0.9, learning_steps=(), relearning_steps=(), enable_fuzzing=False)
    theirs: dict[str, fsrs.Card] = {}
    rated_on: dict[str, date] = {}
    day = START
    for action in history:
        day += timedelta(days=action.days)
        if action.mode is Mode.REVIEW and rated_on.get(action.drill) != day:
            rated_on[action.drill] = day
            alone = action.hints == 0 and action.attempt == 1
            right = fsrs.Rating.Good if alone else fsrs.Rating.Hard
            now = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
            before = theirs.get(action.drill, fsrs.Card(card_id=1, due=now))
            rating = right if action.status is Status.CORRECT else fsrs.Rating.Again
            theirs[action.drill], _ = scheduler.review_card(before, rating, now)

    with copy_of(empty) as store:
        play(store, history)
        cards = store.cards()
    assert cards.keys() == theirs.keys()
    for drill, card in cards.items():
        assert (card.stability, card.difficulty) == (theirs[drill].stability, theirs[drill].difficulty)
        low, high = fuzz_range((theirs[drill].due.date() - card.last_day).days)
        assert low <= (card.due - card.last_day).days <= high


@given(
    steps=st.lists(st.tuples(st.integers(-400, 4000), st.sampled_from(Rating), st.integers(1, MAX_LEVEL)), min_size=1)
)
def test_a_card_stays_within_its_bounds(steps: list[tuple[int, Rating, int]]) -> None:
    card: Card | None = None
    day = START
    for days, rating, level in steps:
        day = max(START, min(day + timedelta(days=days), date(9000, 1, 1)))
        before, card = card, review(card, drill="einsum.trace", level=level, rating=rating, day=day)
        assert card.due > card.last_day >= card.first_day
        assert card.stability > 0
        assert 1 <= card.difficulty <= 10
        assert 1 <= card.level <= MAX_LEVEL
        assert abs(card.level - level) <= 1
        assert 0 <= card.lapses < card.reps
        assert 0 < retrievability(card, day + timedelta(days=9)) <= 1
        if before is not None:
            assert card.last_day == max(before.last_day, day)
            assert card.first_day == before.first_day


@given(data=st.data())
def test_a_plan_asks_each_drill_once_and_nothing_locked(data: st.DataObject) -> None:
    names = [f"track.{n}" for n in range(12)]
    after = {
        name: data.draw(st.lists(st.sampled_from(names[:n]), unique=True)) if n else [] for n, name in enumerate(names)
    }
    ratings = data.draw(st.dictionaries(st.sampled_from(names), st.tuples(st.sampled_from(Rating), st.integers(0, 9))))
    cards = {
        drill: review(None, drill=drill, level=1, rating=rating, day=START - timedelta(days=ago))
        for drill, (rating, ago) in ratings.items()
    }
    limit = data.draw(st.integers(0, 5))
    tasks = plan(after=after, cards=cards, day=START, new_limit=limit)
    assert len({task.drill for task in tasks}) == len(tasks)
    new = [task.drill for task in tasks if task.new]
    assert [task.drill for task in tasks][len(tasks) - len(new) :] == new
    assert new == sorted(new, key=names.index)
    begun = sum(card.first_day == START for card in cards.values())
    assert len(new) <= max(0, limit - begun)
    for drill in new:
        assert drill not in cards
        assert all(cards[before].learned for before in after[drill])
    assert {task.drill for task in tasks if not task.new} == {drill for drill in cards if cards[drill].due <= START}
