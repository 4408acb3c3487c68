"""A contraction as data: the axes of its operands and of its result, and the single edits that people make by mistake."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, permutations

from tensordrill.puzzles import Tensor, Wrong
from tensordrill.puzzles.einsum import letters_for

Axes = tuple[str, ...]
Mistake = tuple[str, "Contraction", str]


@dataclass(frozen=True)
class Contraction:
    """What an einsum means. An axis named twice in one operand stands for its diagonal.

    `Contraction(("A", "B"), (("row", "inner"), ("inner", "col")), ("row", "col"))` is the matrix product.
    """

    names: tuple[str, ...]
    operands: tuple[Axes, ...]
    output: Axes

    @property
    def tensors(self) -> list[Tensor]:
        return [Tensor(name, axes) for name, axes in zip(self.names, self.operands, strict=True)]

    @cached_property
    def axes(self) -> Axes:
        """All axes of the operands, each once, in order of appearance."""
        return tuple(dict.fromkeys(axis for operand in self.operands for axis in operand))

    @property
    def summed(self) -> Axes:
        return tuple(axis for axis in self.axes if axis not in self.output)

    @cached_property
    def key(self) -> tuple[tuple[int, ...], ...]:
        """The same for contractions that differ only in the names of axes, or in the order of one tensor with itself."""
        return min(self._numbered(order) for order in self._orders())

    def owners(self, axis: str) -> list[int]:
        """The positions of the operands that have the axis."""
        return [i for i, operand in enumerate(self.operands) if axis in operand]

    def with_output(self, *output: str) -> "Contraction":
        return Contraction(self.names, self.operands, output)

    def with_operand(self, i: int, axes: Iterable[str]) -> "Contraction":
        operands = (*self.operands[:i], tuple(axes), *self.operands[i + 1 :])
        return Contraction(self.names, operands, self.output)

    def output_swapped(self, a: str, b: str) -> "Contraction":
        return self.with_output(*_swapped(self.output, a, b))

    def lost(self, axis: str) -> "Contraction":
        """The axis is missing from the result, so it is summed."""
        return self.with_output(*(other for other in self.output if other != axis))

    def kept(self, axis: str, at: int | None = None) -> "Contraction":
        """A summed axis is left in the result, at that position, or last."""
        at = len(self.output) if at is None else at
        return self.with_output(*self.output[:at], axis, *self.output[at:])

    def misread(self, i: int, a: str, b: str) -> "Contraction":
        """Operand i is read with two of its axes the other way round."""
        return self.with_operand(i, _swapped(self.operands[i], a, b))

    def untied(self, i: int, axis: str) -> "Contraction":
        """The axis of operand i has a letter of its own, and is summed on its own."""
        return self.with_operand(i, (_own(axis) if other == axis else other for other in self.operands[i]))

    def undiagonal(self, i: int, axis: str) -> "Contraction":
        """Of the two axes of that name in operand i, the second is summed on its own."""
        at = self.operands[i].index(axis) + 1
        second = self.operands[i].index(axis, at)
        return self.with_operand(i, (*self.operands[i][:second], _own(axis), *self.operands[i][second + 1 :]))

    def tied(self, a: str, b: str) -> "Contraction":
        """Two axes share a letter: only their diagonal counts."""
        operands = tuple(tuple(a if axis == b else axis for axis in operand) for operand in self.operands)
        output = self.lost(b).output if a in self.output else [a if axis == b else axis for axis in self.output]
        return Contraction(self.names, operands, tuple(output))

    def spelled(self, letters: Mapping[str, str]) -> str:
        terms = ["".join([letters[axis] for axis in axes]) for axes in (*self.operands, self.output)]
        return ",".join(terms[:-1]) + "->" + terms[-1]

    def wrong_turns(self, mistakes: Iterable[Mistake]) -> list[Wrong]:
        """The mistakes as wrong turns in this contraction's letters, without those that mean what it, or an earlier one, means."""
        letters = letters_for([*self.axes, *map(_own, self.axes)])
        seen = {self.key}
        wrong = []
        for name, mistake, because in mistakes:
            if mistake.key not in seen:
                seen.add(mistake.key)
                wrong.append(Wrong(name, mistake.spelled(letters), because))
        return wrong

    def single_edits(self, say: Callable[[str], str] = str) -> Iterator[Mistake]:
        """Every single edit of the equation that is a plausible mistake. `say` gives an axis's name in sentences."""
        yield from self._edits_of_diagonals(say)
        yield from self._edits_of_output(say)
        yield from self._edits_of_letters(say)
        for i, (name, operand) in enumerate(zip(self.names, self.operands, strict=True)):
            because = f"You read the axes of `{name}` in another order: they are {', '.join(map(say, operand))}."
            for p, q in combinations(range(len(operand)), 2):
                if operand[p] != operand[q]:
                    read = list(operand)
                    read[p], read[q] = read[q], read[p]
                    yield "operand-order", self.with_operand(i, read), because

    def _edits_of_output(self, say: Callable[[str], str]) -> Iterator[Mistake]:
        for axis in self.output:
            yield "axis-lost", self.lost(axis), f"You leave out {say(axis)} after the arrow, which sums it; it is to be kept."
        for axis in self.summed:
            because = f"You keep {say(axis)} after the arrow; it is to be summed, so its letter stands only before it."
            for at in range(len(self.output) + 1):
                yield "axis-kept", self.kept(axis, at), because
        for a, b in combinations(self.output, 2):
            because = f"Your result has {say(a)} and {say(b)} the wrong way round: {say(a)} comes before {say(b)}."
            yield "output-order", self.output_swapped(a, b), because

    def _edits_of_diagonals(self, say: Callable[[str], str]) -> Iterator[Mistake]:
        for i, (name, operand) in enumerate(zip(self.names, self.operands, strict=True)):
            for axis in dict.fromkeys(axis for axis in operand if operand.count(axis) > 1):
                because = (
                    f"You gave the two {say(axis)} axes of `{name}` different letters, which lets in every pair. "
                    "One letter twice takes the diagonal."
                )
                yield "diagonal-lost", self.undiagonal(i, axis), because

    def _edits_of_letters(self, say: Callable[[str], str]) -> Iterator[Mistake]:
        for axis in self.axes:
            owners = self.owners(axis)
            for i in owners if len(owners) > 1 else ():
                because = (
                    f"In `{self.names[i]}` you gave {say(axis)} a letter of its own, so it is summed there on its own. "
                    "An axis along which several tensors run together has one letter in all of them."
                )
                yield "not-tied", self.untied(i, axis), because
        for a, b in combinations(self.axes, 2):
            if not set(self.owners(a)) & set(self.owners(b)):
                because = (
                    f"You gave {say(a)} and {say(b)} one letter, so they run together. "
                    "They are independent: give each its own."
                )
                yield "tied", self.tied(a, b), because

    def _numbered(self, order: Iterable[int]) -> tuple[tuple[int, ...], ...]:
        numbers: dict[str, int] = {}
        axes = [*(self.operands[i] for i in order), self.output]
        return tuple([tuple([numbers.setdefault(axis, len(numbers)) for axis in group]) for group in axes])

    def _orders(self) -> Iterator[tuple[int, ...]]:
        places = tuple(range(len(self.names)))
        if len(set(self.names)) == len(self.names):
            yield places
            return
        for order in permutations(places):
            if all(self.names[i] == self.names[j] for i, j in zip(order, places, strict=True)):
                yield order


def _own(axis: str) -> str:
    return f"{axis}'"


def _swapped(axes: Axes, a: str, b: str) -> Axes:
    return tuple([b if axis == a else a if axis == b else axis for axis in axes])
