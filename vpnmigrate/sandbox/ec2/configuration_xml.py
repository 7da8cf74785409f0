"""Customer gateway configuration XML."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from msgspec import Struct

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
