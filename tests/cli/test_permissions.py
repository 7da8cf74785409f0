"""Permissions on the command line: what is missing is named before anything is interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import format_datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import boto3
import pytest

from tests.support.http_server import serving
from tests.support.restricted_world import EVERY_CHANGE, RestrictedWorld
from vpnmigrate.aws.session import Clients
from vpnmigrate.cli.account_reader import printed_progress
from vpnmigrate.cli.sandbox_dependencies import SandboxDependencies
from vpnmigrate.engine.ports import InFlight
from vpnmigrate.model.clock import Clock
from vpnmigrate.report.console import Console
from vpnmigrate.sandbox.server.serve import serve

HELD = 3


def restrict(terminal, *denied):
    """Let the role of later commands lack *denied*."""
    restricted: Any = RestrictedWorld(terminal.world, denied)
    terminal.parts = SandboxDependencies(restricted)


def planned(terminal):
    ran = terminal.run("plan", "--vpn-gateway", terminal.gateway, "-o", "plan.json", "--json")
    assert ran.code == 0, ran.err
    return ran.document["plan"]


def findings(plan):
    return {each["code"]: each for each in plan["findings"]}


def gate(terminal, run):
    gates = terminal.status(run)["gates"]["gates"]
    return next(each for each in gates if each["gate"] == "permissions")


def test_a_denied_call_is_a_finding_and_holds_the_run(terminal):
    """The plan names it with the command for its policy; apply ends with 3 and traffic is up."""
    restrict(terminal, "AttachVpnGateway")
    plan = planned(terminal)
    found = findings(plan)["VPM-W001"]
    assert found["evidence"] == "these credentials may not call ec2:AttachVpnGateway"
    assert found["fix"].endswith("vpnmigrate iam-policy PLAN --phase cutover and rollback")

    held = terminal.run("apply", "plan.json", "--force", "permissions", "--reason", "urgent")

    assert held.code == HELD
    assert "permissions: ec2:AttachVpnGateway on " in " ".join(held.err.split())
    text = " ".join(terminal.run("status", plan["migration"]).out.split())
    assert "cannot be forced: the cutover or its rollback needs a denied call" in text
    assert terminal.status(plan["migration"])["traffic"] == "old"
    assert gate(terminal, plan["migration"])["call"] == "FAIL"

    restrict(terminal)
    assert terminal.run("apply", plan["migration"]).code == 0
    assert gate(terminal, plan["migration"])["call"] == "PASS"


def test_a_denied_removal_is_a_finding_and_can_be_forced(terminal):
    """Without permission to delete the new gateway a cutover and its rollback still work.

    The new gateway does not exist at plan, and a policy may tell it from the old one: the finding
    says what is not proven, and the gate before step 7 tries it.
    """
    restrict(terminal, "DeleteVpnGateway")
    plan = planned(terminal)
    terminal_run = plan["migration"]
    assert findings(plan)["VPM-W003"]["evidence"] == (
        "it is not proven that these credentials may call ec2:DeleteVpnGateway, which only "
        "clean-up needs: a resource of this call does not exist yet, and the same call for "
        f"{terminal.gateway} is denied"
    )
    assert terminal.run("apply", "plan.json").code == HELD

    forced = terminal.run("apply", terminal_run, "--force", "permissions", "--reason", "CHG1")

    assert forced.code == 0
    assert "CHG1" in forced.out


def test_a_role_that_only_reads_can_plan(terminal):
    """Every missing action is named, and the plan is written."""
    restrict(terminal, *EVERY_CHANGE)
    found = findings(planned(terminal))

    assert "ec2:DetachVpnGateway" in found["VPM-W001"]["evidence"]
    assert "ec2:DeleteVpnConnection" in found["VPM-W002"]["evidence"]
    assert "ec2:DeleteVpnGateway" in found["VPM-W003"]["evidence"]
    assert "ec2:DeleteVpnConnection" not in found["VPM-W003"]["evidence"]
    assert found["VPM-W001"]["fix"].endswith("--phase cutover and rollback and stage")


def test_where_every_call_is_allowed_nothing_is_reported(terminal):
    """A plan with all permissions has no finding about them."""
    assert not [code for code in findings(planned(terminal)) if code.startswith("VPM-W0")]


def test_a_call_of_which_no_resource_exists_is_named(terminal):
    """Nothing stands for the test VPC, which no plan may delete."""
    (terminal.place / "test.yaml").write_text(
        "name: p\nsummary: s\ndecisions: {test_vpc: {cidr: 172.31.0.0/24}}\n"
    )
    words = ("--vpn-gateway", terminal.gateway, "--playbook", "./test.yaml", "-o", "plan.json")
    plan = terminal.run("plan", *words, "--json").document["plan"]

    evidence = findings(plan)["VPM-W003"]["evidence"]

    assert evidence == (
        "it is not proven that these credentials may call ec2:DeleteVpc, ec2:DeleteSubnet: "
        "a resource of this call does not exist yet"
    )


def test_a_call_without_dry_run_is_named(terminal):
    """EC2 has no dry run of the call that adds a static prefix."""
    terminal.scenario("single-static")
    found = findings(planned(terminal))["VPM-W003"]

    assert "ec2:CreateVpnConnectionRoute: EC2 has no dry run of this call" in found["evidence"]


class Lines(Console):
    """A console that keeps its lines."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def print_line(self, text=""):
        self.lines.append(text)


def test_a_plan_that_waits_for_dry_runs_shows_their_progress():
    """A line is printed each time it changes, once the dry runs take long; it ends no wait."""
    console = Lines()
    wait_check = printed_progress(console)()

    for second, progress in enumerate(["", "0 %", "0 %", "0 %", "0 %", "0 %", "10 %", "10 %", ""]):
        call = InFlight("the dry runs", timedelta(seconds=second), timedelta(minutes=6), progress)
        assert wait_check(call) == ""

    assert console.lines == ["0 %", "10 %"]


class IgnoringEndpoint(SandboxDependencies):
    """Dependencies whose clients reach EC2 through an endpoint that ignores ``DryRun``."""

    def __init__(self, world, url):
        super().__init__(world)
        session = boto3.Session("SANDBOX", "SANDBOX", region_name=world.region)
        self._through = Clients(lambda: session, endpoint_url=url)

    def clients(self, aws):
        return self._through


@contextmanager
def ignoring(upstream: str, clock: Clock, carried_out: list[str]) -> Iterator[str]:
    """Serve an endpoint that carries out every call in *upstream*, dry runs as well."""

    def forward(request: BaseHTTPRequestHandler, body: bytes) -> None:
        params = dict(parse_qsl(body.decode(), keep_blank_values=True))
        params.pop("DryRun", None)
        carried_out.append(params.get("Action", ""))
        sent = urlencode(params).encode() if params else body
        connection = HTTPConnection(urlsplit(upstream).netloc)
        kept = {k: v for k, v in request.headers.items() if k.lower() != "content-length"}
        connection.request("POST", request.path, sent, kept)
        answer = connection.getresponse()
        whole = answer.read()
        connection.close()
        request.send_response_only(answer.status)
        request.send_header("Date", format_datetime(clock.now(), usegmt=True))
        request.send_header("Content-Length", str(len(whole)))
        request.send_header("Content-Type", answer.getheader("Content-Type", "text/xml"))
        request.end_headers()
        request.wfile.write(whole)

    with serving(forward) as address:
        yield address


@pytest.mark.no_cover
def test_an_endpoint_that_ignores_dry_runs_is_changed_by_none(terminal):
    """Planning changes nothing; the gate is UNKNOWN, with the reason and the command to go on."""
    carried_out: list[str] = []
    with serve(terminal.world) as server, ignoring(server.url, terminal.clock, carried_out) as url:
        terminal.parts = IgnoringEndpoint(terminal.world, url)
        plan = planned(terminal)
        assert not {*carried_out} & {*EVERY_CHANGE}
        evidence = findings(plan)["VPM-W003"]["evidence"]
        assert "is not known to honour DryRun" in evidence
        assert "ec2:DeleteVpnGateway" in evidence

        held = terminal.run("apply", "plan.json")

        assert held.code == HELD
        assert not {*carried_out} & {"DetachVpnGateway", "DisableVgwRoutePropagation"}
        assert [*carried_out].count("CreateVpnGateway") == 1
        seen = gate(terminal, plan["migration"])
        assert (seen["call"], seen["unforceable"]) == ("UNKNOWN", "")
        assert "ec2:DetachVpnGateway" in seen["observed"]
        assert "it answered DescribeVpnGateways with success" in seen["observed"]
        command = f"vpnmigrate apply {plan['migration']} --force permissions --reason TEXT"
        assert command in seen["advice"]
