"""Request buckets: which changes a run sends now, of those that are missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from vpnmigrate.model.changes import AwsChange
from vpnmigrate.model.changes.base import Later, Outcome
from vpnmigrate.model.clock import Timer
from vpnmigrate.model.request_bucket import Bucket


class RequestBuckets:
    """The estimates of one process, for each operation that it has called."""

    def __init__(self, clock: Timer) -> None:
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}
        self._waiting: dict[str, int] = {}
        """How many calls of each operation have waited for tokens since the last pause."""

    def affordable(self, changes: Sequence[AwsChange]) -> Sequence[AwsChange]:
        """Return those of *changes* that AWS is expected to take now, the first ones first.

        A change without a call needs no token.
        """
        left: dict[str, int] = {}
        for call, number in Counter(change.call for change in changes if change.call).items():
            self._buckets[call], left[call] = self._of(call).offer(number, self._clock.now())
            if number > left[call]:
                self._waiting[call] = number - left[call]
        chosen: list[AwsChange] = []
        for change in changes:
            if change.call:
                if left[change.call] <= 0:
                    continue
                left[change.call] -= 1
            chosen.append(change)
        return chosen

    def count(self, change: AwsChange, outcome: Outcome) -> None:
        """Correct the estimate by the answer to *change*."""
        call, now = change.call, self._clock.now()
        match outcome:
            case Later(sent=False):
                pass
            case Later(throttled=True):
                self._buckets[call] = self._of(call).after_refused(now)
                self._waiting[call] = self._waiting.get(call, 0) + 1
            case _:
                self._buckets[call] = self._of(call).after_taken(now)

    def is_starved(self, change: AwsChange) -> bool:
        """Return whether AWS takes no calls like *change*, so that the run continues without it."""
        return self._of(change.call).is_starved(self._clock.now())

    def is_empty_since(self, moment: datetime, call: str) -> bool:
        """Return whether the bucket of *call* was found empty after *moment*; in any thread."""
        emptied = self._of(call).emptied
        return emptied is not None and emptied > moment

    def take_wait(self) -> timedelta | None:
        """Return how long to wait for tokens; None if no call has waited since the last time."""
        now = self._clock.now()
        waits = [self._of(call).wait(number, now) for call, number in self._waiting.items()]
        self._waiting.clear()
        return min(waits, default=None)

    def _of(self, call: str) -> Bucket:
        return self._buckets.get(call) or Bucket(self._clock.now())
