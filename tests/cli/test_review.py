"""`tensordrill today` as a learner meets it: the real program, driven over pipes, day after day."""

import json
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tensordrill.app import App
from tensordrill.catalog import Catalog

if TYPE_CHECKING:
    from conftest import FsrsReplay, Learner, Run, Sit

Row = dict[str, Any]
NEW_PER_DAY = 5


def rows() -> list[Row]:
    """The export, read in this process: the file is the same one."""
    with closing(App()) as app:
        return [json.loads(line) for line in app.export("json")]


def rated(found: list[Row]) -> list[tuple[str, str]]:
    return [(row["drill"], row["rating"]) for row in found if row["rating"]]


def solve_all(learner: "Learner") -> int:
    while learner.prompt:
        learner.right()
    return learner.ended()
