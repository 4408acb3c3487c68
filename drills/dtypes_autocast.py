"""Dtypes: what autocast computes in which one."""

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

from tensordrill.authoring import PredictValue, Rng, drill
from tensordrill.building.dtypes import mistaken, promoted

SECOND, THIRD = 2, 3  # levels
LOW, FULL = "bfloat16", "float32"
OUTSIDE, UNDER, OFF = 0, 1, 2  # where a line stands; OFF is a block in the block that turns autocast off
HEADS = {UNDER: 'with torch.autocast("cpu", dtype=torch.bfloat16):', OFF: 'with torch.autocast("cpu", enabled=False):'}

# All tensors have shape (4, 4). What CPU and CUDA treat alike: autocast runs products low and losses in float32, and
# leaves everything here else alone.
PRODUCTS = (
    "layer({a})",
    "layer({a})",
    "conv({a})",
    "{a} @ w",
    "w @ {a}",
    "F.linear({a}, w)",
    "torch.einsum('ij,jk->ik', {a}, w)",
)
LOSSES = ("F.mse_loss({a}, y)", "F.l1_loss({a}, y)", "F.cross_entropy({a}, y)")
BOTH = ("{a} + {b}", "{a} * {b}", "{a} - {b}", "torch.maximum({a}, {b})")
ALONE = ("{a}.relu()", "{a}.tanh()", "{a} * 0.5", "{a} + 1", "F.gelu({a})", "{a}.T")


class Step(NamedTuple):
    """A line: its name and text, its kind (`product`, `loss`, `cast` or `other`), the names that go in, where it is.

    The first input of a cast is the dtype.
    """

    name: str
    text: str
    kind: str
    inputs: Sequence[str]
    place: int = UNDER


def run(steps: Sequence[Step], rule: str = "") -> dict[str, str]:
    """The dtype of each name, by the rule."""
    weights = LOW if rule == "weights-become-low" else FULL
    known = {"x": FULL, "y": FULL, "w": FULL, "layer.weight": weights, "conv.weight": weights}
    casts = {step.name for step in steps if step.kind == "cast" and step.inputs[0] == FULL}
    places = {UNDER, *([OFF] if rule == "off-ignored" else []), *([OUTSIDE] if rule == "outlives-the-block" else [])}
    for step in steps:
        if step.kind == "cast":
            known[step.name] = step.inputs[0]
            continue
        given = [known[name] for name in step.inputs if name in known]
        dtype = reduce(promoted, given)
        if step.place in places and rule != "nothing-low":
            if step.kind == "product":
                sticks = rule == "cast-sticks" and casts & set(step.inputs)
                dtype = FULL if sticks or rule == "cast-back" else LOW
            elif step.kind == "loss":
                dtype = dtype if rule == "losses-follow" else LOW if rule == "losses-low" else FULL
            elif rule == "everything-low" or (rule == "low-wins" and LOW in given):
                dtype = LOW
        known[step.name] = dtype
    return known


RULES = {
    "low-wins": "bfloat16 with float32 promotes to float32, under autocast too.",
    "everything-low": "Autocast runs matrix products and convolutions low. Other operations go by what they get: "
    "float32 stays float32.",
    "losses-low": "Losses are computed in float32 under autocast, whatever they get.",
    "cast-back": "The result of a product stays in bfloat16. Nothing casts it back.",
    "weights-become-low": "The weights stay float32, and so do their gradients. A copy of them is cast for each "
    "product.",
    "cast-sticks": "Under autocast a product casts its inputs, also those that you have made float32.",
    "outlives-the-block": "After the block autocast is over. What is low stays low, and operations go by what "
    "they get.",
    "off-ignored": "Where enabled=False, autocast does nothing: a product goes by what it gets.",
    "nothing-low": "Under autocast matrix products and convolutions cast their inputs to bfloat16, and give bfloat16.",
}


def product(rng: Rng, name: str, a: str, place: int = UNDER) -> Step:
    text = rng.pick(PRODUCTS)
    weights = "layer.weight" if "layer" in text else "conv.weight" if "conv" in text else "w"
    return Step(name, text.format(a=a), "product", (a, weights), place)


def other(rng: Rng, name: str, pool: Sequence[str], place: int = UNDER) -> Step:
    """An operation that autocast leaves alone, on the newest of the pool and one before it, or on one alone."""
    if rng.chance(0.7):
        a, b = rng.shuffled([pool[-1], rng.pick(pool[:-1])])
        return Step(name, rng.pick(BOTH).format(a=a, b=b), "other", (a, b), place)
    a = rng.pick(pool)
    return Step(name, rng.pick(ALONE).format(a=a), "other", (a,), place)


def loss(rng: Rng, name: str, a: str) -> Step:
    return Step(name, rng.pick(LOSSES).format(a=a), "loss", (a, "y"))


def cast(rng: Rng, name: str, a: str, dtype: str = FULL, place: int = UNDER) -> Step:
    call = {FULL: "float", LOW: "bfloat16"}[dtype]
    return Step(name, rng.pick([f"{a}.{call}()", f"{a}.to(torch.{dtype})"]), "cast", (dtype,), place)


def few(rng: Rng) -> list[Step]:
    """A product, and one more operation."""
    steps = [product(rng, "h", "x")]
    steps.insert(rng.integer(0, 1), other(rng, "z", rng.pick(["yx", "xy"])))
    if steps[0].name == "h" and rng.chance(0.6):
        steps[1] = other(rng, "z", "xh")
    return steps


def forward(rng: Rng) -> list[Step]:
    """Products, what is between them, and perhaps a loss."""
    steps = [product(rng, "h", "x"), other(rng, "a", "xh")]
    steps.append(rng.pick([product, loss])(rng, "b", rng.pick("ah")))
    if steps[-1].kind == "product" and rng.chance():
        steps.append(loss(rng, "c", "b"))
    elif rng.chance(0.5):
        steps.insert(2, other(rng, "c", rng.pick(["xa", "ha"])))
    return steps


def casting(rng: Rng) -> list[Step]:
    """A cast by hand under autocast."""
    steps = [product(rng, "h", "x"), cast(rng, "a", "h"), rng.pick([product, product, loss])(rng, "b", "a")]
    steps.append(
        other(rng, "c", rng.pick(["xb", "ab", "hb"])) if steps[-1].kind == "product" else other(rng, "c", "xa")
    )
    return steps


def leaving(rng: Rng) -> list[Step]:
    """What was computed in the block is used after it."""
    steps = [product(rng, "h", "x"), rng.pick([other(rng, "a", "xh"), cast(rng, "a", "x", LOW)])]
    steps.append(
        rng.pick(
            [
                product(rng, "b", "x", OUTSIDE),
                Step("b", "h @ h.T", "product", ("h", "h"), OUTSIDE),
                other(rng, "b", "xh", OUTSIDE),
            ]
        )
    )
    steps.append(other(rng, "c", rng.pick(["hb", "xb", "ab"]), OUTSIDE))
    return steps


def turned_off(rng: Rng) -> list[Step]:
    """A block in the block, in which autocast is off."""
    steps = [product(rng, "h", "x")]
    if rng.chance():
        steps += [cast(rng, "a", "h", place=OFF), product(rng, "b", "a", OFF)]
    else:
        steps += [other(rng, "a", "xh", OFF), product(rng, "b", "x", OFF)]
    steps.append(rng.pick([other(rng, "c", "hb"), product(rng, "c", "b")]))
    return steps


def behind(steps: Sequence[Step], it: Step) -> set[str]:
    """The names that the step is computed of."""
    found = set(it.inputs)
    for step in reversed(steps[: steps.index(it)]):
        if step.name in found and step.kind != "cast":
            found |= set(step.inputs)
    return found


def as_lines(steps: Sequence[Step]) -> list[str]:
    lines = []
    place = OUTSIDE
    for step in steps:
        if step.place > place:
            lines.append("    " * place + HEADS[step.place])
        place = step.place
        lines.append(f"{'    ' * place}{step.name} = {step.text}")
    return lines


SCENES = ((few,), (forward,), (casting, leaving, turned_off, forward))


@drill(
    after=["dtypes.matmul-mismatch", "dtypes.half"], levels=3, lesson="Tensors", arena="0.3", structures=(100, 500, 800)
)
def autocast(rng: Rng) -> PredictValue:
    """What autocast computes in 16 bits."""
    scene = rng.pick(SCENES[rng.level - 1])
    steps = scene(rng)
    text = "\n".join(as_lines(steps))
    used = {name for step in steps for name in step.inputs}
    lines = [f"{name} = torch.rand(4, 4)" for name in "xyw" if name in used]
    lines += ["layer = nn.Linear(4, 4)"] if "layer" in text else []
    lines += ["conv = nn.Conv1d(4, 4, 1)"] if "conv" in text else []
    names = [step.name for step in steps]
    asked = [f"{name}.dtype" for name in names]
    at_loss = next((step for step in steps if step.kind == "loss"), None)
    if at_loss and rng.level == THIRD and "layer.weight" in behind(steps, at_loss):
        text += f"\n{at_loss.name}.backward()"
        names, asked = [*names, "layer.weight"], [*asked, "layer.weight.grad.dtype"]
    elif rng.chance(0.3) and "layer" in text:
        names, asked = [*names, "layer.weight"], [*asked, "layer.weight.dtype"]
    names, asked = names[-4:], asked[-4:]

    def seen(rule: str) -> list[str]:
        known = run(steps, rule)
        return [known[name] for name in names]

    told = (
        "Autocast runs matrix products in the low dtype. Other operations go by what they get. "
        if rng.level == 1
        else ""
    )
    shown = f"[{', '.join(asked)}]"
    return PredictValue(
        prompt=f"{told}What is `{shown}`?",
        program="\n".join([*lines, text]),
        ask=shown,
        dtypes_matter=True,
        hints=[
            "Which lines are matrix products, which are losses, and which stand in the block?",
            (
                "Under autocast a product gives bfloat16, and a loss gives float32. Everything else here goes by type "
                "promotion, in which bfloat16 with float32 gives float32."
            ),
        ],
        why="Under `torch.autocast` matrix products, linear layers and convolutions cast their inputs to the low "
        "dtype and give a result in it; losses cast theirs to float32. Elementwise operations are left alone, so "
        "bfloat16 with float32 promotes to float32. Parameters are never changed: copies of them are cast, and "
        "gradients have the parameters' dtype. After the block, or where enabled=False, nothing is cast.",
        wrong=mistaken(seen(""), [(rule, seen(rule), because) for rule, because in RULES.items()]),
    )
