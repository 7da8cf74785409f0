"""Signals, a closed terminal and a sleeping machine, met by real processes over HTTP."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.counts import share
from tests.e2e.operators import Migration, a_migration, ended, until
from tests.e2e.shells import PATIENCE

INTERRUPTED = 7
KINDS = {
    "Ctrl-C": (signal.SIGINT,),
    "Ctrl-C twice": (signal.SIGINT, signal.SIGINT),
    "SIGTERM": (signal.SIGTERM,),
}
BEFORE_THE_OUTAGE = "step 2 of 11"
IN_THE_OUTAGE = "OUTAGE BEGINS"


@pytest.fixture
def migration(tmp_path: Path) -> Iterator[Migration]:
    with a_migration(tmp_path) as migration:
        yield migration


@pytest.mark.no_cover
def test_a_signal_at_any_step_leaves_a_run_that_resumes(migration: Migration) -> None:
    """Interrupted once in every step, the run ends with 7 each time and gets to the same end.

    Once and twice Ctrl-C and SIGTERM take turns; an ordinary run tries every other step, a full
    count each of them in every step.
    """
    expected = migration.expected()
    turns = list(KINDS.values())
    for first in range(len(share(turns, one_in=len(turns)))):
        for step in share(range(1, 11), one_in=2):
            process = migration.begin("apply")
            here = len(migration.said("apply"))
            mark = f"step {step} of 11"
            if not until(process, lambda: mark in migration.said("apply")[here:]):  # noqa: B023
                assert process.wait() == 0  # it was at its end
                break
            for number in turns[(first + step) % len(turns)]:
                process.send_signal(number)
                time.sleep(0.05)
            ended(process, INTERRUPTED, lambda: migration.said("apply"))
        migration.finish("apply")
        migration.assert_migrated(expected)
        migration.finish("rollback")
        migration.assert_returned()


ON_A_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def on_a_terminal(migration: Migration, *words: str) -> tuple[subprocess.Popen[bytes], int]:
    """Begin ``apply --yes`` as the foreground of a terminal; give that terminal's other end."""
    ours, theirs = pty.openpty()
    try:
        command = ("-m", "tests.e2e.quick", "apply", str(migration.plan_file), "--yes", *words)
        process = subprocess.Popen(
            [sys.executable, "-c", ON_A_TERMINAL, *command],
            cwd=Path(__file__).parents[2],
            env=migration.terminal.environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
    finally:
        os.close(theirs)
    return process, ours


def read_until(terminal: int, text: str) -> None:
    """Read what is shown until it has *text* in it."""
    shown = b""
    while text.encode() not in shown:
        shown += os.read(terminal, 4096)


@pytest.mark.no_cover
def test_a_terminal_that_is_closed_stops_the_preparation_and_not_the_cutover(
    migration: Migration,
) -> None:
    """The kernel hangs up on a real terminal's process: before the outage it ends with 7.

    In the outage it goes on without a terminal, to the end.
    """
    expected = migration.expected()

    process, terminal = on_a_terminal(migration)
    read_until(terminal, BEFORE_THE_OUTAGE)
    os.close(terminal)
    assert process.wait(PATIENCE) == INTERRUPTED

    process, terminal = on_a_terminal(migration)
    read_until(terminal, IN_THE_OUTAGE)
    os.close(terminal)
    assert process.wait(PATIENCE) == 0
    migration.assert_migrated(expected)
