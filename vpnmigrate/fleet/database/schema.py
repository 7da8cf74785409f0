"""Schema: the tables of a fleet.

``migrations`` creates and changes them; this file is what the program reads and writes.
"""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa

METADATA = sa.MetaData()


class FleetState(StrEnum):
    """State of the whole fleet, as its operators have set it."""

    RUNNING = "running"
    PAUSED = "paused"
    """No run starts; those that have started continue to their end."""
    STOPPED = "stopped"
    """No run starts, and no worker begins a session, except where traffic may be down."""


class RunGoal(StrEnum):
    """How far workers take a run."""

    NOTHING = "nothing"
    """It was added, and is not started."""
    PREPARE = "prepare"
    """Up to the cutover, which is not begun."""
    CUTOVER = "cutover"
    ROLLBACK = "rollback"
    FINALIZE = "finalize"


class MessageState(StrEnum):
    """State of a message for a run."""

    WAITING = "waiting"
    READ = "read"
    REJECTED = "rejected"
    """It is invalid, or no task was open; it is kept for the operator."""


FLEET = sa.Table(
    "fleet",
    METADATA,
    sa.Column("single", sa.Boolean, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("changed_by", sa.Text, nullable=False),
    sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
)
"""One row: the state of the fleet."""

CAMPAIGNS = sa.Table(
    "fleet_campaign",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("calendar", sa.LargeBinary),
    sa.Column("changed_by", sa.Text, nullable=False),
    sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
)
"""Campaign files, each with the calendar that it names.

``document`` is the campaign in the text as JSON: a thousand members are read from it in
milliseconds, and from YAML in a second.
"""

WAVE_APPROVALS = sa.Table(
    "fleet_wave_approval",
    METADATA,
    sa.Column("campaign", sa.Text, sa.ForeignKey("fleet_campaign.name"), primary_key=True),
    sa.Column("wave", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("approver", sa.Text, nullable=False),
    sa.Column("approved_at", sa.DateTime(timezone=True), nullable=False),
)
"""Who has approved that a wave begins; ``digest`` is that of the wave as it was approved."""

RUNS = sa.Table(
    "fleet_run",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("plan", sa.LargeBinary, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("profile", sa.Text, nullable=False),
    sa.Column("campaign", sa.Text, sa.ForeignKey("fleet_campaign.name")),
    sa.Column("member", sa.Text, nullable=False),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("goal", sa.Text, nullable=False),
    sa.Column("terms", sa.Text, nullable=False),
    sa.Column("ordered", sa.Text),
    sa.Column("wake", sa.BigInteger, nullable=False),
    sa.Column("served", sa.BigInteger, nullable=False),
    sa.Column("due_at", sa.DateTime(timezone=True)),
    sa.Column("fence", sa.BigInteger, nullable=False),
    sa.Column("lease_owner", sa.Text),
    sa.Column("lease_until", sa.DateTime(timezone=True)),
    sa.Column("outage", sa.Boolean, nullable=False),
    sa.Column("progress", sa.Text, nullable=False),
    sa.Column("progress_since", sa.DateTime(timezone=True)),
    sa.Column("summary", sa.Text),
    sa.Column("trouble", sa.Text, nullable=False),
    sa.Column("lines", sa.BigInteger, nullable=False),
    sa.Column("head", sa.Text, nullable=False),
    sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
    sa.UniqueConstraint("campaign", "member"),
)
"""One row for each run: its plan, its lease, and the mark of its journal.

``wake`` counts the reasons to work on the run and ``served`` those that a session has begun for.
``fence`` counts the leases; ``lease_owner`` is empty after a session that ended as it should.
``terms`` are what the operator who set ``goal`` has decided (``fleet.run_terms``), as JSON.
``ordered`` is a goal with its terms that waits for a slot (``run_rows.WaitingOrder``), as JSON.
``progress`` is the state of the campaign's member when the last session ended, and ``summary`` what
its journal of that moment shows (``fleet.run_summary``), as JSON.  ``trouble`` is why the last
session did not begin.
``lines`` and ``head`` are the acknowledged end of the journal (``journal.chain.JournalHead``).
"""

LINES = sa.Table(
    "fleet_journal",
    METADATA,
    sa.Column("run", sa.Text, sa.ForeignKey("fleet_run.id"), primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("line", sa.Text, nullable=False),
    sa.Column("fence", sa.BigInteger, nullable=False),
)
"""The lines of all journals, with the fence of the lease under which each was written."""

MESSAGES = sa.Table(
    "fleet_message",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("run", sa.Text, sa.ForeignKey("fleet_run.id"), nullable=False, index=True),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("posted_at", sa.DateTime(timezone=True), nullable=False),
)
"""Messages of operators to runs: the inbox of each run."""

APPROVALS = sa.Table(
    "fleet_approval",
    METADATA,
    sa.Column("run", sa.Text, sa.ForeignKey("fleet_run.id"), primary_key=True),
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("text", sa.LargeBinary, nullable=False),
    sa.Column("signature", sa.Text, nullable=False),
    sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
)
"""Approval files of runs, with their signatures; a worker checks both."""

REHEARSALS = sa.Table(
    "fleet_rehearsal",
    METADATA,
    sa.Column("fingerprint", sa.Text, primary_key=True),
    sa.Column("result", sa.Text, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("added_by", sa.Text, nullable=False),
)
"""The last rehearsal of each plan, by the plan's fingerprint (``model.approval``), as JSON."""

WORKERS = sa.Table(
    "fleet_worker",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("ending", sa.Boolean, nullable=False),
)
"""The workers, and when each was last seen."""
