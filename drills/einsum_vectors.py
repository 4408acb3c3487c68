"""Products of two: inner, outer, entry by entry."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product

from tensordrill.authoring import Rng, WriteEinsum, drill
from tensordrill.building.contraction import Contraction, Mistake, axes_of, having, listed
from tensordrill.building.equations import (
    Asker,
    Axes,
    Task,
    after,
    as_code,
    as_loop,
    as_stored,
    exchanged,
    gives,
    has,
    pooled,
    posed,
    total,
)


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


@drill(after=["einsum.sum-axes"], levels=3, arena="0.0", structures=(60, 70, 200))
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


@drill(after=["einsum.inner"], levels=3, lesson="Einops and einsum", arena="0.0", structures=(70, 60, 220))
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


@drill(after=["einsum.inner"], levels=3, arena="0.0", structures=(25, 25, 200))
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
