"""Messages of operators to runs in a database: none is lost, and each is read once."""

from __future__ import annotations

import sqlalchemy as sa

from tests.fleet.database_runs import CLOCK, acquired, opened_journal, stored_run
from tests.support.builders import MIGRATION
from tests.support.journals import OPENED
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.leases import SessionEnd
from vpnmigrate.fleet.database.messages import DatabaseInbox
from vpnmigrate.fleet.database.schema import MESSAGES, MessageState
from vpnmigrate.journal import replay
from vpnmigrate.journal.orders import answer_to
from vpnmigrate.journal.records import Noted, Paused
from vpnmigrate.local.inbox import DoneMessage, PauseMessage

PAUSE = PauseMessage(at=CLOCK.now(), who="bob", host="desk")


def woken(_connection: sa.Connection, run: str) -> None:
    """Record a delivery."""
    DELIVERED.append(run)


DELIVERED: list[str] = []


def test_a_message_wakes_a_run_that_no_worker_has(database: Database) -> None:
    """The message and the reason to work on the run are stored together."""
    runs = stored_run(database)
    acquired(database).release(SessionEnd())
    assert not runs.find(MIGRATION).wants_work
    DELIVERED.clear()

    DatabaseInbox(database, MIGRATION).post(PAUSE, woken)

    assert DELIVERED == [MIGRATION]
    assert runs.find(MIGRATION).wants_work


def test_the_worker_of_a_run_reads_each_message_once(database: Database) -> None:
    """A message is journalled with its id, and then neither read nor delivered again."""
    stored_run(database)
    journal = opened_journal(database, acquired(database))
    journal.write(OPENED)
    DELIVERED.clear()
    id_ = DatabaseInbox(database, MIGRATION).post(PAUSE, woken)

    journal.fold_inbox()
    journal.fold_inbox()

    assert DELIVERED == []
    assert isinstance(answer_to(id_, journal.entries), Paused)
    assert replay(journal.entries).order is not None
    assert list(DatabaseInbox(database, MIGRATION).messages()) == []


def test_a_message_that_its_worker_has_not_read_keeps_the_run_awake(database: Database) -> None:
    """A message that arrives after the last look of a session is found when the run is released."""
    runs = stored_run(database)
    lease = acquired(database)
    DatabaseInbox(database, MIGRATION).post(PAUSE, woken)

    assert lease.release(SessionEnd())
    assert runs.find(MIGRATION).wants_work


def test_a_confirmation_without_a_task_is_kept_for_the_operator(database: Database) -> None:
    """It is noted with the place where it is kept, and not read again."""
    stored_run(database)
    journal = opened_journal(database, acquired(database))
    journal.write(OPENED)
    done = DoneMessage(at=CLOCK.now(), who="bob", host="desk", step=5)
    DatabaseInbox(database, MIGRATION).post(done, woken)

    journal.fold_inbox()

    last = journal.entries[-1].record
    assert isinstance(last, Noted)
    assert "kept in the database, table fleet_message" in last.what
    states = database.execute(lambda c: c.execute(sa.select(MESSAGES.c.state)).scalars().all())
    assert states == [MessageState.REJECTED]
