"""External changes that a step overwrites, and operator tasks."""

from __future__ import annotations

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
    STEADY,
    VPC,
    a_connection,
    a_plan,
    a_snapshot,
    a_survey,
    a_table,
    journal_facts,
    ordinary_tables,
    role_of,
)
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.ec2 import RouteTableId
from vpnmigrate.model.facts import UNKNOWN, AttachmentOf, Claim, EdgeAssociation, Propagation
from vpnmigrate.model.snapshot import Confirmation, Ownership
from vpnmigrate.steps.base import StepInput
from vpnmigrate.steps.s01_claim_gateway import ClaimGateway
from vpnmigrate.steps.s05_configure_devices import ConfigureDevices
from vpnmigrate.steps.s07_disable_propagation import StopPropagation
from vpnmigrate.steps.s08_swap_gateways import SwapGateways
from vpnmigrate.steps.s09_restore_routing import RestoreRouting
from vpnmigrate.steps.s10_switch_tunnels import SwitchTunnels

EDGE = RouteTableId("rtb-edge")
OURS = journal_facts(holder="ann@desk/1")
SWAPPED = a_snapshot(old="detached", new="attached", tables=ordinary_tables(NEW), up=2)


def but(fact, value, base=None):
    """Return an ordinary snapshot, or *base*, with one fact changed."""
    base = base or a_snapshot()
    return replace(base, facts={**base.facts, fact: value})


def undone(step, swap, now, said):
    return list(step.external_changes_overwritten(StepInput(a_plan(), swap, now, said)))


def touching(*facts):
    """Return journal facts that list every change of this attempt."""
    return journal_facts(touched=frozenset(facts))


UNTOUCHED = touching()


def test_a_table_that_nobody_planned_is_named_when_it_is_switched_off():
    """Propagation enabled outside this run is disabled with the gateway, and reported."""
    late = a_table("rtb-late", propagates=OLD)
    elsewhere = a_table("rtb-far", vpc="vpc-2", propagates=OLD)
    now = a_snapshot(tables=[*ordinary_tables(), late, elsewhere])
    doubted = but(Propagation(late.id, OLD), UNKNOWN, now)
    line = (
        "rtb-late propagates routes from vgw-old, which was not so in the plan; "
        "propagation ends when the gateway is detached"
    )

    assert undone(StopPropagation(), FORWARD, now, UNTOUCHED) == [line]
    assert undone(StopPropagation(), FORWARD, doubted, UNTOUCHED) == []
    assert undone(StopPropagation(), FORWARD, a_snapshot(), UNTOUCHED) == []


def test_an_old_gateway_that_others_took_off_is_put_back_by_name():
    """In a rollback a gateway detached outside this run is attached again, and reported."""
    off = a_snapshot(old="detached", new="attached")
    mine = touching(AttachmentOf(OLD, VPC))

    assert undone(SwapGateways(), BACK, off, UNTOUCHED) == [
        "vgw-old was detached from vpc-1 outside this run; it is attached again"
    ]
    assert undone(SwapGateways(), BACK, off, mine) == []
    assert undone(SwapGateways(), BACK, off, NOTHING_TOLD) == [], (
        "no external change is reported after a lost journal"
    )
    assert undone(SwapGateways(), FORWARD, off, UNTOUCHED) == []
    assert undone(SwapGateways(), BACK, a_snapshot(), UNTOUCHED) == []


def test_a_claim_that_others_took_off_is_put_back_by_name():
    """Setting a claim tag again that was removed outside this run is reported."""
    gone = a_snapshot(foreign=[Claim(OLD)])

    assert undone(ClaimGateway(), FORWARD, gone, OURS) == [
        "the claim tag on vgw-old was removed outside this run; this step sets it again"
    ]
    assert undone(ClaimGateway(), FORWARD, a_snapshot(), OURS) == []
    assert undone(ClaimGateway(), FORWARD, but(Claim(OLD), "bob@lab/2", gone), OURS) == []


class TestEdgeTables:
    """An edge table disassociated outside this run is associated again, and reported."""

    PLAN = a_plan(before=a_survey(route_tables=(a_table(EDGE, edge_of=OLD),)))
    LINE = (
        "edge route table rtb-edge was disassociated from vgw-old outside this run; "
        "it is associated again"
    )

    def named(self, step, swap, now, said=UNTOUCHED):
        return list(step.external_changes_overwritten(StepInput(self.PLAN, swap, now, said)))

    def test_while_its_gateway_stays_on_the_vpc(self):
        """A table is disassociated from an attached gateway only by an external change."""
        disassociated = a_snapshot(tables=[a_table(EDGE)])
        mine = touching(EdgeAssociation(EDGE, OLD))

        assert self.named(SwapGateways(), FORWARD, disassociated) == [self.LINE]
        assert self.named(SwapGateways(), FORWARD, disassociated, mine) == []
        assert self.named(SwapGateways(), FORWARD, a_snapshot(tables=[])) == []
        assert (
            self.named(SwapGateways(), FORWARD, a_snapshot(tables=[a_table(EDGE, edge_of=OLD)]))
            == []
        )
        off = a_snapshot(old="detaching", tables=[a_table(EDGE)])
        assert self.named(SwapGateways(), FORWARD, off) == []

    def test_of_the_new_gateway_only_what_this_run_tied(self):
        """A table that was never associated with the new gateway is not reported."""
        on = a_snapshot(old="detached", new="attached", tables=[a_table(EDGE)])
        tie = EdgeAssociation(EDGE, NEW)
        ours = replace(on, externally_changed=frozenset({tie}))

        assert self.named(SwapGateways(), BACK, on, touching(AttachmentOf(OLD, VPC))) == []
        assert self.named(SwapGateways(), BACK, ours, touching(tie, AttachmentOf(OLD, VPC))) == [
            self.LINE.replace("vgw-old", "vgw-new")
        ]

    def test_on_the_way_back_where_the_old_gateway_never_left(self):
        """Associations of a gateway that this run detached are not reported; others are."""
        disassociated = a_snapshot(tables=[a_table(EDGE)])
        moved = touching(AttachmentOf(OLD, VPC))

        assert self.named(RestoreRouting(), BACK, disassociated, touching(Claim(OLD))) == [
            self.LINE
        ]
        assert self.named(RestoreRouting(), BACK, disassociated, moved) == []
        assert self.named(RestoreRouting(), FORWARD, disassociated) == []


def test_propagation_that_others_switched_off_is_told_as_it_goes_on_again():
    """A rollback restores each earlier setting; an external change to it is reported."""
    off = a_snapshot(tables=[a_table(BOTH, static={"192.168.0.0/16": OLD}), ordinary_tables()[1]])
    setting = Propagation(BOTH, OLD)
    line = "propagation from vgw-old in rtb-both was disabled outside this run; it is enabled again"

    assert undone(RestoreRouting(), BACK, off, UNTOUCHED) == [line]
    assert undone(RestoreRouting(), BACK, off, touching(setting)) == []
    assert (
        undone(
            RestoreRouting(), BACK, replace(off, externally_changed=frozenset({setting})), UNTOUCHED
        )
        == []
    )
    assert undone(RestoreRouting(), FORWARD, off, UNTOUCHED) == []


class TestAsked:
    """Operator tasks name every connection."""

    BEFORE = a_survey(
        connections=(a_connection(), a_connection("vpn-two", customer_gateway="cgw-2"))
    )
    PLAN = a_plan(before=BEFORE)

    def asked(self, step, swap, now, said=NOTHING_TOLD):
        (task,) = step.missing_changes(StepInput(self.PLAN, swap, now, said))
        return task

    def test_to_configure_the_devices(self):
        """Each new connection is named with the old one of the same device."""
        assert self.asked(ConfigureDevices(), FORWARD, a_snapshot()) == AskOperator(
            5,
            Confirmation.DEVICES_CONFIGURED,
            "load the candidate configuration for vpn-new (beside vpn-old), ? (beside vpn-two), "
            "tunnels DISABLED, as the sheet in each device folder says",
        )

    def test_to_enable_tunnels_in_either_direction(self):
        """Forward the new tunnels are enabled, in a rollback the old ones."""
        two = a_snapshot(old="detached", new="attached")
        two = replace(two, owned=Ownership({**two.ours, role_of("vpn-two"): "vpn-also"}))

        assert self.asked(SwitchTunnels(), FORWARD, two) == AskOperator(
            10,
            Confirmation.NEW_TUNNELS_ENABLED,
            "enable the tunnels of vpn-also, vpn-new and send traffic through them",
        )
        back = a_snapshot(tables=[a_table(MAIN), a_table(BOTH)])
        assert self.asked(SwitchTunnels(), BACK, back) == AskOperator(
            10,
            Confirmation.TUNNELS_RETURNED,
            "enable the tunnels of vpn-old, vpn-two again, disable those of the new connections",
        )

    def test_to_disable_the_old_tunnels(self):
        """The old tunnels are disabled last, and all of them are named."""
        verified = journal_facts(verified=NOON, stability=STEADY)

        assert self.asked(SwitchTunnels(), FORWARD, SWAPPED, verified) == AskOperator(
            10,
            Confirmation.OLD_TUNNELS_DISABLED,
            "traffic flows through vgw-new: now disable the tunnels of vpn-old, vpn-two",
        )
