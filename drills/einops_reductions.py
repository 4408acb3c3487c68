"""Patterns that make axes fewer or more: reduced, pooled, repeated, broadcast back."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tensordrill.authoring import Rng, Tensor, WriteExpression, WritePattern, Wrong, drill
from tensordrill.building.contraction import axes_of, having, listed
from tensordrill.building.patterns import (
    FUNCTIONS,
    Axis,
    Pattern,
    Side,
    Variant,
    along,
    code_question,
    fenced,
    loop_question,
    names_in,
    plain,
    renamed,
    replaced,
)
from tensordrill.building.variants import bracket_variants, order_variants

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


# --- axes reduced

WORDS = {"mean": "mean", "sum": "sum", "max": "largest entry", "min": "smallest entry"}


def reduce_mistakes(task: Pattern, ignoring: Iterable[Sequence[str]]) -> Iterator[Variant]:
    """`ignoring` are the names that go where the steps of the code are not followed."""
    kept = [name for axis in task.right for name in axis]
    gone = [name for axis in task.left for name in axis if name not in kept]
    for names in ignoring:
        right = plain([name for name in names_in(task.left) if name not in names])
        yield Variant(
            "dims-of-the-first-tensor",
            task.left,
            right,
            "You count the dims in `x`. Each step counts them in what the step before it returned.",
        )
    if () in task.right:
        right = tuple([axis for axis in task.right if axis])
        yield Variant("one-dropped", task.left, right, "You drop the axes that are to stay with size 1: write 1 there.")
    elif gone:
        order = [name for name in names_in(task.left) if name in gone or name in kept]
        at = min(order.index(gone[0]), len(task.right))
        yield Variant(
            "kept-as-one",
            task.left,
            (*task.right[:at], *[()] * len(gone), *task.right[at:]),
            f"You keep {listed(gone)} with size 1. An axis that is reduced is left out on the right.",
        )
    if len(gone) == len(kept):
        exchanged = {**dict(zip(gone, kept, strict=True)), **dict(zip(kept, gone, strict=True))}
        yield Variant(
            "others-reduced",
            task.left,
            renamed(task.right, exchanged),
            f"You reduce {listed(kept)} and keep {listed(gone)}. What the right side names is kept.",
        )
    elif not any(len(axis) > 1 for axis in task.right):
        yield Variant(
            "others-reduced",
            task.left,
            plain(gone),
            f"You reduce {listed(kept)} and keep {listed(gone)}. What the right side names is kept.",
        )
    for a, b in [(gone[-1], kept[0]), (gone[0], kept[-1])] if gone and kept else []:
        yield Variant(
            "wrong-axis",
            task.left,
            renamed(task.right, {b: a}),
            f"You keep {a} and reduce {b}; it is the other way round.",
        )
    for name in gone[:1]:
        right = (*task.right, (name,))
        yield Variant("axis-kept", task.left, right, f"You name {name} on the right, which keeps it.")
    yield from bracket_variants(task)
    yield from order_variants(task)


def reducing_code(rng: Rng, names: list[str], function: str) -> tuple[str, Side, list[list[str]]]:
    """Methods that reduce, what is left, and what would go where the dims are counted in `x`."""
    rank = len(names)
    if rng.level == SECOND and rng.chance(0.6):
        dims = sorted(rng.sample(range(rank), rng.integer(1, rank - 1)))
        gone = [names[i] for i in dims]
        keepdim = rng.chance(0.4)
        dims = [i - rank if rng.chance(0.4) else i for i in dims]
        given = axes_of([str(i) for i in dims]) if len(dims) > 1 else str(dims[0])
        code = f"x.{function}(dim={given}{', keepdim=True' if keepdim else ''})"
        return code, tuple([() if n in gone else (n,) for n in names if keepdim or n not in gone]), []
    text, left = "", names
    if rng.level == THIRD:
        a, b = rng.sample(range(rank), 2)
        text = f".transpose({a}, {b})"
        left = [{names[a]: names[b], names[b]: names[a]}.get(name, name) for name in names]
    first = rng.integer(0, rank - 2)
    second = rng.integer(first, rank - 2)
    rest = [name for name in left if name != left[first]]
    kept = [name for name in rest if name != rest[second]]
    naive = [names[first], *[names[second] for _ in range(second != first)]]
    return f"x{text}.{function}({first}).{function}({second})", plain(kept), [naive]


def result_of(rng: Rng, kept: list[str]) -> tuple[Side, dict[Axis, str]]:
    """The kept axes in any order, two of them merged where there are enough."""
    kept = rng.shuffled(kept)
    if rng.chance(0.3):
        return plain(kept), {}
    at = rng.integer(0, len(kept) - 2)
    bracket = (kept[at], kept[at + 1])
    return (*plain(kept[:at]), bracket, *plain(kept[at + 2 :])), {bracket: "merged"}


@drill(after=["einops.permute"], levels=3, lesson="Einops and einsum", arena="0.0", structures=(75, 300, 550))
def reduce(rng: Rng) -> WritePattern:
    """Axes reduced to a mean, a sum or an extreme."""
    topic, pool = rng.pick(SCENES)
    rank = rng.pick(((3, 4), (3, 4, 5), (4, 5))[rng.level - 1])
    names = rng.sample(pool.split(), rank)
    gone = rng.sample(names, rng.integer(1, rank - (1 if rng.level < THIRD else 2)))
    how = rng.pick(tuple(WORDS))
    told, mean = f"{topic}: `x` has the axes {axes_of(names)}.", f"the {WORDS[how]}"
    kept = [name for name in names if name not in gone]
    ignoring: list[list[str]] = []

    def task(right: Side, merged: Mapping[Axis, str] | None = None) -> Pattern:
        return Pattern(left=plain(names), right=right, merged=merged or {}, operation="reduce", reduction=how)

    if rng.level == 1:
        it = task(plain(kept))
        over = listed([name for name in names if name in gone])
        ask = f"Take {mean} over {over}." if rng.chance() else f"Find, for each {listed(rng.shuffled(kept))}, {mean}."
        prompt = f"{told}\n\n{ask} The result has {having(it.wanted)}."
    elif rng.chance(0.35):
        right, merged = (plain(kept), {}) if rng.level == SECOND else result_of(rng, kept)
        it = task(right, merged).lettered(rng)
        prompt = loop_question(it)
    elif rng.chance():
        code, right, ignoring = reducing_code(rng, names, FUNCTIONS[how])
        it = task(right)
        prompt = code_question(code, it)
    elif rng.level == SECOND or rng.chance(0.4):
        it = task(tuple([() if name in gone else (name,) for name in names]))
        prompt = (
            f"{told}\n\nFind, for each {listed(kept)}, {mean}, in such a shape that `x - result` "
            f"broadcasts it back over {listed(rng.shuffled(gone))}: as many axes as `x`."
        )
    else:
        right, merged = result_of(rng, kept)
        it = task(right, merged)
        layouts = "".join([f"\n\nAlong `{name}` come {along(axis)}." for axis, name in merged.items()])
        prompt = (
            f"{told}\n\nTake {mean} over all axes but {listed(sorted(kept))}. The result has "
            f"{having(it.wanted)}.{layouts}"
        )
    stay = [name for axis in it.right for name in axis]
    return it.posed(
        prompt,
        reduce_mistakes(it, ignoring),
        hints=[
            "Left of the arrow name every axis. Right of it name only those that stay; the missing ones are reduced.",
            (
                f"What stays: {listed(sorted(stay))}. The rest is left out on the right"
                + (", with a 1 in its place." if () in it.right else ".")
            ),
        ],
        why="In `reduce` every axis that is named on the left and missing on the right is reduced, whatever its "
        "position: names say what `dim=` says with numbers. A 1 on the right keeps an axis of size 1 there, as "
        "`keepdim=True` does.",
    )


# --- pooling

POOLED = (
    ("A batch of images", "batch channel height width", "height width"),
    ("A batch of images, channels last", "batch height width channel", "height width"),
    ("A video", "channel time height width", "time height width"),
    ("Audio", "batch channel time", "time"),
    ("Hidden states", "batch seq d_model", "seq"),
    ("Hidden states of all layers", "layer batch seq d_model", "seq layer"),
    ("A weather log", "station hour sensor", "hour"),
    ("Activations of a wide layer, for maxout", "batch position unit", "unit"),
    ("A spectrogram", "batch frequency time", "frequency time"),
)


def pieces(axis: str) -> Axis:
    """What a pooled axis is taken apart into: the blocks, and the places in a block."""
    return axis[0], f"k{axis[0]}"


def pool_mistakes(task: Pattern) -> Iterator[Variant]:
    brackets = [axis for axis in task.left if len(axis) > 1]
    for chosen in dict.fromkeys([tuple(brackets), *[(axis,) for axis in brackets]]):
        left = tuple([axis[::-1] if axis in chosen else axis for axis in task.left])
        names = listed([task.merged[axis] for axis in chosen])
        blocked = chosen[0][1] in task.given
        yield Variant(
            "strided-not-blocked" if blocked else "blocked-not-strided",
            left,
            task.right,
            f"Along {names} you pool entries that lie far apart. In brackets the last name changes fastest, so "
            "neighbours share a block where the block's place is last."
            if blocked
            else f"Along {names} you pool neighbours. The pieces lie one after the other, so which piece it is "
            "changes slowest and comes first in the brackets.",
        )
    for name in [axis[0] for axis in task.left if len(axis) == 1 and axis not in task.right]:
        because = f"You name {name} on the right, which keeps it; all of it goes into each number."
        yield Variant("axis-kept", task.left, (*task.right, (name,)), because)
    for axis in brackets:
        place = next(name for name in axis if name in task.given)
        block = next(name for name in axis if name != place)
        yield Variant(
            "blocks-reduced",
            task.left,
            renamed(task.right, {block: place}),
            f"You keep {place} and reduce {block}: the right side keeps what it names.",
        )
        yield Variant(
            "axis-unpooled",
            task.left,
            replaced(task.right, (block,), axis),
            f"You put {task.merged[axis]} together again, so nothing is pooled along it.",
        )
    yield from order_variants(task)


def pooling_code(rng: Rng, names: Sequence[str], axis: str, count: int, how: str) -> tuple[str, Axis]:
    """Code that pools one axis, and the brackets that it stands for."""
    at, (block, place) = names.index(axis), pieces(axis)
    function = FUNCTIONS[how]
    way = rng.integer(1, 4)
    lead = ":, " * at
    if count == SECOND and how in ("max", "min") and rng.chance():
        return f"torch.{how}imum(x[{lead}0::2], x[{lead}1::2])", (block, place)
    return (
        f"x.unfold({at}, {count}, {count}).{function}(-1)",
        f"torch.stack([x[{lead}i::{count}] for i in range({count})]).{function}(0)",
        f"x.unflatten({at}, ({count}, -1)).{function}({at})",
        f"torch.stack(x.chunk({count}, dim={at})).{function}(0)",
    )[way - 1], (block, place) if way < THIRD else (place, block)


@drill(after=["einops.reduce", "einops.split"], levels=3, arena="0.0", structures=(60, 140, 550))
def pool(rng: Rng) -> WritePattern:
    """Pooling over blocks."""
    about, stored, most = rng.pick(POOLED)
    names = stored.split() if rng.chance(0.4) else rng.shuffled(stored.split())
    axes = [axis for axis in names if axis in most.split()]
    if rng.level > 1:
        axes = sorted(rng.sample(axes, rng.integer(1, min(rng.level, len(axes)))), key=names.index)
    how = rng.pick(("max", "mean", "max", "mean", "min", "sum"))
    counts = {axis: rng.integer(2, 4) for axis in axes}
    strided = [axis for axis in axes if rng.level > 1 and rng.chance(0.3)]
    brackets = {axis: pieces(axis)[::-1] if axis in strided else pieces(axis) for axis in axes}
    code = ""
    if rng.level == SECOND and len(axes) == 1 and rng.chance(0.7):
        [axis] = axes
        code, brackets[axis] = pooling_code(rng, names, axis, counts[axis], how)
    elif rng.level == SECOND and not strided and stored == " ".join(names) == POOLED[0][1] and how in ("max", "mean"):
        sizes = [str(counts.get(axis, 1)) for axis in names[2:]]
        code = f"F.{'max' if how == 'max' else 'avg'}_pool2d(x, {axes_of(sizes)})"
    left = tuple([brackets.get(name, (name,)) for name in names])
    kept: Side = tuple([(pieces(name)[0],) if name in axes else (name,) for name in names])
    gone: list[str] = []
    if rng.level == THIRD:
        kept = tuple(rng.shuffled(kept))
        others = [name for name in names if name not in axes]
        gone = others[: len(others) > 1 and rng.chance(0.4)]
        kept = tuple([axis for axis in kept if axis[0] not in gone])
    task = Pattern(
        left=left,
        right=kept,
        given={pieces(axis)[1]: counts[axis] for axis in axes},
        merged={bracket: axis for axis, bracket in brackets.items()},
        operation="reduce",
        reduction=how,
    )
    told = f"{about}: `x` has the axes {axes_of(names)}."
    passed = listed([f"`{name}={size}`" for name, size in task.given.items()])
    result = f"The result has {having(task.wanted)}."
    if code:
        prompt = code_question(code, task) + f" The call passes {passed}. {result}"
    elif rng.level == SECOND or (rng.level == THIRD and rng.chance(0.3)):
        task = task.lettered(rng)
        prompt = loop_question(task)
    else:
        blocks = [f"{counts[axis]} along {axis}" for axis in axes if axis not in strided]
        parts = [f"Blocks of {listed(blocks)}, side by side, become one number each."] if blocks else []
        parts += [
            f"Along {axis}, `x` is cut into {counts[axis]} equal pieces, laid one over the other: entry 0 of every "
            "piece goes into one number, entry 1 into the next, and so on."
            for axis in strided
        ]
        more = f" All of {gone[0]} goes into each." if gone else ""
        prompt = (
            f"{told}\n\n{' '.join(parts)} That number is the {WORDS[how]} of what goes into it.{more}\n\n{result} "
            f"The call passes {passed}."
        )
    bracket = next(axis for axis in task.left if len(axis) > 1)
    return task.posed(
        prompt,
        pool_mistakes(task),
        hints=[
            "Take the axis apart into two names, and leave out on the right what is pooled away.",
            f"In the brackets of {task.merged[bracket]}, {bracket[-1]} changes fastest and stands last.",
        ],
        why="Pooling without overlap is a decomposition and a reduction: (block place) puts neighbours into one block "
        "when the place is last, because the last name changes fastest. With the place first, each group takes "
        "entries a whole stretch apart, and it runs as well.",
    )


# --- axes repeated

REPEATED = (
    ("A positional encoding", "seq d_model"),
    ("An image", "channel height width"),
    ("Keys that several heads share", "batch kv_head seq d_head"),
    ("A mask", "query key"),
    ("A batch of prompts", "batch seq"),
    ("Low-resolution images", "batch height width"),
    ("A signal", "channel time"),
    ("A learned query", "latent d_model"),
)
INTERLEAVED, TILED, NEW = range(3)
ENTRIES = {
    INTERLEAVED: "each entry of {axis} comes {n} times in a row, before the next: a, b, … becomes {example}",
    TILED: "the whole of {axis} comes {n} times, one after the other: a, b becomes {example}",
}


def repeated(rng: Rng, names: Sequence[str], copy: str, mode: int) -> tuple[Side, Axis]:
    """The axes with the copies among them, and the brackets that are new."""
    axis = rng.pick(names)
    side = plain(names)
    if mode == NEW:
        at = rng.integer(0, len(names))
        return (*side[:at], (copy,), *side[at:]), ()
    bracket = (axis, copy) if mode == INTERLEAVED else (copy, axis)
    return replaced(side, (axis,), bracket), bracket


def told_of(bracket: Axis, given: Mapping[str, int]) -> str:
    """How often entries come along an axis, in words."""
    interleaved = bracket[1] in given
    axis, copy = bracket if interleaved else bracket[::-1]
    n = given[copy]
    letters = [c for c in "ab" for _ in range(n)] if interleaved else ["a", "b"] * n
    text = ENTRIES[INTERLEAVED if interleaved else TILED]
    return text.format(axis=axis, n=n, example=", ".join(letters) + (", …" if interleaved else ""))


def repeating_code(rng: Rng, names: Sequence[str], right: Side, bracket: Axis, n: int) -> str:
    rank = len(names)
    if not bracket:
        at = next(i for i, axis in enumerate(right) if axis[0] not in names)
        sizes = ", ".join([str(n) if i == at else "-1" for i in range(rank + 1)])
        ones = ", ".join([str(n) if i == at else "1" for i in range(rank + 1)])
        return rng.pick(
            (
                f"torch.stack([x] * {n}, dim={at})",
                f"x.unsqueeze({at}).expand({sizes})",
                f"x.unsqueeze({at}).repeat({ones})",
            )
        )
    at = right.index(bracket)
    ones = ", ".join([str(n) if i == at else "1" for i in range(rank)])
    if bracket[0] in names:
        return rng.pick((f"x.repeat_interleave({n}, dim={at})", f"np.repeat(x.numpy(), {n}, axis={at})"))
    return rng.pick((f"torch.cat([x] * {n}, dim={at})", f"x.repeat({ones})", f"np.tile(x.numpy(), ({ones}))"))


def repeat_mistakes(task: Pattern) -> Iterator[Variant]:
    names = names_in(task.left)
    for copy in task.given:
        bracket = next(axis for axis in task.right if copy in axis)
        others = [axis for axis in task.right if len(axis) == 1 and axis[0] in names]
        if len(bracket) == 1:
            rest = tuple([axis for axis in task.right if axis != bracket])
            for other in others[:1]:
                yield Variant(
                    "merged-not-new",
                    task.left,
                    replaced(rest, other, (copy, *other)),
                    f"You merge {copy} with {other[0]}. The copies are to have an axis of their own.",
                )
            continue
        interleaved = bracket[0] in names
        axis = bracket[0] if interleaved else bracket[1]
        yield Variant(
            "tiled-not-interleaved" if interleaved else "interleaved-not-tiled",
            task.left,
            replaced(task.right, bracket, bracket[::-1]),
            f"Your pattern repeats the whole of {axis}; each entry is to be repeated before the next comes, so {copy} "
            "changes fastest and stands last."
            if interleaved
            else f"Your pattern repeats each entry of {axis} before the next comes; the whole axis is to be repeated, "
            f"so {copy} changes slowest and stands first.",
        )
        yield Variant(
            "not-merged",
            task.left,
            tuple([new for old in task.right for new in (plain(bracket) if old == bracket else [old])]),
            f"You give {copy} an axis of its own; it belongs into one axis with {axis}, in brackets.",
        )
        for other in others[:1]:
            moved_there = (*other, copy) if interleaved else (copy, *other)
            yield Variant(
                "wrong-axis",
                task.left,
                replaced(replaced(task.right, other, moved_there), bracket, (axis,)),
                f"You repeat along {other[0]}, and {axis} is asked for.",
            )
    yield from order_variants(task)


@drill(after=["einops.flatten"], levels=3, lesson="Einops and einsum", arena="0.0", structures=(27, 27, 330))
def repeat(rng: Rng) -> WritePattern:
    """Entries repeated along a new axis, or an old one."""
    about, stored = rng.pick(REPEATED)
    names = stored.split() if rng.chance() else rng.shuffled(stored.split())
    modes = [rng.pick((INTERLEAVED, TILED, NEW, INTERLEAVED, TILED))]
    copies = {"n": rng.integer(2, 4)}
    right, bracket = repeated(rng, names, "n", modes[0])
    brackets = [bracket] if bracket else []
    if rng.level == THIRD:
        right = tuple(rng.shuffled(right))
        copies["m"] = rng.integer(2, 4)
        free = [i for i, axis in enumerate(right) if len(axis) == 1 and axis != ("n",)]
        if bracket and (not free or rng.chance(0.3)):
            at = rng.integer(0, len(right))
            right = (*right[:at], ("m",), *right[at:])
        else:
            at = rng.pick(free)
            new = rng.pick(((*right[at], "m"), ("m", *right[at])))
            right = (*right[:at], new, *right[at + 1 :])
            brackets.append(new)
    task = Pattern(
        left=plain(names),
        right=right,
        given=copies,
        merged={axis: f"new_{axis[0] if axis[0] in names else axis[1]}" for axis in brackets},
        operation="repeat",
    )
    passed = listed([f"`{name}={size}`" for name, size in copies.items()])
    if rng.level == SECOND and rng.chance(0.65):
        code = repeating_code(rng, names, right, bracket, copies["n"])
        prompt = code_question(code, task) + f" The call passes {passed}."
    elif rng.level == SECOND or (rng.level == THIRD and rng.chance(0.4)):
        task = task.lettered(rng)
        prompt = loop_question(task)
    else:
        parts = [f"Along `{name}`, {told_of(axis, copies)}." for axis, name in task.merged.items()]
        parts += [
            f"Everything comes {size} times, along an axis `{name}`."
            for name, size in copies.items()
            if (name,) in right
        ]
        prompt = (
            f"{about}: `x` has the axes {axes_of(names)}. The result has {having(task.wanted)}.\n\n"
            + "\n\n".join(parts)
            + f"\n\nThe call passes {passed}."
        )
    copy, size = next(iter(task.given.items()))
    bracket = next(axis for axis in task.right if copy in axis)
    alone = len(bracket) == 1
    return task.posed(
        prompt,
        repeat_mistakes(task),
        hints=[
            f"`{copy}` stands right of the arrow alone: a new name there, with the size {size} that the call passes.",
            f"{copy} has an axis of its own, next to no other name."
            if alone
            else f"Into one pair of brackets with {next(n for n in bracket if n != copy)}: {bracket[-1]} changes "
            "fastest, so it stands last.",
        ],
        why="In `repeat` a name that stands on the right alone is a new axis, along which everything is the same; its "
        "size is passed. In brackets it says how copies lie: (axis n) repeats each entry before the next, as "
        "`repeat_interleave`; (n axis) repeats the whole, as `Tensor.repeat` and `tile`.",
    )


# --- a statistic, broadcast back

STATISTICS = (
    ("mean", "Subtract from every entry of {x} the mean of its {kept}", "{} - {}"),
    ("max", "Subtract from every entry of {x} the largest entry of its {kept}", "{} - {}"),
    ("sum", "Divide every entry of {x} by the sum of its {kept}", "{} / {}"),
)
RULED_OUT = ("mean", "sum", "max", "amax")


def aligned(kept: Sequence[str], axes: Sequence[str]) -> str:
    """The pattern's side with a 1 for every axis that is not kept, as far as broadcasting needs them."""
    return " ".join([axis if axis in kept else "1" for axis in axes])


@dataclass(frozen=True)
class Centring:
    """`x` and a statistic of `source`, kept for some axes of `x`, in the order in which `source` has them."""

    axes: Sequence[str]
    source: str
    source_axes: Sequence[str]
    kept: Sequence[str]
    how: str
    formula: str

    def reduced(self, kept: Sequence[str]) -> str:
        return f"reduce({self.source}, '{' '.join(self.source_axes)} -> {' '.join(kept)}', '{self.how}')"

    def expression(self, kept: Sequence[str], read_as: Sequence[str], axes: Sequence[str]) -> str:
        """The whole, with the statistic's axes taken for `read_as` and laid along those of `axes`."""
        there = f"rearrange({self.reduced(kept)}, '{' '.join(read_as)} -> {aligned(read_as, axes)}')"
        return self.formula.format("x", there)

    def wrong_turns(self) -> Iterator[Wrong]:
        kept, whole = tuple(self.kept), listed(self.kept)
        yield Wrong(
            "keepdim-lost",
            self.formula.format("x", self.reduced(kept)),
            f"You leave the {self.how} as {axes_of(kept)}. Broadcasting aligns from the right, so it meets the last "
            "axes of `x`; ones are to stand where the other axes are.",
        )
        gone = [axis for axis in self.axes if axis not in kept]
        if len(kept) == 1 and self.how != "max":  # largest entries may all be equal, and lie along any axis then
            other = next(axis for axis in gone if axis != self.axes[-1])
            yield Wrong(
                "wrong-axis-aligned",
                self.formula.format(
                    "x", f"rearrange({self.reduced(kept)}, '{other} -> {aligned([other], self.axes)}')"
                ),
                f"You lay the {self.how} along {other}; it has one number for each {whole}.",
            )
        elif len(kept) > 1:
            yield Wrong(
                "axes-exchanged",
                self.expression(kept, kept[::-1], self.axes),
                f"You take the axes of the {self.how} the other way round: after `reduce` they are {axes_of(kept)}.",
            )
        if self.source == "x":
            yield Wrong(
                "others-reduced",
                self.expression(gone, gone, self.axes),
                f"You reduce {whole} and keep the other axes. One number for each {whole} is asked for.",
            )
        yield Wrong(
            "all-reduced",
            self.formula.format("x", self.reduced(())),
            f"You take one {self.how} of everything. One for each {whole} is asked for.",
        )


def centring(rng: Rng) -> tuple[str, Centring]:
    topic, pool = rng.pick(SCENES)
    axes = rng.sample(pool.split(), rng.pick(((3, 3, 4), (3, 4), (3, 4))[rng.level - 1]))
    count = 1 if len(axes) < 4 else rng.integer(1, 2)  # noqa: PLR2004 -- others must be left
    kept = sorted(rng.sample(axes[:-1], count), key=axes.index)  # not the last: it would broadcast by itself
    gone = [axis for axis in axes if axis not in kept]
    how, ask, formula = rng.pick(STATISTICS)
    told = f"{topic}: `x` has the axes {axes_of(axes)}"
    if rng.level == 1:
        steps = f"`reduce` takes the {how} over {listed(gone)}; axes of size 1 then stand in their places"
        asked = f"{told}.\n\n{ask.format(x='`x`', kept=' and '.join(kept))}. In one expression: {steps}."
        return asked, Centring(axes, "x", axes, kept, how, formula)
    if rng.level == SECOND and rng.chance(0.5):
        letters = dict(zip(axes, rng.shuffled("ijkl"[: len(axes)]), strict=True))
        index = ", ".join([letters[axis] for axis in axes])
        part = ", ".join([letters[axis] if axis in kept else ":" for axis in axes])
        code = formula.format(f"x[{index}]", f"x[{part}].{how}()")
        asked = fenced("Write one expression that gives, for all indices:", f"out[{index}] == {code}")
        return asked, Centring(axes, "x", axes, kept, how, formula)
    whose = listed(kept)
    if rng.level == SECOND:
        ask = ask.format(x="`x`", kept="group")
        return (
            f"{told}.\n\nEntries with the same {whose} form a group, whatever their {listed(gone)}. {ask}."
        ), Centring(axes, "x", axes, kept, how, formula)
    spare = rng.pick([axis for axis in pool.split() if axis not in axes])
    stored = rng.shuffled([*kept, spare, rng.pick(gone)])
    over = listed([axis for axis in stored if axis not in kept])
    verb = f"Subtract from `x` the {WORDS[how]}" if "-" in formula else f"Divide `x` by the {WORDS[how]}"
    return (
        f"{told}. `ref`, recorded before, has {having(stored)}.\n\n{verb} of `ref` over {over}, so that every entry of "
        f"`x` meets the one for its own {whose}."
    ), Centring(axes, "ref", stored, [axis for axis in stored if axis in kept], how, formula)


@drill(after=["einops.reduce"], levels=3, arena="0.0", structures=(22, 22, 130))
def broadcast_bias(rng: Rng) -> WriteExpression:
    """A mean per channel, broadcast back."""
    prompt, it = centring(rng)
    positive = it.formula.startswith("{} /")
    domain = "positive" if positive else "any"
    tensors = [Tensor("x", tuple(it.axes), domain)]
    if it.source != "x":
        tensors.append(Tensor(it.source, tuple(it.source_axes), domain))
    return WriteExpression(
        prompt=f"{prompt}\n\nThe result has the axes of `x`. Reduce with einops: mean, sum, max and amax are ruled out "
        "as functions and methods.",
        tensors=tensors,
        output=it.axes,
        reference_expression=it.expression(it.kept, it.kept, it.axes),
        forbid=RULED_OUT,
        hints=[
            "Two steps: `reduce` to one number for each thing that is kept, then give that the rank of `x`.",
            (
                f"`rearrange` puts a 1 where an axis is to be stretched: its right side has {len(it.axes)} places, for "
                f"{listed([*it.kept, 'ones'])}."
            ),
        ],
        why="Broadcasting aligns axes from the right by position, never by name. A statistic that has lost its axes "
        "meets the last axes of x, which raises, or runs silently where sizes agree. Ones in the pattern, as "
        "keepdim=True in torch, hold the places: 'b c h w -> 1 c 1 1'.",
        wrong=list(it.wrong_turns()),
    )
