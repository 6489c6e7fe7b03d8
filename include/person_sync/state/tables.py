"""
The tables of the state database, for PostgreSQL and SQLite.

```text
link            a person's pair of ids; a closed link is kept, so that a new pair of the same rows gets a new generation
base_snapshot   per link, the values both sides last agreed on
watermark       how far a change feed has been consumed
sync_run        every run with its parameters, counts and end
plan            one attempt of a run at deciding; `started` once a write may have left, `settled` by a commit
plan_change     what an attempt wants to do to a person on one side, and what became of it
plan_value      the fields of a change with the three values the decision was made from; the field history
dead_letter     a change refused for good, or a person no rule can place
lease           who may write
document        pieces of schema with their age (the schemas of both systems)
counter         the last number given out per kind of id
```

A change of this module comes with a migration; a test compares both.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    false,
    literal_column,
)
from sqlalchemy.dialects.postgresql import JSONB

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Dialect

__all__ = [
    "BIG",
    "DOCUMENT",
    "UtcDateTime",
    "base_snapshot",
    "counter",
    "dead_letter",
    "document",
    "lease",
    "link",
    "metadata",
    "plan",
    "plan_change",
    "plan_value",
    "sync_run",
    "watermark",
]


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime; SQLite, which has no zones, keeps it as naive UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return the value in UTC. A naive one is refused: it would silently mean the server's zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("the state database keeps aware datetimes only")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return the value as aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


BIG = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits on both; an SQLite primary key must be called INTEGER to number itself."""

DOCUMENT = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)


def _partial(name: str, condition: str, *columns: Column[Any], unique: bool = False) -> Index:
    """Return an index over the rows that meet `condition`, for both databases."""
    clause: ColumnElement[Any] = literal_column(condition)
    return Index(name, *columns, unique=unique, postgresql_where=clause, sqlite_where=clause)


link = Table(
    "link",
    metadata,
    Column("link_id", BIG, primary_key=True, autoincrement=False),
    Column("marketo_id", BigInteger, nullable=False),
    Column("dynamics_table", String(64), nullable=False),
    Column("dynamics_id", String(36), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("closed_reason", Text),
    Column("dynamics_version", Text),
    Column("needs_recheck", Boolean, nullable=False, server_default=false()),
    Column("is_filtered", Boolean, nullable=False, server_default=false()),
    Column("created_run_id", String(250), nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
)
_partial("uq_link_open_marketo", "state = 'open'", link.c.marketo_id, unique=True)
_partial("uq_link_open_dynamics", "state = 'open'", link.c.dynamics_id, link.c.dynamics_table, unique=True)
_partial("ix_link_closed_marketo", "state = 'closed'", link.c.marketo_id)
_partial("ix_link_closed_dynamics", "state = 'closed'", link.c.dynamics_id, link.c.dynamics_table)
_partial("ix_link_recheck", "needs_recheck", link.c.link_id)

base_snapshot = Table(
    "base_snapshot",
    metadata,
    Column("link_id", BIG, ForeignKey("link.link_id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("field_values", DOCUMENT, nullable=False),
    Column("run_id", String(250), nullable=False),
)

backlog = Table(
    "backlog",
    metadata,
    Column("source", String(64), primary_key=True),
    Column("record_id", String(36), primary_key=True),
    Column("noted_at", UtcDateTime, nullable=False),
)
Index("ix_backlog_noted_at", backlog.c.source, backlog.c.noted_at)

watermark = Table(
    "watermark",
    metadata,
    Column("feed", String(128), primary_key=True),
    Column("value", DOCUMENT, nullable=False),
    Column("run_id", String(250), nullable=False),
    Column("moved_at", UtcDateTime, nullable=False),
)

sync_run = Table(
    "sync_run",
    metadata,
    Column("run_id", String(250), primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("mode", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("origin", DOCUMENT, nullable=False),
    Column("params", DOCUMENT, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("counts", DOCUMENT),
    Column("api_calls", DOCUMENT),
    Column("brake", Text),
    Column("overrides", DOCUMENT),
    Column("error", Text),
    Column("notes", DOCUMENT),
)
Index("ix_sync_run_started_at", sync_run.c.started_at)

plan = Table(
    "plan",
    metadata,
    Column("plan_id", BIG, primary_key=True, autoincrement=False),
    Column("run_id", String(250), ForeignKey("sync_run.run_id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started", Boolean, nullable=False, server_default=false()),
    Column("settled", Boolean, nullable=False, server_default=false()),
)
Index("uq_plan_run_attempt", plan.c.run_id, plan.c.attempt, unique=True)
_partial("ix_plan_unsettled", "not settled", plan.c.plan_id)

plan_change = Table(
    "plan_change",
    metadata,
    Column("plan_id", BIG, primary_key=True, autoincrement=False),
    Column("change_no", BIG, primary_key=True, autoincrement=False),
    Column("link_id", BigInteger, nullable=False),
    Column("direction", String(16), nullable=False),
    Column("action", String(16), nullable=False),
    Column("marketo_id", BigInteger),
    Column("dynamics_table", String(64)),
    Column("dynamics_id", String(36)),
    Column("generation", Integer, nullable=False),
    Column("if_match", Text),
    Column("note", Text),
    Column("status", String(16), nullable=False),
    Column("code", Text),
    Column("message", Text),
    Column("request_id", Text),
    Column("dynamics_version", Text),
    Column("decided_at", UtcDateTime),
)
Index("ix_plan_change_link_id", plan_change.c.link_id)
Index("ix_plan_change_marketo_id", plan_change.c.marketo_id)
Index("ix_plan_change_dynamics_id", plan_change.c.dynamics_id)

plan_value = Table(
    "plan_value",
    metadata,
    Column("plan_id", BIG, primary_key=True, autoincrement=False),
    Column("change_no", BIG, primary_key=True, autoincrement=False),
    Column("field", String(128), primary_key=True),
    Column("outcome", String(16), nullable=False),
    Column("winner", String(16)),
    Column("base", Text),
    Column("marketo", Text),
    Column("dynamics", Text),
    Column("planned", Text),
    Column("rule", String(32)),
    Column("code", Text),
    Column("message", Text),
    Column("request_id", Text),
)

dead_letter = Table(
    "dead_letter",
    metadata,
    Column("dead_letter_id", BIG, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("link_id", BigInteger),
    Column("marketo_id", BigInteger),
    Column("dynamics_table", String(64)),
    Column("dynamics_id", String(36)),
    Column("direction", String(16), nullable=False),
    Column("action", String(16), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("code", Text),
    Column("message", Text),
    Column("payload", DOCUMENT, nullable=False),
    Column("first_run_id", String(250), nullable=False),
    Column("last_run_id", String(250), nullable=False),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("activity_state", String(16), nullable=False),
)
_partial("uq_dead_letter_open", "state = 'open'", dead_letter.c.fingerprint, unique=True)
Index("ix_dead_letter_link_id", dead_letter.c.link_id)
Index("ix_dead_letter_marketo_id", dead_letter.c.marketo_id)
Index("ix_dead_letter_dynamics_id", dead_letter.c.dynamics_id)

lease = Table(
    "lease",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("run_id", String(250), nullable=False),
    Column("host", Text, nullable=False),
    Column("process_space", Text),
    Column("pid", Integer),
    Column("acquired_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

document = Table(
    "document",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("value", DOCUMENT, nullable=False),
    Column("refreshed_at", UtcDateTime, nullable=False),
)

counter = Table(
    "counter",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
