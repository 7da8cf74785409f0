"""Watchdog process: start and supervision of the automatic rollback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta

from vpnmigrate.local.child_processes import WATCHDOG, inherited_by, working_directory
from vpnmigrate.local.lock import log_of_watchdog, watchdog_of
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.errors import RefusedError, UsageError
from vpnmigrate.planning.yaml_struct import duration_from

UP_WITHIN = timedelta(seconds=60)
"""Time to start Python, read plan and journal, and call STS, on a busy machine.

Traffic is not interrupted during that time.
"""
GLANCE = timedelta(milliseconds=100)


def parse_duration(text: str | None) -> timedelta | None:
    """Return the duration given with ``--confirm-within``; zero for ``off``.

    Raises:
        UsageError: *text* is not a duration.
    """
    if text is None:
        return None
    if text == "off":
        return timedelta(0)
    span = duration_from(text)
    if span is None:
        raise UsageError(
            f"{text!r} is not a duration", advice="give number and unit, for example 15m or 1h30m"
        )
    return span


class WatchdogProcess:
    """A watchdog process in its own session: no terminal, no SIGHUP, and a private log.

    Its command line names *program*, the run and the options for AWS.  It works in a subdirectory
    of the run, which is not searched for modules.
    """

    def __init__(self, run: Run, aws: Sequence[str], clock: Clock, program: str) -> None:
        self._run = run
        self._clock = clock
        given = ["--run-dir", str(run.path.parent.absolute()), *aws]
        self._command = [sys.executable, "-P", "-m", program, "watchdog", run.id, *given]

    def start(self, awake: Callable[[], object]) -> int:
        """Start the process, wait until it watches, and return its number.

        *awake* is called throughout.

        Raises:
            RefusedError: It cannot be started, or does not watch in time.
        """
        try:
            directory = working_directory(self._run)
            log = log_of_watchdog(self._run)
            try:
                process = subprocess.Popen(  # noqa: S603  this program itself
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=directory,
                    env=inherited_by(WATCHDOG, directory),
                    start_new_session=True,
                )
            finally:
                os.close(log)
        except OSError as exc:
            raise self._refusal(f"it cannot be started: {exc.strerror}") from exc
        until = self._clock.now() + UP_WITHIN
        while watchdog_of(self._run) != process.pid:
            awake()
            if process.poll() is not None:
                raise self._refusal(f"it ended at once, with exit code {process.returncode}")
            if self._clock.now() >= until:
                process.kill()
                process.wait()
                raise self._refusal(f"it did not start watching within {UP_WITHIN.seconds} s")
            self._clock.sleep(GLANCE)
        return process.pid

    def on_duty(self) -> bool:
        """Return whether a watchdog is running."""
        return watchdog_of(self._run) is not None

    def _refusal(self, why: str) -> RefusedError:
        return RefusedError(
            f"the cutover does not start without its watchdog: {why}",
            advice=f"read {self._run.path / 'watchdog.log'}, and run the same command again",
        )
