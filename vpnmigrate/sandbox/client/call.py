"""Call pipeline: faults, delays and guards on the way to a world."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from wsgiref.handlers import format_date_time

from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.sandbox.ec2.ids import ApiError
from vpnmigrate.sandbox.faults import CannedAnswer, Faults, FaultSource

if TYPE_CHECKING:
    from vpnmigrate.sandbox.authorization import CalledWorld

LATENCY = timedelta(seconds=0.2)
"""Duration of a call to EC2; a guess, so that rehearsed outages include the time of calls."""


class SandboxGapError(RuntimeError):
    """The sandbox does not implement the call; nothing was sent anywhere."""


class CallPipeline:
    """Passes calls to *world*, one after another, and counts them.

    Each call takes *latency*, which is passed to *advance*; by default this advances a virtual
    clock and has no effect on any other clock.  *faults* are injected between client and world.
    """

    def __init__(
        self,
        world: CalledWorld,
        *,
        latency: timedelta = LATENCY,
        faults: FaultSource | None = None,
        advance: Callable[[timedelta], None] | None = None,
    ) -> None:
        if advance is None:
            advance = world.clock.sleep if isinstance(world.clock, VirtualClock) else _no_time
        self._world = world
        self._latency = latency
        self._faults = faults or Faults()
        self._advance = advance
        self._turn = threading.Lock()
        self._calls: Counter[tuple[str, str]] = Counter()
        self._total = 0
        self._dated = -1, ""

    def pass_(self, service: str, action: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Execute *action* and return its answer, or AWS's error in the form of an answer.

        Raises:
            SandboxGapError: The sandbox does not implement *action*.
        """
        if not self._world.handles(service, action):
            raise SandboxGapError(
                f"the sandbox has no {service} {action}; the call was not sent anywhere"
            )
        # A fault names the nth call that takes effect, so dry runs are neither counted nor failed.
        dry = bool(params.get("DryRun"))
        faults = Faults() if dry else self._faults
        number, nth = self._begin(service, action, counted=not dry)
        named = {"RequestId": f"sandbox-{number:06d}"}
        try:
            faults.before(service, action, nth)
            answer = self._world.execute(service, action, params)
            faults.after(service, action, nth)
            status = 200
        except ApiError as error:
            answer, status = {"Error": {"Code": error.code, "Message": error.message}}, error.status
        except CannedAnswer as other:
            answer, status, named = dict(other.answer), 200, {}
        answer["ResponseMetadata"] = {
            **named,
            "HTTPStatusCode": status,
            "HTTPHeaders": {"date": self._date()},
            "RetryAttempts": 0,
        }
        return answer

    def _date(self) -> str:
        """Return the time as an HTTP date, cached for each second."""
        second = int(self._world.clock.now().timestamp())
        dated, written = self._dated
        if second != dated:
            written = format_date_time(second)
            self._dated = second, written
        return written

    def _begin(self, service: str, action: str, *, counted: bool) -> tuple[int, int]:
        with self._turn:
            self._advance(self._latency)
            self._calls[service, action] += counted
            self._total += 1
            return self._total, self._calls[service, action]


def _no_time(_span: timedelta) -> None:
    """Do nothing: a real clock advances on its own."""
