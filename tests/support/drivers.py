"""Drivers of a world's devices whose calls have faults that a test lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tests.support.stage import Stage
from vpnmigrate.model.decisions import DeviceDriver, DriverKind, SshAccess
from vpnmigrate.model.device_drivers import DriverCall, DriverResult, DriverVerb
from vpnmigrate.sandbox.device_drivers import DriverFault, SimulatedDrivers
from vpnmigrate.sandbox.driven_devices import DrivenDevice, DrivenDevices
from vpnmigrate.sandbox.world import World

ROUTER = DeviceDriver(
    DriverKind.NETMIKO, platform="juniper-srx", ssh=SshAccess("router.example", "netops")
)
"""A driver whose device undoes what it does not confirm."""

FaultLists = Mapping[DriverVerb, Sequence[DriverFault | None]]
"""What goes wrong in the calls of each verb, in turn; later calls have no fault."""


class DriverScript:
    """The devices behind *old* connections of *world*, and the drivers of every process."""

    def __init__(self, world: World, old: Iterable[str], faults: FaultLists | None = None) -> None:
        self.devices = DrivenDevices(world, old)
        self.faults = {verb: list(each) for verb, each in (faults or {}).items()}
        self.verbs: list[str] = []
        """Every verb so far."""

    @classmethod
    def of(cls, stage: Stage, faults: FaultLists | None = None) -> DriverScript:
        """Return the devices of *stage*."""
        return cls(stage.world, stage.plan.old_connections, faults)

    def drivers(self) -> SimulatedDrivers:
        """Return the drivers of one process."""
        return _SeparateCalls(self.devices, self._fault)

    def device(self, old: str) -> DrivenDevice:
        """Return the device of *old*, as it is now."""
        self.devices.attend()
        return self.devices.devices[old]

    def occupy(self, gateway: str, until: datetime) -> None:
        """Let an earlier call hold the lock of *gateway*, so that no other one begins."""
        self.devices.locks[gateway] = _EarlierCall(until)

    def _fault(self, call: DriverCall) -> DriverFault | None:
        self.verbs.append(call.verb.value)
        left = self.faults.get(call.verb, [])
        return left.pop(0) if left else None


class _SeparateCalls(SimulatedDrivers):
    """Drivers of a process that begins no call at a device before it has the last result."""

    _open_at: frozenset[str] = frozenset()

    def begin(self, call: DriverCall) -> None:
        assert call.gateway not in self._open_at
        self._open_at |= {call.gateway}
        super().begin(call)

    def ended(self) -> Sequence[tuple[DriverCall, DriverResult]]:
        ended = super().ended()
        self._open_at -= {call.gateway for call, _ in ended}
        return ended


@dataclass(frozen=True)
class _EarlierCall:
    latest_end: datetime
