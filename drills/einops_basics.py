"""Patterns, one skill at a time: axes put in order, merged, split."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tensordrill.authoring import Rng, WritePattern, drill
from tensordrill.building.contraction import axes_of, having, listed
from tensordrill.building.patterns import (
    Axis,
    Pattern,
    Side,
    Variant,
    along,
    as_torch,
    code_question,
    fenced,
    grouped,
    loop_question,
    plain,
    replaced,
    swapped,
)
from tensordrill.building.variants import bracket_variants, order_variants

Order = tuple[int, ...]  # for each axis of the result, which axis of the tensor it is
SECOND, THIRD = 2, 3  # levels
SCENES = (
    ("A batch of videos", "batch time height width channel"),
    ("Activations of a transformer", "layer batch seq head d_head"),
    ("Attention patterns", "layer prompt head query key"),
    ("A mixture of experts", "batch seq expert slot feature"),
    ("Latents of sparse autoencoders", "run layer prompt position latent"),
    ("Weather stations", "station year day hour sensor"),
    ("A hyperparameter sweep", "dataset seed layer epoch metric"),
    ("EEG recordings", "subject trial electrode band time"),
)


# --- axes in another order


def permuted(names: Sequence[str], order: Order) -> list[str]:
    return [names[i] for i in order]


def inverse(order: Order) -> Order:
    return tuple([order.index(i) for i in range(len(order))])


def then(first: Order, second: Order) -> Order:
    """One order, and then the other on what came of it."""
    return tuple([first[i] for i in second])


def turning(rng: Rng, rank: int) -> Order:
    """An order that is not its own inverse."""
    while True:
        order = tuple(rng.shuffled(range(rank)))
        if inverse(order) != order:
            return order


def moved(rank: int, source: int, target: int) -> Order:
    order = [i for i in range(rank) if i != source]
    return (*order[:target], source, *order[target:])


def step(rng: Rng, rank: int) -> tuple[str, Order]:
    """A method that puts axes in another order, and that order."""
    source, target = rng.sample(range(rank), 2)
    counted = target - rank if rng.chance(0.3) else target
    match rng.integer(1, 4):
        case 1:
            order = tuple(target if i == source else source if i == target else i for i in range(rank))
            return f".transpose({source}, {counted})", order
        case 2:
            return ".mT", (*range(rank - 2), rank - 1, rank - 2)
        case 3:
            return f".movedim({source}, {counted})", moved(rank, source, target)
        case _:
            order = turning(rng, rank)
            return f".permute{axes_of([str(i) for i in order])}", order


def move_prompt(rng: Rng, names: Sequence[str]) -> tuple[str, Order]:
    """One axis moves past at least two others."""
    rank = len(names)
    while True:
        source, target = rng.sample(range(rank), 2)
        if abs(source - target) > 1:
            break
    order = moved(rank, source, target)
    result = permuted(names, order)
    where = f"directly after {result[target - 1]}" if target else f"to the front, before {result[1]}"
    if target == rank - 1:
        where = "to the end"
    return f"Move {names[source]} {where}. The other axes keep their order.", order


def renaming_steps(rng: Rng, rank: int) -> tuple[str, list[Order]]:
    """Two patterns, one on the other's result, that both call their axes by the first letters."""
    letters = "abcde"[:rank]
    steps = [turning(rng, rank), turning(rng, rank)]
    one, two = [f"'{' '.join(letters)} -> {' '.join(permuted(letters, order))}'" for order in steps]
    return f"y = rearrange(x, {one})\nout = rearrange(y, {two})", steps


def chained_steps(rng: Rng, rank: int) -> tuple[str, list[Order]]:
    made = [step(rng, rank) for _ in range(2)]
    return "out = x" + "".join([code for code, _ in made]), [order for _, order in made]


@drill(levels=3, lesson="Einops and einsum", arena="0.0", structures=(75, 95, 100))
def permute(rng: Rng) -> WritePattern:
    """Axes in another order."""
    topic, pool = rng.pick(SCENES)
    rank = rng.pick(((3, 4, 4, 5), (3, 4, 4, 5), (4, 4, 5))[rng.level - 1])
    names = rng.sample(pool.split(), rank)
    steps: list[Order] = []
    back = "You go the way back: your pattern turns the result into the tensor. "
    rule = "Left of the arrow the axes stand as the tensor has them, right of it as the result has them."
    if rng.level == 1:
        ask, order = move_prompt(rng, names) if rng.chance() else ("", turning(rng, rank))
        ask = ask or f"Put its axes in the order {axes_of(permuted(names, order))}."
        prompt = f"{topic}: `x` has the axes {axes_of(names)}.\n\n{ask}"
    elif rng.level == SECOND:
        order = turning(rng, rank)
        match rng.integer(1, 3):
            case 1:
                code = rng.pick(("x.permute({})", "x.numpy().transpose({})"))
                prompt = fenced("Write what this does as one pattern:", code.format(", ".join(map(str, order))))
                rule = "The numbers say, for each axis of the result, which axis of x it is, not where each goes."
            case 2:
                names = rng.shuffled("ijklm"[:rank])
                code = f"out[{', '.join(permuted(names, order))}] == x[{', '.join(names)}]"
                prompt = fenced("Write the pattern after which this holds for all indices:", code)
                rule = "Each index stands where its axis is: those of x belong left of the arrow."
            case _:
                there = inverse(order)
                made = f"x.permute{axes_of([str(i) for i in there])}"
                if rng.chance():
                    letters = "abcde"[:rank]
                    made = f"rearrange(x, '{' '.join(letters)} -> {' '.join(permuted(letters, there))}')"
                prompt = fenced("This line ran:", f"y = {made}") + "\n\nWrite the pattern that makes `x` of `y` again."
                back = "You do the same step once more, and it is to be undone. "
    else:
        while True:
            code, steps = (renaming_steps if rng.chance() else chained_steps)(rng, rank)
            order = then(*steps)
            if inverse(order) != order:
                break
        if undone := rng.chance(0.3):
            back = "You go the way from x to out, and the way back is asked for. "
            order = inverse(order)
        ask = (
            "Write one pattern that makes `x` of `out` again:" if undone else "Write one pattern that does both steps:"
        )
        prompt = fenced(ask, code)
        rule = "Write the axes' names beside each step, and compare the first with the last."
    tensor = "y" if prompt.startswith("This line") else "out" if "of `out`" in prompt else "x"
    task = Pattern(left=plain(names), right=plain(permuted(names, order)), tensor=tensor)

    def mistakes() -> Iterator[Variant]:
        for name, other, because in (
            ("inverse-order", inverse(order), back + rule),
            ("steps-swapped", then(*reversed(steps)) if steps else order, "You do the second step first."),
            *[("one-step-only", one, "You do one of the two steps alone.") for one in steps],
            ("unchanged", tuple(range(rank)), "Your pattern leaves every axis where it is."),
            ("reversed", tuple(reversed(order)), "You have the axes of the result from last to first."),
        ):
            yield Variant(name, task.left, plain(permuted(names, other)), because)

    return task.posed(
        prompt,
        mistakes(),
        hints=[
            "Left of the arrow stand the axes as the tensor has them; right of it the same names, as they are wanted.",
            (
                f"`{tensor}` is {axes_of(names)}, so that stands on the left. On the right, {task.wanted[0]} comes "
                f"first and {task.wanted[-1]} last."
            ),
        ],
        why="`rearrange` with the same plain names on both sides permutes axes. The right side lists, from first to "
        "last, which axis stands there, as `permute` does with numbers: result axis i is input axis order[i]. The "
        "inverse permutation answers another question: where each axis went.",
    )


# --- axes merged


def cat_of_slices(rng: Rng, names: Sequence[str]) -> tuple[str, Side]:
    """The slices along one axis, put end to end along another."""
    gone = rng.integer(0, len(names) - 1)
    rest = [name for name in names if name != names[gone]]
    at = rng.integer(0, len(rest) - 1)
    side = plain(rest)
    return f"torch.cat(x.unbind({gone}), dim={at})", (*side[:at], (names[gone], rest[at]), *side[at + 1 :])


MERGES = (
    ((2, 1), (1, 2), (2, 1, 1), (1, 2, 1), (1, 1, 2)),
    ((2, 1), (1, 2), (2, 1, 1), (1, 2, 1), (1, 1, 2), (3,), (3, 1), (1, 3)),
    ((2, 2), (3, 1), (1, 3), (2, 1, 2), (2, 2, 1), (1, 2, 2), (3, 2), (2, 3), (1, 3, 1)),
)


@drill(after=["einops.permute"], levels=3, arena="0.0", structures=(45, 110, 450))
def flatten(rng: Rng) -> WritePattern:
    """Axes merged into one."""
    topic, pool = rng.pick(SCENES)
    counts = rng.pick(MERGES[rng.level - 1])
    names = rng.sample(pool.split(), sum(counts))
    code = ""
    if rng.level == SECOND and len(names) > len(counts) and rng.chance(0.3):
        code, right = cat_of_slices(rng, names)
    else:
        order = list(names) if rng.level < THIRD and rng.chance(0.3) else rng.shuffled(names)
        if rng.level == 1:  # the others keep their order
            pair = rng.sample(names, 2)
            order = [name for name in names if name not in pair]
            at = counts.index(2)
            order[at:at] = pair
        right = grouped(order, counts)
    brackets = [axis for axis in right if len(axis) > 1]
    called = ("merged",) if len(brackets) == 1 else ("rows", "columns")
    task = Pattern(left=plain(names), right=right, merged=dict(zip(brackets, called, strict=True)))
    if rng.level == 1:
        [axis] = brackets
        prompt = (
            f"{topic}: `x` has the axes {axes_of(names)}.\n\nMerge {listed(sorted(axis))} into one axis, `merged`. "
            f"Along it come {along(axis)}.\n\nThe result has {having(task.wanted)}."
        )
    elif code:
        prompt = code_question(code, task)
    elif rng.chance(0.4):
        task = task.lettered(rng)
        prompt = loop_question(task)
    elif rng.level == THIRD and rng.chance():
        layouts = [f"Along `{name}` come {along(axis)}." if len(axis) == SECOND else f"Along `{name}`, {along(axis)}."
                   for axis, name in task.merged.items()]  # fmt: skip
        prompt = (
            f"{topic}: `x` has the axes {axes_of(names)}.\n\nMerge them so that the result has "
            f"{having(task.wanted)}.\n\n" + "\n\n".join(layouts)
        )
    else:
        prompt = code_question(as_torch(task), task)
    axis = next(axis for axis in task.right if len(axis) > 1)
    return task.posed(
        prompt,
        [*bracket_variants(task), *order_variants(task)],
        hints=[
            "A merged axis is written in brackets: all its names, the one that changes slowest first.",
            f"The brackets for {task.merged[axis]} end with {axis[-1]}: neighbours along it differ in that.",
        ],
        why="Brackets on the right compose one axis of several. The order inside matters: the first name is the "
        "outermost and changes slowest, the last the innermost, as in a contiguous tensor that is reshaped. The size "
        "is the product.",
    )


# --- axes split


class Folded(NamedTuple):
    """An axis that holds several, and those beside it."""

    about: str
    merged: str
    parts: Axis
    others: Axis


FOLDED = (
    Folded("Beam search keeps its beams in the batch axis", "rows", ("sequence", "beam"), ("seq", "d_model", "layer")),
    Folded("Clips were folded into one axis of frames", "frames", ("clip", "frame"), ("height", "width", "channel")),
    Folded("Sensors were read every hour of some days", "hours", ("day", "hour"), ("station", "sensor", "run")),
    Folded("Channels come in groups", "channels", ("group", "member"), ("batch", "height", "width")),
    Folded("Every image was cropped several times", "crops", ("image", "view"), ("row", "column", "filter")),
    Folded("Environments ran side by side", "rows", ("env", "step"), ("agent", "feature", "seed")),
    Folded("Experts have slots for tokens", "tokens", ("expert", "slot"), ("batch", "d_model", "layer")),
    Folded("One projection made keys and values", "d_fused", ("kind", "d_head"), ("batch", "seq", "head")),
)
FOLDED_TWICE = (
    Folded("One projection made queries, keys and values", "d_fused", ("qkv", "head", "d_head"), ("batch", "seq")),
    Folded("Environments ran side by side", "rows", ("env", "episode", "step"), ("agent", "feature")),
    Folded("Sensors were read every hour", "hours", ("week", "day", "hour"), ("station", "sensor")),
    Folded("A sweep was run in one batch", "rows", ("model", "seed", "sample"), ("layer", "d_model")),
    Folded("Every clip was cropped several times", "frames", ("clip", "view", "frame"), ("height", "channel")),
)


def split_of_code(rng: Rng, task: Pattern, at: int) -> tuple[str, Pattern]:
    """Pieces of one axis, stacked along a new one: cut off one after the other, or taken in strides."""
    [(slow, fast)], [name] = task.merged, task.merged.values()
    others = [axis for i, axis in enumerate(task.left) if i != at]
    count, where = rng.integer(2, 6), rng.integer(0, len(task.left))
    lead = ":, " * at
    way = rng.integer(1, 3)
    stacked, kept, known = (slow, fast, slow if way == 1 else fast) if way < THIRD else (fast, slow, fast)
    code = (
        f"torch.stack(x.chunk({count}, dim={at}), dim={where})",
        f"torch.stack(x.split({count}, dim={at}), dim={where})",
        f"torch.stack([x[{lead}i::{count}] for i in range({count})], dim={where})",
    )[way - 1]
    right = [*others[:at], (kept,), *others[at:]]
    right.insert(where, (stacked,))
    return code, Pattern(left=task.left, right=tuple(right), given={known: count}, merged={(slow, fast): name})


def with_merge(rng: Rng, side: Side, parts: Sequence[str]) -> tuple[Side, Axis]:
    """The side with one of the parts merged into an axis that is no part, and those brackets."""
    part = rng.pick(parts)
    other = rng.pick([axis for axis in side if axis[0] not in parts])
    bracket = rng.pick(((part, *other), (*other, part)))
    return replaced(tuple([axis for axis in side if axis != (part,)]), other, bracket), bracket


def split_mistakes(task: Pattern) -> Iterator[Variant]:
    split = next(axis for axis in task.left if len(axis) > 1)
    yield from [m._replace(id="layout-swapped") if m.id == "merged-backwards" else m for m in bracket_variants(task)]
    free = [name for name in split if name not in task.given]
    for known in [name for name in split if name in task.given][:1]:
        yield Variant(
            "size-misplaced",
            swapped(task.left, known, free[0]),
            swapped(task.right, known, free[0]),
            f"In your pattern {known} stands where {free[0]} belongs, so {free[0]} gets the size "
            f"{task.given[known]} that is {known}'s.",
        )
    yield from order_variants(task)


@drill(after=["einops.flatten"], levels=3, lesson="Einops and einsum", arena="0.0", structures=(140, 260, 650))
def split(rng: Rng) -> WritePattern:
    """One axis split into several."""
    twice = rng.level == THIRD and rng.chance(0.6)
    folded = rng.pick(FOLDED_TWICE if twice else FOLDED)
    parts = tuple(rng.shuffled(folded.parts))
    others = plain(rng.sample(folded.others, rng.integer(1, len(folded.others) - (rng.level == 1))))
    at = rng.integer(0, len(others))
    apart = [*others[:at], *plain(parts), *others[at:]]
    keeps = rng.level < THIRD and rng.chance(0.4)
    right = tuple(apart if keeps else rng.shuffled(apart))
    merged = {parts: folded.merged}
    if rng.level == THIRD and not twice:
        right, bracket = with_merge(rng, right, parts)
        merged[bracket] = "joined"
    known = rng.sample(parts, len(parts) - 1)
    sizes = dict(zip(known, rng.distinct(len(known), 2, 6), strict=True))
    task = Pattern(left=(*others[:at], parts, *others[at:]), right=right, given=sizes, merged=merged)
    told = f"{folded.about}: `x` has {having(task.stored)}."
    passed = listed([f"`{name}={size}`" for name, size in sizes.items()])
    layout = (
        f"Along `{folded.merged}` come {along(parts)}." if not twice else f"Along `{folded.merged}`, {along(parts)}."
    )
    if rng.level == 1:
        prompt = (
            f"{told} {layout}\n\nTake {listed(sorted(parts))} apart. The result has {having(task.wanted)}. "
            f"The call passes {passed}."
        )
    elif rng.chance(0.4):
        task = task.lettered(rng)
        prompt = loop_question(task)
    elif rng.level == SECOND and rng.chance(0.6):
        code, task = split_of_code(rng, task, at)
        [(name, size)] = task.given.items()
        prompt = (
            code_question(code, task)
            + f" The call passes `{name}={size}`; the other part is "
            + next(f"`{part}`." for part in parts if part != name)
        )
    elif rng.chance(0.4):
        names = listed([f"`{part}`" for part in sorted(parts)])
        prompt = code_question(as_torch(task), task) + (
            f" The first holds {names}; the call passes {passed}."
            if at == 0
            else f" `{folded.merged}` holds {names}; the call passes {passed}."
        )
    else:
        joined = "".join(f" Along `{name}` come {along(axis)}." for axis, name in merged.items() if axis != parts)
        prompt = f"{told} {layout}\n\nWanted: {having(task.wanted)}.{joined}\n\nThe call passes {passed}."
    bracket = next(axis for axis in task.left if len(axis) > 1)
    return task.posed(
        prompt,
        split_mistakes(task),
        hints=[
            "Brackets on the left take an axis apart. Which of its parts changes fastest from one entry to the next?",
            f"Inside the brackets {bracket[-1]} stands last: neighbours along {task.merged[bracket]} differ in it.",
        ],
        why="Brackets on the left decompose an axis: (outer inner) reads it as outer blocks of inner entries each, so "
        "the last name changes fastest. All sizes but one must be passed, by name; einops works out the last. "
        "(inner outer) runs just as well and gives strided pieces instead of blocks.",
    )
