"""The user agent of calls, as a server on a real connection receives it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs

import pytest

from tests.support.builders import a_plan
from vpnmigrate import __version__
from vpnmigrate.aws.account import Account
from vpnmigrate.aws.session import Clients, session
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.changes import AttachVpnGateway
from vpnmigrate.model.changes.base import CallTags, Performed
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.ec2 import MigrationId, VpcId, VpnGatewayId

GATEWAY = VpnGatewayId("vgw-1")
NOTHING = (
    "<vpnGatewaySet/><vpnConnectionSet/><routeTableSet/>"
    "<GetCallerIdentityResult><Account>123456789012</Account></GetCallerIdentityResult>"
)
PROGRAM = f"vpnmigrate/{__version__}"


class Listening(ThreadingHTTPServer):
    """Server that answers every request with an empty answer and records user agents."""

    daemon_threads = True
    heard: list[tuple[dict[str, str], str]]

    @property
    def url(self) -> str:
        """The URL of the server."""
        return f"http://127.0.0.1:{self.server_port}"

    def agents(self, action: str) -> list[str]:
        """Return the user agent of every call of *action*."""
        return [agent for form, agent in self.heard if form["Action"] == action]


class Ear(BaseHTTPRequestHandler):
    """Handler of one connection."""

    server: Listening

    def do_POST(self) -> None:
        """Record the form and the user agent."""
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        flat = {name: values[0] for name, values in form.items()}
        self.server.heard.append((flat, self.headers["User-Agent"]))
        about = f"<requestId>for-{flat.get('VpcId', 'all')}</requestId>"
        answer = f"<R>{about}{NOTHING}</R>".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its base's name
        """Print nothing."""


@pytest.fixture
def server() -> Iterator[Listening]:
    with Listening(("127.0.0.1", 0), Ear) as server:
        server.heard = []
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def account(server: Listening, tmp_path: Path) -> Account:
    clients = Clients(lambda: session(None, "eu-west-1"), endpoint_url=server.url)
    return Account(clients, VirtualClock(), Vault(tmp_path / "vault"))


def attach_as(account: Account, step: int) -> object:
    """Attach to a VPC named after *step*, in that step."""
    mark = CallTags(MigrationId("m-1"), attempt=1, step=step)
    return account.perform(AttachVpnGateway(GATEWAY, VpcId(f"vpc-{step}")), mark)


def test_a_change_has_run_and_step(account, server):
    """CloudTrail shows program, run and step of each change, after boto's own user agent."""
    assert attach_as(account, 8) == Performed("for-vpc-8")

    (agent,) = server.agents("AttachVpnGateway")
    assert agent.startswith("Boto3/")
    assert agent.endswith(f" {PROGRAM} run/m-1 step/8")


def test_a_read_has_the_run(account, server):
    """A read of a run has the run and no step."""
    plan = a_plan()
    account.observe(plan)

    (agent,) = server.agents("DescribeVpnGateways")
    assert agent.endswith(f" {PROGRAM} run/{plan.migration}")


def test_planning_is_of_no_run(account, server):
    """A call without a run has only the program, even after a call with one."""
    attach_as(account, 8)
    account.identity()

    (agent,) = server.agents("GetCallerIdentity")
    assert agent.endswith(f" {PROGRAM}")


def test_steps_at_once_keep_their_own_marks(account, server):
    """Calls of several steps through one client have their own step each."""
    steps = [2, 3, 7, 8] * 4
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda step: attach_as(account, step), steps))

    assert outcomes == [Performed(f"for-vpc-{step}") for step in steps]
    found = sorted(
        (form["VpcId"].removeprefix("vpc-"), agent.rpartition("step/")[2])
        for form, agent in server.heard
    )
    assert found == sorted((str(step), str(step)) for step in steps)
