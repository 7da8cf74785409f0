"""The watchdog as a real process: it outlives the terminal, and its end is detected."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.e2e.operators import TICK, Migration, a_migration, ended, until
from tests.e2e.shells import PATIENCE
from vpnmigrate.journal import Traffic
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.local.lock import watchdog_of

PLAYBOOK = """
name: quick
summary: Old tunnels stay enabled, so that no operator is needed for a rollback.
decisions:
  asn: 64600
  old_tunnels: leave
  waits:
    tunnels: 12h
"""
KEY = re.compile(rb"<pre_shared_key>([^<]+)<")
SPEED = 60
WITHIN = timedelta(hours=12)
"""Time to confirm: twelve minutes of machine time, so that it ends only when a test advances it."""


def applied(migration: Migration, meanwhile: Callable[[int], None] = lambda _: None) -> None:
    """Apply in another session; call a function while traffic is down, and enable the tunnels."""
    migration.hold_outage()
    process = migration.begin("apply", "--confirm-within", "12h", session=True)
    in_outage = until(process, lambda: migration.lines() > 0 and migration.state().outage.open)
    assert in_outage, migration.output("apply")
    meanwhile(process.pid)
    migration.release_outage()
    ended(process, 3, lambda: migration.output("apply"))


@contextmanager
def kill_leftovers(migration: Migration) -> Iterator[None]:
    """Kill a watchdog that a failed test left."""
    try:
        yield
    finally:
        if (watchdog := watchdog_of(migration.run)) is not None:
            os.kill(watchdog, signal.SIGKILL)


def wait_for_exit(migration: Migration) -> None:
    """Wait until the watchdog has exited."""
    deadline = time.monotonic() + PATIENCE
    while watchdog_of(migration.run) is not None:
        assert time.monotonic() < deadline, "the watchdog neither rolled back nor stopped"
        time.sleep(TICK)


def leaked(run: Path, besides: str) -> set[str]:
    """Return the files of a run, and *besides*, that contain a key and are not in its vault."""
    files = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    kept = [path for path in files if "vault" in path.parts]
    keys = {key for path in kept for key in KEY.findall(files[path])}
    assert keys
    assert run / besides in files
    return {p.name for p in files if p not in kept and any(k in files[p] for k in keys)}


@pytest.mark.no_cover
def test_a_lost_terminal_is_outlived_and_a_lost_watchdog_is_missed(tmp_path: Path) -> None:
    """An unconfirmed run is rolled back after SIGHUP; without its watchdog it stays migrated.

    The watchdog writes no keys.
    """
    with a_migration(tmp_path, PLAYBOOK, SPEED) as migration, kill_leftovers(migration):

        def hang_up(process: int) -> None:
            watchdog = watchdog_of(migration.run)
            assert watchdog is not None
            assert os.getsid(watchdog) == watchdog
            os.killpg(process, signal.SIGHUP)

        applied(migration, hang_up)
        migration.control.advance(WITHIN)
        wait_for_exit(migration)
        assert migration.state().status is RunStatus.ROLLED_BACK
        log = migration.run.path / "watchdog.log"
        assert "not confirmed by" in log.read_text()
        assert log.stat().st_mode & 0o077 == 0

        applied(migration)
        watchdog = watchdog_of(migration.run)
        assert watchdog is not None
        os.kill(watchdog, signal.SIGKILL)
        migration.control.advance(WITHIN)
        output = migration.terminal.quick("status", migration.plan.migration)
        assert (output["watchdog"], output["traffic"]) == (None, "new")
        output = migration.terminal.quick("confirm", migration.plan.migration)
        assert output["unconfirmed_until"] is None
        assert migration.state().traffic is Traffic.NEW
        assert leaked(migration.run.path, "watchdog.log") == set()
