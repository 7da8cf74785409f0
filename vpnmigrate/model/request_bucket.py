"""Request bucket: how many calls of an operation AWS is expected to take now.

EC2 has a token bucket for each operation of an account and Region; when it is empty, calls are
throttled (docs/domain.md 5).  Other tools use the same buckets, limits may be raised, and another
endpoint may have none, so AWS's documented values are where the estimate begins, and its answers
correct it (docs/decisions/0057-request-buckets.md).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

BURST: Final = 50
"""Calls that a full bucket takes at once; only that of tags is larger (domain.md 5)."""
REFILL: Final = 5.0
"""Calls for which a bucket is filled in a second."""
LEAST_REFILL: Final = 0.5
"""The lowest estimate: one call is tried every two seconds, however busy the bucket is."""
CREDIBLE: Final = 3
"""So many refusals in a row show an empty bucket where tokens were expected; each call that is
taken makes up for half of one.  Fewer may be another limit of AWS, which has nothing to do with the
number of calls; while the bucket is known to be used up, one is enough."""
STARVED: Final = timedelta(seconds=10)
"""After so long without a call that was taken, a run continues without the calls that wait."""
MEASURED: Final = timedelta(seconds=3)
"""The shortest time between two findings of an empty bucket that is a measurement."""
MEASURED_ANEW: Final = timedelta(seconds=30)
"""The longest such time: the use by another tool before it says nothing about now."""
PROBE_AFTER: Final = timedelta(seconds=5)
"""After a refusal, no more calls than expected are tried for so long; twice as long after each
refusal of such a try, up to ``PROBE_LATEST``.  It costs a refused call, and may find that another
tool has ended."""
PROBE_LATEST: Final = timedelta(seconds=60)
SHORTEST_WAIT: Final = timedelta(seconds=1 / REFILL)
LONGEST_WAIT: Final = timedelta(seconds=2)
"""Between two sendings while calls wait for tokens: no bucket is full again after two seconds, so
none are lost, and observing more often would not make AWS take more calls."""


class Bucket(Struct, frozen=True):
    """The estimate for one operation at the moment *at*."""

    at: datetime
    left: float = BURST
    refill: float = REFILL
    """Tokens a second."""
    beyond: int = 0
    """How many calls more than *left* the last offer had, to find a larger bucket."""
    limited: bool = False
    """Whether more calls waited than the last offer had."""
    refusals: float = 0.0
    """How many calls AWS has throttled lately, less half of those that it took."""
    barren: datetime | None = None
    """Since when it has taken none."""
    emptied: datetime | None = None
    """When the bucket was last found empty."""
    probe_after: timedelta = PROBE_AFTER
    since: datetime | None = None
    """When the bucket was found empty, from which *taken* counts; None if calls have not waited all
    the time since."""
    taken: int = 0
    """How many calls AWS has taken since then."""

    def offer(self, waiting: int, now: datetime) -> tuple[Bucket, int]:
        """Return how many of *waiting* calls to send now, and the estimate after the offer.

        As long as AWS takes all of them, each offer tries more calls beyond the estimate.
        """
        known = self._filled(now)
        if known.emptied is not None and now - known.emptied < known.probe_after:
            beyond = 0
        else:
            beyond = max(1, 2 * known.beyond) if known.limited else 1
        most = int(known.left) + beyond
        limited = waiting > most
        since = known.since if limited else None
        return replace(known, beyond=beyond, limited=limited, since=since), min(waiting, most)

    def after_taken(self, now: datetime) -> Bucket:
        """Return the estimate after AWS has taken a call: it was carried out, or had an error."""
        known = self._filled(now)
        left, refusals = max(0.0, known.left - 1), max(0.0, known.refusals - 0.5)
        return replace(known, left=left, taken=known.taken + 1, refusals=refusals, barren=None)

    def after_refused(self, now: datetime) -> Bucket:
        """Return the estimate after AWS has throttled a call.

        The calls that it took between two findings of an empty bucket show how fast the bucket is
        filled for this run.  One that is empty while tokens were expected has another user, which
        is assumed to use half.
        """
        refusals, barren = self.refusals + 1, self.barren or now
        known = replace(self._filled(now), refusals=refusals, barren=barren)
        used_up = self.emptied is not None and now - self.emptied < MEASURED_ANEW
        if known.left >= 1 and refusals < CREDIBLE and not used_up:
            return known
        measured = now - self.since if self.since is not None else timedelta(0)
        refill = known.refill
        if measured >= MEASURED:
            # A part of a token may have been there.
            least, most = (
                number / measured.total_seconds() for number in (known.taken, known.taken + 1)
            )
            refill = max(LEAST_REFILL, least, min(refill, most))
        elif self.since is None and known.taken and known.left >= 1:
            refill = min(known.refill, REFILL / 2)
        begun = self.since
        if begun is None or measured > MEASURED_ANEW:
            begun = now
        return replace(
            known,
            left=0.0,
            refill=refill,
            beyond=0,
            emptied=now,
            probe_after=min(2 * known.probe_after, PROBE_LATEST)
            if known.beyond
            else known.probe_after,
            since=begun,
            taken=known.taken if begun == self.since else 0,
        )

    def wait(self, waiting: int, now: datetime) -> timedelta:
        """Return how long to wait until so many tokens are there.

        It is short as long as the bucket was never found empty.
        """
        if self.emptied is None:
            return SHORTEST_WAIT
        missing = timedelta(seconds=(waiting - self._filled(now).left) / self.refill)
        return min(max(missing, SHORTEST_WAIT), LONGEST_WAIT)

    def is_starved(self, now: datetime) -> bool:
        """Return whether AWS has long taken no call."""
        return self.barren is not None and now - self.barren >= STARVED

    def _filled(self, now: datetime) -> Bucket:
        fresh = (now - self.at).total_seconds() * self.refill
        return replace(self, at=now, left=min(float(BURST), self.left + fresh))
