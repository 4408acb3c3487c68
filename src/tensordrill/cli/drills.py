"""`tensordrill drills` and `tensordrill drills check`."""

import click
from click.shell_completion import CompletionItem

from tensordrill.cli import completing, options
from tensordrill.errors import ExitCode, UsageError


class _ListByDefault(click.Group):
    """`drills einsum` lists, `drills check einsum` checks."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in (*self.commands, "-h", "--help"):
            args = ["list", *args]
        return super().parse_args(ctx, args)


def _check_or_names(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """What may follow `drills`: `check` too, which the shell sees where a name may stand."""
    offered = completing.tracks_and_drills(context, parameter, begun)
    if "check".startswith(begun) and not context.params.get("names"):
        offered.insert(0, CompletionItem("check", help="Certify the drills over many seeds."))
    return offered


@click.group(cls=_ListByDefault)
def command() -> None:
    """The drills as a map with your states, or check them.

    `tensordrill drills [TRACK]... [--lesson|--json|--graph mermaid|dot]` shows; `tensordrill drills check` certifies.
    """


@command.command("list")
@click.argument("names", nargs=-1, metavar="[TRACK|DRILL]...", shell_complete=_check_or_names)
@click.option("--lesson", is_flag=True, help="Show the lesson's topics by ARENA chapter: how ready you are for each.")
@click.option("--graph", type=click.Choice(["mermaid", "dot"]), help="Print what builds on what as a graph.")
@options.as_json
def list_(names: tuple[str, ...], lesson: bool, graph: str | None, as_json: bool) -> None:  # noqa: FBT001 -- flags
    """The drills as a map: each below one that it builds on, with where you stand."""
    from contextlib import closing

    from tensordrill.app import App

    if (lesson, bool(graph), as_json).count(True) > 1:
        raise UsageError("--lesson, --graph and --json are three forms of the same list: give one of them.")
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
                    "arena": s.drill.arena,
                    "state": s.state.value,
                }
                for s in standings
            ]
        )
        return
    if graph:
        from tensordrill.report.graph import dot, mermaid

        drawn = {"mermaid": mermaid, "dot": dot}[graph]
        click.echo(drawn([s.drill for s in standings], {s.drill.id: s.state.value for s in standings}))
        return
    from tensordrill.ui.console import make_console
    from tensordrill.ui.drill_map import drill_map
    from tensordrill.ui.lesson_map import lesson_map

    console = make_console()
    for part in (lesson_map if lesson else drill_map)(standings, day, console):
        console.print(part)


@command.command("check")
@click.argument("names", nargs=-1, metavar="[TRACK|DRILL]...", shell_complete=completing.tracks_and_drills)
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
    from tensordrill.ui.console import make_console

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
