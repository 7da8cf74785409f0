"""Simulated drivers: what their calls do at the devices of a world, and how they fail."""

from __future__ import annotations

from datetime import timedelta

import pytest

from vpnmigrate.cli.commands.sandbox import load
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.decisions import DeviceDriver, DriverKind
from vpnmigrate.model.device_drivers import (
    DeviceState,
    DriverCall,
    DriverOutcome,
    DriverResult,
    DriverVerb,
    TunnelsState,
)
from vpnmigrate.sandbox.device_drivers import DriverFault, DriverFaultKind, SimulatedDrivers
from vpnmigrate.sandbox.driven_devices import DrivenDevices
from vpnmigrate.sandbox.scenarios.load import load_world

PROGRAM = DeviceDriver(DriverKind.COMMAND, ("/usr/local/bin/tunnels",))
ROUTER = DeviceDriver(DriverKind.NETMIKO, platform="juniper-srx")
LIMIT, TIMER = PROGRAM.limit, ROUTER.confirm_timer
BEFORE = DeviceState(TunnelsState.ABSENT, TunnelsState.ENABLED)
SWITCHED = DeviceState(TunnelsState.ENABLED, TunnelsState.DISABLED)


class Bench:
    """A world with one device, and the drivers of a process."""

    def __init__(self) -> None:
        scenario = load("single-bgp")
        self.clock = VirtualClock()
        self.world = load_world(scenario, self.clock)
        (connection,) = scenario.connections
        self.old = connection.id
        self.undone: list[str] = []
        self.devices = DrivenDevices(self.world, [self.old], self.undone.append)
        self.device = self.devices.devices[self.old]
        made = self.world.execute("ec2", "CreateVpnGateway", {"Type": "ipsec.1"})
        self.clock.sleep(timedelta(minutes=5))
        body = self.world.execute(
            "ec2",
            "CreateVpnConnection",
            {
                "CustomerGatewayId": connection.customer_gateway,
                "Type": "ipsec.1",
                "VpnGatewayId": made["VpnGateway"]["VpnGatewayId"],
            },
        )
        self.new = body["VpnConnection"]["VpnConnectionId"]

    def call(self, verb: DriverVerb, driver: DeviceDriver = PROGRAM) -> DriverCall:
        """Return a call that also disables the old tunnels where it enables the new ones."""
        return DriverCall(driver, verb, "cgw-1", self.old, self.new, verb is DriverVerb.ENABLE)

    def drivers(self, *faults: DriverFault | None) -> SimulatedDrivers:
        """Return the drivers of a process, whose calls have *faults*, one after another."""
        left = list(faults)
        return SimulatedDrivers(self.devices, lambda _: left.pop(0) if left else None)

    def result(self, drivers: SimulatedDrivers, call: DriverCall) -> DriverResult:
        """Return the result of *call*."""
        drivers.begin(call)
        drivers.finish()
        ((_, result),) = drivers.ended()
        return result


@pytest.fixture
def bench():
    return Bench()


def test_each_verb_changes_the_device_and_the_world(bench):
    """What a driver enables is enabled in the world too, in either direction."""
    drivers, tunnels = bench.drivers(), bench.world.devices
    states = [
        bench.result(drivers, bench.call(verb)).state
        for verb in (DriverVerb.STATUS, DriverVerb.LOAD, DriverVerb.ENABLE)
    ]
    forward = tunnels.enabled(bench.new), tunnels.enabled(bench.old)
    back = bench.result(drivers, bench.call(DriverVerb.BACK_OUT)).state

    assert states == [BEFORE, DeviceState(TunnelsState.DISABLED, TunnelsState.ENABLED), SWITCHED]
    assert forward == ((0, 1), ())
    assert back == states[1]
    assert (tunnels.enabled(bench.new), tunnels.enabled(bench.old)) == ((), (0, 1))
    assert bench.device.repeated_loads == 0


@pytest.mark.parametrize(
    ("driver", "kind", "outcome", "changed"),
    [
        (PROGRAM, DriverFaultKind.NOT_REACHED, DriverOutcome.UNCERTAIN, False),
        (ROUTER, DriverFaultKind.NOT_REACHED, DriverOutcome.FAILED, False),
        (PROGRAM, DriverFaultKind.CUT_OFF, DriverOutcome.UNCERTAIN, True),
        (ROUTER, DriverFaultKind.CUT_OFF, DriverOutcome.UNCERTAIN, True),
        (PROGRAM, DriverFaultKind.REFUSED, DriverOutcome.FAILED, False),
        (PROGRAM, DriverFaultKind.HANGS, DriverOutcome.UNCERTAIN, False),
        (ROUTER, DriverFaultKind.HANGS_AFTER, DriverOutcome.UNCERTAIN, True),
        (PROGRAM, DriverFaultKind.SLOW, DriverOutcome.DONE, True),
        (PROGRAM, DriverFaultKind.SILENT, DriverOutcome.DONE, True),
    ],
)
def test_a_fault_has_an_outcome_and_an_effect(bench, driver, kind, outcome, changed):
    """A call goes wrong before its effect or after it, and never takes longer than its limit."""
    drivers = bench.drivers(DriverFault(kind, dark=timedelta(minutes=3)))
    result = bench.result(drivers, bench.call(DriverVerb.ENABLE, driver))

    assert result.outcome is outcome
    assert (bench.device.state == SWITCHED) is changed
    assert timedelta(0) < result.took <= LIMIT
    assert result.state == (SWITCHED if kind is DriverFaultKind.SLOW else DeviceState())


def test_a_device_undoes_a_commit_that_is_not_confirmed(bench):
    """A driver that is cut off says until when, and the device is as before after that."""
    drivers = bench.drivers(DriverFault(DriverFaultKind.CUT_OFF, dark=timedelta(minutes=2)))
    lost = bench.result(drivers, bench.call(DriverVerb.ENABLE, ROUTER))
    waiting = bench.result(drivers, bench.call(DriverVerb.STATUS, ROUTER))
    bench.clock.sleep(TIMER)
    after = bench.result(drivers, bench.call(DriverVerb.STATUS, ROUTER))

    assert lost.pending_until == waiting.pending_until is not None
    assert (waiting.outcome, waiting.state) == (DriverOutcome.DONE, SWITCHED)
    assert (after.state, after.pending_until) == (BEFORE, None)
    assert bench.undone == [bench.old]
    assert bench.world.devices.enabled(bench.old)


def test_the_next_call_confirms_a_commit_that_waits(bench):
    """A driver that reaches the device in time confirms what an earlier call has committed."""
    drivers = bench.drivers(DriverFault(DriverFaultKind.HANGS_AFTER))
    bench.result(drivers, bench.call(DriverVerb.ENABLE, ROUTER))
    again = bench.result(drivers, bench.call(DriverVerb.ENABLE, ROUTER))
    bench.clock.sleep(2 * TIMER)
    bench.devices.attend()

    assert (again.state, again.pending_until) == (SWITCHED, None)
    assert (bench.device.state, bench.undone) == (SWITCHED, [])
    assert bench.device.changes == [DriverVerb.ENABLE]


def test_a_call_outlives_its_process_and_holds_the_lock(bench):
    """The call of the next process waits until that of a killed one has ended."""
    bench.drivers(DriverFault(DriverFaultKind.SLOW)).begin(bench.call(DriverVerb.LOAD))
    later = bench.drivers()
    began = bench.clock.now()
    result = bench.result(later, bench.call(DriverVerb.STATUS))

    assert result.state.new is TunnelsState.DISABLED
    assert bench.clock.now() - began > LIMIT / 2


def test_a_call_that_dies_with_its_host_does_nothing_more(bench):
    """Before it acts, the end of its host leaves the device as it was."""
    drivers = bench.drivers()
    drivers.begin(bench.call(DriverVerb.LOAD))
    drivers.die()
    bench.clock.sleep(timedelta(minutes=10))
    bench.devices.attend()

    assert bench.device.state == BEFORE


IOS = DeviceDriver(DriverKind.NETMIKO, platform="cisco-ios")
ASA = DeviceDriver(DriverKind.NETMIKO, platform="cisco-asa")
LOADED = DeviceState(TunnelsState.DISABLED, TunnelsState.ENABLED)
HALF = DeviceState(TunnelsState.UNKNOWN, TunnelsState.DISABLED)
CUT_SHORT = DriverFault(DriverFaultKind.CUT_SHORT, timedelta(seconds=5))
WRONG = DriverFault(DriverFaultKind.WRONG)
RESTARTS = DriverFault(DriverFaultKind.RESTARTS, timedelta(seconds=5))


@pytest.mark.parametrize(
    ("driver", "outcome", "state"),
    [
        (PROGRAM, DriverOutcome.UNCERTAIN, HALF),
        (ASA, DriverOutcome.UNCERTAIN, HALF),
        (IOS, DriverOutcome.UNCERTAIN, LOADED),
        (ROUTER, DriverOutcome.FAILED, LOADED),
    ],
    ids=["program", "without a timer", "undone", "all or nothing"],
)
def test_a_call_that_is_cut_short_makes_a_part_of_the_change(bench, driver, outcome, state):
    """One tunnel is enabled; a device with a timer undoes it, and one with a candidate has none."""
    drivers = bench.drivers(None, CUT_SHORT)
    bench.result(drivers, bench.call(DriverVerb.LOAD, driver))
    result = bench.result(drivers, bench.call(DriverVerb.ENABLE, driver))

    assert (result.outcome, result.pending_until) == (outcome, None)
    assert bench.device.state == state
    assert bench.world.devices.enabled(bench.new) == ((0,) if state == HALF else ())


def test_a_part_of_a_load_counts_as_none_over_ssh(bench):
    """It is loaded again as a whole; a program of the user reports what it sees."""
    drivers = bench.drivers(CUT_SHORT)
    bench.result(drivers, bench.call(DriverVerb.LOAD, ASA))
    seen = [
        bench.result(drivers, bench.call(DriverVerb.STATUS, driver)).state.new
        for driver in (ASA, PROGRAM)
    ]
    whole = bench.result(drivers, bench.call(DriverVerb.LOAD, ASA))

    assert seen == [TunnelsState.ABSENT, TunnelsState.UNKNOWN]
    assert (whole.state, bench.device.repeated_loads) == (LOADED, 0)


def test_a_wrong_commit_waits_for_its_timer_or_for_back_out(bench):
    """The same verb leaves it to the timer, and a rollback undoes it at once."""
    drivers = bench.drivers(None, WRONG)
    bench.result(drivers, bench.call(DriverVerb.LOAD, ROUTER))
    wrong, again = (bench.result(drivers, bench.call(DriverVerb.ENABLE, ROUTER)) for _ in range(2))
    back = bench.result(drivers, bench.call(DriverVerb.BACK_OUT, ROUTER))

    assert [r.outcome for r in (wrong, again)] == [DriverOutcome.UNCERTAIN] * 2
    assert wrong.pending_until == again.pending_until is not None
    assert (back.outcome, back.state, back.pending_until) == (DriverOutcome.DONE, LOADED, None)
    assert bench.undone == []


@pytest.mark.parametrize(("driver", "lasts"), [(PROGRAM, True), (ASA, False), (ROUTER, False)])
def test_a_restart_loses_what_is_not_saved(bench, driver, lasts):
    """A driver over SSH saves after it has looked again."""
    drivers = bench.drivers(None, RESTARTS)
    bench.result(drivers, bench.call(DriverVerb.LOAD, driver))
    result = bench.result(drivers, bench.call(DriverVerb.ENABLE, driver))
    bench.clock.sleep(2 * TIMER)
    after = bench.result(drivers, bench.call(DriverVerb.STATUS, driver))

    assert result.outcome is DriverOutcome.UNCERTAIN
    assert after.state == (SWITCHED if lasts else LOADED)
    assert bench.undone == [bench.old] * (not lasts)


def test_the_next_look_saves_a_change_that_lasts(bench):
    """A call that ends before it saves has its change saved by ``status``."""
    drivers = bench.drivers(DriverFault(DriverFaultKind.HANGS_AFTER))
    bench.result(drivers, bench.call(DriverVerb.ENABLE, ASA))
    before = bench.device.saved
    bench.result(drivers, bench.call(DriverVerb.STATUS, ASA))
    bench.devices.restart(bench.old, timedelta(0))

    assert before == BEFORE
    assert bench.device.state == SWITCHED
