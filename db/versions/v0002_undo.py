"""Events that take another one back, and events that hold a drill to be known."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("event", sa.Column("undoes", sa.String))
    op.add_column("event", sa.Column("stability", sa.Double))
    op.create_index("event_undoes", "event", ["undoes"])
