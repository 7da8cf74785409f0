"""Rehearsal: the production engine on a sandbox made from the plan's survey.

Only the client differs from a real run.  No session is created and nothing is sent, so a rehearsal
cannot reach a real account.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from msgspec.structs import replace

from vpnmigrate.aws.account import Account
from vpnmigrate.engine.context import ClaimHolder
from vpnmigrate.engine.ports import NoNetworkPaths, NoStopRequest
from vpnmigrate.engine.recorder import evidence_of
from vpnmigrate.engine.runner import Runner, RunPorts
from vpnmigrate.journal import replay
from vpnmigrate.journal.device_work import open_sites
from vpnmigrate.journal.history import made_by
from vpnmigrate.journal.memory import MemoryJournal
from vpnmigrate.journal.records import Entry, Intended
from vpnmigrate.journal.timing import (
    StepTiming,
    down,
    length,
    since_cutover,
    since_turning_back,
    step_timings,
    until_restored,
)
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.ec2 import Attachment, Role, VpnConnectionId, VpnGatewayId
from vpnmigrate.model.errors import HeldError, VpnMigrateError
from vpnmigrate.model.plan import GATEWAY_ROLE, Plan
from vpnmigrate.model.progress import Sighting, Unreadable
from vpnmigrate.model.snapshot import Ownership, Reading, snapshot_of
from vpnmigrate.planning.drift import differences
from vpnmigrate.planning.ownership import ownership_of
from vpnmigrate.planning.rollback_proof import RollbackProof, prove
from vpnmigrate.sandbox.behaviour import Behaviour
from vpnmigrate.sandbox.client.direct import DirectClients
from vpnmigrate.sandbox.device_drivers import SimulatedDrivers
from vpnmigrate.sandbox.device_engineer import REACTION, DeviceEngineer
from vpnmigrate.sandbox.driven_devices import DrivenDevices
from vpnmigrate.sandbox.faults import FaultSource
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.scenarios.scenario import scenario_from_survey
from vpnmigrate.sandbox.site_engineers import SiteEngineers
from vpnmigrate.steps.route_lookup import RouteComparison, equivalence

BOUNDARIES = range(1, 11)
"""The steps after which a rollback may begin: all steps of apply."""

PARTS = len(BOUNDARIES) + 2
"""The parts of a rehearsal: the migration, the rollbacks, and the proof."""


@dataclass(frozen=True)
class RehearsedChange:
    """A change in a rehearsal, with the step that made it."""

    step: int
    what: str


@dataclass(frozen=True)
class RehearsalRun:
    """One run on the sandbox: a full migration, or a rollback from the end of a step."""

    boundary: int
    """The step after which it was rolled back; 0 for a full migration."""
    changes: tuple[RehearsedChange, ...]
    """The changes; of a run that was rolled back, only those of the rollback."""
    outage: timedelta
    """The total time that traffic was down, including that of the rollback."""
    took: timedelta
    restored: timedelta = timedelta(0)
    """From the start of the rollback until traffic flows on the old side; zero without outage."""
    failure: str = ""
    differences: tuple[str, ...] = ()
    """How the end differs from the start, and what was left behind."""
    routes: tuple[RouteComparison, ...] = ()
    """Every destination of every table with its next hop at the start and at the end."""
    timings: tuple[StepTiming, ...] = ()
    """The steps that were done, in order."""
    cutover: timedelta = timedelta(0)
    """From the start of step 7 to the end of step 10, for a full migration."""
    made: Mapping[Role, str] = field(default_factory=dict)
    """The ids of the resources that a full migration has created, by role."""

    @property
    def good(self) -> bool:
        """Whether it ended as required."""
        return not self.failure and not self.differences and not self.rerouted

    @property
    def rerouted(self) -> tuple[RouteComparison, ...]:
        """The destinations with a path at the start that have another one, or none, at the end."""
        return tuple(row for row in self.routes if row.before.leads_somewhere and not row.same)


@dataclass(frozen=True)
class Rehearsal:
    """The migration, the rollback from every step, and the proof for the states in between."""

    forward: RehearsalRun
    back: tuple[RehearsalRun, ...]
    proof: RollbackProof
    driven: tuple[VpnConnectionId, ...] = ()
    """The old connections whose devices a simulated driver has served."""
    by_hand: tuple[VpnConnectionId, ...] = ()
    """Those whose devices a simulated engineer has served."""

    @property
    def good(self) -> bool:
        """Whether every run ended as required and the proof holds."""
        return self.proof.holds and all(each.good for each in (self.forward, *self.back))


def result_of(rehearsal: Rehearsal, plan: Plan, at: datetime, tool: str) -> RehearsalResult:
    """Return the summary of the *rehearsal* of *plan* that is kept."""
    return RehearsalResult(
        fingerprint=plan.fingerprint,
        at=at,
        tool=tool,
        passed=rehearsal.good,
        cutover=rehearsal.forward.cutover,
        back={each.boundary: each.restored for each in rehearsal.back},
        outage=rehearsal.forward.outage,
        back_outage={each.boundary: each.outage for each in rehearsal.back},
        steps={each.step: each.settled - each.begun for each in rehearsal.forward.timings},
    )


def without_restrictions(plan: Plan) -> Plan:
    """Return *plan* without window, approvals and required rehearsal, for a rehearsal."""
    return replace(plan, decisions=plan.decisions.without_restrictions())


def rehearse(plan: Plan, tell: Callable[[str], None]) -> Rehearsal:
    """Rehearse *plan* in every direction; *tell* is called with each progress message."""
    plan = without_restrictions(plan)
    tell("migration, steps 1 to 10")
    forward = _forward(plan)
    back = []
    for boundary in BOUNDARIES:
        tell(f"rollback from the end of step {boundary}")
        back.append(_back(plan, boundary))
    tell("rollback and resume, from every state in between")
    driven = tuple(old for old in plan.old_connections if old not in plan.by_hand)
    return Rehearsal(forward, tuple(back), prove(plan), driven, plan.by_hand)


def _forward(plan: Plan) -> RehearsalRun:
    world = rehearsal_world(plan)
    failure = _failure_of(world.runner.apply)
    entries = world.journal.entries
    return RehearsalRun(
        0,
        _changes(entries),
        down(entries),
        length(entries),
        failure=failure,
        routes=world.compared_routes(),
        timings=step_timings(entries),
        cutover=length(since_cutover(entries)),
        made=made_by(entries),
    )


def _back(plan: Plan, boundary: int) -> RehearsalRun:
    world = rehearsal_world(plan)
    failure = _failure_of(lambda: world.runner.apply(until=boundary))
    if boundary in replay(world.journal.entries).settled:
        failure = _failure_of(world.runner.rollback)
    entries = world.journal.entries
    rollback = since_turning_back(entries)
    return RehearsalRun(
        boundary,
        _changes(rollback),
        down(entries),
        length(rollback),
        until_restored(rollback) or timedelta(0),
        failure,
        world.differences_from_before(),
        world.compared_routes(),
        step_timings(rollback),
    )


@dataclass(frozen=True)
class RehearsalWorld:
    """A sandbox with everything that a run needs."""

    plan: Plan
    account: Account
    journal: MemoryJournal
    runner: Runner
    clock: VirtualClock

    def differences_from_before(self) -> tuple[str, ...]:
        """Return how the sandbox differs from the plan's survey, and what the run left behind."""
        now = self.account.survey(self.plan.old_gateway)
        ours = self._owned(self.account.observe(self.plan)).ours
        left = (f"left behind: {resource} ({role})" for role, resource in sorted(ours.items()))
        return (*differences(self.plan.before, now), *left)

    def _owned(self, reading: Reading) -> Ownership:
        evidence = evidence_of(replay(self.journal.entries), self.plan.surveyed)
        return ownership_of(reading, self.plan, evidence)

    def compared_routes(self) -> tuple[RouteComparison, ...]:
        """Return every table's routes compared with the plan's survey, for either gateway."""
        reading = self.account.observe(self.plan)
        now = {table.id: table for table in reading.tables}
        snapshot = snapshot_of(reading, self._owned(reading))
        ours = VpnGatewayId(snapshot.ours.get(GATEWAY_ROLE, ""))
        attached = snapshot.attachment(ours, self.plan.vpc) is Attachment.ATTACHED
        joined = ours if attached else self.plan.old_gateway
        return tuple(
            row
            for table in self.plan.before.route_tables
            if table.id in now
            for row in equivalence(table, now[table.id], {self.plan.old_gateway: joined})
        )


def rehearsal_world(
    plan: Plan,
    behaviour: Behaviour | None = None,
    *,
    faults: FaultSource | None = None,
    reaction: timedelta = REACTION,
) -> RehearsalWorld:
    """Return a sandbox of *plan*'s survey, with *faults* of calls, and a runner of its migration.

    *reaction* is that of the engineer at the devices without a driver.
    """
    clock = VirtualClock(plan.before.taken)
    world = load_world(scenario_from_survey(plan.before.rehearsable), clock, behaviour)
    journal = MemoryJournal(clock)
    account = Account(DirectClients(world, faults=faults), clock, NullVault())
    operator, drivers = DeviceEngineer(world, reaction), None
    if plan.is_driven:
        devices = DrivenDevices(world, plan.old_connections)
        drivers = SimulatedDrivers(devices)
        operator = SiteEngineers(
            devices, lambda task: open_sites(plan, runner.state, task).people, reaction
        )
    ports = RunPorts(
        ec2=account,
        journal=journal,
        operator=operator,
        observer=_NullObserver(),
        clock=clock,
        stop_request=NoStopRequest(),
        paths=NoNetworkPaths(),
        claim_holder=ClaimHolder("rehearsal"),
        drivers=drivers,
    )
    runner = Runner(plan, ports)
    return RehearsalWorld(plan, account, journal, runner, clock)


class _NullObserver:
    """An observer that does nothing: the journal has everything."""

    def on_entry(self, entry: Entry) -> None:
        pass

    def on_wait(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        pass

    def on_view(self, sighting: Sighting) -> None:
        pass

    def on_reading(self, unreadable: Unreadable | None) -> None:
        pass


def _failure_of(action: Callable[[], object]) -> str:
    """Run *action* and return its error message; a hold at the requested step is no error."""
    try:
        action()
    except HeldError:
        return ""
    except VpnMigrateError as error:
        return error.message
    return ""


def _changes(entries: Sequence[Entry]) -> tuple[RehearsedChange, ...]:
    return tuple(
        RehearsedChange(entry.record.step, str(entry.record.change))
        for entry in entries
        if isinstance(entry.record, Intended)
    )


class NullVault:
    """A vault that stores nothing and returns only the hash that the journal keeps."""

    def keep(self, connection: VpnConnectionId, name: str, text: str) -> str:
        """Return the SHA-256 of *text*."""
        del connection, name
        return hashlib.sha256(text.encode()).hexdigest()
