"""Answers to the hooks and transformer drills, written from what the prompts say, right and wrong."""

import re
from textwrap import dedent

import pytest

from tensordrill.catalog import Catalog
from tensordrill.judge import Judge
from tensordrill.puzzles import Puzzle

Asked = tuple[str, int, str]


def found(catalog: Catalog, asked: Asked) -> Puzzle:
    """The first puzzle of that drill and level whose prompt and signature say that."""
    drill, level, told = asked
    for seed in range(800):
        it = catalog[drill].puzzle(seed, level)
        text = " ".join(it.face.prompt.split())
        if re.search(told, text):
            return it
    raise AssertionError(asked)


EMBED = ("hooks.capture", 1, "return what `model.embed` returns")
MODULE = ("hooks.capture", 2, "return what `module`, one of the model.s modules, returns[.]")
KEEP = """
    kept = {{}}
    with {site}.register_forward_hook(lambda m, i, o: kept.update(x={copy})):
        model(tokens)
    return kept["x"]
"""
NEGATIVE = ("hooks.replace", 2, "output of `mlp` of block `layer` replaced by its negative")
RETURN = """
    with model.blocks[layer].mlp.register_forward_hook({hook}):
        return model(tokens)
"""
HEAD = ("hooks.ablate", 2, "with the output of head `head` of block `layer` replaced by 0")
ABLATE = """
    def hook(module, args, z):
        z[{at}] = 0
    handle = model.blocks[layer].attn.hook_z.register_forward_hook(hook)
    try:
        return model(tokens)
    finally:
        {after}
"""
PAIRS = ("hooks.lifetime", 2, r"logits of `model\(tokens\)`, run with several forward hooks.*pairs `\(module, hook\)`")
STACK = """
    from contextlib import ExitStack
    with ExitStack() as stack:
        for module, hook in hooks:
            stack.enter_context(module.register_forward_hook(hook))
        return model(tokens)
"""
PLAIN = """
    handles = [module.register_forward_hook(hook) for module, hook in hooks]
    logits = model(tokens)
    for handle in handles:
        handle.remove()
    return logits
"""
LOVE = (
    "hooks.steer",
    2,
    (
        r"`\(d_model,\)`, are the outputs .*with `coefficient` times the direction added to the output "
        r"of block `layer` at every position[.]"
    ),
)
STEER = """
    direction = {direction}
    def hook(module, args, out):
        return out + coefficient * direction
    with model.blocks[layer].register_forward_hook(hook):
        return model(tokens)
"""
SCORES = (
    "transformer.scores",
    1,
    "has the axes .batch, query, head, d_head. and `k` has .*by dot product. Write .*query, key.",
)
VALUES = (
    "transformer.weighted-values",
    1,
    (
        "`pattern` has the axes .batch, head, query, key. and `v` has the axes .batch, key, head, d_head.*the axes "
        ".batch, query, head, d_head.[.]$"
    ),
)
WRITES = (
    "transformer.output",
    1,
    "`z` has the axes .batch, pos, head, d_head. and `W_O` .*output, with the axes .batch, pos, write",
)
OV = (
    "transformer.ov-circuit",
    1,
    "`W_V` has the axes .head, read, d_head. and `W_O`.*each head, with the axes .head, read, write",
)
SHARE = (
    "transformer.direct-logit-attribution",
    1,
    "`parts` has the axes .component, batch, d_model. and `direction` has the axes .batch, d_model.*component, batch.",
)
REAL = ("transformer.padding-mask", 1, "`real`.*boolean mask of shape .*True where a query may see")
METRIC = (
    "transformer.patch-metric",
    1,
    "`clean` and `corrupted` .prompt.*patched` is stored .prompt.|patched` is stored .prompt., `clean`",
)
PROBE = ("transformer.probe", 1, "Return logit 1 minus logit 0")
MEANS = ("transformer.probe", 1, "from the mean of the false ones to the mean of the true")


@pytest.mark.parametrize(
    ("asked", "answer", "turn"),
    [
        (EMBED, KEEP.format(site="model.embed", copy="o.detach().clone()"), ""),
        (EMBED, KEEP.format(site="model.embed", copy="o.clone().detach()"), ""),
        (EMBED, KEEP.format(site="model.embed", copy="torch.tensor(o.tolist())"), ""),
        (EMBED, "return model.embed(tokens).detach()", ""),
        (EMBED, KEEP.format(site="model.embed", copy="o"), "live-reference"),
        (EMBED, KEEP.format(site="model.embed", copy="o.data"), "detached-only"),
        (EMBED, KEEP.format(site="model.embed", copy="o.clone()"), "graph-kept"),
        (MODULE, KEEP.format(site="module", copy="o.detach().clone()"), ""),
        (MODULE, KEEP.format(site="module", copy="o.detach()"), "detached-only"),
        (NEGATIVE, RETURN.format(hook="lambda m, i, o: -o"), ""),
        (NEGATIVE, RETURN.format(hook="lambda m, i, o: o.neg_()"), ""),
        (NEGATIVE, RETURN.format(hook="lambda m, i, o: o.mul_(-1) and None if False else o * -1"), ""),
        (NEGATIVE, RETURN.format(hook="lambda m, i, o: None"), "nothing-returned"),
        (NEGATIVE, RETURN.format(hook="lambda m, i, o: -o").replace("[layer]", "[layer - 1]"), "wrong-layer"),
        (NEGATIVE, RETURN.format(hook="lambda m, i, o: -o").replace("[layer]", "[0]"), None),
        (HEAD, ABLATE.format(at=":, :, head", after="handle.remove()"), ""),
        (HEAD, ABLATE.format(at="..., head, :", after="handle.remove()"), ""),
        (HEAD, ABLATE.format(at="..., head", after="handle.remove()"), "wrong-axis"),
        (HEAD, ABLATE.format(at=":, head", after="handle.remove()"), "wrong-axis"),
        (HEAD, ABLATE.format(at=":", after="handle.remove()"), "all-of-them"),
        (HEAD, ABLATE.format(at=":, :, head", after="pass"), "hook-left"),
        (PAIRS, STACK, ""),
        (PAIRS, PLAIN, "no-finally"),
        (PAIRS, PLAIN.replace("        handle.remove()", "        pass"), "never-removed"),
        (LOVE, STEER.format(direction='cache["love"][layer] - cache["hate"][layer]'), ""),
        (LOVE, STEER.format(direction='cache["love"][layer].clone().sub_(cache["hate"][layer])'), ""),
        (LOVE, STEER.format(direction='cache["love"][layer].sub_(cache["hate"][layer])'), "cache-overwritten"),
        (LOVE, STEER.format(direction='cache["hate"][layer] - cache["love"][layer]'), "sign"),
        (SCORES, "bqhd,bkhd->bhqk", ""),
        (SCORES, "batch query head d, batch key head d -> batch head query key", ""),
        (SCORES, "bqhd,bkhd->bhkq", "query-key-swapped"),
        (SCORES, "bqhd,bkgd->bhqk", "heads-mixed"),
        (SCORES, "bhqd,bhkd->bhqk", None),
        (VALUES, "bhqk,bkhd->bqhd", ""),
        (VALUES, "bhkq,bkhd->bqhd", "query-key-swapped"),
        (WRITES, "bphd,hdm->bpm", ""),
        (WRITES, "bphd,hdm->bphm", "heads-kept"),
        (OV, "hrd,hdw->hrw", ""),
        (OV, "hrd,hdw->rw", "heads-summed"),
        (OV, "hrd,hdw->hwr", "read-write-swapped"),
        (SHARE, "cbd,bd->cb", ""),
        (SHARE, "cbd,nd->cb", "prompts-mixed"),
        (REAL, "real[:, None, None] & torch.ones(seq, seq).bool().tril()", ""),
        (REAL, "real.unsqueeze(1).unsqueeze(1) & (torch.arange(seq) <= torch.arange(seq)[:, None])", ""),
        (REAL, "einops.rearrange(real, 'b k -> b 1 1 k') & ~torch.ones(seq, seq).triu(1).bool()", ""),
        (REAL, "real[:, None, :, None] & torch.ones(seq, seq).tril().bool()", "queries-masked"),
        (REAL, "real[:, None, None] & torch.ones(seq, seq).triu().bool()", "causal-transposed"),
        (REAL, "~real[:, None, None] & torch.ones(seq, seq).tril().bool()", "inverted"),
        (METRIC, "(patched - corrupted) / (clean - corrupted)", ""),
        (METRIC, "1 - (clean - patched) / (clean - corrupted)", ""),
        (METRIC, "(patched - clean) / (corrupted - clean)", "runs-swapped"),
        (METRIC, "(corrupted - patched) / (clean - corrupted)", "sign"),
        (PROBE, "(acts @ W.T + b) @ torch.tensor([-1.0, 1.0])", ""),
        (PROBE, "F.linear(acts, W, b).diff(dim=-1).squeeze(-1)", ""),
        (PROBE, "acts @ (W[1] - W[0])", "bias-forgotten"),
        (PROBE, "-F.linear(acts, W, b).diff(dim=-1).squeeze(-1)", "sign"),
        (MEANS, "F.normalize(acts[labels].mean(0) - acts[~labels].mean(0), dim=0)", ""),
        (MEANS, "F.normalize(acts[~labels].mean(0) - acts[labels].mean(0), dim=0)", "sign"),
        (MEANS, "acts[labels].mean(0) - acts[~labels].mean(0)", "not-normalised"),
    ],
)
def test_answers(judge: Judge, catalog: Catalog, asked: Asked, answer: str, turn: str | None) -> None:
    """`turn` is empty for a right answer, None for a wrong one that has no name."""
    verdict = judge.grade(found(catalog, asked), dedent(answer))
    assert verdict.correct == (turn == ""), verdict.feedback
    assert turn is None or (verdict.wrong_turn or "") == turn, verdict.feedback


def test_each_layer_of_a_stream_tells_itself_from_the_next(judge: Judge, catalog: Catalog) -> None:
    """A change that commutes with the blocks, such as examples that change places, would be the same at any layer."""
    asked: dict[str, Puzzle] = {}
    for seed in range(400):
        puzzle = catalog["hooks.replace"].puzzle(seed, 3)
        if "block `layer` returns" in puzzle.face.prompt:
            asked.setdefault(puzzle.reference.source, puzzle)
    assert len(asked) > 6
    assert [found for _, found in judge.vet(list(asked.values())) if found] == []
