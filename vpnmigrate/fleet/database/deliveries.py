"""Deliveries: which worker works on a run next, by pgqueuer's queue in the same database.

A delivery contains only the name of a run: the work follows from the run's row and its journal.  It
is requested in the transaction that makes the run want work, so neither exists without the other.
A worker keeps it until the run wants nothing more.  The queue delivers it again, to another worker,
if its own does not say for ``HEARTBEAT`` that it is alive.

Several deliveries of one run are harmless: only the lease of the run (``database.leases``) gives
the right to work on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

import psycopg
import sqlalchemy as sa
from pgqueuer import RetryRequested
from pgqueuer.adapters.drivers.psycopg import PsycopgDriver
from pgqueuer.adapters.persistence.queries import Queries, SyncQueries
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.models import Job
from pgqueuer.ports.driver import SyncDriver
from psycopg import RawCursor
from psycopg.rows import dict_row

from vpnmigrate.fleet.database.address import DatabaseAddress

HEARTBEAT: Final = timedelta(seconds=1.5)
"""A delivery whose worker has been silent for so long is given to another one, which then waits
for the end of the lease (``leases.LEASE``); a worker that was merely slow keeps its run."""
_POLL: Final = timedelta(seconds=0.5)
"""How often a worker asks for deliveries that no notification announced: those of dead workers."""
_BATCH: Final = 4
"""Deliveries that a worker takes at a time, so that several idle workers share them."""
_ENTRYPOINT: Final = "vpnmigrate-run"
_CONNECT_LIMIT: Final = 3
"""Seconds."""


class _Transaction(SyncDriver):
    """Statements of the queue in the transaction of an SQLAlchemy connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        raw: Any = self._connection.connection.driver_connection
        with RawCursor(raw, row_factory=dict_row) as cursor:
            cursor.execute(query.encode(), args or None)
            return cursor.fetchall()


def deliver(connection: sa.Connection, run: str) -> None:
    """Request the delivery of *run* in the transaction of *connection*."""
    SyncQueries(_Transaction(connection)).enqueue(_ENTRYPOINT, run.encode())


async def install_queue(address: DatabaseAddress) -> None:
    """Create the tables of the queue, or upgrade them to the installed version of pgqueuer."""
    async with await _connected(address) as connection:
        queries = Queries.from_psycopg_connection(connection)
        if await queries.schema_is_installed():
            await queries.upgrade()
        else:
            await queries.install()


class _WatchedDriver(PsycopgDriver):
    """A driver that notes when its connection is gone."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        super().__init__(connection)
        self.broken = asyncio.Event()

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        try:
            return await super().fetch(query, *args)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            self.broken.set()
            raise

    async def execute(self, query: str, *args: object) -> str:
        try:
            return await super().execute(query, *args)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            self.broken.set()
            raise


class QueueLostError(Exception):
    """The queue does not answer; the message says why."""


class PassOnError(Exception):
    """The delivery is to be given to another worker at once."""


Handle = Callable[[str], Awaitable[None]]
"""Returns once the run wants nothing more; raises ``PassOnError`` to give it to another worker."""


async def consume(
    address: DatabaseAddress, handle: Handle, stopping: asyncio.Event, *, most: int
) -> None:
    """Call *handle* for each delivery, *most* at a time, until *stopping* and all have returned.

    Raises:
        QueueLostError: The database does not answer.  Deliveries that were in *handle* are given to
            a worker again; *handle* is cancelled.
    """
    try:
        await _consume(address, handle, stopping, most)
    except (psycopg.Error, OSError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise QueueLostError(reason[0]) from error


async def _consume(
    address: DatabaseAddress, handle: Handle, stopping: asyncio.Event, most: int
) -> None:
    async with await _connected(address) as connection:
        driver = _WatchedDriver(connection)
        manager = QueueManager(Queries(driver))

        @manager.entrypoint(_ENTRYPOINT, on_failure="hold")
        async def resume(job: Job) -> None:
            work = asyncio.ensure_future(handle((job.payload or b"").decode()))
            broken = asyncio.ensure_future(driver.broken.wait())
            try:
                await asyncio.wait({work, broken}, return_when=asyncio.FIRST_COMPLETED)
                if not work.done():
                    # The queue waits for its handlers before it reports the lost connection.
                    raise RetryRequested(reason="the database restarted")
                await work
            except PassOnError as passed:
                raise RetryRequested(reason=str(passed)) from passed
            finally:
                work.cancel()
                broken.cancel()

        async def end() -> None:
            await stopping.wait()
            manager.shutdown.set()

        ending = asyncio.ensure_future(end())
        try:
            await manager.run(
                dequeue_timeout=_POLL,
                batch_size=_BATCH,
                max_concurrent_tasks=max(most, 2 * _BATCH),
                heartbeat_timeout=HEARTBEAT,
            )
        finally:
            ending.cancel()


async def _connected(address: DatabaseAddress) -> psycopg.AsyncConnection[Any]:
    return await psycopg.AsyncConnection.connect(
        address.libpq,
        autocommit=True,
        application_name="vpnmigrate-fleet-queue",
        connect_timeout=_CONNECT_LIMIT,
        keepalives_idle=5,
        keepalives_interval=2,
        keepalives_count=3,
        tcp_user_timeout=10_000,
    )
