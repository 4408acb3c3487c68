"""Pictures in plain characters: which axes of a contraction meet, which are summed, and which stay."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from tensordrill.puzzles import Puzzle, WriteEinsum
from tensordrill.puzzles.einsum import Equation
from tensordrill.ui.layout import INDENT, Hanging

_REST = "..."


@dataclass(frozen=True)
class Axis:
    """One label of an equation: its meanings, the dims at which each operand and the result has it, and its fate.

    Dims behind an ellipsis are counted from the end. `fate` is made of `diagonal` (twice in one operand), `batch` (in
    all operands, and kept), `meets` (in several), `kept` and `summed`.
    """

    label: str
    meanings: tuple[str, ...]
    dims: tuple[tuple[int, ...], ...]
    result: tuple[int, ...]
    fate: str


@dataclass(frozen=True)
class Contraction:
    """An equation, the names of its operands, and the names of their axes as far as they are known."""

    equation: Equation
    names: tuple[str, ...]
    meanings: tuple[tuple[str, ...], ...] = ()

    @property
    def written(self) -> str:
        return self.equation.spelled if self.equation.words else self.equation.lettered


def axes_of(contraction: Contraction) -> list[Axis]:
    """Every label of the equation, in order of appearance. An ellipsis is one of them, called `...`."""
    equation = contraction.equation
    output = output_of(equation)
    counts = [list(term).count for term in equation.terms]
    found = []
    for label in dict.fromkeys(name for term in equation.terms for name in term):
        holders = [i for i, count in enumerate(counts) if count(label)]
        several = len(holders) > 1
        kept = label in output
        batch = several and kept and len(holders) == len(equation.terms)
        facts = [
            "diagonal" if any(count(label) > 1 for count in counts) else "",
            "" if batch else "meets" if several else "",
            "batch" if batch else "kept" if kept else "summed",
        ]
        found.append(
            Axis(
                label,
                _meanings(contraction, label),
                tuple(_dims(term, label) for term in equation.terms),
                _dims(output, label),
                ", ".join(filter(None, facts)),
            )
        )
    return found


def output_of(equation: Equation) -> list[str]:
    """The labels of the result. Without an arrow: the ellipsis, then those that stand once, sorted as torch does."""
    if equation.output is not None:
        return list(equation.output)
    labels = [name for term in equation.terms for name in term]
    once = sorted(name for name in set(labels) - {_REST} if labels.count(name) == 1)
    return [_REST] * (_REST in labels) + once


def contractions(puzzle: Puzzle) -> Iterator[Contraction]:
    """The einsums that a puzzle is about: the one that it asks for, or those in the program that it shows."""
    if isinstance(puzzle, WriteEinsum):
        names, axes = tuple(t.name for t in puzzle.tensors), tuple(t.axes for t in puzzle.tensors)
        yield Contraction(Equation.of(puzzle.solution, words=puzzle.words), names, axes)
    elif puzzle.face.code and not puzzle.face.choices and "requires_grad" not in puzzle.face.code:
        known = {t.name: t.axes for t in puzzle.face.tensors or ()}
        for contraction in in_code(puzzle.face.code):
            axes = tuple(known.get(name, ()) for name in contraction.names)
            yield Contraction(contraction.equation, contraction.names, axes)


def in_code(source: str) -> Iterator[Contraction]:
    """The calls of an einsum in some Python, in order. What is no equation is left out."""
    try:
        calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
        calls.sort(key=lambda call: (call.end_lineno, call.end_col_offset))  # as they are evaluated
    except SyntaxError:
        return
    for call in calls:
        function = ast.unparse(call.func)
        if function.rpartition(".")[2] != "einsum":
            continue
        words = function.startswith("einops")
        texts = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        names = tuple(ast.unparse(a) for a in call.args if not isinstance(a, ast.Constant))
        if len(texts) == 1:
            equation = Equation.of(texts[0], words=words)
            if len(equation.terms) == len(names) and _sound(equation):
                yield Contraction(equation, names)


@dataclass(frozen=True)
class AxisDiagram:
    """A row for each axis: at which dim each tensor has it, and what becomes of it. Sentences where that is too wide.

    With `plain` sentences too, which a screen reader reads out in a better order.
    """

    contraction: Contraction
    plain: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        del console
        axes = axes_of(self.contraction)
        if not axes:
            yield Text(f"{'':{INDENT}}There are no axes: numbers are multiplied.")
            return
        rows = _table(self.contraction, axes)
        if self.plain or max(map(cell_len, rows)) > options.max_width:
            for axis in axes:
                yield Hanging(" " * INDENT, Text(_sentence(self.contraction, axis)))
            return
        for i, row in enumerate(rows):
            yield Text(row, style="" if i else "dim", no_wrap=True)


def _table(contraction: Contraction, axes: Sequence[Axis]) -> list[str]:
    named = any(axis.meanings for axis in axes)
    rows = [["axis", *([""] if named else []), *(f"{name}" for name in contraction.names), "result", ""]]
    for axis in axes:
        marks = [_mark(axis, dims) for dims in (*axis.dims, axis.result)]
        rows.append([axis.label, *([" or ".join(axis.meanings)] if named else []), *marks, axis.fate])
    widths = [max(map(cell_len, column)) for column in zip_longest(*rows, fillvalue="")]
    left = 1 + named
    return [
        (
            " " * INDENT
            + "  ".join(
                cell + " " * (width - cell_len(cell)) if i < left or i == len(row) - 1 else cell.center(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
        ).rstrip()
        for row in rows
    ]


def _mark(axis: Axis, dims: Sequence[int]) -> str:
    if axis.label == _REST and dims:
        return "rest"
    return " ".join(map(str, dims)) or "."


def _sentence(contraction: Contraction, axis: Axis) -> str:
    """Such as `d (d_head): dim 0 of queries, dim 0 of keys; meets, summed.`."""
    places = [
        f"{_place(axis, dims)} of {name}"
        for name, dims in zip((*contraction.names, "the result"), (*axis.dims, axis.result), strict=True)
        if dims
    ]
    meaning = f" ({' or '.join(axis.meanings)})" if axis.meanings else ""
    return f"{axis.label}{meaning}: {', '.join(places)}; {axis.fate}."


def _place(axis: Axis, dims: Sequence[int]) -> str:
    if axis.label == _REST:
        return "the rest"
    return f"dim{'s' * (len(dims) > 1)} {' and '.join(map(str, dims))}"


def _dims(term: Sequence[str], label: str) -> tuple[int, ...]:
    """Where the label stands; behind an ellipsis counted from the end."""
    rest = term.index(_REST) if _REST in term else len(term)
    return tuple(i if i <= rest else i - len(term) for i, name in enumerate(term) if name == label)


def _meanings(contraction: Contraction, label: str) -> tuple[str, ...]:
    """The names of the axes that the label stands for, without the label itself."""
    found: dict[str, None] = {}
    for term, axes in zip(contraction.equation.terms, contraction.meanings, strict=False):
        if len(term) == len(axes):
            found |= dict.fromkeys(axis for name, axis in zip(term, axes, strict=True) if name == label)
    return tuple(name for name in found if name != label)


def _sound(equation: Equation) -> bool:
    """Whether every label of the result stands there once, and in a term."""
    output = equation.output or ()
    named = {name for term in equation.terms for name in term}
    return len(set(output)) == len(output) and set(output) <= named
