"""A served sandbox, a database and workers in processes of their own."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from tests.e2e.operators import SCENARIO, SPEED, Migration
from tests.e2e.quick import ENGINEER
from tests.e2e.shells import PATIENCE, Terminal
from tests.support.warm.processes import WarmProcess
from vpnmigrate.cli.commands.sandbox import load
from vpnmigrate.fleet.database.address import DatabaseAddress
from vpnmigrate.fleet.database.connection import FAILOVER, Database
from vpnmigrate.fleet.database.deliveries import deliver
from vpnmigrate.fleet.database.journal import stored_journal
from vpnmigrate.fleet.database.runs import FleetRuns
from vpnmigrate.fleet.database.schema import RunGoal
from vpnmigrate.fleet.names import name_of
from vpnmigrate.journal import RunState, replay
from vpnmigrate.local.settings import DATABASE_VARIABLE
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.server.clock import ScaledClock
from vpnmigrate.sandbox.server.serve import serve
from vpnmigrate.sandbox.world import World

LONG = 4 * PATIENCE
"""Seconds: a migration by workers that are replaced, on a machine that other tests keep busy."""
TICK = 0.05
"""Seconds between two looks at the database."""


class FleetStage:
    """One plan for one sandbox, and workers that share a database."""

    def __init__(self, world: World, migration: Migration, address: DatabaseAddress) -> None:
        self.world = world
        self.migration = migration
        self.database = Database(address, FAILOVER)
        self.runs = FleetRuns(self.database)
        self._known = (0, RunState())
        self._workers: dict[str, WarmProcess] = {}
        self._environment = {
            **migration.terminal.environment,
            DATABASE_VARIABLE: address.libpq,
        }

    def without_engineer(self) -> None:
        """Leave the confirmation of device tasks to messages."""
        del self._environment[ENGINEER]

    @property
    def run(self) -> str:
        """The id of the run."""
        return str(self.migration.plan.migration)

    def start(self) -> None:
        """Add the run to the database, and start it."""
        text = self.migration.plan_file.read_bytes()
        self.runs.add(self.migration.plan, text, "alice@laptop/1")
        self.runs.start(self.run, RunGoal.CUTOVER, deliver)

    def worker(self, host: str, name: str = "") -> WarmProcess:
        """Start a worker with a run directory of its own, as on *host*; that is also its name."""
        with self._log(host).open("a") as log:
            process = self._terminal(self.migration.home / host).begun(
                "fleet", "worker", "--name", name or host, stderr=log, stdout=subprocess.DEVNULL
            )
        self._workers[host] = process
        return process

    def output(self, *hosts: str) -> str:
        """Return what all workers have printed, or those on these *hosts*."""
        return "\n".join(self._log(host).read_text() for host in hosts or self._workers)

    def owner(self) -> str:
        """Return the name of the worker that has the run now; empty if none has."""
        row = self.runs.find(self.run)
        return name_of(row.lease_owner or "") if row.alive else ""

    def state(self) -> RunState:
        """Return the state that follows from the journal, which is read again if it has grown."""
        lines = self.runs.find(self.run).lines
        if lines != self._known[0]:
            found = replay(stored_journal(self.database, self.run).contents().entries)
            self._known = (lines, found)
        return self._known[1]

    def until(self, reached: Callable[[], object]) -> float:
        """Wait until *reached*, and return the seconds for which this process waited.

        They are those between its looks: on a machine on which the workers wait for a processor,
        the looks do too.
        """
        began, looks = time.monotonic(), 0
        while not reached():
            looks += 1
            assert time.monotonic() - began < LONG, self.output()[-3000:]
            well = {None, 0, -signal.SIGKILL}
            dead = [name for name, worker in self._workers.items() if worker.poll() not in well]
            assert not dead, f"{dead} ended: {self.output()[-3000:]}"
            time.sleep(TICK)
        return looks * TICK

    def until_ready(self, *names: str) -> None:
        """Wait until these workers take runs."""
        said = [re.compile(rf"worker {name}/\S+ is ready") for name in names]
        self.until(lambda: all(each.search(self.output()) for each in said))

    def until_idle(self) -> None:
        """Wait until no worker has the run, and none is going to."""
        self.until(self._is_idle)

    def _is_idle(self) -> bool:
        row = self.runs.find(self.run)
        return not row.alive and not row.wants_work

    def changes(self) -> dict[str, int]:
        """Return the sandbox's record of mutating calls, and how often each was made."""
        return {call.partition("/")[2]: n for call, n in self.world._calls.items()}

    def stored_text(self) -> str:
        """Return everything that is in the tables of the database, as text."""

        def work(connection: sa.Connection) -> str:
            names = sa.inspect(connection).get_table_names()
            queries = [sa.text(f'SELECT t::text FROM "{name}" t') for name in names]
            rows = [row for query in queries for row in connection.execute(query).scalars()]
            return "\n".join(rows)

        return self.database.execute(work)

    def made_more_than_once(self) -> dict[str, int]:
        """Return the changes that were made more than once; each session renews the run's tags."""
        again = {call: n for call, n in self.changes().items() if n > 1}
        return {call: n for call, n in again.items() if not call.startswith("ec2/CreateTags")}

    def close(self) -> None:
        """End the workers."""
        for process in self._workers.values():
            process.kill()
            process.wait()
        self.database.close()

    def _terminal(self, home: Path) -> Terminal:
        terminal = Terminal({}, home)
        terminal.environment = {**self._environment, "VPNMIGRATE_HOME": str(home)}
        return terminal

    def _log(self, name: str) -> Path:
        return self.migration.home / f"{name}.err"


@contextmanager
def a_fleet_of_one(
    home: Path, address: DatabaseAddress, speed: float = SPEED
) -> Iterator[FleetStage]:
    """Serve a sandbox, plan its migration and open the database."""
    world = load_world(load(SCENARIO), ScaledClock(speed))
    with serve(world) as server:
        stage = FleetStage(world, Migration(server.environment, home), address)
        try:
            yield stage
        finally:
            stage.close()
