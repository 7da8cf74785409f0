"""A robot in place of the engineer at the devices, for a sandbox that nobody attends."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from vpnmigrate.sandbox.state import Connection, State

if TYPE_CHECKING:
    from vpnmigrate.sandbox.world import World


class AttendedWorld:
    """A World with a robot at its devices, or with nobody there.

    The robot needs no thread: it looks before and after everything that happens to the World.
    """

    def __init__(self, world: World, delay: timedelta | None = None) -> None:
        self.world = world
        self.account = world.account
        self.region = world.region
        self.delay = delay
        """How long the robot takes; None sends it away, and what it did stays done."""

    def handles(self, service: str, action: str) -> bool:
        """Tell whether the World answers *action*."""
        return self.world.handles(service, action)

    def execute(self, service: str, action: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Carry out *action*.

        Raises:
            ApiError: As AWS would refuse it.
        """
        self.attend()
        try:
            return self.world.execute(service, action, params)
        finally:
            self.attend()

    def attend(self) -> None:
        """Let the robot do what step 10 asks of a person, either way.

        When a gateway has been on a VPC for its delay, it enables the tunnels of the gateway's
        connections; as long again, and it disables those that lead from the same customer
        gateway to a gateway on no VPC.
        """
        if self.delay is None:
            return
        with self.world.alone() as state:
            joined = _joined(state)
            relieved = set()
            for connection, since in joined:
                if state.now - since >= self.delay:
                    self.world.devices.enable(connection.id)
                if state.now - since >= 2 * self.delay:
                    relieved.add(connection.customer_gateway)
            kept = {connection.id for connection, _ in joined}
            for connection in list(state.connections.values()):
                if connection.id not in kept and connection.customer_gateway in relieved:
                    self.world.devices.disable(connection.id)


def _joined(state: State) -> list[tuple[Connection, datetime]]:
    """Give the connections whose gateway is on a VPC, each with since when it is."""
    since = {g.id: g.attached_since(state.now) for g in state.gateways.values()}
    return [
        (connection, moment)
        for connection in state.connections.values()
        if state.life(connection) == "available"
        and (moment := since.get(connection.gateway or "")) is not None
    ]
