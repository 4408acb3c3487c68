"""A batch of answers graded: lines of JSON in, verdicts out, in their order and as soon as they are there."""

import json
import os
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from math import isfinite
from queue import Empty, Queue, SimpleQueue
from threading import Event, Thread
from typing import Any

from tensordrill.app.grading import checked_level, checked_seed, graded
from tensordrill.catalog import Catalog
from tensordrill.domain import Status
from tensordrill.errors import TensordrillError, UsageError
from tensordrill.judge import Judge
from tensordrill.puzzles import Puzzle

LONGEST_LINE = 2_000_000  # characters: an answer has at most 20,000, and a long line waits with 255 others
_LONGEST_SHOWN = 100  # of what a line holds, in what is said of it
_DEEPEST_ID = 600
_WAITING = 256  # lines, at most
_TOGETHER = 20  # lines whose puzzles are certified at once, at most
_JUDGES = max(2, min(4, os.cpu_count() or 1))  # one waits for a child while the others compare
_KEYS = {"drill", "seed", "level", "answer", "id"}

Result = tuple[dict[str, Any], bool]  # a verdict as data, and whether the line was sound


@dataclass
class _Line:
    number: int
    text: str
    result: Future[Result] = field(default_factory=Future)


@dataclass(frozen=True)
class _Request:
    echo: dict[str, object]
    puzzle: Puzzle
    answer: str


def grade_lines(lines: Iterable[str], catalog: Catalog, judge: Judge) -> Generator[Result, None, None]:
    """For each line of a batch its verdict, with the line's `id` where it has one, and whether the line was sound.

    In the order of the lines, each as soon as it is there. Twins of the judge help it, unless it works on a GPU: there
    each would hold memory of its own. At the end all are stopped.
    """
    judges = [judge, *(judge.twin() for _ in range(0 if judge.on_gpu else _JUDGES - 1))]
    ordered: Queue[Future[Result] | None] = Queue(_WAITING)
    waiting: SimpleQueue[_Line | None] = SimpleQueue()
    stopped = Event()

    def read() -> None:
        try:
            for number, text in enumerate(lines, 1):
                if text.strip():
                    line = _Line(number, text)
                    ordered.put(line.result)
                    waiting.put(line)
        except Exception as error:  # noqa: BLE001 -- raised where the verdict is awaited
            failed: Future[Result] = Future()
            failed.set_exception(error)
            ordered.put(failed)
        ordered.put(None)

    def grade(judge: Judge) -> None:
        while (line := waiting.get()) and not stopped.is_set():
            share = min(waiting.qsize() // len(judges), _TOGETHER - 1)
            together = [line, *_taken(waiting, share)]
            try:
                _grade(together, catalog, judge)
            except BaseException as error:  # noqa: BLE001 -- raised where the verdicts are awaited
                for one in together:
                    if not one.result.done():
                        one.result.set_exception(error)
        waiting.put(None)  # for the next

    graders = [Thread(target=grade, args=[one], daemon=True) for one in judges]
    for thread in (Thread(target=read, daemon=True), *graders):  # a line may be awaited while a verdict is ready
        thread.start()
    try:
        while result := ordered.get():
            yield result.result()
    finally:
        stopped.set()
        for one in judges:
            one.stop()
        waiting.put(None)
        for thread in graders:
            thread.join()
        for one in judges:
            one.close()


def _taken(waiting: "SimpleQueue[_Line | None]", most: int) -> Iterator[_Line]:
    """So many lines that wait, as far as there are."""
    with suppress(Empty):
        for _ in range(most):
            if (line := waiting.get_nowait()) is None:
                waiting.put(None)
                return
            yield line


def _grade(lines: list[_Line], catalog: Catalog, judge: Judge) -> None:
    read: list[tuple[_Line, _Request]] = []
    for line in lines:
        try:
            read.append((line, _read(line.text, catalog)))
        except TensordrillError as error:
            line.result.set_result(({"error": f"{error.message} {error.hint}".strip(), "line": line.number}, False))
    if len(read) > 1:  # one alone is certified where its answer needs that
        judge.prepare([request.puzzle for _, request in read])
    for line, request in read:
        verdict = judge.grade(request.puzzle, request.answer)
        line.result.set_result((request.echo | graded(verdict), verdict.status is not Status.INTERNAL))


def _read(line: str, catalog: Catalog) -> _Request:
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
    puzzle = drill.puzzle(checked_seed(fields["seed"]), checked_level(drill, level))
    return _Request({"id": fields["id"]} if "id" in fields else {}, puzzle, fields["answer"])


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
