"""AWS's sample configurations: the kinds of devices, and a short sample of each form.

The samples are the sandbox's own.  Like AWS's they use the same names for every connection, enable
the tunnels, and propose the weakest algorithms (domain.md 9.2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Final

from vpnmigrate.sandbox.ec2.ids import ApiError, invalid_value
from vpnmigrate.sandbox.ec2.request import Params, Result, Row, page, required, the_connection
from vpnmigrate.sandbox.state import TunnelState, WorldState

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
    ("a100000c", "Netgate", "pfSense", "2.2.5+ (GUI)"),
    ("a100000d", "Vyatta", "Vyatta Network OS", "6.5+"),
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
    form = _form_of("/".join(known[wanted]))
    title = " ".join(known[wanted])
    head = ("Amazon Web Services", f"VPN connection {connection.id}: {title}, {ike}")
    shown = connection.key_storage == "Standard"
    tunnels = [
        _tunnel(form, number, tunnel, tunnel.key if shown else "")
        for number, tunnel in enumerate(connection.tunnels, 1)
    ]
    comments = [f"{form.comment} {line}\n" for line in head]
    return {"VpnConnectionDeviceSampleConfiguration": "".join((*comments, *tunnels, form.end))}


@dataclass(frozen=True)
class _Form:
    """The form of a vendor's samples."""

    types: str
    """Pattern of the kinds of devices (vendor/platform/software)."""
    comment: str
    tunnel: str
    """One tunnel: its ``{number}``, addresses and ``{key}``."""
    end: str = ""


def _form_of(kind: str) -> _Form:
    return next(form for form in _FORMS if re.search(form.types, kind))


def _tunnel(form: _Form, number: int, tunnel: TunnelState, key: str) -> str:
    network = IPv4Network(tunnel.inside_cidr)
    return form.tunnel.format(
        number=number,
        index=number - 1,
        priority=199 + number,
        outside=tunnel.outside_ip,
        near=network[2],
        far=network[1],
        key=key,
    )


_FORMS: Final = (
    _Form(
        r"^Cisco.*/ASA ",
        "!",
        """!
crypto ikev2 policy {priority}
 encryption aes
 integrity sha
 group 2
crypto ipsec ikev2 ipsec-proposal AWS
 protocol esp encryption aes
 protocol esp integrity sha-1
tunnel-group {outside} type ipsec-l2l
tunnel-group {outside} ipsec-attributes
 ikev2 remote-authentication pre-shared-key {key}
 ikev2 local-authentication pre-shared-key {key}
interface Tunnel{number}
 nameif AWS-{number}
 ip address {near} 255.255.255.252
 tunnel destination {outside}
 tunnel protection ipsec profile AWS
 no shutdown
""",
    ),
    _Form(
        r"^Cisco",
        "!",
        """!
crypto isakmp policy {priority}
  encryption aes 128
  hash sha
  group 2
crypto keyring keyring-{number}
  pre-shared-key address {outside} key {key}
crypto ipsec profile ipsec-{number}
interface Tunnel{number}
  ip address {near} 255.255.255.252
  tunnel destination {outside}
  ip tcp adjust-mss 1379
  no shutdown
""",
    ),
    _Form(
        r"^Juniper",
        "#",
        """#
set security ike proposal ike-prop-{number} encryption-algorithm aes-128-cbc
set security ike proposal ike-prop-{number} dh-group group2
set security ike policy ike-pol-{number} pre-shared-key ascii-text "{key}"
set security ike gateway gw-{number} address {outside}
set security ipsec vpn vpn-{number} ike gateway gw-{number}
set security ipsec vpn vpn-{number} bind-interface st0.{number}
set security ipsec vpn vpn-{number} establish-tunnels immediately
set interfaces st0.{number} family inet address {near}/30
""",
    ),
    _Form(
        r"^Palo Alto",
        "!",
        """!
edit network ike crypto-profiles ike-crypto-profiles vpn-{index}
set encryption aes-128-cbc hash sha1 dh-group group2
top
set network ike gateway ike-vpn-{index} authentication pre-shared-key key {key}
set network ike gateway ike-vpn-{index} peer-address ip {outside}
set network interface tunnel units tunnel.{number} ip {near}/30
set network tunnel ipsec ipsec-tunnel-{number} auto-key ike-gateway ike-vpn-{index}
set network tunnel ipsec ipsec-tunnel-{number} tunnel-interface tunnel.{number}
""",
        "commit\n",
    ),
    _Form(
        r"^Fortinet",
        "!",
        """!
config vpn ipsec phase1-interface
 edit "aws-{index}"
  set proposal aes128-sha1
  set dhgrp 2
  set remote-gw {outside}
  set psksecret "{key}"
 next
end
config system interface
 edit "aws-{index}"
  set ip {near} 255.255.255.255
  set remote-ip {far}
  set status up
 next
end
""",
    ),
    _Form(
        r"^strongSwan",
        "#",
        """#
conn Tunnel{number}
\tauto=start
\tleft=%defaultroute
\tright={outside}
\tauthby=psk
\tike=aes128-sha1-modp1024
\tesp=aes128-sha1-modp1024
\tmark={number}00
# of ipsec.secrets: {outside} : PSK "{key}"
ip link add Tunnel{number} type vti remote {outside} key {number}00
ip link set Tunnel{number} up mtu 1419
""",
    ),
    _Form(
        r"^(?:VyOS|Vyatta)",
        "!",
        """!
set vpn ipsec ike-group AWS proposal 1 dh-group '2'
set vpn ipsec ike-group AWS proposal 1 encryption 'aes128'
set vpn ipsec esp-group AWS proposal 1 hash 'sha1'
set vpn ipsec site-to-site peer {outside} authentication pre-shared-secret '{key}'
set vpn ipsec site-to-site peer {outside} vti bind 'vti{index}'
set vpn ipsec site-to-site peer {outside} connection-type initiate
set interfaces vti vti{index} address '{near}/30'
""",
        "commit\nsave\n",
    ),
    _Form(
        r"^MikroTik",
        "#",
        """#
/ip ipsec profile add name=profile-vpn-{index} enc-algorithm=aes-128 dh-group=modp1024
/ip ipsec peer add name=AWS-VPN-Peer-{index} address={outside} profile=profile-vpn-{index}
/ip ipsec identity add peer=AWS-VPN-Peer-{index} secret={key}
/ip address add address={near}/30 interface=WAN
/ip ipsec policy add peer=AWS-VPN-Peer-{index} dst-address={far}/32 disabled=no
""",
    ),
    _Form(
        r"pfSense",
        "!",
        """
VPN -> IPsec: add phase 1
 Disabled : uncheck
 Remote gateway : {outside}
 Description : Amazon-IKE-vpn-{index}
 Pre-Shared Key : {key}
 Encryption algorithm : aes128
 Hash algorithm : SHA1
 DH key group : group 2
VPN -> IPsec: add phase 2
 Disabled : uncheck
 Description : Amazon-IPSec-vpn-{index}
Status -> IPsec: click connect, on the tunnel to {outside}
""",
    ),
    _Form(
        r"^Yamaha",
        "#",
        """#
tunnel select {number}
 ipsec tunnel {priority}
  ipsec sa policy {priority} {number} esp aes-cbc sha-hmac
  ipsec ike pre-shared-key {number} text {key}
  ipsec ike remote address {number} {outside}
 ip tunnel address {near}/30
 tunnel enable {number}
""",
    ),
    _Form(
        r"^Check Point",
        "#",
        """#
add vpn tunnel {number} type numbered local {near} remote {far} peer AWS_VPC_Tunnel_{number}
set interface vpnt{number} state on
# the peer {outside}: aes-128, sha1, group 2, shared secret {key}
""",
    ),
    _Form(
        r"",
        "!",
        """
#{number}: Internet Key Exchange Configuration
  - Pre-Shared Key           : {key}
  - Outside IP address       : {outside}
  - Inside IP addresses      : {near}, {far}
  - Encryption, Integrity    : aes-128-cbc, sha1
  - Diffie-Hellman           : Group 2
""",
    ),
)
"""Every other vendor has the sheet for any device, at the end."""
