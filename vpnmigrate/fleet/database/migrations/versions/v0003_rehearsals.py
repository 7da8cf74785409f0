"""Rehearsal results of plans."""

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of the results."""
    op.create_table(
        "fleet_rehearsal",
        sa.Column("fingerprint", sa.Text, primary_key=True),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Refuse, as version 0001 does.

    Raises:
        CommandError: Always.
    """
    raise CommandError(
        "version 0003 is not removed: plans would count as not rehearsed; nothing was changed"
    )
