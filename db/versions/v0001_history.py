"""Events, cards, the puzzles that were asked, and the file's own name among replicas."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "puzzle",
        sa.Column("hash", sa.String, primary_key=True),
        sa.Column("drill", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("replica", sa.String, nullable=False),
        sa.Column("number", sa.Integer, sa.CheckConstraint("number >= 1"), nullable=False),
        sa.Column("order_ms", sa.BigInteger, nullable=False),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("mode", sa.String, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("offset_min", sa.Integer, nullable=False),
        sa.Column("study_day", sa.String(10), nullable=False),
        sa.Column("drill", sa.String, nullable=False),
        sa.Column("level", sa.Integer, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("puzzle", sa.String, sa.ForeignKey("puzzle.hash"), nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("status", sa.String),
        sa.Column("wrong_turn", sa.String),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("hints", sa.Integer, nullable=False),
        sa.Column("duration_ms", sa.BigInteger, nullable=False),
        sa.Column("rating", sa.Integer),
        sa.Column("policy", sa.String),
        sa.UniqueConstraint("replica", "number"),
    )
    op.create_index("event_order", "event", ["order_ms", "replica", "number"])
    op.create_index("event_drill", "event", ["drill", "seed"])
    op.create_table(
        "card",
        sa.Column("drill", sa.String, primary_key=True),
        sa.Column("due", sa.String(10), nullable=False),
        sa.Column("stability", sa.Double, nullable=False),
        sa.Column("difficulty", sa.Double, nullable=False),
        sa.Column("reps", sa.Integer, nullable=False),
        sa.Column("lapses", sa.Integer, nullable=False),
        sa.Column("level", sa.Integer, nullable=False),
        sa.Column("first_day", sa.String(10), nullable=False),
        sa.Column("last_day", sa.String(10), nullable=False),
        sa.Column("last_rating", sa.Integer, nullable=False),
    )
    meta = op.create_table(
        "meta",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("value", sa.String, nullable=False),
    )
    # Which file an event was first written to; with its number there, no two events are ever taken for one.
    op.bulk_insert(meta, [{"name": "replica", "value": secrets.token_hex(8)}])
