"""Structures: what counts as another puzzle, and what is the same one with other labels."""

from collections.abc import Sequence

from tensordrill.puzzles import PredictShape, WriteEinsum, structure, tensor


def einsum(operands: Sequence[str], output: str) -> str:
    tensors = [tensor(name, axes) for name, axes in zip("ABC", operands, strict=False)]
    return structure(WriteEinsum(prompt="", tensors=tensors, output=output.split(), hints=(), why=""))


def shape(program: str, ask: str) -> str:
    return structure(PredictShape(program=program, ask=ask, hints=(), why=""))


def test_labels_do_not_count() -> None:
    assert einsum(["row inner", "inner col"], "row col") == einsum(["city month", "month user"], "city user")


def test_order_and_contraction_do() -> None:
    matmul = einsum(["row inner", "inner col"], "row col")
    assert matmul != einsum(["row inner", "inner col"], "col row")
    assert matmul != einsum(["row inner", "inner col"], "row inner")
    assert matmul != einsum(["inner row", "inner col"], "row col")


def test_numbers_and_names_do_not_count_and_operations_do() -> None:
    one = shape("x = torch.zeros(2, 3)\ny = x.T", "y")
    assert one == shape("a = torch.zeros(4, 5)\nb = a.T", "b")
    assert one != shape("x = torch.zeros(2, 3)\ny = x.mT", "y")
    assert one != shape("x = torch.zeros(2, 3)\ny = x.T", "x")
