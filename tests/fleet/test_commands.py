"""Commands that are printed for runs in a database: each works when it is pasted."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal, Unattended
from tests.cli.test_pasted_commands import printed_commands, require_parsed
from tests.fleet.database_campaigns import a_command_context
from tests.fleet.database_runs import acquired
from vpnmigrate.cli.fleet_session import FleetSessions
from vpnmigrate.cli.invocation import invocation_of
from vpnmigrate.cli.options import AwsOptions
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.runs import FleetRuns
from vpnmigrate.fleet.worker import StopOrder
from vpnmigrate.local.settings import DATABASE_VARIABLE
from vpnmigrate.model.errors import Exit
from vpnmigrate.model.errors.commands import cli, one_line
from vpnmigrate.model.errors.fleet_commands import FleetInvocation, fleet_command

ADDRESS = "postgresql://ann@db.example/fleet?sslmode=verify-full"
IN_DATABASE = FleetInvocation(run_dir="/runs", region="eu-west-1", database=ADDRESS)


@pytest.mark.parametrize(
    ("local", "fleet"),
    [
        ("done m-1 5 --connection hq", "fleet done m-1 5 --connection hq"),
        ("status m-1 --gates", "fleet status m-1"),
        ("status --watch m-1", "fleet status m-1"),
        ("pause m-1", "fleet pause m-1"),
        ("continue m-1", "fleet resume m-1"),
        ("abort m-1", "fleet abort m-1"),
        ("confirm m-1", "fleet confirm m-1"),
        ("apply m-1", "fleet start m-1"),
        ("apply m-1 --yes", "fleet start m-1"),
        ("apply m-1 --until cutover", "fleet start m-1 --prepare"),
        ("apply m-1 --step --approval mine.json", "fleet start m-1 --approval mine.json"),
        ("apply m-1 --force window --reason TEXT", "fleet start m-1 --force window --reason TEXT"),
        ("apply m-1 --confirm-within off", "fleet start m-1 --confirm-within off"),
        ("rollback m-1 --keep-new", "fleet rollback m-1 --keep-new"),
        ("finalize m-1 --confirm vpn-1", "fleet finalize m-1 --confirm vpn-1"),
        (
            "continue m-1 --accept-degraded vpn-1 --reason TEXT",
            "fleet resume m-1 --accept-degraded vpn-1 --reason TEXT",
        ),
        ("rehearse plan.json", "rehearse plan.json"),
        ("approve plan.json", "approve plan.json"),
        ("fleet status m-1", "fleet status m-1"),
        ("apply --help", "apply --help"),
    ],
)
def test_a_command_has_its_equivalent(local: str, fleet: str) -> None:
    """It has the same meaning, and the program parses it."""
    found = fleet_command(cli(*local.split()))

    assert found == cli(*fleet.split())
    require_parsed(found.words)


@pytest.mark.parametrize(
    "local",
    ["apply m-1 --adopt vgw-1", "plan --from m-1", "report m-1", "device sheet m-1 hq"],
)
def test_a_command_without_an_equivalent_is_not_printed(local: str) -> None:
    """Advice says that there is none; where only a command fits, it is the status."""
    command = cli(*local.split())

    assert fleet_command(command) is None
    said = IN_DATABASE.advise(("next:", command))
    assert "vpnmigrate" not in one_line(said)
    require_parsed(IN_DATABASE.complete(command).words)


def test_resume_alone_takes_a_run_up() -> None:
    """On one machine, a process has to be started after the order."""
    paused = cli("continue", "m-1").and_then(cli("apply", "m-1"))

    assert str(IN_DATABASE.complete(paused)) == (
        f"vpnmigrate fleet resume m-1 --database '{ADDRESS}'"
    )


@pytest.mark.parametrize(
    ("given", "variable", "printed"),
    [
        (ADDRESS, "", f"--database '{ADDRESS}'"),
        ("postgresql://ann:secret@db/fleet", "", "--database postgresql://ann@db/fleet"),
        ("postgresql://ann@db/fleet?password=secret", "", "--database postgresql://ann@db/fleet"),
        (None, ADDRESS, f"--database '{ADDRESS}'"),
        (None, "postgresql://ann:secret@db/fleet", ""),
    ],
)
def test_a_password_is_in_no_printed_command(
    given: str | None, variable: str, printed: str
) -> None:
    """With a password in the variable, the new terminal needs that variable too."""
    options = {"database": given, "database_file": None}
    invocation = invocation_of(options, {DATABASE_VARIABLE: variable}, "/here")

    text = str(invocation.complete(cli("status", "m-1")))

    assert text == f"vpnmigrate fleet status m-1 {printed}".rstrip()


def test_a_file_with_the_address_is_named_from_any_folder() -> None:
    """Its name is complete."""
    options = {"database": None, "database_file": Path("address")}
    invocation = invocation_of(options, {}, "/here")

    completed = invocation.complete(cli("status", "m-1"))

    assert completed == cli("fleet", "status", "m-1", "--database-file", "/here/address")


class Reachable(Unattended):
    """A world without an engineer, whose commands are printed as those of an ordinary process."""

    reachable = True


@pytest.fixture
def machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Terminal:
    """The machine of an operator, with a plan for a sandbox without an engineer."""
    monkeypatch.chdir(tmp_path)
    found = Terminal(tmp_path, capsys)
    found.parts = Reachable(found.world)
    return found


def session(machine: Terminal, database: Database, run: str, home: Path) -> None:
    """Work on *run* until it waits, as a worker with *home* does."""
    given = {"database": str(database.address), "database_file": None, "run_dir": home}
    context = replace(
        a_command_context(home),
        dependencies=machine.parts,
        invocation=invocation_of(given, {}, str(home)),
    )
    lease = acquired(database, run=run)
    row = FleetRuns(database).find(run)
    lease.release(FleetSessions(context, database, AwsOptions()).work(row, lease, StopOrder()))


def test_every_command_of_a_run_in_a_database_can_be_pasted(
    machine: Terminal,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The log of a worker, the status and refusals name the database, and no verb of a machine."""
    address = str(database.address)
    monkeypatch.setenv(DATABASE_VARIABLE, address)
    run, home = machine.planned(), tmp_path / "worker"
    texts: list[str] = []

    def typed(*words: str) -> None:
        ran = machine.run("fleet", *words)
        texts.extend((ran.out, ran.err))

    def worked() -> None:
        session(machine, database, run, home)
        log = capsys.readouterr().err
        # Each line of a log has the id of its run before it, so a folded command is useless there.
        assert "\\\n" not in log
        texts.append(log)

    typed("start", "plan.json")
    for _ in range(2):  # Step 5 at the devices, then the gates or the first task of step 10.
        worked()
        for order in (("status", run), ("confirm", run), ("done", run, "7"), ("done", run, "5")):
            typed(*order)
    typed("abort", run)
    worked()
    typed("status", run)

    printed = (each for text in texts for each in printed_commands(text))
    found = [tuple(shlex.split(each.replace("\\\n", " "))) for each in printed]
    assert ("vpnmigrate", "fleet", "done", run, "5", "--database", address) in found
    for words in found:
        assert words[1] == "fleet"
        assert words[-2:] == ("--database", address)
        require_parsed(words)


def test_a_worker_s_copy_is_not_worked_on_without_its_journal(
    machine: Terminal, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks like a run that has not begun, and has the holder of the run in the database."""
    monkeypatch.setenv(DATABASE_VARIABLE, str(database.address))
    run, home = machine.planned(), tmp_path / "worker"
    machine.run("fleet", "start", "plan.json")
    session(machine, database, run, home)
    changes = machine.world.changed()

    for words in (("apply", run), ("rollback", run), ("done", run, "5"), ("status", run)):
        ran = machine.run(*words, "--run-dir", str(home))

        assert ran.code == Exit.REFUSED
        assert "worker's copy" in ran.err
        assert f"vpnmigrate fleet status {run}" in ran.err
    assert machine.world.changed() == changes


def test_a_worker_s_host_names_the_command_that_shows_its_runs(
    machine: Terminal, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its copies are no damaged runs: the table of runs and ``doctor`` report success.

    The campaign's file alone shows nothing, because members without a copy would look startable.
    """
    address = str(database.address)
    monkeypatch.setenv(DATABASE_VARIABLE, address)
    run, home = machine.planned(), tmp_path / "worker"
    machine.run("fleet", "start", "plan.json")
    session(machine, database, run, home)
    monkeypatch.delenv(DATABASE_VARIABLE)
    here = ("--run-dir", str(home))

    listed = machine.run("status", *here)
    document = machine.run("status", *here, "--json").document
    found = machine.run("doctor", *here, "--json").document["checks"]

    shown = str(cli("fleet", "status", run, "--database", address))
    assert (listed.code, "CANNOT BE READ" in listed.out) == (0, False)
    assert shown in " ".join(listed.out.replace("\\\n", " ").split())
    assert document["in_database"] == [{"run": run, "database": address, "next": shown}]
    assert (document["runs"], document["unreadable"]) == ([], [])
    assert [each["verdict"] for each in found if each["name"] == "runs of a fleet"] == ["OK"]
