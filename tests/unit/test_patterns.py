"""Patterns as data: which ones do the same, and which sizes a call needs."""

import re

import pytest

from tensordrill.authoring import Rng
from tensordrill.building.patterns import Pattern, Side, needed, spelled
from tensordrill.building.variants import silent


def sides(text: str) -> tuple[Side, Side]:
    """`"b (h d) -> b h d"` as the two sides of a pattern."""
    left, right = (
        tuple(tuple(part.strip("()").split()) for part in re.findall(r"\([^)]*\)|\S+", side))
        for side in text.split("->")
    )
    return left, right


SPLIT = Pattern.named("batch d_model", "head batch d_head", {"d_model": "head d_head"}, given={"head": 4})
PLANE = {"height": "h p1", "width": "w p2", "patch": "h w", "value": "p1 p2"}
CUT = Pattern.named("height width", "patch value", PLANE, given={"p1": 2, "p2": 2})
FOLD = Pattern.named("a b c", "c all", {"all": "a b"})
MEAN = Pattern(left=(("a",), ("b",), ("c",)), right=(("c",),), operation="reduce", reduction="mean")
TILE = Pattern(left=(("a",),), right=(("n", "a"),), given={"n": 3}, merged={("n", "a"): "long"}, operation="repeat")


def test_a_pattern_is_told_by_the_names_of_its_axes() -> None:
    assert (spelled(SPLIT.left), spelled(SPLIT.right)) == ("batch (head d_head)", "head batch d_head")
    assert (SPLIT.stored, SPLIT.wanted) == (["batch", "d_model"], ["head", "batch", "d_head"])
    assert CUT.merged == {("h", "p1"): "height", ("w", "p2"): "width", ("h", "w"): "patch", ("p1", "p2"): "value"}


@pytest.mark.parametrize(
    ("it", "pattern", "same"),
    [
        (SPLIT, "b (head d) -> head b d", True),
        (SPLIT, "b (d head) -> d b head", False),  # the size stands elsewhere
        (SPLIT, "b (d head) -> head b d", False),
        (CUT, "(h p2) (w p1) -> (h w) (p2 p1)", True),  # both sizes are 2
        (CUT, "(h p1) (w p2) -> (h w) (p2 p1)", False),
        (CUT, "(p1 h) (w p2) -> (p1 w) (h p2)", False),
        (FOLD, "x y z -> z (x y)", True),
        (FOLD, "x y z -> z (y x)", False),
        (MEAN, "y x z -> z", True),
        (MEAN, "y z x -> z", False),
        (TILE, "t -> (n t)", True),
        (TILE, "t -> (t n)", False),
    ],
)
def test_patterns_that_do_the_same_mean_the_same(it: Pattern, pattern: str, *, same: bool) -> None:
    assert (it.meaning(*sides(pattern)) == it.meaning(it.left, it.right)) is same


def test_what_is_taken_apart_and_put_together_again_counts_as_one() -> None:
    it = Pattern.named("long c", "c long", {"long": "a b"}, given={"a": 2})
    assert it.meaning(*sides("(a b) c -> c (a b)")) == it.meaning(*sides("x c -> c x"))


@pytest.mark.parametrize("seed", range(20))
def test_a_call_needs_all_sizes_of_a_bracket_but_one(seed: int) -> None:
    side = (("b",), ("h", "w"), ("p", "q", "c"))
    passed = needed(Rng(str(seed)), side, {"h": 3, "w": 4, "p": 2, "q": 5})
    assert passed in ({"h": 3, "p": 2, "q": 5}, {"p": 2, "q": 5, "w": 4})
    assert list(passed) == sorted(passed)


def test_a_mistake_is_silent_where_the_shapes_stay() -> None:
    square = Pattern.named("height width", "patch value", PLANE, given={"p1": 3, "p2": 3}, fixed={"h": 3, "w": 3})
    assert silent(square, *sides("(p1 h) (p2 w) -> (h w) (p1 p2)"))
    assert not silent(square, *sides("(h p1) (w p2) -> h w (p1 p2)"))
    assert not silent(square, square.left, square.right)
    assert not silent(CUT, *sides("(h p1) (w p2) -> (p1 p2) (h w)"))
