"""Step sequences: forward, rollback and finalize; ``gateway_swap`` decides the direction."""

from __future__ import annotations

from vpnmigrate.model.plan import Direction, Plan
from vpnmigrate.model.snapshot import GatewaySwap, Snapshot
from vpnmigrate.steps.base import Step
from vpnmigrate.steps.s01_claim_gateway import ClaimGateway, RemoveOurClaim
from vpnmigrate.steps.s02_create_gateway import CreateGateway, RemoveGateway, new_gateway
from vpnmigrate.steps.s03_create_connections import CreateConnections, RemoveConnections
from vpnmigrate.steps.s04_archive_configuration import FetchConfiguration
from vpnmigrate.steps.s05_configure_devices import ConfigureDevices
from vpnmigrate.steps.s06_test_vpc import RemoveTestVpc, TryInTestVpc
from vpnmigrate.steps.s07_disable_propagation import StopPropagation
from vpnmigrate.steps.s08_swap_gateways import SwapGateways
from vpnmigrate.steps.s09_restore_routing import RestoreRouting
from vpnmigrate.steps.s10_switch_tunnels import SwitchTunnels
from vpnmigrate.steps.s11_delete_old_connections import DeleteOldConnections, DeleteOldGateway

CUTOVER: tuple[Step, ...] = (
    StopPropagation(),
    SwapGateways(),
    RestoreRouting(),
    SwitchTunnels(),
)
"""Steps 7 to 10: the only ones that affect traffic, the same in either direction."""

FORWARD: tuple[Step, ...] = (
    ClaimGateway(),
    CreateGateway(),
    CreateConnections(),
    FetchConfiguration(),
    ConfigureDevices(),
    TryInTestVpc(),
    *CUTOVER,
)
"""AWS's steps 1 to 10, in AWS's order."""

CLAIM: tuple[Step, ...] = (ClaimGateway(),)

CLEAN_UP: tuple[Step, ...] = (
    RemoveTestVpc(),
    RemoveConnections(),
    RemoveGateway(),
    RemoveOurClaim(),
)
"""Removal of what steps 6, 3, 2 and 1 created, in this order, once traffic flows again."""

CLEAN_UP_BUT_KEEP: tuple[Step, ...] = (RemoveTestVpc(), RemoveOurClaim())
"""The clean-up that leaves the new gateway and connections for a later attempt."""

FINALIZE: tuple[Step, ...] = (ClaimGateway(), DeleteOldConnections(), RemoveOurClaim())
RETIRE_WITH_GATEWAY: tuple[Step, ...] = (ClaimGateway(), DeleteOldConnections(), DeleteOldGateway())
"""Step 11; deleting the old gateway also removes its claim tag."""


def gateway_swap(direction: Direction, plan: Plan, now: Snapshot) -> GatewaySwap:
    """Return the leaving and joining gateway; a rollback exchanges the two."""
    new = new_gateway(now)
    match direction:
        case Direction.ROLLBACK:
            return GatewaySwap(leaving=new, joining=plan.old_gateway)
        case Direction.FORWARD | Direction.FINALIZE:
            return GatewaySwap(leaving=plan.old_gateway, joining=new)
