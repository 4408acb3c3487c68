"""Answers to the drills about padding and cutting as people type them, and what the judge says of them."""

import ast
import re

import pytest
from tensordrill.drills.shapes_pieces import (
    Case,
    Cut,
    Turn,
    chunk,
    cut_puzzle,
    flat,
    pad_puzzle,
    pad_turns,
    padded,
    split,
    split_at,
    split_sizes,
    tensor_split,
    zeros,
)

from tensordrill.catalog import Catalog
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import PredictShape, PredictValue

SHAPE, VALUE, SLIP = Status.WRONG_SHAPE, Status.WRONG_VALUE, Status.UNPARSABLE


def pad(shape: tuple[int, ...], *pairs: tuple[int, int]) -> PredictShape:
    turns = list(pad_turns(shape, pairs))
    case = Case(f"x = {zeros(shape)}", f"F.pad(x, {flat(pairs)})", padded(shape, pairs), turns)
    puzzle: PredictShape = pad_puzzle(case)
    return puzzle


def pieces(size: int, cut: Cut) -> PredictValue:
    turns = [Turn(name, rule(size), because) for name, rule, because in cut.misread]
    case = Case(f"x = torch.arange({size})", f"[len(p) for p in {cut.call('x')}]", cut.rule(size), turns)
    puzzle: PredictValue = cut_puzzle(case)
    return puzzle


ONE = pad((5, 7, 6), (2, 1))
TWO = pad((5, 7, 6), (1, 2), (4, 0))
ALL = pad((5, 8), (1, 2), (4, 0))
CROP = pad((5, 7, 6), (-2, 1))
CHUNK = pieces(10, chunk(4))
FEWER = pieces(9, chunk(6))
SPLIT = pieces(10, split(4))
EVEN = pieces(10, tensor_split(4))
SIZES = pieces(10, split_sizes(3, 5, 2))
AT = pieces(12, split_at(3, 7))


@pytest.mark.parametrize(
    ("it", "answer"),
    [
        (ONE, "(5, 7, 9)"),
        (ONE, "5 7 9"),
        (ONE, "torch.Size([5, 7, 9])"),
        (TWO, "(5, 11, 9)"),
        (TWO, "[5, 11, 9]"),
        (ALL, "(9, 11)"),
        (ALL, "9x11"),
        (CROP, "(5, 7, 5)"),
        (CHUNK, "[3, 3, 3, 1]"),
        (CHUNK, "3, 3, 3, 1"),
        (CHUNK, "3 3 3 1"),
        (FEWER, "[2, 2, 2, 2, 1]"),
        (SPLIT, "(4, 4, 2)"),
        (EVEN, "[3, 3, 2, 2]"),
        (SIZES, "[3, 5, 2]"),
        (AT, "tensor([3, 4, 5])"),
    ],
)
def test_what_is_right(judge: Judge, it: PredictShape | PredictValue, answer: str) -> None:
    verdict = judge.grade(it, answer)
    assert verdict.correct, verdict.feedback


@pytest.mark.parametrize(
    ("it", "answer", "status", "turn"),
    [
        (ONE, "(8, 7, 6)", VALUE, "first-axis-first"),
        (ONE, "(5, 7, 8)", VALUE, "one-side"),
        (ONE, "(5, 8, 8)", VALUE, "number-for-each-axis"),
        (ONE, "(5, 7, 6)", VALUE, None),
        (TWO, "(8, 11, 6)", VALUE, "first-axis-first"),
        (TWO, "(5, 10, 10)", VALUE, "reading-order"),
        (TWO, "(5, 11, 7)", VALUE, "one-side"),
        (TWO, "(5, 9, 11)", VALUE, "befores-first"),
        (ALL, "(8, 12)", VALUE, "numpy-order"),
        (CROP, "(5, 7, 9)", VALUE, "sign-ignored"),
        (CROP, "(5, 7, 7)", VALUE, "negative-ignored"),
        (CROP, "error", SLIP, None),
        (CHUNK, "[3, 3, 2, 2]", VALUE, "as-tensor-split"),
        (CHUNK, "[4, 4, 2]", SHAPE, "as-split"),
        (CHUNK, "[2, 2, 2, 4]", VALUE, "rest-to-last"),
        (CHUNK, "[3, 3, 3]", SHAPE, "rest-dropped"),
        (CHUNK, "4", SHAPE, None),
        (FEWER, "[2, 2, 2, 1, 1, 1]", SHAPE, "as-tensor-split"),
        (SPLIT, "[3, 3, 3, 1]", SHAPE, "as-count"),
        (SPLIT, "[3, 3, 2, 2]", SHAPE, "as-tensor-split"),
        (SPLIT, "[4, 4]", SHAPE, "rest-dropped"),
        (SPLIT, "[4, 3, 3]", VALUE, "evened-out"),
        (EVEN, "[3, 3, 3, 1]", VALUE, "as-chunk"),
        (EVEN, "[2, 2, 3, 3]", VALUE, "longer-last"),
        (EVEN, "[2, 2, 2, 4]", VALUE, "rest-to-last"),
        (SIZES, "[2, 1, 2, 5]", SHAPE, "as-indices"),
        (AT, "[3, 7, 2]", VALUE, "as-sizes"),
        (AT, "[3, 4]", SHAPE, "last-forgotten"),
        (AT, "[4, 4, 4]", VALUE, "end-inclusive"),
    ],
)
def test_what_is_wrong_is_named(
    judge: Judge, it: PredictShape | PredictValue, answer: str, status: Status, turn: str | None
) -> None:
    verdict = judge.grade(it, answer)
    assert (verdict.status, verdict.wrong_turn) == (status, turn), verdict.feedback


@pytest.mark.parametrize("seed", range(12))
def test_a_call_of_pad_from_its_numbers(judge: Judge, catalog: Catalog, seed: int) -> None:
    it = catalog["shapes.pad"].puzzle(seed, 1)
    shape = list(ast.literal_eval(str(re.findall(r"zeros(\(.*?\))", str(it.face.code))[0])))
    numbers = ast.literal_eval(str(re.findall(r"x, (\(.*?\))", str(it.face.ask))[0]))
    for axis in range(len(numbers) // 2):
        shape[-1 - axis] += numbers[2 * axis] + numbers[2 * axis + 1]
    assert judge.grade(it, str(tuple(shape))).correct


@pytest.mark.parametrize("level", [1, 2, 3])
def test_no_more_than_six_numbers_are_typed(judge: Judge, catalog: Catalog, level: int) -> None:
    for seed in range(40):
        assert judge.solution(catalog["shapes.split-chunk"].puzzle(seed, level)).count(",") < 6
