"""How often and how long nothing has been lacking: one good reading proves nothing.

A tunnel may come up and idle out again, and a describe may show what is over (cases.md 58, 59).
So green takes readings in a row, begun one after the other, and enough tunnels that were UP in
each; a tunnel whose last change moved between two readings has flapped, even if both show it UP.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from vpnmigrate.model.ec2 import ConnectionRecord, TunnelReading
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.snapshot import Green, Snapshot, Streak, Told, Way
from vpnmigrate.steps.traffic import asked_for, needed_tunnels


def seen_again(plan: Plan, way: Way, now: Snapshot, told: Told, *, lacking: bool) -> Green:
    """Take the reading *now* into account; *lacking* says whether anything was missing in it."""
    seen = told.green
    if seen is not None and now.begun <= seen.last:
        return seen  # no fresh reading
    streaks: dict[str, Streak] = {}
    broken = False
    for old, record in asked_for(plan, way, now):
        unbroken = 0
        for tunnel in record.telemetry:
            if not tunnel.up:
                continue
            name = tunnel_name(record, tunnel)
            known = seen.tunnels.get(name) if seen else None
            if known and known.changed and tunnel.since and tunnel.since != known.changed:
                known = None
            else:
                unbroken += 1
            row = 1 + (known.readings if known else 0)
            streaks[name] = Streak(row, tunnel.since)
        broken |= unbroken < needed_tunnels(plan, way, told, old)
    if lacking:
        return Green(now.begun, tunnels=streaks)
    if seen is None or seen.since is None or broken:
        return Green(now.begun, now.begun, 1, streaks)
    return Green(now.begun, seen.since, seen.readings + 1, streaks)


def tunnel_name(connection: ConnectionRecord, tunnel: TunnelReading) -> str:
    """Name *tunnel* among all of a run."""
    return f"{connection.id} {tunnel.outside_ip}"


def holds(plan: Plan, way: Way, now: Snapshot, told: Told) -> bool:
    """Tell whether green has held as long and as often as the plan asks, tunnel by tunnel."""
    green, asked = told.green, plan.decisions.verification.readings
    if green is None or green.since is None or green.readings < asked:
        return False
    if green.last - green.since < plan.decisions.waits.steady:
        return False
    return all(
        sum(
            green.tunnels.get(tunnel_name(record, tunnel), Streak(0)).readings >= asked
            for tunnel in record.telemetry
        )
        >= needed_tunnels(plan, way, told, old)
        for old, record in asked_for(plan, way, now)
    )


def soaked(plan: Plan, told: Told) -> bool:
    """Tell whether green has held for the soak time of the plan."""
    soak = plan.decisions.waits.soak
    if soak <= timedelta(0):
        return True
    green = told.green
    return green is not None and green.since is not None and green.last - green.since >= soak


def assumed(plan: Plan, now: Snapshot, at: datetime) -> Green:
    """Give what a patient process would have seen by *at*, if all readings were like *now*."""
    often = plan.decisions.verification.readings
    tunnels = {
        tunnel_name(c, t): Streak(often) for c in now.connections.values() for t in c.telemetry
    }
    since = at - max(plan.decisions.waits.steady, plan.decisions.waits.soak)
    return Green(at, since, often, tunnels)
