"""What goes wrong with a data file, told in one sentence each. Every error of the database passes through here."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from tensordrill.errors import TensordrillError

KEPT = "Whatever was saved before is still there."
UNTOUCHED = "It was left untouched. Set TENSORDRILL_HOME to a folder of its own, or move that file away."

# By SQLite's primary result code: what is the matter with the file, and what to do.
FAULTS = {
    sqlite3.SQLITE_BUSY: ("is in use by another program, and stayed locked", "Close that program and try again."),
    sqlite3.SQLITE_LOCKED: ("is in use by another program, and stayed locked", "Close that program and try again."),
    sqlite3.SQLITE_FULL: ("cannot grow: the disk is full", f"Free some space and try again. {KEPT}"),
    sqlite3.SQLITE_READONLY: (
        "cannot be written",
        "Check who owns it, its folder and the files beside it, and whether the disk is read-only.",
    ),
    sqlite3.SQLITE_PERM: ("cannot be opened", "Check who owns it and its folder."),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", "Check who owns it, its folder and the files beside it."),
    sqlite3.SQLITE_IOERR: ("could not be read or written", f"Check the disk and its free space. {KEPT}"),
    sqlite3.SQLITE_CORRUPT: (
        "is damaged",
        "Move it away and put a copy of it in its place. `sqlite3 FILE .recover` saves what can still be read.",
    ),
    sqlite3.SQLITE_NOTADB: ("is not an SQLite database", UNTOUCHED),
}


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turns errors of the database and of the file system, and content that cannot be, into TensordrillError."""
    try:
        yield
    except DBAPIError as error:
        raise _fault(path, error.orig or error) from error
    except (sqlite3.Error, SQLAlchemyError, OSError) as error:
        raise _fault(path, error) from error


def _fault(path: Path, error: BaseException) -> TensordrillError:
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the upper bits tell apart kinds of the same fault
    what, hint = FAULTS.get(primary, (f"could not be used: {error}", KEPT))
    return TensordrillError(f"The data file {path} {what}.", hint=hint)
