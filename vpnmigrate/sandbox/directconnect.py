"""Direct Connect as far as a virtual private gateway meets it: to be seen, and in the way."""

from __future__ import annotations

from msgspec.structs import replace

from vpnmigrate.sandbox.params import Params, Result
from vpnmigrate.sandbox.state import State
from vpnmigrate.survey import DirectConnectAssociation, VirtualInterface

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
                "virtualGatewayId": association.gateway,
                "virtualGatewayRegion": state.region,
                "associatedGateway": {
                    "id": association.gateway,
                    "type": "virtualPrivateGateway",
                    "ownerAccount": state.account,
                    "region": state.region,
                },
            }
            for association in state.associations
            if gateway in (None, association.gateway) and wanted in (None, association.id)
        ]
    }


def uses_direct_connect(state: State, gateway: str) -> bool:
    """Tell whether something of Direct Connect that is not over refers to *gateway*."""
    things: list[VirtualInterface | DirectConnectAssociation] = [
        *state.virtual_interfaces,
        *state.associations,
    ]
    return any(thing.gateway == gateway and thing.state not in _OVER for thing in things)


def detach_ends_associations(state: State, gateway: str) -> None:
    """Drop the gateway's associations: they do not come back when it is attached again."""
    state.associations = [
        replace(a, state="disassociated") if a.gateway == gateway else a for a in state.associations
    ]
