"""Finds the drills: every module of `tensordrill.drills` is a track, every `Drill` in it a drill."""

import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cached_property
from importlib import import_module

from tensordrill.authoring import Drill
from tensordrill.errors import TensordrillError, UsageError

# The order in which tracks are shown and new drills are offered; a track that is not listed comes after these.
_TRACKS = (
    "einsum", "einops", "shapes", "indexing", "dtypes", "memory", "autograd", "modules", "training", "hooks",
    "transformer", "data", "linalg", "numerics",
)  # fmt: skip


class Catalog(Mapping[str, Drill]):
    """All drills by id, tracks in their order, drills as their modules define them.

    Raises TensordrillError where two drills share an id, or one names a drill that does not exist, or a cycle.
    """

    def __init__(self, found: Iterable[Drill]) -> None:
        self._drills: dict[str, Drill] = {}
        for drill in sorted(found, key=lambda drill: _rank(drill.track)):
            if drill.id in self._drills:
                raise TensordrillError(f"Two drills are called {drill.id}.", hint="Rename one of the functions.")
            self._drills[drill.id] = drill
        self._check_order()

    def __getitem__(self, name: str) -> Drill:
        return self._drills[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._drills)

    def __len__(self) -> int:
        return len(self._drills)

    @cached_property
    def tracks(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(drill.track for drill in self.values()))

    @cached_property
    def after(self) -> dict[str, tuple[str, ...]]:
        """For each drill, those to learn before it."""
        return {drill.id: drill.after for drill in self.values()}

    def find(self, name: str) -> Drill:
        """The drill of that id. Raises UsageError that suggests the nearest."""
        wanted = name.strip().lower().replace("_", "-")
        if wanted in self._drills:
            return self._drills[wanted]
        raise UsageError(f"There is no drill {name!r}.", hint=self._suggestion(wanted, list(self._drills)))

    def select(self, names: Iterable[str]) -> list[Drill]:
        """The drills of those tracks and ids, in the catalog's order; all of them where no name is given."""
        wanted = [name.strip().lower().replace("_", "-") for name in names]
        for name in wanted:
            if name not in self._drills and name not in self.tracks:
                raise UsageError(
                    f"There is no track or drill {name!r}.",
                    hint=self._suggestion(name, [*self.tracks, *self._drills]),
                )
        return [drill for drill in self.values() if not wanted or drill.id in wanted or drill.track in wanted]

    def _suggestion(self, name: str, known: list[str]) -> str:
        by_short_name = [drill for drill in self._drills if drill.partition(".")[2] == name.rpartition(".")[2]]
        if near := by_short_name or get_close_matches(name, known, n=3, cutoff=0.5):
            return f"Did you mean {' or '.join(near)}?"
        return "`tensordrill drills` lists them all."

    def _check_order(self) -> None:
        done: set[str] = set()

        def visit(name: str, path: tuple[str, ...]) -> None:
            if name in path:
                raise TensordrillError(f"Drills wait for each other: {' after '.join([*path, name])}.")
            if name in done:
                return
            for earlier in self._drills[name].after:
                if earlier not in self._drills:
                    raise TensordrillError(
                        f"{name} comes after {earlier}, which does not exist.", hint="`after` takes full ids."
                    )
                visit(earlier, (*path, name))
            done.add(name)

        for name in self._drills:
            visit(name, ())


def built_in() -> Catalog:
    """The drills that come with tensordrill."""
    package = import_module("tensordrill.drills")
    modules = [import_module(f"{package.__name__}.{info.name}") for info in pkgutil.iter_modules(package.__path__)]
    return Catalog(thing for module in modules for thing in vars(module).values() if isinstance(thing, Drill))


def _rank(track: str) -> tuple[int, str]:
    return (_TRACKS.index(track) if track in _TRACKS else len(_TRACKS), track)
