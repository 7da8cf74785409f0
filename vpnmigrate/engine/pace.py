"""Pace: when a run observes AWS again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from vpnmigrate.engine.execute import ChangeResult
from vpnmigrate.model.changes import DisablePropagation
from vpnmigrate.model.changes.base import Performed
from vpnmigrate.model.snapshot import ReadingPart

QUICK_PACE = timedelta(seconds=1)
"""Interval of observations while traffic is down, and after a change, whose effect usually shows
immediately."""
REPEAT_PACE = timedelta(seconds=0.2)
"""The same for a call that failed while traffic is down: with the call and the observation before
it, a repetition takes a second at most.  Also after changes whose effect shows at once."""
STEADY_PACE = timedelta(seconds=3)
"""While complete traffic has to last for ``waits.steady``, ten times this by default: readings
every second would show nothing new, because a tunnel that was down in between has another time of
its last change."""
PACE = timedelta(seconds=10)
"""Interval of other observations; Terraform polls these resources no faster (domain.md 3.1)."""
QUICK_READS = 5
"""While a step of the outage waits for one part of AWS's state, so many calls for that part alone
come between two observations; the first one that differs brings an observation at once."""


@dataclass
class PaceInputs:
    """What an observation and the changes after it have shown, as far as the pace depends on it."""

    acted: bool = False
    """Whether a change was sent that AWS has carried out, or may have."""
    repeats: bool = False
    """Whether a call failed that is repeated without a pause."""
    shows: bool = False
    """Whether AWS has carried out a change whose effect shows at once."""
    awaits: ReadingPart | None = None
    """What alone has to differ before the step can continue; None if it is not known."""


def interval(
    inputs: PaceInputs, *, outage: bool, tokens: timedelta | None, steady: timedelta | None
) -> timedelta:
    """Return how long after *inputs* the next observation comes.

    *tokens* is how long to wait for tokens of request buckets; None if no call waits for one.
    *steady* is how long traffic has to last; None if it is not complete.
    """
    if not outage:
        return QUICK_PACE if inputs.acted else PACE
    if inputs.repeats:
        return REPEAT_PACE
    if tokens is not None:
        return tokens
    if inputs.shows:
        return REPEAT_PACE
    if steady is not None:
        return max(QUICK_PACE, min(STEADY_PACE, steady / 10))
    return QUICK_PACE


def shows_at_once(done: ChangeResult) -> bool:
    """Return whether the next observation usually shows that *done* lets the next step begin.

    What step 9 changes brings routes, which EC2 shows a second or two later.
    """
    return isinstance(done.outcome, Performed) and isinstance(done.change, DisablePropagation)
