"""Simulated drivers: the drivers of a world's devices, on its clock, with their faults.

A driver with a commit timer commits, connects anew, looks, and confirms, in one call, as
``local/drivers/confirmed_change.py`` does; another one only changes the device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec.structs import replace

from vpnmigrate.model.decisions import DeviceDriver
from vpnmigrate.model.device_drivers import (
    SERVED,
    DeviceState,
    DriverCall,
    DriverOutcome,
    DriverResult,
    DriverVerb,
    TunnelsState,
    lacks_timer,
)
from vpnmigrate.sandbox.driven_devices import (
    DrivenDevice,
    DrivenDevices,
    DueEvent,
    is_reached,
)

TAKES = timedelta(seconds=10)
"""Duration of a call: two connections, with a commit between them; a guess."""
LATE = timedelta(minutes=5)
"""How long after its timer a commit counts as pending where the device is out of reach."""


class DriverFaultKind(StrEnum):
    """Kind of fault in a call of a driver."""

    NOT_REACHED = "the device is not reached"
    CUT_OFF = "contact is lost after the change"
    REFUSED = "the device refuses"
    HANGS = "it hangs before the change, until its limit"
    HANGS_AFTER = "it hangs after the change, until its limit"
    SLOW = "it takes most of its limit"
    SILENT = "it does not report the state"
    CUT_SHORT = "contact is lost in the middle of the change"
    WRONG = "all is sent, and the device is not as asked"
    RESTARTS = "the device restarts after the change, and loses what is not saved"


ATOMIC = ("juniper-srx", "vyos")
"""Platforms that make all of a commit or nothing."""


_LOSES_CONTACT = (DriverFaultKind.CUT_OFF, DriverFaultKind.CUT_SHORT, DriverFaultKind.RESTARTS)


@dataclass(frozen=True)
class DriverFault:
    """One fault, and for how long no driver reaches the device after it."""

    kind: DriverFaultKind
    dark: timedelta = timedelta(0)


DriverFaultSource = Callable[[DriverCall], DriverFault | None]
"""Returns what goes wrong in a call; None if nothing does."""


def no_fault(call: DriverCall) -> None:
    """Return None: nothing goes wrong."""
    del call


def timer_of(driver: DeviceDriver) -> timedelta:
    """Return for how long a device keeps a change that is not confirmed; zero if it is kept."""
    timed = driver.kind in SERVED and not lacks_timer(driver)
    return driver.confirm_timer if timed else timedelta(0)


class DriverProgram:
    """One call, a program of its own: it acts at the device, and ends with a result."""

    def __init__(
        self, devices: DrivenDevices, call: DriverCall, fault: DriverFault | None, begins: datetime
    ) -> None:
        """Start for *call* at *begins*, when the device's lock is free."""
        self.call = call
        self.result: DriverResult | None = None
        self.ends: datetime | None = None
        """When it ends; None as long as that depends on the device."""
        self._devices = devices
        self._kind = fault.kind if fault else None
        self._dark = fault.dark if fault else timedelta(0)
        self._begins = begins
        self._limit = call.driver.limit
        self._gives_up = begins + self._limit * 3 / 4
        """Until when it tries to reach the device."""
        self._timer = timer_of(call.driver)
        takes = min(TAKES, self._limit / 2)
        if self._kind is DriverFaultKind.SLOW:
            takes = self._limit * 9 / 10
        self._pause = takes / 2
        self._next = DueEvent(begins + self._pause, self._act)
        devices.due(self._next)

    @property
    def latest_end(self) -> datetime:
        """When it has ended at the latest."""
        return self.ends or self._begins + self._limit

    def die(self) -> None:
        """End now, with its host; what it has done at the device stays."""
        if self.result is None:
            self._devices.forget(self._next)
        self.ends = min(self._now, self.latest_end)

    @property
    def _now(self) -> datetime:
        return self._devices.world.clock.now()

    def _act(self) -> None:
        """Do the work at the device, or wait until it can be reached."""
        call, at = self.call, self._next.at
        device = self._devices.meet(call.connection, call.successor)
        if self._kind is DriverFaultKind.HANGS:
            self._end(self._begins + self._limit, self._uncertain("killed at its limit"))
            return
        if self._waits_for_contact(device.dark_until, at, self._act):
            return
        if self._kind is DriverFaultKind.NOT_REACHED:
            self._end(at, self._without_contact())
            return
        if self._kind is DriverFaultKind.REFUSED:
            self._end(at, self._not_done("the device refuses"))
            return
        if not self._settles(device):
            self._end(at, self._uncertain("an earlier change is not as asked, and waits"))
            return
        if call.verb is DriverVerb.BACK_OUT and is_reached(call, self._reported(device)):
            self._devices.initiate(call.connection)
        if call.verb is DriverVerb.STATUS or is_reached(call, self._reported(device)):
            self._end(at + self._pause, self._done())
            return
        self._change(device, at)

    def _settles(self, device: DrivenDevice) -> bool:
        """Confirm or undo the change of an earlier call; return whether this one may continue."""
        commit, verb = device.commit, self.call.verb
        if commit is None:
            device.noted_until = None
            if device.unsaved is not None and is_reached(device.unsaved, device.state):
                self._devices.confirm(device)  # The call before has died, or lost contact.
        elif verb is DriverVerb.STATUS:
            pass
        elif not commit.complete:
            self._devices.undo(device)
        elif commit.call is None or is_reached(commit.call, device.state):
            self._devices.confirm(device)
        elif verb not in (DriverVerb.BACK_OUT, DriverVerb.REMOVE) or verb is commit.call.verb:
            return False
        else:
            self._devices.undo(device)
        return True

    def _change(self, device: DrivenDevice, at: datetime) -> None:
        """Make the change, as far as the fault allows."""
        call, kind = self.call, self._kind
        over_ssh = call.driver.kind in SERVED
        if kind is DriverFaultKind.CUT_SHORT and over_ssh and call.driver.platform in ATOMIC:
            device.dark_until = at + self._dark
            self._end(at, self._without_contact())
            return
        if kind in (DriverFaultKind.CUT_SHORT, DriverFaultKind.WRONG):
            whole = kind is DriverFaultKind.WRONG
            self._devices.change_in_part(call, self._timer, complete=whole)
        else:
            self._devices.change(call, self._timer, saves=not over_ssh)
        if kind is DriverFaultKind.HANGS_AFTER:
            self._end(self._begins + self._limit, self._uncertain("killed at its limit"))
            return
        if kind is DriverFaultKind.RESTARTS:
            self._devices.restart(call.connection, self._dark)
        elif kind in (DriverFaultKind.CUT_OFF, DriverFaultKind.CUT_SHORT):
            device.dark_until = at + self._dark
        if not over_ssh and kind in _LOSES_CONTACT:
            self._end(at, self._uncertain("no contact"))
            return
        self._next = DueEvent(at + self._pause, self._look_again)
        self._devices.due(self._next)

    def _look_again(self) -> None:
        """Confirm the change over a new connection."""
        device = self._devices.devices[self.call.connection]
        if self._waits_for_contact(device.dark_until, self._next.at, self._look_again):
            return
        if device.commit is not None and not device.commit.complete:
            self._devices.undo(device)
            self._end(self._next.at, self._uncertain("interrupted, and undone"))
        elif not is_reached(self.call, self._reported(device)):
            self._end(self._next.at, self._uncertain("it is not as asked"))
        else:
            self._devices.confirm(device)
            self._end(self._next.at, self._done())

    def _reported(self, device: DrivenDevice) -> DeviceState:
        """Return the state as the driver reports it; over SSH, a partial load is absent."""
        takes_away = self.call.verb in (DriverVerb.BACK_OUT, DriverVerb.REMOVE)
        if device.half_loaded and self.call.driver.kind in SERVED and not takes_away:
            return replace(device.state, new=TunnelsState.ABSENT)
        return device.state

    def _waits_for_contact(
        self, dark_until: datetime | None, at: datetime, then: Callable[[], None]
    ) -> bool:
        """Return whether the device is out of reach: *then* is tried again, or the call ends."""
        if dark_until is None or dark_until <= at:
            return False
        if dark_until < self._gives_up:
            self._next = DueEvent(dark_until, then)
            self._devices.due(self._next)
        else:
            self._end(self._gives_up, self._without_contact())
        return True

    def _end(self, at: datetime, result: DriverResult) -> None:
        self.ends = max(at, self._begins)
        self.result = replace(result, took=self.ends - self._begins)

    def _done(self) -> DriverResult:
        device = self._devices.devices[self.call.connection]
        silent = self._kind is DriverFaultKind.SILENT and self.call.verb is not DriverVerb.STATUS
        state = DeviceState() if silent else self._reported(device)
        until = device.commit.until if device.commit is not None else None
        return DriverResult(DriverOutcome.DONE, state, pending_until=until)

    def _without_contact(self) -> DriverResult:
        """Return the result without contact: before a commit, a driver with a timer is sure."""
        return self._not_done("no contact") if self._timer else self._uncertain("no contact")

    def _not_done(self, message: str) -> DriverResult:
        until = self._pending_until()
        outcome = DriverOutcome.FAILED if until is None else DriverOutcome.UNCERTAIN
        return DriverResult(outcome, message=message, pending_until=until)

    def _uncertain(self, message: str) -> DriverResult:
        killed = self._kind in (DriverFaultKind.HANGS, DriverFaultKind.HANGS_AFTER)
        until = None if killed else self._pending_until()
        return DriverResult(DriverOutcome.UNCERTAIN, message=message, pending_until=until)

    def _pending_until(self) -> datetime | None:
        noted = self._devices.devices[self.call.connection].noted_until
        return noted if noted is not None and self._now < noted + LATE else None


class SimulatedDrivers:
    """The drivers of one process (``ports.DeviceDrivers``), at *devices* that outlive it."""

    def __init__(self, devices: DrivenDevices, faults: DriverFaultSource = no_fault) -> None:
        self._devices = devices
        self._clock = devices.world.clock
        self._faults_of = faults
        self._open: list[DriverProgram] = []

    def begin(self, call: DriverCall) -> None:
        """Begin *call*, once an earlier one at its device has ended."""
        self._devices.attend()
        earlier, now = self._devices.locks.get(call.gateway), self._clock.now()
        begins = max(now, earlier.latest_end) if earlier else now
        program = DriverProgram(self._devices, call, self._faults_of(call), begins)
        self._devices.locks[call.gateway] = program
        self._open.append(program)

    @property
    def are_working(self) -> bool:
        """Whether a call of this process has not ended, as far as the process knows."""
        return bool(self._open)

    def die(self) -> None:
        """End every call now, as when the host of the drivers goes down."""
        for program in self._open:
            program.die()

    def ended(self) -> Sequence[tuple[DriverCall, DriverResult]]:
        """Return the calls that have ended since the last time."""
        self._devices.attend()
        now = self._clock.now()
        over = [each for each in self._open if each.ends is not None and each.ends <= now]
        self._open = [each for each in self._open if each not in over]
        return [(each.call, each.result) for each in over if each.result is not None]

    def finish(self) -> None:
        """Wait until every call has ended."""
        while any(each.ends is None or each.ends > self._clock.now() for each in self._open):
            self._clock.sleep(timedelta(seconds=1))
            self._devices.attend()
