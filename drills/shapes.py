"""Shapes: what comes out, axis by axis."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tensordrill.authoring import PredictShape, Rng, Wrong, drill

Shape = tuple[int, ...]


class Turn(NamedTuple):
    """A wrong turn's id, the shape that it predicts (None: an error), and the sentence about it."""

    id: str
    shape: Shape | None
    because: str


def zeros(shape: Shape) -> str:
    return f"torch.zeros({', '.join(map(str, shape))})"


def inserted(shape: Shape, at: int, size: int) -> Shape:
    return (*shape[:at], size, *shape[at:])


def resized(shape: Shape, at: int, size: int) -> Shape:
    return (*shape[:at], size, *shape[at + 1 :])


# --- stack and cat. torch says what is right; these shapes are for telling mistakes apart.


def stack_of(shapes: Sequence[Shape], dim: int) -> Shape | None:
    """None where it raises."""
    rank = len(shapes[0]) + 1
    if len(set(shapes)) > 1 or not -rank <= dim < rank:
        return None
    return inserted(shapes[0], dim % rank, len(shapes))


def cat_of(shapes: Sequence[Shape], dim: int) -> Shape | None:
    """None where it raises."""
    rank = len(shapes[0])
    if any(len(shape) != rank for shape in shapes) or not -rank <= dim < rank:
        return None
    at = dim % rank
    if len({resized(shape, at, 0) for shape in shapes}) > 1:
        return None
    return resized(shapes[0], at, sum(shape[at] for shape in shapes))


@dataclass(frozen=True)
class Join:
    """`torch.stack` or `torch.cat` of tensors of those shapes."""

    kind: str
    shapes: tuple[Shape, ...]
    dim: int

    @property
    def shape(self) -> Shape | None:
        return (stack_of if self.kind == "stack" else cat_of)(self.shapes, self.dim)

    def call(self, tensors: str) -> str:
        return f"torch.{self.kind}({tensors}, dim={self.dim})"

    def turns(self) -> Iterator[Turn]:
        if len({len(shape) for shape in self.shapes}) > 1:
            yield from self._of_ranks()
        elif self.kind == "stack":
            yield from self._of_stack()
        else:
            yield from self._of_cat()

    def _of_ranks(self) -> Iterator[Turn]:
        most = max(self.shapes, key=len)
        for at in (self.dim % len(most), 0, len(most) - 1):
            added = sum(shape[at] if len(shape) == len(most) else 1 for shape in self.shapes)
            yield Turn(
                "rank-ignored",
                resized(most, at, added),
                "One of them has an axis less. cat does not add it: all its tensors must have the same number of axes.",
            )

    def _of_stack(self) -> Iterator[Turn]:
        first, count, dim = self.shapes[0], len(self.shapes), self.dim
        rank = len(first)
        if self.shape is None:
            yield Turn(
                "taken-for-cat",
                cat_of(self.shapes, dim if dim < rank else -1),
                "That is cat. stack makes a new axis, so all its tensors must have exactly the same shape.",
            )
            for shape in (first, self.shapes[-1]):
                yield Turn(
                    "shapes-ignored",
                    inserted(shape, dim % (rank + 1), count),
                    "stack makes nothing fit: where the shapes are not all the same, it raises.",
                )
            return
        yield Turn(
            "taken-for-cat", cat_of(self.shapes, dim), "That is cat, which lengthens an axis. stack makes a new one."
        )
        if dim < 0:
            yield Turn(
                "negative-dim",
                stack_of(self.shapes, dim - 1),
                "A negative dim counts the result's axes, of which there is one more: -1 puts the new axis last of "
                "all.",
            )
        at = dim % (rank + 1)
        for name, place in ("axis-first", 0), ("axis-last", rank):
            yield Turn(
                name,
                inserted(first, place, count),
                f"The new axis stands where dim={dim} says: at position {at} of the result, counted from 0.",
            )
        for place in (at + 1, at - 1):
            if 0 <= place <= rank:
                yield Turn(
                    "axis-off-by-one",
                    inserted(first, place, count),
                    f"The new axis is off by one: with dim={dim} it stands at position {at} of the result, counted "
                    "from 0.",
                )
        yield Turn(
            "stack-must-fail",
            None,
            "Nothing is wrong with this call: the shapes are all the same, and dim may name any place for the new "
            "axis, before the first, between two, or after the last.",
        )

    def _of_cat(self) -> Iterator[Turn]:
        first, count, dim = self.shapes[0], len(self.shapes), self.dim
        rank = len(first)
        at = dim % rank
        if not -rank <= dim < rank:
            yield Turn(
                "taken-for-stack",
                stack_of(self.shapes, dim),
                f"stack could make a new axis at dim={dim}. cat lengthens an axis that is there, and there is no such "
                "axis.",
            )
            yield Turn(
                "dim-wraps",
                cat_of(self.shapes, rank - 1),
                f"dim={dim} is not the last axis; it is one past it, and raises.",
            )
        elif self.shape is None:
            added = sum(shape[at] for shape in self.shapes)
            for shape in (first, self.shapes[-1]):
                yield Turn(
                    "others-ignored",
                    resized(shape, at, added),
                    "The sizes along dim add up, but all other sizes must agree. Here they do not, and cat raises.",
                )
            for axis in range(rank):
                yield Turn(
                    "wrong-axis",
                    cat_of(self.shapes, axis),
                    f"That joins them along axis {axis}. Along dim={dim} the other sizes do not agree, and cat raises.",
                )
        else:
            if len(set(self.shapes)) > 1:
                yield Turn("equal-or-error", None, "The sizes along dim may differ; only all the others must agree.")
                longest = max(self.shapes, key=lambda shape: shape[at])
                yield Turn("not-added", longest, "The sizes along dim add up; nothing is laid over anything.")
            yield Turn(
                "taken-for-stack",
                inserted(first, at, count),
                "That is stack, which makes a new axis. cat lengthens one.",
            )
            for axis in range(rank):
                added = sum(shape[axis] for shape in self.shapes)
                yield Turn(
                    "wrong-axis",
                    resized(first, axis, added),
                    f"That joins them along axis {axis}; dim={dim} is axis {at}.",
                )
            yield Turn("not-added", first, f"The sizes along dim add up: axis {at} gets longer.")
            yield Turn(
                "cat-must-fail",
                None,
                "Nothing is wrong with this call: all sizes agree except along dim, where they may differ.",
            )


def puzzle(program: str, tensors: str, join: Join, earlier: Sequence[Turn] = ()) -> PredictShape:
    """What is the shape of that call, after that program? `earlier` are mistakes about the program."""
    wrong: dict[Shape | None, Wrong] = {join.shape: Wrong("", "", "")}
    for name, shape, because in (*earlier, *join.turns()):
        wrong.setdefault(shape, Wrong(name, "error" if shape is None else str(shape), because))
    return PredictShape(
        program=program,
        ask=join.call(tensors),
        can_fail=True,
        hints=[
            "Write down each tensor's shape first. Does the call make a new axis, or lengthen one that is there?",
            (
                "stack: do all shapes agree? Then the number of tensors goes in at position dim. cat: do all sizes but "
                "those at dim agree? Then those add up."
            ),
        ],
        why="torch.stack puts tensors of one shape along a new axis at position dim of the result; -1 is the very "
        "last. torch.cat lengthens an axis that is there: the sizes along dim add up and may differ, all others must "
        "agree, and so must the number of axes. Otherwise they raise.",
        wrong=list(wrong.values())[1:],
    )


# Things that come one after the other, and their axes.
THINGS = (
    ("image", ("channel", "height", "width")),
    ("frame", ("height", "width")),
    ("acts", ("batch", "seq", "d_model")),
    ("keys", ("head", "seq", "d_head")),
    ("logits", ("batch", "vocab")),
    ("wave", ("batch", "time")),
    ("pattern", ("query", "key")),
    ("grad", ("row", "column")),
)


def join(rng: Rng, shape: Shape, count: int, *, negative: bool) -> Join:
    """A call on so many tensors of about that shape; it raises about once in three times."""
    kind, fails = ("stack" if rng.chance() else "cat"), rng.chance(0.35)
    rank = len(shape)
    at = rng.integer(0, rank if kind == "stack" else rank - 1)
    uneven = list(shape)
    if kind == "stack" and fails:
        uneven[rng.integer(0, rank - 1)] += rng.integer(1, 3)
    elif fails:
        uneven[(at + rng.integer(1, rank - 1)) % rank] += rng.integer(1, 3)
    elif kind == "cat" and rng.chance(0.6):
        uneven[at] += rng.integer(1, 3)
    shapes = rng.shuffled([shape] * (count - 1) + [tuple(uneven)])
    axes = rank + (kind == "stack")
    return Join(kind, tuple(shapes), at - axes if negative and rng.chance(0.7) else at)


def tensors_named(rng: Rng, *, negative: bool, comments: bool) -> PredictShape:
    """Two to four tensors with names."""
    _, axes = rng.pick(THINGS)
    count = rng.integer(2, 4) if comments else rng.integer(2, 3)
    call = join(rng, tuple(rng.sizes(len(axes), 2, 9)), count, negative=negative)
    names = rng.pick(("abcd", "xyzw", "pqrs"))[:count]
    comment = f"  # {', '.join(axes)}" if comments else ""
    program = "\n".join([f"{n} = {zeros(shape)}{comment}" for n, shape in zip(names, call.shapes, strict=True)])
    return puzzle(program, f"[{', '.join(names)}]", call)


def tensors_listed(rng: Rng, *, negative: bool, comments: bool) -> PredictShape:
    """Any number of tensors of one shape, in a list."""
    thing, axes = rng.pick(THINGS)
    *sizes, count = rng.sizes(len(axes) + 1, 2, 9)
    things = thing if thing.endswith("s") else f"{thing}s"
    call = listed(rng, tuple(sizes), count, negative=negative)
    comment = f"# each has the axes {', '.join(axes)}\n" if comments else ""
    program = f"{comment}{things} = [{zeros(tuple(sizes))} for _ in range({count})]"
    return puzzle(program, things, call)


def listed(rng: Rng, shape: Shape, count: int, *, negative: bool) -> Join:
    """A call on tensors of one shape; where it is to raise, cat gets the axis that only stack may name."""
    rank = len(shape)
    if rng.chance(0.3):
        return Join("cat", (shape,) * count, rank)
    kind = "stack" if rng.chance(0.6) else "cat"
    axes = rank + (kind == "stack")
    at = rng.integer(0, axes - 1)
    return Join(kind, (shape,) * count, at - axes if negative and rng.chance(0.7) else at)


def pieces(rng: Rng) -> PredictShape:
    """A tensor is taken apart along one axis, and its pieces are joined along another."""
    shape = tuple(rng.sizes(rng.integer(2, 3), 2, 7))
    at = rng.integer(0, len(shape) - 1)
    piece = (*shape[:at], *shape[at + 1 :])
    source = rng.pick((f"x.unbind({at})", f"[x.select({at}, i) for i in range({shape[at]})]"))
    if at == 0 and rng.chance():
        source = rng.pick(("list(x)", "[row for row in x]", f"[x[i] for i in range({shape[0]})]"))
    call = listed(rng, piece, shape[at], negative=True)
    whole = Join(call.kind, (shape,) * shape[at], call.dim).shape
    kept = Turn("pieces-keep-axis", whole, "Taking x apart removes that axis: the pieces have one axis less than x.")
    return puzzle(f"x = {zeros(shape)}\npieces = {source}", "pieces", call, [kept])


def cache(rng: Rng) -> PredictShape:
    """A cache that grows in a loop, and is then joined with something."""
    batch, head, seq, dim, steps = rng.sizes(5, 2, 8)
    shape, at = rng.pick((((batch, head, seq, dim), 2), ((batch, seq, head, dim), 1), ((seq, batch, head * dim), 0)))
    grown, token = resized(shape, at, seq + steps), resized(shape, at, 1)
    axis = at if rng.chance() else at - len(shape)
    program = (
        f"cache = {zeros(shape)}\nfor _ in range({steps}):\n"
        f"    token = {zeros(token)}\n    cache = torch.cat([cache, token], dim={axis})"
    )
    final = rng.pick(("[cache, cache]", "[cache, token]"))
    other = grown if final == "[cache, cache]" else token
    kind = "stack" if rng.chance() and final == "[cache, cache]" else "cat"
    axes = len(shape) + (kind == "stack")
    place = rng.pick((at, at, rng.integer(0, axes - 1)))
    call = Join(kind, (grown, other), place - axes if rng.chance(0.4) else place)
    once = resized(shape, at, seq + 1)
    first = (once, once if other == grown else token)
    turn = Turn("grows-once", Join(kind, first, call.dim).shape, "Each turn of the loop makes the cache one longer.")
    return puzzle(program, final, call, [turn])


def composed(rng: Rng) -> PredictShape:
    """The result of one call goes into another."""
    shape, count = tuple(rng.sizes(rng.integer(2, 3), 2, 7)), rng.integer(2, 4)
    rank = len(shape)
    inner = Join("stack", (shape,) * count, rng.integer(-1, rank))
    names = ("a", "b", "c", "d")[:count]
    made = inner.shape
    assert made is not None
    at = rng.integer(0, rank)
    other = list(made)
    other[at] = rng.integer(1, 5)
    fails = rng.chance(0.45)
    if fails and rng.chance():
        call = Join("cat", (made, shape), at)
    else:
        if fails:
            other[(at + rng.integer(1, rank)) % (rank + 1)] += rng.integer(1, 2)
        call = Join("cat", (made, tuple(other)), at - rank - 1 if rng.chance() else at)
    program = "\n".join(
        [
            f"{' = '.join(names)} = {zeros(shape)}",
            f"s = {inner.call('[' + ', '.join(names) + ']')}",
            f"t = {zeros(call.shapes[1])}",
        ]
    )
    return puzzle(program, "[s, t]", call, list(about(inner, call, call.shapes[1:])))


def rows_of_rows(rng: Rng) -> PredictShape:
    """Every tensor of a stack is itself a cat."""
    shape, count = tuple(rng.sizes(2, 2, 7)), rng.integer(2, 5)
    at = rng.integer(0, 1)
    other = resized(shape, at, rng.integer(2, 7))
    inner = Join("cat", (shape, other), at - 2 if rng.chance() else at)
    made = inner.shape
    assert made is not None
    call = listed(rng, made, count, negative=True)
    program = f"a = {zeros(shape)}\nb = {zeros(other)}\nrows = [{inner.call('[a, b]')} for _ in range({count})]"
    return puzzle(program, "rows", call, list(about(inner, call)))


def about(inner: Join, call: Join, others: tuple[Shape, ...] = ()) -> Iterator[Turn]:
    """What comes out where the mistake is in the inner call, whose result all tensors but `others` are."""
    for name, made, because in inner.turns():
        if made is not None:
            shapes = (made,) * (len(call.shapes) - len(others)) + others
            if (shape := Join(call.kind, shapes, call.dim).shape) is not None:
                yield Turn(name, shape, f"In the first call: {because[0].lower() + because[1:]}")


@drill(after=["shapes.squeeze"], levels=3, arena="0.0", structures=(14, 55, 55))
def stack_cat(rng: Rng) -> PredictShape:
    """The shape that stack and cat give."""
    if rng.level == 1:
        return rng.pick((tensors_named, tensors_listed))(rng, negative=False, comments=True)
    if rng.level == 2:  # noqa: PLR2004 -- the middle level
        if rng.chance(0.45):
            return pieces(rng)
        return rng.pick((tensors_named, tensors_named, tensors_listed))(rng, negative=True, comments=False)
    return rng.pick((cache, composed, composed, rows_of_rows))(rng)
