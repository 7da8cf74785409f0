"""Execution: one EC2 call per change, the only code that alters AWS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from vpnmigrate.aws.errors import UnexpectedAnswerError
from vpnmigrate.devices.secret import Secret
from vpnmigrate.model.changes import CreateVpnConnection
from vpnmigrate.model.changes.base import BaseCall, CallTags, Performed, Request

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

Answer = Mapping[str, Any]
_CREATED: Final = {
    "VpnGateway": "VpnGatewayId",
    "VpnConnection": "VpnConnectionId",
    "Vpc": "VpcId",
    "Subnet": "SubnetId",
}


def execute(change: BaseCall, mark: CallTags, ec2: EC2Client) -> Performed:
    """Send *change* with *ec2* and return its result; exceptions of the client pass through."""
    return _called(change.request(mark), ec2)


def execute_connection(
    change: CreateVpnConnection, mark: CallTags, keys: Sequence[Secret], ec2: EC2Client
) -> Performed:
    """Create a connection; *keys* are the old ones if the plan reuses them, else empty."""
    request = change.request(mark)
    tunnels = request.parameters["Options"]["TunnelOptions"]
    for tunnel, key in zip(tunnels, keys, strict=False):
        tunnel["PreSharedKey"] = key.reveal()
    return _called(request, ec2)


def _called(request: Request, ec2: EC2Client) -> Performed:
    from botocore import xform_name

    answer: Answer = getattr(ec2, xform_name(request.operation))(**request.parameters)
    made = next(
        (answer[kind].get(name) for kind, name in _CREATED.items() if answer.get(kind)), None
    )
    named = answer.get("ResponseMetadata", {}).get("RequestId")
    if not named:
        raise UnexpectedAnswerError("the answer has no request id, so it is not from AWS")
    return Performed(named, made)
