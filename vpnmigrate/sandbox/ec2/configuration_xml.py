"""Customer gateway configuration XML and AWS's sample configurations."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from msgspec import Struct

from vpnmigrate.sandbox.ec2.ids import ApiError, invalid_value
from vpnmigrate.sandbox.ec2.request import Params, Result, Row, page, required, the_connection
from vpnmigrate.sandbox.state import Connection, TunnelState, WorldState

Tree = Mapping[str, "str | Tree"]

_IKE = {
    "authentication_protocol": "sha1",
    "encryption_protocol": "aes-128-cbc",
    "lifetime": "28800",
    "perfect_forward_secrecy": "group2",
    "mode": "main",
}

_IPSEC: Tree = {
    "protocol": "esp",
    "authentication_protocol": "hmac-sha1-96",
    "encryption_protocol": "aes-128-cbc",
    "lifetime": "3600",
    "perfect_forward_secrecy": "group2",
    "mode": "tunnel",
    "clear_df_bit": "true",
    "fragmentation_before_encryption": "true",
    "tcp_mss_adjustment": "1379",
    "dead_peer_detection": {"interval": "10", "retries": "3"},
}

REDACTED = "REDACTED"
"""Word in place of a key that Secrets Manager keeps (domain.md 14.1); of the XML it is a guess."""


def customer_gateway_configuration(state: WorldState, connection: Connection) -> str:
    """Return the configuration of *connection* as XML.

    The order of its tunnels may differ from the connection's options: in AWS it is random, here it
    depends on the connection's id (hashicorp/terraform-provider-aws#19077).
    """
    customer = state.customer_gateways.get(connection.customer_gateway or "")
    gateway = state.gateways.get(connection.gateway or "")
    shown = connection.key_storage == "Standard"
    return _written(
        _Facts(
            connection.id,
            connection.static_only,
            connection.customer_gateway or "",
            customer.asn if customer else None,
            customer.ip if customer else "",
            connection.gateway or "",
            gateway.asn if gateway else None,
            tuple(
                (tunnel.outside_ip, tunnel.inside_cidr, tunnel.key if shown else REDACTED)
                for tunnel in in_xml_order(state, connection)
            ),
        )
    )


def in_xml_order(state: WorldState, connection: Connection) -> list[TunnelState]:
    """Return the tunnels in the order of the configuration."""
    if state.behaviour.xml_follows_options or not _is_swapped(state.seed, connection.id):
        return connection.tunnels
    return connection.tunnels[::-1]


@lru_cache(maxsize=1024)
def _is_swapped(seed: int, connection: str) -> bool:
    return sha256(f"{seed}/{connection}".encode()).digest()[0] % 2 == 1


class _Facts(Struct, frozen=True):
    """Everything that a configuration depends on."""

    connection: str
    static_only: bool
    customer: str
    customer_asn: int | None
    customer_ip: str
    gateway: str
    gateway_asn: int | None
    tunnels: tuple[tuple[str, str, str], ...]
    """Outside address, inside CIDR and key."""


@lru_cache(maxsize=512)
def _written(facts: _Facts) -> str:
    """Return the XML; cached, because every observation requests it and it rarely changes."""
    root = Element("vpn_connection", {"id": facts.connection})
    head = {
        "customer_gateway_id": facts.customer,
        "vpn_gateway_id": facts.gateway,
        "vpn_connection_type": "ipsec.1",
    }
    if facts.static_only:
        head["vpn_connection_attributes"] = "NoBGPVPNConnection"
    _grow(root, head)
    for outside, inside, key in facts.tunnels:
        network = IPv4Network(inside)
        _grow(
            SubElement(root, "ipsec_tunnel"),
            {
                "customer_gateway": _end(facts, facts.customer_asn, facts.customer_ip, network[2]),
                "vpn_gateway": _end(facts, facts.gateway_asn, outside, network[1]),
                "ike": {**_IKE, "pre_shared_key": key},
                "ipsec": _IPSEC,
            },
        )
    indent(root)
    text = tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _end(facts: _Facts, asn: int | None, outside: str, inside: IPv4Address) -> Tree:
    tree: dict[str, str | Tree] = {
        "tunnel_outside_address": {"ip_address": outside},
        "tunnel_inside_address": {
            "ip_address": str(inside),
            "network_mask": "255.255.255.252",
            "network_cidr": "30",
        },
    }
    if not facts.static_only:
        tree["bgp"] = {"asn": "" if asn is None else str(asn), "hold_time": "30"}
    return tree


def _grow(parent: Element, branches: Tree) -> None:
    for name, value in branches.items():
        child = SubElement(parent, name)
        if isinstance(value, str):
            child.text = value
        else:
            _grow(child, value)


_TYPES = (
    # The first ids are those of AWS's examples; the others are the sandbox's own.
    ("36ef5d04", "Barracuda", "NextGen Firewall F-series", "6.2+"),
    ("9d9470de", "Fortinet", "Fortigate 40+ Series", "FortiOS 5.0+"),
    ("754a6372", "Palo Alto Networks", "PA Series", "PANOS 4.1.2+"),
    ("9612cbed", "Palo Alto Networks", "PA Series", "PANOS 4.1.2+ (GUI)"),
    ("5fb390ba", "Palo Alto Networks", "PA Series", "PANOS 7.0+"),
    ("a1000001", "Cisco Systems, Inc.", "ISR Series Routers", "IOS 12.4+"),
    ("a1000002", "Cisco Systems, Inc.", "ASA 5500 Series", "ASA 9.7+ VTI"),
    ("a1000003", "Cisco Systems, Inc.", "CSRv AMI", "IOS 12.4+"),
    ("a1000004", "Check Point", "Gaia", "R80.10+"),
    ("a1000005", "Juniper Networks, Inc.", "SRX Routers", "JunOS 11.0+"),
    ("a1000006", "Juniper Networks, Inc.", "J-Series Routers", "JunOS 9.5+"),
    ("a1000007", "MikroTik", "RouterOS", "6.44.3"),
    ("a1000008", "SonicWall", "NSA, TZ", "OS 6.5"),
    ("a1000009", "strongSwan", "Ubuntu 16.04", "strongSwan 5.5.1+"),
    ("a100000a", "Yamaha", "RTX Routers", "Rev.10.01.16+"),
    ("a100000b", "Generic", "Generic", "Vendor Agnostic"),
)

_PAGE = 10
"""A page may have fewer rows than requested, so a client must follow the token."""


def get_device_types(state: WorldState, params: Params) -> Result:
    """GetVpnConnectionDeviceTypes, in pages."""
    del state  # The list is the same in every world.
    rows: list[Row] = [
        {
            "VpnConnectionDeviceTypeId": identifier,
            "Vendor": vendor,
            "Platform": platform,
            "Software": software,
        }
        for identifier, vendor, platform, software in _TYPES
    ]
    return page(rows, params, "VpnConnectionDeviceTypes", bounds=(200, 1000), size=_PAGE)


def get_sample(state: WorldState, params: Params) -> Result:
    """GetVpnConnectionDeviceSampleConfiguration; the text holds the keys."""
    connection = the_connection(state, required(params, "VpnConnectionId"))
    wanted = required(params, "VpnConnectionDeviceTypeId")
    known = {row[0]: row[1:] for row in _TYPES}
    if wanted not in known:
        raise invalid_value(f"The VPN connection device type {wanted} does not exist")
    ike = params.get("InternetKeyExchangeVersion") or "ikev1"
    if ike not in {"ikev1", "ikev2"}:
        raise invalid_value(f"Value ({ike}) for parameter internetKeyExchangeVersion is invalid.")
    if params.get("SampleType") == "recommended" and ike == "ikev1":
        raise ApiError(
            "UnsupportedOperationException",
            "The recommended sample type is not supported with ikev1.",
        )
    if state.life(connection) not in {"pending", "available"}:
        raise ApiError(
            "InvalidVpnConnection.InvalidState",
            f"The VPN connection {connection.id} must be in the available state",
        )
    vendor, platform, software = known[wanted]
    head = (
        "! Amazon Web Services\n! Virtual Private Cloud\n"
        f"! VPN connection {connection.id}: {vendor} {platform} {software}, {ike}\n"
    )
    shown = connection.key_storage == "Standard"
    tunnels = "".join(
        _tunnel(number, tunnel, tunnel.key if shown else "")
        for number, tunnel in enumerate(connection.tunnels, 1)
    )
    return {"VpnConnectionDeviceSampleConfiguration": head + tunnels}


def _tunnel(number: int, tunnel: TunnelState, key: str) -> str:
    """Return a tunnel as in AWS's Cisco sample: numbered from 1, and enabled."""
    base = tunnel.inside_cidr.split("/")[0]
    offset = int(base.rpartition(".")[2])
    near = f"{base.rpartition('.')[0]}.{offset + 2}"
    return (
        f"!\ncrypto isakmp policy {199 + number}\n"
        f"crypto keyring keyring-{number}\n"
        f"  pre-shared-key address {tunnel.outside_ip} key {key}\n"
        f"interface Tunnel{number}\n"
        f"  ip address {near} 255.255.255.252\n"
        f"  tunnel destination {tunnel.outside_ip}\n"
        "  ip tcp adjust-mss 1379\n  no shutdown\n"
    )
