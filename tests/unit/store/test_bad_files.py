"""What cannot be used is told in one sentence with a hint, and left as it is."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING

import pytest

from tensordrill.domain import Card, Event
from tensordrill.errors import TensordrillError
from tensordrill.store import Store, engine

Record = Callable[..., tuple[Event, Card | None]]

if TYPE_CHECKING:
    from tests.conftest import AsOrdinaryUser


def database(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def foreign(path: Path) -> None:
    database(path, "CREATE TABLE bookmark (url TEXT)")


def foreign_with_a_log(path: Path) -> None:
    database(path, "PRAGMA journal_mode = WAL", "CREATE TABLE bookmark (url TEXT)")


def foreign_of_alembic(path: Path) -> None:
    database(path, "CREATE TABLE alembic_version (version_num TEXT)", "INSERT INTO alembic_version VALUES ('0001')")


def foreign_and_empty(path: Path) -> None:
    database(path, "PRAGMA application_id = 42")


def no_database(path: Path) -> None:
    path.write_bytes(b"Shopping: eggs, flour.\n" * 300)


def beheaded(path: Path) -> None:
    Store.open(path).close()
    path.write_bytes(path.read_bytes()[:100])


def garbled(path: Path) -> None:
    Store.open(path).close()
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 50_000)


def versioned(path: Path, version: str) -> None:
    Store.open(path).close()
    database(path, f"UPDATE alembic_version SET version_num = '{version}'")


def without_a_replica(path: Path) -> None:
    Store.open(path).close()
    database(path, "DELETE FROM meta")


def newer(path: Path) -> None:
    versioned(path, "0042")


def of_no_known_version(path: Path) -> None:
    versioned(path, "ae1027a6acf")


@pytest.mark.parametrize(
    ("make", "message", "hint"),
    [
        (foreign, "is a database of another program", "left untouched"),
        (foreign_with_a_log, "is a database of another program", "left untouched"),
        (foreign_of_alembic, "is a database of another program", "left untouched"),
        (foreign_and_empty, "is a database of another program", "left untouched"),
        (of_no_known_version, "is a database of another program", "left untouched"),
        (no_database, "is not an SQLite database", "left untouched"),
        (beheaded, "is damaged", "copy"),
        (garbled, "is damaged", "copy"),
        (without_a_replica, "could not be used: No row was found", "still there"),
        (newer, "was made by a newer tensordrill: schema 0042, past 0002", "Upgrade"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, make: Callable[[Path], None], message: str, hint: str) -> None:
    path = tmp_path / "tensordrill.db"
    make(path)
    before = path.read_bytes()
    with pytest.raises(TensordrillError) as caught:
        Store.open(path)
    assert message in caught.value.message
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message
    assert hint in caught.value.hint
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_another_program_that_has_its_file_open_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "tensordrill.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as theirs:
        theirs.execute("PRAGMA journal_mode = WAL")
        theirs.execute("CREATE TABLE bookmark (url TEXT)")  # only the log knows of it
        theirs.execute("INSERT INTO bookmark VALUES ('a')")
        before = {file.name: file.read_bytes() for file in tmp_path.iterdir() if not file.name.endswith("-shm")}
        with pytest.raises(TensordrillError, match="another program"):
            Store.open(path)
        assert {name: (tmp_path / name).read_bytes() for name in before} == before
        assert theirs.execute("SELECT * FROM bookmark").fetchall() == [("a",)]


@pytest.mark.parametrize("content", [b"", None])
def test_an_empty_file_is_as_good_as_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "tensordrill.db"
    if content is None:
        database(path, "PRAGMA journal_mode = WAL")
    else:
        path.write_bytes(content)
    with Store.open(path) as store:
        assert list(store.events()) == []


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b 100%?#" / "tensordrill.db"
    with Store.open(path):
        assert path.exists()


def test_a_link_leads_to_the_file(tmp_path: Path, record: Record) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "tensordrill.db"
    link.symlink_to(tmp_path / "real" / "data.db")
    with Store.open(link) as store:
        record(store)
    with Store.open(tmp_path / "real" / "data.db") as store:
        assert len(list(store.events())) == 1


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(TensordrillError, match="is not a file"):
        Store.open(tmp_path)


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("in the way")
    for path in (tmp_path / "home" / "tensordrill.db", tmp_path / "home" / "deeper" / "tensordrill.db"):
        with pytest.raises(TensordrillError, match="cannot be made") as caught:
            Store.open(path)
        assert "TENSORDRILL_HOME" in caught.value.hint


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
@pytest.mark.parametrize("path", ["/proc/tensordrill/tensordrill.db", "/proc/self/tensordrill.db"])
def test_a_folder_that_nobody_can_write(path: str) -> None:
    with pytest.raises(TensordrillError, match=r"folder .* cannot be|cannot be opened") as caught:
        Store.open(Path(path))
    assert caught.value.hint


@pytest.fixture
def locked(path: Path) -> Iterator[Callable[[Path, int], None]]:
    """Takes rights away until the test is over."""
    changed: list[tuple[Path, int]] = []

    def lock(target: Path, mode: int) -> None:
        changed.append((target, target.stat().st_mode))
        target.chmod(mode)

    yield lock
    for target, mode in reversed(changed):
        target.chmod(mode)
    assert path.exists()


def test_a_file_and_a_folder_without_rights(
    path: Path, locked: Callable[[Path, int], None], as_ordinary_user: "AsOrdinaryUser"
) -> None:
    Store.open(path).close()
    locked(path, 0o444)
    with pytest.raises(TensordrillError, match=r"The data file .* cannot be written"):
        as_ordinary_user(lambda: Store.open(path))
    locked(path.parent, 0o555)
    with pytest.raises(TensordrillError, match=r"The folder .* cannot be written"):
        as_ordinary_user(lambda: Store.open(path))


@pytest.mark.parametrize("name", ["tensordrill.db", "tensordrill.db-wal"])
def test_a_file_that_may_only_be_read(path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(path):
        before = path.read_bytes()
        monkeypatch.setattr(os, "access", lambda target, mode: not (target == path.with_name(name) and mode & os.W_OK))
        with pytest.raises(TensordrillError, match=f"The data file .*{name} cannot be written"):
            Store.open(path)
        assert path.read_bytes() == before


def test_a_lock_that_stays(path: Path, record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.05)
    with Store.open(path) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        event, _ = record(store)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TensordrillError, match="in use by another program") as caught:
            record(store)
        assert caught.value.hint
        assert list(store.events()) == [event]
        other.execute("ROLLBACK")
        assert record(store)[0].number == 2


def test_a_new_file_that_another_is_making(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tensordrill.db"
    database(path, "CREATE TABLE t (a)", "DROP TABLE t")
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        with monkeypatch.context() as patched:
            patched.setattr(engine, "BUSY_SECONDS", 0.05)
            with pytest.raises(TensordrillError, match="in use by another program"):
                Store.open(path)
        release = Timer(0.1, other.execute, ["ROLLBACK"])
        release.start()
        with Store.open(path) as store:
            assert list(store.events()) == []
        release.join()


def test_a_full_disk(store: Store, record: Record) -> None:
    event, _ = record(store)
    with store._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
    with pytest.raises(TensordrillError, match="the disk is full") as caught:
        record(store, answer="x" * 100_000)
    assert "still there" in caught.value.hint
    assert list(store.events()) == [event]
    with store._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 100000")
    assert record(store)[0].number == 2


def test_pages_that_rotted(path: Path, record: Record) -> None:
    with Store.open(path) as store:
        for _ in range(200):
            record(store)
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes(content[:half] + b"\xff" * half)
    with Store.open(path) as store, pytest.raises(TensordrillError, match="is damaged"):
        list(store.events())
