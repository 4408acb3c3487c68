"""Puzzles, feedback and summaries as they are printed. Colour only underlines what the words already say."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from string import ascii_lowercase

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markdown import Markdown
from rich.padding import Padding
from rich.rule import Rule
from rich.syntax import Syntax
from rich.text import Text

from tensordrill.app.sitting import Asked, Feedback, Solved
from tensordrill.domain import Rating, Status, Verdict
from tensordrill.puzzles import Face, Tensor

_MAX_ROWS = 12


def puzzle(asked: Asked, heading: str) -> RenderableType:
    """A puzzle with all that is needed to answer it."""
    face = asked.puzzle.face
    parts: list[RenderableType] = [Text(), Rule(Text(heading), align="left", style="dim"), Prose(face.prompt)]
    if face.code:
        numbered = asked.puzzle.kind == "fix"
        parts += [Text(), code(face.code, line_numbers=numbered)]
    if face.tensors and not face.axes_told:
        parts += [Text(), *tensors(face)]
    if face.lines and asked.puzzle.kind == "order":
        parts += [
            Text(),
            *(Padding(Text(f"{i}  {line}", overflow="fold"), (0, 2)) for i, line in enumerate(face.lines, 1)),
        ]
    if face.choices:
        parts += [
            Text(),
            *(
                Padding(Prose(f"{letter}) {text}"), (0, 2))
                for letter, text in zip(ascii_lowercase, face.choices, strict=False)
            ),
        ]
    if face.signature:
        parts += [Text(), code(face.signature)]
    return Group(*parts, Text())


@dataclass(frozen=True)
class Prose:
    """Markdown. Where there is no colour to set `code` apart, it stays as it is written, with its backticks."""

    text: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        del options
        if console.is_terminal and not console.no_color and console.color_system:
            yield Markdown(self.text, inline_code_theme="ansi_dark", inline_code_lexer="python")
        else:
            yield Text(self.text)


def code(source: str, *, line_numbers: bool = False) -> RenderableType:
    syntax = Syntax(
        source, "python", theme="ansi_dark", background_color="default", line_numbers=line_numbers, word_wrap=True
    )
    return Padding(syntax, (0, 2))


def tensors(face: Face) -> Iterator[RenderableType]:
    """A line for each tensor: its name and its axes."""
    listed = list(dict.fromkeys(face.tensors or ()))
    width = max(len(tensor.name) for tensor in listed)
    for tensor in listed:
        yield Padding(Text(f"{tensor.name:<{width}}  {_axes(tensor)}"), (0, 2))
    sizes = face.sizes or {}
    for size in dict.fromkeys(sizes.values()):
        alike = " = ".join(name for name, other in sizes.items() if other == size)
        told = f"{alike} = {size}" if isinstance(size, int) else f"size of {alike}: {size}"  # an order it is not
        yield Padding(Text(told, style="dim"), (0, 2))


def verdict_on(answered: Feedback, today: date, *, predicted: bool) -> RenderableType:
    """Right: one line. Wrong: the mistake, then what was expected beside what came.

    What was expected of a prediction is its solution, and stays hidden while the learner may try again.
    """
    verdict = answered.verdict
    if verdict.correct:
        facts = ["Right.", *([answered.rating.label] if answered.rating else []), _duration(answered.seconds)]
        if answered.due:
            facts.append(f"Back {when(answered.due, today)}.")
        return Text("  ".join(facts), style="green")
    head = {"unparsable": "Not judged", "internal": "Our fault", "refused": "Not allowed"}.get(
        verdict.status, "Not yet"
    )
    lines: list[RenderableType] = [Text.assemble((f"{head}.", "bold"), " ", verdict.feedback)]
    if not predicted:
        lines += counterexample(verdict)
    if answered.rating is Rating.AGAIN and answered.due:
        lines.append(
            Text(f"Again. You meet it once more in this session, then {when(answered.due, today)}.", style="dim")
        )
    return Group(*lines)


def counterexample(verdict: Verdict) -> Iterator[RenderableType]:
    """Expected, then got; nothing where the sentence has said it all: an error, or a shape."""
    if verdict.status in (Status.RAISED, Status.WRONG_SHAPE):
        return
    for label, text in (("expected", verdict.expected), ("got", verdict.got)):
        if text is not None:
            rows = text.split("\n")
            shown = rows[:_MAX_ROWS] + (["…"] if len(rows) > _MAX_ROWS else [])
            yield Text(label, style="dim")
            yield Padding(Text("\n".join(shown), overflow="fold"), (0, 2))


def solution(solved: Solved) -> RenderableType:
    """The answer, and the rule behind it."""
    return Group(
        Text("The solution", style="dim"), code(solved.answer), *steps(solved.steps), Text(), Prose(solved.why)
    )


def commands(told: Mapping[str, str]) -> RenderableType:
    """The commands, and what each does."""
    width = max(map(len, told))
    return Group(*(Padding(Text(f"{name:<{width}}  {what}"), (0, 2)) for name, what in told.items()))


def steps(text: str | None) -> Iterator[RenderableType]:
    """What a program does step by step, as the judge wrote it."""
    if text:
        yield Text()
        yield Text("Step by step", style="dim")
        yield Padding(Text(text, overflow="fold"), (0, 2))


def when(day: date, today: date) -> str:
    """`tomorrow`, or `in 5 days (Sat 28 Nov)`."""
    days = (day - today).days
    if days <= 0:
        return "today"
    if days == 1:
        return "tomorrow"
    return f"in {days} days ({day:%a} {day.day} {day:%b})"


def _axes(tensor: Tensor) -> str:
    kind = {"mask": "  booleans", "positive": "  positive"}.get(tensor.domain, "")
    if tensor.domain.startswith("index:"):
        kind = f"  whole numbers below {tensor.domain.partition(':')[2]}"
    return f"({', '.join(tensor.axes)})" + kind


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s." if seconds < 60 else f"{seconds / 60:.0f} min."  # noqa: PLR2004 -- a minute
