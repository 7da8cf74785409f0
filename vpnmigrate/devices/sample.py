"""AWS's sample configuration: its hazards, by vendor.

AWS's samples use the same names for every connection, enable the tunnels, and propose the weakest
algorithms: pasted on a device, they overwrite the old tunnels and enable the new ones immediately
(domain.md 9.2).  A sample of a vendor that no entry recognizes is unknown, not harmless.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class SampleHazards:
    """What has to be changed in a sample before any of it is pasted."""

    vendors: tuple[str, ...]
    """The vendors whose form the sample has; empty if it is unknown."""
    names: tuple[str, ...]
    """Names and numbers of objects that the old tunnels may also have."""
    openers: tuple[str, ...]
    """Lines that would enable a tunnel immediately."""
    weak: tuple[str, ...]
    """Weak algorithms, as the sample writes them."""


@dataclass(frozen=True)
class _Vendor:
    """The forms of one vendor's samples, as patterns; each name and opener is the first group."""

    title: str
    form: str
    names: tuple[str, ...] = ()
    openers: tuple[str, ...] = ()


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
)

_VENDORS: Final = (
    _Vendor(
        "Cisco IOS",
        r"crypto +(isakmp|ikev2|keyring)\b|interface +tunnel ?\d",
        _CISCO_NAMES,
        (r"(no +shutdown)$",),
    ),
    _Vendor(
        "Cisco ASA",
        r"tunnel-group\b|sysopt +connection|crypto +ipsec +ikev1",
        (
            r"(access-list +\S+)",
            r"(sla +monitor +\d+)\b",
            r"(tunnel-group +\S+)",
            r"(nameif +\S+)",
            r"(crypto +ipsec +ikev[12] +(?:transform-set|ipsec-proposal) +\S+)",
        ),
        (r"(no +shutdown)$", r"(crypto +map +\S+ +interface +\S+)$"),
    ),
    _Vendor(
        "Juniper",
        r"(set|edit|delete) +(security +(?:ike|ipsec|zones|flow)|interfaces +st0)\b",
        (
            r"(?:set|edit) .*\b(st0(?: unit |\.)\d+)\b",
            r"set +security +(ike +(?:proposal|policy|gateway) +\S+)",
            r"set +security +(ipsec +(?:proposal|policy|vpn) +\S+)",
        ),
        (r"(?:set +security .*)?\b(establish-tunnels +immediately)$",),
    ),
    _Vendor(
        "Juniper ScreenOS",
        r"set +ike +gateway\b|set +vpn +\S+ +gateway\b",
        (
            r'set +interface +"?(tunnel\.\d+)\b',
            r'set +ike +(gateway +"?[\w-]+)',
            r'set +(vpn +"?[\w-]+)',
        ),
        (r"set +vpn .*\b(monitor +.*rekey)$",),
    ),
    _Vendor(
        "Palo Alto",
        r"(set|edit) +network +(ike|tunnel|interface)\b|ike-crypto-profiles",
        (
            r"(?:set|edit) .*\b(tunnel\.\d+)\b",
            r"(?:set|edit) .*\b(ipsec-tunnel-\d+)\b",
            r"(?:set|edit) .*\bgateway +(ike-vpn-\S+|vpn-\S+)",
            r"(?:set|edit) .*\b((?:ike|ipsec)-crypto-profiles +[\w-]+)",
        ),
        (r"(commit)$",),
    ),
    _Vendor(
        "Fortinet",
        r"config +vpn +ipsec\b|phase1-interface",
        (r'(edit +"?[\w.-]+"?)$', r"(edit +\d+)$"),
        (r"(set +status +up)$", r"(set +auto-negotiate +enable)$"),
    ),
    _Vendor(
        "Check Point",
        r"add +vpn +tunnel\b|set +interface +vpnt",
        (
            r"(?:add +vpn +tunnel|set +interface) +(vpnt?\d+)\b",
            r"(add +vpn +tunnel +\d+)",
            r"set +(static-route +\S+)",
        ),
        (r"(set +interface +vpnt?\d+ +state +on)$",),
    ),
    _Vendor(
        "VyOS and Vyatta",
        r"set +vpn +ipsec\b|set +interfaces +vti",
        (
            r"set .*\b(vti ?\d+)\b",
            r"set +vpn +ipsec +((?:ike|esp)-group +\S+)",
        ),
        (r"(set +vpn .*connection-type +initiate)$", r"(commit)$"),
    ),
    _Vendor(
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
    ),
    _Vendor(
        "MikroTik",
        r"/ip +(ipsec|address)\b",
        (
            r"/?.*\badd .*\bname=\"?([\w.-]+)",
            r"/ip +address +add +(address=\S+)",
        ),
        (
            r"(/ip +ipsec +peer +add +(?!.*disabled=yes).*)$",
            r"(.*\bdisabled=no\b.*)$",
        ),
    ),
    _Vendor(
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
    ),
    _Vendor(
        "SonicWall",
        r"vpn +policy\b|tunnel-interface\b.*\bvpn|sonicwall|sonicos",
        (
            r"(vpn +policy +(?:tunnel-interface|site-to-site) +\S+)",
            r"(tunnel-interface +vpn +\S+)",
            r"(address-object +ipv4 +\S+)",
        ),
        (r"(enable)$", r"(keep-alive)$"),
    ),
    _Vendor(
        "Windows",
        r"netsh +advfirewall|Add-VpnS2SInterface|New-NetIPsec",
        (r'.*\bname="?([^"\r\n]+?)"? ', r'Add-VpnS2SInterface .*-Name +"?([\w -]+?)"? '),
        (r"(.*\benable=yes\b.*)$", r"(Connect-VpnS2SInterface .*)$"),
    ),
    _Vendor(
        "pfSense",
        r".*\bpfsense\b|.*VPN *(->|>) *IPsec",
        (r"(?:Description|Name) *: *(\S.*)$",),
        (r"(Disabled *: *(?:uncheck\w*|no))$", r"(.*\bclick .*\bconnect\b.*)$"),
    ),
    _Vendor(
        "Barracuda",
        r".*\bbarracuda\b|.*\bVPNR?\d? +interface",
        (r"(vpnr?\d+)\b",),
        (r"(.*\binitiates +tunnel\b.*yes.*)$",),
    ),
    _Vendor(
        "a sheet for any device",
        r".*Vendor: *Generic|.*Internet Key Exchange \(IKE\) configuration|.*#\d: Internet Key",
    ),
)

_WEAK: Final = re.compile(
    r"(?<!\w)("
    r"3des(?:-cbc)?|des(?:-cbc)?|md5|hmac-md5(?:-96)?"
    r"|(?:esp-)?aes(?:-|_| )?(?:cbc-)?128(?:-cbc)?"
    r"|(?:esp-|hmac-)?sha-?1(?:-96)?|esp-sha-hmac|sha-hmac"
    # Cisco's words without a number mean AES-128 and SHA-1.
    r"|encr(?:yption)?[ \t]+aes(?![\w-]|[ \t]+(?:\d|gcm))|(?:hash|integrity|prf)[ \t]+sha(?![\w-])"
    # Yamaha's "ipsec ike group 1" is the number of a peer.
    r"|(?:dh-?)?(?<!ike )group ?'?(?:1|2|5)'?|modp(?:768|1024|1536)|dhgrp +(?:1|2|5)"
    r")(?!\w)",
    re.IGNORECASE,
)
"""AWS's weakest: see domain.md 6.5 for what an AWS VPN connection accepts beside them."""


def hazards_of(sample: str) -> SampleHazards:
    """Return the hazards of *sample*, each sorted and without repetitions."""
    sample = sample.replace("\r", "")
    found = [v for v in _VENDORS if re.search(rf"^\s*(?:{v.form})", sample, _FLAGS)]
    return SampleHazards(
        tuple(vendor.title for vendor in found),
        _matches(sample, (pattern for vendor in found for pattern in vendor.names)),
        _matches(sample, (pattern for vendor in found for pattern in vendor.openers)),
        tuple(sorted({" ".join(m.group(1).lower().split()) for m in _WEAK.finditer(sample)})),
    )


_FLAGS: Final = re.IGNORECASE | re.MULTILINE


def _matches(sample: str, patterns: Iterable[str]) -> tuple[str, ...]:
    """Return the first group of each match at the beginning of a line, without keys."""
    found = {
        match.group(1)
        for pattern in patterns
        for match in re.finditer(rf"^[ \t]*{pattern}", sample, _FLAGS)
    }
    return tuple(sorted({" ".join(_SECRET.sub("", name).split()) for name in found}))


_SECRET: Final = re.compile(r"(?:secret|psk|key|SharedSecret)[= ]+\S+", re.IGNORECASE)
"""A line that opens a tunnel may have a key too."""
