"""The drills as they are printed: a tree for each track, with where the learner stands."""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from tensordrill.app import Standing
from tensordrill.report.graph import Branch, branches
from tensordrill.schedule import State
from tensordrill.ui.rendering import when

_NARROW, _WIDE = 60, 100  # columns: below, only what is needed; from there on, titles too


def drill_map(standings: Sequence[Standing], day: date, console: Console) -> Iterator[RenderableType]:
    """For each track its name, how much of it is learned, and its drills, each below one that it builds on."""
    standing = {s.drill.id: s for s in standings}
    for track, members in groupby(standings, key=lambda s: s.drill.track):
        own = list(members)
        learned = sum(s.state.learned for s in own)
        yield Text.assemble((track, "bold"), f"  {learned} of {len(own)} learned")
        table = Table(box=None, pad_edge=False, show_header=False)
        for _ in range(2 if console.width < _NARROW else 3 if console.width < _WIDE else 4):
            table.add_column(overflow="fold")
        table.columns[0].no_wrap = True
        for branch in branches([s.drill for s in own]):
            s = standing[branch.drill.id]
            name = branch.drill.id if console.width >= _NARROW else branch.drill.id.partition(".")[2]
            row = [
                Text(_guides(branch, console) + name),
                Text(s.state.value, style="" if s.state is State.LOCKED else "bold"),
                Text(_note(branch, s, day)),
                Text(branch.drill.title, style="dim"),
            ]
            table.add_row(*row[: len(table.columns)])
        yield table
        yield Text()


def _note(branch: Branch, standing: Standing, day: date) -> str:
    """When it comes back; what else it waits for than what it hangs below."""
    if standing.card:
        return when(standing.card.due, day)
    return f"also after {', '.join(branch.besides)}" if branch.besides else ""


def _guides(branch: Branch, console: Console) -> str:
    """The lines of the tree to the left of a name. What stands at the top has none."""
    ascii_only = console.options.ascii_only
    bar, tee, end = ("| ", "|-", "`-") if ascii_only else ("│ ", "├╴", "└╴")
    *above, last = branch.last[1:] or (None,)
    if last is None:
        return ""
    return "".join("  " if done else bar for done in above) + (end if last else tee)
