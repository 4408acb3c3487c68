"""The learner's data file: an append-only history of events, the cards derived from it, the puzzles as they were asked.

`Store` is all that others need. SQLAlchemy and Alembic stay in this package; importing it pays for SQLAlchemy, so
callers import it where they open the file.
"""

from tensordrill.store.store import Store

__all__ = ["Store"]
