"""A run directory for a test, and functions to open its journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.builders import a_run
from vpnmigrate.local.journal_file import Disk, FileJournal
from vpnmigrate.local.lock import ProcessIdentity, acquire_lock
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.clock import VirtualClock

ME = ProcessIdentity("alice", "laptop", 4242)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that was just started."""
    return a_run(tmp_path / "runs")


@pytest.fixture
def clock() -> VirtualClock:
    """The clock of the run."""
    return VirtualClock()


Opening = Callable[..., FileJournal]


@pytest.fixture
def opening(run: Run, clock: VirtualClock) -> Iterator[Opening]:
    """Open the run's journal like another process; everything is closed at the end."""
    with ExitStack() as stack:

        def open_(disk: Disk | None = None, take_over: str | None = None) -> FileJournal:
            lock = acquire_lock(run, clock, ME, take_over)
            stack.callback(lock.release)
            journal = FileJournal.open(run, clock, lock, disk)
            stack.callback(journal.close)
            return journal

        yield open_


@pytest.fixture
def journal(opening: Opening) -> FileJournal:
    """The run's journal, open and empty."""
    return opening()
