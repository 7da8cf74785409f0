"""The preparing steps, which must not affect traffic."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from tests.support.builders import (
    FORWARD,
    NEW,
    NEW_VPN,
    NOON,
    NOTHING_TOLD,
    OLD,
    OLD_VPN,
    VPC,
    a_connection,
    a_gateway,
    a_plan,
    a_snapshot,
    a_survey,
    a_table,
    journal_facts,
    new_side,
    our_tags,
    role_of,
    snapshot_by_tag,
)
from vpnmigrate.model.carry_over import STRONG_OPTIONS
from vpnmigrate.model.changes import (
    AddStaticPrefix,
    ArchiveConfiguration,
    AskOperator,
    AttachVpnGateway,
    CreateTestSubnet,
    CreateTestVpc,
    CreateVpnConnection,
    CreateVpnGateway,
    DeleteTestSubnet,
    DeleteTestVpc,
    DetachVpnGateway,
    EnablePropagation,
    PlaceClaim,
    RunTest,
)
from vpnmigrate.model.decisions import Decisions, InsideMode, TagChanges, TestVpc
from vpnmigrate.model.ec2 import (
    AWS_VPN,
    CLASSIC,
    CustomerGatewayId,
    RouteTableId,
    SubnetRecord,
    TunnelOptions,
    VpcId,
    VpcRecord,
)
from vpnmigrate.model.facts import UNKNOWN, Claim, Existence, Fact, Value
from vpnmigrate.model.plan import GATEWAY_ROLE, TEST_SUBNET_ROLE, TEST_VPC_ROLE
from vpnmigrate.model.snapshot import Confirmation, Reading
from vpnmigrate.steps.base import Blocked, Claimed, Lost, Met, NotYet, StepInput
from vpnmigrate.steps.s01_claim_gateway import ClaimGateway, RemoveOurClaim
from vpnmigrate.steps.s02_create_gateway import CreateGateway, RemoveGateway
from vpnmigrate.steps.s03_create_connections import (
    CreateConnections,
    RemoveConnections,
    wanted_prefixes,
)
from vpnmigrate.steps.s04_archive_configuration import FetchConfiguration
from vpnmigrate.steps.s05_configure_devices import ConfigureDevices
from vpnmigrate.steps.s06_test_vpc import RemoveTestVpc, TryInTestVpc

OURS = journal_facts(holder="ann@desk 1")
THEIRS: dict[Fact, Value] = {Claim(OLD): "bob@lab/2"}


def changes(step, plan, now, told_=NOTHING_TOLD):
    return list(step.missing_changes(StepInput(plan, FORWARD, now, told_)))


def verdict(step, plan, now, told_=NOTHING_TOLD):
    return step.verify(StepInput(plan, FORWARD, now, told_))


class TestClaimGateway:
    def test_claims_a_gateway_that_nobody_claims(self):
        """The claim tag is placed on the old gateway."""
        assert changes(ClaimGateway(), a_plan(), a_snapshot(), OURS) == [
            PlaceClaim(OLD, "ann@desk 1")
        ]

    def test_stops_at_somebody_elses_claim(self):
        """A foreign claim stops the step, which names its holder."""
        now = a_snapshot(facts=THEIRS)

        assert changes(ClaimGateway(), a_plan(), now, OURS) == []
        assert verdict(ClaimGateway(), a_plan(), now, OURS) == Claimed("bob@lab/2")

    def test_takes_over_from_the_holder_it_was_told_to_outrank(self):
        """With --take-over the named holder's claim is replaced."""
        now = a_snapshot(facts=THEIRS)
        taking_over = msgspec.structs.replace(OURS, takes_over_from="bob@lab/2")

        assert changes(ClaimGateway(), a_plan(), now, taking_over) == [
            PlaceClaim(OLD, "ann@desk 1")
        ]

    def test_does_not_take_over_from_anyone_else(self):
        """A take-over names one holder; a third one's claim still blocks."""
        now = a_snapshot(facts=THEIRS)
        taking_over = msgspec.structs.replace(OURS, takes_over_from="eve@bar 3")

        assert changes(ClaimGateway(), a_plan(), now, taking_over) == []
        assert isinstance(verdict(ClaimGateway(), a_plan(), now, taking_over), Claimed)

    def test_only_our_own_claim_is_removed(self):
        """Clean-up does not remove a later claim of another holder."""
        assert changes(RemoveOurClaim(), a_plan(), a_snapshot(facts=THEIRS), OURS) == []
        assert verdict(RemoveOurClaim(), a_plan(), a_snapshot(facts=THEIRS), OURS) == Met()


class TestCreateGateway:
    def test_asks_for_the_planned_asn_and_keeps_user_tags(self):
        """The new gateway gets the decided ASN and the old one's tags, with a different Name."""
        before = a_survey(
            gateway=a_gateway(tags={"Name": "hq", "team": "net", "aws:cloudformation:x": "y"})
        )
        plan = a_plan(before=before, decisions=Decisions(asn=65001))
        empty = snapshot_by_tag(Reading(NOON), plan.migration)

        assert changes(CreateGateway(), plan, empty) == [
            CreateVpnGateway(
                GATEWAY_ROLE, asn=65001, tags=(("Name", "hq (AWS VPN)"), ("team", "net"))
            )
        ]

    def test_never_creates_a_second_one_while_the_first_may_be_unseen(self):
        """Case 21: after a lost answer nothing is created until absence is certain."""
        now = a_snapshot(facts={Existence(GATEWAY_ROLE): UNKNOWN})

        assert changes(CreateGateway(), a_plan(), now) == []
        assert isinstance(verdict(CreateGateway(), a_plan(), now), NotYet)

    def test_adopts_the_gateway_that_carries_our_tags(self):
        """Case 21: the gateway is found by its migration tag after a crash."""
        assert verdict(CreateGateway(), a_plan(), a_snapshot()) == Met()

    def test_stops_at_two_gateways_with_our_tags(self):
        """If two resources have one role's tags, a person must say which one is a copy."""
        reading = new_side()
        twin = a_gateway("vgw-twin", on=None, tags=our_tags(GATEWAY_ROLE))
        now = snapshot_by_tag(
            replace(reading, gateways=(*reading.gateways, twin)), a_plan().migration
        )

        assert isinstance(verdict(CreateGateway(), a_plan(), now), Blocked)

    def test_is_removed_only_once_it_is_on_no_vpc(self):
        """A gateway that is still attached is not deleted yet."""
        assert changes(RemoveGateway(), a_plan(), a_snapshot(new="detaching")) == []
        assert len(changes(RemoveGateway(), a_plan(), a_snapshot(new="detached"))) == 1


class TestCreateConnections:
    def test_copies_customer_gateway_and_routing_type(self):
        """Each successor keeps the old one's customer gateway and routing type (case 34)."""
        before = a_survey(connections=(a_connection(prefixes=["10.1.0.0/16"]),))
        now = without_connections()

        (creation,) = changes(CreateConnections(), a_plan(before=before), now)

        assert creation == CreateVpnConnection(
            role_of(OLD_VPN),
            gateway=NEW,
            customer_gateway=CustomerGatewayId("cgw-1"),
            replaces=OLD_VPN,
            static_only=True,
            tunnels=(STRONG_OPTIONS, STRONG_OPTIONS),
        )

    def test_a_bgp_connection_has_no_static_prefixes(self):
        """Saved output may list some on a BGP connection, and EC2 accepts none for it."""
        old = replace(a_connection(prefixes=["10.1.0.0/16"]), static_only=False)

        assert wanted_prefixes(old) == ()

    def test_creates_two_at_a_time(self):
        """Case 72: of ten connections two are created at a time."""
        before = a_survey(
            connections=tuple(a_connection(f"vpn-{n}", customer_gateway=f"cgw-{n}") for n in "0123")
        )
        now = without_connections()

        assert len(changes(CreateConnections(), a_plan(before=before), now)) == 2

    def test_one_in_creation_leaves_room_for_one_more(self):
        """A creation in doubt counts as one in progress."""
        before = a_survey(
            connections=tuple(a_connection(f"vpn-{n}", customer_gateway=f"cgw-{n}") for n in "0123")
        )
        now = without_connections()
        now = replace(now, facts={**now.facts, Existence(role_of("vpn-0")): UNKNOWN})

        (creation,) = changes(CreateConnections(), a_plan(before=before), now)

        assert creation.replaces == "vpn-1"

    def test_keeps_inside_addresses_when_asked(self):
        """With inside: keep the old tunnels' inside CIDRs are sent."""
        plan = a_plan(decisions=Decisions(inside=InsideMode.KEEP))

        (creation,) = changes(CreateConnections(), plan, without_connections())

        assert creation.inside_cidrs == ("169.254.10.0/30", "169.254.11.0/30")

    def test_static_prefixes_follow_once_it_is_available(self):
        """Case 50: only missing static prefixes are added."""
        before = a_survey(connections=(a_connection(prefixes=["10.1.0.0/16", "10.2.0.0/16"]),))
        successor = a_connection(
            NEW_VPN,
            on=NEW,
            category=AWS_VPN,
            prefixes=["10.1.0.0/16"],
            tags=our_tags(role_of(OLD_VPN)),
        )
        now = snapshot_by_tag(replace(new_side(), connections=(successor,)))

        assert changes(CreateConnections(), a_plan(before=before), now) == [
            AddStaticPrefix(NEW_VPN, "10.2.0.0/16")
        ]

    def test_a_strangers_connection_is_not_adopted(self):
        """Case 25: an untagged connection between the same two gateways stops the run."""
        stranger = a_connection("vpn-stranger", on=NEW, category=AWS_VPN)
        now = snapshot_by_tag(replace(new_side(), connections=(stranger,)))

        assert changes(CreateConnections(), a_plan(), now) == []
        blocked = verdict(CreateConnections(), a_plan(), now)
        assert isinstance(blocked, Blocked)
        assert "vpn-stranger" in blocked.why

    @pytest.mark.parametrize(
        ("dropped", "named"), [((), "transitvpc:spoke"), (("transitvpc:*",), "team")]
    )
    def test_a_copied_tag_that_may_have_caused_it_is_named(self, dropped, named):
        """A poller creates connections on each gateway with its tag, the new one included."""
        tags = {"transitvpc:spoke": "true", "team": "network", "Name": "x"}
        plan = a_plan(
            before=a_survey(gateway=a_gateway(tags=tags)),
            decisions=Decisions(tags=TagChanges(drop=dropped)),
        )
        stranger = a_connection("vpn-stranger", on=NEW, category=AWS_VPN)
        now = snapshot_by_tag(replace(new_side(), connections=(stranger,)))

        blocked = verdict(CreateConnections(), plan, now)

        assert isinstance(blocked, Blocked)
        assert f"tags: {{drop: [{named}]}}" in str(blocked.advice)

    def test_tags_are_left_out_and_added_as_the_playbook_says(self):
        """A successor has the user's tags, without those dropped, and with those added."""
        old = a_connection(tags={"transitvpc:spoke": "true", "team": "old", "site": "hq"})
        decisions = Decisions(tags=TagChanges(("transitvpc:*",), {"team": "network"}))
        plan = a_plan(before=a_survey(connections=(old,)), decisions=decisions)

        (creation,) = changes(CreateConnections(), plan, without_connections())

        assert creation.tags == (("site", "hq"), ("team", "network"))

    def test_one_that_is_still_being_made_is_a_strangers_too(self):
        """Case 25: EC2 may return a connection that was created outside this run."""
        young = a_connection("vpn-young", on=NEW, category=AWS_VPN, state="pending")
        now = snapshot_by_tag(replace(new_side(), connections=(young,)))

        assert changes(CreateConnections(), a_plan(), now) == []

    def test_deleted_ones_between_the_same_gateways_do_not_matter(self):
        """Case 25: only deleted connections for the pair: create."""
        ghost = a_connection("vpn-ghost", on=NEW, category=AWS_VPN, state="deleted")
        now = snapshot_by_tag(replace(new_side(), connections=(ghost,)))

        assert len(changes(CreateConnections(), a_plan(), now)) == 1

    def test_a_new_connection_that_is_classic_stops_the_run(self):
        """The created connection must have the category AWS VPN before the step is done."""
        wrong = a_connection(NEW_VPN, on=NEW, category=CLASSIC, tags=our_tags(role_of(OLD_VPN)))
        now = snapshot_by_tag(replace(new_side(), connections=(wrong,)))

        assert isinstance(verdict(CreateConnections(), a_plan(), now), Blocked)

    def test_removal_takes_only_what_carries_our_role(self):
        """The clean-up deletes the successors and never the old connections."""
        (deletion,) = changes(RemoveConnections(), a_plan(), a_snapshot())

        assert deletion.id == NEW_VPN

    def test_removal_names_copies_and_leaves_them(self):
        """A duplicate with this run's tags is named and not deleted."""
        twin = a_gateway("vgw-twin", on=None, tags=our_tags(GATEWAY_ROLE))
        reading = replace(new_side(), connections=())
        now = snapshot_by_tag(
            replace(reading, gateways=(*reading.gateways, twin)), a_plan().migration
        )

        found = verdict(RemoveConnections(), a_plan(), now)

        assert isinstance(found, Lost)
        assert "vgw-twin" in found.what[0]


def without_connections():
    return snapshot_by_tag(replace(new_side(), connections=()))


class TestFetchConfiguration:
    def test_archives_old_and_new(self):
        """Case 70: every configuration is archived, the old ones long before step 11."""
        plan = a_plan(
            decisions=Decisions(
                device_types={"default": "Cisco/ISR/IOS"},
                tunnel_options=TunnelOptions(ike_versions=("ikev1",)),
            )
        )

        assert changes(FetchConfiguration(), plan, a_snapshot()) == [
            ArchiveConfiguration(OLD_VPN),
            ArchiveConfiguration(NEW_VPN, OLD_VPN, "Cisco/ISR/IOS", "ikev1"),
        ]

    @pytest.mark.parametrize("versions", [(), ("ikev2",), ("ikev1", "ikev2")], ids=str)
    def test_the_sample_is_for_ikev2_wherever_that_may_be_spoken(self, versions):
        """Only a plan that allows IKEv1 alone gets samples for IKEv1."""
        plan = a_plan(decisions=Decisions(tunnel_options=TunnelOptions(ike_versions=versions)))

        *_, folder = changes(FetchConfiguration(), plan, a_snapshot())

        assert folder == ArchiveConfiguration(NEW_VPN, OLD_VPN, ike_version="ikev2")

    def test_what_is_archived_is_not_fetched_again(self):
        """A file archived according to the journal is not archived again."""
        all_there = journal_facts(files=[OLD_VPN, NEW_VPN])

        assert changes(FetchConfiguration(), a_plan(), a_snapshot(), all_there) == []
        assert verdict(FetchConfiguration(), a_plan(), a_snapshot(), all_there) == Met()


class TestConfigureDevices:
    def test_a_persons_word_settles_it(self):
        """The step waits until the operator confirms that the configuration is loaded."""
        (task,) = changes(ConfigureDevices(), a_plan(), a_snapshot())
        assert isinstance(task, AskOperator)
        assert "DISABLED" in task.task

        assert verdict(ConfigureDevices(), a_plan(), a_snapshot()) != Met()
        said = journal_facts(Confirmation.DEVICES_CONFIGURED)
        assert verdict(ConfigureDevices(), a_plan(), a_snapshot(), said) == Met()


class TestTryInTestVpc:
    TRY = a_plan(decisions=Decisions(test_vpc=TestVpc("172.31.0.0/24")))

    def observe(self, *, attachment=None, propagates=None, subnet=True):
        fresh = new_side(on="vpc-test" if attachment else None, attachment=attachment or "")
        return snapshot_by_tag(
            Reading(
                NOON,
                gateways=(a_gateway(), *fresh.gateways),
                connections=fresh.connections,
                tables=(a_table("rtb-test", vpc="vpc-test", main=True, propagates=propagates),),
                vpcs=(VpcRecord(VpcId("vpc-test"), tags=our_tags(TEST_VPC_ROLE)),),
                subnets=(
                    SubnetRecord("subnet-1", VpcId("vpc-test"), tags=our_tags(TEST_SUBNET_ROLE)),
                )
                if subnet
                else (),
            ),
            self.TRY.migration,
        )

    def test_is_skipped_when_the_playbook_does_not_ask(self):
        """Without a test VPC in the plan the step is done."""
        assert verdict(TryInTestVpc(), a_plan(), a_snapshot()) == Met()

    def test_builds_it_piece_by_piece(self):
        """The order is VPC, then subnet and attachment, then propagation, then the test."""
        step, plan = TryInTestVpc(), self.TRY
        assert changes(step, plan, a_snapshot()) == [CreateTestVpc(TEST_VPC_ROLE, "172.31.0.0/24")]
        assert changes(step, plan, self.observe(subnet=False)) == [
            CreateTestSubnet(TEST_SUBNET_ROLE, VpcId("vpc-test"), "172.31.0.0/25"),
            AttachVpnGateway(NEW, VpcId("vpc-test")),
        ]
        assert changes(step, plan, self.observe(attachment="attaching")) == []
        assert changes(step, plan, self.observe(attachment="attached")) == [
            EnablePropagation(RouteTableId("rtb-test"), NEW)
        ]
        (task,) = changes(step, plan, self.observe(attachment="attached", propagates=NEW))
        assert task.confirmation is Confirmation.TEST_PASSED

    def test_a_command_can_decide(self):
        """A playbook's command is run with the test VPC's id instead of asking a person."""
        plan = a_plan(decisions=Decisions(test_vpc=TestVpc("172.31.0.0/24", ("probe", "-c3"))))
        now = self.observe(attachment="attached", propagates=NEW)

        assert changes(TryInTestVpc(), plan, now) == [RunTest(("probe", "-c3", "vpc-test"))]

    def test_is_taken_down_before_it_is_settled(self):
        """Case 40: the gateway is detached and the test VPC deleted before step 7 can begin."""
        step, plan, passed = TryInTestVpc(), self.TRY, journal_facts(Confirmation.TEST_PASSED)
        assert changes(step, plan, self.observe(attachment="attached"), passed) == [
            DetachVpnGateway(NEW, VpcId("vpc-test")),
            DeleteTestSubnet(TEST_SUBNET_ROLE, "subnet-1"),
        ]
        assert changes(step, plan, self.observe(attachment="detaching", subnet=False), passed) == []
        assert changes(step, plan, self.observe(attachment="detached", subnet=False), passed) == [
            DeleteTestVpc(TEST_VPC_ROLE, "vpc-test")
        ]
        assert verdict(step, plan, self.observe(attachment="detached"), passed) != Met()
        assert verdict(step, plan, a_snapshot(), passed) == Met()

    def test_its_removal_works_from_any_stage(self):
        """Case 42: a rollback removes the test VPC whether or not its test has passed."""
        assert changes(RemoveTestVpc(), self.TRY, self.observe(attachment="attached")) == [
            DetachVpnGateway(NEW, VpcId("vpc-test")),
            DeleteTestSubnet(TEST_SUBNET_ROLE, "subnet-1"),
        ]
        assert verdict(RemoveTestVpc(), self.TRY, a_snapshot()) == Met()

    def test_a_gateway_still_on_the_test_vpc_is_not_down(self):
        """Case 40: while the gateway is attached to the test VPC the step is not done."""
        reading = replace(new_side(on="vpc-test", attachment="detaching"), connections=())
        now = snapshot_by_tag(reading, self.TRY.migration)

        assert verdict(
            TryInTestVpc(), self.TRY, now, journal_facts(Confirmation.TEST_PASSED)
        ) == NotYet("the new virtual private gateway is detaching from vpc-test")


def test_the_ordinary_plan_is_on_its_vpc():
    """The builders' plan passes preflight."""
    assert a_plan().vpc == VPC
    assert msgspec.json.decode(msgspec.json.encode(a_plan()), type=type(a_plan())) == a_plan()
