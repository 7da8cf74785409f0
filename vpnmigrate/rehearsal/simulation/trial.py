"""Trial: one world, one plan, and processes that are killed and restarted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from vpnmigrate.aws.account import Account
from vpnmigrate.engine.context import ClaimHolder
from vpnmigrate.engine.cutover import GateInputs
from vpnmigrate.engine.ports import Identity, NoNetworkPaths, NoStopRequest
from vpnmigrate.engine.runner import Runner, RunPorts
from vpnmigrate.errors import (
    AwsUnreadableError,
    ClaimedError,
    ExternalChangeError,
    HeldError,
    RolledBackError,
    StepError,
    VpnMigrateError,
)
from vpnmigrate.journal import Hold, RunState
from vpnmigrate.journal.orders import pause_extends_outage
from vpnmigrate.journal.records import Entry, Opened
from vpnmigrate.model.changes import AwsChange
from vpnmigrate.model.changes.base import CallTags, Outcome
from vpnmigrate.model.clock import Clock, VirtualClock
from vpnmigrate.model.ec2 import MigrationId, VpnConnectionId, VpnGatewayId
from vpnmigrate.model.gates import Force, Gate
from vpnmigrate.model.plan import Direction, Plan
from vpnmigrate.model.progress import Sighting
from vpnmigrate.model.snapshot import Reading
from vpnmigrate.model.survey import Survey
from vpnmigrate.planning.planner import plan_from
from vpnmigrate.rehearsal.simulation.clocks import DurationChecker, Hosts, LateClock
from vpnmigrate.rehearsal.simulation.invariants import (
    CLAIMS,
    ActualState,
    InvariantChecker,
    actual_state,
    configuration,
)
from vpnmigrate.rehearsal.simulation.journal import MemoryDisk, MemoryDiskJournal
from vpnmigrate.rehearsal.simulation.schedule import FaultInjector, Schedule, TrialRoute
from vpnmigrate.rehearsal.simulation.tagger import Tagger
from vpnmigrate.rehearsal.simulation.topology import OLD, STOPS_IN_STEP_3, STOPS_PLANNING, Topology
from vpnmigrate.sandbox.behaviour import Behaviour
from vpnmigrate.sandbox.client.direct import DirectClients
from vpnmigrate.sandbox.device_engineer import REACTION, DeviceEngineer
from vpnmigrate.sandbox.faults import Killed
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.scenarios.scenario import scenario_from_survey
from vpnmigrate.sandbox.world import World

START = datetime(2026, 1, 17, 2, 0, tzinfo=UTC)

MIGRATION = MigrationId("mig-20260117-5131ed")

HOLDER = "ann@simulation"

SHIFT = timedelta(hours=8)
"""From one try to set out on a paused run to the next."""

SETTLING = timedelta(minutes=5)
"""Until a gateway that others have made before the run is there."""

TOO_OFTEN = 50
"""Deaths and errors after which a trial is called endless."""

RunAction = Callable[[Runner], object]


@dataclass(frozen=True)
class TrialResult:
    """How a trial ended, as a value."""

    end: frozenset[str]
    """What is configured at the end, with roles for what the run made."""
    error: str = ""
    """What stopped the last process, its class first; empty if the journey was gone to its end."""
    broken: tuple[str, ...] = ()
    """Invariants that did not hold, and what the journal said and was not true."""
    calls: int = 0
    died_at: tuple[int, ...] = ()
    """How many deeds had been sent at each death."""
    fault_count: int = 0
    looks: int = 0
    took: timedelta = timedelta(0)
    outage: timedelta = timedelta(0)
    """The longest time that traffic was announced down in one piece."""
    journal: bytes = b""

    @property
    def deaths(self) -> int:
        """How many processes died."""
        return len(self.died_at)


@dataclass(frozen=True)
class TrialSetting:
    """A topology with the plan that was made of it, for any number of trials."""

    topology: Topology
    plan: Plan

    def world(self) -> World:
        """Make the world afresh."""
        return load_world(
            self.topology.scenario,
            VirtualClock(self.plan.before.taken),
            self.topology.behaviour,
            seed=self.topology.seed,
        )


def setting_of(topology: Topology) -> TrialSetting:
    """Plan the migration of *topology*.

    Raises:
        PreflightError: Planning refuses it.
    """
    clock = VirtualClock(START)
    world = load_world(topology.scenario, clock, topology.behaviour, seed=topology.seed)
    before = _account(world, None, clock).survey(OLD)
    plan = plan_from(
        before,
        topology.decisions,
        "simulated",
        migration=MIGRATION,
        made=START,
        tool="simulation",
    )
    return TrialSetting(topology, plan)


def setting_of_plan(
    plan: Plan,
    behaviour: Behaviour | None = None,
    *,
    seed: int = 0,
    reaction: timedelta = REACTION,
) -> TrialSetting:
    """Return the world that *plan*'s own survey saw, for a simulation of what a user has planned."""
    scenario = scenario_from_survey(plan.before)
    temper = behaviour or Behaviour()
    return TrialSetting(Topology(seed, scenario, temper, plan.decisions, reaction), plan)


def run_trial(setting: TrialSetting, schedule: Schedule) -> TrialResult:
    """Go the way that *schedule* says, from the first process to the last."""
    return _Trial(setting, schedule).go()


def trial_problems(outcome: TrialResult, world: Topology) -> tuple[str, ...]:
    """Return what is wrong with how a trial ended, apart from where."""
    if world.stops == STOPS_PLANNING:
        return ("it was planned, and may not be", *outcome.broken)
    if world.stops == STOPS_IN_STEP_3:
        stopped = "DuplicateIpAddress" in outcome.error or not outcome.error
        return outcome.broken if stopped else (outcome.error, *outcome.broken)
    return (outcome.error, *outcome.broken) if outcome.error else outcome.broken


@dataclass
class _Trial:
    setting: TrialSetting
    schedule: Schedule
    broken: dict[str, None] = field(default_factory=dict)
    looks: int = 0
    outage: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        self.world = self.setting.world()
        self.clock = self.world.clock
        self.injector = FaultInjector(self.schedule, self.clock)
        self.hosts = Hosts(self.schedule.clocks)
        self.time = DurationChecker()
        self.memory_disk = MemoryDisk()
        self.blind = self.turned = self.adopts = False
        self.outranks = ""
        self.tagger = Tagger(self.schedule.taggings, self.setting.plan, self.world)
        if self.schedule.taggings:
            # Not in the survey, and there before anything is created.
            self.world.execute("ec2", "CreateVpnGateway", {"Type": "ipsec.1"})
            self.clock.sleep(SETTLING)
        self.runner: Runner | None = None
        self._seen_at: datetime | None = None
        self._truth = self._look_up()
        self.judge = InvariantChecker(self.setting.plan, self._truth)
        self._judged: object = None

    def go(self) -> TrialResult:
        began = self.clock.now()
        errors = [self._travel(action) for action in self._journeys()]
        took = self.clock.now() - began
        self.clock.sleep(timedelta(hours=1))
        return TrialResult(
            end=configuration(self._look_up()),
            error="; then ".join(filter(None, errors)),
            broken=tuple(self.broken),
            calls=self.injector.calls,
            died_at=tuple(self.injector.died_at),
            fault_count=self.injector.fault_count,
            looks=self.looks,
            took=took,
            outage=self.outage,
            journal=bytes(self.memory_disk.text),
        )

    def _journeys(self) -> Sequence[RunAction]:
        match self.schedule.route:
            case TrialRoute.FORWARD | TrialRoute.REVERSED:
                return (Runner.apply,)
            case TrialRoute.ROUND_TRIP:
                return (Runner.apply, Runner.rollback)
            case TrialRoute.FINALIZE:
                return (Runner.apply, self._finalize)

    def _finalize(self, runner: Runner) -> None:
        """Finalize, unless the operator had to go back."""
        if not self.turned:
            runner.finalize()

    def _travel(self, action: RunAction) -> str:
        """Go on a journey, however many processes it takes; give what stopped it."""
        for _ in range(TOO_OFTEN):
            try:
                self.runner = self._process()
                action(self.runner)
            except Killed:
                self.clock.sleep(self.schedule.restart)
                # What is printed to go on with a run that has turned back is rollback.
                if self.schedule.route is TrialRoute.REVERSED or self._has_turned:
                    action = Runner.rollback
                if self.schedule.memory_lost and not self.blind:
                    self.blind, self.memory_disk = True, MemoryDisk()
            except AwsUnreadableError:
                # Nothing was begun; the operator runs the same command again.
                self.clock.sleep(self.schedule.restart)
            except VpnMigrateError as error:
                again = self._answered(error, action)
                if again is None:
                    return f"{type(error).__name__}: {error.message}"
                action = again
            else:
                if not self._has_left_something:
                    return ""
                # It says how to have cleared away what it cannot prove to have made.
                self.adopts, action = True, Runner.rollback
        return "Endless: no process comes to the end"

    def _answered(self, error: VpnMigrateError, action: RunAction) -> RunAction | None:
        """Do as the operator does; return where the next process goes, or None for nowhere."""
        if self.schedule.taggings and isinstance(error, ClaimedError):
            # The operator knows that nobody else is at work, and takes over.
            self.outranks = error.holder
            return action
        if self.schedule.taggings and isinstance(error, ExternalChangeError) and not self.turned:
            # A claim that was taken off stops the way forward: the operator goes back.
            self.turned = True
            return Runner.rollback
        if self.schedule.taggings and isinstance(error, StepError) and not self.adopts:
            # What an unanswered call made has lost its tags: the operator says whose it is.
            self.adopts = True
            return action
        # What was aborted is cleared away, a pause is sat out.
        if self._was_aborted(error):
            return Runner.rollback
        if self._is(Hold.PAUSED):
            self.clock.sleep(SHIFT)
            return action
        if isinstance(error, HeldError) and (
            self.hosts.was_set or isinstance(error.__cause__, AwsUnreadableError)
        ):
            # It held before the cutover, because a clock was set between the gates and it, or
            # because AWS could not be read for minutes: the same command again.
            self.clock.sleep(self.schedule.restart)
            return action
        return None

    def _was_aborted(self, error: VpnMigrateError) -> bool:
        """Return whether *error* is that somebody's abort has stopped or turned back the run."""
        turned = bool(self.schedule.orders) and isinstance(error, RolledBackError)
        return turned or self._is(Hold.ABORTED)

    @property
    def _has_left_something(self) -> bool:
        """Whether a rollback has left what a person can adopt."""
        back = self.run.direction is Direction.ROLLBACK
        return back and not self.adopts and any("--adopt" in line for line in self.run.lost)

    @property
    def _has_turned(self) -> bool:
        return bool(self.schedule.orders) and self.run.direction is Direction.ROLLBACK

    def _is(self, wish: Hold) -> bool:
        return self.run.order is not None and self.run.order.wish is wish

    def _process(self) -> Runner:
        """Start a process: nothing but the journal's text is left of those before it."""
        plan = self.setting.plan
        world = LateClock(self.world, self.schedule.late, self._rests_until)
        journal = MemoryDiskJournal(
            self.memory_disk, plan.migration, self.hosts.begin(world), self.injector
        )
        account = _account(self.world, self.injector, journal.clock)
        journal.write(
            Opened(plan.migration, plan.fingerprint, "simulation", "ann", 1, "simulation")
        )
        ports = RunPorts(
            ec2=InstrumentedEc2(
                account, self.world, self.injector, self.looked, journal.clock, self._tag
            ),
            journal=journal,
            operator=DeviceEngineer(self.world, self.setting.topology.reaction),
            observer=self,
            clock=journal.clock,
            stop_request=NoStopRequest(),
            paths=NoNetworkPaths(),
            claim_holder=ClaimHolder(HOLDER, self.outranks),
            adopt=self._known() if self.adopts or (self.blind and self.schedule.taggings) else None,
            blind=self.blind,
            gate_inputs=GateInputs(forces=(Force(Gate.CLOCK, "the clock is what is tried"),)),
        )
        return Runner(plan, ports)

    def _tag(self) -> None:
        self.tagger.acts(self.injector.calls)

    def _known(self) -> tuple[str, ...]:
        """Return what the run has made: its operator finds it, whatever became of its tags."""
        return tuple(id_ for ids in self._look_up().roles.values() for id_ in ids)

    def _rests_until(self) -> datetime | None:
        """Return when the pause that the run rests in is lifted; None if it does not rest."""
        rests = self._is(Hold.PAUSED) and not pause_extends_outage(self.run)
        return self.injector.lifts if rests else None

    @property
    def run(self) -> RunState:
        """Where the run stands for the process at work; nowhere before the first."""
        return self.runner.state if self.runner else RunState()

    def looked(self) -> None:
        """Judge the world after a look."""
        self.looks += 1
        self.hosts.mind(self.injector.calls)
        truth = self._look_up()
        # A process without the journal cannot announce again what was announced in it.
        run = self.run
        announced = run.outage_open or (self.blind and run.journal_facts.verified is None)
        judged = (id(truth), announced, run.direction)
        if judged != self._judged:
            self._judged = judged
            self._note(self.judge.check_observation(truth, run.direction, announced=announced))

    def on_entry(self, entry: Entry) -> None:
        """Judge what the journal says (``ports.Observer``)."""
        run = self.run
        self._note(self.time.of_entry(entry, self.clock.now(), run))
        self.outage = max(self.outage, run.outage(entry.at) or timedelta(0))
        if isinstance(entry.record, CLAIMS):
            self._note(self.judge.check_entry(entry, self._look_up(), run))

    def on_wait(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        """Take no notice (``ports.Observer``)."""

    def on_view(self, sighting: Sighting) -> None:
        """Take no notice: the invariants look at the world itself."""

    def _note(self, broken: Iterable[str]) -> None:
        for what in broken:
            self.broken.setdefault(f"{self.clock.now():%H:%M:%S} {what}")

    def _look_up(self) -> ActualState:
        changed = self.world.changed()
        if changed != self._seen_at:
            plan = self.setting.plan
            with self.world.to_be_read() as state:
                self._truth = actual_state(state, plan.vpc, plan.migration)
            self._seen_at = changed
        return self._truth


def _account(world: World, injector: FaultInjector | None, clock: Clock) -> Account:
    return Account(DirectClients(world, faults=injector), clock, NullVault())


class InstrumentedEc2:
    """An account (``ports.Ec2``) whose every look and deed somebody hears of.

    A look in a world that has not changed since the look before, nor for as long as a describe may
    lag, is answered by that one's reading: every call would be answered alike, and takes as long.
    """

    def __init__(
        self,
        account: Account,
        world: World,
        injector: FaultInjector,
        looked: Callable[[], None],
        clock: Clock,
        before: Callable[[], None],
    ) -> None:
        """Look through *account*; *before* is called before every call, *looked* after a look."""
        self._before = before
        self._account = account
        self._world = world
        self._injector = injector
        self._looked = looked
        self._clock = clock
        self._last: Reading | None = None
        self._last_at = world.clock.now()
        """When that was begun, in the world's time; *clock* is the process's."""
        self._took = timedelta(0)

    def identity(self) -> Identity:
        """Return who we are."""
        return self._account.identity()

    def survey(self, gateway: VpnGatewayId) -> Survey:
        """Read widely."""
        return self._account.survey(gateway)

    def observe(self, plan: Plan) -> Reading:
        """Read narrowly, then let the world be judged."""
        self._before()
        begun = self._world.clock.now()
        last = self._last
        if last is not None and self._would_repeat():
            reading = replace(last, begun=self._clock.now())
            self._world.clock.sleep(self._took)
        else:
            reading = self._last = self._account.observe(plan)
            self._took = self._world.clock.now() - begun
        self._last_at = begun
        self._looked()
        return reading

    def perform(self, change: AwsChange, mark: CallTags) -> Outcome:
        """Send *change*, unless the process dies before."""
        self._before()
        self._injector.sends()
        outcome = self._account.perform(change, mark)
        self._injector.sent()
        return outcome

    def _would_repeat(self) -> bool:
        world = self._world
        steady = world.changed() < self._last_at - world.behaviour.read_lag
        return (
            steady
            and self._injector.spares_reads
            and world.rests_until(world.clock.now() + self._took)
        )


class NullVault:
    """A vault that keeps nothing but what the journal keeps of a file: its hash."""

    def keep(self, connection: VpnConnectionId, name: str, text: str) -> str:
        """Return the SHA-256 of *text*."""
        del connection, name
        return hashlib.sha256(text.encode()).hexdigest()
