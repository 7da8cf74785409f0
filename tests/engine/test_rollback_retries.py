"""Persistence: how long automatic rollback retries, and after which failures."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.builders import NOON
from vpnmigrate.engine.rollback_retries import (
    RETRY_FOR,
    backoff_after,
    is_exhausted,
    may_be_temporary,
)
from vpnmigrate.model.errors import (
    AwsError,
    AwsUnreadableError,
    ChangeRefusedError,
    DidNotSettleError,
    HeldError,
    InterruptedRunError,
    JournalError,
    LockedError,
    NoCredentialsError,
    NotAuthorizedError,
    TakenOverError,
    VpnMigrateError,
)

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    "error",
    [
        AwsError("odd"),
        AwsUnreadableError("throttled"),
        NotAuthorizedError("denied"),
        NoCredentialsError("expired"),
        DidNotSettleError("slow", step=8, outage=True),
        ChangeRefusedError("quota", step=8, outage=True),
        JournalError("no space left"),
        LockedError("a dying process"),
        HeldError("a person is needed"),
        VpnMigrateError("cannot be locked"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_everything_that_may_pass_is_tried_again(error):
    """Networks return, permissions are granted, credentials renewed, disks cleared."""
    assert may_be_temporary(error)


@pytest.mark.parametrize("error", [InterruptedRunError("SIGTERM"), TakenOverError("by bob")])
def test_a_stop_or_take_over_ends_the_retries(error):
    """After a stop or a take-over an operator is present, so there is no retry."""
    assert not may_be_temporary(error)


def test_pauses_grow_and_stay_short_while_traffic_is_down():
    """Half a minute first; ten minutes at most, and two during an outage."""
    calm = [backoff_after(tries, outage=False) for tries in (1, 2, 3, 6, 500)]
    down = [backoff_after(tries, outage=True) for tries in (1, 2, 3, 500)]

    assert calm == [30 * SECOND, 60 * SECOND, 120 * SECOND, 600 * SECOND, 600 * SECOND]
    assert down == [30 * SECOND, 60 * SECOND, 120 * SECOND, 120 * SECOND]


def test_it_retries_for_a_weekend():
    """Retries continue for more than a day, and end after three."""
    assert timedelta(days=1) < RETRY_FOR
    assert not is_exhausted(NOON, NOON + RETRY_FOR - SECOND)
    assert is_exhausted(NOON, NOON + RETRY_FOR)
