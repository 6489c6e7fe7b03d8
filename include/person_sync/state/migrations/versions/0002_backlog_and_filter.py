"""Mark links whose row the sync filter keeps out, and keep records seen in a feed that wait for their turn."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the mark and the table."""
    op.add_column("link", sa.Column("is_filtered", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "backlog",
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("record_id", sa.String(36), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("source", "record_id", name="pk_backlog"),
    )
    op.create_index("ix_backlog_noted_at", "backlog", ["source", "noted_at"])


def downgrade() -> None:
    """Take both away again; what waits in the backlog has to be found by a full read then."""
    op.drop_table("backlog")
    op.drop_column("link", "is_filtered")
