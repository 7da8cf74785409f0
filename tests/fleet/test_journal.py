"""The journal in PostgreSQL: durable appends under a fence, the same chain as the file's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from tests.fleet.database_runs import acquired, lapse, opened_journal, stored_run
from tests.support.builders import MIGRATION
from tests.support.journals import OPENED, Story
from vpnmigrate.engine.ports import Journal
from vpnmigrate.fleet.database.address import DatabaseAddress
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.journal import stored_journal
from vpnmigrate.fleet.database.leases import SessionEnd
from vpnmigrate.fleet.database.schema import LINES, RUNS
from vpnmigrate.journal.memory import MemoryJournal
from vpnmigrate.journal.records import Noted
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.errors import JournalDamagedError, JournalError, TakenOverError

STORY = Story().staged().records


def test_what_is_written_is_read_back_as_it_was(database: Database) -> None:
    """Records are read back with the text of any script, in order, and with a valid chain."""
    stored_run(database)
    journal: Journal = opened_journal(database, acquired(database))
    odd = Noted('line\u2028separator, \x00, \x85, é, \U0001f680 and "quotes" \\ back')

    journal.write(OPENED)
    journal.write(*STORY, odd)

    read = stored_journal(database, MIGRATION).contents()
    assert read.entries == tuple(journal.entries)
    assert read.entries[-1].record == odd
    memory = MemoryJournal(VirtualClock())
    memory.write(OPENED, *STORY, odd)
    assert [e.record for e in read.entries] == [e.record for e in memory.entries]


def test_a_journal_continues_in_the_next_worker(database: Database) -> None:
    """Another lease reads what the one before has written, and the chain continues."""
    stored_run(database)
    first = acquired(database)
    opened_journal(database, first).write(OPENED)
    first.release(SessionEnd())

    second = opened_journal(database, acquired(database, "other"))
    second.write(Noted("continued"))

    records = [e.record for e in stored_journal(database, MIGRATION).contents().entries]
    assert records == [OPENED, Noted("continued")]


def test_a_worker_whose_lease_was_taken_writes_nothing(database: Database) -> None:
    """After its lease ended and another worker took the run, a late write is refused."""
    stored_run(database)
    zombie = opened_journal(database, acquired(database))
    zombie.write(OPENED)
    lapse(database)
    heir = opened_journal(database, acquired(database, "heir"))
    heir.write(Noted("taken over"))

    with pytest.raises(TakenOverError, match="taken over from this worker"):
        zombie.write(Noted("late"))
    with pytest.raises(TakenOverError):
        zombie.require_ours()

    records = [e.record for e in stored_journal(database, MIGRATION).contents().entries]
    assert records == [OPENED, Noted("taken over")]


def test_an_append_whose_answer_was_lost_is_done_once(address: DatabaseAddress) -> None:
    """A statement that is repeated after the database had carried it out adds no line."""
    database = Database(address, patience=timedelta(seconds=5))
    stored_run(database)
    journal = opened_journal(database, acquired(database))
    lost: list[str] = []

    @sa.event.listens_for(database.engine, "after_cursor_execute")
    def lose_the_answer(_connection: object, cursor: Any, statement: str, *_rest: object) -> None:
        if statement.startswith("WITH held") and not lost:
            lost.append(statement)
            cursor.connection.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    journal.write(OPENED)
    journal.write(Noted("next"))

    assert lost
    records = [e.record for e in stored_journal(database, MIGRATION).contents().entries]
    assert records == [OPENED, Noted("next")]
    database.close()


def test_a_changed_or_missing_line_is_noticed(database: Database) -> None:
    """A line that was edited, or removed at the end, makes the journal damaged."""
    stored_run(database)
    opened_journal(database, acquired(database)).write(OPENED, *STORY)
    last = sa.select(sa.func.max(LINES.c.seq)).scalar_subquery()

    database.execute(lambda c: c.execute(sa.delete(LINES).where(LINES.c.seq == last)))
    with pytest.raises(JournalDamagedError, match="missing") as missing:
        stored_journal(database, MIGRATION).contents()

    assert "backup" in missing.value.advice_text


def test_a_journal_that_something_else_changed_is_not_extended(database: Database) -> None:
    """If the mark moved although the lease is ours, the worker writes nothing more."""
    stored_run(database)
    journal = opened_journal(database, acquired(database))
    journal.write(OPENED)
    database.execute(lambda c: c.execute(sa.update(RUNS).values(head="0" * 64)))

    with pytest.raises(JournalError, match="changed by something else"):
        journal.write(Noted("one"))
    with pytest.raises(JournalError, match="changed by something else"):
        journal.write(Noted("two"))
