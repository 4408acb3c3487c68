"""Answers to the transformer drills, written from what the prompts say, right and wrong."""

import re
from ast import literal_eval
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tensordrill.catalog import Catalog
from tensordrill.judge import Judge

if TYPE_CHECKING:
    from tests.judge.conftest import AskedFor

Asked = tuple[str, int, str]


SCORES: dict[str, str | None] = {
    "bqhd,bkhd->bhqk": "",
    "batch query head d, batch key head d -> batch head query key": "",
    'torch.einsum("bkhd,bqhd->bhqk", k, q)': "",
    '"bqhd,bkhd->bhqk"': "",
    "...qhd,...khd->...hqk": "",
    "x y z w , x v z w -> x z y v": "",
    "bqhd,bkhd->bhkq": "query-key-swapped",
    "bqhd,bkgd->bhqk": "heads-mixed",
    "bqhd,bkhd->bqk": "heads-summed",
    "bhqd,bkhd->bhqk": "torch-order",
    "bqhd,bkhd->bqhk": None,
    "bqhd,bkhe->bhqk": None,
}
VALUES: dict[str, str | None] = {
    "bhqk,bkhd->bqhd": "",
    "batch head query key, batch key head d_head -> batch query head d_head": "",
    'torch.einsum("bkhd,bhqk->bqhd", v, pattern)': "",
    "'bhqk, bkhd -> bqhd'": "",
    "...hqk,...khd->...qhd": "",
    "aijk,akil->ajil": "",
    "bhkq,bkhd->bqhd": "query-key-swapped",
    "bhqk,bkhd->bqd": "heads-summed",
    "bhqk,bhkd->bqhd": "operand-order",
    "bhqk,bkgd->bqhd": "heads-mixed",
    "bhqk,bkhd->bhqd": None,
    "bhqk,bqhd->bqhd": None,
}
WRITES: dict[str, str | None] = {
    "bphd,hdm->bpm": "",
    "batch pos head d_head, head d_head d_model -> batch pos d_model": "",
    'torch.einsum("hdm,bphd->bpm", W_O, z)': "",
    "...hd,hdm->...m": "",
    "b p h d , h d m -> b p m": "",
    '"xyzw,zwv->xyv"': "",
    "bphd,hdm->bphm": "heads-kept",
    "bphd,gdm->bpm": "heads-mixed",
    "bphd,dhm->bpm": "head-for-d-head",
    "bhpd,hdm->bpm": "operand-order",
    "bphd,hem->bpm": None,
    "bphd,hdm->bmp": None,
}
OV: dict[str, str | None] = {
    "hrd,hdw->hrw": "",
    "head read d, head d write -> head read write": "",
    'torch.einsum("hdw,hrd->hrw", W_O, W_V)': "",
    "'hrd,hdw->hrw'": "",
    "h i k , h k j -> h i j": "",
    "abc,acd->abd": "",
    "hrd,hdw->rw": "heads-summed",
    "hrd,hdw->hwr": "read-write-swapped",
    "hdr,hdw->hrw": "transposed",
    "hrd,hwd->hrw": "transposed",
    "hrd,gdw->hrw": "heads-mixed",
    "hrd,hew->hrw": None,
}
SHARE: dict[str, str | None] = {
    "cbd,bd->cb": "",
    "component batch d_model, batch d_model -> component batch": "",
    'torch.einsum("bd,cbd->cb", direction, parts)': "",
    "'xyz,yz->xy'": "",
    "c b m , b m -> c b": "",
    "c...,...->c...": None,
    "cbd,nd->cb": "prompts-mixed",
    "cbd,bd->c": "batch-summed",
    "cbd,bd->b": "components-summed",
    "cbd,bd->bc": None,
    "cbd,be->cb": None,
    "cbd,bd->cbd": None,
}
EINSUMS: dict[Asked, dict[str, str | None]] = {
    ("transformer.scores", 1, "axes .batch, query, head, d_head. and `k` .*product. Write .*query, key."): SCORES,
    ("transformer.weighted-values", 1, ("`pattern` has the axes .batch, head, query, key. and `v` has the axes .batch, "
     "key, head, d_head.*the axes .batch, query, head, d_head.[.]$")): VALUES,
    ("transformer.output", 1, ("`z` has the axes .batch, pos, head, d_head. and `W_O` .*output, with the axes .batch, "
     "pos, write")): WRITES,
    ("transformer.ov-circuit", 1, ("`W_V` has the axes .head, read, d_head. and `W_O`.*each head, with the axes .head, "
     "read, write")): OV,
    ("transformer.direct-logit-attribution", 1, ("`parts` has the axes .component, batch, d_model. and `direction` has "
     "the axes .batch, d_model.*component, batch.")): SHARE,
}  # fmt: skip

# X is the scores' name, which the puzzle draws.
SOFTMAX: dict[str, str | None] = {
    "(X / d_head**0.5).softmax(-1)": "",
    "F.softmax(X / math.sqrt(d_head), dim=3)": "",
    "torch.softmax(X * d_head**-0.5, -1)": "",
    "(X / d_head**0.5).log_softmax(-1).exp()": "",
    "(X.mT / np.sqrt(d_head)).softmax(-2).mT": "",
    "einops.rearrange((X / d_head**0.5).flatten(0, 1).softmax(2), '(b h) q k -> b h q k', b=len(X))": "",
    "(X / d_head**0.5).softmax(-2)": "over-queries",
    "X.softmax(-1)": "unscaled",
    "(X / d_model**0.5).softmax(-1)": "d-model",
    "(X / d_head).softmax(-1)": "no-root",
    "X.softmax(-1) / d_head**0.5": "scaled-after",
    "(X / d_head**0.5).softmax(1)": None,
}
CAUSAL: dict[str, str | None] = {
    "X.masked_fill(torch.ones(pos, pos).triu(1).bool(), -torch.inf).softmax(-1)": "",
    "torch.where(torch.arange(pos)[:, None] >= torch.arange(pos), X, -torch.inf).softmax(-1)": "",
    "(X + torch.full((pos, pos), float('-inf')).triu(1)).softmax(dim=-1)": "",
    "F.softmax(X.masked_fill(~torch.ones_like(X).tril().bool(), -torch.inf), 3)": "",
    "torch.stack([F.pad(X[..., i, : i + 1].softmax(-1), (0, pos - 1 - i)) for i in range(pos)], -2)": "",
    "X.mT.masked_fill(torch.ones(pos, pos).tril(-1).bool(), -torch.inf).softmax(-2).mT": "",
    "X.masked_fill(torch.ones(pos, pos).triu().bool(), -torch.inf).softmax(-1)": "diagonal",
    "X.masked_fill(torch.ones(pos, pos).tril(-1).bool(), -torch.inf).softmax(-1)": "orientation",
    "X.softmax(-1).tril()": "not-renormalised",
    "X.tril().softmax(-1)": "zero-scores",
    "X.softmax(-1)": "no-mask",
    "X.masked_fill(torch.ones(pos, pos).triu(1).bool(), -torch.inf).softmax(-2)": "over-queries",
}
DOCUMENTS: dict[str, str | None] = {
    "X.masked_fill(~((document[:, None, :, None] == document[:, None, None]) & torch.ones(pos, pos).tril().bool()), "
    "-torch.inf).softmax(-1)": "",
    "X.masked_fill(torch.ones(pos, pos).triu(1).bool(), -torch.inf).softmax(-1)": "documents-ignored",
    "X.masked_fill((document[:, :, None] != document[:, None]).unsqueeze(1), -torch.inf).softmax(-1)": "whole-document",
}
REAL: dict[str, str | None] = {
    "real[:, None, None] & torch.ones(seq, seq).bool().tril()": "",
    "real.unsqueeze(1).unsqueeze(1) & (torch.arange(seq) <= torch.arange(seq)[:, None])": "",
    "einops.rearrange(real, 'b k -> b 1 1 k') & ~torch.ones(seq, seq).triu(1).bool()": "",
    "torch.logical_and(real.view(-1, 1, 1, seq), torch.ones(seq, seq).tril() > 0)": "",
    "(real[:, None].expand(-1, seq, -1) * torch.ones(seq, seq).tril()).bool()[:, None]": "",
    "torch.stack([(it & torch.ones(seq, seq).tril().bool())[None] for it in real])": "",
    "real[:, None, :, None] & torch.ones(seq, seq).tril().bool()": "queries-masked",
    "real[:, None, None] & torch.ones(seq, seq).triu().bool()": "causal-transposed",
    "~real[:, None, None] & torch.ones(seq, seq).tril().bool()": "inverted",
    "real[:, None, None] | torch.ones(seq, seq).tril().bool()": "or-for-and",
    "real[:, None, None] & torch.ones(seq, seq).tril(-1).bool()": "diagonal",
    "real[:, None, None] & real[:, None, :, None] & torch.ones(seq, seq).tril().bool()": None,
}
METRIC: dict[str, str | None] = {
    "(patched - corrupted) / (clean - corrupted)": "",
    "1 - (clean - patched) / (clean - corrupted)": "",
    "(corrupted - patched) / (corrupted - clean)": "",
    "torch.div(patched - corrupted, clean - corrupted)": "",
    "patched / (clean - corrupted) - corrupted / (clean - corrupted)": "",
    "torch.stack([(p - x) / (c - x) for p, c, x in zip(patched, clean, corrupted)])": "",
    "(patched - clean) / (corrupted - clean)": "runs-swapped",
    "(corrupted - patched) / (clean - corrupted)": "sign",
    "patched / (clean - corrupted)": "not-shifted",
    "patched - corrupted": "not-scaled",
    "(patched - corrupted) / clean": None,
    "((patched - corrupted) / (clean - corrupted)).mean()": None,
}
LAST: dict[str, str | None] = {
    "logits[rows, -1, right] - logits[rows, -1, wrong]": "",
    "logits[:, -1].gather(1, right[:, None]).squeeze(1) - logits[:, -1].gather(1, wrong[:, None]).squeeze(1)": "",
    "(logits[:, -1] * (F.one_hot(right, d_vocab) - F.one_hot(wrong, d_vocab))).sum(-1)": "",
    "torch.stack([it[-1, r] - it[-1, w] for it, r, w in zip(logits, right, wrong)])": "",
    "logits[rows, logits.shape[1] - 1, right] - logits[rows, logits.shape[1] - 1, wrong]": "",
    "logits[:, -1][rows, torch.stack([right, wrong])].diff(dim=0)[0].neg()": "",
    "logits[rows, -1, wrong] - logits[rows, -1, right]": "sign",
    "logits[rows, :, right] - logits[rows, :, wrong]": "all-positions",
    "logits[rows, 0, right] - logits[rows, 0, wrong]": "first-position",
    "logits[:, -1, right] - logits[:, -1, wrong]": "grid",
    "(logits[rows, -1, right] - logits[rows, -1, wrong]).mean()": None,
    "logits[rows, -1, right]": None,
}
LENS: dict[str, str | None] = {
    "model.unembed(model.ln_final(resid[0]))": "",
    "model.ln_final(resid[0]) @ W_U": "",
    "F.linear(model.ln_final(resid[0]), model.unembed.weight)": "",
    "F.layer_norm(resid[0], (d_model,), model.ln_final.weight, model.ln_final.bias) @ model.unembed.weight.T": "",
    "torch.einsum('bsm,mv->bsv', model.ln_final(resid[0]), W_U)": "",
    "nn.Sequential(model.ln_final, model.unembed)(resid[0])": "",
    "model.unembed(resid[0])": "no-layernorm",
    "F.layer_norm(resid[0], (d_model,)) @ W_U": "plain-layernorm",
    "model.unembed(model.ln_final(resid[1]))": "wrong-layer",
    "model.unembed(model.ln_final(resid[0] - model.embed(tokens)))": "layer-output",
    "model(tokens)": None,
    "model.unembed(model.ln_final(resid[0])).softmax(-1)": None,
}
PROBE: dict[str, str | None] = {
    "(acts @ W.T + b) @ torch.tensor([-1.0, 1.0])": "",
    "F.linear(acts, W, b).diff(dim=-1).squeeze(-1)": "",
    "acts @ (W[1] - W[0]) + (b[1] - b[0])": "",
    "acts @ W.diff(dim=0)[0] + b.diff()": "",
    "torch.einsum('ed,od->eo', acts, W)[:, 1] + b[1] - torch.einsum('ed,od->eo', acts, W)[:, 0] - b[0]": "",
    "(acts * (W[1] - W[0])).sum(-1) - b[0] + b[1]": "",
    "acts @ (W[1] - W[0])": "bias-forgotten",
    "-F.linear(acts, W, b).diff(dim=-1).squeeze(-1)": "sign",
    "acts @ (W[1] - W[0]) - b[1] + b[0]": "bias-sign",
    "acts @ W[1] + b[1]": "one-logit",
    "acts @ (W[1] - W[0]) + b[1]": None,
    "F.linear(acts, W, b).diff(dim=-1)": None,
}
MEANS: dict[str, str | None] = {
    "F.normalize(acts[labels].mean(0) - acts[~labels].mean(0), dim=0)": "",
    "(d := acts[labels].mean(0) - acts[~labels].mean(0)) / d.norm()": "",
    "F.normalize(acts[~labels].mean(0) - acts[labels].mean(0), dim=0)": "sign",
    "acts[labels].mean(0) - acts[~labels].mean(0)": "not-normalised",
    "F.normalize(acts[labels].mean(0), dim=0) - F.normalize(acts[~labels].mean(0), dim=0)": "normalised-first",
}
SAE = """
    pre = (x - b_dec) @ W_enc + b_enc
    latents = F.relu(pre)
    x_hat = latents @ W_dec + b_dec
    loss = ((x_hat - x) ** 2).sum(dim=1).mean() + l1 * latents.abs().sum(dim=1).mean()
    return latents, x_hat, loss
"""
SAES: dict[str, str | None] = {
    SAE: "",
    SAE.replace("F.relu(pre)", "torch.where(pre > 0, pre, 0.0)"): "",
    SAE.replace("(x - b_dec) @ W_enc + b_enc", "torch.addmm(b_enc, x - b_dec, W_enc)"): "",
    SAE.replace("(x - b_dec) @ W_enc + b_enc", "x @ W_enc + (b_enc - b_dec @ W_enc)"): "",
    SAE.replace("latents.abs().sum(dim=1).mean()", "latents.sum() / len(x)"): "",
    SAE.replace("((x_hat - x) ** 2).sum(dim=1).mean()", "F.mse_loss(x_hat, x) * x.shape[1]"): "",
    SAE.replace("x - b_dec", "x"): "pre-bias-forgotten",
    SAE.replace("x - b_dec", "x + b_dec"): "pre-bias-added",
    SAE.replace("F.relu(pre)", "pre"): "no-relu",
    SAE.replace("W_dec + b_dec", "W_dec"): "post-bias-forgotten",
    SAE.replace("((x_hat - x) ** 2).sum(dim=1).mean()", "F.mse_loss(x_hat, x)"): "mean-for-sum",
    SAE.replace("latents.abs().sum(dim=1).mean()", "latents.abs().sum(dim=0).mean()"): "sparsity-over-batch",
    SAE.replace("l1 * ", ""): "coefficient-forgotten",
    SAE.replace("return latents,", "return pre,"): None,
}
TENSORS: dict[Asked, dict[str, str | None]] = {
    ("transformer.softmax-axis", 1, "stored .batch, head, query, key..*Return the attention pattern[.]"): SOFTMAX,
    ("transformer.causal-mask", 1, "stored .batch, head, query, key..*after the softmax"): CAUSAL,
    ("transformer.causal-mask", 3, "stored .batch, head, query, key..*documents.*after the softmax"): DOCUMENTS,
    ("transformer.padding-mask", 1, "`real`.*shape `.batch, 1, query, key.`, True where a query may see"): REAL,
    ("transformer.patch-metric", 1, ("patched` is stored .prompt., .*each prompt[.] It is 0 where .patched. is like "
     ".corrupted.[^A]*$")): METRIC,
    ("transformer.patch-metric", 1, "stored .batch, pos, d_vocab..*Return the logit of `right` minus"): LAST,
    ("transformer.logit-lens", 1, "`resid.i.`, of shape.*after block 0"): LENS,
    ("transformer.probe", 1, "stored .out, d_model..*stored .example, d_model..*Return logit 1 minus logit 0"): PROBE,
    ("transformer.probe", 1, "stored .example, d_model..*from the mean of the false examples to that of the tr"): MEANS,
    ("transformer.sae", 1, ("^A sparse autoencoder. `l1` is a number. - pre.*relu.pre..*A = sum over d_model.*of "
     ".latents., then")): SAES,
}  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "answer", "turn"),
    [(asked, answer, turn) for asked, answers in (EINSUMS | TENSORS).items() for answer, turn in answers.items()],
)
def test_answers(judge: Judge, asked_for: "AskedFor", asked: Asked, answer: str, turn: str | None) -> None:
    """`turn` is empty for a right answer, None for a wrong one that has no name."""
    puzzle = asked_for(*asked)
    name = puzzle.face.tensors[0].name if puzzle.face.tensors else ""
    verdict = judge.grade(puzzle, dedent(re.sub(r"\bX\b", name, answer)))
    assert verdict.correct == (turn == ""), verdict.feedback
    assert turn is None or (verdict.wrong_turn or "") == turn, verdict.feedback


STREAMS = [
    ("{0}", ""),
    ("{0[0]} {0[1]}", ""),
    ("({0[0]}, {0[1]})", ""),
    ("torch.tensor({0})", ""),
    ("{0[0]}.0, {0[1]}", ""),
    ("tensor([{0[0]}.,  {0[1]}.])", ""),
    ("{1}", "layer-output"),
    ("{2}", "no-embedding"),
    ("{3}", "one-layer-less"),
    ("[{0[1]}, {0[0]}]", None),
    ("{0[0]}", None),
    ("[0, 0]", None),
]


@pytest.mark.parametrize(("form", "turn"), STREAMS)
def test_streams(judge: Judge, asked_for: "AskedFor", form: str, turn: str | None) -> None:
    """The stream after the last layer, added up by hand from the program that is shown."""
    puzzle = asked_for("transformer.residual", 1, r"What is `resid_post\[1\]`")
    lists = re.findall(r"torch\.tensor\((.*)\)", puzzle.face.code or "")
    embed, attn, mlp = (literal_eval(it) for it in lists)
    rows = [embed, *attn, *mlp]
    total = [sum(column) for column in zip(*rows, strict=True)]
    bare = [a - b for a, b in zip(total, embed, strict=True)]
    before = [a - b for a, b in zip(total, mlp[1], strict=True)]
    verdict = judge.grade(puzzle, form.format(total, mlp[1], bare, before))
    assert verdict.correct == (turn == ""), verdict.feedback
    assert turn is None or (verdict.wrong_turn or "") == turn, verdict.feedback


def test_what_a_metric_is_for_stands_in_the_order_of_its_axes(catalog: Catalog) -> None:
    for seed in range(60):
        prompt = catalog["transformer.patch-metric"].puzzle(seed, 3).face.prompt
        if told := re.search("for each (layer and prompt|prompt and layer)", prompt):
            assert told[1].startswith("layer") == (prompt.index("layer") < prompt.index("batch"))
