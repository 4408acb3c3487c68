"""Files of every version open, whole, and those who made them lose nothing."""

import logging
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine

from tensordrill.domain import Card, Event
from tensordrill.errors import TensordrillError
from tensordrill.store import Store, migration, tables

NEXT_VERSION = """
import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("puzzle", sa.Column("note", sa.Text))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file as the first version left it."""
    file = tmp_path / "tensordrill.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript((Path(__file__).parent / "schema_0001.sql").read_text(encoding="utf-8"))
    return file


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As if the program were one schema further. Returns that schema's module."""
    folder = tmp_path / "50% new" / "db"
    shutil.copytree(migration.scripts(), folder)
    module = folder / "versions" / "v0003_note.py"
    module.write_text(NEXT_VERSION)
    monkeypatch.setattr(migration, "HEAD", "0003")
    monkeypatch.setattr(migration, "scripts", lambda: folder)
    return module


def everything(path: Path) -> tuple[list[Event], dict[str, Card]]:
    with Store.open(path) as store:
        assert store.damaged() == []
        return list(store.events()), store.cards()


def version(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        (found,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(found)


def schema(path: Path) -> Iterator[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE name != 'alembic_version' AND sql != ''")
        yield from sorted((name, " ".join(sql.split())) for name, sql in found)


def test_a_file_of_the_first_version_opens_whole(path: Path) -> None:
    events, cards = everything(path)
    assert version(path) == migration.HEAD
    assert [event.drill for event in events] == [
        "einsum.trace",
        "einsum.trace",
        "einsum.outer",
        "einsum.trace",
        "hooks.patch",
        "einsum.outer",
    ]
    assert events[2].answer == "i j -> j i\0\ud800"
    assert {drill: (card.due.isoformat(), card.reps, card.level) for drill, card in cards.items()} == {
        "einsum.outer": ("2026-03-17", 2, 2),
        "einsum.trace": ("2026-03-21", 2, 1),
        "hooks.patch": ("2026-03-13", 1, 1),
    }


def test_migrations_lead_to_the_tables(tmp_path: Path) -> None:
    Store.open(tmp_path / "migrated.db").close()
    engine: Engine = create_engine(f"sqlite:///{tmp_path / 'made.db'}")
    tables.metadata.create_all(engine)
    engine.dispose()
    assert list(schema(tmp_path / "migrated.db")) == list(schema(tmp_path / "made.db"))


def test_head_is_the_last_version() -> None:
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(migration.scripts()).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [migration.HEAD]
    assert scripts.get_bases() == [migration.FIRST]


@pytest.mark.usefixtures("next_version")
def test_an_older_file_is_copied_then_migrated(
    path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(path)) as connection:
        before = list(connection.iterdump())
    with caplog.at_level(logging.WARNING):
        events, cards = everything(path)
    assert version(path) == "0003"
    assert len(events) == 6
    assert len(cards) == 3
    copy = path.with_name("tensordrill-schema-0001.db")
    assert version(copy) == "0001"
    with closing(sqlite3.connect(copy)) as connection:
        assert list(connection.iterdump()) == before
    assert (caplog.text, *capfd.readouterr()) == ("", "", "")
    everything(path)
    assert sorted(file.name for file in path.parent.glob("*.db*")) == ["tensordrill-schema-0001.db", "tensordrill.db"]


def test_a_migration_that_fails_changes_nothing(path: Path, next_version: Path) -> None:
    next_version.write_text(NEXT_VERSION + '    op.execute("INSERT INTO nowhere VALUES (1)")\n')
    with closing(sqlite3.connect(path)) as connection:
        before = list(connection.iterdump())
    with pytest.raises(TensordrillError, match="no such table: nowhere") as caught:
        Store.open(path)
    assert "still there" in caught.value.hint
    with closing(sqlite3.connect(path)) as connection:
        assert list(connection.iterdump()) == before
    next_version.write_text(NEXT_VERSION)
    assert len(everything(path)[0]) == 6


def test_a_program_that_is_older_than_the_file_leaves_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0004'")
    before = path.read_bytes()
    for head in ("0002", "0003"):
        monkeypatch.setattr(migration, "HEAD", head)
        with pytest.raises(TensordrillError, match=f"newer tensordrill: schema 0004, past {head}") as caught:
            Store.open(path)
        assert "Upgrade" in caught.value.hint
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_alembic_is_imported_only_to_migrate(path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tensordrill.store import Store\n"
        "Store.open(Path(sys.argv[1])).close(); print('alembic' in sys.modules, 'torch' in sys.modules)"
    )

    def imported(file: Path) -> str:
        command = [sys.executable, "-W", "error", "-c", script, str(file)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert imported(path.with_name("new.db")) == "True False"
    assert imported(path) == "True False"
    assert imported(path) == "False False"
