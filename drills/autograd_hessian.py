"""Autograd: second derivatives."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tensordrill.authoring import Edit, PredictValue, Rng, Wrong, drill

LARGEST = 99  # of the numbers that are worked out by hand
TRIES = 40
Row = Sequence[int]
Matrix = Sequence[Row]


@dataclass(frozen=True, slots=True)
class Jet:
    """A whole number with its first and second derivatives: they keep puzzles small, and wrong turns wrong."""

    value: int
    first: Row
    second: Matrix

    def __add__(self, other: "Jet") -> "Jet":
        return self.mixed(1, other)

    def __sub__(self, other: "Jet") -> "Jet":
        return self.mixed(-1, other)

    def mixed(self, c: int, other: "Jet") -> "Jet":
        """This plus c times the other."""
        return Jet(
            self.value + c * other.value,
            [a + c * b for a, b in zip(self.first, other.first, strict=True)],
            [[a + c * b for a, b in zip(p, q, strict=True)] for p, q in zip(self.second, other.second, strict=True)],
        )

    def __mul__(self, other: "Jet") -> "Jet":
        x, y, p, q = self.value, other.value, self.first, other.first
        return Jet(
            x * y,
            [x * b + y * a for a, b in zip(p, q, strict=True)],
            [
                [x * d + y * c + a * f + b * e for c, d, e, f in zip(left, right, p, q, strict=True)]
                for left, right, a, b in zip(self.second, other.second, p, q, strict=True)
            ],
        )


Vector = Sequence[Jet]


def variables(numbers: Row, at: int, width: int) -> list[Jet]:
    zero = [[0] * width for _ in range(width)]
    return [Jet(n, [int(j == at + i) for j in range(width)], zero) for i, n in enumerate(numbers)]


def total(entries: Vector) -> Jet:
    whole, *rest = entries
    for entry in rest:
        whole += entry
    return whole


def squares(entries: Vector) -> list[Jet]:
    return [entry * entry for entry in entries]


def products(a: Vector, b: Vector) -> list[Jet]:
    return [p * q for p, q in zip(a, b, strict=True)]


def cumsum(entries: Vector) -> list[Jet]:
    return [total(entries[: i + 1]) for i in range(len(entries))]


def through(matrix: Matrix, entries: Vector) -> list[Jet]:
    """The matrix times the vector."""
    zero = entries[0].mixed(-1, entries[0])
    found = []
    for row in matrix:
        whole = zero
        for a, entry in zip(row, entries, strict=True):
            whole = whole.mixed(a, entry)
        found.append(whole)
    return found


@dataclass(frozen=True)
class Term:
    """A number made of x, and of w where it is given: the expression, its jet, and the line that makes its matrix."""

    text: str
    jet: Jet
    line: str = ""


def written(numbers: object) -> str:
    """The tensor of numbers of one digit each."""
    text = str(numbers).replace("], [", "],\n                  [")
    return "torch.tensor(" + re.sub(r"(\d)", r"\1.", text) + ")"


def monomial(rng: Rng, x: Vector) -> Term:
    i, j = rng.sample(range(len(x)), 2)
    c = rng.integer(2, 3)
    match rng.integer(1, 4):
        case 1:
            return Term(f"x[{i}] ** 2 * x[{j}]", x[i] * x[i] * x[j])
        case 2:
            return Term(f"x[{i}] * x[{j}]", x[i] * x[j])
        case 3:
            return Term(f"x[{i}] ** 3", x[i] * x[i] * x[i])
    return Term(f"{c} * x[{i}] * x[{j}] ** 2", (x[i] * x[j] * x[j]).mixed(c - 1, x[i] * x[j] * x[j]))


def of_vector(rng: Rng, x: Vector) -> Term:
    """A number made of the whole vector."""
    matrix = [[rng.integer(-2, 3) for _ in x] for _ in x]
    shift = rng.pick([1, -1])
    rolled = [x[(i - shift) % len(x)] for i in range(len(x))]
    match rng.integer(1, 11):
        case 1:
            return Term("(x * x.flip(0)).sum()", total(products(x, x[::-1])))
        case 2:
            return Term(f"(x * x.roll({shift})).sum()", total(products(x, rolled)))
        case 3:
            return Term("(x.cumsum(0) ** 2).sum()", total(squares(cumsum(x))))
        case 4:
            return Term("(x.diff() ** 2).sum()", total(squares([b - a for a, b in pairwise(x)])))
        case 5:
            return Term("x @ A @ x", total(products(x, through(matrix, x))), f"A = {written(matrix)}")
        case 6:
            return Term("((A @ x) ** 2).sum()", total(squares(through(matrix, x))), f"A = {written(matrix)}")
        case 7:
            return Term("x.prod()", x[0] * x[1] * x[2])
        case 8:
            return Term("x.sum() ** 2", total(x) * total(x))
        case 9:
            return Term("(x ** 3).sum()", total(products(x, squares(x))))
        case 10:
            return Term("x.sum() * (x ** 2).sum()", total(x) * total(squares(x)))
    return Term(f"(x ** 2 * x.roll({shift})).sum()", total(products(squares(x), rolled)))


def of_both(rng: Rng, x: Vector, w: Vector) -> Term:
    """A number made of two vectors."""
    matrix = [[rng.integer(-2, 3) for _ in x] for _ in x]
    match rng.integer(1, 8):
        case 1:
            return Term("(w * x ** 2).sum()", total(products(w, squares(x))))
        case 2:
            return Term("((A @ x) * w).sum()", total(products(through(matrix, x), w)), f"A = {written(matrix)}")
        case 3:
            return Term("(x * w).sum() ** 2", total(products(x, w)) * total(products(x, w)))
        case 4:
            return Term("(x.cumsum(0) * w ** 2).sum()", total(products(cumsum(x), squares(w))))
        case 5:
            return Term("((x - w) ** 2).sum()", total(squares([a - b for a, b in zip(x, w, strict=True)])))
        case 6:
            return Term("x.sum() * (w ** 2).sum()", total(x) * total(squares(w)))
        case 7:
            return Term("(x * w.flip(0)).sum()", total(products(x, w[::-1])))
    return Term("(x ** 2).sum() * w.sum()", total(squares(x)) * total(w))


BECAUSE = {
    "first-derivative": "That is the first derivative.",
    "function-value": "That is the value of f.",
    "row-sums": "That adds up rows of the Hessian.",
    "diagonal": "The gradient of g.sum() holds the sums of the Hessian's rows, mixed derivatives included, not its "
    "diagonal.",
    "diagonal-only": "The mixed derivatives are missing: how that entry of the gradient changes with the others of x.",
    "mixed-halved": "A mixed derivative stands in the Hessian twice, each time in full: 4 * x[0] * x[1] puts 4 into "
    "H[0, 1] and 4 into H[1, 0].",
    "mixed-doubled": "A mixed derivative stands once in each row. Its two places are not added up within a row.",
    "gradient-product": "That is a product of first derivatives. The gradient is differentiated once more.",
    "vector-ignored": "The vector weights the columns of the Hessian; you took it as all ones.",
    "factor-lost": "The square has a derivative, too: a factor of 2.",
    "same-input": "The second derivative is by the other input.",
    "transposed": "Rows belong to the entries of x, columns to those of w. You mixed the two up.",
    "once-more": "That is differentiated once too often.",
    "once-less": "That is differentiated once too little.",
}
WHY = (
    "With create_graph=True the gradient is part of a graph of its own, and can be differentiated again. The gradient "
    "of g[i] is row i of the Hessian, H[i, j] the derivative of g[i] by x[j], the same as of g[j] by x[i]. The "
    "gradient of g @ v is H @ v, a Hessian-vector product: so that of g.sum() holds the sums of the rows. The whole "
    "Hessian takes a backward pass for each row."
)
HESSIAN = "torch.autograd.functional.hessian(f, x)"
Number = float | tuple[float, ...]


@dataclass(frozen=True)
class Question:
    """Lines after the function, what is asked and its value, and wrong turns with theirs."""

    lines: Sequence[str]
    ask: str
    value: Number
    wrong: Sequence[tuple[Wrong | Edit, Number]]


def turn(key: str, answer: str) -> Wrong:
    return Wrong(key, answer, BECAUSE[key])


def edit(key: str, old: str, new: str) -> Edit:
    return Edit(key, old, new, BECAUSE[key])


def summed(matrix: Matrix, weights: Row) -> tuple[float, ...]:
    return tuple([sum(a * b for a, b in zip(row, weights, strict=True)) for row in matrix])


GRADIENT = "(g,) = torch.autograd.grad(f(x), x, create_graph=True)"


def a_row(rng: Rng, y: Jet) -> Question:
    """A row of the Hessian, or one entry of it."""
    n, matrix, gradient = len(y.first), y.second, y.first
    i, j = rng.sample(range(n), 2)
    row, unit = matrix[i], f"torch.eye({n})[{i}]"
    lines, ask, g = rng.pick([
        ([GRADIENT, f"(h,) = torch.autograd.grad(g[{i}], x)"], "h", "g"),
        ([GRADIENT, f"g[{i}].backward()"], "x.grad", "g"),
        ([f"H = {HESSIAN}"], f"H[{i}]", "torch.autograd.functional.jacobian(f, x)"),
    ])  # fmt: skip
    wrong: list[tuple[str, str, tuple[float, ...]]] = [
        ("first-derivative", g, tuple(gradient)),
        ("row-sums", f"{HESSIAN}.sum(0)", summed(matrix, [1] * n)),
        ("diagonal-only", f"{ask} * {unit}", tuple([a * (k == i) for k, a in enumerate(row)])),
        ("gradient-product", f"{g} * {g}[{i}]", tuple([a * gradient[i] for a in gradient])),
        ("mixed-halved", f"{ask} * (1 + {unit}) / 2", tuple([a if k == i else a / 2 for k, a in enumerate(row)])),
        ("mixed-doubled", f"{ask} * (2 - {unit})", tuple([a if k == i else 2 * a for k, a in enumerate(row)])),
    ]  # fmt: skip
    if rng.chance(0.3):
        entry = f"H[{i}, {j}]" if ask.startswith("H") else f"{ask}[{j}]"
        kept = [(turn(key, f"({text})[{j}]"), numbers[j]) for key, text, numbers in wrong if key != "diagonal-only"]
        return Question(lines, entry, row[j], kept)
    return Question(lines, ask, tuple(row), [(turn(key, text), numbers) for key, text, numbers in wrong])


def row_sums(_rng: Rng, y: Jet) -> Question:
    n, matrix = len(y.first), y.second
    sums, diagonal = summed(matrix, [1] * n), tuple([matrix[i][i] for i in range(n)])
    return Question(
        [GRADIENT, "(h,) = torch.autograd.grad(g.sum(), x)"], "h", sums,
        [(turn("diagonal", f"{HESSIAN}.diagonal()"), diagonal), (turn("first-derivative", "g"), tuple(y.first)),
         (turn("mixed-halved", f"(h + {HESSIAN}.diagonal()) / 2"),
          tuple([(a + b) / 2 for a, b in zip(sums, diagonal, strict=True)]))],
    )  # fmt: skip


def along(rng: Rng, y: Jet) -> Question:
    """A Hessian-vector product."""
    n, matrix = len(y.first), y.second
    v = rng.shuffled([rng.pick([2, 3]), rng.pick([-1, -2]), *(rng.integer(-1, 2) for _ in range(n - 2))])
    diagonal = tuple([matrix[i][i] * v[i] for i in range(n)])
    call, ones = rng.pick([("(g @ v, x)", "(g.sum(), x)"), ("(g, x, v)", "(g, x, torch.ones_like(v))")])
    return Question(
        [GRADIENT, f"v = {written(v)}", f"(h,) = torch.autograd.grad{call}"], "h", summed(matrix, v),
        [(turn("first-derivative", "g"), tuple(y.first)),
         (edit("vector-ignored", call, ones), summed(matrix, [1] * n)),
         (turn("diagonal", f"{HESSIAN}.diagonal() * v"), diagonal)],
    )  # fmt: skip


def penalty(_rng: Rng, y: Jet) -> Question:
    """The gradient of the gradient's square."""
    n, matrix, g = len(y.first), y.second, y.first
    right = tuple([2 * a for a in summed(matrix, g)])
    return Question(
        [GRADIENT, "(h,) = torch.autograd.grad((g ** 2).sum(), x)"], "h", right,
        [(turn("factor-lost", "h / 2"), tuple([a / 2 for a in right])),
         (turn("once-less", "2 * g"), tuple([2 * a for a in g])),
         (turn("diagonal", f"2 * g * {HESSIAN}.diagonal()"), tuple([2 * g[i] * matrix[i][i] for i in range(n)])),
         (turn("row-sums", f"{HESSIAN}.sum(0)"), summed(matrix, [1] * n))],
    )  # fmt: skip


def by_another(rng: Rng, y: Jet) -> Question:
    """A mixed second derivative: by x and then by w, or the other way round."""
    n = len(y.first) // 2
    first, second = rng.pick([("x", "w"), ("w", "x")])
    a, b = (0, n) if first == "x" else (n, 0)
    mixed = [row[b : b + n] for row in y.second[a : a + n]]
    own = [row[a : a + n] for row in y.second[a : a + n]]
    i = rng.integer(0, n - 1)
    whole = rng.chance(0.4)
    taken = "g.sum()" if whole else f"g[{i}]"
    block = f"torch.autograd.functional.hessian(f, (x, w))[{a // n}][{b // n}]"

    def value(matrix: Matrix) -> tuple[float, ...]:
        return tuple([sum(column) for column in zip(*matrix, strict=True)]) if whole else tuple(matrix[i])

    found: list[tuple[Wrong | Edit, Number]] = [
        (turn("first-derivative", f"torch.autograd.grad(f(x, w), {second})[0]"), tuple(y.first[b : b + n])),
        (turn("transposed", f"{block}.sum(1)" if whole else f"{block}[:, {i}]"),
         summed(mixed, [1] * n) if whole else tuple([row[i] for row in mixed])),
    ]  # fmt: skip
    if not whole:
        found.append((turn("row-sums", f"{block}.sum(0)"), tuple([sum(column) for column in zip(*mixed, strict=True)])))
    if any(value(own)):  # else torch may find that the gradient does not depend on its own input
        found.append((edit("same-input", f"{taken}, {second})", f"{taken}, {first})"), value(own)))
    line = f"(g,) = torch.autograd.grad(f(x, w), {first}, create_graph=True)"
    last, ask = rng.pick([(f"(h,) = torch.autograd.grad({taken}, {second})", "h")])
    return Question([line, last], ask, value(mixed), found)


Ask = Callable[[Rng, Jet], Question]


def posed(rng: Rng) -> tuple[PredictValue, bool]:
    """A question, and whether it is good: small enough by hand, with wrong turns that differ."""
    names = "xw" if rng.level > 2 and rng.chance(0.4) else "x"  # noqa: PLR2004
    size = rng.pick([2, 3]) if rng.level == 1 else 3
    numbers = [rng.sample([-2, -1, 1, 2, 3], size) for _ in names]
    width = size * len(names)
    inputs = [variables(row, k * size, width) for k, row in enumerate(numbers)]
    ask: Ask
    if len(names) > 1:
        terms, ask = [of_both(rng, *inputs)], by_another
    elif rng.level == 1:
        terms, ask = [monomial(rng, *inputs), monomial(rng, *inputs)], a_row
    else:
        terms = [of_vector(rng, *inputs) for _ in range(rng.pick([1, 2]))]
        ask = rng.pick([a_row, a_row, row_sums] if rng.level == 2 else [along, penalty])  # noqa: PLR2004
    if len({term.text for term in terms}) < len(terms) or all(term.line for term in terms):  # one A at the most
        terms = terms[:1]
    lines = [term.line for term in terms if term.line]
    sign = rng.pick("+-")
    y = terms[0].jet if len(terms) == 1 else terms[0].jet.mixed(1 if sign == "+" else -1, terms[1].jet)
    question = ask(rng, y)
    wrong, known = [], {question.value}
    for it, number in question.wrong:
        if number not in known:
            known.add(number)
            wrong.append(it)
    value = question.value if isinstance(question.value, tuple) else (question.value,)
    program = [
        *(f"{name} = {written(row)[:-1]}, requires_grad=True)" for name, row in zip(names, numbers, strict=True)),
        *lines,
        f"def f({', '.join(names)}):",
        f"    return {f' {sign} '.join(term.text for term in terms)}",
        *question.lines,
    ]
    puzzle = PredictValue(
        prompt=f"What is `{question.ask}`?",
        program="\n" + "\n".join(program),
        ask=question.ask,
        wrong=wrong,
        hints=["First the gradient g, as formulas in the entries of the input. Then its derivatives.", HINTS[ask]],
        why=WHY,
    )
    return puzzle, any(value) and max(map(abs, value)) <= LARGEST and len(wrong) > 1


HINTS: Mapping[Ask, str] = {
    a_row: "Row i holds the derivatives of g[i] by every entry of x.",
    row_sums: "g.sum() depends on x[j] through every entry of g.",
    along: "The gradient of g @ v is H @ v.",
    penalty: "The derivative of g[i] ** 2 by x[j] is 2 * g[i] * H[i, j].",
    by_another: "Each entry of g is a formula in both inputs: by which one is it differentiated now?",
}


@drill(after=["autograd.jacobian"], levels=3, arena="0.4", structures=(600, 750, 750))
def hessian(rng: Rng) -> PredictValue:
    """Second derivatives with create_graph."""
    puzzle, good = posed(rng)
    for _ in range(TRIES):
        if good:
            break
        puzzle, good = posed(rng)
    return puzzle
