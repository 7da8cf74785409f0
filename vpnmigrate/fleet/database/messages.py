"""Messages: orders and confirmations of operators, left for a run in the database.

They are those of ``local.inbox``.  A message wakes its run, unless a worker has it: that worker
reads the message itself, at the latest when it releases the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql

from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.leases import database_now, has_ended
from vpnmigrate.fleet.database.schema import MESSAGES, RUNS, MessageState, RunGoal
from vpnmigrate.fleet.progress import MemberState
from vpnmigrate.local.inbox import InboxMessage, Message, message_from, message_id

Deliver = Callable[[Connection, str], None]
"""Requests the delivery of a run to a worker, in the transaction of the connection."""


class DatabaseInbox:
    """The messages left for *run* (``local.inbox.MessageStore``)."""

    def __init__(self, database: Database, run: str) -> None:
        self._database = database
        self._run = run

    @property
    def place(self) -> str:
        """The table of the messages."""
        return f"the database, table {MESSAGES.name}"

    def messages(self) -> Iterator[InboxMessage]:
        """Yield the messages that no session has read, oldest first."""
        statement = (
            sa.select(MESSAGES.c.id, MESSAGES.c.body)
            .where(MESSAGES.c.run == self._run, MESSAGES.c.state == MessageState.WAITING)
            .order_by(MESSAGES.c.id)
        )
        rows = self._database.execute(lambda connection: connection.execute(statement).all())
        for id_, body in rows:
            yield message_from(id_, body.encode())

    def remove(self, item: InboxMessage) -> None:
        """Note that the content of *item* is in the journal."""
        self._mark(item, MessageState.READ)

    def set_aside(self, item: InboxMessage) -> None:
        """Note that *item* was rejected; it is kept for the operator."""
        self._mark(item, MessageState.REJECTED)

    def post(self, message: Message, deliver: Deliver) -> str:
        """Leave *message* for the run, wake the run if no worker has it, and return its id.

        Raises:
            DatabaseError: The database does not answer.
        """
        id_ = message_id(message)
        body = msgspec.json.encode(message).decode()

        def work(connection: Connection) -> None:
            # Locked first: a worker that releases the run either sees the message or is finished.
            idle = connection.execute(
                sa.select(has_ended()).where(RUNS.c.id == self._run).with_for_update()
            ).scalar_one()
            values = {
                "id": id_,
                "run": self._run,
                "body": body,
                "state": MessageState.WAITING,
                "posted_at": database_now(),
            }
            connection.execute(postgresql.insert(MESSAGES).values(values).on_conflict_do_nothing())
            if idle:
                wake_run(connection, self._run, deliver)

        self._database.transact(work)
        return id_

    def _mark(self, item: InboxMessage, state: MessageState) -> None:
        statement = sa.update(MESSAGES).where(MESSAGES.c.id == item.id).values(state=state)
        self._database.execute(lambda connection: connection.execute(statement))


def wake_run(connection: Connection, run: str, deliver: Deliver) -> None:
    """Add a reason to work on *run*, and deliver it, in the transaction of *connection*."""
    statement = (
        sa.update(RUNS)
        .where(RUNS.c.id == run, RUNS.c.goal != RunGoal.NOTHING)
        .values(wake=RUNS.c.wake + 1)
        .returning(RUNS.c.id)
    )
    if connection.execute(statement).first() is not None:
        deliver(connection, run)


def resume_held(connection: Connection, run: str, deliver: Deliver) -> bool:
    """Wake *run*, whose gates may have opened; return whether it was woken.

    A staged member of a campaign is not woken: it holds no slot, and another run may be under way
    in its account.  The rules of its campaign may start it from now on.
    """
    without_slot = sa.and_(
        RUNS.c.campaign.is_not(None),
        RUNS.c.progress == MemberState.STAGED,
        RUNS.c.goal == RunGoal.PREPARE,
        RUNS.c.lease_owner.is_(None),
    )
    freed = sa.update(RUNS).where(RUNS.c.id == run, without_slot).values(due_at=None)
    if connection.execute(freed).rowcount:
        return False
    wake_run(connection, run, deliver)
    return True
