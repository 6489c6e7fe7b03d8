"""Make the first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DOCUMENT = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
TIME = sa.DateTime(timezone=True)
RUN_ID = sa.String(250)


def upgrade() -> None:
    """Create every table and index of the first release."""
    _create_identity()
    _create_runs()
    _create_plans()
    _create_dead_letters()
    _create_knowledge()


def _partial_index(name: str, table: str, columns: list[str], condition: str, *, unique: bool = False) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, unique=unique, postgresql_where=where, sqlite_where=where)


def _create_identity() -> None:
    op.create_table(
        "link",
        sa.Column("link_id", BIG, autoincrement=False),
        sa.Column("marketo_id", sa.BigInteger(), nullable=False),
        sa.Column("dynamics_table", sa.String(64), nullable=False),
        sa.Column("dynamics_id", sa.String(36), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("closed_reason", sa.Text()),
        sa.Column("dynamics_version", sa.Text()),
        sa.Column("needs_recheck", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("created_run_id", RUN_ID, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("link_id", name="pk_link"),
    )
    dynamics = ["dynamics_id", "dynamics_table"]
    _partial_index("uq_link_open_marketo", "link", ["marketo_id"], "state = 'open'", unique=True)
    _partial_index("uq_link_open_dynamics", "link", dynamics, "state = 'open'", unique=True)
    _partial_index("ix_link_closed_marketo", "link", ["marketo_id"], "state = 'closed'")
    _partial_index("ix_link_closed_dynamics", "link", dynamics, "state = 'closed'")
    _partial_index("ix_link_recheck", "link", ["link_id"], "needs_recheck")
    op.create_table(
        "base_snapshot",
        sa.Column("link_id", BIG, autoincrement=False),
        sa.Column("field_values", DOCUMENT, nullable=False),
        sa.Column("run_id", RUN_ID, nullable=False),
        sa.PrimaryKeyConstraint("link_id", name="pk_base_snapshot"),
        sa.ForeignKeyConstraint(["link_id"], ["link.link_id"], name="fk_base_snapshot_link", ondelete="CASCADE"),
    )


def _create_runs() -> None:
    op.create_table(
        "sync_run",
        sa.Column("run_id", RUN_ID),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("mode", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("origin", DOCUMENT, nullable=False),
        sa.Column("params", DOCUMENT, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("finished_at", TIME),
        sa.Column("counts", DOCUMENT),
        sa.Column("api_calls", DOCUMENT),
        sa.Column("brake", sa.Text()),
        sa.Column("overrides", DOCUMENT),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("run_id", name="pk_sync_run"),
    )
    op.create_index("ix_sync_run_started_at", "sync_run", ["started_at"])
    op.create_table(
        "lease",
        sa.Column("name", sa.String(64)),
        sa.Column("run_id", RUN_ID, nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("process_space", sa.Text()),
        sa.Column("pid", sa.Integer()),
        sa.Column("acquired_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_lease"),
    )


def _create_plans() -> None:
    op.create_table(
        "plan",
        sa.Column("plan_id", BIG, autoincrement=False),
        sa.Column("run_id", RUN_ID, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("started", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("settled", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("plan_id", name="pk_plan"),
        sa.ForeignKeyConstraint(["run_id"], ["sync_run.run_id"], name="fk_plan_sync_run"),
    )
    op.create_index("uq_plan_run_attempt", "plan", ["run_id", "attempt"], unique=True)
    _partial_index("ix_plan_unsettled", "plan", ["plan_id"], "not settled")
    op.create_table(
        "plan_change",
        sa.Column("plan_id", BIG, autoincrement=False),
        sa.Column("change_no", BIG, autoincrement=False),
        sa.Column("link_id", sa.BigInteger(), nullable=False),
        sa.Column("direction", sa.String(16), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("marketo_id", sa.BigInteger()),
        sa.Column("dynamics_table", sa.String(64)),
        sa.Column("dynamics_id", sa.String(36)),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("if_match", sa.Text()),
        sa.Column("note", sa.Text()),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("code", sa.Text()),
        sa.Column("message", sa.Text()),
        sa.Column("request_id", sa.Text()),
        sa.Column("dynamics_version", sa.Text()),
        sa.Column("decided_at", TIME),
        sa.PrimaryKeyConstraint("plan_id", "change_no", name="pk_plan_change"),
    )
    for column in ("link_id", "marketo_id", "dynamics_id"):
        op.create_index(f"ix_plan_change_{column}", "plan_change", [column])
    op.create_table(
        "plan_value",
        sa.Column("plan_id", BIG, autoincrement=False),
        sa.Column("change_no", BIG, autoincrement=False),
        sa.Column("field", sa.String(128)),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("winner", sa.String(16)),
        sa.Column("base", sa.Text()),
        sa.Column("marketo", sa.Text()),
        sa.Column("dynamics", sa.Text()),
        sa.Column("planned", sa.Text()),
        sa.Column("rule", sa.String(32)),
        sa.PrimaryKeyConstraint("plan_id", "change_no", "field", name="pk_plan_value"),
    )


def _create_dead_letters() -> None:
    op.create_table(
        "dead_letter",
        sa.Column("dead_letter_id", BIG, autoincrement=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("link_id", sa.BigInteger()),
        sa.Column("marketo_id", sa.BigInteger()),
        sa.Column("dynamics_table", sa.String(64)),
        sa.Column("dynamics_id", sa.String(36)),
        sa.Column("direction", sa.String(16), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("code", sa.Text()),
        sa.Column("message", sa.Text()),
        sa.Column("payload", DOCUMENT, nullable=False),
        sa.Column("first_run_id", RUN_ID, nullable=False),
        sa.Column("last_run_id", RUN_ID, nullable=False),
        sa.Column("first_at", TIME, nullable=False),
        sa.Column("last_at", TIME, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("activity_state", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("dead_letter_id", name="pk_dead_letter"),
    )
    _partial_index("uq_dead_letter_open", "dead_letter", ["fingerprint"], "state = 'open'", unique=True)
    for column in ("link_id", "marketo_id", "dynamics_id"):
        op.create_index(f"ix_dead_letter_{column}", "dead_letter", [column])


def _create_knowledge() -> None:
    op.create_table(
        "watermark",
        sa.Column("feed", sa.String(128)),
        sa.Column("value", DOCUMENT, nullable=False),
        sa.Column("run_id", RUN_ID, nullable=False),
        sa.Column("moved_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("feed", name="pk_watermark"),
    )
    op.create_table(
        "document",
        sa.Column("name", sa.String(128)),
        sa.Column("value", DOCUMENT, nullable=False),
        sa.Column("refreshed_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_document"),
    )
    op.create_table(
        "counter",
        sa.Column("name", sa.String(64)),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counter"),
    )
