"""Run state: the value that a journal replays to, and its transitions.

*Status* is ours; *state* is EC2's word for the life of a resource.  A run that failed or was
interrupted keeps its status: what it was doing is still what has to be done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Final

from msgspec import Struct, field

from vpnmigrate.journal.records import Accepted, Armed, Forced, GatesSeen, Opened
from vpnmigrate.model import consistency
from vpnmigrate.model.approval import Approval
from vpnmigrate.model.changes import AskOperator, Change, OperatorTask, RunTest
from vpnmigrate.model.changes.base import Later, Outcome, Performed, Refused
from vpnmigrate.model.clock import moment
from vpnmigrate.model.ec2 import MigrationId, Role
from vpnmigrate.model.facts import Archive, ConfirmationGiven, Fact
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.probes import ProbeStats
from vpnmigrate.model.snapshot import Confirmation, JournalFacts, Shortage


class Traffic(StrEnum):
    """Which path traffic takes, as far as the journal can tell."""

    OLD = "old"
    NEW = "new"
    NONE = "none"
    UNKNOWN = "unknown"
    """The journal does not tell, because it began late or does not add up: look at AWS."""


class Intent(Struct, frozen=True, dict=True):
    """A change that was about to be performed, with what became of it; None is in doubt."""

    number: int
    at: datetime
    step: int
    change: Change
    present: tuple[str, ...] = ()
    """What was seen before it that neither the survey nor the run accounts for."""
    outcome: Outcome | None = None
    answered: datetime | None = None
    """When its outcome was written: what it did, it had done by then."""

    @property
    def cancelled(self) -> bool:
        """Whether it certainly had no effect."""
        return isinstance(self.outcome, Refused | Later)

    @cached_property
    def as_sent_change(self) -> consistency.SentChange | None:
        """What ``consistency`` has to know of it; None if AWS certainly knows nothing of it.

        It counts from the last moment at which it may have had its effect: a call that took a
        minute to be answered is no minute old.
        """
        fact = self.change.fact
        if self.cancelled or isinstance(fact, Archive | ConfirmationGiven):
            return None
        return consistency.SentChange(
            fact,
            self.change.arrived,
            self.answered or self.at,
            performed=isinstance(self.outcome, Performed),
        )


class Adoption(Struct, frozen=True):
    """A resource that is the run's own, and how many intents had been written by then."""

    role: Role
    id: str
    after: int


class Deadline(Struct, frozen=True):
    """By when a cutover has to be verified, or turn round."""

    at: datetime
    passed: bool = False
    asks: bool = False
    """Whether nobody has said yet what follows from that."""


class Hold(StrEnum):
    """What somebody wants of the run until it is lifted."""

    PAUSED = "paused"
    ABORTED = "aborted"


@dataclass(frozen=True)
class OperatorOrder:
    """A wish in force, with whose it is and since when."""

    wish: Hold
    who: str
    host: str
    since: datetime

    def __str__(self) -> str:
        """Return it as a person reads it."""
        lasting = "since" if self.wish is Hold.PAUSED else "at"
        return f"{self.wish} by {self.who} on {self.host} {lasting} {moment(self.since)}"


class RunStatus(StrEnum):
    """Where a run stands."""

    PLANNED = "planned"
    PREPARING = "preparing"
    HELD = "held"
    """At a gate, or waiting for a person; nothing goes on until somebody says so."""
    CUTTING_OVER = "cutting-over"
    CUT_OVER = "cut-over"
    """Migrated: traffic uses the new connections, and what was there before still exists."""
    FINALIZING = "finalizing"
    FINALIZED = "finalized"
    ROLLING_BACK = "rolling-back"
    ROLLED_BACK = "rolled-back"
    STUCK = "stuck"
    """Traffic is down and the program cannot go on by itself: a person must act now."""


class StepStatus(StrEnum):
    """Where one step of the direction taken stands."""

    PENDING = "pending"
    APPLYING = "applying"
    SETTLED = "settled"
    FAILED = "failed"


class RunState(Struct, frozen=True):
    """Everything a journal says, folded.  *Attempt* means the one that is under way or was last.

    A struct, because folding makes a new one of every entry.
    """

    status: RunStatus = RunStatus.PLANNED
    migration: MigrationId | None = None
    fingerprint: str = ""
    """Of the plan in force."""
    opened: Opened | None = None
    """The process that took the run up last."""

    taken_over_from: str = ""
    """The holder that the operator named with ``--take-over``, until the claim is this run's.

    A process that stops before it has claimed is resumed without naming the holder again, and a
    later claim of somebody else is respected.
    """
    journal_lost: bool = False
    """Whether an earlier process's journal is missing and no direction was finished since."""
    delete_old_gateway: bool = False
    """Whether the finalize in progress is to delete the old gateway as well."""

    direction: Direction | None = None
    finished: bool = False
    """Whether the direction taken was gone to its end."""
    keep_new: bool = False
    until: int | None = None
    """The step after which the operator wants the way forward to hold."""
    attempt: int = 0
    attempt_since: datetime | None = None
    settled: frozenset[int] = frozenset()
    """Forward steps that this attempt settled, by number."""
    settled_here: frozenset[tuple[int, bool]] = frozenset()
    """What was settled since the direction was taken: number, and whether it was cleaning."""
    step: int = 0
    """The step begun last; 0 before the first."""
    title: str = ""
    cleaning: bool = False
    cutover_begun: bool = False
    """Whether this attempt ever intended a change of step 7 or later."""
    cutover_open: bool = False
    """Whether a cutover was ever begun that no way back has brought to the end of step 10.

    The clean-up after that touches no traffic.
    """

    intents: tuple[Intent, ...] = ()
    """Of all attempts, in the order they were written."""
    adopted: tuple[Adoption, ...] = ()
    """What was found to be the run's own without an answer that says so."""
    refused: tuple[str, ...] = ()
    """Resources of which a person has said that the run did not make them."""
    adoption_asked: bool = False
    """Whether a person has said which resources an earlier process, whose journal is lost, made."""
    journal_facts: JournalFacts = field(default_factory=JournalFacts)
    """Words and baseline of this attempt; files of every attempt."""

    traffic: Traffic = Traffic.OLD
    outage_since: datetime | None = None
    """When the last outage began; it may be over."""
    outage_shown: datetime | None = None
    """The same as the clock on the wall showed it then."""
    outage_earlier: bool = False
    """Whether it may have begun earlier than that, under a journal that is lost."""
    outage_lasted: timedelta | None = None
    """How long the last outage was, once it is over."""

    deadline: Deadline | None = None
    """The back-out deadline of this attempt's cutover, where its plan has a window."""
    confirm_within: timedelta | None = None
    """What somebody wants of the cutover of this attempt."""
    armed: Armed | None = None
    """The commit-confirm in force: armed, not confirmed, and not gone back."""
    unconfirmed_since: datetime | None = None
    """Since when traffic is verified and somebody is waited for to confirm."""
    order: OperatorOrder | None = None
    """What somebody wants of the run from another terminal, until it is lifted."""
    acceptable: tuple[Shortage, ...] = ()
    """What is all that is lacking, so that somebody may accept it."""
    accepted: tuple[Accepted, ...] = ()
    """All that was ever accepted in this run."""
    approvals: tuple[Approval, ...] = ()
    """All that were handed in, for whichever plan."""
    gates: GatesSeen | None = None
    """What the gates said when they were last asked."""
    gates_at: datetime | None = None
    forced: tuple[Forced, ...] = ()
    """Every gate that was ever forced in this run."""
    flaps: int = 0
    """How often verified traffic lacked something again, since the direction was taken."""
    probes_forward: Mapping[str, ProbeStats] = field(default_factory=dict)
    """How probes did on the way forward, once the run has turned back."""
    probes: Mapping[str, ProbeStats] = field(default_factory=dict)
    """How each probe did when it was last written down."""
    proven_probes: frozenset[str] = frozenset()
    """Probes that worked just before step 7."""
    degraded: tuple[str, ...] = ()
    """Connections that carry traffic with fewer tunnels than before."""

    clock_ahead: timedelta = timedelta(0)
    """How far the machine's clock was ahead of the run's time when that was last told."""
    held: str = ""
    """Why the run rests, if it does."""
    error: str = ""
    """What stopped the last process, until work goes on."""
    differs: tuple[str, ...] = ()
    """What was not as before when the last rollback had finished."""
    lost: tuple[str, ...] = ()
    """What others took away, named once each, in this attempt."""
    other_hands: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    puzzles: tuple[str, ...] = ()
    """What does not add up; then ``traffic`` is unknown until it is seen to flow."""

    @property
    def outage_open(self) -> bool:
        """Whether traffic is down as far as the journal knows."""
        return self.outage_since is not None and self.outage_lasted is None

    def outage(self, now: datetime) -> timedelta | None:
        """Return how long the last outage was, or has been so far at *now*."""
        if self.outage_since is None or self.outage_lasted is not None:
            return self.outage_lasted
        return now - self.outage_since

    @property
    def asks_to_decide(self) -> bool:
        """Whether somebody is asked to roll back or to go on, past the back-out deadline."""
        return (
            self.deadline is not None
            and self.deadline.asks
            and self.direction is Direction.FORWARD
            and not self.finished
            and self.journal_facts.verified is None
        )

    @property
    def unconfirmed_until(self) -> datetime | None:
        """When the watchdog goes back unless somebody confirms; None if nobody is waited for."""
        if self.armed is None or self.unconfirmed_since is None:
            return None
        return self.unconfirmed_since + self.armed.within

    @property
    def task(self) -> OperatorTask | None:
        """The task whose word this step still waits for, if it was handed out."""
        if self.finished or (self.step, self.cleaning) in self.settled_here:
            return None
        match self.intents[-1:]:
            case (Intent(change=AskOperator() | RunTest() as task, outcome=None) as last,):
                return task if last.step == self.step and not self._moot(task) else None
            case _:
                return None

    def _moot(self, task: OperatorTask) -> bool:
        word = task.word if isinstance(task, AskOperator) else Confirmation.TEST_PASSED
        # Tunnels that are seen to carry traffic are enabled, whoever said so.
        shown = (
            self.journal_facts.verified is not None
            and word is not Confirmation.OLD_TUNNELS_DISABLED
        )
        return shown or word in self.journal_facts.words

    @property
    def waiting_for(self) -> str:
        """What the run waits for, in an operator's words; empty if for nobody."""
        if self.order is not None and self.order.wish is Hold.PAUSED:
            return str(self.order)
        return str(self.task) if self.task is not None else self.held

    @property
    def seen(self) -> frozenset[Fact]:
        """The facts of all changes that were confirmed."""
        return frozenset(i.change.fact for i in self.intents if isinstance(i.outcome, Performed))

    @property
    def steps(self) -> Mapping[int, StepStatus]:
        """Where the steps touched since the direction was taken stand, by number."""
        known = {number: StepStatus.SETTLED for number, _ in self.settled_here}
        if self.step and (self.step, self.cleaning) not in self.settled_here:
            known[self.step] = StepStatus.FAILED if self.error else StepStatus.APPLYING
        return known


_R = RunStatus

RUN_EDGES: Final = frozenset(
    {
        # the first process takes the plan up
        (_R.PLANNED, _R.PREPARING),
        # the journal was lost, and a fresh one begins with the way back
        (_R.PLANNED, _R.ROLLING_BACK),
        # the journal was lost in the cutover, and a fresh one goes on from there
        (_R.PLANNED, _R.CUTTING_OVER),
        # a device task, or the gate before the cutover
        (_R.PREPARING, _R.HELD),
        # the work was done by an earlier attempt, or step 6 was settled: step 7 begins
        (_R.PREPARING, _R.CUTTING_OVER),
        # the operator gives the migration up before it began
        (_R.PREPARING, _R.ROLLING_BACK),
        # the person has done the task, or the held run was planned again
        (_R.HELD, _R.PREPARING),
        # somebody let the staged run through the gate
        (_R.HELD, _R.CUTTING_OVER),
        # staged and given up
        (_R.HELD, _R.ROLLING_BACK),
        # a task of the way back, or of finalizing, is done
        (_R.HELD, _R.FINALIZING),
        # step 7 was begun and nothing was sent: the next process renews the claim first
        (_R.CUTTING_OVER, _R.PREPARING),
        # traffic flows already and only the old tunnels wait for a person
        (_R.CUTTING_OVER, _R.HELD),
        # step 10 is settled
        (_R.CUTTING_OVER, _R.CUT_OVER),
        # the operator, or the plan's back-out policy, turns round
        (_R.CUTTING_OVER, _R.ROLLING_BACK),
        # the cutover failed while traffic was down
        (_R.CUTTING_OVER, _R.STUCK),
        # whatever was wrong is mended: on with the cutover
        (_R.STUCK, _R.CUTTING_OVER),
        # or back
        (_R.STUCK, _R.ROLLING_BACK),
        # regretted before finalize
        (_R.CUT_OVER, _R.ROLLING_BACK),
        # finalize
        (_R.CUT_OVER, _R.FINALIZING),
        # a person is needed on the way back
        (_R.ROLLING_BACK, _R.HELD),
        # the operator thinks again while traffic is down
        (_R.ROLLING_BACK, _R.CUTTING_OVER),
        # the same while traffic flows: another attempt, which finds what is left of the last
        (_R.ROLLING_BACK, _R.PREPARING),
        # everything is as it was before
        (_R.ROLLING_BACK, _R.ROLLED_BACK),
        # the way back failed while traffic was down
        (_R.ROLLING_BACK, _R.STUCK),
        # another attempt, with or without what the last one left
        (_R.ROLLED_BACK, _R.PREPARING),
        # asked to go back once more, which finds nothing to do or takes what was kept away
        (_R.ROLLED_BACK, _R.ROLLING_BACK),
        # a person is needed to finalize
        (_R.FINALIZING, _R.HELD),
        # thought better of before anything was deleted
        (_R.FINALIZING, _R.ROLLING_BACK),
        # the old connections are gone
        (_R.FINALIZING, _R.FINALIZED),
        # finalize again, for the gateway that the first one left
        (_R.FINALIZED, _R.FINALIZING),
    }
)

_S = StepStatus

STEP_EDGES: Final = frozenset(
    {
        # its turn has come
        (_S.PENDING, _S.APPLYING),
        # its goal was seen to hold
        (_S.APPLYING, _S.SETTLED),
        # its goal did not hold in time, or a change was refused
        (_S.APPLYING, _S.FAILED),
        # another process tries again
        (_S.FAILED, _S.APPLYING),
        # a resumed run makes sure of it once more, such as of the claim
        (_S.SETTLED, _S.APPLYING),
    }
)

_EDGES: Final = frozenset[tuple[StrEnum, StrEnum]]((*RUN_EDGES, *STEP_EDGES))


def may_follow(before: RunStatus | StepStatus, after: RunStatus | StepStatus) -> bool:
    """Return whether a run or step that stands at *before* can come to *after* next.

    Staying is always allowed: a resumed process repeats what it is about.
    """
    return before is after or (before, after) in _EDGES
