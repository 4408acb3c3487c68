"""Hooks: an activation captured, an activation replaced."""

from collections.abc import Sequence

from tensordrill.authoring import Edit, Rng, WriteCode, Wrong, drill
from tensordrill.building.hooking import BECAUSE, BUILT, GUIDE, HANDLES, LEAVE, MLP, edit, hooked, on_model
from tensordrill.building.transformer import BLOCK, IN_PLACE_BLOCK, TUPLE_BLOCK

SECOND = 2  # level
HOOK_LEFT = edit("hook-left", "handle.remove()", "pass")
LATE = BECAUSE["late-binding"]

# --- capture

IN_BLOCK = ("attn", "mlp", "mlp[0]")  # outputs that the next line of the model, or the ReLU, overwrites
DETACHED = "It is detached from the graph, and as the layer returned it: nothing later in the run may change it."
COPY = "output.detach().clone()"
UNCHANGED = "It is detached from the graph, and nothing later in the run may change it."
NEEDS = """
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
        edit("graph-kept", copy, f"{tensor}.clone()", "The clone still holds on to the graph of the run: detach it."),
    ]


INPUT_STORED = edit(
    "input-stored", COPY, "inputs[0].detach().clone()", "You kept what goes into the layer, not what it returns."
)


def capturing(
    asked: Sequence[str], signature: str, body: str, call: str, wrong: Sequence[Edit | Wrong], setup: str = ""
) -> WriteCode:
    return on_model(
        asked=[f"{BUILT} {MLP}", *asked, LEAVE],
        signature=signature,
        body=body,
        observe={"what is captured": call, "whether it needs gradients": f"needs({call}{'[1]' * ('logits' in body)})"},
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
    ("the logits and, as the second of a pair, what {} returns", "logits, kept[0]"),
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
    told = told.format(f"`{site}`", axis="d_mlp" if site.endswith("[0]") else "d_model")
    wrong = [*copy_mistakes(), HOOK_LEFT]
    if site != "model.embed":
        wrong += [INPUT_STORED, edit("wrong-layer", f"blocks[{index}]", f"blocks[{(index + 1) % 3}]")]
    return capturing(
        [f"Run `model(tokens)` and return {told}. {DETACHED}", GUIDE],
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
            ("module", "module", "`module`, one of the model's modules,",
             "model.embed, model.blocks[1].attn, model.blocks[2].mlp[0]"),
            ("name", "model.get_submodule(name)", 'the module with the name `name`, such as `"blocks.0.attn"`,',
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
        [f"Run `model(tokens)` and return {told_result.format(told)}. {DETACHED}"],
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
            ("a list of what the `{}` of the blocks return, first block first", "kept"),
            ("one tensor: what the `{}` of the blocks return, stacked along a new first axis", "torch.stack(kept)"),
            ("a dict: under `i` what the `{}` of `model.blocks[i]` returns", "dict(enumerate(kept))"),
            ("a list of what the `{}` of the blocks return at the last position, first block first",
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
        [f"Run `model(tokens)` once and return {told.format(name)}. {DETACHED.replace('the layer', 'each')}"],
        "def capture(model, tokens):",
        body,
        "capture(model, tokens)",
        [
            *copy_mistakes(),
            INPUT_STORED,
            edit("hook-left", "handle.remove()", "pass"),
            edit("last-handle-only", "for handle in handles:\n            handle.remove()", "handles[-1].remove()"),
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
            ("kept[0].clamp(max=0)", "the negative part of what goes into the ReLU (0 where it is positive)"),
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
    body = stored(site, "for tokens in prompts:\n        model(tokens)", result)
    return capturing(
        [f"Run the model on each of `prompts`. {told.format(f'`{site}`')} {DETACHED}"],
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
                f'`"blocks.0.mlp"`), {told}. {DETACHED}'
            )
        ],
        f"def capture(model, names, tokens{extra}):",
        body,
        f'capture(model, ["embed", "blocks.1.attn", "blocks.2.mlp.0", "blocks.0.mlp"], tokens{extra and ", seq - 2"})',
        [
            *copy_mistakes(copy),
            Wrong("late-binding", late.replace("    return hook\n", "").replace("hook_for(name)", "hook"), LATE),
            edit("hook-left", "handle.remove()", "pass"),
            edit("last-handle-only", "for handle in handles:\n            handle.remove()", "handles[-1].remove()"),
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


# --- replace

# What an output is replaced by: in words, and as an expression. Scaling would be lost on the LayerNorm after it.
CHANGES = (
    ("zeros", "torch.zeros_like({x})"),
    ("its negative", "-{x}"),
    ("its mean over the positions, at every position", "{x}.mean(1, keepdim=True).expand_as({x})"),
    ("its mean over the batch, in every example", "{x}.mean(0, keepdim=True).expand_as({x})"),
    ("its entries clamped to between -0.1 and 0.1", "{x}.clamp(-0.1, 0.1)"),
    ("the same with its positions in reverse order", "{x}.flip(1)"),
    ("the same with each example's moved to the next one, and the last one's to the first", "{x}.roll(1, 0)"),
    ("its running sum over the positions", "{x}.cumsum(1)"),
    ("its positive part (0 where it is negative)", "{x}.clamp(min=0)"),
    ("its absolute values", "{x}.abs()"),
    ("that of the first example, in every example", "{x}[:1].expand_as({x})"),
)  # fmt: skip
SITES = ("attn", "mlp", "ln1", "ln2", "attn.hook_z")
REPLACED = "What the model computes from it follows from what you put there."


def replacing(
    asked: Sequence[str],
    signature: str,
    body: str,
    call: str,
    wrong: Sequence[Edit | Wrong],
    *,
    tuples: bool = False,
    setup: str = "",
    observe: dict[str, str] | None = None,
) -> WriteCode:
    return on_model(
        asked=[BUILT, *asked, LEAVE],
        signature=signature,
        body=body,
        observe={"the logits": call} | (observe or {}),
        wrong=wrong,
        block=TUPLE_BLOCK if tuples else BLOCK,
        setup=setup,
        hints=[
            "Giving the name `output` a new value changes nothing outside the hook. How does a hook hand something on?",
            "Return what is to take the output's place"
            + (
                ", in a tuple like the one that the block returned."
                if tuples
                else ", and remove the hook by its handle."
            ),
        ],
        why="What a forward hook returns takes the place of the module's output; None leaves the output as it is. It "
        "must have the form that the caller expects: for a module that returns a tuple, a tuple.",
    )


def returned(site: str, new: str) -> str:
    return hooked(site, f"return {new}")


def change_mistakes(new: str, site: str, neighbour: str = "") -> list[Edit | Wrong]:
    wrong: list[Edit | Wrong] = [
        edit("nothing-returned", f"    return {new}\n", f"    output = {new}\n"),
        edit("hook-left", "handle.remove()", "pass"),
    ]
    if neighbour:
        wrong.append(edit("wrong-layer", site, neighbour))
    return wrong


def replaced_once(rng: Rng) -> WriteCode:
    """One layer, which the prompt names."""
    index = rng.integer(0, 2)
    told, new = rng.pick(CHANGES)
    new = new.format(x="output")
    site = f"model.blocks[{index}].{rng.pick(SITES)}"
    return replacing(
        [f"Return the logits of `model(tokens)` with the output of `{site}` replaced by {told}. {REPLACED}", GUIDE],
        "def run(model, tokens):",
        returned(site, new),
        "run(model, tokens)",
        change_mistakes(new, f"[{index}]", f"[{(index + 1) % 3}]"),
    )


def replaced_given(rng: Rng) -> WriteCode:
    """The layer, and what its output is replaced by, are arguments or are told."""
    name = rng.pick(SITES[:4])
    given, site, told, cases, neighbour = rng.pick(
        [
            ("layer", f"model.blocks[layer].{name}", f"`{name}` of block `layer`", "range(n_layers)", ("blocks[layer "
                                                                                                      "- 1]")),
            ("module", "module", "`module`, one of the model's modules,", f"[it.{name} for it in model.blocks]", ""),
            ("block", f"block.{name}", f"`{name}` of `block`, one of the model's blocks,", "model.blocks", ""),
            ("name", "model.get_submodule(name)", f'the module with the name `name`, such as `"blocks.0.{name}"`,',
             f'[f"blocks.{{i}}.{name}" for i in range(n_layers)]', ""),
        ]
    )  # fmt: skip
    kind = rng.pick(["told", "told", "value", "change"])
    argument, new, by = {
        "told": ("", "", ""),
        "value": (", value", "value", "`value`, a tensor of the same shape. Leave `value` as it is"),
        "change": (", change", "change(output)", "`change(output)`, where `change` is a function of tensors"),
    }[kind]
    if kind == "told":
        by, new = rng.pick(CHANGES)
        new = new.format(x="output")
    actual = {"told": "", "value": ", value", "change": ", lambda x: x.flip(1) - x.cumsum(1)"}[kind]
    return replacing(
        [f"Return the logits of `model(tokens)` with the output of {told} replaced by {by}. {REPLACED}"],
        f"def run(model, {given}{argument}, tokens):",
        returned(site, new),
        f"[run(model, it{actual}, tokens) for it in {cases}]",
        change_mistakes(new, "blocks[layer]", neighbour),
        setup="value = torch.randn(batch, seq, d_model)\n",
        observe={"the value afterwards": "value"} if kind == "value" else {},
    )


FIRST_ITEM = "A block returns a tuple. Its first item is the residual stream, which goes to the next block."


def replaced_in_tuple(rng: Rng) -> WriteCode:
    """The residual stream, in blocks that return more than it."""
    given, site, told, cases = rng.pick(
        [
            ("layer", "model.blocks[layer]", "block `layer`", "range(n_layers)"),
            ("block", "block", "`block`, one of the model's blocks,", "model.blocks"),
            ("name", "model.get_submodule(name)", 'the module with the name `name`, such as `"blocks.0"`,',
             '[f"blocks.{i}" for i in range(n_layers)]'),
        ]
    )  # fmt: skip
    by, new, argument, actual = rng.pick(
        [
            *((by, new.format(x="output[0]"), "", "") for by, new in CHANGES if by != "its negative"),
            ("`value`, a tensor of the same shape", "value", ", value", ", value"),
            ("`change(output[0])`, where `change` is a function of tensors", "change(output[0])", ", change",
             ", lambda x: x.flip(1) - x.cumsum(1)"),
        ]
    )  # fmt: skip
    result = f"{new}, *output[1:]"
    wrong: list[Edit | Wrong] = [
        edit("nothing-returned", f"    return {result}\n", f"    output = {result}\n"),
        edit("hook-left", "handle.remove()", "pass"),
        edit("bare-tensor", f"return {result}", f"return {new}"),
        Wrong(
            "only-item",
            returned(site, f"({new},)"),
            "The block returns a tuple of two, and your hook one of a single item: the rest of it belongs there too.",
        ),
    ]
    if given == "layer":
        wrong.append(edit("wrong-layer", site, "model.blocks[layer - 1]"))
    return replacing(
        [
            FIRST_ITEM,
            (
                f"Return the logits of `model(tokens)` with the first item of what {told} returns replaced by {by}. "
                f"The other item stays. {REPLACED}"
            ),
        ],
        f"def run(model, {given}{argument}, tokens):",
        returned(site, result),
        f"[run(model, it{actual}, tokens) for it in {cases}]",
        wrong,
        tuples=True,
        setup="value = torch.randn(batch, seq, d_model)\n",
    )


LATE_VALUES = """\
handles = []
for i in [i for {loop}]:
    def hook(module, inputs, output):
        return values[i]
    handles.append(model.blocks[i]{name}.register_forward_hook(hook))
{run}"""


def replaced_several(rng: Rng) -> WriteCode:
    """Several blocks in one run. A whole residual stream would hide what was replaced before it: parts of it do not."""
    tuples = rng.chance()
    name = "" if tuples else f".{rng.pick(SITES[:2])}"
    x, rest = ("output[0]", ", *output[1:]") if tuples else ("output", "")
    item = "the first item of what block `i` returns" if tuples else f"the output of `model.blocks[i]{name}`"
    changes = [
        (by, new.format(x=x), "i in layers", "for each `i` in the list `layers`", "layers", "[0, 1]")
        for by, new in CHANGES
        if by not in ("its negative", "zeros") and not (tuples and by.startswith(("its mean", "that of")))  # as if once
    ]
    by, new, loop, told, argument, actual = rng.pick(
        changes
        if tuples
        else [
            *changes,
            *[("`values[i]`", "values[i]", "i in values", "for each key `i` of the dict `values`", "values",
               "{2: value, 0: value.flip(0)}")] * 3,
            *[("`values[i]`, unless that is None", "values[i]", "i in range(len(values)) if values[i] is not None",
               "for each index `i` of the list `values`", "values", "[value, None, value.flip(0)]")] * 3,
        ]
    )  # fmt: skip
    body = f"""\
def hook_for(i):
    def hook(module, inputs, output):
        return {new}{rest}
    return hook
handles = [model.blocks[i]{name}.register_forward_hook(hook_for(i)) for {loop}]
{HANDLES}"""
    wrong: list[Edit | Wrong] = [
        edit("nothing-returned", f"        return {new}{rest}\n", f"        output = {new}{rest}\n"),
        edit("hook-left", "handle.remove()", "pass"),
        edit("last-handle-only", "for handle in handles:\n            handle.remove()", "handles[-1].remove()"),
        edit("every-layer", f"for {loop}]", "for i in range(n_layers)]")
        if argument == "layers"
        else Wrong("late-binding", LATE_VALUES.format(loop=loop, name=name, run=HANDLES), LATE),
    ]
    if tuples:
        wrong.append(edit("bare-tensor", f"return {new}{rest}", f"return {new}"))
    return replacing(
        [
            *([FIRST_ITEM] if tuples else []),
            f"Return the logits of one run of `model(tokens)` in which, {told}, {item} is replaced by {by}. {REPLACED}",
        ],
        f"def run(model, {argument}, tokens):",
        body,
        f"run(model, {actual}, tokens)",
        wrong,
        tuples=tuples,
        setup="value = torch.randn(batch, seq, d_model)\n",
    )


@drill(after=["hooks.capture"], levels=3, lesson="Hooks", arena="1.2", structures=(45, 105, 52))
def replace(rng: Rng) -> WriteCode:
    """Replace an activation."""
    if rng.level == 1:
        return replaced_once(rng)
    if rng.level == SECOND:
        return replaced_given(rng)
    return rng.pick([replaced_in_tuple, replaced_several])(rng)
