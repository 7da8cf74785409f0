"""Status of a run: its state with facts outside its journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property

from msgspec.structs import replace as altered

from vpnmigrate.journal import (
    Hold,
    RunState,
    Traffic,
    accept_command,
    closed_gates,
    done_command,
    is_of_this_attempt,
    next_command,
)
from vpnmigrate.journal.device_work import new_tunnels_left
from vpnmigrate.journal.history import OutagePeriod, made_by_changes, rolled_back_unconfirmed
from vpnmigrate.journal.records import Entry, GatesSeen, Opened
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.changes import DeleteVpnConnection, DeleteVpnGateway
from vpnmigrate.model.clock import moment, span
from vpnmigrate.model.ec2 import Role, VpnConnectionId
from vpnmigrate.model.errors.commands import Advice, Command, Invocation, cli
from vpnmigrate.model.gates import Gate, closed_results, to_open
from vpnmigrate.model.plan import FIRST_OF_CUTOVER, GATEWAY_ROLE, Direction, Phase, Plan
from vpnmigrate.model.progress import CutoverView, Unreadable, Waiting
from vpnmigrate.report.device_progress import DeviceProgress, device_progress
from vpnmigrate.report.names import NO_NAMES, Names, names_with
from vpnmigrate.report.residue import unreached_text
from vpnmigrate.report.text import RunCommands
from vpnmigrate.report.tunnel_progress import (
    EarlyConfirmation,
    early_confirmation,
)

_TRAFFIC = {
    Traffic.OLD: "UP through the old gateway",
    Traffic.NEW: "UP through the new gateway",
    Traffic.NONE: "NONE: on-premises traffic is DOWN",
    Traffic.UNKNOWN: "UNKNOWN: check the AWS console",
}


def traffic(view: RunStatusView) -> str:
    """Return whether traffic is up, on which path, since when, and how long it was or is down."""
    state = view.state
    if state.direction is None:
        return "UNKNOWN here: this run has not started and has not changed AWS"
    flows = view.traffic in {Traffic.OLD, Traffic.NEW}
    found = f"{_TRAFFIC[view.traffic]}{unreached_text(state) if flows else ''}"
    if state.outage.since is None or state.outage.shown is None:
        untouched = view.traffic is Traffic.OLD
        return f"{found}; this run has not interrupted it" if untouched else found
    least = "at least " if state.outage.earlier else ""
    earlier = " or earlier" if state.outage.earlier else ""
    began, lasted = moment(state.outage.shown), f"{least}{span(view.outage)}"
    if state.outage.open:
        usual = f"; {view.usual_outage}" if view.usual_outage else ""
        return f"{found} since {began}{earlier}, {lasted} so far{usual}"
    if not flows:
        return f"{found}; the last outage began {began}{earlier}, and lasted {lasted}"
    until = moment(state.outage.shown + view.outage)
    return f"{found} since {until}; the outage before it lasted {lasted}"


FINALIZING = 11


def deletion_begun(state: RunState) -> bool:
    """Return whether finalize may have deleted anything, after which no rollback is possible."""
    deletions = DeleteVpnConnection | DeleteVpnGateway
    return any(
        intent.step == FINALIZING and isinstance(intent.change, deletions) and not intent.cancelled
        for intent in state.intents
    )


def old_gateway_deleted(state: RunState) -> bool:
    """Return whether a finalize that has ended deleted the old gateway as well."""
    return state.status is RunStatus.FINALIZED and any(
        intent.step == FINALIZING
        and isinstance(intent.change, DeleteVpnGateway)
        and not intent.cancelled
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
    sight: CutoverView | None = None
    """What the active process observed last in the cutover; None without one."""
    waiting: Waiting | None = None
    """What the active process waits for; None if there is none, or it has not reported."""
    usual_outage: str = ""
    """How long the outage usually is, with the source; empty if that is not known."""
    unreadable: Unreadable | None = None
    """Since when the active process cannot read AWS; None if it can, or there is no process."""
    plan: Plan | None = None
    """The plan in force; None where only the state of the run counts."""
    entries: tuple[Entry, ...] = ()
    """The entries of the journal that *plan* and *state* belong to."""
    outages: tuple[OutagePeriod, ...] = ()
    """The outages in *entries*."""
    unread: frozenset[VpnConnectionId] = frozenset()
    """Devices reported as done in messages that no process has read yet."""
    unread_done: str = ""
    """Who confirmed the open task in a message that no process has read yet; empty for none."""
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

    @cached_property
    def names(self) -> Names:
        """The names of the plan's resources and of those that the run has created."""
        return NO_NAMES if self.plan is None else names_with(self.plan, self._made)

    @property
    def new_gateway(self) -> str:
        """The gateway that the run has created; empty before that."""
        return self._made.get(GATEWAY_ROLE, "")

    @cached_property
    def _made(self) -> Mapping[Role, str]:
        return made_by_changes(self.state.intents)

    @property
    def since(self) -> datetime | None:
        """Since when traffic is as it is: the outage, its end, or else the start of the attempt."""
        state = self.state
        if state.outage.since is None:
            return state.attempt_since
        return state.outage.since + (state.outage.lasted or timedelta(0))

    @property
    def outage(self) -> timedelta:
        """Duration of the last outage, so far if it is open."""
        return self.state.outage.duration(self.now) or timedelta(0)

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
        armed, until = self.state.confirm.armed, self.state.confirm.until
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
    def _unconfirmed_for_watchdog(self) -> bool:
        """Whether the watchdog rolls back now, and has not failed to."""
        until = self.state.confirm.until
        late = until is not None and until <= self.now
        return late and self.watchdog is not None and self.retry is None

    @property
    def _no_watchdog(self) -> str:
        if self.stopped_watchdog is None:
            return "the watchdog process is not running"
        return f"the watchdog process {self.stopped_watchdog} is suspended"

    @property
    def devices(self) -> tuple[DeviceProgress, ...]:
        """The devices of the open task, and whether it is done there."""
        if self.plan is None:
            return ()
        return device_progress(self.state, self.plan, self.unread)

    @property
    def new_tunnels_left(self) -> tuple[VpnConnectionId, ...]:
        """The old connections at whose devices a rollback may have left new tunnels enabled."""
        return () if self.plan is None else new_tunnels_left(self.plan, self.state)

    @property
    def device_blocks(self) -> Command | None:
        """The command that prints the blocks of the devices with such tunnels; None if none has."""
        blocks = cli("device", "config", self.run)
        return self.invocation.complete(blocks) if self.new_tunnels_left else None

    @property
    def early_confirmation(self) -> EarlyConfirmation | None:
        """The confirmation of tunnels that are still DOWN; None if there is none."""
        return early_confirmation(self.state, self.sight, self.names)

    def device_sheet(self, site: str) -> Command:
        """Return the command that prints the sheet of a site's device."""
        return RunCommands(self.run, self.invocation).device_sheet(site)

    @property
    def device_files(self) -> str:
        """Directory of the device configurations and data sheets; empty before step 4."""
        return f"{self.folder}/vault" if self.state.journal_facts.files else ""

    @property
    def next(self) -> Command | None:
        """The command that resumes the run; None if nothing is left to do.

        A program may run it: it forces no gate, and nothing in it has to be filled in.  While gates
        hold the run it is the command that they refused, which evaluates them again; what opens
        them is in ``to_open``.  While an active process needs no order from the operator, and
        until finalize is due, it is ``status``.
        """
        return self._resume

    @property
    def next_step(self) -> Advice | None:
        """The next command with what has to be done before it; None if nothing is left to do.

        While gates hold the run, it is what opens them, and then the command that they refused.
        """
        if self.soak_left > timedelta(0):
            until = moment(self.shown(self.now + self.soak_left))
            return (f"observe until {until}, when the plan's soak ends; to observe:", self.observe)
        if self.alive and self.state.asks_to_decide:
            go_on = self.invocation.complete(cli("continue", self.run))
            return ("to continue without a rollback:", go_on)
        if self.alive and not self.rolling_back and self._resume == self.observe:
            return self.to_open or self.watch_advice
        if self.state.status is RunStatus.FINALIZED:
            return self._complete(cli("report", self.run))
        if self.tries_again:
            return self._complete(cli("apply", self.run, "--until", "cutover"))
        if self.when_done is not None and self.state.cutover_open and self._resume is not None:
            return ("at once, also before the task at the devices is done:", self._resume)
        return self.to_open or self._resume

    @property
    def tries_again(self) -> bool:
        """Whether the next step is another attempt after a complete rollback."""
        state = self.state
        return state.status is RunStatus.ROLLED_BACK and not state.residue.changes

    @property
    def gates_now(self) -> GatesSeen | None:
        """The gates that were evaluated in this attempt, and not before a rollback of it."""
        state = self.state
        if state.direction is Direction.ROLLBACK or not is_of_this_attempt(state):
            return None
        return state.gates.seen

    @property
    def asks_for_consent(self) -> bool:
        """Whether the active process has passed its gates, and asks before the cutover."""
        if not self.alive or not self.state.is_prepared or self.state.order is not None:
            return False
        for entry in reversed(self.entries):
            match entry.record:
                case GatesSeen(gates=results):
                    return not closed_results(results)
                case Opened():
                    return False
                case _:
                    pass  # Neither gates nor the start of the process.
        return False

    @property
    def rolled_back_unconfirmed(self) -> bool:
        """Whether the watchdog has rolled back because the migration was not confirmed."""
        over = self.state.status is RunStatus.ROLLED_BACK
        return over and rolled_back_unconfirmed(self.entries)

    @property
    def watch_advice(self) -> Advice:
        """How to watch a process that needs no order."""
        watch = self.invocation.complete(cli("status", self.run, "--watch"))
        return ("to watch the running process:", watch)

    @property
    def to_open(self) -> Advice:
        """What opens the gates that hold the run, for an operator to read; empty if none does."""
        resume, held_by = self._resume, () if self.alive else closed_gates(self.state)
        closed = [each for each in held_by if each.gate is not Gate.SOAK]
        if resume is None or not closed:
            return ""
        return self.invocation.advise(to_open(closed, resume))

    @property
    def soak_left(self) -> timedelta:
        """Time until finalize is due; zero if it is due, or is not the next step."""
        state, plan = self.state, self.plan
        verified = state.soak_begins
        migrated = state.status is RunStatus.CUT_OVER and state.confirm.armed is None
        if not migrated or plan is None or verified is None:
            return timedelta(0)
        return max(timedelta(0), plan.decisions.finalize.soak - (self.now - verified))

    @property
    def _resume(self) -> Command | None:
        order = self.state.order
        paused = order is not None and order.wish is Hold.PAUSED
        if self.alive and (self.rolling_back or not paused):
            return self.observe
        if self.soak_left > timedelta(0):
            return self.observe
        return self._complete(
            next_command(self.state, self.run, self.connections, alive=self.alive)
        )

    @property
    def observe(self) -> Command:
        """The command that shows the status of the run."""
        return self.invocation.complete(cli("status", self.run))

    @property
    def when_done(self) -> Command | None:
        """The command that reports the waiting task as done; None if no such task waits."""
        if self.rolling_back or self.unread_done:
            return None
        return self._complete(done_command(self.state, self.run))

    def _complete(self, command: Command | None) -> Command | None:
        return None if command is None else self.invocation.complete(command)

    @property
    def accepting(self) -> Command | None:
        """The command that accepts fewer tunnels if nothing else is missing; else None."""
        if self.rolling_back:
            return None
        return self._complete(accept_command(self.state.shortages.acceptable, self.run))

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
        """The path of traffic; unknown to a run that never started, or lacks an earlier journal."""
        return self.state.known_traffic

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
        if not self._may_roll_back or self.rolling_back or self._unconfirmed_for_watchdog:
            return None
        at_work = self.alive and self.state.direction is Direction.FORWARD
        verb = "abort" if at_work and not self.state.finished else "rollback"
        return self._complete(cli(verb, self.run))

    @property
    def rollback_advice(self) -> Advice | None:
        """The command that rolls back, and for an order to the active process what that does."""
        command = self.rollback_command
        if command is None or "abort" not in command.words[1:3]:
            return command
        if self.state.cutover_begun:
            does = (
                "abort makes the running process roll back at its next safe point; the new gateway "
                "and connections are kept:"
            )
        else:
            does = (
                "abort makes the running process stop at its next safe point, before the cutover; "
                "nothing is interrupted, and the created resources stay:"
            )
        return does, command

    @property
    def crypto_advice(self) -> Advice | None:
        """How to read the negotiated algorithms again; None if all of them meet their floor."""
        seen, migrated = self.state.crypto, self.state.status is RunStatus.CUT_OVER
        if seen is None or not migrated or not (seen.below or seen.unknown):
            return None
        again = self.invocation.complete(cli("apply", self.run))
        if seen.below:
            return ("traffic flows; correct the device's proposals, then read them again:", again)
        return ("to read them again:", again)

    @property
    def accept_advice(self) -> Advice | None:
        """The command that accepts fewer tunnels, and what has to be filled in."""
        return (
            None if self.accepting is None else ("put the reason in place of TEXT:", self.accepting)
        )

    @property
    def _may_roll_back(self) -> bool:
        match self.state.direction:
            case Direction.FORWARD:
                return True
            case Direction.FINALIZE:
                return not deletion_begun(self.state)
            case Direction.ROLLBACK | None:
                return False
