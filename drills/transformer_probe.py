"""Probes: directions of class means, and the logits of linear probes."""

from tensordrill.authoring import Rng, Tensor, WriteExpression, Wrong, drill, tensor
from tensordrill.building.contraction import axes_of

COMPOSED = 3  # level

DIRECTION_BECAUSE = {
    "sign": "Yours points the other way: {one} minus {zero} was asked for.",
    "not-normalised": "The direction was wanted with length 1.",
    "wrong-axis": "You took the mean over the features; the mean goes over the examples of the class.",
    "one-norm": "Each layer's direction has a length of its own: the norm goes over d_model.",
    "normalised-first": "First the difference of the means, then its length.",
}


def direction(rng: Rng) -> WriteExpression:
    """The unit difference of class means."""
    layered = rng.level == COMPOSED or (rng.level > 1 and rng.chance(0.4))
    positions = rng.chance(0.5)
    as_ints = rng.chance()
    axes = [*(["layer"] if layered else []), "example", *(["pos"] if positions else []), "d_model"]
    first = ":, " * layered
    one, zero = ("labels == 1", "labels == 0") if as_ints else ("labels", "~labels")
    flip = rng.chance(0.3)
    one, zero = (zero, one) if flip else (one, zero)
    dim = 1 if layered else 0
    last = ", -1" if positions else ""

    def mean(where: str) -> str:
        index = f"{first}{where}{last}"
        return f"acts[{index}].mean({dim})"

    norm = ".norm(dim=-1, keepdim=True)" if layered else ".norm()"
    words = ("class 1", "class 0") if as_ints else ("the true examples", "the false examples")
    words = (words[1], words[0]) if flip else words
    gap = f"{mean(one)} - {mean(zero)}"
    right = f"(d := {gap}) / d{norm}"
    wrong = [
        ("sign", f"(d := {mean(zero)} - {mean(one)}) / d{norm}"),
        ("not-normalised", gap),
        ("normalised-first", f"F.normalize({mean(one)}, dim=-1) - F.normalize({mean(zero)}, dim=-1)"),
    ]
    if layered:
        wrong.append(("one-norm", f"(d := {gap}) / d.norm()"))
    because = {key: text.format(one=words[0], zero=words[1]) for key, text in DIRECTION_BECAUSE.items()}
    labels = "1 for the examples of class 1, 0 for those of class 0" if as_ints else "booleans"
    place = " at the last position" if positions else ""
    each = " Each layer has its own." if layered else ""
    return WriteExpression(
        prompt=f"`acts` is stored {axes_of(axes)}; `labels`, stored (example), holds {labels}.\n\nReturn the "
        f"direction from the mean of {words[1]} to that of {words[0]}{place}, scaled to length 1.{each} Both "
        "classes have examples.",
        tensors=[Tensor("acts", tuple(axes)), tensor("labels", "example", "index:classes" if as_ints else "mask")],
        sizes={"classes": 2} if as_ints else {},
        setup="labels[:2] = torch.arange(2)" if as_ints else "",
        reference_expression=right,
        hints=[
            "Two means over examples, one for each class. Which of them is subtracted, and what is left of d_model?",
            (
                "Pick a class's examples with a mask in the index, average, subtract, and divide by the norm; `:=` "
                "names the difference within an expression."
            ),
        ],
        why="The difference-of-means probe: mean of one class minus mean of the other, over the examples, with "
        "length 1 after the subtraction. A boolean mask in an index picks the examples where it is True, and joins "
        "them in one axis.",
        wrong=[Wrong(key, answer, because[key]) for key, answer in wrong],
    )


def probe_logits(rng: Rng) -> WriteExpression:
    """The difference of a linear probe's two logits."""
    outputs_last = rng.chance()
    axes = rng.pick(["example d_model", "batch pos d_model", "layer example d_model"])
    weight = "d_model out" if outputs_last else "out d_model"
    one, zero = (1, 0) if rng.chance(0.7) else (0, 1)
    w = f"(W[:, {one}] - W[:, {zero}])" if outputs_last else f"(W[{one}] - W[{zero}])"
    kind = rng.pick(["logits", "probability", "log", "threshold", "direction"][: 2 if rng.level == 1 else 5])
    bias = f"(b[{one}] - b[{zero}])"
    score = f"acts @ {w} + b[{one}] - b[{zero}]"
    told, right, finish = {
        "logits": (f"Return logit {one} minus logit {zero} for each activation vector.", score, "{}"),
        "log": ((f"Return the log-probability of class {one} (the log-softmax of the two logits) for each activation "
                "vector."), f"F.logsigmoid({score})", "F.logsigmoid({})"),
        "probability": ((f"Return the probability of class {one} (the softmax of the two logits) for each activation "
                        "vector."), f"torch.sigmoid({score})", "torch.sigmoid({})"),
        "threshold": ((f"Return, for each activation vector, logit {one} minus logit {zero}, or 0 where that is "
                      "negative."),
                      f"({score}).clamp(min=0)", "({}).clamp(min=0)"),
        "direction": ((f"Return how far each activation vector lies on class {one}'s side of the boundary where both "
                      f"logits are equal: logit {one} minus logit {zero}, divided by the length of the gradient of "
                      "that with respect to the vector."), f"({score}) / {w}.norm()", "({}) / " + w + ".norm()"),
    }[kind]  # fmt: skip
    back = (
        f"acts @ {w.replace(str(one), '#').replace(str(zero), str(one)).replace('#', str(zero))} + b[{zero}] - b[{one}]"
    )
    other = f"acts @ {w}"
    wrong = [
        Wrong("sign", finish.format(back), f"Yours is logit {zero} minus logit {one}."),
        Wrong("bias-forgotten", finish.format(other), "The two biases differ, and so the difference has one too."),
        Wrong("bias-sign", finish.format(f"{other} - {bias}"), "The bias counts the same way round as the weights."),
        Wrong("one-logit", finish.format(f"acts @ {w.strip('()').partition(' - ')[0]} + b[{one}]"),
              f"That is logit {one} alone."),
    ]  # fmt: skip
    if kind == "direction":
        wrong.append(Wrong("not-scaled", score, "The difference was to be divided by the length of the gradient."))
    return WriteExpression(
        prompt=f"A linear probe has two logits. Its weight `W` is stored {axes_of(weight.split())}, its bias `b` "
        f"(out), with out = 2; the activations `acts` are stored {axes_of(axes.split())}.\n\n{told}",
        tensors=[tensor("acts", axes), tensor("W", weight), tensor("b", "out")],
        sizes={"out": 2},
        reference_expression=right,
        hints=[
            "The difference of two linear functions is a linear function: with which weight, and which bias?",
            "Subtract the probe's two weight vectors, `@` that, and do not forget the same for the biases.",
        ],
        why="logit1 - logit0 = acts @ (w1 - w0) + (b1 - b0): of a probe with two logits only the difference "
        "matters, and its direction is the difference of the weight vectors. nn.Linear stores its weight (out, in).",
        wrong=wrong,
    )


@drill(after=["modules.linear"], levels=3, lesson="Modules", arena="1.2", structures=(9, 18, 14))
def probe(rng: Rng) -> WriteExpression:
    """Probe directions: class means and logit differences."""
    return direction(rng) if rng.chance() else probe_logits(rng)
