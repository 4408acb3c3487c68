"""The causal attention pattern, and masks like it: which keys a query may see."""

from collections.abc import Sequence
from dataclasses import dataclass

from tensordrill.authoring import Rng, Tensor, WriteExpression, Wrong, drill, tensor
from tensordrill.building.axes import placed
from tensordrill.building.contraction import axes_of

COMPOSED = 3  # level
INF = 'float("-inf")'


@dataclass(frozen=True)
class Sight:
    """Which keys a query may see: in words, where it may not, of the positions {q} and {k}; slips with sentences.

    `{dq}` and `{dk}` are the documents of a query and a key.
    """

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
WINDOW = Sight(
    "A query sees its own position and the one before it, and nothing else (a window of 2).",
    "({k} > {q}) | ({k} < {q} - 1)",
    (
        ("no-window", "{k} > {q}", "A query saw more than the one position before it."),
        ("window-off-by-one", "({k} > {q}) | ({k} < {q} - 2)", "Your window is one position too long."),
        ("orientation", "({k} < {q}) | ({k} > {q} + 1)", ORIENTED),
    ),
)
PREFIX = Sight(
    "A query sees its own position, those before it, and always the positions 0 and 1 (a prefix).",
    "({k} > {q}) & ({k} > 1)",
    (
        ("no-prefix", "{k} > {q}", "Query 0 did not see position 1, which is part of the prefix."),
        ("prefix-only", "{k} > 1", "The later positions see those before them too."),
        ("orientation", "({k} < {q}) & ({k} > 1)", ORIENTED),
    ),
)
DOCUMENTS = Sight(
    "Several documents are packed into each sequence: `document`, stored (batch, pos), is the number of the document "
    "that a position belongs to. A query sees its own position and those before it, as far as they are of its own "
    "document.",
    "({k} > {q}) | ({dk} != {dq})",
    (
        ("documents-ignored", "{k} > {q}", "A query saw positions of other documents."),
        ("whole-document", "{dk} != {dq}", "A query saw what comes after it in its document."),
        ("and-for-or", "({k} > {q}) & ({dk} != {dq})",
         "What comes later is hidden, and what is of another document is hidden: either is enough, so `|`."),
        ("orientation", "({k} < {q}) | ({dk} != {dq})", ORIENTED),
    ),
)  # fmt: skip
SIGHTS = (
    PLAIN,
    WINDOW,
    PREFIX,
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
    Sight(
        "Odd positions are empty, and only they themselves see them: a query sees its own position, and those before "
        "it that are even.",
        "({k} > {q}) | (({k} % 2 == 1) & ({k} != {q}))",
        (
            ("empty-seen", "{k} > {q}", "A query saw empty positions other than its own."),
            ("own-hidden", "({k} > {q}) | ({k} % 2 == 1)", "A query always sees its own position."),
            ("orientation", "({k} < {q}) | (({k} % 2 == 1) & ({k} != {q}))", ORIENTED),
        ),
    ),
    DOCUMENTS,
)
ORDERS = (
    "batch head query key", "head query key", "query key", "batch query key", "layer batch head query key",
    "batch head key query", "head key query", "key query", "batch key query",
    "batch query head key", "query head key", "batch query key head", "query key head",
)  # fmt: skip
# What is wanted: in words, and what is made of the masked scores {x}, whose queries and keys are the dims {q} and {k}.
PATTERN = ("Return the attention pattern, after the softmax over the keys.", "{x}.softmax({k})")
SCORES = ("Return the scores with -inf wherever a query may not see a key.", "{x}")
OTHERS = (
    SCORES,
    ("Return the logarithm of the attention pattern.", "{x}.log_softmax({k})"),
    ("Return how much attention each key gets: the attention pattern, summed over the queries.",
     "{x}.softmax({k}).sum({q})"),
    ("Return the largest weight that each query gives to a key in the attention pattern.",
     "{x}.softmax({k}).amax({k})"),
)  # fmt: skip


def queried(sight: Sight, name: str, axes: Sequence[str], *, past: bool) -> dict[str, str]:
    """The positions of queries and keys, and their documents, ready to be compared with one another."""
    own = "torch.arange(past, key)" if past else "torch.arange(pos)"
    every = "torch.arange(key)" if past else "torch.arange(pos)"
    names = {"q": placed(own, ("query",), axes), "k": placed(every, ("key",), axes), "x": name}
    if sight is DOCUMENTS:
        names |= {f"d{it[0]}": placed("document", ("batch", it), axes) for it in ("query", "key")}
    return names


@drill(after=["indexing.where", "transformer.softmax-axis"], levels=3, arena="1.1", structures=(7, 90, 150))
def causal_mask(rng: Rng) -> WriteExpression:
    """The causal attention pattern."""
    axes = rng.pick(ORDERS).split()
    known = SIGHTS if "batch" in axes else SIGHTS[:-1]
    sight = PLAIN if rng.level == 1 else rng.pick(known if rng.level == COMPOSED else SIGHTS[:3])
    past = rng.level > 1 and rng.chance(0.4) and sight in (PLAIN, WINDOW)
    asked, made = PATTERN if rng.chance(0.6) else rng.pick(OTHERS[:1] if rng.level == 1 else OTHERS)
    name = rng.pick(["scores", "attn_scores", "logits"])
    names = queried(sight, name, axes, past=past)
    queries, keys = [axes.index(it) - (len(axes) if axes[-1] == it else 0) for it in ("query", "key")]

    def finished(scores: str, over: int = keys) -> str:
        text = made.format(x=scores, q=queries, k="#").replace("softmax(#)", f"softmax({over})")
        return text.replace("#", str(keys))

    def masked(hidden: str, value: str = INF) -> str:
        return f"{name}.masked_fill({hidden.format(**names)}, {value})"

    told = f"`{name}` is stored {axes_of(axes)} and scaled already."
    if past:
        told += (
            " The first `past` keys come from a cache: query i stands at position `past + i` among the `key` positions."
        )
    else:
        told += " There are `pos` positions, queries and keys alike."
    wrong = [
        *[Wrong(key, finished(masked(hidden)), because) for key, hidden, because in sight.wrong],
        Wrong("zero-scores", finished(masked(sight.hidden, "0")),
              "A score of 0 still gets weight, e⁰ = 1: what is hidden needs -inf."),
        Wrong("no-mask", finished(name), "Nothing is hidden: a query saw every key."),
    ]  # fmt: skip
    if "softmax" in made:
        wrong.append(
            Wrong(
                "over-queries",
                finished(masked(sight.hidden), queries),
                "Yours is normalised over the queries. Each query spreads its attention over the keys.",
            )
        )
        # The rest of the row is too small, whatever becomes of it; but its largest entry may be one that stays.
        late = made.replace("softmax({k})", "softmax({k})!").format(x=name, q=queries, k=keys)
        value = INF if "log" in made else "0"
        wrong.append(Wrong("not-renormalised",
                           late.replace("!", f".masked_fill({sight.hidden.format(**names)}, {value})"),
                           "Masked after the softmax, the rows no longer add up to 1: mask the scores."))  # fmt: skip
    if past:
        wrong.append(Wrong("past-ignored", finished(masked(sight.hidden)).replace("(past, key)", "(key - past)"),
                           "Query 0 stands at position `past`, after the cached keys."))  # fmt: skip
        wrong = [turn for turn in wrong if turn.id not in ("diagonal", "orientation")]
    alike = {} if past else {"query": "pos", "key": "pos"}
    return WriteExpression(
        prompt=f"{told}\n\n{sight.told}\n\n{asked}",
        tensors=[
            Tensor(name, tuple([alike.get(axis, axis) for axis in axes])),
            *([tensor("document", "batch pos", "index:documents")] if sight is DOCUMENTS else []),
        ],
        axes="past" if past else "",
        sizes={"key": "past + query"} if past else {"pos": 5} | ({"documents": 3} if sight is DOCUMENTS else {}),
        reference_expression=finished(masked(sight.hidden)),
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
