"""GetActiveVpnTunnelStatus: what a tunnel has negotiated, measured or simulated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from vpnmigrate.model.tunnel_options import BY_FIELD
from vpnmigrate.sandbox.ec2.maintenance import require_offered
from vpnmigrate.sandbox.ec2.request import Params, Result, required, the_connection, the_tunnel
from vpnmigrate.sandbox.ec2.tunnels import read_tunnel
from vpnmigrate.sandbox.state import TunnelState, WorldState

_SHOWN: Final = {
    "ike_versions": "IkeVersion",
    "phase1_encryption": "Phase1EncryptionAlgorithm",
    "phase1_integrity": "Phase1IntegrityAlgorithm",
    "phase1_dh_groups": "Phase1DHGroup",
    "phase2_encryption": "Phase2EncryptionAlgorithm",
    "phase2_integrity": "Phase2IntegrityAlgorithm",
    "phase2_dh_groups": "Phase2DHGroup",
}
"""Option to the member that shows what was chosen of it."""


def get_active_status(state: WorldState, params: Params) -> Result:
    """GetActiveVpnTunnelStatus; a tunnel that is not UP has negotiated nothing."""
    require_offered(state, "GetActiveVpnTunnelStatus")
    connection = the_connection(state, required(params, "VpnConnectionId"))
    tunnel = the_tunnel(connection, params)
    row: dict[str, Any] = {"ProvisioningStatus": "available"}
    telemetry = read_tunnel(state, connection, connection.tunnels.index(tunnel))
    if telemetry.up:
        measured = telemetry.negotiated
        row |= _simulated(state, tunnel) if measured is None else measured
    return {"ActiveVpnTunnelStatus": row}


def _simulated(state: WorldState, tunnel: TunnelState) -> dict[str, Any]:
    """Return what the simulated device and AWS agree on."""
    place = -1 if state.behaviour.devices_choose == "strongest" else 0
    row = {name: _accepted(tunnel, field)[place] for field, name in _SHOWN.items()}
    for phase in ("Phase1", "Phase2"):
        if "GCM" in row[f"{phase}EncryptionAlgorithm"]:
            del row[f"{phase}IntegrityAlgorithm"]
    return row


def _accepted(tunnel: TunnelState, field: str) -> Sequence[Any]:
    """Return the values of an option that AWS accepts for *tunnel*, from weak to strong."""
    option = BY_FIELD[field]
    rows: Any = tunnel.options.get(option.requested)
    accepted = {row["Value"] for row in rows or ()} or set(option.default)  # type: ignore[arg-type]
    return [value for value in option.allowed if value in accepted]
