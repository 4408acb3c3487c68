"""One tensor: axes summed, axes in another order."""

from collections.abc import Iterator, Sequence

from tensordrill.authoring import Rng, WriteEinsum, drill
from tensordrill.building.contraction import Contraction, Mistake, having, listed
from tensordrill.building.equations import (
    Asker,
    Axes,
    Step,
    Task,
    after,
    as_code,
    code_of,
    exchanged,
    has,
    left_over,
    pooled,
    posed,
    total,
    view,
)


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


def mistakes_of_sums(net: Contraction) -> Iterator[Mistake]:
    yield Mistake(
        "others-summed",
        net.with_output(net.summed),
        "You kept the axes that are to be summed, and summed the others. What stands after the arrow is kept.",
    )
    yield from exchanged(net)


@drill(after=["einsum.read"], levels=3, arena="0.0", structures=(20, 40, 40))
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


@drill(after=["einsum.read"], levels=3, arena="0.0", structures=(60, 30, 80))
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
