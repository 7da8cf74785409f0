"""Boto client: a boto3 session that only the world answers."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError
from pytest_socket import SocketBlockedError

from tests.sandbox.worlds import OLD, OLD_VPN, TABLE, VPC, a_world, ask
from tests.support.boto_client import session_for
from vpnmigrate.model.clock import SteadyClock
from vpnmigrate.sandbox.client.call import LATENCY, SandboxGapError
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.scenarios.scenario import Scenario


@pytest.fixture
def world():
    return a_world()


@pytest.fixture
def ec2(world):
    return session_for(world).client("ec2")


class TestAnswers:
    def test_a_call_is_answered_by_the_world(self, world, ec2):
        """The caller gets the world's answer unchanged."""
        answer = ec2.describe_vpn_gateways(VpnGatewayIds=[OLD])
        assert answer["VpnGateways"] == ask(world, "DescribeVpnGateways")["VpnGateways"]
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert answer["ResponseMetadata"]["RequestId"]

    def test_a_refusal_is_a_client_error(self, ec2):
        """An error of the world has code, message, status and request id, as in AWS."""
        with pytest.raises(ClientError) as caught:
            ec2.attach_vpn_gateway(VpnGatewayId="vgw-00000000000000000", VpcId=VPC)
        response = caught.value.response
        assert response["Error"]["Code"] == "InvalidVpnGatewayID.NotFound"
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert response["ResponseMetadata"]["RequestId"]

    def test_dry_run_is_an_error(self, ec2):
        """DryRun is DryRunOperation with status 412."""
        with pytest.raises(ClientError) as caught:
            ec2.detach_vpn_gateway(VpnGatewayId=OLD, VpcId=VPC, DryRun=True)
        assert caught.value.response["Error"]["Code"] == "DryRunOperation"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412

    def test_parameters_are_checked_before(self, ec2):
        """Botocore's parameter check still runs."""
        with pytest.raises(ParamValidationError):
            ec2.attach_vpn_gateway(VpnGateway=OLD)

    def test_paginators_and_other_services_work(self, world):
        """Paginators, STS, Direct Connect and Service Quotas are answered too."""
        session = session_for(world)
        pages = session.client("ec2").get_paginator("describe_route_tables").paginate()
        assert [t["RouteTableId"] for page in pages for t in page["RouteTables"]] == [TABLE]
        assert session.client("sts").get_caller_identity()["Account"] == world.account
        interfaces = session.client("directconnect").describe_virtual_interfaces()
        assert interfaces["virtualInterfaces"] == []
        quotas = session.client("service-quotas")
        with pytest.raises(quotas.exceptions.NoSuchResourceException):
            quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-00000000")

    def test_an_answer_cannot_be_used_to_alter_the_world(self, ec2):
        """Changing an answer changes nothing in the world."""
        row = ec2.describe_vpn_gateways()["VpnGateways"][0]
        row["VpcAttachments"][0]["State"] = "detached"
        row["Tags"].clear()
        again = ec2.describe_vpn_gateways()["VpnGateways"][0]
        assert again["VpcAttachments"][0]["State"] == "attached"
        assert again["Tags"]


class TestTime:
    def test_each_call_takes_its_latency_on_a_virtual_clock(self, world, ec2):
        """A call advances a virtual clock by its latency."""
        before = world.clock.now()
        ec2.describe_vpn_gateways()
        assert world.clock.now() - before == LATENCY

    def test_a_real_clock_is_left_alone(self):
        """On a real clock no call sleeps."""

        class Stopped(SteadyClock):
            def now(self):
                return datetime(2026, 1, 1, tzinfo=UTC)

            def sleep(self, span):
                raise AssertionError(f"slept for {span}")

        world = load_world(Scenario(name="empty"), Stopped())
        assert session_for(world).client("ec2").describe_vpcs()["Vpcs"] == []

    def test_latency_can_be_passed_to_a_function(self, world):
        """Each call's latency is passed to a given function."""
        spans: list[timedelta] = []
        session = session_for(world, latency=timedelta(seconds=3), advance=spans.append)
        session.client("ec2").describe_vpcs()
        assert spans == [timedelta(seconds=3)]


class TestClosed:
    def test_what_the_world_lacks_is_an_error(self, world):
        """An operation that the world lacks is an error, which says that nothing was sent."""
        with pytest.raises(SandboxGapError, match="DescribeInstances"):
            session_for(world).client("ec2").describe_instances()

    @pytest.mark.disable_socket
    def test_no_socket_is_ever_opened(self, world):
        """No call opens a socket, whether it is answered or not."""
        with pytest.warns(UserWarning, match="socket"), pytest.raises(SocketBlockedError):
            socket.socket()
        session = session_for(world)
        session.client("ec2").describe_vpn_gateways()
        for service, operation in (("ec2", "describe_instances"), ("s3", "list_buckets")):
            with pytest.raises(SandboxGapError):
                getattr(session.client(service), operation)()

    def test_a_second_handler_stops_every_request(self, world):
        """A call that the first handler did not answer is stopped before it is sent."""
        ec2 = session_for(world).client("ec2")
        ec2.meta.events.unregister("before-call", unique_id="sandbox-answer")
        with pytest.raises(SandboxGapError, match="was stopped"):
            ec2.describe_vpn_gateways()

    def test_the_environment_has_no_effect(self, world, monkeypatch, tmp_path):
        """Endpoint, profile, Region, files and bundles of the environment have no effect."""
        broken = tmp_path / "config"
        broken.write_text("[not a config file")
        for name, value in {
            "AWS_ENDPOINT_URL": "http://elsewhere.invalid",
            "AWS_ENDPOINT_URL_EC2": "not a url",
            "AWS_PROFILE": "nobody",
            "AWS_DEFAULT_PROFILE": "nobody",
            "AWS_REGION": "us-gov-west-1",
            "AWS_DEFAULT_REGION": "us-gov-west-1",
            "AWS_CONFIG_FILE": str(broken),
            "AWS_SHARED_CREDENTIALS_FILE": str(broken),
            "AWS_CA_BUNDLE": "/no/such/file",
            "AWS_USE_FIPS_ENDPOINT": "true",
            "AWS_MAX_ATTEMPTS": "99",
        }.items():
            monkeypatch.setenv(name, value)
        ec2 = session_for(world).client("ec2")
        assert ec2.meta.region_name == world.region
        assert ec2.meta.endpoint_url == f"https://ec2.{world.region}.amazonaws.com"
        assert ec2.describe_vpn_gateways()["VpnGateways"]

    def test_an_endpoint_of_the_callers_makes_no_difference(self, world):
        """The world answers a client with another endpoint too."""
        ec2 = session_for(world).client(
            "ec2", endpoint_url="http://elsewhere.invalid", config=Config(connect_timeout=1)
        )
        assert ec2.describe_vpn_gateways()["VpnGateways"]

    def test_nothing_global_is_touched(self, world):
        """The environment and other sessions are as before."""
        before = dict(os.environ)
        session_for(world).client("ec2").describe_vpn_gateways()
        assert dict(os.environ) == before
        other = boto3.Session(
            aws_access_key_id="AKIAOTHER", aws_secret_access_key="x", region_name="eu-west-1"
        ).client("ec2", config=Config(retries={"total_max_attempts": 1}))
        other.meta.events.register_first("before-send", _cut)
        with pytest.raises(_CutError):
            other.describe_vpn_gateways()

    def test_credentials_are_the_sandboxes(self, world):
        """The session's credentials are the sandbox's, not those of the environment."""
        credentials = session_for(world).get_credentials()
        assert credentials is not None
        assert credentials.access_key == "SANDBOX"


def test_worlds_do_not_mix(world):
    """Each of two sessions is answered by its own world."""
    other = a_world("single-static")
    first, second = session_for(world).client("ec2"), session_for(other).client("ec2")
    assert first.describe_vpn_connections()["VpnConnections"][0]["VpnConnectionId"] == OLD_VPN
    assert second.describe_vpn_connections()["VpnConnections"][0]["VpnConnectionId"] != OLD_VPN


class _CutError(Exception):
    pass


def _cut(**_event):
    raise _CutError
