"""What `today`, `practice` and `daily` share: open, play, sum up, close."""

from collections.abc import Callable, Sequence
from contextlib import closing

from tensordrill.app import App
from tensordrill.app.sitting import Sitting
from tensordrill.domain import Mode
from tensordrill.session import Phase
from tensordrill.ui import endings
from tensordrill.ui.review import run
from tensordrill.ui.screen import Screen, open_screen


def review(minutes: float | None, *, device: str | None, plain: bool) -> None:
    _play(lambda app: app.today(minutes), device=device, plain=plain)


def practise(names: Sequence[str], count: int, *, device: str | None, plain: bool) -> None:
    _play(lambda app: app.practice(names, count), device=device, plain=plain)


def daily(*, plain: bool) -> None:
    def share(app: App, sitting: Sitting, screen: Screen) -> None:
        endings.daily(app.day, sitting, screen)

    _play(lambda app: app.daily(), plain=plain, sum_up=share)


def _sum_up(app: App, sitting: Sitting, screen: Screen) -> None:
    endings.closing(app.closing(sitting), app.day, screen)


def _play(
    begin: Callable[[App], Sitting],
    *,
    plain: bool,
    device: str | None = None,
    sum_up: Callable[[App, Sitting, Screen], None] = _sum_up,
) -> None:
    with closing(App(device)) as app, closing(begin(app)) as sitting:
        screen = open_screen(app.settings, plain=plain)
        if sitting.session.phase is Phase.OVER:
            endings.nothing_due(app.next_due(), app.day, app.open_ended, screen)
            return
        new = app.fresh and sitting.session.mode is Mode.REVIEW
        try:
            run(sitting, screen, app.day, welcome=(lambda: endings.how_it_works(screen)) if new else None)
        except KeyboardInterrupt:
            screen.console.print()
            sum_up(app, sitting, screen)
            raise
        sum_up(app, sitting, screen)
