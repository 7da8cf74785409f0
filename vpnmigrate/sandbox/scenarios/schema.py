"""Scenario schema: the typed entries of a scenario file."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from vpnmigrate.model.ec2 import CLASSIC
from vpnmigrate.model.survey import Quotas
from vpnmigrate.sandbox.scenarios.scenario import DEFAULT_ACCOUNT, DEFAULT_REGION


class _Entry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A resource with an id and tags."""

    id: str
    tags: dict[str, str] = {}


class VpcEntry(_Entry, frozen=True, kw_only=True):
    """A VPC."""

    cidrs: tuple[str, ...]


class SubnetEntry(_Entry, frozen=True, kw_only=True):
    """A subnet; its association is in the route table's entry."""

    vpc: str
    cidr: str


class GatewayEntry(_Entry, frozen=True, kw_only=True):
    """A virtual private gateway, attached to *vpc* if it is set."""

    asn: int = 7224
    state: str = "available"
    vpc: str | None = None
    attachment: str = "attached"


class CustomerGatewayEntry(_Entry, frozen=True, kw_only=True):
    """A customer gateway and the prefixes its device advertises over BGP."""

    ip: str = ""
    asn: int = 65000
    name: str = ""
    state: str = "available"
    advertises: tuple[str, ...] = ()


class ConnectionEntry(_Entry, frozen=True, kw_only=True):
    """A VPN connection; ``category: null`` means that describe calls show no category."""

    category: str | None = CLASSIC
    state: str = "available"
    customer_gateway: str
    gateway: str | None = None
    elsewhere: str | None = None
    """The transit gateway or core network at which it ends instead of a gateway."""
    static: bool = False
    prefixes: tuple[str, ...] = ()
    tunnels: tuple[Literal["up", "down"], Literal["up", "down"]] = ("up", "up")
    outside_ips: tuple[str, str] | None = None
    inside_cidrs: tuple[str, str] | None = None


class TableEntry(_Entry, frozen=True, kw_only=True):
    """A route table; its local and propagated routes are implicit."""

    vpc: str
    main: bool = False
    subnets: tuple[str, ...] = ()
    edge_of: tuple[str, ...] = ()
    propagates: tuple[str, ...] = ()
    routes: dict[str, str] = {}
    """Destination to target."""


class InterfaceEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A private virtual interface on a gateway."""

    id: str
    gateway: str
    state: str = "available"


class DirectConnectEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A Direct Connect gateway's association with a gateway."""

    id: str
    gateway: str
    direct_connect_gateway: str
    state: str = "associated"


class QuotasEntry(Quotas, frozen=True, forbid_unknown_fields=True):
    """The quotas; each is optional, and unknown fields are refused."""


class ScenarioFile(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A scenario file."""

    title: str
    account: str = DEFAULT_ACCOUNT
    region: str = DEFAULT_REGION
    vpcs: tuple[VpcEntry, ...] = ()
    subnets: tuple[SubnetEntry, ...] = ()
    gateways: tuple[GatewayEntry, ...] = ()
    customer_gateways: tuple[CustomerGatewayEntry, ...] = ()
    connections: tuple[ConnectionEntry, ...] = ()
    route_tables: tuple[TableEntry, ...] = ()
    virtual_interfaces: tuple[InterfaceEntry, ...] = ()
    direct_connect_associations: tuple[DirectConnectEntry, ...] = ()
    quotas: QuotasEntry = QuotasEntry()
