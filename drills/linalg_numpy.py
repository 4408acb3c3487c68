"""Linear algebra: NumPy code in torch, where the two agree and where they do not."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tensordrill.authoring import Rng, WriteExpression, Wrong, drill, tensor

GUIDED, SECOND, COMPOSED = 1, 2, 3  # levels
DDOF = "np.std and np.var divide by n, torch's by n - 1. Say correction=0, or correction=1 for ddof=1."
PAIR = "With a dim, torch gives values and indices. NumPy gives the values alone."
DOUBLE = "NumPy's floats are float64 by default, and torch's float32."


@dataclass(frozen=True)
class Port:
    """A NumPy expression, the same in torch, and what people write instead. `tensors` are `(name, axes)`."""

    numpy: str
    right: str
    wrong: Sequence[tuple[str, str, str]]
    tensors: Sequence[tuple[str, str]] = (("x", "row column"),)
    sizes: Mapping[str, int | str] = field(default_factory=dict)


def axis(rng: Rng) -> tuple[int, int]:
    """An axis of a matrix, and the other."""
    one = rng.integer(0, 1)
    return one, 1 - one


def reductions(rng: Rng) -> Port:
    a, b = axis(rng)
    name = rng.pick(["mean", "sum", "prod"])
    keep = rng.chance(0.4)
    option, kept = (", keepdims=True", ", keepdim=True") if keep else ("", "")
    spelled = rng.pick([f"np.{name}(x, axis={a}{option})", f"x.{name}(axis={a}{option})"])
    return Port(
        spelled,
        f"x.{name}(dim={a}{kept})",
        [
            ("other-axis", f"x.{name}(dim={b}{kept})", "`axis` in NumPy and `dim` in torch name the same axis."),
            ("all-axes", f"x.{name}()", "Only one axis goes."),
            (
                "axis-lost" if keep else "axis-kept",
                f"x.{name}(dim={a}{'' if keep else ', keepdim=True'})",
                "NumPy's keepdims is torch's keepdim.",
            ),
        ],
    )


def extremes(rng: Rng) -> Port:
    a, b = axis(rng)
    name = rng.pick(["max", "min"])
    return Port(
        f"x.{name}(axis={a})",
        f"x.a{name}(dim={a})",
        [
            ("pair", f"x.{name}(dim={a})", PAIR),
            ("other-axis", f"x.a{name}(dim={b})", "`axis` in NumPy and `dim` in torch name the same axis."),
            ("indices", f"x.arg{name}(dim={a})", "Those are the indices."),
        ],
    )


def spread(rng: Rng) -> Port:
    a, b = axis(rng)
    name = rng.pick(["std", "var"])
    ddof = rng.pick([0, 0, 1])
    option = ", ddof=1" if ddof else ""
    return Port(
        rng.pick([f"x.{name}(axis={a}{option})", f"np.{name}(x, axis={a}{option})"]),
        f"x.{name}(dim={a}, correction={ddof})",
        [
            ("ddof", f"x.{name}(dim={a}, correction={1 - ddof})", DDOF),
            (
                "other-axis",
                f"x.{name}(dim={b}, correction={ddof})",
                "`axis` in NumPy and `dim` in torch are the same axis.",
            ),
            ("all-axes", f"x.{name}(correction={ddof})", "Only one axis goes."),
        ],
    )


def joined(rng: Rng) -> Port:
    a, b = axis(rng)
    both = (("x", "row column"), ("y", "row column"))
    stack = rng.chance()
    name, torch_name, other = ("stack", "stack", "cat") if stack else ("concatenate", "cat", "stack")
    return Port(
        f"np.{name}([x, y], axis={a})",
        f"torch.{torch_name}([x, y], dim={a})",
        [
            ("other-axis", f"torch.{torch_name}([x, y], dim={b})", ("`axis` in NumPy and `dim` in torch are the "
                                                                    "same axis.")),
            ("stack-for-cat" if other == "stack" else "cat-for-stack", f"torch.{other}([x, y], dim={a})",
             "concatenate is torch.cat, along an axis that is there; stack makes a new one."),
        ],
        both,
    )  # fmt: skip


def sorting(rng: Rng) -> Port:
    a, b = axis(rng)
    return rng.pick([
        Port(f"np.sort(x, axis={a})", f"x.sort(dim={a}).values", [
            ("pair", f"x.sort(dim={a})", PAIR),
            ("other-axis", f"x.sort(dim={b}).values", "`axis` in NumPy and `dim` in torch name the same axis."),
            ("indices", f"x.sort(dim={a}).indices", "Those are the indices."),
        ]),
        Port(f"np.sort(x, axis={a})[::-1]", f"x.sort(dim={a}).values.flip(0)", [
            ("pair", f"x.sort(dim={a})", PAIR),
            ("not-turned", f"x.sort(dim={a}).values", ("[::-1] turns the first axis round. torch has no "
                                                       "negative steps: "
             "flip(0).")),
            ("other-turned", f"x.sort(dim={a}).values.flip(1)", "[::-1] turns the first axis round."),
        ]),
    ])  # fmt: skip


def repeats(rng: Rng) -> Port:
    """Repeating and tiling, whose names mean other things in torch."""
    a, _ = axis(rng)
    n = rng.integer(2, 3)
    tiled = "1, " * a + str(n) + (", 1" if a == 0 else "")
    flat = (("x", "row"),)
    swap = "np.repeat repeats each entry in place: torch.repeat_interleave. Tensor.repeat is np.tile."
    turn = "np.tile lays copies side by side: Tensor.repeat or torch.tile. repeat_interleave is np.repeat."
    return rng.pick([
        Port(f"np.repeat(x, {n}, axis={a})", f"x.repeat_interleave({n}, dim={a})", [
            ("tiled", f"x.repeat({tiled})", swap),
            ("other-axis", f"x.repeat_interleave({n}, dim={1 - a})", "`axis` and `dim` name the same axis."),
            ("flattened", f"x.repeat_interleave({n})", "Without a dim both flatten first."),
        ]),
        Port(f"np.repeat(x, {n})", f"x.repeat_interleave({n})", [("tiled", f"x.repeat({n})", swap)], flat),
        Port(f"np.tile(x, {n})", f"x.repeat({n})", [("interleaved", f"x.repeat_interleave({n})", turn)], flat),
        Port(f"np.repeat(x, {n})", f"x.repeat_interleave({n})", [
            ("tiled", f"x.flatten().repeat({n})", swap),
            ("one-axis", f"x.repeat_interleave({n}, dim=0)", "Without an axis both flatten first."),
            ("other-axis", f"x.repeat_interleave({n}, dim=1)", "Without an axis both flatten first."),
        ]),
    ])  # fmt: skip


def defaults(rng: Rng) -> Port:
    """Functions whose defaults differ."""
    three = (("x", "batch row column"),)
    return rng.pick([
        Port("np.median(x)", "x.quantile(0.5)", [
            ("lower-median", "x.median()", ("Of an even number of entries torch's median takes the lower of the two in "
             "the middle; NumPy's takes their mean.")),
            ("mean", "x.mean()", "That is the mean."),
        ], (("x", "pair row"),), {"pair": 2}),
        Port("np.transpose(x)", "x.permute(2, 1, 0)", [
            ("last-two", "x.mT", "NumPy's transpose turns all axes round; `mT` swaps the last two."),
            ("first-two", "x.transpose(0, 1)", "NumPy's transpose without axes turns all of them round."),
        ], three),
        Port("np.transpose(x, (1, 2, 0))", "x.permute(1, 2, 0)", [
            ("inverse", "x.permute(2, 0, 1)", "Both list which axis of x comes where. You have the inverse order."),
            ("last-two", "x.mT", "All three axes move."),
            ("first-two", "x.transpose(0, 1)", "All three axes move: permute."),
        ], three),
        Port("np.flip(x)", "x.flip(0, 1)", [
            ("first-only", "x.flip(0)", "Without an axis np.flip turns all of them round; torch wants them named."),
            ("last-only", "x.flip(1)", "Without an axis np.flip turns all of them round; torch wants them named."),
        ]),
        Port("np.split(x, 2)[1]", "x.tensor_split(2)[1]", [
            ("sizes-for-number", "x.split(2)[1]", "np.split takes the number of parts, torch.split their size."),
            ("first-part", "x.tensor_split(2)[0]", "[1] is the second part."),
            ("columns", "x.tensor_split(2, dim=1)[1]", "Both split the first axis by default."),
        ], (("x", "even column"),), {"even": "2 * row"}),
        Port("np.stack(np.meshgrid(x, y))", 'torch.stack(torch.meshgrid(x, y, indexing="xy"))', [
            ("matrix-indexing", 'torch.stack(torch.meshgrid(x, y, indexing="ij"))', ('np.meshgrid has indexing="xy" by '
             'default, with y down the rows; torch has "ij".')),
            ("swapped", 'torch.stack(torch.meshgrid(y, x, indexing="ij"))', ("That has the two grids the other "
                                                                             "way round.")),
        ], (("x", "row"), ("y", "column"))),
        Port("np.cov(x)", "torch.cov(x.double())", [
            ("of-columns", "torch.cov(x.double().T)", "Both take the rows as variables."),
            ("biased", "torch.cov(x.double(), correction=0)", "np.cov divides by n - 1, unlike np.var."),
            ("float32", "torch.cov(x)", "np.cov computes in float64, whatever x has."),
        ]),
        Port("np.argmax(x)", "x.argmax()", [
            ("first-axis", "x.argmax(0)", "Without an axis both look at the flattened array."),
            ("last-axis", "x.argmax(-1)", "Without an axis both look at the flattened array."),
        ]),
        Port("np.append(x, y)", "torch.cat([x.flatten(), y.flatten()])", [
            ("along-rows", "torch.cat([x, y])", "Without an axis np.append flattens both."),
            ("swapped", "torch.cat([y.flatten(), x.flatten()])", "x comes first."),
        ], (("x", "row column"), ("y", "row column"))),
        Port("np.swapaxes(x, 0, 2)", "x.transpose(0, 2)", [
            ("last-two", "x.mT", "The first and the last axis change places."),
            ("rotated", "x.permute(2, 0, 1)", "Two axes change places, and the third stays."),
        ], three),
        Port("np.dot(x, y)", "torch.tensordot(x, y, dims=([2], [1]))", [
            ("batched", "x @ y", "np.dot of three axes makes every pair of matrices. `@` pairs them up."),
            ("other-axis", "torch.tensordot(x, y, dims=([2], [2]))", ("np.dot sums over the last axis of x and "
                                                                      "the last "
             "but one of y.")),
        ], (("x", "batch row column"), ("y", "batch column row"))),
        Port("np.diff(x)", "x.diff()", [
            ("first-axis", "x.diff(dim=0)", "Both take the last axis by default."),
            ("sign", "-x.diff()", "Each entry minus the one before."),
        ]),
    ])  # fmt: skip


def dtypes(rng: Rng) -> Port:
    """What NumPy makes of a dtype."""
    n = rng.integer(3, 6)
    vector, whole = (("x", "row"),), (("i", "row"),)
    return rng.pick([
        Port(f"np.zeros({n})", f"torch.zeros({n}, dtype=torch.float64)", [
            ("float32", f"torch.zeros({n})", DOUBLE),
            ("whole-numbers", f"torch.zeros({n}, dtype=torch.int64)", "np.zeros makes floats."),
        ], ()),
        Port(f"np.linspace(0, 1, {n})", f"torch.linspace(0, 1, {n}, dtype=torch.float64)", [
            ("float32", f"torch.linspace(0, 1, {n})", DOUBLE),
            ("end-left-out", f"torch.arange(0, {n - 1}, dtype=torch.float64) / {n - 1}", "linspace includes its end."),
        ], ()),
        Port(f"np.arange({n}) / {n}", f"torch.arange({n}, dtype=torch.float64) / {n}", [
            ("float32", f"torch.arange({n}) / {n}", DOUBLE),
            ("floor", f"torch.arange({n}) // {n}", "`/` divides whole numbers into floats."),
        ], ()),
        Port("i.mean()", "i.double().mean()", [
            ("float32", "i.float().mean()", "NumPy's mean of whole numbers is float64."),
            ("whole", "i.sum() // len(i)", "The mean is not rounded."),
            ("raises", "i.mean()", "torch takes no mean of whole numbers: make floats of them first."),
        ], whole),
        Port("x.astype(int)", "x.long()", [
            ("int32", "x.int()", "NumPy's int is int64; Tensor.int() gives int32."),
            ("rounded", "x.round().long()", "astype cuts off the fraction."),
            ("floor", "x.floor().long()", "astype cuts off the fraction, towards 0."),
        ], (("x", "row column"),)),
        Port("np.sqrt(i * i)", "(i * i).double().sqrt()", [
            ("float32", "(i * i).sqrt()", "Of whole numbers np.sqrt makes float64, torch.sqrt the default, float32."),
            ("whole", "(i * i).double().sqrt().long()", "The result is float64."),
        ], whole),
        Port("i / 2", "i.double() / 2", [
            ("float32", "i / 2", "NumPy divides whole numbers into float64, torch into the default, float32."),
            ("floor", "i // 2", "`/` does not round."),
        ], whole),
        Port("np.concatenate([x, np.ones(2)])", "torch.cat([x.double(), torch.ones(2, dtype=torch.float64)])", [
            ("float32", "torch.cat([x, torch.ones(2)])", ("x is float32, but np.ones makes float64, and the result "
             "has that.")),
            ("zeros", "torch.cat([x.double(), torch.zeros(2, dtype=torch.float64)])", "np.ones makes ones."),
        ], vector),
    ])  # fmt: skip


def composed(rng: Rng) -> Port:
    """A line of a preprocessing script."""
    a, b = axis(rng)
    name = rng.pick(["std", "var"])
    ddof = rng.pick([0, 0, 1])
    option = ", ddof=1" if ddof else ""
    standard = f"x.std(dim={a}, keepdim=True, correction={{}})"
    centred = f"(x - x.mean(dim={a}, keepdim=True))"
    return rng.pick([
        Port(f"(x - x.mean(axis={a}, keepdims=True)) / x.std(axis={a}, keepdims=True{option})",
             f"{centred} / {standard.format(ddof)}", [
                 ("ddof", f"{centred} / {standard.format(1 - ddof)}", DDOF),
                 ("other-axis", (f"(x - x.mean(dim={b}, keepdim=True)) / x.std(dim={b}, keepdim=True, "
                                 f"correction={ddof})"),
                  "`axis` in NumPy and `dim` in torch name the same axis."),
                 ("not-divided", centred, "Divide by the standard deviation."),
             ]),
        Port(f"(x - x.min(axis={a}, keepdims=True)) / np.ptp(x, axis={a}, keepdims=True)",
             f"(x - x.amin({a}, keepdim=True)) / (x.amax({a}, keepdim=True) - x.amin({a}, keepdim=True))", [
                 ("pair", (f"(x - x.min({a}, keepdim=True)) / (x.max({a}, keepdim=True) - x.min({a}, "
                           f"keepdim=True))"), PAIR),
                 ("other-axis", (f"(x - x.amin({b}, keepdim=True)) / (x.amax({b}, keepdim=True) - x.amin({b}, "
                                 f"keepdim=True))"),
                  "`axis` in NumPy and `dim` in torch name the same axis."),
                 ("over-everything", "(x - x.min()) / (x.max() - x.min())", "Each row or column has its own range."),
             ]),
        Port(f"np.sort(x, axis={a}).{name}(axis={b}{option})",
             f"x.sort(dim={a}).values.{name}(dim={b}, correction={ddof})", [
                 ("ddof", f"x.sort(dim={a}).values.{name}(dim={b}, correction={1 - ddof})", DDOF),
                 ("axes-swapped", f"x.sort(dim={b}).values.{name}(dim={a}, correction={ddof})", ("The axes are "
                                                                                                 "swapped.")),
                 ("pair", f"x.sort(dim={a}).{name}(dim={b}, correction={ddof})", PAIR),
             ]),
        Port("np.tile(x.max(axis=0), 2)", "x.amax(dim=0).repeat(2)", [
            ("interleaved", "x.amax(dim=0).repeat_interleave(2)", "np.tile lays copies side by side: Tensor.repeat."),
            ("pair", "x.max(dim=0).repeat(2)", PAIR),
            ("other-axis", "x.amax(dim=1).repeat(2)", "`axis` in NumPy and `dim` in torch name the same axis."),
        ]),
        Port(f"np.repeat(x.{name}(axis=1{option}), 2)", f"x.{name}(dim=1, correction={ddof}).repeat_interleave(2)", [
            ("tiled", f"x.{name}(dim=1, correction={ddof}).repeat(2)", ("np.repeat repeats each entry: "
                                                                        "repeat_interleave.")),
            ("ddof", f"x.{name}(dim=1, correction={1 - ddof}).repeat_interleave(2)", DDOF),
            ("other-axis", f"x.{name}(dim=0, correction={ddof}).repeat_interleave(2)", ("`axis` and `dim` are "
                                                                                        "the same.")),
        ]),
        Port(f"np.linalg.norm(x, axis={a}) / x.shape[{a}]", f"torch.linalg.norm(x, dim={a}) / x.shape[{a}]", [
            ("other-axis", f"torch.linalg.norm(x, dim={b}) / x.shape[{a}]", "`axis` and `dim` name the same axis."),
            ("all-axes", f"torch.linalg.norm(x) / x.shape[{a}]", "One axis goes."),
            ("other-size", f"torch.linalg.norm(x, dim={a}) / x.shape[{b}]", "shape is the same in both."),
        ]),
        Port("np.concatenate([x.max(axis=1), x.min(axis=1)])", "torch.cat([x.amax(dim=1), x.amin(dim=1)])", [
            ("pair", "torch.cat([x.max(dim=1), x.min(dim=1)])", PAIR),
            ("stacked", "torch.stack([x.amax(dim=1), x.amin(dim=1)])", "concatenate is torch.cat."),
            ("other-axis", "torch.cat([x.amax(dim=0), x.amin(dim=0)])", "`axis` and `dim` name the same axis."),
        ]),
        Port("np.percentile(x, 25, axis=0).astype(x.dtype)", "x.quantile(0.25, dim=0)", [
            ("percent", "x.quantile(0.75, dim=0)", "quantile takes shares from 0 to 1: 25 percent are 0.25."),
            ("other-axis", "x.quantile(0.25, dim=1)", "`axis` and `dim` name the same axis."),
        ]),
    ])  # fmt: skip


KINDS: Sequence[Sequence[Callable[[Rng], Port]]] = (
    (reductions, extremes, spread, joined, sorting),
    (extremes, spread, repeats, defaults, defaults, defaults, dtypes, dtypes),
    (composed, composed, composed, repeats, defaults),
)


@drill(after=["dtypes.default"], levels=3, lesson="Porting from NumPy", arena="0.1", structures=(14, 25, 23))
def numpy_port(rng: Rng) -> WriteExpression:
    """NumPy code in torch."""
    port = rng.pick(KINDS[rng.level - 1])(rng)
    kinds = {name: "int64" if name == "i" else "float32" for name, _ in port.tensors}
    one = len(kinds) == 1
    given = ", and ".join([f"`{name}` is {kind}" for name, kind in kinds.items()])
    if len(set(kinds.values())) == 1 and not one:
        given = f"{' and '.join([f'`{name}`' for name in kinds])} are float32"
    given = f" {given}: {'a NumPy array' if one else 'NumPy arrays'} there, {'a tensor' if one else 'tensors'} here."
    if not port.tensors:
        given = ""
    return WriteExpression(
        prompt=(
            f"Write in torch what this NumPy code gives, with the same shape and the same dtype, without `np`.{given}"
        ),
        tensors=[tensor(name, axes, "index:row" if name == "i" else "any") for name, axes in port.tensors],
        sizes=port.sizes,
        reference_expression=port.right,
        code=port.numpy,
        forbid=("np", "numpy", "from_numpy"),
        dtypes_matter=True,
        hints=[
            (
                "Is the function of that name in torch the same one, with the same defaults? What is the dtype of the "
                "result?"
            ),
            (
                "`axis` is `dim` and `keepdims` is `keepdim`. Some names differ, some functions return a pair, "
                "and some "
                "defaults are others: ddof, the axis, float64."
            ),
        ],
        why="Mostly `axis` becomes `dim`. But `std` and `var` divide by n in NumPy and by n - 1 in torch; "
        "`max`, `min` and "
        "`sort` along a dim give values and indices; `np.repeat` is `repeat_interleave`, and `np.tile` is "
        "`Tensor.repeat`; `np.split` takes a number of parts, `torch.split` a size; and what NumPy makes is float64.",
        wrong=[Wrong(*turn) for turn in port.wrong],
    )
