"""What the catalog needs to know of every drill, kept in a file, so that a session imports only the drills it asks.

A cache like Python's own: where a module has changed since, or anything is amiss, all modules are imported again.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from tensordrill import __version__
from tensordrill.authoring import Drill
from tensordrill.puzzles import Puzzle
from tensordrill.rng import Rng

Stamp = dict[str, list[int]]  # of each module file, when it was changed and how long it is


def stamp(files: Iterable[Path]) -> Stamp:
    """What changes when a module does. Raises OSError where a file is gone."""
    return {file.name: [(found := file.stat()).st_mtime_ns, found.st_size] for file in files}


def recall(cache: Path, current: Stamp) -> list[Drill] | None:
    """The drills that are kept there, each importing its module when its first puzzle is made; None where stale."""
    try:
        kept = json.loads(cache.read_bytes())
        if kept["version"] != __version__ or kept["stamp"] != current:
            return None
        return [_drill(**fields) for fields in kept["drills"]]
    except (OSError, ValueError, TypeError, KeyError):
        return None


def keep(cache: Path, current: Stamp, drills: Iterable[Drill]) -> None:
    """Write them there, if the folder exists and may be written; a cache is no reason to fail, or to make a folder."""
    facts = [
        {
            "module": drill.generator.__module__,
            "name": drill.generator.__name__,
            "id": drill.id,
            "title": drill.title,
            "after": drill.after,
            "levels": drill.levels,
            "lesson": drill.lesson,
            "structures": drill.structures,
            "arena": drill.arena,
        }
        for drill in drills
    ]
    half = cache.with_name(f"{cache.name}.new")
    try:
        half.write_text(json.dumps({"version": __version__, "stamp": current, "drills": facts}), encoding="utf-8")
        half.replace(cache)
    except OSError:
        with suppress(OSError):
            half.unlink()


def _drill(
    *,
    module: str,
    name: str,
    id: str,  # noqa: A002 -- as it is kept
    title: str,
    after: Sequence[str],
    levels: int,
    lesson: str | None,
    structures: Sequence[int],
    arena: str | None,
) -> Drill:
    return Drill(id, title, tuple(after), levels, lesson, _later(module, name), tuple(structures), arena)


def _later(module: str, name: str) -> Callable[[Rng], Puzzle]:
    def generate(rng: Rng) -> Puzzle:
        drill: Any = getattr(import_module(module), name)
        puzzle: Puzzle = drill.generator(rng)
        return puzzle

    return generate


def module_files(package: str) -> dict[str, Path]:
    """The modules of a package by name, and their files. Raises ModuleNotFoundError where there is no such package."""
    folder = Path(next(iter(import_module(package).__path__)))
    return {f"{package}.{file.stem}": file for file in sorted(folder.glob("[!_]*.py"))}
