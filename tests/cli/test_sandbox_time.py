"""Clock of a process: the machine's, unless the operator names a served sandbox."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from vpnmigrate.aws.account import Account
from vpnmigrate.cli.context import real_dependencies
from vpnmigrate.cli.main import run_command
from vpnmigrate.cli.options import AwsOptions
from vpnmigrate.cli.sandbox_dependencies import SandboxTimeDependencies
from vpnmigrate.local.settings import settings_of
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.clock import SteadyClock
from vpnmigrate.model.errors import UsageError
from vpnmigrate.sandbox.server.clock import ScaledClock
from vpnmigrate.sandbox.server.serve import Server, serve
from vpnmigrate.sandbox.world import World

YEAR = timedelta(days=365)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    clock = ScaledClock()
    clock.advance(YEAR)
    with serve(World(clock)) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


class _OtherServer(BaseHTTPRequestHandler):
    """An EC2-compatible server that answers like a sandbox's clock."""

    def do_GET(self) -> None:
        self.send_response(404)
        self.end_headers()
        self.wfile.write(b"<Response><Errors/></Response>")

    def log_message(self, *_line: object) -> None:
        pass


@pytest.fixture
def other_server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _OtherServer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_is_that_of_the_sandbox_and_so_is_awss(server, tmp_path):
    """A process with a sandbox's clock works although AWS's clock differs."""
    parts = SandboxTimeDependencies(server.url)
    account = Account(parts.clients(AwsOptions()), parts.clock, Vault(tmp_path))

    assert parts.clock.now() - datetime.now(UTC) > YEAR - timedelta(minutes=1)
    ahead = account.identity().ahead
    assert ahead is not None
    assert ahead < timedelta(seconds=2)


@pytest.mark.usefixtures("server")
def test_is_the_machines_in_front_of_a_sandbox_that_was_not_named():
    """Without the variable no server moves the clock, not even a sandbox that is a year ahead."""
    parts = real_dependencies(settings_of(os.environ))
    parts.clients(AwsOptions())

    assert isinstance(parts.clock, SteadyClock)


def test_a_call_to_anybody_else_is_refused_before_it_is_sent(server, monkeypatch):
    """A variable left over from a tutorial is refused for a real account."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    parts = SandboxTimeDependencies(server.url)

    with pytest.raises(UsageError, match="AWS calls go to a different endpoint") as refused:
        parts.clients(AwsOptions(region="eu-west-1"))

    assert refused.value.advice_text.startswith("unset VPNMIGRATE_CLOCK")


def test_one_service_elsewhere_is_enough_to_refuse(server, monkeypatch):
    """Endpoints of single services take precedence over the general one."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "https://example.org")

    with pytest.raises(UsageError, match=r"endpoint, https://example\.org"):
        SandboxTimeDependencies(server.url).clients(AwsOptions())


@pytest.mark.parametrize(
    "url",
    [
        "http://198.51.100.7:5055",
        "https://127.0.0.1:5055",
        "http://sandbox.example.org",
        "127.0.0.1:5055",
        "file:///etc/passwd",
        "http://[::1",
        "1",
    ],
)
def test_is_taken_from_this_machine_alone(url):
    """A clock on another machine is refused without asking it."""
    with pytest.raises(UsageError, match="listens on loopback only"):
        SandboxTimeDependencies(url)


def test_is_taken_from_a_sandbox_alone(other_server):
    """Another EC2-compatible server is refused as a clock."""
    with pytest.raises(UsageError, match="is not a vpnmigrate sandbox"):
        SandboxTimeDependencies(other_server)


def test_a_sandbox_that_has_gone_ends_the_command(monkeypatch, capsys, tmp_path):
    """Without an answer from the sandbox the command fails, and names the variable to unset."""
    monkeypatch.setenv("VPNMIGRATE_CLOCK", "http://127.0.0.1:9")

    code = run_command(("status", "--run-dir", str(tmp_path)))

    output = " ".join(capsys.readouterr().err.split())
    assert code == 2
    assert (
        "VPNMIGRATE_CLOCK=http://127.0.0.1:9 cannot be used as the clock: no sandbox answers"
        in output
    )
    assert "unset VPNMIGRATE_CLOCK" in output
