"""Looks at a data file without changing it: no migration, no new file, whatever state it is in."""

import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tensordrill.store import migration
from tensordrill.store.faults import told

NEWEST = migration.HEAD


@dataclass(frozen=True)
class Inspection:
    """The file's schema, None where nothing is in it yet, and what SQLite's own check finds amiss."""

    schema: str | None
    problems: tuple[str, ...]


def inspect(path: Path) -> Inspection:
    """Raises TensordrillError where the file cannot be read, is newer than this version, or is not ours."""
    path = Path(os.path.realpath(path))
    with told(path):
        schema = migration.version(path)
        with closing(migration.reading(path)) as connection:
            found = [str(line) for (line,) in connection.execute("PRAGMA quick_check(5)")]
        return Inspection(schema, () if found == ["ok"] else tuple(found))
