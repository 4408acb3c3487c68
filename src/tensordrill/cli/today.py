"""`tensordrill today`."""

import click


@click.command()
def command() -> None:
    """Review what is due and meet what is new.

    An answer is kept as soon as it is judged: leave whenever you like, and go on where you were.
    """
    from tensordrill.cli.sessions import review

    review()
