"""The demo, as a new user sees it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

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
    lock = 'set the lock tag on vgw-0a100000000000001 "production-classic" for ann@laptop'
    assert lock in " ".join(printed.split())
    assert "Traceback" not in printed
