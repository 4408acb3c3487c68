"""Answers to the drills that ask for a backward pass as people type them, right and wrong, and the judge's verdicts."""

import re
from dataclasses import replace
from functools import cache

import pytest
from tensordrill.drills import autograd_backward as drills

from tensordrill.building.backward import ALONG, ENTRYWISE, NORMALISING, REDUCTIONS, Derivative, fill
from tensordrill.catalog import Catalog, built_in
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.judge.comparing import compare
from tensordrill.judge.values import TensorValue
from tensordrill.puzzles import FixLine, OrderLines, WriteCode

RAISED, VALUE, SHAPE, REFUSED = Status.RAISED, Status.WRONG_VALUE, Status.WRONG_SHAPE, Status.REFUSED
Which = tuple[int, *tuple[str, ...]]  # a level, and what the puzzle holds, as regular expressions


@cache
def code(drill: str, which: Which) -> WriteCode:
    """The first puzzle of that level whose prompt, code and signature hold these texts."""
    level, *holds = which
    for seed in range(500):
        it = built_in()[drill].puzzle(seed, level)
        assert isinstance(it, WriteCode)
        shown = f"{it.prompt}\n{it.face.code}\n{it.signature}"
        if all(re.search(text, shown, re.MULTILINE) for text in holds):
            return it
    raise AssertionError((drill, which))


# --- autograd.write-backward


def on_x(step: Derivative, axes: str, **names: int) -> WriteCode:
    wrong = {name: fill(text, **names) for name, text in step.wrong.items()}
    step = Derivative(fill(step.forward, **names), fill(step.backward, **names), wrong)
    puzzle = drills.asked(drills.chained(drills.started(step, axes)))
    assert isinstance(puzzle, WriteCode)
    return puzzle


def of_two(forward: str, x: str, w: str) -> WriteCode:
    """An elementwise operation on x, which has every axis, and w."""
    _, one, other, wrong = next(it for it in drills.ELEMENTWISE if fill(it[0], a="x", b="w") == forward)
    slips = [(name, "w", fill(text, a="x", b="w")) for name, text in wrong.items()]
    gradients = {"x": fill(one, a="x", b="w"), "w": fill(other, a="x", b="w")}
    start = drills.Start(forward, {}, gradients, slips)
    puzzle = drills.asked(drills.chained(drills.summed(start, x.split(), {"x": x.split(), "w": w.split()})))
    assert isinstance(puzzle, WriteCode)
    return puzzle


EXP = on_x(ENTRYWISE[0], "batch seq")
MATMUL = drills.asked(drills.chained(drills.MATMULS[0]))
LOOKUP = drills.asked(drills.chained(drills.MOVES[0]))
MAXIMUM = on_x(REDUCTIONS[3], "token expert", d=1, e=0)
MEAN = on_x(REDUCTIONS[1], "batch seq d_model", d=1, e=0)
MUL = of_two("x * w", "row column", "column")
DIV = of_two("x / w", "row column", "row 1")
SOFTMAX = on_x(NORMALISING[0], "batch vocab", d=1, e=0)
CUMSUM = on_x(ALONG[-2], "batch head seq", d=2, e=1)
SHARED = drills.asked(drills.chained(drills.BATCHED[0]))
CUBED = drills.asked(drills.chained(drills.BATCHED[0], [ENTRYWISE[5]]))
ATTENTION: Which = (3, r"h\.softmax\(-1\)$", r"return a @ v$")
RESIDUAL: Which = (3, r"return x \+ a$")
PERMUTE: Which = (2, r"x\.permute\((1, 2, 0|2, 0, 1)\)$")

RIGHT = [
    (EXP, "return grad_out * out"),
    (EXP, "return grad_out * x.exp()"),
    (EXP, "result = torch.empty_like(x)\nresult[...] = grad_out\nresult *= out\nreturn result"),
    (EXP, "def backward(grad_out, out, x):\n    return [grad_out * math.e ** x]"),
    (MATMUL, "return grad_out @ w.T, x.T @ grad_out"),
    (MATMUL, "return (w @ grad_out.T).T, (grad_out.T @ x).T"),
    (MATMUL, 'return torch.einsum("bo,io->bi", grad_out, w), einops.einsum(x, grad_out, "b i, b o -> i o")'),
    (MATMUL, "import torch as t\nreturn t.matmul(grad_out, w.t()), t.matmul(x.t(), grad_out)"),
    (LOOKUP, "return torch.zeros_like(x).index_add(0, idx, grad_out)"),
    (LOOKUP, "return F.one_hot(idx, len(x)).double().T @ grad_out"),
    (LOOKUP, "grad = torch.zeros_like(x)\nfor i, row in zip(idx, grad_out):\n    grad[i] += row\nreturn grad"),
    (LOOKUP, "grad = x * 0\ngrad.index_put_((idx,), grad_out, accumulate=True)\nreturn grad"),
    (MAXIMUM, "return torch.zeros_like(x).scatter(1, x.argmax(1, keepdim=True), grad_out[:, None])"),
    (MAXIMUM, "return grad_out[:, None] * F.one_hot(x.argmax(1), x.shape[1])"),
    (MAXIMUM, "return torch.where(x == out.unsqueeze(1), grad_out.unsqueeze(1), 0.0)"),
    (MEAN, "return (grad_out / x.shape[1])[:, None].expand_as(x)"),
    (MEAN, "return torch.ones_like(x) * grad_out.unsqueeze(-2) / x.shape[-2]"),
    (MUL, "return grad_out * w, (grad_out * x).sum(0)"),
    (MUL, "return torch.mul(w, grad_out), (x * grad_out).sum_to_size(w.shape)"),
    (MUL, 'return grad_out * w, torch.einsum("ij,ij->j", grad_out, x)'),
    (MUL, "return grad_out @ torch.diag(w), (x.T @ grad_out).diagonal()"),
    (DIV, "return grad_out / w, -(grad_out * out / w).sum(1, keepdim=True)"),
    (DIV, "return grad_out / w, (-x * grad_out).sum(-1)[:, None] * w ** -2"),
    (SOFTMAX, "return out * (grad_out - (grad_out * out).sum(-1, keepdim=True))"),
    (SOFTMAX, "J = torch.diag_embed(out) - out[:, :, None] * out[:, None]\nreturn (J @ grad_out[..., None])[..., 0]"),
    (CUMSUM, "return grad_out.flip(-1).cumsum(-1).flip(-1)"),
    (CUMSUM, "return grad_out + grad_out.sum(2, keepdim=True) - grad_out.cumsum(2)"),
    (CUMSUM, "n = x.shape[-1]\nreturn grad_out @ torch.ones(n, n).tril()"),
    (SHARED, "return grad_out @ w.T, x.flatten(0, 1).T @ grad_out.flatten(0, 1)"),
    (SHARED, 'return grad_out.matmul(w.mT), torch.einsum("bsi,bso->io", x, grad_out)'),
    (SHARED, "return F.linear(grad_out, w), sum(a.T @ b for a, b in zip(x, grad_out))"),
    (CUBED, "g = 3 * grad_out * (x @ w).square()\nreturn g @ w.T, (x.mT @ g).sum(0)"),
    (CUBED, "h = x @ w\ng = grad_out * out * 3 / h\nreturn g @ w.mT, x.flatten(0, 1).T @ g.flatten(0, 1)"),
]
WRONG = [
    (EXP, "return out", VALUE, "upstream-ignored"),
    (EXP, "return grad_out * x", VALUE, "wrong-point"),
    (EXP, "return grad_out", VALUE, None),
    (EXP, "return (grad_out * out).sum()", SHAPE, None),
    (EXP, "grad_out *= out\nreturn grad_out", VALUE, None),  # it changes an argument
    (EXP, "return grad_out * out, out", VALUE, None),  # one gradient too many
    (EXP, "pass", VALUE, None),
    (EXP, "x.requires_grad_()\nreturn torch.autograd.grad(x.exp(), x, grad_out)", REFUSED, None),
    (EXP, "from torch.autograd import grad\nreturn grad(x.exp(), x, grad_out)", REFUSED, None),
    (EXP, "from torch.func import vjp\nreturn vjp(torch.exp, x)[1](grad_out)", REFUSED, None),
    (MATMUL, "return grad_out @ w, x.T @ grad_out", RAISED, "transposed"),
    (MATMUL, "return grad_out @ w.T, grad_out.T @ x", SHAPE, "order"),
    (MATMUL, "return x.T @ grad_out, grad_out @ w.T", SHAPE, None),
    (MATMUL, "return grad_out @ w.T", VALUE, None),
    (LOOKUP, "grad = torch.zeros_like(x)\ngrad[idx] = grad_out\nreturn grad", VALUE, "repeats-overwritten"),
    (MAXIMUM, "return grad_out[:, None].expand_as(x)", VALUE, "spread"),
    (MEAN, "return grad_out.unsqueeze(1).expand_as(x)", VALUE, "count-forgotten"),
    (MUL, "return grad_out * w, grad_out * x", SHAPE, "not-summed"),
    (MUL, "return grad_out * w, (grad_out * x).sum(1)", SHAPE, "wrong-axis"),
    (MUL, "return grad_out * w, (grad_out * x).mean(0)", VALUE, "averaged"),
    (MUL, "return grad_out * w, (grad_out * x).sum(0, keepdim=True)", SHAPE, "axis-left"),
    (DIV, "return grad_out / w, (-grad_out * x / w ** 2).sum(1)", SHAPE, "keepdim-lost"),
    (DIV, "return grad_out / w, (grad_out * x / w ** 2).sum(1, keepdim=True)", VALUE, "sign"),
    (SOFTMAX, "return grad_out * out * (1 - out)", VALUE, "elementwise"),
    (SOFTMAX, "return out * (grad_out - (grad_out * out).sum(0, keepdim=True))", VALUE, "wrong-axis"),
    (CUMSUM, "return grad_out.cumsum(-1)", VALUE, "forward-again"),
    (SHARED, "return grad_out @ w.T, x.mT @ grad_out", SHAPE, "not-summed"),
    (CUBED, "g = 3 * grad_out * out.square()\nreturn g @ w.T, (x.mT @ g).sum(0)", VALUE, "wrong-point"),
    (CUBED, "g = 3 * grad_out * (x @ w) ** 3\nreturn g @ w.T, (x.mT @ g).sum(0)", VALUE, "power-kept"),
]


@pytest.mark.parametrize(("it", "answer"), RIGHT)
def test_backward_passes_that_are_right(judge: Judge, it: WriteCode, answer: str) -> None:
    verdict = judge.grade(it, answer)
    assert verdict.correct, verdict.feedback


@pytest.mark.parametrize(("it", "answer", "status", "turn"), WRONG)
def test_backward_passes_that_are_wrong(
    judge: Judge, it: WriteCode, answer: str, status: Status, turn: str | None
) -> None:
    verdict = judge.grade(it, answer)
    assert (verdict.status, verdict.wrong_turn) == (status, turn), verdict.feedback


def test_attention_goes_back_by_another_way(judge: Judge) -> None:
    answer = """
        pattern = (q @ k.transpose(1, 2)).softmax(dim=2)
        up = torch.einsum("bqd,bkd->bqk", grad_out, v)
        up = pattern * up - pattern * (pattern * up).sum(2, keepdim=True)
        return up @ k, up.transpose(1, 2) @ q, pattern.transpose(1, 2) @ grad_out
    """
    it = code("autograd.write-backward", ATTENTION)
    assert judge.grade(it, answer).correct
    assert judge.grade(it, answer.replace(" - pattern * (", " * (1 - pattern) + 0 * (")).wrong_turn == "elementwise"


def test_a_permutation_goes_back_by_its_inverse(judge: Judge) -> None:
    it = code("autograd.write-backward", PERMUTE)
    order = [int(number) for number in re.findall(r"\d", (it.face.code or "").partition("permute")[2])]
    assert judge.grade(it, f"return grad_out.permute(torch.tensor({order}).argsort().tolist())").correct
    assert judge.grade(it, f"return grad_out.permute({order})").wrong_turn == "inverse-not-taken"
    assert judge.grade(it, "return grad_out.reshape(x.shape)").wrong_turn == "reshaped"


def test_both_paths_of_a_residual_count(judge: Judge) -> None:
    it = code("autograd.write-backward", RESIDUAL)
    assert judge.grade(it, it.solution.replace("grad_out + grad_h", "grad_h")).wrong_turn == "one-use"


BY_AUTOGRAD = """
leaves = [x.clone().requires_grad_() if x.is_floating_point() else x for x in ({names},)]
return torch.autograd.grad(forward(*leaves), [x for x in leaves if x.requires_grad], grad_out)
"""


@pytest.mark.parametrize("level", [1, 2, 3])
def test_autograd_says_the_same(judge: Judge, catalog: Catalog, level: int) -> None:
    """It is ruled out, and says what is right."""
    for seed in range(2000, 2004):
        it = catalog["autograd.write-backward"].puzzle(seed, level)
        assert isinstance(it, WriteCode)
        names = re.fullmatch(r"def backward\(grad_out, out, (.*)\):", it.signature)
        assert names
        verdict = judge.grade(replace(it, forbid=(), wrong=()), BY_AUTOGRAD.format(names=names[1]))
        assert verdict.correct, (seed, verdict.feedback)
        assert judge.grade(it, BY_AUTOGRAD.format(names=names[1])).status is REFUSED


# --- autograd.unbroadcast

LAST: Which = (1, r"`x` has the shape `\(\w+, \w+, \w+\)`, `(b|scale)` the shape `\(\w{2,},\)`")
ROWS: Which = (1, r"`x` has the shape `\(\w+, \w+\)`, `(b|scale)` the shape `\(\w{2,}, 1\)`")
BY_SHAPE: Which = (2, r"unbroadcast\(grad, shape\)", "may lack leading axes")
BY_TENSOR: Which = (2, r"unbroadcast\(grad, x\)", "may lack leading axes")
LEADING: Which = (2, r"unbroadcast\(grad, shape\)", "has the last axes")
PRODUCT: Which = (2, r"return (\w) \* (\w)$")

GENERAL = """
    extra = grad.ndim - len(shape)
    grad = grad.sum(dim=list(range(extra))) if extra else grad
    ones = [i for i, n in enumerate(shape) if n == 1]
    return grad.sum(ones, keepdim=True) if ones else grad
"""
SUMS_RIGHT = [
    (LAST, "return grad.sum((0, 1))"),
    (LAST, "return grad.sum(0).sum(0)"),
    (LAST, "return grad.flatten(0, 1).sum(0)"),
    (LAST, 'return reduce(grad, "a b c -> c", "sum")'),
    (ROWS, "return grad.sum(1, keepdim=True)"),
    (ROWS, "return grad.sum(-1)[:, None]"),
    (ROWS, "return grad @ torch.ones(grad.shape[1], 1)"),
    (BY_SHAPE, GENERAL),
    (BY_SHAPE, ("grad = grad.sum(tuple(range(grad.ndim - len(shape)))) if grad.ndim > len(shape) else grad\n"
     "for i in range(len(shape)):\n    if shape[i] != grad.shape[i]:\n        grad = grad.sum(i, keepdim=True)\n"
     "return grad")),
    (BY_SHAPE, ("padded = (1,) * (grad.ndim - len(shape)) + tuple(shape)\n"
     "axes = [i for i, n in enumerate(padded) if n == 1]\n"
     "return (grad.sum(axes) if axes else grad).reshape(shape)")),
    (BY_TENSOR, f"shape = tuple(x.shape)\n{GENERAL.strip().replace(chr(10) + '    ', chr(10))}"),
    (LEADING, "return grad.reshape(-1, *shape).sum(0)"),
    (LEADING, "return grad.sum(list(range(grad.ndim - len(shape)))) if grad.ndim > len(shape) else grad"),
    (PRODUCT, ("def fit(g, t):\n    while g.dim() > t.dim():\n        g = g.sum(dim=0)\n"
     "    for i, n in enumerate(t.shape):\n        g = g.sum(i, keepdim=True) if n == 1 else g\n    return g\n"
     "return fit({y} * grad, {x}), fit({x} * grad, {y})")),
]  # fmt: skip
SUMS_WRONG = [
    (LAST, "return grad.sum(0)", SHAPE, None),
    (LAST, "return grad", SHAPE, "not-summed"),
    (LAST, "return grad.sum((0, 1), keepdim=True)", SHAPE, "axis-left"),
    (LAST, "return grad.mean((0, 1))", VALUE, "averaged"),
    (LAST, "return grad[0, 0]", VALUE, "one-copy"),
    (ROWS, "return grad.sum(1)", SHAPE, "keepdim-lost"),
    (ROWS, "return grad.sum(0, keepdim=True)", SHAPE, "wrong-axis"),
    (BY_SHAPE, "return grad.sum_to_size(shape)", REFUSED, None),
    (BY_SHAPE, "return grad.reshape(-1, *shape).sum(0)", VALUE, None),  # right where nothing has size 1
    (BY_SHAPE, ("extra = grad.ndim - len(shape)\ngrad = grad.sum(list(range(extra))) if extra else grad\n"
     "return grad.sum([i for i, n in enumerate(shape) if n == 1], keepdim=True)"), SHAPE, "empty-axes"),
    (BY_SHAPE, "while grad.ndim > len(shape):\n    grad = grad.sum(0)\nreturn grad", SHAPE, "ones-left"),
    (BY_SHAPE, "for i, n in enumerate(shape):\n    if n == 1:\n        grad = grad.sum(i, keepdim=True)\nreturn grad",
     SHAPE, "axis-left"),
    (PRODUCT, "return grad * {y}, grad * {x}", SHAPE, None),
]  # fmt: skip


def named(it: WriteCode, answer: str) -> str:
    """The answer with the names of the operands."""
    x, y = re.findall(r"\w+", it.signature)[3:5] if "{x}" in answer else ("", "")
    return answer.replace("{x}", x).replace("{y}", y)


@pytest.mark.parametrize(("which", "answer"), SUMS_RIGHT)
def test_sums_that_are_right(judge: Judge, which: Which, answer: str) -> None:
    it = code("autograd.unbroadcast", which)
    verdict = judge.grade(it, named(it, answer))
    assert verdict.correct, verdict.feedback


@pytest.mark.parametrize(("which", "answer", "status", "turn"), SUMS_WRONG)
def test_sums_that_are_wrong(judge: Judge, which: Which, answer: str, status: Status, turn: str | None) -> None:
    it = code("autograd.unbroadcast", which)
    verdict = judge.grade(it, named(it, answer))
    assert (verdict.status, verdict.wrong_turn) == (status, turn), verdict.feedback


@pytest.mark.parametrize("level", [2, 3])
def test_autograd_sums_the_same(judge: Judge, catalog: Catalog, level: int) -> None:
    for seed in range(2000, 2004):
        it = catalog["autograd.unbroadcast"].puzzle(seed, level)
        assert isinstance(it, WriteCode)
        if names := re.fullmatch(r"def backward\(grad, (.*)\):", it.signature):
            answer = BY_AUTOGRAD.format(names=names[1]).replace("grad_out", "grad")
            assert judge.grade(replace(it, forbid=(), wrong=()), answer).correct


# --- autograd.custom-function


@cache
def broken(level: int, turn: str, *holds: str) -> FixLine:
    """The first puzzle with that bug whose prompt and program hold these texts."""
    for seed in range(3000):
        it = built_in()["autograd.custom-function"].puzzle(seed, level)
        assert isinstance(it, FixLine)
        shown = f"{it.prompt}\n{it.face.code}"
        if it.wrong[0].id == turn and all(re.search(text, shown, re.MULTILINE) for text in holds):
            return it
    raise AssertionError((level, turn, holds))


def replaced(it: FixLine, start: str, text: str) -> str:
    """The answer that replaces the first line that starts so."""
    lines = [line.strip() for line in it.face.lines or ()]
    return f"{next(i for i, line in enumerate(lines, 1) if line.startswith(start))}: {text}"


TANH = (1, "wrong-point", r"`x\.tanh\(\)`")
IGNORED = (1, "upstream-ignored", r"`x\.exp\(\)`")
SQUARE = (1, "factor-lost", r"\*\* 2`; backwards", r"h = k \* x$", r"grad_h = grad_out \* h$")
PRODUCT_SWAPPED = (
    2,
    "saved-in-other-order",
    r"h = x \* w$",
    r"save_for_backward\(w, x, out\)",
    r"`w` of shape `\(n, d\)`",
)
RETURNED = (2, "returned-in-other-order", r"h = x / w$")
MISSING = (2, "none-missing", r"h = k \* x \* w$")
NOT_UNPACKED = (2, "not-unpacked", r" out = ctx\.saved_tensors$")
NOT_SAVED = (2, "wrong-tensor-saved", r"save_for_backward\(h\)")
NUMBER = (2, "number-saved", r"save_for_backward\(k\)")
LINEAR = (2, "averaged", r"h = x @ w \+ b$")
CHANGED = (3, "upstream-changed", "class Bounded")
INPUT = (3, "input-changed", r"h = x\.mul_\(w\)$")
ROUND = (3, "true-derivative", "class Round")

FIXES = [
    (TANH, "grad_x =", "grad_x = grad_out * (1 - out ** 2)"),
    (TANH, "grad_x =", "grad_x = grad_out / x.cosh().square()"),
    (TANH, "grad_x =", "grad_x = (1 - x.tanh().pow(2)).mul(grad_out)"),
    (TANH, "ctx.save_for_backward", "ctx.save_for_backward(out, x)"),  # the names are wrong then, the numbers right
    (TANH, "return grad_x", "return grad_out - grad_out * out * out"),
    (TANH, "x, out", "out, x = ctx.saved_tensors"),
    (IGNORED, "grad_x =", "grad_x = grad_out * out"),
    (IGNORED, "return grad_x", "return grad_x * grad_out"),
    (NOT_SAVED, "return out", "ctx.save_for_backward(out); return out"),
    (SQUARE, "grad_h =", "grad_h = 2 * grad_out * h"),
    (SQUARE, "grad_x =", "grad_x = grad_h * ctx.k * 2"),
    (PRODUCT_SWAPPED, "ctx.save_for_backward", "ctx.save_for_backward(x, w, out)"),
    (PRODUCT_SWAPPED, "x, w, out", "w, x, out = ctx.saved_tensors"),
    (PRODUCT_SWAPPED, "return grad_x", "return grad_w, grad_x"),  # exchanged twice
    (RETURNED, "return grad_w", "return grad_x, grad_w"),
    (MISSING, "return grad_x", "return grad_x, grad_w, None"),
    (MISSING, "return grad_x", "return (grad_x, grad_w) + (None,)"),
    (MISSING, "return grad_x", "return tuple([grad_x, grad_w, None])"),
    (NOT_UNPACKED, "out = ctx", "(out,) = ctx.saved_tensors"),
    (NOT_UNPACKED, "out = ctx", "out, = ctx.saved_tensors"),
    (NOT_UNPACKED, "out = ctx", "[out] = ctx.saved_tensors"),
    (NOT_UNPACKED, "out = ctx", "out = ctx.saved_tensors[0]"),
    (NOT_SAVED, "ctx.save_for_backward", "ctx.save_for_backward(out)"),
    (NUMBER, "ctx.save_for_backward(k)", "ctx.k = k"),
    (NUMBER, "ctx.save_for_backward(k)", "setattr(ctx, 'k', float(k))"),
    (LINEAR, "grad_b =", "grad_b = grad_h.sum(0)"),
    (LINEAR, "grad_b =", "grad_b = grad_h"),  # torch sums what broadcasts back to the input's shape
    (LINEAR, "return grad", "return grad_x, grad_w, grad_b * len(x)"),
    (CHANGED, "grad_x =", "grad_x = grad_out.clamp(-ctx.k, ctx.k)"),
    (CHANGED, "grad_x =", "grad_x = grad_out.clone().clamp_(-ctx.k, ctx.k)"),
    (CHANGED, "grad_x =", "grad_x = torch.clip(grad_out, min=-ctx.k, max=ctx.k)"),
    (INPUT, "h =", "h = x * w"),
    (INPUT, "h =", "h = x.clone().mul_(w)"),
    (ROUND, "grad_x =", "grad_x = grad_out"),
    (ROUND, "return grad_x", "return grad_out.clone()"),
]
NOT_FIXES = [
    (TANH, "grad_x =", "grad_x = 1 - out ** 2", VALUE, "upstream-ignored"),
    (TANH, "grad_x =", "grad_x = grad_out * (1 - x * x)", VALUE, "wrong-point"),
    (TANH, "grad_x =", "grad_x = grad_out * (1 - out)", VALUE, None),
    (TANH, "out =", "out = x.sigmoid()", VALUE, None),
    (IGNORED, "grad_x =", "grad_x = torch.ones_like(out) * out", VALUE, "upstream-ignored"),
    (IGNORED, "grad_x =", "grad_x = grad_out.sum() * out", VALUE, None),
    (RETURNED, "return grad_w", "return grad_w, grad_x", VALUE, "returned-in-other-order"),
    (MISSING, "return grad_x", "return None, grad_x, grad_w", RAISED, "none-first"),
    (MISSING, "return grad_x", "return grad_x, grad_w", RAISED, "none-missing"),
    (NOT_UNPACKED, "out = ctx", "(out,) = ctx.saved_tensors()", RAISED, "called"),
    (NOT_SAVED, "ctx.save_for_backward", "ctx.save_for_backward(h.clone())", VALUE, "wrong-tensor-saved"),
    (NUMBER, "ctx.save_for_backward(k)", "k = ctx.k", RAISED, None),
    (LINEAR, "grad_b =", "grad_b = grad_h.sum(1)", RAISED, "wrong-axis"),
    (CHANGED, "grad_x =", "grad_x = grad_out.clamp(max=ctx.k)", VALUE, "one-side"),
    (INPUT, "h =", "h = x.mul_(w).clone()", VALUE, "input-changed"),
    (ROUND, "grad_x =", "grad_x = grad_out * 0", VALUE, "true-derivative"),
]
Bug = tuple[int, str, *tuple[str, ...]]


@pytest.mark.parametrize(("bug", "start", "text"), FIXES)
def test_repairs_that_work(judge: Judge, bug: Bug, start: str, text: str) -> None:
    it = broken(*bug)
    verdict = judge.grade(it, replaced(it, start, text))
    assert verdict.correct, verdict.feedback


@pytest.mark.parametrize(("bug", "start", "text", "status", "turn"), NOT_FIXES)
def test_repairs_that_do_not_work(
    judge: Judge, bug: Bug, start: str, text: str, status: Status, turn: str | None
) -> None:
    it = broken(*bug)
    verdict = judge.grade(it, replaced(it, start, text))
    assert (verdict.status, verdict.wrong_turn) == (status, turn), verdict.feedback


@pytest.mark.parametrize("level", [1, 2, 3])
def test_autograd_agrees_with_the_repaired_function(judge: Judge, catalog: Catalog, level: int) -> None:
    """The expression that the prompt gives, run by autograd, gives what the repaired function gives."""
    for seed in range(2000, 2005):
        it = catalog["autograd.custom-function"].puzzle(seed, level)
        assert isinstance(it, FixLine)
        name = re.search(r"`(\w+)\.apply\((.*?)\)`", it.prompt)
        told = re.search(r"Forwards it gives `([^`]*)`; backwards, the gradients that autograd", it.prompt)
        if name and told:
            lines = [f"class {name[1]}:", f"    apply = staticmethod(lambda {name[2]}: {told[1]})"]
            seeded = f"torch.manual_seed(0)\n{it.setup}"
            plain = OrderLines(prompt="", lines=lines, setup=seeded, observe=it.observe, hints=(), why="")
            one, other = judge.certify_all([replace(it, setup=seeded, wrong=()), plain])
            assert [compare(a, b) for a, b in zip(one.expected, other.expected, strict=True)] == [None] * 3


def test_no_gradient_is_lost_in_a_normalisation(judge: Judge, catalog: Catalog) -> None:
    """A gradient of zeros would make right what only happens to be zero as well."""
    puzzles = [catalog["autograd.write-backward"].puzzle(seed, 3) for seed in range(200)]
    for seed, certificate in enumerate(judge.certify_all(puzzles)):
        for name, value in certificate.expected[0].values:
            if isinstance(value, TensorValue):
                assert max(map(abs, value.elements)) > 1e-6, (seed, name)
