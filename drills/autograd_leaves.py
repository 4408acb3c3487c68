"""Autograd: leaves, and what keeps its gradient."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tensordrill.authoring import Edit, PredictValue, Rng, Wrong, drill
from tensordrill.building.gradients import Belief, made, predicted, settled

PROPERTIES = ("is_leaf", "grad is None", "requires_grad")
MIXED = 3  # the level at which each tensor is asked about something else


class Act(NamedTuple):
    """A line, what it does to the tensor of that name, and of which others it is computed."""

    text: str
    does: str
    name: str = ""
    inputs: Sequence[str] = ()


class Fault(NamedTuple):
    """A line that raises, and lines that people take it for, each with the id of the mistake. They share a sentence."""

    text: str
    name: str
    because: str
    instead: Sequence[tuple[str, Act]]


@dataclass(eq=False)
class Thing:
    """A tensor."""

    requires: bool
    leaf: bool
    parents: list["Thing"] = field(default_factory=list)
    retained: bool = False
    grad: bool = False
    operation: bool = False
    cut: bool = False

    def above(self) -> list["Thing"]:
        """Everything that it is computed of through the graph."""
        return [self, *[thing for parent in self.parents if self.requires for thing in parent.above()]]


def things_after(acts: Sequence[Act], rule: str = "") -> dict[str, Thing]:
    """The tensors by name, by torch's rules or with one of them mistaken."""
    things: dict[str, Thing] = {}
    for act in acts:
        inputs = [things[name] for name in act.inputs]
        match act.does:
            case "leaf" | "again":
                things[act.name] = Thing(True, True, cut=act.does == "again")
            case "data" | "detach":
                things[act.name] = Thing(False, True, cut=act.does == "detach")
            case "scaled":
                things[act.name] = Thing(True, False, operation=True)
            case "operation" if act.name in act.inputs and rule == "name-stays-leaf":
                pass
            case "operation":
                requires = any(thing.requires for thing in inputs)
                things[act.name] = Thing(requires, not requires, inputs, operation=True)
            case "retain":
                things[act.name].retained = rule != "retain-ignored"
            case "turn-on" | "turn-off":
                things[act.name].requires = act.does == "turn-on"
            case "backward":
                for thing in [above for given in inputs for above in given.above()]:
                    keeps = thing.leaf or thing.retained or rule == "non-leaves-keep-grad"
                    thing.grad = thing.grad or (thing.requires and keeps) or (rule == "data-gets-grad" and thing.leaf)
            case _:
                pass
    return things


def flag_of(thing: Thing, asked: str, rule: str) -> bool:
    if asked == "grad is None":
        return not thing.grad
    if asked == "requires_grad":
        return thing.requires
    if rule == "leaf-means-requires":
        return thing.leaf and thing.requires
    if rule == "results-never-leaf":
        return not thing.operation
    if rule == "cut-off-no-leaf":
        return thing.leaf and not thing.cut
    return thing.leaf


RULES = {
    "leaf-means-requires": "A tensor that requires no gradient is a leaf too, by convention: it has no history.",
    "results-never-leaf": "A result of tensors that require no gradient has no history. It is a leaf.",
    "cut-off-no-leaf": "detach() leaves the history behind, and nn.Parameter takes none along: that makes a leaf.",
    "name-stays-leaf": "The name now stands for a result, which has a history. The leaf that it stood for is another "
    "tensor.",
    "non-leaves-keep-grad": "backward() stores gradients in leaves only. Those of results are passed on and dropped, "
    "unless retain_grad() was called before.",
    "retain-ignored": "retain_grad() makes a result keep its gradient.",
    "data-gets-grad": "Only what requires a gradient gets one.",
}
IN_PLACE = "While autograd records, a leaf that requires a gradient must not be written to in place: it raises at once."
FLAG = "Only of a leaf can requires_grad be changed. For a result, detach() gives a tensor that is cut off."
NO_GRAPH = "Nothing in it requires a gradient, so there is no graph to walk back: backward() raises."
OPTIMISED = "An optimizer takes leaves only: the gradient of a result is not kept, so it could not be stepped on."
RETAINED = "retain_grad() raises for a tensor that requires no gradient: there will be none to keep."
EMPTY = "y is no leaf, so y.grad is None after backward(), and None has no zero_()."


def operation(rng: Rng, name: str, a: str, others: Sequence[str] = ()) -> Act:
    """A result that saves none of its tensors, so that they may be written to in place."""
    k = rng.integer(2, 5)
    if others and rng.chance():
        b = rng.pick(others)
        one, other = rng.shuffled([a, b])
        return Act(f"{name} = {one} {rng.pick('+-')} {other}", "operation", name, [a, b])
    text = rng.pick([f"{k} * {a}", f"{a} + {k}", f"{a} - {k}", f"{a}.clone()", f"{a} / {k}"])
    return Act(f"{name} = {text}", "operation", name, [a])


def other_tensor(rng: Rng, name: str, y: str) -> Act:
    """A tensor made of another in a way that may or may not leave the graph."""
    return rng.pick(
        [
            Act(f"{name} = {y}.detach()", "detach", name),
            Act(f"{name} = {y}.detach().requires_grad_()", "again", name),
            Act(f"{name} = {y}.detach().clone()", "detach", name),
            Act(f"{name} = {y}.data", "detach", name),
            Act(f"{name} = nn.Parameter({y})", "again", name),
            Act(f"{name} = {y}.clone()", "operation", name, [y]),
            Act(f"{name} = {y}.view(-1)", "operation", name, [y]),
            Act(f"{name} = {y}[0]", "operation", name, [y]),
            Act(f"{name} = torch.ones_like({y})", "data", name),
            Act(f"{name} = torch.ones(2, requires_grad=True) * 0.1", "scaled", name),
            Act(f"{name} = nn.Parameter(torch.ones(2) * 0.1)", "leaf", name),
        ]
    )


def raising(rng: Rng, names: Sequence[str]) -> Fault:
    """A line that raises, where x is a leaf, y a result of it and d data."""
    silent = ("nothing-happens", Act("pass", ""))
    faults = [
        Fault(
            text, "x", IN_PLACE, [("leaf-in-place", Act(quiet, "")), ("rebound", Act(rebound, "operation", "x", "x"))]
        )
        for text, quiet, rebound in (
            ("x += 1", "x.data += 1", "x = x + 1"),
            ("x *= 2", "x.data *= 2", "x = x * 2"),
            ("x.mul_(2)", "x.data.mul_(2)", "x = x * 2"),
            ("x[0] = 5.", "x.data[0] = 5.", "x = x + 0"),
            ("x.zero_()", "x.data.zero_()", "x = x * 0"),
        )
    ]
    cut_off = ("cut-off", Act("y = y.detach()", "detach", "y"))
    faults += [
        Fault("y.requires_grad_(False)", "y", FLAG, [cut_off, silent]),
        Fault("y.requires_grad = False", "y", FLAG, [cut_off, silent]),
        Fault("optimizer = torch.optim.SGD([y], lr=0.1)", "y", OPTIMISED, [silent]),
    ]
    if "d" in names:
        faults += [
            Fault("d.retain_grad()", "d", RETAINED, [silent]),
            Fault("d.sum().backward()", "d", NO_GRAPH, [silent]),
        ]
    return rng.pick(faults)


def harmless(rng: Rng, names: Sequence[str]) -> Act:
    """A line that looks like one that raises."""
    lines = [
        Act("with torch.no_grad():\n    x += 1", "", "x"),
        Act("x.data += 1", "", "x"),
        Act("x.retain_grad()", "", "x"),
        Act("optimizer = torch.optim.SGD([x], lr=0.1)", "", "x"),
        Act("x = x * 2", "operation", "x", ["x"]),
        Act("x = x + 1", "operation", "x", ["x"]),
        Act("y += 1", "", "y"),
        Act("y.mul_(2)", "", "y"),
        Act("y.retain_grad()", "retain", "y"),
        Act("y.retain_grad()", "retain", "y"),
    ]
    if "d" in names:
        lines += [Act("d += 1", "", "d"), Act("d.requires_grad_()", "turn-on", "d"), Act("d[0] = 5.", "", "d")]
    return rng.pick(lines)


def backward_from(rng: Rng, acts: Sequence[Act]) -> Act:
    """From the last result, or from that and another tensor that requires a gradient."""
    things = things_after(acts)
    tracked = [name for name, thing in things.items() if thing.requires]
    results = [name for name in tracked if not things[name].leaf]
    name = rng.pick(results[-2:])
    others = [other for other in tracked if other != name]
    if others and rng.chance(0.4):
        other = rng.pick(others)
        return Act(f"({name} * {other}).sum().backward()", "backward", inputs=[name, other])
    return Act(rng.pick([f"{name}.sum().backward()", f"({name} ** 2).sum().backward()"]), "backward", inputs=[name])


class Scene(NamedTuple):
    """The lines, what is asked of which tensors, and the line that raises, if one does."""

    acts: list[Act]
    asked: list[tuple[str, str]]
    fault: Fault | None

    def seen(self, rule: str = "", instead: Act | None = None) -> list[bool]:
        """The answer, with a rule mistaken, or with another line in the place of the one that raises."""
        acts = [instead if instead and self.fault and act.text == self.fault.text else act for act in self.acts]
        things = things_after(acts, rule)
        return [flag_of(things[name], asked, rule) for name, asked in self.asked]


def scene(rng: Rng, *, fails: bool) -> Scene:
    numbers = rng.sample(range(1, 6), 2)
    spellings = [made("x", numbers)]
    if rng.level > 1:
        spellings += ["x = nn.Parameter(torch.ones(2))", f"{made('x', numbers, leaf=False)}.requires_grad_()"]
    acts = [Act(rng.pick(spellings), "leaf", "x")]
    if rng.chance(0.6):
        acts.insert(rng.integer(0, 1), Act(made("d", rng.sample(range(1, 6), 2), leaf=False), "data", "d"))
    acts.append(operation(rng, "y", "x", [act.name for act in acts if act.name == "d"]))
    if rng.level == MIXED or (rng.level > 1 and rng.chance(0.7)):
        acts.append(other_tensor(rng, "c", rng.pick("xy")))
    names = [act.name for act in acts]
    fault = raising(rng, names) if fails else None
    if fault:
        acts.append(Act(fault.text, "", fault.name))
    elif rng.chance(0.7):
        acts.append(harmless(rng, names))
    acted = acts[-1].name
    if rng.chance(0.8 if rng.level == MIXED else 0.4):
        acts.append(operation(rng, "z", rng.pick(names), names))
    asked = rng.pick([("is_leaf", "is_leaf", "grad is None"), ("is_leaf", "grad is None"), PROPERTIES][rng.level - 1])
    cut_off = fault is not None and fault.name == "y"
    if cut_off:
        asked = "is_leaf"  # y could not be walked back from, and that mistake would raise too
    if asked == "grad is None" or (rng.level == MIXED and not cut_off):
        acts.append(backward_from(rng, acts))
    names = list(dict.fromkeys([act.name for act in acts if act.name]))
    count = min(len(names), 2 + (rng.level > 1) + rng.integer(0, 1))
    others = rng.sample([name for name in names if name != acted], count - 1)
    names = [name for name in names if name in (acted, *others)]
    mixed = rng.level == MIXED and not cut_off
    return Scene(acts, [(name, rng.pick(PROPERTIES) if mixed else asked) for name in names], fault)


@drill(after=["autograd.accumulate"], levels=3, lesson="Autograd", arena="0.4", structures=(400, 500, 500))
def leaf(rng: Rng) -> PredictValue:
    """Leaves, and who keeps a gradient."""
    fails = rng.chance(0.36)
    it = settled(lambda: scene(rng, fails=fails), lambda one: fails or len(set(one.seen())) > 1, 12)
    wrong: list[Wrong | Edit] = []
    if it.fault:
        told: list[list[bool]] = []
        for name, line in it.fault.instead:
            if (answer := it.seen(instead=line)) not in told:
                told.append(answer)
                wrong.append(Edit(name, it.fault.text, line.text, it.fault.because))
    else:
        beliefs = [Belief(rule, it.seen(rule), because) for rule, because in RULES.items()]
        opposite = [not flag for flag in it.seen()]
        beliefs.append(Belief("turned-round", opposite, "Those are the opposites. Read again what is asked."))
        wrong += [*predicted(it.seen(), beliefs), Wrong("must-fail", "error", "Every line of this runs.")]
    asked = f"[{', '.join([f'{name}.{flag}' for name, flag in it.asked])}]"
    return PredictValue(
        prompt=f"What is `{asked}` at the end? If a line raises, answer `error`.",
        program="\n".join([act.text for act in it.acts]),
        ask=asked,
        can_fail=True,
        hints=[
            (
                "Which tensors were computed of one that requires a gradient? Those have a history, and all others "
                "are leaves."
            ),
            "Then go through the calls: does one ask of a leaf what only a result may do, or the other way round?",
        ],
        why="A leaf is a tensor without a history: one that you made, one that was cut off, and any that requires no "
        "gradient. backward() stores `.grad` in leaves that require it; a result passes its gradient on and keeps "
        "nothing, unless `retain_grad()` was called before. A leaf that requires a gradient cannot be written to in "
        "place while autograd records, and only a leaf can have its flag changed or go to an optimizer.",
        wrong=wrong,
    )
