"""Puzzles about ablation: what is taken away, what stands in for it, and what goes wrong in that."""

from collections.abc import Sequence
from dataclasses import dataclass

from tensordrill.building.hooking import BUILT, GUIDE, LEAVE, MLP, OUTPUTS, edit, on_model
from tensordrill.building.transformer import ATTENTION, BLOCK, Layer
from tensordrill.puzzles import Edit, WriteCode, Wrong
from tensordrill.rng import Rng


@dataclass(frozen=True)
class Part:
    """What an ablation takes pieces of: where in a block it is computed, its axes, and which of them the pieces are."""

    site: str
    axes: tuple[str, ...]
    axis: str
    piece: str
    told: str

    def at(self, index: str, *, without: Sequence[str] = (), axis: str = "") -> str:
        """The index of a piece (or of what another axis has there), in a tensor without some of the axes."""
        axes = [name for name in self.axes if name not in without]
        place = axes.index(axis or self.axis)
        return ", ".join([":"] * place + [index])


Z = Part("attn.hook_z", ("batch", "seq", "n_heads", "d_head"), "n_heads", "head", "the `z` of head")
V = Part("attn.hook_v", Z.axes, "n_heads", "head", "the `v` of head")
PATTERN = Part(
    "attn.hook_pattern", ("batch", "n_heads", "query", "key"), "n_heads", "head", "the attention pattern of head"
)
NEURONS = Part("mlp[1]", ("batch", "seq", "d_mlp"), "d_mlp", "neuron", "the activation of neuron")
PARTS = (Z, V, PATTERN, NEURONS)


@dataclass(frozen=True)
class Stand:
    """What stands in for a piece: nothing, or a mean over some axes of the same activation in other runs."""

    over: tuple[str, ...] = ()

    def told(self, part: Part) -> str:
        if not self.over:
            return "0"
        mean = "over the examples" if len(self.over) == 1 else "over the examples and positions"
        alone = " (one for each position)" if self.over == ("batch",) and part is not PATTERN else ""
        return f"its mean {mean} of the reference batch{alone}"

    def value(self, part: Part, index: str, source: str) -> str:
        if not self.over:
            return "0"
        dims = [part.axes.index(axis) for axis in self.over]
        mean = f"{source}.mean({dims[0] if len(dims) == 1 else tuple(dims)})"
        return f"{mean}[{part.at(index, without=self.over)}]" if index else mean


ZERO, BY_POSITION, OVERALL = Stand(), Stand(("batch",)), Stand(("batch", "seq"))


def stand(rng: Rng, part: Part) -> Stand:
    return rng.pick([ZERO, BY_POSITION] if part is PATTERN else [ZERO, BY_POSITION, OVERALL])


# The same activation in the runs of a reference batch of another size, layer by layer.
REFERENCE = """
others = torch.randint(d_vocab, (batch + 1, seq))
reference = outputs("{path}", others)
"""


def write(part: Part, stand: Stand, index: str, source: str) -> str:
    return f"output[{part.at(index)}] = {stand.value(part, index, source)}"


def ablation_mistakes(part: Part, stand: Stand, index: str, source: str) -> list[Edit]:
    line, here = write(part, stand, index, source), f"output[{part.at(index)}]"
    everything = stand.value(part, "", source)
    names = {"n_heads": "heads", "seq": "positions", "d_head": "the entries of d_head", "d_mlp": "neurons"}
    names |= {"batch": "examples", "query": "queries", "key": "keys"}
    found = [
        edit("all-of-them", line, f"output[:] = {everything}", f"You ablated every {part.piece} of the layer."),
        edit(
            "others-ablated",
            line,
            f"kept = {here}.clone(); output[:] = {everything}; {here} = kept",
            f"You ablated every {part.piece} but the one that was asked for.",
        ),
        edit("nothing-returned", "return output", "pass", "The clone that you changed is lost: return it."),
    ]
    for axis in part.axes:
        idle = part is PATTERN and axis == "query" and stand.over  # the first query sees but one key, in all runs
        if axis != part.axis and axis not in stand.over and not idle:
            value = stand.value(part, "", source)
            value += f"[{part.at(index, without=stand.over, axis=axis)}]" if stand.over else ""
            because = f"You indexed {names[axis]}. Of ({', '.join(part.axes)}), the {part.piece}s are {part.axis}."
            found.append(edit("wrong-axis", line, f"output[{part.at(index, axis=axis)}] = {value}", because))
    if stand.over:
        other = BY_POSITION if stand is OVERALL else OVERALL
        because = "Zero was put in; the mean was asked for, so that what is usual there stays."
        found.append(edit("zero-for-mean", line, f"{here} = 0", because))
        because = "That is the mean over the run itself; the reference batch was asked for."
        found.append(edit("own-mean", line, write(part, stand, index, "output"), because))
        if part is not PATTERN:
            because = f"You took the mean over {'the examples alone' if other is BY_POSITION else 'the positions too'}."
            found.append(edit("mean-over-wrong-axes", line, write(part, other, index, source), because))
        if part in (Z, V):
            dims = (0, 2) if stand is BY_POSITION else (0, 1, 2)
            because = "You took the mean over the heads too, so that every head gives the same."
            found.append(edit("mean-over-heads", line, f"{here} = {source}.mean({dims})", because))
    return found


def ablating(
    asked: Sequence[str],
    part: Part,
    stand: Stand,
    *,
    signature: str,
    body: str,
    logits: str,
    wrong: Sequence[Edit | Wrong],
    guide: bool = False,
) -> WriteCode:
    layer: Layer = BLOCK if part is NEURONS else ATTENTION
    axes = f"({', '.join(part.axes)})"
    where = f"{MLP} `{part.site}` returns" if part is NEURONS else f"`{part.site}` is an `nn.Identity`, which returns"
    return on_model(
        asked=[
            f"{BUILT} In each block, {where} a tensor of shape `{axes}`.",
            *asked,
            f"What the model computes from it follows. {LEAVE}",
            *([GUIDE] if guide else []),
        ],
        signature=signature,
        body=body,
        observe={"the result": logits} | ({"`reference` afterwards": "reference"} if stand.over else {}),
        wrong=wrong,
        show=[ATTENTION, BLOCK] if layer is ATTENTION else [BLOCK],
        setup=OUTPUTS + REFERENCE.format(path=part.site.replace("[1]", ".1")) if stand.over else "",
        hints=[
            f"On which axis of `{axes}` are the {part.piece}s?"
            + (" And over which axes does the mean go?" if stand.over else ""),
            (
                f"In a clone of the output, write to `output[{part.at('…')}]`, return it, and remove the hook by its "
                "handle."
            ),
        ],
        why="A head can be told from the others before W_O, in z, v and the pattern; after W_O the heads are summed. "
        "Zero ablation takes away what the head usually gives too; mean ablation leaves that, by putting in the mean "
        "over a reference batch, and takes away only what is peculiar to this input.",
    )


CHANGE = """\
output = output.clone()
{line}
return output"""


def reference_told(part: Part, source: str, where: str) -> str:
    axes = ", ".join(["n_reference", *part.axes[1:]])
    return f"`{source}`, of shape `({axes})`, is what {where} returned for a reference batch."
