"""Campaigns in a fleet's database: which members start, decided by one worker at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql

from vpnmigrate.errors import RefusedError, UsageError
from vpnmigrate.errors.commands import cli
from vpnmigrate.fleet.calendar import Freeze, freezes_between
from vpnmigrate.fleet.campaign import Campaign, Wave
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.leases import database_now
from vpnmigrate.fleet.database.messages import Deliver
from vpnmigrate.fleet.database.runs import FleetRun, FleetRuns, start_run
from vpnmigrate.fleet.database.schema import CAMPAIGNS, WAVE_APPROVALS, FleetState, RunGoal
from vpnmigrate.fleet.progress import CampaignProgress
from vpnmigrate.fleet.schedule import StartKind, next_starts

_SCHEDULER: Final = 0x76706E66
"""Key of the advisory lock of the worker that decides about starts."""
_GOALS: Final = {StartKind.PREPARE: RunGoal.PREPARE, StartKind.CUTOVER: RunGoal.CUTOVER}


@dataclass(frozen=True)
class StoredCampaign:
    """A campaign with the text of its file; *calendar* is the file that it names, if it does."""

    campaign: Campaign
    text: str
    calendar: bytes | None

    @property
    def name(self) -> str:
        """The name of the campaign."""
        return self.campaign.name

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

    def add(self, given: StoredCampaign, who: str) -> None:
        """Add a campaign for the operator *who*; one that is there already is kept.

        Raises:
            RefusedError: It is there with another text.
            DatabaseError: The database does not answer.
        """
        insert = postgresql.insert(CAMPAIGNS).values(
            name=given.name,
            text=given.text,
            document=msgspec.json.encode(given.campaign),
            calendar=given.calendar,
            changed_by=who,
            changed_at=database_now(),
        )
        self._database.execute(lambda c: c.execute(insert.on_conflict_do_nothing()))
        if given != self.find(given.name):
            raise RefusedError(
                f"campaign {given.name} is in the database with another text or calendar",
                advice=("give it another name, or see what it does:", cli("fleet", "status")),
            )

    def names(self) -> tuple[str, ...]:
        """Return the names of all campaigns, sorted."""
        ordered = sa.select(CAMPAIGNS.c.name).order_by(CAMPAIGNS.c.name)
        return tuple(self._database.execute(lambda c: c.execute(ordered).scalars().all()))

    def list(self) -> tuple[StoredCampaign, ...]:
        """Return all campaigns, sorted by name."""
        ordered = _CAMPAIGN.order_by(CAMPAIGNS.c.name)
        rows = self._database.execute(lambda connection: connection.execute(ordered).all())
        return tuple(_stored(*row) for row in rows)

    def find(self, name: str) -> StoredCampaign:
        """Return the campaign *name*.

        Raises:
            UsageError: There is none.
            DatabaseError: The database does not answer.
        """
        chosen = _CAMPAIGN.where(CAMPAIGNS.c.name == name)
        row = self._database.execute(lambda connection: connection.execute(chosen).first())
        if row is None:
            raise UsageError(
                f"the database has no campaign {name!r}",
                advice=("list campaigns and runs:", cli("fleet", "status")),
            )
        return _stored(*row)

    def approve(self, name: str, wave: Wave, who: str) -> None:
        """Note that *who* approves that *wave* of the campaign *name* begins as it is now."""
        insert = postgresql.insert(WAVE_APPROVALS).values(
            campaign=name,
            wave=wave.name,
            digest=wave.digest,
            approver=who,
            approved_at=database_now(),
        )
        self._database.execute(lambda c: c.execute(insert.on_conflict_do_nothing()))

    def approved(self, stored: StoredCampaign) -> dict[str, str]:
        """Return who has approved the waves of the campaign as they are now, by their names."""
        columns = WAVE_APPROVALS.c.digest, WAVE_APPROVALS.c.approver
        chosen = sa.select(*columns).where(WAVE_APPROVALS.c.campaign == stored.name)
        rows = self._database.execute(lambda connection: connection.execute(chosen).all())
        given = {row.digest: row.approver for row in rows}
        return {
            wave.name: given[wave.digest]
            for wave in stored.campaign.waves
            if wave.approval and wave.digest in given
        }

    def progress(
        self, stored: StoredCampaign, runs: Iterable[FleetRun], paused: str = ""
    ) -> CampaignProgress:
        """Return the progress of the campaign that has *runs*; *paused* is why nothing starts."""
        members = {run.member: run.member_progress for run in runs}
        return CampaignProgress(members, self.approved(stored), paused)

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
        progress = self.progress(stored, runs.values())
        for start in next_starts(stored.campaign, progress, stored.freezes_at(now), now):
            if start.member in runs:
                yield runs[start.member].id, _GOALS[start.kind]


_CAMPAIGN: Final = sa.select(CAMPAIGNS.c.document, CAMPAIGNS.c.text, CAMPAIGNS.c.calendar)


def _stored(document: bytes, text: str, calendar: bytes | None) -> StoredCampaign:
    return StoredCampaign(_campaign(document), text, calendar)


@lru_cache(maxsize=16)
def _campaign(document: bytes) -> Campaign:
    return msgspec.json.decode(document, type=Campaign)
