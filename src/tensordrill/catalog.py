"""Finds the drills: every `Drill` in a module of `tensordrill.drills` is one."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cached_property
from importlib import import_module
from pathlib import Path

from tensordrill.authoring import Drill
from tensordrill.drill_cache import keep, module_files, recall, stamp
from tensordrill.errors import TensordrillError, UsageError

# The order in which tracks are shown and new drills are offered; a track that is not listed comes after these.
_TRACKS = (
    "einsum", "einops", "shapes", "indexing", "dtypes", "memory", "autograd", "modules", "training", "hooks",
    "transformer", "data", "linalg", "numerics",
)  # fmt: skip


class Catalog(Mapping[str, Drill]):
    """All drills by id: tracks in their order, in each the drills that others build on first, else as they are defined.

    Raises TensordrillError where two drills share an id, or one names a drill that does not exist, or a cycle.
    """

    def __init__(self, found: Iterable[Drill]) -> None:
        self._drills: dict[str, Drill] = {}
        for drill in found:
            if drill.id in self._drills:
                raise TensordrillError(f"Two drills are called {drill.id}.", hint="Rename one of the functions.")
            self._drills[drill.id] = drill
        depths = self._depths()
        ordered = sorted(self._drills.values(), key=lambda drill: (_rank(drill.track), depths[drill.id]))
        self._drills = {drill.id: drill for drill in ordered}

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

    def _depths(self) -> dict[str, int]:
        """How long the longest chain of drills of its own track is that each builds on."""
        depths: dict[str, int] = {}

        def visit(name: str, path: tuple[str, ...]) -> int:
            if name in path:
                raise TensordrillError(f"Drills wait for each other: {' after '.join([*path, name])}.")
            if name not in depths:
                below = [0]
                for earlier in self._drills[name].after:
                    if earlier not in self._drills:
                        raise TensordrillError(
                            f"{name} comes after {earlier}, which does not exist.", hint="`after` takes full ids."
                        )
                    depth = visit(earlier, (*path, name))
                    if self._drills[earlier].track == self._drills[name].track:
                        below.append(depth + 1)
                depths[name] = max(below)
            return depths[name]

        for name in self._drills:
            visit(name, ())
        return depths


def built_in(cache: Path | None = None) -> Catalog:
    """The drills that come with tensordrill. With a cache, a file, modules are imported only as they are needed."""
    files = module_files("tensordrill.drills")
    current = stamp(files.values())
    if cache and (kept := recall(cache, current)) is not None:
        return Catalog(kept)
    found = [
        thing
        for module in map(import_module, files)
        for thing in vars(module).values()
        if isinstance(thing, Drill) and thing.generator.__module__ == module.__name__
    ]
    if cache:
        keep(cache, current, found)
    return Catalog(found)


def _rank(track: str) -> tuple[int, str]:
    return (_TRACKS.index(track) if track in _TRACKS else len(_TRACKS), track)
