"""The numbered edge cases that planning handles, before any change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec
import pytest

from tests.support.builders import (
    MIGRATION,
    NEW,
    NOON,
    OLD,
    VPC,
    a_connection,
    a_customer_gateway,
    a_gateway,
    a_plan,
    a_survey,
    a_table,
    ordinary_tables,
)
from vpnmigrate.journal.exit_code import exit_code
from vpnmigrate.model.changes import (
    AddStaticPrefix,
    AskOperator,
    AssociateEdge,
    CreateVpnConnection,
    CreateVpnGateway,
    DisablePropagation,
    EnablePropagation,
    ReplaceRoute,
)
from vpnmigrate.model.changes.base import CallTags
from vpnmigrate.model.decisions import Decisions, InsideMode, TestVpc
from vpnmigrate.model.ec2 import (
    AWS_VPN,
    CLASSIC,
    Attached,
    ConnectionRecord,
    CustomerGatewayRecord,
    RouteRecord,
    RouteTableId,
    TunnelOptions,
    VpcId,
    VpcRecord,
    VpnConnectionId,
    VpnGatewayId,
)
from vpnmigrate.model.errors import (
    Exit,
    MalformedFileError,
    NothingToMigrateError,
    PreflightError,
)
from vpnmigrate.model.plan import Finding, Plan
from vpnmigrate.model.survey import (
    DirectConnectAssociation,
    Quotas,
    Survey,
    Unread,
    VirtualInterface,
)
from vpnmigrate.planning.planner import plan_from
from vpnmigrate.planning.playbook import playbook_from
from vpnmigrate.planning.preflight import check
from vpnmigrate.steps.s03_create_connections import successor

T = TypeVar("T")

NEW_SIDE = VpnGatewayId("gateway")
"""The name in a plan of a gateway that does not exist yet."""


def planned(survey: Survey | None = None, decisions: Decisions | None = None) -> Plan:
    """Return the plan of *survey*."""
    return plan_from(
        survey or a_survey(),
        decisions or Decisions(),
        "standard",
        migration=MIGRATION,
        made=NOON,
        tool="test",
    )


def found(survey: Survey | None = None, decisions: Decisions | None = None) -> dict[str, Finding]:
    """Return the findings by code."""
    return {f.code: f for f in check(survey or a_survey(), decisions or Decisions())}


def changes_of(plan: Plan, kind: type[T]) -> list[T]:
    """Return every change of *kind* in the forward steps."""
    return [c for step in plan.forward for c in step.changes if isinstance(c, kind)]


def several(count: int, *, first: int = 0) -> tuple[ConnectionRecord, ...]:
    """Return *count* connections, each to a different device."""
    return tuple(
        a_connection(f"vpn-{n:03}", customer_gateway=f"cgw-{n:03}")
        for n in range(first, first + count)
    )


def devices_of(connections: Iterable[ConnectionRecord]) -> tuple[CustomerGatewayRecord, ...]:
    """Return the customer gateways of *connections*."""
    return tuple(a_customer_gateway(c.customer_gateway or "") for c in connections)


class TestDiscovery:
    """Section A: existing resources, and whether they can be migrated."""

    MIXED = (
        a_connection("vpn-a"),
        a_connection("vpn-b", customer_gateway="cgw-2", category=AWS_VPN),
    )
    MIXED_SURVEY = a_survey(
        connections=MIXED, customer_gateways=(a_customer_gateway(), a_customer_gateway("cgw-2"))
    )

    def test_refuses_a_mixed_gateway(self) -> None:
        """Case 1: one Classic and one AWS VPN connection are refused, and both are named."""
        finding = found(self.MIXED_SURVEY)["VPM-B102"]

        assert "vpn-a" in finding.evidence
        assert "vpn-b" in finding.evidence
        assert "recreate_aws_vpn" in finding.fix

    def test_recreates_a_mixed_gateway_when_told(self) -> None:
        """Case 1: with the override both connections get successors, and the plan warns."""
        plan = planned(self.MIXED_SURVEY, Decisions(recreate_aws_vpn=True))

        made = [c.replaces for c in changes_of(plan, CreateVpnConnection)]
        assert made == ["vpn-a", "vpn-b"]
        assert "VPM-W101" in {f.code for f in plan.findings}

    def test_has_nothing_to_do_without_classic(self) -> None:
        """Case 2: a gateway with AWS VPN connections only has an exit code of its own."""
        survey = a_survey(connections=(a_connection(category=AWS_VPN),))

        with pytest.raises(NothingToMigrateError) as caught:
            planned(survey)

        assert "recreate_aws_vpn" in caught.value.advice_text
        assert exit_code(caught.value) is Exit.NOTHING_TO_MIGRATE

    @pytest.mark.parametrize("category", [None, "", "VPN-Next"])
    def test_refuses_an_unknown_category(self, category: str | None) -> None:
        """Case 3: a missing or unknown category does not count as Classic."""
        survey = a_survey(connections=(a_connection(category=category),))

        with pytest.raises(PreflightError, match="VPM-B101"):
            planned(survey)

    def test_ignores_deleted_connections(self) -> None:
        """Case 4: a connection that EC2 still lists as deleted gets no successor."""
        ghost = a_connection("vpn-ghost", state="deleted", category=CLASSIC)

        plan = planned(a_survey(connections=(ghost, a_connection())))

        assert plan.old_connections == ("vpn-old",)

    def test_waits_for_deleting_connections(self) -> None:
        """Case 4: a connection that is being deleted asks the operator to wait."""
        survey = a_survey(connections=(a_connection(state="deleting"),))

        assert "Wait" in found(survey)["VPM-B103"].fix

    def test_skips_connections_elsewhere(self) -> None:
        """Case 5: a connection on a transit gateway is not changed, and the reason is reported."""
        transit = msgspec.structs.replace(
            a_connection("vpn-transit", on=None), elsewhere="tgw-0123"
        )

        plan = planned(a_survey(other_connections=(transit,)))

        assert plan.old_connections == ("vpn-old",)
        warning = {f.code: f for f in plan.findings}["VPM-W102"]
        assert "vpn-transit" in warning.evidence
        assert "tgw-0123" in warning.evidence

    def test_refuses_a_surveyed_connection_that_ends_elsewhere(self) -> None:
        """Case 5: a requested connection that ends on a transit gateway is refused."""
        transit = msgspec.structs.replace(a_connection(on=None), elsewhere="tgw-0123")

        assert "VPM-B105" in found(a_survey(connections=(transit,)))

    @pytest.mark.parametrize("attachments", [(), (Attached(VPC, "detached"),)])
    def test_refuses_a_gateway_on_no_vpc(self, attachments: tuple[Attached, ...]) -> None:
        """Case 6: an unattached gateway is refused, however EC2 writes that it is unattached."""
        gateway = msgspec.structs.replace(a_gateway(), attachments=attachments)

        assert "CloudHub" in found(a_survey(gateway=gateway))["VPM-B202"].fix

    def test_refuses_without_room_for_a_gateway(self) -> None:
        """Case 7: five gateways and a quota of five leave no room; the quota is named."""
        others = tuple(a_gateway(f"vgw-{n}", on=None) for n in range(4))

        finding = found(a_survey(other_gateways=others))["VPM-B401"]

        assert "L-7029FAB6" in finding.fix

    def test_does_not_count_deleted_gateways(self) -> None:
        """Case 7: a deleted gateway that EC2 still lists takes no room."""
        others = (
            *(a_gateway(f"vgw-{n}", on=None) for n in range(3)),
            a_gateway("vgw-ghost", on=None, state="deleted"),
        )

        assert "VPM-B401" not in found(a_survey(other_gateways=others))

    def test_warns_of_unreadable_quotas(self) -> None:
        """Case 7: for quotas that cannot be read AWS's defaults are used, with a warning."""
        survey = a_survey(unread=(Unread("quotas", "AccessDeniedException"),))

        findings = found(survey)

        assert "AccessDeniedException" in findings["VPM-W401"].evidence
        assert not any(code.startswith("VPM-B") for code in findings)

    def test_refuses_without_room_for_connections(self) -> None:
        """Case 8: 48 connections, three of them to re-create, exceed a quota of 50."""
        mine = several(3)
        survey = a_survey(
            connections=mine,
            customer_gateways=devices_of(mine),
            other_connections=several(45, first=100),
        )

        assert "L-3E6EC3A3" in found(survey)["VPM-B402"].fix

    def test_accepts_connections_that_just_fit(self) -> None:
        """Case 8: 47 connections, three of them to re-create, fit a quota of 50."""
        mine = several(3)
        survey = a_survey(
            connections=mine,
            customer_gateways=devices_of(mine),
            other_connections=several(44, first=100),
        )

        assert "VPM-B402" not in found(survey)

    @pytest.mark.parametrize(("count", "refused"), [(10, False), (11, True)])
    def test_refuses_more_connections_than_a_gateway_takes(self, count: int, refused: bool) -> None:
        """Case 8: the new gateway can have ten connections and no more."""
        mine = several(count)
        survey = a_survey(connections=mine, customer_gateways=devices_of(mine))

        assert ("VPM-B403" in found(survey)) is refused

    def test_refuses_the_default_asn_where_a_device_has_it(self) -> None:
        """Case 9: a device with 64512 clashes with the ASN a new gateway has by default."""
        survey = a_survey(customer_gateways=(a_customer_gateway(asn=64512),))

        finding = found(survey)["VPM-B502"]

        assert "cgw-1" in finding.evidence
        assert "asn: 64513" in finding.fix

    def test_accepts_another_asn_where_a_device_has_the_default(self) -> None:
        """Case 9: choosing another private ASN resolves the clash."""
        survey = a_survey(customer_gateways=(a_customer_gateway(asn=64512),))

        plan = planned(survey, Decisions(asn=64513))

        (made,) = changes_of(plan, CreateVpnGateway)
        assert made.asn == 64513

    @pytest.mark.parametrize("asn", [7224, 9059, 10124, 17493])
    def test_refuses_to_keep_a_public_asn(self, asn: int) -> None:
        """Case 10: a Classic gateway's ASN cannot be requested again."""
        survey = a_survey(gateway=a_gateway(asn=asn))

        assert "public" in found(survey, Decisions(asn=asn))["VPM-B501"].evidence

    def test_tells_bgp_devices_their_new_neighbour(self) -> None:
        """Case 10: the change of remote-as is reported for BGP connections, by id."""
        finding = found(a_survey(gateway=a_gateway(asn=7224)))["VPM-W501"]

        assert "7224 to 64512 for vpn-old" in finding.evidence
        assert "remote-as 64512" in finding.fix

    def test_does_not_speak_of_asn_to_static_devices(self) -> None:
        """Case 10: a static connection has no neighbour whose ASN could change."""
        survey = a_survey(connections=(a_connection(prefixes=["10.1.0.0/16"]),))

        assert "VPM-W501" not in found(survey)

    @pytest.mark.parametrize("asn", [0, 64511, 65535, 4199999999, 4294967295])
    def test_refuses_an_asn_out_of_bounds(self, asn: int) -> None:
        """Case 11: an ASN just outside the private ranges is refused."""
        assert "VPM-B501" in found(decisions=Decisions(asn=asn))

    @pytest.mark.parametrize("asn", [64512, 65534, 4200000000, 4294967294])
    def test_accepts_an_asn_at_the_bounds(self, asn: int) -> None:
        """Case 11: the ends of the private ranges are accepted."""
        assert "VPM-B501" not in found(decisions=Decisions(asn=asn))

    @pytest.mark.parametrize("state", ["available", "down", "pending", "confirming", "deleting"])
    def test_refuses_a_direct_connect_interface(self, state: str) -> None:
        """Case 12: a live virtual interface on the gateway is refused, with an alternative."""
        survey = a_survey(virtual_interfaces=(VirtualInterface("dxvif-1", state, OLD),))

        finding = found(survey)["VPM-B301"]

        assert "dxvif-1" in finding.evidence
        assert "same gateway" in finding.fix

    @pytest.mark.parametrize("state", ["deleted", "rejected"])
    def test_ignores_a_gone_direct_connect_interface(self, state: str) -> None:
        """Case 12: a deleted virtual interface is still listed for a while and does not block."""
        survey = a_survey(virtual_interfaces=(VirtualInterface("dxvif-1", state, OLD),))

        assert "VPM-B301" not in found(survey)

    @pytest.mark.parametrize("state", ["associated", "associating", "updating", "disassociating"])
    def test_refuses_a_direct_connect_association(self, state: str) -> None:
        """Case 13: an association that detaching would delete permanently is refused."""
        survey = a_survey(associations=(DirectConnectAssociation("assoc-1", state, "dxgw-1"),))

        assert "dxgw-1" in found(survey)["VPM-B302"].evidence

    def test_ignores_a_gone_direct_connect_association(self) -> None:
        """Case 13: a deleted association does not block."""
        gone = DirectConnectAssociation("assoc-1", "disassociated", "dxgw-1")

        assert "VPM-B302" not in found(a_survey(associations=(gone,)))

    def test_moves_an_edge_table(self) -> None:
        """Case 14: an edge table is reported and associated with the new gateway."""
        plan = planned(a_survey(route_tables=(a_table("rtb-edge", edge_of=OLD),)))

        assert "VPM-W701" in {f.code for f in plan.findings}
        assert changes_of(plan, AssociateEdge) == [
            AssociateEdge(RouteTableId("rtb-edge"), NEW_SIDE)
        ]

    def test_moves_propagation_and_static_routes_of_one_table(self) -> None:
        """Case 15: for a table with propagation and two static routes all three are restored."""
        table = a_table(
            "rtb-1",
            propagates=OLD,
            learned=["10.1.0.0/16"],
            static={"192.168.0.0/16": OLD, "172.16.0.0/12": OLD},
        )

        plan = planned(a_survey(route_tables=(table,)))

        assert [c.table for c in changes_of(plan, EnablePropagation)] == ["rtb-1"]
        moved = {c.destination for c in changes_of(plan, ReplaceRoute)}
        assert moved == {"192.168.0.0/16", "172.16.0.0/12"}

    def test_moves_prefix_list_and_ipv6_routes(self) -> None:
        """Case 16: routes to IPv6 networks and prefix lists are changed like any other."""
        table = a_table("rtb-1", static={"pl-0123": OLD, "2001:db8::/32": OLD})

        plan = planned(a_survey(route_tables=(table,)))

        moved = {c.destination for c in changes_of(plan, ReplaceRoute)}
        assert moved == {"pl-0123", "2001:db8::/32"}

    def test_includes_a_main_table_without_subnets(self) -> None:
        """Case 17: the propagation of a main table without subnets is restored."""
        table = a_table("rtb-main", main=True, propagates=OLD, learned=["10.1.0.0/16"])

        plan = planned(a_survey(route_tables=(table,)))

        assert changes_of(plan, DisablePropagation) == [
            DisablePropagation(RouteTableId("rtb-main"), OLD)
        ]

    def test_leaves_routes_of_unknown_kind_alone(self) -> None:
        """Case 19: a route that another service advertises or filters is not changed."""
        table = msgspec.structs.replace(
            a_table("rtb-1", static={"192.168.0.0/16": OLD}),
            routes=(
                RouteRecord("192.168.0.0/16", OLD),
                RouteRecord("10.9.0.0/16", OLD, "Advertisement", "filtered"),
            ),
        )

        plan = planned(a_survey(route_tables=(table,)))

        moved = [c.destination for c in changes_of(plan, ReplaceRoute)]
        assert moved == ["192.168.0.0/16"]

    @pytest.mark.parametrize("destination", ["10.1.0.0/16", "10.9.0.0/16"])
    def test_plans_beside_a_route_server_that_advertises_the_gateway(
        self, destination: str
    ) -> None:
        """Case 19: its route is a black hole from step 8 on, and step 10 does not wait for it."""
        table = a_table("rtb-1", propagates=OLD, learned=["10.1.0.0/16"])
        advertised = RouteRecord(destination, OLD, "Advertisement")
        both = msgspec.structs.replace(table, routes=(*table.routes, advertised))

        plan = planned(a_survey(route_tables=(both,)))

        assert "VPM-W709" in {finding.code for finding in plan.findings}

    def test_takes_an_unknown_connection_state_for_work_in_progress(self) -> None:
        """Case 19: a connection that is modifying is not available."""
        survey = a_survey(connections=(a_connection(state="modifying"),))

        assert "modifying" in found(survey)["VPM-B104"].evidence

    def test_warns_of_stacks(self) -> None:
        """Case 20: resources of a stack are named, except tables that are not changed."""
        stack = {"aws:cloudformation:stack-name": "network"}
        touched, other = (
            msgspec.structs.replace(table, tags=stack)
            for table in (a_table("rtb-1", propagates=OLD), a_table("rtb-2"))
        )
        survey = a_survey(gateway=a_gateway(tags=stack), route_tables=(touched, other))

        named = [f.evidence.split()[0] for f in check(survey, Decisions()) if f.code == "VPM-W202"]

        assert named == ["vgw-old", "rtb-1"]

    def test_does_not_copy_reserved_tags(self) -> None:
        """Case 20: AWS's tags are never copied; the user's are."""
        tags = {"aws:cloudformation:stack-name": "network", "team": "core"}

        plan = planned(a_survey(gateway=a_gateway(tags=tags)))

        (made,) = changes_of(plan, CreateVpnGateway)
        assert made.tags == (("team", "core"),)


class TestNewSide:
    """Section B: what planning can check about the connections to create."""

    def test_hints_at_an_address_in_use_twice(self) -> None:
        """Case 26: two customer gateways with one address are reported before step 3 can fail."""
        survey = a_survey(
            connections=(a_connection("vpn-a"), a_connection("vpn-b", customer_gateway="cgw-2")),
            customer_gateways=(a_customer_gateway(), a_customer_gateway("cgw-2")),
        )

        assert "DuplicateIpAddress" in found(survey)["VPM-W105"].fix

    def test_pairs_two_connections_by_device(self) -> None:
        """Case 27: two connections get two successors on one gateway, each for its device."""
        survey = a_survey(
            connections=(a_connection("vpn-a"), a_connection("vpn-b", customer_gateway="cgw-2")),
            customer_gateways=(a_customer_gateway(), a_customer_gateway("cgw-2")),
        )
        decisions = Decisions(
            inside=InsideMode.LISTED,
            inside_cidrs={
                VpnConnectionId("vpn-a"): ("169.254.20.0/30", "169.254.20.4/30"),
                VpnConnectionId("vpn-b"): ("169.254.20.8/30", "169.254.20.12/30"),
            },
        )

        made = changes_of(planned(survey, decisions), CreateVpnConnection)

        pairs = [(c.replaces, c.customer_gateway, c.inside_cidrs) for c in made]
        assert pairs == [
            ("vpn-a", "cgw-1", ("169.254.20.0/30", "169.254.20.4/30")),
            ("vpn-b", "cgw-2", ("169.254.20.8/30", "169.254.20.12/30")),
        ]

    def test_refuses_two_connections_with_one_device(self) -> None:
        """Case 25: two old connections between the same gateways cannot both have a successor."""
        survey = a_survey(connections=(a_connection("vpn-a"), a_connection("vpn-b")))

        assert "vpn-a, vpn-b" in found(survey)["VPM-B107"].evidence

    @staticmethod
    def listing(one: str, other: str) -> Decisions:
        """Return decisions that list inside CIDRs for the connection."""
        return Decisions(
            inside=InsideMode.LISTED, inside_cidrs={VpnConnectionId("vpn-old"): (one, other)}
        )

    @pytest.mark.parametrize(
        "cidr",
        [
            "169.254.5.0/30",
            "169.254.169.252/30",
            "169.254.10.2/30",
            "169.254.10.0/29",
            "169.253.0.0/30",
            "fd00::/126",
            "nonsense",
        ],
    )
    def test_refuses_an_inside_cidr(self, cidr: str) -> None:
        """Case 28: reserved, unaligned, mis-sized and foreign inside CIDRs are refused."""
        assert "VPM-B601" in found(decisions=self.listing(cidr, "169.254.30.0/30"))

    @pytest.mark.parametrize("cidr", ["169.254.6.0/30", "169.254.0.4/30", "169.254.169.248/30"])
    def test_accepts_an_inside_cidr(self, cidr: str) -> None:
        """Case 28: inside CIDRs next to the reserved ones are accepted."""
        assert "VPM-B601" not in found(decisions=self.listing(cidr, "169.254.30.0/30"))

    def test_refuses_overlapping_inside_cidrs(self) -> None:
        """Case 28: two tunnels of the new gateway cannot have the same inside CIDR."""
        decisions = self.listing("169.254.30.0/30", "169.254.30.0/30")

        assert "VPM-B602" in found(decisions=decisions)

    def test_has_no_place_for_a_key(self) -> None:
        """Case 29: a key in a playbook is refused, and the message does not repeat it."""
        text = (
            "name: x\nsummary: s\ndecisions:\n  tunnel_options:\n"
            "    pre_shared_key: hunter2hunter2\n"
        )

        with pytest.raises(MalformedFileError, match="line 5") as caught:
            playbook_from(text, "mine.yaml")

        assert "hunter2" not in str(caught.value) + caught.value.advice_text

    def test_asks_for_both_inside_cidrs(self) -> None:
        """Case 30: inside CIDRs must be given in pairs, so that no tunnel gets weak defaults."""
        text = (
            "name: x\nsummary: s\ndecisions:\n  inside: listed\n"
            "  inside_cidrs:\n    vpn-1: [169.254.20.0/30]\n"
        )

        with pytest.raises(MalformedFileError, match=r"line 5: decisions\.inside_cidrs"):
            playbook_from(text, "mine.yaml")

    def test_has_no_start_action(self) -> None:
        """Case 31: a successor is created with ``add``: AWS would initiate before step 10."""
        text = "name: x\nsummary: s\ndecisions:\n  tunnel_options:\n    startup_action: start\n"
        decisions = playbook_from(text, "mine.yaml").decisions

        created = successor(a_plan(decisions=decisions), a_connection(), NEW)

        tunnels = created.parameters(CallTags(MIGRATION, 1, 3))["Options"]["TunnelOptions"]
        assert [tunnel["StartupAction"] for tunnel in tunnels] == ["add", "add"]

    @pytest.mark.parametrize(
        "option", ["acceleration", "inside_ipv6_cidrs", "bandwidth", "outside_ip_address_type"]
    )
    def test_has_no_transit_gateway_options(self, option: str) -> None:
        """Case 32: options that only a transit gateway has are refused by name."""
        text = f"name: x\nsummary: s\ndecisions:\n  tunnel_options:\n    {option}: large\n"

        with pytest.raises(MalformedFileError, match=option):
            playbook_from(text, "mine.yaml")

    def test_refuses_tunnel_options_ec2_does_not_know(self) -> None:
        """Case 32: a value outside EC2's lists is refused in planning."""
        options = TunnelOptions(
            phase1_dh_groups=(5,), dpd_timeout_seconds=29, dpd_timeout_action="reboot"
        )

        findings = check(a_survey(), Decisions(tunnel_options=options))

        lines = [f.evidence for f in findings if f.code == "VPM-B701"]
        assert [line.split(":")[0] for line in lines] == [
            "tunnel_options.phase1_dh_groups",
            "tunnel_options.dpd_timeout_seconds",
            "tunnel_options.dpd_timeout_action",
        ]

    def test_adds_prefixes_to_static_connections_only(self) -> None:
        """Case 34: routing types are copied, so a BGP connection gets no static prefix."""
        static = a_connection("vpn-b", customer_gateway="cgw-2", prefixes=["10.7.0.0/16"])
        survey = a_survey(
            connections=(a_connection("vpn-a"), static),
            customer_gateways=(a_customer_gateway(), a_customer_gateway("cgw-2")),
        )

        plan = planned(survey)

        kinds = [(c.replaces, c.static_only) for c in changes_of(plan, CreateVpnConnection)]
        assert kinds == [("vpn-a", False), ("vpn-b", True)]
        assert changes_of(plan, AddStaticPrefix) == [
            AddStaticPrefix(VpnConnectionId("connection/vpn-b"), "10.7.0.0/16")
        ]

    @pytest.mark.parametrize(("count", "refused"), [(100, False), (101, True)])
    def test_refuses_more_prefixes_than_a_connection_takes(self, count: int, refused: bool) -> None:
        """Case 35: a 101st static prefix is refused, and this quota is fixed."""
        prefixes = [f"10.{n}.0.0/16" for n in range(1, count + 1)]
        survey = a_survey(connections=(a_connection(prefixes=prefixes),))

        assert ("VPM-B404" in found(survey)) is refused


class TestTestVpc:
    """Section C: the network of the test VPC."""

    SURVEY = a_survey(
        connections=(a_connection(prefixes=["10.7.0.0/16"]),),
        vpcs=(VpcRecord(VPC, cidrs=("10.0.0.0/16", "10.8.0.0/16")),),
        route_tables=ordinary_tables(),
    )

    @pytest.mark.parametrize(
        ("cidr", "where"),
        [
            ("10.0.128.0/24", "vpc-1"),
            ("10.8.0.0/16", "vpc-1"),
            ("10.7.9.0/24", "static prefix of vpn-old"),
            ("10.1.0.0/20", "route in rtb-main"),
            ("192.168.5.0/24", "route in rtb-both"),
        ],
    )
    def test_refuses_an_overlapping_network(self, cidr: str, where: str) -> None:
        """Case 41: a test network used by the VPC or on premises is refused, with its user."""
        finding = found(self.SURVEY, Decisions(test_vpc=TestVpc(cidr)))["VPM-B609"]

        assert where in finding.evidence

    def test_accepts_a_free_network(self) -> None:
        """Case 41: an unused network is accepted."""
        findings = found(self.SURVEY, Decisions(test_vpc=TestVpc("10.255.0.0/24")))

        assert not any(code.startswith("VPM-B") for code in findings)

    def test_accepts_any_network_beside_a_default_route(self) -> None:
        """Case 41: a default route to on-premises overlaps everything and does not block."""
        survey = a_survey(route_tables=(a_table("rtb-1", static={"0.0.0.0/0": OLD}),))

        assert "VPM-B609" not in found(survey, Decisions(test_vpc=TestVpc("10.255.0.0/24")))

    @pytest.mark.parametrize("cidr", ["10.255.0.1/24", "10.0.0.0/8", "10.255.0.0/29", "fd00::/64"])
    def test_refuses_what_no_vpc_can_have(self, cidr: str) -> None:
        """Case 41: EC2 accepts an IPv4 network of /16 to /28 for a VPC."""
        assert "VPM-B608" in found(decisions=Decisions(test_vpc=TestVpc(cidr)))

    def test_refuses_without_room_for_a_vpc(self) -> None:
        """Case 41: the quota of VPCs is checked only for a plan with a test VPC."""
        vpcs = (VpcRecord(VPC), *(VpcRecord(VpcId(f"vpc-{n}")) for n in range(2, 6)))
        survey = a_survey(vpcs=vpcs, quotas=Quotas())

        assert "VPM-B405" in found(survey, Decisions(test_vpc=TestVpc("10.255.0.0/24")))
        assert "VPM-B405" not in found(survey)


class TestManySites:
    """Sections F and G, as far as planning can check them."""

    TWO = a_survey(
        connections=(a_connection("vpn-a"), a_connection("vpn-b", customer_gateway="cgw-22")),
        customer_gateways=(a_customer_gateway(), a_customer_gateway("cgw-22", asn=65001)),
    )

    def test_tells_of_customer_gateways_that_stay_in_use(self) -> None:
        """Case 69: a customer gateway that also serves others is named, and never deleted."""
        other = a_connection("vpn-other", on="vgw-other")

        finding = found(a_survey(other_connections=(other,)))["VPM-W104"]

        assert "vpn-other" in finding.evidence
        assert "never deleted" in finding.fix

    def test_names_every_site_of_a_cloudhub(self) -> None:
        """Case 73: all BGP sites on the gateway are named: traffic between them stops as well."""
        finding = found(self.TWO)["VPM-W705"]

        assert "cgw-1" in finding.evidence
        assert "cgw-22" in finding.evidence

    def test_tells_of_an_asn_that_two_sites_share(self) -> None:
        """Case 73: sites that communicate with each other need different ASNs."""
        shared = msgspec.structs.replace(
            self.TWO,
            customer_gateways=(a_customer_gateway(), a_customer_gateway("cgw-22")),
        )

        assert "65000" in found(shared)["VPM-W706"].evidence
        assert "VPM-W706" not in found(self.TWO)

    def test_asks_to_try_failover_of_a_redundant_pair(self) -> None:
        """Case 74: connections with a common prefix are named, with a test for afterwards."""
        survey = a_survey(
            connections=(
                a_connection("vpn-a", prefixes=["10.7.0.0/16"]),
                a_connection("vpn-b", customer_gateway="cgw-22", prefixes=["10.7.0.0/16"]),
            ),
            customer_gateways=(a_customer_gateway(), a_customer_gateway("cgw-22")),
        )

        finding = found(survey)["VPM-W707"]

        assert "vpn-a, vpn-b" in finding.evidence
        assert "failover" in finding.fix

    def test_keeps_the_routing_type(self) -> None:
        """Case 75: a playbook cannot change a connection's routing type."""
        text = "name: x\nsummary: s\ndecisions:\n  static_only: true\n"

        with pytest.raises(MalformedFileError, match=r"decisions\.static_only"):
            playbook_from(text, "mine.yaml")


def test_device_tasks_are_planned_for_both_ways() -> None:
    """The plan lists the device tasks, forward and in a rollback."""
    plan = planned()

    asked = [
        c.confirmation.value
        for s in (*plan.forward, *plan.back)
        for c in s.changes
        if isinstance(c, AskOperator)
    ]

    assert asked == [
        "devices-configured",
        "new-tunnels-enabled",
        "old-tunnels-disabled",
        "tunnels-returned",
    ]
