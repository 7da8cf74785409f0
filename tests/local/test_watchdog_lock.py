"""Watchdog lock: one watchdog per run, visible to other processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.builders import NOON, a_run
from vpnmigrate.local.lock import (
    Post,
    Trouble,
    hold_watchdog_lock,
    note_trouble,
    post_of,
    watchdog_of,
)
from vpnmigrate.model.errors import LockedError

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
    """Inside the context the process is the watchdog; before and after there is none."""
    assert watchdog_of(run) is None
    with hold_watchdog_lock(run, 4711):
        assert watchdog_of(run) == 4711
    assert watchdog_of(run) is None


def test_two_do_not_watch_over_one_run(run):
    """A second watchdog is refused: it would roll back a second time."""
    with (
        hold_watchdog_lock(run, 1),
        pytest.raises(LockedError, match="a watchdog already"),
        hold_watchdog_lock(run, 2),
    ):
        pass


def test_a_killed_watchdog_is_none(run):
    """A dead watchdog may leave its name on the disk, but not its lock."""
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
    """Run another process that holds the watchdog lock."""
    command = [sys.executable, "-c", KEEPS, str(run.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def named(run) -> Post:
    """Return the watchdog of the run."""
    post = post_of(run)
    assert post is not None
    return post


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)


def test_a_stopped_watchdog_is_none(run):
    """A suspended watchdog keeps its lock and does not count until it runs again."""
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
    """Another watchdog replaces a suspended one, whose later exit does not affect the new one."""
    with keeper(run) as process:
        stop(process)
        with hold_watchdog_lock(run, 4711):
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait()

            assert named(run).process == 4711


def test_a_running_watchdog_is_not_displaced(run):
    """A running watchdog is not replaced: two would roll back twice."""
    with keeper(run), pytest.raises(LockedError), hold_watchdog_lock(run, 4711):
        pass


def test_what_it_has_trouble_with_is_told(run):
    """The reason of a failed attempt is readable until an attempt succeeds."""
    trouble = Trouble("AWS cannot be read", NOON)
    with hold_watchdog_lock(run, os.getpid()):
        note_trouble(run, os.getpid(), trouble)
        assert named(run).trouble == trouble
        note_trouble(run, os.getpid(), None)
        assert named(run).trouble is None
        run.path.joinpath("watchdog").unlink()
        assert post_of(run) is None


def test_what_it_leaves_is_private(run):
    """Only the owner can read the watchdog's files."""
    with hold_watchdog_lock(run, 1):
        modes = {path.stat().st_mode & 0o077 for path in run.path.glob("watchdog*")}

    assert modes == {0}
