"""Step interface: a pure object that verifies its goal and lists missing changes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import ClassVar, Final

from msgspec import Struct

from vpnmigrate.model.changes import AwsChange, Change
from vpnmigrate.model.errors.commands import Advice
from vpnmigrate.model.facts import UNKNOWN, Fact, Goal, Value
from vpnmigrate.model.plan import Phase, Plan
from vpnmigrate.model.snapshot import Baseline, GatewaySwap, JournalFacts, ReadingPart, Snapshot

MissingChanges = Iterator[Change]


class StepInput(Struct, frozen=True, dict=True):
    """Everything a step may use: the plan, the current swap, AWS, and the journal."""

    plan: Plan
    swap: GatewaySwap
    now: Snapshot
    journal_facts: JournalFacts

    @property
    def baseline(self) -> Baseline:
        """The baseline of this attempt; that of the survey if the journal has none."""
        return self.journal_facts.baseline or self.plan.recorded_baseline


class Met(Struct, frozen=True):
    """The goal holds."""


class NotYet(Struct, frozen=True):
    """The goal does not hold; *why* is the reason for the operator."""

    why: str


class Lost(Struct, frozen=True):
    """The goal holds except for parts removed outside this run; each is named."""

    what: tuple[str, ...]
    left: tuple[AwsChange, ...] = ()
    """Deletions that a clean-up does not make, because the resource may not be this run's."""


class Residual(Struct, frozen=True):
    """The goal holds except for changes left out, and for parts removed outside this run."""

    lost: tuple[str, ...] = ()
    left: tuple[AwsChange, ...] = ()
    """Deletions that a clean-up does not make, because the resource may not be this run's."""


class Blocked(Struct, frozen=True):
    """The goal cannot be reached without an operator; *advice* says what to do."""

    why: str
    advice: Advice
    interrupted: bool = False
    """Whether AWS shows that traffic is down.  The journal of its outage may be lost."""


class Claimed(Struct, frozen=True):
    """The gateway has another holder's claim: the run stops; an operator may take it over."""

    holder: str


Verdict = Met | NotYet | Lost | Residual | Blocked | Claimed


class Step(ABC):
    """One of AWS's steps, or the removal of the resources that a step created.

    ``missing_changes`` yields changes that are independent of each other and correct whatever the
    value of a fact that is UNKNOWN.  ``verify`` returns Met only if no fact it needs is UNKNOWN.
    """

    number: ClassVar[int]
    title: ClassVar[str]
    phase: ClassVar[Phase]
    precondition: ClassVar[str]
    """What has to hold before the step, for the plan."""
    postcondition: ClassVar[str]
    """What ``verify`` requires, in one clause for the plan."""
    limit: ClassVar[timedelta]
    """From this process's first observation, without time a person takes outside the outage."""

    def limit_for(self, plan: Plan) -> timedelta:
        """Return the limit for *plan*; a playbook may set some limits."""
        del plan
        return self.limit

    def expected_for(self, plan: Plan) -> timedelta | None:
        """Return the expected duration for *plan*; None if no source gives one."""
        del plan
        return None

    @property
    def cleaning(self) -> bool:
        """Whether this step removes what the forward step of the same number created."""
        return self.phase is Phase.CLEAN_UP

    @property
    def removes(self) -> bool:
        """Whether this step only removes what is no longer needed: traffic flows without it."""
        return self.phase in (Phase.CLEAN_UP, Phase.FINALIZE)

    def external_changes_overwritten(self, view: StepInput) -> Iterable[str]:
        """List external changes that this step will overwrite, so that they are reported."""
        del view
        return ()

    def optional_parts(self, view: StepInput) -> Iterable[DesiredFact]:
        """Yield the missing parts of the goal without which the run can continue."""
        del view
        return ()

    def awaits(self, view: StepInput) -> ReadingPart | None:
        """Return the one part of a reading that the step waits for; None if it is unknown."""
        del view
        return None

    @abstractmethod
    def missing_changes(self, view: StepInput) -> MissingChanges:
        """Yield the changes that are still missing."""

    @abstractmethod
    def verify(self, view: StepInput) -> Verdict:
        """Return whether the goal holds."""


class DesiredFact(Struct, frozen=True):
    """One part of a goal: the value that a fact must have, and the change that sets it."""

    name: str
    """Name for the operator: ``propagation from vgw-1 in rtb-2``."""
    fact: Fact
    value: Value
    change: Change | None
    """None if no change is known that sets it."""
    unreachable_why: str = ""
    """Why the value can no longer be reached: something it depends on was removed."""
    restores: bool = False
    """Whether *change* undoes an external change instead of leaving it."""
    needs: Goal | None = None
    """The goal that must be reached before *change* can be made."""
    holds_unproven: bool = False
    """Whether the value holds without a visible effect, and no traffic needs it.

    If *change* is left out then, the operator has nothing to do.
    """

    @property
    def goal(self) -> Goal:
        """The fact with the value that it must have."""
        return Goal(self.fact, self.value)

    def is_left_out(self, left_out: frozenset[Goal]) -> bool:
        """Return whether this goal, or the one that it needs, is one of *left_out*."""
        return self.goal in left_out or (self.needs is not None and self.needs in left_out)

    def is_unmet(self, now: Snapshot) -> bool:
        """Return whether the value can be reached, and is not known to hold."""
        return (
            not self.unreachable_why
            and not self.is_left(now)
            and now.value(self.fact) != self.value
        )

    def is_left(self, now: Snapshot) -> bool:
        """Return whether the value is an external change that the run leaves as it is."""
        return self.fact in now.externally_changed and not self.restores

    def missing(self, now: Snapshot) -> bool:
        """Return whether *change* is due: the fact is known, differs, and is this run's."""
        seen = now.value(self.fact)
        if self.unreachable_why or seen == self.value or seen is UNKNOWN or self.is_left(now):
            return False
        return self.needs is None or now.value(self.needs.fact) == self.needs.value


def is_external_change(fact: Fact, now: Snapshot, journal_facts: JournalFacts) -> bool:
    """Return whether the value of *fact* was set outside this run."""
    return fact in now.externally_changed or (
        journal_facts.touched is not None and fact not in journal_facts.touched
    )


def missing(wants: Iterable[DesiredFact], now: Snapshot) -> MissingChanges:
    """Yield the changes for those *wants* that do not hold."""
    for want in wants:
        if want.change is not None and want.missing(now):
            yield want.change


_MAY_BE_STALE: Final = "unknown: the last reading may be stale"


def judge(
    wants: Iterable[DesiredFact], now: Snapshot, left_out: frozenset[Goal] = frozenset()
) -> Met | NotYet | Lost | Residual:
    """Return whether *wants* hold; those *left_out* are not waited for.

    Lost has the lost ones, and NotYet the first one that does not hold.
    """
    lost: list[str] = []
    waiting, first = 0, ""
    residual = False
    for want in wants:
        seen = now.value(want.fact)
        if want.unreachable_why:
            lost.append(f"{want.name}: {want.unreachable_why}")
        elif seen == want.value:
            continue
        elif want.is_left(now):
            lost.append(f"{want.name}: set outside this run to {seen}")
        elif left_out and want.is_left_out(left_out):
            residual = True
        else:
            stale = seen is UNKNOWN
            first = first or f"{want.name} is {_MAY_BE_STALE if stale else seen}"
            waiting += 1
    if waiting:
        return NotYet(first + (f" (and {waiting - 1} more)" if waiting > 1 else ""))
    if residual:
        return Residual(tuple(lost))
    return Lost(tuple(lost)) if lost else Met()
