"""`tensordrill today` as a learner meets it: the real program, driven over pipes, day after day."""

import json
import re
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tensordrill.app import App
from tensordrill.catalog import Catalog
from tensordrill.schedule import NEW_PER_DAY
from tensordrill.session import GAP

if TYPE_CHECKING:
    from tests.cli.conftest import FsrsReplay, Learner, Run, Sit

pytestmark = pytest.mark.usefixtures("lived_in")

Row = dict[str, Any]

EXAMPLE = "First a solved one"
TODAY = date(2026, 3, 2)


def history() -> list[Row]:
    """Every event, read in this process: it is the same file."""
    with closing(App()) as app:
        return [json.loads(line) for line in app.export("json")]


def ratings() -> list[tuple[str, str]]:
    return [(row["drill"], row["rating"]) for row in history() if row["rating"]]


def solved(learner: "Learner") -> int:
    """Solve all that is left, and return the exit code."""
    while learner.prompt:
        learner.right()
    return learner.ended()


def when(day: date) -> str:
    days = (day - TODAY).days
    return "tomorrow" if days == 1 else f"in {days} days"


def test_a_first_session(
    sit: "Sit", run: "Run", catalog: Catalog, exported: Callable[[], list[Row]], replay: "FsrsReplay"
) -> None:
    fresh = [drill.id for drill in catalog.values() if not drill.after][:NEW_PER_DAY]
    learner = sit("today")
    assert learner.now.drill == fresh[0]
    assert EXAMPLE in learner.said
    assert ":hint" in learner.said

    assert "Not judged." in learner.type("((( ")
    assert "Not judged. That answer is empty." in learner.type("")
    assert learner.now.drill == fresh[0]
    said = learner.right()
    assert "Right.  Good" in said
    assert f"Back {when(TODAY + timedelta(days=2))}" in said

    assert learner.now.drill == fresh[1]
    first = learner.now.seed
    said = learner.wrong()
    assert "Not yet." in said
    assert "Again." in said
    assert learner.now.seed == first
    assert "Again." not in learner.wrong(1)
    said = learner.right()
    assert "Right.  Good" not in said
    assert "Back" not in said

    assert learner.now.drill == fresh[2]
    said = learner.type(":hint")
    assert "Hint: " in said
    assert learner.now.drill == fresh[2]
    assert "Right.  Hard" in learner.right()

    order: list[str] = []
    said = learner.type(":")
    assert ":solution" in said
    assert learner.now.drill not in fresh[:1]
    while learner.prompt:
        order.append(learner.now.drill)
        again = "once more" in learner.said.rpartition("level")[2]
        assert again is (learner.now.drill == fresh[1])
        assert again is (EXAMPLE not in learner.said[-4000:].rpartition("Right.")[2])
        learner.right()
    assert order.index(fresh[1]) <= GAP
    assert order.count(fresh[1]) == 1
    assert learner.ended() == 0
    assert re.search(rf"{len(fresh) + 1} solved, {len(fresh) - 1} of them alone", learner.said)
    assert "The next drill comes tomorrow" in learner.said

    found = exported()
    kept(found, fresh, first, catalog[fresh[1]].puzzle(first).wrong[0].id)
    for row in found:
        replay.step(row)

    nothing = run("today", env={"TENSORDRILL_NOW": "2026-03-02T23:00:00+01:00"})
    assert (nothing.returncode, nothing.stderr) == (0, "")
    assert "Nothing is due. The next drill comes tomorrow." in nothing.stdout
    assert "tensordrill practice" in nothing.stdout
    assert len(exported()) == len(found)


def kept(found: list[Row], fresh: list[str], first: int, wrong_turn: str) -> None:
    """What `test_a_first_session` must leave behind."""
    expected = {fresh[1]: "Again", fresh[2]: "Hard"}
    assert [(row["drill"], row["rating"]) for row in found if row["rating"]] == [
        (drill, expected.get(drill, "Good")) for drill in fresh
    ]
    assert Counter(row["drill"] for row in found) == Counter(fresh) + Counter({fresh[1]: 3})
    assert {(row["mode"], row["type"], row["study_day"]) for row in found} == {("review", "answer", "2026-03-02")}
    missed = [row for row in found if row["drill"] == fresh[1]]
    assert [row["attempt"] for row in missed] == [1, 2, 3, 1]
    assert [row["seed"] == first for row in missed] == [True, True, True, False]
    assert missed[0]["wrong_turn"] == wrong_turn


def test_a_puzzle_that_was_not_answered_is_asked_again(sit: "Sit") -> None:
    learner = sit("today")
    drill, seed = learner.now.drill, learner.now.seed
    assert learner.leave() == 0
    assert "Nothing was answered. Your place is kept." in learner.said

    learner = sit("today")
    assert (learner.now.drill, learner.now.seed) == (drill, seed)
    assert EXAMPLE in learner.said
    learner.type(":hint")
    learner.type("(")
    assert "Not judged." in learner.said
    assert learner.leave() == 0
    assert history() == [], "neither a hint nor a slip is an answer"
    assert sit("today").now.seed == seed


def test_a_missed_drill_comes_back_until_it_is_solved_alone(sit: "Sit") -> None:
    learner = sit("today")
    drill, seed = learner.now.drill, learner.now.seed
    wrong = learner.wrong_answers[0]
    learner.send(wrong + "\n" * (2 if learner.now.puzzle.multiline else 1))
    learner.until("Not yet.")
    learner.process.kill()
    assert [(row["answer"], row["rating"]) for row in history()] == [(wrong, "Again")], "it was kept before it showed"

    learner = sit("today")
    again = learner.now.seed
    assert learner.now.drill == drill
    assert again != seed
    assert "once more" in learner.said
    assert EXAMPLE not in learner.said
    assert learner.interrupt() == 130
    assert len(history()) == 1

    learner = sit("today")
    assert (learner.now.drill, learner.now.seed) == (drill, again)
    learner.wrong()
    assert learner.interrupt() == 130
    assert [row["rating"] for row in history()] == ["Again", None]

    learner = sit("today")
    assert learner.now.drill == drill, "missed, and not solved alone yet"
    assert learner.now.seed not in (seed, again)
    learner.type(":hint")
    learner.right()
    skipped = []
    while learner.now.drill != drill:
        skipped.append(learner.now.drill)
        assert "Skipped." in learner.type(":skip")
    assert 1 <= len(skipped) <= GAP, "with a hint is not alone"
    learner.right()
    learner.end()

    learner = sit("today")
    assert learner.now.drill == skipped[0], "what was skipped stays, and what was solved alone does not"
    learner.type(":quit")
    assert learner.ended() == 0
    assert ratings() == [(drill, "Again")]


def test_a_solution_that_is_shown_is_a_miss(sit: "Sit") -> None:
    learner = sit("today")
    drill, solution = learner.now.drill, learner.solution
    said = learner.type(":solution")
    assert solution.splitlines()[0].split()[0] in said
    assert [(row["type"], row["correct"], row["status"], row["rating"]) for row in history()] == [
        ("shown", False, None, "Again")
    ]
    passed = 0
    while learner.now.drill != drill:
        learner.type(":skip")
        passed += 1
    assert passed <= GAP
    assert learner.leave() == 0


def test_the_end_of_input_may_come_at_any_moment(sit: "Sit", run: "Run") -> None:
    empty = run("today")
    assert (empty.returncode, empty.stderr) == (0, "")
    learner = sit("today")
    drill = learner.now.drill
    learner.send(learner.solution)  # no line break: `printf answer | tensordrill today`
    assert learner.leave() == 0
    assert "Right." in learner.said
    assert ratings() == [(drill, "Good")]


def test_ctrl_c_while_an_answer_is_judged(sit: "Sit") -> None:
    learner = sit("today")
    learner.send(learner.solution + "\n\n")
    assert learner.interrupt() == 130
    assert len(history()) <= 1  # at most the answer being typed is lost
    assert sit("today").prompt


def test_practice_changes_no_date(sit: "Sit", exported: Callable[[], list[Row]]) -> None:
    learner = sit("today")
    met = learner.now.drill
    learner.wrong()
    learner.leave()
    before = exported()
    with closing(App()) as app:
        cards = app.store.cards()

    learner = sit("practice", "--count", "4", now="2026-03-20T18:00:00+01:00")
    asked = [learner.now.drill]
    assert "practice" in learner.said
    said = learner.right()
    assert "Good" not in said
    assert "Back" not in said
    for act in (learner.wrong, learner.right, lambda: learner.type(":solution"), lambda: learner.type(":skip")):
        asked.append(learner.now.drill)
        act()
    assert learner.ended() == 0
    assert set(asked) == {met}, "without a name, only what was met"

    after = exported()
    assert after[: len(before)] == before
    assert [(row["mode"], row["type"], row["rating"]) for row in after[len(before) :]] == [
        ("practice", kind, None) for kind in ("answer", "answer", "answer", "shown")
    ]
    columns = ("due", "stability", "difficulty")
    assert {tuple(row[name] for name in columns) for row in after} == {tuple(before[-1][name] for name in columns)}
    with closing(App()) as app:
        assert app.store.cards() == cards

    learner = sit("practice", list(App().catalog)[-1], "--count", "1")
    assert learner.now.drill == list(App().catalog)[-1]
    learner.right()
    assert learner.ended() == 0
    with closing(App()) as app:
        assert app.store.cards() == cards, "practising a drill that was never met does not begin it"


# Around the turn of the study day, from zone to zone, with gaps.
WEEKS = [
    ("2026-03-02T23:50:00+01:00", "2026-03-02"),
    ("2026-03-04T03:59:59+01:00", "2026-03-03"),
    ("2026-03-04T04:00:00+01:00", "2026-03-04"),
    ("2026-03-07T03:30:00+00:00", "2026-03-06"),
    ("2026-03-07T04:30:00+01:00", "2026-03-07"),  # the same moment, seen from one zone further east
    ("2026-03-12T21:00:00-08:00", "2026-03-12"),
    ("2026-03-22T09:00:00+02:00", "2026-03-22"),
]


def test_three_weeks(sit: "Sit", catalog: Catalog, exported: Callable[[], list[Row]], replay: "FsrsReplay") -> None:
    played = [drill.id for drill in catalog.values() if not drill.after][:4]  # the others would cost seconds each day
    turn = 0
    for moment, _ in WEEKS:
        learner = sit("today", now=moment)
        while learner.prompt and learner.now.drill in played:
            turn += 1
            if turn % 4 == 2:
                learner.wrong(turn)
            elif turn % 7 == 0:
                learner.type(":hint")
            learner.right()
        learner.end()

    found = exported()
    days = [day for _, day in WEEKS]
    assert {row["study_day"] for row in found} <= set(days)
    assert {row["study_day"] for row in found} >= {days[0], days[1], days[-1]}
    assert {row["rating"] for row in found} == {None, "Again", "Hard", "Good"}
    for row in found:
        replay.step(row)
    rated = Counter((row["drill"], row["study_day"]) for row in found if row["rating"])
    assert set(rated.values()) == {1}
    last = {row["drill"]: row for row in found}
    with closing(App()) as app:
        cards = app.store.cards()
    assert {name: (card.due.isoformat(), card.stability, card.difficulty) for name, card in cards.items()} == {
        name: (row["due"], row["stability"], row["difficulty"]) for name, row in last.items()
    }


@pytest.mark.parametrize(
    ("variable", "value", "code", "told"),
    [
        ("TENSORDRILL_NOW", "yesterday", 2, "not a time with an offset"),
        ("TENSORDRILL_NOW", "2026-03-01T09:00:00", 2, "not a time with an offset"),
        ("TENSORDRILL_TRACE", "/nowhere/trace", 1, "TENSORDRILL_TRACE cannot be written"),
        ("TENSORDRILL_TRACE", "/", 1, "TENSORDRILL_TRACE cannot be written"),
    ],
)
def test_a_setting_that_cannot_be(run: "Run", variable: str, value: str, code: int, told: str) -> None:
    done = run("today", stdin="i j -> j i\n", env={variable: value})
    assert done.returncode == code
    message, hint = done.stderr.splitlines()
    assert told in message
    assert value in message
    assert hint.startswith("  ")
