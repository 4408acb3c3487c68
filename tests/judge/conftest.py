"""What tests of hand-written answers share: the puzzle that an answer is for."""

import re
from collections.abc import Callable

import pytest

from tensordrill.catalog import Catalog
from tensordrill.puzzles import Puzzle


@pytest.fixture(scope="session")
def asked_for(catalog: Catalog) -> Callable[[str, int, str], Puzzle]:
    """The first puzzle of a drill and level whose prompt says that, a regular expression."""

    def first(drill: str, level: int, told: str) -> Puzzle:
        for seed in range(800):
            it = catalog[drill].puzzle(seed, level)
            if re.search(told, " ".join(it.face.prompt.split())):
                return it
        raise AssertionError((drill, level, told))

    return first
