"""The residual stream: its parts, and the logit lens."""

from tensordrill.authoring import PredictValue, Rng, WriteExpression, Wrong, drill, tensor
from tensordrill.building.transformer import AXES, SIZES, transformer, whole

COMPOSED = 3  # level

# --- the residual stream

RESIDUAL_WHY = (
    "Each layer reads the residual stream and adds what it computes to it: resid_post = resid_pre + attn_out + "
    "mlp_out. So the stream at any point is the embedding plus the outputs of all layers before, and a layer's "
    "output is the difference of the stream after and before it."
)
RESIDUAL_HINTS = (
    "Nothing that is written to the stream is ever overwritten: what is in it after a layer?",
    "Start from the embedding and add every output, attention and MLP, up to the point that is asked for.",
)
LAST_ONLY = "That is what the last layer wrote. The stream also has what was there before."
NO_EMBED = "The stream starts with the embedding, which stays in it."


def written(rng: Rng, layers: int) -> tuple[list[int], list[list[int]], list[list[int]]]:
    """The embedding, and what attention and MLPs write: in ranges of their own, so that none can stand for another."""
    attn, mlp = ([rng.distinct(2, low, low + 2) for _ in range(layers)] for low in (4, 20))
    return rng.distinct(2, 1, 3), attn, mlp


def stream(rng: Rng) -> PredictValue:
    """The stream after some layers, from what each wrote."""
    layers = 2 if rng.level == 1 else 3
    embed, attn, mlp = written(rng, layers)
    at = rng.integer(1, layers - 1)
    ask, total, last = rng.pick(
        [
            (f"resid_post[{at}]", f"embed + attn_out[:{at + 1}].sum(0) + mlp_out[:{at + 1}].sum(0)", f"mlp_out[{at}]"),
            (f"resid_mid[{at}]", f"embed + attn_out[:{at + 1}].sum(0) + mlp_out[:{at}].sum(0)", f"attn_out[{at}]"),
            (f"resid_pre[{at}]", f"embed + attn_out[:{at}].sum(0) + mlp_out[:{at}].sum(0)", f"mlp_out[{at - 1}]"),
        ]
    )
    mlp_end = at + 1 if "post" in ask else at
    attn_end = at if "pre" in ask else at + 1
    following = f"mlp_out[{at}]" if "mid" in ask else f"attn_out[{mlp_end}]" if mlp_end < layers else ""
    return PredictValue(
        prompt=f"`attn_out[i]` and `mlp_out[i]` are what the attention and the MLP of layer i write to the residual "
        f"stream. What is `{ask}`?",
        program=f"""
            embed = torch.tensor({embed})
            attn_out = torch.tensor({attn})
            mlp_out = torch.tensor({mlp})
            resid, resid_pre, resid_mid, resid_post = embed, [], [], []
            for layer in range({layers}):
                resid_pre.append(resid)
                resid = resid + attn_out[layer]
                resid_mid.append(resid)
                resid = resid + mlp_out[layer]
                resid_post.append(resid)
        """,
        ask=ask,
        hints=RESIDUAL_HINTS,
        why=RESIDUAL_WHY,
        wrong=[
            Wrong("layer-output", last, LAST_ONLY),
            Wrong("no-embedding", f"{total} - embed", NO_EMBED),
            Wrong("one-layer-less", f"{total} - {last}", "The last thing that was written before this point is "
                                                         "missing."),
            *([Wrong("next-one-too", f"{total} + {following}", "What is written later is not in the stream yet.")]
              if following else []),
            *([Wrong("mlps-only", f"embed + mlp_out[:{mlp_end}].sum(0)", "The attention layers write to the stream "
                                                                         "too.")]
              if (attn_end, mlp_end) != (1, 0) else []),
        ],
    )  # fmt: skip


def difference(rng: Rng) -> PredictValue:
    """What a layer wrote, from the stream."""
    embed, attn, mlp = written(rng, 2)
    rows = [embed]
    for step in (attn[0], mlp[0], attn[1], mlp[1]):
        rows.append([a + b for a, b in zip(rows[-1], step, strict=True)])
    layer = rng.integer(0, 1)
    pre, mid, post = rows[0:4:2], rows[1:5:2], rows[2:5:2]
    name, ask, total, other = rng.pick(
        [
            ("the MLP of layer {}", f"resid_post[{layer}] - resid_mid[{layer}]", f"resid_post[{layer}]",
             f"resid_post[{layer}] - resid_pre[{layer}]"),
            ("the attention of layer {}", f"resid_mid[{layer}] - resid_pre[{layer}]", f"resid_mid[{layer}]",
             f"resid_post[{layer}] - resid_pre[{layer}]"),
            ("layer {}, attention and MLP together,", f"resid_post[{layer}] - resid_pre[{layer}]",
             f"resid_post[{layer}]", f"resid_post[{layer}] - resid_mid[{layer}]"),
        ]
    )  # fmt: skip
    return PredictValue(
        prompt="The residual stream of one position was cached before each layer (`resid_pre`), between its attention "
        f"and its MLP (`resid_mid`), and after it (`resid_post`). What did {name.format(layer)} write to it?",
        program=f"""
            resid_pre = torch.tensor({pre})
            resid_mid = torch.tensor({mid})
            resid_post = torch.tensor({post})
        """,
        ask=ask,
        hints=["A layer reads the stream and adds to it.", "Subtract the stream before it from the stream after it."],
        why=RESIDUAL_WHY,
        wrong=[
            Wrong("stream-for-output", total, "That is the whole stream after it, not what it wrote."),
            Wrong("other-part", other, "Between those two points of the stream more, or less, is written than that."),
            Wrong("sign", f"-({ask})", "After minus before, not before minus after."),
        ],
    )


def sequential(rng: Rng) -> PredictValue:
    """Layers that read the stream: swapped, doubled or negated entries, which are easy by hand."""
    embed = rng.distinct(2, 1, 6)
    kinds = rng.sample(
        ["x.flip(0)", "2 * x", "x * torch.tensor([1, 0])", "x * torch.tensor([0, 1])", "x.sum().expand(2)",
         "x.max().expand(2)"],
        2,
    )  # fmt: skip
    attn, mlp = kinds
    # Else what the attention writes is nothing that the MLP sees, or just what another mistake makes of it.
    if ("[" in attn and ("[" in mlp or "max" in mlp)) or attn in ("x.flip(0)", "x.max().expand(2)"):
        attn = "2 * x" if mlp != "2 * x" else "x.sum().expand(2)"
    ask, last, extra = rng.pick(
        [("out", "mlp(mid)", "mid"), ("out", "mlp(mid)", "mid"), ("mlp(mid)", "mlp(embed)", "")]
    )
    wrong = [
        Wrong("parallel", "embed + attn(embed) + mlp(embed)" if ask == "out" else last,
              "The MLP reads the stream after the attention has written to it."),
    ]  # fmt: skip
    if extra:
        wrong += [
            Wrong("layer-output", last, LAST_ONLY),
            Wrong("embedding-lost", "attn(embed) + mlp(mid)", NO_EMBED),
            Wrong("chained", "mlp(attn(embed))", "Layers do not hand their output on: they add it to the stream."),
        ]
    else:
        wrong += [
            Wrong("chained", "mlp(attn(embed))", "The MLP reads the whole stream, not the attention's output alone."),
            Wrong("stream-for-output", "mid + mlp(mid)", "That is the stream after the MLP, not what it wrote."),
        ]
    return PredictValue(
        prompt=f"One block of a transformer, on one position, without LayerNorm. What is `{ask}`?",
        program=f"""
            attn = lambda x: {attn}
            mlp = lambda x: {mlp}
            embed = torch.tensor({embed})
            mid = embed + attn(embed)
            out = mid + mlp(mid)
        """,
        ask=ask,
        hints=["What does each layer read: the embedding, the output before it, or the stream?",
               "First the stream after the attention, then what the MLP makes of that."],
        why=RESIDUAL_WHY,
        wrong=wrong,
    )  # fmt: skip


@drill(levels=3, arena="1.2", structures=(3, 6, 16))
def residual(rng: Rng) -> PredictValue:
    """The residual stream as a sum of parts."""
    if rng.level == COMPOSED:
        return sequential(rng)
    return stream(rng) if rng.level == 1 or rng.chance() else difference(rng)


# --- the logit lens

RUN = """
model = Transformer()
resid = []
for block in model.blocks:
    block.register_forward_hook(lambda module, inputs, output: resid.append(output.detach()))
W_U = model.unembed.weight.detach().T.contiguous()
for parameter in model.parameters():
    parameter.requires_grad_(False)
"""
CACHES = (
    ("`resid[i]`, of shape (batch, seq, d_model), is the residual stream after block i.", "resid[{layer}]", ""),
    ("`resid`, of shape (n_layers, batch, seq, d_model), holds the residual stream after each block.",
     "resid[{layer}]", "resid = torch.stack(resid)\n"),
    ('`cache["resid_post", i]`, of shape (batch, seq, d_model), is the residual stream after block i.',
     'cache["resid_post", {layer}]', 'cache = {("resid_post", i): x for i, x in enumerate(resid)}\n'),
)  # fmt: skip
# What is asked for, of logits `{x}`.
READINGS = (
    ("the logits", "{x}", ""),
    ("the probabilities of the next token", "{x}.softmax(-1)", ""),
    ("the ids of all tokens, from the likeliest next one to the least likely", "{x}.argsort(-1, descending=True)", ""),
    ("the log-probabilities of the next token", "{x}.log_softmax(-1)", ""),
    ("the logit of token 3 minus that of token 5", "({x})[..., 3] - ({x})[..., 5]", ""),
    ("the probability of token 2", "({x}).softmax(-1)[..., 2]", ""),
)
WHERE = (
    ("at every position", ""),
    ("at the last position (that axis is gone)", "[:, -1]"),
    ("at every position of the first prompt (the batch axis is gone)", "[0]"),
)


@drill(after=["transformer.residual"], levels=3, arena="1.2", structures=(4, 60, 90))
def logit_lens(rng: Rng) -> WriteExpression:
    """The logit lens: unembed the stream in mid-model."""
    told, entry, make = rng.pick(CACHES)
    every = rng.level == COMPOSED and "(n_layers" in told
    layer = rng.integer(0, 1)
    asked, reading, _ = READINGS[0] if rng.level == 1 else rng.pick(READINGS)
    where, at = WHERE[0] if rng.level == 1 else rng.pick(WHERE)
    if every:
        source, at = "resid", {"": "", "[:, -1]": "[:, :, -1]", "[0]": "[:, 0]"}[at]
        block = "after each block, in one tensor with the layers first"
    else:
        source, block = entry.format(layer=layer), f"after block {layer}"
    by_weight = rng.chance()
    neighbour = entry.format(layer=layer + 1)

    def read(stream: str, norm: str = "model.ln_final({})") -> str:
        normed = norm.format(stream)
        logits = f"({normed} @ W_U)" if by_weight else f"model.unembed({normed})"
        return reading.format(x=logits) if reading != "{x}" else logits.removeprefix("(").removesuffix(")" * by_weight)

    right = read(source + at)
    wrong = [
        Wrong("no-layernorm", read(source + at, "({})" if by_weight else "{}"),
              "The final LayerNorm belongs to the unembedding: apply it to the stream first."),
        Wrong("plain-layernorm", read(source + at, "F.layer_norm({}, (d_model,))"),
              "`model.ln_final` has a weight of its own; a LayerNorm without it gives other logits."),
    ]  # fmt: skip
    if every:
        wrong.append(
            Wrong("last-layer-only", read(f"resid[-1]{at.replace(':, ', '', 1)}"), "Every block was asked for.")
        )
    else:
        wrong.append(Wrong("wrong-layer", read(neighbour + at), "That is another block's. They count from 0."))
        wrong.append(
            Wrong("layer-output", read(f"({source} - {entry.format(layer=layer - 1)}){at}") if layer
                  else read(f"({source} - model.embed(tokens)){at}"),
                  "You took what the block wrote; the lens looks at the whole stream."))  # fmt: skip
    if at in ("[:, -1]", "[:, :, -1]"):
        wrong.append(Wrong("first-position", read(source + at.replace("-1", "0")), "The last position was asked for."))
    if "softmax" in reading and at != "[0]" and "2]" not in reading:
        wrong.append(
            Wrong("wrong-axis", right.replace("softmax(-1)", "softmax(0)"), "The softmax goes over the tokens.")
        )
    unembedding = "`W_U`, of shape (d_model, d_vocab)," if by_weight else "`model.unembed`, a Linear,"
    return WriteExpression(
        prompt=f"{told} The model goes on from the last one with `model.ln_final`, a LayerNorm, and then {unembedding} "
        f"to the logits.\n\nThe logit lens reads the stream in mid-model as if it were the last. Return what it "
        f"gives {block}, {where}: {asked}.",
        tensors=[tensor("tokens", "batch seq", "index:d_vocab")],
        axes=f"{AXES} d_vocab",
        sizes=SIZES,
        setup=f"{whole(transformer())}{RUN}model(tokens)\n{make}",
        reference_expression=right,
        hints=[
            "What happens to the stream between the last block and the logits? Do the same here.",
            "Take the stream, then the final LayerNorm, then the unembedding"
            + ("." if reading == "{x}" else ", and then what is asked of the logits."),
        ],
        why="The logit lens treats the residual stream of a middle layer as if it were the last one: final "
        "LayerNorm, then unembedding. The LayerNorm is part of it; without it the stream has another scale and "
        "another offset than the unembedding was trained on.",
        wrong=wrong,
    )
