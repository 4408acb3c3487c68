"""Shapes of tensors that are stretched: broadcasting, and copies along axes that are there or new."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import zip_longest
from math import prod

from tensordrill.authoring import PredictShape, Rng, drill
from tensordrill.building.shapes import (
    Asked,
    Misread,
    Rule,
    Shape,
    Shaped,
    Step,
    bracketed,
    broadcast_of,
    chained,
    inserted,
    method,
    misnumbered,
    replaced_at,
    shape_puzzle,
    signed,
    tensor_of,
    zeros,
)

SECOND, THIRD = 2, 3  # levels


def made(name: str, shape: Shape, axes: Sequence[str] = ()) -> Asked:
    return f"{name} = {zeros(shape, axes)}", Shaped(name, shape)


def both(*tensors: Asked) -> tuple[str, list[Shaped]]:
    """The lines that make the tensors, and the tensors."""
    return "\n".join([line for line, _ in tensors]), [x for _, x in tensors]


def raising(*_: Shape) -> None:
    return None


# --- broadcast


def aligned_left(*shapes: Shape) -> Shape | None:
    found = broadcast_of(*[shape[::-1] for shape in shapes])
    return found and found[::-1]


def per_axis(pick: Callable[[Sequence[int]], int]) -> Rule:
    """Aligned as torch does, with one of the sizes whatever they are; those of 1 do not count."""

    def rule(*shapes: Shape) -> Shape:
        columns = zip_longest(*[shape[::-1] for shape in shapes], fillvalue=1)
        return tuple([pick([size for size in sizes if size > 1] or [1]) for sizes in columns])[::-1]

    return rule


def about_broadcast(*shapes: Shape, whole: bool) -> Iterator[Misread]:
    """What people say of it. `whole` where the result is larger than each of them."""
    right = broadcast_of(*shapes)
    if right is not None:
        because = (
            "It runs. Lined up at the last axes, two sizes must be equal or one of them 1; a missing one counts as 1."
        )
        yield Misread("equal-or-error", lambda *them: them[0] if len({*them}) == 1 else None, because)
    if len({*map(len, shapes)}) > 1:
        because = "Shapes are lined up at their last axes, not the first; a shorter one gets axes of size 1 in front."
        yield Misread("aligned-left", aligned_left, because)
    if right is None:
        because = "It raises: two sizes that meet must be equal, or one of them 1. Nothing is {}."
        yield Misread("larger-size-wins", per_axis(max), because.format("repeated or filled up"))
        yield Misread("smaller-size-wins", per_axis(min), because.format("cut off"))
        if all(len(shape) == 1 for shape in shapes):
            because = "It raises: for all pairs one of the two needs a new axis, as in `x[:, None]`."
            yield Misread("all-pairs", lambda *them: tuple([size for shape in them for size in shape]), because)
    elif whole:
        because = "Every operand may be stretched, not only one of them: each axis has the larger size."
        yield Misread("shape-of-first", lambda first, *_: first, because)
        yield Misread("shape-of-last", lambda *them: them[-1], because)


OPERATORS = ("{} + {}", "{} - {}", "{} * {}", "{} / {}", "{} < {}", "torch.maximum({}, {})")


def combined(text: str, *operands: Shaped, whole: bool = True) -> Shaped:
    misread = about_broadcast(*[operand.sizes for operand in operands], whole=whole)
    return operands[0].then(text, broadcast_of, misread, *operands[1:])


# The axes of a result, and the names of two tensors that give it.
SETTINGS = (
    ("batch head query key", "scores", "mask"),
    ("batch channel height width", "images", "scale"),
    ("layer batch seq d_model", "cache", "steering"),
    ("batch seq d_model", "residual", "bias"),
    ("layer batch neuron", "acts", "mean"),
    ("batch frame pixel", "frames", "noise"),
    ("batch seq vocab", "logits", "penalty"),
    ("query key", "scores", "penalty"),
    ("batch vocab", "logits", "prior"),
    ("batch neuron", "acts", "gate"),
)


def two_named(rng: Rng, *, fails: bool) -> Asked:
    """Two tensors of different rank, both of them stretched; or one whose axes are not where those of the other are."""
    axes, *names = rng.pick(SETTINGS)
    full = axes.split()
    size = dict(zip(full, rng.sizes(len(full), 2, 8), strict=True))
    long, short = [*full], full[rng.integer(1, len(full) - 1) :]
    if fails:
        last = rng.integer(1, len(full) - 1)
        short = full[:last] if rng.chance(0.6) else rng.sample(full, last)  # the first fits lined up at the left
    else:
        own, *others = rng.shuffled(range(1, len(short) + 1))
        long[-own] = "1"
        for axis in others:
            if rng.chance(0.4):
                rng.pick((long, short))[-axis] = "1"
    sides = [made(name, tuple([size.get(axis, 1) for axis in side]), side)
             for name, side in zip(names, (long, short), strict=True)]  # fmt: skip
    program, operands = both(*rng.shuffled(sides))
    return program, combined(rng.pick(OPERATORS), *operands)


def placed(rng: Rng, x: Shaped, full: Sequence[int], *, slip: bool = False) -> Shaped:
    """Its axes where the full shape has them, with new ones between them; or with one of these missing or too many."""
    start = 0 if rng.chance(0.3) else full.index(x.sizes[0])
    marks = [":" if size in x.sizes else "None" for size in full[start:]]
    if slip and "None" in marks:
        marks.remove("None")
    elif slip:
        marks.append("None")
    new = [i for i, mark in enumerate(marks) if mark == "None"]
    if not new:
        return x
    if len(new) == 1 and rng.chance(0.4):
        return with_axis(x, f".unsqueeze({new[0] - rng.pick((0, x.rank + 1))})", new[0])
    while marks[-1] == ":" and len(marks) > 1 and rng.chance(0.8):
        marks.pop()
    if new == [x.rank]:
        marks = rng.pick((marks, ["...", "None"]))
    index = f"[{', '.join(marks)}]"

    def rule(shape: Shape) -> Shape:
        for axis in new:
            shape = inserted(shape, axis, 1)
        return shape

    return x.then(f"{{}}{index}", rule, [ignored()] if new[-1] >= len(new) else [])


def with_axis(x: Shaped, index: str, at: int) -> Shaped:
    """A new axis; in front of all others it would change nothing."""
    return x.then(f"{{}}{index}", lambda shape: inserted(shape, at, 1), [ignored()] if at else [])


def ignored() -> Misread:
    return Misread("new-axis-ignored", lambda s: s, "None and unsqueeze add an axis of size 1, just where they say.")


def subsets(rng: Rng, full: Sequence[int], count: int) -> list[Shape]:
    """So many shapes with some of the axes, in order: each has one that no other has, and one that is missing."""
    own = rng.sample(range(len(full)), count)
    shared = [axis for axis in range(len(full)) if axis not in own]
    owners = {axis: rng.sample(range(count), rng.integer(1, count)) for axis in shared}
    owners |= {axis: [i] for i, axis in enumerate(own)}
    return [tuple([full[axis] for axis in range(len(full)) if i in owners[axis]]) for i in range(count)]


def two_placed(rng: Rng, *, fails: bool) -> Asked:
    full = rng.sizes(rng.integer(2, 4), 2, 8)
    names = rng.pick((("x", "y"), ("a", "b"), ("p", "q"), ("rows", "columns"), ("query", "memory"), ("left", "right")))
    program, tensors = both(*map(made, names, subsets(rng, full, 2)))
    wrong = rng.integer(0, 1) if fails else None
    return program, combined(
        rng.pick(OPERATORS), *[placed(rng, x, full, slip=i == wrong) for i, x in enumerate(tensors)]
    )


def less_mean(rng: Rng, *, fails: bool) -> Asked:
    """A tensor and the mean of another, or its own, along an axis that is kept, or not."""
    shape = tuple(rng.sizes(rng.integer(2, 4), 2, 8))
    rank = len(shape)
    axis = rng.integer(1, rank - 1)
    name, function = rng.pick((("x", "mean"), ("acts", "mean"), ("scores", "amax"), ("logits", "logsumexp")))
    dim = signed(rng, axis, rank)
    line, x = made(name, shape)
    y = x
    if not fails or rng.chance(0.3):
        at = rng.pick([i for i in range(rank) if i != axis])
        other, y = made(rng.pick(("y", "target", "base")), replaced_at(shape, at, 1))
        line += f"\n{other}"
    if fails:
        because = "Without keepdim=True the axis is gone, and the others are lined up anew at the last one."
        misread = [Misread("kept-as-one", lambda s: replaced_at(s, dim, 1), because)]
        mean = x.then(f"{{}}.{function}(dim={dim})", lambda s: replaced_at(s, dim), misread)
    else:
        because = "keepdim=True keeps the axis with size 1, so that the others stay where they are."
        misread = [Misread("keepdim-forgotten", lambda s: replaced_at(s, dim), because)]
        mean = x.then(f"{{}}.{function}(dim={dim}, keepdim=True)", lambda s: replaced_at(s, dim, 1), misread)
    return line, combined(rng.pick(OPERATORS[:4]), *rng.shuffled([y, mean]))


def against_targets(rng: Rng, *, fails: bool) -> Asked:
    """Predictions with one axis more than what they are compared with: a column against a row."""
    n, k = rng.sizes(2, 2, 9)
    names = rng.pick((("pred", "target"), ("values", "returns"), ("output", "label")))
    program, tensors = both(
        *map(made, names, rng.pick((((n, k), (n,)), ((k, n, 1), (k, n)))) if fails else ((n, 1), (n,)))
    )
    return program, combined(rng.pick(OPERATORS[:5]), *rng.shuffled(tensors))


def three_placed(rng: Rng, *, fails: bool) -> Asked:
    """Three tensors, with one step after the other, or in one call."""
    full = rng.sizes(rng.integer(3, 4), 2, 7)
    where = rng.chance(0.3)
    names = ("mask", "x", "y") if where else rng.pick((("x", "y", "z"), ("a", "b", "c"), ("x", "gain", "bias")))
    program, tensors = both(*map(made, names, subsets(rng, full, 3)))
    wrong = rng.integer(0, 2) if fails else None
    first, second, third = [placed(rng, x, full, slip=i == wrong) for i, x in enumerate(tensors)]
    if where:
        return program, combined("torch.where({} > 0, {}, {})", first, second, third)
    y = combined(rng.pick(OPERATORS[:4]), first, second)
    if y.shape is None:
        return program.rpartition("\n")[0], y
    return f"{program}\nw = {y.text}", combined(rng.pick(OPERATORS), *rng.shuffled([y.called("w"), third]), whole=False)


def masked(rng: Rng, *, fails: bool) -> Asked:
    """Masks for padding and for the future, and a bias for each head."""
    batch, head, query, key = rng.sizes(4, 2, 7)
    if fails and rng.chance(0.25):
        program, (scores, padding) = both(made("scores", (batch, head, query, key)), made("padding", (batch, key)))
        index = rng.pick(("", "[:, None]", ".unsqueeze(1)", "[None]"))
        padding = with_axis(padding, index, int(index != "[None]")) if index else padding
        return program, combined("{} + {}", scores, padding)
    program, (causal, padding) = both(made("causal", (query, key)), made("padding", (batch, key)))
    if not (fails and rng.chance(0.3)):
        padding = with_axis(padding, rng.pick(("[:, None]", "[:, None, :]", ".unsqueeze(1)", ".unsqueeze(-2)")), 1)
    elif rng.chance(0.7):
        padding = with_axis(padding, *rng.pick((("[None]", 0), ("[..., None]", 2), (".unsqueeze(-1)", 2))))
    alone = not fails and rng.chance(0.4)
    mask = combined("{} + {}", *rng.shuffled([causal, padding]), whole=alone)
    if mask.shape is None or alone:
        return program, mask
    line, bias = made("bias", (head, query, key))
    program, mask = f"{program}\n{line}\nmask = {mask.text}", mask.called("mask")
    if not fails:
        mask = with_axis(mask, rng.pick(("[:, None]", "[:, None, :, :]", ".unsqueeze(1)", ".unsqueeze(-3)")), 1)
    return program, combined("{} + {}", *rng.shuffled([bias, mask]))


def pairwise(rng: Rng, *, fails: bool) -> Asked:
    """All differences between two sets of points, and what is made of them."""
    batch, n, m, dim = rng.sizes(4, 2, 7)
    lead = (batch,) if rng.chance() else ()
    names = rng.pick((("a", "b"), ("points", "centres"), ("query", "memory")))
    program, tensors = both(*map(made, names, ((*lead, n, dim), (*lead, m, dim))))
    wrong = rng.integer(0, 1) if fails else None
    full = (*lead, n, m, dim)
    diff = combined("{} - {}", *[placed(rng, x, full, slip=i == wrong) for i, x in enumerate(tensors)])
    if diff.shape is None:
        return program, diff
    text = rng.pick(("{}.pow(2).sum(-1)", "{}.norm(dim=-1)", "{}.abs().amax(dim=-1)", "{}.square().mean(-1)"))
    misread = [Misread("reduced-axis-kept", lambda shape: (*shape[:-1], 1), "The axis that is reduced is gone.")]
    asked = diff.called("diff").then(text, lambda shape: shape[:-1], misread)
    return f"{program}\ndiff = {diff.text}", asked


def in_place(rng: Rng, *, fails: bool) -> Asked:
    """An update of a tensor in place, which cannot grow."""
    full = rng.sizes(rng.integer(2, 4), 2, 7)
    at = rng.integer(0, len(full) - 1)
    narrow = tuple([1 if axis == at else size for axis, size in enumerate(full)])
    other = [size if rng.chance(0.6) else 1 for size in full]
    other[at] = full[at] if fails else 1
    program, (x, y) = both(made("x", narrow), made("y", tuple(other[rng.integer(0, at if fails else len(full) - 1) :])))
    function = rng.pick(("add_", "sub_", "mul_"))

    def rule(one: Shape, other: Shape) -> Shape | None:
        return one if broadcast_of(one, other) == one else None

    because = f"It raises: {function} writes into x, which keeps its shape. y may be stretched, but x may not."
    misread = [Misread("equal-or-error", raising, "It runs: y is stretched to the shape of x.")]
    if fails:
        misread = [
            Misread("grows-in-place", broadcast_of, because),
            Misread("written-in-part", lambda a, _: a, because),
        ]
    updated = x.then(f"{{}}.{function}({{}})", rule, misread, y)
    if fails:
        return program, updated
    ones = [size if axis == at else 1 for axis, size in enumerate(full)]
    line, z = made("z", tuple(ones[rng.integer(0, at) :]))
    return f"{program}\n{line}", combined(rng.pick(OPERATORS), *rng.shuffled([updated, z]))


BROADCASTS = {
    1: (two_named,),
    2: (two_placed, two_placed, two_placed, two_placed, less_mean, less_mean, against_targets),
    3: (three_placed, three_placed, masked, pairwise, in_place),
}


@drill(levels=3, arena="0.1", structures=(240, 520, 550))
def broadcast(rng: Rng) -> PredictShape:
    """Two shapes that meet, or an error."""
    fails = rng.chance(0.38)
    return shape_puzzle(
        rng,
        partial(rng.pick(BROADCASTS[rng.level]), fails=fails),
        fails=fails,
        hints=[
            "Write the shapes one under the other, so that their last axes stand in one column.",
            (
                "Fill the shorter one up with 1 in front. In each column the sizes must be equal, or one of them 1; "
                "the larger one comes out."
            ),
        ],
        why="Broadcasting lines shapes up at the last axis; missing axes in front count as 1. Two sizes are compatible "
        "if they are equal or one of them is 1, which is stretched to the other. Any other pair raises. Every operand "
        "may be stretched, but a tensor that is updated in place keeps its shape.",
    )


# --- expand and repeat


def lined_up(shape: Shape, numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Each number with the size that it stands for: 1 for those in front of the shape. Raises IndexError."""
    if len(numbers) < len(shape):
        raise IndexError(len(numbers))
    return [*zip((1,) * (len(numbers) - len(shape)) + shape, numbers, strict=True)]


def expanding(numbers: Sequence[int]) -> Rule:
    def rule(shape: Shape) -> Shape | None:
        pairs = lined_up(shape, numbers)
        if any(size not in (1, number) for size, number in pairs if number > 0):
            return None
        return tuple([size if number < 0 else number for size, number in pairs])

    return rule


def times(shape: Shape, numbers: Sequence[int]) -> Shape:
    """What repeat gives; -1 counts as 1. Raises IndexError where there are too few numbers."""
    return tuple([size * abs(number) for size, number in lined_up(shape, numbers)])


def repeating(numbers: Sequence[int]) -> Rule:
    return lambda shape: times(shape, numbers)


def expanded(rng: Rng, x: Shaped) -> Shaped:
    """Axes of size 1 stretched; of the others at least one is named by its size, which repeat would multiply."""
    fresh = iter(rng.shuffled([size for size in range(2, 10) if size not in x.sizes]))
    numbers = [size if rng.chance(0.3) else -1 for size in x.sizes]
    named = rng.pick([axis for axis, size in enumerate(x.sizes) if size > 1])
    numbers[named] = x.sizes[named]
    for axis in rng.shuffled([axis for axis, size in enumerate(x.sizes) if size == 1])[: rng.integer(1, 2)]:
        numbers[axis] = next(fresh)
    front = [next(fresh) for _ in range(rng.integer(0, 1 + (x.rank < THIRD and rng.level == 1)))]
    return expanded_to(x, (*front, *numbers))


def expanded_to(x: Shaped, numbers: Shape) -> Shaped:
    because = "expand says what sizes come out. It stretches axes of size 1 and multiplies nothing; -1 keeps a size."
    misread = [Misread("taken-for-repeat", repeating(numbers), because)]
    if any(size > 1 for size, number in lined_up(x.sizes, numbers) if number < 0):
        misread.append(Misread("minus-one-is-one", lambda _: tuple(map(abs, numbers)), because))
    if 1 in x.sizes and expanding(numbers)(x.sizes) != (*numbers[: -x.rank], *x.sizes):
        misread.append(Misread("not-stretched", lambda shape: (*numbers[: -len(shape)], *shape), because))
    if len(numbers) > x.rank:
        because = "The numbers are lined up with the last axes. What is left over makes new axes in front."
        front, rest = numbers[: -x.rank], numbers[-x.rank :]
        misread.append(Misread("new-axes-last", lambda s: (*(expanding(rest)(s) or s), *front), because))
    return x.then(f"{{}}.expand({', '.join(map(str, numbers))})", expanding(numbers), misread)


def repeated(rng: Rng, x: Shaped) -> Shaped:
    """A factor for each axis, most of them 1, and perhaps one more in front."""
    numbers = [1] * x.rank
    for axis in rng.sample(range(x.rank), rng.integer(1, 2)):
        numbers[axis] = rng.integer(2, 4)
    front = [rng.integer(2, 5)] * (x.rank <= THIRD and rng.chance(0.6))
    because = "repeat says how often: every size is multiplied by the number that stands for it."
    every = (*front, *numbers)
    misread = [
        Misread("numbers-are-sizes", lambda _: every, because),
        Misread("repeats-come-on-top", repeating([n + 1 for n in every]), f"{because} The original is counted too."),
    ]
    if front:
        because = "The numbers are lined up with the last axes. What is left over makes new axes in front."
        misread.append(Misread("new-axes-last", lambda s: (*times(s, numbers), *front), because))
        taken = [*front, *numbers[:-1]]
        misread.append(Misread("lined-up-left", lambda s: (*times(s, taken), numbers[-1]), because))
    return x.then(f"{{}}.repeat({', '.join(map(str, every))})", repeating(every), misread)


def tiled(rng: Rng, x: Shaped) -> Shaped:
    """Fewer factors than axes."""
    numbers = [rng.integer(2, 4) for _ in range(rng.integer(1, max(x.rank - 1, 1)))]
    missing = [1] * (x.rank - len(numbers))
    because = "tile's factors are lined up with the last axes, and the axes before them are left alone."
    misread = [
        Misread("lined-up-left", repeating([*numbers, *missing]), because),
        Misread("new-axes-made", lambda s: (*numbers, *s), because),
        Misread(
            "numbers-are-sizes", lambda s: (*s[: len(missing)], *numbers), "tile says how often: it multiplies sizes."
        ),
    ]
    return x.then(f"{{}}.tile({bracketed(numbers)})", repeating([*missing, *numbers]), misread)


def interleaved(rng: Rng, x: Shaped) -> Shaped:
    """repeat_interleave, along an axis or without one."""
    times = rng.integer(2, 4)
    if prod(x.sizes) * times < 100 and rng.chance(0.3):  # noqa: PLR2004 -- two digits
        because = "Without a dim, repeat_interleave flattens first: one axis comes out."
        misread = [
            Misread("first-axis-only", lambda s: (s[0] * times, *s[1:]), because),
            Misread("last-axis-only", lambda s: (*s[:-1], s[-1] * times), because),
            Misread("new-axis-made", lambda s: (*s, times), because),
        ]
        return x.then(f"{{}}.repeat_interleave({times})", lambda s: (prod(s) * times,), misread)
    axis = rng.integer(0, x.rank - 1)
    dim = signed(rng, axis, x.rank)
    because = (
        f"Every entry along axis {axis} comes {times} times in that same axis, which gets longer; no axis is added."
    )

    def longer(at: int) -> Rule:
        return lambda s: replaced_at(s, at, s[at] * times)

    misread = [
        Misread("new-axis-made", lambda s: inserted(s, axis + 1, times), because),
        Misread("flattened", lambda s: (prod(s) * times,), because),
    ]
    if off := misnumbered([dim], x.rank):
        misread.append(Misread(off[0], longer(off[1][0]), off[2]))
    return x.then(method(rng, x, "repeat_interleave", f"{times}, dim={dim}"), longer(dim), misread)


def copied(rng: Rng, x: Shaped) -> Shaped:
    """A new axis, stretched: by None or unsqueeze, and expand."""
    at = rng.integer(1, x.rank)
    times = rng.pick([size for size in range(2, 10) if size not in x.sizes])
    index = f"[{', '.join([':'] * at + ['None'])}]"
    y = x.then("{}" + rng.pick((index, f".unsqueeze({at})")), lambda s: inserted(s, at, 1))
    named = rng.integer(0, x.rank - 1)
    numbers = [size if axis == named else -1 for axis, size in enumerate(x.sizes)]
    return expanded_to(y, inserted(tuple(numbers), at, times))


def copied_and_merged(rng: Rng, x: Shaped) -> Shaped:
    """A new axis, stretched and merged with one beside it: what repeat and repeat_interleave do by copying."""
    y = copied(rng, x)
    at = next(axis for axis, size in enumerate(y.sizes) if x.sizes[axis : axis + 1] != (size,))
    start = rng.pick([i for i in (at - 1, at) if i + 1 < y.rank])
    because = f"flatten({start}, {start + 1}) merges these two axes into one of the product of their sizes."
    return y.then(
        f"{{}}.flatten({start}, {start + 1})",
        lambda s: (*s[:start], prod(s[start : start + 2]), *s[start + 2 :]),
        [
            Misread("sizes-added", lambda s: (*s[:start], sum(s[start : start + 2]), *s[start + 2 :]), because),
            Misread("end-excluded", lambda s: s, because),
        ],
    )


def stretchable(rng: Rng, rank: int) -> Asked:
    """A tensor with one or two axes of size 1."""
    shape = rng.sizes(rank, 2, 7)
    for axis in rng.sample(range(rank), 1 + (rank > THIRD)):
        shape[axis] = 1
    return tensor_of(rng, shape)


def copies_program(rng: Rng) -> Asked:
    if rng.level == 1:
        step = rng.pick((expanded, expanded, repeated, repeated, tiled, interleaved))
        if step is expanded:
            return chained(rng, stretchable(rng, rng.integer(2, 4)), [step])
        return chained(rng, tensor_of(rng, rng.sizes(rng.integer(2, 3), 2, 7)), [step])
    several: tuple[Step, ...] = (repeated, tiled, interleaved)
    other = rng.pick(several)
    chains: Sequence[tuple[Step, ...]] = ((expanded, other), (other, copied), (copied, interleaved))
    if rng.level == THIRD:
        chains = (
            (copied_and_merged, other), (other, copied_and_merged), (expanded, interleaved, copied),
            (expanded, other, copied_and_merged),
        )  # fmt: skip
    steps = rng.pick(chains)
    rank = rng.integer(2, 3 + (steps[0] is copied_and_merged))
    start = stretchable(rng, rank) if steps[0] is expanded else tensor_of(rng, rng.sizes(rank, 2, 6))
    return chained(rng, start, steps)


@drill(after=["shapes.broadcast"], levels=3, arena="0.1", structures=(38, 200, 520))
def expand_repeat(rng: Rng) -> PredictShape:
    """Copies: expand, repeat, tile and repeat_interleave."""
    return shape_puzzle(
        rng,
        copies_program,
        hints=[
            "Does the function say what sizes come out, or how often each axis is repeated?",
            (
                "Line the numbers up with the last axes; what is left over in front makes new axes. expand: sizes, "
                "where -1 keeps one. repeat and tile: factors. repeat_interleave: a factor for one axis."
            ),
        ],
        why="`expand` gives the sizes of the result: it stretches axes of size 1 without copying, -1 keeps a size, and "
        "numbers too many make new axes in front. `repeat` and `tile` give factors, lined up with the last axes too. "
        "`repeat_interleave(n, dim)` makes one axis n times as long, and without dim flattens first.",
    )
