"""Dtypes: what two of them become."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tensordrill.authoring import Edit, PredictValue, Rng, Wrong, drill
from tensordrill.building.dtypes import BITS, category, mistaken, promoted
from tensordrill.building.gradients import settled

SECOND, THIRD = 2, 3  # levels
DTYPES = ("bool", "uint8", "int32", "int64", "float16", "bfloat16", "float32", "float64")
AXES, SCALAR, NUMBER = 2, 1, 0  # what counts more: a tensor with axes, a 0-d tensor, a number of Python's


class Operand(NamedTuple):
    """What stands in an operation. `single` has one axis, of size 1."""

    dtype: str
    rank: int
    single: bool = False


def combined(a: Operand, b: Operand, rule: str) -> str:
    """The dtype of the two, by the rule: what counts more decides, unless the other's category is higher."""
    if rule in ("left-decides", "right-decides") and min(a.rank, b.rank):
        return a.dtype if rule == "left-decides" else b.dtype
    if rule == "bits-decide" and min(a.rank, b.rank) and BITS[a.dtype] != BITS[b.dtype]:
        return max(a.dtype, b.dtype, key=BITS.__getitem__)
    if rule == "numpy-rules" and min(a.rank, b.rank) and {category(a.dtype), category(b.dtype)} == {1, 2}:
        whole = min(a.dtype, b.dtype, key=category)
        return "float64" if BITS[whole] >= BITS["int32"] else promoted(a.dtype, b.dtype)
    if rule == "scalars-do-not-promote" and a.rank == b.rank == SCALAR and category(a.dtype) == category(b.dtype):
        return min(a.dtype, b.dtype, key=BITS.__getitem__)
    strong, weak = believed(a, rule), believed(b, rule)
    if strong.rank < weak.rank:
        strong, weak = weak, strong
    if strong.rank == weak.rank:
        return promoted(strong.dtype, weak.dtype)
    lifted = category(weak.dtype) > category(strong.dtype) and rule != "weak-never-counts"
    return weak.dtype if lifted else strong.dtype


def believed(it: Operand, rule: str) -> Operand:
    """The operand as it is taken for."""
    if it.rank == NUMBER and rule == "number-lifts":
        return Operand("float64" if it.dtype == "float32" else it.dtype, AXES)
    if it.rank == SCALAR and rule == "scalar-lifts":
        return it._replace(rank=AXES)
    if it.rank == SCALAR and rule == "scalar-as-number" and category(it.dtype) == category("float32"):
        return Operand("float32", NUMBER)
    return it._replace(rank=SCALAR) if it.single and rule == "one-entry-as-scalar" else it


class Step(NamedTuple):
    """A line `name = a op b`, a reduction `name = a.call`, an entry of `a`, or with `inplace` the line `a op= b`."""

    name: str
    a: str
    op: str
    b: str = ""
    inplace: bool = False

    @property
    def text(self) -> str:
        if self.inplace:
            return f"{self.a} {self.op}= {self.b}"
        return f"{self.name} = {self.a} {self.op} {self.b}" if self.b else f"{self.name} = {self.a}{self.op}"


def run(steps: Sequence[Step], made: Mapping[str, Operand], rule: str = "") -> dict[str, Operand]:
    """The operands at the end. One that raises has the dtype `error`."""
    known = dict(made)
    for step in steps:
        a = known[step.a]
        if not step.b:
            summed = step.op == ".sum()" and category(a.dtype) < category("float32") and rule != "sum-keeps"
            known[step.name] = Operand("int64" if summed else a.dtype, SCALAR)
            continue
        b = known.get(step.b) or number(step.b)
        result = Operand(combined(a, b, rule), max(a.rank, b.rank), a.single and (b.single or b.rank < AXES))
        if not step.inplace:
            known[step.name] = result
        elif rule == "in-place-promotes":
            known[step.a] = result
        elif category(result.dtype) > category(a.dtype) and rule != "in-place-casts":
            return dict.fromkeys([*known, *(step.name for step in steps)], Operand("error", AXES))
    return known


def number(text: str) -> Operand:
    return Operand("float32" if "." in text else "int64", NUMBER)


ORDER = (
    "The order of the operands does not decide on the dtype. The higher category does, then the number of axes, then "
    "the width."
)
RULES = {
    "scalar-lifts": "A 0-d tensor does not lift a tensor with axes within its category: float32[n] and 0-d float64 "
    "give float32.",
    "number-lifts": "A number of Python's has no dtype of its own. It does not lift a tensor within its category, and "
    "as the first one with a point it brings the default, float32.",
    "scalar-as-number": "A 0-d tensor is no number of Python's: where its category is the higher one, its own dtype "
    "comes out.",
    "scalars-do-not-promote": "Two 0-d tensors count alike, so they promote as two tensors with axes do.",
    "weak-never-counts": "A higher category always wins: bool, then whole numbers, then floating-point, whatever the "
    "number of axes.",
    "one-entry-as-scalar": "A tensor of shape (1,) has an axis. It is no 0-d tensor, and counts in full.",
    "numpy-rules": "In torch a whole number of any width takes the dtype of the floating-point tensor. float64 is what "
    "NumPy gives.",
    "in-place-promotes": "An in-place operation cannot change the dtype: the result is cast to it.",
    "in-place-casts": "In place, the result may become narrower, and may not fall into a lower category: it raises.",
    "sum-keeps": "A sum of bools or whole numbers is int64.",
    "bits-decide": "The category comes before the number of bits: a whole number of 64 bits gives way to float16.",
    "left-decides": ORDER,
    "right-decides": ORDER,
}


CENTRAL = ("scalar-lifts", "scalar-as-number", "number-lifts", "scalars-do-not-promote", "in-place-promotes")


def made_of(rng: Rng, dtype: str, rank: int, size: int) -> tuple[str, Operand]:
    """A tensor of that dtype: its source, and what it counts for. `size` is that of its axis, or 1."""
    if rank == SCALAR:
        plain = {"int64": "torch.tensor(2)", "float32": "torch.tensor(2.)", "bool": "torch.tensor(True)"}
        return plain.get(dtype, f"torch.tensor(2, dtype=torch.{dtype})"), Operand(dtype, SCALAR)
    if rng.level == SECOND and rng.chance(0.25):
        return f"torch.ones(1, dtype=torch.{dtype})", Operand(dtype, AXES, single=True)
    plain = {"int64": f"torch.arange({size})", "float32": f"torch.rand({size})", "bool": f"torch.rand({size}) > 0.5"}
    if dtype in plain and rng.chance(0.6):
        return plain[dtype], Operand(dtype, AXES)
    return f"torch.{rng.pick(['ones', 'zeros'])}({size}, dtype=torch.{dtype})", Operand(dtype, AXES)


class Question(NamedTuple):
    sources: dict[str, str]
    made: dict[str, Operand]
    steps: list[Step]
    asked: Sequence[str]
    can_fail: bool = False

    def seen(self, rule: str = "") -> list[str]:
        """What is asked for, by the rule: dtypes, or `error` alone."""
        known = run(self.steps, self.made, rule)
        found = [known[name].dtype for name in self.asked]
        return ["error"] if "error" in found else found


def tensors(rng: Rng, wanted: Sequence[tuple[str, int]], dtypes: Sequence[str]) -> Question:
    """Tensors of those names and ranks, of different dtypes, and nothing done with them yet."""
    size = rng.integer(2, 4)
    sources, made = {}, {}
    for (name, rank), dtype in zip(wanted, rng.sample(dtypes, len(wanted)), strict=True):
        sources[name], made[name] = made_of(rng, dtype, rank, size)
    return Question(sources, made, [], ())


def two_with_axes(rng: Rng) -> Question:
    it = tensors(rng, [("x", AXES), ("y", AXES)], DTYPES)
    return it._replace(steps=[Step("z", "x", rng.pick("+*"), "y")], asked="z")


def with_scalars(rng: Rng) -> Question:
    """Two results, of a tensor with axes, 0-d tensors and numbers."""
    it = tensors(rng, [("x", AXES), ("s", SCALAR), ("t", SCALAR)], DTYPES)
    numbers = rng.sample([str(rng.integer(2, 5)), f"{rng.integer(1, 4)}.5"], 2)
    pairs = rng.sample([("x", "s"), ("x", "t"), ("s", "t"), ("x", numbers[0]), ("s", numbers[1])], 2)
    if rng.chance(0.4):
        pairs[0] = (pairs[0][1], pairs[0][0]) if pairs[0][1].isalpha() else pairs[0]
    steps = [Step(name, a, rng.pick("+*"), b) for name, (a, b) in zip("pq", pairs, strict=True)]
    used = {name for pair in pairs for name in pair}
    return it._replace(sources={name: it.sources[name] for name in it.sources if name in used}, steps=steps, asked="pq")


def chained(rng: Rng) -> Question:
    """What comes out goes on: a sum or an entry of it is a 0-d tensor."""
    it = tensors(rng, [("x", AXES), ("y", AXES)], DTYPES)
    second = f"{rng.integer(1, 4)}.5" if rng.chance() else str(rng.integer(2, 5))
    steps = [
        Step("s", rng.pick("xy"), rng.pick([".sum()", "[0]", ".max()"])),
        Step("a", *rng.pick([("x", rng.pick("+*"), "s"), ("s", rng.pick("+*"), "y"), ("x", rng.pick("+*"), second)])),
        Step("b", *rng.pick([("a", rng.pick("+*"), "y"), ("s", "*", second), ("a", "*", "s"), ("a", "+", second)])),
    ]
    used = {name for step in steps for name in (step.a, step.b)}
    return it._replace(sources={name: it.sources[name] for name in it.sources if name in used}, steps=steps, asked="ab")


def in_place(rng: Rng) -> Question:
    """An operation in place, which may not be able to keep the dtype."""
    it = tensors(rng, [("x", AXES), ("y", AXES), ("s", SCALAR)], DTYPES)
    operand = rng.pick(["y", "y", "s", f"{rng.integer(1, 4)}.5", str(rng.integer(2, 5))])
    steps = [Step("x", "x", rng.pick("+*"), operand, inplace=True), Step("z", "x", rng.pick("+*"), rng.pick("ys"))]
    used = {name for step in steps for name in (step.a, step.b)}
    sources = {name: it.sources[name] for name in it.sources if name in used}
    return it._replace(sources=sources, steps=steps, asked="xz", can_fail=True)


def telling(it: Question) -> bool:
    """Whether one of the mistakes that the drill is about would show."""
    right = it.seen()
    return any(it.seen(rule) != right for rule in CENTRAL)


def allowed(step: Step) -> list[Edit]:
    """What comes of an in-place operation that raises, if one thinks that it does not."""
    result = f"{step.a} {step.op} {step.b}"
    after = {"in-place-promotes": f"{step.a} = {result}", "in-place-casts": f"{step.a} = ({result}).to({step.a}.dtype)"}
    return [Edit(rule, step.text, line, RULES[rule]) for rule, line in after.items()]


@drill(after=["dtypes.default"], levels=3, arena="0.0", structures=(100, 500, 700))
def promotion(rng: Rng) -> PredictValue:
    """The dtype of an operation between two."""
    if rng.level == 1:
        it = two_with_axes(rng)
    elif rng.level == SECOND:
        it = settled(lambda: with_scalars(rng), telling, 10)
    else:
        kind = rng.pick([chained, in_place, in_place])
        raises = kind is in_place and rng.chance(0.36)  # else in place most would raise
        it = settled(lambda: kind(rng), lambda it: telling(it) and (it.seen() == ["error"]) == raises, 24)
    lines = [f"{name} = {source}" for name, source in it.sources.items()] + [step.text for step in it.steps]
    asked = ", ".join([f"{name}.dtype" for name in it.asked])
    asked = asked if len(it.asked) == 1 else f"[{asked}]"
    right = it.seen()
    if right == ["error"]:
        wrong: list[Wrong | Edit] = [*allowed(it.steps[0])]
    else:
        beliefs = [(rule, it.seen(rule), because) for rule, because in RULES.items()]
        wrong = [*mistaken(right, [belief for belief in beliefs if it.can_fail or belief[1] != ["error"]])]
    guide = "Both tensors have axes, so the number of axes decides nothing. " if rng.level == 1 else ""
    return PredictValue(
        prompt=f"{guide}What is `{asked}`?" + (" If a line raises, type `error`." if it.can_fail else ""),
        program="\n".join(lines),
        ask=asked,
        can_fail=it.can_fail,
        dtypes_matter=True,
        hints=[
            "Three categories: bool, whole numbers, floating-point. Which operand has the highest?",
            "Within one category a tensor with axes outranks a 0-d tensor, and that one a number of Python's. Only "
            "among equals does the wider dtype win."
            + (" In place, the dtype stays, if the result's category is no higher." if it.can_fail else ""),
        ],
        why="Type promotion goes by category first: bool, whole, floating-point. An operand of a higher category wins "
        "whatever its rank, with its own dtype (a Python float with the default, float32). Within a category 0-d "
        "tensors do not count beside tensors with axes, nor numbers beside tensors; among equals the wider one wins, "
        "and float16 with bfloat16 gives float32. In place, the result must be castable to the dtype that is there.",
        wrong=wrong,
    )
