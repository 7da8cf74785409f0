"""Drivers of a sandbox's devices on its clock: they answer late, fail, or lose contact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from vpnmigrate.model.device_drivers import (
    ConnectionSide,
    DeviceState,
    DriverCall,
    DriverOutcome,
    DriverResult,
    DriverVerb,
    TunnelsState,
)
from vpnmigrate.sandbox.world import World


@dataclass
class DrivenDevice:
    """A device with both connections, which outlives every process."""

    new: TunnelsState = TunnelsState.ABSENT
    old: TunnelsState = TunnelsState.ENABLED
    changes: list[DriverVerb] = field(default_factory=list)

    @property
    def state(self) -> DeviceState:
        return DeviceState(self.new, self.old)


@dataclass
class Trouble:
    """What happens to one call: its outcome, and whether the device is changed."""

    outcome: DriverOutcome
    has_effect: bool = False
    message: str = "no route to host"
    pending_until: datetime | None = None
    """Until when the device waits for the confirmation of its last change."""


class WorldDrivers:
    """Drivers that operate the devices of *world*, which *devices* outlives."""

    def __init__(
        self,
        world: World,
        devices: dict[str, DrivenDevice] | None = None,
        *,
        takes: timedelta = timedelta(seconds=5),
        troubles: dict[DriverVerb, list[Trouble]] | None = None,
    ) -> None:
        self.devices = {} if devices is None else devices
        self.called: list[tuple[DriverVerb, str]] = []
        self._world = world
        self._takes = takes
        self.troubles = troubles or {}
        self._open: list[tuple[datetime, DriverCall, DriverResult]] = []

    @property
    def verbs(self) -> list[str]:
        """Every verb so far."""
        return [verb.value for verb, _ in self.called]

    def begin(self, call: DriverCall) -> None:
        assert all(open_.gateway != call.gateway for _, open_, _ in self._open)
        self.called.append((call.verb, call.connection))
        waiting = self.troubles.get(call.verb, [])
        trouble = waiting.pop(0) if waiting else Trouble(DriverOutcome.DONE, has_effect=True)
        device = self.devices.setdefault(call.connection, DrivenDevice())
        if trouble.has_effect:
            self._apply(call, device)
        state = device.state if trouble.outcome is DriverOutcome.DONE else DeviceState()
        message = "" if trouble.outcome is DriverOutcome.DONE else trouble.message
        until = trouble.pending_until
        result = DriverResult(trouble.outcome, state, message, self._takes, pending_until=until)
        self._open.append((self._world.clock.now() + self._takes, call, result))

    def ended(self) -> Sequence[tuple[DriverCall, DriverResult]]:
        now = self._world.clock.now()
        done = [(call, result) for at, call, result in self._open if at <= now]
        self._open = [each for each in self._open if each[0] > now]
        return done

    def finish(self) -> None:
        if self._open:
            self._world.clock.sleep(self._takes)

    def _apply(self, call: DriverCall, device: DrivenDevice) -> None:
        devices = self._world.devices
        if call.verb is not DriverVerb.STATUS:
            device.changes.append(call.verb)
        match call.verb:
            case DriverVerb.LOAD:
                devices.configure(call.successor)
                device.new = TunnelsState.DISABLED
            case DriverVerb.ENABLE:
                devices.enable(call.successor)
                device.new = TunnelsState.ENABLED
                if call.disable_old:
                    devices.disable(call.connection)
                    device.old = TunnelsState.DISABLED
            case DriverVerb.BACK_OUT:
                devices.disable(call.successor)
                devices.enable(call.connection)
                device.new, device.old = TunnelsState.DISABLED, TunnelsState.ENABLED
            case DriverVerb.REMOVE if call.remove is ConnectionSide.NEW:
                device.new = TunnelsState.ABSENT
            case DriverVerb.REMOVE:
                device.old = TunnelsState.ABSENT
            case DriverVerb.STATUS:
                pass
