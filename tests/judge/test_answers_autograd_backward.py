"""Answers to the drills that ask for a backward pass as people type them, right and wrong, and the judge's verdicts."""

import re
from dataclasses import replace

import pytest

from tensordrill.catalog import Catalog
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import WriteCode

RAISED, VALUE, SHAPE, SLIP = Status.RAISED, Status.WRONG_VALUE, Status.WRONG_SHAPE, Status.UNPARSABLE


# --- autograd.write-backward: autograd itself is ruled out, and says what is right

BY_AUTOGRAD = """
leaves = [x.clone().requires_grad_() if x.is_floating_point() else x for x in ({names},)]
return torch.autograd.grad(forward(*leaves), [x for x in leaves if x.requires_grad], grad_out)
"""


def code(catalog: Catalog, drill: str, level: int, *holds: str) -> WriteCode:
    """The first puzzle whose prompt, signature and code hold these texts (regular expressions)."""
    for seed in range(3000):
        it = catalog[drill].puzzle(seed, level)
        assert isinstance(it, WriteCode)
        shown = f"{it.prompt}\n{it.face.code}\n{it.signature}"
        if all(re.search(text, shown) for text in holds):
            return it
    raise AssertionError((drill, level, holds))


@pytest.mark.parametrize("level", [1, 2, 3])
def test_autograd_agrees_with_every_backward_pass(judge: Judge, catalog: Catalog, level: int) -> None:
    for seed in range(1000, 1040):
        it = catalog["autograd.write-backward"].puzzle(seed, level)
        assert isinstance(it, WriteCode)
        names = it.signature.partition("out, ")[2].removesuffix("):").removeprefix("out, ")
        verdict = judge.grade(replace(it, forbid=()), BY_AUTOGRAD.format(names=names))
        assert verdict.correct, (seed, level, verdict.feedback)
