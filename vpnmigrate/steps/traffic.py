"""Traffic check: telemetry, routes and stability on the joining gateway.

A tunnel may come up and idle out again, and a describe may be stale (cases.md 58, 59).  So traffic
is stable only after several consecutive readings with enough tunnels UP in each.  A tunnel whose
time of last change differs between two readings has flapped, even if both show it UP.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from msgspec.structs import replace

from vpnmigrate.model.consistency import CONSISTENCY_DELAY
from vpnmigrate.model.decisions import TunnelPolicy
from vpnmigrate.model.ec2 import (
    Attachment,
    ConnectionRecord,
    ResourceState,
    TunnelReading,
    VpnConnectionId,
)
from vpnmigrate.model.plan import Plan, connection_role
from vpnmigrate.model.snapshot import (
    Baseline,
    Confirmation,
    GatewaySwap,
    JournalFacts,
    Shortage,
    Snapshot,
    Stability,
    TunnelStability,
)
from vpnmigrate.steps.base import StepInput
from vpnmigrate.steps.reachability import (
    ComparisonBasis,
    Reachability,
    reachability,
    waiting_by_table,
)


def baseline_of(plan: Plan, now: Snapshot) -> Baseline:
    """Return the baseline from *now*, the last observation before step 7."""
    return Baseline(
        taken=now.begun,
        tunnels_up={
            old: sum(t.up for t in now.connections[old].telemetry)
            for old in plan.old_connections
            if old in now.connections
        },
        propagated={
            table.id: now.tables[table.id].propagated_from(plan.old_gateway)
            for table in plan.propagating_tables
            if table.id in now.tables
        },
        accepted={
            old: now.connections[old].accepted_routes
            for old in plan.old_connections
            if old in now.connections
        },
    )


def missing_traffic(view: StepInput) -> tuple[str, ...]:
    """Return what is missing on the joining side; empty means that traffic flows.

    Each is a sentence that names the connection or table, most severe first.  The destinations are
    compared only if no tunnel is missing: without one, every destination differs.
    """
    return tuple(each for found in _missing(view) for each in found)


def first_missing(view: StepInput) -> str:
    """Return the most severe of ``missing_traffic``; empty if traffic flows."""
    return next((part[0] for part in _missing(view)), "")


def missing_in_brief(view: StepInput) -> str:
    """Return what is missing first, and how much more is; empty if traffic flows.

    In the outage no more than two tables are compared: right after the swap all of them differ.
    """
    parts = tuple(islice(_missing(view), 2))
    first, *others = [each for part in parts for each in part] or [""]
    least = "at least " if len(parts) > 1 else ""
    return f"{first} (and {least}{len(others)} more)" if others else first


def _missing(view: StepInput) -> Iterator[tuple[str, ...]]:
    """Yield what is missing, in parts that are not empty."""
    attached = view.now.attachment(view.swap.joining, view.plan.vpc)
    if attached is not Attachment.ATTACHED:
        yield (f"{view.swap.joining} is {attached}",)
        return
    if fresh := tuple(_disabled_too_recently(view)):
        yield fresh
    yield from _shown_missing(view)


def lacks_tunnels(view: StepInput) -> bool:
    """Return whether a connection of the joining side needs more tunnels UP, or more routes."""
    return any(True for _ in _missing_tunnels(view))


def awaits_devices(view: StepInput) -> bool:
    """Return whether tunnels of the joining side are DOWN, or were disabled just now."""
    return lacks_tunnels(view) or any(True for _ in _disabled_too_recently(view))


def flows_as_shown(view: StepInput) -> bool:
    """Return whether a reading that may be stale shows complete traffic.

    After the old tunnels were disabled, UP counts once they were reported enabled again.
    """
    attached = view.now.attachment(view.swap.joining, view.plan.vpc)
    if attached is not Attachment.ATTACHED or any(_shown_missing(view)):
        return False
    confirmed = view.journal_facts.confirmations
    off = confirmed.get(Confirmation.OLD_TUNNELS_DISABLED)
    on = confirmed.get(Confirmation.TUNNELS_RETURNED)
    return not any(_disabled_too_recently(view)) or (
        off is not None and on is not None and on > off
    )


def _shown_missing(view: StepInput) -> Iterator[tuple[str, ...]]:
    if tunnels := tuple(_missing_tunnels(view)):
        yield tunnels
    else:
        yield from waiting_by_table(_basis(view))
    if view.journal_facts.unanswered:
        yield view.journal_facts.unanswered


def _missing_tunnels(view: StepInput) -> Iterator[str]:
    for old in view.plan.old_connections:
        yield from _tunnels(view, old)


def destinations(view: StepInput) -> Reachability:
    """Return the differences between every route table now and before step 7."""
    return reachability(_basis(view))


def _basis(view: StepInput) -> ComparisonBasis:
    return ComparisonBasis(
        view.plan,
        view.swap,
        view.now,
        view.baseline,
        incomplete=bool(missing_connections(view.plan, view.swap, view.now)),
        left_out=view.journal_facts.left_out,
    )


def _disabled_too_recently(view: StepInput) -> Iterator[str]:
    """Yield a sentence if old tunnels were just disabled: UP may be a stale reading."""
    said = view.journal_facts.confirmations.get(Confirmation.OLD_TUNNELS_DISABLED)
    if view.swap.joining == view.plan.old_gateway and _lately(said, view.now):
        yield "the old tunnels were disabled too recently: their telemetry may be stale"


def verified_recently(now: Snapshot, journal_facts: JournalFacts) -> bool:
    """Return whether a describe may still show tunnels as they were before traffic was verified."""
    return _lately(journal_facts.verified, now)


def _lately(at: datetime | None, now: Snapshot) -> bool:
    return at is not None and now.begun < at + CONSISTENCY_DELAY


def missing_connections(
    plan: Plan, swap: GatewaySwap, now: Snapshot
) -> tuple[VpnConnectionId, ...]:
    """Return the old connections deleted outside this run; a rollback continues without them.

    Empty if none is left: then nothing remains to roll back to.
    """
    if swap.joining != plan.old_gateway:
        return ()
    deleted = (ResourceState.ABSENT, ResourceState.DELETING)
    lost = tuple(old for old in plan.old_connections if now.state(old) in deleted)
    return lost if len(lost) < len(plan.old_connections) else ()


def any_device_uses_new_side(plan: Plan, swap: GatewaySwap, now: Snapshot) -> bool:
    """Return whether a device uses the new side: it has a new tunnel UP and no old one.

    With both gateways at their places, this is the sign of a rollback in progress.
    """
    return any(
        _has_tunnel_up(joining_connection(plan, swap, now, record.id))
        and not _has_tunnel_up(now.connections.get(record.id))
        for record in plan.before.living
        if _has_tunnel_up(record)
    )


def _has_tunnel_up(record: ConnectionRecord | None) -> bool:
    return record is not None and any(tunnel.up for tunnel in record.telemetry)


def joining_connection(
    plan: Plan, swap: GatewaySwap, now: Snapshot, old: VpnConnectionId
) -> ConnectionRecord | None:
    """Return the connection that serves *old*'s device on the joining side, or None."""
    if swap.joining == plan.old_gateway:
        return now.connections.get(old)
    role = connection_role(old)
    if now.state(role) is not ResourceState.AVAILABLE:
        return None
    return now.connections.get(VpnConnectionId(now.ours[role]))


def _tunnels(view: StepInput, old: VpnConnectionId) -> Iterator[str]:
    plan, swap, now = view.plan, view.swap, view.now
    if old in plan.decisions.exceptions.connections or old in missing_connections(plan, swap, now):
        return
    record = joining_connection(plan, swap, now, old)
    if record is None:
        yield f"the connection that serves the device of {old} does not exist"
        return
    needed = _needed_tunnels(view, old)
    if sum(t.up for t in record.telemetry) < needed:
        few = _few_tunnels(record, needed)
        yield f"DEGRADED: {few}" if any(t.up for t in record.telemetry) else few
    elif needed and not any(carries(plan, swap, record, t) for t in record.telemetry):
        yield f"{record.id} is UP, but its device advertises no prefixes"
    elif not _one_tunnel_is_enough(view, old) and (fewer := _fewer_routes(view, old, record)):
        yield f"DEGRADED: {fewer}"


def _few_tunnels(record: ConnectionRecord, needed: int) -> str:
    up = sum(t.up for t in record.telemetry)
    down = ", ".join(f"{t.outside_ip} {t.message or 'DOWN'}" for t in record.telemetry if not t.up)
    return f"{record.id} has {up} of {needed} tunnels UP ({down or 'no telemetry yet'})"


def _fewer_routes(view: StepInput, old: VpnConnectionId, record: ConnectionRecord) -> str:
    """Return which tunnels accept fewer routes than those of *old* did, or an empty string.

    The tunnels of a successor have other addresses, so both sides are compared in the order of
    their routes.  In a rollback the restored destinations are required, and nothing else.
    """
    if record.static_only or view.swap.joining == view.plan.old_gateway:
        return ""
    before = view.baseline.accepted.get(old, ())
    spare = len(view.plan.decisions.exceptions.prefixes)
    up = sorted((t for t in record.telemetry if t.up), key=_accepted_routes, reverse=True)
    few = [
        f"{tunnel.outside_ip} accepts {tunnel.accepted_routes} of {was} routes"
        for was, tunnel in zip(before, up, strict=False)
        if tunnel.accepted_routes < was - spare
    ]
    return f"{record.id}: {', '.join(few)}" if few else ""


def _accepted_routes(tunnel: TunnelReading) -> int:
    return tunnel.accepted_routes


def carries(plan: Plan, swap: GatewaySwap, record: ConnectionRecord, tunnel: TunnelReading) -> bool:
    """Return whether *tunnel* meets the condition of its routing type.

    A static tunnel must be UP.  With BGP the device must also advertise a prefix, except in a
    rollback (cases.md 56).
    """
    silent = record.static_only or swap.joining == plan.old_gateway
    return tunnel.up and (silent or tunnel.accepted_routes > 0)


def required_connections(
    plan: Plan, swap: GatewaySwap, now: Snapshot
) -> Iterator[tuple[VpnConnectionId, ConnectionRecord]]:
    """Yield each old connection that step 10 requires, with the one that serves its device."""
    lost = missing_connections(plan, swap, now)
    for old in plan.old_connections:
        record = joining_connection(plan, swap, now, old)
        if record and old not in plan.decisions.exceptions.connections and old not in lost:
            yield old, record


def degraded(view: StepInput) -> tuple[str, ...]:
    """Return the connections with fewer tunnels, or routes, than before (cases.md 55)."""
    before = view.baseline.tunnels_up
    return tuple(
        text
        for old, record in required_connections(view.plan, view.swap, view.now)
        if (text := _shortage(view, old, record, before.get(old, 0)))
    )


def _shortage(view: StepInput, old: VpnConnectionId, record: ConnectionRecord, needed: int) -> str:
    """Return how *record* has fewer tunnels UP than *needed*, or fewer routes than before.

    It is empty if no tunnel is UP, because that is an outage, not a shortage.
    """
    up = sum(t.up for t in record.telemetry)
    if 0 < up < needed:
        return _few_tunnels(record, needed)
    return _fewer_routes(view, old, record) if up else ""


def acceptable(view: StepInput) -> tuple[Shortage, ...]:
    """Return the connections that lack tunnels or routes, if nothing else is missing.

    All routes are restored over the tunnels that are UP, so an operator may accept that.
    """
    few = tuple(
        Shortage(old, record.id, text)
        for old, record in required_connections(view.plan, view.swap, view.now)
        if not _one_tunnel_is_enough(view, old)
        and (text := _shortage(view, old, record, _needed_tunnels(view, old)))
    )
    names = {each.replaces for each in few}
    accepted = replace(view.journal_facts, accepted=view.journal_facts.accepted | names)
    if not few or first_missing(replace(view, journal_facts=accepted)):
        return ()
    return few


def _needed_tunnels(view: StepInput, old: VpnConnectionId) -> int:
    """Return how many tunnels must be UP on the connection that serves *old*'s device.

    Forward: as many as before and at least one, or one if the playbook or an operator accepts
    that.  In a rollback: one, or none if none was UP before; restored prefixes matter then.
    """
    before = view.baseline.tunnels_up.get(old, 0)
    if view.swap.joining == view.plan.old_gateway:
        return min(1, before)
    return 1 if _one_tunnel_is_enough(view, old) else max(1, before)


def _one_tunnel_is_enough(view: StepInput, old: VpnConnectionId) -> bool:
    """Return whether the playbook or an operator accepts one tunnel, with any routes."""
    at_least_one = view.plan.decisions.verification.tunnels is TunnelPolicy.AT_LEAST_ONE
    return at_least_one or old in view.journal_facts.accepted


def update_stability(view: StepInput, *, lacking: bool) -> Stability:
    """Return the stability after the latest reading; *lacking* says if anything was missing."""
    seen = view.journal_facts.stability
    if seen is not None and view.now.begun <= seen.last:
        return seen  # No new reading.
    streaks: dict[str, TunnelStability] = {}
    broken = False
    for old, record in required_connections(view.plan, view.swap, view.now):
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
            streaks[name] = TunnelStability(row, tunnel.since)
        broken |= unbroken < _needed_tunnels(view, old)
    if lacking:
        return Stability(view.now.begun, tunnels=streaks)
    if seen is None or seen.since is None or broken:
        return Stability(view.now.begun, view.now.begun, 1, streaks)
    return Stability(view.now.begun, seen.since, seen.readings + 1, streaks)


def tunnel_name(connection: ConnectionRecord, tunnel: TunnelReading) -> str:
    """Return a name for *tunnel* that is unique within the run."""
    return f"{connection.id} {tunnel.outside_ip}"


def is_stable(view: StepInput) -> bool:
    """Return whether traffic has been stable as long and as often as the plan requires."""
    stability, asked = view.journal_facts.stability, view.plan.decisions.verification.readings
    if stability is None or stability.since is None or stability.readings < asked:
        return False
    if stability.last - stability.since < view.plan.decisions.waits.steady:
        return False
    return all(
        sum(
            stability.tunnels.get(tunnel_name(record, tunnel), TunnelStability(0)).readings >= asked
            for tunnel in record.telemetry
        )
        >= _needed_tunnels(view, old)
        for old, record in required_connections(view.plan, view.swap, view.now)
    )


def is_soaked(plan: Plan, journal_facts: JournalFacts) -> bool:
    """Return whether traffic has been stable for the soak time of the plan."""
    soak = plan.decisions.waits.soak
    if soak <= timedelta(0):
        return True
    stability = journal_facts.stability
    return (
        stability is not None
        and stability.since is not None
        and stability.last - stability.since >= soak
    )


def stable_reading(plan: Plan, now: Snapshot, at: datetime) -> Stability:
    """Return the stability at *at* if all readings had been like *now* for long enough."""
    often = plan.decisions.verification.readings
    tunnels = {
        tunnel_name(c, t): TunnelStability(often)
        for c in now.connections.values()
        for t in c.telemetry
    }
    since = at - max(plan.decisions.waits.steady, plan.decisions.waits.soak)
    return Stability(at, since, often, tunnels)
