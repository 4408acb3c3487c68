"""Modules: written from a specification."""

from collections.abc import Sequence
from typing import NamedTuple

from tensordrill.authoring import Edit, Rng, Tensor, WriteCode, Wrong, drill, tensor

# What the answer makes is filled with numbers by name, so that the order in which it makes its layers does not matter.
SETUP = """
def filled(net):
    with torch.no_grad():
        for name, held in net.state_dict().items():
            numbers = torch.Generator().manual_seed(sum(i * ord(c) for i, c in enumerate(name, 1)))
            held.copy_(2 * torch.rand(held.shape, generator=numbers) - 1)
    return net

def sizes(named):
    return {name: tuple(held.shape) for name, held in sorted(named)}

def reached(net, *given):
    net(*given).sum().backward()
    return {name: held.grad for name, held in sorted(net.named_parameters())}
"""


class Part(NamedTuple):
    """Something that the module holds: how it is told, its line in __init__, and the mistakes that belong to it."""

    told: str
    line: str
    wrong: Sequence[Edit] = ()


class Plan(NamedTuple):
    """What a module holds and does: its sizes, its parts, the lines of forward, and that in words."""

    sizes: str
    parts: Sequence[Part]
    lines: Sequence[str]
    words: str
    wrong: Sequence[Edit]
    rebuilt: str = ""  # the layer that a mistaken forward makes anew, and its sizes
    rebuilt_sizes: str = ""
    argument: Tensor = tensor("x", "batch seq d_model")
    call: str = "x"


ACTIVATIONS = ("relu", "tanh", "sigmoid")


def layer(rng: Rng, name: str, i: str, o: str) -> Part:
    line = f"self.{name} = nn.Linear({i}, {o})"
    told = f"`{name}`: a linear layer from {i} to {o} features"
    if rng.chance(0.7):
        other = Edit("bias-forgotten", line, line.replace(")", ", bias=False)"), f"`{name}` has a bias.")
        return Part(told, line, [other])
    line = line.replace(")", ", bias=False)")
    other = Edit("bias-not-asked-for", line, line.replace(", bias=False", ""), f"`{name}` has no bias.")
    return Part(f"{told}, without a bias", line, [other])


NORM = Part("`norm`: a LayerNorm over the d_model features", "self.norm = nn.LayerNorm(d_model)")
SCALE = Part(
    "`scale`: a learned vector of d_model numbers, ones at the start",
    "self.scale = nn.Parameter(torch.ones(d_model))",
    [
        Edit(
            "plain-tensor",
            "nn.Parameter(torch.ones(d_model))",
            "torch.ones(d_model, requires_grad=True)",
            "A tensor in an attribute is no parameter, whether it requires a gradient or not. nn.Parameter is.",
        ),
        Edit("other-start", "torch.ones(d_model)", "torch.zeros(d_model)", "`scale` starts as ones."),
    ],
)
MEAN_LINE = 'self.register_buffer("mean", torch.zeros(d_model))'
MEAN = Part(
    "`mean`: d_model zeros in a buffer, which is saved with the weights and not trained",
    MEAN_LINE,
    [
        Edit(
            "plain-attribute",
            MEAN_LINE,
            "self.mean = torch.zeros(d_model)",
            "A tensor in an attribute is neither saved nor moved. register_buffer is for that.",
        ),
        Edit(
            "buffer-as-parameter",
            MEAN_LINE,
            "self.mean = nn.Parameter(torch.zeros(d_model))",
            "A parameter would be trained. A buffer is saved and moved alone.",
        ),
    ],
)


def perceptron(rng: Rng) -> Plan:
    """Up, an activation and down, with what may stand around them."""
    act = rng.pick(ACTIVATIONS)
    extra = rng.sample(["norm", "scale", "mean", "residual"], 1 if rng.level == 1 else rng.integer(1, 3))
    up, down = layer(rng, "up", "d_model", "d_hidden"), layer(rng, "down", "d_hidden", "d_model")
    parts = [*([MEAN] if "mean" in extra else []), *([NORM] if "norm" in extra else []), up, down._replace(wrong=())]
    start = "x - self.mean" if "mean" in extra else "x"
    words = ["takes `mean` off x"] if "mean" in extra else []
    wrong = []
    if "norm" in extra:
        start = f"self.norm({start})"
        words.append("normalises" + ("" if words else " x") + " with `norm`")
        wrong.append(Edit("norm-forgotten", f"self.up({start})", f"self.up({start[10:-1]})", "`norm` is not used."))
    if "mean" in extra:
        wrong.append(Edit("mean-forgotten", "x - self.mean", "x", "`mean` is not taken off."))
    out = f"self.down(self.up({start}).{act}())"
    words.append(f"maps {'that' if words else 'x'} through `up`, {act} and `down`")
    wrong.append(Edit("activation-forgotten", f".{act}()", "", f"The {act} is missing."))
    if "scale" in extra:
        parts.append(SCALE)
        out = f"self.scale * {out}"
        words.append("multiplies by `scale`")
    if "residual" in extra:
        out = f"x + {out}"
        words.append("adds the original x")
        wrong.append(Edit("residual-forgotten", "return x + ", "return ", "The original x is to be added."))
    told = ", ".join(words[:-1]) + (" and " if words[1:] else "") + words[-1]
    if rng.level == 1:
        told = f"returns `{out.replace('self.', '')}`"
    sizes = "d_hidden, d_model" + (", False" if "bias=False" in down.line else "")
    return Plan("d_model, d_hidden", parts, [f"return {out}"], told, wrong, "down", sizes)


def stack(rng: Rng) -> Plan:
    """Layers in a ModuleList, one after the other."""
    act, residual, normed, scaled = rng.pick(ACTIVATIONS), rng.chance(0.6), rng.chance(), rng.chance(0.4)
    each = "nn.Linear(d_model, d_model)"
    listed = f"nn.ModuleList([{each} for _ in range(n_layers)])"
    told = "`layers`: n_layers linear layers from d_model to d_model features, in a list that registers them"
    parts = [
        Part(
            told,
            f"self.layers = {listed}",
            [
                Edit("plain-list", listed, listed[14:-1], "A plain list registers nothing: use nn.ModuleList."),
                Edit(
                    "one-layer-shared",
                    listed,
                    f"nn.ModuleList([{each}] * n_layers)",
                    "That is one layer, n_layers times: they share their weights.",
                ),
            ],
        )
    ]
    inner = "self.norm(x)" if normed else "x"
    out = f"layer({inner}).{act}()"
    out = f"self.scale * {out}" if scaled else out
    line = f"    x = x + {out}" if residual else f"    x = {out}"
    words = (
        f"for each layer in turn {'normalises x with `norm`, ' if normed else ''}maps "
        f"{'that' if normed else 'x'} through"
    )
    words += f" the layer and {act}{', multiplies by `scale`' if scaled else ''}, and "
    words += "adds the result to x" if residual else "goes on with the result as x"
    wrong = [
        Edit("activation-forgotten", f".{act}()", "", f"The {act} is missing."),
        Edit("first-layer-only", "in self.layers:", "in self.layers[:1]:", "Every layer has its turn."),
    ]
    if residual:
        wrong.append(Edit("residual-forgotten", "x = x + ", "x = ", "The result is added to x."))
    if normed:
        wrong.append(Edit("norm-forgotten", "self.norm(x)", "x", "`norm` is not used."))
    parts += ([NORM] if normed else []) + ([SCALE] if scaled else [])
    return Plan(
        "d_model, n_layers", parts, ["for layer in self.layers:", line, "return x"], words + "; it returns x", wrong
    )


def tied(rng: Rng) -> Plan:
    """An embedding whose weight is also the unembedding."""
    act, residual = rng.pick(ACTIVATIONS), rng.chance()
    embed = Part(
        "`embed`: an embedding of vocab tokens into d_model features", "self.embed = nn.Embedding(vocab, d_model)"
    )
    mlp = layer(rng, "mlp", "d_model", "d_model")
    normed = rng.chance()
    hidden = f"self.mlp({'self.norm(h)' if normed else 'h'}).{act}()"
    lines = [
        "h = self.embed(x)",
        f"h = h + {hidden}" if residual else f"h = {hidden}",
        "return h @ self.embed.weight.T",
    ]
    words = f"embeds the tokens x, maps {'what `norm` makes of that' if normed else 'that'} through `mlp` and {act}, "
    words += (
        f"{'adds the embedding, ' if residual else ''}and returns the scores of all tokens: dot products "
        f"with the rows of "
    )
    words += "`embed`'s own weight"
    wrong = [
        Edit("activation-forgotten", f".{act}()", "", f"The {act} is missing."),
        Edit(
            "weights-copied",
            "self.embed.weight.T",
            "self.embed.weight.detach().T",
            "The scores depend on the weight too: its gradient comes from both ends.",
        ),
        *([Edit("residual-forgotten", "h = h + ", "h = ", "The embedding is to be added.")] if residual else []),
        *([Edit("norm-forgotten", "self.norm(h)", "h", "`norm` is not used.")] if normed else []),
    ]
    parts = [embed, *([NORM] if normed else []), mlp]
    index = tensor("x", "batch seq", "index:vocab")
    return Plan("vocab, d_model", parts, lines, words, wrong, argument=index)


def heads(rng: Rng) -> Plan:
    """A head for each task, found by its name."""
    act, scaled = rng.pick(ACTIVATIONS), rng.chance()
    one, other = rng.pick([("toxic", "topic"), ("policy", "value"), ("left", "right"), ("truth", "tone")])
    each = "nn.Linear(d_model, 1)"
    held = f"nn.ModuleDict({{name: {each} for name in names}})"
    body = layer(rng, "body", "d_model", "d_model")
    parts = [
        body,
        *([SCALE] if scaled else []),
        Part(
            "`heads`: for each of the strings in `names`, under that name, a linear layer from d_model features to 1",
            f"self.heads = {held}",
            [
                Edit("plain-dict", held, held[14:-1], "A plain dict registers nothing: use nn.ModuleDict."),
                Edit(
                    "one-head-shared",
                    held,
                    f"nn.ModuleDict(dict.fromkeys(names, {each}))",
                    "That is one head under every name.",
                ),
            ],
        ),
    ]
    inner = f"self.scale * self.body(x).{act}()" if scaled else f"self.body(x).{act}()"
    words = (
        f"maps x through `body` and {act}, {'multiplies by `scale`, ' if scaled else ''}applies the head "
        f"called `name`, and "
    )
    words += "returns its output without the last axis"
    wrong = [
        Edit("activation-forgotten", f".{act}()", "", f"The {act} is missing."),
        Edit("axis-kept", ".squeeze(-1)", "", "The last axis, of size 1, is to be gone."),
    ]
    lines = [f"return self.heads[name]({inner}).squeeze(-1)"]
    return Plan(f"d_model, names={one},{other}", parts, lines, words, wrong, call=f"x, {other!r}")


SCENES = ((perceptron,), (perceptron,), (stack, tied, heads))


@drill(after=["modules.registration"], levels=3, lesson="Modules", arena="0.2", structures=(40, 90, 55))
def write_module(rng: Rng) -> WriteCode:
    """A module from its specification."""
    plan = rng.pick(SCENES[rng.level - 1])(rng)
    takes, _, names = plan.sizes.partition("=")
    given = takes
    if names:
        given = takes.replace("names", str(names.split(",")))
    signature = "self, x, name" if names else "self, x"
    body = "\n".join(
        [
            f"def __init__(self, {takes}):",
            "    super().__init__()",
            *(f"    {part.line}" for part in plan.parts),
            "",
            f"def forward({signature}):",
            *(f"    {line}" for line in plan.lines),
        ]
    )
    wrong: list[Wrong | Edit] = [
        Edit(
            "no-super",
            "super().__init__()",
            "pass",
            "super().__init__() must come first: it makes what registers layers.",
        )
    ]
    if plan.rebuilt:
        line = next(part.line for part in plan.parts if f"self.{plan.rebuilt} = " in part.line)
        anew = body.replace(line, f"self.sizes = {plan.rebuilt_sizes}").replace(
            f"self.{plan.rebuilt}(", "nn.Linear(*self.sizes)("
        )
        because = "A layer that forward makes is new at every call, and never trained. Layers are made in __init__."
        wrong.append(Wrong("layer-in-forward", anew, because))
    net = f"Net({given})"
    observe = {
        "the list of parameters": f"sizes({net}.named_parameters())",
        "the list of buffers": f"sizes({net}.named_buffers())",
        "the list of saved names": f"sorted({net}.state_dict())",
        "the output": f"filled({net})({plan.call})",
        "the gradients": f"reached(filled({net}), {plan.call})",
        "x afterwards": "x",
    }
    if SCALE in plan.parts:
        observe["scale at the start"] = f"{net}.scale.detach()"
    held = ";\n- ".join([part.told for part in plan.parts])
    return WriteCode(
        prompt=f"Write the module `Net({takes})`, with the attributes\n\n- {held}.\n\nIts `forward({signature[6:]})` "
        f"{plan.words}. Attributes have these names, and there is no other parameter or buffer.",
        signature="class Net(nn.Module):",
        body=body,
        observe=observe,
        axes=takes.replace(", names", "").replace(",", ""),
        tensors=[plan.argument],
        setup=SETUP,
        shown_setup="",
        hints=[
            "`__init__` begins with `super().__init__()`, and makes everything that is held. forward only uses it.",
            (
                "Layers, nn.Parameter(…) and register_buffer(name, …) are registered; several layers need "
                "nn.ModuleList or "
                "nn.ModuleDict."
            ),
        ],
        why="`super().__init__()` sets up the registries that assigning to an attribute fills. What is learned is a "
        "module or an nn.Parameter, what is saved but not learned a buffer, and layers in a plain list or dict are not "
        "found. Layers are made once, in `__init__`: forward is called for every batch.",
        wrong=[*wrong, *(edit for part in plan.parts for edit in part.wrong), *plan.wrong],
    )
