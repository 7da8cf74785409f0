"""The calls that durability hangs on, as a seam: a test can let them fail or die."""

from __future__ import annotations

import os
from typing import Protocol


class Disk(Protocol):
    """Where journal lines go."""

    def append(self, handle: int, text: bytes) -> int:
        """Write *text* at the end in one call; give how much of it was written."""
        ...

    def sync(self, handle: int) -> None:
        """Return once everything written is on the medium."""
        ...

    def overwrite(self, handle: int, text: bytes) -> None:
        """Put *text* at the beginning of a file that has as much already."""
        ...


class SystemDisk:
    """The machine's own disk."""

    def append(self, handle: int, text: bytes) -> int:
        """Write with one ``write``; the file was opened to append."""
        return os.write(handle, text)

    def sync(self, handle: int) -> None:
        """``fsync``."""
        os.fsync(handle)

    def overwrite(self, handle: int, text: bytes) -> None:
        """``pwrite``; of what is written in place the medium needs no more room."""
        os.pwrite(handle, text, 0)
