"""`tensordrill drills` and `tensordrill drills check`."""

import click

from tensordrill.cli import options
from tensordrill.errors import ExitCode, UsageError


class _ListByDefault(click.Group):
    """`drills einsum` lists, `drills check einsum` checks."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in (*self.commands, "-h", "--help"):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_ListByDefault)
def command() -> None:
    """List the drills with their states, or check them.

    `tensordrill drills [TRACK]... [--json]` lists; `tensordrill drills check` certifies.
    """


@command.command("list")
@click.argument("names", nargs=-1, metavar="[TRACK|DRILL]...")
@options.as_json
def list_(names: tuple[str, ...], as_json: bool) -> None:  # noqa: FBT001 -- a flag
    """List the drills, a line each, with where you stand."""
    from contextlib import closing

    from tensordrill.app import App

    with closing(App()) as app:
        standings, day = app.standings(names), app.day
    if as_json:
        options.print_json(
            [
                {
                    "id": s.drill.id,
                    "track": s.drill.track,
                    "title": s.drill.title,
                    "after": list(s.drill.after),
                    "levels": s.drill.levels,
                    "lesson": s.drill.lesson,
                    "state": s.state.value,
                }
                for s in standings
            ]
        )
        return
    from rich.table import Table

    from tensordrill.ui.rendering import when
    from tensordrill.ui.screen import make_console

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("drill", "state", "back", "title"):
        table.add_column(name, overflow="fold")
    for s in standings:
        back = when(s.card.due, day) if s.card else f"after {', '.join(s.drill.after)}" if s.state == "locked" else ""
        table.add_row(s.drill.id, s.state.value, back, s.drill.title)
    make_console().print(table)


@command.command("check")
@click.argument("names", nargs=-1, metavar="[TRACK|DRILL]...")
@click.option("--seeds", default=100, show_default=True, help="How many puzzles of each level.")
@click.option("--jobs", type=int, help="How many processes.  [default: one for each core]")
@options.as_json
def check(names: tuple[str, ...], seeds: int, jobs: int | None, as_json: bool) -> int:  # noqa: FBT001 -- a flag
    """Certify the drills over many seeds: every reference passes, every wrong turn fails and is named.

    Exits with 1 where a puzzle fails.
    """
    from dataclasses import asdict

    from rich.progress import Progress
    from rich.text import Text

    from tensordrill.app import App
    from tensordrill.app.checking import check as certify
    from tensordrill.app.checking import default_jobs
    from tensordrill.ui.screen import make_console

    if seeds < 1 or (jobs is not None and jobs < 1):
        raise UsageError("--seeds and --jobs take numbers from 1.")
    drills = App().catalog.select(names)
    console, errors = make_console(), make_console(stderr=True)
    sound = True
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task("certifying", total=sum(drill.levels for drill in drills))
        for report in certify(drills, seeds, jobs or default_jobs()):
            progress.advance(task)
            sound &= report.ok
            if as_json:
                options.print_json(asdict(report) | {"ok": report.ok})
                continue
            state = "ok" if report.ok else "FAILS"
            console.print(
                Text(
                    f"{report.drill}  level {report.level}  {report.certified}/{report.seeds} certified, "
                    f"{report.structures} structures ({report.promised} promised), {report.seconds:.1f} s  {state}"
                )
            )
            for problem, count, seed in report.problems[:5]:
                console.print(Text(f"    {count} times, first with seed {seed}: {problem}"))
    return ExitCode.OK if sound else ExitCode.FAULT
