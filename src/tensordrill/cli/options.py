"""Options and output that several commands share."""

import json
import sys

import click

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
seed = click.option("--seed", type=int, help="Which puzzle: a whole number from 0.")
plain = click.option("--plain", is_flag=True, help="Linear text without redrawing, as for screen readers.")
level = click.option("--level", type=int, default=1, show_default=True, help="Which level of the drill.")
device = click.option(
    "--device",
    type=click.Choice(["cpu", "cuda", "auto"]),
    help="cuda: what passes on the CPU runs on the GPU too; auto: if there is one. Unset, the setting decides.",
)


def print_json(data: object) -> None:
    """One JSON value on one line, at once. ASCII, so that it passes any pipe, whatever an `id` or an answer holds."""
    sys.stdout.write(json.dumps(data) + "\n")
    sys.stdout.flush()
