"""`tensordrill today`."""

import click

from tensordrill.cli import options


@click.command()
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="As much as fits, most urgent first.")
@options.device
@options.plain
def command(minutes: float | None, device: str | None, *, plain: bool) -> None:
    """Review what is due and meet what is new.

    An answer is kept as soon as it is judged: leave whenever you like, and go on where you were.
    """
    from tensordrill.cli.sessions import review

    review(minutes, device=device, plain=plain)
