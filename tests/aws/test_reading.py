"""Observations and their errors."""

from __future__ import annotations

from datetime import timedelta

import boto3
import pytest
from botocore import exceptions as botocore

from tests.aws.answering import NOT_THERE, Answering, Params, Refusal
from tests.support.builders import MIGRATION, NEW, OLD, VPC, a_gateway, a_plan, a_survey
from vpnmigrate.aws.account import Reader
from vpnmigrate.aws.session import Clients
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.decisions import Decisions, TestVpc
from vpnmigrate.model.ec2 import Tag
from vpnmigrate.model.errors import (
    AwsError,
    AwsUnreadableError,
    CredentialsExpiredError,
    NoCredentialsError,
    NotAuthorizedError,
    NotFoundError,
    UnreachableError,
)
from vpnmigrate.model.snapshot import ReadingPart

WITH_TEST_VPC = a_plan(decisions=Decisions(test_vpc=TestVpc("10.99.0.0/24")))
URL = "https://ec2.eu-west-1.amazonaws.com/"
OURS = [{"Key": Tag.MIGRATION.value, "Value": MIGRATION}]


def observe_with(answering: Answering, plan=None):
    """Observe with *answering*."""
    return Reader(answering.clients(), VirtualClock()).observe(plan or a_plan())


class TestWhatIsAsked:
    """The describe calls of an observation."""

    def test_three_calls(self):
        """An observation is three describe calls, and the gateways are read without a filter."""
        answering = Answering()
        observe_with(answering)

        assert answering.asked == [
            ("DescribeVpnGateways", {}),
            (
                "DescribeVpnConnections",
                {"Filters": [{"Name": "vpn-gateway-id", "Values": [OLD]}]},
            ),
            (
                "DescribeRouteTables",
                {"Filters": [{"Name": "vpc-id", "Values": [VPC]}], "MaxResults": 100},
            ),
        ]

    def test_our_gateways(self):
        """Connections are read on the old gateway, on newer ones, and on those with the run's tag.

        A gateway of the run may have lost its tags, and other gateways may have them.
        """
        rows = [
            {"VpnGatewayId": NEW, "State": "available"},
            {"VpnGatewayId": "vgw-tagged", "State": "available", "Tags": OURS},
            {"VpnGatewayId": "vgw-foreign", "State": "available"},
            {"VpnGatewayId": OLD, "State": "available"},
        ]
        answering = Answering({"DescribeVpnGateways": {"VpnGateways": rows}})
        known = (a_gateway("vgw-foreign", on=None), a_gateway("vgw-tagged", on=None))
        reading = observe_with(answering, a_plan(before=a_survey(other_gateways=known)))

        filters = answering.params("DescribeVpnConnections")["Filters"]
        assert filters == [{"Name": "vpn-gateway-id", "Values": sorted([NEW, OLD, "vgw-tagged"])}]
        assert [gateway.id for gateway in reading.gateways] == sorted(
            [NEW, OLD, "vgw-foreign", "vgw-tagged"]
        )

    def test_test_vpc(self):
        """With a test VPC in the plan, newer VPCs are read with their subnets and tables."""
        answering = Answering(
            {
                "DescribeVpcs": {"Vpcs": [{"VpcId": "vpc-test"}, {"VpcId": VPC}]},
                "DescribeSubnets": {"Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-test"}]},
            }
        )
        reading = observe_with(answering, WITH_TEST_VPC)

        assert answering.params("DescribeVpcs") == {}
        new = [{"Name": "vpc-id", "Values": ["vpc-test"]}]
        assert answering.params("DescribeSubnets")["Filters"] == new
        (filtered,) = answering.params("DescribeRouteTables")["Filters"]
        assert filtered["Values"] == sorted(["vpc-test", VPC])
        assert ([v.id for v in reading.vpcs], [s.id for s in reading.subnets]) == (
            ["vpc-test"],
            ["subnet-1"],
        )

    def test_every_page(self):
        """Route tables beyond the first page are read (case 18)."""

        def page(params: Params) -> Params:
            start = int(params.get("NextToken", "0"))
            tables = [{"RouteTableId": f"rtb-{n:03}"} for n in range(start, start + 50)]
            return {
                "RouteTables": tables,
                **({"NextToken": str(start + 50)} if start < 100 else {}),
            }

        reading = observe_with(Answering({"DescribeRouteTables": page}))

        assert [t.id for t in reading.tables] == [f"rtb-{n:03}" for n in range(150)]

    def test_begun_before_the_first_read(self):
        """The time of an observation is before its first read, because staleness counts from it."""
        clock = VirtualClock()
        before = clock.now()

        def slow(_: Params) -> Params:
            clock.sleep(timedelta(seconds=7))
            return {}

        reader = Reader(Answering({"DescribeVpnGateways": slow}).clients(), clock)
        assert reader.observe(a_plan()).begun == before


class TestGlance:
    """Whether one part of an observation differs now, after one call."""

    ROW = {"VpnGatewayId": NEW, "State": "available"}  # noqa: RUF012

    def glance(self, part: ReadingPart, rows: dict[str, Params]) -> tuple[bool, list[str]]:
        """Observe, then look at *part* of AWS that answers with *rows* instead."""
        usual = {"DescribeVpnGateways": {"VpnGateways": [self.ROW]}}
        clock = VirtualClock()
        earlier = Reader(Answering(usual).clients(), clock).observe(a_plan())
        answering = Answering({**usual, **rows})
        reader = Reader(answering.clients(), clock)
        return reader.differs(a_plan(), earlier, part), answering.operations

    @pytest.mark.parametrize(
        ("part", "call"),
        [
            (ReadingPart.GATEWAYS, "DescribeVpnGateways"),
            (ReadingPart.CONNECTIONS, "DescribeVpnConnections"),
        ],
    )
    def test_one_call_shows_that_nothing_has_changed(self, part, call):
        """The other parts are not read."""
        assert self.glance(part, {}) == (False, [call])

    @pytest.mark.parametrize(
        ("part", "rows"),
        [
            (
                ReadingPart.GATEWAYS,
                {
                    "DescribeVpnGateways": {
                        "VpnGateways": [
                            {**ROW, "VpcAttachments": [{"VpcId": VPC, "State": "attached"}]}
                        ]
                    }
                },
            ),
            (
                ReadingPart.CONNECTIONS,
                {
                    "DescribeVpnConnections": {
                        "VpnConnections": [{"VpnConnectionId": "vpn-9", "VpnGatewayId": NEW}]
                    }
                },
            ),
        ],
        ids=["gateways", "connections"],
    )
    def test_a_change_is_seen(self, part, rows):
        """A new attachment, or another connection, is a difference."""
        assert self.glance(part, rows)[0]


DENIED = Refusal("UnauthorizedOperation", "You are not authorized.", 403)
PASSING = [
    (Refusal("RequestLimitExceeded", status=503), AwsUnreadableError),
    (Refusal("InternalError", status=500), AwsUnreadableError),
    (Refusal("RequestExpired"), CredentialsExpiredError),
    (Refusal("ExpiredToken"), CredentialsExpiredError),
    (botocore.NoCredentialsError(), CredentialsExpiredError),
    (botocore.SSOTokenLoadError(error_msg="log in"), CredentialsExpiredError),
    (Refusal("AuthFailure", status=401), CredentialsExpiredError),
    (botocore.EndpointConnectionError(endpoint_url=URL), UnreachableError),
    (botocore.ConnectTimeoutError(endpoint_url=URL), UnreachableError),
    (botocore.ReadTimeoutError(endpoint_url=URL), AwsUnreadableError),
    (botocore.ConnectionClosedError(endpoint_url=URL), AwsUnreadableError),
    # Results of botocore's parsers for invalid answers.
    (KeyError("GetCallerIdentityResult"), AwsUnreadableError),
    (MemoryError(), AwsUnreadableError),
]


class TestFailures:
    """Errors of a failed observation."""

    @pytest.mark.parametrize(("answer", "kind"), PASSING)
    def test_temporary_errors(self, answer, kind):
        """Throttling, expiry and a lost network path have their own errors and advice."""
        with pytest.raises(AwsUnreadableError) as caught:
            observe_with(Answering({"DescribeVpnConnections": answer}))

        assert type(caught.value) is kind
        assert caught.value.advice_text

    def test_an_answer_without_its_list_is_invalid(self):
        """A page of a proxy is not accepted as the answer of an empty account.

        Its body is well-formed, its status 200, and botocore parses it into an empty answer.
        """
        with pytest.raises(AwsUnreadableError, match="VpnGateways"):
            observe_with(Answering({"DescribeVpnGateways": {"VpnGateways": NOT_THERE}}))

    @pytest.mark.parametrize(
        "call", ["DescribeVpnGateways", "DescribeVpnConnections", "DescribeRouteTables"]
    )
    def test_denied(self, call):
        """A missing permission is named, and is not retried."""
        with pytest.raises(NotAuthorizedError) as caught:
            observe_with(Answering({call: DENIED}))

        assert f"ec2:{call}" in caught.value.message
        assert f"ec2:{call}" in caught.value.advice_text

    def test_other_refusals(self):
        """Any other refusal is final, with AWS's code and message."""
        with pytest.raises(AwsError, match="InvalidFilter: the filter is bad") as caught:
            observe_with(
                Answering({"DescribeRouteTables": Refusal("InvalidFilter", "the filter is bad")})
            )

        assert type(caught.value) is AwsError

    def test_credentials_are_loaded_again(self):
        """After an expiry the next observation opens a new session and succeeds (case 53)."""
        sessions = [
            Answering({"DescribeVpnGateways": Refusal("RequestExpired")}).session(),
            Answering().session(),
        ]

        def open_session() -> boto3.Session:
            return sessions.pop(0)

        reader = Reader(Clients(open_session), VirtualClock())
        with pytest.raises(CredentialsExpiredError):
            reader.observe(a_plan())

        assert reader.observe(a_plan()).gateways == ()
        assert sessions == []

    def test_a_session_that_can_no_longer_be_opened(self):
        """In a run, missing credentials are retried."""
        answering = Answering()
        outcomes: list[boto3.Session | None] = [None, answering.session()]

        def open_session() -> boto3.Session:
            opened = outcomes.pop(0)
            if opened is None:
                raise NoCredentialsError("the profile is gone")
            return opened

        reader = Reader(Clients(open_session), VirtualClock())
        with pytest.raises(AwsUnreadableError, match="the profile is gone"):
            reader.observe(a_plan())
        assert reader.observe(a_plan()).gateways == ()


class TestIdentity:
    """The identity of the credentials."""

    def test_account_and_arn(self):
        """STS returns account and ARN."""
        answering = Answering({"GetCallerIdentity": {"Account": "123456789012", "Arn": "arn:x"}})
        who = Reader(answering.clients(), VirtualClock()).identity()

        assert (who.account, who.arn) == ("123456789012", "arn:x")

    @pytest.mark.parametrize(
        ("answer", "kind"),
        [
            (Refusal("InvalidClientTokenId", status=403), NoCredentialsError),
            (botocore.NoCredentialsError(), NoCredentialsError),
            (Refusal("ExpiredToken", status=403), CredentialsExpiredError),
            (Refusal("AccessDenied", status=403), NotAuthorizedError),
        ],
    )
    def test_failures(self, answer, kind):
        """Unknown and expired credentials have different errors."""
        with pytest.raises(kind):
            Reader(Answering({"GetCallerIdentity": answer}).clients(), VirtualClock()).identity()


def test_not_found_is_a_mistake_in_the_command():
    """For an unknown id the advice names account and Region options."""
    answering = Answering({"DescribeRouteTables": Refusal("InvalidVpcID.NotFound")})

    with pytest.raises(NotFoundError) as caught:
        observe_with(answering)
    assert "--region" in caught.value.advice_text
