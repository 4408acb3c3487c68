"""Shapes: what layers with a sliding window give."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from tensordrill.authoring import PredictShape, Rng, Wrong, drill

Shape = tuple[int, ...]
GUIDED, COMPOSED = 1, 3  # levels
_TRIES = 60
_LARGEST = 99  # sizes of two digits


class Window(NamedTuple):
    """How a layer slides along one axis. `extra` is `output_padding`, `up` is `ceil_mode`."""

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    extra: int = 0
    up: int = 0

    @property
    def span(self) -> int:
        """How many places the kernel covers, with the gaps between its taps."""
        return self.dilation * (self.kernel - 1) + 1


Rule = Callable[[Window, int], int]  # the size that a window gives for a size


def slid(w: Window, size: int) -> int:
    """The rule of a convolution, and of pooling unless `up`."""
    return (size + 2 * w.padding - w.span) // w.stride + 1


def rounded_up(w: Window, size: int) -> int:
    return -(-(size + 2 * w.padding - w.span) // w.stride) + 1


def pooled(w: Window, size: int) -> int:
    """With `up`, a last window that would start in the padding on the right is left out."""
    if not w.up:
        return slid(w, size)
    windows = rounded_up(w, size)
    return windows - ((windows - 1) * w.stride >= size + w.padding)


def spread(w: Window, size: int) -> int:
    """The rule of a transposed convolution."""
    return (size - 1) * w.stride + w.span - 2 * w.padding + w.extra


class Mistake(NamedTuple):
    """A wrong rule for one family of layers, and for which windows it is one."""

    id: str
    family: str
    about: Callable[[Window], bool]
    rule: Rule
    because: str


def of(rule: Rule, **changed: int) -> Rule:
    """The rule for a window that is misread."""
    return lambda w, size: rule(w._replace(**changed), size)


def always(_: Window) -> bool:
    return True


ROUNDED = "Windows that do not fit are left out: the division by the stride rounds down."
TWICE = "`padding` is added on both sides of an axis, so it counts twice."
SPAN = "With `dilation` the taps of the kernel stand apart: it spans dilation * (kernel - 1) + 1 places."
FIRST = "Add 1: the first window stands there before any step is made."
MISTAKES = (
    Mistake("rounded-up", "Conv", lambda w: w.stride > 1, rounded_up, ROUNDED),
    Mistake("stride-ignored", "Conv", lambda w: w.stride > 1, of(slid, stride=1), "The window moves `stride` places at "
            "a time: what is left beside the kernel is divided by it."),
    Mistake("padding-once", "Conv", lambda w: w.padding > 0, lambda w, n: slid(w, n - w.padding), TWICE),
    Mistake("padding-ignored", "Conv", lambda w: w.padding > 0, of(slid, padding=0), "You left out the padding, which "
            "makes the axis longer on both sides before the window slides."),
    Mistake("dilation-ignored", "Conv", lambda w: w.dilation > 1, of(slid, dilation=1), SPAN),
    Mistake("dilation-times-kernel", "Conv", lambda w: w.dilation > 1,
            lambda w, n: slid(w, n + w.span - w.dilation * w.kernel), SPAN),
    Mistake("one-forgotten", "Conv", always, lambda w, n: slid(w, n) - 1, FIRST),
    Mistake("kernel-ignored", "Conv", always, of(slid, kernel=1), "The window has to lie inside the padded axis, so a "
            "kernel takes away the places that it spans, less one."),
    Mistake("rounded-up", "Pool", lambda w: w.up == 0, rounded_up, ROUNDED + " Only `ceil_mode=True` rounds up."),
    Mistake("rounded-down", "Pool", lambda w: w.up > 0, slid, "With `ceil_mode=True` the division rounds up: a last "
            "window that reaches past the end counts too."),
    Mistake("window-in-padding", "Pool", lambda w: w.up * w.padding > 0, rounded_up, "Also with `ceil_mode=True` a "
            "window that starts in the padding on the right is left out."),
    Mistake("stride-one", "Pool", lambda w: w.stride == w.kernel, lambda w, n: pooled(w._replace(stride=1), n),
            "The default stride of pooling is the kernel size, not 1: windows lie side by side."),
    Mistake("stride-is-kernel", "Pool", lambda w: w.stride != w.kernel,
            lambda w, n: pooled(w._replace(stride=w.kernel), n),
            "The stride is the kernel size only where none is given. Here it is given, so windows overlap or leave "
            "gaps."),
    Mistake("padding-once", "Pool", lambda w: w.padding > 0, lambda w, n: pooled(w, n - w.padding), TWICE),
    Mistake("padding-ignored", "Pool", lambda w: w.padding > 0, of(pooled, padding=0), "You left out the padding, "
            "which makes the axis longer on both sides before the window slides."),
    Mistake("one-forgotten", "Pool", always, lambda w, n: pooled(w, n) - 1, FIRST),
    Mistake("forward-formula", "ConvTranspose", always, slid, "That is the size which a convolution gives. A "
            "transposed one goes the other way: (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1."),
    Mistake("only-scaled", "ConvTranspose", lambda w: w.stride > 1, lambda w, n: n * w.stride, "The stride alone does "
            "not make the size: `size` windows stand `stride` apart, the last one reaches on by the kernel, and "
            "`padding` is cut off at both ends."),
    Mistake("one-step-too-many", "ConvTranspose", lambda w: w.stride > 1, lambda w, n: spread(w, n + 1), "Between "
            "`size` windows there are size - 1 steps, not `size`."),
    Mistake("stride-ignored", "ConvTranspose", lambda w: w.stride > 1, of(spread, stride=1), "Each entry makes a copy "
            "of the kernel, and the copies stand `stride` apart."),
    Mistake("padding-added", "ConvTranspose", lambda w: w.padding > 0, lambda w, n: spread(w, n) + 4 * w.padding,
            "In a transposed convolution `padding` makes the result smaller: it is cut off at both ends."),
    Mistake("padding-once", "ConvTranspose", lambda w: w.padding > 0, lambda w, n: spread(w, n) + w.padding,
            "`padding` is cut off at both ends, so it counts twice."),
    Mistake("padding-ignored", "ConvTranspose", lambda w: w.padding > 0, of(spread, padding=0), "You left out "
            "`padding`, which is cut off at both ends of the result."),
    Mistake("kernel-ignored", "ConvTranspose", always, of(spread, kernel=1), "The last entry's copy of the kernel "
            "reaches on past its first place by dilation * (kernel - 1)."),
    Mistake("dilation-ignored", "ConvTranspose", lambda w: w.dilation > 1, of(spread, dilation=1), SPAN),
    Mistake("output-padding-ignored", "ConvTranspose", lambda w: w.extra > 0, of(spread, extra=0), "You left out "
            "`output_padding`, which makes the result longer at one end."),
    Mistake("output-padding-twice", "ConvTranspose", lambda w: w.extra > 0, lambda w, n: spread(w, n) + w.extra,
            "`output_padding` makes the result longer at one end only, so it counts once."),
)  # fmt: skip
RULES: dict[str, Rule] = {"Conv": slid, "MaxPool": pooled, "AvgPool": pooled, "ConvTranspose": spread}
KEYWORDS = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "ceil_mode": False}  # and their defaults


@dataclass(frozen=True)
class Layer:
    """A convolution, a transposed one or a pooling layer, with a window for each axis that it slides along."""

    kind: str
    windows: tuple[Window, ...]
    inputs: int = 0
    outputs: int = 0
    groups: int = 1

    @property
    def name(self) -> str:
        return "pool" if self.pools else "conv" if self.kind == "Conv" else "up"

    @property
    def pools(self) -> bool:
        return self.kind.endswith("Pool")

    @property
    def weight(self) -> Shape:
        kernels = tuple([w.kernel for w in self.windows])
        if self.kind == "Conv":
            return (self.outputs, self.inputs // self.groups, *kernels)
        return (self.inputs, self.outputs // self.groups, *kernels)

    @property
    def options(self) -> str:
        """The keywords that are not at their defaults, each with a comma before it."""
        columns = zip(*[(w.stride, w.padding, w.extra, w.dilation, bool(w.up)) for w in self.windows], strict=True)
        given = dict(zip(KEYWORDS, [either(column) for column in columns], strict=True))
        if self.pools and all(w.stride == w.kernel for w in self.windows):
            del given["stride"]
        shown = [f", {name}={value}" for name, value in given.items() if value != str(KEYWORDS[name])]
        return "".join(shown) + (f", groups={self.groups}" if self.groups > 1 else "")

    def module(self, *, guided: bool = False) -> str:
        kernel = ("kernel_size=" if guided else "") + either([w.kernel for w in self.windows])
        sizes = kernel if self.pools else f"{self.inputs}, {self.outputs}, {kernel}"
        return f"nn.{self.kind}{len(self.windows)}d({sizes}{self.options})"

    @property
    def function(self) -> str:
        """The call on x, and for a convolution on its weight w."""
        rank = len(self.windows)
        if self.pools:
            return f"F.{self.kind[:3].lower()}_pool{rank}d(x, {either([w.kernel for w in self.windows])}{self.options})"
        return f"F.{'conv_transpose' if self.kind == 'ConvTranspose' else 'conv'}{rank}d(x, w{self.options})"

    def over(self, sizes: Sequence[int], rule: Rule | None = None) -> Shape:
        return tuple([(rule or RULES[self.kind])(w, size) for w, size in zip(self.windows, sizes, strict=True)])

    def mistakes(self) -> Iterator[Mistake]:
        for mistake in MISTAKES:
            if self.kind.endswith(mistake.family) and any(map(mistake.about, self.windows)):
                yield mistake


def zeros(shape: Shape) -> str:
    return f"torch.zeros({', '.join(map(str, shape))})"


def either(numbers: Sequence[object]) -> str:
    """One number where all are the same, else a tuple."""
    return str(numbers[0]) if len(set(numbers)) == 1 else f"({', '.join(map(str, numbers))})"


class Turn(NamedTuple):
    """A wrong turn's id, the shape that it predicts, and the sentence about it."""

    id: str
    shape: Shape
    because: str


def telling(shape: Shape, turns: Iterable[Turn]) -> bool:
    """Whether every mistake shows, by another shape."""
    return max(shape) <= _LARGEST and all(turn.shape != shape for turn in turns)


@dataclass(frozen=True)
class Case:
    """A program, the expression that is asked for, its shape, and what people mistake it for."""

    program: str
    ask: str
    shape: Shape
    turns: Sequence[Turn]


def posed(case: Case, hints: Sequence[str], why: str) -> PredictShape:
    wrong = {case.shape: Wrong("", "", "")}
    for turn in case.turns:
        wrong.setdefault(turn.shape, Wrong(turn.id, str(turn.shape), turn.because))
    return PredictShape(program=case.program, ask=case.ask, hints=hints, why=why, wrong=list(wrong.values())[1:])


@dataclass(frozen=True)
class Net:
    """Layers one after the other, and what goes in: the axes before the channels, the channels, the other sizes."""

    layers: Sequence[Layer]
    lead: Shape
    channels: int
    sizes: Shape
    axes: Sequence[str] = ()  # their names, where they are told

    @property
    def outputs(self) -> int:
        return next((layer.outputs for layer in reversed(self.layers) if not layer.pools), self.channels)

    @property
    def x(self) -> str:
        named = f"  # {', '.join(self.axes)}" if self.axes else ""
        return f"x = {zeros((*self.lead, self.channels, *self.sizes))}{named}"

    @property
    def shape(self) -> Shape:
        return (*self.lead, self.outputs, *self.after())

    def after(self, mistake: Mistake | None = None) -> Shape:
        """The sizes that come out; a mistake is made in every layer of its family."""
        sizes = self.sizes
        for layer in self.layers:
            sizes = layer.over(sizes, mistake.rule if mistake and layer.kind.endswith(mistake.family) else None)
        return sizes

    @property
    def turns(self) -> Iterator[Turn]:
        """What people mistake it for, where there is such a shape."""
        return (turn for turn in self._turns() if min(turn.shape) > 0)

    def _turns(self) -> Iterator[Turn]:
        for mistake in dict.fromkeys([mistake for layer in self.layers for mistake in layer.mistakes()]):
            yield Turn(mistake.id, (*self.lead, self.outputs, *self.after(mistake)), mistake.because)
        if any(len(set(layer.windows)) > 1 for layer in self.layers):
            turned = replace(self, layers=[replace(layer, windows=layer.windows[::-1]) for layer in self.layers])
            yield Turn("tuple-reversed", turned.shape, "The first entry of a tuple is about the height, the axis that "
                       "comes first; the second about the width.")  # fmt: skip
        yield from self._of_channels()
        if not self.lead:
            yield Turn("batch-added", (1, *self.shape), "An input with one axis less is one example without a batch, "
                       "and the result is one too: no axis is added.")  # fmt: skip

    def _of_channels(self) -> Iterator[Turn]:
        sizes = self.after()
        last = next((layer for layer in reversed(self.layers) if not layer.pools), None)
        if last is None:
            [w, *_] = self.layers[0].windows
            channels = RULES[self.layers[0].kind](w, self.channels)
            yield Turn("channels-pooled", (*self.lead, channels, *sizes), "Pooling slides along the last axes only; "
                       "every channel is pooled on its own, and all are kept.")  # fmt: skip
            return
        yield Turn("in-for-out", (*self.lead, last.inputs, *sizes), "Those are the layer's input channels. The result "
                   "has its output channels, which a module names second, and which come first in a convolution's "
                   "weight and second in a transposed one's.")  # fmt: skip
        yield Turn("channels-last", (*self.lead, *sizes, self.outputs), "Channels come before the axes that the window "
                   "slides along, in the result as in the input.")  # fmt: skip
        if last.groups > 1:
            yield Turn("groups-divide-output", (*self.lead, self.outputs // last.groups, *sizes), "The groups share "
                       "the output channels among them; together they give all of them.")  # fmt: skip

    def case(self, rng: Rng) -> Case:
        """Written as modules or, where it is one layer, perhaps as a function."""
        [layer, *others] = self.layers
        lines, ask = [self.x], "x"
        if not others and rng.chance():
            ask = layer.function
            if not layer.pools:
                channels = "out, in" if layer.kind == "Conv" else "in, out"
                lines.append(f"w = {zeros(layer.weight)}" + (f"  # {channels}, *kernel" if self.axes else ""))
        elif others and rng.chance(0.3):
            modules = [each.module() for each in self.layers]
            lines += ["net = nn.Sequential(", *[f"    {module}," for module in modules], ")"]
            ask = "net(x)"
        else:
            alike = others and layer.name == others[0].name
            for number, each in enumerate(self.layers, 1):
                name = f"{each.name}{number}" if alike else each.name
                lines.append(f"{name} = {each.module(guided=bool(self.axes))}")
                ask = f"{name}(F.relu({ask}))" if number > 1 and alike and rng.chance() else f"{name}({ask})"
        return Case("\n".join(lines), ask, self.shape, list(self.turns))


def told_apart(rng: Rng, draw: Callable[[Rng], Net | Case]) -> Case:
    """The first draw in which every mistake shows; in the rare case that none comes, one in which most do."""
    for _ in range(_TRIES):
        drawn = draw(rng)
        if telling(drawn.shape, drawn.turns):
            break
    return drawn if isinstance(drawn, Case) else drawn.case(rng)


# What is stored in batches of channels: the axes that a window slides along.
SCENES: dict[int, Sequence[Sequence[str]]] = {
    1: (
        ("batch", "channel", "time"),
        ("batch", "mel", "frame"),
        ("batch", "d_model", "token"),
        ("clip", "sensor", "sample"),
    ),
    2: (
        ("batch", "channel", "height", "width"),
        ("game", "plane", "row", "column"),
        ("batch", "channel", "frequency", "time"),
    ),
}


def fitting(rng: Rng, layers: Sequence[Layer]) -> Shape:
    """Sizes to go in such that no last window fits exactly, so that rounding matters."""
    sizes = []
    for axis in range(len(layers[0].windows)):
        size = rng.integer(3, 7 if len(layers) > 1 else 9)
        for layer in reversed(layers):
            w = layer.windows[axis]
            beyond = rng.integer(1, w.stride - 1) if w.stride > 1 else 0
            size = (size - 1) * w.stride + w.span - 2 * w.padding + beyond
        sizes.append(size)
    return tuple(sizes)


def axes_named(rng: Rng, rank: int) -> Sequence[str]:
    """The axes' names at level 1."""
    return rng.pick(SCENES[rank]) if rng.level == GUIDED else ()


# --- conv


def conv_window(rng: Rng) -> Window:
    """A stride at level 1; from level 2 on also a dilation, where not both are needed."""
    kernel = rng.integer(2, 6)
    stride = rng.integer(2, 3)
    dilation = 1
    if rng.level > GUIDED and rng.chance(0.6):
        dilation, stride = rng.integer(2, 3), rng.integer(1, 3)
    # Beside rounding, padding of 1 that is counted once shows only where the stride is 1.
    padding = rng.pick((0, 0, 1, 2, 3)) if stride == 1 else rng.pick((0, 2, 2, 3))
    return Window(kernel, stride, padding if padding < kernel else 0, dilation)


def conv_layer(rng: Rng, inputs: int, rank: int, *, uneven: bool = False, groups: int = 1) -> Layer:
    first = conv_window(rng)
    windows = (first,) * rank
    if uneven:
        kernel = first.kernel + rng.pick((-1, 1, 2)) if first.kernel > 2 else first.kernel + 1  # noqa: PLR2004
        windows = (first, first._replace(kernel=kernel, stride=rng.integer(1, 3)))
    outputs = groups * rng.pick([n for n in range(2, 10) if n != inputs // groups])
    return Layer("Conv", windows, inputs, outputs, groups)


def one_conv(rng: Rng) -> Net:
    rank = rng.integer(1, 2)
    batch, inputs = rng.sizes(2, 2, 8)
    layer = conv_layer(rng, inputs, rank)
    lead = () if rng.level > GUIDED and rng.chance(0.15) else (batch,)
    return Net([layer], lead, inputs, fitting(rng, [layer]), axes_named(rng, rank))


def composed_conv(rng: Rng) -> Net:
    """Two layers, windows that differ by axis, groups, or an example without a batch."""
    rank = rng.integer(1, 2)
    batch, inputs = rng.sizes(2, 2, 8)
    form = rng.pick(("two", "uneven", "grouped", "single"))
    groups = rng.integer(2, 4) if form == "grouped" else 1
    layer = conv_layer(rng, inputs * groups, 2 if form == "uneven" else rank, uneven=form == "uneven", groups=groups)
    layers = [layer]
    if form == "two":
        layers.append(conv_layer(rng, layer.outputs, rank))
    lead = () if form == "single" or rng.chance(0.1) else (batch,)
    return Net(layers, lead, layer.inputs, fitting(rng, layers))


def weight(rng: Rng, kind: str) -> Case:
    """The weight of a layer, rather than what it gives."""
    rank = rng.integer(1, 2)
    groups = rng.pick((1, 2, 3))
    one, other = rng.sizes(2, 2, 8)
    kernels = tuple(rng.sizes(rank, 3, 7) if rng.chance() else [rng.integer(3, 7)] * rank)
    layer = Layer(kind, tuple([Window(k) for k in kernels]), one * groups, other * groups, groups)
    first, second, *_ = layer.weight
    order = "A transposed convolution's weight has the input channels first, a convolution's the output channels."
    if kind == "Conv":
        order = "A convolution's weight has the output channels first; the module takes them second."
    turns = [
        Turn("channels-swapped", (second, first, *kernels), order),
        Turn("kernel-first", (*kernels, second, first), "torch keeps the kernel's axes last, behind the channels."),
    ]
    if groups > 1:
        because = "Only the second axis is divided by the groups: the weights of all groups lie one behind the other."
        turns += [
            Turn("groups-ignored", (first, second * groups, *kernels), because),
            Turn("groups-divide-first", (first // groups, second * groups, *kernels), because),
            Turn("groups-divide-both", (first // groups, second, *kernels), because),
        ]
    return Case(f"{layer.name} = {layer.module()}", f"{layer.name}.weight", layer.weight, turns)


def conv_weight(rng: Rng) -> Case:
    return weight(rng, "Conv")


def up_weight(rng: Rng) -> Case:
    return weight(rng, "ConvTranspose")


@drill(levels=3, arena="0.2", structures=(8, 26, 110))
def conv(rng: Rng) -> PredictShape:
    """The shape that a convolution gives."""
    draw: Callable[[Rng], Net | Case] = composed_conv if rng.level == COMPOSED else one_conv
    if rng.level > GUIDED and rng.chance(0.15):
        draw = conv_weight
    return posed(
        told_apart(rng, draw),
        [
            "Which axes does the window slide along, and what becomes of the channels?",
            (
                "Along each such axis: add the padding on both sides, take away the places that the kernel spans, and "
                "count the steps of the stride that fit into what is left. One window is there before the first step."
            ),
        ],
        "A convolution turns (batch, in_channels, *sizes) into (batch, out_channels, *sizes). Each size becomes "
        "floor((size + 2 * padding - dilation * (kernel_size - 1) - 1) / stride) + 1. Its weight is (out_channels, "
        "in_channels / groups, *kernel_size).",
    )


# --- pool


def pool_layer(rng: Rng, rank: int, *, uneven: bool = False) -> Layer:
    kind = rng.pick(("MaxPool", "MaxPool", "AvgPool"))
    kernel = rng.integer(2, 5 if rank == 1 else 4)
    stride = padding = 0
    up = 0
    if rng.level > GUIDED:
        stride = rng.pick([0, 0, *[s for s in range(2, 5) if s != kernel]])
        padding = rng.pick([0, 0, *range(1, kernel // 2 + 1)])
        up = int(rng.chance(0.4))
    first = Window(kernel, stride or kernel, padding, up=up)
    other = first
    if uneven:
        kernel += rng.pick((1, 2))
        other = Window(kernel, stride or kernel, padding, up=up)
    return Layer(kind, (first,) if rank == 1 else (first, other))


def one_pool(rng: Rng) -> Net:
    rank = rng.integer(1, 2)
    batch, channels = rng.sizes(2, 3, 8)
    layer = pool_layer(rng, rank)
    lead = () if rng.level > GUIDED and rng.chance(0.15) else (batch,)
    return Net([layer], lead, channels, fitting(rng, [layer]), axes_named(rng, rank))


def composed_pool(rng: Rng) -> Net:
    """A convolution before or after, windows that differ by axis, or an example without a batch."""
    rank = rng.integer(1, 2)
    batch, channels = rng.sizes(2, 3, 8)
    form = rng.pick(("two", "two", "uneven", "single"))
    layers = [pool_layer(rng, 2 if form == "uneven" else rank, uneven=form == "uneven")]
    if form == "two":
        layers.insert(rng.integer(0, 1), conv_layer(rng, channels, rank))
    return Net(layers, () if form == "single" else (batch,), channels, fitting(rng, layers))


def adaptive(rng: Rng) -> Case:
    """Pooling that is told the size of its result."""
    rank = rng.integer(1, 2)
    batch, channels, *wanted = rng.sizes(2 + rank, 2, 6)
    sizes = tuple(rng.sizes(rank, 12, 30))
    if rank == 1 or rng.chance():
        wanted = wanted[:1] * rank
    asked: list[int | None] = list(wanted)
    if rank > 1 and rng.level == COMPOSED and rng.chance():
        asked[kept := rng.integer(0, 1)] = None
        wanted[kept] = sizes[kept]
    lead = (batch, channels)
    shape = (*lead, *wanted)
    x = f"x = {zeros((*lead, *sizes))}"
    name = rng.pick(("adaptive_avg_pool", "adaptive_max_pool"))
    windows = [Window(n, n) if n else None for n in asked]
    kernel = [slid(w, size) if w else size for w, size in zip(windows, sizes, strict=True)]
    slow = [slid(w._replace(stride=1), size) if w else size for w, size in zip(windows, sizes, strict=True)]
    turns = [
        Turn("size-taken-for-kernel", (*lead, *kernel), "Adaptive pooling is told the size of the result, not of the "
             "window: it chooses windows that give that size."),
        Turn("size-taken-for-kernel", (*lead, *slow), "Adaptive pooling is told the size of the result, not of the "
             "window: it chooses windows that give that size."),
        Turn("channels-gone", (batch, *wanted), "Every channel is pooled on its own; they are all kept."),
    ]  # fmt: skip
    if None in asked:
        ones = [n or 1 for n in asked]
        turns.append(Turn("none-is-one", (*lead, *ones), "None leaves that axis as long as it is."))
    return Case(x, f"F.{name}{rank}d(x, {either(asked)})", shape, turns)


@drill(after=["shapes.conv"], levels=3, arena="0.2", structures=(8, 70, 120))
def pool(rng: Rng) -> PredictShape:
    """The shape that pooling gives."""
    draw: Callable[[Rng], Net | Case] = one_pool if rng.level < COMPOSED else composed_pool
    if rng.level > GUIDED and rng.chance(0.12):
        draw = adaptive
    return posed(
        told_apart(rng, draw),
        [
            "How far does a window move where no stride is given? And what becomes of a last one that does not fit?",
            (
                "The rule is that of a convolution, with the kernel as the default stride, and with the division "
                "rounded up where `ceil_mode=True` says so. Adaptive pooling is told the result's sizes instead."
            ),
        ],
        "Pooling keeps batch and channels and turns each other size into floor((size + 2 * padding - kernel_size) / "
        "stride) + 1. `stride` is kernel_size where it is not given. `ceil_mode=True` rounds up, yet a window that "
        "would start in the padding on the right is left out. Adaptive pooling gives the sizes that it is told; None "
        "keeps one.",
    )


# --- conv-transpose


def up_layer(rng: Rng, inputs: int, rank: int, *, groups: int = 1) -> Layer:
    kernel = rng.integer(2, 5)
    stride = rng.integer(2, 3)
    padding = rng.integer(0, min(2, kernel // 2)) if rng.level > GUIDED or rng.chance() else 0
    dilation = extra = 0
    if rng.level == COMPOSED:
        extra = rng.integer(0, stride - 1)
        dilation = 2 if rng.chance(0.25) else 0
    window = Window(kernel, stride, padding, dilation or 1, extra)
    outputs = groups * rng.pick([n for n in range(2, 10) if n != inputs // groups])
    return Layer("ConvTranspose", (window,) * rank, inputs, outputs, groups)


def one_up(rng: Rng) -> Net:
    rank = rng.integer(1, 2)
    batch, inputs = rng.sizes(2, 2, 8)
    groups = rng.integer(2, 3) if rng.level == COMPOSED and rng.chance(0.3) else 1
    layer = up_layer(rng, inputs * groups, rank, groups=groups)
    lead = () if rng.level > GUIDED and rng.chance(0.15) else (batch,)
    return Net([layer], lead, layer.inputs, tuple(rng.sizes(rank, 3, 9)), axes_named(rng, rank))


def two_ups(rng: Rng) -> Net:
    """A decoder of two layers."""
    rank = rng.integer(1, 2)
    batch, inputs = rng.sizes(2, 2, 8)
    first = up_layer(rng, inputs, rank)
    layers = [first, up_layer(rng, first.outputs, rank)]
    return Net(layers, (batch,), inputs, tuple(rng.sizes(rank, 2, 5)))


class RoundTrip(Net):
    """A convolution, and a transposed one with the same numbers, which does not always undo the size."""

    def _turns(self) -> Iterator[Turn]:
        yield Turn("size-restored", (*self.lead, self.outputs, *self.sizes), "A transposed convolution undoes the size "
                   "only where the convolution's division by the stride was exact, or where `output_padding` is what "
                   "that rounding took away.")  # fmt: skip
        for mistake in self.layers[-1].mistakes():
            yield Turn(mistake.id, (*self.lead, self.outputs, *self.after(mistake)), mistake.because)
        yield from self._of_channels()


def round_trip(rng: Rng) -> Net:
    rank = rng.integer(1, 2)
    batch, channels, hidden = rng.sizes(3, 2, 9)
    up = up_layer(rng, hidden, rank)
    down = Layer("Conv", tuple([w._replace(extra=0) for w in up.windows]), channels, hidden)
    return RoundTrip([down, replace(up, outputs=channels)], (batch,), channels, fitting(rng, [down]))


@drill(after=["shapes.conv"], levels=3, arena="0.2", structures=(8, 18, 140))
def conv_transpose(rng: Rng) -> PredictShape:
    """The shape that a transposed convolution gives."""
    draw: Callable[[Rng], Net | Case] = one_up
    if rng.level == COMPOSED:
        draw = rng.pick((one_up, one_up, two_ups, round_trip))
    elif rng.level > GUIDED and rng.chance(0.15):
        draw = up_weight
    return posed(
        told_apart(rng, draw),
        [
            "Every entry of the input makes a copy of the kernel. How far apart are the copies, and what is cut off?",
            (
                "From the first copy to the last there are size - 1 steps of the stride; the last copy reaches on by "
                "the places that the kernel spans. `padding` then cuts off both ends; `output_padding` adds to one."
            ),
        ],
        "A transposed convolution turns each size into (size - 1) * stride - 2 * padding + dilation * (kernel_size - "
        "1) + output_padding + 1: of the sizes that the convolution would turn into this one, the smallest plus "
        "`output_padding`. Its weight is (in_channels, out_channels / groups, *kernel_size).",
    )
