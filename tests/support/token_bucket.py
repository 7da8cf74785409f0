"""EC2's side of a request bucket: the tokens of one operation (docs/domain.md 5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from vpnmigrate.model.clock import Timer
from vpnmigrate.model.request_bucket import BURST, REFILL


@dataclass
class TokenBucket:
    """A bucket that is full at first; EC2 refuses a call for which it has no token."""

    clock: Timer
    burst: float = BURST
    refill: float = REFILL
    """Tokens a second."""
    refused: int = 0
    left: float = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.burst
        self._at = self.clock.now()

    def take(self) -> bool:
        """Take a token for a call; return whether there was one."""
        now = self.clock.now()
        fresh = (now - self._at).total_seconds() * self.refill
        self.left, self._at = min(self.burst, self.left + fresh), now
        if self.left < 1:
            self.refused += 1
            return False
        self.left -= 1
        return True

    def waiting(self, calls: int) -> timedelta:
        """Return when the last of *calls* can be taken."""
        return timedelta(seconds=max(0.0, calls - self.burst) / self.refill)
