"""Hooks: reading and changing what flows between the layers of a model."""

from collections.abc import Sequence
from dataclasses import dataclass

from tensordrill.authoring import Edit, Rng, WriteCode, Wrong, drill

# --- patching: a small transformer, in which a position sees itself and those before it


@dataclass(frozen=True)
class Block:
    """One kind of block: the layers that it makes, its forward pass, and how the model calls it."""

    layers: str
    forward: str
    call: str = "block(x)"


ATTENTION = Block(
    "self.qkv = nn.Linear(d_model, 3 * d_model)",
    """
    def forward(self, x):  # (batch, seq, d_model)
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        return x + F.scaled_dot_product_attention(q, k, v, is_causal=True)
""",
)
AVERAGING = Block(
    "self.mlp = nn.Linear(d_model, d_model)",
    """
    def forward(self, x):  # (batch, seq, d_model)
        seen = x.cumsum(1) / torch.arange(1, x.shape[1] + 1)[:, None]
        return x + self.mlp(seen).tanh()
""",
)
SHIFTING = Block(
    "self.mlp = nn.Linear(d_model, d_model)",
    """
    def forward(self, x):  # (batch, seq, d_model)
        previous = F.pad(x, (0, 0, 1, -1))  # what stands one position earlier
        return x + self.mlp(x + previous).tanh()
""",
)
BLOCKS = (ATTENTION, AVERAGING, SHIFTING)
CACHING = Block(
    "self.qkv = nn.Linear(d_model, 3 * d_model)",
    """
    def forward(self, x):  # (batch, seq, d_model)
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        x = x + F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return x, (k, v)
""",
    "block(x)[0]",
)


def transformer(block: Block, *, whole: bool) -> str:
    """The classes of the model. Without `whole`, their `__init__` is left out, as the learner sees them."""
    block_init = model_init = ""
    if whole:
        start = "\n    def __init__(self):\n        super().__init__()\n        "
        block_init = start + block.layers
        model_init = (
            f"{start}self.embed = nn.Embedding(vocab, d_model)"
            "\n        self.blocks = nn.ModuleList([Block() for _ in range(layers)])"
            "\n        self.unembed = nn.Linear(d_model, vocab)"
        )
    return f"""class Block(nn.Module):{block_init}{block.forward}
class Transformer(nn.Module):{model_init}
    def forward(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = {block.call}
        return self.unembed(x)"""


# Every corrupted token differs from the clean one. The blocks carry a hook of somebody else's, which has to stay.
RUNS = """
model = Transformer()
for block in model.blocks:
    block.register_forward_hook(lambda module, inputs, output: None)
clean_tokens = torch.randint(vocab, (batch, seq))
tokens = (clean_tokens + 1) % vocab
clean, x = [], model.embed(clean_tokens).detach()
for block in model.blocks:
    x = {call}.detach()
    clean.append(x)
"""
AFTERWARDS = {
    "the model afterwards": "model(tokens)",
    "the hooks on the model": "[len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]",
}
GUIDE = (
    "A forward hook is a function `hook(module, inputs, output)`. What it returns, unless that is None, takes the "
    "place of the output. `register_forward_hook(hook)` returns a handle, which has `remove()`."
)


@dataclass(frozen=True)
class Cache:
    """One way to keep a clean run: what the prompt says of it, the entry of block `layer`, and how it is made."""

    told: str
    entry: str
    make: str = ""

    def at(self, layer: int) -> str:
        return self.entry.replace('f"', '"').replace("{layer}", "layer").replace("layer", str(layer))


LISTED = Cache(
    "`clean[i]` is the output of `model.blocks[i]` in a run on another prompt of the same shape.", "clean[layer]"
)
STACKED = Cache(
    "`clean`, of shape `(layers, batch, seq, d_model)`, holds the outputs of all blocks in a run on another prompt.",
    "clean[layer]",
    "clean = torch.stack(clean)\n",
)
NAMED = Cache(
    '`clean["blocks.0"]`, `clean["blocks.1"]` and so on are the outputs of the blocks in a run on another prompt.',
    'clean[f"blocks.{layer}"]',
    'clean = {f"blocks.{i}": x for i, x in enumerate(clean)}\n',
)
CACHES = (LISTED, STACKED, NAMED)
FIRST_ITEMS = Cache(
    "`clean[i]` is the first item of what `model.blocks[i]` returned in a run on another prompt of the same shape.",
    "clean[layer]",
)
LEAVE_MODEL = "Leave `model` as you found it."
TWO_PROMPTS = "`clean_tokens` and `tokens` have the same shape."
LEAVE = "Leave `model` and `clean` as you found them."
BLOCK, BEFORE = "model.blocks[layer]", "model.blocks[layer - 1]"
BECAUSE = {
    "whole-tensor": "You replaced every position; only those asked for come from the clean run.",
    "wrong-layer": "You patched the output of another block, or the input of this one. Blocks count from 0.",
    "input-patched": "You replaced what goes into the block; its output was asked for.",
    "hook-left": "Your hook stays on the model, and fires on every run after.",
    "storing-hook-left": "The hook that stores is still on the model.",
    "last-handle-only": "Only the last hook was removed.",
    "nothing-returned": "Your hook returns nothing, so the output stays as it was; the clone that it changed is lost.",
    "batch-for-position": "You indexed the first axis, which is the batch. Positions are the second.",
    "feature-for-position": "You indexed the last axis, which is d_model. Positions are the second.",
    "grid": "[:, pos] takes every listed position in every sequence. Pair each sequence with its own position.",
    "cache-overwritten": "The logits are right, and the clean cache is no longer clean: you wrote into it.",
    "bare-tensor": "The block returns a tuple, and so must the hook: of a bare tensor, [0] is the first sequence.",
    "tuple-cloned": "The output is a tuple, which has no clone().",
    "late-binding": "Each hook looks layer and pos up when it is called, and finds the last pair. Bind them before.",
    "first-place-only": "Only the first pair was patched.",
    "runs-swapped": "You patched the clean run from the other one.",
}


def edit(key: str, old: str, new: str) -> Edit:
    return Edit(key, old, new, BECAUSE[key])


def body(block: str, kept: str, at: str, output: str = "output", returned: str = "patched") -> str:
    """A patch of `block` at the index `at`, from `kept`."""
    return f"""\
def hook(module, inputs, output):
    patched = {output}.clone()
    patched[{at}] = {kept}[{at}]
    return {returned}
handle = {block}.register_forward_hook(hook)
try:
    return model(tokens)
finally:
    handle.remove()"""


def mistakes(block: str, kept: str, at: str, neighbour: str, returned: str = "patched") -> list[Edit]:
    """Wrong turns of `body`, wherever it patches."""
    write = f"patched[{at}] = {kept}[{at}]"
    keep = f"keep = {kept}[{at}].clone(); {kept}.copy_(patched); {kept}[{at}] = keep; patched = {kept}"
    return [
        edit("whole-tensor", write, f"patched = {kept}"),
        edit("wrong-layer", block, neighbour),
        edit("hook-left", "handle.remove()", "pass"),
        edit("nothing-returned", f"return {returned}", "pass"),
        edit("cache-overwritten", write, keep),
    ]


def axis_mistakes(kept: str, at: str) -> list[Edit]:
    """Wrong turns of an index `:, position`."""
    write, place = f"patched[{at}] = {kept}[{at}]", at.removeprefix(":, ")
    return [
        edit("batch-for-position", write, f"patched[{place}] = {kept}[{place}]"),
        edit("feature-for-position", write, f"patched[..., {place}] = {kept}[..., {place}]"),
    ]


def input_patched(block: str, kept: str, at: str) -> Wrong:
    answer = (
        body(block, kept, at, "inputs[0]")
        .replace("inputs, output", "inputs")
        .replace("register_forward_hook", "register_forward_pre_hook")
    )
    return Wrong("input-patched", answer, BECAUSE["input-patched"])


def patching(
    rng: Rng,
    block: Block,
    *,
    cache: Cache | None = None,
    asked: str,
    guide: bool = False,
    signature: str,
    solution: str,
    logits: str,
    wrong: Sequence[Edit | Wrong],
    setup: str = "",
) -> WriteCode:
    """The puzzle, whose observations are the logits, the model after it, and the clean cache where one is given."""
    told = [
        f"`model` is a `Transformer` (its `__init__` is not shown). {cache.told if cache else TWO_PROMPTS}",
        f"{asked} Later blocks run on what you put there. {LEAVE if cache else LEAVE_MODEL}",
        *([GUIDE] if guide else []),
    ]
    return WriteCode(
        prompt="\n\n".join(told),
        signature=signature,
        body=solution,
        axes="batch seq d_model vocab",
        sizes={"layers": rng.integer(3, 5)},
        setup=transformer(block, whole=True)
        + RUNS.replace("{call}", block.call)
        + (cache.make if cache else "")
        + setup,
        shown_setup=transformer(block, whole=False),
        observe={"the logits": logits} | ({"the clean cache": "clean"} if cache else {}) | AFTERWARDS,
        wrong=wrong,
        hints=[
            "A forward hook sees a layer's output before the next layer does. What becomes of what it returns?",
            "Change a clone of the output, return it, and remove the hook by its handle, in a `finally`.",
        ],
        why="A forward hook is called with (module, inputs, output) after the module has run. What it returns, unless "
        "it is None, takes the output's place for everything that follows. register_forward_hook returns a handle: "
        "remove() it when the run is over, or every later run is patched as well. In activation "
        "patching only the chosen places come from the clean run, so that a change in the logits is due to them.",
    )


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


def cases(rng: Rng, arguments: Sequence[str]) -> str:
    """First, middle and last layer, each with one of the arguments."""
    layers = zip(("0", "layers // 2", "layers - 1"), rng.shuffled(arguments), strict=True)
    return f"[{', '.join(f'({layer}, {argument})' for layer, argument in layers)}]"


def one_place(rng: Rng) -> WriteCode:
    """The layer and the position are given in the prompt."""
    layer = rng.integer(0, 2)
    position, at = rng.pick([("the first position", ":, 0"), ("position 1", ":, 1"), ("the last position", ":, -1")])
    cache = rng.pick(CACHES)
    block, kept = f"model.blocks[{layer}]", cache.at(layer)
    neighbour = f"model.blocks[{layer - 1 if layer else 1}]"
    wrong: list[Edit | Wrong] = [*mistakes(block, kept, at, neighbour), *axis_mistakes(kept, at)]
    if layer == 0:  # elsewhere a block's input is the output of the one before
        wrong.append(input_patched(block, kept, at))
    return patching(
        rng,
        rng.pick(BLOCKS),
        cache=cache,
        asked=f"Return the logits of `model(tokens)` with the output of `{block}` at {position} taken from `{kept}`.",
        guide=True,
        signature="def run_patched(model, tokens, clean):",
        solution=body(block, kept, at),
        logits="run_patched(model, tokens, clean)",
        wrong=wrong,
    )


def any_place(rng: Rng) -> WriteCode:
    """The layer and the positions are arguments."""
    told, name, at, arguments = rng.pick(PLACES)
    cache = rng.pick(CACHES)
    return patching(
        rng,
        rng.pick(BLOCKS),
        cache=cache,
        asked=f"Return the logits of `model(tokens)` with the output of block `layer` {told} taken from the clean run.",
        signature=f"def run_patched(model, tokens, clean, layer, {name}):",
        solution=body(BLOCK, cache.entry, at),
        logits=f"[run_patched(model, tokens, clean, *case) for case in {cases(rng, arguments)}]",
        wrong=[
            *mistakes(BLOCK, cache.entry, at, BEFORE),
            *axis_mistakes(cache.entry, at),
            input_patched(BLOCK, cache.entry, at),
        ],
    )


def in_tuple(rng: Rng) -> WriteCode:
    """The block returns more than the residual stream."""
    told, name, at, arguments = rng.pick(PLACES)
    returned = "patched, *output[1:]"
    return patching(
        rng,
        CACHING,
        cache=FIRST_ITEMS,
        asked=f"Return the logits of `model(tokens)` with that item of block `layer` {told} taken from the clean run.",
        signature=f"def run_patched(model, tokens, clean, layer, {name}):",
        solution=body(BLOCK, FIRST_ITEMS.entry, at, "output[0]", returned),
        logits=f"[run_patched(model, tokens, clean, *case) for case in {cases(rng, arguments)}]",
        wrong=[
            *mistakes(BLOCK, FIRST_ITEMS.entry, at, BEFORE, returned),
            *axis_mistakes(FIRST_ITEMS.entry, at),
            edit("bare-tensor", f"return {returned}", "return patched"),
            edit("tuple-cloned", "output[0].clone()", "output.clone()"),
        ],
    )


def each_its_own(rng: Rng) -> WriteCode:
    """Every sequence of the batch has a position of its own."""
    at, cache = "rows, pos", rng.pick(CACHES)
    write = f"patched[{at}] = {cache.entry}[{at}]"
    arguments = cases(rng, ("ends", "ends", "seq - 1 - ends"))
    return patching(
        rng,
        rng.pick(BLOCKS),
        cache=cache,
        asked="Return the logits of `model(tokens)` with the output of block `layer` taken from the clean run: in each "
        "sequence `i` of the batch at position `pos[i]`, and nowhere else. `pos` is a tensor of shape `(batch,)`.",
        signature="def run_patched(model, tokens, clean, layer, pos):",
        solution=f"rows = torch.arange(len(pos))\n{body(BLOCK, cache.entry, at)}",
        setup="ends = torch.arange(batch) % 2 * (seq - 1)\n",
        logits=f"[run_patched(model, tokens, clean, *case) for case in {arguments}]",
        wrong=[
            *mistakes(BLOCK, cache.entry, at, BEFORE),
            edit("grid", write, f"patched[:, pos] = {cache.entry}[:, pos]"),
        ],
    )


HOOK_FOR = """\
def hook_for(layer, pos):
    def hook(module, inputs, output):
        patched = output.clone()
        patched[:, pos] = clean[layer][:, pos]
        return patched
    return hook
handles = [model.blocks[layer].register_forward_hook(hook_for(layer, pos)) for layer, pos in places]
"""
LATE_HOOKS = """\
handles = []
for layer, pos in places:
    def hook(module, inputs, output):
        patched = output.clone()
        patched[:, pos] = clean[layer][:, pos]
        return patched
    handles.append(model.blocks[layer].register_forward_hook(hook))
"""
RUN_WITH_HANDLES = """\
try:
    return model(tokens)
finally:
    for handle in handles:
        handle.remove()"""


def many_places(rng: Rng) -> WriteCode:
    """Several places of several layers are patched in one run."""
    one, other = rng.pick([("0", "layers - 1"), ("1", "0"), ("0", "layers // 2"), ("layers - 1", "0")])
    places = rng.shuffled([f"({one}, 0)", f"({one}, seq - 1)"])
    places.insert(rng.pick([0, 2]), f"({other}, {rng.pick(['0', '1'])})")
    return patching(
        rng,
        rng.pick(BLOCKS),
        cache=rng.pick([LISTED, STACKED]),
        asked="Return the logits of one run of `model(tokens)` in which, for each pair `(layer, pos)` in the list "
        "`places`, the output of block `layer` at position `pos` is taken from the clean run.",
        signature="def run_patched(model, tokens, clean, places):",
        solution=HOOK_FOR + RUN_WITH_HANDLES,
        logits=f"run_patched(model, tokens, clean, [{', '.join(places)}])",
        wrong=[
            Wrong("late-binding", LATE_HOOKS + RUN_WITH_HANDLES, BECAUSE["late-binding"]),
            edit("last-handle-only", "for handle in handles:\n            handle.remove()", "handles[-1].remove()"),
            edit("hook-left", "handle.remove()", "pass"),
            edit("nothing-returned", "return patched", "pass"),
            edit("first-place-only", "in places]", "in places[:1]]"),
            edit("whole-tensor", "patched[:, pos] = clean[layer][:, pos]", "patched = clean[layer]"),
            edit("wrong-layer", BLOCK, BEFORE),
        ],
    )


def own_cache(rng: Rng) -> WriteCode:
    """The clean run is part of the task."""
    told, name, at, arguments = rng.pick(PLACES)
    store = (
        "block, kept = model.blocks[layer], []\n"
        "storing = block.register_forward_hook(lambda module, inputs, output: kept.append(output))\n"
        "model(clean_tokens)\n"
        "storing.remove()\n"
    )
    patch = body("block", "kept[0]", at)
    swapped = store.replace("clean_tokens", "tokens") + patch.replace("tokens", "clean_tokens")
    left_alone = ("cache-overwritten",)
    return patching(
        rng,
        rng.pick(BLOCKS),
        asked=f"Return the logits of `model(tokens)` with the output of block `layer` {told} taken from a run on "
        "`clean_tokens`.",
        signature=f"def run_patched(model, clean_tokens, tokens, layer, {name}):",
        solution=store + patch,
        logits=f"[run_patched(model, clean_tokens, tokens, *case) for case in {cases(rng, arguments)}]",
        wrong=[
            *(turn for turn in mistakes(BLOCK, "kept[0]", at, BEFORE) if turn.id not in left_alone),
            *axis_mistakes("kept[0]", at),
            edit("storing-hook-left", "storing.remove()", "pass"),
            Wrong("runs-swapped", swapped, BECAUSE["runs-swapped"]),
        ],
    )


@drill(after=["hooks.replace"], levels=3, lesson="Hooks", arena="1.2", structures=(3, 10, 13))
def patch(rng: Rng) -> WriteCode:
    """Patch positions of the residual stream from a clean run."""
    match rng.level:
        case 1:
            return one_place(rng)
        case 2:
            return any_place(rng)
    return rng.pick([in_tuple, each_its_own, many_places, own_cache])(rng)
