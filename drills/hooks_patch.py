"""Hooks: activations patched from a clean run."""

from collections.abc import Sequence

from tensordrill.authoring import Edit, Rng, WriteCode, Wrong, drill
from tensordrill.building.hooking import HANDLES, HOOK_LEFT, LAST_ONLY, hooked
from tensordrill.building.patching import (
    BECAUSE,
    SITES,
    TWO_PROMPTS,
    axis_mistakes,
    cached,
    input_patched,
    mistakes,
    patch_at,
    patching,
    slip,
)  # fmt: skip

RETURN = "Return the logits of a run of `model(tokens)` in which"

# --- the layer and the positions are told

FIXED = (
    ("the first position", ":, 0"),
    ("position 1", ":, 1"),
    ("the last position", ":, -1"),
    ("all positions but the first", ":, 1:"),
    ("all positions but the last", ":, :-1"),
)


def one_place(rng: Rng) -> WriteCode:
    """The layer and the position are given in the prompt."""
    layer, site = rng.integer(0, 2), rng.pick(SITES)
    position, at = rng.pick(FIXED)
    cache = cached(rng, site)
    module, kept = f"model.blocks[{layer}]{site}", cache.at(layer)
    wrong: list[Edit | Wrong] = [
        *mistakes(kept, at),
        *axis_mistakes(kept, at),
        slip("wrong-layer", f"blocks[{layer}]{site}.reg", f"blocks[{layer - 1 if layer else 1}]{site}.reg"),
    ]
    if layer == 0 or site:  # else the module's input is the output of the block before
        wrong.append(input_patched(module, kept, at))
    if site:
        wrong.append(slip("block-patched", f"{site}.reg", ".reg"))
    return patching(
        cache.told,
        f"Return the logits of a run of `model(tokens)` in which the output of `{module}` is taken from `{kept}` at "
        f"{position}, and nowhere else.",
        arguments="tokens, clean",
        body=hooked(module, patch_at(at, kept)),
        logits="run_patched(model, tokens, clean)",
        wrong=wrong,
        site=site,
        make=cache.make,
        guide=True,
    )


# --- they are arguments

# What is asked for, the argument's name, the index, and arguments for three layers that tell it from others.
PLACES = (
    ("at position `pos`", "pos", ":, pos", ("0", "seq // 2", "seq - 1")),
    ("at position `start` and all after it", "start", ":, start:", ("1", "seq // 2", "seq - 1")),
    ("at all positions before `stop`", "stop", ":, :stop", ("1", "(seq + 1) // 2", "seq - 1")),
    ("at the position before `pos`", "pos", ":, pos - 1", ("1", "seq - 1", "seq - 1")),
    ("at every second position, from `start` on", "start", ":, start::2", ("0", "1", "0")),
    ("at the last `count` positions", "count", ":, -count:", ("1", "1", "(seq + 1) // 2")),
    ("at the positions in the list `positions`", "positions", ":, positions", ("[0]", "[0, seq - 1]", "[seq // 2]")),
    ("at the positions where `mask` (booleans, of shape `(seq,)`) is True", "mask", ":, mask",
     ("torch.arange(seq) % 2 == 0", "torch.arange(seq) > 0", "torch.arange(seq) == 0")),
)  # fmt: skip


def cases(rng: Rng, arguments: Sequence[str], layer: str = "{}") -> str:
    """First, middle and last layer, each with one of the arguments."""
    layers = zip(("0", "1", "2"), rng.shuffled(arguments), strict=True)
    return f"[{', '.join(f'({layer.format(i)}, {argument})' for i, argument in layers)}]"


def of_block(site: str) -> str:
    return f"the output of `{site[1:]}` of block `layer`" if site else "the output of block `layer`"


def any_place(rng: Rng) -> WriteCode:
    """The layer, or the name of a module, and the positions are arguments."""
    told, name, at, arguments = rng.pick(PLACES)
    site, named = rng.pick(SITES), rng.chance(0.25)
    cache = cached(rng, site)
    given, module, kept, output = "layer", f"model.blocks[layer]{site}", cache.entry, of_block(site)
    make = cache.make
    told_cache = cache.told
    if named:
        given, module, kept = "name", "model.get_submodule(name)", "clean[name]"
        output = "the output of the module named `name`"
        told_cache = (
            f"`clean` is a dict: under names of modules, such as `blocks.0{site}`, their outputs in a run on "
            "another prompt of the same shape."
        )
        make = f'clean = {{f"blocks.{{i}}{site}": x for i, x in enumerate(clean)}}\n'
    where = cases(rng, arguments, f'"blocks.{{}}{site}"' if named else "{}")
    wrong: list[Edit | Wrong] = [*mistakes(kept, at), *axis_mistakes(kept, at), input_patched(module, kept, at)]
    if not named:
        wrong.append(slip("wrong-layer", "model.blocks[layer]", "model.blocks[layer - 1]"))
        if site:
            wrong.append(slip("block-patched", f"{site}.reg", ".reg"))
    return patching(
        told_cache,
        f"{RETURN} {output} is taken from the clean run {told}, and nowhere else.",
        arguments=f"tokens, clean, {given}, {name}",
        body=hooked(module, patch_at(at, kept)),
        logits=f"[run_patched(model, tokens, clean, *case) for case in {where}]",
        wrong=wrong,
        site=site,
        make=make,
    )


# --- composed

BEFORE = slip("wrong-layer", "model.blocks[layer]", "model.blocks[layer - 1]")


def in_tuple(rng: Rng) -> WriteCode:
    """The block returns more than the residual stream."""
    told, name, at, arguments = rng.pick(PLACES)
    returned = "patched, *output[1:]"
    return patching(
        "`clean[i]` is the first item of what `model.blocks[i]` returned in a run on another prompt of the same shape.",
        f"{RETURN} that item of block `layer` is taken from the clean run {told}, and nowhere else. "
        "The other item stays.",
        arguments=f"tokens, clean, layer, {name}",
        body=hooked("model.blocks[layer]", patch_at(at, "clean[layer]", "output[0]", returned)),
        logits=f"[run_patched(model, tokens, clean, *case) for case in {cases(rng, arguments)}]",
        wrong=[
            *mistakes("clean[layer]", at, returned),
            *axis_mistakes("clean[layer]", at),
            BEFORE,
            slip("bare-tensor", f"return {returned}", "return patched"),
            slip("others-lost", f"return {returned}", "return patched, None"),
            slip("tuple-cloned", "output[0].clone()", "output.clone()"),
        ],
        kind="tuple",
    )


def each_its_own(rng: Rng) -> WriteCode:
    """Every sequence of the batch has a position of its own."""
    at, site = "rows, pos", rng.pick(SITES)
    cache = cached(rng, site)
    write = f"patched[{at}] = {cache.entry}[{at}]"
    body = hooked(f"model.blocks[layer]{site}", patch_at(at, cache.entry))
    where = cases(rng, ("ends", "ends", "seq - 1 - ends"))
    return patching(
        cache.told,
        f"{RETURN} {of_block(site)} is taken from the clean run: in each "
        "sequence `i` of the batch at position `pos[i]`, and nowhere else. `pos` is a tensor of shape `(batch,)`.",
        arguments="tokens, clean, layer, pos",
        body=f"rows = torch.arange(len(pos))\n{body}",
        site=site,
        make=f"{cache.make}ends = torch.arange(batch) % 2 * (seq - 1)\n",
        logits=f"[run_patched(model, tokens, clean, *case) for case in {where}]",
        wrong=[
            *mistakes(cache.entry, at),
            BEFORE,
            slip("grid", write, f"patched[:, pos] = {cache.entry}[:, pos]"),
        ],
    )


def of_a_head(rng: Rng) -> WriteCode:
    """One head of the attention, where the heads are still apart."""
    told, name, at, arguments = rng.pick(PLACES)
    place = at.removeprefix(":, ")
    write = f"patched[{at}, head] = clean[layer][{at}, head]"
    heads = [f"{argument}, {head}" for argument, head in zip(arguments, ("0", "n_heads - 1", "1"), strict=True)]
    swapped = f"head, {place}"
    return patching(
        "In each block, `attn.hook_z` is an `nn.Identity`, which returns a tensor of shape `(batch, seq, n_heads, "
        "d_head)`. `clean[i]` is what that of block `i` returned in a run on another prompt of the same shape.",
        f"{RETURN} the output of head `head` of block `layer` is taken from the clean run {told}, and nowhere else.",
        arguments=f"tokens, clean, layer, {name}, head",
        body=hooked("model.blocks[layer].attn.hook_z", patch_at(f"{at}, head", "clean[layer]")),
        logits=f"[run_patched(model, tokens, clean, *case) for case in {cases(rng, heads)}]",
        wrong=[
            *mistakes("clean[layer]", f"{at}, head"),
            BEFORE,
            slip("every-head", write, f"patched[{at}] = clean[layer][{at}]"),
            slip("every-position", write, "patched[:, :, head] = clean[layer][:, :, head]"),
            slip("head-for-position", write, f"patched[:, {swapped}] = clean[layer][:, {swapped}]"),
        ],
        site="attn.hook_z",
        kind="head",
    )


HOOK_FOR = """\
def hook_for(layer, pos):
    def hook(module, inputs, output):
        patched = output.clone()
        patched[:, pos] = {kept}[:, pos]
        return patched
    return hook
handles = [model.blocks[layer]{site}.register_forward_hook(hook_for(layer, pos)) for layer, pos in places]
"""
LATE_HOOKS = """\
handles = []
for layer, pos in places:
    def hook(module, inputs, output):
        patched = output.clone()
        patched[:, pos] = {kept}[:, pos]
        return patched
    handles.append(model.blocks[layer]{site}.register_forward_hook(hook))
"""


def many_places(rng: Rng) -> WriteCode:
    """Several places of several layers are patched in one run."""
    one, other = rng.pick([("0", "2"), ("1", "0"), ("0", "1"), ("2", "0")])
    places = rng.shuffled([f"({one}, 0)", f"({one}, seq - 1)"])
    places.insert(rng.pick([0, 2]), f"({other}, {rng.pick(['0', '1'])})")
    site = rng.pick(SITES)
    cache = cached(rng, site)
    names = {"kept": cache.entry, "site": site}
    return patching(
        cache.told,
        "Return the logits of one run of `model(tokens)` in which, for each pair `(layer, pos)` in the list "
        f"`places`, {of_block(site)} at position `pos` is taken from the clean run.",
        arguments="tokens, clean, places",
        body=HOOK_FOR.format(**names) + HANDLES,
        logits=f"run_patched(model, tokens, clean, [{', '.join(places)}])",
        wrong=[
            Wrong("late-binding", LATE_HOOKS.format(**names) + HANDLES, BECAUSE["late-binding"]),
            LAST_ONLY,
            HOOK_LEFT,
            slip("nothing-returned", "return patched", "pass"),
            slip("first-place-only", "in places]", "in places[:1]]"),
            slip("whole-tensor", f"patched[:, pos] = {cache.entry}[:, pos]", f"patched = {cache.entry}"),
            BEFORE,
        ],
        site=site,
        make=cache.make,
    )


def own_cache(rng: Rng) -> WriteCode:
    """The clean run is part of the task."""
    told, name, at, arguments = rng.pick(PLACES)
    site = rng.pick(SITES)
    store = (
        f"module, kept = model.blocks[layer]{site}, []\n"
        "storing = module.register_forward_hook(lambda module, inputs, output: kept.append(output))\n"
        "model(clean_tokens)\n"
        "storing.remove()\n"
    )
    body = hooked("module", patch_at(at, "kept[0]"))
    swapped = store.replace("clean_tokens", "tokens") + body.replace("tokens", "clean_tokens")
    return patching(
        TWO_PROMPTS,
        f"{RETURN} {of_block(site)} is taken from a run on `clean_tokens` {told}, and nowhere else.",
        arguments=f"clean_tokens, tokens, layer, {name}",
        body=store + body,
        logits=f"[run_patched(model, clean_tokens, tokens, *case) for case in {cases(rng, arguments)}]",
        wrong=[
            *(turn for turn in mistakes("kept[0]", at) if turn.id != "cache-overwritten"),
            *axis_mistakes("kept[0]", at),
            BEFORE,
            slip("storing-hook-left", "storing.remove()", "pass"),
            Wrong("runs-swapped", swapped, BECAUSE["runs-swapped"]),
        ],
    )


@drill(after=["hooks.replace"], levels=3, lesson="Hooks", arena="1.2", structures=(22, 38, 36))
def patch(rng: Rng) -> WriteCode:
    """Patch activations from a clean run."""
    match rng.level:
        case 1:
            return one_place(rng)
        case 2:
            return any_place(rng)
    return rng.pick([in_tuple, each_its_own, of_a_head, many_places, own_cache])(rng)
