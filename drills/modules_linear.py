"""Modules: what a linear layer computes."""

from collections.abc import Sequence

from tensordrill.authoring import Edit, Rng, Tensor, WriteExpression, Wrong, drill, tensor

FORBID = ("linear", "Linear", "layer", "first", "second", "bilinear")
ACTIVATIONS = ("relu", "square", "abs")  # none that saturates, where unlike inputs would look alike

NOT_TRANSPOSED = "nn.Linear stores its weight as (out, in). To stand on the right of the input it has to be transposed."
NEEDLESSLY = "This weight is stored as (in, out), so it stands on the right of the input as it is."
NO_BIAS = "The bias is missing."
EARLY = "The bias is added before the activation, not after it."
BACKWARDS = "Going back from the outputs, the weight stands on the right as it is: it is (out, in)."
OTHER_PART = (
    "Those are other outputs. A row of the weight makes one output, and the rows are in the order of the outputs."
)
HINTS = {
    1: "The axis that is summed over must be the last of the left operand and the first but one of the right.",
    2: "nn.Linear(d_in, d_out) stores a weight of shape (d_out, d_in) and a bias of shape (d_out,).",
    3: "Write down the shape of every weight: nn.Linear stores (out, in). Each row of it makes one output.",
}
WHY = (
    "nn.Linear computes x @ weight.T + bias, over the last axis of x. Its weight is stored as (out_features, "
    "in_features): a row for each output. So rows are sliced to get some of the outputs, and layers in a row merge "
    "into second.weight @ first.weight. TransformerLens stores (in, out) instead, and does not transpose."
)


def asked(
    rng: Rng,
    prompt: str,
    tensors: Sequence[Tensor],
    expression: str,
    wrong: Sequence[Wrong | Edit],
    output: str,
    *,
    code: str = "",
    last_hint: str,
) -> WriteExpression:
    named = output.split()
    return WriteExpression(
        prompt=f"{prompt} Do it by hand: without `F.linear` and "
        f"`nn.Linear`{', and without the layers' if code else ''}.",
        tensors=tensors,
        reference_expression=expression,
        output=named if set(named) <= {axis for one in tensors for axis in one.axes} else None,
        axes="d_in d_hidden d_out"
        if "d_hidden" in code
        else "d_in d_out"
        if "d_in" in code
        else "d_model"
        if code
        else "",
        setup=code,
        code=code,
        forbid=FORBID,
        hints=[HINTS[rng.level], last_hint],
        why=WHY,
        wrong=wrong,
    )


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
    told = f", then {act}" if act else ""
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


ONE = """
layer = nn.Linear(d_in, d_out)
W, b = layer.weight.detach(), layer.bias.detach()
"""
NO_BIAS_CODE = """
layer = nn.Linear(d_in, d_out, bias=False)
W = layer.weight.detach()
"""
TWO = """
first, second = nn.Linear(d_in, d_hidden), nn.Linear(d_hidden, d_out)
W1, b1 = first.weight.detach(), first.bias.detach()
W2, b2 = second.weight.detach(), second.bias.detach()
"""
FUSED = """
layer = nn.Linear(d_model, 3 * d_model)
W, b = layer.weight.detach(), layer.bias.detach()
"""


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
        f"A tied decoder goes back from outputs `y` to inputs with the layer's own weight: {told}weight each "
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


def merged(rng: Rng) -> WriteExpression:
    """Two layers without anything between them, as one."""
    if rng.chance():
        return asked(
            rng,
            "`second(first(x))` has nothing between the layers, so one layer can do it. Write the weight of "
            "that layer, "
            "as nn.Linear stores it.",
            [],
            "W2 @ W1",
            [
                Wrong("order", "W1 @ W2", "The first layer's weight stands on the right: x goes through it first."),
                Wrong("not-stored-so", "(W2 @ W1).T", "nn.Linear stores (out, in), and that is (in, out)."),
                Wrong("untransposed-sum", "W2 + W1", "The layers come one after the other: their weights multiply."),
            ],
            "d_out d_in",
            code=TWO,
            last_hint="Its shape is (d_out, d_in). Which product of (d_out, d_hidden) and (d_hidden, d_in) is that?",
        )
    return asked(
        rng,
        "`second(first(x))` has nothing between the layers, so one layer can do it. Write the bias of that layer.",
        [],
        "W2 @ b1 + b2",
        [
            Wrong("biases-added", "b1 + b2", "The first bias goes through the second layer, as everything before it."),
            Wrong("second-only", "b2", "The first layer's bias is not lost: it goes through the second layer."),
            Wrong("second-forgotten", "W2 @ b1", "The second layer adds its own bias too."),
            Wrong("wrong-axis", "b1 @ W2 + b2", "W2 is (d_out, d_hidden): b1 stands on its right."),
        ],
        "d_out",
        code=TWO,
        last_hint="What does second(first(x)) give where x is 0?",
    )


def low_rank(rng: Rng) -> WriteExpression:
    """LoRA, beside the layer or merged into its weight."""
    tensors = [tensor("A", "rank d_in"), tensor("B", "d_out rank")]
    k = rng.pick(["2", "0.5", "4"])
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
        [tensor("x", "batch d_in"), *tensors],
        f"x @ W.T + b + {k} * (x @ A.T @ B.T)",
        [
            Edit("weight-not-transposed", "W.T", "W", NOT_TRANSPOSED),
            Edit("update-not-transposed", "A.T @ B.T", "A @ B", NOT_TRANSPOSED),
            Edit("bias-forgotten", " + b", "", NO_BIAS),
            Edit("unscaled", f"{k} * ", "", f"The update is scaled by {k}."),
            Wrong("all-scaled", f"{k} * (x @ W.T + b + x @ A.T @ B.T)", "Only the update is scaled."),
        ],
        "batch d_out",
        code=ONE,
        last_hint="x @ A.T has the axes (batch, rank).",
    )


SHIFTS = {"x * gain + shift": "W @ shift + b", "x + shift": "W @ shift + b", "x - shift": "b - W @ shift"}
SHIFTS |= {"(x - shift) * gain": "b - W @ (shift * gain)", "(x + shift) * gain": "b + W @ (shift * gain)"}


def folded(rng: Rng) -> WriteExpression:
    """A gain and a shift before the layer, moved into it."""
    gain, shift = tensor("gain", "d_in"), tensor("shift", "d_in")
    if rng.chance():
        before = rng.pick(["x * gain", "x * gain + shift", "(x - shift) * gain", "x / gain"])
        divided = "/" in before
        written = "W / gain" if divided else "W * gain"
        gain = tensor("gain", "d_in", "positive")
        return asked(
            rng,
            f"`layer({before})` can be done by one layer on `x`. Write the weight of that layer, as nn.Linear "
            f"stores it.",
            [gain, shift] if "shift" in before else [gain],
            written,
            [
                Edit("scaled-outputs", "gain", "gain[:, None]", "gain scales the inputs: the columns of the weight."),
                Wrong("summed", "W @ gain", "Each column is scaled. Nothing is summed."),
                Wrong("not-stored-so", f"({written}).T", "nn.Linear stores (out, in), and that is (in, out)."),
                Wrong("unchanged", "W", "The inputs are scaled by gain, and so must the weight be."),
            ],
            "d_out d_in",
            code=ONE,
            last_hint="Which axis of the weight belongs to the inputs?",
        )
    before = rng.pick(list(SHIFTS))
    written = SHIFTS[before]
    wrong = [
        Wrong("unchanged", "b", "The shift goes through the weight, and is added for every x."),
        Wrong("bias-forgotten", "W @ shift", "The layer's own bias is still there."),
        Wrong("not-through-the-weight", "b + (W * shift).mean(1)", "The shift is summed with each row, not averaged."),
    ]
    if "gain" in before:
        early = before.startswith("x * gain")
        other = "W @ (shift * gain) + b" if early else written.replace("(shift * gain)", "shift")
        said = (
            "The shift is added after the gain, which does not scale it." if early else "The gain scales the shift too."
        )
        wrong.append(Wrong("gain-too" if early else "gain-forgotten", other, said))
    if " - " in before:
        wrong.append(Wrong("sign", written.replace("b - ", "b + "), "The shift is taken off."))
    return asked(
        rng,
        f"`layer({before})` can be done by one layer on `x`. Write the bias of that layer.",
        [gain, shift] if "gain" in before else [shift],
        written,
        wrong,
        "d_out",
        code=ONE,
        last_hint=f"What does layer({before}) give where x is 0?",
    )


def scaled(rng: Rng) -> WriteExpression:
    """A scale, and an offset, behind the layer, moved into it."""
    scale, offset = tensor("scale", "d_out", "positive"), tensor("offset", "d_out")
    after, bias = rng.pick(
        [
            ("layer(x) * scale", "b * scale"),
            ("layer(x) * scale + offset", "b * scale + offset"),
            ("(layer(x) - offset) * scale", "(b - offset) * scale"),
            ("(layer(x) - offset) / scale", "(b - offset) / scale"),
        ]
    )
    tensors = [scale, offset] if "offset" in after else [scale]
    told = f"`{after}` can be done by one layer on `x`. Write the "
    if rng.chance():
        sign = "/" if "/" in after else "*"
        written = f"W {sign} scale[:, None]"
        return asked(
            rng,
            told + "weight of that layer, as nn.Linear stores it.",
            tensors,
            written,
            [
                Edit("scaled-inputs", "scale[:, None]", "scale", "scale is for the outputs: the rows of the weight."),
                Wrong("not-stored-so", f"({written}).T", "nn.Linear stores (out, in), and that is (in, out)."),
                Wrong("unchanged", "W", "The outputs are scaled, and so must the weight be."),
                Wrong("summed", "scale @ W", "Each row is scaled. Nothing is summed."),
            ],
            "d_out d_in",
            code=ONE,
            last_hint="Which axis of the weight belongs to the outputs?",
        )
    wrong = [Wrong("unchanged", "b", "What comes behind the layer is done to its bias too.")]
    if "offset" in after:
        wrong.append(
            Wrong("scale-forgotten", "b + offset" if "+ off" in after else "b - offset", "The bias is scaled.")
        )
        wrong.append(
            Wrong("offset-forgotten", "b / scale" if "/" in after else "b * scale", "The offset is part of it.")
        )
    else:
        wrong.append(Wrong("weight-scaled-alone", "b + scale", "The bias is scaled with the rest of the output."))
    return asked(
        rng,
        told + "bias of that layer.",
        tensors,
        bias,
        wrong,
        "d_out",
        code=ONE,
        last_hint="What comes out where x is 0?",
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


SCENES = ((plain,), (from_layer, two_layers, some_outputs, transposed_layer), (merged, low_rank, folded, scaled, gated))


@drill(after=["shapes.matmul"], levels=3, lesson="Modules", arena="0.2", structures=(20, 20, 14))
def linear(rng: Rng) -> WriteExpression:
    """A linear layer by hand."""
    return rng.pick(SCENES[rng.level - 1])(rng)
