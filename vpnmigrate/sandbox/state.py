"""State: plain records of a world, and values that change with time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from msgspec import Struct

from vpnmigrate.model.encryption_control import EncryptionControl
from vpnmigrate.model.survey import Quotas, VirtualInterface
from vpnmigrate.sandbox.behaviour import Behaviour, Span
from vpnmigrate.sandbox.ec2.ids import ResourceKind

LIVING = frozenset({"pending", "available"})
"""States of a resource that exists and is not being deleted."""


@dataclass
class Timeline:
    """Times, each with the state that begins then; the latest one in the past applies."""

    moments: list[tuple[datetime, str]] = field(default_factory=list)

    def at(self, now: datetime) -> str:
        """Return the state at *now*."""
        for since, state in reversed(self.moments):
            if since <= now:
                return state
        return UNBORN

    def since(self, now: datetime) -> datetime:
        """Return the time at which the state at *now* began."""
        for since, _ in reversed(self.moments):
            if since <= now:
                return since
        return LONG_AGO

    def then(self, now: datetime, *stages: tuple[timedelta, str]) -> None:
        """Replace the states after *now* with *stages*.

        Each stage's delay counts from the one before, the first from *now*.
        """
        self.moments = [entry for entry in self.moments if entry[0] <= now]
        moment = now
        for after, state in stages:
            moment += after
            self.moments.append((moment, state))

    def reaches(self, state: str) -> datetime | None:
        """Return the last time at which *state* begins, past or future."""
        for since, each in reversed(self.moments):
            if each == state:
                return since
        return None

    def first(self, state: str) -> datetime | None:
        """Return the first time at which *state* begins, past or future."""
        return next((since for since, each in self.moments if each == state), None)

    def is_there(self, now: datetime) -> bool:
        """Return whether a call may still show the resource."""
        return self.at(now) not in {UNBORN, GONE}


@dataclass
class Vpc:
    """A VPC and every network associated with it."""

    id: str
    cidrs: list[str]
    owner: str
    life: Timeline = field(default_factory=lambda: always("available"))


@dataclass
class Subnet:
    """A subnet; it exists as long as it is listed."""

    id: str
    vpc: str
    cidr: str
    life: Timeline = field(default_factory=lambda: always("available"))


@dataclass
class AttachmentRow:
    """One row of a gateway's attachments; rows of earlier VPCs remain listed for some time."""

    vpc: str
    life: Timeline


@dataclass
class Gateway:
    """A virtual private gateway."""

    id: str
    asn: int | None
    life: Timeline
    attachments: list[AttachmentRow] = field(default_factory=list)
    type: str = "ipsec.1"

    def attachment(self, vpc: str, now: datetime) -> AttachmentRow | None:
        """Return the row for *vpc* that is attaching, attached or detaching."""
        return next((row for row in self.held(now) if row.vpc == vpc), None)

    def held(self, now: datetime) -> list[AttachmentRow]:
        """Return the rows that prevent an attachment to another VPC; at most one."""
        return [
            row
            for row in self.attachments
            if row.life.reaches("detached") is None or (row.life.reaches("detached") or now) > now
        ]

    def attached_since(self, now: datetime) -> datetime | None:
        """Return the time since which the gateway is attached, or None while it is not."""
        row = self._attached(now)
        return row.life.since(now) if row else None

    def vpc(self, now: datetime) -> str | None:
        """Return the VPC that the gateway is attached to."""
        row = self._attached(now)
        return row.vpc if row else None

    def _attached(self, now: datetime) -> AttachmentRow | None:
        for row in self.attachments:
            if row.life.at(now) == "attached":
                return row
        return None


@dataclass
class CustomerGateway:
    """AWS's record of a device on premises."""

    id: str
    life: Timeline
    asn: int | None = None
    ip: str = ""
    device_name: str = ""
    certificate: str = ""


@dataclass
class TunnelState:
    """One tunnel: its addresses, its key, and the options of the request."""

    outside_ip: str
    inside_cidr: str
    key: str
    options: dict[str, object] = field(default_factory=dict)
    interrupted_until: datetime | None = None
    """When the last modification of its options ends, or ended."""


@dataclass
class Connection:
    """A VPN connection."""

    id: str
    life: Timeline
    category: str | None
    customer_gateway: str | None
    gateway: str | None
    static_only: bool
    tunnels: list[TunnelState]
    elsewhere: str | None = None
    prefixes: dict[str, Timeline] = field(default_factory=dict)
    key_storage: str = "Standard"
    networks: dict[str, str] = field(default_factory=dict)
    """Traffic selectors, by EC2's name."""


class Route(Struct, frozen=True, dict=True):
    """A static route, or the local one."""

    destination: str
    target: str
    origin: str = "CreateRoute"
    state: str = "active"
    """State of a route to a target outside the model, or to a gateway that is attached."""


@dataclass
class Association:
    """A table's association with a subnet or a gateway; ``until`` is when a detach ends it."""

    id: str
    subnet: str | None = None
    gateway: str | None = None
    main: bool = False
    until: datetime | None = None


@dataclass
class PropagationSetting:
    """A table's propagation setting for a gateway.

    ``since`` is None while a setting that survived a detach is listed without effect.
    """

    gateway: str
    since: datetime | None
    until: datetime | None = None


class DescribedRoutes(NamedTuple):
    """The last rows of a table's routes in an answer, with what they were made from."""

    attached: set[str]
    """The gateways that were attached to the VPC."""
    routes: list[Route]
    rows: list[dict[str, Any]]


@dataclass
class RouteTable:
    """A route table; propagated routes are calculated and never stored."""

    id: str
    vpc: str
    owner: str
    routes: list[Route] = field(default_factory=list)
    associations: list[Association] = field(default_factory=list)
    propagations: list[PropagationSetting] = field(default_factory=list)
    described: DescribedRoutes | None = field(default=None, compare=False, repr=False)

    def tied(self, now: datetime) -> list[Association]:
        """Return the associations in force."""
        return [a for a in self.associations if a.until is None or now < a.until]

    def propagating(self, now: datetime) -> list[PropagationSetting]:
        """Return the propagation settings that are listed."""
        return [p for p in self.propagations if p.until is None or now < p.until]


@dataclass
class Device:
    """The part of an on-premises device that belongs to one connection."""

    configured: datetime | None = None
    enabled: dict[int, datetime] = field(default_factory=dict)
    """Tunnel number to the time since which it is enabled."""
    disabled: dict[int, datetime] = field(default_factory=dict)
    """Tunnel number to the time since which it is disabled; absent if it was never enabled."""
    bgp_shut: bool = False


@dataclass(frozen=True)
class DirectConnectTie:
    """A Direct Connect gateway's association with a virtual private gateway."""

    id: str
    state: str
    direct_connect_gateway: str
    gateway: str


class TunnelTelemetry(Struct, frozen=True):
    """Telemetry of one tunnel."""

    up: bool
    since: datetime
    message: str = ""
    accepted: int = 0
    negotiated: Mapping[str, Any] | None = None
    """The algorithms of a measured tunnel, as GetActiveVpnTunnelStatus shows them."""


@dataclass
class WorldState:
    """The whole world at one time; ``ec2`` functions read and change it, ``World`` locks it."""

    now: datetime
    behaviour: Behaviour
    account: str
    region: str
    seed: int
    drawn_from: str | int = 0
    """Seed of the random values of the call in progress."""
    _draw: Random | None = field(default=None, compare=False, repr=False)
    quotas: Quotas = field(default_factory=Quotas)
    vpcs: dict[str, Vpc] = field(default_factory=dict)
    subnets: dict[str, Subnet] = field(default_factory=dict)
    gateways: dict[str, Gateway] = field(default_factory=dict)
    customer_gateways: dict[str, CustomerGateway] = field(default_factory=dict)
    connections: dict[str, Connection] = field(default_factory=dict)
    tables: dict[str, RouteTable] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    born: dict[str, dict[str, str]] = field(default_factory=dict)
    """By resource: the tags in its create call, which show its creator even if tags change."""
    devices: dict[str, Device] = field(default_factory=dict)
    """By connection."""
    advertised: dict[str, list[str]] = field(default_factory=dict)
    """By customer gateway: the prefixes its device advertises over BGP."""
    virtual_interfaces: list[VirtualInterface] = field(default_factory=list)
    direct_connect_ties: list[DirectConnectTie] = field(default_factory=list)
    encryption_controls: dict[str, EncryptionControl] = field(default_factory=dict)
    """By VPC."""
    account_encryption_control: EncryptionControl | None = None
    """None: encryption is unmanaged."""
    pending_maintenance: dict[str, datetime | None] = field(default_factory=dict)
    """By outside address of a tunnel with pending maintenance: when AWS applies it, if ever."""
    measured: dict[str, TunnelTelemetry] | None = None
    """By outside address: telemetry of real tunnels, where a lab has them."""

    @property
    def draw(self) -> Random:
        """The random values of the call in progress; most calls need none."""
        if self._draw is None:
            self._draw = Random(self.drawn_from)  # noqa: S311 - repeatable on purpose
        return self._draw

    def draw_from(self, seed: str) -> None:
        """Begin the random values of another call."""
        self.drawn_from, self._draw = seed, None

    def lasting(self, span: Span) -> timedelta:
        """Return a random duration from *span*."""
        return span.least + (span.most - span.least) * self.draw.random()

    def new_id(self, kind: ResourceKind) -> str:
        """Return a new id."""
        return f"{kind.prefix}-0{self.draw.getrandbits(64):016x}"

    def is_there(self, thing: Gateway | Connection | CustomerGateway | Vpc | Subnet) -> bool:
        """Return whether a call may still show *thing*."""
        return thing.life.is_there(self.now)

    def life(self, thing: Gateway | Connection | CustomerGateway | Vpc | Subnet) -> str:
        """Return the state of *thing* now."""
        return thing.life.at(self.now)


LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""Start of a loaded resource's state, unless its scenario says otherwise."""

UNBORN = "unborn"
"""State before the first entry: the resource does not exist yet, and no call shows it."""

GONE = "gone"
"""State after a deleted resource is no longer listed: no call shows it."""


def always(state: str, since: datetime = LONG_AGO) -> Timeline:
    """Return the timeline of a resource that stays in *state*."""
    return Timeline([(since, state)])
