"""Restores of the database from an earlier backup: AWS knows more of a run than its journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fleet.database_runs import undelivered
from tests.fleet.virtual_worker import VirtualFleet
from tests.support.postgres import PostgresServer
from vpnmigrate.aws.account import Account
from vpnmigrate.engine.journal_age import unknown_to_journal
from vpnmigrate.fleet.database.address import DatabaseAddress
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.journal import stored_journal
from vpnmigrate.fleet.database.schema import RunGoal
from vpnmigrate.journal import replay
from vpnmigrate.journal.records import Intended, Record
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.carry_over import successor_asn
from vpnmigrate.model.changes import Creation
from vpnmigrate.model.ec2 import Tag
from vpnmigrate.model.plan import GATEWAY_ROLE
from vpnmigrate.sandbox.client.direct import DirectClients

OLDER = "is older than the run, as after a restore"


@pytest.fixture
def fleet(virtual_fleet: VirtualFleet) -> VirtualFleet:
    """A terminal in an empty directory, with a sandbox and a worker."""
    return virtual_fleet


class Backup:
    """A backup of the database of a test, made with ``pg_dump``."""

    def __init__(
        self, server: PostgresServer, database: Database, address: DatabaseAddress
    ) -> None:
        self._server = server
        self._database = database
        self._name = str(address.url.database)
        self._file = server.dump(self._name)

    def restore(self) -> None:
        """Restore it, with every worker and operator disconnected."""
        self._database.close()
        self._server.restore(self._name, self._file)


@pytest.fixture
def prepared(fleet: VirtualFleet) -> str:
    """A run that a worker has prepared for its cutover."""
    run = fleet.planned()
    fleet.type("start", "plan.json", "--prepare")
    fleet.work(run)
    return run


@pytest.fixture
def backup(
    prepared: str, server: PostgresServer, database: Database, address: DatabaseAddress
) -> Backup:
    """A backup from the time when the run was prepared."""
    del prepared
    return Backup(server, database, address)


@pytest.mark.parametrize("goal", [RunGoal.CUTOVER, RunGoal.ROLLBACK])
def test_a_run_that_had_not_begun_in_the_backup_is_refused(
    fleet: VirtualFleet,
    database: Database,
    server: PostgresServer,
    address: DatabaseAddress,
    goal: RunGoal,
) -> None:
    """It was cut over since then: a worker sends nothing, and names the next command."""
    run = fleet.planned()
    fleet.type("start", "plan.json")
    backup = Backup(server, database, address)
    fleet.work(run)
    assert fleet.status(run) == "cut over (attempt 1)"
    changes = fleet.terminal.world.changed()

    backup.restore()
    fleet.runs.start(run, goal, undelivered)
    fleet.move()
    end = fleet.work(run)

    assert OLDER in end.trouble
    assert "has the claim tag of this run" in end.trouble
    assert f"--run-dir NEW --take-over {fleet.row(run).holder}" in end.trouble
    assert fleet.terminal.world.changed() == changes
    assert "older than the run" in fleet.type("status", run).out


def test_a_staged_run_of_the_backup_does_not_cut_over_twice(
    fleet: VirtualFleet, prepared: str, backup: Backup
) -> None:
    """Its journal knows the new gateway, and AWS shows that in the place of the old one."""
    fleet.type("start", prepared)
    fleet.work(prepared)
    changes = fleet.terminal.world.changed()

    backup.restore()
    fleet.type("start", prepared)
    fleet.move()
    end = fleet.work(prepared)

    assert "is attached to" in end.trouble
    assert fleet.terminal.world.changed() == changes


def test_a_worker_that_knows_a_longer_journal_refuses_a_shorter_one(
    fleet: VirtualFleet, prepared: str, backup: Backup
) -> None:
    """Also where AWS shows nothing of the lost lines, such as after a rollback."""
    fleet.type("rollback", prepared)
    fleet.work(prepared)
    fleet.type("start", prepared, "--prepare")
    fleet.work(prepared)

    backup.restore()
    fleet.type("rollback", prepared)
    end = fleet.work(prepared)

    assert OLDER in end.trouble


def test_what_has_not_changed_since_the_backup_continues(
    fleet: VirtualFleet, prepared: str, backup: Backup
) -> None:
    """AWS shows no more than the journal, on any worker."""
    backup.restore()
    fleet.type("start", prepared)
    fleet.move()
    fleet.work(prepared)

    assert fleet.status(prepared) == "cut over (attempt 1)"


def test_tags_on_what_another_principal_has_created_stop_no_rollback(
    fleet: VirtualFleet,
) -> None:
    """Traffic of a migrated run may have to be restored; another run of the fleet is refused."""
    run = fleet.planned()
    fleet.type("start", "plan.json")
    fleet.work(run)
    plan = fleet.runs.plan(run)[0]
    tags = {Tag.MIGRATION: run, Tag.ATTEMPT: "1", Tag.ROLE: GATEWAY_ROLE}
    given = {
        "Type": "ipsec.1",
        "AmazonSideAsn": successor_asn(plan.decisions, plan.before.gateway),
        "TagSpecifications": [
            {
                "ResourceType": "vpn-gateway",
                "Tags": [{"Key": key.value, "Value": value} for key, value in tags.items()],
            }
        ],
    }
    fleet.terminal.world.execute("ec2", "CreateVpnGateway", given)

    fleet.move()
    fleet.runs.start(run, RunGoal.CUTOVER, undelivered)
    assert OLDER in fleet.work(run).trouble
    fleet.type("rollback", run, "--yes")
    fleet.work(run)

    assert fleet.status(run) == "rolled back (attempt 1)"


def test_every_earlier_end_of_a_journal_is_found_until_its_cutover(
    fleet: VirtualFleet, prepared: str, database: Database, tmp_path: Path
) -> None:
    """A whole journal is never refused, nor one that ends with an unanswered call."""
    run = prepared
    begin = len(stored_journal(database, run).contents().entries)
    clients = DirectClients(fleet.terminal.world)
    account, plan = Account(clients, fleet.terminal.clock, Vault(tmp_path)), fleet.runs.plan(run)[0]

    def found(ended: int) -> tuple[str, ...]:
        entries = stored_journal(database, run).contents().entries
        state, holder = replay(entries[:ended]), fleet.row(run).holder
        return unknown_to_journal(account.observe(plan), plan, state, holder)

    entries = stored_journal(database, run).contents().entries
    intents = [entry.seq for entry in entries if is_creation(entry.record)]
    # From each intent on, the journal accounts for what the call has made.
    assert all(found(ended) for ended in range(intents[-1] - 1))
    assert not any(found(ended) for ended in range(intents[-1], begin + 1))

    fleet.type("start", run)
    fleet.work(run)
    entries = stored_journal(database, run).contents().entries
    begun = next(n for n in range(begin, len(entries)) if replay(entries[:n]).cutover_begun)
    assert all(found(ended) for ended in range(begun))
    assert not any(found(ended) for ended in range(begun, len(entries) + 1))


def is_creation(record: Record) -> bool:
    """Return whether *record* is the intent of a call that creates a resource."""
    return isinstance(record, Intended) and isinstance(record.change, Creation)
