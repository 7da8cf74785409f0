"""What a step is: a pure object that says what is missing and whether its goal holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from vpnmigrate.changes import Change
from vpnmigrate.plan import Phase, Plan
from vpnmigrate.snapshot import Snapshot, Told, Way

Changes = Iterator[Change]


@dataclass(frozen=True)
class Met:
    """The goal holds."""


@dataclass(frozen=True)
class NotYet:
    """The goal does not hold, for a reason an operator understands."""

    why: str


@dataclass(frozen=True)
class Lost:
    """The goal holds but for things that somebody took away; each is named."""

    what: tuple[str, ...]


Verdict = Met | NotYet | Lost


class Step(Protocol):
    """One of AWS's steps, or the removal of what one made.

    ``apply`` yields the changes that are still missing and independent of each other; it must
    yield nothing that a fact of UNKNOWN value could make wrong.  ``verify`` never says Met on one.
    """

    number: int
    title: str
    phase: Phase
    limit: timedelta
    """For the step as a whole, from its first look in this process, people excepted."""
    cleaning: bool
    """Whether this removes what the step of the same number made."""

    def steady(self, plan: Plan) -> timedelta:
        """Give how long Met must hold before the step is settled."""
        ...

    def apply(self, plan: Plan, way: Way, now: Snapshot, told: Told) -> Changes:
        """Yield what is missing."""
        ...

    def verify(self, plan: Plan, way: Way, now: Snapshot, told: Told) -> Verdict:
        """Say whether the goal holds."""
        ...
