"""Dry-run pace: which dry run is sent next, and when; others use the same buckets.

Each operation has a bucket of its own (docs/decisions/0057-request-buckets.md), so they take turns.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from vpnmigrate.model.request_bucket import BURST, REFILL

SHARE: Final = 0.45
"""The part of each bucket that dry runs use: nine tenths of half.

The other half is for other tools, and for the cutover that begins right after the dry runs.  If
another client uses it, a pace of exactly half has no token to spare: a model of the bucket refused
the 26th call of each operation, and two of each if answers took unequal times.  The margin is two
tokens at first, and one more every four seconds."""
LONGEST_BACKOFF: Final = timedelta(seconds=8)
"""Between two dry runs of an operation while none is decided: a few dozen in four minutes."""

_BURST: Final = SHARE * BURST
_REFILL: Final = SHARE * REFILL
_TOKEN: Final = timedelta(seconds=1 / _REFILL)
"""The time in which a token is added to the share."""


class DryRunPace(Struct, frozen=True):
    """The pace of one operation: how many tokens of its share are left at the moment *at*."""

    at: datetime
    left: float = _BURST
    undecided: int = 0
    """How many dry runs in a row were throttled, or had no readable answer."""

    def wait(self, now: datetime) -> timedelta:
        """Return how long to wait until the next dry run; longer after each undecided one."""
        after: timedelta
        if self.undecided:
            after = min(2 ** (self.undecided - 1) * _TOKEN, LONGEST_BACKOFF)
        else:
            after = max(0.0, 1 - self.left) * _TOKEN
        return max(timedelta(0), self.at + after - now)

    def after_answer(self, now: datetime) -> DryRunPace:
        """Return the pace after a dry run that EC2 answered."""
        return replace(self._with_one_less(now), undecided=0)

    def after_error(self, now: datetime) -> DryRunPace:
        """Return the pace after a dry run without a readable answer."""
        return replace(self._with_one_less(now), undecided=self.undecided + 1)

    def after_throttle(self, now: datetime) -> DryRunPace:
        """Return the pace after a dry run that EC2 throttled: the bucket is empty."""
        return DryRunPace(now, left=0.0, undecided=self.undecided + 1)

    def _with_one_less(self, now: datetime) -> DryRunPace:
        # What is added while EC2 throttles goes to another client.
        fresh = 0.0 if self.undecided else (now - self.at) / _TOKEN
        return replace(self, at=now, left=max(0.0, min(_BURST, self.left + fresh) - 1))


class DryRunQueue:
    """Dry runs without an answer, by index; *operations* has the operation of each."""

    def __init__(self, operations: Sequence[str], now: datetime) -> None:
        self._lines = {name: _Line(DryRunPace(now)) for name in operations}
        self._operations = operations
        for index, operation in enumerate(operations):
            self._lines[operation].waiting.append(index)

    @property
    def waiting(self) -> Sequence[int]:
        """The indices of the dry runs without an answer."""
        return [index for line in self._lines.values() for index in line.waiting]

    def next(self, now: datetime) -> tuple[int, timedelta] | None:
        """Return the index of the next dry run, and the wait before it; None if none is left.

        Of several operations with a token, the one with the fewest dry runs sent comes first.
        """
        turns = [
            (line.pace.wait(now), line.sent, line.waiting[0])
            for line in self._lines.values()
            if line.waiting
        ]
        if not turns:
            return None
        wait, _, index = min(turns)
        return index, wait

    def left_out(self, index: int) -> None:
        """Remove *index*, which was not sent."""
        self._line(index).waiting.remove(index)

    def answered(self, index: int, now: datetime) -> None:
        """Remove *index*, which was sent and is not tried again."""
        line = self._line(index)
        line.waiting.remove(index)
        line.sent += 1
        line.pace = line.pace.after_answer(now)

    def unreadable(self, index: int, now: datetime) -> None:
        """Move *index*, which had no readable answer, behind the others of its operation."""
        line = self._to_the_end(index)
        line.pace = line.pace.after_error(now)

    def throttled(self, index: int, now: datetime) -> None:
        """Move *index*, which EC2 throttled, behind the others of its operation."""
        line = self._to_the_end(index)
        line.pace = line.pace.after_throttle(now)

    def _to_the_end(self, index: int) -> _Line:
        line = self._line(index)
        line.waiting.remove(index)
        line.waiting.append(index)
        line.sent += 1
        return line

    def _line(self, index: int) -> _Line:
        return self._lines[self._operations[index]]


@dataclass
class _Line:
    """The dry runs of one operation."""

    pace: DryRunPace
    waiting: deque[int] = field(default_factory=deque)
    sent: int = 0
