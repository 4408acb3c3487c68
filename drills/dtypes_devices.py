"""Devices: which lines mix them."""

from collections.abc import Sequence
from typing import NamedTuple

from tensordrill.authoring import Choice, Choose, Rng, Wrong, drill
from tensordrill.building.gradients import settled

SECOND, THIRD = 2, 3  # levels
CPU, META = "cpu", "meta"

# Operations that tell devices apart on `meta` as they do on a GPU. Tensors are of shape (3, 3), or 0-d. None gives
# bools, which `-` and rand_like refuse.
BOTH = (
    "{a} + {b}",
    "{a} * {b}",
    "{a} - {b}",
    "torch.minimum({a}, {b})",
    "torch.where({a} > 0, {a}, {b})",
    "torch.maximum({a}, {b})",
)
JOINED = ("torch.cat([{a}, {b}])[:3]", "torch.stack([{a}, {b}])[0]")
LAYERS = ("nn.Linear(3, 3{d})", "nn.LayerNorm(3{d})", "nn.Linear(3, 3{d})")
ALONE = ("{a}.relu()", "{a} * 2", "{a} + 1", "{a}.T", "{a}.clone()")
LIKE = ("torch.zeros_like({a})", "torch.rand_like({a})", "{a}.new_ones(3, 3)")
SUMMED = ("{a}.sum()", "{a}.mean()", "{a}[0, 0]")
MADE = ("torch.rand(3, 3{d})", "torch.ones(3, 3{d})", "torch.eye(3{d})", "torch.arange(9.{d}).reshape(3, 3)")
SCALARS = ("torch.tensor({k}.{d})", "torch.tensor(0.{k}{d})", "torch.tensor({k}.5{d})")


class Place(NamedTuple):
    """Where something is, and whether it is 0-d. A layer has a device, and moves in place."""

    device: str
    scalar: bool = False
    layer: bool = False


class Step(NamedTuple):
    """A line: the name that it gives, its text, its kind, and what goes in.

    Kinds: `made`, `scalar` and `layer`, of a device; `alone`, `like`, `summed`, of a name; `both`, of two; `called`,
    of a layer and a name; `moved`, of a device or a name, and the name of what is moved; `dropped`, the same, where
    the result is not kept.
    """

    name: str
    text: str
    kind: str
    inputs: Sequence[str]


def run(steps: Sequence[Step], rule: str = "") -> str:
    """The name that the first line that raises would give, by the rule; empty where all run."""
    known: dict[str, Place] = {}
    for name, _, kind, inputs in steps:
        first = inputs[0]
        it = known.get(inputs[-1], Place(first, kind == "scalar", kind == "layer"))
        if kind in ("both", "called"):
            other = known[first]
            if clash(other, it, rule):
                return name
            it = Place(META if META in (it.device, other.device) else CPU, it.scalar and other.scalar)
        elif kind == "summed":
            it = Place(CPU if rule == "results-on-cpu" else it.device, scalar=True)
        elif kind == "like" and rule == "like-on-cpu":
            it = it._replace(device=CPU)
        elif kind == "loss":
            it = it._replace(scalar=True)
        elif kind == "moved" or (kind == "dropped" and (rule == "to-in-place" or (it.layer and rule != "layers-stay"))):
            it = it._replace(device=known[first].device if first in known else first)
        known[name] = it
    return ""


def clash(a: Place, b: Place, rule: str) -> bool:
    """Whether the two do not go together."""
    if a.device == b.device:
        return False
    scalars = [one for one in (a, b) if one.scalar]
    if rule == "scalars-always-raise" or not scalars:
        return True
    return rule != "scalars-never-raise" and len(scalars) == 1 and scalars[0].device != CPU


RULES = {
    "scalars-always-raise": "A 0-d tensor on the CPU goes with tensors on any device, as a number does.",
    "scalars-never-raise": "Only a 0-d tensor on the CPU goes with everything. One on another device does not "
    "go with a "
    "tensor with axes on the CPU.",
    "to-in-place": "`to` leaves a tensor where it is, and returns the moved one, which has to be kept.",
    "layers-stay": "`layer.to(...)` moves the layer itself, in place. Only tensors return a copy.",
    "like-on-cpu": "*_like makes a tensor on the device of the one that it is given.",
    "results-on-cpu": "A result is on the device of what it is computed of, a sum or an entry too.",
}


def made(rng: Rng, name: str, kind: str, device: str) -> Step:
    text = rng.pick({"made": MADE, "scalar": SCALARS, "layer": LAYERS}[kind])
    there = ", device=device" if device == META else ""
    return Step(name, f"{name} = {text.format(d=there, k=rng.integer(2, 9))}", kind, [device])


def mixed(rng: Rng, name: str, a: str, b: str, *, scalars: bool) -> Step:
    """An operation on two. With `scalars`, one of them may be 0-d."""
    text = rng.pick(BOTH if scalars else BOTH + JOINED)
    return Step(name, f"{name} = {text.format(a=a, b=b)}", "both", [a, b])


def single(rng: Rng, name: str, a: str, kind: str) -> Step:
    text = rng.pick({"alone": ALONE, "like": LIKE, "summed": SUMMED}[kind])
    return Step(name, f"{name} = {text.format(a=a)}", kind, [a])


def moved(rng: Rng, name: str, known: Sequence[str], *, layer: bool = False) -> Step:
    """A line that moves it to the device, or to where something else is; half of them do not keep the result."""
    to, where = rng.pick([(META, "device"), *((one, f"{one}.device") for one in known if one != name)])
    if rng.chance(0.6 if layer else 0.5):
        return Step(name, f"{name}.to({where})", "dropped", [to, name])
    return Step(name, f"{name} = {name}.to({where})", "moved", [to, name])


def plain(rng: Rng) -> list[Step]:
    """Tensors on two devices, and a 0-d tensor on the CPU."""
    steps = rng.shuffled([made(rng, "x", "made", META), made(rng, "y", "made", CPU), made(rng, "s", "scalar", CPU)])
    one, other = rng.shuffled(["x", "y"])
    steps.append(mixed(rng, "a", *rng.shuffled([one, "s"]), scalars=True))
    steps.append(rng.pick([single(rng, "b", "a", "alone"), mixed(rng, "b", "a", one, scalars=False)]))
    last = rng.pick([("b", one), ("b", other), ("b", "s")])
    steps.append(mixed(rng, "c", *rng.shuffled(last), scalars="s" in last))
    return steps


def summing(rng: Rng) -> list[Step]:
    """Sums and entries, which are 0-d where their tensors are, and *_like."""
    steps = rng.shuffled([made(rng, "x", "made", META), made(rng, "y", "made", CPU)])
    one, other = rng.shuffled(["x", "y"])
    steps.append(single(rng, "a", one, rng.pick(["summed", "summed", "like"])))
    scalar = steps[-1].kind == "summed"
    b = rng.pick([one, other])
    steps.append(mixed(rng, "b", *rng.shuffled(["a", b]), scalars=scalar))
    c = rng.pick(["a", other, one])
    steps.append(mixed(rng, "c", *rng.shuffled(["b", c]), scalars=scalar and c == "a"))
    return steps


def moving(rng: Rng) -> list[Step]:
    """A tensor is moved, or only seems to be."""
    steps = rng.shuffled([made(rng, "x", "made", META), made(rng, "y", "made", CPU)])
    steps.append(moved(rng, "y", ["x"]))
    if rng.chance():
        steps.append(made(rng, "s", "scalar", rng.pick([CPU, META])))
    scalar = steps[-1].kind == "scalar"
    first = rng.pick(["xy", "ys", "xs"] if scalar else ["xx", "xy", "yy"])
    steps.append(mixed(rng, "a", *rng.shuffled(list(first)), scalars="s" in first))
    steps.append(
        rng.pick([single(rng, "b", "a", rng.pick(["alone", "like"])), mixed(rng, "b", "a", "x", scalars=False)])
    )
    steps.append(mixed(rng, "c", *rng.shuffled(["b", rng.pick("xy")]), scalars=False))
    return steps


def layered(rng: Rng) -> list[Step]:
    """A layer and its data, either of which may be moved."""
    device = rng.pick([CPU, CPU, META])
    steps = rng.shuffled([made(rng, "layer", "layer", device), made(rng, "x", "made", rng.pick([CPU, META]))])
    if device == CPU:
        steps.append(moved(rng, "layer", [], layer=True))
    if steps[0].kind == "made" and steps[0].inputs == [CPU] and rng.chance(0.7):
        steps.append(moved(rng, "x", []))
    steps.append(Step("a", "a = layer(x)", "called", ["layer", "x"]))
    steps.append(made(rng, "y", "made", rng.pick([CPU, META])))
    if rng.chance(0.4) and steps[-1].inputs == [CPU]:
        steps.append(moved(rng, "y", ["a"]))
    steps.append(mixed(rng, "b", *rng.shuffled("ay"), scalars=False))
    second = rng.pick(["x", "s", "y"])
    if second == "s":
        steps.append(made(rng, "s", "scalar", rng.pick([CPU, META])))
    steps.append(mixed(rng, "c", *rng.shuffled(["b", second]), scalars=second == "s"))
    return steps


SCENES = ((plain,), (summing, moving), (layered, layered, moving))


def tells(steps: Sequence[Step]) -> bool:
    right = run(steps)
    return any(run(steps, rule) != right for rule in RULES)


@drill(after=["dtypes.default"], levels=3, lesson="Tensors", arena="0.2", structures=(100, 400, 700))
def device(rng: Rng) -> Choose:
    """Which line mixes devices."""
    scene = rng.pick(SCENES[rng.level - 1])
    steps = settled(lambda: scene(rng), tells, 6)
    lines = ['device = torch.device("meta")', *(step.text for step in steps)]
    at = {step.name: number for number, step in enumerate(steps, 2)}
    choices = {"": Choice("Every line runs")}
    before = ""
    for name in "abc":
        holds = f"'{before}' in globals() and '{name}' not in globals()" if before else f"'{name}' not in globals()"
        choices[name] = Choice(f"Line {at[name]} raises", raises="Error", holds=holds)
        before = name
    right = run(steps)
    wrong: dict[str, Wrong] = {}
    for rule, because in RULES.items():
        if (found := run(steps, rule)) != right:
            wrong.setdefault(found, Wrong(rule, choices[found].text, because))
    for name, choice in choices.items():
        if name != right:
            because = "Go through the lines: what is where? Two tensors with axes on two devices do not go together."
            wrong.setdefault(name, Wrong(f"another-line-{name}" if name else "never", choice.text, because))
    told = "A 0-d tensor on the CPU mixes with any device, as a number does. " if rng.level == 1 else ""
    return Choose(
        prompt="`meta` is a device whose tensors have no data; mixing them with CPU tensors raises, as on `cuda`. "
        f"{told}Which line is the first to raise, if any?",
        program="\n".join(lines),
        choices=list(choices.values()),
        right=choices[right].text,
        dtypes_matter=True,
        wrong=list(wrong.values()),
        hints=[
            "Write beside each line where its tensor is, and whether it is 0-d.",
            (
                "A result is where its inputs are. Only a 0-d tensor on the CPU goes with tensors elsewhere. "
                "`to` gives a "
                "new tensor, and moves a layer in place."
            ),
        ],
        why="Operations need their tensors on one device. The exception is a 0-d tensor on the CPU, which is taken as "
        "a number. `Tensor.to` returns a tensor on the other device and leaves the old one; `Module.to` moves the "
        "parameters in place. Results, views, sums and *_like are on the device of what they come from, and a factory "
        "without `device=` makes a tensor on the CPU.",
    )
