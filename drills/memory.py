"""Memory: which tensors share it, and what that does to a write."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tensordrill.authoring import Edit, PredictValue, Rng, drill

Grid = list[int] | list[list[int]]  # for each entry of a tensor of rank 1 or 2, which entry of x it comes from

INDEXED = "An index or a slice gives a view: the same memory from another offset, with other strides."
STRIDED = "It only changes the strides: a view of the same memory."
EVEN = "These entries are evenly spaced in memory, so new strides are enough: a view."
UNEVEN = "In that order the entries are not evenly spaced in memory, so no strides describe them: it has to copy."
GATHERED = "Indexing with a list or a tensor gathers the entries into new memory: a copy."
COMPUTED = "It fills new memory: a copy."
ITSELF = "There is nothing to change, so it returns the same tensor."
DETACHED = "detach() leaves the graph behind, and shares the memory."


@dataclass(frozen=True)
class Step:
    """One way to make a tensor of another: its source, its entries, whether it shares memory, and by which rule."""

    source: str
    grid: Grid
    shares: bool
    rule: str


def columns(rows: list[list[int]]) -> list[list[int]]:
    return [list(column) for column in zip(*rows, strict=True)]


def first_steps(x: str, rows: list[list[int]]) -> list[Step]:
    """What everybody meets in the first week."""
    flat = [place for row in rows for place in row]
    return [
        Step(f"{x}[1]", rows[1], True, INDEXED),
        Step(f"{x}[:, 1]", columns(rows)[1], True, INDEXED),
        Step(f"{x}[1:]", rows[1:], True, INDEXED),
        Step(f"{x}[:, 1:]", [row[1:] for row in rows], True, INDEXED),
        Step(f"{x}[:, :2]", [row[:2] for row in rows], True, INDEXED),
        Step(f"{x}.T", columns(rows), True, STRIDED),
        Step(f"{x}.transpose(0, 1)", columns(rows), True, STRIDED),
        Step(f"{x}.view(-1)", flat, True, STRIDED),
        Step(f"{x}.detach()", rows, True, DETACHED),
        Step(f"{x}.clone()", rows, False, COMPUTED),
        Step(f"{x} + 0", rows, False, COMPUTED),
        Step(f"{x}[[0, 1]]", rows[:2], False, GATHERED),
        Step(f"{x}[[1]]", rows[1:2], False, GATHERED),
        Step(f"{x}[:, [0, 1]]", [row[:2] for row in rows], False, GATHERED),
        Step(f"{x}[:, [1]]", [row[1:2] for row in rows], False, GATHERED),
    ]


def named_steps(x: str, rows: list[list[int]]) -> list[Step]:
    """Methods whose names do not say whether they copy."""
    return [
        Step(f"{x}.permute(1, 0)", columns(rows), True, STRIDED),
        Step(f"{x}.movedim(0, 1)", columns(rows), True, STRIDED),
        Step(f"{x}.narrow(1, 0, 2)", [row[:2] for row in rows], True, INDEXED),
        Step(f"{x}.select(1, 1)", columns(rows)[1], True, INDEXED),
        Step(f"{x}.unbind(1)[1]", columns(rows)[1], True, "unbind gives a view of each slice."),
        Step(f"{x}.split(1)[1]", rows[1:2], True, "split and chunk give views of the pieces."),
        Step(f"{x}.chunk(2, dim=1)[0]", [row[: (len(row) + 1) // 2] for row in rows], True, "split and chunk give views."),
        Step(f"{x}.diagonal()", [rows[0][0], rows[1][1]], True, "diagonal gives a view: its stride is a row and a column."),
        Step(f"{x}.detach()", rows, True, DETACHED),
        Step(f"{x}.to(torch.int64)", rows, True, ITSELF),
        Step(f"{x}.index_select(0, torch.tensor([1]))", rows[1:2], False, GATHERED),
        Step(f"{x}[torch.tensor([0, 1])]", rows[:2], False, GATHERED),
        Step(f"{x}[:, [0, 1]]", [row[:2] for row in rows], False, GATHERED),
        Step(f"{x}.flip(0)", rows[::-1], False, "Strides cannot be negative in torch, so flip copies."),
        Step(f"{x}.roll(1, 0)", [rows[-1], *rows[:-1]], False, COMPUTED),
        Step(f"torch.stack([{x}[1], {x}[0]])", rows[1::-1], False, "stack and cat fill new memory: a copy."),
        Step(f"torch.cat([{x}[1:], {x}[:1]])", [*rows[1:], rows[0]], False, "stack and cat fill new memory: a copy."),
        Step(f"{x}.to(torch.float64)", rows, False, "Another dtype needs new memory: a copy."),
        Step(f"{x}.repeat(1, 1)", rows, False, "repeat always copies; expand does not."),
    ]


def layout_steps(x: str, rows: list[list[int]]) -> list[Step]:
    """A view or a copy, whichever the layout of x in memory allows."""
    flat = [place for row in rows for place in row]
    gaps = {after - before for before, after in pairwise(flat)}
    shares, rule = len(gaps) <= 1, EVEN if len(gaps) <= 1 else UNEVEN
    whole = gaps <= {1}
    return [
        *(Step(f"{x}.{call}", flat, shares, rule) for call in ("reshape(-1)", "flatten()", "ravel()")),
        Step(f"{x}.contiguous()", rows, whole, ITSELF if whole else "It was not contiguous, so contiguous() has to copy."),
    ]


def flat_steps(x: str, places: list[int]) -> list[Step]:
    """From rank 1."""
    listed = [0, len(places) - 1]
    return [
        Step(f"{x}[1:]", places[1:], True, INDEXED),
        Step(f"{x}[:2]", places[:2], True, INDEXED),
        Step(f"{x}[::2]", places[::2], True, INDEXED),
        Step(f"{x}.detach()", places, True, DETACHED),
        Step(f"{x}.unsqueeze(1)", [[place] for place in places], True, STRIDED),
        Step(f"{x}[{listed}]", [places[i] for i in listed], False, GATHERED),
        Step(f"{x}.clone()", places, False, COMPUTED),
        Step(f"{x} * 1", places, False, COMPUTED),
        Step(f"{x}.flip(0)", places[::-1], False, REVERSED),
    ]


def later_steps(x: str, grid: Grid, *, in_place: bool) -> list[Step]:
    """From a tensor that was made of x; `in_place` where it is still in x's memory, so that its layout is known."""
    rows = [row for row in grid if isinstance(row, list)]
    if not rows:
        return flat_steps(x, [place for place in grid if isinstance(place, int)])
    steps = [step for step in first_steps(x, rows) if ".view" not in step.source] if min(len(rows), len(rows[0])) > 1 else []
    return steps + (layout_steps(x, rows) if in_place else [])


def stretching_steps(x: str, places: list[int], rows: int) -> list[Step]:
    """From rank 1 to rows that are all alike."""
    grid, n = [places] * rows, len(places)
    expanded = "expand and broadcast_to give a view whose new axis has stride 0: every row is the same memory."
    return [
        Step(f"{x}.expand({rows}, {n})", grid, True, expanded),
        Step(f"{x}.expand({rows}, -1)", grid, True, expanded),
        Step(f"{x}.broadcast_to({rows}, {n})", grid, True, expanded),
        Step(f"{x}.repeat({rows}, 1)", grid, False, "repeat and tile copy; expand does not."),
        Step(f"{x}.tile({rows}, 1)", grid, False, "repeat and tile copy; expand does not."),
        Step(f"torch.stack([{', '.join([x] * rows)}])", grid, False, STACKED),
    ]


def indices(grid: Grid) -> dict[str, int]:
    """`{"0, 1": place}` for each entry."""
    found = {}
    for i, item in enumerate(grid):
        if isinstance(item, list):
            found |= {f"{i}, {j}": place for j, place in enumerate(item)}
        else:
            found[str(i)] = item
    return found


def write(rng: Rng, name: str, grid: Grid, seen: Grid) -> tuple[str, str, set[int]]:
    """A line that writes to the tensor, what it does to an entry (` = 50`), and to which; one at least is in `seen`."""
    where, common = indices(grid), set(indices(seen).values())
    kind = rng.integer(1, 5)
    if kind == 1:
        method, effect = rng.pick([("zero_()", " = 0"), ("fill_(50)", " = 50"), ("add_(10)", " += 10"), ("mul_(10)", " *= 10")])
        return f"{name}.{method}", effect, set(where.values())
    effect = rng.pick([" = 50", " = 0", " = -1", " += 10"])
    rows = [(i, row) for i, row in enumerate(grid) if isinstance(row, list) and common & set(row)]
    if kind == 2 and rows:  # noqa: PLR2004
        i, row = rng.pick(rows)
        return f"{name}[{i}]{effect}", effect, set(row)
    at = rng.pick([at for at, place in where.items() if place in common])
    return f"{name}[{at}]{effect}", effect, {where[at]}


def question(rng: Rng, x: list[int] | list[list[int]], steps: Sequence[Step], written: int, asked: int, *, inline: bool = False) -> PredictValue:
    """One tensor is written to, another is asked for; 0 is x, 1 what the first step makes of it, and so on.

    With `inline`, the one that is written to has no name.
    """
    ...
