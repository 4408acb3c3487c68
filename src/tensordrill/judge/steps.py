"""A program's steps as text: the shape after each, the gradients as they come back, or the memory behind its tensors.

No line is wider than WIDEST.
"""

from collections.abc import Iterator

from tensordrill.judge.memory import strips
from tensordrill.judge.showing import cut, nested
from tensordrill.judge.values import Items, Observed, Scalar, TensorValue, Value
from tensordrill.puzzles import Seen, Trace

WIDEST = 60  # columns of a line
_LABEL = 42  # columns of a label beside a gradient
RAISES = "raises"
Step = tuple[int, str]  # a label's number, and the shape as text


def shapes(trace: Trace, observed: Observed, mistaken: tuple[Trace, Observed] | None) -> str:
    """The shape after each step. Where a mistake departs, its shapes stand beside."""
    steps, end = _shapes(trace, observed)
    theirs, their_end = _shapes(*mistaken) if mistaken else ([], end)
    beside = [""] * len(steps)
    if theirs and len(theirs) == len(steps) and [n for n, _ in theirs] == [n for n, _ in steps]:
        for i, ((_, shape), (_, yours)) in enumerate(zip(steps, theirs, strict=True)):
            beside[i] = f"  you: {yours}" if shape != yours else ""
    elif steps and their_end != end:
        beside[-1] = f"  you: {their_end}"
    wide = max((len(shape) for _, shape in steps), default=0)
    left = WIDEST - 2 - wide - max(map(len, beside), default=0)
    labels = [cut(trace.labels[number], left) for number, _ in steps]
    width = max(map(len, labels), default=0)
    rows = zip(labels, steps, beside, strict=True)
    return "\n".join(f"{label:<{width}}  {shape:<{wide}}{mark}".rstrip() for label, (_, shape), mark in rows)


def said(trace: Trace, observed: Observed, mistaken: tuple[Trace, Observed] | None) -> str:
    """The steps of a trace that has run; where it shows shapes, with those of a mistake beside them."""
    match trace.of:
        case Seen.SHAPES:
            return shapes(trace, observed, mistaken)
        case Seen.GRADIENTS:
            return gradients(trace, observed)
        case Seen.MEMORY:
            return strips(
                ((trace.labels[n], value) for n, value in _pairs(observed) if n is not None and n >= 0), WIDEST
            )


def _shapes(trace: Trace, observed: Observed) -> tuple[list[Step], str]:
    """The steps that give a tensor, and the shape in the end.

    The step that raises is the last. A step in a loop is shown once, as it is in the end.
    """
    seen: dict[int, str] = {}
    end, last = RAISES, -1
    for number, value in _pairs(observed):
        if number is None:
            end = _shape(value) if isinstance(value, Items) else RAISES
            break
        if number < 0:
            seen[min(last + 1, len(trace.labels) - 1)] = RAISES
            break
        last = number
        match value:
            case Items(kind="list", items=(Scalar(value=count), Items() as shape)):
                seen[number] = f"{count} of {_shape(shape)}"
            case Items():
                seen[number] = _shape(value)
    return list(seen.items()), end


def _shape(sizes: Items) -> str:
    return str(tuple(size.value for size in sizes.items if isinstance(size, Scalar)))


def gradients(trace: Trace, observed: Observed) -> str:
    """The backward pass: each gradient beside the node that it comes to, in the order in which it comes.

    Nothing where no gradient has come to any node.
    """
    lines: list[str] = []
    rows = [(number, value) for number, value in _pairs(observed) if number is not None]
    nodes = [number for number, value in rows if isinstance(value, TensorValue)]
    if not nodes:
        return ""
    width = max((len(cut(trace.labels[number], _LABEL)) for number in nodes), default=0)
    for number, value in rows:
        if number < 0:
            lines.append(RAISES)
        elif isinstance(value, TensorValue):
            label, grid = cut(trace.labels[number], _LABEL), nested(value)
            inline = " ".join(grid.split())
            if width + len(inline) + 4 <= WIDEST:
                lines.append(f"  {label:<{width}}  {inline}")
            else:
                lines += [f"  {label}", *(f"      {row}" for row in grid.split("\n"))]
        else:
            lines.append(trace.labels[number])
    return "\n".join(lines)


def _pairs(observed: Observed) -> Iterator[tuple[int | None, Value]]:
    for _, steps in observed.values:
        for pair in steps.items if isinstance(steps, Items) else ():
            match pair:
                case Items(items=(Scalar(value=int() | None as number), value)):
                    yield number, value
