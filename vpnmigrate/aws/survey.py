"""Survey: the full state for a plan, including Direct Connect and quotas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec.structs import replace

from vpnmigrate.aws import describe
from vpnmigrate.aws.conditions import RegionControls, encryption_controls
from vpnmigrate.aws.describe import pages
from vpnmigrate.aws.parse import (
    connection_record,
    customer_gateway_record,
    gateway_record,
    in_order,
    vpc_record,
)
from vpnmigrate.aws.read_errors import translate_errors
from vpnmigrate.aws.reading import RowParser
from vpnmigrate.aws.session import ClientSource
from vpnmigrate.engine.ports import Identity
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.discovery import RegionSurvey
from vpnmigrate.model.ec2 import (
    AccountId,
    ConnectionRecord,
    CustomerGatewayRecord,
    GatewayRecord,
    VpcId,
    VpcRecord,
    VpnConnectionId,
    VpnGatewayId,
)
from vpnmigrate.model.errors import AwsError, NotFoundError, RefusedError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.survey import (
    DirectConnectAssociation,
    Quotas,
    Survey,
    Unread,
    VirtualInterface,
)

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


def survey(
    clients: ClientSource, gateway: VpnGatewayId, who: Identity, clock: Clock, parser: RowParser
) -> Survey:
    """Return everything about *gateway* that a plan to replace it depends on.

    *parser* has the route tables of earlier readings.

    Raises:
        NotFoundError: This account has no such gateway in this Region.
        AwsError: A describe call failed.
    """
    taken, gateways = clock.wall(), _gateways(clients)
    leaving = next((record for record in gateways if record.id == gateway), None)
    if leaving is None:
        raise _not_found(f"virtual private gateway {gateway}", who, clients.region)
    region = _region(clients, taken, gateways, _connections(clients))
    return _survey_of(leaving, region, clients, who, parser)


def surveys(clients: ClientSource, who: Identity, clock: Clock) -> tuple[Survey, ...]:
    """Return a survey of each gateway of the Region that is not deleted.

    Raises:
        AwsError: A describe call failed.
    """
    return region_survey(clients, who, clock).surveys


def region_survey(clients: ClientSource, who: Identity, clock: Clock) -> RegionSurvey:
    """Return everything about VPN in the Region, with a survey of each gateway.

    A Region without gateways and connections costs two calls.

    Raises:
        AwsError: A describe call failed.
    """
    taken, gateways = clock.wall(), _living(_gateways(clients))
    connections = _connections(clients)
    found = RegionSurvey(taken, AccountId(who.account), clients.region)
    if not gateways and not _living(connections):
        return found
    region = _region(clients, taken, gateways, connections)
    here = {gateway.id for gateway in gateways}
    parser = RowParser()
    return replace(
        found,
        surveys=tuple(_survey_of(gateway, region, clients, who, parser) for gateway in gateways),
        elsewhere=tuple(c for c in _living(connections) if c.vpn_gateway not in here),
        customer_gateways=region.customer_gateways,
    )


_Mortal = TypeVar("_Mortal", GatewayRecord, ConnectionRecord)


def _living(records: Iterable[_Mortal]) -> tuple[_Mortal, ...]:
    """Return the *records* that are not deleted."""
    return tuple(record for record in records if record.state != "deleted")


@dataclass(frozen=True)
class _RegionReading:
    """The lists of a Region, which the surveys of its gateways share."""

    taken: datetime
    gateways: tuple[GatewayRecord, ...]
    connections: tuple[ConnectionRecord, ...]
    customer_gateways: tuple[CustomerGatewayRecord, ...]
    vpcs: tuple[VpcRecord, ...]
    quotas: tuple[Quotas, tuple[Unread, ...]]
    encryption: RegionControls


def _gateways(clients: ClientSource) -> tuple[GatewayRecord, ...]:
    return in_order(map(gateway_record, describe.gateways(clients.reader())))


def customer_gateways(clients: ClientSource) -> tuple[CustomerGatewayRecord, ...]:
    """Return every customer gateway of the Region.

    Raises:
        AwsError: The describe call failed.
    """
    found = describe.customer_gateways(clients.reader())
    return in_order(map(customer_gateway_record, found))


def _connections(clients: ClientSource) -> tuple[ConnectionRecord, ...]:
    return in_order(map(connection_record, describe.connections(clients.reader())))


def _region(
    clients: ClientSource,
    taken: datetime,
    gateways: tuple[GatewayRecord, ...],
    connections: tuple[ConnectionRecord, ...],
) -> _RegionReading:
    ec2 = clients.reader()
    return _RegionReading(
        taken,
        gateways,
        connections,
        customer_gateways(clients),
        in_order(map(vpc_record, describe.vpcs(ec2))),
        quotas(clients),
        encryption_controls(ec2),
    )


def _survey_of(
    leaving: GatewayRecord,
    region: _RegionReading,
    clients: ClientSource,
    who: Identity,
    parser: RowParser,
) -> Survey:
    gateway = leaving.id
    on_it = tuple(c for c in region.connections if c.vpn_gateway == gateway)
    used = {connection.customer_gateway for connection in on_it}
    held = _vpcs_of(leaving)
    tables = describe.route_tables(clients.reader(), held) if held else ()
    through_direct_connect = direct_connect(clients, gateway)
    limits, unread = region.quotas
    vpc = held[0] if len(held) == 1 else None
    return Survey(
        taken=region.taken,
        account=AccountId(who.account),
        region=clients.region,
        gateway=leaving,
        vpcs=region.vpcs,
        connections=on_it,
        customer_gateways=tuple(c for c in region.customer_gateways if c.id in used),
        route_tables=in_order(map(parser.table, tables)),
        other_gateways=tuple(
            g for g in region.gateways if g.id != gateway and g.state != "deleted"
        ),
        other_connections=tuple(
            c for c in region.connections if c.vpn_gateway != gateway and c.state != "deleted"
        ),
        virtual_interfaces=through_direct_connect.interfaces,
        associations=through_direct_connect.associations,
        quotas=limits,
        unread=(*through_direct_connect.unread, *unread),
        encryption=region.encryption.of(vpc),
    )


def find_gateway(
    ec2: EC2Client, connection: VpnConnectionId, who: Identity, region: str
) -> VpnGatewayId:
    """Return the virtual private gateway that *connection* ends on.

    Raises:
        NotFoundError: This account has no such connection in this Region.
        RefusedError: The connection ends on another kind of gateway, or on none.
        AwsError: The describe call failed.
    """
    try:
        row = describe.connection(ec2, connection)
    except NotFoundError:
        row = None
    if row is None:
        raise _not_found(f"VPN connection {connection}", who, region)
    found = connection_record(row)
    if found.vpn_gateway is None:
        raise RefusedError(
            f"{connection} ends on {found.elsewhere or 'nothing'}, not on a virtual private "
            "gateway: there is no gateway to replace",
            advice="name a connection of a virtual private gateway, or use --vpn-gateway",
        )
    return found.vpn_gateway


def _vpcs_of(gateway: GatewayRecord) -> list[VpcId]:
    """Return the VPCs that *gateway* is attached to or not yet detached from."""
    return sorted({a.vpc for a in gateway.attachments if a.vpc and a.state != "detached"})


def _not_found(what: str, who: Identity, region: str) -> NotFoundError:
    return NotFoundError(
        f"there is no {what} in account {who.account}, Region {region}",
        advice=(
            "check --profile and --region; to see what there is:",
            cli("list", "--region", region),
        ),
    )


_GONE: Final = frozenset({"deleted", "rejected", "disassociated"})
"""States that are listed for 15 more minutes and do not matter (domain.md 7)."""

_CODES: Final = {
    "gateways_per_region": ("ec2", "L-7029FAB6"),
    "connections_per_region": ("ec2", "L-3E6EC3A3"),
    "connections_per_gateway": ("ec2", "L-B91E5754"),
    "vpcs_per_region": ("vpc", "L-F678F1CE"),
}
"""Service and quota code by field of ``Quotas`` (domain.md 5); the other one is fixed."""


@dataclass(frozen=True)
class DirectConnectReading:
    """Direct Connect resources on a gateway, as far as they could be read."""

    interfaces: tuple[VirtualInterface, ...] = ()
    associations: tuple[DirectConnectAssociation, ...] = ()
    unread: tuple[Unread, ...] = ()


def direct_connect(clients: ClientSource, gateway: VpnGatewayId) -> DirectConnectReading:
    """Return the private virtual interfaces and gateway associations on *gateway*."""
    try:
        client = clients.direct_connect()
        return DirectConnectReading(
            interfaces=tuple(sorted(_interfaces(client, gateway), key=lambda i: i.id)),
            associations=tuple(sorted(_associations(client, gateway), key=lambda a: a.id)),
        )
    except AwsError as exc:
        return DirectConnectReading(unread=(Unread("direct_connect", exc.message),))


def _interfaces(client: Any, gateway: VpnGatewayId) -> Iterator[VirtualInterface]:
    # There is no filter by gateway.
    with translate_errors("directconnect:DescribeVirtualInterfaces"):
        found = pages(
            client.describe_virtual_interfaces, asked_as="nextToken", named_as="nextToken"
        )
        rows = [row for page in found for row in page["virtualInterfaces"]]
    for row in rows:
        state = row.get("virtualInterfaceState", "")
        if row.get("virtualGatewayId") == gateway and state not in _GONE:
            yield VirtualInterface(row.get("virtualInterfaceId", ""), state, gateway)


def _associations(client: Any, gateway: VpnGatewayId) -> Iterator[DirectConnectAssociation]:
    with translate_errors("directconnect:DescribeDirectConnectGatewayAssociations"):
        found = pages(
            client.describe_direct_connect_gateway_associations,
            asked_as="nextToken",
            named_as="nextToken",
            virtualGatewayId=gateway,
        )
        rows = [row for page in found for row in page["directConnectGatewayAssociations"]]
    for row in rows:
        state = row.get("associationState", "")
        if state not in _GONE:
            yield DirectConnectAssociation(
                row.get("associationId", ""), state, row.get("directConnectGatewayId", "")
            )


def quotas(clients: ClientSource) -> tuple[Quotas, tuple[Unread, ...]]:
    """Return the limits in force, with AWS's defaults for those that cannot be read."""
    limits = {field: getattr(Quotas(), field) for field in Quotas.__struct_fields__}
    try:
        for field, (service, code) in _CODES.items():
            limits[field] = _quota(clients.service_quotas(), service, code, limits[field])
    except AwsError as exc:
        return Quotas(**limits), (Unread("quotas", exc.message),)
    return Quotas(**limits), ()


def _quota(client: Any, service: str, code: str, default: int) -> int:
    try:
        with translate_errors("servicequotas:GetServiceQuota"):
            answer = client.get_service_quota(ServiceCode=service, QuotaCode=code)
            quota = answer["Quota"]
    except NotFoundError:
        return default  # The quota was never raised for this account.
    value = quota.get("Value")
    return default if value is None else int(value)
