"""VPCs and subnets, as far as a test VPC needs them."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network, ip_network

from vpnmigrate.sandbox.ec2.ids import ASSOCIATION, SUBNET, VPC, ApiError
from vpnmigrate.sandbox.ec2.quotas import check_vpcs
from vpnmigrate.sandbox.ec2.request import (
    Field,
    Params,
    Result,
    Row,
    asked_for,
    network,
    page,
    required,
    selected,
    the_subnet,
    the_vpc,
)
from vpnmigrate.sandbox.ec2.route_tables import new_table
from vpnmigrate.sandbox.ec2.tags import tag_rows, tags_at_creation
from vpnmigrate.sandbox.state import Association, Subnet, Timeline, Vpc, WorldState

_WIDEST, _NARROWEST = 16, 28


def create_vpc(state: WorldState, params: Params) -> Result:
    """CreateVpc, with its main route table."""
    cidr = network(required(params, "CidrBlock"))
    if not _WIDEST <= ip_network(cidr).prefixlen <= _NARROWEST:
        raise ApiError("InvalidVpc.Range", f"The CIDR '{cidr}' is invalid.")
    tags = tags_at_creation(params, VPC)
    check_vpcs(state)
    vpc = Vpc(state.new_id(VPC), [cidr], state.account, _coming(state))
    state.vpcs[vpc.id] = vpc
    state.tags[vpc.id] = tags
    state.born[vpc.id] = dict(tags)
    main = Association(state.new_id(ASSOCIATION), main=True)
    new_table(state, vpc).associations.append(main)
    return {"Vpc": _vpc_row(state, vpc)}


_VPC_FILTERS: dict[str, Field] = {
    "cidr": "CidrBlock",
    "cidr-block-association.cidr-block": "CidrBlockAssociationSet.CidrBlock",
    "dhcp-options-id": "DhcpOptionsId",
    "ipv6-cidr-block-association.ipv6-cidr-block": "Ipv6CidrBlockAssociationSet.Ipv6CidrBlock",
    "is-default": "IsDefault",
    "isDefault": "IsDefault",
    "owner-id": "OwnerId",
    "state": "State",
    "vpc-id": "VpcId",
}


def describe_vpcs(state: WorldState, params: Params) -> Result:
    """DescribeVpcs."""
    rows = {vpc.id: _vpc_row(state, vpc) for vpc in state.vpcs.values()}
    named = asked_for(rows, params, "VpcIds", VPC)
    chosen = selected(named, params, _VPC_FILTERS)
    return page(chosen, params, "Vpcs", bounds=(5, 1000), size=1000)


def delete_vpc(state: WorldState, params: Params) -> Result:
    """DeleteVpc, with its main table; all other resources must be deleted before."""
    vpc = the_vpc(state, required(params, "VpcId"))
    tables = [t for t in state.tables.values() if t.vpc == vpc.id]
    main = [t for t in tables if any(tie.main for tie in t.tied(state.now))]
    leftovers = (
        any(subnet.vpc == vpc.id for subnet in state.subnets.values())
        or len(tables) > len(main)
        or any(gateway.attachment(vpc.id, state.now) for gateway in state.gateways.values())
    )
    if leftovers:
        raise ApiError(
            "DependencyViolation", f"The vpc '{vpc.id}' has dependencies and cannot be deleted."
        )
    for table in main:
        del state.tables[table.id]
    del state.vpcs[vpc.id]
    state.tags.pop(vpc.id, None)
    return {}


def create_subnet(state: WorldState, params: Params) -> Result:
    """CreateSubnet."""
    vpc = the_vpc(state, required(params, "VpcId"))
    cidr = network(required(params, "CidrBlock"))
    tags = tags_at_creation(params, SUBNET)
    inside = ip_network(cidr)
    if not any(_holds(block, cidr) for block in vpc.cidrs) or not (
        _WIDEST <= inside.prefixlen <= _NARROWEST
    ):
        raise ApiError("InvalidSubnet.Range", f"The CIDR '{cidr}' is invalid.")
    for other in state.subnets.values():
        if other.vpc == vpc.id and ip_network(other.cidr).overlaps(inside):
            raise ApiError(
                "InvalidSubnet.Conflict", f"The CIDR '{cidr}' conflicts with another subnet"
            )
    subnet = Subnet(state.new_id(SUBNET), vpc.id, cidr, _coming(state))
    state.subnets[subnet.id] = subnet
    state.tags[subnet.id] = tags
    state.born[subnet.id] = dict(tags)
    return {"Subnet": _subnet_row(state, subnet)}


_SUBNET_FILTERS: dict[str, Field] = {
    "availability-zone": "AvailabilityZone",
    "availabilityZone": "AvailabilityZone",
    "cidr": "CidrBlock",
    "cidr-block": "CidrBlock",
    "cidrBlock": "CidrBlock",
    "owner-id": "OwnerId",
    "state": "State",
    "subnet-id": "SubnetId",
    "vpc-id": "VpcId",
}


def describe_subnets(state: WorldState, params: Params) -> Result:
    """DescribeSubnets."""
    rows = {subnet.id: _subnet_row(state, subnet) for subnet in state.subnets.values()}
    named = asked_for(rows, params, "SubnetIds", SUBNET)
    chosen = selected(named, params, _SUBNET_FILTERS)
    return page(chosen, params, "Subnets", bounds=(5, 1000), size=1000)


def delete_subnet(state: WorldState, params: Params) -> Result:
    """DeleteSubnet, with its route table association."""
    subnet = the_subnet(state, required(params, "SubnetId"))
    del state.subnets[subnet.id]
    state.tags.pop(subnet.id, None)
    for table in state.tables.values():
        table.associations = [tie for tie in table.associations if tie.subnet != subnet.id]
    return {}


def _coming(state: WorldState) -> Timeline:
    life = Timeline()
    creation = state.lasting(state.behaviour.vpc_creation)
    life.then(state.now, (timedelta(0), "pending"), (creation, "available"))
    return life


def _holds(block: str, cidr: str) -> bool:
    outer, inner = ip_network(block), ip_network(cidr)
    if isinstance(outer, IPv4Network) and isinstance(inner, IPv4Network):
        return inner.subnet_of(outer)
    return False


def _vpc_row(state: WorldState, vpc: Vpc) -> Row:
    fours = [cidr for cidr in vpc.cidrs if ":" not in cidr]
    sixes = [cidr for cidr in vpc.cidrs if ":" in cidr]
    row: Row = {
        "VpcId": vpc.id,
        "State": state.life(vpc),
        "CidrBlock": fours[0] if fours else "",
        "CidrBlockAssociationSet": [
            _block(vpc, number, "CidrBlock", cidr) for number, cidr in enumerate(fours)
        ],
        "DhcpOptionsId": "default",
        "InstanceTenancy": "default",
        "IsDefault": False,
        "OwnerId": vpc.owner,
        "Tags": tag_rows(state, vpc.id),
    }
    if sixes:
        row["Ipv6CidrBlockAssociationSet"] = [
            _block(vpc, number, "Ipv6CidrBlock", cidr)
            for number, cidr in enumerate(sixes, len(fours))
        ]
    return row


def _block(vpc: Vpc, number: int, name: str, cidr: str) -> Row:
    return {
        "AssociationId": f"vpc-cidr-assoc-{vpc.id.removeprefix('vpc-')}-{number}",
        name: cidr,
        f"{name}State": {"State": "associated"},
    }


def _subnet_row(state: WorldState, subnet: Subnet) -> Row:
    return {
        "SubnetId": subnet.id,
        "VpcId": subnet.vpc,
        "State": state.life(subnet),
        "CidrBlock": subnet.cidr,
        "AvailabilityZone": f"{state.region}a",
        "AvailableIpAddressCount": max(ip_network(subnet.cidr).num_addresses - 5, 0),
        "OwnerId": state.account,
        "DefaultForAz": False,
        "MapPublicIpOnLaunch": False,
        "Tags": tag_rows(state, subnet.id),
    }
