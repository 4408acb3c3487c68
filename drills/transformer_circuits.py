"""The einsums of attention and of circuits, in TransformerLens' axis order."""

from collections.abc import Iterator

from tensordrill.authoring import Rng, WriteEinsum, drill
from tensordrill.building.circuits import Circuit, circuit_puzzle
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


def score_mistakes(net: Contraction) -> Iterator[Mistake]:
    query = next((i for i, axes in enumerate(net.operands) if "query" in axes), None)
    key = next((i for i, axes in enumerate(net.operands) if "key" in axes), None)
    if {"query", "key"} <= set(net.output):
        yield Mistake(
            "query-key-swapped", net.output_swapped("query", "key"),
            "Your result has key and query positions the wrong way round.",
        )  # fmt: skip
    for i in net.owners("head"):
        if len(net.owners("head")) > 1:
            yield Mistake(
                "heads-mixed", net.untied(i, "head"),
                f"In `{net.names[i]}` you gave head a letter of its own, so all heads are summed there before anything "
                "meets. A head works with its own: one letter in all.",
            )  # fmt: skip
    if "head" in net.output:
        yield Mistake("heads-summed", net.lost("head"), "You leave out head after the arrow, which adds up the heads.")
    for at, axis in ((query, "query"), (key, "key")):
        if at is not None and {"head", axis} <= set(net.operands[at]):
            yield Mistake(
                "torch-order", net.misread(at, axis, "head"),
                f"You read `{net.names[at]}` as (…, head, {axis}, …). TransformerLens stores positions before heads.",
            )  # fmt: skip
    if query is not None and key is not None and query != key:
        yield Mistake(
            "same-position", net.tied("query", "key"),
            "Query and key positions have one letter, so each position meets itself alone: two letters.",
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
            "What each key contributes to each query, before the sum over the keys: the value times the pattern's "
            "weight, for each head."),
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
            "`z` is that of the last position. W_O of each head maps it to the residual stream, where the heads add "
            "up."),
    Circuit((("z", "{a}head d_head"), W_O), "{a}head write", "the result of each head",
            "`z` is that of the last position. W_O of each head maps it to d_model. What the heads write is wanted "
            "apart."),
    Circuit((("z", "{a}pos d_head"), ("W_O", "{w}d_head write")), "{a}pos write", "what the head writes",
            "One head: `z` is its own, and `W_O` is `model.W_O[layer, head]`. W_O maps z to the residual stream."),
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


# --- OV circuits

W_V = ("W_V", "{w}head read d_head")
WEIGHTS = (("", ""), ("", "layer "), ("", "model "), ("", "layer "))
PLAIN_OV = (
    Circuit((W_V, W_O), "{w}head read write", "the OV circuit of each head",
            "What a head writes for what it reads: W_V, then W_O, as one matrix for each head.", WEIGHTS),
    Circuit((W_O, W_V), "{w}head read write", "the OV circuit of each head",
            "What a head writes for what it reads: W_V, then W_O, as one matrix for each head. W_O is passed first.",
            WEIGHTS),
    Circuit((("W_V", "{w}read d_head"), ("W_O", "{w}d_head write")), "{w}read write", "the OV circuit",
            "One head: `W_V` is `model.W_V[layer, head]`, `W_O` is `model.W_O[layer, head]`. What the head writes for "
            "what it reads, as one matrix.", (("", ""), ("", "prompt "), ("", "model "))),
    Circuit((W_V, W_O), "{w}head write read", "the transposed OV circuit of each head",
            "What a head writes for what it reads: W_V, then W_O. The matrix is wanted transposed, for column vectors: "
            "written first, read second.", WEIGHTS),
    Circuit((W_V, W_O), "{w}read write", "the sum of the OV circuits",
            "All heads of a layer that attend to the same position together write the sum of W_V·W_O over the heads.",
            WEIGHTS),
    Circuit((("vector", "read"), W_V, W_O), "{w}head write", "what each head writes",
            "A head that attends to one position alone writes the stream's `vector` there through W_V and W_O, for "
            "each head.", WEIGHTS),
    Circuit((W_V, W_O, ("direction", "write")), "{w}head read", "the directions",
            "For each head: the direction in the stream that it reads in order to write along `direction`, W_V times "
            "W_O times `direction`.", WEIGHTS),
)  # fmt: skip
COMPOSED_OV = (
    Circuit((("W_E", "token read"), W_V, W_O, ("W_U", "write logit")), "{w}head token logit", "the full OV circuit",
            "For each head: which logits it writes for each token that it attends to. W_E, then W_V, W_O and W_U.",
            (("", ""), ("", "layer "))),
    Circuit((("x", "{a}pos read"), W_V, W_O), "{a}pos head write", "what is written",
            "For each head and position: what the head writes to the positions that attend to this one alone, the "
            "stream `x` there through W_V and W_O.", (("batch ", ""), ("", ""), ("batch ", "layer ")[:1] * 2)),
    Circuit((("early", "early read middle"), ("late", "late middle write")), "late early read write",
            "the virtual OV circuits",
            "`early` holds the OV circuits of one layer's heads, `late` those of a later layer's, each from what is "
            "read to what is written. For each pair: what the early head writes is read by the late one."),
    Circuit((("W_O", "early early_head middle"), ("W_V", "late middle late_head")), "late early early_head late_head",
            "the matrices",
            "V-composition: for each pair of a late head and an early head, what the early head writes through its W_O "
            "is read by the late head's W_V."),
    Circuit((("u", "{w}read"), W_V, W_O, ("v", "{w}write")), "{w}head", "the numbers",
            "For each head: how far it writes along the direction `v` for each unit of the direction `u` that it "
            "reads.",
            (("", ""), ("", "layer "), ("", "feature "))),
    Circuit((("feature", "feature read"), W_V, W_O, ("W_U", "write logit")), "{w}head feature logit", "the logits",
            "For each head: which logits it writes for each feature direction that it attends to. `feature` has a "
            "direction a row; then W_V, W_O and W_U.", (("", ""), ("", "layer "))),
    Circuit((("W_E", "token read"), ("OV", "{w}head read write"), ("W_U", "write token")), "{w}head token",
            "the copying scores",
            "For each head: how far it raises the logit of the very token that it attends to. `OV` is W_V·W_O of each "
            "head; W_E and W_U have the same vocabulary.", (("", ""), ("", "layer "))),
)  # fmt: skip


def ov_mistakes(net: Contraction) -> Iterator[Mistake]:
    if {"read", "write"} <= set(net.output):
        yield Mistake(
            "read-write-swapped", net.output_swapped("read", "write"),
            "Your matrix has what is written and what is read the wrong way round.",
        )  # fmt: skip
    if {"early", "late"} <= set(net.output):
        yield Mistake("order", net.output_swapped("late", "early"), "The late heads come first, then the early ones.")
    for name, a, b in (("W_V", "read", "d_head"), ("W_O", "d_head", "write")):
        if name in net.names and {a, b} <= set(net.operands[i := net.names.index(name)]):
            yield Mistake(
                "transposed", net.misread(i, a, b),
                f"You read `{name}` transposed: it is (head_index, "
                f"{'d_model, d_head' if a == 'read' else 'd_head, d_model'}).",
            )  # fmt: skip
    yield from score_mistakes(net)
    if "token" in net.output and "W_U" in net.names and "logit" not in net.axes:
        yield Mistake(
            "not-the-same-token", net.undiagonal(0, "token"), "One letter for the token in both: the same token."
        )


@drill(after=["transformer.output"], levels=3, lesson="Einops and einsum", arena="1.2", structures=(12, 12, 20))
def ov_circuit(rng: Rng) -> WriteEinsum:
    """The OV circuit: W_V and W_O as one matrix."""
    return circuit_puzzle(
        rng,
        PLAIN_OV,
        COMPOSED_OV,
        ov_mistakes,
        hint="Follow a vector from the left: in which axis does each weight take it in, and in which does it come out?",
        why="TransformerLens multiplies from the right, x @ W_V @ W_O, so W_V is (head_index, d_model, d_head) and W_O "
        "(head_index, d_head, d_model). Their product over d_head, W_V @ W_O, is (d_model, d_model) of rank d_head: it "
        "says what the head writes for what it reads, wherever it attends.",
    )


# --- direct logit attribution

PARTS = "`parts` holds what each component (embedding, heads, MLPs) wrote to the residual stream, divided by the final "
PARTS += "LayerNorm's scale."
LEAD = (("batch ", ""), ("batch pos ", ""), ("pos ", ""), ("", ""))
DIRECTION = "`direction` is W_U's column of the right token minus that of the wrong one"
PLAIN_LOGITS = (
    Circuit((("parts", "component {a}d_model"), ("direction", "{a}d_model")), "component {a}",
            "the contributions to the logit difference",
            f"{PARTS} {DIRECTION}, one for {{each}}. Each component's contribution is the dot product of the two.",
            LEAD[:3]),
    Circuit((("parts", "component {a}d_model"), ("direction", "d_model")), "component {a}",
            "the contributions to the logit difference",
            f"{PARTS} {DIRECTION}. Each component's contribution is the dot product with it.", LEAD),
    Circuit((("direction", "{a}d_model"), ("parts", "component {a}d_model")), "{a}component",
            "the contributions to the logit difference",
            f"{PARTS} {DIRECTION}, one for {{each}}. Each component's contribution is the dot product of the two.",
            LEAD[:3]),
    Circuit((("parts", "component batch pos d_model"), ("direction", "batch d_model")), "component batch pos",
            "the contributions to the logit difference",
            f"{PARTS} {DIRECTION}, one for each prompt. What each component writes at each position is taken along its "
            "prompt's direction."),
    Circuit((("parts", "component {a}d_model"), ("W_U", "d_model d_vocab")), "component {a}d_vocab",
            "the contributions to the logits",
            f"{PARTS} W_U maps each of them to its contribution to all logits.", LEAD),
    Circuit((("result", "{a}head d_model"), ("direction", "{a}d_model")), "{a}head",
            "the heads' contributions to the logit difference",
            "`result` is what each head of a layer writes at the last position, divided by the final LayerNorm's "
            f"scale. {DIRECTION}, one for {{each}}. Take the dot product of the two.",
            (("batch ", ""), ("prompt ", ""))),
    Circuit((("parts", "component batch d_model"), ("direction", "batch d_model")), "component",
            "the contributions, added up over the batch",
            f"{PARTS} {DIRECTION}, one for each prompt. Each component's contribution is the dot product of the "
            "two; add it up over the prompts."),
)  # fmt: skip
COMPOSED_LOGITS = (
    Circuit((("z", "{a}head d_head"), ("W_O", "head d_head d_model"), ("direction", "{a}d_model")), "{a}head",
            "the heads' contributions to the logit difference",
            f"`z` is that of the last position. {DIRECTION}, one for {{each}}. What a head writes is its z through "
            "its W_O; its contribution is the dot product of that with the direction.",
            (("batch ", ""), ("prompt ", ""), ("batch pos ", ""))),
    Circuit((("acts", "{a}neuron"), ("W_out", "neuron d_model"), ("direction", "{a}d_model")), "{a}neuron",
            "the neurons' contributions to the logit difference",
            f"Each neuron writes its activation times its row of W_out. {DIRECTION}, one for {{each}}. A neuron's "
            "contribution is the dot product of the two.", (("batch ", ""), ("pos ", ""), ("batch pos ", ""))),
    Circuit((("acts", "{a}latent"), ("W_dec", "latent d_model"), ("W_U", "d_model d_vocab")), "{a}latent d_vocab",
            "the latents' contributions to the logits",
            "Each SAE latent writes its activation times its row of W_dec, and W_U maps that to its contribution to "
            "all logits.", (("batch ", ""), ("", ""))),
    Circuit((("pattern", "batch head key"), ("v", "batch key head d_head"), ("W_O", "head d_head d_model"),
             ("direction", "batch d_model")), "batch head key", "the contributions to the logit difference",
            f"`pattern` has each head's row for the last position. {DIRECTION}, one for each prompt. What a head moves "
            "from a key is the value there, times the pattern's weight, through its W_O. Take the dot product of that "
            "with the direction, for each head and key."),
    Circuit((("z", "layer batch head d_head"), ("W_O", "layer head d_head d_model"), ("direction", "batch d_model")),
            "layer head batch", "the contributions to the logit difference",
            f"`z` is that of the last position in all layers. {DIRECTION}, one for each prompt. What a head writes is "
            "its z through its W_O; its contribution is the dot product of that with its prompt's direction."),
    Circuit((("parts", "component {a}d_model"), ("direction", "answer d_model"), ("weight", "answer")), "component {a}",
            "the contributions",
            f"{PARTS} `direction` has W_U's column of each possible answer as a row, `weight` a number for each "
            "answer. Add up, over the answers, the weight times the component's dot product with the direction.", LEAD),
    Circuit((("z", "{a}head d_head"), ("W_O", "head d_head d_model"), ("W_U", "d_model d_vocab")), "{a}head d_vocab",
            "the heads' contributions to the logits",
            "What a head writes is its z through its W_O, divided by the final LayerNorm's scale already. W_U maps "
            "that to its contribution to all logits.", (("batch ", ""), ("batch pos ", ""), ("pos ", ""))),
)  # fmt: skip


def logit_mistakes(net: Contraction) -> Iterator[Mistake]:
    for axis, key, what in (("pos", "positions-mixed", "position"), ("batch", "prompts-mixed", "prompt")):
        owners = net.owners(axis)
        for i in owners[::-1] if len(owners) > 1 else ():
            yield Mistake(
                key, net.untied(i, axis),
                f"In `{net.names[i]}` you gave {axis} a letter of its own, so it is summed there. What a {what} writes "
                f"meets the direction of that very {what}.",
            )  # fmt: skip
        if axis in net.output:
            yield Mistake(
                key if len(owners) == 1 else f"{axis}-summed", net.lost(axis),
                f"You leave out {axis} after the arrow, which adds up the {what}s.",
            )  # fmt: skip
    for axis in ("component", "head", "neuron", "latent"):
        if axis in net.output:
            yield Mistake(
                "components-summed", net.lost(axis),
                f"You leave out {axis} after the arrow, which adds up all of them: the whole logit difference, not "
                "each one's share.",
            )  # fmt: skip
    yield from score_mistakes(net)


@drill(
    after=["transformer.logit-lens", "transformer.residual"],
    levels=3,
    lesson="Einops and einsum",
    arena="1.2",
    structures=(12, 12, 22),
)
def direct_logit_attribution(rng: Rng) -> WriteEinsum:
    """Each component's share of a logit difference."""
    return circuit_puzzle(
        rng,
        PLAIN_LOGITS,
        COMPOSED_LOGITS,
        logit_mistakes,
        hint="Only what the dot products run through is summed. What has each prompt, position and component of its "
        "own?",
        why="The residual stream is a sum of what the components write, and the unembedding is linear once the final "
        "LayerNorm's scale is held fixed. So the logit difference, a dot product with W_U[:, right] - W_U[:, "
        "wrong], is a sum of each component's own dot product with it.",
    )
