"""Answers to shapes.repair as people type them, and what the judge says of them."""

import re

import pytest
from tensordrill.drills.shapes_repair import LETTERS, Formula, Operand, Task, asked, combined

from tensordrill.authoring import tensor
from tensordrill.catalog import Catalog
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import WriteExpression

RAISED, SHAPE, VALUE = Status.RAISED, Status.WRONG_SHAPE, Status.WRONG_VALUE


def operand(name: str, axes: str, domain: str = "any") -> Operand:
    return Operand(name, tuple(axes.split()), name, domain)


def repair(x: Operand, *parts: Operand, operators: str) -> WriteExpression:
    puzzle: WriteExpression = asked(combined(x, parts, list(operators)))
    return puzzle


X = operand("x", "sample feature")
ACTS = operand("acts", "prompt position neuron")
MEAN = Operand("x.mean(1)", ("sample",), "", kept="x.mean(1, keepdim=True)", others=("x.mean(0, keepdim=True)",))
QUERY, KEY = operand("q", "query"), operand("k", "key")

SCALED = repair(X, operand("w", "sample"), operators="*")
STORED = repair(X, operand("w", "feature sample"), operators="+")
CENTRED = repair(X, MEAN, operators="-")
GATED = repair(ACTS, operand("gate", "prompt position"), operators="*")
MASKED = repair(ACTS, operand("mask", "prompt position", "mask"), operators="*")
SHIFTED = repair(ACTS, operand("bias", "position"), operators="+")
BOTH = repair(X, operand("centre", "sample"), operand("spread", "sample", "positive"), operators="-/")
MINUS: WriteExpression = asked(
    Task(Formula([QUERY, KEY], ["-"], ("query", "key")), "", [tensor("q", "query"), tensor("k", "key")])
)


@pytest.mark.parametrize(
    ("it", "answer"),
    [
        (SCALED, "x * w[:, None]"),
        (SCALED, "x * w.unsqueeze(1)"),
        (SCALED, "w.view(-1, 1) * x"),
        (SCALED, "(x.T * w).T"),
        (SCALED, "torch.einsum('ij,i->ij', x, w)"),
        (SCALED, "einops.rearrange(w, 's -> s 1') * x"),
        (SCALED, "torch.diag(w) @ x"),
        (SCALED, "out = torch.stack([row * weight for row, weight in zip(x, w)])"),
        (STORED, "x + w.T"),
        (STORED, "(x.T + w).mT"),
        (STORED, "x + w.permute(1, 0)"),
        (CENTRED, "x - x.mean(1, keepdim=True)"),
        (CENTRED, "x - x.mean(-1)[:, None]"),
        (CENTRED, "x - einops.reduce(x, 's f -> s 1', 'mean')"),
        (CENTRED, "(x.T - x.mean(1)).T"),
        (GATED, "acts * gate[..., None]"),
        (GATED, "acts * gate[:, :, None]"),
        (GATED, "torch.einsum('bsd,bs->bsd', acts, gate)"),
        (MASKED, "acts * mask[:, :, None]"),
        (MASKED, "torch.where(mask[..., None], acts, 0)"),
        (MASKED, "acts.masked_fill(~mask.unsqueeze(-1), 0)"),
        (SHIFTED, "acts + bias[:, None]"),
        (SHIFTED, "acts + bias.reshape(1, -1, 1)"),
        (BOTH, "(x - centre[:, None]) / spread[:, None]"),
        (BOTH, "((x.T - centre) / spread).T"),
        (BOTH, "x / spread[:, None] - (centre / spread).unsqueeze(1)"),
        (MINUS, "q[:, None] - k"),
        (MINUS, "q.unsqueeze(-1) - k.unsqueeze(0)"),
        (MINUS, "(q - k[:, None]).T"),
        (MINUS, "torch.sub(*torch.meshgrid(q, k, indexing='ij'))"),
    ],
)
def test_any_route_is_right(judge: Judge, it: WriteExpression, answer: str) -> None:
    verdict = judge.grade(it, answer)
    assert verdict.correct, verdict.feedback


@pytest.mark.parametrize(
    ("it", "answer", "status", "turn"),
    [
        (SCALED, "x * w", RAISED, "raw"),
        (SCALED, "w * x", RAISED, "raw"),
        (SCALED, "x * w[None, :]", RAISED, "raw"),
        (SCALED, "x.T * w", SHAPE, "result-transposed"),
        (SCALED, "x @ w", RAISED, None),
        (SCALED, "x * w.sum()", VALUE, None),
        (SCALED, "x.mul_(w[:, None])", VALUE, None),
        (SCALED, "x * w[:, None", Status.UNPARSABLE, None),
        (STORED, "x + w", RAISED, "raw"),
        (STORED, "x + w.reshape(x.shape)", VALUE, None),
        (CENTRED, "x - x.mean(1)", RAISED, "raw"),
        (CENTRED, "x - x.mean(0)", VALUE, "other-axis-reduced"),
        (CENTRED, "x - x.mean()", VALUE, None),
        (CENTRED, "x.mean(1, keepdim=True) - x", VALUE, None),
        (GATED, "acts * gate", RAISED, "raw"),
        (GATED, "acts * gate[:, None]", RAISED, "wrong-axis"),
        (GATED, "acts.mT * gate[:, None]", SHAPE, "result-transposed"),
        (SHIFTED, "acts + bias", RAISED, "raw"),
        (SHIFTED, "acts + bias[:, None, None]", RAISED, "wrong-axis"),
        (BOTH, "(x - centre) / spread", RAISED, "raw"),
        (BOTH, "(x - centre[:, None]) / spread", RAISED, "wrong-axis"),
        (BOTH, "x - centre[:, None] / spread[:, None]", VALUE, None),
        (MINUS, "q - k", RAISED, "raw"),
        (MINUS, "q - k[:, None]", SHAPE, "result-transposed"),
        (MINUS, "k - q[:, None]", VALUE, None),
        (MINUS, "q[:, None] - k[:, None]", RAISED, "wrong-axis"),
    ],
)
def test_what_means_something_else_is_named(
    judge: Judge, it: WriteExpression, answer: str, status: Status, turn: str | None
) -> None:
    verdict = judge.grade(it, answer)
    assert (verdict.status, verdict.wrong_turn) == (status, turn), verdict.feedback


@pytest.mark.parametrize("seed", range(15))
def test_the_formula_says_what_is_meant(judge: Judge, catalog: Catalog, seed: int) -> None:
    """Each operand of the formula, with einops putting a 1 for every index that it lacks."""
    it = catalog["shapes.repair"].puzzle(seed, 1)
    found = re.search(r"`out\[(.*?)\] = (.*)`", it.face.prompt)
    assert found
    target = found[1].split(", ")

    def spread(match: re.Match[str]) -> str:
        own = match[2].split(", ")
        return f"einops.rearrange({match[1]}, '{' '.join(own)} -> {' '.join(i if i in own else '1' for i in target)}')"

    verdict = judge.grade(it, re.sub(r"(\w+)\[(.*?)\]", spread, found[2]))
    assert verdict.correct, (it.face.prompt, verdict.feedback)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_letters_are_unlike_each_other_and_the_tensors(catalog: Catalog, level: int) -> None:
    for seed in range(100):
        tensors = catalog["shapes.repair"].puzzle(seed, level).face.tensors or ()
        axes = {axis for it in tensors for axis in it.axes}
        letters = {LETTERS[axis] for axis in axes}
        assert len(letters) == len(axes)
        assert not letters & {it.name for it in tensors}
