"""Customer gateway configuration: EC2's XML as values, with keys hidden.

The document has two variants, with and without ``bgp`` elements; some of its texts have
surrounding white space; the order of its tunnels is not stable (domain.md 3.3, 9.1).  Tunnels are
therefore identified by outside address, never by position.  ``secret`` has the rules for keys.

``parse_partial`` accepts a document that lacks a tunnel, ``parse_configuration`` only a whole one.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import ParseError

from defusedxml.ElementTree import fromstring

from vpnmigrate.devices.secret import Secret, key_of, key_visibility
from vpnmigrate.model.ec2 import TUNNELS, KeyVisibility
from vpnmigrate.model.errors import VpnMigrateError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MOST_CHARACTERS: Final = 256 * 1024
"""EC2's document has about 6,000 characters; one of forty times that size is invalid."""


class ConfigurationError(VpnMigrateError):
    """Invalid configuration document.  Its text is never part of the message."""

    id = "VPM-E505"
    remedy = "Report the connection; its configuration has another form than AWS documents."


class IncompleteConfigurationError(ConfigurationError):
    """A document with fewer tunnels than a connection has: EC2 may complete it later."""

    id = "VPM-E506"
    remedy = "Wait until the connection is available, then run the same command again."


@dataclass(frozen=True)
class TunnelEnd:
    """One end of a tunnel.  BGP values are None on a static connection."""

    outside_ip: str
    inside_ip: str
    inside_cidr: str
    asn: int | None = None
    hold_time: int | None = None


@dataclass(frozen=True)
class Proposal:
    """Parameters of one IKE phase in EC2's words; empty if EC2 does not give them.

    They are the weakest that AWS accepts, not the options chosen for the connection
    (domain.md 9.1).
    """

    protocol: str = ""
    authentication: str = ""
    encryption: str = ""
    lifetime: int | None = None
    forward_secrecy: str = ""
    mode: str = ""


@dataclass(frozen=True)
class PacketSettings:
    """Packet size and dead peer detection of a tunnel."""

    mss: int | None = None
    clear_df_bit: bool | None = None
    fragment_before_encryption: bool | None = None
    dead_peer_interval: int | None = None
    dead_peer_retries: int | None = None


@dataclass(frozen=True)
class TunnelConfiguration:
    """One tunnel.  ``key`` is None with certificates, or if AWS does not return it."""

    customer: TunnelEnd
    amazon: TunnelEnd
    ike: Proposal
    ipsec: Proposal
    packets: PacketSettings
    key: Secret | None = None
    key_visibility: KeyVisibility = KeyVisibility.UNKNOWN
    members: tuple[tuple[str, str], ...] = ()
    """Each member of the document that has a value, but the key: path and text."""

    @property
    def outside_ip(self) -> str:
        """AWS's outside address, which identifies the tunnel."""
        return self.amazon.outside_ip


@dataclass(frozen=True)
class DeviceConfiguration:
    """A connection's device configuration; tunnels sorted by outside address."""

    connection: str
    customer_gateway: str
    vpn_gateway: str
    tunnels: tuple[TunnelConfiguration, ...]
    connection_type: str = ""
    attributes: str = ""
    unknown: tuple[str, ...] = ()
    """Paths of the elements and attributes that this program does not know, sorted.

    Of an element that a document repeats, the first is used; it is listed as well, and so is one
    whose text is not the number or truth value that it has to be, and the ASN that one end lacks.
    Without their values, which may be keys.
    """

    @property
    def static(self) -> bool:
        """Whether no tunnel uses BGP."""
        return all(tunnel.amazon.asn is None for tunnel in self.tunnels)

    @property
    def keys(self) -> tuple[Secret, ...]:
        """Every key in the configuration, used to hide them in messages of AWS and botocore."""
        return tuple(tunnel.key for tunnel in self.tunnels if tunnel.key)


def parse_configuration(text: str) -> DeviceConfiguration:
    """Return EC2's document as values.

    Raises:
        IncompleteConfigurationError: It has fewer than two tunnels.
        ConfigurationError: As for ``parse_partial``.
    """
    configuration = parse_partial(text)
    if len(configuration.tunnels) != TUNNELS:
        raise IncompleteConfigurationError(_wrong_number(len(configuration.tunnels)))
    return configuration


def parse_partial(text: str) -> DeviceConfiguration:
    """Return EC2's document as values; one of its tunnels may be missing.

    Raises:
        IncompleteConfigurationError: It has no tunnel, or one without an outside address.
        ConfigurationError: It is too long, not XML, not a ``vpn_connection``, has more than two
            tunnels, an invalid ASN, or a document type, which may contain entities.
    """
    if len(text) > MOST_CHARACTERS:
        raise ConfigurationError(
            f"the configuration has {len(text)} characters, more than {MOST_CHARACTERS}"
        )
    return _read(text)


@lru_cache(maxsize=64)
def _read(text: str) -> DeviceConfiguration:
    """Return a document as values; cached, because every survey parses it and it rarely changes."""
    try:
        # A copy that was saved by hand may begin with white space, which XML forbids.
        root = fromstring(text.lstrip("\ufeff \t\r\n"), forbid_dtd=True)
    except (ParseError, ValueError, LookupError) as exc:
        # The parser's message may quote the document.
        raise ConfigurationError(
            f"the configuration is not valid XML ({type(exc).__name__})"
        ) from None
    for element in root.iter():
        element.tag = _local_name(element.tag)
    if root.tag != "vpn_connection":
        raise ConfigurationError("the configuration is XML without a vpn_connection root element")
    found = sorted((_tunnel(e) for e in root.iterfind("ipsec_tunnel")), key=_outside)
    addresses = len({_outside(tunnel) for tunnel in found} - {""})
    if not found or addresses != len(found) or addresses > TUNNELS:
        kind = IncompleteConfigurationError if addresses < TUNNELS else ConfigurationError
        raise kind(_wrong_number(len(found), addresses))
    return DeviceConfiguration(
        connection=(root.get("id") or "").strip(),
        customer_gateway=_text(root, "customer_gateway_id"),
        vpn_gateway=_text(root, "vpn_gateway_id"),
        connection_type=_text(root, "vpn_connection_type"),
        attributes=_text(root, "vpn_connection_attributes"),
        tunnels=tuple(found),
        unknown=tuple(
            sorted({*(set(_paths(root)) - KNOWN_PATHS), *_repeated(root), *_unread(root)})
        ),
    )


def _wrong_number(found: int, addresses: int | None = None) -> str:
    return (
        f"the configuration has {found} tunnels with "
        f"{found if addresses is None else addresses} different outside addresses, not {TUNNELS}"
    )


def _local_name(tag: str) -> str:
    """Return the name of an element without its namespace; AWS uses none."""
    return tag.rpartition("}")[2]


def _paths(element: Element, above: str = "") -> Iterator[str]:
    """Yield the path of each attribute and each element without children below *element*."""
    yield from (f"{above}@{_local_name(name)}" for name in element.attrib)
    for child in element:
        path = f"{above}{child.tag}"
        yield from _paths(child, f"{path}/")
        if not len(child):
            yield path


def _repeated(element: Element, above: str = "") -> Iterator[str]:
    """Yield the path of each element that *element* has more than once, but the tunnels."""
    for tag, number in Counter(child.tag for child in element).items():
        if number > 1 and f"{above}{tag}" != "ipsec_tunnel":
            yield f"{above}{tag} (repeated)"
    for child in element:
        yield from _repeated(child, f"{above}{child.tag}/")


def _unread(root: Element) -> Iterator[str]:
    """Yield the path of each value that cannot be read, and of an ASN that one end lacks."""
    for tunnel in root.iterfind("ipsec_tunnel"):
        without = [path for path in _ASNS if not _text(tunnel, path)]
        if len(without) == 1:
            yield f"ipsec_tunnel/{without[0]} (missing)"
        for path in _NUMBERS:
            if _text(tunnel, path) and _number(tunnel, path) is None:
                yield f"ipsec_tunnel/{path} (not a number)"
        for path in _TRUTHS:
            if _text(tunnel, path) and _truth(tunnel, path) is None:
                yield f"ipsec_tunnel/{path} (neither true nor false)"


_ENDS: Final = (
    "tunnel_outside_address/ip_address",
    "tunnel_inside_address/ip_address",
    "tunnel_inside_address/network_mask",
    "tunnel_inside_address/network_cidr",
    "bgp/asn",
    "bgp/hold_time",
)
_PHASES: Final = (
    "protocol",
    "authentication_protocol",
    "encryption_protocol",
    "lifetime",
    "perfect_forward_secrecy",
    "mode",
)
CONNECTION_PATHS: Final = (
    "@id",
    "customer_gateway_id",
    "vpn_gateway_id",
    "vpn_connection_type",
    "vpn_connection_attributes",
)
KEY_PATH: Final = "ike/pre_shared_key"
TUNNEL_PATHS: Final = (
    *(f"{side}/{path}" for side in ("customer_gateway", "vpn_gateway") for path in _ENDS),
    *(f"{phase}/{path}" for phase in ("ike", "ipsec") for path in _PHASES),
    KEY_PATH,
    "ipsec/clear_df_bit",
    "ipsec/fragmentation_before_encryption",
    "ipsec/tcp_mss_adjustment",
    "ipsec/dead_peer_detection/interval",
    "ipsec/dead_peer_detection/retries",
)
"""Members of a tunnel, as paths below ``ipsec_tunnel`` (domain.md 9.1)."""
KNOWN_PATHS: Final = frozenset(
    {*CONNECTION_PATHS, *(f"ipsec_tunnel/{path}" for path in TUNNEL_PATHS)}
)


_NUMBERS: Final = (
    "customer_gateway/bgp/hold_time",
    "vpn_gateway/bgp/hold_time",
    "ike/lifetime",
    "ipsec/lifetime",
    "ipsec/tcp_mss_adjustment",
    "ipsec/dead_peer_detection/interval",
    "ipsec/dead_peer_detection/retries",
)
_ASNS: Final = ("customer_gateway/bgp/asn", "vpn_gateway/bgp/asn")
"""Both ends have one, or none on a static connection."""
_TRUTHS: Final = ("ipsec/clear_df_bit", "ipsec/fragmentation_before_encryption")


def _outside(tunnel: TunnelConfiguration) -> str:
    return tunnel.outside_ip


def _tunnel(element: Element) -> TunnelConfiguration:
    key = _text(element, KEY_PATH)
    return TunnelConfiguration(
        customer=_end(element, "customer_gateway"),
        amazon=_end(element, "vpn_gateway"),
        ike=_proposal(element, "ike"),
        ipsec=_proposal(element, "ipsec"),
        packets=PacketSettings(
            mss=_number(element, "ipsec/tcp_mss_adjustment"),
            clear_df_bit=_truth(element, "ipsec/clear_df_bit"),
            fragment_before_encryption=_truth(element, "ipsec/fragmentation_before_encryption"),
            dead_peer_interval=_number(element, "ipsec/dead_peer_detection/interval"),
            dead_peer_retries=_number(element, "ipsec/dead_peer_detection/retries"),
        ),
        key=key_of(key),
        key_visibility=key_visibility(key),
        members=tuple(
            (path, text)
            for path in TUNNEL_PATHS
            if path != KEY_PATH and (text := _text(element, path))
        ),
    )


def _end(element: Element, side: str) -> TunnelEnd:
    inside_ip = _text(element, f"{side}/tunnel_inside_address/ip_address")
    return TunnelEnd(
        outside_ip=_text(element, f"{side}/tunnel_outside_address/ip_address"),
        inside_ip=inside_ip,
        inside_cidr=_network(
            inside_ip, _text(element, f"{side}/tunnel_inside_address/network_cidr")
        ),
        asn=_asn(element, f"{side}/bgp/asn"),
        hold_time=_number(element, f"{side}/bgp/hold_time"),
    )


def _proposal(element: Element, phase: str) -> Proposal:
    return Proposal(
        protocol=_text(element, f"{phase}/protocol"),
        authentication=_text(element, f"{phase}/authentication_protocol"),
        encryption=_text(element, f"{phase}/encryption_protocol"),
        lifetime=_number(element, f"{phase}/lifetime"),
        forward_secrecy=_text(element, f"{phase}/perfect_forward_secrecy"),
        mode=_text(element, f"{phase}/mode"),
    )


def _network(address: str, length: str) -> str:
    try:
        return str(ipaddress.ip_network(f"{address}/{length}", strict=False))
    except ValueError:
        return ""


def _text(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _number(element: Element, path: str) -> int | None:
    text = _text(element, path)
    return int(text) if text.isascii() and text.isdigit() else None


def _asn(element: Element, path: str) -> int | None:
    """Return the ASN at *path*, or None on a static connection.

    Raises:
        ConfigurationError: It is not a number: without it, a BGP connection would look static.
    """
    if (asn := _number(element, path)) is None and _text(element, path):
        raise ConfigurationError("the configuration has a BGP ASN that is not a number")
    return asn


def _truth(element: Element, path: str) -> bool | None:
    return {"true": True, "false": False}.get(_text(element, path).lower())
