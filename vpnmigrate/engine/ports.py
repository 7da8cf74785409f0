"""Ports: the interfaces that the engine needs from the outside world."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, TypeVar

from vpnmigrate.journal.records import Entry, Record
from vpnmigrate.model.changes import AwsChange, OperatorTask
from vpnmigrate.model.changes.base import CallTags, Outcome
from vpnmigrate.model.decisions import HookMoment
from vpnmigrate.model.ec2 import Role, VpnGatewayId
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.probes import ProbeStats
from vpnmigrate.model.progress import Sighting
from vpnmigrate.model.snapshot import Confirmation, Reading
from vpnmigrate.model.survey import Survey

T = TypeVar("T")


class Renewal(StrEnum):
    """What happens when credentials end."""

    NEEDLESS = "needless"
    """They do not end."""
    BY_ITSELF = "by-itself"
    """botocore gets new ones, as long as what it gets them with is good."""
    BY_A_PERSON = "by-a-person"


@dataclass(frozen=True)
class Credentials:
    """How long the credentials in use last; *until* is None where that is not known."""

    renewal: Renewal
    until: datetime | None = None


@dataclass(frozen=True)
class Identity:
    """Who AWS takes us for, for how long, and what time it is there."""

    account: str
    arn: str
    credentials: Credentials
    ahead: timedelta | None
    """How far our clock is ahead of AWS's, to the second; None where AWS did not say."""


class DeadlineChoice(StrEnum):
    """What a person can say of a cutover that is past its back-out deadline, as they type it."""

    ROLL_BACK = "roll back"
    GO_ON = "go on"


@dataclass(frozen=True)
class OverdueCutover:
    """A cutover past its back-out deadline, as somebody has to know it who decides."""

    since: datetime
    rollback: timedelta
    """How long a way back is expected to take."""
    left: timedelta = field(compare=False)
    """Until the window ends; below zero once it is over."""


@dataclass(frozen=True)
class NetworkPath:
    """How this host reaches an endpoint.  Empty fields could not be found out."""

    service: str
    addresses: tuple[str, ...]
    """What the endpoint's name, or the proxy's in front of it, resolves to."""
    local: str
    """This host's address on the way there."""


class Ec2(Protocol):
    """AWS as the runner sees it.  Reads are retried inside; a mutating call is sent once."""

    def identity(self) -> Identity:
        """Return who we are (STS).

        Raises:
            AwsError: It could not be read, with the next step in it.
        """
        ...

    def survey(self, gateway: VpnGatewayId) -> Survey:
        """Read widely, for planning and for drift.

        Raises:
            AwsError: A describe call failed for good.
        """
        ...

    def observe(self, plan: Plan) -> Reading:
        """Read narrowly what *plan* touches: gateways, connections, tables, the test VPC.

        Raises:
            AwsUnreadableError: This look failed; a later one may not (throttled, expired, offline).
            AwsError: No later look will do better (not authorised).
        """
        ...

    def perform(self, change: AwsChange, mark: CallTags) -> Outcome:
        """Send *change* once and say what became of it; never raises an AWS error.

        May be called from several threads at once.
        """
        ...


@dataclass(frozen=True)
class InFlight:
    """A call whose answer has not come yet."""

    what: str
    """What was asked last."""
    waited: timedelta
    limit: timedelta


Attend = Callable[[InFlight], str]
"""Called again and again while an answer is awaited: says why to wait no longer, or nothing.

What it raises ends the wait as well.
"""
Attendance = Callable[[], Attend]
"""Called when a call begins, and gives who attends to the run in the meantime."""


class Calls(Protocol):
    """How a process waits for AWS: a real one with limits, a rehearsal not at all."""

    def read(self, what: str, limit: timedelta, work: Callable[[], T], attended: Attendance) -> T:
        """Return what *work* gives, which reads AWS and changes nothing.

        Raises:
            AwsUnreadableError: It took longer than *limit*, or whoever attends wanted no more of
                it; or too many that were left have not ended.
        """
        ...

    def send(
        self, works: Sequence[Callable[[], Outcome]], attended: Attendance
    ) -> Iterator[tuple[int, Outcome]]:
        """Do each of *works*, which may alter AWS, once, and give its number and outcome.

        In the order in which answers come.  What has no answer in time is in doubt if its request
        has left, and is put off if it has not; then it never will.
        """
        ...


class Journal(Protocol):
    """The run's only memory.  One process writes it."""

    @property
    def entries(self) -> Sequence[Entry]:
        """Everything written so far, oldest first, by this process and those before it."""
        ...

    def write(self, *records: Record) -> None:
        """Append *records* and make them durable in one sync, before returning.

        Raises:
            JournalError: It could not be made durable, or another process took the run over;
                nothing may be sent to AWS after that.
        """
        ...

    def require_ours(self) -> None:
        """Return at once if the run is still this process's; asked right before every call.

        Any thread may ask.

        Raises:
            JournalError: Another process took the run over, or nobody can tell.
        """
        ...

    def fold_inbox(self) -> None:
        """Write down what other terminals left for this run, each message once.

        Raises:
            JournalError: It could not be made durable.
        """
        ...


class Operator(Protocol):
    """Whoever carries out tasks away from AWS: a person at a prompt, a command, a robot."""

    @property
    def patient(self) -> bool:
        """Whether someone can be waited for here; else a task outside the outage holds the run."""
        ...

    def ask(self, task: OperatorTask) -> Confirmation | None:
        """Show *task* if it is new, and give its word if it has been done; never blocks long."""
        ...

    def announce(self, task: OperatorTask) -> None:
        """Report that *task* comes up soon, so that its person is ready."""
        ...

    def owns(self, id_: str, role: Role) -> bool | None:
        """Ask whether an earlier process of the run made *id_*; None without an answer yet.

        Never blocks, and nobody has answered it beforehand.
        """
        ...

    def decide(self, overdue: OverdueCutover | None) -> DeadlineChoice | None:
        """Ask what is to become of a cutover if that is new, and give the answer if there is one.

        None where nothing is to be decided, or not any more.  Never blocks.
        """
        ...


class Observer(Protocol):
    """Whoever watches a run: a terminal, a log, a rehearsal's report."""

    def on_entry(self, entry: Entry) -> None:
        """Take notice of a journal entry that is durable now."""
        ...

    def on_wait(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        """Take notice of one look that found the step's goal not reached."""
        ...

    def on_view(self, sighting: Sighting) -> None:
        """Take notice of one look in the cutover, which *sighting* sums up."""
        ...


class Probes(Protocol):
    """Whoever sends an operator's probes, beside the run and never in its way."""

    def begin(self, known: Iterable[ProbeStats]) -> None:
        """Send these probes once a second from now on, and count on from there."""
        ...

    def stats(self) -> tuple[ProbeStats, ...]:
        """Return how each stands now, without waiting."""
        ...

    def forget_counts(self) -> None:
        """Count from zero."""
        ...

    def end(self) -> None:
        """Send no more; may be called twice."""
        ...


@dataclass(frozen=True)
class HookResult:
    """What a hook that was asked has answered."""

    program: str
    exit: int | None
    """None where it was killed, or could not be run."""
    fault: str = ""
    """Why it does not agree, or has not said so; empty where it does."""


class Hooks(Protocol):
    """The plan's hooks, as far as the run waits for them."""

    def ask(self, moment: HookMoment) -> HookResult | None:
        """Run the hook of *moment* and wait for it, for as long as the plan allows.

        None where the plan has none, or where hooks are not run, as in a rehearsal.
        """
        ...

    def changed(self) -> str:
        """Return which program of the plan has changed since it was made; empty for none."""
        ...


class NoHooks:
    """No hook is run: in rehearsals, simulations and most tests."""

    def ask(self, moment: HookMoment) -> HookResult | None:
        """Ask nobody."""
        return None

    def changed(self) -> str:
        """Run none, so none can have changed."""
        return ""


class StopRequest(Protocol):
    """The operator's wish to stop, read between two changes."""

    @property
    def reason(self) -> str | None:
        """Why to stop at the next safe point, or None."""
        ...


class NoStopRequest:
    """Nobody asks a rehearsal or a simulation to stop between two changes."""

    reason = None


class NetworkPaths(Protocol):
    """How this host reaches AWS, for the gate before step 7."""

    def read(self) -> Sequence[NetworkPath]:
        """Resolve the endpoints that the run needs; nothing is sent to them."""
        ...


class NoNetworkPaths:
    """The sandbox is in this process or on this machine: no way leads there."""

    def read(self) -> Sequence[NetworkPath]:
        """Resolve nothing."""
        return ()


class Watchdog(Protocol):
    """The process that rolls an unconfirmed migration back, whatever becomes of this one."""

    def start(self) -> int:
        """Start it, see it on duty, and give its process.

        Raises:
            RefusedError: It could not be started.
        """
        ...

    def on_duty(self) -> bool:
        """Return whether one is at its post now."""
        ...
