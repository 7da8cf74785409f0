"""Customer gateway devices: configuration, tunnels and advertised routes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from vpnmigrate.sandbox.state import Connection, Device, WorldState

TUNNELS = (0, 1)


class UnknownConnectionError(LookupError):
    """The world has no connection with that id."""


class Devices:
    """Operations on devices.  Each method changes one connection's tunnels on its device.

    *at_work* locks the world and returns its present state.  Every method raises
    UnknownConnectionError for an id that the world does not know.
    """

    def __init__(self, at_work: Callable[[], AbstractContextManager[WorldState]]) -> None:
        self._at_work = at_work

    def configure(self, connection: str) -> None:
        """Load the connection's configuration, with its tunnels disabled."""
        with self._at_work() as state:
            device = _device(state, connection)
            device.configured = device.configured or state.now

    def enable(self, connection: str, numbers: Iterable[int] = TUNNELS) -> None:
        """Enable the tunnels *numbers*, and load their configuration first if it is missing."""
        with self._at_work() as state:
            device = _device(state, connection)
            device.configured = device.configured or state.now
            for number in numbers:
                device.enabled.setdefault(number, state.now)

    def one_tunnel(self, connection: str) -> None:
        """Enable the first tunnel and disable the second, as on a device that can run only one."""
        with self._at_work() as state:
            _disable(state, _device(state, connection), TUNNELS[1:])
        self.enable(connection, TUNNELS[:1])

    def disable(self, connection: str) -> None:
        """Disable both tunnels."""
        with self._at_work() as state:
            _disable(state, _device(state, connection), TUNNELS)

    def shut_bgp(self, connection: str) -> None:
        """Shut the BGP neighbours: IPsec may be up, the tunnels count as down."""
        with self._at_work() as state:
            _device(state, connection).bgp_shut = True

    def open_bgp(self, connection: str) -> None:
        """Open the BGP neighbours again."""
        with self._at_work() as state:
            _device(state, connection).bgp_shut = False

    def advertise(self, customer_gateway: str, prefixes: Iterable[str]) -> None:
        """Make the device of *customer_gateway* advertise exactly *prefixes* over BGP."""
        with self._at_work() as state:
            state.advertised[customer_gateway] = sorted(prefixes)

    def configured(self, connection: str) -> bool:
        """Return whether the device has the connection's configuration."""
        with self._at_work() as state:
            return _device(state, connection).configured is not None

    def enabled(self, connection: str) -> tuple[int, ...]:
        """Return which tunnels are enabled, which does not mean that they are up."""
        with self._at_work() as state:
            return tuple(sorted(_device(state, connection).enabled))


def _device(state: WorldState, connection: str) -> Device:
    known: Connection | None = state.connections.get(connection)
    if known is None:
        raise UnknownConnectionError(f"there is no VPN connection {connection} in this sandbox")
    return state.devices.setdefault(connection, Device())


def _disable(state: WorldState, device: Device, numbers: Iterable[int]) -> None:
    for number in numbers:
        if device.enabled.pop(number, None) is not None:
            device.disabled[number] = state.now
