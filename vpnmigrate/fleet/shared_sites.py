"""Shared sites: members of different campaigns that must not migrate at the same time.

Each campaign is scheduled alone (``schedule``), with what the others hold as its ``others``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from vpnmigrate.fleet.calendar import Freeze
from vpnmigrate.fleet.campaign import Campaign, FleetMember
from vpnmigrate.fleet.progress import AT_DEVICE, HOLDS_SLOT, CampaignProgress, MemberState
from vpnmigrate.fleet.schedule import MemberStart, StartKind, next_starts, order_waits


class SiteHolder(Struct, frozen=True):
    """A run that holds a slot, or is staged, with all that it shares with others."""

    campaign: str
    """Empty for a run without one."""
    member: FleetMember
    state: MemberState

    @property
    def label(self) -> str:
        """The run in words."""
        name, id_ = self.campaign, self.member.id
        return f"{id_} of campaign {name}" if name else id_


class CampaignFacts(Struct, frozen=True):
    """What a campaign is scheduled from."""

    campaign: Campaign
    progress: CampaignProgress
    freezes: Sequence[Freeze] = ()


def holders_of(campaign: Campaign, progress: CampaignProgress) -> Iterator[SiteHolder]:
    """Yield the members of *campaign* that hold a slot or are staged."""
    for member in campaign.members:
        state = progress.of(member.id).state
        if state in AT_DEVICE:
            yield SiteHolder(campaign.name, member, state)


def with_other_holders(
    progress: CampaignProgress, campaign: str, holders: Iterable[SiteHolder]
) -> CampaignProgress:
    """Return *progress* of *campaign* with the slots and devices that other campaigns hold.

    What is staged elsewhere has given its slot back, and is still at its devices.
    """
    others = [each for each in holders if each.campaign != campaign]
    named = [(replace(each.member, id=each.label), each.state) for each in others]
    return replace(
        progress,
        others=tuple(member for member, state in named if state in HOLDS_SLOT),
        others_staged=tuple(member for member, state in named if state not in HOLDS_SLOT),
    )


def starts_across(
    campaigns: Iterable[CampaignFacts], alone: Iterable[SiteHolder], now: datetime
) -> Iterator[tuple[str, MemberStart]]:
    """Yield campaign and start of each member that may be started now, all of them at once.

    *alone* are the holders without a campaign.
    """
    known = list(campaigns)
    holders = [*alone, *(h for each in known for h in holders_of(each.campaign, each.progress))]
    for each in known:
        name = each.campaign.name
        members = {member.id: member for member in each.campaign.members}
        progress = with_other_holders(each.progress, name, holders)
        for start in next_starts(each.campaign, progress, each.freezes, now):
            prepares = start.kind is StartKind.PREPARE
            state = MemberState.RUNNING if prepares else MemberState.CUTOVER
            holders.append(SiteHolder(name, members[start.member], state))
            yield name, start


def orders_across(
    campaigns: Iterable[CampaignFacts],
    alone: Iterable[SiteHolder],
    ordered: Collection[tuple[str, str]],
) -> Iterator[tuple[str, str, str]]:
    """Yield campaign and member of each order, and why it waits; the others may begin at once.

    *ordered* are the members with an order; *alone* are the holders without a campaign.
    """
    known = list(campaigns)
    holders = [*alone, *(h for each in known for h in holders_of(each.campaign, each.progress))]
    for each in known:
        name = each.campaign.name
        mine = {member for campaign, member in ordered if campaign == name}
        progress = with_other_holders(each.progress, name, holders)
        for member, why in order_waits(each.campaign, progress, mine):
            if not why:
                holders.append(SiteHolder(name, member, MemberState.ROLLING_BACK))
            yield name, member.id, why


def shared_path(one: FleetMember, other: FleetMember) -> str:
    """Return a path of a site that both members lead to; empty if there is none."""
    return next((path for path in one.paths if path in other.paths), "")
