"""Control client of a served sandbox that also sets how its devices react."""

from __future__ import annotations

from datetime import timedelta

from vpnmigrate.sandbox.server.client import ControlClient


class DeviceControl(ControlClient):
    """A control client that sets how the sandbox's devices react."""

    def attend_after(self, delay: timedelta) -> None:
        """Set the devices to follow every swap of gateways after *delay*."""
        self._ask("devices", {"mode": "attentive", "seconds": delay.total_seconds()})

    def leave_alone(self) -> None:
        """Set the devices to change only on request."""
        self._ask("devices", {"mode": "manual"})
