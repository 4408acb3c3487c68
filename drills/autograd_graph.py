"""Autograd: what adds up in `.grad`."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tensordrill.authoring import PredictValue, Rng, drill
from tensordrill.building.gradients import Belief, made, predicted, settled

SECOND, THIRD = 2, 3  # levels


class Step(NamedTuple):
    """Lines of the program, and what they do: to which gradients, by how much."""

    text: str
    act: str
    slopes: Mapping[str, float] = {}
    names: Sequence[str] = ()


Grads = dict[str, list[float] | None]  # one number, shared where two names stand for one tensor


def played(steps: Sequence[Step], rule: str = "") -> Grads:
    """The gradients at the end, by torch's rules or with one of them mistaken."""
    grads: Grads = {}
    for step in steps:
        for name, slope in step.slopes.items() if step.act == "back" or rule == "grad-adds" else ():
            box = grads.get(name)
            if box is None or rule == "overwritten":
                grads[name] = [slope]
            elif rule != "first-only":
                box[0] += slope
        for name in step.names:
            box = grads.get(name)
            match step.act:
                case "zero" | "none" if rule == "zeroing-ignored":
                    pass
                case "zero" if rule != "none-for-zero" and box:
                    box[0] = 0
                case "none" if rule == "zero-for-none":
                    grads[name] = [0]
                case "zero" | "none":
                    grads[name] = None
                case "alias" | "copy":
                    shared = rule == "copy-is-alias" or (step.act == "alias" and rule != "alias-is-copy")
                    grads["g"] = box if shared or box is None else list(box)
    if rule == "name-follows" and "g" in grads:
        grads["g"] = grads[next(iter(grads))]
    count = sum(step.act == "back" for step in steps)
    return {name: [box[0] / count] if box and rule == "averaged" else box for name, box in grads.items()}


RULES = {
    "overwritten": "backward() adds to .grad. What was there before stays in the sum.",
    "first-only": "backward() adds to .grad every time, not the first time alone.",
    "zeroing-ignored": "The gradient is cleared in between: what came before does not count.",
    "zero-for-none": "zero_grad() sets the gradients to None by default (set_to_none=True), and so does `= None`.",
    "none-for-zero": "zero_() fills the tensor with zeros, in place. It is still there, and not None.",
    "grad-adds": "torch.autograd.grad returns the gradient. It adds nothing to .grad.",
    "alias-is-copy": "`g = w.grad` is another name for the same tensor, and later passes add to it in place.",
    "name-follows": "`g` stays with the tensor that it was given, also when .grad gets another one later.",
    "averaged": "The gradients of several passes are added, and divided by nothing.",
    "copy-is-alias": "clone() is a copy of its own: what happens to the gradient later does not reach it.",
}


def loss_of(rng: Rng, tensors: Mapping[str, int]) -> tuple[str, dict[str, int]]:
    """A loss of those numbers, and its slopes."""
    names = list(tensors)
    k, m = rng.integer(2, 5), rng.integer(1, 9)
    if len(names) > 1:
        w, b = names
        return rng.pick(
            [
                (f"{k} * {w} + {b}", {w: k, b: 1}),
                (f"{w} * {k} - {b}", {w: k, b: -1}),
                (f"{w} * {b}", {w: tensors[b], b: tensors[w]}),
                (f"{w} + {k} * {b}", {w: 1, b: k}),
                (f"{w} ** 2 - {k} * {b}", {w: 2 * tensors[w], b: -k}),
                (f"{k} * ({w} + {b})", {w: k, b: k}),
            ]
        )
    [w] = names
    return rng.pick(
        [
            (f"{k} * {w}", {w: k}),
            (f"{w} * {k}", {w: k}),
            (f"{w} ** 2", {w: 2 * tensors[w]}),
            (f"{k} * {w} + {m}", {w: k}),
            (f"{m} - {w}", {w: -1}),
            (f"{m} - {k} * {w}", {w: -k}),
            (f"{k} * {w} ** 2", {w: 2 * k * tensors[w]}),
        ]
    )


def back(rng: Rng, tensors: Mapping[str, int]) -> Step:
    loss, slopes = loss_of(rng, tensors)
    return Step(f"({loss}).backward()" if rng.chance() else f"loss = {loss}\nloss.backward()", "back", slopes)


def apart(rng: Rng, tensors: Mapping[str, int]) -> Step:
    loss, slopes = loss_of(rng, tensors)
    w = rng.pick(list(tensors))
    return Step(f"torch.autograd.grad({loss}, {w})", "grad", {w: slopes[w]})


def clear(rng: Rng, name: str) -> Step:
    return rng.pick(
        [Step(f"{name}.grad = None", "none", names=[name]), Step(f"{name}.grad.zero_()", "zero", names=[name])]
    )


def cleared_all(rng: Rng, names: Sequence[str]) -> Step:
    kept = rng.chance(0.35)
    return Step(f"optimizer.zero_grad({'set_to_none=False' if kept else ''})", "zero" if kept else "none", names=names)


def plain_steps(rng: Rng, tensors: Mapping[str, int]) -> list[Step]:
    [w] = tensors
    steps = [back(rng, tensors) for _ in range(rng.integer(2, 3))]
    if rng.chance(0.4):
        steps.insert(rng.integer(1, len(steps) - 1), clear(rng, w))
    return steps


def loop_steps(rng: Rng, tensors: Mapping[str, int]) -> list[Step]:
    """A loop of backward passes. Its text is that of its first step."""
    [w] = tensors
    factors = rng.distinct(rng.integer(2, 4), 1, 6)
    form, slope = rng.pick([(f"k * {w}", 1), (f"k * {w} ** 2", 2 * tensors[w]), (f"5 - k * {w}", -1)])
    clearing = cleared_all(rng, [w]) if rng.chance(0.7) else Step(f"{w}.grad = None", "none", names=[w])
    place = rng.pick(["none", "top", "top", "bottom", "after", "last"])
    body = [f"loss = {form}", "loss.backward()"]
    if place in ("top", "bottom"):
        body.insert(0 if place == "top" else len(body), clearing.text)
    text = f"for k in {factors}:\n    " + "\n    ".join(body)
    steps = []
    for k in factors:
        passed = Step("", "back", {w: k * slope})
        silent = Step("", clearing.act, names=clearing.names)
        steps += {"top": [silent, passed], "bottom": [passed, silent]}.get(place, [passed])
    steps.insert(0, Step(text, "loop"))
    if place == "after":
        steps += [clearing, back(rng, tensors)]
    elif place == "last":
        steps += [rng.pick([apart, back])(rng, tensors), *([clearing] if rng.chance(0.4) else [])]
    return steps


def mixed_steps(rng: Rng, tensors: Mapping[str, int]) -> list[Step]:
    [w] = tensors
    steps = [back(rng, tensors), rng.pick([apart, back])(rng, tensors), rng.pick([apart, back])(rng, tensors)]
    if rng.chance(0.7):
        steps.insert(rng.integer(1, 3), rng.pick([clear(rng, w), cleared_all(rng, [w])]))
    return steps


def two_steps(rng: Rng, tensors: Mapping[str, int], owned: Sequence[str]) -> list[Step]:
    """Two tensors, of which the optimizer has those that it owns."""
    steps = [back(rng, tensors), back(rng, tensors)]
    middle = cleared_all(rng, owned) if rng.chance(0.7) else clear(rng, rng.pick(list(tensors)))
    if rng.chance(0.6):
        w = next(iter(tensors))
        noted = rng.pick([Step(f"g = {w}.grad", "alias", names=[w]), Step(f"g = {w}.grad.clone()", "copy", names=[w])])
        return [steps[0], noted, *([middle] if rng.chance() else []), steps[1]]
    return [steps[0], *([back(rng, tensors)] if rng.chance(0.3) else []), middle, steps[1]]


@drill(after=["autograd.fan-out"], levels=3, lesson="Autograd", arena="0.4", structures=(300, 300, 400))
def accumulate(rng: Rng) -> PredictValue:
    """Gradients add up until they are cleared."""
    names = rng.pick([("w", "b"), ("a", "c")]) if rng.level == THIRD else (rng.pick("xwa"),)
    tensors = {name: rng.integer(2, 5) for name in names}
    owned = rng.pick([names, names[:1]])

    def drawn() -> list[Step]:
        if rng.level == 1:
            return plain_steps(rng, tensors)
        if rng.level == THIRD:
            return two_steps(rng, tensors, owned)
        return rng.pick([loop_steps, loop_steps, mixed_steps])(rng, tensors)

    steps = settled(drawn, lambda one: any(played(one, rule) != played(one) for rule in RULES))
    lines = [made(name, value) for name, value in tensors.items()]
    if any("optimizer" in step.text for step in steps):
        lines.append(f"optimizer = torch.optim.SGD([{', '.join(owned)}], lr=0.1)")
    grads = played(steps)
    if rng.level < THIRD:
        asked, shown = f"{names[0]}.grad", [names[0]]
    else:
        shown = [names[0], "g"] if "g" in grads else list(names)
        asked = f"[{', '.join([f'{n}.item()' if n == 'g' else f'{n}.grad.item()' for n in shown])}]"

    count = sum(step.act == "back" for step in steps)
    told = f"backward() is called {'twice' if count == SECOND else 'three times'}. " if rng.level == 1 else ""

    def seen(rule: str) -> object:
        end = played(steps, rule)
        numbers = [box[0] if (box := end.get(name)) else None for name in shown]
        return numbers[0] if rng.level < THIRD else None if None in numbers else numbers

    return PredictValue(
        prompt=f"{told}What is `{asked}` at the end?" + (" It may be `None`." if rng.level == SECOND else ""),
        program="\n".join([*lines, *[step.text for step in steps if step.text]]),
        ask=asked,
        hints=[
            "backward() adds to .grad. Go through the lines and keep the sum.",
            "Does a line clear the gradient, and to what: to zeros in place, or to None? What came before it is gone.",
        ],
        why="backward() accumulates: it adds the new gradients to `.grad`, in place. They stay until something clears "
        "them: `x.grad = None`, `x.grad.zero_()`, or `optimizer.zero_grad()`, which sets those of its own parameters "
        "to None (set_to_none=True is the default). `torch.autograd.grad` returns gradients and stores none.",
        wrong=predicted(seen(""), [Belief(rule, seen(rule), because) for rule, because in RULES.items()]),
    )
