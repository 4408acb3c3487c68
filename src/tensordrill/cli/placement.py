"""`tensordrill placement`."""

import click

from tensordrill.cli import options


@click.command()
@options.plain
def command(*, plain: bool) -> None:
    """Find out what you know already, with at most 15 puzzles.

    It shows what it concluded, and you correct it before anything is marked as known. Leave whenever you like: it goes
    on where you were. One that was left for three days begins anew.
    """
    from contextlib import closing

    from rich.text import Text

    from tensordrill.app import App
    from tensordrill.ui.placing import leave, run
    from tensordrill.ui.screen import open_screen

    with closing(App()) as app, closing(app.placement()) as placing:
        screen = open_screen(app.settings, plain=plain)
        if placing.over and not placing.placement.answers:
            screen.console.print(Text("Nothing is left to place: `tensordrill today` has all that is known."))
            return
        try:
            run(placing, screen, app.day)
        except KeyboardInterrupt:
            screen.console.print()
            leave(placing, screen)
            raise
