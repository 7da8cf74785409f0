"""Runs with changed clocks: during a run, between two processes, between two hosts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.builders import NOON
from tests.support.stage import Lookout, Stage
from vpnmigrate.journal import Traffic
from vpnmigrate.journal.history import outages_of
from vpnmigrate.journal.records import (
    BaselineTaken,
    ClockMoved,
    Entry,
    Intended,
    Noted,
    OutageBegan,
    OutageEnded,
)
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.changes import AttachVpnGateway, CreateVpnConnection, CreateVpnGateway
from vpnmigrate.model.clock import Clock, VirtualClock
from vpnmigrate.model.decisions import BackOut, Decisions, Window
from vpnmigrate.model.errors import HeldError, RollbackRequestedError, VpnMigrateError
from vpnmigrate.rehearsal.simulation.clocks import HostClock
from vpnmigrate.sandbox.behaviour import Behaviour
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults, Killed

HOUR = timedelta(hours=1)
SAME, OTHER = "this boot", "another host"


def clock_of_host(boot: str, off: timedelta = timedelta(0)) -> Callable[[VirtualClock], Clock]:
    """Return a function that makes a process's clock, on a host whose wall clock is *off*."""
    return lambda true: HostClock(true, boot, off)


class ClockSetter(Lookout):
    """Changes the clock of the host of *stage* once, at the first entry that matches *when*."""

    def __init__(self, stage: Stage, by: timedelta, when: Callable[[Entry], bool]) -> None:
        super().__init__(self._watch)
        self._by = by
        self._when = when
        self.clocks: list[HostClock] = []

        def made(true: VirtualClock) -> Clock:
            self.clocks = [HostClock(true, SAME)]
            return self.clocks[0]

        stage.host_of = made

    def _watch(self, entry: Entry) -> None:
        if self.clocks and self._when(entry):
            self.clocks.pop().put(self._by)


def usual_outage(tmp_path: Path, *, back: bool) -> timedelta:
    """Return how long traffic is down in a migration or a rollback with a constant clock."""
    stage = Stage(tmp_path / "usual")
    stage.forward()
    if back:
        stage.back()
    return outages_of(stage.entries)[-1].lasted


@pytest.mark.parametrize("boot", [SAME, OTHER])
@pytest.mark.parametrize("off", [-HOUR, HOUR, -timedelta(days=400), timedelta(days=400)])
def test_a_changed_clock_does_not_delay_a_rollback(
    tmp_path: Path, boot: str, off: timedelta
) -> None:
    """The outage is as long as with a correct clock, and is reported with that length."""
    stage = Stage(tmp_path)
    stage.host_of = clock_of_host(SAME)
    stage.forward()
    stage.host_of = clock_of_host(boot, off)

    state = stage.back()

    assert state.status is RunStatus.ROLLED_BACK
    assert stage.differences() == ()
    assert outages_of(stage.entries)[-1].lasted == usual_outage(tmp_path, back=True)
    found = stage.records(ClockMoved)
    assert len(found) == (0 if boot is OTHER and off > timedelta(0) else 1)
    assert all((moved.by < timedelta(0)) == (off < timedelta(0)) for moved in found)


@pytest.mark.parametrize("by", [-HOUR, HOUR])
@pytest.mark.parametrize("kind", [OutageBegan, Intended])
def test_a_clock_that_is_set_in_the_outage_alters_nothing(
    tmp_path: Path, by: timedelta, kind: type
) -> None:
    """The outage and its reported length stay the same; the change is recorded once."""
    stage = Stage(tmp_path)

    def when(entry: Entry) -> bool:
        record = entry.record
        attaches = isinstance(record, Intended) and isinstance(record.change, AttachVpnGateway)
        return isinstance(record, kind) and (kind is OutageBegan or attaches)

    state = stage.forward(lookout=ClockSetter(stage, by, when))

    assert state.status is RunStatus.CUT_OVER
    (ended,) = stage.records(OutageEnded)
    assert ended.lasted == usual_outage(tmp_path, back=False)
    (moved,) = stage.records(ClockMoved)
    assert abs(moved.by - by) < timedelta(seconds=10)
    shown = [entry.wall for entry in stage.entries]
    assert shown[-1] - NOON == stage.clock.now() - NOON + by


def test_an_outage_began_at_the_time_that_people_saw_then(tmp_path: Path) -> None:
    """The start of an outage is the wall time of that moment, also in the timeline."""
    stage = Stage(tmp_path)
    stage.host_of = clock_of_host(SAME)
    stage.forward()
    stage.host_of = clock_of_host(SAME, HOUR)
    stage.back()

    began = [entry.wall for entry in stage.entries if isinstance(entry.record, OutageBegan)]
    assert stage.state.outage.shown == began[-1]
    assert [down.since for down in outages_of(stage.entries)] == began


def test_an_unchanged_clock_is_not_recorded(tmp_path: Path) -> None:
    """Neither is a difference of a few seconds."""
    stage = Stage(tmp_path)
    stage.host_of = clock_of_host(SAME)
    stage.forward()
    stage.host_of = clock_of_host(SAME, timedelta(seconds=-5))

    stage.back()

    assert stage.records(ClockMoved) == []


@pytest.mark.parametrize("off", [-HOUR, timedelta(0), HOUR])
@pytest.mark.parametrize("boot", [SAME, OTHER])
@pytest.mark.parametrize("creation", [CreateVpnGateway, CreateVpnConnection])
def test_nothing_is_created_twice_because_a_clock_went_forward(
    tmp_path: Path, boot: str, off: timedelta, creation: type
) -> None:
    """A creation that the last process sent, and no describe shows yet, is not sent again."""
    stage = Stage(tmp_path, behaviour=Behaviour(read_lag=timedelta(seconds=110)))
    stage.host_of = clock_of_host(SAME)
    stage.faults = Faults([Fault(creation.__name__, FaultKind.KILL_AFTER)])
    with pytest.raises(Killed):
        stage.forward()
    stage.faults, stage.host_of = None, clock_of_host(boot, off)

    with pytest.raises(HeldError, match="as requested"):
        stage.run(lambda runner: runner.apply(until=3))

    assert stage.calls.count(creation.__name__) == 1
    stage.back()
    assert stage.differences() == ()


def windowed(back_out: BackOut, length: timedelta) -> Decisions:
    """Return decisions with a window that began an hour before noon."""
    start, end = NOON - HOUR, NOON + length
    return Decisions(window=Window(start, end, "as written"), back_out=back_out)


def test_the_back_out_deadline_follows_the_corrected_clock(tmp_path: Path) -> None:
    """A window is a time of day: once the clock shows that it has ended, the run rolls back."""
    stage = Stage(tmp_path, decisions=windowed(BackOut.ROLLBACK, 5 * HOUR))
    setter = ClockSetter(stage, 6 * HOUR, lambda entry: isinstance(entry.record, OutageBegan))

    with pytest.raises(VpnMigrateError, match="deadline") as turned:
        stage.forward(lookout=setter)

    assert isinstance(turned.value.__cause__, RollbackRequestedError)
    assert stage.state.status is RunStatus.ROLLED_BACK


def test_a_machine_that_was_paused_before_the_cutover_asks_its_gates_again(tmp_path: Path) -> None:
    """A paused virtual machine counts no uptime: only its wall clock shows the pause."""
    stage = Stage(tmp_path)
    setter = ClockSetter(stage, 8 * HOUR, lambda entry: isinstance(entry.record, BaselineTaken))

    with pytest.raises(HeldError, match="traffic is not interrupted"):
        stage.forward(lookout=setter)

    assert stage.state.traffic is Traffic.OLD
    assert stage.differences() == ()
    stage.host_of = clock_of_host(SAME)
    assert stage.forward().status is RunStatus.CUT_OVER


def test_a_rollback_records_a_wrong_clock_and_continues(tmp_path: Path) -> None:
    """AWS's responses have the time; the clock gate fails a migration and only warns a rollback."""
    stage = Stage(tmp_path)
    stage.forward()
    stage.host_of = clock_of_host(SAME, -HOUR)

    assert stage.back().status is RunStatus.ROLLED_BACK

    warned = [note.what for note in stage.records(Noted) if "AWS's" in note.what]
    (warning,) = warned
    # The Date of an answer has whole seconds.
    behind = ("(3599 s behind)", "(3600 s behind)")
    assert warning.startswith(tuple(f"this machine's clock differs from AWS's {b}" for b in behind))
    assert "the rollback continues: set this machine's clock (NTP)" in warning
