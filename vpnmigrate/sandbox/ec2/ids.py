"""Resource ids and API errors, as EC2 writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass


class ApiError(Exception):
    """An error with AWS's code and message; each client raises it as its own exception."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True)
class ResourceKind:
    """A kind of resource: its prefix, its name, and EC2's error codes for its ids.

    The spelling of the codes is that of EC2's table; if the table has no code for a malformed id,
    such an id is reported as not found.
    """

    prefix: str
    noun: str
    not_found: str
    malformed: str = ""
    type: str = ""
    """The resource type of its tags."""

    def unknown(self, identifier: str) -> ApiError:
        """Return the error for an id that does not exist."""
        shape = rf"{self.prefix}-([0-9a-f]{{8}}|[0-9a-f]{{17}})"
        if self.malformed and not re.fullmatch(shape, identifier):
            return ApiError(self.malformed, f'Invalid id: "{identifier}"')
        return ApiError(self.not_found, f"The {self.noun} ID '{identifier}' does not exist")


VPC = ResourceKind("vpc", "vpc", "InvalidVpcID.NotFound", "InvalidVpcID.Malformed", "vpc")

SUBNET = ResourceKind(
    "subnet", "subnet", "InvalidSubnetID.NotFound", "InvalidSubnetID.Malformed", "subnet"
)

GATEWAY = ResourceKind("vgw", "vpnGateway", "InvalidVpnGatewayID.NotFound", type="vpn-gateway")

CONNECTION = ResourceKind(
    "vpn", "vpnConnection", "InvalidVpnConnectionID.NotFound", type="vpn-connection"
)

CUSTOMER_GATEWAY = ResourceKind(
    "cgw",
    "customerGateway",
    "InvalidCustomerGatewayID.NotFound",
    "InvalidCustomerGatewayId.Malformed",
    "customer-gateway",
)

ROUTE_TABLE = ResourceKind(
    "rtb",
    "routeTable",
    "InvalidRouteTableID.NotFound",
    "InvalidRouteTableId.Malformed",
    "route-table",
)

ASSOCIATION = ResourceKind("rtbassoc", "association", "InvalidAssociationID.NotFound")

TAGGED = (VPC, SUBNET, GATEWAY, CONNECTION, CUSTOMER_GATEWAY, ROUTE_TABLE)


def kind_of(identifier: str) -> ResourceKind:
    """Return the kind of resource that *identifier* is for.

    Raises:
        ApiError: The sandbox has no kind with such ids.
    """
    prefix = identifier.rpartition("-")[0].split("-")[0]
    for kind in TAGGED:
        if kind.prefix == prefix:
            return kind
    raise ApiError("InvalidID", f"The ID '{identifier}' is not valid")


def invalid_value(message: str) -> ApiError:
    """Return an ``InvalidParameterValue`` error."""
    return ApiError("InvalidParameterValue", message)


def missing(parameter: str) -> ApiError:
    """Return the error of a call that lacks *parameter*."""
    return ApiError("MissingParameter", f"The request must contain the parameter {parameter}")
