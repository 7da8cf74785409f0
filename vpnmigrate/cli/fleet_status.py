"""Status of a campaign on one machine, from the run directories of its plans."""

from __future__ import annotations

from collections.abc import Iterator

from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.run_status import status_view_of
from vpnmigrate.errors import VpnMigrateError
from vpnmigrate.errors.commands import Command, cli
from vpnmigrate.fleet.campaign import FleetMember
from vpnmigrate.fleet.campaign_file import CampaignFile
from vpnmigrate.fleet.progress import CampaignProgress, MemberProgress, MemberState, progress_of_run
from vpnmigrate.fleet.schedule import FleetSchedule, StartKind, schedule
from vpnmigrate.local.run_directory import Run
from vpnmigrate.report.fleet import FleetStatus, MemberView
from vpnmigrate.report.status import RunStatusView


def local_status(context: CommandContext, file: CampaignFile) -> FleetStatus:
    """Return the status of the campaign in *file*, as far as this machine's runs show it.

    Raises:
        VpnMigrateError: The freeze calendar or the run directory cannot be read.
    """
    members, now = file.campaign.members, context.parts.clock.wall()
    runs = context.runs.of_plan_files([file.plan_of(member) for member in members])
    views = {m.id: _member(context, file, m, runs.get(file.plan_of(m))) for m in members}
    progress = CampaignProgress({id_: view.progress for id_, view in views.items()})
    found = schedule(file.campaign, progress, file.freezes_at(now), now)
    commands = dict(_commands(context, file, views, found))
    reasons = {wait.member: wait.why for wait in found.waits}
    return FleetStatus(
        campaign=file.campaign,
        schedule=found,
        now=now,
        members=tuple(
            view.scheduled(reasons.get(id_, ""), commands.get(id_)) for id_, view in views.items()
        ),
    )


def _member(
    context: CommandContext, file: CampaignFile, member: FleetMember, run: Run | None
) -> MemberView:
    wave = next(wave for wave in file.campaign.waves if member in wave.members)
    path = file.plan_of(member)
    if run is None:
        return MemberView(member, wave.name, MemberProgress(), planned=path.exists())
    try:
        found = status_view_of(context, run)
    except VpnMigrateError as error:
        # What a run does that cannot be read is unknown, so it keeps its slot.
        failed = MemberProgress(MemberState.FAILED)
        return MemberView(member, wave.name, failed, run=run.id, unreadable=error.message)
    return _of_run(member, wave.name, found)


def _of_run(member: FleetMember, wave: str, found: RunStatusView) -> MemberView:
    state = found.state
    return MemberView(
        member,
        wave,
        progress_of_run(state, alive=found.alive),
        run=found.run,
        traffic=found.traffic.value,
        outage=found.outage if state.outage.since is not None else None,
        outage_open=state.outage.open,
        step=state.step,
        waiting_for=state.waiting_for or found.stopped,
        following=found.next,
        observe=found.observe,
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
