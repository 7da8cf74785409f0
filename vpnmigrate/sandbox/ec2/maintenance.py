"""What AWS does by itself: endpoint maintenance and VPC encryption control; none is pending."""

from __future__ import annotations

from vpnmigrate.sandbox.ec2.request import (
    Params,
    Result,
    required,
    the_connection,
    the_tunnel,
    the_vpc,
)
from vpnmigrate.sandbox.state import WorldState


def get_replacement_status(state: WorldState, params: Params) -> Result:
    """GetVpnTunnelReplacementStatus."""
    connection = the_connection(state, required(params, "VpnConnectionId"))
    tunnel = the_tunnel(connection, params)
    return {
        "VpnConnectionId": connection.id,
        "CustomerGatewayId": connection.customer_gateway,
        "VpnGatewayId": connection.gateway,
        "VpnTunnelOutsideIpAddress": tunnel.outside_ip,
        "MaintenanceDetails": {"PendingMaintenance": "NONE"},
    }


def describe_encryption_controls(state: WorldState, params: Params) -> Result:
    """DescribeVpcEncryptionControls; no VPC has one."""
    for vpc in params.get("VpcIds") or ():
        the_vpc(state, vpc)
    return {"VpcEncryptionControls": []}
