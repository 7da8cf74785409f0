"""The clock of a client of a served sandbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.errors import UnreachableError, UsageError
from vpnmigrate.sandbox.server.client import FRESH, SHORTEST, ControlClient, RemoteClock
from vpnmigrate.sandbox.server.clock import ScaledClock

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
SPEED = 60


class Sandbox(ControlClient):
    """A sandbox's control endpoint; an answer takes *slow* of the machine's time."""

    def __init__(self, machine: VirtualClock, speed: float | None = SPEED) -> None:
        super().__init__("http://127.0.0.1:1")
        self.clock = ScaledClock(speed or 1, machine)
        self.asked = 0
        self.gone = False
        self.slow = timedelta(0)
        self._machine = machine
        self._speed = speed

    def time(self) -> Mapping[str, Any]:
        self.asked += 1
        if self.gone:
            message = "connection refused"
            raise UnreachableError(message)
        self._machine.sleep(self.slow / 2)
        found = {"time": self.clock.now().isoformat(), "speed": self._speed}
        self._machine.sleep(self.slow / 2)
        return found


@pytest.fixture
def machine() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def sandbox(machine: VirtualClock) -> Sandbox:
    return Sandbox(machine)


@pytest.fixture
def clock(sandbox: Sandbox, machine: VirtualClock) -> RemoteClock:
    return RemoteClock(sandbox, machine)


def test_agrees_with_the_sandbox(clock, sandbox, machine):
    """The clock has the sandbox's time and speed."""
    for _ in range(10):
        machine.sleep(0.7 * SECOND)

        assert clock.now() == sandbox.clock.now()


def test_follows_a_leap_within_a_second_of_the_machine(clock, sandbox, machine):
    """The clock follows an advance of the sandbox's clock."""
    sandbox.clock.advance(3 * HOUR)
    machine.sleep(FRESH)

    assert clock.now() == sandbox.clock.now()


def test_a_sleep_is_the_sandboxs(clock, sandbox, machine):
    """A sleep of an hour of the sandbox's time takes a minute of the machine's."""
    before = machine.now()

    clock.sleep(HOUR)

    assert machine.now() - before == HOUR / SPEED
    assert clock.now() == sandbox.clock.now()


def test_a_short_sleep_is_one_of_the_machines(clock, machine):
    """A sleep takes at least the shortest time, so that no request is made in vain."""
    before = machine.now()

    clock.sleep(SECOND)

    assert machine.now() - before == SHORTEST


def test_asks_no_oftener_than_it_has_to(clock, sandbox, machine):
    """The sandbox is asked for the time at most once a second."""
    for _ in range(1000):
        machine.sleep(timedelta(milliseconds=10))
        clock.now()

    assert sandbox.asked <= 11


def test_a_slow_answer_is_no_leap(clock, sandbox, machine):
    """Durations that are measured on a busy machine are correct."""
    ahead = sandbox.clock.now() - clock.now()

    for slow in (2 * SECOND, 0.2 * SECOND, 7 * SECOND):
        sandbox.slow = slow
        machine.sleep(FRESH)
        clock.now()

        assert sandbox.clock.now() - clock.now() == ahead


def test_never_goes_back(clock, sandbox, machine):
    """Time never decreases, even if another sandbox with an earlier clock answers."""
    machine.sleep(HOUR)
    before = clock.now()
    sandbox.clock = ScaledClock(1, VirtualClock())
    machine.sleep(FRESH)

    assert clock.now() >= before


def test_passes_on_when_the_sandbox_has_gone(clock, sandbox, machine):
    """After the sandbox's end the clock continues; the EC2 calls report the error."""
    before = clock.now()
    sandbox.gone = True
    machine.sleep(5 * SECOND)

    assert clock.now() - before == 5 * SECOND * SPEED


@pytest.mark.parametrize(
    ("made", "error"),
    [
        (lambda machine: Sandbox(machine, speed=None), UsageError),
        (lambda _: ControlClient("http://127.0.0.1:1"), UnreachableError),
    ],
)
def test_begins_with_no_time_at_all_where_none_is_given(
    machine: VirtualClock, made: Callable[[VirtualClock], ControlClient], error: type[Exception]
) -> None:
    """A clock without a sandbox is refused."""
    with pytest.raises(error):
        RemoteClock(made(machine), machine)
