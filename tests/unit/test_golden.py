"""Same drill, level and seed: the same puzzle, on every machine, every Python and in every later version.

`python tests/unit/test_golden.py` writes `golden.json` anew. Do so only after a deliberate change of a generator (its
words count too), in the commit that makes the change: people quote seeds in bug reports, and old ones then show another
puzzle. A difference that nobody meant is a bug, however small.
"""

import json
from pathlib import Path

import pytest

from tensordrill.catalog import Catalog, built_in

GOLDEN = Path(__file__).with_name("golden.json")
SEEDS = range(3)


def hashes(catalog: Catalog) -> dict[str, dict[str, str]]:
    """For each drill, the hash of its puzzle of each `level/seed`."""
    return {
        drill.id: {
            f"{level}/{seed}": drill.puzzle(seed, level).hash for level in range(1, drill.levels + 1) for seed in SEEDS
        }
        for drill in catalog.values()
    }


@pytest.fixture(scope="module")
def now(catalog: Catalog) -> dict[str, dict[str, str]]:
    return hashes(catalog)


GOLD: dict[str, dict[str, str]] = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}


def test_every_drill_is_golden(catalog: Catalog) -> None:
    assert sorted(GOLD) == sorted(catalog)


@pytest.mark.parametrize("drill", sorted(GOLD))
def test_puzzles_are_what_they_were(now: dict[str, dict[str, str]], drill: str) -> None:
    assert now.get(drill) == GOLD[drill]


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(hashes(built_in()), indent=1, sort_keys=True) + "\n")
