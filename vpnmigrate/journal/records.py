"""Journal records: a closed union, in the order in which a run writes them.

A record added here needs a changelog line; a field added to one needs a default, so that journals
written by an earlier version stay readable.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct, field

from vpnmigrate.journal.crypto_record import CryptoSeen
from vpnmigrate.journal.record_base import DeviceRecord, JournalRecord
from vpnmigrate.model.approval import Approval
from vpnmigrate.model.changes import Change
from vpnmigrate.model.changes.base import Outcome
from vpnmigrate.model.decisions import HookMoment
from vpnmigrate.model.ec2 import MigrationId, Role, RouteTableId, VpnConnectionId
from vpnmigrate.model.errors.commands import Advice, Invocation
from vpnmigrate.model.gates import Gate, GateResult, Milestone
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.probes import ProbeEvent, ProbeStats
from vpnmigrate.model.residue import ResidualChange
from vpnmigrate.model.signatures import SignedText
from vpnmigrate.model.snapshot import Confirmation, Shortage

JOURNAL_FORMAT = 2  # Format 1 was never released.


class Opened(JournalRecord, frozen=True, tag="opened"):
    """A process opened the run: the first record of every process, with user and host."""

    migration: MigrationId
    fingerprint: str
    host: str
    user: str
    process: int
    tool: str
    change: str = ""
    """The change number, from the plan."""
    invocation: Invocation = Invocation()
    """How the process reaches AWS, for commands printed in other terminals."""
    step: bool = False
    """Whether it asks before each change of the cutover, as the next process then has to."""


class TakenOver(JournalRecord, frozen=True, tag="taken-over"):
    """The operator named *holder* with ``--take-over``; the claim may be taken from that holder."""

    holder: str

    def __str__(self) -> str:
        return f"takes over from {self.holder}"


class JournalLost(JournalRecord, frozen=True, tag="journal-lost"):
    """The journal of an earlier process is missing, so what that process did is unknown."""

    def __str__(self) -> str:
        return "started without the journal of an earlier process; AWS's tags say what it created"


class FinalizeRequested(JournalRecord, frozen=True, tag="finalize-requested"):
    """The operator ran ``finalize``, with or without ``--delete-old-gateway``."""

    delete_old_gateway: bool

    def __str__(self) -> str:
        if self.delete_old_gateway:
            return "finalize is to delete the old virtual private gateway as well"
        return "finalize is to keep the old virtual private gateway"


RunNote = TakenOver | JournalLost | FinalizeRequested
"""Records that the report lists among its notes."""


class DirectionTaken(JournalRecord, frozen=True, tag="direction-taken"):
    """The run starts forward, rollback or finalize; attempts count the forward starts from 1."""

    direction: Direction
    attempt: int
    keep_new: bool = False
    until: int | None = None  # The step after which the operator wants the run to hold.


class Replanned(JournalRecord, frozen=True, tag="replanned"):
    """A held run continues with a newer plan of the same migration."""

    fingerprint: str


class StepBegun(JournalRecord, frozen=True, tag="step-begun"):
    """Work on a step began; ``cleaning`` marks the removal of what a step created."""

    number: int
    title: str
    cleaning: bool = False


class StepSettled(JournalRecord, frozen=True, tag="step-settled"):
    """A step is done: its goal holds; ``lost`` lists what was removed outside this run."""

    number: int
    cleaning: bool = False
    lost: tuple[str, ...] = ()


class Intended(JournalRecord, frozen=True, tag="intended"):
    """A change about to be sent; without an Answered of the same ``intent`` it is in doubt."""

    intent: int
    step: int
    change: Change
    present: tuple[str, ...] = ()
    """Before a creation: existing resources in neither the plan's survey nor this run's journal.

    None of them can be the result of the creation.
    """


class Answered(JournalRecord, frozen=True, tag="answered"):
    """Outcome of an intent."""

    intent: int
    outcome: Outcome


class Adopted(JournalRecord, frozen=True, tag="adopted"):
    """A resource belongs to this run: by an unanswered create call, or because a person says so."""

    role: Role
    id: str
    who: str = ""
    """The person who named it in a run without its journal; empty if the evidence was enough."""


class AdoptionAsked(JournalRecord, frozen=True, tag="adoption-asked"):
    """A person decided which resources, possibly made by an earlier process, are this run's."""

    who: str
    refused: tuple[str, ...] = ()


class OperatorConfirmed(JournalRecord, frozen=True, tag="operator-confirmed"):
    """A person, or the test command, gave a confirmation."""

    confirmation: Confirmation = field(name="word")
    who: str
    host: str
    message: str = ""
    """Name of its inbox message, so that it is processed once."""


class Approved(JournalRecord, frozen=True, tag="approved"):
    """A valid approval was added."""

    approval: Approval
    signed: SignedText | None = None
    """Its text and signature, if the plan names signers; they were checked."""


class PlanSigned(JournalRecord, frozen=True, tag="plan-signed"):
    """The plan's file had a signature beside it; the gate of approvals checks it."""

    fingerprint: str
    signature: str


class GatesSeen(JournalRecord, frozen=True, tag="gates-seen"):
    """All gates before a milestone were evaluated."""

    before: Milestone
    gates: tuple[GateResult, ...]
    operator: str = ""
    """The AWS identity of the process; empty if AWS was not asked."""


class Forced(JournalRecord, frozen=True, tag="forced"):
    """The operator forced a gate that does not pass."""

    before: Milestone
    gate: Gate
    reason: str
    observed: str
    who: str


class BaselineTaken(JournalRecord, frozen=True, tag="baseline-taken"):
    """The last observation before step 7."""

    taken: datetime
    tunnels_up: dict[VpnConnectionId, int]
    propagated: dict[RouteTableId, tuple[str, ...]]
    accepted: dict[VpnConnectionId, tuple[int, ...]] = field(default_factory=dict)


class DeadlineSet(JournalRecord, frozen=True, tag="deadline-set"):
    """The back-out deadline: a cutover that is not verified at ``at`` must be rolled back."""

    at: datetime
    rollback: timedelta
    """Expected duration of the rollback: the time left after the deadline, without the margin."""
    source: str


class DeadlinePassed(JournalRecord, frozen=True, tag="deadline-passed"):
    """The back-out deadline passed without verified traffic; ``asks``: an operator must decide."""

    at: datetime
    asks: bool = False


class OutageBegan(JournalRecord, frozen=True, tag="outage-began"):
    """The first call that interrupts traffic is about to be sent, or AWS shows that it is down."""

    since: datetime
    earlier: bool = False
    """Whether it may have begun earlier: by a process whose journal is lost, or outside the run."""


class OutageEnded(JournalRecord, frozen=True, tag="outage-ended"):
    """Traffic was first seen to flow at ``at`` and has been stable since."""

    at: datetime
    lasted: timedelta
    earlier: bool = False
    """Whether it began earlier, under a lost journal, and so lasted longer."""


class TrafficVerified(JournalRecord, frozen=True, tag="traffic-verified"):
    """The joining side has carried traffic since ``since``, and traffic is stable."""

    since: datetime


class Flapped(JournalRecord, frozen=True, tag="flapped"):
    """Verified traffic was incomplete again; the wait for stable traffic restarts."""

    why: str


class Degraded(JournalRecord, frozen=True, tag="degraded"):
    """Connections that carry traffic with fewer tunnels than before; empty once none does."""

    what: tuple[str, ...] = ()


class ResidueLeft(JournalRecord, frozen=True, tag="residue-left"):
    """The changes that AWS did not make, and the destinations that have no path because of it."""

    changes: tuple[ResidualChange, ...] = ()
    unreached: tuple[str, ...] = ()


class Probed(JournalRecord, frozen=True, tag="probed"):
    """Probe statistics since step 7; before it, whether the probes work."""

    moment: ProbeEvent
    stats: tuple[ProbeStats, ...]


class ExternalChange(JournalRecord, frozen=True, tag="external-change"):
    """A change of this run was undone or altered outside it; it is not made again."""

    what: str


class Noted(JournalRecord, frozen=True, tag="noted"):
    """A note for the report, such as an accepted risk."""

    what: str


class ClockMoved(JournalRecord, frozen=True, tag="clock-moved"):
    """The wall clock jumped by ``by``, or is another machine's; durations exclude the jump."""

    by: timedelta


class HookRan(JournalRecord, frozen=True, tag="hook-ran"):
    """A hook ended; ``fault`` says how it failed, if it did.  Its output is in the log."""

    moment: HookMoment
    program: str
    took: timedelta
    about: int = 0  # The entry that the hook reports; 0 for a hook that is a gate.
    fault: str = ""


class CredentialsExpired(JournalRecord, frozen=True, tag="credentials-expired"):
    """AWS cannot be read because the credentials have expired; ``renew`` says how to renew them."""

    why: str
    renew: Advice = ""


class CredentialsRenewed(JournalRecord, frozen=True, tag="credentials-renewed"):
    """AWS can be read again after the credentials had expired."""


class Held(JournalRecord, frozen=True, tag="held"):
    """The run stopped on purpose, at a gate or for a person."""

    why: str
    step: int
    staged: bool = False
    """Whether everything before the cutover was prepared, as requested."""


class Interrupted(JournalRecord, frozen=True, tag="interrupted"):
    """An operator's signal stopped the process between two changes."""

    why: str


class Failed(JournalRecord, frozen=True, tag="failed"):
    """The run failed; ``stuck`` means that traffic is down and an operator must act now."""

    why: str
    step: int
    stuck: bool = False


class Finished(JournalRecord, frozen=True, tag="finished"):
    """The run reached the end of its direction."""

    direction: Direction
    lost: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    """After a rollback: differences from the plan's survey, a sentence each."""
    unproven: bool = False
    """After a rollback: whether the old path is not proven to work."""


class Paused(JournalRecord, frozen=True, tag="paused"):
    """The operator paused the run; it stays paused until a Continued, also across processes."""

    who: str
    host: str
    message: str = ""
    """Name of its inbox message, so that it is processed once."""


class Continued(JournalRecord, frozen=True, tag="continued"):
    """The operator lifted a pause or withdrew an abort."""

    who: str
    host: str
    message: str = ""


class AbortAsked(JournalRecord, frozen=True, tag="abort-asked"):
    """The operator aborted the attempt: it stops before the cutover, rolls back during it."""

    who: str
    host: str
    message: str = ""


class ConfirmRequested(JournalRecord, frozen=True, tag="confirm-requested"):
    """The cutover of this attempt must be confirmed within a time; None withdraws that.

    It stays in force, across processes, until the cutover arms it.
    """

    within: timedelta | None


class WatchdogMissed(JournalRecord, frozen=True, tag="watchdog-missed"):
    """The watchdog is not running: automatic rollback is off until the next ``Armed``."""

    why: str


class Armed(JournalRecord, frozen=True, tag="armed"):
    """The operator must confirm within *within* of the first verified traffic.

    Otherwise the watchdog, *process* on *host*, rolls the run back.
    """

    within: timedelta
    process: int
    host: str
    verified: bool = False
    """Whether traffic was verified already, so that the time counts from this record."""


class Confirmed(JournalRecord, frozen=True, tag="confirmed"):
    """The operator confirmed the migration: automatic rollback is off."""

    who: str
    host: str
    message: str = ""


class OrderVerb(StrEnum):
    """Orders that an operator can send from another terminal, besides confirmations."""

    PAUSE = "pause"
    CONTINUE = "continue"
    ABORT = "abort"
    CONFIRM = "confirm"
    ACCEPT = "accept"


class OrderDeclined(JournalRecord, frozen=True, tag="order-declined"):
    """An order was declined because it does not apply to the state of the run."""

    verb: OrderVerb
    why: str
    who: str
    host: str
    message: str = ""


class Acceptable(JournalRecord, frozen=True, tag="acceptable"):
    """Only tunnels of these connections are missing; empty once that no longer holds."""

    what: tuple[Shortage, ...] = ()


class Accepted(JournalRecord, frozen=True, tag="accepted"):
    """The operator accepted that a connection has fewer tunnels than before."""

    what: Shortage
    reason: str
    who: str
    host: str
    message: str = ""


OrderRecord = Paused | Continued | AbortAsked | OrderDeclined | Acceptable | Accepted
Ordered = OrderRecord | ConfirmRequested | WatchdogMissed | Armed | Confirmed

WorkRecord = StepBegun | StepSettled | Intended | Answered | Adopted | AdoptionAsked
TrafficRecord = OutageBegan | OutageEnded | TrafficVerified | Flapped | Degraded | CryptoSeen

Record = (
    Opened
    | RunNote
    | DirectionTaken
    | Replanned
    | WorkRecord
    | OperatorConfirmed
    | DeviceRecord
    | Ordered
    | Approved
    | PlanSigned
    | GatesSeen
    | Forced
    | BaselineTaken
    | DeadlineSet
    | DeadlinePassed
    | TrafficRecord
    | ResidueLeft
    | Probed
    | ExternalChange
    | Noted
    | ClockMoved
    | CredentialsExpired
    | CredentialsRenewed
    | HookRan
    | Held
    | Interrupted
    | Failed
    | Finished
)


class Entry(Struct, frozen=True, gc=False):
    """One line of a journal: a record with its number and its moment."""

    seq: int
    at: datetime
    """In run time, which is monotonic: see ``run_clock``."""
    record: Record
    boot: str = ""
    """Boot id of the machine that wrote it; empty if unknown."""
    up: timedelta = timedelta(0)
    """Uptime of that machine."""
    ahead: timedelta = timedelta(0)
    """How far its wall clock was ahead of ``at``, in whole seconds."""
    prev: str = ""
    """The journal's head before this line; empty if the entry was never in a journal."""

    @property
    def place(self) -> str:
        """The number of the line and the first 64 bits of its ``prev``.

        No other history of the run has the same place.
        """
        return f"{self.seq}-{self.prev[:16]}"

    @property
    def wall(self) -> datetime:
        """The wall clock's time of the entry, for display."""
        return self.at + self.ahead
