"""Status of runs, for people and programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace as altered

from vpnmigrate.commands import Advice, Command, Invocation, cli
from vpnmigrate.journal import Hold, OperatorOrder, RunState, Traffic, accept_command, next_command
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.approval import Approval
from vpnmigrate.model.changes import DeleteVpnConnection, DeleteVpnGateway
from vpnmigrate.model.clock import moment, span
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.plan import FIRST_OF_CUTOVER, Direction, Phase
from vpnmigrate.model.progress import Waiting
from vpnmigrate.report import gates
from vpnmigrate.report.progress import probe_lines
from vpnmigrate.report.text import columns, command, safe, wrapped

SCHEMA = "vpnmigrate/status/1"

_TRAFFIC = {
    Traffic.OLD: "through the old gateway",
    Traffic.NEW: "through the new gateway",
    Traffic.NONE: "NONE: on-premises traffic is down",
    Traffic.UNKNOWN: "not known to this journal: look at AWS",
}


def one(view: RunStatusView) -> str:
    """Return where one run stands, in full."""
    state = view.state
    rows: list[tuple[str, Advice | None]] = [
        ("run", view.run),
        ("plan", view.fingerprint),
        ("change", view.change),
        ("status", _status(view)),
        ("phase", view.phase.value),
        ("step", _step(view)),
        ("traffic", traffic(view)),
        ("decide by", _deadline(view)),
        ("confirm", view.unconfirmed),
        ("watchdog", safe(view.watchdog_trouble)),
        ("ordered", "" if state.order is None else str(state.order)),
        ("waits for", "" if _is_paused(view) else state.waiting_for),
        ("waits", _waits(view)),
        ("stopped", "" if view.stopped == state.waiting_for else view.stopped),
        *(("probe", output) for output in probe_lines(state)),
        *(("degraded", what) for what in state.degraded),
        *(("lacks only", each.text) for each in state.acceptable),
        *(("gone", what) for what in state.lost),
        *(("differs", what) for what in state.differs),
        *(("other hand", what) for what in state.other_hands),
        *(("FORCED", gates.forced_line(each)) for each in state.forced),
        *(("ACCEPTED", gates.accepted_line(each)) for each in state.accepted),
        *(("approved", _approval(each, view)) for each in state.approvals),
        *(("note", what) for what in state.notes),
        *(("puzzle", what) for what in state.puzzles),
        ("device files", view.device_files),
        ("next", view.next),
        ("accept", view.accepting),
        ("way back", view.way_back),
        ("clean up", view.clean_up),
    ]
    output = columns([(name, value) for name, value in rows if value], indent=0)
    if state.gates is None or state.gates_at is None:
        return output
    return f"{output}\n\n{gates.table(state.gates, state.gates_at, view.invocation)}"


def _approval(approval: Approval, view: RunStatusView) -> str:
    until = f"until {moment(approval.expires)}, plan {approval.fingerprint[:12]}"
    why = view.void.get(approval.digest, "")
    void = f"; DOES NOT COUNT: {why}" if why else ""
    return f"by {approval.approver} ({approval.user}), {until}{void}"


def every(
    view: Sequence[RunStatusView], unreadable: Mapping[str, str], invocation: Invocation
) -> str:
    """Return where every run stands, a few lines each; *unreadable* ones with the reason."""
    if not view and not unreadable:
        begin = command(invocation.complete(cli("plan", "--vpn-gateway", "vgw-...")), first="  ")
        return f"No runs here yet. Begin with:\n{begin}"
    lines = [
        wrapped(
            ", ".join(filter(None, _brief(view))),
            rest="    ",
        )
        for view in view
    ]
    broken = [
        wrapped(f"{run}  CANNOT BE READ: {why}", rest="    ") for run, why in unreadable.items()
    ]
    return "\n".join([*lines, *broken])


def _brief(view: RunStatusView) -> Iterator[str]:
    yield f"{view.run}  {_status(view)}"
    yield _step(view)
    yield f"traffic {view.traffic.value}"
    yield f"change {view.change}" if view.change else ""


def one_as_json(view: RunStatusView) -> dict[str, Any]:
    """Return one run as a JSON document."""
    return {"schema": SCHEMA, **fields(view)}


def every_as_json(view: Sequence[RunStatusView], unreadable: Mapping[str, str]) -> dict[str, Any]:
    """Return every run as one JSON document."""
    return {
        "schema": SCHEMA,
        "runs": [fields(view) for view in view],
        "unreadable": [{"run": run, "why": why} for run, why in unreadable.items()],
    }


def traffic(view: RunStatusView) -> str:
    """Return which way traffic takes, and how long it was or is down."""
    state = view.state
    if state.direction is None:
        return "not known here: this run has not set out, and has touched nothing"
    found = _TRAFFIC[view.traffic]
    if state.outage_since is None or state.outage_shown is None:
        return found
    since = f"{moment(state.outage_shown)}{' or earlier' if state.outage_earlier else ''}"
    lasted = f"{'at least ' if state.outage_earlier else ''}{span(view.outage)}"
    if state.outage_open:
        return f"{found} since {since}, {lasted} so far"
    return f"{found}; the outage began {since}, lasted {lasted}"


def fields(view: RunStatusView) -> dict[str, Any]:
    """Return what a program may want to know about a run."""
    state = view.state
    since = state.outage_shown if state.outage_since else None
    return {
        "run": view.run,
        "plan": view.fingerprint,
        "change": view.change,
        "status": state.status.value,
        "direction": None if state.direction is None else state.direction.value,
        "attempt": state.attempt,
        "phase": view.phase.value,
        "step": state.step,
        "title": state.title,
        "alive": view.alive,
        "back_out_deadline": None if state.deadline is None else state.deadline.at.isoformat(),
        "unconfirmed_until": _moment(state.unconfirmed_until),
        "confirm_within": None if state.armed is None else state.armed.within.total_seconds(),
        "watchdog": view.watchdog,
        "watchdog_trouble": safe(view.watchdog_trouble),
        "order": None if state.order is None else _order(state.order),
        "waiting_for": safe(state.waiting_for),
        "waits": None if view.waiting is None else _waiting(view.waiting),
        "stopped": safe(view.stopped),
        "traffic": view.traffic.value,
        "outage_since": None if since is None else since.isoformat(),
        "outage_earlier": state.outage_earlier,
        "outage": round(view.outage.total_seconds(), 3),
        "probes": [msgspec.to_builtins(stats) for stats in state.probes.values()],
        "probes_forward": [msgspec.to_builtins(stats) for stats in state.probes_forward.values()],
        "degraded": list(state.degraded),
        "acceptable": [msgspec.to_builtins(each) for each in state.acceptable],
        "accepted": [msgspec.to_builtins(each) for each in state.accepted],
        "flaps": state.flaps,
        "lost": list(state.lost),
        "differs": list(state.differs),
        "other_hands": list(state.other_hands),
        "notes": list(state.notes),
        "gates": gates.as_json(state.gates, state.gates_at),
        "forced": [msgspec.structs.asdict(each) for each in state.forced],
        "approvals": [
            {**msgspec.to_builtins(each), "void": view.void.get(each.digest, "")}
            for each in state.approvals
        ],
        "folder": view.folder,
        "device_files": view.device_files,
        "next": str(view.next or ""),
        "way_back": str(view.way_back or ""),
    }


def _deadline(view: RunStatusView) -> str:
    """Return by when to decide, while there is something to decide."""
    state = view.state
    if state.deadline is None or state.finished or state.journal_facts.verified is not None:
        return ""
    return f"{moment(state.deadline.at)}: {gates.left(state.deadline.at, view.wall)}"


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _order(order: OperatorOrder) -> dict[str, str]:
    return {
        "order": order.wish.value,
        "by": safe(order.who),
        "host": safe(order.host),
        "since": order.since.isoformat(),
    }


def _waits(view: RunStatusView) -> str:
    """Return what its process waits for and for how long, unless a person is waited for."""
    waiting, state = view.waiting, view.state
    if waiting is None or _is_paused(view):
        return ""
    waited = waiting.waited + max(timedelta(0), view.now - waiting.at)
    who = f"step {waiting.step}: " if waiting.step and waiting.step != state.step else ""
    return f"{who}{span(waited)} of {span(waiting.limit)}: {safe(waiting.why)}"


def _waiting(waiting: Waiting) -> dict[str, Any]:
    return {
        "at": waiting.at.isoformat(),
        "step": waiting.step,
        "why": safe(waiting.why),
        "waited": round(waiting.waited.total_seconds(), 3),
        "limit": round(waiting.limit.total_seconds(), 3),
    }


def _is_paused(view: RunStatusView) -> bool:
    return view.state.order is not None and view.state.order.wish is Hold.PAUSED


def _status(view: RunStatusView) -> str:
    state = view.state
    text = state.status.value.replace("-", " ")
    if view.stopped and not state.held:
        text += ", stopped"
    if state.order is not None:
        text += f", {state.order.wish}"
    if state.unconfirmed_until is not None:
        text += ", UNCONFIRMED"
    if state.direction is None:
        return text
    return f"{text} (attempt {state.attempt})"


def _step(view: RunStatusView) -> str:
    if not view.state.step or view.state.finished:
        return ""
    return f"step {view.state.step} of 11: {view.state.title}"


FINALIZING = 11


def deletion_begun(state: RunState) -> bool:
    """Return whether finalize may have deleted anything: from then on nothing leads back."""
    deletions = DeleteVpnConnection | DeleteVpnGateway
    return any(
        intent.step == FINALIZING and isinstance(intent.change, deletions) and not intent.cancelled
        for intent in state.intents
    )


@dataclass(frozen=True)
class Retry:
    """Why the watchdog's last try to roll back failed, and when it tries again."""

    why: str
    again: datetime


@dataclass(frozen=True)
class RunStatusView:
    """A run's state with what the journal cannot tell: its name, the time, and who is at work."""

    run: str
    fingerprint: str
    """Of the plan in force."""
    state: RunState
    connections: tuple[VpnConnectionId, ...]
    """The old connections, which finalize has to name."""
    now: datetime
    """On the run's own time."""
    folder: str
    """The run's directory; device files lie in its ``vault``."""
    alive: bool
    """Whether a process has the run in hand."""
    watchdog: int | None = None
    """The process on duty that rolls back if nobody confirms; None for none."""
    stopped_watchdog: int | None = None
    """A watchdog that lives and does not run; nothing can be expected of it."""
    retry: Retry | None = None
    """What the watchdog has trouble with."""
    change: str = ""
    """The change board's number, from the plan."""
    void: Mapping[str, str] = field(default_factory=dict)
    """What is wrong with approvals that do not count, by their digests."""
    waiting: Waiting | None = None
    """What the process at work waits for; None where nobody works on it, or has not said."""
    invocation: Invocation = field(default_factory=Invocation)
    """What a command about this run has to be given again."""
    ahead: timedelta = timedelta(0)
    """How far the clock on the wall is ahead of *now*: it was set since the run began."""

    @property
    def wall(self) -> datetime:
        """What the clock on the wall shows."""
        return self.shown(self.now)

    def shown(self, at: datetime) -> datetime:
        """Return a moment of the run's own time as the clock on the wall would show it."""
        return at + self.ahead

    @property
    def phase(self) -> Phase:
        """What the step begun last may do to traffic."""
        if self.state.cleaning:
            return Phase.CLEAN_UP
        if self.state.step < FIRST_OF_CUTOVER:
            return Phase.PREPARE
        return Phase.FINALIZE if self.state.step >= FINALIZING else Phase.CUTOVER

    @property
    def outage(self) -> timedelta:
        """How long the last outage was, or has been so far."""
        return self.state.outage(self.now) or timedelta(0)

    @property
    def stopped(self) -> str:
        """Why nobody works on it although it is not at an end; empty where that is as it should."""
        state = self.state
        if self.alive or state.finished or state.direction is None:
            return ""
        return state.held or state.error or "its process is no longer there"

    @property
    def unconfirmed(self) -> str:
        """What happens if nobody confirms; empty where nobody is waited for."""
        armed, until = self.state.armed, self.state.unconfirmed_until
        if armed is None:
            return ""
        if self.watchdog is None:
            return f"NOTHING GOES BACK BY ITSELF: {self._no_watchdog}; confirm or roll back by hand"
        if until is None:
            return f"to be confirmed within {span(armed.within)} of the first verified traffic"
        at = moment(self.shown(until))
        if until <= self.now:
            return f"NOT CONFIRMED in time, which ended {at}: it is being rolled back"
        return (
            f"UNCONFIRMED: goes back by itself at {at}, in {span(until - self.now)}, "
            "unless somebody confirms"
        )

    @property
    def watchdog_trouble(self) -> str:
        """What the watchdog could not do yet, and when it tries again; empty for nothing."""
        back = self.state.finished and self.state.direction is Direction.ROLLBACK
        if self.retry is None or back:
            return ""
        if self.watchdog is None:
            return f"{self._no_watchdog}; its last try to roll back failed: {self.retry.why}"
        wait = span(self.retry.again - self.wall)
        return (
            f"process {self.watchdog} could not roll back yet, and tries again "
            f"{f'in {wait}' if self.retry.again > self.wall else 'now'}: {self.retry.why}"
        )

    @property
    def _no_watchdog(self) -> str:
        if self.stopped_watchdog is None:
            return "the watchdog is gone"
        return f"the watchdog, process {self.stopped_watchdog}, is stopped"

    @property
    def device_files(self) -> str:
        """Where the device engineer finds configurations and sheets; empty before step 4."""
        return f"{self.folder}/vault" if self.state.journal_facts.files else ""

    @property
    def next(self) -> Command | None:
        """The command to run next; None where nothing is left to do.

        A process that is at work and waits for nobody goes on by itself: all there is to do is
        to look again.
        """
        order = self.state.order
        paused = order is not None and order.wish is Hold.PAUSED
        if self.alive and (self.turning or (self.state.task is None and not paused)):
            return self.observe
        command = next_command(self.state, self.run, self.connections, alive=self.alive)
        if command is not None and self.state.delete_old_gateway:
            command = command.with_words("--delete-old-gateway")
        return self._complete(command)

    @property
    def observe(self) -> Command:
        """The command that shows where it stands."""
        return self.invocation.complete(cli("status", self.run))

    def _complete(self, command: Command | None) -> Command | None:
        return None if command is None else self.invocation.complete(command)

    @property
    def accepting(self) -> Command | None:
        """The command that accepts fewer tunnels where only they are lacking; or None."""
        if self.turning:
            return None
        return self._complete(accept_command(self.state.acceptable, self.run))

    @property
    def turning(self) -> bool:
        """Whether somebody aborted it and its process is about to stop, or to turn back."""
        order = self.state.order
        return self.alive and order is not None and order.wish is Hold.ABORTED

    @property
    def clean_up(self) -> Command | None:
        """The command that removes what a rollback has kept; None where nothing was kept."""
        kept = self.state.keep_new and self.state.status is RunStatus.ROLLED_BACK
        return self._complete(cli("rollback", self.run)) if kept else None

    @property
    def traffic(self) -> Traffic:
        """Which path traffic takes, as far as this run can know it: one that never set out cannot.

        Another process may be at the cutover, with a journal that is not here.
        """
        return Traffic.UNKNOWN if self.state.direction is None else self.state.traffic

    @property
    def seen_from_aside(self) -> RunStatusView:
        """Where it stands while others work on it: what they have done is not in this journal."""
        return replace(self, state=altered(self.state, traffic=Traffic.UNKNOWN))

    @property
    def way_back(self) -> Command | None:
        """The command that restores what was there before; None where none does.

        On the way back there is none: that way is gone to its end by ``next``.  A process that is
        at work has to be told; a second one would be refused.
        """
        if not self._may_turn_back or self.turning:
            return None
        at_work = self.alive and self.state.direction is Direction.FORWARD
        verb = "abort" if at_work and not self.state.finished else "rollback"
        return self._complete(cli(verb, self.run))

    @property
    def _may_turn_back(self) -> bool:
        match self.state.direction:
            case Direction.FORWARD:
                return True
            case Direction.FINALIZE:
                return not deletion_begun(self.state)
            case Direction.ROLLBACK | None:
                return False
