"""Shapes: what comes out, axis by axis."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tensordrill.authoring import PredictShape, Rng, Wrong, drill

Shape = tuple[int, ...]
Turn = tuple[str, Shape | None, str]  # a wrong turn's id, the shape that it predicts (None: an error), the sentence


# --- stack and cat


@dataclass(frozen=True)
class Joining:
    """A program, the call that is asked about, its shape (None where it raises) and the mistakes about it."""

    program: str
    ask: str
    shape: Shape | None
    turns: list[Turn] = field(default_factory=list)

    def puzzle(self, prompt: str, hints: Sequence[str]) -> PredictShape:
        wrong: dict[Shape | None, Wrong] = {self.shape: Wrong("", "", "")}
        for name, shape, because in self.turns:
            wrong.setdefault(shape, Wrong(name, "error" if shape is None else str(shape), because))
        return PredictShape(
            prompt=prompt,
            program=self.program,
            ask=self.ask,
            can_fail=True,
            hints=hints,
            why="torch.stack puts tensors of one shape along a new axis, which stands at position dim of the result: -1 is "
            "the very last. torch.cat lengthens an axis that is there: the sizes along dim add up, and all others must "
            "agree. Only cat takes tensors whose sizes differ along dim.",
            wrong=list(wrong.values())[1:],
        )


def stacked(shapes: Sequence[Shape], dim: int) -> Shape | None:
    """The shape of a stack, as generators need it to tell mistakes apart."""
    rank = len(shapes[0]) + 1
    if len(set(shapes)) > 1 or not -rank <= dim < rank:
        return None
    return inserted(shapes[0], dim % rank, len(shapes))


def joined(shapes: Sequence[Shape], dim: int) -> Shape | None:
    """The shape of a cat."""
    rank = len(shapes[0])
    if any(len(shape) != rank for shape in shapes) or not -rank <= dim < rank:
        return None
    dim %= rank
    if len({shape[:dim] + shape[dim + 1 :] for shape in shapes}) > 1:
        return None
    return (*shapes[0][:dim], sum(shape[dim] for shape in shapes), *shapes[0][dim + 1 :])


def inserted(shape: Shape, at: int, size: int) -> Shape:
    return (*shape[:at], size, *shape[at:])


def of_stack(shapes: Sequence[Shape], dim: int) -> Iterator[Turn]:
    """What people get wrong about stack."""
    first, count = shapes[0], len(shapes)
    if len(set(shapes)) > 1:
        yield "taken-for-cat", joined(shapes, dim if dim < len(first) else -1), (
            "That is cat. stack makes a new axis, so all its tensors must have exactly the same shape."
        )
        yield "first-shape-counts", inserted(first, dim % (len(first) + 1), count), (
            "stack does not fit its tensors to the first one: their shapes must be the same, or it raises."
        )
        return
    yield "taken-for-cat", joined(shapes, dim), "That is cat, which lengthens an axis. stack makes a new one."
    if dim < 0:
        yield "negative-dim", stacked(shapes, dim - 1), (
            "A negative dim counts in the result's axes, which are one more: -1 puts the new axis last of all."
        )
    yield "axis-first", inserted(first, 0, count), f"The new axis is not always the first; dim={dim} says where it stands."
    yield "axis-last", inserted(first, len(first), count), f"The new axis is not always the last; dim={dim} says where it stands."
    yield "axis-after", stacked(shapes, dim + 1 if dim >= 0 else dim - 1), (
        "Off by one: the new axis stands at position dim itself, and pushes what was there to the right."
    )
    yield "needs-that-axis", None, "dim may also be the number of axes that there are: the new axis is then the last."


def of_cat(shapes: Sequence[Shape], dim: int) -> Iterator[Turn]:
    """What people get wrong about cat."""
    first, count, rank = shapes[0], len(shapes), len(shapes[0])
    at = dim % rank
    if joined(shapes, dim) is None:
        added = sum(shape[at] for shape in shapes)
        yield "others-ignored", (*first[:at], added, *first[at + 1 :]), (
            "The sizes along dim add up, but all other sizes must agree, and here they do not: cat raises."
        )
        best = next((shape for axis in range(rank) if (shape := joined(shapes, axis))), None)
        if best:
            yield "wrong-axis", best, f"That joins them along another axis. Along dim={dim} the other sizes differ, so it raises."
        return
    if len(set(shapes)) > 1:
        yield "equal-or-error", None, "cat needs equal sizes on all axes but the one it joins: along dim they may differ."
        longest = tuple(max(sizes) for sizes in zip(*shapes, strict=True))
        yield "longest", longest, "The sizes along dim add up; nothing is laid over anything."
        yield "taken-for-stack", inserted(first, at, count), "That is stack, which makes a new axis. cat lengthens one."
        return
    yield "taken-for-stack", inserted(first, at, count), "That is stack, which makes a new axis. cat lengthens one."
    for axis in range(rank):
        yield "wrong-axis", joined(shapes, axis), f"That joins them along axis {axis}. dim={dim} is axis {at}."
    yield "unchanged", first, "The sizes along dim add up: the axis gets longer."


def zeros(shape: Shape) -> str:
    return f"torch.zeros({', '.join(map(str, shape))})"


# Things that come one by one, and their axes.
THINGS = (
    ("image", ("channel", "height", "width")),
    ("frame", ("height", "width")),
    ("acts", ("seq", "d_model")),
    ("keys", ("head", "seq", "d_head")),
    ("logits", ("batch", "vocab")),
    ("chunk", ("batch", "time")),
    ("pattern", ("query", "key")),
    ("row", ("feature",)),
)


def call(kind: str, tensors: str, dim: int) -> str:
    return f"torch.{kind}({tensors}, dim={dim})"


def named(rng: Rng) -> PredictShape:
    """Level 1: one call on tensors whose axes are named."""
    thing, axes = rng.pick(THINGS)
    *shape, count = rng.sizes(len(axes) + 1, 2, 9)
    names = [f"{thing}_{letter}" for letter in "abcd"[: count if count < 4 else 2]]  # noqa: PLR2004 -- two or three names
    shapes = [tuple(shape)] * len(names)
    stack = rng.chance(0.55)
    dim = rng.integer(0, len(axes) if stack else len(axes) - 1)
    fails = rng.chance(0.35)
    if fails or not stack:
        other = dim
        if fails:
            other = rng.integer(0, len(axes) - 1) if stack or len(axes) == 1 else (dim + rng.integer(1, len(axes) - 1)) % len(axes)
        if fails or rng.chance():
            longer = list(shape)
            longer[other] += rng.pick((1, 2, 3))
            shapes[-1] = tuple(longer)
    program = "\n".join(
        f"{name} = {zeros(shape)}  # ({', '.join(axes)})" for name, shape in zip(names, shapes, strict=True)
    )
    kind = "stack" if stack else "cat"
    shape_of, turns_of = (stacked, of_stack) if stack else (joined, of_cat)
    told = Joining(program, call(kind, f"[{', '.join(names)}]", dim), shape_of(shapes, dim), list(turns_of(shapes, dim)))
    return told.puzzle(
        f"What is the shape of `{told.ask}`, or does it raise an error?",
        [
            "Does this call make a new axis, or lengthen one that is there?",
            "stack: write the common shape, and insert the number of tensors at position dim. cat: add up the sizes at "
            "position dim, and check that all the others agree.",
        ],
    )
