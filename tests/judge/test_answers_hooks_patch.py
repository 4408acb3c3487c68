"""Answers to hooks.patch as people type them, right and wrong, and what the judge says of them."""

import re
from textwrap import dedent

import pytest

from tensordrill.catalog import Catalog
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import WriteCode

RAISED, VALUE, SHAPE = Status.RAISED, Status.WRONG_VALUE, Status.WRONG_SHAPE

STREAM = "`clean.i.` is the output of `model.blocks.i.` in"
ONE = (1, "clean", "of `model.blocks.[012].` is taken from `clean.[012].` at the last position")
ATTN = (1, "clean", "of `model.blocks.[012]..attn` is taken from `clean.[012].` at position 1")
POS = (2, "pos", f"{STREAM}.*at position")
MLP = (2, "pos", "`clean.i.*`mlp` of block.*at position")
NAMED = (2, "pos", "`clean..blocks.0..`, .*at position `pos`")
BY_NAME = (2, "pos", "module named `name` .*at position")
START = (2, "start", f"{STREAM}.*all after it")
COUNT = (2, "count", STREAM)
MASK = (2, "mask", STREAM)
TUPLE = (3, "pos", "first item.*at position")
HEAD = (3, "head", "`attn.hook_z`.*at position `pos`")
ROWS = (3, "pos", f"{STREAM}.*in each sequence")
PLACES = (3, "places", STREAM)
CACHE = (3, "pos", "`clean_tokens`.*in which the output of block `layer` is taken from a run on.*at position `pos`")


def patch(catalog: Catalog, level: int, argument: str, told: str) -> WriteCode:
    """The first puzzle whose function ends in that argument, and whose prompt says that."""
    for seed in range(500):
        it = catalog["hooks.patch"].puzzle(seed, level)
        assert isinstance(it, WriteCode)
        if it.signature.endswith(f" {argument}):") and re.search(told, it.prompt, re.DOTALL):
            return it
    raise AssertionError((level, argument, told))


def hooked(at: str, value: str, *, block: str = "model.blocks[layer]") -> str:
    return f"""
        def hook(module, args, out):
            out = out.clone()
            out[{at}] = {value}
            return out
        handle = {block}.register_forward_hook(hook)
        logits = model(tokens)
        handle.remove()
        return logits
    """


CONTEXT = """
    from contextlib import contextmanager

    @contextmanager
    def patched():
        handle = model.blocks[layer].register_forward_hook(
            lambda m, i, o: torch.where(torch.arange(o.shape[1])[:, None] == pos, clean[layer], o)
        )
        try:
            yield
        finally:
            handle.remove()

    with patched():
        return model(tokens)
"""
WHOLE_DEF = """
    import functools

    def swap(module, inputs, output, *, layer, pos, clean):
        output[:, pos] = clean[layer][:, pos]  # in place on the output, which is nobody else's

    def run_patched(model, tokens, clean, layer, pos):
        with model.blocks[layer].register_forward_hook(functools.partial(swap, layer=layer, pos=pos, clean=clean)):
            return model(tokens)
"""
NEXT_INPUT = """
    following = model.blocks[layer + 1] if layer + 1 < len(model.blocks) else model.ln_final
    def hook(module, args):
        x = args[0].clone()
        x[:, pos] = clean[layer][:, pos]
        return (x,)
    handle = following.register_forward_pre_hook(hook)
    try:
        return model(tokens)
    finally:
        handle.remove()
"""
BY_HAND = """
    x = model.embed(tokens) + model.pos_embed.weight[: tokens.shape[1]]
    for i, block in enumerate(model.blocks):
        x = block(x)
        if i == layer:
            x[:, pos] = clean[i][:, pos]
    return model.unembed(model.ln_final(x))
"""
REPLACED_FORWARD = """
    block = model.blocks[layer]
    def forward(x, original=block.forward):
        out = original(x)
        return torch.cat([out[:, :pos], clean[layer][:, pos : pos + 1], out[:, pos + 1 :]], dim=1)
    block.forward = forward
    try:
        return model(tokens)
    finally:
        del block.forward
"""
TUPLE_LIST = """
    def hook(module, args, out):
        x, cache = out
        x = x.clone()
        x[:, pos] = clean[layer][:, pos]
        return [x, cache]
    with model.blocks[layer].register_forward_hook(hook):
        return model(tokens)
"""
PAIRS_BY_LAYER = """
    handles = []
    for wanted in {layer for layer, _ in places}:
        def hook(module, args, out, layer=wanted):
            out = out.clone()
            for at, pos in places:
                if at == layer:
                    out[:, pos] = clean[layer][:, pos]
            return out
        handles.append(model.blocks[wanted].register_forward_hook(hook))
    logits = model(tokens)
    for handle in handles:
        handle.remove()
    return logits
"""
PAIRS_STACK = """
    from contextlib import ExitStack
    def hook_for(layer, pos):
        def hook(module, args, out):
            out = out.clone()
            out[:, pos] = clean[layer][:, pos]
            return out
        return hook
    with ExitStack() as stack:
        for layer, pos in places:
            stack.enter_context(model.blocks[layer].register_forward_hook(hook_for(layer, pos)))
        return model(tokens)
"""
OWN_CACHE = """
    store = {}
    def save(module, args, out):
        store["x"] = out.detach().clone()
    def load(module, args, out):
        out = out.clone()
        out[:, pos] = store["x"][:, pos]
        return out
    with torch.no_grad():
        handle = model.blocks[layer].register_forward_hook(save)
        model(clean_tokens)
        handle.remove()
        handle = model.blocks[layer].register_forward_hook(load)
        out = model(tokens)
        handle.remove()
    return out
"""
TWO_IN_ONE = """
    kept = []
    def hook(module, args, out):
        kept.append(out)
        if len(kept) == 2:
            out = out.clone()
            out[:, pos] = kept[0][:, pos]
            return out
    with model.blocks[layer].register_forward_hook(hook):
        model(clean_tokens)
        return model(tokens)
"""


Z = "model.blocks[layer].attn.hook_z"


@pytest.mark.parametrize(
    ("puzzle", "answer"),
    [
        (ONE, hooked(":, -1", "clean[LAYER][:, -1]", block="model.blocks[LAYER]")),
        (POS, hooked(":, pos", "clean[layer][:, pos]")),
        (POS, hooked("slice(None), pos", "clean[layer].select(1, pos)")),
        (POS, hooked("..., pos, :", "clean[layer][..., pos, :].clone()")),
        (NAMED, hooked(":, pos", 'clean[f"blocks.{layer}"][:, pos]')),
        (NAMED, hooked(":, pos", 'clean["blocks." + str(layer)][:, pos]')),
        (ATTN, hooked(":, 1", "clean[LAYER][:, 1]", block="model.blocks[LAYER].attn")),
        (MLP, hooked(":, pos", "clean[layer][:, pos]", block="model.blocks[layer].mlp")),
        (BY_NAME, hooked(":, pos", "clean[name][:, pos]", block="model.get_submodule(name)")),
        (BY_NAME, hooked(":, pos", "clean[name][:, pos]", block="dict(model.named_modules())[name]")),
        (HEAD, hooked(":, pos, head", "clean[layer][:, pos, head]", block=Z)),
        (HEAD, hooked("..., pos, head, :", "clean[layer].transpose(1, 2)[:, head, pos]", block=Z)),
        (POS, CONTEXT),
        (POS, WHOLE_DEF),
        (POS, NEXT_INPUT),
        (POS, BY_HAND),
        (POS, REPLACED_FORWARD),
        (START, hooked(":, start:", "clean[layer][:, start:]")),
        (COUNT, hooked(":, -count:", "clean[layer][:, -count:]")),
        (COUNT, hooked(":, tokens.shape[1] - count:", "clean[layer][:, tokens.shape[1] - count:]")),
        (MASK, hooked(":, mask", "clean[layer][:, mask]")),
        (MASK, hooked(":", "torch.where(mask[:, None], clean[layer], out)")),
        (TUPLE, TUPLE_LIST),
        (ROWS, hooked("range(len(pos)), pos", "clean[layer][range(len(pos)), pos]")),
        (ROWS, hooked(":", "torch.where((torch.arange(out.shape[1]) == pos[:, None])[..., None], clean[layer], out)")),
        (PLACES, PAIRS_BY_LAYER),
        (PLACES, PAIRS_STACK),
        (CACHE, OWN_CACHE),
        (CACHE, TWO_IN_ONE),
    ],
)
def test_every_route_to_the_same_run_is_right(
    judge: Judge, catalog: Catalog, puzzle: tuple[int, str, str], answer: str
) -> None:
    it = patch(catalog, *puzzle)
    verdict = judge.grade(it, dedent(answer).replace("LAYER", layer_of(it)))
    assert verdict.correct, (verdict.feedback, it.prompt)


def layer_of(it: WriteCode) -> str:
    """The layer that a prompt of level 1 names."""
    return re.findall(r"model\.blocks\[(\d)\]", it.prompt)[-1] if it.signature.endswith("clean):") else ""


NOT_REMOVED = hooked(":, pos", "clean[layer][:, pos]").replace("handle.remove()", "handle")
INTO_THE_CACHE = """
    def hook(module, args, out):
        x = clean[layer]
        x[:, :pos], x[:, pos + 1:] = out[:, :pos], out[:, pos + 1:]
        return x
    with model.blocks[layer].register_forward_hook(hook):
        return model(tokens)
"""
RUNS_SWAPPED = TWO_IN_ONE.replace("clean_tokens", "CLEAN").replace("tokens", "clean_tokens").replace("CLEAN", "tokens")
CLEARED = """
    def hook(module, args, out):
        out[:, pos] = clean[layer][:, pos]
    model.blocks[layer].register_forward_hook(hook)
    logits = model(tokens)
    model.blocks[layer]._forward_hooks.clear()
    return logits
"""
LATE = """
    handles = []
    for layer, pos in places:
        def hook(module, args, out):
            out = out.clone()
            out[:, pos] = clean[layer][:, pos]
            return out
        handles.append(model.blocks[layer].register_forward_hook(hook))
    logits = model(tokens)
    for handle in handles:
        handle.remove()
    return logits
"""


@pytest.mark.parametrize(
    ("puzzle", "answer", "turn"),
    [
        (POS, "return model(tokens)", "nothing-returned"),
        (POS, hooked(":, pos", "clean[layer][:, pos]").replace("            return out\n", ""), "nothing-returned"),
        (POS, hooked(":", "clean[layer]"), "whole-tensor"),
        (POS, hooked(":, pos:", "clean[layer][:, pos:]"), None),
        (POS, hooked(":, pos", "clean[layer - 1][:, pos]"), None),
        (POS, hooked(":, pos", "clean[layer][:, pos]", block="model.blocks[layer - 1]"), "wrong-layer"),
        (POS, hooked("pos", "clean[layer][pos]"), "batch-for-position"),
        (POS, hooked("..., pos", "clean[layer][..., pos]"), "feature-for-position"),
        (POS, hooked(":, pos", "0"), None),
        (NAMED, hooked(":, pos", 'clean[f"blocks.{layer + 1}"][:, pos]'), None),
        (POS, NOT_REMOVED, "hook-left"),
        (POS, INTO_THE_CACHE, "cache-overwritten"),
        (POS, CLEARED, None),
        (POS, NEXT_INPUT.replace("following.register", "model.blocks[layer].register"), "input-patched"),
        (POS, BY_HAND.replace("if i == layer", "if i >= layer").replace("clean[i]", "clean[layer]"), None),
        (START, hooked(":, start + 1:", "clean[layer][:, start + 1:]"), None),
        (COUNT, hooked(":, :count", "clean[layer][:, :count]"), None),
        (MASK, hooked(":, ~mask", "clean[layer][:, ~mask]"), None),
        (TUPLE, TUPLE_LIST.replace("[x, cache]", "x"), "bare-tensor"),
        (TUPLE, hooked(":, pos", "clean[layer][:, pos]"), "tuple-cloned"),
        (ROWS, hooked(":, pos", "clean[layer][:, pos]"), "grid"),
        (TUPLE, TUPLE_LIST.replace("[x, cache]", "x, torch.zeros_like(cache)"), None),
        (TUPLE, TUPLE_LIST.replace("[x, cache]", "x, None"), "others-lost"),
        (MLP, hooked(":, pos", "clean[layer][:, pos]"), "block-patched"),
        (HEAD, hooked(":, pos", "clean[layer][:, pos]", block=Z), "every-head"),
        (HEAD, hooked(":, :, head", "clean[layer][:, :, head]", block=Z), "every-position"),
        (HEAD, hooked(":, head, pos", "clean[layer][:, head, pos]", block=Z), "head-for-position"),
        (PLACES, LATE, "late-binding"),
        (PLACES, PAIRS_STACK.replace("in places:", "in places[1:]:"), None),
        (CACHE, RUNS_SWAPPED, "runs-swapped"),
        (CACHE, OWN_CACHE.replace("        handle.remove()\n        handle =", "        handle ="), None),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(
    judge: Judge, catalog: Catalog, puzzle: tuple[int, str, str], answer: str, turn: str | None
) -> None:
    verdict = judge.grade(patch(catalog, *puzzle), dedent(answer))
    assert verdict.status in (RAISED, VALUE, SHAPE)
    assert verdict.wrong_turn == turn, verdict.feedback


@pytest.mark.parametrize("level", [1, 2, 3])
def test_what_is_shown_fits_a_small_screen(catalog: Catalog, level: int) -> None:
    for seed in range(20):
        code = catalog["hooks.patch"].puzzle(seed, level).face.code or ""
        assert len(code.splitlines()) <= 14
        assert max(len(line) for line in code.splitlines()) <= 80
