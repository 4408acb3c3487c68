"""Memory: which tensors share it, and what that does to a write."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tensordrill.authoring import Edit, PredictValue, Rng, drill

Grid = list[int] | list[list[int]]  # for each entry of a tensor of rank 1 or 2, which entry of x it comes from

INDEXED = "is a view: an index or a slice is the same memory from another offset, with other strides."
STRIDED = "is a view: other strides over the same memory."
PIECES = "is a view: the pieces are slices of the same memory."
EVEN = "is a view: in that order the entries are evenly spaced in memory, so new strides are enough."
UNEVEN = "is a copy: in that order the entries are not evenly spaced in memory, so no strides can describe them."
EXPANDED = "is a view: the new axis has stride 0, so every row is the same memory."
DETACHED = "is a view: detach leaves the graph behind, not the memory."
ITSELF = "is the same tensor: there was nothing to change, so nothing is copied."
GATHERED = "is a copy: a list or a tensor as an index gathers entries into new memory."
COMPUTED = "is a copy: it is computed into new memory."
REVERSED = "is a copy: strides cannot be negative in torch."
JOINED = "is a copy: stack and cat write into new memory."
REPEATED = "is a copy: repeat and tile write into new memory; expand would be the view."
ASSIGNED = "on the left of an assignment is no copy: Python calls x.__setitem__, which writes into x."


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
    """From rank 2, what everybody meets in the first week."""
    return [
        Step(f"{x}[1]", rows[1], True, INDEXED),
        Step(f"{x}[:, 1]", columns(rows)[1], True, INDEXED),
        Step(f"{x}[1:]", rows[1:], True, INDEXED),
        Step(f"{x}[:, 1:]", [row[1:] for row in rows], True, INDEXED),
        Step(f"{x}[:, :2]", [row[:2] for row in rows], True, INDEXED),
        Step(f"{x}.T", columns(rows), True, STRIDED),
        Step(f"{x}.transpose(0, 1)", columns(rows), True, STRIDED),
        Step(f"{x}.detach()", rows, True, DETACHED),
        Step(f"{x}.clone()", rows, False, COMPUTED),
        Step(f"{x} + 0", rows, False, COMPUTED),
        Step(f"{x}[[0, 1]]", rows[:2], False, GATHERED),
        Step(f"{x}[[1]]", rows[1:2], False, GATHERED),
        Step(f"{x}[:, [0, 1]]", [row[:2] for row in rows], False, GATHERED),
        Step(f"{x}[:, [1]]", [row[1:2] for row in rows], False, GATHERED),
    ]


def named_steps(x: str, rows: list[list[int]]) -> list[Step]:
    """From a contiguous int64 tensor of rank 2: calls whose names do not say whether they copy."""
    flat = [place for row in rows for place in row]
    return [
        Step(f"{x}.view(-1)", flat, True, STRIDED),
        Step(f"{x}.permute(1, 0)", columns(rows), True, STRIDED),
        Step(f"{x}.movedim(0, 1)", columns(rows), True, STRIDED),
        Step(f"{x}.narrow(1, 0, 2)", [row[:2] for row in rows], True, INDEXED),
        Step(f"{x}.select(1, 1)", columns(rows)[1], True, INDEXED),
        Step(f"{x}.unbind(1)[1]", columns(rows)[1], True, PIECES),
        Step(f"{x}.split(1)[1]", rows[1:2], True, PIECES),
        Step(f"{x}.chunk(2, dim=1)[0]", [row[: (len(row) + 1) // 2] for row in rows], True, PIECES),
        Step(f"{x}.diagonal()", [rows[0][0], rows[1][1]], True, STRIDED),
        Step(f"{x}.to(torch.int64)", rows, True, ITSELF),
        Step(f"{x}.to(torch.float64)", rows, False, "is a copy: another dtype needs other memory."),
        Step(f"{x}.index_select(0, torch.tensor([1]))", rows[1:2], False, GATHERED),
        Step(f"{x}[torch.tensor([0, 1])]", rows[:2], False, GATHERED),
        Step(f"{x}.flip(0)", rows[::-1], False, REVERSED),
        Step(f"{x}.roll(1, 0)", [rows[-1], *rows[:-1]], False, COMPUTED),
        Step(f"torch.stack([{x}[1], {x}[0]])", rows[1::-1], False, JOINED),
        Step(f"torch.cat([{x}[1:], {x}[:1]])", [*rows[1:], rows[0]], False, JOINED),
        Step(f"{x}.repeat(1, 1)", rows, False, REPEATED),
    ]


def layout_steps(x: str, rows: list[list[int]]) -> list[Step]:
    """From rank 2, a view or a copy, whichever the layout in memory allows."""
    flat = [place for row in rows for place in row]
    gaps = {after - before for before, after in pairwise(flat)}
    even, contiguous = len(gaps) <= 1, gaps <= {1}
    return [
        *(Step(f"{x}.{call}", flat, even, EVEN if even else UNEVEN) for call in ("reshape(-1)", "flatten()", "ravel()")),
        Step(f"{x}.contiguous()", rows, contiguous, ITSELF if contiguous else UNEVEN),
    ]


def flat_steps(x: str, places: list[int]) -> list[Step]:
    """From rank 1."""
    ends = [0, len(places) - 1]
    return [
        Step(f"{x}[1:]", places[1:], True, INDEXED),
        Step(f"{x}[:2]", places[:2], True, INDEXED),
        Step(f"{x}[::2]", places[::2], True, INDEXED),
        Step(f"{x}.detach()", places, True, DETACHED),
        Step(f"{x}.unsqueeze(1)", [[place] for place in places], True, STRIDED),
        Step(f"{x}[{ends}]", [places[i] for i in ends], False, GATHERED),
        Step(f"{x}.clone()", places, False, COMPUTED),
        Step(f"{x} * 1", places, False, COMPUTED),
        Step(f"{x}.flip(0)", places[::-1], False, REVERSED),
    ]


def stretching_steps(x: str, places: list[int], rows: int) -> list[Step]:
    """From rank 1 to rows that are all alike."""
    grid = [places] * rows
    return [
        Step(f"{x}.expand({rows}, {len(places)})", grid, True, EXPANDED),
        Step(f"{x}.expand({rows}, -1)", grid, True, EXPANDED),
        Step(f"{x}.broadcast_to({rows}, {len(places)})", grid, True, EXPANDED),
        Step(f"{x}.repeat({rows}, 1)", grid, False, REPEATED),
        Step(f"{x}.tile({rows}, 1)", grid, False, REPEATED),
        Step(f"torch.stack([{', '.join([x] * rows)}])", grid, False, JOINED),
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


@dataclass(frozen=True)
class Write:
    """A line that writes to a tensor, the entries that it hits, what it does to each, and its index where it hits one."""

    line: str
    hits: set[int]
    effect: str
    index: str = ""


def written(rng: Rng, name: str, grid: Grid, seen: Grid) -> Write:
    """A write to the tensor that hits one entry of `seen` at least."""
    where, common = indices(grid), set(indices(seen).values())
    kind = rng.integer(1, 5)
    if kind == 1:
        method, effect = rng.pick([("zero_()", " = 0"), ("fill_(50)", " = 50"), ("add_(10)", " += 10")])
        return Write(f"{name}.{method}", set(where.values()), effect)
    effect = rng.pick([" = 50", " = 0", " = -1", " += 10"])
    rows = [(i, row) for i, row in enumerate(grid) if isinstance(row, list) and common & set(row)]
    if rows and kind in (2, 3):
        i, row = rng.pick(rows)
        return Write(f"{name}[{i}]{effect}", set(row), effect)
    index = rng.pick([index for index, place in where.items() if place in common])
    return Write(f"{name}[{index}]{effect}", {where[index]}, effect, index)


def question(
    rng: Rng, x: Sequence[object], grid: Grid, steps: Sequence[Step], *, write: int, ask: int, named: bool = True
) -> PredictValue:
    """Writes to one tensor and asks for another: 0 is x, 1 what the first step makes of it, and so on.

    Without `named`, the one that is written to is the last step's expression itself.
    """
    names, grids = ["x", *name_of(steps)], [grid, *(step.grid for step in steps)]
    lines = [f"{name} = {step.source}" for name, step in zip(names[1:], steps, strict=True)]
    done = written(rng, names[write] if named else steps[-1].source, grids[write], grids[ask])
    between = steps[min(write, ask) : max(write, ask)]
    asked, reached = names[ask], indices(grids[ask])
    hits = [index for index, place in reached.items() if place in done.hits]
    wrong = []
    if copy := next((step for step in between if not step.shares), None):
        both = "; ".join([done.line, *(f"{asked}[{index}]{done.effect}" for index in hits)])
        wrong.append(Edit("copy-taken-for-view", done.line, both, f"{copy.source} {copy.rule}"))
    else:
        view = rng.pick(between)
        at = steps.index(view)
        old, new = (lines[at], f"{lines[at]}.clone()") if named else (view.source, f"{view.source}.clone()")
        wrong.append(Edit("view-taken-for-copy", old, new, f"{view.source} {view.rule}"))
        if done.index and reached.get(done.index, done.hits) not in (done.hits, *done.hits):
            wrong.append(
                Edit("same-index", done.line, f"{asked}[{done.index}]{done.effect}", "They share memory, but the same "
                     f"index is another entry: [{done.index}] of the one is [{hits[0]}] of {asked}.")
            )  # fmt: skip
    return predicted([f"x = torch.tensor({x})", *(lines if named else lines[:-1]), done.line], asked, wrong)


def name_of(steps: Sequence[Step]) -> list[str]:
    return ["y"] if len(steps) == 1 else ["a", "b", "c"][: len(steps)]
