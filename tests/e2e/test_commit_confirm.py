"""The watchdog as a process of its own: it outlives the terminal, and is missed when it is gone."""

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
from vpnmigrate.journal import RunState, Traffic, replay
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.local.journal_file import read_journal
from vpnmigrate.local.lock import watchdog_of

PLAYBOOK = """
name: quick
summary: Old tunnels stay enabled, so that nobody is needed to go back.
decisions:
  asn: 64600
  old_tunnels: leave
  waits:
    tunnels: 12h
    steady: 5m
"""
"""Green has to hold for some of the machine's seconds, so that even a busy one sees the outage."""
KEY = re.compile(rb"<pre_shared_key>([^<]+)<")
SPEED = 60
"""A watchdog that begins is another process, and all that is a sleep after a quarter of an hour."""
SOON = "10m"
LATE = "2h"
"""Of the sandbox's time: two minutes of the machine's, so a watchdog is killed before that."""


def state(migration: Migration) -> RunState:
    """Read where the run stands."""
    return replay(read_journal(migration.run).entries)


def applied(
    migration: Migration, within: str, meanwhile: Callable[[int], None] = lambda _: None
) -> None:
    """Apply in a session of its own, and do something once traffic is down."""
    process = migration.begin("apply", "--confirm-within", within, start_new_session=True)
    until(process, lambda: migration.lines() > 0 and state(migration).outage_open)
    meanwhile(process.pid)
    ended(process, 3, lambda: migration.said("apply"))


@contextmanager
def nobody_left(migration: Migration) -> Iterator[None]:
    """End a watchdog that a failed test leaves behind."""
    try:
        yield
    finally:
        if (watchdog := watchdog_of(migration.run)) is not None:
            os.kill(watchdog, signal.SIGKILL)


def gone(migration: Migration) -> None:
    """Wait until the watchdog has left its post."""
    deadline = time.monotonic() + PATIENCE
    while watchdog_of(migration.run) is not None:
        assert time.monotonic() < deadline, "it neither went back nor stood down"
        time.sleep(TICK)


def leaked(run: Path, besides: str) -> set[str]:
    """Return the files of a run that hold a key and are not in its vault; *besides* is among all."""
    files = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    kept = [path for path in files if "vault" in path.parts]
    keys = {key for path in kept for key in KEY.findall(files[path])}
    assert keys
    assert run / besides in files
    return {p.name for p in files if p not in kept and any(k in files[p] for k in keys)}


@pytest.mark.no_cover
def test_a_lost_terminal_is_outlived_and_a_lost_watchdog_is_missed(tmp_path: Path) -> None:
    """Unconfirmed it goes back although its session hung up; without its watchdog it stays.

    What it writes down is free of keys.
    """
    with a_migration(tmp_path, PLAYBOOK, SPEED) as migration, nobody_left(migration):

        def hang_up(process: int) -> None:
            watchdog = watchdog_of(migration.run)
            assert watchdog is not None
            assert os.getsid(watchdog) == watchdog
            os.killpg(process, signal.SIGHUP)

        applied(migration, SOON, hang_up)
        gone(migration)
        assert state(migration).status is RunStatus.ROLLED_BACK
        log = migration.run.path / "watchdog.log"
        assert "not confirmed by" in log.read_text()
        assert log.stat().st_mode & 0o077 == 0

        applied(migration, LATE)
        watchdog = watchdog_of(migration.run)
        assert watchdog is not None
        os.kill(watchdog, signal.SIGKILL)
        migration.control.advance(timedelta(hours=3))
        output = migration.terminal.quick("status", migration.plan.migration)
        assert (output["watchdog"], output["traffic"]) == (None, "new")
        output = migration.terminal.quick("confirm", migration.plan.migration)
        assert output["unconfirmed_until"] is None
        assert state(migration).traffic is Traffic.NEW
        assert leaked(migration.run.path, "watchdog.log") == set()
