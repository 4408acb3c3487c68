"""A contraction as data: the axes of its operands and of its result, and the edits that people make by mistake."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, permutations
from string import ascii_lowercase
from typing import NamedTuple

from tensordrill.puzzles import Tensor, Wrong
from tensordrill.puzzles.einsum import letters_for
from tensordrill.rng import Rng

Axes = tuple[str, ...]
Terms = tuple[str, ...]  # an equation's letters: a term for each operand, then the result's


class Mistake(NamedTuple):
    """A wrong turn's id, the equation that is typed, and the sentence about it."""

    id: str
    terms: Terms
    because: str


@dataclass(frozen=True)
class Contraction:
    """What an einsum means. An axis named twice in one operand stands for its diagonal.

    `Contraction(("A", "B"), (("row", "inner"), ("inner", "col")), ("row", "col"))` is the matrix product.
    The methods that make mistakes return them in this contraction's letters.
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
        return tuple(dict.fromkeys([axis for operand in self.operands for axis in operand]))

    @cached_property
    def summed(self) -> Axes:
        return tuple([axis for axis in self.axes if axis not in self.output])

    @cached_property
    def letters(self) -> dict[str, str]:
        return letters_for(self.axes)

    @cached_property
    def terms(self) -> Terms:
        return self.read_as(*self.operands)

    def owners(self, axis: str) -> list[int]:
        """The positions of the operands that have the axis."""
        return [i for i, operand in enumerate(self.operands) if axis in operand]

    def read_as(self, *operands: Sequence[str]) -> Terms:
        """The operands' axes are taken for these, in this order."""
        return tuple(["".join([self.letters[axis] for axis in axes]) for axes in (*operands, self.output)])

    def with_output(self, output: Sequence[str]) -> Terms:
        return (*self.terms[:-1], "".join([self.letters[axis] for axis in output]))

    def output_swapped(self, a: str, b: str) -> Terms:
        return self.with_output(_swapped(self.output, a, b))

    def lost(self, axis: str) -> Terms:
        """The axis is missing from the result, so it is summed."""
        return (*self.terms[:-1], self.terms[-1].replace(self.letters[axis], ""))

    def kept(self, axis: str, at: int | None = None) -> Terms:
        """A summed axis is left in the result, at that position, or last."""
        at = len(self.output) if at is None else at
        return self.with_output([*self.output[:at], axis, *self.output[at:]])

    def misread(self, i: int, a: str, b: str) -> Terms:
        """Operand i is read with two of its axes the other way round."""
        return self._with_term(i, "".join([self.letters[axis] for axis in _swapped(self.operands[i], a, b)]))

    def untied(self, i: int, axis: str) -> Terms:
        """The axis of operand i has a letter of its own, and is summed on its own."""
        return self._with_term(i, self.terms[i].replace(self.letters[axis], self._spare))

    def apart(self, i: int, axis: str) -> Terms:
        """The axis of operand i has a letter of its own, and the result has both: every pair."""
        output = self.terms[-1] + ("" if axis in self.output else self.letters[axis]) + self._spare
        return (*self.untied(i, axis)[:-1], output)

    def undiagonal(self, i: int, axis: str, *, first: bool = False) -> Terms:
        """Of the two axes of that name in operand i, the second (or the first) is summed on its own."""
        split = self.terms[i].partition if first else self.terms[i].rpartition
        before, _, after = split(self.letters[axis])
        return self._with_term(i, before + self._spare + after)

    def tied(self, a: str, b: str) -> Terms:
        """Two axes share a letter: only their diagonal counts."""
        one, other = self.letters[a], self.letters[b]
        *terms, output = self.terms
        output = output.replace(other, "" if one in output else one)
        return (*(term.replace(other, one) for term in terms), output)

    def wrong_turns(self, mistakes: Iterable[Mistake]) -> list[Wrong]:
        """The mistakes as wrong turns, without those that mean what this contraction, or an earlier one, means."""
        seen = {self._key(self.terms)}
        wrong = []
        for name, terms, because in mistakes:
            if (key := self._key(terms)) not in seen:
                seen.add(key)
                wrong.append(Wrong(name, _equation(terms), because))
        return wrong

    def single_edits(self, say: Callable[[str], str] = str) -> Iterator[Mistake]:
        """Every single edit of the equation that is a plausible mistake. `say` gives an axis's name in sentences."""
        yield from self._edits_of_diagonals(say)
        yield from self.edits_of_output(say)
        yield from self._edits_of_letters(say)
        for i, (name, operand) in enumerate(zip(self.names, self.operands, strict=True)):
            because = f"You read the axes of `{name}` in another order: they are {', '.join(map(say, operand))}."
            for p, q in combinations(range(len(operand)), 2):
                term = [self.letters[axis] for axis in operand]
                term[p], term[q] = term[q], term[p]
                yield Mistake("operand-order", self._with_term(i, "".join(term)), because)

    def edits_of_output(self, say: Callable[[str], str] = str) -> Iterator[Mistake]:
        """Axes that are lost, kept or swapped after the arrow."""
        for axis in self.output:
            yield Mistake(
                "axis-lost",
                self.lost(axis),
                f"You leave out {say(axis)} after the arrow, which sums it; it is to be kept.",
            )
        for axis in self.summed:
            because = f"You keep {say(axis)} after the arrow; it is to be summed, so its letter stands only before it."
            for at in range(len(self.output) + 1):
                yield Mistake("axis-kept", self.kept(axis, at), because)
        for a, b in combinations(self.output, 2):
            because = f"Your result has {say(a)} and {say(b)} the wrong way round: {say(a)} comes before {say(b)}."
            yield Mistake("output-order", self.output_swapped(a, b), because)

    def _edits_of_diagonals(self, say: Callable[[str], str]) -> Iterator[Mistake]:
        for i, (name, operand) in enumerate(zip(self.names, self.operands, strict=True)):
            for axis in dict.fromkeys([axis for axis in operand if operand.count(axis) > 1]):
                because = (
                    f"You gave the two {say(axis)} axes of `{name}` different letters, which lets in every pair. "
                    "One letter twice takes the diagonal."
                )
                yield Mistake("diagonal-lost", self.undiagonal(i, axis), because)

    def _edits_of_letters(self, say: Callable[[str], str]) -> Iterator[Mistake]:
        owners = {axis: self.owners(axis) for axis in self.axes if axis != "..."}
        for axis, places in owners.items():
            for i in places if len(places) > 1 else ():
                because = (
                    f"In `{self.names[i]}` you gave {say(axis)} a letter of its own, so it is summed there on its own. "
                    "An axis along which several tensors run together has one letter in all of them."
                )
                yield Mistake("not-tied", self.untied(i, axis), because)
        for a, b in combinations(owners, 2):
            if not set(owners[a]) & set(owners[b]):
                because = (
                    f"You gave {say(a)} and {say(b)} one letter, so they run together. "
                    "They are independent: two letters."
                )
                yield Mistake("tied", self.tied(a, b), because)

    def _with_term(self, i: int, term: str) -> Terms:
        return (*self.terms[:i], term, *self.terms[i + 1 :])

    @cached_property
    def _spare(self) -> str:
        used = set(self.letters.values())
        return next(letter for letter in ascii_lowercase if letter not in used)

    def _key(self, terms: Terms) -> tuple[int, ...]:
        """The same for equations that differ only in their letters, or in the order of one tensor with itself.

        An ellipsis is taken for two axes: `r...c` and `...rc` may name the same ones.
        """
        texts = [_equation((*(terms[i] for i in order), terms[-1])).replace("...", "[]") for order in self._orders]
        return min([tuple(map(text.index, text)) for text in texts])

    @cached_property
    def _orders(self) -> list[tuple[int, ...]]:
        """The orders of the operands that call einsum with the same tensors."""
        places = tuple(range(len(self.names)))
        if len(set(self.names)) == len(self.names):
            return [places]
        return [
            order for order in permutations(places) if all(self.names[i] == self.names[j] for i, j in enumerate(order))
        ]


def _equation(terms: Terms) -> str:
    return ",".join(terms[:-1]) + "->" + terms[-1]


def _swapped(axes: Sequence[str], a: str, b: str) -> list[str]:
    return [b if axis == a else a if axis == b else axis for axis in axes]


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def axes_of(axes: Sequence[str]) -> str:
    return f"({', '.join(axes)})"


def having(axes: Sequence[str]) -> str:
    """What comes after "has": `the axes (row, column)`, `the axis row`."""
    return f"the axes {axes_of(axes)}" if len(axes) > 1 else f"the axis {axes[0]}"


def loop_nest(rng: Rng, net: Contraction) -> tuple[Contraction, str]:
    """The contraction with letters for axes, and the loop nest that computes it."""
    letter = dict(zip(net.axes, rng.sample("ijkmnpqrst", len(net.axes)), strict=True))
    net = Contraction(
        net.names,
        tuple(tuple(letter[axis] for axis in axes) for axes in net.operands),
        tuple(letter[axis] for axis in net.output),
    )
    lengths: dict[str, str] = {}
    guards: list[str] = []
    factors = []
    spare = iter(rng.sample([c for c in "abcdefgh" if c not in net.names], 2))
    guarded = rng.chance(0.6)
    for name, axes in zip(net.names, net.operands, strict=True):
        indices = []
        for at, axis in enumerate(axes):
            index = axis
            if guarded and not guards and axis in lengths:
                index = next(spare)
                guards.append(f"{axis} == {index}")
            lengths.setdefault(index, f"{name}.shape[{at}]")
            indices.append(index)
        factors.append(f"{name}[{', '.join(indices)}]")
    lines = [f"out = torch.zeros({', '.join(lengths[axis] for axis in net.output) or '()'})"]
    for index in rng.shuffled(list(lengths)):
        lines.append("  " * (len(lines) - 1) + f"for {index} in range({lengths[index]}):")
    lines += ["  " * (len(lines) - 1) + f"if {guard}:" for guard in guards]
    target = f"out[{', '.join(net.output)}]" if net.output else "out"
    lines.append("  " * (len(lines) - 1) + f"{target} += {' * '.join(factors)}")
    return net, "\n".join(lines)
