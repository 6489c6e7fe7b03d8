"""Run by alembic: applies the migrations on the connection it was handed, inside that connection's transaction."""

from __future__ import annotations

from alembic import context

from include.person_sync.state.migrate import VERSION_TABLE
from include.person_sync.state.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
