"""What holds for every drill, at any level and seed."""

import contextlib
import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tensordrill.app.checking import problems_of
from tensordrill.app.grading import graded, shown, solved
from tensordrill.authoring import Drill
from tensordrill.catalog import Catalog, built_in
from tensordrill.domain import MAX_LEVEL, Status
from tensordrill.judge import Judge
from tensordrill.puzzles import Forbidden, Program, Puzzle, Said, Slip

every_drill = pytest.mark.parametrize("name", list(built_in()))
seeds = st.integers(0, 2**63 - 1)
levels = st.integers(1, MAX_LEVEL)
few = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
many = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


@every_drill
@many
@given(level=levels, seed=seeds)
def test_the_same_seed_gives_the_same_puzzle(catalog: Catalog, name: str, level: int, seed: int) -> None:
    assert puzzle_of(catalog[name], seed, level).hash == puzzle_of(catalog[name], seed, level).hash


@every_drill
@few
@given(level=levels, seed=seeds)
def test_certified(catalog: Catalog, judge: Judge, name: str, level: int, seed: int) -> None:
    """The reference runs and is accepted as typed; each wrong turn is rejected, and named."""
    assert problems_of(puzzle_of(catalog[name], seed, level), judge) == []


@every_drill
@many
@given(level=levels, seed=seeds)
def test_shown_as_json(catalog: Catalog, name: str, level: int, seed: int) -> None:
    data = shown(catalog[name], seed, min(level, catalog[name].levels))
    assert json.loads(json.dumps(data)) == data
    assert not [text for text in texts(data) if CONTROL.search(text)]
    assert data["hints"] >= 2
    if data["tensors"] is not None:
        sizes = data["sizes"] or {}
        axes = {axis for tensor in data["tensors"] for axis in tensor["axes"]}
        axes |= {name for size in sizes.values() for name in re.findall(r"[a-z]\w*", str(size))}
        for axis in data["output"] or []:
            assert axis in axes or axis in sizes
    if data["kind"] != "einsum" and data["kind"] != "pattern" and data["code"]:
        compile(data["code"], "<code>", "exec")


@every_drill
@many
@given(level=levels, seed=seeds)
def test_no_leak(catalog: Catalog, name: str, level: int, seed: int) -> None:
    """Neither the prompt nor the first hint holds an answer that is source."""
    puzzle = puzzle_of(catalog[name], seed, level)
    if puzzle.solution is None or puzzle.kind in ("order", "choice"):
        return
    answer = squeezed(puzzle.solution)
    for text in (puzzle.face.prompt, puzzle.hints[0], puzzle.face.code or ""):
        assert answer not in squeezed(text)
    if puzzle.kind in ("einsum", "pattern") and "right side says" not in puzzle.face.prompt:  # there it is the question
        right = squeezed(puzzle.solution).partition("->")[2]
        assert len(right) < 2 or f"->{right}" not in squeezed(puzzle.face.prompt + puzzle.hints[0])


@every_drill
def test_solution_as_json(catalog: Catalog, judge: Judge, name: str) -> None:
    for level in range(1, catalog[name].levels + 1):
        puzzle = catalog[name].puzzle(1, level)
        data = solved(puzzle, judge)
        assert judge.grade(puzzle, str(data["answer"])).correct
        assert data["why"]
        assert {"id", "answer", "because"} == set().union(*(turn.keys() for turn in data["wrong"]))


@every_drill
@many
@given(text=st.text(max_size=80), level=levels, seed=st.integers(0, 20))
def test_any_text_is_read_or_is_a_slip(catalog: Catalog, name: str, level: int, seed: int, text: str) -> None:
    """Whatever is typed becomes an answer, a slip or a refusal, and never an error of ours."""
    with contextlib.suppress(Slip, Forbidden):
        answer = puzzle_of(catalog[name], seed, level).read(text)
        assert isinstance(answer, Program | Said)


@every_drill
def test_a_verdict_as_json_has_no_control_characters(catalog: Catalog, judge: Judge, name: str) -> None:
    puzzle = catalog[name].puzzle(2, catalog[name].levels)
    for text in ("\x1b[2J", "raise ValueError('\\x1b[2J\\x07')", "'\\x1b[31m'", ""):
        verdict = judge.grade(puzzle, text)
        assert verdict.status is not Status.INTERNAL
        assert not verdict.correct
        assert not [text for text in texts(graded(verdict)) if CONTROL.search(text)]


def puzzle_of(drill: Drill, seed: int, level: int) -> Puzzle:
    """The puzzle at that level, or at the last one that there is."""
    return drill.puzzle(seed, min(level, drill.levels))


def squeezed(text: str) -> str:
    return re.sub(r"[\s`\"']", "", text)


def texts(data: object) -> list[str]:
    if isinstance(data, str):
        return [data]
    if isinstance(data, dict):
        return [text for value in data.values() for text in texts(value)]
    if isinstance(data, list):
        return [text for value in data for text in texts(value)]
    return []
