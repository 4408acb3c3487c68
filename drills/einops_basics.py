"""One pattern, one skill: axes put in order, merged, split, reduced, repeated; and what a pattern gives, or raises."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod
from typing import NamedTuple

from tensordrill.authoring import Choice, Choose, PredictShape, Rng, Tensor, WriteExpression, WritePattern, Wrong, drill

Axis = tuple[str, ...]  # the names of one axis of a pattern: several in brackets, none for 1
Side = tuple[Axis, ...]
Order = tuple[int, ...]  # for each axis of the result, which axis of the tensor it is

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
SECOND, THIRD = 2, 3  # levels


class Mistake(NamedTuple):
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


def shown(axes: Sequence[str]) -> str:
    return f"({', '.join(axes)})"


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def having(axes: Sequence[str]) -> str:
    """What comes after "has": `the axes (row, column)`, `the axis (row)`, `no axes`."""
    return f"the ax{'es' if len(axes) > 1 else 'is'} {shown(axes)}" if axes else "no axes: it is one number"


def along(axis: Axis) -> str:
    """How a merged axis is laid out, in words."""
    if len(axis) == len(("slow", "fast")):
        slow, fast = axis
        return f"first every {fast} of {slow} 0, then every {fast} of {slow} 1, and so on"
    return f"{axis[-1]} changes fastest, then {axis[-2]}, and {axis[0]} slowest"


@dataclass(frozen=True, kw_only=True)
class Task:
    """A call: the two sides of its pattern, the sizes that it passes, and a name for each merged axis."""

    left: Side
    right: Side
    given: Mapping[str, int] = field(default_factory=dict)
    merged: Mapping[Axis, str] = field(default_factory=dict)
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

    def lettered(self, rng: Rng) -> "Task":
        """The same with a letter for each name, as a loop has them, in no telling order."""
        names = list(dict.fromkeys(names_in(self.left) + names_in(self.right)))
        letters = dict(zip(names, rng.shuffled("ijklmnp"[: len(names)]), strict=True))
        return Task(
            left=renamed(self.left, letters),
            right=renamed(self.right, letters),
            given={letters[name]: size for name, size in self.given.items()},
            merged={tuple([letters[name] for name in axis]): name for axis, name in self.merged.items()},
            operation=self.operation,
            reduction=self.reduction,
            tensor=self.tensor,
        )

    def posed(self, prompt: str, mistakes: Iterable[Mistake], hints: Sequence[str], why: str) -> WritePattern:
        derived = {name: " * ".join(sorted(axis)) for axis, name in self.merged.items()}
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

    def distinct(self, mistakes: Iterable[Mistake]) -> list[Wrong]:
        """The mistakes as wrong turns, without those that mean what is asked, or what one before them means."""
        seen = {self.meaning(self.left, self.right)}
        wrong = []
        for name, left, right, because in mistakes:
            if (meaning := self.meaning(left, right)) not in seen:
                seen.add(meaning)
                wrong.append(Wrong(name, f"{spelled(left)} -> {spelled(right)}", because))
        return wrong

    def meaning(self, left: Side, right: Side) -> object:
        """The same for patterns that differ in names alone."""
        numbers: dict[str, object] = {}
        sides = []
        for side in (left, right):
            sides.append(
                [[(numbers.setdefault(name, len(numbers)), self.given.get(name)) for name in axis] for axis in side]
            )
        return str(sides)


# --- the same as code


FUNCTIONS = {"mean": "mean", "sum": "sum", "max": "amax", "min": "amin"}


def as_torch(task: Task) -> str:
    """Methods of the tensor that do what the pattern does; nothing is repeated."""
    code, at = task.tensor, 0
    for axis in task.left:
        if len(axis) > 1:
            code += f".unflatten({at}, {shown([str(task.given.get(name, -1)) for name in axis])})"
        at += len(axis)
    left, right = names_in(task.left), names_in(task.right)
    if gone := [i for i, name in enumerate(left) if name not in right]:
        dims = str(gone[0]) if len(gone) == 1 else f"dim={shown([str(i) for i in gone])}"
        code += f".{FUNCTIONS[task.reduction]}({dims})"
        left = [name for name in left if name in right]
    if left != right:
        code += f".permute{shown([str(left.index(name)) for name in right])}"
    for at, axis in enumerate(task.right):
        if len(axis) > 1:
            code += f".flatten({at}, {at + len(axis) - 1})"
    return code


def as_loop(task: Task) -> str:
    """The loop that does what the pattern does. The names are letters."""
    names = sorted({*names_in(task.left), *names_in(task.right)})
    sizes = {name: str(task.given.get(name, name.upper())) for name in names}
    indices = [", ".join([index_of(axis, sizes) for axis in side]) for side in (task.left, task.right)]
    value, target = f"{task.tensor}[{indices[0]}]", f"out[{indices[1]}]" if task.right else "out"
    gone = [sizes[name] for name in names if name not in names_in(task.right)]
    count = gone[0] if len(gone) == 1 else f"({' * '.join(gone)})"
    update = {
        "": f"{target} = {value}",
        "sum": f"{target} += {value}",
        "mean": f"{target} += {value} / {count}",
        "max": f"{target} = max({target}, {value})",
        "min": f"{target} = min({target}, {value})",
    }[task.reduction]
    return f"for {', '.join(names)} in np.ndindex{shown(list(sizes.values()))}:\n    {update}"


def index_of(axis: Axis, sizes: Mapping[str, str]) -> str:
    """The index into an axis: `i * J + j` where i and j are merged, 0 where its size is 1."""
    code = axis[0] if axis else "0"
    for name in axis[1:]:
        code = f"({code}) * {sizes[name]} + {name}" if "+" in code else f"{code} * {sizes[name]} + {name}"
    return code


def fenced(text: str, code: str) -> str:
    return f"{text}\n\n```python\n{code}\n```"


def loop_prompt(task: Task) -> str:
    start = {"max": "-inf", "min": "inf"}.get(task.reduction, "0")
    starts = f", and `out` starts at {start}" if task.reduction else ""
    letters = [name for name in sorted({*names_in(task.left), *names_in(task.right)}) if name not in task.given]
    example = f"{letters[0].upper()} is the size of {letters[0]}"
    passed = "".join(f" The call passes `{name}={size}`." for name, size in task.given.items())
    return fenced(f"Write what this loop computes as one pattern ({example}, and so on{starts}).", as_loop(task)) + (
        f"\n\nName the axes by the loop's letters.{passed}" if passed else ""
    )


def code_prompt(code: str, task: Task) -> str:
    return fenced("Write what this does as one pattern:", code) + f"\n\n`{task.tensor}` has {having(task.stored)}."


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
            return f".permute{shown([str(i) for i in order])}", order


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
    """Two patterns, one on the other's result, that both call their axes a, b, c …"""
    letters = "abcde"[:rank]
    steps = [turning(rng, rank), turning(rng, rank)]
    one, two = [f"'{' '.join(letters)} -> {' '.join(permuted(letters, order))}'" for order in steps]
    return f"y = rearrange(x, {one})\nout = rearrange(y, {two})", steps


def chained_steps(rng: Rng, rank: int) -> tuple[str, list[Order]]:
    made = [step(rng, rank) for _ in range(2)]
    return "out = x" + "".join([code for code, _ in made]), [order for _, order in made]


@drill(levels=3, lesson="Einops and einsum", structures=(60, 60, 100))
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
        ask = ask or f"Put its axes in the order {shown(permuted(names, order))}."
        prompt = f"{topic}: `x` has the axes {shown(names)}.\n\n{ask}"
    elif rng.level == SECOND:
        order = turning(rng, rank)
        match rng.integer(1, 3):
            case 1:
                code = rng.pick(("x.permute({})", "np.transpose(x, ({}))"))
                prompt = fenced("Write what this does as one pattern:", code.format(", ".join(map(str, order))))
                rule = "The numbers say, for each axis of the result, which axis of x it is, not where each goes."
            case 2:
                names = rng.shuffled("ijklm"[:rank])
                code = f"out[{', '.join(permuted(names, order))}] == x[{', '.join(names)}]"
                prompt = fenced("Write the pattern after which this holds for all indices:", code)
                rule = "Each index stands where its axis is: those of x belong left of the arrow."
            case _:
                there = inverse(order)
                made = f"x.permute{shown([str(i) for i in there])}"
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
    task = Task(left=plain(names), right=plain(permuted(names, order)), tensor=tensor)

    def mistakes() -> Iterator[Mistake]:
        for name, other, because in (
            ("inverse-order", inverse(order), back + rule),
            *[("steps-swapped", then(steps[1], steps[0]), "You do the second step first.") for _ in steps[:1]],
            *[("one-step-only", one, f"You do the {which} step alone.") for which, one in zip(("first", "second"), steps, strict=False)],
            ("unchanged", tuple(range(rank)), "Your pattern leaves every axis where it is."),
            ("reversed", tuple(reversed(order)), "You have the axes of the result from last to first."),
        ):  # fmt: skip
            yield Mistake(name, task.left, plain(permuted(names, other)), because)

    return task.posed(
        prompt,
        mistakes(),
        hints=[
            "Left of the arrow stand the axes as the tensor has them; right of it the same names, as they are wanted.",
            f"`{tensor}` is ({', '.join(names)}), so that stands on the left. On the right, {task.wanted[0]} comes "
            f"first and {task.wanted[-1]} last.",
        ],
        why="`rearrange` with the same plain names on both sides permutes axes. The right side lists, from first to "
        "last, which axis stands there, as `permute` does with numbers: result axis i is input axis order[i]. The "
        "inverse permutation answers another question: where each axis went.",
    )


# --- axes merged


def grouped(names: Sequence[str], counts: Sequence[int]) -> Side:
    """The names, so many at a time."""
    rest = iter(names)
    return tuple([tuple([next(rest) for _ in range(count)]) for count in counts])


def bracket_mistakes(task: Task) -> Iterator[Mistake]:
    """Brackets of either side with their names in another order."""
    for axis in task.merged:
        slow, fast = axis[0], axis[-1]
        yield Mistake(
            "merged-backwards",
            replaced(task.left, axis, axis[::-1]),
            replaced(task.right, axis, axis[::-1]),
            f"You have {task.merged[axis]} the wrong way round. In brackets the first name changes slowest, here "
            f"{slow}, and the last fastest, here {fast}.",
        )
    for axis in task.merged:
        for a, b in pairwise(axis) if len(axis) > SECOND else ():
            new = tuple({a: b, b: a}.get(name, name) for name in axis)
            yield Mistake(
                "bracket-order",
                replaced(task.left, axis, new),
                replaced(task.right, axis, new),
                f"In your brackets {a} and {b} are the wrong way round: {a} changes more slowly.",
            )


def order_mistakes(task: Task) -> Iterator[Mistake]:
    for (i, one), (j, other) in pairwise(enumerate(task.right)):
        right = (*task.right[:i], other, one, *task.right[j + 1 :])
        a, b = task.wanted[i], task.wanted[j]
        yield Mistake(
            "output-order", task.left, right, f"Your result has {a} and {b} the wrong way round: {a} comes first."
        )


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


@drill(after=["einops.permute"], levels=3, structures=(30, 60, 200))
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
    task = Task(left=plain(names), right=right, merged=dict(zip(brackets, called, strict=True)))
    if rng.level == 1:
        [axis] = brackets
        prompt = (
            f"{topic}: `x` has the axes {shown(names)}.\n\nMerge {listed(sorted(axis))} into one axis, `merged`. Along "
            f"it come {along(axis)}.\n\nThe result has {having(task.wanted)}."
        )
    elif code:
        prompt = code_prompt(code, task)
    elif rng.chance(0.4):
        task = task.lettered(rng)
        prompt = loop_prompt(task)
    elif rng.level == THIRD and rng.chance():
        layouts = [f"Along `{name}` come {along(axis)}." if len(axis) == SECOND else f"Along `{name}`, {along(axis)}."
                   for axis, name in task.merged.items()]  # fmt: skip
        prompt = (
            f"{topic}: `x` has the axes {shown(names)}.\n\nMerge them so that the result has {having(task.wanted)}.\n\n"
            + "\n\n".join(layouts)
        )
    else:
        prompt = code_prompt(as_torch(task), task)
    axis = next(axis for axis in task.right if len(axis) > 1)
    return task.posed(
        prompt,
        [*bracket_mistakes(task), *order_mistakes(task)],
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
    Folded("Clips were folded into one axis of frames", "frames", ("clip", "time"), ("height", "width", "channel")),
    Folded("Sensors were read every hour of some days", "hours", ("day", "hour"), ("station", "sensor", "run")),
    Folded("Channels come in groups", "channels", ("group", "member"), ("batch", "height", "width")),
    Folded("Every image was cropped several times", "crops", ("image", "view"), ("row", "column", "filter")),
    Folded("Environments ran side by side", "steps", ("env", "time"), ("agent", "feature", "seed")),
    Folded("Experts have slots for tokens", "tokens", ("expert", "slot"), ("batch", "d_model", "layer")),
    Folded("One projection made keys and values", "d_fused", ("kind", "d_head"), ("batch", "seq", "head")),
)
FOLDED_TWICE = (
    Folded("One projection made queries, keys and values", "d_fused", ("qkv", "head", "d_head"), ("batch", "seq")),
    Folded("Environments ran side by side", "steps", ("env", "episode", "time"), ("agent", "feature")),
    Folded("Sensors were read every hour", "hours", ("week", "day", "hour"), ("station", "sensor")),
    Folded("A sweep was run in one batch", "rows", ("model", "seed", "sample"), ("layer", "d_model")),
    Folded("Every clip was cropped several times", "frames", ("clip", "view", "time"), ("height", "channel")),
)


def split_of_code(rng: Rng, task: Task, at: int) -> tuple[str, Task]:
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
    return code, Task(left=task.left, right=tuple(right), given={known: count}, merged={(slow, fast): name})


def with_merge(rng: Rng, side: Side, parts: Sequence[str]) -> tuple[Side, Axis]:
    """The side with one of the parts merged into an axis that is no part, and those brackets."""
    part = rng.pick(parts)
    other = rng.pick([axis for axis in side if axis[0] not in parts])
    bracket = rng.pick(((part, *other), (*other, part)))
    return replaced(tuple([axis for axis in side if axis != (part,)]), other, bracket), bracket


def split_mistakes(task: Task) -> Iterator[Mistake]:
    split = next(axis for axis in task.left if len(axis) > 1)
    yield from [m._replace(id="layout-swapped") if m.id == "merged-backwards" else m for m in bracket_mistakes(task)]
    free = [name for name in split if name not in task.given]
    for known in [name for name in split if name in task.given][:1]:
        yield Mistake(
            "size-misplaced",
            swapped(task.left, known, free[0]),
            swapped(task.right, known, free[0]),
            f"In your pattern {known} stands where {free[0]} belongs, so {free[0]} gets the size "
            f"{task.given[known]} that is {known}'s.",
        )
    yield from order_mistakes(task)


@drill(after=["einops.flatten"], levels=3, lesson="Einops and einsum", structures=(30, 50, 200))
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
    task = Task(left=(*others[:at], parts, *others[at:]), right=right, given=sizes, merged=merged)
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
        prompt = loop_prompt(task)
    elif rng.level == SECOND and rng.chance(0.6):
        code, task = split_of_code(rng, task, at)
        [(name, size)] = task.given.items()
        prompt = (
            code_prompt(code, task)
            + f" The call passes `{name}={size}`; the other part is "
            + next(f"`{part}`." for part in parts if part != name)
        )
    elif rng.chance(0.4):
        names = listed([f"`{part}`" for part in sorted(parts)])
        prompt = code_prompt(as_torch(task), task) + (
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


# --- axes reduced

WORDS = {"mean": "mean", "sum": "sum", "max": "largest entry", "min": "smallest entry"}


def reduce_mistakes(task: Task, ignoring: Iterable[Sequence[str]]) -> Iterator[Mistake]:
    """`ignoring` are the names that go where the steps of the code are not followed."""
    kept = [name for axis in task.right for name in axis]
    gone = [name for axis in task.left for name in axis if name not in kept]
    for names in ignoring:
        right = plain([name for name in names_in(task.left) if name not in names])
        yield Mistake(
            "dims-of-the-first-tensor",
            task.left,
            right,
            "You count the dims in `x`. Each step counts them in what the step before it returned.",
        )
    if () in task.right:
        right = tuple([axis for axis in task.right if axis])
        yield Mistake("one-dropped", task.left, right, "You drop the axes that are to stay with size 1: write 1 there.")
    elif gone:
        order = [name for name in names_in(task.left) if name in gone or name in kept]
        at = min(order.index(gone[0]), len(task.right))
        yield Mistake(
            "kept-as-one",
            task.left,
            (*task.right[:at], *[()] * len(gone), *task.right[at:]),
            f"You keep {listed(gone)} with size 1. An axis that is reduced is left out on the right.",
        )
    if len(gone) == len(kept):
        exchanged = {**dict(zip(gone, kept, strict=True)), **dict(zip(kept, gone, strict=True))}
        yield Mistake(
            "others-reduced",
            task.left,
            renamed(task.right, exchanged),
            f"You reduce {listed(kept)} and keep {listed(gone)}. What the right side names is kept.",
        )
    elif not any(len(axis) > 1 for axis in task.right):
        yield Mistake(
            "others-reduced",
            task.left,
            plain(gone),
            f"You reduce {listed(kept)} and keep {listed(gone)}. What the right side names is kept.",
        )
    for a, b in [(gone[-1], kept[0]), (gone[0], kept[-1])] if gone and kept else []:
        yield Mistake(
            "wrong-axis",
            task.left,
            renamed(task.right, {b: a}),
            f"You keep {a} and reduce {b}; it is the other way round.",
        )
    for name in gone[:1]:
        right = (*task.right, (name,))
        yield Mistake("axis-kept", task.left, right, f"You name {name} on the right, which keeps it.")
    yield from bracket_mistakes(task)
    yield from order_mistakes(task)


def reducing_code(rng: Rng, names: list[str], function: str) -> tuple[str, Side, list[list[str]]]:
    """Methods that reduce, what is left, and what would go where the dims are counted in `x`."""
    rank = len(names)
    if rng.level == SECOND and rng.chance(0.6):
        dims = sorted(rng.sample(range(rank), rng.integer(1, rank - 1)))
        gone = [names[i] for i in dims]
        keepdim = rng.chance(0.4)
        dims = [i - rank if rng.chance(0.4) else i for i in dims]
        given = shown([str(i) for i in dims]) if len(dims) > 1 else str(dims[0])
        code = f"x.{function}(dim={given}{', keepdim=True' if keepdim else ''})"
        return code, tuple([() if n in gone else (n,) for n in names if keepdim or n not in gone]), []
    text, order = ("", tuple(range(rank)))
    if rng.level == THIRD:
        text, order = step(rng, rank)
    left = permuted(names, order)
    first = rng.integer(0, rank - 2)
    second = rng.integer(first, rank - 2)
    rest = [name for name in left if name != left[first]]
    kept = [name for name in rest if name != rest[second]]
    naive = [names[first], *[names[second] for _ in range(second != first)]]
    return f"x{text}.{function}({first}).{function}({second})", plain(kept), [naive]


def result_of(rng: Rng, kept: list[str]) -> tuple[Side, dict[Axis, str]]:
    """The kept axes in any order, two of them merged where there are enough."""
    kept = rng.shuffled(kept)
    if len(kept) < SECOND or rng.chance(0.4):
        return plain(kept), {}
    at = rng.integer(0, len(kept) - 2)
    bracket = (kept[at], kept[at + 1])
    return (*plain(kept[:at]), bracket, *plain(kept[at + 2 :])), {bracket: "merged"}


@drill(after=["einops.permute"], levels=3, lesson="Einops and einsum", structures=(30, 60, 150))
def reduce(rng: Rng) -> WritePattern:
    """Axes reduced to a mean, a sum or an extreme."""
    topic, pool = rng.pick(SCENES)
    rank = rng.pick(((3, 4), (3, 4, 5), (4, 5))[rng.level - 1])
    names = rng.sample(pool.split(), rank)
    gone = rng.sample(names, rng.integer(1, rank - 1))
    how = rng.pick(tuple(WORDS))
    told, mean = f"{topic}: `x` has the axes {shown(names)}.", f"the {WORDS[how]}"
    kept = [name for name in names if name not in gone]
    ignoring: list[list[str]] = []

    def task(right: Side, merged: Mapping[Axis, str] | None = None) -> Task:
        return Task(left=plain(names), right=right, merged=merged or {}, operation="reduce", reduction=how)

    if rng.level == 1:
        it = task(plain(kept))
        over = listed([name for name in names if name in gone])
        ask = f"Take {mean} over {over}." if rng.chance() else f"Find, for each {listed(rng.shuffled(kept))}, {mean}."
        prompt = f"{told}\n\n{ask} The result has {having(it.wanted)}."
    elif rng.chance(0.35):
        right, merged = (plain(kept), {}) if rng.level == SECOND else result_of(rng, kept)
        it = task(right, merged).lettered(rng)
        prompt = loop_prompt(it)
    elif rng.chance():
        code, right, ignoring = reducing_code(rng, names, FUNCTIONS[how])
        it = task(right)
        prompt = code_prompt(code, it)
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
        prompt = f"{told}\n\nTake {mean} over everything else than {listed(sorted(kept))}. The result has {having(it.wanted)}.{layouts}"
    stay = [name for axis in it.right for name in axis]
    return it.posed(
        prompt,
        reduce_mistakes(it, ignoring),
        hints=[
            "Left of the arrow name every axis. Right of it name only those that stay; the missing ones are reduced.",
            f"What stays: {listed(sorted(stay))}. The rest is left out on the right"
            + (", with a 1 in its place." if () in it.right else "."),
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


def pool_mistakes(task: Task) -> Iterator[Mistake]:
    brackets = [axis for axis in task.left if len(axis) > 1]
    for chosen in dict.fromkeys([tuple(brackets), *[(axis,) for axis in brackets]]):
        left = tuple([axis[::-1] if axis in chosen else axis for axis in task.left])
        names = listed([task.merged[axis] for axis in chosen])
        blocked = chosen[0][1] in task.given
        yield Mistake(
            "strided-not-blocked" if blocked else "blocked-not-strided",
            left,
            task.right,
            f"Along {names} you pool entries that lie far apart. In brackets the last name changes fastest, so "
            "neighbours share a block where the block's place is last."
            if blocked
            else f"Along {names} you pool neighbours. The pieces lie one after the other, so which piece it is "
            "changes slowest and comes first in the brackets.",
        )
    for axis in brackets:
        place = next(name for name in axis if name in task.given)
        block = next(name for name in axis if name != place)
        yield Mistake(
            "blocks-reduced",
            task.left,
            renamed(task.right, {block: place}),
            f"You keep {place} and reduce {block}: the right side keeps what it names.",
        )
        yield Mistake(
            "axis-unpooled",
            task.left,
            replaced(task.right, (block,), axis),
            f"You put {task.merged[axis]} together again, so nothing is pooled along it.",
        )
    yield from order_mistakes(task)


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


@drill(after=["einops.reduce", "einops.split"], levels=3, structures=(20, 30, 150))
def pool(rng: Rng) -> WritePattern:
    """Pooling over blocks."""
    about, stored, most = rng.pick(POOLED)
    names = stored.split() if rng.chance(0.4) else rng.shuffled(stored.split())
    axes = [axis for axis in names if axis in most.split()]
    if rng.level > 1:
        axes = sorted(rng.sample(axes, rng.integer(1, len(axes))), key=names.index)
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
        code = f"F.{'max' if how == 'max' else 'avg'}_pool2d(x, {shown(sizes)})"
    left = tuple([brackets.get(name, (name,)) for name in names])
    kept: Side = tuple([(pieces(name)[0],) if name in axes else (name,) for name in names])
    gone: list[str] = []
    if rng.level == THIRD:
        kept = tuple(rng.shuffled(kept))
        others = [name for name in names if name not in axes]
        gone = others[: len(others) > 1 and rng.chance(0.4)]
        kept = tuple([axis for axis in kept if axis[0] not in gone])
    task = Task(
        left=left,
        right=kept,
        given={pieces(axis)[1]: counts[axis] for axis in axes},
        merged={bracket: axis for axis, bracket in brackets.items()},
        operation="reduce",
        reduction=how,
    )
    told = f"{about}: `x` has the axes {shown(names)}."
    passed = listed([f"`{name}={size}`" for name, size in task.given.items()])
    result = f"The result has {having(task.wanted)}."
    if code:
        prompt = (
            code_prompt(code, task) + f" The call passes {passed}; what is kept of {axes[0]} is `{pieces(axes[0])[0]}`."
        )
        if len(axes) > 1:
            prompt = code_prompt(code, task) + f" The call passes {passed}. {result}"
    elif rng.level == SECOND or (rng.level == THIRD and rng.chance(0.3)):
        task = task.lettered(rng)
        prompt = loop_prompt(task)
    else:
        parts = []
        for axis in axes:
            count = counts[axis]
            if axis in strided:
                parts.append(
                    f"Along {axis}, `x` is cut into {count} equal pieces, laid one over the other: entry 0 of every "
                    "piece becomes one number, then entry 1, and so on."
                )
            else:
                parts.append(f"Along {axis}, every {count} neighbours become one number; blocks do not overlap.")
        more = f" Take it over all of {gone[0]} too." if gone else ""
        prompt = f"{told}\n\n{' '.join(parts)} That number is the {WORDS[how]} of what goes into it.{more}\n\n{result} The call passes {passed}."
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
        return rng.pick((f"x.repeat_interleave({n}, dim={at})", f"np.repeat(x, {n}, axis={at})"))
    return rng.pick((f"torch.cat([x] * {n}, dim={at})", f"x.repeat({ones})", f"np.tile(x, ({ones}))"))


def repeat_mistakes(task: Task) -> Iterator[Mistake]:
    names = names_in(task.left)
    for copy in task.given:
        bracket = next(axis for axis in task.right if copy in axis)
        others = [axis for axis in task.right if len(axis) == 1 and axis[0] in names]
        if len(bracket) == 1:
            rest = tuple([axis for axis in task.right if axis != bracket])
            for other in others[:1]:
                yield Mistake(
                    "merged-not-new",
                    task.left,
                    replaced(rest, other, (copy, *other)),
                    f"You merge {copy} with {other[0]}. The copies are to have an axis of their own.",
                )
            continue
        interleaved = bracket[0] in names
        axis = bracket[0] if interleaved else bracket[1]
        yield Mistake(
            "tiled-not-interleaved" if interleaved else "interleaved-not-tiled",
            task.left,
            replaced(task.right, bracket, bracket[::-1]),
            f"Your pattern repeats the whole of {axis}; each entry is to be repeated before the next comes, so {copy} "
            "changes fastest and stands last."
            if interleaved
            else f"Your pattern repeats each entry of {axis} before the next comes; the whole axis is to be repeated, "
            f"so {copy} changes slowest and stands first.",
        )
        yield Mistake(
            "not-merged",
            task.left,
            tuple([new for old in task.right for new in (plain(bracket) if old == bracket else [old])]),
            f"You give {copy} an axis of its own; it belongs into one axis with {axis}, in brackets.",
        )
        for other in others[:1]:
            moved_there = other + (copy,) if interleaved else (copy, *other)
            yield Mistake(
                "wrong-axis",
                task.left,
                replaced(replaced(task.right, other, moved_there), bracket, (axis,)),
                f"You repeat along {other[0]}, and {axis} is asked for.",
            )
    yield from order_mistakes(task)


@drill(after=["einops.flatten"], levels=3, lesson="Einops and einsum", structures=(15, 20, 150))
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
    task = Task(
        left=plain(names),
        right=right,
        given=copies,
        merged={axis: f"new_{axis[0] if axis[0] in names else axis[1]}" for axis in brackets},
        operation="repeat",
    )
    passed = listed([f"`{name}={size}`" for name, size in copies.items()])
    if rng.level == SECOND and rng.chance(0.65):
        code = repeating_code(rng, names, right, bracket, copies["n"])
        prompt = code_prompt(code, task) + f" The call passes {passed}."
    elif rng.level == SECOND or (rng.level == THIRD and rng.chance(0.4)):
        task = task.lettered(rng)
        prompt = loop_prompt(task)
    else:
        parts = [f"Along `{name}`, {told_of(axis, copies)}." for axis, name in task.merged.items()]
        parts += [
            f"Everything comes {size} times, along an axis `{name}`."
            for name, size in copies.items()
            if (name,) in right
        ]
        prompt = (
            f"{about}: `x` has the axes {shown(names)}. The result has {having(task.wanted)}.\n\n"
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
    ("mean", "-", "Subtract from every entry of `x` the mean of its {kept}", "{} - {}"),
    ("mean", "-", "Centre `x`, so that the mean of every {kept} becomes 0", "{} - {}"),
    ("max", "-", "Subtract from every entry of `x` the largest entry of its {kept}", "{} - {}"),
    ("sum", "/", "Divide every entry of `x` by the sum of its {kept}", "{} / {}"),
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
            f"You leave the {self.how} as ({', '.join(kept)}). Broadcasting aligns from the right, so it meets the last "
            "axes of `x`; ones are to stand where the other axes are.",
        )
        gone = [axis for axis in self.axes if axis not in kept]
        if len(kept) == 1:
            other = next(axis for axis in gone if axis != self.axes[-1])
            yield Wrong(
                "wrong-axis-aligned",
                self.formula.format(
                    "x", f"rearrange({self.reduced(kept)}, '{other} -> {aligned([other], self.axes)}')"
                ),
                f"You lay the {self.how} along {other}; it has one number for each {whole}.",
            )
        else:
            yield Wrong(
                "axes-exchanged",
                self.expression(kept, kept[::-1], self.axes),
                f"You take the axes of the {self.how} the other way round: after `reduce` they are ({', '.join(kept)}).",
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
    axes = rng.sample(pool.split(), rng.pick(((3, 4), (3, 4), (4,))[rng.level - 1]))
    count = 1 if rng.level == 1 or len(axes) == THIRD else rng.integer(1, 2)
    kept = sorted(rng.sample(axes[:-1], count), key=axes.index)  # not the last: it would broadcast by itself
    how, _, ask, formula = rng.pick(STATISTICS[:2] if rng.level == 1 else STATISTICS)
    told = f"{topic}: `x` has the axes {shown(axes)}."
    ask = ask.format(kept=" and ".join(kept))
    if rng.level == THIRD:
        extra = rng.pick([axis for axis in pool.split() if axis not in axes] or ["sample"])
        source_axes = rng.shuffled([*kept, extra, *rng.sample([axis for axis in axes if axis not in kept], 1)])
        it = Centring(axes, "ref", source_axes, [axis for axis in source_axes if axis in kept], how, formula)
        each = f"for each {listed(kept)}, over its {listed([a for a in source_axes if a not in kept])}"
        verb = {"-": "Subtract from `x`", "/": "Divide `x` by"}["-" if "-" in formula else "/"]
        return (
            f"{topic}: `x` has the axes {shown(axes)}, and `ref`, recorded before, {shown(source_axes)}.\n\n"
            f"{verb} the {WORDS[how]} of `ref`, {each}: every entry meets the number of its own {listed(kept)}."
        ), it
    it = Centring(axes, "x", axes, kept, how, formula)
    over = listed([axis for axis in axes if axis not in kept])
    if rng.level == 1:
        return f"{told}\n\n{ask}: over {over}.", it
    if rng.chance(0.4):
        letters = dict(zip(axes, rng.shuffled("ijkl"[: len(axes)]), strict=True))
        function = "sum" if how == "sum" else how
        index = ", ".join(letters[axis] for axis in axes)
        part = ", ".join(letters[axis] if axis in kept else ":" for axis in axes)
        code = formula.format(f"x[{index}]", f"x[{part}].{function}()")
        return fenced("Write one expression after which, for all indices,", f"out[{index}] == {code}"), it
    return f"{told}\n\n{ask}. (Such a {kept[0] if len(kept) == 1 else 'set'} runs over {over}.)", it


@drill(after=["einops.reduce"], levels=3, structures=(8, 20, 60))
def broadcast_bias(rng: Rng) -> WriteExpression:
    """A mean per channel, broadcast back."""
    prompt, it = centring(rng)
    positive = it.formula.startswith("{} /")
    domain = "positive" if positive else "any"
    tensors = [Tensor("x", tuple(it.axes), domain)]
    if it.source != "x":
        tensors.append(Tensor(it.source, tuple(it.source_axes), domain))
    return WriteExpression(
        prompt=f"{prompt}\n\nThe result has the axes of `x`. Reduce with einops: mean, sum, max and amax are ruled out as "
        "functions and methods.",
        tensors=tensors,
        output=it.axes,
        reference_expression=it.expression(it.kept, it.kept, it.axes),
        forbid=RULED_OUT,
        hints=[
            "Two steps: `reduce` to one number for each thing that is kept, then give that the rank of `x`.",
            f"`rearrange` puts a 1 where an axis is to be stretched: the right side has {len(it.axes)} places, "
            f"{listed(list(it.kept))} and ones.",
        ],
        why="Broadcasting aligns axes from the right by position, never by name. A statistic that has lost its axes "
        "meets the last axes of x, which raises, or runs silently where sizes agree. Ones in the pattern, as "
        "keepdim=True in torch, hold the places: 'b c h w -> 1 c 1 1'.",
        wrong=list(it.wrong_turns()),
    )


# --- what a call gives


@dataclass(frozen=True)
class Call:
    """An einops call on a tensor of known sizes: `sizes` has one for each name."""

    operation: str
    left: Side
    right: Side
    sizes: Mapping[str, int]
    given: Sequence[str]
    reduction: str = ""

    def text(self, tensor: str = "x", left: str = "", right: str = "") -> str:
        pattern = f"'{left or spelled(self.left)} -> {right or spelled(self.right)}'"
        reduction = [f"'{self.reduction}'"] if self.reduction else []
        sizes = [f"{name}={self.sizes[name]}" for name in self.given]
        return f"{self.operation}({', '.join([tensor, pattern, *reduction, *sizes])})"

    def shape(self, side: Side, sizes: Mapping[str, int] | None = None) -> tuple[int, ...]:
        return tuple([prod([(sizes or self.sizes)[name] for name in axis]) for axis in side])

    @property
    def before(self) -> tuple[int, ...]:
        return self.shape(self.left)

    @property
    def after(self) -> tuple[int, ...]:
        return self.shape(self.right)


NAMES = ("b", "c", "d", "h", "k", "n", "s", "t", "w")
OPERATIONS = ("rearrange", "reduce", "repeat")


def divisors(size: int) -> list[int]:
    return [part for part in range(2, size // 2 + 1) if size % part == 0]


def fresh_shape(rng: Rng) -> list[int]:
    """Sizes, all different, of which at least one can be divided in two ways."""
    return rng.shuffled([rng.pick((6, 10, 12, 15)), *rng.sample((2, 3, 5, 7), rng.integer(1, 2))])


def random_call(rng: Rng, shape: Sequence[int], operation: str, *, splits: bool, merges: bool) -> Call:
    """A call that runs on a tensor of that shape."""
    names = iter(rng.sample(NAMES, len(NAMES)))
    sizes: dict[str, int] = {}
    given = []
    left = []
    able = [i for i, size in enumerate(shape) if any(part * part != size for part in divisors(size))]
    at = rng.pick(able) if splits and able else -1
    for i, size in enumerate(shape):
        one = next(names)
        sizes[one] = size
        if i != at:
            left.append((one,))
            continue
        other = next(names)
        sizes[one] = rng.pick([part for part in divisors(size) if part * part != size])
        sizes[other] = size // sizes[one]
        left.append((one, other))
        given.append(rng.pick((one, other)))
    kept = names_in(tuple(left))
    if operation == "reduce":
        kept = rng.sample(kept, rng.integer(min(2, len(kept) - 1), len(kept) - 1))
    right = plain(rng.shuffled(kept))
    if operation == "repeat":
        new = next(names)
        sizes[new] = rng.integer(2, 4)
        given.append(new)
        place = rng.integer(0, len(right) - 1)
        if merges:
            bracket = rng.pick(((new, *right[place]), (*right[place], new)))
            right = (*right[:place], bracket, *right[place + 1 :])
        else:
            right = (*right[:place], (new,), *right[place:])
    elif merges and len(right) > 1:
        place = rng.integer(0, len(right) - 2)
        right = (*right[:place], right[place] + right[place + 1], *right[place + 2 :])
    reduction = rng.pick(("mean", "max", "sum")) if operation == "reduce" else ""
    return Call(operation, tuple(left), right, sizes, given, reduction)


def shape_mistakes(call: Call) -> Iterator[tuple[str, tuple[int, ...], str]]:
    """What people say instead of the shape."""
    split = next((axis for axis in call.left if len(axis) > 1), ())
    merged = next((axis for axis in call.right if len(axis) > 1), ())
    if split:
        known, other = (split if split[0] in call.given else split[::-1])[:2]
        total = call.sizes[known] * call.sizes[other]
        names = f"({' '.join(split)})"
        yield (
            "size-misplaced",
            call.shape(call.right, {**call.sizes, known: call.sizes[other], other: call.sizes[known]}),
            f"The call passes {known}={call.sizes[known]}, so {other} is {total} / {call.sizes[known]}.",
        )
        yield (
            "not-divided",
            call.shape(call.right, {**call.sizes, other: total}),
            f"{names} takes {total} apart: {known} is {call.sizes[known]}, and {other} what is left, {total} / "
            f"{call.sizes[known]}.",
        )
    if merged:
        sizes = [call.sizes[name] for name in merged]
        bracket = f"({' '.join(merged)})"
        yield (
            "added-not-multiplied",
            tuple([sum(sizes) if axis == merged else prod([call.sizes[n] for n in axis]) for axis in call.right]),
            f"A merged axis has the product of its sizes: {bracket} is {' * '.join(map(str, sizes))}.",
        )
        yield (
            "brackets-ignored",
            tuple([call.sizes[name] for name in names_in(call.right)]),
            f"{bracket} is one axis, not {len(merged)}.",
        )
    if call.operation == "reduce":
        gone = [name for name in names_in(call.left) if name not in names_in(call.right)]
        yield (
            "kept-as-one",
            tuple([1 if name in gone else call.sizes[name] for name in names_in(call.left)]),
            f"{listed(gone)} is missing on the right, so it is reduced away; a 1 there would keep it.",
        )
        yield (
            "others-reduced",
            tuple([call.sizes[name] for name in gone]),
            f"What the right side names is kept; {listed(gone)} is reduced.",
        )
    if call.operation == "repeat":
        new = next(name for name in call.given if name not in names_in(call.left))
        yield (
            "not-repeated",
            call.shape(tuple([tuple(n for n in axis if n != new) for axis in call.right if axis != (new,)])),
            f"{new}={call.sizes[new]} is new on the right: the entries are repeated along it.",
        )
    order = [name for name in call.sizes if name in names_in(call.right)]
    yield (
        "input-order",
        call.shape(grouped(order, [len(axis) for axis in call.right])),
        "You list the sizes as `x` has them. The right side gives the order.",
    )
    yield (
        "output-reversed",
        call.after[::-1],
        "You list the result's axes from last to first.",
    )


def as_wrong(right: object, mistakes: Iterable[tuple[str, tuple[int, ...], str]]) -> list[Wrong]:
    """The shapes that are neither right nor said before."""
    seen = {right}
    wrong = []
    for name, shape, because in mistakes:
        if shape not in seen:
            seen.add(shape)
            wrong.append(Wrong(name, repr(shape), because))
    return wrong


@drill(after=["einops.split"], levels=3, structures=(40, 100, 200))
def output_shape(rng: Rng) -> PredictShape:
    """The shape of what a call returns."""
    shape = fresh_shape(rng)
    operation = "rearrange" if rng.level == 1 else rng.pick(OPERATIONS)
    splits = rng.chance(0.5 if rng.level == 1 else 0.7)
    call = random_call(rng, shape, operation, splits=splits, merges=not splits or rng.chance(0.4))
    program, tensor = f"x = torch.zeros{shown([str(size) for size in shape])}", "x"
    if rng.level == THIRD:
        program += f"\ny = {call.text()}"
        call = random_call(rng, call.after, rng.pick(OPERATIONS), splits=rng.chance(0.7), merges=rng.chance())
        tensor = "y"
    wrong = as_wrong(call.after, shape_mistakes(call))
    return PredictShape(
        program=program,
        ask=call.text(tensor),
        wrong=wrong,
        hints=[
            "Write the size above every name on the left. Brackets there: what is not passed is found by dividing.",
            "Then read the right side from left to right: each name gives its size, brackets give one product.",
        ],
        why="The left side binds a size to every name, axis by axis; in brackets the sizes multiply to the axis, so "
        "one of them may be left out. The right side is the shape: names in order, brackets multiplied. `reduce` drops "
        "names that are missing on the right, `repeat` takes new ones, whose sizes are passed.",
    )


# --- sizes taken from another tensor


@drill(after=["einops.split"], levels=3, structures=(10, 20, 30))
def parse_shape(rng: Rng) -> PredictShape:
    """Sizes taken from another tensor with parse_shape."""
    rank = 3 if rng.level == 1 else rng.integer(3, 4)
    places = rng.sample(range(rank), 1 if rng.level == 1 else rng.integer(1, 2))
    if sorted(places) == list(range(len(places))):  # after some `_`, so that counting only the names goes wrong
        places = [place + 1 for place in places]
    names = rng.sample(NAMES, rank + 2)
    known = {place: names.pop() for place in sorted(places)}
    x = rng.sample((2, 3, 4, 5, 6, 7), rank)
    pattern = " ".join([known.get(place, "_") for place in range(rank)])
    right_sizes = {name: x[place] for place, name in known.items()}
    shifted = {name: x[i] for i, name in enumerate(known.values())}
    free, rest = names.pop(), names.pop()
    fault = rng.pick(("", "", "unused", "unequal")) if rng.level > 1 else ""
    split = next(iter(known.values()))
    others = [name for name in known.values() if name != split]
    more = rng.integer(2, 3)
    total = right_sizes[split] * shifted[split] * more
    plain_size = rng.pick([n for n in (8, 9, 11)])
    repeats = rng.level == THIRD and rng.chance()
    sizes = {**right_sizes, free: total // right_sizes[split], rest: plain_size}
    if repeats:
        left: Side = ((rest,), (free,))
        sizes[free] = rng.pick((10, 13))
        new = list(known.values())
        right = plain(rng.shuffled([rest, free, *new]))
        if rng.chance(0.4):
            right = (*right[:-2], right[-2] + right[-1])
    else:
        bracket = rng.pick(((split, free), (free, split)))
        left = tuple(rng.shuffled([bracket, (rest,), *plain(others)]))
        right = plain(rng.shuffled(names_in(left)))
        if rng.level > 1 and rng.chance():
            right = (*right[:-2], right[-2] + right[-1])
    if repeats and fault == "unequal":
        fault = ""
    y = [prod([sizes[name] for name in axis]) for axis in left]
    call = Call("repeat" if repeats else "rearrange", left, right, sizes, ())
    mistakes = []
    text = call.text("y")[:-1] + ", **known)"
    because_unused = ""
    if fault == "unused":
        gap = next(place for place in range(rank) if place not in known)
        extra = names.pop() if names else "q"
        pattern = " ".join([extra if place == gap else known.get(place, "_") for place in range(rank)])
        because_unused = (
            f"{extra} is captured too, and the pattern has no {extra}: einops raises for a size it has no use for."
        )
        mistakes.append(("unused-ignored", call.after, because_unused))
    elif fault == "unequal":
        y[left.index(bracket)] += 1 if right_sizes[split] > 1 else 0
        mistakes.append(
            (
                "size-not-checked",
                call.after,
                f"{split} is {right_sizes[split]}, and {y[left.index(bracket)]} does not divide by it.",
            )
        )
    narrow = {**sizes, **shifted}
    if not repeats:
        narrow[free] = total // shifted[split]
    mistakes.append(
        (
            "axes-shifted",
            call.shape(right, narrow),
            "Each `_` stands for an axis too. The names are bound by position: "
            + ", ".join([f"{name} is axis {place}" for place, name in known.items()])
            + ".",
        )
    )
    skipped = next(place for place in range(rank) if place not in known)
    mistakes.append(
        (
            "underscore-captured",
            call.shape(right, {**sizes, free: x[skipped]} if not repeats else {**sizes, split: x[skipped]}),
            f"`_` skips an axis: its size {x[skipped]} is not captured, and {free} comes from `y`.",
        )
    )
    wrong = as_wrong("error" if fault else call.after, mistakes)
    if rng.level > 1 and not fault:
        wrong.append(
            Wrong(
                "underscore-raises",
                "error",
                "`_` is no name: parse_shape leaves it out, so nothing is missing or unused.",
            )
        )
    return PredictShape(
        program=f"x = torch.zeros{shown([str(size) for size in x])}\ny = torch.zeros{shown([str(size) for size in y])}\n"
        f"known = einops.parse_shape(x, '{pattern}')",
        ask=text,
        can_fail=rng.level > 1,
        wrong=wrong,
        hints=[
            "First write down the dictionary `known`: a name for each axis of x that is not `_`, and its size.",
            "Then read the call as if those sizes had been typed into it.",
        ],
        why="`parse_shape` binds names to the sizes of a tensor by position and skips axes marked `_`, so `**` passes "
        "just those on. A name in it that the pattern lacks is an error, as is one whose size does not fit.",
    )


# --- calls that raise


FAULTS = {
    "one-side": (
        "a name stands on one side of the arrow only.",
        "Identifiers only on one side",
        "every name that must stand on both sides does",
    ),
    "indivisible": (
        "a size that is passed does not divide its axis.",
        "can't divide axis",
        "every size that is passed divides its axis",
    ),
    "unknown": (
        "two sizes in one bracket are unknown.",
        "Could not infer sizes",
        "no bracket on the left has two names of unknown size",
    ),
    "rank": (
        "the pattern has more or fewer axes than the tensor.",
        "Wrong shape: expected",
        "the left side has as many axes as the tensor, brackets counted once",
    ),
    "unused": (
        "a size is passed for a name that the pattern lacks.",
        "is not used in transform",
        "every size that is passed belongs to a name of the pattern",
    ),
    "twice": (
        "a name stands twice on one side.",
        "duplicate dimension",
        "no name stands twice on one side",
    ),
    "unsized": (
        "a new axis has no size.",
        "Specify sizes for new axes",
        "every axis that is new has a size",
    ),
    "appears": (
        "`reduce` is to make an axis that the left side lacks.",
        "Unexpected identifiers on the right side",
        "the right side has nothing that the left side lacks",
    ),
    "vanishes": (
        "`repeat` is to drop an axis.",
        "Unexpected identifiers on the left side",
        "`repeat` drops nothing here",
    ),
}
FAULTS_OF = {
    "rearrange": ("one-side", "indivisible", "unknown", "rank", "unused", "twice"),
    "reduce": ("appears", "indivisible", "unknown", "rank", "unused", "twice"),
    "repeat": ("unsized", "vanishes", "indivisible", "unknown", "rank", "unused"),
}
LESSON = "rearrange({}, 'batch seq d_model -> batch seq heads d_head', heads={})"


def broken(rng: Rng, call: Call, fault: str) -> Call | None:
    """The call with that fault alone; None where it cannot have it."""
    left, right, given = list(call.left), list(call.right), list(call.given)
    sizes = dict(call.sizes)
    split = next((axis for axis in left if len(axis) > 1), None)
    spare = next(name for name in NAMES if name not in sizes)
    match fault:
        case "one-side" | "appears" if rng.chance() or fault == "appears":
            sizes[spare] = rng.integer(2, 4)
            right.insert(rng.integer(0, len(right)), (spare,))
            given += [spare] if rng.chance() else []
        case "one-side" | "vanishes":
            kept = names_in(call.left)
            gone = rng.pick(kept)
            right = [tuple([name for name in axis if name != gone]) for axis in right if axis != (gone,)]
        case "indivisible" if split:
            [known] = [name for name in split if name in given]
            total = prod([sizes[name] for name in split])
            sizes[known] = rng.pick([n for n in range(2, total) if total % n])
        case "unknown" if split:
            given = [name for name in given if name not in split]
        case "rank" if len(left) > SECOND:
            gone = rng.pick([axis for axis in left if len(axis) == 1])
            left.remove(gone)
            right = [tuple([name for name in axis if name not in gone]) for axis in right if axis != gone]
        case "unused":
            sizes[spare] = rng.integer(2, 4)
            given.append(spare)
        case "twice":
            axis = rng.pick(right)
            right.append((axis[0],))
        case "unsized":
            given = [name for name in given if name in names_in(call.left)]
        case _:
            return None
    if not right or () in right:
        return None
    return Call(call.operation, tuple(left), tuple(right), sizes, given, call.reduction)


def called(rng: Rng, shape: Sequence[int], operation: str) -> tuple[str, tuple[int, ...], str]:
    """A call on `x` that may raise, the shape that it gives or would give, and what is wrong with it."""
    while True:
        call = random_call(rng, shape, operation, splits=rng.chance(0.8), merges=rng.chance(0.5))
        fault = "" if rng.chance(0.35) else rng.pick(FAULTS_OF[operation])
        made = broken(rng, call, fault) if fault else call
        if made:
            return made.text("{}"), call.after, fault


@drill(after=["einops.output-shape"], levels=3, structures=(60, 150, 200))
def invalid(rng: Rng) -> Choose:
    """Whether a pattern raises, and why."""
    shape = fresh_shape(rng)
    operation = "rearrange" if rng.level == 1 else rng.pick(OPERATIONS)
    first = ""
    if rng.level == THIRD:
        before = random_call(rng, shape, rng.pick(OPERATIONS), splits=rng.chance(), merges=rng.chance())
        first, shape_after = f"y = einops.{before.text('x')}\n", before.after
    else:
        shape_after = tuple(shape)
    if rng.level == 1 and rng.chance(0.15):
        heads = rng.pick((2, 3, 4, 6, 8, 12))
        shape = [rng.integer(2, 5), rng.integer(6, 9), heads * 4]
        text, after, fault = LESSON.format("{}", heads), (*shape[:2], heads, 4), "one-side"
    else:
        text, after, fault = called(rng, shape_after, operation)
    runs = f"It runs, and `{'z' if first else 'y'}` has shape {after}."
    others = rng.sample([name for name in FAULTS_OF[operation] if name != fault], 3 if fault else 2)
    swapped_shape = (*after[1:], after[0])
    choices = [Choice(runs, holds=f"tuple({'z' if first else 'y'}.shape) == {after}")]
    because = {runs: f"It raises: {FAULTS[fault][0]}" if fault else ""}
    if not fault:
        elsewise = f"It runs, and `{'z' if first else 'y'}` has shape {swapped_shape}."
        choices.append(Choice(elsewise, holds=f"tuple({'z' if first else 'y'}.shape) == {swapped_shape}"))
        because[elsewise] = "It runs, and its axes come in the order of the right side."
    names = {runs: "runs-anyway"}
    for name in [fault, *others] if fault else others:
        text_of, raises, not_so = FAULTS[name]
        choices.append(Choice(f"It raises: {text_of}", raises=raises))
        because[choices[-1].text] = f"Here {not_so}."
        names[choices[-1].text] = name
    right = f"It raises: {FAULTS[fault][0]}" if fault else runs
    name, source = ("z", "y") if first else ("y", "x")
    return Choose(
        prompt="What does the last line do?" if first else "What does this call do?",
        program=f"x = torch.zeros{shown([str(size) for size in shape])}\n{first}{name} = einops.{text.format(source)}",
        choices=choices,
        right=right,
        hints=[
            "Count the axes on the left, brackets once, and write their sizes under them. Is every size known?",
            "Then compare the names on both sides. Which may differ depends on the function that is called.",
        ],
        why="`rearrange` takes the same names on both sides; `reduce` may lose names on the right, `repeat` may gain "
        "some, with their sizes. In brackets on the left at most one size may be unknown, and the others must divide "
        "the axis. Every size that is passed belongs to a name, and a name stands once on a side.",
        wrong=[
            Wrong(names.get(choice.text, "other-shape"), choice.text, because[choice.text])
            for choice in choices
            if choice.text != right
        ],
    )
