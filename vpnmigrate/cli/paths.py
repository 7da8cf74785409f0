"""How this host reaches AWS: names resolved, and its own address on the way; nothing is sent."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from vpnmigrate.ports import Path


class HostPaths:
    """Reads the ways to *endpoints*, a service's name to its URL.

    A proxy that the environment names stands in for the endpoint: it is what has to be reached.
    """

    def __init__(self, endpoints: Mapping[str, str]) -> None:
        self._endpoints = dict(endpoints)

    def read(self) -> Sequence[Path]:
        """Resolve every endpoint; what cannot be found out stays empty."""
        return [self._path(service, url) for service, url in sorted(self._endpoints.items())]

    def _path(self, service: str, url: str) -> Path:
        via = urlsplit(_proxy_for(url) or url)
        port = via.port or (443 if via.scheme == "https" else 80)
        addresses = _resolved(via.hostname or "", port)
        local = next((own for a in addresses if (own := _own_address(a, port))), "")
        return Path(service, addresses, local)


def _proxy_for(url: str) -> str:
    host = urlsplit(url).hostname or ""
    if urllib.request.proxy_bypass(host):
        return ""
    return urllib.request.getproxies().get(urlsplit(url).scheme, "")


def _resolved(host: str, port: int) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(sorted({str(address[0]) for *_, address in found}))


def _own_address(address: str, port: int) -> str:
    """Give our address on the way to *address*: connecting a datagram socket sends nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, port))
            return str(probe.getsockname()[0])
    except OSError:
        return ""
