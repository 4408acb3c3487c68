"""Shapes: several operations in a row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import NamedTuple

from tensordrill.authoring import Edit, PredictShape, Rng, Wrong, drill

Shape = tuple[int, ...]
Rule = Callable[[Shape], Shape | None]  # the shape that comes out, None where it raises
GUIDED = 1  # the level
_LARGEST, _MOST_AXES, _MOST_ENTRIES = 60, 5, 20_000
_TRIES = 8
_LINE = 40  # characters: a narrow terminal


class Step(NamedTuple):
    """One operation on `{x}`, perhaps with another tensor `{w}` of a shape of its own.

    `wrong` is the rule of one who mistakes it, `careless` that of one who does not see that it raises.
    """

    code: str
    rule: Rule
    id: str
    wrong: Rule
    because: str
    other: Shape | None = None
    careless: Rule | None = None


Operation = Callable[[Rng, Shape], Step | None]  # None where it does not take that shape

# --- Rules. torch says what is right; these are for building programs that run, and for following mistakes.


def place(dim: int, rank: int) -> int | None:
    return dim % rank if -rank <= dim < rank else None


def on_axis(dim: int, change: Callable[[int], Shape | None]) -> Rule:
    """An axis becomes none, one or several, by its size."""

    def rule(shape: Shape) -> Shape | None:
        at = place(dim, len(shape))
        if at is None or (new := change(shape[at])) is None:
            return None
        return (*shape[:at], *new, *shape[at + 1 :])

    return rule


def gone(_: int) -> Shape:
    return ()


def one(_: int) -> Shape:
    return (1,)


def inserted(dim: int, size: int) -> Rule:
    """A new axis; a negative dim counts those of the result."""

    def rule(shape: Shape) -> Shape | None:
        at = place(dim, len(shape) + 1)
        return None if at is None else (*shape[:at], size, *shape[at:])

    return rule


def reordered(order: Sequence[int]) -> Rule:
    return lambda shape: tuple([shape[i] for i in order]) if len(order) == len(shape) else None


def merged(start: int, end: int) -> Rule:
    """The axes from start to end, both included, as one."""

    def rule(shape: Shape) -> Shape | None:
        first, last = place(start, len(shape)), place(end, len(shape))
        if first is None or last is None or first > last:
            return None
        return (*shape[:first], prod(shape[first : last + 1]), *shape[last + 1 :])

    return rule


def swapped(one: int, other: int) -> Rule:
    def rule(shape: Shape) -> Shape | None:
        a, b = place(one, len(shape)), place(other, len(shape))
        if a is None or b is None:
            return None
        sizes = list(shape)
        sizes[a], sizes[b] = sizes[b], sizes[a]
        return tuple(sizes)

    return rule


def moved(source: int, target: int) -> Rule:
    def rule(shape: Shape) -> Shape | None:
        a, b = place(source, len(shape)), place(target, len(shape))
        if a is None or b is None:
            return None
        rest = [*shape[:a], *shape[a + 1 :]]
        rest.insert(b, shape[a])
        return tuple(rest)

    return rule


def backwards(shape: Shape) -> Shape:
    return shape[::-1]


def unchanged(shape: Shape) -> Shape:
    return shape


def joined(other: Shape, dim: int, *, checked: bool = True) -> Rule:
    """What cat gives with a tensor of that shape; unchecked, only the sizes along dim are looked at."""

    def rule(shape: Shape) -> Shape | None:
        at = place(dim, len(shape))
        if at is None or len(shape) != len(other):
            return None
        if checked and any(a != b for i, (a, b) in enumerate(zip(shape, other, strict=True)) if i != at):
            return None
        return (*shape[:at], shape[at] + other[at], *shape[at + 1 :])

    return rule


def broadcast(other: Shape, *, checked: bool = True) -> Rule:
    """Shapes are aligned at the right; unchecked, the larger size wins."""

    def rule(shape: Shape) -> Shape | None:
        rank = max(len(shape), len(other))
        pairs = list(zip((1,) * (rank - len(shape)) + shape, (1,) * (rank - len(other)) + other, strict=True))
        if checked and any(a != b and 1 not in (a, b) for a, b in pairs):
            return None
        return tuple([max(pair) for pair in pairs])

    return rule


def multiplied(other: Shape, *, checked: bool = True) -> Rule:
    """`x @ w` with a vector or a matrix w."""

    def rule(shape: Shape) -> Shape | None:
        if not shape or (checked and shape[-1] != other[0]):
            return None
        return (*shape[:-1], *other[1:])

    return rule


def index(at: int, entry: str) -> str:
    return f"{{x}}[{':, ' * at}{entry}]"


# --- Operations, each with what people mistake about it.


def spelled(rng: Rng, at: int, rank: int) -> int:
    """The axis, from level 2 on sometimes counted from the end."""
    return at - rank if rng.level > GUIDED and rng.chance(0.35) else at


def permute(rng: Rng, shape: Shape) -> Step | None:
    rank = len(shape)
    order = rng.shuffled(range(rank))
    inverse = [order.index(i) for i in range(rank)]
    if order == inverse:
        order, inverse = [*range(1, rank), 0], [rank - 1, *range(rank - 1)]
    return Step(f"{{x}}.permute({', '.join(map(str, order))})", reordered(order), "permute-inverted",
                reordered(inverse), "each number names the old axis that comes to its place, not the new place of an "
                "old axis.")  # fmt: skip


def transpose(rng: Rng, shape: Shape) -> Step | None:
    rank = len(shape)
    if rng.chance(0.3):
        return Step("{x}.mT", swapped(-1, -2), "transpose-reversed", backwards, "it swaps the last two axes only.")
    first, second = rng.sample(range(rank), 2)
    a, b = spelled(rng, first, rank), spelled(rng, second, rank)
    if abs(first - second) > 1:
        return Step(f"{{x}}.transpose({a}, {b})", swapped(a, b), "transpose-moved", moved(a, b), "the two axes change "
                    "places, and those between them stay.")  # fmt: skip
    return Step(f"{{x}}.transpose({a}, {b})", swapped(a, b), "transpose-reversed", backwards, "only the two axes that "
                "are named change places.")  # fmt: skip


def movedim(rng: Rng, shape: Shape) -> Step | None:
    rank = len(shape)
    source, target = rng.pick([(a, b) for a in range(rank) for b in range(rank) if abs(a - b) > 1])
    a, b = spelled(rng, source, rank), spelled(rng, target, rank)
    return Step(f"{{x}}.movedim({a}, {b})", moved(a, b), "movedim-swapped", swapped(a, b), "one axis moves, and all "
                "others keep their order; nothing is swapped.")  # fmt: skip


def flatten(rng: Rng, shape: Shape) -> Step | None:
    rank = len(shape)
    if rng.chance(0.4):
        return Step("{x}.flatten(1)", merged(1, -1), "flatten-front", merged(0, 1), "it flattens from axis 1 on, to "
                    "the last; axis 0 stays.")  # fmt: skip
    start = rng.integer(0, rank - 2)
    end = rng.integer(start + 1, rank - 1)
    last = spelled(rng, end, rank)
    return Step(f"{{x}}.flatten({start}, {last})", merged(start, last), "flatten-end-exclusive",
                merged(start, last - 1), "the end is included.")  # fmt: skip


def unflatten(rng: Rng, shape: Shape) -> Step | None:
    rank = len(shape)
    ways = [(at, k) for at, n in enumerate(shape) for k in range(2, n // 2 + 1) if n % k == 0 and n != k * k]
    if not ways:
        return None
    at, k = rng.pick(ways)
    dim = spelled(rng, at, rank)
    k_first = rng.chance()

    def parts(n: int) -> Shape:
        return (k, n // k) if k_first else (n // k, k)

    pair = f"({k}, -1)" if k_first else f"(-1, {k})"
    rule = on_axis(dim, lambda n: parts(n) if n % k == 0 else None)
    return Step(f"{{x}}.unflatten({dim}, {pair})", rule, "unflatten-order",
                on_axis(dim, lambda n: parts(n)[::-1]), "the axis becomes two, in the order that is "
                "written; -1 stands for what is left.", careless=on_axis(dim, parts))  # fmt: skip


def reshape(rng: Rng, shape: Shape) -> Step | None:
    """One number is -1; who takes it for expand's -1 keeps an old size there."""
    count = rng.integer(2, 3)
    total = prod(shape)
    sizes = [rng.pick([n for n in range(2, 13) if total % n == 0] or [1]) for _ in range(count)]
    at = rng.integer(0, min(count, len(shape)) - 1)
    known = prod(sizes) // sizes[at]
    if total % known or total // known < 2:  # noqa: PLR2004 -- an axis of size 1 would come out
        return None

    def rule(new: Callable[[Shape], int | None]) -> Rule:
        def ruled(shape: Shape) -> Shape | None:
            size = new(shape)
            return None if not size else (*sizes[:at], size, *sizes[at + 1 :])

        return ruled

    text = ", ".join(["-1" if i == at else str(n) for i, n in enumerate(sizes)])
    return Step(f"{{x}}.reshape({text})", rule(lambda s: None if prod(s) % known else prod(s) // known),
                "minus-one-keeps", rule(lambda s: s[at] if at < len(s) else None), "-1 does not keep the size of that "
                "axis: it becomes what the number of entries leaves.", careless=rule(lambda s: prod(s) // known),
                )  # fmt: skip


def unsqueeze(rng: Rng, shape: Shape) -> Step | None:
    rank = len(shape)
    if 1 in shape:
        return None
    at = rng.integer(0, rank)
    dim = at - rank - 1 if rng.chance() else at
    if dim == -rank - 1:
        dim = 0
    return Step(f"{{x}}.unsqueeze({dim})", inserted(dim, 1), "unsqueeze-off-by-one",
                inserted(dim - 1 if dim < 0 or dim == rank else dim + 1, 1),
                f"{dim} is the new axis's own place in the result{', counted from its end' if dim < 0 else ''}.",
                )  # fmt: skip


def squeeze(rng: Rng, shape: Shape) -> Step | None:
    ones = [i for i, size in enumerate(shape) if size == 1]
    if len(ones) > 1:
        dim = spelled(rng, rng.pick(ones), len(shape))
        return Step(f"{{x}}.squeeze({dim})", on_axis(dim, lambda n: () if n == 1 else (n,)), "squeeze-all",
                    lambda s: tuple([n for n in s if n != 1]), "it removes that axis only.")  # fmt: skip
    if ones or rng.chance():
        return None
    dim = spelled(rng, rng.integer(0, len(shape) - 1), len(shape))
    return Step(f"{{x}}.squeeze({dim})", on_axis(dim, lambda n: () if n == 1 else (n,)), "squeeze-removes",
                on_axis(dim, gone), "only an axis of size 1 is removed; any other stays as it is.",
                )  # fmt: skip


def reduction(rng: Rng, shape: Shape) -> Step | None:
    rank = len(shape)
    name = rng.pick(("sum", "mean", "amax", "amin", "prod", "logsumexp"))
    dim = spelled(rng, rng.integer(0, rank - 1), rank)
    removed, kept = on_axis(dim, gone), on_axis(dim, one)
    if rng.chance(0.4):
        return Step(f"{{x}}.{name}({dim}, keepdim=True)", kept, "keepdim-ignored", removed, "with "
                    "`keepdim=True` the axis stays, with size 1.")  # fmt: skip
    if rng.chance(0.2):
        only = on_axis(dim, lambda n: (n,))
        return Step(f"{{x}}.{name}({dim})", removed, "reduces-others",
                    lambda s: None if only(s) is None else (s[dim],), "the axis that is named is the one that goes; "
                    "the others stay.")  # fmt: skip
    return Step(f"{{x}}.{name}({dim})", removed, "dim-kept", kept, "the axis goes, unless `keepdim=True` is given.")


def reduction_of_two(rng: Rng, shape: Shape) -> Step | None:
    rank = len(shape)
    name, (front, back) = rng.pick(("sum", "mean", "amax")), sorted(rng.sample(range(rank), 2))
    both = on_axis(front, gone), on_axis(back, gone)
    ones = on_axis(front, one), on_axis(back, one)

    def after(rules: tuple[Rule, Rule]) -> Rule:
        first, last = rules
        return lambda s: None if (t := last(s)) is None else first(t)

    return Step(f"{{x}}.{name}(({front}, {back}))", after(both), "dims-kept", after(ones), "both axes go, unless "
                "`keepdim=True` is given.")  # fmt: skip


def same_shape(rng: Rng, shape: Shape) -> Step | None:
    """What works along an axis and keeps it."""
    dim = spelled(rng, rng.integer(0, len(shape) - 1), len(shape))
    name = rng.pick(("softmax", "cumsum", "log_softmax"))
    return Step(f"{{x}}.{name}({dim})", on_axis(dim, lambda n: (n,)), "taken-for-reduction", on_axis(dim, gone),
                f"{name} works along that axis and keeps it; nothing is summed away.")  # fmt: skip


def stack(rng: Rng, shape: Shape) -> Step | None:
    rank = len(shape)
    count, at = rng.integer(2, 4), rng.integer(0, rank - 1)
    dim = at - rank - 1 if rng.level > GUIDED and rng.chance(0.3) and at else at
    tensors = "[{x}, {x}]" if count == 2 else f"[{{x}}] * {count}"  # noqa: PLR2004
    return Step(f"torch.stack({tensors}, dim={dim})", inserted(dim, count), "stack-as-cat",
                on_axis(dim, lambda n: (n * count,)), "stack makes a new axis; it is cat that lengthens one.",
                )  # fmt: skip


def cat(rng: Rng, shape: Shape) -> Step | None:
    rank = len(shape)
    at = rng.integer(0, rank - 1)
    dim = spelled(rng, at, rank)
    if rng.chance(0.4):
        return Step("torch.cat([{x}, {x}], dim=" + f"{dim})", on_axis(dim, lambda n: (2 * n,)), "cat-as-stack",
                    inserted(dim, 2), "cat lengthens an axis that is there; it is stack that makes a new one.",
                    )  # fmt: skip
    other = (*shape[:at], rng.integer(1, 5), *shape[at + 1 :])
    return Step(f"torch.cat([{{x}}, {{w}}], dim={dim})", joined(other, dim), "cat-not-added",
                on_axis(dim, lambda n: (max(n, other[at]),)), "the sizes along dim add up.", other,
                joined(other, dim, checked=False))  # fmt: skip


def matmul(rng: Rng, shape: Shape) -> Step | None:
    if rng.chance(0.35):
        first = rng.chance()
        square, wrong = (-2, -1) if first else (-1, -2)

        def gram(kept: int) -> Rule:
            return lambda s: (*s[:-2], s[kept], s[kept]) if len(s) > 1 else None

        return Step("{x} @ {x}.mT" if first else "{x}.mT @ {x}", gram(square), "gram-other-axis", gram(wrong), "the "
                    "last axis of the left one meets the second to last of the right one, and both go.")  # fmt: skip
    if rng.chance(0.4):
        vector = (shape[-1],)
        return Step("{x} @ {w}", multiplied(vector), "vector-keeps-axis",
                    on_axis(-1, lambda n: (1,) if n == vector[0] else None), "a vector on the right takes the last "
                    "axis away; nothing is left of it.", vector, multiplied(vector, checked=False))  # fmt: skip
    out = rng.pick([n for n in range(2, 9) if n not in shape])
    if rng.chance() and len(shape) > 2:  # noqa: PLR2004
        needed = shape[-1]
        return Step(f"nn.Linear({needed}, {out})({{x}})", multiplied((needed, out)), "linear-axis",
                    on_axis(1, lambda _: (out,)), "a Linear layer turns the last axis, and all before it are batch.",
                    careless=multiplied((needed, out), checked=False))  # fmt: skip
    matrix = (shape[-1], out)
    return Step("{x} @ {w}", multiplied(matrix), "matmul-keeps-last",
                lambda s: s if s and s[-1] == matrix[0] else None, "the axes that meet go, and the last axis of "
                "the result is that of the right one.", matrix, multiplied(matrix, checked=False))  # fmt: skip


def arithmetic(rng: Rng, shape: Shape) -> Step | None:
    """With a tensor that has an axis more, or that stretches an axis of size 1."""
    sign = rng.pick("+-*/")
    if 1 in shape:
        at = shape.index(1)
        size = rng.integer(2, 7)
        other = (size, *[1 if rng.chance() else n for n in shape[at + 1 :]])
        return Step(f"{{x}} {sign} {{w}}", broadcast(other), "broadcast-one-way", unchanged, "an axis of size 1 is "
                    "stretched on either side, so the result may be larger than the left one.", other,
                    broadcast(other, checked=False))  # fmt: skip
    size = rng.pick([n for n in range(2, 9) if n not in shape])
    other = (size, *[1 if rng.chance(0.6) else n for n in shape])
    return Step(f"{{x}} {sign} {{w}}", broadcast(other), "axis-added-last", lambda s: (*s, size), "the shapes are "
                "aligned at the last axis, so the axis that one lacks is in front.", other,
                broadcast(other, checked=False))  # fmt: skip


def entry(rng: Rng, shape: Shape) -> Step | None:
    """An int, which removes its axis, or a slice, which keeps it."""
    rank = len(shape)
    at = rng.integer(0, rank - 1)
    size = shape[at]
    if size < 3:  # noqa: PLR2004 -- there is little to take
        return None
    ways = rng.integer(1, 4)
    if ways == 1:
        code, dim = (index(at, rng.pick(("0", "-1"))), at) if rng.chance(0.7) else ("{x}[..., 0]", -1)
        return Step(code, on_axis(dim, gone), "int-keeps-axis", on_axis(dim, one), "an int selects "
                    "one entry and removes its axis; a slice would keep it.")  # fmt: skip
    if ways == 2:  # noqa: PLR2004
        code, dim = (index(at, "-1:"), at) if rng.chance() else ("{x}[..., :1]", -1)
        return Step(code, on_axis(dim, one), "slice-drops-axis", on_axis(dim, gone), "a slice keeps "
                    "its axis, also where it takes one entry.")  # fmt: skip
    if ways == 3 and size % 2:  # noqa: PLR2004
        return Step(index(at, "::2"), on_axis(at, lambda n: (-(-n // 2),)), "step-rounded-down",
                    on_axis(at, lambda n: (n // 2,)), "the first entry is taken too, so an odd size is rounded up.",
                    )  # fmt: skip
    start = rng.integer(0, size - 2)
    stop = rng.integer(start + 1, size - 1)

    def cut(end: int) -> Rule:
        return on_axis(at, lambda n: (max(0, min(end, n) - start),))

    return Step(index(at, f"{start or ''}:{stop}"), cut(stop), "end-inclusive", cut(stop + 1), "the end of a slice is "
                "not included.")  # fmt: skip


def none_index(rng: Rng, shape: Shape) -> Step | None:
    rank = len(shape)
    if 1 in shape:
        return None
    if rng.chance(0.3):
        return Step("{x}[..., None]", inserted(-1, 1), "none-off-by-one", inserted(-2, 1), "`...` stands for all the "
                    "axes, so the new one comes behind them.")  # fmt: skip
    at = rng.integer(0, rank - 1)
    return Step(index(at, "None"), inserted(at, 1), "none-off-by-one", inserted(at + 1, 1), "None makes the new axis "
                "where it stands, in front of the axis that would be there.")  # fmt: skip


def expand(rng: Rng, shape: Shape) -> Step | None:
    rank, size = len(shape), rng.integer(2, 6)
    if 1 in shape:
        wanted = [size if n == 1 else n for n in shape]

        def asked(*, checked: bool) -> Rule:
            def rule(s: Shape) -> Shape | None:
                fits = all(n in (1, m) for n, m in zip(s[::-1], wanted[::-1], strict=False))
                return tuple(wanted) if len(s) <= rank and (fits or not checked) else None

            return rule

        def repeated(s: Shape) -> Shape | None:
            return tuple([n * m for n, m in zip(s, wanted, strict=True)]) if len(s) == rank else None

        return Step(f"{{x}}.expand({', '.join(map(str, wanted))})", asked(checked=True), "expand-as-repeat", repeated,
                    "the numbers are the sizes of the result, not how often to repeat.", careless=asked(checked=False),
                    )  # fmt: skip

    def widened(s: Shape) -> Shape | None:
        if len(s) == rank + 1 and s[0] in (1, size):
            return (size, *s[1:])
        return (size, *s) if len(s) == rank else None

    return Step(f"{{x}}.expand({size}{', -1' * rank})", widened,
                "expand-adds-last", lambda s: (*s, size) if len(s) == rank else None, "a new axis can only come in "
                "front; -1 leaves an axis as it is.")  # fmt: skip


def repeat(rng: Rng, shape: Shape) -> Step | None:
    rank = len(shape)
    if rng.chance(0.4):
        at, count = rng.integer(0, rank - 1), rng.integer(2, 3)
        dim = spelled(rng, at, rank)
        return Step(f"{{x}}.repeat_interleave({count}, dim={dim})", on_axis(dim, lambda n: (count * n,)),
                    "repeat-new-axis", on_axis(dim, lambda n: (n, count)), "the axis gets longer; no new one is made.",
                    )  # fmt: skip
    extra = rng.chance(0.4)
    counts = [rng.pick((1, 1, 2, 3)) for _ in range(rank + extra)]
    counts[0 if extra else rng.integer(0, rank - 1)] = rng.integer(2, 3)

    def rule(s: Shape) -> Shape | None:
        longer = (1,) * (len(counts) - len(s)) + s
        return tuple([n * k for n, k in zip(longer, counts, strict=True)]) if len(longer) == len(counts) else None

    def at_left(s: Shape) -> Shape | None:
        longer = s + (1,) * (len(counts) - len(s))
        return tuple([n * k for n, k in zip(longer, counts, strict=True)]) if len(longer) == len(counts) else None

    def as_sizes(s: Shape) -> Shape | None:
        return tuple([n if k == 1 else k for n, k in zip(s, counts, strict=True)]) if len(s) == len(counts) else None

    code = f"{{x}}.repeat({', '.join(map(str, counts))})"
    if extra:
        return Step(code, rule, "repeat-from-left", at_left, "the numbers are aligned at the last axis, so the new one "
                    "comes in front.")  # fmt: skip
    return Step(code, rule, "repeat-as-expand", as_sizes, "the numbers say how often, and multiply the sizes.")


def piece(rng: Rng, shape: Shape) -> Step | None:
    """The first of the pieces that an axis is cut into."""
    rank = len(shape)
    at = rng.integer(0, rank - 1)
    size, dim = shape[at], spelled(rng, at, rank)
    if size < 3:  # noqa: PLR2004 -- there is little to take
        return None
    if rng.chance(0.25):
        return Step(f"{{x}}.unbind({dim})[0]", on_axis(dim, gone), "unbind-keeps-axis",
                    on_axis(dim, one), "unbind removes the axis.")  # fmt: skip
    n = rng.integer(2, min(4, size - 1))

    def first(of: int) -> Shape:
        return (min(n, of),)

    def share(of: int) -> Shape:
        return (-(-of // n),)

    if rng.chance(0.6):
        return Step(f"{{x}}.chunk({n}, dim={dim})[0]", on_axis(dim, share), "chunk-as-split", on_axis(dim, first),
                    "chunk is told how many pieces there are, not how long one is.")  # fmt: skip
    return Step(f"{{x}}.split({n}, dim={dim})[0]", on_axis(dim, first), "split-as-chunk", on_axis(dim, share),
                "split is told how long a piece is, not how many there are.")  # fmt: skip


def padding(rng: Rng, _: Shape) -> Step | None:
    before, after = rng.integer(0, 2), rng.integer(1, 3)

    def grown(n: int) -> Shape:
        return (n + before + after,)

    return Step(f"F.pad({{x}}, ({before}, {after}))", on_axis(-1, grown), "pad-first-axis", on_axis(0, grown), "the "
                "first pair of numbers is about the last axis.")  # fmt: skip


def largest(rng: Rng, shape: Shape) -> Step | None:
    at = rng.integer(0, len(shape) - 1)
    if shape[at] < 3:  # noqa: PLR2004
        return None
    dim, count = spelled(rng, at, len(shape)), rng.integer(2, shape[at] - 1)
    return Step(f"{{x}}.topk({count}, dim={dim}).values", on_axis(dim, lambda n: (count,) if n >= count else None),
                "topk-removes-axis", on_axis(dim, gone), "topk keeps the axis, with as many entries as are "
                "asked for.", careless=on_axis(dim, lambda _: (count,)))  # fmt: skip


def difference(rng: Rng, shape: Shape) -> Step | None:
    at = rng.integer(0, len(shape) - 1)
    if shape[at] < 3:  # noqa: PLR2004
        return None
    dim = spelled(rng, at, len(shape))
    return Step(f"{{x}}.diff(dim={dim})", on_axis(dim, lambda n: (max(n - 1, 0),)), "diff-keeps-size",
                on_axis(dim, lambda n: (n,)), "between n entries there are n - 1 differences.")  # fmt: skip


def windows(rng: Rng, shape: Shape) -> Step | None:
    rank = len(shape)
    at = rng.integer(0, rank - 2)
    if shape[at] < 4:  # noqa: PLR2004
        return None
    size, step = rng.integer(2, 3), rng.integer(1, 2)

    def count(n: int) -> int:
        return (n - size) // step + 1

    return Step(f"{{x}}.unfold({at}, {size}, {step})",
                lambda s: (*s[:at], count(s[at]), *s[at + 1 :], size) if at < len(s) and s[at] >= size else None,
                "unfold-in-place", on_axis(at, lambda n: (count(n), size) if n >= size else None), "the axis becomes "
                "the number of windows; the windows themselves are a new axis, at the very end.")  # fmt: skip


LETTERS = {2: ("r c", "s d", "i j"), 3: ("b s d", "c h w", "i j k"), 4: ("b c h w", "b h s d", "i j k m")}


def rearrange(rng: Rng, shape: Shape) -> Step | None:
    """einops: other order, and two axes as one; the mistake keeps the axes in the order in which they are stored."""
    rank = len(shape)
    if rank not in LETTERS:
        return None
    names = rng.pick(LETTERS[rank]).split()
    order = rng.shuffled(range(rank))
    if order == sorted(order):
        order = order[::-1]
    at = rng.integer(0, rank - 2)
    groups = [[i] for i in order]
    groups[at : at + 2] = [groups[at] + groups[at + 1]]

    def sized(groups: Sequence[Sequence[int]]) -> Rule:
        return lambda s: tuple([prod([s[i] for i in group]) for group in groups]) if len(s) == rank else None

    right = " ".join([names[g[0]] if len(g) == 1 else f"({' '.join([names[i] for i in g])})" for g in groups])
    return Step(f'einops.rearrange({{x}}, "{" ".join(names)} -> {right}")', sized(groups), "rearrange-stored-order",
                sized(sorted(groups, key=min)), "the axes come in the order that stands behind the arrow.")  # fmt: skip


# --- Chains.

# Operations, by how many axes they need.
BASIC: Sequence[tuple[int, Operation]] = (
    (3, permute), (3, transpose), (3, movedim), (3, flatten), (1, unflatten), (1, reshape), (1, unsqueeze),
    (2, squeeze), (2, reduction), (2, reduction), (1, stack), (1, cat), (2, entry), (2, none_index), (2, piece),
    (2, same_shape),
)  # fmt: skip
MORE = (
    *BASIC, (2, matmul), (2, matmul), (1, arithmetic), (1, arithmetic), (1, expand), (1, repeat), (3, rearrange),
    (3, reduction_of_two), (2, padding), (1, largest), (1, difference),
)  # fmt: skip
OPERATIONS = {1: BASIC, 2: MORE, 3: (*MORE, (2, windows))}
FRAGILE = (matmul, arithmetic, cat, expand, reshape, rearrange, unflatten, permute, repeat)  # raise at other shapes


class Belief(NamedTuple):
    """A mistake, and the shape that one who makes it has in mind now; None once it raises."""

    id: str
    because: str
    shape: Shape | None


@dataclass
class Chain:
    """Steps one after the other: the true shape after each, and what is believed after each mistake.

    `led_by` is the belief that further steps are made for, or None where they are made for the true shape.
    """

    start: Shape
    spare: int  # how many mistakes may end in an error
    codes: list[str] = field(default_factory=list)
    others: list[Shape] = field(default_factory=list)
    shapes: list[Shape | None] = field(default_factory=list)
    beliefs: list[Belief] = field(default_factory=list)
    led_by: int | None = None

    @property
    def shape(self) -> Shape | None:
        return self.shapes[-1] if self.shapes else self.start

    @property
    def lead(self) -> Shape:
        """The shape that the next step is made for."""
        shape = self.shape if self.led_by is None else self.beliefs[self.led_by].shape
        assert shape is not None
        return shape

    def reveals(self, step: Step) -> bool:
        """Whether it raises where a mistake that is followed would have it run; anything does if none is followed."""
        return self.led_by is None or self.shape is None or step.rule(self.shape) is None

    def take(self, step: Step) -> None:
        """Takes the step if it fits: if afterwards no two shapes are the same."""
        code = step.code.format(x="x", w=OTHERS[len(self.others)])
        before = self.shape
        shape = step.rule(before) if before is not None else None
        beliefs = [Belief(b.id, b.because, None if b.shape is None else step.rule(b.shape)) for b in self.beliefs]
        if before is not None and shape is not None:
            beliefs.append(Belief(step.id, f"In `{code}`: {step.because}", step.wrong(before)))
        elif before is not None and step.careless:
            beliefs.append(
                Belief("error-missed", f"`{code}` raises: `x` has shape {before} there.", step.careless(before))
            )
        alive = [belief.shape for belief in beliefs if belief.shape is not None]
        lead = shape if self.led_by is None else beliefs[self.led_by].shape
        if lead is None or not sound(lead) or len({*alive, shape}) <= len(alive):
            return
        if shape is not None and len(beliefs) - len(alive) > self.spare:
            return
        self.shapes.append(shape)
        self.beliefs = beliefs
        self.codes.append(code)
        self.others += [step.other] if step.other else []


OTHERS = ("w", "y", "v", "u", "z", "s", "t")


def sound(shape: Shape) -> bool:
    """Whether it can be worked out and typed with ease."""
    return 0 < len(shape) <= _MOST_AXES and max(shape) <= _LARGEST and 0 < prod(shape) <= _MOST_ENTRIES


def chained(rng: Rng, count: int, *, fails: bool) -> Chain:
    """A chain of so many steps. One that is to fail runs for those who have made a certain mistake."""
    rank = 3 if rng.level == GUIDED else rng.integer(2, 4)
    chain = Chain(tuple(rng.sizes(rank, 2, 8)), int(rng.level > GUIDED))
    extend(rng, chain, rng.integer(1, count - 1) if fails else count)
    if fails and chain.beliefs[-1].shape is not None and sound(chain.beliefs[-1].shape):
        chain.led_by = len(chain.beliefs) - 1
        extend(rng, chain, count)
    return chain


def extend(rng: Rng, chain: Chain, count: int) -> None:
    """Takes steps until there are so many, or none is left; after a mistake, first such as raise without it."""
    operations = rng.shuffled(OPERATIONS[rng.level])
    if chain.led_by is not None:
        operations.sort(key=lambda pair: pair[1] not in FRAGILE)
    for least, operation in operations:
        if len(chain.codes) == count:
            return
        step = operation(rng, chain.lead) if len(chain.lead) >= least else None
        if step and (operation not in FRAGILE or chain.reveals(step)):
            chain.take(step)


def mistakes(chain: Chain, source: str) -> list[Wrong | Edit]:
    """Where the program raises, nothing can be asked after it: there the mistake takes the program's place.

    Many mistakes end in an error, so that it raises tells none of them.
    """
    found: dict[Shape | None, Wrong | Edit] = {chain.shape: Wrong("", "", "")}
    for name, because, shape in chain.beliefs:
        if shape is None:
            continue
        if chain.shape is None:
            found.setdefault(shape, Edit(name, source, f"x = {shape}", because))
        else:
            found.setdefault(shape, Wrong(name, str(shape), because))
    found.setdefault(None, Wrong("nothing-raises", "error", "Every line runs: follow the shape once more."))
    return [wrong for shape, wrong in found.items() if shape != chain.shape and (shape is not None or chain.spare)]


MAY_RAISE = " If one of the lines raises, the answer is `error`."
AXES = (
    "batch, seq, d_model",
    "batch, time, channel",
    "head, query, key",
    "channel, height, width",
    "game, row, column",
)


def program(rng: Rng, chain: Chain) -> str:
    """A line for each step; from level 2 on, some short methods go on one line."""
    named = f"  # {rng.pick(AXES)}" if rng.level == GUIDED else ""
    lines = [f"x = torch.zeros{as_text(chain.start)}{named}"]
    lines += [f"{name} = torch.zeros{as_text(shape)}" for name, shape in zip(OTHERS, chain.others, strict=False)]
    chainable = False
    for code in chain.codes:
        simple = code.startswith(("x.", "x[")) and " @ " not in code
        if simple and chainable and len(lines[-1] + code[1:]) <= _LINE and rng.chance(0.4):
            lines[-1] += code[1:]
        else:
            lines.append(f"x = {code}")
        chainable = simple and rng.level > GUIDED
    return "\n".join(lines)


def as_text(shape: Shape) -> str:
    return f"({', '.join(map(str, shape))})"


def asked(rng: Rng, chain: Chain) -> PredictShape:
    source = program(rng, chain)
    told = chain.beliefs[chain.led_by or 0].because
    known = max([i for i, shape in enumerate(chain.shapes[: len(chain.codes) // 2]) if shape is not None])
    return PredictShape(
        prompt="What is the shape of `x` after the last line?" + (MAY_RAISE if chain.spare else ""),
        program=source,
        ask="x",
        can_fail=chain.spare > 0,
        wrong=mistakes(chain, source),
        hints=[
            "Write the shape of `x` behind every line, and go on from there.",
            told,
            f"After `{chain.codes[known]}` the shape is {chain.shapes[known]}.",
        ],
        why="Follow the shape line by line: each operation sees only the shape that the one before it leaves, and its "
        "`dim` counts the axes of that shape. An int index, a reduction and a vector on the right of `@` take an axis "
        "away; None, unsqueeze, stack and unflatten make one; permute, transpose and movedim reorder; broadcasting "
        "aligns shapes at the last axis; cat, repeat, slices, chunk and pad change a size.",
    )


@drill(after=["shapes.stack-cat", "shapes.reduce", "shapes.permute"], levels=3, arena="0.0", structures=(900, 950, 950))
def pipeline(rng: Rng) -> PredictShape:
    """The shape after several operations in a row."""
    count = {1: 3, 2: 4, 3: rng.integer(5, 6)}[rng.level]
    fails = rng.level > GUIDED and rng.chance(0.3)
    for _ in range(_TRIES):
        chain = chained(rng, count, fails=fails)
        if len(chain.codes) == count and (chain.shape is None) == fails:
            break
    return asked(rng, chain)
