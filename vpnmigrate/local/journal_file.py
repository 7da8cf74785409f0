"""Journal file: durable appends, acknowledged head and exclusive access.

It guarantees two things.  Records that ``write`` has returned from survive a power cut.  And once
another process has taken the run over, ``write`` and ``require_ours`` fail, so nothing more is sent
to AWS except a call that was already past this check.

In the hash chain each line is proved by the next one, so the chain cannot prove its own end.  A
journal without its last lines, for example one restored from an old copy, looks complete, and a run
resumed from it would repeat the changes in those lines.  The mark in the head file records how many
lines were written.  It is written after the lines are durable and is not synced itself: a power cut
may leave an older mark, which proves less and contradicts nothing.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Protocol, Self

from vpnmigrate.journal.chain import ChainedLines, JournalContents, JournalHead, read_chain
from vpnmigrate.journal.chain_writer import ChainWriter
from vpnmigrate.journal.records import Entry, Record
from vpnmigrate.local.inbox import Inbox, InboxReader
from vpnmigrate.local.lock import RunLock
from vpnmigrate.local.private_files import open_to_append, sync_folder, write_whole
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.errors import (
    JournalDamagedError,
    JournalError,
    TakenOverError,
    VpnMigrateError,
)
from vpnmigrate.model.errors.commands import Advice, cli, option
from vpnmigrate.model.redaction import Redaction

_RESUME = "check free space and permissions, then run the same command again: it resumes"


def read_journal(run: Run) -> JournalContents:
    """Read *run*'s journal without a lock; another process may be writing it.

    Raises:
        JournalDamagedError: A line differs from the one that was written.
        JournalError: It cannot be read.
        RefusedError: It is in the database of a fleet.
    """
    run.require_journal()
    with _translate_os_errors(run.journal):
        # The mark is read first: a process that writes in between extends the journal beyond it.
        mark = read_mark(run.head)
        try:
            text = run.journal.read_bytes()
        except FileNotFoundError:
            text = b""
    try:
        return read_chain(text, run.id, str(run.journal), mark)
    except JournalDamagedError as error:
        raise JournalDamagedError(error.message, line=error.line, advice=_without(run)) from None


class Disk(Protocol):
    """Storage of journal lines."""

    def append(self, handle: int, text: bytes) -> int:
        """Write *text* at the end in one call; return the number of bytes written."""
        ...

    def sync(self, handle: int) -> None:
        """Wait until everything written is durable."""
        ...

    def overwrite(self, handle: int, text: bytes) -> None:
        """Write *text* at the beginning of a file that is at least as long."""
        ...


class HeadFile:
    """Mark of the process that writes the journal.

    Each process creates a new file, so a displaced process writes to a file that has no name.
    """

    def __init__(self, path: Path, mark: JournalHead, disk: Disk) -> None:
        self._disk = disk
        write_whole(path, _text(mark))
        self._handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)

    def put(self, mark: JournalHead) -> None:
        """Write that the journal is durable up to *mark*."""
        self._disk.overwrite(self._handle, _text(mark))

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)


class Medium:
    """Open journal and head file; every failure is an OSError."""

    def __init__(self, handle: int, marker: HeadFile, disk: Disk) -> None:
        self._handle = handle
        self._marker = marker
        self._disk = disk

    @classmethod
    def open(cls, run: Run, contents: JournalContents, disk: Disk, *, afresh: bool) -> Self:
        """Open the journal that *contents* was read from; *afresh* copies its valid part to a file.

        Raises:
            OSError: The disk fails, or the path is a link.
        """
        if afresh:
            sound = run.journal.read_bytes()[: contents.sound] if contents.sound else b""
            write_whole(run.journal, sound)
        handle = open_to_append(run.journal)
        try:
            sync_folder(run.path)
            marker = HeadFile(run.head, JournalHead(len(contents.entries), contents.head), disk)
        except OSError:
            os.close(handle)
            raise
        return cls(handle, marker, disk)

    def append(self, text: bytes) -> None:
        """Append *text* and wait until it is durable."""
        written = self._disk.append(self._handle, text)
        if written != len(text):
            short = f"disk full? Only {written} of {len(text)} bytes were written"
            raise OSError(errno.ENOSPC, short)
        self._disk.sync(self._handle)

    def mark(self, mark: JournalHead) -> None:
        """Write that the journal is acknowledged up to *mark*."""
        self._marker.put(mark)

    def is_still_at(self, run: Run) -> bool:
        """Return whether *run*'s journal is still the open file."""
        return os.path.samestat(os.fstat(self._handle), run.journal.stat())

    def close(self) -> None:
        """Close the files; everything written is durable."""
        with suppress(OSError):
            self._marker.close()
        with suppress(OSError):
            os.close(self._handle)


class FileJournal:
    """The journal of one run, written by the process that holds its lock.

    After a failed write it writes nothing more, because the content of the disk is then unknown.
    """

    def __init__(
        self,
        run: Run,
        clock: Clock,
        lock: RunLock,
        medium: Medium,
        contents: JournalContents,
        redaction: Redaction,
    ) -> None:
        self._run = run
        self._chain = ChainWriter(clock, contents, redaction)
        self.clock = self._chain.clock
        """The clock of the run, which continues from its last entry."""
        self._lock = lock
        self._medium = medium
        self._inbox_reader = InboxReader(Inbox(run), self)
        self.notice = ""
        """Message to show if the journal was repaired when it was opened; otherwise empty."""
        self.lost = False
        """Whether an earlier journal existed of which nothing is left."""

    @classmethod
    def open(
        cls,
        run: Run,
        clock: Clock,
        lock: RunLock,
        disk: Disk | None = None,
        redaction: Redaction | None = None,
    ) -> Self:
        """Open or create *run*'s journal for writing; *redaction* removes keys from records.

        An incomplete last line is set aside: no change is sent before its line is complete.

        Raises:
            JournalDamagedError: A line differs from the one that was written.
            JournalError: It cannot be read or written.
        """
        contents = read_journal(run)
        with _translate_os_errors(run.journal):
            lost = not contents.entries and read_mark(run.head) is None
            aside = _put_aside(run, contents.torn) if contents.torn else None
            # A displaced process may be suspended between its last check and its write.  With a
            # new file, what it writes later goes to a file that has no name.
            afresh = bool(contents.torn) or lock.displaced is not None
            medium = Medium.open(run, contents, disk or SystemDisk(), afresh=afresh)
        journal = cls(run, clock, lock, medium, contents, redaction or Redaction())
        journal.lost = lost
        if aside is not None:
            journal.notice = f"the last line of {run.journal} was incomplete; it is kept in {aside}"
        return journal

    @property
    def entries(self) -> Sequence[Entry]:
        """Everything written so far, by this process and those before it."""
        return self._chain.entries

    def write(self, *records: Record) -> None:
        """Append *records* and make them durable in one sync.

        Raises:
            JournalError: The write failed and the records may be on the disk, or the run was taken
                over.
        """
        self._chain.write(records, self._append)

    def _append(self, lines: ChainedLines) -> None:
        self.require_ours()
        with _translate_os_errors(self._run.journal):
            self._medium.append(lines.text)
        # Checked again: a process that took over in between may not have read these lines.
        self.require_ours()
        with _translate_os_errors(self._run.head):
            self._medium.mark(JournalHead(len(self.entries) + len(lines.entries), lines.head))

    def require_ours(self) -> None:
        """Check that no other process has taken the run over.

        Raises:
            TakenOverError: Another process has; from then on every check before a call fails.
            JournalError: The disk cannot be read.
        """
        with _translate_os_errors(self._run.journal):
            self._lock.require_ours(self.clock.wall())
            if not self._medium.is_still_at(self._run):
                raise TakenOverError(
                    f"{self._run.journal} was moved or replaced; this process stops here",
                    advice=cli("status", self._run.id),
                )

    def fold_inbox(self) -> None:
        """Journal the messages of other terminals, accepted or declined, and remove them.

        Raises:
            JournalError: The journal could not be written.
        """
        self._inbox_reader.fold()

    def close(self) -> None:
        """Close the files; the caller releases the lock."""
        self._medium.close()


def _put_aside(run: Run, torn: bytes) -> Path:
    taken = {path.name for path in run.path.glob("journal.torn-*")}
    number = next(n for n in count(1) if f"journal.torn-{n}" not in taken)
    aside = run.path / f"journal.torn-{number}"
    write_whole(aside, torn)
    return aside


def _without(run: Run) -> Advice:
    """Return the advice for a journal that is damaged or lost."""
    try:
        holder = run.holder
    except VpnMigrateError:
        holder = "HOLDER"
    files = f"{run.journal.name} and {run.head.name}"
    on = cli("apply", str(run.plan), "--run-dir", "NEW", *option("--take-over", holder))
    restore = f"restore {files} from a backup made since"
    return (
        f"{restore}; without one, start again from the plan and AWS's tags:",
        on,
        "or the same with rollback",
    )


@contextmanager
def _translate_os_errors(path: Path) -> Iterator[None]:
    """Raise an OSError as a JournalError with advice."""
    try:
        yield
    except OSError as exc:
        raise JournalError(f"the journal {path}: {exc.strerror}", advice=_RESUME) from exc


_LINE = re.compile(rb"(\d{12}) ([0-9a-f]{64})\n")


def read_mark(path: Path) -> JournalHead | None:
    """Read the mark; None if there is none, as with journals of earlier versions.

    Raises:
        JournalError: The mark is damaged.
        OSError: It cannot be read.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    found = _LINE.fullmatch(text)
    if found is None:
        raise JournalError(
            f"{path} is damaged, so it is unknown whether the end of the journal is missing",
            advice="if you know that the journal is complete, remove that file and run the same "
            "command again",
        )
    return JournalHead(int(found[1]), found[2].decode())


def _text(mark: JournalHead) -> bytes:
    return f"{mark.lines:012} {mark.hash}\n".encode()


class SystemDisk:
    """The machine's disk."""

    def append(self, handle: int, text: bytes) -> int:
        """Write *text* with one ``write``; the file was opened for appending."""
        return os.write(handle, text)

    def sync(self, handle: int) -> None:
        """Call ``fsync``."""
        os.fsync(handle)

    def overwrite(self, handle: int, text: bytes) -> None:
        """Write *text* with ``pwrite``; overwriting in place needs no more disk space."""
        os.pwrite(handle, text, 0)
