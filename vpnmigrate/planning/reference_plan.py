"""Reference plan: a made-up plan that needs every call of the program.

For policies and pages that are not for one plan.  A test compares its calls with the union of
changes, so a new change must be needed here as well.
"""

from __future__ import annotations

from datetime import UTC, datetime

from vpnmigrate.model.decisions import Decisions, TestVpc
from vpnmigrate.model.ec2 import (
    CLASSIC,
    PROPAGATED_ROUTE,
    AccountId,
    AssociationRecord,
    Attached,
    ConnectionRecord,
    CustomerGatewayId,
    CustomerGatewayRecord,
    GatewayRecord,
    MigrationId,
    RouteRecord,
    RouteTableId,
    RouteTableRecord,
    StaticPrefixRecord,
    TunnelReading,
    VpcId,
    VpcRecord,
    VpnConnectionId,
    VpnGatewayId,
)
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.survey import Survey

_MADE = datetime(2026, 1, 1, tzinfo=UTC)
_VPC = VpcId("vpc-old")
_GATEWAY = VpnGatewayId("vgw-old")
_LEARNED, _STATIC = "10.1.0.0/16", "10.2.0.0/16"


def plan_with_everything() -> Plan:
    """Return a plan with BGP, static prefixes, propagation, routes, an edge table and a test VPC.

    Its predicted steps are left out.
    """
    account, region = AccountId("123456789012"), "eu-west-1"
    return Plan(
        tool="reference",
        migration=MigrationId("mig-reference"),
        made=_MADE,
        account=account,
        region=region,
        playbook="reference",
        before=Survey(
            taken=_MADE,
            account=account,
            region=region,
            gateway=GatewayRecord(
                _GATEWAY, "available", asn=7224, attachments=(Attached(_VPC, "attached"),)
            ),
            vpcs=(VpcRecord(_VPC, cidrs=("10.0.0.0/16",)),),
            connections=(_connection("bgp"), _connection("static", _STATIC)),
            customer_gateways=tuple(
                CustomerGatewayRecord(CustomerGatewayId(f"cgw-{name}"), "available")
                for name in ("bgp", "static")
            ),
            route_tables=(_main_table(), _edge_table()),
        ),
        decisions=Decisions(
            test_vpc=TestVpc("10.250.0.0/24"), device_types={"default": "vendor/platform/software"}
        ),
    )


def _connection(name: str, *prefixes: str) -> ConnectionRecord:
    return ConnectionRecord(
        VpnConnectionId(f"vpn-{name}"),
        "available",
        CLASSIC,
        CustomerGatewayId(f"cgw-{name}"),
        _GATEWAY,
        static_only=bool(prefixes),
        prefixes=tuple(StaticPrefixRecord(cidr, "available") for cidr in prefixes),
        telemetry=tuple(
            TunnelReading(address, up=True, accepted_routes=1)
            for address in ("192.0.2.1", "192.0.2.2")
        ),
    )


def _main_table() -> RouteTableRecord:
    return RouteTableRecord(
        RouteTableId("rtb-main"),
        _VPC,
        associations=(AssociationRecord("rtbassoc-main", main=True),),
        propagating=(_GATEWAY,),
        routes=(RouteRecord(_LEARNED, _GATEWAY, PROPAGATED_ROUTE), RouteRecord(_STATIC, _GATEWAY)),
    )


def _edge_table() -> RouteTableRecord:
    return RouteTableRecord(
        RouteTableId("rtb-edge"),
        _VPC,
        associations=(AssociationRecord("rtbassoc-edge", gateway=_GATEWAY),),
    )
