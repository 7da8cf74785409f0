"""Dry runs: whether a call is allowed is found out without ever making it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl

import boto3
import botocore.session
import pytest
from botocore.loaders import Loader
from botocore.parsers import ResponseParserError

from tests.aws.answering import Answering, Refusal
from tests.support.builders import NOON, a_survey
from tests.support.http_server import serving
from vpnmigrate.aws.dry_runs import (
    SANDBOX_SERVER,
    is_endpoint_of_aws,
    is_sandbox,
    permissions,
    without_existing_ids,
)
from vpnmigrate.aws.request_hooks import UnsafeRequestError
from vpnmigrate.aws.session import Clients
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.permissions import (
    PermissionQuery,
    PermissionResult,
    PermissionVerdict,
    QueriedAction,
    QueriedResource,
)
from vpnmigrate.sandbox.client.direct import DirectClients
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.scenarios.scenario import scenario_from_survey
from vpnmigrate.sandbox.server.serve import serve

USER = "arn:aws:iam::123456789012:user/ann"
SESSION = "arn:aws:sts::123456789012:assumed-role/net/ann"
ALLOWED, DENIED = PermissionVerdict.ALLOWED, PermissionVerdict.DENIED
UNPROVEN, UNKNOWN = PermissionVerdict.UNPROVEN, PermissionVerdict.UNKNOWN
SIMULATED, SIMULATED_ROLE = PermissionVerdict.SIMULATED, PermissionVerdict.SIMULATED_ROLE
HONOURED = Refusal("DryRunOperation", "Request would have succeeded", 412)
UNAUTHORIZED = "UnauthorizedOperation"

Request = dict[str, str]
Verdict = Callable[[Request], str]
"""The error code for a request; empty if the call is carried out."""


def query(operation: str, **parameters: object) -> PermissionQuery:
    resource = QueriedResource("vpn-gateway/vgw-1", (("team", "net"),))
    return PermissionQuery(operation, parameters, (QueriedAction(f"ec2:{operation}", (resource,)),))


DETACH = query("DetachVpnGateway", VpnGatewayId="vgw-1", VpcId="vpc-1")
REPLACE = query(
    "ReplaceRoute", RouteTableId="rtb-1", GatewayId="vgw-1", DestinationCidrBlock="10.1.0.0/16"
)
CREATE = query("CreateVpnGateway", Type="ipsec.1")
CLAIM = query("CreateTags", Resources=["vgw-1"], Tags=[{"Key": "k", "Value": "v"}])
PREFIX = PermissionQuery(
    "CreateVpnConnectionRoute",
    {"VpnConnectionId": "vpn-1", "DestinationCidrBlock": "10.1.0.0/16"},
    (QueriedAction("ec2:CreateVpnConnectionRoute", (QueriedResource("vpn-connection/vpn-1"),)),),
    has_dry_run=False,
)
EVERY = (DETACH, REPLACE, CREATE, CLAIM, PREFIX)


@dataclass
class LookAlike:
    """A server of EC2's protocol: *verdict* decides each request, the others are carried out."""

    verdict: Verdict
    server: str = "ec2"
    asked: list[Request] = field(default_factory=list)
    carried_out: list[Request] = field(default_factory=list)

    def answer(self, http: BaseHTTPRequestHandler, body: bytes) -> None:
        request = dict(parse_qsl(body.decode()))
        self.asked.append(request)
        code = self.verdict(request)
        if not code:
            self.carried_out.append(request)
        done = f"<{request['Action']}Response><requestId>r-1</requestId><return>true</return>"
        error = f"<Response><Errors><Error><Code>{code}</Code><Message>no</Message></Error>"
        text = (
            f"{error}</Errors><RequestID>r-1</RequestID></Response>"
            if code
            else f"{done}</{request['Action']}Response>"
        )
        http.send_response_only(412 if code else 200)
        http.send_header("Server", self.server)
        http.send_header("Content-Length", str(len(text)))
        http.end_headers()
        http.wfile.write(text.encode())

    @property
    def changes(self) -> list[Request]:
        """The requests that were carried out and change something."""
        return [r for r in self.carried_out if not r["Action"].startswith("Describe")]

    def sent(self, operation: str) -> list[Request]:
        return [request for request in self.asked if request["Action"] == operation]


@cache
def _models() -> Loader:
    """Return botocore's service models, loaded once: EC2's takes a tenth of a second."""
    return Loader()


def _session(region: str) -> boto3.Session:
    within = botocore.session.Session()
    within.register_component("data_loader", _models())
    return boto3.Session("AKIATEST", "no-secret", region_name=region, botocore_session=within)


@contextmanager
def reached(look_alike: LookAlike) -> Iterator[Clients]:
    with serving(look_alike.answer) as url:
        yield Clients(lambda: _session("eu-west-1"), endpoint_url=url)


def verdicts(results: tuple[PermissionResult, ...]) -> list[PermissionVerdict]:
    return [result.verdict for result in results]


def ignores(_request: Request) -> str:
    """Return the verdict of a server that does not know ``DryRun``."""
    return ""


def honours(request: Request) -> str:
    """Return the verdict of a server that honours every dry run."""
    return "DryRunOperation" if request.get("DryRun") == "true" else ""


def only_for_reads(request: Request) -> str:
    return honours(request) if request["Action"].startswith("Describe") else ""


def existence_first(request: Request) -> str:
    """Return the verdict of a server that looks for the resources before it looks at DryRun."""
    missing = any("0ffff" in value for value in request.values())
    return "InvalidVpnGatewayID.NotFound" if missing else honours(request)


def policy_first(request: Request) -> str:
    """Return the verdict of a server with a policy for existing ids, that ignores DryRun then."""
    if request["Action"].startswith("Describe"):
        return honours(request)
    return UNAUTHORIZED if any("0ffff" in value for value in request.values()) else ""


@pytest.mark.parametrize("verdict", [ignores, only_for_reads, existence_first, policy_first])
def test_an_endpoint_that_has_proven_nothing_gets_no_dry_run_of_a_change(verdict):
    """Without proof that DryRun is honoured no existing resource is named, and nothing changes."""
    look_alike = LookAlike(verdict)
    with reached(look_alike) as clients:
        results = permissions(clients, USER, EVERY, VirtualClock(NOON))

    assert verdicts(results) == [UNPROVEN] * len(EVERY)
    assert all(result.why for result in results)
    changing = [r for r in look_alike.asked if not r["Action"].startswith("Describe")]
    assert not any("-1" in value for r in changing for key, value in r.items() if "Id" in key)
    assert all(request["DryRun"] == "true" for request in look_alike.asked)
    assert all("0fffffffffffffff0" in str(request) for request in look_alike.changes)
    assert look_alike.sent("CreateVpnGateway") == []


def test_an_endpoint_that_ignores_dry_runs_gets_one_read():
    """A server that answers a describe call with DryRun as usual gets no further request."""
    look_alike = LookAlike(ignores)
    with reached(look_alike) as clients:
        results = permissions(clients, USER, EVERY, VirtualClock(NOON))

    assert [request["Action"] for request in look_alike.asked] == ["DescribeVpnGateways"]
    assert "is not known to honour DryRun" in results[0].why
    assert "EC2 has no dry run of this call" in results[-1].why


def test_another_endpoint_proves_each_operation_without_effect():
    """Each operation is tried with ids that cannot exist before it is tried with the plan's."""
    look_alike = LookAlike(honours)
    with reached(look_alike) as clients:
        results = permissions(clients, USER, (*EVERY, DETACH), VirtualClock(NOON))

    assert verdicts(results) == [ALLOWED, ALLOWED, UNPROVEN, ALLOWED, UNPROVEN, ALLOWED]
    first, *others = look_alike.sent("DetachVpnGateway")
    assert first["VpnGatewayId"] == "vgw-0fffffffffffffff0"
    assert [request["VpnGatewayId"] for request in others] == ["vgw-1", "vgw-1"]
    assert look_alike.changes == []


def test_a_denial_for_ids_that_do_not_exist_proves_nothing():
    """The permission may depend on the ids, and DryRun may be ignored once it is granted."""
    look_alike = LookAlike(policy_first)
    with reached(look_alike) as clients:
        (result,) = permissions(clients, USER, (DETACH,), VirtualClock(NOON))

    assert (result.verdict, result.action) == (UNPROVEN, "ec2:DetachVpnGateway")
    assert UNAUTHORIZED in result.why
    assert look_alike.changes == []


def test_a_dry_run_that_was_carried_out_is_the_last_one():
    """If an endpoint carries out a proven dry run in spite of that, no further one is sent."""

    def treacherous(request: Request) -> str:
        named = any("0ffff" in value for value in request.values())
        return honours(request) if named or request["Action"].startswith("Describe") else ""

    look_alike = LookAlike(treacherous)
    with reached(look_alike) as clients:
        first, second = permissions(clients, USER, (DETACH, REPLACE), VirtualClock(NOON))

    assert (first.verdict, second.verdict) == (UNKNOWN, UNPROVEN)
    assert "carried out DetachVpnGateway" in first.why
    assert look_alike.sent("ReplaceRoute") == []


def test_a_name_of_a_sandbox_counts_on_this_machine_only():
    """A served sandbox says that it honours every dry run; so creations can be tried on it."""
    look_alike = LookAlike(honours, server=f"{SANDBOX_SERVER}/1.0")
    with reached(look_alike) as clients:
        results = permissions(clients, USER, EVERY, VirtualClock(NOON))

    assert verdicts(results) == [ALLOWED, ALLOWED, ALLOWED, ALLOWED, UNPROVEN]
    assert len(look_alike.sent("DetachVpnGateway")) == 1
    here, there = "http://localhost:5055", "http://192.0.2.1:5055"
    assert is_sandbox(here, {"server": f"{SANDBOX_SERVER}/1.0"})
    assert not is_sandbox(there, {"server": f"{SANDBOX_SERVER}/1.0"})
    assert not is_sandbox(here, {"server": "moto"})


def test_the_sandbox_proves_that_it_honours_dry_runs():
    """In this process and over HTTP every call that has a dry run can be tried."""
    before = a_survey()
    world = load_world(scenario_from_survey(before), VirtualClock(before.taken))

    inside = permissions(DirectClients(world), USER, EVERY, VirtualClock(NOON))
    with serve(world) as server:
        clients = Clients(lambda: _session(world.region), endpoint_url=server.url)
        outside = permissions(clients, USER, EVERY, VirtualClock(NOON))

    assert verdicts(inside) == verdicts(outside) == [ALLOWED] * 4 + [UNPROVEN]


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("https://ec2.eu-west-1.amazonaws.com", True),
        ("https://ec2.eu-west-1.amazonaws.com:443/", True),
        ("https://ec2-fips.eu-west-1.amazonaws.com", True),
        ("https://ec2.eu-west-1.api.aws", True),
        ("https://vpce-0a1-b2c.ec2.eu-west-1.vpce.amazonaws.com", True),
        ("http://ec2.eu-west-1.amazonaws.com", False),
        ("https://ec2.eu-west-1.amazonaws.com:8443", False),
        ("https://ec2.us-east-1.amazonaws.com", False),
        ("https://ec2.eu-west-1.amazonaws.com.example.org", False),
        ("https://abc.execute-api.eu-west-1.amazonaws.com", False),
        ("https://lb-1.eu-west-1.elb.amazonaws.com", False),
        ("https://ec2-1-2-3-4.eu-west-1.compute.amazonaws.com", False),
        ("http://127.0.0.1:5055", False),
        ("", False),
    ],
)
def test_only_ec2s_own_names_are_aws(url, ours):
    """Customers own other names below AWS's domains, and any server can answer without TLS."""
    assert is_endpoint_of_aws(url, "eu-west-1") is ours


def test_other_partitions_have_names_of_their_own():
    """China's endpoints are AWS's own as well."""
    assert is_endpoint_of_aws("https://ec2.cn-north-1.amazonaws.com.cn", "cn-north-1")


def on_aws(arn: str = USER, **answers: object) -> tuple[Answering, list[PermissionResult]]:
    """Return the results of EVERY on AWS's own endpoint, where *answers* replace the usual ones."""
    usual: dict[str, object] = {
        "DescribeVpnGateways": HONOURED,
        "DetachVpnGateway": HONOURED,
        "ReplaceRoute": HONOURED,
        "CreateVpnGateway": HONOURED,
        "CreateTags": HONOURED,
        "SimulatePrincipalPolicy": Refusal("AccessDenied", "not allowed", 403),
        "GetRole": Refusal("AccessDenied", "not allowed", 403),
    }
    aws = Answering({**usual, **answers})  # type: ignore[dict-item]
    return aws, list(permissions(aws.clients(), arn, EVERY, VirtualClock(NOON)))


def test_a_denial_names_the_action():
    """AWS's own words name the missing action, which need not be that of the call."""
    message = f"You are not authorized. User: {USER} is not authorized to perform: ec2:CreateTags"
    _, results = on_aws(
        DetachVpnGateway=Refusal(UNAUTHORIZED, "You are not authorized.", 403),
        CreateVpnGateway=Refusal(UNAUTHORIZED, message, 403),
    )

    denied = [result.action for result in results if result.verdict is DENIED]
    assert denied == ["ec2:DetachVpnGateway", "ec2:CreateTags"]
    assert verdicts(tuple(results)) == [DENIED, ALLOWED, DENIED, ALLOWED, UNPROVEN]


@pytest.mark.parametrize(
    "code", ["InvalidVpnGatewayID.NotFound", "IncorrectState", "RequestLimitExceeded", "NewCode"]
)
def test_another_answer_shows_neither(code):
    """Whether EC2 looks at the state before the permission is not documented, so it is unknown."""
    _, results = on_aws(DetachVpnGateway=Refusal(code))

    assert results[0].verdict is UNKNOWN
    assert code in results[0].why


def test_an_answer_that_cannot_be_read_is_asked_for_again():
    """A dry run has no effect, so a garbled answer is no reason to hold a run."""
    garbled = ResponseParserError("no XML")
    aws, results = on_aws(
        DescribeVpnGateways=[garbled, HONOURED], DetachVpnGateway=[garbled, garbled, HONOURED]
    )
    assert results[0].verdict is ALLOWED
    assert aws.operations.count("DetachVpnGateway") == 3

    _, results = on_aws(DetachVpnGateway=garbled)
    assert results[0].verdict is UNKNOWN


def test_iam_answers_what_a_dry_run_cannot():
    """Where it is allowed, IAM's simulation settles calls without dry run and unclear answers."""
    allowed = {"EvaluationResults": [{"EvalDecision": "allowed"}]}
    aws, results = on_aws(
        DetachVpnGateway=Refusal("IncorrectState"), SimulatePrincipalPolicy=allowed
    )

    assert verdicts(tuple(results)) == [SIMULATED, ALLOWED, ALLOWED, ALLOWED, SIMULATED]
    asked = [params for name, params in aws.asked if name == "SimulatePrincipalPolicy"]
    assert [(each["PolicySourceArn"], each["ActionNames"]) for each in asked] == [
        (USER, ["ec2:DetachVpnGateway"]),
        (USER, ["ec2:CreateVpnConnectionRoute"]),
    ]
    assert asked[0]["ResourceArns"] == ["arn:aws:ec2:eu-west-1:123456789012:vpn-gateway/vgw-1"]
    tags = {e["ContextKeyName"]: e["ContextKeyValues"] for e in asked[0]["ContextEntries"]}
    assert tags["aws:ResourceTag/team"] == tags["ec2:ResourceTag/team"] == ["net"]


def test_iam_may_deny():
    """A denial by IAM's simulation is a denial."""
    denied = {"EvaluationResults": [{"EvalDecision": "implicitDeny"}]}
    _, results = on_aws(SimulatePrincipalPolicy=denied)

    assert (results[-1].verdict, results[-1].action) == (DENIED, "ec2:CreateVpnConnectionRoute")
    assert "vpn-connection/vpn-1" in results[-1].why


@pytest.mark.parametrize(
    ("role", "principal"),
    [
        ({"Role": {"Arn": "arn:aws:iam::123456789012:role/sso/net"}}, "role/sso/net"),
        (Refusal("AccessDenied", "no", 403), "role/net"),
    ],
)
def test_iam_is_asked_about_the_role_of_a_session(role, principal):
    """A session's policies are its role's, whose path only IAM knows."""
    allowed = {"EvaluationResults": [{"EvalDecision": "allowed"}]}
    aws, results = on_aws(SESSION, GetRole=role, SimulatePrincipalPolicy=allowed)

    source = aws.params("SimulatePrincipalPolicy")["PolicySourceArn"]
    assert source == f"arn:aws:iam::123456789012:{principal}"
    assert results[-1].verdict is SIMULATED_ROLE
    assert "without policies of the session" in results[-1].why


def test_iam_that_cannot_be_asked_changes_nothing():
    """Without the permission to simulate, the call is unproven by name."""
    _, results = on_aws(SESSION)

    assert results[-1] == PermissionResult(
        UNPROVEN, "ec2:CreateVpnConnectionRoute", "EC2 has no dry run of this call"
    )


def test_a_resource_that_does_not_exist_yet_is_not_named():
    """A call that names a resource of a later step is not sent."""
    later = PermissionQuery("DetachVpnGateway", {"VpnGatewayId": "gateway"}, (), complete=False)
    aws = Answering({"DescribeVpnGateways": HONOURED})
    (result,) = permissions(aws.clients(), USER, (later,), VirtualClock(NOON))

    assert (result.verdict, aws.operations) == (UNPROVEN, ["DescribeVpnGateways"])


def test_a_throttled_dry_run_is_sent_again_by_the_program_alone():
    """A retry of botocore would keep no pace, and nothing else would be tried meanwhile."""
    throttles = [True, False]

    def busy(request: Request) -> str:
        refused = request["Action"] == "DetachVpnGateway" and throttles.pop(0)
        return "RequestLimitExceeded" if refused else honours(request)

    look_alike, clock = LookAlike(busy, server=f"{SANDBOX_SERVER}/1.0"), VirtualClock(NOON)
    with reached(look_alike) as clients:
        results = permissions(clients, USER, (DETACH, REPLACE), clock)

    assert verdicts(results) == [ALLOWED, ALLOWED]
    sent = [request["Action"] for request in look_alike.asked[1:]]
    assert sent == ["DetachVpnGateway", "ReplaceRoute", "DetachVpnGateway"]
    assert clock.now() > NOON


def test_a_throttled_proof_of_an_endpoint_is_repeated():
    """Where each operation has to be proven first, a throttle does not leave it unproven."""
    throttles = [True, False, False]

    def busy(request: Request) -> str:
        refused = request["Action"] == "DetachVpnGateway" and throttles.pop(0)
        return "RequestLimitExceeded" if refused else honours(request)

    look_alike = LookAlike(busy)
    with reached(look_alike) as clients:
        (result,) = permissions(clients, USER, (DETACH,), VirtualClock(NOON))

    assert result.verdict is ALLOWED
    gateways = [request["VpnGatewayId"] for request in look_alike.sent("DetachVpnGateway")]
    assert gateways == ["vgw-0fffffffffffffff0"] * 2 + ["vgw-1"]


@pytest.mark.parametrize("kind", ["reader", "dry_runner"])
def test_a_client_that_only_reads_sends_nothing_that_changes_anything(kind):
    """The serialized request is checked: without DryRun in it a change is not sent."""
    look_alike = LookAlike(ignores)
    with reached(look_alike) as clients:
        ec2 = getattr(clients, kind)()
        with pytest.raises(UnsafeRequestError, match="DetachVpnGateway was not sent"):
            ec2.detach_vpn_gateway(VpnGatewayId="vgw-1", VpcId="vpc-1")
        with pytest.raises(UnsafeRequestError):
            ec2.detach_vpn_gateway(VpnGatewayId="v", VpcId="v", DryRun=False)

    assert look_alike.asked == []


def test_only_ids_of_resources_are_replaced():
    """Destinations and tags stay, so that the form of the call is the same."""
    assert without_existing_ids(REPLACE.parameters) == {
        "RouteTableId": "rtb-0fffffffffffffff0",
        "GatewayId": "vgw-0fffffffffffffff0",
        "DestinationCidrBlock": "10.1.0.0/16",
    }
    assert without_existing_ids(CLAIM.parameters)["Resources"] == ["vgw-0fffffffffffffff0"]
