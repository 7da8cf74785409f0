"""Changes that create, tag, archive or delete resources."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

from vpnmigrate.model.changes.base import (
    BaseCall,
    BaseChange,
    BaseCreation,
    BaseDeletion,
    CallTags,
    Tags,
)
from vpnmigrate.model.decisions import KeyMode
from vpnmigrate.model.ec2 import (
    TUNNELS,
    CustomerGatewayId,
    Tag,
    TunnelOptions,
    VpcId,
    VpnConnectionId,
    VpnGatewayId,
)
from vpnmigrate.model.facts import ABSENT, Archive, Claim, Fact, Prefix, Switch, Value
from vpnmigrate.model.tunnel_options import as_requested


class _Claiming(BaseCall, frozen=True):
    gateway: VpnGatewayId
    holder: str

    @property
    def fact(self) -> Fact:
        return Claim(self.gateway)

    def _claim(self) -> dict[str, str]:
        """Return the claim's tag; given a value, EC2 deletes a tag only if the value matches."""
        return {"Key": Tag.CLAIM.value, "Value": self.holder}


class PlaceClaim(_Claiming, frozen=True, tag="place-claim"):
    """Set the claim tag on the old gateway: it warns other operators, it cannot exclude them."""

    @property
    def becomes(self) -> Value:
        return self.holder

    @property
    def call(self) -> str:
        return "CreateTags"

    def parameters(self, call_tags: CallTags) -> dict[str, Any]:
        number = [{"Key": Tag.CHANGE.value, "Value": call_tags.change}] if call_tags.change else []
        return {"Resources": [self.gateway], "Tags": [self._claim(), *number]}

    def __str__(self) -> str:
        return f"set the claim tag on {self.gateway} for {self.holder}"


class RemoveClaim(_Claiming, frozen=True, tag="remove-claim"):
    """Remove this run's claim tag from the old gateway; the tag of another holder stays."""

    @property
    def becomes(self) -> Value:
        return ABSENT

    @property
    def call(self) -> str:
        return "DeleteTags"

    def parameters(self, call_tags: CallTags) -> dict[str, Any]:
        # The change number is removed with the claim, also if another plan has set it.
        number = [{"Key": Tag.CHANGE.value}] if call_tags.change else []
        return {"Resources": [self.gateway], "Tags": [self._claim(), *number]}

    def __str__(self) -> str:
        return f"remove the claim tag on {self.gateway}"


class CreateVpnGateway(BaseCreation, frozen=True, tag="create-vpn-gateway"):
    """Create the new virtual private gateway; ``asn`` None means AWS's default, 64512."""

    asn: int | None = None
    tags: Tags = ()

    def parameters(self, call_tags: CallTags) -> dict[str, Any]:
        return {
            "Type": "ipsec.1",
            **({} if self.asn is None else {"AmazonSideAsn": self.asn}),
            **self._tagging("vpn-gateway", call_tags, self.tags),
        }

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
    tunnels: tuple[TunnelOptions, ...] = ()
    """Options of each tunnel; empty means AWS's defaults for both."""
    local_network: str = ""
    remote_network: str = ""
    """Traffic selectors; an empty one is AWS's default."""
    in_secrets_manager: bool = False
    """Whether Secrets Manager stores the keys."""
    tags: Tags = ()

    def parameters(self, call_tags: CallTags) -> dict[str, Any]:
        # Both tunnels are always listed: an omitted one gets EC2's weak defaults (domain.md 2.3).
        tunnels = [
            _tunnel(options, cidr)
            for options, cidr, _ in zip_longest(self.tunnels, self.inside_cidrs, range(TUNNELS))
        ]
        networks = {
            "LocalIpv4NetworkCidr": self.local_network,
            "RemoteIpv4NetworkCidr": self.remote_network,
        }
        stored = self.in_secrets_manager or self.keys is KeyMode.SECRETS_MANAGER
        return {
            "Type": "ipsec.1",
            "CustomerGatewayId": self.customer_gateway,
            "VpnGatewayId": self.gateway,
            "Options": {
                "StaticRoutesOnly": self.static_only,
                "TunnelOptions": tunnels,
                **{name: network for name, network in networks.items() if network},
            },
            **({"PreSharedKeyStorage": "SecretsManager"} if stored else {}),
            **self._tagging("vpn-connection", call_tags, self.tags),
        }

    def __str__(self) -> str:
        routing = "static" if self.static_only else "BGP"
        return (
            f"create {routing} connection to {self.customer_gateway} on {self.gateway}, "
            f"successor of {self.replaces}"
        )


def _tunnel(options: TunnelOptions | None, inside_cidr: str | None) -> dict[str, Any]:
    # AWS must not initiate before step 10: the device opens the tunnel (domain.md 6.5).
    tunnel: dict[str, Any] = {"StartupAction": "add"}
    if inside_cidr:
        tunnel["TunnelInsideCidr"] = inside_cidr
    return {**tunnel, **as_requested(options)} if options else tunnel


class AddStaticPrefix(BaseCall, frozen=True, tag="add-static-prefix"):
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

    def parameters(self, call_tags: CallTags) -> dict[str, Any]:
        del call_tags
        return {"VpnConnectionId": self.connection, "DestinationCidrBlock": self.cidr}

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

    def parameters(self, call_tags: CallTags) -> dict[str, Any]:
        return {"CidrBlock": self.cidr, **self._tagging("vpc", call_tags)}

    def __str__(self) -> str:
        return f"create test VPC {self.cidr}"


class CreateTestSubnet(BaseCreation, frozen=True, tag="create-test-subnet"):
    """Create the test VPC's only subnet."""

    vpc: VpcId
    cidr: str

    @property
    def call(self) -> str:
        return "CreateSubnet"

    def parameters(self, call_tags: CallTags) -> dict[str, Any]:
        return {"VpcId": self.vpc, "CidrBlock": self.cidr, **self._tagging("subnet", call_tags)}

    def __str__(self) -> str:
        return f"create subnet {self.cidr} in test VPC {self.vpc}"


class DeleteVpnConnection(BaseDeletion, frozen=True, tag="delete-vpn-connection"):
    """Delete a connection; deleting an old one cannot be rolled back."""

    def parameters(self, call_tags: CallTags) -> dict[str, Any]:
        del call_tags
        return {"VpnConnectionId": self.id}

    def __str__(self) -> str:
        return f"delete connection {self.id}"


class DeleteVpnGateway(BaseDeletion, frozen=True, tag="delete-vpn-gateway"):
    """Delete a virtual private gateway that is not attached and has no connection."""

    def parameters(self, call_tags: CallTags) -> dict[str, Any]:
        del call_tags
        return {"VpnGatewayId": self.id}

    def __str__(self) -> str:
        return f"delete virtual private gateway {self.id}"


class DeleteTestSubnet(BaseDeletion, frozen=True, tag="delete-test-subnet"):
    """Delete the test subnet."""

    @property
    def call(self) -> str:
        return "DeleteSubnet"

    def parameters(self, call_tags: CallTags) -> dict[str, Any]:
        del call_tags
        return {"SubnetId": self.id}

    def __str__(self) -> str:
        return f"delete test subnet {self.id}"


class DeleteTestVpc(BaseDeletion, frozen=True, tag="delete-test-vpc"):
    """Delete the test VPC."""

    @property
    def call(self) -> str:
        return "DeleteVpc"

    def parameters(self, call_tags: CallTags) -> dict[str, Any]:
        del call_tags
        return {"VpcId": self.id}

    def __str__(self) -> str:
        return f"delete test VPC {self.id}"
