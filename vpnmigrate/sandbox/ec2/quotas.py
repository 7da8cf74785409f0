"""Service quotas and Direct Connect."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from vpnmigrate.model.survey import VirtualInterface
from vpnmigrate.sandbox.ec2.ids import ApiError
from vpnmigrate.sandbox.ec2.request import Params, Result, required
from vpnmigrate.sandbox.state import Connection, DirectConnectTie, Gateway, WorldState

_FIXED = {("ec2", "L-4FB7FF5D"): ("Customer gateways per Region", 50)}

ROUTES_PER_TABLE = 50


def get_service_quota(state: WorldState, params: Params) -> Result:
    """GetServiceQuota, for the quotas that a migration can meet."""
    service, code = required(params, "ServiceCode"), required(params, "QuotaCode")
    name, value = _known(state).get((service, code), ("", 0))
    if not name:
        raise ApiError("NoSuchResourceException", f"The quota {service}/{code} does not exist")
    quota = {
        "ServiceCode": service,
        "QuotaCode": code,
        "QuotaArn": f"arn:aws:servicequotas:{state.region}:{state.account}:{service}/{code}",
        "QuotaName": name,
        "Value": float(value),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }
    return {"Quota": quota}


def _known(state: WorldState) -> dict[tuple[str, str], tuple[str, int]]:
    quotas = state.quotas
    return _FIXED | {
        ("ec2", "L-7029FAB6"): ("Virtual private gateways per Region", quotas.gateways_per_region),
        ("ec2", "L-3E6EC3A3"): ("VPN connections per Region", quotas.connections_per_region),
        ("ec2", "L-B91E5754"): (
            "VPN connections per virtual private gateway",
            quotas.connections_per_gateway,
        ),
        ("vpc", "L-F678F1CE"): ("VPCs per Region", quotas.vpcs_per_region),
        ("vpc", "L-93826ACB"): ("Routes per route table", ROUTES_PER_TABLE),
    }


def check_gateways(state: WorldState) -> None:
    """Raise an error if one more gateway would exceed a quota."""
    _check_mutations(state, "VpnGatewayLimitExceeded")
    if _count(state, state.gateways.values()) >= state.quotas.gateways_per_region:
        raise ApiError(
            "VpnGatewayLimitExceeded",
            "The maximum number of virtual private gateways has been reached.",
        )


def check_connections(state: WorldState, gateway: Gateway) -> None:
    """Raise an error if one more connection on *gateway* would exceed a quota."""
    _check_mutations(state, "VpnConnectionLimitExceeded")
    here = [c for c in state.connections.values() if c.gateway == gateway.id]
    quotas = state.quotas
    if (
        _count(state, state.connections.values()) >= quotas.connections_per_region
        or _count(state, here) >= quotas.connections_per_gateway
    ):
        raise ApiError(
            "VpnConnectionLimitExceeded", "The maximum number of VPN connections has been reached."
        )


def check_vpcs(state: WorldState) -> None:
    """Raise an error if one more VPC would exceed the quota."""
    if len(state.vpcs) >= state.quotas.vpcs_per_region:
        raise ApiError("VpcLimitExceeded", "The maximum number of VPCs has been reached.")


def _check_mutations(state: WorldState, code: str) -> None:
    things: list[Gateway | Connection] = [
        *state.gateways.values(),
        *state.connections.values(),
    ]
    moving = [t for t in things if state.life(t) in {"pending", "deleting"}]
    if len(moving) >= state.behaviour.mutating_objects:
        raise ApiError(code, "The maximum number of mutating objects has been reached.")


def _count(state: WorldState, things: Iterable[Gateway | Connection]) -> int:
    counted = {"pending", "available", "modifying"}
    if state.behaviour.quota_counts_deleting:
        counted.add("deleting")
    return sum(state.life(thing) in counted for thing in things)


_OVER = {"deleted", "rejected", "disassociated"}


def describe_virtual_interfaces(state: WorldState, params: Params) -> Result:
    """DescribeVirtualInterfaces; it has no filter for gateways."""
    wanted = params.get("virtualInterfaceId")
    return {
        "virtualInterfaces": [
            {
                "virtualInterfaceId": interface.id,
                "virtualInterfaceState": interface.state,
                "virtualInterfaceType": "private",
                "virtualGatewayId": interface.gateway,
                "ownerAccount": state.account,
                "region": state.region,
            }
            for interface in state.virtual_interfaces
            if wanted in (None, interface.id)
        ]
    }


def describe_associations(state: WorldState, params: Params) -> Result:
    """DescribeDirectConnectGatewayAssociations."""
    gateway = params.get("virtualGatewayId") or params.get("associatedGatewayId")
    wanted = params.get("associationId")
    return {
        "directConnectGatewayAssociations": [
            {
                "associationId": association.id,
                "associationState": association.state,
                "directConnectGatewayId": association.direct_connect_gateway,
                "directConnectGatewayOwnerAccount": state.account,
                "virtualGatewayId": association.gateway,
                "virtualGatewayRegion": state.region,
                "associatedGateway": {
                    "id": association.gateway,
                    "type": "virtualPrivateGateway",
                    "ownerAccount": state.account,
                    "region": state.region,
                },
            }
            for association in state.direct_connect_ties
            if gateway in (None, association.gateway) and wanted in (None, association.id)
        ]
    }


def uses_direct_connect(state: WorldState, gateway: str) -> bool:
    """Return whether an active Direct Connect interface or association uses *gateway*."""
    things: list[VirtualInterface | DirectConnectTie] = [
        *state.virtual_interfaces,
        *state.direct_connect_ties,
    ]
    return any(thing.gateway == gateway and thing.state not in _OVER for thing in things)


def detach_ends_associations(state: WorldState, gateway: str) -> None:
    """End the gateway's associations: a later attach does not restore them."""
    state.direct_connect_ties = [
        replace(tie, state="disassociated") if tie.gateway == gateway else tie
        for tie in state.direct_connect_ties
    ]
