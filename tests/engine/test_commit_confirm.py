"""Commit-confirm: its preconditions, the watchdog's decisions, and armed runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.engine.test_residue import Deny
from tests.support.builders import NOON, OLD_VPN, VPC, a_plan
from tests.support.stage import OPEN_ROAD, Lookout, Nobody, Stage
from vpnmigrate.engine.commit_confirm import (
    LONGEST_QUIET,
    SILENCE,
    UNARMED,
    CommitConfirm,
    KeepWatching,
    RollBackNow,
    StopWatching,
    WatchdogDecision,
    is_awaited,
    obstacles,
    was_armed,
    watch,
    watchdog_decision,
)
from vpnmigrate.engine.gate_runner import GateInputs
from vpnmigrate.engine.ports import Credentials, Renewal
from vpnmigrate.engine.ports import NetworkPath as HostPath
from vpnmigrate.journal import RunState
from vpnmigrate.journal.exit_code import exit_code, exit_code_of_run
from vpnmigrate.journal.records import (
    Armed,
    Entry,
    Intended,
    OutageBegan,
    StepBegun,
    WatchdogMissed,
)
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.journal.state_parts import ConfirmState
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.decisions import Decisions, DeviceDriver, DriverKind, OldTunnels
from vpnmigrate.model.errors import Exit, HeldError, RefusedError, ResidueError
from vpnmigrate.model.plan import Direction
from vpnmigrate.planning.windows import BY_DEFAULT
from vpnmigrate.sandbox.client.direct import DirectClients

MINUTES = timedelta(minutes=1)
WITHIN = 15 * MINUTES
KEYS = Credentials(Renewal.NEVER_EXPIRES)
TEMPORARY = Renewal.MANUAL
LEAVE = Decisions(old_tunnels=OldTunnels.LEAVE)
ARMED = RunState(confirm=ConfirmState(armed=Armed(WITHIN, 7, "desk")), direction=Direction.FORWARD)
GREEN = replace(ARMED, confirm=replace(ARMED.confirm, since=NOON))


def with_watchdog(state, process):
    """Return *state* with the watchdog *process*."""
    return replace(state, confirm=replace(state.confirm, armed=Armed(WITHIN, process, "desk")))


def watching(state, after, *, named=False, starting=False):
    """Return watchdog 7's decision, *after* a time since noon without journal entries."""
    now = NOON + after
    awaited = is_awaited(named=named, starting=starting, began=NOON, now=now)
    return watch(state, process=7, awaited=awaited, last=NOON, now=now)


class TestWatch:
    @pytest.mark.parametrize(
        ("state", "after", "said"),
        [
            (ARMED, timedelta(0), KeepWatching()),
            (ARMED, LONGEST_QUIET - MINUTES, KeepWatching()),
            (GREEN, WITHIN - timedelta(seconds=1), KeepWatching()),
            (GREEN, WITHIN, RollBackNow(NOON + WITHIN)),
            (GREEN, 40 * WITHIN, RollBackNow(NOON + WITHIN)),
            (RunState(), UNARMED - timedelta(seconds=1), KeepWatching()),
        ],
    )
    def test_rolls_back_when_the_time_has_passed_and_not_before(self, state, after, said):
        """The time counts from the first verified traffic; until then a watchdog only reads."""
        assert said == watching(state, after)

    @pytest.mark.parametrize(
        ("state", "why"),
        [
            (RunState(direction=Direction.FORWARD), "confirmed"),
            (RunState(direction=Direction.ROLLBACK), "is already rolling back"),
            (with_watchdog(GREEN, 8), "process 8 is the watchdog"),
            (ARMED, "not verified"),
        ],
    )
    def test_exits_when_the_run_needs_no_watchdog(self, state, why):
        """Confirmed, rolled back, replaced or idle: each has its own reason."""
        said = watching(state, LONGEST_QUIET)

        assert isinstance(said, StopWatching)
        assert why in said.why

    def test_one_that_takes_over_waits_to_be_written_down(self):
        """A new watchdog runs for a moment before the journal names it instead of the old one."""
        state = with_watchdog(ARMED, 6)

        assert watching(state, timedelta(0)) == KeepWatching()

    def test_one_whose_starter_still_works_waits_to_be_written_down(self):
        """On a busy machine a minute of a sandbox's time is too short to write a line."""
        late = 10 * UNARMED

        assert watching(RunState(), late, starting=True) == KeepWatching()
        assert watching(RunState(), late, starting=True, named=True) != KeepWatching()
        assert watching(BACK, late, starting=True) != KeepWatching()

    def test_one_that_was_armed_leaves_its_post_as_soon_as_it_is_confirmed(self):
        """The next cutover can be armed immediately: no watchdog is running any more."""
        entries = [Entry(1, NOON, Armed(WITHIN, 7, "desk"))]
        confirmed = RunState(direction=Direction.FORWARD)

        said = watching(confirmed, timedelta(seconds=5), named=was_armed(entries, 7, NOON))

        assert isinstance(said, StopWatching)
        assert "confirmed" in said.why
        assert not was_armed(entries, 8, NOON)
        assert not was_armed(entries, 7, NOON + UNARMED)


BACK = RunState(direction=Direction.ROLLBACK)


class TestMove:
    @pytest.mark.parametrize(
        ("state", "at_work", "asked", "quiet", "said"),
        [
            (GREEN, False, False, timedelta(0), WatchdogDecision.TAKE),
            (GREEN, True, False, timedelta(0), WatchdogDecision.ASK),
            (GREEN, True, True, SILENCE - timedelta(seconds=1), WatchdogDecision.WAIT),
            (GREEN, True, True, SILENCE, WatchdogDecision.TAKE),
            (BACK, True, True, timedelta(hours=3), WatchdogDecision.WAIT),
            (BACK, True, True, LONGEST_QUIET, WatchdogDecision.LEAVE),
            (BACK, False, True, timedelta(0), WatchdogDecision.TAKE),
            (replace(BACK, finished=True), False, True, timedelta(0), WatchdogDecision.LEAVE),
            (
                RunState(direction=Direction.FORWARD),
                True,
                True,
                timedelta(0),
                WatchdogDecision.LEAVE,
            ),
        ],
    )
    def test_asks_first_and_takes_over_only_a_stuck_or_dead_process(
        self, state, at_work, asked, quiet, said
    ):
        """A process that rolls back is not interrupted even if it writes little."""
        found = NOON if asked else None

        assert said is watchdog_decision(
            state, at_work=at_work, asked=found, last=NOON, now=NOON + quiet
        )


class TestObstacles:
    def found(self, decisions=LEAVE, paths=OPEN_ROAD, held=KEYS, within=WITHIN):
        plan = a_plan(decisions=decisions)
        return "; ".join(obstacles(plan, paths, held, within, NOON, BY_DEFAULT))

    def test_long_lived_keys_on_an_open_road_will_do(self):
        """Credentials without an expiry are no obstacle."""
        assert self.found() == ""

    def test_the_old_tunnels_have_to_stay_enabled(self):
        """With disabled old tunnels a rollback waits for a person, who may be absent."""
        assert "old_tunnels: leave" in self.found(decisions=Decisions())

    def test_drivers_enable_them_without_a_person(self):
        """With a driver for each device a rollback needs nobody; one device without is named."""
        driver = DeviceDriver(DriverKind.COMMAND, ("/usr/local/bin/tunnels",))

        assert self.found(decisions=Decisions(drivers={"default": driver})) == ""
        some = self.found(decisions=Decisions(drivers={"cgw-other": driver}))
        assert f"an engineer at the devices of {OLD_VPN}" in some

    def test_the_path_to_aws_must_not_be_cut(self):
        """A watchdog that is cut off together with its operator is useless."""
        inside = (HostPath("EC2", ("10.0.0.5",), "192.168.1.5"),)

        assert f"inside {VPC}" in self.found(paths=inside)

    def test_a_path_that_cannot_be_found_out_does_not_pass(self):
        """An unknown path does not pass."""
        assert "is unknown" in self.found(paths=(HostPath("STS", (), ""),))

    @pytest.mark.parametrize(
        ("held", "said"),
        [
            (Credentials(TEMPORARY), "when they expire is unknown"),
            (Credentials(TEMPORARY, NOON + 30 * MINUTES), "the credentials expire at"),
            (Credentials(TEMPORARY, NOON + 56 * MINUTES), ""),
            (Credentials(Renewal.AUTOMATIC, NOON), ""),
        ],
    )
    def test_credentials_have_to_outlast_the_rollback(self, held, said):
        """Cutover, confirmation and rollback must fit; renewed credentials always last."""
        found = self.found(held=held)

        assert said in found
        assert bool(said) == bool(found)

    @pytest.mark.parametrize(
        ("within", "said"),
        [
            (timedelta(seconds=59), "the time to confirm is shorter than 1 min"),
            (timedelta(hours=24, seconds=1), "the time to confirm is longer than 1 d"),
        ],
    )
    def test_a_time_that_makes_no_sense_is_refused(self, within, said):
        """A few seconds are too short to confirm, and a few days too long to protect."""
        assert said in self.found(within=within)


class FakeWatchdog:
    """A watchdog that runs or not, as the test sets it."""

    def __init__(self, *, starts: bool = True, slow: Callable[[], object] = int) -> None:
        self.starts = starts
        self._slow = slow
        """Called twenty times until it watches."""
        self.there = False
        self.started = 0

    def start(self, awake: Callable[[], object]) -> int:
        if not self.starts:
            message = "the cutover does not begin without its watchdog"
            raise RefusedError(message)
        for _ in range(20):
            self._slow()
            awake()
        self.started += 1
        self.there = True
        return 700 + self.started

    def on_duty(self) -> bool:
        return self.there


class HalfAnHour(DirectClients):
    """Clients with credentials that expire at half past noon."""

    def credentials(self) -> Credentials:
        return Credentials(TEMPORARY, NOON + 30 * MINUTES)


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path, decisions=LEAVE)


def committed(watchdog: FakeWatchdog, within: timedelta | None = WITHIN) -> CommitConfirm:
    return CommitConfirm(within, watchdog, "desk")


class TestARun:
    def test_is_armed_in_the_journal_before_step_7_begins(self, stage):
        """The record of the watchdog is durable before the first change that interrupts traffic."""
        state = stage.forward(commit=committed(FakeWatchdog()))

        kinds = [type(e.record) for e in stage.entries]
        seventh = next(i for i, e in enumerate(stage.entries) if e.record == _begun(e, 7))
        assert kinds.index(Armed) < seventh < kinds.index(OutageBegan)
        assert state.confirm.until == state.confirm.since + WITHIN
        assert state.status is RunStatus.CUT_OVER
        assert any("the watchdog process is starting" in w for w in stage.lookout.waits_seen)

    def test_with_residue_a_watcher_reports_the_exit_code_of_the_process(self, stage):
        """The time to confirm runs for the other traffic, and the process has failed.

        Its exit code says that an operator has to act.
        """
        stage.faults = Deny("ReplaceRoute")

        with pytest.raises(ResidueError) as failure:
            stage.forward(commit=committed(FakeWatchdog()))

        assert stage.state.confirm.until is not None
        found = exit_code_of_run(stage.state, stage.entries)
        assert found is exit_code(failure.value, stage.state) is Exit.STUCK

    def test_a_watchdog_that_starts_slowly_is_no_suspension(self, stage):
        """On a busy machine its start takes long in a sandbox's time; the cutover starts then."""
        slow = FakeWatchdog(slow=lambda: stage.clock.sleep(MINUTES))

        state = stage.forward(commit=committed(slow))

        assert state.status is RunStatus.CUT_OVER
        assert not [note for note in state.notes if "was suspended" in note]

    def test_does_not_begin_its_cutover_without_a_watchdog(self, stage):
        """If the watchdog cannot be started, traffic is not interrupted."""
        with pytest.raises(RefusedError, match="without its watchdog"):
            stage.forward(commit=committed(FakeWatchdog(starts=False)))

        assert not stage.records(OutageBegan)
        assert not stage.records(Armed)

    def test_an_impossible_request_is_refused_before_anything_is_done(self, tmp_path):
        """The reason is reported at the start of the run, not when the window has opened."""
        stage = Stage(tmp_path)

        with pytest.raises(RefusedError, match="old_tunnels: leave"):
            stage.forward(commit=committed(FakeWatchdog()))

        assert stage.calls == []

    def test_a_missing_watchdog_is_reported(self, stage):
        """The run continues, because traffic is down, and reports the missing watchdog."""
        watchdog = FakeWatchdog()

        def kill(entry: Entry) -> None:
            if isinstance(entry.record, OutageBegan):
                watchdog.there = False

        state = stage.forward(commit=committed(watchdog), lookout=Lookout(kill))

        assert state.status is RunStatus.CUT_OVER
        assert [missed.why for missed in stage.records(WatchdogMissed)] == [
            "the watchdog process is not running or is suspended"
        ]

    @pytest.mark.parametrize("point", range(1, 8))
    def test_a_dead_process_leaves_it_armed(self, stage, point):
        """After a kill in the cutover, the next process resumes with the same deadline."""
        watchdog = FakeWatchdog()

        with pytest.raises(_KilledError):
            stage.forward(commit=committed(watchdog), lookout=Lookout(_killer(stage, point)))
        state = stage.forward(commit=committed(watchdog, None))

        assert watchdog.started == 1
        assert state.confirm.until is not None

    @pytest.mark.parametrize("point", range(1, 8))
    def test_where_both_died_the_next_process_starts_another_watchdog(self, stage, point):
        """The deadline to confirm stays the same."""
        watchdog = FakeWatchdog()

        with pytest.raises(_KilledError):
            stage.forward(commit=committed(watchdog), lookout=Lookout(_killer(stage, point)))
        watchdog.there = False
        state = stage.forward(commit=committed(watchdog, None))

        assert [armed.process for armed in stage.records(Armed)] == [701, 702]
        assert state.confirm.armed.process == 702
        assert state.confirm.until is not None

    def test_where_no_other_is_to_be_had_the_outage_does_not_wait(self, stage):
        """A resumed cutover continues without a watchdog, and reports it."""
        watchdog = FakeWatchdog()
        with pytest.raises(_KilledError):
            stage.forward(commit=committed(watchdog), lookout=Lookout(_killer(stage, 2)))
        watchdog.there = watchdog.starts = False

        state = stage.forward(commit=committed(watchdog, None))

        assert state.status is RunStatus.CUT_OVER
        assert stage.records(WatchdogMissed)

    def test_a_begun_cutover_cannot_be_committed_after_the_fact(self, stage):
        """It can be armed only before step 7."""
        with pytest.raises(_KilledError):
            stage.forward(lookout=Lookout(_killer(stage, 1)))

        with pytest.raises(RefusedError, match="the cutover has already started"):
            stage.forward(commit=committed(FakeWatchdog()))

    def test_credentials_have_to_last_as_long_as_was_rehearsed(self, tmp_path):
        """A rehearsal gives the expected durations; without one, defaults are used."""
        stage = Stage(tmp_path, decisions=LEAVE, clients_of=HalfAnHour)
        rehearsed = RehearsalResult(
            fingerprint=stage.plan.fingerprint,
            at=NOON,
            tool="test",
            passed=True,
            cutover=2 * MINUTES,
            back={9: 4 * MINUTES},
        )
        with pytest.raises(RefusedError, match="the credentials expire at"):
            stage.forward(commit=committed(FakeWatchdog()))

        state = stage.forward(
            commit=committed(FakeWatchdog()), gate_inputs=GateInputs("ann", rehearsed)
        )

        assert state.confirm.armed is not None

    def test_a_request_survives_its_process(self, stage):
        """If the run is held for an operator task, the resuming process arms it."""
        watchdog = FakeWatchdog()
        with pytest.raises(HeldError):
            stage.forward(operator=Nobody(), commit=committed(watchdog))

        state = stage.forward(commit=committed(watchdog, None))

        assert state.confirm.armed is not None
        assert state.confirm.armed.within == WITHIN

    def test_a_request_can_be_withdrawn(self, stage):
        """With ``off`` there is no automatic rollback."""
        watchdog = FakeWatchdog()
        with pytest.raises(HeldError):
            stage.forward(operator=Nobody(), commit=committed(watchdog))

        state = stage.forward(commit=committed(watchdog, timedelta(0)))

        assert state.confirm.armed is None
        assert watchdog.started == 0

    def test_a_rollback_disarms_it(self, stage):
        """A rollback ends the wait for a confirmation."""
        stage.forward(commit=committed(FakeWatchdog()))

        state = stage.back()

        assert state.confirm.armed is None
        assert state.confirm.until is None


class _KilledError(BaseException):
    """Stands for SIGKILL: the program cannot catch it."""


def _killer(stage: Stage, point: int):
    """Return a callback that kills the process after the cutover's intent number *point*."""

    def on_entry(entry: Entry) -> None:
        cut = [
            e
            for e in stage.journal.entries
            if isinstance(e.record, Intended) and e.record.step >= 7
        ]
        if isinstance(entry.record, Intended) and len(cut) >= point:
            raise _KilledError

    return on_entry


def _begun(entry: Entry, step: int) -> object:
    record = entry.record
    return record if isinstance(record, StepBegun) and record.number == step else None
