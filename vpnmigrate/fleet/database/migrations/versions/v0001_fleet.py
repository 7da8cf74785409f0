"""Campaigns, runs, journals, messages, approvals and workers.

A migration is history: databases have been created by it, so it is never changed.  Its columns are
written out again for that reason; ``schema`` has those of the newest version.
"""

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "fleet",
        sa.Column("single", sa.Boolean, sa.CheckConstraint("single"), primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("changed_at", _TIME, nullable=False),
    )
    op.create_table(
        "fleet_campaign",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("calendar", sa.LargeBinary),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("changed_at", _TIME, nullable=False),
    )
    op.create_table(
        "fleet_wave_approval",
        sa.Column("campaign", sa.Text, sa.ForeignKey("fleet_campaign.name"), primary_key=True),
        sa.Column("wave", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("approver", sa.Text, nullable=False),
        sa.Column("approved_at", _TIME, nullable=False),
    )
    op.create_table(
        "fleet_run",
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
        sa.Column("wake", sa.BigInteger, nullable=False),
        sa.Column("served", sa.BigInteger, nullable=False),
        sa.Column("due_at", _TIME),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("lease_owner", sa.Text),
        sa.Column("lease_until", _TIME),
        sa.Column("outage", sa.Boolean, nullable=False),
        sa.Column("progress", sa.Text, nullable=False),
        sa.Column("progress_since", _TIME),
        sa.Column("summary", sa.Text),
        sa.Column("trouble", sa.Text, nullable=False),
        sa.Column("lines", sa.BigInteger, nullable=False),
        sa.Column("head", sa.Text, nullable=False),
        sa.Column("added_at", _TIME, nullable=False),
        sa.UniqueConstraint("campaign", "member"),
    )
    op.create_table(
        "fleet_journal",
        sa.Column("run", sa.Text, sa.ForeignKey("fleet_run.id"), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True),
        sa.Column("line", sa.Text, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "fleet_message",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("run", sa.Text, sa.ForeignKey("fleet_run.id"), nullable=False, index=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("posted_at", _TIME, nullable=False),
    )
    op.create_table(
        "fleet_approval",
        sa.Column("run", sa.Text, sa.ForeignKey("fleet_run.id"), primary_key=True),
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("text", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.Text, nullable=False),
        sa.Column("added_at", _TIME, nullable=False),
    )
    op.create_table(
        "fleet_worker",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("seen_at", _TIME, nullable=False),
        sa.Column("ending", sa.Boolean, nullable=False),
    )


def downgrade() -> None:
    """Refuse; no command of the program calls this, but Alembic's own program could.

    Raises:
        CommandError: Always: the journals are the only record of what was sent to AWS.
    """
    raise CommandError(
        "version 0001 is not removed: its journals are the only record of what was sent to AWS; "
        "nothing was changed; to start again, create another database"
    )
