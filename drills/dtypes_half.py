"""Dtypes: what 16 bits cannot hold."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tensordrill.authoring import PredictValue, Rng, Wrong, drill

SECOND, THIRD = 2, 3  # levels
HALF, BRAIN = "float16", "bfloat16"
BITS = {HALF: 11, BRAIN: 8}  # significant ones, the first of them not stored
LARGEST = 65504.0  # of float16
Round = Callable[[float], float]


def rounded(value: float, dtype: str, rule: str = "") -> float:
    """The value in that dtype, or what it is taken for by the rule."""
    if rule == "other-format":
        dtype = BRAIN if dtype == HALF else HALF
    if not value or not math.isfinite(value) or rule == "as-float32":
        return value
    step = 2.0 ** (math.frexp(value)[1] - BITS[dtype])
    count = value / step
    if rule == "truncated":
        whole = math.trunc(count)
    elif rule == "halves-away":
        whole = math.trunc(count + math.copysign(0.5, count))
    else:
        whole = round(count)  # halves go to the even one, in Python as in torch
    result = whole * step
    if dtype == HALF and abs(result) > LARGEST:
        return math.copysign(LARGEST if rule == "saturated" else math.inf, result)
    return result


class Scene(NamedTuple):
    """A program of numbers in one dtype, what is asked, and how it is computed where each result is rounded."""

    lines: Sequence[str]
    asked: str
    compute: Callable[[Round], list[float]]


RULES = {
    "as-float32": "That is the exact result. {dtype} has {bits} significant bits{reach}.",
    "rounded-once": "Every operation rounds its own result to {dtype}, not only the last one.",
    "other-format": "That is what {other} gives. {dtype} has {bits} significant bits{reach}.",
    "saturated": "What is too large for float16 becomes inf. It does not stop at 65504.",
    "truncated": "The result is rounded to the nearest number that {dtype} has, not downwards.",
    "halves-away": "A number halfway between two goes to the one whose last bit is 0.",
}


def of(dtype: str, *values: float) -> str:
    """The source of a tensor."""
    inner = ", ".join([f"{value:g}." if value == int(value) else f"{value}" for value in values])
    return f"torch.tensor({inner if len(values) == 1 else f'[{inner}]'}, dtype=torch.{dtype})"


def listed(texts: Sequence[str]) -> str:
    return f"[{', '.join(texts)}]"


def large(rng: Rng, dtype: str) -> int:
    """A power of two from which on the dtype has no odd numbers any more."""
    return 1 << (BITS[dtype] + rng.integer(0, 2 if dtype == BRAIN else 1))


def uneven(rng: Rng, dtype: str) -> float:
    """A number that the dtype does not have, a little above a power of two."""
    top = large(rng, dtype)
    step = 2 * top // 2 ** BITS[dtype]
    return float(top + rng.integer(1, 5) * step + rng.integer(1, step - 1))


def beyond(rng: Rng, dtype: str) -> float:
    """A number that float16 cannot reach; for bfloat16 one that it has."""
    return float(rng.pick([70000, 80000, 100000, 131072, 66000]) if dtype == HALF else 2 ** rng.integer(16, 18))


def off(values: Sequence[float]) -> Callable[[Round], list[float]]:
    """How far off each is, once it is rounded."""
    return lambda r: [r(value) - value for value in values]


def stored(rng: Rng, dtype: str) -> Scene:
    values = rng.shuffled([uneven(rng, dtype), rng.pick([beyond, beyond, uneven])(rng, dtype)])
    inner = listed([f"{value:g}." for value in values])
    back = rng.pick(["x.float()", "x.double()", "x"])
    lines = [f"x = {of(dtype, *values)}", f"off = {back} - torch.tensor({inner})"]
    return Scene(lines, "off", off(values))


def cast(rng: Rng, dtype: str) -> Scene:
    values = rng.shuffled([uneven(rng, dtype), beyond(rng, dtype)])
    call = rng.pick([f".to(torch.{dtype})", ".half()" if dtype == HALF else ".bfloat16()"])
    back = rng.pick(["", ".float()", ".double()"])
    lines = [f"x = torch.tensor({listed([f'{value:g}.' for value in values])})", f"y = x{call}{back}"]
    return Scene(lines, "y - x", off(values))


def added(rng: Rng, dtype: str) -> Scene:
    """A large number and a small one: how much of the small one arrives."""
    top = float(large(rng, dtype))
    small = float(2 * rng.integer(0, int(top) // 2 ** BITS[dtype]) + 1)
    sign = rng.pick("+-") if top > 2 ** BITS[dtype] else "+"
    lines = [f"x = {of(dtype, top)}", f"y = {of(dtype, small)}", f"z = x {sign} y"]
    change = small if sign == "+" else -small
    asked = rng.pick(["(z - x).item()", f"z.item() - {top:g}", "(z.float() - x).item()"])
    return Scene(lines, asked, lambda r: [r(top + change) - top])


def too_much(rng: Rng) -> tuple[float, float]:
    """Two numbers whose product float16 cannot reach, the first of two digits and the second a power of two."""
    a, b = rng.pick([(64, 2048), (80, 1024), (96, 1024), (72, 4096), (48, 2048), (40, 4096), (24, 8192), (20, 4096)])
    return float(a), float(b)


def multiplied(rng: Rng, dtype: str) -> Scene:
    if dtype == BRAIN:
        a, b = rng.pick([(17, 17), (19, 17), (21, 13), (33, 9), (27, 11), (25, 11)])  # of more than 8 bits
        lines = [f"x = {of(dtype, float(a))}", f"y = {of(dtype, float(b))}"]
        return Scene(lines, f"(x * y).item() - {a * b}", off([float(a * b)]))
    one, other = too_much(rng)
    lines = [f"x = {of(dtype, one)}", f"y = {of(dtype, other)}"]
    whole = rng.pick(["x * y / y", "y * x / y", "x * y * (1 / y)"])
    orders: list[tuple[str, Callable[[Round], float]]] = [
        (f"({whole}).item()", lambda r: r(r(one * other) / other)),
        (rng.pick(["(x / y * y).item()", "(x * (y / y)).item()", "(y / y * x).item()"]), lambda r: r(r(one))),
    ]
    pair = rng.shuffled(orders)
    return Scene(lines, listed([text for text, _ in pair]), lambda r: [value(r) for _, value in pair])


def ordered(rng: Rng, dtype: str) -> Scene:
    """The same three numbers, added up in two orders: how far the sum is from the first."""
    top = float(large(rng, dtype))
    one = top / 2 ** BITS[dtype]
    lines = [f"x = {of(dtype, top)}", f"y = {of(dtype, one)}"]
    orders: list[tuple[str, Callable[[Round], float]]] = [
        (rng.pick(["(x + y + y - x).item()", "(y + x + y - x).item()"]), lambda r: r(r(top + one) + one) - top),
        (rng.pick(["(x + (y + y) - x).item()", "(y + y + x - x).item()"]), lambda r: r(top + r(2 * one)) - top),
    ]
    pair = rng.shuffled(orders)
    return Scene(lines, listed([text for text, _ in pair]), lambda r: [value(r) for _, value in pair])


def looped(rng: Rng, dtype: str) -> Scene:
    """A running sum that stops to grow."""
    top = 1 << BITS[dtype]
    steps, k = rng.integer(10, 30), rng.pick([1, 1, 2]) if dtype == BRAIN else 1
    start = top * k - rng.integer(2, 8) * k

    def grown(r: Round) -> float:
        it = r(float(start))
        for _ in range(steps):
            it = r(it + k)
        return it - start

    grow = rng.pick([f"total += {k}", f"total = total + {k}"])
    lines = [f"total = {of(dtype, float(start))}", f"for _ in range({steps}):", f"    {grow}"]
    asked = rng.pick([f"total.item() - {start}", f"(total - {start}).item()"])
    return Scene(lines, asked, lambda r: [grown(r)])


def late(rng: Rng, dtype: str) -> Scene:
    """A cast to float32 after the operation, or before it."""
    if dtype == HALF and rng.chance():
        one, other = too_much(rng)
        lines = [f"x = {of(dtype, one)}", f"y = {of(dtype, other)}"]
        after, before = "(x * y).float() / y", rng.pick(["x.float() * y.float() / y", "x.float() / y * y"])
        values: list[Callable[[Round], float]] = [lambda r: r(one * other) / other, lambda r: r(one)]
    else:
        top = float(large(rng, dtype))
        small = float(rng.integer(1, max(1, int(2 * top / 2 ** BITS[dtype]) - 1)))
        lines = [f"x = {of(dtype, top)}", f"y = {of(dtype, small)}"]
        after = "(x + y).float() - x.float()"
        before = rng.pick(["x.float() + y.float() - x.float()", "x.float() + y - x.float()"])
        values = [lambda r: r(top + small) - top, lambda r: r(top) + r(small) - top]
    asked = [f"({text}).item()" for text in (after, before)]
    pair: Sequence[tuple[str, Callable[[Round], float]]] = rng.shuffled(list(zip(asked, values, strict=True)))
    return Scene(lines, listed([text for text, _ in pair]), lambda r: [value(r) for _, value in pair])


def overflowed(rng: Rng, dtype: str) -> Scene:
    """What becomes of an inf."""
    a, b = too_much(rng)
    lines = [f"x = {of(dtype, a)}", f"y = {of(dtype, b)}", "z = x * y"]
    questions: list[tuple[str, Callable[[Round, float], list[float]]]] = [
        ("[(z - z).item(), (z / x).item()]", lambda r, z: [z - z, r(z / a)]),
        ("[(z / z).item(), (z / y).item()]", lambda r, z: [z / z if math.isfinite(z) else math.nan, r(z / b)]),
        ("[(0 * z).item(), (x - z).item()]", lambda r, z: [0 * z, r(a - z)]),
        ("[(z - x * y).item(), (z - x).item()]", lambda r, z: [z - z, r(z - a)]),
    ]
    asked, compute = rng.pick(questions)
    return Scene(lines, asked, lambda r: compute(r, r(a * b)))


def mistakes(it: Scene, dtype: str) -> list[Wrong]:
    """What the rules give that is not right, each once."""
    other = BRAIN if dtype == HALF else HALF
    seen = [right := [str(float(value)) for value in it.compute(lambda value: rounded(value, dtype))]]
    wrong = []
    for rule, because in RULES.items():
        if rule == "rounded-once":
            found = [rounded(value, dtype) for value in it.compute(lambda value: value)]
        else:
            found = it.compute(lambda value, rule=rule: rounded(value, dtype, rule))  # type: ignore[misc]
        if (texts := [str(float(value)) for value in found]) not in seen:
            seen.append(texts)
            numbers = ", ".join([text if math.isfinite(float(text)) else f"float('{text}')" for text in texts])
            reach = " and reaches no further than 65504" if dtype == HALF else " and reaches as far as float32"
            said = because.format(dtype=dtype, other=other, bits=BITS[dtype], reach=reach)
            wrong.append(Wrong(rule, numbers if len(right) == 1 else f"[{numbers}]", said))
    return wrong


FACTS = {
    HALF: "float16 keeps 11 significant bits, and ends at 65504. ",
    BRAIN: "bfloat16 keeps 8 significant bits, and ends where float32 ends. ",
}
SCENES = ((stored, cast), (added, multiplied, cast), (ordered, looped, late, overflowed))


@drill(after=["dtypes.default"], levels=3, lesson="Tensors", arena="0.3", structures=(10, 20, 25))
def half(rng: Rng) -> PredictValue:
    """What float16 and bfloat16 make of a number."""
    scene = rng.pick(SCENES[rng.level - 1])
    dtype = HALF if scene is overflowed else rng.pick([HALF, BRAIN])
    it = scene(rng, dtype)
    guide = (
        FACTS[dtype] + "Halfway between two of its numbers it takes the one whose last bit is 0. "
        if rng.level == 1
        else ""
    )
    return PredictValue(
        prompt=f"{guide}What is `{it.asked}`? It may be `inf` or `nan`.",
        program="\n".join(it.lines),
        ask=it.asked,
        dtypes_matter=True,
        hints=[
            f"{dtype} has {BITS[dtype]} significant bits. Up to which power of two does it have every whole number?",
            f"Up to {2 ** BITS[dtype]} it has every whole number, then every second one up to {2 ** BITS[dtype] * 2}, "
            "then every fourth … Halfway, the even multiple is taken. Every operation rounds."
            + (" Past 65504 there is inf." if dtype == HALF else ""),
        ],
        why="float16 spends 11 bits on precision (one of them implicit) and 5 on the exponent: every whole number up "
        "to 2048, and inf past 65504. bfloat16 spends 8 and 8: every whole number up to 256, and the range of "
        "float32. Each operation rounds its result to the nearest, halves to even. So a running sum stops growing, "
        "and what is computed before a cast to float32 has been rounded already.",
        wrong=mistakes(it, dtype),
    )
