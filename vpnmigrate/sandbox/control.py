"""Asks a served sandbox for what no AWS call can do: devices and time."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from vpnmigrate.commands import cli
from vpnmigrate.errors import UnreachableError, UsageError

PREFIX = "/_sandbox/"
_PATIENCE = 30.0
"""Seconds; the server answers at once unless its machine is overloaded."""


class Client:
    """The control endpoint of the sandbox at *base_url*, such as ``http://127.0.0.1:5000``.

    Every method raises UnreachableError if nothing answers there, and UsageError if something
    answers that is no sandbox, or refuses.
    """

    def __init__(self, base_url: str) -> None:
        self._base = base_url.rstrip("/") + PREFIX
        # Loopback is never reached through a proxy, whatever the environment says.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def state(self) -> Mapping[str, Any]:
        """Give time and its pace, gateways, connections with their tunnels, and the behaviour."""
        return self._ask("state")

    def enable(self, connection: str) -> None:
        """Enable the tunnels of *connection* on its device."""
        self._ask(f"devices/{connection}/enable", {})

    def disable(self, connection: str) -> None:
        """Shut the tunnels of *connection* on its device."""
        self._ask(f"devices/{connection}/disable", {})

    def one_tunnel(self, connection: str) -> None:
        """Enable the first tunnel of *connection* on its device, and shut the second."""
        self._ask(f"devices/{connection}/one-tunnel", {})

    def attend_after(self, delay: timedelta) -> None:
        """Put a robot at the devices that follows every swap of gateways after *delay*."""
        self._ask("devices", {"mode": "attentive", "seconds": delay.total_seconds()})

    def leave_alone(self) -> None:
        """Send the robot away: devices do only what they are told."""
        self._ask("devices", {"mode": "manual"})

    def advance(self, span: timedelta) -> datetime:
        """Put the sandbox's clock forward by *span*, and give its moment then."""
        told = self._ask("time/advance", {"seconds": span.total_seconds()})
        return datetime.fromisoformat(told["time"])

    def _ask(self, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - a URL the operator gave
            self._base + path, data=data, headers={"Content-Type": "application/json"}
        )
        try:
            with self._opener.open(request, timeout=_PATIENCE) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                text = error.read()
        except (urllib.error.URLError, OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise UnreachableError(
                f"no sandbox answers at {self._base}: {reason}",
                advice=("Start one with:", cli("sandbox", "serve")),
            ) from error
        return _read(self._base, text)


def _read(base: str, text: bytes) -> Mapping[str, Any]:
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise UsageError(
            f"what answers at {base} is not a vpnmigrate sandbox",
            advice=("Start one with:", cli("sandbox", "serve")),
        )
    if "error" in answer:
        raise UsageError(answer["error"], advice=answer.get("advice", ""))
    return cast("Mapping[str, Any]", answer)
