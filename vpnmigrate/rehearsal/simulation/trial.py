"""Trial: one world, one plan, and processes that are killed and restarted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from vpnmigrate.engine.context import ClaimHolder
from vpnmigrate.engine.gate_runner import GateInputs
from vpnmigrate.engine.ports import NoNetworkPaths, NoStopRequest
from vpnmigrate.engine.runner import Runner, RunPorts
from vpnmigrate.journal import Hold, RunState
from vpnmigrate.journal.orders import pause_extends_outage
from vpnmigrate.journal.records import Entry, GatesSeen, Opened, OrderVerb
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.consistency import CONSISTENCY_DELAY
from vpnmigrate.model.ec2 import MigrationId
from vpnmigrate.model.errors import (
    AwsUnreadableError,
    ChangeRefusedError,
    ClaimedError,
    DidNotSettleError,
    ExternalChangeError,
    HeldError,
    IncompleteRemovalError,
    RefusedError,
    ResidueError,
    RolledBackError,
    StepError,
    UnreliableReadError,
    VpnMigrateError,
)
from vpnmigrate.model.gates import Force, Gate
from vpnmigrate.model.plan import Direction, Plan
from vpnmigrate.model.progress import Sighting, Unreadable
from vpnmigrate.planning.planner import plan_from
from vpnmigrate.rehearsal.simulation.account import InstrumentedEc2, RepeatingParser, account_of
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
from vpnmigrate.rehearsal.simulation.trial_devices import TrialDevices
from vpnmigrate.sandbox.behaviour import Behaviour
from vpnmigrate.sandbox.device_engineer import REACTION
from vpnmigrate.sandbox.faults import Killed
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.scenarios.scenario import scenario_from_survey
from vpnmigrate.sandbox.world import World

START = datetime(2026, 1, 17, 2, 0, tzinfo=UTC)

MIGRATION = MigrationId("mig-20260117-5131ed")

HOLDER = "ann@simulation"

SHIFT = timedelta(hours=8)
"""The time between two tries to start a paused run."""

SETTLING = timedelta(minutes=5)
"""The time until a gateway that others created before the run is available."""

LATELY = 2 * CONSISTENCY_DELAY
"""A run that AWS denies a change ends at most this long after a refusal: a later call may be in
doubt, and other faults and late wake-ups come on top."""

TOO_OFTEN = 50
"""The number of kills and errors after which a trial is endless."""

RunAction = Callable[[Runner], object]


@dataclass(frozen=True)
class TrialResult:
    """The result of a trial."""

    end: frozenset[str]
    """The configuration at the end, with roles in place of the ids that the run created."""
    error: str = ""
    """The error of the last process, its class first; empty if the run finished."""
    broken: tuple[str, ...] = ()
    """Invariants that did not hold, and claims in the journal that were not true."""
    calls: int = 0
    died_at: tuple[int, ...] = ()
    """How many calls had been sent at each kill."""
    fault_count: int = 0
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    """The denials and unknown codes, by operation and kind."""
    looks: int = 0
    took: timedelta = timedelta(0)
    outage: timedelta = timedelta(0)
    """The longest continuous outage that was announced."""
    journal: bytes = b""

    @property
    def deaths(self) -> int:
        """How many processes were killed."""
        return len(self.died_at)


@dataclass(frozen=True)
class TrialSetting:
    """A topology with its plan, for any number of trials."""

    topology: Topology
    plan: Plan

    def world(self) -> World:
        """Return a new world."""
        return load_world(
            self.topology.scenario,
            VirtualClock(self.plan.before.taken),
            self.topology.behaviour,
            seed=self.topology.seed,
        )


def setting_of(topology: Topology) -> TrialSetting:
    """Return *topology* with the plan of its migration.

    Raises:
        PreflightError: Planning refuses it.
    """
    clock = VirtualClock(START)
    world = load_world(topology.scenario, clock, topology.behaviour, seed=topology.seed)
    before = account_of(world, None, clock).survey(OLD)
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
    """Return a setting from *plan*'s own survey, to simulate a user's plan."""
    topology = Topology(
        seed,
        scenario_from_survey(plan.before.rehearsable),
        behaviour or Behaviour(),
        plan.decisions,
        reaction,
    )
    return TrialSetting(topology, plan)


def run_trial(setting: TrialSetting, schedule: Schedule) -> TrialResult:
    """Return the result of a trial with *schedule*."""
    return _Trial(setting, schedule).go()


def trial_problems(outcome: TrialResult, world: Topology) -> tuple[str, ...]:
    """Return what is wrong with the result of a trial, except for its end state."""
    if world.stops == STOPS_PLANNING:
        return ("it was planned, but planning must refuse it", *outcome.broken)
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
        self.injector = FaultInjector(
            self.schedule,
            self.clock,
            frozenset(table.id for table in self.setting.plan.before.route_tables),
            self._outlasts_refusals,
        )
        self.hosts = Hosts(self.schedule.clocks)
        self.time = DurationChecker()
        self.parser = RepeatingParser()
        self.memory_disk = MemoryDisk()
        self.journal_lost = self.turned = self.adopts = False
        self.named: tuple[str, ...] | None = None
        self.takes_over_from = ""
        self.tagger = Tagger(self.schedule.taggings, self.setting.plan, self.world)
        self.devices = TrialDevices(
            self.setting.plan, self.world, self.injector, lambda: self.run, self._note
        )
        if self.schedule.taggings:
            # A gateway that is not in the survey, and exists before the run creates anything.
            self.world.execute("ec2", "CreateVpnGateway", {"Type": "ipsec.1"})
            self.clock.sleep(SETTLING)
        self.runner: Runner | None = None
        self._seen_at: datetime | None = None
        self._state = self._actual_state()
        self.checker = InvariantChecker(self.setting.plan, self._state, self.injector.refusals)
        self._checked: object = None

    def go(self) -> TrialResult:
        began = self.clock.now()
        errors = [self._run(action) for action in self._actions()]
        took = self.clock.now() - began
        self.clock.sleep(timedelta(hours=1))
        self._check_later(done=not any(errors) and not self.setting.topology.stops)
        return TrialResult(
            end=configuration(self._actual_state()),
            error="; then ".join(filter(None, errors)),
            broken=tuple(self.broken),
            calls=self.injector.calls,
            died_at=tuple(self.injector.died_at),
            fault_count=self.injector.fault_count + self.injector.drivers.count,
            refused=self.injector.refused,
            looks=self.looks,
            took=took,
            outage=self.outage,
            journal=bytes(self.memory_disk.text),
        )

    def _check_later(self, *, done: bool) -> None:
        journal = None if self.journal_lost else bytes(self.memory_disk.text)
        if self.devices.check_later(journal, done=done):
            now = self._actual_state()
            self._note(self.checker.check_end(now, self.run.direction, partly=False))

    def _actions(self) -> Sequence[RunAction]:
        match self.schedule.route:
            case TrialRoute.FORWARD | TrialRoute.REVERSED:
                return (Runner.apply,)
            case TrialRoute.ROUND_TRIP:
                return (Runner.apply, Runner.rollback)
            case TrialRoute.FINALIZE:
                return (Runner.apply, self._finalize)

    def _finalize(self, runner: Runner) -> None:
        """Finalize, unless the operator had to roll back."""
        if not self.turned:
            runner.finalize()

    def _run(self, action: RunAction) -> str:
        """Run *action* in as many processes as it needs; return its error, if any."""
        for _ in range(TOO_OFTEN):
            began = self.clock.now()
            try:
                self.runner = self._start_process()
                with self.runner.supervise_drivers():
                    action(self.runner)
            except Killed:
                self.clock.sleep(self.schedule.restart)
                # A run that was rolling back is resumed with rollback.
                if self.schedule.route is TrialRoute.REVERSED or self._was_rolling_back:
                    action = Runner.rollback
                if self.schedule.memory_lost and not self.journal_lost:
                    self.journal_lost, self.memory_disk = True, MemoryDisk()
            except AwsUnreadableError:
                # Nothing was started; the operator runs the same command again.
                self._check_end()
                self.clock.sleep(self.schedule.restart)
            except VpnMigrateError as error:
                self._check_end(error)
                again = self._next_action(error, action)
                if again is None:
                    return f"{type(error).__name__}: {error.message}"
                action = again
            else:
                self._check_end()
                if self._has_left_something:
                    # It advises to adopt the resources that it cannot prove to have created.
                    self.adopts, action = True, Runner.rollback
                elif self.run.residue.changes and self.injector.refusals.has_denied_since(began):
                    action = self._after_refusal(action)
                else:
                    return ""
        return "Endless: no process finishes"

    def _next_action(self, error: VpnMigrateError, action: RunAction) -> RunAction | None:
        """Return what the operator runs next after *error*, or None if the trial ends."""
        if isinstance(error, ResidueError | IncompleteRemovalError) or self._is_denied(error):
            return self._after_refusal(action)
        if self.schedule.taggings and isinstance(error, ClaimedError):
            # The operator knows that no other run is active, and takes over.
            self.takes_over_from = error.holder
            return action
        if self.schedule.taggings and isinstance(error, ExternalChangeError) and not self.turned:
            # A removed claim tag stops the migration: the operator rolls back.
            self.turned = True
            return Runner.rollback
        if (
            self.schedule.taggings
            and isinstance(error, StepError)
            and self._created() != self.named
        ):
            # A resource created by a call with a lost answer has lost its tags: the operator
            # adopts it, and again when that happens to another one.
            self.adopts, self.named = True, self._created()
            return action
        if self.adopts and isinstance(error, RefusedError):
            # AWS does not show a resource yet that the operator names: the command is repeated.
            self.clock.sleep(CONSISTENCY_DELAY)
            return action
        # An aborted run is rolled back; a pause is waited for.
        if self._was_aborted(error):
            return Runner.rollback
        if self._is(Hold.PAUSED):
            self.clock.sleep(SHIFT)
            return action
        if self.devices.have_held(error):
            # A device was out of reach: the operator sees to that, and runs the command again.
            self.clock.sleep(max(self.schedule.restart, timedelta(minutes=1)))
            return action
        unreadable = isinstance(error, UnreliableReadError) or isinstance(
            error.__cause__, AwsUnreadableError
        )
        if isinstance(error, HeldError) and (self.hosts.was_set or unreadable):
            # The run held before the cutover, because a clock was changed after the gates, or
            # because AWS could not be read for minutes: the operator runs the same command again.
            self.clock.sleep(self.schedule.restart)
            return action
        return None

    def _is_denied(self, error: VpnMigrateError) -> bool:
        """Return whether the run ends because AWS has denied a change."""
        ends = isinstance(error, ChangeRefusedError | DidNotSettleError)
        return ends and self.injector.refusals.has_denied_since(self.clock.now() - LATELY)

    def _after_refusal(self, action: RunAction) -> RunAction:
        """Return what the operator runs after AWS did not make a change, and not before it may."""
        match self.run.direction:
            case Direction.FORWARD if self.schedule.denials.rolls_back and not self.turned:
                self.turned = True
                return Runner.rollback
            case Direction.ROLLBACK:
                action = Runner.rollback
            case _:
                pass
        self.clock.sleep(self.injector.refusals.remove_cause())
        return action

    def _check_end(self, error: VpnMigrateError | None = None) -> None:
        """Check the world after a process that was not killed has ended, with *error* if any.

        An operator has to decide about an aborted run, about a claim of another run, and about a
        paused run, whose journal has no outage if it is lost.
        """
        self.devices.check_end()
        aborts = any(order.verb is OrderVerb.ABORT for order in self.schedule.orders)
        paused = self.run.held_by_order and not self.run.outage.open
        claimed = self.schedule.taggings and isinstance(error, ClaimedError)
        if claimed or ((aborts or paused) and isinstance(error, HeldError)):
            return
        now = self._actual_state()
        down = self.devices.are_down(lambda: self.checker.unreached(now))
        if down and not self.run.outage.open:
            return  # A device has restarted, and the run has interrupted nothing.
        partly = isinstance(error, ResidueError)
        self._note(self.checker.check_end(now, self.run.direction, partly=partly))

    def _outlasts_refusals(self) -> bool:
        """Return whether the run has to outlast any refusal that is not definite.

        That is so while traffic is down in the world, and in a clean-up.
        """
        return self.run.cleaning or bool(self.checker.unreached(self._actual_state()))

    def _was_aborted(self, error: VpnMigrateError) -> bool:
        """Return whether *error* reports that an abort stopped the run or rolled it back."""
        rolled_back = bool(self.schedule.orders) and isinstance(error, RolledBackError)
        return rolled_back or self._is(Hold.ABORTED)

    @property
    def _has_left_something(self) -> bool:
        """Whether a rollback has left a resource that the operator can adopt."""
        rolled_back = self.run.direction is Direction.ROLLBACK
        return (
            rolled_back
            and not self.adopts
            and any("--adopt" in line for line in self.run.deviations.lost)
        )

    @property
    def _was_rolling_back(self) -> bool:
        return bool(self.schedule.orders) and self.run.direction is Direction.ROLLBACK

    def _is(self, wish: Hold) -> bool:
        return self.run.order is not None and self.run.order.wish is wish

    def _start_process(self) -> Runner:
        """Return the runner of a new process; only the journal is left of the earlier ones."""
        plan = self.setting.plan
        world = LateClock(self.world, self.schedule.late, self._paused_until)
        journal = MemoryDiskJournal(
            self.memory_disk, plan.migration, self.hosts.begin(world), self.injector
        )
        account = account_of(self.world, self.injector, journal.clock, self.parser)
        journal.write(
            Opened(plan.migration, plan.fingerprint, "simulation", "ann", 1, "simulation")
        )
        adopts = self.adopts or (self.journal_lost and self.schedule.taggings)
        ports = RunPorts(
            ec2=InstrumentedEc2(
                account, self.world, self.injector, self.looked, journal.clock, self._attend
            ),
            journal=journal,
            operator=self.devices.engineer(self.setting.topology.reaction),
            observer=self,
            clock=journal.clock,
            stop_request=NoStopRequest(),
            paths=NoNetworkPaths(),
            claim_holder=ClaimHolder(HOLDER, self.takes_over_from),
            adopt=self._created() if adopts else None,
            journal_lost=self.journal_lost,
            gate_inputs=GateInputs(forces=(Force(Gate.CLOCK, "the clock is under test"),)),
            drivers=self.devices.drivers(),
        )
        return Runner(plan, ports)

    def _attend(self) -> None:
        self.tagger.acts(self.injector.calls)
        self.devices.attend()

    def _created(self) -> tuple[str, ...]:
        """Return what the run has created; the operator finds it even without its tags."""
        return tuple(id_ for ids in self._actual_state().roles.values() for id_ in ids)

    def _paused_until(self) -> datetime | None:
        """Return when the current pause is lifted; None if the run is not paused."""
        paused = self._is(Hold.PAUSED) and not pause_extends_outage(self.run)
        return self.injector.lifts if paused else None

    @property
    def run(self) -> RunState:
        """The state of the run in the current process; empty before the first."""
        return self.runner.state if self.runner else RunState()

    def looked(self) -> None:
        """Check the invariants after an observation."""
        self.looks += 1
        self.hosts.apply_jumps(self.injector.calls)
        state = self._actual_state()
        # A process without the journal cannot announce again an outage announced in it.
        run = self.run
        announced = run.outage.open or (self.journal_lost and run.journal_facts.verified is None)
        announced |= self.devices.are_down(lambda: self.checker.unreached(state))
        checked = (id(state), announced, run.direction, run.residue)
        if checked != self._checked:
            self._checked = checked
            self._note(self.checker.check_observation(state, run, announced=announced))

    def on_entry(self, entry: Entry) -> None:
        """Check the claims of a journal entry (``ports.Observer``)."""
        run = self.run
        self._note(self.time.of_entry(entry, self.clock.now(), run))
        self.outage = max(self.outage, run.outage.duration(entry.at) or timedelta(0))
        if isinstance(entry.record, GatesSeen):
            self.devices.see_gates(entry.record)
        if isinstance(entry.record, CLAIMS):
            self._note(self.checker.check_entry(entry, self._actual_state(), run))

    def on_wait(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        """Ignore a wait (``ports.Observer``)."""

    def on_view(self, sighting: Sighting) -> None:
        """Ignore a view: the invariants check the world itself."""

    def on_reading(self, unreadable: Unreadable | None) -> None:
        """Ignore whether AWS can be read (``ports.Observer``)."""

    def _note(self, broken: Iterable[str]) -> None:
        for what in broken:
            self.broken.setdefault(f"{self.clock.now():%H:%M:%S} {what}")

    def _actual_state(self) -> ActualState:
        changed = self.world.changed()
        if changed != self._seen_at:
            plan = self.setting.plan
            with self.world.to_be_read() as state:
                self._state = actual_state(state, plan.vpc, plan.migration)
            self._seen_at = changed
        return self._state
