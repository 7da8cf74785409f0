"""Scenario: the records of a world at its start."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from ipaddress import IPv4Network, ip_network
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from vpnmigrate.model.derived import derived
from vpnmigrate.model.ec2 import (
    ConnectionRecord,
    CustomerGatewayRecord,
    GatewayRecord,
    RouteTableRecord,
    SubnetRecord,
    VpcRecord,
    VpnGatewayId,
)
from vpnmigrate.model.encryption_control import EncryptionControl
from vpnmigrate.model.errors import MalformedFileError
from vpnmigrate.model.survey import Quotas, Survey, VirtualInterface
from vpnmigrate.sandbox.state import DirectConnectTie

DEFAULT_ACCOUNT = "123456789012"

DEFAULT_REGION = "eu-west-1"

_Record = TypeVar("_Record")


class Scenario(Struct, frozen=True, kw_only=True):
    """Initial state of a world: the records of one account and Region."""

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
    direct_connect_ties: tuple[DirectConnectTie, ...] = ()
    quotas: Quotas = Quotas()
    encryption_controls: dict[str, EncryptionControl] = {}
    account_encryption_control: EncryptionControl | None = None
    advertised: dict[str, tuple[str, ...]] = {}
    """Customer gateway to the prefixes its device advertises over BGP."""
    taken: datetime | None = None
    """Time of the survey, for a scenario that was read from an account."""


_ID = re.compile(r"\b(vpc|vgw|vpn|cgw|rtb|rtbassoc|subnet)-([0-9a-f]{8,17})\b")


def in_account(scenario: Scenario, account: str, region: str) -> Scenario:
    """Return *scenario* in another account and Region, with ids of its own.

    The addresses of its devices stay the same: they are the same devices.
    """
    text = msgspec.json.encode(scenario).decode()
    text = text.replace(f'"{scenario.account}"', f'"{account}"')

    def other(found: re.Match[str]) -> str:
        digest = blake2b(f"{account}/{region}/{found[2]}".encode(), digest_size=9).hexdigest()
        return f"{found[1]}-{digest[: len(found[2])]}"

    moved = msgspec.json.decode(_ID.sub(other, text), type=Scenario)
    return replace(moved, account=account, region=region)


@derived
def scenario_from_survey(survey: Survey, name: str = "survey") -> Scenario:
    """Return the scenario of *survey*, with the same ids.

    The prefixes that devices advertise are derived from the propagated routes and from the number
    of routes that each tunnel had accepted.
    """
    connections = (*survey.connections, *survey.other_connections)
    controls = survey.encryption
    return Scenario(
        name=name,
        title=f"survey of {survey.gateway.id} at {survey.taken:%Y-%m-%d %H:%M} UTC",
        account=survey.account,
        region=survey.region,
        vpcs=survey.vpcs,
        gateways=(survey.gateway, *survey.other_gateways),
        customer_gateways=survey.customer_gateways,
        connections=connections,
        route_tables=survey.route_tables,
        virtual_interfaces=survey.virtual_interfaces,
        direct_connect_ties=tuple(
            DirectConnectTie(a.id, a.state, a.gateway, survey.gateway.id)
            for a in survey.associations
        ),
        quotas=survey.quotas,
        encryption_controls={survey.vpc.id: controls.vpc} if survey.vpc and controls.vpc else {},
        account_encryption_control=controls.account,
        advertised=advertised_prefixes(connections, survey.route_tables),
        taken=survey.taken,
    )


def scenario_from_describe(
    documents: Mapping[str, Sequence[Any]],
    name: str = "describe",
    *,
    region: str = DEFAULT_REGION,
) -> Scenario:
    """Return the scenario of saved ``aws ec2 describe-*`` output, with the same ids.

    *documents* are lists by the name of the answer's member (``VpnGateways``, …); members that a
    scenario does not have, and keys, are left out.

    Raises:
        MalformedFileError: A member does not have the form of describe output.
    """
    from vpnmigrate.aws import parse
    from vpnmigrate.aws.parse import table_record

    def read(member: str, record: Callable[[Any], _Record]) -> tuple[_Record, ...]:
        try:
            return tuple(record(row) for row in documents.get(member) or ())
        except _NoTimeError as error:
            raise MalformedFileError(
                f"{name}: field {member}: {error}",
                advice="Save the complete output of aws ec2 describe-… --output json.",
            ) from None
        except (AttributeError, TypeError, ValueError):
            # The message does not quote the row, and no exception is chained: it may contain keys.
            raise MalformedFileError(
                f"{name}: field {member}: not in the format of describe output",
                advice="Save the complete output of aws ec2 describe-… --output json.",
            ) from None

    def gateway_with_every_row(row: Any) -> GatewayRecord:
        """Return a gateway with all its attachment rows, past ones included."""
        return replace(parse.gateway_record(row), attachments=parse.attachment_rows(row))

    connections = read("VpnConnections", lambda row: parse.connection_record(_dated(row)))
    tables = read("RouteTables", table_record)
    vpcs = read("Vpcs", parse.vpc_record)
    owners = [owner for owner in (*(v.owner for v in vpcs), *(t.owner for t in tables)) if owner]
    return Scenario(
        name=name,
        title="saved describe output",
        account=owners[0] if owners else DEFAULT_ACCOUNT,
        region=region,
        vpcs=vpcs,
        subnets=read("Subnets", parse.subnet_record),
        gateways=read("VpnGateways", gateway_with_every_row),
        customer_gateways=read("CustomerGateways", parse.customer_gateway_record),
        connections=connections,
        route_tables=tables,
        advertised=advertised_prefixes(connections, tables),
    )


class _NoTimeError(ValueError):
    """A member that should be a time; the message names it and quotes no value."""


def _dated(row: Any) -> Any:
    """Return a connection's row with its times parsed: JSON has them as text."""
    readings = row.get("VgwTelemetry") or ()
    return {**row, "VgwTelemetry": [{**reading, **_moment(reading)} for reading in readings]}


def _moment(reading: Mapping[str, Any]) -> dict[str, datetime | None]:
    """Return the parsed time of the last change; None if it never changed.

    Raises:
        _NoTimeError: It is neither a time nor a number of seconds.
    """
    said = reading.get("LastStatusChange")
    if said is None or isinstance(said, datetime):
        return {}
    try:
        moment = _parsed_moment(said)
    except (OverflowError, OSError, TypeError, ValueError):
        message = "LastStatusChange is neither a time nor a number of seconds"
        raise _NoTimeError(message) from None
    # The first and last days of the calendar have no room for a time zone or a delay.
    return {"LastStatusChange": moment if _EARLIEST < moment < _LATEST else None}


def _parsed_moment(said: object) -> datetime:
    """Return a time from text, or from a number of seconds since 1970 (aws/aws-cli#6224)."""
    if isinstance(said, int | float) and not isinstance(said, bool):
        return datetime.fromtimestamp(said, UTC)
    moment = datetime.fromisoformat(str(said))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_EARLIEST, _LATEST = datetime(2, 1, 1, tzinfo=UTC), datetime(9998, 1, 1, tzinfo=UTC)
"""Go's zero time, which some tools write where a time is not set, is in year 1."""


PLACEHOLDERS = "100.64.{}.0/24"
"""Prefixes of a device if only their number is known: shared address space (RFC 6598)."""


def advertised_prefixes(
    connections: Sequence[ConnectionRecord], tables: Sequence[RouteTableRecord]
) -> dict[str, tuple[str, ...]]:
    """Return the prefixes that each device advertises, derived from the propagated routes.

    Propagated routes that are not static prefixes are distributed in order, to each BGP connection
    as many as it had accepted; the rest goes to the last.  A redundant pair that accepted all of
    them gets all of them.
    """
    shares: dict[str, set[str]] = {}
    gateways: dict[VpnGatewayId, list[ConnectionRecord]] = {}
    for connection in connections:
        if connection.vpn_gateway and not connection.static_only and connection.customer_gateway:
            gateways.setdefault(connection.vpn_gateway, []).append(connection)
    static = {p.cidr for c in connections if c.static_only for p in c.prefixes}
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
    return isinstance(network, IPv4Network) and network.prefixlen > 0
