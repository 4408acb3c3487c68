"""From scores to attention patterns: scale, softmax, masks."""

from collections.abc import Sequence
from dataclasses import dataclass

from tensordrill.authoring import Rng, Tensor, WriteExpression, Wrong, drill, tensor

COMPOSED = 3  # level

# --- scale and softmax

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


def shown(axes: Sequence[str]) -> str:
    return f"({', '.join(axes)})"


# What is done before the softmax: in words, with the scale in it, and slips of it with their sentences.
SCALES = (
    ("", "{x} / d_head**0.5"),
    (" Then they are capped: each score s becomes `cap` times tanh(s / `cap`), with `cap = 5.0`.",
     "5.0 * torch.tanh({x} / d_head**0.5 / 5.0)"),
    (" Then they are divided by a temperature, 0.5.", "{x} / d_head**0.5 / 0.5"),
    (" Then the bias `bias`, stored (query, key), is added.", "{x} / d_head**0.5 + {bias}"),
)  # fmt: skip
SCALE = "d_head**0.5"


@drill(after=["transformer.scores"], levels=3, arena="1.1", structures=(1, 5, 20))
def softmax_axis(rng: Rng) -> WriteExpression:
    """From scores to a pattern: scale and softmax."""
    axes = rng.pick(ORDERS[:4] if rng.level == 1 else ORDERS).split()
    told, scaled = rng.pick(SCALES) if rng.level == COMPOSED else SCALES[0]
    name = rng.pick(["scores", "attn_scores", "raw", "dots"])
    tensors = [Tensor(name, tuple(axes))]
    x, bias, order = name, "bias", ""
    if "{bias}" in scaled:
        tensors.append(tensor("bias", "query key"))
        bias, order = placed("bias", ("query", "key"), axes), ""
    scaled = scaled.format(x=x, bias=bias)
    key, query = axes.index("key"), axes.index("query")
    if key == len(axes) - 1:
        key, query = -1, -2 if query == len(axes) - 2 else query
    wanted, turned = "", ""
    if rng.level > 1 and rng.chance(0.4):
        goal = [axis for axis in axes if axis not in ("query", "key")] + ["query", "key"]
        if goal != axes:
            turned = f".permute({', '.join([str(axes.index(axis)) for axis in goal])})"
            wanted, order = f" Return it stored {shown(goal)}.", shown(goal)
    wrong = [
        Wrong("over-queries", f"({scaled}).softmax({query}){turned}",
              "Yours adds up to 1 over the queries. Each query spreads its attention over the keys."),
        Wrong("unscaled", f"({scaled.replace(f' / {SCALE}', '')}).softmax({key}){turned}",
              "The scores were to be divided by the square root of d_head first."),
        Wrong("d-model", f"({scaled.replace(SCALE, 'd_model**0.5')}).softmax({key}){turned}",
              "The scale is that of what the dot product sums over: d_head, not d_model."),
        Wrong("no-root", f"({scaled.replace(SCALE, 'd_head')}).softmax({key}){turned}",
              "Divide by the square root of d_head."),
        Wrong("scaled-after", f"({scaled.replace(f' / {SCALE}', '')}).softmax({key}){turned} / {SCALE}",
              "Scaled after the softmax, the pattern no longer adds up to 1: scale the scores."),
    ]  # fmt: skip
    if turned:
        wrong.append(Wrong("not-reordered", f"({scaled}).softmax({key})", f"The pattern was wanted {order}."))
    stored = f"`{name}` is stored {shown(axes)}."
    if rng.level == 1:
        prompt = (
            f"{stored} It holds the dot products of queries and keys, each of size `d_head`.\n\n"
            "Return the attention pattern: the scores divided by the square root of `d_head`, then the softmax over "
            "the key positions."
        )
    else:
        prompt = (
            f"{stored} It holds the dot products of queries and keys as they are; `d_model` and `d_head` are the sizes "
            f"of the residual stream and of a head.\n\nReturn the attention pattern. The scores are scaled as usual."
            f"{told}{wanted}"
        )
    return WriteExpression(
        prompt=prompt,
        tensors=tensors,
        axes="d_model d_head",
        sizes={"n_heads": 2, "d_model": "n_heads * d_head"},
        reference_expression=f"({scaled}).softmax({key}){turned}",
        hints=[
            "Which axis should add up to 1: what does a query spread its attention over?",
            "Divide by the square root of the size of a query, then softmax with `dim` the place of key.",
        ],
        why="A dot product of d_head terms grows with the square root of d_head, so scores are divided by that: "
        "softmax(QKᵀ / √d_head). The softmax goes over the key positions: each query's row adds up to 1. "
        "`Tensor.softmax(dim)` normalises along the dim that it names.",
        wrong=wrong,
    )


def placed(name: str, has: Sequence[str], axes: Sequence[str]) -> str:
    """A tensor with those axes, in this order, made ready to broadcast with one of `axes`."""
    order = sorted(has, key=list(axes).index)
    text = name if list(has) == order else f"{name}.T" if len(has) > 1 else name
    index = [":" if axis in has else "None" for axis in axes]
    while index and index[0] == "None":
        del index[0]
    while index and index[-1] == ":":
        index.pop()
    return f"{text}[{', '.join(index)}]" if index else text


# --- causal masks

INF = 'float("-inf")'


@dataclass(frozen=True)
class Sight:
    """Which keys a query may see: in words, where it may not (of q and k, columns and rows of positions)."""

    told: str
    hidden: str
    wrong: Sequence[tuple[str, str, str]]


ORIENTED = "Your mask is turned round: a query saw what comes after it."
PLAIN = Sight(
    "A query sees its own position and those before it.",
    "{k} > {q}",
    (
        ("diagonal", "{k} >= {q}", "You hid a query's own position too. It sees itself."),
        ("orientation", "{k} < {q}", ORIENTED),
        ("one-ahead", "{k} > {q} + 1", "A query saw one position that comes after it."),
    ),
)
SIGHTS = (
    PLAIN,
    Sight(
        "A query sees its own position and the one before it, and nothing else (a window of 2).",
        "({k} > {q}) | ({k} < {q} - 1)",
        (
            ("no-window", "{k} > {q}", "A query saw more than the one position before it."),
            ("window-off-by-one", "({k} > {q}) | ({k} < {q} - 2)", "Your window is one position too long."),
            ("orientation", "({k} < {q}) | ({k} > {q} + 1)", ORIENTED),
        ),
    ),
    Sight(
        "A query sees its own position, those before it, and always the positions 0 and 1 (a prefix).",
        "({k} > {q}) & ({k} > 1)",
        (
            ("no-prefix", "{k} > {q}", "Query 0 did not see position 1, which is part of the prefix."),
            ("prefix-only", "{k} > 1", "The later positions see those before them too."),
            ("orientation", "({k} < {q}) & ({k} > 1)", ORIENTED),
        ),
    ),
    Sight(
        "A query sees its own position, the one before it, and always position 0 (a sink), but nothing after itself.",
        "({k} > {q}) | (({k} < {q} - 1) & ({k} > 0))",
        (
            ("no-sink", "({k} > {q}) | ({k} < {q} - 1)", "Position 0 is always seen."),
            ("no-window", "{k} > {q}", "Between position 0 and the one before it a query sees nothing."),
            ("orientation", "({k} < {q}) | (({k} > {q} + 1) & ({k} > 0))", ORIENTED),
        ),
    ),
    Sight(
        "Positions come in pairs: 0 and 1, 2 and 3, and so on. A query sees its own pair and the pairs before it.",
        "{k} // 2 > {q} // 2",
        (
            ("not-in-pairs", "{k} > {q}", "The first of a pair sees the second too."),
            ("own-pair-hidden", "({k} // 2 >= {q} // 2) & ({k} != {q})", "A query sees its own pair."),
            ("orientation", "{k} // 2 < {q} // 2", ORIENTED),
        ),
    ),
    Sight(
        "A query sees itself and what comes after it (the model reads from right to left).",
        "{k} < {q}",
        (
            ("diagonal", "{k} <= {q}", "You hid a query's own position too. It sees itself."),
            ("orientation", "{k} > {q}", "Here it is what comes before that is hidden."),
            ("one-behind", "{k} < {q} - 1", "A query saw one position that comes before it."),
        ),
    ),
)
LEADS = ("batch head", "head", "", "layer head", "batch", "layer batch head")


@drill(after=["indexing.where", "transformer.softmax-axis"], levels=3, arena="1.1", structures=(1, 4, 14))
def causal_mask(rng: Rng) -> WriteExpression:
    """The causal attention pattern."""
    lead = rng.pick(LEADS).split()
    sight = PLAIN if rng.level == 1 else rng.pick(SIGHTS if rng.level == COMPOSED else SIGHTS[:2])
    past = rng.level > 1 and rng.chance(0.4) and sight in (PLAIN, SIGHTS[1])
    name = rng.pick(["scores", "attn_scores", "logits"])
    rows = rng.level < COMPOSED or rng.chance()  # queries are rows
    places = ("pos", "pos") if not past else ("query", "key") if rows else ("key", "query")
    if rows:
        q, k, dim, other = "torch.arange(pos)[:, None]", "torch.arange(pos)", -1, -2
    else:
        q, k, dim, other = "torch.arange(pos)", "torch.arange(pos)[:, None]", -2, -1
    if past:
        q = q.replace("arange(pos)", "arange(past, key)")
        k = k.replace("pos", "key")

    def pattern(hidden: str) -> str:
        return f"{name}.masked_fill({hidden.format(q=q, k=k)}, {INF}).softmax({dim})"

    right = sight.hidden.format(q=q, k=k)
    stored = shown([*lead, *(("query", "key") if rows else ("key", "query"))])
    told = f"`{name}` is stored {stored} and scaled already."
    if past:
        told += (
            " The first `past` keys come from a cache: query i stands at position `past + i` among the `key` positions."
        )
    else:
        told += " There are `pos` positions, queries and keys alike."
    wrong = [
        *[Wrong(key, pattern(hidden), because) for key, hidden, because in sight.wrong],
        Wrong("not-renormalised", f"{name}.softmax({dim}).masked_fill({right}, 0)",
              "Masked after the softmax, the rows no longer add up to 1: mask the scores."),
        Wrong("zero-scores", f"{name}.masked_fill({right}, 0).softmax({dim})",
              "A score of 0 still gets weight, e⁰ = 1: what is hidden needs -inf."),
        Wrong("no-mask", f"{name}.softmax({dim})", "Nothing is hidden: a query saw every key."),
        Wrong("over-queries", f"{name}.masked_fill({right}, {INF}).softmax({other})",
              "Yours adds up to 1 over the queries. Each query spreads its attention over the keys."),
    ]  # fmt: skip
    if past:
        wrong.append(
            Wrong("past-ignored", pattern(sight.hidden).replace("arange(past, key)", "arange(key - past)"),
                  "Query 0 stands at position `past`, after the cached keys.")
        )  # fmt: skip
        wrong = [turn for turn in wrong if turn.id not in ("diagonal", "orientation")]
    return WriteExpression(
        prompt=f"{told}\n\nReturn the attention pattern, after the softmax over the keys. {sight.told}",
        tensors=[Tensor(name, (*lead, *places))],
        axes="past" if past else "",
        sizes={"key": "past + query"} if past else {"pos": 5},
        reference_expression=f"{name}.masked_fill({right}, {INF}).softmax({dim})",
        hints=[
            "What score makes the softmax give a key no weight at all?",
            (
                "Compare the keys' positions with the queries', `torch.arange` as a row with one as a column, and fill "
                "what is hidden with -inf before the softmax."
            ),
        ],
        why="A hidden key gets the score -inf before the softmax, so its weight is exp(-inf) = 0 and the rest of the "
        "row still adds up to 1. The mask is a comparison of positions, query against key; torch.triu(…, diagonal=1) "
        "is the same for square scores.",
        wrong=wrong,
    )


# --- padding

CAUSAL = "torch.ones(seq, seq).tril().bool()"


@dataclass(frozen=True)
class Padding:
    """How the padding is told, which keys are real with the axes (batch, seq), and what is inverted."""

    told: str
    real: str
    inverted: str
    tensor: Tensor


REAL = Padding("True where a token is real", "real", "~real", tensor("real", "batch seq", "mask"))
PAD = Padding("True where a token is padding", "~pad", "pad", tensor("pad", "batch seq", "mask"))
EXTRA_AXES = (("batch", "head", "query", "key"), ("batch", "query", "key"))


def unsqueezed(text: str, index: str) -> str:
    return f"(~{text.removeprefix('~')}[{index}])" if text.startswith("~") else f"{text}[{index}]"


@drill(
    after=["transformer.causal-mask", "data.collate-pad"],
    levels=3,
    lesson="DataLoaders",
    arena="1.1",
    structures=(4, 13, 26),
)
def padding_mask(rng: Rng) -> WriteExpression:
    """Causal and padding mask together."""
    padding = rng.pick([REAL, PAD])
    heads = rng.level < COMPOSED or rng.chance(0.7)
    keys, queries = ("None, None, :", "None, :, None") if heads else ("None, :", ":, None")
    keys, queries = (f":, {index}" for index in (keys, queries))
    axes = EXTRA_AXES[0] if heads else EXTRA_AXES[1]
    name = padding.tensor.name
    causal = rng.level == 1 or rng.chance(0.7)
    kind = rng.pick(["mask", "hidden"]) if rng.level == 1 else rng.pick(["mask", "hidden", "scores", "bias", "scores"])
    key_ok, query_ok = unsqueezed(padding.real, keys), unsqueezed(padding.real, queries)
    allowed = f"{key_ok} & {CAUSAL}" if causal else key_ok

    def finished(mask: str) -> str:
        hidden = mask[2:-1] if mask.startswith("(~") and mask.endswith("])") else f"~({mask})"
        match kind:
            case "mask":
                return mask
            case "hidden":
                return hidden
            case "bias":
                return f"torch.zeros(()).where({mask}, {INF})"
        return f"scores.masked_fill({hidden}, {INF})"

    def with_causal(mask: str) -> str:
        return f"{mask} & {CAUSAL}" if causal else mask

    one = "1" if heads else ""
    shape = shown(["batch", *([one] if one else []), "query" if causal else "1", "key"])
    asked = {
        "mask": f"Return a boolean mask of shape `{shape}`, True where a query may see a key.",
        "hidden": f"Return a boolean mask of shape `{shape}`, True where a key is hidden from a query.",
        "bias": f"Return what is added to the scores, of shape `{shape}`: 0 where a query may see a key, else -inf.",
        "scores": "Return the scores with -inf wherever a query may not see a key.",
    }[kind]
    rule = (
        "A query sees its own position and those before it, as far as they are real tokens."
        if causal
        else "A query sees every real token, wherever it stands."
    )
    stored = f"`{name}`, stored (batch, seq), is {padding.told}. "
    stored += f"`scores` is stored {shown(axes)}: " if kind == "scores" else ""
    stored += (
        "`seq` positions are queries and keys alike." if kind == "scores" else "Positions are queries and keys alike."
    )
    wrong = [
        Wrong("queries-masked", finished(with_causal(query_ok)),
              "You hid the padding's own rows, as queries, and left it to be seen as keys. A row that is hidden whole "
              "gives NaN after the softmax."),
        Wrong("inverted", finished(with_causal(unsqueezed(padding.inverted, keys))),
              f"Your padding mask is inverted: `{name}` is {padding.told}."),
        Wrong("no-unsqueeze", finished(with_causal(padding.real)),
              "(batch, seq) is aligned with the last two axes, as if the batch were the queries. It needs axes of size "
              "1 in between."),
    ]  # fmt: skip
    if causal:
        whole = f".expand({expanded(name, heads=heads)})"
        wrong += [
            Wrong("not-causal", finished(key_ok if kind == "scores" else key_ok + whole),
                  "The padding is hidden, and a query still saw what comes after it."),
            Wrong("padding-seen", finished(CAUSAL + whole), "The padding is still seen."),
            Wrong("causal-transposed", finished(f"{key_ok} & {CAUSAL}.T"),
                  "Your causal mask is turned round: a query saw what comes after it."),
            Wrong("or-for-and", finished(f"{key_ok} | {CAUSAL}"),
                  "A key must be real and not come later: both, so `&`, of what may be seen."),
            Wrong("diagonal", finished(f"{key_ok} & {CAUSAL.replace('tril()', 'tril(-1)')}"),
                  "You hid a query's own position too. It sees itself."),
        ]  # fmt: skip
    elif kind == "scores":
        because = "A score of 0 still gets weight: -inf."
        wrong.append(Wrong("zero-scores", finished(allowed).replace(INF, "0"), because))
    named = f" It broadcasts over the axes {shown(axes)} of the scores." if kind != "scores" else ""
    return WriteExpression(
        prompt=f"{stored}\n\n{rule}\n\n{asked}{named}",
        tensors=[padding.tensor, *([Tensor("scores", tuple({"query": "seq", "key": "seq"}.get(a, a) for a in axes))]
                                   if kind == "scores" else [])],
        reference_expression=finished(allowed),
        hints=[
            ("Padding is nothing to look at: is it hidden as a key or as a query? Where do the keys stand in the "
            "scores?"),
            f"Give the padding mask axes of size 1, `{name}[{keys}]`"
            + (", and combine it with a lower triangle." if causal else "."),
        ],
        why="Masks broadcast from the right against the scores, (batch, head, query, key). What is true of a key "
        "stands last: (batch, 1, 1, key); the causal mask is (query, key). Hiding padding as queries instead leaves "
        "rows without any key, whose softmax is NaN.",
        wrong=wrong,
    )  # fmt: skip


def expanded(name: str, *, heads: bool) -> str:
    """The shape of a mask that differs for each example, query and key."""
    return f"len({name}), {'1, ' * heads}seq, seq"
