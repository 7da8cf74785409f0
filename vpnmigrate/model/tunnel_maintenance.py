"""Tunnel maintenance: replacements of tunnel endpoints that AWS has announced."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from vpnmigrate.model.ec2 import CLASSIC, ConnectionRecord, VpnConnectionId


class QueriedTunnel(Struct, frozen=True):
    """A tunnel that EC2 is asked about."""

    connection: VpnConnectionId
    outside_ip: str
    """Empty if EC2 shows no address, so that it cannot be asked."""
    classic: bool = False
    """Whether the connection is Classic: EC2 may have no status of its tunnels."""

    def __str__(self) -> str:
        return f"{self.connection} {self.outside_ip}".rstrip()


class MaintenanceStatus(StrEnum):
    """Whether AWS has announced to replace the endpoint of a tunnel."""

    NONE = "none"
    PENDING = "pending"
    NOT_OFFERED = "not-offered"
    """The endpoint, or EC2 for a Classic connection, has no such status."""
    UNKNOWN = "unknown"


class TunnelMaintenance(Struct, frozen=True):
    """The announced maintenance of one tunnel."""

    tunnel: QueriedTunnel
    status: MaintenanceStatus
    applied_after: datetime | None = None
    """When AWS applies it without the customer; None if it names no time."""
    why: str = ""
    """Why the status is unknown or not offered."""
    is_temporary: bool = False
    """Whether a later read may show an unknown status."""


def tunnels_of(connection: ConnectionRecord) -> Iterator[QueriedTunnel]:
    """Yield the tunnels of *connection*; one without an address if EC2 shows none."""
    named = (
        *(tunnel.outside_ip for tunnel in connection.tunnels),
        *(reading.outside_ip for reading in connection.telemetry),
    )
    for address in dict.fromkeys(filter(None, named)) or ("",):
        yield QueriedTunnel(connection.id, address, connection.category == CLASSIC)


def none_known(tunnels: Iterable[QueriedTunnel], why: str) -> tuple[TunnelMaintenance, ...]:
    """Return that the status of each of *tunnels* is not known yet."""
    return tuple(
        TunnelMaintenance(tunnel, MaintenanceStatus.UNKNOWN, why=why, is_temporary=True)
        for tunnel in tunnels
    )
