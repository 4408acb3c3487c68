"""Autograd: writes in place, between the forward and the backward pass."""

from collections.abc import Callable, Sequence
from math import prod
from typing import NamedTuple

from tensordrill.authoring import Choice, Choose, Rng, Wrong, drill
from tensordrill.building.gradients import floats, made, settled

SECOND, THIRD = 2, 3  # levels
Numbers = list[float]


class Operation(NamedTuple):
    """An elementwise operation: its value, its slope, and whether that is computed of what went `in` or came `out`."""

    text: str
    value: Callable[[float], float]
    slope: Callable[[float], float]
    saves: str = ""


class Write(NamedTuple):
    """A line that writes to a tensor: what an entry becomes, and by what the graph multiplies if it records the write.

    What is not recorded is counted as a change all the same, except through `.data`.
    """

    text: str
    new: Callable[[int, float], float]
    factor: Callable[[int, float], float]
    recorded: bool = True
    counted: bool = True


class Outcome(NamedTuple):
    """What happens: the error, if there is one, and gradients with the mistakes that give them, the right one first."""

    program: Sequence[str]
    raises: str
    gradients: Sequence[tuple[str, Numbers]]


EXP = Operation("{}.exp()", lambda v: v, lambda v: v, "out")  # of logarithms, by their exponentials


def operation(rng: Rng, *, smooth: bool = False) -> Operation:
    k = rng.integer(2, 4)
    kinds = [
        Operation(f"{k} * {{}}", lambda v: k * v, lambda _: k),
        Operation(f"{{}} + {k}", lambda v: v + k, lambda _: 1),
        Operation(f"{k} - {{}}", lambda v: k - v, lambda _: -1),
        Operation("{}.clone()", lambda v: v, lambda _: 1),
        Operation("{} ** 2", lambda v: v**2, lambda v: 2 * v, "in"),
        Operation("{} ** 2", lambda v: v**2, lambda v: 2 * v, "in"),
    ]
    if not smooth:
        kinds += [Operation("{}.relu()", lambda v: max(v, 0), lambda v: float(v > 0), "out")] * 3
    return rng.pick(kinds)


def any_write(rng: Rng, v: str, *, recorded: bool) -> Write:
    k, i = rng.integer(2, 5), rng.integer(0, 1)
    if recorded:
        return rng.pick(
            [
                Write(f"{v} += {k}", lambda _, n: n + k, lambda *_: 1),
                Write(f"{v} -= {k}", lambda _, n: n - k, lambda *_: 1),
                Write(f"{v} *= {k}", lambda _, n: k * n, lambda *_: k),
                Write(f"{v}.mul_({k})", lambda _, n: k * n, lambda *_: k),
                Write(f"{v}.zero_()", lambda *_: 0, lambda *_: 0),
                Write(f"{v}[{i}] = {k}.", lambda at, n: k if at == i else n, lambda at, _: float(at != i)),
                Write(f"{v}.relu_()", lambda _, n: max(n, 0), lambda _, n: float(n > 0)),
            ]
        )
    text, counted = rng.pick(
        [
            ("{v}.data {op}= {k}", False),
            ("{v}.detach().{name}_({k})", True),
            ("with torch.no_grad():\n    {v} {op}= {k}", True),
        ]
    )
    if rng.chance():
        return Write(text.format(v=v, op="+", name="add", k=k), lambda _, n: n + k, lambda *_: 1, False, counted)
    return Write(text.format(v=v, op="*", name="mul", k=k), lambda _, n: k * n, lambda *_: k, False, counted)


def loss_of(rng: Rng, name: str) -> tuple[str, Callable[[float], float]]:
    """A loss of the tensor, and its slope by an entry."""
    if rng.level == 1 or rng.chance():
        return f"{name}.sum()", lambda _: 1
    g = rng.integer(2, 4)
    return rng.pick([(f"({name} ** 2).sum()", lambda v: 2 * v), (f"({g} * {name}).sum()", lambda _: g)])


LEAF, OVERWRITTEN = "leaf Variable that requires grad", "modified by an inplace operation"


def on_result(rng: Rng) -> Outcome:
    """A result is written to, and the loss is computed of what it has become."""
    write = any_write(rng, "y", recorded=rng.level == 1 or rng.chance())
    x, op = rng.sample([1, 2, 3, 4, -1, -2], 2), operation(rng)
    start = made("x", x)
    if write.counted and rng.chance(0.3):
        x, op = rng.sample([2, 3, 4, 5], 2), EXP
        start = f"x = torch.tensor({floats(x)}).log().requires_grad_()"
    loss, pull = loss_of(rng, "y")
    y = [op.value(v) for v in x]
    new = [write.new(i, v) for i, v in enumerate(y)]
    slopes = [op.slope(v) for v in x]
    factors = [write.factor(i, v) for i, v in enumerate(y)]
    back = [pull(v) for v in new]
    counted = multiplied(back, factors, slopes)
    uncounted = multiplied(back, [op.slope(v) for v in new] if op.saves == "out" else slopes)
    return Outcome(
        [start, f"y = {op.text.format('x')}", write.text, f"{loss}.backward()"],
        OVERWRITTEN if op.saves == "out" and write.counted else "",
        [
            ("", counted if write.recorded else uncounted),
            ("write-ignored", multiplied([pull(v) for v in y], slopes)),
            ("write-recorded", counted),
            ("cut-off", [0, 0]),
        ],
    )


def multiplied(*columns: Sequence[float]) -> Numbers:
    return [float(prod(column)) for column in zip(*columns, strict=True)]


def on_operand(rng: Rng) -> Outcome:
    """A result is written to after something was computed of it."""
    x, first, second = rng.sample([1, 2, 3, 4, -1, -2], 2), operation(rng), operation(rng)
    write = any_write(rng, "y", recorded=rng.level == SECOND or rng.chance())
    loss, pull = loss_of(rng, "z")
    y = [first.value(v) for v in x]
    new = [write.new(i, v) for i, v in enumerate(y)]
    factors = [write.factor(i, v) for i, v in enumerate(y)]
    back, late = [pull(second.value(v)) for v in y], [pull(second.value(v)) for v in new]
    slopes, inner = [first.slope(v) for v in x], [second.slope(v) for v in y]
    used = slopes, inner
    if not write.counted:
        used = (
            [first.slope(v) for v in new] if first.saves == "out" else slopes,
            [second.slope(v) for v in new] if second.saves == "in" else inner,
        )
    needed = first.saves == "out" or second.saves == "in"
    return Outcome(
        [
            made("x", x),
            f"y = {first.text.format('x')}",
            f"z = {second.text.format('y')}",
            write.text,
            f"{loss}.backward()",
        ],
        OVERWRITTEN if needed and write.counted else "",
        [
            ("", multiplied(back, *used)),
            ("old-values", multiplied(back, slopes, inner)),
            ("computed-anew", multiplied(late, [second.slope(v) for v in new], factors, slopes)),
            ("cut-off", [0, 0]),
        ],
    )


def on_leaf(rng: Rng) -> Outcome:
    """The leaf itself is written to, before the walk back."""
    x, op = rng.sample([1, 2, 3, 4, -1, -2], 2), operation(rng)
    write = any_write(rng, "x", recorded=rng.chance(0.9 if rng.level == 1 else 0.3))
    loss, pull = loss_of(rng, "y")
    new = [write.new(i, v) for i, v in enumerate(x)]
    back, slopes, late = [pull(op.value(v)) for v in x], [op.slope(v) for v in x], [op.slope(v) for v in new]
    raises = LEAF if write.recorded else OVERWRITTEN if write.counted and op.saves == "in" else ""
    return Outcome(
        [made("x", x), f"y = {op.text.format('x')}", write.text, f"{loss}.backward()"],
        raises,
        [
            ("", multiplied(back, late if op.saves == "in" else slopes)),
            ("old-values", multiplied(back, slopes)),
            ("computed-anew", multiplied([pull(op.value(v)) for v in new], late)),
            ("cut-off", [0, 0]),
        ],
    )


def on_data(rng: Rng) -> Outcome:
    """The other operand, which needs no gradient, is written to."""
    x, w = rng.sample([1, 2, 3, -1, -2], 2), rng.sample([2, 3, 4, 5, -2], 2)
    write = any_write(rng, "w", recorded=rng.chance(0.7))
    kinds: list[tuple[str, bool, Callable[[float], float], Callable[[float, float], float]]] = [
        ("x * w", True, lambda n: n, lambda v, n: v * n),
        ("w * x", True, lambda n: n, lambda v, n: v * n),
        ("x + w", False, lambda _: 1, lambda v, n: v + n),
        ("w - x", False, lambda _: -1, lambda v, n: n - v),
    ]
    text, saves, slope, value = rng.pick(kinds)
    loss, pull = loss_of(rng, "y")
    new = [write.new(i, n) for i, n in enumerate(w)]
    back = [pull(value(v, n)) for v, n in zip(x, w, strict=True)]
    late = [pull(value(v, n)) for v, n in zip(x, new, strict=True)]
    return Outcome(
        [made("x", x), made("w", w, leaf=False), f"y = {text}", write.text, f"{loss}.backward()"],
        OVERWRITTEN if saves and write.counted else "",
        [
            ("", multiplied(back, [slope(n) for n in (w if write.counted else new)])),
            ("old-values", multiplied(back, [slope(n) for n in w])),
            ("computed-anew", multiplied(late, [slope(n) for n in new])),
            ("cut-off", [0, 0]),
        ],
    )


def stepped(rng: Rng) -> Outcome:
    """An optimizer writes to its weights between two backward passes."""
    w, op = rng.sample([1, 2, 3, 4, -1], 2), operation(rng, smooth=True)
    slopes = [op.slope(v) for v in w]
    new = [v - s for v, s in zip(w, slopes, strict=True)]
    return Outcome(
        [
            made("x", w),
            "optimizer = torch.optim.SGD([x], lr=1.)",
            f"y = {op.text.format('x')}",
            "y.sum().backward(retain_graph=True)",
            "optimizer.step()",
            "y.sum().backward()",
        ],
        OVERWRITTEN if op.saves == "in" else "",
        [
            ("", [2 * s for s in slopes]),
            ("computed-anew", [s + op.slope(v) for s, v in zip(slopes, new, strict=True)]),
            ("first-pass-lost", slopes),
            ("cut-off", [0, 0]),
        ],
    )


PLACES: tuple[tuple[Callable[[Rng], Outcome], ...], ...] = (
    (on_result, on_result, on_result, on_leaf),
    (on_operand, on_operand, on_result, on_data, on_leaf),
    (on_operand, on_operand, on_result, on_data, on_leaf, stepped),
)
WHY_NOT = {
    "write-ignored": "The write is recorded like any other operation, and the gradient goes through it.",
    "write-recorded": "That write happens behind autograd's back: the graph knows nothing of it.",
    "old-values": "What is written through .data is not counted as a change: backward() uses the new numbers silently.",
    "computed-anew": "What was computed before the write is not computed anew: the graph is as it was then.",
    "cut-off": "A write cuts nothing off: the graph of what was computed stays.",
    "first-pass-lost": "backward() adds to .grad.",
    OVERWRITTEN: "It does not get so far: backward() needs a tensor that has been overwritten, and says so.",
    LEAF: "It does not get so far: a leaf that requires a gradient refuses a write that would be recorded.",
    "right": "",
}


class Claim(NamedTuple):
    """A choice, the id of the mistake that it is where it is not true, and the sentence about that."""

    id: str
    choice: Choice
    because: str


def runs_to(numbers: Numbers) -> Choice:
    value = [int(number) for number in numbers]
    return Choice(f"Everything runs, and `x.grad` is {floats(value)}", holds=f"x.grad.tolist() == {value}")


@drill(after=["autograd.leaf", "autograd.graph-freed"], levels=3, arena="0.4", structures=(300, 500, 450))
def inplace(rng: Rng) -> Choose:
    """Which writes in place break the backward pass."""
    place = rng.pick(PLACES[rng.level - 1])

    def claims_of(it: Outcome) -> list[Claim]:
        claims: list[Claim] = []
        told: list[Numbers] = []
        for mistake, numbers in it.gradients:
            if numbers not in told and len(told) < THIRD:
                told.append(numbers)
                because = WHY_NOT[it.raises or mistake or "right"]
                name = mistake or ("runs-anyway" if it.raises else "right")
                claims.append(Claim(name, runs_to(numbers), because))
        return claims

    it = settled(lambda: place(rng), lambda one: len(claims_of(one)) > 1 and any(one.gradients[0][1]), 12)
    at_once = Claim(
        "leaf-raises",
        Choice("The write raises at once: it is to a leaf that requires a gradient", raises=LEAF),
        "The write itself is allowed: it is not to a leaf that requires a gradient, or autograd does not record it.",
    )
    overwritten = Claim(
        "always-breaks",
        Choice("backward() raises: a tensor that it needs has been overwritten", raises=OVERWRITTEN),
        "It does not come to that. backward() raises only where the old numbers are needed for a slope, and knows of "
        "the write.",
    )
    claims = [*claims_of(it), at_once, overwritten]
    right = {LEAF: at_once, OVERWRITTEN: overwritten}.get(it.raises, claims[0])
    return Choose(
        prompt="What happens?",
        program="\n".join(it.program),
        choices=[claim.choice for claim in claims],
        right=right.choice.text,
        hints=[
            (
                "Which tensors does the backward pass need for a slope? x ** 2 needs what went in, exp and relu what "
                "came out, a product its other factor. Sums need none."
            ),
            "Was one of those written to after it was saved? A tensor counts its changes, except those through .data.",
        ],
        why="Operations save tensors for the backward pass, with their version. A write in place raises the version, "
        "under no_grad too. Where a saved tensor's version has changed, backward() raises rather than give a wrong "
        "gradient; only `.data` goes unnoticed, and the gradient is then silently wrong. What nobody saved may be "
        "overwritten. A leaf that requires a gradient refuses recorded writes at once.",
        wrong=[Wrong(claim.id, claim.choice.text, claim.because) for claim in claims if claim is not right],
    )
