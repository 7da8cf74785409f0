"""Campaign: a file with the gateways to migrate, in waves, and the rules for starting them.

It is YAML, read as strictly as a playbook.  It contains no state: what has been started, and how
that went, is ``progress``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from vpnmigrate.engine.gates.host import DEFAULT_ROUTES
from vpnmigrate.model.decisions import Window
from vpnmigrate.model.errors import MalformedFileError
from vpnmigrate.planning.strict_yaml import Path, YamlDocument, document_from
from vpnmigrate.planning.yaml_struct import YamlStruct

CampaignName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$(?!\n)")]
"""Name of a campaign or wave: lower-case letters, digits and hyphens."""
FleetMemberId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$(?!\n)")]
"""Id of a member: it is part of file names and of commands."""
AccountNumber = Annotated[str, Meta(pattern=r"^\d{12}$(?!\n)")]
AtLeastOne = Annotated[int, Meta(ge=1, le=1000)]
RelativePath = Annotated[str, Meta(pattern=r"^[^/\x00-\x1f\x7f][^\x00-\x1f\x7f]*$(?!\n)")]
"""A file, relative to the folder of the campaign."""


class FleetLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """How many members may hold a slot at a time."""

    account: AtLeastOne = 1
    """In one account."""
    region: AtLeastOne = 2
    """In one Region, over all accounts."""
    device: AtLeastOne = 2
    """Migrations under way at one customer device, also those that are staged: each has added
    tunnels to the device, and its engineer has them in mind."""


class FreezeRule(Struct, frozen=True, forbid_unknown_fields=True):
    """When nothing is started."""

    calendar: RelativePath
    """An iCalendar file (.ics): each of its events is a freeze."""
    margin: timedelta = timedelta(hours=2)
    """How long before a freeze the last start may be: a cutover and its rollback, each with a slow
    swap of 45 minutes (domain.md 3.1), and half an hour for the devices."""


class CampaignAccount(Struct, frozen=True, forbid_unknown_fields=True):
    """How an account is reached; without role and profile, with the credentials at hand."""

    name: str = ""
    role: str = ""
    """ARN of the role to assume."""
    profile: str = ""
    """Profile of the AWS CLI."""


class FleetMember(Struct, frozen=True, dict=True, forbid_unknown_fields=True):
    """A virtual private gateway of the campaign, with the resources that others may share."""

    id: FleetMemberId
    account: AccountNumber
    region: str
    gateway: str
    plan: RelativePath
    """File of its plan."""
    name: str = ""
    """Name of the gateway, its VPC or its site; for people."""
    vpc: str = ""
    connections: int = 0
    customer_gateways: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    """Public addresses of its customer gateways, whatever account these are in."""
    prefixes: tuple[str, ...] = ()
    """Static prefixes of its connections: another member with one of them leads to the same
    network, so it is a redundancy partner.  A default route does not count."""
    partners: tuple[FleetMemberId, ...] = ()
    """Members that carry the traffic if this one does not; each is the other's partner."""

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Keys of the paths to its sites: members with a common key share a site."""
        place = f"{self.account}/{self.region}"
        return (
            f"gateway {self.gateway} in {place}",
            *(f"device {address}" for address in self.devices),
            *(f"customer gateway {id_} in {place}" for id_ in self.customer_gateways),
            *([f"VPC {self.vpc} in {place}"] if self.vpc else []),
            *(f"prefix {cidr}" for cidr in self.prefixes if cidr not in DEFAULT_ROUTES),
        )


class Wave(Struct, frozen=True, forbid_unknown_fields=True):
    """Members that are migrated together, after every wave before has passed."""

    name: CampaignName
    members: tuple[FleetMember, ...]
    soak: timedelta = timedelta(0)
    """How long traffic must have used the new connections before the next wave."""
    approval: bool = False
    """Whether a person must approve that the wave begins."""
    approved_by: str = ""
    """Who has approved it, for example in a merge request."""
    window: Window | None = None
    """When its cutovers may begin; its plans have the same window."""

    @property
    def digest(self) -> str:
        """Hash of the wave's content: an approval counts for this content only."""
        text = msgspec.json.encode(msgspec.structs.replace(self, approved_by=""))
        return sha256(text).hexdigest()


class Campaign(Struct, frozen=True, dict=True, forbid_unknown_fields=True):
    """A campaign; an omitted field has its default."""

    name: CampaignName
    waves: tuple[Wave, ...]
    """In the order of their start; the first is the canary."""
    playbook: str = "standard"
    """Name or file of the decisions of its plans."""
    limits: FleetLimits = FleetLimits()
    error_budget: Annotated[int, Meta(ge=0, le=1000)] = 0
    """How many members may have failed or been rolled back without stopping further starts."""
    freeze: FreezeRule | None = None
    accounts: dict[AccountNumber, CampaignAccount] = field(default_factory=dict)

    @cached_property
    def members(self) -> tuple[FleetMember, ...]:
        """Every member, in the order of the waves."""
        return tuple(member for wave in self.waves for member in wave.members)


_FILE = YamlStruct(Campaign)
_TITLE = "vpnmigrate campaign"


def campaign_from(text: str, name: str) -> Campaign:
    """Return the campaign in *text*; messages call the text *name*.

    Raises:
        MalformedFileError: It is not a valid campaign; the message names line and field.
    """
    document = document_from(text, name)
    campaign = _FILE.read(document)
    for fault in _faults(document, campaign):
        raise fault
    return campaign


def campaign_schema() -> dict[str, Any]:
    """Return the JSON Schema of campaigns."""
    return _FILE.schema(_TITLE)


def campaign_schema_text() -> str:
    """Return the schema as the text of docs/reference/campaign.schema.json."""
    return _FILE.schema_text(_TITLE)


def _faults(document: YamlDocument, campaign: Campaign) -> Iterator[MalformedFileError]:
    """Yield the faults that the types of the fields cannot exclude."""
    if not campaign.waves:
        yield document.fault(("waves",), "a campaign needs a wave")
    taken: dict[tuple[str, str], Path] = {}

    def repeated(kind: str, value: str, path: Path) -> Iterator[MalformedFileError]:
        first = taken.setdefault((kind, value), path)
        if first != path:
            yield document.fault(
                path, f"{value} is the {kind} of line {document.line_of(first)} too"
            )

    known = {member.id for member in campaign.members}
    for number, wave in enumerate(campaign.waves):
        at: Path = ("waves", number)
        yield from repeated("name", wave.name, (*at, "name"))
        if not wave.members:
            yield document.fault((*at, "members"), "a wave needs a member")
        for place, member in enumerate(wave.members):
            here: Path = (*at, "members", place)
            yield from repeated("id", member.id, (*here, "id"))
            yield from repeated("plan", member.plan, (*here, "plan"))
            gateway = f"{member.gateway} in {member.account} {member.region}"
            yield from repeated("gateway", gateway, (*here, "gateway"))
            for index, partner in enumerate(member.partners):
                if partner not in known or partner == member.id:
                    yield document.fault(
                        (*here, "partners", index),
                        f"{partner} is not another member of the campaign",
                        advice="partners are the ids of members",
                    )
