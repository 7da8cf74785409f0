"""One EC2 call for each change: the only place from which AWS is altered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from vpnmigrate.aws.requests import connection_request, destination, gateway_request, tagging
from vpnmigrate.changes import (
    AddStaticPrefix,
    AssociateEdge,
    AttachVpnGateway,
    CreateTestSubnet,
    CreateTestVpc,
    CreateVpnConnection,
    CreateVpnGateway,
    DeleteTestSubnet,
    DeleteTestVpc,
    DeleteVpnConnection,
    DeleteVpnGateway,
    DetachVpnGateway,
    DisablePropagation,
    DisassociateEdge,
    EnablePropagation,
    PlaceClaim,
    RemoveClaim,
    ReplaceRoute,
)
from vpnmigrate.devices.secret import Secret
from vpnmigrate.model import Tag
from vpnmigrate.outcomes import Performed
from vpnmigrate.ports import Mark

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

Answer = Mapping[str, Any]
_Made = CreateVpnGateway | CreateTestVpc | CreateTestSubnet
_Routed = (
    AddStaticPrefix
    | EnablePropagation
    | DisablePropagation
    | ReplaceRoute
    | AssociateEdge
    | DisassociateEdge
)
_Placed = AttachVpnGateway | DetachVpnGateway | PlaceClaim | RemoveClaim
_Ended = DeleteVpnConnection | DeleteVpnGateway | DeleteTestSubnet | DeleteTestVpc
Plain = _Made | _Routed | _Placed | _Ended
"""The changes that are one call and nothing else."""

_CREATED: Final = {
    "VpnGateway": "VpnGatewayId",
    "VpnConnection": "VpnConnectionId",
    "Vpc": "VpcId",
    "Subnet": "SubnetId",
}


def send(change: Plain, mark: Mark, ec2: EC2Client) -> Performed:
    """Send *change* with *ec2*, whose failures pass through."""
    match change:
        case CreateVpnGateway() | CreateTestVpc() | CreateTestSubnet():
            return _told(_create(change, mark, ec2))
        case (
            AddStaticPrefix()
            | EnablePropagation()
            | DisablePropagation()
            | ReplaceRoute()
            | AssociateEdge()
            | DisassociateEdge()
        ):
            return _told(_route(change, ec2))
        case AttachVpnGateway() | DetachVpnGateway() | PlaceClaim() | RemoveClaim():
            return _told(_place(change, ec2))
        case DeleteVpnConnection() | DeleteVpnGateway() | DeleteTestSubnet() | DeleteTestVpc():
            return _told(_end(change, ec2))


def send_connection(
    change: CreateVpnConnection, mark: Mark, keys: Sequence[Secret], ec2: EC2Client
) -> Performed:
    """Create a connection; *keys* are the old ones where the plan re-uses them, else empty."""
    return _told(ec2.create_vpn_connection(**connection_request(change, mark, keys)))


def _told(answer: Answer) -> Performed:
    made = next(
        (answer[kind].get(name) for kind, name in _CREATED.items() if answer.get(kind)), None
    )
    return Performed(answer.get("ResponseMetadata", {}).get("RequestId", ""), made)


def _create(change: _Made, mark: Mark, ec2: EC2Client) -> Answer:
    match change:
        case CreateVpnGateway():
            return ec2.create_vpn_gateway(**gateway_request(change, mark))
        case CreateTestVpc():
            return ec2.create_vpc(CidrBlock=change.cidr, **tagging("vpc", change.role, mark, ()))
        case CreateTestSubnet():
            return ec2.create_subnet(
                VpcId=change.vpc, CidrBlock=change.cidr, **tagging("subnet", change.role, mark, ())
            )


def _route(change: _Routed, ec2: EC2Client) -> Answer:
    match change:
        case AddStaticPrefix():
            return ec2.create_vpn_connection_route(
                VpnConnectionId=change.connection, DestinationCidrBlock=change.cidr
            )
        case EnablePropagation():
            return ec2.enable_vgw_route_propagation(
                RouteTableId=change.table, GatewayId=change.gateway
            )
        case DisablePropagation():
            return ec2.disable_vgw_route_propagation(
                RouteTableId=change.table, GatewayId=change.gateway
            )
        case ReplaceRoute():
            return ec2.replace_route(
                RouteTableId=change.table,
                GatewayId=change.gateway,
                **destination(change.destination),
            )
        case AssociateEdge():
            return ec2.associate_route_table(RouteTableId=change.table, GatewayId=change.gateway)
        case DisassociateEdge():
            return ec2.disassociate_route_table(AssociationId=change.association)


def _place(change: _Placed, ec2: EC2Client) -> Answer:
    match change:
        case AttachVpnGateway():
            return ec2.attach_vpn_gateway(VpnGatewayId=change.gateway, VpcId=change.vpc)
        case DetachVpnGateway():
            return ec2.detach_vpn_gateway(VpnGatewayId=change.gateway, VpcId=change.vpc)
        case PlaceClaim() | RemoveClaim():
            return _claim(change, ec2)


def _claim(change: PlaceClaim | RemoveClaim, ec2: Any) -> Answer:
    # Untyped: the stubs deny that these two calls are answered.
    tag = {"Key": Tag.CLAIM.value, "Value": change.holder}
    answer: Answer
    match change:
        case PlaceClaim():
            answer = ec2.create_tags(Resources=[change.gateway], Tags=[tag])
        case RemoveClaim():
            # With a value, EC2 deletes the tag only if it still has that value.
            answer = ec2.delete_tags(Resources=[change.gateway], Tags=[tag])
    return answer


def _end(change: _Ended, ec2: EC2Client) -> Answer:
    match change:
        case DeleteVpnConnection():
            return ec2.delete_vpn_connection(VpnConnectionId=change.id)
        case DeleteVpnGateway():
            return ec2.delete_vpn_gateway(VpnGatewayId=change.id)
        case DeleteTestSubnet():
            return ec2.delete_subnet(SubnetId=change.id)
        case DeleteTestVpc():
            return ec2.delete_vpc(VpcId=change.id)
