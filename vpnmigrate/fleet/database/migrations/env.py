"""Alembic's environment: runs the migrations on the connection that ``upgrade`` gives it."""

from alembic import context

from vpnmigrate.fleet.database.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table="fleet_version",
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
