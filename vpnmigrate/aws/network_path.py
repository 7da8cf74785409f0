"""Network path: how this host reaches the AWS endpoints."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from contextlib import closing
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from vpnmigrate.engine.ports import NetworkPath

PORTS = {"https": 443, "http": 80}


class HostNetworkPaths:
    """Network paths to *endpoints* (service to URL), through the proxy if one is set."""

    def __init__(self, endpoints: Mapping[str, str]) -> None:
        self._endpoints = endpoints

    def read(self) -> tuple[NetworkPath, ...]:
        """Return the path to every endpoint; unknown fields are empty."""
        return tuple(_path(service, url) for service, url in sorted(self._endpoints.items()))


def _path(service: str, url: str) -> NetworkPath:
    host, port = _first_hop(url)
    addresses = tuple(sorted(set(_resolve(host, port))))
    return NetworkPath(service, addresses, _local_address(addresses[0], port) if addresses else "")


def _first_hop(url: str) -> tuple[str, int]:
    """Return the host and port that this machine connects to: the proxy's, if any."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxy = getproxies().get(parts.scheme)
    if proxy and not proxy_bypass(host):
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return parts.hostname or "", parts.port or PORTS[parts.scheme]


def _resolve(host: str, port: int) -> Iterable[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return (str(sockaddr[0]).split("%")[0] for *_, sockaddr in found)


def _local_address(address: str, port: int) -> str:
    """Return the local address of a route; connecting a datagram socket sends no packet."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect((address, port))
        except OSError:
            return ""
        return str(probe.getsockname()[0])
