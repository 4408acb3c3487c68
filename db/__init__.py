"""The data file's migrations, run by Alembic from `tensordrill.store.migration`."""
