"""Masks for padding: keys that are no tokens."""

from dataclasses import dataclass

from tensordrill.authoring import Rng, Tensor, WriteExpression, Wrong, drill, tensor
from tensordrill.building.axes import index_of
from tensordrill.building.contraction import axes_of

COMPOSED = 3  # level
INF = 'float("-inf")'
CAUSAL = "torch.ones(seq, seq).tril().bool()"


@dataclass(frozen=True)
class Padding:
    """How the padding is told, which keys are real with the axes (batch, seq), and what comes of mistaking that."""

    told: str
    real: str
    inverted: str
    tensor: Tensor
    off_by_one: tuple[str, str] = ("", "")
    setup: str = ""


# The set-ups see to it that there is padding, and a token.
GIVEN = (
    Padding("`real`, stored (batch, seq), is True where a token is real.", "real", "~real",
            tensor("real", "batch seq", "mask")),
    Padding("`pad`, stored (batch, seq), is True where a token is padding.", "~pad", "pad",
            tensor("pad", "batch seq", "mask")),
    Padding("`length`, stored (batch), is how many tokens each example has; the rest of its `seq` positions is "
            "padding.", "(torch.arange(seq) < length[:, None])", "(torch.arange(seq) >= length[:, None])",
            tensor("length", "batch", "index:seq"),
            ("(torch.arange(seq) <= length[:, None])", ("Position `length` is padding already: the tokens stand at 0 "
             "to length - 1.")), "length[0] = seq - 1"),
    Padding("`start`, stored (batch), is the position of each example's first token; what stands before it is padding.",
            "(torch.arange(seq) >= start[:, None])", "(torch.arange(seq) < start[:, None])",
            tensor("start", "batch", "index:seq"),
            ("(torch.arange(seq) > start[:, None])", "Position `start` is a token: the first."), "start[0] = 1"),
    Padding("`tokens`, stored (batch, seq), are the ids of tokens; padding has the id 0.", "(tokens != 0)",
            "(tokens == 0)", tensor("tokens", "batch seq", "index:d_vocab"),
            setup="tokens[0, :2] = torch.tensor([0, 1])"),
)  # fmt: skip
ORDERS = ("batch head query key", "batch query key", "batch query head key")


@dataclass(frozen=True)
class Scores:
    """The scores that a mask is for: their axes, and what is told of keys, of queries or of both in their place."""

    axes: tuple[str, ...]

    def of(self, text: str, axis: str) -> str:
        """What is told, with the axes (batch, seq), of the queries or of the keys."""
        parts = [":" if it in ("batch", axis) else "None" for it in self.axes]
        index = f"[{', '.join(parts)}]"
        return f"(~{text[1:]}{index})" if text.startswith("~") else f"{text}{index}"

    @property
    def causal(self) -> str:
        """Stored (query, key), which broadcasts as it is unless the heads stand between."""
        between = ["None" if it == "head" else ":" for it in self.axes[self.axes.index("query") :]]
        return CAUSAL + index_of(between)

    def shape(self, *, causal: bool) -> list[str]:
        kept = ("batch", "query", "key") if causal else ("batch", "key")
        return [it if it in kept else "1" for it in self.axes]


@drill(
    after=["transformer.causal-mask", "data.collate-pad"],
    levels=3,
    lesson="DataLoaders",
    arena="1.1",
    structures=(14, 70, 85),
)
def padding_mask(rng: Rng) -> WriteExpression:
    """Causal and padding mask together."""
    padding = rng.pick(GIVEN[:4] if rng.level == 1 else GIVEN)
    scores = Scores(tuple(rng.pick(ORDERS[:2] if rng.level < COMPOSED else ORDERS).split()))
    name = padding.tensor.name
    causal = rng.level == 1 or rng.chance(0.7)
    kind = rng.pick(["mask", "hidden"] if rng.level == 1 else ["mask", "hidden", "scores", "bias", "scores"])
    key_ok, query_ok = scores.of(padding.real, "key"), scores.of(padding.real, "query")
    allowed = f"{key_ok} & {scores.causal}" if causal else key_ok

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
        return f"{mask} & {scores.causal}" if causal else mask

    shape = axes_of(scores.shape(causal=causal))
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
    stored = f"`scores` is stored {axes_of(scores.axes)}; its" if kind == "scores" else "The"
    wrong = [
        Wrong("queries-masked", finished(with_causal(query_ok)),
              "You hid the padding's own rows, as queries, and left it to be seen as keys. A row that is hidden whole "
              "gives NaN after the softmax."),
        Wrong("inverted", finished(with_causal(scores.of(padding.inverted, "key"))),
              f"Your padding mask is inverted. {padding.told}"),
        Wrong("no-unsqueeze", finished(with_causal(padding.real)),
              "(batch, seq) is aligned with the last two axes of the scores. It needs axes of size 1 in between."),
    ]  # fmt: skip
    late, because = padding.off_by_one
    if late:
        wrong.append(Wrong("off-by-one", finished(with_causal(scores.of(late, "key"))), because))
    if causal:
        sizes = {"batch": f"len({name})", "query": "seq", "key": "seq", "1": "1"}
        whole = f".expand({', '.join([sizes[it] for it in scores.shape(causal=True)])})"
        wrong += [
            Wrong("not-causal", finished(key_ok if kind == "scores" else key_ok + whole),
                  "The padding is hidden, and a query still saw what comes after it."),
            Wrong("padding-seen", finished(scores.causal + whole), "The padding is still seen."),
            Wrong("causal-transposed", finished(f"{key_ok} & {scores.causal.replace('tril', 'triu')}"),
                  "Your causal mask is turned round: a query saw what comes after it."),
            Wrong("or-for-and", finished(f"{key_ok} | {scores.causal}"),
                  "A key must be real and not come later: both, so `&`, of what may be seen."),
            Wrong("diagonal", finished(f"{key_ok} & {scores.causal.replace('tril()', 'tril(-1)')}"),
                  "You hid a query's own position too. It sees itself."),
        ]  # fmt: skip
    elif kind == "scores":
        wrong.append(Wrong("zero-scores", finished(allowed).replace(INF, "0"), "A score of 0 still gets weight: -inf."))
    named = f" It broadcasts over the axes {axes_of(scores.axes)} of the scores." if kind != "scores" else ""
    alike = {"query": "seq", "key": "seq"}
    return WriteExpression(
        prompt=f"{padding.told} {stored} `seq` positions are queries and keys alike.\n\n{rule}\n\n{asked}{named}",
        tensors=[padding.tensor, *([Tensor("scores", tuple([alike.get(it, it) for it in scores.axes]))]
                                   if kind == "scores" else [])],
        axes="seq" if name in ("length", "start") else "",
        setup=padding.setup,
        reference_expression=finished(allowed),
        hints=[
            ("Padding is nothing to look at: is it hidden as a key or as a query? Where do the keys stand in the "
            "scores?"),
            "Which positions are real is (batch, seq). Give that axes of size 1 by `None` in an index, so that its "
            "second axis meets the keys" + (", and combine it with a lower triangle." if causal else "."),
        ],
        why="Masks broadcast from the right against the scores, (batch, head, query, key). What is true of a key "
        "stands last: (batch, 1, 1, key); the causal mask is (query, key). Hiding padding as queries instead leaves "
        "rows without any key, whose softmax is NaN.",
        wrong=wrong,
    )  # fmt: skip
