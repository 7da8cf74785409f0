"""Vendors of AWS's samples: how samples and running configurations name their objects.

Samples of Cisco, Juniper, Palo Alto, Fortinet, SonicWall, Yamaha, Check Point, Windows and pfSense
are in AWS's Network Administrator Guide (awsdocs/amazon-vpc-network-administrator-guide, folder
doc_source, at 5c70cb3).  What keeps a tunnel disabled is from domain.md 9.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from vpnmigrate.devices.sample_lines import Line, fortios_lines, mikrotik_lines, plain_lines


@dataclass(frozen=True)
class RunningForm:
    """The form of a running configuration that can be compared with a sample."""

    line: str
    """Pattern of a line that such a configuration has."""
    command: str
    """What prints it."""


@dataclass(frozen=True)
class Vendor:
    """The forms of one vendor's samples, as patterns; each name and opener is the first group."""

    title: str
    form: str
    names: tuple[str, ...] = ()
    openers: tuple[str, ...] = ()
    disabled: str = ""
    """What keeps a tunnel disabled, if the device enables it without a line of its own."""
    running: RunningForm | None = None
    """How names of a sample are found in a running configuration; None if they are not."""
    lines: Callable[[str], Iterator[Line]] = plain_lines
    """Yields the lines in which *names* are found."""
    equal: tuple[tuple[str, str], ...] = ()
    """Replacements after which two spellings of one name are the same."""
    elsewhere: str = ""
    """Pattern of names that are there without being in a running configuration."""


_CISCO_RUNNING: Final = RunningForm(r"hostname +\S|interface +\S", "show running-config")
_CISCO_EQUAL: Final = ((r"^(?i:interface +tunnel) ?", "interface tunnel"),)
_CISCO_NAMES: Final = (
    r"(interface +tunnel ?\d+)\b",
    r"(crypto +isakmp +policy +\d+)\b",
    r"(crypto +isakmp +profile +\S+)",
    r"(crypto +ikev[12] +policy +\S+)",
    r"(crypto +ikev2 +(?:proposal|keyring|profile) +\S+)",
    r"(crypto +map +\S+ +\d+)\b",
    r"(crypto +ipsec +transform-set +\S+)",
    r"(crypto +ipsec +profile +\S+)",
    r"(crypto +keyring +\S+)",
    r"(ip +sla +\d+)$",
    r"(track +\d+) ",
)

SHEET: Final = "a sheet for any device"
"""Its headings are comments in the samples of many vendors too."""

VENDORS: Final = (
    Vendor(
        "Cisco IOS",
        r"crypto +(isakmp|ikev2|keyring)\b|interface +tunnel ?\d",
        _CISCO_NAMES,
        (r"(no +shutdown)$",),
        "shutdown on each tunnel interface, and shutdown for each BGP neighbour",
        _CISCO_RUNNING,
        equal=_CISCO_EQUAL,
    ),
    Vendor(
        "Cisco ASA",
        r"tunnel-group\b|sysopt +connection|crypto +ipsec +ikev1",
        (
            r"(crypto +(?:isakmp|ikev1) +policy +\d+)\b",
            r"(access-list +\S+)",
            r"(sla +monitor +\d+)\b",
            r"(tunnel-group +\S+)",
            r"(nameif +\S+)",
            r"(crypto +ipsec +ikev[12] +(?:transform-set|ipsec-proposal) +\S+)",
        ),
        (r"(no +shutdown)$", r"(crypto +map +\S+ +interface +\S+)$"),
        "shutdown on each tunnel interface, and shutdown for each BGP neighbour",
        _CISCO_RUNNING,
        # From ASA 8.4 on, "isakmp" is a synonym that the device itself writes as "ikev1".
        equal=(*_CISCO_EQUAL, ("^crypto isakmp policy", "crypto ikev1 policy")),
    ),
    Vendor(
        "Juniper",
        r"(set|edit|delete) +(security +(?:ike|ipsec|zones|flow)|interfaces +st0)\b",
        (
            r"(?:set|edit) .*\b(st0(?: unit |\.)\d+)\b",
            r"set +security +(ike +(?:proposal|policy|gateway) +\S+)",
            r"set +security +(ipsec +(?:proposal|policy|vpn) +\S+)",
            r"set +(protocols +bgp +group +\S+)",
            r"set +(policy-options +policy-statement +\S+)",
        ),
        (r"(?:set +security .*)?\b(establish-tunnels +immediately)$",),
        "set interfaces st0 unit N disable, deactivate security ipsec vpn NAME, and deactivate "
        "protocols bgp group NAME, in the same commit",
        RunningForm(
            r"set +(?:version|system|interfaces|security|groups)\b",
            "show configuration | display set",
        ),
        equal=(("^st0 unit ", "st0."),),
    ),
    Vendor(
        "Juniper ScreenOS",
        r"set +ike +gateway\b|set +vpn +\S+ +gateway\b",
        (
            r'set +interface +"?(tunnel\.\d+)\b',
            r'set +ike +(gateway +"?[\w-]+)',
            r'set +(vpn +"?[\w-]+)',
            r"set +ike +(p[12]-proposal +\S+)",
        ),
        (r"set +vpn .*\b(monitor +.*rekey)$",),
    ),
    Vendor(
        "Palo Alto",
        r"(set|edit) +network +(ike|tunnel|interface)\b|ike-crypto-profiles",
        (
            r"(?:set|edit) .*\b(tunnel\.\d+)\b",
            r"(?:set|edit) .*\b(ipsec-tunnel-\d+)\b",
            r"(?:set|edit) .*\bgateway +(ike-vpn-\S+|vpn-\S+)",
            r"(?:set|edit) .*\b((?:ike|ipsec)-crypto-profiles +[\w-]+)",
            r"(?:set|edit) +(?:.* )?(peer-group +\S+)",
            r"(?:set|edit) +(?:.* )?(export +rules +\S+)",
        ),
        (r"(commit)$",),
        "disabled yes on each IKE gateway and IPsec tunnel, and enable no for each BGP peer, in "
        "the same commit",
        RunningForm(
            r"set +(?:.* )?(?:network|deviceconfig)\b",
            "set cli config-output-format set, and in configuration mode show",
        ),
    ),
    Vendor(
        "Fortinet",
        r"config +vpn +ipsec\b|phase1-interface",
        (r"(config .*)$",),
        (r"(set +status +up)$", r"(set +auto-negotiate +enable)$"),
        "set status down on each tunnel interface, and set shutdown enable for each BGP neighbour",
        RunningForm(r"config +(?:system|vpn|router|firewall)\b", "show full-configuration"),
        fortios_lines,
    ),
    Vendor(
        "Check Point",
        r"add +vpn +tunnel\b|set +interface +vpnt",
        (
            r"(?:add +vpn +tunnel|set +interface) +(vpnt?\d+)\b",
            r"(add +vpn +tunnel +\d+)",
            r"set +(static-route +\S+)",
        ),
        (r"(set +interface +vpnt?\d+ +state +on)$",),
        "set interface vpntN state off",
    ),
    Vendor(
        "VyOS and Vyatta",
        r"set +vpn +ipsec +|set +interfaces +vti",
        (
            r"set .*\b(vti ?\d+)\b",
            r"set +vpn +ipsec +((?:ike|esp)-group +\S+)",
        ),
        (r"(set +vpn .*connection-type +initiate)$", r"(commit)$"),
        "set vpn ipsec site-to-site peer NAME disable, and set interfaces vti vtiN disable, in "
        "the same commit",
        RunningForm(r"set +(?:interfaces|vpn|system|protocols)\b", "show configuration commands"),
        equal=(("^vti ", "vti"),),
    ),
    Vendor(
        "strongSwan, Openswan and Libreswan",
        r"conn +\S+$|auto *= *(start|add|route|ondemand)|swanctl",
        (
            r"(conn +\S+)$",
            r"(mark(?:_in|_out)? *= *\d+)\b",
            r"(ip +link +add +(?:dev +)?\S+)",
            r"(vti-interface *= *\S+)",
        ),
        (
            r"(auto *= *(?:start|route|ondemand))$",
            r"(start_action *= *(?:start|trap))$",
            r"(ip +link +set +\S+ +up\b.*)$",
            r"(sudo +ipsec +(?:re)?start)$",
        ),
        "auto=ignore in ipsec.conf, start_action = none in swanctl.conf, and no ip link set up",
        RunningForm(
            r"conn +\S|connections *\{|remote_addrs *=",
            "cat /etc/ipsec.conf, or the files of /etc/swanctl",
        ),
        equal=(
            (r"^mark(?:_in|_out)? *= *", "mark="),
            (r"^vti-interface *= *", "vti-interface="),
            (r"^ip link add (?:dev )?", "ip link add "),
        ),
        elsewhere="ip link add",
    ),
    Vendor(
        "MikroTik",
        r"/ip +(ipsec|address)\b",
        (r"(/.* name=\S+)", r"(/ip address address=\S+)"),
        (
            r"(/ip +ipsec +peer +add +(?!.*disabled=yes).*)$",
            r"(.*\bdisabled=no\b.*)$",
        ),
        "disabled=yes on each peer, policy and address",
        RunningForm(r"/(?:ip|interface|routing|system)\b", "/export"),
        mikrotik_lines,
    ),
    Vendor(
        "Yamaha",
        r"tunnel +(select|enable) +\d|ipsec +tunnel +\d",
        (
            r"(tunnel +select +\d+)\b",
            r"(ipsec +tunnel +\d+)\b",
            r"(ipsec +sa +policy +\d+)\b",
            r"(ipsec +ike +(?!pre-shared-key)[\w -]*?\d+)\b",
            r"(bgp +neighbor +\d+)\b",
            r"(ip +route +\S+ +gateway +tunnel +\d+)",
        ),
        (r"(tunnel +enable +\d+)\b", r"(bgp +configure +refresh)$", r"(ipsec +auto +refresh +on)$"),
        "no tunnel enable N",
    ),
    Vendor(
        "SonicWall",
        r"vpn +policy\b|tunnel-interface\b.*\bvpn|sonicwall|sonicos",
        (
            r"(vpn +policy +(?:tunnel-interface|site-to-site) +\S+)",
            r"(tunnel-interface +vpn +\S+)",
            r"(address-object +ipv4 +\S+)",
        ),
        (r"(enable)$", r"(keep-alive)$"),
    ),
    Vendor(
        "Windows",
        r"netsh +advfirewall|Add-VpnS2SInterface|New-NetIPsec",
        (
            r'.*\bname="([^"]+)"',
            r'.*\bname=([^" ]+)',
            r'Add-VpnS2SInterface .*-Name +"?([\w -]+?)"? ',
        ),
        (r"(.*\benable=yes\b.*)$", r"(Connect-VpnS2SInterface .*)$"),
        "Enable=No for each rule",
    ),
    Vendor(
        "pfSense",
        r".*\bpfsense\b|.*VPN *-*> *IPsec",
        (r"(?:[a-z]\. *)?(?:Description|Name) *: *(\S.*)$",),
        (
            r"((?:[a-z]\. *)?Disabled *: *(?:uncheck\w*|no))$",
            r"(.*\bclick .*\bconnect\b.*)$",
        ),
        "Disabled ticked in each phase 1",
    ),
    Vendor(
        "Barracuda",
        r".*\bbarracuda\b|.*\bVPNR?\d? +interface",
        (r"(vpnr?\d+)\b",),
        (r"(.*\binitiates +tunnel\b.*yes.*)$",),
    ),
    Vendor(
        SHEET,
        r".*Vendor: *Generic|.*Internet Key Exchange \(IKE\) configuration|.*#\d: Internet Key",
    ),
)
