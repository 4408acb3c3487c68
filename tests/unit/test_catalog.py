"""Which drills there are, how they are found, and what their modules may import."""

import ast
import sys
from pathlib import Path
from typing import Any

import pytest

from tensordrill.authoring import Drill, PredictShape, drill
from tensordrill.catalog import Catalog, built_in
from tensordrill.domain import MAX_LEVEL
from tensordrill.errors import ExitCode, TensordrillError, UsageError
from tensordrill.puzzles import Puzzle
from tensordrill.rng import Rng

FOLDER = Path(__file__).parents[2] / "drills"
MODULES = sorted(FOLDER.glob("*.py"))


def never(_rng: Rng) -> Puzzle:
    raise AssertionError("no puzzle is asked for here")


def named(name: str, *after: str) -> Drill:
    return Drill(name, "Title", after, 1, None, never)


@pytest.fixture
def small() -> Catalog:
    return Catalog(
        named(name)
        for name in ("zebra.stripes", "einsum.trace", "hooks.patch", "einsum.outer-product", "shapes.stack-cat")
    )


def test_tracks_come_in_their_order_and_drills_as_they_were_written(small: Catalog) -> None:
    assert list(small) == ["einsum.trace", "einsum.outer-product", "shapes.stack-cat", "hooks.patch", "zebra.stripes"]
    assert small.tracks == ("einsum", "shapes", "hooks", "zebra")
    assert len(small) == 5
    assert small["hooks.patch"].track == "hooks"


@pytest.mark.parametrize("name", ["shapes.stack-cat", "shapes.stack_cat", " Shapes.Stack_Cat "])
def test_a_drill_is_found_as_people_write_it(small: Catalog, name: str) -> None:
    assert small.find(name).id == "shapes.stack-cat"
    assert [drill.id for drill in small.select([name])] == ["shapes.stack-cat"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("einsum.trase", "Did you mean einsum.trace"),
        ("shapes.patch", "Did you mean hooks.patch?"),
        ("patch", "Did you mean hooks.patch?"),
        ("stack_cat", "Did you mean shapes.stack-cat?"),
        ("xyzzy", "`tensordrill drills` lists them all."),
        ("", "`tensordrill drills` lists them all."),
    ],
)
def test_the_nearest_are_suggested(small: Catalog, name: str, hint: str) -> None:
    with pytest.raises(UsageError, match="There is no drill") as caught:
        small.find(name)
    assert repr(name) in caught.value.message
    assert caught.value.hint.startswith(hint)
    assert caught.value.exit_code is ExitCode.USAGE


def test_a_track_is_suggested_too(small: Catalog) -> None:
    with pytest.raises(UsageError, match="There is no track or drill 'einsums'") as caught:
        small.select(["shapes", "einsums"])
    assert caught.value.hint.startswith("Did you mean einsum")


def test_selection_keeps_the_catalog_s_order_and_takes_each_once(small: Catalog) -> None:
    chosen = [drill.id for drill in small.select(["hooks.patch", "einsum", "EINSUM.trace"])]
    assert chosen == ["einsum.trace", "einsum.outer-product", "hooks.patch"]
    assert [drill.id for drill in small.select([])] == list(small)


def test_two_drills_of_one_id_are_refused() -> None:
    with pytest.raises(TensordrillError, match=r"Two drills are called einsum\.trace"):
        Catalog([named("einsum.trace"), named("einsum.trace")])


def test_a_drill_after_one_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TensordrillError, match=r"einsum\.outer comes after einsum\.trac, which does not exist"):
        Catalog([named("einsum.trace"), named("einsum.outer", "einsum.trac")])


@pytest.mark.parametrize(
    ("links", "told"),
    [
        ({"a.a": ["a.a"]}, "a.a after a.a"),
        ({"a.a": ["a.b"], "a.b": ["a.a"]}, "a.a after a.b after a.a"),
        ({"a.a": [], "a.b": ["a.a", "a.d"], "a.c": ["a.b"], "a.d": ["a.c"]}, "a.b after a.d after a.c after a.b"),
    ],
)
def test_a_cycle_is_refused_and_spelled_out(links: dict[str, list[str]], told: str) -> None:
    with pytest.raises(TensordrillError, match=told):
        Catalog(named(name, *after) for name, after in links.items())


def test_a_diamond_is_no_cycle() -> None:
    catalog = Catalog(
        [named("a.d", "a.b", "a.c"), named("a.b", "a.a"), named("a.c", "a.a"), named("a.a")],
    )
    assert catalog.after == {"a.d": ("a.b", "a.c"), "a.b": ("a.a",), "a.c": ("a.a",), "a.a": ()}


def test_the_drills_that_come_with_it(catalog: Catalog) -> None:
    assert set(catalog.tracks) == {module.stem.partition("_")[0] for module in MODULES if module.stem != "__init__"}
    assert list(built_in()) == list(catalog)
    for name, it in catalog.items():
        assert name == it.id == name.lower().replace("_", "-")
        assert 1 <= it.levels <= MAX_LEVEL
        assert it.title[0].isupper() or not it.title[0].isalpha()
        assert len(it.title) <= 60
        assert not it.title.endswith(".")


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"levels": 9}, "has 1 to"),
        ({"levels": 2, "structures": (1,)}, "2 levels take 2 numbers"),
        ({"lesson": "Autogard"}, "no topic of the lesson is called 'Autogard'; they are Tensors, Autograd"),
        ({"arena": "0.9"}, "no ARENA chapter is numbered '0.9'; they are 0.0"),
    ],
)
def test_what_a_drill_may_not_say(facts: dict[str, Any], told: str) -> None:
    def some_drill(rng: Rng) -> PredictShape:
        """Some drill."""
        raise NotImplementedError(rng)

    with pytest.raises(ValueError, match=told):
        drill(**facts)(some_drill)


def test_a_drill_has_a_title() -> None:
    with pytest.raises(ValueError, match="there is none"):
        drill()(lambda rng: (_ for _ in ()).throw(NotImplementedError(rng)))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_a_drill_module_imports_only_what_authors_use(module: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "a track stands alone"
            imported.add(node.module or "")
    foreign = {name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names}
    assert {name for name in foreign if not name.startswith("tensordrill.building.")} <= {"tensordrill.authoring"}
    assert "random" not in imported, "Python may change what `random` draws; Rng does not"
