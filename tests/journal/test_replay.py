"""Replay of journals into run states."""

from __future__ import annotations

from datetime import timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.builders import (
    BOTH,
    MAIN,
    MIGRATION,
    NEW_VPN,
    NOON,
    OLD_VPN,
    PREFIX,
    an_approval,
)
from tests.support.journals import (
    ARCHIVE,
    CREATE,
    JOIN,
    LEAVE,
    OPENED,
    RESTORE,
    STOP,
    Story,
    ask,
    entries,
)
from vpnmigrate.journal import Intent, RunState, Traffic, next_command, replay
from vpnmigrate.journal.chain import chained, genesis
from vpnmigrate.journal.crypto_record import CryptoSeen
from vpnmigrate.journal.record_base import (
    DeviceConfirmed,
    DriverAnswered,
    DriverCalled,
    DriverGaveUp,
)
from vpnmigrate.journal.records import (
    AbortAsked,
    Acceptable,
    Accepted,
    Adopted,
    AdoptionAsked,
    Answered,
    Approved,
    Armed,
    ClockMoved,
    Confirmed,
    ConfirmRequested,
    Continued,
    CredentialsExpired,
    CredentialsRenewed,
    DeadlinePassed,
    DeadlineSet,
    Degraded,
    DirectionTaken,
    ExternalChange,
    Failed,
    FinalizeRequested,
    Finished,
    Flapped,
    Forced,
    GatesSeen,
    Held,
    HookRan,
    Intended,
    Interrupted,
    JournalLost,
    Noted,
    OperatorConfirmed,
    OrderDeclined,
    OrderVerb,
    OutageBegan,
    OutageEnded,
    Paused,
    PlanSigned,
    Probed,
    Record,
    Replanned,
    ResidueLeft,
    StepBegun,
    StepSettled,
    TakenOver,
    TrafficVerified,
    WatchdogMissed,
)
from vpnmigrate.journal.state import RunStatus, StepStatus
from vpnmigrate.journal.state_parts import Residue
from vpnmigrate.journal.timing import step_timings
from vpnmigrate.model.changes import AskOperator, Change, ReplaceRoute
from vpnmigrate.model.changes.base import InDoubt, Later, Performed, Refused
from vpnmigrate.model.decisions import HookMoment
from vpnmigrate.model.device_drivers import (
    DeviceState,
    DriverOutcome,
    DriverResult,
    DriverVerb,
    TunnelsState,
)
from vpnmigrate.model.ec2 import Role, RouteTableId, VpnConnectionId, VpnGatewayId
from vpnmigrate.model.errors.commands import Command, aws
from vpnmigrate.model.gates import Gate, GateResult, GateVerdict, Milestone
from vpnmigrate.model.negotiated import JudgedTunnel, NegotiatedTunnel, NegotiationStatus
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.probes import ProbeEvent, ProbeStats
from vpnmigrate.model.residue import ResidualChange
from vpnmigrate.model.signatures import SignedText
from vpnmigrate.model.snapshot import Baseline, Confirmation, Shortage

CLOSED = GateResult(
    Gate.CLOCK, GateVerdict.UNKNOWN, "AWS's answer has no date", "within 5 min of AWS's"
)
SHORT = Shortage(OLD_VPN, NEW_VPN, "vpn-new has 1 of 2 tunnels UP")
APPROVAL = an_approval()


def test_nothing_written_is_a_planned_run() -> None:
    """A run without a journal is planned, and traffic takes the old path."""
    state = replay(())

    assert state.status is RunStatus.PLANNED
    assert state.traffic is Traffic.OLD
    assert state.direction is None


class TestStatus:
    """Status of the run."""

    @pytest.mark.parametrize(
        ("story", "status"),
        [
            (Story().opened(), RunStatus.PLANNED),
            (Story().opened().set_out().begun(1), RunStatus.PREPARING),
            (Story().staged(), RunStatus.PREPARING),
            (Story().staged().then(Held("staged", 6)), RunStatus.HELD),
            (Story().staged().then(Held("staged", 6)).opened(), RunStatus.HELD),
            (Story().staged().then(Held("staged", 6)).begun(1), RunStatus.PREPARING),
            (Story().staged().cut(), RunStatus.CUTTING_OVER),
            (Story().staged().cut().opened().begun(1), RunStatus.CUTTING_OVER),
            (Story().staged().cut().then(Failed("no", 9, stuck=True)), RunStatus.STUCK),
            (Story().staged().then(Failed("no", 6)), RunStatus.PREPARING),
            (Story().staged().cut().then(Interrupted("SIGINT")), RunStatus.CUTTING_OVER),
            (Story().migrated(), RunStatus.CUT_OVER),
            (Story().migrated().opened().set_out(Direction.ROLLBACK), RunStatus.ROLLING_BACK),
            (Story().migrated().returned(), RunStatus.ROLLED_BACK),
            (Story().migrated().opened().set_out(Direction.FINALIZE), RunStatus.FINALIZING),
            (Story().migrated().finalized(), RunStatus.FINALIZED),
            (Story().migrated().returned().set_out(attempt=2), RunStatus.PREPARING),
        ],
    )
    def test_follows_from_the_records(self, story: Story, status: RunStatus) -> None:
        """The status follows from the last records, without inconsistencies."""
        state = replay(story.entries)

        assert state.status is status
        assert state.contradictions == ()

    def test_a_step_in_the_cutover_makes_it_a_cutover(self) -> None:
        """Once step 7 is begun the run is cutting over, even before a call was sent."""
        assert replay(Story().staged().begun(7).entries).status is RunStatus.CUTTING_OVER

    @pytest.mark.parametrize(
        ("story", "status", "traffic"),
        [
            (Story().staged().cut(), RunStatus.CUTTING_OVER, Traffic.NONE),
            (Story().staged(), RunStatus.PREPARING, Traffic.OLD),
        ],
    )
    def test_an_unfinished_way_back_can_be_turned_round(
        self, story: Story, status: RunStatus, traffic: Traffic
    ) -> None:
        """Going forward again during a rollback is a new attempt; an open outage stays open."""
        story.opened().set_out(Direction.ROLLBACK).begun(7).opened().set_out(attempt=2).begun(1)

        state = replay(story.entries)

        assert (state.status, state.traffic, state.attempt) == (status, traffic, 2)
        assert state.contradictions == ()

    def test_what_does_not_add_up_is_named_and_replayed_on(self) -> None:
        """An invalid transition is listed and makes traffic unknown, but does not fail."""
        story = Story().migrated().finalized().opened().set_out(attempt=2).begun(1)

        state = replay(story.entries)

        assert state.contradictions == ("a run that is finalized became preparing",)
        assert state.traffic is Traffic.UNKNOWN
        assert state.status is RunStatus.PREPARING

    def test_an_answer_to_nothing_is_a_puzzle(self) -> None:
        """An outcome without an intent is inconsistent."""
        state = replay(entries(OPENED, Answered(7, Performed())))

        assert state.contradictions == ("intent 7 has an answer but no record",)


class TestTraffic:
    """Path of traffic."""

    @pytest.mark.parametrize(
        ("story", "traffic"),
        [
            (Story().staged(), Traffic.OLD),
            (Story().staged().begun(7), Traffic.OLD),
            (Story().staged().begun(7).then(OutageBegan(NOON)), Traffic.NONE),
            (Story().staged().cut().begun(10), Traffic.NONE),
            (Story().staged().cut().then(Failed("no", 9, stuck=True)), Traffic.NONE),
            (Story().staged().cut().begun(10).flowing(), Traffic.NEW),
            (Story().migrated(), Traffic.NEW),
            (Story().migrated().set_out(Direction.ROLLBACK).begun(1), Traffic.NEW),
            (
                Story().migrated().set_out(Direction.ROLLBACK).begun(7).then(OutageBegan(NOON)),
                Traffic.NONE,
            ),
            (Story().migrated().returned(), Traffic.OLD),
            (Story().staged().cut().set_out(Direction.ROLLBACK).begun(7), Traffic.NONE),
            (Story().staged().set_out(Direction.ROLLBACK).steps((7, 8, 9)), Traffic.OLD),
            (Story().opened().set_out(Direction.ROLLBACK), Traffic.UNKNOWN),
            (Story().opened().set_out().steps((1, 7, 8)), Traffic.UNKNOWN),
            (Story().opened().set_out().steps((1, 7, 8)).begun(10).flowing(), Traffic.NEW),
        ],
    )
    def test_follows_from_outage_and_direction(self, story: Story, traffic: Traffic) -> None:
        """Traffic follows from the last outage, and is unknown if the journal began too late."""
        assert replay(story.entries).traffic is traffic

    def test_the_outage_lasts_until_traffic_is_seen(self) -> None:
        """An outage is measured from its first call to now, and is fixed once it is over."""
        open_ = replay(Story().staged().cut().entries)
        over = replay(Story().migrated().entries)

        assert open_.outage.open
        assert open_.outage.duration(NOON + timedelta(seconds=40)) == timedelta(seconds=40)
        assert not over.outage.open
        assert over.outage.duration(NOON + timedelta(days=1)) == timedelta(seconds=100)
        assert replay(()).outage.duration(NOON) is None

    def test_turning_round_in_the_outage_does_not_restart_it(self) -> None:
        """An outage that continues in a rollback is measured from its start."""
        story = Story().staged().cut().opened().set_out(Direction.ROLLBACK)
        later = OutageBegan(NOON + timedelta(minutes=9))

        assert replay(story.then(later).entries).outage.since == NOON

    def test_verified_belongs_to_one_cutover(self) -> None:
        """Traffic verified on the new side does not count in a rollback."""
        story = Story().migrated()
        forward = replay(story.entries)
        back = replay(story.opened().set_out(Direction.ROLLBACK).entries)

        assert forward.journal_facts.verified == NOON + timedelta(seconds=100)
        assert back.journal_facts.verified is None

    def test_resuming_keeps_what_was_verified(self) -> None:
        """Resuming the same direction keeps all facts."""
        story = Story().staged().cut().begun(10).flowing().opened().set_out()

        assert replay(story.entries).journal_facts.verified == NOON + timedelta(seconds=100)

    @pytest.mark.parametrize(
        "record",
        [
            TrafficVerified(NOON),
            OutageEnded(NOON, timedelta(seconds=5)),
        ],
    )
    def test_either_record_verifies(self, record: Record) -> None:
        """Traffic that was seen to flow is verified, whether or not an outage went before."""
        state = replay(Story().staged().begun(10).then(record).entries)

        assert state.journal_facts.verified == NOON
        assert state.traffic is Traffic.NEW

    @pytest.mark.parametrize(
        "seen",
        [
            (ResidueLeft(unreached=(PREFIX,)), OutageBegan(NOON)),
            (OutageBegan(NOON), ResidueLeft(unreached=(PREFIX,))),
            (OutageBegan(NOON), TrafficVerified(NOON)),
        ],
    )
    @pytest.mark.parametrize("direction", Direction)
    def test_refusals_do_not_end_an_outage_that_was_seen(
        self, seen: tuple[Record, ...], direction: Direction
    ) -> None:
        """An outage of destinations without a path outlasts refused calls, also of a rollback."""
        story = Story().staged().begun(10).then(*seen).set_out(direction)
        refused = Refused("UnauthorizedOperation", "no", definite=True)

        state = replay(story.intended(7, STOP).answered(refused).entries)

        assert state.outage.open

    def test_a_refusal_ends_an_outage_that_no_reading_has_shown(self) -> None:
        """A process killed between the record and the first call has interrupted nothing."""
        refused = Refused("UnauthorizedOperation", "no", definite=True)
        story = Story().staged().begun(7).then(OutageBegan(NOON)).opened().set_out().begun(1)

        state = replay(story.intended(1, CREATE).answered(refused).entries)

        assert not state.outage.open

    def test_residue_that_is_made_up_for_later_is_verified_later(self) -> None:
        """The rest of the traffic is verified when the outage ends, not with the first part."""
        restored = NOON + timedelta(minutes=3)
        story = Story().staged().begun(10).then(OutageBegan(NOON), TrafficVerified(NOON))

        state = replay(story.then(OutageEnded(restored, timedelta(minutes=3))).entries)

        assert state.journal_facts.verified == restored


class TestAttempts:
    """Facts of one attempt, and facts of all."""

    def test_forward_after_a_rollback_begins_afresh(self) -> None:
        """Confirmations, baseline and done steps belong to one attempt; archived files to all."""
        story = (
            Story()
            .staged()
            .then(OperatorConfirmed(Confirmation.DEVICES_CONFIGURED, "alice", "laptop"))
        )
        story.cut().begun(10).flowing().settled(10).then(Finished(Direction.FORWARD))
        first = replay(story.entries)
        second = replay(story.returned(keep_new=True).opened().set_out(attempt=2).entries)

        assert first.settled == frozenset(range(1, 11))
        assert first.cutover_begun
        assert second.attempt == 2
        assert second.settled == frozenset()
        assert second.journal_facts.confirmations == {}
        assert second.journal_facts.baseline is None
        assert second.journal_facts.files == {NEW_VPN: "a" * 64}
        assert not second.cutover_begun
        assert second.attempt_since == story.entries[-1].at

    def test_intents_of_all_attempts_stay(self) -> None:
        """Calls of an earlier attempt may still take effect, so consistency considers them."""
        story = Story().migrated()
        before = replay(story.entries).intents
        after = replay(story.returned().set_out(attempt=2).entries).intents

        assert before == after
        assert [i.change for i in before][:2] == [CREATE, ARCHIVE]

    def test_the_way_back_keeps_the_baseline(self) -> None:
        """A rollback must restore what worked before step 7."""
        state = replay(Story().staged().cut().opened().set_out(Direction.ROLLBACK).entries)

        assert state.journal_facts.baseline == Baseline(
            NOON, {OLD_VPN: 2}, {MAIN: frozenset({PREFIX}), BOTH: frozenset({PREFIX})}
        )

    def test_only_forward_steps_count_as_settled(self) -> None:
        """Done steps of a rollback and of the clean-up are not forward steps."""
        state = replay(Story().opened().set_out(Direction.ROLLBACK).step(7).entries)
        cleaned = replay(Story().staged().step(3, cleaning=True).entries)

        assert state.settled == frozenset()
        assert state.settled_here == {(7, False)}
        assert cleaned.settled == frozenset(range(1, 7))

    def test_a_new_plan_changes_the_fingerprint_only(self) -> None:
        """A held run that was planned again keeps the resources it created."""
        story = Story().staged()
        before = replay(story.entries)
        after = replay(story.then(Replanned("e" * 64)).entries)

        assert after.fingerprint == "e" * 64
        assert after.settled == before.settled

    def test_keeping_the_new_side_is_remembered(self) -> None:
        """A rollback that keeps the new side keeps it in every process that resumes it."""
        story = Story().migrated().opened().set_out(Direction.ROLLBACK, keep_new=True)

        assert replay(story.opened().begun(7).entries).keep_new


class TestIntents:
    """Intents and their outcomes."""

    def test_an_intent_without_an_answer_is_in_doubt(self) -> None:
        """An intent has no outcome until one is written, and keeps its place and moment."""
        story = Story().opened().set_out().begun(8).intended(8, LEAVE).answered()
        story.intended(8, JOIN)
        at = [entry.at for entry in story.entries]

        assert replay(story.entries).intents == (
            Intent(1, at[3], 8, LEAVE, outcome=Performed("req-1"), answered=at[4]),
            Intent(2, at[5], 8, JOIN),
        )

    @pytest.mark.parametrize(
        ("outcome", "cancelled"),
        [
            (Performed(), False),
            (InDoubt("timed out"), False),
            (Refused("Code", "no"), True),
            (Later("busy", timedelta(minutes=1)), True),
        ],
    )
    def test_only_a_definite_refusal_cancels(
        self, outcome: Performed | InDoubt | Refused | Later, *, cancelled: bool
    ) -> None:
        """A change that certainly had no effect is ignored; a change in doubt is not."""
        state = replay(Story().opened().set_out().intended(7, STOP).answered(outcome).entries)

        assert state.intents[0].cancelled is cancelled
        assert state.seen == ({STOP.fact} if isinstance(outcome, Performed) else frozenset())

    def test_what_was_verified_holds_while_the_old_side_is_deleted(self) -> None:
        """Finalize keeps verified traffic; a rollback must verify traffic again."""
        since = replay(Story().migrated().entries).journal_facts.verified
        finalizing, back = (
            replay(Story().migrated().opened().set_out(direction).entries).journal_facts.verified
            for direction in (Direction.FINALIZE, Direction.ROLLBACK)
        )

        assert since is not None
        assert (finalizing, back) == (since, None)

    def test_retiring_is_no_cutover_of_an_earlier_kind(self) -> None:
        """Before step 7 no change that affects traffic was intended."""
        assert not replay(Story().staged().entries).cutover_begun
        assert replay(Story().staged().begun(7).intended(7, STOP).entries).cutover_begun


class TestWaiting:
    """What a run waits for."""

    def test_a_task_is_waited_for_until_its_word(self) -> None:
        """The run waits for an open operator task until it is confirmed."""
        task = ask(5, Confirmation.DEVICES_CONFIGURED)
        story = Story().opened().set_out().begun(5).intended(5, task)
        waiting = replay(story.entries)
        done = replay(story.then(OperatorConfirmed(task.confirmation, "alice", "laptop")).entries)

        assert waiting.task == task
        assert waiting.waiting_for == "see to step 5"
        assert done.task is None
        assert done.journal_facts.confirmations == {
            Confirmation.DEVICES_CONFIGURED: story.entries[-1].at
        }

    def test_a_held_run_still_names_the_task(self) -> None:
        """A held run shows the task that it waits for."""
        story = (
            Story().opened().set_out().begun(5).intended(5, ask(5, Confirmation.DEVICES_CONFIGURED))
        )

        assert replay(story.then(Held("needs a person", 5)).entries).waiting_for == "see to step 5"

    def test_tunnels_that_carry_traffic_wait_for_nobody(self) -> None:
        """Telemetry shows enabled tunnels; only disabling the old ones needs a confirmation."""
        story = Story().staged().cut().begun(10)
        story.intended(10, ask(10, Confirmation.NEW_TUNNELS_ENABLED)).flowing()
        verified = replay(story.entries)
        disabling = replay(story.intended(10, ask(10, Confirmation.OLD_TUNNELS_DISABLED)).entries)

        assert verified.task is None
        assert disabling.task == ask(10, Confirmation.OLD_TUNNELS_DISABLED)

    def test_work_going_on_clears_what_stopped_it(self) -> None:
        """An error or a hold is shown until work continues."""
        story = Story().staged().then(Failed("throttled for good", 6))
        failed = replay(story.entries)
        reopened = replay(story.opened().entries)
        going_on = replay(story.begun(6).entries)

        assert failed.error == reopened.error == "throttled for good"
        assert (going_on.error, going_on.held) == ("", "")

    def test_steps_tell_where_they_stand(self) -> None:
        """Every step begun is done, in progress, or failed."""
        story = Story().opened().set_out().step(1).begun(2)
        applying = replay(story.entries).steps
        failed = replay(story.then(Failed("no", 2)).entries).steps

        assert applying == {1: StepStatus.SETTLED, 2: StepStatus.APPLYING}
        assert failed == {1: StepStatus.SETTLED, 2: StepStatus.FAILED}

    def test_a_step_that_is_not_verified_yet_is_in_progress(self) -> None:
        """While traffic is down, a step begins before the one before it is verified."""
        story = Story().opened().set_out(Direction.ROLLBACK).step(1).begun(7).begun(8)
        both = replay(story.entries).steps
        verified = replay(story.then(StepSettled(7)).entries).steps

        assert both == {1: StepStatus.SETTLED, 7: StepStatus.APPLYING, 8: StepStatus.APPLYING}
        assert verified == {**both, 7: StepStatus.SETTLED}

    def test_it_took_until_it_was_verified(self) -> None:
        """Each step's time runs from its own begin to its own end."""
        story = Story().opened().set_out(Direction.ROLLBACK).begun(8).begun(9)
        entries = story.then(StepSettled(9), StepSettled(8)).entries
        at = {entry.seq: entry.at - entries[0].at for entry in entries}
        begun = [entry.seq for entry in entries if isinstance(entry.record, StepBegun)]

        timings = step_timings(entries)

        assert at[begun[0]] < at[begun[1]]
        assert [(each.step, each.begun) for each in timings] == [
            (9, at[begun[1]]),
            (8, at[begun[0]]),
        ]


def test_what_others_did_is_named_once() -> None:
    """Losses, external changes and notes are listed once each, in the order they were found."""
    story = (
        Story()
        .staged()
        .then(
            ExternalChange("rtb-1 is gone"),
            StepSettled(9, lost=("rtb-1 is gone",)),
            ExternalChange("rtb-1 is gone"),
            Noted("risk accepted"),
            Finished(Direction.FORWARD, ("rtb-1 is gone", "rtb-2 is gone")),
        )
    )

    state = replay(story.entries)

    assert state.deviations.lost == ("rtb-1 is gone", "rtb-2 is gone")
    assert state.deviations.external_changes == ("rtb-1 is gone",)
    assert state.notes == ("risk accepted",)


CHANGES: dict[int, Change] = {2: CREATE, 7: STOP, 8: LEAVE, 9: RESTORE}
ENDS: tuple[Record | None, ...] = (
    None,  # The process was killed.
    Interrupted("SIGINT"),
    Failed("did not settle", 9, stuck=False),
)


@st.composite
def lives(draw: st.DrawFn) -> tuple[Record, ...]:
    """Draw the journal of a run that is stopped anywhere, resumed, rolled back and tried again."""
    story = Story()
    attempts = draw(st.integers(1, 3))
    for attempt in range(1, attempts + 1):
        story.opened().set_out(attempt=attempt)
        reached = draw(st.integers(1, 10))
        for number in range(1, reached + 1):
            outage = replay(story.entries).outage.open
            story.begun(number)
            if number in {7, 8} and not outage:
                story.then(OutageBegan(NOON))
            if number in CHANGES:
                story.intended(number, CHANGES[number]).answered()
            if draw(st.booleans()):
                end = draw(st.sampled_from(ENDS))
                if replay(story.entries).outage.open and isinstance(end, Failed):
                    end = Failed(end.why, number, stuck=True)
                story.then(*([end] if end else [])).opened().begun(number)
            if number == 10:
                story.flowing()
            story.settled(number)
        if reached == 10:
            story.then(Finished(Direction.FORWARD))
            if draw(st.booleans()):
                return tuple(story.finalized().records)
        elif reached == 6 and draw(st.booleans()):
            story.then(Held("staged", 6))
        back = Story.returned if replay(story.entries).cutover_begun else _walk_back
        back(story)
    return tuple(story.records)


def _walk_back(story: Story) -> None:
    story.opened().set_out(Direction.ROLLBACK).steps((1, 7, 8, 9))
    story.steps((6, 3, 2, 1), cleaning=True).then(Finished(Direction.ROLLBACK))


@given(lives(), st.data())
def test_every_prefix_of_a_life_adds_up(records: tuple[Record, ...], data: st.DataObject) -> None:
    """Wherever a run is killed, its journal is consistent and gives a next command."""
    whole = entries(*records)
    cut = data.draw(st.integers(0, len(whole)))

    state = replay(whole[:cut])

    assert state.contradictions == ()
    assert state.traffic is not Traffic.UNKNOWN or state.direction is None
    command = next_command(state, "mig", [OLD_VPN], alive=False)
    assert bool(command) is (state.status is not RunStatus.FINALIZED)
    assert replay(whole[cut:], state) == replay(whole)


def test_what_green_went_through_is_remembered_until_the_way_is_taken_anew() -> None:
    """Flaps are counted, and a degraded connection is named until its tunnel is back."""
    few = ("vpn-new has 1 of 2 tunnels UP",)
    story = Story().staged().cut().begun(10).flowing()

    assert replay(story.entries).soak_begins == replay(story.entries).journal_facts.verified
    story.then(Degraded(few), Flapped("down"), Flapped("down"))
    assert replay(story.entries).soak_begins is None
    assert (replay(story.entries).shortages.degraded, replay(story.entries).flaps) == (few, 2)
    assert replay(story.then(Degraded()).entries).shortages.degraded == ()
    assert replay(story.then(DirectionTaken(Direction.ROLLBACK, 1)).entries).flaps == 0


def test_negotiated_algorithms_are_kept_until_another_direction_than_finalize() -> None:
    """Finalize reports what the new tunnels have negotiated; a rollback forgets it."""
    seen = CryptoSeen((JudgedTunnel(WEAK_TUNNEL, ("IKE integrity SHA1",)),))
    story = Story().staged().cut().begun(10).flowing().then(seen, Finished(Direction.FORWARD))

    assert replay(story.then(DirectionTaken(Direction.FINALIZE, 1)).entries).crypto == seen
    assert replay(story.then(DirectionTaken(Direction.ROLLBACK, 1)).entries).crypto is None


def test_a_flap_after_the_migration_begins_the_soak_anew() -> None:
    """It does not leave the soak without a beginning, which nothing would give it any more."""
    story = Story().staged().cut().begun(10).flowing().then(Finished(Direction.FORWARD))

    story.then(Flapped("down"))

    assert replay(story.entries).soak_begins == story.entries[-1].at


def test_another_watchdog_gives_the_time_to_confirm_anew():
    """Time without a watchdog does not count; a new watchdog does not roll back at once."""
    story = Story().staged().then(Armed(timedelta(minutes=15), 7, "desk")).cut().begun(10).flowing()
    first = replay(story.entries).confirm.until

    again = replay(story.then(Armed(timedelta(minutes=15), 8, "desk")).entries)

    assert again.confirm.armed is not None
    assert again.confirm.armed.process == 8
    assert first is not None
    assert again.confirm.until == story.entries[-1].at + timedelta(minutes=15) > first


LOST = DriverResult(DriverOutcome.UNCERTAIN, message="lost")
MUNICH, GRAZ = VpnConnectionId("vpn-munich"), VpnConnectionId("vpn-graz")


def test_a_confirmation_is_complete_with_its_last_device():
    """The task stays open until it is done at every device, and a new attempt begins anew."""
    word = Confirmation.DEVICES_CONFIGURED
    task = AskOperator(5, word, "load the candidate")
    story = Story().then(DirectionTaken(Direction.FORWARD, 1)).begun(5).then(Intended(1, 5, task))

    story = story.then(DeviceConfirmed(word, GRAZ, (MUNICH, GRAZ), "ann", "desk"))
    half = replay(story.entries)
    whole = replay(story.then(DeviceConfirmed(word, MUNICH, (MUNICH, GRAZ), "bob", "desk")).entries)

    assert half.task == task
    assert half.devices_done == frozenset({GRAZ})
    assert word not in half.journal_facts.confirmations
    assert word in whole.journal_facts.confirmations
    assert whole.task is None
    again = replay(story.then(DirectionTaken(Direction.FORWARD, 2)).entries)
    assert again.journal_facts.devices == {}


LEFT = ResidualChange(
    ReplaceRoute(RouteTableId("rtb-1"), "10.9.0.0/16", VpnGatewayId("vgw-old")), "denied"
)
GONE = "rtb-1: 10.9.0.0/16 went to vgw-old before and goes to nothing now"


class TestResidue:
    """Changes that a cutover was done without."""

    def test_steps_with_residue_are_done_again(self) -> None:
        """A step that settles while something is left is not done for the next process."""
        story = Story().opened().set_out().begun(8).then(StepSettled(8)).begun(9)
        story.then(ResidueLeft((LEFT,), (GONE,)), StepSettled(9))

        left = replay(story.entries)
        whole = replay(story.then(ResidueLeft(), StepSettled(9)).entries)

        assert (8 in left.settled, 9 in left.settled) == (True, False)
        assert left.residue == Residue((LEFT,), (GONE,))
        assert 9 in whole.settled
        assert whole.residue == Residue()

    @pytest.mark.parametrize("left", [ResidueLeft((LEFT,)), ResidueLeft(unreached=(GONE,))])
    def test_a_rollback_with_residue_keeps_its_cutover_open(self, left: ResidueLeft) -> None:
        """The next rollback runs step 10 again, and only then the clean-up."""
        story = Story().migrated().then(DirectionTaken(Direction.ROLLBACK, 1))
        story.begun(10).then(left, StepSettled(10))

        assert replay(story.entries).cutover_open
        assert not replay(story.then(ResidueLeft(), StepSettled(10)).entries).cutover_open

    def test_another_direction_starts_without_residue(self) -> None:
        """What a cutover was done without says nothing about its rollback."""
        story = Story().opened().set_out().begun(9).then(ResidueLeft((LEFT,), (GONE,)))

        state = replay(story.then(DirectionTaken(Direction.ROLLBACK, 1)).entries)

        assert (state.residue.changes, state.residue.unreached) == ((), ())


WEAK_TUNNEL = NegotiatedTunnel(
    VpnConnectionId("vpn-new"), "203.0.113.1", NegotiationStatus.SHOWN, phase1_integrity="SHA1"
)


def _all_records() -> list[Record]:
    found = Story().migrated().returned(keep_new=True).opened().set_out(attempt=2)
    found.begun(5).intended(5, ask(5, Confirmation.DEVICES_CONFIGURED)).then(
        OperatorConfirmed(Confirmation.DEVICES_CONFIGURED, "bob", "desk"),
        DeviceConfirmed(Confirmation.NEW_TUNNELS_ENABLED, MUNICH, (MUNICH, GRAZ), "bob", "desk"),
        Paused("bob", "desk"),
        Continued("bob", "desk"),
        AbortAsked("bob", "desk"),
        DeadlineSet(NOON, timedelta(minutes=20), "a guess"),
        DeadlinePassed(NOON),
        ConfirmRequested(timedelta(minutes=15)),
        Armed(timedelta(minutes=15), 7, "desk"),
        WatchdogMissed("it is gone"),
        Confirmed("bob", "desk"),
        Acceptable((SHORT,)),
        Accepted(SHORT, "one will do", "bob", "desk"),
        OrderDeclined(OrderVerb.PAUSE, "no", "bob", "desk"),
        Held("for bob", 5),
        Interrupted("SIGTERM"),
        Failed("no", 8, stuck=True),
        Replanned("e" * 64),
        Approved(APPROVAL),
        PlanSigned("f" * 64, "armour"),
        GatesSeen(Milestone.CUTOVER, (CLOSED,)),
        Forced(Milestone.CUTOVER, Gate.CLOCK, "NTP is late", CLOSED.observed, "ann"),
        TakenOver("ann@desk/7"),
        JournalLost(),
        FinalizeRequested(delete_old_gateway=True),
        ExternalChange("x"),
        Adopted(Role("gateway"), "vgw-found"),
        AdoptionAsked("bob", ("vgw-theirs",)),
        Probed(ProbeEvent.BEFORE, (ProbeStats("10.1.0.5:22", 3),)),
        Flapped("vpn-new has 0 of 2 tunnels UP"),
        Degraded(("vpn-new has 1 of 2 tunnels UP",)),
        ResidueLeft((LEFT,), (GONE,)),
        CryptoSeen((JudgedTunnel(WEAK_TUNNEL, ("IKE integrity SHA1",)),)),
        Noted("y"),
        CredentialsExpired("ExpiredToken", ("log in again:", aws("sso", "login"))),
        CredentialsRenewed(),
        ClockMoved(timedelta(hours=-1)),
        DriverCalled(MUNICH, DriverVerb.ENABLE, "command /x", 10, Confirmation.NEW_TUNNELS_ENABLED),
        DriverAnswered(MUNICH, LOST, Confirmation.NEW_TUNNELS_ENABLED),
        DriverGaveUp(MUNICH, Confirmation.NEW_TUNNELS_ENABLED, "lost"),
        HookRan(HookMoment.HELD, "tell", timedelta(seconds=1), fault="failed with exit status 1"),
        DirectionTaken(Direction.FINALIZE, 2),
        Finished(Direction.FINALIZE),
    )
    return found.records


@given(st.lists(st.sampled_from(_all_records()), max_size=40))
def test_any_records_in_any_order_replay(records: list[Record]) -> None:
    """Replay never fails, even on a journal that makes no sense."""
    state = replay(entries(*records))

    assert isinstance(state, RunState)
    assert state.status in RunStatus
    assert isinstance(next_command(state, "mig", [], alive=True), Command | None)


@given(st.lists(st.sampled_from(_all_records()), max_size=40))
def test_a_replay_in_parts_ends_like_a_whole_one(records: list[Record]) -> None:
    """A journal may be replayed at once or entry by entry, also one that makes no sense."""
    whole = entries(*records)
    state = RunState()
    for entry in whole:
        state = replay((entry,), state)

    assert replay(whole) == state


def test_the_stories_use_every_record() -> None:
    """Every record type occurs in a journal of this module, so that replay is tested with it."""
    found = {type(record) for record in _all_records()}

    assert found == set(get_args(Record))


def test_a_hook_that_failed_is_noted_and_no_more() -> None:
    """The result of a hook does not change the status of the run; a failure is noted."""
    held = Story().opened().set_out().then(Held("for bob", 5))
    before = replay(held.entries)
    good = HookRan(HookMoment.HELD, "tell", timedelta(seconds=1))
    bad = HookRan(HookMoment.HELD, "tell", timedelta(seconds=1), fault="failed with exit status 1")

    after = replay(held.then(good, bad).entries)

    assert after.notes == ("the hook of held failed with exit status 1",)
    assert replace(after, notes=()) == before


def test_gates_approvals_and_forces_are_kept() -> None:
    """The state has the last gate results, all approvals and all forced gates."""
    once = GatesSeen(Milestone.CUTOVER, (CLOSED,))
    again = GatesSeen(Milestone.CUTOVER, ())
    forced = Forced(Milestone.CUTOVER, Gate.CLOCK, "NTP is late", CLOSED.observed, "ann")

    state = replay(Story().staged().then(Approved(APPROVAL), once, forced, again).entries)

    assert (state.gates.seen, state.gates.forced, state.approvals.added) == (
        again,
        (forced,),
        (APPROVAL,),
    )
    assert state.status is RunStatus.PREPARING


def test_a_rollback_names_the_attempt_that_follows_it() -> None:
    """Approvals of another attempt have to name the rollback by its place in the journal."""
    story = Story().staged()
    before = chained(story.entries, genesis(MIGRATION)).entries
    rolled = chained(story.then(DirectionTaken(Direction.ROLLBACK, 1)).entries, genesis(MIGRATION))
    (*_, rollback) = rolled.entries
    resumed = story.then(DirectionTaken(Direction.ROLLBACK, 1))
    again = chained(resumed.entries, genesis(MIGRATION)).entries

    assert replay(before).approved_after == ""
    assert replay(rolled.entries).approved_after == f"{rollback.seq}-{rollback.prev[:16]}"
    assert replay(again).approved_after == replay(rolled.entries).approved_after


def test_a_new_plan_starts_without_a_rollback() -> None:
    """The rollback of a former plan does not bind approvals of a new one; its own does."""
    entries_ = Story().staged().then(DirectionTaken(Direction.ROLLBACK, 1))
    renewed = entries_.then(Finished(Direction.ROLLBACK), Replanned("e" * 64))
    state = replay(renewed.entries)

    assert state.approved_after == ""
    assert replay(renewed.then(Replanned("f" * 64)).entries).approved_after != ""


def test_a_signed_approval_replaces_the_same_one() -> None:
    """An approval that is added again with its signature is kept once."""
    signed = SignedText("text", "armour")
    state = replay(Story().staged().then(Approved(APPROVAL), Approved(APPROVAL, signed)).entries)

    assert state.approvals.added == (APPROVAL,)
    assert state.approvals.signed == {APPROVAL.digest: signed}


PAUSED = Paused("bob", "desk")
CONTINUED = Continued("bob", "desk")


@pytest.mark.parametrize(
    ("story", "status", "traffic"),
    [
        (Story(), RunStatus.PLANNED, Traffic.OLD),
        (Story().migrated(), RunStatus.CUT_OVER, Traffic.NEW),
        (Story().migrated().returned(), RunStatus.ROLLED_BACK, Traffic.OLD),
        (Story().migrated().finalized(), RunStatus.FINALIZED, Traffic.NEW),
    ],
)
@pytest.mark.parametrize("order", [PAUSED, AbortAsked("bob", "desk")])
def test_a_process_held_before_it_began_leaves_the_run_as_it_was(
    story: Story, status: RunStatus, traffic: Traffic, order: Record
) -> None:
    """An order before the first direction, or after the last, holds the process and no more."""
    held = replay(story.then(order).opened().then(Held("the run is paused", 0)).entries)
    lifted = replay(story.then(CONTINUED).entries)

    assert (held.status, held.traffic, held.contradictions) == (status, traffic, ())
    assert held.held == "the run is paused"
    assert (lifted.status, lifted.order, lifted.held) == (status, None, "")


def test_a_run_that_an_order_held_says_after_it_that_it_is_to_be_resumed() -> None:
    """The reason of the hold stays visible, with the operator who lifted it."""
    story = Story().staged().then(PAUSED, Held("the run is paused by bob", 6), CONTINUED)

    state = replay(story.entries)

    assert state.status is RunStatus.HELD
    assert state.held == "the run is paused by bob; continued by bob, and to be resumed"


def test_another_reason_to_hold_outlasts_an_order() -> None:
    """A pause of a run that a gate holds does not hide the gate after continue."""
    story = Story().staged().then(Held("the window is closed", 6), PAUSED, CONTINUED)

    assert replay(story.entries).held == "the window is closed"


def test_an_order_ends_with_the_run() -> None:
    """A pause that arrived with the last record of a run has nothing left to hold."""
    *before, last = Story().migrated().records

    assert replay(Story().then(*before, PAUSED, last).entries).order is None


@pytest.mark.parametrize(
    ("finished", "traffic"),
    [
        (Finished(Direction.ROLLBACK), Traffic.OLD),
        (Finished(Direction.ROLLBACK, differs=("a route",)), Traffic.UNKNOWN),
        (Finished(Direction.ROLLBACK, unproven=True), Traffic.UNKNOWN),
    ],
)
def test_a_rollback_that_comes_first_knows_the_traffic_from_its_survey(
    finished: Finished, traffic: Traffic
) -> None:
    """Traffic is unknown to a journal that begins with a rollback, until all is as before."""
    story = Story().opened().set_out(Direction.ROLLBACK).step(1)

    assert replay(story.entries).traffic is Traffic.UNKNOWN
    assert replay(story.then(finished).entries).traffic is traffic


def test_expired_credentials_are_shown_until_aws_accepts_some_or_another_process_begins() -> None:
    """A new process has credentials of its own."""
    expired = CredentialsExpired("ExpiredToken", "log in")
    story = Story().staged().cut().then(expired)

    state = replay(story.entries)

    assert state.expired is not None
    assert (state.expired.since, state.expired.why) == (story.entries[-1].at, "ExpiredToken")
    assert replay(story.then(CredentialsRenewed()).entries).expired is None
    assert replay(Story().staged().cut().then(expired).opened().entries).expired is None


def test_a_driver_s_answer_confirms_the_task_at_its_device() -> None:
    """The last device confirms the task, whether its driver or an engineer did the work."""
    word, both = Confirmation.NEW_TUNNELS_ENABLED, (MUNICH, GRAZ)
    done = DriverResult(DriverOutcome.DONE)
    story = Story().opened().set_out()
    story = story.then(DriverCalled(MUNICH, DriverVerb.ENABLE, "command /x", 10, word))
    not_yet = replay(story.then(DriverAnswered(MUNICH, done, word, both)).entries)
    half = replay(story.then(DriverAnswered(MUNICH, done, word, both, reached=True)).entries)
    whole = replay(story.then(DeviceConfirmed(word, GRAZ, both, "ann", "desk")).entries)

    assert not_yet.journal_facts.devices == {}
    assert half.journal_facts.devices == {word: {MUNICH}}
    assert word not in half.journal_facts.confirmations
    assert word in whole.journal_facts.confirmations


def test_a_call_without_an_answer_stays_uncertain() -> None:
    """Only a state that was read ends the uncertainty; a new call ends a giving up."""
    word = Confirmation.NEW_TUNNELS_ENABLED
    story = Story().opened().set_out()
    story = story.then(DriverCalled(MUNICH, DriverVerb.ENABLE, "command /x", 10, word))
    called = replay(story.entries)
    story = story.then(DriverAnswered(MUNICH, LOST, word)).then(DriverGaveUp(MUNICH, word, "lost"))
    lost = replay(story.entries)
    story = story.then(DriverCalled(MUNICH, DriverVerb.STATUS, "command /x", 10, word))
    looks = replay(story.entries)
    shown = DeviceState(TunnelsState.ENABLED, TunnelsState.ENABLED)
    seen = DriverAnswered(MUNICH, DriverResult(DriverOutcome.DONE, shown), word)
    unclear = DriverAnswered(MUNICH, DriverResult(DriverOutcome.DONE), word)
    without_state = replay(story.then(unclear).entries)
    story = story.then(DriverCalled(MUNICH, DriverVerb.STATUS, "command /x", 10, word))
    looked = replay(story.then(seen).entries)

    assert called.drivers.calls[MUNICH].uncertain
    assert lost.drivers.calls[MUNICH].uncertain
    assert set(lost.drivers.given_up) == {MUNICH}
    assert looks.drivers.given_up == {}
    assert looks.drivers.calls[MUNICH].uncertain
    assert without_state.drivers.calls[MUNICH].uncertain
    assert not looked.drivers.calls[MUNICH].uncertain
