"""When a world that nobody touches will next look different."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from vpnmigrate.sandbox.state import State


def changes(state: State) -> list[datetime]:
    """Give, in order, every moment at which any answer of *state* may change by itself.

    It may name a moment at which nothing changes, and never misses one at which something does:
    whatever the model works out from time is a stored moment plus one of ``_delays``.
    """
    delays = _delays(state)
    return sorted({moment + delay for moment in set(_moments(state)) for delay in delays})


def _delays(state: State) -> set[timedelta]:
    """Give every time by which something may follow a stored moment (``tunnels``, …)."""
    behaviour = state.behaviour
    tunnel = {timedelta(0), behaviour.ike, behaviour.ike + behaviour.bgp}
    routes = {delay + behaviour.propagation_delay for delay in tunnel}
    return tunnel | routes | {behaviour.gateway_ready_after}


def _moments(state: State) -> Iterator[datetime]:
    for gateway in state.gateways.values():
        for life in (gateway.life, *(row.life for row in gateway.attachments)):
            yield from (moment for moment, _ in life.moments)
    for connection in state.connections.values():
        for life in (connection.life, *connection.prefixes.values()):
            yield from (moment for moment, _ in life.moments)
    lives = (
        *(vpc.life for vpc in state.vpcs.values()),
        *(subnet.life for subnet in state.subnets.values()),
        *(customer.life for customer in state.customer_gateways.values()),
    )
    for life in lives:
        yield from (moment for moment, _ in life.moments)
    for device in state.devices.values():
        yield from device.enabled.values()
    for table in state.tables.values():
        for setting in table.propagations:
            yield from (moment for moment in (setting.since, setting.until) if moment)
        yield from (tie.until for tie in table.associations if tie.until)
