"""Fleet journals: the status of runs, read from their journals in the database."""

from __future__ import annotations

from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.run_status import run_status
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.journal import stored_journal
from vpnmigrate.fleet.database.run_rows import FleetRun
from vpnmigrate.fleet.database.runs import FleetRuns
from vpnmigrate.fleet.run_summary import RunSummary
from vpnmigrate.journal.chain import JournalContents
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.plan import Plan
from vpnmigrate.report.fleet_runs import summary_of
from vpnmigrate.report.status import RunStatusView


class FleetJournals:
    """Reads the journals of a fleet, each one again only once it has grown."""

    def __init__(self, context: CommandContext, database: Database) -> None:
        self._context = context
        self._database = database
        self._runs = FleetRuns(database)
        self._kept: dict[str, RunSummary] = {}

    def contents(self, run: str) -> JournalContents:
        """Return the journal of *run*.

        Raises:
            JournalError: It is damaged, or there is no such run.
        """
        return stored_journal(self._database, run).contents()

    def plan(self, row: FleetRun) -> Plan:
        """Return the plan of the run of *row*."""
        return self._runs.plan(row.id)[0]

    def view(self, row: FleetRun) -> RunStatusView:
        """Return the status of the run of *row*, which a worker resumes when it is woken.

        Raises:
            JournalError: Its journal is damaged.
        """
        # The directory that the run would have here; a worker's own is on the worker's host.
        run = Run(self._context.settings.home / row.id)
        entries = self.contents(row.id).entries
        return run_status(self._context, run, self.plan(row), entries, alive=True)

    def summary(self, row: FleetRun) -> RunSummary:
        """Return the summary of the run of *row*: the stored one, unless its journal has grown.

        Raises:
            JournalError: Its journal has grown, and is damaged.
        """
        if (stored := row.current_summary) is not None:
            return stored
        kept = self._kept.get(row.id)
        if kept is None or kept.lines < row.lines:
            kept = self._kept[row.id] = summary_of(self.view(row))
        return kept
