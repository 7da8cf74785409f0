"""Persistence: how long automatic rollback tries again, and after which failures.

A person who reads a failure decides what comes next.  The watchdog and the plan's back-out policy
act because nobody may be there to read it, so they try again after whatever may pass.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from vpnmigrate.errors import InterruptedRunError, TakenOverError, VpnMigrateError

PERSISTENCE = timedelta(days=3)
"""From Friday night to Monday night; after that somebody has looked."""
FIRST_PAUSE = timedelta(seconds=30)
"""A lost network, a throttle or a dying process is often over by then."""
LONGEST_PAUSE = timedelta(minutes=10)
LONGEST_PAUSE_IN_OUTAGE = timedelta(minutes=2)
"""Each try reads AWS a few times, in an account whose request limit others share."""


def may_pass(error: VpnMigrateError) -> bool:
    """Return whether a later try may do better than the one that failed with *error*.

    Permissions are granted, credentials renewed, disks cleared and quotas raised.  What does not
    pass is that somebody stopped this process, or took the run over from it.
    """
    return not isinstance(error, InterruptedRunError | TakenOverError)


def pause_after(tries: int, *, outage: bool) -> timedelta:
    """Return how long to wait after as many failed *tries*; less while traffic is down."""
    longest = LONGEST_PAUSE_IN_OUTAGE if outage else LONGEST_PAUSE
    doubled = 1 << min(tries - 1, 10)
    return min(FIRST_PAUSE * doubled, longest)


def is_exhausted(began: datetime, now: datetime) -> bool:
    """Return whether what has been tried since *began* is to be given up."""
    return now - began >= PERSISTENCE
