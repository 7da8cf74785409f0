"""Next change: when a world's answers will next change without a call."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from itertools import chain

from vpnmigrate.sandbox.state import Timeline, WorldState

_AT_ONCE = (timedelta(0),)


def changes(state: WorldState, since: datetime) -> list[datetime]:
    """Return, in order, every time from *since* at which an answer may change without a call.

    The list may contain times without a change, but misses none: every value that depends on time
    is a stored time plus one of the model's delays (``Behaviour.tunnel_delays`` and
    ``attachment_delays``).
    """
    found = {*_of_tunnels(state, since), *_of_routes(state), *_of_the_rest(state)}
    return sorted(moment for moment in found if moment >= since)


def _of_tunnels(state: WorldState, since: datetime) -> Iterator[datetime]:
    """Yield the times at which tunnels come up and their routes appear (``ec2.tunnels``)."""
    delays, ready = state.behaviour.tunnel_delays, state.behaviour.attachment_delays
    # Most resources are older than every delay and cause no more changes.
    early = since - max(ready)
    for gateway in state.gateways.values():
        for row in gateway.attachments:
            yield from _after(row.life, "attached", ready, early)
    for connection in state.connections.values():
        yield from _after(connection.life, "available", delays, early)
        for tunnel in connection.tunnels:
            if tunnel.interrupted_until and tunnel.interrupted_until >= early:
                yield from (tunnel.interrupted_until + delay for delay in delays)
    for device in state.devices.values():
        for moment in {enabled for enabled in device.enabled.values() if enabled >= early}:
            yield from (moment + delay for delay in delays)
        yield from device.disabled.values()
    for measured in (state.measured or {}).values():
        yield from (measured.since + delay for delay in (*_AT_ONCE, *delays))


def _of_routes(state: WorldState) -> Iterator[datetime]:
    """Yield the times at which propagation settings and associations begin, act and end."""
    delay = state.behaviour.propagation_delay
    for table in state.tables.values():
        for setting in table.propagations:
            if setting.since is not None:
                yield from (setting.since, setting.since + delay)
            if setting.until is not None:
                yield setting.until
        yield from (tie.until for tie in table.associations if tie.until)


def _of_the_rest(state: WorldState) -> Iterator[datetime]:
    prefixes = [each.prefixes.values() for each in state.connections.values()]
    things = (state.gateways, state.vpcs, state.subnets, state.customer_gateways)
    lives = [thing.life for kind in things for thing in kind.values()]
    for life in chain(lives, *prefixes):
        for moment, _ in life.moments:
            yield moment


def _after(
    life: Timeline, state: str, delays: Collection[timedelta], early: datetime
) -> Iterator[datetime]:
    """Yield the times of *life* from *early* on; where *state* begins, with each of *delays*."""
    for moment, begins in life.moments:
        if moment >= early:
            yield from (moment + delay for delay in (delays if begins == state else _AT_ONCE))
