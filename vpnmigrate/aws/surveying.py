"""The wide reading that a plan is made from, and drift is measured against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vpnmigrate.aws import describing
from vpnmigrate.aws.aside import direct_connect, quotas
from vpnmigrate.aws.clients import ClientSource
from vpnmigrate.aws.reading import (
    connection_record,
    customer_gateway_record,
    gateway_record,
    in_order,
    vpc_record,
)
from vpnmigrate.aws.reading_tables import table_record
from vpnmigrate.commands import aws
from vpnmigrate.engine.ports import Identity
from vpnmigrate.errors import NotFoundError, RefusedError
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.ec2 import AccountId, GatewayRecord, VpcId, VpnConnectionId, VpnGatewayId
from vpnmigrate.model.survey import Survey

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


def survey(clients: ClientSource, gateway: VpnGatewayId, who: Identity, clock: Clock) -> Survey:
    """Read everything about *gateway* that decides whether and how it can be replaced.

    Raises:
        NotFoundError: This account has no such gateway in this Region.
        AwsError: A describe call failed.
    """
    taken = clock.wall()
    ec2 = clients.reader()
    gateways = in_order(map(gateway_record, describing.gateways(ec2)))
    leaving = next((record for record in gateways if record.id == gateway), None)
    if leaving is None:
        raise _not_found(f"virtual private gateway {gateway}", who, clients.region)
    connections = in_order(map(connection_record, describing.connections(ec2)))
    on_it = tuple(c for c in connections if c.vpn_gateway == gateway)
    used = {connection.customer_gateway for connection in on_it}
    devices = in_order(map(customer_gateway_record, describing.customer_gateways(ec2)))
    vpcs = in_order(map(vpc_record, describing.vpcs(ec2)))
    held = _held(leaving)
    tables = describing.route_tables(ec2, held) if held else ()
    through_direct_connect = direct_connect(clients, gateway)
    limits, unread = quotas(clients)
    return Survey(
        taken=taken,
        account=AccountId(who.account),
        region=clients.region,
        gateway=leaving,
        vpcs=vpcs,
        connections=on_it,
        customer_gateways=tuple(device for device in devices if device.id in used),
        route_tables=in_order(map(table_record, tables)),
        other_gateways=tuple(g for g in gateways if g.id != gateway and g.state != "deleted"),
        other_connections=tuple(
            c for c in connections if c.vpn_gateway != gateway and c.state != "deleted"
        ),
        virtual_interfaces=through_direct_connect.interfaces,
        associations=through_direct_connect.associations,
        quotas=limits,
        unread=(*through_direct_connect.unread, *unread),
    )


def find_gateway(
    ec2: EC2Client, connection: VpnConnectionId, who: Identity, region: str
) -> VpnGatewayId:
    """Give the virtual private gateway that *connection* ends on.

    Raises:
        NotFoundError: This account has no such connection in this Region.
        RefusedError: The connection ends on something else, or nowhere.
        AwsError: The describe call failed.
    """
    try:
        row = describing.connection(ec2, connection)
    except NotFoundError:
        row = None
    if row is None:
        raise _not_found(f"VPN connection {connection}", who, region)
    found = connection_record(row)
    if found.vpn_gateway is None:
        raise RefusedError(
            f"{connection} ends on {found.elsewhere or 'nothing'}, not on a virtual private "
            "gateway: there is no gateway to replace",
            advice="give a connection of a virtual private gateway, or --vpn-gateway",
        )
    return found.vpn_gateway


def _held(gateway: GatewayRecord) -> list[VpcId]:
    """Give the VPCs that *gateway* is on or not yet off."""
    return sorted({a.vpc for a in gateway.attachments if a.vpc and a.state != "detached"})


def _not_found(what: str, who: Identity, region: str) -> NotFoundError:
    return NotFoundError(
        f"there is no {what} in account {who.account}, Region {region}",
        advice=(
            "check --profile and --region:",
            aws("ec2", "describe-vpn-gateways", "--region", region),
        ),
    )
