"""Memory: which tensors share it, and what that does to a write."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tensordrill.authoring import Edit, PredictValue, Rng, drill

Grid = Sequence[int | list[int]]  # for each entry of a tensor of rank 1 or 2, which entry of x it comes from

INDEXED = "is a view: an index or a slice is the same memory from another offset, with other strides."
STRIDED = "is a view: other strides over the same memory."
PIECES = "is a view: the pieces are slices of the same memory."
EVEN = "is a view: in that order the entries are evenly spaced in memory, so new strides are enough."
UNEVEN = "is a copy: in that order the entries are not evenly spaced in memory, so no strides can describe them."
SPREAD = "is a copy: in that order the entries do not lie next to each other in memory, and contiguous makes them."
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
        *(Step(f"{x}.{call}", flat, even, EVEN if even else UNEVEN) for call in ("reshape(-1)", "flatten()")),
        Step(f"{x}.contiguous()", rows, contiguous, ITSELF if contiguous else SPREAD),
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


def later_steps(x: str, grid: Grid, *, in_place: bool) -> list[Step]:
    """From a tensor that was made of x: `in_place` while it is in x's memory, so that its layout there is known."""
    if not (rows := [row for row in grid if isinstance(row, list)]):
        return flat_steps(x, [place for place in grid if isinstance(place, int)])
    steps = first_steps(x, rows) if min(len(rows), len(rows[0])) > 1 else []
    return steps + (layout_steps(x, rows) if in_place else [])


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
    found: dict[str, int] = {}
    for i, item in enumerate(grid):
        if isinstance(item, list):
            found |= {f"{i}, {j}": place for j, place in enumerate(item)}
        else:
            found[str(i)] = item
    return found


@dataclass(frozen=True)
class Write:
    """A line that writes to a tensor: which entries it hits, what it does to each, and its index where it hits one."""

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
    if rows and kind == 2:  # noqa: PLR2004
        i, row = rng.pick(rows)
        return Write(f"{name}[{i}]{effect}", set(row), effect)
    index = rng.pick([index for index, place in where.items() if place in common])
    return Write(f"{name}[{index}]{effect}", {where[index]}, effect, index)


def question(
    rng: Rng, x: Sequence[object], grid: Grid, steps: Sequence[Step], *, write: int, ask: int, inline: bool = False
) -> PredictValue:
    """Writes to one tensor and asks for another: 0 is x, 1 what the first step makes of it, and so on.

    With `inline`, the one that is written to is the last, and has no name.
    """
    grids = [grid, *(step.grid for step in steps)]
    names = ["x", "y"] if len(steps) == 1 else ["x", "a", "b", "c"]
    lines = [f"{name} = {step.source}" for name, step in zip(names[1:], steps, strict=False)]
    done = written(rng, steps[-1].source if inline else names[write], grids[write], grids[ask])
    between = steps[min(write, ask) : max(write, ask)]
    asked, reached = names[ask], indices(grids[ask])
    hits = [index for index, place in reached.items() if place in done.hits]
    if copy := next((step for step in between if not step.shares), None):
        both = "; ".join([done.line, *(f"{asked}[{index}]{done.effect}" for index in hits)])
        wrong = [Edit("copy-taken-for-view", done.line, both, f"{copy.source} {copy.rule}")]
    else:
        view = rng.pick(between)
        taken = view.source if inline else lines[steps.index(view)]
        wrong = [Edit("view-taken-for-copy", taken, f"{taken}.clone()", f"{view.source} {view.rule}")]
        if done.index in reached and done.index not in hits:
            because = f"The memory is shared, but [{done.index}] of the one is not [{done.index}] of the other."
            wrong.append(Edit("same-index", done.line, f"{asked}[{done.index}]{done.effect}", because))
    told = (
        f"`y` is made of `x`, and then one of the two is written to. What is `{asked}` now?" if rng.level == 1 else ""
    )
    return predicted([f"x = torch.tensor({x})", *(lines[:-1] if inline else lines), done.line], asked, wrong, told)


def predicted(lines: Sequence[str], ask: str, wrong: Sequence[Edit], prompt: str = "") -> PredictValue:
    return PredictValue(
        prompt=prompt,
        program="\n".join(lines),
        ask=ask,
        memory=True,
        wrong=wrong,
        hints=[
            f"Does the last line write into memory that {ask} reads?",
            "A view is an offset and strides over the same memory. Which lines can be done with those alone?",
        ],
        why="What offset and strides can describe is a view: indexing with ints and slices, transposing, expanding, "
        "splitting. reshape, flatten and contiguous give a view where they can, and copy where they cannot. Indexing "
        "with a list, a tensor or a mask copies when read (and writes into the tensor when assigned to), and so does "
        "everything that computes.",
    )


def assigned(rng: Rng, values: list[list[int]]) -> PredictValue:
    """The index that would copy when read stands on the left of an assignment."""
    middle = sorted(value for row in values for value in row)[2]
    target = f"x[{rng.pick(['[0, 1]', '[1]', ':, [0, 1]', 'torch.tensor([1])', f'x > {middle}', f'x < {middle}'])}]"
    line = target + rng.pick([" = 50", " = 0", " += 10"])
    wrong = Edit("write-taken-for-copy", line, f"y = {target}", f"{target} {ASSIGNED}")
    return predicted([f"x = torch.tensor({values})", line], "x", [wrong])


def masked(rng: Rng, values: list[list[int]]) -> PredictValue:
    """A mask copies what it selects."""
    mask = f"x {rng.pick('<>')} {sorted(value for row in values for value in row)[2]}"
    target = rng.pick([f"x[{mask}]", f"x.masked_select({mask})"])
    line, effect = rng.pick([("y.zero_()", " = 0"), ("y.fill_(50)", " = 50"), ("y += 10", " += 10")])
    because = f"{target} is a copy: a mask gathers the entries that it selects into new memory."
    wrong = Edit("copy-taken-for-view", line, f"x[{mask}]{effect}", because)
    return predicted([f"x = torch.tensor({values})", f"y = {target}", line], "x", [wrong])


def chained(rng: Rng, values: list[list[int]], grid: list[list[int]]) -> PredictValue:
    """Two or three steps, each from what the one before made, either all views or with a copy among them."""
    count = rng.integer(2, 3)
    copy_at = rng.integer(0, count - 1) if rng.chance(0.6) else count
    first = first_steps("x", grid) + named_steps("x", grid)
    options = [step for step in first if len(indices(step.grid)) > 2 and "float64" not in step.source]  # noqa: PLR2004
    steps: list[Step] = []
    for i, name in enumerate(["a", "b", "c"][:count]):
        if options := [step for step in options if step.shares == (i != copy_at)]:
            steps.append(rng.pick(options))
            options = later_steps(name, steps[-1].grid, in_place=all(step.shares for step in steps))
    last = len(steps)
    write, ask = rng.pick([(last, 0), (last, 0), (last, 0), (0, last), (0, last), (last, last - 1)])
    return question(rng, values, grid, steps, write=write, ask=ask)


def by_layout(grid: list[list[int]]) -> list[Step]:
    """What reshape and its kin make of x and of views of it."""
    views = {"x": grid, "x.T": columns(grid), "x[1:]": grid[1:], "x[:, 1:]": [row[1:] for row in grid]}
    return [step for source, rows in views.items() for step in layout_steps(source, rows)]


def balanced(rng: Rng, steps: Sequence[Step]) -> Step:
    """A view or a copy, the one as often as the other."""
    shares = rng.chance()
    return rng.pick([step for step in steps if step.shares == shares])


@drill(levels=3, arena="0.0", structures=(300, 450, 800))
def view_or_copy(rng: Rng) -> PredictValue:
    """View or copy."""
    width = rng.pick([2, 3])
    numbers = rng.distinct(6, 1, 9)
    values = [numbers[i : i + width] for i in range(0, 6, width)]
    grid = [list(range(i, i + width)) for i in range(0, 6, width)]
    if rng.level > 2:  # noqa: PLR2004
        return chained(rng, values, grid)
    kind = "first"
    if rng.level == 2:  # noqa: PLR2004
        kind = rng.pick(["named", "named", "named", "layout", "layout", "unnamed", "stretched", "masked", "assigned"])
    write, ask = (1, 0) if rng.chance(0.7) else (0, 1)
    match kind:
        case "first":
            step = balanced(rng, first_steps("x", grid))
        case "named":
            step = balanced(rng, named_steps("x", grid))
        case "layout":
            step = balanced(rng, by_layout(grid))
        case "unnamed":
            steps = [step for step in first_steps("x", grid) if " + " not in step.source]
            return question(rng, values, grid, [balanced(rng, steps + by_layout(grid))], write=1, ask=0, inline=True)
        case "stretched":
            row = list(range(width))
            step = balanced(rng, stretching_steps("x", row, 6 // width))
            return question(rng, numbers[:width], row, [step], write=0, ask=1)
        case "masked":
            return masked(rng, values)
        case _:
            return assigned(rng, values)
    return question(rng, values, grid, [step], write=write, ask=ask)
