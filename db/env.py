"""What Alembic runs to migrate. The caller brings the connection, in a transaction of its own."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
