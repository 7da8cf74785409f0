"""A served sandbox, a database and workers in processes of their own."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.operators import SCENARIO, SPEED, Migration
from tests.e2e.shells import PATIENCE, Terminal
from vpnmigrate.cli.commands.sandbox import load
from vpnmigrate.errors import UsageError
from vpnmigrate.fleet.database.address import DatabaseAddress
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.journal import stored_journal
from vpnmigrate.fleet.database.runs import FleetRun, FleetRuns
from vpnmigrate.journal import RunState, replay
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.server.clock import ScaledClock
from vpnmigrate.sandbox.server.serve import serve
from vpnmigrate.sandbox.world import World

TICK = 0.02
"""Seconds between two looks at the database."""


class FleetStage:
    """One plan for one sandbox, and workers that share a database."""

    def __init__(self, world: World, migration: Migration, address: DatabaseAddress) -> None:
        self.world = world
        self.migration = migration
        self.database = Database(address)
        self.runs = FleetRuns(self.database)
        self._workers: dict[str, subprocess.Popen[str]] = {}
        self._environment = {
            **migration.terminal.environment,
            "VPNMIGRATE_DATABASE": address.libpq,
        }

    @property
    def run(self) -> str:
        """The id of the run."""
        return str(self.migration.plan.migration)

    def command(self, *words: str, leaves: int = 0) -> object:
        """Run ``vpnmigrate fleet WORDS --json``, and return what it prints."""
        return self._terminal(self.migration.home / "runs").quick("fleet", *words, leaves=leaves)

    def worker(self, name: str) -> subprocess.Popen[str]:
        """Start a worker with a run directory of its own, as on another host."""
        with self._log(name).open("a") as log:
            process = self._terminal(self.migration.home / name).begun(
                "fleet", "worker", "--name", name, stderr=log, stdout=subprocess.DEVNULL
            )
        self._workers[name] = process
        return process

    def output(self) -> str:
        """Return what all workers have printed."""
        return "\n".join(self._log(name).read_text() for name in self._workers)

    def row(self) -> FleetRun | None:
        """Return the run as the database has it; None before it is there."""
        try:
            return self.runs.find(self.run)
        except UsageError:
            return None

    def state(self) -> RunState:
        """Return the state that follows from the journal."""
        return replay(stored_journal(self.database, self.run).contents().entries)

    def until(self, reached: Callable[[], object]) -> float:
        """Wait until *reached*, and return the seconds that it took."""
        began = time.monotonic()
        while not reached():
            assert time.monotonic() - began < PATIENCE, self.output()[-3000:]
            dead = [n for n, w in self._workers.items() if w.poll() not in {None, -signal.SIGKILL}]
            assert not dead, f"{dead} ended: {self.output()[-3000:]}"
            time.sleep(TICK)
        return time.monotonic() - began

    def until_idle(self) -> None:
        """Wait until no worker has the run, and none is going to."""
        self.until(self._is_idle)

    def _is_idle(self) -> bool:
        row = self.row()
        return row is not None and not row.alive and not row.wants_work

    def changes(self) -> dict[str, int]:
        """Return the sandbox's record of mutating calls, and how often each was made."""
        return {call.partition("/")[2]: n for call, n in self.world._calls.items()}

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
