"""A plain migration with boto3, to compare with: ``scripts/plain_script.py VGW``.

It is what an engineer writes who knows AWS's eleven steps, boto3 and its waiters, for a gateway
whose devices are operated by a colleague: no journal, no gates, no resume, no rollback.
Do not use it on an account.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.waiter import WaiterModel, create_waiter_with_client

DELAY, ATTEMPTS = 15, 40
"""Seconds between two polls of a waiter, and their number: as of ``VpnConnectionAvailable``."""


def main(old: str) -> None:
    """Migrate the gateway *old*."""
    ec2 = boto3.client("ec2", config=Config(retries={"mode": "standard", "max_attempts": 10}))
    gateway = ec2.describe_vpn_gateways(VpnGatewayIds=[old])["VpnGateways"][0]
    (vpc,) = (each["VpcId"] for each in gateway["VpcAttachments"] if each["State"] == "attached")
    tables = list(_rows(ec2, "describe_route_tables", "RouteTables", {"vpc-id": vpc}))

    # Steps 1 to 6: the new side.
    new = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    waiter(ec2, "State", "available").wait(VpnGatewayIds=[new])
    made = []
    for each in _rows(ec2, "describe_vpn_connections", "VpnConnections", {"vpn-gateway-id": old}):
        created = ec2.create_vpn_connection(
            Type="ipsec.1",
            CustomerGatewayId=each["CustomerGatewayId"],
            VpnGatewayId=new,
            Options={"StaticRoutesOnly": each.get("Options", {}).get("StaticRoutesOnly", False)},
        )
        made.append(created["VpnConnection"]["VpnConnectionId"])
    ec2.get_waiter("vpn_connection_available").wait(VpnConnectionIds=made)

    # Step 7.
    propagating = [
        table["RouteTableId"]
        for table in tables
        if any(each["GatewayId"] == old for each in table.get("PropagatingVgws", ()))
    ]
    for table in propagating:
        ec2.disable_vgw_route_propagation(RouteTableId=table, GatewayId=old)

    # Step 8.
    ec2.detach_vpn_gateway(VpcId=vpc, VpnGatewayId=old)
    waiter(ec2, "VpcAttachments[].State", "detached").wait(VpnGatewayIds=[old])
    ec2.attach_vpn_gateway(VpcId=vpc, VpnGatewayId=new)
    waiter(ec2, "VpcAttachments[].State", "attached").wait(VpnGatewayIds=[new])

    # Step 9.
    for table in propagating:
        ec2.enable_vgw_route_propagation(RouteTableId=table, GatewayId=new)
    for table in tables:
        for route in table["Routes"]:
            if route.get("GatewayId") == old and route.get("Origin") == "CreateRoute":
                ec2.replace_route(
                    RouteTableId=table["RouteTableId"],
                    DestinationCidrBlock=route["DestinationCidrBlock"],
                    GatewayId=new,
                )


def waiter(ec2: Any, path: str, value: str) -> Any:
    """Return a waiter for the gateway, of which the SDK has none, in the SDK's own way."""
    matcher = "pathAll" if "[]" in path else "pathAny"
    model = {
        "version": 2,
        "waiters": {
            "Gateway": {
                "operation": "DescribeVpnGateways",
                "delay": DELAY,
                "maxAttempts": ATTEMPTS,
                "acceptors": [
                    {
                        "matcher": matcher,
                        "argument": f"VpnGateways[].{path}",
                        "expected": value,
                        "state": "success",
                    }
                ],
            }
        },
    }
    return create_waiter_with_client("Gateway", WaiterModel(model), ec2)


def _rows(ec2: Any, operation: str, key: str, where: Mapping[str, str]) -> Iterable[dict[str, Any]]:
    filters = [{"Name": name, "Values": [value]} for name, value in where.items()]
    if ec2.can_paginate(operation):
        found = ec2.get_paginator(operation).paginate(Filters=filters).build_full_result()
    else:
        found = getattr(ec2, operation)(Filters=filters)
    return list(found[key])


if __name__ == "__main__":
    main(sys.argv[1])
