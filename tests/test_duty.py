"""The post of a watchdog: one at a time, and everybody can tell whether it is taken."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.builders import a_run
from vpnmigrate.duty import on_duty, watchdog_of
from vpnmigrate.errors import LockedError

KEEPS = """
import os, sys, time
from pathlib import Path
from vpnmigrate.duty import on_duty
from vpnmigrate.rundir import Run
with on_duty(Run(Path(sys.argv[1])), os.getpid()):
    print("at its post", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def run(tmp_path):
    return a_run(tmp_path / "runs")


def test_the_post_names_who_holds_it(run):
    """Before, nobody; meanwhile, the process; afterwards, nobody."""
    assert watchdog_of(run) is None
    with on_duty(run, 4711):
        assert watchdog_of(run) == 4711
    assert watchdog_of(run) is None


def test_two_do_not_watch_over_one_run(run):
    """A second watchdog would go back a second time."""
    with on_duty(run, 1), pytest.raises(LockedError, match="a watchdog already"), on_duty(run, 2):
        pass


def test_a_killed_watchdog_is_none(run):
    """Its name may be left on the disk; its lock is not, even before its parent has noticed."""
    command = [sys.executable, "-c", KEEPS, str(run.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        there = watchdog_of(run)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

        assert there == process.pid
        assert watchdog_of(run) is None


def test_what_it_leaves_is_private(run):
    """Nobody else reads who watches, and over what."""
    with on_duty(run, 1):
        modes = {path.stat().st_mode & 0o077 for path in run.path.glob("watchdog*")}

    assert modes == {0}
