"""`tensordrill grade`."""

import sys
from collections.abc import Iterator
from contextlib import closing

import click

from tensordrill.cli import completing, options
from tensordrill.errors import ExitCode, TensordrillError, UsageError


@click.command()
@click.argument("drill", required=False, shell_complete=completing.drills)
@options.seed
@options.level
@click.option("--answer", help="The answer, or - to read it from stdin.")
@click.option(
    "--batch",
    metavar="FILE|-",
    shell_complete=completing.files,
    help='Judge lines of {"drill", "seed", "level", "answer"}; "id" is echoed.',
)
@options.device
@options.as_json
def command(
    drill: str | None,
    seed: int | None,
    level: int,
    answer: str | None,
    batch: str | None,
    device: str | None,
    as_json: bool,  # noqa: FBT001
) -> int:
    """Judge an answer to a puzzle that `show` shows. Nothing is recorded.

    Exits with 0 whether it is right or wrong.
    """
    if batch is not None:
        if drill or answer is not None or seed is not None:
            raise UsageError("--batch takes its drills, seeds and answers from the file.", hint="Leave the others out.")
        return _batch(batch, device)
    if not drill or seed is None or answer is None:
        raise UsageError(
            "To judge an answer takes a drill, a seed and an answer.",
            hint="tensordrill grade DRILL --seed N --answer TEXT",
        )
    _one(drill, seed, level, _stdin() if answer == "-" else answer, device, as_json=as_json)
    return ExitCode.OK


def _one(name: str, seed: int, level: int, answer: str, device: str | None, *, as_json: bool) -> None:
    from tensordrill.app import App
    from tensordrill.app.grading import checked_level, checked_seed, graded

    app = App(device)
    found = app.catalog.find(name)
    puzzle = found.puzzle(checked_seed(seed), checked_level(found, level))
    with app.judge() as judge:
        verdict = judge.grade(puzzle, answer)
    if as_json:
        options.print_json(graded(verdict))
        return
    from rich.text import Text

    from tensordrill.ui.console import make_console
    from tensordrill.ui.layout import Sheet
    from tensordrill.ui.rendering import counterexample, steps

    where = "" if verdict.device == "cpu" else f" ({verdict.device})"
    said = Text(f"{verdict.status}{where}: {verdict.feedback}")
    make_console().print(Sheet([said, *counterexample(verdict), *steps(verdict.steps)]))


def _batch(source: str, device: str | None) -> int:
    from tensordrill.app import App
    from tensordrill.app.batch import grade_lines

    sound, app = True, App(device)
    with app.judge(hurried=True) as judge, closing(grade_lines(_lines(source), app.catalog, judge)) as verdicts:
        for verdict, fine in verdicts:
            options.print_json(verdict)
            sound &= fine
    return ExitCode.OK if sound else ExitCode.FAULT


def _lines(source: str) -> Iterator[str]:
    """The lines, for a thread of their own: it may wait for one when all ends, and nobody else waits for its file."""
    from tensordrill.app.batch import LONGEST_LINE

    where = 0 if source == "-" else source
    try:
        with open(where, encoding="utf-8-sig", errors="replace", closefd=where != 0) as file:
            while line := file.readline(LONGEST_LINE + 1):
                rest = line
                while len(rest) > LONGEST_LINE and rest[-1] != "\n":  # skip the rest of a line that is too long
                    rest = file.readline(LONGEST_LINE + 1)
                yield line
    except OSError as error:
        raise UsageError(
            f"{source} cannot be read: {error.strerror}.", hint="--batch takes a file, or - for stdin."
        ) from None


def _stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError:
        raise TensordrillError("The answer on stdin is not UTF-8 text.", exit_code=ExitCode.USAGE) from None
