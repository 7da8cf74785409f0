"""Device tasks that drivers do: their order, their records, and what is left to an engineer."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.support.builders import NOON, OLD_VPN
from tests.support.counts import FULL
from tests.support.drivers import ROUTER, DriverScript
from tests.support.stage import Lookout, Nobody, Postbox, Stage
from vpnmigrate.engine.device_work import MOST_STATUS_CALLS, EndedCall, GiveUp, is_done, next_call
from vpnmigrate.engine.gate_runner import GateInputs
from vpnmigrate.engine.runner import Runner
from vpnmigrate.journal.record_base import DriverAnswered, DriverCalled, DriverGaveUp
from vpnmigrate.journal.records import (
    AbortAsked,
    Entry,
    GatesSeen,
    Intended,
    OperatorConfirmed,
    OutageEnded,
    Record,
)
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.decisions import Decisions, DeviceDriver, DriverKind
from vpnmigrate.model.device_drivers import (
    GOALS,
    DeviceState,
    DriverCallState,
    DriverOutcome,
    DriverResult,
    DriverVerb,
    TunnelsState,
)
from vpnmigrate.model.errors import HeldError, RolledBackError
from vpnmigrate.model.gates import Force, Gate
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.report.device_progress import device_progress, devices_text
from vpnmigrate.sandbox.behaviour import Behaviour
from vpnmigrate.sandbox.device_drivers import DriverFault, DriverFaultKind
from vpnmigrate.sandbox.device_engineer import DeviceEngineer
from vpnmigrate.sandbox.driven_devices import UnconfirmedCommit
from vpnmigrate.sandbox.faults import Killed

DRIVEN = Decisions(
    drivers={"default": DeviceDriver(DriverKind.COMMAND, ("/usr/local/bin/tunnels",))}
)
TIMED = Decisions(drivers={"default": ROUTER})
LOADED = DeviceState(TunnelsState.DISABLED, TunnelsState.ENABLED)
SWITCHED = DeviceState(TunnelsState.ENABLED, TunnelsState.ENABLED)
BARE = DeviceState(TunnelsState.ABSENT, TunnelsState.ENABLED)
LOAD, ENABLE, BACK_OUT, STATUS = (
    DriverVerb.LOAD,
    DriverVerb.ENABLE,
    DriverVerb.BACK_OUT,
    DriverVerb.STATUS,
)
DONE, FAILED, UNCERTAIN = DriverOutcome.DONE, DriverOutcome.FAILED, DriverOutcome.UNCERTAIN
ENABLED = Confirmation.NEW_TUNNELS_ENABLED
CUT_OFF = DriverFault(DriverFaultKind.CUT_OFF)
NOT_REACHED = DriverFault(DriverFaultKind.NOT_REACHED)
REFUSED = DriverFault(DriverFaultKind.REFUSED)
TIME = "12:00:00Z"


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path, decisions=DRIVEN)


@pytest.fixture
def timed(tmp_path):
    return Stage(tmp_path, decisions=TIMED)


def ended(verb: DriverVerb, outcome: DriverOutcome, state: DeviceState | None = None) -> EndedCall:
    return EndedCall(verb, DriverResult(outcome, state or DeviceState(), "why"))


def waiting(
    verb: DriverVerb, outcome: DriverOutcome, state: DeviceState | None = None
) -> EndedCall:
    """Return a call after which the device waits for the confirmation of a change."""
    call = ended(verb, outcome, state)
    return EndedCall(verb, replace(call.result, pending_until=NOON))


def until_5(runner: Runner) -> None:
    runner.apply(until=5)


class Absent(Nobody):
    """An operator who is not present, and records what was asked and announced."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    def ask(self, task):
        self.asked.append(task)

    def announce(self, task):
        self.asked.append(task)


UNCONFIRMED = f"unconfirmed, the device undoes it at {TIME}"
NEW_UNKNOWN = "new tunnels unknown, old tunnels enabled"


class TestNextCall:
    @pytest.mark.parametrize(
        ("calls", "expected"),
        [
            ([], ENABLE),
            ([ended(ENABLE, UNCERTAIN)], STATUS),
            ([ended(ENABLE, DONE)], STATUS),
            ([ended(ENABLE, UNCERTAIN), ended(STATUS, DONE, LOADED)], ENABLE),
            ([ended(ENABLE, FAILED)], "enable failed: why"),
            ([ended(ENABLE, DONE, LOADED)], f"after enable it reports: {LOADED}; why"),
            (
                [*[ended(ENABLE, UNCERTAIN)] * 2, waiting(STATUS, DONE, SWITCHED)],
                f"after enable it reports: {SWITCHED}; why; {UNCONFIRMED}",
            ),
            (
                [ended(ENABLE, DONE), ended(STATUS, DONE, LOADED)],
                f"after enable it reports: {LOADED}; why",
            ),
            ([ended(STATUS, FAILED)], "its state cannot be read: why"),
            ([ended(STATUS, UNCERTAIN)], "its state cannot be read: why"),
            (
                [ended(STATUS, DONE, DeviceState(old=TunnelsState.ENABLED))],
                f"it does not show whether enable is done: {NEW_UNKNOWN}; why",
            ),
            (
                [
                    *(ended(ENABLE, UNCERTAIN), ended(STATUS, DONE, LOADED)),
                    *(ended(ENABLE, UNCERTAIN), ended(STATUS, DONE, LOADED)),
                ],
                f"after enable it reports: {LOADED}; why",
            ),
            ([ended(ENABLE, UNCERTAIN), waiting(STATUS, UNCERTAIN)], STATUS),
            (
                [ended(ENABLE, UNCERTAIN), *[waiting(STATUS, UNCERTAIN)] * MOST_STATUS_CALLS],
                "its state cannot be read: why",
            ),
            ([ended(ENABLE, UNCERTAIN), waiting(STATUS, DONE, SWITCHED)], ENABLE),
        ],
    )  # fmt: skip
    def test_a_change_of_unknown_effect_is_followed_by_a_look(self, calls, expected):
        """Only an unknown effect is repeated, once, and only after the state was read."""
        due = next_call(GOALS[ENABLED], ENABLED, calls, None)

        assert (due.why if isinstance(due, GiveUp) else due) == expected

    @pytest.mark.parametrize(
        ("earlier", "expected"),
        [
            (DriverCallState(Confirmation.DEVICES_CONFIGURED, LOAD, DONE), ENABLE),
            (DriverCallState(ENABLED, ENABLE), STATUS),
            (DriverCallState(ENABLED, ENABLE, FAILED), STATUS),
            (DriverCallState(Confirmation.TUNNELS_RETURNED, BACK_OUT, UNCERTAIN), STATUS),
            (DriverCallState(Confirmation.TUNNELS_RETURNED, BACK_OUT, DONE), ENABLE),
            (DriverCallState(None, STATUS, FAILED), ENABLE),
        ],
    )
    def test_what_an_earlier_process_left_open_is_read_first(self, earlier, expected):
        """A call without an answer, or of this task, is followed by a look and not by a change."""
        assert next_call(GOALS[ENABLED], ENABLED, (), earlier) == expected

    @pytest.mark.parametrize(
        ("calls", "doubtful", "done"),
        [
            ([ended(BACK_OUT, DONE, LOADED)], False, True),
            ([ended(BACK_OUT, UNCERTAIN), ended(STATUS, DONE, LOADED)], False, False),
            ([ended(STATUS, DONE, LOADED)], True, False),
            ([ended(STATUS, DONE, LOADED)], False, True),
            ([*[ended(BACK_OUT, UNCERTAIN)] * 2, ended(STATUS, DONE, LOADED)], False, True),
            ([ended(BACK_OUT, UNCERTAIN), ended(STATUS, DONE, SWITCHED)], False, False),
        ],
    )
    def test_old_tunnels_of_a_rollback_are_initiated_by_a_call_whose_effect_is_known(
        self, calls, doubtful, done
    ):
        """A state that is as required does not show it, so the call is repeated once."""
        word = Confirmation.TUNNELS_RETURNED

        assert is_done(GOALS[word], calls, doubtful=doubtful) is done
        assert done or next_call(GOALS[word], word, calls, None) == BACK_OUT

    def test_before_the_cutover_the_state_is_read_first(self):
        """Loading begins with a look, because an earlier attempt may have loaded the tunnels."""
        word = Confirmation.DEVICES_CONFIGURED

        assert next_call(GOALS[word], word, (), None) == STATUS


class TestWholeRuns:
    def test_a_device_that_undoes_its_change_is_waited_for_and_changed_again(self, tmp_path):
        """A change that cut off the device is undone by it; until then ``status`` is asked."""
        dark = ROUTER.confirm_timer + timedelta(minutes=1)
        slow_tunnels = Behaviour(ike=dark)  # Telemetry shows no tunnel before it is undone.
        timed = Stage(tmp_path, decisions=TIMED, behaviour=slow_tunnels)
        cut_off = DriverFault(DriverFaultKind.CUT_OFF, dark)
        script, nobody = DriverScript.of(timed, {ENABLE: [cut_off]}), Absent()
        state = timed.forward(drivers=script.drivers(), operator=nobody)

        assert state.status is RunStatus.CUT_OVER
        assert script.verbs[3:] == [
            *("enable", "status", "status", "status"),
            *("enable", "enable"),
        ]
        assert not timed.records(DriverGaveUp)
        assert nobody.asked == []

    def test_a_change_that_waits_for_its_confirmation_is_not_done(self, tmp_path):
        """Tunnels that the device may disable again are no confirmation, until they last."""
        quick = replace(ROUTER, limit=timedelta(seconds=10))  # Killed before traffic is verified.
        timed = Stage(tmp_path, decisions=Decisions(drivers={"default": quick}))
        script = DriverScript.of(timed, {ENABLE: [DriverFault(DriverFaultKind.HANGS_AFTER)]})
        state = timed.forward(drivers=script.drivers(), operator=Absent())

        assert state.status is RunStatus.CUT_OVER
        assert script.verbs[3:6] == ["enable", "status", "enable"]
        answers = [
            record for record in timed.records(DriverAnswered) if record.confirmation is ENABLED
        ]
        assert [record.reached for record in answers] == [False, False, True]

    def test_the_gate_does_not_count_on_a_change_that_may_not_last(self, timed):
        """A device that waits for a confirmation keeps the cutover closed."""
        script = DriverScript.of(timed)
        with pytest.raises(HeldError):
            timed.run(until_5, drivers=script.drivers(), operator=Nobody())
        device = script.device(OLD_VPN)
        device.commit = UnconfirmedCommit(
            BARE, device.new, timed.clock.now() + ROUTER.confirm_timer
        )
        with pytest.raises(HeldError):
            timed.forward(drivers=script.drivers(), operator=Nobody())

        (seen,) = timed.records(GatesSeen)
        (closed,) = (each for each in seen.gates if not each.lets_through)
        assert "waits for the confirmation of a change, which may not last" in closed.observed

    def test_steps_5_and_10_need_no_person(self, stage):
        """A driver loads, enables and disables: no task is handed out, and nobody is asked."""
        script, nobody = DriverScript.of(stage), Absent()
        state = stage.forward(drivers=script.drivers(), operator=nobody)

        assert state.status is RunStatus.CUT_OVER
        assert script.verbs == ["status", "load", "status", "enable", "enable"]
        assert nobody.asked == []
        assert [c for c in stage.intended if isinstance(c, AskOperator)] == []
        assert stage.records(OperatorConfirmed) == []
        assert script.device(OLD_VPN).state == DeviceState(
            TunnelsState.ENABLED, TunnelsState.DISABLED
        )

    def test_a_rollback_enables_the_old_tunnels(self, stage):
        """The driver backs out once the old gateway is attached again."""
        script = DriverScript.of(stage)
        stage.forward(drivers=script.drivers(), operator=Nobody())
        state = stage.back(drivers=script.drivers(), operator=Nobody())

        assert state.status is RunStatus.ROLLED_BACK
        assert script.verbs[-1] == "back-out"
        assert script.device(OLD_VPN).state == LOADED

    def test_a_rollback_that_loses_contact_with_the_device_calls_it_again(self, stage):
        """The old tunnels are enabled after the first call; only the second has initiated them."""
        script = DriverScript.of(stage, {BACK_OUT: [CUT_OFF]})
        stage.forward(drivers=script.drivers(), operator=Nobody())
        state = stage.back(drivers=script.drivers(), operator=Nobody())

        assert state.status is RunStatus.ROLLED_BACK
        assert script.verbs[-3:] == ["back-out", "status", "back-out"]

    def test_another_attempt_finds_the_tunnels_loaded(self, tmp_path):
        """A second attempt reads that the tunnels are loaded, and does not load them again."""
        stage = Stage(tmp_path, decisions=DRIVEN)
        script = DriverScript.of(stage)
        stage.forward(drivers=script.drivers(), operator=Nobody())
        stage.run(
            lambda runner: runner.rollback(keep_new=True),
            drivers=script.drivers(),
            operator=Nobody(),
        )
        stage.forward(drivers=script.drivers(), operator=Nobody())

        assert script.verbs == [
            *("status", "load", "status", "enable", "enable", "back-out"),
            *("status", "status", "enable", "enable"),
        ]

    def test_each_call_has_its_intent_and_its_outcome(self, stage):
        """Every call is in the journal before it begins, and its result after it."""
        stage.forward(drivers=DriverScript.of(stage).drivers(), operator=Nobody())
        called, answered = stage.records(DriverCalled), stage.records(DriverAnswered)

        assert [(c.verb, c.step) for c in called] == [
            *((STATUS, 5), (LOAD, 5), (STATUS, 6), (ENABLE, 10), (ENABLE, 10)),
        ]
        assert [a.reached for a in answered] == [False, True, False, True, True]
        assert [c.confirmation for c in called][2] is None
        assert {c.driver for c in called} == {"command /usr/local/bin/tunnels"}

    def test_the_outage_is_not_longer_than_with_an_engineer(self, tmp_path):
        """While a driver works the run observes on: a slow driver costs its own time alone."""
        by_hand = Stage(tmp_path / "a", decisions=Decisions())
        by_hand.forward(operator=DeviceEngineer(by_hand.world, reaction=timedelta(seconds=18)))
        driver = replace(DRIVEN.drivers["default"], limit=timedelta(seconds=20))
        driven = Stage(tmp_path / "b", decisions=Decisions(drivers={"default": driver}))
        slow_calls = {ENABLE: [DriverFault(DriverFaultKind.SLOW)]}
        driven.forward(drivers=DriverScript.of(driven, slow_calls).drivers(), operator=Nobody())
        (slow,), (quick,) = (s.records(OutageEnded) for s in (by_hand, driven))

        assert quick.lasted <= slow.lasted + timedelta(seconds=18)
        assert any("10: " in wait for wait in driven.lookout.waits_seen)

    def test_without_drivers_the_journal_is_the_engineer_s(self, tmp_path):
        """A plan without drivers writes the same journal, whether drivers could be run or not."""
        plain, able = Stage(tmp_path / "a"), Stage(tmp_path / "b")
        plain.forward()
        able.forward(drivers=DriverScript.of(able).drivers())

        assert plain.entries == able.entries


class TestTrouble:
    def test_lost_contact_with_effect_is_read_and_not_repeated(self, stage):
        """A call whose answer was lost is followed by a look; what it did is not done again."""
        script = DriverScript.of(stage, {ENABLE: [CUT_OFF]})
        state = stage.forward(drivers=script.drivers(), operator=Nobody())

        assert state.status is RunStatus.CUT_OVER
        assert script.verbs == ["status", "load", "status", "enable", "status", "enable"]

    def test_a_failure_before_the_cutover_holds_the_run(self, stage):
        """Without an operator the run holds at step 5, with the reason and the next commands."""
        script = DriverScript.of(stage, {LOAD: [REFUSED]})
        with pytest.raises(HeldError) as held:
            stage.forward(drivers=script.drivers(), operator=Nobody())

        why = "load failed: the device refuses"
        assert f"the driver of {OLD_VPN} gave up: {why}" in str(held.value)
        assert "done" in str(held.value.advice_text)
        assert stage.state.drivers.given_up[OLD_VPN].why == why
        shown = devices_text(device_progress(stage.state, stage.plan))
        assert shown.endswith(f"OPEN (its driver gave up: {why})")

        script.verbs.clear()
        state = stage.forward(drivers=script.drivers(), operator=Nobody())
        assert state.status is RunStatus.CUT_OVER
        assert script.verbs[:2] == ["status", "load"]

    def test_in_the_outage_an_engineer_takes_over(self, stage):
        """A driver that cannot reach the device leaves step 10 to the engineer; the run goes on."""
        script = DriverScript.of(stage, {ENABLE: [NOT_REACHED], STATUS: [None, None, REFUSED]})
        state = stage.forward(drivers=script.drivers(), operator=DeviceEngineer(stage.world))
        (gave_up,) = stage.records(DriverGaveUp)
        tasks = [c.confirmation for c in stage.intended if isinstance(c, AskOperator)]

        assert state.status is RunStatus.CUT_OVER
        assert gave_up.why == "its state cannot be read: the device refuses"
        assert ENABLED in tasks

    def test_a_call_that_never_ends_is_left_to_an_engineer(self, stage):
        """However a driver hangs, step 10 asks an engineer and goes on."""
        script = DriverScript.of(stage)
        inputs = GateInputs("ann", forces=(Force(Gate.DRIVERS, "ann is at the router"),))
        with pytest.raises(HeldError):
            stage.run(until_5, drivers=script.drivers(), operator=Nobody())
        script.occupy("cgw-1", stage.clock.now() + timedelta(days=1))
        state = stage.forward(
            drivers=script.drivers(), operator=DeviceEngineer(stage.world), gate_inputs=inputs
        )

        assert state.status is RunStatus.CUT_OVER
        assert {g.why for g in stage.records(DriverGaveUp)} == {
            "its last call has not ended within its limit"
        }

    def test_a_rollback_waits_for_a_call_in_flight(self, stage):
        """An aborted cutover backs the device out when the call before it has ended."""
        disabling = Confirmation.OLD_TUNNELS_DISABLED

        def abort(entry: Entry) -> None:
            if isinstance(entry.record, DriverCalled) and entry.record.confirmation is disabling:
                stage.letters.append(AbortAsked("ann", "desk"))

        script = DriverScript.of(stage, {ENABLE: [None, DriverFault(DriverFaultKind.SLOW)]})
        with pytest.raises(RolledBackError):
            stage.forward(drivers=script.drivers(), operator=Nobody(), lookout=Lookout(abort))
        (called,) = [c for c in stage.records(DriverCalled) if c.verb is BACK_OUT]

        assert called.confirmation is Confirmation.TUNNELS_RETURNED
        assert script.device(OLD_VPN).state == LOADED
        assert script.device(OLD_VPN).changes == [LOAD, ENABLE, ENABLE, BACK_OUT]

    def test_a_rollback_disables_new_tunnels_although_the_old_ones_are_up(self, stage):
        """AWS shows complete traffic at once, but the device may send into its new tunnels."""

        def abort(entry: Entry) -> None:
            if isinstance(entry.record, DriverCalled) and entry.record.verb is ENABLE:
                stage.letters.append(AbortAsked("ann", "desk"))

        script = DriverScript.of(stage)
        with pytest.raises(RolledBackError):
            stage.forward(drivers=script.drivers(), operator=Nobody(), lookout=Lookout(abort))

        assert script.device(OLD_VPN).changes == [LOAD, ENABLE, BACK_OUT]
        assert script.device(OLD_VPN).state == LOADED


class TestBeforeTheCutover:
    def test_a_driver_that_does_not_answer_closes_a_gate(self, stage):
        """Step 7 does not begin without an answer of each driver; traffic flows as before."""
        script = DriverScript.of(stage, {STATUS: [None, REFUSED]})
        with pytest.raises(HeldError) as held:
            stage.forward(drivers=script.drivers(), operator=Nobody())
        (seen,) = stage.records(GatesSeen)
        closed = [each for each in seen.gates if not each.lets_through]

        assert f"the driver of {OLD_VPN} does not answer: the device refuses" in str(held.value)
        assert [each.gate for each in closed] == [Gate.DRIVERS]
        assert stage.records(OutageEnded) == []

    def test_a_driver_that_hangs_closes_it_after_its_limit(self, stage):
        """The gates wait for a driver as long as its limit, and no longer."""
        script = DriverScript.of(stage)
        with pytest.raises(HeldError):
            stage.run(until_5, drivers=script.drivers(), operator=Nobody())
        before = stage.clock.now()
        script.occupy("cgw-1", before + timedelta(hours=1))
        with pytest.raises(HeldError) as held:
            stage.forward(drivers=script.drivers(), operator=Nobody())

        assert f"the driver of {OLD_VPN} has not answered within its limit" in str(held.value)
        assert stage.clock.now() - before < timedelta(minutes=10)

    def test_the_operator_may_force_it(self, stage):
        """With an engineer ready the gate can be forced, and the driver is tried all the same."""
        script = DriverScript.of(stage, {STATUS: [None, REFUSED]})
        inputs = GateInputs("ann", forces=(Force(Gate.DRIVERS, "ann is at the router"),))
        state = stage.forward(drivers=script.drivers(), operator=Nobody(), gate_inputs=inputs)

        assert state.status is RunStatus.CUT_OVER


class DyingJournal(Postbox):
    """A journal whose process dies at the *last* write, before it is durable or after."""

    def __init__(self, stage: Stage, last: int, *, arrives: bool) -> None:
        super().__init__(stage.clock, stage.entries, stage.letters)
        self._last, self._arrives = last, arrives
        self.written = 0
        self.of_drivers: list[int] = []
        """The writes with records of drivers."""

    def write(self, *records: Record) -> None:
        self.written += 1
        if any(isinstance(record, DriverCalled | DriverAnswered) for record in records):
            self.of_drivers.append(self.written)
        if self.written == self._last and not self._arrives:
            raise Killed("before it was durable")
        super().write(*records)
        if self.written == self._last:
            raise Killed("once it was durable")


@pytest.mark.no_cover
@pytest.mark.parametrize("arrives", [False, True], ids=["lost", "durable"])
def test_killed_at_any_record_the_device_is_changed_as_often(tmp_path, arrives):
    """A process that dies at any record is followed by one that reads, and never loads twice."""
    dusk = Stage(tmp_path, decisions=DRIVEN)
    whole = dusk.branch()
    journal = DyingJournal(whole, 0, arrives=arrives)
    script = DriverScript.of(whole)
    whole.forward(drivers=script.drivers(), operator=Nobody(), journal=journal)
    expected = script.device(OLD_VPN)

    wrong, opened = [], 0
    every = range(1, journal.written + 1) if FULL else journal.of_drivers
    for last in every:
        stage = dusk.branch()
        script = DriverScript.of(stage)
        with pytest.raises(Killed):
            stage.forward(
                drivers=script.drivers(),
                operator=Nobody(),
                journal=DyingJournal(stage, last, arrives=arrives),
            )
        open_call = _is_open(stage)
        script.verbs.clear()
        if not stage.state.finished:
            stage.forward(drivers=script.drivers(), operator=Nobody())
        opened += open_call
        blind = open_call and script.verbs[:1] not in ([], ["status"])
        if script.device(OLD_VPN) != expected or blind:
            wrong.append((last, script.device(OLD_VPN), script.verbs))

    assert wrong == []
    assert opened


def _is_open(stage: Stage) -> bool:
    """Return whether the last call of a driver has no answer in the journal."""
    calls = stage.state.drivers.calls.get(OLD_VPN)
    return calls is not None and calls.outcome is None


def test_the_intents_of_engineers_stay_as_they_are(stage):
    """A task that a person does is still an intent of the run."""
    stage.forward(operator=DeviceEngineer(stage.world))

    assert [r for r in stage.records(Intended) if isinstance(r.change, AskOperator)]
    assert stage.records(DriverCalled) == []


def test_a_runner_waits_for_its_calls(stage):
    """At its end a process waits for a call in flight, and records the result."""
    script = DriverScript.of(stage)

    def hold(runner: Runner) -> None:
        with runner.supervise_drivers():
            runner.apply(until=5)

    with pytest.raises(HeldError):
        stage.run(hold, drivers=script.drivers(), operator=Nobody())
    called, answered = stage.records(DriverCalled), stage.records(DriverAnswered)

    assert len(called) == len(answered)
