"""Gate on the drivers of devices: whether each of them answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vpnmigrate.engine.gates.base import unless
from vpnmigrate.model.device_drivers import (
    GOALS,
    DriverOutcome,
    DriverResult,
    TunnelsState,
)
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.errors.commands import Advice, cli
from vpnmigrate.model.gates import Gate, GateResult
from vpnmigrate.model.snapshot import Confirmation

_REQUIRED = "each driver answers status: new tunnels disabled, old tunnels enabled"
_ADVICE: Advice = (
    "check the driver and its path to the device, or force the gate with an engineer ready:",
    cli("apply", "RUN"),
)


def device_drivers(seen: Mapping[VpnConnectionId, DriverResult | None]) -> GateResult:
    """Check what each driver reports; None has not answered in time."""
    return unless(
        Gate.DRIVERS,
        list(_faults(seen)),
        "; ".join(f"{old}: {result and result.state}" for old, result in seen.items()),
        _REQUIRED,
        advice=_ADVICE,
    )


def _faults(seen: Mapping[VpnConnectionId, DriverResult | None]) -> Iterator[str]:
    loaded = GOALS[Confirmation.DEVICES_CONFIGURED]
    for old, result in seen.items():
        if result is None:
            yield f"the driver of {old} has not answered within its limit"
        elif result.outcome is not DriverOutcome.DONE:
            yield f"the driver of {old} does not answer: {result.message}"
        elif result.pending_until is not None:
            yield f"the device of {old} waits for the confirmation of a change, which may not last"
        elif not loaded.reached(result.state) or result.state.old is not TunnelsState.ENABLED:
            said = f"; {result.message}" if result.message else ""
            yield f"the device of {old} has {result.state}{said}"
