"""Journal records: a closed union, in the order in which a run writes them.

A record added here needs a changelog line; a field added to one needs a default, so that journals
written by an earlier version stay readable.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from vpnmigrate.commands import Invocation
from vpnmigrate.model.approval import Approval
from vpnmigrate.model.changes import Change
from vpnmigrate.model.changes.base import Outcome
from vpnmigrate.model.decisions import HookMoment
from vpnmigrate.model.ec2 import MigrationId, Role, RouteTableId, VpnConnectionId
from vpnmigrate.model.gates import Gate, GateResult, Milestone
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.probes import ProbeEvent, ProbeStats
from vpnmigrate.model.snapshot import Confirmation, Shortage

JOURNAL_FORMAT = 2
"""Format 1 was never released."""


class _Record(Struct, frozen=True, tag_field="record"):
    pass


class Opened(_Record, frozen=True, tag="opened"):
    """A process took the run up: the first record of every process, with who and where."""

    migration: MigrationId
    fingerprint: str
    host: str
    user: str
    process: int
    tool: str
    change: str = ""
    """The change board's number, from the plan."""
    invocation: Invocation = Invocation()
    """How the process reached AWS, for commands that other terminals print."""


class TakenOver(_Record, frozen=True, tag="taken-over"):
    """The operator named *holder* with ``--take-over``; the claim may be taken from that holder."""

    holder: str

    def __str__(self) -> str:
        return f"takes over from {self.holder}"


class JournalLost(_Record, frozen=True, tag="journal-lost"):
    """The journal of an earlier process is missing, so what that process did is unknown."""

    def __str__(self) -> str:
        return "started without the journal of an earlier process; AWS's tags say what it created"


class FinalizeRequested(_Record, frozen=True, tag="finalize-requested"):
    """The operator ran ``finalize``, with or without ``--delete-old-gateway``."""

    delete_old_gateway: bool

    def __str__(self) -> str:
        if self.delete_old_gateway:
            return "finalize is to delete the old virtual private gateway as well"
        return "finalize is to keep the old virtual private gateway"


RunNote = TakenOver | JournalLost | FinalizeRequested
"""Facts about the run that its report lists among the notes."""


class DirectionTaken(_Record, frozen=True, tag="direction-taken"):
    """The run sets out forward, back or to finalize; attempts count the forward ones from 1."""

    direction: Direction
    attempt: int
    keep_new: bool = False
    until: int | None = None  # the step after which the operator wants it to hold


class Replanned(_Record, frozen=True, tag="replanned"):
    """A held run goes on with a newer plan of the same migration."""

    fingerprint: str


class StepBegun(_Record, frozen=True, tag="step-begun"):
    """Work on a step began; ``cleaning`` marks the removal of what a step made."""

    number: int
    title: str
    cleaning: bool = False


class StepSettled(_Record, frozen=True, tag="step-settled"):
    """A step's goal was seen to hold; ``lost`` names what others took away."""

    number: int
    cleaning: bool = False
    lost: tuple[str, ...] = ()


class Intended(_Record, frozen=True, tag="intended"):
    """About to be performed.  Without an Answered of the same ``intent`` it is in doubt."""

    intent: int
    step: int
    change: Change
    present: tuple[str, ...] = ()
    """Before a creation: resources seen that neither the plan's survey nor this run accounts for.

    None of them is what the creation makes.
    """


class Answered(_Record, frozen=True, tag="answered"):
    """What became of an intent."""

    intent: int
    outcome: Outcome


class Adopted(_Record, frozen=True, tag="adopted"):
    """A resource is this run's own: an unanswered create call made it, or a person says so."""

    role: Role
    id: str
    who: str = ""
    """The person who named it in a run without its journal; empty where the evidence was enough."""


class AdoptionAsked(_Record, frozen=True, tag="adoption-asked"):
    """A person has said of every resource that an earlier process may have made whose it is."""

    who: str
    refused: tuple[str, ...] = ()


class OperatorConfirmed(_Record, frozen=True, tag="operator-confirmed"):
    """A person, or the test command, gave a word."""

    word: Confirmation
    who: str
    host: str
    message: str = ""
    """Name of the inbox message it came in, so that it is taken up once."""


class Approved(_Record, frozen=True, tag="approved"):
    """An approval was handed in and found good."""

    approval: Approval


class GatesSeen(_Record, frozen=True, tag="gates-seen"):
    """Every gate before a milestone was asked."""

    before: Milestone
    gates: tuple[GateResult, ...]
    operator: str = ""
    """Whom AWS knew the asking process as; empty where it was not asked."""


class Forced(_Record, frozen=True, tag="forced"):
    """The operator goes on although a gate does not pass."""

    before: Milestone
    gate: Gate
    reason: str
    observed: str
    who: str


class BaselineTaken(_Record, frozen=True, tag="baseline-taken"):
    """The last look before step 7."""

    taken: datetime
    tunnels_up: dict[VpnConnectionId, int]
    propagated: dict[RouteTableId, tuple[str, ...]]


class DeadlineSet(_Record, frozen=True, tag="deadline-set"):
    """The back-out deadline: a cutover that is not verified at ``at`` has to turn round."""

    at: datetime
    rollback: timedelta
    """How long the way back is expected to take, which is what is left then beside the margin."""
    source: str


class DeadlinePassed(_Record, frozen=True, tag="deadline-passed"):
    """The back-out deadline passed without verified traffic; ``asks`` has somebody decide."""

    at: datetime
    asks: bool = False


class OutageBegan(_Record, frozen=True, tag="outage-began"):
    """The first call that interrupts traffic is about to be sent."""

    since: datetime
    earlier: bool = False
    """Whether it may have begun earlier, by a process whose journal is lost."""


class OutageEnded(_Record, frozen=True, tag="outage-ended"):
    """Traffic was first seen to flow at ``at`` and has since held steady."""

    at: datetime
    lasted: timedelta
    earlier: bool = False
    """Whether it had begun earlier, so that it lasted longer, under a journal that is lost."""


class TrafficVerified(_Record, frozen=True, tag="traffic-verified"):
    """The joining side has carried traffic since ``since``, and held it steady."""

    since: datetime


class Flapped(_Record, frozen=True, tag="flapped"):
    """Traffic had been verified and lacked something again; what has to hold begins anew."""

    why: str


class Degraded(_Record, frozen=True, tag="degraded"):
    """Connections that carry traffic with fewer tunnels than before; empty once all are back."""

    what: tuple[str, ...] = ()


class Probed(_Record, frozen=True, tag="probed"):
    """What became of probes since step 7; before that, whether they work."""

    moment: ProbeEvent
    stats: tuple[ProbeStats, ...]


class ExternalChange(_Record, frozen=True, tag="external-change"):
    """Somebody else undid or altered what we did; it is left alone."""

    what: str


class Noted(_Record, frozen=True, tag="noted"):
    """Something the operator should read in the report, such as an accepted risk."""

    what: str


class ClockMoved(_Record, frozen=True, tag="clock-moved"):
    """The machine's clock was set by ``by``, or is another one; durations do not count that."""

    by: timedelta


class HookRan(_Record, frozen=True, tag="hook-ran"):
    """A hook came to an end, or ``fault`` says to which; what it printed is in the log."""

    moment: HookMoment
    program: str
    took: timedelta
    about: int = 0  # the entry it was told of; 0 where it was asked
    fault: str = ""


class Held(_Record, frozen=True, tag="held"):
    """The run stops here on purpose, at a gate or for a person."""

    why: str
    step: int


class Interrupted(_Record, frozen=True, tag="interrupted"):
    """An operator's signal stopped the process between two changes."""

    why: str


class Failed(_Record, frozen=True, tag="failed"):
    """The run stopped short; ``stuck`` says that traffic needs a person now."""

    why: str
    step: int
    stuck: bool = False


class Finished(_Record, frozen=True, tag="finished"):
    """The direction taken was gone to its end."""

    direction: Direction
    lost: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    """After a rollback: what is not as the plan's survey found it, a sentence each."""
    unproven: bool = False
    """After a rollback: whether the old path is not seen to be whole."""


class Paused(_Record, frozen=True, tag="paused"):
    """Somebody asked the run to rest; it holds until a Continued, over the end of any process."""

    who: str
    host: str
    message: str = ""
    """Name of the inbox message it came in, so that it is taken up once."""


class Continued(_Record, frozen=True, tag="continued"):
    """Somebody lifted a pause, or thought better of an abort."""

    who: str
    host: str
    message: str = ""


class AbortAsked(_Record, frozen=True, tag="abort-asked"):
    """Somebody gave the attempt up: before the cutover it stops, in the cutover it turns back."""

    who: str
    host: str
    message: str = ""


class ConfirmRequested(_Record, frozen=True, tag="confirm-requested"):
    """Somebody wants the cutover of this attempt to be confirmed within a time; None takes it back.

    It holds until the cutover arms it, whichever process comes there.
    """

    within: timedelta | None


class WatchdogMissed(_Record, frozen=True, tag="watchdog-missed"):
    """There is no watchdog where one was armed: until the next ``Armed`` nothing is automatic."""

    why: str


class Armed(_Record, frozen=True, tag="armed"):
    """From the first verified traffic on somebody has *within* to confirm, or it is rolled back.

    *process* on *host* is the watchdog that does so.
    """

    within: timedelta
    process: int
    host: str


class Confirmed(_Record, frozen=True, tag="confirmed"):
    """Somebody confirmed the migration: nothing goes back by itself any more."""

    who: str
    host: str
    message: str = ""


class OrderVerb(StrEnum):
    """What a person can tell a run from another terminal, besides that a task is done."""

    PAUSE = "pause"
    CONTINUE = "continue"
    ABORT = "abort"
    CONFIRM = "confirm"
    ACCEPT = "accept"


class OrderDeclined(_Record, frozen=True, tag="order-declined"):
    """Somebody told the run something that cannot be heeded where it stands."""

    verb: OrderVerb
    why: str
    who: str
    host: str
    message: str = ""


class Acceptable(_Record, frozen=True, tag="acceptable"):
    """Nothing is lacking but tunnels of these connections; empty once that is not so any more."""

    what: tuple[Shortage, ...] = ()


class Accepted(_Record, frozen=True, tag="accepted"):
    """Somebody lets the cutover be green although a connection has fewer tunnels than before."""

    what: Shortage
    reason: str
    who: str
    host: str
    message: str = ""


Ordered = (
    Paused
    | Continued
    | AbortAsked
    | ConfirmRequested
    | WatchdogMissed
    | Armed
    | Confirmed
    | OrderDeclined
    | Acceptable
    | Accepted
)

Record = (
    Opened
    | RunNote
    | DirectionTaken
    | Replanned
    | StepBegun
    | StepSettled
    | Intended
    | Answered
    | Adopted
    | AdoptionAsked
    | OperatorConfirmed
    | Ordered
    | Approved
    | GatesSeen
    | Forced
    | BaselineTaken
    | DeadlineSet
    | DeadlinePassed
    | OutageBegan
    | OutageEnded
    | TrafficVerified
    | Flapped
    | Degraded
    | Probed
    | ExternalChange
    | Noted
    | ClockMoved
    | HookRan
    | Held
    | Interrupted
    | Failed
    | Finished
)


class Entry(Struct, frozen=True):
    """One line of a journal: a record with its number and its moment."""

    seq: int
    at: datetime
    """On the run's own time, which only goes forward: see ``run_clock``."""
    record: Record
    boot: str = ""
    """Of the machine that wrote it; empty where that is not known."""
    up: timedelta = timedelta(0)
    """How long that machine had been up."""
    ahead: timedelta = timedelta(0)
    """How far its clock was ahead of ``at``, to the second: it was set since the run began."""

    @property
    def wall(self) -> datetime:
        """What the clock on the wall showed, for people."""
        return self.at + self.ahead
