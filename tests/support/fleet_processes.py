"""Workers of a fleet as processes, and the engineers who report the tasks of its devices."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from vpnmigrate.cli.commands.sandbox import load
from vpnmigrate.fleet.database.address import address_from
from vpnmigrate.fleet.database.connection import FAILOVER, Database
from vpnmigrate.fleet.database.deliveries import deliver
from vpnmigrate.fleet.database.journal import stored_journal
from vpnmigrate.fleet.database.messages import DatabaseInbox
from vpnmigrate.fleet.database.run_rows import FleetRun
from vpnmigrate.fleet.database.runs import FleetRuns
from vpnmigrate.fleet.progress import MemberState
from vpnmigrate.journal import RunState, replay
from vpnmigrate.local.inbox import DoneMessage
from vpnmigrate.local.settings import CLOCK_VARIABLE, DATABASE_VARIABLE
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.sandbox.scenarios.scenario import Scenario, in_account

PROGRAM = (sys.executable, "-m", "vpnmigrate")
_SCENARIO = "single-bgp"
_DEVICE = "203.0.113.10"
"""Address of the scenario's device; each gateway of a fleet gets another one."""


def gateway_scenario(number: int, account: str, region: str) -> Scenario:
    """Return the scenario of gateway *number* of a fleet, with a device of its own."""
    moved = in_account(load(_SCENARIO), account, region)
    text = msgspec.json.encode(moved).decode()
    address = f"198.18.{number // 250}.{number % 250 + 1}"
    return msgspec.json.decode(text.replace(_DEVICE, address), type=Scenario)


def end_on_signals() -> None:
    """End this process by an exception on SIGTERM and SIGHUP, so that it ends what it started."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit("ended by a signal"))


class FleetProcesses:
    """Workers that share the database at *address*, each with a folder of its own.

    *environment* leads to the served accounts.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], address: str) -> None:
        self.folder = folder
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            **environment,
            CLOCK_VARIABLE: environment["AWS_ENDPOINT_URL"],
            DATABASE_VARIABLE: address,
            "PYTHONFAULTHANDLER": "1",
        }
        self.database = Database(address_from(address), FAILOVER)
        self.runs = FleetRuns(self.database)
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self._known: dict[str, tuple[int, RunState, datetime | None]] = {}
        self._reported: set[tuple[str, Confirmation]] = set()

    def begin_worker(self, *options: str) -> str:
        """Start one more worker, as on another host, and return its name."""
        name = f"worker-{len(self.workers) + 1}"
        with self.log(name).open("wb") as log:
            self.workers[name] = subprocess.Popen(
                (*PROGRAM, "fleet", "worker", "--name", name, *options),
                env={**self.environment, "VPNMIGRATE_HOME": str(self.folder / name)},
                stdout=log,
                stderr=log,
            )
        return name

    def log(self, worker: str) -> Path:
        """Return the file with what *worker* prints."""
        return self.folder / f"{worker}.log"

    def state(self, run: FleetRun) -> RunState:
        """Return the state of *run*; its journal is read if it has grown."""
        return self._read(run)[1]

    def _read(self, run: FleetRun) -> tuple[int, RunState, datetime | None]:
        known = self._known.get(run.id)
        if known is None or known[0] != run.lines:
            entries = stored_journal(self.database, run.id).contents().entries
            last = entries[-1].at if entries else None
            known = self._known[run.id] = (run.lines, replay(entries), last)
        return known

    def in_outage(self, runs: Iterable[FleetRun]) -> FleetRun | None:
        """Return a run whose worker is in its cutover."""
        return next((run for run in runs if run.alive and self.state(run).outage.open), None)

    def report_devices(self, runs: Iterable[FleetRun]) -> int:
        """Report the tasks that *runs* wait for, as ``fleet done`` does; return how many."""
        reported = 0
        for run in runs:
            if run.wants_work or run.progress is MemberState.DONE or not run.lines:
                continue
            _, state, last = self._read(run)
            task = state.task
            if last is None or not isinstance(task, AskOperator):
                continue
            if (run.id, task.confirmation) not in self._reported:
                self._reported.add((run.id, task.confirmation))
                done = DoneMessage(at=last, who="engineer", host="site", step=task.step)
                DatabaseInbox(self.database, run.id).post(done, deliver)
                reported += 1
        return reported

    def require_workers(self) -> None:
        """End this process if a worker has ended that was not killed."""
        for name, worker in self.workers.items():
            if worker.poll() not in {None, -9}:
                text = self.log(name).read_text("utf-8")
                sys.exit(f"{name} has ended with {worker.poll()}:\n{text[-3000:]}")

    def close(self) -> None:
        """End the workers."""
        for worker in self.workers.values():
            worker.kill()
            worker.wait()
        self.database.close()
