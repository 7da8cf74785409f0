"""The steps of the cutover, in either direction, and step 11, which cannot be rolled back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.support.builders import (
    BACK,
    BOTH,
    FORWARD,
    MAIN,
    NEW,
    NEW_VPN,
    NOON,
    NOTHING_TOLD,
    OLD,
    OLD_VPN,
    PREFIX,
    STEADY,
    VPC,
    a_connection,
    a_gateway,
    a_plan,
    a_snapshot,
    a_survey,
    a_table,
    journal_facts,
    minutes,
    new_side,
    ordinary_tables,
    snapshot_by_tag,
)
from vpnmigrate.model.changes import (
    ArchiveConfiguration,
    AssociateEdge,
    AttachVpnGateway,
    CreateRoute,
    DeleteVpnConnection,
    DeleteVpnGateway,
    DetachVpnGateway,
    DisablePropagation,
    DisassociateEdge,
    EnablePropagation,
    ReplaceRoute,
)
from vpnmigrate.model.decisions import (
    Decisions,
    Exceptions,
    OldTunnels,
    TunnelPolicy,
    Verification,
    Waits,
)
from vpnmigrate.model.ec2 import Attachment, ResourceState, RouteRecord, RouteTableId, VpnGatewayId
from vpnmigrate.model.facts import (
    UNKNOWN,
    AttachmentOf,
    Existence,
    Fact,
    Propagation,
    RouteTarget,
    Value,
)
from vpnmigrate.model.snapshot import Baseline, Confirmation, Reading
from vpnmigrate.steps.base import Blocked, Lost, Met, NotYet, StepInput
from vpnmigrate.steps.s07_disable_propagation import StopPropagation
from vpnmigrate.steps.s08_swap_gateways import SwapGateways
from vpnmigrate.steps.s09_restore_routing import RestoreRouting
from vpnmigrate.steps.s10_switch_tunnels import HOLD, SwitchTunnels
from vpnmigrate.steps.s11_delete_old_connections import DeleteOldConnections, DeleteOldGateway
from vpnmigrate.steps.traffic import (
    awaits_devices,
    degraded,
    destinations,
    missing_connections,
    missing_traffic,
)

STATIC = "192.168.0.0/16"


def changes(step, now, *, plan=None, swap=FORWARD, said=NOTHING_TOLD):
    return list(step.missing_changes(StepInput(plan or a_plan(), swap, now, said)))


def verdict(step, now, *, plan=None, swap=FORWARD, said=NOTHING_TOLD):
    return step.verify(StepInput(plan or a_plan(), swap, now, said))


class TestStopPropagation:
    def test_switches_off_every_table_that_propagates(self):
        """Propagation from the leaving gateway is disabled in all tables at once."""
        assert changes(StopPropagation(), a_snapshot()) == [
            DisablePropagation(BOTH, OLD),
            DisablePropagation(MAIN, OLD),
        ]

    def test_is_met_when_none_propagates(self):
        """With propagation off everywhere the goal holds."""
        tables = [a_table(BOTH, static={STATIC: OLD}), a_table(MAIN)]

        assert verdict(StopPropagation(), a_snapshot(tables=tables)) == Met()

    def test_also_stops_a_table_that_nobody_recorded(self):
        """Propagation from the new gateway in another table is disabled in a rollback, too."""
        tables = [*ordinary_tables(NEW), a_table("rtb-late", propagates=NEW)]
        now = a_snapshot(old="detached", new="attached", tables=tables)

        assert DisablePropagation(RouteTableId("rtb-late"), NEW) in changes(
            StopPropagation(), now, swap=BACK
        )

    def test_an_unbelieved_setting_is_neither_done_nor_repeated(self):
        """While a reading may be stale nothing is sent and no step is done."""
        now = a_snapshot(
            tables=[a_table(BOTH), a_table(MAIN)], facts={Propagation(MAIN, OLD): UNKNOWN}
        )

        assert changes(StopPropagation(), now) == []
        assert isinstance(verdict(StopPropagation(), now), NotYet)


class TestSwapGateways:
    def test_the_old_one_leaves_first(self):
        """The leaving gateway is detached before anything else."""
        assert changes(SwapGateways(), a_snapshot()) == [DetachVpnGateway(OLD, VPC)]

    def test_waits_for_the_old_one_to_have_left(self):
        """The new gateway is not attached while the old one is still detaching (case 45)."""
        now = a_snapshot(old="detaching")

        assert changes(SwapGateways(), now) == []
        assert verdict(SwapGateways(), now) == NotYet("vgw-new is detached, vgw-old is detaching")

    def test_then_the_new_one_joins(self):
        """Once the old one is detached the new one is attached."""
        assert changes(SwapGateways(), a_snapshot(old="detached")) == [AttachVpnGateway(NEW, VPC)]

    def test_an_attachment_that_is_no_longer_listed_is_gone(self):
        """A missing entry also means detached."""
        reading = Reading(NOON, gateways=(a_gateway(on=None), *new_side().gateways))

        assert changes(SwapGateways(), snapshot_by_tag(reading, a_plan().migration)) == [
            AttachVpnGateway(NEW, VPC)
        ]

    def test_attached_is_the_goal(self):
        """The swap is done when one is detached and the other attached."""
        now = a_snapshot(old="detached", new="attached")

        assert changes(SwapGateways(), now) == []
        assert verdict(SwapGateways(), now) == Met()

    def test_the_way_back_is_the_same_swap(self):
        """With the gateways exchanged the same step attaches the old one."""
        now = a_snapshot(old="detached", new="attached")

        assert changes(SwapGateways(), now, swap=BACK) == [DetachVpnGateway(NEW, VPC)]

    @pytest.mark.parametrize("gateway", [OLD, NEW])
    def test_nothing_is_sent_on_an_unbelieved_attachment(self, gateway):
        """While an attachment may be stale nothing is sent."""
        now = a_snapshot(old="detached", facts={AttachmentOf(gateway, VPC): UNKNOWN})

        assert changes(SwapGateways(), now) == []
        assert isinstance(verdict(SwapGateways(), now), NotYet)

    def test_a_strangers_gateway_on_the_vpc_blocks(self):
        """A third gateway on the VPC is named and not changed."""
        stranger = VpnGatewayId("vgw-stranger")
        now = a_snapshot(old="detached", facts={AttachmentOf(stranger, VPC): Attachment.ATTACHED})

        assert changes(SwapGateways(), now) == []
        blocked = verdict(SwapGateways(), now)
        assert isinstance(blocked, Blocked)
        assert "vgw-stranger" in blocked.why

    def test_a_joining_gateway_that_is_gone_blocks(self):
        """If the gateway to attach was deleted, only the other direction is left."""
        now = a_snapshot(old="detached", facts={Existence(OLD): ResourceState.ABSENT})

        assert changes(SwapGateways(), now, swap=BACK) == []
        assert isinstance(verdict(SwapGateways(), now, swap=BACK), Blocked)

    def test_a_gateway_on_another_vpc_is_waited_for(self):
        """Case 40: a gateway that is still on the test VPC is not attached here."""
        elsewhere = new_side(on="vpc-test", attachment="detaching")
        reading = Reading(NOON, gateways=(a_gateway(on=None), *elsewhere.gateways))
        now = snapshot_by_tag(reading, a_plan().migration)

        assert changes(SwapGateways(), now) == []
        assert verdict(SwapGateways(), now) == NotYet("vgw-new is still attached to vpc-test")


class TestRestoreRouting:
    SWAPPED = (a_table(BOTH, static={STATIC: OLD}, dead=[STATIC]), a_table(MAIN, main=True))

    def swapped(self, tables=SWAPPED, **more):
        return a_snapshot(old="detached", new="attached", tables=tables, **more)

    def test_restores_propagation_and_static_routes_of_one_table(self):
        """Case 15: for a table with propagation and static routes both are restored."""
        assert changes(RestoreRouting(), self.swapped()) == [
            EnablePropagation(BOTH, NEW),
            ReplaceRoute(BOTH, STATIC, NEW),
            EnablePropagation(MAIN, NEW),
        ]

    def test_is_met_when_all_is_restored(self):
        """With all recorded routes to the joining gateway the goal holds."""
        assert verdict(RestoreRouting(), self.swapped(ordinary_tables(NEW))) == Met()

    def test_does_only_what_is_missing(self):
        """Case 50: routes that already lead to the new gateway are not changed."""
        tables = (a_table(BOTH, propagates=NEW, static={STATIC: OLD}), ordinary_tables(NEW)[1])

        assert changes(RestoreRouting(), self.swapped(tables)) == [ReplaceRoute(BOTH, STATIC, NEW)]

    def test_a_black_hole_is_not_restored(self):
        """A route with the right target that is a black hole keeps the step open."""
        tables = (
            a_table(BOTH, propagates=NEW, static={STATIC: NEW}, dead=[STATIC]),
            ordinary_tables(NEW)[1],
        )

        assert verdict(RestoreRouting(), self.swapped(tables)) == NotYet(
            f"the route {STATIC} in rtb-both is a black hole"
        )

    @pytest.mark.parametrize("destination", ["2001:db8::/32", "pl-12345678"])
    def test_other_kinds_of_destinations_are_moved_alike(self, destination):
        """Case 16: routes to IPv6 networks and prefix lists are changed."""
        before = a_survey(route_tables=(a_table(BOTH, static={destination: OLD}),))
        now = self.swapped([a_table(BOTH, static={destination: OLD})])

        assert changes(RestoreRouting(), now, plan=a_plan(before=before)) == [
            ReplaceRoute(BOTH, destination, NEW)
        ]

    def test_routes_to_other_gateways_stay(self):
        """Only routes that led to the old gateway in the before-survey are changed."""
        before = a_survey(route_tables=(a_table(BOTH, static={"0.0.0.0/0": "igw-1"}),))
        now = self.swapped([a_table(BOTH, static={"0.0.0.0/0": "igw-1"})])

        assert changes(RestoreRouting(), now, plan=a_plan(before=before)) == []

    def test_a_deleted_table_is_named_and_stops_nothing(self):
        """A deleted table is lost; the rest is restored."""
        now = self.swapped([ordinary_tables(NEW)[1]])

        found = verdict(RestoreRouting(), now)

        assert isinstance(found, Lost)
        assert all("rtb-both" in line and "deleted" in line for line in found.what)

    def test_a_route_somebody_moved_is_left_and_named(self):
        """A route with another target is an external change."""
        tables = (
            a_table(BOTH, propagates=NEW, static={STATIC: "igw-1"}),
            ordinary_tables(NEW)[1],
        )
        now = self.swapped(tables)

        assert changes(RestoreRouting(), now) == []
        assert verdict(RestoreRouting(), now) == Lost(
            ("the route 192.168.0.0/16 in rtb-both: set outside this run to igw-1",)
        )

    def test_a_deleted_route_is_created_again(self):
        """A route of the before-survey that no longer exists gets a CreateRoute."""
        tables = (a_table(BOTH, propagates=NEW), ordinary_tables(NEW)[1])
        now = self.swapped(tables)

        assert changes(RestoreRouting(), now) == [CreateRoute(BOTH, STATIC, NEW)]
        assert isinstance(verdict(RestoreRouting(), now), NotYet)

    def test_a_route_that_ec2_does_not_have_is_created_although_a_describe_lists_it(self):
        """A refused ReplaceRoute counts more than a describe of the next two minutes."""
        route = RouteTarget(BOTH, STATIC)
        now = self.swapped((a_table(BOTH, propagates=NEW, static={STATIC: OLD}),))
        recent = journal_facts(vanished={route: now.begun - timedelta(seconds=119)})
        old = journal_facts(vanished={route: now.begun - timedelta(seconds=120)})

        assert CreateRoute(BOTH, STATIC, NEW) in changes(RestoreRouting(), now, said=recent)
        assert ReplaceRoute(BOTH, STATIC, NEW) in changes(RestoreRouting(), now, said=old)

    def test_a_route_deleted_after_it_was_restored_is_left_and_named(self):
        """A route that this step has directed already, and that is gone, is an external change."""
        route = RouteTarget(BOTH, STATIC)
        tables = (a_table(BOTH, propagates=NEW), ordinary_tables(NEW)[1])
        now = self.swapped(tables, foreign=[route])

        assert changes(RestoreRouting(), now, said=journal_facts(directed={route: NEW})) == []
        assert changes(RestoreRouting(), now, said=journal_facts(directed={route: OLD})) == [
            CreateRoute(BOTH, STATIC, NEW)
        ]

    def test_what_another_hand_undid_is_left_and_named(self):
        """Propagation disabled outside this run stays off."""
        now = self.swapped(
            (a_table(BOTH, static={STATIC: NEW}), ordinary_tables(NEW)[1]),
            foreign=[Propagation(BOTH, NEW)],
        )

        assert changes(RestoreRouting(), now) == []
        assert isinstance(verdict(RestoreRouting(), now), Lost)

    def test_an_unbelieved_route_is_not_called_lost(self):
        """A route whose reading may be stale is waited for."""
        now = self.swapped(ordinary_tables(NEW), facts={RouteTarget(BOTH, STATIC): UNKNOWN})

        assert changes(RestoreRouting(), now) == []
        assert isinstance(verdict(RestoreRouting(), now), NotYet)

    def test_an_edge_table_changes_hands(self):
        """Case 14: the edge association moves from the leaving to the joining gateway."""
        plan = a_plan(before=a_survey(route_tables=(a_table("rtb-edge", edge_of=OLD),)))
        edge = RouteTableId("rtb-edge")

        survived = self.swapped([a_table(edge, edge_of=OLD)])
        dropped = self.swapped([a_table(edge)])
        tied = self.swapped([a_table(edge, edge_of=NEW)])

        assert changes(RestoreRouting(), survived, plan=plan) == [
            DisassociateEdge(edge, OLD, "rtbassoc-rtb-edge-vgw-old")
        ]
        assert changes(RestoreRouting(), dropped, plan=plan) == [AssociateEdge(edge, NEW)]
        assert verdict(RestoreRouting(), tied, plan=plan) == Met()

    def test_an_edge_table_that_is_gone_is_named(self):
        """A deleted edge table is not associated, and does not block the step."""
        plan = a_plan(before=a_survey(route_tables=(a_table("rtb-edge", edge_of=OLD),)))
        now = self.swapped([])

        assert changes(RestoreRouting(), now, plan=plan) == []
        assert verdict(RestoreRouting(), now, plan=plan) == Lost(
            ("the edge association of rtb-edge with vgw-new: the table was deleted",)
        )


class TestSwitchTunnels:
    def green(self, *, up=2, **more):
        return a_snapshot(
            old="detached", new="attached", tables=ordinary_tables(NEW), up=up, **more
        )

    def test_asks_for_the_new_tunnels_while_something_is_lacking(self):
        """The operator is asked once to enable the new tunnels."""
        (task,) = changes(SwitchTunnels(), self.green(up=0))
        assert task.confirmation is Confirmation.NEW_TUNNELS_ENABLED

        assert (
            changes(
                SwitchTunnels(),
                self.green(up=0),
                said=journal_facts(Confirmation.NEW_TUNNELS_ENABLED),
            )
            == []
        )

    def test_a_persons_word_alone_proves_nothing(self):
        """Telemetry decides, not the confirmation that tunnels are enabled."""
        said = journal_facts(Confirmation.NEW_TUNNELS_ENABLED)

        assert isinstance(verdict(SwitchTunnels(), self.green(up=0), said=said), NotYet)

    def test_old_tunnels_are_disabled_only_after_traffic_is_verified(self):
        """Make before break: the confirmation for the old tunnels is requested last."""
        assert changes(SwitchTunnels(), self.green()) == []

        (task,) = changes(SwitchTunnels(), self.green(), said=journal_facts(verified=NOON))
        assert task.confirmation is Confirmation.OLD_TUNNELS_DISABLED

        done = journal_facts(Confirmation.OLD_TUNNELS_DISABLED, verified=NOON, stability=STEADY)
        assert verdict(SwitchTunnels(), self.green(), said=done) == Met()

    def test_is_not_done_before_green_has_held_again(self):
        """Verified traffic is not enough: it must be stable at the end as well."""
        done = journal_facts(Confirmation.OLD_TUNNELS_DISABLED, verified=NOON)

        assert verdict(SwitchTunnels(), self.green(), said=done) == NotYet(HOLD)

    def test_soaks_before_the_old_tunnels_are_touched(self):
        """During the soak time the operator is not asked to disable the old tunnels."""
        plan = a_plan(decisions=Decisions(waits=Waits(soak=minutes(6))))
        soaking = journal_facts(verified=NOON, stability=STEADY)
        soaked = journal_facts(verified=NOON, stability=replace(STEADY, since=NOON - minutes(6)))

        assert changes(SwitchTunnels(), self.green(), plan=plan, said=soaking) == []
        assert verdict(SwitchTunnels(), self.green(), plan=plan, said=soaking) == NotYet(
            f"{HOLD}: the soak time is 6 min"
        )
        (task,) = changes(SwitchTunnels(), self.green(), plan=plan, said=soaked)
        assert task.confirmation is Confirmation.OLD_TUNNELS_DISABLED

    def test_the_soak_comes_on_top_of_the_limit(self):
        """A long soak does not reduce the time for the work at the devices."""
        plan = a_plan(decisions=Decisions(waits=Waits(tunnels=minutes(60), soak=minutes(30))))

        assert SwitchTunnels().limit_for(plan) == minutes(90)

    def test_what_another_hand_decides_is_named_and_not_waited_for(self):
        """An external route inside a prefix is reported as lost, with both next hops."""
        ours, main = ordinary_tables(NEW)
        taken = replace(main, routes=(*main.routes, RouteRecord("10.1.1.0/24", "eni-9")))
        said = journal_facts(verified=NOON, stability=STEADY)
        plan = a_plan(decisions=Decisions(old_tunnels=OldTunnels.LEAVE))
        now = a_snapshot(old="detached", new="attached", tables=(ours, taken), up=2)

        assert verdict(SwitchTunnels(), now, plan=plan, said=said) == Lost(
            ("rtb-main: 10.1.1.0/24 went to vgw-old before and goes to eni-9 now",)
        )

    def test_old_tunnels_may_be_left(self):
        """A playbook that leaves the old tunnels enabled needs no further confirmation."""
        plan = a_plan(decisions=Decisions(old_tunnels=OldTunnels.LEAVE))

        said = journal_facts(verified=NOON, stability=STEADY)
        assert verdict(SwitchTunnels(), self.green(), plan=plan, said=said) == Met()

    def test_the_way_back_asks_for_the_old_tunnels(self):
        """In a rollback the old tunnels must come up again."""
        now = a_snapshot(tables=[a_table(MAIN), a_table(BOTH)])

        (task,) = changes(SwitchTunnels(), now, swap=BACK)

        assert task.confirmation is Confirmation.TUNNELS_RETURNED


class TestLostConnections:
    """Old connections deleted outside this run; a rollback continues without them."""

    TWO = a_plan(
        before=a_survey(
            connections=(a_connection(), a_connection("vpn-b", customer_gateway="cgw-2"))
        )
    )

    @pytest.mark.parametrize(
        ("states", "lost"),
        [
            ((ResourceState.AVAILABLE, ResourceState.AVAILABLE), ()),
            ((ResourceState.DELETING, ResourceState.AVAILABLE), (OLD_VPN,)),
            ((ResourceState.AVAILABLE, ResourceState.ABSENT), ("vpn-b",)),
            ((ResourceState.ABSENT, ResourceState.DELETING), ()),
        ],
    )
    def test_are_named_as_long_as_one_is_left(self, states, lost):
        """If none is left there is nothing to roll back to, which step 7 checks."""
        old, other = states
        facts: dict[Fact, Value] = {Existence(OLD_VPN): old, Existence("vpn-b"): other}
        now = a_snapshot(facts=facts)

        assert missing_connections(self.TWO, BACK, now) == lost
        assert missing_connections(self.TWO, FORWARD, now) == ()

    def test_take_what_they_may_have_brought_along(self):
        """The connection of a propagated prefix is unknown: no propagated prefix is waited for."""
        tables = (a_table(BOTH, propagates=OLD, static={STATIC: OLD}), ordinary_tables()[1])
        there: dict[Fact, Value] = {Existence("vpn-b"): ResourceState.AVAILABLE}
        gone = a_snapshot(tables=tables, facts={**there, Existence(OLD_VPN): ResourceState.ABSENT})

        found = destinations(StepInput(self.TWO, BACK, gone, NOTHING_TOLD))
        whole = destinations(
            StepInput(self.TWO, BACK, a_snapshot(tables=tables, facts=there), NOTHING_TOLD)
        )

        assert (len(found.external), len(found.waiting)) == (1, 0)
        assert (len(whole.external), len(whole.waiting)) == (0, 1)


class TestShortfalls:
    def lacking(self, now, *, plan=None, swap=FORWARD, said=NOTHING_TOLD):
        return missing_traffic(StepInput(plan or a_plan(), swap, now, said))

    def green(self, connection=None, tables=None):
        fresh = new_side(on=VPC, up=2)
        return snapshot_by_tag(
            Reading(
                NOON,
                gateways=(a_gateway(attachment="detached"), *fresh.gateways),
                connections=(a_connection(), connection or fresh.connections[0]),
                tables=tuple(tables or ordinary_tables(NEW)),
            ),
            a_plan().migration,
        )

    def successor(self, **how):
        tags = new_side().connections[0].tags
        return a_connection(NEW_VPN, on=NEW, category="VPN", tags=tags, **how)

    def test_nothing_lacks_when_tunnels_and_routes_are_back(self):
        """As many tunnels as before and every prefix: traffic flows."""
        assert self.lacking(self.green()) == ()

    def test_old_tunnels_that_are_up_prove_nothing(self):
        """Case 64: an old connection's telemetry does not count for the new one."""
        (line,) = self.lacking(self.green(self.successor(up=0)))

        assert NEW_VPN in line
        assert "0 of 2" in line

    def test_as_many_tunnels_as_before_are_needed(self):
        """Case 55: one of two is degraded if both were UP before, and enough if one was."""
        one_before = a_plan(before=a_survey(connections=(a_connection(up=1),)))
        degraded = self.green(self.successor(up=1))

        assert "1 of 2" in self.lacking(degraded)[0]
        assert self.lacking(degraded, plan=one_before) == ()

    def test_one_of_two_is_told_as_degraded(self):
        """Case 55: the policy decides whether one tunnel is enough; both report it."""
        one_will_do = Verification(tunnels=TunnelPolicy.AT_LEAST_ONE)
        content = a_plan(decisions=Decisions(verification=one_will_do))
        few = self.green(self.successor(up=1))

        (line,) = self.lacking(few)
        assert line == "DEGRADED: vpn-new has 1 of 2 tunnels UP (192.0.2.2 DOWN)"
        assert self.lacking(few, plan=content) == ()
        assert degraded(StepInput(content, FORWARD, few, NOTHING_TOLD)) == (
            line.removeprefix("DEGRADED: "),
        )
        assert degraded(StepInput(content, FORWARD, self.green(), NOTHING_TOLD)) == ()

    @pytest.mark.parametrize(
        "exception", [PREFIX, "10.0.0.0/15", "10.1.0.0/17, 10.1.128.0/17"], ids=str
    )
    def test_an_excepted_prefix_is_not_asked_for(self, exception):
        """Destinations equal to an excepted prefix, or inside one, are not waited for."""
        listed = Exceptions(prefixes=tuple(exception.split(", ")))
        bare = (a_table(MAIN, propagates=NEW), ordinary_tables(NEW)[0])

        lacking = self.lacking(
            self.green(tables=bare), plan=a_plan(decisions=Decisions(exceptions=listed))
        )

        assert (lacking == ()) is (exception == PREFIX)

    def test_at_least_one_even_if_there_was_none(self):
        """A connection without a tunnel UP before needs one now."""
        none_before = a_plan(before=a_survey(connections=(a_connection(up=0),)))

        assert "0 of 1" in self.lacking(self.green(self.successor(up=0)), plan=none_before)[0]

    def test_unless_it_is_excepted_by_name(self):
        """A connection that the playbook excepts is not required."""
        plan = a_plan(decisions=Decisions(exceptions=Exceptions(connections=(OLD_VPN,))))

        assert self.lacking(self.green(self.successor(up=0)), plan=plan) == ()

    def test_up_without_prefixes_is_not_enough(self):
        """Case 56: a BGP device that advertises nothing is reported."""
        (line,) = self.lacking(self.green(self.successor(routes=0)))

        assert "advertises no prefixes" in line

    def test_a_static_connection_has_nothing_to_advertise(self):
        """With static routing a tunnel only needs to be UP."""
        static = self.green(self.successor(prefixes=[PREFIX], routes=0))

        assert self.lacking(static) == ()

    def test_a_connection_that_shows_no_tunnel_yet_is_told_so(self):
        """A new connection has no telemetry at first, which is not the same as DOWN."""
        young = replace(self.successor(), telemetry=())

        assert self.lacking(self.green(young)) == (
            "vpn-new has 0 of 2 tunnels UP (no telemetry yet)",
        )

    @pytest.mark.parametrize(("up", "lacks"), [(0, 1), (1, 0)])
    def test_of_what_was_not_to_be_seen_before_step_7_one_tunnel_is_needed(self, up, lacks):
        """A connection that was not listed just before the outage needs a tunnel UP."""
        propagated = dict.fromkeys((MAIN, BOTH), frozenset({PREFIX}))
        unseen = journal_facts(baseline=Baseline(NOON, tunnels_up={}, propagated=propagated))
        now = self.green(self.successor(up=up))

        assert len(self.lacking(now, said=unseen)) == lacks
        assert degraded(StepInput(a_plan(), FORWARD, now, unseen)) == ()

    def test_a_missing_prefix_is_named_with_its_table(self):
        """Every earlier prefix must be restored, table by table."""
        tables = (a_table(MAIN, propagates=NEW, learned=[PREFIX]), ordinary_tables(NEW)[0])
        bare = (a_table(MAIN, propagates=NEW), ordinary_tables(NEW)[0])

        assert self.lacking(self.green(tables=tables)) == ()
        assert self.lacking(self.green(tables=bare)) == (
            f"rtb-main: {PREFIX} went to vgw-old before and goes to nothing now",
        )

    def test_a_way_back_asks_nothing_of_what_was_down_before(self):
        """An old BGP connection without a tunnel before does not block a rollback, UP or not."""
        idle = a_plan(before=a_survey(connections=(a_connection(up=0),)))
        reading = Reading(
            NOON,
            gateways=(a_gateway(),),
            connections=(a_connection(up=0),),
            tables=ordinary_tables(),
        )

        assert self.lacking(snapshot_by_tag(reading, idle.migration), plan=idle, swap=BACK) == ()

    @pytest.mark.parametrize(("up", "enough"), [(2, True), (1, True), (0, False)])
    def test_on_the_way_back_one_tunnel_will_do(self, up, enough):
        """One old tunnel that is down does not block a rollback; prefixes decide."""
        reading = Reading(
            NOON,
            gateways=(a_gateway(),),
            connections=(a_connection(up=up),),
            tables=ordinary_tables(),
        )
        now = snapshot_by_tag(reading, a_plan().migration)

        assert (self.lacking(now, swap=BACK) == ()) is enough

    def test_on_the_way_back_nothing_need_be_advertised_now(self):
        """Case 56: an old device that advertises nothing now does not block a rollback."""
        reading = Reading(
            NOON,
            gateways=(a_gateway(),),
            connections=(a_connection(routes=0),),
            tables=ordinary_tables(),
        )

        assert self.lacking(snapshot_by_tag(reading, a_plan().migration), swap=BACK) == ()

    def test_old_telemetry_right_after_disabling_is_not_believed(self):
        """In a rollback UP may be a reading from before the old tunnels were disabled."""
        now = a_snapshot(begun=NOON + minutes(1))
        late = a_snapshot(begun=NOON + minutes(2))
        said = journal_facts(Confirmation.OLD_TUNNELS_DISABLED)

        assert self.lacking(now, swap=BACK, said=said) != ()
        assert self.lacking(late, swap=BACK, said=said) == ()
        assert awaits_devices(StepInput(a_plan(), BACK, now, said))
        assert not awaits_devices(StepInput(a_plan(), BACK, late, said))

    def test_routes_of_a_stale_reading_are_not_believed(self):
        """Routes from before the last change do not prove that traffic flows."""
        now = replace(self.green(), stale=frozenset({Propagation(MAIN, NEW)}))

        assert self.lacking(now) == (
            "the routes in rtb-main are unknown: the last reading may be stale",
        )

    def test_a_gateway_that_is_not_attached_carries_nothing(self):
        """Without the attachment nothing else is checked."""
        assert self.lacking(a_snapshot()) == ("vgw-new is detached",)


class TestDeleteOldConnections:
    FLOWING = a_snapshot(old="detached", new="attached", up=2)

    def test_deletes_the_old_connections_and_no_others(self):
        """Case 69: connections are deleted; customer gateways and the new side stay."""
        archived = journal_facts(files=[OLD_VPN])

        assert changes(DeleteOldConnections(), self.FLOWING, said=archived) == [
            DeleteVpnConnection(OLD_VPN, OLD_VPN)
        ]

    def test_never_deletes_what_is_not_archived(self):
        """Case 70: the configuration is archived first; it is lost with the connection."""
        assert changes(DeleteOldConnections(), self.FLOWING) == [ArchiveConfiguration(OLD_VPN)]

    @pytest.mark.parametrize(("minute", "kept"), [(1, NotYet), (2, Blocked)])
    def test_keeps_what_may_be_the_only_path(self, minute, kept):
        """With the new tunnels DOWN nothing is deleted; while that may be stale the step waits."""
        down = a_snapshot(old="detached", new="attached", begun=NOON + minutes(minute))
        said = journal_facts(files=[OLD_VPN], verified=NOON)

        assert changes(DeleteOldConnections(), down, said=said) == []
        assert isinstance(verdict(DeleteOldConnections(), down, said=said), kept)

    def test_what_is_being_deleted_is_not_kept_any_more(self):
        """Once the old connections are deleted, a tunnel that is DOWN does not block."""
        down = a_snapshot(facts={Existence(OLD_VPN): ResourceState.DELETING})

        assert verdict(DeleteOldConnections(), down) == NotYet(f"{OLD_VPN} is deleting")

    def test_the_old_gateway_goes_only_when_it_is_free(self):
        """The old gateway is deleted once it is detached and its connections are gone."""
        gone: dict[Fact, Value] = {Existence(OLD_VPN): ResourceState.ABSENT}
        free = a_snapshot(old="detached", facts=gone)

        assert changes(DeleteOldGateway(), a_snapshot(old="detaching", facts=gone)) == []
        assert changes(DeleteOldGateway(), a_snapshot(old="detached")) == []
        assert changes(DeleteOldGateway(), free) == [DeleteVpnGateway(OLD, OLD)]
