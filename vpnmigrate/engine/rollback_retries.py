"""Rollback retries: failures after which an automatic rollback is retried, and for how long.

An operator who reads a failure decides what to do next.  The watchdog and the plan's back-out
policy act without an operator, so they retry after every failure that may pass.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from vpnmigrate.model.errors import InterruptedRunError, TakenOverError, VpnMigrateError

RETRY_FOR = timedelta(days=3)
"""From Friday night to Monday night: by then an operator has seen the failure."""
FIRST_BACKOFF = timedelta(seconds=30)
"""A lost network, throttling or a process that is exiting has often passed by then."""
LONGEST_BACKOFF = timedelta(minutes=10)
LONGEST_BACKOFF_IN_OUTAGE = timedelta(minutes=2)
"""Each try reads AWS a few times, in an account whose request limit is shared."""


def may_be_temporary(error: VpnMigrateError) -> bool:
    """Return whether a later try may succeed after one that failed with *error*.

    Permissions are granted, credentials renewed, disks cleared and quotas raised.  A retry does
    not help if this process was stopped, or if another process took over the run.
    """
    return not isinstance(error, InterruptedRunError | TakenOverError)


def backoff_after(tries: int, *, outage: bool) -> timedelta:
    """Return how long to wait after this number of failed *tries*; less while traffic is down."""
    longest = LONGEST_BACKOFF_IN_OUTAGE if outage else LONGEST_BACKOFF
    doubled = 1 << min(tries - 1, 10)
    return min(FIRST_BACKOFF * doubled, longest)


def is_exhausted(began: datetime, now: datetime) -> bool:
    """Return whether retries that began at *began* have reached the limit."""
    return now - began >= RETRY_FOR
