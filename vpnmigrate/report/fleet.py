"""Fleet: a new campaign and the status of one, as text and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from vpnmigrate.fleet.campaign import Campaign, FleetMember
from vpnmigrate.fleet.grouping import DiscoveryDocument
from vpnmigrate.fleet.progress import MemberProgress, MemberState
from vpnmigrate.fleet.run_summary import RunSummary
from vpnmigrate.fleet.schedule import FleetSchedule, StartKind, WaveStatus
from vpnmigrate.model.clock import span
from vpnmigrate.model.errors.commands import Command, cli
from vpnmigrate.report.fleet_runs import FleetView, fleet_fields, head_rows
from vpnmigrate.report.text import columns, command, count, item, safe, wrapped

NEW_SCHEMA: Final = "vpnmigrate/fleet-new/1"
STATUS_SCHEMA: Final = "vpnmigrate/fleet-status/1"

MOST_ROWS: Final = 10
"""Members that the text lists of one kind; with the heads, they fit a window of 24 lines."""
MOST_COMMANDS: Final = 3


@dataclass(frozen=True)
class MemberView:
    """A member with the state of its run."""

    member: FleetMember
    wave: str
    progress: MemberProgress
    planned: bool = True
    run: str = ""
    traffic: str = ""
    """Empty if no run has begun."""
    outage: timedelta | None = None
    outage_open: bool = False
    step: int = 0
    waiting_for: str = ""
    following: Command | None = None
    """The command that continues or observes its run, or that starts it now."""
    closed_gates: tuple[str, ...] = ()
    """The gates before its cutover that hold it."""
    observe: Command | None = None
    """The command that shows its run."""
    unreadable: str = ""
    """Why its run cannot be read."""
    start: bool = False
    """Whether it may be started now."""
    finalized: bool = False
    """Whether its old connections are deleted: nothing remains to be done."""

    def startable(self, command: Command | None) -> MemberView:
        """Return the same, which may be started now with *command*; None where workers start it."""
        return replace(self, following=command or self.following, start=True)

    def waiting(self, why: str) -> MemberView:
        """Return the same with the reason why it waits, unless that is empty."""
        return replace(self, waiting_for=why or self.waiting_for)


@dataclass(frozen=True)
class FleetStatus:
    """A campaign with the state of its members, in the order of the waves."""

    campaign: Campaign
    schedule: FleetSchedule
    now: datetime
    members: tuple[MemberView, ...]
    fleet: FleetView | None = None
    """The database and its workers; None for the runs of one machine."""
    note: str = ""
    """A remark about the campaign itself, such as that its file was edited."""

    @classmethod
    def of_views(
        cls,
        campaign: Campaign,
        schedule: FleetSchedule,
        now: datetime,
        views: Mapping[str, MemberView],
        starting: Mapping[str, Command | None],
    ) -> FleetStatus:
        """Return the status of *campaign*, whose *schedule* decides what the *views* wait for.

        *starting* has the command of each member that may be started now; None where workers start
        it.
        """
        reasons = {wait.member: wait.why for wait in schedule.waits}
        members = (
            view.startable(starting[id_]) if id_ in starting else view.waiting(reasons.get(id_, ""))
            for id_, view in views.items()
        )
        return cls(campaign, schedule, now, tuple(members))


def member_view(
    member: FleetMember, wave: str, progress: MemberProgress, found: RunSummary, now: datetime
) -> MemberView:
    """Return the view of *member*, whose run shows *found* at *now*."""
    return MemberView(
        member,
        wave,
        progress,
        traffic=found.traffic,
        outage=found.outage_at(now),
        outage_open=found.down_since is not None,
        step=found.step,
        waiting_for=found.waiting_for,
        closed_gates=found.closed_gates,
        finalized=found.finalized,
    )


def unreadable_member(member: FleetMember, wave: str, run: str, why: str) -> MemberView:
    """Return the view of *member*, whose *run* cannot be read.

    What the run does is unknown, so the member keeps its slot.
    """
    progress = MemberProgress(MemberState.FAILED)
    return MemberView(member, wave, progress, run=run, unreadable=why)


def counted(views: Iterable[MemberView]) -> str:
    """Return how many members are in each state."""
    found = Counter(view.progress.state for view in views)
    return ", ".join(f"{found[state]} {state}" for state in MemberState if found[state])


def traffic_down(views: Iterable[MemberView]) -> str:
    """Return at how many members traffic is down; empty if it flows at all of them."""
    down = sum(view.outage_open for view in views)
    return f"TRAFFIC IS DOWN at {count(down, 'member')}" if down else ""


# ---------------------------------------------------------------- a new campaign


def new_text(
    campaign: Campaign, found: DiscoveryDocument, file: str, following: Sequence[Command]
) -> str:
    """Return the waves of a new campaign, and what was left out."""
    lines = [f"{'WAVE':<12} {'MEMBERS':>7}  {'ACCOUNTS':>8}  {'CONNECTIONS':>11}"]
    for wave in campaign.waves:
        accounts = len({member.account for member in wave.members})
        connections = sum(member.connections for member in wave.members)
        lines.append(f"{wave.name:<12} {len(wave.members):>7}  {accounts:>8}  {connections:>11}")
    parts = ["\n".join(lines)]
    if left := [row for row in found.gateways if not row.can_be_migrated]:
        shown = [
            wrapped(f"{row.place}: {row.group}; {'; '.join(row.why)}", first="  ", rest="    ")
            for row in left[:MOST_ROWS]
        ]
        parts.append("\n".join([f"LEFT OUT ({len(left)})", *shown, *more(left)]))
    if found.unread:
        shown = [
            wrapped(f"{row.place}: {row.why}", first="  ", rest="    ")
            for row in found.unread[:MOST_ROWS]
        ]
        title = f"COULD NOT BE READ ({len(found.unread)}): contents unknown"
        parts.append("\n".join([title, *shown, *more(found.unread)]))
    parts.append(
        wrapped(f"{file}: edit waves, soak, limits and calendar, then make and rehearse the plans:")
        + "".join(f"\n{command(each, first='  ')}" for each in following)
    )
    return "\n\n".join(parts)


def new_json(
    campaign: Campaign, found: DiscoveryDocument, file: str, following: Sequence[Command]
) -> dict[str, Any]:
    """Return the same as a JSON document."""
    return {
        "schema": NEW_SCHEMA,
        "file": file,
        "complete": found.complete,
        "waves": [
            {"name": wave.name, "members": [member.id for member in wave.members]}
            for wave in campaign.waves
        ],
        "left_out": [
            {
                "account": row.account,
                "region": row.region,
                "gateway": row.gateway,
                "group": row.group,
                "why": list(row.why),
            }
            for row in found.gateways
            if not row.can_be_migrated
        ],
        "unread": [
            {"account": row.account, "region": row.region, "label": row.label, "why": row.why}
            for row in found.unread
        ],
        "next": [str(each) for each in following],
    }


def more(rows: Sequence[object]) -> list[str]:
    """Return how many of *rows* a list of ``MOST_ROWS`` leaves out; empty if none."""
    left = len(rows) - MOST_ROWS
    return [f"  and {left} more: --json lists all"] if left > 0 else []


def more_commands(commands: Sequence[Command]) -> list[str]:
    """Return how many commands a list of ``MOST_COMMANDS`` leaves out; empty if none."""
    left = len(commands) - MOST_COMMANDS
    return [f"and {left} more: --json lists all"] if left > 0 else []


# ---------------------------------------------------------------- status

_URGENCY: Final = (
    MemberState.FAILED,
    MemberState.ROLLING_BACK,
    MemberState.TO_ROLL_BACK,
    MemberState.CUTOVER,
    MemberState.RUNNING,
    MemberState.STAGED,
    MemberState.ROLLED_BACK,
    MemberState.WAITING,
    MemberState.DONE,
)
_QUIET: Final = frozenset({MemberState.WAITING, MemberState.DONE})
"""States whose members are only counted, unless all are listed."""


def in_order_of_urgency(views: Iterable[MemberView]) -> list[MemberView]:
    """Return *views* with outages first, then what needs an operator, and what is done last."""
    return sorted(views, key=urgency)


def urgency(view: MemberView) -> int:
    """Return the place of *view* among others: an outage is 0."""
    return 0 if view.outage_open else 1 + _URGENCY.index(view.progress.state)


def status_text(status: FleetStatus, *, every: bool = False) -> str:
    """Return the campaign for people; with *every*, also the members that wait or are done."""
    head = [wrapped(f"Campaign {status.campaign.name}: {counted(status.members)}")]
    if status.fleet is not None:
        head.append(columns(head_rows(status.fleet), indent=0))
    if status.note:
        head.append(wrapped(status.note))
    if down := traffic_down(status.members):
        head.append(down)
    match status.schedule.held:
        case ():
            pass
        case (why,):
            head.append(wrapped(f"NOTHING IS STARTED: {why}"))
        case several:
            head += ["NOTHING IS STARTED, for these reasons:", *map(item, several)]
    parts = ["\n".join(head), "\n".join(_waves(status))]
    listed = (v for v in status.members if every or v.progress.state not in _QUIET)
    rows = in_order_of_urgency(listed)
    if rows:
        shown = rows if every else rows[:MOST_ROWS]
        more = [f"and {len(rows) - len(shown)} more: --all"] if len(shown) < len(rows) else []
        if rows[0].observe is not None:
            more.append(command(rows[0].observe, first="for one of them: "))
        parts.append("\n".join([_MEMBER_HEAD, *(line for v in shown for line in _row(v)), *more]))
    parts += _reasons(status.members)
    parts += _approvals(status)
    parts += _next(status.members)
    parts += _when_all_are_done(status)
    return "\n\n".join(parts)


@dataclass(frozen=True)
class WaveRow:
    """A wave with how many of its *members* are *done*, and what it waits for."""

    name: str
    status: WaveStatus
    done: int
    members: int
    why: str
    """Empty for an open wave with members to start: it waits for nothing."""


def wave_rows(status: FleetStatus) -> Iterator[WaveRow]:
    """Yield the waves of *status*."""
    of_all, done = Counter[str](), Counter[str]()
    for view in status.members:
        of_all[view.wave] += 1
        done[view.wave] += view.progress.state is MemberState.DONE
    for wave in status.schedule.waves:
        name = wave.wave.name
        open_now = wave.status is WaveStatus.OPEN and done[name] < of_all[name]
        why = "" if open_now else wave.why
        yield WaveRow(name, wave.status, done[name], of_all[name], why)


def _waves(status: FleetStatus) -> Iterator[str]:
    yield f"{'WAVE':<12} {'STATUS':<7} {'DONE':>9}  WAITS FOR"
    for row in wave_rows(status):
        of_all = f"{row.done}/{row.members}"
        lead = f"{row.name:<12} {row.status:<7} {of_all:>9}  "
        yield wrapped(row.why or "-", first=lead, rest=" " * len(lead))


_MEMBER_HEAD: Final = f"{'MEMBER':<22} {'WAVE':<10} {'STATE':<12} {'TRAFFIC':<7} {'OUTAGE':<10} RUN"


def _row(view: MemberView) -> Iterator[str]:
    outage = "-" if view.outage is None else span(view.outage)
    traffic = view.traffic.upper() if view.outage_open else view.traffic
    yield (
        f"{view.member.id:<22} {view.wave:<10} {view.progress.state:<12} {traffic or '-':<7} "
        f"{outage:<10} {view.run or '-'}"
    )
    if note := view.unreadable or ("" if view.start else view.waiting_for):
        yield wrapped(note, first="    ")


def _reasons(views: Iterable[MemberView]) -> Iterator[str]:
    """Yield why members wait, with their number."""
    waiting = [v for v in views if v.progress.state in _QUIET and not v.start and v.waiting_for]
    if waiting:
        found = Counter(view.waiting_for for view in waiting).most_common()
        lines = [wrapped(f"{n:>5}  {why}", rest=" " * 7) for why, n in found[:MOST_ROWS]]
        yield "\n".join(["WAITING FOR", *lines, *more(found)])


def _approvals(status: FleetStatus) -> Iterator[str]:
    """Yield how to approve the wave that waits for it."""
    for view in status.schedule.waves:
        if not view.to_approve:
            continue
        name = view.wave.name
        if status.fleet is None:
            yield wrapped(f"TO APPROVE WAVE {name}: name a person as its approved_by in the file")
        else:
            approve = cli("fleet", "approve", status.campaign.name, "--wave", name)
            following = status.fleet.invocation.complete(approve)
            yield f"TO APPROVE WAVE {name}\n{command(following, first='  ')}"


def _next(views: Iterable[MemberView]) -> Iterator[str]:
    """Yield the commands that start members now, once for those that have the same one."""
    commands: dict[Command, set[str]] = {}
    ready = [view for view in views if view.start]
    for view in ready:
        if view.following is not None:
            commands.setdefault(view.following, set()).add(view.member.account)
    lines = [] if commands else ["  workers start them"]
    for each, accounts in list(commands.items())[:MOST_COMMANDS]:
        if len(accounts) == 1:
            lines.append(f"with credentials of account {next(iter(accounts))}:")
        lines.append(command(each, first="  "))
    if ready:
        more = more_commands(list(commands))
        yield "\n".join([f"MAY BE STARTED NOW ({len(ready)})", *lines, *more])


def _when_all_are_done(status: FleetStatus) -> Iterator[str]:
    """Yield what remains when each member is done: the old connections of the next wave."""
    left = [view for view in status.members if not view.finalized]
    if not left or any(view.progress.state is not MemberState.DONE for view in left):
        return
    if status.fleet is None:
        following, what = left[0].observe, "what remains of a run:"
    else:
        finalize = cli("fleet", "finalize", status.campaign.name, "--wave", left[0].wave)
        following = status.fleet.invocation.complete(finalize)
        what = "to list the old connections of a wave, which finalize deletes after its soak:"
    if following is not None:
        lead = wrapped(f"EVERY MEMBER IS MIGRATED; {what}")
        yield f"{lead}\n{command(following, first='  ')}"


def status_json(status: FleetStatus) -> dict[str, Any]:
    """Return the campaign as a JSON document."""
    kinds = {start.member: start.kind for start in status.schedule.starts}
    return {
        "schema": STATUS_SCHEMA,
        "campaign": status.campaign.name,
        "at": status.now.isoformat(),
        "held": list(status.schedule.held),
        **({} if status.fleet is None else fleet_fields(status.fleet)),
        "note": status.note,
        "counts": dict(Counter(view.progress.state.value for view in status.members)),
        "waves": [
            {
                "name": each.wave.name,
                "status": each.status.value,
                "members": len(each.wave.members),
                "waits_for": each.why,
                "to_approve": each.to_approve,
            }
            for each in status.schedule.waves
        ],
        "members": [member_json(view, kinds.get(view.member.id)) for view in status.members],
    }


def member_json(view: MemberView, start: StartKind | None) -> dict[str, Any]:
    """Return a member as JSON values."""
    since = view.progress.since
    return {
        "id": view.member.id,
        "name": safe(view.member.name),
        "wave": view.wave,
        "account": view.member.account,
        "region": view.member.region,
        "gateway": view.member.gateway,
        "state": view.progress.state.value,
        "since": None if since is None else since.isoformat(),
        "planned": view.planned,
        "run": view.run,
        "step": view.step,
        "traffic": view.traffic,
        "outage": None if view.outage is None else round(view.outage.total_seconds(), 3),
        "outage_open": view.outage_open,
        "waiting_for": safe(view.waiting_for),
        "closed_gates": list(view.closed_gates),
        "start": None if start is None else start.value,
        "unreadable": safe(view.unreadable),
        "next": str(view.following or ""),
    }
