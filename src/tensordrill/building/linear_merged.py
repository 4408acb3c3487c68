"""Linear layers by hand: one layer that does what several things do."""

from collections.abc import Sequence

from tensordrill.building.linear import ONE, PAIR, SQUARE, TWO, asked
from tensordrill.puzzles import Edit, Tensor, WriteExpression, Wrong, tensor
from tensordrill.rng import Rng

STORED = "nn.Linear stores (out, in), and that is (in, out)."
ONE_LAYER = "`{}` can be done by one layer on `x`. Write the {} of that layer{}."


def one_layer(
    rng: Rng,
    call: str,
    tensors: Sequence[Tensor],
    weight: tuple[str, Sequence[tuple[str, str, str]]],
    bias: tuple[str, Sequence[tuple[str, str, str]]] | None,
    code: str,
    last_hint: str,
) -> WriteExpression:
    """The weight or the bias of the layer that does what the call does: each the answer, and what is wrong."""
    if bias and rng.chance():
        written, wrong = bias
        told, axes, hint = ONE_LAYER.format(call, "bias", ""), "d_out", "What does it give where x is 0?"
    else:
        written, wrong = weight
        told, axes, hint = ONE_LAYER.format(call, "weight", ", as nn.Linear stores it"), "d_out d_in", last_hint
        if ".cat(" not in call:
            wrong = [*wrong, ("not-stored-so", f"({written}).T", STORED)]
    return asked(rng, told, tensors, written, [Wrong(*turn) for turn in wrong], axes, code=code, last_hint=hint)


def merged(rng: Rng) -> WriteExpression:
    """Two layers with nothing between them, or nothing that is not linear."""
    call, times, inner, tensors = rng.pick(
        [
            ("second(first(x))", "{} @ W1", "b1", []),
            ("second(first(x) * gain)", "{} * gain @ W1", "b1 * gain", ["gain"]),
            ("second(first(x) + shift)", "{} @ W1", "b1 + shift", ["shift"]),
            ("second(first(x) - shift)", "{} @ W1", "b1 - shift", ["shift"]),
            ("second(first(x) * gain + shift)", "{} * gain @ W1", "b1 * gain + shift", ["gain", "shift"]),
            ("second(-first(x))", "-{} @ W1", "-b1", []),
            ("second(3 * first(x))", "3 * {} @ W1", "3 * b1", []),
            ("second(first(2 * x))", "2 * {} @ W1", "b1", []),
        ]
    )
    weight = times.format("W2")
    wrong = [
        ("order", "W1 @ W2", "The first layer's weight stands on the right: x goes through it first."),
        ("untransposed-sum", "W2 + W1", "The layers come one after the other: their weights multiply."),
    ]
    if weight != "W2 @ W1":
        wrong.append(("factor-forgotten", "W2 @ W1", "What scales on the way scales the weight too."))
    through = f"({inner})" if " " in inner or "-" in inner else inner
    biases = [
        ("biases-added", f"{inner} + b2", "The first bias goes through the second layer, as everything before it."),
        ("second-only", "b2", "The first layer's bias is not lost: it goes through the second layer."),
        ("second-forgotten", f"W2 @ {through}", "The second layer adds its own bias too."),
        ("wrong-axis", f"{through} @ W2 + b2", "W2 is (d_out, d_hidden): b1 stands on its right."),
    ]
    if inner != "b1":
        biases.append(("unchanged-between", "W2 @ b1 + b2", "What is done to first(x) is done to its bias too."))
    return one_layer(
        rng, call, [tensor(name, "d_hidden") for name in tensors], (weight, wrong),
        (f"W2 @ {through} + b2", biases), TWO,
        "Its shape is (d_out, d_in). Which product of (d_out, d_hidden) and (d_hidden, d_in) is that?",
    )  # fmt: skip


def parallel(rng: Rng) -> WriteExpression:
    """Two layers side by side."""
    stacked = ("stacked", "torch.cat([{0}1, {0}2])", "The outputs are combined, not put behind each other.")
    first = ("first-only", "{0}1", "Both layers see x.")
    added = ("added", "{0}1 + {0}2", "The outputs stand one behind the other, and are not added.")
    call, written, wrong = rng.pick(
        [
            ("first(x) + second(x)", "{0}1 + {0}2",
             [stacked, first, ("averaged", "({0}1 + {0}2) / 2", "The outputs are added, and not averaged.")]),
            ("first(x) - second(x)", "{0}1 - {0}2",
             [stacked, first, ("sign", "{0}1 + {0}2", "The second layer's output is taken off.")]),
            ("(first(x) + second(x)) / 2", "({0}1 + {0}2) / 2",
             [stacked, first, ("summed", "{0}1 + {0}2", "It is the mean of the two.")]),
            ("first(x) + 3 * second(x)", "{0}1 + 3 * {0}2",
             [stacked, first, ("both-scaled", "3 * ({0}1 + {0}2)", "Only the second layer's output is scaled.")]),
            ("torch.cat([first(x), second(x)], -1)", "torch.cat([{0}1, {0}2])",
             [added, first, ("order", "torch.cat([{0}2, {0}1])", "The first layer's outputs come first.")]),
            ("torch.cat([second(x), first(x)], -1)", "torch.cat([{0}2, {0}1])",
             [added, first, ("order", "torch.cat([{0}1, {0}2])", "The second layer's outputs come first here.")]),
        ]
    )  # fmt: skip
    (weight, weights), (bias, biases) = (
        (written.format(name), [(key, text.format(name), said) for key, text, said in wrong]) for name in "Wb"
    )
    if ".cat(" in call:
        weights.append(("along-the-inputs", weight.replace("])", "], 1)"), "More outputs are more rows of the weight."))
    else:
        weights.append(("one-after-the-other", "W2 @ W1.T", "Both layers see x itself: their weights do not multiply."))
    return one_layer(
        rng,
        call,
        [],
        (weight, weights),
        (bias, biases),
        PAIR,
        "A row of the weight makes one output. Which rows are there?",
    )


def residual(rng: Rng) -> WriteExpression:
    """A layer and a way around it."""
    call, written, bias, opposite = rng.pick(
        [
            ("x + layer(x)", "torch.eye(len(W)) + W", "b", "torch.eye(len(W)) - W"),
            ("x - layer(x)", "torch.eye(len(W)) - W", "-b", "torch.eye(len(W)) + W"),
            ("layer(x) - x", "W - torch.eye(len(W))", "b", "W + torch.eye(len(W))"),
            ("x + layer(2 * x)", "torch.eye(len(W)) + 2 * W", "b", "2 * (torch.eye(len(W)) + W)"),
            ("x + layer(x) / 2", "torch.eye(len(W)) + W / 2", "b / 2", "(torch.eye(len(W)) + W) / 2"),
            ("layer(x + layer(x))", "W + W @ W", "W @ b + b", "W @ W"),
        ]
    )
    ones = written.replace("torch.eye(len(W))", "1")
    wrong = [
        ("opposite" if "2" not in call else "wrong-part-scaled", opposite, "x itself passes unscaled, with its sign."),
        ("x-forgotten", "W", "x itself passes too: its weight is the identity."),
    ]
    if ones != written:
        wrong.append(("ones-for-identity", ones, "1 is added to every entry. What leaves x as it is, is the identity."))
    biases = [
        ("unchanged", "b", "What is done to layer(x) is done to its bias too."),
        ("none", "0 * b", "The layer keeps a bias."),
    ]
    return one_layer(
        rng, call, [], (written, wrong), (bias, biases) if bias != "b" else None, SQUARE,
        "Which matrix, as a weight, gives x back?",
    )  # fmt: skip


def rearranged(rng: Rng) -> WriteExpression:
    """The order of inputs or outputs, moved into the layer."""
    call, weight, bias, wrong = rng.pick(
        [
            ("layer(x.flip(-1))", "W.flip(1)", "", ["W.flip(0)", "W.flip(0, 1)"]),
            ("layer(x).flip(-1)", "W.flip(0)", "b.flip(0)", ["W.flip(1)", "W.flip(0, 1)"]),
            ("layer(x.flip(-1)).flip(-1)", "W.flip(0, 1)", "b.flip(0)", ["W.flip(1)", "W.flip(0)"]),
            ("layer(x.roll(1, -1))", "W.roll(-1, 1)", "", ["W.roll(1, 1)", "W.roll(-1, 0)"]),
            ("layer(x).roll(1, -1)", "W.roll(1, 0)", "b.roll(1)", ["W.roll(-1, 0)", "W.roll(1, 1)"]),
            ("-layer(x).flip(-1)", "-W.flip(0)", "-b.flip(0)", ["-W.flip(1)", "W.flip(0)"]),
        ]
    )
    sides = "Inputs belong to the columns of the weight, and outputs to its rows."
    way = "Rolled inputs meet the weight's columns rolled back; rolled outputs are rows rolled along."
    said = way if "roll" in call else sides
    return one_layer(
        rng, call, [],
        (weight, [("unchanged", "W", "Another order of the entries is another weight."),
                  *((key, text, said) for key, text in zip(("other-axis", "other-way"), wrong, strict=True))]),
        (bias, [("unchanged", "b", "The outputs change places, and their biases with them."),
                ("sign", f"-({bias})", "The bias has the sign of the outputs.")]) if bias else None,
        ONE, "Try it with x of two features: which entries of the weight does each meet?",
    )  # fmt: skip


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


MERGED = (merged, parallel, residual, rearranged, folded, scaled)
