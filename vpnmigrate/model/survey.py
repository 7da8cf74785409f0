"""Survey: the full reading of an account from which a plan is made, without secrets."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property

from msgspec import Struct
from msgspec.structs import replace

from vpnmigrate.model.ec2 import (
    AccountId,
    ConnectionRecord,
    CustomerGatewayRecord,
    GatewayRecord,
    RouteTableRecord,
    VpcRecord,
)
from vpnmigrate.model.encryption_control import EncryptionControls
from vpnmigrate.model.permissions import MissingPermission


class VirtualInterface(Struct, frozen=True):
    """A Direct Connect private virtual interface on the gateway (domain.md 7)."""

    id: str
    state: str
    gateway: str


class DirectConnectAssociation(Struct, frozen=True):
    """A Direct Connect gateway's association with the virtual private gateway."""

    id: str
    state: str
    gateway: str


class Unread(Struct, frozen=True):
    """A part of the survey that could not be read; *why* is AWS's code and message."""

    what: str
    """Field of the survey: ``direct_connect`` or ``quotas``."""
    why: str


class Quotas(Struct, frozen=True):
    """Quotas in force; AWS's defaults (domain.md 5) are used where they cannot be read."""

    gateways_per_region: int = 5
    connections_per_region: int = 50
    connections_per_gateway: int = 10
    static_prefixes_per_connection: int = 100
    vpcs_per_region: int = 5


class Survey(Struct, frozen=True, dict=True):
    """Full reading of an account.  Tuples are sorted by id, so equal accounts compare equal.

    Derived values are used in every observation, so they are computed once.
    """

    taken: datetime
    account: AccountId
    region: str
    gateway: GatewayRecord
    """The virtual private gateway that is replaced."""
    vpcs: tuple[VpcRecord, ...] = ()
    """Every VPC of the Region: the attached one, and those that a test VPC must not overlap."""
    connections: tuple[ConnectionRecord, ...] = ()
    """Connections of the leaving gateway in any state; for the rest see ``other_connections``."""
    customer_gateways: tuple[CustomerGatewayRecord, ...] = ()
    """The customer gateways that the connections use."""
    route_tables: tuple[RouteTableRecord, ...] = ()
    """All tables of the attached VPC."""
    other_gateways: tuple[GatewayRecord, ...] = ()
    """Every other gateway of the Region that still counts against the quota."""
    other_connections: tuple[ConnectionRecord, ...] = ()
    """Every other connection of the Region, for quotas and shared customer gateways."""
    virtual_interfaces: tuple[VirtualInterface, ...] = ()
    associations: tuple[DirectConnectAssociation, ...] = ()
    quotas: Quotas = Quotas()
    unread: tuple[Unread, ...] = ()
    missing_permissions: tuple[MissingPermission, ...] = ()
    """Actions of the plan that are not proven to be allowed; tried after the rest was read."""
    encryption: EncryptionControls = EncryptionControls()
    """What may keep AWS from attaching a virtual private gateway to the VPC."""

    @cached_property
    def rehearsable(self) -> Survey:
        """This survey without encryption controls: they may change, and a gate judges them."""
        return replace(self, encryption=EncryptionControls())

    @cached_property
    def vpc(self) -> VpcRecord | None:
        """The VPC that the gateway is attached to, or None."""
        held = {a.vpc for a in self.gateway.attachments if a.state == "attached"}
        return next((vpc for vpc in self.vpcs if vpc.id in held), None)

    @cached_property
    def living(self) -> tuple[ConnectionRecord, ...]:
        """The connections that still exist: EC2 lists deleted ones for a while (domain.md 2.3)."""
        return tuple(c for c in self.connections if c.state != "deleted")
