"""A run that is a job of an interactive shell, in the background and in the foreground."""

from __future__ import annotations

import os
import pty
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.e2e.operators import Migration, a_migration
from tests.e2e.quick import ENGINEER
from tests.e2e.shells import PAUSE, ROOT, Keyboard

STOPPED = "Stopped"
"""What bash prints about a job that was stopped, and about no other."""
LINES = 30
"""Lines that are typed at the shell while the run waits: it looks for a line each second."""


class Shell(Keyboard):
    """An interactive bash with job control on a terminal of its own."""

    def __init__(self, migration: Migration) -> None:
        environment = {**migration.terminal.environment, "TERM": "dumb", "PS1": "$ "}
        environment.pop(ENGINEER)
        self.pid, terminal = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], environment)
        super().__init__(terminal)

    def close(self) -> None:
        """End the shell and its jobs."""
        with suppress(ProcessLookupError):
            os.killpg(os.tcgetpgrp(self.terminal), signal.SIGKILL)
            os.kill(self.pid, signal.SIGKILL)
        os.close(self.terminal)
        os.waitpid(self.pid, 0)


@contextmanager
def a_shell(migration: Migration) -> Iterator[Shell]:
    """Start a shell for the commands of *migration*."""
    shell = Shell(migration)
    try:
        yield shell
    finally:
        shell.close()


def program(*words: object) -> str:
    """Return the command line for *words*."""
    return shlex.join([sys.executable, "-m", "tests.e2e.quick", *map(str, words)])


@pytest.mark.no_cover
def test_what_is_typed_at_the_shell_does_not_stop_a_run_in_the_background(tmp_path: Path) -> None:
    """A background job that reads its terminal is stopped, and in the outage traffic stays down.

    So such a run asks nothing, and one that was moved there reads its answer in the foreground.
    """
    with a_migration(tmp_path) as migration, a_shell(migration) as shell:
        shell.type(program("apply", migration.plan_file, "--until", "cutover") + "\n")
        shell.wait_for("type 'done'")
        shell.type("\x1a")
        shell.wait_for("Suspended; `fg` resumes the run. Traffic: UP")
        shell.wait_for(STOPPED)
        shell.type("bg; echo behind''ground\n")
        shell.wait_for("behindground")
        for _ in range(LINES):
            shell.type("true\n")
            time.sleep(PAUSE)
        shell.type("jobs; echo list''ed\n")
        assert STOPPED not in shell.wait_for("listed")
        shell.type("fg\n")
        shell.wait_for("quick apply")
        shell.wait_for("everything is prepared", typing="done\n")
        shell.type("echo staged''up\n")
        shell.wait_for("stagedup")

        shell.type(f"{program('apply', migration.run.id, '--yes')} &\n")
        seen = shell.wait_for("step 10 needs a person", typing="true\n")
        assert STOPPED not in seen
        assert "[y/N]" not in seen
        assert "OUTAGE ENDED" in seen
