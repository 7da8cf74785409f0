"""``discover``: every connection of accounts and Regions, over HTTP."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tests.support.http_server import serving
from vpnmigrate.cli.commands.sandbox import load
from vpnmigrate.cli.main import run_command
from vpnmigrate.model.errors import Exit
from vpnmigrate.sandbox.policy import Policy, policy_from
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.scenarios.scenario import in_account
from vpnmigrate.sandbox.server.clock import ScaledClock
from vpnmigrate.sandbox.server.serve import Server, serve
from vpnmigrate.sandbox.world import World

HOME, OTHER = "123456789012", "222222222222"
ROLE = f"arn:aws:iam::{OTHER}:role/Read"
UNKNOWN = "arn:aws:iam::999999999999:role/Read"
ELSEWHERE = {
    (OTHER, "eu-west-1"): "direct-connect",
    (OTHER, "us-east-1"): "three-connections",
    (HOME, "us-east-1"): "nothing-classic",
}


def worlds() -> list[World]:
    """Return two accounts with two Regions each; their pre-shared keys are always the same."""
    clock = ScaledClock()
    others = [
        load_world(in_account(load(name), account, region), clock)
        for (account, region), name in ELSEWHERE.items()
    ]
    return [load_world(load("three-connections"), clock), *others]


def a_server(policy: Policy | None = None) -> Server:
    """Return a sandbox of these accounts."""
    home, *others = worlds()
    return serve(home, others=others, policy=policy)


@pytest.fixture(scope="module")
def served() -> Iterator[Server]:
    with a_server() as server:
        yield server


@pytest.fixture
def run(served, monkeypatch, tmp_path, capsys):
    """Return a function that runs ``discover`` as an ordinary process would."""
    monkeypatch.chdir(tmp_path)
    return runner(served, monkeypatch, capsys)


def runner(server, monkeypatch, capsys):
    for name, value in {**server.environment, "AWS_CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(name, value)

    def run(*words, command="discover"):
        capsys.readouterr()
        code = run_command([command, *words])
        output = capsys.readouterr()
        return code, output.out, output.err

    return run


def test_an_organization_is_read_through_its_roles(run, tmp_path):
    """Every account and Region is there, in groups, and devices are found across accounts."""
    files = ("-o", "page.html", "-o", "all.csv")
    code, out, _ = run("--organization", "Read", "--all-regions", "--json", *files)

    document = json.loads(out)
    written = "".join([out, *(file.read_text() for file in tmp_path.iterdir() if file.is_file())])
    assert not [key for world in worlds() for key in world.keys if key in written]
    places = [(place["account"], place["region"]) for place in document["places"]]
    groups = {(g["account"], g["region"]): g["group"] for g in document["gateways"]}
    assert code == 0
    assert document["complete"]
    assert sorted(places) == sorted([(HOME, "eu-west-1"), *ELSEWHERE])
    assert groups == {
        (HOME, "eu-west-1"): "can",
        (OTHER, "us-east-1"): "can",
        (OTHER, "eu-west-1"): "cannot",
        (HOME, "us-east-1"): "not-needed",
    }
    home = next(g for g in document["gateways"] if g["account"] == HOME and g["can_be_migrated"])
    users = [c["device_also_used_by"][0]["account"] for c in home["connections"]]
    assert users == [OTHER] * 3
    assert home["tables"]["edge"]
    assert {c["routing"] for c in home["connections"]} == {"BGP", "static"}


def test_what_cannot_be_read_is_a_row_and_the_exit_code_is_1(run):
    """An account without access, beside one that was read; the next command is complete."""
    code, out, err = run("--role-arn", UNKNOWN, "--role-arn", ROLE, "--region", "us-east-1")

    result, _, following = out.partition("\nnext, with credentials")
    assert code == Exit.FAILED
    assert "COULD NOT BE READ (1)" in result
    assert "999999999999 in every Region" in result
    assert "sts:AssumeRole" in result
    assert f"{OTHER} us-east-1" in result
    assert f"of account {OTHER}" in following
    assert "plan --vpn-gateway vgw-" in following
    assert "--region us-east-1" in following
    assert [line for line in result.splitlines() if len(line) > 80] == []
    assert err == ""


def test_a_file_names_accounts_with_their_regions(run, tmp_path, monkeypatch):
    """By role, with Regions of their own, or by a profile; a connection and a gap is a row."""
    (tmp_path / "config").write_text(
        "[profile branch]\naws_access_key_id = SANDBOX_BOB\naws_secret_access_key = x\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    (tmp_path / "accounts.txt").write_text(f"{ROLE} us-east-1\nprofile:branch\nprofile:missing\n")

    files = ("-o", "all.csv", "-o", "all.json")
    code, out, _ = run("--accounts", "accounts.txt", "--csv", *files)

    document = json.loads((tmp_path / "all.json").read_text())
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == Exit.FAILED
    assert (tmp_path / "all.csv").read_text() == out
    assert [row["group"] for row in rows] == ["can"] * 6 + ["not-read"]
    assert rows[6]["account"] == "profile missing"
    assert [tuple(p.values()) for p in document["places"]] == [
        (HOME, "", "eu-west-1"),
        (OTHER, "", "us-east-1"),
    ]
    assert [each["label"] for each in document["unread"]] == ["profile missing"]


def test_a_region_that_is_not_enabled_is_named_as_such(monkeypatch, capsys):
    """EC2 does not accept any credentials there, while STS does elsewhere."""
    identity = (
        "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account>"
        "<Arn>arn:x</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
    refused = (
        "<Response><Errors><Error><Code>AuthFailure</Code><Message>not able to validate</Message>"
        "</Error></Errors></Response>"
    )

    def answer(request, body):
        text = identity if b"GetCallerIdentity" in body else refused
        request.send_response(200 if text is identity else 401)
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text.encode())

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    with serving(answer) as url:
        code = run_command(["discover", "--region", "me-south-1", "--json", "--endpoint-url", url])

    (lost,) = json.loads(capsys.readouterr().out)["unread"]
    assert code == Exit.FAILED
    assert (lost["account"], lost["region"]) == (HOME, "me-south-1")
    assert "not enabled" in lost["advice"]


@pytest.mark.parametrize(
    "words",
    [
        ("--region", "eu-west-1", "--all-regions"),
        ("--csv", "--json"),
        ("-o", "page.pdf"),
        ("--role-arn", "Read"),
        ("--accounts", "missing.txt"),
        ("--organization", ROLE),
    ],
)
def test_a_wrong_command_line_is_refused(run, words):
    """With exit code 2, before any account is read."""
    code, _, err = run(*words)

    assert code == Exit.USAGE
    assert "VPM-E101" in err


class TestGateway:
    """The closure of one gateway."""

    VPN = "vpn-0a300000000000001"
    GATEWAY = "vgw-0a300000000000001"

    def test_what_names_an_old_id_is_listed(self, served, run, tmp_path):
        """Alarms, log groups and rules as AWS has them, and resources of a Terraform state."""
        keys = {"aws_access_key_id": "SANDBOX", "aws_secret_access_key": "x"}
        how: dict[str, Any] = {"region_name": "eu-west-1", "endpoint_url": served.url, **keys}
        boto3.client("cloudwatch", **how).put_metric_alarm(
            AlarmName="tunnel",
            Namespace="AWS/VPN",
            MetricName="TunnelState",
            Dimensions=[{"Name": "VpnId", "Value": self.VPN}],
            Statistic="Minimum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1.0,
            ComparisonOperator="LessThanThreshold",
        )
        boto3.client("cloudwatch", **how).put_dashboard(
            DashboardName="net", DashboardBody=json.dumps({"widgets": [self.VPN]})
        )
        boto3.client("logs", **how).create_log_group(logGroupName=f"/vpn/{self.VPN}")
        boto3.client("events", **how).put_rule(
            Name="down", EventPattern=json.dumps({"resources": [self.VPN]})
        )
        instance = {"attributes": {"id": self.VPN, "tunnel1_preshared_key": "never-shown"}}
        resource = {"mode": "managed", "type": "aws_vpn_connection", "name": "site"}
        state = {"version": 4, "resources": [{**resource, "instances": [instance]}]}
        (tmp_path / "state.json").write_text(json.dumps(state))
        words = ("--gateway", self.GATEWAY, "--terraform-state", "state.json")

        code, out, _ = run(*words, "--json", "-o", "closure.html")

        document = json.loads(out)
        kinds = {each["kind"]: each["id"] for each in document["items"]}
        page = (tmp_path / "closure.html").read_text()
        assert (code, document["complete"]) == (0, True)
        assert kinds["alarm"] == "tunnel"
        assert kinds["dashboard"] == "net"
        assert kinds["log group"] == f"/vpn/{self.VPN}"
        assert kinds["EventBridge rule"] == "down"
        assert kinds["Terraform resource"] == "aws_vpn_connection.site"
        assert "never-shown" not in out + page
        assert "aws_vpn_connection.site" in page

    def test_a_name_that_looks_like_a_key_costs_no_other_value(self, served, run, tmp_path):
        """The file is the document that ``--json`` prints."""
        keys = {"aws_access_key_id": "SANDBOX", "aws_secret_access_key": "x"}
        how: dict[str, Any] = {"region_name": "eu-west-1", "endpoint_url": served.url, **keys}
        ec2 = boto3.client("ec2", **how)
        name: dict[str, Any] = {
            "Resources": [self.VPN],
            "Tags": [{"Key": "Name", "Value": "<pre_shared_key>x"}],
        }
        ec2.create_tags(**name)

        code, out, _ = run("--gateway", self.GATEWAY, "--json", "-o", "closure.json")

        ec2.delete_tags(**name)
        assert code == 0
        assert json.loads((tmp_path / "closure.json").read_text()) == json.loads(out)

    def test_in_another_account_the_role_is_used(self, run):
        """The gateway is looked for in the account and Region that are named."""
        code, _, err = run("--gateway", self.GATEWAY, "--role-arn", ROLE, "--region", "us-east-1")

        assert code == Exit.USAGE
        assert f"in account {OTHER}, Region us-east-1" in " ".join(err.split())

    @pytest.mark.parametrize(
        "words",
        [
            ("--terraform-state", "state.json"),
            ("--gateway", GATEWAY, "--all-regions"),
            ("--gateway", GATEWAY, "--csv"),
            ("--gateway", GATEWAY, "-o", "closure.csv"),
            ("--gateway", GATEWAY, "--terraform-state", "accounts.txt"),
        ],
    )
    def test_it_is_one_gateway(self, run, words, tmp_path):
        """One account and one Region, and a document instead of a table."""
        (tmp_path / "accounts.txt").write_text("[]")

        assert run(*words)[0] == Exit.USAGE


class TestPermissions:
    """The policy that ``iam-policy --phase discover`` prints."""

    WORDS = ("--organization", "Read", "--all-regions")

    def run_under(self, policy, monkeypatch, capsys):
        with a_server(policy_from(policy, "policy")) as server:
            return runner(server, monkeypatch, capsys)(*self.WORDS, "--json")

    @pytest.fixture
    def policy(self, run):
        _, out, _ = run("--phase", "discover", "--organization", "Read", command="iam-policy")
        return json.loads(out)

    def test_it_is_enough(self, policy, monkeypatch, capsys):
        """The sandbox enforces it in every account, and all of them are read."""
        with a_server(policy_from(policy, "policy")) as server:
            run = runner(server, monkeypatch, capsys)
            code, out, _ = run(*self.WORDS, "--json")
            closure, found, _ = run("--gateway", TestGateway.GATEWAY, "--json")

        assert (code, json.loads(out)["complete"]) == (0, True)
        assert (closure, json.loads(found)["complete"]) == (0, True)

    def test_a_closure_without_permissions_says_what_is_unknown(self, policy, monkeypatch, capsys):
        """The survey is shown, each service that was denied is named, and the exit code is 1."""
        services = ("cloudwatch:", "events:", "logs:")
        for statement in policy["Statement"]:
            actions = statement["Action"]
            kept = [actions] if isinstance(actions, str) else actions
            statement["Action"] = [a for a in kept if not a.startswith(services)] or ["ec2:None"]

        with a_server(policy_from(policy, "policy")) as server:
            run = runner(server, monkeypatch, capsys)
            code, out, _ = run("--gateway", TestGateway.GATEWAY)

        assert code == Exit.FAILED
        assert "CHANGED BY THE MIGRATION" in out
        for what in ("alarms", "dashboards", "rules", "log groups"):
            assert f"\n  {what} " in out.partition("NOT READ")[2]

    @pytest.mark.parametrize("action", ["sts:AssumeRole", "ec2:DescribeRegions"])
    def test_what_it_has_beside_the_reads_of_a_survey_is_needed(
        self, policy, monkeypatch, capsys, action
    ):
        """Without one action the result is not complete, and the action is named."""
        for statement in policy["Statement"]:
            actions = statement["Action"]
            kept = [each for each in [actions] if isinstance(each, str)] or actions
            statement["Action"] = [each for each in kept if each != action] or ["ec2:None"]

        code, out, err = self.run_under(policy, monkeypatch, capsys)

        assert code == Exit.FAILED
        assert action in out + err
