"""Autograd: gradients of matrix products."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tensordrill.authoring import PredictValue, Rng, drill
from tensordrill.building.gradients import Belief, Node, Tape, entries, made, nested, predicted, settled

THIRD = 3  # level
Matrix = list[list[float]]


def times(a: Matrix, b: Matrix) -> Matrix:
    return [[sum([p * q for p, q in zip(row, column, strict=True)]) for column in zip(*b, strict=True)] for row in a]


def transposed(a: Matrix) -> Matrix:
    return [list(column) for column in zip(*a, strict=True)]


def signed(rng: Rng, rows: int, columns: int, low: int = -2, high: int = 3) -> Matrix:
    """Small whole numbers without 0."""
    return [[rng.pick([n for n in range(low, high + 1) if n]) for _ in range(columns)] for _ in range(rows)]


def loss_of(rng: Rng, kind: str, y: Node) -> Node:
    """A loss of y. What else it takes is added to the lines."""
    tape, shape = y.tape, y.shape

    def like(low: int, high: int) -> object:
        return nested([rng.integer(low, high) for _ in y.values], shape)

    match kind:
        case "weighted" | "dot" | "relu":
            g = tape.data("g", like(2, 4))
            if kind == "dot":
                return g @ y if rng.chance() else y @ g
            seen = y.relu() if kind == "relu" else y
            return (g * seen).sum() if rng.chance() else (seen * g).sum()
        case "error":
            return ((y - tape.data("t", like(-3, 5))) ** 2).sum()
        case "square":
            return (y**2).sum()
        case "entry":
            return y[tuple([rng.integer(0, size - 1) for size in shape])]
        case "row":
            return y[rng.integer(0, shape[0] - 1)].sum()
        case "factor":
            return rng.integer(2, 5) * y.sum()
        case "layer":
            v = tape.data("U", signed(rng, shape[-1], shape[-1]))
            return (y @ v if len(shape) > 1 else v @ y).sum()
    return y.sum()


def column_of(vector: Sequence[float]) -> Matrix:
    return [[number] for number in vector]


def matrix_of(numbers: object) -> Matrix:
    assert isinstance(numbers, list)
    return numbers


def handy(numbers: object) -> bool:
    """Whether an envelope is enough: two digits each, and not all of them 0."""
    return any(entries(numbers)) and all(abs(number) <= 99 for number in entries(numbers))  # noqa: PLR2004


def part(index: Sequence[int], numbers: object) -> object:
    """`numbers[i]` or `numbers[i][j]`; None where there is no such entry."""
    for i in index:
        if not isinstance(numbers, list) or i >= len(numbers):
            return None
        numbers = numbers[i]
    return numbers


def asked(name: str, index: Sequence[int]) -> str:
    return f"{name}.grad" + (f"[{', '.join(map(str, index))}]" if index else "")


def parts(index: Sequence[int], beliefs: Iterable[Belief]) -> list[Belief]:
    """The beliefs about that row of the gradient. What has no such row is left out."""
    if not index:
        return list(beliefs)
    rows = [(belief, part(index, belief.numbers)) for belief in beliefs]
    return [Belief(belief.id, row, belief.because) for belief, row in rows if isinstance(row, list)]


@dataclass(frozen=True)
class Vectors:
    """`y = W @ x` or, with W turned, `y = x @ W`, and what comes back to y."""

    w: str
    x: str
    y: str
    matrix: Matrix
    vector: list[float]
    back: list[float]
    turned: bool

    @property
    def by_rows(self) -> Matrix:
        return transposed(self.matrix) if self.turned else self.matrix

    def of_matrix(self, back: Sequence[float], vector: Sequence[float]) -> Matrix:
        outer = [[b * v for v in vector] for b in back]
        return transposed(outer) if self.turned else outer

    def of_vector(self, back: Sequence[float]) -> list[float]:
        return [row[0] for row in times(transposed(self.by_rows), column_of(back))]

    def gradient(self, name: str) -> object:
        return self.of_matrix(self.back, self.vector) if name == self.w else self.of_vector(self.back)

    def beliefs(self, name: str) -> Iterator[Belief]:
        return self.beliefs_of_matrix() if name == self.w else self.beliefs_of_vector()

    def beliefs_of_matrix(self) -> Iterator[Belief]:
        w, x, y, back = self.w, self.x, self.y, self.back
        right = f"row i, column j is what comes back to {y}[i], times {x}[j]"
        if self.turned:
            right = f"row i, column j is {x}[i] times what comes back to {y}[j]"
        outer = self.of_matrix(back, self.vector)
        yield Belief(
            "transposed-outer",
            transposed(outer),
            f"That is the outer product the wrong way round. In {w}.grad, {right}.",
        )
        yield Belief(
            "own-values",
            self.matrix,
            f"That is {w}. The derivative of a product a * b by a is b: {w}.grad is made of {x}.",
        )
        yield Belief(
            "upstream-ignored",
            self.of_matrix([1.0] * len(back), self.vector),
            f"That would be so if the loss were {y}.sum(). Multiply by what comes back to {y}.",
        )
        yield Belief(
            "input-ignored",
            self.of_matrix(back, [1.0] * len(self.vector)),
            f"Each entry of {w} stands beside an entry of {x}. Multiply by that.",
        )
        yield Belief("input-alone", self.vector, f"That is {x} alone. {w}.grad has the shape of {w}.")
        yield Belief("other-operand", self.of_vector(back), f"That is {x}.grad.")

    def beliefs_of_vector(self) -> Iterator[Belief]:
        w, x, y, back, rows = self.w, self.x, self.y, self.back, self.by_rows
        along = back if len(rows) == len(rows[0]) else [1.0] * len(rows[0])
        yield Belief(
            "not-transposed",
            [row[0] for row in times(rows, column_of(along))],
            f"You summed along the axis "
            f"of {x}. An entry of {x} occurs in every entry of {y}, so the sum runs over {y}.",
        )
        yield Belief(
            "jacobian",
            self.matrix,
            f"{w} holds the slopes of every {y}[i] by every {x}[j]. {x}.grad has the "
            f"shape of {x}: multiply by what comes back to {y}, and sum over {y}.",
        )
        yield Belief(
            "upstream-ignored",
            self.of_vector([1.0] * len(back)),
            f"That would be so if the loss were {y}.sum(). Multiply by what comes back to {y}.",
        )
        yield Belief(
            "own-values",
            self.vector,
            f"That is {x}. The derivative of a product a * b by a is b: {x}.grad is made of {w}.",
        )
        yield Belief("upstream-alone", back, f"That is what comes back to {y}. From there it goes on through {w}.")
        yield Belief("other-operand", self.of_matrix(back, self.vector), f"That is {w}.grad.")


BY_ROWS = ("{w} @ {x}", "{w} @ {x}", "torch.mv({w}, {x})", "F.linear({x}, {w})", 'torch.einsum("ij,j->i", {w}, {x})')
TURNED = ("{x} @ {w}", "{x} @ {w}", "{w}.T @ {x}", 'torch.einsum("i,ij->j", {x}, {w})')
NAMES = (("W", "x", "y"), ("W", "h", "z"), ("A", "v", "y"), ("M", "q", "s"))
VECTOR_LOSSES = (("sum",), ("weighted", "dot", "entry", "factor"), ("square", "error", "relu", "layer", "weighted"))


@drill(after=["autograd.scalar-chain"], levels=3, lesson="Autograd", arena="0.4", structures=(40, 300, 300))
def matvec(rng: Rng) -> PredictValue:
    """Gradients of a matrix times a vector."""
    w, x, y = NAMES[0] if rng.level == 1 else rng.pick(NAMES)
    turned = rng.level > 1 and rng.chance()
    text = rng.pick(TURNED if turned else BY_ROWS if rng.level > 1 else BY_ROWS[:3]).format(w=w, x=x)
    outputs, inputs = (2, 2) if rng.level == THIRD and rng.chance(0.7) else rng.pick([(2, 3), (3, 2), (2, 2)])
    shape = (inputs, outputs) if turned else (outputs, inputs)
    kind = rng.pick(VECTOR_LOSSES[rng.level - 1])
    name = rng.pick([w, w, x])
    index = rng.pick([(), (rng.integer(0, shape[0] - 1),)]) if name == w else ()
    low, high = (1, 9) if rng.level == 1 else (-2, 4)

    def drawn() -> tuple[Vectors, list[str], bool]:
        matrix, [vector] = signed(rng, *shape, low=low, high=high), signed(rng, 1, inputs, low=low, high=5)
        rows = transposed(matrix) if turned else matrix
        tape = Tape([made(w, matrix), made(x, vector)])
        out = tape.leaf(y, [row[0] for row in times(rows, column_of(vector))], text)
        loss = tape.let("loss", loss_of(rng, kind, out))
        if rng.level == 1 and rng.chance():
            tape.lines[-1:] = [f"loss = torch.sum({y})"] if rng.chance() else []
        back = entries(loss.gradient(out))
        return Vectors(w, x, y, matrix, vector, back, turned), tape.lines, 0 in out.values

    def fits(one: tuple[Vectors, list[str], bool]) -> bool:
        it, _, kink = one
        plain = len(set(it.vector)) > 1  # else much would be alike by chance
        return plain and handy(part(index, it.gradient(name))) and not (kink and kind == "relu")

    it, lines, _ = settled(drawn, fits, 12)
    guide = f"Each number of `{y}` is a row of `{w}` times `{x}`, and the loss is their sum. "
    return PredictValue(
        prompt=f"{guide}What is `{asked(name, index)}`?" if rng.level == 1 else "",
        program="\n".join([*lines, "loss.backward()" if "loss" in lines[-1] else f"{y}.sum().backward()"]),
        ask=asked(name, index),
        hints=[
            f"{name}.grad has the shape of {name}. What comes back to each number of {y} from the loss?",
            (
                f"Write {y}[0] out as a sum of products. What stands beside an entry of {name} there? And in which "
                f"other entries of {y} does it occur?"
            ),
        ],
        why="For y = W @ x and g, what comes back to y: `W.grad` is the outer product of g and x, and `x.grad` is "
        "W.T @ g. With `y.sum()` g is all ones, so every row of `W.grad` is x, and `x.grad` holds the sums of W's "
        "columns.",
        wrong=predicted(part(index, it.gradient(name)), parts(index, it.beliefs(name))),
    )


@dataclass(frozen=True)
class Product:
    """`C = A @ B`, either of which may be turned, and what comes back to C."""

    names: tuple[str, str, str]
    stored: tuple[Matrix, Matrix]
    turned: tuple[bool, bool]
    back: Matrix

    @property
    def factors(self) -> list[Matrix]:
        return [transposed(a) if turn else a for a, turn in zip(self.stored, self.turned, strict=True)]

    def gradient(self, i: int, back: Matrix) -> Matrix:
        a, b = self.factors
        own = times(transposed(a), back) if i else times(back, transposed(b))
        return transposed(own) if self.turned[i] else own

    def beliefs(self, i: int) -> Iterator[Belief]:
        name, other, c = self.names[i], self.names[1 - i], self.names[2]
        right, factor, turn = self.gradient(i, self.back), self.factors[1 - i], self.turned[i]
        rule = (
            f"what comes back to {c}, times the other factor transposed"
            if i == 0
            else (f"the other factor transposed, times what comes back to {c}")
        )
        if len(factor) == len(factor[0]):
            for mistake, (left, back), because in (
                ("not-transposed", (factor, self.back), "The other factor is transposed on the way back"),
                ("wrong-side", (transposed(factor), self.back), "Your factors are in the wrong order"),
            ):
                ordered = (left, back) if (i == 1) == (mistake == "not-transposed") else (back, left)
                if len(ordered[0][0]) == len(ordered[1]):
                    own = times(*ordered)
                    yield Belief(mistake, transposed(own) if turn else own, f"{because}: the gradient is {rule}.")
        yield Belief(
            "result-transposed",
            transposed(right),
            f"That belongs to the transposed gradient. {name}.grad has the axes of {name} itself.",
        )
        yield Belief(
            "upstream-ignored",
            self.gradient(i, [[1.0] * len(row) for row in self.back]),
            f"That would be so if the loss were {c}.sum(). Multiply by what comes back to {c}.",
        )
        yield Belief("other-operand", self.gradient(1 - i, self.back), f"That is {other}.grad.")
        yield Belief(
            "other-factor",
            self.stored[1 - i],
            f"That is {other}. It is multiplied by what comes back to {c}, as matrices.",
        )
        yield Belief(
            "own-values",
            self.stored[i],
            f"That is {name}. The derivative of a product a * b by a is b: {name}.grad is made of {other}.",
        )
        yield Belief(
            "upstream-alone", self.back, f"That is what comes back to {c}. From there it goes on through {other}."
        )


PRODUCTS = {
    (False, False): ("{a} @ {b}", "{a} @ {b}", "torch.mm({a}, {b})", 'torch.einsum("ij,jk->ik", {a}, {b})'),
    (False, True): ("{a} @ {b}.T", "F.linear({a}, {b})", 'torch.einsum("ij,kj->ik", {a}, {b})'),
    (True, False): ("{a}.T @ {b}", 'torch.einsum("ji,jk->ik", {a}, {b})'),
    (True, True): ("{a}.T @ {b}.T",),
}
TRIPLES = (("A", "B", "C"), ("X", "W", "Y"), ("Q", "K", "S"), ("P", "V", "Z"))
SHAPES = ((2, 3, 2), (2, 2, 3), (3, 2, 2))  # rows, inner, columns
MATRIX_LOSSES = (
    ("weighted", "weighted", "sum"),
    ("weighted", "entry", "row", "factor"),
    ("weighted", "square", "error", "relu", "layer"),
)


@drill(after=["autograd.matvec"], levels=3, arena="0.4", structures=(60, 500, 500))
def matmul(rng: Rng) -> PredictValue:
    """Gradients of a matrix product."""
    names = TRIPLES[0] if rng.level == 1 else rng.pick(TRIPLES)
    turned = (False, False) if rng.level == 1 else rng.pick([*PRODUCTS, (False, True), (False, False)])
    kind = rng.pick(MATRIX_LOSSES[rng.level - 1])
    rows, inner, columns = (2, 2, 2) if rng.level == THIRD or rng.chance(0.3) else rng.pick(SHAPES)
    shapes = [(inner, rows) if turned[0] else (rows, inner), (columns, inner) if turned[1] else (inner, columns)]
    text = rng.pick(PRODUCTS[turned]).format(a=names[0], b=names[1])
    i = rng.integer(0, 1)
    whole = shapes[i] == (2, 2) and rng.chance(0.3)
    index = () if whole else (rng.integer(0, shapes[i][0] - 1),)
    low, high = (1, 5) if rng.level == 1 else (-2, 3)

    def drawn() -> tuple[Product, list[str], bool]:
        a, b = [signed(rng, *shape, low=low, high=high) for shape in shapes]
        tape = Tape([made(names[0], a), made(names[1], b)])
        values = times(transposed(a) if turned[0] else a, transposed(b) if turned[1] else b)
        out = tape.leaf(names[2], values, text)
        loss = tape.let("loss", loss_of(rng, kind, out))
        return Product(names, (a, b), turned, matrix_of(loss.gradient(out))), tape.lines, 0 in out.values

    def fits(one: tuple[Product, list[str], bool]) -> bool:
        it, _, kink = one
        return handy(part(index, it.gradient(i, it.back))) and not (kink and kind == "relu")

    it, lines, _ = settled(drawn, fits, 12)
    name, c = names[i], names[2]
    told = f"{'A 1' if kind == 'sum' else '`g`'} comes back to {'each entry of ' if kind == 'sum' else ''}`{c}`. "
    return PredictValue(
        prompt=f"{told}What is `{asked(name, index)}`?" if rng.level == 1 else "",
        program="\n".join([*lines, "loss.backward()"]),
        ask=asked(name, index),
        hints=[
            f"What comes back to {c} from the loss? It is a matrix of the shape of {c}.",
            (
                f"{name}.grad is a product of that matrix and the other factor, transposed. Which order of the two "
                f"gives the shape that {name} has in the product?"
            ),
        ],
        why="For C = A @ B and G, what comes back to C: `A.grad` is G @ B.T and `B.grad` is A.T @ G. For a product "
        "with A.T it is the same with A.T in the place of A, and its gradient is then transposed back. With "
        "`C.sum()` G is all ones.",
        wrong=predicted(part(index, it.gradient(i, it.back)), parts(index, it.beliefs(i))),
    )
