"""Version of the schema, which each process checks at its start; ``upgrade`` raises it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.model.errors import RefusedError
from vpnmigrate.model.errors.commands import cli

MIGRATIONS: Final = Path(__file__).parent / "migrations"
VERSION_TABLE: Final = "fleet_version"


def latest_version() -> str:
    """Return the version of the schema that this program needs."""
    return max(file.name[1:5] for file in (MIGRATIONS / "versions").glob("v????_*.py"))


def version_of(database: Database) -> str | None:
    """Return the version of the schema; None for a database without one.

    Raises:
        DatabaseError: The database does not answer.
    """

    def work(connection: Connection) -> str | None:
        if connection.execute(sa.select(sa.func.to_regclass(VERSION_TABLE))).scalar_one() is None:
            return None
        found = sa.select(sa.column("version_num", sa.Text)).select_from(sa.table(VERSION_TABLE))
        return connection.execute(found).scalar()

    return database.execute(work)


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
