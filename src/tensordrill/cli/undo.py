"""`tensordrill undo`."""

from contextlib import closing

import click


@click.command()
def command() -> None:
    """Take the last rating back, as if that review had not been.

    The answer stays in the history, with the event that takes it back.
    """
    from tensordrill.app import App

    with closing(App()) as app:
        taken = app.undo()
        rating = taken.rating.label if taken.rating else ""
        click.echo(f"Taken back: {rating} for {taken.drill} on {taken.study_day.isoformat()}.")
