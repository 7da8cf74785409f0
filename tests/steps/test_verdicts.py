"""Verdicts of steps: why a step waits or stops, what a person can do, and what was lost."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.support.builders import (
    BACK,
    BOTH,
    FORWARD,
    MAIN,
    NEW,
    NOON,
    NOTHING_TOLD,
    OLD,
    OLD_VPN,
    STEADY,
    VPC,
    a_connection,
    a_plan,
    a_snapshot,
    a_table,
    journal_facts,
    new_side,
    ordinary_tables,
    our_tags,
    snapshot_by_tag,
)
from vpnmigrate.model.decisions import Decisions, TestVpc
from vpnmigrate.model.ec2 import Attachment, ResourceState, Role, VpcId, VpcRecord, VpnGatewayId
from vpnmigrate.model.errors.commands import aws, cli
from vpnmigrate.model.facts import UNKNOWN, AttachmentOf, Claim, Existence, Propagation, Switch
from vpnmigrate.model.plan import GATEWAY_ROLE, TEST_VPC_ROLE
from vpnmigrate.model.snapshot import Confirmation, Ownership, Reading
from vpnmigrate.steps.base import Blocked, Claimed, Lost, Met, NotYet, StepInput
from vpnmigrate.steps.s01_claim_gateway import ClaimGateway, RemoveOurClaim
from vpnmigrate.steps.s02_create_gateway import CreateGateway, RemoveGateway, new_gateway
from vpnmigrate.steps.s03_create_connections import CreateConnections, RemoveConnections
from vpnmigrate.steps.s04_archive_configuration import FetchConfiguration
from vpnmigrate.steps.s05_configure_devices import ConfigureDevices
from vpnmigrate.steps.s06_test_vpc import RemoveTestVpc, TryInTestVpc
from vpnmigrate.steps.s07_disable_propagation import StopPropagation
from vpnmigrate.steps.s08_swap_gateways import SwapGateways, is_interrupted
from vpnmigrate.steps.s09_restore_routing import RestoreRouting
from vpnmigrate.steps.s10_switch_tunnels import SwitchTunnels
from vpnmigrate.steps.s11_delete_old_connections import DeleteOldConnections, DeleteOldGateway

STATIC = "192.168.0.0/16"
LOST_ROUTE = "rtb-both: 10.1.0.0/16 went to vgw-old before and goes to nothing now"
OTHER = VpcId("vpc-2")
THIRD = VpnGatewayId("vgw-third")
OURS = journal_facts(holder="ann@desk/1")
EMPTY = replace(a_snapshot(), facts={}, owned=Ownership(), connections={}, tables={})
SWAPPED = a_snapshot(old="detached", new="attached", tables=ordinary_tables(NEW), up=2)
TESTED = a_plan(decisions=Decisions(test_vpc=TestVpc(cidr="10.99.0.0/24")))
IN_TEST = snapshot_by_tag(
    Reading(
        NOON,
        gateways=new_side(on="vpc-test").gateways,
        vpcs=(VpcRecord(VpcId("vpc-test"), cidrs=("10.99.0.0/24",), tags=our_tags(TEST_VPC_ROLE)),),
    ),
    a_plan().migration,
)


STRANGER = a_connection("vpn-strange", on=NEW)
STRANGE = a_snapshot()
STRANGE = replace(
    STRANGE,
    connections={**STRANGE.connections, STRANGER.id: STRANGER},
)


def but(fact, value, base=None):
    """Return an ordinary snapshot, or *base*, with one fact changed."""
    base = base or a_snapshot()
    return replace(base, facts={**base.facts, fact: value})


def swapped(tables, **more):
    return a_snapshot(old="detached", new="attached", tables=tables, up=2, **more)


SURVIVED = journal_facts(idle=frozenset({Propagation(BOTH, NEW), Propagation(MAIN, NEW)}))
"""Settings that this run has not enabled since it attached the gateway."""

SAID = [
    (
        StopPropagation(),
        FORWARD,
        a_snapshot(tables=[a_table(BOTH), ordinary_tables()[1]]),
        NOTHING_TOLD,
        NotYet("propagation from vgw-old in rtb-main is on"),
    ),
    (
        CreateConnections(),
        FORWARD,
        STRANGE,
        NOTHING_TOLD,
        Blocked(
            "vpn-strange already connects vgw-new and cgw-1, and this run did not create it",
            "find out who created it; delete it, or plan again; do not give it the run's tags",
        ),
    ),
    (
        ClaimGateway(),
        FORWARD,
        a_snapshot(),
        OURS,
        NotYet("the claim tag on vgw-old is not visible yet"),
    ),
    (
        ClaimGateway(),
        FORWARD,
        but(Claim(OLD), "bob@lab/2"),
        OURS,
        Claimed("bob@lab/2"),
    ),
    (
        RemoveOurClaim(),
        BACK,
        but(Claim(OLD), "ann@desk/1"),
        OURS,
        NotYet("the claim tag is still on vgw-old"),
    ),
    (
        CreateGateway(),
        FORWARD,
        but(Existence(GATEWAY_ROLE), ResourceState.PENDING),
        NOTHING_TOLD,
        NotYet("the new virtual private gateway is pending"),
    ),
    (
        RemoveGateway(),
        BACK,
        a_snapshot(),
        NOTHING_TOLD,
        NotYet("the new virtual private gateway is available"),
    ),
    (
        CreateConnections(),
        FORWARD,
        EMPTY,
        NOTHING_TOLD,
        NotYet("the successor of vpn-old is absent"),
    ),
    (
        RemoveConnections(),
        BACK,
        a_snapshot(),
        NOTHING_TOLD,
        NotYet("the successor of vpn-old is available"),
    ),
    (
        FetchConfiguration(),
        FORWARD,
        EMPTY,
        NOTHING_TOLD,
        NotYet("the successor of vpn-old does not exist"),
    ),
    (
        FetchConfiguration(),
        FORWARD,
        a_snapshot(),
        NOTHING_TOLD,
        NotYet("the configuration of vpn-old is not archived"),
    ),
    (
        FetchConfiguration(),
        FORWARD,
        a_snapshot(),
        journal_facts(files=[OLD_VPN]),
        NotYet("the configuration of vpn-new is not archived"),
    ),
    (
        ConfigureDevices(),
        FORWARD,
        a_snapshot(),
        NOTHING_TOLD,
        NotYet("the devices are not configured yet"),
    ),
    (
        StopPropagation(),
        FORWARD,
        a_snapshot(),
        NOTHING_TOLD,
        NotYet("propagation from vgw-old in rtb-both is on (and 1 more)"),
    ),
    (
        StopPropagation(),
        BACK,
        but(Existence(OLD), ResourceState.DELETING, SWAPPED),
        NOTHING_TOLD,
        Blocked(
            ("vgw-old is gone: it cannot replace vgw-new, which stays attached"),
            (
                "correct that, then try again; to see the status of the run:",
                cli("status", "mig-20260301-abc123"),
            ),
        ),
    ),
    (
        StopPropagation(),
        FORWARD,
        but(AttachmentOf(NEW, OTHER), Attachment.ATTACHED),
        NOTHING_TOLD,
        Blocked(
            ("vgw-new is attached to vpc-2: it cannot replace vgw-old, which stays attached"),
            (
                "correct that, then try again; to see the status of the run:",
                cli("status", "mig-20260301-abc123"),
            ),
        ),
    ),
    (
        StopPropagation(),
        BACK,
        but(Existence(OLD_VPN), ResourceState.ABSENT, SWAPPED),
        NOTHING_TOLD,
        Blocked(
            (
                "vgw-old has lost its connections (vpn-old): it cannot replace "
                "vgw-new, which stays attached"
            ),
            (
                "correct that, then try again; to see the status of the run:",
                cli("status", "mig-20260301-abc123"),
            ),
        ),
    ),
    (
        SwapGateways(),
        FORWARD,
        a_snapshot(),
        NOTHING_TOLD,
        NotYet("vgw-new is detached, vgw-old is attached"),
    ),
    (
        SwapGateways(),
        FORWARD,
        but(AttachmentOf(THIRD, VPC), Attachment.ATTACHED),
        NOTHING_TOLD,
        Blocked(
            "vgw-third is attached to vpc-1, and this run did not attach it",
            (
                "find out who attached it; once it is detached, resume or roll back:",
                aws(
                    *("ec2", "detach-vpn-gateway", "--vpn-gateway-id", "vgw-third"),
                    *("--vpc-id", "vpc-1"),
                ),
            ),
        ),
    ),
    (
        SwapGateways(),
        BACK,
        but(Existence(OLD), ResourceState.ABSENT, SWAPPED),
        NOTHING_TOLD,
        Blocked(
            "vgw-old is gone: it cannot be attached to vpc-1",
            ("if it was the new gateway, roll back; otherwise resume the migration forward"),
        ),
    ),
    (
        SwapGateways(),
        FORWARD,
        but(AttachmentOf(NEW, OTHER), Attachment.ATTACHED),
        NOTHING_TOLD,
        Blocked(
            "vgw-new is attached to vpc-2, and this run did not attach it",
            (
                "detach it, then resume or roll back:",
                aws(
                    *("ec2", "detach-vpn-gateway", "--vpn-gateway-id", "vgw-new"),
                    *("--vpc-id", "vpc-2"),
                ),
            ),
        ),
    ),
    (
        SwapGateways(),
        FORWARD,
        but(AttachmentOf(NEW, OTHER), Attachment.DETACHING),
        NOTHING_TOLD,
        NotYet("vgw-new is still attached to vpc-2"),
    ),
    (
        RestoreRouting(),
        FORWARD,
        swapped(ordinary_tables()),
        NOTHING_TOLD,
        NotYet("propagation from vgw-new in rtb-both is off (and 2 more)"),
    ),
    (
        RestoreRouting(),
        FORWARD,
        a_snapshot(old="detached", foreign=[AttachmentOf(NEW, VPC)]),
        NOTHING_TOLD,
        Blocked(
            "vgw-new was detached from vpc-1 outside this run",
            (
                "roll back, or attach it again and resume:",
                aws(
                    *("ec2", "attach-vpn-gateway", "--vpn-gateway-id", "vgw-new"),
                    *("--vpc-id", "vpc-1"),
                ),
            ),
            interrupted=True,
        ),
    ),
    (
        RestoreRouting(),
        FORWARD,
        swapped((a_table(BOTH, propagates=NEW, static={STATIC: NEW}), ordinary_tables(NEW)[1])),
        SURVIVED,
        NotYet(
            "propagation from vgw-new in rtb-both was on before it was attached, "
            "and may have no effect: it is enabled again"
        ),
    ),
    # Its active routes show its effect, unless they may be from before the detach.
    (RestoreRouting(), FORWARD, SWAPPED, SURVIVED, Met()),
    (
        RestoreRouting(),
        FORWARD,
        replace(SWAPPED, stale=frozenset({AttachmentOf(NEW, VPC)})),
        SURVIVED,
        NotYet(
            "propagation from vgw-new in rtb-both was on before it was attached, "
            "and may have no effect: it is enabled again"
        ),
    ),
    (
        RestoreRouting(),
        FORWARD,
        swapped(
            (
                *ordinary_tables(NEW)[:1],
                a_table(MAIN, main=True, propagates=NEW, static={"10.9.0.0/16": OLD}),
            )
        ),
        NOTHING_TOLD,
        Lost(
            (
                (
                    "the route 10.9.0.0/16 in rtb-main: "
                    "its target was set outside this run to vgw-old, which is detached"
                ),
            )
        ),
    ),
    (
        SwitchTunnels(),
        FORWARD,
        swapped(
            (a_table(BOTH, propagates=NEW, static={STATIC: NEW}), a_table(MAIN, propagates=NEW))
        ),
        NOTHING_TOLD,
        NotYet(f"{LOST_ROUTE} (and at least 1 more)"),
    ),
    (
        SwitchTunnels(),
        FORWARD,
        swapped((a_table(BOTH, propagates=NEW, static={STATIC: NEW}), ordinary_tables(NEW)[1])),
        NOTHING_TOLD,
        NotYet(LOST_ROUTE),
    ),
    (
        SwitchTunnels(),
        FORWARD,
        swapped(
            (a_table(BOTH, propagates=NEW, static={STATIC: NEW}), a_table(MAIN, propagates=NEW))
        ),
        journal_facts(verified=NOON),
        NotYet(
            f"traffic flowed, but something is missing again: {LOST_ROUTE} (and at least 1 more)"
        ),
    ),
    (
        SwitchTunnels(),
        FORWARD,
        SWAPPED,
        journal_facts(verified=NOON, stability=STEADY),
        NotYet("the old tunnels are not disabled yet"),
    ),
    (
        SwitchTunnels(),
        FORWARD,
        a_snapshot(old="detached", foreign=[AttachmentOf(NEW, VPC)]),
        NOTHING_TOLD,
        Blocked(
            "vgw-new was detached from vpc-1 outside this run",
            (
                "roll back, or attach it again and resume:",
                aws(
                    *("ec2", "attach-vpn-gateway", "--vpn-gateway-id", "vgw-new"),
                    *("--vpc-id", "vpc-1"),
                ),
            ),
            interrupted=True,
        ),
    ),
    (DeleteOldConnections(), FORWARD, SWAPPED, NOTHING_TOLD, NotYet("vpn-old is available")),
    (
        DeleteOldConnections(),
        FORWARD,
        a_snapshot(),
        NOTHING_TOLD,
        Blocked(
            (
                "vgw-new is detached from vpc-1: the connections of vgw-old may be the only "
                "path, and are not deleted"
            ),
            ("make sure that traffic flows through the new connections, then finalize again"),
        ),
    ),
    (
        DeleteOldConnections(),
        FORWARD,
        a_snapshot(old="detached", new="attached"),
        NOTHING_TOLD,
        Blocked(
            (
                "the successor of vpn-old has no tunnel UP: the connections of vgw-old "
                "may be the only path, and are not deleted"
            ),
            ("make sure that traffic flows through the new connections, then finalize again"),
        ),
    ),
    (
        DeleteOldGateway(),
        FORWARD,
        a_snapshot(),
        NOTHING_TOLD,
        NotYet("vgw-old is attached to vpc-1"),
    ),
    (DeleteOldGateway(), FORWARD, SWAPPED, NOTHING_TOLD, NotYet("vgw-old is available")),
]


@pytest.mark.parametrize(("step", "swap", "now", "said", "verdict"), SAID)
def test_a_step_says_why(step, swap, now, said, verdict):
    """A verdict names what a step waits for, stops at or lost, with what a person can do."""
    assert step.verify(StepInput(a_plan(), swap, now, said)) == verdict


def test_a_test_vpc_says_what_is_left_of_it():
    """During creation and removal of the test VPC the verdict names what is missing."""
    passed = journal_facts(Confirmation.TEST_PASSED)
    left = NotYet(
        "vpc-test still exists; delete other resources in the test VPC first",
    )

    assert TryInTestVpc().verify(StepInput(TESTED, FORWARD, IN_TEST, NOTHING_TOLD)) == NotYet(
        "the test VPC is being built, or its test has not passed"
    )
    assert TryInTestVpc().verify(StepInput(TESTED, FORWARD, IN_TEST, passed)) == left
    assert RemoveTestVpc().verify(StepInput(TESTED, BACK, IN_TEST, NOTHING_TOLD)) == left


def test_a_route_of_another_vpc_is_not_ours_to_name():
    """A black hole in another VPC is not reported."""
    elsewhere = a_table("rtb-far", vpc=OTHER, static={"10.9.0.0/16": OLD})
    now = swapped((*ordinary_tables(NEW), elsewhere))

    assert RestoreRouting().verify(StepInput(a_plan(), FORWARD, now, NOTHING_TOLD)) == Met()


FIRST, *_ = PROPAGATING = [table.id for table in a_plan().propagating_tables]
SILENT = a_snapshot(facts={Propagation(table, OLD): Switch.OFF for table in PROPAGATING})
SILENT_BACK = replace(
    SWAPPED,
    facts={**SWAPPED.facts, **{Propagation(table, NEW): Switch.OFF for table in PROPAGATING}},
)


@pytest.mark.parametrize(
    ("swap", "now", "interrupted"),
    [
        (FORWARD, a_snapshot(), False),
        (FORWARD, SILENT, True),
        (FORWARD, a_snapshot(facts={Propagation(FIRST, OLD): Switch.OFF}), False),
        (FORWARD, replace(SILENT, tables={}), False),  # A deleted table interrupts nothing.
        (FORWARD, a_snapshot(facts={AttachmentOf(OLD, VPC): UNKNOWN}), False),
        (FORWARD, a_snapshot(old="detached", facts={AttachmentOf(NEW, VPC): UNKNOWN}), False),
        (FORWARD, a_snapshot(old="detaching"), True),
        (FORWARD, a_snapshot(old="detached"), True),
        (FORWARD, a_snapshot(old="detached", new="attaching"), True),
        (FORWARD, SWAPPED, False),
        (BACK, SWAPPED, False),
        (BACK, SILENT_BACK, True),
        (BACK, a_snapshot(old="detached", new="attached"), True),
    ],
)
def test_traffic_is_down_without_a_gateway_or_its_propagation(swap, now, interrupted):
    """What AWS shows decides, since the journal of an outage may be lost."""
    assert is_interrupted(a_plan(), swap, now) is interrupted


def test_a_copy_of_our_tags_stops_what_creates():
    """If two resources have one role's tags, a person must remove the tags from one."""
    owned = Ownership({GATEWAY_ROLE: NEW}, duplicates=((Role(GATEWAY_ROLE), "vgw-copy"),))
    now = replace(a_snapshot(), owned=owned)
    blocked = Blocked(
        "vgw-new and vgw-copy both have this migration's tags for 'gateway'",
        (
            "find out which one this run did not create, and remove the vpnmigrate: tags from it:",
            aws("ec2", "delete-tags", "--resources", "vgw-copy", "--tags", "Key=vpnmigrate:role"),
        ),
    )

    assert CreateGateway().verify(StepInput(a_plan(), FORWARD, now, NOTHING_TOLD)) == blocked
    assert CreateConnections().verify(StepInput(a_plan(), FORWARD, now, NOTHING_TOLD)) == blocked


def test_a_clean_up_that_finds_nothing_has_lost_nothing():
    """Without further resources with this run's tags nothing is reported."""
    assert RemoveGateway().verify(StepInput(a_plan(), BACK, EMPTY, NOTHING_TOLD)) == Met()
    assert RemoveConnections().verify(StepInput(a_plan(), BACK, EMPTY, NOTHING_TOLD)) == Met()


def test_a_gateway_that_is_not_there_yet_goes_by_its_role():
    """Before step 2 messages use the role's name for the new gateway."""
    assert str(new_gateway(EMPTY)) == "gateway"
    assert new_gateway(a_snapshot()) == NEW
