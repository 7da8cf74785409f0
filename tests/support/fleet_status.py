"""Builders of a campaign's status, for tests of its views."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from vpnmigrate.fleet.campaign import Campaign, FleetMember, Wave
from vpnmigrate.fleet.progress import CampaignProgress, MemberProgress, MemberState
from vpnmigrate.fleet.schedule import schedule
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.report.fleet import FleetStatus, MemberView

NOW = VirtualClock().wall()


def fleet_member(number: int, name: str = "") -> FleetMember:
    """Return a member that shares nothing with another."""
    id_ = f"vgw-{number:017x}"
    return FleetMember(
        id=id_,
        account=f"{number % 50:012}",
        region="eu-west-1",
        gateway=id_,
        plan=f"plans/{id_}.json",
        name=name or f"site {number}",
    )


def fleet_status(states: Mapping[int, MemberState], name: str = "") -> FleetStatus:
    """Return the status of a campaign with the *states* of its members; cutovers are down."""
    members = {number: fleet_member(number, name) for number in states}
    waves = (
        Wave("canary", tuple(m for n, m in members.items() if n == min(states))),
        Wave("rest", tuple(m for n, m in members.items() if n > min(states))),
    )
    campaign = Campaign(name="offices", waves=waves, error_budget=1_000)
    known = {members[n].id: MemberProgress(state, NOW) for n, state in states.items()}
    found = schedule(campaign, CampaignProgress(known), (), NOW)
    reasons = {wait.member: wait.why for wait in found.waits}
    views = (
        MemberView(
            member,
            "canary" if number == min(states) else "rest",
            known[member.id],
            run=f"m-{number:08x}",
            outage=timedelta(seconds=70) if states[number] is MemberState.CUTOVER else None,
            outage_open=states[number] is MemberState.CUTOVER,
            waiting_for=reasons.get(member.id, ""),
        )
        for number, member in members.items()
    )
    return FleetStatus(campaign, found, NOW, tuple(views))
