"""Hooks: an activation replaced."""

from collections.abc import Sequence

from tensordrill.authoring import Edit, Rng, WriteCode, Wrong, drill
from tensordrill.building.hooking import (
    ARGUMENTS,
    BECAUSE,
    BUILT,
    GUIDE,
    HANDED_ON,
    HANDLES,
    HOOK_LEFT,
    LAST_ONLY,
    LEAVE,
    edit,
    hooked,
    on_model,
)
from tensordrill.building.transformer import BLOCK, TUPLE_BLOCK

SECOND = 2  # level
# What an output is replaced by: in words, and as an expression. Scaling would be lost on the LayerNorm after it.
MIXING = (
    ("zeros", "torch.zeros_like({x})"),
    ("its negative", "-{x}"),
    ("its mean over the positions, at every position", "{x}.mean(1, keepdim=True).expand_as({x})"),
    ("its mean over the batch, in every example", "{x}.mean(0, keepdim=True).expand_as({x})"),
    ("its entries clamped to between -0.1 and 0.1", "{x}.clamp(-0.1, 0.1)"),
    ("itself with the positions in reverse order", "{x}.flip(1)"),
    ("its running sum over the positions", "{x}.cumsum(1)"),
    ("its positive part (0 where it is negative)", "{x}.clamp(min=0)"),
    ("its absolute values", "{x}.abs()"),
    ("the squares of its entries", "{x}**2"),
    ("itself with the last axis in reverse order", "{x}.flip(-1)"),
)  # fmt: skip
# These commute with a block, which treats each example alike: of a whole stream they would be the same at any layer.
OF_EXAMPLES = (
    (
        "itself rolled along the batch: each example gets that of the one before, and the first that of the last",
        "{x}.roll(1, 0)",
    ),
    ("that of the first example, in every example", "{x}[:1].expand_as({x})"),
)
CHANGES = (*MIXING, *OF_EXAMPLES)
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
) -> WriteCode:
    """`call` are the logits; where blocks return tuples, what else they hand on is looked at too."""
    rest = {"the other item of each block": f"handed_on(lambda: {call})"} if tuples else {}
    value = {"`value` afterwards": "value"} if "value" in call else {}
    return on_model(
        asked=[BUILT, *asked, LEAVE],
        signature=signature,
        body=body,
        observe={"the result": call} | rest | value,
        wrong=wrong,
        block=TUPLE_BLOCK if tuples else BLOCK,
        setup=(HANDED_ON if tuples else "") + ("value = torch.randn(batch, seq, d_model)\n" if value else ""),
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
        HOOK_LEFT,
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
            ("module", "module", "that module", f"[it.{name} for it in model.blocks]", ""),
            ("block", f"block.{name}", f"`block.{name}`", "model.blocks", ""),
            ("name", "model.get_submodule(name)", "that module",
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
        [
            *([ARGUMENTS[given].format(f"blocks.0.{name}")] if given in ARGUMENTS else []),
            f"Return the logits of `model(tokens)` with the output of {told} replaced by {by}. {REPLACED}",
        ],
        f"def run(model, {given}{argument}, tokens):",
        returned(site, new),
        f"[run(model, it{actual}, tokens) for it in {cases}]",
        change_mistakes(new, "blocks[layer]", neighbour),
    )


NAMED = {"block": ARGUMENTS["block"], "name": "`name` is the name of a block, such as `blocks.0`."}
OTHERS_LOST = "The block's other item is lost: it was to stay, and belongs into what the hook returns."
FIRST_ITEM = "A block returns a tuple. Its first item is the residual stream, which goes to the next block."


def replaced_in_tuple(rng: Rng) -> WriteCode:
    """The residual stream, in blocks that return more than it."""
    given, site, told, cases = rng.pick(
        [
            ("layer", "model.blocks[layer]", "block `layer`", "range(n_layers)"),
            ("block", "block", "`block`", "model.blocks"),
            ("name", "model.get_submodule(name)", "that block",
             '[f"blocks.{i}" for i in range(n_layers)]'),
        ]
    )  # fmt: skip
    by, new, argument, actual = rng.pick(
        [
            *((by, new.format(x="output[0]"), "", "") for by, new in MIXING if by != "its negative"),
            ("`value`, a tensor of the same shape", "value", ", value", ", value"),
            ("`change(output[0])`, where `change` is a function of tensors", "change(output[0])", ", change",
             ", lambda x: x.flip(1) - x.cumsum(1)"),
        ]
    )  # fmt: skip
    result = f"{new}, *output[1:]"
    wrong: list[Edit | Wrong] = [
        edit("nothing-returned", f"    return {result}\n", f"    output = {result}\n"),
        HOOK_LEFT,
        edit("bare-tensor", f"return {result}", f"return {new}"),
        edit("others-lost", f"return {result}", f"return {new}, None", OTHERS_LOST),
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
            f"{FIRST_ITEM} {NAMED.get(given, '')}".strip(),
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
        for by, new in (MIXING if tuples else CHANGES)
        if by not in ("its negative", "zeros") and not (tuples and by.startswith("its mean"))  # as if once
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
        HOOK_LEFT,
        LAST_ONLY,
        edit("every-layer", f"for {loop}]", "for i in range(n_layers)]")
        if argument == "layers"
        else Wrong("late-binding", LATE_VALUES.format(loop=loop, name=name, run=HANDLES), BECAUSE["late-binding"]),
    ]
    if tuples:
        wrong.append(edit("bare-tensor", f"return {new}{rest}", f"return {new}"))
        wrong.append(edit("others-lost", f"return {new}{rest}", f"return {new}, None", OTHERS_LOST))
    what = f"{item} is replaced by {by}{'. The other items stay' if tuples else ''}"
    return replacing(
        [
            *([FIRST_ITEM] if tuples else []),
            f"Return the logits of one run of `model(tokens)` in which, {told}, {what}. {REPLACED}",
        ],
        f"def run(model, {argument}, tokens):",
        body,
        f"run(model, {actual}, tokens)",
        wrong,
        tuples=tuples,
    )


@drill(after=["hooks.capture"], levels=3, lesson="Hooks", arena="1.2", structures=(45, 105, 52))
def replace(rng: Rng) -> WriteCode:
    """Replace an activation."""
    if rng.level == 1:
        return replaced_once(rng)
    if rng.level == SECOND:
        return replaced_given(rng)
    return rng.pick([replaced_in_tuple, replaced_several])(rng)
