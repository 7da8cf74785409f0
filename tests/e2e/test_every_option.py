"""An AWS VPN connection with every option away from AWS's default is recreated over HTTP."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
from msgspec.structs import replace

from tests.aws_cli.cli import AwsCli
from tests.e2e.shells import Terminal, served
from tests.model.test_carry_over import EVERYTHING
from tests.support.control import DeviceControl
from vpnmigrate.model.ec2 import TunnelLogs
from vpnmigrate.model.tunnel_options import OPTIONS, as_requested

GATEWAY, CONNECTION, DEVICE, VPC, TABLE = "vgw-1", "vpn-1", "cgw-1", "vpc-1", "rtb-1"
OUTSIDE = ("198.18.9.1", "198.18.155.2")
OTHER = replace(
    EVERYTHING,
    dpd_timeout_seconds=90,
    phase1_dh_groups=(21, 35),
    logs=TunnelLogs(group="arn:aws:logs:eu-west-1:1:log-group:two"),
)
"""The second tunnel's options."""
PLAYBOOK = """
name: again
summary: Recreates AWS VPN connections as they are.
decisions:
  recreate_aws_vpn: true
  old_tunnels: leave
  waits:
    tunnels: 12h
"""
ADDRESSES_AND_KEYS = ("OutsideIpAddress", "TunnelInsideCidr", "PreSharedKey")


def account() -> dict[str, Any]:
    """Return the saved output of describe commands."""
    names = {option.requested: option.described for option in OPTIONS}
    tunnels = [
        {
            "OutsideIpAddress": outside,
            "TunnelInsideCidr": inside,
            "PreSharedKey": "REDACTED",
            **{names[name]: value for name, value in as_requested(options).items()},
        }
        for outside, inside, options in zip(
            OUTSIDE,
            ("169.254.40.0/30", "169.254.41.0/30"),
            (EVERYTHING, OTHER),
            strict=True,
        )
    ]
    return {
        "VpnGateways": [
            {
                "VpnGatewayId": GATEWAY,
                "State": "available",
                "Type": "ipsec.1",
                "AmazonSideAsn": 64555,
                "VpcAttachments": [{"VpcId": VPC, "State": "attached"}],
            }
        ],
        "CustomerGateways": [
            {
                "CustomerGatewayId": DEVICE,
                "State": "available",
                "Type": "ipsec.1",
                "BgpAsn": "65010",
                "IpAddress": "203.0.113.10",
            }
        ],
        "VpnConnections": [
            {
                "VpnConnectionId": CONNECTION,
                "Category": "VPN",
                "State": "available",
                "Type": "ipsec.1",
                "CustomerGatewayId": DEVICE,
                "VpnGatewayId": GATEWAY,
                "PreSharedKeyArn": "arn:aws:secretsmanager:eu-west-1:1:secret:vpn-1",
                "Options": {
                    "StaticRoutesOnly": False,
                    "LocalIpv4NetworkCidr": "192.168.0.0/16",
                    "RemoteIpv4NetworkCidr": "10.10.0.0/16",
                    "TunnelInsideIpVersion": "ipv4",
                    "TunnelOptions": tunnels,
                },
                "Routes": [],
                "Tags": [{"Key": "team", "Value": "network"}],
                "VgwTelemetry": [
                    {"OutsideIpAddress": outside, "Status": "UP", "AcceptedRouteCount": 1}
                    for outside in OUTSIDE
                ],
            }
        ],
        "Vpcs": [{"VpcId": VPC, "State": "available", "CidrBlock": "10.10.0.0/16"}],
        "Subnets": [],
        "RouteTables": [
            {
                "RouteTableId": TABLE,
                "VpcId": VPC,
                "OwnerId": "123456789012",
                "Associations": [{"RouteTableAssociationId": "rtbassoc-1", "Main": True}],
                "PropagatingVgws": [{"GatewayId": GATEWAY}],
                "Routes": [
                    {
                        "DestinationCidrBlock": "10.10.0.0/16",
                        "GatewayId": "local",
                        "Origin": "CreateRouteTable",
                        "State": "active",
                    },
                    {
                        "DestinationCidrBlock": "192.168.0.0/16",
                        "GatewayId": GATEWAY,
                        "Origin": "EnableVgwRoutePropagation",
                        "State": "active",
                    },
                ],
            }
        ],
    }


def compared(row: dict[str, Any]) -> dict[str, Any]:
    """Return a description without ids, addresses and keys, its tunnels in a fixed order."""
    tunnels = [
        {name: value for name, value in tunnel.items() if name not in ADDRESSES_AND_KEYS}
        for tunnel in row["Options"]["TunnelOptions"]
    ]
    return {
        "category": row["Category"],
        "device": row["CustomerGatewayId"],
        "routes": row["Routes"],
        "tags": [t for t in row["Tags"] if not t["Key"].startswith("vpnmigrate:")],
        "options": {**row["Options"], "TunnelOptions": sorted(tunnels, key=json.dumps)},
        "keys": {tunnel["PreSharedKey"] for tunnel in row["Options"]["TunnelOptions"]},
        "secret": "PreSharedKeyArn" in row,
        "up": [reading["Status"] for reading in row["VgwTelemetry"]],
    }


def test_a_connection_with_every_option_set_is_recreated_as_it_is(
    aws_program: Path, tmp_path: Path
) -> None:
    """Before and after, ``aws ec2 describe-*`` differs only in ids, addresses and keys."""
    saved, book = tmp_path / "account.json", tmp_path / "again.yaml"
    saved.write_text(json.dumps(account()), encoding="utf-8")
    book.write_text(PLAYBOOK, encoding="utf-8")
    with served(str(saved), speed=120) as environment:
        aws = AwsCli(aws_program, environment, tmp_path)
        ec2 = boto3.client(
            "ec2",
            region_name=environment["AWS_DEFAULT_REGION"],
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            aws_access_key_id="SANDBOX",
            aws_secret_access_key="SANDBOX",
        )

        def seen(connection: str) -> list[dict[str, Any]]:
            """Return a connection as the AWS CLI and as a newer botocore describe it."""
            words = ("ec2", "describe-vpn-connections", "--vpn-connection-ids", connection)
            newer: Any = ec2.describe_vpn_connections(VpnConnectionIds=[connection])
            rows = (aws(*words)["VpnConnections"], newer["VpnConnections"])
            return [compared(row) for (row,) in rows]

        before, terminal = seen(CONNECTION), Terminal(environment, tmp_path)
        assert before[1]["options"]["TunnelOptions"][0]["Phase1AdditionalKeyExchanges"]
        plan = tmp_path / "plan.json"
        words = ("--vpn-gateway", GATEWAY, "--playbook", str(book), "--output", str(plan))
        terminal.real("plan", *words)
        run = terminal.quick("apply", str(plan), "--yes", leaves=3)["run"]["run"]
        terminal.quick("done", run, "5")
        control = DeviceControl(environment["AWS_ENDPOINT_URL"])
        control.attend_after(timedelta(seconds=20))
        assert terminal.quick("apply", run, "--yes")["status"] == "cut-over"

        report = terminal.quick("report", run, "--survey")
        assert report["after"]["differences"] == []
        [new] = {tunnel["connection"] for tunnel in report["after"]["to_start"]}
        assert len(report["after"]["to_start"]) == len(OUTSIDE)
        for tunnel in report["after"]["to_start"]:
            aws(
                *("ec2", "modify-vpn-tunnel-options", "--vpn-connection-id", new),
                *("--vpn-tunnel-outside-ip-address", tunnel["outside_address"]),
                *("--tunnel-options", "StartupAction=start"),
            )
            control.advance(timedelta(minutes=10))
        assert seen(new) == before
        gateways = aws("ec2", "describe-vpn-gateways")["VpnGateways"]
        assert {gateway["AmazonSideAsn"] for gateway in gateways} == {64555}
