"""Driver ``strongswan``: a Linux router, through a shell and charon's vici socket.

The commands of the platform are given to the shell; vici shows which connections are loaded, and
``ip link`` whether their interfaces are enabled.  Run as a program: its arguments are ``vici``
sockets and, after ``--``, the words of the shell.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from vpnmigrate.devices.running_state import absent_tunnels, common_state
from vpnmigrate.local.drivers.extras import missing_driver_library
from vpnmigrate.local.drivers.protocol import DriverInput, DriverOutput, answer_call
from vpnmigrate.local.drivers.verbs import (
    UNCERTAIN,
    DriverError,
    complete,
    due_parts,
    missing_clause,
    read_device,
    spare_tunnels,
    tunnels_of,
)
from vpnmigrate.model.decisions import DriverKind
from vpnmigrate.model.device_drivers import ConnectionSide, TunnelsState

LOST: Final = 255
"""The exit status of ssh without a connection."""
ANSWER_LIMIT: Final = 10.0
"""Seconds for an answer of charon, which gives it at once."""
_LINK: Final = re.compile(r"^\d+: ([^:@]+)[:@].*?<([^>]*)>", re.MULTILINE)


class StrongswanRouter:
    """A router behind *shell*, whose charon answers at *sockets*."""

    def __init__(self, sockets: Sequence[str], shell: Sequence[str]) -> None:
        self._sockets = sockets
        self._shell = shell

    def run(self, commands: str) -> str:
        """Run *commands* in the shell and return what they print.

        Raises:
            DriverError: The connection was lost.
        """
        done = subprocess.run(  # noqa: S603  the shell of the plan, shown and approved
            self._shell, input=commands.encode(), stdout=subprocess.PIPE, check=False
        )
        if done.returncode < 0 or done.returncode == LOST:
            raise DriverError(f"{self._shell[0]} ended with {done.returncode}", UNCERTAIN)
        return done.stdout.decode(errors="replace")

    def parts(self, outside: Sequence[str]) -> Mapping[str, Collection[bool]]:
        """Return whether the tunnel to each address of *outside* is enabled; nothing if absent.

        A loaded connection without an interface is neither enabled nor disabled.

        Raises:
            DriverError: Charon or the shell does not answer.
        """
        names = self._loaded()
        if not any(address in names for address in outside):
            return dict.fromkeys(outside, ())
        links = dict(_LINK.findall(self.run("ip -o link show\n")))
        enabled = {name: ("UP" in flags.split(","),) for name, flags in links.items()}
        return {
            address: enabled.get(names[address], (True, False)) if address in names else ()
            for address in outside
        }

    def _loaded(self) -> dict[str, str]:
        """Return the name of each loaded connection, by its remote addresses."""
        return {
            address.decode(): name
            for place in self._sockets
            for connections in _connections(place)
            for name, about in connections.items()
            for address in about.get("remote_addrs", ())
        }


def _connections(place: str) -> Iterator[Mapping[str, Any]]:
    try:
        import vici  # noqa: PLC0415  an extra
    except ImportError:
        raise DriverError(missing_driver_library(DriverKind.STRONGSWAN)) from None
    try:
        with _connected(place) as connection:
            yield from vici.Session(connection).list_conns()
    except OSError as error:
        raise DriverError(f"charon does not answer at {place}: {error}") from None


def _connected(place: str) -> socket.socket:
    parts = urlsplit(place)
    if parts.scheme == "tcp":
        return socket.create_connection((parts.hostname, parts.port or 0), ANSWER_LIMIT)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(ANSWER_LIMIT)
    try:
        connection.connect(parts.path)
    except OSError:
        connection.close()
        raise
    return connection


def perform(
    asked: DriverInput, device: Mapping[str, Any], router: StrongswanRouter
) -> DriverOutput:
    """Carry out what is *asked*, where it is not done yet; return the state of the device.

    Raises:
        DriverError: It cannot be done.
    """

    def parts(side: ConnectionSide) -> Mapping[str, Collection[bool]]:
        return router.parts([str(tunnel["outside"]) for tunnel in tunnels_of(device, side)])

    def state(side: ConnectionSide) -> TunnelsState:
        return common_state(parts(side), spare_tunnels(device, side))

    due = due_parts(asked, state)
    # All are complete before the first is run.
    commands = [complete(device, part) for part in due]
    printed = "".join(map(router.run, commands))
    down = [line for line in printed.splitlines() if line.endswith("IS NOT UP")]
    try:
        found = {side: parts(side) for side in ConnectionSide}
    except DriverError as error:
        raise DriverError(str(error), UNCERTAIN if due else error.exit_code) from None
    new, old = (common_state(found[side], spare_tunnels(device, side)) for side in found)
    missing = [address for tunnels in found.values() for address in absent_tunnels(tunnels)]
    return DriverOutput(new, old, "; ".join(filter(None, (*down, missing_clause(missing)))))


def main(words: Sequence[str]) -> int:
    """Carry out one call, and return the exit status."""
    cut = list(words).index("--")
    router = StrongswanRouter(words[:cut], words[cut + 1 :])

    def answer(asked: DriverInput) -> tuple[DriverOutput, int]:
        try:
            return perform(asked, read_device(asked), router), 0
        except DriverError as error:
            return DriverOutput(message=str(error)), error.exit_code

    return answer_call(answer)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
