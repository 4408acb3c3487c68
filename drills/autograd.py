"""Autograd: what a backward pass leaves in `.grad`."""

import re
from collections.abc import Sequence
from math import prod

from tensordrill.authoring import PredictValue, Rng, Wrong, drill

# Ways to stretch an operand to (row, column) or (block, row, column): its shape, and a sum over the wrong axes.
STRETCHED_2D = (("c", "sum(1)"), ("r 1", "sum(0, keepdim=True)"), ("1 c", "sum(1, keepdim=True)"))
STRETCHED_3D = (
    ("c", "sum(0)"),
    ("r c", "sum(1)"),
    ("r 1", "sum(0)"),
    ("b 1 c", "sum(0, keepdim=True)"),
    ("1 r 1", "sum(0, keepdim=True)"),
    ("b 1 1", "sum(2, keepdim=True)"),
)
LOSSES = ("(g * ({y})).sum().backward()", "(({y}) * g).sum().backward()", "({y}).backward(g)")
NARROW = 30  # characters of numbers in a line that a terminal of 40 columns still takes with little damage


def filled(name: str, values: Sequence[object], suffix: str = ", requires_grad=True") -> str:
    """The line that makes a float tensor of nested lists of whole numbers, broken after its rows where it is long."""
    rows = [re.sub(r"\d+", r"\g<0>.", str(row)) for row in values]
    start = f"{name} = torch.tensor(["
    glue = ",\n" + " " * len(start) if sum(map(len, rows)) > NARROW else ", "
    return f"{start}{glue.join(rows)}]{suffix})"


def upstream(rng: Rng, uses: int, *shape: int) -> str:
    """The line for g. Its mean over that many uses is never their number, or averaging would look like ignoring g."""
    low, high = (uses + 1, uses + 3) if uses <= 3 else (2, 3)  # noqa: PLR2004 -- small for few uses, smaller for many
    values = rng.distinct(shape[0], low, high) if len(shape) == 1 else rng.ints(*shape, low=low, high=high)
    return filled("g", values, "")


def gradient(name: str, lines: Sequence[str], wrong: Sequence[Wrong], prompt: str = "") -> PredictValue:
    """Asks for `name.grad` after the lines have run."""
    return PredictValue(
        prompt=prompt,
        program="\n".join(lines),
        ask=f"{name}.grad",
        wrong=wrong,
        hints=[
            f"A gradient has the shape of its tensor. Which shape does {name} have, and to which is it stretched?",
            f"Find the places that use one number of {name}. What does each add to the loss?",
        ],
        why="Broadcasting uses one number in several places, and a number gets the sum of what its uses send back. So "
        "the gradient of a broadcast operand is upstream times local, summed over the axes along which the operand was "
        "stretched (and over no others), in the operand's own shape. `Tensor.sum_to_size` is that sum.",
    )


def sums(name: str, places: str, hasty: str, uses: int) -> list[Wrong]:
    """Mistakes in the sum. `places` is the gradient of every place, before those of one number are added up."""
    return [
        Wrong("not-summed", places, f"Each number of {name} is used in {uses} places and gets the sum of what they "
              "send back. Yours has an entry for every place."),
        Wrong("wrong-axis", f"({places}).{hasty}", f"The sum runs over all axes along which {name} is stretched, and "
              "over no others."),
        Wrong("averaged", f"{name}.grad / {uses}", f"What the {uses} places of a number send back is added up, not "
              "averaged."),
    ]  # fmt: skip


def ignoring_upstream(name: str, y: str) -> Wrong:
    return Wrong(
        "upstream-ignored",
        f"torch.autograd.grad(({y}).sum(), {name})[0]",
        "Each place sends back its local derivative times its weight g in the loss. You left g out.",
    )


def other_operand(other: str) -> Wrong:
    return Wrong("other-operand", f"{other}.grad", f"That is the gradient of {other}.")


def sign(name: str) -> Wrong:
    return Wrong("sign", f"-{name}.grad", f"Mind the minus: it belongs to what stands behind it. {name}.grad has the "
                 "other sign.")  # fmt: skip


def stretched(rng: Rng, shape: str, hasty: str, axes: str) -> PredictValue:
    """An operand of that shape meets x, which has all the axes. From level 2 on, the loss is weighted."""
    sizes = dict(zip("brc", (2, 3, 2) if rng.chance() else (3, 2, 2), strict=True)) | {"1": 1}
    flat = axes == "rc"
    if flat:
        sizes["c"] = 5 - sizes["r"]
    full, own = [sizes[axis] for axis in axes], [sizes[axis] for axis in shape.split()]
    uses = prod(full) // prod(own)
    times = rng.chance(0.6)
    w = rng.pick(["w", "gain", "scale"] if times else ["b", "bias", "shift"])
    y = rng.pick([f"x * {w}", f"{w} * x"] if times else [f"x + {w}", f"x - {w}", f"{w} - x"])
    lines = [filled("x", rng.ints(*full, low=1, high=4 if flat else 3)), filled(w, rng.ints(*own, low=5, high=8))]
    g, loss, wrong = "1.", f"({y}).sum().backward()", []
    if rng.level > 1:
        lines.append(upstream(rng, uses, *(full if flat else full[-1:])))  # a block of weights would be long by hand
        g, loss = "g", rng.pick(LOSSES if flat else LOSSES[:2]).format(y=y)
        wrong.append(ignoring_upstream(w, y))
    if y != f"x + {w}":
        wrong.append(other_operand("x"))
    if "-" in y:
        wrong.append(sign(w))
    minus = "-" if y == f"x - {w}" else ""
    places = f"{minus}{g} * {'x' if times else 'torch.ones_like(x)'}"
    prompt = guided(w, "r" in shape, sizes) if rng.level == 1 else ""
    return gradient(w, [*lines, loss], [*sums(w, places, hasty, uses), *wrong], prompt)


def guided(w: str, by_row: bool, sizes: dict[str, int]) -> str:  # noqa: FBT001
    each, all_ = ("row", f"{sizes['c']} columns") if by_row else ("column", f"{sizes['r']} rows")
    return f"`{w}` has one number for each {each} of `x`; broadcasting uses it in all {all_}. What is `{w}.grad`?"


def outer(rng: Rng) -> PredictValue:
    """A column meets a row: both are stretched, along different axes."""
    rows, columns = rng.sizes(2, high=3)
    u, v = rng.pick([("u", "v"), ("q", "k"), ("a", "b")])
    y = rng.pick([f"{u} * {v}", f"{v} * {u}", f"{u} - {v}", f"{v} - {u}"])
    w, uses, other, hasty = rng.pick([(u, columns, v, "sum(0, keepdim=True)"), (v, rows, u, "sum(1)")])
    lines = [filled(u, rng.ints(rows, 1, low=1, high=4)), filled(v, rng.ints(columns, low=3, high=5))]
    lines += [upstream(rng, uses, rows, columns), rng.pick(LOSSES).format(y=y)]
    places = f"g * {other}" if "*" in y else "-g" if y.endswith(w) else "g"
    wrong = [*sums(w, places, hasty, uses), ignoring_upstream(w, y), other_operand(other)]
    return gradient(w, lines, [*wrong, sign(w)] if "-" in y else wrong)


def weights(rng: Rng, rows: int, scales: Sequence[int]) -> list[list[int]]:
    """The numbers of g. No row adds up to what the scales do, or to leave out either would look the same."""
    made: list[list[int]] = []
    while len(made) < rows:
        row = [rng.integer(len(scales) + 1, len(scales) + 2) for _ in scales]
        if sum(row) != sum(scales):
            made.append(row)
    return made


def standardised(rng: Rng) -> PredictValue:
    """Rows are centred and columns scaled, as in a layer norm whose statistics are given."""
    rows, columns = rng.sizes(2, high=3)
    m, s = rng.pick([("m", "s"), ("mean", "gain"), ("shift", "scale")])
    y = f"(x - {m}) * {s}"
    by_row = rng.chance()
    w, uses = (m, columns) if by_row else (s, rows)
    scales = rng.distinct(columns, columns + 1, 2 * columns)  # each larger than what an average divides by
    lines = [
        filled("x", rng.ints(rows, columns, low=5, high=8), ""),
        filled(m, rng.ints(rows, 1, low=3, high=4)),
        filled(s, scales),
        filled("g", weights(rng, rows, scales), "") if by_row else upstream(rng, uses, rows, columns),
        rng.pick(LOSSES).format(y=y),
    ]
    if by_row:
        wrong = [
            *sums(m, f"-g * {s}", "sum(0, keepdim=True)", uses), other_operand(s), sign(m),
            Wrong("factor-lost", "-g.sum(1, keepdim=True)", f"x - {m} is multiplied by {s}; the chain rule brings that "
                  "factor along."),
        ]  # fmt: skip
    else:
        wrong = [
            *sums(s, f"g * (x - {m})", "sum(1)", uses), other_operand(m),
            Wrong("factor-lost", "(g * x).sum(0)", f"{s} multiplies x - {m}, not x alone."),
        ]  # fmt: skip
    return gradient(w, lines, [*wrong, ignoring_upstream(w, y)])


def unstretched(rng: Rng) -> PredictValue:
    """The operand that has every axis is asked for: nothing is summed."""
    rows, columns = rng.sizes(2, high=3)
    w, by_row = rng.pick(["w", "gain", "scale"]), rng.chance()
    y = rng.pick([f"x * {w}", f"{w} * x"])
    lines = [
        filled("x", rng.ints(rows, columns, low=1, high=4)),
        filled(w, rng.ints(rows, 1, low=5, high=8) if by_row else rng.ints(columns, low=5, high=8)),
        upstream(rng, 2, rows, columns),
        rng.pick(LOSSES).format(y=y),
    ]
    wrong = [
        Wrong("summed", f"x.grad.sum({'1, keepdim=True' if by_row else '0'})", "x is not stretched: each of its "
              "numbers is used in one place, so nothing is added up."),
        Wrong("own-values", "g * x", f"The derivative of the product by x is {w}, not x."),
        other_operand(w), ignoring_upstream("x", y),
    ]  # fmt: skip
    return gradient("x", lines, wrong)


@drill(levels=3, arena="0.4", structures=(25, 110, 90))
def broadcast(rng: Rng) -> PredictValue:
    """Gradient of a broadcast operand."""
    share = rng.integer(1, 10)
    match rng.level:
        case 2 if share in (1, 2, 3, 4):
            return outer(rng)
        case 2 if share in (5, 6):
            return unstretched(rng)
        case 3 if share in (1, 2, 3, 4):
            return standardised(rng)
        case 3:
            return stretched(rng, *rng.pick(STRETCHED_3D), "brc")
    return stretched(rng, *rng.pick(STRETCHED_2D), "rc")
