"""Autograd by hand: the backward pass of an operation, and of a few in a row."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tensordrill.authoring import Edit, Rng, WriteCode, drill
from tensordrill.building.backward import (
    ALONG,
    BACKWARD_MISTAKES,
    ENTRYWISE,
    NESTED,
    NORMALISING,
    REDUCTIONS,
    Derivative,
    along_axis,
    fill,
    stretched,
    summed_back,
)

FORBIDDEN = ("autograd", "func", "backward", "requires_grad", "requires_grad_", "enable_grad")
# Hidden: both signs, small and large sizes, no zeros, no ties. So no kink is hit, and both sides of it are.
DRAWN = """\
def _drawn(*shape):
    count = math.prod(shape)
    sizes = 0.2 + 2 * (torch.randperm(count) + torch.rand(count)) / count
    return (sizes * (1 - 2 * (torch.randperm(count) % 2))).reshape(shape)

def _picked(below, *shape):
    indices = torch.randint(below, shape)
    indices[..., -1] = indices[..., 0]  # one is there twice
    return indices

def _listed(found, count):
    return (list(found) if isinstance(found, (tuple, list)) else [found]) + [None] * count
"""
BECAUSE = BACKWARD_MISTAKES | {
    "inverse-not-taken": "The gradient goes back by the inverse permutation; you used the forward one again.",
    "reshaped": "The shape is right, the order is not: to permute axes is not to reshape.",
    "tiled": "repeat lays whole copies one after the other, repeat_interleave copies each entry where it stands.",
    "mask-inverted": "The upstream gradient goes to the entries that were kept, not to the others.",
    "wrong-side": "The entries that were dropped stand on the other side.",
    "shape-lost": "A gradient has the shape of its input; entries that were not used have gradient 0.",
    "axes-swapped": "Two axes of that gradient stand in another order than those of its input.",
}
SCENES = (
    "batch d_model", "token latent", "row column", "seq vocab", "batch seq d_model", "batch head d_head",
    "image row column", "batch token latent",
)  # fmt: skip
FIRST_ONLY = (  # on numbers that are not near 0, or of known size
    Derivative("1 / {x}", "-{g} / {x} ** 2", {"sign": "{g} / {x} ** 2", "wrong-point": "-{g} / {y} ** 2"}),
    Derivative("{x}.abs().log()", "{g} / {x}", {"wrong-point": "{g} / {y}"}),
    Derivative("{x}.abs().sqrt()", "{g} * {x}.sign() / (2 * {y})",
               {"inner-forgotten": "{g} / (2 * {y})", "factor-lost": "{g} * {x}.sign() / {y}"}),
    Derivative("{x}.clamp(-1.2, 1.2)", "{g} * ({x}.abs() < 1.2)",
               {"passed-through": "{g}", "values-for-slope": "{g} * {y}"}),
    Derivative("{x} ** 4", "{g} * 4 * {x} ** 3", {"power-kept": "{g} * 4 * {x} ** 4", "factor-lost": "{g} * {x} ** 3"}),
)  # fmt: skip


@dataclass(frozen=True)
class Start:
    """An operation on the inputs. Wrong gradients come as `(id, input, gradient)`.

    `shapes` holds axes, 1 for an axis of size 1. `made` is how the set-up makes an input that holds no drawn numbers.
    """

    forward: str
    shapes: Mapping[str, str]
    gradients: Mapping[str, str]
    wrong: Sequence[tuple[str, str, str]]
    made: Mapping[str, str] = field(default_factory=dict)


MATMULS = (
    Start("x @ w", {"x": "batch d_in", "w": "d_in d_out"}, {"x": "{g} @ w.T", "w": "x.T @ {g}"},
          [("transposed", "x", "{g} @ w"), ("order", "w", "{g}.T @ x")]),
    Start("x @ w.T", {"x": "batch d_in", "w": "d_out d_in"}, {"x": "{g} @ w", "w": "{g}.T @ x"},
          [("transposed", "x", "{g} @ w.T"), ("order", "w", "x.T @ {g}")]),
    Start("x.T @ y", {"x": "batch d_x", "y": "batch d_y"}, {"x": "y @ {g}.T", "y": "x @ {g}"},
          [("transposed", "x", "y @ {g}"), ("order", "y", "{g} @ x")]),
    Start("u[:, None] * v", {"u": "row", "v": "column"}, {"u": "{g} @ v", "v": "u @ {g}"},
          [("transposed", "u", "{g}.T @ v"), ("order", "v", "{g} @ u")]),
)  # fmt: skip
VECTORS = (
    Start("x @ v", {"x": "batch d_in", "v": "d_in"}, {"x": "{g}[:, None] * v", "v": "x.T @ {g}"},
          [("axis-not-restored", "x", "{g} * v"), ("transposed", "v", "x @ {g}")]),
    Start("v @ x", {"v": "row", "x": "row column"}, {"v": "x @ {g}", "x": "v[:, None] * {g}"},
          [("axis-not-restored", "x", "v * {g}"), ("transposed", "v", "x.T @ {g}")]),
)  # fmt: skip
BATCHED = (
    Start("x @ w", {"x": "batch seq d_in", "w": "d_in d_out"}, {"x": "{g} @ w.T", "w": "(x.mT @ {g}).sum(0)"},
          [("transposed", "x", "{g} @ w"), ("not-summed", "w", "x.mT @ {g}"),
           ("order", "w", "({g}.mT @ x).sum(0)"), ("averaged", "w", "(x.mT @ {g}).mean(0)")]),
    Start("x @ w.T", {"x": "batch seq d_in", "w": "d_out d_in"}, {"x": "{g} @ w", "w": "({g}.mT @ x).sum(0)"},
          [("transposed", "x", "{g} @ w.T"), ("not-summed", "w", "{g}.mT @ x"),
           ("order", "w", "(x.mT @ {g}).sum(0)")]),
    Start("x @ w", {"x": "seq d_model", "w": "head d_model d_head"}, {"x": "({g} @ w.mT).sum(0)", "w": "x.T @ {g}"},
          [("transposed", "x", "({g} @ w).sum(0)"), ("not-summed", "x", "{g} @ w.mT"), ("order", "w", "{g}.mT @ x")]),
    Start("q @ k.mT", {"q": "batch query d", "k": "batch key d"}, {"q": "{g} @ k", "k": "{g}.mT @ q"},
          [("transposed", "q", "{g}.mT @ k"), ("order", "k", "q.mT @ {g}")]),
    Start("p @ v", {"p": "batch query key", "v": "batch key d"}, {"p": "{g} @ v.mT", "v": "p.mT @ {g}"},
          [("transposed", "p", "{g} @ v"), ("transposed", "v", "p @ {g}")]),
)  # fmt: skip
EINSUMS = (  # equations whose gradients are einsums of the same labels
    ("bqd,bkd->bqk", "q k", "batch query d", "batch key d"),
    ("bqd,bkd->bkq", "q k", "batch query d", "batch key d"),
    ("qhd,khd->hqk", "q k", "query head d", "key head d"),
    ("hqk,khd->qhd", "p v", "head query key", "key head d"),
    ("sd,hde->she", "x w", "seq d_model", "head d_model d_head"),
    ("she,hed->sd", "z w", "seq head d_head", "head d_head d_model"),
    ("bi,bj->ij", "x y", "batch d_x", "batch d_y"),
    ("ni,io->on", "x w", "batch d_in", "d_in d_out"),
    ("bi,bi->b", "x y", "batch d", "batch d"),
)
MOVES = (  # entries are moved, copied or dropped
    Start("x[idx]", {"x": "vocab d_model", "idx": "batch"}, {"x": "torch.zeros_like(x).index_add(0, idx, {g})"},
          [("repeats-overwritten", "x", "torch.zeros_like(x).index_copy(0, idx, {g})"),
           ("forward-again", "x", "{g}[idx]")],
          {"idx": "_picked(vocab, batch)"}),
    Start("x[:, idx]", {"x": "batch latent", "idx": "chosen"}, {"x": "torch.zeros_like(x).index_add(1, idx, {g})"},
          [("repeats-overwritten", "x", "torch.zeros_like(x).index_copy(1, idx, {g})"),
           ("forward-again", "x", "{g}[:, idx]")],
          {"idx": "_picked(latent, chosen)"}),
    Start("x.gather(1, idx)", {"x": "batch vocab", "idx": "batch chosen"},
          {"x": "torch.zeros_like(x).scatter_add(1, idx, {g})"},
          [("repeats-overwritten", "x", "torch.zeros_like(x).scatter(1, idx, {g})"),
           ("forward-again", "x", "{g}.gather(1, idx)")],
          {"idx": "_picked(vocab, batch, chosen)"}),
    Start("x.roll(1, 0)", {"x": "row column"}, {"x": "{g}.roll(-1, 0)"},
          [("forward-again", "x", "{g}.roll(1, 0)"), ("wrong-axis", "x", "{g}.roll(-1, 1)")]),
    Start("x.tril()", {"x": "query key"}, {"x": "{g}.tril()"},
          [("passed-through", "x", "{g}"), ("mask-inverted", "x", "{g}.triu()")]),
    Start("x.masked_fill(mask, 0)", {"x": "batch seq", "mask": "batch seq"}, {"x": "{g}.masked_fill(mask, 0)"},
          [("passed-through", "x", "{g}"), ("mask-inverted", "x", "{g}.masked_fill(~mask, 0)")],
          {"mask": "_drawn(batch, seq) > 0"}),
    Start("torch.where(mask, x, y)", {"mask": "batch seq", "x": "batch seq", "y": "batch seq"},
          {"x": "{g} * mask", "y": "{g} * ~mask"},
          [("passed-through", "x", "{g}"), ("mask-inverted", "x", "{g} * ~mask")], {"mask": "_drawn(batch, seq) > 0"}),
    Start("torch.cat([x, y], 1)", {"x": "batch d_x", "y": "batch d_y"},
          {"x": "{g}[:, : x.shape[1]]", "y": "{g}[:, x.shape[1] :]"},
          [("swapped", "x", "{g}[:, y.shape[1] :]"), ("wrong-axis", "y", "{g}[x.shape[0] :]")]),
    Start("torch.stack([x, y], 1)", {"x": "batch d", "y": "batch d"}, {"x": "{g}[:, 0]", "y": "{g}[:, 1]"},
          [("swapped", "x", "{g}[:, 1]"), ("wrong-axis", "x", "{g}[0]")]),
    Start("x.diagonal()", {"x": "size size"}, {"x": "torch.diag({g})"}, [("spread", "x", "{g}.expand_as(x)")]),
)  # fmt: skip
FAR_MOVES = (
    Start("x[idx]", {"x": "vocab d_model", "idx": "batch seq"},
          {"x": "torch.zeros_like(x).index_add(0, idx.flatten(), {g}.flatten(0, 1))"},
          [("repeats-overwritten", "x", "torch.zeros_like(x).index_copy(0, idx.flatten(), {g}.flatten(0, 1))")],
          {"idx": "_picked(vocab, batch, seq)"}),
    Start("x[:, 1:]", {"x": "batch seq d"}, {"x": "F.pad({g}, (0, 0, 1, 0))"},
          [("wrong-side", "x", "F.pad({g}, (0, 0, 0, 1))"), ("shape-lost", "x", "{g}")]),
    Start("x[:, 1:] - x[:, :-1]", {"x": "batch seq"}, {"x": "F.pad({g}, (1, 0)) - F.pad({g}, (0, 1))"},
          [("one-use", "x", "F.pad({g}, (1, 0))"), ("sign", "x", "F.pad({g}, (0, 1)) - F.pad({g}, (1, 0))")]),
    Start("x.repeat_interleave(3, 0)", {"x": "kv_head d"}, {"x": "{g}.unflatten(0, (-1, 3)).sum(1)"},
          [("tiled", "x", "{g}.unflatten(0, (3, -1)).sum(0)"), ("averaged", "x", "{g}.unflatten(0, (-1, 3)).mean(1)")]),
    Start("x.repeat(3, 1)", {"x": "row column"}, {"x": "{g}.unflatten(0, (3, -1)).sum(0)"},
          [("tiled", "x", "{g}.unflatten(0, (-1, 3)).sum(1)"), ("averaged", "x", "{g}.unflatten(0, (3, -1)).mean(0)")]),
    Start("x[:, None].expand(-1, 4, -1)", {"x": "batch d"}, {"x": "{g}.sum(1)"},
          [("not-summed", "x", "{g}[:, 0]"), ("wrong-axis", "x", "{g}.sum(0)"), ("averaged", "x", "{g}.mean(1)")]),
    Start("x.mT.flatten(1)", {"x": "batch row column"}, {"x": "{g}.unflatten(1, (x.shape[2], x.shape[1])).mT"},
          [("reshaped", "x", "{g}.reshape(x.shape)")]),
    Start("x.transpose(0, 1).flatten(1)", {"x": "head seq d_head"},
          {"x": "{g}.unflatten(1, (x.shape[0], x.shape[2])).transpose(0, 1)"},
          [("reshaped", "x", "{g}.reshape(x.shape)")]),
)  # fmt: skip
# The gradients of a and b before their sums, and wrong ones of b.
ELEMENTWISE: Sequence[tuple[str, str, str, Mapping[str, str]]] = (
    ("{a} + {b}", "{g}", "{g}", {}),
    ("{a} - {b}", "{g}", "-{g}", {"sign": "{g}"}),
    ("{a} * {b}", "{g} * {b}", "{g} * {a}", {"own-operand": "{g} * {b}"}),
    ("{a} / {b}", "{g} / {b}", "-{g} * {a} / {b} ** 2",
     {"sign": "{g} * {a} / {b} ** 2", "square-lost": "-{g} * {a} / {b}"}),
    ("torch.maximum({a}, {b})", "{g} * ({a} > {b})", "{g} * ({b} > {a})",
     {"passed-through": "{g}", "values-for-slope": "{g} * {y}", "swapped": "{g} * ({a} > {b})"}),
    ("torch.hypot({a}, {b})", "{g} * {a} / {y}", "{g} * {b} / {y}",
     {"own-operand": "{g} * {a} / {y}", "inner-forgotten": "{g} / (2 * {y})"}),
    ("{a}.abs() ** {b}", "{g} * {b} * {y} / {a}", "{g} * {y} * {a}.abs().log()", {"log-lost": "{g} * {y}"}),
    ("{a} * {b} ** 2", "{g} * {b} ** 2", "{g} * 2 * {a} * {b}",
     {"inner-forgotten": "{g} * {a}", "power-kept": "{g} * 2 * {a} * {b} ** 2"}),
    ("{a} * {b}.exp()", "{g} * {b}.exp()", "{g} * {y}", {"own-operand": "{g} * {b}.exp()", "wrong-point": "{g} * {b}"}),
    ("{a} * {b}.sigmoid()", "{g} * {b}.sigmoid()", "{g} * {y} * (1 - {b}.sigmoid())",
     {"inner-forgotten": "{g} * {a}", "own-operand": "{g} * {b} * {b}.sigmoid() * (1 - {b}.sigmoid())"}),
)  # fmt: skip
# Its sign may be that of one operand, which may be a single number, or always +.
ONE_SIDED = re.compile(r"maximum|hypot|abs|\*\* 2|exp|sigmoid")
# x and y have every axis; the others are stretched.
WITH_PARAMETERS = (
    ("x * w + b", {"x": "{g} * w", "w": "{g} * x", "b": "{g}"}, [("own-operand", "w", "{g} * w")]),
    ("(x - m) * s", {"x": "{g} * s", "m": "-{g} * s", "s": "{g} * (x - m)"},
     [("sign", "m", "{g} * s"), ("factor-lost", "m", "-{g}"), ("operand-incomplete", "s", "{g} * x")]),
    ("(x - m) / s", {"x": "{g} / s", "m": "-{g} / s", "s": "-{g} * {y} / s"},
     [("sign", "s", "{g} * {y} / s"), ("factor-lost", "m", "-{g}"), ("square-lost", "s", "-{g} * {y}")]),
    ("x + t * (y - x)", {"x": "{g} * (1 - t)", "y": "{g} * t", "t": "{g} * (y - x)"},
     [("one-use", "x", "{g}"), ("operand-incomplete", "t", "{g} * y")]),
    ("x * w - y * v", {"x": "{g} * w", "w": "{g} * x", "y": "-{g} * v", "v": "-{g} * y"},
     [("sign", "v", "{g} * y"), ("own-operand", "w", "{g} * w")]),
)  # fmt: skip


def elementwise(rng: Rng, full: Sequence[str], *, same: bool = False) -> Start:
    """Two operands with all these axes, or one of them, or both, stretched to them."""
    forward, one, other, wrong = rng.pick(ELEMENTWISE[1:] if same else ELEMENTWISE)
    a, b = rng.pick([("x", "w"), ("x", "y"), ("p", "q"), ("x", "scale"), ("u", "v")])
    own = {a: list(full), b: list(full)}
    if not same:
        first, second = rng.shuffled([a, b])
        own[first] = stretched(rng, full)
        kept = [i for i, axis in enumerate(own[first], len(full) - len(own[first])) if axis != "1"]
        if kept and rng.chance(0.4):  # where one is not stretched, the other can be
            own[second][rng.pick(kept)] = "1"
    slips = [(name, b, fill(text, a=a, b=b)) for name, text in wrong.items()]
    gradients = {a: fill(one, a=a, b=b), b: fill(other, a=a, b=b)}
    return summed(Start(fill(forward, a=a, b=b), {}, gradients, slips), full, own)


def with_parameters(rng: Rng, full: Sequence[str]) -> Start:
    forward, gradients, slips = rng.pick(WITH_PARAMETERS)
    own = {name: list(full) if name in "xy" else stretched(rng, full) for name in gradients}
    return summed(Start(forward, {}, gradients, slips), full, own)


def summed(start: Start, full: Sequence[str], own: Mapping[str, Sequence[str]]) -> Start:
    """The operation on operands of these axes, each gradient summed back to its own."""
    gradients, wrong = dict[str, str](), list[tuple[str, str, str]]()
    for name, gradient in start.gradients.items():
        gradients[name], sums = summed_back(gradient, full, own[name])
        wrong += [(turn, name, text) for turn, text in sums.items()]
    wrong += [(turn, name, summed_back(text, full, own[name])[0]) for turn, name, text in start.wrong]
    return Start(start.forward, {name: " ".join(axes) for name, axes in own.items()}, gradients, wrong)


def einsum(rng: Rng) -> Start:
    equation, names, *axes = rng.pick(EINSUMS)
    (a, b), (left, right, out) = names.split(), re.findall(r"\w+", equation)
    by_a = f'torch.einsum("{out},{right}->%s", {{g}}, {b})'
    by_b = f'torch.einsum("{left},{out}->%s", {a}, {{g}})'
    turned = {side: f"{side[:-2]}{side[-1]}{side[-2]}" for side in (left, right)}
    return Start(
        f'torch.einsum("{equation}", {a}, {b})', {a: axes[0], b: axes[1]}, {a: by_a % left, b: by_b % right},
        [("axes-swapped", *((a, by_a % turned[left]) if rng.chance() else (b, by_b % turned[right])))],
    )  # fmt: skip


def permuted(rng: Rng) -> Start:
    """An order of axes that is not its own inverse."""
    names = rng.pick(
        ["batch seq d_model", "image row column", "batch head query key", "batch channel row column"]
    ).split()
    three, four = (
        [(1, 2, 0), (2, 0, 1)],
        [(0, 2, 3, 1), (0, 3, 1, 2), (3, 0, 1, 2), (2, 0, 1, 3), (1, 2, 3, 0), (1, 3, 0, 2)],
    )
    order: Sequence[int] = rng.pick(three if len(names) == len(three[0]) else four)
    if rng.chance(0.6):
        inverse = tuple([order.index(i) for i in range(len(order))])
        forward, back, again = f"x.permute{order}", f"{{g}}.permute{inverse}", f"{{g}}.permute{order}"
    else:
        moved = [names[i] for i in order]
        twice = [moved[i] for i in order]
        forward, back, again = (
            f'rearrange({tensor}, "{" ".join(old)} -> {" ".join(new)}")'
            for tensor, old, new in (("x", names, moved), ("{g}", moved, names), ("{g}", moved, twice))
        )
    wrong = [("inverse-not-taken", "x", again), ("reshaped", "x", "{g}.reshape(x.shape)")]
    return Start(forward, {"x": " ".join(names)}, {"x": back}, wrong)


def started(step: Derivative, axes: str) -> Start:
    """The step as the first one, on x."""
    wrong = [(name, "x", fill(text, x="x")) for name, text in step.wrong.items()]
    return Start(fill(step.forward, x="x"), {"x": axes}, {"x": fill(step.backward, x="x")}, wrong)


@dataclass(frozen=True)
class Pass:
    """A forward pass as named lines, the last of which is `out`, and its backward pass as such lines."""

    shapes: Mapping[str, str]
    forward: Mapping[str, str]
    backward: Mapping[str, str]
    wrong: Sequence[tuple[str, str, str]]
    made: Mapping[str, str] = field(default_factory=dict)


def chained(start: Start, steps: Sequence[Derivative] = ()) -> Pass:
    """One operation after the other."""
    names = [*"ha"[: len(steps)], "out"]
    above = [f"grad_{name}" for name in names]
    forward, backward, wrong = {names[0]: start.forward}, dict[str, str](), list[tuple[str, str, str]]()
    for i in reversed(range(len(steps))):
        x, y, g = names[i], names[i + 1], above[i + 1]
        backward[above[i]] = fill(steps[i].backward, x=x, y=y, g=g)
        wrong += [(turn, above[i], fill(text, x=x, y=y, g=g)) for turn, text in steps[i].wrong.items()]
    forward |= {names[i + 1]: fill(step.forward, x=names[i]) for i, step in enumerate(steps)}
    backward |= {f"grad_{name}": fill(text, y=names[0], g=above[0]) for name, text in start.gradients.items()}
    wrong += [(turn, f"grad_{name}", fill(text, y=names[0], g=above[0])) for turn, name, text in start.wrong]
    return Pass(start.shapes, forward, backward, wrong, start.made)


def forked(rng: Rng) -> Pass:
    """A layer's output joins something else: its own input, another layer, or values that it weights."""
    step = rng.pick([*ENTRYWISE, *NESTED])
    kind = rng.pick(["residual", "gated", "attention"])
    wrong: list[tuple[str, str, str]]
    if kind == "attention":
        if rng.chance(0.4):
            wrong_steps = {name: fill(text, d=-1, e=-2) for name, text in NORMALISING[0].wrong.items()}
            step = Derivative(fill(NORMALISING[0].forward, d=-1), fill(NORMALISING[0].backward, d=-1), wrong_steps)
        shapes = {"q": "batch query d", "k": "batch key d", "v": "batch key d"}
        inner, out, first = "q @ k.mT", "a @ v", {"grad_a": "grad_out @ v.mT"}
        last = {"grad_q": "grad_h @ k", "grad_k": "grad_h.mT @ q", "grad_v": "a.mT @ grad_out"}
        wrong = [("transposed", "grad_v", "a @ grad_out"), ("order", "grad_k", "q.mT @ grad_h")]
    elif kind == "gated":
        shapes = {"x": "batch d_in", "w": "d_in d_out", "v": "d_in d_out"}
        inner, out, first = "x @ w", "a * (x @ v)", {"grad_a": "grad_out * (x @ v)"}
        last = {"grad_x": "grad_h @ w.T + (grad_out * a) @ v.T", "grad_w": "x.T @ grad_h",
                "grad_v": "x.T @ (grad_out * a)"}  # fmt: skip
        wrong = [("one-use", "grad_x", "grad_h @ w.T"), ("own-operand", "grad_a", "grad_out * a"),
                 ("order", "grad_w", "grad_h.T @ x")]  # fmt: skip
    else:
        shapes = {"x": "batch d_model", "w": "d_model d_model"}
        inner, out, first = "x @ w", "x + a", {}
        last = {"grad_x": "grad_out + grad_h @ w.T", "grad_w": "x.T @ grad_h"}
        wrong = [("one-use", "grad_x", "grad_h @ w.T"), ("transposed", "grad_x", "grad_out + grad_h @ w"),
                 ("order", "grad_w", "grad_h.T @ x")]  # fmt: skip
    names = {"x": "h", "y": "a", "g": "grad_a" if first else "grad_out"}
    known = {name for name, _, _ in wrong}
    wrong += [(name, "grad_h", fill(text, **names)) for name, text in step.wrong.items() if name not in known]
    forward = {"h": inner, "a": fill(step.forward, x="h"), "out": out}
    return Pass(shapes, forward, first | {"grad_h": fill(step.backward, **names)} | last, wrong)


def written_out(text: str, forward: Mapping[str, str], known: Sequence[str]) -> str:
    """The expression without the intermediate results that are not known."""
    for name in reversed([name for name in forward if name not in (*known, "out")]):
        text = re.sub(rf"\b{name}\b", f"({forward[name]})", text)
    return text


def needed(it: Pass) -> list[str]:
    """The intermediate results that the backward lines use, and those that these are made of."""
    found: list[str] = []
    used = " ".join(it.backward.values())
    for name, text in reversed(list(it.forward.items())):
        if name != "out" and re.search(rf"\b{name}\b", used):
            found.insert(0, name)
            used += " " + text
    return found


def observed(wanted: Sequence[str], arguments: str) -> dict[str, str]:
    """Each gradient by itself, so that the feedback can name it."""
    found = {f"the gradient of {name}": f"_found[{i}]" for i, name in enumerate(wanted)}
    found[f"the gradient of {wanted[0]}"] = f"(_found := _listed(backward({arguments}), {len(wanted)}))[0]"
    return found | {
        "the number of gradients": f"len(_found) - {len(wanted)}",
        "the arguments afterwards": f"[{arguments}]",
    }


def described(axes: Sequence[str], made: str) -> str:
    kind = ", whole numbers" if made.startswith("_picked") else ", booleans" if made else ""
    return f"({', '.join(axes)}{',' * (len(axes) == 1)}){kind}"


GUIDE = (
    "Each number of an input gets the sum over its uses of upstream times local: `grad_out` where it was used, times "
    "the derivative of that entry of `out` by it. A gradient has the shape of its input.\n\n"
)
WHY = (
    "A backward pass multiplies the upstream gradient by the local derivative and adds up over all uses of a number "
    "(a vector-Jacobian product): over the axes along which an operand was stretched, over the places where an index "
    "took an entry, over the outputs of a softmax. What only moves entries is moved back, a permutation by its "
    "inverse. For Y = A @ B it is G @ B.T and A.T @ G, as the shapes demand."
)


def asked(it: Pass, guide: str = "") -> WriteCode:
    """The puzzle about that pass."""
    names, known, many = ", ".join(it.shapes), needed(it), len(it.backward) > 1
    wanted = [name for name in it.shapes if f"grad_{name}" in it.backward]
    each = " and ".join([", ".join([f"`{name}`" for name in wanted[:-1]]), f"`{wanted[-1]}`"]).removeprefix(" and ")
    shapes = {name: axes.split() for name, axes in it.shapes.items()}
    forward = [f"{name} = {text}" for name, text in it.forward.items() if name != "out"]
    shown = "\n    ".join([f"def forward({names}):", *forward, f"return {it.forward['out']}"])
    start = {key: f"{key} = " if many else "return " for key in it.backward}
    body = [f"{name} = {it.forward[name]}" for name in known] + [start[key] + it.backward[key] for key in it.backward]
    drawn = {name: f"_drawn({', '.join(axes)})" for name, axes in shapes.items()} | dict(it.made)
    signature = f"def backward(grad_out, out, {names}):"
    slips = {turn: (key, written_out(text, it.forward, known)) for turn, key, text in reversed(it.wrong)}
    (first, text), steps = next(iter(it.backward.items())), len(it.backward) > len(wanted)
    parts = ", ".join([f"`{part}`" for part in dict.fromkeys(re.findall(r"(?<![\w\"])[a-z]\w*(?=[ .()\[,]|$)", text))])
    return WriteCode(
        prompt=f"Write the backward pass of `forward` by hand: `grad_out` is the gradient of a loss with respect to "
        f"`out`, the result of `forward({names})`. Return the gradient{'s' * (len(wanted) > 1)} of the loss with "
        f"respect to {each}{', in this order' * (len(wanted) > 1)}. Leave the arguments as they are.\n\n{guide}"
        "Ruled out: `torch.autograd`, `torch.func`, `.backward()`, `requires_grad`.",
        signature=signature,
        body="\n".join([*body, *(["return " + ", ".join([f"grad_{name}" for name in wanted])] if many else [])]),
        axes=" ".join(dict.fromkeys([axis for axes in shapes.values() for axis in axes if axis != "1"])),
        setup="\n".join([DRAWN, shown, *[f"{name} = {how}" for name, how in drawn.items()], f"out = forward({names})",
                         "grad_out = _drawn(*out.shape)"]),
        shown_setup="\n".join(
            [f"# {name}: {described(axes, it.made.get(name, ''))}" for name, axes in shapes.items()] + [shown]
        ),
        forbid=FORBIDDEN,
        observe=observed(wanted, f"grad_out, out, {names}"),
        wrong=[
            Edit("upstream-ignored", signature, f"{signature}\n    grad_out = torch.ones_like(grad_out)",
                 BECAUSE["upstream-ignored"]),
            *[Edit(turn, start[key] + it.backward[key], start[key] + text, BECAUSE[turn])
              for turn, (key, text) in reversed(list(slips.items()))],
        ],
        hints=[
            "Go from `out` back, one operation at a time: what does a small change of each number do to `out`?",
            f"The first step back: `{first} = {text}`." if steps else f"The first gradient is made with {parts}.",
        ],
        why=WHY,
    )  # fmt: skip


@drill(after=["autograd.matmul", "autograd.broadcast"], levels=3, arena="0.4", structures=(45, 220, 600))
def write_backward(rng: Rng) -> WriteCode:
    """The backward pass of an operation, by hand."""
    axes = rng.pick(SCENES)
    rank = len(axes.split())
    share = rng.integer(1, 20)
    match rng.level:
        case 1:
            return asked(chained(guided(rng, share, axes, rank)), GUIDE)
        case 2:
            return asked(chained(alone(rng, share, axes, rank)))
    if share in range(16, 21):
        return asked(forked(rng))
    match share % 4:
        case 0:
            start = elementwise(rng, axes.split())
        case 1:
            start = with_parameters(rng, axes.split())
        case 2:
            start, rank = rng.pick(MATMULS), 2
        case _:
            start, rank = rng.pick(BATCHED), 3
    # The largest entry must be one alone, and where zeros would be divided by, no relu stands before.
    # An operand that is the same along an axis has no gradient through what normalises along it, and the same one
    # everywhere through a product along it.
    stretched = len(set(start.shapes.values())) > 1 and "@" not in start.forward
    lasts = rng.pick([ALONG, REDUCTIONS])
    last = along_axis(
        rng,
        [
            it
            for it in lasts
            if not ("maximum" in start.forward and "amax" in it.forward)
            and not (stretched and (it in NORMALISING or "prod" in it.forward))
        ],
        rank,
    )
    unfit = {"ReLU"} if re.search("prod|norm", last.forward) else set()
    if "amax" in last.forward or ONE_SIDED.search(start.forward):  # a gate with nothing below zero shows nothing
        unfit = {"ReLU", "Leaky", "ELU"}
    middle = rng.pick([step for step in (*ENTRYWISE, *NESTED) if step.name not in unfit])
    return asked(chained(start, rng.pick([[middle], [last], [middle, last]])))


def guided(rng: Rng, share: int, axes: str, rank: int) -> Start:
    """One operation without broadcasting."""
    if share in range(1, 9):
        return started(rng.pick(rng.pick([ENTRYWISE, FIRST_ONLY])), axes)
    if share in range(9, 12):
        return elementwise(rng, axes.split(), same=True)
    if share in range(12, 15):
        return started(along_axis(rng, REDUCTIONS, rank), axes)
    return rng.pick(MOVES) if share in range(15, 18) else rng.pick([*MATMULS, *VECTORS])


def alone(rng: Rng, share: int, axes: str, rank: int) -> Start:
    """One operation, most often with broadcasting, or with more axes."""
    if share in range(1, 7):
        return elementwise(rng, axes.split())
    if share in range(7, 10):
        return with_parameters(rng, axes.split())
    if share in range(10, 13):
        return started(along_axis(rng, ALONG, rank), axes)
    if share in range(13, 15):
        return permuted(rng)
    if share in range(15, 18):
        return rng.pick(FAR_MOVES)
    return einsum(rng) if share == 20 else rng.pick(BATCHED)  # noqa: PLR2004
