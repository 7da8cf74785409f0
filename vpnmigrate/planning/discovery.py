"""Discovery: gateways and connections of several accounts, by whether they can be migrated.

The verdict on a gateway is that of ``candidates``.  Other users of a connection's device, in any
account, are added to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

from msgspec import Struct

from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.discovery import ClosedAccount, Discovery, RegionSurvey, UnreadPlace
from vpnmigrate.model.ec2 import ConnectionRecord, CustomerGatewayRecord, VpnGatewayId
from vpnmigrate.planning.candidates import Candidacy, Candidate, candidates


class DiscoveryGroup(StrEnum):
    """Group of a connection or gateway; the order is that of the views."""

    CAN = "can"
    CANNOT = "cannot"
    UNDER_WAY = "under-way"
    NOT_NEEDED = "not-needed"
    ELSEWHERE = "elsewhere"
    """A connection that ends on no virtual private gateway: a transit gateway, or nothing."""


_GROUPS = {
    Candidacy.YES: DiscoveryGroup.CAN,
    Candidacy.NO: DiscoveryGroup.CANNOT,
    Candidacy.UNDER_WAY: DiscoveryGroup.UNDER_WAY,
    Candidacy.NOT_NEEDED: DiscoveryGroup.NOT_NEEDED,
}


class DeviceUse(Struct, frozen=True, order=True):
    """A connection with its device: the same customer gateway, or another one at its address."""

    account: str
    region: str
    gateway: str
    """The virtual private gateway, or what else the connection ends on."""
    connection: str
    customer_gateway: str


class DiscoveredConnection(Struct, frozen=True):
    """A connection, with its device and the other users of it."""

    record: ConnectionRecord
    device: CustomerGatewayRecord | None
    also: tuple[DeviceUse, ...] = ()
    """The other connections of the same device, in every account and Region that was read."""


class Place(Struct, frozen=True, order=True):
    """An account and a Region."""

    account: str
    region: str
    name: str = ""
    """The account's name in the organization."""


class DiscoveredGateway(Struct, frozen=True):
    """A virtual private gateway, or the connections of a Region that end on none."""

    place: Place
    group: DiscoveryGroup
    connections: tuple[DiscoveredConnection, ...]
    candidate: Candidate | None = None
    """None for connections that end on no virtual private gateway."""

    @property
    def why(self) -> tuple[str, ...]:
        """Why it cannot, or need not, be migrated."""
        if self.candidate is not None:
            return self.candidate.why
        return tuple(dict.fromkeys(_elsewhere(c.record) for c in self.connections))


class DiscoveryResult(Struct, frozen=True):
    """Everything that was found, and everything that could not be read."""

    gateways: tuple[DiscoveredGateway, ...]
    places: tuple[Place, ...]
    """Every account and Region that was read, also those without VPN."""
    unread: tuple[UnreadPlace, ...]
    closed: tuple[ClosedAccount, ...]

    def of(self, group: DiscoveryGroup) -> tuple[DiscoveredGateway, ...]:
        """Return the gateways of *group*."""
        return tuple(each for each in self.gateways if each.group is group)


def discovered(found: Discovery, decisions: Decisions) -> DiscoveryResult:
    """Return what *found* shows under *decisions*, sorted by group, account, Region and id."""
    # Two roles may reach the same account.
    regions = sorted({(r.account, r.region): r for r in found.regions}.values(), key=_place)
    uses = _uses(regions)
    gateways = [each for region in regions for each in _gateways(region, decisions, uses)]
    order = list(DiscoveryGroup)
    return DiscoveryResult(
        gateways=tuple(sorted(gateways, key=lambda each: order.index(each.group))),
        places=tuple(map(_place, regions)),
        unread=tuple(sorted(found.unread, key=lambda u: (u.account, u.label, u.region))),
        closed=tuple(sorted(found.closed, key=lambda closed: closed.account)),
    )


def _place(region: RegionSurvey) -> Place:
    return Place(region.account, region.region, region.name)


def _gateways(
    region: RegionSurvey, decisions: Decisions, uses: Mapping[str, tuple[DeviceUse, ...]]
) -> Iterator[DiscoveredGateway]:
    place, devices = _place(region), {c.id: c for c in region.customer_gateways}

    def connection(record: ConnectionRecord) -> DiscoveredConnection:
        device = devices.get(record.customer_gateway) if record.customer_gateway else None
        others = uses.get(_device_key(region, record, device), ())
        return DiscoveredConnection(
            record, device, tuple(use for use in others if use.connection != record.id)
        )

    for candidate in candidates(region.surveys, decisions):
        living = candidate.survey.living
        group = _GROUPS[candidate.candidacy]
        yield DiscoveredGateway(place, group, tuple(map(connection, living)), candidate)
    if region.elsewhere:
        elsewhere = tuple(map(connection, region.elsewhere))
        yield DiscoveredGateway(place, DiscoveryGroup.ELSEWHERE, elsewhere)


def _uses(regions: Iterable[RegionSurvey]) -> dict[str, tuple[DeviceUse, ...]]:
    """Return the connections of each device, in all *regions*."""
    found: defaultdict[str, list[DeviceUse]] = defaultdict(list)
    for region in regions:
        devices = {c.id: c for c in region.customer_gateways}
        for record in _connections(region):
            if record.customer_gateway:
                device = devices.get(record.customer_gateway)
                found[_device_key(region, record, device)].append(
                    DeviceUse(
                        region.account,
                        region.region,
                        record.vpn_gateway or record.elsewhere or "",
                        record.id,
                        record.customer_gateway,
                    )
                )
    return {key: tuple(sorted(uses)) for key, uses in found.items()}


def _connections(region: RegionSurvey) -> Iterator[ConnectionRecord]:
    for survey in region.surveys:
        yield from survey.living
    yield from region.elsewhere


def _device_key(
    region: RegionSurvey, record: ConnectionRecord, device: CustomerGatewayRecord | None
) -> str:
    """Return what identifies a device: its address, or its record if it has none.

    The customer gateways of several accounts with one address are one device.
    """
    if device is not None and device.ip:
        return device.ip
    return f"{region.account}/{region.region}/{record.customer_gateway}"


def _elsewhere(record: ConnectionRecord) -> str:
    if record.elsewhere:
        return f"ends on {record.elsewhere}, not on a virtual private gateway"
    if record.vpn_gateway:
        return f"its gateway {record.vpn_gateway} does not exist any more"
    return "ends on nothing"


def direct_connect(gateway: DiscoveredGateway) -> tuple[str, ...]:
    """Return the Direct Connect resources on *gateway*, and whether they could not be read."""
    if gateway.candidate is None:
        return ()
    survey = gateway.candidate.survey
    unread = (u for u in survey.unread if u.what == "direct_connect")
    return (
        *(interface.id for interface in survey.virtual_interfaces),
        *(association.id or association.gateway for association in survey.associations),
        *(f"not read: {each.why}" for each in unread),
    )


class GatewayTables(Struct, frozen=True):
    """The route tables of the VPC that refer to a gateway."""

    propagating: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    edge: tuple[str, ...] = ()
    others: int = 0
    """Tables of the VPC that do not refer to it."""

    @property
    def ids(self) -> tuple[str, ...]:
        """Every table that refers to it, once."""
        return tuple(dict.fromkeys((*self.propagating, *self.static, *self.edge)))


def tables_of(gateway: DiscoveredGateway) -> GatewayTables:
    """Return the route tables that refer to *gateway*, by how."""
    if gateway.candidate is None:
        return GatewayTables()
    survey = gateway.candidate.survey
    id_: VpnGatewayId = survey.gateway.id
    tables = survey.route_tables
    found = GatewayTables(
        tuple(t.id for t in tables if id_ in t.propagating),
        tuple(t.id for t in tables if t.static_routes_to(id_)),
        tuple(t.id for t in tables if t.edge_of(id_) is not None),
    )
    return GatewayTables(found.propagating, found.static, found.edge, len(tables) - len(found.ids))
