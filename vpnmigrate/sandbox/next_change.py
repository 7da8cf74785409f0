"""Next change: when an untouched world will next answer differently."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from itertools import chain

from vpnmigrate.sandbox.state import Timeline, WorldState

_AT_ONCE = (timedelta(0),)


def changes(state: WorldState, since: datetime) -> list[datetime]:
    """Give, in order, every moment from *since* at which an answer of *state* may change by itself.

    It may name a moment at which nothing changes, and never misses one at which something does:
    whatever the model works out from time is a stored moment plus one of the delays that it has.
    """
    found = {*_of_tunnels(state, since), *_of_routes(state), *_of_the_rest(state)}
    return sorted(moment for moment in found if moment >= since)


def _of_tunnels(state: WorldState, since: datetime) -> Iterator[datetime]:
    """A tunnel rises, and later brings its routes, after the last of three (``tunnels``)."""
    behaviour = state.behaviour
    rises = {timedelta(0), behaviour.ike, behaviour.ike + behaviour.bgp}
    delays = rises | {delay + behaviour.propagation_delay for delay in rises}
    # Propagation can be enabled a while after an attachment (``gateways.is_ready``).
    ready = delays | {behaviour.gateway_ready_after}
    # Most of what there is has been there for long, and follows nothing any more.
    early = since - max(ready)
    for gateway in state.gateways.values():
        for row in gateway.attachments:
            yield from _after(row.life, "attached", ready, early)
    for connection in state.connections.values():
        yield from _after(connection.life, "available", delays, early)
    for device in state.devices.values():
        for moment in {enabled for enabled in device.enabled.values() if enabled >= early}:
            yield from (moment + delay for delay in delays)
        yield from device.disabled.values()


def _of_routes(state: WorldState) -> Iterator[datetime]:
    """A setting to propagate brings routes a while after it was made."""
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
    """Return the moments of *life*, not too *early*, and what follows where *state* begins."""
    for moment, begins in life.moments:
        if moment >= early:
            yield from (moment + delay for delay in (delays if begins == state else _AT_ONCE))
