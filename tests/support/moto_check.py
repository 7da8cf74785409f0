"""Moto check: the installed version carries a world's answers unchanged.

moto promises nothing about the parts that a door is built on, and a release that renames one may
lose values without an exception.  So the door is asked, by botocore, for answers that are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from io import BytesIO
from typing import TYPE_CHECKING, Any

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from werkzeug.test import Client

from vpnmigrate.model.errors import VpnMigrateError
from vpnmigrate.sandbox.ec2.ids import ApiError
from vpnmigrate.sandbox.server.moto import Ec2Backend, MotoApplication, OneAccount

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

_REGION = "eu-west-1"
_ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "DescribeVpnConnections": {
        "VpnConnections": [
            {
                "VpnConnectionId": "vpn-1a2b3c4d",
                "Category": "VPN-Classic",
                "State": "available",
                "Options": {
                    "StaticRoutesOnly": True,
                    "TunnelOptions": [{"TunnelInsideCidr": "169.254.44.40/30"}],
                },
                "Routes": [{"DestinationCidrBlock": "192.168.0.0/16", "State": "available"}],
                "VgwTelemetry": [
                    {
                        "OutsideIpAddress": "203.0.113.7",
                        "Status": "UP",
                        "AcceptedRouteCount": 3,
                        "LastStatusChange": datetime(2026, 1, 17, 2, 0, tzinfo=UTC),
                    }
                ],
            }
        ]
    },
    "DescribeRouteTables": {
        "RouteTables": [
            {
                "RouteTableId": "rtb-1a2b3c4d",
                "PropagatingVgws": [{"GatewayId": "vgw-1a2b3c4d"}],
                "Routes": [{"DestinationIpv6CidrBlock": "2001:db8::/32", "State": "blackhole"}],
            }
        ],
        "NextToken": "more",
    },
}
_FILTERS = [{"Name": "vpc-id", "Values": ["vpc-1", "vpc-2"]}]


class MotoChangedError(VpnMigrateError):
    """The installed moto does not carry the World's answers as they are."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"moto {version('moto')} no longer works for the sandbox: {what}",
            advice="Install vpnmigrate anew: it asks for a moto that it works with.",
        )


class _Known:
    """A World of known answers."""

    account = "210987654321"
    region = _REGION

    def handles(self, service: str, action: str) -> bool:
        return service == "ec2" and action in {*_ANSWERS, "AttachVpnGateway"}

    def execute(self, service: str, action: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        if action == "AttachVpnGateway":
            raise ApiError("RequestLimitExceeded", "Request limit exceeded.", 503)
        if params != {"Filters": _FILTERS}:
            raise ApiError(
                "InvalidParameterValue", f"{service} parameters arrived as {params}", 400
            )
        return _ANSWERS[action]


@cache
def check_moto() -> None:
    """Check the installed moto, once for a process.

    Raises:
        MotoChangedError: A value differs, with its action.
    """
    known = known_answers()
    check_door(MotoApplication(OneAccount(known, lambda _region: known)))


def known_answers() -> Ec2Backend:
    """Return the World whose answers ``check_door`` expects to read."""
    return _Known()


def check_door(door: WSGIApplication) -> None:
    """Compare what botocore reads through *door*, to the known answers, with what they are.

    Raises:
        MotoChangedError: A value differs, with its action.
    """
    ec2 = client_through(door, "ec2", _REGION)
    try:
        for action, read in (
            ("DescribeVpnConnections", ec2.describe_vpn_connections),
            ("DescribeRouteTables", ec2.describe_route_tables),
        ):
            answer = {k: v for k, v in read(Filters=_FILTERS).items() if k != "ResponseMetadata"}
            if answer != _ANSWERS[action]:
                raise MotoChangedError(f"{action} gives {answer}")
    except (BotoCoreError, ClientError) as error:
        raise MotoChangedError(str(error)) from error
    try:
        ec2.attach_vpn_gateway(VpcId="vpc-1", VpnGatewayId="vgw-1")
    except ClientError as error:
        lines = (
            error.response["Error"]["Code"],
            error.response["ResponseMetadata"]["HTTPStatusCode"],
        )
        if lines != ("RequestLimitExceeded", 503):
            raise MotoChangedError(f"an error arrives as {lines}") from error
    else:
        raise MotoChangedError("a refused call succeeds")


class _Body(BytesIO):
    """What botocore reads of urllib3's answer."""

    def stream(self) -> Iterator[bytes]:
        yield self.getvalue()


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def client_through(door: WSGIApplication, service: str, region: str) -> Any:
    """Make a client whose requests go to *door* and never to a socket."""
    web = Client(door)

    def carry(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        said = {name: _text(value) for name, value in request.headers.items()}
        answer = web.post("/", data=request.body, headers=said)
        headers = HTTPHeaders()
        for name, value in answer.headers:
            headers[name] = value
        return AWSResponse(request.url, answer.status_code, headers, _Body(answer.data))

    client = boto3.Session(
        aws_access_key_id="sandbox",
        aws_secret_access_key="sandbox",
        region_name=region,
    ).client(service, config=Config(retries={"total_max_attempts": 1}))
    client.meta.events.register("before-send", carry)
    return client
