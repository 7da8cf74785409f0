"""Rehearsal: the production engine on a sandbox made from the plan's survey.

Only the client differs from a real run.  No session is ever made here and nothing is sent, so there
is nothing through which a real account could be reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec.structs import replace

from vpnmigrate.aws.account import Account
from vpnmigrate.engine.context import ClaimHolder
from vpnmigrate.engine.ports import NoNetworkPaths, NoStopRequest
from vpnmigrate.engine.recorder import evidence_of
from vpnmigrate.engine.runner import Runner, RunPorts
from vpnmigrate.errors import HeldError, VpnMigrateError
from vpnmigrate.journal import replay
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
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.decisions import Approvals
from vpnmigrate.model.ec2 import Attachment, VpnGatewayId
from vpnmigrate.model.plan import GATEWAY_ROLE, Plan
from vpnmigrate.model.progress import Sighting
from vpnmigrate.model.snapshot import Ownership, Reading, snapshot_of
from vpnmigrate.planning.drift import differences
from vpnmigrate.planning.ownership import ownership_of
from vpnmigrate.planning.rollback_proof import RollbackProof, prove
from vpnmigrate.sandbox.client.direct import DirectClients
from vpnmigrate.sandbox.device_engineer import DeviceEngineer
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.scenarios.scenario import scenario_from_survey
from vpnmigrate.steps.route_lookup import RouteComparison, equivalence

BOUNDARIES = range(1, 11)
"""The steps a rollback may begin after: all that apply takes."""


@dataclass(frozen=True)
class RehearsedChange:
    """A change of a rehearsal, with the step that made it."""

    step: int
    what: str


@dataclass(frozen=True)
class RehearsalRun:
    """One run through the sandbox: forward to the end, or back from the end of a step."""

    boundary: int
    """The step after which it turned back; 0 if it went forward to the end."""
    changes: tuple[RehearsedChange, ...]
    """Those on the way back alone, if it turned back."""
    outage: timedelta
    """All the time that traffic was down, before and after turning back."""
    took: timedelta
    restored: timedelta = timedelta(0)
    """From turning back until traffic flowed on the old side; nothing if it never ceased to."""
    failure: str = ""
    differences: tuple[str, ...] = ()
    """How the end differs from the beginning; and what was left behind."""
    routes: tuple[RouteComparison, ...] = ()
    """Every destination of every table with its next hop before and at the end."""
    timings: tuple[StepTiming, ...] = ()
    """The steps that settled, in the order in which they did."""
    cutover: timedelta = timedelta(0)
    """From the beginning of step 7 to the end of step 10, if it went forward to the end."""

    @property
    def good(self) -> bool:
        """Whether it ended as it must."""
        return not self.failure and not self.differences and not self.rerouted

    @property
    def rerouted(self) -> tuple[RouteComparison, ...]:
        """The destinations that had a path before and have another, or none, at the end."""
        return tuple(row for row in self.routes if row.before.leads_somewhere and not row.same)


@dataclass(frozen=True)
class Rehearsal:
    """The way forward, the way back from every step, and what was proven of those in between."""

    forward: RehearsalRun
    back: tuple[RehearsalRun, ...]
    proof: RollbackProof

    @property
    def good(self) -> bool:
        """Whether every passage ended as it must."""
        return self.proof.holds and all(each.good for each in (self.forward, *self.back))


def result_of(rehearsal: Rehearsal, plan: Plan, at: datetime, tool: str) -> RehearsalResult:
    """Return what is kept of the *rehearsal* of *plan*."""
    return RehearsalResult(
        fingerprint=plan.fingerprint,
        at=at,
        tool=tool,
        passed=rehearsal.good,
        cutover=rehearsal.forward.cutover,
        back={rehearsal_run.boundary: rehearsal_run.restored for rehearsal_run in rehearsal.back},
    )


def without_waits(plan: Plan) -> Plan:
    """Return *plan* without what only the hour and people can open: a rehearsal needs neither."""
    free = replace(plan.decisions, window=None, approvals=Approvals(), rehearsed_within=None)
    return replace(plan, decisions=free)


def rehearse(plan: Plan, tell: Callable[[str], None]) -> Rehearsal:
    """Rehearse *plan* in every direction; *tell* hears what is being tried."""
    plan = without_waits(plan)
    tell("forward, steps 1 to 10")
    forward = _forward(plan)
    back = []
    for boundary in BOUNDARIES:
        tell(f"back, from the end of step {boundary}")
        back.append(_back(plan, boundary))
    tell("back and forward, from every state in between")
    return Rehearsal(forward, tuple(back), prove(plan))


def _forward(plan: Plan) -> RehearsalRun:
    with _stage(plan) as stage:
        failure = _tried(stage.runner.apply)
        entries = stage.journal.entries
        return RehearsalRun(
            0,
            _changes(entries),
            down(entries),
            length(entries),
            failure=failure,
            routes=stage.where_it_leads(),
            timings=step_timings(entries),
            cutover=length(since_cutover(entries)),
        )


def _back(plan: Plan, boundary: int) -> RehearsalRun:
    with _stage(plan) as stage:
        failure = _tried(lambda: stage.runner.apply(until=boundary))
        if boundary in replay(stage.journal.entries).settled:
            failure = _tried(stage.runner.rollback)
        entries = stage.journal.entries
        return_leg = since_turning_back(entries)
        return RehearsalRun(
            boundary,
            _changes(return_leg),
            down(entries),
            length(return_leg),
            until_restored(return_leg) or timedelta(0),
            failure,
            stage.what_differs(),
            stage.where_it_leads(),
            step_timings(return_leg),
        )


@dataclass(frozen=True)
class _RehearsalWorld:
    """A world with everything of a run in it."""

    plan: Plan
    account: Account
    journal: MemoryJournal
    runner: Runner

    def what_differs(self) -> tuple[str, ...]:
        """Compare the world with the plan's before, and look for what the run left."""
        now = self.account.survey(self.plan.old_gateway)
        ours = self._owned(self.account.observe(self.plan)).ours
        left = (f"left behind: {resource} ({role})" for role, resource in sorted(ours.items()))
        return (*differences(self.plan.before, now), *left)

    def _owned(self, reading: Reading) -> Ownership:
        evidence = evidence_of(replay(self.journal.entries), self.plan.surveyed)
        return ownership_of(reading, self.plan, evidence)

    def where_it_leads(self) -> tuple[RouteComparison, ...]:
        """Compare every table with the plan's before, whichever gateway is on the VPC now."""
        reading = self.account.observe(self.plan)
        now = {table.id: table for table in reading.tables}
        snapshot = snapshot_of(reading, self._owned(reading))
        ours = VpnGatewayId(snapshot.ours.get(GATEWAY_ROLE, ""))
        on = snapshot.attachment(ours, self.plan.vpc) is Attachment.ATTACHED
        joined = ours if on else self.plan.old_gateway
        return tuple(
            row
            for table in self.plan.before.route_tables
            if table.id in now
            for row in equivalence(table, now[table.id], {self.plan.old_gateway: joined})
        )


@contextmanager
def _stage(plan: Plan) -> Iterator[_RehearsalWorld]:
    clock = VirtualClock(plan.before.taken)
    world = load_world(scenario_from_survey(plan.before), clock)
    journal = MemoryJournal(clock)
    with TemporaryDirectory(prefix="vpnmigrate-rehearsal-") as vault:
        account = Account(DirectClients(world), clock, Vault(Path(vault)))
        ports = RunPorts(
            ec2=account,
            journal=journal,
            operator=DeviceEngineer(world),
            observer=_NullObserver(),
            clock=clock,
            stop_request=NoStopRequest(),
            paths=NoNetworkPaths(),
            claim_holder=ClaimHolder("rehearsal"),
        )
        yield _RehearsalWorld(plan, account, journal, Runner(plan, ports))


class _NullObserver:
    """Watches nothing: the journal has everything."""

    def on_entry(self, entry: Entry) -> None:
        pass

    def on_wait(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        pass

    def on_view(self, sighting: Sighting) -> None:
        pass


def _tried(action: Callable[[], object]) -> str:
    """Go on a journey; give what went wrong, holding at the asked step excepted."""
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
