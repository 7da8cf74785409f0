"""Campaigns, and how far their members are."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the table of campaigns, and the columns of their members."""
    op.create_table(
        "fleet_campaign",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("calendar", sa.LargeBinary),
        sa.Column("added_at", _TIME, nullable=False),
    )
    for name, default in (("profile", ""), ("member", ""), ("progress", "waiting")):
        column = sa.Column(name, sa.Text, nullable=False, server_default=default)
        op.add_column("fleet_run", column)
        op.alter_column("fleet_run", name, server_default=None)
    campaign = sa.Column("campaign", sa.Text, sa.ForeignKey("fleet_campaign.name"))
    op.add_column("fleet_run", campaign)
    op.add_column("fleet_run", sa.Column("progress_since", _TIME))


def downgrade() -> None:
    """Refuse: the journals are the only record of what was done in AWS."""
    raise NotImplementedError("restore a backup from before the upgrade instead")
