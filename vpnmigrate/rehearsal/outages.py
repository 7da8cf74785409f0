"""Outages: how long they last when runs begin at once, and when calls are lost or refused.

A fault may add only its own time: no change of steps 7 to 10 waits until a reading cannot be stale
(docs/decisions/0034-belief-delays-verdicts-only.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from vpnmigrate.engine.runner import Runner
from vpnmigrate.journal import replay
from vpnmigrate.journal.records import OutageEnded
from vpnmigrate.model.errors import HeldError
from vpnmigrate.model.plan import FIRST_OF_CUTOVER, LAST_OF_CUTOVER, Plan
from vpnmigrate.rehearsal.rehearse import RehearsalWorld, rehearsal_world, without_restrictions
from vpnmigrate.sandbox.behaviour import Behaviour
from vpnmigrate.sandbox.device_engineer import REACTION
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults

RunAction = Callable[[Runner], object]

WAITS = tuple(timedelta(seconds=seconds) for seconds in (0, 10, 60, 300))
"""After these times the run begins; after the longest, no reading can be stale."""

FAILED_CALLS = 3
"""How many calls of one operation fail, one after another."""

OPERATIONS = (
    "DisableVgwRoutePropagation",
    "DetachVpnGateway",
    "AttachVpnGateway",
    "EnableVgwRoutePropagation",
    "ReplaceRoute",
    "AssociateRouteTable",
    "DisassociateRouteTable",
)
"""The operations of steps 7 to 9."""


class CallLoss(StrEnum):
    """What happens to a call that fails."""

    UNAVAILABLE = "answered 503"
    """Not carried out, although the answer leaves that open."""
    REFUSED = "refused"
    """Not carried out, because the resource is being modified."""
    LOST = "answer lost"
    """Carried out."""


@dataclass(frozen=True)
class FailedCalls:
    """Calls of one operation that fail, and how."""

    operation: str
    how: CallLoss

    def __str__(self) -> str:
        return f"{self.operation} {self.how}"

    def faults(self, nth: int) -> Faults:
        """Return the faults of these calls, from the *nth* call of the operation on."""
        kind, code, message = {
            CallLoss.UNAVAILABLE: (FaultKind.UNAVAILABLE, "", ""),
            CallLoss.REFUSED: (FaultKind.REFUSED, *_BEING_MODIFIED),
            CallLoss.LOST: (FaultKind.LOST_ANSWER, "", ""),
        }[self.how]
        return Faults([Fault(self.operation, kind, nth, FAILED_CALLS, code, message)])


_BEING_MODIFIED = ("IncorrectState", "The resource is being modified")


@dataclass(frozen=True)
class OutageMeasurement:
    """The outage of one run, beside that of the same run undisturbed."""

    run: str
    wait: timedelta
    """Time between the end of the step and the start of the run."""
    failed: FailedCalls | None
    outage: timedelta
    unavoidable: timedelta

    @property
    def ratio(self) -> float:
        """The outage, divided by the unavoidable one; 1 if there is none."""
        return self.outage / self.unavoidable if self.unavoidable else 1.0

    @property
    def allowed(self) -> timedelta:
        """The unavoidable time and a twentieth, and a second for each failed call."""
        more = FAILED_CALLS if self.failed else 0
        return 1.05 * self.unavoidable + timedelta(seconds=more)

    @property
    def good(self) -> bool:
        """Whether the outage is no longer than allowed."""
        return self.outage <= self.allowed


def measure_outages(
    plan: Plan,
    behaviour: Behaviour | None = None,
    reaction: timedelta = REACTION,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[OutageMeasurement]:
    """Yield the outages of the cutover, and of resuming it and rolling it back after each step.

    *plan* is one whose rehearsal ends as required; *tell* is called with each progress message.
    """
    sandbox = _Sandbox(without_restrictions(plan), behaviour or Behaviour(), reaction)
    runs: list[tuple[str, int, RunAction]] = [
        ("cutover", FIRST_OF_CUTOVER - 1, Runner.apply),
        *(
            (f"resume after step {step}", step, Runner.apply)
            for step in range(FIRST_OF_CUTOVER, LAST_OF_CUTOVER)
        ),
        *(
            (f"rollback after step {step}", step, Runner.rollback)
            for step in range(FIRST_OF_CUTOVER, LAST_OF_CUTOVER + 1)
        ),
    ]
    for name, step, go in runs:
        tell(f"outages of: {name}")
        yield from sandbox.measured(name, step, go)


@dataclass(frozen=True)
class _Sandbox:
    plan: Plan
    behaviour: Behaviour
    reaction: timedelta

    def measured(self, name: str, step: int, go: RunAction) -> Iterator[OutageMeasurement]:
        """Yield the outages of *go* after *step*, after each wait, and with calls that fail.

        A run that makes no call of an operation has no outage with such calls.
        """
        outages = [self._outage(step, go, wait, _LaterFaults()) for wait in WAITS]
        unavoidable = outages[-1]
        for wait, outage in zip(WAITS, outages, strict=True):
            yield OutageMeasurement(name, wait, None, outage, unavoidable)
        for operation in OPERATIONS:
            for how in CallLoss:
                failed = FailedCalls(operation, how)
                faults = _LaterFaults(failed)
                outage = self._outage(step, go, WAITS[0], faults)
                if not faults.called:
                    break
                yield OutageMeasurement(name, WAITS[0], failed, outage, unavoidable)

    def _outage(self, step: int, go: RunAction, wait: timedelta, faults: _LaterFaults) -> timedelta:
        """Return how long traffic is down in *go*, begun *wait* after *step*."""
        world = rehearsal_world(self.plan, self.behaviour, faults=faults, reaction=self.reaction)
        _apply_until(world, step)
        world.clock.sleep(wait)
        began, open_before = world.clock.now(), replay(world.journal.entries).outage.open
        faults.begin()
        go(world.runner)
        ended = [e.record for e in world.journal.entries if isinstance(e.record, OutageEnded)]
        if not ended:
            return timedelta(0)  # Nothing was interrupted before this step.
        return ended[-1].at - began if open_before else ended[-1].lasted


def _apply_until(world: RehearsalWorld, step: int) -> None:
    try:
        world.runner.apply(until=step)
    except HeldError:
        return


class _LaterFaults:
    """Faults (``faults.FaultSource``) of the calls that *failed*, from the next call on."""

    def __init__(self, failed: FailedCalls | None = None) -> None:
        self._failed = failed
        self._faults = Faults()
        self._calls = 0
        self._before = 0

    def begin(self) -> None:
        """Apply the faults to the next calls."""
        self._before = self._calls
        if self._failed is not None:
            self._faults = self._failed.faults(self._calls + 1)

    @property
    def called(self) -> bool:
        """Whether a call was to fail."""
        return self._calls > self._before

    def before(self, service: str, action: str, nth: int) -> None:
        """Raise a fault that occurs before the call takes effect."""
        if self._failed is not None and action == self._failed.operation:
            self._calls = nth
        self._faults.before(service, action, nth)

    def after(self, service: str, action: str, nth: int) -> None:
        """Raise a fault that occurs after the call took effect."""
        self._faults.after(service, action, nth)
