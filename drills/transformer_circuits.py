"""The einsums of circuits: OV circuits and direct logit attribution, in TransformerLens' axis order."""

from collections.abc import Iterator

from tensordrill.authoring import Rng, WriteEinsum, drill
from tensordrill.building.circuits import Circuit, circuit_puzzle, score_mistakes
from tensordrill.building.contraction import Contraction, Mistake

# --- OV circuits

W_V, W_O = ("W_V", "{w}head read d_head"), ("W_O", "{w}head d_head write")
WEIGHTS = (("", ""), ("", "layer "), ("", "checkpoint "), ("", "layer "))
PLAIN_OV = (
    Circuit((W_V, W_O), "{w}head read write", "the OV circuit of each head",
            "What a head writes for what it reads: W_V, then W_O, as one matrix for each head.", WEIGHTS),
    Circuit((W_O, W_V), "{w}head read write", "the OV circuit of each head",
            "What a head writes for what it reads: W_V, then W_O, as one matrix for each head. W_O is passed first.",
            WEIGHTS),
    Circuit((("W_V", "{w}read d_head"), ("W_O", "{w}d_head write")), "{w}read write", "the OV circuit",
            "One head: `W_V` is `model.W_V[layer, head]`, `W_O` is `model.W_O[layer, head]`. What the head writes for "
            "what it reads, as one matrix.", (("", ""), ("", "checkpoint "))),
    Circuit((W_V, W_O), "{w}head write read", "the transposed OV circuit of each head",
            "What a head writes for what it reads: W_V, then W_O. The matrix is wanted transposed, for column vectors: "
            "written first, read second.", WEIGHTS),
    Circuit((W_V, W_O), "{w}read write", "the sum of the OV circuits",
            "All heads of a layer that attend to the same position together write the sum of W_V·W_O over the heads.",
            WEIGHTS),
    Circuit((("vector", "read"), W_V, W_O), "{w}head write", "what each head writes",
            "Every head attends to one position alone, where the stream is `vector`. Write what each head writes: "
            "`vector` mapped by its W_V and then its W_O.", WEIGHTS),
    Circuit((W_V, W_O, ("direction", "write")), "{w}head read", "the directions",
            "For each head: the direction in the stream that it reads in order to write along `direction`, W_V times "
            "W_O times `direction`.", WEIGHTS),
)  # fmt: skip
COMPOSED_OV = (
    Circuit((("W_E", "token read"), W_V, W_O, ("W_U", "write logit")), "{w}head token logit", "the full OV circuit",
            "For each head: which logits it writes for each token that it attends to. W_E, then W_V, W_O and W_U.",
            (("", ""), ("", "layer "))),
    Circuit((("x", "{a}pos read"), W_V, W_O), "{a}pos head write", "what is written",
            "For each position and head: what the head would write if it attended to that position alone, that is the "
            "stream `x` there, mapped by W_V and then W_O.", (("batch ", ""), ("", ""), ("layer batch ", "layer "))),
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
            f"{PARTS} {DIRECTION}, one for each prompt. The contribution at each position is the dot product of what "
            "the component writes there with its prompt's direction."),
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
            f"`z` holds the heads' z at the last position. {DIRECTION}, one for {{each}}. What a head writes is its "
            "z through its W_O; its contribution is the dot product of that with the direction.",
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
            f"`z` holds the heads' z at the last position, in all layers. {DIRECTION}, one for each prompt. What a "
            "head writes is its z through its W_O; its contribution is the dot product of that with the prompt's "
            "direction."),
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
