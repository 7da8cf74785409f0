"""Driven devices: configurations of a world's devices; drivers and engineers change them.

A driver is a program: it continues when the process that called it is killed.  So the calls are
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
    call: DriverCall | None = None
    """The call that has made it; None if that is done as asked."""
    complete: bool = True
    """Whether all of it was sent."""


@dataclass
class DrivenDevice:
    """The device of one old connection, as it is configured; not whether tunnels are up."""

    old: str
    old_tunnels: tuple[int, ...] = TUNNELS
    """Those that it has enabled before the run, which a rollback enables again."""
    new: str = ""
    """The new connection of the last change or question."""
    state: DeviceState = _BEFORE
    saved: DeviceState = _BEFORE
    """What it has after a restart."""
    unsaved: DriverCall | None = None
    """The call of a driver over SSH whose change is not saved."""
    half_loaded: bool = False
    """Whether a part of the new tunnels was loaded, and no more."""
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
    time.  *on_undo* is called with a device that undoes a change by itself, and *on_restart* with
    one whose tunnels are down because it restarts.
    """

    def __init__(
        self,
        world: World,
        old: Iterable[str],
        on_undo: Callable[[str], None] = lambda _: None,
        on_restart: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.world = world
        self._on_undo, self._on_restart = on_undo, on_restart
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
            DueEvent(each.commit.until, partial(self._expire, each))
            for each in self.devices.values()
            if each.commit is not None
        ]
        return [*self._pending, *expiring]

    def meet(self, old: str, new: str) -> DrivenDevice:
        """Return the device of *old*, without tunnels of a connection before *new*."""
        device = self.devices[old]
        if new and device.new != new:
            device.new = new
            device.state = replace(device.state, new=TunnelsState.ABSENT)
            device.saved = replace(device.saved, new=TunnelsState.ABSENT)
            device.half_loaded, device.unsaved = False, None
        return device

    def change(
        self, call: DriverCall, timer: timedelta = timedelta(0), *, saves: bool = True
    ) -> None:
        """Make the change of *call*, which the device undoes after *timer* if there is one.

        One that *saves* survives a restart.
        """
        device = self.meet(call.connection, call.successor)
        before = device.state
        device.changes.append(call.verb)
        if call.verb is DriverVerb.LOAD and not device.half_loaded:
            device.repeated_loads += before.new is not TunnelsState.ABSENT
        device.half_loaded = False
        self._set(device, _after(call, before), initiates=call.verb is DriverVerb.BACK_OUT)
        device.unsaved = None if saves else call
        if saves:
            device.saved = device.state
        self._wait(device, UnconfirmedCommit(before, device.new, self._now + timer), timer)

    def change_in_part(self, call: DriverCall, timer: timedelta, *, complete: bool) -> None:
        """Make a part of the change of *call*: *complete* if all was sent, with another effect."""
        device = self.meet(call.connection, call.successor)
        before = device.state
        device.changes.append(call.verb)
        new, old = before.new, before.old
        two = len(device.old_tunnels) > 1
        match call.verb:
            case DriverVerb.LOAD:
                new, device.half_loaded = TunnelsState.UNKNOWN, True
            case DriverVerb.ENABLE if new is not TunnelsState.ENABLED:
                new, old = TunnelsState.UNKNOWN, _after(call, before).old
            case DriverVerb.BACK_OUT if new is TunnelsState.ENABLED:
                new = TunnelsState.UNKNOWN
            case DriverVerb.ENABLE | DriverVerb.BACK_OUT if two:
                old = TunnelsState.UNKNOWN
            case _:
                pass
        self._set(device, DeviceState(new, old), initiates=False)
        device.unsaved = call
        made = UnconfirmedCommit(before, device.new, self._now + timer, call, complete)
        self._wait(device, made, timer)

    def _wait(self, device: DrivenDevice, commit: UnconfirmedCommit, timer: timedelta) -> None:
        if timer:
            device.commit, device.noted_until = commit, commit.until

    def confirm(self, device: DrivenDevice) -> None:
        """Keep what *device* has, and save it."""
        device.commit = device.noted_until = device.unsaved = None
        device.saved = device.state

    def undo(self, device: DrivenDevice) -> None:
        """Undo the commit of *device* that waits."""
        commit, device.commit, device.noted_until = device.commit, None, None
        if commit is not None:
            same = commit.new == device.new
            new = commit.before.new if same else device.state.new
            device.half_loaded, device.unsaved = False, None
            self._set(device, DeviceState(new, commit.before.old), initiates=False)

    def restart(self, old: str, dark: timedelta) -> None:
        """Restart the device of *old*: what is not saved is lost, and it is out of reach."""
        device = self.devices[old]
        self._on_restart(old)
        if device.state != device.saved:
            self._on_undo(old)
        device.commit = device.unsaved = None
        device.half_loaded = False
        device.dark_until = self._now + dark
        self._set(device, DeviceState(TunnelsState.ABSENT, TunnelsState.DISABLED), initiates=False)
        self._set(device, device.saved, initiates=False)

    def initiate(self, old: str) -> None:
        """Initiate the tunnels of *old*, which are enabled."""
        if self._exists(old):
            self.world.devices.enable(old, self.devices[old].old_tunnels)

    def by_hand(self, call: DriverCall) -> None:
        """Make the change of *call* as an engineer, who leaves nothing unconfirmed."""
        device = self.meet(call.connection, call.successor)
        if not is_reached(call, device.state):
            device.half_loaded = False
            self._set(device, _after(call, device.state), initiates=True)
        noted = device.noted_until
        self.confirm(device)
        device.noted_until = noted

    def _expire(self, device: DrivenDevice) -> None:
        noted = device.noted_until
        self._on_undo(device.old)
        self.undo(device)
        device.noted_until = noted

    @property
    def _now(self) -> datetime:
        return self.world.clock.now()

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
                case TunnelsState.UNKNOWN if not device.half_loaded:
                    tunnels.one_tunnel(device.new)
                case _:
                    tunnels.disable(device.new)
        if self._exists(device.old):
            if state.old is TunnelsState.UNKNOWN:
                tunnels.one_tunnel(device.old)
            elif state.old is not TunnelsState.ENABLED:
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
