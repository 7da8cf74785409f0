"""Residue: a refused change of one table is left out, and the rest goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from tests.support.builders import (
    BOTH,
    MAIN,
    NOON,
    OLD,
    OLD_VPN,
    a_connection,
    a_customer_gateway,
    a_survey,
    a_table,
    minutes,
    ordinary_tables,
)
from tests.support.parts import a_context
from tests.support.stage import Lookout, Nobody, Stage, names
from vpnmigrate.engine.call_limits import DirectCalls
from vpnmigrate.engine.observe import StateReader
from vpnmigrate.engine.recorder import RunRecorder
from vpnmigrate.engine.residue import ResidueControl
from vpnmigrate.engine.retries import PERSISTENT
from vpnmigrate.engine.runner import Runner
from vpnmigrate.journal import Traffic, next_command
from vpnmigrate.journal.exit_code import exit_code, exit_code_of_run
from vpnmigrate.journal.memory import MemoryJournal
from vpnmigrate.journal.records import (
    DirectionTaken,
    Entry,
    OutageEnded,
    ResidueLeft,
    StepBegun,
    TrafficVerified,
)
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.changes import (
    DeleteVpnConnection,
    DeleteVpnGateway,
    OperatorTask,
    RemoveClaim,
    RunTest,
)
from vpnmigrate.model.decisions import Decisions, OldTunnels, TestVpc, Waits
from vpnmigrate.model.ec2 import Attachment, ResourceState, RouteTableId, VpnGatewayId
from vpnmigrate.model.errors import (
    ChangeRefusedError,
    Exit,
    HeldError,
    IncompleteRemovalError,
    ResidueError,
    StepError,
)
from vpnmigrate.model.facts import ABSENT, Archive, Claim, Existence, Goal, RouteTarget, Switch
from vpnmigrate.model.plan import GATEWAY_ROLE, LAST_OF_PREPARE, Direction
from vpnmigrate.model.residue import ResidualChange
from vpnmigrate.model.snapshot import Confirmation, GatewaySwap, JournalFacts
from vpnmigrate.model.survey import Survey
from vpnmigrate.sandbox.behaviour import Behaviour, Span
from vpnmigrate.sandbox.device_engineer import DeviceEngineer
from vpnmigrate.sandbox.ec2.ids import ApiError
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults
from vpnmigrate.steps.base import Residual, StepInput
from vpnmigrate.steps.s02_create_gateway import RemoveGateway
from vpnmigrate.steps.s08_swap_gateways import SwapGateways
from vpnmigrate.steps.s09_restore_routing import RestoreRouting
from vpnmigrate.steps.s11_delete_old_connections import DeleteOldConnections, DeleteOldGateway

ROUTE = "192.168.0.0/16"
PENDING = "This call cannot be completed because there are pending VPNs or Virtual Interfaces"
DENIED = ("UnauthorizedOperation", "You are not authorized to perform this operation")

LATE = PERSISTENT + 8
"""Number of the refused call, of one each ten seconds, that EC2 carries out after all."""
NOT_THE_SECOND = frozenset({1, *range(3, 9999)})
"""Numbers of the calls that are refused, if that for the second of two connections is not."""
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass
class Deny:
    """Refuses *action* for the calls whose numbers are in *only* (all if empty)."""

    action: str
    only: frozenset[int] = frozenset()
    code: str = DENIED[0]
    message: str = DENIED[1]
    status: int = 403
    seen: int = field(default=0)

    def before(self, service: str, action: str, nth: int) -> None:
        if action == self.action:
            self.seen += 1
            if not self.only or self.seen in self.only:
                raise ApiError(self.code, self.message, self.status)

    def after(self, service: str, action: str, nth: int) -> None:
        pass


@dataclass
class ByHand:
    """Refuses the calls that *refuses* does; a person makes the change at the first *due* one."""

    stage: Stage
    refuses: Deny
    due: Callable[[], bool]
    make: Callable[[], object]
    done: datetime = field(default=NEVER)

    def before(self, service: str, action: str, nth: int) -> None:
        try:
            self.refuses.before(service, action, nth)
        except ApiError:
            if self.done is NEVER and self.due():
                self.done = self.stage.clock.now()
                self.make()
            raise

    def after(self, service: str, action: str, nth: int) -> None:
        pass


@dataclass
class DenyAtFirst:
    """Refuses *action* until a time after the first call has passed, with a code of no rule."""

    stage: Stage
    action: str
    passes: timedelta
    first: datetime = field(default=NEVER)

    def before(self, service: str, action: str, nth: int) -> None:
        if action == self.action:
            now = self.stage.clock.now()
            self.first = min(self.first, now)
            if now - self.first < self.passes:
                raise ApiError("SomethingNew", "Not now", 400)

    def after(self, service: str, action: str, nth: int) -> None:
        pass


def migrated(tmp_path, **how) -> Stage:
    stage = Stage(tmp_path, **how)
    stage.forward()
    stage.clock.sleep(minutes(10))
    return stage


def two_connections() -> Survey:
    """Return a survey with two connections to the same gateway."""
    others = (a_connection("vpn-other", customer_gateway="cgw-2"),)
    return a_survey(
        connections=(a_connection(), *others),
        customer_gateways=(a_customer_gateway(), a_customer_gateway("cgw-2", asn=65001)),
    )


def staged(runner: Runner) -> None:
    """Do steps 1 to 6, and hold."""
    with pytest.raises(HeldError):
        runner.apply(until=LAST_OF_PREPARE)


def retired(runner: Runner) -> None:
    """Finalize, the old gateway included."""
    runner.finalize(delete_old_gateway=True)


class NoTester(DeviceEngineer):
    """An engineer who does everything but the test in the test VPC, at once."""

    patient = Nobody.patient

    def ask(self, task: OperatorTask) -> Confirmation | None:
        tests = isinstance(task, RunTest) or task.confirmation is Confirmation.TEST_PASSED
        return None if tests else super().ask(task)


def unclear(action: str) -> Deny:
    """Answer all calls of *action* but the first with status 503."""
    return Deny(action, frozenset(range(2, 9999)), "ServiceUnavailable", "Try later", 503)


def enabled_unclearly(tmp_path, delay: timedelta) -> Stage:
    """Return a stage in which each answer about propagation of one table has status 503.

    EC2 carries out a late call, after the run continues without it; routes follow *delay* later.
    """
    action = "EnableVgwRoutePropagation"
    stage = Stage(tmp_path, behaviour=Behaviour(propagation_delay=delay))
    deny = unclear(action)

    def enable() -> None:
        gateway = stage.new_gateway
        tables = stage.plain.observe(stage.plan).tables
        for table in {BOTH, MAIN} - {t.id for t in tables if gateway in t.propagating}:
            stage.do(action, RouteTableId=table, GatewayId=gateway)

    stage.faults = ByHand(stage, deny, due=lambda: deny.seen > LATE, make=enable)
    return stage


def failing(stage: Stage, move) -> ResidueError:
    with pytest.raises(ResidueError) as caught:
        stage.run(move)
    return caught.value


class TestRollback:
    def test_a_refused_route_costs_its_destination_alone(self, tmp_path):
        """One denied ReplaceRoute leaves the other tables, the swap and the devices to go on."""
        stage = migrated(tmp_path)
        stage.faults = Deny("ReplaceRoute")
        began = stage.clock.now()

        error = failing(stage, Runner.rollback)

        state, now = stage.state, stage.observe()
        assert stage.clock.now() - began < minutes(25)
        assert {t.id for t in now.tables.values() if OLD in t.propagating} == {BOTH, MAIN}
        assert now.tables[MAIN].propagated_from(OLD)
        assert "tunnels-returned" in state.journal_facts.confirmations
        assert [str(each.change) for each in state.residue.changes] == [
            f"change route {ROUTE} in {BOTH} to {OLD}"
        ]
        assert DENIED[0] in state.residue.changes[0].why
        assert [ROUTE in each for each in state.residue.unreached] == [True]
        assert state.traffic is Traffic.OLD
        assert state.outage.open
        assert (state.status, error.outage) == (RunStatus.STUCK, True)
        assert exit_code(error, state) is exit_code_of_run(state, stage.entries) is Exit.STUCK
        assert "DeleteVpnGateway" not in stage.calls

    def test_the_same_command_finishes_once_the_cause_is_gone(self, tmp_path):
        """The next rollback makes what was left, ends the outage, and cleans up."""
        stage = migrated(tmp_path)
        stage.faults = Deny("ReplaceRoute")
        failing(stage, Runner.rollback)
        stage.faults = None

        state = stage.back()

        assert state.status is RunStatus.ROLLED_BACK
        assert not state.outage.open
        assert (state.residue.changes, state.residue.unreached) == ((), ())
        assert stage.differences() == ()

    def test_a_route_set_by_hand_is_no_residue_any_more(self, tmp_path):
        """A person who makes the change with the AWS CLI has it accepted."""
        stage = migrated(tmp_path)
        stage.faults = Deny("ReplaceRoute")
        failing(stage, Runner.rollback)
        [left] = stage.state.residue.changes
        request = left.change.request(None)  # type: ignore[union-attr,arg-type]
        stage.do(request.operation, **request.parameters)

        assert stage.back().status is RunStatus.ROLLED_BACK

    def test_refused_propagation_of_one_table(self, tmp_path):
        """One denied EnableVgwRoutePropagation leaves that table's destinations alone."""
        stage = migrated(tmp_path)
        stage.faults = Deny("EnableVgwRoutePropagation", NOT_THE_SECOND)

        failing(stage, Runner.rollback)

        now = stage.observe()
        assert sum(OLD in table.propagating for table in now.tables.values()) == 1
        assert now.route(BOTH, ROUTE) == OLD
        assert len(stage.state.residue.unreached) == 1

    def test_refused_end_of_propagation_of_one_table(self, tmp_path):
        """Propagation from the new gateway that cannot be disabled does not stop the swap."""
        stage = migrated(tmp_path)
        stage.faults = Deny("DisableVgwRoutePropagation", NOT_THE_SECOND)

        error = failing(stage, Runner.rollback)

        assert not stage.state.outage.open
        assert stage.state.traffic is Traffic.OLD
        assert exit_code(error, stage.state) is Exit.STUCK
        assert len(stage.state.residue.changes) == 1
        stage.faults = None
        assert stage.back().status is RunStatus.ROLLED_BACK

    def test_refusals_of_all_first_calls_interrupt_nothing(self, tmp_path):
        """If AWS refuses every call of step 7, a rollback of working traffic ends there."""
        stage = migrated(tmp_path)
        stage.faults = Deny("DisableVgwRoutePropagation")

        with pytest.raises(ChangeRefusedError) as caught:
            stage.back()

        assert not caught.value.outage
        assert stage.state.traffic is Traffic.NEW

    def test_first_calls_that_are_refused_until_the_limit_interrupt_nothing(self, tmp_path):
        """A refusal of every call of step 7 that may pass keeps the working gateway attached."""
        stage = migrated(tmp_path)
        attached = stage.new_gateway
        stage.faults = Deny("DisableVgwRoutePropagation", code="IncorrectState", message=PENDING)

        with pytest.raises(StepError) as caught:
            stage.back()

        state, now = stage.state, stage.observe()
        assert (caught.value.outage, state.outage.open) == (False, False)
        assert (state.traffic, state.residue.changes) == (Traffic.NEW, ())
        assert now.attachment(attached, stage.plan.vpc) is Attachment.ATTACHED
        assert all(attached in now.tables[each].propagating for each in (BOTH, MAIN))

    def test_an_edge_table_whose_association_cannot_be_ended(self, tmp_path):
        """What depends on a change left out is left out with it, and listed after it."""
        stage = migrated(
            tmp_path,
            before=a_survey(route_tables=(*ordinary_tables(), a_table("rtb-edge", edge_of=OLD))),
            behaviour=Behaviour(edge_association_survives_detach=True),
        )
        stage.faults = Deny("DisassociateRouteTable")

        failing(stage, Runner.rollback)

        assert [type(each.change).__name__ for each in stage.state.residue.changes] == [
            "DisassociateEdge",
            "AssociateEdge",
        ]
        stage.faults = None
        assert stage.back().status is RunStatus.ROLLED_BACK

    def test_what_follows_an_isolated_change_is_made_as_well(self, tmp_path):
        """Once the change left out is made, step 10 makes the change that needs it."""
        stage = migrated(
            tmp_path,
            before=a_survey(route_tables=(*ordinary_tables(), a_table("rtb-edge", edge_of=OLD))),
            behaviour=Behaviour(edge_association_survives_detach=True),
        )
        stage.faults = Deny("DisassociateRouteTable", frozenset({1, 2}))

        assert stage.back().status is RunStatus.ROLLED_BACK
        assert stage.differences() == ()

    def test_a_deleted_route_that_cannot_be_created(self, tmp_path):
        """A denied CreateRoute is residue, like a denied ReplaceRoute."""
        stage = migrated(tmp_path)
        stage.do("DeleteRoute", RouteTableId=BOTH, DestinationCidrBlock=ROUTE)
        stage.clock.sleep(minutes(5))
        stage.faults = Deny("CreateRoute")

        failing(stage, Runner.rollback)

        assert [type(each.change).__name__ for each in stage.state.residue.changes] == [
            "CreateRoute"
        ]

    def test_a_refusal_of_the_swap_ends_the_rollback(self, tmp_path):
        """Without the swap nothing else is possible: the run stops as before."""
        stage = migrated(tmp_path)
        stage.faults = Deny("DetachVpnGateway")

        with pytest.raises(ChangeRefusedError):
            stage.back()

        assert stage.state.step == 8


class TestForward:
    def test_the_rest_of_a_cutover_goes_on(self, tmp_path):
        """A denied ReplaceRoute leaves one destination down, and everything else migrated."""
        stage = Stage(tmp_path, decisions=Decisions(old_tunnels=OldTunnels.DISABLE))
        stage.faults = Deny("ReplaceRoute")

        error = failing(stage, Runner.apply)

        state = stage.state
        assert state.traffic is Traffic.NEW
        assert exit_code(error, state) is Exit.STUCK
        assert len(state.residue.unreached) == 1
        assert len(stage.records(TrafficVerified)) == 1
        assert stage.records(OutageEnded) == []
        assert "old-tunnels-disabled" not in state.journal_facts.confirmations
        stage.faults = None
        assert stage.forward().status is RunStatus.CUT_OVER
        assert not stage.state.outage.open
        assert "old-tunnels-disabled" in stage.state.journal_facts.confirmations

    def test_a_refusal_that_passes_in_time_leaves_nothing(self, tmp_path):
        """A change left out is sent again while step 10 waits, and then counts as the others."""
        stage = Stage(tmp_path)
        stage.faults = Deny("ReplaceRoute", frozenset({1}))

        state = stage.forward()

        assert state.status is RunStatus.CUT_OVER
        assert not state.outage.open
        assert state.residue.changes == ()
        assert stage.records(ResidueLeft)[0].changes != ()
        assert stage.records(ResidueLeft)[-1] == ResidueLeft()

    def test_a_refusal_of_unknown_meaning_delays_the_devices_by_seconds(self, tmp_path):
        """A code that no rule knows is set aside after a few tries, and retried for 15 minutes."""
        stage = Stage(tmp_path)
        stage.faults = Deny("ReplaceRoute", code="SomethingNew", message="Not now")

        failing(stage, Runner.apply)

        at = {type(e.record): e.at for e in reversed(stage.entries)}
        moments = [e.at for e in stage.entries if e.record == StepBegun(10, "Switch the tunnels")]
        assert moments[0] - at[ResidueLeft] < minutes(1)
        assert stage.entries[-1].at - at[ResidueLeft] >= RestoreRouting.limit
        assert "SomethingNew" in stage.state.residue.changes[0].why

    def test_a_refusal_that_passes_after_minutes_leaves_nothing(self, tmp_path):
        """A run does not end while a change that was not refused definitely may still be made."""
        stage = Stage(tmp_path)
        stage.faults = Deny(
            "ReplaceRoute", frozenset(range(1, 60)), code="SomethingNew", message="Not now"
        )

        assert stage.forward().status is RunStatus.CUT_OVER
        assert not stage.state.outage.open

    @pytest.mark.parametrize("refused", ["DetachVpnGateway", "AttachVpnGateway"])
    def test_what_is_accepted_just_before_the_limit_has_time_to_take_effect(
        self, refused, tmp_path
    ):
        """No run ends with traffic down seconds after AWS began what the step waits for."""
        slow = Span(minutes(4), minutes(5))
        stage = Stage(tmp_path, behaviour=Behaviour(detach=slow, attach=slow))
        passes = SwapGateways.limit - minutes(5) if refused == "AttachVpnGateway" else minutes(44)
        stage.faults = late = DenyAtFirst(stage, refused, passes)

        assert stage.forward().status is RunStatus.CUT_OVER
        assert stage.clock.now() - late.first > SwapGateways.limit

    def test_a_destination_restored_late_is_as_stable_as_the_others(self, tmp_path):
        """The outage ends when the last destination has its path, after a soak time of its own."""
        stage = Stage(tmp_path, decisions=Decisions(waits=Waits(soak=minutes(3))))
        target = {"RouteTableId": BOTH, "DestinationCidrBlock": ROUTE}
        stage.faults = by_hand = ByHand(
            stage,
            Deny("ReplaceRoute", code="SomethingNew", message="Not now"),
            due=lambda: stage.clock.now() >= NOON + minutes(20),
            make=lambda: stage.do("ReplaceRoute", GatewayId=stage.new_gateway, **target),
        )

        assert stage.forward().status is RunStatus.CUT_OVER

        [ended] = stage.records(OutageEnded)
        assert by_hand.done <= ended.at <= by_hand.done + timedelta(seconds=15)
        assert stage.records(TrafficVerified)[0].since < by_hand.done
        assert stage.entries[-1].at >= ended.at + minutes(3)

    def test_the_last_try_is_made_before_the_end(self, tmp_path):
        """A change that AWS would make when traffic is stable is made before the run ends."""
        stage = Stage(tmp_path)
        deny = Deny("ReplaceRoute")
        stage.faults = deny
        failing(stage, Runner.apply)
        other = Stage(tmp_path)
        other.faults = Deny("ReplaceRoute", frozenset(range(1, deny.seen)))

        assert other.forward().status is RunStatus.CUT_OVER

    @pytest.mark.parametrize("move", [Runner.apply, Runner.rollback], ids=["on", "back"])
    def test_propagation_enabled_by_hand_is_no_residue_any_more(self, move, tmp_path):
        """The printed command suffices, even if the run itself may never make the call."""
        stage = Stage(tmp_path) if move is Runner.apply else migrated(tmp_path)
        one, all_later = NOT_THE_SECOND, Deny("EnableVgwRoutePropagation")
        stage.faults = Deny("EnableVgwRoutePropagation", one)
        failing(stage, move)
        [left] = stage.state.residue.changes
        request = left.change.request(None)  # type: ignore[union-attr,arg-type]
        stage.do(request.operation, **request.parameters)
        stage.clock.sleep(minutes(1))
        stage.faults = all_later

        state = stage.run(move)

        assert state.status in (RunStatus.CUT_OVER, RunStatus.ROLLED_BACK)
        assert (state.residue.changes, state.outage.open) == ((), False)

    def test_propagation_enabled_by_hand_where_no_route_is_learned(self, tmp_path):
        """The printed command suffices in a table that shows no effect, and the run says so."""
        before = a_survey(
            connections=(a_connection(prefixes=()),),
            route_tables=(
                a_table(BOTH, propagates=OLD, static={ROUTE: OLD}),
                a_table(MAIN, main=True, propagates=OLD),
            ),
        )
        stage = Stage(tmp_path, before)
        stage.faults = Deny("EnableVgwRoutePropagation")
        failing(stage, Runner.apply)
        assert len(stage.state.residue.changes) == 2
        assert not stage.state.outage.open
        for left in stage.state.residue.changes:
            request = left.change.request(None)  # type: ignore[union-attr,arg-type]
            stage.do(request.operation, **request.parameters)
        stage.clock.sleep(minutes(1))

        state = stage.forward()

        assert (state.status, state.residue.changes) == (RunStatus.CUT_OVER, ())
        assert [BOTH in line for line in state.deviations.lost] == [True, False]
        assert all(
            "its effect shows once a route is learned" in line for line in state.deviations.lost
        )

    def test_a_propagated_route_that_follows_its_change_is_waited_for(self, tmp_path):
        """A change carried out with an unclear answer is done once its routes are in the table."""
        stage = enabled_unclearly(tmp_path, minutes(2))
        by_hand = stage.faults

        assert stage.forward().status is RunStatus.CUT_OVER

        assert not stage.state.outage.open
        assert stage.records(ResidueLeft)[-1] == ResidueLeft()
        assert isinstance(by_hand, ByHand)
        assert stage.records(OutageEnded)[0].at >= by_hand.done + minutes(2)

    def test_a_change_without_effect_is_no_success(self, tmp_path):
        """A run does not end as done while every change is made and a destination has no path."""
        stage = enabled_unclearly(tmp_path, RestoreRouting.limit + minutes(1))

        error = failing(stage, Runner.apply)

        state = stage.state
        assert (state.residue.changes, len(state.residue.unreached)) == ((), 1)
        assert "a destination has no path" in error.message
        assert error.outage
        assert state.outage.open
        assert exit_code(error, state) is exit_code_of_run(state, stage.entries) is Exit.STUCK
        assert not {9, 10} & state.settled
        assert "old-tunnels-disabled" not in state.journal_facts.confirmations
        stage.faults = None
        assert stage.forward().status is RunStatus.CUT_OVER
        assert not stage.state.outage.open
        assert stage.state.residue.unreached == ()

    def test_first_calls_that_are_refused_end_the_cutover_as_before(self, tmp_path):
        """Before the new gateway is attached, a definite refusal ends the run."""
        stage = Stage(tmp_path)
        stage.faults = Deny("DisableVgwRoutePropagation", frozenset({2}))

        with pytest.raises(ChangeRefusedError):
            stage.forward()


def test_commands_are_those_of_the_changes():
    """The printed command has the operation and the parameters of the change."""
    from vpnmigrate.model.changes import CreateRoute
    from vpnmigrate.model.errors.commands import aws_call

    change = CreateRoute(RouteTableId("rtb-1"), "2001:db8::/32", VpnGatewayId("vgw-1"))
    request = change.request(None)  # type: ignore[arg-type]

    assert str(aws_call(request.operation, request.parameters)) == (
        "aws ec2 create-route --route-table-id rtb-1 --gateway-id vgw-1 "
        "--destination-ipv6-cidr-block 2001:db8::/32"
    )


class TestCleanUp:
    def test_what_may_not_be_the_runs_own_is_left_with_its_command(self, tmp_path):
        """A clean-up that leaves resources names each deletion, and is not exit code 0."""
        stage = Stage(tmp_path)
        stage.faults = Faults([Fault("CreateVpnGateway", FaultKind.LOST_ANSWER)])
        made: list[str] = []

        def strip(entry: Entry) -> None:
            known = {g.id for g in stage.plain.observe(stage.plan).gateways} - {OLD}
            if known and not made:
                made.extend(known)
                tags = [{"Key": key} for key in ("migration", "attempt", "role")]
                keys = [{"Key": f"vpnmigrate:{tag['Key']}"} for tag in tags]
                stage.do("DeleteTags", Resources=made, Tags=keys)

        with pytest.raises(StepError):
            stage.forward(lookout=Lookout(strip))
        stage.clock.sleep(minutes(10))

        state = stage.back()

        assert state.status is RunStatus.ROLLED_BACK
        assert [each.change for each in state.residue.changes] == [
            DeleteVpnGateway(made[0], made[0])
        ]
        assert exit_code_of_run(state, stage.entries) is Exit.FAILED

    def test_a_refused_deletion_costs_only_what_depends_on_it(self, tmp_path):
        """One denied connection stays, with its gateway; the other one and the claim go."""
        stage = migrated(tmp_path, before=two_connections())
        new = stage.new_gateway
        stage.faults = Deny("DeleteVpnConnection", NOT_THE_SECOND)
        began = stage.clock.now()

        state = stage.back()

        assert stage.clock.now() - began < minutes(25)
        assert state.status is RunStatus.ROLLED_BACK
        assert state.traffic is Traffic.OLD
        connection, gateway = state.residue.changes
        assert isinstance(connection.change, DeleteVpnConnection)
        assert DENIED[0] in connection.why
        assert gateway == ResidualChange(
            DeleteVpnGateway(GATEWAY_ROLE, new),
            "it has to follow another change, for the new virtual private gateway",
        )
        living = {c.id for c in stage.observe().connections.values() if c.state == "available"}
        assert living == {*stage.plan.old_connections, connection.change.id}
        assert stage.observe().value(Claim(OLD)) == ABSENT
        assert str(next_command(state, "m-1", (), alive=False)) == "vpnmigrate rollback m-1"

    def test_the_same_command_removes_what_was_left(self, tmp_path):
        """Once the permission is granted, the next rollback deletes the rest and reports none."""
        stage = migrated(tmp_path, before=two_connections())
        stage.faults = Deny("DeleteVpnConnection", NOT_THE_SECOND)
        stage.back()
        stage.faults = None

        state = stage.back()

        assert (state.status, state.residue.changes) == (RunStatus.ROLLED_BACK, ())
        assert stage.observe().ours == {}
        assert stage.differences() == ()

    def test_what_was_deleted_by_hand_is_no_residue_any_more(self, tmp_path):
        """An operator who runs the listed commands in their order has cleaned up."""
        stage = migrated(tmp_path, before=two_connections())
        stage.faults = Deny("DeleteVpnConnection", NOT_THE_SECOND)
        for left in stage.back().residue.changes:
            request = left.change.request(None)  # type: ignore[union-attr,arg-type]
            stage.do(request.operation, **request.parameters)
            stage.clock.sleep(minutes(10))

        assert stage.back().residue.changes == ()
        assert stage.observe().ours == {}

    def test_a_refusal_that_may_pass_is_retried_until_the_limit(self, tmp_path):
        """A code that no rule knows leaves the gateway after the step's limit, and says why."""
        stage = migrated(tmp_path)
        stage.faults = Deny("DeleteVpnGateway", code="SomethingNew", message="Not now")
        began = stage.clock.now()

        state = stage.back()

        assert stage.clock.now() - began > RemoveGateway.limit
        [left] = state.residue.changes
        assert "SomethingNew" in left.why
        assert stage.observe().value(Claim(OLD)) == ABSENT

    def test_a_refusal_that_passes_leaves_nothing(self, tmp_path):
        """A clean-up keeps waiting for what EC2 does not delete yet."""
        stage = migrated(tmp_path)
        early = frozenset(range(1, PERSISTENT + 8))
        stage.faults = Deny("DeleteVpnGateway", early, code="IncorrectState", message=PENDING)

        assert stage.back().residue.changes == ()
        assert stage.observe().ours == {}

    def test_a_gateway_that_is_attached_elsewhere_is_left(self, tmp_path):
        """A person who attached the new gateway to another VPC delays the clean-up, no more."""
        stage = Stage(tmp_path)
        stage.run(staged)
        other = stage.do("CreateVpc", CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]  # type: ignore[index]
        stage.do("AttachVpnGateway", VpcId=other, VpnGatewayId=stage.new_gateway)
        stage.clock.sleep(minutes(5))

        state = stage.back()

        [left] = state.residue.changes
        assert f"attached to {other}" in left.why
        assert stage.observe().value(Claim(OLD)) == ABSENT

    @pytest.mark.parametrize(
        ("denied", "left"),
        [
            ("DeleteVpc", ["DeleteTestVpc"]),
            ("DeleteSubnet", ["DeleteTestSubnet", "DeleteTestVpc"]),
            ("DetachVpnGateway", ["DetachVpnGateway", "DeleteTestVpc", "DeleteVpnGateway"]),
            ("DisableVgwRoutePropagation", []),
        ],
    )
    def test_a_test_vpc_is_removed_as_far_as_possible(self, denied, left, tmp_path):
        """What cannot be deleted without a denied change is listed after it, and the rest goes."""
        stage = Stage(tmp_path, decisions=Decisions(test_vpc=TestVpc("10.99.0.0/24")))
        with pytest.raises(HeldError):
            stage.forward(operator=NoTester(stage.world, timedelta(0)))
        stage.clock.sleep(minutes(10))
        stage.faults = Deny(denied)

        state = stage.back()

        assert names(each.change for each in state.residue.changes) == left
        assert state.status is RunStatus.ROLLED_BACK
        living = {c.id for c in stage.observe().connections.values() if c.state == "available"}
        assert living == set(stage.plan.old_connections)
        stage.faults = None
        assert stage.back().residue.changes == ()
        assert stage.observe().ours == {}

    @pytest.mark.parametrize("keep", [False, True], ids=["all", "keep-new"])
    def test_a_claim_that_stays_is_residue(self, keep, tmp_path):
        """A claim tag that AWS does not remove is listed, and the run does not end as done."""
        stage = migrated(tmp_path)
        stage.faults = Deny("DeleteTags")

        state = stage.run(lambda runner: runner.rollback(keep_new=keep))

        assert [each.change for each in state.residue.changes] == [RemoveClaim(OLD, "ann@desk")]
        stage.faults = None
        assert stage.back().residue.changes == ()
        assert stage.observe().value(Claim(OLD)) == ABSENT


class TestFinalize:
    def test_a_refused_deletion_does_not_stop_the_others(self, tmp_path):
        """The other connection is deleted; the old gateway, which needs both gone, is kept."""
        stage = migrated(tmp_path, before=two_connections())
        stage.faults = Deny("DeleteVpnConnection", NOT_THE_SECOND)

        with pytest.raises(IncompleteRemovalError) as caught:
            stage.run(retired)

        state, error = stage.state, caught.value
        connection, gateway = (each.change for each in state.residue.changes)
        assert isinstance(connection, DeleteVpnConnection)
        assert gateway == DeleteVpnGateway(OLD, OLD)
        assert (state.status, state.finished) == (RunStatus.FINALIZING, False)
        assert DENIED[0] in error.message
        assert "(and 1 more)" in error.message
        assert exit_code(error, state) is exit_code_of_run(state, stage.entries) is Exit.FAILED
        living = {c.id for c in stage.observe().connections.values() if c.state == "available"}
        assert living & {*stage.plan.old_connections} == {connection.id}

    def test_the_same_command_deletes_the_rest(self, tmp_path):
        """Once the cause is gone, finalize ends as done."""
        stage = migrated(tmp_path, before=two_connections())
        stage.faults = Deny("DeleteVpnConnection", NOT_THE_SECOND)
        with pytest.raises(IncompleteRemovalError):
            stage.run(retired)
        stage.faults = None

        state = stage.run(retired)

        assert (state.status, state.residue.changes) == (RunStatus.FINALIZED, ())
        assert exit_code_of_run(state, stage.entries) is Exit.DONE

    def test_a_claim_that_stays_is_residue(self, tmp_path):
        """The old connections are deleted, and the claim tag is listed."""
        stage = migrated(tmp_path)
        stage.faults = Deny("DeleteTags")

        with pytest.raises(IncompleteRemovalError, match="remove the claim tag"):
            stage.run(Runner.finalize)

        assert [each.change for each in stage.state.residue.changes] == [
            RemoveClaim(OLD, "ann@desk")
        ]
        assert stage.observe().state(OLD_VPN) is ResourceState.ABSENT

    def test_a_connection_without_an_archive_is_kept(self, tmp_path):
        """A configuration that cannot be archived leaves its connection; the others are deleted."""
        first, second = two_connections().connections
        stage = migrated(tmp_path, before=two_connections())
        facts = JournalFacts(files={second.id: "ab"})
        swap = GatewaySwap(leaving=OLD, joining=stage.new_gateway)
        view = StepInput(stage.plan, swap, stage.observe(), facts)
        goal = Goal(Archive(first.id), Switch.ON)
        step = DeleteOldConnections()

        [archive, deletion] = step.optional_parts(view)

        assert archive.goal == goal
        assert deletion.change == DeleteVpnConnection(second.id, second.id)
        gone = {Existence(second.id): ResourceState.ABSENT}
        now = replace(view.now, facts={**view.now.facts, **gone})
        left = replace(view, now=now, journal_facts=replace(facts, left_out=frozenset({goal})))
        assert step.verify(left) == Residual()
        gateway = DeleteOldGateway()
        assert list(gateway.missing_changes(left)) == []
        assert [want.needs for want in gateway.optional_parts(left)] == [goal]


def test_another_direction_begins_without_isolated_goals(tmp_path):
    """A rollback in the process of the cutover waits for all of its own goals."""
    stage = Stage(tmp_path)
    recorder = RunRecorder(MemoryJournal(stage.clock), stage.lookout)
    context = a_context(stage.plain, recorder, stage.clock, stage.plan, DirectCalls())
    reader = StateReader(context)
    control = ResidueControl(context, reader)
    goal = Goal(RouteTarget(BOTH, ROUTE), OLD)

    kept = []
    for direction in (Direction.FORWARD, Direction.FORWARD, Direction.ROLLBACK):
        recorder.write(DirectionTaken(direction, 1))
        control.begin_step()
        kept.append((reader.left_out, reader.journal_facts().once_left_out))
        reader.leave_out(goal)

    assert kept == [(frozenset(),) * 2, (frozenset({goal}),) * 2, (frozenset(),) * 2]
