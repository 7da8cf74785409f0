"""Decisions: the answers of a playbook, as frozen into a plan."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct, field

from vpnmigrate.model.ec2 import TunnelOptions, VpnConnectionId

ChangeNumber = Annotated[str, Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9._:/@+=-]{0,63})?$(?!\n)")]
"""A change board's number: letters that EC2 takes in a tag and a shell leaves alone; or empty.

Python's ``$`` would let a line's end follow.
"""


class KeyMode(StrEnum):
    """Where the pre-shared keys of the new tunnels come from."""

    NEW = "new"
    """AWS makes them; devices get new keys."""
    REUSE = "reuse"
    """The old connection's keys, read and sent inside ``aws``, never stored."""
    SECRETS_MANAGER = "secrets-manager"
    """AWS makes them and keeps them in Secrets Manager; no call returns them."""


class InsideMode(StrEnum):
    """Where the inside CIDRs of the new tunnels come from."""

    AMAZON = "amazon"
    """AWS chooses."""
    KEEP = "keep"
    """The old connection's: its tunnels must be shut before new ones open (domain.md 6.2)."""
    LISTED = "listed"
    """The playbook lists them, per old connection."""


class OldTunnels(StrEnum):
    """What step 10 asks about the leaving side's tunnels once traffic flows."""

    DISABLE = "disable"
    LEAVE = "leave"
    """Leave them enabled until finalize: a rollback then needs nobody at the device."""


class TunnelPolicy(StrEnum):
    """How many tunnels of a connection have to be UP on the way forward."""

    AS_BEFORE = "as-before"
    """As many as before, and at least one."""
    AT_LEAST_ONE = "at-least-one"
    """One will do; fewer than before is told as degraded (cases.md 55)."""


class BackOut(StrEnum):
    """What a failed or overdue cutover leads to."""

    ASK = "ask"
    ROLLBACK = "rollback"


class DirectConnectAssumption(StrEnum):
    """What planning takes for the truth about Direct Connect on the gateway."""

    CHECK = "check"
    """What was read; a gateway whose Direct Connect cannot be read is refused."""
    ABSENT = "absent"
    """The operator vouches that there is none, where it cannot be read."""


class TestVpc(Struct, frozen=True, forbid_unknown_fields=True):
    """Step 6.  ``command`` decides by its exit status; without one a person says ``done``."""

    cidr: str
    command: tuple[str, ...] = ()

    __test__ = False  # pytest would take the name for a test class


class Waits(Struct, frozen=True, forbid_unknown_fields=True):
    """Limits a playbook may set; the rest stand beside their steps."""

    tunnels: timedelta = timedelta(minutes=60)
    """Step 10: for a person to enable tunnels and for routes to return."""
    steady: timedelta = timedelta(seconds=30)
    """How long step 10 must stay green: one BGP hold time of AWS's samples (domain.md 9.1)."""
    margin: timedelta = timedelta(minutes=30)
    """Kept free before the window ends: what AWS takes to detach on a slow day (domain.md 3.1)."""
    soak: timedelta = timedelta(0)
    """How long green must hold before step 10 is done; a flap begins it again.

    The outage has ended by then: at the first green.
    """
    hook: timedelta = timedelta(seconds=30)
    """After which a hook is killed, with all that it started.  A webhook takes a second or two."""


class Verification(Struct, frozen=True, forbid_unknown_fields=True):
    """What step 10 calls green."""

    readings: int = 3
    """Readings in a row, begun one after the other, in which nothing may be lacking.

    At least 2: a single UP may be a stale reading (cases.md 58).
    """
    tunnels: TunnelPolicy = TunnelPolicy.AS_BEFORE


class Window(Struct, frozen=True, forbid_unknown_fields=True):
    """When a change may begin: two moments, fixed when the plan is made.

    In a playbook it is one text, see ``windows.written``.
    """

    start: datetime
    """The first moment that is in it; UTC."""
    end: datetime
    """The first moment that is not."""
    written: str
    """As a person wrote it, with the time zone."""


class Exceptions(Struct, frozen=True, forbid_unknown_fields=True):
    """What step 10 does not ask for, each by name."""

    prefixes: tuple[str, ...] = ()
    connections: tuple[VpnConnectionId, ...] = ()


class Approvals(Struct, frozen=True, forbid_unknown_fields=True):
    """Who has to agree to the plan before the cutover."""

    required: Annotated[int, Meta(ge=0, le=9)] = 0
    """How many different people."""
    four_eyes: bool = False
    """Nobody who carries the plan out counts; asks for one approval at least."""
    valid: timedelta = timedelta(days=7)
    """How long an approval counts: a change board's week."""

    @property
    def needed(self) -> int:
        """How many are needed in the end."""
        return max(self.required, 1) if self.four_eyes else self.required


class Finalize(Struct, frozen=True, forbid_unknown_fields=True):
    """What finalize, a change of its own, asks for beside verified traffic."""

    approved: bool = False
    """As many approvals as the cutover, valid on that day."""
    window: Window | None = None


class HookMoment(StrEnum):
    """When a hook is run; ``hooks.ABOUT`` says what each means."""

    BEFORE_CUTOVER = "before-cutover"
    BEFORE_FINALIZE = "before-finalize"
    OUTAGE_BEGAN = "outage-began"
    OUTAGE_ENDED = "outage-ended"
    STEP_SETTLED = "step-settled"
    NEEDS_PERSON = "needs-person"
    VERIFIED = "verified"
    FORCED = "forced"
    HELD = "held"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    ROLLBACK_STARTED = "rollback-started"
    ROLLED_BACK = "rolled-back"
    FINISHED = "finished"
    FINALIZED = "finalized"


Hook = Annotated[tuple[str, ...], Meta(min_length=1)]
"""A program with its arguments, run without a shell."""


class Decisions(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a playbook decides."""

    asn: int | None = None
    """Amazon-side ASN of the new gateway; None asks for AWS's default, 64512."""
    keys: KeyMode = KeyMode.NEW
    inside: InsideMode = InsideMode.AMAZON
    inside_cidrs: dict[VpnConnectionId, tuple[str, str]] = field(default_factory=dict)
    device_types: dict[str, str] = field(default_factory=dict)
    """Customer gateway id, or ``default``, to ``vendor/platform/software`` for AWS's sample."""
    tunnel_options: TunnelOptions = TunnelOptions()
    test_vpc: TestVpc | None = None
    old_tunnels: OldTunnels = OldTunnels.DISABLE
    back_out: BackOut = BackOut.ASK
    waits: Waits = Waits()
    verification: Verification = Verification()
    exceptions: Exceptions = Exceptions()
    probes: tuple[str, ...] = ()
    """Sent each second in the cutover: ``host:port``, or a command; no secret belongs in one."""
    change: ChangeNumber = ""
    """The change board's number for this migration, on everything it makes; ``plan --change``."""
    hooks: dict[HookMoment, Hook] = field(default_factory=dict)
    """What is run when; each is told on standard input what has happened."""
    recreate_aws_vpn: bool = False
    """Also re-create connections on the gateway that are AWS VPN already (cases.md 1)."""
    direct_connect: DirectConnectAssumption = DirectConnectAssumption.CHECK
    window: Window | None = None
    """When step 7 may begin; steps 1 to 6 may go days ahead, and a way back at any time."""
    approvals: Approvals = Approvals()
    rehearsed_within: timedelta | None = None
    """How old a rehearsal of this very plan may be; None asks for none."""
    finalize: Finalize = Finalize()
