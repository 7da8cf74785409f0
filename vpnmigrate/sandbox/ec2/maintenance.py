"""Conditions that AWS sets: maintenance of tunnel endpoints, and VPC encryption control."""

from __future__ import annotations

from typing import Any, Final

from vpnmigrate.model.ec2 import CLASSIC
from vpnmigrate.model.encryption_control import NOT_OFFERED, EncryptionControl
from vpnmigrate.sandbox.ec2.ids import ApiError
from vpnmigrate.sandbox.ec2.request import (
    Params,
    Result,
    page,
    required,
    the_connection,
    the_tunnel,
    the_vpc,
)
from vpnmigrate.sandbox.state import WorldState

_UNMANAGED: Final = EncryptionControl("unmanaged", "default-state", "disabled")
_PAGE: Final = 100


def get_replacement_status(state: WorldState, params: Params) -> Result:
    """GetVpnTunnelReplacementStatus."""
    require_offered(state, "GetVpnTunnelReplacementStatus")
    connection = the_connection(state, required(params, "VpnConnectionId"))
    tunnel = the_tunnel(connection, params)
    if connection.category == CLASSIC and not state.behaviour.classic_maintenance_shown:
        raise ApiError(
            "OperationNotPermitted", f"{connection.id} does not support endpoint lifecycle control."
        )
    return {
        "VpnConnectionId": connection.id,
        "CustomerGatewayId": connection.customer_gateway,
        "VpnGatewayId": connection.gateway,
        "VpnTunnelOutsideIpAddress": tunnel.outside_ip,
        "MaintenanceDetails": _details(state, tunnel.outside_ip),
    }


def _details(state: WorldState, outside_ip: str) -> dict[str, Any]:
    if outside_ip not in state.pending_maintenance:
        named = state.behaviour.no_maintenance_named
        return {"PendingMaintenance": "NONE"} if named else {}
    after = state.pending_maintenance[outside_ip]
    details: dict[str, Any] = {"PendingMaintenance": "AVAILABLE"}
    return details if after is None else {**details, "MaintenanceAutoAppliedAfter": after}


def describe_encryption_controls(state: WorldState, params: Params) -> Result:
    """DescribeVpcEncryptionControls; an endpoint without them has no VPC with one."""
    require_offered(state, "DescribeVpcEncryptionControls")
    wanted = params.get("VpcIds") or sorted(state.encryption_controls)
    rows = [
        {
            "VpcId": vpc,
            "VpcEncryptionControlId": f"vpcec-{vpc.removeprefix('vpc-')}",
            "Mode": control.mode,
            "State": control.state,
            "ResourceExclusions": {"VirtualPrivateGateway": {"State": control.exclusion}},
        }
        for vpc in (the_vpc(state, id_).id for id_ in wanted)
        if (control := state.encryption_controls.get(vpc)) and control.mode != NOT_OFFERED
    ]
    return page(rows, params, "VpcEncryptionControls", bounds=(5, 1000), size=_PAGE)


def describe_account_control(state: WorldState, params: Params) -> Result:
    """DescribeAccountVpcEncryptionControl."""
    del params
    require_offered(state, "DescribeAccountVpcEncryptionControl")
    control = state.account_encryption_control or _UNMANAGED
    return {
        "AccountVpcEncryptionControl": {
            "Mode": control.mode,
            "State": control.state,
            "Exclusions": {"VirtualPrivateGateway": control.exclusion},
            "ManagedBy": "account",
        }
    }


def require_offered(state: WorldState, action: str) -> None:
    """Check that the endpoint offers *action*."""
    if not state.behaviour.newer_actions_known:
        raise ApiError("InvalidAction", f"The action {action} is not valid for this web service.")
