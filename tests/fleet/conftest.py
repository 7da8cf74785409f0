"""A PostgreSQL server for all tests of a process, and a database with the schema for each."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MEMORY
from tests.fleet.virtual_worker import VirtualFleet
from tests.support.postgres import PostgresServer, a_postgres_server
from vpnmigrate.cli.fleet_worker import upgrade_database
from vpnmigrate.cli.main import run_command
from vpnmigrate.fleet.database.address import DatabaseAddress, address_from
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.local.settings import DATABASE_VARIABLE

TEMPLATE = "template_fleet"


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """A server whose template has the schema."""
    with a_postgres_server(MEMORY if MEMORY.is_dir() else None) as server:
        server.run(f"CREATE DATABASE {TEMPLATE}")
        template = Database(address_from(server.url(TEMPLATE)))
        upgrade_database(template)
        template.close()
        yield server


@pytest.fixture
def address(server: PostgresServer) -> Iterator[DatabaseAddress]:
    """The address of a new database with the schema."""
    name = f"fleet_{secrets.token_hex(6)}"
    server.run(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
    yield address_from(server.url(name))
    server.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(address: DatabaseAddress) -> Iterator[Database]:
    """Connections to a new database."""
    opened = Database(address)
    yield opened
    opened.close()


Fleet = Callable[..., Any]


@pytest.fixture
def fleet(
    address: DatabaseAddress,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Fleet:
    """Run ``vpnmigrate fleet WORDS --json`` on the database, and return what it prints."""
    monkeypatch.setenv(DATABASE_VARIABLE, address.libpq)

    def run(*words: str, leaves: int = 0) -> Any:
        code = run_command(["fleet", *words, "--json"])
        output = capsys.readouterr()
        assert code == leaves, output.err
        return json.loads(output.out)

    return run


@pytest.fixture
def virtual_fleet(
    tmp_path: Path,
    address: DatabaseAddress,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> VirtualFleet:
    """A terminal in an empty directory, with a sandbox and a worker."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(DATABASE_VARIABLE, address.libpq)
    return VirtualFleet(tmp_path, database, capsys)
