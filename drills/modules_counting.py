"""Modules: what they hold, counted in numbers and in tensors."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tensordrill.authoring import PredictValue, Rng, drill
from tensordrill.building.gradients import Belief, predicted, settled

SECOND, THIRD = 2, 3  # levels
Sizes = Sequence[int]  # of each tensor, how many numbers it holds


class Held(NamedTuple):
    """The sizes of parameters and buffers. A state_dict holds as many tensors, and `more`, or fewer."""

    parameters: Sizes = ()
    buffers: Sizes = ()
    more: int = 0


class Part(NamedTuple):
    """Something that a module is made of: its text, what it holds, and what it is believed to hold by a rule."""

    text: str
    held: Held = Held()
    believed: Mapping[str, Held] = {}

    def by(self, rule: str) -> Held:
        return self.believed.get(rule, self.held)


RULES = {
    "bias-forgotten": "A layer has a bias too, unless bias=False: one number for each output. A norm has one as well.",
    "bias-false-ignored": "bias=False: this layer has no bias.",
    "embedding-has-bias": "An embedding is a table: one row for each entry of the vocabulary, and no bias.",
    "kernel-forgotten": "Each pair of an input and an output channel has a kernel of its own, k by k numbers.",
    "channels-forgotten": "Each output channel has a kernel for every input channel, and not one for all of them.",
    "norms-have-none": "LayerNorm and BatchNorm have a weight and a bias for each feature.",
    "buffers-are-parameters": "Buffers are no parameters: not the running mean and variance of a BatchNorm, its count "
    "of batches neither.",
    "lists-register": "A plain list, tuple or dict registers nothing: its modules are not found. ModuleList and "
    "ModuleDict are there for that.",
    "module-lists-do-not": "ModuleList and ModuleDict register their modules, and parameters() finds what they hold.",
    "tensors-register": "A tensor becomes a parameter as nn.Parameter alone. requires_grad does not register it.",
    "parameters-do-not": "An nn.Parameter that is assigned to an attribute is registered.",
    "shared-twice": "parameters() gives each tensor once, however many layers share it.",
    "saved-once": "A state_dict has an entry for each name, also where two names have one tensor.",
    "frozen-not-counted": "requires_grad=False takes no parameter out of parameters(): it is still there.",
    "frozen-counted": "Only the parameters that require a gradient are asked for.",
    "running-statistics-forgotten": "A BatchNorm has three buffers: running_mean, running_var, num_batches_tracked.",
    "buffers-forgotten": "register_buffer registers a tensor as a buffer, whether it is saved or not.",
    "all-buffers-saved": "persistent=False keeps a buffer out of the state_dict, and not out of buffers().",
    "buffers-not-saved": "A state_dict holds the buffers too, unless they are persistent=False.",
    "locals-register": "A module that is only a local variable of __init__ is not registered. An attribute is.",
}


def linear(rng: Rng, i: int, o: int, *, plain: bool = False) -> Part:
    if not plain and rng.chance(0.3):
        return Part(f"nn.Linear({i}, {o}, bias=False)", Held([i * o]), {"bias-false-ignored": Held([i * o, o])})
    return Part(f"nn.Linear({i}, {o})", Held([i * o, o]), {"bias-forgotten": Held([i * o])})


def convolution(rng: Rng, i: int, o: int) -> Part:
    axes, k = rng.integer(1, 2), rng.pick([2, 3])
    kernel = k**axes
    w = i * o * kernel
    return Part(
        f"nn.Conv{axes}d({i}, {o}, {k})",
        Held([w, o]),
        {
            "bias-forgotten": Held([w]),
            "kernel-forgotten": Held([i * o, o]),
            "channels-forgotten": Held([o * kernel, o]),
        },
    )


def embedding(n: int, d: int) -> Part:
    return Part(f"nn.Embedding({n}, {d})", Held([n * d]), {"embedding-has-bias": Held([n * d, d])})


def layer_norm(d: int) -> Part:
    believed = {"norms-have-none": Held(), "bias-forgotten": Held([d])}
    return Part(f"nn.LayerNorm({d})", Held([d, d]), believed)


def batch_norm(d: int, axes: int) -> Part:
    statistics = [d, d, 1]
    return Part(
        f"nn.BatchNorm{axes}d({d})",
        Held([d, d], statistics),
        {
            "norms-have-none": Held((), statistics),
            "bias-forgotten": Held([d], statistics),
            "buffers-are-parameters": Held([d, d, *statistics]),
            "running-statistics-forgotten": Held([d, d]),
            "buffers-not-saved": Held([d, d], statistics, -3),
        },
    )


def silent(rng: Rng) -> Part:
    return Part(rng.pick(["nn.ReLU()", "nn.GELU()", "nn.Tanh()", "nn.Dropout(0.1)"]))


def several(text: str, parts: Iterable[Part]) -> Part:
    """Parts as one, with that text."""
    parts = list(parts)
    rules = dict.fromkeys(rule for part in parts for rule in part.believed)
    believed = {rule: together([part.by(rule) for part in parts]) for rule in rules}
    return Part(text, together([part.held for part in parts]), believed)


def together(held: Sequence[Held]) -> Held:
    return Held(
        [n for one in held for n in one.parameters],
        [n for one in held for n in one.buffers],
        sum([one.more for one in held]),
    )


def sequential(parts: Sequence[Part]) -> Part:
    return several(f"nn.Sequential({', '.join([part.text for part in parts])})", parts)


def stack(rng: Rng) -> list[Part]:
    """Layers that fit, with something between them."""
    a, b, c = rng.sizes(3)
    match rng.integer(1, 4):
        case 1:
            norm = rng.pick([layer_norm(b), batch_norm(b, 1)])
            middle = rng.pick([[silent(rng)], [norm], [norm, silent(rng)]])
            return [linear(rng, a, b), *middle, linear(rng, b, c)]
        case 2:
            first = convolution(rng, a, b)
            axes = 2 if "2d" in first.text else 1
            return [first, *rng.pick([[batch_norm(b, axes)], [batch_norm(b, axes), silent(rng)], [silent(rng)]])]
        case 3:
            return [embedding(a + 3, b), *rng.pick([[layer_norm(b)], [], [silent(rng)]]), linear(rng, b, c)]
    return [*([layer_norm(a)] if rng.chance() else []), linear(rng, a, b), silent(rng), linear(rng, b, a)]


# --- members of a module


def containers(rng: Rng, d: int) -> Part:
    """Some layers in something that registers them, or does not."""
    k = rng.integer(2, 3)
    each = linear(rng, d, d)
    listed = f"[{each.text} for _ in range({k})]"
    named = f'{{"q": {each.text}, "k": {each.text}}}'
    text, registers, count = rng.pick(
        [
            (listed, False, k),
            (listed, False, k),
            (f"({each.text}, {each.text})", False, 2),
            (named, False, 2),
            (f"nn.ModuleList({listed})", True, k),
            (f"nn.ModuleList({listed})", True, k),
            (f"nn.ModuleDict({named})", True, 2),
            (f"nn.Sequential(*{listed})", True, k),
        ]
    )
    whole = several(f"self.layers = {text}", [each] * count)
    if registers:
        return whole._replace(believed={**whole.believed, "module-lists-do-not": Held()})
    return Part(whole.text, Held(), {"lists-register": whole.held})


def plain_tensors(rng: Rng, d: int) -> Part:
    """A tensor of its own, which is a parameter, a buffer or neither."""
    made = rng.pick([f"torch.ones({d})", f"torch.zeros({d})", f"torch.randn({d})"])
    made_to_learn = made.replace(")", ", requires_grad=True)")
    parameter, buffer = Held([d]), Held((), [d])
    return rng.pick(
        [
            Part(f"self.scale = {made}", Held(), {"tensors-register": parameter}),
            Part(f"self.scale = {made_to_learn}", Held(), {"tensors-register": parameter}),
            Part(f"self.scale = {made_to_learn}", Held(), {"tensors-register": parameter}),
            Part(f"self.scale = nn.Parameter({made})", parameter, {"parameters-do-not": Held()}),
            Part(
                f"self.scale = nn.Parameter({made}, requires_grad=False)",
                parameter,
                {"frozen-not-counted": Held(), "parameters-do-not": Held()},
            ),
            Part(
                f'self.register_buffer("scale", {made})',
                buffer,
                {
                    "buffers-are-parameters": parameter,
                    "buffers-forgotten": Held(),
                    "buffers-not-saved": Held((), [d], -1),
                },
            ),
            Part(
                f'self.register_buffer("scale", {made}, persistent=False)',
                Held((), [d], -1),
                {"buffers-are-parameters": parameter, "buffers-forgotten": Held(), "all-buffers-saved": buffer},
            ),
            Part(f"scale = nn.Parameter({made})\nself.scaled = True", Held(), {"locals-register": parameter}),
        ]
    )


def shared(rng: Rng, d: int) -> Part:
    """One tensor, or one layer, under two names."""
    if rng.chance():
        n = d + rng.integer(1, 3)
        text = (
            f"self.embed = nn.Embedding({n}, {d})\nself.head = nn.Linear({d}, {n}, bias=False)\n"
            "self.head.weight = self.embed.weight"
        )
        once, twice = [n * d], [n * d, n * d]
    else:
        text = f"self.up = nn.Linear({d}, {d})\nself.down = self.up"
        once, twice = [d * d, d], [d * d, d, d * d, d]
    return Part(text, Held(once, (), len(once)), {"shared-twice": Held(twice), "saved-once": Held(once)})


def attribute(name: str, part: Part) -> Part:
    return part._replace(text=f"self.{name} = {part.text}")


def members(rng: Rng, count: int) -> list[Part]:
    d = rng.integer(2, 5)
    options = [
        containers(rng, d),
        plain_tensors(rng, d),
        shared(rng, d),
        attribute("norm", rng.pick([layer_norm(d), batch_norm(d, 1), batch_norm(d, 1)])),
        attribute("first", linear(rng, d, rng.integer(2, 5))),
    ]
    fixed = [options[0]] if rng.chance(0.6) else []
    return [*fixed, *rng.sample(options[len(fixed) :], count - len(fixed))]


def holds_some(parts: Sequence[Part]) -> bool:
    return any(part.held.parameters for part in parts)


def class_text(name: str, parts: Sequence[Part]) -> str:
    lines = [line for part in parts for line in part.text.split("\n")]
    return "\n        ".join([f"class {name}(nn.Module):\n    def __init__(self):\n        super().__init__()", *lines])


# --- how many numbers

NUMBERS = "sum(p.numel() for p in {}.parameters(){})"
TRAINABLE = " if p.requires_grad"


def trained(part: Part) -> Part:
    """The part where only parameters that require a gradient are asked for, and its own do not."""
    return Part(part.text, Held(), {"frozen-counted": part.held})


@drill(levels=3, lesson="Modules", arena="0.2", structures=(15, 40, 300))
def param_count(rng: Rng) -> PredictValue:
    """How many parameters a module has."""
    told, after, trainable = "", "", False
    if rng.level < THIRD:
        a, b = rng.sizes(2)
        if rng.level == 1:
            one = [linear(rng, a, b), convolution(rng, a, b), embedding(a + 3, b), layer_norm(a + b), linear(rng, b, a)]
            parts = [rng.pick(one)]
            if rng.chance(0.4):
                parts.append(silent(rng))
            told = "Count the weight and the bias of the layer, where it has them. "
        else:
            parts = stack(rng)
        whole = sequential(parts) if len(parts) > 1 else parts[0]
        name = "layer" if rng.level == 1 else "model"
        program = f"{name} = {whole.text}"
    else:
        parts = settled(lambda: members(rng, rng.integer(2, 3)), holds_some)
        layer = next((i for i, part in enumerate(parts) if part.text.startswith(("self.first", "self.norm"))), None)
        if layer is not None and rng.chance(0.6):
            it, trainable = parts[layer], rng.chance()
            after = f"{it.text.partition(' ')[0].replace('self', 'net')}.requires_grad_(False)"
            unseen = it._replace(believed={**it.believed, "frozen-not-counted": Held()})
            parts[layer] = trained(it) if trainable else unseen
        if trainable:
            parts = [trained(part) if "requires_grad=False" in part.text else part for part in parts]
        whole = several("", parts)
        name = "net"
        program = f"{class_text('Net', parts)}\n\nnet = Net()" + (f"\n{after}" if after else "")
    asked = NUMBERS.format(name, TRAINABLE if trainable else "")
    right = sum(whole.held.parameters)
    beliefs = [Belief(rule, sum(whole.by(rule).parameters), RULES[rule]) for rule in RULES if rule in whole.believed]
    return PredictValue(
        prompt=f"{told}What is `{asked}`?",
        program=program,
        ask=asked,
        hints=[
            "Which layers are registered, and which tensors does each hold?"
            if rng.level == THIRD
            else "Which tensors does each layer hold, and of which shapes?",
            (
                "Linear(i, o): o * i and o. Conv2d(i, o, k): o * i * k * k and o. Embedding(n, d): n * d. A "
                "norm: two of "
                "its size. A plain list registers nothing, and a shared tensor counts once."
            ),
        ],
        why="Linear holds a weight (out, in) and a bias (out); a convolution a weight (out, in, *kernel) and a bias "
        "(out); an embedding a table (num, dim); LayerNorm and BatchNorm a weight and a bias for each feature. "
        "BatchNorm's running statistics are buffers. parameters() finds what is registered as an attribute, "
        "ModuleList or nn.Parameter, each tensor once, whether or not it requires a gradient.",
        wrong=predicted(right, beliefs),
    )


# --- how many tensors


def counted(held: Held, level: int) -> object:
    parameters, buffers = len(held.parameters), len(held.buffers)
    return [parameters, [parameters, buffers], [parameters, buffers, parameters + buffers + held.more]][level - 1]


ASKED = ("len(list({n}.parameters()))", "len(list({n}.buffers()))", "len({n}.state_dict())")


@drill(after=["modules.param-count"], levels=3, lesson="Modules", arena="0.2", structures=(100, 400, 700))
def registration(rng: Rng) -> PredictValue:
    """Which tensors a module knows of."""

    def drawn() -> list[Part]:
        return members(rng, 2 if rng.level == 1 else 3)

    parts = settled(drawn, holds_some)
    program = class_text("Net", parts)
    if rng.level == THIRD:
        k = rng.integer(2, 3)
        text, registers = rng.pick(
            [("nn.ModuleList([Block() for _ in range({k})])", True), ("[Block() for _ in range({k})]", False),
             ("nn.Sequential(*[Block() for _ in range({k})])", True)]
        )  # fmt: skip
        own = attribute("head", rng.pick([linear(rng, 4, 3), layer_norm(4)]))
        inner = several(f"self.blocks = {text.format(k=k)}", parts * k)
        if registers:
            inner = inner._replace(believed={**inner.believed, "module-lists-do-not": Held()})
        else:
            inner = Part(inner.text, Held(), {"lists-register": inner.held})
        both = rng.shuffled([own, inner])
        program = f"{class_text('Block', parts)}\n\n{class_text('Net', both)}"
        parts = both
    whole = several("", parts)
    asked = ", ".join([text.format(n="net") for text in ASKED[: rng.level]])
    asked = f"[{asked}]" if rng.level > 1 else asked
    beliefs = [
        Belief(rule, counted(whole.by(rule), rng.level), RULES[rule]) for rule in RULES if rule in whole.believed
    ]
    told = "Every weight, bias or other tensor counts as one, whatever its size. " if rng.level == 1 else ""
    return PredictValue(
        prompt=f"{told}What is `{asked}`?",
        program=f"{program}\n\nnet = Net()",
        ask=asked,
        hints=[
            "Which attributes are modules, nn.Parameters or containers of torch's, and which are something else?",
            (
                "Assigning a module or an nn.Parameter to an attribute registers it. Plain lists, dicts and "
                "tensors are "
                "not looked into. register_buffer makes a buffer. One tensor under two names is given once."
            ),
        ],
        why="nn.Module registers what is assigned to its attributes: modules (ModuleList, ModuleDict and Sequential "
        "among them) and nn.Parameters. A plain list, dict, tuple or tensor is an attribute like any other, so "
        "optimizers, `.to()` and state_dict miss it. register_buffer registers tensors that are saved and moved and "
        "not trained; persistent=False leaves one out of the state_dict.",
        wrong=predicted(counted(whole.held, rng.level), beliefs),
    )
