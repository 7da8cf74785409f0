"""A worker without a process: sessions on a database, against a sandbox in virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import SOAK, Ran, Terminal
from tests.fleet.database_campaigns import a_command_context
from tests.fleet.database_runs import acquired
from vpnmigrate.cli.fleet_session import FleetSessions
from vpnmigrate.cli.options import AwsOptions
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.leases import SessionEnd
from vpnmigrate.fleet.database.run_rows import FleetRun
from vpnmigrate.fleet.database.runs import FleetRuns
from vpnmigrate.fleet.worker import StopOrder


class VirtualFleet:
    """An operator's terminal, and a worker that works when it is told to."""

    def __init__(self, home: Path, database: Database, capsys: pytest.CaptureFixture[str]) -> None:
        self.terminal = Terminal(home, capsys)
        self.runs = FleetRuns(database)
        self._home = home / "worker"
        self._database = database
        self._sessions: FleetSessions | None = None

    def planned(self, *options: str) -> str:
        """Plan into ``plan.json``, and return the id of the run."""
        return self.terminal.planned(*options)

    def type(self, *words: str) -> Ran:
        """Run ``vpnmigrate fleet WORDS``."""
        return self.terminal.run_bare("fleet", *words)

    def member(self, campaign: str, id_: str) -> Any:
        """Return what the status of *campaign* has about a member."""
        document = self.type("status", campaign, "--json").document
        return next(row for row in document["members"] if row["id"] == id_)

    def move(self) -> None:
        """Continue on another host, which has no directory of the run."""
        self._home = self._home.with_name("other")
        self._sessions = None

    def _new_sessions(self) -> FleetSessions:
        """Return the sessions of a worker that has just been started.

        It prints to the standard error of now: pytest closes that of the fixtures before the test.
        """
        context = a_command_context(self._home, self.terminal.parts)
        return FleetSessions(context, self._database, AwsOptions())

    def soak(self) -> None:
        """Let the soak of the standard playbook pass."""
        self.terminal.clock.sleep(SOAK)

    def row(self, run: str) -> FleetRun:
        """Return the row of *run*."""
        return self.runs.find(run)

    def status(self, run: str) -> str:
        """Return the status of *run* as its last session has left it."""
        summary = self.row(run).current_summary
        assert summary is not None
        return summary.status

    def work(self, run: str) -> SessionEnd:
        """Let the worker take *run* up if it wants work, until it blocks."""
        assert self.row(run).wants_work
        lease = acquired(self._database, run=run)
        if self._sessions is None:
            self._sessions = self._new_sessions()
        end = self._sessions.work(self.row(run), lease, StopOrder())
        lease.release(end)
        return end
