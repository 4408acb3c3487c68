"""From scores to attention patterns: scale and softmax."""

from collections.abc import Sequence
from dataclasses import dataclass

from tensordrill.authoring import Rng, Tensor, WriteExpression, Wrong, drill, tensor
from tensordrill.building.axes import placed, taken
from tensordrill.building.contraction import axes_of

COMPOSED = 3  # level
ORDERS = (
    "batch head query key",
    "head query key",
    "query key",
    "layer head query key",
    "batch query head key",
    "batch head key query",
    "head key query",
    "query key head",
    "batch query key head",
    "key batch head query",
)
# What is done before the softmax: in words, and with the scale in it.
SCALES = (
    ("", "{x} / d_head**0.5"),
    (" Then they are capped: each score s becomes `cap` times tanh(s / `cap`), with `cap = 5.0`.",
     "5.0 * torch.tanh({x} / d_head**0.5 / 5.0)"),
    (" Then they are divided by a temperature, 0.5.", "{x} / d_head**0.5 / 0.5"),
    (" Then the bias `bias`, stored (query, key), is added.", "{x} / d_head**0.5 + {bias}"),
    (" Then each head's scores are multiplied by its number in `sharpness`, stored (head).",
     "{x} / d_head**0.5 * {sharpness}"),
)  # fmt: skip
SCALE = "d_head**0.5"


@dataclass(frozen=True)
class Asked:
    """What is wanted of the pattern: in words, how the softmax is called, what follows it, and a slip in that."""

    told: str
    tail: str = ""
    softmax: str = "softmax"
    slip: tuple[str, str, str] = ("", "", "")


def questions(axes: Sequence[str], key: int, level: int) -> list[Asked]:
    """What can be asked of a pattern with these axes. The plain pattern counts as often as all others together."""
    each = "each query of each head" if "head" in axes else "each query"
    found = [
        Asked(f"how much {each} attends to the first key", taken(axes, "key", "0"),
              slip=("first-query", taken(axes, "query", "0"), ("That is what the first query attends to: the axis of "
                                                              "keys was to be indexed."))),
        Asked("how much attention each key gets: the sum of the pattern over the queries",
              f".sum({axes.index('query')})",
              slip=("keys-summed", f".sum({key})", "Over the keys the pattern adds up to 1 everywhere.")),
    ]  # fmt: skip
    if "head" in axes:
        found += [
            Asked("the attention pattern of head 1", taken(axes, "head", "1"),
                  slip=("first-head", taken(axes, "head", "0"), "Heads count from 0: head 1 is the second.")),
            Asked("the attention pattern, averaged over the heads", f".mean({axes.index('head')})",
                  slip=("heads-summed", f".sum({axes.index('head')})", "The mean over the heads was asked for.")),
        ]  # fmt: skip
    if level > 1:
        found.append(Asked("the logarithm of the attention pattern", "", "log_softmax"))
    return [Asked("the attention pattern")] * len(found) + found


@drill(after=["transformer.scores"], levels=3, arena="1.1", structures=(12, 20, 130))
def softmax_axis(rng: Rng) -> WriteExpression:
    """From scores to a pattern: scale and softmax."""
    axes = rng.pick(ORDERS).split()
    told, scaled = rng.pick(SCALES if "head" in axes else SCALES[:-1]) if rng.level == COMPOSED else SCALES[0]
    name = rng.pick(["scores", "attn_scores", "raw", "dots"])
    tensors = [Tensor(name, tuple(axes))]
    if "{bias}" in scaled:
        tensors.append(tensor("bias", "query key"))
    if "{sharpness}" in scaled:
        tensors.append(tensor("sharpness", "head"))
    scaled = scaled.format(
        x=name,
        bias=placed("bias", ("query", "key"), axes),
        sharpness=placed("sharpness", ("head",), axes) if "head" in axes else "",
    )
    key, query = axes.index("key"), axes.index("query")
    if key == len(axes) - 1:
        key, query = -1, -2 if query == len(axes) - 2 else query
    asked = rng.pick(questions(axes, key, rng.level))
    wanted, turned, order = "", "", ""
    if rng.level > 1 and not asked.tail and rng.chance(0.5):
        goal = [axis for axis in axes if axis not in ("query", "key")] + ["query", "key"]
        if goal != axes:
            turned = f".permute({', '.join([str(axes.index(axis)) for axis in goal])})"
            order = axes_of(goal)
            wanted = f", stored {order}"
    unscaled, end = scaled.replace(f" / {SCALE}", ""), asked.tail + turned

    def pattern(scores: str, dim: int, tail: str = end) -> str:
        return f"({scores}).{asked.softmax}({dim}){tail}"

    wrong = [
        Wrong("over-queries", pattern(scaled, query),
              "Yours is normalised over the queries. Each query spreads its attention over the keys."),
        Wrong("unscaled", pattern(unscaled, key), "The scores were to be divided by the square root of d_head first."),
        Wrong("d-model", pattern(scaled.replace(SCALE, "d_model**0.5"), key),
              "The scale is that of what the dot product sums over: d_head, not d_model."),
        Wrong("no-root", pattern(scaled.replace(SCALE, "d_head"), key), "Divide by the square root of d_head."),
        Wrong("scaled-after", f"{pattern(unscaled, key)} / {SCALE}",
              "Scaled after the softmax, the pattern no longer adds up to 1: scale the scores."),
    ]  # fmt: skip
    if turned:
        wrong.append(Wrong("not-reordered", pattern(scaled, key, ""), f"The pattern was wanted {order}."))
    slip, tail, because = asked.slip
    if slip:
        wrong.append(Wrong(slip, pattern(scaled, key, tail), because))
    stored = f"`{name}` is stored {axes_of(axes)}."
    if rng.level == 1:
        prompt = (
            f"{stored} It holds the dot products of queries and keys, each of size `d_head`.\n\n"
            f"Return {asked.told}. The pattern is the softmax over the key positions of the scores divided by the "
            "square root of `d_head`."
        )
    else:
        prompt = (
            f"{stored} It holds the dot products of queries and keys as they are; `d_model` and `d_head` are the sizes "
            f"of the residual stream and of a head.\n\nReturn {asked.told}{wanted}. Before the softmax, the scores "
            f"are scaled as usual.{told}"
        )
    return WriteExpression(
        prompt=prompt,
        tensors=tensors,
        axes="d_model d_head",
        sizes={"d_model": f"{'head' if 'head' in axes else '2'} * d_head"},
        reference_expression=pattern(scaled, key),
        hints=[
            "Which axis should add up to 1: what does a query spread its attention over?",
            "Divide by the square root of the size of a query, then softmax with `dim` the place of key.",
        ],
        why="A dot product of d_head terms grows with the square root of d_head, so scores are divided by that: "
        "softmax(QKᵀ / √d_head). The softmax goes over the key positions: each query's row adds up to 1. "
        "`Tensor.softmax(dim)` normalises along the dim that it names.",
        wrong=wrong,
    )
