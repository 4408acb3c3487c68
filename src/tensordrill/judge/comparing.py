"""Whether what was observed is what was expected: kind, then shape, then dtype, then values. Never by broadcasting."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tensordrill.domain import Status
from tensordrill.judge.values import Items, Observed, Other, Scalar, TensorValue, Value
from tensordrill.puzzles import Said

# Relative and absolute tolerance by the dtype of the answer. The absolute one is scaled by the largest entry expected,
# so that a sum in another order passes, and float64 still tells an epsilon inside a root from one outside.
TOLERANCES = {
    "float64": (1e-8, 1e-11),
    "float32": (1e-5, 1e-6),
    "float16": (2e-3, 1e-3),
    "bfloat16": (1.6e-2, 8e-3),
    "complex128": (1e-8, 1e-11),
    "complex64": (1e-5, 1e-6),
}
_COARSE = ("float16", "bfloat16")  # what is wrong by a percent passes in them
_EXACT = (0.0, 0.0)
_BY_HAND = (5e-4, 1e-9)  # a person gives about four digits
MARGIN = 100.0  # a wrong turn must be off by this many tolerances, or the puzzle does not tell it from the reference


@dataclass(frozen=True)
class Difference:
    """The first thing that is not as expected. `where` names the observation, `cells` the entries that differ."""

    status: Status
    where: str
    sentence: str
    expected: Value | None = None
    got: Value | None = None
    cells: frozenset[int] = frozenset()


def compare(expected: Observed, got: Observed, *, dtypes_matter: bool = False, slack: float = 1.0) -> Difference | None:
    """None where everything observed is as expected. `slack` multiplies the tolerances."""
    if got.raised:
        if expected.raised and expected.raised.type == got.raised.type:
            return None
        return Difference(Status.RAISED, "", f"It raised {got.raised.type}: {got.raised.message}")
    if expected.raised:
        return Difference(Status.WRONG_VALUE, "", f"It should raise {expected.raised.type}, and does not.")
    for (name, one), (_, other) in zip(expected.values, got.values, strict=True):
        if found := _difference(name, one, other, dtypes_matter=dtypes_matter, slack=slack):
            return found
    return None


def compare_said(expected: Observed, said: Said, *, slack: float = 1.0) -> Difference | None:
    """None where the learner's prediction is what the program gave."""
    if expected.raised:
        if said.error:
            return None
        return Difference(Status.WRONG_VALUE, "", f"It raises {expected.raised.type}: {expected.raised.message}")
    if said.error:
        return Difference(Status.WRONG_VALUE, "", "It does not raise.")
    [(name, value)] = expected.values
    return _difference_said(name, value, said.value, slack)


def category(dtype: str) -> str:
    """bool, integer, floating or complex: what must agree even where precision does not matter."""
    if dtype == "bool":
        return "bool"
    if dtype.startswith("complex"):
        return "complex"
    return "floating" if "float" in dtype else "integer"


def _difference(name: str, expected: Value, got: Value, *, dtypes_matter: bool, slack: float) -> Difference | None:
    def differs(status: Status, sentence: str, cells: frozenset[int] = frozenset()) -> Difference:
        return Difference(status, name, sentence, expected, got, cells)

    # Python's own 2 == 2.0 is true, and a pair may be a list.
    alike = not dtypes_matter and {expected.kind, got.kind} in ({"int", "float"}, {"list", "tuple"})
    if (expected.kind != got.kind and not alike) or type(expected) is not type(got):
        return differs(Status.WRONG_VALUE, f"{_capital(name)} should be {_article(expected)}, and is {_article(got)}.")
    match expected, got:
        case TensorValue(), TensorValue():
            if expected.shape != got.shape:
                return differs(Status.WRONG_SHAPE, f"{_capital(name)} has shape {got.shape}, not {expected.shape}.")
            if unfit := _unfit(expected.dtype, got.dtype, dtypes_matter=dtypes_matter):
                return differs(Status.WRONG_DTYPE, f"{_capital(name)} has dtype {got.dtype}, {unfit}.")
            if cells := unlike(expected.elements, got.elements, TOLERANCES.get(got.dtype, _EXACT), slack):
                return differs(Status.WRONG_VALUE, _count(name, len(cells), len(expected.elements)), cells)
        case Scalar(), Scalar():
            tolerance = _EXACT if expected.kind == got.kind != "float" else TOLERANCES["float64"]
            if not _alike(expected.value, got.value, tolerance, slack):
                return differs(Status.WRONG_VALUE, f"{_capital(name)} is {got.value}, not {expected.value}.")
        case Items(), Items():
            if uneven := _uneven(expected, got):
                return differs(Status.WRONG_SHAPE, f"{_capital(name)}: {uneven}.")
            for (label, one), (_, other) in zip(_labelled(expected), _labelled(got), strict=True):
                part = f"{name}[{label}]"
                if found := _difference(part, one, other, dtypes_matter=dtypes_matter, slack=slack):
                    return found
        case _:
            return differs(Status.WRONG_VALUE, f"{_capital(name)} is {_article(got)}, which cannot be compared.")
    return None


def _unfit(expected: str, got: str, *, dtypes_matter: bool) -> str | None:
    """Why a dtype will not do, in a clause."""
    if expected == got:
        return None
    if dtypes_matter or category(expected) != category(got):
        return f"not {expected}"
    if got in _COARSE and expected not in _COARSE:
        return f"too coarse to tell right from wrong: keep {expected}"
    return None


def unlike(
    expected: Sequence[complex], got: Sequence[complex], tolerance: tuple[float, float], slack: float = 1.0
) -> frozenset[int]:
    """The positions at which two flat tensors differ."""
    if expected == got:
        return frozenset()
    relative, absolute = tolerance
    top = max(map(_size, expected), default=0.0)
    if math.isfinite(top):
        near, far = slack * relative, slack * absolute * max(1.0, top)
        # `not <=` rather than `>`: a NaN that came is not near anything.
        return frozenset(
            i
            for i, (e, g) in enumerate(zip(expected, got, strict=True))
            if e != g and not _size(e - g) <= near * _size(e) + far
        )
    finite = [size for size in map(_size, expected) if math.isfinite(size)]
    scaled = (relative, absolute * max([1.0, *finite]))
    return frozenset(i for i, (e, g) in enumerate(zip(expected, got, strict=True)) if not _alike(e, g, scaled, slack))


def _alike(expected: object, got: object, tolerance: tuple[float, float], slack: float) -> bool:
    """Numbers within the tolerance; NaN, infinities and everything else exactly."""
    if expected == got:
        return True
    if not isinstance(expected, int | float | complex) or not isinstance(got, int | float | complex):
        return False
    if expected != expected or got != got:  # noqa: PLR0124 -- NaN, for complex numbers too
        return expected != expected and got != got  # noqa: PLR0124
    try:
        size, apart = _size(expected), _size(expected - got)
        return math.isfinite(size) and math.isfinite(apart) and apart <= slack * (tolerance[0] * size + tolerance[1])
    except OverflowError:  # a whole number that no float can hold
        return False


def _size(number: complex) -> float:
    """The absolute value; infinite where a complex number has one that no float can hold."""
    try:
        return abs(number)
    except OverflowError:
        return math.inf


def _difference_said(name: str, expected: Value, said: object, slack: float) -> Difference | None:
    answer = said_value(said)
    want_shape, want = flat(expected)
    got_shape, got = flat(answer)
    if want_shape is None or got_shape is None or want_shape != got_shape:
        if isinstance(expected, Items) and expected.kind == "tuple":
            sentence = f"It has {len(want)} number{'s' * (len(want) != 1)}; yours has {len(got)}."
        elif want_shape is None or got_shape is None:
            sentence = "Your numbers are not nested as those of the result."
        else:
            sentence = f"It {_shaped(want_shape)}; yours {_shaped(got_shape)}."
        return Difference(Status.WRONG_SHAPE, name, sentence, expected, answer)
    for w, g in zip(want, got, strict=True):
        if isinstance(w, bool) != isinstance(g, bool) or isinstance(w, str) != isinstance(g, str):
            kind = "True or False" if isinstance(w, bool) else "A dtype" if isinstance(w, str) else "A number"
            sentence = f"{kind if w is not None else 'None'} is asked for, not {g}."
            return Difference(Status.WRONG_DTYPE, name, sentence, expected, answer)
    cells = frozenset(
        i
        for i, (w, g) in enumerate(zip(want, got, strict=True))
        if not _alike(w, g, (1e-9, 1e-9) if isinstance(w, int) or _whole(w) else _BY_HAND, slack)
    )
    if not cells:
        return None
    return Difference(Status.WRONG_VALUE, name, _count("the answer", len(cells), len(want)), expected, answer, cells)


def _shaped(shape: tuple[int, ...]) -> str:
    return f"has shape {shape}" if shape else "is a single value"


def said_value(said: object) -> Value:
    """What the learner typed, in the form of an observation."""
    if isinstance(said, list | tuple):
        return Items("tuple" if isinstance(said, tuple) else "list", tuple(said_value(item) for item in said))
    if isinstance(said, str):
        return Scalar("dtype", said)
    kinds = {bool: "bool", int: "int", float: "float", type(None): "None"}
    return Scalar(kinds[type(said)], said)


def said_by(observed: Observed) -> Said:
    """What a learner says who expects exactly this."""
    if observed.raised:
        return Said(error=True)
    return Said(_plain(observed.values[0][1]))


def _plain(value: Value) -> object:
    match value:
        case TensorValue():
            entries = iter(value.elements)
            return _rows(value.shape, entries)
        case Items():
            items = [_plain(item) for item in value.items]
            return tuple(items) if value.kind == "tuple" else items
        case Scalar():
            return value.value
        case Other():
            return value.kind


def _rows(shape: tuple[int, ...], entries: Iterator[object]) -> object:
    return [_rows(shape[1:], entries) for _ in range(shape[0])] if shape else next(entries)


def flat(value: Value) -> tuple[tuple[int, ...] | None, list[object]]:
    """The shape (None where rows differ in length) and the entries of a tensor, a number, or nested lists of them."""
    match value:
        case TensorValue():
            return value.shape, list(value.elements)
        case Scalar():
            return (), [value.value]
        case Items():
            parts = [flat(item) for item in value.items]
            shapes = [shape for shape, _ in parts]
            entries = [entry for _, inner in parts for entry in inner]
            if None in shapes or any(a != b for a, b in pairwise(shapes)):
                return None, entries
            return (len(parts), *((shapes[0] if shapes else None) or ())), entries
        case Other():
            return None, []


def _whole(number: object) -> bool:
    return isinstance(number, float) and number.is_integer()


def _labelled(items: Items) -> list[tuple[str, Value]]:
    """Each item with its place; a dict's items by their keys, in whatever order they were put in."""
    if items.kind == "dict":
        return sorted(zip(items.keys, items.items, strict=True), key=lambda pair: pair[0])
    return [(str(i), item) for i, item in enumerate(items.items)]


def _uneven(expected: Items, got: Items) -> str:
    """What one has and the other lacks, in words."""
    if sorted(expected.keys) == sorted(got.keys) and len(expected.items) == len(got.items):
        return ""
    if missing := [key for key in expected.keys if key not in got.keys]:
        return f"the key {missing[0]} is missing"
    if more := [key for key in got.keys if key not in expected.keys]:
        return f"the key {more[0]} is one too many"
    return f"the number of items is {len(got.items)}, not {len(expected.items)}"


def _count(name: str, wrong: int, total: int) -> str:
    if total == 1:
        return f"{_capital(name)} has another value."
    return f"{_capital(name)}: {wrong} of {total} entries differ."


def _article(value: Value) -> str:
    names = {"array": "a NumPy array", "None": "None", "int": "a Python int"}
    return names.get(value.kind, f"a {'Python ' if isinstance(value, Scalar) else ''}{value.kind}")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
