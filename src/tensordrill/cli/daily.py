"""`tensordrill daily`."""

import click

from tensordrill.cli import options


@click.command()
@options.plain
def command(*, plain: bool) -> None:
    """Solve the puzzle of the day: the same for everybody, and three lines to share.

    It is practice: it is recorded, but never rates or postpones a drill.
    """
    from tensordrill.cli.sessions import daily

    daily(plain=plain)
