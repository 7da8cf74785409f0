"""Step interface: a pure object that verifies its goal and lists missing changes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import ClassVar

from msgspec import Struct

from vpnmigrate.commands import Advice
from vpnmigrate.model.changes import Change
from vpnmigrate.model.facts import UNKNOWN, Fact, Value
from vpnmigrate.model.plan import Phase, Plan
from vpnmigrate.model.snapshot import GatewaySwap, JournalFacts, Snapshot

MissingChanges = Iterator[Change]


class StepInput(Struct, frozen=True):
    """What a step may know: the plan, the swap that holds now, AWS, and the journal."""

    plan: Plan
    swap: GatewaySwap
    now: Snapshot
    journal_facts: JournalFacts


class Met(Struct, frozen=True):
    """The goal holds."""


class NotYet(Struct, frozen=True):
    """The goal does not hold, for a reason an operator understands."""

    why: str


class Lost(Struct, frozen=True):
    """The goal holds but for things that somebody took away; each is named."""

    what: tuple[str, ...]


class Blocked(Struct, frozen=True):
    """Neither waiting nor this program reaches the goal; *advice* says what a person can do."""

    why: str
    advice: Advice


class Claimed(Struct, frozen=True):
    """Another holder's claim is on the gateway: the run stops, and a person may take it over."""

    holder: str


Verdict = Met | NotYet | Lost | Blocked | Claimed


class Step(ABC):
    """One of AWS's steps, or the removal of what one made.

    ``missing_changes`` yields the changes that are still missing and independent of each other, and
    none that a fact of UNKNOWN value could make wrong.  ``verify`` returns Met on no such fact.
    """

    number: ClassVar[int]
    title: ClassVar[str]
    phase: ClassVar[Phase]
    limit: ClassVar[timedelta]
    """From the first look of this process; the time a person takes outside the outage excepted."""

    def limit_for(self, plan: Plan) -> timedelta:
        """Return the limit that holds for *plan*; a playbook may set some."""
        del plan
        return self.limit

    @property
    def cleaning(self) -> bool:
        """Whether this removes what the step of the same number made."""
        return self.phase is Phase.CLEAN_UP

    def external_changes_overwritten(self, view: StepInput) -> Iterable[str]:
        """Name what others did and this step has to undo, so that it is not undone silently."""
        del view
        return ()

    @abstractmethod
    def missing_changes(self, view: StepInput) -> MissingChanges:
        """Yield what is missing."""

    @abstractmethod
    def verify(self, view: StepInput) -> Verdict:
        """Return whether the goal holds."""


class DesiredFact(Struct, frozen=True):
    """One piece of a goal: the value a fact must have, and the change that brings it there."""

    name: str
    """What an operator calls it: ``propagation from vgw-1 in rtb-2``."""
    fact: Fact
    value: Value
    change: Change | None
    """None while nothing may be done about it yet."""
    gone: str = ""
    """Why it can no longer be had: what it hangs on was taken away."""

    def missing(self, now: Snapshot) -> bool:
        """Return whether *change* is due: the fact is believed, is not as wanted, and is ours."""
        seen = now.value(self.fact)
        return not self.gone and seen not in (self.value, UNKNOWN) and self.fact not in now.foreign


def is_external_change(fact: Fact, now: Snapshot, journal_facts: JournalFacts) -> bool:
    """Return whether somebody else brought *fact* to the value it has, and not this run."""
    return fact in now.foreign or (
        journal_facts.touched is not None and fact not in journal_facts.touched
    )


def missing(wants: Iterable[DesiredFact], now: Snapshot) -> MissingChanges:
    """Yield the changes that the unmet *wants* call for."""
    for want in wants:
        if want.change is not None and want.missing(now):
            yield want.change


def judge(wants: Iterable[DesiredFact], now: Snapshot) -> Verdict:
    """Return whether all *wants* are met, which are lost, and what the first unmet one waits for."""
    lost: list[str] = []
    waiting: list[str] = []
    for want in wants:
        seen = now.value(want.fact)
        if want.gone:
            lost.append(f"{want.name}: {want.gone}")
        elif seen == want.value:
            continue
        elif want.fact in now.foreign:
            lost.append(f"{want.name}: somebody set it to {seen}")
        elif seen is UNKNOWN:
            waiting.append(f"{want.name} cannot be believed yet")
        else:
            waiting.append(f"{want.name} is {seen}")
    if waiting:
        more = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
        return NotYet(waiting[0] + more)
    return Lost(tuple(lost)) if lost else Met()
