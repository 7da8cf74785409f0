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

from vpnmigrate.model.clock import Clock, Stamp, stamp_of
from vpnmigrate.model.errors import UnreachableError, UsageError, VpnMigrateError
from vpnmigrate.model.errors.commands import cli

PREFIX = "/_sandbox/"

_TIMEOUT = 30.0
"""Seconds; the server answers at once unless its machine is overloaded."""


class ControlClient:
    """The control endpoint of the sandbox at *base_url*, such as ``http://127.0.0.1:5000``.

    Every method raises UnreachableError without an answer, and UsageError if the answer is not a
    sandbox's, or refuses the request.
    """

    def __init__(self, base_url: str) -> None:
        self._base = base_url.rstrip("/") + PREFIX
        # Loopback is never reached through a proxy, even if the environment sets one.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def time(self) -> Mapping[str, Any]:
        """Return time and speed; many processes read them each second."""
        return self._ask("time")

    def state(self) -> Mapping[str, Any]:
        """Return time and speed, gateways, connections with their tunnels, and the behaviour."""
        return self._ask("state")

    def enable(self, connection: str) -> None:
        """Enable the tunnels of *connection* on its device."""
        self._ask(f"devices/{connection}/enable", {})

    def disable(self, connection: str) -> None:
        """Disable the tunnels of *connection* on its device."""
        self._ask(f"devices/{connection}/disable", {})

    def one_tunnel(self, connection: str) -> None:
        """Enable the first tunnel of *connection* on its device, and disable the second."""
        self._ask(f"devices/{connection}/one-tunnel", {})

    def advance(self, span: timedelta) -> datetime:
        """Advance the sandbox's clock by *span*, and return its new time."""
        found = self._ask("time/advance", {"seconds": span.total_seconds()})
        return datetime.fromisoformat(found["time"])

    def _ask(self, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - a URL the operator gave
            self._base + path, data=data, headers={"Content-Type": "application/json"}
        )
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as answer:
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
            f"the server at {base} is not a vpnmigrate sandbox",
            advice=("Start one with:", cli("sandbox", "serve")),
        )
    if "error" in answer:
        raise UsageError(answer["error"], advice=answer.get("advice", ""))
    return cast("Mapping[str, Any]", answer)


FRESH = timedelta(seconds=1)
"""Maximum age, in the machine's time, of the sandbox's last known time.

Until then the time is calculated with the sandbox's speed; so an advance of the sandbox's clock is
noticed within this time.
"""

SHORTEST = timedelta(milliseconds=50)
"""Shortest sleep, in the machine's time: more frequent requests would only load the sandbox."""


class RemoteClock:
    """A clock that follows the clock of *sandbox*, with its speed and its jumps.

    If the sandbox ends, time continues at its last speed.

    Raises:
        UnreachableError: The sandbox does not answer.
        UsageError: The answer is not a sandbox's, or the sandbox has no clock of its own.
    """

    def __init__(self, sandbox: ControlClient, machine: Clock) -> None:
        self._sandbox = sandbox
        self._machine = machine
        # A signal handler may request the time during another request for it.
        self._lock = threading.RLock()
        self._base, self._speed = self._read()
        self._read_at = self._machine.now()
        self._last = self._base

    def now(self) -> datetime:
        """Return the sandbox's time."""
        with self._lock:
            if self._machine.now() - self._read_at >= FRESH:
                with suppress(VpnMigrateError):
                    self._catch_up()
            self._last = max(self._last, self._reckoned(self._machine.now()))
            return self._last

    def wall(self) -> datetime:
        """Return the sandbox's time: its clock is never set back."""
        return self.now()

    def ahead(self) -> timedelta:
        """Return zero: this clock is never set."""
        return timedelta(0)

    def stamp(self) -> Stamp:
        """Return the stamp of the sandbox's time, which all its clients share."""
        return stamp_of("sandbox", self.now())

    def sleep(self, span: timedelta) -> None:
        """Wait until *span* of the sandbox's time has passed, at least ``SHORTEST``."""
        self._machine.sleep(max(span / self._speed, SHORTEST))

    def _catch_up(self) -> None:
        """Read the sandbox's time, and follow a jump.

        Without a jump, the sandbox's time lies between request and answer.  A slow answer does not
        count as a jump, so that measured durations do not depend on the load of the machine.
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
        found = self._sandbox.time()
        if not found.get("speed"):
            raise UsageError("this sandbox has no clock of its own")
        return datetime.fromisoformat(found["time"]), found["speed"]
