"""Whole runs with rare failures: rolled back, taken over, changed from outside."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import ClassVar

import pytest
from msgspec.structs import replace

from tests.support.builders import (
    BOTH,
    MAIN,
    MIGRATION,
    OLD,
    OLD_VPN,
    VPC,
    a_connection,
    a_customer_gateway,
    a_survey,
    a_table,
    minutes,
    ordinary_tables,
    role_of,
)
from tests.support.stage import Lookout, Nobody, Stage
from vpnmigrate.engine.gate_runner import GateInputs
from vpnmigrate.engine.runner import Runner
from vpnmigrate.journal import RunState, Traffic
from vpnmigrate.journal.records import (
    BaselineTaken,
    DirectionTaken,
    Entry,
    Intended,
    OutageBegan,
    StepBegun,
    StepSettled,
)
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.changes import (
    AskOperator,
    AttachVpnGateway,
    CreateRoute,
    CreateVpnConnection,
    CreateVpnGateway,
    DisablePropagation,
)
from vpnmigrate.model.decisions import Decisions, TestVpc, Waits
from vpnmigrate.model.ec2 import Attachment, RouteRecord
from vpnmigrate.model.errors import (
    ChangeRefusedError,
    DidNotSettleError,
    HeldError,
    InterruptedRunError,
    NotVerifiedError,
    StepError,
)
from vpnmigrate.model.facts import ABSENT, Claim
from vpnmigrate.model.gates import Force, Gate
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.sandbox.behaviour import Behaviour
from vpnmigrate.sandbox.client.direct import DirectClients
from vpnmigrate.sandbox.device_engineer import DeviceEngineer
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults, Killed
from vpnmigrate.steps.s09_restore_routing import RestoreRouting


class HidingTheNew(DirectClients):
    """Clients that are shown no configuration of the new connections."""

    old: ClassVar[bool] = False

    def reader(self):
        hidden_old, shown = self.old, super().reader()

        class Reader:
            def __getattr__(self, name):
                return getattr(shown, name)

            def describe_vpn_connections(self, **params):
                rows = shown.describe_vpn_connections(**params)["VpnConnections"]
                return {"VpnConnections": [self._shown(row) for row in rows]}

            @staticmethod
            def _shown(row):
                hidden = (row["VpnConnectionId"] == OLD_VPN) is hidden_old
                without = {"CustomerGatewayConfiguration"} if hidden else set()
                return {key: value for key, value in row.items() if key not in without}

        return Reader()

    def writer(self):
        return super().reader()


class HidingTheOld(HidingTheNew):
    """Clients that are shown no configuration of the old connection."""

    old = True


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


def held_after(stage, step):
    """Run forward until *step* is done, and hold there."""
    with pytest.raises(HeldError):
        stage.run(lambda runner: runner.apply(until=step))


def interrupt_when(stage, kind, where):
    """Return an observer with which the operator stops the run at the first matching record."""

    def watch(entry):
        if isinstance(entry.record, kind) and where(entry.record):
            stage.signal.reason = "interrupted by the operator"

    return Lookout(watch)


def back_until(stage, kind, where):
    """Roll back, and have the operator stop it at the record that matches *where*."""
    with pytest.raises(InterruptedRunError):
        stage.back(lookout=interrupt_when(stage, kind, where))
    stage.signal.reason = None


def copy_tags(stage, stranger, role):
    """Return a function that copies this migration's tags to another resource."""
    stage.do(
        "CreateTags",
        Resources=[stranger],
        Tags=[
            {"Key": "vpnmigrate:migration", "Value": MIGRATION},
            {"Key": "vpnmigrate:role", "Value": role},
        ],
    )


class TestHolding:
    def test_holding_twice_at_the_same_place_goes_no_further(self, stage):
        """A prepared run holds again when it is applied until the cutover again."""
        held_after(stage, 6)

        with pytest.raises(HeldError, match="cutover has not started"):
            stage.run(lambda runner: runner.apply(until=6))

        assert stage.records(OutageBegan) == []

    def test_slow_work_on_old_tunnels_is_no_failure(self, tmp_path):
        """While traffic flows, old tunnels that are not disabled in time only hold the run."""

        class Slow(DeviceEngineer):
            def ask(self, task):
                late = (
                    isinstance(task, AskOperator)
                    and task.confirmation is Confirmation.OLD_TUNNELS_DISABLED
                )
                return None if late else super().ask(task)

        stage = Stage(tmp_path)

        with pytest.raises(HeldError, match="step 10 needs a person"):
            stage.forward(operator=Slow(stage.world))

        assert stage.state.status is RunStatus.HELD
        assert stage.state.traffic is Traffic.NEW


class TestFalseEnds:
    def test_traffic_that_ceases_before_the_end_is_not_called_done(self, tmp_path):
        """Tunnels that go down while the old ones are being disabled delay the end of step 10."""
        stage = Stage(tmp_path)

        class Clumsy(DeviceEngineer):
            def ask(self, task):
                word = super().ask(task)
                if word is Confirmation.OLD_TUNNELS_DISABLED:
                    _, new = self._connections()
                    for connection in new:
                        stage.world.devices.disable(connection)
                return word

        with pytest.raises(DidNotSettleError, match="something is missing again") as late:
            stage.forward(operator=Clumsy(stage.world))

        assert (late.value.step, late.value.outage) == (10, False)

    def test_an_external_detach_ends_the_step_in_the_outage(self, stage):
        """A gateway taken away in the cutover stops the run, stuck, with the call to make."""
        held_after(stage, 8)
        stage.do("DetachVpnGateway", VpnGatewayId=stage.new_gateway, VpcId=VPC)
        stage.clock.sleep(timedelta(minutes=10))

        with pytest.raises(StepError, match="was detached from vpc-1 outside this run") as blocked:
            stage.forward()

        assert (blocked.value.step, blocked.value.outage) == (9, True)
        assert "aws ec2 attach-vpn-gateway" in blocked.value.advice_text

    def test_each_reason_for_a_retry_has_its_own_limit(self, tmp_path):
        """Minutes of throttling do not use up the time a gateway has to become known."""
        create = "CreateVpnConnection"
        faults = [
            Fault(create, FaultKind.THROTTLE, times=60),
            Fault(create, FaultKind.REFUSED, 61, 4, "InvalidVpnGatewayID.NotFound", "not known"),
        ]
        stage = Stage(tmp_path, faults=Faults(faults))

        assert stage.forward().status is RunStatus.CUT_OVER

    def test_an_answer_in_between_restarts_the_limit(self, tmp_path):
        """Two lost calls with fifteen minutes of refusals between them do not end a run."""
        create = "CreateVpnConnection"
        busy = ("VpnConnectionLimitExceeded", "maximum number of mutating objects")
        faults = [
            Fault(create, FaultKind.TIMED_OUT),
            Fault(create, FaultKind.REFUSED, 2, 100, *busy),
            Fault(create, FaultKind.TIMED_OUT, 102),
        ]
        stage = Stage(tmp_path, faults=Faults(faults))

        assert stage.forward().status is RunStatus.CUT_OVER
        asked = [
            entry.at
            for entry in stage.entries
            if isinstance(entry.record, Intended)
            and isinstance(entry.record.change, CreateVpnConnection)
        ]
        assert asked[-1] - asked[0] > timedelta(minutes=15)


class TestPutOff:
    def test_is_asked_for_again_at_the_pace_of_a_wait(self, tmp_path):
        """Outside the outage, a throttled call is not retried every second."""
        fault = Fault(
            "CreateVpnGateway",
            FaultKind.REFUSED,
            times=5,
            code="VpnGatewayLimitExceeded",
            message="maximum number of mutating objects",
        )
        stage = Stage(tmp_path, faults=Faults([fault]))
        held_after(stage, 2)

        asked = [
            entry.at
            for entry in stage.entries
            if isinstance(entry.record, Intended)
            and isinstance(entry.record.change, CreateVpnGateway)
        ]
        assert len(asked) == 6
        assert all(b - a >= timedelta(seconds=10) for a, b in pairwise(asked))

    def test_a_throttled_claim_is_taken_off_all_the_same(self, stage):
        """A rollback retries removing its claim when AWS is busy."""
        stage.forward()
        stage.faults = Faults([Fault("DeleteTags", FaultKind.THROTTLE, times=3)])

        assert stage.back().status is RunStatus.ROLLED_BACK
        assert stage.observe().value(Claim(OLD)) == ABSENT


class TestConfigurationsNotShown:
    def test_a_new_connection_without_one_holds_the_run(self, tmp_path):
        """Step 4 asks again for minutes, then holds before the devices are configured."""
        stage = Stage(tmp_path, clients_of=HidingTheNew)
        with pytest.raises(HeldError, match="EC2 shows no configuration of vpn-"):
            stage.forward()

        assert stage.state.step == 4
        assert stage.calls.count("ArchiveConfiguration") > 10
        assert Confirmation.DEVICES_CONFIGURED not in stage.state.journal_facts.confirmations

        stage._clients_of = DirectClients
        assert stage.forward().status is RunStatus.CUT_OVER

    def test_an_old_connection_without_one_is_not_deleted_unsaved(self, tmp_path):
        """The gate of the archives fails before finalize, and a person decides."""
        stage = Stage(tmp_path, clients_of=HidingTheOld)
        stage.forward()

        with pytest.raises(HeldError, match=Gate.ARCHIVED):
            stage.run(Runner.finalize)

        assert "DeleteVpnConnection" not in stage.calls
        saved = GateInputs("ann", forces=(Force(Gate.ARCHIVED, "saved by hand"),))
        assert stage.run(Runner.finalize, gate_inputs=saved).status is RunStatus.FINALIZED


class TestOtherHandsAndResuming:
    def test_a_resumed_cutover_is_not_stopped_by_external_changes(self, stage):
        """The resumed run names external changes since step 7, and becomes stable."""
        held_after(stage, 9)
        stage.do("DeleteRoute", RouteTableId=BOTH, DestinationCidrBlock="192.168.0.0/16")
        stage.clock.sleep(timedelta(minutes=5))

        state = stage.forward()

        assert state.status is RunStatus.CUT_OVER

    def test_a_slow_test_is_not_an_external_change(self, tmp_path):
        """Deleting the test VPC is the run's own change, even after a long test."""
        stage = Stage(tmp_path, decisions=Decisions(test_vpc=TestVpc("172.31.0.0/24")))
        engineer = DeviceEngineer(stage.world, reaction=timedelta(minutes=30))

        assert stage.forward(operator=engineer).status is RunStatus.CUT_OVER

    def test_a_gateway_attached_by_a_rollback_leaves_no_outage_open(self, tmp_path):
        """A rollback that has to re-attach the old gateway checks that traffic flows."""
        stage = Stage(tmp_path, behaviour=Behaviour(reattach_restores_propagation=True))
        held_after(stage, 6)
        stage.do("DetachVpnGateway", VpnGatewayId=OLD, VpcId=VPC)
        stage.clock.sleep(timedelta(minutes=5))

        state = stage.back()

        assert state.status is RunStatus.ROLLED_BACK
        assert not state.outage.open
        assert state.traffic is Traffic.OLD

    @pytest.mark.parametrize("back", [False, True])
    @pytest.mark.parametrize("seen", [False, True])
    def test_a_route_deleted_outside_the_run_is_created_again(self, stage, *, back, seen):
        """A deleted route is created again at once, in either direction, and named.

        EC2's refusal to replace it is enough, while a describe still lists it.
        """
        if back:
            stage.forward()
            stage.clock.sleep(timedelta(minutes=5))
        else:
            held_after(stage, 7)
        if not seen:
            lagging = ("DescribeRouteTables",)
            stage = stage.branch(behaviour=Behaviour(read_lag=minutes(2), lagging=lagging))
        stage.do("DeleteRoute", RouteTableId=BOTH, DestinationCidrBlock="192.168.0.0/16")
        stage.clock.sleep(timedelta(minutes=5 if seen else 0))
        before = len(stage.intended)

        state = stage.back() if back else stage.forward()

        to = OLD if back else stage.new_gateway
        now = stage.observe()
        assert now.route(BOTH, "192.168.0.0/16") == to
        assert "192.168.0.0/16" in now.active_routes(BOTH)
        assert CreateRoute(BOTH, "192.168.0.0/16", to) in stage.intended[before:]
        assert state.deviations.lost == ()
        [named] = state.deviations.external_changes
        assert named == (
            "the route 192.168.0.0/16 in rtb-both was deleted outside this run; it is created again"
        )

    def test_a_route_that_was_a_black_hole_before_is_not_waited_for(self, tmp_path):
        """A route that carried no traffic before the migration delays neither direction."""
        dead = RouteRecord("10.9.0.0/16", OLD, state="blackhole")
        both, main = ordinary_tables()
        tables = (replace(both, routes=(*both.routes, dead)), main)
        stage = Stage(tmp_path, a_survey(route_tables=tables))

        def quickly(move: Callable[[], RunState]) -> RunState:
            began = stage.clock.now()
            state = move()
            assert stage.clock.now() - began < RestoreRouting.limit
            return state

        migrated, rolled_back = quickly(stage.forward), quickly(stage.back)

        assert (migrated.status, migrated.traffic) == (RunStatus.CUT_OVER, Traffic.NEW)
        assert (rolled_back.status, rolled_back.traffic) == (RunStatus.ROLLED_BACK, Traffic.OLD)
        assert stage.observe().route(BOTH, "10.9.0.0/16") == OLD
        assert "10.9.0.0/16" not in stage.observe().active_routes(BOTH)

    def test_a_route_deleted_once_more_stays_deleted(self, stage):
        """The run does not compete with others: a route that it has restored is left and named."""
        stage.forward()
        stage.clock.sleep(timedelta(minutes=5))

        def delete(entry: Entry) -> None:
            back = stage.journal.entries and any(
                e.record == DirectionTaken(Direction.ROLLBACK, 1) for e in stage.journal.entries
            )
            if back and entry.record == StepSettled(9):
                stage.do("DeleteRoute", RouteTableId=BOTH, DestinationCidrBlock="192.168.0.0/16")

        state = stage.back(lookout=Lookout(delete))

        assert state.status is RunStatus.ROLLED_BACK
        assert any("192.168.0.0/16" in line for line in state.deviations.lost)

    def test_a_route_of_others_to_the_gateway_that_left_is_named(self, stage):
        """A static route to the leaving gateway that is not in the plan is named as a blackhole."""
        stage.forward()
        stage.do(
            "CreateRoute",
            RouteTableId=MAIN,
            DestinationCidrBlock="10.9.0.0/16",
            GatewayId=stage.new_gateway,
        )
        stage.clock.sleep(timedelta(minutes=5))

        state = stage.back()

        assert any("10.9.0.0/16" in line for line in state.deviations.lost)

    def test_a_setting_that_outlived_a_detach_is_switched_on_again(self, stage):
        """Propagation that is listed without effect after an external detach works again.

        The external detach is named, and the run does not wait for routes until step 10's limit.
        """
        held_after(stage, 6)
        stage.do("DetachVpnGateway", VpnGatewayId=OLD, VpcId=VPC)
        stage.clock.sleep(timedelta(minutes=5))
        began = stage.clock.now()

        state = stage.back()

        assert state.status is RunStatus.ROLLED_BACK
        assert (
            f"{OLD} was detached from {VPC} outside this run; it is attached again"
            in state.deviations.external_changes
        )
        assert stage.clock.now() - began < timedelta(minutes=10)
        assert stage.differences() == ()

    def test_a_route_to_a_new_gateway_that_others_deleted_is_brought_back(self, stage):
        """Routes that this run changed are still its own to change, and all is as before."""
        engineer = DeviceEngineer(stage.world)
        stage.forward(operator=engineer)
        new, connection = stage.new_gateway, stage.observe().ours[role_of(OLD_VPN)]
        stage.do("DetachVpnGateway", VpnGatewayId=new, VpcId=VPC)
        stage.clock.sleep(timedelta(minutes=10))
        stage.do("DeleteVpnConnection", VpnConnectionId=connection)
        stage.clock.sleep(timedelta(minutes=10))
        stage.do("DeleteVpnGateway", VpnGatewayId=new)
        stage.clock.sleep(timedelta(minutes=10))

        state = stage.back(operator=engineer)

        assert (state.status, state.deviations.lost) == (RunStatus.ROLLED_BACK, ())
        assert stage.differences() == ()

    def test_external_propagation_is_named_when_it_is_disabled(self, tmp_path):
        """A rollback disables external propagation of the leaving gateway, and names it."""
        spare = a_table("rtb-spare")
        stage = Stage(tmp_path, a_survey(route_tables=(*ordinary_tables(), spare)))
        stage.forward()
        stage.do("EnableVgwRoutePropagation", RouteTableId="rtb-spare", GatewayId=stage.new_gateway)
        stage.clock.sleep(timedelta(minutes=5))

        state = stage.back()

        assert state.status is RunStatus.ROLLED_BACK
        assert any("rtb-spare" in call for call in state.deviations.external_changes)


class TestTwins:
    def test_a_rollback_deletes_no_gateway_that_carries_copied_tags(self, stage):
        """A foreign gateway with this run's tags is not deleted by a rollback."""
        stage.forward()
        answer = stage.do("CreateVpnGateway", Type="ipsec.1")
        stranger = answer["VpnGateway"]["VpnGatewayId"]
        copy_tags(stage, stranger, "gateway")
        stage.clock.sleep(timedelta(minutes=5))

        state = stage.back()

        assert stage.observe().state(stranger) == "available"
        assert any(stranger in line for line in state.deviations.external_changes)
        assert state.deviations.differs == ()
        assert state.status is RunStatus.ROLLED_BACK

    def test_a_rollback_deletes_no_connection_that_carries_copied_tags(self, stage):
        """A foreign connection with this run's tags is not deleted by a rollback."""
        stage.forward()
        device = stage.do(
            "CreateCustomerGateway", Type="ipsec.1", BgpAsn=65020, IpAddress="203.0.113.77"
        )
        answer = stage.do(
            "CreateVpnConnection",
            Type="ipsec.1",
            VpnGatewayId=OLD,
            CustomerGatewayId=device["CustomerGateway"]["CustomerGatewayId"],
        )
        stranger = answer["VpnConnection"]["VpnConnectionId"]
        copy_tags(stage, stranger, f"connection/{OLD_VPN}")
        stage.clock.sleep(timedelta(minutes=10))

        state = stage.back()

        assert stage.observe().state(stranger) == "available"
        assert any(stranger in line for line in state.deviations.external_changes)

    def test_a_copied_tag_does_not_change_which_gateway_is_detached(self, stage):
        """A resource in the journal is the run's own, even if others have its tags."""
        stage.forward()
        new = stage.new_gateway
        foreign = [
            stage.do("CreateVpnGateway", Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
            for _ in range(3)
        ]
        for each in foreign:
            copy_tags(stage, each, "gateway")
        stage.clock.sleep(timedelta(minutes=5))

        stage.back()

        assert stage.observe().attachment(OLD, VPC) is Attachment.ATTACHED
        assert stage.observe().state(new) == "absent"


class TestTurningRound:
    def test_forward_again_in_the_middle_of_a_rollback_builds_no_test_vpc(self, tmp_path):
        """Once the cutover is open, steps 2 to 6 are not repeated in either direction."""
        stage = Stage(tmp_path, decisions=Decisions(test_vpc=TestVpc("172.31.0.0/24")))
        stage.forward()
        before = len(stage.intended)
        back_until(stage, Intended, lambda r: isinstance(r.change, DisablePropagation))

        state = stage.forward()

        assert state.status is RunStatus.CUT_OVER
        asked = [c.confirmation for c in stage.intended[before:] if isinstance(c, AskOperator)]
        assert Confirmation.DEVICES_CONFIGURED not in asked
        assert Confirmation.TEST_PASSED not in asked
        elsewhere = [
            c for c in stage.intended[before:] if isinstance(c, AttachVpnGateway) and c.vpc != VPC
        ]
        assert elsewhere == []

    def test_forward_again_in_a_rollbacks_clean_up_is_a_new_cutover(self, stage):
        """After a rollback, another attempt creates everything and passes the gates again."""
        stage.forward()
        back_until(stage, StepBegun, lambda r: r.cleaning and r.number == 2)

        state = stage.forward()

        assert state.status is RunStatus.CUT_OVER
        assert len(stage.records(BaselineTaken)) == 2

    def test_a_rollback_resumed_with_keep_new_keeps_it(self, stage):
        """The last command counts: --keep-new on resuming keeps what still exists."""
        stage.forward()
        new = stage.new_gateway
        back_until(stage, Intended, lambda r: isinstance(r.change, DisablePropagation))

        stage.run(lambda runner: runner.rollback(keep_new=True))

        assert stage.new_gateway == new


class TestNothingToGoBackTo:
    def test_a_rollback_does_not_cut_traffic_for_a_side_without_connections(self, stage):
        """With every old connection deleted a rollback stops before it interrupts traffic."""
        stage.forward()
        stage.do("DeleteVpnConnection", VpnConnectionId=OLD_VPN)
        stage.clock.sleep(timedelta(minutes=10))

        with pytest.raises(StepError, match=OLD_VPN):
            stage.back(journal_lost=True, holder="bob@spare", takes_over_from="ann@desk")

        now = stage.observe()
        assert now.attachment(stage.new_gateway, VPC) is Attachment.ATTACHED
        assert now.propagates(MAIN, stage.new_gateway) == "on"

    def test_a_rollback_does_not_cut_traffic_for_a_gateway_that_is_elsewhere(self, stage):
        """With the old gateway on another VPC a rollback stops before it interrupts traffic."""
        stage.forward()
        other = stage.do("CreateVpc", CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
        stage.clock.sleep(timedelta(minutes=5))
        stage.do("AttachVpnGateway", VpnGatewayId=OLD, VpcId=other)
        stage.clock.sleep(timedelta(minutes=5))

        with pytest.raises(StepError, match=other) as blocked:
            stage.back()

        assert (blocked.value.step, blocked.value.outage) == (7, False)
        assert blocked.value.advice_text.startswith("correct that, then try again; ")
        assert stage.observe().propagates(MAIN, stage.new_gateway) == "on"

    def test_one_old_connection_that_is_gone_does_not_stop_a_rollback(self, tmp_path):
        """A deleted old connection is named; the others carry the traffic."""
        stage = Stage(
            tmp_path,
            a_survey(
                connections=(
                    a_connection("vpn-a", customer_gateway="cgw-1"),
                    a_connection(OLD_VPN, customer_gateway="cgw-22"),
                ),
                customer_gateways=(a_customer_gateway(), a_customer_gateway("cgw-22", asn=65010)),
            ),
        )
        stage.forward()
        stage.do("DeleteVpnConnection", VpnConnectionId="vpn-a")
        stage.clock.sleep(timedelta(minutes=10))

        state = stage.back()

        assert state.status is RunStatus.ROLLED_BACK
        assert any("vpn-a" in line for line in state.deviations.lost)


def test_a_migration_after_an_unfinished_rollback_prepares_nothing_again(stage):
    """Once the cutover has started steps 2 to 6 are not repeated, even in another attempt."""
    held_after(stage, 8)
    stage.faults = Faults([Fault("DetachVpnGateway", FaultKind.KILL_BEFORE)])
    with pytest.raises(Killed):
        stage.back()
    stage.faults = None
    known = len(stage.records(StepBegun))

    state = stage.forward()

    assert (state.status, state.attempt) == (RunStatus.CUT_OVER, 2)
    begun = [step.number for step in stage.records(StepBegun)[known:]]
    assert begun == [1, 7, 8, 9, 10]


def test_a_successor_that_others_deleted_at_the_end_is_named_by_its_own_id(stage):
    """A deleted resource has no tags; the journal has its id."""
    made: list[str] = []

    def delete(entry: Entry) -> None:
        if isinstance(entry.record, StepSettled) and entry.record.number == 10:
            made.append(stage.observe().ours[role_of(OLD_VPN)])
            stage.do("DeleteVpnConnection", VpnConnectionId=made[0])
            stage.clock.sleep(timedelta(minutes=10))

    state = stage.forward(lookout=Lookout(delete))

    named = f"found at the end of the run: {made[0]}, the successor of {OLD_VPN}, is gone"
    assert named in state.deviations.external_changes


def test_what_others_changed_on_the_old_side_is_named_at_the_end(stage):
    """The old side, which a rollback needs, must be as planned except for the attachment.

    The detached gateway and the settings that named it are this run's changes, and not reported.
    """

    def meddle(entry: Entry) -> None:
        if isinstance(entry.record, StepSettled) and entry.record.number == 10:
            for subject in (OLD, OLD_VPN):
                stage.do("CreateTags", Resources=[subject], Tags=[{"Key": "Owner", "Value": "bob"}])

    state = stage.forward(lookout=Lookout(meddle))

    prefix = "found at the end of the run"
    assert state.deviations.external_changes == (
        f"{prefix}: {OLD}: tag Owner (bob) is new",
        f"{prefix}: {OLD_VPN}: tag Owner (bob) is new",
    )


class TestRetiring:
    def test_an_old_side_that_is_in_use_again_is_not_deleted(self, stage):
        """A run that another host has rolled back is not finalized by this one's journal."""
        stage.forward()
        mine = stage.entries
        stage.run(
            lambda runner: runner.rollback(keep_new=True),
            journal_lost=True,
            holder="bob@spare",
            takes_over_from="ann@desk",
        )
        stage.entries = mine
        stage.clock.sleep(timedelta(minutes=5))

        with pytest.raises(NotVerifiedError, match="is detached"):
            stage.run(lambda runner: runner.finalize())

        assert stage.observe().state(OLD_VPN) == "available"

    def test_killed_while_the_old_gateway_goes_it_can_be_finished(self, stage):
        """A finalize that died after its last deletion is finished when it is resumed."""
        stage.forward()
        stage.faults = Faults([Fault("DeleteVpnGateway", FaultKind.KILL_AFTER)])
        with pytest.raises(Killed):
            stage.run(lambda runner: runner.finalize(delete_old_gateway=True))
        stage.faults = None
        stage.clock.sleep(timedelta(hours=2))

        state = stage.run(lambda runner: runner.finalize(delete_old_gateway=True))

        assert state.status is RunStatus.FINALIZED


class TestOutageAccounting:
    def test_a_first_call_that_is_refused_interrupts_nothing(self, tmp_path):
        """If AWS refuses the first calls of the cutover, traffic flows as before."""
        faults = Faults([Fault("DisableVgwRoutePropagation", FaultKind.DENIED, times=0)])
        stage = Stage(tmp_path, faults=faults)

        with pytest.raises(ChangeRefusedError) as refused:
            stage.forward()

        assert not refused.value.outage
        assert not stage.state.outage.open
        assert stage.state.traffic is Traffic.OLD


class TestWithoutJournal:
    def test_what_flowed_before_is_asked_for_again(self, stage):
        """A take-over after step 7 does not use the outage as its baseline."""
        held_after(stage, 7)

        stage.forward(journal_lost=True, holder="bob@spare", takes_over_from="ann@desk")

        assert all(b.propagated.get(MAIN) for b in stage.records(BaselineTaken))

    def test_a_run_is_not_held_while_traffic_may_be_down(self, tmp_path):
        """A take-over in the outage observes tunnels without an operator at the prompt."""
        stage = Stage(tmp_path, decisions=Decisions(waits=Waits(tunnels=timedelta(minutes=5))))
        held_after(stage, 9)

        with pytest.raises(StepError):
            stage.forward(
                operator=Nobody(),
                journal_lost=True,
                adopt=tuple(stage.observe().ours.values()),
                holder="bob@spare",
                takes_over_from="ann@desk",
            )


class TestClaims:
    @pytest.mark.parametrize("kind", [FaultKind.DENIED, FaultKind.THROTTLE])
    def test_a_rollback_does_not_fail_without_its_claim_tag(self, stage, kind):
        """A claim that cannot be placed is recorded, and the rollback continues without it."""
        stage.forward()
        stage.faults = Faults([Fault("CreateTags", kind, times=0)])

        state = stage.back(holder="bob@spare", takes_over_from="ann@desk")

        assert state.status is RunStatus.ROLLED_BACK

    def test_a_claim_set_by_a_lost_answer_is_removed(self, stage):
        """A claim whose placing failed may exist, so it is removed at the end."""
        stage.faults = Faults([Fault("CreateTags", FaultKind.KILL_BEFORE)])
        with pytest.raises(Killed):
            stage.forward()
        stage.faults = Faults([Fault("CreateTags", FaultKind.SERVER_ERROR_AFTER)])

        state = stage.back()

        assert any("AWS did not set the claim" in note for note in state.notes)
        assert state.status is RunStatus.ROLLED_BACK
        assert stage.observe().value(Claim(OLD)) == ABSENT


class TestNextCommand:
    def test_an_interrupted_rollback_advises_rollback(self, stage):
        """The command to paste after an interruption resumes in the same direction."""
        stage.forward()
        stage.signal.reason = "interrupted by the operator"

        with pytest.raises(InterruptedRunError) as stopped:
            stage.run(lambda runner: runner.rollback(keep_new=True))

        assert stopped.value.advice_text == f"vpnmigrate rollback {MIGRATION} --keep-new"
