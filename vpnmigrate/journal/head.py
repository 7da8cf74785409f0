"""How far the journal was acknowledged, in a file of one line beside it.

The chain proves each line by the next one, so it cannot prove its own end: a journal without its
last lines, restored from an old copy for instance, looks whole, and whoever went on from it would
do again what those lines tell.  The mark is written after the lines are durable and is not synced
itself: a power cut may leave an older one, which proves less and contradicts nothing.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from vpnmigrate.errors import JournalError
from vpnmigrate.journal.chain import Mark
from vpnmigrate.journal.disk import Disk
from vpnmigrate.private_files import write_whole

_LINE = re.compile(rb"(\d{12}) ([0-9a-f]{64})\n")


def read_mark(path: Path) -> Mark | None:
    """Read the mark; None where there is none, as beside journals of earlier versions.

    Raises:
        JournalError: It says nothing that can be understood.
        OSError: It cannot be read.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    found = _LINE.fullmatch(text)
    if found is None:
        raise JournalError(
            f"{path} is damaged, so nobody can tell whether the journal has lost its end",
            advice="if you know that it has not, remove that file and run the same command again",
        )
    return Mark(int(found[1]), found[2].decode())


class Marker:
    """Keeps the mark of the process that writes the journal.

    The file is a new one for each process, so whoever was displaced marks a file without a name.
    """

    def __init__(self, path: Path, mark: Mark, disk: Disk) -> None:
        self._disk = disk
        write_whole(path, _text(mark))
        self._handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)

    def put(self, mark: Mark) -> None:
        """Say that the journal is durable as far as *mark*."""
        self._disk.overwrite(self._handle, _text(mark))

    def close(self) -> None:
        """Give the file back."""
        os.close(self._handle)


def _text(mark: Mark) -> bytes:
    return f"{mark.lines:012} {mark.hash}\n".encode()
