"""Which requests a served sandbox accepts, and their maximum size."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping

import pytest

from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.sandbox.server.clock import ScaledClock
from vpnmigrate.sandbox.server.guard import is_loopback
from vpnmigrate.sandbox.server.serve import Server, serve
from vpnmigrate.sandbox.world import World

JSON = {"Content-Type": "application/json"}
EC2 = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=k/20260101/eu-west-1/ec2/aws4_request",
    "Content-Type": "application/x-www-form-urlencoded",
}
ADVANCE = "/_sandbox/time/advance"
DESCRIBE = b"Action=DescribeVpnGateways&Version=2016-11-15"
HOUR = b'{"seconds": 3600}'


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Serve an empty world on a stopped clock."""
    with serve(World(ScaledClock(machine=VirtualClock()))) as served:
        yield served


def ask(
    server: Server,
    method: str,
    path: str,
    body: bytes = b"",
    headers: Mapping[str, str] = JSON,
    host: str = "",
) -> tuple[int, bytes]:
    """Send one request and return the status and the body of its answer."""
    address = server.url.removeprefix("http://")
    connection = http.client.HTTPConnection(address, timeout=60)
    try:
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", host or address)
        connection.putheader("Content-Length", str(len(body)))
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:5000",
        "LOCALHOST:1",
        "127.0.0.1",
        "127.9.9.9:80",
        "[::1]",
        "[::1]:5000",
    ],
)
def test_loopback_hosts(host):
    """Programs on this machine, or behind an SSH tunnel, use one of these hosts."""
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        *("", "evil", "evil:5000", "localhost.evil", "127.0.0.1.evil", "evil.localhost:1"),
        *(
            "10.0.0.1",
            "[::2]",
            "::1",
            "0.0.0.0",
            "localhost:",
            "localhost:5000:1",
            "user@localhost",
        ),
        *("2130706433", "127.0.0.1 ", "127.1"),
    ],
)
def test_other_hosts(host):
    """Names as in DNS rebinding, and unusual spellings, are refused."""
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [(ADVANCE, HOUR, JSON), ("/", DESCRIBE, EC2)],
    ids=["control", "EC2"],
)
class TestWebPages:
    """Neither the control endpoint nor the EC2 API answers a web page."""

    def test_a_program_is_answered(self, server, path, body, headers):
        """The same request from a program succeeds."""
        assert ask(server, "POST", path, body, headers)[0] == 200

    @pytest.mark.parametrize("host", ["evil", "evil:5000", "127.0.0.1.evil"])
    def test_another_host_is_refused(self, server, path, body, headers, host):
        """With DNS rebinding a request has the page's host name."""
        status, found = ask(server, "POST", path, body, headers, host)

        assert status == 403
        assert b"Host" in found

    @pytest.mark.parametrize(
        "page",
        [
            {"Origin": "https://evil"},
            {"Origin": "null"},
            {"Origin": "http://127.0.0.1:5000"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ],
        ids=str,
    )
    def test_a_page_is_refused(self, server, path, body, headers, page):
        """A browser sends the origin of a request."""
        assert ask(server, "POST", path, body, {**headers, **page})[0] == 403


def test_a_page_cannot_move_the_clock(server):
    """A refused request has no effect."""
    before = ask(server, "GET", "/_sandbox/state")[1]
    ask(server, "POST", ADVANCE, HOUR, {**JSON, "Origin": "https://evil"})

    assert ask(server, "GET", "/_sandbox/state")[1] == before


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
@pytest.mark.parametrize("path", [ADVANCE, "/_sandbox/devices", "/_sandbox/devices/vpn-1/disable"])
def test_an_order_is_json(server, path, kind):
    """A web page may send these content types to any host without consent."""
    assert ask(server, "POST", path, HOUR, {"Content-Type": kind})[0] == 415


@pytest.mark.parametrize(
    "path",
    [
        "/moto-api/",
        "/moto-api/recorder/start-recording",
        "/moto-api/recorder/upload-recording",
        "/moto-api/reset",
        "//moto-api/recorder/start-recording",
        "/MOTO-API/reset",
        "/%6doto-api/recorder/start-recording",
    ],
)
@pytest.mark.parametrize("headers", [{}, EC2], ids=["unsigned", "signed"])
def test_motos_own_control_is_not_served(server, path, headers, tmp_path, monkeypatch):
    """Moto's recorder would write every request, with its keys, to the working directory."""
    monkeypatch.chdir(tmp_path)

    for method in ("POST", "GET"):
        assert ask(server, method, path, DESCRIBE, headers)[0] == 404
    ask(server, "POST", "/", DESCRIBE, EC2)
    assert not (tmp_path / "moto_recording").exists()


@pytest.mark.parametrize("service", ["moto_api", "moto-api", "motoapi"])
def test_motos_own_control_is_not_reached_by_a_signature(server, service):
    """The service comes from the credential's scope, and moto's control is not among them."""
    scope = f"AWS4-HMAC-SHA256 Credential=k/20260101/eu-west-1/{service}/aws4_request"

    assert ask(server, "POST", "/", DESCRIBE, {**EC2, "Authorization": scope})[0] == 400


@pytest.mark.parametrize("path", [ADVANCE, "/_sandbox/devices"])
class TestBodies:
    """A body of any size and form is answered, with limited memory."""

    @pytest.mark.parametrize(
        "body",
        [b"[" * 60_000, b'{"seconds":' * 5_000, b"\xff\xfe", b"", b"{", b"nul"],
        ids=["deep list", "deep object", "no text", "empty", "half", "word"],
    )
    def test_what_is_no_object_is_400(self, server, path, body):
        """A body that is not a JSON object is refused, at any nesting depth."""
        assert ask(server, "POST", path, body)[0] == 400

    @pytest.mark.parametrize("size", [65_537, 200_000, 4 * 1024 * 1024 + 1, 40_000_000])
    def test_what_is_too_large_is_413(self, server, path, size):
        """The client can read the refusal, because the server reads and discards the body."""
        assert ask(server, "POST", path, b"[" * size)[0] == 413

    def test_a_body_without_a_length_is_411(self, server, path):
        """A body of unknown length is refused."""
        chunked = {**JSON, "Transfer-Encoding": "chunked"}

        assert ask(server, "POST", path, b"", chunked)[0] == 411


def test_a_call_of_ec2_has_a_limit_too(server):
    """The EC2 API on the same port has a limit too."""
    assert ask(server, "POST", "/", b"A" * (4 * 1024 * 1024 + 1), EC2)[0] == 413
