"""Mistakes that any answer can make, found by computing: what turns the expected result into the one that came.

A finding must explain every hidden instance, or it is not one. The sentences name the result's axes where they are
known.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import permutations
from math import prod

from tensordrill.judge.comparing import TOLERANCES, category, unlike
from tensordrill.judge.values import Observed, TensorValue

Pair = tuple[TensorValue, TensorValue]
_MAX_RANK = 5
_FACTORS = {2.0: "twice", 0.5: "half of", 3.0: "3 times", 1 / 3: "a third of", 4.0: "4 times", 0.25: "a quarter of"}


def find(
    expected: Sequence[Observed],
    got: Sequence[Observed],
    axes: Sequence[str] | None,
    sizes: Sequence[Mapping[str, int]],
) -> str | None:
    """A sentence for the most specific general mistake that explains all instances, or None.

    `axes` names the axes of the expected result, `sizes` gives each instance's. Only a first observation that is a
    tensor is looked at.
    """
    pairs = [pair for pair in map(_first_tensors, expected, got) if pair]
    ranks = {(len(e.shape), len(g.shape)) for e, g in pairs}
    if len(pairs) < len(expected) or len(ranks) != 1:
        return None
    [(rank, got_rank)] = ranks
    if max(rank, got_rank) > _MAX_RANK:
        return None
    names = list(axes) if axes and len(axes) == rank else [f"axis {i}" for i in range(rank)]
    finders: list[Callable[[Sequence[Pair], Sequence[str]], Iterator[str]]]
    if _explains(pairs, lambda t: t):
        finders = [_same_numbers, _nearly]
    elif rank == got_rank:
        finders = [_permuted, _inverted, _scaled_by(sizes), _off, _moved, _kept_as_one]
    else:
        finders = [_summed, _averaged] if got_rank < rank else [_kept_as_one, _kept]
    return next((sentence for finder in finders for sentence in finder(pairs, names)), None)


def _first_tensors(expected: Observed, got: Observed) -> Pair | None:
    if expected.raised or got.raised or not expected.values:
        return None
    one, other = expected.values[0][1], got.values[0][1]
    return (one, other) if isinstance(one, TensorValue) and isinstance(other, TensorValue) else None


def _same_numbers(pairs: Sequence[Pair], _: Sequence[str]) -> Iterator[str]:
    e, g = pairs[0]
    if category(e.dtype) != category(g.dtype):
        yield f"The numbers are right; the dtype should be {e.dtype}, and is {g.dtype}."


def _nearly(pairs: Sequence[Pair], _: Sequence[str]) -> Iterator[str]:
    if any(e.dtype == g.dtype and unlike(e.elements, g.elements, TOLERANCES.get(g.dtype, (0, 0))) for e, g in pairs):
        yield "The numbers are right to about six digits: something in between rounds them, or adds a little."


def _permuted(pairs: Sequence[Pair], names: Sequence[str]) -> Iterator[str]:
    rank = len(names)
    for order in permutations(range(rank)):
        if order == tuple(range(rank)) or not _explains(pairs, lambda t, order=order: permute(t, order)):  # type: ignore[misc]
            continue
        moved = [i for i in range(rank) if order[i] != i]
        if len(moved) == 2:  # noqa: PLR2004 -- a swap has a shorter sentence
            yield f"Your result has {names[moved[0]]} and {names[moved[1]]} swapped."
        else:
            yield f"Your result has its axes in another order: {', '.join(names[i] for i in order)}."
        return


def _inverted(pairs: Sequence[Pair], _: Sequence[str]) -> Iterator[str]:
    if all(e.dtype == "bool" for e, _ in pairs) and _explains(pairs, lambda t: mapped(t, lambda x: not x)):
        yield "Your result is inverted: True where it should be False."


def _scaled_by(sizes: Sequence[Mapping[str, int]]) -> Callable[[Sequence[Pair], Sequence[str]], Iterator[str]]:
    def find_factor(pairs: Sequence[Pair], _: Sequence[str]) -> Iterator[str]:
        if _explains(pairs, lambda t: scaled(t, -1.0)):
            yield "Your result has the opposite sign."
        for factor, words in _FACTORS.items():
            if _explains(pairs, lambda t, factor=factor: scaled(t, factor)):  # type: ignore[misc]
                yield f"Your result is {words} what it should be."
        for axis in set.intersection(*(set(one) for one in sizes)) if sizes else ():
            scales = [one[axis] for one in sizes]
            for power, words in (
                (1, f"{axis} times what it should be: perhaps a sum in place of a mean"),
                (-1, f"what it should be divided by {axis}: perhaps a mean in place of a sum"),
            ):
                if all(_equal(scaled(e, n**power), g) for (e, g), n in zip(pairs, scales, strict=True)):
                    yield f"Your result is {words}."

    return find_factor


def _off(pairs: Sequence[Pair], _: Sequence[str]) -> Iterator[str]:
    for offset in (1, -1):
        if _explains(pairs, lambda t, offset=offset: mapped(t, lambda x: x + offset)):  # type: ignore[misc]
            yield f"Every entry is off by one: it should be {'smaller' if offset > 0 else 'larger'}."


def _moved(pairs: Sequence[Pair], names: Sequence[str]) -> Iterator[str]:
    for i, name in enumerate(names):
        for by in (1, -1):
            if _explains(pairs, lambda t, i=i, by=by: taken(t, i, lambda at, size, by=by: (at - by) % size)):  # type: ignore[misc]
                yield f"Your result is off by one along {name}: its entries are shifted by {by:+d}."
        if _explains(pairs, lambda t, i=i: taken(t, i, lambda at, size: size - 1 - at)):  # type: ignore[misc]
            yield f"Your result runs backwards along {name}."


def _summed(pairs: Sequence[Pair], names: Sequence[str]) -> Iterator[str]:
    for i, name in enumerate(names):
        if _explains(pairs, lambda t, i=i: summed(t, i)):  # type: ignore[misc]
            yield f"You summed over {name}, which the result keeps."


def _averaged(pairs: Sequence[Pair], names: Sequence[str]) -> Iterator[str]:
    for i, name in enumerate(names):
        if _explains(pairs, lambda t, i=i: scaled(summed(t, i), 1 / t.shape[i])):  # type: ignore[misc]
            yield f"You averaged over {name}, which the result keeps."


def _kept_as_one(pairs: Sequence[Pair], _: Sequence[str]) -> Iterator[str]:
    squeezed = [(e, TensorValue(g.dtype, tuple(s for s in g.shape if s != 1), g.elements)) for e, g in pairs]
    if any(len(g.shape) != len(s.shape) for (_, g), (_, s) in zip(pairs, squeezed, strict=True)) and _explains(
        squeezed, lambda t: t
    ):
        yield "The numbers are right, but an axis that should be gone is kept with size 1."


def _kept(pairs: Sequence[Pair], _: Sequence[str]) -> Iterator[str]:
    swapped = [(g, e) for e, g in pairs]
    for i in range(len(pairs[0][1].shape)):
        if _explains(swapped, lambda t, i=i: summed(t, i)):  # type: ignore[misc]
            yield f"You kept an axis that should be summed: the one at position {i} of your result."
        elif _explains(swapped, lambda t, i=i: first(t, i)) and all(g.shape[i] > 1 for _, g in pairs):  # type: ignore[misc]
            yield f"The numbers are right, but repeated along an axis that should not be there, at position {i}."


def _explains(pairs: Sequence[Pair], change: Callable[[TensorValue], TensorValue]) -> bool:
    """Whether the change turns the expected result into what came, on every instance."""
    return all(_equal(change(e), g) for e, g in pairs)


def _equal(one: TensorValue, other: TensorValue) -> bool:
    return one.shape == other.shape and not unlike(one.elements, other.elements, (1e-6, 1e-9))


def permute(t: TensorValue, order: Sequence[int]) -> TensorValue:
    """`t.permute(order)`."""
    strides = _strides(t.shape)
    shape = tuple(t.shape[i] for i in order)
    return _gather(t, shape, [strides[i] for i in order])


def summed(t: TensorValue, axis: int) -> TensorValue:
    """`t.sum(axis)`."""
    size, inner = t.shape[axis], prod(t.shape[axis + 1 :])
    outer = prod(t.shape[:axis])
    elements = tuple(
        sum(t.elements[(o * size + s) * inner + i] for s in range(size)) for o in range(outer) for i in range(inner)
    )
    return TensorValue(t.dtype, t.shape[:axis] + t.shape[axis + 1 :], elements)


def first(t: TensorValue, axis: int) -> TensorValue:
    """`t.select(axis, 0)` where all slices along the axis are the same, else something that nothing equals."""
    size, inner = t.shape[axis], prod(t.shape[axis + 1 :])
    slices = [
        tuple(t.elements[(o * size + s) * inner + i] for o in range(prod(t.shape[:axis])) for i in range(inner))
        for s in range(size)
    ]
    same = bool(slices) and all(one == slices[0] for one in slices)
    return TensorValue(t.dtype, t.shape[:axis] + t.shape[axis + 1 :] if same else (-1,), slices[0] if same else ())


def taken(t: TensorValue, axis: int, source: Callable[[int, int], int]) -> TensorValue:
    """The tensor with the slice at `source(position, size)` at each position along the axis."""
    size, inner = t.shape[axis], prod(t.shape[axis + 1 :])
    elements = tuple(
        t.elements[(o * size + source(s, size)) * inner + i]
        for o in range(prod(t.shape[:axis]))
        for s in range(size)
        for i in range(inner)
    )
    return TensorValue(t.dtype, t.shape, elements)


def scaled(t: TensorValue, factor: float) -> TensorValue:
    return mapped(t, lambda x: x * factor)


def mapped(t: TensorValue, change: Callable[[complex], complex]) -> TensorValue:
    return TensorValue(t.dtype, t.shape, tuple(change(x) for x in t.elements))


def _strides(shape: Sequence[int]) -> list[int]:
    return [prod(shape[i + 1 :]) for i in range(len(shape))]


def _gather(t: TensorValue, shape: tuple[int, ...], strides: Sequence[int]) -> TensorValue:
    offsets = [0]
    for size, stride in zip(shape, strides, strict=True):
        offsets = [offset + step * stride for offset in offsets for step in range(size)]
    return TensorValue(t.dtype, shape, tuple(t.elements[offset] for offset in offsets))
