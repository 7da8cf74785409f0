"""Commit-confirm: automatic rollback unless the operator confirms in time.

A migration that cuts its own operator off goes back by itself, unless somebody confirms in time.
It is armed only where that can work with nobody there: over a path that is not the VPN's, with
credentials that last, and with devices whose old tunnels are still enabled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from vpnmigrate.commands import cli
from vpnmigrate.engine.context import RunContext
from vpnmigrate.engine.gates.host import own_path
from vpnmigrate.engine.ports import Credentials, NetworkPath, Renewal, Watchdog
from vpnmigrate.errors import RefusedError
from vpnmigrate.journal import RunState
from vpnmigrate.journal.records import Armed, ConfirmRequested, Entry, WatchdogMissed
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.clock import moment, span, time_of_day
from vpnmigrate.model.decisions import OldTunnels
from vpnmigrate.model.gates import GateVerdict
from vpnmigrate.model.plan import Direction, Plan
from vpnmigrate.planning.windows import ExpectedDurations, expected

GLANCE = timedelta(seconds=10)
"""Between two looks at whether the watchdog is at its post."""


@dataclass(frozen=True)
class CommitConfirm:
    """What arming needs.

    *within* is what the operator asks for: None for nothing new, zero to take a wish back.
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
        self._awaited = expected(context.plan.fingerprint, rehearsed)
        self._commit = commit
        self._looked = context.clock.now()
        self._missed = False

    def require_possible(self) -> None:
        """Refuse a wish that could not be kept, before anything is done.

        Raises:
            RefusedError: With every reason.
        """
        commit, state = self._commit, self._recorder.state
        if commit is None or (within := self._within) is None:
            return
        if self._recorder.cutover_is_open:
            if commit.within is None or (state.armed and state.armed.within == within):
                return
            raise self._refusal("it is armed before step 7, and the cutover has begun")
        found = obstacles(
            self._plan,
            self._paths.read(),
            self._ec2.identity().credentials,
            within,
            self._clock.wall(),
            self._awaited,
        )
        if found:
            raise self._refusal("; ".join(found))

    def resume(self) -> None:
        """Keep a wish for whichever process comes to step 7, and a promise that was made.

        A cutover that is under way gets another watchdog if its own is gone.
        """
        if self._commit is None:
            return
        if not self._recorder.cutover_is_open:
            if self._within != self._recorder.state.confirm_within:
                self._recorder.write(ConfirmRequested(self._within))
            return
        self.restore()

    def restore(self) -> None:
        """Have another watchdog at its post where a run is armed and its own is gone or stopped.

        One that cannot be started is told and not waited for: traffic may be down.
        """
        commit, armed = self._commit, self._recorder.state.armed
        if commit is None or armed is None or commit.watchdog.on_duty():
            return
        try:
            self._start(commit, armed.within)
        except RefusedError as error:
            self._miss(error.message)

    def arm(self) -> None:
        """Have a watchdog at its post and in the journal, right before step 7 begins.

        Raises:
            RefusedError: There is none to be had, so the cutover does not begin.
        """
        commit, armed = self._commit, self._recorder.state.armed
        if commit is None or (within := self._within) is None:
            return
        self.require_possible()
        if armed is None or armed.within != within or not commit.watchdog.on_duty():
            self._start(commit, within)

    @property
    def _within(self) -> timedelta | None:
        """What is wanted: by this process's operator, or else by one before."""
        if self._commit is None or self._commit.within is None:
            return self._recorder.state.confirm_within
        return self._commit.within or None

    def check(self) -> None:
        """Say so, loudly and once, if the watchdog is gone that should be there."""
        commit, now = self._commit, self._clock.now()
        if commit is None or self._recorder.state.armed is None or self._missed:
            return
        if now - self._looked < GLANCE:
            return
        self._looked = now
        if not commit.watchdog.on_duty():
            self._miss("the watchdog is gone or stopped")

    def _start(self, commit: CommitConfirm, within: timedelta) -> None:
        process = commit.watchdog.start()
        self._missed = False
        self._recorder.write(Armed(within, process, commit.host))

    def _miss(self, why: str) -> None:
        self._missed = True
        self._recorder.write(WatchdogMissed(why))

    def _refusal(self, why: str) -> RefusedError:
        return RefusedError(
            f"--confirm-within would not work here: {why}",
            advice=cli("apply", self._plan.migration, "--confirm-within", "off"),
        )


SHORTEST = timedelta(minutes=1)
"""Less is no time to look at anything."""

LONGEST = timedelta(hours=24)
"""More is no safety net, and no credentials last that long."""

LONGEST_QUIET = timedelta(days=1)
"""A watchdog that has seen nothing written for so long watches over nothing."""

SILENCE = timedelta(minutes=2)
"""A process that was told to turn back and has written nothing since for so long does not do it.

One call to AWS may take a minute, and its answer is written at once.
"""

UNARMED = timedelta(minutes=2)
"""Whoever started a watchdog writes that down at once, or has died."""


@dataclass(frozen=True)
class KeepWatching:
    """Nothing to do yet."""


@dataclass(frozen=True)
class RollBackNow:
    """Nobody has confirmed in time."""

    until: datetime


@dataclass(frozen=True)
class StopWatching:
    """There is nothing left to watch over."""

    why: str


def watch(
    state: RunState, *, process: int, named: bool, began: datetime, last: datetime, now: datetime
) -> KeepWatching | RollBackNow | StopWatching:
    """Return what the watchdog *process*, on duty since *began*, does now.

    *named* says whether the journal has ever armed it, and *last* is when that was last written.
    One that was armed and is no more leaves its post to the next at once.  Before traffic was
    verified it only watches, also when the process at work has died: whether a half-done cutover
    goes on or back is for a person, who may be at the device this very moment.
    """
    if state.armed is None or state.armed.process != process:
        awaited = not named and now - began < UNARMED and state.direction is not Direction.ROLLBACK
        return KeepWatching() if awaited else StopWatching(_why_nothing(state))
    until = state.unconfirmed_until
    if until is not None:
        return RollBackNow(until) if now >= until else KeepWatching()
    if now - last >= LONGEST_QUIET:
        return StopWatching("traffic was not verified, and nothing was written for a day")
    return KeepWatching()


class WatchdogDecision(StrEnum):
    """What a watchdog does once nobody has confirmed in time."""

    ASK = "ask"
    """Tell the process at work to turn back."""
    TAKE = "take"
    """Take the run in hand and go back with it."""
    WAIT = "wait"
    LEAVE = "leave"
    """It is confirmed, has gone back, or is beyond what a watchdog can do."""


def watchdog_decision(
    state: RunState, *, at_work: bool, asked: datetime | None, last: datetime, now: datetime
) -> WatchdogDecision:
    """Return how to bring a run back that may be *at_work* in another process.

    *asked* is when that process was told to turn back.  One that has turned is left alone however
    little it writes: a gateway may take half an hour to detach.
    """
    turned = state.direction is Direction.ROLLBACK
    if (turned and state.finished) or (state.armed is None and not turned):
        return WatchdogDecision.LEAVE
    if not at_work:
        return WatchdogDecision.TAKE
    if not turned and asked is None:
        return WatchdogDecision.ASK
    if not turned and asked is not None and now - max(asked, last) >= SILENCE:
        return WatchdogDecision.TAKE
    return WatchdogDecision.LEAVE if now - last >= LONGEST_QUIET else WatchdogDecision.WAIT


def was_armed(entries: Iterable[Entry], process: int, began: datetime) -> bool:
    """Return whether a journal has named *process*, on duty since *began*, as the watchdog.

    It may do so a moment before that; an earlier process of the same number did not live so late.
    """
    return any(
        isinstance(entry.record, Armed)
        and entry.record.process == process
        and entry.at > began - UNARMED
        for entry in entries
    )


def _why_nothing(state: RunState) -> str:
    if state.armed is not None:
        return f"process {state.armed.process} is the watchdog now"
    if state.direction is Direction.ROLLBACK:
        return "the run goes back already"
    return "the migration is confirmed, or was never armed"


def obstacles(
    plan: Plan,
    paths: Sequence[NetworkPath],
    credentials: Credentials,
    within: timedelta,
    now: datetime,
    expected: ExpectedDurations,
) -> tuple[str, ...]:
    """Return why a rollback with nobody there could not work; empty if it can."""
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
    if plan.decisions.old_tunnels is not OldTunnels.LEAVE:
        yield (
            "the plan has the old tunnels disabled, so a way back needs somebody at the devices; "
            "it takes a playbook with old_tunnels: leave"
        )


def _path(plan: Plan, paths: Sequence[NetworkPath]) -> Iterator[str]:
    seen = own_path(plan, paths)
    if seen.call is not GateVerdict.PASS:
        yield seen.observed


def _credentials(held: Credentials, until: datetime) -> Iterator[str]:
    if held.renewal is not Renewal.BY_A_PERSON:
        return
    if held.until is None:
        yield "the credentials are temporary, and nothing here tells until when they last"
    elif held.until < until:
        yield (
            f"the credentials end at {moment(held.until)}, and a cutover, the time "
            f"to confirm and a rollback may take until {time_of_day(until)}"
        )
