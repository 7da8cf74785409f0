"""The clock of a served sandbox."""

from __future__ import annotations

from datetime import timedelta

import pytest

from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.sandbox.server.clock import ScaledClock


def test_time_passes_faster_than_the_machines():
    """Ten seconds of the machine are ten minutes at speed 60."""
    machine = VirtualClock()
    clock = ScaledClock(60, machine=machine)
    start = clock.now()

    machine.sleep(timedelta(seconds=10))

    assert clock.now() - start == timedelta(minutes=10)


def test_waiting_takes_the_machine_less_time():
    """A sleep of an hour at speed 60 blocks for a minute."""
    machine = VirtualClock()
    clock, before = ScaledClock(60, machine=machine), machine.now()

    clock.sleep(timedelta(hours=1))

    assert machine.now() - before == timedelta(minutes=1)


def test_time_can_be_put_forward():
    """An advance counts at once and adds to what passes by itself."""
    machine = VirtualClock()
    clock = ScaledClock(machine=machine)
    start = clock.now()

    clock.advance(timedelta(minutes=3))
    machine.sleep(timedelta(minutes=1))

    assert clock.now() - start == timedelta(minutes=4)


def test_time_never_goes_back():
    """A negative advance is refused."""
    with pytest.raises(ValueError, match="does not go back"):
        ScaledClock(machine=VirtualClock()).advance(timedelta(seconds=-1))


@pytest.mark.parametrize("speed", [0, -1])
def test_time_does_not_stand_still(speed):
    """A pace of zero or less is refused."""
    with pytest.raises(ValueError, match="cannot run"):
        ScaledClock(speed, machine=VirtualClock())
