"""The customer gateway configuration: the XML from which a device is set up, keys included."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from ipaddress import IPv4Network
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from vpnmigrate.sandbox.state import Connection, CustomerGateway, State, Tunnel

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
HELD_ELSEWHERE = "<Managed by AWS Secrets Manager>"
"""What stands for a key that Secrets Manager keeps; AWS's own text is not known."""


def customer_gateway_configuration(state: State, connection: Connection) -> str:
    """Write the configuration of *connection*.

    Its tunnels need not come in the order of the connection's options: AWS's race decides it, here
    the connection's id does (hashicorp/terraform-provider-aws#19077).
    """
    root = Element("vpn_connection", {"id": connection.id})
    head = {
        "customer_gateway_id": connection.customer_gateway or "",
        "vpn_gateway_id": connection.gateway or "",
        "vpn_connection_type": "ipsec.1",
    }
    if connection.static_only:
        head["vpn_connection_attributes"] = "NoBGPVPNConnection"
    _grow(root, head)
    customer = state.customer_gateways.get(connection.customer_gateway or "")
    for tunnel in in_xml_order(state, connection):
        _grow(SubElement(root, "ipsec_tunnel"), _tunnel(state, connection, customer, tunnel))
    indent(root)
    text = tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def in_xml_order(state: State, connection: Connection) -> list[Tunnel]:
    """Give the tunnels in the order of the configuration."""
    swapped = sha256(f"{state.seed}/{connection.id}".encode()).digest()[0] % 2
    if swapped and not state.behaviour.xml_follows_options:
        return connection.tunnels[::-1]
    return connection.tunnels


def _tunnel(
    state: State, connection: Connection, customer: CustomerGateway | None, tunnel: Tunnel
) -> Tree:
    inside = IPv4Network(tunnel.inside_cidr)
    gateway = state.gateways.get(connection.gateway or "")
    key = tunnel.key if connection.key_storage == "Standard" else HELD_ELSEWHERE
    near = _end(customer.ip if customer else "", inside, 2)
    far = _end(tunnel.outside_ip, inside, 1)
    if not connection.static_only:
        near |= _bgp(customer.asn if customer else None)
        far |= _bgp(gateway.asn if gateway else None)
    return {
        "customer_gateway": near,
        "vpn_gateway": far,
        "ike": {**_IKE, "pre_shared_key": key},
        "ipsec": _IPSEC,
    }


def _end(outside: str, inside: IPv4Network, host: int) -> dict[str, str | Tree]:
    return {
        "tunnel_outside_address": {"ip_address": outside},
        "tunnel_inside_address": {
            "ip_address": str(inside[host]),
            "network_mask": str(inside.netmask),
            "network_cidr": str(inside.prefixlen),
        },
    }


def _bgp(asn: int | None) -> dict[str, str | Tree]:
    return {"bgp": {"asn": "" if asn is None else str(asn), "hold_time": "30"}}


def _grow(parent: Element, branches: Tree) -> None:
    for name, value in branches.items():
        child = SubElement(parent, name)
        if isinstance(value, str):
            child.text = value
        else:
            _grow(child, value)
