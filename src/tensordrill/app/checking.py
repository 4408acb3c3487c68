"""Certification of drills over many seeds: the author's tool."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from time import perf_counter

from tensordrill.authoring import Drill
from tensordrill.catalog import built_in
from tensordrill.judge import Judge
from tensordrill.puzzles import Puzzle, structure

ENOUGH_SEEDS = 1000  # from here on a drill is held to the number of structures that it promises

_judge: Judge | None = None


@dataclass(frozen=True)
class Report:
    """One level of one drill: how many seeds were tried, how many were certified, and what was wrong with the others.

    `puzzles` counts different puzzles, `structures` different structures, of which it should have `promised` within
    1,000 seeds. `seconds` is wall time. A problem comes with how often it was met, and the first seed.
    """

    drill: str
    level: int
    seeds: int
    certified: int
    puzzles: int
    structures: int
    promised: int
    confused: tuple[str, ...]
    problems: tuple[tuple[str, int, int], ...]
    seconds: float

    @property
    def ok(self) -> bool:
        return not self.problems

    @property
    def acceptance(self) -> float:
        """The share of seeds whose puzzle is sound, from 0 to 1."""
        return self.certified / self.seeds


def check(drills: Sequence[Drill], seeds: int, jobs: int) -> Iterator[Report]:
    """Certify every level of the drills over the seeds 0 to `seeds` - 1, a report a level, as they are done."""
    tasks = [(drill.id, level, seeds) for drill in drills for level in range(1, drill.levels + 1)]
    if jobs == 1:
        with Judge() as judge:
            for drill in drills:
                for level in range(1, drill.levels + 1):
                    yield check_level(drill, level, seeds, judge)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_start) as pool:
        yield from pool.map(_check_named, tasks)


def default_jobs() -> int:
    return max(1, os.cpu_count() or 1)


def check_level(drill: Drill, level: int, seeds: int, judge: Judge) -> Report:
    """Certify one level: the reference runs and is accepted, each wrong turn is rejected and named."""
    started = perf_counter()
    problems: Counter[str] = Counter()
    first: dict[str, int] = {}
    hashes, structures = set[str](), set[str]()
    confused: set[str] = set()
    certified = 0
    for seed in range(seeds):
        try:
            puzzle = drill.puzzle(seed, level)
            hashes.add(puzzle.hash)
            structures.add(structure(puzzle))
            confused.update(judge.certify(puzzle).confused)
            found = problems_of(puzzle, judge)
        except Exception as error:  # noqa: BLE001 -- whatever a generator raises is a finding about that generator
            found = [f"The generator raises {type(error).__name__}: {error}"]
        certified += not found
        problems.update(found)
        for problem in found:
            first.setdefault(problem, seed)
    promised = drill.structures[level - 1]
    if seeds >= ENOUGH_SEEDS and len(structures) < promised:
        problems[
            f"It promises {promised} structures and reaches {len(structures)}: vary more than labels and numbers."
        ] = 1
    return Report(
        drill=drill.id,
        level=level,
        seeds=seeds,
        certified=certified,
        puzzles=len(hashes),
        structures=len(structures),
        promised=promised,
        confused=tuple(sorted(confused)),
        problems=tuple((problem, count, first.get(problem, 0)) for problem, count in problems.most_common()),
        seconds=perf_counter() - started,
    )


def problems_of(puzzle: Puzzle, judge: Judge) -> list[str]:
    """What keeps a puzzle from being asked: each a sentence that says what to change."""
    certificate = judge.certify(puzzle)
    found = list(certificate.problems)
    if len(puzzle.hints) < 2:  # noqa: PLR2004 -- a nudge, and then more
        found.append("It has fewer than two hints.")
    if not puzzle.why.strip():
        found.append("It has no `why`.")
    if found:
        return found
    if not (verdict := judge.grade(puzzle, judge.solution(puzzle))).correct:
        found.append(f"Its own solution is judged {verdict.status}: {verdict.feedback}")
    for wrong, text in zip(puzzle.wrong, judge.wrong_answers(puzzle), strict=True):
        verdict = judge.grade(puzzle, text)
        if verdict.correct:
            found.append(f"Its wrong turn {wrong.id!r}, typed, is judged correct.")
        elif verdict.wrong_turn != wrong.id:
            found.append(f"Its wrong turn {wrong.id!r} is taken for {verdict.wrong_turn!r} ({verdict.status}).")
    return found


def _start() -> None:
    global _judge  # noqa: PLW0603 -- one judge for each worker process
    _judge = Judge()


def _check_named(task: tuple[str, int, int]) -> Report:
    name, level, seeds = task
    assert _judge is not None
    return check_level(built_in()[name], level, seeds, _judge)
