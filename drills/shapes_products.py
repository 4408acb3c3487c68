"""Shapes of matrix products: vectors, matrices, batches of them, and the functions that are choosy about ranks."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from tensordrill.authoring import PredictShape, Rng, drill
from tensordrill.building.shapes import (
    Asked,
    Misread,
    Rule,
    Shape,
    Shaped,
    broadcast_of,
    inserted,
    replaced_at,
    shape_puzzle,
    zeros,
)

MATRIX = 2  # axes
Maker = Callable[..., Asked]


def made(name: str, shape: Shape, axes: Sequence[str] = ()) -> Asked:
    return f"{name} = {zeros(shape, axes)}", Shaped(name, shape)


def both(*tensors: Asked) -> tuple[str, list[Shaped]]:
    """The lines that make the tensors, and the tensors."""
    return "\n".join([line for line, _ in tensors]), [x for _, x in tensors]


def raising(*_: Shape) -> None:
    return None


# --- what a product gives, and what people say


def product_of(x: Shape, y: Shape) -> Shape | None:
    """What `@` gives: a vector gets an axis for the time of the product, and batch axes are broadcast."""
    if not x or not y:
        return None
    one = x if len(x) > 1 else (1, *x)
    other = y if len(y) > 1 else (*y, 1)
    batch = broadcast_of(one[:-2], other[:-2])
    if one[-1] != other[-2] or batch is None:
        return None
    return batch + one[-2:-1] * (len(x) > 1) + other[-1:] * (len(y) > 1)


def about_product(x: Shape, y: Shape) -> Iterator[Misread]:
    right = product_of(x, y)
    if right is None:
        yield from about_no_product(x, y)
        return
    if len(x) == len(y) == 1:
        because = "Two vectors give their dot product: a single number, whose shape is ()."
        yield Misread("taken-for-outer", lambda a, b: (*a, *b), because)
        yield Misread("taken-for-elementwise", lambda a, _: a, because)
        yield Misread("number-has-axis", lambda *_: (1,), because)
    elif len(y) == 1:
        because = "A vector on the right is summed against the last axis: that axis is gone, and none takes its place."
        yield Misread("vector-axis-kept", lambda a, _: (*a[:-1], 1), because)
        yield Misread("taken-for-elementwise", lambda a, _: a, because)
        yield Misread("other-axis-summed", lambda a, _: (*a[:-2], a[-1]), because)
    elif len(x) == 1:
        because = "A vector on the left is summed against the last axis but one, which is gone; the others are left."
        yield Misread("vector-axis-kept", lambda _, b: (*b[:-2], 1, b[-1]), because)
        yield Misread("taken-for-elementwise", lambda _, b: b, because)
        yield Misread("other-axis-summed", lambda _, b: b[:-1], because)
    else:
        because = "The result has the rows of the left and the columns of the right; the axis between them is summed."
        if right[-2] != right[-1]:
            yield Misread("result-transposed", lambda *_: (*right[:-2], right[-1], right[-2]), because)
        if len(x) == len(y) == MATRIX:
            yield Misread("inner-kept", lambda a, b: (*a, b[-1]), because)
        else:
            yield from about_batches(x[:-2], y[:-2], right[:-2])
    because = f"It runs: the two axes that meet both have size {x[-1]}. How many rows and columns there are is free."
    yield Misread("fitting-refused", raising, because)


def about_batches(x: Shape, y: Shape, right: Shape) -> Iterator[Misread]:
    """What people say of the batch axes of two sides that fit."""

    def batch(of: Rule) -> Rule:
        return lambda a, b: (*(of(a[:-2], b[:-2]) or ()), a[-2], b[-1])

    because = (
        "Axes before the last two are a batch. They are broadcast: 1 is stretched, and what is missing counts as 1."
    )
    if x != y:
        yield Misread("batches-must-agree", raising, f"It runs. {because}")
    if x and y:
        yield Misread("all-pairs-of-batches", batch(lambda a, b: (*a, *b)), because)
        if right not in (x, y):
            yield Misread("batch-of-first", batch(lambda a, _: a), because)
            yield Misread("batch-of-last", batch(lambda _, b: b), because)
    else:
        yield Misread("batch-dropped", batch(lambda *_: ()), because)


def about_no_product(x: Shape, y: Shape) -> Iterator[Misread]:
    rows, columns = x[-2:-1] * (len(x) > 1), y[-1:] * (len(y) > 1)
    batch = broadcast_of(x[:-2], y[:-2])
    if batch is None:
        because = "It raises: axes before the last two are a batch, lined up at its last axis, and must be equal or 1."
        for name, found in (
            ("batch-of-first", x[:-2]), ("batch-of-last", y[:-2]), ("all-pairs-of-batches", x[:-2] + y[:-2]),
        ):  # fmt: skip
            yield Misread(name, lambda *_, found=found: (*found, *rows, *columns), because)
        return
    inner = y[-2] if len(y) > 1 else y[0]
    because = (
        f"It raises: the left's last axis, of size {x[-1]}, must be as long as what it is summed against: {inner}."
    )
    yield Misread("inner-unchecked", lambda *_: (*batch, *rows, *columns), because)
    if len(y) > 1 and x[-1] == y[-1]:
        text = because + " @ transposes nothing by itself."
        yield Misread("right-transposed", lambda a, b: product_of(a, (*b[:-2], b[-1], b[-2])), text)
    if len(x) > 1 and x[-2] == inner:
        text = because + " @ transposes nothing by itself."
        yield Misread("left-transposed", lambda a, b: product_of((*a[:-2], a[-1], a[-2]), b), text)
    yield Misread("inner-kept", lambda a, _: (*batch, *rows, a[-1], *columns), because)


def multiplied(x: Shaped, y: Shaped, text: str = "{} @ {}") -> Shaped:
    return x.then(text, product_of, about_product(x.sizes, y.sizes), y)


def transposed(rng: Rng, x: Shaped) -> Shaped:
    """Its matrices, transposed."""
    text = rng.pick(("{}.mT", "{}.mT", "{}.transpose(-1, -2)", "{}.transpose(-2, -1)"))
    because = "That transposes the matrices, which stand in the last two axes; a batch stays in front."
    misread = [Misread("not-transposed", lambda shape: shape, because)]
    if x.rank > MATRIX:
        misread.append(Misread("all-reversed", lambda shape: shape[::-1], because))
    return x.then(text, lambda shape: (*shape[:-2], *shape[:-3:-1]), misread)


def new_axis(x: Shaped, index: str, at: int) -> Shaped:
    because = "None and unsqueeze add an axis of size 1, just where they say."
    misread = (
        [Misread("new-axis-ignored", lambda s: s, because)] if at or x.rank == 1 else []
    )  # in front, a batch gains nothing
    return x.then(f"{{}}{index}", lambda s: inserted(s, at, 1), misread)


# --- products of named tensors

# For each product the axes of both sides; what they share has one name.
PRODUCTS = (
    ("A", "row inner", "B", "inner column"),
    ("x", "batch d_in", "W", "d_in d_out"),
    ("x", "batch seq d_in", "W", "d_in d_out"),
    ("acts", "layer batch neuron", "W_out", "neuron d_model"),
    ("residual", "batch seq d_model", "probe", "d_model"),
    ("residual", "seq d_model", "W_U", "d_model vocab"),
    ("pattern", "head query key", "values", "head key d_head"),
    ("weights", "key", "values", "key d_head"),
    ("counts", "vocab", "W_E", "vocab d_model"),
    ("u", "d_model", "v", "d_model"),
    ("latent", "feature", "W_dec", "feature d_model"),
    ("basis", "d_model direction", "weights", "direction"),
    ("images", "batch channel row column", "filter", "column frequency"),
    ("mixer", "token mixed", "x", "batch mixed channel"),
    ("weights", "token", "x", "batch token channel"),
)


def named(rng: Rng, *, fails: bool) -> Asked:
    """Both sides as they should be; or one of them stored the other way, or the two exchanged."""
    one, left, other, right = rng.pick(PRODUCTS)
    sides = [(one, left.split()), (other, right.split())]
    names = [*dict.fromkeys([axis for _, axes in sides for axis in axes])]
    size = dict(zip(names, rng.sizes(len(names), 2, 8), strict=True))
    able = [axes for _, axes in sides if len(axes) > 1]
    if fails and able and rng.chance(0.6):
        axes = rng.pick(able)
        axes[-2:] = axes[:-3:-1]
    elif fails:
        sides.reverse()
    program, operands = both(*[made(name, tuple([size[axis] for axis in axes]), axes) for name, axes in sides])
    x, y = operands
    return program, multiplied(x, y, rng.pick(("{} @ {}", "{} @ {}", "torch.matmul({}, {})")))


# --- batches, and functions that are choosy


def batches(rng: Rng, sizes: Sequence[int], *, fails: bool) -> tuple[Shape, Shape]:
    """The batch axes of two sides that fit; or of two that do not, some of them as they would at the left."""
    a, b, c = sizes
    if fails:
        return rng.pick((((a,), (b,)), ((a, b), (a,)), ((a,), (a, b)), ((a, b), (b, a)), ((a, b), (c,))))
    return rng.pick(
        (((a,), ()), ((), (a,)), ((a,), (a,)), ((a, 1), (b,)), ((a,), (b, 1)), ((a, 1), (1, b)), ((a, 1, c), (b, 1)))
    )


def batched(rng: Rng, *, fails: bool) -> Asked:
    """Batches of matrices, stored one way or the other; or a batch or a matrix that does not fit."""
    rows, inner, columns, *sizes = rng.sizes(6, 2, 9)
    by_batch = fails and rng.chance()
    one, other = batches(rng, sizes, fails=by_batch)
    wrong = rng.integer(0, 1) if fails and not by_batch else None
    names = rng.pick((("x", "y"), ("A", "B"), ("q", "k"), ("x", "W"), ("left", "right")))
    tensors, turns = [], []
    for i, shape in enumerate(((*one, rows, inner), (*other, inner, columns))):
        turns.append(rng.chance(0.4))
        tensors.append(made(names[i], (*shape[:-2], *shape[:-3:-1]) if turns[i] != (i == wrong) else shape))
    program, operands = both(*tensors)
    x, y = [transposed(rng, x) if turn else x for x, turn in zip(operands, turns, strict=True)]
    return program, multiplied(x, y)


def as_matrix(rng: Rng, *, fails: bool) -> Asked:
    """A vector made a row or a column."""
    n, k, m, batch = rng.sizes(4, 2, 9)
    lead = (batch,) if rng.chance() else ()
    row = rng.pick(("[None]", "[None, :]", ".unsqueeze(0)")), 0
    column = rng.pick(("[:, None]", ".unsqueeze(1)", ".unsqueeze(-1)")), 1
    match rng.integer(0, 2):
        case 0:
            program, (x, v) = both(made("A", (*lead, n, k)), made("v", (k,)))
            return program, multiplied(x, new_axis(v, *(row if fails else column)))
        case 1:
            program, (v, x) = both(made("v", (k,)), made("A", (*lead, k, m)))
            return program, multiplied(new_axis(v, *(column if fails else row)), x)
        case _:
            dot = not fails and rng.chance()  # the product of a row and a column
            program, (u, v) = both(made("u", (n,)), made("v", (n if dot else m,)))
            pairs = [(column, row)] if not fails else [(column, column), (row, row), (row, column)]
            left, right = (row, column) if dot else rng.pick(pairs)
            return program, multiplied(new_axis(u, *left), new_axis(v, *right))


def layer(rng: Rng, *, fails: bool) -> Asked:
    """`nn.Linear`, which works on the last axis."""
    d_in, d_out, *lead = rng.sizes(4, 2, 9)
    shape = (*lead[: rng.integer(1, 2)], d_in)
    if fails:
        shape = (*shape[:-2], d_in, shape[-2])
    because = "A linear layer works on the last axis, which must have in_features; all axes before it stay."
    misread = [
        Misread("features-unchanged", lambda s: s, because),
        Misread("features-added", lambda s: (*s, d_out), because),
        Misread("any-axis", lambda s: tuple([d_out if size == d_in else size for size in s]), f"It raises. {because}")
        if fails
        else Misread("matrices-only", raising, f"It runs. {because}"),
    ]
    line, x = made("x", shape)
    return line, x.then(
        f"nn.Linear({d_in}, {d_out})({{}})", lambda s: (*s[:-1], d_out) if s[-1] == d_in else None, misread
    )


def linear(rng: Rng, *, fails: bool) -> Asked:
    """`F.linear`, whose weight is stored (out, in)."""
    d_in, d_out, *lead = rng.sizes(4, 2, 9)
    weight = (d_in, d_out) if fails else (d_out, d_in)
    program, (x, w) = both(made("x", (*lead[: rng.integer(0, 2)], d_in)), made("W", weight))
    because = "F.linear(x, W) is x @ W.T: the weight is stored (out, in), as nn.Linear keeps it."
    misread = [
        Misread("weight-not-transposed", product_of, because),
        Misread("features-added", lambda a, b: (*a, b[0]), because),
        Misread("other-size-left", lambda a, b: (*a[:-1], b[1]), because),
    ]
    rule = raising if fails else lambda a, b: (*a[:-1], b[0])
    return program, x.then("F.linear({}, {})", rule, misread[: 2 + fails] if x.rank > 1 or fails else misread, w)


def choosy(rng: Rng, *, fails: bool) -> Asked:
    """Functions that take certain ranks only, and broadcast nothing."""
    n, k, m, batch = rng.sizes(4, 2, 9)
    function, takes, fitting, others = rng.pick((
        ("mm", "two matrices", ((n, k), (k, m)), (((batch, n, k), (k, m)), ((n, k), (k,)))),
        ("bmm", "two batches of matrices, equally many", ((batch, n, k), (batch, k, m)),
         (((batch, n, k), (k, m)), ((batch, n, k), (1, k, m)), ((n, k), (batch, k, m)))),
        ("mv", "a matrix and then a vector", ((n, k), (k,)), (((batch, n, k), (k,)), ((k,), (k, m)))),
        ("dot", "two vectors", ((k,), (k,)), (((n, k), (k,)), ((k,), (k, m)), ((batch, n, k), (k, m)))),
    ))  # fmt: skip
    program, (x, y) = both(*map(made, "ab", rng.pick(others) if fails else fitting))
    misread = [*about_product(x.sizes, y.sizes)]
    if fails:
        because = f"It raises: {function} takes {takes}, and broadcasts nothing."
        own = [it._replace(because=because) for it in misread if it.rule is not raising]
        misread = [Misread("taken-for-matmul", product_of, because), *own]
    return program, x.then(f"torch.{function}({{}}, {{}})", raising if fails else product_of, misread, y)


def paired(rng: Rng, *, fails: bool) -> Asked:
    """outer, of two vectors, and inner, over the last axis of both."""
    n, k, m = rng.sizes(3, 2, 9)
    if rng.chance():
        program, (x, y) = both(made("a", (n, k) if fails else (n,)), made("b", (m,)))
        because = "outer takes two vectors, of any lengths, and pairs every entry with every entry."
        misread = [
            Misread("lengths-must-agree", product_of, because),
            Misread("taken-for-inner", lambda *_: (), because),
            Misread("other-way-round", lambda a, b: (*b, *a), because),
            Misread("any-rank-paired", lambda a, b: (*a, *b), because),
        ]
        return program, x.then(
            "torch.outer({}, {})", raising if fails else lambda a, b: (*a, *b), misread[2 * fails : 3 + fails], y
        )
    program, (x, y) = both(made("a", (n, k)), made("b", (k, m) if fails else (m, k)))
    because = "inner sums over the last axis of both, which must be equally long: for matrices it is a @ b.mT."
    misread = [
        Misread("taken-for-matmul", product_of, because),
        Misread("rows-paired-up", lambda a, _: a[:-1], because),
        Misread("taken-for-number", lambda *_: (), because),
    ]
    return program, x.then("torch.inner({}, {})", raising if fails else lambda a, b: (a[0], b[0]), misread, y)


# --- products in models


def let(program: str, name: str, x: Shaped) -> tuple[str, Shaped]:
    """A line more, and its variable."""
    return f"{program}\n{name} = {x.text}", x.called(name)


def threefold(rng: Rng, *, fails: bool) -> Asked:
    """Three factors, of which the last may be a vector, one or two may be batches, and each may be stored turned."""
    a, b, c, d, p, q = rng.sizes(6, 2, 8)
    shapes: list[Shape] = [(a, b), (b, c), rng.pick(((c, d), (c, d), (c,)))]
    for at, batch in rng.pick((((0, (p,)),), ((1, (p,)),), ((0, (p, 1)), (1, (q,))), ((0, (p,)), (1, (q, 1))), ())):
        shapes[at] = (*batch, *shapes[at])
    wrong = rng.integer(0, 1 + (len(shapes[2]) > 1)) if fails else None
    tensors, turns = [], []
    for i, shape in enumerate(shapes):
        turns.append(len(shape) > 1 and rng.chance(0.35))
        tensors.append(made("ABC"[i], (*shape[:-2], *shape[:-3:-1]) if turns[i] != (i == wrong) else shape))
    program, factors = both(*tensors)
    x, y, z = [transposed(rng, x) if turn else x for x, turn in zip(factors, turns, strict=True)]
    if right := len(shapes[2]) > 1 and rng.chance():
        inner, lines = multiplied(y, z), slice(1, 3)
    else:
        inner, lines = multiplied(x, y), slice(0, 2)
    if inner.shape is None:
        return "\n".join(program.split("\n")[lines]), inner
    program, inner = let(program, "y", inner)
    return program, multiplied(x, inner) if right else multiplied(inner, z)


def attention(rng: Rng, *, fails: bool) -> Asked:
    """Scores of queries and keys, and the values that they weigh; keys and values perhaps shared by the heads."""
    batch, head, group, query, key, d_head, d_value = rng.sizes(7, 2, 9)
    fault = rng.pick(("turned", "turned", "heads", "values")) if fails else ""
    heads = group if fault == "heads" else rng.pick((head, 1))
    value = rng.pick((d_head, d_value))
    program, (q, k, v) = both(
        made("q", (batch, head, query, d_head)),
        made("k", (batch, heads, key, d_head)),
        made("v", (batch, key, heads, value) if fault == "values" else (batch, heads, key, value)),
    )
    turned = k
    if fault != "turned":
        turned = transposed(rng, k)
    elif rng.chance():
        because = "transpose(1, 2) exchanges the heads and the keys; the last two axes are the matrices."
        misread = [Misread("last-two-transposed", lambda s: (*s[:-2], *s[:-3:-1]), because)]
        turned = k.then("{}.transpose(1, 2)", lambda s: (s[0], s[2], s[1], s[3]), misread)
    scores = multiplied(q, turned)
    if scores.shape is None:
        return program.rpartition("\n")[0], scores
    program, scores = let(program, "scores", scores)
    return program, multiplied(scores.called(rng.pick(("scores.softmax(-1)", "scores.softmax(dim=-1)"))), v)


def by_example(rng: Rng, *, fails: bool) -> Asked:
    """A matrix for each vector of a batch: the vector must become a matrix too."""
    batch, d_in, d_out = rng.sizes(3, 2, 9)
    program, (x, w) = both(made("x", (batch, d_in)), made("W", (batch, d_in, d_out)))
    because = "Without a new axis x is one matrix, and every matrix of the batch is multiplied by all of it."
    own = Misread("by-example", lambda *_: (batch, d_out), because)
    row, column = rng.pick(("[:, None]", "[:, None, :]", ".unsqueeze(1)")), rng.pick(("[..., None]", ".unsqueeze(-1)"))
    if fails:
        if rng.chance():
            return program, multiplied(new_axis(x, column, 2), w)
        return program, multiplied(w, new_axis(x, column, 2))
    kind = rng.integer(0, 3)
    if kind == 0:
        return program, x.then("{} @ {}", product_of, [own, *about_product(x.sizes, w.sizes)], w)
    if kind == 1:
        return program, multiplied(transposed(rng, w), new_axis(x, column, 2))
    program, y = let(program, "y", multiplied(new_axis(x, row, 1), w))
    if kind == 2:  # noqa: PLR2004 -- the third way
        kept = Misread("one-kept", lambda s: s, "That axis has size 1, and is taken away.")
        text = rng.pick(("{}.squeeze(1)", "{}.squeeze(-2)"))
        return program, y.then(text, lambda s: replaced_at(s, 1) if s[1] == 1 else s, [kept])
    return program, multiplied(y, transposed(rng, w))


def by_head(rng: Rng, *, fails: bool) -> Asked:
    """A matrix for each head, for a batch of sequences; then perhaps the heads side by side."""
    batch, seq, head, d_model, d_head = rng.sizes(5, 2, 9)
    program, (x, w) = both(made("x", (batch, seq, d_model)), made("W", (head, d_model, d_head)))
    if fails:
        index, at = rng.pick((("", 0), ("[None]", 0), ("[:, :, None]", 2), ("[..., None]", 3)))
        return program, multiplied(new_axis(x, index, at) if index else x, w)
    if rng.chance():
        z = multiplied(new_axis(x, rng.pick(("[:, None]", ".unsqueeze(1)", "[:, None, :, :]")), 1), w)
        text, order = "{}.transpose(1, 2).flatten(2)", (0, 2, 1, 3)
    else:
        z = multiplied(x, new_axis(w, rng.pick(("[:, None]", ".unsqueeze(1)", ".unsqueeze(-3)")), 1))
        text, order = "{}.movedim(0, 2).flatten(2)", (1, 2, 0, 3)
    if rng.chance(0.3):
        return program, z

    def merged(shape: Shape) -> Shape:
        b, s, h, d = [shape[i] for i in order]
        return (b, s, h * d)

    because = "flatten(2) merges the axes from 2 on, in the order that they have then; sizes are multiplied."
    misread = [
        Misread("sizes-added", lambda s: (batch, seq, s[order[2]] + s[order[3]]), because),
        Misread("not-moved", lambda s: (*s[:2], s[2] * s[3]), "The heads are moved first, so that they come third."),
    ]
    program, z = let(program, "z", z)
    return program, z.then(text, merged, misread)


def circuits(rng: Rng, *, fails: bool) -> Asked:
    """Products of the weights of heads, for each head or each pair; and what they make of an embedding."""
    d_model, d_head, head, vocab = rng.sizes(4, 2, 9)
    into = (head, d_model, d_head)
    if rng.chance():
        program, (q, k) = both(made("W_Q", into), made("W_K", into))
        if fails and rng.chance():
            return program, multiplied(q, k)
        name, circuit = "QK", multiplied(q, transposed(rng, k))
    else:
        program, (v, o) = both(made("W_V", into), made("W_O", (head, d_head, d_model)))
        name, circuit = "OV", multiplied(v, o)
    if not fails and rng.chance(0.3):
        program, circuit = let(program, name, circuit)
        return program, multiplied(new_axis(circuit, "[:, None]", 1), new_axis(circuit, "[None]", 0))
    line, e = made(rng.pick(("W_E", "embed")), (vocab, d_model))
    program, circuit = let(f"{program}\n{line}", name, circuit)
    if fails:
        return program, multiplied(circuit, e) if rng.chance() else multiplied(transposed(rng, e), circuit)
    y = multiplied(e, circuit)
    if rng.chance():
        return program, y
    program, y = let(program, "full", y)
    return program, multiplied(y, transposed(rng, e))


MAKERS: dict[int, Sequence[Maker]] = {
    1: (named,),
    2: (batched, batched, batched, batched, as_matrix, as_matrix, layer, linear, choosy, paired),
    3: (threefold, threefold, threefold, attention, attention, by_example, by_head, circuits),
}


@drill(after=["shapes.broadcast"], levels=3, arena="0.0", structures=(45, 100, 200))
def matmul(rng: Rng) -> PredictShape:
    """Vectors, matrices and batches multiplied, or an error."""
    fails = rng.chance(0.38)
    return shape_puzzle(
        rng,
        partial(rng.pick(MAKERS[rng.level]), fails=fails),
        fails=fails,
        hints=[
            (
                "Write both shapes down and mark the two sizes that meet: the last of the left, and the last but one "
                "of the right, or its only one."
            ),
            (
                "These two must be equal, and are gone. What stands before the last two axes is a batch: line it up at "
                "its own last axis, and broadcast it."
            ),
        ],
        why="`a @ b` sums the last axis of a against the last but one of b. A vector on the left becomes a row for the "
        "time of the product, one on the right a column, and that axis is gone again. Axes before the last two are a "
        "batch and are broadcast. `mm`, `bmm`, `mv` and `dot` broadcast nothing; `F.linear(x, W)` is `x @ W.T`.",
    )
