"""What a command imports, and above all what it does not: read from `sys.modules` of real processes."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tensordrill import paths
from tensordrill.store import Store

HEAVY = {"torch", "numpy", "einops", "sqlalchemy", "alembic", "prompt_toolkit", "rich", "fsrs"}
PROMPT = {"torch", "numpy", "einops", "alembic"}
REPORT = """
import atexit, json, os, sys
from pathlib import Path

def report():
    Path(os.environ["MODULES"]).write_text(json.dumps(sorted(sys.modules)))
"""
RUN = """
atexit.register(report)
from tensordrill.cli import main
main(sys.argv[1:])
"""
# Stops at the first prompt: whoever reads an answer is at the end of what the learner waits for.
AT_PROMPT = """
def stop(*args, **named):
    report()
    sys.stdout.flush()
    os._exit(0)

import builtins
real = builtins.__import__
def imported(name, *args):
    module = real(name, *args)
    for path, reader in (("tensordrill.ui.screen", "LineReader"), ("tensordrill.ui.editing", "EditingReader")):
        found = getattr(sys.modules.get(path), reader, None)
        if found is not None:
            found.read = stop
    return module
builtins.__import__ = imported
from tensordrill.cli import main
main(sys.argv[1:])
"""


def modules(script: str, *arguments: str, terminal: bool = False, tmp_path: Path) -> set[str]:
    """The top-level modules that a process had imported when it reported."""
    listed = tmp_path / "modules.json"
    environment = os.environ | {"MODULES": str(listed), "TERM": "xterm"}
    command = [sys.executable, "-W", "error", "-c", REPORT + script, *arguments]
    if terminal:
        outer, inner = pty.openpty()
        with subprocess.Popen(command, env=environment, stdin=inner, stdout=inner) as process:
            os.close(inner)
            drained(outer)
            assert process.wait(60) == 0
        os.close(outer)
    else:
        subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True)
    return {name.partition(".")[0] for name in json.loads(listed.read_text())}


def drained(descriptor: int) -> None:
    """Read until the other side is closed; a full pty would stop the process."""
    try:
        while os.read(descriptor, 4096):
            pass
    except OSError:  # Linux says so at the end of a pty
        pass


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], [], ["tody"]])
def test_help_imports_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    script = f"sys.argv[1:] = {arguments!r}\nimport contextlib\nwith contextlib.suppress(SystemExit):" + "".join(
        f"\n    {line}" for line in RUN.strip().splitlines()
    )
    imported = modules(script, tmp_path=tmp_path)
    assert "click" in imported
    assert not imported & HEAVY


@pytest.mark.parametrize(
    "command",
    [
        *(
            "today",
            "practice",
            "daily",
            "undo",
            "placement",
            "drills",
            "drills check",
            "show",
            "grade",
            "stats",
            "export",
        ),
        *("config", "doctor", "completion"),
    ],
)
def test_the_help_of_a_command_pays_for_neither_torch_nor_the_database(command: str, tmp_path: Path) -> None:
    assert not modules(RUN, *command.split(), "--help", tmp_path=tmp_path) & (PROMPT | {"sqlalchemy"})


@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
@pytest.mark.parametrize("command", ["today", "practice", "placement"])
def test_the_first_prompt_waits_for_neither_torch_nor_alembic(command: str, *, terminal: bool, tmp_path: Path) -> None:
    Store.open(paths.database()).close()
    imported = modules(AT_PROMPT, command, terminal=terminal, tmp_path=tmp_path)
    assert imported >= {"sqlalchemy", "rich", "fsrs"}
    assert ("prompt_toolkit" in imported) is terminal
    assert not imported & PROMPT


@pytest.mark.parametrize(
    "command",
    ["drills", "stats", "export json", "show {drill}", "config", "config retention 0.8", "doctor"],
)
def test_looking_needs_no_torch(command: str, tmp_path: Path, catalog: dict[str, object]) -> None:
    Store.open(paths.database()).close()
    assert not modules(RUN, *command.format(drill=next(iter(catalog))).split(), tmp_path=tmp_path) & PROMPT
