"""Outcomes of mutating calls: the decision table, and every way to lose the answer."""

from __future__ import annotations

from datetime import timedelta

import pytest
from botocore import exceptions as botocore
from botocore.parsers import ResponseParserError
from hypothesis import given
from hypothesis import strategies as st

from tests.aws.answering import REQUEST_ID
from vpnmigrate.aws.errors import failure_of
from vpnmigrate.aws.outcomes import outcome_of, outcome_of_read
from vpnmigrate.devices.secret import Secret
from vpnmigrate.model.changes.base import InDoubt, Later, Outcome, Performed, Refused
from vpnmigrate.model.errors import (
    AwsError,
    AwsUnreadableError,
    CredentialsExpiredError,
    NoCredentialsError,
    NotAuthorizedError,
    NotFoundError,
    UnreachableError,
)
from vpnmigrate.model.errors.commands import one_line


def refused(
    code: str, message: str = "", call: str = "AttachVpnGateway", status: int = 400
) -> Outcome:
    """Return the outcome of *call* that EC2 refuses with *code*."""
    answer = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"RequestId": REQUEST_ID, "HTTPStatusCode": status},
    }
    return outcome_of(failure_of(botocore.ClientError(answer, call), call))  # type: ignore[arg-type]


MUTATING = "The maximum number of mutating objects has been reached."
PENDING = "This call cannot be completed because there are pending VPNs or Virtual Interfaces"
NO_ROUTE = "There is no route defined for '10.1.0.0/16' in the route table. Use CreateRoute."
NETWORKS = "route table rtb-1 and network gateway vgw-1 belong to different networks"
TAKEN = "The VPC vpc-1 already has a VGW attached"

# domain.md 12.2, row by row: code, message, call, decision, and a Later's limit in minutes.
TABLE = [
    ("RequestLimitExceeded", "", "AttachVpnGateway", Later, 15),
    ("Throttling", "", "CreateVpnGateway", Later, 15),
    ("ThrottlingException", "", "CreateVpnGateway", Later, 15),
    ("EC2ThrottledException", "", "ReplaceRoute", Later, 15),
    ("InternalError", "", "CreateVpnGateway", InDoubt, None),
    ("InternalFailure", "", "AttachVpnGateway", InDoubt, None),
    ("ServiceUnavailable", "", "CreateVpnConnection", InDoubt, None),
    ("Unavailable", "", "DetachVpnGateway", InDoubt, None),
    ("VpnGatewayLimitExceeded", MUTATING, "CreateVpnGateway", Later, 10),
    ("VpnConnectionLimitExceeded", MUTATING, "CreateVpnConnection", Later, 40),
    ("VpnGatewayLimitExceeded", "quota", "CreateVpnGateway", Refused, None),
    ("VpnConnectionLimitExceeded", "quota", "CreateVpnConnection", Refused, None),
    ("InvalidVpnGatewayID.NotFound", "", "AttachVpnGateway", Later, 2),
    ("InvalidVpnGatewayID.NotFound", "", "CreateVpnConnection", Later, 2),
    ("InvalidVpnConnectionID.NotFound", "", "CreateVpnConnectionRoute", Later, 2),
    ("InvalidVpnGatewayID.NotFound", "", "DetachVpnGateway", InDoubt, None),
    ("InvalidVpnGatewayID.NotFound", "", "DeleteVpnGateway", InDoubt, None),
    ("InvalidVpnConnectionID.NotFound", "", "DeleteVpnConnection", InDoubt, None),
    ("InvalidVpcID.NotFound", "", "DeleteVpc", InDoubt, None),
    ("InvalidSubnetID.NotFound", "", "DeleteSubnet", InDoubt, None),
    ("InvalidAssociationID.NotFound", "", "DisassociateRouteTable", InDoubt, None),
    ("InvalidVpcState", TAKEN, "AttachVpnGateway", Later, 30),
    ("VpnGatewayAttachmentLimitExceeded", "", "AttachVpnGateway", Later, 30),
    ("InvalidVpnGatewayAttachment.NotFound", "", "DetachVpnGateway", InDoubt, None),
    ("InvalidParameterValue", PENDING, "DetachVpnGateway", Later, 40),
    ("InvalidParameterValue", PENDING, "AttachVpnGateway", Later, 40),
    ("InvalidParameterValue", "bad", "AttachVpnGateway", Refused, None),
    ("IncorrectState", "The VPN gateway is in use.", "DeleteVpnGateway", Later, 10),
    ("IncorrectState", "", "AttachVpnGateway", Later, 30),
    ("IncorrectState", "", "DeleteVpnConnection", Later, 10),
    ("InvalidVpnGatewayState", "", "CreateVpnConnection", Later, 10),
    ("Gateway.NotAttached", "", "EnableVgwRoutePropagation", Later, 2),
    ("InvalidGatewayID.NotFound", "", "ReplaceRoute", Later, 2),
    ("InvalidGatewayID.NotFound", "", "AssociateRouteTable", Later, 2),
    ("InvalidParameterValue", NETWORKS, "ReplaceRoute", Later, 2),
    ("InvalidParameterValue", NETWORKS, "EnableVgwRoutePropagation", Later, 2),
    ("InvalidParameterValue", NETWORKS, "CreateRoute", Later, 2),
    ("InvalidParameterValue", NETWORKS, "AssociateRouteTable", Later, 2),
    ("IncorrectState", "vgw-1 is not attached to vpc-1", "AssociateRouteTable", Later, 10),
    ("SomethingNew", "The gateway vgw-1 does not exist", "ReplaceRoute", Later, 2),
    ("SomethingNew", "vgw-1 has not been attached to a VPC", "CreateRoute", Later, 2),
    ("InvalidParameterValue", NO_ROUTE, "ReplaceRoute", Refused, None),
    ("InvalidRouteTableID.NotFound", "", "ReplaceRoute", Refused, None),
    ("RouteAlreadyExists", "", "CreateRoute", InDoubt, None),
    ("RouteLimitExceeded", "", "CreateRoute", Refused, None),
    ("InvalidRoute.NotFound", "", "DeleteRoute", InDoubt, None),
    ("InvalidRoute.NotFound", "", "DeleteVpnConnectionRoute", InDoubt, None),
    ("InvalidVpnConnection.InvalidState", "", "CreateVpnConnectionRoute", Later, 40),
    ("InvalidVpnConnection.InvalidType", "", "CreateVpnConnectionRoute", Refused, None),
    ("InvalidCustomerGateway.DuplicateIpAddress", "", "CreateVpnConnection", Refused, None),
    ("AsnConflict", "", "CreateVpnConnection", Refused, None),
    ("DependencyViolation", "", "DeleteVpc", Later, 10),
    ("UnauthorizedOperation", "", "AttachVpnGateway", Refused, None),
    ("RequestExpired", "", "AttachVpnGateway", Later, 60),
    ("ExpiredToken", "", "CreateVpnGateway", Later, 60),
    # domain.md 2.11: never retried.
    ("AuthFailure", "", "AttachVpnGateway", Refused, None),
    ("OptInRequired", "", "AttachVpnGateway", Refused, None),
    ("Blocked", "", "AttachVpnGateway", Refused, None),
    ("PendingVerification", "", "CreateVpnGateway", Refused, None),
    ("TagPolicyViolation", "", "CreateVpnGateway", Refused, None),
    ("InvalidParameterCombination", "", "CreateVpnConnection", Refused, None),
    ("SomethingNew", "", "AttachVpnGateway", Refused, None),
]


@pytest.mark.parametrize(("code", "message", "call", "decision", "minutes"), TABLE)
def test_the_table(code, message, call, decision, minutes):
    """Every refusal that AWS documents has the decision of domain.md 12.2.

    Among them: a limit whose message has two meanings (case 23), NotFound right after a creation
    (case 24), a device's address used twice (case 26), a prefix on a BGP connection (case 34),
    leftovers in a test VPC (case 42), pending connections at a detach (case 43), an attach or
    propagation that comes too early (cases 45 and 47), a route re-pointed before the attach is
    known (case 49), throttling (case 52) and a gateway still in use (case 68).
    """
    outcome = refused(code, message, call)

    assert type(outcome) is decision
    if isinstance(outcome, Later):
        assert outcome.limit == timedelta(minutes=minutes)


GATEWAY_CALLS = ("AttachVpnGateway", "DetachVpnGateway", "DeleteVpnGateway")
CONFLICTING = "This call cannot be completed because there is a conflicting pending workflow for "


@pytest.mark.parametrize("call", [*GATEWAY_CALLS, "DeleteVpnConnection"])
@pytest.mark.parametrize("code", ["InvalidParameterValue", "IncorrectState", "SomethingNew"])
@pytest.mark.parametrize(
    "message",
    [
        CONFLICTING + "vgw-1",
        PENDING,
        "The operation is already in progress",
        "vgw-1 is currently being modified",
        "vpn-1 is being deleted. Please try again later.",
        "Another operation is in progress for the resource",
        "Concurrent modification of vgw-1",
        "The attachment is in a transitional state",
        "The resource is busy",
        "Wait until the VPN gateway has settled",
    ],
)
def test_a_workflow_in_progress_is_retried(call, code, message):
    """A workflow in progress is temporary, with any words and any code (domain.md 12.2)."""
    assert refused(code, message, call) == Later(
        f"{code}: {message}", timedelta(minutes=40), REQUEST_ID
    )


@pytest.mark.parametrize("code", ["OperationInProgress", "ConflictException", "RequestConflict"])
def test_a_code_alone_may_say_that_a_workflow_is_in_progress(code):
    """The message can be empty."""
    assert isinstance(refused(code, "", "DetachVpnGateway"), Later)


@pytest.mark.parametrize(
    ("code", "message", "call"),
    [
        ("UnauthorizedOperation", "Approval of this role is pending.", "DetachVpnGateway"),
        ("PendingVerification", "Your account is pending verification", "AttachVpnGateway"),
        ("AsnConflict", "The ASN conflicts", "CreateVpnConnection"),
        ("InvalidParameterValue", NO_ROUTE, "ReplaceRoute"),
        ("InvalidRouteTableID.NotFound", "rtb-1 does not exist", "ReplaceRoute"),
        ("SomethingNew", "blocked by a policy", "AttachVpnGateway"),
    ],
)
def test_a_final_refusal_is_not_retried_whatever_its_message(code, message, call):
    """Words of a temporary refusal do not make a final one temporary."""
    assert isinstance(refused(code, message, call), Refused)


@pytest.mark.parametrize(
    ("code", "definite"),
    [
        ("UnauthorizedOperation", True),
        ("AuthFailure", True),
        ("InvalidRouteTableID.NotFound", True),
        ("InvalidThing.NotFound", True),
        ("InvalidVpcID.Malformed", True),
        ("InvalidParameterCombination", True),
        ("MissingParameter", True),
        ("InvalidParameterValue", False),
        ("OperationNotPermitted", False),
        ("SomethingNew", False),
    ],
)
def test_only_a_code_that_is_known_is_definite(code, definite):
    """A missing permission, resource or parameter is definite; other unknown codes are not.

    A refusal that is not definite is retried during an outage (``engine/test_retries``).
    """
    outcome = refused(code, "", "AttachVpnGateway")

    assert isinstance(outcome, Refused)
    assert outcome.definite is definite


@pytest.mark.parametrize("code", ["InternalError", "SomethingNew", "IncorrectState"])
def test_a_server_error_is_in_doubt_whatever_its_code(code):
    """After a 5xx it is unknown whether the call was executed."""
    assert isinstance(refused(code, status=503), InDoubt)


def test_a_throttle_is_not_a_server_error():
    """EC2 throttles with status 503, and such a call was not executed."""
    assert isinstance(refused("RequestLimitExceeded", status=503), Later)


def test_denied_names_the_action():
    """A denied call names its permission, and the one for tags."""
    attach = refused("UnauthorizedOperation", "You are not authorized.")
    create = refused("UnauthorizedOperation", call="CreateVpnGateway")
    prefix = refused("UnauthorizedOperation", call="CreateVpnConnectionRoute")

    assert isinstance(attach, Refused)
    assert isinstance(create, Refused)
    assert isinstance(prefix, Refused)
    assert "allow ec2:AttachVpnGateway for" in one_line(attach.advice)
    assert "allow ec2:CreateVpnConnectionRoute for" in one_line(prefix.advice)
    assert "allow ec2:CreateVpnGateway and ec2:CreateTags for" in one_line(create.advice)


@pytest.mark.parametrize("code", ["RequestExpired", "ExpiredToken", "TokenRefreshRequired"])
def test_expired_says_how_to_renew(code):
    """Expired credentials are retried, and the operator gets the advice to renew them."""
    outcome = refused(code)

    assert isinstance(outcome, Later)
    assert "renew the credentials" in outcome.why


def test_every_answer_keeps_its_request_id():
    """Each answered outcome has the request id, for CloudTrail."""
    outcomes = [
        refused("AsnConflict"),
        refused("Gateway.NotAttached"),
        refused("InvalidVpnGatewayAttachment.NotFound", call="DetachVpnGateway"),
        refused("RequestLimitExceeded"),
        refused("UnauthorizedOperation"),
    ]

    assert {o.request_id for o in outcomes if not isinstance(o, InDoubt)} == {REQUEST_ID}


URL = "https://ec2.eu-west-1.amazonaws.com/"


@pytest.mark.parametrize(
    ("exception", "kind"),
    [
        (botocore.ReadTimeoutError(endpoint_url=URL), InDoubt),
        (botocore.ConnectionClosedError(endpoint_url=URL), InDoubt),
        (botocore.HTTPClientError(error="reset"), InDoubt),
        (botocore.IncompleteReadError(actual_bytes=1, expected_bytes=2), InDoubt),
        (botocore.SSLError(endpoint_url=URL, error=OSError("EOF")), InDoubt),
        (ResponseParserError("not XML"), InDoubt),
        (botocore.EndpointConnectionError(endpoint_url=URL, error="refused"), Later),
        (botocore.ConnectTimeoutError(endpoint_url=URL), Later),
        (botocore.ProxyConnectionError(proxy_url=URL), Later),
        (botocore.NoCredentialsError(), Later),
        (botocore.CredentialRetrievalError(provider="sso", error_msg="gone"), Later),
        (botocore.SSOTokenLoadError(error_msg="gone"), Later),
        (botocore.UnauthorizedSSOTokenError(), Later),
        (botocore.TokenRetrievalError(provider="sso", error_msg="gone"), Later),
        (NoCredentialsError("no profile"), Later),
        (botocore.ParamValidationError(report="no such parameter"), Refused),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.__name__,
)
def test_no_answer(exception, kind):
    """Without an answer a call is in doubt, unless it was certainly not sent."""
    assert isinstance(outcome_of(failure_of(exception, "CreateVpnGateway")), kind)


def test_a_refused_role_means_the_call_was_not_sent():
    """If the role cannot be assumed, the call itself was not sent."""
    answer = {"Error": {"Code": "AccessDenied", "Message": "no"}}
    refusal = botocore.ClientError(answer, "AssumeRole")  # type: ignore[arg-type]

    assert isinstance(outcome_of(failure_of(refusal, "CreateVpnGateway")), Later)


def test_keys_are_blanked():
    """A key that EC2 or botocore quotes is not in the outcome."""
    answer = {"Error": {"Code": "InvalidParameterValue", "Message": "Value (the.key_1) is bad"}}
    exceptions = [
        botocore.ClientError(answer, "CreateVpnConnection"),  # type: ignore[arg-type]
        botocore.ParamValidationError(report="Invalid value: the.key_1"),
    ]

    for exception in exceptions:
        failure = failure_of(exception, "CreateVpnConnection", hide=[Secret("the.key_1")])
        assert "the.key_1" not in repr(outcome_of(failure))
        assert "withheld" in repr(outcome_of(failure))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (CredentialsExpiredError("expired", advice="renew"), Later),
        (NoCredentialsError("none"), Later),
        (UnreachableError("offline"), Later),
        (AwsUnreadableError("throttled"), Later),
        (NotFoundError("not listed yet"), Later),
        (NotAuthorizedError("denied", advice="allow it"), Refused),
        (AwsError("keys are not shown"), Refused),
    ],
)
def test_a_failed_read_before_a_change(error, kind):
    """If a read of the change fails, the change was not sent and is not in doubt."""
    assert isinstance(outcome_of_read(error), kind)


@given(
    code=st.text(max_size=30),
    message=st.text(max_size=60),
    call=st.sampled_from(["CreateVpnGateway", "ReplaceRoute", "DeleteVpc"]),
    status=st.sampled_from([0, 400, 403, 500, 503]),
)
def test_any_refusal_is_an_outcome(code, message, call, status):
    """Every refusal is an outcome, and after a 5xx never a final one."""
    outcome = refused(code, message, call, status)

    assert isinstance(outcome, Performed | Later | Refused | InDoubt)
    assert status < 500 or isinstance(outcome, InDoubt | Later)
