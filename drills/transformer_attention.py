"""The einsums of attention: scores, weighted values and what the heads write, in TransformerLens' axis order."""

from collections.abc import Iterator

from tensordrill.authoring import Rng, WriteEinsum, drill
from tensordrill.building.circuits import Circuit, circuit_puzzle, score_mistakes
from tensordrill.building.contraction import Contraction, Mistake

# --- scores

Q, K = ("q", "{a}query head d_head"), ("k", "{a}key head d_head")
SCORES = "{a}head query key"
DOT = "Each query of each head is scored against all keys of that head, by dot product."
PLAIN_SCORES = (
    Circuit((Q, K), SCORES, "the scores", DOT),
    Circuit((K, Q), SCORES, "the scores", f"{DOT} The keys are passed first."),
    Circuit((Q, ("k", "{a}key d_head")), SCORES, "the scores",
            "Multi-query attention: the heads share one set of keys. Each query of each head is scored against all "
            "keys, by dot product."),
    Circuit((("q", "{a}head d_head"), K), "{a}head key", "the scores",
            "Decoding: there is one new token, with one query for each head. It is scored against all cached keys of "
            "that head, by dot product."),
    Circuit((Q, K), "{a}head key query", "the transposed scores",
            f"{DOT} They are wanted with the query positions last, for a plot."),
    Circuit((Q, K), "{a}query head key", "the scores",
            f"{DOT} They are wanted with the query positions before the heads."),
    Circuit((("q", "{a}query group head d_head"), ("k", "{a}key group d_head")), "{a}group head query key", "the "
                                                                                                            "scores",
            "Grouped-query attention: the heads of a group share that group's keys. Each query of each head of each "
            "group is scored against all keys of its group, by dot product."),
    Circuit((Q, ("direction", "{w}head d_head")), "{a}head query", "the scores",
            "Each query of each head is scored against that head's one direction in key space, by dot product."),
)  # fmt: skip
COMPOSED_SCORES = (
    Circuit((("x", "{a}query read"), ("W_Q", "{w}head read d_head"), K), SCORES, "the scores",
            "The queries are still to be made: W_Q of each head maps the residual stream `x` at each position to a "
            "query, which is scored against all keys of that head, by dot product."),
    Circuit((Q, ("W_K", "{w}head read d_head"), ("x", "{a}key read")), SCORES, "the scores",
            "The keys are still to be made: W_K of each head maps the residual stream `x` at each position to a key. "
            "Each query is scored against all keys of its head, by dot product."),
    Circuit((("x", "{a}query asking"), ("W_Q", "{w}head asking d_head"), ("W_K", "{w}head asked d_head"),
             ("x", "{a}key asked")), SCORES, "the scores",
            "In each head, W_Q maps the residual stream `x` at each position to a query, W_K to a key. Each query is "
            "scored against all keys of its head, by dot product."),
    Circuit((("x", "{a}query asking"), ("QK", "{w}head asking asked"), ("x", "{a}key asked")), SCORES, "the scores",
            "`QK` is W_Q·W_Kᵀ of each head: its first d_model axis meets the stream `x` at the query position, its "
            "second the stream at the key position."),
    Circuit((("part", "{a}component query asking"), ("QK", "{w}head asking asked"), ("x", "{a}key asked")),
            "{a}component head query key", "the scores",
            "`part` holds the components that add up to the residual stream; `QK` is W_Q·W_Kᵀ of each head. Each "
            "component, taken as a query, is scored against the stream `x` at all key positions, for each head: QK's "
            "first d_model axis meets the query side, its second the key side."),
    Circuit((("q", "{a}head d_head"), ("W_K", "{w}head read d_head"), ("x", "{a}key read")), "{a}head key", "the "
                                                                                                            "scores",
            "Decoding: one new token has one query for each head. W_K of each head maps the residual stream `x` at "
            "each position to a key. Score the query against all keys of its head, by dot product."),
    Circuit((Q, K, ("weight", "{w}head")), "{a}query key", "the sum",
            "Each query of each head is scored against all keys of that head, by dot product. Each head's scores are "
            "multiplied by its number in `weight` and added up over the heads."),
)  # fmt: skip


@drill(after=["einsum.attention-scores"], levels=3, lesson="Einops and einsum", arena="1.1", structures=(18, 100, 36))
def scores(rng: Rng) -> WriteEinsum:
    """Attention scores, in TransformerLens' axis order."""
    return circuit_puzzle(
        rng,
        PLAIN_SCORES,
        COMPOSED_SCORES,
        score_mistakes,
        hint="Give the query's and the key's position two letters. Which axes do both sides run through together?",
        why="TransformerLens stores q and k as (batch, pos, head_index, d_head) and the scores as (batch, head_index, "
        "query_pos, key_pos): einsum puts the axes in order after the arrow, so no transpose is needed. What is shared "
        "and kept (batch, head) is a batch index, what is shared and dropped (d_head, d_model) is summed.",
    )


# --- weighted values

PATTERN, V = ("pattern", "{a}head query key"), ("v", "{a}key head d_head")
MIX = (
    "Each query position of each head takes the values of that head, weighted by its attention pattern, over all keys."
)
PLAIN_VALUES = (
    Circuit((PATTERN, V), "{a}query head d_head", "z", MIX),
    Circuit((V, PATTERN), "{a}query head d_head", "z", f"{MIX} The values are passed first."),
    Circuit((PATTERN, ("v", "{a}key d_head")), "{a}query head d_head", "z",
            "Multi-query attention: the heads share one set of values. Each query position of each head takes the "
            "values, weighted by its attention pattern, over all keys."),
    Circuit((("pattern", "{a}head key"), V), "{a}head d_head", "z",
            "Decoding: there is one new token, with a row of the pattern for each head. It takes the values of that "
            "head, weighted by the row, over all keys."),
    Circuit((PATTERN, V), "{a}head query d_head", "z", f"{MIX} They are wanted with the heads before the positions."),
    Circuit((("pattern", "{a}group head query key"), ("v", "{a}key group d_head")), "{a}query group head d_head", "z",
            "Grouped-query attention: the heads of a group share that group's values. Each query position of each head "
            "of each group takes the values of its group, weighted by its attention pattern, over all keys."),
    Circuit((PATTERN, ("size", "{a}key head")), "{a}query head", "the mean",
            "`size` is the length of each value vector. Each query position of each head takes the mean of the sizes "
            "of that head's values, weighted by its attention pattern, over all keys."),
)  # fmt: skip
COMPOSED_VALUES = (
    Circuit((PATTERN, ("x", "{a}key read"), ("W_V", "{w}head read d_head")), "{a}query head d_head", "z",
            "The values are still to be made: W_V of each head maps the residual stream `x` at each position to a "
            "value. Each query position of each head takes these, weighted by its attention pattern, over all keys."),
    Circuit((PATTERN, V, ("W_O", "{w}head d_head write")), "{a}query write", "the output",
            "Each query position of each head takes the values of that head, weighted by its attention pattern. W_O of "
            "the head maps that to the residual stream, where the heads add up."),
    Circuit((PATTERN, V), "{a}query key head d_head", "the parts of z",
            "Wanted is what each key contributes to z at each query of each head, before the sum over the keys: the "
            "key's value times the pattern's weight."),
    Circuit((PATTERN, V, ("W_O", "{w}head d_head write")), "{a}query head write", "the result of each head",
            "Each query position of each head takes the values of that head, weighted by its attention pattern. W_O of "
            "the head maps that to d_model. The heads are wanted apart."),
    Circuit((PATTERN, ("x", "{a}key read"), ("OV", "{w}head read write")), "{a}query write", "the output",
            "`OV` is W_V·W_O of each head: it maps what is read from the stream to what is written. Each query "
            "position takes what each head writes for the stream `x` at each key, weighted by the head's pattern; "
            "the heads add up."),
    Circuit((("late", "{a}late query mid"), ("early", "{a}early mid key")), "{a}late early query key",
            "the pattern of each virtual head",
            "Two layers' patterns, multiplied for each pair of a late head and an early head: a query looks through "
            "the late head at a middle position, and from there through the early head at a key. Sum over the middle "
            "positions.", leads=(("batch ", ""), ("", ""))),
    Circuit((PATTERN, V, ("direction", "{w}head d_head")), "{a}query head", "the components",
            "Each query position of each head takes the values of that head, weighted by its attention pattern, over "
            "all keys. Of that, take the dot product with the head's own direction."),
)  # fmt: skip


def value_mistakes(net: Contraction) -> Iterator[Mistake]:
    if {"query", "key"} <= set(
        net.operands[(pattern := max(net.owners("key"), key=lambda i: "query" in net.operands[i]))]
    ):
        yield Mistake(
            "query-key-swapped", net.misread(pattern, "query", "key"),
            "You read the pattern with its positions the wrong way round, and sum over the queries. Its rows, the "
            "queries, add up to 1 over the keys: sum over these.",
        )  # fmt: skip
    yield from score_mistakes(net)


@drill(after=["transformer.scores"], levels=3, lesson="Einops and einsum", arena="1.1", structures=(18, 18, 34))
def weighted_values(rng: Rng) -> WriteEinsum:
    """Values weighted by the attention pattern."""
    return circuit_puzzle(
        rng,
        PLAIN_VALUES,
        COMPOSED_VALUES,
        value_mistakes,
        hint="A value belongs to a key: which of the pattern's two positions does it share a letter with?",
        why="The pattern is (batch, head_index, query_pos, key_pos), and each of its rows adds up to 1 over the "
        "keys. v is (batch, pos, head_index, d_head), where pos is a key position. The key is shared and dropped, "
        "so it is summed; z is stored as q is, at the query's position.",
    )


# --- output

Z, W_O = ("z", "{a}pos head d_head"), ("W_O", "{w}head d_head write")
PLAIN_OUTPUT = (
    Circuit((Z, W_O), "{a}pos write", "the attention layer's output",
            "W_O of each head maps its z to the residual stream, where the heads add up."),
    Circuit((W_O, Z), "{a}pos write", "the attention layer's output",
            "W_O of each head maps its z to the residual stream, where the heads add up. The weights are passed "
            "first."),
    Circuit((Z, W_O), "{a}pos head write", "the result of each head",
            "W_O of each head maps its z to d_model. What the heads write is wanted apart, before it adds up."),
    Circuit((("z", "{a}head d_head"), W_O), "{a}write", "the output at the last position",
            "`z` holds the heads' z at the last position. W_O of each head maps it to the residual stream, where "
            "they add up."),
    Circuit((("z", "{a}head d_head"), W_O), "{a}head write", "the result of each head",
            "`z` holds the heads' z at the last position. W_O of each head maps it to d_model. What the heads write "
            "is wanted apart."),
    Circuit((("z", "{a}pos d_head"), ("W_O", "{w}d_head write")), "{a}pos write", "what the head writes",
            "One head: `z` is its own, and `W_O` is `model.W_O[layer, head]`. W_O maps z to the residual stream.",
            (("batch ", ""), ("", ""))),
    Circuit((("result", "{a}pos head write"), ("weight", "{w}head")), "{a}pos write", "the output",
            "`result` is what each head writes. Each head's is multiplied by its number in `weight` (0 ablates it), "
            "and the heads add up."),
)  # fmt: skip
COMPOSED_OUTPUT = (
    Circuit((Z, W_O, ("W_U", "write logit")), "{a}pos logit", "the logits",
            "W_O of each head maps its z to d_model; W_U maps that to logits. The heads add up."),
    Circuit((Z, W_O, ("W_U", "write logit")), "{a}pos head logit", "the logits of each head",
            "W_O of each head maps its z to d_model; W_U maps that to logits. Each head's contribution is wanted on "
            "its own."),
    Circuit((Z, W_O, ("direction", "write")), "{a}pos head", "the contributions",
            "W_O of each head maps its z to d_model. Of what each head writes, take the dot product with `direction`."),
    Circuit((Z, ("keep", "{w}head"), W_O), "{a}pos write", "the output",
            "Some heads are ablated: each head's z is multiplied by its number in `keep` (0 or 1). W_O of each head "
            "maps that to the residual stream, where the heads add up."),
    Circuit((("pattern", "{a}head query key"), ("v", "{a}key head d_head"), W_O), "{a}query write", "the output",
            "The pattern of each head weights its values over the keys; W_O of the head maps that to the residual "
            "stream, where the heads add up."),
    Circuit((Z, W_O, ("W_in", "{w}write neuron")), "{a}pos neuron", "the pre-activations",
            "Without LayerNorm between: W_O of each head maps its z to d_model, the heads add up, and W_in maps "
            "that to the neurons of the MLP."),
    Circuit((Z, W_O, ("W_dec", "latent write")), "{a}pos latent", "the dot products",
            "W_O of each head maps its z to d_model, where the heads add up. Take the dot product of that with the "
            "direction of each SAE latent, a row of `W_dec`."),
)  # fmt: skip


def output_mistakes(net: Contraction) -> Iterator[Mistake]:
    if "head" in net.summed:
        yield Mistake(
            "heads-kept", net.kept("head", max(len(net.output) - 1, 0)),
            "You keep head after the arrow, so the heads stay apart. In the residual stream they add up.",
        )  # fmt: skip
    yield from score_mistakes(net)
    for i in net.owners("d_head"):
        if {"head", "d_head"} <= set(net.operands[i]):
            yield Mistake(
                "head-for-d-head", net.misread(i, "head", "d_head"),
                f"In `{net.names[i]}` you took head and d_head for each other: head comes first.",
            )  # fmt: skip


@drill(
    after=["transformer.weighted-values"], levels=3, lesson="Einops and einsum", arena="1.1", structures=(20, 20, 36)
)
def output(rng: Rng) -> WriteEinsum:
    """What the heads write: z through W_O."""
    return circuit_puzzle(
        rng,
        PLAIN_OUTPUT,
        COMPOSED_OUTPUT,
        output_mistakes,
        hint="Do the heads stay apart, or do they add up? And which axis of z does W_O take in?",
        why="W_O is (head_index, d_head, d_model): each head has a matrix of its own from d_head to d_model. A layer's "
        "output is the sum over heads and d_head; with the head kept after the arrow it is TransformerLens' "
        "hook_result, what each head writes on its own.",
    )
