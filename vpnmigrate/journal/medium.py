"""The journal's files as the process that writes them holds them open."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import Self

from vpnmigrate.journal.chain import Contents, Mark
from vpnmigrate.journal.disk import Disk
from vpnmigrate.journal.head import Marker
from vpnmigrate.private_files import open_to_append, sync_folder, write_whole
from vpnmigrate.rundir import Run


class Medium:
    """Appends to the journal and marks how far it is durable; every failure is an OSError."""

    def __init__(self, handle: int, marker: Marker, disk: Disk) -> None:
        self._handle = handle
        self._marker = marker
        self._disk = disk

    @classmethod
    def open(cls, run: Run, contents: Contents, disk: Disk, *, afresh: bool) -> Self:
        """Open what *contents* was read from; *afresh* keeps that and nothing else, in a new file.

        Raises:
            OSError: The disk refuses, or a link is in the way.
        """
        if afresh:
            sound = run.journal.read_bytes()[: contents.sound] if contents.sound else b""
            write_whole(run.journal, sound)
        handle = open_to_append(run.journal)
        try:
            sync_folder(run.path)
            marker = Marker(run.head, Mark(len(contents.entries), contents.head), disk)
        except OSError:
            os.close(handle)
            raise
        return cls(handle, marker, disk)

    def append(self, text: bytes) -> None:
        """Append *text* and return once it is durable."""
        written = self._disk.append(self._handle, text)
        if written != len(text):
            short = f"the disk took {written} of {len(text)} bytes; is it full?"
            raise OSError(errno.ENOSPC, short)
        self._disk.sync(self._handle)

    def mark(self, mark: Mark) -> None:
        """Say that what was appended is acknowledged as far as *mark*."""
        self._marker.put(mark)

    def is_still_at(self, run: Run) -> bool:
        """Tell whether *run*'s journal is the file that is held here."""
        return os.path.samestat(os.fstat(self._handle), run.journal.stat())

    def close(self) -> None:
        """Give the files back: what was written is durable, and nothing more can be."""
        with suppress(OSError):
            self._marker.close()
        with suppress(OSError):
            os.close(self._handle)
