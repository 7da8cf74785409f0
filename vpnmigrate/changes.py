"""Every change there is: a closed union, one frozen class per EC2 call or operator task.

Plan, journal, progress, runbook and report are renderings of these values, and ``aws`` performs
them; nothing else may alter AWS.  Ids may be the name of a role (``gateway``) in a plan, where the
resource does not exist yet; a change that is performed always carries real ids.
"""

from __future__ import annotations

from msgspec import Struct

from vpnmigrate.facts import (
    ABSENT,
    Archive,
    AttachmentOf,
    Claim,
    EdgeAssociation,
    Existence,
    Fact,
    Prefix,
    Propagation,
    RouteTarget,
    Switch,
    Value,
    WordGiven,
)
from vpnmigrate.model import (
    Attachment,
    CustomerGatewayId,
    Role,
    RouteTableId,
    State,
    VpcId,
    VpnConnectionId,
    VpnGatewayId,
)
from vpnmigrate.options import KeyMode, TunnelOptions
from vpnmigrate.snapshot import Word

Tags = tuple[tuple[str, str], ...]
"""User tags, sorted; ours are added by whoever performs the change."""


class _Change(Struct, frozen=True, tag_field="change"):
    """The contract of a change.

    ``fact`` is what it alters; ``arrived`` are the values that show its effect, and ``becomes``
    is the one it ends in, from which the plan's text and the expected end state are derived.
    ``call`` is the EC2 operation, empty where a person or this machine acts.
    """

    @property
    def fact(self) -> Fact:
        raise NotImplementedError

    @property
    def becomes(self) -> Value:
        raise NotImplementedError

    @property
    def arrived(self) -> frozenset[Value]:
        return frozenset({self.becomes})

    @property
    def call(self) -> str:
        return type(self).__name__


class _Creation(_Change, frozen=True):
    role: Role

    @property
    def fact(self) -> Fact:
        return Existence(self.role)

    @property
    def becomes(self) -> Value:
        return State.AVAILABLE

    @property
    def arrived(self) -> frozenset[Value]:
        return frozenset({State.PENDING, State.AVAILABLE})


class CreateVpnGateway(_Creation, frozen=True, tag="create-vpn-gateway"):
    """Create the new virtual private gateway; ``asn`` None asks for AWS's default, 64512."""

    asn: int | None = None
    tags: Tags = ()

    def __str__(self) -> str:
        asn = "the default ASN 64512" if self.asn is None else f"ASN {self.asn}"
        return f"create virtual private gateway ({asn})"


class CreateVpnConnection(_Creation, frozen=True, tag="create-vpn-connection"):
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


class AddStaticPrefix(_Change, frozen=True, tag="add-static-prefix"):
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


class ArchiveConfiguration(_Change, frozen=True, tag="archive-configuration"):
    """Save a connection's configuration, sample and device sheet in the vault."""

    connection: VpnConnectionId
    replaces: VpnConnectionId | None = None
    """The old connection, when this is a new one that gets a device folder."""
    device_type: str | None = None
    """Vendor/platform/software as the plan names it, for AWS's own sample."""
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


class AskOperator(_Change, frozen=True, tag="ask-operator"):
    """A task for a person at a device; done when they say so, or telemetry does."""

    step: int
    word: Word
    task: str

    @property
    def fact(self) -> Fact:
        return WordGiven(self.word)

    @property
    def becomes(self) -> Value:
        return Switch.ON

    @property
    def call(self) -> str:
        return ""

    def __str__(self) -> str:
        return self.task


class RunTest(_Change, frozen=True, tag="run-test"):
    """Let a command say whether the test VPC is reachable: exit status 0 says yes."""

    command: tuple[str, ...]

    @property
    def fact(self) -> Fact:
        return WordGiven(Word.TEST_PASSED)

    @property
    def becomes(self) -> Value:
        return Switch.ON

    @property
    def call(self) -> str:
        return ""

    def __str__(self) -> str:
        return f"run the test: {' '.join(self.command)}"


class CreateTestVpc(_Creation, frozen=True, tag="create-test-vpc"):
    """Create the VPC in which the new gateway is tried."""

    cidr: str

    @property
    def call(self) -> str:
        return "CreateVpc"

    def __str__(self) -> str:
        return f"create test VPC {self.cidr}"


class CreateTestSubnet(_Creation, frozen=True, tag="create-test-subnet"):
    """Create the test VPC's only subnet."""

    vpc: VpcId
    cidr: str

    @property
    def call(self) -> str:
        return "CreateSubnet"

    def __str__(self) -> str:
        return f"create subnet {self.cidr} in test VPC {self.vpc}"


class _Attaching(_Change, frozen=True):
    gateway: VpnGatewayId
    vpc: VpcId

    @property
    def fact(self) -> Fact:
        return AttachmentOf(self.gateway, self.vpc)


class AttachVpnGateway(_Attaching, frozen=True, tag="attach-vpn-gateway"):
    """Put a gateway on a VPC."""

    @property
    def becomes(self) -> Value:
        return Attachment.ATTACHED

    @property
    def arrived(self) -> frozenset[Value]:
        return frozenset({Attachment.ATTACHING, Attachment.ATTACHED})

    def __str__(self) -> str:
        return f"attach {self.gateway} to {self.vpc}"


class DetachVpnGateway(_Attaching, frozen=True, tag="detach-vpn-gateway"):
    """Take a gateway off a VPC; its static routes turn into black holes (domain.md 4.1)."""

    @property
    def becomes(self) -> Value:
        return Attachment.DETACHED

    @property
    def arrived(self) -> frozenset[Value]:
        return frozenset({Attachment.DETACHING, Attachment.DETACHED})

    def __str__(self) -> str:
        return f"detach {self.gateway} from {self.vpc}"


class _Propagating(_Change, frozen=True):
    table: RouteTableId
    gateway: VpnGatewayId

    @property
    def fact(self) -> Fact:
        return Propagation(self.table, self.gateway)


class EnablePropagation(_Propagating, frozen=True, tag="enable-propagation"):
    """Let a table take up the routes of a gateway that is on its VPC."""

    @property
    def becomes(self) -> Value:
        return Switch.ON

    @property
    def call(self) -> str:
        return "EnableVgwRoutePropagation"

    def __str__(self) -> str:
        return f"enable propagation from {self.gateway} in {self.table}"


class DisablePropagation(_Propagating, frozen=True, tag="disable-propagation"):
    """Drop the routes of a gateway from a table."""

    @property
    def becomes(self) -> Value:
        return Switch.OFF

    @property
    def call(self) -> str:
        return "DisableVgwRoutePropagation"

    def __str__(self) -> str:
        return f"disable propagation from {self.gateway} in {self.table}"


class ReplaceRoute(_Change, frozen=True, tag="replace-route"):
    """Re-point a static route in one atomic call, black hole or not (domain.md 2.6)."""

    table: RouteTableId
    destination: str
    gateway: VpnGatewayId

    @property
    def fact(self) -> Fact:
        return RouteTarget(self.table, self.destination)

    @property
    def becomes(self) -> Value:
        return self.gateway

    def __str__(self) -> str:
        return f"point {self.destination} in {self.table} at {self.gateway}"


class _Edge(_Change, frozen=True):
    table: RouteTableId
    gateway: VpnGatewayId

    @property
    def fact(self) -> Fact:
        return EdgeAssociation(self.table, self.gateway)


class AssociateEdge(_Edge, frozen=True, tag="associate-edge"):
    """Make a table the edge table of a gateway."""

    @property
    def becomes(self) -> Value:
        return Switch.ON

    @property
    def call(self) -> str:
        return "AssociateRouteTable"

    def __str__(self) -> str:
        return f"associate edge table {self.table} with {self.gateway}"


class DisassociateEdge(_Edge, frozen=True, tag="disassociate-edge"):
    """Untie an edge table from a gateway."""

    association: str

    @property
    def becomes(self) -> Value:
        return Switch.OFF

    @property
    def call(self) -> str:
        return "DisassociateRouteTable"

    def __str__(self) -> str:
        return f"untie edge table {self.table} from {self.gateway}"


class PlaceClaim(_Change, frozen=True, tag="place-claim"):
    """Tag the old gateway with who migrates it: it warns, it cannot exclude."""

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
        return f"claim {self.gateway} for {self.holder}"


class RemoveClaim(_Change, frozen=True, tag="remove-claim"):
    """Take our claim off the old gateway."""

    gateway: VpnGatewayId

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
        return f"take the claim off {self.gateway}"


class _Deletion(_Change, frozen=True):
    subject: Role | str
    """The role of what we made, or the id of what was there before (only in step 11)."""
    id: str

    @property
    def fact(self) -> Fact:
        return Existence(self.subject)

    @property
    def becomes(self) -> Value:
        return State.ABSENT

    @property
    def arrived(self) -> frozenset[Value]:
        return frozenset({State.DELETING, State.ABSENT})


class DeleteVpnConnection(_Deletion, frozen=True, tag="delete-vpn-connection"):
    """Delete a connection; for an old one there is no way back."""

    def __str__(self) -> str:
        return f"delete connection {self.id}"


class DeleteVpnGateway(_Deletion, frozen=True, tag="delete-vpn-gateway"):
    """Delete a virtual private gateway that is on no VPC and has no connection."""

    def __str__(self) -> str:
        return f"delete virtual private gateway {self.id}"


class DeleteTestSubnet(_Deletion, frozen=True, tag="delete-test-subnet"):
    """Delete the test subnet."""

    @property
    def call(self) -> str:
        return "DeleteSubnet"

    def __str__(self) -> str:
        return f"delete test subnet {self.id}"


class DeleteTestVpc(_Deletion, frozen=True, tag="delete-test-vpc"):
    """Delete the test VPC."""

    @property
    def call(self) -> str:
        return "DeleteVpc"

    def __str__(self) -> str:
        return f"delete test VPC {self.id}"


Creation = CreateVpnGateway | CreateVpnConnection | CreateTestVpc | CreateTestSubnet
OperatorTask = AskOperator | RunTest
AwsChange = (
    Creation
    | AddStaticPrefix
    | ArchiveConfiguration
    | AttachVpnGateway
    | DetachVpnGateway
    | EnablePropagation
    | DisablePropagation
    | ReplaceRoute
    | AssociateEdge
    | DisassociateEdge
    | PlaceClaim
    | RemoveClaim
    | DeleteVpnConnection
    | DeleteVpnGateway
    | DeleteTestSubnet
    | DeleteTestVpc
)
Change = AwsChange | OperatorTask
