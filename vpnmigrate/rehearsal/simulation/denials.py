"""Denials: definite refusals of changes of single route tables, drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from vpnmigrate.model.changes import (
    AwsChange,
    DisablePropagation,
    TableChange,
)
from vpnmigrate.model.clock import Clock
from vpnmigrate.rehearsal.simulation.topology import OLD, SeededRandom

LAST_TRY = timedelta(seconds=10)
"""Time for the calls of a last try of all changes, which are sent one after the other."""


@dataclass(frozen=True)
class Denials:
    """Which changes of tables AWS denies, and for how long."""

    seed: int = 0
    chance: float = 0.0
    """Of each change."""
    lasts: timedelta | None = None
    """From the first refusal of a change; None until an operator removes the cause."""

    def __str__(self) -> str:
        lasts = "until permitted" if self.lasts is None else f"for {self.lasts}"
        return f"{self.chance:.0%} of the changes of tables denied {lasts}" if self.chance else ""


class TablePermissions:
    """The permissions of a trial: *tables* are those that are migrated."""

    def __init__(self, denials: Denials, tables: frozenset[str], world: Clock) -> None:
        self._denials = denials
        self._tables = tables
        self._world = world
        self._first: dict[str, datetime] = {}
        self._last: dict[str, datetime] = {}
        self._permitted = False

    def permit(self) -> None:
        """Permit everything from now on: the operator has removed the cause."""
        self._permitted = True

    def denies(self, change: AwsChange) -> bool:
        """Return whether AWS denies *change*, which is sent now."""
        if not self.would_deny(change):
            return False
        self._first.setdefault(str(change), self._world.now())
        self._last[str(change)] = self._world.now()
        return True

    def denied_lately(self, change: AwsChange) -> bool:
        """Return whether AWS denied *change* in the last try of a run that ends now."""
        last = self._last.get(str(change))
        return last is not None and self._world.now() - last <= LAST_TRY

    def would_deny(self, change: AwsChange) -> bool:
        """Return whether AWS would deny *change* now."""
        if self._permitted or not self._denials.chance or not isinstance(change, TableChange):
            return False
        # A cutover whose first calls are refused ends before anything is interrupted.
        first = isinstance(change, DisablePropagation) and change.gateway == OLD
        if first or change.table not in self._tables:
            return False
        drawn = SeededRandom(f"denied/{self._denials.seed}/{change}")
        began = self._first.get(str(change))
        lasts = self._denials.lasts
        over = began is not None and lasts is not None and self._world.now() - began >= lasts
        return drawn.chance(self._denials.chance) and not over


def drawn_denials(seed: int) -> Denials:
    """Return the denials of the trial of *seed*; most trials have none."""
    random = SeededRandom(f"denials/{seed}")
    if not random.chance(0.25):
        return Denials()
    lasts = random.one((timedelta(seconds=20), timedelta(minutes=5), timedelta(hours=1), None))
    return Denials(seed, random.one((0.2, 0.6)), lasts)
