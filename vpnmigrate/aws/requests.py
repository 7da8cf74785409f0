"""The parameters of the calls that create something, or that depend on a kind: pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, Final

from vpnmigrate.changes import CreateVpnConnection, CreateVpnGateway, Tags
from vpnmigrate.devices.configuration import TUNNELS
from vpnmigrate.devices.secret import Secret
from vpnmigrate.model import Role, Tag
from vpnmigrate.options import KeyMode, TunnelOptions
from vpnmigrate.ports import Mark

_LISTS: Final = {
    "ike_versions": "IKEVersions",
    "phase1_encryption": "Phase1EncryptionAlgorithms",
    "phase1_integrity": "Phase1IntegrityAlgorithms",
    "phase1_dh_groups": "Phase1DHGroupNumbers",
    "phase2_encryption": "Phase2EncryptionAlgorithms",
    "phase2_integrity": "Phase2IntegrityAlgorithms",
    "phase2_dh_groups": "Phase2DHGroupNumbers",
}
_VALUES: Final = {
    "dpd_timeout_seconds": "DPDTimeoutSeconds",
    "dpd_timeout_action": "DPDTimeoutAction",
}


def tagging(kind: str, role: Role, mark: Mark, tags: Tags) -> dict[str, Any]:
    """Give the tags of the new resource, sent with its creation so that it is never without."""
    ours = {
        Tag.MIGRATION.value: str(mark.migration),
        Tag.ATTEMPT.value: str(mark.attempt),
        Tag.ROLE.value: str(role),
        **({Tag.CHANGE.value: mark.change} if mark.change else {}),
    }
    every = {**dict(tags), **ours}
    return {
        "TagSpecifications": [
            {
                "ResourceType": kind,
                "Tags": [{"Key": key, "Value": value} for key, value in sorted(every.items())],
            }
        ]
    }


def gateway_request(change: CreateVpnGateway, mark: Mark) -> dict[str, Any]:
    """Give the parameters of CreateVpnGateway; without an ASN AWS takes its default."""
    return {
        "Type": "ipsec.1",
        **({} if change.asn is None else {"AmazonSideAsn": change.asn}),
        **tagging("vpn-gateway", change.role, mark, change.tags),
    }


def connection_request(
    change: CreateVpnConnection, mark: Mark, keys: Sequence[Secret]
) -> dict[str, Any]:
    """Give the parameters of CreateVpnConnection; *keys* are empty unless they are re-used.

    Both tunnels are always spelt out: one that is not gets EC2's weak defaults (domain.md 2.3).
    """
    tunnels = [
        _tunnel(change.options, cidr, key)
        for cidr, key, _ in zip_longest(change.inside_cidrs, keys, range(TUNNELS))
    ]
    stored = change.keys is KeyMode.SECRETS_MANAGER
    return {
        "Type": "ipsec.1",
        "CustomerGatewayId": change.customer_gateway,
        "VpnGatewayId": change.gateway,
        "Options": {"StaticRoutesOnly": change.static_only, "TunnelOptions": tunnels},
        **({"PreSharedKeyStorage": "SecretsManager"} if stored else {}),
        **tagging("vpn-connection", change.role, mark, change.tags),
    }


def _tunnel(options: TunnelOptions, inside_cidr: str | None, key: Secret | None) -> dict[str, Any]:
    # AWS must not initiate before step 10: the device opens the tunnel (domain.md 6.5).
    tunnel: dict[str, Any] = {"StartupAction": "add"}
    if inside_cidr:
        tunnel["TunnelInsideCidr"] = inside_cidr
    if key:
        tunnel["PreSharedKey"] = key.reveal()
    for field, parameter in _LISTS.items():
        if chosen := getattr(options, field):
            tunnel[parameter] = [{"Value": value} for value in chosen]
    for field, parameter in _VALUES.items():
        if (value := getattr(options, field)) is not None:
            tunnel[parameter] = value
    return tunnel


def destination(of: str) -> dict[str, Any]:
    """Give the one parameter that names a route's destination, by its kind."""
    if of.startswith("pl-"):
        return {"DestinationPrefixListId": of}
    network = ipaddress.ip_network(of)
    name = "DestinationCidrBlock" if network.version == 4 else "DestinationIpv6CidrBlock"  # noqa: PLR2004
    return {name: of}
