"""What can be done in a session besides answering, and the commands that go with it."""

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Run, Sit

pytestmark = pytest.mark.usefixtures("lived_in")

Row = dict[str, Any]


def test_a_rating_is_taken_back_in_the_session(sit: "Sit", exported: Callable[[], list[Row]]) -> None:
    learner = sit("today")
    drill, seed = learner.now.drill, learner.now.seed
    assert ":undo" not in learner.said
    learner.wrong()
    said = learner.type(":undo")
    assert f"Taken back: Again for {drill}." in said
    assert (learner.now.drill, learner.now.seed) == (drill, seed), "the puzzle is still open"
    assert "Right.  Good" in learner.right()
    assert learner.now.drill != drill
    learner.right()
    second = [row["drill"] for row in exported()][-1]
    learner.type(":undo")
    assert learner.now.drill == second
    assert "Right.  Good" in learner.right()
    learner.leave()
    rows = exported()
    assert [(row["type"], row["drill"], row["rating"]) for row in rows] == [
        ("answer", drill, "Again"),
        ("undo", drill, None),
        ("answer", drill, "Good"),
        ("answer", second, "Good"),
        ("undo", second, None),
        ("answer", second, "Good"),
    ]
    assert [row["undoes"] for row in rows] == [None, rows[0]["event"], None, None, rows[3]["event"], None]


def test_a_rating_is_taken_back_after_quitting(run: "Run", sit: "Sit", exported: Callable[[], list[Row]]) -> None:
    nothing = run("undo")
    assert nothing.returncode == 2
    assert "There is no review to take back." in nothing.stderr
    learner = sit("today")
    drill = learner.now.drill
    learner.wrong()
    learner.leave()
    done = run("undo")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Taken back: Again for {drill} on 2026-03-02.\n"
    assert run("undo").returncode == 2
    again = sit("today")
    assert again.now.drill == drill
    assert "Right.  Good" in again.right()
    again.leave()
    assert [row["type"] for row in exported()] == ["answer", "undo", "answer"]


def test_a_report_can_be_run(sit: "Sit", run: "Run", exported: Callable[[], list[Row]]) -> None:
    learner = sit("practice", "hooks.patch", "--count", "1")
    assert ":report" not in learner.said
    answer = "return model(tokens) + 'it''s'"
    learner.type(answer)
    said = learner.type(":report")
    command = said[said.index("tensordrill grade") :].split("\n\n")[0].rstrip("> \n")
    program, *arguments = shlex.split(command)
    assert program == "tensordrill"
    done = run(*arguments, "--json")
    assert done.returncode == 0
    assert f'"status": "{exported()[0]["status"]}"' in done.stdout
    learner.leave()


def test_the_last_solved_puzzle_is_explained(sit: "Sit") -> None:
    learner = sit("practice", "einsum.trace", "--count", "2")
    assert ":explain" not in learner.said
    first = learner.now.puzzle
    said = learner.right()
    assert ":explain" in said
    explained = learner.type(":explain")
    assert "The solution" in explained
    assert " ".join(first.why.split())[:30] in " ".join(explained.split())
    learner.leave()


def test_only_what_works_now_is_offered(sit: "Sit") -> None:
    learner = sit("practice", "einsum.trace", "--count", "1")
    hints = len(learner.now.puzzle.hints)
    for _ in range(hints):
        assert "Hint: " in learner.type(":hint")
    assert ":hint" not in learner.type(":")
    assert "There are no more hints" not in learner.said
    learner.leave()


def test_minutes_plan_the_session(sit: "Sit", run: "Run") -> None:
    learner = sit("today", "--minutes", "0.1")
    assert "1 of 1" in learner.said
    learner.leave()
    longer = sit("today", "--minutes", "60")
    assert "1 of 5" in longer.said
    longer.leave()
    for wrong in ("0", "-1", "ten"):
        assert run("today", "--minutes", wrong).returncode == 2


def test_the_puzzle_of_the_day(sit: "Sit", run: "Run", tmp_path: Any, exported: Callable[[], list[Row]]) -> None:
    first = sit("daily")
    one = (first.now.drill, first.now.seed)
    first.wrong()
    said = first.right()
    assert first.prompt is None
    lines = said.strip().splitlines()[-3:]
    assert lines[0].startswith(f"tensordrill 2026-03-02: {one[0]}, level ")
    assert lines[1].startswith("solved in ")
    assert lines[1].endswith("2 tries, 0 hints")
    assert lines[2] == "tensordrill daily"
    elsewhere = sit("daily", TENSORDRILL_HOME=str(tmp_path / "elsewhere"))
    assert (elsewhere.now.drill, elsewhere.now.seed) == one, "the same for everybody"
    assert "It waits until the day turns." in (elsewhere.leave(), elsewhere.said)[1]
    tomorrow = sit("daily", now="2026-03-03T18:00:00+01:00")
    assert (tomorrow.now.drill, tomorrow.now.seed) != one
    tomorrow.leave()
    assert {(row["mode"], row["rating"]) for row in exported()} == {("practice", None)}
    assert "Nothing" not in run("daily", stdin="").stderr


def test_nothing_due_offers_what_never_runs_out(sit: "Sit", run: "Run") -> None:
    learner = sit("today")
    while learner.prompt:
        learner.right()
    said = run("today", env={"TENSORDRILL_NOW": "2026-03-02T23:00:00+01:00"}).stdout
    assert "Nothing is due." in said
    assert "tensordrill practice einsum.random shapes.pipeline" in said
    assert "tensordrill daily" in said


def test_a_new_learner_is_told_how_it_works_after_three_puzzles(sit: "Sit") -> None:
    learner = sit("today")
    assert "How this works" not in learner.right()
    assert "How this works" not in learner.right()
    told = learner.right()
    assert "How this works" in told
    assert "tensordrill placement" in told
    while learner.prompt:
        assert "How this works" not in learner.right()
    assert "Streak: 1 day. The next drill comes tomorrow" in learner.said
    again = sit("today", now="2026-03-03T18:00:00+01:00")
    while again.prompt:
        again.right()
    assert "How this works" not in again.said
    assert "Streak: 2 days." in again.said


@pytest.mark.parametrize("command", ["today", "practice", "daily"])
def test_plain_draws_nothing(sit: "Sit", command: str) -> None:
    learner = sit(command, "--plain")
    learner.leave()
    assert "\x1b" not in learner.said
