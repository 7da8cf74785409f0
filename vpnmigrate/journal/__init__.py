"""The run's only memory: append-only, durable, hash-chained."""

from vpnmigrate.journal.chain import Contents, Mark, read_chain
from vpnmigrate.journal.disk import Disk, SystemDisk
from vpnmigrate.journal.file import FileJournal, read_journal
from vpnmigrate.journal.head import read_mark
from vpnmigrate.journal.memory import MemoryJournal

__all__ = [
    "Contents",
    "Disk",
    "FileJournal",
    "Mark",
    "MemoryJournal",
    "SystemDisk",
    "read_chain",
    "read_journal",
    "read_mark",
]
