"""Drivers at the command line: ``device driver``, and ``done`` while a driver is at work."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.cli.terminal import Ran, Unattended
from tests.cli.test_commit_confirm import EventClock
from tests.cli.test_devices import GRAZ, MUNICH, TWO_SITES
from tests.support.drivers import DriverScript
from vpnmigrate.cli.sandbox_dependencies import SandboxDependencies
from vpnmigrate.engine.ports import DeviceDrivers
from vpnmigrate.journal import replay
from vpnmigrate.journal.record_base import DeviceConfirmed, DriverAnswered, DriverCalled
from vpnmigrate.local.journal_file import read_journal
from vpnmigrate.local.run_directory import Runs
from vpnmigrate.model.device_drivers import DriverVerb
from vpnmigrate.sandbox.device_drivers import DriverFault, DriverFaultKind

PLAYBOOK = """
name: driven
summary: A driver for each device.
decisions:
  drivers: {default: {kind: command, command: [/bin/true]}}
"""


class Driven(SandboxDependencies):
    """Dependencies of commands on a world whose devices have drivers."""

    def __init__(self, world, script: DriverScript) -> None:
        super().__init__(world)
        self.script = script

    def drivers(self, run, plan, vault, log) -> DeviceDrivers | None:
        return self.script.drivers()


class DrivenUnattended(Driven, Unattended):
    """The same without an engineer at the other devices."""


@pytest.fixture
def run(terminal) -> str:
    """Return the id of a run that has migrated with drivers."""
    terminal.parts = Driven(terminal.world, DriverScript(terminal.world, terminal.connections))
    (terminal.place / "driven.yaml").write_text(PLAYBOOK, encoding="utf-8")
    found: str = terminal.planned("--playbook", "driven.yaml")
    assert terminal.run("apply", "plan.json").code == 0
    return found


def entries_of(terminal, run):
    return read_journal(Runs(terminal.place / "home" / "runs").find(run)).entries


def test_it_shows_what_the_driver_reports(terminal, run):
    """The state of the device is shown, and neither journal nor device changes."""
    (site,) = terminal.connections
    before = entries_of(terminal, run)
    shown = terminal.run("device", "driver", run, site)
    document = terminal.run("device", "driver", run, site, "--json").document

    assert (shown.code, shown.err) == (0, "")
    assert "done after 10 s, new tunnels enabled, old tunnels disabled" in shown.out
    assert (document["verb"], document["new"], document["old"]) == ("status", "enabled", "disabled")
    assert entries_of(terminal, run) == before


def test_tunnels_are_removed_once_no_run_needs_them(terminal, run):
    """Before the end of a rollback or finalize it is refused; then it is in the journal."""
    (site,) = terminal.connections
    refused = terminal.run("device", "driver", run, site, "--remove")
    assert (refused.code, refused.out) == (4, "")
    assert "no tunnels are removed before finalize" in refused.err

    assert terminal.run("rollback", run).code == 0
    assert "new tunnels absent" in terminal.run("device", "driver", run, site, "--remove").out
    *_, called, answered = (entry.record for entry in entries_of(terminal, run))
    assert isinstance(called, DriverCalled)
    assert isinstance(answered, DriverAnswered)
    assert (called.verb, answered.reached) == (DriverVerb.REMOVE, True)


def test_after_finalize_the_old_tunnels_are_removed(terminal, run):
    """Finalize has deleted the old connection, so the old tunnels are of no use."""
    (site,) = terminal.connections
    assert terminal.run("finalize", run, "--confirm", site).code == 0
    assert "old tunnels absent" in terminal.run("device", "driver", run, site, "--remove").out

    state = replay(entries_of(terminal, run))
    assert state.finished


def test_a_driver_that_fails_is_an_error(terminal, run):
    """Its message is the error, with the command for an engineer."""
    (site,) = terminal.connections
    terminal.parts.script.faults[DriverVerb.STATUS] = [DriverFault(DriverFaultKind.REFUSED)]
    failed = terminal.run("device", "driver", run, site)

    assert failed.code == 1
    assert "the device refuses" in failed.err
    assert f"vpnmigrate device config {run} --site {site}" in failed.err


def test_a_device_without_a_driver_has_an_engineer(terminal):
    """Without a driver in the plan the error names the commands for the engineer."""
    run = terminal.planned()
    assert terminal.run("apply", "plan.json").code == 0
    (site,) = terminal.connections
    refused = terminal.run("device", "driver", run, site)

    assert refused.code == 2
    assert "has no driver in the plan" in refused.err


@pytest.mark.parametrize(
    ("load", "step", "is_open"),
    [
        ([DriverFaultKind.SLOW], 6, []),
        ([DriverFaultKind.HANGS, DriverFaultKind.REFUSED], 5, [MUNICH]),
    ],
    ids=["its driver reports it too", "its driver gives up"],
)
def test_done_speaks_for_the_devices_that_wait_for_people(terminal, load, step, is_open):
    """Without a site it confirms none whose driver is at work, and the run waits for that one."""
    Path("two.yaml").write_text(TWO_SITES, encoding="utf-8")
    terminal.scenario("two.yaml")
    playbook = PLAYBOOK.replace("default", "cgw-0a400000000000001")
    Path("driven.yaml").write_text(playbook, encoding="utf-8")
    run = terminal.planned("--playbook", "driven.yaml")
    faults = {DriverVerb.LOAD: [DriverFault(kind) for kind in load]}
    script = DriverScript(terminal.world, terminal.connections, faults)
    typed: list[tuple[Ran, list[str]]] = []

    def done() -> None:
        typed.append((terminal.run("done", run, "5", "--json"), list(script.verbs)))

    terminal.parts = DrivenUnattended(terminal.world, script)
    terminal.parts.clock = clock = EventClock(terminal.clock, done)
    clock.at = terminal.clock.now() + timedelta(minutes=4)
    assert terminal.run("apply", "plan.json", "--until", "cutover").code == (3 if is_open else 0)

    ((ran, so_far),) = typed
    assert so_far == ["status", "load"]
    assert (ran.document["connections"], ran.document["open"]) == ([GRAZ], [MUNICH])
    confirmed = [
        e.record for e in entries_of(terminal, run) if isinstance(e.record, DeviceConfirmed)
    ]
    assert [record.connection for record in confirmed] == [GRAZ]
    status = terminal.status(run)
    assert status["step"] == step
    assert [each["connection"] for each in status["devices"] if not each["done"]] == is_open
