"""Status of runs, for people and programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace as altered

from vpnmigrate.errors.commands import Advice, Command, Invocation, cli, one_line
from vpnmigrate.journal import Hold, OperatorOrder, RunState, Traffic, accept_command, next_command
from vpnmigrate.journal.state import ExpiredCredentials, RunStatus
from vpnmigrate.model.approval import Approval
from vpnmigrate.model.changes import DeleteVpnConnection, DeleteVpnGateway
from vpnmigrate.model.clock import moment, span
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.plan import FIRST_OF_CUTOVER, Direction, Phase
from vpnmigrate.model.progress import Waiting
from vpnmigrate.report import gates
from vpnmigrate.report.progress import probe_lines
from vpnmigrate.report.residue import residue_json, residue_rows, unreached_text
from vpnmigrate.report.text import columns, command, safe, wrapped

SCHEMA = "vpnmigrate/status/1"

_TRAFFIC = {
    Traffic.OLD: "through the old gateway",
    Traffic.NEW: "through the new gateway",
    Traffic.NONE: "NONE: on-premises traffic is down",
    Traffic.UNKNOWN: "unknown: check the AWS console",
}


def one(view: RunStatusView) -> str:
    """Return the full status of one run."""
    state = view.state
    rows: list[tuple[str, Advice | None]] = [
        ("run", view.run),
        ("plan", view.fingerprint),
        ("change", view.change),
        ("status", _status(view)),
        ("phase", view.phase.value),
        ("step", _step(view)),
        ("traffic", traffic(view)),
        *residue_rows(state, view.invocation),
        ("decide by", _deadline(view)),
        ("confirm", view.unconfirmed),
        ("watchdog", safe(view.watchdog_trouble)),
        ("ordered", "" if state.order is None else str(state.order)),
        ("waits for", "" if _is_paused(view) else state.waiting_for),
        ("waits", _waits(view)),
        ("credentials", _credentials(view)),
        ("renew", _renewal(view)),
        ("stopped", "" if view.stopped == state.waiting_for else view.stopped),
        *(("probe", output) for output in probe_lines(state)),
        *(("degraded", what) for what in state.degraded),
        *(("missing", each.text) for each in state.acceptable),
        *(("lost", what) for what in state.lost),
        *(("differs", what) for what in state.differs),
        *(("external", what) for what in state.external_changes),
        *(("FORCED", gates.forced_line(each)) for each in state.forced),
        *(("ACCEPTED", gates.accepted_line(each)) for each in state.accepted),
        *(("approved", _approval(each, view)) for each in state.approvals),
        *(("note", what) for what in state.notes),
        *(("inconsistent", what) for what in state.contradictions),
        ("device files", view.device_files),
        ("approve again", view.approve_again),
        ("next", view.next),
        ("accept", view.accepting),
        ("roll back", view.rollback_command),
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
    signed = "signed" if approval.digest in view.state.signed_approvals else "not signed"
    return f"by {approval.approver} ({approval.user}), {signed}, {until}{void}"


def every(
    view: Sequence[RunStatusView], unreadable: Mapping[str, str], invocation: Invocation
) -> str:
    """Return a short status of every run; the *unreadable* ones with the reason."""
    if not view and not unreadable:
        begin = command(invocation.complete(cli("plan", "--vpn-gateway", "vgw-...")), first="  ")
        return f"No runs here yet. Start with:\n{begin}"
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
    """Return the path of traffic, and how long it was or is down."""
    state = view.state
    if state.direction is None:
        return "unknown: this run has not started and has not changed AWS"
    found = f"{_TRAFFIC[view.traffic]}{unreached_text(state)}"
    if state.outage_since is None or state.outage_shown is None:
        return found
    since = f"{moment(state.outage_shown)}{' or earlier' if state.outage_earlier else ''}"
    lasted = f"{'at least ' if state.outage_earlier else ''}{span(view.outage)}"
    if state.outage_open:
        return f"{found} since {since}, {lasted} so far"
    return f"{found}; the outage began {since}, lasted {lasted}"


def fields(view: RunStatusView) -> dict[str, Any]:
    """Return the status of a run as JSON values."""
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
        "credentials": None if state.expired is None else _expired(state.expired, view),
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
        "residue": residue_json(state, view.invocation),
        "unreached": list(state.unreached),
        "flaps": state.flaps,
        "lost": list(state.lost),
        "differs": list(state.differs),
        "other_hands": list(state.external_changes),
        "notes": list(state.notes),
        "gates": gates.as_json(state.gates, state.gates_at),
        "forced": [msgspec.structs.asdict(each) for each in state.forced],
        "approvals": [
            {
                **msgspec.to_builtins(each),
                "signed": each.digest in state.signed_approvals,
                "void": view.void.get(each.digest, ""),
            }
            for each in state.approvals
        ],
        "approve_again": str(view.approve_again or ""),
        "folder": view.folder,
        "device_files": view.device_files,
        "next": str(view.next or ""),
        "way_back": str(view.rollback_command or ""),
    }


def _deadline(view: RunStatusView) -> str:
    """Return the back-out deadline while a decision is open, else an empty string."""
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
    """Return what the process waits for and how long, or nothing while the run is paused."""
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


def _credentials(view: RunStatusView) -> str:
    expired = view.state.expired
    if expired is None:
        return ""
    return f"EXPIRED since {moment(view.shown(expired.since))}: {safe(expired.why)}"


def _renewal(view: RunStatusView) -> Advice:
    expired = view.state.expired
    return "" if expired is None else view.invocation.advise(expired.renew)


def _expired(expired: ExpiredCredentials, view: RunStatusView) -> dict[str, Any]:
    return {
        "since": expired.since.isoformat(),
        "why": safe(expired.why),
        "renew": one_line(view.invocation.advise(expired.renew)),
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
    """Return whether finalize may have deleted anything, after which no rollback is possible."""
    deletions = DeleteVpnConnection | DeleteVpnGateway
    return any(
        intent.step == FINALIZING and isinstance(intent.change, deletions) and not intent.cancelled
        for intent in state.intents
    )


@dataclass(frozen=True)
class Retry:
    """Why the watchdog's last rollback attempt failed, and when it retries."""

    why: str
    again: datetime


@dataclass(frozen=True)
class RunStatusView:
    """A run's state with facts outside its journal: id, time and processes."""

    run: str
    fingerprint: str
    """Fingerprint of the plan in force."""
    state: RunState
    connections: tuple[VpnConnectionId, ...]
    """The old connections, which finalize has to name."""
    now: datetime
    """Current time on the run's own clock."""
    folder: str
    """The run's directory; device files are in its ``vault``."""
    alive: bool
    """Whether a process is working on the run."""
    watchdog: int | None = None
    """Process id of the watchdog, which rolls back without a confirmation; None for none."""
    stopped_watchdog: int | None = None
    """Process id of a watchdog that is suspended and therefore cannot roll back."""
    retry: Retry | None = None
    """The watchdog's last failure, if it is retrying."""
    change: str = ""
    """The change board's number, from the plan."""
    void: Mapping[str, str] = field(default_factory=dict)
    """Reasons why approvals do not count, by their digests."""
    approve_again: Command | None = None
    """The command that approves another attempt after a rollback, if the plan needs approvals."""
    waiting: Waiting | None = None
    """What the active process waits for; None if there is none, or it has not reported."""
    invocation: Invocation = field(default_factory=Invocation)
    """The options that a command about this run needs."""
    ahead: timedelta = timedelta(0)
    """How far the system clock is ahead of *now*, because it was set since the run began."""

    @property
    def wall(self) -> datetime:
        """The time on the system clock."""
        return self.shown(self.now)

    def shown(self, at: datetime) -> datetime:
        """Return a time of the run's own clock as a time of the system clock."""
        return at + self.ahead

    @property
    def phase(self) -> Phase:
        """The phase of the last step that was started."""
        if self.state.cleaning:
            return Phase.CLEAN_UP
        if self.state.step < FIRST_OF_CUTOVER:
            return Phase.PREPARE
        return Phase.FINALIZE if self.state.step >= FINALIZING else Phase.CUTOVER

    @property
    def outage(self) -> timedelta:
        """Duration of the last outage, so far if it is open."""
        return self.state.outage(self.now) or timedelta(0)

    @property
    def stopped(self) -> str:
        """Why no process works on an unfinished run; empty if one does or the run is finished."""
        state = self.state
        if self.alive or state.finished or state.direction is None:
            return ""
        return state.held or state.error or "the process died"

    @property
    def unconfirmed(self) -> str:
        """What happens without a confirmation; empty if none is required."""
        armed, until = self.state.armed, self.state.unconfirmed_until
        if armed is None:
            return ""
        if self.watchdog is None:
            return f"AUTOMATIC ROLLBACK IS OFF: {self._no_watchdog}; confirm, or roll back yourself"
        if until is None:
            return f"must be confirmed within {span(armed.within)} of the first verified traffic"
        at = moment(self.shown(until))
        if until <= self.now:
            return f"NOT CONFIRMED by {at}: it is being rolled back"
        return (
            f"UNCONFIRMED: automatic rollback at {at}, in {span(until - self.now)}, "
            "unless confirmed"
        )

    @property
    def watchdog_trouble(self) -> str:
        """Why the watchdog could not roll back, and when it retries; empty without a failure."""
        back = self.state.finished and self.state.direction is Direction.ROLLBACK
        if self.retry is None or back:
            return ""
        if self.watchdog is None:
            return f"{self._no_watchdog}; its last rollback attempt failed: {self.retry.why}"
        wait = span(self.retry.again - self.wall)
        return (
            f"process {self.watchdog} could not roll back yet, and retries "
            f"{f'in {wait}' if self.retry.again > self.wall else 'now'}: {self.retry.why}"
        )

    @property
    def _no_watchdog(self) -> str:
        if self.stopped_watchdog is None:
            return "the watchdog process is not running"
        return f"the watchdog process {self.stopped_watchdog} is suspended"

    @property
    def device_files(self) -> str:
        """Directory of the device configurations and data sheets; empty before step 4."""
        return f"{self.folder}/vault" if self.state.journal_facts.files else ""

    @property
    def next(self) -> Command | None:
        """The command to run next; None if nothing is left to do.

        While an active process needs no answer from the operator, the next command is ``status``.
        """
        order = self.state.order
        paused = order is not None and order.wish is Hold.PAUSED
        if self.alive and (self.rolling_back or (self.state.task is None and not paused)):
            return self.observe
        command = next_command(self.state, self.run, self.connections, alive=self.alive)
        if command is not None and self.state.delete_old_gateway:
            command = command.with_words("--delete-old-gateway")
        return self._complete(command)

    @property
    def observe(self) -> Command:
        """The command that shows the status of the run."""
        return self.invocation.complete(cli("status", self.run))

    def _complete(self, command: Command | None) -> Command | None:
        return None if command is None else self.invocation.complete(command)

    @property
    def accepting(self) -> Command | None:
        """The command that accepts fewer tunnels if nothing else is missing; else None."""
        if self.rolling_back:
            return None
        return self._complete(accept_command(self.state.acceptable, self.run))

    @property
    def rolling_back(self) -> bool:
        """Whether the run was aborted and its process is about to stop or roll back."""
        order = self.state.order
        return self.alive and order is not None and order.wish is Hold.ABORTED

    @property
    def clean_up(self) -> Command | None:
        """The command that removes the new side that a rollback kept; None if nothing was kept."""
        kept = self.state.keep_new and self.state.status is RunStatus.ROLLED_BACK
        return self._complete(cli("rollback", self.run)) if kept else None

    @property
    def traffic(self) -> Traffic:
        """The path of traffic; unknown to a run that never started.

        Another process may be in the cutover, with a journal that is not here.
        """
        return Traffic.UNKNOWN if self.state.direction is None else self.state.traffic

    @property
    def for_other_operator(self) -> RunStatusView:
        """The status while another operator has the run: their changes are not in this journal."""
        return replace(self, state=altered(self.state, traffic=Traffic.UNKNOWN))

    @property
    def rollback_command(self) -> Command | None:
        """The command that rolls back; None if there is none.

        During a rollback there is none: ``next`` completes it.  An active process needs an
        order; a second process would be refused.
        """
        if not self._may_roll_back or self.rolling_back:
            return None
        at_work = self.alive and self.state.direction is Direction.FORWARD
        verb = "abort" if at_work and not self.state.finished else "rollback"
        return self._complete(cli(verb, self.run))

    @property
    def _may_roll_back(self) -> bool:
        match self.state.direction:
            case Direction.FORWARD:
                return True
            case Direction.FINALIZE:
                return not deletion_begun(self.state)
            case Direction.ROLLBACK | None:
                return False
