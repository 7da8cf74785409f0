"""Cutover progress: one observation reduced to what a screen shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from vpnmigrate.model.ec2 import ConnectionRecord, RouteTableRecord, TunnelReading
from vpnmigrate.model.facts import Switch
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.probes import ProbeStats
from vpnmigrate.model.progress import CutoverView, TableView, TunnelView
from vpnmigrate.model.snapshot import GatewaySwap, Snapshot, TunnelStability
from vpnmigrate.steps.base import StepInput
from vpnmigrate.steps.reachability import ComparisonBasis, as_before, excepted
from vpnmigrate.steps.traffic import required_connections, tunnel_name


def cutover_view(
    view: StepInput,
    probes: Iterable[ProbeStats] = (),
) -> CutoverView:
    """Return a summary of the joining side from the observation in *view*."""
    stability, waits = view.journal_facts.stability, view.plan.decisions.waits
    since = stability.since if stability else None
    verified = view.journal_facts.verified is not None
    return CutoverView(
        tunnels=tuple(_tunnels(view)),
        tables=_tables(
            ComparisonBasis(
                view.plan,
                view.swap,
                view.now,
                view.baseline,
            )
        ),
        stable_for=None if stability is None or since is None else stability.last - since,
        holds_for=max(waits.steady, waits.soak) if verified else waits.steady,
        readings=stability.readings if stability else 0,
        readings_asked=view.plan.decisions.verification.readings,
        probes=tuple(probes),
    )


def _tunnels(view: StepInput) -> Iterator[TunnelView]:
    for _, record in required_connections(view.plan, view.swap, view.now):
        for tunnel in record.telemetry:
            streaks = view.journal_facts.stability.tunnels if view.journal_facts.stability else {}
            seen = streaks.get(tunnel_name(record, tunnel), TunnelStability(0))
            yield TunnelView(
                record.id, tunnel.outside_ip, tunnel.up, _says(record, tunnel), seen.readings
            )


def _says(record: ConnectionRecord, tunnel: TunnelReading) -> str:
    if not tunnel.up:
        return tunnel.message
    routes = tunnel.accepted_routes
    return "static" if record.static_only else f"{routes} route{'' if routes == 1 else 's'}"


@lru_cache(maxsize=4)
def _tables(basis: ComparisonBasis) -> tuple[TableView, ...]:
    return tuple(_sights(basis))


def _sights(basis: ComparisonBasis) -> Iterator[TableView]:
    plan = basis.plan
    for table in plan.before.route_tables:
        if table.id not in basis.now.tables:
            continue
        rows = [
            row
            for row in basis.rows(as_before(plan, basis.baseline, table))
            if row.before.hop == plan.old_gateway and not excepted(plan, row)
        ]
        if rows:
            reached = sum(row.same for row in rows)
            missing = next((f"missing {row.destination}" for row in rows if not row.same), "")
            off = _is_off(plan, basis.swap, basis.now, table)
            yield TableView(table.id, reached, len(rows), "propagation is off" if off else missing)


def _is_off(plan: Plan, swap: GatewaySwap, now: Snapshot, table: RouteTableRecord) -> bool:
    propagates = plan.old_gateway in table.propagating
    return propagates and now.propagates(table.id, swap.joining) is not Switch.ON
