"""The drills by what they prepare for: ARENA's chapters, in each the topics of the lesson."""

from collections.abc import Iterator, Sequence
from datetime import date

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from tensordrill.app import Standing
from tensordrill.lesson import CHAPTERS, TOPICS
from tensordrill.schedule import State
from tensordrill.ui.rendering import when

_NARROW = 60  # columns: below, there is no room for bars and dates
_BAR = 20
_INDENT = " " * 4
_BEYOND = "beyond the lesson"


def lesson_map(standings: Sequence[Standing], day: date, console: Console) -> Iterator[RenderableType]:
    """How far the learner is in each chapter; then each chapter's drills, those first that the lesson names."""
    roomy = console.width >= _NARROW
    chapters = {chapter: [s for s in standings if s.drill.arena == chapter] for chapter in CHAPTERS}
    shown = {chapter: own for chapter, own in chapters.items() if own}
    yield Text("Am I ready for ARENA?", style="bold")
    overview = Table(box=None, pad_edge=False, show_header=False)
    for chapter, own in shown.items():
        learned = sum(s.state.learned for s in own)
        bar = [_bar(learned, len(own))] if roomy else []
        overview.add_row(chapter, CHAPTERS[chapter], *bar, f"{learned} of {len(own)} learned")
    yield overview
    width = max(len(s.drill.id) for s in standings)
    for chapter, own in shown.items():
        yield Text()
        yield Text(f"{chapter} {CHAPTERS[chapter]}", style="bold")
        for topic in (*TOPICS, None):
            if members := [s for s in own if s.drill.lesson == topic]:
                yield Text(f"  {topic or _BEYOND}")
                yield _drills(members, day, width, roomy=roomy)


def _drills(members: Sequence[Standing], day: date, width: int, *, roomy: bool) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True, min_width=len(_INDENT) + width)
    for s in members:
        row = [
            Text(_INDENT + s.drill.id),
            Text(s.state.value, style="" if s.state is State.LOCKED else "bold"),
            Text(when(s.card.due, day) if s.card else ""),
        ]
        table.add_row(*row[: 3 if roomy else 2])
    return table


def _bar(part: int, whole: int) -> str:
    """Full only when everything is learned, and empty only when nothing is."""
    full = part * _BAR // whole or min(part, 1)
    return "█" * full + "─" * (_BAR - full)
