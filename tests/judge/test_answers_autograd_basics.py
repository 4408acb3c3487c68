"""Answers to the first autograd drills as people type them, right and wrong, and what the judge says of them."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from tensordrill.drills.autograd_basics import Link, chain, product
from tensordrill.drills.autograd_gates import Passage, bent, entry, extreme, ranked, several
from tensordrill.drills.autograd_products import Product, Vectors, part, parts
from tensordrill.drills.autograd_softmax import against, probability
from tensordrill.drills.autograd_uses import fan_beliefs
from tensordrill.drills.autograd_vectors import MUST_FAIL, mismatched, refused, weighed

from tensordrill.authoring import Edit, Rng, Wrong
from tensordrill.building.gradients import Belief, Node, Tape, predicted
from tensordrill.catalog import Catalog
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import PredictValue

SHAPE, VALUE, SLIP, DTYPE = Status.WRONG_SHAPE, Status.WRONG_VALUE, Status.UNPARSABLE, Status.WRONG_DTYPE


def asked(lines: str | Sequence[str], ask: str, wrong: Sequence[Wrong | Edit], **more: Any) -> PredictValue:
    program = lines if isinstance(lines, str) else "\n".join(lines)
    return PredictValue(program=program, ask=ask, hints=["a", "b"], why="c", wrong=wrong, **more)


def believed(lines: str | Sequence[str], ask: str, right: object, beliefs: Iterable[Belief]) -> PredictValue:
    return asked(lines, ask, predicted(right, beliefs))


# --- scalar-chain: x = 3, y = 2x + 1 = 7, z = y² = 49, loss = 50 - z, so x.grad = -1 · 14 · 2 = -28


CHAIN = chain(
    "x",
    {"x": 3},
    [
        Link("y", "2 * x + 1", lambda e: 2 * e["x"] + 1, {"x": lambda _: 2}),
        Link("z", "y ** 2", lambda e: e["y"] ** 2, {"y": lambda e: 2 * e["y"]}, power=2),
        Link("loss", "50 - z", lambda e: 50 - e["z"], {"z": lambda _: -1}),
    ],
    ["x"],
    guided=False,
)
NEURON = chain(
    "w",
    {"x": 4, "w": 2, "b": -3, "t": 1},
    [
        product("h", "w", "x", "b"),
        Link("loss", "(h - t) ** 2", lambda e: (e["h"] - e["t"]) ** 2, {"h": lambda e: 2 * (e["h"] - e["t"])}),
    ],
    ["w", "b"],
    guided=False,
)

# --- matvec: W is 2 by 3, the loss is y.sum(), or weighted by g = [2, 5]

MATRIX, VECTOR = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [7.0, 8.0, 9.0]
HEAD = [
    "W = torch.tensor([[1., 2., 3.], [4., 5., 6.]], requires_grad=True)",
    "x = torch.tensor([7., 8., 9.], requires_grad=True)",
    "y = W @ x",
]
SUMMED = Vectors("W", "x", "y", MATRIX, VECTOR, [1, 1], turned=False)
WEIGHTED = Vectors("W", "x", "y", MATRIX, VECTOR, [2, 5], turned=False)
LESSON = [*HEAD, "loss = y.sum()", "loss.backward()"]
LESSON_W = believed(LESSON, "W.grad", SUMMED.gradient("W"), SUMMED.beliefs("W"))
LESSON_X = believed(LESSON, "x.grad", SUMMED.gradient("x"), SUMMED.beliefs("x"))
ROW = believed(
    [*HEAD, "g = torch.tensor([2., 5.])", "(g * y).sum().backward()"],
    "W.grad[1]",
    part([1], WEIGHTED.gradient("W")),
    parts([1], WEIGHTED.beliefs("W")),
)

# --- matmul: A and B are 2 by 2, the loss is (g * (A @ B)).sum()

PRODUCT = Product(("A", "B", "C"), ([[1, 2], [3, 4]], [[5, 1], [2, 3]]), (False, False), [[1, 2], [3, 1]])
MATMUL = [
    "A = torch.tensor([[1., 2.], [3., 4.]], requires_grad=True)",
    "B = torch.tensor([[5., 1.], [2., 3.]], requires_grad=True)",
    "C = A @ B",
    "g = torch.tensor([[1., 2.], [3., 1.]])",
    "(g * C).sum().backward()",
]
LEFT = believed(MATMUL, "A.grad", PRODUCT.gradient(0, PRODUCT.back), PRODUCT.beliefs(0))
RIGHT = believed(MATMUL, "B.grad[0]", part([0], PRODUCT.gradient(1, PRODUCT.back)), parts([0], PRODUCT.beliefs(1)))


# --- fan-out


def residual() -> PredictValue:
    """With x = [1, 3], y = x + x ** 2, weighted by [2, 5]: [2 · 3, 5 · 7]."""
    tape = Tape()
    x = tape.leaf("x", [1, 3])
    y = tape.let("y", x + x**2)
    loss = tape.backward((tape.data("g", [2, 5]) * y).sum())
    return believed(tape.lines, "x.grad", loss.gradient(x), fan_beliefs(x, loss, None))


def tied() -> PredictValue:
    """With w = 2, h = 3w, y = w · h + w: 3 · 2 (through h) + 6 (beside h) + 1."""
    tape = Tape()
    w = tape.leaf("w", 2)
    h = tape.let("h", 3 * w)
    loss = tape.backward(tape.let("y", w * h + w))
    return believed(tape.lines, "w.grad", loss.gradient(w), fan_beliefs(w, loss, None))


RESIDUAL, TIED = residual(), tied()


# --- index-max-relu: x = [2, -3, 5, -1]


def gated(opening: Any, text: str) -> PredictValue:
    """The gate with that text, weighted by the numbers from 2 on where it gives several."""
    for seed in range(5000):
        tape = Tape()
        x = tape.leaf("x", [2, -3, 5, -1])
        gate = opening(Rng(str(seed)), x)(x)
        y = tape.let("y", gate.after(x, gate.back))
        if tape.lines[-1] == f"y = {text}":
            g = tape.data("g", [2, 3, 4, 5][: len(y.values)]) if y.shape else None

            def finish(v: Node, g: Node | None = g) -> Node:
                return 3 * v if g is None else (g * v).sum()

            loss = tape.backward(finish(y))
            it = Passage(tape, x, [(gate, x)], finish, loss)
            return believed(tape.lines, "x.grad", loss.gradient(x), it.beliefs())
    raise AssertionError(text)


PICKED = gated(entry, "x[2]")
TWICE = gated(several, "x[[2, 0, 2, 1]]")
LARGEST = gated(extreme, "x.max()")
RELU = gated(bent, "x.relu()")
SORTED = gated(ranked, "x.sort().values")

# --- softmax: the exponentials 1, 3, 4, so p = [1/8, 3/8, 1/2]

LOGITS = "logits = torch.tensor([1., 3., 4.]).log().requires_grad_()"
P = [1 / 8, 3 / 8, 1 / 2]
CROSS = against([1, 3, 4], P, [0, 1, 0])
CROSS_ENTROPY = believed(
    [LOGITS, "loss = F.cross_entropy(logits, torch.tensor(1))", "loss.backward()"],
    "logits.grad",
    list(CROSS.gradient),
    CROSS.beliefs,
)
ITSELF = next(q for seed in range(200) if (q := probability(Rng(str(seed), 2))).parts == [1, 3] and q.loss == "p[0]")
PROBABILITY = believed(
    ["logits = torch.tensor([1., 3.]).log().requires_grad_()", *ITSELF.lines, "p[0].backward()"],
    "logits.grad",
    list(ITSELF.gradient),
    ITSELF.beliefs,
)

# --- non-scalar: x = [2, 3], y = x ** 2


def ended(kind: str) -> PredictValue:
    tape = Tape()
    x = tape.leaf("x", [2, 3])
    y = tape.let("y", x**2)
    if kind == "weighted":
        end = next(
            e
            for seed in range(999)
            if (e := weighed(Rng(str(seed)), y, x)).line == "y.backward(torch.tensor([5., -1.]))"
        )
        wrong: list[Wrong | Edit] = [*predicted(end.gradient, end.beliefs), MUST_FAIL]
    else:
        end = refused(y, x) if kind == "refused" else next(
            e for seed in range(99) if (e := mismatched(Rng(str(seed)), y)).line == "y.backward(torch.tensor(4.))"
        )  # fmt: skip
        wrong = [Edit(name, end.line, text, because) for name, text, because in end.instead]
    return asked([*tape.lines, end.line], "x.grad", wrong, can_fail=True)


REFUSED, MISMATCHED, GIVEN = ended("refused"), ended("mismatched"), ended("weighted")


@pytest.mark.parametrize(
    ("it", "answer"),
    [
        (CHAIN, "-28"),
        (CHAIN, "-28."),
        (CHAIN, "tensor(-28.)"),
        (CHAIN, "\N{MINUS SIGN}28"),
        (CHAIN, "-56/2"),
        (CHAIN, "torch.tensor(-28.0)"),
        (NEURON, "32"),
        (NEURON, "`32.0`"),
        (LESSON_W, "[[7, 8, 9], [7, 8, 9]]"),
        (LESSON_W, "tensor([[7., 8., 9.], [7., 8., 9.]])"),
        (LESSON_W, "((7, 8, 9), (7, 8, 9))"),
        (LESSON_X, "[5, 7, 9]"),
        (LESSON_X, "5 7 9"),
        (LESSON_X, "5, 7, 9"),
        (LESSON_X, "tensor([5., 7., 9.])"),
        (ROW, "[35, 40, 45]"),
        (ROW, "(35., 40., 45.)"),
        (LEFT, "[[7, 8], [16, 9]]"),
        (LEFT, "tensor([[7., 8.], [16., 9.]])"),
        (LEFT, "[[7.0, 8], [32/2, 9]]"),
        (RIGHT, "[10, 5]"),
        (RIGHT, "10 5"),
        (RIGHT, "tensor([10., 5.])"),
        (RIGHT, "(10, 5)"),
        (RESIDUAL, "[6, 35]"),
        (RESIDUAL, "6, 35"),
        (RESIDUAL, "tensor([ 6., 35.])"),
        (TIED, "13"),
        (TIED, "13.0"),
        (TIED, "26/2"),
        (TIED, "tensor(13., dtype=torch.float64)"),
        (PICKED, "[0, 0, 3, 0]"),
        (PICKED, "tensor([0., 0., 3., 0.])"),
        (TWICE, "[3, 5, 6, 0]"),
        (LARGEST, "[0, 0, 3, 0]"),
        (LARGEST, "0 0 3 0"),
        (RELU, "[2, 0, 4, 0]"),
        (RELU, "[2., -0., 4., 0.]"),
        (SORTED, "[4, 2, 5, 3]"),
        (CROSS_ENTROPY, "[1/8, -5/8, 1/2]"),
        (CROSS_ENTROPY, "[0.125, -0.625, 0.5]"),
        (CROSS_ENTROPY, "tensor([ 0.1250, -0.6250,  0.5000])"),
        (CROSS_ENTROPY, "[1/8, -5/8, 4/8]"),
        (CROSS_ENTROPY, ".125 -.625 .5"),
        (PROBABILITY, "[3/16, -3/16]"),
        (PROBABILITY, "[0.1875, -0.1875]"),
        (PROBABILITY, "0.1875, -0.1875"),
        (REFUSED, "error"),
        (REFUSED, "Error"),
        (REFUSED, "it raises"),
        (REFUSED, "raises."),
        (MISMATCHED, "error"),
        (MISMATCHED, "an error"),
        (GIVEN, "[20, -6]"),
        (GIVEN, "tensor([20., -6.])"),
    ],
)
def test_right_however_it_is_typed(judge: Judge, it: PredictValue, answer: str) -> None:
    verdict = judge.grade(it, answer)
    assert verdict.correct, verdict.feedback


@pytest.mark.parametrize(
    ("it", "answer", "status", "turn"),
    [
        (CHAIN, "-1", VALUE, "outer-only"),
        (CHAIN, "28", VALUE, "inner-only"),
        (CHAIN, "-14", VALUE, "link-skipped"),
        (CHAIN, "15", VALUE, "added"),
        (CHAIN, "-12", VALUE, "slope-at-the-leaf"),
        (CHAIN, "-196", VALUE, "power-not-lowered"),
        (CHAIN, "1", VALUE, "value"),
        (CHAIN, "-27", VALUE, None),
        (CHAIN, "[-28]", SHAPE, None),
        (CHAIN, "error", SLIP, None),
        (NEURON, "8", VALUE, "outer-only"),
        (NEURON, "-32", VALUE, "sign"),
        (NEURON, "16", VALUE, "value"),
        (LESSON_W, "[[7, 7], [8, 8], [9, 9]]", SHAPE, "transposed-outer"),
        (LESSON_W, "[[1, 2, 3], [4, 5, 6]]", VALUE, "own-values"),
        (LESSON_W, "[[1, 1, 1], [1, 1, 1]]", VALUE, "input-ignored"),
        (LESSON_W, "[7, 8, 9]", SHAPE, "input-alone"),
        (LESSON_X, "[6, 15]", SHAPE, "not-transposed"),
        (LESSON_X, "[[1, 2, 3], [4, 5, 6]]", SHAPE, "jacobian"),
        (LESSON_X, "[7, 8, 9]", VALUE, "own-values"),
        (LESSON_X, "[1, 1]", SHAPE, "upstream-alone"),
        (LESSON_X, "[[5, 7, 9]]", SHAPE, None),
        (ROW, "[7, 8, 9]", VALUE, "upstream-ignored"),
        (ROW, "[16, 40]", SHAPE, "transposed-outer"),
        (ROW, "[5, 5, 5]", VALUE, "input-ignored"),
        (ROW, "[14, 16, 18]", VALUE, None),
        (LEFT, "[[9, 7], [17, 6]]", VALUE, "not-transposed"),
        (LEFT, "[[7, 16], [8, 9]]", VALUE, "result-transposed"),
        (LEFT, "[[6, 5], [6, 5]]", VALUE, "upstream-ignored"),
        (LEFT, "[[10, 5], [14, 8]]", VALUE, "other-operand"),
        (LEFT, "[[5, 1], [2, 3]]", VALUE, "other-factor"),
        (LEFT, "[[1, 2], [3, 4]]", VALUE, "own-values"),
        (LEFT, "[[1, 2], [3, 1]]", VALUE, "upstream-alone"),
        (RIGHT, "[7, 4]", VALUE, "not-transposed"),
        (RIGHT, "[4, 4]", VALUE, "upstream-ignored"),
        (RIGHT, "10", SHAPE, None),
        (RESIDUAL, "[4, 30]", VALUE, "last-use-only"),
        (RESIDUAL, "[2, 5]", VALUE, "first-use-only"),
        (RESIDUAL, "[8, 150]", VALUE, "multiplied"),
        (RESIDUAL, "[3, 17.5]", VALUE, "averaged"),
        (RESIDUAL, "[6, 53]", VALUE, None),
        (TIED, "1", VALUE, "last-use-only"),
        (TIED, "6", VALUE, "first-use-only"),
        (TIED, "36", VALUE, "multiplied"),
        (TIED, "12", VALUE, None),
        (PICKED, "[3, 3, 3, 3]", VALUE, "spread"),
        (PICKED, "[0, 3, 0, 0]", VALUE, "off-by-one"),
        (PICKED, "[0, 0, 1, 0]", VALUE, "upstream-ignored"),
        (TWICE, "[3, 5, 4, 0]", VALUE, "counted-once"),
        (TWICE, "[2, 3, 4, 5]", VALUE, "by-position"),
        (LARGEST, "[0, 3, 0, 0]", VALUE, "other-end"),
        (LARGEST, "[0.75, 0.75, 0.75, 0.75]", VALUE, "shared-out"),
        (RELU, "[2, 3, 4, 5]", VALUE, "mask-ignored"),
        (RELU, "[0, 3, 0, 5]", VALUE, "mask-inverted"),
        (RELU, "[4, 0, 20, 0]", VALUE, "value-for-slope"),
        (SORTED, "[2, 3, 4, 5]", VALUE, "by-position"),
        (CROSS_ENTROPY, "[1/8, 3/8, 1/2]", VALUE, "target-forgotten"),
        (CROSS_ENTROPY, "[-1/8, 5/8, -1/2]", VALUE, "sign"),
        (CROSS_ENTROPY, "[0, -1, 0]", VALUE, "target-alone"),
        (CROSS_ENTROPY, "[0, -8/3, 0]", VALUE, "stopped-at-p"),
        (CROSS_ENTROPY, "[-7/8, 3/8, 1/2]", VALUE, None),
        (CROSS_ENTROPY, "[0.12, -0.6, 0.5]", VALUE, None),
        (PROBABILITY, "[3/16, 0]", VALUE, "diagonal-only"),
        (PROBABILITY, "[3/4, -3/4]", VALUE, "as-log"),
        (PROBABILITY, "[-3/4, 3/4]", VALUE, "as-loss"),
        (PROBABILITY, "[1/4, 0]", VALUE, "softmax-itself"),
        (REFUSED, "[4, 6]", VALUE, "sum-implied"),
        (REFUSED, "[2, 3]", VALUE, "mean-implied"),
        (REFUSED, "[4, 0]", VALUE, "first-entry"),
        (REFUSED, "None", VALUE, "nothing-happens"),
        (REFUSED, "[[4, 0], [0, 6]]", VALUE, None),
        (MISMATCHED, "[16, 24]", VALUE, "gradient-broadcast"),
        (MISMATCHED, "[4, 6]", VALUE, "gradient-ignored"),
        (GIVEN, "[4, 6]", VALUE, "sum-implied"),
        (GIVEN, "[5, -1]", VALUE, "weights-alone"),
        (GIVEN, "[16, 24]", VALUE, "weights-summed"),
        (GIVEN, "error", VALUE, "must-fail"),
        (GIVEN, "[20, 6]", VALUE, None),
    ],
)
def test_what_is_wrong_is_named(judge: Judge, it: PredictValue, answer: str, status: Status, turn: str | None) -> None:
    verdict = judge.grade(it, answer)
    assert (verdict.status, verdict.wrong_turn) == (status, turn), verdict.feedback


@pytest.mark.parametrize("name", ["scalar-chain", "matvec", "matmul", "fan-out", "index-max-relu", "softmax"])
@pytest.mark.parametrize("level", [1, 2, 3])
def test_answers_are_few_small_numbers(judge: Judge, catalog: Catalog, name: str, level: int) -> None:
    for seed in range(2):
        solution = judge.solution(catalog[f"autograd.{name}"].puzzle(seed, level))
        numbers = solution.replace("[", "").replace("]", "").split(",")
        assert len(numbers) <= 6
        assert all(abs(float(number)) < 1000 for number in numbers)
