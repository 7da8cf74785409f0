"""The journal as a file of its run.

Two things are promised.  What ``write`` has returned from survives a power cut.  And once another
process has taken the run over, ``write`` and ``require_ours`` fail, so nothing is sent to AWS but a
call that was already on its way from the question to the wire.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Self

from vpnmigrate.clock import Clock
from vpnmigrate.errors import JournalError, TakenOverError
from vpnmigrate.inbox import Abort, Continue, Done, Inbox, Letter, Order, Pause
from vpnmigrate.journal.chain import Contents, lines_of, read_chain
from vpnmigrate.journal.disk import Disk, SystemDisk
from vpnmigrate.lock import RunLock
from vpnmigrate.orders import answer, answer_to
from vpnmigrate.records import Entry, Noted, Record, Spoken, Verb
from vpnmigrate.replay import replay, word_meant
from vpnmigrate.rundir import FILE_MODE, Run, sync_folder, write_whole

_VERBS: dict[type[Order], Verb] = {
    Pause: Verb.PAUSE,
    Continue: Verb.CONTINUE,
    Abort: Verb.ABORT,
}

_GO_ON = "see to the disk and its permissions, then run the same command again: it resumes"


def read_journal(run: Run) -> Contents:
    """Read *run*'s journal, for whoever only looks; another process may be writing it.

    Raises:
        JournalDamagedError: A line is not the one that was written.
        JournalError: It cannot be read.
    """
    with _told(run.journal):
        try:
            text = run.journal.read_bytes()
        except FileNotFoundError:
            text = b""
    return read_chain(text, run.id, str(run.journal))


class FileJournal:
    """The journal of one run, written by the process that holds its lock.

    After a failed write it writes nothing more: what is on the disk is then in doubt.
    """

    def __init__(
        self, run: Run, clock: Clock, lock: RunLock, disk: Disk, handle: int, contents: Contents
    ) -> None:
        self._run = run
        self._clock = clock
        self._lock = lock
        self._disk = disk
        self._handle = handle
        self._entries = contents.entries
        self._head = contents.head
        self._inbox = Inbox(run)
        self._broken: JournalError | None = None
        self.notice = ""
        """What the operator should know about how the journal was found; mostly nothing."""

    @classmethod
    def open(cls, run: Run, clock: Clock, lock: RunLock, disk: Disk | None = None) -> Self:
        """Open *run*'s journal to write it, or begin it.

        A last line that was never finished is put aside: nothing was sent on its strength.

        Raises:
            JournalDamagedError: A line is not the one that was written.
            JournalError: It cannot be read or written.
        """
        contents = read_journal(run)
        with _told(run.journal):
            aside = _put_aside(run, contents.torn) if contents.torn else None
            if contents.torn or lock.displaced is not None:
                # A new file, because the process before us may be stopped between its last check
                # and its write: what it writes then must land in a file without a name.
                whole = run.journal.read_bytes()[: contents.sound] if contents.sound else b""
                write_whole(run.journal, whole)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
            handle = os.open(run.journal, flags, FILE_MODE)
            sync_folder(run.path)
        journal = cls(run, clock, lock, disk or SystemDisk(), handle, contents)
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
        now = self._clock.now()
        first = len(self._entries) + 1
        entries = tuple(Entry(first + i, now, record) for i, record in enumerate(records))
        text, head = lines_of(entries, self._head)
        try:
            self.require_ours()
            self._append(text)
            # Asked again now that it is durable: whoever took over meanwhile may not have read it.
            self.require_ours()
        except JournalError as error:
            self._broken = error
            raise
        self._entries += entries
        self._head = head

    def require_ours(self) -> None:
        """Return if no other process has taken the run over.

        Raises:
            TakenOverError: One has, and says so before every call that this process still meant
                to send.
            JournalError: The disk does not tell.
        """
        with _told(self._run.journal):
            self._lock.require_ours(self._clock.now())
            if not os.path.samestat(os.fstat(self._handle), self._run.journal.stat()):
                raise TakenOverError(
                    f"{self._run.journal} was moved or replaced; this process stops here",
                    advice=f"vpnmigrate status {self._run.id}",
                )

    def fold_inbox(self) -> None:
        """Write down what other terminals said, and what cannot be heeded; forget the messages.

        A crash on the way leaves a message that is taken up again without harm.

        Raises:
            JournalError: It could not be written down.
        """
        for letter in self._inbox.letters():
            match letter.message:
                case Done() as done:
                    self._take_word(letter, done)
                case None:
                    self._reject(letter, f"a message cannot be read: {letter.why}")
                case order:
                    self._take_order(letter, order)

    def close(self) -> None:
        """Give the file back; the lock is its owner's to release."""
        with suppress(OSError):  # what was written is durable, and nothing more can be
            os.close(self._handle)

    def _take_order(self, letter: Letter, order: Order) -> None:
        if answer_to(letter.id, self._entries) is None:
            self.write(
                answer(_VERBS[type(order)], replay(self._entries), order.who, order.host, letter.id)
            )
        self._inbox.remove(letter)

    def _take_word(self, letter: Letter, done: Done) -> None:
        if answer_to(letter.id, self._entries) is not None:
            self._inbox.remove(letter)
            return
        # A word answers what was asked when it was said, not what has come to be asked since.
        then = replay(entry for entry in self._entries if entry.at <= done.at)
        now = replay(self._entries)
        word = word_meant(done.step, then)
        if word is None or (then.direction, then.attempt) != (now.direction, now.attempt):
            said = f"{done.who} on {done.host} said that step {done.step} is done"
            self._reject(letter, f"{said}, which was not asked at {done.at:%H:%M:%SZ}")
            return
        self.write(Spoken(word, done.who, done.host, letter.id))
        self._inbox.remove(letter)

    def _reject(self, letter: Letter, why: str) -> None:
        self.write(Noted(f"{why} (kept in {self._run.inbox})"))
        self._inbox.set_aside(letter)

    def _append(self, text: bytes) -> None:
        with _told(self._run.journal):
            written = self._disk.append(self._handle, text)
            if written != len(text):
                short = f"the disk took {written} of {len(text)} bytes; is it full?"
                raise OSError(errno.ENOSPC, short)
            self._disk.sync(self._handle)


def _put_aside(run: Run, torn: bytes) -> Path:
    taken = {path.name for path in run.path.glob("journal.torn-*")}
    number = next(n for n in count(1) if f"journal.torn-{n}" not in taken)
    aside = run.path / f"journal.torn-{number}"
    write_whole(aside, torn)
    return aside


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into what an operator can read."""
    try:
        yield
    except OSError as exc:
        raise JournalError(f"the journal {path}: {exc.strerror}", advice=_GO_ON) from exc
