"""Puzzles shown and answers graded without a session: nothing here touches the learner's data."""

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import isfinite
from queue import Queue
from threading import Thread
from typing import Any

from tensordrill.authoring import Drill
from tensordrill.catalog import Catalog
from tensordrill.domain import Status, Verdict
from tensordrill.errors import TensordrillError, UsageError
from tensordrill.judge import Judge
from tensordrill.puzzles import Puzzle

MAX_SEED = 2**63 - 1
LONGEST_LINE = 2_000_000  # characters: an answer has at most 20,000, and a long line waits with 255 others
_LONGEST_SHOWN = 100  # of what a line holds, in what is said of it
_DEEPEST_ID = 600
MANY_WAITING, MOST_WAITING = 16, 256  # lines of a batch
_KEYS = {"drill", "seed", "level", "answer", "id"}


def shown(drill: Drill, seed: int, level: int) -> dict[str, Any]:
    """A puzzle as data: what the learner sees, and what makes it again. What its kind lacks is None."""
    puzzle = drill.puzzle(seed, level)
    face = puzzle.face
    tensors = None
    if face.tensors is not None:
        tensors = [{"name": t.name, "axes": list(t.axes), "dtype": t.dtype, "domain": t.domain} for t in face.tensors]
    return {
        "drill": drill.id,
        "track": drill.track,
        "title": drill.title,
        "seed": seed,
        "level": level,
        "kind": puzzle.kind,
        "prompt": face.prompt,
        "code": face.code,
        "ask": face.ask,
        "tensors": tensors,
        "sizes": dict(face.sizes) if face.sizes else None,
        "output": _list(face.output),
        "lines": _list(face.lines),
        "choices": _list(face.choices),
        "signature": face.signature,
        "hints": len(puzzle.hints),
    }


def solved(puzzle: Puzzle, judge: Judge) -> dict[str, Any]:
    """The solution as `grade` accepts it, its reason, and every wrong turn.

    Runs torch where only that tells. Raises TensordrillError where the puzzle is at fault.
    """
    if problems := judge.certify(puzzle).problems:
        raise TensordrillError(f"This puzzle is at fault: {problems[0]}", hint="`tensordrill drills check` says more.")
    texts = judge.wrong_answers(puzzle)
    return {
        "answer": judge.solution(puzzle),
        "why": puzzle.why,
        "wrong": [
            {"id": wrong.id, "answer": text, "because": wrong.because}
            for wrong, text in zip(puzzle.wrong, texts, strict=True)
        ],
    }


def graded(verdict: Verdict) -> dict[str, Any]:
    """A verdict as data."""
    return {
        "correct": verdict.correct,
        "status": verdict.status.value,
        "wrong_turn": verdict.wrong_turn,
        "feedback": f"{verdict.feedback}\n\n{verdict.steps}" if verdict.steps else verdict.feedback,
        "expected": verdict.expected,
        "got": verdict.got,
        "device": verdict.device,
        "elapsed_ms": verdict.elapsed_ms,
    }


def checked_level(drill: Drill, level: int) -> int:
    """The level. Raises UsageError where the drill has no such level."""
    if not 1 <= level <= drill.levels:
        has = "only level 1" if drill.levels == 1 else f"levels 1 to {drill.levels}"
        raise UsageError(f"{drill.id} has no level {level}.", hint=f"It has {has}.")
    return level


def checked_seed(seed: int) -> int:
    """The seed. Raises UsageError where it is out of range."""
    if not 0 <= seed <= MAX_SEED:
        raise UsageError(f"{seed} is not a seed.", hint=f"A seed is a whole number from 0 to {MAX_SEED}.")
    return seed


@dataclass(frozen=True)
class _Request:
    drill: Drill
    seed: int
    level: int
    answer: str


def grade_lines(
    lines: Iterable[str], catalog: Catalog, judges: Sequence[Judge]
) -> Iterator[tuple[dict[str, Any], bool]]:
    """For each line of a batch its verdict, with the line's `id` where it has one, and whether the line was sound.

    In the order of the lines, each as soon as it is there. The first judge grades alone until many lines wait; then all
    do, and the answers to one puzzle go to the same one, which has certified it. At the end the judges are stopped.
    """
    hands = [ThreadPoolExecutor(1) for _ in judges]
    waiting: Queue[Future[tuple[dict[str, Any], bool]] | None] = Queue(MOST_WAITING)

    def graded_line(judge: Judge, number: int, line: str) -> tuple[dict[str, Any], bool]:
        try:
            echo, request = _read(line, catalog)
        except TensordrillError as error:
            return {"error": f"{error.message} {error.hint}".strip(), "line": number}, False
        verdict = judge.grade(request.drill.puzzle(request.seed, request.level), request.answer)
        return echo | graded(verdict), verdict.status is not Status.INTERNAL

    def submit() -> None:
        try:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    which = hash(line.partition('"answer"')[0]) % len(judges) if waiting.qsize() >= MANY_WAITING else 0
                    waiting.put(hands[which].submit(graded_line, judges[which], number, line))
        except Exception as error:  # noqa: BLE001 -- raised where the verdict is awaited
            failed: Future[tuple[dict[str, Any], bool]] = Future()
            waiting.put(failed)
            failed.set_exception(error)
        waiting.put(None)

    Thread(target=submit, daemon=True).start()  # it may wait for a line while a verdict is ready
    try:
        while verdict := waiting.get():
            yield verdict.result()
    finally:
        for judge, hand in zip(judges, hands, strict=True):
            judge.stop()
            hand.shutdown(cancel_futures=True)


def _read(line: str, catalog: Catalog) -> tuple[dict[str, object], _Request]:
    if len(line) > LONGEST_LINE:
        raise UsageError(f"That line is longer than {LONGEST_LINE:,} characters.")
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        raise UsageError("That line is not JSON.") from None
    if not isinstance(fields, dict):
        raise UsageError("That line is not a JSON object.")
    if unknown := sorted(set(fields) - _KEYS):
        raise UsageError(
            f"That line has an unknown key {unknown[0][:_LONGEST_SHOWN]!r}.",
            hint=f"It may have {', '.join(sorted(_KEYS))}.",
        )
    for key, kind in {"drill": str, "seed": int, "answer": str}.items():
        if type(fields.get(key)) is not kind:
            raise UsageError(f"That line's {key!r} is missing, or not a {'whole number' if kind is int else 'string'}.")
    level = fields.get("level", 1)
    if type(level) is not int:
        raise UsageError("That line's 'level' is not a whole number.")
    if not _can_be_echoed(fields.get("id")):
        raise UsageError("That line's 'id' is nested too deeply, or holds a number that JSON has not.")
    drill = catalog.find(fields["drill"][:_LONGEST_SHOWN])
    request = _Request(drill, checked_seed(fields["seed"]), checked_level(drill, level), fields["answer"])
    return ({"id": fields["id"]} if "id" in fields else {}), request


def _can_be_echoed(value: object) -> bool:
    """Whether it is JSON that any reader takes: Python's own reads NaN, and nests deeper than it can write."""
    level = [value]
    for _ in range(_DEEPEST_ID):
        if any(isinstance(one, float) and not isfinite(one) for one in level):
            return False
        held = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list))
        if not (level := [inner for one in held for inner in one]):
            return True
    return False


def _list(items: Iterable[str] | None) -> list[str] | None:
    return None if items is None else list(items)
