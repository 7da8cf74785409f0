"""Simulated disk: a journal in memory whose writes can be torn."""

from __future__ import annotations

from collections.abc import Sequence

from vpnmigrate.journal import replay
from vpnmigrate.journal.chain import chained, read_chain
from vpnmigrate.journal.orders import answer
from vpnmigrate.journal.records import Entry, Record
from vpnmigrate.journal.run_clock import run_clock, stamped
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.ec2 import MigrationId
from vpnmigrate.rehearsal.simulation.schedule import FaultInjector
from vpnmigrate.sandbox.faults import Killed


class MemoryDisk:
    """The contents of the disk, which outlive the processes."""

    def __init__(self) -> None:
        self.text = bytearray()


class MemoryDiskJournal:
    """The journal of one process (``ports.Journal``); *injector* may kill it while it writes.

    An incomplete last line is dropped when the journal is opened; ``FileJournal`` moves it aside.
    """

    def __init__(
        self, memory_disk: MemoryDisk, migration: MigrationId, clock: Clock, injector: FaultInjector
    ) -> None:
        contents = read_chain(bytes(memory_disk.text), migration)
        del memory_disk.text[contents.sound :]
        self._disk = memory_disk
        self.clock = run_clock(clock, contents.entries)
        self._injector = injector
        self._entries = list(contents.entries)
        self._head = contents.head

    @property
    def entries(self) -> Sequence[Entry]:
        """Everything written so far."""
        return self._entries

    def write(self, *records: Record) -> None:
        """Append *records*.

        Raises:
            Killed: The process was killed during the write; half of the text is on the disk.
        """
        entries = stamped(self.clock, len(self._entries) + 1, records)
        lines = chained(entries, self._head)
        text = lines.text
        if self._injector.answers(records) or self._injector.intends(records):
            self._disk.text += text[: len(text) // 2]
            raise Killed("in the middle of a line")
        self._disk.text += text
        self._entries += lines.entries
        self._head = lines.head

    def require_ours(self) -> None:
        """Return immediately: no other process takes over the run."""

    def fold_inbox(self) -> None:
        """Write the orders of the other terminal into the journal."""
        for verb in self._injector.due_orders():
            self.write(answer(verb, replay(self._entries), "bob", "elsewhere", ""))
