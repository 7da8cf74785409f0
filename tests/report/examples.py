"""A plan and a journal with an example of everything that a view shows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from vpnmigrate.journal.records import DirectionTaken, Entry, Opened, Record
from vpnmigrate.model.changes import (
    AskOperator,
    AttachVpnGateway,
    CreateVpnGateway,
    DeleteVpnConnection,
    DetachVpnGateway,
    DisablePropagation,
    EnablePropagation,
    ReplaceRoute,
)
from vpnmigrate.model.decisions import Decisions
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
from vpnmigrate.model.plan import GATEWAY_ROLE, Direction, Finding, Outage, Phase, Plan, PlannedStep
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.model.survey import Survey

BEGAN = datetime(2026, 1, 17, 2, 0, tzinfo=UTC)
OLD = VpnGatewayId("vgw-11aa22bb")
NEW = VpnGatewayId("vgw-22bb44dd")
VPC = VpcId("vpc-0a1b2c3d")
BGP = VpnConnectionId("vpn-1a2b3c4d")
STATIC = VpnConnectionId("vpn-5e6f7a8b")
TABLE = RouteTableId("rtb-1111aaaa")
MIGRATION = MigrationId("m-7f3c")

ENABLE = AskOperator(10, Confirmation.NEW_TUNNELS_ENABLED, "enable the tunnels of vpn-99")


def a_survey() -> Survey:
    """Return a survey: two Classic connections and tables with every kind of reference."""
    return Survey(
        taken=BEGAN,
        account=AccountId("123456789012"),
        region="eu-west-1",
        gateway=GatewayRecord(
            id=OLD,
            state="available",
            asn=7224,
            attachments=(Attached(VPC, "attached"),),
            tags={"Name": "to the office"},
        ),
        vpcs=(VpcRecord(VPC, cidrs=("10.0.0.0/16",)),),
        connections=(
            ConnectionRecord(
                id=BGP,
                state="available",
                category=CLASSIC,
                customer_gateway=CustomerGatewayId("cgw-1"),
                vpn_gateway=OLD,
                telemetry=(
                    TunnelReading("203.0.113.1", up=True),
                    TunnelReading("203.0.113.2", up=False),
                ),
            ),
            ConnectionRecord(
                id=STATIC,
                state="available",
                category=CLASSIC,
                customer_gateway=CustomerGatewayId("cgw-2"),
                vpn_gateway=OLD,
                static_only=True,
                prefixes=(StaticPrefixRecord("192.168.0.0/16", "available"),),
            ),
            ConnectionRecord(id=VpnConnectionId("vpn-gone"), state="deleted", category=CLASSIC),
        ),
        customer_gateways=(
            CustomerGatewayRecord(
                CustomerGatewayId("cgw-1"), "available", asn=65000, ip="198.51.100.7"
            ),
            CustomerGatewayRecord(CustomerGatewayId("cgw-2"), "available", ip="198.51.100.8"),
        ),
        route_tables=(
            RouteTableRecord(
                id=TABLE,
                vpc=VPC,
                associations=(AssociationRecord("rtbassoc-1", main=True),),
                propagating=(OLD,),
                routes=(
                    RouteRecord("172.16.0.0/12", OLD),
                    RouteRecord("192.168.0.0/16", OLD, origin=PROPAGATED_ROUTE),
                ),
            ),
            RouteTableRecord(
                id=RouteTableId("rtb-2222bbbb"),
                vpc=VPC,
                associations=(AssociationRecord("rtbassoc-2", gateway=OLD),),
            ),
            RouteTableRecord(id=RouteTableId("rtb-3333cccc"), vpc=VPC),
        ),
    )


def a_plan(decisions: Decisions | None = None) -> Plan:
    """Return a plan with changes before, in and after the cutover."""
    return Plan(
        tool="0.1.0",
        migration=MIGRATION,
        made=BEGAN + timedelta(minutes=1),
        account=AccountId("123456789012"),
        region="eu-west-1",
        playbook="default",
        before=a_survey(),
        decisions=decisions or Decisions(),
        findings=(Finding("VPM-W004", "IaC owner", "rtb-1111aaaa has a stack", "tell its owner"),),
        forward=(
            PlannedStep(1, "Record the configuration", Phase.PREPARE),
            PlannedStep(
                2, "Create gateway", Phase.PREPARE, (CreateVpnGateway(GATEWAY_ROLE, 64512),)
            ),
            PlannedStep(7, "Stop propagation", Phase.CUTOVER, (DisablePropagation(TABLE, OLD),)),
            PlannedStep(
                8,
                "Swap gateways",
                Phase.CUTOVER,
                (DetachVpnGateway(OLD, VPC), AttachVpnGateway(NEW, VPC)),
            ),
            PlannedStep(
                9,
                "Restore routing",
                Phase.CUTOVER,
                (EnablePropagation(TABLE, NEW), ReplaceRoute(TABLE, "172.16.0.0/12", NEW)),
            ),
            PlannedStep(10, "Switch tunnels", Phase.CUTOVER, (ENABLE,)),
        ),
        back=(PlannedStep(8, "Swap gateways", Phase.CUTOVER, (DetachVpnGateway(NEW, VPC),)),),
        finalize=(
            PlannedStep(11, "Delete classic", Phase.FINALIZE, (DeleteVpnConnection(BGP, BGP),)),
        ),
        outage=Outage(7, DisablePropagation(TABLE, OLD), 10, "2 of 2 tunnels are UP"),
        fingerprint="a1b2c3d4",
    )


def a_journal(*records: Record, step: timedelta = timedelta(seconds=10)) -> list[Entry]:
    """Return entries of *records* after the opening ones, *step* apart."""
    opening = (
        Opened(MIGRATION, "a1b2c3d4", "host", "ann", 1, "0.1.0"),
        DirectionTaken(Direction.FORWARD, 1),
    )
    return numbered((*opening, *records), step)


def numbered(records: Iterable[Record], step: timedelta = timedelta(seconds=10)) -> list[Entry]:
    """Return entries of *records*, *step* apart."""
    return [Entry(i + 1, BEGAN + i * step, record) for i, record in enumerate(records)]
