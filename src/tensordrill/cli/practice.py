"""`tensordrill practice`."""

import click

from tensordrill.cli import completing, options


@click.command()
@click.argument("names", nargs=-1, metavar="[TRACK|DRILL]...", shell_complete=completing.tracks_and_drills)
@click.option("--count", default=10, show_default=True, help="How many puzzles.")
@options.device
@options.plain
def command(names: tuple[str, ...], count: int, device: str | None, *, plain: bool) -> None:
    """Practise tracks or drills, due or not; without a name, those that you have met.

    Practice is recorded, but never rates or postpones a drill.
    """
    from tensordrill.cli.sessions import practise

    practise(names, count, device=device, plain=plain)
