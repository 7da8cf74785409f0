"""Dispatch table: the function that answers each EC2 operation.

The access key id ``SANDBOX_BOB`` is the user ``bob``; every other key id is the user ``sandbox``.
So four-eyes approval can be tried: one key id approves, another one applies the plan.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from vpnmigrate.model.ec2 import partition_of
from vpnmigrate.sandbox.ec2 import (
    connections,
    customer_gateways,
    device_samples,
    gateways,
    maintenance,
    negotiation,
    quotas,
    route_tables,
    routes,
    tags,
    vpcs,
)
from vpnmigrate.sandbox.ec2.request import Params, Result
from vpnmigrate.sandbox.state import WorldState

Action = Callable[[WorldState, Params], Result]

Name = tuple[str, str]
"""Service as boto3 names it, and operation."""


def get_caller_identity(state: WorldState, params: Params) -> Result:
    """GetCallerIdentity, for the user or the role that the client has recognised."""
    if role := params.get(ROLE):
        partition = partition_of(state.region)
        return {
            "Account": state.account,
            "Arn": f"arn:{partition}:sts::{state.account}:assumed-role/{role}",
            "UserId": f"AROA{role.partition('/')[0].upper()}:{role.partition('/')[2]}",
        }
    user = params.get(USER, NOBODY_IN_PARTICULAR)
    return {
        "Account": state.account,
        "Arn": f"arn:aws:iam::{state.account}:user/{user}",
        "UserId": f"AIDA{user.upper()}",
    }


def describe_regions(state: WorldState, params: Params) -> Result:
    """DescribeRegions, with the only Region."""
    del params
    endpoint = f"ec2.{state.region}.amazonaws.com"
    row = {"RegionName": state.region, "Endpoint": endpoint, "OptInStatus": "opt-in-not-required"}
    return {"Regions": [row]}


USER: Final = "_SandboxUser"
"""Parameter with the caller of GetCallerIdentity; AWS has no parameter of that name."""

ROLE: Final = "_SandboxRole"
"""The same for a role and its session, as ``NAME/SESSION``."""

NOBODY_IN_PARTICULAR: Final = "sandbox"

READS: Mapping[Name, Action] = {
    ("directconnect", "DescribeDirectConnectGatewayAssociations"): (quotas.describe_associations),
    ("directconnect", "DescribeVirtualInterfaces"): quotas.describe_virtual_interfaces,
    ("ec2", "DescribeAccountVpcEncryptionControl"): maintenance.describe_account_control,
    ("ec2", "DescribeCustomerGateways"): customer_gateways.describe_customer_gateways,
    ("ec2", "DescribeRegions"): describe_regions,
    ("ec2", "DescribeRouteTables"): route_tables.describe_route_tables,
    ("ec2", "DescribeSubnets"): vpcs.describe_subnets,
    ("ec2", "DescribeTags"): tags.describe_tags,
    ("ec2", "DescribeVpcEncryptionControls"): maintenance.describe_encryption_controls,
    ("ec2", "DescribeVpcs"): vpcs.describe_vpcs,
    ("ec2", "DescribeVpnConnections"): connections.describe_vpn_connections,
    ("ec2", "DescribeVpnGateways"): gateways.describe_vpn_gateways,
    ("ec2", "GetActiveVpnTunnelStatus"): negotiation.get_active_status,
    ("ec2", "GetVpnConnectionDeviceSampleConfiguration"): device_samples.get_sample,
    ("ec2", "GetVpnConnectionDeviceTypes"): device_samples.get_device_types,
    ("ec2", "GetVpnTunnelReplacementStatus"): maintenance.get_replacement_status,
    ("service-quotas", "GetServiceQuota"): quotas.get_service_quota,
    ("sts", "GetCallerIdentity"): get_caller_identity,
}

WRITES: Mapping[Name, Action] = {
    ("ec2", "AssociateRouteTable"): route_tables.associate_route_table,
    ("ec2", "AttachVpnGateway"): gateways.attach_vpn_gateway,
    ("ec2", "CreateCustomerGateway"): customer_gateways.create_customer_gateway,
    ("ec2", "CreateRoute"): routes.create_route,
    ("ec2", "CreateRouteTable"): route_tables.create_route_table,
    ("ec2", "CreateSubnet"): vpcs.create_subnet,
    ("ec2", "CreateTags"): tags.create_tags,
    ("ec2", "CreateVpc"): vpcs.create_vpc,
    ("ec2", "CreateVpnConnection"): connections.create_vpn_connection,
    ("ec2", "CreateVpnConnectionRoute"): connections.create_vpn_connection_route,
    ("ec2", "CreateVpnGateway"): gateways.create_vpn_gateway,
    ("ec2", "DeleteCustomerGateway"): customer_gateways.delete_customer_gateway,
    ("ec2", "DeleteRoute"): routes.delete_route,
    ("ec2", "DeleteRouteTable"): route_tables.delete_route_table,
    ("ec2", "DeleteSubnet"): vpcs.delete_subnet,
    ("ec2", "DeleteTags"): tags.delete_tags,
    ("ec2", "DeleteVpc"): vpcs.delete_vpc,
    ("ec2", "DeleteVpnConnection"): connections.delete_vpn_connection,
    ("ec2", "DeleteVpnConnectionRoute"): connections.delete_vpn_connection_route,
    ("ec2", "DeleteVpnGateway"): gateways.delete_vpn_gateway,
    ("ec2", "DetachVpnGateway"): gateways.detach_vpn_gateway,
    ("ec2", "DisableVgwRoutePropagation"): routes.disable_propagation,
    ("ec2", "DisassociateRouteTable"): route_tables.disassociate_route_table,
    ("ec2", "EnableVgwRoutePropagation"): routes.enable_propagation,
    ("ec2", "ModifyVpnTunnelOptions"): connections.modify_vpn_tunnel_options,
    ("ec2", "ReplaceRoute"): routes.replace_route,
}

_NAMED = re.compile(r"SANDBOX_([A-Za-z0-9]{1,32})")


def user_of(access_key: str) -> str | None:
    """Return the user that *access_key* names, or None."""
    named = _NAMED.fullmatch(access_key)
    return named[1].lower() if named else None
