"""What a session came to, and what comes next."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from tensordrill.domain import Card, Mode
from tensordrill.report.progress import streak
from tensordrill.session import Session

LEECH = 4  # lapses from which a drill is worth some practice of its own


@dataclass(frozen=True, kw_only=True)
class Closing:
    """What was done, what returns when, and one suggestion.

    `solved` and `alone` count puzzles, `left` those that still wait. `missed` are the drills that went wrong, with the
    study day on which they return, None where that was practice. `tomorrow` counts the drills that are due then,
    `following` is the next study day with anything to do. `streak` counts days in a row. `seconds` is time at answers.
    """

    solved: int
    alone: int
    left: int
    missed: Mapping[str, date | None]
    seconds: float
    streak: int
    tomorrow: int
    following: date | None
    suggestion: str


def closing(
    session: Session,
    *,
    seconds: float,
    cards: Mapping[str, Card],
    study_days: Collection[date],
    due: Mapping[date, int],
    following: date | None,
    open_ended: Sequence[str],
    day: date,
) -> Closing:
    """The end of a session on a study day. `due` counts the drills by the day on which they come due."""
    solved = [result for result in session.results if result.solved]
    missed = dict.fromkeys(result.item.drill for result in session.results if result.missed)
    tomorrow = due.get(day + timedelta(days=1), 0)
    return Closing(
        solved=len(solved),
        alone=sum(result.alone for result in solved),
        left=session.left if session.mode is Mode.REVIEW else 0,
        missed={name: cards[name].due if name in cards else None for name in missed},
        seconds=seconds,
        streak=streak(study_days, day),
        tomorrow=tomorrow,
        following=following,
        suggestion=_suggestion(session, cards, list(missed), tomorrow, open_ended),
    )


def _suggestion(
    session: Session, cards: Mapping[str, Card], missed: Sequence[str], tomorrow: int, open_ended: Sequence[str]
) -> str:
    """The one thing that helps most now."""
    if session.left and session.mode is Mode.REVIEW:
        return "`tensordrill today` goes on from here."
    hard = [name for name in missed if name in cards and cards[name].lapses >= LEECH]
    if hard:
        worst = max(hard, key=lambda name: cards[name].lapses)
        return f"{worst} has slipped {cards[worst].lapses} times: `tensordrill practice {worst}` helps it to stay."
    if missed:
        return f"`tensordrill practice {missed[0]}` asks it again, and changes no date."
    if tomorrow == 0 and open_ended:
        return f"Nothing comes back tomorrow: `tensordrill practice {open_ended[0]}` never runs out."
    return "`tensordrill daily` is the puzzle that everybody gets today."
