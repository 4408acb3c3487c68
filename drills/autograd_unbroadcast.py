"""Autograd by hand: gradients summed back to the shape of an operand."""

from collections.abc import Mapping, Sequence
from textwrap import indent

from tensordrill.authoring import Edit, Rng, WriteCode, Wrong, drill
from tensordrill.building.backward import BACKWARD_MISTAKES, ENTRYWISE, fill, stretched, summed_back

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
        prompt=f"`x` has the shape {whole}, {told}. `grad`, of the shape {whole}, is the gradient of a loss with "
        f"respect to `x + {' + '.join(names)}`. Return the gradient{'s' * several} with respect to {them}"
        f"{', in this order' * several}.\n\nEach number gets the sum of what comes back to its copies, and a gradient "
        f"has the shape of its operand.\n\n{RULED_OUT}",
        signature="def unbroadcast(grad):",
        body=f"return {results}",
        axes=" ".join(full),
        setup=f"{DRAWN}grad = _drawn({', '.join(full)})",
        shown_setup="",
        forbid=FORBIDDEN,
        observe={
            f"the gradient{'s' * several}": "list(unbroadcast(grad))" if several else "unbroadcast(grad)",
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
ANY_PAIRS = (
    "((a, b, c), (b, c)), ((a, b, c), (c,)), ((a, b, c), (b, 1)), ((a, b, c), (1, c)), ((a, b, c), (a, 1, c)), "
    "((a, b, c), (1, 1, 1)), ((a, b, c), ()), ((a, 1, c), (1, c)), ((a, b), (a, b)), ((b,), (1,)), ((), ())"
)
LEADING_PAIRS = "((a, b, c), (b, c)), ((a, b, c), (c,)), ((a, b, c), ()), ((a, b), (a, b)), ((a, b, 1), (1,))"
ONES_PAIRS = "((a, b, c), (a, 1, c)), ((a, b, c), (1, 1, 1)), ((a, b), (a, b)), ((a, b), (a, 1)), ((a, 1), (1, 1))"
KINDS = {
    "any": (
        "A tensor may lack leading axes, have axes of size 1, or both or neither; it may have no axes at all.",
        LEADING + ONES,
        LEADING_MISTAKES + ONES_MISTAKES,
        ANY_PAIRS,
    ),
    "leading": (
        "A tensor has the last axes of `grad`, each in the same size: all of them, some, or none.",
        LEADING,
        LEADING_MISTAKES,
        LEADING_PAIRS,
    ),
    "ones": (
        "A tensor has as many axes as `grad`, each of the same size or of size 1.",
        ONES,
        ONES_MISTAKES,
        ONES_PAIRS,
    ),
}


def any_shape(rng: Rng) -> WriteCode:
    """One operand of any shape, or several."""
    told, sums, mistakes, pairs = KINDS[kind := rng.pick(["any", "any", "leading", "ones"])]
    given = rng.pick(["shape", "x", "*shapes"])
    helper = f"{sums}return grad"
    code = {
        "shape": helper,
        "x": f"shape = x.shape\n{helper}",
        "*shapes": f"def one(grad, shape):\n{indent(helper, '    ')}\nreturn [one(grad, shape) for shape in shapes]",
    }[given]
    what, wanted = {
        "shape": ("a tensor `x` of the shape `shape`", "the gradient with respect to `x` itself, in its shape"),
        "x": ("the tensor `x`", "the gradient with respect to `x` itself, in its shape"),
        "*shapes": (
            "tensors of the shapes in `shapes`",
            "a list of the gradients with respect to the tensors themselves, each in its shape",
        ),
    }[given]
    several = given == "*shapes"
    second = "(1,) * len(own)" if kind == "ones" else "own[1:]"
    call = f"unbroadcast(grad, own, {second})" if several else "unbroadcast(grad, own)"
    own = "_drawn(*own)" if given == "x" else "own"
    wrong: list[Edit | Wrong] = list(edits(mistakes))
    if kind == "any" and given == "shape":
        wrong.append(Wrong("empty-axes", EMPTY_AXES, BECAUSE["empty-axes"]))
    return WriteCode(
        prompt=f"In the forward pass, {what} {'were each' if several else 'was'} broadcast to the shape of `grad`"
        f"{' and added up' if several else ''}. `grad` is the gradient of a loss with respect to the "
        f"{'sum' if several else 'broadcast tensor'}; return {wanted}.\n\n{told}\n\n{RULED_OUT}",
        signature=f"def unbroadcast(grad, {given}):",
        body=code,
        axes="a b c",
        setup=f"{DRAWN}cases = [(_drawn(*full), {own}) for full, own in [{pairs}]]",
        shown_setup="",
        forbid=FORBIDDEN,
        observe={"the gradients": f"[{call} for grad, own in cases]", "the arguments afterwards": "cases"},
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


# An operation, the gradients of a and b before their sums, and wrong ones of b.
Binary = tuple[str, str, str, Mapping[str, str]]
ARITHMETIC: Sequence[Binary] = (
    ("{a} + {b}", "{g}", "{g}", {}),
    ("{a} - {b}", "{g}", "-{g}", {"sign": "{g}"}),
    ("{a} * {b}", "{g} * {b}", "{g} * {a}", {"own-operand": "{g} * {b}"}),
    ("{a} / {b}", "{g} / {b}", "-{g} * {a} / {b} ** 2",
     {"sign": "{g} * {a} / {b} ** 2", "square-lost": "-{g} * {a} / {b}"}),
)  # fmt: skip
OTHERS: Sequence[Binary] = (
    ("torch.maximum({a}, {b})", "{g} * ({a} > {b})", "{g} * ({b} > {a})", {"swapped": "{g} * ({a} > {b})"}),
    ("torch.hypot({a}, {b})", "{g} * {a} / torch.hypot({a}, {b})", "{g} * {b} / torch.hypot({a}, {b})",
     {"own-operand": "{g} * {a} / torch.hypot({a}, {b})"}),
    ("{a} * {b} ** 2", "{g} * {b} ** 2", "{g} * 2 * {a} * {b}", {"power-kept": "{g} * 2 * {a} * {b} ** 2"}),
    ("{a} * {b}.exp()", "{g} * {b}.exp()", "{g} * {a} * {b}.exp()", {"own-operand": "{g} * {b}.exp()"}),
)  # fmt: skip
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
    x, y = rng.pick([("x", "y"), ("p", "q"), ("u", "v"), ("x", "w")])
    forward, of_x, of_y, wrong = rng.pick([*ARITHMETIC, *OTHERS])
    names = {"a": x, "b": y, "g": "grad"}
    gradients = {x: fill(of_x, **names), y: fill(of_y, **names)}
    return operands([f"return {fill(forward, **names)}"], [], gradients, slips_of(y, gradients, wrong, names), PAIRED)


def slips_of(
    name: str, gradients: Mapping[str, str], wrong: Mapping[str, str], names: Mapping[str, str]
) -> list[tuple[str, str, str]]:
    """Edits of that operand's gradient."""
    before, after = f"unbroadcast({gradients[name]}, {name}", f", {name}"
    return [(key, before, f"unbroadcast({fill(text, **names)}{after}") for key, text in wrong.items()]


def three_operands(rng: Rng) -> WriteCode:
    """What comes of two operands, or a function of it, meets a third one."""
    inside, of_x, of_y, wrong = rng.pick(ARITHMETIC)
    outside, *parts, _ = rng.pick(ARITHMETIC)
    first = rng.chance()
    divides = "/" in outside and not first
    step = rng.pick([None, *[it for it in ENTRYWISE if not (divides and it.name == "ReLU")]])  # it would divide by 0
    a = "a" if step else "h"
    ends = {"a": a, "b": "z", "g": "grad"} if first else {"a": "z", "b": a, "g": "grad"}
    of_a, of_z = (fill(str(text), **ends) for text in (parts if first else parts[::-1]))
    names = {"a": "x", "b": "y", "g": "grad_h"}
    forward = [f"h = {fill(inside, **names)}", *([f"a = {fill(step.forward, x='h')}"] if step else [])]
    lines = [*forward, f"grad_{a} = {of_a}"]
    gradients = {"x": fill(of_x, **names), "y": fill(of_y, **names), "z": of_z}
    slips = slips_of("y", gradients, wrong, names)
    if step:
        step_names = {"x": "h", "y": "a", "g": "grad_a"}
        lines.append(f"grad_h = {fill(step.backward, **step_names)}")
        found = {"inner-forgotten": "{g}"} | dict(step.wrong)
        slips += [(key, lines[-1], f"grad_h = {fill(found[key], **step_names)}") for key in found if key not in wrong]
    return operands([*forward, f"return {fill(outside, **ends)}"], lines, gradients, slips, TRIPLED)


@drill(after=["autograd.broadcast"], levels=3, arena="0.4", structures=(45, 10, 150))
def unbroadcast(rng: Rng) -> WriteCode:
    """A gradient summed back to the shape of an operand."""
    match rng.level:
        case 1:
            return known_shapes(rng)
        case 2:
            return rng.pick([any_shape, two_operands])(rng)
    return three_operands(rng)
