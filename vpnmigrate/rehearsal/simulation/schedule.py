"""Schedule: the kills, call faults and external events of a trial."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from msgspec import Struct

from vpnmigrate.journal.records import Answered, Intended, OrderVerb, Record
from vpnmigrate.model.changes import AwsChange
from vpnmigrate.model.changes.base import Outcome, Performed
from vpnmigrate.model.clock import Clock
from vpnmigrate.rehearsal.simulation.clocks import Clocks
from vpnmigrate.rehearsal.simulation.denials import Denials, Refusals
from vpnmigrate.rehearsal.simulation.driver_faults import DriverFaultInjector, DriverFaults
from vpnmigrate.rehearsal.simulation.seeded_random import SeededRandom
from vpnmigrate.rehearsal.simulation.tagger import Tagging
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults, Killed


class KillPoint(StrEnum):
    """A moment of one call: a change is intended, sent, answered and recorded."""

    TORN_INTENT = "in the middle of writing its intent"
    BEFORE_SENDING = "before sending"
    BEFORE_ANSWER = "after sending, before the answer"
    BEFORE_LINE = "after the answer, before its line"
    TORN_LINE = "in the middle of writing its line"


class Kill(Struct, frozen=True):
    """A kill at *moment* of the call with the number *call*, counted over all processes."""

    call: int
    moment: KillPoint


class TrialRoute(StrEnum):
    """The commands of a trial."""

    FORWARD = "forward"
    """Apply, and apply again after a kill."""
    REVERSED = "reversed"
    """Apply; after the first kill roll back."""
    ROUND_TRIP = "round-trip"
    """Apply to the end, then roll back."""
    FINALIZE = "finalize"
    """Apply to the end, then finalize."""


@dataclass(frozen=True)
class CallFaults:
    """Faults of calls, drawn from a seed.  Each chance is per call, between 0 and 1."""

    seed: int = 0
    lost_creates: float = 0.0
    """Create calls whose answer is lost."""
    lost: float = 0.0
    """Other mutating calls whose answer is lost, or is a server error after the effect."""
    refused: float = 0.0
    """Mutating calls that are throttled, fail at the server or do not reach it."""
    passing: float = 0.0
    """Mutating calls that EC2 refuses with an error that is known to pass or, while the run has to
    outlast it, with an unknown code."""
    unread: float = 0.0
    """Describe calls that fail in any of these ways, are answered by another server, or whose
    answer is truncated."""
    slow: float = 0.0
    """Calls with a slow answer, before or after the effect."""
    in_a_row: int = 2
    """The maximum of consecutive faults of one operation: a call in doubt costs a consistency
    delay, and the shortest limit of a step allows for two and a retry."""
    in_a_row_of_outage: int = 2
    """The same for operations of steps 7 to 9, whose calls in doubt are repeated at once."""


@dataclass(frozen=True)
class ScheduledOrder:
    """An order of another terminal once *call* calls were sent, counted over all processes."""

    call: int
    verb: Literal[OrderVerb.PAUSE, OrderVerb.ABORT]
    rest: timedelta = timedelta(0)
    """How long after a pause it orders to continue."""


@dataclass(frozen=True)
class Schedule:
    """The route of one trial, with everything that goes wrong."""

    route: TrialRoute = TrialRoute.FORWARD
    kills: tuple[Kill, ...] = ()
    """In the order in which they happen."""
    call_faults: CallFaults = CallFaults()
    restart: timedelta = timedelta(seconds=1)
    """From a kill until the next process starts."""
    late: timedelta = timedelta(0)
    """How much longer than requested each wait of a process takes (``clocks.LateClock``)."""
    memory_lost: bool = False
    """Whether the journal is lost with the first kill, so that the next process has none."""
    orders: tuple[ScheduledOrder, ...] = ()
    clocks: Clocks = field(default_factory=Clocks)
    taggings: tuple[Tagging, ...] = ()
    denials: Denials = field(default_factory=Denials)
    drivers: DriverFaults = field(default_factory=DriverFaults)

    def __str__(self) -> str:
        kills = "; ".join(f"killed at call {k.call}, {k.moment}" for k in self.kills)
        orders = "".join(f"; {order.verb} after call {order.call}" for order in self.orders)
        clocks = f"; {text}" if (text := str(self.clocks)) else ""
        tags = "".join(f"; {each}" for each in self.taggings)
        denials = f"; {text}" if (text := str(self.denials)) else ""
        drivers = f"; {text}" if (text := str(self.drivers)) else ""
        return f"{self.route}; {kills or 'no kill'}{orders}{clocks}{tags}{denials}{drivers}"


READS = ("Describe", "Get")
_BEFORE = (FaultKind.THROTTLE, FaultKind.SERVER_ERROR, FaultKind.UNREACHABLE)
_PASSING = (
    ("InvalidParameterValue", "There is a conflicting pending workflow for it"),
    ("IncorrectState", "The resource is being modified"),
    ("OperationInProgress", "Another operation is in progress"),
    ("RequestConflict", "Please try again later"),
)
_UNKNOWN = (
    *_PASSING,
    ("OperationNotPermitted", "Not at this time"),
    ("InvalidParameterValue", "Value for parameter gatewayId is invalid"),
    ("SomethingNew", ""),
)
_OF_THE_OUTAGE = frozenset(
    {
        "DisableVgwRoutePropagation",
        "DetachVpnGateway",
        "AttachVpnGateway",
        "EnableVgwRoutePropagation",
        "ReplaceRoute",
        "CreateRoute",
        "AssociateRouteTable",
        "DisassociateRouteTable",
    }
)
_SLOWNESS = tuple(timedelta(seconds=s) for s in (3, 10, 25))
"""Shorter than every call limit: a slower answer is a lost answer."""
_AFTER = (FaultKind.LOST_ANSWER, FaultKind.SERVER_ERROR_AFTER, FaultKind.TRUNCATED)
_UNREAD_BEFORE = (*_BEFORE, FaultKind.FOREIGN)
_UNREAD_AFTER = (FaultKind.TRUNCATED, FaultKind.LOST_ANSWER)


class FaultInjector:
    """Applies a schedule: injects faults into a trial's clients and kills its processes.

    One injector serves all processes of a trial, and counts their calls together.
    """

    def __init__(
        self,
        schedule: Schedule,
        world: Clock,
        tables: frozenset[str] = frozenset(),
        outlasts: Callable[[], bool] = lambda: False,
    ) -> None:
        """Apply *schedule*; *tables* are the route tables that are migrated.

        *outlasts* returns whether the run has to outlast any refusal that is not definite.
        """
        self.refusals = Refusals(schedule.denials, tables, world)
        self.refused: Counter[tuple[str, str]] = Counter()
        """The denials and unknown codes so far, by operation and kind."""
        self._denials = schedule.denials
        self._outlasts = outlasts
        self._change: AwsChange | None = None
        self.calls = 0
        self.died_at: list[int] = []
        """How many calls had been sent at each kill."""
        self.fault_count = 0
        """How many calls have had a fault so far."""
        self._kills = list(schedule.kills)
        self.is_dead = False
        """Whether the present process was killed."""
        self.drivers = DriverFaultInjector(schedule.drivers, self._record_death)
        self._faults = schedule.call_faults
        self._random = SeededRandom(f"mishaps/{schedule.call_faults.seed}")
        self._slow_random = SeededRandom(f"slow/{schedule.call_faults.seed}")
        self._world = world
        self._row: dict[str, int] = {}
        self._sending = False
        self._orders = list(schedule.orders)
        self.lifts: datetime | None = None
        """When the current pause is lifted."""

    @property
    def spares_reads(self) -> bool:
        """Whether describe calls have no faults."""
        return not (self._faults.unread or self._faults.slow)

    def intends(self, records: Sequence[Record]) -> bool:
        """Return whether the process is killed while it writes the intents in *records*."""
        if self.drivers.intends(records):
            return True
        calls = [r for r in records if isinstance(r, Intended) and hasattr(r.change, "call")]
        numbers = range(self.calls + 1, self.calls + len(calls) + 1)
        return any(self._due(Kill(number, KillPoint.TORN_INTENT)) for number in numbers)

    def answers(self, records: Sequence[Record]) -> bool:
        """Return whether the process is killed while it writes the outcome in *records*.

        Raises:
            Killed: The process is killed before it writes anything.
        """
        if self.drivers.answers(records):
            return True
        if not (self._sending and any(isinstance(r, Answered) for r in records)):
            return False
        self._sending = False
        self._die(KillPoint.BEFORE_LINE)
        return self._due(Kill(self.calls, KillPoint.TORN_LINE))

    def sends(self, change: AwsChange) -> None:
        """Count *change*, which is about to be sent.

        Raises:
            Killed: The process is killed before it sends the change.
        """
        self.calls += 1
        self._die(KillPoint.BEFORE_SENDING)
        self._sending = True
        self._change = change

    def sent(self, change: AwsChange, outcome: Outcome) -> None:
        """Process the *outcome* of *change*.

        Raises:
            Killed: The process is killed before it receives the answer.
        """
        self.refusals.count(change, failed=not isinstance(outcome, Performed))
        self._die(KillPoint.BEFORE_ANSWER)

    def due_orders(self) -> Iterator[Literal[OrderVerb.PAUSE, OrderVerb.CONTINUE, OrderVerb.ABORT]]:
        """Yield the orders of another terminal that are due, each once."""
        now = self._world.now()
        while self._orders and self._orders[0].call <= self.calls:
            order = self._orders.pop(0)
            yield order.verb
            if order.verb is OrderVerb.PAUSE:
                self.lifts = now + order.rest
        if self.lifts is not None and self.lifts <= now:
            self.lifts = None
            yield OrderVerb.CONTINUE

    def before(self, service: str, action: str, nth: int) -> None:
        """Raise a fault before the effect of a call, if one is drawn (``faults.FaultSource``)."""
        self._slow_down()
        if action.startswith(READS):
            if self._is_faulty(action, self._faults.unread / 2):
                _raise(service, action, nth, self._random.one(_UNREAD_BEFORE))
            return
        self._refuse(service, action, nth)

    def _refuse(self, service: str, action: str, nth: int) -> None:
        """Raise the refusal of a mutating call, if one is drawn."""
        if self._is_faulty(action, self._faults.refused):
            _raise(service, action, nth, self._random.one(_BEFORE))
        if self._change is not None and self.refusals.denies(self._change):
            self.refused[action, self._denials.kind] += 1
            if self._denials.unknown:
                _raise(service, action, nth, FaultKind.REFUSED, *_UNKNOWN[-1])
            _raise(service, action, nth, FaultKind.DENIED)
        if self._is_faulty(f"{action}, passing", self._faults.passing):
            refusal = self._random.one(_UNKNOWN if self._outlasts() else _PASSING)
            if refusal not in _PASSING:
                self.refused[action, "unknown code, once or twice"] += 1
            _raise(service, action, nth, FaultKind.REFUSED, *refusal)

    def after(self, service: str, action: str, nth: int) -> None:
        """Raise a fault after the effect of a call, if one is drawn (``faults.FaultSource``)."""
        self._slow_down()
        if action.startswith(READS):
            if self._is_faulty(f"{action}, answered", self._faults.unread / 2):
                _raise(service, action, nth, self._random.one(_UNREAD_AFTER))
            return
        self._die(KillPoint.BEFORE_ANSWER)
        creates = action.startswith("Create") and action not in ("CreateTags", "CreateRoute")
        if self._is_faulty(action, self._faults.lost_creates if creates else self._faults.lost):
            _raise(service, action, nth, self._random.one(_AFTER))

    def _slow_down(self) -> None:
        """Delay a call if that is drawn; called before and after its effect."""
        if self._faults.slow and self._slow_random.chance(self._faults.slow / 2):
            self._world.sleep(self._slow_random.one(_SLOWNESS))
            self.fault_count += 1

    def _is_faulty(self, what: str, chance: float) -> bool:
        if not chance:
            return False
        repeated = what.partition(",")[0] in _OF_THE_OUTAGE
        most = self._faults.in_a_row_of_outage if repeated else self._faults.in_a_row
        faulty = self._random.chance(chance) and self._row.get(what, 0) < most
        self._row[what] = self._row.get(what, 0) + 1 if faulty else 0
        self.fault_count += faulty
        return faulty

    def _die(self, moment: KillPoint) -> None:
        if self._due(Kill(self.calls, moment)):
            self._sending = False
            raise Killed(str(moment))

    def _due(self, kill: Kill) -> bool:
        """Return whether *kill* is the next one; kills at calls already sent are dropped then."""
        if self._kills[:1] != [kill]:
            return False
        self._kills = [later for later in self._kills[1:] if later.call > self.calls]
        self._record_death()
        return True

    def _record_death(self) -> None:
        self.died_at.append(self.calls)
        self.is_dead = True


def _raise(
    service: str, action: str, nth: int, kind: FaultKind, code: str = "", message: str = ""
) -> None:
    faults = Faults([Fault(_named(service, action), kind, nth, 1, code, message)])
    faults.before(service, action, nth)
    faults.after(service, action, nth)


def _named(service: str, action: str) -> str:
    return action if service == "ec2" else f"{service}:{action}"
