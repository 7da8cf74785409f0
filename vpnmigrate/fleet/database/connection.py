"""Connection: statements and transactions that survive a restart of the database.

A session of a run must not end because PostgreSQL restarts while traffic is down, so work is
repeated until the database answers again.  The answer to a commit may be lost with its connection;
work therefore has the same effect when it is repeated, or finds out whether it was done.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import (
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
    SQLAlchemyError,
)

from vpnmigrate.fleet.database.address import DatabaseAddress
from vpnmigrate.model.clock import Clock, SteadyClock, span
from vpnmigrate.model.errors import DatabaseError
from vpnmigrate.model.errors.commands import cli

T = TypeVar("T")

FAILOVER: Final = timedelta(minutes=2)
"""How long a worker waits for the database: a Multi-AZ failover of Amazon RDS takes 60 to 120 s
(its user guide, "Multi-AZ DB instance deployments"), a restart a few seconds."""
AT_ONCE: Final = timedelta(0)
"""For commands of an operator, who reads the error and repeats the command."""
_PAUSE: Final = timedelta(milliseconds=200)
"""Between two attempts: a small part of a lease (``leases.LEASE``)."""

_IDLE: Final = "25P03"
"""PostgreSQL's error code of a transaction that was idle for too long."""
_HELD_UP: Final = timedelta(seconds=10)
"""How long work is at least repeated whose transaction was idle for too long, also for a command:
on a busy host a process may be held up for some seconds."""

_LOGIN_REFUSED: Final = re.compile(
    "authentication failed|no password supplied|does not exist|no pg_hba.conf entry"
    "|not permitted to log in|permission denied for database"
)
"""What a server in English, or libpq, says of a login that it refuses; libpq has no code for it."""

_SETTINGS: Final = {
    # A worker that is suspended in a transaction must not keep its locks.
    "idle_in_transaction_session_timeout": "2s",
    # A statement of a few rows; more means that the server or the network is stuck.
    "statement_timeout": "10s",
    "lock_timeout": "5s",
    "timezone": "UTC",
}
_CONNECT: Final[dict[str, Any]] = {
    "application_name": "vpnmigrate-fleet",
    "connect_timeout": 3,
    # A host that disappears without a word is noticed within about ten seconds.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "options": " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items()),
}
_POOL: Final = 5
"""Connections that a process keeps; more are opened while they are needed."""
_MOST: Final = 40
"""Further connections; a worker needs one for each run that writes at the same moment."""


class Database:
    """The database of a fleet; any thread may use it.

    *patience* is how long work is repeated while the database does not answer.
    """

    def __init__(
        self,
        address: DatabaseAddress,
        patience: timedelta = AT_ONCE,
        clock: Clock | None = None,
    ) -> None:
        self.address = address
        self._patience = patience
        self._clock = clock or SteadyClock()
        self._engine = sa.create_engine(
            address.url, connect_args=_CONNECT, pool_size=_POOL, max_overflow=_MOST
        )
        self._single = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    @property
    def engine(self) -> sa.Engine:
        """The engine, for listeners to its events."""
        return self._engine

    def execute(self, work: Callable[[Connection], T], patience: timedelta | None = None) -> T:
        """Return the result of *work*, each of whose statements commits by itself.

        Raises:
            DatabaseError: The database did not answer within *patience*, or refuses a statement.
        """

        def once() -> T:
            with self._single.connect() as connection:
                return work(connection)

        return self._repeated(once, patience)

    def transact(self, work: Callable[[Connection], T], patience: timedelta | None = None) -> T:
        """Return the result of *work*, whose statements commit together.

        Raises:
            DatabaseError: The database did not answer within *patience*, or refuses a statement.
        """

        def once() -> T:
            with self._engine.begin() as connection:
                return work(connection)

        return self._repeated(once, patience)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._engine.dispose()

    def _repeated(self, once: Callable[[], T], patience: timedelta | None) -> T:
        patience = self._patience if patience is None else patience
        began = self._clock.now()
        while True:
            try:
                return once()
            except (OperationalError, InterfaceError) as error:
                if self._clock.now() - began >= patience:
                    raise self._unreachable(error, patience) from error
            except InternalError as error:
                if getattr(error.orig, "sqlstate", None) != _IDLE:
                    raise self._refused(error) from error
                # This process was held up, and the server has undone the transaction.
                if self._clock.now() - began >= max(patience, _HELD_UP):
                    raise self._unreachable(error, patience) from error
            except SQLAlchemyError as error:
                raise self._refused(error) from error
            self._clock.sleep(_PAUSE)

    def _refused(self, error: SQLAlchemyError) -> DatabaseError:
        return DatabaseError(
            f"the database {self.address} refuses a statement: {reason_of(error)}",
            advice=cli("fleet", "database", "status"),
        )

    def _unreachable(self, error: DBAPIError, patience: timedelta) -> DatabaseError:
        waited = f" for {span(patience)}" if patience else ""
        reason = reason_of(error)
        if _LOGIN_REFUSED.search(reason):
            return DatabaseError(
                f"PostgreSQL refuses the connection to {self.address}{waited}: {reason}",
                advice="correct the user, the password or the name of the database where its URL "
                "is given (--database, --database-file, VPNMIGRATE_DATABASE, "
                "VPNMIGRATE_DATABASE_FILE), then run the same command again",
            )
        return DatabaseError(
            f"the database {self.address} has not answered{waited}: {reason}",
            advice="check that PostgreSQL is running, that this host reaches it, and the URL of "
            "the database, then run the same command again",
        )


def reason_of(error: SQLAlchemyError) -> str:
    """Return the first line of what the server or libpq says, without statement and values."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]
