"""Tunnels: addresses, keys and telemetry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError
from typing import Any

from vpnmigrate.sandbox.ec2.ids import invalid_value
from vpnmigrate.sandbox.state import (
    LONG_AGO,
    Connection,
    Device,
    TunnelState,
    TunnelTelemetry,
    WorldState,
)

OUTSIDE = IPv4Network("198.18.0.0/15")
"""Range of the sandbox's outside addresses; no real gateway uses it (RFC 2544)."""
INSIDE = IPv4Network("169.254.0.0/16")
RESERVED = frozenset(
    IPv4Network(text) for text in (*(f"169.254.{n}.0/30" for n in range(6)), "169.254.169.252/30")
)
CANARY = "CANARY"
"""Prefix of every key that the sandbox creates, so that a search finds a leak."""
_KEY = re.compile(r"[A-Za-z1-9._][A-Za-z0-9._]{7,63}")
_INSIDE_PREFIX = 30
_NO_DEVICE = Device()
_NOT_MEASURED = TunnelTelemetry(up=False, since=LONG_AGO, message="IPSEC IS DOWN")


def canary_key(seed: int, connection: str, number: int) -> str:
    """Return a tunnel's key, always the same for the same world, connection and tunnel."""
    digest = sha256(f"{seed}/{connection}/{number}".encode()).hexdigest()
    return f"{CANARY}{digest[:26]}"


def new_tunnels(
    state: WorldState, connection: str, gateway: str, wanted: list[Mapping[str, Any]]
) -> list[TunnelState]:
    """Return the two tunnels of a new connection with the options *wanted*.

    Raises:
        ApiError: An inside CIDR or a key is invalid.
    """
    if len(wanted) > 2:  # noqa: PLR2004 - a connection has two tunnels
        raise invalid_value("A VPN connection has two tunnels; more options were given.")
    taken = {
        tunnel.inside_cidr
        for other in state.connections.values()
        if other.gateway == gateway and state.life(other) in {"pending", "available"}
        for tunnel in other.tunnels
    }
    tunnels: list[TunnelState] = []
    for number in (0, 1):
        options = dict(wanted[number]) if number < len(wanted) else {}
        inside = _inside_cidr(state, options.pop("TunnelInsideCidr", None), taken)
        taken.add(inside)
        key = options.pop("PreSharedKey", None)
        if key is not None and not _KEY.fullmatch(key):
            raise invalid_value(
                "The pre-shared key must have 8 to 64 letters, digits, periods or underscores, "
                "and cannot start with zero (0)."
            )
        key = key or canary_key(state.seed, connection, number)
        tunnels.append(TunnelState(new_outside_ip(state, tunnels), inside, key, options))
    return tunnels


def new_outside_ip(state: WorldState, beside: list[TunnelState]) -> str:
    """Return a random outside address that no tunnel has."""
    taken = {t.outside_ip for c in state.connections.values() for t in c.tunnels}
    taken |= {t.outside_ip for t in beside}
    while True:
        address = str(OUTSIDE[state.draw.randrange(1, OUTSIDE.num_addresses - 1)])
        if address not in taken:
            return address


def new_inside_cidr(state: WorldState, taken: set[str]) -> str:
    """Return a random /30 that is neither reserved nor taken."""
    while True:
        start = INSIDE.network_address + 4 * state.draw.randrange(INSIDE.num_addresses // 4)
        inside = IPv4Network((IPv4Address(start), _INSIDE_PREFIX))
        if inside not in RESERVED and str(inside) not in taken:
            return str(inside)


def _inside_cidr(state: WorldState, text: str | None, taken: set[str]) -> str:
    if text is None:
        return new_inside_cidr(state, taken)
    try:
        inside = IPv4Network(text)
    except (AddressValueError, NetmaskValueError, ValueError):
        raise invalid_value(f"The tunnel inside CIDR {text} is not a valid CIDR block.") from None
    if inside.prefixlen != _INSIDE_PREFIX or not inside.subnet_of(INSIDE):
        raise invalid_value(
            f"The tunnel inside CIDR {text} must be a /30 block from the 169.254.0.0/16 range."
        )
    if inside in RESERVED:
        raise invalid_value(f"The tunnel inside CIDR {text} is reserved.")
    if str(inside) in taken:
        raise invalid_value(f"The tunnel inside CIDR {text} is already in use on the gateway.")
    return str(inside)


def read_tunnel(state: WorldState, connection: Connection, number: int) -> TunnelTelemetry:
    """Return a tunnel's telemetry now: measured, or calculated from its device and its gateway."""
    if state.measured is not None:
        return state.measured.get(connection.tunnels[number].outside_ip, _NOT_MEASURED)
    device = state.devices.get(connection.id, _NO_DEVICE)
    began = _begins(state, connection, device, number)
    if began is None:
        return TunnelTelemetry(
            up=False, since=_down_since(state, connection, device, number), message="IPSEC IS DOWN"
        )
    ipsec = began + state.behaviour.ike
    if state.now < ipsec:
        return TunnelTelemetry(up=False, since=began, message="IPSEC IS DOWN")
    if connection.static_only:
        return TunnelTelemetry(up=True, since=ipsec, accepted=len(prefixes_of(state, connection)))
    established = ipsec + state.behaviour.bgp
    if device.bgp_shut or state.now < established:
        return TunnelTelemetry(up=False, since=ipsec, message="IPSEC IS UP")
    accepted = len(prefixes_of(state, connection))
    return TunnelTelemetry(
        up=True, since=established, message=f"{accepted} BGP ROUTES", accepted=accepted
    )


def prefixes_of(state: WorldState, connection: Connection) -> list[str]:
    """Return the prefixes of a connection that is up: static ones, or those of its device."""
    if connection.static_only:
        return [
            cidr for cidr, life in connection.prefixes.items() if life.at(state.now) == "available"
        ]
    return state.advertised.get(connection.customer_gateway or "", [])


def _begins(
    state: WorldState, connection: Connection, device: Device, number: int
) -> datetime | None:
    """Return the time from which the device can reach AWS, or None while it cannot."""
    enabled = device.enabled.get(number)
    available = connection.life.first("available")
    if enabled is None or available is None:
        return None
    if state.life(connection) not in {"available", "modifying"}:
        return None
    moments = [enabled, available]
    if until := connection.tunnels[number].interrupted_until:
        moments.append(until)
    gateway = state.gateways.get(connection.gateway or "")
    if not state.behaviour.tunnels_up_while_detached and gateway is not None:
        attached = gateway.attached_since(state.now)
        if attached is None:
            return None
        moments.append(attached)
    latest = max(moments)
    return latest if latest <= state.now else None


def _down_since(state: WorldState, connection: Connection, device: Device, number: int) -> datetime:
    moments = [connection.life.since(state.now)]
    if number in device.disabled:
        moments.append(device.disabled[number])
    gateway = state.gateways.get(connection.gateway or "")
    if gateway is not None and not state.behaviour.tunnels_up_while_detached:
        left = [row.life.reaches("detaching") for row in gateway.attachments]
        moments += [moment for moment in left if moment is not None]
    return max((m for m in moments if m <= state.now), default=LONG_AGO)
