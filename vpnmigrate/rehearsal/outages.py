"""Outages: how long they last when runs begin at once, and when calls are lost or refused.

Nothing but the fault's own time may be added: no change of steps 7 to 10 waits until a reading
cannot be stale (docs/decisions/0034-belief-delays-verdicts-only.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from vpnmigrate.engine.runner import Runner
from vpnmigrate.errors import HeldError
from vpnmigrate.journal import replay
from vpnmigrate.journal.records import OutageEnded
from vpnmigrate.model.plan import FIRST_OF_CUTOVER, LAST_OF_CUTOVER, Plan
from vpnmigrate.rehearsal.rehearse import RehearsalWorld, rehearsal_world, without_restrictions
from vpnmigrate.sandbox.behaviour import Behaviour
from vpnmigrate.sandbox.device_engineer import REACTION
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults

RunAction = Callable[[Runner], object]

WAITS = tuple(timedelta(seconds=seconds) for seconds in (0, 10, 60, 300))
"""After these times the run begins; after the longest, no reading can be stale."""

LOST_CALLS = 3
"""How many calls of each operation are lost."""

OPERATIONS = (
    "DisableVgwRoutePropagation",
    "DetachVpnGateway",
    "AttachVpnGateway",
    "EnableVgwRoutePropagation",
    "ReplaceRoute",
)
"""The operations of steps 7 to 9 that most plans use."""


@dataclass(frozen=True)
class OutageMeasurement:
    """The outage of one run, beside that of the same run undisturbed."""

    run: str
    wait: timedelta
    """Time between the end of the step and the start of the run."""
    lost: str
    """The operation of which calls were answered 503 without being carried out; "" for none."""
    outage: timedelta
    unavoidable: timedelta

    @property
    def allowed(self) -> timedelta:
        """The unavoidable time and a twentieth, and a second for each lost call."""
        return 1.05 * self.unavoidable + timedelta(seconds=1) * LOST_CALLS * bool(self.lost)

    @property
    def good(self) -> bool:
        """Whether the outage is no longer than allowed."""
        return self.outage <= self.allowed


def measure_outages(
    plan: Plan, behaviour: Behaviour | None = None, reaction: timedelta = REACTION
) -> Iterator[OutageMeasurement]:
    """Yield the outages of the cutover, and of both ways on from each step of it."""
    sandbox = _Sandbox(without_restrictions(plan), behaviour or Behaviour(), reaction)
    yield from sandbox.measured("cutover", FIRST_OF_CUTOVER - 1, Runner.apply)
    for step in range(FIRST_OF_CUTOVER, LAST_OF_CUTOVER):
        yield from sandbox.measured(f"resume after step {step}", step, Runner.apply)
    for step in range(FIRST_OF_CUTOVER, LAST_OF_CUTOVER + 1):
        yield from sandbox.measured(f"rollback after step {step}", step, Runner.rollback)


@dataclass(frozen=True)
class _Sandbox:
    plan: Plan
    behaviour: Behaviour
    reaction: timedelta

    def measured(self, name: str, step: int, go: RunAction) -> Iterator[OutageMeasurement]:
        """Yield the outages of *go* after *step*, after each wait, and with lost calls."""
        unavoidable = self._outage(step, go, WAITS[-1], "")
        for wait in WAITS:
            yield OutageMeasurement(name, wait, "", self._outage(step, go, wait, ""), unavoidable)
        for lost in OPERATIONS:
            outage = self._outage(step, go, WAITS[0], lost)
            yield OutageMeasurement(name, WAITS[0], lost, outage, unavoidable)

    def _outage(self, step: int, go: RunAction, wait: timedelta, lost: str) -> timedelta:
        """Return how long traffic is down in *go*, begun *wait* after *step*."""
        faults = _LaterFaults()
        with rehearsal_world(
            self.plan, self.behaviour, faults=faults, reaction=self.reaction
        ) as world:
            _apply_until(world, step)
            world.clock.sleep(wait)
            began, open_before = world.clock.now(), replay(world.journal.entries).outage.open
            if lost:
                faults.begin(lost)
            go(world.runner)
            ended = [e.record for e in world.journal.entries if isinstance(e.record, OutageEnded)]
        return ended[-1].at - began if open_before else ended[-1].lasted


def _apply_until(world: RehearsalWorld, step: int) -> None:
    try:
        world.runner.apply(until=step)
    except HeldError:
        return


class _LaterFaults:
    """Faults (``faults.FaultSource``) of one operation, from its next call on."""

    def __init__(self) -> None:
        self._faults = Faults()
        self._calls: dict[str, int] = {}

    def begin(self, operation: str) -> None:
        """Answer the next calls of *operation* with status 503."""
        nth = self._calls.get(operation, 0) + 1
        self._faults = Faults([Fault(operation, FaultKind.UNAVAILABLE, nth, LOST_CALLS)])

    def before(self, service: str, action: str, nth: int) -> None:
        """Raise a fault that occurs before the call takes effect."""
        self._calls[action] = nth
        self._faults.before(service, action, nth)

    def after(self, service: str, action: str, nth: int) -> None:
        """Raise a fault that occurs after the call took effect."""
        self._faults.after(service, action, nth)
