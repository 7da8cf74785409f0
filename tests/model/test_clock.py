"""Monotonic time, while people and NTP set the machine's clock."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support.builders import NOON
from tests.support.stage import Lookout
from vpnmigrate.engine.recorder import RunRecorder
from vpnmigrate.journal.memory import MemoryJournal
from vpnmigrate.journal.records import Entry, Intended, Noted
from vpnmigrate.journal.run_clock import gaps_in, latest, run_clock
from vpnmigrate.model.changes import DisablePropagation
from vpnmigrate.model.clock import Clock, Stamp, SteadyClock, SystemClock, VirtualClock
from vpnmigrate.model.consistency import CONSISTENCY_DELAY, recent
from vpnmigrate.model.ec2 import RouteTableId, VpnGatewayId
from vpnmigrate.rehearsal.simulation.clocks import HostClock

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
CHANGE = DisablePropagation(RouteTableId("rtb-1"), VpnGatewayId("vgw-1"))


class Machine:
    """A machine whose clock can be set, and which may sleep."""

    def __init__(self) -> None:
        self.boot = "this boot"
        self._up = timedelta(days=3)
        self._wall = NOON

    def now(self) -> datetime:
        return self._wall

    def uptime(self) -> timedelta:
        return self._up

    def sleep(self, span: timedelta) -> None:
        self._up += span
        self._wall += span

    def put(self, by: timedelta) -> None:
        self._wall += by


@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_a_clock_that_is_set_alters_no_duration(by: timedelta) -> None:
    """The wall clock follows the correction; measured time does not."""
    machine = Machine()
    clock = SteadyClock(machine)
    began = clock.now()

    machine.sleep(3 * SECOND)
    machine.put(by)

    assert began == NOON
    assert clock.now() - began == 3 * SECOND
    assert clock.wall() == NOON + 3 * SECOND + by
    assert clock.ahead() == by


_ANOTHER = """
from vpnmigrate.model.clock import SteadyClock
stamp = SteadyClock().stamp()
print(stamp.boot, stamp.up.total_seconds())
"""


def test_another_process_of_the_same_boot_measures_with_the_same_uptime() -> None:
    """Another process reads the same boot id, and an uptime between those before and after."""
    before = SteadyClock().stamp()
    text = subprocess.run(
        [sys.executable, "-c", _ANOTHER], check=True, capture_output=True, text=True
    )
    after = SteadyClock().stamp()

    there = Stamp(text.stdout.split()[0], timedelta(seconds=float(text.stdout.split()[1])))

    assert there.boot == before.boot == after.boot
    assert before.up < there.up < after.up


def test_a_boot_without_a_name_is_nobody_elses(tmp_path: Path) -> None:
    """Without a boot id from the kernel, other processes cannot use this one's uptime."""
    one, other = SystemClock(tmp_path / "none"), SystemClock(tmp_path / "none")

    assert one.boot == one.boot
    assert one.boot != other.boot


def written(clock: Clock, *entries: Entry) -> tuple[Entry, ...]:
    """Return *entries* with one more, as a process on *clock* would write it."""
    journal = MemoryJournal(run_clock(clock, entries), entries)
    journal.write(Noted("here"))
    return tuple(journal.entries)


@pytest.mark.parametrize("off", [timedelta(0), HOUR, -HOUR])
def test_within_a_boot_the_time_between_two_processes_is_exact(off: timedelta) -> None:
    """The clock may have been set between them."""
    true = VirtualClock(NOON)
    before = written(HostClock(true, "a"))
    true.sleep(10 * SECOND)

    clock = run_clock(HostClock(true, "a", off), before)

    assert clock.now() == NOON + 10 * SECOND
    assert clock.wall() == NOON + 10 * SECOND + off
    assert clock.ahead() == off
    assert gaps_in(written(HostClock(true, "a", off), *before)) == ()


@pytest.mark.parametrize(
    ("off", "later"), [(timedelta(0), 10 * SECOND), (HOUR, HOUR + 10 * SECOND), (-HOUR, 0 * SECOND)]
)
def test_on_another_host_an_entry_in_the_future_is_just_now(
    off: timedelta, later: timedelta
) -> None:
    """Otherwise the wall clocks are used; after that the time is measured again."""
    true = VirtualClock(NOON)
    before = written(HostClock(true, "a"))
    true.sleep(10 * SECOND)

    clock = run_clock(HostClock(true, "b", off), before)

    assert clock.now() == NOON + later
    true.sleep(3 * SECOND)
    assert clock.now() == NOON + later + 3 * SECOND


def test_a_machine_that_is_up_for_less_than_before_has_booted_again() -> None:
    """A restored snapshot of a machine has the boot id of the time when it was taken."""
    true = VirtualClock(NOON)
    before = written(HostClock(true, "a"))

    restored = VirtualClock(NOON - HOUR)

    assert run_clock(HostClock(restored, "a"), before).now() == NOON


@pytest.mark.parametrize("off", [timedelta(0), HOUR, -HOUR])
def test_what_is_believed_only_after_a_while_is_not_aged_by_another_hosts_clock(
    off: timedelta,
) -> None:
    """For another host an intent is at most as old as for the host that wrote it."""
    true = VirtualClock(NOON)
    journal = MemoryJournal(run_clock(HostClock(true, "a"), ()))
    journal.write(Intended(1, 7, CHANGE))
    true.sleep(10 * SECOND)
    journal.write(Noted("the last word of host a"))
    true.sleep(SECOND)

    here = run_clock(HostClock(true, "b", off), journal.entries)
    taken_over = MemoryJournal(here, journal.entries)
    book = RunRecorder(taken_over, Lookout())
    book.write(Noted("host b takes the run up"))
    began = here.now()

    (intent,) = book.sent.with_side_effects(())
    assert began - intent.at == 10 * SECOND
    assert recent(book.sent.with_side_effects(()), began + CONSISTENCY_DELAY - 11 * SECOND)
    assert not recent(book.sent.with_side_effects(()), began + CONSISTENCY_DELAY - 10 * SECOND)


def test_what_was_proven_old_on_its_own_host_stays_old() -> None:
    """Another host does not wait for changes that were complete on the first one."""
    true = VirtualClock(NOON)
    journal = MemoryJournal(run_clock(HostClock(true, "a"), ()))
    journal.write(Intended(1, 7, CHANGE))
    true.sleep(CONSISTENCY_DELAY)
    journal.write(Noted("the last word of host a"))

    here = run_clock(HostClock(true, "b", -HOUR), journal.entries)
    book = RunRecorder(MemoryJournal(here, journal.entries), Lookout())
    book.write(Noted("host b takes the run up"))

    assert not recent(book.sent.with_side_effects(()), here.now())


def test_gaps_add_up() -> None:
    """The time of each change of host is unknown."""
    true = VirtualClock(NOON)
    entries = written(HostClock(true, "a"))
    for host in "bca":
        true.sleep(HOUR)
        entries = written(HostClock(true, host), *entries)

    assert latest(entries[0].at, gaps_in(entries)) == entries[-1].at
    assert latest(entries[2].at, gaps_in(entries)) == entries[-1].at
    assert latest(entries[-1].at, gaps_in(entries)) == entries[-1].at
