"""Driven devices: the configuration of a world's devices, which drivers and engineers change.

A driver is a program: it works on while the process that called it is killed.  So the calls are
kept here, beside the devices, and every process of a run has a port of its own
(``device_drivers.SimulatedDrivers``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from msgspec.structs import replace

from vpnmigrate.model.device_drivers import (
    ConnectionSide,
    DeviceState,
    DriverCall,
    DriverVerb,
    TunnelsState,
    goal_of,
)
from vpnmigrate.sandbox.devices import TUNNELS
from vpnmigrate.sandbox.world import World

_BEFORE = DeviceState(TunnelsState.ABSENT, TunnelsState.ENABLED)


@dataclass(frozen=True)
class UnconfirmedCommit:
    """A change that the device undoes at *until*, unless it is confirmed."""

    before: DeviceState
    new: str
    """The new connection whose tunnels it has changed."""
    until: datetime


@dataclass
class DrivenDevice:
    """The device of one old connection, as it is configured; not whether tunnels are up."""

    old: str
    old_tunnels: tuple[int, ...] = TUNNELS
    """Those that it has enabled before the run, which a rollback enables again."""
    new: str = ""
    """The new connection of the last change or question."""
    state: DeviceState = _BEFORE
    commit: UnconfirmedCommit | None = None
    noted_until: datetime | None = None
    """The time in the driver's own file, which names a commit before it is sent."""
    dark_until: datetime | None = None
    """Until when no driver reaches it."""
    changes: list[DriverVerb] = field(default_factory=list)
    """Every verb that has changed it."""
    repeated_loads: int = 0
    """How often tunnels were loaded that it had already."""


class DrivenDevices:
    """The devices of *world* behind *old* connections.

    Nothing happens between two calls of ``attend``, which carries out what is due, in the order of
    time.  *on_undo* is called with a device that undoes a commit by itself.
    """

    def __init__(
        self, world: World, old: Iterable[str], on_undo: Callable[[str], None] = lambda _: None
    ) -> None:
        self.world = world
        self._on_undo = on_undo
        self.devices = {each: DrivenDevice(each, self._enabled(each) or TUNNELS) for each in old}
        self.locks: dict[str, LockHolder] = {}
        """The last call at each customer gateway, which holds its lock until it has ended."""
        self._pending: list[DueEvent] = []

    def due(self, event: DueEvent) -> None:
        """Carry out *event* once its time has come."""
        self._pending.append(event)

    def forget(self, event: DueEvent) -> None:
        """Drop *event*: it never happens."""
        self._pending.remove(event)

    def attend(self) -> None:
        """Carry out what is due by now: the acts of drivers, and commits that expire."""
        now = self.world.clock.now()
        while (event := min(self._events(), key=lambda each: each.at, default=None)) is not None:
            if event.at > now:
                return
            if event in self._pending:
                self._pending.remove(event)
            event.act()

    def next_event(self) -> datetime | None:
        """Return when something happens next; None if nothing will."""
        return min((each.at for each in self._events()), default=None)

    def _events(self) -> list[DueEvent]:
        expiring = [
            DueEvent(each.commit.until, partial(self._undo, each))
            for each in self.devices.values()
            if each.commit is not None
        ]
        return [*self._pending, *expiring]

    def meet(self, old: str, new: str) -> DrivenDevice:
        """Return the device of *old*; tunnels of an earlier connection than *new* do not count."""
        device = self.devices[old]
        if new and device.new != new:
            device.new = new
            device.state = replace(device.state, new=TunnelsState.ABSENT)
        return device

    def change(self, call: DriverCall, timer: timedelta = timedelta(0)) -> None:
        """Make the change of *call*, which the device undoes after *timer* if there is one."""
        device = self.meet(call.connection, call.successor)
        before, now = device.state, self.world.clock.now()
        device.changes.append(call.verb)
        if call.verb is DriverVerb.LOAD and before.new is not TunnelsState.ABSENT:
            device.repeated_loads += 1
        self._set(device, _after(call, before), initiates=call.verb is DriverVerb.BACK_OUT)
        if timer:
            device.commit = UnconfirmedCommit(before, device.new, now + timer)
            device.noted_until = now + timer

    def initiate(self, old: str) -> None:
        """Initiate the tunnels of *old*, which are enabled."""
        if self._exists(old):
            self.world.devices.enable(old, self.devices[old].old_tunnels)

    def by_hand(self, call: DriverCall) -> None:
        """Make the change of *call* as an engineer, who leaves nothing unconfirmed."""
        device = self.meet(call.connection, call.successor)
        device.commit = None
        if not is_reached(call, device.state):
            self._set(device, _after(call, device.state), initiates=True)

    def _undo(self, device: DrivenDevice) -> None:
        commit, device.commit = device.commit, None
        if commit is not None:
            self._on_undo(device.old)
            same = commit.new == device.new
            new = commit.before.new if same else device.state.new
            self._set(device, DeviceState(new, commit.before.old), initiates=False)

    def _set(self, device: DrivenDevice, state: DeviceState, *, initiates: bool) -> None:
        """Configure *device*; with *initiates* its old tunnels are enabled once more."""
        before, device.state = device.state, state
        tunnels = self.world.devices
        if state.new is not before.new and self._exists(device.new):
            match state.new:
                case TunnelsState.ENABLED:
                    tunnels.enable(device.new)
                case TunnelsState.DISABLED:
                    tunnels.configure(device.new)
                    tunnels.disable(device.new)
                case _:
                    tunnels.disable(device.new)
        if self._exists(device.old):
            if state.old is not TunnelsState.ENABLED:
                tunnels.disable(device.old)
            elif initiates or before.old is not TunnelsState.ENABLED:
                tunnels.enable(device.old, device.old_tunnels)

    def _enabled(self, connection: str) -> tuple[int, ...]:
        return self.world.devices.enabled(connection) if self._exists(connection) else ()

    def _exists(self, connection: str) -> bool:
        with self.world.to_be_read() as state:
            return connection in state.connections


class LockHolder(Protocol):
    """A call of a driver that holds the lock of its device."""

    @property
    def latest_end(self) -> datetime:
        """When it has ended at the latest."""
        ...


@dataclass(eq=False)
class DueEvent:
    """Something that happens at a device at a time."""

    at: datetime
    act: Callable[[], None]


def is_reached(call: DriverCall, state: DeviceState) -> bool:
    """Return whether *state* is what *call* leads to."""
    return goal_of(call.verb, disable_old=call.disable_old, remove=call.remove).reached(state)


def _after(call: DriverCall, state: DeviceState) -> DeviceState:
    match call.verb:
        case DriverVerb.LOAD:
            return replace(state, new=TunnelsState.DISABLED)
        case DriverVerb.ENABLE:
            old = TunnelsState.DISABLED if call.disable_old else state.old
            return DeviceState(TunnelsState.ENABLED, old)
        case DriverVerb.BACK_OUT:
            absent = state.new is TunnelsState.ABSENT
            return DeviceState(state.new if absent else TunnelsState.DISABLED, TunnelsState.ENABLED)
        case DriverVerb.REMOVE if call.remove is ConnectionSide.NEW:
            return replace(state, new=TunnelsState.ABSENT)
        case DriverVerb.REMOVE:
            return replace(state, old=TunnelsState.ABSENT)
        case DriverVerb.STATUS:
            return state
