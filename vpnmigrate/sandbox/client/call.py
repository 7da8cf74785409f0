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
    from vpnmigrate.sandbox.world import World

LATENCY = timedelta(seconds=0.2)
"""What a call to EC2 takes; a guess, for an outage that adds up."""


class SandboxGapError(RuntimeError):
    """A client asked for something that no sandbox answers; nothing was sent anywhere."""


class CallPipeline:
    """Lets calls into *world*, one after another, and counts them.

    Each takes *latency*, which *advance* is told; without it a virtual clock is moved on and any
    other clock is left alone.  *faults* come between client and world, see ``faults``.
    """

    def __init__(
        self,
        world: World,
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
        """Carry out *action* and give its answer, or AWS's refusal in the form of one.

        Raises:
            SandboxGapError: No world answers that.
        """
        if not self._world.handles(service, action):
            raise SandboxGapError(
                f"the sandbox has no {service} {action}; the call was not sent anywhere"
            )
        number, nth = self._begin(service, action)
        named = {"RequestId": f"sandbox-{number:06d}"}
        try:
            self._faults.before(service, action, nth)
            answer = self._world.execute(service, action, params)
            self._faults.after(service, action, nth)
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
        """Write the moment as HTTP does, to the second, which the calls of a look share."""
        second = int(self._world.clock.now().timestamp())
        dated, written = self._dated
        if second != dated:
            written = format_date_time(second)
            self._dated = second, written
        return written

    def _begin(self, service: str, action: str) -> tuple[int, int]:
        with self._turn:
            self._advance(self._latency)
            self._calls[service, action] += 1
            self._total += 1
            return self._total, self._calls[service, action]


def _no_time(_span: timedelta) -> None:
    """Let a real clock do as it does."""
