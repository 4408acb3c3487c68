"""Autograd: Jacobians, and their products with vectors."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tensordrill.authoring import Edit, PredictValue, Rng, Wrong, drill

LARGEST = 99  # of the numbers that are worked out by hand
TRIES = 40
Row = Sequence[int]
Matrix = Sequence[Row]


@dataclass(frozen=True, slots=True)
class Dual:
    """A whole number and its derivatives by every input: they keep puzzles small, and wrong turns wrong."""

    value: int
    slopes: tuple[int, ...]

    def __add__(self, other: "Dual") -> "Dual":
        return Dual(self.value + other.value, tuple([a + b for a, b in zip(self.slopes, other.slopes, strict=True)]))

    def __sub__(self, other: "Dual") -> "Dual":
        return Dual(self.value - other.value, tuple([a - b for a, b in zip(self.slopes, other.slopes, strict=True)]))

    def __mul__(self, other: "Dual") -> "Dual":
        x, y = self.value, other.value
        return Dual(x * y, tuple([a * y + b * x for a, b in zip(self.slopes, other.slopes, strict=True)]))

    def times(self, number: int) -> "Dual":
        return Dual(number * self.value, tuple([number * a for a in self.slopes]))


@dataclass(frozen=True)
class Vector:
    """An expression for a vector, and its entries. `simple` where a method can be called on the text as it stands."""

    text: str
    entries: Sequence[Dual]
    simple: bool = True

    @property
    def atom(self) -> str:
        return self.text if self.simple else f"({self.text})"

    @property
    def constant(self) -> "Vector":
        """The same numbers, without a derivative."""
        return Vector(f"{self.atom}.detach()", [Dual(e.value, (0,) * len(e.slopes)) for e in self.entries])


Step = Callable[[Rng, Vector], Vector]


def cumsum(_rng: Rng, x: Vector) -> Vector:
    entries = list(x.entries[:1])
    for entry in x.entries[1:]:
        entries.append(entries[-1] + entry)
    return Vector(f"{x.atom}.cumsum(0)", entries)


def flip(_rng: Rng, x: Vector) -> Vector:
    return Vector(f"{x.atom}.flip(0)", x.entries[::-1])


def roll(rng: Rng, x: Vector) -> Vector:
    by = rng.pick([1, -1])
    return Vector(f"{x.atom}.roll({by})", [x.entries[(i - by) % len(x.entries)] for i in range(len(x.entries))])


def take(rng: Rng, x: Vector) -> Vector:
    """Entries by a list of indices, one of them twice or in another order."""
    size = len(x.entries)
    index = [rng.integer(0, size - 1) for _ in range(size)]
    if index == list(range(size)):
        index = index[1:] + index[:1]
    return Vector(f"{x.atom}[{index}]", [x.entries[i] for i in index])


def square(_rng: Rng, x: Vector) -> Vector:
    return Vector(f"{x.atom} ** 2", [entry * entry for entry in x.entries], simple=False)


def relu(_rng: Rng, x: Vector) -> Vector:
    if any(entry.value == 0 for entry in x.entries):  # nobody should have to know the slope at the kink
        return square(_rng, x)
    return Vector(f"{x.atom}.relu()", [entry.times(entry.value > 0) for entry in x.entries])


def total(_rng: Rng, x: Vector) -> Vector:
    return Vector(f"{x.atom}.sum()", [cumsum(_rng, x).entries[-1]] * len(x.entries))


def first(rng: Rng, x: Vector) -> Vector:
    i = rng.integer(0, len(x.entries) - 1)
    return Vector(f"{x.atom}[{i}]", [x.entries[i]] * len(x.entries))


def same(_rng: Rng, x: Vector) -> Vector:
    return x


def difference(_rng: Rng, x: Vector) -> Vector:
    return Vector(f"{x.atom}.diff()", [b - a for a, b in zip(x.entries, x.entries[1:], strict=False)])


def neighbours(_rng: Rng, x: Vector) -> Vector:
    if not x.text.isalpha():
        return difference(_rng, x)
    entries = [a * b for a, b in zip(x.entries[1:], x.entries, strict=False)]
    return Vector(f"{x.text}[1:] * {x.text}[:-1]", entries, simple=False)


MIXING: Sequence[Step] = (cumsum, flip, roll, take)
FACTORS: Sequence[Step] = (cumsum, flip, roll, take, total, first, relu, square)


def combined(a: Vector, b: Vector, sign: str) -> Vector:
    operation = {"*": Dual.__mul__, "+": Dual.__add__, "-": Dual.__sub__}[sign]
    entries = [operation(p, q) for p, q in zip(a.entries, b.entries, strict=True)]
    left, right = (it.text if it.text.endswith("** 2") else it.atom for it in (a, b))
    return Vector(f"{left if sign == '*' else a.text} {sign} {right}", entries, simple=False)


@dataclass(frozen=True)
class Function:
    """A function of x, and of w where there is one. `stopped` is its result with one use of an input held still."""

    inputs: Mapping[str, Row]
    result: Vector
    stopped: Vector | None = None
    lines: Sequence[str] = ()  # inside the function
    matrix: str = ""  # the line before it that makes one

    def jacobian(self, name: str, vector: Vector | None = None) -> Matrix:
        """By that input."""
        start = 0 if name == "x" else len(self.inputs["x"])
        stop = start + len(self.inputs[name])
        return [entry.slopes[start:stop] for entry in (vector or self.result).entries]


def drawn(rng: Rng, *sizes: int) -> tuple[dict[str, Row], list[Vector]]:
    """Inputs of small numbers, none of them 0 and no two of one input the same."""
    numbers: dict[str, Row] = {
        name: rng.sample([-3, -2, -1, 1, 2, 3], size) for name, size in zip("xw", sizes, strict=False)
    }
    width, at, found = sum(sizes), 0, []
    for name, row in numbers.items():
        duals = [Dual(n, tuple([int(at + i == j) for j in range(width)])) for i, n in enumerate(row)]
        found.append(Vector(name, duals))
        at += len(row)
    return numbers, found


def written(numbers: object) -> str:
    """The tensor of numbers of one digit each."""
    text = str(numbers).replace("], [", "],\n                  [")
    return "torch.tensor(" + re.sub(r"(\d)", r"\1.", text) + ")"


def multiplied(rng: Rng, x: Vector, rows: int) -> tuple[str, Vector]:
    """The line that makes a matrix A, and A @ x."""
    matrix = [
        [rng.pick([-2, -1, 1, 2, 3]), *(rng.pick([-2, -1, 0, 1, 1, 2, 3]) for _ in x.entries[1:])] for _ in range(rows)
    ]
    matrix = [rng.shuffled(row) for row in matrix]
    entries = []
    for row in matrix:
        whole, *parts = (entry.times(a) for a, entry in zip(row, x.entries, strict=True))
        for part in parts:
            whole += part
        entries.append(whole)
    return f"A = {written(matrix)}", Vector(f"A @ {x.atom}", entries, simple=False)


def crossed(rng: Rng, x: Vector, y: Vector) -> tuple[Vector, Vector]:
    """A product, most often, of two vectors that are made of x and of y; and the same with the second held still."""
    a = rng.pick([same, same, *MIXING])(rng, x)
    b = rng.pick(FACTORS)(rng, y)
    sign = rng.pick("***+-") if ".sum()" not in b.text else "*"
    return combined(a, b, sign), combined(a, b.constant, sign)


def after(rng: Rng, step: Step, *vectors: Vector | None) -> list[Vector]:
    """The same step, drawn once, on each of the vectors."""
    key = str(rng.integer(0, 10**6))
    return [step(Rng(key), vector) for vector in vectors if vector]


def component(rng: Rng, x: Vector) -> tuple[str, Dual]:
    """A product of two entries of x, most often, and another term or none."""
    i, j = rng.sample(range(len(x.entries)), 2)
    k, c = rng.integer(0, len(x.entries) - 1), rng.integer(2, 4)
    a, b, other = x.entries[i], x.entries[j], x.entries[k]
    match rng.integer(1, 4):
        case 1:
            text, dual = f"x[{i}] * x[{j}]", a * b
        case 2:
            text, dual = f"x[{i}] ** 2", a * a
        case 3:
            text, dual = f"x[{i}] ** 2 * x[{j}]", a * a * b
        case _:
            text, dual = f"{c} * x[{i}] * x[{j}]", (a * b).times(c)
    match rng.integer(1, 3):
        case 1:
            return text, dual
        case 2:
            return f"{text} + {c} * x[{k}]", dual + other.times(c)
    return f"{text} - x[{k}]", dual - other


def by_entry(rng: Rng) -> Function:
    """Each output is written out."""
    numbers, (x,) = drawn(rng, rng.pick([2, 3, 3]))
    parts = [component(rng, x) for _ in range(rng.pick([2, 3]))]
    text = "torch.stack([\n        " + ",\n        ".join(text for text, _ in parts) + ",\n    ])"
    return Function(numbers, Vector(text, [dual for _, dual in parts]))


def one_step(rng: Rng) -> Function:
    """One operation on the whole vector."""
    numbers, (x,) = drawn(rng, 3)
    step = rng.pick([cumsum, take, square, difference, neighbours, None])
    if step is None:
        matrix, result = multiplied(rng, x, rng.pick([2, 3]))
        return Function(numbers, result, matrix=matrix)
    result = step(rng, x)
    if step is not neighbours and rng.chance():
        factors = [rng.pick([-3, -2, 2, 3]) for _ in result.entries]
        entries = [entry.times(factor) for entry, factor in zip(result.entries, factors, strict=True)]
        result = Vector(f"{written(factors)} * {result.atom}", entries, simple=False)
    return Function(numbers, result)


def two_steps(rng: Rng) -> Function:
    """A product of two uses of x, most often, and then another operation or none."""
    numbers, (x,) = drawn(rng, 3)
    right, stopped = crossed(rng, x, x)
    match rng.integer(1, 4):
        case 1:
            return Function(numbers, right, stopped)
        case 2:
            inside = rng.pick([square, relu, difference, neighbours, cumsum])(rng, x)
            matrix, result = multiplied(rng, inside, rng.pick([2, 3]))
            return Function(numbers, result, matrix=matrix)
        case 3:
            inside = rng.pick([square, relu, neighbours])(rng, x)
            return Function(numbers, rng.pick([*MIXING, difference])(rng, inside))
    right, stopped = after(rng, rng.pick([*MIXING, difference]), right, stopped)
    return Function(numbers, right, stopped)


def three_steps(rng: Rng) -> Function:
    """An intermediate result that is used twice, or two inputs."""
    if rng.chance():
        numbers, (x, w) = drawn(rng, 3, 3)
        result, _ = crossed(rng, *rng.shuffled([x, w]))
        if rng.chance():
            return Function(numbers, combined(result, rng.pick([same, *MIXING])(rng, rng.pick([x, w])), "+"))
        return Function(numbers, rng.pick([*MIXING, difference, square])(rng, result))
    numbers, (x,) = drawn(rng, 3)
    if rng.chance():
        matrix, inside = multiplied(rng, x, 3)
    else:
        matrix, inside = "", rng.pick([cumsum, square, relu, take])(rng, x)
    h = Vector("h", inside.entries)
    right, stopped = crossed(rng, h, rng.pick([h, x]))
    if rng.chance():
        right, stopped = after(rng, rng.pick([*MIXING, difference]), right, stopped)
    return Function(numbers, right, stopped, [f"h = {inside.text}"], matrix)


BECAUSE = {
    "transposed": "J[i, j] is the derivative of output i by input j: rows belong to outputs, columns to inputs.",
    "jvp-for-vjp": "That is J @ v. The product from the left, v @ J, has a number for each input.",
    "vjp-for-jvp": "That is v @ J. The product from the right, J @ v, has a number for each output.",
    "function-value": "That is the function's value, not its derivative.",
    "summed": "That adds up all rows or all columns of the Jacobian.",
    "vector-ignored": "The vector weights the outputs or the inputs; you took it as all ones.",
    "one-use": "The input is used in two places, and both count: a product has two terms.",
    "diagonal-only": "An output depends on other inputs as well as on the one in its own place.",
    "wrong-input": "That is the derivative by the other input.",
    "off-by-one": "Indices count from 0.",
}
Number = int | tuple[int, ...]
Read = Callable[[Matrix], Number]  # what a question takes from a Jacobian


def dot(matrix: Matrix, weights: Row) -> Number:
    return tuple([sum(a * b for a, b in zip(row, weights, strict=True)) for row in matrix])


def turned(matrix: Matrix) -> Matrix:
    return list(zip(*matrix, strict=True))


@dataclass(frozen=True)
class Question:
    """Lines after the function, what is asked, what that takes from the Jacobian, and wrong expressions likewise."""

    lines: Sequence[str]
    ask: str
    read: Read
    wrong: Sequence[tuple[str, str, Read]]
    tracked: bool = False  # the inputs require gradients


def row(i: int, rows: int, columns: int) -> Question:
    wrong: list[tuple[str, str, Read]] = [("summed", "J.sum(0)", lambda m: dot(turned(m), [1] * rows))]
    if i < columns:
        wrong = [
            ("transposed", f"J[:, {i}]", lambda m: tuple(r[i] for r in m)),
            ("diagonal-only", f"J[{i}] * torch.eye({columns})[{i}]",
             lambda m: tuple(a * (k == i) for k, a in enumerate(m[i]))),
            *wrong,
        ]  # fmt: skip
    if i:
        wrong.append(("off-by-one", f"J[{i - 1}]", lambda m: tuple(m[i - 1])))
    return Question(["J = {jacobian}"], f"J[{i}]", lambda m: tuple(m[i]), wrong)


def column(j: int, rows: int, columns: int) -> Question:
    wrong: list[tuple[str, str, Read]] = [("summed", "J.sum(1)", lambda m: dot(m, [1] * columns))]
    if j < rows:
        wrong.insert(0, ("transposed", f"J[{j}]", lambda m: tuple(m[j])))
    if j:
        wrong.append(("off-by-one", f"J[:, {j - 1}]", lambda m: tuple(r[j - 1] for r in m)))
    return Question(["J = {jacobian}"], f"J[:, {j}]", lambda m: tuple(r[j] for r in m), wrong)


def entry(i: int, j: int, rows: int, columns: int) -> Question:
    wrong: list[tuple[str, str, Read]] = [("summed", f"J[:, {j}].sum()", lambda m: sum(r[j] for r in m))]
    if i < columns and j < rows:
        wrong.insert(0, ("transposed", f"J[{j}, {i}]", lambda m: m[j][i]))
    if i:
        wrong.append(("off-by-one", f"J[{i - 1}, {j}]", lambda m: m[i - 1][j]))
    return Question(["J = {jacobian}"], f"J[{i}, {j}]", lambda m: m[i][j], wrong)


def slope(rng: Rng, rows: int, columns: int) -> Question:
    i = rng.integer(0, rows - 1)
    j = rng.pick([k for k in range(columns) if k != i])  # on the diagonal, rows and columns are not told apart
    match rng.integer(1, 5):
        case 1 | 2:
            return row(i, rows, columns)
        case 3 | 4:
            return column(j, rows, columns)
    return entry(i, j, rows, columns)


def weights(rng: Rng, count: int) -> list[int]:
    """Small numbers, the first two that are drawn neither 0 nor 1."""
    numbers = [rng.pick([2, 3]), rng.pick([-1, -2]), *(rng.integer(-1, 2) for _ in range(count - 2))]
    return rng.shuffled(numbers[:count])


def from_left(rng: Rng, rows: int, columns: int) -> Question:
    """The product v @ J, in one of the ways in which torch computes it."""
    v = weights(rng, rows)
    wrong: list[tuple[str, str, Read]] = [("vector-ignored", "{jacobian}.sum(0)", lambda m: dot(turned(m), [1] * rows))]
    if rows == columns:
        wrong.insert(0, ("jvp-for-vjp", "{jacobian} @ v", lambda m: dot(m, v)))
    given = f"v = {written(v)}"
    read: Read = lambda m: dot(turned(m), v)  # noqa: E731
    return rng.pick([
        Question([given, "vjp = {vjp}"], "vjp", read, wrong),
        Question([given, "f({inputs}).backward(v)"], "{input}.grad", read, wrong, tracked=True),
        Question([given, "(g,) = torch.autograd.grad(f({inputs}), {input}, v)"], "g", read, wrong, tracked=True),
    ])  # fmt: skip


def from_right(rng: Rng, rows: int, columns: int) -> Question:
    """The product J @ v."""
    v = weights(rng, columns)
    wrong: list[tuple[str, str, Read]] = [("vector-ignored", "{jacobian}.sum(1)", lambda m: dot(m, [1] * columns))]
    if rows == columns:
        wrong.insert(0, ("vjp-for-jvp", "v @ {jacobian}", lambda m: dot(turned(m), v)))
    return Question([f"v = {written(v)}", "jvp = {jvp}"], "jvp", lambda m: dot(m, v), wrong)


HINTS = {
    1: "Which outputs change, and by how much, when one entry of the input moves a little?",
    2: "Write the outputs as formulas in the entries of the input, and differentiate those.",
    3: "Write the outputs as formulas in the entries of the input; the intermediate result brings its own derivatives.",
}
OTHER_INPUT = "Mind by which input: the other one is a constant for it. Write the outputs as formulas in its entries."
WHY = (
    "The Jacobian has a row for each output and a column for each input: J[i, j] is the derivative of output i by "
    "input j. Backward mode computes vector-Jacobian products v @ J, one number for each input: `backward(v)`, "
    "`torch.autograd.grad(y, x, v)` and `vjp`; a loss is v = 1. Forward mode computes J @ v, one number for each "
    "output: `jvp`. Rows come cheap from the first, columns from the second."
)


def posed(rng: Rng, it: Function) -> tuple[PredictValue, bool]:
    """A question about the function, and whether it is good: small enough by hand, with wrong turns that differ."""
    name = rng.pick(list(it.inputs))
    matrix, values = it.jacobian(name), tuple([entry.value for entry in it.result.entries])
    rows, columns = len(matrix), len(matrix[0])
    kinds = [slope] if rng.level == 1 else [slope, from_left, *([from_right] if len(it.inputs) == 1 else [])]
    question = rng.pick(kinds)(rng, rows, columns)
    value = question.read(matrix)
    inputs, index = ", ".join(it.inputs), list(it.inputs).index(name)
    several = len(it.inputs) > 1
    given, part = f"({inputs})" if several else "x", f"[{index}]" * several
    texts = {
        "{jacobian}": f"torch.autograd.functional.jacobian(f, {given}){part}",
        "{vjp}": f"torch.autograd.functional.vjp(f, {given}, v)[1]{part}",
        "{jvp}": "torch.autograd.functional.jvp(f, x, v)[1]",
        "{inputs}": inputs,
        "{input}": name,
    }

    def filled(text: str) -> str:
        for key, replacement in texts.items():
            text = text.replace(key, replacement)
        return text

    program = [
        *(f"{n} = {written(row)[:-1]}{', requires_grad=True' * question.tracked})" for n, row in it.inputs.items()),
        *([it.matrix] if it.matrix else []),
        f"def f({inputs}):",
        *(f"    {line}" for line in [*it.lines, f"return {it.result.text}"]),
        *map(filled, question.lines),
    ]
    scalar = isinstance(value, int)
    place = question.ask[2:].partition(",")[0]
    found: list[tuple[Wrong | Edit, Number]] = [
        (Wrong(key, filled(text), BECAUSE[key]), read(matrix)) for key, text, read in question.wrong
    ]
    if it.stopped:
        edit = Edit("one-use", f"return {it.result.text}", f"return {it.stopped.text}", BECAUSE["one-use"])
        found.append((edit, question.read(it.jacobian(name, it.stopped))))
    if several:
        other = "w" if name == "x" else "x"
        found.append((changed_input(question, name, other, index), question.read(it.jacobian(other))))
    found.append((
        Wrong("function-value", f"f({inputs})" + f"[{place}]" * scalar, BECAUSE["function-value"]),
        values[int(place)] if scalar else values,
    ))  # fmt: skip
    wrong, known = [], {value}
    for turn, number in found:
        if number not in known:
            known.add(number)
            wrong.append(turn)
    numbers = (value,) if isinstance(value, int) else value
    small = all(abs(number) <= LARGEST for number in (*numbers, *values))
    note = f"`J[i, j]` is the derivative of output `i` of `f` by entry `j` of `{name}`. "
    puzzle = PredictValue(
        prompt=(note if rng.level == 1 else "") + f"What is `{filled(question.ask)}`?",
        program="\n" + "\n".join(program),
        ask=filled(question.ask),
        wrong=wrong,
        hints=[OTHER_INPUT if several else HINTS[rng.level], hint(question)],
        why=WHY,
    )
    return puzzle, small and any(numbers) and len(wrong) > 1


def changed_input(question: Question, name: str, other: str, index: int) -> Wrong | Edit:
    """The same question about the other input."""
    because = BECAUSE["wrong-input"]
    if question.ask == "{input}.grad":
        return Wrong("wrong-input", f"{other}.grad", because)
    if question.ask == "g":
        return Edit("wrong-input", f", {name}, v)", f", {other}, v)", because)
    closing = f", v)[1][{index}]" if question.ask == "vjp" else f"))[{index}]"
    return Edit("wrong-input", closing, closing.replace(f"[{index}]", f"[{1 - index}]"), because)


def hint(question: Question) -> str:
    if question.ask.startswith("J"):
        return "A row belongs to one output, a column to one input."
    if question.ask == "jvp":
        return "J @ v: how the outputs change when the input moves along v."
    return "v @ J: the gradient of (v * f(…)).sum()."


FORMS: dict[int, Sequence[Callable[[Rng], Function]]] = {1: (by_entry, one_step), 2: (two_steps,), 3: (three_steps,)}


@drill(after=["autograd.non-scalar"], levels=3, arena="0.4", structures=(750, 900, 950))
def jacobian(rng: Rng) -> PredictValue:
    """Rows, columns and products of a Jacobian."""
    puzzle, good = posed(rng, rng.pick(FORMS[rng.level])(rng))
    for _ in range(TRIES):
        if good:
            break
        puzzle, good = posed(rng, rng.pick(FORMS[rng.level])(rng))
    return puzzle
