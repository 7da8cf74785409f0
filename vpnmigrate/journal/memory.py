"""In-memory journal, for rehearsals and tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vpnmigrate.journal.growing import GrowingList
from vpnmigrate.journal.records import Entry, Record
from vpnmigrate.journal.run_clock import stamped
from vpnmigrate.model.clock import Clock


class MemoryJournal:
    """A journal in memory; *entries* are those of earlier processes."""

    def __init__(self, clock: Clock, entries: Iterable[Entry] = ()) -> None:
        self._clock = clock
        self._entries = GrowingList(entries)

    @property
    def entries(self) -> Sequence[Entry]:
        """Everything written so far."""
        return self._entries

    def write(self, *records: Record) -> None:
        """Append *records*."""
        fresh = stamped(self._clock, len(self._entries) + 1, records)
        self._entries = self._entries.plus(fresh)

    def require_ours(self) -> None:
        """Return without a check: no other process can write to this journal."""

    def fold_inbox(self) -> None:
        """Return without a change: no other terminal can send messages to this journal."""
