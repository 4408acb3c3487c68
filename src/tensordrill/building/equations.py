"""How an einsum puzzle is put: in words, as a loop, as torch code whose steps are known."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from tensordrill.building.contraction import Contraction, Mistake, axes_of, having, listed, loop_nest
from tensordrill.puzzles import WriteEinsum
from tensordrill.rng import Rng

Axes = tuple[str, ...]
POOLS = (
    ("batch", "layer", "head", "position", "feature"),
    ("image", "channel", "height", "width", "frame"),
    ("airline", "month", "cabin", "route", "year"),
    ("run", "seed", "epoch", "metric", "dataset"),
    ("expert", "token", "group", "neuron", "prompt"),
    ("user", "movie", "week", "genre", "country"),
    ("station", "hour", "day", "sensor", "region"),
)


def pooled(rng: Rng, count: int) -> Axes:
    """So many axes of one setting, in random order."""
    return tuple(rng.sample(rng.pick(POOLS), count))


@dataclass(frozen=True)
class Task:
    """A contraction and how it is asked for.

    `size` is given where all axes have the same. `unnamed` where the learner sees no names of axes.
    """

    net: Contraction
    prompt: str
    code: str = ""
    size: int = 0
    mistakes: Sequence[Mistake] = ()
    unnamed: bool = False


Asker = Callable[[Rng], Task]


def has(net: Contraction) -> str:
    """`A` has the axes (row, column) and `v` has the axis column."""
    held = dict(zip(net.names, net.operands, strict=True))
    return listed([f"`{name}` has {having(axes)}" for name, axes in held.items()])


def gives(net: Contraction) -> str:
    if len(net.output) > 1:
        return f"The result has the axes {axes_of(net.output)}."
    return f"The result has the axis {net.output[0]}." if net.output else "The result is one number."


def call_of(net: Contraction) -> str:
    """What the einsum is passed."""
    if len(net.names) == 1:
        return f"one einsum of `{net.names[0]}`"
    if len(set(net.names)) == 1:
        return f"one einsum of `{net.names[0]}` with itself"
    return f"one einsum of {listed([f'`{name}`' for name in net.names])}, in this order"


def as_code(net: Contraction, code: str, *, size: int = 0, mistakes: Sequence[Mistake] = (), about: str = "") -> Task:
    """Torch code that is to be written as an einsum. `about` says what the tensors are, in place of their axes."""
    prompt = f"{about or has(net)}.\n\nWrite what this computes as {call_of(net)}."
    return Task(net, prompt, code, size, mistakes, unnamed=bool(about))


def as_loop(rng: Rng, net: Contraction) -> Task:
    lettered, code = loop_nest(rng, net)
    return Task(lettered, f"Write what this loop nest computes as {call_of(net)}.", code)


def posed(
    task: Task, mistakes: Callable[[Contraction], Iterable[Mistake]], *, level: int, hint: str, why: str
) -> WriteEinsum:
    net = task.net
    silent = f"\n\nEvery axis has size {task.size}, so a wrong equation runs as well." if task.size else ""
    letters = f"You need {len(net.axes)} letter{'s' * (len(net.axes) > 1)}"
    if not net.summed:
        last = f"{letters}. Nothing is summed, so each of them stands after the arrow too."
    elif task.unnamed:
        last = f"{letters}; {len(net.output) or 'none'} of them after the arrow."
    else:
        last = f"{letters}. Missing after the arrow: {listed(net.summed)}."
    return WriteEinsum(
        prompt=task.prompt + silent,
        tensors=net.tensors,
        output=net.output,
        sizes=dict.fromkeys(net.axes, task.size) if task.size else {},
        code=task.code,
        axes_told=level > 1,
        hints=[hint, last],
        why=why,
        wrong=net.wrong_turns([*task.mistakes, *mistakes(net), *net.single_edits()]),
    )


def left_over(net: Contraction) -> str:
    return " What is left stays in its order." if len(net.output) > 1 else ""


def exchanged(net: Contraction) -> Iterator[Mistake]:
    """A kept axis and a summed one have changed places."""
    for kept, gone in product(net.output, net.summed):
        yield Mistake(
            "wrong-axis-summed",
            net.with_output([gone if axis == kept else axis for axis in net.output]),
            f"You summed over {kept} and kept {gone}; it is the other way round.",
        )


def as_stored(name: str, axes: Axes, wanted: Axes) -> str:
    """Code that brings a tensor's axes into the wanted order."""
    if axes == wanted:
        return name
    if len(axes) == 2:  # noqa: PLR2004 -- a matrix
        return f"{name}.T"
    return f"{name}.permute({', '.join(str(axes.index(axis)) for axis in wanted)})"


@dataclass(frozen=True)
class Step:
    """A method call, and the places of the result's axes in what it is called on. `dims` are those that it sums."""

    text: str
    places: tuple[int, ...]
    dims: tuple[int, ...] = ()


def view(rng: Rng, rank: int) -> Step:
    """Axes put in another order, in one of the ways that torch has for it."""
    i, j = rng.sample(range(rank), 2)
    order = list(range(rank))
    match rng.pick(("transpose", "permute", "movedim")):
        case "permute":
            while order == sorted(order):
                order = rng.shuffled(order)
            return Step(f".permute({', '.join(map(str, order))})", tuple(order))
        case "movedim":
            order.insert(j, order.pop(i))
            return Step(f".movedim({written(rng, i, rank)}, {written(rng, j, rank)})", tuple(order))
        case _:
            order[i], order[j] = j, i
            return Step(f".transpose({written(rng, i, rank)}, {written(rng, j, rank)})", tuple(order))


def written(rng: Rng, dim: int, rank: int) -> int:
    """The dim, sometimes counted from the end."""
    return dim - rank if rng.chance(0.3) else dim


def total(rng: Rng, rank: int, count: int) -> Step:
    gone = rng.sample(range(rank), count)
    dims = tuple(written(rng, dim, rank) for dim in gone)
    text = f".sum({dims[0]})" if count == 1 else f".sum(dim={dims})"
    return Step(text, tuple(i for i in range(rank) if i not in gone), dims)


def after(steps: Iterable[Step], axes: Axes) -> Axes:
    for step in steps:
        axes = tuple(axes[i] for i in step.places)
    return axes


def code_of(steps: Iterable[Step], name: str = "x") -> str:
    return name + "".join(step.text for step in steps)
