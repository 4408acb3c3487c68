"""The connection to SQLite, set up so that what is committed stays committed."""

import sqlite3
from contextlib import AbstractContextManager
from pathlib import Path
from time import monotonic, sleep

from sqlalchemy import URL, Connection, Engine, create_engine, event

BUSY_SECONDS = 5.0


def connect(path: Path) -> Engine:
    """An engine for the file, which is created where it is missing. Connections open on first use."""
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def writing(engine: Engine) -> AbstractContextManager[Connection]:
    """A transaction that holds the write lock from its start: what it reads is still so when it writes."""
    return engine.execution_options(immediate=True).begin()


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # sqlite3 begins late and not before reads; `_begin` does it instead
    # Bytes that rotted must not stop the reading of the rest: the event's hash tells.
    connection.text_factory = lambda raw: raw.decode(errors="surrogateescape")
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous = FULL")  # NORMAL may lose commits in a power cut
    connection.execute("PRAGMA foreign_keys = ON")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switches a new file to a write-ahead log. For this one lock SQLite does not wait by itself."""
    deadline = monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() > deadline:
                raise
            sleep(0.01)
        else:
            return


def _begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
