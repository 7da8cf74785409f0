"""Campaigns in a fleet's database: which members start, decided by one worker at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql

from vpnmigrate.errors import RefusedError
from vpnmigrate.errors.commands import cli
from vpnmigrate.fleet.calendar import Freeze, freezes_between
from vpnmigrate.fleet.campaign import Campaign, campaign_from
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.leases import database_now
from vpnmigrate.fleet.database.messages import Deliver
from vpnmigrate.fleet.database.runs import FleetRuns, start_run
from vpnmigrate.fleet.database.schema import CAMPAIGNS, FleetState, RunGoal
from vpnmigrate.fleet.progress import CampaignProgress
from vpnmigrate.fleet.schedule import StartKind, next_starts

_SCHEDULER: Final = 0x76706E66
"""Key of the advisory lock of the worker that decides about starts."""
_parsed = lru_cache(maxsize=16)(campaign_from)
"""A campaign of 1,000 members takes a second to parse, and is read every second."""
_GOALS: Final = {StartKind.PREPARE: RunGoal.PREPARE, StartKind.CUTOVER: RunGoal.CUTOVER}


@dataclass(frozen=True)
class StoredCampaign:
    """A campaign file as the database has it; *calendar* is the file that it names, if it does."""

    name: str
    text: str
    calendar: bytes | None

    @property
    def campaign(self) -> Campaign:
        """The campaign in the text."""
        return _parsed(self.text, f"campaign {self.name} in the database")

    def freezes_at(self, now: datetime) -> tuple[Freeze, ...]:
        """Return the freezes that concern a start at *now*."""
        rule = self.campaign.freeze
        if rule is None or self.calendar is None:
            return ()
        return freezes_between(self.calendar, rule.calendar, now, now + rule.margin)


class FleetCampaigns:
    """The campaigns in *database*."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._runs = FleetRuns(database)

    def add(self, given: StoredCampaign) -> None:
        """Add a campaign; one that is there already is kept.

        Raises:
            RefusedError: It is there with another text.
            DatabaseError: The database does not answer.
        """
        insert = postgresql.insert(CAMPAIGNS).values(
            name=given.name, text=given.text, calendar=given.calendar, added_at=database_now()
        )
        self._database.execute(lambda c: c.execute(insert.on_conflict_do_nothing()))
        if given not in self.list():
            raise RefusedError(
                f"campaign {given.name} is in the database with another text or calendar",
                advice=("give it another name, or see what it does:", cli("fleet", "status")),
            )

    def list(self) -> tuple[StoredCampaign, ...]:
        """Return all campaigns, sorted by name."""
        statement = sa.select(CAMPAIGNS.c.name, CAMPAIGNS.c.text, CAMPAIGNS.c.calendar)
        ordered = statement.order_by(CAMPAIGNS.c.name)
        rows = self._database.execute(lambda connection: connection.execute(ordered).all())
        return tuple(StoredCampaign(*row) for row in rows)

    def start_next(self, now: datetime, deliver: Deliver) -> tuple[tuple[str, RunGoal], ...]:
        """Start the members that may start at *now*; return their runs, and how far each goes.

        Only one worker decides at a time, and the others leave it to that one.

        Raises:
            DatabaseError: The database does not answer.
        """
        campaigns = self.list()
        if not campaigns or self._runs.state() is not FleetState.RUNNING:
            return ()

        def work(connection: Connection) -> tuple[tuple[str, RunGoal], ...]:
            lock = sa.select(sa.func.pg_try_advisory_xact_lock(_SCHEDULER))
            if not connection.execute(lock).scalar_one():
                return ()
            # Committed by then: what the worker that had the lock before has started.
            started = tuple(start for each in campaigns for start in self._starts(each, now))
            for run, goal in started:
                start_run(connection, run, goal, deliver)
            return started

        return self._database.transact(work)

    def _starts(self, stored: StoredCampaign, now: datetime) -> Iterator[tuple[str, RunGoal]]:
        runs = {run.member: run for run in self._runs.list(stored.name)}
        progress = CampaignProgress({name: run.member_progress for name, run in runs.items()})
        for start in next_starts(stored.campaign, progress, stored.freezes_at(now), now):
            if start.member in runs:
                yield runs[start.member].id, _GOALS[start.kind]
