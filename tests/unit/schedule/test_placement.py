"""What a placement asks next, and what it concludes."""

import runpy
from collections import Counter
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tensordrill.catalog import Catalog, built_in
from tensordrill.schedule.knowledge import Outcome, depths, track_of
from tensordrill.schedule.placement import A_DAY, FIRST_DAYS, MOST_PUZZLES, Placement

RIGHT, WRONG, UNSURE = Outcome.RIGHT, Outcome.WRONG, Outcome.UNSURE
CHAIN = {"a.one": (), "a.two": ("a.one",), "a.three": ("a.two",), "a.four": ("a.three",), "b.one": ()}
simulated: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[3] / "benchmarks" / "placement.py"))


@cache
def played(kind: str, number: int) -> tuple[float, float, Placement]:
    """The share told rightly, the share falsely known, and the placement of a simulated learner."""
    right, false, _, placement = simulated["measured"](simulated[kind], simulated["by_information"], number)
    return right, false, placement


def answered(after: dict[str, tuple[str, ...]], *answers: tuple[str, Outcome]) -> Placement:
    placement = Placement.begin(after)
    for drill, outcome in answers:
        placement = placement.answered(drill, outcome)
    return placement


def test_it_begins_with_a_compound_skill(catalog: Catalog) -> None:
    first = Placement.begin(catalog.after).next
    assert first is not None
    assert depths(catalog.after)[first] >= 2
    assert any(first in before for before in catalog.after.values()), "and something builds on it"


def test_what_is_missed_steps_down_and_what_is_solved_steps_up() -> None:
    first = Placement.begin(CHAIN).next
    assert first in {"a.two", "a.three"}
    depth = depths(CHAIN)
    down, up = (answered(CHAIN, (first, outcome)).next for outcome in (UNSURE, RIGHT))
    assert down is None or depth[down] < depth[first]
    assert up is None or depth[up] > depth[first] or up == "b.one"


def test_what_is_solved_speaks_for_what_it_builds_on() -> None:
    placement = answered(CHAIN, ("a.three", RIGHT))
    assert {"a.one", "a.two", "a.three"} <= placement.known()
    assert "b.one" not in answered(CHAIN, ("a.three", UNSURE), ("a.one", UNSURE)).known()


def test_one_who_does_not_know_has_not_guessed() -> None:
    """Not to know is surer than to be wrong: that may be a slip."""
    belief = {outcome: answered(CHAIN, ("a.two", outcome)).belief.known["a.two"] for outcome in Outcome}
    assert belief[UNSURE] < belief[WRONG] < Placement.begin(CHAIN).belief.known["a.two"] < belief[RIGHT]


def test_a_miss_below_what_was_solved_keeps_both_in_doubt() -> None:
    surely = answered(CHAIN, ("a.three", RIGHT)).belief.known["a.three"]
    assert answered(CHAIN, ("a.three", RIGHT), ("a.one", WRONG)).belief.known["a.three"] < surely


@pytest.mark.parametrize("outcome", [WRONG, UNSURE])
def test_a_beginner_is_led_down_and_left_alone(catalog: Catalog, outcome: Outcome) -> None:
    placement = Placement.begin(catalog.after)
    while (drill := placement.next) is not None:
        placement = placement.answered(drill, outcome)
    asked = list(placement.answers)
    assert len(asked) <= 8
    assert max(depths(catalog.after)[drill] for drill in asked) <= 4
    assert {track_of(drill) for drill in asked} <= set(catalog.tracks[:3])
    assert placement.known() == frozenset()


@pytest.mark.parametrize("number", range(4))
def test_a_beginner_with_luck_is_never_shown_hooks(catalog: Catalog, number: int) -> None:
    right, _, placement = played("beginner", number)
    assert max(depths(catalog.after)[drill] for drill in placement.answers) <= 5
    assert "hooks" not in {track_of(drill) for drill in placement.answers}
    assert right >= 0.98


def test_an_expert_is_past_permute_and_trace_within_five_puzzles(catalog: Catalog) -> None:
    placement, puzzles = Placement.begin(catalog.after), 0
    while not {"einsum.permute", "einsum.trace", "einops.permute", "shapes.permute"} <= placement.known():
        assert placement.next is not None
        placement, puzzles = placement.answered(placement.next, RIGHT), puzzles + 1
    assert puzzles <= 5


@pytest.mark.parametrize(
    ("kind", "floor", "falsely"),
    [
        ("expert", 0.85, 0.01),
        ("engineer", 0.87, 0.08),
        ("einsum_only", 0.93, 0.03),
        ("einops_only", 0.93, 0.03),
        ("torch_user", 0.76, 0.12),
        ("patchy", 0.70, 0.12),
        ("holes", 0.68, 0.06),
    ],
)
def test_simulated_learners(kind: str, floor: float, falsely: float) -> None:
    """With slips and guesses, so on average. The benchmark has more of them, and two peers."""
    found = [played(kind, number) for number in range(4)]
    assert all(len(placement.answers) <= MOST_PUZZLES for _, _, placement in found)
    assert mean(right for right, _, _ in found) >= floor
    assert mean(false for _, false, _ in found) <= falsely


def test_fewer_puzzles_where_the_answers_agree() -> None:
    assert len(played("beginner", 0)[2].answers) < MOST_PUZZLES


def test_what_has_a_card_is_neither_asked_nor_placed_but_tells() -> None:
    without, with_card = Placement.begin(CHAIN), Placement.begin(CHAIN, {"a.three": True, "gone.drill": True})
    assert with_card.belief.known["a.two"] > without.belief.known["a.two"]
    assert with_card.open == ["a.one", "a.two", "a.four", "b.one"]
    assert {"a.one", "a.two"} <= with_card.known() <= set(with_card.open)
    assert "a.three" not in with_card.with_known([], ["a.four"])
    everything = Placement.begin(CHAIN, dict.fromkeys(CHAIN, True))
    assert everything.next is None
    assert everything.known() == frozenset()


def test_an_empty_catalog() -> None:
    assert Placement.begin({}).next is None
    assert Placement.begin({}).known() == frozenset()


def test_a_correction_draws_along_what_it_must() -> None:
    placement = Placement.begin(CHAIN)
    assert placement.with_known([], ["a.three"]) == {"a.one", "a.two", "a.three"}
    assert placement.without_known(["a.one", "a.two", "a.three", "b.one"], ["a.two"]) == {"a.one", "b.one"}


def test_more_evidence_and_more_depth_mean_more_days() -> None:
    placement = answered(CHAIN, ("a.two", RIGHT), ("a.four", RIGHT))
    days = placement.stabilities(CHAIN)
    assert days["b.one"] == FIRST_DAYS
    assert days["b.one"] < days["a.four"] < days["a.three"] < days["a.two"] < days["a.one"]


def test_not_too_many_come_back_on_a_day(catalog: Catalog) -> None:
    placement = Placement.begin(catalog.after)
    days = placement.stabilities(catalog)
    assert set(Counter(days.values()).values()) <= set(range(1, A_DAY + 1))
    assert min(days.values()) == FIRST_DAYS
    assert max(days.values()) <= FIRST_DAYS + len(catalog) // A_DAY, (
        "with no evidence there is no reason to wait longer"
    )


@st.composite
def catalogs(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    """Up to ten drills in three tracks, each after some of those before it; in any order."""
    after: dict[str, tuple[str, ...]] = {}
    for number in range(draw(st.integers(1, 10))):
        before = draw(st.lists(st.sampled_from(sorted(after)), unique=True, max_size=3)) if after else []
        after[f"{draw(st.sampled_from('abc'))}.{number}"] = tuple(before)
    return {drill: after[drill] for drill in draw(st.permutations(sorted(after)))}


@settings(max_examples=15, deadline=None)
@given(after=catalogs(), outcomes=st.lists(st.sampled_from(Outcome), min_size=10, max_size=10), data=st.data())
def test_any_placement(after: dict[str, tuple[str, ...]], outcomes: list[Outcome], data: st.DataObject) -> None:
    """It ends, asks nothing twice, says the same again, and what it holds to be known rests on what is known."""
    placement = Placement.begin(after)
    while (drill := placement.next) is not None:
        assert drill not in placement.answers
        placement = placement.answered(drill, outcomes[len(placement.answers)])
    assert len(placement.answers) <= MOST_PUZZLES
    again = answered(after, *placement.answers.items())
    assert (again.known(), again.next) == (placement.known(), None)

    def closed(known: frozenset[str]) -> bool:
        return all(known.issuperset(after[drill]) for drill in known)

    known = placement.known()
    assert closed(known)
    one = data.draw(st.sampled_from(sorted(after)))
    more, less = placement.with_known(known, [one]), placement.without_known(known, [one])
    assert closed(more)
    assert closed(less)
    assert (one in more, one in less) == (True, False)
    days = placement.stabilities(more)
    assert days.keys() == more
    assert min(days.values(), default=FIRST_DAYS) >= FIRST_DAYS
    assert max(Counter(days.values()).values(), default=0) <= A_DAY


def test_the_benchmark_measures_the_catalog_as_it_is() -> None:
    assert simulated["catalog"]().after == built_in().after
