"""Autograd: which tensors are tracked."""

from collections.abc import Sequence
from typing import NamedTuple

from tensordrill.authoring import PredictValue, Rng, drill
from tensordrill.building.gradients import Belief, made, predicted, settled

THIRD = 3  # level


class Line(NamedTuple):
    """A line that names a tensor: what it is computed of, within which blocks, and whether it asks for a gradient.

    Without a text it is `name.requires_grad_()`, for a tensor that is there.
    """

    name: str
    text: str
    inputs: Sequence[str] = ()
    blocks: Sequence[str] = ()
    asks: bool = False


class Flags(NamedTuple):
    requires: bool
    history: bool  # it has a grad_fn
    inference: bool = False


BLOCKS = {
    "no_grad": "with torch.no_grad():",
    "inference": "with torch.inference_mode():",
    "set_off": "with torch.set_grad_enabled(False):",
    "set_on": "with torch.set_grad_enabled(True):",
    "enable": "with torch.enable_grad():",
}
ON = ("enable", "set_on")


def recording(blocks: Sequence[str], rule: str) -> bool:
    on = True
    for block in blocks:
        if block in ON:
            on = on if rule == "enable-ignored" else "inference" not in blocks or rule == "enable-beats-inference"
        else:
            on = False
    return on or rule == "block-ignored"


def flags_of(lines: Sequence[Line], rule: str = "") -> dict[str, Flags]:
    flags: dict[str, Flags] = {}
    left = False  # a block has been left behind
    before: Sequence[str] = ()
    for line in lines:
        left = left or bool(before and not line.blocks)
        before = line.blocks
        on = recording(line.blocks, rule) and not (left and rule == "outlives")
        inference = "inference" in line.blocks or (
            rule == "inference-spreads" and any(flags[name].inference for name in line.inputs)
        )
        if not line.text:
            flags[line.name] = Flags(True, flags[line.name].history)
        elif line.asks:
            asks = on or rule != "factory-blocked"
            flags[line.name] = Flags(asks, False, inference)
        else:
            given = [flags[name].requires for name in line.inputs]
            tracked = on and (all(given) and bool(given) if rule == "all-inputs-needed" else any(given))
            flags[line.name] = Flags(tracked, tracked, inference)
        if not on and rule == "input-loses":
            flags |= {name: Flags(False, False, flags[name].inference) for name in line.inputs}
        if inference and rule == "input-converted":
            flags |= {name: flags[name]._replace(inference=True) for name in line.inputs}
    return flags


def as_text(lines: Sequence[Line]) -> str:
    text: list[str] = []
    before: Sequence[str] = ()
    for line in lines:
        if "decorated" in line.blocks:
            text.append(line.text)
            continue
        for depth, block in enumerate(line.blocks):
            if before[: depth + 1] != line.blocks[: depth + 1]:
                text.append("    " * depth + BLOCKS[block])
        before = line.blocks
        text.append("    " * len(line.blocks) + (line.text or f"{line.name}.requires_grad_()"))
    return "\n".join(text)


TRACKING = {
    "input-loses": "A block changes nothing about tensors that are there already: what goes in keeps requires_grad.",
    "outlives": "After the block everything is recorded again.",
    "block-ignored": "What is computed inside the block is not recorded: it does not require a gradient.",
    "all-inputs-needed": "One input that requires a gradient is enough for the result to require one.",
    "factory-blocked": "requires_grad=True makes a leaf that requires a gradient, inside the block too.",
    "enable-ignored": "enable_grad() within no_grad() records again, until it ends.",
    "inference-spreads": "What is computed outside the block is a normal tensor, also of inference tensors.",
    "input-converted": "Tensors that are there already stay what they are: only what is made in the block is special.",
    "enable-beats-inference": "Nothing is recorded within inference_mode(), not even under enable_grad().",
}


def computed(rng: Rng, name: str, pool: Sequence[str], blocks: Sequence[str] = ()) -> Line:
    """A tensor made of one or two of the pool. Nothing needs to be saved for backward: inference tensors cannot be."""
    a, *others = rng.sample(pool, min(2, len(pool)))
    k = rng.integer(2, 5)
    if others and rng.chance(0.6):
        b = others[0]
        return Line(name, f"{name} = {a} {rng.pick('+-')} {b}", [a, b], blocks)
    return Line(name, f"{name} = {rng.pick([f'{k} * {a}', f'{a} + {k}', f'{a}.exp()', f'{a}.relu()'])}", [a], blocks)


def leaf_line(name: str, values: Sequence[int]) -> Line:
    return Line(name, made(name, list(values)), asks=True)


def simple_lines(rng: Rng) -> list[Line]:
    """One block, with something after it."""
    lines = [leaf_line("x", rng.sample(range(1, 6), 2))]
    if rng.chance(0.4):
        lines.append(computed(rng, "a", "x"))
    blocks = ["no_grad"] if rng.level == 1 else [rng.pick(["no_grad", "no_grad", "inference", "set_off", "set_on"])]
    for name in "yz"[: rng.integer(1, 2)]:
        lines.append(computed(rng, name, [line.name for line in lines], blocks))
    for name in "uv"[: rng.integer(1, 2)]:
        lines.append(computed(rng, name, [line.name for line in lines]))
    return lines


def data_lines(rng: Rng) -> list[Line]:
    """Something that needs no gradient meets something that does, before a block, in it and after."""
    data = Line("d", made("d", rng.sample(range(1, 6), 2), leaf=False))
    lines = rng.shuffled([leaf_line("x", rng.sample(range(1, 6), 2)), data])
    blocks = [rng.pick(["no_grad", "set_off", "inference"])]
    lines.append(computed(rng, "a", "dx", rng.pick([(), blocks])))
    lines.append(computed(rng, "b", "adx", blocks if not lines[-1].blocks else ()))
    if rng.chance():
        lines.append(computed(rng, "c", "abdx"))
    return lines


def decorated_lines(rng: Rng) -> list[Line]:
    """A function that does not record."""
    lines = [leaf_line("x", rng.sample(range(1, 6), 2))]
    mode, body = rng.pick(["no_grad", "no_grad", "inference_mode"]), rng.pick(["2 * v", "v + 1", "v.exp()"])
    blocks = ["decorated", "no_grad" if mode == "no_grad" else "inference"]
    x = lines[0]._replace(text=f"@torch.{mode}()\ndef f(v):\n    return {body}\n\n{lines[0].text}")
    two = rng.shuffled([computed(rng, "a", "x"), Line("b", "b = f(x)", ["x"], blocks)])
    last = rng.pick("ab")
    third = Line("c", f"c = f({last})", [last], blocks) if rng.chance(0.3) else computed(rng, "c", "abx")
    return [x, *two, third]


def nested_lines(rng: Rng) -> list[Line]:
    """A block within a block, or a leaf that is made inside one."""
    lines = [leaf_line("x", rng.sample(range(1, 6), 2))]
    within = rng.chance()
    outer = rng.pick(["no_grad", "no_grad", "set_off", *(["inference"] if within else [])])
    lines.append(computed(rng, "a", "x", [outer]))
    if within:
        lines.append(computed(rng, "b", "ax", [outer, rng.pick(ON)]))
        if rng.chance():
            lines.append(computed(rng, "c", "bx", [outer]))
    else:
        lines.append(Line("p", "p = torch.ones(2, requires_grad=True)", blocks=[outer], asks=True))
        lines.append(computed(rng, "b", "px", rng.pick([(), [outer]])))
    if outer != "inference" and rng.chance(0.4):
        lines.append(Line("a", ""))
    lines.append(computed(rng, "y", [line.name for line in lines if line.text]))
    return lines


PROPERTIES = ("{}.requires_grad", "{}.grad_fn is None", "{}.is_leaf", "{}.is_inference()")


def shown(flags: Flags, at: int, rule: str) -> bool:
    """One of the properties."""
    without_history = not flags.requires if rule == "leaf-has-grad-fn" else not flags.history
    return (flags.requires, without_history, without_history, flags.inference)[at]


PROGRAMS = (
    (simple_lines,),
    (simple_lines, data_lines, decorated_lines),
    (nested_lines, nested_lines, data_lines, decorated_lines),
)


def no_grad_question(rng: Rng) -> tuple[list[Line], list[str], int]:
    """The lines, the tensors that are asked, and which property of them."""
    lines = rng.pick(
        [[simple_lines], [simple_lines, data_lines], [nested_lines, nested_lines, data_lines]][rng.level - 1]
    )(rng)
    names = list(dict.fromkeys([line.name for line in lines]))
    count = min(len(names), 3 if rng.level == 1 else 4)
    picked = rng.sample(names, count)
    at = 0 if rng.level == 1 else rng.pick([0, 0, 1, 2])
    if rng.level == THIRD and any("inference" in line.blocks for line in lines) and rng.chance(0.4):
        at = 3
    return lines, [name for name in names if name in picked], at


@drill(after=["autograd.detach"], levels=3, lesson="Autograd", arena="0.4", structures=(400, 500, 500))
def no_grad(rng: Rng) -> PredictValue:
    """What no_grad and inference_mode leave untracked."""

    def mixed(it: tuple[list[Line], list[str], int]) -> bool:
        lines, names, at = it
        flags = flags_of(lines)
        return len({shown(flags[name], at, "") for name in names}) > 1

    lines, names, at = settled(lambda: no_grad_question(rng), mixed)

    def seen(rule: str) -> list[bool]:
        flags = flags_of(lines, rule)
        return [shown(flags[name], at, rule) for name in names]

    asked = f"[{', '.join([PROPERTIES[at].format(name) for name in names])}]"
    more = {
        "leaf-has-grad-fn": "A leaf that requires a gradient has no grad_fn: nothing computed it. Its gradient is kept "
        "in .grad.",
    }
    beliefs = [Belief(rule, seen(rule), because) for rule, because in (TRACKING | more).items()]
    opposite = [not flag for flag in seen("")]
    beliefs.append(Belief("turned-round", opposite, "Those are the opposites. Read again what is asked."))
    guide = "Inside the block nothing is recorded. " if rng.level == 1 else ""
    return PredictValue(
        prompt=f"{guide}What is `{asked}` at the end?",
        program=as_text(lines),
        ask=asked,
        hints=[
            "Go through the lines. Is the line recorded, and does one of its inputs require a gradient?",
            (
                "A result requires a gradient, and has a grad_fn, where both hold. Tensors that are there already "
                "keep their flags."
            ),
        ],
        why="Under `torch.no_grad()` and `torch.inference_mode()` results have requires_grad=False and no grad_fn, "
        "even though their inputs require a gradient. The inputs keep their flag, a leaf made with requires_grad=True "
        "gets it, and after the block operations are recorded as before. What has no grad_fn is a leaf. Tensors made "
        "in inference mode stay inference tensors.",
        wrong=predicted(seen(""), beliefs),
    )
