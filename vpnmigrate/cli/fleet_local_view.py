"""Status of a campaign on one machine, from the run directories of its plans."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.run_status import status_view_of
from vpnmigrate.fleet.campaign import FleetMember
from vpnmigrate.fleet.campaign_file import CampaignFile
from vpnmigrate.fleet.grouping import member_of_plan
from vpnmigrate.fleet.progress import (
    AT_DEVICE,
    CampaignProgress,
    MemberProgress,
    MemberState,
    progress_of_run,
)
from vpnmigrate.fleet.schedule import FleetSchedule, StartKind, schedule
from vpnmigrate.fleet.shared_sites import SiteHolder, with_other_holders
from vpnmigrate.local.documents import read_plan
from vpnmigrate.local.lock import owner_at_work
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.errors import RefusedError, VpnMigrateError
from vpnmigrate.model.errors.commands import Command, cli, option
from vpnmigrate.report.fleet import FleetStatus, MemberView, member_view, unreadable_member
from vpnmigrate.report.fleet_runs import summary_of
from vpnmigrate.report.status import RunStatusView


class LocalFleet:
    """Reads the runs of a campaign on this machine, and again only those that have changed."""

    def __init__(self, context: CommandContext) -> None:
        self._context = context
        self._kept: dict[str, tuple[_FilesState, RunStatusView]] = {}
        """The last status of each run without a process, with the files it was read from."""

    def status(self, file: CampaignFile) -> FleetStatus:
        """Return the status of the campaign in *file*.

        Raises:
            VpnMigrateError: The freeze calendar or the run directory cannot be read.
            RefusedError: Runs of the campaign are in a database.
        """
        members, now = file.campaign.members, self._context.dependencies.clock.wall()
        runs = self._context.runs.of_plan_files([file.plan_of(member) for member in members])
        _require_here(runs.values(), self._context.file(file.path))
        views = {
            member.id: self._member(member, wave.name, file.plan_of(member), runs)
            for wave in file.campaign.waves
            for member in wave.members
        }
        progress = with_other_holders(
            CampaignProgress({id_: view.progress for id_, view in views.items()}),
            file.campaign.name,
            self._others({run.id for run in runs.values()}),
        )
        found = schedule(file.campaign, progress, file.freezes_at(now), now)
        commands = dict(_commands(self._context, file, views, found))
        return FleetStatus.of_views(file.campaign, found, now, views, commands)

    def _member(
        self, member: FleetMember, wave: str, plan: Path, runs: Mapping[Path, Run]
    ) -> MemberView:
        run = runs.get(plan)
        if run is None:
            return MemberView(member, wave, MemberProgress(), planned=plan.exists())
        try:
            found = self._run(run)
        except VpnMigrateError as error:
            return unreadable_member(member, wave, run.id, error.message)
        return self._of_run(member, wave, found)

    def _of_run(self, member: FleetMember, wave: str, found: RunStatusView) -> MemberView:
        progress, summary = progress_of_run(found.state, alive=found.alive), summary_of(found)
        view = member_view(member, wave, progress, summary, self._context.dependencies.clock.wall())
        return replace(
            view,
            run=found.run,
            waiting_for=view.waiting_for or found.stopped,
            following=found.next,
            observe=found.observe,
        )

    def _others(self, known: Collection[str]) -> Iterator[SiteHolder]:
        """Yield the runs of this machine that are under way or staged, and are not *known*."""
        for run in self._context.runs.list():
            if run.id in known:
                continue
            try:
                found = self._run(run)
                state = progress_of_run(found.state, alive=found.alive).state
                plan = found.plan if state in AT_DEVICE else None
            except VpnMigrateError:
                # What it does is unknown, so it keeps its site.
                plan, state = read_plan(run.plan), MemberState.FAILED
            if plan is not None:
                member = member_of_plan(f"run {run.id}", plan, str(run.plan))
                yield SiteHolder("", member, state)

    def _run(self, run: Run) -> RunStatusView:
        files = _files_state(run)
        kept = self._kept.get(run.id)
        idle = owner_at_work(run, self._context.dependencies.me) is None
        if idle and kept is not None and kept[0] == files:
            return kept[1]
        found = status_view_of(self._context, run)
        if not found.alive and not found.state.outage.open:
            self._kept[run.id] = files, found
        return found


def _require_here(runs: Iterable[Run], campaign: str) -> None:
    """Check that the journals of *runs* of the file *campaign* are not in a database.

    The members without a copy would look as if they could be started here.

    Raises:
        RefusedError: They are.
    """
    for run in runs:
        try:
            address = run.database_address
        except VpnMigrateError:
            continue  # The row of its member says so.
        if address:
            raise RefusedError(
                f"run {run.id} of {campaign} is in the database {address}, and a worker has a copy "
                "of it on this machine",
                advice=cli("fleet", "status", campaign, *option("--database", address)),
            )


_FilesState = tuple[tuple[int, int], ...]


def _files_state(run: Run) -> _FilesState:
    """Return time and size of the files that the status of a run without a process is read from."""
    return tuple(
        (found.st_mtime_ns, found.st_size)
        for path in (run.plan, run.journal, run.owner, run.inbox, run.path / "watchdog")
        for found in [path.stat() if path.exists() else None]
        if found is not None
    )


def _commands(
    context: CommandContext,
    file: CampaignFile,
    views: dict[str, MemberView],
    found: FleetSchedule,
) -> Iterator[tuple[str, Command]]:
    """Yield the command of each start that is allowed now."""
    plan_all = context.invocation.complete(cli("fleet", "plan", context.file(file.path)))
    for start in found.starts:
        view = views[start.member]
        if start.kind is StartKind.CUTOVER:
            words: tuple[str, ...] = (view.run,)
        elif not view.planned and not view.run:
            yield start.member, plan_all
            continue
        else:
            words = (context.file(file.plan_of(view.member)), "--until", "cutover")
        account = file.campaign.accounts.get(view.member.account)
        profile = ("--profile", account.profile) if account and account.profile else ()
        command = cli("apply", *words, *profile, "--region", view.member.region)
        yield start.member, context.invocation.complete(command)
