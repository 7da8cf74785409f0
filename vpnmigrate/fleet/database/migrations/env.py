"""Alembic's environment: runs the migrations on the connection that ``upgrade`` gives it."""

from alembic import context

from vpnmigrate.fleet.database.schema import METADATA
from vpnmigrate.fleet.database.version import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
