"""Upgrade: the version of the schema, checked at the start of each process and raised on request.

Alembic's migrations are the program's own tables; the tables of the queue are upgraded by the
library that owns them (``deliveries``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from vpnmigrate.errors import RefusedError
from vpnmigrate.errors.commands import cli
from vpnmigrate.fleet.database.connection import Database

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_TABLE: Final = "fleet_version"


def latest_version() -> str:
    """Return the version of the schema that this program needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None  # noqa: S101  the package has a migration
    return head


def version_of(database: Database) -> str | None:
    """Return the version of the schema; None for a database without one.

    Raises:
        DatabaseError: The database does not answer.
    """

    def work(connection: Connection) -> str | None:
        options = {"version_table": _TABLE}
        return MigrationContext.configure(connection, opts=options).get_current_revision()

    return database.execute(work)


def upgrade(database: Database) -> None:
    """Create or upgrade the program's tables; nothing changes if that fails.

    Raises:
        DatabaseError: The database does not answer, or refuses a statement.
    """

    def work(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    database.transact(work)


def require_current(database: Database) -> None:
    """Check that the schema is the one that this program needs.

    Raises:
        RefusedError: It is older or newer.
        DatabaseError: The database does not answer.
    """
    found, needed = version_of(database), latest_version()
    if found == needed:
        return
    upgrading = cli("fleet", "database", "upgrade")
    if found is None:
        raise RefusedError(f"{database.address} has no fleet yet", advice=upgrading)
    if found < needed:
        raise RefusedError(
            f"{database.address} has version {found} of the schema, and this program needs "
            f"{needed}; nothing was changed",
            advice=("stop the workers of the old version, then:", upgrading),
        )
    raise RefusedError(
        f"{database.address} has version {found} of the schema, which is newer than this program "
        f"({needed}); nothing was changed",
        advice="use the version of vpnmigrate that the workers use",
    )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config
