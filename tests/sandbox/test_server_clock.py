"""The clock of a served sandbox."""

from __future__ import annotations

from datetime import timedelta

import pytest

from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.sandbox.server.clock import ScaledClock


def test_time_passes_faster_than_the_machines():
    """At speed 60 ten seconds of the machine's time are ten minutes."""
    machine = VirtualClock()
    clock = ScaledClock(60, machine=machine)
    start = clock.now()

    machine.sleep(timedelta(seconds=10))

    assert clock.now() - start == timedelta(minutes=10)


def test_waiting_takes_the_machine_less_time():
    """At speed 60 a sleep of an hour takes a minute."""
    machine = VirtualClock()
    clock, before = ScaledClock(60, machine=machine), machine.now()

    clock.sleep(timedelta(hours=1))

    assert machine.now() - before == timedelta(minutes=1)


def test_time_can_be_put_forward():
    """An advance takes effect at once, and time continues from there."""
    machine = VirtualClock()
    clock = ScaledClock(machine=machine)
    start = clock.now()

    clock.advance(timedelta(minutes=3))
    machine.sleep(timedelta(minutes=1))

    assert clock.now() - start == timedelta(minutes=4)


def test_time_never_decreases():
    """A negative advance is refused."""
    with pytest.raises(ValueError, match="cannot be set back"):
        ScaledClock(machine=VirtualClock()).advance(timedelta(seconds=-1))


@pytest.mark.parametrize("speed", [0, -1])
def test_time_does_not_stand_still(speed):
    """A speed of zero or less is refused."""
    with pytest.raises(ValueError, match="must be positive"):
        ScaledClock(speed, machine=VirtualClock())
