"""Access of a command to the database of a fleet.

Its libraries are the extra ``vpnmigrate[fleet]``, so only this module and its users import them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from vpnmigrate.local.settings import DATABASE_FILE_VARIABLE, DATABASE_VARIABLE
from vpnmigrate.model.errors import UsageError
from vpnmigrate.model.errors.extras import install_command
from vpnmigrate.model.redaction import Redaction

if TYPE_CHECKING:
    from vpnmigrate.fleet.database.connection import Database

_LIBRARIES: Final = ("alembic", "pgqueuer", "psycopg", "sqlalchemy")


@dataclass(frozen=True)
class DatabaseOptions:
    """Where the database of the fleet is."""

    database: Annotated[
        str | None,
        typer.Option(
            "--database",
            metavar="URL",
            help="PostgreSQL database of the fleet: postgresql://user@host/name. Default: "
            "VPNMIGRATE_DATABASE. Other users see a password in a command line.",
        ),
    ] = None
    database_file: Annotated[
        Path | None,
        typer.Option(
            "--database-file",
            metavar="FILE",
            help="File with the URL, so that its password is not in the command line. Default: "
            "VPNMIGRATE_DATABASE_FILE.",
        ),
    ] = None

    @property
    def is_named(self) -> bool:
        """Whether a database is named, by an option or in the environment."""
        variables = (DATABASE_VARIABLE, DATABASE_FILE_VARIABLE)
        return bool(self.database or self.database_file or any(map(os.environ.get, variables)))


@contextmanager
def fleet_database(
    options: DatabaseOptions,
    redaction: Redaction,
    patience: timedelta = timedelta(0),
    *,
    current: bool = True,
) -> Iterator[Database]:
    """Open the database of *options*; *redaction* learns its password.

    *current* requires the version of the schema that this program needs.

    Raises:
        UsageError: The extra is not installed, or no database is named.
        RefusedError: The schema has another version.
        DatabaseError: The database does not answer.
    """
    require_fleet_libraries()
    from vpnmigrate.fleet.database.address import database_address
    from vpnmigrate.fleet.database.connection import AT_ONCE, Database
    from vpnmigrate.fleet.database.version import require_current

    address = database_address(options.database, options.database_file, os.environ)
    if (password := address.password) is not None:
        redaction.learn([password])
    database = Database(address, patience or AT_ONCE)
    try:
        if current:
            require_current(database)
        yield database
    finally:
        database.close()


def require_fleet_libraries() -> None:
    """Check that the libraries of the extra are installed.

    Raises:
        UsageError: One is missing.
    """
    missing = [name for name in _LIBRARIES if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"a fleet in a database needs {', '.join(missing)}, which are not installed",
            advice=install_command("fleet"),
        )
