"""What counts as the same result: kind, shape, dtype, values, strictly and never by broadcasting."""

import math
import struct

import pytest

from tensordrill.domain import Status
from tensordrill.judge.comparing import compare, compare_said
from tensordrill.judge.values import Items, Observed, Other, Raised, Scalar, TensorValue, Value
from tensordrill.puzzles import Said

NAN, INF = math.nan, math.inf
HUGE = 1.7e308  # a complex number of two of them has an absolute value that no float can hold


def tensor(*elements: bool | complex, shape: tuple[int, ...] | None = None, dtype: str = "float64") -> TensorValue:
    return TensorValue(dtype, (len(elements),) if shape is None else shape, elements)


def status(expected: Value, got: Value, *, dtypes_matter: bool = False) -> Status | None:
    difference = compare(seen(expected), seen(got), dtypes_matter=dtypes_matter)
    return difference.status if difference else None


def seen(value: Value) -> Observed:
    return Observed((("the result", value),))


def float32(value: float) -> float:
    [rounded] = struct.unpack("<f", struct.pack("<f", value))
    return float(rounded)


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (tensor(1.0, 2.0), tensor(1.0, 2.0)),
        (tensor(0.1 + 0.2 + 0.3), tensor(0.3 + 0.2 + 0.1)),  # a sum in another order
        (tensor(1e6, -3e-11), tensor(1e6, 0.0)),  # cancellation beside a large entry
        (tensor(0.1, 0.2), tensor(float32(0.1), float32(0.2), dtype="float32")),  # honest float32
        (tensor(1 / 3, dtype="float16"), tensor(0.333, dtype="bfloat16")),
        (tensor(NAN, INF, -INF), tensor(NAN, INF, -INF)),
        (tensor(3, dtype="int64"), tensor(3, dtype="int32")),
        (tensor(True, False, dtype="bool"), tensor(True, False, dtype="bool")),
        (tensor(1 + 2j, dtype="complex128"), tensor(1 + 2j, dtype="complex128")),
        (tensor(5.0, shape=()), tensor(5.0, shape=())),
        (tensor(shape=(0, 3)), tensor(shape=(0, 3))),
        (Scalar("float", 0.3), Scalar("float", 0.1 + 0.2)),
        (Scalar("int", 3), Scalar("float", 3.0)),  # `count / 2` for `count // 2`
        (Items("list", (Scalar("float", 2.0),)), Items("list", (Scalar("int", 2),))),
        (Items("list", (tensor(1.0),)), Items("list", (tensor(1.0),))),
        (Items("dict", (tensor(1.0),), ("w",)), Items("dict", (tensor(1.0),), ("w",))),
        # In another order: a dict is the same.
        (Items("dict", (tensor(1.0), tensor(2.0)), ("w", "b")), Items("dict", (tensor(2.0), tensor(1.0)), ("b", "w"))),
        (Items("tuple", (tensor(1.0), tensor(2.0))), Items("list", (tensor(1.0), tensor(2.0)))),  # "a pair" is either
    ],
)
def test_the_same(expected: Value, got: Value) -> None:
    assert status(expected, got) is None


@pytest.mark.parametrize(
    ("expected", "got", "wrong"),
    [
        # broadcasting would hide each of these
        (tensor(1.0, 1.0), tensor(1.0, shape=()), Status.WRONG_SHAPE),
        (tensor(1.0, 1.0), tensor(1.0), Status.WRONG_SHAPE),
        (tensor(1.0, 2.0), tensor(1.0, 2.0, shape=(1, 2)), Status.WRONG_SHAPE),
        (tensor(1.0, 2.0, shape=(2, 1)), tensor(1.0, 2.0, shape=(1, 2)), Status.WRONG_SHAPE),
        (tensor(shape=(0, 3)), tensor(shape=(3, 0)), Status.WRONG_SHAPE),
        (tensor(5.0), Scalar("float", 5.0), Status.WRONG_VALUE),
        (tensor(5.0, shape=()), Scalar("float", 5.0), Status.WRONG_VALUE),
        (tensor(5.0), TensorValue("float64", (1,), (5.0,), "array"), Status.WRONG_VALUE),
        (tensor(5.0), Items("list", (Scalar("float", 5.0),)), Status.WRONG_VALUE),
        (tensor(1.0), tensor(1, dtype="int64"), Status.WRONG_DTYPE),
        (tensor(1.0), tensor(True, dtype="bool"), Status.WRONG_DTYPE),
        (tensor(1, dtype="int64"), tensor(True, dtype="bool"), Status.WRONG_DTYPE),
        (tensor(1.0), tensor(1 + 0j, dtype="complex128"), Status.WRONG_DTYPE),
        (tensor(1 / 3), tensor(0.333, dtype="float16"), Status.WRONG_DTYPE),  # a percent off would pass
        (tensor(1.0, 2.0), tensor(2.0, 1.0), Status.WRONG_VALUE),
        (tensor(1.0), tensor(1.0 + 1e-6), Status.WRONG_VALUE),  # float64 tells what float32 could not
        (tensor(1.0), tensor(1.0 + 1e-3, dtype="float32"), Status.WRONG_VALUE),
        (tensor(10, dtype="int64"), tensor(11, dtype="int64"), Status.WRONG_VALUE),
        (tensor(10**15, dtype="int64"), tensor(10**15 + 1, dtype="int64"), Status.WRONG_VALUE),
        (tensor(NAN, 1.0), tensor(1.0, NAN), Status.WRONG_VALUE),
        (tensor(NAN), tensor(0.0), Status.WRONG_VALUE),
        (tensor(INF), tensor(-INF), Status.WRONG_VALUE),
        (tensor(INF), tensor(1e308), Status.WRONG_VALUE),
        (tensor(1j, dtype="complex128"), tensor(complex(HUGE, HUGE), dtype="complex128"), Status.WRONG_VALUE),
        (tensor(complex(HUGE, HUGE), dtype="complex128"), tensor(1j, dtype="complex128"), Status.WRONG_VALUE),
        (tensor(1j, complex(0, INF), dtype="complex128"), tensor(1j, 1j, dtype="complex128"), Status.WRONG_VALUE),
        (Scalar("float", 0.5), Scalar("int", 10**3999), Status.WRONG_VALUE),
        (Scalar("int", 5), Scalar("int", -(10**3999)), Status.WRONG_VALUE),
        (tensor(INF, 1.0), tensor(INF, 2.0), Status.WRONG_VALUE),
        (Scalar("int", 1), Scalar("bool", True), Status.WRONG_VALUE),
        (Scalar("int", 1), Scalar("float", 1.5), Status.WRONG_VALUE),
        (Scalar("float", 0.0), Scalar("bool", False), Status.WRONG_VALUE),
        (Items("list", (tensor(1.0),)), Items("dict", (tensor(1.0),), ("0",)), Status.WRONG_VALUE),
        (Items("list", (tensor(1.0),)), Items("list", (tensor(1.0), tensor(1.0))), Status.WRONG_SHAPE),
        (Items("dict", (tensor(1.0),), ("w",)), Items("dict", (tensor(1.0),), ("b",)), Status.WRONG_SHAPE),
        (
            Items("dict", (tensor(1.0), tensor(2.0)), ("w", "b")),
            Items("dict", (tensor(1.0), tensor(2.0)), ("b", "w")),
            Status.WRONG_VALUE,
        ),
        (Items("list", (tensor(1.0), tensor(2.0))), Items("list", (tensor(1.0), tensor(3.0))), Status.WRONG_VALUE),
        (Other("function"), Other("function"), Status.WRONG_VALUE),
    ],
)
def test_not_the_same(expected: Value, got: Value, wrong: Status) -> None:
    assert status(expected, got) is wrong


@pytest.mark.parametrize(
    ("expected", "got", "told"),
    [
        (Items("dict", (tensor(1.0),), ("'w'",)), Items("dict", (), ()), "It: the key 'w' is missing."),
        (Items("dict", (), ()), Items("dict", (tensor(1.0),), ("'w'",)), "It: the key 'w' is one too many."),
        (Items("list", (tensor(1.0),)), Items("list", ()), "It: the number of items is 0, not 1."),
    ],
)
def test_what_is_missing_is_named(expected: Value, got: Value, told: str) -> None:
    found = compare(Observed((("it", expected),)), Observed((("it", got),)))
    assert found
    assert found.sentence == told


def test_epsilon_inside_the_root_is_told_from_epsilon_outside() -> None:
    xs = [0.5, -1.25, 2.0, 0.125]
    mean_square = sum(x * x for x in xs) / len(xs)
    inside = tensor(*(x / math.sqrt(mean_square + 1e-5) for x in xs))
    outside = tensor(*(x / (math.sqrt(mean_square) + 1e-5) for x in xs))
    assert status(inside, outside) is Status.WRONG_VALUE


def test_an_honest_float32_softmax_passes_and_an_unstable_one_does_not() -> None:
    logits = [3.0, -1.0, 0.5, 2.25]
    exact = [math.exp(x) for x in logits]
    total = sum(exact)
    expected = tensor(*(e / total for e in exact))
    rounded = [float32(math.exp(float32(x))) for x in logits]
    honest = tensor(*(float32(r / float32(sum(rounded))) for r in rounded), dtype="float32")
    assert status(expected, honest) is None
    unstable = tensor(*([NAN] * 4), dtype="float32")
    assert status(expected, unstable) is Status.WRONG_VALUE


def test_precision_counts_only_where_the_drill_is_about_dtypes() -> None:
    assert status(Scalar("int", 1), Scalar("float", 1.0), dtypes_matter=True) is Status.WRONG_VALUE
    assert status(tensor(1.0), tensor(1.0, dtype="float32")) is None
    assert status(tensor(1.0), tensor(1.0, dtype="float32"), dtypes_matter=True) is Status.WRONG_DTYPE


def test_the_first_observation_that_differs_is_named() -> None:
    expected = Observed((("the logits", tensor(1.0)), ("the model afterwards", tensor(2.0))))
    got = Observed((("the logits", tensor(1.0)), ("the model afterwards", tensor(3.0))))
    difference = compare(expected, got)
    assert difference is not None
    assert difference.where == "the model afterwards"
    assert "The model afterwards" in difference.sentence


def test_errors() -> None:
    raised = Observed(raised=Raised("RuntimeError", "sizes differ"))
    other = Observed(raised=Raised("TypeError", "no"))
    assert compare(raised, raised) is None
    found = compare(raised, other)
    assert found is not None
    assert found.status is Status.RAISED
    found = compare(raised, seen(tensor(1.0)))
    assert found is not None
    assert found.status is Status.WRONG_VALUE


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (tensor(5.0, 7.0, 9.0), [5, 7, 9]),
        (tensor(5.0, shape=()), 5),
        (tensor(1 / 3, shape=()), 0.3333),
        (tensor(1 / 3, shape=()), 1 / 3),
        (tensor(1, 2, 3, 4, shape=(2, 2), dtype="int64"), [[1, 2], [3, 4]]),
        (tensor(NAN, INF), [NAN, INF]),
        (tensor(True, False, dtype="bool"), [True, False]),
        (Scalar("bool", True), True),
        (Scalar("dtype", "torch.float32"), "torch.float32"),
        (Scalar("None", None), None),
        (Items("tuple", (Scalar("int", 2), Scalar("int", 3))), (2, 3)),
        (Items("list", (tensor(1.0, 2.0), tensor(3.0, 4.0))), [[1, 2], [3, 4]]),
        (tensor(shape=(0,)), []),
    ],
)
def test_predictions_that_are_right(value: Value, said: object) -> None:
    assert compare_said(seen(value), Said(said)) is None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (tensor(5.0, 7.0, 9.0), [5, 7, 8]),
        (tensor(5.0, 7.0, 9.0), [5, 7]),
        (tensor(5.0, 5.0), 5),
        (tensor(5.0), 5),
        (tensor(5.0, shape=()), [5]),
        (tensor(1 / 3, shape=()), 0.33),
        (tensor(1000.0, shape=()), 1000.4),  # a whole number is meant to the last digit
        (tensor(1, 2, 3, 4, shape=(2, 2), dtype="int64"), [1, 2, 3, 4]),
        (tensor(1, 2, 3, 4, shape=(2, 2), dtype="int64"), [[1, 2, 3, 4]]),
        (tensor(1, 2, 3, 4, shape=(2, 2), dtype="int64"), [[1, 2], [3]]),
        (tensor(True, False, dtype="bool"), [1, 0]),
        (tensor(1, 0, dtype="int64"), [True, False]),
        (Scalar("None", None), 0),
        (Scalar("None", None), False),
        (Scalar("dtype", "torch.float32"), "torch.float64"),
        (Items("tuple", (Scalar("int", 2), Scalar("int", 3))), (2, 3, 1)),
        (tensor(NAN), [0]),
        (tensor(INF), [-INF]),
        (tensor(shape=(0,)), [0]),
        (tensor(0.0), []),
    ],
)
def test_predictions_that_are_wrong(value: Value, said: object) -> None:
    assert compare_said(seen(value), Said(said)) is not None


@pytest.mark.parametrize(
    ("value", "said", "told"),
    [
        (tensor(1.0, 2.0), [[1, 2]], "It has shape (2,); yours has shape (1, 2)."),
        (tensor(1.0, 2.0), 1, "It has shape (2,); yours is a single value."),
        (tensor(1.0, shape=()), [1], "It is a single value; yours has shape (1,)."),
        (Items("tuple", (Scalar("int", 2),)), (2, 3), "It has 1 number; yours has 2."),
        (tensor(1.0, 2.0), [[1], 2], "Your numbers are not nested as those of the result."),
    ],
)
def test_a_prediction_of_another_shape_is_told_whose_is_whose(value: Value, said: object, told: str) -> None:
    found = compare_said(seen(value), Said(said))
    assert found
    assert found.sentence == told


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ([0, 2], "True or False is asked for, not 0."),
        ([True, True], "A number is asked for, not True."),
    ],
)
def test_a_prediction_of_another_kind_is_told_which_entry_is_meant(said: object, told: str) -> None:
    found = compare_said(seen(Items("list", (Scalar("bool", value=True), Scalar("int", 2)))), Said(said))
    assert found
    assert found.sentence == told


def test_an_error_is_predicted_or_not() -> None:
    raised = Observed(raised=Raised("RuntimeError", "sizes differ"))
    assert compare_said(raised, Said(error=True)) is None
    assert compare_said(raised, Said((2, 3))) is not None
    assert compare_said(seen(tensor(1.0)), Said(error=True)) is not None
