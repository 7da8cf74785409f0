"""Schedule: members of a campaign that may be started now, and reasons why others wait.

A member that is under way holds a slot; a staged one has given it back.  Two members that share a
path of a site never hold a slot at the same time, so a site keeps its other path.  Only starts are
decided here: runs under way, and all rollbacks, continue regardless of the rules.  The orders for a
whole wave wait for slots, so that they do not reach all sites at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from vpnmigrate.fleet.calendar import Freeze
from vpnmigrate.fleet.campaign import Campaign, FleetMember, Wave
from vpnmigrate.fleet.names import first_of
from vpnmigrate.fleet.progress import (
    AT_DEVICE,
    HOLDS_SLOT,
    USES_ERROR_BUDGET,
    CampaignProgress,
    MemberState,
)
from vpnmigrate.model.clock import moment


class StartKind(StrEnum):
    """How far a member may be started."""

    PREPARE = "prepare"
    """Up to the cutover, which is not begun: ``apply --until cutover``."""
    CUTOVER = "cutover"
    """The cutover of a staged member."""


class MemberStart(Struct, frozen=True):
    """A start that is allowed now."""

    member: str
    kind: StartKind


class MemberWait(Struct, frozen=True):
    """A member that is not started now, and why."""

    member: str
    why: str


class WaveStatus(StrEnum):
    """Status of a wave."""

    PASSED = "passed"
    OPEN = "open"
    CLOSED = "closed"
    """Its members are not started yet."""


class WaveView(Struct, frozen=True):
    """Status of a wave, and what it waits for."""

    wave: Wave
    status: WaveStatus
    why: str = ""
    to_approve: bool = False
    """Whether it waits for an approval, and for nothing else."""


class FleetSchedule(Struct, frozen=True):
    """What may be started, and what waits for what."""

    starts: tuple[MemberStart, ...]
    waits: tuple[MemberWait, ...]
    waves: tuple[WaveView, ...]
    held: tuple[str, ...] = ()
    """Every reason that prevents all starts."""


def next_starts(
    campaign: Campaign, progress: CampaignProgress, freezes: Sequence[Freeze], now: datetime
) -> tuple[MemberStart, ...]:
    """Return the starts that are allowed at *now*, all of which may be made at once."""
    return schedule(campaign, progress, freezes, now).starts


def schedule(
    campaign: Campaign, progress: CampaignProgress, freezes: Sequence[Freeze], now: datetime
) -> FleetSchedule:
    """Return what may be started at *now*, and for each other member why it waits.

    *freezes* are those of the campaign's calendar around *now*.
    """
    waves = tuple(_waves(campaign, progress, now))
    held = tuple(_holds(campaign, progress, freezes, now))
    slots = _Slots(campaign, progress)
    starts: list[MemberStart] = []
    waits: list[MemberWait] = []
    for view in waves:
        for kind, member in _candidates(view.wave, progress):
            why = "; ".join(held) or (view.why if view.status is WaveStatus.CLOSED else "")
            if not why and kind is StartKind.CUTOVER:
                why = _outside_window(view.wave, now)
            if not why:
                why = slots.obstacle(member, kind)
            if why:
                waits.append(MemberWait(member.id, why))
            else:
                slots.take(member, kind)
                starts.append(MemberStart(member.id, kind))
    return FleetSchedule(tuple(starts), tuple(waits), waves, held)


def order_waits(
    campaign: Campaign, progress: CampaignProgress, ordered: Collection[str]
) -> Iterator[tuple[FleetMember, str]]:
    """Yield each *ordered* member, and why its order waits; the others may begin at once.

    Rollbacks and deletions wait for slots alone: no window, freeze or error budget holds them.
    """
    slots = _Slots(campaign, progress)
    for member in campaign.members:
        if member.id in ordered:
            why = slots.obstacle(member, StartKind.CUTOVER)
            if not why:
                slots.take(member, StartKind.CUTOVER)
            yield member, why


def _candidates(wave: Wave, progress: CampaignProgress) -> Iterator[tuple[StartKind, FleetMember]]:
    """Yield the members to start, staged ones first: their windows are short."""
    for state, kind in (
        (MemberState.STAGED, StartKind.CUTOVER),
        (MemberState.WAITING, StartKind.PREPARE),
    ):
        in_state = (m for m in wave.members if progress.of(m.id).state is state)
        yield from ((kind, m) for m in in_state if m.id not in progress.held)


def _waves(campaign: Campaign, progress: CampaignProgress, now: datetime) -> Iterator[WaveView]:
    before = ""
    for wave in campaign.waves:
        unfinished = _unfinished(wave, progress, now)
        if before:
            yield WaveView(wave, WaveStatus.CLOSED, before)
        elif not unfinished:
            yield WaveView(wave, WaveStatus.PASSED)
        elif wave.approval and not (wave.approved_by or progress.approved.get(wave.name)):
            why = f"wave {wave.name} is not approved"
            yield WaveView(wave, WaveStatus.CLOSED, why, to_approve=True)
        else:
            yield WaveView(wave, WaveStatus.OPEN, unfinished)
        before = before or unfinished


def _unfinished(wave: Wave, progress: CampaignProgress, now: datetime) -> str:
    """Return why *wave* has not passed, or an empty text."""
    found = [progress.of(member.id) for member in wave.members]
    done = [each for each in found if each.state is MemberState.DONE]
    if len(done) < len(found):
        return f"wave {wave.name}: {len(done)} of {len(found)} done"
    if wave.soak:
        times = [each.since for each in done if each.since is not None]
        if len(times) < len(done):
            return f"wave {wave.name}: the time of its end is unknown, so its soak has not begun"
        until = max(times) + wave.soak
        if now < until:
            return f"wave {wave.name} soaks until {moment(until)}"
    return ""


def _holds(
    campaign: Campaign, progress: CampaignProgress, freezes: Iterable[Freeze], now: datetime
) -> Iterator[str]:
    """Yield the reasons that prevent all starts."""
    if progress.paused:
        yield f"the campaign is paused: {progress.paused}"
    known = {member.id for member in campaign.members}
    for id_, each in progress.members.items():
        if id_ not in known and each.state in HOLDS_SLOT:
            yield f"{id_} is {each.state}, but is not in the campaign: its sites are unknown"
    failed = [m.id for m in campaign.members if progress.of(m.id).state in USES_ERROR_BUDGET]
    if len(failed) > campaign.error_budget:
        listed = first_of(failed, _LISTED)
        yield f"the error budget of {campaign.error_budget} is used up: {listed}"
    margin = campaign.freeze.margin if campaign.freeze else timedelta(0)
    for freeze in sorted(freezes, key=lambda each: each.start):
        if freeze.start <= now < freeze.end:
            yield f"{freeze.summary}: frozen until {moment(freeze.end)}"
        elif now < freeze.start <= now + margin:
            yield f"{freeze.summary}: the freeze begins at {moment(freeze.start)}"


_LISTED = 3
"""Members that a reason names; the table shows all."""


def _outside_window(wave: Wave, now: datetime) -> str:
    window = wave.window
    if window is None or window.start <= now < window.end:
        return ""
    if now < window.start:
        return f"its window begins at {moment(window.start)}"
    return f"its window ended at {moment(window.end)}"


class _Slots:
    """The slots that are held, with all that their members share with others."""

    def __init__(self, campaign: Campaign, progress: CampaignProgress) -> None:
        self._limits = campaign.limits
        self._paths: dict[str, str] = {}
        """Which member holds a path of a site."""
        self._partners = _partners(campaign)
        self._holders = set[str]()
        self._accounts = Counter[str]()
        self._regions = Counter[str]()
        self._devices = Counter[str]()
        for other in (*progress.others, *progress.others_staged):
            self._devices.update(set(other.devices))
        for other in progress.others:
            self._hold(other)
        for member in campaign.members:
            state = progress.of(member.id).state
            if state in AT_DEVICE:
                self._devices.update(set(member.devices))
            if state in HOLDS_SLOT:
                self._hold(member)

    def _hold(self, member: FleetMember) -> None:
        self._holders.add(member.id)
        self._paths.update(dict.fromkeys(member.paths, member.id))
        self._accounts[member.account] += 1
        self._regions[member.region] += 1

    def take(self, member: FleetMember, kind: StartKind) -> None:
        """Record that *member* holds a slot."""
        self._hold(member)
        if kind is StartKind.PREPARE:
            self._devices.update(set(member.devices))

    def obstacle(self, member: FleetMember, kind: StartKind) -> str:
        """Return why *member* gets no slot now, or an empty text."""
        for path in member.paths:
            if path in self._paths:
                return f"{self._paths[path]} is under way at the same {path}"
        for partner in sorted(self._partners.get(member.id, ())):
            if partner in self._holders:
                return f"its redundancy partner {partner} is under way"
        if self._accounts[member.account] >= self._limits.account:
            return f"the limit of account {member.account}, {self._limits.account}, is reached"
        if self._regions[member.region] >= self._limits.region:
            return f"the limit of {member.region}, {self._limits.region}, is reached"
        if kind is StartKind.PREPARE:
            for device in member.devices:
                if self._devices[device] >= self._limits.device:
                    return f"the limit of device {device}, {self._limits.device}, is reached"
        return ""


def _partners(campaign: Campaign) -> dict[str, set[str]]:
    """Return the partners of each member, in both directions."""
    found: dict[str, set[str]] = {}
    for member in campaign.members:
        for partner in member.partners:
            found.setdefault(member.id, set()).add(partner)
            found.setdefault(partner, set()).add(member.id)
    return found
