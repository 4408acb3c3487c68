"""`tensordrill placement`: asked, left and gone on with, concluded, corrected, written."""

import json
import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tensordrill.catalog import Catalog
from tensordrill.schedule.knowledge import Outcome
from tensordrill.schedule.placement import A_DAY, Placement

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Learner, Row, Run, Sit

    Exported = Callable[[], list[Row]]

pytestmark = pytest.mark.usefixtures("lived_in")

CORRECT = "Enter accepts this."


def placed(rows: "list[Row]") -> "dict[str, Row]":
    return {row["drill"]: row for row in rows if row["type"] == "placed"}


def to_the_end(learner: "Learner", placement: Placement, outcome: Outcome) -> Placement:
    """Answer in the same way until the conclusion is shown."""
    while (drill := placement.next) is not None:
        assert learner.now.drill == drill
        placement = placement.answered(drill, outcome)
        answer = ":skip" if outcome is Outcome.UNSURE else learner.solution
        if placement.next is None:
            more = learner.now.puzzle.multiline and not answer.startswith(":")
            learner.send(answer.strip() + "\n" * (2 if more else 1))
            learner.until(CORRECT)
        else:
            assert ("Noted." if outcome is Outcome.UNSURE else "Right.") in learner.type(answer)
    return placement


def test_a_placement_that_is_left_goes_on(sit: "Sit", catalog: Catalog, exported: "Exported") -> None:
    learner = sit("placement")
    assert "At most 15 puzzles" in learner.said
    assert "1 of at most 15 · " in learner.said
    first = learner.now
    placement = Placement.begin(catalog.after)
    assert (first.drill, first.level) == (placement.next, 2)
    assert "Not judged." in learner.type("(((")
    assert "The commands are :skip, :quit." in learner.type(":hint")
    assert "\nNot yet.\n" in (said := learner.wrong())
    assert "expected" not in said
    second = learner.now
    placement = placement.answered(first.drill, Outcome.WRONG)
    assert "Noted." in learner.type(":skip")
    placement = placement.answered(second.drill, Outcome.UNSURE)
    assert "2 answers are kept" in learner.type(":quit")
    assert learner.ended() == 0
    assert [(row["drill"], row["type"], row["mode"], row["correct"], row["rating"]) for row in exported()] == [
        (first.drill, "answer", "placement", False, None),
        (second.drill, "shown", "placement", False, None),
    ]
    learner = sit("placement", now="2026-03-03T18:00:00+01:00")
    assert "goes on: 2 answers are kept" in learner.said
    assert "3 of at most 15" in learner.said
    third = learner.now
    assert third.drill == placement.next
    assert learner.interrupt() == 130
    assert "2 answers are kept" in learner.said
    learner = sit("placement", now="2026-03-04T18:00:00+01:00")
    assert learner.now == third, "the same puzzle waits"
    to_the_end(learner, placement, Outcome.UNSURE)
    einsum = sum(drill.track == "einsum" for drill in catalog.values())
    assert re.search(rf"einsum +{einsum} to learn", learner.said)
    assert learner.interrupt() == 130
    assert not placed(exported()), "nothing is written before it is accepted"


def test_the_learner_corrects_the_conclusion(run: "Run", catalog: Catalog, exported: "Exported") -> None:
    beginner = run("placement", stdin=":skip\n" * 20, env={"TENSORDRILL_NOW": "2026-03-02T18:00:00+01:00"})
    assert CORRECT in beginner.stdout, "a pipe that ends accepts nothing"
    assert "nothing is marked yet" in beginner.stdout
    assert {(row["type"], row["mode"]) for row in exported()} == {("shown", "placement")}

    corrections = "+einsum.trace, Shapes.matmul\neinsum.sum\n-einsum.sum-axes\n+einsum.read\n:skip\n\n"
    later = {"TENSORDRILL_NOW": "2026-03-04T18:00:00+01:00"}
    done = run("placement", stdin=corrections, env=later)
    assert (done.returncode, done.stderr) == (0, "")
    told = " ".join(done.stdout.split())
    drawn_along = Placement.begin(catalog.after).with_known([], ["einsum.trace", "shapes.matmul"])
    assert {"einsum.read", "einsum.sum-axes", "shapes.broadcast"} <= drawn_along
    assert f"Known now: {', '.join(drill for drill in catalog if drill in drawn_along)}." in told
    assert "There is no track or drill 'einsum.sum'. Did you mean" in told
    assert "To learn now: einsum.sum-axes, einsum.trace." in told
    assert "That changes nothing." in told
    assert "drills are marked as known. The first come back in 2 days (Fri 6 Mar)" in told
    rows = placed(exported())
    assert rows.keys() == drawn_along - {"einsum.sum-axes", "einsum.trace"}
    assert {(row["due"], row["stability"], row["level"]) for row in rows.values()} == {("2026-03-06", 2.0, 2)}
    listed = run("drills", "--json", env=later)
    states = {row["id"]: row["state"] for row in json.loads(listed.stdout)}
    assert (states["shapes.matmul"], states["einsum.sum-axes"], states["einsum.trace"]) == ("learned", "new", "locked")

    anew = run("placement", env=later)
    assert "1 of at most 15" in anew.stdout, "a finished one is not gone on with"


def test_one_that_was_left_for_three_days_begins_anew(sit: "Sit") -> None:
    learner = sit("placement", now="2026-03-02T18:00:00+01:00")
    first = learner.now.drill
    learner.type(":skip")
    assert learner.leave() == 0
    assert "goes on: 1 answer is kept" in sit("placement", now="2026-03-04T18:00:00+01:00").said
    later = sit("placement", now="2026-03-05T18:00:00+01:00")
    assert "At most 15 puzzles" in later.said
    assert later.now.drill == first


def test_an_expert(sit: "Sit", run: "Run", catalog: Catalog, exported: "Exported") -> None:
    """Nearly everything is known after some puzzles, and comes back a few a day; then nothing is left to place."""
    learner = sit("placement")
    placement = to_the_end(learner, Placement.begin(catalog.after), Outcome.RIGHT)
    assert {"einsum.permute", "einsum.trace"} <= placement.known()
    learner.send(" ".join(f"+{track}" for track in catalog.tracks) + "\n\n")
    assert learner.leave() == 0
    rows = placed(exported())
    assert rows.keys() == set(catalog)
    assert max(Counter(row["due"] for row in rows.values()).values()) <= A_DAY
    assert min(row["due"] for row in rows.values()) == "2026-03-04"
    done = run("placement", env={"TENSORDRILL_NOW": "2026-03-02T19:00:00+01:00"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "Nothing is left to place" in done.stdout
