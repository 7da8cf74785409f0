"""Whole runs: the rules of the runner, on the sandbox with the production client."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.support.boto_client import session_for
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
)
from tests.support.stage import Lookout, Nobody, Stage
from vpnmigrate.aws.session import Clients
from vpnmigrate.engine.ports import NetworkPath as HostPath
from vpnmigrate.journal import Traffic, resume_command
from vpnmigrate.journal.exit_code import exit_code, exit_code_of_run
from vpnmigrate.journal.records import (
    Answered,
    BaselineTaken,
    DirectionTaken,
    Entry,
    ExternalChange,
    Finished,
    Held,
    Intended,
    OperatorConfirmed,
    OutageBegan,
    OutageEnded,
    TrafficVerified,
)
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.changes import (
    AskOperator,
    AttachVpnGateway,
    CreateVpnGateway,
    DetachVpnGateway,
    DisablePropagation,
    OperatorTask,
    ReplaceRoute,
)
from vpnmigrate.model.decisions import BackOut, Decisions, OldTunnels, TestVpc, Waits
from vpnmigrate.model.ec2 import Attachment
from vpnmigrate.model.errors import (
    ChangeRefusedError,
    ClaimedError,
    DidNotSettleError,
    DriftError,
    Exit,
    ExternalChangeError,
    HeldError,
    InterruptedRunError,
    RolledBackError,
    StagedError,
    StepError,
    WrongAccountError,
)
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.sandbox.behaviour import Behaviour, seconds
from vpnmigrate.sandbox.device_engineer import DeviceEngineer
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults, Killed
from vpnmigrate.sandbox.world import World

READS = ("Describe", "Get", "List")


@dataclass
class Fuse:
    """Kills the process at the *nth* mutating call, before or after its effect, once."""

    nth: int
    after_effect: bool
    sent: int = 0

    def before(self, service: str, action: str, nth: int) -> None:
        if not action.startswith(READS):
            self.sent += 1
            if self.sent == self.nth and not self.after_effect:
                raise Killed(action)

    def after(self, service: str, action: str, nth: int) -> None:
        if not action.startswith(READS) and self.sent == self.nth and self.after_effect:
            self.nth = 0
            raise Killed(action)


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


class TestDoors:
    def test_botocore_alters_nothing(self, tmp_path):
        """A run, its journal and its vault are the same with botocore before the sandbox."""

        def behind_botocore(world, *, faults):
            session = session_for(world, faults=faults)
            return Clients(lambda: session)

        plain, real = Stage(tmp_path), Stage(tmp_path, clients_of=behind_botocore)
        for stage in (plain, real):
            stage.forward()
            stage.back()

        assert plain.entries == real.entries
        assert plain.observe() == real.observe()


class TestForward:
    def test_ends_with_the_new_gateway_in_every_role_of_the_old(self, stage):
        """After apply the new gateway has the VPC, the propagation and the static routes."""
        state = stage.forward()

        now, new = stage.observe(), stage.new_gateway
        assert state.status is RunStatus.CUT_OVER
        assert state.traffic is Traffic.NEW
        assert now.attachment(new, VPC) is Attachment.ATTACHED
        assert now.attachment(OLD, VPC) is Attachment.DETACHED
        assert {t.id for t in now.tables.values() if new in t.propagating} == {BOTH, MAIN}
        assert now.route(BOTH, "192.168.0.0/16") == new

    def test_changes_come_in_the_documented_order(self, stage):
        """Create, fetch, devices, stop propagation, swap, restore, switch: AWS's own order."""
        stage.forward()

        assert list(dict.fromkeys(stage.calls)) == [
            "PlaceClaim",
            "CreateVpnGateway",
            "CreateVpnConnection",
            "ArchiveConfiguration",
            "AskOperator",
            "DisablePropagation",
            "DetachVpnGateway",
            "AttachVpnGateway",
            "EnablePropagation",
            "ReplaceRoute",
        ]

    def test_never_deletes_anything(self, stage):
        """Apply makes no delete call; the old connection stays available."""
        stage.forward()

        assert not any(call.startswith("Delete") for call in stage.calls)
        assert stage.observe().connections[OLD_VPN].state == "available"

    def test_every_intent_is_durable_before_its_call(self, tmp_path):
        """When EC2 receives a change, its intent is durable."""
        heard: list[tuple[str, int]] = []
        stage = Stage(tmp_path)

        class Ear:
            def before(self, service: str, action: str, nth: int) -> None:
                written = sum(isinstance(e.record, Intended) for e in stage.journal.entries)
                if not action.startswith(READS):
                    heard.append((action, written))

            def after(self, service: str, action: str, nth: int) -> None:
                pass

        stage.faults = Ear()
        stage.forward()

        sent = [i for i, e in enumerate(stage.intended, 1) if getattr(e, "call", "")]
        assert heard
        assert all(written >= number for (_, written), number in zip(heard, sent, strict=True))

    def test_the_outage_is_measured_from_the_first_call_to_stable_traffic(self, stage):
        """The outage lasts from step 7's first change to the first observation with traffic."""
        stage.forward()

        (began,), (ended,) = stage.records(OutageBegan), stage.records(OutageEnded)
        (verified,) = stage.records(TrafficVerified)
        first = next(
            e.at
            for e in stage.entries
            if isinstance(e.record, Intended) and isinstance(e.record.change, DisablePropagation)
        )
        assert began.since == first
        assert ended.at == verified.since
        assert ended.lasted == ended.at - began.since
        assert timedelta(seconds=60) < ended.lasted < timedelta(minutes=3)

    def test_the_baseline_is_taken_right_before_the_cutover(self, stage):
        """The baseline is the last observation before step 7."""
        stage.forward()

        (baseline,) = stage.records(BaselineTaken)
        assert baseline.tunnels_up == {OLD_VPN: 2}
        assert baseline.propagated[MAIN] == ("10.1.0.0/16",)

    def test_a_second_apply_has_nothing_left_to_do(self, stage):
        """Applying a finished run again changes nothing."""
        stage.forward()
        before = len(stage.calls)

        state = stage.forward()

        assert [c for c in stage.calls[before:] if c != "AskOperator"] == []
        assert state.status is RunStatus.CUT_OVER


class TestHolds:
    def test_holds_before_the_cutover_when_asked(self, stage):
        """``--until cutover`` prepares everything and holds; traffic is not interrupted."""
        with pytest.raises(StagedError, match="cutover has not started") as staged:
            stage.run(lambda runner: runner.apply(until=6))

        assert exit_code(staged.value, stage.state) is Exit.DONE
        assert exit_code_of_run(stage.state, stage.entries) is Exit.DONE

        assert stage.state.status is RunStatus.HELD
        assert stage.state.traffic is Traffic.OLD
        assert stage.differences() == ()
        assert stage.forward().status is RunStatus.CUT_OVER

    def test_what_is_being_staged_is_not_pasted_into_the_cutover(self, stage):
        """A run held early continues to the end of preparation, and only then to the cutover."""
        with pytest.raises(HeldError) as held:
            stage.run(lambda runner: runner.apply(until=6), operator=Nobody())
        assert held.value.advice_text.endswith(f"vpnmigrate apply {MIGRATION} --until cutover")
        with pytest.raises(HeldError):
            stage.run(lambda runner: runner.apply(until=6))

        assert str(resume_command(stage.state, MIGRATION, ())) == f"vpnmigrate apply {MIGRATION}"
        assert stage.state.attempt == 1

    def test_apply_without_until_runs_to_the_end(self, stage):
        """The last command counts: apply without --until runs to the end."""
        with pytest.raises(HeldError):
            stage.run(lambda runner: runner.apply(until=6), operator=Nobody())
        with pytest.raises(HeldError) as held:
            stage.forward(operator=Nobody())

        assert held.value.advice_text.endswith(f"vpnmigrate apply {MIGRATION}")
        assert stage.state.attempt == 1

    def test_the_step_to_stop_after_is_written_down_with_each_command(self, stage):
        """A resumed run stops where this command says, in the same attempt."""
        for until in (2, 3):
            with pytest.raises(HeldError, match=f"held after step {until}, as requested"):
                stage.run(lambda runner, until=until: runner.apply(until=until))

        assert stage.records(DirectionTaken) == [
            DirectionTaken(Direction.FORWARD, 1, keep_new=False, until=until) for until in (2, 3)
        ]

    def test_a_device_task_holds_the_run_without_an_operator(self, stage):
        """Without an operator step 5 holds, and the advice is the command that resumes."""
        with pytest.raises(HeldError, match="step 5 needs a person") as held:
            stage.forward(operator=Nobody())

        assert "vpnmigrate done" in held.value.advice_text
        assert isinstance(stage.entries[-1].record, Held)

    def test_a_waiting_confirmation_is_read_before_the_question(self, stage):
        """A confirmation given while the run was held finishes its step without a question."""
        with pytest.raises(HeldError):
            stage.forward(operator=Nobody())
        asked = stage.calls.count("AskOperator")
        stage.letters.append(OperatorConfirmed(Confirmation.DEVICES_CONFIGURED, "ann", "desk"))

        with pytest.raises(HeldError, match="everything is prepared"):
            stage.run(lambda runner: runner.apply(until=6), operator=Nobody())

        assert stage.calls.count("AskOperator") == asked

    def test_a_run_is_not_held_while_traffic_is_down(self, tmp_path):
        """In the outage the run observes tunnels even without an operator at the prompt."""
        stage = Stage(tmp_path, decisions=Decisions(waits=Waits(tunnels=timedelta(minutes=5))))
        with pytest.raises(HeldError):
            stage.run(lambda runner: runner.apply(until=9))

        with pytest.raises(DidNotSettleError) as late:
            stage.forward(operator=Nobody())

        assert (late.value.step, late.value.outage) == (10, True)
        assert late.value.message.startswith(
            "step 10 (Switch the tunnels) was not done within 5 min: "
        )
        assert stage.state.status is RunStatus.STUCK
        assert stage.state.traffic is Traffic.NONE

    def test_an_operators_signal_stops_between_two_changes(self, stage):
        """The first Ctrl-C waits for the call in flight, records it and stops; the run resumes."""

        def stop_at_detach(entry):
            match entry.record:
                case Intended(change=DetachVpnGateway()):
                    stage.signal.reason = "interrupted by the operator"
                case _:
                    pass

        with pytest.raises(InterruptedRunError):
            stage.forward(lookout=Lookout(stop_at_detach))
        last = [e.record for e in stage.entries if isinstance(e.record, Answered)][-1]
        assert last.intent == len(stage.intended)

        stage.signal.reason = None
        assert stage.forward().status is RunStatus.CUT_OVER


ANNOUNCED, ASKED = "announced: enable the tunnels", "asked: enable the tunnels"


class Apprentice:
    """Operator who notes what is announced and asked, and leaves the work to an engineer."""

    patient = True

    def __init__(self, world: World) -> None:
        self._engineer = DeviceEngineer(world)
        self.heard: list[str] = []

    def announce(self, task: OperatorTask) -> None:
        self.heard.append(f"announced: {_of(task)}")

    def ask(self, task: OperatorTask) -> Confirmation | None:
        self.heard.append(f"asked: {_of(task)}")
        return self._engineer.ask(task)

    def __getattr__(self, name: str) -> object:
        return getattr(self._engineer, name)


def _of(task: OperatorTask) -> str:
    return str(task).partition(" of ")[0]


class TestAdmission:
    def test_another_account_is_refused(self, stage):
        """With credentials of another account nothing is changed."""
        stage.plan = replace(stage.plan, account="999999999999")
        with pytest.raises(WrongAccountError):
            stage.forward()

        assert stage.calls == []

    def test_a_world_that_differs_from_the_plan_is_refused(self, stage):
        """A route added since planning stops the run before it starts, and is named."""
        stage.do(
            "CreateRoute", RouteTableId=MAIN, DestinationCidrBlock="10.9.0.0/16", GatewayId=OLD
        )

        with pytest.raises(DriftError) as drift:
            stage.forward()

        assert any("10.9.0.0/16" in line for line in drift.value.differences)
        assert stage.calls == []

    def test_drift_while_held_is_refused_before_the_cutover(self, stage):
        """A change during a hold is found before step 7."""
        with pytest.raises(HeldError):
            stage.run(lambda runner: runner.apply(until=6))
        stage.do(
            "CreateRoute", RouteTableId=MAIN, DestinationCidrBlock="10.9.0.0/16", GatewayId=OLD
        )

        with pytest.raises(DriftError):
            stage.forward()

        assert not any(isinstance(c, DisablePropagation) for c in stage.intended)

    def test_the_programs_own_path_is_not_cut(self, stage):
        """A host that reaches EC2 through the VPN may not run the cutover."""
        inside = (HostPath("EC2", ("10.0.0.9",), "192.168.1.5"),)

        with pytest.raises(HeldError, match="own-path"):
            stage.forward(paths=inside)

        assert stage.state.traffic is Traffic.OLD
        assert not any(isinstance(c, DisablePropagation) for c in stage.intended)

    def test_a_foreign_claim_is_respected(self, stage):
        """A claim on the old gateway stops the second operator and names the first."""
        stage.do(
            "CreateTags", Resources=[OLD], Tags=[{"Key": "vpnmigrate:claim", "Value": "bob@lab"}]
        )

        with pytest.raises(ClaimedError, match="bob@lab"):
            stage.forward()

        assert stage.calls == []
        assert stage.forward(takes_over_from="bob@lab").status is RunStatus.CUT_OVER


class TestBack:
    @pytest.mark.parametrize("boundary", range(1, 11))
    def test_from_every_step_everything_is_as_before(self, tmp_path, boundary):
        """A rollback after any step restores every configuration fact and leaves nothing behind."""
        stage = Stage(tmp_path)
        with pytest.raises(HeldError):
            stage.run(lambda runner: runner.apply(until=boundary))

        state = stage.back()

        assert state.status is RunStatus.ROLLED_BACK
        assert stage.observe().ours == {}
        assert stage.differences() == ()
        assert state.traffic is Traffic.OLD

    def test_connectivity_comes_first(self, stage):
        """Nothing is deleted before traffic flows on the old side."""
        stage.forward()

        stage.back()

        back = [e.record for e in stage.entries]
        verified = max(i for i, r in enumerate(back) if isinstance(r, TrafficVerified))
        deletions = [
            i
            for i, r in enumerate(back)
            if isinstance(r, Intended) and type(r.change).__name__.startswith("Delete")
        ]
        assert deletions
        assert min(deletions) > verified

    def test_from_before_the_cutover_traffic_is_not_touched(self, stage):
        """The rollback of a prepared run only cleans up."""
        with pytest.raises(HeldError):
            stage.run(lambda runner: runner.apply(until=6))

        stage.back()

        assert stage.records(OutageBegan) == []

    def test_keep_new_leaves_the_new_side_for_a_later_attempt(self, stage):
        """With --keep-new the new gateway is kept and the next attempt uses it."""
        stage.forward()
        new = stage.new_gateway

        stage.run(lambda runner: runner.rollback(keep_new=True))
        assert stage.new_gateway == new
        stage.forward()

        assert stage.state.attempt == 2
        assert stage.new_gateway == new
        assert stage.calls.count("CreateVpnGateway") == 1

    def test_apply_rollback_apply_ends_as_apply_does(self, stage):
        """A second attempt creates everything again and has the same end."""
        stage.forward()
        stage.back()

        state = stage.forward()

        assert state.status is RunStatus.CUT_OVER
        assert state.attempt == 2
        assert stage.calls.count("CreateVpnGateway") == 2

    def test_a_deleted_table_is_named_and_stops_nothing(self, stage):
        """An external deletion is reported; the rest is restored."""
        stage.forward()
        stage.do("DeleteRouteTable", RouteTableId=BOTH)

        stage.back()

        (finished,) = [r for r in stage.records(Finished) if r.direction is Direction.ROLLBACK]
        assert any("rtb-both" in line and "deleted" in line for line in finished.lost)
        assert stage.records(ExternalChange)
        assert stage.observe().propagates(MAIN, OLD) == "on"


class TestOtherHands:
    def test_before_the_cutover_they_stop_the_run(self, stage):
        """A new gateway deleted before step 7 stops the run, and is named."""
        with pytest.raises(HeldError):
            stage.run(lambda runner: runner.apply(until=2))
        stage.do("DeleteVpnGateway", VpnGatewayId=stage.new_gateway)
        stage.clock.sleep(timedelta(minutes=5))

        with pytest.raises(ExternalChangeError, match="changed outside this run") as found:
            stage.forward()

        assert (found.value.step, found.value.outage) == (1, False)
        assert (
            found.value.advice_text
            == f"find out who changed it; roll back: vpnmigrate rollback {MIGRATION}"
        )

    def test_in_the_cutover_a_deleted_route_is_created_again_and_named(self, stage):
        """A route deleted during the cutover leads to the new gateway at its end."""
        with pytest.raises(HeldError):
            stage.run(lambda runner: runner.apply(until=8))
        stage.do("DeleteRoute", RouteTableId=BOTH, DestinationCidrBlock="192.168.0.0/16")

        state = stage.forward()

        assert state.status is RunStatus.CUT_OVER
        assert state.deviations.lost == ()
        assert any("192.168.0.0/16" in line for line in state.deviations.external_changes)
        assert state.settled == frozenset(range(1, 11))
        assert not any(isinstance(c, ReplaceRoute) for c in stage.intended)
        assert stage.observe().route(BOTH, "192.168.0.0/16") == stage.new_gateway


class TestFaults:
    @pytest.mark.parametrize("kind", [FaultKind.LOST_ANSWER, FaultKind.SERVER_ERROR_AFTER])
    @pytest.mark.parametrize("action", ["CreateVpnGateway", "CreateVpnConnection"])
    def test_a_lost_answer_creates_nothing_twice(self, tmp_path, action, kind):
        """Case 22: after an unknown outcome the tag is searched before a retry."""
        stage = Stage(tmp_path, faults=Faults([Fault(action, kind)]))

        assert stage.forward().status is RunStatus.CUT_OVER
        assert stage.calls.count(action) == 1
        assert stage.observe().owned.duplicates == ()

    def test_a_creation_that_never_happened_is_repeated_after_the_delay(self, tmp_path):
        """Case 22: after the consistency delay a creation without effect is retried."""
        stage = Stage(tmp_path, faults=Faults([Fault("CreateVpnGateway", FaultKind.SERVER_ERROR)]))

        assert stage.forward().status is RunStatus.CUT_OVER
        intents = [
            e.at
            for e in stage.entries
            if isinstance(e.record, Intended) and isinstance(e.record.change, CreateVpnGateway)
        ]
        assert len(intents) == 2
        assert intents[1] - intents[0] >= timedelta(minutes=2)

    @pytest.mark.parametrize(
        ("action", "code", "message"),
        [
            (
                "DetachVpnGateway",
                "InvalidParameterValue",
                "cannot be completed because there are pending VPNs or Virtual Interfaces",
            ),
            ("EnableVgwRoutePropagation", "Gateway.NotAttached", "not attached"),
            ("AttachVpnGateway", "InvalidVpcState", "already has a virtual private gateway"),
            ("ReplaceRoute", "InvalidGatewayID.NotFound", "does not exist"),
            (
                "CreateVpnGateway",
                "VpnGatewayLimitExceeded",
                "The maximum number of mutating objects has been reached.",
            ),
            ("EnableVgwRoutePropagation", "RequestLimitExceeded", "slow down"),
        ],
    )
    def test_what_passes_is_waited_for(self, tmp_path, action, code, message):
        """Cases 23, 43, 45, 47, 49, 52: errors that pass are retried within their limit."""
        fault = Fault(action, FaultKind.REFUSED, times=3, code=code, message=message)
        stage = Stage(tmp_path, faults=Faults([fault]))

        assert stage.forward().status is RunStatus.CUT_OVER

    def test_a_real_quota_stops_before_the_outage(self, tmp_path):
        """Case 23: the same code with another message is a quota, and is not retried."""
        fault = Fault(
            "CreateVpnGateway",
            FaultKind.REFUSED,
            times=0,
            code="VpnGatewayLimitExceeded",
            message="The maximum number of virtual private gateways has been reached.",
        )
        stage = Stage(tmp_path, faults=Faults([fault]))

        with pytest.raises(ChangeRefusedError, match="VpnGatewayLimitExceeded") as refused:
            stage.forward()

        assert not refused.value.outage
        assert stage.calls.count("CreateVpnGateway") == 1

    def test_what_should_pass_and_does_not_ends_at_its_limit(self, tmp_path):
        """A temporary error that never passes ends the step, with its cause."""
        fault = Fault(
            "EnableVgwRoutePropagation",
            FaultKind.REFUSED,
            times=0,
            code="Gateway.NotAttached",
            message="not attached",
        )
        stage = Stage(tmp_path, faults=Faults([fault]))

        with pytest.raises(StepError) as late:
            stage.forward()

        assert late.value.outage
        assert stage.state.status is RunStatus.STUCK

    def test_a_permission_withdrawn_in_the_outage_says_so(self, tmp_path):
        """A definite refusal in the outage is stuck; the error says what a person must do."""
        stage = Stage(
            tmp_path, faults=Faults([Fault("AttachVpnGateway", FaultKind.DENIED, times=0)])
        )

        with pytest.raises(ChangeRefusedError, match="AttachVpnGateway") as denied:
            stage.forward()

        assert denied.value.outage
        stage.faults = None
        assert stage.forward().status is RunStatus.CUT_OVER

    def test_failed_observations_are_retried(self, tmp_path):
        """Failed reads in the outage are retried; the run continues when they succeed."""
        stage = Stage(
            tmp_path,
            faults=Faults(
                [Fault("DescribeRouteTables", FaultKind.EXPIRED_TOKEN, nth=20, times=15)]
            ),
        )

        assert stage.forward().status is RunStatus.CUT_OVER

    @pytest.mark.parametrize("after_effect", [False, True])
    @pytest.mark.parametrize("nth", range(1, 11))
    @pytest.mark.parametrize("swap", ["apply", "rollback"])
    def test_killed_at_any_call_nothing_is_lost(self, tmp_path, nth, after_effect, swap):
        """Case 54: killed around any call, resuming or rolling back has the undisturbed end."""
        stage = Stage(
            tmp_path,
            faults=Fuse(nth, after_effect),
            behaviour=Behaviour(read_lag=timedelta(seconds=20)),
        )
        with pytest.raises(Killed):
            stage.forward()

        if swap == "apply":
            assert stage.forward().status is RunStatus.CUT_OVER
            now, new = stage.observe(), stage.new_gateway
            assert now.attachment(new, VPC) is Attachment.ATTACHED
            assert now.route(BOTH, "192.168.0.0/16") == new
            assert now.owned.duplicates == ()
        else:
            assert stage.back().status is RunStatus.ROLLED_BACK
            assert stage.observe().ours == {}
            assert stage.differences() == ()


class TestBackOut:
    def test_a_failed_cutover_rolls_back_when_the_plan_says_so(self, tmp_path):
        """With back_out: rollback a cutover that fails in the outage is rolled back."""
        stage = Stage(
            tmp_path,
            decisions=Decisions(back_out=BackOut.ROLLBACK, old_tunnels=OldTunnels.LEAVE),
            faults=Faults([Fault("AttachVpnGateway", FaultKind.DENIED)]),
        )

        with pytest.raises(RolledBackError, match="rolled it back"):
            stage.forward()

        assert stage.state.status is RunStatus.ROLLED_BACK
        assert stage.state.traffic is Traffic.OLD
        assert stage.differences() == ()
        assert stage.new_gateway

    def test_an_external_change_is_reported_with_the_rollback(self, tmp_path):
        """An automatic rollback does not report that all is as before if it is not."""
        stage = Stage(
            tmp_path,
            decisions=Decisions(back_out=BackOut.ROLLBACK, old_tunnels=OldTunnels.LEAVE),
            faults=Faults([Fault("AttachVpnGateway", FaultKind.DENIED)]),
        )

        def table_of_others(entry: Entry) -> None:
            if isinstance(entry.record, OutageBegan):
                stage.do("DeleteRouteTable", RouteTableId=BOTH)

        with pytest.raises(RolledBackError) as caught:
            stage.forward(lookout=Lookout(table_of_others))

        assert "changed outside this run" in caught.value.advice_text
        assert BOTH in caught.value.advice_text

    def test_a_failure_before_the_outage_only_stops(self, tmp_path):
        """The policy is for the cutover: a run that fails in preparation only stops."""
        stage = Stage(
            tmp_path,
            decisions=Decisions(back_out=BackOut.ROLLBACK),
            faults=Faults([Fault("CreateVpnGateway", FaultKind.DENIED)]),
        )

        with pytest.raises(ChangeRefusedError):
            stage.forward()

        assert stage.state.status is RunStatus.PREPARING


class TestWithoutJournal:
    @pytest.mark.parametrize("boundary", [2, 6, 7, 8, 9, 10])
    def test_a_dead_laptops_run_is_taken_over_and_finished(self, tmp_path, boundary):
        """Plan and tags are enough to finish a run of another host."""
        stage = Stage(tmp_path)
        with pytest.raises(HeldError):
            stage.run(lambda runner: runner.apply(until=boundary))

        state = stage.forward(journal_lost=True, holder="bob@spare", takes_over_from="ann@desk")

        assert state.status is RunStatus.CUT_OVER
        assert stage.calls.count("CreateVpnGateway") == 0
        assert stage.lookout.waits_seen[0] == (
            "0: without a journal, AWS is first observed for 2 min"
        )
        if boundary >= 8:
            asked = [c.confirmation for c in stage.intended if isinstance(c, AskOperator)]
            assert Confirmation.DEVICES_CONFIGURED not in asked

    def test_an_outage_begun_under_a_lost_journal_is_called_at_least_as_long(self, tmp_path):
        """The start of a lost run's outage is unknown: its length is a lower bound."""
        stage = Stage(tmp_path)
        with pytest.raises(HeldError):
            stage.run(lambda runner: runner.apply(until=7))

        state = stage.forward(journal_lost=True, holder="bob@spare", takes_over_from="ann@desk")

        assert state.outage.earlier
        (ended,) = stage.records(OutageEnded)
        assert ended.earlier

    @pytest.mark.parametrize("boundary", [2, 6, 7, 8, 9, 10])
    def test_a_lost_run_is_taken_over_and_rolled_back(self, tmp_path, boundary):
        """Plan and tags are enough to roll back."""
        stage = Stage(tmp_path)
        with pytest.raises(HeldError):
            stage.run(lambda runner: runner.apply(until=boundary))

        state = stage.back(journal_lost=True, holder="bob@spare", takes_over_from="ann@desk")

        assert state.status is RunStatus.ROLLED_BACK
        assert stage.observe().ours == {}
        assert stage.differences() == ()


class TestRetire:
    def test_deletes_the_old_connections_for_good(self, stage):
        """Step 11 deletes every old connection, and keeps gateway and customer gateway."""
        stage.forward()

        state = stage.run(lambda runner: runner.finalize())

        assert state.status is RunStatus.FINALIZED
        assert stage.observe().state(OLD_VPN) == "absent"
        assert stage.observe().state(OLD) == "available"

    def test_can_delete_the_old_gateway_too(self, stage):
        """With --delete-old-gateway the old gateway is deleted after its connections."""
        stage.forward()

        stage.run(lambda runner: runner.finalize(delete_old_gateway=True))

        assert stage.observe().state(OLD) == "absent"


class TestVariants:
    @pytest.mark.parametrize(
        "behaviour",
        [
            Behaviour(propagation_setting_survives_detach=False),
            Behaviour(propagated_routes_of_detached="blackhole"),
            Behaviour(reattach_restores_propagation=True),
            Behaviour(edge_association_survives_detach=True),
            Behaviour(tunnels_up_while_detached=False),
            Behaviour(attach_while_other_detaches="IncorrectState"),
            Behaviour(attach_while_other_detaches="InvalidParameterValue"),
            Behaviour(attachment_visible_after=seconds(60)),
            Behaviour(gateway_ready_after=timedelta(seconds=20)),
            Behaviour(detach=seconds(25 * 60)),
            Behaviour(connection_creation=seconds(25 * 60)),
            Behaviour(read_lag=timedelta(seconds=110)),
            Behaviour(mutating_objects=1),
        ],
        ids=lambda b: next(
            f for f in b.__struct_fields__ if getattr(b, f) != getattr(Behaviour(), f)
        ),
    )
    def test_with_any_behaviour_both_directions_end_right(self, tmp_path, behaviour):
        """Cases 33, 44, 46, 48, 63: with any EC2 behaviour, apply and rollback end as required."""
        tables = (
            a_table(BOTH, propagates=OLD, learned=["10.1.0.0/16"], static={"192.168.0.0/16": OLD}),
            a_table("rtb-edge", edge_of=OLD),
            a_table(MAIN, main=True, propagates=OLD, learned=["10.1.0.0/16"]),
        )
        connections = (
            a_connection("vpn-a", customer_gateway="cgw-1"),
            a_connection(OLD_VPN, customer_gateway="cgw-22", prefixes=["10.2.0.0/16"]),
        )
        stage = Stage(
            tmp_path,
            a_survey(
                route_tables=tables,
                connections=connections,
                customer_gateways=(a_customer_gateway(), a_customer_gateway("cgw-22", asn=65010)),
            ),
            behaviour=behaviour,
        )

        assert stage.forward().status is RunStatus.CUT_OVER
        assert stage.back().status is RunStatus.ROLLED_BACK
        assert stage.observe().ours == {}
        assert stage.differences() == ()

    def test_an_edge_association_that_a_detach_in_doubt_ends_later_is_restored(self, tmp_path):
        """A rollback reads the gateway as attached, with its edge table, while it is detached."""
        edge = a_table("rtb-edge", edge_of=OLD)
        stage = Stage(tmp_path, a_survey(route_tables=(edge, a_table(MAIN, main=True))))
        stage.faults = Faults([Fault("DetachVpnGateway", FaultKind.KILL_AFTER)])
        with pytest.raises(Killed):
            stage.forward()
        lagging = Behaviour(read_lag=timedelta(seconds=110), lagging=("DescribeVpnGateways",))
        stage = stage.branch(behaviour=lagging)

        assert stage.back().status is RunStatus.ROLLED_BACK
        assert stage.differences() == ()

    def test_with_a_test_vpc(self, tmp_path):
        """Step 6 creates, tests, and deletes the test VPC before the cutover."""
        stage = Stage(tmp_path, decisions=Decisions(test_vpc=TestVpc("172.31.0.0/24")))

        assert stage.forward().status is RunStatus.CUT_OVER
        assert set(stage.observe().ours) == {"gateway", f"connection/{OLD_VPN}"}
        attached = [c for c in stage.intended if isinstance(c, AttachVpnGateway)]
        assert [c.vpc == VPC for c in attached] == [False, True]

    def test_a_rollback_to_enabled_old_tunnels_needs_no_person(self, tmp_path):
        """With the old tunnels left enabled a rollback needs no person."""
        stage = Stage(tmp_path, decisions=Decisions(old_tunnels=OldTunnels.LEAVE))
        stage.forward()

        assert stage.back(operator=Nobody()).status is RunStatus.ROLLED_BACK

    @pytest.mark.parametrize(
        ("policy", "up_while_detached", "heard"),
        [
            (OldTunnels.LEAVE, True, [ASKED]),
            (OldTunnels.LEAVE, False, [ANNOUNCED, ASKED]),
            (OldTunnels.DISABLE, True, [ANNOUNCED, ASKED]),
        ],
    )
    def test_a_rollback_announces_its_task_early_only_if_old_tunnels_are_down(
        self, tmp_path, policy, up_while_detached, heard
    ):
        """Old tunnels that are UP are not urgent, but the new ones still have to be disabled."""
        behaviour = Behaviour(tunnels_up_while_detached=up_while_detached)
        stage = Stage(tmp_path, decisions=Decisions(old_tunnels=policy), behaviour=behaviour)
        stage.forward()
        engineer = Apprentice(stage.world)

        stage.back(operator=engineer)

        assert list(dict.fromkeys(engineer.heard)) == heard
