"""The generators' randomness: pinned, within its bounds, and independent of what Python may change."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tensordrill.rng import Rng

keys = st.text(max_size=20)
PINNED: list[object] = [
    -8,
    449630698335,
    True,
    False,
    "a",
    [98, 73, 36, 47],
    ["c", "d", "b", "e", "a"],
    [3, 6, 5],
    [2, -2],
    [[-5, -2, -9], [-4, -7, 0]],
    [1, 0],
]


def draws(key: str) -> list[object]:
    rng = Rng(key, 2)
    return [
        rng.integer(-9, 9),
        rng.integer(0, 2**40),
        rng.chance(),
        rng.chance(0.1),
        rng.pick("abcdefgh"),
        rng.sample(range(100), 4),
        rng.shuffled("abcde"),
        rng.sizes(3),
        rng.distinct(2, -5, 5),
        rng.ints(2, 3),
        rng.ints(2, low=0, high=1),
    ]


def test_the_values_never_change() -> None:
    """Whoever changes these changes every puzzle that was ever quoted by its seed."""
    assert draws("einsum.random/1/7") == PINNED


def test_python_may_change_all_but_random(monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(*_args: object, **_named: object) -> None:
        raise AssertionError("only random() keeps its sequence from one Python to the next")

    for name in ("choice", "choices", "sample", "shuffle", "randint", "randrange", "getrandbits", "uniform", "gauss"):
        monkeypatch.setattr(random.Random, name, changed)
    assert draws("einsum.random/1/7") == PINNED


def test_the_global_state_is_neither_used_nor_changed() -> None:
    random.seed(1)
    state = random.getstate()
    first = draws("key")
    assert random.getstate() == state
    random.seed(2)
    assert draws("key") == first


def test_keys_tell_puzzles_apart() -> None:
    assert len({str(draws(f"einsum.random/1/{seed}")) for seed in range(200)}) == 200


@given(key=keys, low=st.integers(-(10**6), 10**6), span=st.integers(0, 10**6))
def test_integers_stay_within_both_bounds(key: str, low: int, span: int) -> None:
    assert low <= Rng(key).integer(low, low + span) <= low + span


@given(key=keys)
def test_every_value_of_a_small_range_is_drawn(key: str) -> None:
    rng = Rng(key)
    counts = Counter(rng.integer(1, 3) for _ in range(3000))
    assert set(counts) == {1, 2, 3}
    assert min(counts.values()) > 800


@given(key=keys, items=st.lists(st.integers(), min_size=1, max_size=20))
def test_a_pick_is_one_of_them(key: str, items: list[int]) -> None:
    assert Rng(key).pick(items) in items


@given(key=keys, items=st.lists(st.integers(), max_size=20), data=st.data())
def test_a_sample_takes_each_item_once(key: str, items: list[int], data: st.DataObject) -> None:
    kept = list(items)
    count = data.draw(st.integers(0, len(items)))
    sample = Rng(key).sample(items, count)
    assert len(sample) == count
    assert not Counter(sample) - Counter(items)
    assert sorted(Rng(key).shuffled(items)) == sorted(items)
    assert items == kept


@given(key=keys, count=st.integers(0, 5))
def test_sizes_are_distinct_and_never_one(key: str, count: int) -> None:
    sizes = Rng(key).sizes(count)
    assert len(set(sizes)) == len(sizes) == count
    assert all(2 <= size <= 6 for size in sizes)


def test_what_is_not_there_is_not_drawn() -> None:
    rng = Rng("key")
    with pytest.raises(ValueError, match="cannot take 3 of 2"):
        rng.sample("ab", 3)
    with pytest.raises(ValueError, match="cannot take 6 of 5"):
        rng.sizes(6)
    with pytest.raises(ValueError, match="cannot take 3 of 2"):
        rng.distinct(3, 1, 2)
    with pytest.raises(IndexError):
        rng.pick("")


def test_ints_have_the_shape_asked_for() -> None:
    rows = Rng("key").ints(2, 3, low=4, high=4)
    assert rows == [[4, 4, 4], [4, 4, 4]]
