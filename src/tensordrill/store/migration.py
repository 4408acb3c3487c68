"""Brings a data file to the schema of this version, and leaves alone what is not ours."""

import os
import sqlite3
from contextlib import closing
from importlib import resources
from pathlib import Path

from tensordrill.errors import TensordrillError
from tensordrill.store import engine
from tensordrill.store.faults import UNTOUCHED

FIRST, HEAD = "0001", "0002"  # schemas are numbered: an older one sorts before a newer one
OURS = {"alembic_version", "event", "meta"}  # no migration may rename these: a file is known by them


def prepare(path: Path) -> None:
    """Makes the file, or migrates it after a backup, or raises TensordrillError and changes nothing."""
    _check_rights(path)
    found = version(path) if path.exists() else None
    if found is not None and found < HEAD:
        _back_up(path, path.with_name(f"{path.stem}-schema-{found}{path.suffix}"))
    if found != HEAD:
        upgrade(path)


def upgrade(path: Path) -> None:
    """Runs the missing migrations in one transaction. Does nothing where another process was faster."""
    from alembic import command  # noqa: PLC0415 -- costs 200 ms, and hardly a start needs it
    from alembic.config import Config  # noqa: PLC0415

    database = engine.connect(path)
    config = Config()
    config.set_main_option("script_location", str(scripts()).replace("%", "%%"))
    try:
        with engine.writing(database) as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        database.dispose()


def scripts() -> Path:
    """The folder of Alembic's env.py, in a checkout and in an installed wheel alike."""
    return Path(str(resources.files("tensordrill.db")))


def version(path: Path) -> str | None:
    """The file's schema version, at most HEAD; None where there is nothing in it. Reads, and never writes."""
    if not path.is_file():
        raise TensordrillError(f"{path} is not a file.", hint="tensordrill keeps its data in a file of that name.")
    with closing(reading(path)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if not names and not any(_number(connection, name) for name in ("application_id", "user_version")):
            return None
        if names >= OURS:
            versions = [str(version) for (version,) in connection.execute("SELECT version_num FROM alembic_version")]
            if len(versions) == 1 and FIRST <= versions[0] <= HEAD:
                return versions[0]
            if len(versions) == 1 and versions[0].isdecimal():
                raise TensordrillError(
                    f"The data file {path} was made by a newer tensordrill: schema {versions[0]}, past {HEAD}.",
                    hint="Upgrade this one: pip install --upgrade tensordrill",
                )
    raise TensordrillError(f"The file {path} is a database of another program.", hint=UNTOUCHED)


def reading(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, and leaves no file beside the data file."""
    # Without a log beside it the file holds everything, and `immutable` keeps SQLite from making one.
    mode = "mode=ro" if path.with_name(path.name + "-wal").exists() else "mode=ro&immutable=1"
    return sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, timeout=engine.BUSY_SECONDS)


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    (number,) = connection.execute(f"PRAGMA {pragma}").fetchone()
    return int(number)


def _check_rights(path: Path) -> None:
    # SQLite keeps its log beside the file. Saying now what cannot be written beats failing at the first answer.
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise TensordrillError(
            f"The folder {path.parent} cannot be written.",
            hint="Check who owns it, or set TENSORDRILL_HOME to another folder.",
        )
    for file in (path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))):
        if file.exists() and not os.access(file, os.R_OK | os.W_OK):
            raise TensordrillError(f"The data file {file} cannot be written.", hint="Check who owns it and its mode.")


def _back_up(path: Path, copy: Path) -> None:
    """Copies the file as it is now, its log included. A copy that is there is whole."""
    part = copy.with_name(copy.name + ".part")
    part.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(part)) as target:
        source.backup(target)
    part.replace(copy)
