"""Completion as shells ask for it: what is offered, at what price, and in the real shells that are installed."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
import pytest

from tensordrill import paths
from tensordrill.app import App
from tensordrill.catalog import Catalog, built_in
from tensordrill.settings import SETTINGS

if TYPE_CHECKING:
    from tests.cli.conftest import Run

PATIENCE = 30
SHELLS = ("bash", "zsh", "fish")
HEAVY = {"torch", "numpy", "einops", "sqlalchemy", "alembic", "prompt_toolkit", "rich", "fsrs", "tomlkit"}
SPY = """
import atexit, json, os, sys
from pathlib import Path
atexit.register(lambda: Path(os.environ["MODULES"]).write_text(json.dumps(sorted(sys.modules))))
from tensordrill.cli import main
main([])
"""


def asking(line: str, shell: str = "bash") -> dict[str, str]:
    """The environment in which a shell asks for the last word of a line."""
    last = str(len(line.split(" ")) - 1)
    return {"COMP_WORDS": line, "COMP_CWORD": last, "_TENSORDRILL_COMPLETE": f"{shell}_complete"}


Offer = Callable[[str], list[str]]


@pytest.fixture
def program(home: Path, tmp_path: Path) -> Path:
    """A folder for PATH in which `tensordrill` is this one; the drill cache is there, as after a first session."""
    home.mkdir()
    built_in(paths.drill_cache())
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "tensordrill"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -W error -m tensordrill "$@"\n')
    script.chmod(0o755)
    return folder


@pytest.fixture
def offer(run: "Run") -> Offer:
    """What is offered for the last word of a line."""

    def offered(line: str) -> list[str]:
        done = run(env=asking(line))
        assert (done.returncode, done.stderr) == (0, "")
        return [item.partition(",")[2] for item in done.stdout.split()]

    return offered


def test_commands_and_options(offer: Offer) -> None:
    assert {"today", "practice", "drills", "show", "grade", "stats", "export", "config", "doctor"} <= set(
        offer("tensordrill ")
    )
    assert offer("tensordrill prac") == ["practice"]
    assert {"--seed", "--level", "--solution", "--json"} <= set(offer("tensordrill show --"))
    assert offer("tensordrill drills --graph ") == ["mermaid", "dot"]


def test_drills(offer: Offer, catalog: Catalog) -> None:
    drill = next(iter(catalog.values()))
    for command in ("show", "grade"):
        assert offer(f"tensordrill {command} ") == list(catalog)
    for command in ("practice", "drills check"):
        assert offer(f"tensordrill {command} ") == [*catalog.tracks, *catalog]
    assert offer("tensordrill drills ") == ["check", *catalog.tracks, *catalog]
    assert offer("tensordrill drills che") == ["check"]
    assert offer(f"tensordrill show {drill.id[:-1]}")[0] == drill.id
    assert drill.id not in offer(f"tensordrill practice {drill.id} ")
    assert offer("tensordrill show --seed 3 nothing.like") == []


def test_settings(offer: Offer) -> None:
    assert offer("tensordrill config ") == list(SETTINGS)
    for setting in SETTINGS.values():
        assert offer(f"tensordrill config {setting.name} ") == list(setting.suggestions)
    assert offer("tensordrill config theme d") == ["dark"]


def test_forms_of_export_are_those_that_there_are(offer: Offer) -> None:
    forms = offer("tensordrill export ")
    assert {"json", "csv"} <= set(forms)
    for form in forms:
        App().export(form)


@pytest.mark.parametrize("line", ["config nonsense ", "nonsense x", "show 'nothing", "practice --count x nothing"])
def test_what_makes_no_sense_offers_nothing(run: "Run", line: str) -> None:
    done = run(env=asking(f"tensordrill {line}"))
    assert (done.stdout.strip(), done.stderr) == ("", "")


@pytest.mark.parametrize("broken", ["cache", "home"])
def test_a_cache_that_cannot_be_read(offer: Offer, home: Path, broken: str, catalog: Catalog) -> None:
    if broken == "cache":
        home.mkdir()
        paths.drill_cache().mkdir()
    else:
        home.write_text("a file")
    assert offer("tensordrill show ") == list(catalog)


@pytest.mark.parametrize("missing", ["tensordrill.catalog", "tensordrill.cli.show", "click.shell_completion"])
def test_no_fault_shows_in_the_prompt(missing: str) -> None:
    script = f"import sys; sys.modules[{missing!r}] = None\nfrom tensordrill.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | asking("tensordrill show "),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize("line", ["", "practice e", "show e", "config theme "])
def test_it_imports_nothing_that_is_slow(line: str, tmp_path: Path) -> None:
    listed = tmp_path / "modules.json"
    env = os.environ | asking(f"tensordrill {line}", "zsh") | {"MODULES": str(listed)}
    command = [sys.executable, "-W", "error", "-c", SPY]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stdout
    imported = set(json.loads(listed.read_text()))
    assert "tensordrill.cli" in imported
    assert not {name.partition(".")[0] for name in imported} & HEAVY
    assert not [name for name in imported if name.startswith("tensordrill.drills.")]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script(run: "Run", shell: str) -> None:
    done = run("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert "_TENSORDRILL_COMPLETE" in done.stdout
    assert re.match(r"# To install it: .*tensordrill completion " + shell, done.stdout.splitlines()[-1])
    assert run("completion", env={"SHELL": f"/usr/local/bin/{shell}"}).stdout == done.stdout


@pytest.mark.parametrize(("shell", "told"), [("", "does not say which"), ("/bin/nu", "no completion for 'nu'")])
def test_another_shell(run: "Run", shell: str, told: str) -> None:
    done = run("completion", env={"SHELL": shell})
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert "bash, zsh, fish" in done.stderr


def interactive(shell: str, *args: str, program: Path, tmp_path: Path) -> "pexpect.spawn[str]":
    """A real shell without anybody's settings, in which completion is installed."""
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    env = os.environ | {
        "PATH": f"{program}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "TERM": "dumb" if shell != "fish" else "xterm",
        "XDG_CONFIG_HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
    }
    return pexpect.spawn(found, list(args), env=env, encoding="utf-8", timeout=PATIENCE, dimensions=(40, 120))


@pytest.mark.parametrize(
    ("begun", "whole"),
    [
        ("tensordrill comp", "tensordrill completion "),
        ("tensordrill show einsum.attention-s", "tensordrill show einsum.attention-scores "),
        ("tensordrill config the", "tensordrill config theme "),
        ("tensordrill drills che", "tensordrill drills check "),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_real_shell_completes(shell: str, begun: str, whole: str, program: Path, tmp_path: Path) -> None:
    arguments = {"bash": ["--norc", "--noprofile", "-i"], "zsh": ["-f", "-i"]}[shell]
    child = interactive(shell, *arguments, program=program, tmp_path=tmp_path)
    if shell == "zsh":
        child.sendline("autoload -Uz compinit; compinit -u -D; unsetopt zle_bracketed_paste")
    child.sendline(f'eval "$(tensordrill completion {shell})"; echo REA""DY')
    child.expect_exact("READY\r")
    child.send(f"{begun}\t")
    child.expect_exact(whole)
    child.close(force=True)


def test_fish_completes(program: Path, tmp_path: Path, catalog: Catalog) -> None:
    drill = catalog["einsum.attention-scores"]
    lines = 'tensordrill completion fish | source; complete -C "tensordrill show einsum.attention-s"'
    child = interactive("fish", "--no-config", "-c", lines, program=program, tmp_path=tmp_path)
    child.expect_exact(f"{drill.id}\t")
    child.expect(pexpect.EOF)
