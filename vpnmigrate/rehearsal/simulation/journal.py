"""Simulated disk: a journal in memory whose writes can be torn."""

from __future__ import annotations

from collections.abc import Sequence

from vpnmigrate.journal import replay
from vpnmigrate.journal.chain import lines_of, read_chain
from vpnmigrate.journal.orders import answer
from vpnmigrate.journal.records import Entry, Record
from vpnmigrate.journal.run_clock import run_clock, stamped
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.ec2 import MigrationId
from vpnmigrate.rehearsal.simulation.schedule import FaultInjector
from vpnmigrate.sandbox.faults import Killed


class MemoryDisk:
    """What is on the disk: it outlives the processes."""

    def __init__(self) -> None:
        self.text = bytearray()


class MemoryDiskJournal:
    """The journal of one process (``ports.Journal``); *fate* may end the process while it writes.

    A last line that was never finished is dropped when the journal is opened, as ``FileJournal``
    puts it aside.
    """

    def __init__(
        self, memory_disk: MemoryDisk, migration: MigrationId, clock: Clock, injector: FaultInjector
    ) -> None:
        contents = read_chain(bytes(memory_disk.text), migration)
        del memory_disk.text[contents.sound :]
        self._paper = memory_disk
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
            Killed: The process died in the middle; half of the text is on the disk.
        """
        entries = stamped(self.clock, len(self._entries) + 1, records)
        text, head = lines_of(entries, self._head)
        if self._injector.answers(records) or self._injector.intends(records):
            self._paper.text += text[: len(text) // 2]
            raise Killed("in the middle of a line")
        self._paper.text += text
        self._entries += entries
        self._head = head

    def require_ours(self) -> None:
        """Do nothing: nobody else takes the run over."""

    def fold_inbox(self) -> None:
        """Take in what the other terminal says."""
        for verb in self._injector.says():
            self.write(answer(verb, replay(self._entries), "bob", "elsewhere", ""))
