"""`tensordrill export`."""

import sys
from pathlib import Path

import click

from tensordrill.cli import completing
from tensordrill.errors import TensordrillError


@click.command()
@click.argument("form", metavar="json|csv", shell_complete=completing.words("json", "csv"))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A file to write, instead of stdout.")
def command(form: str, output: Path | None) -> None:
    """Write out every event with all its raw facts: JSON, one object a line, or CSV with the same columns."""
    from contextlib import closing

    from tensordrill.app import App

    with closing(App()) as app:
        lines = app.export(form)
        if output is None:
            sys.stdout.buffer.writelines(line.encode("utf-8", "replace") for line in lines)
            return
        try:
            with output.open("w", encoding="utf-8", newline="") as file:
                file.writelines(lines)
        except OSError as error:
            raise TensordrillError(
                f"{output} cannot be written: {error.strerror}.", hint="Name another file."
            ) from None
