"""The tables as they are now. `db/versions` holds how they came to be, and a test holds the two together."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.schema import Index

ESCAPED = "escaped:"


class AnyText(TypeDecorator[str]):
    """Text that may hold what a database cannot: NULs and lone surrogates, as terminals and pastes produce them.

    Such a text, and one that begins with `escaped:`, is kept as `escaped:` and Python's unicode escapes; every other
    one as it is. What is read equals what was written.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 -- the base's
        if value is None or _plain(value):
            return value
        return ESCAPED + value.encode("unicode_escape").decode("ascii")

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:  # noqa: ANN401, ARG002
        if isinstance(value, str) and value.startswith(ESCAPED):
            return value.removeprefix(ESCAPED).encode("ascii", "replace").decode("unicode_escape", "replace")
        return value


def _plain(text: str) -> bool:
    return not ("\0" in text or text.startswith(ESCAPED) or any("\ud800" <= char <= "\udfff" for char in text))


metadata = MetaData()

puzzle = Table(
    "puzzle",
    metadata,
    Column("hash", String, primary_key=True),
    Column("drill", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("prompt", AnyText, nullable=False),
    Column("code", AnyText, nullable=False),
    Column("reference", AnyText, nullable=False),
)

event = Table(
    "event",
    metadata,
    Column("id", String, primary_key=True),
    Column("replica", String, nullable=False),
    Column("number", Integer, CheckConstraint("number >= 1"), nullable=False),
    # Later than every event that was in the file before it, even where the clock went back: the order of the history.
    Column("order_ms", BigInteger, nullable=False),
    Column("type", String, nullable=False),
    Column("mode", String, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("offset_min", Integer, nullable=False),
    Column("study_day", String(10), nullable=False),
    Column("drill", String, nullable=False),
    Column("level", Integer, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("puzzle", String, ForeignKey("puzzle.hash"), nullable=False),
    Column("answer", AnyText, nullable=False),
    Column("status", String),
    Column("wrong_turn", String),
    Column("attempt", Integer, nullable=False),
    Column("hints", Integer, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("rating", Integer),
    Column("policy", String),
    Column("undoes", String),
    Column("stability", Double),
    UniqueConstraint("replica", "number"),
    Index("event_order", "order_ms", "replica", "number"),
    Index("event_drill", "drill", "seed"),
    Index("event_undoes", "undoes"),
)

card = Table(
    "card",
    metadata,
    Column("drill", String, primary_key=True),
    Column("due", String(10), nullable=False),
    Column("stability", Double, nullable=False),
    Column("difficulty", Double, nullable=False),
    Column("reps", Integer, nullable=False),
    Column("lapses", Integer, nullable=False),
    Column("level", Integer, nullable=False),
    Column("first_day", String(10), nullable=False),
    Column("last_day", String(10), nullable=False),
    Column("last_rating", Integer, nullable=False),
)

meta = Table(
    "meta",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)
