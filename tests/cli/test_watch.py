"""``status --watch``: the screen of a run from another terminal, and its exit code."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest

from vpnmigrate.cli.main import run_command
from vpnmigrate.local.live_view import LiveFile
from vpnmigrate.local.lock import acquire_lock
from vpnmigrate.local.run_directory import Runs
from vpnmigrate.local.settings import settings_of
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults, Killed


class TestEnds:
    def test_with_the_run_and_its_exit_code(self, terminal):
        """The exit code is that of the run: 0 for staged, and for done."""
        migration = terminal.planned()
        terminal.run("apply", "plan.json", "--until", "cutover")
        held = terminal.run("status", "--watch", migration)
        terminal.run("apply", migration)
        done = terminal.run("status", "--watch", migration, "--json")

        assert held.code == 0
        assert "status" in held.out
        assert done.code == 0
        assert done.document["run"] == migration
        assert "forward: finished" in done.err

    def test_one_that_turned_back_failed_and_one_that_was_sent_back_did_not(self, terminal):
        """Rolled back by the policy: 1, as apply exits; rolled back by the operator: 0."""
        (terminal.place / "p.yaml").write_text(
            "name: p\nsummary: s\ndecisions: {back_out: rollback}\n"
        )
        words = ("--vpn-gateway", terminal.gateway, "--playbook", "./p.yaml", "-o", "plan.json")
        terminal.run("plan", *words)
        terminal.inject(Faults([Fault("AttachVpnGateway", FaultKind.DENIED)]))
        applied = terminal.run("apply", "plan.json", "--json")
        run = applied.document["run"]["run"]
        turned_back = terminal.run("status", "--watch", run)
        terminal.run("rollback", run)
        sent_back = terminal.run("status", "--watch", run)

        assert (applied.code, turned_back.code, sent_back.code) == (1, 1, 0)

    def test_when_a_process_died_with_traffic_down_somebody_must_act(self, terminal):
        """No process is working and the outage is open: 5, as for a stuck run."""
        migration = terminal.planned()
        terminal.inject(Faults([Fault("AttachVpnGateway", FaultKind.KILL_AFTER)]))
        with pytest.raises(Killed):
            terminal.run("apply", "plan.json")

        assert terminal.run("status", "--watch", migration).code == 5

    def test_a_run_has_to_be_named_unless_one_is_at_work(self, terminal):
        """Without a name the only active run is watched; without one it is a usage error."""
        terminal.planned()

        ran = terminal.run("status", "--watch")

        assert ran.code == 2
        assert "vpnmigrate status --watch RUN" in ran.err


class CtrlCClock(VirtualClock):
    """A clock that sends Ctrl-C after three waits."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock.now())
        self._left = 3

    def sleep(self, span: timedelta) -> None:
        super().sleep(span)
        self._left -= 1
        if not self._left:
            raise KeyboardInterrupt


def test_ctrl_c_ends_the_looking_on_and_not_the_run(terminal, capsys):
    """Without a terminal entries are printed as lines; Ctrl-C gives 7, and the run continues."""
    migration = terminal.planned()
    terminal.run("apply", "plan.json", "--until", "cutover")
    found = Runs(settings_of(os.environ, None).home).find(migration)
    lock = acquire_lock(found, terminal.clock, terminal.parts.me, None)
    live = LiveFile(found, terminal.clock)
    live.on_wait(8, "vgw-1 is detaching", timedelta(seconds=22), timedelta(minutes=45))
    capsys.readouterr()
    terminal.parts.clock = CtrlCClock(terminal.clock)
    try:
        code = run_command(["status", "--watch"], terminal.parts)
    finally:
        lock.release()

    output = capsys.readouterr().err
    assert code == 7
    assert "step 8 waits 22 s of 45 min: vgw-1 is detaching" in output
    assert f"run {migration} continues" in output
    assert f"vpnmigrate status --watch {migration}" in output
