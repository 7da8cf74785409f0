"""Stage for whole runs: the production runner and adapter on a sandbox with a virtual clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from tests.support.builders import MIGRATION, NOON, OLD, a_plan, a_survey, snapshot_by_tag
from vpnmigrate.aws.account import Account
from vpnmigrate.aws.call_threads import CallThreads
from vpnmigrate.aws.session import ClientSource
from vpnmigrate.engine.call_limits import DirectCalls
from vpnmigrate.engine.commit_confirm import CommitConfirm
from vpnmigrate.engine.context import ClaimHolder
from vpnmigrate.engine.gate_runner import GateInputs
from vpnmigrate.engine.ports import (
    Calls,
    Consent,
    DeadlineChoice,
    DeviceDrivers,
    InterruptChoice,
    Interruption,
    Journal,
    Operator,
    OverdueCutover,
    Probes,
    StepPrompt,
)
from vpnmigrate.engine.ports import NetworkPath as HostPath
from vpnmigrate.engine.runner import Runner, RunPorts
from vpnmigrate.engine.traffic_watch import NoProbes
from vpnmigrate.journal import RunState, replay
from vpnmigrate.journal.memory import MemoryJournal
from vpnmigrate.journal.records import Entry, Intended, Record
from vpnmigrate.journal.run_clock import run_clock
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.changes import OperatorTask
from vpnmigrate.model.clock import Clock, VirtualClock
from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.ec2 import Role, VpnGatewayId
from vpnmigrate.model.plan import GATEWAY_ROLE, Plan
from vpnmigrate.model.progress import CutoverView, Sighting, Unreadable
from vpnmigrate.model.proposed_change import ProposedChange, StepChoice
from vpnmigrate.model.snapshot import Confirmation, Snapshot
from vpnmigrate.model.survey import Survey
from vpnmigrate.planning.drift import differences
from vpnmigrate.sandbox.behaviour import Behaviour
from vpnmigrate.sandbox.client.direct import DirectClients
from vpnmigrate.sandbox.device_engineer import DeviceEngineer
from vpnmigrate.sandbox.faults import FaultSource
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.scenarios.scenario import scenario_from_survey

R = TypeVar("R")

OPEN_ROAD = (HostPath("EC2", ("198.51.100.7",), "192.168.1.5"),)


class Nobody:
    """Operator who is not present: a task holds the run."""

    patient = False

    def ask(self, task: OperatorTask) -> Confirmation | None:
        return None

    def announce(self, task: OperatorTask) -> None:
        pass

    def consents(self, to: Interruption) -> Consent | None:
        return Consent.GIVEN

    def owns(self, id_: str, role: Role) -> bool | None:
        return None

    def decide(self, overdue: OverdueCutover | None) -> DeadlineChoice | None:
        return None

    def interrupted(self, choices: Sequence[InterruptChoice]) -> InterruptChoice | None:
        return None

    def choose(self, proposed: ProposedChange | None) -> StepChoice | None:
        return None


class Lookout:
    """Observer that calls *on_entry* for every entry, and keeps what was waited for."""

    def __init__(self, on_entry: Callable[[Entry], None] = lambda _: None) -> None:
        self._on_entry = on_entry
        self.waits_seen: list[str] = []
        self.sights: list[CutoverView] = []
        self.waits_timed: list[tuple[str, timedelta, timedelta]] = []
        self.readings: list[Unreadable | None] = []

    def on_entry(self, entry: Entry) -> None:
        self._on_entry(entry)

    def on_wait(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        self.waits_seen.append(f"{step}: {why}")
        self.waits_timed.append((why, waited, limit))

    def on_view(self, sighting: Sighting) -> None:
        self.sights.append(sighting())

    def on_reading(self, unreadable: Unreadable | None) -> None:
        self.readings.append(unreadable)


class Signal:
    """A request of the operator to stop."""

    reason: str | None = None
    asks = False

    def withdraw(self) -> None:
        self.reason = None


class Roads:
    """Network paths to AWS that do not use the VPN, unless set otherwise."""

    def __init__(self, paths: Sequence[HostPath] = OPEN_ROAD) -> None:
        self._paths = paths

    def read(self) -> Sequence[HostPath]:
        return self._paths


class Postbox(MemoryJournal):
    """A journal whose inbox has *letters* from other terminals."""

    def __init__(self, clock: Clock, entries: Iterable[Entry], letters: list[Record]) -> None:
        super().__init__(clock, entries)
        self._letters = letters

    def fold_inbox(self) -> None:
        while self._letters:
            self.write(self._letters.pop(0))


class Stage:
    """One world and one plan, with the processes that a test starts."""

    def __init__(
        self,
        vault: Path,
        before: Survey | None = None,
        *,
        decisions: Decisions | None = None,
        behaviour: Behaviour | None = None,
        faults: FaultSource | None = None,
        clients_of: Callable[..., ClientSource] = DirectClients,
    ) -> None:
        self.clock = VirtualClock(NOON)
        self.host_of: Callable[[VirtualClock], Clock] = lambda clock: clock
        """Return the clock of the next process's host, which may be wrong."""
        self._clients_of = clients_of
        before = before or a_survey()
        self.world = load_world(scenario_from_survey(before), self.clock, behaviour)
        self._vault = Vault(vault)
        # The plan is made by a client without faults.
        self.plain = self._account(None)
        self.faults = faults
        self.plan: Plan = a_plan(before=self.plain.survey(before.gateway.id), decisions=decisions)
        self.entries: tuple[Entry, ...] = ()
        self._replayed: tuple[tuple[Entry, ...], RunState] = self.entries, RunState()
        self.letters: list[Record] = []
        self.lookout = Lookout()
        self.signal = Signal()

    def _account(self, faults: FaultSource | None, clock: Clock | None = None) -> Account:
        clients = self._clients_of(self.world, faults=faults)
        return Account(clients, clock or self.clock, self._vault)

    def branch(self, *, behaviour: Behaviour | None = None) -> Stage:
        """Return an independent copy of this stage."""
        other = copy(self)
        other.clock = VirtualClock(self.clock.now())
        other.world = self.world.fork(other.clock, behaviour)
        other.plain = other._account(None)
        other.faults, other.letters, other.signal = None, [], Signal()
        return other

    def runner(
        self,
        *,
        operator: Operator | None = None,
        lookout: Lookout | None = None,
        paths: Sequence[HostPath] = OPEN_ROAD,
        holder: str = "ann@desk",
        takes_over_from: str = "",
        journal_lost: bool = False,
        journal: Journal | None = None,
        parallel: int = 1,
        calls: Calls | None = None,
        gate_inputs: GateInputs | None = None,
        probes: Probes | None = None,
        commit: CommitConfirm | None = None,
        adopt: tuple[str, ...] | None = None,
        step_prompt: StepPrompt | None = None,
        drivers: DeviceDrivers | None = None,
    ) -> Runner:
        """Return the runner of a new process on *journal*; by default on the one so far."""
        so_far = () if journal_lost else self.entries
        time = run_clock(self.host_of(self.clock), so_far)
        self.journal: Journal = journal or Postbox(time, so_far, self.letters)
        self.lookout = lookout or Lookout()
        return Runner(
            self.plan,
            RunPorts(
                ec2=self._account(self.faults, time),
                journal=self.journal,
                operator=operator or DeviceEngineer(self.world),
                observer=self.lookout,
                clock=time,
                stop_request=self.signal,
                paths=Roads(paths),
                claim_holder=ClaimHolder(holder, takes_over_from),
                calls=calls or (DirectCalls() if parallel == 1 else CallThreads(parallel)),
                commit=commit,
                journal_lost=journal_lost,
                adopt=adopt,
                gate_inputs=gate_inputs or GateInputs("ann"),
                probes=probes or NoProbes(),
                step_prompt=step_prompt,
                drivers=drivers,
            ),
        )

    def run(self, journey: Callable[[Runner], object], **how: object) -> RunState:
        """Run one process to its end, keep its journal, and return the state after it."""
        runner = self.runner(**how)  # type: ignore[arg-type]
        try:
            journey(runner)
        finally:
            self.entries = tuple(self.journal.entries)
        return self.state

    def forward(self, **how: object) -> RunState:
        """Apply in a new process."""
        return self.run(Runner.apply, **how)

    def back(self, **how: object) -> RunState:
        """Roll back in a new process."""
        return self.run(Runner.rollback, **how)

    @property
    def state(self) -> RunState:
        """The state that the journal replays to."""
        entries, state = self._replayed
        if entries is not self.entries:
            state = replay(self.entries)
            self._replayed = self.entries, state
        return state

    @property
    def calls(self) -> list[str]:
        """Every change intended so far, by class name, operator tasks included."""
        return [type(change).__name__ for change in self.intended]

    @property
    def intended(self) -> list[object]:
        """Every change intended so far."""
        return [e.record.change for e in self.entries if isinstance(e.record, Intended)]

    def records(self, kind: type[R]) -> list[R]:
        """Return the records of one kind, oldest first."""
        return [e.record for e in self.entries if isinstance(e.record, kind)]

    def observe(self) -> Snapshot:
        """Return a snapshot of the world a while later, without delays."""
        self.clock.sleep(timedelta(minutes=10))
        return snapshot_by_tag(self.plain.observe(self.plan), MIGRATION)

    def differences(self) -> tuple[str, ...]:
        """Return the differences of the world from the plan's before-survey."""
        return differences(self.plan.before, self.plain.survey(OLD))

    def do(self, action: str, **params: object) -> dict[str, object]:
        """Call EC2 outside the run."""
        return self.world.execute("ec2", action, params)

    @property
    def new_gateway(self) -> VpnGatewayId:
        """The id of the gateway this run created."""
        found = snapshot_by_tag(self.plain.observe(self.plan), MIGRATION).ours
        return VpnGatewayId(found[GATEWAY_ROLE])


def names(changes: Iterable[object]) -> list[str]:
    """Return the class names of *changes*."""
    return [type(change).__name__ for change in changes]
