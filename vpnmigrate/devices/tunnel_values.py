"""Values of tunnels for device templates, each with its source.

A value comes from EC2's configuration document, or from a tunnel option where the connection was
created with one.  The document has the weakest proposal that AWS accepts (domain.md 9.1), so for
an AWS VPN connection the strongest algorithms of its options are taken.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from vpnmigrate.devices.configuration import DeviceConfiguration, TunnelConfiguration
from vpnmigrate.model.ec2 import AWS_VPN

Options = Mapping[str, Any]
"""Tunnel options as ``DescribeVpnConnections`` returns them, without keys."""


@dataclass(frozen=True)
class ConnectionOptions:
    """Options of a connection: those of ``Options`` that are not tunnels', and the tunnels'."""

    category: str = ""
    connection: Options = field(default_factory=dict)
    tunnels: Mapping[str, Options] = field(default_factory=dict)
    """By outside address."""
    key_store: str = ""
    """ARN of the secret that has the keys, if EC2 does not show them."""

    @staticmethod
    def of(row: Mapping[str, Any]) -> ConnectionOptions:
        """Return the options in *row*, a connection as EC2 describes it, without keys."""
        options = dict(row.get("Options") or {})
        tunnels = options.pop("TunnelOptions", None) or ()
        return ConnectionOptions(
            str(row.get("Category") or ""),
            options,
            {
                str(each.get("OutsideIpAddress")): {
                    name: value for name, value in each.items() if name not in _KEYS
                }
                for each in tunnels
                if each.get("OutsideIpAddress")
            },
            str(row.get(_KEY_STORE) or ""),
        )

    def as_row(self) -> dict[str, Any]:
        """Return the options as ``of`` reads them."""
        tunnels = list(self.tunnels.values())
        return {
            "Category": self.category,
            "Options": {**self.connection, **({"TunnelOptions": tunnels} if tunnels else {})},
            **({_KEY_STORE: self.key_store} if self.key_store else {}),
        }


_KEYS: Final = frozenset({"PreSharedKey"})
_KEY_STORE: Final = "KeyStore"
"""In a file; EC2's ``PreSharedKeyArn`` does not prove that the keys are there (domain.md 14.1)."""

SOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    "outside": ("vpn_gateway/tunnel_outside_address/ip_address", "OutsideIpAddress"),
    "inside": ("vpn_gateway/tunnel_inside_address/ip_address",),
    "network": ("vpn_gateway/tunnel_inside_address/network_cidr", "TunnelInsideCidr"),
    "asn": ("vpn_gateway/bgp/asn",),
    "hold_time": ("vpn_gateway/bgp/hold_time", "customer_gateway/bgp/hold_time"),
    "device_outside": ("customer_gateway/tunnel_outside_address/ip_address",),
    "device_inside": ("customer_gateway/tunnel_inside_address/ip_address",),
    "mask": (
        "customer_gateway/tunnel_inside_address/network_mask",
        "vpn_gateway/tunnel_inside_address/network_mask",
    ),
    "length": (
        "customer_gateway/tunnel_inside_address/network_cidr",
        "vpn_gateway/tunnel_inside_address/network_cidr",
    ),
    "device_asn": ("customer_gateway/bgp/asn",),
    "ike_version": ("IkeVersions",),
    "ike_encryption": ("ike/encryption_protocol", "Phase1EncryptionAlgorithms"),
    "ike_integrity": ("ike/authentication_protocol", "Phase1IntegrityAlgorithms"),
    "ike_group": ("ike/perfect_forward_secrecy", "Phase1DHGroupNumbers"),
    "ike_lifetime": ("ike/lifetime", "Phase1LifetimeSeconds"),
    "ike_mode": ("ike/mode",),
    "key": ("ike/pre_shared_key",),
    "esp_protocol": ("ipsec/protocol",),
    "esp_encryption": ("ipsec/encryption_protocol", "Phase2EncryptionAlgorithms"),
    "esp_integrity": ("ipsec/authentication_protocol", "Phase2IntegrityAlgorithms"),
    "esp_group": ("ipsec/perfect_forward_secrecy", "Phase2DHGroupNumbers"),
    "esp_lifetime": ("ipsec/lifetime", "Phase2LifetimeSeconds"),
    "esp_mode": ("ipsec/mode",),
    "clear_df": ("ipsec/clear_df_bit",),
    "fragment_before": ("ipsec/fragmentation_before_encryption",),
    "mss": ("ipsec/tcp_mss_adjustment",),
    "dpd_interval": ("ipsec/dead_peer_detection/interval",),
    "dpd_retries": ("ipsec/dead_peer_detection/retries",),
    "dpd_timeout": ("DpdTimeoutSeconds",),
    "replay_window": ("ReplayWindowSize",),
    "ike_protocol": ("ike/protocol",),
}
"""The values a template may use, each with the members that it represents: paths below
``ipsec_tunnel``, or tunnel options by EC2's name."""

SELECTORS: Final = ("LocalIpv4NetworkCidr", "RemoteIpv4NetworkCidr")
"""Traffic selectors, options of the connection: the device's side, and AWS's."""

_ENCRYPTION: Final = {
    "AES256": "aes256",
    "AES128": "aes128",
    "AES256-GCM-16": "aes256gcm16",
    "AES128-GCM-16": "aes128gcm16",
}
"""EC2's names, in order of preference: more devices support CBC than GCM."""
_INTEGRITY: Final = {
    "SHA2-256": "sha256",
    "SHA2-384": "sha384",
    "SHA2-512": "sha512",
    "SHA1": "sha1",
}
_GROUPS: Final = (14, 20, 19, 21, 16, 15, 17, 18, 24, 23, 22, 5, 2)
"""Diffie-Hellman groups in order of preference: 14 is in every list of AWS and most devices."""
_IN_XML: Final = {
    "aes-128-cbc": "aes128",
    "aes-256-cbc": "aes256",
    "aes-128-gcm-16": "aes128gcm16",
    "aes-256-gcm-16": "aes256gcm16",
    "sha1": "sha1",
    "hmac-sha1-96": "sha1",
    "sha2-256": "sha256",
    "sha256": "sha256",
    "hmac-sha2-256-128": "sha256",
    "sha2-384": "sha384",
    "hmac-sha2-384-192": "sha384",
    "sha2-512": "sha512",
    "hmac-sha2-512-256": "sha512",
}
_KEEPALIVES_PER_HOLD_TIME: Final = 3
"""RFC 4271, 4.4: a keepalive is a third of the hold time."""
_DEFAULT_HOLD_TIME: Final = 30
_ANY: Final = "0.0.0.0/0"


def values_of(
    tunnel: TunnelConfiguration, options: ConnectionOptions, key: str
) -> dict[str, object]:
    """Return the values of *tunnel*, by the names of ``SOURCES``; *key* stands for its key.

    A missing value is an empty string.
    """
    own = options.tunnels.get(tunnel.outside_ip, {})
    aws_vpn = options.category == AWS_VPN
    hold = tunnel.amazon.hold_time or tunnel.customer.hold_time or _DEFAULT_HOLD_TIME
    local, remote = (options.connection.get(name) or _ANY for name in SELECTORS)
    dpd = own.get("DpdTimeoutSeconds")
    interval, retries = tunnel.packets.dead_peer_interval, tunnel.packets.dead_peer_retries
    network = tunnel.amazon.inside_cidr or tunnel.customer.inside_cidr
    ike, esp = (_Phase(tunnel, own, number, aws_vpn=aws_vpn) for number in (1, 2))
    return {
        "outside": tunnel.outside_ip,
        "inside": tunnel.amazon.inside_ip,
        "network": network,
        "asn": _shown(tunnel.amazon.asn),
        "hold_time": hold,
        "keepalive": max(1, hold // _KEEPALIVES_PER_HOLD_TIME),
        "device_outside": tunnel.customer.outside_ip,
        "device_inside": tunnel.customer.inside_ip,
        "mask": "255.255.255.252",
        "length": network.rpartition("/")[2] or "30",
        "device_asn": _shown(tunnel.customer.asn),
        "key": key,
        "ike_version": ike.version,
        "ike_encryption": ike.encryption,
        "ike_integrity": ike.integrity,
        "ike_group": ike.group,
        "ike_lifetime": ike.lifetime,
        "ike_mode": tunnel.ike.mode or "main",
        "ike_protocol": tunnel.ike.protocol,
        "esp_protocol": tunnel.ipsec.protocol or "esp",
        "esp_encryption": esp.encryption,
        "esp_integrity": esp.integrity,
        "esp_group": esp.group,
        "esp_lifetime": esp.lifetime,
        "esp_rekey": int(esp.lifetime) * 9 // 10,
        "esp_mode": tunnel.ipsec.mode or "tunnel",
        "clear_df": bool(tunnel.packets.clear_df_bit),
        "fragment_before": bool(tunnel.packets.fragment_before_encryption),
        "mss": _shown(tunnel.packets.mss),
        "dpd_interval": interval or 10,
        "dpd_retries": retries or 3,
        "dpd_timeout": dpd or (interval or 10) * (retries or 3),
        "replay_window": own.get("ReplayWindowSize") or "",
        "local_cidr": local,
        "remote_cidr": remote,
    }


def unknown_values(side: str, number: int) -> dict[str, object]:
    """Return placeholders in place of the values of a tunnel that is not known yet."""
    names = (*SOURCES, "esp_rekey", "keepalive", "local_cidr", "remote_cidr")
    return {name: f"<{name.replace('_', ' ')} of {side} tunnel {number}>" for name in names}


class _Phase:
    """The proposal for one IKE phase."""

    def __init__(
        self, tunnel: TunnelConfiguration, own: Options, number: int, *, aws_vpn: bool
    ) -> None:
        proposal = tunnel.ike if number == 1 else tunnel.ipsec
        self._own, self._number, self._aws_vpn = own, number, aws_vpn
        versions = _listed(own, "IkeVersions")
        self.version: Final = 2 if (aws_vpn and not versions) or "ikev2" in versions else 1
        self.encryption: Final = self._chosen(
            "EncryptionAlgorithms", _ENCRYPTION, proposal.encryption
        )
        self.integrity: Final = self._chosen(
            "IntegrityAlgorithms", _INTEGRITY, proposal.authentication
        )
        self.group: Final = self._chosen(
            "DHGroupNumbers", {g: g for g in _GROUPS}, proposal.forward_secrecy
        )
        default = 28800 if number == 1 else 3600
        self.lifetime: Final = (
            own.get(f"Phase{number}LifetimeSeconds") or proposal.lifetime or default
        )

    def _chosen(self, option: str, known: Mapping[Any, Any], in_xml: str) -> object:
        """Return the preferred value of those that AWS accepts."""
        listed = _listed(self._own, f"Phase{self._number}{option}")
        if not listed and self._aws_vpn:
            return next(iter(known.values()))
        if listed:
            return next((value for name, value in known.items() if name in listed), listed[0])
        group = in_xml.lower().removeprefix("group")
        return int(group) if group.isdigit() else _IN_XML.get(in_xml.lower(), in_xml)


def _listed(options: Options, name: str) -> list[Any]:
    return [
        each.get("Value", each) if isinstance(each, dict) else each
        for each in options.get(name) or ()
    ]


def _shown(value: int | None) -> str:
    return "" if value is None else str(value)


class TrackedValues:
    """The values of a tunnel, as attributes; each name that is read is added to *used*."""

    def __init__(self, values: Mapping[str, object], used: set[str]) -> None:
        self._values, self._used = values, used

    def __getattr__(self, name: str) -> object:
        if name.startswith("_") or name not in self._values:
            raise AttributeError(name)
        self._used.add(name)
        return self._values[name]


def unused_members(
    configuration: DeviceConfiguration, options: ConnectionOptions, used: set[str]
) -> Iterator[str]:
    """Yield each member with a value that no template has used, as ``name = value``.

    The key is not among them: it is never shown.
    """
    served = {source for name in used for source in SOURCES.get(name, ())}
    for tunnel in configuration.tunnels:
        own = options.tunnels.get(tunnel.outside_ip, {})
        for source, value in (*tunnel.members, *sorted(own.items())):
            if source not in served and value not in ("", None, (), []):
                yield f"{tunnel.outside_ip}: {source} = {_text(value)}"
    selectors = {"local_cidr", "remote_cidr"} <= used
    for name, value in sorted(options.connection.items()):
        if not (selectors and name in SELECTORS):
            yield f"{name} = {_text(value)}"


def masked(network: str) -> str:
    """Return a network as address and mask; a placeholder is returned unchanged."""
    try:
        parsed = ipaddress.IPv4Network(network)
    except ValueError:
        return network
    return f"{parsed.network_address} {parsed.netmask}"


def _text(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case list():
            return ", ".join(_text(v.get("Value", v) if isinstance(v, dict) else v) for v in value)
        case _:
            return str(value)
