"""Network of the lab: a site, its device, AWS's endpoints and a VPC, with real daemons.

AWS's side is made from what the sandbox's EC2 has: a connection's endpoints exist from its
creation to its deletion, and the VPC is attached when its gateway is.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final

from vpnmigrate.model.clock import Clock
from vpnmigrate.model.ec2 import CLASSIC
from vpnmigrate.rehearsal.lab.algorithms import listed, negotiated, proposals
from vpnmigrate.rehearsal.lab.daemons import Bird, Charon, SecurityAssociations
from vpnmigrate.rehearsal.lab.namespaces import LAB, Namespace, connect

DEVICE_LINK: Final = "lan"
_WAN: Final = "100.64.0."
"""First three numbers of the underlay's own addresses, which no tunnel uses."""
_NAME: Final = "aws"
"""Connection and child in the daemon of an endpoint, which has one of each."""
_FAR: Final = 5000
"""Metric of the route that refuses what no tunnel carries."""


@dataclass(frozen=True)
class EndpointTunnel:
    """A tunnel as AWS has it."""

    outside_ip: str
    inside: IPv4Network
    key: str
    options: Mapping[str, Any]

    @property
    def aws_inside(self) -> IPv4Address:
        """AWS's inside address, the first of the network."""
        return self.inside[1]

    @property
    def device_inside(self) -> IPv4Address:
        """The device's inside address, the second one."""
        return self.inside[2]


@dataclass(frozen=True)
class EndpointConnection:
    """A connection as AWS has it; its gateway's ASN is None for a static one."""

    id: str
    category: str
    device_ip: str
    device_asn: int
    asn: int | None
    tunnels: tuple[EndpointTunnel, ...]


@dataclass(frozen=True)
class LabTelemetry:
    """What AWS sees of a tunnel."""

    up: bool
    message: str = ""
    routes: int = 0
    negotiated: Mapping[str, Any] = field(default_factory=dict)
    """What EC2 shows of its security associations."""
    keys: tuple[str, str] | None = None
    """The numbers of its security associations, of IKE and IPsec; None while it is down."""


class AwsEndpoint:
    """AWS's end of one tunnel: a daemon in its own namespace, and a link of the gateway."""

    def __init__(
        self, tunnel: EndpointTunnel, number: int, underlay: Namespace, clock: Clock
    ) -> None:
        self.tunnel: Final = tunnel
        self.link: Final = f"tunnel{number}"
        self.associations: SecurityAssociations | None = None
        """None while the tunnel is down."""
        namespace = Namespace(f"ep{number}")
        # An address of a host alone, so any outside address that EC2 gives is possible.
        connect(
            namespace, "wan", f"{tunnel.outside_ip}/32", underlay, f"ep{number}",
            f"{_WAN}{number}/32",
        )  # fmt: skip
        namespace.ip(
            f"route add {_WAN}{number} dev wan",
            f"route add default via {_WAN}{number} src {tunnel.outside_ip}",
        )
        underlay.ip(f"route add {tunnel.outside_ip}/32 dev ep{number}")
        self.charon: Final = Charon(f"ep{number}", namespace, clock)

    @property
    def is_up(self) -> bool:
        """Whether IKE and IPsec are established."""
        return self.associations is not None


class AwsGateway:
    """The endpoints of one connection, the routes between them, and the link to the VPC."""

    def __init__(
        self, connection: EndpointConnection, number: int, network: LabNetwork, clock: Clock
    ) -> None:
        self.connection: Final = connection
        self._network, self._lock = network, threading.RLock()
        self._attached = False
        self._prefixes: tuple[str, ...] = ()
        self.deleted = False
        self.namespace: Final = Namespace(f"vgw{number}", forward=True)
        near, far = f"172.16.{number}.1", f"172.16.{number}.2"
        self._near: Final = near
        connect(self.namespace, "vpc", f"{near}/30", network.vpc, f"vgw{number}", f"{far}/30")
        for net in network.vpc_networks:
            self.namespace.ip(f"route add {net} via {far}")
        for net in network.site_networks:
            self.namespace.ip(f"route add unreachable {net} metric {_FAR}")
        self.endpoints: Final = tuple(
            AwsEndpoint(tunnel, 2 * number + each, network.underlay, clock)
            for each, tunnel in enumerate(connection.tunnels, 1)
        )
        for endpoint in self.endpoints:
            self._prepare(endpoint)
        self._bird: Final = self._start_bird(number, clock) if connection.asn else None

    def _prepare(self, endpoint: AwsEndpoint) -> None:
        tunnel, charon = endpoint.tunnel, endpoint.charon
        charon.wait()
        charon.adopt(self.namespace, endpoint.link)
        self.namespace.ip(f"addr add {tunnel.aws_inside}/30 dev {endpoint.link}")
        charon.watch(lambda found: self._changed(endpoint, found))
        charon.load(tunnel.key, endpoint_settings(self.connection, tunnel))

    def _start_bird(self, number: int, clock: Clock) -> Bird:
        folder = LAB / f"vgw{number}"
        folder.mkdir()
        neighbours = "".join(
            f"""
protocol bgp {endpoint.link} {{
  local {endpoint.tunnel.aws_inside} as {self.connection.asn};
  neighbor {endpoint.tunnel.device_inside} as {self.connection.device_asn};
  hold time 30; keepalive time 10;
  connect delay time 1; connect retry time 2; error wait time 1, 2;
  ipv4 {{
    import filter {{ bgp_local_pref = {200 - order}; accept; }};
    export where source = RTS_STATIC;
    next hop self;
  }};
}}"""
            for order, endpoint in enumerate(self.endpoints)
        )
        origin = " ".join(f"route {net} blackhole;" for net in self._network.vpc_networks)
        return Bird(
            self.namespace,
            clock,
            folder,
            f"router id {self.endpoints[0].tunnel.aws_inside};\n"
            "protocol device { scan time 1; }\n"
            "protocol kernel { ipv4 { import none; export where source = RTS_BGP; }; }\n"
            f"protocol static origin {{ disabled; ipv4; {origin} }}\n{neighbours}\n",
        )

    def _changed(self, endpoint: AwsEndpoint, found: SecurityAssociations | None) -> None:
        """Set the link as the tunnel is: an interface of AWS follows its tunnel."""
        with self._lock:
            was_up, endpoint.associations = endpoint.is_up, found
            if endpoint.is_up != was_up:
                state = "up" if endpoint.is_up else "down"
                self.namespace.ip(f"link set {endpoint.link} {state}", check=False)
                self._route(endpoint)

    def announce(self, prefixes: tuple[str, ...]) -> None:
        """Set the static routes to the site."""
        with self._lock:
            if prefixes != self._prefixes:
                self._prefixes = prefixes
                for endpoint in self.endpoints:
                    self._route(endpoint)

    def _route(self, endpoint: AwsEndpoint) -> None:
        """Route the static prefixes through a tunnel that is up."""
        metric = 100 + self.endpoints.index(endpoint)
        for net in self._prefixes if endpoint.is_up else ():
            command = f"route replace {net} dev {endpoint.link} metric {metric}"
            self.namespace.ip(command, check=False)

    def attach(self, *, attached: bool) -> None:
        """Announce the VPC's networks over BGP exactly while the gateway is attached."""
        if attached != self._attached and self._bird is not None:
            list(self._bird.command(f"{'enable' if attached else 'disable'} origin"))
        self._attached = attached

    @property
    def address(self) -> str:
        """The gateway's address in the VPC."""
        return self._near

    def telemetry(self) -> dict[str, LabTelemetry]:
        """Return what AWS sees of each tunnel, by outside address (domain.md 6.6)."""
        return {e.tunnel.outside_ip: self._seen(e) for e in self.endpoints}

    def _seen(self, endpoint: AwsEndpoint) -> LabTelemetry:
        found = endpoint.associations
        if found is None:
            return LabTelemetry(up=False, message="IPSEC IS DOWN")
        up = LabTelemetry(
            up=True,
            routes=len(self._prefixes),
            negotiated=negotiated(found),
            keys=(found.ike["uniqueid"], found.child["uniqueid"]),
        )
        if self._bird is None:
            return up
        if not self._bird.is_established(endpoint.link):
            return replace(up, up=False, message="IPSEC IS UP", routes=0)
        routes = self._bird.received(endpoint.link)
        return replace(up, message=f"{routes} BGP ROUTES", routes=routes)

    def rekey(self, outside_ip: str, what: str) -> None:
        """Begin to rekey a tunnel that is up: ``ike`` or ``child``."""
        for endpoint in self.endpoints:
            if endpoint.tunnel.outside_ip == outside_ip and endpoint.is_up:
                endpoint.charon.rekey(_NAME, what)

    def delete(self) -> None:
        """Make the endpoints stop answering."""
        self.deleted = True
        for endpoint in self.endpoints:
            endpoint.charon.unload(_NAME)


class LabNetwork:
    """The namespaces of the site, the device, the underlay and the VPC, and AWS's gateways."""

    def __init__(
        self,
        clock: Clock,
        device_ip: str,
        site_networks: Sequence[str],
        vpc_networks: Sequence[str],
    ) -> None:
        self._clock = clock
        self.device_ip: Final = device_ip
        self.site_networks: Final = tuple(site_networks)
        self.vpc_networks: Final = tuple(vpc_networks)
        self.site: Final = Namespace("site")
        self.device: Final = Namespace("cgw", forward=True)
        self.front: Final = Namespace("fvrf")
        self.underlay: Final = Namespace("wan", forward=True)
        self.vpc: Final = Namespace("vpc")
        self.gateways: Final[dict[str, AwsGateway]] = {}
        lan = IPv4Network(site_networks[0])
        self.site_host: Final = str(lan[10])
        self.vpc_host: Final = str(IPv4Network(vpc_networks[0])[10])
        connect(
            self.site, "eth0", f"{self.site_host}/{lan.prefixlen}",
            self.device, DEVICE_LINK, f"{lan[1]}/{lan.prefixlen}",
        )  # fmt: skip
        self.site.ip(f"route add default via {lan[1]}")
        connect(
            self.front, "wan", f"{device_ip}/32", self.underlay, "cgw", f"{_WAN}254/32"
        )  # fmt: skip
        self.front.ip(f"route add {_WAN}254 dev wan", f"route add default via {_WAN}254")
        self.underlay.ip(f"route add {device_ip}/32 dev cgw")
        self.vpc.ip(f"addr add {self.vpc_host}/32 dev lo")
        for net in site_networks:
            self.vpc.ip(f"route add unreachable {net} metric {_FAR}")
        self._dark: set[str] = set()
        self.returning: Mapping[str, str] = {}
        """The routes of the VPC to the site: network to connection."""

    def darken(self, outside_ip: str) -> None:
        """Drop every packet to and from an endpoint silently."""
        if outside_ip not in self._dark:
            self._dark.add(outside_ip)
            self.underlay.ip(*_darkness(outside_ip, "add"))

    def lighten(self, outside_ip: str) -> None:
        """Undo ``darken``, if it was called."""
        if outside_ip in self._dark:
            self._dark.remove(outside_ip)
            self.underlay.ip(*_darkness(outside_ip, "del"))

    def create(self, connection: EndpointConnection) -> None:
        """Create the endpoints of *connection*."""
        number = len(self.gateways)
        self.gateways[connection.id] = AwsGateway(connection, number, self, self._clock)

    def route_vpc(self, returning: Mapping[str, str]) -> None:
        """Set the routes of the VPC to the site: network to connection."""
        for net in self.returning.keys() - returning.keys():
            self.vpc.ip(f"route del {net} metric 10", check=False)
        for net, connection in returning.items():
            if self.returning.get(net) != connection:
                via = self.gateways[connection].address
                self.vpc.ip(f"route replace {net} via {via} metric 10 src {self.vpc_host}")
        self.returning = dict(returning)


def _darkness(outside_ip: str, verb: str) -> tuple[str, ...]:
    """Return the rules that drop packets to and from an address, before any route lookup."""
    return tuple(f"rule {verb} {side} {outside_ip} blackhole" for side in ("from", "to"))


_CLASSIC_PROPOSAL: Final = "aes128-sha1-modp1024"
"""All that a Classic connection speaks (domain.md 1.1)."""


def endpoint_settings(connection: EndpointConnection, tunnel: EndpointTunnel) -> dict[str, Any]:
    """Return what AWS's end accepts, as charon reads it; it never initiates."""
    classic = connection.category == CLASSIC
    versions = listed(tunnel.options, "IKEVersions") or ["ikev1", "ikev2"]
    return {
        _NAME: {
            "version": "1" if classic or versions == ["ikev1"] else str(2 * (len(versions) == 1)),
            "local_addrs": [tunnel.outside_ip],
            "remote_addrs": [connection.device_ip],
            "proposals": [_CLASSIC_PROPOSAL] if classic else proposals(tunnel.options, 1),
            "encap": "yes",
            "mobike": "no",
            "dpd_delay": "10s",
            "dpd_timeout": "30s",
            "rekey_time": "25200s",
            "local-1": {"auth": "psk", "id": tunnel.outside_ip},
            "remote-1": {"auth": "psk", "id": connection.device_ip},
            "children": {
                _NAME: {
                    "local_ts": ["0.0.0.0/0"],
                    "remote_ts": ["0.0.0.0/0"],
                    "esp_proposals": [_CLASSIC_PROPOSAL]
                    if classic
                    else proposals(tunnel.options, 2),
                    "rekey_time": "3240s",
                    "life_time": "3600s",
                    "start_action": "none",
                    "dpd_action": "clear",
                    "close_action": "none",
                }
            },
        }
    }
