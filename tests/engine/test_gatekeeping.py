"""Gates in whole runs: results are recorded, and a gate that does not pass stops the run."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.engine.test_orders import CONTINUE, PAUSE
from tests.support.builders import (
    MAIN,
    MIGRATION,
    NOON,
    OLD,
    OLD_VPN,
    VPC,
    a_survey,
    a_table,
    minutes,
)
from tests.support.stage import Lookout, Stage
from vpnmigrate.engine.gate_runner import GateInputs
from vpnmigrate.engine.gates import RollbackProofResult
from vpnmigrate.engine.pause import AWAY, NOTICE
from vpnmigrate.engine.ports import Consent, HookResult
from vpnmigrate.engine.runner import Runner
from vpnmigrate.journal import Traffic
from vpnmigrate.journal.exit_code import exit_code
from vpnmigrate.journal.records import BaselineTaken, Forced, GatesSeen, StepSettled
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.decisions import Approvals, Decisions, Finalize, Window
from vpnmigrate.model.ec2 import Tag
from vpnmigrate.model.errors import (
    AwsUnreadableError,
    ClaimedError,
    DriftError,
    Exit,
    HeldError,
    InterruptedRunError,
    NotVerifiedError,
    StepError,
)
from vpnmigrate.model.errors.commands import one_line
from vpnmigrate.model.gates import Force, Gate, GateVerdict, Milestone
from vpnmigrate.sandbox.device_engineer import DeviceEngineer
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults, Killed

TODAY = Window(NOON, NOON + timedelta(hours=6), "noon to six, UTC")
LATER = timedelta(days=1)


def in_the_window(tmp_path, before=None, faults=None):
    return Stage(tmp_path, before, decisions=Decisions(window=TODAY), faults=faults)


def die_once_step_7_is_settled(entry):
    match entry.record:
        case StepSettled(number=7):
            raise Killed("between two steps")
        case _:
            pass


def test_every_round_is_in_the_journal_before_step_7(tmp_path):
    """The results of the gates are durable before the run continues."""
    stage = Stage(tmp_path)
    stage.forward()

    (seen,) = stage.records(GatesSeen)
    kinds = [type(entry.record) for entry in stage.entries]
    assert seen.before is Milestone.CUTOVER
    assert {each.verdict for each in seen.gates} == {GateVerdict.PASS}
    assert kinds.index(GatesSeen) < kinds.index(BaselineTaken)


def test_drift_is_written_down_and_refused(tmp_path):
    """A change in AWS before the cutover is a FAIL in the journal, and cannot be forced."""
    stage = Stage(tmp_path)
    with pytest.raises(HeldError):
        stage.run(lambda runner: runner.apply(until=6))
    stage.do("CreateRoute", RouteTableId=MAIN, DestinationCidrBlock="10.99.0.0/16", GatewayId=OLD)
    gate_inputs = GateInputs("ann", forces=(Force(Gate.WORLD, "I know"),))

    with pytest.raises(DriftError):
        stage.run(Runner.apply, gate_inputs=gate_inputs)

    assert stage.state.status is not RunStatus.CUTTING_OVER


def test_a_failed_rollback_test_holds(tmp_path):
    """The result of testing the rollback is evaluated before step 7."""
    stage = Stage(tmp_path)
    failed = RollbackProofResult(holds=False, text="may not attach vgw-old")
    gate_inputs = GateInputs("ann", prove=lambda: failed)

    with pytest.raises(HeldError, match="way-back: may not attach vgw-old") as held:
        stage.run(Runner.apply, gate_inputs=gate_inputs)
    assert f"vpnmigrate rollback {MIGRATION}" in held.value.advice_text
    assert held.value.advice_text.endswith(f" then: vpnmigrate apply {MIGRATION}")
    assert stage.state.traffic is Traffic.OLD


def test_aws_that_cannot_be_read_for_a_moment_is_waited_for(tmp_path):
    """A temporary STS error at the gates causes a wait, not an error or a pass."""
    sts = Fault("sts:GetCallerIdentity", FaultKind.UNAVAILABLE, nth=3, times=2)
    stage = Stage(tmp_path, faults=Faults([sts]))

    assert stage.forward().status is RunStatus.CUT_OVER
    assert any("cannot be read" in wait for wait in stage.lookout.waits_seen)


def test_aws_that_cannot_be_read_for_long_holds(tmp_path):
    """After two consistency delays without an answer the gates hold the run, with the reason."""
    sts = Fault("sts:GetCallerIdentity", FaultKind.UNAVAILABLE, nth=3, times=0)
    stage = Stage(tmp_path, faults=Faults([sts]))
    with pytest.raises(HeldError, match="AWS cannot be read, so nothing was started: ") as caught:
        stage.forward()

    waits = [w[1:] for w in stage.lookout.waits_timed if "cannot be read" in w[0]]
    (first, limit), (last, _) = waits[0], waits[-1]
    assert first < timedelta(seconds=1)
    assert minutes(4) - timedelta(seconds=15) < last < minutes(4) == limit
    assert caught.value.advice_text.startswith("vpnmigrate apply ")


class PausedWhileItWaits(Lookout):
    """Another terminal: pauses a run that waits to read AWS, and later continues it."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage
        self._journal_facts = False

    def on_wait(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        super().on_wait(step, why, waited, limit)
        if "cannot be read" in why and not self._journal_facts:
            self._journal_facts = True
            self._stage.letters.append(PAUSE)
        elif "paused by" in why and waited >= minutes(5) and not self._stage.letters:
            self._stage.letters.append(CONTINUE)


def test_an_error_after_a_pause_keeps_its_cause(tmp_path):
    """An error of the preconditions after a pause at the gates keeps its own cause."""
    sts = Fault("sts:GetCallerIdentity", FaultKind.UNAVAILABLE, nth=3, times=0)
    stage = Stage(tmp_path, faults=Faults([sts]))

    with pytest.raises(AwsUnreadableError, match="GetCallerIdentity") as caught:
        stage.forward(lookout=PausedWhileItWaits(stage))

    assert caught.value.advice_text == "AWS may recover: try again"
    assert stage.state.held == ""
    assert any("paused by" in wait for wait in stage.lookout.waits_seen)


def test_a_failing_gate_is_observed_for_one_delay_with_its_reason(tmp_path):
    """A describe may lag: the wait for another observation has its reason and limit."""
    stage = Stage(tmp_path)
    with pytest.raises(HeldError):
        stage.run(lambda runner: runner.apply(until=6))
    stage.world.devices.disable(OLD_VPN)
    stage.clock.sleep(minutes(10))

    with pytest.raises(HeldError, match="old-tunnels: vpn-old has 0 UP, 2 when planned"):
        stage.forward()

    whys, waited, limits = zip(*stage.lookout.waits_timed, strict=True)
    assert set(whys) == {"what AWS shows may be stale"}
    assert minutes(2) - timedelta(seconds=15) < waited[-1] < minutes(2)
    assert set(limits) == {minutes(4)}


def test_a_force_is_written_beside_what_was_seen(tmp_path):
    """The journal has what the gate observed, who forced it and why."""
    stage = in_the_window(tmp_path)
    stage.clock.sleep(LATER)
    gate_inputs = GateInputs("ann", forces=(Force(Gate.WINDOW, "agreed by phone"),))

    stage.run(Runner.apply, gate_inputs=gate_inputs)

    (forced,) = stage.records(Forced)
    assert (forced.gate, forced.reason, forced.who) == (Gate.WINDOW, "agreed by phone", "ann")
    assert forced.before is Milestone.CUTOVER
    assert forced.observed.startswith("ended ")
    assert stage.state.gates.forced == (forced,)


class Agreeable:
    """Hooks that agree to everything."""

    def changed(self):
        return ""

    def ask(self, moment):
        return HookResult("ask", 0)


def test_a_hook_is_written_down_with_its_moment(tmp_path):
    """The journal has which hook was run, and its result."""
    stage = Stage(tmp_path)
    gate_inputs = GateInputs("ann", hooks=Agreeable())
    stage.run(Runner.apply, gate_inputs=gate_inputs)
    stage.run(Runner.finalize, gate_inputs=gate_inputs)

    hooks = [e for seen in stage.records(GatesSeen) for e in seen.gates if e.gate is Gate.HOOK]
    assert [(each.verdict, each.required) for each in hooks] == [
        (GateVerdict.PASS, "ask exits 0 (before-cutover)"),
        (GateVerdict.PASS, "ask exits 0 (before-finalize)"),
    ]


def test_where_no_plan_file_is_known_the_advice_leaves_its_name_open(tmp_path):
    """A command to paste has the placeholder of the usage for the unknown plan file."""
    stage = Stage(tmp_path, decisions=Decisions(approvals=Approvals(required=1)))
    with pytest.raises(HeldError, match="approvals: none"):
        stage.forward()

    (seen,) = stage.records(GatesSeen)
    (closed,) = (each for each in seen.gates if each.verdict is GateVerdict.FAIL)
    assert one_line(closed.advice).endswith(": vpnmigrate approve PLAN")


class TestPassedAgain:
    """A cutover that was started without interrupting traffic has to pass the gates again."""

    def test_after_a_first_call_that_was_refused(self, tmp_path):
        """If AWS refused to start the outage, a later attempt has to be in the window."""
        refusal = Fault("DisableVgwRoutePropagation", FaultKind.DENIED, times=0)
        stage = in_the_window(tmp_path, faults=Faults([refusal]))
        with pytest.raises(StepError):
            stage.forward()
        assert stage.state.traffic is Traffic.OLD
        stage.faults = None
        stage.clock.sleep(LATER)

        with pytest.raises(HeldError, match="window: ended"):
            stage.forward()

    def test_where_step_7_had_nothing_to_do(self, tmp_path):
        """Without propagation the outage starts with step 8, and the gates come before it."""
        static = (a_table(MAIN, main=True, static={"10.1.0.0/16": OLD}),)
        stage = in_the_window(tmp_path, a_survey(route_tables=static))
        with pytest.raises(Killed):
            stage.forward(lookout=Lookout(die_once_step_7_is_settled))
        stage.clock.sleep(LATER)

        with pytest.raises(HeldError, match="window: ended"):
            stage.forward()
        assert stage.state.traffic is Traffic.OLD

    def test_after_it_was_rolled_back(self, tmp_path):
        """A second outage needs an open window as well."""
        stage = in_the_window(tmp_path)
        stage.forward()
        stage.back()
        stage.clock.sleep(LATER)

        with pytest.raises(HeldError, match="window: ended"):
            stage.forward()
        assert stage.state.traffic is Traffic.OLD


def test_an_outage_meets_no_gate(tmp_path):
    """A run that died during the outage resumes at any time and without STS."""
    stage = in_the_window(
        tmp_path, faults=Faults([Fault("AttachVpnGateway", FaultKind.KILL_AFTER)])
    )
    with pytest.raises(Killed):
        stage.forward()
    stage.faults = None
    stage.clock.sleep(LATER)

    assert stage.forward().status is RunStatus.CUT_OVER
    assert len(stage.records(GatesSeen)) == 1


def test_without_a_journal_a_cutover_resumes_at_any_time(tmp_path):
    """With a lost journal only gates that avoid more harm are evaluated, without STS."""
    stage = in_the_window(
        tmp_path, faults=Faults([Fault("DetachVpnGateway", FaultKind.KILL_BEFORE)])
    )
    with pytest.raises(Killed):
        stage.forward()
    stage.faults = None
    stage.clock.sleep(LATER)

    state = stage.run(
        Runner.apply, journal_lost=True, takes_over_from="ann@desk", holder="bob@desk"
    )

    assert state.status is RunStatus.CUT_OVER
    (seen,) = stage.records(GatesSeen)
    assert seen.before is Milestone.CUTOVER
    assert [each.gate for each in seen.gates] == [
        Gate.WAY_BACK,
        Gate.NEW_CONNECTIONS,
        Gate.NEW_GATEWAY,
        Gate.OWN_PATH,
    ]


class TestFinalize:
    def test_is_asked_too_and_deletes_nothing_while_traffic_is_lacking(self, tmp_path):
        """Finalize records its own gates, and stops at traffic even if the others pass."""
        stage = Stage(tmp_path)
        stage.forward()
        stage.do("DetachVpnGateway", VpcId=VPC, VpnGatewayId=stage.new_gateway)
        stage.clock.sleep(minutes(10))

        with pytest.raises(NotVerifiedError):
            stage.run(Runner.finalize)

        seen = stage.records(GatesSeen)[-1]
        assert seen.before is Milestone.FINALIZE
        assert (seen.gates[0].gate, seen.gates[0].verdict) == (Gate.TRAFFIC, GateVerdict.FAIL)
        assert stage.state.status is RunStatus.CUT_OVER

    @pytest.mark.parametrize(
        ("window", "why"),
        [
            (TODAY, r"ended [\d-]+ [\d:]+Z"),
            (Window(NOON + LATER, NOON + 2 * LATER, "x"), "not open yet"),
        ],
    )
    def test_holds_where_another_gate_is_closed(self, tmp_path, window, why):
        """A gate that stops finalize has an advice, and nothing is deleted."""
        stage = Stage(tmp_path, decisions=Decisions(finalize=Finalize(window=window)))
        stage.forward()
        stage.clock.sleep(timedelta(hours=7))

        with pytest.raises(HeldError, match=f"^finalize cannot start: window: {why}$") as held:
            stage.run(Runner.finalize)

        finalize = f"vpnmigrate finalize {MIGRATION} --confirm vpn-old"
        assert held.value.advice_text == f"run finalize again in the window {finalize}"
        assert "DeleteVpnConnection" not in stage.calls


class Asked(DeviceEngineer):
    """Operator who gives *answer* after some questions without one."""

    def __init__(self, stage, answer, after=0):
        super().__init__(stage.world)
        self.questions = []
        self._answer, self._after = answer, after

    def consents(self, to):
        self.questions.append(to)
        return self._answer if len(self.questions) > self._after else None


class TestConsent:
    def test_is_asked_once_after_the_gates_with_the_length_of_the_outage(self, tmp_path):
        """A quick answer leaves the gates as they are."""
        stage = Stage(tmp_path)
        operator = Asked(stage, Consent.GIVEN, after=2)

        assert stage.forward(operator=operator).status is RunStatus.CUT_OVER
        assert len(set(operator.questions)) == 1
        assert operator.questions[0].vpc == VPC
        outage = operator.questions[0].outage
        assert timedelta(0) < outage.expected <= outage.worst
        assert len(stage.records(GatesSeen)) == 1

    def test_a_slow_answer_has_the_gates_evaluated_again(self, tmp_path):
        """They are not asked about a second time."""
        stage = Stage(tmp_path)
        operator = Asked(stage, Consent.GIVEN, after=120)

        assert stage.forward(operator=operator).status is RunStatus.CUT_OVER
        assert len(stage.records(GatesSeen)) == 2
        assert len(operator.questions) == 121

    def test_an_operator_who_thinks_for_long_is_no_suspension(self, tmp_path):
        """The process looked at the clock all the time, so the run goes on with the answer."""
        stage = Stage(tmp_path)
        operator = Asked(stage, Consent.GIVEN, after=AWAY // NOTICE + 60)

        assert stage.forward(operator=operator).status is RunStatus.CUT_OVER
        assert not [note for note in stage.state.notes if "suspended" in note]

    @pytest.mark.parametrize(
        ("answer", "says"),
        [(Consent.REFUSED, "cancelled by the operator"), (Consent.IMPOSSIBLE, "no terminal")],
    )
    def test_without_it_the_run_is_held_and_traffic_flows(self, tmp_path, answer, says):
        """Everything is prepared, and nothing was interrupted; another process asks again."""
        stage = Stage(tmp_path)

        with pytest.raises(HeldError, match=says) as held:
            stage.forward(operator=Asked(stage, answer))
        assert f"vpnmigrate apply {MIGRATION}" in held.value.advice_text
        assert ("--yes" in held.value.advice_text) is (answer is Consent.IMPOSSIBLE)
        assert (stage.state.status, stage.state.traffic) == (RunStatus.HELD, Traffic.OLD)
        assert "DisableVgwRoutePropagation" not in stage.calls

        assert stage.forward().status is RunStatus.CUT_OVER

    def test_is_not_asked_while_traffic_is_down(self, tmp_path):
        """No question delays the end of an outage."""
        stage = Stage(tmp_path, faults=Faults([Fault("AttachVpnGateway", FaultKind.KILL_AFTER)]))
        with pytest.raises(Killed):
            stage.forward()
        stage.faults = None
        operator = Asked(stage, Consent.REFUSED)

        assert stage.forward(operator=operator).status is RunStatus.CUT_OVER
        assert operator.questions == []

    def test_a_request_to_stop_ends_the_wait_for_it(self, tmp_path):
        """Ctrl-C at the question stops the process, with everything prepared."""
        stage = Stage(tmp_path)
        stage.signal.reason = None

        class Stopping(Asked):
            def consents(self, to):
                stage.signal.reason = "SIGINT received"

        with pytest.raises(InterruptedRunError):
            stage.forward(operator=Stopping(stage, None))
        assert stage.state.traffic is Traffic.OLD


class TestSoak:
    DAY = timedelta(days=1)

    def stage(self, tmp_path):
        stage = Stage(tmp_path, decisions=Decisions(finalize=Finalize(soak=self.DAY)))
        stage.forward()
        return stage

    def test_finalize_waits_until_traffic_has_flowed_for_as_long_as_the_plan_asks(self, tmp_path):
        """Before that it says until when, and nothing is deleted."""
        stage = self.stage(tmp_path)
        stage.clock.sleep(timedelta(hours=5))

        with pytest.raises(HeldError, match=r"^finalize cannot start: soak: .* 5 h") as held:
            stage.run(Runner.finalize)
        assert "DeleteVpnConnection" not in stage.calls
        assert held.value.advice_text.startswith("observe the run until 2026-")
        assert "--force soak --reason TEXT" in held.value.advice_text
        stage.clock.sleep(self.DAY)

        assert stage.run(Runner.finalize).status is RunStatus.FINALIZED

    def test_a_force_finalizes_earlier_and_the_next_process_resumes_without_it(self, tmp_path):
        """Once the deletion has begun, waiting for a soak has no use."""
        stage = self.stage(tmp_path)
        stage.faults = Faults([Fault("DeleteVpnConnection", FaultKind.KILL_AFTER)])
        forced = GateInputs("ann", forces=(Force(Gate.SOAK, "the board agreed"),))

        with pytest.raises(Killed):
            stage.run(Runner.finalize, gate_inputs=forced)
        stage.faults = None

        assert stage.run(Runner.finalize).status is RunStatus.FINALIZED


def test_a_lock_that_another_run_replaces_in_preparation_is_refused(tmp_path):
    """The error is that of any foreign lock, exit code 4, and taking over resumes the run."""
    stage = Stage(tmp_path)
    with pytest.raises(HeldError):
        stage.run(lambda runner: runner.apply(until=2))
    stage.do("CreateTags", Resources=[OLD], Tags=[{"Key": Tag.CLAIM, "Value": "bob@lab/7"}])
    stage.clock.sleep(timedelta(minutes=5))

    with pytest.raises(ClaimedError) as refused:
        stage.forward()
    assert exit_code(refused.value) is Exit.REFUSED
    stage.run(Runner.apply, takes_over_from="bob@lab/7")

    assert stage.state.status is RunStatus.CUT_OVER
