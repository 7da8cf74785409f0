"""Ports: the interfaces that the engine needs from the outside world."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol, TypeVar

from msgspec import Struct

from vpnmigrate.engine.tunnel_status import TunnelStatusReader
from vpnmigrate.journal.records import Entry, Record
from vpnmigrate.journal.state import RunState
from vpnmigrate.model.changes import AwsChange, OperatorTask
from vpnmigrate.model.changes.base import CallTags, Outcome
from vpnmigrate.model.decisions import HookMoment
from vpnmigrate.model.device_drivers import DriverCall, DriverResult
from vpnmigrate.model.ec2 import Role, VpcId, VpnGatewayId
from vpnmigrate.model.permissions import PermissionQuery, PermissionResult
from vpnmigrate.model.plan import OutageEstimate, Plan
from vpnmigrate.model.probes import ProbeStats
from vpnmigrate.model.progress import Sighting, Unreadable
from vpnmigrate.model.proposed_change import ProposedChange, StepChoice
from vpnmigrate.model.signatures import CheckedSignature, SignatureChecks
from vpnmigrate.model.snapshot import Confirmation, Reading, ReadingPart
from vpnmigrate.model.survey import Survey

T = TypeVar("T")


class Renewal(StrEnum):
    """How credentials are renewed when they expire."""

    NEVER_EXPIRES = "needless"
    """They do not expire."""
    AUTOMATIC = "by-itself"
    """botocore renews them, as long as the source it gets them from is valid."""
    MANUAL = "by-a-person"


class Credentials(Struct, frozen=True):
    """How long the credentials in use are valid; *until* is None if that is unknown."""

    renewal: Renewal
    until: datetime | None = None
    source: str = ""
    """botocore's name of where they come from, such as ``sso``; empty if unknown."""


CREDENTIALS_LIMIT: Final = timedelta(minutes=60)
"""Time for the operator to log in again; as long as for a device task (``decisions.Waits``)."""


class Identity(Struct, frozen=True):
    """The identity that AWS reports for the credentials, and how far the clocks differ."""

    account: str
    arn: str
    credentials: Credentials
    ahead: timedelta | None
    """How far this machine's clock is ahead of AWS's, to the second; None if it is unknown."""


class DeadlineChoice(StrEnum):
    """What an operator can answer about a cutover past its back-out deadline, as it is typed."""

    ROLL_BACK = "roll back"
    GO_ON = "go on"


class Consent(StrEnum):
    """The operator's answer to the question before an interruption of traffic."""

    GIVEN = "given"
    REFUSED = "refused"
    IMPOSSIBLE = "impossible"
    """The question cannot be asked: no terminal, or it belongs to another job."""


class Interruption(Struct, frozen=True):
    """An interruption of traffic that the operator is asked about, once the gates are open."""

    vpc: VpcId
    outage: OutageEstimate


class InterruptChoice(StrEnum):
    """What an operator can answer after Ctrl-C in the outage, as it is typed."""

    RESUME = "resume"
    """The default."""
    ROLL_BACK = "roll back"
    STOP = "stop"


@dataclass(frozen=True)
class OverdueCutover:
    """A cutover past its back-out deadline, with what the operator needs to decide."""

    since: datetime
    rollback: timedelta
    """How long a rollback is expected to take."""
    left: timedelta = field(compare=False)
    """Time until the window ends; negative once it has ended."""


class NetworkPath(Struct, frozen=True):
    """How this host reaches an endpoint.  A field is empty if it is unknown."""

    service: str
    addresses: tuple[str, ...]
    """What the name of the endpoint, or of the proxy in front of it, resolves to."""
    local: str
    """This host's address on the path to it."""


class Ec2(TunnelStatusReader, Protocol):
    """AWS as the runner uses it.  Reads are retried inside; a mutating call is sent once."""

    def identity(self) -> Identity:
        """Return the identity of the credentials (STS).

        Raises:
            AwsError: The identity could not be read; the advice has the next step.
        """
        ...

    def survey(self, gateway: VpnGatewayId) -> Survey:
        """Return everything that planning and drift need.

        Raises:
            AwsError: A describe call failed and was not or no longer retried.
        """
        ...

    def observe(self, plan: Plan) -> Reading:
        """Return the state of what *plan* touches: gateways, connections, tables, the test VPC.

        Raises:
            AwsUnreadableError: This read failed, and a later one may succeed (throttled, expired,
                offline).
            AwsError: A later read would fail as well (not authorised).
        """
        ...

    def differs(self, plan: Plan, earlier: Reading, part: ReadingPart) -> bool:
        """Return whether *part* differs from that of *earlier*, an observation, after one call.

        No decision is made from the answer: it only shows when to observe again.

        Raises:
            AwsError: The describe call failed.
        """
        ...

    def perform(self, change: AwsChange, tags: CallTags) -> Outcome:
        """Send *change* once and return its outcome; never raises an AWS error.

        It may be called from several threads at once.
        """
        ...


class PermissionReader(Protocol):
    """Permission checks of calls that are not made, for the gate before step 7."""

    def permissions(self, queries: Sequence[PermissionQuery]) -> Sequence[PermissionResult]:
        """Return for each of *queries* whether the credentials may make the call.

        Raises:
            AwsError: Nothing could be tried.
        """
        ...


class InFlight(Struct, frozen=True):
    """A call that AWS has not answered yet."""

    what: str
    """The last request."""
    waited: timedelta
    limit: timedelta
    progress: str = ""
    """Progress of a call that is long by design; empty for any other call."""

    @property
    def message(self) -> str:
        """What the operator sees while the call is waited for."""
        return self.progress or f"AWS is slow: no answer from {self.what} yet"


WaitCheck = Callable[[InFlight], str]
"""Called repeatedly during a wait: returns the reason to end the wait, or an empty string.

An exception that it raises ends the wait as well.
"""
NewWaitCheck = Callable[[], WaitCheck]
"""Called when a call begins: returns the check of orders and signals for the time it waits."""


class Calls(Protocol):
    """How a process waits for AWS: a real process with limits, a rehearsal without waiting."""

    def read(
        self, what: str, limit: timedelta, work: Callable[[], T], new_wait_check: NewWaitCheck
    ) -> T:
        """Return the result of *work*, which reads AWS and changes nothing.

        Raises:
            AwsUnreadableError: It took longer than *limit*, the callback ended the wait, or too
                many earlier calls without an answer are still in flight.
        """
        ...

    def send(
        self, works: Sequence[Callable[[], Outcome]], new_wait_check: NewWaitCheck
    ) -> Iterator[tuple[int, Outcome]]:
        """Yield number and outcome of each of *works*, which may alter AWS and are done once.

        They are yielded in the order of the answers.  Without an answer in time, a call is in doubt
        if its request was sent; otherwise the outcome is to try later, and it is never sent.
        """
        ...


class Journal(Protocol):
    """The run's only lasting state.  One process writes it."""

    @property
    def entries(self) -> Sequence[Entry]:
        """Everything written so far, oldest first, by this process and those before it."""
        ...

    def write(self, *records: Record) -> None:
        """Append *records* and make them durable in one sync, before returning.

        Raises:
            JournalError: They could not be made durable, or another process took over the run;
                no call may be sent to AWS after that.
        """
        ...

    def require_ours(self) -> None:
        """Return immediately if the run is still this process's; called before every AWS call.

        It may be called from any thread.

        Raises:
            JournalError: Another process took over the run, or that cannot be checked.
        """
        ...

    def fold_inbox(self) -> None:
        """Write the messages of other terminals for this run into the journal, each once.

        Raises:
            JournalError: They could not be made durable.
        """
        ...


class StepPrompt(Protocol):
    """The prompt before each change of a cutover, for ``apply --step``."""

    def choose(self, proposed: ProposedChange | None) -> StepChoice | None:
        """Return the answer about *proposed* once there is one; show the question if it is new.

        *proposed* is None if the question is closed.  It does not block.
        """
        ...


class Operator(StepPrompt, Protocol):
    """The one who does the tasks outside AWS: a person at a prompt, a command, a simulation."""

    @property
    def patient(self) -> bool:
        """Whether the run can wait here; if not, a task outside the outage holds the run."""
        ...

    def ask(self, task: OperatorTask) -> Confirmation | None:
        """Show *task* if it is new, and return its confirmation once it is done; do not block."""
        ...

    def announce(self, task: OperatorTask) -> None:
        """Announce that *task* is due soon, so that the person who does it is ready."""
        ...

    def consents(self, to: Interruption) -> Consent | None:
        """Return the answer once there is one; show the question if it is new.  Does not block."""
        ...

    def owns(self, id_: str, role: Role) -> bool | None:
        """Return whether an earlier process of the run created *id_*; None without an answer yet.

        It does not block, and no answer was given in advance.
        """
        ...

    def decide(self, overdue: OverdueCutover | None) -> DeadlineChoice | None:
        """Return the answer about an overdue cutover once there is one; show the question if new.

        *overdue* is None if no decision is open.  It does not block.
        """
        ...

    def interrupted(self, choices: Sequence[InterruptChoice]) -> InterruptChoice | None:
        """Return the answer about Ctrl-C in the outage once there is one; show a new question.

        *choices* is empty if the question is closed.  It does not block.
        """
        ...


class Observer(Protocol):
    """Receiver of a run's progress: a terminal, a log, a rehearsal's report."""

    def on_entry(self, entry: Entry) -> None:
        """Process a journal entry that is durable now."""
        ...

    def on_wait(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        """Process an observation in which the goal of *step* is not reached."""
        ...

    def on_view(self, sighting: Sighting) -> None:
        """Process an observation during the cutover, which *sighting* summarises."""
        ...

    def on_reading(self, unreadable: Unreadable | None) -> None:
        """Process that AWS cannot be read any more, or None: that it can be read again."""
        ...


class Probes(Protocol):
    """The sender of an operator's probes; it works in parallel with the run and never delays it."""

    def begin(self, known: Iterable[ProbeStats]) -> None:
        """Start to send these probes once a second, and continue their counts."""
        ...

    def stats(self) -> tuple[ProbeStats, ...]:
        """Return the current results of each probe, without waiting."""
        ...

    def forget_counts(self) -> None:
        """Reset the counts to zero."""
        ...

    def end(self) -> None:
        """Stop sending; a second call has no effect."""
        ...


class HookResult(Struct, frozen=True):
    """The result of a hook that was run."""

    program: str
    exit: int | None
    """None if it was killed or could not be run."""
    fault: str = ""
    """Why it does not agree, or has not answered; empty if it agrees."""
    took: timedelta = timedelta(0)


class Hooks(Protocol):
    """The plan's hooks, as far as the run waits for them."""

    def ask(self, moment: HookMoment) -> HookResult | None:
        """Run the hook of *moment*, wait for it as long as the plan allows, and return its result.

        The result is None if the plan has no such hook, or if hooks are not run, as in a rehearsal.
        """
        ...

    def changed(self) -> str:
        """Return which hook program has changed since the plan was made; empty if none has."""
        ...


class NoHooks:
    """Hooks that are not run: in rehearsals, simulations and most tests."""

    def ask(self, moment: HookMoment) -> HookResult | None:
        """Return None: no hook is run."""
        return None

    def changed(self) -> str:
        """Return an empty string: no hook is run, so none can have changed."""
        return ""


class DeviceDrivers(Protocol):
    """The drivers of devices; they work in parallel with the run and never delay it."""

    def begin(self, call: DriverCall) -> None:
        """Begin *call* and return at once; its limit is that of its driver."""
        ...

    def ended(self) -> Sequence[tuple[DriverCall, DriverResult]]:
        """Return the calls that have ended since the last time, without waiting."""
        ...

    def finish(self) -> None:
        """Wait until every call has ended; an interrupt ends them."""
        ...


class StopRequest(Protocol):
    """The request of an operator or of the system to stop, read between two changes."""

    @property
    def reason(self) -> str | None:
        """The reason to stop at the next safe point, or None."""
        ...

    @property
    def asks(self) -> bool:
        """Whether the operator who made the request can be asked at this process's terminal."""
        ...

    def withdraw(self) -> None:
        """Remove the request: it was answered, and the run continues."""
        ...


class NoStopRequest:
    """No request to stop: a rehearsal or a simulation is never stopped between two changes."""

    reason = None
    asks = False

    def withdraw(self) -> None:
        """Do nothing."""


class NetworkPaths(Protocol):
    """How this host reaches AWS, for the gate before step 7."""

    def read(self) -> Sequence[NetworkPath]:
        """Return how the endpoints that the run needs are reached; nothing is sent to them."""
        ...


class NoNetworkPaths:
    """No network path: the sandbox is in this process or on this machine."""

    def read(self) -> Sequence[NetworkPath]:
        """Return no path."""
        return ()


class Watchdog(Protocol):
    """The process that rolls back an unconfirmed migration, even if this one has died."""

    def start(self, awake: Callable[[], object]) -> int:
        """Start a watchdog, wait until it is running, and return its process id.

        *awake* is called throughout, so that a long start does not count as a suspension.

        Raises:
            RefusedError: It could not be started.
        """
        ...

    def on_duty(self) -> bool:
        """Return whether a watchdog is running now."""
        ...


class SignatureChecker(Protocol):
    """Checks the signatures of a run's plan and approvals."""

    def check(self, state: RunState, operator: str) -> SignatureChecks:
        """Return the checked signatures of the plan in force and of the approvals in *state*.

        Of each approval it is also checked whether its key is listed for *operator*, an AWS
        identity, or for the plan's author.
        """
        ...


class NoSignatureChecker:
    """Where no signature can be checked, none counts."""

    def check(self, state: RunState, operator: str) -> SignatureChecks:
        """Return that nothing could be checked."""
        unchecked = CheckedSignature("cannot be checked here", undecided=True)
        return SignatureChecks(unchecked, dict.fromkeys(state.approvals.signed, unchecked))
