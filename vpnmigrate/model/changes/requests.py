"""EC2 requests: the operation and parameters of each change, without keys.

The single source for the program, which sends them, and for the runbook, which prints them as
commands of the AWS CLI.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from vpnmigrate.model.changes.base import CallTags, Tags
from vpnmigrate.model.changes.resources import (
    AddStaticPrefix,
    CreateTestSubnet,
    CreateTestVpc,
    CreateVpnConnection,
    CreateVpnGateway,
    DeleteTestSubnet,
    DeleteTestVpc,
    DeleteVpnConnection,
    DeleteVpnGateway,
    PlaceClaim,
    RemoveClaim,
)
from vpnmigrate.model.changes.routing import (
    AssociateEdge,
    AttachVpnGateway,
    DetachVpnGateway,
    DisablePropagation,
    DisassociateEdge,
    EnablePropagation,
    ReplaceRoute,
)
from vpnmigrate.model.decisions import KeyMode
from vpnmigrate.model.ec2 import TUNNELS, Role, Tag, TunnelOptions

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


_Altering = (
    AddStaticPrefix
    | AttachVpnGateway
    | DetachVpnGateway
    | EnablePropagation
    | DisablePropagation
    | ReplaceRoute
    | AssociateEdge
    | DisassociateEdge
    | PlaceClaim
    | RemoveClaim
)
_Creating = CreateVpnGateway | CreateVpnConnection | CreateTestVpc | CreateTestSubnet
_Deleting = DeleteVpnConnection | DeleteVpnGateway | DeleteTestSubnet | DeleteTestVpc
Plain = _Altering | _Deleting | CreateVpnGateway | CreateTestVpc | CreateTestSubnet
"""The changes that consist of one EC2 call."""
Sent = Plain | CreateVpnConnection
"""The changes that call EC2; the call of a connection may need keys as well."""


@dataclass(frozen=True)
class Request:
    """A call: ``operation`` as EC2 names it, ``parameters`` as boto3 takes them."""

    operation: str
    parameters: dict[str, Any]


def request_of(change: Sent, mark: CallTags) -> Request:
    """Return the call for *change*, without keys."""
    match change:
        case CreateVpnGateway() | CreateVpnConnection() | CreateTestVpc() | CreateTestSubnet():
            return Request(change.call, _creating(change, mark))
        case DeleteVpnConnection() | DeleteVpnGateway() | DeleteTestSubnet() | DeleteTestVpc():
            return Request(change.call, _deleting(change))
        case _:
            return Request(change.call, _altering(change, mark))


def _creating(change: _Creating, mark: CallTags) -> dict[str, Any]:
    match change:
        case CreateVpnGateway():
            return _gateway_request(change, mark)
        case CreateVpnConnection():
            return _connection_request(change, mark)
        case CreateTestVpc(role, cidr):
            return {"CidrBlock": cidr, **_tagging("vpc", role, mark, ())}
        case CreateTestSubnet(role, vpc, cidr):
            return {"VpcId": vpc, "CidrBlock": cidr, **_tagging("subnet", role, mark, ())}


def _altering(change: _Altering, mark: CallTags) -> dict[str, Any]:
    match change:
        case AddStaticPrefix(connection, cidr):
            return {"VpnConnectionId": connection, "DestinationCidrBlock": cidr}
        case AttachVpnGateway(gateway, vpc) | DetachVpnGateway(gateway, vpc):
            return {"VpnGatewayId": gateway, "VpcId": vpc}
        case EnablePropagation(table, gateway) | DisablePropagation(table, gateway):
            return {"RouteTableId": table, "GatewayId": gateway}
        case ReplaceRoute(table, to, gateway):
            return {"RouteTableId": table, "GatewayId": gateway, **_destination(to)}
        case AssociateEdge(table, gateway):
            return {"RouteTableId": table, "GatewayId": gateway}
        case DisassociateEdge(association=association):
            return {"AssociationId": association}
        case PlaceClaim(gateway, holder):
            number = [{"Key": Tag.CHANGE.value, "Value": mark.change}] if mark.change else []
            return {"Resources": [gateway], "Tags": [_claim(holder), *number]}
        case RemoveClaim(gateway, holder):
            # The change number is removed with the claim, also if another plan has set it.
            number = [{"Key": Tag.CHANGE.value}] if mark.change else []
            return {"Resources": [gateway], "Tags": [_claim(holder), *number]}


def _claim(holder: str) -> dict[str, str]:
    """Return the tag of a claim; given a value, EC2 deletes a tag only if the value matches."""
    return {"Key": Tag.CLAIM.value, "Value": holder}


def _deleting(change: _Deleting) -> dict[str, Any]:
    match change:
        case DeleteVpnConnection(id=id_):
            return {"VpnConnectionId": id_}
        case DeleteVpnGateway(id=id_):
            return {"VpnGatewayId": id_}
        case DeleteTestSubnet(id=id_):
            return {"SubnetId": id_}
        case DeleteTestVpc(id=id_):
            return {"VpcId": id_}


def _tagging(kind: str, role: Role, mark: CallTags, tags: Tags) -> dict[str, Any]:
    """Return the tags of the new resource, sent with its creation so that it always has them."""
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


def _gateway_request(change: CreateVpnGateway, mark: CallTags) -> dict[str, Any]:
    """Return the parameters of CreateVpnGateway; without an ASN AWS uses its default."""
    return {
        "Type": "ipsec.1",
        **({} if change.asn is None else {"AmazonSideAsn": change.asn}),
        **_tagging("vpn-gateway", change.role, mark, change.tags),
    }


def _connection_request(change: CreateVpnConnection, mark: CallTags) -> dict[str, Any]:
    """Return the parameters of CreateVpnConnection, without reused keys.

    Both tunnels are always listed: an omitted one gets EC2's weak defaults (domain.md 2.3).
    """
    tunnels = [
        _tunnel(change.options, cidr)
        for cidr, _ in zip_longest(change.inside_cidrs, range(TUNNELS))
    ]
    stored = change.keys is KeyMode.SECRETS_MANAGER
    return {
        "Type": "ipsec.1",
        "CustomerGatewayId": change.customer_gateway,
        "VpnGatewayId": change.gateway,
        "Options": {"StaticRoutesOnly": change.static_only, "TunnelOptions": tunnels},
        **({"PreSharedKeyStorage": "SecretsManager"} if stored else {}),
        **_tagging("vpn-connection", change.role, mark, change.tags),
    }


def _tunnel(options: TunnelOptions, inside_cidr: str | None) -> dict[str, Any]:
    # AWS must not initiate before step 10: the device opens the tunnel (domain.md 6.5).
    tunnel: dict[str, Any] = {"StartupAction": "add"}
    if inside_cidr:
        tunnel["TunnelInsideCidr"] = inside_cidr
    for field, parameter in _LISTS.items():
        if chosen := getattr(options, field):
            tunnel[parameter] = [{"Value": value} for value in chosen]
    for field, parameter in _VALUES.items():
        if (value := getattr(options, field)) is not None:
            tunnel[parameter] = value
    return tunnel


def _destination(of: str) -> dict[str, Any]:
    """Return the one parameter that names a route's destination, by its kind."""
    if of.startswith("pl-"):
        return {"DestinationPrefixListId": of}
    network = ipaddress.ip_network(of)
    name = "DestinationCidrBlock" if network.version == 4 else "DestinationIpv6CidrBlock"  # noqa: PLR2004
    return {name: of}
