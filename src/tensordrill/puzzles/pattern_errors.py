"""Why einops refuses a pattern, in the puzzle's own names."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from math import prod

_PART = re.compile(r"\(([^)]*)\)|(\S+)")
Sizes = Mapping[str, int]


def explain_pattern(source: str, name: str, axes: Sequence[str], sizes: Sizes) -> str | None:
    """Why `answer = einops.…(…)` raises for a tensor of that name with these axes; None where that is not known.

    `sizes` are those of the axes.
    """
    if (call := _call(source)) is None:
        return None
    operation, pattern, given = call
    left, right = [list(_axes(side)) for side in pattern.split("->")]
    if any("..." in axis for axis in [*left, *right]):
        return None
    return next(
        (
            said
            for said in (
                _sides(operation, left, right, given),
                _rank(left, name, axes),
                *_sizes(left, axes, [sizes[axis] for axis in axes], given),
            )
            if said
        ),
        None,
    )


def _call(source: str) -> tuple[str, str, dict[str, int]] | None:
    """The operation, its pattern and the sizes that it passes."""
    [statement] = ast.parse(source).body
    match statement:
        case ast.Assign(
            value=ast.Call(func=ast.Attribute(attr=operation), args=[_, ast.Constant(pattern), *_]) as call
        ):
            given = {k.arg: k.value.value for k in call.keywords if k.arg and isinstance(k.value, ast.Constant)}
            return operation, str(pattern), {name: size for name, size in given.items() if isinstance(size, int)}
    return None


def _axes(side: str) -> Iterator[list[str]]:
    """The names of each axis: several in brackets, none for a 1."""
    for bracket, single in _PART.findall(side):
        yield [part for part in (bracket.split() if not single else [single]) if part != "1"]


def _sides(operation: str, left: Sequence[Sequence[str]], right: Sequence[Sequence[str]], given: Sizes) -> str | None:
    """Names that stand twice, or on one side alone."""
    before, after = [[name for axis in side for name in axis] for side in (left, right)]
    for where, names in (("Left", before), ("Right", after)):
        if number := next((n for n in names if n.isdecimal()), None):
            told = f"{number} is no name. Give the axis one; the call passes its size."
            return None if operation == "repeat" else told
        if twice := next((n for n in names if names.count(n) > 1), None):
            return f"{where} of the arrow {twice} stands twice; each axis is named once."
    lost = next((n for n in before if n not in after), None)
    new = next((n for n in after if n not in before), None)
    if lost and operation != "reduce":
        return f"{lost} stands left of the arrow and not right of it: {operation} keeps every axis."
    if new and operation != "repeat":
        return f"{new} stands right of the arrow and not left of it: {operation} makes no new axis."
    if new and new not in given:
        return f"{new} is new, and the call does not say how large it is."
    if stray := next((n for n in given if n not in before and n not in after), None):
        return f"The call passes {stray}, and no axis of your pattern is called so."
    return None


def _rank(left: Sequence[Sequence[str]], name: str, axes: Sequence[str]) -> str | None:
    if len(left) == len(axes):
        return None
    return f"{name} has {len(axes)} axes ({', '.join(axes)}), and the left side of your pattern has {len(left)}."


def _sizes(left: Sequence[Sequence[str]], axes: Sequence[str], sizes: Sequence[int], given: Sizes) -> Iterator[str]:
    """Axes that cannot be taken apart so."""
    for names, axis, size in zip(left, axes, sizes, strict=False):
        known = prod(given[name] for name in names if name in given)
        unknown = [name for name in names if name not in given]
        told = " and ".join(f"{name} = {given[name]}" for name in names if name in given)
        if len(unknown) > 1:
            both = " and ".join(unknown)
            yield f"In ({' '.join(names)}) the sizes of {both} are not known; all but one must be passed."
        elif not names and size != 1:
            yield f"Your 1 stands where {axis} is, which has size {size}."
        elif unknown and size % known:
            yield f"You take {axis} apart, which has size {size}: it is no multiple of {told}."
        elif names and not unknown and known != size:
            yield f"Your axis {' '.join(names)} has size {known} ({told}), and {axis}, where it stands, has {size}."
