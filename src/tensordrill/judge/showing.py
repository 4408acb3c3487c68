"""Values as text: for feedback, and as answers that a learner could have typed."""

from collections.abc import Iterator, Sequence

from tensordrill.judge.comparing import Difference, flat
from tensordrill.judge.values import Items, Observed, Other, Scalar, TensorValue, Value

LONGEST = 2_000
_FEW = 36  # entries that a person takes in as a grid
_FEW_FRACTIONS = 12  # of them, where they are not whole numbers
_DIGITS = 6  # of a number, where nothing asks for more
_SOME = 6  # cells that are listed one by one


def show(observed: Observed, where: str = "") -> str:
    """The observation called `where`, or the first, or the error; at most 2,000 characters."""
    if observed.raised:
        return printable(f"{observed.raised.type}: {observed.raised.message}")[:LONGEST]
    if not observed.values:
        return "nothing"
    root = where.partition("[")[0]
    value = next((value for name, value in observed.values if name == root), observed.values[0][1])
    return show_value(value)


def show_cells(
    expected: Observed, got: Observed, difference: Difference, axes: Sequence[str] | None = None
) -> tuple[str, str]:
    """What was expected and what came: whole where they are small, only cells that differ where they are large.

    A cell of `got` that differs is marked with a star. `axes` are the names of the result's axes, where it has names.
    """
    one, other = difference.expected, difference.got
    if (
        isinstance(one, TensorValue)
        and isinstance(other, TensorValue)
        and difference.cells
        and len(one.elements) > (_FEW if _whole(one) and _whole(other) else _FEW_FRACTIONS)
    ):
        places = sorted(difference.cells)[:_SOME]
        rows = [(index_of(place, one.shape, axes), one.elements[place], other.elements[place]) for place in places]
        more = f"\n... and {len(difference.cells) - _SOME} more" if len(difference.cells) > _SOME else ""
        left = "\n".join(f"{index}: {number(value)}" for index, value, _ in rows)
        right = "\n".join(f"{index}: {number(value)}*" for index, _, value in rows)
        return left + more, right + more
    if one is not None and other is not None and not expected.raised and not got.raised:
        digits = _digits(one, other, difference.cells)
        return show_value(one, axes=axes, digits=digits), show_value(other, difference.cells, axes, digits)
    return show(expected, difference.where), show(got, difference.where)


def show_said(expected: Observed, said: Value, difference: Difference) -> tuple[str, str]:
    """What a program gave, and what was said that it gives, in one form: grids without a word of their shapes."""
    one, other = difference.expected, said
    if isinstance(one, TensorValue):
        shape, entries = flat(said)
        if shape is not None and all(isinstance(entry, int | float | complex) for entry in entries):
            other = TensorValue(one.dtype, shape, tuple(entries))  # type: ignore[arg-type]
        return _bare(one), _bare(other, difference.cells)
    return show(expected, difference.where), show_value(said, difference.cells)


def _bare(value: Value, cells: frozenset[int] = frozenset()) -> str:
    text = nested(value, cells) if isinstance(value, TensorValue) else show_value(value, cells)
    return printable(text)[:LONGEST]


def index_of(place: int, shape: tuple[int, ...], axes: Sequence[str] | None = None) -> str:
    """`[0, 2, 1]`, or with names `[head 0, query 2, key 1]`: the index of the entry at that place in row-major order.

    Names that are not as many as the axes say nothing.
    """
    index: list[int] = []
    for size in reversed(shape):
        place, at = divmod(place, size)
        index.insert(0, at)
    return f"[{named(index, axes) or ', '.join(map(str, index))}]"


def named(numbers: Sequence[int], axes: Sequence[str] | None) -> str:
    """`batch 3, head 2`; nothing where there is not a name for each number."""
    if axes is None or len(axes) != len(numbers) or "..." in axes:
        return ""
    return ", ".join(f"{axis} {number}" for axis, number in zip(axes, numbers, strict=True))


def show_value(
    value: Value, cells: frozenset[int] = frozenset(), axes: Sequence[str] | None = None, digits: int = _DIGITS
) -> str:
    """A tensor as nested lists under its shape; anything else as Python prints it; at most 2,000 characters.

    `cells` are marked with a star; `axes` name the sizes of a tensor's shape.
    """
    match value:
        case TensorValue():
            text = nested(value, cells, digits)
            if value.shape:
                kind = "" if value.kind == "tensor" else " array"
                names = named(value.shape, axes)
                text = f"shape {f'({names})' if names else value.shape}{kind}\n{text}"
        case Items(kind="dict"):
            pairs = zip(value.keys, value.items, strict=True)
            text = "{" + ", ".join(f"{key}: {show_value(item)}" for key, item in pairs) + "}"
        case Items():
            text = ", ".join(_marked_items(value, cells))
            text = f"[{text}]" if value.kind == "list" else f"({text},)" if len(value.items) == 1 else f"({text})"
        case Scalar():
            text = (number(value.value) if isinstance(value.value, float) else str(value.value)) + "*" * (0 in cells)
        case Other():
            text = f"<{value.kind}>"
    return printable(text)[:LONGEST]


def _marked_items(items: Items, cells: frozenset[int]) -> Iterator[str]:
    """Each item as text. `cells` count the numbers in all of them, nested ones in order."""
    start = 0
    for item in items.items:
        count = _entries(item)
        yield show_value(item, frozenset(cell - start for cell in cells if start <= cell < start + count))
        start += count


def _entries(value: Value) -> int:
    match value:
        case TensorValue():
            return len(value.elements)
        case Items():
            return sum(map(_entries, value.items))
    return 1


def as_answer(observed: Observed) -> str:
    """What a learner would type to predict this: `(2, 3)`, `[1, 2.5]`, `True`, `error`."""
    if observed.raised:
        return "error"
    [(_, value)] = observed.values
    return _literal(value)


def _literal(value: Value) -> str:
    match value:
        case TensorValue():
            return _nest(value.shape, map(number, value.elements), ", ")
        case Items():
            inner = ", ".join(_literal(item) for item in value.items)
            return f"[{inner}]" if value.kind == "list" else f"({inner},)" if len(value.items) == 1 else f"({inner})"
        case Scalar():
            return number(value.value)
        case Other():
            return f"<{value.kind}>"


def nested(value: TensorValue, cells: frozenset[int] = frozenset(), digits: int = _DIGITS) -> str:
    """The entries of a tensor as nested lists, a row to a line, columns aligned; cut off where there are many."""
    marked = [number(e, digits) + "*" * (i in cells) for i, e in enumerate(value.elements)]
    if len(value.elements) > _FEW:
        entries = ", ".join(marked[:_FEW])
        return f"[{entries}, ...] ({len(value.elements)} entries)"
    if len(value.shape) < 2:  # noqa: PLR2004 -- a vector needs no alignment
        return _nest(value.shape, iter(marked), ", ")
    width = max(map(len, marked), default=0)
    return _nest(value.shape, (entry.rjust(width) for entry in marked), ",\n")


def _nest(shape: tuple[int, ...], entries: Iterator[str], between: str, depth: int = 1) -> str:
    if not shape:
        return next(entries)
    parts = [_nest(shape[1:], entries, between, depth + 1) for _ in range(shape[0])]
    glue = between + " " * depth if len(shape) > 1 and "\n" in between else ", "
    return "[" + glue.join(parts) + "]"


def _whole(value: TensorValue) -> bool:
    return all(not isinstance(entry, float) or entry.is_integer() for entry in value.elements)


def _digits(one: Value, other: Value, cells: frozenset[int]) -> int:
    """As few digits as tell apart all cells that differ."""
    if not isinstance(one, TensorValue) or not isinstance(other, TensorValue):
        return _DIGITS
    pairs = [(one.elements[i], other.elements[i]) for i in cells]
    few = (4, _DIGITS, 9)
    return next((n for n in few if all(number(e, n) != number(g, n) for e, g in pairs)), 17)


def number(value: object, digits: int = _DIGITS) -> str:
    """A number to that many digits, without a needless `.0`."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.{digits}g}"  # noqa: PLR2004
    return str(value)


def printable(text: str) -> str:
    """The text without control characters (a terminal would obey them) but newlines."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def cut(label: str, columns: int) -> str:
    """The label in that many columns, with dots where something is left out."""
    return label if len(label) <= columns else f"{label[: columns - 3]}..."
