"""Crypto check: reads what the new tunnels have negotiated, once the cutover is done.

It comes after step 10, so that nothing in the outage waits for it.  Its result is only reported: a
tunnel below its floor carries traffic.
"""

from __future__ import annotations

from collections.abc import Iterator

from vpnmigrate.engine.context import RunContext
from vpnmigrate.journal.crypto_record import CryptoSeen
from vpnmigrate.model.ec2 import ConnectionRecord
from vpnmigrate.model.errors import AwsError
from vpnmigrate.model.negotiated import (
    JudgedTunnel,
    NegotiatedTunnel,
    NegotiationStatus,
    floors_of,
    judged,
)
from vpnmigrate.model.plan import connection_role
from vpnmigrate.model.tunnel_maintenance import tunnels_of
from vpnmigrate.planning.ownership import ownership_of


class CryptoCheck:
    """Reads and records the negotiated algorithms; a failed read is a record too."""

    def __init__(self, context: RunContext) -> None:
        self._plan = context.plan
        self._ec2 = context.ec2
        self._recorder = context.recorder

    def record(self) -> None:
        """Record the algorithms of every new tunnel, compared with the plan's floor."""
        try:
            seen = CryptoSeen(tuple(self._judged()))
        except AwsError as error:
            seen = CryptoSeen(why=error.message)
        self._recorder.write(seen)

    def _judged(self) -> Iterator[JudgedTunnel]:
        reading = self._ec2.observe(self._plan)
        ours = ownership_of(reading, self._plan, self._recorder.evidence()).ours
        known = {connection.id: connection for connection in reading.connections}
        for old in self._plan.before.living:
            successor = known.get(ours.get(connection_role(old.id), ""))  # type: ignore[call-overload]
            if successor is not None:
                floors = floors_of(self._plan.decisions, old)
                yield from (judged(each, floors) for each in self._negotiated(successor))

    def _negotiated(self, successor: ConnectionRecord) -> Iterator[NegotiatedTunnel]:
        """Yield what the tunnels of *successor* that are UP have negotiated, then the others."""
        up = {reading.outside_ip for reading in successor.telemetry if reading.up}
        tunnels = tuple(tunnels_of(successor))
        yield from self._ec2.negotiated([each for each in tunnels if each.outside_ip in up])
        for each in tunnels:
            if each.outside_ip not in up:
                yield NegotiatedTunnel(
                    each.connection, each.outside_ip, NegotiationStatus.DOWN, why="not UP"
                )
