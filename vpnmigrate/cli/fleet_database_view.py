"""Views of a fleet's database: its workers and runs, and a campaign, from rows and journals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.fleet_journals import FleetJournals
from vpnmigrate.fleet.campaign import FleetMember
from vpnmigrate.fleet.campaign_file import LARGEST_CAMPAIGN, load_campaign, names_a_campaign
from vpnmigrate.fleet.database.campaigns import FleetCampaigns
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.run_rows import FleetRun
from vpnmigrate.fleet.database.runs import FleetRuns
from vpnmigrate.fleet.database.schema import FleetState
from vpnmigrate.fleet.database.workers import FleetWorkers, WorkerRow
from vpnmigrate.fleet.progress import MemberProgress, MemberState
from vpnmigrate.fleet.schedule import schedule
from vpnmigrate.fleet.shared_sites import with_other_holders
from vpnmigrate.local.settings import DATABASE_VARIABLE
from vpnmigrate.local.text_files import file_text
from vpnmigrate.model.clock import moment
from vpnmigrate.model.errors import UsageError, VpnMigrateError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.report.fleet import FleetStatus, MemberView, member_view, unreadable_member
from vpnmigrate.report.fleet_runs import FleetRunView, FleetView, awaited_command, summary_of

_STARTED_BY_RULES: Final = frozenset(
    {MemberState.WAITING, MemberState.STAGED, MemberState.TO_ROLL_BACK}
)
"""States in which workers start a member, and an operator would pass the campaign's rules over."""


class DatabaseFleet:
    """Reads what *database* has of a fleet, and again only the journals that have grown."""

    def __init__(self, context: CommandContext, database: Database) -> None:
        self._context = context
        self._database = database
        self._runs = FleetRuns(database)
        self._campaigns = FleetCampaigns(database)
        self._journals = FleetJournals(context, database)

    def overview(self) -> FleetView:
        """Return the workers, the campaigns, and a summary of each run."""

        def shown(row: FleetRun) -> FleetRunView:
            return replace(_run_view(row), summary=self._journals.summary(row))

        return replace(self._head(), runs=[_or_reason(row, shown) for row in self._runs.list()])

    def runs(self, run: str | None) -> FleetView:
        """Return the workers, and the whole status of all runs or of one.

        Raises:
            UsageError: There is no such run.
        """

        def shown(row: FleetRun) -> FleetRunView:
            view = self._journals.view(row)
            return replace(_run_view(row), summary=summary_of(view), view=view)

        rows = self._runs.list() if run is None else (self._runs.find(run),)
        return replace(self._head(), runs=[_or_reason(row, shown) for row in rows])

    def has_campaign(self, named: str) -> bool:
        """Return whether *named* is a file, or the name of a campaign; otherwise it is a run."""
        return names_a_campaign(named) or named in self._campaigns.names()

    def campaign(self, named: str) -> Callable[[], FleetStatus]:
        """Return the reader of the campaign in a file, or with a name.

        Raises:
            UsageError: The campaign in the file is not in the database.  For a name, the first
                reading raises it.
            MalformedFileError: The file is not a valid campaign.
        """
        name, note = self._of_file(Path(named)) if names_a_campaign(named) else (named, "")
        return lambda: self._status(name, note)

    def _of_file(self, file: Path) -> tuple[str, str]:
        """Return the name of the campaign in *file*, and what has to be known about it."""
        text = file_text(file, LARGEST_CAMPAIGN)
        name = next((each.name for each in self._campaigns.list() if each.text == text), None)
        if name is not None:
            return name, ""
        name = load_campaign(file).campaign.name
        if name not in self._campaigns.names():
            raise UsageError(
                f"the database has no campaign {name}: {file} has not been started there",
                advice=(
                    "to start it:",
                    cli("fleet", "start", self._context.file(file)),
                    f"or, for runs of this machine, name no database and unset {DATABASE_VARIABLE}",
                ),
            )
        return name, f"{file} differs from the campaign in the database, which is shown here."

    def _status(self, name: str, note: str) -> FleetStatus:
        stored, now = self._campaigns.find(name), self._context.dependencies.clock.wall()
        runs, head = self._runs.list(), self._head()
        rows = {row.member: row for row in runs if row.campaign == name}
        views = {
            member.id: self._member(member, wave.name, rows.get(member.id))
            for wave in stored.campaign.waves
            for member in wave.members
        }
        is_running = head.state == FleetState.RUNNING
        paused = "" if is_running else f"the fleet is {head.state}, until fleet resume"
        facts = self._campaigns.facts(stored, runs, now, paused)
        others = self._campaigns.holders(runs)
        ordered = {
            row.member: _order(row, why)
            for row, why in self._campaigns.order_waits(runs)
            if row.campaign == name
        }
        progress = with_other_holders(facts.progress, name, others)
        found = schedule(stored.campaign, progress, facts.freezes, now)
        views = {id_: view.waiting(ordered.get(id_, "")) for id_, view in views.items()}
        by_workers = dict.fromkeys(start.member for start in found.starts)
        status = FleetStatus.of_views(stored.campaign, found, now, views, by_workers)
        return replace(status, fleet=head, note=note)

    def _member(self, member: FleetMember, wave: str, row: FleetRun | None) -> MemberView:
        if row is None:
            return MemberView(member, wave, MemberProgress(), planned=False)
        try:
            summary = self._journals.summary(row)
        except VpnMigrateError as error:
            return unreadable_member(member, wave, row.id, error.message)
        now = self._context.dependencies.clock.wall()
        view = member_view(member, wave, row.member_progress, summary, now)
        by_rules = view.progress.state in _STARTED_BY_RULES
        awaited = None if by_rules else awaited_command(row.id, summary, worker=_worker(row))
        complete = self._context.invocation.complete
        return replace(
            view,
            run=row.id,
            waiting_for=_stopped(row) or view.waiting_for,
            following=None if awaited is None else complete(awaited),
            observe=complete(cli("fleet", "status", row.id)),
        )

    def _head(self) -> FleetView:
        workers = FleetWorkers(self._database).list()
        return FleetView(
            database=str(self._database.address),
            state=self._runs.state(),
            workers=[(each.id, _condition(each)) for each in workers],
            now=self._context.dependencies.clock.wall(),
            attended=any(each.alive for each in workers),
            invocation=self._context.invocation,
            campaigns=self._campaigns.names(),
        )


def _order(row: FleetRun, why: str) -> str:
    """Return what was ordered for the wave of *row*, and *why* it waits; empty without an order."""
    if row.ordered is None:
        return ""
    return f"{row.ordered.goal} ordered by {row.ordered.terms.who}: {why or 'workers begin it'}"


def _or_reason(row: FleetRun, shown: Callable[[FleetRun], FleetRunView]) -> FleetRunView:
    """Return what is *shown* of a run; one damaged journal must not hide the others."""
    try:
        return shown(row)
    except VpnMigrateError as error:
        return replace(_run_view(row), unreadable=error.message)


def _run_view(row: FleetRun) -> FleetRunView:
    return FleetRunView(
        run=row.id,
        account=row.account,
        region=row.region,
        goal=row.goal if row.ordered is None else row.ordered.goal,
        worker=_worker(row),
        due="" if row.due_at is None else moment(row.due_at),
        trouble=row.trouble,
        member=f"{row.member} of campaign {row.campaign}" if row.campaign else "",
    )


def _worker(row: FleetRun) -> str:
    return (row.lease_owner or "") if row.alive else ""


def _stopped(row: FleetRun) -> str:
    """Return why no worker has a run that wants work; empty if one has."""
    if row.alive:
        return ""
    if row.lease_owner is not None:
        return f"worker {row.lease_owner} has ended without releasing it; another one takes it"
    return f"no session could begin: {row.trouble}" if row.trouble else ""


def _condition(worker: WorkerRow) -> str:
    if not worker.alive:
        return f"not seen since {moment(worker.seen_at)}"
    return "ending" if worker.ending else "alive"
