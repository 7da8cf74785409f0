"""AWS's sample configurations: which device types there are, and a short text for each."""

from __future__ import annotations

from vpnmigrate.sandbox.apierror import ApiError, invalid_value
from vpnmigrate.sandbox.lookups import the_connection
from vpnmigrate.sandbox.params import Params, Result, Row, page, required
from vpnmigrate.sandbox.state import State, Tunnel

_TYPES = (
    # Ids that AWS's own examples show; the rest are the sandbox's.
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
"""A page may hold fewer than were asked for, so a reader has to follow the token."""


def get_device_types(state: State, params: Params) -> Result:
    """GetVpnConnectionDeviceTypes, in pages."""
    del state  # the same in every world
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


def get_sample(state: State, params: Params) -> Result:
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


def _tunnel(number: int, tunnel: Tunnel, key: str) -> str:
    """Write a tunnel as AWS's Cisco sample does: numbered from 1, and enabled."""
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
