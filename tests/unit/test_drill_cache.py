"""The catalog from a cache: the same drills, and never yesterday's."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tensordrill.authoring import Drill
from tensordrill.catalog import Catalog, built_in
from tensordrill.drill_cache import keep, module_files, recall, stamp


def facts(drill: Drill) -> tuple[object, ...]:
    return drill.id, drill.title, drill.after, drill.levels, drill.lesson, drill.structures


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "drills.json"


def test_the_same_drills_from_the_cache(cache: Path, catalog: Catalog) -> None:
    made, kept = built_in(cache), built_in(cache)
    assert cache.exists()
    assert [facts(drill) for drill in kept.values()] == [facts(drill) for drill in made.values()]
    assert list(kept) == list(catalog)
    for name in catalog:
        assert kept[name].puzzle(3, kept[name].levels).hash == catalog[name].puzzle(3, catalog[name].levels).hash


def test_only_what_is_asked_is_imported(cache: Path) -> None:
    built_in(cache)
    script = f"""
import sys
from collections.abc import Callable
from pathlib import Path
from tensordrill.catalog import built_in
drill = built_in(Path({str(cache)!r}))["shapes.stack-cat"]
before = [name for name in sys.modules if name.startswith("tensordrill.drills.")]
drill.puzzle(1)
print(before, [name for name in sys.modules if name.startswith("tensordrill.drills.")])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[] ['tensordrill.drills.shapes']\n"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: "",
        lambda text: text[:-9],
        lambda _: "[]",
        lambda _: "\x00" * 40,
        lambda text: text.replace('"levels"', '"height"'),
        lambda text: json.dumps(json.loads(text) | {"version": "0.0.0"}),
        lambda text: json.dumps(json.loads(text) | {"drills": [None]}),
        lambda text: json.dumps(json.loads(text) | {"drills": 7}),
    ],
)
def test_a_spoilt_cache_is_made_anew(cache: Path, spoil: Callable[[str], str], catalog: Catalog) -> None:
    built_in(cache)
    whole = cache.read_text()
    cache.write_text(spoil(whole))
    assert list(built_in(cache)) == list(catalog)
    assert cache.read_text() == whole


def test_a_module_that_changed_is_read_again(cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "new.py"
    file.write_text("one")
    before = stamp([file])
    keep(cache, before, [])
    assert recall(cache, before) == []
    file.write_text("other")
    assert recall(cache, stamp([file])) is None
    assert recall(cache, stamp([file, *module_files("tensordrill.drills").values()])) is None


def test_a_cache_that_cannot_be_kept_is_no_fault(tmp_path: Path, catalog: Catalog) -> None:
    assert list(built_in(tmp_path / "no" / "such" / "folder.json")) == list(catalog)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "folder").mkdir()
    assert list(built_in(tmp_path / "folder")) == list(catalog)


def test_no_such_package() -> None:
    with pytest.raises(ModuleNotFoundError):
        module_files("tensordrill.drillz")
