"""Changes that create, tag, archive or delete resources."""

from __future__ import annotations

from vpnmigrate.model.changes.base import BaseChange, BaseCreation, BaseDeletion, Tags
from vpnmigrate.model.decisions import KeyMode
from vpnmigrate.model.ec2 import (
    CustomerGatewayId,
    TunnelOptions,
    VpcId,
    VpnConnectionId,
    VpnGatewayId,
)
from vpnmigrate.model.facts import ABSENT, Archive, Claim, Fact, Prefix, Switch, Value


class PlaceClaim(BaseChange, frozen=True, tag="place-claim"):
    """Set the claim tag on the old gateway: it warns other operators, it cannot exclude them."""

    gateway: VpnGatewayId
    holder: str

    @property
    def fact(self) -> Fact:
        return Claim(self.gateway)

    @property
    def becomes(self) -> Value:
        return self.holder

    @property
    def call(self) -> str:
        return "CreateTags"

    def __str__(self) -> str:
        return f"set the lock tag on {self.gateway} for {self.holder}"


class RemoveClaim(BaseChange, frozen=True, tag="remove-claim"):
    """Remove this run's claim tag from the old gateway; the tag of another holder stays."""

    gateway: VpnGatewayId
    holder: str

    @property
    def fact(self) -> Fact:
        return Claim(self.gateway)

    @property
    def becomes(self) -> Value:
        return ABSENT

    @property
    def call(self) -> str:
        return "DeleteTags"

    def __str__(self) -> str:
        return f"release the lock tag on {self.gateway}"


class CreateVpnGateway(BaseCreation, frozen=True, tag="create-vpn-gateway"):
    """Create the new virtual private gateway; ``asn`` None means AWS's default, 64512."""

    asn: int | None = None
    tags: Tags = ()

    def __str__(self) -> str:
        asn = "the default ASN 64512" if self.asn is None else f"ASN {self.asn}"
        return f"create virtual private gateway ({asn})"


class CreateVpnConnection(BaseCreation, frozen=True, tag="create-vpn-connection"):
    """Create the successor of ``replaces``; a reused key is read and sent inside ``aws`` only."""

    gateway: VpnGatewayId
    customer_gateway: CustomerGatewayId
    replaces: VpnConnectionId
    static_only: bool
    inside_cidrs: tuple[str, ...] = ()
    """Empty, or one per tunnel."""
    keys: KeyMode = KeyMode.NEW
    options: TunnelOptions = TunnelOptions()
    tags: Tags = ()

    def __str__(self) -> str:
        routing = "static" if self.static_only else "BGP"
        return (
            f"create {routing} connection to {self.customer_gateway} on {self.gateway}, "
            f"successor of {self.replaces}"
        )


class AddStaticPrefix(BaseChange, frozen=True, tag="add-static-prefix"):
    """Route a prefix to the device over a static connection."""

    connection: VpnConnectionId
    cidr: str

    @property
    def fact(self) -> Fact:
        return Prefix(self.connection, self.cidr)

    @property
    def becomes(self) -> Value:
        return Switch.ON

    @property
    def arrived(self) -> frozenset[Value]:
        return frozenset({Switch.ON, Switch.CHANGING})

    @property
    def call(self) -> str:
        return "CreateVpnConnectionRoute"

    def __str__(self) -> str:
        return f"add static prefix {self.cidr} to {self.connection}"


class ArchiveConfiguration(BaseChange, frozen=True, tag="archive-configuration"):
    """Save a connection's configuration, sample and device sheet in the vault."""

    connection: VpnConnectionId
    replaces: VpnConnectionId | None = None
    """The old connection, for a new connection that gets a device folder."""
    device_type: str | None = None
    """Vendor/platform/software as named in the plan, for AWS's sample configuration."""
    ike_version: str = "ikev2"

    @property
    def fact(self) -> Fact:
        return Archive(self.connection)

    @property
    def becomes(self) -> Value:
        return Switch.ON

    @property
    def call(self) -> str:
        return "GetVpnConnectionDeviceSampleConfiguration" if self.device_type else ""

    def __str__(self) -> str:
        return f"archive the configuration of {self.connection}"


class CreateTestVpc(BaseCreation, frozen=True, tag="create-test-vpc"):
    """Create the VPC in which the new gateway is tested."""

    cidr: str

    @property
    def call(self) -> str:
        return "CreateVpc"

    def __str__(self) -> str:
        return f"create test VPC {self.cidr}"


class CreateTestSubnet(BaseCreation, frozen=True, tag="create-test-subnet"):
    """Create the test VPC's only subnet."""

    vpc: VpcId
    cidr: str

    @property
    def call(self) -> str:
        return "CreateSubnet"

    def __str__(self) -> str:
        return f"create subnet {self.cidr} in test VPC {self.vpc}"


class DeleteVpnConnection(BaseDeletion, frozen=True, tag="delete-vpn-connection"):
    """Delete a connection; deleting an old one cannot be rolled back."""

    def __str__(self) -> str:
        return f"delete connection {self.id}"


class DeleteVpnGateway(BaseDeletion, frozen=True, tag="delete-vpn-gateway"):
    """Delete a virtual private gateway that is not attached and has no connection."""

    def __str__(self) -> str:
        return f"delete virtual private gateway {self.id}"


class DeleteTestSubnet(BaseDeletion, frozen=True, tag="delete-test-subnet"):
    """Delete the test subnet."""

    @property
    def call(self) -> str:
        return "DeleteSubnet"

    def __str__(self) -> str:
        return f"delete test subnet {self.id}"


class DeleteTestVpc(BaseDeletion, frozen=True, tag="delete-test-vpc"):
    """Delete the test VPC."""

    @property
    def call(self) -> str:
        return "DeleteVpc"

    def __str__(self) -> str:
        return f"delete test VPC {self.id}"
