"""Modules: what a linear layer computes."""

from tensordrill.authoring import Edit, Rng, WriteExpression, Wrong, drill, tensor
from tensordrill.building.linear import (
    ACTIVATIONS,
    BACKWARDS,
    EARLY,
    FUSED,
    NEEDLESSLY,
    NO_BIAS,
    NO_BIAS_CODE,
    NOT_TRANSPOSED,
    ONE,
    OTHER_PART,
    TWO,
    asked,
)
from tensordrill.building.linear_merged import MERGED


def plain(rng: Rng) -> WriteExpression:
    """One layer, its axes told. The weight is stored either way."""
    stored, bias, act = rng.chance(0.6), rng.chance(0.75), rng.pick(["", "", *ACTIVATIONS])
    first, lead = rng.chance(0.3), rng.pick(["", "batch", "batch seq", "batch head query"])
    lead = "batch" if first else lead
    x, w = "x.T" if first else "x", "W.T" if stored else "W"
    product = f"{x} @ {w}"
    inner = f"{product} + b" if bias else product
    written = f"({inner}).{act}()" if act else inner
    bare = "W" if stored else "W.T"
    wrong: list[Wrong | Edit] = [
        Edit("weight-not-transposed", f"@ {w}", f"@ {bare}", NOT_TRANSPOSED)
        if stored
        else Edit("transposed-needlessly", f"@ {w}", f"@ {bare}", NEEDLESSLY)
    ]
    if first:
        wrong.append(
            Edit(
                "features-taken-for-last", "x.T @", "x @", "x has its features first here. They come last in a product."
            )
        )
    if bias:
        wrong.append(Edit("bias-forgotten", " + b", "", NO_BIAS))
    if act:
        wrong.append(Wrong("activation-forgotten", inner, f"The {act} is missing."))
    if act and bias:
        wrong.append(Wrong("bias-after-activation", f"({product}).{act}() + b", EARLY))
    axes = "d_in batch" if first else f"{lead} d_in"
    weight = "d_out d_in" if stored else "d_in d_out"
    told = f", and `{act}` of that is taken" if act else ""
    output = f"{lead} d_out".strip()
    shape = f"({output.replace(' ', ', ')}{',' if ' ' not in output else ''})"
    return asked(
        rng,
        f"A linear layer maps d_in features to d_out: each output is a weighted sum of the inputs"
        f"{', and a bias' if bias else ''}{told}. The result has the axes {shape}.",
        [tensor("x", axes.strip()), tensor("W", weight), *([tensor("b", "d_out")] if bias else [])],
        written,
        wrong,
        output,
        last_hint=f"W is stored as ({weight.replace(' ', ', ')}), and the inputs have to be the last axis of x.",
    )


def from_layer(rng: Rng) -> WriteExpression:
    """What the layer itself computes: the shape of its weight is not told."""
    bias, act = rng.chance(0.7), rng.pick(["", *ACTIVATIONS])
    lead = rng.pick(["batch", "batch seq"])
    inner = "x @ W.T + b" if bias else "x @ W.T"
    wrong: list[Wrong | Edit] = [Edit("weight-not-transposed", "W.T", "W", NOT_TRANSPOSED)]
    if bias:
        wrong.append(Edit("bias-forgotten", " + b", "", NO_BIAS))
    if act:
        wrong.append(Wrong("activation-forgotten", inner, f"The {act} is missing."))
        if bias:
            wrong.append(Wrong("bias-after-activation", f"(x @ W.T).{act}() + b", EARLY))
    called = f"layer(x).{act}()" if act else "layer(x)"
    return asked(
        rng,
        f"Write what `{called}` gives, from `x` and the layer's own tensors.",
        [tensor("x", f"{lead} d_in")],
        f"({inner}).{act}()" if act else inner,
        wrong,
        f"{lead} d_out",
        code=ONE if bias else NO_BIAS_CODE,
        last_hint="The weight is (d_out, d_in): x @ W would sum over the wrong axis.",
    )


def two_layers(rng: Rng) -> WriteExpression:
    act = rng.pick(ACTIVATIONS)
    lead = rng.pick(["batch", "batch seq"])
    called, inner = rng.pick(
        [
            (f"second(first(x).{act}())", f"(x @ W1.T + b1).{act}()"),
            (f"second(first(x.{act}()))", f"(x.{act}() @ W1.T + b1)"),
            (f"second(first(x)).{act}()", "(x @ W1.T + b1)"),
        ]
    )
    written = f"{inner} @ W2.T + b2"
    if called.endswith(f"{act}()"):
        written = f"({written}).{act}()"
    return asked(
        rng,
        f"Write what `{called}` gives, from `x` and the layers' own tensors.",
        [tensor("x", f"{lead} d_in")],
        written,
        [
            Edit("first-not-transposed", "W1.T", "W1", NOT_TRANSPOSED),
            Edit("second-not-transposed", "W2.T", "W2", NOT_TRANSPOSED),
            Edit("first-bias-forgotten", " + b1", "", "The first layer's bias is missing."),
            Edit("second-bias-forgotten", " + b2", "", "The second layer's bias is missing."),
            Edit("activation-forgotten", f".{act}()", "", f"The {act} is missing."),
        ],
        f"{lead} d_out",
        code=TWO,
        last_hint="One layer is x @ W.T + b. Put it in place of x in the other one.",
    )


def some_outputs(rng: Rng) -> WriteExpression:
    """One output, or the first ones."""
    lead = rng.pick(["batch", "batch seq"])
    if rng.chance():
        at = rng.pick([0, 1, -1])
        told = {0: "the first output", 1: "the second output", -1: "the last output"}[at]
        another = rng.pick([n for n in (0, 1, -1) if n != at])
        return asked(
            rng,
            f"Of what `layer(x)` gives, write {told} alone, without its axis: `layer(x)[..., {at}]`.",
            [tensor("x", f"{lead} d_in")],
            f"x @ W[{at}] + b[{at}]",
            [
                Wrong(
                    "column-for-row", f"x @ W[:, {at}] + b[{at}]", "A row of the weight makes an output, not a column."
                ),
                Wrong("bias-forgotten", f"x @ W[{at}]", NO_BIAS),
                Wrong("whole-bias", f"(x @ W[{at}])[..., None] + b", "Only that output's own bias is added."),
                Wrong("axis-kept", f"(x @ W[{at}] + b[{at}])[..., None]", "The axis of the outputs is to be gone."),
                Wrong("another-output", f"x @ W[{another}] + b[{another}]", OTHER_PART),
            ],
            lead,
            code=ONE,
            last_hint="A row of W is what one output sums with: W[j] has d_in entries.",
        )
    part = rng.integer(0, 2)
    name = ["queries", "keys", "values"][part]
    rows = ["[:d_model]", "[d_model : 2 * d_model]", "[2 * d_model :]"][part]
    others = ["[:d_model]", "[d_model : 2 * d_model]", "[2 * d_model :]"]
    other = others[(part + 1) % 3]
    return asked(
        rng,
        "The layer gives queries, keys and values, one after the other on its last axis, d_model of each. Write the "
        f"{name} of `x`. You can use `d_model` as a number.",
        [tensor("x", f"{lead} d_model")],
        f"x @ W{rows}.T + b{rows}",
        [
            Wrong("another-part", f"x @ W{other}.T + b{other}", OTHER_PART),
            Wrong(
                "every-third", f"x @ W[{part}::3].T + b[{part}::3]", "The three lie one after the other, not by turns."
            ),
            Wrong("bias-forgotten", f"x @ W{rows}.T", NO_BIAS),
            Wrong("weight-not-transposed", f"x @ W{rows} + b{rows}", NOT_TRANSPOSED),
        ],
        f"{lead} d_model",
        code=FUSED,
        last_hint="The weight is (3 * d_model, d_model). Which rows make those outputs?",
    )


def transposed_layer(rng: Rng) -> WriteExpression:
    """The way back with the same weight."""
    lead, minus = rng.pick(["batch", "batch seq"]), rng.chance()
    y = "(y - b)" if minus else "y"
    told = "take the bias off `y`, then " if minus else ""
    wrong: list[Wrong | Edit] = [Edit("transposed-needlessly", "@ W", "@ W.T", BACKWARDS)]
    if minus:
        wrong.append(Wrong("bias-forgotten", "y @ W", "The bias has to come off first."))
        wrong.append(Wrong("bias-added", "(y + b) @ W", "The bias comes off, it is not added once more."))
    else:
        wrong.append(Wrong("bias-added", "y @ W + (b @ W)", "No bias is asked for here."))
    return asked(
        rng,
        f"A tied decoder goes back from outputs `y` to inputs with the layer's own weight: {told}multiply each "
        f"row of the "
        "weight by its output, and add them up. The result has the axes "
        f"({lead.replace(' ', ', ')}, d_in).",
        [tensor("y", f"{lead} d_out")],
        f"{y} @ W",
        wrong,
        f"{lead} d_in",
        code=ONE,
        last_hint="y has d_out as its last axis, and W has it as its first.",
    )


def low_rank(rng: Rng) -> WriteExpression:
    """LoRA, beside the layer or merged into its weight."""
    tensors = [tensor("A", "rank d_in"), tensor("B", "d_out rank")]
    k, lead = rng.pick(["2", "0.5", "4"]), rng.pick(["batch", "batch seq"])
    if rng.chance():
        return asked(
            rng,
            f"A low-rank update is added to a layer's weight: `layer(x) + {k} * up(down(x))`, in which down and up are "
            "layers without a bias, whose weights are A and B. Write the weight of the one layer that does the "
            "same, as "
            "nn.Linear stores it.",
            tensors,
            f"W + {k} * B @ A",
            [
                Wrong("order", f"W + {k} * A @ B", "A comes first in time, so it stands on the right: B @ A."),
                Wrong("transposed", f"W + {k} * (B @ A).T", "B @ A is (d_out, d_in), as the weight is."),
                Wrong("unscaled", "W + B @ A", f"The update is scaled by {k}."),
                Wrong("all-scaled", f"{k} * (W + B @ A)", "Only the update is scaled."),
            ],
            "d_out d_in",
            code=ONE,
            last_hint="The update has to be (d_out, d_in): rank is what is summed over.",
        )
    return asked(
        rng,
        f"Write `layer(x) + {k} * up(down(x))`, in which down and up are layers without a bias, whose weights "
        f"are A and "
        "B as nn.Linear stores them.",
        [tensor("x", f"{lead} d_in"), *tensors],
        f"x @ W.T + b + {k} * (x @ A.T @ B.T)",
        [
            Edit("weight-not-transposed", "W.T", "W", NOT_TRANSPOSED),
            Edit("update-not-transposed", "A.T @ B.T", "A @ B", NOT_TRANSPOSED),
            Edit("bias-forgotten", " + b", "", NO_BIAS),
            Edit("unscaled", f"{k} * ", "", f"The update is scaled by {k}."),
            Wrong("all-scaled", f"{k} * (x @ W.T + b + x @ A.T @ B.T)", "Only the update is scaled."),
        ],
        f"{lead} d_out",
        code=ONE,
        last_hint="x @ A.T has rank as its last axis.",
    )


def gated(rng: Rng) -> WriteExpression:
    act = rng.pick(ACTIVATIONS)
    return asked(
        rng,
        f"Write `second(first(x).{act}() * gate(x))`, in which gate is a layer without a bias, whose weight is G as "
        "nn.Linear stores it.",
        [tensor("x", "batch d_in"), tensor("G", "d_hidden d_in")],
        f"((x @ W1.T + b1).{act}() * (x @ G.T)) @ W2.T + b2",
        [
            Edit("gate-not-transposed", "G.T", "G", NOT_TRANSPOSED),
            Edit("first-not-transposed", "W1.T", "W1", NOT_TRANSPOSED),
            Edit("second-not-transposed", "W2.T", "W2", NOT_TRANSPOSED),
            Edit("gate-added", " * (x", " + (x", "The gate multiplies."),
            Edit("activation-forgotten", f".{act}()", "", f"The {act} is missing."),
            Edit("bias-forgotten", " + b1", "", "The first layer's bias is missing."),
        ],
        "batch d_out",
        code=TWO,
        last_hint="Both sides of the gate have the axes (batch, d_hidden).",
    )


SCENES = ((plain,), (from_layer, two_layers, some_outputs, transposed_layer), (*MERGED, low_rank, gated))


@drill(after=["shapes.matmul"], levels=3, lesson="Modules", arena="0.2", structures=(28, 20, 40))
def linear(rng: Rng) -> WriteExpression:
    """A linear layer by hand."""
    return rng.pick(SCENES[rng.level - 1])(rng)
