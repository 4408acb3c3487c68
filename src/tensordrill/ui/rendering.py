"""Puzzles, feedback and summaries as they are printed. Colour only underlines what the words already say.

With `plain` everything is linear text in words, for screen readers and logs: no rules, nothing side by side.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from string import ascii_lowercase

from rich.console import RenderableType
from rich.text import Text

from tensordrill.app.asked import Asked, Feedback, Solved
from tensordrill.domain import Rating, Status, Verdict
from tensordrill.puzzles import Face, Puzzle, Tensor
from tensordrill.ui.layout import Code, Grids, Hanging, Heading, Indented, Prose, Row, Sheet
from tensordrill.ui.pictures import AxisDiagram, contractions

__all__ = ["Prose", "counterexample", "puzzle", "solution", "steps", "verdict_on", "when"]

_MAX_ROWS = 12
_LONG = 20  # characters of what is expected, that nobody wants to read twice


def puzzle(asked: Asked, heading: str, *, plain: bool = False) -> RenderableType:
    """A puzzle with all that is needed to answer it."""
    face = asked.puzzle.face
    parts: list[RenderableType] = [Text(), Text(_in_words(heading)) if plain else Heading(heading), Prose(face.prompt)]
    if face.code:
        parts += [Text(), Indented(Code(face.code, numbered=asked.puzzle.kind == "fix"))]
    if face.tensors and not face.axes_told:
        parts += [Text(), *tensors(face)]
    if face.lines and asked.puzzle.kind == "order":
        width = len(str(len(face.lines)))
        listed = [Hanging(f"{i:>{width}}  ", Code(line)) for i, line in enumerate(face.lines, 1)]
        parts += [Text(), *map(Indented, listed)]
    if face.choices:
        labelled = zip(ascii_lowercase, face.choices, strict=False)
        parts += [Text(), *(Indented(Hanging(f"{letter}) ", Prose(text))) for letter, text in labelled)]
    if face.signature:
        parts += [Text(), Indented(Code(face.signature))]
    return Sheet([*parts, Text()])


def tensors(face: Face) -> Iterator[RenderableType]:
    """A line for each tensor: its name and its axes."""
    listed = list(dict.fromkeys(face.tensors or ()))
    width = max(len(tensor.name) for tensor in listed)
    for tensor in listed:
        yield Indented(Hanging(f"{tensor.name:<{width}}  ", Text(_axes(tensor))))
    sizes = face.sizes or {}
    for size in dict.fromkeys(sizes.values()):
        alike = " = ".join(name for name, other in sizes.items() if other == size)
        told = f"{alike} = {size}" if isinstance(size, int) else f"size of {alike}: {size}"  # an order it is not
        yield Indented(Text(told, style="dim"))


def verdict_on(answered: Feedback, today: date, *, predicted: bool, plain: bool = False) -> RenderableType:
    """Right: one line. Wrong: the mistake, then what was expected beside what came.

    What was expected of a prediction is its solution, and stays hidden while the learner may try again.
    """
    verdict = answered.verdict
    if verdict.correct:
        facts = ["Right.", *([answered.rating.label] if answered.rating else []), _duration(answered.seconds)]
        if answered.due:
            facts.append(f"Back {when(answered.due, today)}.")
        return Sheet([Text("  ".join(facts), style="right")])
    head = {"unparsable": "Not judged", "internal": "Our fault", "refused": "Not allowed"}.get(
        verdict.status, "Not yet"
    )
    lines: list[RenderableType] = [Text.assemble((f"{head}.", "bold"), " ", verdict.feedback)]
    if not predicted:
        lines += counterexample(verdict, plain=plain)
    if answered.rating is Rating.AGAIN and answered.due:
        lines.append(
            Text(f"Again. You meet it once more in this session, then {when(answered.due, today)}.", style="dim")
        )
    return Sheet(lines)


def counterexample(verdict: Verdict, *, plain: bool = False) -> Iterator[RenderableType]:
    """Expected beside got; nothing where the sentence has said it all: an error, or a shape."""
    if verdict.status in (Status.RAISED, Status.WRONG_SHAPE) or verdict.expected is None or verdict.got is None:
        return
    if len(verdict.expected) > _LONG and verdict.expected in verdict.feedback:
        return
    expected: Sequence[str] = verdict.expected.split("\n")
    got: Sequence[str] = verdict.got.split("\n")
    if expected[0].startswith("shape ") and expected[0] == got[0]:
        yield Text(expected[0][:1].upper() + expected[0][1:], style="dim")
        expected, got = expected[1:], got[1:]
    starred = any("*" in row for row in got)
    expected, got = _fewer(expected, got)
    if plain:
        yield from (Text("Expected:"), *map(Text, expected))
        yield from (Text(f"Got{', with a star where it differs' * starred}:"), *map(Text, got))
    else:
        yield Grids(("expected", expected), (f"got{'  (* differs)' * starred}", got))


def _fewer(expected: Sequence[str], got: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """As many rows as a person takes in: the first ones, and before those without a star those that have one."""
    count = max(len(expected), len(got))
    if count <= _MAX_ROWS:
        return expected, got
    starred = [i for i, row in enumerate(got) if "*" in row]
    shown = sorted([*starred, *(i for i in range(count) if i not in starred)][: _MAX_ROWS - 1])
    one, two = ([rows[i] for i in shown if i < len(rows)] for rows in (expected, got))
    left_out = [f"... {count - len(shown)} more rows"]
    return one + left_out, two + left_out


def solution(solved: Solved, *, plain: bool = False) -> RenderableType:
    """The answer, and the rule behind it."""
    parts: list[RenderableType] = [_label("The solution", plain=plain), Indented(Code(solved.answer))]
    if solved.raised:
        parts.append(Indented(Text(f"torch says: {solved.raised}")))
    if solved.puzzle:
        parts += diagrams(solved.puzzle, plain=plain)
    return Sheet([*parts, *steps(solved.steps, plain=plain), Text(), Prose(solved.why)])


def commands(told: Mapping[str, str]) -> RenderableType:
    """The commands, and what each does."""
    width = max(map(len, told))
    return Sheet([Indented(Hanging(f"{name:<{width}}  ", Text(what))) for name, what in told.items()])


def diagrams(puzzle: Puzzle, *, plain: bool = False) -> Iterator[RenderableType]:
    """For each einsum that the puzzle is about, what becomes of its axes."""
    found = list(contractions(puzzle))
    for contraction in found:
        yield Text()
        which = "The" if puzzle.kind == "einsum" else f"{contraction.written}: the"
        yield _label(f"{which} axes, by their dims in each tensor", plain=plain)
        yield AxisDiagram(contraction, plain=plain)


def steps(text: str | None, *, plain: bool = False) -> Iterator[RenderableType]:
    """What a program does step by step, as the judge wrote it."""
    if text:
        yield Text()
        yield _label("Step by step", plain=plain)
        for line in text.split("\n"):
            yield Indented(Row(line))


def when(day: date, today: date) -> str:
    """`tomorrow`, or `in 5 days (Sat 28 Nov)`."""
    days = (day - today).days
    if days <= 0:
        return "today"
    if days == 1:
        return "tomorrow"
    return f"in {days} days ({day:%a} {day.day} {day:%b})"


def _label(text: str, *, plain: bool) -> Text:
    return Text(f"{text}:") if plain else Text(text, style="dim")


def _in_words(heading: str) -> str:
    """A heading without its dots between the facts."""
    return heading.replace(" · ", ", ") + "."


def _axes(tensor: Tensor) -> str:
    kind = {"mask": "  booleans", "positive": "  positive"}.get(tensor.domain, "")
    if tensor.domain.startswith("index:"):
        kind = f"  whole numbers below {tensor.domain.partition(':')[2]}"
    return f"({', '.join(tensor.axes)})" + kind


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s." if seconds < 60 else f"{seconds / 60:.0f} min."  # noqa: PLR2004 -- a minute
