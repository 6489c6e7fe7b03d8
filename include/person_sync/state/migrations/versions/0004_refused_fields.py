"""Keep which fields of a change were refused, and why: the others of the same change may have been written."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NAMES = ("code", "message", "request_id")


def upgrade() -> None:
    """Add the columns."""
    for name in NAMES:
        op.add_column("plan_value", sa.Column(name, sa.Text(), nullable=True))


def downgrade() -> None:
    """Take them away again."""
    for name in NAMES:
        op.drop_column("plan_value", name)
