"""Decisions: the answers of a playbook, as frozen into a plan.

Each field of ``Decisions`` is an option of a playbook; ``planning.playbook`` reads it by its type.
Its users read ``plan.decisions.NAME``, and ``report.plan`` shows it with a plan.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct, field
from msgspec.structs import replace

from vpnmigrate.model.ec2 import TunnelOptions, VpnConnectionId

ChangeNumber = Annotated[str, Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9._:/@+=-]{0,63})?$(?!\n)")]
"""A change number: characters that EC2 accepts in a tag and a shell does not expand; or empty.

The lookahead is needed because ``$`` in Python also matches before a final newline.
"""


AbsolutePath = Annotated[str, Meta(pattern=r"^(/[^\x00-\x1f\x7f]*)?$(?!\n)")]
"""An absolute path, or empty."""


class KeyMode(StrEnum):
    """Where the pre-shared keys of the new tunnels come from."""

    NEW = "new"
    """AWS generates them; the devices get new keys."""
    REUSE = "reuse"
    """The old connection's keys, read and sent inside ``aws``, never stored."""
    SECRETS_MANAGER = "secrets-manager"
    """AWS generates them and stores them in Secrets Manager; no EC2 call returns them."""


class KeyStorage(StrEnum):
    """Where AWS stores the pre-shared keys of the new tunnels."""

    KEEP = "keep"
    """Where it stores those of the old connection."""
    STANDARD = "standard"
    """In the Site-to-Site VPN service: describe calls return the keys."""
    SECRETS_MANAGER = "secrets-manager"


class UnsetOptions(StrEnum):
    """What holds for the options that a playbook does not set: tunnel options, networks, ASN."""

    KEEP = "keep"
    """The old connection's, per tunnel; strong defaults for a Classic one, which has none."""
    AWS = "aws"
    """AWS's defaults, which accept weak algorithms."""


class InsideMode(StrEnum):
    """Where the inside CIDRs of the new tunnels come from."""

    AMAZON = "amazon"
    """AWS chooses."""
    KEEP = "keep"
    """The old connection's: its tunnels must be disabled before the new ones (domain.md 6.2)."""
    LISTED = "listed"
    """The playbook lists them, per old connection."""


class OldTunnels(StrEnum):
    """What step 10 does about the old tunnels once traffic flows on the new ones."""

    DISABLE = "disable"
    LEAVE = "leave"
    """Leave them enabled until finalize: traffic then returns without work at the devices."""


class TunnelPolicy(StrEnum):
    """How many tunnels of a connection must be UP after a migration forward."""

    AS_BEFORE = "as-before"
    """As many as before the migration, and at least one."""
    AT_LEAST_ONE = "at-least-one"
    """One is enough; fewer than before is reported as degraded (cases.md 55)."""


class DriverKind(StrEnum):
    """Kind of driver that does the work at a device in steps 5 and 10."""

    MANUAL = "manual"
    """An engineer, with the sheet and the commands of ``device config``."""
    COMMAND = "command"
    """A program of yours."""
    STRONGSWAN = "strongswan"
    """A Linux router with strongSwan, through a shell and charon's vici socket."""
    NETMIKO = "netmiko"
    """A router or firewall whose command line netmiko types over SSH."""
    NAPALM = "napalm"
    """A router whose configuration napalm loads, compares and commits."""


class SshAccess(Struct, frozen=True, forbid_unknown_fields=True):
    """How a driver logs in to a device; with neither key nor password by the SSH agent."""

    host: str
    """Name or address, as in the file of known hosts."""
    user: str
    port: Annotated[int, Meta(ge=1, le=65535)] = 22
    known_hosts: AbsolutePath = ""
    """The file with the device's host key; empty for that of the user, ``~/.ssh/known_hosts``."""
    key_file: AbsolutePath = ""
    """A private key of mode 0600, without a passphrase."""
    password_file: AbsolutePath = ""
    """A file of mode 0600 with the password in its first line."""
    password_command: tuple[str, ...] = ()
    """A program that prints the password."""


class DeviceDriver(Struct, frozen=True, forbid_unknown_fields=True):
    """What does the work at the device of a customer gateway."""

    kind: DriverKind = DriverKind.MANUAL
    command: tuple[str, ...] = ()
    """Of kind ``command``: the program with its arguments, run without a shell."""
    shell: tuple[str, ...] = ()
    """Of kind ``strongswan``: a program that runs commands of its standard input on the router."""
    sockets: tuple[str, ...] = ("unix:///var/run/charon.vici",)
    """Of kind ``strongswan``: where charon answers, also ``tcp://HOST:PORT``."""
    ssh: SshAccess | None = None
    """Of the kinds ``netmiko`` and ``napalm``: how they log in."""
    confirm_timer: timedelta = timedelta(minutes=5)
    """Of these kinds: how long the device keeps a change that is not confirmed, in whole minutes.

    It is longer than ``limit``, so that a call that was killed can be repeated within it.
    """
    platform: str = ""
    """Kind of device, as of ``device config --platform``; empty for that of ``device_types``."""
    values: dict[str, str] = field(default_factory=dict)
    """What replaces the placeholders of the commands, by their text without ``<`` and ``>``."""
    existing: AbsolutePath = ""
    """A file with the running configuration of the device, in which its old tunnels are found."""
    limit: timedelta = timedelta(minutes=2)
    """Limit of one call; it is then killed, and the device's state is read before anything else.

    An initiation may wait 30 s, and a connection has two tunnels.
    """

    @property
    def automatic(self) -> bool:
        """Whether the work needs no engineer, as long as the driver reaches the device."""
        return self.kind is not DriverKind.MANUAL

    def __str__(self) -> str:
        reached = (self.ssh.host,) if self.ssh else (self.command or self.shell)[:1]
        return " ".join((self.kind, *reached))


class BackOut(StrEnum):
    """What happens when the cutover fails or passes the back-out deadline."""

    ASK = "ask"
    ROLLBACK = "rollback"


class DirectConnectAssumption(StrEnum):
    """What planning assumes about Direct Connect on the gateway."""

    CHECK = "check"
    """What AWS describes; planning is refused if it cannot be read."""
    ABSENT = "absent"
    """The operator guarantees that there is none, where it cannot be read."""


class Networks(Struct, frozen=True, forbid_unknown_fields=True):
    """The IPv4 networks that the tunnels of one connection allow: its traffic selectors."""

    local: str = ""
    """On premises; empty where ``unset_options`` decides."""
    remote: str = ""
    """On AWS's side."""


class CryptoFloor(Struct, frozen=True, forbid_unknown_fields=True):
    """The values that negotiated algorithms must have; an empty one is decided by the plan.

    See ``model.negotiated``.  A tunnel below it is only reported.
    """

    ike_versions: tuple[str, ...] = ()
    phase1_encryption: tuple[str, ...] = ()
    phase1_integrity: tuple[str, ...] = ()
    phase1_dh_groups: tuple[int, ...] = ()
    phase2_encryption: tuple[str, ...] = ()
    phase2_integrity: tuple[str, ...] = ()
    phase2_dh_groups: tuple[int, ...] = ()


class TagChanges(Struct, frozen=True, forbid_unknown_fields=True):
    """How the tags of the successors differ from those of the old gateway and connections."""

    drop: tuple[str, ...] = ()
    """Keys that are not copied; one that ends in ``*`` stands for every key with that beginning."""
    add: dict[str, str] = field(default_factory=dict)
    """Tags that are set on each successor; they replace copied ones."""

    def drops(self, key: str) -> bool:
        """Return whether *key* is not copied."""
        return any(
            key.startswith(name[:-1]) if name.endswith("*") else key == name for name in self.drop
        )


class TestVpc(Struct, frozen=True, forbid_unknown_fields=True):
    """Test VPC of step 6: ``command`` tests it by exit status; without one the operator does."""

    cidr: str
    command: tuple[str, ...] = ()

    __test__ = False  # pytest would collect it as a test class because of its name


class Waits(Struct, frozen=True, forbid_unknown_fields=True):
    """Limits and times that a playbook may set; other limits are fixed in their steps."""

    tunnels: timedelta = timedelta(minutes=60)
    """Step 10: time for a person to enable tunnels and for routes to return."""
    steady: timedelta = timedelta(seconds=30)
    """How long traffic must be stable in step 10: one BGP hold time (domain.md 9.1)."""
    margin: timedelta = timedelta(minutes=30)
    """Reserve before the end of the window: the time of a slow detach (domain.md 3.1)."""
    soak: timedelta = timedelta(0)
    """How long traffic must stay stable before step 10 is done; a flap restarts it.

    The outage has already ended by then.
    """
    hook: timedelta = timedelta(seconds=30)
    """Limit of a hook: it is then killed with its child processes.  A webhook takes 1 to 2 s."""


class Verification(Struct, frozen=True, forbid_unknown_fields=True):
    """What step 10 requires for stable traffic."""

    readings: int = 3
    """Number of consecutive complete readings, taken one after the other.

    At least 2: a single UP may be a stale reading (cases.md 58).
    """
    tunnels: TunnelPolicy = TunnelPolicy.AS_BEFORE


class Window(Struct, frozen=True, forbid_unknown_fields=True):
    """Change window: when a change may begin, as two moments fixed when the plan is made.

    In a playbook it is one text, see ``planning.window_parser``.
    """

    start: datetime
    """First moment of the window; UTC."""
    end: datetime
    """First moment after the window; UTC."""
    written: str
    """The text from the playbook or command line, with the time zone."""


class Exceptions(Struct, frozen=True, forbid_unknown_fields=True):
    """Prefixes and connections that step 10 does not require."""

    prefixes: tuple[str, ...] = ()
    connections: tuple[VpnConnectionId, ...] = ()


LONGEST_APPROVAL: Final = timedelta(days=30)
"""A change calendar is planned for a month at most; a change that waits longer is approved anew."""


class Approvals(Struct, frozen=True, forbid_unknown_fields=True):
    """Approvals that the plan needs before the cutover."""

    required: Annotated[int, Meta(ge=0, le=9)] = 0
    """How many different people must approve."""
    four_eyes: bool = False
    """The operator cannot approve their own change; implies at least one approval."""
    valid: timedelta = timedelta(days=7)
    """How long an approval is valid, at most 30 days; the default is a change board's week."""
    signed: bool = False
    """The plan and its approvals count only with SSH signatures; needs ``allowed_signers``."""
    allowed_signers: AbsolutePath = ""
    """OpenSSH's list of the keys that may sign, by AWS identity; ``plan --allowed-signers``."""
    revoked_keys: AbsolutePath = ""
    """List of revoked keys (``ssh-keygen -r``); it is read anew for each check."""

    @property
    def needed(self) -> int:
        """The number of approvals needed."""
        return max(self.required, 1) if self.four_eyes else self.required


class Finalize(Struct, frozen=True, forbid_unknown_fields=True):
    """What finalize, a change of its own, requires besides verified traffic."""

    approved: bool = False
    """Whether finalize needs as many valid approvals as the cutover."""
    window: Window | None = None
    soak: timedelta = timedelta(0)
    """How long ago traffic must have been verified; the playbook ``standard`` has a day."""


class HookMoment(StrEnum):
    """When a hook runs; ``hooks.ABOUT`` explains each moment."""

    BEFORE_CUTOVER = "before-cutover"
    BEFORE_FINALIZE = "before-finalize"
    STARTED = "started"
    GATE_FAILED = "gate-failed"
    DEADLINE_NEAR = "deadline-near"
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
    """All decisions of a playbook."""

    asn: int | None = None
    """Amazon-side ASN of the new gateway; None keeps the old one's if EC2 accepts it, else it is
    AWS's default, 64512."""
    keys: KeyMode = KeyMode.NEW
    key_storage: KeyStorage = KeyStorage.KEEP
    inside: InsideMode = InsideMode.AMAZON
    inside_cidrs: dict[VpnConnectionId, tuple[str, str]] = field(default_factory=dict)
    device_types: dict[str, str] = field(default_factory=dict)
    """Customer gateway id, or ``default``, to ``vendor/platform/software`` of AWS's sample."""
    drivers: dict[str, DeviceDriver] = field(default_factory=dict)
    """Customer gateway id, or ``default``, to the driver for its device."""
    tunnel_options: TunnelOptions = TunnelOptions()
    """Options of every new tunnel."""
    tunnel_options_of: dict[str, TunnelOptions] = field(default_factory=dict)
    """Options of one connection, by the old connection's id, or of one tunnel, by the old tunnel's
    outside address."""
    networks: dict[VpnConnectionId, Networks] = field(default_factory=dict)
    """Traffic selectors, by the old connection's id."""
    unset_options: UnsetOptions = UnsetOptions.KEEP
    crypto_floor: CryptoFloor = CryptoFloor()
    """What the tunnels must have negotiated after the cutover; a verdict, not a condition."""
    tags: TagChanges = TagChanges()
    test_vpc: TestVpc | None = None
    old_tunnels: OldTunnels = OldTunnels.DISABLE
    back_out: BackOut = BackOut.ASK
    waits: Waits = Waits()
    verification: Verification = Verification()
    exceptions: Exceptions = Exceptions()
    probes: tuple[str, ...] = ()
    """Probes sent every second during the cutover: ``host:port`` or a command, without secrets."""
    change: ChangeNumber = ""
    """The change number of this migration, set as a tag on all it creates; ``plan --change``."""
    hooks: dict[HookMoment, Hook] = field(default_factory=dict)
    """Programs to run at each moment; each receives the event on standard input."""
    recreate_aws_vpn: bool = False
    """Whether to re-create connections that are AWS VPN already as well (cases.md 1)."""
    direct_connect: DirectConnectAssumption = DirectConnectAssumption.CHECK
    window: Window | None = None
    """When step 7 may begin; steps 1 to 6 may run days ahead, and a rollback at any time."""
    approvals: Approvals = Approvals()
    rehearsed_within: timedelta | None = None
    """Maximum age of a rehearsal of the same plan; None means no rehearsal is required."""
    finalize: Finalize = Finalize()

    def device_type_of(self, customer_gateway: str | None) -> str | None:
        """Return the device type of AWS's sample for *customer_gateway*, or None."""
        return self.device_types.get(customer_gateway or "", self.device_types.get("default"))

    def driver_of(self, customer_gateway: str | None) -> DeviceDriver:
        """Return the driver for the device of *customer_gateway*."""
        default = self.drivers.get("default", DeviceDriver())
        return self.drivers.get(customer_gateway or "", default)

    def without_restrictions(self) -> Decisions:
        """Return these decisions without what restricts when a run may start, for a rehearsal."""
        return replace(self, window=None, approvals=Approvals(), rehearsed_within=None)
