"""The demo, as a new user sees it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.e2e.shells import PATIENCE, Keyboard
from tests.support.builders import NOON
from vpnmigrate.journal.history import OutagePeriod
from vpnmigrate.model.plan import Direction
from vpnmigrate.report.demo import DemoCommand, closing

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The output of ``vpnmigrate demo --json``, played once for all tests."""
    home = tmp_path_factory.mktemp("home")
    ended = subprocess.run(
        [sys.executable, "-m", "vpnmigrate", "demo", "--json"],
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": str(home), "PYTHONPATH": str(ROOT)},
        cwd=home,
    )
    assert ended.returncode == 0, ended.stderr
    assert list(home.iterdir()) == []
    return json.loads(ended.stdout)["scenes"]


def test_tells_the_whole_story(demo):
    """Planned, rehearsed, applied, killed, resumed, rolled back, applied again."""
    verbs = [scene["command"].split()[1] for scene in demo]

    assert verbs == [
        "plan",
        "rehearse",
        "apply",
        "status",
        "apply",
        "rollback",
        "apply",
        "finalize",
        "status",
    ]
    assert [scene["exit"] for scene in demo] == [0, 0, None, 0, 0, 0, 0, 2, 0]


def test_the_killed_run_leaves_traffic_down_and_the_next_brings_it_back(demo):
    """The failure is real: traffic is down, and the printed command ends the outage."""
    _, _, _, status, resumed, *_ = demo

    assert "NONE: on-premises traffic is DOWN" in status["printed"]
    assert resumed["command"] in status["printed"]
    assert "OUTAGE ENDED" in resumed["printed"]
    assert "  attach " not in resumed["printed"]


def test_nothing_of_this_machine_shows(demo):
    """The output fits into a README."""
    printed = "".join(scene["printed"] for scene in demo)

    assert "/tmp" not in printed
    claim = 'set the claim tag on vgw-0a100000000000001 "production-classic" for ann@laptop'
    assert claim in " ".join(printed.split())
    assert "Traceback" not in printed


def test_it_ends_with_what_was_seen():
    """The summary has the killed process and each outage of the run."""
    minute = timedelta(minutes=1)
    outages = (
        OutagePeriod(NOON, Direction.FORWARD, 2 * minute, over=True, earlier=False),
        OutagePeriod(NOON + 9 * minute, Direction.ROLLBACK, minute, over=True, earlier=False),
    )
    killed = DemoCommand(1, "", "vpnmigrate apply", "", None, minute)
    last = DemoCommand(2, "", "vpnmigrate status", "", 0, minute, outages)

    shown = closing([killed, last])

    assert "2, 1 process killed in the outage" in shown
    assert "2 min in the cutover of 12:00:00Z" in shown
    assert "1 min in the rollback of 12:09:00Z" in shown


@pytest.mark.parametrize("also", [(), ("--fast",), ("--json",)])
def test_steps_need_a_terminal(terminal, also):
    """Without a terminal an operator cannot press Enter, so no command runs."""
    ran = terminal.run("demo", "--step", *also)

    assert ran.code == 2
    assert "needs a terminal" in " ".join((ran.err + ran.out).split())


def test_on_a_terminal_it_waits_for_enter_and_shows_the_commands_own_output(tmp_path):
    """With --step the first command runs after Enter; Ctrl-C leaves nothing behind."""
    person, terminal = pty.openpty()
    place = tmp_path / "tmp"
    place.mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "vpnmigrate", "demo", "--step"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={"HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "TERM": "xterm", "TMPDIR": str(place)},
        cwd=tmp_path,
        start_new_session=True,
    ) as process:
        try:
            os.close(terminal)
            keyboard = Keyboard(person)
            keyboard.wait_for("(Enter runs it)")
            assert "NEXT" not in keyboard.output
            keyboard.type("\n")
            assert "NEXT" in keyboard.wait_for("(exit code 0")
            keyboard.wait_for("(Enter runs it)")
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE)
        finally:
            process.kill()
            os.close(person)
    assert process.returncode != 0
    assert list(place.iterdir()) == []
