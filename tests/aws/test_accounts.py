"""Clients of several accounts that share their connections."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.http_server import serving
from vpnmigrate.aws.account import Reader
from vpnmigrate.aws.accounts import SharedClients, require_account, role_session
from vpnmigrate.aws.session import Clients
from vpnmigrate.engine.ports import Credentials, Identity, Renewal
from vpnmigrate.model.clock import SteadyClock
from vpnmigrate.model.discovery import AccountTarget
from vpnmigrate.model.errors import AwsUnreadableError, NoCredentialsError, RefusedError

ROLE = "arn:aws:iam::222222222222:role/Read"
WHO = Identity("111111111111", "arn:x", Credentials(Renewal.NEVER_EXPIRES), None)
UNTIL = "2099-01-01T00:00:00Z"
ASSUMED = f"""<AssumeRoleResponse><AssumeRoleResult><Credentials>
<AccessKeyId>ASIA222222222222</AccessKeyId><SecretAccessKey>s</SecretAccessKey>
<SessionToken>t</SessionToken><Expiration>{UNTIL}</Expiration>
</Credentials></AssumeRoleResult></AssumeRoleResponse>"""
EMPTY = {
    "DescribeVpnGateways": "<vpnGatewaySet/>",
    "DescribeVpnConnections": "<vpnConnectionSet/>",
}
THROTTLED = (
    "<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>slow</Message></Error>"
    "</Errors></Response>"
)


class Aws:
    """AWS that answers as whose key signed the request, and throttles the first calls."""

    def __init__(self, throttled: int = 0) -> None:
        self.throttled = throttled
        self.keys: list[tuple[str, str]] = []
        self._lock = threading.Lock()

    def answer(self, request, body):
        (key,) = re.findall(r"Credential=([^/]+)/", request.headers["Authorization"])
        (action,) = re.findall(r"Action=(\w+)", body.decode())
        with self._lock:
            self.keys.append((action, key))
            slow = action in EMPTY and self.throttled > 0
            self.throttled -= slow
        if slow:
            return self._send(request, 503, THROTTLED)
        if action == "AssumeRole":
            return self._send(request, 200, ASSUMED)
        if action == "GetCallerIdentity":
            account = key.removeprefix("ASIA").removeprefix("AKIA")
            inner = f"<Account>{account}</Account><Arn>arn:x</Arn>"
            return self._send(
                request,
                200,
                "<GetCallerIdentityResponse><GetCallerIdentityResult>"
                f"{inner}</GetCallerIdentityResult></GetCallerIdentityResponse>",
            )
        text = f"<{action}Response>{EMPTY[action]}</{action}Response>"
        return self._send(request, 200, text)

    def _send(self, request, status, text):
        request.send_response(status)
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text.encode())


@pytest.fixture
def shared(monkeypatch):
    """Return a function that opens clients of the account 111111111111 at a server."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIA111111111111",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)

    def opened(url, prepare=lambda _client: None):
        return SharedClients(None, "eu-west-1", endpoint_url=url, prepare=prepare, connections=8)

    return opened


def test_clients_that_exist_do_not_wait_for_those_of_another_region(shared):
    """While the clients of a Region are made, threads go on with those of other Regions."""
    begun, going_on = threading.Event(), threading.Event()

    def prepare(client):
        if client.meta.region_name == "us-east-1":
            begun.set()
            assert going_on.wait(60)

    clients = shared("http://127.0.0.1:9", prepare)
    known = clients.of_region("eu-west-1")
    with ThreadPoolExecutor(2) as pool:
        made = pool.submit(clients.of_region, "us-east-1")
        assert begun.wait(60)
        found = pool.submit(clients.of_region, "eu-west-1")
        try:
            assert found.result(60) is known
        finally:
            going_on.set()
        assert made.result(60).region == "us-east-1"


def test_each_request_is_signed_by_the_account_that_it_is_for(shared):
    """Threads of two accounts share the clients of a Region, and never their credentials."""
    aws = Aws()
    with serving(aws.answer) as url:
        clients = shared(url)
        own, role = clients.open(AccountTarget()), clients.open(AccountTarget(role=ROLE))

        def identity(access):
            return Reader(access.clients("eu-west-1"), SteadyClock()).identity().account

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(identity, [own, role] * 20))

    assert found == ["111111111111", "222222222222"] * 20
    assert ("AssumeRole", "AKIA111111111111") in aws.keys


def test_a_request_without_an_account_is_not_sent(shared):
    """The shared client itself has no credentials."""
    aws = Aws()
    with serving(aws.answer) as url:
        client = shared(url).of_region("us-east-1").reader()

        with pytest.raises(NoCredentialsError, match="without an account"):
            client.describe_vpn_gateways()

    assert aws.keys == []


def test_an_empty_region_costs_two_calls_and_throttled_ones_are_repeated(shared):
    """A Region without gateways and connections is read with two describe calls."""
    aws = Aws(throttled=1)
    with serving(aws.answer) as url:
        clients = shared(url).open(AccountTarget()).clients("us-east-1")
        found = Reader(clients, SteadyClock()).region_survey(WHO)

    assert (found.account, found.region, found.surveys) == ("111111111111", "us-east-1", ())
    assert len(aws.keys) == 3


def test_an_endpoint_that_ignores_the_role_is_noticed():
    """It answers as another account, which would then be shown under the wrong number."""
    with pytest.raises(RefusedError, match="answers as account 111111111111, not 222222222222"):
        require_account(AccountTarget(role=ROLE, account="222222222222"), WHO)


def test_a_role_that_cannot_be_assumed_now_may_be_tried_again(shared):
    """An unreadable answer of STS is an error of the account."""

    def broken(request, _body):
        request.send_response(200)
        request.send_header("Content-Length", "5")
        request.end_headers()
        request.wfile.write(b"<html")

    with serving(broken) as url, pytest.raises(AwsUnreadableError, match="sts:AssumeRole"):
        shared(url).open(AccountTarget(role=ROLE))


def test_a_role_signs_every_request_of_its_clients(shared):
    """Clients as a role assume it once, with the credentials at hand, also for changes."""
    aws = Aws()
    with serving(aws.answer) as url:
        home = shared(url).home
        made = Clients(lambda: role_session(home, ROLE, "test"), endpoint_url=url)
        made.reader().describe_vpn_gateways()
        made.writer().describe_vpn_connections()

    assert aws.keys == [
        ("AssumeRole", "AKIA111111111111"),
        ("DescribeVpnGateways", "ASIA222222222222"),
        ("DescribeVpnConnections", "ASIA222222222222"),
    ]
