"""What a study day brings."""

from datetime import date, timedelta

import pytest

from tensordrill.domain import Card, Rating
from tensordrill.schedule import NEW_PER_DAY, Task, fit, forecast, next_due, plan, state
from tensordrill.schedule.queue import USUAL_SECONDS

DAY = date(2026, 3, 10)
CHAIN: dict[str, list[str]] = {"a.one": [], "a.two": ["a.one"], "a.three": ["a.one", "a.two"], "b.one": []}


def card(
    drill: str,
    *,
    due: int = 0,
    stability: float = 5.0,
    first: int = -20,
    last: int = -10,
    rating: Rating = Rating.GOOD,
    level: int = 1,
) -> Card:
    """A card by its days from today."""
    return Card(
        drill=drill,
        due=DAY + timedelta(days=due),
        stability=stability,
        difficulty=5.0,
        reps=3,
        lapses=0,
        level=level,
        first_day=DAY + timedelta(days=first),
        last_day=DAY + timedelta(days=last),
        last_rating=rating,
    )


def by_drill(*cards: Card) -> dict[str, Card]:
    return {card.drill: card for card in cards}


def drills(tasks: list[Task]) -> list[str]:
    return [task.drill for task in tasks]


def test_a_new_learner_gets_what_builds_on_nothing() -> None:
    tasks = plan(after=CHAIN, cards={}, day=DAY)
    assert tasks == [Task("a.one", 1, new=True), Task("b.one", 1, new=True)]


def test_new_drills_open_when_all_that_they_build_on_are_learned() -> None:
    one, two = card("a.one", due=5), card("a.two", due=5)
    assert drills(plan(after=CHAIN, cards=by_drill(one), day=DAY)) == ["a.two", "b.one"]
    assert drills(plan(after=CHAIN, cards=by_drill(one, two), day=DAY)) == ["a.three", "b.one"]
    missed = card("a.two", due=5, rating=Rating.AGAIN)
    assert drills(plan(after=CHAIN, cards=by_drill(one, missed), day=DAY)) == ["b.one"]


def test_due_drills_come_first_and_the_likeliest_forgotten_before_the_rest() -> None:
    catalog: dict[str, list[str]] = {name: [] for name in ("new", "c", "firm", "b", "weak", "a")}
    cards = by_drill(
        card("firm", stability=90.0),
        card("c"),
        card("a", level=3),
        card("weak", stability=0.5),
        card("b"),
    )
    tasks = plan(after=catalog, cards=cards, day=DAY)
    assert drills(tasks) == ["weak", "a", "b", "c", "firm", "new"]
    assert tasks[1] == Task("a", 3, new=False)


@pytest.mark.parametrize(("due", "asked"), [(-30, ["a.one"]), (0, ["a.one"]), (1, [])])
def test_a_card_is_due_from_its_day_on(due: int, asked: list[str]) -> None:
    tasks = plan(after={"a.one": []}, cards=by_drill(card("a.one", due=due)), day=DAY)
    assert drills(tasks) == asked


def test_new_drills_have_a_daily_limit_which_those_begun_today_use_up() -> None:
    catalog: dict[str, list[str]] = {f"a.{n}": [] for n in range(9)}
    assert drills(plan(after=catalog, cards={}, day=DAY)) == [f"a.{n}" for n in range(NEW_PER_DAY)]
    begun = by_drill(card("a.0", due=2, first=0, last=0), card("a.1", due=2, first=0, last=0), card("a.2", due=3))
    assert drills(plan(after=catalog, cards=begun, day=DAY, new_limit=3)) == ["a.3"]
    assert plan(after=catalog, cards=begun, day=DAY, new_limit=1) == []
    assert plan(after=catalog, cards={}, day=DAY, new_limit=0) == []


def test_cards_that_the_catalog_lacks_are_left_alone() -> None:
    gone = by_drill(card("gone.one"))
    assert plan(after={}, cards=gone, day=DAY) == []
    assert next_due(after={}, cards=gone, day=DAY) is None
    assert list(gone) == ["gone.one"]


@pytest.mark.parametrize(
    ("cards", "name"),
    [
        ([], "locked"),
        ([card("a.one", due=3, rating=Rating.AGAIN)], "locked"),
        ([card("a.one", due=3)], "new"),
        ([card("a.one", due=-3)], "new"),  # due, but learned all the same
        ([card("a.two")], "due"),
        ([card("a.two", rating=Rating.AGAIN)], "due"),
        ([card("a.two", due=1, rating=Rating.AGAIN)], "missed"),
        ([card("a.two", due=1)], "learned"),
        ([card("a.two", due=1, rating=Rating.HARD)], "learned"),
    ],
)
def test_states(cards: list[Card], name: str) -> None:
    assert state("a.two", after=CHAIN, cards=by_drill(*cards), day=DAY) == name


def test_the_forecast_counts_what_is_overdue_today() -> None:
    cards = by_drill(card("a.one", due=9), card("a.two", due=-4), card("a.three", due=0), card("b.one", due=2))
    then = DAY + timedelta(days=2)
    assert list(forecast(after=CHAIN, cards=cards, day=DAY).items()) == [
        (DAY, 2),
        (then, 1),
        (DAY + timedelta(days=9), 1),
    ]
    assert next_due(after=CHAIN, cards=cards, day=DAY) == DAY
    assert next_due(after=CHAIN, cards=by_drill(cards["a.one"], cards["b.one"]), day=DAY) == then
    assert next_due(after=CHAIN, cards={}, day=DAY) is None


def test_a_session_fits_the_time_and_is_never_empty() -> None:
    tasks = [Task("a", 1, new=False), Task("b", 1, new=False), Task("c", 1, new=False), Task("d", 1, new=True)]
    pace = {"a": 60.0, "b": 30.0, "c": 30.0}
    assert fit(tasks, pace, 1) == tasks[:1]
    assert fit(tasks, pace, 90) == tasks[:2]
    assert fit(tasks, pace, 120) == tasks[:3]
    assert fit(tasks, pace, 179) == tasks[:3], "a new one takes the usual time twice"
    assert fit(tasks, pace, 180) == tasks
    assert fit(tasks, {}, 2 * USUAL_SECONDS) == tasks[:2]
    assert fit([], pace, 60) == []
