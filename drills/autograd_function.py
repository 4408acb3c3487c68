"""Autograd by hand: an autograd.Function with one wrong line."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tensordrill.authoring import FixLine, Rng, Wrong, drill
from tensordrill.building.backward import BACKWARD_MISTAKES, ENTRYWISE, NESTED, Derivative, fill

BECAUSE = BACKWARD_MISTAKES | {
    "overwritten": "A row that is taken several times gets the sum of what comes back.",
    "true-derivative": "The forward pass's own derivative is not what is asked for here.",
    "gradient-rounded": "The values are rounded, and not their gradient.",
    "one-side": "Both signs are to be bounded.",
    "constant-added": "A constant that is added has no part in a derivative.",
    "returned-in-other-order": "backward returns the gradients in the order of forward's arguments.",
    "none-missing": "backward returns one gradient for each argument of forward after ctx: None for what has none.",
    "none-first": "None stands in the place of the argument that has no gradient.",
    "saved-in-other-order": "The tensors come back from ctx.saved_tensors in the order in which they were saved.",
    "unpacked-in-other-order": "The tensors come back from ctx.saved_tensors in the order in which they were saved.",
    "wrong-tensor-saved": "backward takes for the output what was saved, and that is another tensor.",
    "number-saved": "save_for_backward takes tensors only. Numbers are kept as attributes of ctx.",
    "not-unpacked": "ctx.saved_tensors is a tuple, also where it holds one tensor.",
    "called": "ctx.saved_tensors is an attribute, not a method.",
    "upstream-changed": "The upstream gradient is somebody else's tensor: backward must not write into it.",
    "input-changed": "forward wrote into its input, which the caller still has.",
}
SHAPE = "ctx.shape"


Slip = tuple[str, str, str]  # a wrong turn's id, the name of a line, and what stands there instead


@dataclass(frozen=True)
class Inner:
    """An operation on tensors and numbers: the tensors' shapes (sizes as text), the numbers, and the gradients."""

    forward: str
    shapes: Mapping[str, str]
    numbers: Sequence[str]
    gradients: Mapping[str, str]
    wrong: Sequence[Slip]


SCALED = (
    Inner("k * x", {"x": "n, d"}, ["k"], {"x": "{g} * k"}, [("factor-lost", "x", "{g}")]),
    Inner("x / k", {"x": "n, d"}, ["k"], {"x": "{g} / k"}, [("factor-lost", "x", "{g}")]),
    Inner("x + k", {"x": "n, d"}, ["k"], {"x": "{g}"}, [("constant-added", "x", "{g} + k")]),
    Inner("k * x + c", {"x": "n, d"}, ["k", "c"], {"x": "{g} * k"},
          [("factor-lost", "x", "{g}"), ("constant-added", "x", "{g} * k + c")]),
)  # fmt: skip
PAIRED = (
    Inner("x * w", {"x": "n, d", "w": "n, d"}, [], {"x": "{g} * w", "w": "{g} * x"}, [("own-operand", "w", "{g} * w")]),
    Inner("x / w", {"x": "n, d", "w": "n, d"}, [], {"x": "{g} / w", "w": "-{g} * x / w ** 2"},
          [("sign", "w", "{g} * x / w ** 2"), ("square-lost", "w", "-{g} * x / w")]),
    Inner("x - w", {"x": "n, d", "w": "n, d"}, [], {"x": "{g}", "w": "-{g}"}, [("sign", "w", "{g}")]),
    Inner("x @ w", {"x": "n, d", "w": "d, m"}, [], {"x": "{g} @ w.T", "w": "x.T @ {g}"},
          [("transposed", "x", "{g} @ w"), ("transposed", "w", "{g}.T @ x")]),
    Inner("x @ w.T", {"x": "n, d", "w": "m, d"}, [], {"x": "{g} @ w", "w": "{g}.T @ x"},
          [("transposed", "x", "{g} @ w.T"), ("transposed", "w", "x.T @ {g}")]),
    Inner("x * w", {"x": "n, d", "w": "d"}, [], {"x": "{g} * w", "w": "({g} * x).sum(0)"},
          [("averaged", "w", "({g} * x).mean(0)"), ("wrong-axis", "w", "({g} * x).sum(1)")]),
    Inner("x + b", {"x": "n, d", "b": "d"}, [], {"x": "{g}", "b": "{g}.sum(0)"},
          [("averaged", "b", "{g}.mean(0)"), ("wrong-axis", "b", "{g}.sum(1)")]),
    Inner("k * x * w", {"x": "n, d", "w": "n, d"}, ["k"], {"x": "{g} * k * w", "w": "{g} * k * x"},
          [("factor-lost", "w", "{g} * x"), ("own-operand", "x", "{g} * k * x")]),
    Inner("x + k * w", {"x": "n, d", "w": "n, d"}, ["k"], {"x": "{g}", "w": "{g} * k"}, [("factor-lost", "w", "{g}")]),
    Inner("x @ w + b", {"x": "n, d", "w": "d, m", "b": "m"}, [],
          {"x": "{g} @ w.T", "w": "x.T @ {g}", "b": "{g}.sum(0)"},
          [("transposed", "x", "{g} @ w"), ("averaged", "b", "{g}.mean(0)"), ("wrong-axis", "b", "{g}.sum(1)")]),
)  # fmt: skip
# After the function, over the last axis or all of them.
ENDS = (
    Derivative("{x}.sum(-1)", "{g}.unsqueeze(-1).expand(ctx.shape)",
               {"wrong-axis": "{g}.unsqueeze(0).expand(ctx.shape)"}),
    Derivative("{x}.mean(0)", "{g}.expand(ctx.shape) / ctx.shape[0]", {"count-forgotten": "{g}.expand(ctx.shape)"}),
    Derivative("{x}.mean()", "{g}.expand(ctx.shape) / ctx.shape.numel()",
               {"count-forgotten": "{g}.expand(ctx.shape)"}),
    Derivative("{x}.softmax(-1)", "{y} * ({g} - ({g} * {y}).sum(-1, keepdim=True))",
               {"elementwise": "{g} * {y} * (1 - {y})",
                "wrong-axis": "{y} * ({g} - ({g} * {y}).sum(0, keepdim=True))"}),
    Derivative("{x}.cumsum(-1)", "{g}.flip(-1).cumsum(-1).flip(-1)", {"forward-again": "{g}.cumsum(-1)"}),
)  # fmt: skip


@dataclass(frozen=True)
class Function:
    """A right autograd.Function: its forward and backward lines by name, and wrong ones as `(id, name, text)`.

    The last forward line is `out`. `told` is what the outputs should be, and `gradients` what the gradients should be
    where they are not autograd's own.
    """

    name: str
    shapes: Mapping[str, str]
    numbers: Sequence[str]
    forward: Mapping[str, str]
    backward: Mapping[str, str]
    wrong: Sequence[Slip]
    told: str
    gradients: str = ""
    made: Mapping[str, str] = field(default_factory=dict)


def written_out(steps: Mapping[str, str]) -> str:
    """The last of the steps with the others written out."""
    *before, (_, text) = steps.items()
    for name, value in reversed(before):
        text = re.sub(rf"\b{name}\b(?!\()", value if re.fullmatch(r"[\w.]+(\(\))?", value) else f"({value})", text)
    return text


def fused(inner: Inner | None, steps: Sequence[Derivative], name: str) -> Function:
    """The steps, one after the other, on x or on what the inner operation gives."""
    names = [*(["h"] if inner else ["x"]), *(["a"] if len(steps) > 1 else []), "out"]
    forward = {"h": inner.forward} if inner else {}
    forward |= {y: fill(step.forward, x=x) for x, y, step in zip(names, names[1:], steps, strict=False)}
    backward, wrong, above = dict[str, str](), list[Slip](), "grad_out"
    for x, y, step in reversed(list(zip(names, names[1:], steps, strict=False))):
        backward[f"grad_{x}"] = fill(step.backward, x=x, y=y, g=above)
        wrong += [(turn, f"grad_{x}", fill(text, x=x, y=y, g=above)) for turn, text in step.wrong.items()]
        above = f"grad_{x}"
    if inner is None:
        return Function(name, {"x": "n, d"}, [], forward, backward, wrong, f"`{written_out(forward)}`")
    backward |= {f"grad_{tensor}": fill(text, g=above) for tensor, text in inner.gradients.items()}
    wrong += [(turn, f"grad_{tensor}", fill(text, g=above)) for turn, tensor, text in inner.wrong]
    return Function(name, inner.shapes, inner.numbers, forward, backward, wrong, f"`{written_out(forward)}`")


PASSED_ON = "the upstream gradient is passed on as if forward were the identity"
SPECIAL = (
    Function("Round", {"x": "n, d"}, [], {"out": "x.round()"}, {"grad_x": "grad_out"},
             [("true-derivative", "grad_x", "torch.zeros_like(grad_out)"),
              ("gradient-rounded", "grad_x", "grad_out.round()")],
             "`x.round()`", f"straight through: {PASSED_ON}"),
    Function("Binary", {"x": "n, d"}, [], {"out": "x.sign()"}, {"grad_x": "grad_out * (x.abs() <= 1)"},
             [("wrong-point", "grad_x", "grad_out * (out.abs() <= 1)"), ("true-derivative", "grad_x", "grad_out * 0")],
             "`x.sign()`", "the upstream gradient where `x` is between -1 and 1, and 0 elsewhere"),
    Function("Reverse", {"x": "n, d"}, ["k"], {"out": "x.clone()"}, {"grad_x": "-k * grad_out"},
             [("sign", "grad_x", "k * grad_out"), ("true-derivative", "grad_x", "grad_out")],
             "a copy of `x`", "`-k` times the upstream gradient"),
    Function("Bounded", {"x": "n, d"}, ["k"], {"out": "x.clone()"}, {"grad_x": "grad_out.clamp(-k, k)"},
             [("one-side", "grad_x", "grad_out.clamp(max=k)"), ("upstream-changed", "grad_x", "grad_out.clamp_(-k, k)"),
              ("true-derivative", "grad_x", "grad_out")],
             "a copy of `x`", "the upstream gradient, each entry clamped between `-k` and `k`"),
    Function("Guided", {"x": "n, d"}, [], {"out": "x.relu()"}, {"grad_x": "grad_out.relu() * (x > 0)"},
             [("true-derivative", "grad_x", "grad_out * (x > 0)"),
              ("values-for-slope", "grad_x", "grad_out.relu() * out")],
             "`x.relu()`", "as relu's own, but only the positive entries of the upstream gradient come through"),
    Function("Lookup", {"x": "n, d", "idx": "m"}, [], {"out": "x[idx]"},
             {"grad_x": "torch.zeros_like(x).index_add(0, idx, grad_out)"},
             [("overwritten", "grad_x", "torch.zeros_like(x).index_copy(0, idx, grad_out)"),
              ("averaged", "grad_x", "torch.zeros_like(x).index_add(0, idx, grad_out) / len(idx)")],
             "`x[idx]`", made={"idx": "torch.tensor([2, 0, 2, 1, 0])"}),
    Function("Squared", {"x": "n, d", "y": "n, d"}, [], {"h": "x - y", "out": "h.square().mean()"},
             {"grad_x": "grad_out * 2 * h / h.numel()", "grad_y": "-grad_out * 2 * h / h.numel()"},
             [("sign", "grad_y", "grad_out * 2 * h / h.numel()"), ("count-forgotten", "grad_x", "grad_out * 2 * h"),
              ("factor-lost", "grad_x", "grad_out * h / h.numel()")], "`(x - y).square().mean()`"),
    Function("Normed", {"x": "n, d"}, [], {"h": "x.norm(dim=-1, keepdim=True)", "out": "x / h"},
             {"grad_x": "(grad_out - out * (grad_out * out).sum(-1, keepdim=True)) / h"},
             [("one-use", "grad_x", "grad_out / h"),
              ("wrong-axis", "grad_x", "(grad_out - out * (grad_out * out).sum(0, keepdim=True)) / h"),
              ("elementwise", "grad_x", "(grad_out - out * grad_out * out) / h")],
             "`x / x.norm(dim=-1, keepdim=True)`"),
)  # fmt: skip


def on_ctx(text: str, numbers: Sequence[str]) -> str:
    return re.sub(rf"\b({'|'.join(numbers)})\b", r"ctx.\1", text) if numbers else text


def around(it: Function, saved: Sequence[str], numbers: Sequence[str], returned: Sequence[str]) -> list[Slip]:
    """What goes wrong between forward and backward, and in what backward returns."""
    found: list[Slip] = []
    *before, last = ["x", *it.forward]
    if len(saved) > 1:
        other = ", ".join([saved[1], saved[0], *saved[2:]])
        found += [("saved-in-other-order", "save", f"ctx.save_for_backward({other})"),
                  ("unpacked-in-other-order", "unpack", f"{other} = ctx.saved_tensors")]  # fmt: skip
    elif saved:
        found.append(("not-unpacked", "unpack", f"{saved[0]} = ctx.saved_tensors"))
    if last in saved and before[-1] not in saved:
        wrong = [before[-1] if name == last else name for name in saved]
        found.append(("wrong-tensor-saved", "save", f"ctx.save_for_backward({', '.join(wrong)})"))
    if saved:
        left = f"({saved[0]},)" if len(saved) == 1 else ", ".join(saved)
        found.append(("called", "unpack", f"{left} = ctx.saved_tensors()"))
    for name in numbers:
        found.append(("number-saved", f"ctx.{name}", f"ctx.save_for_backward({name})"))
        if saved:
            found.append(("number-saved", "save", f"ctx.save_for_backward({', '.join([*saved, name])})"))
    given, nothing = ([name for name in returned if (name == "None") == none] for none in (False, True))
    if nothing:
        found += [("none-missing", "return", f"return {', '.join(given)}"),
                  ("none-first", "return", f"return {', '.join(nothing + given)}")]  # fmt: skip
    if len(given) > 1:
        turned = [given[1], given[0], *given[2:], *nothing]
        found.append(("returned-in-other-order", "return", f"return {', '.join(turned)}"))
    return found


def writing(it: Function, numbers: Sequence[str]) -> list[Slip]:
    """What writes into a tensor that belongs to somebody else."""
    found: list[Slip] = []
    name, text = next(iter(it.backward.items()))
    if (match := re.fullmatch(r"grad_out \* (.+)", text)) and "grad_out" not in match[1]:
        found.append(("upstream-changed", name, f"{name} = grad_out.mul_({on_ctx(match[1], numbers)})"))
    name, text = next(iter(it.forward.items()))
    if match := re.fullmatch(r"x ([-+*/]) (\w+)", text):
        operation = {"*": "mul_", "/": "div_", "+": "add_", "-": "sub_"}[match[1]]
        found.append(("input-changed", name, f"{name} = x.{operation}({match[2]})"))
    elif match := re.fullmatch(r"x\.(exp|tanh|sigmoid|relu|sin|abs)\(\)", text):
        found.append(("input-changed", name, f"{name} = x.{match[1]}_()"))
    return found


def listing(it: Function, level: int, also: str = "") -> tuple[dict[str, str], list[Slip]]:
    """The lines of the right program by name, and what can stand wrongly in their places.

    From level 2 on also around `ctx`, at level 3 also what writes into somebody else's tensor. What `also` uses is
    saved.
    """
    arguments = [*it.shapes, *it.numbers]
    wanted = [name for name in it.shapes if f"grad_{name}" in it.backward]
    used = " ".join([*it.backward.values(), also])
    saved = [name for name in (*it.shapes, *it.forward) if re.search(rf"\b{name}\b(?!\()", used)]
    numbers = [name for name in it.numbers if re.search(rf"\b{name}\b", used)]
    kept = {f"ctx.{name}": name for name in numbers}
    if SHAPE in used:
        kept[SHAPE] = f"{list(it.forward)[-2]}.shape"
    returned = [f"grad_{name}" if name in wanted else "None" for name in arguments]
    tensors = ", ".join(saved)
    unpacked = f"({tensors},)" if len(saved) == 1 else tensors
    lines = {
        "class": f"class {it.name}(torch.autograd.Function):",
        "static forward": "    @staticmethod",
        "forward": f"    def forward(ctx, {', '.join(arguments)}):",
        **{name: f"        {name} = {text}" for name, text in it.forward.items()},
        **({"save": f"        ctx.save_for_backward({tensors})"} if saved else {}),
        **{name: f"        {name} = {text}" for name, text in kept.items()},
        "output": "        return out",
        "static backward": "    @staticmethod",
        "backward": "    def backward(ctx, grad_out):",
        **({"unpack": f"        {unpacked} = ctx.saved_tensors"} if saved else {}),
        **{name: f"        {name} = {on_ctx(text, numbers)}" for name, text in it.backward.items()},
        "return": f"        return {', '.join(returned)}",
    }
    slips = [(turn, name, f"{name} = {on_ctx(text, numbers)}") for turn, name, text in it.wrong]
    first, text = next(iter(it.backward.items()))
    if re.match(r"grad_out [*/] ", text) and text.count("grad_out") == 1:
        alone = on_ctx(text.replace("grad_out", "1", 1).removeprefix("1 * "), numbers)
        if re.fullmatch(r"\((?:[^()]|\([^()]*\))*\)", alone):
            alone = alone[1:-1]
        slips.append(("upstream-ignored", first, f"{first} = {alone}"))
    if level > 1:
        slips += around(it, saved, numbers, returned)
    if level > 2:  # noqa: PLR2004
        slips += writing(it, numbers)
    return lines, slips


# Hidden: numbers of both signs, none of them near 0; two calls, then the two backward passes.
SETUP = """\
n, d, m = 3, 4, 5

def _drawn(*shape):
    count = math.prod(shape)
    sizes = 0.2 + 2 * (torch.randperm(count) + torch.rand(count)) / count
    return (sizes * (1 - 2 * (torch.randperm(count) % 2))).reshape(shape)

def _used(function):
    outs = [function.apply(*case) for case in _cases]
    torch.manual_seed(1)
    above = [_drawn(*out.shape) for out in outs]
    wanted = [[x for x in case if getattr(x, "requires_grad", False)] for case in _cases]
    return outs, [list(torch.autograd.grad(*it)) for it in zip(outs, wanted, above)], above, _cases
"""
NUMBERS = {"k": ("0.7", "1.3"), "c": ("0.4", "-0.6")}


def told(it: Function) -> str:
    inputs = [f"`{name}` of shape `({axes}{',' * (',' not in axes)})`" for name, axes in it.shapes.items()]
    inputs += [f"a float `{name}`" for name in it.numbers]
    backwards = it.gradients or "the gradients that autograd gives for that expression"
    call = f"`{it.name}.apply({', '.join([*it.shapes, *it.numbers])})`"
    return f"{call} takes {', '.join(inputs)}. Forwards it gives {it.told}; backwards, {backwards}."


# Without the one whose input and output are multiplied: it makes no difference which of them is which.
STEPS = [step for step in (*ENTRYWISE, *NESTED) if step.name != "Bell"]
HINT = "Check in turn: what forward keeps, how backward gets it back, each formula, and what backward returns."
WHY = (
    "backward gets the gradient of the output and returns a gradient for every argument of forward, in the same order, "
    "None for what has none: upstream times local. What it needs from forward is kept on ctx: tensors by "
    "save_for_backward, to be unpacked in the same order from the tuple ctx.saved_tensors, other things as attributes. "
    "It writes into nobody's tensors. torch.autograd.gradcheck compares a Function with finite differences."
)


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


@drill(after=["autograd.write-backward"], levels=3, arena="0.4", structures=(80, 120, 350))
def custom_function(rng: Rng) -> FixLine:
    """One line that breaks an autograd.Function."""
    step = rng.pick(STEPS)
    match rng.level:
        case 1:
            it = fused(rng.pick([None, *SCALED]), [step], step.name)
        case 2:
            it = fused(rng.pick(PAIRED), [step], f"Fused{step.name}")
        case _ if rng.chance(0.3):
            it = rng.pick(SPECIAL)
        case _:
            it = fused(rng.pick([*PAIRED, *SCALED]), [step, rng.pick(ENDS)], f"Fused{step.name}")
    lines, slips = listing(it, rng.level)
    key, name, bug = rng.pick(slips)
    if name in it.backward:
        lines, slips = listing(it, rng.level, bug)
    number = list(lines).index(name) + 1
    unsaved = {*it.shapes, *it.forward} - set(words(lines.get("unpack", "")))
    others = {
        turn: text
        for turn, where, text in reversed(slips)
        if where == name and turn != key and not (name in it.backward and unsaved & set(words(text)))
    }
    program = "\n".join([line.replace(line.strip(), bug) if at == name else line for at, line in lines.items()])
    cases = [
        ", ".join(
            [it.made.get(tensor, f"_drawn({axes}).requires_grad_()") for tensor, axes in it.shapes.items()]
            + [NUMBERS[name][i] for name in it.numbers]
        )
        for i in range(2)
    ]
    return FixLine(
        prompt=f"One line of this `torch.autograd.Function` is wrong. Replace it.\n\n{told(it)}\n\nIt changes neither "
        "its inputs nor the upstream gradient, and may be called several times before a backward pass.",
        setup=f"{SETUP}_cases = [[{cases[0]}], [{cases[1]}]]",
        program=f"\n{program}",
        bug=bug,
        repair=lines[name].strip(),
        observe={
            "the outputs": f"(_seen := _used({it.name}))[0]",
            "the gradients": "_seen[1]",
            "the upstream gradients afterwards": "_seen[2]",
            "the inputs afterwards": "_seen[3]",
        },
        wrong=[Wrong(turn, f"{number}: {text}", BECAUSE[turn]) for turn, text in ({key: bug} | others).items()],
        hints=[HINT, f"Look at line {number}."],
        why=WHY,
    )
