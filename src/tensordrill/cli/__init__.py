"""The commands. Each is a file of its own, imported only when it is called."""

import errno
import gc
import os
import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn

import click

from tensordrill import __version__
from tensordrill.cli.lazy import LazyGroup
from tensordrill.errors import ExitCode, TensordrillError

COMPLETE = "_TENSORDRILL_COMPLETE"
"""The variable in which a shell says what it wants of us: the script (`bash_source`) or words (`bash_complete`)."""

_COMMANDS = {
    "today": "The daily review.",
    "practice": "Free practice; it never rates or postpones a drill.",
    "daily": "The puzzle of the day, the same for everybody.",
    "placement": "Find out what you know already.",
    "undo": "Take the last rating back.",
    "drills": "List the drills, or check them.",
    "show": "Show a puzzle.",
    "grade": "Judge an answer.",
    "stats": "Where you stand.",
    "export": "Write out every event.",
    "config": "Show, explain and set the settings.",
    "doctor": "Look at the installation and say what is amiss.",
    "completion": "Print the script that completes commands in your shell.",
}


@click.group(
    cls=LazyGroup,
    lazy=_COMMANDS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, message="tensordrill %(version)s")
@click.pass_context
def root(context: click.Context) -> None:
    """The daily drill that keeps tensors fluent."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(ExitCode.USAGE)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code; every fault is one sentence on stderr."""
    _open_streams()
    if os.environ.get(COMPLETE, "").endswith("_complete"):
        _complete()
    gc.set_threshold(
        100_000, 20, 20
    )  # imports make no garbage worth looking for: a tenth of the way to the first prompt
    warnings.filterwarnings("ignore", module=r"<(answer|unknown)>\Z")  # of answers, when they are parsed
    try:
        code = root.main(args=arguments, prog_name="tensordrill", standalone_mode=False)
        sys.stdout.flush()
    except TensordrillError as error:
        code = tell(error.message, error.hint, error.exit_code)
    except click.UsageError as error:
        hint = f"See `{error.ctx.command_path} --help`." if error.ctx else ""
        code = tell(error.format_message(), hint, ExitCode.USAGE)
    except click.ClickException as error:
        code = tell(error.format_message(), "", ExitCode.FAULT)
    except (KeyboardInterrupt, click.Abort):
        code = ExitCode.INTERRUPTED
    except BrokenPipeError:
        code = ExitCode.FAULT  # whoever read our output has gone (`| head`)
        _drop_output()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            raise
        code = tell(f"The output cannot be written: {error.strerror}.", "What was answered is kept.", ExitCode.FAULT)
        _drop_output()
    sys.exit(code if isinstance(code, int) else ExitCode.OK)


def _complete() -> NoReturn:
    """Offer words to the shell. It asks at each Tab: whatever is amiss, nothing may appear in somebody's prompt."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        root.main(prog_name="tensordrill", standalone_mode=False)
    except BaseException as ended:  # noqa: BLE001 -- see above
        sys.exit(ended.code if isinstance(ended, SystemExit) else ExitCode.FAULT)
    sys.exit(ExitCode.OK)


def _open_streams() -> None:
    """A process may be started with standard streams closed; then there is nothing to read, and nobody to tell."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 -- open to the end


def _drop_output() -> None:
    """What could not be written stays in the buffer, and Python would complain again when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def tell(message: str, hint: str, code: int) -> int:
    """Print a fault to stderr, and return the code."""
    sys.stderr.reconfigure(errors="replace") if hasattr(sys.stderr, "reconfigure") else None
    print(f"tensordrill: {message}", *([hint] if hint else []), sep="\n  ", file=sys.stderr)
    return code
