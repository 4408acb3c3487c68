"""`tensordrill stats`."""

import click


@click.command()
def command() -> None:
    """Where you stand: a row for each track, and what all of them come to."""
    from contextlib import closing

    from rich.table import Table
    from rich.text import Text

    from tensordrill.app import App
    from tensordrill.ui.console import make_console

    with closing(App()) as app:
        summary = app.summary()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("track", "learned", "due", "reviews", "right", "practice"):
        table.add_column(name, justify="left" if name == "track" else "right")
    for track in summary.tracks:
        right = "-" if track.share_right is None else f"{track.share_right:.0%}"
        table.add_row(
            track.name,
            f"{track.learned}/{track.drills}",
            *map(str, (track.due, track.reviews)),
            right,
            str(track.practice),
        )
    console = make_console()
    console.print(table)
    minutes = summary.time_spent.total_seconds() / 60
    days = "1 study day" if summary.study_days == 1 else f"{summary.study_days} study days"
    console.print(Text(f"\n{days}, {summary.streak} in a row up to now; {minutes:.0f} minutes."))
    console.print(Text("right: solved alone, without a hint, at the first try of a study day.", style="dim"))
