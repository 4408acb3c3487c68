"""Dtypes: which operations promote, and which raise."""

from collections.abc import Sequence
from typing import NamedTuple

from tensordrill.authoring import Choice, Choose, Rng, Wrong, drill
from tensordrill.building.dtypes import promoted

# Operations on two tensors of shape (3, 3). A strict one wants them to have one dtype.
STRICT = (
    "{a} @ {b}",
    "{a} @ {b}.T",
    "torch.matmul({a}, {b})",
    "torch.mm({a}, {b})",
    "{a}.mm({b})",
    "{a} @ {b}[0]",
    "{a}[0] @ {b}",
    "{a}[None] @ {b}[None]",
    "torch.einsum('ij,jk->ik', {a}, {b})",
    "torch.dot({a}[0], {b}[0])",
    "F.linear({a}, {b})",
    "torch.tensordot({a}, {b}, 1)",
)
LOOSE = (
    "{a} + {b}",
    "{a} * {b}",
    "{a} - {b}",
    "({a} * {b}).sum()",
    "torch.cat([{a}, {b}])",
    "torch.stack([{a}, {b}])",
    "torch.where({a} > 0, {a}, {b})",
    "torch.maximum({a}, {b})",
    "torch.outer({a}[0], {b}[0])",
    "{a}[:, None] + {b}",
)
SQUARE = {True: ("{a} @ {b}", "F.linear({a}, {b})", "torch.mm({a}, {b})"), False: LOOSE[:3] + LOOSE[6:8]}
SOURCES = {
    "float32": ("torch.rand(3, 3)", "torch.eye(3)", "torch.ones(3, 3)"),
    "float64": (
        "torch.from_numpy(np.ones((3, 3)))",
        "torch.eye(3, dtype=torch.float64)",
        "torch.tensor(np.eye(3))",
        "torch.rand(3, 3).double()",
    ),
    "int64": ("torch.arange(9).reshape(3, 3)", "torch.randint(0, 9, (3, 3))", "torch.ones(3, 3, dtype=torch.int64)"),
    "float16": ("torch.rand(3, 3).half()", "torch.ones(3, 3, dtype=torch.float16)"),
    "bfloat16": ("torch.rand(3, 3).bfloat16()", "torch.ones(3, 3, dtype=torch.bfloat16)"),
}
CASTS = {"float32": "float", "float64": "double", "int64": "long", "float16": "half", "bfloat16": "bfloat16"}

STRICT_RULE = (
    "Matrix products do not promote: `@`, mm, linear and their kin want one dtype. Layers are made of them, and their "
    "weights are float32."
)
LOOSE_RULE = (
    "Elementwise operations promote, and so do cat, stack, where and the losses made of differences. Only what "
    "multiplies matrices wants one dtype."
)
PROMOTED_RULE = "The dtypes differ, and this operation promotes: the wider dtype of the higher category comes out."
SAME_RULE = "Both have one dtype, so the product has it too, whatever it is."
LAYER_RULE = "The output has the dtype of the weights. What is done with it afterwards promotes."


class Claim(NamedTuple):
    """A choice, and the mistake behind it where it is wrong."""

    id: str
    choice: Choice
    because: str


def raising(text: str = "The last line raises", holds: str = "") -> Choice:
    return Choice(text, raises="RuntimeError", holds=holds)


def giving(name: str, dtype: str, *, alone: bool = True) -> Choice:
    text = f"`{name}` has dtype {dtype}" if alone else f"Every line runs, and `{name}` has dtype {dtype}"
    return Choice(text, holds=f"{name}.dtype == torch.{dtype}")


class Question(NamedTuple):
    program: Sequence[str]
    claims: Sequence[Claim]
    right: str  # the text of a choice


def asked(name: str, result: str | None, likely: Sequence[str], why: str) -> list[Claim]:
    """Four choices or five: it raises, and the dtypes that come to mind. `result` is None where it raises.

    `why` says what decides on the dtype, or that it does not raise.
    """
    dtypes = list(dict.fromkeys([*([result] if result else []), *likely, "float32", "float64"]))
    others = [dtype for dtype in CASTS if dtype not in dtypes]
    dtypes += others[: max(0, 3 - len(dtypes))]
    claims = [Claim("raises", raising(), why if why != PROMOTED_RULE else LOOSE_RULE)]
    for dtype in dtypes[:4]:
        mistake = "promotes" if result is None else "other-dtype"
        claims.append(Claim(f"{mistake}-{dtype}", giving(name, dtype), why if result else STRICT_RULE))
    return claims


def one_operation(rng: Rng) -> Question:
    strict = rng.chance(0.55)
    one, other = rng.sample(list(SOURCES), 2)
    if strict and rng.chance(0.25):
        other = one
    a, b = rng.sample("abwx", 2)
    text = rng.pick(STRICT if strict else LOOSE).format(a=a, b=b)
    result = None if strict and one != other else promoted(one, other)
    program = [f"{a} = {rng.pick(SOURCES[one])}", f"{b} = {rng.pick(SOURCES[other])}", f"c = {text}"]
    claims = asked("c", result, [promoted(one, other), one, other], SAME_RULE if strict else PROMOTED_RULE)
    return Question(program, claims, giving("c", result).text if result else "The last line raises")


INPUTS = {
    "float64": ("torch.from_numpy(np.ones((2, 3)))", "torch.tensor(np.random.rand(2, 3))"),
    "int64": ("torch.arange(6).reshape(2, 3)", "torch.from_numpy(np.arange(6).reshape(2, 3))"),
    "float32": ("torch.rand(2, 3)", "torch.tensor(np.ones((2, 3)).tolist())"),
    "float16": ("torch.rand(2, 3).half()", "torch.from_numpy(np.ones((2, 3), dtype=np.float16))"),
}
LAYERS = ("nn.Linear(3, 3)", "nn.Linear(3, 3, bias=False)", ("nn.Sequential(nn.Linear(3, 5), nn.ReLU(), "
"nn.Linear(5, 3))"),
          "nn.Conv1d(2, 2, 1)")  # fmt: skip


def one_layer(rng: Rng) -> Question:
    """A layer meets data, and its output other data."""
    given, weights = rng.pick(list(INPUTS)), rng.pick(["float32", "float32", "float32", "float64"])
    layer = rng.pick(LAYERS) + (".double()" if weights == "float64" else "")
    cast = rng.pick(["", "", ".float()", ".double()", ".to(next(layer.parameters()).dtype)"])
    fed = {"": given, ".float()": "float32", ".double()": "float64"}.get(cast, weights)
    program = [f"layer = {layer}", f"x = {rng.pick(INPUTS[given])}"]
    result = weights if fed == weights else None
    likely = [promoted(fed, weights), given, weights]
    called = f"layer(x{cast})"
    if rng.chance(0.5):
        target = rng.pick(list(INPUTS)) if result else given
        program.append(f"y = {rng.pick(INPUTS[target])}")
        after = rng.pick(["{a} + {b}", "{a} - {b}", "torch.cat([{a}, {b}])", "F.mse_loss({a}, {b})"])
        if "mse" in after and target not in ("float32", "float64"):
            after = "{a} * {b}"
        called = after.format(a=called, b="y")
        likely.append(target)
        result = promoted(result, target) if result else None
    program.append(f"z = {called}")
    claims = asked("z", result, likely, LAYER_RULE)
    return Question(program, claims, giving("z", result).text if result else "The last line raises")


def several_lines(rng: Rng) -> Question:
    """Which of the lines raises, if any."""
    first, second = rng.sample(["float32", "float64", "int64", "float32", "float64", "float16"], 2)
    known = {"x": first, "w": second}
    program = [f"x = {rng.pick(SOURCES[first])}", f"w = {rng.pick(SOURCES[second])}"]
    fails, runs = -1, []  # what lets each line run, if no line before it raises
    for at, name in enumerate("abc"):
        newest = list(known)[-1] if at else "x"
        other = rng.pick([one for one in known if one != newest])
        strict = rng.chance(0.55)
        one, two = (newest, other) if rng.chance(0.7) else (other, newest)
        cast = ""
        if strict and known[one] != known[two] and rng.chance(0.4):
            wanted = known[one] if rng.chance(0.7) else "float32"
            cast = rng.pick([f".{CASTS[wanted]}()", f".to({one}.dtype)" if wanted == known[one] else ".float()"])
            dtypes = known[one], wanted
        else:
            dtypes = known[one], known[two]
        program.append(f"{name} = " + rng.pick(SQUARE[strict]).format(a=one, b=f"{two}{cast}"))
        runs.append(SAME_RULE if strict else LOOSE_RULE)
        if fails < 0 and strict and dtypes[0] != dtypes[1]:
            fails = at
        known[name] = promoted(*dtypes)
    claims = []
    for at, name in enumerate("abc"):
        defined = f"'{'abc'[at - 1]}' in globals() and " if at else ""
        because = STRICT_RULE if 0 <= fails < at else runs[at]
        line = f"Line {at + 3} raises"
        claims.append(Claim(f"line-{at + 3}", raising(line, f"{defined}'{name}' not in globals()"), because))
    for dtype in dict.fromkeys([known["c"], "float32", "float64"]):
        because = STRICT_RULE if fails >= 0 else PROMOTED_RULE
        claims.append(Claim(f"runs-{dtype}", giving("c", dtype, alone=False), because))
    return Question(program, claims, claims[fails].choice.text if fails >= 0 else claims[3].choice.text)


@drill(after=["dtypes.promotion"], levels=3, arena="0.0", structures=(300, 500, 800))
def matmul_mismatch(rng: Rng) -> Choose:
    """What promotes, and what raises where dtypes differ."""
    it = (one_operation, one_layer, several_lines)[rng.level - 1](rng)
    return Choose(
        prompt=(
            "The shapes fit. What happens where the dtypes meet in the last line?",
            "What happens?",
            "Which line raises, if any?",
        )[rng.level - 1],
        program="\n".join(it.program),
        choices=[claim.choice for claim in it.claims],
        right=it.right,
        dtypes_matter=True,
        wrong=[Wrong(c.id, c.choice.text, c.because) for c in it.claims if c.choice.text != it.right],
        hints=[
            "Write down the dtype of each tensor first. Where two differ, is it a matrix product that they meet in?",
            (
                "Elementwise operations, cat, stack and where promote. Matrix products, and layers with "
                "weights, want one "
                "dtype. NumPy brings float64, layers have float32."
            ),
        ],
        why="Type promotion is for elementwise operations (and cat, stack, where …). Matrix products take operands of "
        "one dtype: `@`, mm, bmm, einsum where it contracts, linear, convolutions. So a layer with float32 weights "
        "raises on a float64 array or on whole numbers: cast the input with `.float()`, or `.to(weight.dtype)`.",
    )
