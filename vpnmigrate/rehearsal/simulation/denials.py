"""Denials: refusals that outlast a few calls, of the calls of a cutover and of its clean-up.

They are drawn from a seed.  A run continues if a change of one table is denied; if any other change
is denied, it ends, and the operator acts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from vpnmigrate.engine.retries import PERSISTENT
from vpnmigrate.model.changes import (
    AttachVpnGateway,
    AwsChange,
    Deletion,
    DetachVpnGateway,
    DisablePropagation,
    PlaceClaim,
    RemoveClaim,
    TableChange,
)
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.facts import Goal
from vpnmigrate.rehearsal.simulation.seeded_random import SeededRandom
from vpnmigrate.rehearsal.simulation.topology import OLD

LAST_TRY = timedelta(seconds=45)
"""Time for the calls of a last try of all changes, which are sent one after the other: 30 s while
their intents are fresh (``engine/execute.py``), and the answer to the last one."""

Undivided = AttachVpnGateway | DetachVpnGateway | PlaceClaim | RemoveClaim | Deletion
"""The changes of steps 7 to 10 and of the clean-up that belong to no single table."""


@dataclass(frozen=True)
class Denials:
    """Which changes AWS denies, how, and for how long."""

    seed: int = 0
    tables: float = 0.0
    """Chance of each change of a table, except for the first calls of a cutover."""
    undivided: float = 0.0
    """Chance of each other change of steps 7 to 10 and of the clean-up, first calls included."""
    lasts: timedelta | None = None
    """From the first refusal of a change; None until an operator removes the cause."""
    unknown: bool = False
    """Whether the code is one that no rule knows, and not that of a missing permission."""
    rolls_back: bool = False
    """Whether the operator rolls back a cutover that ends because of it, and does not resume it."""

    @property
    def kind(self) -> str:
        """How, and how long, as text."""
        code = "unknown code" if self.unknown else "denied"
        return f"{code} {'for good' if self.lasts is None else 'for a while'}"

    def __str__(self) -> str:
        lasts = "" if self.lasts is None else f" ({self.lasts})"
        shares = ((self.tables, "changes of tables"), (self.undivided, "other changes"))
        return ", ".join(
            f"{chance:.0%} of the {what}: {self.kind}{lasts}" for chance, what in shares if chance
        )


class Refusals:
    """What AWS refuses in a trial, and has refused: *tables* are those that are migrated."""

    def __init__(self, denials: Denials, tables: frozenset[str], world: Clock) -> None:
        self._denials = denials
        self._tables = tables
        self._world = world
        self._first: dict[Goal, datetime] = {}
        self._last: dict[Goal, datetime] = {}
        self._permitted = False
        self._failures: Counter[Goal] = Counter()
        self._persistent: set[Goal] = set()
        self._failed: dict[Goal, datetime] = {}
        """When AWS last failed to confirm a change that it has not confirmed for long."""

    def count(self, change: AwsChange, *, failed: bool) -> None:
        """Count how often in a row AWS did not confirm *change*."""
        goal = change.goal
        self._failures[goal] = self._failures[goal] + 1 if failed else 0
        if self._failures[goal] >= PERSISTENT:
            self._persistent.add(goal)
            self._failed[goal] = self._world.now()

    def explain(self, change: AwsChange) -> bool:
        """Return whether a run may have continued without *change*."""
        return change.goal in self._first.keys() | self._persistent

    def remove_cause(self) -> timedelta:
        """Permit everything from now on, or return how long the operator waits instead.

        What AWS denies for a while needs no other cause to be removed.
        """
        if self._denials.lasts is not None:
            return self._denials.lasts
        self._permitted = True
        return timedelta(0)

    def denies(self, change: AwsChange) -> bool:
        """Return whether AWS denies *change*, which is sent now."""
        if not self.would_deny(change):
            return False
        self._first.setdefault(change.goal, self._world.now())
        self._last[change.goal] = self._world.now()
        return True

    def has_denied_since(self, began: datetime) -> bool:
        """Return whether AWS has denied any change since *began*."""
        return any(last >= began for last in self._last.values())

    def denied_lately(self, change: AwsChange) -> bool:
        """Return whether AWS denied *change* in the last try of a run that ends now.

        A failure after which that try follows others counts too, even if the denial is over.
        """
        goal, now = change.goal, self._world.now()
        lasts = [last for last in (self._last.get(goal), self._failed.get(goal)) if last]
        return any(now - last <= LAST_TRY for last in lasts)

    def would_deny(self, change: AwsChange) -> bool:
        """Return whether AWS would deny *change* now."""
        chance = self._chance(change)
        if self._permitted or not chance:
            return False
        began, lasts = self._first.get(change.goal), self._denials.lasts
        over = began is not None and lasts is not None and self._world.now() - began >= lasts
        return not over and SeededRandom(f"denied/{self._denials.seed}/{change}").chance(chance)

    def _chance(self, change: AwsChange) -> float:
        if isinstance(change, Undivided) or _begins_cutover(change):
            return self._denials.undivided
        migrated = isinstance(change, TableChange) and change.table in self._tables
        return self._denials.tables if migrated else 0.0


def _begins_cutover(change: AwsChange) -> bool:
    """Return whether *change* is one of those without which no cutover continues."""
    return isinstance(change, DisablePropagation) and change.gateway == OLD


LASTING = (timedelta(seconds=20), timedelta(minutes=5), timedelta(hours=1), None)


def drawn_denials(seed: int) -> Denials:
    """Return the denials of the trial of *seed*; most trials have none."""
    random = SeededRandom(f"denials/{seed}")
    tables, lasts = 0.0, None
    if random.chance(0.25):
        lasts = random.one(LASTING)
        tables = random.one((0.2, 0.6))
    more = SeededRandom(f"undivided denials/{seed}")
    undivided = more.one((0.1, 0.3)) if more.chance(0.2) else 0.0
    if not tables:
        lasts = more.one(LASTING)
    return Denials(
        seed,
        tables,
        undivided,
        lasts if tables or undivided else None,
        unknown=more.chance(0.3),
        rolls_back=more.chance(0.4),
    )
