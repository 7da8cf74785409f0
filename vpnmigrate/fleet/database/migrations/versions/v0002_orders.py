"""Orders for a wave, each of which waits for a slot of its run."""

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column of the orders."""
    op.add_column("fleet_run", sa.Column("ordered", sa.Text))


def downgrade() -> None:
    """Refuse, as version 0001 does.

    Raises:
        CommandError: Always: an order of an operator would be forgotten.
    """
    raise CommandError(
        "version 0002 is not removed: orders that wait would be forgotten; nothing was changed"
    )
