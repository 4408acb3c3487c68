"""Shapes of one tensor whose axes are put in another order, merged, split and laid out anew."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import permutations
from math import prod

from tensordrill.authoring import PredictShape, Rng, drill
from tensordrill.building.shapes import (
    Asked,
    Guess,
    Misread,
    Rule,
    Shape,
    Shaped,
    Step,
    axis_at,
    bracketed,
    chained,
    inserted,
    method,
    misnumbered,
    replaced_at,
    shape_puzzle,
    signed,
    tensor_of,
)

SECOND, THIRD = 2, 3  # levels
SMALL = 12  # a size that people write out
Order = Sequence[int]
Mistake = tuple[str, Order, str]  # the id, the order that comes out, and the sentence


# --- permute


def picked(order: Order) -> Rule:
    return lambda shape: tuple([shape[i] for i in order]) if len(shape) == len(order) else None


def reordered(x: Shaped, text: str, order: Order, mistakes: Iterable[Mistake | None]) -> Shaped:
    """The axes in that order. A mistake that happens to give the same order is none."""
    found = [mistake for mistake in mistakes if mistake and [*mistake[1]] != [*order]]
    return x.then(text, picked(order), [Misread(name, picked(other), because) for name, other, because in found])


def inverse(order: Order) -> Order:
    return [[*order].index(i) for i in range(len(order))]


def exchanged(rank: int, one: int, other: int) -> Order:
    order = [*range(rank)]
    order[one], order[other] = other, one
    return order


def moved(rank: int, sources: Order, targets: Order) -> Order:
    """The order that movedim gives: the sources at their targets, the others as they were."""
    rest = iter([i for i in range(rank) if i not in sources])
    there = dict(zip(targets, sources, strict=True))
    return [there[i] if i in there else next(rest) for i in range(rank)]


CYCLES = {n: [p for p in permutations(range(n)) if [*p] != inverse(p)] for n in (3, 4, 5)}  # undone by another order


def permuted(rng: Rng, x: Shaped, order: Order = ()) -> Shaped:
    order = order or rng.pick(CYCLES[x.rank])
    first, *rest = order
    shown = ", ".join([str(signed(rng, axis, x.rank)) for axis in order])
    because = f"permute says where each axis of the result comes from: the first is axis {first} of the input. "
    mistakes = [
        ("inverse-order", inverse(order), because + "You say where each axis goes."),
        ("first-moved-only", [first, *sorted(rest)], because + "You leave the others in their old order."),
        ("exchanged-not-permuted", exchanged(x.rank, 0, first), because + "You only exchange two axes."),
    ]
    text = f"torch.permute({{}}, ({shown}))" if x.text.isidentifier() and rng.chance(0.3) else f"{{}}.permute({shown})"
    return reordered(x, text, order, mistakes)


def transposed(rng: Rng, x: Shaped) -> Shaped:
    rank = x.rank
    axes = rng.sample(range(rank), 2)
    dims = [signed(rng, axis, rank) for axis in axes]
    because = f"The axes that are named change places, {dims[0]} and {dims[1]}; all others stay where they are."
    off = misnumbered(dims, rank)
    mistakes = [
        ("moved-not-exchanged", moved(rank, axes[:1], axes[1:]), because),
        off and (off[0], exchanged(rank, *off[1]), off[2]),
        ("last-two-exchanged", exchanged(rank, rank - 2, rank - 1), because),
        ("all-reversed", range(rank)[::-1], because),
    ]
    text = method(rng, x, rng.pick(("transpose", "transpose", "swapaxes")), f"{dims[0]}, {dims[1]}")
    return reordered(x, text, exchanged(rank, *axes), mistakes)


def axis_moved(rng: Rng, x: Shaped) -> Shaped:
    """One axis moved past at least two others."""
    rank = x.rank
    source, target = rng.pick([(i, j) for i in range(rank) for j in range(rank) if abs(i - j) > 1])
    dims = [signed(rng, source, rank), signed(rng, target, rank)]
    off = misnumbered(dims, rank)
    name = rng.pick(("movedim", "movedim", "moveaxis"))
    because = f"{name}({dims[0]}, {dims[1]}) takes axis {source} out and puts it at {target} of the result."
    mistakes = [
        ("exchanged-not-moved", exchanged(rank, source, target), f"{because} The others keep their order."),
        ("moved-backwards", moved(rank, [target], [source]), f"{because} It is the first number that moves."),
        off and (off[0], moved(rank, off[1][:1], off[1][1:]), off[2]),
    ]
    text = method(rng, x, name, f"{dims[0]}, {dims[1]}")
    return reordered(x, text, moved(rank, [source], [target]), mistakes)


def axes_moved(rng: Rng, x: Shaped) -> Shaped:
    """Two axes moved at once."""
    sources, targets = rng.sample(range(x.rank), 2), rng.sample(range(x.rank), 2)
    shown = [bracketed([signed(rng, axis, x.rank) for axis in axes]) for axes in (sources, targets)]
    because = "The first brackets name the axes that move, the second where they end up, pair by pair."
    mistakes = [
        ("moved-backwards", moved(x.rank, targets, sources), because),
        ("targets-crossed", moved(x.rank, sources, targets[::-1]), because),
    ]
    return reordered(x, f"{{}}.movedim({shown[0]}, {shown[1]})", moved(x.rank, sources, targets), mistakes)


def matrix_transposed(rng: Rng, x: Shaped) -> Shaped:
    del rng
    rank = x.rank
    because = ".mT transposes matrices, which stand in the last two axes; the axes before them stay."
    mistakes = [("all-reversed", range(rank)[::-1], because), ("first-two-exchanged", exchanged(rank, 0, 1), because)]
    return reordered(x, "{}.mT", exchanged(rank, rank - 2, rank - 1), mistakes)


def item_taken(rng: Rng, x: Shaped) -> Shaped:
    """The first item along the first or the last axis."""
    index, dim = rng.pick((("[0]", 0), ("[-1]", 0), ("[..., 0]", -1)))
    because = f"{index} picks one item along the {'last' if dim else 'first'} axis, and that axis is gone."
    misread = [
        Misread("item-keeps-axis", lambda shape: replaced_at(shape, dim, 1), because),
        Misread("other-end-taken", lambda shape: replaced_at(shape, -1 - dim), because),
    ]
    return x.then("{}" + index, lambda shape: replaced_at(shape, dim), misread)


def permuted_twice(rng: Rng) -> Asked:
    """The same order twice, which does not bring the axes back."""
    start = tensor_of(rng, rng.sizes(rng.integer(3, 4), 2, 8))
    same = partial(permuted, order=rng.pick(CYCLES[start[1].rank]))
    program, y = chained(rng, start, [same, same])
    because = "Only an exchange of two axes undoes itself. This order is undone by its inverse, which is another."
    return program, y.mistaken(Guess("twice-undoes", start[1].shape, because))


TURNS: tuple[Step, ...] = (permuted, permuted, transposed, axis_moved, matrix_transposed)


def permute_program(rng: Rng) -> Asked:
    if rng.level == THIRD and rng.chance(0.15):
        return permuted_twice(rng)
    start = tensor_of(rng, rng.sizes(rng.integer(3, 4 + (rng.level > 1)), 2, 8))
    if rng.level < THIRD:
        return chained(rng, start, rng.sample(TURNS, rng.level))
    more: tuple[Step, ...] = (*TURNS, axes_moved)
    return chained(rng, start, [*rng.sample(more, 2), rng.pick((*more, item_taken, item_taken))])


@drill(levels=3, arena="0.0", structures=(18, 620, 850))
def permute(rng: Rng) -> PredictShape:
    """The axes in another order."""
    return shape_puzzle(
        rng,
        permute_program,
        hints=[
            "Write the sizes down and take one call at a time. Which axes does it name? What becomes of the others?",
            (
                "permute: read its numbers from left to right, and write down the size of each axis that they name. "
                "transpose exchanges two axes; movedim takes one out and puts it where the second number says."
            ),
        ],
        why="`permute(dims)` says of each axis of the result which axis of the input it is: size i of the result is "
        "size dims[i] of the input. `transpose` exchanges two axes, and `.mT` the last two. `movedim(source, "
        "destination)` moves an axis until it stands at the destination, and leaves the others in order. All return "
        "views.",
    )


# --- flatten


def merging(first: int, last: int, size: Callable[[Shape], int] = prod) -> Rule:
    """The axes from the first to the last, both included, as one."""

    def rule(shape: Shape) -> Shape | None:
        start, end = axis_at(first, shape), axis_at(last, shape)
        return (*shape[:start], size(shape[start : end + 1]), *shape[end + 1 :]) if start <= end else None

    return rule


def flattened(rng: Rng, x: Shaped) -> Shaped:
    """Neighbours merged, but not all axes."""
    rank = x.rank
    start, end = rng.pick([(i, j) for i in range(rank) for j in range(i + 1, rank) if j - i < rank - 1])
    first, last = signed(rng, start, rank), signed(rng, end, rank)
    misread = [
        Misread("sizes-added", merging(start, end, sum), "The sizes of merged axes are multiplied, not added."),
        Misread("all-merged", merging(0, -1), f"Only the axes from {start} to {end} are merged; the others stay."),
    ]
    if end == rank - 1 and rng.chance(0.7):
        because, last = f"The number is start_dim: everything from axis {start} on is merged.", -1
        misread.append(Misread("start-taken-for-end", merging(0, start), because))
        misread += [Misread("only-two-merged", merging(start, start + 1), because)] * (end - start > 1)
        arguments = rng.pick((f"{first}", f"start_dim={first}"))
    else:
        because = f"Axis {end} is merged too: end_dim is included, unlike the end of a slice."
        misread.insert(0, Misread("end-excluded", merging(start, end - 1), because))
        because = f"end_dim={last} says where the merging ends; axes behind it stay."
        misread += [Misread("end-ignored", merging(start, -1), because)] * (end < rank - 1)
        arguments = rng.pick((f"{first}, {last}", f"{first}, end_dim={last}"))
        if start == 0 and rng.chance():
            arguments = f"end_dim={last}"
    return x.then(method(rng, x, "flatten", arguments), merging(first, last), misread)


def flattened_wholly(rng: Rng, x: Shaped) -> Shaped:
    """The function flattens all, the module leaves the batch alone."""
    if rng.chance(0.6):
        because = "Without arguments flatten merges all axes. It is the module nn.Flatten that keeps the first."
        misread = [
            Misread("first-kept", merging(1, -1), because),
            Misread("last-kept", merging(0, -2), "Without arguments all axes are merged, the last one too."),
            Misread("sizes-added", merging(0, -1, sum), "The sizes of merged axes are multiplied, not added."),
        ]
        text = rng.pick(("{}.flatten()", "torch.flatten({})", "{}.ravel()"))
        return x.then(text, merging(0, -1), misread[(x.rank < THIRD) :])
    because = "The module nn.Flatten begins at axis 1, and leaves the batch alone; the function begins at 0."
    misread = [
        Misread("batch-merged", merging(0, -1), because),
        Misread("only-two-merged", merging(1, 2), "Everything from axis 1 on is merged, not only two axes."),
        Misread("sizes-added", merging(1, -1, sum), "The sizes of merged axes are multiplied, not added."),
    ]
    return x.then("nn.Flatten()({})", merging(1, -1), [it for it in misread if x.rank > THIRD or it is not misread[1]])


def splitting(dim: int, sizes: Sequence[int]) -> Rule:
    """One axis as several; -1 is what is left of it."""

    def rule(shape: Shape) -> Shape | None:
        whole, known = shape[dim], prod([size for size in sizes if size > 0])
        if whole % known or (-1 not in sizes and whole != known):
            return None
        return replaced_at(shape, dim, *[whole // known if size < 0 else size for size in sizes])

    return rule


def divisions(size: int) -> list[tuple[int, int]]:
    """The ways to write it as a product of two different sizes."""
    return [(d, size // d) for d in range(2, size // 2 + 1) if size % d == 0 and d * d != size]


def unflattened(rng: Rng, x: Shaped) -> Shaped:
    """One axis taken apart, of those that can be."""
    at = rng.pick([i for i, size in enumerate(x.sizes) if divisions(size)])
    whole = x.sizes[at]
    parts = [*rng.pick(divisions(whole))]
    if rng.level > 1 and rng.chance(0.3) and divisions(parts[1]):
        parts[1:] = rng.pick(divisions(parts[1]))
    sizes = [*parts]
    because = "The new axes stand in the order in which their sizes are given."
    misread = [Misread("sizes-reversed", lambda shape: replaced_at(shape, at, *parts[::-1]), because)]
    if max(parts) > SMALL or rng.chance():
        sizes[parts.index(max(parts)) if max(parts) > SMALL else rng.integer(0, len(parts) - 1)] = -1
        because = f"-1 is what is left of that axis: {whole} divided by the sizes that are given."
        undivided = [whole if size < 0 else size for size in sizes]
        misread.append(Misread("not-divided", lambda shape: replaced_at(shape, at, *undivided), because))
    because = f"The new axes stand where the old one was, at position {at}."
    if at > 0:
        misread.append(Misread("put-first", lambda shape: (*parts, *replaced_at(shape, at)), because))
    if at < x.rank - 1:
        misread.append(Misread("put-last", lambda shape: (*replaced_at(shape, at), *parts), because))
    text = method(rng, x, "unflatten", f"{signed(rng, at, x.rank)}, {bracketed(sizes)}")
    return x.then(text, splitting(at - x.rank if at == x.rank - 1 else at, sizes), misread)


def composite(rng: Rng, rank: int) -> Asked:
    """A tensor of which one axis can be taken apart."""
    at, size = rng.integer(0, rank - 1), rng.pick((6, 8, 10, 12, 15))
    others = rng.sample([other for other in range(2, 8) if other != size], rank - 1)
    return tensor_of(rng, inserted(tuple(others), at, size))


def flatten_program(rng: Rng) -> Asked:
    if rng.level == 1:
        return chained(
            rng, composite(rng, rng.integer(3, 4)), [rng.pick((flattened, flattened, flattened_wholly, unflattened))]
        )
    if rng.level == SECOND:
        pairs: Sequence[tuple[Step, Step]] = (
            (unflattened, flattened), (flattened, unflattened), (flattened_wholly, unflattened),
            (unflattened, flattened_wholly),
        )  # fmt: skip
        return chained(rng, composite(rng, rng.integer(3, 4)), rng.pick(pairs))
    turn: Step = rng.pick((transposed, axis_moved, permuted, matrix_transposed))
    triples: Sequence[tuple[Step, Step, Step]] = (
        (unflattened, turn, flattened), (turn, flattened, unflattened), (turn, unflattened, flattened),
        (flattened, unflattened, transposed), (unflattened, turn, flattened_wholly),
    )  # fmt: skip
    steps = rng.pick(triples)
    return chained(rng, composite(rng, 3 if steps[0] is unflattened else rng.integer(3, 4)), steps)


@drill(after=["shapes.reshape"], levels=3, arena="0.0", structures=(30, 390, 850))
def flatten(rng: Rng) -> PredictShape:
    """Axes merged and split by flatten and unflatten."""
    return shape_puzzle(
        rng,
        flatten_program,
        hints=[
            "Which axes does the call merge, from which to which? The others stay as they are.",
            (
                "flatten(start_dim, end_dim) includes both ends; what is missing is 0 and -1, but nn.Flatten begins at "
                "1. unflatten puts its sizes where the axis was, and -1 is what is left of that axis."
            ),
        ],
        why="`flatten(start_dim=0, end_dim=-1)` merges the axes from start_dim to end_dim, both included, into one "
        "whose size is the product of theirs; the module `nn.Flatten` has start_dim=1. `unflatten(dim, sizes)` puts "
        "several axes in the place of one, in the order given; one of them may be -1, and is inferred.",
    )


# --- reshape


def reshaping(numbers: Sequence[int]) -> Rule:
    """What reshape gives, with at most one size left to it."""

    def rule(shape: Shape) -> Shape | None:
        known, total = prod([size for size in numbers if size > 0]), prod(shape)
        if numbers.count(-1) > 1 or total % known:
            return None
        return tuple([total // known if size < 0 else size for size in numbers])

    return rule


def filled(numbers: Sequence[int], size: Callable[[Shape], int]) -> Rule:
    """The numbers with something else in the place of -1."""
    return lambda shape: tuple([size(shape) if number < 0 else number for number in numbers])


def about_blank(numbers: Sequence[int], shape: Shape) -> Iterator[Misread]:
    """What -1 is taken for."""
    at = numbers.index(-1)
    known = tuple([number for number in numbers if number > 0])
    by = "the product of the other sizes" if len(known) > 1 else f"{known[0]}"
    because = f"-1 is the number of elements divided by {by}."
    if prod(shape) % prod(known):
        because = f"It raises: -1 would be the number of elements divided by {by}, and that leaves a remainder."
    front, back = shape[: len(known)], shape[-len(known) :]
    if numbers != (*front, -1):
        yield Misread("keeps-its-size", filled(numbers, lambda s: s[at]), f"{because} It keeps no size; expand does.")
        yield Misread("last-size", filled(numbers, lambda s: s[-1]), f"{because} It does not stand for the last axis.")
    left_over = f"{because} All axes count, not only those that seem to be left over."
    if at == len(known) and known != front:
        yield Misread("others-left-alone", filled(numbers, lambda s: prod(s[len(known) :])), left_over)
    elif at == 0 and known != back:
        yield Misread("others-left-alone", filled(numbers, lambda s: prod(s[: -len(known)])), left_over)
    yield Misread("not-divided", filled(numbers, prod), f"{because} You did not divide.")
    if len(known) > 1:
        one = filled(numbers, lambda s: prod(s) // known[0])
        yield Misread("one-size-forgotten", one, f"{because} You divided by one of them only.")


def about_reshape(numbers: Sequence[int], shape: Shape) -> Iterator[Misread]:
    numbers = tuple(numbers)
    known = prod([number for number in numbers if number > 0])
    if numbers.count(-1) > 1:
        because = "It raises: only one size may be -1, since the number of elements does not tell two."
        yield Misread("both-keep-size", lambda s: tuple([s[i] if n < 0 else n for i, n in enumerate(numbers)]), because)
        yield Misread("second-is-one", lambda s: (prod(s) // known, known, 1), because)
        yield Misread("first-is-one", lambda s: (1, known, prod(s) // known), because)
        return
    yield from about_blank(numbers, shape)
    if prod(shape) % known:
        because = "It raises: the sizes leave a remainder, and reshape neither drops elements nor adds any."
        if prod(shape) > known:
            yield Misread("rounded-down", filled(numbers, lambda s: prod(s) // known), because)
        yield Misread("rounded-up", filled(numbers, lambda s: prod(s) // known + 1), because)
    else:
        because = "It runs. Sizes may cut across axes that lie in order: only the number of elements must fit."
        yield Misread("axes-must-fit", lambda _: None, because)


def reshaped(rng: Rng, x: Shaped, *, fails: bool = False, view: bool = True) -> Shaped:
    """One size left to torch. Where it fails, the others do not divide the number of elements, or two are left."""
    total = prod(x.sizes)
    known: list[int] = []
    if rng.level > 1 and rng.chance(0.4):
        known = rng.sample(x.sizes, rng.integer(1, x.rank - 1))
    else:
        for _ in range(rng.integer(1, rng.level)):
            known += [rng.pick(parts)] if (parts := divisors(total // prod(known))) else []
    if fails and rng.level > 1 and rng.chance(0.3):
        numbers: Shape = (-1, rng.pick(divisors(total)), -1)
    else:
        if fails:
            known[rng.integer(0, len(known) - 1)] = rng.pick([n for n in range(3, min(12, total)) if total % n])
        numbers = inserted(tuple(known), rng.integer(0, len(known)), -1)
    shown = ", ".join([asked_for(rng, x, number) for number in numbers])
    text = f"{{}}.{rng.pick(('view', 'reshape') if view else ('reshape',))}({shown})"
    if x.text.isidentifier() and rng.chance(0.2):
        text = f"torch.reshape({{}}, ({shown}))"
    return x.then(text, reshaping(numbers), about_reshape(numbers, x.sizes))


def divisors(number: int) -> list[int]:
    return [d for d in range(2, min(number, 13)) if number % d == 0]


def asked_for(rng: Rng, x: Shaped, size: int) -> str:
    """A size as the tensor itself tells it, where it has such an axis; the first level shows the number."""
    if rng.level == 1 or size not in x.sizes or x.guesses or rng.chance(0.3):
        return str(size)
    at = x.sizes.index(size)
    return x.text + rng.pick((f".shape[{at}]", f".shape[{signed(rng, at, x.rank)}]", f".size({at})"))


def turned(rng: Rng, *, fails: bool) -> Asked:
    """A view of a tensor whose axes are out of order in memory; or a reshape, which copies."""
    splits = not fails and rng.chance(0.4)
    program, x = composite(rng, 3) if splits else tensor_of(rng, rng.sizes(3, 2, 7))
    y = rng.pick((transposed, permuted, permuted, matrix_transposed))(rng, x)
    order = [x.sizes.index(size) for size in y.sizes]
    call = rng.pick(("view", "view", "reshape", "contiguous().view"))
    if splits:
        at = next(i for i, size in enumerate(y.sizes) if divisions(size))
        parts = [*rng.pick(divisions(y.sizes[at]))]
        parts[rng.integer(0, 1)] = -1
        numbers = replaced_at(y.sizes, at, *parts)
    else:
        able = [i for i in (0, 1) if (order[i + 1] == order[i] + 1) != fails]  # neighbours that merge, or do not
        call = "view" if fails else call if able else "reshape"
        numbers = (-1, y.sizes[2]) if rng.pick(able or (0, 1)) == 0 else (y.sizes[0], -1)
    rule = reshaping(numbers)
    if fails:
        because = "view never copies. The axes that it should merge do not follow each other in memory, so it raises."
        mistake = Misread("view-copies", rule, f"{because} reshape would copy.")
    elif call == "view":
        what = "An axis may always be split" if splits else "Axes that follow each other in memory may be merged"
        because = f"It runs. {what} without a copy, in a transposed tensor too."
        mistake = Misread("view-needs-contiguous", raising, because)
    else:
        because = f"It runs: {call.partition('(')[0]} copies where the entries lie in another order."
        mistake = Misread("copy-forgotten", raising, because)
    text = f"{{}}.{call}({', '.join(map(str, numbers))})"
    misread = [mistake, *about_blank(numbers, y.sizes)]
    return f"{program}\ny = {y.text}", Shaped("y", y.sizes).then(text, raising if fails else rule, misread)


def raising(_: Shape) -> None:
    return None


def reshape_program(rng: Rng, *, fails: bool) -> Asked:
    last = partial(reshaped, fails=fails)
    if rng.level == 1:
        return chained(rng, tensor_of(rng, rng.sizes(rng.integer(2, 4), 2, 7)), [last])
    if rng.level == SECOND:
        start = tensor_of(rng, rng.sizes(rng.integer(3, 4), 2, 6))
        return chained(rng, start, [last] if rng.chance(0.6) else [reshaped, last])
    if rng.chance(0.4):
        return turned(rng, fails=fails)
    turn: Step = rng.pick((transposed, transposed, matrix_transposed))  # a reshape after it would hide its mistakes
    steps: list[Step] = [reshaped, turn, partial(last, view=False)] if fails else [reshaped, reshaped, turn]
    return chained(rng, tensor_of(rng, rng.sizes(3, 2, 6)), steps)


@drill(levels=3, arena="0.0", structures=(15, 400, 550))
def reshape(rng: Rng) -> PredictShape:
    """One size left to torch: view and reshape with -1."""
    fails = rng.chance(0.38)
    return shape_puzzle(
        rng,
        partial(reshape_program, fails=fails),
        fails=fails,
        hints=[
            "Multiply the sizes of the tensor: so many elements go in, and as many must come out.",
            (
                "Divide that number by all sizes that are given. Does it come out even? And where axes were exchanged "
                "before a view: are any merged that no longer follow each other in memory?"
            ),
        ],
        why="`reshape` keeps the number of elements. One size may be -1, and is inferred: the number of elements "
        "divided by the product of the others, which must come out even. `view` does the same and never copies: it can "
        "split any axis, and merge axes that follow each other in memory; else it raises, where `reshape` copies.",
    )
