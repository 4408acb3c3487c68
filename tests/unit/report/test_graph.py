"""The map of the drills."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tensordrill.authoring import Drill
from tensordrill.catalog import Catalog, built_in
from tensordrill.report.graph import branches, dot, mermaid


def named(name: str, *after: str) -> Drill:
    return Drill(name, name, after, 1, None, lambda rng: (_ for _ in ()).throw(NotImplementedError(rng)))


def drawn(*drills: Drill) -> list[str]:
    return [f"{'.' * (len(branch.last) - 1)}{branch.drill.id} {branch.besides}" for branch in branches(drills)]


def test_a_drill_hangs_below_the_last_that_it_builds_on() -> None:
    a, b, c = named("t.a"), named("t.b", "t.a"), named("t.c", "t.a", "u.x")
    d, e = named("t.d", "t.b", "t.c"), named("t.e", "u.x")
    assert drawn(a, b, c, d, e) == ["t.a ()", ".t.b ()", ".t.c ('u.x',)", "..t.d ('t.b',)", "t.e ('u.x',)"]


def test_who_is_the_last_of_its_sisters() -> None:
    tree = branches([named("t.a"), named("t.b", "t.a"), named("t.c", "t.b"), named("t.d", "t.a")])
    assert [branch.last for branch in tree] == [(True,), (True, False), (True, False, True), (True, True)]


@given(st.lists(st.lists(st.integers(0, 9), max_size=3), max_size=10))
def test_every_drill_once_and_below_one_of_its_own(edges: list[list[int]]) -> None:
    drills = Catalog(
        named(f"t.{i}", *dict.fromkeys(f"t.{j % i}" for j in before if i)) for i, before in enumerate(edges)
    )
    path: list[str] = []
    seen = []
    for branch in branches(list(drills.values())):
        path[len(branch.last) - 1 :] = [branch.drill.id]
        seen.append(branch.drill.id)
        above = path[-2:-1]
        assert set(above) | set(branch.besides) == set(branch.drill.after)
    assert sorted(seen) == sorted(drills)


@pytest.mark.parametrize("draw", [mermaid, dot])
def test_every_state_is_drawn(draw: object) -> None:
    drills = list(built_in().values())
    states = ["locked", "new", "due", "missed", "learned"]
    text = draw(drills, {drill.id: states[i % 5] for i, drill in enumerate(drills)})  # type: ignore[operator]
    assert all(drill.id in text for drill in drills)
    assert not re.search(r"\t|\r", text)
