"""The run's only memory: append-only, durable, hash-chained."""

from vpnmigrate.journal.chain import Contents, read_chain
from vpnmigrate.journal.disk import Disk, SystemDisk
from vpnmigrate.journal.file import FileJournal, read_journal
from vpnmigrate.journal.memory import MemoryJournal

__all__ = [
    "Contents",
    "Disk",
    "FileJournal",
    "MemoryJournal",
    "SystemDisk",
    "read_chain",
    "read_journal",
]
