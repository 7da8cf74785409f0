"""Upgrade of the schema, on request.

Alembic's migrations are the program's own tables; the tables of the queue are upgraded by the
library that owns them (``deliveries``).
"""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.version import MIGRATIONS


def upgrade(database: Database) -> None:
    """Create or upgrade the program's tables; nothing changes if that fails.

    Raises:
        DatabaseError: The database does not answer, or refuses a statement.
    """

    def work(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    database.transact(work)
