"""One tensor or two: what an equation does to an axis, and the products that everything else is made of."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

from tensordrill.authoring import (
    Contraction,
    Mistake,
    PredictValue,
    Rng,
    Terms,
    WriteEinsum,
    Wrong,
    axes_of,
    drill,
    having,
    listed,
    loop_nest,
)

Axes = tuple[str, ...]
TOP = 3  # the highest level

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


# --- how a puzzle is posed


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


# --- reading

READ = {
    "axis-kept": "A letter that is missing after the arrow is summed; you left one of them unsummed.",
    "axis-lost": "A letter that stands after the arrow is kept; you summed over one of them.",
    "output-order": "The letters after the arrow give the order of the result's axes; yours are in another order.",
    "diagonal-lost": "A letter that stands twice in one term takes the diagonal; you let in all entries.",
    "not-tied": "A letter that two tensors share runs through both together; you summed one of them on its own.",
    "tied": "Two different letters run on their own, each with each; you let them run together.",
    "operand-order": "The letters of a term name the tensor's axes in the order in which they are stored; "
    "you exchanged two of them.",
}


@dataclass(frozen=True)
class Table:
    """A small tensor of whole numbers: an entry for each index."""

    shape: tuple[int, ...]
    entries: Mapping[tuple[int, ...], int]

    def __str__(self) -> str:
        return str(self._rows(()))

    def _rows(self, at: tuple[int, ...]) -> object:
        if len(at) == len(self.shape):
            return self.entries[at]
        return [self._rows((*at, i)) for i in range(self.shape[len(at)])]


def contracted(terms: Terms, tables: Sequence[Table], row: int | None) -> Mapping[tuple[int, ...], int] | None:
    """The entries of an einsum's result, or of one of its rows. None where it raises; torch says what is right."""
    sizes: dict[str, int] = {}
    for term, table in zip(terms, tables, strict=False):
        for letter, size in zip(term, table.shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                return None
    letters = list(sizes)
    places = [[letters.index(letter) for letter in term] for term in terms]
    if row is not None and not places[-1]:
        return None
    entries: dict[tuple[int, ...], int] = {}
    for at in product(*map(range, sizes.values())):
        if row is not None and at[places[-1][0]] != row:
            continue
        value = 1
        for table, where in zip(tables, places, strict=False):
            value *= table.entries[tuple([at[i] for i in where])]
        cell = tuple([at[i] for i in places[-1]])
        entries[cell if row is None else cell[1:]] = entries.get(cell if row is None else cell[1:], 0) + value
    return entries


def lettered(rng: Rng, terms: Sequence[Sequence[int]], output: Sequence[int]) -> Contraction:
    """A contraction of A, B, … whose axes are single letters."""
    letters = rng.sample("abcijkmn", 1 + max(label for term in terms for label in term))
    return Contraction(
        tuple("ABC"[: len(terms)]),
        tuple(tuple(letters[label] for label in term) for term in terms),
        tuple(letters[label] for label in output),
    )


def one_table(rng: Rng) -> Contraction:
    """An equation of one matrix, or of a cube; not one that changes nothing."""
    while True:
        term = rng.pick(((0, 1), (0, 1), (0, 0), (0, 1, 2), (0, 0, 1), (0, 1, 0), (0, 1, 1)))
        labels = sorted(set(term))
        output = rng.sample(labels, rng.integer(0, min(2, len(labels))))
        if tuple(output) != term:
            return lettered(rng, [term], output)


def two_tables(rng: Rng) -> Contraction:
    """Vectors and matrices, that share an axis or none."""
    while True:
        terms = [rng.sample(range(3), rng.pick((1, 2, 2))) for _ in range(2)]
        labels = sorted({label for term in terms for label in term})
        if len(labels) < max(labels) + 1 or max(map(len, terms)) + len(labels) < 3:  # noqa: PLR2004 -- two vectors
            continue
        output = rng.sample(labels, rng.integer(0, min(2, len(labels))))
        tied = all(label in output or sum(label in term for term in terms) > 1 for label in labels)
        if tied or rng.chance(0.3):
            return lettered(rng, terms, output)


def several_tables(rng: Rng) -> Contraction:
    """Three tensors, or two of which one is a cube or has a diagonal."""
    while True:
        if rng.chance(0.4):
            terms = [rng.sample(range(3), rng.pick((1, 2))) for _ in range(3)]
        else:
            cube = rng.pick(((0, 1, 2), (0, 1, 1), (0, 1, 0), (0, 0, 1)))
            terms = [list(cube), rng.sample(range(max(cube) + 1), rng.pick((1, 2, 2)))]
        labels = sorted({label for term in terms for label in term})
        if len(labels) < max(labels) + 1 or len(labels) == 1:
            continue
        return lettered(rng, terms, rng.sample(labels, rng.integer(0, min(2, len(labels)))))


@drill(levels=3, structures=(30, 180, 300))
def read(rng: Rng) -> PredictValue:
    """Read an einsum on small numbers."""
    net = (one_table, two_tables, several_tables)[rng.level - 1](rng)
    sizes = dict.fromkeys(net.axes, 2)
    if rng.level < TOP and max(map(len, net.operands)) < 3:  # noqa: PLR2004 -- cubes are 2 by 2 by 2
        sizes[rng.pick(net.axes)] = 3
    row = rng.integer(0, 1) if rng.level == TOP and len(net.output) > 1 else None
    turns = [(turn, terms_of(str(turn.answer))) for turn in net.wrong_turns(net.single_edits())]
    while True:
        tables = [numbers(rng, [sizes[axis] for axis in axes]) for axes in net.operands]
        right = contracted(net.terms, tables, row)
        found = [(turn, contracted(terms, tables, row)) for turn, terms in turns]
        if all(entries != right for _, entries in found):
            break
    call = f'torch.einsum("{{}}", {", ".join(net.names)})' + (f"[{row}]" if row is not None else "")
    wrong = []
    seen: list[object] = [None]
    for turn, entries in found:
        if entries not in seen:
            seen.append(entries)
            wrong.append(Wrong(turn.id, call.format(turn.answer), READ[turn.id]))
    lines = [f"{name} = torch.tensor({table})" for name, table in zip(net.names, tables, strict=True)]
    equation = ",".join(net.terms[:-1]) + "->" + net.terms[-1]
    return PredictValue(
        program="\n".join([*lines, f'out = torch.einsum("{equation}", {", ".join(net.names)})']),
        ask="out" if row is None else f"out[{row}]",
        hints=[
            "Which letters are missing after the arrow? The result adds up over those.",
            f"Write one entry as a sum first: the letters {axes_of(net.terms[-1])} stay fixed."
            if net.output
            else "The result is one number: the sum of all products.",
        ],
        why="Each letter is an index. Entries are multiplied where the letters agree, and added up over every letter "
        "that is missing after the arrow. The letters after the arrow give the result's axes, in that order; a letter "
        "that stands twice in a term takes the diagonal.",
        wrong=wrong,
    )


def terms_of(equation: str) -> Terms:
    return tuple(equation.replace("->", ",").split(","))


def numbers(rng: Rng, shape: Sequence[int]) -> Table:
    places = list(product(*map(range, shape)))
    values = rng.distinct(len(places), 1, max(6, len(places) + 1))
    return Table(tuple(shape), dict(zip(places, values, strict=True)))


# --- code that changes the axes of one tensor


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


# --- sums


def sum_named(rng: Rng) -> Task:
    axes = pooled(rng, rng.pick((2, 3, 3, 4, 4)))
    gone = rng.sample(axes, rng.integer(1, len(axes) - rng.chance(0.8)))
    net = Contraction(("x",), (axes,), tuple(axis for axis in axes if axis not in gone))
    kept = rng.shuffled(net.output)
    if not kept:
        asked = "Sum over all of them: one number."
    elif rng.chance():
        asked = f"Sum over {listed(gone)}.{left_over(net)}"
    else:
        order = ", in the order in which they are stored," if len(kept) > 1 else ""
        asked = f"Keep {listed(kept)}{order} and sum over the rest."
    return Task(net, f"{has(net)}.\n\n{asked}")


def left_over(net: Contraction) -> str:
    return " What is left stays in its order." if len(net.output) > 1 else ""


def sum_in_words(rng: Rng) -> Task:
    axes = pooled(rng, rng.pick((3, 4, 4)))
    net = Contraction(("x",), (axes,), tuple(rng.sample(axes, rng.integer(1, len(axes) - 1))))
    order = f" The result's axes come in this order: {', '.join(net.output)}." if len(net.output) > 1 else ""
    return Task(
        net,
        f"`x` holds a number for each {listed(axes)}; its axes are stored in that order.\n\n"
        f"Wanted: the total for each {listed(net.output)}.{order}",
    )


def sum_as_code(rng: Rng) -> Task:
    axes = pooled(rng, rng.integer(3, 4))
    if rng.chance(0.4):
        steps = [total(rng, len(axes), rng.integer(1, len(axes) - 1))]
    else:
        steps = [total(rng, len(axes), 1), total(rng, len(axes) - 1, rng.integer(1, len(axes) - 2))]
    return as_steps(axes, steps)


def sum_of_views(rng: Rng) -> Task:
    """Sums before, between and after changes of order."""
    axes = pooled(rng, rng.integer(3, 4))
    while True:
        steps: list[Step] = []
        rank = len(axes)
        for kind in rng.pick(
            ("view sum", "view sum", "view sum sum", "sum view", "view sum view", "sum view sum")
        ).split():
            if rank < 2:  # noqa: PLR2004 -- nothing to reorder
                break
            steps.append(view(rng, rank) if kind == "view" else total(rng, rank, rng.integer(1, max(1, rank - 2))))
            rank = len(steps[-1].places)
        result = after(steps, axes)
        in_order = tuple(axis for axis in axes if axis in result)
        if result != in_order or after([s for s in steps if s.dims], axes) != result:
            break
    return as_steps(axes, steps, size=rng.integer(3, 5))


def as_steps(axes: Axes, steps: Sequence[Step], size: int = 0) -> Task:
    net = Contraction(("x",), (axes,), after(steps, axes))
    mistakes = []
    if (stale := by_first_names(axes, steps)) is not None:
        mistakes.append(
            Mistake(
                "stale-dims",
                net.with_output(stale),
                "You counted the dims of a later step on `x` itself. Each step counts the axes of what the step before "
                "left.",
            )
        )
    sums = [step for step in steps if step.dims]
    mistakes.append(
        Mistake(
            "view-ignored",
            net.with_output(after(sums, axes)) if len(sums) < len(steps) and chained(sums, axes) else net.terms,
            "You left out the change of order. It decides which axes the sum meets, and how the result is ordered.",
        )
    )
    return as_code(net, code_of(steps), size=size, mistakes=mistakes)


def chained(steps: Sequence[Step], axes: Axes) -> bool:
    """Whether each step's rank is what the one before leaves."""
    rank = len(axes)
    for step in steps:
        if len(step.places) + len(step.dims) != rank:
            return False
        rank = len(step.places)
    return True


def by_first_names(axes: Axes, steps: Sequence[Step]) -> Axes | None:
    """The result where the dims of every sum are counted on the first tensor. None where that makes no sense."""
    now = axes
    for step in steps:
        if step.dims:
            gone = {axes[dim] for dim in step.dims}
            now = tuple(axis for axis in now if axis not in gone)
        elif len(step.places) == len(now):
            now = after([step], now)
        else:
            return None
    return now


def exchanged(net: Contraction) -> Iterator[Mistake]:
    """A kept axis and a summed one have changed places."""
    for kept, gone in product(net.output, net.summed):
        yield Mistake(
            "wrong-axis-summed",
            net.with_output([gone if axis == kept else axis for axis in net.output]),
            f"You summed over {kept} and kept {gone}; it is the other way round.",
        )


def mistakes_of_sums(net: Contraction) -> Iterator[Mistake]:
    yield Mistake(
        "others-summed",
        net.with_output(net.summed),
        "You kept the axes that are to be summed, and summed the others. What stands after the arrow is kept.",
    )
    yield from exchanged(net)


@drill(after=["einsum.read"], levels=3, structures=(20, 40, 40))
def sum_axes(rng: Rng) -> WriteEinsum:
    """Sum over given axes."""
    askers: dict[int, Sequence[Asker]] = {
        1: (sum_named,),
        2: (sum_in_words, sum_as_code, sum_as_code),
        3: (sum_of_views,),
    }
    return posed(
        rng.pick(askers[rng.level])(rng),
        mistakes_of_sums,
        level=rng.level,
        hint="An axis is summed when its letter stands before the arrow and not after it.",
        why="In an einsum a letter that is missing after the arrow is summed. What stands after the arrow is kept, in "
        "the order written there: a sum and a change of order in one.",
    )


# --- permutations


def inverse(axes: Axes, result: Axes) -> Axes:
    """What comes out where the opposite of the permutation that gives `result` is done."""
    places = [axes.index(axis) for axis in result]
    return tuple(axes[places.index(i)] for i in range(len(axes)))


def cyclic(axes: Axes, result: Axes) -> bool:
    """Whether the permutation is not its own inverse, so that the two can be told apart."""
    return inverse(axes, result) != result


def reordered(rng: Rng, axes: Axes) -> Axes:
    while True:
        result = tuple(rng.shuffled(axes))
        if cyclic(axes, result):
            return result


def permute_named(rng: Rng) -> Task:
    axes = pooled(rng, rng.pick((3, 4, 4, 5)))
    net = Contraction(("x",), (axes,), reordered(rng, axes))
    return Task(net, f"{has(net)}.\n\nPut them in this order: {', '.join(net.output)}.")


def permute_moved(rng: Rng) -> Task:
    """One axis taken out and put back at least two places further."""
    axes = pooled(rng, rng.pick((3, 4, 4, 5)))
    i, j = rng.pick([(i, j) for i in range(len(axes)) for j in range(len(axes)) if abs(i - j) > 1])
    rest = [axis for axis in axes if axis != axes[i]]
    net = Contraction(("x",), (axes,), (*rest[:j], axes[i], *rest[j:]))
    where = {0: "to the front", len(axes) - 1: "to the end"}.get(j, f"to right after {net.output[j - 1]}")
    return Task(net, f"{has(net)}.\n\nMove {axes[i]} {where}. The others stay in their order.")


def permute_as_code(rng: Rng) -> Task:
    axes = pooled(rng, rng.pick((3, 4, 4, 5)))
    steps = [view(rng, len(axes))]
    while not cyclic(axes, after(steps, axes)):
        steps = [view(rng, len(axes)) for _ in range(rng.integer(1, 2))]
    return viewed(axes, steps)


def permute_by_index(rng: Rng) -> Task:
    """One assignment for all indices: one side names the axes of `x`, the other those of the result."""
    axes = tuple(rng.sample("ijkmnpq", rng.integer(3, 4)))
    net = Contraction(("x",), (reordered(rng, axes),), axes)
    return Task(
        net,
        f"This line fills `out`, for all {listed(axes)}. Write it as one einsum of `x`.",
        f"out[{', '.join(axes)}] = x[{', '.join(net.operands[0])}]",
    )


def permute_undone(rng: Rng) -> Task:
    axes = pooled(rng, rng.integer(3, 5))
    steps: list[Step] = []
    while not steps or not cyclic(axes, after(steps, axes)):
        steps = [view(rng, len(axes)) for _ in range(rng.integer(1, 2))]
    net = Contraction(("x",), (after(steps, axes),), axes)
    prompt = f"`y` has {having(axes)}, and `x` was made of it as below.\n\nWrite the einsum of `x` that gives back `y`."
    return Task(net, prompt, f"x = {code_of(steps, 'y')}", rng.integer(3, 5))


def permute_chained(rng: Rng) -> Task:
    axes = pooled(rng, rng.integer(3, 5))
    steps: list[Step] = []
    while not steps or not cyclic(axes, after(steps, axes)):
        steps = [view(rng, len(axes)) for _ in range(rng.integer(2, 3))]
    return viewed(axes, steps, size=rng.integer(3, 5))


def viewed(axes: Axes, steps: Sequence[Step], size: int = 0) -> Task:
    net = Contraction(("x",), (axes,), after(steps, axes))
    mistakes = [
        Mistake(
            "stale-dims",
            net.with_output(after(steps[::-1], axes)),
            "You did the steps in the opposite order. Each step counts the axes of what the step before left.",
        ),
        *[
            Mistake(
                "step-missed",
                net.with_output(after([*steps[:i], *steps[i + 1 :]], axes)),
                f"You left out `{steps[i].text}`.",
            )
            for i in range(len(steps))
            if len(steps) > 1
        ],
    ]
    return as_code(net, code_of(steps), size=size, mistakes=mistakes)


def mistakes_of_permutations(net: Contraction) -> Iterator[Mistake]:
    yield Mistake(
        "inverse-permutation",
        net.with_output(inverse(net.operands[0], net.output)),
        "That is the inverse permutation: it says where each axis goes. After the arrow stands which axis comes to "
        "each place.",
    )
    yield Mistake(
        "unchanged", net.with_output(net.operands[0]), "Your result has the axes in the order in which `x` has them."
    )


@drill(after=["einsum.read"], levels=3, structures=(60, 30, 80))
def permute(rng: Rng) -> WriteEinsum:
    """Put axes in another order."""
    askers: dict[int, Sequence[Asker]] = {
        1: (permute_named, permute_moved, permute_moved),
        2: (permute_as_code, permute_as_code, permute_by_index),
        3: (permute_undone, permute_chained),
    }
    task = rng.pick(askers[rng.level])(rng)
    return posed(
        task,
        mistakes_of_permutations,
        level=rng.level,
        hint="Before the arrow stand the axes as `x` has them, after it as the result has them. Nothing is counted.",
        why="After the arrow stands, for each place of the result, the axis that comes there; so it is with "
        "`x.permute(dims)`, whose dims are places in `x`. A list that says where each axis of `x` goes is the inverse "
        "permutation. They agree only where doing it twice changes nothing, as in a transpose.",
    )


# --- traces and diagonals


@dataclass(frozen=True)
class Square:
    """Matrices of who meets whom among one kind of thing, and what their diagonal says."""

    name: str
    holds: str
    batch: tuple[str, str]
    thing: str
    sides: tuple[str, str]
    total: str
    each: str


SQUARES = (
    Square("C", "counts predictions", ("run", "epoch"), "class", ("true class", "predicted class"),
           "the number of right predictions", "how often it was predicted where it was true"),
    Square("P", "holds attention patterns", ("layer", "head"), "position", ("query position", "key position"),
           "the attention that positions pay to themselves, in all", "the attention that it pays to itself"),
    Square("F", "counts flights", ("airline", "month"), "city", ("origin city", "destination city"),
           "the number of flights that land where they started", "the number of flights that start and land there"),
    Square("S", "holds covariances", ("dataset", "model"), "feature", ("feature", "other feature"),
           "the total variance, which is the sum of the features' variances", "its variance"),
    Square("T", "counts clicks", ("user", "day"), "page", ("page left", "page reached"),
           "the number of clicks that only load a page again", "the number of clicks that lead from it to itself"),
    Square("G", "holds the weights of edges", ("graph", "relation"), "node", ("source node", "target node"),
           "the weight of all self-loops", "the weight of its self-loop"),
)  # fmt: skip


def squares(rng: Rng, *, keep: bool) -> Contraction:
    """Square matrices, their two axes anywhere in the tensor. With `keep` the diagonal is kept, else summed."""
    batch = pooled(rng, rng.pick((0, 1, 1, 1, 2, 2, 2)))
    return Contraction(("A",), (tuple(rng.shuffled([*batch, "n", "n"])),), tuple(rng.shuffled([*batch, *["n"] * keep])))


def square_named(rng: Rng, *, keep: bool) -> Task:
    net = squares(rng, keep=keep)
    batch = [axis for axis in net.axes if axis != "n"]
    which = f"a square matrix for each {listed(batch)}" if batch else "a square matrix"
    wanted = f"{'the' if batch else 'its'} {'diagonal' if keep else 'trace'}{' of each' if batch else ''}"
    return Task(net, f"{has(net)}: {which}.\n\nTake {wanted}. {gives(net)}")


def square_in_words(rng: Rng, *, keep: bool) -> Task:
    scene = rng.pick(SQUARES)
    batch = rng.sample(scene.batch, rng.integer(1, 2))
    thing = scene.thing
    axes = tuple(rng.shuffled([*batch, thing, thing]))
    net = Contraction((scene.name,), (axes,), tuple(rng.shuffled([*batch, *[thing] * keep])))
    sides = iter(rng.shuffled(scene.sides))
    stored = axes_of([next(sides) if axis == thing else axis for axis in axes])
    wanted = f"{listed([*batch, thing])}: {scene.each}" if keep else f"{listed(batch)}: {scene.total}"
    return Task(net, f"`{scene.name}` {scene.holds}. Its axes are {stored}.\n\nWanted, for each {wanted}. {gives(net)}")


def square_as_code(rng: Rng, *, keep: bool) -> Task:
    """A diagonal taken by torch, which puts it last; or picked out by index, which puts it first."""
    net = squares(rng, keep=True)
    [axes] = net.operands
    first, second = (i for i, axis in enumerate(axes) if axis == "n")
    batch = [axis for axis in axes if axis != "n"]
    if batch and rng.chance(0.4):
        index = ", ".join("i" if axis == "n" else ":" for axis in axes)
        code = f"{'torch.stack' if keep else 'sum'}([A[{index}] for i in range(A.shape[{first}])])"
        output = ["n", *batch]
    else:
        dims = rng.shuffled((first, second))
        code = f"A.diagonal(dim1={written(rng, dims[0], len(axes))}, dim2={written(rng, dims[1], len(axes))})"
        output = [*batch, "n"]
        code += "" if keep else ".sum(-1)"
    if not keep:
        output.remove("n")
    return as_code(Contraction(("A",), (axes,), tuple(output)), code)


def square_as_loop(rng: Rng, *, keep: bool) -> Task:
    return as_loop(rng, squares(rng, keep=keep))


def factors(rng: Rng, names: str, batch: Axes, transpose: str) -> tuple[tuple[Axes, ...], str]:
    """Matrices, some of them transposed, whose product is square: their axes, and the product as code."""
    ring = ("row", "inner", "middle")[: len(names)]
    operands = []
    texts = []
    for i, name in enumerate(names):
        axes = (ring[i], ring[(i + 1) % len(ring)])
        turned = rng.chance()
        operands.append((*batch, *(axes[::-1] if turned else axes)))
        texts.append(name + transpose * turned)
    return tuple(operands), " @ ".join(texts)


def square_of_product(rng: Rng, *, keep: bool) -> Task:
    """The trace or diagonal of a product, of which nothing else is needed."""
    names = rng.pick(("AB", "AB", "ABC", "AA"))
    batch = () if len(names) > 2 or rng.chance(0.4) else pooled(rng, 1)  # noqa: PLR2004 -- three need no batch
    operands, text = factors(rng, names, batch, ".mT" if batch else ".T")
    whole = bool(batch) and rng.chance(0.3)
    net = Contraction(tuple(names), operands, () if whole else (*batch, *["row"] * keep))
    tail = f".diagonal(dim1=-2, dim2=-1){'' if keep else '.sum(-1)'}"
    if whole:
        net = Contraction(tuple(names), operands, ("row",) if keep else ())
        tail += ".sum(0)"
    code = f"({text}){tail}" if batch else f"torch.{'diag' if keep else 'trace'}({text})"
    each = f" for each {batch[0]}, which comes first" if batch else ""
    which = listed([f"`{name}`" for name in dict.fromkeys(names)])
    about = f"{which} {'is a square matrix' if names == 'AA' else 'are square matrices'}{each}"
    if batch:
        about = f"{which} {'holds' if names == 'AA' else 'hold'} a square matrix{each}"
    return as_code(net, code, size=rng.integer(3, 5), about=about)


def square_of_maps(rng: Rng, *, keep: bool) -> Task:
    """The same of matrices that are stored in any order."""
    batch = pooled(rng, rng.integer(0, 1))
    operands = tuple(tuple(rng.shuffled([*batch, "d_in", "d_out"])) for _ in range(2))
    kept = rng.pick(("d_in", "d_out"))
    net = Contraction(("A", "B"), operands, tuple(rng.shuffled([*batch, *[kept] * keep])))
    order = "`B` · `A`" if keep and kept == "d_in" else "`A` · `B`"
    each = f"for each {batch[0]}, " if batch else ""
    return Task(
        net,
        f"`A` is stored {axes_of(operands[0])}, `B` is stored {axes_of(operands[1])}. As matrices, `A` takes vectors "
        f"of size d_in to vectors of size d_out, and `B` takes them back.\n\n"
        f"Wanted, {each}the {'diagonal' if keep else 'trace'} of the matrix product {order}. {gives(net)}",
        size=rng.integer(3, 5),
    )


def doubles(net: Contraction) -> list[tuple[int, str]]:
    """The operands and axes of which there are two."""
    return [
        (i, axis)
        for i, operand in enumerate(net.operands)
        for axis in dict.fromkeys(operand)
        if operand.count(axis) > 1
    ]


def mistakes_of_traces(net: Contraction) -> Iterator[Mistake]:
    for i, axis in doubles(net):
        yield Mistake(
            "all-entries-summed",
            net.undiagonal(i, axis),
            "You gave the two axes of the matrix different letters, which adds up all of its entries. One letter twice "
            "takes the diagonal.",
        )
    axis = next((axis for _, axis in doubles(net)), net.operands[0][-1])
    for at in range(len(net.output) + 1):
        yield Mistake(
            "diagonal-kept",
            net.kept(axis, at),
            "That is the diagonal: its letter stands after the arrow, so it is kept. A trace sums it.",
        )
    for axis in net.output:
        yield Mistake(
            "batch-summed", net.lost(axis), f"You added up the traces over {axis}; each is wanted on its own."
        )


@drill(after=["einsum.sum-axes"], levels=3, lesson="Einops and einsum", structures=(14, 25, 30))
def trace(rng: Rng) -> WriteEinsum:
    """Trace of a matrix, and of many."""
    askers = {
        1: (square_named,),
        2: (square_in_words, square_in_words, square_as_code, square_as_loop),
        3: (square_of_product, square_of_maps),
    }
    return posed(
        rng.pick(askers[rng.level])(rng, keep=False),
        mistakes_of_traces,
        level=rng.level,
        hint="A trace adds up the entries whose row and column are the same."
        if rng.level < TOP
        else "Write the trace as a sum over indices first. The entries of the product off its diagonal are not needed.",
        why="One letter for both axes of a matrix takes its diagonal, and leaving that letter out after the arrow sums "
        "it: `ii->` is the trace. A trace of a product needs no product: tr(AB) adds up A[i, j] · B[j, i].",
    )


def mistakes_of_diagonals(net: Contraction) -> Iterator[Mistake]:
    for i, axis in doubles(net):
        yield Mistake(
            "row-sums",
            net.undiagonal(i, axis),
            "You gave the two axes of the matrix different letters, and summed the second: sums of rows. One letter "
            "twice takes the diagonal.",
        )
        yield Mistake(
            "column-sums",
            net.undiagonal(i, axis, first=True),
            "You gave the two axes of the matrix different letters, and summed the first: sums of columns. One letter "
            "twice takes the diagonal.",
        )
    diagonal = next((axis for _, axis in doubles(net)), None) or net.output[-1]
    for axis in net.output:
        if axis == diagonal:
            yield Mistake(
                "trace-taken",
                net.lost(axis),
                "That is the trace: the letter of the diagonal is missing after the arrow, so it is summed.",
            )
        else:
            yield Mistake("batch-summed", net.lost(axis), f"You leave out {axis} after the arrow, which sums it.")


@drill(after=["einsum.trace"], levels=3, structures=(35, 50, 50))
def diagonal(rng: Rng) -> WriteEinsum:
    """Diagonal of a matrix, and of many."""
    askers = {
        1: (square_named,),
        2: (square_in_words, square_as_code, square_as_code, square_as_loop),
        3: (square_of_product, square_of_maps),
    }
    return posed(
        rng.pick(askers[rng.level])(rng, keep=True),
        mistakes_of_diagonals,
        level=rng.level,
        hint="On the diagonal row and column are the same index."
        if rng.level < TOP
        else "Write one entry of the diagonal as a sum first. The other entries of the product are not needed.",
        why="One letter for two axes of a tensor takes the diagonal: `ii->i`. Batch axes keep their own letters, and "
        "the diagonal comes where its letter stands after the arrow; `torch.diagonal` always puts it last.",
    )


# --- products without a sum, and the sum that makes them inner


def as_stored(name: str, axes: Axes, wanted: Axes) -> str:
    """Code that brings a tensor's axes into the wanted order."""
    if axes == wanted:
        return name
    if len(axes) == 2:  # noqa: PLR2004 -- a matrix
        return f"{name}.T"
    return f"{name}.permute({', '.join(str(axes.index(axis)) for axis in wanted)})"


@dataclass(frozen=True)
class Pair:
    """Two tensors over the same axes, and what it is to multiply and add them up along one."""

    names: tuple[str, str]
    holds: str
    batch: tuple[str, str]
    along: str
    wanted: str


PAIRS = (
    Pair(("sold", "price"), "`sold` holds quantities, `price` prices", ("shop", "week"), "product",
         "the revenue: quantity times price, over all products"),
    Pair(("g", "v"), "`g` holds gradients, `v` the directions of a step", ("run", "layer"), "parameter",
         "the slope along the direction, which is the dot product of the gradient with it"),
    Pair(("t", "lp"), "`t` holds target distributions, `lp` log-probabilities", ("batch", "position"), "class",
         "the expected log-probability: target times log-probability, over all classes"),
    Pair(("f", "d"), "`f` holds the activations of sparse features, `d` their effects on the loss", ("prompt", "token"),
         "latent", "the total effect: activation times effect, over all latents"),
    Pair(("q", "k"), "`q` holds queries, `k` keys", ("head", "position"), "d_head",
         "the score of the query with the key of the same head and position"),
    Pair(("hours", "rate"), "`hours` holds hours worked, `rate` what an hour costs", ("site", "month"), "trade",
         "the cost: hours times rate, over all trades"),
)  # fmt: skip


def inner_named(rng: Rng) -> Task:
    axes = pooled(rng, rng.pick((1, 2, 2, 3, 3)))
    kept = () if rng.chance(0.3) else rng.sample(axes, rng.integer(0, len(axes) - 1))
    output = tuple(axis for axis in axes if axis in kept)
    net = Contraction(("x", "y"), (axes, tuple(rng.shuffled(axes))), output)
    each = f"For each {listed(output)}, multiply" if output else "Multiply"
    over = listed(net.summed) if output else "everything"
    return Task(
        net,
        f"{has(net)}.\n\n{each} entry by entry, matching axes by name, and add up the products over {over}: a dot "
        f"product. {gives(net)}",
    )


def inner_in_words(rng: Rng) -> Task:
    scene = rng.pick(PAIRS)
    axes = (*scene.batch, scene.along)
    stored = tuple(tuple(rng.shuffled(axes)) for _ in range(2))
    net = Contraction(scene.names, stored, tuple(rng.shuffled(scene.batch)))
    one, other = net.names
    return Task(
        net,
        f"{scene.holds}. `{one}` is stored {axes_of(stored[0])}, `{other}` is stored {axes_of(stored[1])}.\n\n"
        f"Wanted, for each {listed(net.output)}, in this order of axes: {scene.wanted}.",
    )


def inner_as_code(rng: Rng) -> Task:
    axes = pooled(rng, rng.pick((1, 2, 2, 3, 3)))
    net = Contraction(("x", "y"), (axes, tuple(rng.shuffled(axes))), ())
    y = as_stored("y", net.operands[1], axes)
    step = total(rng, len(axes), rng.integer(1, len(axes)))
    ways = [f"(x * {y}){step.text}"]
    if len(step.dims) == 1:
        ways.append(f"torch.linalg.vecdot(x, {y}, dim={step.dims[0]})")
    if len(step.dims) == len(axes):
        ways = ["torch.dot(x, y)", "x @ y"] if len(axes) == 1 else [f"(x * {y}).sum()", f"x.flatten() @ {y}.flatten()"]
    return as_code(Contraction(net.names, net.operands, after([step], axes)), rng.pick(ways))


def inner_as_loop(rng: Rng) -> Task:
    return as_loop(rng, inner_named(rng).net)


def inner_weighted(rng: Rng) -> Task:
    axes = pooled(rng, rng.integer(2, 3))
    summed = rng.sample(axes, rng.integer(1, len(axes)))
    weighed = rng.sample(summed, rng.integer(1, len(summed)))
    operands = (tuple(rng.shuffled(axes)), tuple(rng.shuffled(axes)), tuple(weighed))
    output = tuple(rng.shuffled([axis for axis in axes if axis not in summed]))
    net = Contraction(("x", "y", "w"), operands, output)
    each = f"for each {listed(output)}, " if output else ""
    return Task(
        net,
        f"{has(net)}.\n\nWanted: {each}the dot product of `x` and `y` over {listed(summed)}, every product of two "
        f"entries weighted by the `w` of its {listed(weighed)}. Axes match by name.\n\n{gives(net)}",
        size=rng.integer(3, 5),
    )


def inner_squared(rng: Rng) -> Task:
    """A tensor with itself: squared lengths."""
    axes = pooled(rng, rng.integer(1, 4))
    step = total(rng, len(axes), rng.integer(1, len(axes)))
    code = rng.pick(("x.square()", "(x * x)", "(x ** 2)")) + step.text
    if len(axes) > 1 and len(step.dims) == 1 and rng.chance():
        code = f"x.norm(dim={step.dims[0]}) ** 2"
    net = Contraction(("x", "x"), (axes, axes), after([step], axes))
    return as_code(net, code, size=rng.integer(3, 5))


def mistakes_of_inner(net: Contraction) -> Iterator[Mistake]:
    for axis in net.summed:
        because = f"You keep {axis} after the arrow: the products, not yet added up. A dot product sums them."
        for at in range(len(net.output) + 1):
            yield Mistake("hadamard", net.kept(axis, at), because)
        yield Mistake(
            "outer",
            net.apart(1, axis),
            f"You gave {axis} two letters and kept both: that is an outer product, every entry with every entry. In a "
            "dot product the two tensors run along one letter.",
        )
    for kept in net.output:
        yield Mistake("batch-summed", net.lost(kept), f"You leave out {kept} after the arrow, which sums it as well.")
    yield from exchanged(net)


@drill(after=["einsum.sum-axes"], levels=3, structures=(60, 70, 200))
def inner(rng: Rng) -> WriteEinsum:
    """Dot products."""
    askers: dict[int, Sequence[Asker]] = {
        1: (inner_named,),
        2: (inner_in_words, inner_as_code, inner_as_code, inner_as_loop),
        3: (inner_weighted, inner_weighted, inner_squared),
    }
    return posed(
        rng.pick(askers[rng.level])(rng),
        mistakes_of_inner,
        level=rng.level,
        hint="Entries that are multiplied with each other have the same letters in both tensors.",
        why="A letter that the tensors share runs through them together: their entries are multiplied one by one. "
        "Without that letter after the arrow the products are added up: an inner product. With it they are kept: an "
        "elementwise (Hadamard) product. Two letters would pair each with each: an outer product.",
    )


# --- outer products


def spread(rng: Rng, shared: Sequence[str], own: Sequence[Sequence[str]]) -> Contraction:
    """Tensors that share some axes and have others of their own; the result has them all."""
    names = rng.pick((("u", "v", "w"), ("x", "y", "z"), ("a", "b", "c")))[: len(own)]
    operands = tuple(tuple(rng.shuffled([*shared, *axes])) for axes in own)
    return Contraction(names, operands, tuple(rng.shuffled([*shared, *(axis for axes in own for axis in axes)])))


def outer_net(rng: Rng, operands: int = 2) -> Contraction:
    shared = rng.pick((0, 0, 1)) if operands == 2 else 0  # noqa: PLR2004 -- a pair
    sizes = [1] * operands
    if not shared and rng.chance(0.35):
        sizes[rng.integer(0, operands - 1)] = 2
    axes = pooled(rng, shared + sum(sizes))
    rest = iter(axes[shared:])
    return spread(rng, axes[:shared], [[next(rest) for _ in range(size)] for size in sizes])


def outer_named(rng: Rng) -> Task:
    net = outer_net(rng)
    shared = [axis for axis in net.axes if len(net.owners(axis)) > 1]
    each = f"For each {shared[0]}, multiply" if shared else "Multiply"
    one, other = net.names
    return Task(net, f"{has(net)}.\n\n{each} every entry of `{one}` with every entry of `{other}`. {gives(net)}")


def outer_as_code(rng: Rng) -> Task:
    """Sizes of 1 put in by index, so that broadcasting pairs each with each."""
    net = outer_net(rng)
    operands = tuple(tuple(axis for axis in net.output if axis in axes) for axes in net.operands)
    net = Contraction(net.names, operands, net.output)
    one, other = net.names
    texts = [
        f"{name}[{', '.join(':' if axis in axes else 'None' for axis in net.output)}]"
        for name, axes in zip(net.names, operands, strict=True)
    ]
    code = " * ".join(rng.shuffled(texts))
    if len(net.output) == 2:  # noqa: PLR2004 -- two vectors
        first, second = (one, other) if operands[0] == net.output[:1] else (other, one)
        code = rng.pick((code, f"torch.outer({first}, {second})", f"torch.outer({second}, {first}).T",
                         f"{first}[:, None] * {second}", f"{first}.unsqueeze(1) @ {second}.unsqueeze(0)"))  # fmt: skip
    return as_code(net, code)


def outer_as_loop(rng: Rng) -> Task:
    return as_loop(rng, outer_net(rng))


@dataclass(frozen=True)
class Update:
    """A sum of outer products, as models make them."""

    names: tuple[str, str]
    axes: tuple[str, str]
    batch: Axes
    summed: Axes
    output: Axes
    text: str


UPDATES = (
    Update(("delta", "x"), ("d_out", "d_in"), (), ("batch",), ("d_out", "d_in"),
           "the gradient of a linear layer's weight: the sum, over the batch, of the outer products of each example's "
           "output gradient `delta` with its input `x`"),
    Update(("delta", "x"), ("d_out", "d_in"), ("batch",), (), ("batch", "d_out", "d_in"),
           "the gradient of a linear layer's weight for each example of the batch by itself: the outer product of its "
           "output gradient `delta` with its input `x`"),
    Update(("delta", "x"), ("d_out", "d_in"), (), ("batch", "token"), ("d_out", "d_in"),
           "the gradient of a linear layer's weight: the sum, over all tokens of the batch, of the outer products of "
           "the output gradient `delta` with the input `x`"),
    Update(("k", "v"), ("d_key", "d_value"), ("head",), ("token",), ("head", "d_key", "d_value"),
           "the state of linear attention, for each head: the sum, over the tokens, of the outer products of a token's "
           "key with its value"),
    Update(("k", "v"), ("d_key", "d_value"), ("batch", "head"), (), ("batch", "head", "d_key", "d_value"),
           "what one token writes into a fast-weight memory, for each head of each sequence: the outer product of its "
           "key with its value"),
    Update(("f", "e"), ("latent", "token"), (), (), ("token", "latent"),
           "a table of the products of every latent's activation `f` with every token's effect `e`"),
)  # fmt: skip


def outer_in_words(rng: Rng) -> Task:
    scene = rng.pick(UPDATES)
    both = (*scene.batch, *scene.summed)
    operands = tuple(tuple(rng.shuffled([*both, own])) for own in scene.axes)
    net = Contraction(scene.names, operands, tuple(rng.shuffled(scene.output)))
    return Task(net, f"{has(net)}.\n\nWanted: {scene.text}. {gives(net)}", size=rng.integer(3, 5))


def outer_with_itself(rng: Rng) -> Task:
    """Every pair of one tensor's entries."""
    axes = pooled(rng, rng.integer(2, 3))
    thing, *rest = axes
    kept = rng.sample(rest, rng.integer(0, len(rest)))
    other = f"other_{thing}"
    stored = tuple(rng.shuffled(axes))
    output = rng.shuffled([thing, other, *kept])
    if output.index(thing) > output.index(other):
        output = [{thing: other, other: thing}.get(axis, axis) for axis in output]
    net = Contraction(("x", "x"), (stored, tuple(other if axis == thing else axis for axis in stored)), tuple(output))
    each = f"for each {listed(kept)}, " if kept else ""
    over = f", added up over {listed(net.summed)}" if net.summed else ""
    return Task(
        net,
        f"`x` has {having(stored)}, and is passed twice.\n\nWanted, {each}the products of every {thing} with every "
        f"{thing}, itself too{over}. Only entries that agree in {listed(rest)} are multiplied.\n\n{gives(net)}",
        size=rng.integer(3, 5),
    )


def outer_of_three(rng: Rng) -> Task:
    net = outer_net(rng, 3)
    asked = "Multiply every entry of each with every entry of the others."
    return Task(net, f"{has(net)}.\n\n{asked} {gives(net)}", size=rng.integer(3, 4))


def mistakes_of_outer(net: Contraction) -> Iterator[Mistake]:
    own = [[axis for axis in axes if len(net.owners(axis)) == 1] for axes in net.operands]
    for i, j in combinations(range(len(own)), 2):
        for a, b in product(own[i], own[j]):
            yield Mistake(
                "transposed",
                net.output_swapped(a, b),
                f"That is the outer product transposed: {a} and {b} have changed places in your result.",
            )
            *terms, output = net.tied(a, b)
            one = net.letters[a]
            yield Mistake(
                "inner",
                (*terms, output.replace(one, "")),
                f"You gave {a} and {b} one letter and summed it: an inner product. An outer product has two letters, "
                "and keeps both.",
            )
            yield Mistake(
                "elementwise",
                (*terms, output),
                f"You gave {a} and {b} one letter, so entry meets entry. In an outer product each meets each: two "
                "letters.",
            )


@drill(after=["einsum.inner"], levels=3, lesson="Einops and einsum", structures=(70, 60, 220))
def outer(rng: Rng) -> WriteEinsum:
    """Outer products."""
    askers: dict[int, Sequence[Asker]] = {
        1: (outer_named,),
        2: (outer_as_code, outer_as_code, outer_as_loop),
        3: (outer_in_words, outer_with_itself, outer_of_three),
    }
    return posed(
        rng.pick(askers[rng.level])(rng),
        mistakes_of_outer,
        level=rng.level,
        hint="Which indices run on their own, so that each of one meets each of the other? They need two letters.",
        why="Letters that no other tensor has run freely: every entry of one meets every entry of the other, and all "
        "those letters stand after the arrow. `i,j->ij` is `torch.outer`, and `u[:, None] * v[None, :]`. A letter that "
        "both have is a batch index; left out after the arrow, the outer products are added up over it.",
    )


# --- elementwise products


def hadamard_named(rng: Rng) -> Task:
    axes = pooled(rng, rng.pick((2, 3, 3)))
    other = axes
    while other == axes:
        other = tuple(rng.shuffled(axes))
    net = Contraction(("A", "B"), (axes, other), tuple(rng.shuffled(axes)))
    return Task(net, f"{has(net)}.\n\nMultiply them entry by entry, matching axes by name. {gives(net)}")


def hadamard_as_code(rng: Rng) -> Task:
    net = hadamard_named(rng).net
    texts = [as_stored(name, axes, net.output) for name, axes in zip(net.names, net.operands, strict=True)]
    code = " * ".join(rng.shuffled(texts))
    axes = net.operands[0]
    if len(axes) == 2 and net.output != axes and rng.chance():  # noqa: PLR2004 -- matrices
        code = f"({' * '.join(rng.shuffled(['A', 'B.T']))}).T"
    return as_code(net, code)


def hadamard_as_loop(rng: Rng) -> Task:
    return as_loop(rng, hadamard_named(rng).net)


def hadamard_scaled(rng: Rng) -> Task:
    """A third factor that has only some of the axes."""
    axes = pooled(rng, rng.integer(2, 3))
    scale = tuple(rng.sample(axes, rng.integer(1, len(axes) - 1)))
    operands = [tuple(rng.shuffled(axes)), tuple(rng.shuffled(axes)), scale]
    names = ["A", "B", "s"]
    if rng.chance(0.4):
        del operands[1], names[1]
    while operands[0] == axes and operands[-2] == axes:
        operands[0] = tuple(rng.shuffled(axes))
    net = Contraction(tuple(names), tuple(operands), axes)
    return Task(
        net,
        f"{has(net)}.\n\nMultiply entry by entry; each number of `s` scales all entries of its {listed(scale)}. "
        f"{gives(net)}",
        size=rng.integer(3, 5),
    )


def hadamard_silent(rng: Rng) -> Task:
    """A line that multiplies what does not belong together."""
    net = hadamard_named(rng).net
    return Task(
        net,
        f"{has(net)}.\n\nThe line below runs, and multiplies entries that do not belong together. Multiply those "
        f"of the same {listed(net.axes)}. {gives(net)}",
        "out = A * B",
        rng.integer(3, 6),
    )


def mistakes_of_hadamard(net: Contraction) -> Iterator[Mistake]:
    full = [i for i, axes in enumerate(net.operands) if len(axes) == len(net.output)]
    for i, j in combinations(full, 2):
        for one, other in ((i, j), (j, i)):
            operands = list(net.operands)
            operands[other] = net.operands[one]
            yield Mistake(
                "not-transposed",
                net.read_as(*operands),
                f"You read `{net.names[other]}` as if it were stored like `{net.names[one]}`. Its axes are "
                f"{axes_of(net.operands[other])}.",
            )
    for axis in net.output:
        yield Mistake(
            "summed", net.lost(axis), f"You leave out {axis} after the arrow, which sums it. An elementwise product "
            "keeps every letter."
        )  # fmt: skip


@drill(after=["einsum.inner"], levels=3, structures=(25, 25, 200))
def hadamard(rng: Rng) -> WriteEinsum:
    """Elementwise products of tensors that are stored differently."""
    askers: dict[int, Sequence[Asker]] = {
        1: (hadamard_named,),
        2: (hadamard_as_code, hadamard_as_code, hadamard_as_loop),
        3: (hadamard_scaled, hadamard_scaled, hadamard_silent),
    }
    return posed(
        rng.pick(askers[rng.level])(rng),
        mistakes_of_hadamard,
        level=rng.level,
        hint="Each tensor's letters stand in the order in which that tensor is stored; the same index has the same "
        "letter everywhere.",
        why="In an elementwise (Hadamard) product all tensors run along the same letters, and the result keeps them "
        "all. Each term spells its own tensor's order, so no transpose has to be written: `ij,ji->ij` is `A * B.T`.",
    )


# --- matrices with vectors


def matvec_net(rng: Rng, rank: int) -> Contraction:
    axes = pooled(rng, rank)
    gone = rng.pick(axes)
    output = [axis for axis in axes if axis != gone]
    if rng.level > 1 and rng.chance(0.4):
        output = rng.shuffled(output)
    operands: list[tuple[str, Axes]] = [("A", axes), ("v", (gone,))]
    names, terms = zip(*rng.shuffled(operands), strict=True)
    return Contraction(names, terms, tuple(output))


def matvec_named(rng: Rng) -> Task:
    net = matvec_net(rng, rng.pick((2, 2, 3, 3, 4)))
    [along] = net.summed
    if len(net.output) == 1 and rng.chance():
        asked = f"Multiply the matrix and the vector, so that {along} is summed."
    else:
        asked = f"For each {listed(net.output)}, take the dot product with `v`.{left_over(net)}"
    return Task(net, f"{has(net)}.\n\n{asked}")


def matvec_as_code(rng: Rng) -> Task:
    """A matrix, or a stack of them, with a vector, in the ways that torch has for it."""
    batch = pooled(rng, rng.pick((0, 0, 1)))
    turned, per_batch = rng.chance(), bool(batch) and rng.chance()
    axes = (*batch, *(("inner", "kept") if turned else ("kept", "inner")))
    transposed = "A.mT" if batch else "A.T"
    matrix = transposed if turned else "A"
    if per_batch:
        ways = [
            f"({matrix} @ v[:, :, None]).squeeze(-1)",
            f"(v[:, None, :] @ {'A' if turned else transposed}).squeeze(1)",
        ]
        ways.append("(A * v[:, :, None]).sum(1)" if turned else "(A * v[:, None, :]).sum(-1)")
    else:
        ways = [f"{matrix} @ v", f"v @ {'A' if turned else transposed}"]
        ways.append("(A * v[:, None]).sum(-2)" if turned else "(A * v).sum(-1)")
        if not batch:
            ways += [f"torch.mv({matrix}, v)", f"F.linear(v, {matrix})"]
    vector = (*batch, "inner") if per_batch else ("inner",)
    operands: list[tuple[str, Axes]] = [("A", axes), ("v", vector)]
    names, terms = zip(*rng.shuffled(operands), strict=True)
    stack = f"`A` is a stack of matrices, one for each {batch[0]}" if batch else "`A` is a matrix"
    vectors = f"`v` is a stack of vectors, one for each {batch[0]}" if per_batch else "`v` is a vector"
    where = f"; {batch[0]} comes first" if batch else ""
    return as_code(Contraction(names, terms, (*batch, "kept")), rng.pick(ways), about=f"{stack} and {vectors}{where}")


def matvec_as_loop(rng: Rng) -> Task:
    return as_loop(rng, matvec_net(rng, rng.integer(2, 3)))


def matvec_in_words(rng: Rng) -> Task:
    scene, batch, kept, inner, wanted = rng.pick(MATVECS)
    both = rng.sample(batch, rng.integer(0, len(batch)))
    matrix = tuple(rng.shuffled([*batch, kept, inner]))
    vector = tuple(rng.shuffled([*both, inner]))
    net = Contraction(("W", "x"), (matrix, vector), tuple(rng.shuffled([*batch, kept])))
    shared = f"Every {listed(both)} has a vector of its own in `x`" if both else "All use the same vector `x`"
    return Task(
        net,
        f"{scene} `W` is stored {axes_of(matrix)}; `x` has {having(vector)}. "
        f"{shared}.\n\nWanted, for each {listed(batch)}: {wanted}. {gives(net)}",
        size=rng.integer(3, 5),
    )


MATVECS = (
    ("Experts are linear maps.", ("expert",), "d_out", "d_in", "its output vector, one number for each d_out"),
    ("Heads write through matrices of their own.", ("layer", "head"), "d_model", "d_head",
     "what it writes, one number for each d_model"),
    ("Linear probes were trained on every layer.", ("layer",), "class", "feature", "its score for each class"),
    ("Markov chains, as matrices.", ("chain",), "state_after", "state_before",
     "its distribution after one step, one number for each state_after"),
    ("Cameras turn points.", ("camera", "frame"), "axis_after", "axis_before",
     "the turned point, one number for each axis_after"),
)  # fmt: skip


def matvec_chain(rng: Rng) -> Task:
    """Two matrices, one after the other."""
    turned = rng.chance(), rng.chance()
    axes = [("out", "mid"), ("mid", "in")]
    stored = [pair[::-1] if turn else pair for pair, turn in zip(axes, turned, strict=True)]
    b, a = ("B.T" if turned[0] else "B"), ("A.T" if turned[1] else "A")
    back_b, back_a = ("B" if turned[0] else "B.T"), ("A" if turned[1] else "A.T")
    code = rng.pick((f"{b} @ ({a} @ v)", f"{b} @ {a} @ v", f"(v @ {back_a}) @ {back_b}", f"{b} @ (v @ {back_a})"))
    operands: list[tuple[str, Axes]] = [("B", stored[0]), ("A", stored[1]), ("v", ("in",))]
    names, terms = zip(*rng.shuffled(operands), strict=True)
    net = Contraction(names, terms, ("out",))
    return as_code(net, code, size=rng.integer(3, 5), about="`A` and `B` are matrices and `v` is a vector")


def mistakes_of_matvec(net: Contraction) -> Iterator[Mistake]:
    """The vector along another axis of the matrix; rows or columns that are only scaled."""
    matrix = max(range(len(net.names)), key=lambda i: len(net.operands[i]))
    for gone in net.summed:
        if len(net.owners(gone)) == 1:
            continue
        for axis in net.operands[matrix]:
            if net.owners(axis) == [matrix] and axis != gone and gone in net.operands[matrix]:
                name, what = ("wrong-axis", "")
                if len(net.operands[matrix]) == 2:  # noqa: PLR2004 -- a matrix
                    name, what = "vector-on-the-left", ", as the vector times the matrix does"
                yield Mistake(
                    name,
                    net.misread(matrix, axis, gone),
                    f"You sum `{net.names[matrix]}` over {axis}{what}. It is {gone} that runs along the vector.",
                )
        for at in range(len(net.output) + 1):
            yield Mistake(
                "not-summed",
                net.kept(gone, at),
                f"You keep {gone} after the arrow: the matrix is scaled by the vector, and nothing is added up.",
            )


@drill(after=["einsum.inner"], levels=3, structures=(15, 15, 180))
def matvec(rng: Rng) -> WriteEinsum:
    """Matrix times vector."""
    askers: dict[int, Sequence[Asker]] = {
        1: (matvec_named,),
        2: (matvec_as_code, matvec_as_code, matvec_as_loop),
        3: (matvec_in_words, matvec_in_words, matvec_chain),
    }
    return posed(
        rng.pick(askers[rng.level])(rng),
        mistakes_of_matvec,
        level=rng.level,
        hint="The vector shares one letter with the matrix. Which of the matrix's axes is it?",
        why="A matrix times a vector takes the dot product of each row with it: they share the letter of the columns, "
        "which is summed, and the letter of the rows is left: `ij,j->i`. The vector times the matrix is `i,ij->j`: the "
        "transpose times the vector. The order of the operands changes nothing; the letters say it all.",
    )


# --- matrices with matrices


def matmul_named(rng: Rng) -> Task:
    """Two matrices, stored either way; or a linear layer, whose input has more axes."""
    names, along, last = ("A", "B"), "inner", "column"
    rows: Axes = ("row",)
    if batch := pooled(rng, rng.pick((0, 0, 1, 2))):
        names, rows, along, last = ("X", "W"), batch, "d_in", "d_out"
    left, right = (tuple(rng.shuffled(axes)) for axes in ((*rows, along), (along, last)))
    net = Contraction(names, (left, right), tuple(rng.shuffled([*rows, last])))
    what = "Multiply them as matrices" if not batch else "Multiply every vector of `X` by the matrix"
    return Task(net, f"{has(net)}.\n\n{what}: {along} is summed. {gives(net)}")


def transposes(rng: Rng) -> tuple[tuple[Axes, Axes], list[str], list[str]]:
    """How A and B are stored, and what stands for the row-by-column matrices in code; and for their transposes."""
    stored: list[Axes] = []
    plain, turned = [], []
    for name, axes in (("A", ("row", "inner")), ("B", ("inner", "column"))):
        turn = rng.chance()
        stored.append(axes[::-1] if turn else axes)
        plain.append(f"{name}.T" if turn else name)
        turned.append(name if turn else f"{name}.T")
    return (stored[0], stored[1]), plain, turned


def matmul_as_code(rng: Rng) -> Task:
    stored, plain, turned = transposes(rng)
    code, output = f"{plain[0]} @ {plain[1]}", ("row", "column")
    match rng.integer(0, 4):
        case 0:
            code, output = f"({code}).T", output[::-1]
        case 1:
            code, output = f"{turned[1]} @ {turned[0]}", output[::-1]
        case 2:
            code = f"({turned[1]} @ {turned[0]}).T"
        case 3:
            code = f"F.linear({plain[0]}, {turned[1]})"
        case _:
            pass
    net = Contraction(("A", "B"), stored, output)
    if rng.chance(0.3):
        net = Contraction(("B", "A"), stored[::-1], output)
    return as_code(net, code, about="`A` and `B` are matrices")


def linear_as_code(rng: Rng) -> Task:
    """A linear layer on inputs with more axes."""
    batch = pooled(rng, rng.integer(1, 2))
    turned = rng.chance()
    weight = ("d_out", "d_in") if turned else ("d_in", "d_out")
    code = rng.pick((f"x @ {'W.T' if turned else 'W'}", f"F.linear(x, {'W' if turned else 'W.T'})"))
    output = (*batch, "d_out")
    if rng.chance(0.6):
        step = view(rng, len(output))
        code, output = f"({code}){step.text}" if "@" in code else code + step.text, after([step], output)
    stored = (*batch, "d_in")
    if rng.chance(0.4):
        stored = tuple(rng.shuffled(stored))
        code = code.replace("x", as_stored("x", stored, (*batch, "d_in")), 1) if len(stored) > 2 else code  # noqa: PLR2004
        stored = stored if len(stored) > 2 else (*batch, "d_in")  # noqa: PLR2004
    net = Contraction(("x", "W"), (stored, weight), output)
    return as_code(net, code, about=f"`x` has {having(net.operands[0])} and `W` is a matrix")


def matmul_as_loop(rng: Rng) -> Task:
    return as_loop(rng, matmul_named(rng).net)


def matmul_in_words(rng: Rng) -> Task:
    """The product as mathematics writes it."""
    stored, plain, turned = transposes(rng)
    left, right, output = plain[0], plain[1], ("row", "column")
    if rng.chance():
        left, right, output = turned[1], turned[0], ("column", "row")
    text = f"{left}{right}".replace(".T", "ᵀ")
    return as_formula(Contraction(("A", "B"), stored, output), text)


def as_formula(net: Contraction, formula: str) -> Task:
    return Task(net, f"`A` and `B` are matrices.\n\nWrite the einsum for the matrix product {formula}.")


def matmul_silent(rng: Rng) -> Task:
    """A line that was meant to do something else."""
    task = rng.pick((matmul_in_words, matmul_as_code))(rng)
    net = task.net
    size = rng.pick((4, 8, 16))
    bugs = net.wrong_turns(list(mistakes_of_matmul(net)))
    bug = rng.pick([turn for turn in bugs if turn.id in SILENT])
    meant = task.code or task.prompt.rpartition("product ")[2].rstrip(".")
    meant = f"`{meant}`" if task.code else f"the matrix product {meant}"
    return Task(
        net,
        f"`A` and `B` are square matrices of the same size. This line was meant to compute {meant}. It runs, and gives "
        "something else.\n\nWrite the equation that was meant.",
        f'C = torch.einsum("{bug.answer}", {", ".join(net.names)})',
        size,
    )


SILENT = ("first-transposed", "second-transposed", "both-transposed", "result-transposed", "other-way-round")


def gram(rng: Rng) -> Task:
    """A matrix with itself: all dot products of its rows, or of its columns."""
    kept = rng.pick(("row", "column"))
    operand = ("row", "column")
    other = tuple(f"other_{axis}" if axis == kept else axis for axis in operand)
    code = "X @ X.T" if kept == "row" else "X.T @ X"
    net = Contraction(("X", "X"), (operand, other), (kept, f"other_{kept}"))
    return as_code(net, code, size=rng.integer(3, 6), about="`X` is a matrix, and is passed twice")


def matmul_summed(rng: Rng) -> Task:
    """A product of which only sums are needed."""
    task = matmul_as_code(rng)
    step = total(rng, 2, 1)
    net = Contraction(task.net.names, task.net.operands, after([step], task.net.output))
    code = (task.code if task.code.startswith(("(", "F")) and task.code.endswith((")", ".T")) and "@" not in task.code
            else f"({task.code})") + step.text  # fmt: skip
    return as_code(net, code, size=rng.integer(3, 6), about="`A` and `B` are matrices")


def layer_in_words(rng: Rng) -> Task:
    """A linear layer on inputs whose axes are stored in any order."""
    batch = pooled(rng, rng.integer(1, 2))
    stored = tuple(rng.shuffled([*batch, "d_in"]))
    weight = rng.pick((("d_in", "d_out"), ("d_out", "d_in")))
    net = Contraction(("x", "W"), (stored, weight), tuple(rng.shuffled([*batch, "d_out"])))
    return Task(
        net,
        f"`x` is stored {axes_of(stored)}: a vector of d_in numbers for each {listed(batch)}. `W` is stored "
        f"{axes_of(weight)}.\n\nPut every vector through the linear map `W`, from d_in to d_out. {gives(net)}",
        size=rng.integer(3, 6),
    )


def mistakes_of_matmul(net: Contraction) -> Iterator[Mistake]:
    if all(len(axes) == 2 for axes in net.operands):  # noqa: PLR2004 -- matrices
        (a, b), (c, d) = net.operands
        one, other = net.names
        turned = net.read_as((b, a), (c, d)), net.read_as((a, b), (d, c)), net.read_as((b, a), (d, c))
        if one != other:
            yield Mistake("first-transposed", turned[0], f"You took `{one}` for its transpose.")
            yield Mistake("second-transposed", turned[1], f"You took `{other}` for its transpose.")
        if len(net.output) > 1:
            yield Mistake(
                "result-transposed",
                net.with_output(net.output[::-1]),
                "That is the product transposed: your letters after the arrow are the wrong way round.",
            )
            yield Mistake(
                "both-transposed",
                turned[2],
                f"You took both `{one}` and `{other}` for their transposes.",
            )
    for gone in net.summed:
        if len(net.owners(gone)) > 1:
            for at in range(len(net.output) + 1):
                yield Mistake(
                    "not-summed",
                    net.kept(gone, at),
                    f"You keep {gone} after the arrow: the products, not yet added up.",
                )


@drill(after=["einsum.matvec"], levels=3, lesson="Einops and einsum", structures=(35, 35, 40))
def matmul(rng: Rng) -> WriteEinsum:
    """Matrix products, with either side transposed."""
    askers: dict[int, Sequence[Asker]] = {
        1: (matmul_named,),
        2: (matmul_as_code, matmul_as_code, matmul_in_words, linear_as_code, matmul_as_loop),
        3: (matmul_silent, matmul_silent, matmul_summed, layer_in_words, gram),
    }
    return posed(
        rng.pick(askers[rng.level])(rng),
        mistakes_of_matmul,
        level=rng.level,
        hint="Write one entry of the result as a sum first. The index that both factors share is summed.",
        why="In `ij,jk->ik` the shared letter is summed, and the free ones are left. To transpose a factor, exchange "
        "the letters of its term; to transpose the result, those after the arrow. (AB)ᵀ is BᵀAᵀ, and both are the same "
        "einsum. More axes on one side, as in a linear layer, only add letters.",
    )
