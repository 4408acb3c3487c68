"""What `today` and `practice` share: open, play, sum up, close."""

from collections.abc import Callable, Sequence
from contextlib import closing

from rich.text import Text

from tensordrill.app import App
from tensordrill.app.sitting import Sitting
from tensordrill.domain import Mode
from tensordrill.session import Phase
from tensordrill.ui.rendering import when
from tensordrill.ui.review import run
from tensordrill.ui.screen import Screen, open_screen


def review() -> None:
    _play(lambda app: app.today())


def practise(names: Sequence[str], count: int) -> None:
    _play(lambda app: app.practice(names, count))


def _play(begin: Callable[[App], Sitting]) -> None:
    with closing(App()) as app, closing(begin(app)) as sitting:
        screen = open_screen()
        if sitting.session.phase is Phase.OVER:
            _nothing_due(app, screen)
            return
        try:
            run(sitting, screen, app.day)
        except KeyboardInterrupt:
            screen.console.print()
            _sum_up(app, sitting, screen)
            raise
        _sum_up(app, sitting, screen)


def _nothing_due(app: App, screen: Screen) -> None:
    following = app.next_due()
    back = f" The next drill comes {when(following, app.day)}." if following else ""
    screen.console.print(Text(f"Nothing is due.{back}"))
    screen.console.print(Text("`tensordrill practice` is there whenever you like; it changes no date.", style="dim"))


def _sum_up(app: App, sitting: Sitting, screen: Screen) -> None:
    session = sitting.session
    solved = [result for result in session.results if result.solved]
    alone = sum(result.alone for result in solved)
    say = screen.console.print
    if not solved and not sitting.seconds:
        say(Text("Nothing was answered. Your place is kept."))
        return
    counted = f"{len(solved)} solved, {alone} of them alone at the first try" if solved else "None solved"
    say(Text(f"{counted}, in {sitting.seconds / 60:.0f} min. Every answer is kept."))
    if session.left and session.mode is Mode.REVIEW:
        say(Text(f"{session.left} left for today: `tensordrill today` goes on from there."))
    elif session.mode is Mode.REVIEW and (following := app.next_due()):
        say(Text(f"The next drill comes {when(following, app.day)}."))
