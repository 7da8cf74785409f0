"""The post of a watchdog: one at a time, and everybody can tell whether it is taken."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.builders import NOON, a_run
from vpnmigrate.errors import LockedError
from vpnmigrate.local.lock import (
    Post,
    Trouble,
    hold_watchdog_lock,
    note_trouble,
    post_of,
    watchdog_of,
)

KEEPS = """
import os, sys, time
from pathlib import Path
from vpnmigrate.local.lock import hold_watchdog_lock
from vpnmigrate.local.run_directory import Run
with hold_watchdog_lock(Run(Path(sys.argv[1])), os.getpid()):
    print("at its post", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def run(tmp_path):
    return a_run(tmp_path / "runs")


def test_the_post_names_who_holds_it(run):
    """Before, nobody; meanwhile, the process; afterwards, nobody."""
    assert watchdog_of(run) is None
    with hold_watchdog_lock(run, 4711):
        assert watchdog_of(run) == 4711
    assert watchdog_of(run) is None


def test_two_do_not_watch_over_one_run(run):
    """A second watchdog would go back a second time."""
    with (
        hold_watchdog_lock(run, 1),
        pytest.raises(LockedError, match="a watchdog already"),
        hold_watchdog_lock(run, 2),
    ):
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


@contextmanager
def keeper(run) -> Iterator[subprocess.Popen[bytes]]:
    """Have another process at the post."""
    command = [sys.executable, "-c", KEEPS, str(run.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def named(run) -> Post:
    """Return who has the post."""
    post = post_of(run)
    assert post is not None
    return post


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)


def test_a_stopped_watchdog_is_none(run):
    """It holds its lock and would roll nothing back; once it runs again it is on duty again."""
    with keeper(run) as process:
        stop(process)
        post = post_of(run)
        assert post is not None
        assert (post.process, post.stopped) == (process.pid, True)
        assert watchdog_of(run) is None

        process.send_signal(signal.SIGCONT)
        os.waitid(os.P_PID, process.pid, os.WCONTINUED | os.WNOWAIT)
        assert watchdog_of(run) == process.pid


def test_a_stopped_watchdog_is_displaced(run):
    """Another one takes its post; leaving it later, the old one does not take that away."""
    with keeper(run) as process:
        stop(process)
        with hold_watchdog_lock(run, 4711):
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait()

            assert named(run).process == 4711


def test_a_running_watchdog_is_not_displaced(run):
    """Two that work would roll back twice."""
    with keeper(run), pytest.raises(LockedError), hold_watchdog_lock(run, 4711):
        pass


def test_what_it_has_trouble_with_is_told(run):
    """Whoever looks reads why it could not roll back yet, until it could."""
    trouble = Trouble("AWS cannot be read", NOON)
    with hold_watchdog_lock(run, os.getpid()):
        note_trouble(run, os.getpid(), trouble)
        assert named(run).trouble == trouble
        note_trouble(run, os.getpid(), None)
        assert named(run).trouble is None
        run.path.joinpath("watchdog").unlink()
        assert post_of(run) is None


def test_what_it_leaves_is_private(run):
    """Nobody else reads who watches, and over what."""
    with hold_watchdog_lock(run, 1):
        modes = {path.stat().st_mode & 0o077 for path in run.path.glob("watchdog*")}

    assert modes == {0}
