"""Read permissions: the describe calls of planning, tried one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from vpnmigrate.aws import describe
from vpnmigrate.aws.read_errors import translate_errors
from vpnmigrate.errors import AwsError

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

FEW: Final = 5
"""The smallest page of DescribeRouteTables (domain.md 2.1)."""


def _route_tables(ec2: EC2Client) -> object:
    with translate_errors("ec2:DescribeRouteTables"):
        return ec2.describe_route_tables(MaxResults=FEW)


READS: Final[Mapping[str, Callable[[EC2Client], object]]] = {
    "ec2:DescribeVpnGateways": describe.gateways,
    "ec2:DescribeVpnConnections": describe.connections,
    "ec2:DescribeCustomerGateways": describe.customer_gateways,
    "ec2:DescribeRouteTables": _route_tables,
    "ec2:DescribeVpcs": describe.vpcs,
}
"""The EC2 reads that planning and runs cannot do without."""


def try_reads(ec2: EC2Client) -> Iterator[tuple[str, AwsError | None]]:
    """Yield each action, with the error if it cannot be called."""
    for action, read in READS.items():
        try:
            read(ec2)
        except AwsError as error:
            yield action, error
        else:
            yield action, None
