"""Workers: the rows that say which workers are alive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from vpnmigrate.fleet.database.connection import AT_ONCE, Database
from vpnmigrate.fleet.database.leases import LEASE, database_now
from vpnmigrate.fleet.database.schema import WORKERS

_PREDECESSOR: Final = LEASE / 2
"""How long a worker has not been seen when another one with its name removes its row.  It may be
alive still: then its row is back with its next renewal."""
_FORGOTTEN: Final = timedelta(days=1)
"""A worker that was not seen for so long is removed from the list."""


@dataclass(frozen=True)
class WorkerRow:
    """A worker as the database has it."""

    id: str
    version: str
    started_at: datetime
    seen_at: datetime
    ending: bool
    """Whether it was told to end and begins nothing more."""
    alive: bool


class FleetWorkers:
    """The workers in *database*."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self) -> tuple[WorkerRow, ...]:
        """Return the workers that were seen within a day, sorted by id."""
        alive = WORKERS.c.seen_at > database_now() - sa.cast(sa.literal(LEASE), sa.Interval)
        statement = sa.select(WORKERS, alive.label("alive")).order_by(WORKERS.c.id)
        rows = self._database.execute(
            lambda connection: connection.execute(statement).mappings().all()
        )
        return tuple(WorkerRow(**row) for row in rows)

    def see(self, worker: str, version: str, *, ending: bool) -> None:
        """Note that *worker* is alive, and forget those that have not been for a day.

        Raises:
            DatabaseError: The database does not answer now.
        """
        seen = {"seen_at": database_now(), "ending": ending}
        noted = (
            postgresql.insert(WORKERS)
            .values(id=worker, version=version, started_at=database_now(), **seen)
            .on_conflict_do_update(index_elements=[WORKERS.c.id], set_=seen)
        )
        self._database.execute(lambda connection: connection.execute(noted), AT_ONCE)

    def replace_dead(self, name: str) -> None:
        """Remove the workers called *name* that have died, for one that starts with their name."""
        old = database_now() - sa.cast(sa.literal(_PREDECESSOR), sa.Interval)
        same_name = sa.func.regexp_replace(WORKERS.c.id, "/[^/]*$", "") == name
        gone = sa.delete(WORKERS).where(same_name, WORKERS.c.seen_at < old)
        self._database.execute(lambda connection: connection.execute(gone), AT_ONCE)

    def forget(self, worker: str) -> None:
        """Remove *worker*, which has ended, and those that were not seen for a day."""
        old = database_now() - sa.cast(sa.literal(_FORGOTTEN), sa.Interval)
        gone = sa.delete(WORKERS).where(sa.or_(WORKERS.c.id == worker, WORKERS.c.seen_at < old))
        self._database.execute(lambda connection: connection.execute(gone), AT_ONCE)
