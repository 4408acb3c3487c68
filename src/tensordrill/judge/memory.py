"""Memory as a picture: its cells in a row, and under them the entries of each tensor that lie there."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from textwrap import wrap

from tensordrill.judge.showing import cut, number
from tensordrill.judge.values import Items, Scalar, TensorValue, Value

_NAME = 12  # columns of a name to the left of its cells
_INDENT = 2
_MOST_PLACES = 24  # of a walk that is written out


@dataclass(frozen=True)
class Walk:
    """One tensor over a memory. `label` is how it was made; `held` are the memory's first cells, of `size`."""

    label: str
    memory: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    held: tuple[object, ...]
    size: int

    @property
    def name(self) -> str:
        return self.label.partition(" = ")[0]

    @property
    def places(self) -> dict[tuple[int, ...], int]:
        """The cell of each entry, in the order of the entries."""
        return {
            index: self.offset + sum(i * stride for i, stride in zip(index, self.strides, strict=True))
            for index in product(*map(range, self.shape))
        }


def strips(steps: Iterable[tuple[str, Value]], width: int) -> str:
    """A strip for each memory with all tensors that share it. No line is wider than `width`."""
    walks = sorted((walk for label, value in steps if (walk := _walk(label, value))), key=lambda walk: walk.memory)
    groups = [list(group) for _, group in groupby(walks, key=lambda walk: walk.memory)]
    lines: list[str] = []
    for group in groups:
        names = list(dict.fromkeys(walk.name for walk in group))
        together = "Memory" if len(groups) == 1 else "One memory" if group is groups[0] else "Another memory"
        lines.append(cut(f"{together}: {', '.join(names)}", width))
        if group[0].size <= len(group[0].held):
            lines += _strip(group, width)
        lines += _facts(group, width)
    return "\n".join(lines)


def _walk(label: str, value: Value) -> Walk | None:
    match value:
        case Items(
            items=(
                Scalar(value=int() as memory),
                Items() as shape,
                Items() as strides,
                Scalar(value=int() as offset),
                TensorValue() as held,
                Scalar(value=int() as size),
            )
        ):
            return Walk(label, memory, _numbers(shape), _numbers(strides), offset, held.elements, size)
    return None


def _numbers(items: Items) -> tuple[int, ...]:
    return tuple(item.value for item in items.items if isinstance(item, Scalar) and isinstance(item.value, int))


def _strip(group: Sequence[Walk], width: int) -> Iterator[str]:
    """The cells by their places, with what they hold, and under each the index of the entry that lies there."""
    held = group[0].held
    rows = [("place", [str(place) for place in range(len(held))]), ("holds", [number(entry) for entry in held])]
    seen: list[tuple[str, list[str]]] = []
    for walk in group:
        row = (cut(walk.name, _NAME), _entries(walk, len(held)))
        if row not in seen:
            seen.append(row)
    rows += seen
    left = max(len(name) for name, _ in rows)
    cell = max((len(entry) for _, entries in rows for entry in entries), default=0) + 2
    band = max(1, (width - _INDENT - left) // cell)
    for start in range(0, len(held), band):
        for name, entries in rows:
            cells = "".join(entry.rjust(cell) for entry in entries[start : start + band])
            yield f"{'':{_INDENT}}{name:<{left}}{cells}".rstrip()


def _entries(walk: Walk, cells: int) -> list[str]:
    """For each cell the index of the tensor's entry there; `:` where all along an axis are that one cell."""
    found = [""] * cells
    for index, place in walk.places.items():
        told = ",".join(
            ":" if stride == 0 and size > 1 else str(i)
            for i, stride, size in zip(index, walk.strides, walk.shape, strict=True)
        )
        if not found[place]:
            found[place] = told or "it"
        elif found[place] != told and not found[place].endswith("+"):
            found[place] += "+"
    return found


def _facts(group: Sequence[Walk], width: int) -> Iterator[str]:
    """For each tensor its shape, strides and offset, and the cells in the order of its entries."""
    left = max(len(cut(walk.name, _NAME)) for walk in group)
    for walk in group:
        facts = f"{walk.shape}, strides {walk.strides}, offset {walk.offset}, walks {_order(walk)}"
        named = f"{'':{_INDENT}}{cut(walk.name, _NAME):<{left}}  "
        yield from wrap(facts, width, initial_indent=named, subsequent_indent=" " * len(named))


def _order(walk: Walk) -> str:
    """`0 3, 1 4, 2 5`: the places, with a comma between rows."""
    places = list(walk.places.values())
    row = walk.shape[-1] if len(walk.shape) > 1 else len(places)
    if not places:
        return "no cell"
    rows = [" ".join(map(str, places[i : i + row])) for i in range(0, min(len(places), _MOST_PLACES), row)]
    return ", ".join(rows) + ("..." if len(places) > _MOST_PLACES else "")
