"""Direct Connect as far as a virtual private gateway meets it: to be seen, and in the way."""

from __future__ import annotations

from dataclasses import replace

from vpnmigrate.model.survey import VirtualInterface
from vpnmigrate.sandbox.params import Params, Result
from vpnmigrate.sandbox.state import DirectConnectTie, State

_OVER = {"deleted", "rejected", "disassociated"}


def describe_virtual_interfaces(state: State, params: Params) -> Result:
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


def describe_associations(state: State, params: Params) -> Result:
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


def uses_direct_connect(state: State, gateway: str) -> bool:
    """Tell whether something of Direct Connect that is not over refers to *gateway*."""
    things: list[VirtualInterface | DirectConnectTie] = [
        *state.virtual_interfaces,
        *state.direct_connect_ties,
    ]
    return any(thing.gateway == gateway and thing.state not in _OVER for thing in things)


def detach_ends_associations(state: State, gateway: str) -> None:
    """Drop the gateway's associations: they do not come back when it is attached again."""
    state.direct_connect_ties = [
        replace(tie, state="disassociated") if tie.gateway == gateway else tie
        for tie in state.direct_connect_ties
    ]
