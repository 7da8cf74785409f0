"""Where a run stands, as every view of it needs to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from msgspec.structs import replace as altered

from vpnmigrate.commands import Command, Invocation, cli
from vpnmigrate.journal import RunState, Traffic, Wish, accepting, next_command
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.changes import DeleteVpnConnection, DeleteVpnGateway
from vpnmigrate.model.clock import moment, span
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.plan import FIRST_OF_CUTOVER, Direction, Phase
from vpnmigrate.model.progress import Waiting

RETIRING = 11


def deletion_begun(state: RunState) -> bool:
    """Tell whether finalize may have deleted anything: from then on nothing leads back."""
    deletions = DeleteVpnConnection | DeleteVpnGateway
    return any(
        intent.step == RETIRING and isinstance(intent.change, deletions) and not intent.cancelled
        for intent in state.intents
    )


@dataclass(frozen=True)
class Retry:
    """Why the watchdog's last try to roll back failed, and when it tries again."""

    why: str
    again: datetime


@dataclass(frozen=True)
class Standing:
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
    gateway_goes: bool = False
    """Whether the finalize that is under way is to delete the old gateway too."""
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
        return Phase.RETIRE if self.state.step >= RETIRING else Phase.CUTOVER

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
        back = self.state.finished and self.state.direction is Direction.BACK
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
        return f"{self.folder}/vault" if self.state.told.files else ""

    @property
    def next(self) -> Command | None:
        """The command to run next; None where nothing is left to do.

        A process that is at work and waits for nobody goes on by itself: all there is to do is
        to look again.
        """
        order = self.state.order
        paused = order is not None and order.wish is Wish.PAUSED
        if self.alive and (self.turning or (self.state.task is None and not paused)):
            return self.look
        command = next_command(self.state, self.run, self.connections, alive=self.alive)
        if command is not None and self.gateway_goes:
            command = command.with_words("--delete-old-gateway")
        return self._complete(command)

    @property
    def look(self) -> Command:
        """The command that shows where it stands."""
        return self.invocation.complete(cli("status", self.run))

    def _complete(self, command: Command | None) -> Command | None:
        return None if command is None else self.invocation.complete(command)

    @property
    def accepting(self) -> Command | None:
        """The command that accepts fewer tunnels where only they are lacking; or None."""
        if self.turning:
            return None
        return self._complete(accepting(self.state.acceptable, self.run))

    @property
    def turning(self) -> bool:
        """Whether somebody aborted it and its process is about to stop, or to turn back."""
        order = self.state.order
        return self.alive and order is not None and order.wish is Wish.ABORTED

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
    def seen_from_aside(self) -> Standing:
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
            case Direction.RETIRE:
                return not deletion_begun(self.state)
            case Direction.BACK | None:
                return False
