"""Chain writer: the end of a journal to which its one process appends."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vpnmigrate.journal.chain import ChainedLines, JournalContents, chained, redacted
from vpnmigrate.journal.growing import GrowingList
from vpnmigrate.journal.records import Entry, Record
from vpnmigrate.journal.run_clock import run_clock, stamped
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.errors import JournalError
from vpnmigrate.model.redaction import Redaction


class ChainWriter:
    """The entries of a journal, its head in the hash chain, and the run's clock.

    After a failed write nothing more is written, because what is stored is then unknown.
    *redaction* removes keys from records.
    """

    def __init__(self, clock: Clock, contents: JournalContents, redaction: Redaction) -> None:
        self.clock = run_clock(clock, contents.entries)
        """The clock of the run, which continues from its last entry."""
        self.head = contents.head
        self._entries = GrowingList(contents.entries)
        self._redaction = redaction
        self._broken: JournalError | None = None

    @property
    def entries(self) -> Sequence[Entry]:
        """Everything written so far, by this process and those before it."""
        return self._entries

    def write(self, records: Sequence[Record], append: Callable[[ChainedLines], None]) -> None:
        """Write *records* with *append*, which returns once they are durable.

        Raises:
            JournalError: The write failed now or before, and the records may be stored.
        """
        if self._broken is not None:
            raise self._broken
        hidden = (redacted(record, self._redaction) for record in records)
        lines = chained(stamped(self.clock, len(self._entries) + 1, hidden), self.head)
        try:
            append(lines)
        except JournalError as error:
            self._broken = error
            raise
        self._entries = self._entries.plus(lines.entries)
        self.head = lines.head
