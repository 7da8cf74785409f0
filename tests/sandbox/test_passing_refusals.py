"""Temporary errors and remaining rows: switches of the sandbox, and runs that handle them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.sandbox.worlds import OLD, TABLE, VPC, a_world, ask, refused
from tests.support.builders import OLD as STAGE_OLD
from tests.support.builders import VPC as STAGE_VPC
from tests.support.stage import Stage
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.sandbox.behaviour import Behaviour, seconds
from vpnmigrate.sandbox.world import World

CODES = ("InvalidParameterValue", "IncorrectState", "OperationInProgress")
ROWS = ("replaces", "precedes", "follows")


def rows_of(world: World) -> list[str]:
    """Return the states in the rows of the old gateway, in the order of the answer."""
    (gateway,) = ask(world, "DescribeVpnGateways", VpnGatewayIds=[OLD])["VpnGateways"]
    return [row["State"] for row in gateway["VpcAttachments"]]


def reattach(world: World) -> None:
    """Detach the old gateway and attach it again."""
    ask(world, "DetachVpnGateway", VpnGatewayId=OLD, VpcId=VPC)
    world.clock.sleep(timedelta(minutes=5))
    ask(world, "AttachVpnGateway", VpnGatewayId=OLD, VpcId=VPC)
    world.clock.sleep(timedelta(minutes=5))


@pytest.mark.parametrize("code", CODES)
def test_a_workflow_that_has_not_ended_refuses_the_next(code):
    """After a detach a pending workflow refuses the next change with one of these codes."""
    world = a_world(
        workflow_ends_after=timedelta(seconds=20), workflow_refusal=code, detach=seconds(10)
    )
    ask(world, "DetachVpnGateway", VpnGatewayId=OLD, VpcId=VPC)
    world.clock.sleep(timedelta(seconds=10))

    error = refused(world, "AttachVpnGateway", VpnGatewayId=OLD, VpcId=VPC)
    assert error.code == code
    assert error.message.endswith(f"conflicting pending workflow for {OLD}")
    world.clock.sleep(timedelta(seconds=20))
    ask(world, "AttachVpnGateway", VpnGatewayId=OLD, VpcId=VPC)


def test_a_workflow_of_another_gateway_on_the_vpc_refuses_an_attach():
    """A workflow of another gateway on the same VPC refuses an attach."""
    world = a_world(workflow_ends_after=timedelta(seconds=20), detach=seconds(10))
    new = ask(world, "CreateVpnGateway", Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    world.clock.sleep(timedelta(minutes=5))
    ask(world, "DetachVpnGateway", VpnGatewayId=OLD, VpcId=VPC)
    world.clock.sleep(timedelta(seconds=12))

    assert refused(world, "AttachVpnGateway", VpnGatewayId=new, VpcId=VPC).code == CODES[0]
    world.clock.sleep(timedelta(seconds=20))
    ask(world, "AttachVpnGateway", VpnGatewayId=new, VpcId=VPC)


@pytest.mark.parametrize(
    ("switch", "rows"),
    [
        ("replaces", ["attached"]),
        ("precedes", ["attached", "detached"]),
        ("follows", ["detached", "attached"]),
    ],
)
def test_the_row_of_an_earlier_attachment(switch, rows):
    """A gateway that is attached again may have two rows for its VPC."""
    world = a_world(reattached_row=switch)
    reattach(world)

    assert rows_of(world) == rows


@pytest.mark.parametrize(
    ("action", "more", "usual"),
    [
        ("EnableVgwRoutePropagation", {}, "Gateway.NotAttached"),
        ("CreateRoute", {"DestinationCidrBlock": "10.77.0.0/16"}, "InvalidGatewayID.NotFound"),
        ("AssociateRouteTable", {}, "Gateway.NotAttached"),
    ],
)
def test_an_attachment_that_routing_does_not_know(action, more, usual):
    """Each call has its own error, or all have the same, as the switch says."""
    for switch, code in (("by call", usual), ("different networks", "InvalidParameterValue")):
        world = a_world(
            gateway_not_ready=switch, gateway_ready_after=timedelta(minutes=10), attach=seconds(1)
        )
        reattach(world)
        error = refused(world, action, RouteTableId=TABLE, GatewayId=OLD, **more)

        assert error.code == code
        assert ("different networks" in error.message) == (switch == "different networks")


@pytest.mark.parametrize(("code", "row"), list(zip(CODES, ROWS, strict=True)))
def test_a_migration_and_its_rollback_outlast_all_of_it(tmp_path, code, row):
    """A migration, a rollback and a second migration need no input while traffic is down."""
    temper = Behaviour(
        workflow_ends_after=timedelta(seconds=20),
        workflow_refusal=code,
        reattached_row=row,
        gateway_ready_after=timedelta(seconds=15),
        gateway_not_ready="different networks",
    )
    stage = Stage(tmp_path, behaviour=temper)

    assert stage.forward().status is RunStatus.CUT_OVER
    assert stage.back().status is RunStatus.ROLLED_BACK
    assert stage.differences() == ()
    assert stage.forward().status is RunStatus.CUT_OVER
    assert stage.back().status is RunStatus.ROLLED_BACK
    assert stage.observe().attachment(STAGE_OLD, STAGE_VPC) == "attached"
