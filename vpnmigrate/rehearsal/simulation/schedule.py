"""Schedule: the kills and call faults of a trial."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from msgspec import Struct

from vpnmigrate.journal.records import Answered, Intended, OrderVerb, Record
from vpnmigrate.model.clock import Clock
from vpnmigrate.rehearsal.simulation.clocks import Clocks
from vpnmigrate.rehearsal.simulation.tagger import Tagging
from vpnmigrate.rehearsal.simulation.topology import SeededRandom
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults, Killed


class KillPoint(StrEnum):
    """An instant of one deed: a change that is intended, sent, answered and written down."""

    TORN_INTENT = "in the middle of writing its intent"
    BEFORE_SENDING = "before sending"
    BEFORE_ANSWER = "after sending, before the answer"
    BEFORE_LINE = "after the answer, before its line"
    TORN_LINE = "in the middle of writing its line"


class Kill(Struct, frozen=True):
    """Where a process dies: at a *moment* of the deed of that number, over all processes."""

    call: int
    moment: KillPoint


class TrialRoute(StrEnum):
    """Which way a trial goes."""

    FORWARD = "forward"
    """Apply, and apply again after a death."""
    REVERSED = "reversed"
    """Apply; after the first death roll back."""
    ROUND_TRIP = "round-trip"
    """Apply to the end, then roll back."""
    FINALIZE = "finalize"
    """Apply to the end, then finalize."""


@dataclass(frozen=True)
class CallFaults:
    """Calls that go astray, drawn from a seed.  The chances are of a call, between 0 and 1."""

    seed: int = 0
    lost_creates: float = 0.0
    """Answers to creates that get lost."""
    lost: float = 0.0
    """Answers to other mutating calls that get lost, or are a server error after the effect."""
    refused: float = 0.0
    """Mutating calls that are throttled, fail at the server or do not reach it."""
    passing: float = 0.0
    """Mutating calls that EC2 refuses in words which say that it passes, or, where only an outage
    makes them, with a code that no rule knows."""
    unread: float = 0.0
    """Describe calls that fail in any of those ways, that something else answers, or of which the
    answer is cut."""
    slow: float = 0.0
    """Calls whose answer takes its time, be it before or after the effect."""
    in_a_row: int = 2
    """How often at most the same operation goes astray one time after the other: a call in doubt
    costs a consistency delay, and the shortest limit of a step is that of two and a retry."""


@dataclass(frozen=True)
class ScheduledOrder:
    """What another terminal says once so many deeds were sent, over all processes."""

    call: int
    verb: Literal[OrderVerb.PAUSE, OrderVerb.ABORT]
    rest: timedelta = timedelta(0)
    """How long after a pause it says to continue."""


@dataclass(frozen=True)
class Schedule:
    """All that goes wrong in one trial."""

    route: TrialRoute = TrialRoute.FORWARD
    kills: tuple[Kill, ...] = ()
    """In the order in which they strike."""
    call_faults: CallFaults = CallFaults()
    restart: timedelta = timedelta(seconds=1)
    """From a death until the next process starts."""
    late: timedelta = timedelta(0)
    """How much longer than it asked for every wait of a process takes: see ``drowsy``."""
    memory_lost: bool = False
    """Whether the first death takes the journal with it, so that the next process is blind."""
    orders: tuple[ScheduledOrder, ...] = ()
    clocks: Clocks = field(default_factory=Clocks)
    taggings: tuple[Tagging, ...] = ()

    def __str__(self) -> str:
        kills = "; ".join(f"killed at deed {k.call}, {k.moment}" for k in self.kills)
        orders = "".join(f"; {order.verb} after deed {order.call}" for order in self.orders)
        clocks = f"; {text}" if (text := str(self.clocks)) else ""
        tags = "".join(f"; {each}" for each in self.taggings)
        return f"{self.route}; {kills or 'nobody killed'}{orders}{clocks}{tags}"


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
_IN_AN_OUTAGE = frozenset({"ReplaceRoute", "AssociateRouteTable", "DisassociateRouteTable"})
"""Calls that no run makes while traffic flows, and so before any other."""
_SLOWNESS = tuple(timedelta(seconds=s) for s in (3, 10, 25))
"""Below every limit of a call: what takes longer is an answer that got lost."""
_AFTER = (FaultKind.LOST_ANSWER, FaultKind.SERVER_ERROR_AFTER, FaultKind.TRUNCATED)
_UNREAD_BEFORE = (*_BEFORE, FaultKind.FOREIGN)
_UNREAD_AFTER = (FaultKind.TRUNCATED, FaultKind.LOST_ANSWER)


class FaultInjector:
    """Carries a schedule out: the fault source of a trial's clients, and the reaper.

    One fate serves all processes of a trial; deeds are counted through.
    """

    def __init__(self, schedule: Schedule, world: Clock) -> None:
        self.calls = 0
        self.died_at: list[int] = []
        """How many deeds had been sent at each death."""
        self.fault_count = 0
        """How many calls went astray so far."""
        self._kills = list(schedule.kills)
        self._faults = schedule.call_faults
        self._dice = SeededRandom(f"mishaps/{schedule.call_faults.seed}")
        self._slow_dice = SeededRandom(f"slow/{schedule.call_faults.seed}")
        self._world = world
        self._row: dict[str, int] = {}
        self._sending = False
        self._orders = list(schedule.orders)
        self.lifts: datetime | None = None
        """When the pause in force is lifted."""

    @property
    def spares_reads(self) -> bool:
        """Whether no describe call goes astray."""
        return not (self._faults.unread or self._faults.slow)

    def intends(self, records: Sequence[Record]) -> bool:
        """Return whether the process dies while it writes *records*, half of which reach the disk."""
        calls = [r for r in records if isinstance(r, Intended) and hasattr(r.change, "call")]
        numbers = range(self.calls + 1, self.calls + len(calls) + 1)
        return any(self._due(Kill(number, KillPoint.TORN_INTENT)) for number in numbers)

    def answers(self, records: Sequence[Record]) -> bool:
        """Return the same of the line that says what became of a deed; dies before it, if it is due.

        Raises:
            Killed: Not a byte was written.
        """
        if not (self._sending and any(isinstance(r, Answered) for r in records)):
            return False
        self._sending = False
        self._die(KillPoint.BEFORE_LINE)
        return self._due(Kill(self.calls, KillPoint.TORN_LINE))

    def sends(self) -> None:
        """Be told that a change is about to be sent.

        Raises:
            Killed: It was not.
        """
        self.calls += 1
        self._die(KillPoint.BEFORE_SENDING)
        self._sending = True

    def sent(self) -> None:
        """Be told that a change was answered.

        Raises:
            Killed: Nobody heard the answer.
        """
        self._die(KillPoint.BEFORE_ANSWER)

    def says(self) -> Iterator[Literal[OrderVerb.PAUSE, OrderVerb.CONTINUE, OrderVerb.ABORT]]:
        """Return what another terminal has said by now, each once."""
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
        """Let a call go astray before its effect, as ``faults.FaultSource`` says."""
        self._dawdle()
        reads = action.startswith(READS)
        chance = self._faults.unread / 2 if reads else self._faults.refused
        if self._astray(action, chance):
            kind = self._dice.one(_UNREAD_BEFORE if reads else _BEFORE)
            Faults([Fault(_named(service, action), kind, nth)]).before(service, action, nth)
        if not reads and self._astray(f"{action}, passing", self._faults.passing):
            code, message = self._dice.one(_UNKNOWN if action in _IN_AN_OUTAGE else _PASSING)
            fault = Fault(_named(service, action), FaultKind.REFUSED, nth, 1, code, message)
            Faults([fault]).before(service, action, nth)

    def after(self, service: str, action: str, nth: int) -> None:
        """Let an answer get lost, as ``faults.FaultSource`` says."""
        self._dawdle()
        if action.startswith(READS):
            if self._astray(f"{action}, answered", self._faults.unread / 2):
                kind = self._dice.one(_UNREAD_AFTER)
                Faults([Fault(_named(service, action), kind, nth)]).after(service, action, nth)
            return
        self._die(KillPoint.BEFORE_ANSWER)
        creates = action.startswith("Create") and action != "CreateTags"
        chance = self._faults.lost_creates if creates else self._faults.lost
        if self._astray(action, chance):
            Faults([Fault(_named(service, action), self._dice.one(_AFTER), nth)]).after(
                service, action, nth
            )

    def _dawdle(self) -> None:
        """Let a call take its time; so do both of its ways."""
        if self._faults.slow and self._slow_dice.chance(self._faults.slow / 2):
            self._world.sleep(self._slow_dice.one(_SLOWNESS))
            self.fault_count += 1

    def _astray(self, what: str, chance: float) -> bool:
        if not chance:
            return False
        fault_count = self._dice.chance(chance) and self._row.get(what, 0) < self._faults.in_a_row
        self._row[what] = self._row.get(what, 0) + 1 if fault_count else 0
        self.fault_count += fault_count
        return fault_count

    def _die(self, moment: KillPoint) -> None:
        if self._due(Kill(self.calls, moment)):
            self._sending = False
            raise Killed(str(moment))

    def _due(self, kill: Kill) -> bool:
        """Return whether *kill* is the next; what was sent before a death comes no second time."""
        if self._kills[:1] != [kill]:
            return False
        self._kills = [later for later in self._kills[1:] if later.call > self.calls]
        self.died_at.append(self.calls)
        return True


def _named(service: str, action: str) -> str:
    return action if service == "ec2" else f"{service}:{action}"
