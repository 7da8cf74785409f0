"""Leases: the right to write a run's journal and to change AWS for it, for a few seconds.

A worker renews its leases while it lives.  When it dies, its leases end, and another worker takes
the runs over.  Each lease of a run has a greater fence than the one before, and the database
accepts a journal line only with the fence of the run's last lease.

A lease ends by the database's clock.  Its worker counts from before it asked the database, by a
clock that does not stop while the process or the machine is suspended, so it never uses a lease
that has ended.  Before each call that changes AWS the lease is checked: by that clock, and past its
end by the database.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from vpnmigrate.fleet.database.connection import AT_ONCE, Database
from vpnmigrate.fleet.database.schema import MESSAGES, RUNS, MessageState, RunGoal
from vpnmigrate.fleet.progress import MemberProgress, MemberState
from vpnmigrate.fleet.run_summary import RunSummary
from vpnmigrate.model.clock import Clock, SteadyClock
from vpnmigrate.model.errors import DatabaseError, TakenOverError
from vpnmigrate.model.errors.commands import cli

LEASE: Final = timedelta(seconds=3)
"""How long a lease lasts.  A run whose worker has died is resumed within five seconds, of which the
delivery takes up to two (docs/decisions/0056)."""
RENEWAL: Final = LEASE / 6
"""Time between two renewals: four may be late or lost."""


def database_now() -> sa.ColumnElement[datetime]:
    """Return the expression for the time of the database at this moment of a transaction."""
    return sa.func.clock_timestamp(type_=sa.DateTime(timezone=True))


def lease_end() -> sa.ColumnElement[datetime]:
    """Return the expression for the end of a lease that is given or renewed now."""
    return database_now() + sa.cast(sa.literal(LEASE), sa.Interval)


def has_ended() -> sa.ColumnElement[bool]:
    """Return the condition that no worker has the run."""
    return sa.or_(RUNS.c.lease_until.is_(None), RUNS.c.lease_until < database_now())


_UNDER_WAY: Final = MemberProgress(MemberState.RUNNING)


@dataclass(frozen=True)
class SessionEnd:
    """How a session of a run ended."""

    due_in: timedelta | None = None
    """Time until the next session; zero: at once; None: only when a message arrives."""
    outage: bool = False
    """Whether traffic is down."""
    progress: MemberProgress = _UNDER_WAY
    summary: RunSummary | None = None
    """What the journal shows now; None if the session did not begin."""
    trouble: str = ""
    """Why the session did not begin; empty if it did."""


class Lease:
    """The lease of one run, from ``acquire_lease`` until ``release``; any thread may check it."""

    def __init__(
        self,
        database: Database,
        run: str,
        fence: int,
        until: datetime,
        clock: Clock,
        displaced: str | None,
    ) -> None:
        """Hold the lease that ends at *until*, a moment of *clock*."""
        self._database = database
        self.clock: Final = clock
        self._until = until
        self._lost: TakenOverError | None = None
        self.run: Final = run
        self.fence: Final = fence
        self.displaced: Final = displaced
        """The worker whose lease ended without being released; None if there was none."""

    def extend(self, asked: datetime) -> None:
        """Note that the database renewed the lease after it was asked at the moment *asked*."""
        self._until = max(self._until, asked + LEASE)

    def lose(self) -> None:
        """Note that another worker has, or had, the run since."""
        if self._lost is None:
            self._lost = TakenOverError(
                f"run {self.run} was taken over from this worker; this worker stops work on it, "
                "and has sent nothing since",
                advice=cli("fleet", "status", self.run),
            )

    def require_ours(self) -> None:
        """Return at once while the lease lasts; past its end, ask the database to renew it.

        Raises:
            TakenOverError: Another worker has, or had, the run since.
            DatabaseError: That cannot be checked, because the database does not answer.
        """
        if self._lost is None and self.clock.now() >= self._until:
            self.renew()
        if self._lost is not None:
            raise self._lost

    def renew(self) -> None:
        """Renew the lease if no other worker has taken the run.

        Raises:
            DatabaseError: The database does not answer.
        """
        asked = self.clock.now()
        if renewed(self._database, [self]):
            self.extend(asked)
        else:
            self.lose()

    @property
    def is_lost(self) -> bool:
        """Whether another worker is known to have taken the run."""
        return self._lost is not None

    def release(self, end: SessionEnd) -> bool:
        """End the lease after a session with the result *end*.

        A staged member of a campaign has given its slot back, so only another start by the
        campaign's rules begins its cutover: a run that is woken before that is only prepared.

        Return whether there is more to do now: the run is due at once, or a message arrived that no
        session has read.

        Raises:
            DatabaseError: The database does not answer, so the lease ends by itself.
        """
        waiting = sa.exists().where(
            MESSAGES.c.run == self.run, MESSAGES.c.state == MessageState.WAITING
        )
        due, summary = end.due_in, end.summary and msgspec.json.encode(end.summary).decode()
        at = None if due is None else database_now() + sa.cast(sa.literal(due), sa.Interval)

        def work(connection: Connection) -> bool:
            # Locked first: a message that is being posted is either seen here or wakes the run.
            held = sa.and_(RUNS.c.id == self.run, RUNS.c.fence == self.fence)
            if connection.execute(sa.select(RUNS.c.id).where(held).with_for_update()).first():
                more = due == timedelta(0) or connection.execute(sa.select(waiting)).scalar_one()
                connection.execute(
                    sa.update(RUNS)
                    .where(held)
                    .values(
                        lease_owner=None,
                        lease_until=None,
                        due_at=at,
                        outage=end.outage,
                        progress=end.progress.state,
                        progress_since=end.progress.since,
                        trouble=end.trouble,
                        wake=RUNS.c.wake + (1 if more else 0),
                        goal=_goal_after(end),
                        **({} if summary is None else {"summary": summary}),
                    )
                )
                return bool(more)
            return False

        return self._database.transact(work)


def _goal_after(end: SessionEnd) -> sa.ColumnElement[str]:
    """Return the expression for the goal after a session with the result *end*."""
    if end.progress.state is not MemberState.STAGED:
        return RUNS.c.goal
    gives_back = sa.and_(RUNS.c.campaign.is_not(None), RUNS.c.goal == RunGoal.CUTOVER)
    return sa.case((gives_back, RunGoal.PREPARE.value), else_=RUNS.c.goal)


def acquire_lease(
    database: Database, run: str, worker: str, clock: Clock | None = None
) -> Lease | None:
    """Take the lease of *run* for *worker*; None while another worker has it.

    Raises:
        DatabaseError: The database does not answer.
    """
    clock = clock or SteadyClock()
    before = (
        sa.select(RUNS.c.id, RUNS.c.lease_owner)
        .where(RUNS.c.id == run, has_ended())
        .with_for_update()
        .cte("before")
    )
    statement = (
        sa.update(RUNS)
        .where(RUNS.c.id == before.c.id)
        .values(
            fence=RUNS.c.fence + 1,
            lease_owner=worker,
            lease_until=lease_end(),
            served=RUNS.c.wake,
            due_at=None,
        )
        .returning(RUNS.c.fence, before.c.lease_owner)
    )
    asked = clock.now()
    row = database.execute(lambda connection: connection.execute(statement).first())
    if row is None:
        return None
    return Lease(database, run, row[0], asked + LEASE, clock, row[1])


def renewed(database: Database, leases: Sequence[Lease]) -> frozenset[str]:
    """Renew *leases* in one statement, and return the runs that their worker still has.

    Raises:
        DatabaseError: The database does not answer.
    """
    held = sa.tuple_(RUNS.c.id, RUNS.c.fence).in_([(each.run, each.fence) for each in leases])
    statement = (
        sa.update(RUNS)
        .where(held, RUNS.c.lease_owner.is_not(None))
        .values(lease_until=lease_end())
        .returning(RUNS.c.id)
    )
    rows = database.execute(lambda connection: connection.execute(statement).all(), AT_ONCE)
    return frozenset(row[0] for row in rows)


class LeaseKeeper:
    """Renews the leases of a worker in a thread of its own, and says that the worker is alive."""

    def __init__(
        self,
        database: Database,
        beat: Callable[[], None] = lambda: None,
        clock: Clock | None = None,
    ) -> None:
        """Keep leases in *database*; *beat* is called before each renewal."""
        self._database = database
        self._beat = beat
        self._clock = clock or SteadyClock()
        self._leases: dict[str, Lease] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="leases", daemon=True)

    def start(self) -> None:
        """Start to renew."""
        self._thread.start()

    def end(self) -> None:
        """Stop; leases that are not released end by themselves."""
        self._ended.set()
        self._thread.join()

    def add(self, lease: Lease) -> None:
        """Renew *lease* from now on."""
        with self._lock:
            self._leases[lease.run] = lease

    def remove(self, lease: Lease) -> None:
        """Renew *lease* no more."""
        with self._lock:
            if self._leases.get(lease.run) is lease:
                del self._leases[lease.run]

    def _keep(self) -> None:
        while not self._ended.wait(RENEWAL.total_seconds()):
            with self._lock:
                held = list(self._leases.values())
            try:
                self._beat()
                self._renew(held)
            except DatabaseError:
                # The next renewal tries again; past its end, a lease is checked before each call.
                continue

    def _renew(self, held: Iterable[Lease]) -> None:
        leases = [lease for lease in held if not lease.is_lost]
        if not leases:
            return
        asked = self._clock.now()
        still = renewed(self._database, leases)
        for lease in leases:
            if lease.run in still:
                lease.extend(asked)
            else:
                self._lose(lease)

    def _lose(self, lease: Lease) -> None:
        with self._lock:
            # A lease that was just released is not lost.
            held = self._leases.get(lease.run) is lease
        if held:
            lease.lose()
