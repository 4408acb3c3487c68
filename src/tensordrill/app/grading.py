"""Puzzles shown and answers graded without a session: nothing here touches the learner's data."""

from collections.abc import Iterable
from typing import Any

from tensordrill.authoring import Drill
from tensordrill.domain import Verdict
from tensordrill.errors import TensordrillError, UsageError
from tensordrill.judge import Judge
from tensordrill.puzzles import Puzzle

MAX_SEED = 2**63 - 1


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


def _list(items: Iterable[str] | None) -> list[str] | None:
    return None if items is None else list(items)
