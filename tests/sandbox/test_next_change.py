"""Cached answers: a world never returns an outdated one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from vpnmigrate.rehearsal.simulation.topology import OLD, topology
from vpnmigrate.rehearsal.simulation.trial import setting_of
from vpnmigrate.sandbox.behaviour import Behaviour
from vpnmigrate.sandbox.ec2.dispatch import READS
from vpnmigrate.sandbox.next_change import changes
from vpnmigrate.sandbox.world import World, kept

ASKED = ("DescribeVpnGateways", "DescribeVpnConnections", "DescribeRouteTables")


def afresh(world: World, action: str) -> dict[str, object]:
    """Return the answer of a new copy of the state, without a cache."""
    with world.to_be_read() as state:
        return READS["ec2", action](kept(state), {})


@pytest.mark.parametrize("seed", [4, 5, 9, 11])
def test_a_kept_answer_is_the_one_that_would_be_worked_out(seed):
    """During a swap of gateways, every second, cached answers equal newly calculated ones."""
    setting = setting_of(topology(seed))
    world, plan = setting.world(), setting.plan
    lagless = world.fork(world.clock, behaviour_without_lag(world))
    calls: dict[int, tuple[str, dict[str, object]]] = {
        3: ("DetachVpnGateway", {"VpnGatewayId": OLD, "VpcId": plan.vpc}),
        5: ("CreateVpnGateway", {"Type": "ipsec.1", "AmazonSideAsn": 64700}),
        400: ("AttachVpnGateway", {"VpnGatewayId": OLD, "VpcId": plan.vpc}),
    }
    for second in range(900):
        if second in calls:
            action, params = calls[second]
            lagless.execute("ec2", action, params)
        if second == 600:
            for connection in plan.old_connections:
                lagless.devices.disable(connection)
        if second == 610:
            for connection in plan.old_connections:
                lagless.devices.enable(connection)
        for action in ASKED:
            found = lagless.execute("ec2", action, {})
            assert found == afresh(lagless, action), (second, action)
        lagless.clock.sleep(timedelta(seconds=1))


@pytest.mark.parametrize("seed", [4, 9])
def test_no_moment_is_missed_at_which_an_answer_changes(seed):
    """A world's answers change only at the times that `changes` returns."""
    setting = setting_of(topology(seed))
    world, plan = setting.world(), setting.plan
    begun = world.clock.now()
    table = {"RouteTableId": plan.before.route_tables[0].id, "GatewayId": OLD}
    world.execute("ec2", "DisableVgwRoutePropagation", table)
    world.execute("ec2", "EnableVgwRoutePropagation", table)
    for action in ("CreateRoute", "ReplaceRoute"):
        world.execute("ec2", action, {**table, "DestinationCidrBlock": "203.0.113.0/24"})
    world.execute("ec2", "DetachVpnGateway", {"VpnGatewayId": OLD, "VpcId": plan.vpc})
    world.execute("ec2", "CreateVpnGateway", {"Type": "ipsec.1", "AmazonSideAsn": 64700})
    world.clock.sleep(timedelta(seconds=60))
    for connection in plan.old_connections:
        world.devices.disable(connection)
    with world.to_be_read() as state:
        seen, named = kept(state), changes(state, begun)
    before = None
    for second in range(240):
        seen.now = begun + timedelta(seconds=second)
        lines = [READS["ec2", action](seen, {}) for action in ASKED]
        changed = before is not None and lines != before
        before = lines
        due = any(seen.now - timedelta(seconds=1) < moment <= seen.now for moment in named)
        assert due or not changed, second


def behaviour_without_lag(world: World) -> Behaviour:
    """Return the world's behaviour without read lag."""
    return replace(world.behaviour, read_lag=timedelta(0))
