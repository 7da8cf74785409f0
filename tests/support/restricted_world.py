"""A world for a role that lacks permissions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from vpnmigrate.sandbox.ec2.dispatch import WRITES
from vpnmigrate.sandbox.ec2.ids import ApiError
from vpnmigrate.sandbox.state import WorldState
from vpnmigrate.sandbox.world import World

EVERY_CHANGE = tuple(action for _, action in WRITES)
"""Every operation that changes something: a role without them only reads."""


class RestrictedWorld:
    """A world whose caller may not make calls of *denied*, neither as a dry run nor otherwise."""

    def __init__(self, world: World, denied: Iterable[str]) -> None:
        self._world = world
        self._denied = frozenset(denied)
        self.clock, self.region, self.devices = world.clock, world.region, world.devices

    def handles(self, service: str, action: str) -> bool:
        return self._world.handles(service, action)

    def execute(self, service: str, action: str, params: Mapping[str, Any]) -> dict[str, Any]:
        if action in self._denied:
            raise ApiError("UnauthorizedOperation", "You are not authorized.", 403)
        return self._world.execute(service, action, params)

    def alone(self) -> AbstractContextManager[WorldState]:
        return self._world.alone()

    def to_be_read(self) -> AbstractContextManager[WorldState]:
        return self._world.to_be_read()
