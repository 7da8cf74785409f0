"""Consent and Ctrl-C at a real terminal."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.e2e.operators import PLAYBOOK, Migration, a_migration, on_a_terminal
from tests.e2e.quick import ENGINEER
from tests.e2e.shells import PATIENCE, Keyboard
from tests.support.warm.processes import WarmProcess
from vpnmigrate.journal import Traffic
from vpnmigrate.journal.state import RunStatus

CTRL_C = "\x03"
QUESTION = "default: press Enter"
HELD, INTERRUPTED, BACKED_OUT = 3, 7, 1


class Screen(Keyboard):
    """A process at a terminal, with what it prints."""

    def __init__(self, process: WarmProcess, terminal: int) -> None:
        super().__init__(terminal)
        self._process = process

    def ends(self) -> int:
        """Wait for the end of the process, and return its exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._process.poll() is None:
            assert time.monotonic() < deadline, self.output[-2000:]
            self.read()
        return self._process.wait()


@contextmanager
def at_a_terminal(migration: Migration, *words: str) -> Iterator[Screen]:
    """Start ``apply`` with *words* in the foreground of a terminal."""
    process, terminal = on_a_terminal(migration, *words)
    try:
        yield Screen(process, terminal)
    finally:
        process.kill()
        process.wait(PATIENCE)
        os.close(terminal)


@pytest.fixture
def migration(tmp_path: Path) -> Iterator[Migration]:
    playbook = f"{PLAYBOOK}  old_tunnels: leave\n"
    with a_migration(tmp_path, playbook) as migration:
        migration.terminal.environment.pop(ENGINEER)
        migration.terminal.environment["TERM"] = "dumb"
        migration.control.leave_alone()
        yield migration


@pytest.mark.no_cover
def test_the_outage_is_agreed_to_and_ctrl_c_in_it_is_a_question(migration: Migration) -> None:
    """Any answer but yes interrupts nothing; Ctrl-C resumes, stops or rolls back, as typed.

    A resume with traffic down asks nothing, and Ctrl-C twice ends the process at once.
    """
    with at_a_terminal(migration) as screen:
        screen.wait_for("type 'done' here")
        screen.type("done\n")
        screen.wait_for("[y/N]")
        screen.type("\n")
        assert screen.ends() == HELD
        assert "UP through the old gateway" in screen.output
    assert migration.state().traffic is Traffic.OLD

    with at_a_terminal(migration) as screen:
        screen.wait_for("[y/N]")
        screen.type("y\n")
        screen.wait_for("step 10 of 11")
        screen.type(CTRL_C)
        screen.wait_for(QUESTION)
        screen.type("\n")
        screen.wait_for("the run continues")
        screen.type(CTRL_C)
        screen.wait_for(QUESTION)
        screen.type("stop\n")
        assert screen.ends() == INTERRUPTED
        assert "traffic is DOWN since" in " ".join(screen.output.split())
    assert migration.state().traffic is Traffic.NONE

    with at_a_terminal(migration) as screen:
        screen.wait_for("step 10 of 11")
        assert "[y/N]" not in screen.output
        screen.type(CTRL_C)
        screen.wait_for(QUESTION)
        screen.type(CTRL_C)
        assert screen.ends() == INTERRUPTED
        assert "stopped immediately" in screen.output

    with at_a_terminal(migration) as screen:
        screen.wait_for("step 10 of 11")
        migration.control.attend_after(timedelta(seconds=20))
        screen.type(CTRL_C)
        screen.wait_for(QUESTION)
        screen.type("roll back\n")
        assert screen.ends() == BACKED_OUT
    assert migration.state().status is RunStatus.ROLLED_BACK
    assert migration.state().traffic is Traffic.OLD
