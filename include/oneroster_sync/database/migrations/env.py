"""Run migrations on the connection that `oneroster_sync.database.migrate` passes."""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    # Not Alembic's own `alembic_version`: other applications have a table of that name.
    version_table="oneroster_schema_version",
)
with context.begin_transaction():
    context.run_migrations()
