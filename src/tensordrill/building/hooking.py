"""Puzzles about hooks: a function that runs the small transformer, and what of the model is looked at afterwards."""

from collections.abc import Mapping, Sequence

from tensordrill.building.transformer import AXES, BLOCK, SIZES, Layer, shown, transformer, whole
from tensordrill.puzzles import Edit, WriteCode, Wrong

# Every module carries a hook of somebody else's, which has to stay.
MODEL = """
model = Transformer()
for module in model.modules():
    module.register_forward_hook(lambda module, inputs, output: None)
tokens = torch.randint(d_vocab, (batch, seq))
def _names(module):
    return {*vars(module), *module._buffers, *module._parameters, *module._modules} - {"forward"}
_named = [_names(module) for module in model.modules()]
"""
MODES = {
    "the number of attributes that modules were given": "sum(len(_names(m) - _n) for m, _n in zip(model.modules(), "
    "_named))",
    "the mode of each module": "[[m.training for m in model.modules()], [p.requires_grad for p in model.parameters()]]",
}
AFTERWARDS = {
    "the model afterwards": "model(tokens)",
    "the number of hooks on each module": "[len(m._forward_hooks) + len(m._forward_pre_hooks) "
    "for m in model.modules()]",
    "the number of hooks on all modules": "[len(nn.modules.module._global_forward_hooks), "
    "len(nn.modules.module._global_forward_pre_hooks)]",
    "the modules that another `forward` was given": "[name for name, m in model.named_modules() "
    "if getattr(m.forward, '__func__', None) is not type(m).forward]",
}
# What that module of each block returns in a run; of a tuple, the first item.
OUTPUTS = """
def outputs(name, tokens):
    def keep(module, inputs, output):
        kept.append((output[0] if isinstance(output, tuple) else output).detach().clone())
    kept = []
    handles = [block.get_submodule(name).register_forward_hook(keep) for block in model.blocks]
    model(tokens)
    for handle in handles:
        handle.remove()
    return kept
"""
# What blocks that return tuples hand on besides the stream, whatever hooks make of it, in the last run of several.
HANDED_ON = """
handed = []
def hand_on(block, x):
    handed.append(nn.Module.__call__(block, x))
    return handed[-1]
Block.__call__ = hand_on
def handed_on(run):
    run()
    return [tuple(items)[1:] for items in handed[-n_layers:]]
"""
GUIDE = (
    "A forward hook is a function `hook(module, inputs, output)`. What it returns, unless that is None, takes the "
    "place of the output. `register_forward_hook(hook)` returns a handle, which has `remove()`."
)
MLP = "`mlp` is `nn.Sequential(nn.Linear(d_model, d_mlp), nn.ReLU(inplace=True), nn.Linear(d_mlp, d_model))`."
# What an argument is that says which module; such a module is told as `that module`.
ARGUMENTS = {
    "module": "`module` is one of the model's modules, and returns a tensor of shape `(batch, seq, …)`.",
    "name": "`name` is the name of one of the model's modules, such as `{}`, which returns a tensor of shape `(batch, "
    "seq, …)`.",
    "block": "`block` is one of the model's blocks.",
}
BUILT = "`model` is a `Transformer` (its `__init__` is not shown)."
LEAVE = "Leave `model` as you found it."
BECAUSE = {
    "hook-left": "Your hook stays on the model, and fires on every run after.",
    "last-handle-only": "Only the last hook was removed.",
    "nothing-returned": "Your hook returns nothing, so the output stays as it was: a new value for a local name is "
    "lost.",
    "wrong-layer": "Your hook is on another layer than the one asked for. Blocks count from 0.",
    "bare-tensor": "The block returns a tuple, and so must the hook: what it returns is what the caller gets.",
    "late-binding": "Each hook looks its layer up when it is called, and finds the last one. Bind it before.",
    "first-only": "Only the first of them has a hook.",
    "every-layer": "Every block has your hook; only one was asked for.",
}


def edit(key: str, old: str, new: str, because: str = "") -> Edit:
    return Edit(key, old, new, because or BECAUSE[key])


HOOK_LEFT = edit("hook-left", "handle.remove()", "pass")
LAST_ONLY = edit("last-handle-only", "for handle in handles:\n            handle.remove()", "handles[-1].remove()")


def hooked(site: str, hook: str, run: str = "return model(tokens)", *, pre: bool = False) -> str:
    """Code that runs the model with that hook, the body of a function, and leaves none."""
    inputs, kind = ("inputs", "forward_pre") if pre else ("inputs, output", "forward")
    body = "\n".join([f"    {line}" for line in hook.splitlines()])
    return f"""\
def hook(module, {inputs}):
{body}
handle = {site}.register_{kind}_hook(hook)
try:
    {run}
finally:
    handle.remove()"""


HANDLES = """\
try:
    return model(tokens)
finally:
    for handle in handles:
        handle.remove()"""


def on_model(
    *,
    asked: Sequence[str],
    signature: str,
    body: str,
    observe: Mapping[str, str],
    wrong: Sequence[Edit | Wrong],
    hints: Sequence[str],
    why: str,
    block: Layer = BLOCK,
    show: Sequence[Layer] | None = None,
    setup: str = "",
    hooks_only: bool = False,
) -> WriteCode:
    """The puzzle. `show` are the classes that the learner sees, without their `__init__`.

    The model afterwards is looked at as a whole, or for its hooks and what it gives alone.
    """
    layers = transformer(block)
    return WriteCode(
        prompt="\n\n".join(asked),
        signature=signature,
        body=body,
        axes=AXES,
        sizes=SIZES,
        setup=f"{whole(layers)}\n{MODEL}{setup}",
        shown_setup="\n" + shown(layers[1:] if show is None else show),
        observe={**observe, **AFTERWARDS, **({} if hooks_only else MODES)},
        wrong=wrong,
        hints=hints,
        why=why,
    )
