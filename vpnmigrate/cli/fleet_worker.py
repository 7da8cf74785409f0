"""Fleet worker: the process around ``fleet.worker``, with its signals and its messages."""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import signal

from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.fleet_database import DatabaseOptions, fleet_database
from vpnmigrate.cli.fleet_session import FleetSessions
from vpnmigrate.cli.options import AwsOptions
from vpnmigrate.cli.worker_output import WorkerLog
from vpnmigrate.fleet.database.connection import FAILOVER, Database
from vpnmigrate.fleet.database.deliveries import install_queue
from vpnmigrate.fleet.database.upgrade import upgrade
from vpnmigrate.fleet.database.version import latest_version, version_of
from vpnmigrate.fleet.database.workers import FleetWorkers
from vpnmigrate.fleet.names import worker_id
from vpnmigrate.fleet.worker import Worker
from vpnmigrate.local.lock import holder_name
from vpnmigrate.model.errors import Exit
from vpnmigrate.model.struct_types import analyse_structs

_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_NEW_OBJECTS = 10_000
"""Objects between two garbage collections.  A worker lives for weeks, and each session leaves some
megabytes of clients; the limit of a single command (``cli.NEW_OBJECTS``) would keep hundreds."""


def serve(
    context: CommandContext, place: DatabaseOptions, aws: AwsOptions, name: str | None, most: int
) -> None:
    """Work on runs until a signal, and then until no cutover of this worker is open.

    Raises:
        UsageError: No database is named.
        RefusedError: Its schema has another version.
    """
    analyse_structs()
    gc.freeze()  # What the start has created stays.
    gc.set_threshold(_NEW_OBJECTS)
    me = context.dependencies.me
    # A process number may be used again on the same host, also in the same second.
    own = f"{me.process}-{secrets.token_hex(2)}"
    worker = worker_id(name, own) if name else holder_name(me.user, me.host, own)
    with fleet_database(place, context.redaction, FAILOVER) as database:
        if name:
            FleetWorkers(database).replace_dead(name)
        sessions = FleetSessions(context, database, aws)
        log = WorkerLog(context)
        served = Worker(
            database,
            worker,
            sessions.work,
            say=log.say,
            now=context.dependencies.clock.wall,
            most=most,
        )
        asyncio.run(_serve(served, worker, log))


async def _serve(worker: Worker, name: str, log: WorkerLog) -> None:
    say, stopping = log.say, asyncio.Event()

    def stop(number: signal.Signals) -> None:
        if stopping.is_set():
            say(f"{number.name} again: stopped immediately; other workers continue the runs")
            os._exit(Exit.INTERRUPTED)
        say(f"{number.name}: begins nothing more, and hands on what can be handed on")
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in _STOPS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, stop, number)
    say(f"worker {name} is ready")
    await worker.serve(stopping)
    say(f"worker {name} has ended")


def upgrade_database(database: Database) -> None:
    """Create or upgrade the tables of the program and those of the queue.

    Raises:
        DatabaseError: The database does not answer, or refuses a statement.
    """
    upgrade(database)
    asyncio.run(install_queue(database.address))


def database_version(database: Database) -> tuple[str | None, str]:
    """Return the version of the schema, and the one that this program needs."""
    return version_of(database), latest_version()
