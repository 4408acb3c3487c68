"""The hidden instances: sizes that tell axes apart, sizes that hide nothing behind them, and no size 1."""

from hypothesis import given
from hypothesis import strategies as st

from tensordrill.judge.instances import instances
from tensordrill.puzzles import Setting, tensor

HEADS = Setting(tensors=(tensor("x", "batch seq d_model"),), sizes={"head": 4, "d_model": "head * d_head"})


@given(st.integers(0, 2**32))
def test_sizes(seed: int) -> None:
    setting = Setting(tensors=(tensor("Q", "batch head query d_head"), tensor("K", "batch head key d_head")))
    distinct, equal, floats = instances(setting, seed)
    for instance in (distinct, floats):
        assert len(set(instance.sizes.values())) == 5
        assert min(instance.sizes.values()) >= 2
    assert len(set(equal.sizes.values())) == 1
    assert [one.fill for one in (distinct, equal, floats)] == ["small", "wide", "floats"]


@given(st.integers(0, 2**32))
def test_fixed_and_derived_sizes(seed: int) -> None:
    distinct, equal, floats = instances(HEADS, seed)
    for instance in (distinct, equal, floats):
        assert instance.sizes["head"] == 4
        assert instance.sizes["d_model"] == 4 * instance.sizes["d_head"]
    assert len(set(distinct.sizes.values())) == len(distinct.sizes)
    assert {equal.sizes[axis] for axis in ("batch", "seq", "d_head")} == {4}


@given(st.integers(0, 2**32))
def test_a_tensor_listed_twice_ties_its_axes(seed: int) -> None:
    setting = Setting(tensors=(tensor("x", "row feature"), tensor("x", "other feature")))
    for instance in instances(setting, seed):
        assert instance.sizes["row"] == instance.sizes["other"]
        assert len(instance.as_json(setting.tensors)["tensors"]) == 1  # type: ignore[arg-type]


@given(st.integers(0, 2**32))
def test_an_ellipsis_stands_for_none_one_and_two_axes(seed: int) -> None:
    setting = Setting(tensors=(tensor("x", "... row column"),))
    shapes = [instance.as_json(setting.tensors)["tensors"][0][1] for instance in instances(setting, seed)]  # type: ignore[index]
    assert [len(shape) for shape in shapes] == [2, 3, 4]
    assert len(set(shapes[2])) == 4


def test_an_index_stays_below_its_axis() -> None:
    setting = Setting(tensors=(tensor("i", "batch", "index:row"),))
    for instance in instances(setting, 1):
        made = instance.as_json(setting.tensors)["tensors"][0]  # type: ignore[index]
        assert made == ["i", [instance.sizes["batch"]], "index", instance.sizes["row"]]


def test_the_same_seed_gives_the_same_instances() -> None:
    assert instances(HEADS, 7) == instances(HEADS, 7)
    assert instances(HEADS, 7) != instances(HEADS, 8)


def test_a_program_with_its_own_numbers_has_one() -> None:
    assert len(instances(Setting(instances=1), 1)) == 1
