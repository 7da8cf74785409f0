"""The network path to an endpoint, from the resolver and the routing table."""

from __future__ import annotations

import pytest

from vpnmigrate.aws.network_path import HostNetworkPaths
from vpnmigrate.engine.ports import NetworkPath


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_an_endpoint_is_reached_at_its_own_address():
    """A path has the service, the addresses of its endpoint and the local address."""
    paths = HostNetworkPaths({"EC2": "http://127.0.0.1:5000"}).read()

    assert paths == (NetworkPath("EC2", ("127.0.0.1",), "127.0.0.1"),)


def test_a_proxy_stands_in_for_the_endpoint(monkeypatch):
    """With a proxy the path is the one to the proxy; the endpoint is not resolved."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:3128")

    (path,) = HostNetworkPaths({"EC2": "https://ec2.nowhere.invalid"}).read()

    assert path.addresses == ("127.0.0.1",)


def test_a_name_that_does_not_resolve_leaves_the_path_empty():
    """An unknown path is empty, and the gate fails for it."""
    (path,) = HostNetworkPaths({"EC2": "https://\u00e9" + "x" * 70 + ".invalid"}).read()

    assert path == NetworkPath("EC2", (), "")
