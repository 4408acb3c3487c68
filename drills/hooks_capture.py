"""Hooks: an activation captured, before the model writes over it."""

from collections.abc import Sequence

from tensordrill.authoring import Edit, Rng, WriteCode, Wrong, drill
from tensordrill.building.hooking import (
    ARGUMENTS,
    BECAUSE,
    BUILT,
    GUIDE,
    HANDLES,
    HOOK_LEFT,
    LAST_ONLY,
    LEAVE,
    MLP,
    edit,
    hooked,
    on_model,
)
from tensordrill.building.transformer import IN_PLACE_BLOCK

SECOND = 2  # level
IN_BLOCK = ("attn", "mlp", "mlp[0]")  # outputs that the next line of the model, or the ReLU, overwrites
DETACHED = "It is detached from the graph, and as the layer returned it: nothing later in the run may change it."
EACH_DETACHED = DETACHED.replace("It is", "Each is").replace("and as", "and stays as")
COPY = "output.detach().clone()"
UNCHANGED = "It is detached from the graph, and nothing later in the run may change it."
NEEDS = """
captured = []
def kept_once(it):
    captured[:] = [it]
    return it
def needs(got):
    got = got.values() if isinstance(got, dict) else got
    return got.requires_grad if isinstance(got, torch.Tensor) else [needs(it) for it in got]
"""


def copy_mistakes(copy: str = COPY) -> list[Edit]:
    """What comes of keeping something else than that copy."""
    tensor = copy.removesuffix(".detach().clone()")
    return [
        edit(
            "live-reference", copy, tensor, "You kept the tensor itself, into which the model writes later: clone it."
        ),
        edit(
            "detached-only",
            copy,
            f"{tensor}.detach()",
            "detach() gives another tensor on the same memory, into which the model writes later: clone it too.",
        ),
        edit(
            "kept-on-the-module",
            copy,
            f"setattr(module, 'kept', {copy}) or module.kept",
            "What you keep on the module stays on it. Keep it in a variable outside the hook.",
        ),
        edit("graph-kept", copy, f"{tensor}.clone()", "The clone still holds on to the graph of the run: detach it."),
    ]


INPUT_STORED = edit(
    "input-stored", COPY, "inputs[0].detach().clone()", "You kept what goes into the layer, not what it returns."
)


def capturing(
    asked: Sequence[str], signature: str, body: str, call: str, wrong: Sequence[Edit | Wrong], setup: str = ""
) -> WriteCode:
    second = "[1]" if "return logits, " in body else ""  # the logits may have a graph
    return on_model(
        asked=[f"{BUILT} {MLP}", *asked, LEAVE],
        signature=signature,
        body=body,
        observe={"what is captured": f"kept_once({call})", "whether it needs gradients": f"needs(captured[0]{second})"},
        wrong=wrong,
        block=IN_PLACE_BLOCK,
        setup=NEEDS + setup,
        hints=[
            "The hook runs before the model goes on. Does the model write into the tensor that the hook is given?",
            "A detached clone, kept in a list outside the hook, stays as it is. Remove the hook by its handle.",
        ],
        why="A forward hook is given the very tensor that the layer returns. Tensor.detach() leaves the graph and "
        "shares the memory, so an in-place operation later in the run (`+=`, nn.ReLU(inplace=True)) changes what was "
        "kept; Tensor.clone() copies it at once.",
    )


def stored(site: str, runs: str, result: str, copy: str = COPY) -> str:
    """Code that keeps what the hook sees, runs the model, and returns the result."""
    code = hooked(site, f"kept.append({copy})", runs)
    return f"kept = []\n{code}\nreturn {result}"


PARTS = (
    ("what {} returns", "kept[0]"),
    ("a tuple: the logits, and what {} returns", "logits, kept[0]"),
    ("what {} returns at the last position, of shape `(batch, {axis})`", "kept[0][:, -1]"),
    ("the mean over the batch of what {} returns, of shape `(seq, {axis})`", "kept[0].mean(0)"),
    ("what {} returns at position 0, of shape `(batch, {axis})`", "kept[0][:, 0]"),
    ("what {} returns for the first example, of shape `(seq, {axis})`", "kept[0][0]"),
)


def captured_once(rng: Rng) -> WriteCode:
    """One layer, which the prompt names."""
    index = rng.integer(0, 2)
    site = rng.pick(["model.embed", *(f"model.blocks[{index}].{name}" for name in IN_BLOCK)])
    told, result = rng.pick(PARTS)
    kept = DETACHED.replace("It is", "The latter is") if "tuple" in told else DETACHED
    told = told.format(f"`{site}`", axis="d_mlp" if site.endswith("[0]") else "d_model")
    wrong = [*copy_mistakes(), HOOK_LEFT]
    if site != "model.embed":
        wrong += [INPUT_STORED, edit("wrong-layer", f"blocks[{index}]", f"blocks[{(index + 1) % 3}]")]
    return capturing(
        [f"Run `model(tokens)` and return {told}. {kept}", GUIDE],
        "def capture(model, tokens):",
        stored(site, "logits = model(tokens)" if "logits" in result else "model(tokens)", result),
        "capture(model, tokens)",
        wrong,
    )


def captured_of(rng: Rng) -> WriteCode:
    """The module, or its block, is an argument."""
    name = rng.pick(IN_BLOCK)
    given, site, told, cases = rng.pick(
        [
            ("module", "module", "that module",
             "model.embed, model.blocks[1].attn, model.blocks[2].mlp[0]"),
            ("name", "model.get_submodule(name)", "that module",
             '"embed", "blocks.1.mlp", "blocks.2.mlp.0"'),
            ("layer", f"model.blocks[layer].{name}", f"`{name}` of block `layer`", "0, 1, 2"),
        ]
    )  # fmt: skip
    result, told_result = rng.pick(
        [
            ("kept[0]", "what {} returns"),
            ("kept[0][:, pos]", "what {} returns at position `pos`, for all examples"),
            ("kept[0][:, -1]", "what {} returns at the last position, for all examples"),
            ("kept[0].mean(1)", "the mean over the positions of what {} returns, for each example"),
        ]
    )
    extra = ", pos" if "pos]" in result else ""
    call = f"[capture(model, it, tokens{extra and ', seq - 2'}) for it in [{cases}]]"
    wrong: list[Edit | Wrong] = [*copy_mistakes(), HOOK_LEFT]
    if given == "layer":
        wrong += [INPUT_STORED, edit("wrong-layer", "blocks[layer]", "blocks[layer - 1]")]
    return capturing(
        [
            *([ARGUMENTS[given].format("blocks.0.attn")] if given in ARGUMENTS else []),
            f"Run `model(tokens)` and return {told_result.format(told)}. {DETACHED}",
        ],
        f"def capture(model, {given}, tokens{extra}):",
        stored(site, "model(tokens)", result),
        call,
        wrong,
    )


def captured_all(rng: Rng) -> WriteCode:
    """One activation of every block."""
    name = rng.pick(IN_BLOCK)
    told, result = rng.pick(
        [
            ("a list of what each block's `{}` returns, first block first", "kept"),
            ("one tensor: what each block's `{}` returns, stacked along a new first axis", "torch.stack(kept)"),
            ("a dict: under `i` what the `{}` of `model.blocks[i]` returns", "dict(enumerate(kept))"),
            ("a list of what each block's `{}` returns at the last position, first block first",
             "[it[:, -1] for it in kept]"),
        ]
    )  # fmt: skip
    body = (
        "kept, handles = [], []\n"
        "def hook(module, inputs, output):\n"
        f"    kept.append({COPY})\n"
        "for block in model.blocks:\n"
        f"    handles.append(block.{name}.register_forward_hook(hook))\n"
        f"{HANDLES.replace('return model', 'model')}\nreturn {result}"
    )
    return capturing(
        [f"Run `model(tokens)` once and return {told.format(name)}. {EACH_DETACHED}"],
        "def capture(model, tokens):",
        body,
        "capture(model, tokens)",
        [
            *copy_mistakes(),
            INPUT_STORED,
            HOOK_LEFT,
            LAST_ONLY,
        ],
    )


def captured_before(rng: Rng) -> WriteCode:
    """What goes into the in-place ReLU."""
    given = rng.pick(["layer", "block"])
    block = {"layer": "model.blocks[layer]", "block": "block"}[given]
    told = {"layer": "`model.blocks[layer]`", "block": "`block`, one of the model's blocks,"}[given]
    result, told_result = rng.pick(
        [
            ("kept[0]", "what goes into the ReLU"),
            ("kept[0].clamp(max=0)", "what goes into the ReLU, with 0 where it is positive,"),
            ("kept[0][..., neuron]", "what goes into the ReLU for neuron `neuron`"),
        ]
    )  # fmt: skip
    extra = ", neuron" if "neuron" in result else ""
    cases = "range(n_layers)" if given == "layer" else "model.blocks"
    late = hooked(f"{block}.mlp[1]", "kept.append(inputs[0].detach().clone())", "model(tokens)")
    wrong: list[Edit | Wrong] = [
        *[turn for turn in copy_mistakes() if turn.id != "detached-only"],  # it does what the last one does
        HOOK_LEFT,
        INPUT_STORED,
        Wrong(
            "overwritten-input",
            f"kept = []\n{late}\nreturn {result}",
            "A forward hook runs after the module: by then the ReLU has overwritten its input.",
        ),
    ]
    return capturing(
        [f"Run `model(tokens)` and return {told_result} in the `mlp` of {told}. {UNCHANGED}"],
        f"def capture(model, {given}, tokens{extra}):",
        stored(f"{block}.mlp[0]", "model(tokens)", result),
        f"[capture(model, it, tokens{extra and ', 2'}) for it in {cases}]",
        wrong,
    )


def captured_runs(rng: Rng) -> WriteCode:
    """Several runs, one after the other."""
    name = rng.pick(IN_BLOCK)
    told, result = rng.pick(
        [
            ("Return the list of what {} returns, first prompt first.", "kept"),
            ("Return the mean over the runs of what {} returns: the prompts have the same shape.",
             "torch.stack(kept).mean(0)"),
            ("Return the difference of what {} returns: last prompt minus first.", "kept[-1] - kept[0]"),
            ("Return what {} returns in all runs, joined along the batch.", "torch.cat(kept)"),
        ]
    )  # fmt: skip
    site = f"model.blocks[layer].{name}"
    told = told.format(f"`{site}`")
    body = stored(site, "for tokens in prompts:\n        model(tokens)", result)
    return capturing(
        [f"Run the model on each of `prompts`, a list of tokens of shape `(batch, seq)`. {told} {DETACHED}"],
        "def capture(model, layer, prompts):",
        body,
        "[capture(model, layer, [tokens, (tokens + 1) % d_vocab, tokens * 2 % d_vocab]) for layer in range(n_layers)]",
        [
            *copy_mistakes(),
            HOOK_LEFT,
            INPUT_STORED,
            edit("wrong-layer", "blocks[layer]", "blocks[layer - 1]"),
        ],
    )


def captured_names(rng: Rng) -> WriteCode:
    """A dict of several modules, by their names."""
    copy, told = rng.pick(
        [
            (COPY, "what the module returns"),
            ("output[:, pos].detach().clone()", "what the module returns at position `pos`"),
        ]
    )
    extra = ", pos" if "pos" in copy else ""
    body = f"""\
kept, handles = {{}}, []
def hook_for(name):
    def hook(module, inputs, output):
        kept[name] = {copy}
    return hook
for name in names:
    handles.append(model.get_submodule(name).register_forward_hook(hook_for(name)))
{HANDLES.replace("return model", "model")}
return kept"""
    late = body.replace(
        "hook_for(name):\n    def hook(module, inputs, output):\n        kept",
        "hook(module, inputs, output):\n    kept",
    )
    return capturing(
        [
            (
                "Run `model(tokens)` once. Return a dict that has, under each name in the list `names` (such as "
                f'`"blocks.0.mlp"`), {told}. {EACH_DETACHED}'
            )
        ],
        f"def capture(model, names, tokens{extra}):",
        body,
        f'capture(model, ["embed", "blocks.1.attn", "blocks.2.mlp.0", "blocks.0.mlp"], tokens{extra and ", seq - 2"})',
        [
            *copy_mistakes(copy),
            Wrong(
                "late-binding",
                late.replace("    return hook\n", "").replace("hook_for(name)", "hook"),
                BECAUSE["late-binding"],
            ),
            HOOK_LEFT,
            LAST_ONLY,
        ],
    )


@drill(
    after=["memory.view-or-copy", "modules.sequential-shapes"],
    levels=3,
    lesson="Hooks",
    arena="1.2",
    structures=(20, 28, 18),
)
def capture(rng: Rng) -> WriteCode:
    """Capture an activation that the model overwrites."""
    if rng.level == 1:
        return captured_once(rng)
    if rng.level == SECOND:
        return rng.pick([captured_of, captured_of, captured_all])(rng)
    return rng.pick([captured_before, captured_runs, captured_names])(rng)
