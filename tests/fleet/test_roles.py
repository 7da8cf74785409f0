"""Roles of the database: each may do what its commands need, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.fleet.database_campaigns import StoredFleet
from tests.fleet.database_runs import CLOCK, opened_journal, stored_plan, stored_run
from tests.support.builders import MIGRATION
from tests.support.journals import OPENED
from tests.support.postgres import PostgresServer
from vpnmigrate.cli.main import run_command
from vpnmigrate.fleet.database.address import DatabaseAddress, address_from
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.leases import Lease, SessionEnd
from vpnmigrate.fleet.database.run_rows import FleetRun, WaitingOrder
from vpnmigrate.fleet.database.runs import order_run
from vpnmigrate.fleet.database.schema import RunGoal
from vpnmigrate.fleet.worker import StopOrder, Worker
from vpnmigrate.local.settings import DATABASE_VARIABLE
from vpnmigrate.model.errors import Exit

RIGHTS = Path(__file__).parents[2] / "docs/fleet-roles.sql"
ROLES = ("worker", "operator", "reader")
RUN = MIGRATION
"""A run of no campaign."""

As = Callable[[str], DatabaseAddress]


@pytest.fixture
def as_role(server: PostgresServer, address: DatabaseAddress) -> Iterator[As]:
    """Give the roles their rights in a new database; return its address for a role."""
    for role in ROLES:
        server.run(f"CREATE ROLE vpnmigrate_{role} LOGIN")
    with psycopg.connect(address.libpq, autocommit=True) as owner:
        owner.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        owner.execute(RIGHTS.read_bytes())

    def named(role: str) -> DatabaseAddress:
        url = address.url.set(username=f"vpnmigrate_{role}")
        return address_from(url.render_as_string(hide_password=False))

    yield named
    with psycopg.connect(address.libpq, autocommit=True) as owner:
        for role in ROLES:
            owner.execute(f"DROP OWNED BY vpnmigrate_{role}".encode())
            owner.execute(f"DROP ROLE vpnmigrate_{role}".encode())


def test_operators_start_runs_and_workers_work_on_them(
    as_role: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every statement of both is allowed, those of the queue too."""
    operators = Database(as_role("operator"))
    stored = StoredFleet(operators)
    stored.put(stored.stored, two=stored_plan("m-again"))
    stored_run(operators, started=False)
    monkeypatch.setenv(DATABASE_VARIABLE, as_role("operator").libpq)
    for words in (("pause",), ("resume",), ("start", RUN), ("status", RUN), ("status", "autumn")):
        assert run_command(["fleet", *words]) == Exit.DONE
    workers = Database(as_role("worker"))
    stopping = asyncio.Event()

    def session(row: FleetRun, lease: Lease, _order: StopOrder) -> SessionEnd:
        journal = opened_journal(workers, lease)
        journal.write(OPENED)
        journal.fold_inbox()
        if row.id == RUN:
            loop.call_soon_threadsafe(stopping.set)
        return SessionEnd()

    order = WaitingOrder(RunGoal.ROLLBACK)
    operators.transact(lambda connection: order_run(connection, "m-four", order))
    worker = Worker(workers, "w1", session, say=print, now=CLOCK.wall, most=1)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(asyncio.wait_for(worker.serve(stopping), 60))
    loop.close()

    assert stored.runs.find(RUN).lines == 1
    assert stored.runs.find("m-four").goal is RunGoal.ROLLBACK
    assert run_command(["fleet", "abort", RUN]) == Exit.DONE
    workers.close()
    operators.close()


def test_a_board_reads_and_orders_nothing(
    as_role: As, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    """The refusal is that of PostgreSQL."""
    StoredFleet(database)
    stored_run(database, started=False)
    monkeypatch.setenv(DATABASE_VARIABLE, as_role("reader").libpq)

    assert run_command(["fleet", "status", "autumn"]) == Exit.DONE
    for words in (("pause",), ("start", RUN)):
        assert run_command(["fleet", *words]) == Exit.FAILED


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("worker", "UPDATE fleet_journal SET line = ''"),
        ("worker", "DELETE FROM fleet_journal"),
        ("worker", "UPDATE fleet_run SET plan = ''"),
        ("worker", "INSERT INTO fleet_approval VALUES ('m-one', '', '', '', now())"),
        ("worker", "DELETE FROM fleet_run"),
        ("operator", "INSERT INTO fleet_journal VALUES ('m-one', 1, '', 1)"),
        ("operator", "UPDATE fleet_run SET fence = fence + 1"),
        ("operator", "UPDATE fleet_run SET head = ''"),
        ("operator", "DELETE FROM fleet_journal"),
        ("operator", "UPDATE fleet_message SET body = ''"),
        ("operator", "DELETE FROM pgqueuer"),
        ("reader", "UPDATE fleet_run SET goal = 'cutover'"),
        ("reader", "INSERT INTO pgqueuer (priority) VALUES (1)"),
        ("reader", "CREATE TABLE mine (x int)"),
    ],
)
def test_a_role_has_no_other_right(as_role: As, role: str, statement: str) -> None:
    """What is in a journal stays, and no role does the work of another one."""
    with (
        psycopg.connect(as_role(role).libpq) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())
