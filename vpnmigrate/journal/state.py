"""Run state: the result of replaying a journal, and its transitions.

*Status* is the program's word for a run; *state* is EC2's word for a resource.  A run that failed
or was interrupted keeps its status, since the same work remains to be done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Final

from msgspec import Struct, field

from vpnmigrate.journal.crypto_record import CryptoSeen
from vpnmigrate.journal.records import Opened
from vpnmigrate.journal.state_parts import (
    Adoptions,
    ApprovalState,
    ConfirmState,
    Deviations,
    DriverState,
    GateState,
    OutageState,
    ProbeState,
    Residue,
    TunnelShortages,
)
from vpnmigrate.model import consistency
from vpnmigrate.model.changes import AskOperator, Change, OperatorTask, RunTest
from vpnmigrate.model.changes.base import InDoubt, Later, Outcome, Performed, Refused
from vpnmigrate.model.clock import moment
from vpnmigrate.model.ec2 import MigrationId, VpnConnectionId
from vpnmigrate.model.errors.commands import Advice
from vpnmigrate.model.facts import Archive, ConfirmationGiven, Fact
from vpnmigrate.model.plan import FIRST_OF_CUTOVER, LAST_OF_PREPARE, Direction
from vpnmigrate.model.snapshot import Confirmation, JournalFacts


class Traffic(StrEnum):
    """Path of traffic, as far as the journal shows."""

    OLD = "old"
    NEW = "new"
    NONE = "none"
    UNKNOWN = "unknown"
    """The journal began late or is inconsistent; only AWS shows the path."""


class Intent(Struct, frozen=True, dict=True):
    """A change about to be sent, with its outcome; None means in doubt."""

    number: int
    at: datetime
    step: int
    change: Change
    present: tuple[str, ...] = ()
    """Resources that existed before it, in neither the survey nor the run's journal."""
    outcome: Outcome | None = None
    answered: datetime | None = None
    """When its outcome was written; its effect was complete by then."""

    @property
    def cancelled(self) -> bool:
        """Whether it certainly had no effect."""
        return isinstance(self.outcome, Refused | Later)

    @cached_property
    def as_sent_change(self) -> consistency.SentChange | None:
        """The change for ``consistency``; None if it certainly had no effect on AWS.

        Its time is the latest moment at which the effect may have occurred: the time of the answer,
        not of the call.
        """
        fact = self.change.fact
        if self.cancelled or isinstance(fact, Archive | ConfirmationGiven):
            return None
        return consistency.SentChange(
            fact,
            self.change.arrived,
            self.answered or self.at,
            performed=isinstance(self.outcome, Performed),
            already=isinstance(self.outcome, InDoubt) and self.outcome.already,
        )


class Deadline(Struct, frozen=True):
    """Back-out deadline: when a cutover that is not verified must be rolled back."""

    at: datetime
    passed: bool = False
    asks: bool = False
    """Whether the operator's decision about it is pending."""


class ExpiredCredentials(Struct, frozen=True):
    """Credentials that AWS has refused since a moment of the run's own clock."""

    since: datetime
    why: str
    renew: Advice = ""


class Hold(StrEnum):
    """Kind of an order that stays in force until it is lifted."""

    PAUSED = "paused"
    ABORTED = "aborted"


@dataclass(frozen=True)
class OperatorOrder:
    """An order in force, with the person who gave it and since when."""

    wish: Hold
    who: str
    host: str
    since: datetime

    def __str__(self) -> str:
        """Return the order as text for an operator."""
        lasting = "since" if self.wish is Hold.PAUSED else "at"
        return f"{self.wish} by {self.who} on {self.host} {lasting} {moment(self.since)}"


class RunStatus(StrEnum):
    """Status of a run."""

    PLANNED = "planned"
    PREPARING = "preparing"
    HELD = "held"
    """At a gate, or waiting for a person; it resumes only on command."""
    CUTTING_OVER = "cutting-over"
    CUT_OVER = "cut-over"
    """Migrated: traffic uses the new connections, and the old ones still exist."""
    FINALIZING = "finalizing"
    FINALIZED = "finalized"
    ROLLING_BACK = "rolling-back"
    ROLLED_BACK = "rolled-back"
    STUCK = "stuck"
    """Traffic is down and the program cannot continue alone: an operator must act now."""


class StepStatus(StrEnum):
    """Status of one step in the current direction."""

    PENDING = "pending"
    APPLYING = "applying"
    SETTLED = "settled"
    FAILED = "failed"


class RunState(Struct, frozen=True):
    """State of a run after replay.  *Attempt* means the current or the last one.

    It is a struct for speed, because replay creates a new one for every entry.  Fields of one
    subject are a value of their own (``state_parts``), such as ``outage`` and ``gates``.
    """

    status: RunStatus = RunStatus.PLANNED
    migration: MigrationId | None = None
    fingerprint: str = ""
    """Fingerprint of the plan in force."""
    opened: Opened | None = None
    """The process that opened the run last."""

    taken_over_from: str = ""
    """The holder that the operator named with ``--take-over``, until the claim is this run's.

    A process that stops before it has claimed can be resumed without naming the holder again; a
    later claim of another holder is respected.
    """
    journal_lost: bool = False
    """Whether an earlier process's journal is missing and no direction has finished since."""
    delete_old_gateway: bool = False
    """Whether the finalize in progress is to delete the old gateway as well."""

    direction: Direction | None = None
    finished: bool = False
    """Whether the run reached the end of its direction."""
    keep_new: bool = False
    until: int | None = None
    """The step after which the operator wants the run forward to hold."""
    attempt: int = 0
    attempt_since: datetime | None = None
    settled: frozenset[int] = frozenset()
    """Numbers of forward steps done in this attempt."""
    settled_here: frozenset[tuple[int, bool]] = frozenset()
    """Steps done in this direction: number, and whether it was a clean-up."""
    step: int = 0
    """Number of the step begun last; 0 before the first."""
    title: str = ""
    cleaning: bool = False
    cutover_begun: bool = False
    """Whether this attempt has an intent of step 7 or later."""
    cutover_open: bool = False
    """Whether a cutover was begun and no rollback has finished step 10 since.

    The clean-up after step 10 of a rollback does not affect traffic.
    """

    intents: Sequence[Intent] = ()
    """Intents of all attempts, in the order they were written."""
    interrupting: tuple[int, ...] = ()
    """Positions in ``intents`` of the changes that may begin an outage: few, of steps 7 and 8."""
    adoptions: Adoptions = Adoptions()
    journal_facts: JournalFacts = field(default_factory=JournalFacts)
    """Confirmations and baseline of this attempt; archived files of all attempts."""

    traffic: Traffic = Traffic.OLD
    outage: OutageState = OutageState()
    residue: Residue = Residue()
    shortages: TunnelShortages = TunnelShortages()
    flaps: int = 0
    """How often verified traffic was incomplete again, in this direction."""
    stable_since: datetime | None = None
    """Since when traffic is verified; after it was incomplete again, when step 10 was done."""
    probes: ProbeState = ProbeState()
    drivers: DriverState = DriverState()
    """Calls of device drivers in all attempts."""

    deadline: Deadline | None = None
    """The back-out deadline of this attempt's cutover, if its plan has a window."""
    confirm: ConfirmState = ConfirmState()
    order: OperatorOrder | None = None
    """The operator's order in force, until it is lifted."""
    gates: GateState = GateState()
    approvals: ApprovalState = ApprovalState()
    crypto: CryptoSeen | None = None
    """What the new tunnels have negotiated, as read last; None before the end of step 10."""

    clock_ahead: timedelta = timedelta(0)
    """How far the wall clock was ahead of the run time when last recorded."""
    expired: ExpiredCredentials | None = None
    """The credentials of this process, while AWS does not accept them."""
    held: str = ""
    """Why the run is held; empty if it is not."""
    held_by_order: bool = False
    """Whether an operator's order is the reason."""
    error: str = ""
    """What stopped the last process, until work continues."""
    deviations: Deviations = Deviations()
    notes: Sequence[str] = ()
    contradictions: Sequence[str] = ()
    """Inconsistencies in the journal; with any, ``traffic`` is unknown until it is seen to flow."""

    @property
    def plan_signature(self) -> str:
        """The signature of the plan in force; empty if there is none."""
        return self.approvals.plan_signatures.get(self.fingerprint, "")

    @property
    def known_traffic(self) -> Traffic:
        """The path of traffic, as far as this journal shows it.

        An earlier process, whose journal is lost, may have begun an outage.  Then the path is known
        once this journal has a baseline, an outage or verified traffic.
        """
        seen = self.outage.since or self.journal_facts.baseline or self.journal_facts.verified
        unseen = self.direction is None or (self.journal_lost and not seen)
        return Traffic.UNKNOWN if unseen and self.traffic is Traffic.OLD else self.traffic

    @property
    def soak_begins(self) -> datetime | None:
        """When the soak of finalize begins; None while traffic is not verified or is incomplete."""
        return None if self.journal_facts.verified is None else self.stable_since

    @property
    def approved_after(self) -> str:
        """The rollback that an approval of the next cutover has to name; empty if there was none.

        A rollback ends what was approved, so another attempt needs another approval.
        """
        return self.approvals.rollbacks.get(self.fingerprint, "")

    @property
    def host(self) -> str:
        """The host of the process that works on the run, or did; empty before the first one."""
        return "" if self.opened is None else self.opened.host

    @property
    def is_prepared(self) -> bool:
        """Whether every step before the cutover is done, and the cutover has not started."""
        forward = self.direction is Direction.FORWARD and not self.finished
        return forward and LAST_OF_PREPARE in self.settled and not self.cutover_begun

    @property
    def asks_to_decide(self) -> bool:
        """Whether the operator must decide to roll back or continue, past the deadline."""
        return (
            self.deadline is not None
            and self.deadline.asks
            and self.direction is Direction.FORWARD
            and not self.finished
            and self.journal_facts.verified is None
        )

    @property
    def task(self) -> OperatorTask | None:
        """The operator task whose confirmation this step waits for, or None."""
        if self.finished or (self.step, self.cleaning) in self.settled_here:
            return None
        match self.intents[-1:]:
            case (Intent(change=AskOperator() | RunTest() as task, outcome=None) as last,):
                return task if last.step == self.step and not self._moot(task) else None
            case _:
                return None

    @property
    def devices_done(self) -> frozenset[VpnConnectionId]:
        """The old connections at whose devices the open task is done."""
        match self.task:
            case AskOperator(only=only) if only:
                return frozenset(only) - self.unsettled
            case AskOperator(confirmation=confirmation):
                return self.journal_facts.devices.get(confirmation, frozenset())
            case _:
                return frozenset()

    @property
    def unsettled(self) -> frozenset[VpnConnectionId]:
        """The old connections whose devices may not keep what drivers have done there."""
        return self.drivers.unsettled(self.direction)

    def _moot(self, task: OperatorTask) -> bool:
        if isinstance(task, AskOperator) and task.only:
            return not self.unsettled & set(task.only)
        confirmation = (
            task.confirmation if isinstance(task, AskOperator) else Confirmation.TEST_PASSED
        )
        # Tunnels that carry traffic are enabled, with or without a confirmation.
        shown = (
            self.journal_facts.verified is not None
            and confirmation is not Confirmation.OLD_TUNNELS_DISABLED
        )
        return shown or confirmation in self.journal_facts.confirmations

    @property
    def waiting_for(self) -> str:
        """What the run waits for, as text for an operator; empty if for nothing."""
        if self.order is not None and self.order.wish is Hold.PAUSED:
            return str(self.order)
        return str(self.task) if self.task is not None else self.held

    @property
    def seen(self) -> frozenset[Fact]:
        """The facts of all changes that were confirmed."""
        return frozenset(i.change.fact for i in self.intents if isinstance(i.outcome, Performed))

    @property
    def steps(self) -> Mapping[int, StepStatus]:
        """Status of the steps begun in this direction, by number."""
        known = {number: StepStatus.SETTLED for number, _ in self.settled_here}
        known |= dict.fromkeys(self._unverified, StepStatus.APPLYING)
        if self.step and (self.step, self.cleaning) not in self.settled_here:
            known[self.step] = StepStatus.FAILED if self.error else StepStatus.APPLYING
        return known

    @property
    def _unverified(self) -> Iterator[int]:
        """Steps of an outage that are carried out and not verified, while a later one runs."""
        done = {number for number, _ in self.settled_here}
        if self.direction is Direction.FORWARD:
            done |= self.settled
        begun = range(FIRST_OF_CUTOVER, 0 if self.cleaning else self.step)
        return (number for number in begun if number not in done)


_R = RunStatus

RUN_EDGES: Final = frozenset(
    {
        # The first process starts the plan.
        (_R.PLANNED, _R.PREPARING),
        # The journal was lost, and a new one begins with a rollback.
        (_R.PLANNED, _R.ROLLING_BACK),
        # The journal was lost in the cutover, and a new one continues from there.
        (_R.PLANNED, _R.CUTTING_OVER),
        # An operator task, or a gate before the cutover.
        (_R.PREPARING, _R.HELD),
        # Steps 1 to 6 are done, in this or an earlier attempt: step 7 begins.
        (_R.PREPARING, _R.CUTTING_OVER),
        # The operator rolls back before the cutover.
        (_R.PREPARING, _R.ROLLING_BACK),
        # The task is done, or the held run was planned again.
        (_R.HELD, _R.PREPARING),
        # The gates before the cutover let the staged run continue.
        (_R.HELD, _R.CUTTING_OVER),
        # The operator rolls back a held run.
        (_R.HELD, _R.ROLLING_BACK),
        # A task of finalize is done.
        (_R.HELD, _R.FINALIZING),
        # Step 7 was begun and nothing was sent: the next process renews the claim first.
        (_R.CUTTING_OVER, _R.PREPARING),
        # Traffic flows, and only the task to disable the old tunnels is open.
        (_R.CUTTING_OVER, _R.HELD),
        # Step 10 is done.
        (_R.CUTTING_OVER, _R.CUT_OVER),
        # The operator, or the plan's back-out policy, rolls back.
        (_R.CUTTING_OVER, _R.ROLLING_BACK),
        # The cutover failed while traffic was down.
        (_R.CUTTING_OVER, _R.STUCK),
        # The cause of the failure is fixed, and the cutover resumes.
        (_R.STUCK, _R.CUTTING_OVER),
        # The operator rolls back instead.
        (_R.STUCK, _R.ROLLING_BACK),
        # The operator rolls back after the cutover.
        (_R.CUT_OVER, _R.ROLLING_BACK),
        # Finalize starts.
        (_R.CUT_OVER, _R.FINALIZING),
        # An operator task of the rollback.
        (_R.ROLLING_BACK, _R.HELD),
        # The operator resumes forward during a rollback while traffic is down.
        (_R.ROLLING_BACK, _R.CUTTING_OVER),
        # The same while traffic flows: another attempt, which uses what the last one left.
        (_R.ROLLING_BACK, _R.PREPARING),
        # The rollback is done.
        (_R.ROLLING_BACK, _R.ROLLED_BACK),
        # The rollback failed while traffic was down.
        (_R.ROLLING_BACK, _R.STUCK),
        # Another attempt starts, with or without resources of the last one.
        (_R.ROLLED_BACK, _R.PREPARING),
        # Another rollback, which has nothing to do or removes resources kept by the last one.
        (_R.ROLLED_BACK, _R.ROLLING_BACK),
        # An operator task of finalize.
        (_R.FINALIZING, _R.HELD),
        # The operator rolls back before anything is deleted.
        (_R.FINALIZING, _R.ROLLING_BACK),
        # The old connections are deleted.
        (_R.FINALIZING, _R.FINALIZED),
        # Finalize again, for the gateway that the first one left.
        (_R.FINALIZED, _R.FINALIZING),
    }
)

_S = StepStatus

STEP_EDGES: Final = frozenset(
    {
        # Work on the step begins.
        (_S.PENDING, _S.APPLYING),
        # Its goal holds.
        (_S.APPLYING, _S.SETTLED),
        # Its goal did not hold in time, or a change was refused.
        (_S.APPLYING, _S.FAILED),
        # Another process retries.
        (_S.FAILED, _S.APPLYING),
        # A resumed run checks the step again, such as the claim.
        (_S.SETTLED, _S.APPLYING),
    }
)

_EDGES: Final = frozenset[tuple[StrEnum, StrEnum]]((*RUN_EDGES, *STEP_EDGES))


def may_follow(before: RunStatus | StepStatus, after: RunStatus | StepStatus) -> bool:
    """Return whether the status *after* may follow *before*.

    The same status is always allowed: a resumed process writes it again.
    """
    return before is after or (before, after) in _EDGES
