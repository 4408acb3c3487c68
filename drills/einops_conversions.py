"""Patterns written as torch code, and torch code written as patterns."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod
from typing import NamedTuple

from tensordrill.authoring import Rng, Tensor, WriteExpression, WritePattern, Wrong, drill
from tensordrill.building.contraction import axes_of, listed
from tensordrill.building.patterns import (
    Axis,
    Pattern,
    Side,
    Variant,
    as_torch,
    code_question,
    grouped,
    names_in,
    plain,
    spelled,
    swapped,
)
from tensordrill.building.variants import bracket_variants, order_variants

SECOND, THIRD = 2, 3  # levels


class Scene(NamedTuple):
    """Axes that stand for themselves, and axes that hold several."""

    plain: str
    folded: Mapping[str, str]

    @property
    def rank(self) -> int:
        return len(self.plain.split()) + len(self.folded)


SCENES = (
    Scene("batch seq", {"d_model": "head d_head"}),
    Scene("batch seq", {"d_fused": "qkv head d_head"}),
    Scene("batch channel", {"height": "row dy", "width": "col dx"}),
    Scene("batch height width", {"channels": "group member"}),
    Scene("station sensor", {"hours": "day hour"}),
    Scene("layer d_model", {"rows": "sample beam"}),
    Scene("d_model", {"tokens": "expert slot", "rows": "batch choice"}),
    Scene("agent feature", {"rows": "env episode"}),
    Scene("prompt latent", {"runs": "dictionary seed"}),
    Scene("batch electrode", {"time": "window tick"}),
    Scene("batch feature", {"frames": "clip frame", "spots": "place view"}),
    Scene("seq d_head", {"queries": "kv_head share"}),
)
PAIRS = [scene for scene in SCENES if all(len(parts.split()) == 2 for parts in scene.folded.values())]  # noqa: PLR2004
PRIMES = (2, 3, 5, 7, 11, 13)
MERGED = ("new_axis", "new_axis_2")
MERGES: Sequence[tuple[int, ...]] = ((2,), (3,), (2, 2))


def unmoved(left: Side, right: Side) -> bool:
    """Whether all names stay in order, or two that are taken apart come together again as they were."""
    there = {pair for axis in right for pair in pairwise(axis)}
    return names_in(left) == names_in(right) or any(pair in there for axis in left for pair in pairwise(axis))


def stored(rng: Rng, *, splits: int, rank: int, scenes: Sequence[Scene] = SCENES) -> tuple[Side, dict[Axis, str]]:
    """A tensor of so many axes, some of which hold several, and what those are called."""
    scene = rng.pick([it for it in scenes if len(it.folded) >= splits and it.rank >= rank])
    folded = rng.sample(tuple(scene.folded), splits)
    brackets = {tuple(rng.shuffled(scene.folded[name].split())): name for name in folded}
    others = [*rng.shuffled(scene.plain.split()), *[name for name in scene.folded if name not in folded]]
    return tuple(rng.shuffled([*brackets, *plain(others[: rank - splits])])), brackets


def named(side: Side, brackets: Mapping[Axis, str]) -> dict[Axis, str]:
    """A name for every bracket, those on this side too."""
    return {**brackets, **dict(zip([axis for axis in side if len(axis) > 1], MERGED, strict=False))}


def composed(rng: Rng, *, splits: int, rank: int) -> Pattern:
    """Axes taken apart, put in another order and merged."""
    left, brackets = stored(rng, splits=splits, rank=rank)
    names = names_in(left)
    merges = rng.pick(
        [m for m in MERGES if sum(m) < len(names) + (rng.level == THIRD)][: 1 if rng.level == 1 else None]
    )
    if rng.level == 1 and splits and rng.chance(0.2):
        merges = ()
    counts = [*merges, *[1] * (len(names) - sum(merges))]
    while True:
        right = grouped(rng.shuffled(names), rng.shuffled(counts))
        if not unmoved(left, right):
            break
    known = [name for axis in brackets for name in rng.sample(axis, len(axis) - 1)]
    sizes = dict(zip(known, rng.distinct(len(known), 2, 6), strict=True))
    return Pattern(left=left, right=right, given=sizes, merged=named(right, brackets))


# --- a pattern as torch


def product(axis: Axis) -> str:
    return " * ".join(axis) or "1"


def reshaped(side: Side) -> str:
    return f".reshape({', '.join([product(axis) for axis in side])})"


def in_torch(it: Pattern, order: Sequence[int] = ()) -> str:
    """The pattern as reshape, permute and reshape; the names of axes are sizes. `order` is put for what is permuted."""
    left, right = names_in(it.left), names_in(it.right)
    order = order or [left.index(name) for name in right]
    apart = reshaped(plain(left)) if any(len(axis) != 1 for axis in it.left) else ""
    moved = f".permute{axes_of([str(i) for i in order])}" if left != right else ""
    merged = reshaped(it.right) if any(len(axis) != 1 for axis in it.right) else ""
    return f"{it.tensor}{apart}{moved}{merged}"


def scattered(it: Pattern) -> bool:
    """Whether the right side merges axes that lie apart in memory, so that `view` raises."""
    neighbours = set(pairwise(names_in(it.left)))
    return any(pair not in neighbours for axis in it.right for pair in pairwise(axis))


def torch_mistakes(it: Pattern) -> Iterator[Wrong]:
    """What people write instead of the pattern, as torch; each does something else."""
    left = names_in(it.left)
    yield Wrong(
        "permute-missing",
        f"{it.tensor}{reshaped(it.right)}",
        "A reshape moves nothing: it reads the entries in the order in which they lie and cuts them anew. The shape is "
        "right, and the entries stand elsewhere. Take apart, permute, then merge.",
    )
    if scattered(it):
        yield Wrong(
            "view-after-permute",
            ".view".join(in_torch(it).rsplit(".reshape", 1)),
            "`view` merges only axes that lie together in memory, and after the permute they do not: it raises. "
            "`reshape` (or `flatten`) copies where it must.",
        )
    told = replace(it, given=it.fixed or dict(zip(left, PRIMES, strict=False)))  # torch is told every size
    seen = [told.meaning(it.left, it.right)]
    variants = [*split_variants(it), *bracket_variants(it), *order_variants(it)]
    for name, read, wanted, because in variants:
        if (meaning := told.meaning(read, wanted)) not in seen and names_in(read) != names_in(wanted):
            seen.append(meaning)
            yield Wrong(name, in_torch(replace(it, left=read, right=wanted)), because)
    sides = [(it.left, it.right), *[(variant.left, variant.right) for variant in variants]]
    orders = [[names_in(read).index(name) for name in names_in(wanted)] for read, wanted in sides]
    inverse = [orders[0].index(i) for i in range(len(left))]
    if inverse not in orders and inverse != sorted(inverse):
        yield Wrong(
            "inverse-permutation",
            in_torch(it, inverse),
            "That is the inverse: `permute` lists, for each axis of the result, which axis it was before.",
        )


def split_variants(it: Pattern) -> Iterator[Variant]:
    """Brackets on the left read the other way round."""
    for axis in it.left:
        if len(axis) > 1:
            left = tuple([old[::-1] if old == axis else old for old in it.left])
            yield Variant(
                "split-backwards",
                left,
                it.right,
                f"You take {it.merged[axis]} apart as ({', '.join(axis[::-1])}). The first name in brackets is the "
                f"outermost and comes first in the shape: ({', '.join(axis)}).",
            )


RULED_OUT = ("einops", "rearrange", "reduce", "repeat", "einsum", "pack", "unpack")


@drill(after=["einops.split"], levels=3, arena="0.0", structures=(85, 360, 720))
def to_torch(rng: Rng) -> WriteExpression:
    """A pattern as view, permute and reshape."""
    splits = (rng.integer(0, 1), 1, rng.integer(1, 2))[rng.level - 1]
    undone = rng.level == THIRD and rng.chance(0.4)
    rank = rng.pick(((3 - splits, 3), (3, 3), (3, 3 if splits > 1 and undone else 4))[rng.level - 1])
    it = composed(rng, splits=splits, rank=rank)
    if rng.level > 1 and rng.chance(0.25):
        at = rng.integer(0, len(it.right))
        it = replace(it, right=(*it.right[:at], (), *it.right[at:]))
    if rng.level == THIRD and not undone:
        size = rng.integer(2, 4)
        it = replace(it, given=dict.fromkeys(it.given, size), fixed=dict.fromkeys(names_in(it.left), size))
    call = f"rearrange(x, '{spelled(it.left)} -> {spelled(it.right)}'"
    call += "".join([f", {name}={size}" for name, size in it.given.items()]) + ")"
    asked = "Write this as one expression of `x`"
    if undone:
        call, asked = f"y = {call}", "This ran. Write one expression of `y` that gives `x` again"
        it = replace(it, left=it.right, right=it.left, tensor="y")
    prompt = (
        f"{asked}, with `view`, `reshape`, `permute` and the like. einops and einsum are ruled out.\n\n"
        "Every name of an axis is a variable that holds its size."
    )
    if rng.level == 1:
        prompt += f"\n\n{steps(it)}"
    if it.fixed:
        prompt += f" Every name in the pattern stands for {size}, so that a wrong expression runs as well."
    return WriteExpression(
        prompt=prompt,
        tensors=[Tensor(it.tensor, tuple(it.stored))],
        output=it.wanted,
        reference_expression=in_torch(it),
        sizes={**it.fixed, **it.given, **products(it)},
        code=call,
        forbid=RULED_OUT,
        hints=[
            "Three steps at most: reshape so that every name has its own axis, permute, and reshape once more.",
            f"Apart, the axes are {axes_of(names_in(it.left))}; the result wants {axes_of(names_in(it.right))}.",
        ],
        why="Brackets on the left are a `reshape` (or `unflatten`) that gives each name an axis, outermost first. The "
        "order of names is a `permute`. Brackets on the right are a `reshape` (or `flatten`) again; `view` would raise "
        "there, since permuted axes do not lie together in memory. A reshape alone never moves an entry.",
        wrong=list(torch_mistakes(it)),
    )


def products(it: Pattern) -> dict[str, str]:
    """The sizes of merged axes, their factors in alphabetical order, which says nothing of theirs."""
    made = {name: " * ".join(sorted(axis)) for axis, name in it.merged.items()}
    return made | ({"unit": "1"} if () in (*it.left, *it.right) else {})


def steps(it: Pattern) -> str:
    """Level 1: what is to be done, in order."""
    apart = [f"take {name} apart" for axis, name in it.merged.items() if axis in it.left]
    joined = [f"merge {listed(sorted(axis))}" for axis in it.merged if axis in it.right]
    text = ", ".join([*apart, "put the axes in order", *joined])
    return f"{text[0].upper()}{text[1:]}."


# --- torch as a pattern


class Misread(NamedTuple):
    """A wrong turn's id, what a step is taken to do, and the sentence about it."""

    id: str
    does: Callable[[Side], Side]
    because: str


class Step(NamedTuple):
    """Code in which `{}` stands for the tensor, and what it does to the axes."""

    code: str
    does: Callable[[Side], Side]
    misread: tuple[Misread, ...] = ()


def without(side: Side, at: int) -> Side:
    return (*side[:at], *side[at + 1 :])


def put(side: Side, at: int, *axes: Axis) -> Side:
    return (*side[:at], *axes, *side[at:])


def turn(rng: Rng, side: Side) -> Step:
    """A step that puts axes in another order."""
    rank = len(side)
    source, target = rng.sample(range(rank), 2)
    order = list(range(rank))
    way = rng.integer(1, 3)
    if way == 1:
        order[source], order[target] = target, source
        code = f"{{}}.transpose({source}, {target - rank if target == rank - 1 else target})"
    elif SECOND in (way, rank):
        order.insert(target, order.pop(source))
        code = f"{{}}.movedim({source}, {target - rank if target == rank - 1 else target})"
    else:
        order = rng.shuffled(order)
        order = order[1:] + order[:1] if order == sorted(order) else order
        code = f"{{}}.permute{axes_of([str(i) for i in order])}"
    inverse = [order.index(i) for i in range(rank)]
    return Step(
        code,
        lambda it: tuple([it[i] for i in order]),
        (
            Misread("step-skipped", lambda it: it, f"You leave out `{code.format('')}`."),
            Misread(
                "inverse-order",
                lambda it: tuple([it[i] for i in inverse]),
                f"You take `{code.format('')}` the other way round. "
                "It says, for each axis of the result, which it was before."
                if "permute" in code
                else f"You take `{code.format('')}` the other way round: the axis goes from the first place to the "
                "second.",
            ),
        ),
    )


def cut(rng: Rng, side: Side, at: int, sizes: dict[str, int]) -> Step:
    """A step that takes apart the axis there, which holds two; what the code says of their sizes goes into `sizes`."""
    slow, fast = side[at]
    rank, n = len(side), rng.pick([size for size in range(2, 7) if size not in sizes.values()])
    way = rng.integer(1, 8)
    known = slow if way in (1, 3, 5) else fast
    sizes[known] = n
    new = rng.integer(0, rank)
    other = rng.pick([i for i in range(rank) if i != at])
    lead = ":, " * at

    def apart(it: Side) -> Side:
        return put(without(it, at), at, it[at][:1], it[at][1:])

    def stacked(it: Side) -> Side:
        return put(put(without(it, at), at, it[at][1:]), new, it[at][:1])

    def strided(it: Side) -> Side:
        return put(put(without(it, at), at, it[at][:1]), new, it[at][1:])

    def joined(it: Side) -> Side:
        there = put(without(it, at), at, it[at][1:])
        return put(without(there, other), other, it[at][:1] + there[other])

    def unfolded(it: Side) -> Side:
        return (*put(without(it, at), at, it[at][:1]), it[at][1:])

    as_stack = Misread(
        "stacked-not-joined",
        lambda it: put(put(without(it, at), at, it[at][1:]), other, it[at][:1]),
        "You give the pieces a new axis, as `stack` does. `cat` puts them end to end along one that is there.",
    )
    as_cat = Misread(
        "joined-not-stacked",
        joined,
        "You put the pieces end to end along an axis that is there, as `cat` does. `stack` makes a new one.",
    )
    return (
        Step(f"{{}}.unflatten({at}, ({n}, -1))", apart),
        Step(f"{{}}.unflatten({at}, (-1, {n}))", apart),
        Step(f"torch.stack({{}}.chunk({n}, dim={at}), dim={new})", stacked, (as_cat,)),
        Step(f"torch.stack({{}}.split({n}, dim={at}), dim={new})", stacked, (as_cat,)),
        Step(f"torch.cat({{}}.chunk({n}, dim={at}), dim={other})", joined, (as_stack,)),
        Step(f"torch.cat({{}}.split({n}, dim={at}), dim={other})", joined, (as_stack,)),
        Step(f"torch.stack([{{}}[{lead}i::{n}] for i in range({n})], dim={new})", strided),
        Step(f"{{}}.unfold({at}, {n}, {n})", unfolded),
    )[way - 1]


def join(rng: Rng, side: Side) -> Step:
    """A step that merges two axes."""
    if rng.chance(0.6):
        at = rng.integer(0, len(side) - 2)
        return Step(f"{{}}.flatten({at}, {at + 1})", lambda it: put(it[:at] + it[at + 2 :], at, it[at] + it[at + 1]))
    gone, at = rng.integer(0, len(side) - 1), rng.integer(0, len(side) - 2)

    def joined(it: Side) -> Side:
        rest = without(it, gone)
        return put(without(rest, at), at, it[gone] + rest[at])

    return Step(f"torch.cat({{}}.unbind({gone}), dim={at})", joined)


def done(steps: Sequence[Callable[[Side], Side]], side: Side) -> Side:
    for step in steps:
        side = step(side)
    return side


@dataclass(frozen=True)
class Code:
    """Code, the pattern that it is, and what people take it for."""

    text: str
    pattern: Pattern
    misread: Sequence[Variant]


def in_steps(rng: Rng) -> Code:
    """A line for each step."""
    splits = rng.integer(1, 2) if rng.level == THIRD else 1
    kinds = ["cut"] * splits + ["turn"] + ["join"] * (rng.level == THIRD or rng.chance())
    while True:
        left, brackets = stored(rng, splits=splits, rank=3, scenes=PAIRS)
        side, steps, sizes = left, list[Step](), dict[str, int]()
        for kind in rng.shuffled(kinds):
            whole = [i for i, axis in enumerate(side) if axis in brackets]
            if kind == "cut" and whole:
                steps.append(cut(rng, side, rng.pick(whole), sizes))
            else:
                steps.append((join if kind == "join" and len(side) > SECOND else turn)(rng, side))
            side = steps[-1].does(side)
        merged = named(side, brackets)
        if len(sizes) == splits and not unmoved(left, side) and {*merged} >= {a for a in side if len(a) > 1}:
            break
    names = ["x", *["y"] * (len(steps) - 1), "out"]
    lines = [f"{new} = {step.code.format(old)}" for old, step, new in zip(names, steps, names[1:], strict=False)]
    it = Pattern(left=left, right=side, given=sizes, merged=merged)
    return Code("\n".join(lines), it, list(misreadings(left, steps)))


def misreadings(left: Side, steps: Sequence[Step]) -> Iterator[Variant]:
    """What comes out where one step is taken for something else, and the others still make sense."""
    functions = [step.does for step in steps]
    for i, step in enumerate(steps):
        before = done(functions[:i], left)
        for other in step.misread:
            after = other.does(before)
            if i == len(steps) - 1 or len(after) == len(step.does(before)):
                right = done(functions[i + 1 :], after)
                if all(right):  # no axis is taken apart that holds only one
                    yield Variant(other.id, left, right, other.because)


def in_sizes(it: Pattern) -> str:
    """view, permute and reshape, with the sizes taken from the shape."""
    text = {name: name for name in names_in(it.left)} | {name: str(size) for name, size in it.given.items()}
    for axis, name in it.merged.items():
        if axis in it.left:
            known = prod([it.given[part] for part in axis if part in it.given])
            text |= {part: f"{name} // {known}" for part in axis if part not in it.given}
    apart = [text[name] for name in names_in(it.left)]
    joined = []
    for axis in it.right:
        factors = [f"({text[name]})" if "//" in text[name] and len(axis) > 1 else text[name] for name in axis]
        joined.append(" * ".join(factors))
    left, right = names_in(it.left), names_in(it.right)
    order = axes_of([str(left.index(name)) for name in right])
    code = f"{', '.join(it.stored)} = x.shape\n"
    code += f"out = x.view({', '.join(apart)})" if len(left) > len(it.left) else "out = x"
    return f"{code}.permute{order}" + (f".reshape({', '.join(joined)})" if len(right) > len(it.right) else "")


def in_one_line(rng: Rng) -> Code:
    """Taken apart, permuted, merged."""
    it = composed(rng, splits=1, rank=3)
    names, right = names_in(it.left), names_in(it.right)
    counts = [len(axis) for axis in it.right]
    skipped = Misread(
        "permute-skipped", lambda _: grouped(names, counts), "You leave out the permute, which moves axes."
    )
    inverse = Misread(
        "inverse-order",
        lambda _: grouped([names[right.index(name)] for name in names], counts),
        "You take the permute the other way round. It says, for each axis of the result, which it was before.",
    )
    misread = [Variant(other.id, it.left, other.does(it.left), other.because) for other in (skipped, inverse)]
    return Code(in_sizes(it) if rng.level > 1 and rng.chance() else as_torch(it), it, misread)


def code_mistakes(it: Code) -> Iterator[Variant]:
    task = it.pattern
    yield from it.misread
    yield from split_variants(task)
    yield from bracket_variants(task)
    for axis in [axis for axis in task.left if len(axis) > 1]:
        known = next(name for name in axis if name in task.given)
        free = next(name for name in axis if name not in task.given)
        yield Variant(
            "size-misplaced",
            swapped(task.left, known, free),
            swapped(task.right, known, free),
            f"In your pattern {known} stands where {free} belongs, so {free} gets the size {task.given[known]}.",
        )
    yield from order_variants(task)


@drill(after=["einops.split"], levels=3, arena="0.0", structures=(460, 510, 720))
def from_torch(rng: Rng) -> WritePattern:
    """Torch code as one pattern."""
    stepwise = rng.level == THIRD or (rng.level == SECOND and rng.chance())
    it = (in_steps if stepwise else in_one_line)(rng)
    task = it.pattern
    held = [
        f"`{name}` holds {listed([f'`{part}`' for part in sorted(axis)])}"
        for axis, name in task.merged.items()
        if axis in task.left
    ]
    passed = listed([f"`{name}={size}`" for name, size in task.given.items()])
    prompt = f"{code_question(it.text, task)} {', '.join(held)}. The call passes {passed}."
    if rng.level == 1:
        prompt += f"\n\nAfter the first step the axes are {axes_of(names_in(task.left))}."
    return task.posed(
        prompt,
        code_mistakes(it),
        hints=[
            "Write down the names of the axes after every step. A new name comes up only where an axis is taken apart.",
            f"With every name apart, the result has them in the order {axes_of(names_in(task.right))}.",
        ],
        why="What takes an axis apart (`unflatten`, `view`, `chunk`, `unfold`) is a bracket on the left, the outermost "
        "name first. `permute`, `transpose` and `movedim` change only the order of names; `permute` lists, for each "
        "axis of the result, which it was. `flatten` and `reshape` are brackets on the right; so is `cat`, whose "
        "pieces change slowest there. `stack` gives the pieces an axis of their own.",
    )
