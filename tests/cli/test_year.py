"""A year of days through `App`, in this process: the real catalog, judge and data file, and a clock that is set."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tensordrill.app import App
from tensordrill.app.sitting import Sitting
from tensordrill.catalog import Catalog
from tensordrill.domain import Rating, Status, Verdict
from tensordrill.errors import UsageError
from tensordrill.judge import Judge
from tensordrill.schedule import rebuild, review
from tensordrill.session import Phase

if TYPE_CHECKING:
    from tests.cli.conftest import FsrsReplay, Run

Row = dict[str, Any]
At = Callable[[datetime | str], App]

START = datetime(2026, 1, 5, 19, tzinfo=timezone(timedelta(hours=1)))


def some(catalog: Catalog) -> Catalog:
    """A drill of each kind, and those to learn before it: few enough for a year's reviews."""
    wanted = list({drill.puzzle(1).kind: name for name, drill in catalog.items()}.values())
    for name in wanted:
        wanted += [before for before in catalog.after[name] if before not in wanted]
    return Catalog(drill for drill in catalog.values() if drill.id in wanted)


@pytest.fixture
def at(catalog: Catalog, judge: Judge, monkeypatch: pytest.MonkeyPatch) -> Iterator[At]:
    """Opens the program at a moment. Its judge is the shared one, which outlives every sitting."""
    few = some(catalog)

    class Lent(Judge):
        def __init__(self, *_: object, **__: object) -> None:
            self.__dict__ = judge.__dict__

        def stop(self) -> None:
            pass

        def close(self) -> None:
            pass

    monkeypatch.setattr("tensordrill.judge.Judge", Lent)
    monkeypatch.setattr("tensordrill.app.built_in", lambda _: few)
    opened: list[App] = []

    def open_at(moment: datetime | str) -> App:
        monkeypatch.setenv("TENSORDRILL_NOW", moment if isinstance(moment, str) else moment.isoformat())
        for app in opened:
            app.close()
        opened[:] = [App()]
        return opened[0]

    yield open_at
    for app in opened:
        app.close()


def right(sitting: Sitting) -> str:
    assert sitting.current is not None
    return sitting._pool.submit(sitting._judge.solution, sitting.current.puzzle).result()


def wrong(sitting: Sitting) -> str:
    """A wrong turn of the puzzle that is asked. One thread at a time may use the judge, and that is the sitting's."""
    assert sitting.current is not None
    return sitting._pool.submit(sitting._judge.wrong_answers, sitting.current.puzzle).result()[0]


def begin(sitting: Sitting) -> str:
    """Read the example where there is one; returns the drill that is asked."""
    if sitting.session.phase is Phase.EXAMPLE:
        asked, solved = sitting.example()
        assert sitting.current is not None
        assert asked.seed != sitting.current.seed, "the example is not the puzzle that is asked next"
        assert solved.answer
        assert solved.why
        sitting.example_read()
    assert sitting.current is not None
    return sitting.current.drill.id


def days(chance: Random, count: int) -> Iterator[datetime]:
    """Sittings on most days, on some twice, with weeks of absence, in other zones, at times around 04:00."""
    moment = START
    while moment < START + timedelta(days=count):
        offset = chance.choice([60, 60, 60, 60, 120, -480, 330, 765])
        yield moment.astimezone(timezone(timedelta(minutes=offset)))
        pause = chance.choices(
            [timedelta(hours=1), timedelta(hours=9), timedelta(days=1), timedelta(days=3), timedelta(days=25)],
            [1, 2, 6, 6, 1],
        )[0]
        moment += pause + timedelta(minutes=chance.randrange(-50, 50))


@pytest.mark.parametrize("count", [60, pytest.param(365, marks=pytest.mark.slow)])
def test_days_of_sittings(at: At, replay: "FsrsReplay", count: int) -> None:
    chance = Random(2026)
    told = 0  # rows of the export that the replay has seen

    for moment in days(chance, count):
        app = at(moment)
        with closing(app.today()) as sitting:
            reviews = [item for item in (sitting.session.current, *sitting.session.waiting) if item and not item.again]
            due = [item.drill for item in reviews if item.drill in replay.memories]
            assert [item.drill for item in reviews] == [*due, *(i.drill for i in reviews if i.new)], "due before new"
            recalls = [replay.recall(drill, app.day) for drill in due]
            assert recalls == sorted(recalls), "the likeliest forgotten first"
            left = chance.random() < 0.1  # leaves in the middle
            while sitting.session.phase is not Phase.OVER and not (left and chance.random() < 0.2):
                begin(sitting)
                play(sitting, chance)
        rows = [json.loads(line) for line in app.export("json")]
        for row in rows[told:]:
            replay.step(row)
        told = len(rows)

    store = app.store
    assert store.cards() == rebuild(store.events()), "the cards are what the history says"
    assert store.damaged() == []
    cards = store.cards()
    assert set(cards) == set(replay.memories)
    for drill, memory in replay.memories.items():
        assert cards[drill].stability == pytest.approx(memory.card.stability, rel=1e-9)
        assert cards[drill].difficulty == pytest.approx(memory.card.difficulty, rel=1e-9)
        low, high = memory.due
        assert low <= cards[drill].due <= high
    rated = [(row["drill"], row["study_day"]) for row in rows if row["rating"]]
    assert len(rated) == len(set(rated)), "at most one rating a study day"
    assert {row["rating"] for row in rows} == {None, "Again", "Hard", "Good"}
    assert set(cards) == set(app.catalog) or count < 365
    assert len(rated) > 60
    asked = {(row["drill"], row["seed"]) for row in rows}
    assert len(asked) > len(rows) / 3, "fresh puzzles"


def play(sitting: Sitting, chance: Random) -> None:
    """One item, by a learner who is mostly right."""
    assert sitting.current is not None
    fate = chance.random()
    if fate < 0.05:
        sitting.reveal()
    else:
        if fate < 0.15:
            sitting.hint()
        if fate > 0.85:
            assert sitting.answer(wrong(sitting)).verdict.status.judged
        if fate > 0.98:
            assert sitting.answer("(").verdict.status is Status.UNPARSABLE
        feedback = sitting.answer(right(sitting))
        assert feedback.verdict.correct, feedback
    sitting.advance()


@pytest.mark.parametrize(("days", "told"), [(1, "tomorrow"), (9, "in 9 days (Wed 14 Jan)")])
def test_the_next_date_is_named_when_nothing_is_due(at: At, run: "Run", catalog: Catalog, days: int, told: str) -> None:
    app = at(START)
    learned = review(None, drill="", level=1, rating=Rating.GOOD, day=app.day - timedelta(days=1))
    due = app.day + timedelta(days=days)
    app.store.rebuild({name: replace(learned, drill=name, due=due) for name in catalog})
    done = run("today")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Nothing is due. The next drill comes {told}." in done.stdout
    assert "tensordrill practice" in done.stdout


def test_a_solution_before_the_miss_does_not_settle_it(at: At) -> None:
    """Practised in the morning, missed in the review: it is due once more, until it is solved alone after that."""
    app = at(START)
    first = next(iter(app.catalog))
    with closing(app.practice([first], 1)) as practice:
        practice.answer(right(practice))
    with closing(app.today()) as sitting:
        assert begin(sitting) == first
        assert sitting.current is not None
        sitting.answer(wrong(sitting))
    with closing(app.today()) as sitting:
        assert begin(sitting) == first
        assert sitting.session.current is not None
        assert sitting.session.current.again
        sitting.answer(right(sitting))
        sitting.advance()
        assert begin(sitting) != first
    with closing(app.today()) as sitting:
        assert begin(sitting) != first


def test_no_puzzle_is_answered_twice(at: At) -> None:
    """Not even where one between them was skipped, and so left no trace."""
    app = at(START)
    first = next(iter(app.catalog))
    seeds = []
    for skipped in ((1,), (), (0, 2), (0, 1)):
        with closing(app.practice([first], 4)) as practice:
            practice.start_judge()  # which makes puzzles ahead
            for n in range(4):
                assert practice.current is not None
                if n not in skipped:
                    seeds.append(practice.current.seed)
                    practice.answer(right(practice))
                elif n:
                    assert practice.current.seed not in seeds
                practice.advance()
    assert len(set(seeds)) == len(seeds) == 11


def test_a_judge_that_fails_is_not_the_learner_s_miss(at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    app = at(START)
    with closing(app.today()) as sitting:
        begin(sitting)
        assert sitting.current is not None
        first = sitting.current
        fault = Verdict(status=Status.INTERNAL, feedback="Broken for a test.")
        monkeypatch.setattr(type(sitting._judge), "grade", lambda *_: fault)
        feedback = sitting.answer("1")
        assert feedback.verdict.status is Status.INTERNAL
        assert feedback.replaced
        assert (sitting.current.drill, sitting.current.seed != first.seed) == (first.drill, True)
        assert sitting.session.attempts == 0
    assert list(app.export("json")) == []


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-03-29T03:59:59+02:00", "2026-03-28"),
        ("2026-03-29T04:00:00+02:00", "2026-03-29"),
        ("2026-03-29T02:00:00+00:00", "2026-03-28"),  # the same instant as the one before, elsewhere
        ("2026-01-01T00:30:00-12:00", "2025-12-31"),
    ],
)
def test_the_offset_decides_the_study_day(at: At, moment: str, day: str) -> None:
    assert at(moment).day == date.fromisoformat(day)


def test_a_clock_that_cannot_be_read_is_told_before_anything_is_made(at: At) -> None:
    app = at("noon")
    with pytest.raises(UsageError, match="TENSORDRILL_NOW"):
        app.today()
    assert "store" not in app.__dict__
