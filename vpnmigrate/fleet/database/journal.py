"""Database journal: that of one run, appended under a lease (``engine.ports.Journal``).

The lines, and the hash chain through them, are those of ``local.journal_file``.  Lines and mark are
written by one statement, which the database carries out only if the run still has the fence of this
worker's lease and the journal still ends where this worker has read it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Self

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import ARRAY

from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.leases import Lease, lease_end
from vpnmigrate.fleet.database.schema import LINES, RUNS
from vpnmigrate.journal.chain import (
    ChainedLines,
    JournalContents,
    JournalHead,
    read_chain,
)
from vpnmigrate.journal.chain_writer import ChainWriter
from vpnmigrate.journal.records import Entry, Record
from vpnmigrate.local.inbox import InboxReader, MessageStore
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.errors import JournalDamagedError, JournalError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.redaction import Redaction

_RESTORE: Final = "restore the database from a backup made since"


@dataclass(frozen=True)
class StoredJournal:
    """The journal of *run* as one statement read it."""

    run: str
    text: bytes
    mark: JournalHead

    def contents(self) -> JournalContents:
        """Return the verified contents.

        Raises:
            JournalDamagedError: A line differs from the one that was written, or is missing.
            JournalError: A newer version of the program wrote it.
        """
        name = f"the journal of {self.run} in the database"
        try:
            return read_chain(self.text, self.run, name, self.mark)
        except JournalDamagedError as error:
            raise JournalDamagedError(error.message, line=error.line, advice=_RESTORE) from None


def stored_journal(database: Database, run: str) -> StoredJournal:
    """Read the journal of *run*; its worker may be writing it.

    Raises:
        JournalError: There is no such run, or the database does not answer.
    """
    text = (
        sa.select(sa.func.string_agg(LINES.c.line + "\n", sa.text("'' ORDER BY seq")))
        .where(LINES.c.run == RUNS.c.id)
        .scalar_subquery()
    )
    # One statement sees one state: the mark belongs to these lines.
    statement = sa.select(RUNS.c.lines, RUNS.c.head, text).where(RUNS.c.id == run)
    row = database.execute(lambda connection: connection.execute(statement).first())
    if row is None:
        raise JournalError(
            f"the database has no run {run}", advice=("list the runs:", cli("fleet", "status"))
        )
    return StoredJournal(run, (row[2] or "").encode(), JournalHead(row[0], row[1]))


class DatabaseJournal:
    """The journal of one run, written by the worker that has its lease.

    After a failed write it writes nothing more, because what the database has is then unknown.
    """

    lost = False
    """A run in the database has a mark from the start, so a lost journal is a damaged one."""

    def __init__(
        self,
        database: Database,
        lease: Lease,
        clock: Clock,
        contents: JournalContents,
        redaction: Redaction,
    ) -> None:
        self._chain = ChainWriter(clock, contents, redaction)
        self.clock = self._chain.clock
        """The clock of the run, which continues from its last entry."""
        self.notice = ""
        self._database = database
        self._lease = lease
        self._inbox_reader: InboxReader | None = None

    @classmethod
    def open(
        cls,
        database: Database,
        lease: Lease,
        clock: Clock,
        redaction: Redaction,
        inbox: MessageStore,
    ) -> Self:
        """Open the journal of the run that *lease* is for; *redaction* removes keys from records.

        Raises:
            JournalDamagedError: A line differs from the one that was written.
            JournalError: It cannot be read.
        """
        contents = stored_journal(database, lease.run).contents()
        journal = cls(database, lease, clock, contents, redaction)
        journal._inbox_reader = InboxReader(inbox, journal)
        return journal

    @property
    def entries(self) -> Sequence[Entry]:
        """Everything written so far, by this worker and those before it."""
        return self._chain.entries

    def write(self, *records: Record) -> None:
        """Append *records* in one statement; they are durable when it returns.

        Raises:
            TakenOverError: Another worker has the run, and nothing was written.
            JournalError: The write failed, and the records may be in the database.
        """
        self._chain.write(records, self._append)

    def require_ours(self) -> None:
        """Check that no other worker has taken the run over (``Lease.require_ours``)."""
        self._lease.require_ours()

    def fold_inbox(self) -> None:
        """Journal the messages of operators, accepted or declined, and remove them.

        Raises:
            JournalError: The journal could not be written, or the messages not read.
        """
        if self._inbox_reader is not None:
            self._inbox_reader.fold()

    def close(self) -> None:
        """Do nothing; the caller releases the lease."""

    def _append(self, lines: ChainedLines) -> None:
        run, fence = self._lease.run, self._lease.fence
        texts = [line.decode() for line in lines.text.split(b"\n")[:-1]]
        held = (
            sa.update(RUNS)
            .where(RUNS.c.id == run, RUNS.c.fence == fence, RUNS.c.head == self._chain.head)
            .values(lines=RUNS.c.lines + len(texts), head=lines.head, lease_until=lease_end())
            .returning(RUNS.c.id)
            .cte("held")
        )
        numbers = sa.literal([e.seq for e in lines.entries], ARRAY(sa.BigInteger))
        both = sa.func.unnest(numbers, sa.literal(texts, ARRAY(sa.Text)))
        given = both.table_valued("seq", "line", name="given").render_derived()
        chosen = sa.select(held.c.id, given.c.seq, given.c.line, sa.literal(fence, sa.BigInteger))
        statement = sa.insert(LINES).from_select(
            ["run", "seq", "line", "fence"], chosen.select_from(held.join(given, sa.true()))
        )
        asked = self._lease.clock.now()
        self._database.execute(self._appending(statement, lines.head, len(texts)))
        self._lease.extend(asked)

    def _appending(
        self, statement: sa.Insert, head: str, count: int
    ) -> Callable[[Connection], None]:
        """Return the work that appends once, even if an answer was lost and it is repeated."""

        def work(connection: Connection) -> None:
            if connection.execute(statement).rowcount == count:
                return
            mine = sa.select(RUNS.c.fence, RUNS.c.head).where(RUNS.c.id == self._lease.run)
            row = connection.execute(mine).first()
            if row is not None and row.fence == self._lease.fence:
                if row.head == head:
                    return  # It was appended before its answer was lost.
                raise JournalError(
                    f"the journal of {self._lease.run} was changed by something else than its "
                    "worker",
                    advice=cli("fleet", "status", self._lease.run),
                )
            self._lease.lose()
            self._lease.require_ours()

        return work
