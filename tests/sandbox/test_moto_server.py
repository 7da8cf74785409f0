"""The moto server with prepared answers: which calls it passes on, and in which form."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.core.responses import ActionContext, ActionResult, BaseResponse
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.test import Client as HttpClient
from werkzeug.wrappers import Response

from tests.support.moto_check import (
    MotoChangedError,
    check_door,
    check_moto,
    client_through,
    known_answers,
)
from vpnmigrate.sandbox.ec2.ids import ApiError
from vpnmigrate.sandbox.server.moto import MotoApplication, OneAccount, WorldResult

REGION = "eu-central-1"


class CannedWorld:
    """Returns prepared answers, and records the calls."""

    account = "210987654321"
    region = REGION

    def __init__(self, **answers: Mapping[str, Any] | ApiError) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str, Mapping[str, Any]]] = []

    def handles(self, service: str, action: str) -> bool:
        return action in self.answers

    def execute(self, service: str, action: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        self.asked.append((service, action, params))
        answer = self.answers[action]
        if isinstance(answer, ApiError):
            raise answer
        return answer


def door_of(world: CannedWorld) -> MotoApplication:
    return MotoApplication(OneAccount(world, lambda _region: CannedWorld()))


def ec2_before(world: CannedWorld) -> Any:
    return client_through(door_of(world), "ec2", REGION)


def refusal(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    answer = error.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def test_parameters_arrive_as_boto3_names_them():
    """Nested lists, numbers and booleans reach the world unchanged."""
    world = CannedWorld(CreateVpnConnection={})
    sent = {
        "CustomerGatewayId": "cgw-1",
        "Type": "ipsec.1",
        "VpnGatewayId": "vgw-1",
        "DryRun": True,
        "Options": {
            "StaticRoutesOnly": False,
            "TunnelOptions": [
                {"DPDTimeoutSeconds": 45, "IKEVersions": [{"Value": "ikev2"}]},
                {"TunnelInsideCidr": "169.254.10.0/30"},
            ],
        },
        "TagSpecifications": [
            {"ResourceType": "vpn-connection", "Tags": [{"Key": "Name", "Value": "a b&c"}]}
        ],
    }

    ec2_before(world).create_vpn_connection(**sent)

    assert world.asked == [("ec2", "CreateVpnConnection", sent)]


@pytest.mark.parametrize(
    ("service", "call", "action", "sent", "answer"),
    [
        (
            "directconnect",
            "describe_virtual_interfaces",
            "DescribeVirtualInterfaces",
            {},
            {"virtualInterfaces": [{"virtualInterfaceId": "dxvif-1", "asn": 65000}]},
        ),
        (
            "service-quotas",
            "list_service_quotas",
            "ListServiceQuotas",
            {"ServiceCode": "vpc"},
            {"Quotas": [{"QuotaCode": "L-7029FAB6", "Value": 5.0}], "NextToken": "t"},
        ),
        (
            "sts",
            "get_caller_identity",
            "GetCallerIdentity",
            {},
            {"Account": "210987654321", "Arn": "arn:aws:iam::210987654321:user/x", "UserId": "x"},
        ),
    ],
)
def test_other_services_are_served_in_their_own_protocols(service, call, action, sent, answer):
    """JSON services and STS transport parameters and answers as EC2 does."""
    world = CannedWorld(**{action: answer})

    got = getattr(client_through(door_of(world), service, REGION), call)(**sent)

    del got["ResponseMetadata"]
    assert got == answer
    assert world.asked == [(service, action, sent)]


def test_every_answer_has_a_request_id_of_its_own():
    """Request ids are unique, because evidence identifies calls by them."""
    ec2 = ec2_before(CannedWorld(CreateTags={}))

    ids = {
        ec2.create_tags(Resources=["vgw-1"], Tags=[])["ResponseMetadata"]["RequestId"]
        for _ in range(3)
    }

    assert len(ids) == 3


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("Gateway.NotAttached", 400),
        ("DryRunOperation", 412),
        ("UnauthorizedOperation", 403),
        ("InternalError", 500),
        ("RequestLimitExceeded", 503),
    ],
)
def test_a_refusal_keeps_code_message_and_status(code, status):
    """The client's exception has the world's code, message and status."""
    world = CannedWorld(EnableVgwRoutePropagation=ApiError(code, "Sorry <&>", status))

    with pytest.raises(ClientError) as refused:
        ec2_before(world).enable_vgw_route_propagation(GatewayId="vgw-1", RouteTableId="rtb-1")

    assert refusal(refused) == (code, status)
    assert refused.value.response["Error"]["Message"] == "Sorry <&>"


@pytest.mark.parametrize(
    ("service", "call", "action"),
    [
        ("directconnect", "describe_virtual_interfaces", "DescribeVirtualInterfaces"),
        ("service-quotas", "list_services", "ListServices"),
        ("sts", "get_caller_identity", "GetCallerIdentity"),
    ],
)
def test_other_services_refuse_in_their_own_protocols(service, call, action):
    """A client reads AccessDenied from every service."""
    world = CannedWorld(**{action: ApiError("AccessDeniedException", "No.", 400)})

    with pytest.raises(ClientError) as refused:
        getattr(client_through(door_of(world), service, REGION), call)()

    assert refusal(refused) == ("AccessDeniedException", 400)


def test_moto_serves_the_rest_for_the_same_account():
    """Moto answers an action that the world does not handle, for the world's account."""
    ec2 = ec2_before(CannedWorld())

    group = ec2.create_security_group(GroupName="lab", Description="lab")["GroupId"]

    assert [(group, "210987654321")] == [
        (g["GroupId"], g["OwnerId"])
        for g in ec2.describe_security_groups(GroupNames=["lab"])["SecurityGroups"]
    ]


@pytest.mark.parametrize(
    ("call", "sent"),
    [
        (
            "modify_vpn_tunnel_options",
            {
                "VpnConnectionId": "vpn-1",
                "VpnTunnelOutsideIpAddress": "1.2.3.4",
                "TunnelOptions": {},
            },
        ),
        ("describe_route_tables", {"Filters": [{"Name": "route.state", "Values": ["active"]}]}),
    ],
)
def test_a_missing_action_is_an_ec2_error(call, sent):
    """An action or filter that moto lacks is InvalidAction with status 400, never an HTML page."""
    with pytest.raises(ClientError) as refused:
        getattr(ec2_before(CannedWorld()), call)(**sent)

    assert refusal(refused) == ("InvalidAction", 400)


def test_moto_gets_no_dry_run():
    """A call that the world lacks is refused with DryRun: moto would carry it out."""
    ec2 = ec2_before(CannedWorld())

    with pytest.raises(ClientError) as refused:
        ec2.create_internet_gateway(DryRun=True)

    assert refusal(refused) == ("UnsupportedOperation", 400)
    assert ec2.describe_internet_gateways()["InternetGateways"] == []


def test_an_action_that_ec2_has_not_is_an_ec2_error():
    """An unknown EC2 action is InvalidAction in EC2's XML."""
    scope = f"k/20260117/{REGION}/ec2/aws4_request"

    answer = HttpClient(door_of(CannedWorld())).post(
        "/",
        data="Action=MakeCoffee&Version=2016-11-15",
        content_type="application/x-www-form-urlencoded",
        headers={"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}"},
    )

    assert (answer.status_code, answer.mimetype) == (400, "text/xml")
    assert "<Code>InvalidAction</Code>" in answer.text
    assert "MakeCoffee" in answer.text


def test_a_defect_of_moto_is_an_internal_error():
    """If moto fails, a client reads InternalError without a traceback."""
    world = CannedWorld(DescribeVpnGateways={"VpnGateways": 17})

    with pytest.raises(ClientError) as refused:
        ec2_before(world).describe_vpn_gateways()

    assert refusal(refused) == ("InternalError", 500)


def test_a_gap_in_another_service_is_refused_in_its_protocol():
    """A JSON client reads a JSON refusal, a query client an XML one."""
    door = door_of(CannedWorld())

    for service, call in (
        ("directconnect", lambda dx: dx.describe_locations()),
        ("sts", lambda sts: sts.decode_authorization_message(EncodedMessage="x")),
    ):
        with pytest.raises(ClientError) as refused:
            call(client_through(door, service, REGION))
        assert refusal(refused) == ("InvalidAction", 400)


def test_two_servers_serve_two_worlds():
    """Two servers serve two worlds: nothing is installed in moto globally."""
    first, second = (
        ec2_before(CannedWorld(DescribeVpcs={"Vpcs": [{"VpcId": name}]}))
        for name in ("vpc-1", "vpc-2")
    )

    seen = [vpc["VpcId"] for ec2 in (first, second, first) for vpc in ec2.describe_vpcs()["Vpcs"]]

    assert seen == ["vpc-1", "vpc-2", "vpc-1"]


def test_the_environment_is_left_as_it_was():
    """Creating a server changes no environment variable of the process."""
    before = dict(os.environ)

    door_of(CannedWorld())

    assert dict(os.environ) == before


def test_the_installed_moto_is_fit():
    """The values of some describes pass through moto unchanged."""
    check_moto()


@pytest.mark.parametrize(
    ("put", "instead", "text"),
    [
        (b"VPN-Classic", b"", "DescribeVpnConnections gives"),
        (b"propagatingVgwSet", b"somethingElse", "DescribeRouteTables gives"),
        (b"nextToken", b"token", "DescribeRouteTables gives"),
        (b"RequestLimitExceeded", b"Throttled", "an error arrives as"),
    ],
)
def test_a_moto_that_loses_values_is_refused(put, instead, text):
    """A value that moto loses is named, with moto's version and advice."""
    known = known_answers()
    door = MotoApplication(OneAccount(known, lambda _region: known))

    def lossy(environ, start_response):
        answer = Response.from_app(door, environ)
        answer.data = answer.data.replace(put, instead)
        return answer(environ, start_response)

    with pytest.raises(MotoChangedError, match=rf"moto 5\.\S+ no longer works .*{text}") as refused:
        check_door(lossy)

    assert "Install vpnmigrate anew" in refused.value.advice_text


def test_a_large_answer_is_serialized_without_other_names() -> None:
    """The text is moto's own, in less CPU time: a member is looked up by botocore's name alone."""
    model = get_service_model("ec2")
    operation = model.operation_model("DescribeRouteTables")
    context = ActionContext(model, operation, get_serializer_class("ec2", "ec2"), BaseResponse())
    route = {"DestinationCidrBlock": "10.0.0.0/8", "GatewayId": "vgw-1", "State": "active"}
    answer = {"RouteTables": [{"RouteTableId": "rtb-1", "Routes": [route] * 1000}]}

    def measured(result: ActionResult) -> tuple[float, object]:
        began = time.process_time()
        _, _, body = result.execute_result(context)
        return time.process_time() - began, body

    mine = [measured(WorldResult(answer)) for _ in range(3)]
    motos = [measured(ActionResult(answer)) for _ in range(3)]

    assert mine[0][1] == motos[0][1]
    assert min(mine)[0] < 0.7 * min(motos)[0]
