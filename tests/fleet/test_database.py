"""The database of a fleet: its address, its version, and what happens while it is away."""

from __future__ import annotations

import secrets
import threading
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.util import CommandError

from tests.fleet.database_runs import acquired, opened_journal, stored_run
from tests.support.builders import MIGRATION
from tests.support.journals import OPENED
from tests.support.postgres import PostgresServer
from vpnmigrate.fleet.database.address import (
    DatabaseAddress,
    address_from,
    database_address,
)
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.journal import stored_journal
from vpnmigrate.fleet.database.schema import METADATA
from vpnmigrate.fleet.database.upgrade import upgrade
from vpnmigrate.fleet.database.version import (
    MIGRATIONS,
    latest_version,
    require_current,
    version_of,
)
from vpnmigrate.local.settings import DATABASE_FILE_VARIABLE, DATABASE_VARIABLE
from vpnmigrate.model.clock import SteadyClock
from vpnmigrate.model.errors import DatabaseError, RefusedError, UsageError
from vpnmigrate.model.redaction import Redaction

WITH_PASSWORD = "postgresql://fleet:hunter2@db.example:5433/vpn?sslmode=verify-full"
NO_MORE = "postgresql://fleet:***@db.example:5433/vpn?sslmode=verify-full"


class TestAddress:
    """Where the address comes from, and that its password is not shown."""

    def test_the_password_is_shown_nowhere_but_to_libpq(self) -> None:
        """Neither text nor representation has it, and redaction removes it from any text."""
        address = address_from(f" {WITH_PASSWORD}\n")

        assert str(address) == NO_MORE
        assert "hunter2" not in repr(address)
        assert address.libpq == WITH_PASSWORD
        assert Redaction().text(f"cannot reach {WITH_PASSWORD}, sorry") == (
            f"cannot reach {NO_MORE}, sorry"
        )
        asked = "postgresql://db/vpn?user=u&password=hunter2&x=1"
        assert "hunter2" not in Redaction().text(asked)

    @pytest.mark.parametrize("text", ["hunter2", "mysql://u:hunter2@db/x", "postgresql:hunter2"])
    def test_what_is_no_address_is_refused_without_being_quoted(self, text: str) -> None:
        """The message names the form that is expected, not the text, which may be a password."""
        with pytest.raises(UsageError) as refused:
            address_from(text)

        assert "hunter2" not in refused.value.message
        assert "postgresql://" in refused.value.advice_text

    def test_it_comes_from_option_file_or_environment_in_this_order(self, tmp_path: Path) -> None:
        """What is nearer to the command counts."""
        file = tmp_path / "url"
        file.write_text("postgresql:///file\n")
        other = tmp_path / "other"
        other.write_text("postgresql:///variable-file\n")
        variables = {
            DATABASE_VARIABLE: "postgresql:///variable",
            DATABASE_FILE_VARIABLE: str(other),
        }

        assert database_address("postgresql:///option", file, variables).url.database == "option"
        assert database_address(None, file, variables).url.database == "file"
        assert database_address(None, None, variables).url.database == "variable"
        del variables[DATABASE_VARIABLE]
        assert database_address(None, None, variables).url.database == "variable-file"
        with pytest.raises(UsageError, match="no database is named"):
            database_address(None, None, {})

    def test_the_password_of_a_printed_address_is_found_in_the_environment(self) -> None:
        """A printed command names the database without it, and works when pasted."""
        known = "postgresql://ann:hunter2@db:5433/fleet?sslmode=require"
        printed = address_from(known).without_password
        found = database_address(printed, None, {DATABASE_VARIABLE: known})

        assert found.libpq == address_from(known).libpq
        for other in (printed.replace("5433", "5434"), "postgresql://ann:other@db:5433/fleet"):
            given = database_address(other, None, {DATABASE_VARIABLE: known})
            assert given.libpq == address_from(other).libpq
        broken = database_address(printed, None, {DATABASE_VARIABLE: "no address"})
        assert broken.password is None


class TestVersion:
    """The schema is created, recognised and refused by its version."""

    def test_the_migrations_create_what_the_program_uses(self, database: Database) -> None:
        """Alembic finds no difference between the migrated schema and the tables of the program."""

        def differences(connection: sa.Connection) -> list[object]:
            ours = {"include_name": lambda name, kind, _: kind != "table" or "fleet" in name}
            options = {"version_table": "fleet_version", **ours}
            return list(
                compare_metadata(MigrationContext.configure(connection, opts=options), METADATA)
            )

        assert database.execute(differences) == []
        require_current(database)

    def test_an_empty_database_is_upgraded_and_another_version_refused(
        self, server: PostgresServer
    ) -> None:
        """A command names what to do, and an upgrade can be repeated."""
        name = f"empty_{secrets.token_hex(4)}"
        server.run(f"CREATE DATABASE {name}")
        database = Database(address_from(server.url(name)))
        assert version_of(database) is None
        with pytest.raises(RefusedError, match="no fleet yet") as refused:
            require_current(database)
        assert "fleet database upgrade" in refused.value.advice_text

        upgrade(database)
        upgrade(database)

        assert version_of(database) == latest_version()
        newer = sa.text("UPDATE fleet_version SET version_num = '9999'")
        database.execute(lambda connection: connection.execute(newer))
        with pytest.raises(RefusedError, match="newer than this program"):
            require_current(database)
        database.close()

    def test_the_tables_of_journals_are_never_removed(self, database: Database) -> None:
        """Alembic's own downgrade is refused with the reason, and the database stays as it is."""

        def work(connection: sa.Connection) -> None:
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.attributes["connection"] = connection
            command.downgrade(config, "base")

        with pytest.raises(CommandError, match=r"is not removed: .*; nothing was changed"):
            database.transact(work)

        require_current(database)


class TestAbsence:
    """What happens while PostgreSQL does not answer."""

    def test_a_writer_waits_for_a_restart(
        self, server: PostgresServer, address: DatabaseAddress
    ) -> None:
        """A record that is written while the server is away is there once it is back."""
        database = Database(address, patience=timedelta(minutes=1))
        stored_run(database)
        journal = opened_journal(database, acquired(database))
        server.stop()
        back = threading.Timer(0.5, server.start)
        back.start()

        journal.write(OPENED)

        back.join()
        entries = stored_journal(database, MIGRATION).contents().entries
        assert [entry.record for entry in entries] == [OPENED]
        database.close()

    def test_a_command_says_that_it_does_not_answer(self) -> None:
        """The message has the address without its password, and what to check."""
        database = Database(address_from("postgresql://ann:hunter2@127.0.0.1:1/fleet"))

        with pytest.raises(DatabaseError, match="has not answered") as failed:
            version_of(database)

        assert "hunter2" not in failed.value.message
        assert "PostgreSQL is running" in failed.value.advice_text

    def test_a_login_that_is_refused_is_no_absence(self, server: PostgresServer) -> None:
        """The server runs and answers, so the message says to correct the URL."""
        url = server.url("missing").replace("postgres@", "postgres:hunter2@")
        database = Database(address_from(url))

        with pytest.raises(DatabaseError, match=r"refuses .*does not exist") as no:
            version_of(database)

        assert "hunter2" not in no.value.message
        assert "is running" not in no.value.advice_text
        assert DATABASE_VARIABLE in no.value.advice_text


def test_a_password_in_the_query_is_hidden_like_another_one() -> None:
    """Libpq accepts it there."""
    address = address_from("postgresql://ann@db/fleet?password=secret&sslmode=require")

    assert address.password is not None
    assert address.password.reveal() == "secret"
    assert "secret" not in str(address)
    assert address.without_password == "postgresql://ann@db/fleet?sslmode=require"
    assert "ann:secret@db" in address.libpq


def test_the_password_of_a_client_s_key_is_hidden() -> None:
    """Only libpq gets it."""
    address = address_from("postgresql://ann@db/fleet?sslkey=ann.key&sslpassword=secret")

    assert str(address) == "postgresql://ann@db/fleet?sslkey=ann.key&sslpassword=***"
    assert address.without_password == "postgresql://ann@db/fleet?sslkey=ann.key"
    assert "sslpassword=secret" in address.libpq


def is_served(address: DatabaseAddress, process: int) -> bool:
    """Return whether *process* of the server still has its connection."""
    with psycopg.connect(address.libpq) as connection:
        found = connection.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [process])
        return found.fetchone() is not None


def test_a_transaction_that_was_held_up_is_repeated(
    database: Database, address: DatabaseAddress
) -> None:
    """The server has ended the connection and undone the transaction, for a command too."""
    tries: list[int] = []

    def work(connection: sa.Connection) -> int:
        tries.append(len(tries))
        if len(tries) == 1:
            process = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
            connection.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = '10ms'"))
            while is_served(address, process):
                SteadyClock().sleep(timedelta(milliseconds=10))
        return int(connection.execute(sa.text("SELECT 1")).scalar_one())

    assert database.transact(work) == 1
    assert len(tries) == 2
