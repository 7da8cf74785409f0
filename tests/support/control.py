"""A client of a served sandbox that also decides who tends its devices."""

from __future__ import annotations

from datetime import timedelta

from vpnmigrate.sandbox.server.client import ControlClient


class DeviceControl(ControlClient):
    """A control client that sets how the sandbox's devices react."""

    def attend_after(self, delay: timedelta) -> None:
        """Let the devices follow every swap of gateways after *delay*."""
        self._ask("devices", {"mode": "attentive", "seconds": delay.total_seconds()})

    def leave_alone(self) -> None:
        """Let the devices do only what they are told."""
        self._ask("devices", {"mode": "manual"})
