"""Puzzles about activation patching: the clean run, the hook that patches, and what goes wrong in it."""

from collections.abc import Sequence
from dataclasses import dataclass

from tensordrill.building import hooking
from tensordrill.building.hooking import BUILT, GUIDE, HANDED_ON, HOOK_LEFT, OUTPUTS, edit, hooked, on_model
from tensordrill.building.transformer import ATTENTION, BLOCK, TUPLE_BLOCK
from tensordrill.puzzles import Edit, WriteCode, Wrong
from tensordrill.rng import Rng

# Every corrupted token differs from the clean one.
CLEAN_TOKENS = "clean_tokens = (tokens + 1) % d_vocab\n"
LEAVE = "Leave `model` and `clean` as you found them."
TWO_PROMPTS = "`clean_tokens` and `tokens` have the same shape."
BECAUSE = {
    "whole-tensor": "You replaced every position; only those asked for come from the clean run.",
    "input-patched": "You replaced what goes into the module; its output was asked for.",
    "block-patched": "You replaced the whole stream after the block; the output of one of its layers was asked for.",
    "storing-hook-left": "The hook that stores is still on the model.",
    "nothing-returned": "Your hook returns nothing, so the output stays as it was; the clone that it changed is lost.",
    "wrong-layer": "You patched the output of another layer. Blocks count from 0.",
    "batch-for-position": "You indexed the first axis, which is the batch. Positions are the second.",
    "feature-for-position": "You indexed the last axis, which is d_model. Positions are the second.",
    "grid": "[:, pos] takes every listed position in every sequence. Pair each sequence with its own position.",
    "cache-overwritten": "The logits are right, and the clean cache is no longer clean: you wrote into it.",
    "bare-tensor": "The block returns a tuple, and so must the hook: of a bare tensor, [0] is the first sequence.",
    "others-lost": "The block's other item is lost: it was to stay, and belongs into what the hook returns.",
    "tuple-cloned": "The output is a tuple, which has no clone().",
    "late-binding": "Each hook looks layer and pos up when it is called, and finds the last pair. Bind them before.",
    "first-place-only": "Only the first pair was patched.",
    "runs-swapped": "You patched the clean run from the other one.",
    "every-head": "You replaced the z of every head at that position.",
    "every-position": "You replaced the head's z at every position.",
    "head-for-position": "You took the axes of heads and positions for each other: positions come first.",
}


def slip(key: str, old: str, new: str) -> Edit:
    return edit(key, old, new, BECAUSE[key])


# What is patched in each block: the stream after it, or what one of its layers writes to it.
SITES = ("", "", ".attn", ".mlp")


@dataclass(frozen=True)
class Cache:
    """One way to keep a clean run: what the prompt says of it, the entry of block `layer`, and how it is made."""

    told: str
    entry: str
    make: str = ""

    def at(self, layer: int) -> str:
        return self.entry.replace('f"', '"').replace("{layer}", "layer").replace("layer", str(layer))


def cached(rng: Rng, site: str) -> Cache:
    """The outputs of that site of every block, as a list, a tensor or a dict."""
    it = f"`model.blocks[i]{site}`"
    caches = [
        Cache(f"`clean[i]` is the output of {it} in a run on another prompt of the same shape.", "clean[layer]"),
        Cache(
            f"`clean`, of shape `(n_layers, batch, seq, d_model)`, holds the output of {it} for every block `i`, in a "
            "run on another prompt.",
            "clean[layer]",
            "clean = torch.stack(clean)\n",
        ),
        Cache(
            f'`clean["blocks.0{site}"]`, `clean["blocks.1{site}"]` and so on are the outputs of these modules in a run '
            "on another prompt of the same shape.",
            f'clean[f"blocks.{{layer}}{site}"]',
            f'clean = {{f"blocks.{{i}}{site}": x for i, x in enumerate(clean)}}\n',
        ),
    ]
    return rng.pick(caches)


def patch_at(at: str, kept: str, output: str = "output", returned: str = "patched") -> str:
    """The body of a hook."""
    return f"patched = {output}.clone()\npatched[{at}] = {kept}[{at}]\nreturn {returned}"


def mistakes(kept: str, at: str, returned: str = "patched") -> list[Edit]:
    """Wrong turns of `patch_at`, wherever it patches."""
    write = f"patched[{at}] = {kept}[{at}]"
    keep = f"keep = {kept}[{at}].clone(); {kept}.copy_(patched); {kept}[{at}] = keep; patched = {kept}"
    return [
        slip("whole-tensor", write, f"patched = {kept}"),
        HOOK_LEFT,
        slip("nothing-returned", f"return {returned}", "pass"),
        slip("cache-overwritten", write, keep),
    ]


def axis_mistakes(kept: str, at: str) -> list[Edit]:
    """Wrong turns of an index `:, position`."""
    write, place = f"patched[{at}] = {kept}[{at}]", at.removeprefix(":, ")
    return [
        slip("batch-for-position", write, f"patched[{place}] = {kept}[{place}]"),
        slip("feature-for-position", write, f"patched[..., {place}] = {kept}[..., {place}]"),
    ]


def input_patched(module: str, kept: str, at: str) -> Wrong:
    return Wrong("input-patched", hooked(module, patch_at(at, kept, "inputs[0]"), pre=True), BECAUSE["input-patched"])


def patching(
    told: str,
    asked: str,
    *,
    arguments: str,
    body: str,
    logits: str,
    wrong: Sequence[Edit | Wrong],
    site: str = "",
    make: str = "",
    guide: bool = False,
    kind: str = "stream",
) -> WriteCode:
    """The puzzle, whose observations are the logits, the model after it, and the clean cache where one is given.

    `make` turns `clean`, the list of what that site of each block returned, into the cache. `kind` is what is patched:
    the `stream`, the stream in a `tuple`, or a `head`.
    """
    given = ", clean" in arguments
    tuples = {"the other item of each block": f"handed_on(lambda: {logits})"} if kind == "tuple" else {}
    return on_model(
        asked=[
            f"{BUILT} {told}",
            f"{asked} What comes later runs on what you put there. {LEAVE if given else hooking.LEAVE}",
            *([GUIDE] if guide else []),
        ],
        signature=f"def run_patched(model, {arguments}):",
        body=body,
        observe={"the result": logits} | tuples | ({"`clean` afterwards": "clean"} if given else {}),
        wrong=wrong,
        block=TUPLE_BLOCK if kind == "tuple" else BLOCK,
        show=[ATTENTION, BLOCK] if kind == "head" else None,
        setup=f'{CLEAN_TOKENS}{OUTPUTS}clean = outputs("{site.lstrip(".")}", clean_tokens)\n{make}'
        + (HANDED_ON if kind == "tuple" else ""),
        hints=[
            "A forward hook sees a layer's output before the next layer does. What becomes of what it returns?",
            "Change a clone of the output, return it, and remove the hook by its handle, in a `finally`.",
        ],
        why="A forward hook is called with (module, inputs, output) after the module has run. What it returns, unless "
        "it is None, takes the output's place for everything that follows. register_forward_hook returns a handle: "
        "remove() it when the run is over, or every later run is patched as well. In activation "
        "patching only the chosen places come from the clean run, so that a change in the logits is due to them.",
    )
