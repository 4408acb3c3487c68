"""A letter that stands twice: traces and diagonals."""

from collections.abc import Iterator
from dataclasses import dataclass

from tensordrill.authoring import Rng, WriteEinsum, drill
from tensordrill.building.contraction import Contraction, Mistake, axes_of, listed
from tensordrill.building.equations import Axes, Task, as_code, as_loop, gives, has, pooled, posed, written

TOP = 3  # the highest level


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
        f"of size d_in to vectors of size d_out, and `B` takes vectors of size d_out to vectors of size d_in.\n\n"
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


@drill(after=["einsum.sum-axes"], levels=3, lesson="Einops and einsum", arena="0.0", structures=(14, 25, 30))
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


@drill(after=["einsum.trace"], levels=3, arena="0.0", structures=(35, 50, 50))
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
