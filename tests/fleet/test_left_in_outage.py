"""Runs that were left in an outage: workers take them without waiting for room."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from tests.fleet.database_runs import (
    CLOCK,
    acquired,
    lapse,
    opened_journal,
    stored_run,
    undelivered,
)
from tests.support.builders import MIGRATION
from tests.support.journals import OPENED
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.schema import RunGoal
from vpnmigrate.journal.records import Noted, OutageBegan, OutageEnded, Record

BEGAN = OutageBegan(CLOCK.now())
ENDED = OutageEnded(CLOCK.now(), timedelta(minutes=2))
NAMED = Noted('a device has named itself "outage-began"')
EVERY = tuple(goal for goal in RunGoal if goal is not RunGoal.NOTHING)
WAYS = (RunGoal.CUTOVER, RunGoal.ROLLBACK)


@pytest.mark.parametrize(
    ("records", "goals"),
    [
        ((BEGAN,), EVERY),
        ((BEGAN, ENDED, BEGAN), EVERY),
        ((), WAYS),
        ((BEGAN, ENDED), WAYS),
        ((NAMED,), WAYS),
    ],
)
def test_a_run_whose_worker_died_is_urgent_if_traffic_may_be_down(
    database: Database, records: Sequence[Record], goals: Sequence[RunGoal]
) -> None:
    """On the way to or from the new gateway it may be; on another way, if the journal says so.

    A confirmation that is missing or an abort rolls back whatever the goal is.  A dead worker's
    preparations wait for room, so that they never take the place of an outage.
    """
    runs = stored_run(database)
    journal = opened_journal(database, acquired(database, "dead"))
    journal.write(OPENED, *records)
    found = []
    for goal in EVERY:
        runs.start(MIGRATION, goal, undelivered)
        assert runs.left_in_outage() == ()  # Its worker is alive.
        lapse(database)
        found += [goal for _ in runs.left_in_outage()]
        acquired(database, "dead")

    assert found == list(goals)
