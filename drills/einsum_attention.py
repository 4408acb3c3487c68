"""Attention scores."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tensordrill.authoring import Rng, WriteEinsum, drill
from tensordrill.building.contraction import Contraction, Mistake, axes_of


@dataclass(frozen=True)
class Attention:
    """One way to score queries against keys: who has which axes, and what is meant."""

    query: str
    key: str
    scores: str
    meaning: str


ATTENTIONS = (
    Attention(
        "batch head query d_head", "batch head key d_head", "batch head query key",
        "Each query of each head is scored against all keys of that head, within its own sequence of the batch, "
        "by dot product.",
    ),
    Attention(
        "batch head query d_head", "batch head key d_head", "batch head query key",
        "Cross-attention: each query of each head (from the decoder) is scored against all keys of that head "
        "(from the encoder), within its own example of the batch, by dot product.",
    ),
    Attention(
        "head query d_head", "head key d_head", "head query key",
        "There is one sequence, without a batch. Each query of each head is scored against all keys of that head, "
        "by dot product.",
    ),
    Attention(
        "layer head query d_head", "layer head key d_head", "layer head query key",
        "The queries and keys of all layers were cached on one prompt. Each query of each head is scored against all "
        "keys of that head and layer, by dot product.",
    ),
    Attention(
        "batch head d_head", "batch head key d_head", "batch head key",
        "Decoding: each sequence of the batch has one new token, with one query per head. It is scored against all "
        "cached keys of that head, in its own sequence, by dot product.",
    ),
    Attention(
        "batch head query d_head", "batch key d_head", "batch head query key",
        "Multi-query attention: the heads share one set of keys. Each query of each head is scored against all keys "
        "of its own sequence in the batch, by dot product.",
    ),
    Attention(
        "group head query d_head", "group key d_head", "group head query key",
        "Grouped-query attention on one sequence: the heads of a group share that group's keys. Each query of each "
        "head of each group is scored against all keys of its group, by dot product.",
    ),
)  # fmt: skip
POSITIONS = {"query": "query position", "key": "key position"}
MIXED = {"head": "heads-mixed", "batch": "keys-unbatched", "layer": "layers-mixed", "group": "groups-mixed"}
# Mistakes that run without a complaint where all sizes are equal, and give scores of the right rank.
SILENT = (
    *MIXED.values(),
    "query-key-swapped",
    "heads-for-positions",
    "layout-assumed",
    "operand-order",
    "output-order",
)


def attention_mistakes(net: Contraction, kind: Attention) -> Iterator[Mistake]:
    queries, keys = net.operands
    if "query" in net.axes:
        yield Mistake(
            "query-key-swapped",
            net.output_swapped("query", "key"),
            "Your scores have key and query positions the wrong way round, so a softmax over keys would run over "
            "queries.",
        )
        yield Mistake(
            "same-position",
            net.tied("query", "key"),
            "You gave query and key positions one letter, so each position is scored against itself alone. "
            "Every query meets every key: two letters.",
        )
        if "head" in keys:
            yield Mistake(
                "heads-for-positions",
                net.read_as(swap(queries, "head", "query"), swap(keys, "head", "key")),
                "You read heads where the positions are stored: the heads of one position are scored against each "
                "other, and no token sees another.",
            )
        yield Mistake(
            "operand-order", net.misread(0, "head", "query"), f"You took head for query position in `{net.names[0]}`."
        )
    if "head" in keys:
        yield Mistake(
            "operand-order", net.misread(1, "head", "key"), f"You took head for key position in `{net.names[1]}`."
        )
    yield Mistake(
        "operand-order",
        net.misread(1, "d_head", "key"),
        f"You took d_head for key position in `{net.names[1]}`, and sum over positions.",
    )
    yield Mistake(
        "not-contracted",
        net.kept("d_head"),
        "You keep d_head after the arrow, so nothing is added up. A dot product sums it.",
    )
    for axis in net.axes:
        if axis in MIXED and axis in keys:
            for i in (1, 0):
                yield Mistake(
                    MIXED[axis],
                    net.untied(i, axis),
                    f"In `{net.names[i]}` you gave {axis} a letter of its own, so it is summed there before anything "
                    f"is scored. A query meets only the keys of its own {axis}: one letter in both.",
                )
    if "head" in net.axes:
        yield Mistake(
            "heads-summed",
            net.lost("head"),
            "You leave out head after the arrow, which adds up the scores of all heads.",
        )
    usual = (kind.query.split(), kind.key.split())
    for read in usual, (usual[0], keys), (queries, usual[1]):
        yield Mistake(
            "layout-assumed",
            net.read_as(*read),
            f"You took the axes to be in the usual order. They are stored "
            f"{axes_of(queries)} in `{net.names[0]}` and {axes_of(keys)} in `{net.names[1]}`.",
        )
    yield from net.edits_of_output(lambda axis: POSITIONS.get(axis, axis))


def swap(axes: Sequence[str], a: str, b: str) -> list[str]:
    return [{a: b, b: a}.get(axis, axis) for axis in axes]


def stored(rng: Rng, axes: str) -> tuple[str, ...]:
    """The axes in an order in which a tensor may be stored: d_head is often last."""
    order = rng.shuffled(axes.split())
    if rng.chance(0.6):
        order.sort(key=lambda axis: axis == "d_head")
    return tuple(order)


@drill(after=["einsum.batched-matmul"], levels=3, lesson="Einops and einsum", arena="1.1", structures=(400, 550, 550))
def attention_scores(rng: Rng) -> WriteEinsum:
    """Attention scores of many heads at once."""
    kind = rng.pick(ATTENTIONS)
    output = kind.scores.split()
    if rng.level > 1:
        output = [*rng.shuffled(output[:-1]), "key"]
    names = rng.pick((("Q", "K"), ("q", "k"), ("queries", "keys")))
    net = Contraction(names, (stored(rng, kind.query), stored(rng, kind.key)), tuple(output))
    queries, keys = names
    wrong = net.wrong_turns(attention_mistakes(net, kind))
    code, sizes = "", {}
    if rng.level == 1:
        prompt = (
            f"`{queries}` has the axes {axes_of(net.operands[0])}, `{keys}` has {axes_of(net.operands[1])}.\n\n"
            f"{kind.meaning}\n\n"
            f"Write the equation for the scores, with the axes {axes_of(net.output)}."
        )
    else:
        # Here both positions are called what code calls them: that they need two letters is for the learner to see.
        query_axes, key_axes = ([{"query": "seq", "key": "seq"}.get(a, a) for a in axes] for axes in net.operands)
        in_order = ", ".join(POSITIONS.get(axis, axis) for axis in net.output)
        prompt = (
            f"{kind.meaning}\n\n"
            f"`{queries}` is stored {axes_of(query_axes)}, `{keys}` is stored {axes_of(key_axes)}.\n\n"
            f"The axes of the scores, first to last: {in_order}."
        )
    if rng.level == 3:  # noqa: PLR2004 -- the highest level
        size = 8 if len(net.output) < 4 else rng.pick((4, 5, 6))  # noqa: PLR2004 -- small ones are quick to compare
        sizes = dict.fromkeys(net.axes, size)
        shown = rng.pick(sorted({turn.id for turn in wrong if turn.id in SILENT}))
        bug = rng.pick([turn for turn in wrong if turn.id == shown])
        code = f'scores = torch.einsum("{bug.answer}", {queries}, {keys})'
        prompt = (
            f"This line runs, and the model does badly. All axes happen to have size {size}, so nothing complains.\n\n"
            f"{prompt}\n\nWrite the equation that was meant."
        )
    return WriteEinsum(
        prompt=prompt,
        tensors=net.tensors,
        output=net.output,
        sizes=sizes,
        code=code,
        axes_told=rng.level > 1,
        hints=[
            "One letter for each axis. Which run through both tensors together, and which are paired each with each?",
            (
                "Only d_head goes missing after the arrow. Write each tensor's letters in the order in which it is "
                f"stored, and end with the letter of the {POSITIONS['key']}."
            ),
        ],
        why="An index that both tensors share and the result lacks is summed: the dot product over d_head. One that "
        "they share and the result keeps is a batch index: batch, head. One that only one of them has is free: the "
        "query's and the key's positions, which need two letters because every query meets every key.",
        wrong=wrong,
    )
