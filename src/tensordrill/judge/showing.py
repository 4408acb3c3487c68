"""Values as text: for feedback, and as answers that a learner could have typed."""

from collections.abc import Callable, Iterator

from tensordrill.judge.values import Items, Observed, Other, Scalar, TensorValue, Value

LONGEST = 2_000
_FEW = 64


def show(observed: Observed, where: str = "") -> str:
    """The observation called `where`, or the first, or the error; at most 2,000 characters."""
    if observed.raised:
        return printable(f"{observed.raised.type}: {observed.raised.message}")[:LONGEST]
    if not observed.values:
        return "nothing"
    root = where.partition("[")[0]
    value = next((value for name, value in observed.values if name == root), observed.values[0][1])
    return show_value(value)


def show_value(value: Value) -> str:
    """A tensor as nested lists under its shape; anything else as Python prints it; at most 2,000 characters."""
    match value:
        case TensorValue():
            text = nested(value)
            if value.shape:
                kind = "" if value.kind == "tensor" else " array"
                text = f"shape {value.shape}{kind}\n{text}"
        case Items(kind="dict"):
            pairs = zip(value.keys, value.items, strict=True)
            text = "{" + ", ".join(f"{key}: {show_value(item)}" for key, item in pairs) + "}"
        case Items():
            text = ", ".join(show_value(item) for item in value.items)
            text = f"[{text}]" if value.kind == "list" else f"({text},)" if len(value.items) == 1 else f"({text})"
        case Scalar():
            text = number(value.value) if isinstance(value.value, float) else str(value.value)
        case Other():
            text = f"<{value.kind}>"
    return printable(text)[:LONGEST]


def as_answer(observed: Observed) -> str:
    """What a learner would type to predict this: `(2, 3)`, `[1, 2.5]`, `True`, `error`."""
    if observed.raised:
        return "error"
    [(_, value)] = observed.values
    return _literal(value)


def _literal(value: Value) -> str:
    match value:
        case TensorValue():
            return _nest(value, number, ", ")
        case Items():
            inner = ", ".join(_literal(item) for item in value.items)
            return f"[{inner}]" if value.kind == "list" else f"({inner},)" if len(value.items) == 1 else f"({inner})"
        case Scalar():
            return number(value.value)
        case Other():
            return f"<{value.kind}>"


def nested(value: TensorValue) -> str:
    """The entries of a tensor as nested lists, a row to a line, columns aligned; cut off where there are many."""
    if len(value.elements) > _FEW:
        entries = ", ".join(number(e) for e in value.elements[:_FEW])
        return f"[{entries}, …] ({len(value.elements)} entries)"
    width = max((len(number(e)) for e in value.elements), default=0)
    if len(value.shape) < 2:  # noqa: PLR2004 -- a vector needs no alignment
        return _nest(value, number, ", ")
    return _nest(value, lambda e: number(e).rjust(width), ",\n")


def _nest(value: TensorValue, text: Callable[[object], str], between_rows: str) -> str:
    entries = iter(value.elements)
    return _level(value.shape, entries, text, between_rows, 1)


def _level(
    shape: tuple[int, ...], entries: Iterator[object], text: Callable[[object], str], between: str, depth: int
) -> str:
    if not shape:
        return text(next(entries))
    parts = [_level(shape[1:], entries, text, between, depth + 1) for _ in range(shape[0])]
    glue = between + " " * depth if len(shape) > 1 and "\n" in between else ", "
    return "[" + glue.join(parts) + "]"


def number(value: object) -> str:
    """A number to six digits, without a needless `.0`."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"  # noqa: PLR2004
    return str(value)


def printable(text: str) -> str:
    """The text without control characters (a terminal would obey them) but newlines."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
