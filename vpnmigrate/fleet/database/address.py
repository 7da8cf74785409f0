"""Address of the database: where it comes from, and how it is shown without its password.

Other users of a machine see the words of a command line, so the address can also come from the
environment or from a private file.  libpq's own means (``PGPASSFILE``, ``PGSERVICE``, client
certificates) work as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from vpnmigrate.devices.secret import Secret
from vpnmigrate.local.settings import DATABASE_FILE_VARIABLE, DATABASE_VARIABLE
from vpnmigrate.local.text_files import file_text
from vpnmigrate.model.errors import UsageError, VpnMigrateError
from vpnmigrate.model.redaction import without_passwords

_LARGEST = 16 * 1024
"""Bytes of a file with an address, which is one line."""
_DRIVER = "postgresql+psycopg"
_EXAMPLE = "for example postgresql://vpnmigrate@db.example/vpnmigrate"


@dataclass(frozen=True)
class DatabaseAddress:
    """The address of a PostgreSQL database; printing it hides its passwords."""

    url: URL

    @property
    def password(self) -> Secret | None:
        """The password in the address; None if it has none."""
        text = self.url.password
        return Secret(str(text)) if text else None

    @property
    def libpq(self) -> str:
        """The address with its password, as libpq reads it."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    @property
    def without_password(self) -> str:
        """The address as a printed command names it; also without that of a client's key."""
        bare = self.url._replace(drivername="postgresql", password=None)
        bare = bare.difference_update_query(["sslpassword"])
        return bare.render_as_string(hide_password=False)

    def __str__(self) -> str:
        return without_passwords(self.libpq)

    def __repr__(self) -> str:
        return f"DatabaseAddress({self})"


def address_from(text: str) -> DatabaseAddress:
    """Return the address in *text*.

    Raises:
        UsageError: It is not the address of a PostgreSQL database; the message does not quote it.
    """
    try:
        url = make_url(text.strip())
    except (ArgumentError, ValueError):
        raise UsageError("the address of the database is not a URL", advice=_EXAMPLE) from None
    if url.drivername not in {"postgresql", "postgres", _DRIVER}:
        raise UsageError(
            "the address of the database does not begin with postgresql://", advice=_EXAMPLE
        )
    if password := url.query.get("password"):
        # libpq takes it there too, where nothing would hide it.
        url = url.set(password=str(password)).difference_update_query(["password"])
    return DatabaseAddress(url.set(drivername=_DRIVER))


def database_address(
    option: str | None, file: Path | None, environment: Mapping[str, str]
) -> DatabaseAddress:
    """Return the address of the database from the command line or else the environment.

    Raises:
        UsageError: There is none, or it is not the address of a PostgreSQL database.
    """
    if option is not None:
        return _with_known_password(address_from(option), environment)
    if file is not None:
        return address_from(file_text(file, _LARGEST))
    if (known := _of_environment(environment)) is not None:
        return known
    raise UsageError(
        "no database is named",
        advice=f"give --database URL or --database-file FILE, or set {DATABASE_VARIABLE} or "
        f"{DATABASE_FILE_VARIABLE}; {_EXAMPLE}",
    )


def _of_environment(environment: Mapping[str, str]) -> DatabaseAddress | None:
    if text := environment.get(DATABASE_VARIABLE):
        return address_from(text)
    if name := environment.get(DATABASE_FILE_VARIABLE):
        return address_from(file_text(Path(name), _LARGEST))
    return None


def _with_known_password(given: DatabaseAddress, environment: Mapping[str, str]) -> DatabaseAddress:
    """Return *given*, or the address of the same database in *environment*, with its password.

    Printed commands name the database without its password.
    """
    if given.password is not None:
        return given
    try:
        known = _of_environment(environment)
    except VpnMigrateError:
        return given
    return known if known and known.without_password == given.without_password else given
