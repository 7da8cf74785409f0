"""Describe calls: each read to its last page.

EC2 always returns the list, even an empty one: an answer without it is not from EC2
(``read_errors``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from vpnmigrate.aws.errors import UnexpectedAnswerError
from vpnmigrate.aws.read_errors import translate_errors
from vpnmigrate.model.ec2 import VpcId, VpnConnectionId, VpnGatewayId
from vpnmigrate.model.errors import AwsError

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import (
        CustomerGatewayTypeDef,
        FilterTypeDef,
        RegionTypeDef,
        RouteTableTypeDef,
        SubnetTypeDef,
        VpcTypeDef,
        VpnConnectionTypeDef,
        VpnGatewayTypeDef,
    )


def gateways(ec2: EC2Client) -> Sequence[VpnGatewayTypeDef]:
    """Return every gateway of the Region: five by quota, so no filter is needed."""
    with translate_errors("ec2:DescribeVpnGateways"):
        return ec2.describe_vpn_gateways()["VpnGateways"]


def connections(ec2: EC2Client) -> Sequence[VpnConnectionTypeDef]:
    """Return every connection of the Region."""
    with translate_errors("ec2:DescribeVpnConnections"):
        return ec2.describe_vpn_connections()["VpnConnections"]


def connections_on(ec2: EC2Client, on: Sequence[VpnGatewayId]) -> Sequence[VpnConnectionTypeDef]:
    """Return the connections on the gateways *on*."""
    filters: list[FilterTypeDef] = [{"Name": "vpn-gateway-id", "Values": list(on)}]
    with translate_errors("ec2:DescribeVpnConnections"):
        return ec2.describe_vpn_connections(Filters=filters)["VpnConnections"]


def connection(ec2: EC2Client, wanted: VpnConnectionId) -> VpnConnectionTypeDef | None:
    """Return one connection, or None: EC2 may list it late, or return another one."""
    with translate_errors("ec2:DescribeVpnConnections"):
        rows = ec2.describe_vpn_connections(VpnConnectionIds=[wanted])["VpnConnections"]
    return next((row for row in rows if row.get("VpnConnectionId") == wanted), None)


def customer_gateways(ec2: EC2Client) -> Sequence[CustomerGatewayTypeDef]:
    """Return every customer gateway of the Region."""
    with translate_errors("ec2:DescribeCustomerGateways"):
        return ec2.describe_customer_gateways()["CustomerGateways"]


def route_tables(ec2: EC2Client, of: Sequence[VpcId]) -> Sequence[RouteTableTypeDef]:
    """Return every route table of the VPCs *of*."""
    filters: list[FilterTypeDef] = [{"Name": "vpc-id", "Values": list(of)}]
    with translate_errors("ec2:DescribeRouteTables"):
        found = pages(ec2.describe_route_tables, Filters=filters, MaxResults=100)
        return [row for page in found for row in page["RouteTables"]]


def vpcs(ec2: EC2Client) -> Sequence[VpcTypeDef]:
    """Return every VPC of the Region."""
    with translate_errors("ec2:DescribeVpcs"):
        return [row for page in pages(ec2.describe_vpcs) for row in page["Vpcs"]]


def regions(ec2: EC2Client) -> Sequence[RegionTypeDef]:
    """Return every Region that is enabled in the account."""
    with translate_errors("ec2:DescribeRegions"):
        return ec2.describe_regions()["Regions"]


def subnets_in(ec2: EC2Client, vpcs: Sequence[VpcId]) -> Sequence[SubnetTypeDef]:
    """Return every subnet of *vpcs*."""
    filters: list[FilterTypeDef] = [{"Name": "vpc-id", "Values": list(vpcs)}]
    with translate_errors("ec2:DescribeSubnets"):
        found = pages(ec2.describe_subnets, Filters=filters)
        return [row for page in found for row in page["Subnets"]]


PAGES: Final = 100
"""One hundred pages of 100 rows are fifty times the quota of route tables in a VPC (200), and
more than any other list of this program can have (domain.md 5)."""


def pages(
    ask: Callable[..., Mapping[str, Any]],
    *,
    asked_as: str = "NextToken",
    named_as: str = "NextToken",
    most: int = PAGES,
    **asked: Any,
) -> Iterator[Mapping[str, Any]]:
    """Yield the pages that *ask* returns; *named_as* is the key of the token of the next page.

    Raises:
        UnexpectedAnswerError: There are more than *most* pages, or a token is repeated.
    """
    seen: set[str] = set()
    for _ in range(most):
        page = ask(**asked)
        yield page
        token = page.get(named_as)
        if not token:
            return
        if token in seen:
            raise UnexpectedAnswerError("the answer repeats a page token")
        seen.add(token)
        asked[asked_as] = token
    raise UnexpectedAnswerError(f"the answer has more than {most} pages")


FEW: Final = 5
"""The smallest page of DescribeRouteTables (domain.md 2.1)."""


def _a_few_route_tables(ec2: EC2Client) -> object:
    with translate_errors("ec2:DescribeRouteTables"):
        return ec2.describe_route_tables(MaxResults=FEW)


READS: Final[Mapping[str, Callable[[EC2Client], object]]] = {
    "ec2:DescribeVpnGateways": gateways,
    "ec2:DescribeVpnConnections": connections,
    "ec2:DescribeCustomerGateways": customer_gateways,
    "ec2:DescribeRouteTables": _a_few_route_tables,
    "ec2:DescribeVpcs": vpcs,
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
