"""Rehearsal results in a fleet's database, for the workers that evaluate the gate of a plan."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql

from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.messages import Deliver, resume_held
from vpnmigrate.fleet.database.schema import REHEARSALS, RUNS
from vpnmigrate.fleet.progress import MemberState
from vpnmigrate.local.rehearsals import rehearsal_from
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.plan import Plan


class FleetRehearsals:
    """The rehearsal results in *database*, one for each plan."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, results: Iterable[RehearsalResult], who: str, deliver: Deliver) -> None:
        """Add *results* for the operator *who*; a later one of the same plan is kept.

        Runs of these plans that are staged are resumed: they may have waited for it.

        Raises:
            DatabaseError: The database does not answer.
        """
        rows = [
            {
                "fingerprint": each.fingerprint,
                "result": msgspec.json.encode(each).decode(),
                "at": each.at,
                "added_by": who,
            }
            for each in results
        ]
        if not rows:
            return
        insert = postgresql.insert(REHEARSALS).values(rows)
        new = insert.excluded
        upsert = insert.on_conflict_do_update(
            index_elements=[REHEARSALS.c.fingerprint],
            set_={"result": new.result, "at": new.at, "added_by": new.added_by},
            where=new.at > REHEARSALS.c.at,
        ).returning(REHEARSALS.c.fingerprint)

        def work(connection: Connection) -> None:
            changed = connection.execute(upsert).scalars().all()
            staged = sa.select(RUNS.c.id).where(
                RUNS.c.fingerprint.in_(changed), RUNS.c.progress == MemberState.STAGED
            )
            for run in connection.execute(staged).scalars().all():
                resume_held(connection, run, deliver)

        self._database.transact(work)

    def of(self, plan: Plan) -> RehearsalResult | None:
        """Return the result of the last rehearsal of *plan*, or None.

        Raises:
            MalformedFileError: It is not a valid result of this plan.
            DatabaseError: The database does not answer.
        """
        chosen = sa.select(REHEARSALS.c.result).where(REHEARSALS.c.fingerprint == plan.fingerprint)
        text = self._database.execute(lambda connection: connection.execute(chosen).scalar())
        if text is None:
            return None
        return rehearsal_from(text.encode(), plan, "the rehearsal in the database")
