"""Devices: programs that should run on any of them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tensordrill.authoring import FixLine, Rng, Wrong, drill

SECOND, THIRD = 2, 3  # levels

# Numbers are compared on the CPU. On `meta`, a device without numbers, the program has to get to its end.
SETUP = """
def run_on(run, device):
    torch.manual_seed(0)
    return run(torch.device(device))
"""
OBSERVE = {
    "the result on the CPU": "run_on(run, 'cpu')[1].detach()",
    "the number of parameters": "len(list(run_on(run, 'cpu')[0].parameters()))",
    "the device of the result": "run_on(run, 'meta')[1].device.type",
    "the devices of the parameters": "[p.device.type for p in run_on(run, 'meta')[0].parameters()]",
}


class Bug(NamedTuple):
    """A line that ties the program to a device: which line, how it reads wrong, and other lines that do not help."""

    line: str
    text: str
    wrong: Sequence[tuple[str, str, str]]  # (id, replacement, sentence)
    hint: str


def hard_coded(text: str) -> tuple[str, str, str]:
    return ("hard-coded", text, "That is right on one device, and wrong on every other. Take the device that is given.")


def bugs_of(lines: Mapping[str, str]) -> list[Bug]:
    """What can be wrong with the lines that are there."""
    moved = "A tensor stays where it is: `to` returns another one, which has to be kept."
    plain = "A tensor in an attribute does not move with the module. A buffer does."
    listed = "Layers in a plain list or tuple do not move with the module. nn.ModuleList registers them."
    made = "That makes a tensor on the CPU, as a factory does without `device=`."
    found = []
    for name in ("x", "y"):
        if f"move {name}" in lines:
            found.append(
                Bug(
                    f"move {name}",
                    f"{name}.to(device)",
                    [("result-dropped", f"{name}.to(device, copy=True)", moved), hard_coded(f"{name} = {name}.cuda()")],
                    "Which lines change what a name stands for, and which only compute something?",
                )
            )
            found.append(
                Bug(
                    f"move {name}",
                    f"{name} = {name}.cuda()",
                    [hard_coded(f'{name} = {name}.to("cuda:0")'), ("result-dropped", f"{name}.to(device)", moved)],
                    "Which device does each line name?",
                )
            )
        if f"made {name}" in lines:
            right = lines[f"made {name}"]
            found.append(
                Bug(
                    f"made {name}",
                    right.replace(", device=device", ""),
                    [
                        ("without-device", right.replace(", device=device", ", requires_grad=True"), made),
                        hard_coded(right.replace("device=device", 'device="cuda"')),
                    ],
                    "Where is each tensor made?",
                )
            )
    for name in ("buffer", "layers", "inner", "like"):
        if name not in lines:
            continue
        right = lines[name]
        if name == "buffer":
            value = right.partition(", ")[2].removesuffix(")")
            found.append(
                Bug(
                    name,
                    f"self.scale = {value}",
                    [
                        ("plain-attribute", f"self.scale = {value}.clone()", plain),
                        (
                            "trained",
                            f"self.scale = nn.Parameter({value})",
                            "`scale` moves now, and is one of the parameters, which it should not be.",
                        ),
                        hard_coded(f"self.scale = {value}.cuda()"),
                    ],
                    "What does `model.to(device)` move?",
                )
            )
        elif name == "layers":
            value = right.partition("(")[2].removesuffix(")")
            found.append(
                Bug(
                    name,
                    f"self.layers = {value}",
                    [
                        ("plain-list", f"self.layers = tuple({value})", listed),
                        hard_coded(f"self.layers = nn.ModuleList({value}).cuda()"),
                    ],
                    "What does `model.to(device)` move?",
                )
            )
        else:
            bare = right.replace(", device=x.device", "").replace("torch.ones_like(x)", "torch.ones(x.shape)")
            bare = bare.replace("x.new_ones(3)", "torch.ones(3)")
            target, _, value = bare.partition(" = ")
            found.append(
                Bug(
                    name,
                    bare,
                    [("without-device", f"{target} = {value}.clone()", made), hard_coded(f"{target} = {value}.cuda()")],
                    "Where is each tensor made?",
                )
            )
    return found


def network(rng: Rng) -> tuple[dict[str, str], list[str]]:
    """The lines of a module's __init__ and forward, under their names, and which of them stand in forward."""
    lines = {"layers" if rng.chance() else "linear": ""}
    k = rng.integer(2, 3)
    if "layers" in lines:
        lines["layers"] = f"self.layers = nn.ModuleList([nn.Linear(3, 3) for _ in range({k})])"
    else:
        lines["linear"] = "self.linear = nn.Linear(3, 3)"
    buffer = rng.chance(0.6)
    if buffer:
        value = rng.pick(["torch.ones(3)", "torch.full((3,), 2.)", "torch.arange(3.)", "torch.linspace(0, 1, 3)"])
        lines["buffer"] = f'self.register_buffer("scale", {value})'
    init = list(lines)
    if not buffer or rng.level == THIRD:
        if rng.chance():
            made = rng.pick(["torch.arange(3., device=x.device)", "torch.linspace(0, 1, 3, device=x.device)"])
            lines["inner"] = f"{rng.pick(['steps', 'shift'])} = {made}"
        else:
            lines["like"] = f"{rng.pick(['ones', 'noise'])} = {rng.pick(['torch.ones_like(x)', 'x.new_ones(3)'])}"
    if rng.level == THIRD and rng.chance(0.6):
        lines["scalar"] = "half = torch.tensor(0.5)"  # fine: a 0-d tensor on the CPU goes with everything
    if "layers" in lines:
        lines["loop"] = "for layer in self.layers:"
        lines["looped"] = f"    x = layer(x){rng.pick(['', '.relu()', '.tanh()'])}"
    terms = "x" if "layers" in lines else "self.linear(x)"
    terms += " * self.scale" if buffer else ""
    terms += " * half" if "scalar" in lines else ""
    more = next((lines[name].partition(" ")[0] for name in ("inner", "like") if name in lines), "")
    lines["output"] = f"return {terms}{f' + {more}' if more else ''}"
    return lines, init


def script(rng: Rng, model: str) -> dict[str, str]:
    """The lines of the function that is to run anywhere."""
    lines = {"model": f"model = {model}", "move model": "model.to(device)"}
    if rng.chance(0.4):
        lines = {"model": f"model = {model}.to(device)"}
    for name in ("x", "y"):
        if rng.chance(0.6):
            lines[name] = f"{name} = torch.randn(4, 3)"
            lines[f"move {name}"] = f"{name} = {name}.to(device)"
        else:
            lines[f"made {name}"] = f"{name} = torch.{rng.pick(['randn', 'rand', 'ones'])}(4, 3, device=device)"
    if rng.level > 1 and rng.chance(0.4):
        lines["scalar out"] = "weight = torch.tensor(0.1)"
    result = rng.pick(["F.mse_loss(model(x), y)", "model(x) - y", "(model(x) * y).sum()", "F.l1_loss(model(x), y)"])
    lines["result"] = f"return model, {f'weight * ({result})' if 'scalar out' in lines else result}"
    return lines


@drill(
    after=["dtypes.device", "modules.registration"], levels=3, lesson="Tensors", arena="0.2", structures=(60, 300, 400)
)
def device_fix(rng: Rng) -> FixLine:
    """One line that ties a program to a device."""
    lines = script(rng, "nn.Linear(3, 3)" if rng.level == 1 else "Net()")
    inner: dict[str, str] = {}
    init: list[str] = []
    if rng.level > 1:
        inner, init = network(rng)
    bugs = bugs_of(lines if rng.level == 1 else inner if rng.level == SECOND else lines | inner)
    bug = rng.pick(bugs)
    repair = (lines | inner)[bug.line]
    text = {name: bug.text if name == bug.line else line for name, line in (lines | inner).items()}
    program = []
    if inner:
        program += ["class Net(nn.Module):", "    def __init__(self):", "        super().__init__()"]
        program += [f"        {text[name]}" for name in init]
        program += ["", "    def forward(self, x):"]
        program += [f"        {text[name]}" for name in inner if name not in init]
        program += [""]
    program += ["def run(device):", *(f"    {text[name]}" for name in lines)]
    number = next(i for i, line in enumerate(program, 1) if line.strip() == bug.text.strip())
    extra = " `model.parameters()` should hold what the layers hold, and nothing else." if inner else ""
    return FixLine(
        prompt="`run(device)` should work on any device: on `cpu`, on `cuda`, on `meta` (whose tensors have no "
        "numbers). "
        "One line ties it to one of them. Replace a line, so that all of `run` works on the device that it is given, "
        f"and gives the same numbers as now, where it works now.{extra}",
        setup=SETUP,
        program="\n" + "\n".join(program),  # with an empty first line the others keep their indentation
        bug=bug.text,
        repair=repair,
        observe=OBSERVE,
        wrong=[Wrong(name, f"{number}: {replacement}", because) for name, replacement, because in bug.wrong],
        hints=[bug.hint, f"Look at line {number}: on which device is what it makes, or should be?"],
        why="`Module.to` moves parameters and buffers, in place; `Tensor.to` returns a tensor, which has to be kept. A "
        "plain attribute or list does not move with its module. What is made in forward goes where its input is: "
        "`device=x.device`, or a `*_like`. A 0-d tensor may stay on the CPU. Hard-coded devices work on one machine.",
    )
