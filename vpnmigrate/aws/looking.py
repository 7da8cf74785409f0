"""The narrow reading that a run lives on: three describes, five with a test VPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vpnmigrate.aws import describing
from vpnmigrate.aws.reading import (
    in_order,
    subnet_record,
    vpc_record,
)
from vpnmigrate.aws.remembering import Memory
from vpnmigrate.clock import Clock
from vpnmigrate.model import SubnetRecord, Tag, VpcRecord
from vpnmigrate.plan import Plan
from vpnmigrate.snapshot import Reading

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


def look(ec2: EC2Client, plan: Plan, clock: Clock, memory: Memory) -> Reading:
    """Read what *plan* touches, gateways first: what they name is asked for next.

    *memory* is of the look before.

    Raises:
        AwsError: A describe call failed.
    """
    begun = clock.now()
    gateways = memory.gateways.read(describing.gateways(ec2))
    ours = [g.id for g in gateways if g.tags.get(Tag.MIGRATION) == plan.migration]
    on = sorted({plan.old_gateway, *ours})
    connections = memory.connections.read(describing.connections_on(ec2, on))
    vpcs: tuple[VpcRecord, ...] = ()
    subnets: tuple[SubnetRecord, ...] = ()
    if plan.decisions.test_vpc:
        vpcs = in_order(map(vpc_record, describing.vpcs_of(ec2, plan.migration)))
        subnets = in_order(map(subnet_record, describing.subnets_of(ec2, plan.migration)))
    holding = sorted({plan.vpc, *(vpc.id for vpc in vpcs)})
    return Reading(
        begun=begun,
        gateways=gateways,
        connections=connections,
        tables=memory.tables.read(describing.route_tables(ec2, holding)),
        vpcs=vpcs,
        subnets=subnets,
    )
