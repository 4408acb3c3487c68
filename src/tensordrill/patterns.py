"""An einops call as data: the axes of both sides, the same call as torch and as a loop, and what people mistake."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from tensordrill.contraction import axes_of, having, listed
from tensordrill.puzzles import Tensor, WritePattern, Wrong
from tensordrill.rng import Rng

Axis = tuple[str, ...]  # the names of one axis of a pattern: several in brackets, none for 1
Side = tuple[Axis, ...]


class Variant(NamedTuple):
    """A wrong turn's id, the sides of the pattern that is typed, and the sentence about it."""

    id: str
    left: Side
    right: Side
    because: str


def plain(names: Iterable[str]) -> Side:
    return tuple([(name,) for name in names])


def names_in(side: Side) -> list[str]:
    return [name for axis in side for name in axis]


def spelled(side: Side) -> str:
    return " ".join([axis[0] if len(axis) == 1 else f"({' '.join(axis)})" if axis else "1" for axis in side])


def renamed(side: Side, names: Mapping[str, str]) -> Side:
    return tuple([tuple([names.get(name, name) for name in axis]) for axis in side])


def swapped(side: Side, a: str, b: str) -> Side:
    return renamed(side, {a: b, b: a})


def replaced(side: Side, old: Axis, new: Axis) -> Side:
    return tuple([new if axis == old else axis for axis in side])


def along(axis: Axis) -> str:
    """How a merged axis is laid out, in words."""
    if len(axis) == 2:  # noqa: PLR2004 -- with three, slowest and fastest are not all
        slow, fast = axis
        return f"first every {fast} of {slow} 0, then every {fast} of {slow} 1, and so on"
    return f"{axis[-1]} changes fastest, then {axis[-2]}, and {axis[0]} slowest"


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """An einops call: both sides of its pattern, the sizes that it passes, and a name for each merged axis.

    `fixed` are sizes that the learner is told and that the call does not pass.

    `Pattern(left=(("b",), ("h", "d")), right=(("b",), ("h",), ("d",)), given={"h": 4}, merged={("h", "d"): "d_model"})`
    is `rearrange(x, "b (h d) -> b h d", h=4)`.
    """

    left: Side
    right: Side
    given: Mapping[str, int] = field(default_factory=dict)
    merged: Mapping[Axis, str] = field(default_factory=dict)
    fixed: Mapping[str, int] = field(default_factory=dict)
    operation: str = "rearrange"
    reduction: str = ""
    tensor: str = "x"

    @property
    def stored(self) -> list[str]:
        return self.called(self.left)

    @property
    def wanted(self) -> list[str]:
        return self.called(self.right)

    def called(self, side: Side) -> list[str]:
        """What the axes are called where they are not taken apart; an axis of size 1 is called unit."""
        return [self.merged.get(axis, axis[0] if axis else "unit") for axis in side]

    def lettered(self, rng: Rng) -> "Pattern":
        """The same with a letter for each name, as a loop has them, in no telling order."""
        names = list(dict.fromkeys(names_in(self.left) + names_in(self.right)))
        letters = dict(zip(names, rng.shuffled("ijklmnp"[: len(names)]), strict=True))
        return Pattern(
            left=renamed(self.left, letters),
            right=renamed(self.right, letters),
            given={letters[name]: size for name, size in self.given.items()},
            merged={tuple([letters[name] for name in axis]): name for axis, name in self.merged.items()},
            fixed={letters[name]: size for name, size in self.fixed.items()},
            operation=self.operation,
            reduction=self.reduction,
            tensor=self.tensor,
        )

    def posed(self, prompt: str, mistakes: Iterable[Variant], hints: Sequence[str], why: str) -> WritePattern:
        derived = {name: str(size) for name, size in self.fixed.items() if name not in self.given}
        derived |= {name: " * ".join(sorted(axis)) for axis, name in self.merged.items()}
        if () in self.right:
            derived["unit"] = "1"
        return WritePattern(
            prompt=prompt,
            tensor=Tensor(self.tensor, tuple(self.stored)),
            output=self.wanted,
            pattern=f"{spelled(self.left)} -> {spelled(self.right)}",
            operation=self.operation,
            reduction=self.reduction,
            given=self.given,
            derived=derived,
            hints=hints,
            why=why,
            wrong=self.distinct(mistakes),
        )

    def distinct(self, mistakes: Iterable[Variant]) -> list[Wrong]:
        """The mistakes as wrong turns, without those that mean what is asked, or what one before them means."""
        seen = [self.meaning(self.left, self.right)]
        wrong = []
        for name, left, right, because in mistakes:
            if (meaning := self.meaning(left, right)) not in seen:
                seen.append(meaning)
                wrong.append(Wrong(name, f"{spelled(left)} -> {spelled(right)}", because))
        return wrong

    def meaning(self, left: Side, right: Side) -> object:
        """The same for patterns that do the same: names do not matter, but the sizes of those in brackets do."""
        left, right = fused(left, right)
        sizes = {**self.fixed, **self.given}
        whole = {axis[0] for axis in left if len(axis) == 1}
        numbers: dict[str, int] = {}
        return [
            [
                [(numbers.setdefault(name, len(numbers)), None if name in whole else sizes.get(name)) for name in axis]
                for axis in side
            ]
            for side in (left, right)
        ]


def fused(left: Side, right: Side) -> tuple[Side, Side]:
    """The same without what is taken apart and put together again: `(a b) c -> c (a b)` is `a c -> c a`."""
    there = {pair for axis in right for pair in pairwise(axis)}
    for pair in [pair for axis in left for pair in pairwise(axis) if pair in there]:
        left, right = _joined(left, *pair), _joined(right, *pair)
    return left, right


def _joined(side: Side, a: str, b: str) -> Side:
    """Two neighbours as one, called by both names; the first may be several already."""
    return tuple(
        [tuple([f"{name} {b}" if name.split()[-1] == a else name for name in axis if name != b]) for axis in side]
    )


FUNCTIONS = {"mean": "mean", "sum": "sum", "max": "amax", "min": "amin"}


def as_torch(it: Pattern) -> str:
    """Methods of the tensor that do what the pattern does; nothing is repeated."""
    code, at = it.tensor, 0
    for axis in it.left:
        if len(axis) > 1:
            code += f".unflatten({at}, {axes_of([str(it.given.get(name, -1)) for name in axis])})"
        at += len(axis)
    left, right = names_in(it.left), names_in(it.right)
    if gone := [i for i, name in enumerate(left) if name not in right]:
        dims = str(gone[0]) if len(gone) == 1 else f"dim={axes_of([str(i) for i in gone])}"
        code += f".{FUNCTIONS[it.reduction]}({dims})"
        left = [name for name in left if name in right]
    if left != right:
        code += f".permute{axes_of([str(left.index(name)) for name in right])}"
    for at, axis in enumerate(it.right):
        if len(axis) > 1:
            code += f".flatten({at}, {at + len(axis) - 1})"
    return code


def as_loop(it: Pattern) -> str:
    """The loop that does what the pattern does. The names are letters."""
    names = sorted({*names_in(it.left), *names_in(it.right)})
    sizes = {name: str(it.given.get(name, name.upper())) for name in names}
    indices = [", ".join([index_of(axis, sizes) for axis in side]) for side in (it.left, it.right)]
    value, target = f"{it.tensor}[{indices[0]}]", f"out[{indices[1]}]" if it.right else "out"
    gone = [sizes[name] for name in names if name not in names_in(it.right)]
    count = gone[0] if len(gone) == 1 else f"({' * '.join(gone)})"
    update = {
        "": f"{target} = {value}",
        "sum": f"{target} += {value}",
        "mean": f"{target} += {value} / {count}",
        "max": f"{target} = max({target}, {value})",
        "min": f"{target} = min({target}, {value})",
    }[it.reduction]
    return f"for {', '.join(names)} in np.ndindex{axes_of(list(sizes.values()))}:\n    {update}"


def index_of(axis: Axis, sizes: Mapping[str, str]) -> str:
    """The index into an axis: `i * J + j` where i and j are merged, 0 where its size is 1."""
    code = axis[0] if axis else "0"
    for name in axis[1:]:
        code = f"({code}) * {sizes[name]} + {name}" if "+" in code else f"{code} * {sizes[name]} + {name}"
    return code


def fenced(text: str, code: str) -> str:
    return f"{text}\n\n```python\n{code}\n```"


def loop_question(it: Pattern) -> str:
    start = {"max": "-inf", "min": "inf"}.get(it.reduction, "0")
    starts = f", and `out` starts at {start}" if it.reduction else ""
    free = next(name for name in sorted(names_in(it.left)) if name not in it.given)
    asked = f"Write what this loop computes as one pattern ({free.upper()} is the size of {free}, and so on{starts}):"
    passed = listed([f"`{name}={size}`" for name, size in sorted(it.given.items())])
    return fenced(asked, as_loop(it)) + (
        f"\n\nName the axes by the loop's letters. The call passes {passed}." if passed else ""
    )


def code_question(code: str, it: Pattern) -> str:
    return fenced("Write what this does as one pattern:", code) + f"\n\n`{it.tensor}` has {having(it.stored)}."


def grouped(names: Sequence[str], counts: Sequence[int]) -> Side:
    """The names, so many at a time."""
    rest = iter(names)
    return tuple([tuple([next(rest) for _ in range(count)]) for count in counts])


def bracket_variants(it: Pattern) -> Iterator[Variant]:
    """Brackets of either side with their names in another order."""
    for axis in it.merged:
        slow, fast = axis[0], axis[-1]
        yield Variant(
            "merged-backwards",
            replaced(it.left, axis, axis[::-1]),
            replaced(it.right, axis, axis[::-1]),
            f"You have {it.merged[axis]} the wrong way round. In brackets the first name changes slowest, here "
            f"{slow}, and the last fastest, here {fast}.",
        )
    for axis in it.merged:
        for a, b in pairwise(axis) if len(axis) > 2 else ():  # noqa: PLR2004 -- two are turned round as a whole
            new = tuple({a: b, b: a}.get(name, name) for name in axis)
            yield Variant(
                "bracket-order",
                replaced(it.left, axis, new),
                replaced(it.right, axis, new),
                f"In your brackets {a} and {b} are the wrong way round: {a} changes more slowly.",
            )


def order_variants(it: Pattern) -> Iterator[Variant]:
    for (i, one), (j, other) in pairwise(enumerate(it.right)):
        right = (*it.right[:i], other, one, *it.right[j + 1 :])
        a, b = it.wanted[i], it.wanted[j]
        yield Variant(
            "output-order", it.left, right, f"Your result has {a} and {b} the wrong way round: {a} comes first."
        )
