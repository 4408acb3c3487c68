"""`tensordrill completion`."""

import os
from pathlib import PurePath

import click

from tensordrill.cli import completing
from tensordrill.errors import UsageError

# The line that installs each script. bash's needs bash 4.4: older ones, such as macOS's own, cannot run it.
_INSTALL = {
    "bash": "To install it: echo 'eval \"$(tensordrill completion bash)\"' >> ~/.bashrc (bash 4.4 or later)",
    "zsh": "To install it: echo 'eval \"$(tensordrill completion zsh)\"' >> ~/.zshrc (below the line with compinit)",
    "fish": "To install it: tensordrill completion fish > ~/.config/fish/completions/tensordrill.fish",
}


@click.command()
@click.argument("shell", required=False, metavar="[bash|zsh|fish]", shell_complete=completing.words(*_INSTALL))
def command(shell: str | None) -> None:
    """Print the script that completes commands, options, drills and settings in your shell.

    Without a name it is the script for the shell that $SHELL names. Its last line says how to install it.
    """
    from click.shell_completion import get_completion_class

    from tensordrill.cli import COMPLETE, root

    name = shell or PurePath(os.environ.get("SHELL", "")).name
    if name not in _INSTALL:
        raise UsageError(
            f"There is no completion for {name!r}." if name else "$SHELL does not say which shell you use.",
            hint=f"There is one for {', '.join(_INSTALL)}: tensordrill completion bash",
        )
    made = get_completion_class(name)
    assert made is not None  # click has all three
    script = made(root, {}, "tensordrill", COMPLETE).source()
    click.echo(f"{script.rstrip()}\n# {_INSTALL[name]}")
