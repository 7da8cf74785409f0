"""Changes of steps 7 to 9: attachments, propagation, routes and edge associations."""

from __future__ import annotations

from typing import Any

from vpnmigrate.model.changes.base import BaseCall, CallTags
from vpnmigrate.model.ec2 import Attachment, RouteTableId, VpcId, VpnGatewayId
from vpnmigrate.model.facts import (
    AttachmentOf,
    EdgeAssociation,
    Fact,
    Propagation,
    RouteTarget,
    Switch,
    Value,
)


class _Attaching(BaseCall, frozen=True):
    gateway: VpnGatewayId
    vpc: VpcId

    @property
    def fact(self) -> Fact:
        return AttachmentOf(self.gateway, self.vpc)

    def parameters(self, call_tags: CallTags) -> dict[str, Any]:
        del call_tags
        return {"VpnGatewayId": self.gateway, "VpcId": self.vpc}


class AttachVpnGateway(_Attaching, frozen=True, tag="attach-vpn-gateway"):
    """Attach a gateway to a VPC."""

    @property
    def becomes(self) -> Value:
        return Attachment.ATTACHED

    @property
    def arrived(self) -> frozenset[Value]:
        return frozenset({Attachment.ATTACHING, Attachment.ATTACHED})

    def __str__(self) -> str:
        return f"attach {self.gateway} to {self.vpc}"


class DetachVpnGateway(_Attaching, frozen=True, tag="detach-vpn-gateway"):
    """Detach a gateway from a VPC; its static routes become black holes (domain.md 4.1)."""

    @property
    def becomes(self) -> Value:
        return Attachment.DETACHED

    @property
    def arrived(self) -> frozenset[Value]:
        return frozenset({Attachment.DETACHING, Attachment.DETACHED})

    def __str__(self) -> str:
        return f"detach {self.gateway} from {self.vpc}"


class _Propagating(BaseCall, frozen=True, gc=False):
    table: RouteTableId
    gateway: VpnGatewayId

    @property
    def fact(self) -> Fact:
        return Propagation(self.table, self.gateway)

    def parameters(self, call_tags: CallTags) -> dict[str, Any]:
        del call_tags
        return {"RouteTableId": self.table, "GatewayId": self.gateway}


class EnablePropagation(_Propagating, frozen=True, tag="enable-propagation"):
    """Enable propagation into a table from a gateway that is attached to its VPC."""

    @property
    def becomes(self) -> Value:
        return Switch.ON

    @property
    def call(self) -> str:
        return "EnableVgwRoutePropagation"

    def __str__(self) -> str:
        return f"enable propagation from {self.gateway} in {self.table}"


class DisablePropagation(_Propagating, frozen=True, tag="disable-propagation"):
    """Disable propagation: the gateway's propagated routes leave the table."""

    @property
    def becomes(self) -> Value:
        return Switch.OFF

    @property
    def call(self) -> str:
        return "DisableVgwRoutePropagation"

    def __str__(self) -> str:
        return f"disable propagation from {self.gateway} in {self.table}"


class _Directing(BaseCall, frozen=True, gc=False):
    table: RouteTableId
    destination: str
    gateway: VpnGatewayId

    @property
    def fact(self) -> Fact:
        return RouteTarget(self.table, self.destination)

    @property
    def becomes(self) -> Value:
        return self.gateway

    def parameters(self, call_tags: CallTags) -> dict[str, Any]:
        del call_tags
        return {
            "RouteTableId": self.table,
            "GatewayId": self.gateway,
            **_destination(self.destination),
        }


def _destination(of: str) -> dict[str, Any]:
    """Return the one parameter that names a route's destination, by its kind."""
    if of.startswith("pl-"):
        return {"DestinationPrefixListId": of}
    return {"DestinationIpv6CidrBlock" if ":" in of else "DestinationCidrBlock": of}


class ReplaceRoute(_Directing, frozen=True, tag="replace-route"):
    """Change the target of a static route, even a black hole, in one call (domain.md 2.6)."""

    def __str__(self) -> str:
        return f"change route {self.destination} in {self.table} to {self.gateway}"


class CreateRoute(_Directing, frozen=True, tag="create-route"):
    """Create a static route of the before-survey that was deleted outside this run."""

    def __str__(self) -> str:
        return f"create route {self.destination} in {self.table} to {self.gateway}"


class _Edge(BaseCall, frozen=True, gc=False):
    table: RouteTableId
    gateway: VpnGatewayId

    @property
    def fact(self) -> Fact:
        return EdgeAssociation(self.table, self.gateway)


class AssociateEdge(_Edge, frozen=True, tag="associate-edge"):
    """Associate an edge route table with a gateway."""

    @property
    def becomes(self) -> Value:
        return Switch.ON

    @property
    def call(self) -> str:
        return "AssociateRouteTable"

    def parameters(self, call_tags: CallTags) -> dict[str, Any]:
        del call_tags
        return {"RouteTableId": self.table, "GatewayId": self.gateway}

    def __str__(self) -> str:
        return f"associate edge route table {self.table} with {self.gateway}"


class DisassociateEdge(_Edge, frozen=True, tag="disassociate-edge"):
    """Disassociate an edge route table from a gateway."""

    association: str

    @property
    def becomes(self) -> Value:
        return Switch.OFF

    @property
    def call(self) -> str:
        return "DisassociateRouteTable"

    def parameters(self, call_tags: CallTags) -> dict[str, Any]:
        del call_tags
        return {"AssociationId": self.association}

    def __str__(self) -> str:
        return f"disassociate edge route table {self.table} from {self.gateway}"
