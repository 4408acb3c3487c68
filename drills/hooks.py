"""Hooks: reading and changing what flows between the layers of a model."""

from collections.abc import Mapping, Sequence
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
LEAVE = "Leave `model` and `clean` as you found them."


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


def mistakes(block: str, kept: str, at: str, neighbour: str, returned: str = "patched") -> list[Edit | Wrong]:
    """The wrong turns of `body`."""
    write = f"patched[{at}] = {kept}[{at}]"
    axis = at.partition(", ")[2]
    return [
        Edit("whole-tensor", write, f"patched = {kept}", "You replaced every position; only those asked for come from the "
             "clean run."),
        Edit("wrong-layer", block, neighbour, "You patched the output of another block. Blocks count from 0."),
        Edit("hook-left", "handle.remove()", "pass", "Your hook stays on the model, and fires on every run after."),
        Edit("nothing-returned", f"return {returned}", "pass", "Your hook returns nothing, so the output stays as it was; "
             "the clone that it changed is lost."),
        Edit("batch-for-position", write, f"patched[{axis}] = {kept}[{axis}]", "You indexed the first axis, which is the "
             "batch. Positions are the second."),
        Edit("feature-for-position", write, f"patched[..., {axis}] = {kept}[..., {axis}]", "You indexed the last axis, which "
             "is d_model. Positions are the second."),
        Edit("cache-overwritten", write, f"keep = {kept}[{at}].clone(); {kept}.copy_(patched); {kept}[{at}] = keep; "
             f"patched = {kept}", "The logits are right, and the clean cache is no longer clean: you wrote into it."),
    ]  # fmt: skip


def input_patched(block: str, kept: str, at: str) -> Wrong:
    answer = f"""\
def hook(module, inputs):
    patched = inputs[0].clone()
    patched[{at}] = {kept}[{at}]
    return patched
handle = {block}.register_forward_pre_hook(hook)
try:
    return model(tokens)
finally:
    handle.remove()"""
    return Wrong("input-patched", answer, "You replaced what goes into the block; its output was asked for.")


def patching(
    rng: Rng,
    block: Block,
    *,
    prompt: Sequence[str],
    signature: str,
    solution: str,
    logits: str,
    wrong: Sequence[Edit | Wrong],
    setup: str = "",
    cached: bool = True,
) -> WriteCode:
    """The puzzle, whose observations are the logits, the model after it, and the clean cache where one is given."""
    return WriteCode(
        prompt="\n\n".join(prompt),
        signature=signature,
        body=solution,
        axes="batch seq d_model vocab",
        sizes={"layers": rng.integer(3, 5)},
        setup=transformer(block, whole=True) + RUNS.replace("{call}", block.call) + setup,
        shown_setup=transformer(block, whole=False),
        observe={"the logits": logits} | ({"the clean cache": "clean"} if cached else {}) | AFTERWARDS,
        wrong=wrong,
        hints=[
            "A forward hook sees a layer's output before the next layer does. What becomes of what it returns?",
            "Clone the output, write the clean positions into the clone, return the clone; and remove the hook by its "
            "handle, in a `finally`.",
        ],
        why="A forward hook is called with (module, inputs, output) after the module has run. What it returns, unless it "
        "is None, takes the output's place for everything that follows. register_forward_hook returns a handle: remove() "
        "it when the run is over, or every later run is patched as well. In activation patching only one place comes from "
        "the clean run, so that a change in the logits can be put down to that place.",
    )


GUIDE = (
    "A forward hook is a function `hook(module, inputs, output)`. What it returns, unless that is None, takes the place "
    "of the output. `register_forward_hook(hook)` returns a handle, which has `remove()`."
)


def one_place(rng: Rng) -> WriteCode:
    """The layer and the position are given in the prompt."""
    block = rng.pick([ATTENTION, AVERAGING])
    layer = rng.integer(0, 2)
    position, at = rng.pick([("the first position", "0"), ("position 1", "1"), ("the last position", "-1")])
    there, kept = f"model.blocks[{layer}]", f"clean[{layer}]"
    return patching(
        rng,
        block,
        prompt=[
            "`model` is a `Transformer` (`__init__` is not shown). `clean[i]` is the output of `model.blocks[i]` in its run "
            "on another prompt of the same shape.",
            f"Return the logits of `model(tokens)` with the output of `{there}` at {position} taken from `{kept}`; "
            f"later blocks run on that. {LEAVE}",
            GUIDE,
        ],
        signature="def run_patched(model, tokens, clean):",
        solution=body(there, kept, f":, {at}"),
        logits="run_patched(model, tokens, clean)",
        wrong=[
            *mistakes(there, kept, f":, {at}", f"model.blocks[{layer - 1 if layer else 1}]"),
            input_patched(there, kept, f":, {at}"),
        ],
    )


# What is asked for, the argument's name, the index, and arguments that tell it from others.
PLACES = (
    ("at position `pos`", "pos", ":, pos", ("0", "seq // 2", "seq - 1")),
    ("at position `start` and all after it", "start", ":, start:", ("1", "seq // 2", "seq - 1")),
    ("at the positions in the list `positions`", "positions", ":, positions", ("[0]", "[0, seq - 1]", "[seq // 2]")),
)
GIVEN = "`clean[i]` is the output of `model.blocks[i]` in a run on another prompt of the same shape."


def cases(rng: Rng, arguments: Sequence[str]) -> str:
    """First, middle and last layer, each with one of the arguments."""
    chosen = rng.shuffled(arguments)
    return (
        "["
        + ", ".join(f"({layer}, {at})" for layer, at in zip(("0", "layers // 2", "layers - 1"), chosen, strict=True))
        + "]"
    )


def any_place(rng: Rng) -> WriteCode:
    """The layer and the positions are arguments."""
    told, name, at, arguments = rng.pick(PLACES)
    return patching(
        rng,
        rng.pick([ATTENTION, AVERAGING]),
        prompt=[
            f"`model` is a `Transformer`. {GIVEN}",
            f"Return the logits of `model(tokens)` with the output of block `layer` {told} taken from the clean run. "
            f"Every block after it runs on what you put there. {LEAVE}",
        ],
        signature=f"def run_patched(model, tokens, clean, layer, {name}):",
        solution=body("model.blocks[layer]", "clean[layer]", at),
        logits=f"[run_patched(model, tokens, clean, *case) for case in {cases(rng, arguments)}]",
        wrong=[
            *mistakes("model.blocks[layer]", "clean[layer]", at, "model.blocks[layer - 1]"),
            input_patched("model.blocks[layer]", "clean[layer]", at),
        ],
    )


def in_tuple(rng: Rng) -> WriteCode:
    """The block returns more than the residual stream."""
    told, name, at, arguments = rng.pick(PLACES)
    returned = "patched, *output[1:]"
    wrong = mistakes("model.blocks[layer]", "clean[layer]", at, "model.blocks[layer - 1]", returned)
    wrong.append(
        Edit("bare-tensor", f"return {returned}", "return patched", "A block returns a tuple, and so must the hook: from a bare "
             "tensor, [0] takes the first sequence of the batch.")
    )  # fmt: skip
    wrong.append(
        Edit("tuple-cloned", "output[0].clone()", "output.clone()", "The output is a tuple, which has no clone().")
    )
    return patching(
        rng,
        CACHING,
        prompt=[
            "`model` is a `Transformer`. `clean[i]` is the first item of what `model.blocks[i]` returned in a run on "
            "another prompt of the same shape.",
            f"Return the logits of `model(tokens)` with that item of block `layer`'s output {told} taken from the clean "
            f"run. {LEAVE}",
        ],
        signature=f"def run_patched(model, tokens, clean, layer, {name}):",
        solution=body("model.blocks[layer]", "clean[layer]", at, "output[0]", returned),
        logits=f"[run_patched(model, tokens, clean, *case) for case in {cases(rng, arguments)}]",
        wrong=wrong,
    )


def each_its_own(rng: Rng) -> WriteCode:
    """Every sequence of the batch has a position of its own."""
    at = "rows, pos"
    patch = body("model.blocks[layer]", "clean[layer]", at)
    write = f"patched[{at}] = clean[layer][{at}]"
    wrong = [
        edit
        for edit in mistakes("model.blocks[layer]", "clean[layer]", at, "model.blocks[layer - 1]")
        if edit.id not in ("batch-for-position", "feature-for-position")
    ]
    wrong.append(
        Edit("grid", write, "patched[:, pos] = clean[layer][:, pos]", "[:, pos] takes every listed position in every "
             "sequence. Pair each row with its own position.")
    )  # fmt: skip
    return patching(
        rng,
        rng.pick([ATTENTION, AVERAGING]),
        prompt=[
            f"`model` is a `Transformer`. {GIVEN}",
            "`pos` is a tensor of shape `(batch,)`. Return the logits of `model(tokens)` with the output of block `layer` "
            "taken from the clean run: in sequence `i` of the batch at position `pos[i]`, and nowhere else. Every block "
            f"after it runs on what you put there. {LEAVE}",
        ],
        signature="def run_patched(model, tokens, clean, layer, pos):",
        solution=f"rows = torch.arange(len(pos))\n{patch}",
        setup="ends = torch.arange(batch) % seq\n",
        logits=f"[run_patched(model, tokens, clean, *case) for case in {cases(rng, ('ends', 'ends', 'seq - 1 - ends'))}]",
        wrong=wrong,
    )


def many_places(rng: Rng) -> WriteCode:
    """Several places of several layers are patched in one run."""
    hook = """\
def hook_for(layer, pos):
    def hook(module, inputs, output):
        patched = output.clone()
        patched[:, pos] = clean[layer][:, pos]
        return patched
    return hook"""
    run = """\
handles = [model.blocks[layer].register_forward_hook(hook_for(layer, pos)) for layer, pos in places]
try:
    return model(tokens)
finally:
    for handle in handles:
        handle.remove()"""
    late = """\
handles = []
for layer, pos in places:
    def hook(module, inputs, output):
        patched = output.clone()
        patched[:, pos] = clean[layer][:, pos]
        return patched
    handles.append(model.blocks[layer].register_forward_hook(hook))
try:
    return model(tokens)
finally:
    for handle in handles:
        handle.remove()"""
    write = "patched[:, pos] = clean[layer][:, pos]"
    return patching(
        rng,
        rng.pick([ATTENTION, AVERAGING]),
        prompt=[
            f"`model` is a `Transformer`. {GIVEN}",
            "`places` is a list of pairs `(layer, pos)`. Return the logits of one run of `model(tokens)` in which, for "
            "every pair, the output of block `layer` at position `pos` is taken from the clean run. "
            f"{LEAVE}",
        ],
        signature="def run_patched(model, tokens, clean, places):",
        solution=f"{hook}\n{run}",
        logits=f"run_patched(model, tokens, clean, {places(rng)})",
        wrong=[
            Wrong("late-binding", late, "Every hook looks layer and pos up when it is called, after the loop, and finds the "
                  "last pair. Bind them when the hook is made."),
            Edit("last-handle-only", "    for handle in handles:\n        handle.remove()", "    handles[-1].remove()", "Only the "
                 "last hook was removed."),
            Edit("hook-left", "        handle.remove()", "        pass", "Your hooks stay on the model, and fire on every run after."),
            Edit("first-place-only", "in places]", "in places[:1]]", "Only the first pair was patched."),
            Edit("whole-tensor", write, "patched = clean[layer]", "You replaced every position of those layers."),
            Edit("wrong-layer", "model.blocks[layer]", "model.blocks[layer - 1]", "You patched the outputs of other blocks."),
        ],
    )  # fmt: skip


def places(rng: Rng) -> str:
    """Pairs of which two are at one layer."""
    first, last = rng.pick([("0", "layers - 1"), ("1", "0"), ("0", "layers // 2")])
    return f"[({first}, 0), ({first}, seq - 1), ({last}, {rng.pick(['0', '1'])})]"


def own_cache(rng: Rng) -> WriteCode:
    """The clean run is part of the task."""
    told, name, at, arguments = rng.pick(PLACES)
    store = """\
block, kept = model.blocks[layer], []
storing = block.register_forward_hook(lambda module, inputs, output: kept.append(output))
model(clean_tokens)
storing.remove()
"""
    patch = body("block", "kept[0]", at)
    swapped = store.replace("clean_tokens", "tokens") + patch.replace("tokens", "clean_tokens")
    wrong = [edit for edit in mistakes("= model.blocks[layer]", "kept[0]", at, "= model.blocks[layer - 1]")
             if edit.id not in ("cache-overwritten", "hook-left")]  # fmt: skip
    return patching(
        rng,
        rng.pick([ATTENTION, AVERAGING]),
        prompt=[
            "`model` is a `Transformer`; `clean_tokens` and `tokens` have the same shape.",
            f"Return the logits of `model(tokens)` with the output of block `layer` {told} taken from the model's run on "
            "`clean_tokens`. Every block after it runs on what you put there. Leave `model` as you found it.",
        ],
        signature=f"def run_patched(model, clean_tokens, tokens, layer, {name}):",
        solution=store + patch,
        logits=f"[run_patched(model, clean_tokens, tokens, *case) for case in {cases(rng, arguments)}]",
        cached=False,
        wrong=[
            *wrong,
            Edit("storing-hook-left", "storing.remove()", "pass", "The hook that stores is still on the model."),
            Edit("hook-left", "handle.remove()", "pass", "Your hook stays on the model, and fires on every run after."),
            Wrong("runs-swapped", swapped, "You patched the clean run from the other one."),
        ],
    )


@drill(levels=3, lesson="Hooks")
def patch(rng: Rng) -> WriteCode:
    """Patch positions of the residual stream from a clean run."""
    match rng.level:
        case 1:
            return one_place(rng)
        case 2:
            return any_place(rng)
    return rng.pick([in_tuple, each_its_own, many_places, own_cache])(rng)
