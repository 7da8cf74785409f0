"""Several accounts and Regions in one served sandbox."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from botocore.exceptions import ClientError

from vpnmigrate.cli.commands.sandbox import load
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.scenarios.scenario import in_account
from vpnmigrate.sandbox.server.client import ControlClient
from vpnmigrate.sandbox.server.clock import ScaledClock
from vpnmigrate.sandbox.server.serve import Server, serve

OTHER = "222222222222"
ROLE = f"arn:aws:iam::{OTHER}:role/NetworkRead"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A sandbox of two accounts, the second with a gateway in two Regions."""
    clock = ScaledClock()
    others = [
        load_world(in_account(load("single-bgp"), OTHER, region), clock)
        for region in ("eu-west-1", "us-east-1")
    ]
    with serve(load_world(load("single-bgp"), clock), others=others) as running:
        yield running


def client(server, service, region="eu-west-1", given=None):
    keys = given or {"AccessKeyId": "SANDBOX", "SecretAccessKey": "x", "SessionToken": None}
    return boto3.client(
        service,
        endpoint_url=server.url,
        region_name=region,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


def assumed(server):
    sts = client(server, "sts")
    return sts.assume_role(RoleArn=ROLE, RoleSessionName="me")["Credentials"]


def gateways(server, region, given=None):
    rows = client(server, "ec2", region, given).describe_vpn_gateways()["VpnGateways"]
    return [row["VpnGatewayId"] for row in rows]


def test_an_assumed_role_sees_its_own_account(server):
    """Each account and Region has resources of its own, with ids of its own."""
    role = assumed(server)

    everywhere = [
        *gateways(server, "eu-west-1"),
        *gateways(server, "eu-west-1", role),
        *gateways(server, "us-east-1", role),
    ]

    assert len(set(everywhere)) == len(everywhere) == 3
    assert gateways(server, "us-east-1") == []
    identity = client(server, "sts", given=role).get_caller_identity()
    assert identity["Account"] == OTHER
    assert identity["Arn"] == f"arn:aws:sts::{OTHER}:assumed-role/NetworkRead/me"


def test_a_role_of_an_unknown_account_is_refused(server):
    """As AWS refuses a role that does not trust the caller."""
    with pytest.raises(ClientError, match="AccessDenied"):
        client(server, "sts").assume_role(
            RoleArn="arn:aws:iam::999999999999:role/x", RoleSessionName="me"
        )
    with pytest.raises(ClientError, match="ValidationError"):
        client(server, "sts").assume_role(RoleArn=ROLE + "/§", RoleSessionName="me")


def test_only_the_management_account_lists_the_organization(server):
    """Every account of the sandbox is a member."""
    listed = client(server, "organizations").list_accounts()["Accounts"]

    assert [row["Id"] for row in listed] == ["123456789012", OTHER]
    with pytest.raises(ClientError, match="AccessDenied"):
        client(server, "organizations", given=assumed(server)).list_accounts()


def test_an_account_lists_its_own_regions(server):
    """Those that have resources."""

    def regions(given=None):
        rows = client(server, "ec2", given=given).describe_regions()["Regions"]
        return [row["RegionName"] for row in rows]

    assert regions() == ["eu-west-1"]
    assert regions(assumed(server)) == ["eu-west-1", "us-east-1"]


def test_the_devices_of_every_account_can_be_operated(server):
    """The control endpoint finds a connection in any account."""
    control = ControlClient(server.url)
    other = control.state()["others"][0]
    (connection,) = other["connections"]

    control.disable(connection)

    assert other["account"] == OTHER
    after = control.state()["others"][0]["connections"][connection]
    assert after["device"] == "disabled"
