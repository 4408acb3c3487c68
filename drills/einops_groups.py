"""Statistics of groups that lie along one axis, brought back to every entry."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tensordrill.authoring import Rng, Tensor, WriteExpression, Wrong, drill
from tensordrill.building.contraction import axes_of, listed
from tensordrill.building.patterns import along, fenced

SECOND, THIRD = 2, 3  # levels


class Scene(NamedTuple):
    """Axes of which one holds groups, and what the groups and their members are called.

    `in_turn` says whether the members of a group may lie apart, one entry of each group in turn.
    """

    about: str
    others: str
    merged: str
    group: str
    member: str
    in_turn: bool = True


SCENES = (
    Scene("Temperatures", "station sensor", "days", "week", "day", in_turn=False),
    Scene("Scores of beam search", "layer seq", "rows", "sentence", "beam"),
    Scene("Rewards, several samples to a prompt", "run token", "rows", "prompt", "sample"),
    Scene("Activations", "batch seq", "channels", "group", "channel"),
    Scene("Vectors of all heads", "batch seq", "d_model", "head", "d_head"),
    Scene("What experts hold in their slots", "batch d_model", "tokens", "expert", "slot"),
    Scene("Power drawn by machines", "hall phase", "hours", "shift", "hour", in_turn=False),
    Scene("Weights, to be quantised in blocks", "layer row", "columns", "block", "place"),
)
NORMALISED = (
    Scene("A batch of images", "batch height width", "channels", "group", "channel"),
    Scene("A batch of audio", "batch time", "channels", "group", "channel"),
    Scene("A batch of sequences", "batch seq", "features", "group", "feature"),
    Scene("A batch of videos", "batch frame place", "channels", "group", "channel"),
)


class Turned(NamedTuple):
    """How a statistic is taken and brought back: the brackets of both steps, what is kept, what else it runs over."""

    read: Sequence[str]
    back: Sequence[str]
    keep: Sequence[str]
    pooled: Sequence[str]


@dataclass(frozen=True)
class Groups:
    """A tensor, one axis of which holds groups; `pooled` are the other axes that a statistic runs over.

    `layout` is how the groups lie: (group, member), each in one piece, or (member, group), one entry of each in turn.
    """

    axes: Sequence[str]
    merged: str
    group: str
    member: str
    layout: tuple[str, str]
    given: Mapping[str, int]
    pooled: Sequence[str]

    @property
    def blocked(self) -> bool:
        return self.layout[0] == self.group

    @property
    def right(self) -> Turned:
        return Turned(self.layout, self.layout, (self.group,), self.pooled)

    @property
    def apart(self) -> list[str]:
        """The axes besides the groups' along which everything is on its own."""
        return [axis for axis in self.axes if axis != self.merged and axis not in self.pooled]

    def side(self, bracket: Sequence[str], ones: Sequence[str] = ()) -> str:
        """One side of a pattern: the merged axis as this bracket, and a 1 for some."""
        return " ".join([f"({' '.join(bracket)})" if a == self.merged else "1" if a in ones else a for a in self.axes])

    def reduced(self, how: str, it: Turned, of: str = "x") -> str:
        """A number for each group."""
        [(known, size)] = self.given.items()
        return f"reduce({of}, '{self.side(it.read)} -> {self.kept(it)}', '{how}', {known}={size})"

    def kept(self, it: Turned) -> str:
        names = [
            name for a in self.axes for name in (it.keep if a == self.merged else [a] if a not in it.pooled else [])
        ]
        return " ".join(names)

    def spread(self, how: str, it: Turned, of: str = "x") -> str:
        """A number for each group, at every entry of it."""
        sizes = [f"{name}={self.given.get(name, name)}" for name in self.layout if name not in it.keep]
        pattern = f"{self.kept(it)} -> {self.side(it.back, it.pooled)}"
        return f"repeat({self.reduced(how, it, of)}, '{pattern}', {', '.join(sizes)})"


class Statistic(NamedTuple):
    """A sentence, and the expression that it is: the tensor, and what is brought back to it."""

    asked: str
    how: str
    formula: str
    domain: str = "any"


STATISTICS = (
    Statistic("Subtract from every entry the mean of {its}", "mean", "{} - {}"),
    Statistic("Subtract from every entry the largest entry of {its}", "max", "{} - {}"),
    Statistic("Divide every entry by the sum of {its}", "sum", "{} / {}", "positive"),
    Statistic("Divide every entry by the largest entry of {its}", "max", "{} / {}", "positive"),
    Statistic("Subtract from every entry the smallest entry of {its}", "min", "{} - {}"),
)


def grouped(rng: Rng, scenes: Sequence[Scene]) -> tuple[str, Groups]:
    """A scene with its axes in some order; of those without groups, some are pooled from level 2 on."""
    about, others, merged, group, member, in_turn = rng.pick(scenes)
    names = others.split() if rng.level == THIRD else rng.sample(others.split(), rng.integer(1, 2))
    pools = names[1:] if rng.level == THIRD or (rng.level == SECOND and rng.chance()) else []
    blocked = rng.chance(0.7 if rng.level == 1 else 0.4) or not in_turn
    known = rng.pick((group, member))
    axes = rng.shuffled([*names, merged])
    layout = (group, member) if blocked else (member, group)
    given = {known: rng.integer(2, 6 if len(axes) <= THIRD else 4)}
    pooled = [axis for axis in axes if axis in pools]
    return f"{about}: `x` has the axes {axes_of(axes)}.", Groups(axes, merged, group, member, layout, given, pooled)


def told(it: Groups) -> str:
    """How the groups lie."""
    [(known, size)] = it.given.items()
    each = f"Each {it.group} takes {size} entries of `{it.merged}`."
    return f"Along `{it.merged}` come {along(it.layout)}. " + (
        f"There are {size} {it.group}s." if known == it.group else each
    )


def looped(it: Groups, how: Statistic) -> str:
    """A loop over the groups."""
    [(known, size)] = it.given.items()
    at = it.axes.index(it.merged)
    lead = ":, " * at
    first, count = "", str(size)
    if known == (it.group if it.blocked else it.member):
        first, count = f"n = x.shape[{at}] // {size}\n", "n"
    index, runs = (f"i : i + {count}", f"0, x.shape[{at}], {count}") if it.blocked else (f"i::{count}", count)
    function = {"max": "amax", "min": "amin"}.get(how.how, how.how)
    dims = [i for i, axis in enumerate(it.axes) if axis in (it.merged, *it.pooled)]
    number = f"part.{function}({axes_of([str(i) for i in dims]) if len(dims) > 1 else at}, keepdim=True)"
    return (
        f"{first}out = torch.empty_like(x)\nfor i in range({runs}):\n    part = x[{lead}{index}]\n"
        f"    out[{lead}{index}] = {how.formula.format('part', number)}"
    )


def mistakes(it: Groups, whole: Callable[[Turned], str], what: str) -> Iterator[Wrong]:
    """What goes wrong between groups and members. `whole` is the answer with the statistic taken in another way."""
    group, member, right, flipped = it.group, it.member, it.right, it.layout[::-1]
    [(known, size)] = it.given.items()
    yield Wrong(
        "tiled-not-interleaved" if it.blocked else "interleaved-not-tiled",
        whole(right._replace(back=flipped)),
        f"You take the {what} of each {group} and lay it out in another order than `x` has: along {it.merged}, "
        f"{it.layout[1]} changes fastest, so it stands last in the brackets of `repeat` too.",
    )
    yield Wrong(
        "strided-groups" if it.blocked else "blocked-groups",
        whole(right._replace(read=flipped, back=flipped)),
        f"Your groups take every so many-th entry of {it.merged}. Each {group} lies in one piece: the first name in "
        "brackets changes slowest."
        if it.blocked
        else f"Your groups are pieces of {it.merged}. Here the entries of one {group} lie apart: {group} changes "
        "fastest, and the last name in brackets does.",
    )
    yield Wrong(
        "one-for-all",
        whole(right._replace(keep=())),
        f"You take one {what} of all of {it.merged}. One for each {group} is asked for.",
    )
    yield Wrong(
        "members-kept",
        whole(right._replace(keep=(member,))),
        f"You take the {what} over each {group}, and keep one for each {member}. It is the other way round: {group} "
        f"stays, {member} goes.",
    )
    yield Wrong(
        "size-misplaced",
        whole(Turned(flipped, flipped, (member,), it.pooled)),
        f"You take the size that is told for that of the other: {known} is {size}.",
    )
    for axis in it.apart:
        yield Wrong(
            "others-mixed",
            whole(right._replace(pooled=(*it.pooled, axis))),
            f"Your {what} runs over {axis} too. Every {axis} has its own.",
        )
    if it.pooled:
        yield Wrong(
            "not-pooled",
            whole(right._replace(pooled=())),
            f"You take a {what} for every {listed(it.pooled)} on its own. It runs over {listed(it.pooled)} too.",
        )


@drill(after=["einops.reduce", "einops.repeat"], levels=3, arena="0.0", structures=(90, 190, 130))
def group_normalise(rng: Rng) -> WriteExpression:
    """Groups along one axis, centred or scaled."""
    if rng.level == THIRD:
        return normalised(rng)
    about, it = grouped(rng, SCENES)
    how = rng.pick(STATISTICS)
    what = {"max": "largest entry", "min": "smallest entry"}.get(how.how, how.how)
    if rng.level == 1:
        same = listed([it.group, *it.apart])
        ask = how.asked.format(its="its group: of all entries with the same " + same)
        steps = f"Two steps: `reduce` to one number for each {same}, then `repeat` it to the axes of `x`."
        prompt = f"{about} {told(it)}\n\n{ask}.\n\n{steps}"
    elif rng.chance(0.4):
        prompt = fenced(f"{about}\n\nWrite one expression that gives `out`:", looped(it, how))
    else:
        ask = how.asked.format(its=f"its {it.group}")
        over = f" The {what} runs over {listed(it.pooled)} too." if it.pooled else ""
        prompt = f"{about} {told(it)}\n\n{ask}, every {listed(it.apart)} on its own.{over}"

    def whole(turned: Turned) -> str:
        return how.formula.format("x", it.spread(how.how, turned))

    return posed(
        it,
        prompt,
        whole(it.right),
        [
            *mistakes(it, whole, what),
            Wrong(
                "not-brought-back",
                how.formula.format("x", it.reduced(how.how, it.right)),
                f"You leave the {what} as it is after `reduce`, with one entry for each {it.group}. That does not line "
                f"up with {it.merged}: bring it to the size of `x`.",
            ),
        ],
        how.domain,
    )


RULED_OUT = (
    "group_norm", "layer_norm", "rms_norm", "instance_norm", "batch_norm", "GroupNorm", "LayerNorm", "RMSNorm",
    "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d",
)  # fmt: skip


def normalised(rng: Rng) -> WriteExpression:
    """Level 3: groups of channels, standardised or scaled over everything but the batch."""
    about, it = grouped(rng, NORMALISED)
    eps = rng.pick(("0.001", "0.01", "0.1"))
    centres = rng.chance(0.6)
    over = f"Means are taken over all entries with the same {listed([it.group, *it.apart])}."

    def whole(turned: Turned, root: str = "({} + {}) ** 0.5", how: str = "mean") -> str:
        """Centred and divided, or only divided, by a root of the mean of squares."""
        if centres:
            centred = f"(c := x - {it.spread('mean', turned)})"
            return f"{centred} / {root.format(it.spread(how, turned, of='c ** 2'), eps)}"
        return f"x / {root.format(it.spread(how, turned, of='x ** 2'), eps)}"

    count = " * ".join([it.member, *it.pooled])
    wrong = [
        *mistakes(it, whole, "mean"),
        Wrong("eps-outside", whole(it.right, "({} ** 0.5 + {})"), f"{eps} is added before the root is taken."),
        Wrong("no-root", whole(it.right, "({} + {})"), "You divide by the mean of squares, without the root."),
        Wrong("no-eps", whole(it.right, "{} ** 0.5"), f"You leave out the {eps}."),
    ]
    if centres:
        wrong.append(
            Wrong(
                "unbiased",
                whole(it.right, f"({{}} / ({count} - 1) + {{}}) ** 0.5", "sum"),
                "You divide the sum of squares by one less than their number, as `var` and `std` do by default. The "
                "mean is asked for: `correction=0`.",
            )
        )
        ask = (
            "Subtract the mean from every entry. Divide what you get by the root of a sum: the mean of its squares, "
            f"and {eps}. That is GroupNorm, without weights."
        )
    else:
        ask = (
            f"Divide every entry by the root of a sum: the mean of squares, and {eps}. That is RMSNorm, in groups, "
            "without weights."
        )
    prompt = f"{about} {told(it)}\n\n{over} {ask}"
    return posed(it, prompt, whole(it.right), wrong, "any", RULED_OUT)


def posed(
    it: Groups, prompt: str, reference: str, wrong: Sequence[Wrong], domain: str, forbid: Sequence[str] = ()
) -> WriteExpression:
    ruled_out = " The norms of torch, as functions and as modules, are ruled out." if forbid else ""
    return WriteExpression(
        prompt=f"{prompt}\n\nEvery name of an axis, {it.group} and {it.member} too, is a variable that holds its size. "
        f"Any way to the same tensor is right.{ruled_out}",
        tensors=[Tensor("x", tuple(it.axes), domain)],
        output=it.axes,
        reference_expression=reference,
        sizes={**it.given, it.merged: " * ".join(sorted(it.layout))},
        forbid=forbid,
        hints=[
            f"Take {it.merged} apart, reduce to one number for each {it.group}, and bring that back to every entry.",
            f"Both patterns have the same brackets for {it.merged}, with {it.layout[1]} last: it changes fastest.",
        ],
        why="To reduce in groups, decompose the axis, (group member) where a group lies in one piece, and leave out "
        "the member on the right. To bring the numbers back, `repeat` composes the same brackets again: with the "
        "member last each number is repeated in place (interleaved), with the member first the whole row is tiled. "
        "Both run; only one lines up with the entries.",
        wrong=wrong,
    )
