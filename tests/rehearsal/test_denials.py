"""Denials of simulated worlds: every call of steps 7 to 10 and of the clean-up is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

from vpnmigrate.model.changes import (
    AssociateEdge,
    AttachVpnGateway,
    AwsChange,
    CreateRoute,
    DeleteTestSubnet,
    DeleteTestVpc,
    DeleteVpnConnection,
    DeleteVpnGateway,
    DetachVpnGateway,
    DisablePropagation,
    DisassociateEdge,
    EnablePropagation,
    PlaceClaim,
    RemoveClaim,
    ReplaceRoute,
)
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.ec2 import RouteTableId, VpcId, VpnGatewayId
from vpnmigrate.model.plan import GATEWAY_ROLE, TEST_SUBNET_ROLE, TEST_VPC_ROLE
from vpnmigrate.rehearsal.simulation.denials import Denials, Refusals, drawn_denials
from vpnmigrate.rehearsal.simulation.topology import OLD, VPC
from vpnmigrate.rehearsal.simulation.trial import START

TABLE, NEW = RouteTableId("rtb-0a00"), VpnGatewayId("vgw-new")
TO = "192.168.0.0/16"

DENIABLE: tuple[AwsChange, ...] = (
    *(DisablePropagation(TABLE, gateway) for gateway in (OLD, NEW)),
    *(EnablePropagation(TABLE, gateway) for gateway in (OLD, NEW)),
    *(DetachVpnGateway(gateway, VPC) for gateway in (OLD, NEW)),
    *(AttachVpnGateway(gateway, VPC) for gateway in (OLD, NEW)),
    *(ReplaceRoute(TABLE, TO, gateway) for gateway in (OLD, NEW)),
    *(CreateRoute(TABLE, TO, gateway) for gateway in (OLD, NEW)),
    *(AssociateEdge(TABLE, gateway) for gateway in (OLD, NEW)),
    *(DisassociateEdge(TABLE, gateway, "rtbassoc-1") for gateway in (OLD, NEW)),
    DetachVpnGateway(NEW, VpcId("vpc-test")),
    DeleteTestSubnet(TEST_SUBNET_ROLE, "subnet-test"),
    DeleteTestVpc(TEST_VPC_ROLE, "vpc-test"),
    DeleteVpnConnection("connection/vpn-0a00", "vpn-new"),
    DeleteVpnGateway(GATEWAY_ROLE, NEW),
    RemoveClaim(OLD, "ann"),
    PlaceClaim(OLD, "ann"),
)

KINDS = {
    "denied for good",
    "denied for a while",
    "unknown code for good",
    "unknown code for a while",
}


def refusals(denials: Denials) -> Refusals:
    return Refusals(denials, frozenset({TABLE}), VirtualClock(START))


@pytest.mark.parametrize("change", DENIABLE, ids=str)
def test_every_call_is_refused_in_every_way(change):
    """The draw denies each change of the cutover and of the clean-up, for good and for a while."""
    drawn = [drawn_denials(seed) for seed in range(1200)]

    assert {each.kind for each in drawn if refusals(each).would_deny(change)} == KINDS


def test_a_denial_for_a_while_ends():
    """It lasts from the first refusal of the change, and then the call is let through."""
    clock = VirtualClock(START)
    denials = Refusals(Denials(undivided=1.0, lasts=timedelta(minutes=5)), frozenset(), clock)
    attach = AttachVpnGateway(OLD, VPC)

    assert denials.denies(attach)
    clock.sleep(timedelta(minutes=5) - timedelta(seconds=1))
    assert denials.denies(attach)
    clock.sleep(timedelta(seconds=1))
    assert not denials.denies(attach)


def test_a_denial_for_good_lasts_until_its_cause_is_removed():
    """An operator permits everything."""
    denials = refusals(Denials(tables=1.0))
    enable = EnablePropagation(TABLE, NEW)

    assert denials.denies(enable)
    assert denials.remove_cause() == timedelta(0)
    assert not denials.denies(enable)
