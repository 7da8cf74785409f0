"""Runs of a fleet: plans that were added to the database, and when workers work on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql

from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.leases import database_now, has_ended
from vpnmigrate.fleet.database.messages import Deliver, resume_held, wake_run
from vpnmigrate.fleet.database.run_rows import RUN_COLUMNS, FleetRun, WaitingOrder, run_of
from vpnmigrate.fleet.database.schema import (
    APPROVALS,
    CAMPAIGNS,
    FLEET,
    LINES,
    MESSAGES,
    RUNS,
    FleetState,
    RunGoal,
)
from vpnmigrate.fleet.progress import MemberState
from vpnmigrate.fleet.run_terms import RunTerms
from vpnmigrate.journal.chain import genesis
from vpnmigrate.journal.records import OutageBegan, OutageEnded
from vpnmigrate.local.documents import plan_from_text
from vpnmigrate.model.errors import RefusedError, UsageError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.plan import Plan


@dataclass(frozen=True)
class RunPlace:
    """How a run's account is reached, and which member of which campaign it is."""

    role: str = ""
    profile: str = ""
    campaign: str | None = None
    member: str = ""


@dataclass(frozen=True)
class StoredApproval:
    """An approval of a run: the text of its file, and its signature or an empty string."""

    digest: str
    text: bytes
    signature: str


@dataclass(frozen=True)
class NewRun:
    """A run to be added: its plan, the text of the plan's file, and where it belongs."""

    plan: Plan
    text: bytes
    holder: str
    at: RunPlace = RunPlace()
    terms: RunTerms = field(default_factory=RunTerms)


class FleetRuns:
    """The runs in *database*."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, plan: Plan, text: bytes, holder: str) -> None:
        """Add the run of *plan*, whose file has *text*; a run that is there already is kept.

        It gets this plan if it has not begun or was rolled back.

        Raises:
            RefusedError: The run is there with another plan, which is in force.
            DatabaseError: The database does not answer.
        """
        new = NewRun(plan, text, holder)
        insert = postgresql.insert(RUNS).values(_new_row(new))
        unless_known = insert.on_conflict_do_nothing(index_elements=[RUNS.c.id])
        self._database.execute(lambda connection: connection.execute(unless_known))
        known = self.find(plan.migration)
        if known.fingerprint == plan.fingerprint:
            return
        if known.keeps_plan or known.campaign is not None:
            raise _another_plan(known, plan)
        self._database.transact(lambda connection: put_run(connection, new))

    def remove_stale(self, plan: Plan) -> None:
        """Remove other runs of the gateway of *plan* that no campaign has and that have not begun.

        Raises:
            RefusedError: A worker has just begun one.
            DatabaseError: The database does not answer.
        """
        stale = tuple(self._unbegun_beside(plan))

        def work(connection: Connection) -> None:
            for run in stale:
                remove_run(connection, run)

        self._database.transact(work)

    def _unbegun_beside(self, plan: Plan) -> Iterator[FleetRun]:
        """Yield the runs of the gateway of *plan* that no campaign has and that have not begun."""
        for run in self.list():
            alone = run.campaign is None and not run.has_begun and run.id != plan.migration
            if alone and (run.account, run.region) == (plan.account, plan.region):
                other, _text = self.plan(run.id)
                if other.old_gateway == plan.old_gateway:
                    yield run

    def find(self, run: str) -> FleetRun:
        """Return the run with the id *run*.

        Raises:
            UsageError: There is none.
            DatabaseError: The database does not answer.
        """
        statement = sa.select(*RUN_COLUMNS).where(RUNS.c.id == run)
        row = self._database.execute(
            lambda connection: connection.execute(statement).mappings().first()
        )
        if row is None:
            named = sa.select(CAMPAIGNS.c.name).where(CAMPAIGNS.c.name == run)
            if self._database.execute(lambda connection: connection.execute(named).first()):
                raise UsageError(
                    f"{run} is a campaign, and this command without --wave is for one run",
                    advice=("to see its waves and runs:", cli("fleet", "status", run)),
                )
            raise UsageError(
                f"the database has no run {run!r}",
                advice=("list the runs:", cli("fleet", "status")),
            )
        return run_of(row)

    def list(self) -> tuple[FleetRun, ...]:
        """Return all runs, sorted by id."""
        return self._found(sa.select(*RUN_COLUMNS).order_by(RUNS.c.id))

    def _found(self, statement: sa.Select[Any]) -> tuple[FleetRun, ...]:
        """Return the runs that *statement* selects, with ``RUN_COLUMNS``."""
        rows = self._database.execute(
            lambda connection: connection.execute(statement).mappings().all()
        )
        return tuple(map(run_of, rows))

    def plan(self, run: str) -> tuple[Plan, bytes]:
        """Return the plan of *run*, which is there, and the text of its file.

        Raises:
            MalformedFileError: It is not a plan, or was written by a later version of this program.
            PlanEditedError: It no longer matches its fingerprint.
        """
        statement = sa.select(RUNS.c.plan).where(RUNS.c.id == run)
        text: bytes = self._database.execute(lambda c: c.execute(statement).scalar_one())
        return plan_from_text(text, f"the plan of {run} in the database"), text

    def start(
        self, run: str, goal: RunGoal, deliver: Deliver, terms: RunTerms | None = None
    ) -> None:
        """Start *run* as ``start_run`` does."""
        self._database.transact(lambda c: start_run(c, run, goal, deliver, terms))

    def wake_due(self, deliver: Deliver) -> tuple[str, ...]:
        """Resume the runs that are due, and return those that were woken."""

        def work(connection: Connection) -> tuple[str, ...]:
            due = (
                sa.select(RUNS.c.id)
                .where(RUNS.c.due_at <= database_now(), has_ended())
                .with_for_update(skip_locked=True)
            )
            found = tuple(connection.execute(due).scalars())
            connection.execute(sa.update(RUNS).where(RUNS.c.id.in_(found)).values(due_at=None))
            return tuple(run for run in found if resume_held(connection, run, deliver))

        return self._database.transact(work)

    def left_in_outage(self) -> tuple[FleetRun, ...]:
        """Return the runs that want work, that no worker has and whose traffic may be down.

        Traffic was down when the last session ended; or the worker died on the way to or from the
        new gateway, or in an outage on the way to another goal: a rollback that was begun comes
        before every goal.  Runs whose worker died come first.
        """
        ways = RUNS.c.goal.in_((RunGoal.CUTOVER, RunGoal.ROLLBACK))
        in_outage = sa.and_(RUNS.c.goal != RunGoal.NOTHING, _shows_outage())
        died = sa.and_(RUNS.c.lease_owner.is_not(None), sa.or_(ways, in_outage))
        woken = sa.and_(RUNS.c.goal != RunGoal.NOTHING, RUNS.c.wake > RUNS.c.served)
        return self._found(
            sa.select(*RUN_COLUMNS)
            .where(has_ended(), sa.or_(died, sa.and_(RUNS.c.outage, woken)))
            .order_by(sa.not_(died), RUNS.c.id)
        )

    def deliver_waiting(self, deliver: Deliver) -> None:
        """Deliver every run that wants work and that no worker has."""

        def work(connection: Connection) -> None:
            waiting = sa.select(RUNS.c.id).where(
                RUNS.c.goal != RunGoal.NOTHING,
                has_ended(),
                sa.or_(RUNS.c.wake > RUNS.c.served, RUNS.c.lease_owner.is_not(None)),
            )
            for run in connection.execute(waiting).scalars():
                deliver(connection, run)

        self._database.transact(work)

    def approve(self, run: str, approval: StoredApproval, deliver: Deliver) -> None:
        """Add *approval* to the run, which may wait for it; the run's worker checks it."""
        values = {
            "run": run,
            "digest": approval.digest,
            "text": approval.text,
            "signature": approval.signature,
            "added_at": database_now(),
        }

        def work(connection: Connection) -> None:
            connection.execute(postgresql.insert(APPROVALS).values(values).on_conflict_do_nothing())
            resume_held(connection, run, deliver)

        self._database.transact(work)

    def approvals(self, run: str) -> tuple[StoredApproval, ...]:
        """Return the approvals of the run, oldest first."""
        statement = (
            sa.select(APPROVALS.c.digest, APPROVALS.c.text, APPROVALS.c.signature)
            .where(APPROVALS.c.run == run)
            .order_by(APPROVALS.c.added_at)
        )
        rows = self._database.execute(lambda connection: connection.execute(statement).all())
        return tuple(StoredApproval(*row) for row in rows)

    def state(self) -> FleetState:
        """Return the state that the operators have set for the whole fleet."""
        statement = sa.select(FLEET.c.state)
        found = self._database.execute(lambda connection: connection.execute(statement).scalar())
        return FleetState(found) if found is not None else FleetState.RUNNING

    def set_state(self, state: FleetState, who: str) -> None:
        """Set *state* for the whole fleet, in the name of *who*."""
        values = {"state": state, "changed_by": who, "changed_at": database_now()}
        statement = (
            postgresql.insert(FLEET)
            .values(single=True, **values)
            .on_conflict_do_update(index_elements=[FLEET.c.single], set_=values)
        )
        self._database.execute(lambda connection: connection.execute(statement))


def _shows_outage() -> sa.ColumnElement[bool]:
    """Return the condition that the journal of the run has an outage that has not ended."""

    def last(record: type[OutageBegan | OutageEnded]) -> sa.ScalarSelect[int]:
        tag = record.__struct_config__.tag
        lines = sa.and_(LINES.c.run == RUNS.c.id, LINES.c.line.contains(f'"{tag}"'))
        return sa.select(sa.func.max(LINES.c.seq)).where(lines).scalar_subquery()

    return last(OutageBegan) > sa.func.coalesce(last(OutageEnded), -1)


def _new_row(given: NewRun) -> dict[str, object]:
    """Return the values of the row of a new run."""
    plan, at = given.plan, given.at
    return {
        "id": plan.migration,
        "plan": given.text,
        "fingerprint": plan.fingerprint,
        "account": plan.account,
        "region": plan.region,
        "role": at.role,
        "profile": at.profile,
        "campaign": at.campaign,
        "member": at.member,
        "progress": MemberState.WAITING,
        "trouble": "",
        "terms": _written(given.terms),
        "holder": given.holder,
        "goal": RunGoal.NOTHING,
        "wake": 0,
        "served": 0,
        "fence": 0,
        "outage": False,
        "lines": 0,
        "head": genesis(plan.migration),
        "added_at": database_now(),
    }


def put_run(connection: Connection, given: NewRun) -> None:
    """Add a run of a campaign, or renew its plan and place, in the transaction of *connection*.

    The terms of a run that was started are kept.
    """
    insert = postgresql.insert(RUNS).values(_new_row(given))
    new = insert.excluded
    waits = RUNS.c.goal == RunGoal.NOTHING
    renewed = {
        **{name: new[name] for name in ("plan", "fingerprint", "role", "profile")},
        **{name: new[name] for name in ("campaign", "member")},
        "terms": sa.case((waits, new.terms), else_=RUNS.c.terms),
    }
    connection.execute(insert.on_conflict_do_update(index_elements=[RUNS.c.id], set_=renewed))


def remove_run(connection: Connection, run: FleetRun) -> None:
    """Take *run* out of its campaign: one that has not begun is deleted, another one is kept.

    Raises:
        RefusedError: A worker has just begun it; then nothing is changed.
    """
    if run.has_begun:
        alone = {"campaign": None, "member": ""}
        connection.execute(sa.update(RUNS).where(RUNS.c.id == run.id).values(alone))
        return
    # Locked: a worker that takes its lease afterwards finds no run, and one with a lease has begun.
    waits = (RUNS.c.id == run.id, RUNS.c.lines == 0, RUNS.c.lease_owner.is_(None))
    if connection.execute(sa.select(RUNS.c.id).where(*waits).with_for_update()).first() is None:
        raise RefusedError(
            f"a worker has just begun run {run.id}; nothing was changed",
            advice=("to see what it does:", cli("fleet", "status", run.id)),
        )
    for table in (APPROVALS, MESSAGES):
        connection.execute(sa.delete(table).where(table.c.run == run.id))
    connection.execute(sa.delete(RUNS).where(RUNS.c.id == run.id))


def _another_plan(known: FleetRun, plan: Plan) -> RefusedError:
    """Return the refusal of *plan* for the run that is *known* with another one."""
    lead = f"run {known.id} is in the database with another plan ({known.fingerprint[:12]}, not "
    message = f"{lead}{plan.fingerprint[:12]})"
    if known.campaign is not None:
        return RefusedError(
            f"{message}, and is {known.member} of campaign {known.campaign}",
            advice="start the file of the campaign, which has the plan beside it",
        )
    if known.state_of_plan is MemberState.STAGED:
        return RefusedError(
            f"{message}, and is staged; the rollback before a new plan interrupts nothing",
            advice=cli("fleet", "rollback", known.id),
        )
    return RefusedError(
        f"{message}, and is {known.state_of_plan}",
        advice=("see what it does:", cli("fleet", "status", known.id)),
    )


def start_run(
    connection: Connection,
    run: str,
    goal: RunGoal,
    deliver: Deliver,
    terms: RunTerms | None = None,
) -> None:
    """Start *run*, for workers to take to *goal*, in the transaction of *connection*.

    A run that was started already is woken.  Its terms are kept if *terms* is None.  An order that
    waits for a slot is replaced.
    """
    given = {} if terms is None else {"terms": _written(terms)}
    values = {"goal": goal, "ordered": None, **given}
    connection.execute(sa.update(RUNS).where(RUNS.c.id == run).values(values))
    wake_run(connection, run, deliver)


def order_run(connection: Connection, run: str, order: WaitingOrder | None) -> None:
    """Write *order*, which waits for a slot of *run*; None withdraws the one that waits."""
    ordered = None if order is None else _written(order)
    connection.execute(sa.update(RUNS).where(RUNS.c.id == run).values(ordered=ordered))


def _written(given: Struct) -> str:
    return msgspec.json.encode(given).decode()
