"""Commit-confirm: automatic rollback unless the operator confirms in time.

A migration that cuts off its own operator is rolled back by a watchdog process.  Automatic rollback
is armed only where it can work without a person: this host reaches AWS without the VPN, the
credentials are valid for long enough, and the old tunnels are still enabled on the devices, or
drivers enable them.  That each driver answers is a gate before step 7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from vpnmigrate.engine.context import RunContext
from vpnmigrate.engine.gates.host import own_path
from vpnmigrate.engine.ports import Credentials, NetworkPath, Renewal, Watchdog
from vpnmigrate.journal import RunState
from vpnmigrate.journal.records import Armed, ConfirmRequested, Entry, WatchdogMissed
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.clock import moment, span, time_of_day
from vpnmigrate.model.decisions import OldTunnels
from vpnmigrate.model.errors import RefusedError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.gates import GateVerdict
from vpnmigrate.model.plan import Direction, Plan
from vpnmigrate.planning.windows import ExpectedDurations, expected, with_soak

CHECK_INTERVAL = timedelta(seconds=10)
"""Time between two checks that the watchdog is running."""


@dataclass(frozen=True)
class CommitConfirm:
    """Inputs for arming automatic rollback.

    *within* is the operator's request: None for no new request, zero to withdraw an earlier one.
    """

    within: timedelta | None
    watchdog: Watchdog
    host: str


class CommitConfirmControl:
    """Arms the commit-confirm of a run; without *commit* it does nothing."""

    def __init__(
        self,
        context: RunContext,
        *,
        rehearsed: RehearsalResult | None,
        commit: CommitConfirm | None,
    ) -> None:
        self._plan = context.plan
        self._recorder = context.recorder
        self._clock = context.clock
        self._paths = context.paths
        self._ec2 = context.ec2
        self._observer = context.observer
        self._expected = with_soak(
            expected(context.plan.fingerprint, rehearsed), context.plan.decisions.waits
        )
        self._commit = commit
        self._checked_at = context.clock.now()
        self._missed = False

    def require_possible(self) -> None:
        """Refuse automatic rollback where it cannot work, before anything is done.

        Raises:
            RefusedError: Automatic rollback cannot work here; the message has every reason.
        """
        commit, state = self._commit, self._recorder.state
        if commit is None or (within := self._within) is None:
            return
        if self._recorder.cutover_is_open:
            if commit.within is None or (
                state.confirm.armed and state.confirm.armed.within == within
            ):
                return
            raise self._refusal("it is armed before step 7, and the cutover has already started")
        found = obstacles(
            self._plan,
            self._paths.read(),
            self._ec2.identity().credentials,
            within,
            self._clock.wall(),
            self._expected,
        )
        if found:
            raise self._refusal("; ".join(found))

    def resume(self, awake: Callable[[], object]) -> None:
        """Record the request for the process that reaches step 7, or restore the watchdog.

        A cutover that is under way gets another watchdog if its own is not running.
        """
        if self._commit is None:
            return
        if not self._recorder.cutover_is_open:
            if self._within != self._recorder.state.confirm.within:
                self._recorder.write(ConfirmRequested(self._within))
            return
        self.restore(awake)

    def restore(self, awake: Callable[[], object]) -> None:
        """Start another watchdog if the run is armed and its own is not running or is suspended.

        A watchdog that cannot be started is reported, and the run continues: traffic may be down.
        """
        commit, armed = self._commit, self._recorder.state.confirm.armed
        if commit is None or armed is None or commit.watchdog.on_duty():
            return
        try:
            self._start(commit, armed.within, awake)
        except RefusedError as error:
            self._miss(error.message)

    def arm(self, awake: Callable[[], object]) -> None:
        """Start a watchdog and record it in the journal, right before step 7 starts.

        *awake* is called while it starts (``ports.Watchdog``).

        Raises:
            RefusedError: No watchdog could be started, so the cutover does not start.
        """
        commit, armed = self._commit, self._recorder.state.confirm.armed
        if commit is None or (within := self._within) is None:
            return
        self.require_possible()
        if armed is None or armed.within != within or not commit.watchdog.on_duty():
            self._start(commit, within, awake)

    @property
    def _within(self) -> timedelta | None:
        """The requested time to confirm: this process's, or else that of an earlier process."""
        if self._commit is None or self._commit.within is None:
            return self._recorder.state.confirm.within
        return self._commit.within or None

    def check(self) -> None:
        """Report once, with a warning, that the watchdog of an armed run is not running."""
        commit, now = self._commit, self._clock.now()
        if commit is None or self._recorder.state.confirm.armed is None or self._missed:
            return
        if now - self._checked_at < CHECK_INTERVAL:
            return
        self._checked_at = now
        if not commit.watchdog.on_duty():
            self._miss("the watchdog process is not running or is suspended")

    def _start(self, commit: CommitConfirm, within: timedelta, awake: Callable[[], object]) -> None:
        step = self._recorder.state.step
        self._observer.on_wait(step, "the watchdog process is starting", timedelta(0), UNARMED)
        process = commit.watchdog.start(awake)
        self._missed = False
        waits = self._recorder.state.confirm.since is not None
        self._recorder.write(Armed(within, process, commit.host, waits))

    def _miss(self, why: str) -> None:
        self._missed = True
        self._recorder.write(WatchdogMissed(why))

    def _refusal(self, why: str) -> RefusedError:
        return RefusedError(
            f"automatic rollback (--confirm-within) cannot work here: {why}",
            advice=cli("apply", self._plan.migration, "--confirm-within", "off"),
        )


SHORTEST = timedelta(minutes=1)
"""Minimum time to confirm."""

LONGEST = timedelta(hours=24)
"""Maximum time to confirm: a longer one gives no protection, and credentials expire before it."""

LONGEST_QUIET = timedelta(days=1)
"""If the journal has not changed for this long, the watchdog exits."""

SILENCE = timedelta(minutes=2)
"""How long a process that was told to roll back may write nothing before it counts as stuck.

One call to AWS may take a minute, and its answer is recorded immediately.
"""

UNARMED = timedelta(minutes=2)
"""A process that starts a watchdog records it within this time, is slow, or has died.

A busy machine may need longer than that in the time of a fast sandbox."""


@dataclass(frozen=True)
class KeepWatching:
    """There is nothing to do yet."""


@dataclass(frozen=True)
class RollBackNow:
    """The time to confirm has passed without a confirmation."""

    until: datetime


@dataclass(frozen=True)
class StopWatching:
    """The run needs no watchdog any more."""

    why: str


def is_awaited(*, named: bool, starting: bool, began: datetime, now: datetime) -> bool:
    """Return whether a watchdog, running since *began*, may still be recorded as the run's.

    *named* says whether the journal has ever armed it, and *starting* whether the process that has
    started it still works on the run.
    """
    return not named and (starting or now - began < UNARMED)


def watch(
    state: RunState, *, process: int, awaited: bool, last: datetime, now: datetime
) -> KeepWatching | RollBackNow | StopWatching:
    """Return what the watchdog *process* does now.

    *awaited* says whether it may still be recorded (``is_awaited``), and *last* is when the journal
    was last written.  A watchdog that another one has replaced exits immediately.  Until traffic is
    verified the watchdog only watches, even if the run's process has died: an operator, who may be
    working at the device, decides whether a partial cutover continues or is rolled back.
    """
    if state.confirm.armed is None or state.confirm.armed.process != process:
        may_be_armed = awaited and state.direction is not Direction.ROLLBACK
        return KeepWatching() if may_be_armed else StopWatching(_why_not_needed(state))
    until = state.confirm.until
    if until is not None:
        return RollBackNow(until) if now >= until else KeepWatching()
    if now - last >= LONGEST_QUIET:
        return StopWatching("traffic was not verified, and the journal has not changed for a day")
    return KeepWatching()


class WatchdogDecision(StrEnum):
    """What a watchdog does once the time to confirm has passed without a confirmation."""

    ASK = "ask"
    """Order the run's process to roll back."""
    TAKE = "take"
    """Take over the run and roll it back."""
    WAIT = "wait"
    LEAVE = "leave"
    """The run is confirmed or rolled back, or a watchdog can do no more for it."""


def watchdog_decision(
    state: RunState, *, at_work: bool, asked: datetime | None, last: datetime, now: datetime
) -> WatchdogDecision:
    """Return how to roll back a run that may be *at_work* in another process.

    *asked* is when that process was told to roll back.  A process that is rolling back is not
    interrupted, even if it writes little: a gateway may take half an hour to detach.
    """
    rolling_back = state.direction is Direction.ROLLBACK
    if (rolling_back and state.finished) or (state.confirm.armed is None and not rolling_back):
        return WatchdogDecision.LEAVE
    if not at_work:
        return WatchdogDecision.TAKE
    if not rolling_back and asked is None:
        return WatchdogDecision.ASK
    if not rolling_back and asked is not None and now - max(asked, last) >= SILENCE:
        return WatchdogDecision.TAKE
    return WatchdogDecision.LEAVE if now - last >= LONGEST_QUIET else WatchdogDecision.WAIT


def was_armed(entries: Iterable[Entry], process: int, began: datetime) -> bool:
    """Return whether a journal names *process*, running since *began*, as the watchdog.

    The record may be slightly older than *began*.  A much older one is about an earlier process
    with the same number.
    """
    return any(
        isinstance(entry.record, Armed)
        and entry.record.process == process
        and entry.at > began - UNARMED
        for entry in entries
    )


def _why_not_needed(state: RunState) -> str:
    if state.confirm.armed is not None:
        return f"process {state.confirm.armed.process} is the watchdog now"
    if state.direction is Direction.ROLLBACK:
        return "the run is already rolling back"
    return "the migration is confirmed, or was never armed"


def obstacles(
    plan: Plan,
    paths: Sequence[NetworkPath],
    credentials: Credentials,
    within: timedelta,
    now: datetime,
    expected: ExpectedDurations,
) -> tuple[str, ...]:
    """Return the reasons why an automatic rollback cannot work; empty if it can."""
    return (
        *_length(within),
        *_devices(plan),
        *_path(plan, paths),
        *_credentials(credentials, now + expected.cutover + within + expected.rollback),
    )


def _length(within: timedelta) -> Iterator[str]:
    if within < SHORTEST:
        yield f"the time to confirm is shorter than {span(SHORTEST)}"
    if within > LONGEST:
        yield f"the time to confirm is longer than {span(LONGEST)}"


def _devices(plan: Plan) -> Iterator[str]:
    if plan.decisions.old_tunnels is not OldTunnels.LEAVE and plan.by_hand:
        yield (
            "the plan disables the old tunnels, so a rollback needs an engineer at the devices of "
            f"{', '.join(plan.by_hand)}; use a playbook with old_tunnels: leave, or with drivers"
        )


def _path(plan: Plan, paths: Sequence[NetworkPath]) -> Iterator[str]:
    seen = own_path(plan, paths)
    if seen.verdict is not GateVerdict.PASS:
        yield seen.observed


def _credentials(held: Credentials, until: datetime) -> Iterator[str]:
    if held.renewal is not Renewal.MANUAL:
        return
    if held.until is None:
        yield "the credentials are temporary, and when they expire is unknown"
    elif held.until < until:
        yield (
            f"the credentials expire at {moment(held.until)}, and the cutover, the time "
            f"to confirm and a rollback may take until {time_of_day(until)}"
        )
