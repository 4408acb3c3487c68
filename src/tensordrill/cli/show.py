"""`tensordrill show`."""

import click

from tensordrill.cli import completing, options


@click.command()
@click.argument("drill", shell_complete=completing.drills)
@options.seed
@options.level
@click.option("--solution", is_flag=True, help="With the answer, its reason and the wrong turns.")
@options.as_json
def command(drill: str, seed: int | None, level: int, solution: bool, as_json: bool) -> None:  # noqa: FBT001 -- flags
    """Show a puzzle of a drill, without asking it. The same seed and level give the same puzzle everywhere."""
    from secrets import randbelow

    from tensordrill.app import App
    from tensordrill.app.grading import checked_level, checked_seed, shown, solved
    from tensordrill.judge import Judge

    found = App().catalog.find(drill)
    checked_level(found, level)
    seed = randbelow(10_000) if seed is None else checked_seed(seed)
    data = shown(found, seed, level)
    puzzle = found.puzzle(seed, level)
    told, steps, raised = None, None, None
    if solution:
        with Judge() as judge:
            told, steps, raised = solved(puzzle, judge), judge.steps(puzzle), judge.raised(puzzle)
    if as_json:
        options.print_json(data | ({"solution": told} if told else {}))
        return
    from tensordrill.app.asked import Asked, Solved
    from tensordrill.ui import rendering
    from tensordrill.ui.console import make_console

    console = make_console()
    console.print(rendering.puzzle(Asked(found, level, seed, puzzle), f"{found.id} · level {level} · seed {seed}"))
    if told:
        console.print(rendering.solution(Solved(str(told["answer"]), puzzle.why, steps, raised, puzzle)))
