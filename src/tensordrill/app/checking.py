"""Certification of drills over many seeds: the author's tool."""

import os
import signal
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
_PATIENCE_S = 5
_CHUNK = 50  # puzzles that are made and vetted together

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
        with Judge(hurried=True) as judge:
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
    structures, confused = set[str](), set[str]()
    known: dict[str, list[str]] = {}  # by the hash: puzzles that are the same run on the same instances
    certified = 0
    for start in range(0, seeds, _CHUNK):
        chunk = range(start, min(start + _CHUNK, seeds))
        made = {seed: _made(drill, seed, level) for seed in chunk}
        puzzles = {seed: puzzle for seed, puzzle in made.items() if isinstance(puzzle, Puzzle)}
        new = {puzzle.hash: puzzle for puzzle in puzzles.values() if puzzle.hash not in known}
        for puzzle, (certificate, wrong) in zip(new.values(), judge.vet(list(new.values())), strict=True):
            structures.add(structure(puzzle))
            confused.update(certificate.confused)
            known[puzzle.hash] = [*_incomplete(puzzle), *wrong]
        found = {seed: known[it.hash] if isinstance(it, Puzzle) else [it] for seed, it in made.items()}
        for seed, sentences in found.items():
            certified += not sentences
            problems.update(sentences)
            for problem in sentences:
                first.setdefault(problem, seed)
    promised = drill.structures[level - 1] if drill.structures else 1
    if seeds >= ENOUGH_SEEDS and len(structures) < promised:
        problems[
            f"It promises {promised} structures and reaches {len(structures)}: vary more than labels and numbers."
        ] = 1
    return Report(
        drill=drill.id,
        level=level,
        seeds=seeds,
        certified=certified,
        puzzles=len(known),
        structures=len(structures),
        promised=promised,
        confused=tuple(sorted(confused)),
        problems=tuple((problem, count, first.get(problem, 0)) for problem, count in problems.most_common()),
        seconds=perf_counter() - started,
    )


def problems_of(puzzle: Puzzle, judge: Judge) -> list[str]:
    """What keeps a puzzle from being asked: each a sentence that says what to change."""
    [(_, found)] = judge.vet([puzzle])
    return [*_incomplete(puzzle), *found]


def _incomplete(puzzle: Puzzle) -> list[str]:
    missing = []
    if len(puzzle.hints) < 2:  # noqa: PLR2004 -- a nudge, and then more
        missing.append("It has fewer than two hints.")
    if not puzzle.why.strip():
        missing.append("It has no `why`.")
    return missing


def _made(drill: Drill, seed: int, level: int) -> Puzzle | str:
    """The puzzle, or what its generator raises: whatever that is, it is a finding about the generator."""
    previous = signal.signal(signal.SIGALRM, _out_of_time)
    signal.alarm(_PATIENCE_S)
    try:
        puzzle = drill.puzzle(seed, level)
        _ = puzzle.hash  # builds the wrong turns, where an `Edit` may fail
    except Exception as error:  # noqa: BLE001
        return f"The generator raises {type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
    return puzzle


def _out_of_time(number: int, frame: object) -> None:
    del number, frame
    raise TimeoutError(f"it has not ended after {_PATIENCE_S} seconds: a `while` whose condition cannot be met?")


def _start() -> None:
    global _judge  # noqa: PLW0603 -- one judge for each worker process
    _judge = Judge(hurried=True)


def _check_named(task: tuple[str, int, int]) -> Report:
    name, level, seeds = task
    assert _judge is not None
    return check_level(built_in()[name], level, seeds, _judge)
