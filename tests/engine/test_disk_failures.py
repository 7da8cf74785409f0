"""A disk that fails at any write of a run: no call is sent without a durable intent."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.counts import share
from tests.support.filed import Desk
from tests.support.shapes import Shape, shape_left
from tests.support.stage import Stage
from vpnmigrate.engine.runner import Runner
from vpnmigrate.journal.records import Intended
from vpnmigrate.local.journal_file import Disk, SystemDisk, read_journal
from vpnmigrate.model.errors import JournalError

READS = ("Describe", "Get", "List")
WAYS: dict[str, Callable[[Runner], object]] = {"apply": Runner.apply, "rollback": Runner.rollback}
MANNERS = ("append", "half", "sync", "mark")
"""How a write fails: nothing written, half of it, not durable, or an error after it is durable."""


class Calls:
    """Counts the mutating calls that reach the world."""

    def __init__(self) -> None:
        self.count = 0

    def before(self, service: str, action: str, nth: int) -> None:
        self.count += not action.startswith(READS)

    def after(self, service: str, action: str, nth: int) -> None:
        pass


class Failing(SystemDisk):
    """Fails in *manner* from its *nth* write on, and records the calls sent by then."""

    def __init__(self, nth: int, manner: str, calls: Calls) -> None:
        self._nth = nth
        self._manner = manner
        self._calls = calls
        self.writes = 0
        self.sent_by_then: int | None = None

    def append(self, handle: int, text: bytes) -> int:
        self.writes += 1
        self._fail("append", errno.ENOSPC)
        if self._fails("half"):
            return super().append(handle, text[: len(text) // 2])
        return super().append(handle, text)

    def sync(self, handle: int) -> None:
        self._fail("sync", errno.EIO)
        super().sync(handle)

    def overwrite(self, handle: int, text: bytes) -> None:
        self._fail("mark", errno.EROFS)
        super().overwrite(handle, text)

    def _fails(self, manner: str) -> bool:
        fails = manner == self._manner and 0 < self._nth <= self.writes
        if fails and self.sent_by_then is None:
            self.sent_by_then = self._calls.count
        return fails

    def _fail(self, manner: str, code: int) -> None:
        if self._fails(manner):
            raise OSError(code, os.strerror(code))


class Place:
    """Return a stage whose run has a directory, at the start of *way*."""

    def __init__(self, tmp_path: Path, direction: str) -> None:
        self.stage = Stage(tmp_path / "vault")
        self.context = Desk(tmp_path / "runs", self.stage.clock)
        self.calls = Calls()
        self.stage.faults = self.calls
        if direction == "rollback":
            self.go(Runner.apply)

    def go(self, action: Callable[[Runner], object], disk: Disk | None = None) -> None:
        """Run *action* in a process of its own."""
        with self.context.process(disk=disk) as journal:
            self.stage.run(action, journal=journal)


@dataclass(frozen=True)
class Undisturbed:
    """The result of a run without faults: the number of its writes, and its end state."""

    writes: int
    shape: Shape


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Undisturbed]:
    """Return the results of each direction without faults."""
    results: dict[str, Undisturbed] = {}
    for direction, action in WAYS.items():
        place = Place(tmp_path_factory.mktemp(direction), direction)
        disk = Failing(0, "", place.calls)
        place.go(action, disk)
        results[direction] = Undisturbed(disk.writes, shape_left(place.stage))
    return results


@pytest.mark.no_cover
@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("direction", WAYS)
def test_a_write_that_fails_stops_the_run_before_the_change_it_would_have_recorded(
    tmp_path: Path, undisturbed: dict[str, Undisturbed], direction: str, manner: str
) -> None:
    """After a failed write no mutating call reaches AWS, and every earlier call is on the disk.

    This is tested at every write.  Once the disk works again, the same command has the end of an
    undisturbed run.
    """
    first = MANNERS.index(manner)  # An ordinary test run has other writes for each manner.
    for nth in share(range(1 + first, undisturbed[direction].writes + 1), one_in=14):
        place = Place(tmp_path / str(nth), direction)
        disk = Failing(nth, manner, place.calls)

        with pytest.raises(JournalError):
            place.go(WAYS[direction], disk)

        records = [entry.record for entry in read_journal(place.context.run).entries]
        assert place.calls.count == disk.sent_by_then, nth
        assert sum(isinstance(r, Intended) for r in records) >= place.calls.count, nth
        place.go(WAYS[direction])
        assert shape_left(place.stage) == undisturbed[direction].shape, nth
