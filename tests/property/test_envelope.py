"""What a person works out by hand fits on an envelope: at most six numbers, in gradients none above two digits."""

import math
from collections.abc import Iterator

import pytest

from tensordrill.catalog import Catalog, built_in
from tensordrill.judge import Judge
from tensordrill.judge.values import Items, Scalar, TensorValue, Value

DRILLS = {name: drill for name, drill in built_in().items() if drill.puzzle(0).kind in ("shape", "value")}
MOST_NUMBERS = 6
# Fractions are their point: a denominator that the logits tell, and what a mean divides by.
FRACTIONS = ("autograd.softmax", "training.losses")


def numbers(value: Value) -> Iterator[float]:
    match value:
        case TensorValue():
            yield from (float(entry.real) for entry in value.elements)
        case Items():
            for item in value.items:
                yield from numbers(item)
        case Scalar(value=int() | float() as number):
            yield float(number)


@pytest.mark.parametrize("name", DRILLS)
def test_answers_fit_on_an_envelope(catalog: Catalog, judge: Judge, name: str) -> None:
    drill = catalog[name]
    puzzles = [drill.puzzle(seed, level) for level in range(1, drill.levels + 1) for seed in range(15)]
    for puzzle, certificate in zip(puzzles, judge.certify_all(puzzles), strict=True):
        [observed] = certificate.expected
        typed = [number for _, value in observed.values for number in numbers(value)]
        code = puzzle.face.code
        assert len(typed) <= MOST_NUMBERS, code
        largest = 99 if drill.track == "autograd" else 999  # a merged axis has the product of its sizes
        assert all(abs(number) <= largest for number in typed if math.isfinite(number)), (code, typed)
        if name not in FRACTIONS:
            finite = [number for number in typed if math.isfinite(number)]
            assert all(abs(number - round(number)) < 1e-9 for number in finite), (code, typed)
