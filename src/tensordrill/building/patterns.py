"""An einops call as data: the axes of both sides, and the same call as torch and as a loop."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from math import prod
from typing import NamedTuple

from tensordrill.building.contraction import axes_of, having, listed
from tensordrill.puzzles import Tensor, WritePattern, Wrong
from tensordrill.puzzles.pattern import render_call
from tensordrill.rng import Rng

Axis = tuple[str, ...]  # the names of one axis of a pattern: several in brackets, none for 1
Side = tuple[Axis, ...]
PRIMES = (101, 103, 107, 109, 113, 127, 131, 137, 139)


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


def side_of(names: str, made: Mapping[str, str]) -> Side:
    """`side_of("batch d_model", {"d_model": "head d_head"})` is `(("batch",), ("head", "d_head"))`."""
    return tuple([tuple(made.get(name, name).split()) for name in names.split()])


def along(axis: Axis) -> str:
    """How a merged axis is laid out, in words."""
    if len(axis) == 2:  # noqa: PLR2004 -- with three, slowest and fastest are not all
        slow, fast = axis
        return f"first {slow} 0 for every {fast}, then {slow} 1 for every {fast}, and so on"
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

    @classmethod
    def named(
        cls,
        stored: str,
        wanted: str,
        made: Mapping[str, str],
        *,
        given: Mapping[str, int] | None = None,
        fixed: Mapping[str, int] | None = None,
        tensor: str = "x",
    ) -> "Pattern":
        """A rearrangement between axes, and what those with several names are made of, slowest first.

        `Pattern.named("batch d_model", "batch head d_head", {"d_model": "head d_head"}, given={"head": 4})`
        """
        return cls(
            left=side_of(stored, made),
            right=side_of(wanted, made),
            given=given or {},
            fixed=fixed or {},
            merged={tuple(made[name].split()): name for name in f"{stored} {wanted}".split() if name in made},
            tensor=tensor,
        )

    @property
    def stored(self) -> list[str]:
        return self.called(self.left)

    @property
    def wanted(self) -> list[str]:
        return self.called(self.right)

    def called(self, side: Side) -> list[str]:
        """What the axes are called where they are not taken apart; an axis of size 1 is called unit."""
        return [self.merged.get(axis, axis[0] if axis else "unit") for axis in side]

    def back(self, rng: Rng, sizes: Mapping[str, int], tensor: str = "x") -> "Pattern":
        """The way back, which passes what it needs of the way there's sizes and of these."""
        given = needed(rng, self.right, {**sizes, **self.given})
        fixed = {**self.fixed, **self.given}
        return replace(self, left=self.right, right=self.left, given=given, fixed=fixed, tensor=tensor)

    def lettered(self, rng: Rng) -> "Pattern":
        """The same with a letter for each name, as a loop has them, in no telling order."""
        names = list(dict.fromkeys(names_in(self.left) + names_in(self.right)))
        letters = dict(zip(names, rng.shuffled("ijklmnp"[: len(names)]), strict=True))
        return replace(
            self,
            left=renamed(self.left, letters),
            right=renamed(self.right, letters),
            given={letters[name]: size for name, size in self.given.items()},
            merged={tuple([letters[name] for name in axis]): name for axis, name in self.merged.items()},
            fixed={letters[name]: size for name, size in self.fixed.items()},
        )

    def posed(self, prompt: str, mistakes: Iterable[Variant], hints: Sequence[str], why: str) -> WritePattern:
        there = {*names_in(self.left), *names_in(self.right)} - set(self.given)
        derived = {name: str(size) for name, size in self.fixed.items() if name in there}
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

    def call(self, left: Side, right: Side) -> str:
        """The call with a pattern of these sides."""
        pattern = f"{spelled(left)} -> {spelled(right)}"
        return render_call(self.operation, self.tensor, pattern, self.reduction, self.given)

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
        """The same for patterns that do the same to the tensor, whatever their names are.

        Where the sizes forbid it, einops raises; what counts then is what it does where all free sizes are equal, as on
        one of the hidden instances.
        """
        return self._walk(left, right, self._totals) or self._walk(left, right, self._equal_totals) or (left, right)

    def _walk(self, left: Side, right: Side, totals: tuple[int, ...]) -> object | None:
        """How the axes of the result walk through the tensor, and those that are reduced; None where einops raises.

        Each is a list of sizes and strides, outermost first. Sizes of 1, and what is taken apart and put together
        again, leave no trace.
        """
        if (steps := _steps(left, totals, tuple(self.given.items()))) is None:
            return None
        kept = names_in(right)
        new = [name for name in kept if name not in steps]
        gone = len(kept) < len(steps) + len(new)
        if (
            (gone and self.operation != "reduce")
            or (new and self.operation != "repeat")
            or set(new) - self.given.keys()
        ):
            return None
        steps = {**steps, **{name: (self.given[name], 0) for name in new}} if new else steps
        reduced = [step for name, step in steps.items() if name not in kept] if gone else []
        return [*[_runs([steps[name] for name in axis]) for axis in right], _runs(reduced[::-1])]

    @cached_property
    def _totals(self) -> tuple[int, ...]:
        """Sizes of the tensor's axes where those that nobody is told are large primes."""
        free = [name for name in names_in(self.left) if name not in self.given and name not in self.fixed]
        return self._sized(dict(zip(free, PRIMES, strict=False)))

    @cached_property
    def _equal_totals(self) -> tuple[int, ...]:
        return self._sized(dict.fromkeys(names_in(self.left), next(iter(self.given.values()), 3)))

    def _sized(self, free: Mapping[str, int]) -> tuple[int, ...]:
        sizes = {**free, **self.fixed, **self.given}
        return tuple([prod([sizes[name] for name in axis]) for axis in self.left])


@lru_cache(maxsize=256)  # most mistakes are on the right alone
def _steps(
    left: Side, totals: tuple[int, ...], given: tuple[tuple[str, int], ...]
) -> Mapping[str, tuple[int, int]] | None:
    """Size and stride of each name, the last first; None where the axes have not these sizes."""
    if len(left) != len(totals):
        return None
    known = dict(given)
    steps: dict[str, tuple[int, int]] = {}
    stride = 1
    for axis, total in zip(left[::-1], totals[::-1], strict=True):
        told = [known[name] for name in axis if name in known]
        rest, over = divmod(total, prod(told))
        if over or len(axis) > len(told) + 1 or (len(axis) == len(told) and rest > 1):
            return None
        for name in axis[::-1]:
            size = known.get(name, rest)
            steps[name] = size, stride
            stride *= size
    return steps


def _runs(steps: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sizes and strides, outermost first, with neighbours that walk on from one another as one."""
    runs: list[tuple[int, int]] = []
    for size, stride in steps:
        if runs and runs[-1][1] == size * stride:
            runs[-1] = runs[-1][0] * size, stride
        elif size > 1:
            runs.append((size, stride))
    return runs


def needed(rng: Rng, side: Side, sizes: Mapping[str, int]) -> dict[str, int]:
    """The sizes that a call must pass to take the axes of that side apart: in each bracket all but one.

    At most one name of a bracket has no size here; where all have one, chance says which is not passed.
    """
    passed: dict[str, int] = {}
    for axis in [axis for axis in side if len(axis) > 1]:
        free = [name for name in axis if name not in sizes] or [rng.pick(axis)]
        passed |= {name: sizes[name] for name in axis if name != free[0]}
    return dict(sorted(passed.items()))  # the order of a bracket is for the learner to say


def fastest_first(it: Pattern, side: Side) -> str:
    """How the merged axes of a side are ordered: `In patch, w changes fastest, then h.`."""
    return " ".join(
        [
            f"In `{it.merged[axis]}`, {axis[-1]} changes fastest, then {', then '.join(axis[-2::-1])}."
            for axis in side
            if len(axis) > 1
        ]
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
