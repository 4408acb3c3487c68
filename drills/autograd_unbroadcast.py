"""Autograd by hand: gradients summed back to the shape of an operand."""

from collections.abc import Mapping, Sequence
from textwrap import indent

from tensordrill.authoring import (
    BACKWARD_MISTAKES,
    ENTRYWISE,
    Edit,
    Rng,
    WriteCode,
    Wrong,
    drill,
    fill,
    stretched,
    summed_back,
)

FORBIDDEN = ("sum_to_size", "autograd", "func", "backward", "requires_grad", "requires_grad_")
RULED_OUT = "Ruled out: `sum_to_size`, `torch.autograd`, `torch.func`, `.backward()`, `requires_grad`."
BECAUSE = BACKWARD_MISTAKES | {
    "one-axis-only": "More than one leading axis may be missing.",
    "trailing-axes": "Shapes are aligned from the right, so the missing axes are the leading ones.",
    "ones-left": "Axes of size 1 were stretched as well, and have to be summed.",
    "squeezed": "The gradient has the shape of the operand, axes of size 1 included.",
    "empty-axes": "A sum over an empty list of axes sums all of them.",
    "one-operand-only": "Any operand may have been stretched, each in its own way.",
}
WHY = (
    "Broadcasting aligns shapes from the right and uses one number in many places: along leading axes that an operand "
    "lacks, and along axes in which its size is 1. Its gradient is summed over both; the leading axes go, those of "
    "size 1 stay, and it has the operand's own shape. `Tensor.sum_to_size` does this."
)
# Hidden: numbers of both signs, none of them near 0.
DRAWN = """\
def _drawn(*shape):
    count = math.prod(shape)
    sizes = 0.2 + 2 * (torch.randperm(count) + torch.rand(count)) / count
    return (sizes * (1 - 2 * (torch.randperm(count) % 2))).reshape(shape)

"""
SHAPES = (
    "batch d_model", "token latent", "batch seq d_model", "head query key", "image row column",
    "batch head query key", "batch channel row column",
)  # fmt: skip


def edits(mistakes: Sequence[tuple[str, str, str]]) -> list[Edit]:
    return [Edit(name, old, new, BECAUSE[name]) for name, old, new in mistakes]


def in_brackets(axes: Sequence[str]) -> str:
    return f"({', '.join(axes)}{',' * (len(axes) == 1)})"


def known_shapes(rng: Rng) -> WriteCode:
    """One or two operands whose axes are named."""
    full = rng.pick(SHAPES).split()
    names = rng.pick([["b"], ["scale"], ["u", "v"], ["shift", "bias"], ["p", "q"]])
    own = {name: stretched(rng, full) for name in names}
    sums = {name: summed_back("grad", full, axes) for name, axes in own.items()}
    several = len(names) > 1
    them, results = " and ".join([f"`{name}`" for name in names]), ", ".join([right for right, _ in sums.values()])
    last, wrong = sums[names[-1]]
    told = " and ".join([f"`{name}` the shape `{in_brackets(axes)}`" for name, axes in own.items()])
    whole = f"`{in_brackets(full)}`"
    return WriteCode(
        prompt=f"`x` has the shape {whole}, {told}. `grad`, of the shape {whole}, is the gradient of a loss with respect "
        f"to `x + {' + '.join(names)}`. Return the gradient{'s' * several} with respect to {them}"
        f"{', in this order' * several}.\n\nEach number gets the sum of what comes back to its copies, and a gradient "
        f"has the shape of its operand.\n\n{RULED_OUT}",
        signature="def unbroadcast(grad):",
        body=f"return {results}",
        axes=" ".join(full),
        setup=f"{DRAWN}grad = _drawn({', '.join(full)})",
        shown_setup="",
        forbid=FORBIDDEN,
        observe={
            "the gradients" if several else "the gradient": "list(unbroadcast(grad))" if several else "unbroadcast(grad)",
            "grad afterwards": "grad",
        },
        wrong=edits([
            (name, f"return {results}", f"return {results.removesuffix(last)}{text}") for name, text in wrong.items()
        ]),
        hints=[
            f"Along which axes was `{names[-1]}` stretched: which does it lack, in which has it size 1?",
            "Sum over the axes that it lacks, and over those of size 1 with keepdim=True.",
        ],
        why=WHY,
    )  # fmt: skip


# --- any shapes

LEADING = """\
while grad.ndim > len(shape):
    grad = grad.sum(0)
"""
ONES = """\
for axis, size in enumerate(shape):
    if size == 1:
        grad = grad.sum(axis, keepdim=True)
"""
EMPTY_AXES = """\
extra = grad.ndim - len(shape)
grad = grad.sum(list(range(extra))) if extra else grad
return grad.sum([axis for axis, size in enumerate(shape) if size == 1], keepdim=True)"""
LEADING_MISTAKES = (
    ("one-axis-only", "while grad", "if grad"),
    ("trailing-axes", "grad.sum(0)", "grad.sum(-1)"),
    ("one-copy", "grad.sum(0)", "grad[0]"),
    ("averaged", "grad.sum(0)", "grad.mean(0)"),
    ("axis-left", "grad.ndim > len(shape)", "False"),
)
ONES_MISTAKES = (
    ("keepdim-lost", "grad.sum(axis, keepdim=True)", "grad.sum(axis)"),
    ("squeezed", "return grad", "return grad.squeeze()"),
    ("ones-left", "size == 1", "size == 0"),
)
# What may be stretched: what is said of it, the code, its mistakes, and pairs of shapes, before and after.
KINDS = {
    "any": (
        "Leading axes may be missing, axes may have size 1, or both or neither; `{shape}` may be `()`.",
        LEADING + ONES, LEADING_MISTAKES + ONES_MISTAKES,
        "((a, b, c), (b, c)), ((a, b, c), (c,)), ((a, b, c), (b, 1)), ((a, b, c), (1, c)), ((a, b, c), (a, 1, c)), "
        "((a, b, c), (1, 1, 1)), ((a, b, c), ()), ((a, 1, c), (1, c)), ((a, b), (a, b)), ((b,), (1,)), ((), ())",
    ),
    "leading": (
        "The tensor has the last axes of `grad`, each in the same size: all of them, some, or none.",
        LEADING, LEADING_MISTAKES,
        "((a, b, c), (b, c)), ((a, b, c), (c,)), ((a, b, c), ()), ((a, b), (a, b)), ((a, b, 1), (1,))",
    ),
    "ones": (
        "The tensor has as many axes as `grad`, each of the same size or of size 1.",
        ONES, ONES_MISTAKES,
        "((a, b, c), (a, 1, c)), ((a, b, c), (1, 1, 1)), ((a, b), (a, b)), ((a, b), (a, 1)), ((a, 1), (1, 1))",
    ),
}  # fmt: skip


def any_shape(rng: Rng) -> WriteCode:
    """One operand of any shape."""
    told, sums, mistakes, pairs = KINDS[kind := rng.pick(["any", "any", "leading", "ones"])]
    by_shape = rng.chance()
    given, shape, made = ("shape", "shape", "own") if by_shape else ("x", "x.shape", "_drawn(*own)")
    known = "" if by_shape else "shape = x.shape\n"
    wrong: list[Edit | Wrong] = list(edits(mistakes))
    if kind == "any":
        wrong.append(Wrong("empty-axes", known + EMPTY_AXES, BECAUSE["empty-axes"]))
    what = "a tensor of the shape `shape`" if by_shape else "the tensor `x`"
    return WriteCode(
        prompt=f"In the forward pass, {what} was broadcast to the shape of `grad`, which is the gradient of a loss with "
        f"respect to the result. Return the gradient with respect to the tensor before that, in its own shape.\n\n"
        f"{fill(told, shape=shape)}\n\n{RULED_OUT}",
        signature=f"def unbroadcast(grad, {given}):",
        body=f"{known}{sums}return grad",
        axes="a b c",
        setup=f"{DRAWN}cases = [(_drawn(*full), {made}) for full, own in [{pairs}]]",
        shown_setup="",
        forbid=FORBIDDEN,
        observe={
            "the gradients": f"[unbroadcast(grad, {given}) for grad, {given} in cases]",
            "the arguments afterwards": "cases",
        },
        wrong=wrong,
        hints=[
            "Shapes are aligned from the right. Along which axes was one number used several times?",
            " ".join([
                *(["Sum the first axis away while there is one too many."] if kind != "ones" else []),
                *(["Sum every axis in which the tensor has size 1, with keepdim=True."] if kind != "leading" else []),
            ]),
        ],
        why=WHY,
    )  # fmt: skip


# The gradients of a and b before their sums, and wrong ones of b.
BINARY: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "+": ("{g}", "{g}", {}),
    "-": ("{g}", "-{g}", {"sign": "{g}"}),
    "*": ("{g} * {b}", "{g} * {a}", {"own-operand": "{g} * {b}"}),
    "/": ("{g} / {b}", "-{g} * {a} / {b} ** 2", {"sign": "{g} * {a} / {b} ** 2", "square-lost": "-{g} * {a} / {b}"}),
}
PAIRED = "((a, b, c), (c,)), ((b, 1), (a, b, c)), ((a, 1, c), (b, 1)), ((), (b, c)), ((b, c), (b, c)), ((1, c), (b, 1))"
TRIPLED = (
    "((a, b, c), (c,), (b, 1)), ((b, c), (a, 1, c), ()), ((1, c), (b, 1), (a, 1, 1)), ((), (c,), (1, c)), "
    "((a, b), (a, b), (1,))"
)
COMMON = ("one-axis-only", "keepdim-lost", "ones-left", "averaged")


def operands(
    forward: Sequence[str],
    lines: Sequence[str],
    gradients: Mapping[str, str],
    slips: Sequence[tuple[str, str, str]],
    shapes: str,
) -> WriteCode:
    """Operands of any shapes. `gradients` are those before their sums; slips are edits of the reference."""
    names = ", ".join(gradients)
    shown = "\n    ".join([f"def forward({names}):", *forward])
    signature = f"def backward(grad, {names}):"
    sums = [f"unbroadcast({text}, {name}.shape)" for name, text in gradients.items()]
    (last, text), helper = list(gradients.items())[-1], indent(f"{LEADING}{ONES}return grad", "    ")
    mistakes = [
        *slips,
        ("one-operand-only", sums[-1], text),
        ("upstream-ignored", signature, f"{signature}\n    grad = torch.ones_like(grad)"),
        *[turn for turn in (*LEADING_MISTAKES, *ONES_MISTAKES) if turn[0] in COMMON],
    ]
    return WriteCode(
        prompt="The operands of `forward` have any shapes that broadcast together, `()` among them. `grad` is the "
        f"gradient of a loss with respect to the result of `forward({names})`. Return the gradients with respect to "
        f"{', '.join([f'`{name}`' for name in gradients])}, in this order, each in the shape of its operand.\n\n"
        f"{RULED_OUT}",
        signature=signature,
        body="\n".join(["def unbroadcast(grad, shape):", helper, *lines, "return " + ", ".join(sums)]),
        axes="a b c",
        setup=f"{DRAWN}{shown}\n\ncases = [[_drawn(*shape) for shape in shapes] for shapes in [{shapes}]]\n"
        "cases = [[_drawn(*forward(*case).shape), *case] for case in cases]",
        shown_setup=f"\n{shown}",
        forbid=FORBIDDEN,
        observe={"the gradients": "[list(backward(*case)) for case in cases]", "the arguments afterwards": "cases"},
        wrong=edits(mistakes),
        hints=[
            "First the gradients as if all operands had the shape of the result, then the sums.",
            f"Before its sum, the gradient of `{last}` is `{text}`.",
        ],
        why=WHY,
    )


def two_operands(rng: Rng) -> WriteCode:
    x, y = rng.pick(["xy", "pq", "uv", "xw"])
    operator = rng.pick("+-*/")
    of_x, of_y, wrong = BINARY[operator]
    names = {"a": x, "b": y, "g": "grad"}
    gradients = {x: fill(of_x, **names), y: fill(of_y, **names)}
    slips = [
        (key, f"unbroadcast({gradients[y]}, {y}", f"unbroadcast({fill(text, **names)}, {y}")
        for key, text in wrong.items()
    ]
    return operands([f"return {x} {operator} {y}"], [], gradients, slips, PAIRED)


def three_operands(rng: Rng) -> WriteCode:
    """What comes of two operands, or a function of it, meets a third one."""
    inside, outside, step = rng.pick("+-*/"), rng.pick("+-*/"), rng.pick([None, *ENTRYWISE])
    names = {"a": "x", "b": "y", "g": "grad_h"}
    of_x, of_y, wrong = BINARY[inside]
    a = "a" if step else "h"
    left, right, _ = BINARY[outside]
    first = rng.chance()
    ends = {"a": a if first else "z", "b": "z" if first else a, "g": "grad"}
    of_a, of_z = (fill(text, **ends) for text in ((left, right) if first else (right, left)))
    forward = [f"h = x {inside} y", *([f"a = {fill(step.forward, x='h')}"] if step else [])]
    lines = [*forward, f"grad_{a} = {of_a}"]
    gradients = {"x": fill(of_x, **names), "y": fill(of_y, **names), "z": of_z}
    slips = [
        (key, f"unbroadcast({gradients['y']}, y", f"unbroadcast({fill(text, **names)}, y")
        for key, text in wrong.items()
    ]
    if step:
        lines.append(f"grad_h = {fill(step.backward, x='h', y='a', g='grad_a')}")
        slips.append(("inner-forgotten", lines[-1], "grad_h = grad_a"))
        key, text = next(iter(step.wrong.items()))
        if key not in wrong:
            slips.append((key, lines[-1], f"grad_h = {fill(text, x='h', y='a', g='grad_a')}"))
    return operands([*forward, f"return {ends['a']} {outside} {ends['b']}"], lines, gradients, slips, TRIPLED)


@drill(after=["autograd.broadcast"], levels=3, structures=(45, 10, 150))
def unbroadcast(rng: Rng) -> WriteCode:
    """A gradient summed back to the shape of an operand."""
    match rng.level:
        case 1:
            return known_shapes(rng)
        case 2:
            return rng.pick([any_shape, two_operands])(rng)
    return three_operands(rng)
