"""Sparse autoencoders: encode, decode, and the loss, each part of which is observed."""

from collections.abc import Sequence
from dataclasses import dataclass

from tensordrill.authoring import Edit, Rng, WriteCode, drill, tensor

COMPOSED = 3  # level


@dataclass(frozen=True)
class Choice:
    """One way in which an SAE does something: as a formula, in words, as code, and slips with their sentences."""

    formula: str
    words: str
    code: str
    slips: Sequence[tuple[str, str, str]] = ()


PRE_BIAS = (
    "pre-bias-forgotten", "x @ W_enc + b_enc", ("`b_dec` is subtracted from x before the encoder, and added back "
                                               "after the decoder.")
)  # fmt: skip
INPUTS = (
    Choice("(x - b_dec) @ W_enc + b_enc", "The decoder's bias is subtracted from `x` before the encoder.",
           "(x - b_dec) @ W_enc + b_enc", (PRE_BIAS, ("pre-bias-added", "(x + b_dec) @ W_enc + b_enc",
           "`b_dec` is subtracted before the encoder; it is added after the decoder."))),
)  # fmt: skip
ACTIVATIONS = (
    Choice("relu(pre)", "The latents are the ReLU of the pre-activations.", "pre.relu()",
           (("no-relu", "pre", "The latents are not negative: the activation is missing."),)),
    Choice("pre where pre > theta, else 0", "The latents are the pre-activations where these exceed the threshold "
           "`theta` of their latent, else 0 (JumpReLU).", "pre * (pre > theta)",
           (("shifted", "(pre - theta).relu()", "JumpReLU lets what exceeds the threshold through as it is."),
            ("absolute", "pre * (pre.abs() > theta)", ("A negative pre-activation does not exceed theta, however "
                                                      "large.")))),
    Choice("relu(pre), kept where it is among the k = 2 largest of its example, else 0",
           "The latents are the ReLU of the pre-activations; only the 2 largest of each example stay, the others are 0 "
           "(top-k).",
           "torch.zeros_like(pre).scatter(-1, pre.topk(2, -1).indices, pre.topk(2, -1).values.relu())",
           (("topk-over-batch",
             "torch.zeros_like(pre).scatter(0, pre.topk(2, 0).indices, pre.topk(2, 0).values.relu())",
             "The largest of each example were to stay: top-k over the latents, not over the batch."),
            ("no-topk", "pre.relu()", "All but the 2 largest latents of an example become 0."))),
)  # fmt: skip
RECONSTRUCTIONS = (
    Choice("sum over d_model of (x_hat - x)², then mean over the batch",
           "the squared error, summed over d_model and averaged over the batch",
           "(x_hat - x).pow(2).sum(-1).mean()",
           (("mean-for-sum", "(x_hat - x).pow(2).mean()", "The squared error is summed over d_model."),
            ("error-over-batch", "(x_hat - x).pow(2).sum(0).mean()",
             "You summed the squared error over the batch and averaged over d_model: the other way round."))),
    Choice("mean over d_model and batch of (x_hat - x)²", "the squared error, averaged over d_model and the batch",
           "(x_hat - x).pow(2).mean()",
           (("sum-for-mean", "(x_hat - x).pow(2).sum(-1).mean()", "The squared error is averaged over d_model too."),
            ("root", "(x_hat - x).norm(dim=-1).mean()", "Squared errors are averaged, not lengths."))),
    Choice("mean over the batch of ‖x_hat - x‖² / ‖x‖²",
           "each example's squared error (summed over d_model) divided by the squared length of `x`, averaged over the "
           "batch",
           "((x_hat - x).pow(2).sum(-1) / x.pow(2).sum(-1)).mean()",
           (("ratio-of-means", "(x_hat - x).pow(2).sum(-1).mean() / x.pow(2).sum(-1).mean()",
             "Each example's error is divided by its own length, and the mean comes last."),
            ("not-normalised", "(x_hat - x).pow(2).sum(-1).mean()", "Divide by the squared length of x."))),
)  # fmt: skip
SPARSITIES = (
    Choice("sum over the latents of |latents|, then mean over the batch",
           "the absolute values of the latents, summed over the latents and averaged over the batch",
           "latents.abs().sum(-1).mean()",
           (("sparsity-over-batch", "latents.abs().sum(0).mean()",
             ("The absolute values are summed over the latents and averaged over the batch: yours is the other way "
             "round.")),
            ("sparsity-mean", "latents.abs().mean()", "The absolute values are summed over the latents."))),
    Choice("sum over the latents of |latents| · ‖its row of W_dec‖, then mean over the batch",
           "the absolute values of the latents, each times the length of its row of `W_dec`, summed over the latents "
           "and averaged over the batch",
           "(latents.abs() * W_dec.norm(dim=-1)).sum(-1).mean()",
           (("unweighted", "latents.abs().sum(-1).mean()", "Each latent counts as much as its decoder row is long."),
            ("one-norm", "(latents.abs() * W_dec.norm()).sum(-1).mean()",
             "Each latent has the length of its own row: the norm goes over d_model alone."))),
    Choice("sum over the latents of tanh(|latents|), then mean over the batch",
           "the tanh of the absolute values of the latents, summed over the latents and averaged over the batch",
           "latents.abs().tanh().sum(-1).mean()",
           (("tanh-of-sum", "latents.abs().sum(-1).tanh().mean()", "The tanh is taken of each latent, before the sum."),
            ("sparsity-over-batch", "latents.abs().tanh().sum(0).mean()",
             "The sum goes over the latents, the mean over the batch: yours is the other way round."))),
)  # fmt: skip


def made(rng: Rng) -> tuple[list[Choice], list[str]]:
    """What is chosen for each part, and the code of the five lines."""
    plain = rng.level == 1
    activation = rng.pick(ACTIVATIONS[:2] if plain else ACTIVATIONS)
    reconstruction = rng.pick(RECONSTRUCTIONS[:2] if plain else RECONSTRUCTIONS)
    sparsity = rng.pick(SPARSITIES[:2] if plain else SPARSITIES)
    choices = [INPUTS[0], activation, reconstruction, sparsity]
    lines = [
        f"pre = {choices[0].code}",
        f"latents = {activation.code}",
        "x_hat = latents @ W_dec + b_dec",
        f"loss = {reconstruction.code} + l1 * {sparsity.code}",
    ]
    return choices, lines


@drill(after=["modules.linear"], levels=3, lesson="Modules", arena="1.2", structures=(14, 40, 140))
def sae(rng: Rng) -> WriteCode:
    """A sparse autoencoder: encode, decode, loss."""
    choices, lines = made(rng)
    entry, activation, reconstruction, sparsity = choices
    theta = ", theta" if "theta" in activation.code else ""
    transposed = rng.chance(0.4)
    instances = rng.level == COMPOSED and not theta and rng.chance(0.5)
    per_part = rng.level == COMPOSED and rng.chance(0.5)
    shapes = {"x": "batch d_model", "W_enc": "d_model n_latents", "b_enc": "n_latents", "W_dec": "n_latents d_model",
              "b_dec": "d_model"}  # fmt: skip
    told_extra = ""
    code = "\n".join(lines)
    slips = [(key, "pre", entry.code, slip, because) for key, slip, because in entry.slips]
    slips += [(key, "latents", activation.code, slip, because) for key, slip, because in activation.slips]
    slips += [(key, "loss", reconstruction.code, slip, because) for key, slip, because in reconstruction.slips]
    slips += [(key, "loss", sparsity.code, slip, because) for key, slip, because in sparsity.slips]
    if theta:
        shapes["theta"] = "n_latents"
    if transposed:
        shapes["W_enc"] = "n_latents d_model"
        told_extra = " `W_enc` is stored like the weight of an nn.Linear."
    if instances:
        shapes = {
            name: axes.replace("batch", "batch sae") if name == "x" else f"sae {axes}" for name, axes in shapes.items()
        }
    result = "latents, x_hat, loss"
    if per_part:
        code = code.replace(f"loss = {reconstruction.code} + l1 * {sparsity.code}",
                            f"error = {reconstruction.code}\nsparsity = {sparsity.code}")  # fmt: skip
        result = "latents, x_hat, error, sparsity, error + l1 * sparsity"

    def adapted(text: str) -> str:
        text = text.replace("@ W_enc", "@ W_enc.T") if transposed else text
        return stacked(text, transposed=transposed) if instances else text

    body = "\n".join([*[adapted(line) for line in code.splitlines()], f"return {result}"])
    wrong = [Edit(key, adapted(old), adapted(slip), because) for key, _, old, slip, because in slips]
    wrong.append(Edit("post-bias-forgotten", adapted("latents @ W_dec + b_dec"), adapted("latents @ W_dec"),
                      "b_dec is added back after the decoder."))  # fmt: skip
    wrong.append(
        Edit("coefficient-forgotten", " + l1 * sparsity", " + sparsity", "The sparsity term is multiplied by l1.")
        if per_part
        else Edit("coefficient-forgotten", "+ l1 * ", "+ ", "The sparsity term is multiplied by l1.")
    )
    parts = ["latents", "x_hat", *(["error", "sparsity"] if per_part else []), "loss"]
    formulas = [
        f"pre = {entry.formula if not transposed else entry.formula.replace('W_enc', 'W_encᵀ')}",
        f"latents = {activation.formula}",
        "x_hat = latents @ W_dec + b_dec",
        f"A = {reconstruction.formula}",
        f"B = {sparsity.formula}",
        "loss = A + l1 · B",
    ]
    in_words = (
        f"{entry.words} The encoder multiplies by `W_enc` and adds `b_enc`. {activation.words} "
        f"The decoder maps them back with `W_dec`, and `b_dec` is added: that is "
        f"`x_hat`.\n\nThe loss is the error plus `l1` times the sparsity. The error is "
        f"{reconstruction.words}. The sparsity is {sparsity.words}."
    )
    several = (
        " There are several SAEs side by side, each with its own `x` and weights, on the axis sae: sums, means and "
        "top-k over d_model, latents and batch are taken for each of them apart, so that the loss has the axis sae."
    )
    returns = {True: ", the error, the sparsity and the loss", False: " and the loss"}[per_part]
    told = "\n".join([f"- {line}" for line in formulas]) if rng.level == 1 else in_words
    return WriteCode(
        prompt=f"A sparse autoencoder. `l1` is a number.{told_extra}{several if instances else ''}\n\n{told}\n\n"
        f"Return the latents, `x_hat`{returns}, in this order.",
        signature=f"def sae(x, W_enc, b_enc, W_dec, b_dec, l1{theta}):",
        body=body,
        tensors=[tensor(name, axes, "positive" if name == "theta" else "any") for name, axes in shapes.items()],
        sizes={"n_latents": 7},  # more than the 2 of top-k
        observe={
            f"the tensor `{name}`": f"sae(x, W_enc, b_enc, W_dec, b_dec, 0.3{theta})[{i}]"
            for i, name in enumerate(parts)
        } | {"`x` afterwards": "x", "the list of weights afterwards": "[W_enc, b_enc, W_dec, b_dec]"},
        wrong=wrong,
        hints=[
            "Five steps: into the encoder, activation, decoder, error, sparsity. In which of them is `b_dec`?",
            "For each term of the loss, ask which axis is summed and which is averaged: dim=-1 is the last one.",
        ],
        why="An SAE writes an activation as b_dec plus a sparse sum of dictionary rows: latents @ W_dec + b_dec. "
        "The loss weighs the error against how much is active; which axes are summed (features) and which averaged "
        "(batch) sets the scale of both terms, and so what l1 means.",
    )  # fmt: skip


def stacked(text: str, *, transposed: bool) -> str:
    """A line of one SAE for several, with x (batch, sae, d_model) and the weights (sae, …)."""
    spec = "bsd,sld->bsl" if transposed else "bsd,sdl->bsl"
    text = text.replace("(x - b_dec) @ W_enc" + ".T" * transposed, f'torch.einsum("{spec}", x - b_dec, W_enc)')
    text = text.replace("(x + b_dec) @ W_enc" + ".T" * transposed, f'torch.einsum("{spec}", x + b_dec, W_enc)')
    text = text.replace("x @ W_enc" + ".T" * transposed, f'torch.einsum("{spec}", x, W_enc)')
    text = text.replace("latents @ W_dec", 'torch.einsum("bsl,sld->bsd", latents, W_dec)')
    text = text.replace(".sum(0).mean()", ".SUMMED").replace(".sum(-1).mean()", ".sum(-1).mean(0)")
    text = text.replace(".sum(-1).tanh().mean()", ".sum(-1).tanh().mean(0)").replace(
        "sum(-1)).mean()", "sum(-1)).mean(0)"
    )
    text = text.replace(".norm(dim=-1).mean()", ".norm(dim=-1).mean(0)").replace(
        "W_dec.norm()", "W_dec.norm(dim=(1, 2))[:, None]"
    )
    return text.replace(".mean()", ".mean((0, -1))").replace(".SUMMED", ".sum(0).mean(-1)")
