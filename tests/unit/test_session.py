"""The session: what can be done when, what is asked next, and that nothing is ever lost."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tensordrill.domain import Mode
from tensordrill.session import GAP, Item, Phase, Result, Session

Action = Callable[[Session], Session]

ACTIONS: dict[str, Action] = {
    "example_read": Session.example_read,
    "hinted": Session.hinted,
    "right": lambda session: session.answered(correct=True),
    "wrong": lambda session: session.answered(correct=False),
    "shown": Session.shown,
    "replaced": Session.replaced,
    "advanced": Session.advanced,
    "undone": lambda session: session.undone(session.current.drill if session.current else "gone", 1),
}
LEGAL = {
    Phase.EXAMPLE: {"example_read", "advanced", "undone"},
    Phase.ASKING: {"hinted", "right", "wrong", "shown", "replaced", "advanced", "undone"},
    Phase.SOLVED: {"advanced", "undone"},
    Phase.SHOWN: {"advanced", "undone"},
    Phase.OVER: {"advanced", "undone"},
}


def session(*drills: str, mode: Mode = Mode.REVIEW, new: bool = False, again: bool = False) -> Session:
    return Session.begin(mode, [Item(drill, 1, new, again) for drill in drills])


def played(start: Session, *names: str) -> Session:
    for name in names:
        start = ACTIONS[name](start)
    return start


def asked(start: Session) -> str | None:
    return start.current.drill if start.current else None


@pytest.mark.parametrize(
    ("actions", "phase"),
    [
        ([], Phase.ASKING),
        (["hinted"], Phase.ASKING),
        (["wrong"], Phase.ASKING),
        (["replaced"], Phase.ASKING),
        (["right"], Phase.SOLVED),
        (["shown"], Phase.SHOWN),
        (["right", "advanced"], Phase.OVER),
        (["advanced"], Phase.OVER),
        (["advanced", "advanced"], Phase.OVER),
        (["wrong", "advanced"], Phase.ASKING),  # again
    ],
)
def test_phases(actions: list[str], phase: Phase) -> None:
    assert played(session("a"), *actions).phase is phase


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("name", ACTIONS)
def test_what_is_not_possible_now_is_refused(phase: Phase, name: str) -> None:
    here = {
        Phase.EXAMPLE: session("a", new=True),
        Phase.ASKING: session("a"),
        Phase.SOLVED: played(session("a"), "right"),
        Phase.SHOWN: played(session("a"), "shown"),
        Phase.OVER: session(),
    }[phase]
    assert here.phase is phase
    if name in LEGAL[phase]:
        ACTIONS[name](here)
    else:
        with pytest.raises(ValueError, match=f"the session is {phase}"):
            ACTIONS[name](here)


def test_without_items_it_is_over_at_once() -> None:
    empty = session()
    assert (empty.phase, empty.current, empty.left) == (Phase.OVER, None, 0)
    assert empty.advanced() == empty


def test_a_new_drill_begins_with_its_example_and_the_others_do_not() -> None:
    new = session("a", "b", new=True)
    assert new.phase is Phase.EXAMPLE
    assert played(new, "example_read", "right", "advanced").phase is Phase.EXAMPLE
    assert session("a").phase is Phase.ASKING


def test_a_missed_new_drill_comes_back_without_its_example() -> None:
    back = played(session("a", new=True), "example_read", "wrong", "right", "advanced")
    assert back.current == Item("a", 1, new=False, again=True)
    assert back.phase is Phase.ASKING


@pytest.mark.parametrize(
    ("actions", "solved", "alone"),
    [
        (["right"], True, True),
        (["hinted", "right"], True, False),
        (["wrong", "right"], True, False),
        (["shown"], False, False),
        (["wrong"], False, False),
        ([], False, False),
        (["wrong", "replaced", "right"], True, True),  # the fault was ours: as if it had not been
        (["hinted", "replaced", "right"], True, True),
    ],
)
@pytest.mark.parametrize("mode", Mode)
def test_results(mode: Mode, actions: list[str], *, solved: bool, alone: bool) -> None:
    over = played(session("a", mode=mode), *actions, "advanced")
    missed = "shown" in actions or ("wrong" in actions and "replaced" not in actions)
    assert over.results == (Result(Item("a", 1), solved, alone, missed),)


@pytest.mark.parametrize(
    ("actions", "again", "returns"),
    [
        (["right"], False, False),
        (["hinted", "right"], False, False),  # Hard, and no miss
        ([], False, False),  # skipped: it stays for the next session
        (["wrong", "right"], False, True),
        (["wrong"], False, True),
        (["shown"], False, True),
        (["right"], True, False),
        (["hinted", "right"], True, True),  # once more, until alone
        (["wrong", "right"], True, True),
        (["shown"], True, True),
        ([], True, False),
    ],
)
def test_what_comes_back(actions: list[str], *, again: bool, returns: bool) -> None:
    after = played(session("a", again=again), *actions, "advanced")
    assert after.current == (Item("a", 1, again=True) if returns else None)
    practised = played(session("a", mode=Mode.PRACTICE, again=again), *actions, "advanced")
    assert practised.phase is Phase.OVER


@pytest.mark.parametrize("others", range(GAP + 3))
def test_a_missed_drill_comes_back_after_a_few_others(others: int) -> None:
    here = played(session("missed", *(f"other-{n}" for n in range(others))), "wrong", "advanced")
    order = []
    while here.current:
        order.append(here.current.drill)
        here = played(here, "right", "advanced")
    assert order.index("missed") == min(others, GAP)
    assert len(order) == others + 1


def test_counts_start_anew_with_each_puzzle() -> None:
    busy = played(session("a", "b"), "hinted", "wrong", "wrong")
    assert (busy.attempts, busy.hints, busy.missed) == (2, 1, True)
    fresh = busy.advanced()
    assert (fresh.attempts, fresh.hints, fresh.missed) == (0, 0, False)
    assert asked(fresh) == "b"


@pytest.mark.parametrize("last", ["right", "wrong", "shown"])
def test_what_was_taken_back_is_asked_once_more(last: str) -> None:
    here = played(session("a", "b", "c"), last, "advanced").undone("a", 1)
    assert here.current == Item("a", 1)
    assert [item.drill for item in here.waiting] == ["b", "c"]
    assert (here.phase, here.results, here.attempts, here.missed) == (Phase.ASKING, (), 0, False)


def test_a_wrong_answer_that_is_taken_back_leaves_the_puzzle_open_as_if_untouched() -> None:
    here = played(session("a", "b"), "hinted", "wrong").undone("a", 1)
    assert here == played(session("a", "b"), "hinted")


def test_a_solution_that_is_taken_back_leads_to_a_fresh_puzzle() -> None:
    here = played(session("a", "b", again=True), "shown").undone("a", 1)
    assert here.current == Item("a", 1, again=True)
    assert [item.drill for item in here.waiting] == ["b"]


def test_what_an_earlier_session_rated_can_be_taken_back() -> None:
    here = session("b").undone("a", 2)
    assert (here.current, here.waiting) == (Item("a", 2), (Item("b", 1),))
    assert session().undone("a", 2).current == Item("a", 2)


items = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8).flatmap(
    lambda drills: st.tuples(*(st.builds(Item, st.just(d), st.integers(1, 3), st.booleans()) for d in drills))
)
choices = st.lists(st.sampled_from(sorted(set(ACTIONS) - {"undone"})), max_size=60)


@settings(max_examples=300)
@given(mode=st.sampled_from(Mode), items=items, choices=choices)
def test_nothing_is_lost_whatever_is_done(mode: Mode, items: tuple[Item, ...], choices: list[str]) -> None:
    here = Session.begin(mode, items)
    returned = Counter[str]()  # how often each drill was put back
    debts: dict[str, int] = {}  # missed drills, and how many others came since
    for name in choices:
        if name not in LEGAL[here.phase]:
            continue
        before, here = here, ACTIONS[name](here)
        if name != "advanced" or before.current is None:
            assert (here.waiting, here.results) == (before.waiting, before.results)
            assert asked(here) == asked(before)
            continue
        drill = before.current.drill
        result = here.results[-1]
        assert here.results[:-1] == before.results
        assert result == replace(result, item=before.current, solved=before.phase is Phase.SOLVED)
        assert result.missed is before.missed
        assert not result.alone or (result.solved and before.attempts == 1 and not before.hints)
        if missed := mode is Mode.REVIEW and (
            before.missed or (before.current.again and result.solved and not result.alone)
        ):
            returned[drill] += 1
        if here.current and here.current.drill != drill:
            debts = {name: others + 1 for name, others in debts.items()}
        debts.pop(drill, None)
        if missed:
            debts[drill] = int(asked(here) != drill)
        debts.pop(asked(here) or "", None)
        assert all(others <= GAP for others in debts.values())
        everything = Counter(r.item.drill for r in here.results)
        everything.update(item.drill for item in here.waiting)
        everything.update([here.current.drill] if here.current else [])
        assert everything == Counter(item.drill for item in items) + returned
        assert here.left + len(here.results) == len(items) + returned.total()
        assert (here.phase is Phase.OVER) == (here.current is None) == (here.left == 0)
    assert mode is Mode.REVIEW or not returned


@given(mode=st.sampled_from(Mode), items=items, choices=choices)
def test_from_anywhere_it_ends_once_all_is_solved_alone(
    mode: Mode, items: tuple[Item, ...], choices: list[str]
) -> None:
    here = Session.begin(mode, items)
    for name in choices:
        if name in LEGAL[here.phase]:
            here = ACTIONS[name](here)
    for _ in range(here.left + 1):  # the puzzle at hand may be spoilt already: it comes once more
        if here.phase is Phase.EXAMPLE:
            here = here.example_read()
        if here.phase is Phase.ASKING:
            here = here.answered(correct=True)
        here = here.advanced()
    assert here.phase is Phase.OVER
    last = {result.item.drill: result for result in here.results if result.item.again}
    assert all(result.alone or not result.solved for result in last.values())
