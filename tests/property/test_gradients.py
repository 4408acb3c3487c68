"""What the autograd drills ask for is a derivative: torch's gradient agrees with central differences of the loss."""

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from tensordrill.catalog import Catalog
from tensordrill.puzzles import PredictValue

SMOOTH = ("scalar-chain", "matvec", "matmul", "broadcast", "fan-out", "non-scalar", "softmax")
STEP = 1e-5
some = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def _double_precision() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("name", SMOOTH)
@some
@given(seed=st.integers(0, 2**32))
def test_autograd_agrees_with_finite_differences(catalog: Catalog, name: str, level: int, seed: int) -> None:
    puzzle = catalog[f"autograd.{name}"].puzzle(seed, level)
    assert isinstance(puzzle, PredictValue)
    leaf = re.match(r"\w+", puzzle.ask)[0]  # type: ignore[index]
    gradient = gradient_of(puzzle.program, leaf)
    assume(gradient is not None)  # where backward() raises, there is nothing to compare
    assert gradient is not None
    for entry in range(gradient.numel()):
        shift = torch.zeros(gradient.numel())
        shift[entry] = STEP
        shift = shift.reshape(gradient.shape)
        slope = (loss_of(puzzle.program, leaf, shift) - loss_of(puzzle.program, leaf, -shift)) / (2 * STEP)
        assert slope == pytest.approx(gradient.reshape(-1)[entry].item(), rel=1e-5, abs=1e-5), puzzle.program


def gradient_of(program: str, leaf: str) -> torch.Tensor | None:
    names = scope()
    try:
        exec(program, names)
    except RuntimeError:
        return None
    gradient: torch.Tensor = names[leaf].grad
    return gradient


def loss_of(program: str, leaf: str, shift: torch.Tensor) -> float:
    """What backward() is called on, weighed by what is passed to it, with the leaf shifted once it is there."""
    names = scope()
    for statement in ast.parse(program).body:
        if isinstance(statement, ast.Expr):
            call = statement.value
            assert isinstance(call, ast.Call)
            assert isinstance(call.func, ast.Attribute)
            assert call.func.attr == "backward"
            start, *weights = [call.func.value, *call.args, *[keyword.value for keyword in call.keywords]]
            if ast.unparse(start) == "torch.autograd":
                start, *weights = weights
            value, *factors = [eval(ast.unparse(node), names) for node in (start, *weights)]
            loss: torch.Tensor = (value * factors[0]).sum() if factors else value.sum()
            return loss.item()
        exec(ast.unparse(statement), names)
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == leaf:
            names[leaf].data += shift
    raise AssertionError(program)


def scope() -> dict[str, Any]:
    return {"torch": torch, "nn": nn, "F": functional}
