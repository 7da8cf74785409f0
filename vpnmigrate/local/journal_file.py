"""Journal file: durable appends, acknowledged head and exclusive access.

Two things are promised.  What ``write`` has returned from survives a power cut.  And once another
process has taken the run over, ``write`` and ``require_ours`` fail, so nothing is sent to AWS but a
call that was already on its way from the question to the wire.

The chain proves each line by the next one, so it cannot prove its own end: a journal without its
last lines, restored from an old copy for instance, looks whole, and whoever went on from it would
do again what those lines tell.  The mark is written after the lines are durable and is not synced
itself: a power cut may leave an older one, which proves less and contradicts nothing.
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

import msgspec

from vpnmigrate.commands import Advice, cli, option
from vpnmigrate.errors import JournalDamagedError, JournalError, TakenOverError, VpnMigrateError
from vpnmigrate.journal.chain import JournalContents, JournalHead, lines_of, read_chain
from vpnmigrate.journal.records import Entry, Record
from vpnmigrate.journal.run_clock import run_clock, stamped
from vpnmigrate.local.inbox import InboxReader
from vpnmigrate.local.lock import RunLock
from vpnmigrate.local.private_files import open_to_append, sync_folder, write_whole
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.redaction import Redaction

_GO_ON = "see to the disk and its permissions, then run the same command again: it resumes"


def read_journal(run: Run) -> JournalContents:
    """Read *run*'s journal, for whoever only looks; another process may be writing it.

    Raises:
        JournalDamagedError: A line is not the one that was written.
        JournalError: It cannot be read.
    """
    with _translate_os_errors(run.journal):
        # The mark first: a process that writes meanwhile is further on with both.
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


class HeadFile:
    """Keeps the mark of the process that writes the journal.

    The file is a new one for each process, so whoever was displaced marks a file without a name.
    """

    def __init__(self, path: Path, mark: JournalHead, disk: Disk) -> None:
        self._disk = disk
        write_whole(path, _text(mark))
        self._handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)

    def put(self, mark: JournalHead) -> None:
        """Report that the journal is durable as far as *mark*."""
        self._disk.overwrite(self._handle, _text(mark))

    def close(self) -> None:
        """Give the file back."""
        os.close(self._handle)


class Medium:
    """Appends to the journal and marks how far it is durable; every failure is an OSError."""

    def __init__(self, handle: int, marker: HeadFile, disk: Disk) -> None:
        self._handle = handle
        self._marker = marker
        self._disk = disk

    @classmethod
    def open(cls, run: Run, contents: JournalContents, disk: Disk, *, afresh: bool) -> Self:
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
            marker = HeadFile(run.head, JournalHead(len(contents.entries), contents.head), disk)
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

    def mark(self, mark: JournalHead) -> None:
        """Report that what was appended is acknowledged as far as *mark*."""
        self._marker.put(mark)

    def is_still_at(self, run: Run) -> bool:
        """Return whether *run*'s journal is the file that is held here."""
        return os.path.samestat(os.fstat(self._handle), run.journal.stat())

    def close(self) -> None:
        """Give the files back: what was written is durable, and nothing more can be."""
        with suppress(OSError):
            self._marker.close()
        with suppress(OSError):
            os.close(self._handle)


class FileJournal:
    """The journal of one run, written by the process that holds its lock.

    After a failed write it writes nothing more: what is on the disk is then in doubt.
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
        self.clock = run_clock(clock, contents.entries)
        """The time of the run, which goes on from its last entry."""
        self._lock = lock
        self._medium = medium
        self._entries = contents.entries
        self._head = contents.head
        self._hearing = InboxReader(run, self)
        self._redaction = redaction
        self._broken: JournalError | None = None
        self.notice = ""
        """What the operator should know about how the journal was found; mostly nothing."""
        self.lost = False
        """Whether there was one before, of which nothing is left."""

    @classmethod
    def open(
        cls,
        run: Run,
        clock: Clock,
        lock: RunLock,
        disk: Disk | None = None,
        redaction: Redaction | None = None,
    ) -> Self:
        """Open *run*'s journal to write it, or begin it; *redaction* cuts keys out of records.

        A last line that was never finished is put aside: nothing was sent on its strength.

        Raises:
            JournalDamagedError: A line is not the one that was written.
            JournalError: It cannot be read or written.
        """
        contents = read_journal(run)
        with _translate_os_errors(run.journal):
            lost = not contents.entries and read_mark(run.head) is None
            aside = _put_aside(run, contents.torn) if contents.torn else None
            # A new file also because the process before us may be stopped between its last check
            # and its write: what it writes then must land in a file without a name.
            afresh = bool(contents.torn) or lock.displaced is not None
            medium = Medium.open(run, contents, disk or SystemDisk(), afresh=afresh)
        journal = cls(run, clock, lock, medium, contents, redaction or Redaction())
        journal.lost = lost
        if aside is not None:
            journal.notice = (
                f"the last line of {run.journal} was never finished; it is kept in {aside}"
            )
        return journal

    @property
    def entries(self) -> Sequence[Entry]:
        """Everything written so far, by this process and those before it."""
        return self._entries

    def write(self, *records: Record) -> None:
        """Append *records* and make them durable in one sync.

        Raises:
            JournalError: They may or may not be on the disk, or the run was taken over.
        """
        if self._broken is not None:
            raise self._broken
        entries = stamped(self.clock, len(self._entries) + 1, map(self._redacted, records))
        text, head = lines_of(entries, self._head)
        try:
            self.require_ours()
            with _translate_os_errors(self._run.journal):
                self._medium.append(text)
            # Asked again now that it is durable: whoever took over meanwhile may not have read it.
            self.require_ours()
            with _translate_os_errors(self._run.head):
                self._medium.mark(JournalHead(len(self._entries) + len(entries), head))
        except JournalError as error:
            self._broken = error
            raise
        self._entries += entries
        self._head = head

    def _redacted(self, record: Record) -> Record:
        """Return *record* without keys: a chained line can never be cleaned afterwards."""
        document = msgspec.to_builtins(record)
        cut = self._redaction.value(document)
        return record if cut == document else msgspec.convert(cut, type(record))

    def require_ours(self) -> None:
        """Return if no other process has taken the run over.

        Raises:
            TakenOverError: One has, and says so before every call that this process still meant
                to send.
            JournalError: The disk does not tell.
        """
        with _translate_os_errors(self._run.journal):
            self._lock.require_ours(self.clock.wall())
            if not self._medium.is_still_at(self._run):
                raise TakenOverError(
                    f"{self._run.journal} was moved or replaced; this process stops here",
                    advice=cli("status", self._run.id),
                )

    def fold_inbox(self) -> None:
        """Write down what other terminals said, and what cannot be heeded; forget the messages.

        Raises:
            JournalError: It could not be written down.
        """
        self._hearing.fold()

    def close(self) -> None:
        """Give the files back; the lock is its owner's to release."""
        self._medium.close()


def _put_aside(run: Run, torn: bytes) -> Path:
    taken = {path.name for path in run.path.glob("journal.torn-*")}
    number = next(n for n in count(1) if f"journal.torn-{n}" not in taken)
    aside = run.path / f"journal.torn-{number}"
    write_whole(aside, torn)
    return aside


def _without(run: Run) -> Advice:
    """Return how to go on if the journal cannot be had back."""
    try:
        holder = run.holder
    except VpnMigrateError:
        holder = "HOLDER"
    files = f"{run.journal.name} and {run.head.name}"
    on = cli("apply", str(run.plan), "--run-dir", "NEW", *option("--take-over", holder))
    return (
        f"restore {files} from a backup made since; without one, start again from the plan and AWS's tags:",
        on,
        "or the same with rollback",
    )


@contextmanager
def _translate_os_errors(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into what an operator can read."""
    try:
        yield
    except OSError as exc:
        raise JournalError(f"the journal {path}: {exc.strerror}", advice=_GO_ON) from exc


_LINE = re.compile(rb"(\d{12}) ([0-9a-f]{64})\n")


def read_mark(path: Path) -> JournalHead | None:
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
    return JournalHead(int(found[1]), found[2].decode())


def _text(mark: JournalHead) -> bytes:
    return f"{mark.lines:012} {mark.hash}\n".encode()


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
