"""Hooks: parts of the model ablated."""

from tensordrill.authoring import Rng, WriteCode, Wrong, drill
from tensordrill.building.ablation import (
    BY_POSITION,
    CHANGE,
    OVERALL,
    PARTS,
    PATTERN,
    Part,
    ablating,
    ablation_mistakes,
    reference_told,
    stand,
    write,
)
from tensordrill.building.hooking import HANDLES, HOOK_LEFT, LAST_ONLY, edit, hooked


def ablated_once(rng: Rng) -> WriteCode:
    """One layer and one piece of it, which the prompt names."""
    part = rng.pick(PARTS)
    standing, index = stand(rng, part), str(rng.integer(0, 1))
    layer = rng.integer(0, 2)
    site = f"model.blocks[{layer}].{part.site}"
    line = write(part, standing, index, "reference")
    reference = reference_told(part, "reference", f"`{site}`") if standing.over else ""
    extra = ", reference" if standing.over else ""
    call = f"ablate(model, tokens{f', reference[{layer}]' if extra else ''})"
    return ablating(
        [
            f"Return the logits of `model(tokens)` with {part.told} {index} of `model.blocks[{layer}]` replaced by "
            f"{standing.told(part)}. {reference}".strip()
        ],
        part,
        standing,
        signature=f"def ablate(model, tokens{extra}):",
        body=hooked(site, CHANGE.format(line=line)),
        logits=call,
        wrong=[
            *ablation_mistakes(part, standing, index, "reference"),
            HOOK_LEFT,
            edit("wrong-layer", f"blocks[{layer}]", f"blocks[{(layer + 1) % 3}]"),
        ],
        guide=True,
    )


# How the pieces are given: the argument, how that is told, and two of them for the hidden runs.
GIVEN = (
    ("{piece}", "{told} `{piece}`", "1", "0"),
    ("{piece}s", "{told} `i`, for each `i` in the list `{piece}s`,", "[0, 1]", "[1]"),
    ("mask", "{told} `i`, for each `i` where `mask[i]` is True (`mask` has shape `({axis},)`),",
     "torch.arange({axis}) % 2 == 0", "torch.arange({axis}) == 1"),
)  # fmt: skip


def several(part: Part, given: tuple[str, str, str, str]) -> tuple[str, str, str, str]:
    name, told, *cases = (text.format(piece=part.piece, told=part.told, axis=part.axis) for text in given)
    return name, told, cases[0], cases[1]


def ablated_given(rng: Rng) -> WriteCode:
    """The layer and the pieces are arguments."""
    part = rng.pick(PARTS)
    standing = stand(rng, part)
    name, told, one, other = several(part, rng.pick(GIVEN))
    site, source = f"model.blocks[layer].{part.site}", "reference[layer]"
    line = write(part, standing, name, source)
    extra = ", reference" if standing.over else ""
    reference = reference_told(part, source, f"`{part.site}` of block `layer`") if extra else ""
    cases = rng.shuffled([f"(0, {one})", f"(n_layers - 1, {other})", f"(1, {one})"])
    return ablating(
        [
            f"Return the logits of `model(tokens)` with {told} of block `layer` replaced by "
            f"{standing.told(part)}. {reference}".strip()
        ],
        part,
        standing,
        signature=f"def ablate(model, tokens, layer, {name}{extra}):",
        body=hooked(site, CHANGE.format(line=line)),
        logits=f"[ablate(model, tokens, *case{extra}) for case in [{', '.join(cases)}]]",
        wrong=[
            *ablation_mistakes(part, standing, name, source),
            HOOK_LEFT,
            edit("wrong-layer", "model.blocks[layer]", "model.blocks[layer - 1]"),
        ],
    )


def ablated_by_own_mean(rng: Rng) -> WriteCode:
    """The reference batch has to be run first."""
    part = rng.pick(PARTS)
    standing = rng.pick([BY_POSITION] if part is PATTERN else [BY_POSITION, OVERALL])
    name, told, one, other = several(part, rng.pick(GIVEN))
    store = (
        f"site, kept = model.blocks[layer].{part.site}, []\n"
        "storing = site.register_forward_hook(lambda module, inputs, output: kept.append(output))\n"
        "model(others)\n"
        "storing.remove()\n"
    )
    line = write(part, standing, name, "kept[0]")
    cases = f"[(0, {one}), (n_layers - 1, {other})]"
    wrong = [turn for turn in ablation_mistakes(part, standing, name, "kept[0]") if turn.id != "own-mean"]
    return ablating(
        [
            (
                f"Return the logits of `model(tokens)` with {told} of block `layer` replaced by "
                f"{standing.told(part)}: a "
                "run on the tokens `others`, of the same length."
            )
        ],
        part,
        standing,
        signature=f"def ablate(model, tokens, others, layer, {name}):",
        body=store + hooked("site", CHANGE.format(line=line)),
        logits=f"[ablate(model, tokens, others, *case) for case in {cases}]",
        wrong=[
            *wrong,
            edit(
                "own-mean", "model(others)", "model(tokens)", "That is the mean over the run itself, not over `others`."
            ),
            edit("hook-left", "    handle.remove()", "    pass"),
            edit("storing-hook-left", "storing.remove()", "pass", "The hook that stores is still on the model."),
            edit("wrong-layer", "model.blocks[layer]", "model.blocks[layer - 1]"),
        ],
    )


def ablated_pairs(rng: Rng) -> WriteCode:
    """Several pieces of several layers."""
    part = rng.pick(PARTS)
    standing = stand(rng, part)
    source, extra = "reference[layer]", ", reference" if standing.over else ""
    line = write(part, standing, part.piece, source)
    reference = reference_told(part, source, f"`{part.site}` of block `layer`") if extra else ""
    body = f"""\
def hook_for(layer, {part.piece}):
    def hook(module, inputs, output):
        output = output.clone()
        {line}
        return output
    return hook
handles = []
for layer, {part.piece} in pairs:
    hook = hook_for(layer, {part.piece})
    handles.append(model.blocks[layer].{part.site}.register_forward_hook(hook))
{HANDLES}"""
    pairs = rng.pick(["[(1, 0), (1, 1), (0, 1)]", "[(0, 0), (2, 1), (0, 1)]", "[(2, 1), (1, 0), (2, 0)]"])
    late = body.replace(f"    hook = hook_for(layer, {part.piece})\n", "").split("handles = []")[1].splitlines()
    inner = [f"    {line}" for line in hook_lines(line)]
    return ablating(
        [
            f"Return the logits of one run of `model(tokens)` in which, for each pair `(layer, {part.piece})` in the "
            f"list `pairs`, {part.told} `{part.piece}` of block `layer` is replaced by {standing.told(part)}. "
            f"{reference}".strip()
        ],
        part,
        standing,
        signature=f"def ablate(model, tokens, pairs{extra}):",
        body=body,
        logits=f"ablate(model, tokens, {pairs}{extra})",
        wrong=[
            *[turn for turn in ablation_mistakes(part, standing, part.piece, source) if turn.id != "others-ablated"],
            Wrong(
                "late-binding",
                "\n".join(["handles = []", late[1], *inner, *late[2:]]),
                "Each hook looks its pair up when it is called, and finds the last one. Bind it before.",
            ),
            HOOK_LEFT,
            LAST_ONLY,
            edit("first-only", "in pairs:", "in pairs[:1]:"),
        ],
    )


def hook_lines(line: str) -> list[str]:
    return ["def hook(module, inputs, output):", "    output = output.clone()", f"    {line}", "    return output"]


@drill(after=["hooks.replace", "shapes.reduce"], levels=3, lesson="Hooks", arena="1.2", structures=(11, 11, 17))
def ablate(rng: Rng) -> WriteCode:
    """Ablate heads and neurons."""
    match rng.level:
        case 1:
            return ablated_once(rng)
        case 2:
            return ablated_given(rng)
    return rng.pick([ablated_by_own_mean, ablated_pairs])(rng)
