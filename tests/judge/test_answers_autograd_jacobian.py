"""Answers to the drills about Jacobians and Hessians as people type them, right and wrong, and the judge's verdicts."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
import torch

from tensordrill.catalog import Catalog, built_in
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import PredictValue, WriteExpression

VALUE, SHAPE, DTYPE, REFUSED, RAISED, SLIP = (
    Status.WRONG_VALUE, Status.WRONG_SHAPE, Status.WRONG_DTYPE, Status.REFUSED, Status.RAISED, Status.UNPARSABLE,
)  # fmt: skip
Function = Callable[..., torch.Tensor]
STEP = 2.0**-8  # exact in floating point, so that what is left of a difference is of the fourth order or none


def parts(it: PredictValue) -> dict[str, torch.Tensor]:
    """The program's tensors and its function, without what torch differentiates."""
    lines = [line for line in (it.face.code or "").split("\n") if "autograd" not in line and "backward" not in line]
    names: dict[str, torch.Tensor] = {"torch": torch}  # type: ignore[dict-item]
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            exec("\n".join(lines).replace(", requires_grad=True", ""), names)
    finally:
        torch.set_default_dtype(torch.float32)
    return names


def slopes(function: Function, at: torch.Tensor) -> torch.Tensor:
    """Its derivative by each entry, by differences: a row for each output."""
    columns = []
    for i in range(len(at)):
        d = torch.zeros_like(at)
        d[i] = STEP
        near, far = (function(at + k * d) - function(at - k * d) for k in (1, 2))
        columns.append((8 * near - far) / (12 * STEP))
    return torch.stack(columns, -1)


def by(names: dict[str, torch.Tensor], name: str, function: Function | None = None) -> Function:
    """The function of one of the inputs, the other one fixed."""
    f: Function = function or names["f"]  # type: ignore[assignment]
    if "w" not in names:
        return f
    return (lambda x: f(x, names["w"])) if name == "x" else (lambda w: f(names["x"], w))


def said(numbers: torch.Tensor) -> str:
    assert torch.allclose(numbers, numbers.round(), atol=1e-4)
    return str([int(n) for n in numbers.round().flatten()] if numbers.dim() else int(numbers.round()))


# --- autograd.jacobian


def asked(it: PredictValue) -> tuple[torch.Tensor, torch.Tensor]:
    """The Jacobian that is asked about, and the numbers that are asked for."""
    names, code = parts(it), it.face.code or ""
    other = re.search(r"\(x, w\)\)\[1\]|\[1\]\[1\]$|, w, v\)$", code) or it.ask == "w.grad"
    name = "w" if other else "x"
    matrix = slopes(by(names, name), names[name])
    if it.ask.startswith("J"):
        answer: torch.Tensor = eval(it.ask, {"J": matrix})
    else:
        answer = matrix @ names["v"] if it.ask == "jvp" else names["v"] @ matrix
    return matrix, answer


@pytest.mark.parametrize("level", [1, 2, 3])
def test_differences_say_the_same(judge: Judge, catalog: Catalog, level: int) -> None:
    for seed in range(3000, 3008):
        it = catalog["autograd.jacobian"].puzzle(seed, level)
        assert isinstance(it, PredictValue)
        _, answer = asked(it)
        verdict = judge.grade(it, said(answer))
        assert verdict.correct, (seed, verdict.feedback)
        assert 1 <= answer.numel() <= 6
        assert answer.abs().max() <= 99


@pytest.mark.parametrize("form", ["{}", "tensor({})", "torch.tensor({}, dtype=torch.float64)", "np.array({})", "`{}`"])
def test_a_row_can_be_typed_in_many_ways(judge: Judge, catalog: Catalog, form: str) -> None:
    it = next(p for s in range(99) if (p := catalog["autograd.jacobian"].puzzle(s, 1)).face.ask == "J[1]")
    assert isinstance(it, PredictValue)
    answer = said(asked(it)[1])
    assert judge.grade(it, form.format(answer)).correct
    assert judge.grade(it, answer.strip("[]")).correct
    assert judge.grade(it, answer.strip("[]").replace(",", "")).correct
    assert judge.grade(it, f"[{answer}]").status is SHAPE


def test_the_other_product_is_named(judge: Judge, catalog: Catalog) -> None:
    """The product from the other side, where both have as many numbers."""
    found = set()
    for seed in range(60):
        it = catalog["autograd.jacobian"].puzzle(seed, 2)
        assert isinstance(it, PredictValue)
        matrix, answer = asked(it)
        names = parts(it)
        if "v" in names and matrix.shape[0] == matrix.shape[1] == 3:
            wrong = names["v"] @ matrix if it.ask == "jvp" else matrix @ names["v"]
            if not torch.equal(wrong.round(), answer.round()) and (it.ask == "jvp") not in found:
                verdict = judge.grade(it, said(wrong))
                assert verdict.wrong_turn == ("vjp-for-jvp" if it.ask == "jvp" else "jvp-for-vjp")
                found.add(it.ask == "jvp")
    assert found == {True, False}


@pytest.mark.parametrize(
    ("wrong", "turn"),
    [
        (lambda matrix, i: matrix[:, i], "transposed"),
        (lambda matrix, i: matrix[i - 1], "off-by-one"),
        (lambda matrix, _: matrix.sum(0), "summed"),
        (lambda matrix, i: matrix[i] * torch.eye(matrix.shape[1], dtype=matrix.dtype)[i], "diagonal-only"),
        (lambda matrix, i: matrix[i] + 1, None),
        (lambda matrix, i: -matrix[i], None),
        (lambda matrix, i: matrix[i][:-1], None),
    ],
)
def test_mistaken_rows_are_named(
    judge: Judge, catalog: Catalog, wrong: Callable[[torch.Tensor, int], torch.Tensor], turn: str | None
) -> None:
    tried = 0
    for seed in range(400):
        it = catalog["autograd.jacobian"].puzzle(seed, 1)
        assert isinstance(it, PredictValue)
        turns = [one.id for one in it.wrong]
        if (row := re.fullmatch(r"J\[(\d)\]", it.ask)) and (turn is None or turn in turns):
            matrix, answer = asked(it)
            numbers = wrong(matrix, int(row[1]))
            if said(numbers) != said(answer):
                verdict = judge.grade(it, said(numbers))
                assert verdict.status in (VALUE, SHAPE)
                assert turn is None or verdict.wrong_turn in turns
                tried += turn is None or verdict.wrong_turn == turn
        if tried > 2:
            break
    assert tried > 2


def test_what_is_no_number_is_a_slip(judge: Judge, catalog: Catalog) -> None:
    it = catalog["autograd.jacobian"].puzzle(1, 1)
    for text in ("error", "x ** 2", "[1, 2", ""):
        assert judge.grade(it, text).status is SLIP


# --- autograd.hessian


def second(it: PredictValue) -> tuple[torch.Tensor, torch.Tensor]:
    """The second derivatives that are asked about, and the numbers that are asked for."""
    names, code = parts(it), it.face.code or ""
    order = re.findall(r"grad\((?:f\(.*?\)|g[^,]*), ([xw])", code)
    first, then = (order * 2)[:2] if order else ("x", "x")
    gradient = slopes(by(names, first), names[first])

    def g(*inputs: torch.Tensor) -> torch.Tensor:
        fixed = dict(zip("xw", inputs, strict=False))
        return slopes(by(names | fixed, first), fixed.get(first, names[first]))

    inputs = {name: names[name] for name in ("x", "w") if name in names}
    matrix = slopes(lambda t: g(*(inputs | {then: t}).values()), names[then])
    if entry := re.search(r"H(\[.*\])", it.ask):
        answer: torch.Tensor = eval(f"H{entry[1]}", {"H": matrix})
    else:
        row = int((re.findall(r"g\[(\d)\]", code) or [0])[0])
        if "(g @ v, x)" in code or "(g, x, v)" in code:
            weights = names["v"]
        elif "(g ** 2).sum()" in code:
            weights = 2 * gradient
        elif "g.sum()" in code:
            weights = torch.ones_like(gradient)
        else:
            weights = torch.eye(len(gradient), dtype=gradient.dtype)[row]
        answer = weights @ matrix
        if place := re.search(r"(?:h|x\.grad)\[(\d)\]", it.ask):
            answer = answer[int(place[1])]
    return matrix, answer


@pytest.mark.parametrize("level", [1, 2, 3])
def test_second_differences_say_the_same(judge: Judge, catalog: Catalog, level: int) -> None:
    for seed in range(3000, 3008):
        it = catalog["autograd.hessian"].puzzle(seed, level)
        assert isinstance(it, PredictValue)
        _, answer = second(it)
        verdict = judge.grade(it, said(answer))
        assert verdict.correct, (seed, verdict.feedback)
        assert 1 <= answer.numel() <= 6
        assert answer.abs().max() <= 99


@pytest.mark.parametrize(
    "turn", ["first-derivative", "mixed-halved", "mixed-doubled", "diagonal-only", "gradient-product", "row-sums"]
)
def test_mistaken_second_derivatives_are_named(judge: Judge, catalog: Catalog, turn: str) -> None:
    """For a row: the mistake is made anew from the differences."""
    tried = 0
    for seed in range(300):
        it = catalog["autograd.hessian"].puzzle(seed, 1)
        assert isinstance(it, PredictValue)
        of = (it.face.code or "") if it.ask in ("h", "x.grad") else it.ask
        row = re.search(r"g\[(\d)\]|H\[(\d)\]$", of)
        if not row or turn not in [one.id for one in it.wrong]:
            continue
        matrix, i = second(it)[0], int(row[1] or row[2])
        names = parts(it)
        gradient = slopes(by(names, "x"), names["x"])
        unit = torch.eye(len(gradient), dtype=gradient.dtype)[i]
        numbers = {
            "first-derivative": gradient,
            "mixed-halved": matrix[i] * (1 + unit) / 2,
            "mixed-doubled": matrix[i] * (2 - unit),
            "diagonal-only": matrix[i] * unit,
            "gradient-product": gradient * gradient[i],
            "row-sums": matrix.sum(0),
        }[turn]
        verdict = judge.grade(it, str([round(number, 2) for number in numbers.tolist()]))
        assert (verdict.status, verdict.wrong_turn) == (VALUE, turn), verdict.feedback
        tried += 1
        if tried > 2:
            break
    assert tried > 2


# --- autograd.jacobian-pattern

Which = tuple[int, str]


@cache
def pattern(level: int, line: str) -> WriteExpression:
    """The first puzzle whose program makes y by that line and no other."""
    for seed in range(1500):
        it = built_in()["autograd.jacobian-pattern"].puzzle(seed, level)
        assert isinstance(it, WriteExpression)
        program = (it.face.code or "").split("\n")
        start = next(i for i, text in enumerate(program) if "randn" in text or "torch.rand(" in text)
        made = [text for text in program[start:] if "randn" not in text and "torch.rand(" not in text]
        if "; ".join(made[:-3]) == line:
            return it
    raise AssertionError((level, line))


CUMSUM = (1, "y = x.cumsum(0)")
WINDOW = (1, "y = x.unfold(0, k, 1).sum(1)")
BLOCKS = (1, "y = x.unflatten(0, (-1, k)).sum(1)")
ORDER = (1, "y = x[order]")
STRIDE = (1, "a = x.cumsum(0); y = a[::2]")
MEANS = (2, "y = x.cumsum(0) / torch.arange(1, n + 1)")
DIFF = (2, "y = x.diff()")
KERNEL = (2, "y = x.unfold(0, k, 1) @ w")
SOFTMAX = (2, "y = x.softmax(0)")
SQUARES = (2, "a = x.cumsum(0); y = a ** 2")

RIGHT = [
    (CUMSUM, "i <= o"),
    (CUMSUM, "o >= i"),
    (CUMSUM, "~(i > o)"),
    (CUMSUM, "i - o < 1"),
    (CUMSUM, "torch.ones(m, n).tril().bool()"),
    (CUMSUM, "torch.eye(n).cumsum(0) == 1"),
    (CUMSUM, "torch.le(i, o)"),
    (WINDOW, "(i >= o) & (i < o + k)"),
    (WINDOW, "(0 <= i - o) & (i - o < k)"),
    (WINDOW, "(i - o).clamp(0, k - 1) == i - o"),
    (WINDOW, "sum(i == o + t for t in range(k)).bool()"),
    (BLOCKS, "i // k == o"),
    (BLOCKS, "(i >= k * o) & (i < k * (o + 1))"),
    (BLOCKS, "torch.div(i, k, rounding_mode='floor') == o"),
    (ORDER, "i == order[o]"),
    (ORDER, "order[:, None] == torch.arange(n)"),
    (ORDER, "order.argsort()[i] == o"),
    (ORDER, "F.one_hot(order).bool()"),
    (STRIDE, "i <= 2 * o"),
    (STRIDE, "(i <= torch.arange(n)[:, None])[::2]"),
    (MEANS, "(i <= o) / (o + 1)"),
    (MEANS, "torch.where(i <= o, 1 / (o + 1), 0.0)"),
    (MEANS, "(i <= o).float() / (1 + o)"),
    (MEANS, "torch.ones(n, n).tril() / torch.arange(1, n + 1)[:, None]"),
    (DIFF, "(i == o + 1).double() - (i == o).double()"),
    (DIFF, "1.0 * (i == o + 1) - 1.0 * (i == o)"),
    (DIFF, "torch.eye(n)[1:] - torch.eye(n)[:-1]"),
    (DIFF, "torch.eye(n).diff(dim=0)"),
    (KERNEL, "torch.where((i >= o) & (i < o + k), w[(i - o).clamp(0, k - 1)], 0.0)"),
    (KERNEL, "sum((i == o + t) * w[t] for t in range(k))"),
    (SOFTMAX, "torch.diag(y) - y[o] * y[i]"),
    (SOFTMAX, "y[o] * ((i == o) * 1.0 - y[i])"),
    (SOFTMAX, "y.diag() - torch.outer(y, y)"),
    (SQUARES, "2 * (i <= o) * a[o]"),
    (SQUARES, "(i <= o) * 2 * x.cumsum(0)[:, None]"),
    (SQUARES, "torch.where(o >= i, 2.0 * a[o], torch.zeros(()))"),
]
WRONG = [
    (CUMSUM, "o <= i", VALUE, "swapped"),
    (CUMSUM, "i < o", VALUE, "off-by-one"),
    (CUMSUM, "(i <= o).float()", DTYPE, None),
    (CUMSUM, "i == o", VALUE, None),
    (CUMSUM, "torch.arange(n) <= n", SHAPE, None),
    (CUMSUM, "i <= o and True", RAISED, None),
    (CUMSUM, "torch.autograd.functional.jacobian(lambda x: x.cumsum(0), x).bool()", REFUSED, None),
    (CUMSUM, "y = i <= o; y", SLIP, None),
    (WINDOW, "(i >= o) & (i <= o + k)", VALUE, "off-by-one"),
    (WINDOW, "i >= o", VALUE, "window-open"),
    (WINDOW, "(o >= i) & (o < i + k)", VALUE, "swapped"),
    (BLOCKS, "i % k == o", VALUE, "quotient-for-remainder"),
    (BLOCKS, "o // k == i", VALUE, "swapped"),
    (ORDER, "order[i] == o", VALUE, "swapped"),
    (ORDER, "i == o", VALUE, "suffix-forgotten"),
    (STRIDE, "i <= o", VALUE, "suffix-forgotten"),
    (STRIDE, "i < 2 * o", VALUE, "off-by-one"),
    (MEANS, "(i <= o) / (i + 1)", VALUE, "by-input"),
    (MEANS, "(i <= o) / n", VALUE, "by-length"),
    (MEANS, "(i <= o).double()", VALUE, "ones"),
    (MEANS, "i <= o", DTYPE, None),
    (DIFF, "(i == o).double() - (i == o + 1).double()", VALUE, "sign"),
    (DIFF, "(i == o + 1) - (i == o)", RAISED, None),  # torch subtracts no booleans
    (KERNEL, "sum((i == o + t) * w[k - 1 - t] for t in range(k))", VALUE, "kernel-flipped"),
    (SOFTMAX, "(i == o) * y[o] * (1 - y[o])", VALUE, "diagonal-only"),
    (SOFTMAX, "torch.diag(y)", VALUE, "one-use"),
    (SQUARES, "2 * (i <= o) * x.cumsum(0)[i]", VALUE, "factor-index"),
    (SQUARES, "1.0 * (i <= o)", VALUE, "factor-forgotten"),
    (SQUARES, "2 * (o <= i) * a[i]", VALUE, "swapped"),
]


@pytest.mark.parametrize(("which", "answer"), RIGHT)
def test_patterns_that_are_right(judge: Judge, which: Which, answer: str) -> None:
    verdict = judge.grade(pattern(*which), answer)
    assert verdict.correct, verdict.feedback


@pytest.mark.parametrize(("which", "answer", "status", "turn"), WRONG)
def test_patterns_that_are_wrong(judge: Judge, which: Which, answer: str, status: Status, turn: str | None) -> None:
    verdict = judge.grade(pattern(*which), answer)
    assert (verdict.status, verdict.wrong_turn) == (status, turn), verdict.feedback


MADE = "(lambda e: (exec({code!r}, e), e['y'])[1])({{**globals(), 'x': x}})"
BY_AUTOGRAD = f"torch.autograd.functional.jacobian(lambda x: {MADE}, x)"


@pytest.mark.parametrize("level", [1, 2, 3])
def test_autograd_finds_the_same_jacobian(judge: Judge, catalog: Catalog, level: int) -> None:
    """It is ruled out, and says what is right."""
    for seed in range(3000, 3008):
        it = catalog["autograd.jacobian-pattern"].puzzle(seed, level)
        assert isinstance(it, WriteExpression)
        answer = BY_AUTOGRAD.format(code=it.setup.strip()) + (" != 0" if level == 1 else "")
        verdict = judge.grade(replace(it, forbid=(), wrong=()), answer)
        assert verdict.correct, (seed, verdict.feedback)
        assert judge.grade(it, answer).status is REFUSED
