"""The journal as a file of its run.

Two things are promised.  What ``write`` has returned from survives a power cut.  And once another
process has taken the run over, ``write`` and ``require_ours`` fail, so nothing is sent to AWS but a
call that was already on its way from the question to the wire.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Self

import msgspec

from vpnmigrate.commands import Advice, cli, option
from vpnmigrate.errors import (
    JournalDamagedError,
    JournalError,
    TakenOverError,
    VpnMigrateError,
)
from vpnmigrate.journal.chain import Contents, Mark, lines_of, read_chain
from vpnmigrate.journal.disk import Disk, SystemDisk
from vpnmigrate.journal.head import read_mark
from vpnmigrate.journal.hearing import Hearing
from vpnmigrate.journal.medium import Medium
from vpnmigrate.journal.records import Entry, Record
from vpnmigrate.journal.run_clock import run_clock, stamped
from vpnmigrate.lock import RunLock
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.redaction import Redaction
from vpnmigrate.private_files import write_whole
from vpnmigrate.rundir import Run

_GO_ON = "see to the disk and its permissions, then run the same command again: it resumes"


def read_journal(run: Run) -> Contents:
    """Read *run*'s journal, for whoever only looks; another process may be writing it.

    Raises:
        JournalDamagedError: A line is not the one that was written.
        JournalError: It cannot be read.
    """
    with _told(run.journal):
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
        contents: Contents,
        redaction: Redaction,
    ) -> None:
        self._run = run
        self.clock = run_clock(clock, contents.entries)
        """The time of the run, which goes on from its last entry."""
        self._lock = lock
        self._medium = medium
        self._entries = contents.entries
        self._head = contents.head
        self._hearing = Hearing(run, self)
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
        with _told(run.journal):
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
            with _told(self._run.journal):
                self._medium.append(text)
            # Asked again now that it is durable: whoever took over meanwhile may not have read it.
            self.require_ours()
            with _told(self._run.head):
                self._medium.mark(Mark(len(self._entries) + len(entries), head))
        except JournalError as error:
            self._broken = error
            raise
        self._entries += entries
        self._head = head

    def _redacted(self, record: Record) -> Record:
        """Return *record* without keys: a chained line can never be cleaned afterwards."""
        told = msgspec.to_builtins(record)
        cut = self._redaction.value(told)
        return record if cut == told else msgspec.convert(cut, type(record))

    def require_ours(self) -> None:
        """Return if no other process has taken the run over.

        Raises:
            TakenOverError: One has, and says so before every call that this process still meant
                to send.
            JournalError: The disk does not tell.
        """
        with _told(self._run.journal):
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
    """Say how to go on if the journal cannot be had back."""
    try:
        holder = run.holder
    except VpnMigrateError:
        holder = "HOLDER"
    files = f"{run.journal.name} and {run.head.name}"
    on = cli("apply", str(run.plan), "--run-dir", "NEW", *option("--take-over", holder))
    return (
        f"restore {files} from a backup made since; without one, go on from plan and tags:",
        on,
        "or the same with rollback",
    )


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into what an operator can read."""
    try:
        yield
    except OSError as exc:
        raise JournalError(f"the journal {path}: {exc.strerror}", advice=_GO_ON) from exc
