"""Matrices with vectors and with each other."""

from collections.abc import Iterator, Sequence

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
    gives,
    has,
    left_over,
    pooled,
    posed,
    total,
    view,
)


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
     "the vector that the head writes, one number for each d_model"),
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


@drill(after=["einsum.inner"], levels=3, arena="0.0", structures=(15, 15, 180))
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


@drill(after=["einsum.matvec"], levels=3, lesson="Einops and einsum", arena="0.0", structures=(35, 35, 40))
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
