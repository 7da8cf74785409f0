"""Control client: devices and time of a served sandbox, from another process."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, cast

from vpnmigrate.commands import cli
from vpnmigrate.errors import UnreachableError, UsageError, VpnMigrateError
from vpnmigrate.model.clock import Clock, Stamp, stamp_of

PREFIX = "/_sandbox/"

_PATIENCE = 30.0
"""Seconds; the server answers at once unless its machine is overloaded."""


class ControlClient:
    """The control endpoint of the sandbox at *base_url*, such as ``http://127.0.0.1:5000``.

    Every method raises UnreachableError if nothing answers there, and UsageError if something
    answers that is no sandbox, or refuses.
    """

    def __init__(self, base_url: str) -> None:
        self._base = base_url.rstrip("/") + PREFIX
        # Loopback is never reached through a proxy, whatever the environment says.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def state(self) -> Mapping[str, Any]:
        """Return time and its pace, gateways, connections with their tunnels, and the behaviour."""
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

    def advance(self, span: timedelta) -> datetime:
        """Put the sandbox's clock forward by *span*, and give its moment then."""
        found = self._ask("time/advance", {"seconds": span.total_seconds()})
        return datetime.fromisoformat(found["time"])

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


FRESH = timedelta(seconds=1)
"""Of the machine's time: so soon it is noticed that somebody has put the sandbox's clock forward.

In between it is reckoned on at the sandbox's pace.
"""

SHORTEST = timedelta(milliseconds=50)
"""Of the machine's time: whoever looks again sooner only keeps the sandbox from its work."""


class RemoteClock:
    """A clock that agrees with that of *sandbox*, at its pace and through its leaps.

    Once the sandbox has gone, time passes on at its last pace.

    Raises:
        UnreachableError: Nothing answers there.
        UsageError: What answers is no sandbox, or one without a clock of its own.
    """

    def __init__(self, sandbox: ControlClient, machine: Clock) -> None:
        self._sandbox = sandbox
        self._machine = machine
        # A signal handler may ask for the time while it is being asked for.
        self._lock = threading.RLock()
        self._base, self._speed = self._read()
        self._read_at = self._machine.now()
        self._last = self._base

    def now(self) -> datetime:
        """Return the sandbox's moment."""
        with self._lock:
            if self._machine.now() - self._read_at >= FRESH:
                with suppress(VpnMigrateError):
                    self._catch_up()
            self._last = max(self._last, self._reckoned(self._machine.now()))
            return self._last

    def wall(self) -> datetime:
        """Return the sandbox's moment: nobody puts its clock back."""
        return self.now()

    def ahead(self) -> timedelta:
        """Return zero: nobody sets this clock."""
        return timedelta(0)

    def stamp(self) -> Stamp:
        """Return the stamp of the sandbox's time, which all who follow it share."""
        return stamp_of("sandbox", self.now())

    def sleep(self, span: timedelta) -> None:
        """Wait until *span* of the sandbox's time has passed, and a moment of the machine's."""
        self._machine.sleep(max(span / self._speed, SHORTEST))

    def _catch_up(self) -> None:
        """Follow a leap.

        What the sandbox tells lies between question and answer, and a slow answer is no leap: a
        span that is measured with this clock is not to depend on how busy the machine is.
        """
        asked = self._reckoned(self._machine.now())
        found, speed = self._read()
        now = self._machine.now()
        answered = self._reckoned(now)
        leapt = not asked <= found <= answered
        self._base, self._read_at = found if leapt else answered, now
        self._speed = speed

    def _reckoned(self, at: datetime) -> datetime:
        return self._base + (at - self._read_at) * self._speed

    def _read(self) -> tuple[datetime, float]:
        state = self._sandbox.state()
        if not state.get("speed"):
            raise UsageError("this sandbox has no clock of its own to go by")
        return datetime.fromisoformat(state["time"]), state["speed"]
