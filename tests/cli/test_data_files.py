"""A data file that cannot be used: one sentence, a hint, the right exit code, and the file as it was."""

import hashlib
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tensordrill.store import Store

if TYPE_CHECKING:
    from tests.cli.conftest import Run
    from tests.conftest import AsOrdinaryUser

COMMANDS = ["today", "practice", "drills", "stats", "export json"]


def foreign(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE bookmark (url TEXT)")


def garbage(file: Path) -> None:
    file.write_bytes(b"Shopping: eggs, flour.\n" * 300)


def newer(file: Path) -> None:
    Store.open(file).close()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


def damaged(file: Path) -> None:
    Store.open(file).close()
    file.write_bytes(file.read_bytes()[:100] + b"\xff" * 30_000)


def folder(file: Path) -> None:
    file.mkdir()


def contents(home: Path) -> dict[str, str]:
    """Every file below, with its hash."""
    return {
        str(file.relative_to(home)): hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "folder"
        for file in sorted(home.rglob("*"))
    }


@pytest.mark.parametrize("command", ["today", "export json"])
@pytest.mark.parametrize(
    ("make", "told"),
    [
        (foreign, "is a database of another program"),
        (garbage, "is not an SQLite database"),
        (newer, "was made by a newer tensordrill"),
        (damaged, "is damaged"),
        (folder, "is not a file"),
    ],
)
def test_a_file_that_is_not_ours_is_left_as_it_was(
    run: "Run", home: Path, command: str, make: Callable[[Path], None], told: str
) -> None:
    home.mkdir()
    make(home / "tensordrill.db")
    before = contents(home)
    done = run(*command.split(), stdin="i j -> j i\n")
    assert (done.returncode, done.stdout) == (1, "")
    message, hint = done.stderr.splitlines()
    assert message.startswith("tensordrill: ")
    assert told in message
    assert hint.startswith("  ")
    assert contents(home) == before


@pytest.mark.parametrize("command", COMMANDS)
def test_a_home_that_is_a_file(run: "Run", home: Path, command: str) -> None:
    home.write_text("mine")
    refused(run, home, command)
    assert home.read_text() == "mine"


@pytest.mark.parametrize("home", ["/proc/tensordrill", "/dev/null", "/dev/null/below"])
def test_a_home_that_cannot_be(run: "Run", home: str) -> None:
    refused(run, Path(home), "today")


def refused(run: "Run", home: Path, command: str) -> None:
    done = run(*command.split(), env={"TENSORDRILL_HOME": str(home)})
    assert (done.returncode, done.stdout) == (1, "")
    message, hint = done.stderr.splitlines()
    assert str(home) in message
    assert "TENSORDRILL_HOME" in hint


def test_a_home_that_cannot_be_written(run: "Run", home: Path, as_ordinary_user: "AsOrdinaryUser") -> None:
    home.mkdir(mode=0o500)
    done = as_ordinary_user(lambda: run("today"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot be written" in done.stderr
    assert list(home.iterdir()) == []


def test_a_home_with_any_name(run: "Run", tmp_path: Path) -> None:
    home = tmp_path / "mÿ home 100% #1?mode=memory\n'quoted'"
    for command in ("drills", "today", "export json"):
        done = run(*command.split(), env={"TENSORDRILL_HOME": str(home)})
        assert (done.returncode, done.stderr) == (0, "")
    assert (home / "tensordrill.db").is_file()


def test_show_and_grade_do_without_it(run: "Run", home: Path, catalog: dict[str, object]) -> None:
    home.mkdir()
    garbage(home / "tensordrill.db")
    name = next(iter(catalog))
    assert run("show", name).returncode == 0
    assert run("grade", name, "--seed", "1", "--answer", "").returncode == 0


def test_a_data_file_that_is_gone_is_begun_anew(run: "Run", home: Path) -> None:
    assert run("today").returncode == 0
    shutil.rmtree(home)
    assert run("stats").returncode == 0
    assert (home / "tensordrill.db").is_file()
