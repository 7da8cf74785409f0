"""What a plan wants from other services and can do without: Direct Connect and quotas."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from vpnmigrate.aws.clients import ClientSource
from vpnmigrate.aws.pages import pages
from vpnmigrate.aws.unreadable import reading
from vpnmigrate.errors import AwsError, NotFoundError
from vpnmigrate.model.survey import DirectConnectAssociation, Quotas, Unread, VirtualInterface

if TYPE_CHECKING:
    from vpnmigrate.model.ec2 import VpnGatewayId

_GONE: Final = frozenset({"deleted", "rejected", "disassociated"})
"""Listed for a quarter of an hour longer, and no obstacle (domain.md 7)."""

_CODES: Final = {
    "gateways_per_region": ("ec2", "L-7029FAB6"),
    "connections_per_region": ("ec2", "L-3E6EC3A3"),
    "connections_per_gateway": ("ec2", "L-B91E5754"),
    "vpcs_per_region": ("vpc", "L-F678F1CE"),
}
"""Field of ``Quotas`` to service and quota code (domain.md 5); the other one cannot be raised."""


@dataclass(frozen=True)
class DirectConnect:
    """What of Direct Connect stands on a gateway, as far as it could be read."""

    interfaces: tuple[VirtualInterface, ...] = ()
    associations: tuple[DirectConnectAssociation, ...] = ()
    unread: tuple[Unread, ...] = ()


def direct_connect(clients: ClientSource, gateway: VpnGatewayId) -> DirectConnect:
    """Read the private virtual interfaces and gateway associations on *gateway*."""
    try:
        client = clients.direct_connect()
        return DirectConnect(
            interfaces=tuple(sorted(_interfaces(client, gateway), key=lambda i: i.id)),
            associations=tuple(sorted(_associations(client, gateway), key=lambda a: a.id)),
        )
    except AwsError as exc:
        return DirectConnect(unread=(Unread("direct_connect", exc.message),))


def _interfaces(client: Any, gateway: VpnGatewayId) -> Iterator[VirtualInterface]:
    # There is no filter by gateway.
    with reading("directconnect:DescribeVirtualInterfaces"):
        found = pages(
            client.describe_virtual_interfaces, asked_as="nextToken", named_as="nextToken"
        )
        rows = [row for page in found for row in page["virtualInterfaces"]]
    for row in rows:
        state = row.get("virtualInterfaceState", "")
        if row.get("virtualGatewayId") == gateway and state not in _GONE:
            yield VirtualInterface(row.get("virtualInterfaceId", ""), state, gateway)


def _associations(client: Any, gateway: VpnGatewayId) -> Iterator[DirectConnectAssociation]:
    with reading("directconnect:DescribeDirectConnectGatewayAssociations"):
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
    """Read the limits in force; AWS's defaults stand in for those that cannot be read."""
    limits = {field: getattr(Quotas(), field) for field in Quotas.__struct_fields__}
    try:
        for field, (service, code) in _CODES.items():
            limits[field] = _quota(clients.service_quotas(), service, code, limits[field])
    except AwsError as exc:
        return Quotas(**limits), (Unread("quotas", exc.message),)
    return Quotas(**limits), ()


def _quota(client: Any, service: str, code: str, default: int) -> int:
    try:
        with reading("servicequotas:GetServiceQuota"):
            answer = client.get_service_quota(ServiceCode=service, QuotaCode=code)
            quota = answer["Quota"]
    except NotFoundError:
        return default  # never raised for this account
    value = quota.get("Value")
    return default if value is None else int(value)
