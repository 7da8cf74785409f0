"""Scenarios: what is in a world when it begins, as records and without secrets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any, cast

from msgspec import Struct

from vpnmigrate.model import (
    ConnectionRecord,
    CustomerGatewayRecord,
    GatewayRecord,
    RouteTableRecord,
    SubnetRecord,
    VpcRecord,
    VpnGatewayId,
)
from vpnmigrate.survey import DirectConnectAssociation, Quotas, Survey, VirtualInterface

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import (
        CustomerGatewayTypeDef,
        RouteTableTypeDef,
        SubnetTypeDef,
        VpcTypeDef,
        VpnConnectionTypeDef,
        VpnGatewayTypeDef,
    )

DEFAULT_ACCOUNT = "123456789012"
DEFAULT_REGION = "eu-west-1"
PLACEHOLDERS = "100.64.{}.0/24"
"""What a device announces of which only the number is known: shared address space (RFC 6598)."""


class Scenario(Struct, frozen=True, kw_only=True):
    """A world to be: the records of one account and Region."""

    name: str
    title: str = ""
    account: str = DEFAULT_ACCOUNT
    region: str = DEFAULT_REGION
    vpcs: tuple[VpcRecord, ...] = ()
    subnets: tuple[SubnetRecord, ...] = ()
    gateways: tuple[GatewayRecord, ...] = ()
    customer_gateways: tuple[CustomerGatewayRecord, ...] = ()
    connections: tuple[ConnectionRecord, ...] = ()
    route_tables: tuple[RouteTableRecord, ...] = ()
    virtual_interfaces: tuple[VirtualInterface, ...] = ()
    associations: tuple[DirectConnectAssociation, ...] = ()
    quotas: Quotas = Quotas()
    advertised: dict[str, tuple[str, ...]] = {}
    """Customer gateway to the prefixes its device announces over BGP."""
    taken: datetime | None = None
    """When it was seen, for a scenario that was read from an account."""


def scenario_from_survey(survey: Survey, name: str = "survey") -> Scenario:
    """Make the world that *survey* saw, with the same ids.

    What devices announce is worked out from the routes that were propagated and from how many
    each tunnel had accepted.
    """
    connections = (*survey.connections, *survey.other_connections)
    return Scenario(
        name=name,
        title=f"what was read of {survey.gateway.id} at {survey.taken:%Y-%m-%d %H:%M} UTC",
        account=survey.account,
        region=survey.region,
        vpcs=survey.vpcs,
        gateways=(survey.gateway, *survey.other_gateways),
        customer_gateways=survey.customer_gateways,
        connections=connections,
        route_tables=survey.route_tables,
        virtual_interfaces=survey.virtual_interfaces,
        associations=survey.associations,
        quotas=survey.quotas,
        advertised=advertised_by(connections, survey.route_tables),
        taken=survey.taken,
    )


def scenario_from_describe(
    documents: Mapping[str, Sequence[Mapping[str, Any]]],
    name: str = "describe",
    *,
    region: str = DEFAULT_REGION,
) -> Scenario:
    """Make the world that saved ``aws ec2 describe-*`` output tells of, with the same ids.

    *documents* are lists by the name of the answer's member (``VpnGateways``, …); members that no
    scenario has are left out, keys in them as well.
    """
    from vpnmigrate.aws import reading
    from vpnmigrate.aws.reading_tables import table_record

    def rows(member: str) -> Sequence[Any]:
        return documents.get(member) or ()

    connections = tuple(
        reading.connection_record(cast("VpnConnectionTypeDef", row))
        for row in rows("VpnConnections")
    )
    tables = tuple(table_record(cast("RouteTableTypeDef", row)) for row in rows("RouteTables"))
    vpcs = tuple(reading.vpc_record(cast("VpcTypeDef", row)) for row in rows("Vpcs"))
    owners = [owner for owner in (*(v.owner for v in vpcs), *(t.owner for t in tables)) if owner]
    return Scenario(
        name=name,
        title="saved describe output",
        account=owners[0] if owners else DEFAULT_ACCOUNT,
        region=region,
        vpcs=vpcs,
        subnets=tuple(reading.subnet_record(cast("SubnetTypeDef", row)) for row in rows("Subnets")),
        gateways=tuple(
            reading.gateway_record(cast("VpnGatewayTypeDef", row)) for row in rows("VpnGateways")
        ),
        customer_gateways=tuple(
            reading.customer_gateway_record(cast("CustomerGatewayTypeDef", row))
            for row in rows("CustomerGateways")
        ),
        connections=connections,
        route_tables=tables,
        advertised=advertised_by(connections, tables),
    )


def advertised_by(
    connections: Sequence[ConnectionRecord], tables: Sequence[RouteTableRecord]
) -> dict[str, tuple[str, ...]]:
    """Work out which prefixes each device announces, from what AWS had taken up.

    Propagated routes that no static prefix explains are shared out in order, to each BGP
    connection as many as it had accepted; what is left over goes to the last.  A redundant pair
    that accepted all of them gets all of them.
    """
    shares: dict[str, set[str]] = {}
    gateways: dict[VpnGatewayId, list[ConnectionRecord]] = {}
    for connection in connections:
        if connection.vpn_gateway and not connection.static_only and connection.customer_gateway:
            gateways.setdefault(connection.vpn_gateway, []).append(connection)
    static = {p.cidr for c in connections for p in c.prefixes}
    for gateway, speakers in gateways.items():
        pool = _pool(gateway, tables, static)
        start = 0
        for number, connection in enumerate(sorted(speakers, key=lambda c: c.id)):
            count = max((t.accepted_routes for t in connection.telemetry if t.up), default=0)
            last = number == len(speakers) - 1
            share = _share(pool, start, count, to_the_end=last)
            shares.setdefault(str(connection.customer_gateway), set()).update(share)
            start += count
    return {customer: tuple(sorted(share)) for customer, share in sorted(shares.items())}


def _pool(gateway: VpnGatewayId, tables: Iterable[RouteTableRecord], static: set[str]) -> list[str]:
    propagated = {prefix for table in tables for prefix in table.propagated_from(gateway)}
    written = {
        route.destination
        for table in tables
        for route in table.static_routes_to(gateway)
        if _could_be_announced(route.destination)
    }
    return sorted((propagated or written) - static)


def _share(pool: Sequence[str], start: int, count: int, *, to_the_end: bool) -> list[str]:
    if count == 0:
        return []
    if not pool:
        return [PLACEHOLDERS.format(n) for n in range(count)]
    end = max(start + count, len(pool)) if to_the_end else start + count
    return [pool[n % len(pool)] for n in range(start, end)]


def _could_be_announced(destination: str) -> bool:
    if destination.startswith("pl-"):
        return False
    network = ip_network(destination)
    return network.version == 4 and network.prefixlen > 0  # noqa: PLR2004 - IP's version
