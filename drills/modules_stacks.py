"""Modules: what comes out of a stack of layers."""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from tensordrill.authoring import PredictShape, Rng, Wrong, drill

THIRD = 3  # level
PLANE = 2  # axes of an image
Shape = tuple[int, ...]


class Layer(NamedTuple):
    """A layer: its text, its kind, and the numbers that it was made with."""

    text: str
    kind: str
    numbers: Sequence[int] = ()


def after(layer: Layer, shape: Shape, rule: str = "") -> Shape | None:  # noqa: PLR0912 -- one for each kind
    """The shape that comes out, by the rule; None where it raises."""
    match layer.kind:
        case "linear":
            i, o = layer.numbers
            if rule == "linear-keeps-size":
                return shape
            if rule == "linear-on-axis-1" and len(shape) > PLANE:
                return (shape[0], o, *shape[2:])
            return (*shape[:-1], o) if shape[-1] == i or rule == "fits-anyway" else None
        case "conv":
            i, o, k, stride, padding = layer.numbers
            if shape[1] != i and rule != "fits-anyway":
                return None
            padding = 0 if rule == "padding-ignored" else padding
            stride = 1 if rule == "stride-ignored" else stride
            sides = [side + 2 * padding - k for side in shape[2:]]
            if min(sides) < 0:
                return None
            up = stride - 1 if rule == "ceil" else 0
            return (
                shape[0],
                shape[1] if rule == "channels-kept" else o,
                *[(side + up) // stride + 1 for side in sides],
            )
        case "pool":
            [k] = layer.numbers
            stride = 1 if rule == "pool-stride-1" else k
            up = stride - 1 if rule == "ceil" else 0
            return (*shape[:2], *[(side - k + up) // stride + 1 for side in shape[2:]])
        case "adaptive":
            return shape[:2] if rule == "ones-dropped" else (*shape[:2], *[layer.numbers[0] for _ in shape[2:]])
        case "flatten":
            if rule == "flatten-forgotten":
                return shape
            return (prod(shape),) if rule == "batch-flattened" else (shape[0], prod(shape[1:]))
        case "unflatten":
            a, b = layer.numbers
            return (shape[0], a, b, *shape[2:]) if shape[1] == a * b else None
        case "embedding":
            return (*shape[:-1], layer.numbers[1]) if rule == "embedding-replaces" else (*shape, layer.numbers[1])
        case "norm":
            return shape if shape[-1] == layer.numbers[0] or rule == "fits-anyway" else None
    return shape


def through(layers: Sequence[Layer], shape: Shape, rule: str = "") -> Shape | None:
    out: Shape | None = shape
    for layer in layers:
        out = after(layer, out, rule) if out else None
    return out


RULES = {
    "flatten-forgotten": "nn.Flatten merges every axis but the batch into one, and the layers after it see that.",
    "batch-flattened": "nn.Flatten starts at axis 1: it leaves the batch alone. torch.flatten is what starts at 0.",
    "linear-on-axis-1": "A linear layer applies to the last axis, however many come before it.",
    "linear-keeps-size": "A linear layer replaces the last axis, by out_features.",
    "padding-ignored": "padding adds to both sides: out = (in + 2 · padding - kernel) // stride + 1.",
    "stride-ignored": "A stride of s gives about an s-th: out = (in + 2 · padding - kernel) // stride + 1.",
    "ceil": "What does not fill a whole window is left out: the division rounds down.",
    "channels-kept": "A convolution gives out_channels channels: its second number.",
    "pool-stride-1": "A pooling's stride is its kernel size, unless it is told otherwise.",
    "ones-dropped": "Adaptive pooling keeps the axes of the image, with the size that it is given.",
    "embedding-replaces": "An embedding adds an axis behind the indices. It replaces none.",
    "fits-anyway": "The sizes do not fit: a layer raises where its input does not have the size that it was made for.",
    "last-axis-alone": "The other axes stay: the batch, and what the layers do not touch.",
}


def linear(i: int, o: int) -> Layer:
    return Layer(f"nn.Linear({i}, {o})", "linear", (i, o))


def quiet(rng: Rng) -> Layer:
    return Layer(rng.pick(["nn.ReLU()", "nn.GELU()", "nn.Tanh()", "nn.Dropout(0.5)"]), "quiet")


def convolution(rng: Rng, i: int, o: int, axes: int) -> Layer:
    k, stride, padding = rng.pick(
        [(3, 1, 0), (3, 1, 1), (3, 2, 1), (3, 2, 0), (5, 1, 2), (5, 1, 0), (2, 2, 0), (4, 2, 1)]
    )
    told = (f", stride={stride}" if stride > 1 else "") + (f", padding={padding}" if padding else "")
    return Layer(f"nn.Conv{axes}d({i}, {o}, {k}{told})", "conv", (i, o, k, stride, padding))


def pooling(rng: Rng, axes: int) -> Layer:
    k = 2 if rng.level == THIRD else rng.pick([2, 2, 3])
    return Layer(f"nn.{rng.pick(['Max', 'Avg'])}Pool{axes}d({k})", "pool", (k,))


FLATTEN = Layer("nn.Flatten()", "flatten")
Stack = tuple[list[Layer], Shape]


def perceptron(rng: Rng) -> Stack:
    """Linear layers, on inputs of two to four axes."""
    a, b, c = rng.sample(range(5, 16), 3)
    shape = (*rng.sample(range(2, 5), rng.integer(1, 3)), a)
    between = rng.pick([[], [quiet(rng)], [quiet(rng)], [Layer(f"nn.LayerNorm({b})", "norm", (b,)), quiet(rng)]])
    return [linear(a, b), *between, linear(b, c), *([quiet(rng)] if rng.chance(0.3) else [])], shape


def image_net(rng: Rng) -> Stack:
    """Convolutions and pooling, and perhaps a linear layer behind them."""
    axes = rng.pick([1, 2, 2])
    colours, channels, more, classes = rng.sample([2, 3, 4, 5, 6, 7, 10], 4)
    shape = (rng.pick([8, 9, 12]), colours, *[rng.pick([9, 10, 11, 12])] * axes)
    layers = [convolution(rng, colours, channels, axes)]
    layers += rng.pick([[quiet(rng)], [quiet(rng), pooling(rng, axes)], [pooling(rng, axes)]])
    if rng.level == THIRD and axes == PLANE:
        layers.append(Layer(f"nn.Conv2d({channels}, {more}, 2)", "conv", (channels, more, 2, 1, 0)))
    if rng.chance(0.3):
        layers.append(Layer(f"nn.AdaptiveAvgPool{axes}d(1)", "adaptive", (1,)))
    if rng.chance(0.75):
        layers.append(FLATTEN)
        out = through(layers, shape)
        assert out
        layers.append(linear(out[-1], classes))
    return layers, shape


def token_net(rng: Rng) -> Stack:
    """An embedding first: the input is whole numbers."""
    words, d, classes = rng.sample([8, 9, 11, 12, 16, 20], 3)
    shape = tuple(rng.sample(range(2, 7), rng.integer(1, 2)))
    layers = [Layer(f"nn.Embedding({words}, {d})", "embedding", (words, d))]
    if len(shape) > 1 and rng.chance(0.5):
        layers.append(FLATTEN)
        d *= shape[1]
    elif rng.chance():
        layers.append(Layer(f"nn.LayerNorm({d})", "norm", (d,)))
    hidden = rng.pick([6, 7, 10])
    layers += rng.pick([[linear(d, classes)], [linear(d, hidden), quiet(rng), linear(hidden, classes)]])
    return layers, shape


def unflattened(rng: Rng) -> Stack:
    """A vector is made an image, or a sequence, again."""
    channels, side, d, out = rng.sample([2, 3, 4, 5, 6, 7], 4)
    layers = [
        linear(d, channels * side),
        Layer(f"nn.Unflatten(1, ({channels}, {side}))", "unflatten", (channels, side)),
    ]
    if rng.chance():
        layers.append(Layer(f"nn.Conv1d({channels}, {out}, 1)", "conv", (channels, out, 1, 1, 0)))
        if rng.chance():
            layers += [FLATTEN, linear(out * side, d)]
    else:
        layers += [linear(side, out), *([quiet(rng)] if rng.chance() else [])]
    return layers, (rng.pick([8, 9, 10]), d)


SCENES = ((perceptron,), (image_net, image_net, token_net, perceptron), (image_net, token_net, unflattened))


def broken(rng: Rng, layers: Sequence[Layer], shape: Shape) -> list[Layer]:
    """The stack with one layer made for a size that does not come: the size of somebody who is mistaken."""
    made = list(layers)
    at = rng.pick([i for i, layer in enumerate(made) if layer.kind in ("linear", "conv")][-1:])
    layer = made[at]
    before = through(made[:at], shape)
    assert before
    i, o = layer.numbers[:2]
    believed = [through(made[:at], shape, rule) for rule in RULES]
    sizes = [one[-1] if layer.kind == "linear" else one[1] for one in believed if one and len(one) > 1]
    sizes += [before[1] if len(before) > 1 else i + 1, prod(before[1:]), i + 1, i * 2]
    wrong = rng.pick(list(dict.fromkeys([size for size in sizes if size != i])))
    text = layer.text.replace(f"({i}, ", f"({wrong}, ", 1)
    made[at] = Layer(text, layer.kind, (wrong, o, *layer.numbers[2:]))
    return made


@drill(after=["modules.linear"], levels=3, lesson="Modules", arena="0.2", structures=(100, 270, 160))
def sequential_shapes(rng: Rng) -> PredictShape:
    """The shape that comes out of a Sequential."""
    layers, shape = rng.pick(SCENES[rng.level - 1])(rng)
    can_fail = rng.level > 1
    if can_fail and rng.chance(0.35):
        layers = broken(rng, layers, shape)
    right = through(layers, shape)
    seen: list[Shape | None] = [right]
    wrong = []
    for rule, because in RULES.items():
        found = through(layers, shape, rule)
        if rule == "last-axis-alone" and right:
            found = right[-1:] if len(right) <= PLANE else (right[0], right[-1])
        if found and found not in seen:  # that it raises can come of many mistakes, and tells none of them
            seen.append(found)
            wrong.append(Wrong(rule, str(found), because))
    indices = layers[0].kind == "embedding"
    made = f"torch.zeros({', '.join(map(str, shape))}{', dtype=torch.long' if indices else ''})"
    listed = ",\n    ".join([layer.text for layer in layers])
    told = "Linear layers apply to the last axis. " if rng.level == 1 else ""
    return PredictShape(
        prompt=f"{told}What is the shape of `model(x)`?" + (" If it raises, type `error`." if can_fail else ""),
        program=f"model = nn.Sequential(\n    {listed},\n)\nx = {made}",
        ask="model(x)",
        can_fail=can_fail,
        wrong=wrong,
        hints=[
            "Go from layer to layer, and write down the shape behind each.",
            (
                "Linear(i, o) wants i on the last axis and puts o there. Conv(i, o, k) wants i on axis 1, and a side "
                "becomes (side + 2 · padding - k) // stride + 1. Flatten merges all but axis 0."
            ),
        ],
        why="A Sequential passes the output of each layer on to the next one, and a layer raises where its input does "
        "not have the size that it was made for. Linear and LayerNorm look at the last axis, convolutions at axis 1. "
        "nn.Flatten keeps the batch; a pooling's stride is its kernel size; an embedding adds an axis at the end.",
    )
