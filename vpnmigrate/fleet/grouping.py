"""Grouping: from the document of ``discover --json`` to a campaign in waves."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

import msgspec
from msgspec import Struct

from vpnmigrate.fleet.campaign import Campaign, CampaignAccount, FleetMember, Wave
from vpnmigrate.model.decoding import fault_of
from vpnmigrate.model.errors import MalformedFileError, NothingToMigrateError, RefusedError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.plan import Plan

SCHEMA: Final = "vpnmigrate/discover/1"
PLANS: Final = "plans"
"""Folder of the plans, beside the campaign."""


class DiscoveredDevice(Struct, frozen=True):
    """The fields of a device in the document that a campaign needs."""

    ip: str | None = None


class ConnectionRow(Struct, frozen=True):
    """The fields of a connection in the document that a campaign needs."""

    customer_gateway: str | None = None
    device: DiscoveredDevice | None = None
    static_prefixes: tuple[str, ...] = ()


class GatewayRow(Struct, frozen=True):
    """The fields of a gateway in the document that a campaign needs."""

    account: str
    region: str
    gateway: str
    group: str
    can_be_migrated: bool
    why: tuple[str, ...] = ()
    account_name: str = ""
    name: str = ""
    vpc: str | None = None
    vpc_name: str = ""
    connections: tuple[ConnectionRow, ...] = ()

    @property
    def place(self) -> str:
        """Account, Region and id."""
        return f"{self.account} {self.region} {self.gateway}"


class UnreadRow(Struct, frozen=True):
    """An account or Region that discovery could not read."""

    why: str
    account: str = ""
    region: str = ""
    label: str = ""

    @property
    def place(self) -> str:
        """Account, or how it was named, and Region."""
        return f"{self.account or self.label} {self.region or 'in every Region'}"


class DiscoveryDocument(Struct, frozen=True):
    """The document of ``discover --json``."""

    schema: str
    complete: bool
    gateways: tuple[GatewayRow, ...]
    unread: tuple[UnreadRow, ...] = ()


@dataclass(frozen=True)
class WaveSizes:
    """How many members a wave has at most."""

    canary: int = 1
    others: int = 10


def discovery_document(document: Any, name: str) -> DiscoveryDocument:
    """Return the fields of *document* that a campaign needs; messages call it *name*.

    Raises:
        MalformedFileError: It is not the document of ``discover --json``.
    """
    advice = ("write it with:", cli("discover", "-o", "discovery.json"))
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise MalformedFileError(f"{name}: not the document of discover --json", advice=advice)
    try:
        return msgspec.convert(document, DiscoveryDocument)
    except msgspec.ValidationError as error:
        raise MalformedFileError(f"{name}: {fault_of(error)}", advice=advice) from None


def campaign_of(
    found: DiscoveryDocument,
    name: str,
    playbook: str,
    roles: Mapping[str, str],
    sizes: WaveSizes = WaveSizes(),
) -> Campaign:
    """Return a campaign of every gateway that can be migrated.

    The canary shares least with others and is the smallest.  The others follow in the same order;
    members that share a path of a site are put into different waves, if there are several.

    Raises:
        NothingToMigrateError: No gateway can be migrated.
    """
    rows = [row for row in found.gateways if row.can_be_migrated]
    if not rows:
        raise NothingToMigrateError(
            f"none of the {len(found.gateways)} gateways can be migrated",
            advice=("to see why:", cli("discover")),
        )
    ids = Counter(row.gateway for row in rows)
    members = [_member(row, row.gateway if ids[row.gateway] == 1 else "") for row in rows]
    waves = _waves(members, sizes)
    names = {row.account: row.account_name for row in rows}
    return Campaign(
        name=name,
        playbook=playbook,
        accounts={
            account: CampaignAccount(names[account], roles.get(account, ""))
            for account in sorted(names)
            if names[account] or account in roles
        },
        waves=tuple(
            Wave(name=_wave_name(number), members=tuple(each)) for number, each in enumerate(waves)
        ),
    )


def _wave_name(number: int) -> str:
    return f"wave-{number}" if number else "canary"


def _member(row: GatewayRow, unique: str) -> FleetMember:
    """Return the member of *row*; copies of a sandbox may have one id in several accounts."""
    id_ = unique or f"{row.gateway}-{row.account}-{row.region}"
    devices = [c.device.ip for c in row.connections if c.device is not None and c.device.ip]
    prefixes = [cidr for c in row.connections for cidr in c.static_prefixes]
    return FleetMember(
        id=id_,
        account=row.account,
        region=row.region,
        gateway=row.gateway,
        plan=f"{PLANS}/{id_}.json",
        name=row.name or row.vpc_name,
        vpc=row.vpc or "",
        connections=len(row.connections),
        customer_gateways=_once(c.customer_gateway for c in row.connections if c.customer_gateway),
        devices=_once(devices),
        prefixes=_once(prefixes),
    )


def member_of_plan(id_: str, plan: Plan, file: str) -> FleetMember:
    """Return the member that *plan*, in *file*, would be of a campaign."""
    living = plan.before.living
    used = {c.customer_gateway for c in living if c.customer_gateway}
    return FleetMember(
        id=id_,
        account=plan.account,
        region=plan.region,
        gateway=plan.before.gateway.id,
        plan=file,
        vpc=plan.vpc,
        connections=len(living),
        customer_gateways=_once(used),
        devices=_once(c.ip for c in plan.before.customer_gateways if c.id in used and c.ip),
        prefixes=_once(prefix.cidr for c in living for prefix in c.prefixes),
    )


def require_planned(member: FleetMember, plan: Plan, where: str) -> None:
    """Check that *plan* is that of *member*, and that the campaign names its shared resources.

    Members that share a path are never under way together, as far as the campaign names it.

    Raises:
        RefusedError: The plan is of another gateway, or has something that the campaign lacks.
    """
    found = member_of_plan(member.id, plan, member.plan)
    if (found.account, found.region, found.gateway) != (
        member.account,
        member.region,
        member.gateway,
    ):
        raise RefusedError(
            f"{where} is the plan of {found.gateway} in {found.account} {found.region}",
            advice="remove the file, or correct the member",
        )
    missing = [
        *sorted(set(found.customer_gateways) - set(member.customer_gateways)),
        *sorted(set(found.devices) - set(member.devices)),
        *sorted(set(found.prefixes) - set(member.prefixes)),
        *([found.vpc] if found.vpc != member.vpc else []),
    ]
    if missing:
        raise RefusedError(
            f"{where} has {', '.join(missing)}, which the campaign does not name for {member.id}",
            advice=(
                "add it to the member, so that nothing at the same site runs with it; to see it:",
                cli("discover", "--gateway", member.gateway, "--region", member.region),
            ),
        )


def _once(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))


def _waves(members: Sequence[FleetMember], sizes: WaveSizes) -> list[list[FleetMember]]:
    sharing = Counter(path for member in members for path in member.paths)

    def order(member: FleetMember) -> tuple[Any, ...]:
        shared = sum(sharing[path] - 1 for path in member.paths)
        return shared, member.connections, member.account, member.region, member.gateway

    first, *rest = _split(sorted(members, key=order), sizes.canary)
    others = rest[0] if rest else []
    waves: list[list[FleetMember]] = [[] for _ in range(ceil(len(others) / sizes.others))]
    taken: defaultdict[int, set[str]] = defaultdict(set)
    for member in others:
        room = [n for n, wave in enumerate(waves) if len(wave) < sizes.others]
        apart = (n for n in room if not taken[n].intersection(member.paths))
        number = next(apart, room[0])
        waves[number].append(member)
        taken[number].update(member.paths)
    return [first, *(wave for wave in waves if wave)]


def _split(members: list[FleetMember], canary: int) -> list[list[FleetMember]]:
    return [each for each in (members[:canary], members[canary:]) if each]
