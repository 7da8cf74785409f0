"""Ownership: a hostile tagger cannot make a run change resources that are not its own."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ReadTimeoutError
from msgspec.structs import replace

from tests.support.builders import (
    MIGRATION,
    NOON,
    OLD,
    OLD_VPN,
    VPC,
    a_connection,
    a_customer_gateway,
    a_gateway,
    a_plan,
    a_survey,
    our_tags,
)
from tests.support.journals import entries
from tests.support.stage import Nobody, Stage
from vpnmigrate.engine.recorder import evidence_of
from vpnmigrate.journal import replay
from vpnmigrate.journal.records import Adopted, AdoptionAsked, Answered, Finished, Intended, Record
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.changes import (
    AttachVpnGateway,
    CreateTestSubnet,
    CreateTestVpc,
    CreateVpnConnection,
    CreateVpnGateway,
    DeleteTestVpc,
    DeleteVpnConnection,
    DeleteVpnGateway,
    DetachVpnGateway,
)
from vpnmigrate.model.changes.base import InDoubt, Performed
from vpnmigrate.model.decisions import Decisions, TestVpc
from vpnmigrate.model.ec2 import (
    Attachment,
    ConnectionRecord,
    CustomerGatewayId,
    GatewayRecord,
    Role,
    SubnetRecord,
    Tag,
    TunnelOptions,
    VpcId,
    VpcRecord,
    VpnConnectionId,
    VpnGatewayId,
)
from vpnmigrate.model.errors import HeldError, RefusedError, StepError
from vpnmigrate.model.plan import GATEWAY_ROLE, connection_role
from vpnmigrate.model.snapshot import Reading
from vpnmigrate.model.survey import Survey
from vpnmigrate.planning.ownership import (
    Doubt,
    Evidence,
    candidates,
    forbidden,
    ownership_of,
    role_to_adopt,
    unfit,
)
from vpnmigrate.sandbox.device_engineer import DeviceEngineer
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults

SPARE = VpnGatewayId("vgw-spare")
SPARE_VPN = VpnConnectionId("vpn-spare")
FOREIGN = VpcId("vpc-foreign")
BOB: dict[str, object] = {"holder": "bob@spare/1", "takes_over_from": "ann@desk"}
SUCCESSOR = connection_role(OLD_VPN)
CREATE_GATEWAY = CreateVpnGateway(GATEWAY_ROLE)
CREATE_VPN = CreateVpnConnection(
    SUCCESSOR,
    gateway=VpnGatewayId("vgw-new"),
    customer_gateway=CustomerGatewayId("cgw-1"),
    replaces=OLD_VPN,
    static_only=False,
)


def with_strangers(customer_gateway: str = "cgw-1") -> Survey:
    """Return a world with a second gateway and a connection on it, from before the plan."""
    return a_survey(
        customer_gateways=(a_customer_gateway(), a_customer_gateway("cgw-2")),
        vpcs=(*a_survey().vpcs, VpcRecord(FOREIGN, cidrs=("10.77.0.0/16",))),
        other_gateways=(a_gateway(SPARE, on=None, asn=64512),),
        other_connections=(
            a_connection(SPARE_VPN, on=SPARE, category="VPN", customer_gateway=customer_gateway),
        ),
    )


def tag(stage: Stage, resource: str, role: str) -> None:
    """Set tags, as a person who may call CreateTags only."""
    tags = {**our_tags(role), Tag.CHANGE: "CHG1"}
    stage.do(
        "CreateTags",
        Resources=[resource],
        Tags=[{"Key": str(key), "Value": value} for key, value in tags.items()],
    )


def life(stage: Stage, resource: str) -> str:
    """Return the state of *resource*, a while later."""
    stage.clock.sleep(timedelta(minutes=10))
    with stage.world.to_be_read() as state:
        lives = {
            **{id_: state.life(thing) for id_, thing in state.gateways.items()},
            **{id_: state.life(thing) for id_, thing in state.connections.items()},
            **{id_: state.life(thing) for id_, thing in state.vpcs.items()},
            **{id_: state.life(thing) for id_, thing in state.subnets.items()},
        }
    return lives.get(resource, "gone")


class Unasked(DeviceEngineer):
    """Operator that does the device tasks and answers no question."""

    patient = False

    def owns(self, id_: str, role: Role) -> bool | None:
        return None


class TestHostileTags:
    """Hostile tags set between plan and run."""

    @pytest.mark.parametrize("went_forward", [False, True])
    def test_the_old_connection_is_never_deleted_by_a_rollback(
        self, tmp_path: Path, *, went_forward: bool
    ) -> None:
        """The run creates its own successor, and deletes nothing else."""
        stage = Stage(tmp_path)
        tag(stage, OLD_VPN, SUCCESSOR)
        if went_forward:
            assert stage.forward().status is RunStatus.CUT_OVER

        state = stage.back()

        assert life(stage, OLD_VPN) == "available"
        assert state.status is RunStatus.ROLLED_BACK
        assert any(OLD_VPN in line for line in state.deviations.external_changes)
        assert stage.differences() == state.deviations.differs == ()

    @pytest.mark.parametrize("went_forward", [False, True])
    def test_the_old_gateway_stays_on_its_vpc(self, tmp_path: Path, *, went_forward: bool) -> None:
        """A rollback before the cutover detaches nothing, and one after it restores traffic."""
        stage = Stage(tmp_path)
        tag(stage, OLD, GATEWAY_ROLE)
        if went_forward:
            assert stage.forward().status is RunStatus.CUT_OVER
        before = len(stage.intended)

        assert stage.back().status is RunStatus.ROLLED_BACK

        assert stage.observe().attachment(OLD, VPC) is Attachment.ATTACHED
        if not went_forward:
            moves = (AttachVpnGateway, DetachVpnGateway)
            assert not [c for c in stage.intended[before:] if isinstance(c, moves)]

    @pytest.mark.parametrize("customer_gateway", ["cgw-1", "cgw-2"])
    @pytest.mark.parametrize("tagged", [(SPARE,), (SPARE_VPN,), (SPARE, SPARE_VPN)])
    def test_what_the_survey_saw_is_never_adopted(
        self, tmp_path: Path, customer_gateway: str, tagged: tuple[str, ...]
    ) -> None:
        """The run creates, attaches and deletes its own gateway."""
        stage = Stage(tmp_path, with_strangers(customer_gateway))
        for resource in tagged:
            tag(stage, resource, GATEWAY_ROLE if resource == SPARE else SUCCESSOR)

        assert stage.forward().status is RunStatus.CUT_OVER
        assert stage.observe().attachment(SPARE, VPC) is Attachment.DETACHED
        assert stage.back().status is RunStatus.ROLLED_BACK

        assert (life(stage, SPARE), life(stage, SPARE_VPN)) == ("available", "available")
        if SPARE in tagged:  # Otherwise the connection is on a gateway that no observation reads.
            for resource in tagged:
                assert any(resource in line for line in stage.state.deviations.external_changes)

    @pytest.mark.parametrize("cidr", ["172.31.0.0/24", "10.77.0.0/16"])
    def test_a_foreign_vpc_is_never_a_test_vpc(self, tmp_path: Path, cidr: str) -> None:
        """A VPC with the plan's network that existed before is not the run's."""
        vpcs = (*a_survey().vpcs, VpcRecord(FOREIGN, cidrs=(cidr,)))
        survey = replace(with_strangers(), vpcs=vpcs)
        stage = Stage(tmp_path, survey, decisions=Decisions(test_vpc=TestVpc("172.31.0.0/24")))
        subnet = stage.do("CreateSubnet", VpcId=FOREIGN, CidrBlock=cidr)["Subnet"]["SubnetId"]  # type: ignore[index]
        tag(stage, FOREIGN, "test-vpc")
        tag(stage, subnet, "test-subnet")

        assert stage.forward().status is RunStatus.CUT_OVER
        assert stage.back().status is RunStatus.ROLLED_BACK

        assert (life(stage, FOREIGN), life(stage, subnet)) == ("available", "available")
        assert any(FOREIGN in line for line in stage.state.deviations.external_changes)

    def test_without_a_journal_the_survey_still_counts(self, tmp_path: Path) -> None:
        """The new side is deleted and another pair is tagged: it is not offered and not deleted."""
        stage = Stage(tmp_path, with_strangers())
        tag(stage, SPARE, GATEWAY_ROLE)
        tag(stage, SPARE_VPN, SUCCESSOR)

        state = stage.back(
            journal_lost=True, operator=Nobody(), holder="bob@spare/1", takes_over_from="ann@desk"
        )

        assert state.status is RunStatus.ROLLED_BACK
        assert (life(stage, SPARE), life(stage, SPARE_VPN)) == ("available", "available")

    @pytest.mark.parametrize("strip", [("vpnmigrate:role",), ("vpnmigrate:migration",), None])
    def test_what_has_lost_its_tags_is_still_cleaned_up(
        self, tmp_path: Path, strip: tuple[str, ...] | None
    ) -> None:
        """The journal has the ids; other resources with the tags are not deleted."""
        stage = Stage(tmp_path, decisions=Decisions(test_vpc=TestVpc("172.31.0.0/24")))
        stage.forward()
        ours = set(stage.observe().ours.values())
        for resource in ours:
            tags = {} if strip is None else {"Tags": [{"Key": key} for key in strip]}
            stage.do("DeleteTags", Resources=[resource], **tags)

        assert stage.back().status is RunStatus.ROLLED_BACK

        assert {life(stage, resource) for resource in ours} <= {"deleted", "gone"}

    def test_tags_of_ours_may_be_exchanged(self, tmp_path: Path) -> None:
        """A gateway tagged as a connection, and the reverse, keep their roles from the journal."""
        stage = Stage(tmp_path)
        stage.forward()
        ours = dict(stage.observe().ours)
        tag(stage, ours[GATEWAY_ROLE], SUCCESSOR)
        tag(stage, ours[SUCCESSOR], GATEWAY_ROLE)

        assert stage.back().status is RunStatus.ROLLED_BACK

        assert stage.observe().attachment(OLD, VPC) is Attachment.ATTACHED
        assert {life(stage, id_) for id_ in ours.values()} <= {"deleted", "gone"}


class TestLostAnswers:
    """A resource that fits an unanswered create call belongs to the run."""

    def test_what_it_made_is_adopted_and_written_down(self, tmp_path: Path) -> None:
        """After that tags do not matter."""
        stage = Stage(tmp_path, faults=Faults([Fault("CreateVpnGateway", FaultKind.LOST_ANSWER)]))

        assert stage.forward().status is RunStatus.CUT_OVER

        [found] = stage.records(Adopted)
        assert (found.role, found.id, found.who) == (GATEWAY_ROLE, stage.new_gateway, "")
        assert stage.calls.count("CreateVpnGateway") == 1

    def test_a_gateway_of_before_is_not_taken_for_it(self, tmp_path: Path) -> None:
        """A resource of the survey, or one seen before the call, does not belong to the run."""
        stage = Stage(tmp_path, with_strangers())
        later = stage.do("CreateVpnGateway", Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]  # type: ignore[index]
        stage.clock.sleep(timedelta(minutes=5))
        tag(stage, SPARE, GATEWAY_ROLE)
        tag(stage, later, GATEWAY_ROLE)
        stage.faults = Faults([Fault("CreateVpnGateway", FaultKind.LOST_ANSWER)])

        stage.forward()
        stage.back()

        assert (life(stage, SPARE), life(stage, later)) == ("available", "available")
        [found] = stage.records(Adopted)
        assert found.id not in {SPARE, later}
        assert life(stage, found.id) in {"deleted", "gone"}


class Stripper:
    """Fault that loses the answer to CreateVpnGateway and removes the tags of the new gateway."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def before(self, service: str, action: str, nth: int) -> None:
        pass

    def after(self, service: str, action: str, nth: int) -> None:
        if action == "CreateVpnGateway":
            self._stage.faults = None
            with self._stage.world.alone() as state:
                self.made = next(id_ for id_ in state.born if id_.startswith("vgw-"))
                state.tags[self.made].clear()
            raise ReadTimeoutError(endpoint_url="http://sandbox")


class TestUnansweredAndStripped:
    """A gateway whose answer was lost and whose tags were removed before they were observed."""

    def stopped(self, tmp_path: Path) -> tuple[Stage, str]:
        """Return a stage whose run has created such a gateway."""
        stage = Stage(tmp_path)
        stage.faults = stripper = Stripper(stage)
        with pytest.raises(StepError, match="may have been created") as stopped:
            stage.forward()
        assert f"--adopt {stripper.made}" in str(stopped.value.advice_text)
        assert stage.calls.count("CreateVpnGateway") == 1
        stage.faults = None
        return stage, stripper.made

    def test_a_person_gives_it_back_to_the_run(self, tmp_path: Path) -> None:
        """If adopted, it belongs to the run as if the answer had arrived."""
        stage, made = self.stopped(tmp_path)

        assert stage.forward(adopt=(made,)).status is RunStatus.CUT_OVER
        assert stage.back().status is RunStatus.ROLLED_BACK
        assert life(stage, made) in {"deleted", "gone"}

    def test_a_person_disowns_it(self, tmp_path: Path) -> None:
        """If refused, the run creates another one and never deletes this one."""
        stage, made = self.stopped(tmp_path)

        assert stage.forward(adopt=("none",)).status is RunStatus.CUT_OVER
        assert stage.back().status is RunStatus.ROLLED_BACK
        assert life(stage, made) == "available"
        assert stage.state.deviations.lost == ()

    def test_a_rollback_leaves_and_names_it(self, tmp_path: Path) -> None:
        """The message has the command that deletes it."""
        stage, made = self.stopped(tmp_path)

        [line] = stage.back().deviations.lost

        assert line.startswith(f"{made} was not deleted")
        assert f"--adopt {made}" in line
        stage.back(adopt=(made,))
        assert life(stage, made) in {"deleted", "gone"}


class TestWithoutJournal:
    """A person names the run's resources by id."""

    def test_it_holds_where_nobody_can_be_asked(self, tmp_path: Path) -> None:
        """The command with the ids is printed, and works."""
        stage = Stage(tmp_path)
        stage.forward()
        gateway, vpn = (stage.observe().ours[role] for role in (GATEWAY_ROLE, SUCCESSOR))

        with pytest.raises(HeldError) as held:
            stage.back(journal_lost=True, operator=Unasked(stage.world), **BOB)

        words = f"vpnmigrate rollback {MIGRATION} --adopt {gateway} --adopt {vpn}"
        assert held.value.advice_text == words
        state = stage.back(
            journal_lost=True, operator=Unasked(stage.world), adopt=(gateway, vpn), **BOB
        )
        assert state.status is RunStatus.ROLLED_BACK
        assert {life(stage, gateway), life(stage, vpn)} <= {"deleted", "gone"}
        assert stage.observe().attachment(OLD, VPC) is Attachment.ATTACHED

    def test_what_is_disowned_is_left_alone(self, tmp_path: Path) -> None:
        """A newer pair that fits and has the tags is not deleted if a person refuses it."""
        stage = Stage(tmp_path)
        gateway = stage.do("CreateVpnGateway", Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]  # type: ignore[index]
        tag(stage, gateway, GATEWAY_ROLE)
        stage.clock.sleep(timedelta(minutes=5))

        state = stage.back(journal_lost=True, operator=Nobody(), adopt=("none",), **BOB)

        assert state.status is RunStatus.ROLLED_BACK
        assert stage.records(AdoptionAsked) == [AdoptionAsked("bob@spare/1", (gateway,))]
        assert life(stage, gateway) == "available"

    @pytest.mark.parametrize("named", [OLD, OLD_VPN, SPARE, "vgw-nowhere"])
    def test_what_cannot_be_the_runs_is_refused(self, tmp_path: Path, named: str) -> None:
        """Naming the old gateway does not delete it."""
        stage = Stage(tmp_path, with_strangers())

        with pytest.raises(RefusedError, match=named):
            stage.back(journal_lost=True, operator=Nobody(), adopt=(named,), **BOB)

        assert not stage.records(Adopted)

    def test_tags_that_were_taken_off_do_not_hide_the_gateway_on_the_vpc(
        self, tmp_path: Path
    ) -> None:
        """Removing tags cannot block a rollback: a person can name resources without tags."""
        stage = Stage(tmp_path)
        stage.forward()
        gateway, vpn = (stage.observe().ours[role] for role in (GATEWAY_ROLE, SUCCESSOR))
        for resource in (gateway, vpn):
            stage.do("DeleteTags", Resources=[resource])

        with pytest.raises(HeldError) as held:
            stage.back(journal_lost=True, operator=Unasked(stage.world), **BOB)
        assert held.value.advice_text.endswith(f"--adopt {gateway} --adopt {vpn}")
        state = stage.back(
            journal_lost=True, operator=Unasked(stage.world), adopt=(gateway, vpn), **BOB
        )

        assert state.status is RunStatus.ROLLED_BACK
        assert stage.observe().attachment(OLD, VPC) is Attachment.ATTACHED


class TestEndOfARollback:
    def test_what_is_not_as_before_is_told(self, tmp_path: Path) -> None:
        """If the old connection was deleted, the rollback does not claim that it is restored."""
        stage = Stage(tmp_path)
        stage.do("DeleteVpnConnection", VpnConnectionId=OLD_VPN)
        stage.clock.sleep(timedelta(hours=1))

        state = stage.back()

        assert any(OLD_VPN in line for line in state.deviations.differs)
        [finished] = stage.records(Finished)
        assert finished.unproven
        assert state.traffic == "unknown"


def intended(number: int, change: object, *present: str) -> Intended:
    return Intended(number, 2, change, present)  # type: ignore[arg-type]


class TestEvidence:
    """Evidence in a journal."""

    def of(self, *records: Record) -> Evidence:
        return evidence_of(replay(entries(*records)), frozenset({"vgw-old", "vpn-old"}))

    def test_an_answer_proves(self) -> None:
        """The id in the answer belongs to the run."""
        made = self.of(intended(1, CREATE_GATEWAY), Answered(1, Performed("r", made="vgw-1")))

        assert made == Evidence({GATEWAY_ROLE: frozenset({"vgw-1"})})

    @pytest.mark.parametrize("known", ["vgw-old", "vgw-there"])
    def test_but_not_that_of_what_was_there(self, known: str) -> None:
        """EC2 may return an existing resource instead of creating one."""
        answer = Answered(1, Performed("r", made=known))

        assert self.of(intended(1, CREATE_GATEWAY, "vgw-there"), answer) == Evidence()

    def test_no_answer_is_a_doubt_until_something_is_known(self) -> None:
        """A resource found later ends the doubt, and so does a later answer."""
        doubt = (intended(1, CREATE_GATEWAY, "vgw-x"), Answered(1, InDoubt("lost")))

        assert self.of(*doubt).doubts == (Doubt(CREATE_GATEWAY, frozenset({"vgw-x"})),)
        assert not self.of(*doubt, Adopted(GATEWAY_ROLE, "vgw-1")).doubts
        later = (intended(2, CREATE_GATEWAY), Answered(2, Performed("r", made="vgw-2")))
        assert self.of(*doubt, *later) == Evidence({GATEWAY_ROLE: frozenset({"vgw-2"})})

    def test_an_adoption_says_nothing_of_later_calls(self) -> None:
        """The call of a new attempt can be in doubt again."""
        again = self.of(
            intended(1, CREATE_GATEWAY), Adopted(GATEWAY_ROLE, "vgw-1"), intended(2, CREATE_GATEWAY)
        )

        assert [doubt.creation for doubt in again.doubts] == [CREATE_GATEWAY]

    def test_nothing_adopts_what_was_surveyed(self) -> None:
        """A record that adopts a surveyed resource is ignored."""
        assert self.of(Adopted(GATEWAY_ROLE, "vgw-old")) == Evidence()


NEW_GATEWAY = a_gateway("vgw-new", on=None, asn=64512, tags=our_tags(GATEWAY_ROLE))
NEW_CONNECTION = a_connection("vpn-new", on="vgw-new", category="VPN", tags=our_tags(SUCCESSOR))

AES256 = TunnelOptions(phase1_encryption=("AES256",))


def with_options(connection: ConnectionRecord, options: TunnelOptions) -> ConnectionRecord:
    """Return *connection* with *options* on every tunnel."""
    return replace(
        connection, tunnels=tuple(replace(t, options=options) for t in connection.tunnels)
    )


@pytest.mark.parametrize(
    ("resource", "wanted", "why"),
    [
        (NEW_GATEWAY, CREATE_GATEWAY, ""),
        (a_gateway("vgw-n", on=None, asn=64513), CREATE_GATEWAY, "ASN is 64513, not 64512"),
        (a_gateway("vgw-n", on=None, asn=64513), CreateVpnGateway(GATEWAY_ROLE, 64513), ""),
        (GatewayRecord(VpnGatewayId("vgw-n"), "available"), CREATE_GATEWAY, ""),
        (NEW_CONNECTION, CREATE_VPN, ""),
        (a_connection("vpn-n", on="vgw-x"), CREATE_VPN, "gateway is vgw-x"),
        (a_connection("vpn-n", on="vgw-new", customer_gateway="cgw-2"), CREATE_VPN, "cgw-2"),
        (
            a_connection("vpn-n", on="vgw-new", prefixes=("10.9.0.0/16",)),
            CREATE_VPN,
            "routing is static, not BGP",
        ),
        (with_options(NEW_CONNECTION, AES256), replace(CREATE_VPN, tunnels=(AES256, AES256)), ""),
        (NEW_CONNECTION, replace(CREATE_VPN, tunnels=(AES256, AES256)), ""),
        (
            with_options(NEW_CONNECTION, TunnelOptions(phase1_encryption=("AES128",))),
            replace(CREATE_VPN, tunnels=(AES256, AES256)),
            "phase1_encryption is not AES256",
        ),
        (NEW_CONNECTION, CREATE_GATEWAY, "another kind"),
        (NEW_GATEWAY, CREATE_VPN, "another kind"),
        (
            VpcRecord(VpcId("vpc-n"), cidrs=("10.1.0.0/24",)),
            CreateTestVpc(Role("test-vpc"), "10.1.0.0/24"),
            "",
        ),
        (
            VpcRecord(VpcId("vpc-n"), cidrs=("10.1.0.0/24", "10.2.0.0/24")),
            CreateTestVpc(Role("test-vpc"), "10.1.0.0/24"),
            "network",
        ),
        (
            SubnetRecord("subnet-n", VpcId("vpc-n"), cidr="10.1.0.0/25"),
            CreateTestSubnet(Role("test-subnet"), VpcId("vpc-n"), "10.1.0.0/25"),
            "",
        ),
        (
            SubnetRecord("subnet-n", VpcId("vpc-x"), cidr="10.1.0.0/25"),
            CreateTestSubnet(Role("test-subnet"), VpcId("vpc-n"), "10.1.0.0/25"),
            "VPC is vpc-x",
        ),
    ],
)
def test_what_a_call_creates_is_told_from_what_it_does_not(
    resource: GatewayRecord | ConnectionRecord, wanted: CreateVpnGateway, why: str
) -> None:
    """Every property that the call sets and a describe returns is compared."""
    found = unfit(resource, wanted)

    assert (why in found) if why else found == ""


class TestOwnershipOf:
    """Ownership in a reading, by evidence."""

    READING = Reading(NOON, gateways=(a_gateway(), NEW_GATEWAY), connections=(NEW_CONNECTION,))
    DOUBTS = Evidence(doubts=(Doubt(CREATE_GATEWAY), Doubt(CREATE_VPN)))

    def test_no_tag_fills_a_role(self) -> None:
        """Without evidence nothing belongs to the run, and resources with its tags are named."""
        owned = ownership_of(self.READING, a_plan(), Evidence())

        assert not owned.ours
        assert {each.id for each in owned.foreign} == {"vgw-new", "vpn-new"}

    def test_doubts_fill_roles_with_what_fits(self) -> None:
        """A found resource is listed for adoption."""
        owned = ownership_of(self.READING, a_plan(), self.DOUBTS)

        assert owned.ours == owned.found == {GATEWAY_ROLE: "vgw-new", SUCCESSOR: "vpn-new"}

    def test_two_that_fit_are_contested(self) -> None:
        """If two fit, neither is adopted."""
        twin = a_gateway("vgw-twin", on=None, asn=64512, tags=our_tags(GATEWAY_ROLE))
        reading = Reading(NOON, gateways=(NEW_GATEWAY, twin))

        owned = ownership_of(reading, a_plan(), self.DOUBTS)

        assert owned.ambiguous_roles == {GATEWAY_ROLE}
        assert not owned.found

    def test_what_was_seen_before_the_call_is_not_its_doing(self) -> None:
        """A surveyed resource is never the run's, even if it fits."""
        doubt = Evidence(doubts=(Doubt(CREATE_GATEWAY, frozenset({"vgw-new"})),))

        assert not ownership_of(self.READING, a_plan(), doubt).ours

    def test_what_lacks_its_tags_is_suspected(self) -> None:
        """A suspect is listed until a person decides, or its role has a resource."""
        bare = Reading(NOON, gateways=(a_gateway("vgw-new", on=None, asn=64512),))
        refused = Evidence(doubts=self.DOUBTS.doubts, refused=frozenset({"vgw-new"}))
        present = Evidence(doubts=(Doubt(CREATE_GATEWAY, frozenset({"vgw-new"})),))

        assert ownership_of(bare, a_plan(), self.DOUBTS).possible == {GATEWAY_ROLE: "vgw-new"}
        assert not ownership_of(bare, a_plan(), refused).possible
        assert not ownership_of(bare, a_plan(), present).possible
        assert not ownership_of(self.READING, a_plan(), self.DOUBTS).possible

    def test_newcomers_are_what_nobody_accounts_for(self) -> None:
        """Newcomers are recorded before the next creation."""
        made = Evidence({GATEWAY_ROLE: frozenset({"vgw-new"})})

        assert ownership_of(self.READING, a_plan(), made).unrecorded == ("vpn-new",)

    def test_candidates_and_adoption_without_a_journal(self) -> None:
        """A candidate needs tag and fit; for a resource that a person names fit is enough."""
        assert candidates(self.READING, a_plan(), Evidence()) == {
            "vgw-new": GATEWAY_ROLE,
            "vpn-new": SUCCESSOR,
        }
        bare = Reading(NOON, gateways=(a_gateway("vgw-new", on=None, asn=64512),))
        assert not candidates(bare, a_plan(), Evidence())
        assert role_to_adopt("vgw-new", bare, a_plan(), Evidence()).role == GATEWAY_ROLE


@pytest.mark.parametrize(
    ("change", "finalizes", "permitted"),
    [
        (DeleteVpnConnection(SUCCESSOR, "vpn-new"), False, True),
        (DeleteVpnConnection(SUCCESSOR, OLD_VPN), False, False),
        (DeleteVpnConnection(SUCCESSOR, OLD_VPN), True, False),
        (DeleteVpnConnection(OLD_VPN, OLD_VPN), False, False),
        (DeleteVpnConnection(OLD_VPN, OLD_VPN), True, True),
        (DeleteVpnConnection(SPARE_VPN, SPARE_VPN), True, False),
        (DeleteVpnGateway(GATEWAY_ROLE, OLD), False, False),
        (DeleteVpnGateway(OLD, OLD), True, True),
        (DeleteVpnGateway(GATEWAY_ROLE, SPARE), False, False),
        (DeleteTestVpc(Role("test-vpc"), FOREIGN), False, False),
        (DeleteTestVpc(Role("test-vpc"), "vpc-test"), False, True),
        (AttachVpnGateway(SPARE, VPC), False, False),
        (AttachVpnGateway(OLD, VPC), False, True),
        (DetachVpnGateway(VpnGatewayId("vgw-new"), VPC), False, True),
        (CREATE_GATEWAY, False, True),
    ],
)
def test_the_last_line_before_aws(change: object, *, finalizes: bool, permitted: bool) -> None:
    """Only resources that the run created, or that finalize names, may be changed."""
    made = {
        GATEWAY_ROLE: frozenset({"vgw-new", OLD}),
        SUCCESSOR: frozenset({"vpn-new", OLD_VPN}),
        Role("test-vpc"): frozenset({"vpc-test"}),
    }

    why = forbidden(change, a_plan(), Evidence(made), finalizes=finalizes)  # type: ignore[arg-type]

    assert (not why) is permitted
