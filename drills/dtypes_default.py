"""Dtypes: which one a tensor gets when it is made."""

from typing import NamedTuple

from tensordrill.authoring import PredictValue, Rng, drill
from tensordrill.building.dtypes import mistaken

SECOND, THIRD = 2, 3  # levels
INT, FLOAT, DOUBLE, BOOL = "int64", "float32", "float64", "bool"

# What decides on the dtype: the numbers, the function where there are none, NumPy, a comparison, a cast, a tensor.
POINT, FACTORY, WHOLE, NUMPY, FOUND, CAST, LIKE = "point", "factory", "whole", "numpy", "found", "cast", "like"


class Made(NamedTuple):
    """One way to make a tensor, under torch's own default. `{n}` and `{k}` stand for a size and a number."""

    text: str
    dtype: str
    by: str


SIMPLE = (
    Made("torch.tensor({k})", INT, WHOLE),
    Made("torch.tensor([{k}, {n}])", INT, WHOLE),
    Made("torch.tensor([[{k}], [{n}]])", INT, WHOLE),
    Made("torch.arange({n})", INT, WHOLE),
    Made("torch.arange({k}, 10, {n})", INT, WHOLE),
    Made("torch.full(({n},), {k})", INT, WHOLE),
    Made("torch.randint(0, {k}, ({n},))", INT, WHOLE),
    Made("torch.randperm({n})", INT, WHOLE),
    Made("torch.tensor({k}.5)", FLOAT, POINT),
    Made("torch.tensor([{k}, {n}.5])", FLOAT, POINT),
    Made("torch.tensor([{k}., {n}.])", FLOAT, POINT),
    Made("torch.arange(0, {k}, 0.5)", FLOAT, POINT),
    Made("torch.arange({n}.)", FLOAT, POINT),
    Made("torch.full(({n},), {k}.)", FLOAT, POINT),
    Made("torch.zeros({n})", FLOAT, FACTORY),
    Made("torch.ones({n}, {k})", FLOAT, FACTORY),
    Made("torch.empty({n})", FLOAT, FACTORY),
    Made("torch.eye({n})", FLOAT, FACTORY),
    Made("torch.randn({n})", FLOAT, FACTORY),
    Made("torch.rand({n}, {k})", FLOAT, FACTORY),
    Made("torch.linspace(0, {k}, {n})", FLOAT, FACTORY),
    Made("torch.Tensor([{k}, {n}])", FLOAT, FACTORY),
    Made("torch.tensor([True, False])", BOOL, FOUND),
    Made("torch.full(({n},), True)", BOOL, FOUND),
)
DERIVED = (
    Made("torch.randn({n}) > 0", BOOL, FOUND),
    Made("torch.arange({n}) == {k}", BOOL, FOUND),
    Made("(torch.arange({n}) < {k}).sum()", INT, FOUND),
    Made("torch.randn({n}, {k}).argmax(dim=1)", INT, FOUND),
    Made("torch.randn({n}).argsort()", INT, FOUND),
    Made("F.one_hot(torch.arange({n}))", INT, FOUND),
    Made("torch.arange({n}).sum()", INT, FOUND),
    Made("torch.arange({n}) / {k}", FLOAT, POINT),
    Made("torch.arange({n}) * 0.5", FLOAT, POINT),
    Made("torch.tensor([True, {k}])", INT, WHOLE),
    Made("torch.tensor([True, {k}.5])", FLOAT, POINT),
    Made("nn.Linear({n}, {k}).weight", FLOAT, FACTORY),
    Made("nn.Embedding({n}, {k}).weight", FLOAT, FACTORY),
)
FROM_NUMPY = (
    Made("torch.from_numpy(np.zeros({n}))", DOUBLE, NUMPY),
    Made("torch.from_numpy(np.array([{k}., {n}.]))", DOUBLE, NUMPY),
    Made("torch.tensor(np.ones({n}))", DOUBLE, NUMPY),
    Made("torch.as_tensor(np.linspace(0, 1, {n}))", DOUBLE, NUMPY),
    Made("torch.from_numpy(np.random.rand({n}))", DOUBLE, NUMPY),
    Made("torch.from_numpy(np.arange({n}) / {k})", DOUBLE, NUMPY),
    Made("torch.from_numpy(np.eye({n}))", DOUBLE, NUMPY),
    Made("torch.from_numpy(np.zeros({n}, dtype=np.float32))", FLOAT, NUMPY),
    Made("torch.tensor(np.float32({k}.5))", FLOAT, NUMPY),
    Made("torch.from_numpy(np.arange({n}))", INT, WHOLE),
    Made("torch.tensor(np.array([{k}, {n}]))", INT, WHOLE),
    Made("torch.from_numpy(np.arange({n}) > {k})", BOOL, FOUND),
    Made("torch.tensor(np.zeros({n}).tolist())", FLOAT, POINT),
)
CASTS = (
    Made("torch.from_numpy(np.ones({n})).float()", FLOAT, CAST),
    Made("torch.tensor(np.ones({n}), dtype=torch.float32)", FLOAT, CAST),
    Made("torch.arange({n}).float()", FLOAT, CAST),
    Made("torch.zeros({n}).double()", DOUBLE, CAST),
    Made("torch.zeros({n}, dtype=float)", DOUBLE, CAST),
    Made("torch.zeros({n}).long()", INT, CAST),
    Made("torch.ones({n}, dtype=int)", INT, CAST),
    Made("torch.zeros({n}).to(torch.float16)", "float16", CAST),
    Made("torch.ones({n}).bool()", BOOL, CAST),
)
LIKES = ("torch.zeros_like({x})", "torch.ones_like({x})", "{x}.new_zeros({n})", "{x}.new_ones({n})", "{x}.clone()")

RULES = {
    "float64-default": "torch's default for numbers with a point is float32. float64 is Python's and NumPy's.",
    "numpy-made-float32": "What comes from NumPy keeps its dtype, and NumPy's default for numbers with a point is "
    "float64.",
    "numpy-is-float64": "This array is float32 already, and what comes from NumPy keeps its dtype.",
    "ints-made-float": "Whole numbers alone give int64: torch.tensor, arange and full go by the numbers that they get, "
    "and randint and randperm draw whole numbers.",
    "factories-give-ints": "zeros, ones, eye, linspace, torch.Tensor and layers do not go by numbers: they take the "
    "default, which is floating-point.",
    "points-dropped": "Where one number has a point, or there is a division, the tensor is floating-point.",
    "cast-ignored": "The dtype that is asked for decides: float() is float32, double() and Python's float are float64, "
    "long() and int are int64.",
    "like-forgets": "`*_like`, `new_*` and clone take the dtype of the tensor that they come from, not the default.",
    "int32": "Whole numbers are int64 in torch.",
    "bool-as-int": "A comparison, and True and False, give bool.",
    "counts-are-float": "Indices, and sums of bools or whole numbers, are int64.",
}
DOUBLED_RULES = {
    "default-ignored": "After set_default_dtype(torch.float64), numbers with a point are float64, and zeros, randn … "
    "too.",
    "default-reaches-everything": "set_default_dtype is for Python's numbers with a point, and for what has no numbers "
    "to go by. Arrays, other tensors and casts bring a dtype of their own.",
}


def believed(made: Made, rule: str, *, doubled: bool) -> str:
    """The dtype by a rule. `doubled`: the default is float64."""
    default, other = (DOUBLE, FLOAT) if doubled else (FLOAT, DOUBLE)
    dtype = default if made.by in (POINT, FACTORY) else made.dtype
    match rule, made.by:
        case (("float64-default" | "default-ignored"), ("point" | "factory")):
            return other
        case "numpy-made-float32", "numpy":
            return FLOAT
        case "numpy-is-float64", "numpy":
            return DOUBLE
        case ("factories-give-ints", "factory") | ("points-dropped", "point"):
            return INT
        case ("ints-made-float", "whole") | ("like-forgets", "like"):
            return default
        case "cast-ignored", "cast":
            return default if dtype != default else INT
        case "counts-are-float", "found":
            return default if dtype == INT else dtype
        case "default-reaches-everything", _:
            return default if dtype in (FLOAT, "float16") else dtype
        case "int32", _:
            return "int32" if dtype == INT else dtype
        case "bool-as-int", _:
            return INT if dtype == BOOL else dtype
    return dtype


def drawn(rng: Rng) -> list[Made]:
    """The tensors, of which no two are made in the same way."""
    if rng.level == 1:
        numbers, others = [made for made in SIMPLE if made.dtype == FLOAT], [m for m in SIMPLE if m.dtype != FLOAT]
        return rng.shuffled([rng.pick(numbers), rng.pick(others)])
    if rng.level == SECOND:
        return rng.shuffled([rng.pick(FROM_NUMPY), rng.pick(DERIVED), rng.pick([*SIMPLE, *CASTS])])
    first = rng.pick([rng.pick(FROM_NUMPY), rng.pick(CASTS), rng.pick(DERIVED)])
    like = Made(rng.pick(LIKES), first.dtype, LIKE)
    last = rng.pick([made for made in (*FROM_NUMPY, *CASTS, *DERIVED, *SIMPLE) if made != first])
    return [first, *rng.shuffled([like, last])]


@drill(levels=3, lesson="Tensors", arena="0.0", structures=(200, 900, 900))
def default(rng: Rng) -> PredictValue:
    """The dtype that a tensor gets when it is made."""
    made = drawn(rng)
    doubled = rng.level == THIRD and rng.chance()
    names = "xyz"[: len(made)]
    texts = [one.text.format(n=rng.integer(2, 5), k=rng.integer(2, 9), x="x") for one in made]
    lines = [f"{name} = {text}" for name, text in zip(names, texts, strict=True)]
    if doubled:
        lines.insert(0, "torch.set_default_dtype(torch.float64)")

    def seen(rule: str) -> list[str]:
        dtypes = [believed(one, rule, doubled=doubled) for one in made]
        follows = rule != "like-forgets"  # what is made like the first tensor has the dtype that this is taken for
        return [dtypes[0] if one.by == LIKE and follows else dtype for one, dtype in zip(made, dtypes, strict=True)]

    rules = DOUBLED_RULES | {rule: RULES[rule] for rule in RULES if rule != "float64-default"} if doubled else RULES
    asked = f"[{', '.join([f'{name}.dtype' for name in names])}]"
    told = "A tensor's dtype follows from the numbers that it is made of, or is a default. " if rng.level == 1 else ""
    return PredictValue(
        prompt=f"{told}What is `{asked}`?",
        program="\n".join(lines),
        ask=asked,
        dtypes_matter=True,
        hints=[
            (
                "What does each call go by: the numbers that it gets, an array or a tensor, a dtype that is "
                "asked for, or "
                "nothing of all that?"
            ),
            (
                "Whole numbers and bools keep their kind. Numbers with a point, and calls without numbers to go "
                "by, take "
                "the default. NumPy has another default than torch, and an array keeps what it has."
            ),
        ],
        why="`torch.get_default_dtype()` is float32 until `set_default_dtype` changes it. It is for Python's numbers "
        "with a point, and for zeros, ones, randn, linspace and layers. Whole numbers give int64, comparisons bool. "
        "NumPy's default is float64, and from_numpy, as_tensor and torch.tensor keep the dtype of an array. `*_like` "
        "and `new_*` keep that of a tensor.",
        wrong=mistaken(seen(""), [(rule, seen(rule), because) for rule, because in rules.items()]),
    )
