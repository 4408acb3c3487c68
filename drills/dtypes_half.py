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


def stored(rng: Rng, dtype: str) -> Scene:
    values = [uneven(rng, dtype), rng.pick([beyond, beyond, uneven])(rng, dtype)]
    values = rng.shuffled(values)
    return Scene([f"x = {of(dtype, *values)}"], "x", lambda r: [r(value) for value in values])


def cast(rng: Rng, dtype: str) -> Scene:
    values = rng.shuffled([uneven(rng, dtype), beyond(rng, dtype)])
    call = rng.pick([f".to(torch.{dtype})", ".half()" if dtype == HALF else ".bfloat16()"])
    back = rng.pick(["", ".float()", ".double()"])
    lines = [f"x = torch.tensor([{', '.join([f'{value:g}.' for value in values])}])", f"y = x{call}{back}"]
    return Scene(lines, "y", lambda r: [r(value) for value in values])


def added(rng: Rng, dtype: str) -> Scene:
    """A large number and a small one, and their difference."""
    top = float(large(rng, dtype))
    small = float(2 * rng.integer(0, int(top) // 2 ** BITS[dtype]) + 1)
    sign = rng.pick("+-") if top > 2 ** BITS[dtype] else "+"
    lines = [f"x = {of(dtype, top)}", f"y = {of(dtype, small)}", f"z = x {sign} y"]
    change = small if sign == "+" else -small
    if rng.chance(0.4):
        return Scene(lines, "[z.item(), (z - x).item()]", lambda r: [r(top + change), r(r(top + change) - top)])
    return Scene(lines, "z.item()", lambda r: [r(top + change)])


PRODUCTS = {
    HALF: [(256.0, 256.0), (400.0, 200.0), (512.0, 128.0), (640.0, 160.0), (320.0, 320.0)],  # too large
    BRAIN: [(17.0, 17.0), (19.0, 17.0), (21.0, 13.0), (33.0, 9.0), (27.0, 11.0), (25.0, 11.0)],  # of more than 8 bits
}


def multiplied(rng: Rng, dtype: str) -> Scene:
    a, b = rng.pick(PRODUCTS[dtype])
    lines = [f"x = {of(dtype, a)}", f"y = {of(dtype, b)}"]
    if dtype == BRAIN or rng.chance(0.3):
        return Scene(lines, "(x * y).item()", lambda r: [r(a * b)])
    small = 1 / 2 ** rng.integer(1, 3)
    orders: list[tuple[str, Callable[[Round], float]]] = [
        (rng.pick([f"(x * y * {small}).item()", f"({small} * (x * y)).item()"]), lambda r: r(r(a * b) * small)),
        (rng.pick([f"(x * {small} * y).item()", f"(x * ({small} * y)).item()"]), lambda r: r(r(a * small) * b)),
    ]
    pair = rng.shuffled(orders)
    return Scene(lines, listed([text for text, _ in pair]), lambda r: [value(r) for _, value in pair])


def ordered(rng: Rng, dtype: str) -> Scene:
    """The same three numbers, added up in two orders."""
    top = float(large(rng, dtype))
    step = 2 * top / 2 ** BITS[dtype]
    one = step / 2
    lines = [f"x = {of(dtype, top)}", f"y = {of(dtype, one)}"]
    orders: list[tuple[str, Callable[[Round], float]]] = [
        (rng.pick(["(x + y + y).item()", "(y + x + y).item()"]), lambda r: r(r(top + one) + one)),
        (rng.pick(["(x + (y + y)).item()", "(y + y + x).item()"]), lambda r: r(top + r(2 * one))),
    ]
    pair = rng.shuffled(orders)
    return Scene(lines, listed([text for text, _ in pair]), lambda r: [value(r) for _, value in pair])


def looped(rng: Rng, dtype: str) -> Scene:
    """A running sum that stops to grow."""
    top = 2 ** BITS[dtype]
    steps, k = rng.integer(10, 30), rng.pick([1, 1, 2]) if dtype == BRAIN else 1
    start = top * k - rng.integer(2, 8) * k

    def total(r: Round) -> float:
        it = r(float(start))
        for _ in range(steps):
            it = r(it + k)
        return it

    grow = rng.pick([f"total += {k}", f"total = total + {k}"])
    lines = [f"total = {of(dtype, float(start))}", f"for _ in range({steps}):", f"    {grow}"]
    return Scene(lines, "total.item()", lambda r: [total(r)])


def late(rng: Rng, dtype: str) -> Scene:
    """A cast to float32 after the operation, or before it."""
    top = float(large(rng, dtype))
    step = 2 * top / 2 ** BITS[dtype]
    small = float(rng.integer(1, max(1, int(step) - 1)))
    if dtype == HALF and rng.chance():
        top, small = 60000.0, float(rng.integer(6, 9) * 1000)
    lines = [f"x = {of(dtype, top)}", f"y = {of(dtype, small)}"]
    after, before = "(x + y).float()", rng.pick(["x.float() + y.float()", "x.float() + y"])
    pair = rng.shuffled([after, before])
    asked = listed([f"({one}).item()" if one == before else f"{one}.item()" for one in pair])
    return Scene(lines, asked, lambda r: [r(top + small) if one == after else r(top) + r(small) for one in pair])


def overflowed(rng: Rng, dtype: str) -> Scene:
    """What becomes of an inf."""
    a, b = rng.pick(PRODUCTS[HALF])
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
