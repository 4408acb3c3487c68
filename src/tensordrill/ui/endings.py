"""What is said when a session ends, when none is due, and to a new learner after the first puzzles."""

from collections.abc import Sequence
from datetime import date

from rich.text import Text

from tensordrill.app.closing import Closing
from tensordrill.app.sitting import Sitting
from tensordrill.ui.rendering import Prose, when
from tensordrill.ui.screen import Screen


def closing(ended: Closing, today: date, screen: Screen) -> None:
    """What was done, what was missed and returns, the streak, the time, what comes next, and one suggestion."""
    say = screen.console.print
    if not ended.solved and not ended.seconds:
        say(Text("Nothing was answered. Your place is kept."))
        return
    counted = f"{ended.solved} solved, {ended.alone} of them alone at the first try" if ended.solved else "None solved"
    say(Text(f"{counted}, in {ended.seconds / 60:.0f} min. Every answer is kept."))
    for due in sorted({due or date.max for due in ended.missed.values()}):
        names = ", ".join(name for name, returns in ended.missed.items() if (returns or date.max) == due)
        say(Text(f"Missed: {names}" + (f"; back {when(due, today)}." if due < date.max else ".")))
    if ended.left:
        say(Text(f"{ended.left} left."))
    days = "1 day" if ended.streak == 1 else f"{ended.streak} days"
    say(Text(f"Streak: {days}. {_coming(ended, today)}"))
    say(Prose(ended.suggestion))


def _coming(ended: Closing, today: date) -> str:
    if ended.following is None:
        return "Nothing is due."
    due = f"; {ended.tomorrow} due then" if ended.tomorrow else ""
    return f"The next drill comes {when(ended.following, today)}{due}."


def nothing_due(following: date | None, today: date, open_ended: Sequence[str], screen: Screen) -> None:
    say = screen.console.print
    back = f" The next drill comes {when(following, today)}." if following else ""
    say(Text(f"Nothing is due.{back}"))
    if open_ended:
        say(Prose(f"`tensordrill practice {' '.join(open_ended[:2])}` never runs out, and changes no date."))
        say(Prose("`tensordrill daily` is the puzzle that everybody gets today."))
    else:
        say(Prose("`tensordrill practice` is there whenever you like; it changes no date."))


def how_it_works(screen: Screen) -> None:
    """The schedule in three sentences, and where those begin who know much of it."""
    say = screen.console.print
    say()
    say(
        Text(
            "How this works: your first answer to a drill on a day rates it, and the rating decides when the drill "
            "comes back with a fresh puzzle: tomorrow, in some days, in months. What you miss is asked again in the "
            "same session and returns soon; what you know stays away. Ten minutes a day are enough, and "
            "`tensordrill today` always knows what is due."
        )
    )
    say(
        Prose(
            "Much of this is familiar? `tensordrill placement` finds out in at most 15 puzzles what you may leave out."
        )
    )


def daily(day: date, sitting: Sitting, screen: Screen) -> None:
    """How the puzzle of the day went, as three lines to share."""
    say = screen.console.print
    result = next(iter(sitting.session.results), None)
    if result is None or not result.judged:
        say(Text("Not answered. It waits until the day turns."))
        return
    tries, hints = sitting.tries, sitting.hints
    how = "solved alone" if result.alone else "solved" if result.solved else "not solved"
    counted = f"{tries} {'try' if tries == 1 else 'tries'}, {hints} {'hint' if hints == 1 else 'hints'}"
    say(Text(f"tensordrill {day.isoformat()}: {result.item.drill}, level {result.item.level}"))
    say(Text(f"{how} in {sitting.seconds:.0f} s, {counted}"))
    say(Text("tensordrill daily"))
