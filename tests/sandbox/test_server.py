"""How a sandbox listens, what it may listen on, and how it stops."""

from __future__ import annotations

import gc
import http.client
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from vpnmigrate.model.errors import UsageError
from vpnmigrate.sandbox.server.clock import ScaledClock
from vpnmigrate.sandbox.server.serve import Server, serve
from vpnmigrate.sandbox.world import World

RESETS = 20


@pytest.fixture
def world() -> World:
    return World(ScaledClock())


@pytest.fixture
def server(world: World) -> Iterator[Server]:
    with serve(world) as running:
        yield running


def test_a_client_needs_only_the_environment_it_prints(server, world, monkeypatch):
    """With the printed variables set, boto3 reaches the world and reads its account."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)

    assert boto3.client("sts").get_caller_identity()["Account"] == world.account
    assert boto3.client("ec2").describe_vpn_gateways()["VpnGateways"] == []


@pytest.mark.parametrize(
    ("key", "user"),
    [
        ("SANDBOX_BOB", "bob"),
        ("SANDBOX", "sandbox"),
        ("SANDBOX_", "sandbox"),
        ("SANDBOX_bob.x", "sandbox"),
        ("AKIAIOSFODNN7EXAMPLE", "sandbox"),
    ],
)
def test_a_key_id_can_name_its_user(server, world, key, user):
    """STS returns an ARN for each key id SANDBOX_NAME, and one user for every other key id."""
    sts = boto3.client(
        "sts",
        endpoint_url=server.url,
        region_name=world.region,
        aws_access_key_id=key,
        aws_secret_access_key="x",
    )

    assert sts.get_caller_identity()["Arn"] == f"arn:aws:iam::{world.account}:user/{user}"


def test_another_region_is_empty(server, world):
    """Resources of the world's Region are not visible in another one."""
    here, there = (
        boto3.client("ec2", endpoint_url=server.url, region_name=region)
        for region in (world.region, "us-west-2")
    )

    here.create_vpn_gateway(Type="ipsec.1")

    assert len(here.describe_vpn_gateways()["VpnGateways"]) == 1
    assert there.describe_vpn_gateways()["VpnGateways"] == []


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.com"])
def test_only_loopback_is_listened_on(world, host):
    """The server checks no signature, so no other machine may reach it."""
    with pytest.raises(UsageError, match=r"loopback|not an IP address"):
        serve(world, host)


def test_a_port_in_use_is_named(world):
    """An occupied port is a usage error that names it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(UsageError, match=f"127.0.0.1 port {port}: Address already in use"):
            serve(world, port=port)


def test_stopping_frees_the_port(world):
    """The port of a stopped server can be bound again at once."""
    with serve(world) as first:
        port = int(first.url.rpartition(":")[2])

    with serve(world, port=port) as second:
        assert second.url == first.url


def test_ipv6_loopback_is_served(world):
    """A URL with the IPv6 loopback address is one that a client can use."""
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with (
        serve(world, "::1") as server,
        urllib.request.urlopen(f"{server.url}/_sandbox/state") as got,
    ):
        assert got.status == 200


_PROGRAM = """
from vpnmigrate.sandbox.server.clock import ScaledClock
from vpnmigrate.sandbox.server.serve import serve
from vpnmigrate.sandbox.world import World

with serve(World(ScaledClock())) as server:
    print(server.url, flush=True)
    server.wait()
print("stopped", flush=True)
"""


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_cleanly(stop):
    """Ctrl-C and SIGTERM end the wait; the server itself has printed nothing."""
    command = [sys.executable, "-W", "error", "-c", _PROGRAM]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with urllib.request.urlopen(f"{url}/_sandbox/state") as answer:
            answer.read()

        process.send_signal(stop)
        said = process.communicate(timeout=30)

    assert (process.returncode, said) == (0, ("stopped\n", ""))


def test_a_connection_that_its_client_resets_leaves_no_descriptor(server: Server) -> None:
    """The server's descriptors do not wait for a garbage collection, which may come late."""
    reset = struct.pack("ii", 1, 0)
    garbage = gc.isenabled()
    gc.disable()
    try:
        before = _descriptors()
        for _ in range(RESETS):
            client = http.client.HTTPConnection(server.url.removeprefix("http://"))
            client.connect()
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            client.request("GET", "/_sandbox/state")
            client.getresponse().read()
            client.close()
        deadline = time.monotonic() + 30
        while _descriptors() > before + RESETS // 2:
            assert time.monotonic() < deadline, _descriptors() - before
            time.sleep(0.05)
    finally:
        if garbage:
            gc.enable()


def _descriptors() -> int:
    return len([*Path("/dev/fd").iterdir()])
