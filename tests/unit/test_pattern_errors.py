"""What einops refuses is explained in the puzzle's names, and nothing else is."""

from collections.abc import Iterable

import einops
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tensordrill.puzzles.pattern import render_call
from tensordrill.puzzles.pattern_errors import explain_pattern

AXES = ("seq", "head", "d_head")
SIZES = {"seq": 6, "head": 4, "d_head": 5}


def explained(pattern: str, operation: str, sizes: dict[str, int]) -> str | None:
    reduction = "sum" if operation == "reduce" else ""
    source = f"answer = {render_call(operation, 'x', pattern, reduction, sizes)}"
    return explain_pattern(source, "x", AXES, SIZES)


def raises(pattern: str, operation: str, sizes: dict[str, int]) -> bool:
    call = render_call(operation, "x", pattern, "sum" if operation == "reduce" else "", sizes)
    try:
        eval(call, {"einops": einops, "x": np.zeros(tuple(SIZES.values()))})
    except (einops.EinopsError, ValueError):
        return True
    return False


@pytest.mark.parametrize(
    ("pattern", "sizes", "said"),
    [
        ("a b -> b a", {}, "x has 3 axes (seq, head, d_head), and the left side of your pattern has 2."),
        ("a b c -> a b", {}, "c stands left of the arrow and not right of it: rearrange keeps every axis."),
        ("a b c -> a b c d", {}, "d stands right of the arrow and not left of it: rearrange makes no new axis."),
        ("a a c -> a c", {}, "Left of the arrow a stands twice; each axis is named once."),
        ("(a b) c d -> a b c d", {"b": 4}, "You take seq apart, which has size 6: it is no multiple of b = 4."),
        ("a (b c) d -> a b c d", {}, "In (b c) the sizes of b and c are not known; all but one must be passed."),
        ("a 1 d -> a d", {}, "Your 1 stands where head is, which has size 4."),
        ("a b c -> a b c", {"c": 7}, "Your axis c has size 7 (c = 7), and d_head, where it stands, has 5."),
    ],
)
def test_the_sentence(pattern: str, sizes: dict[str, int], said: str) -> None:
    assert explained(pattern, "rearrange", sizes) == said
    assert raises(pattern, "rearrange", sizes)


def sides(names: Iterable[str]) -> st.SearchStrategy[str]:
    axis = st.one_of(
        st.sampled_from([*names, "1"]),
        st.lists(st.sampled_from([*names]), min_size=1, max_size=2).map(lambda several: f"({' '.join(several)})"),
    )
    return st.lists(axis, min_size=2, max_size=4).map(" ".join)


@settings(max_examples=400)
@given(
    st.sampled_from(["rearrange", "reduce", "repeat"]),
    sides("abcd"),
    sides("abcd"),
    st.dictionaries(st.sampled_from("abcd"), st.integers(2, 5), max_size=2),
)
def test_it_is_explained_where_einops_raises(operation: str, left: str, right: str, sizes: dict[str, int]) -> None:
    pattern = f"{left} -> {right}"
    assert (explained(pattern, operation, sizes) is not None) == raises(pattern, operation, sizes)
