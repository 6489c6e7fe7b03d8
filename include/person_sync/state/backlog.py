"""
Records that a feed has named and that wait for their turn.

A cycle takes up a bounded number of records per source, the longest waiting first; the rest is noted here in the same
transaction that moves the feed's watermark, so that nothing is lost between the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from sqlalchemy import Connection, delete, func, literal, select, true

from include.person_sync.state.bulk import id_set, staged
from include.person_sync.state.dialects import upsert
from include.person_sync.state.tables import backlog

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

__all__ = ["add", "among", "overview", "remove", "waiting"]


def waiting(connection: Connection, source: str, limit: int) -> list[str]:
    """Return up to `limit` records of a source, the longest waiting first."""
    statement = select(backlog.c.record_id).where(backlog.c.source == source)
    ordered = statement.order_by(backlog.c.noted_at, backlog.c.record_id).limit(limit)
    return [str(record) for record in connection.execute(ordered).scalars()]


def among(connection: Connection, source: str, record_ids: Collection[str]) -> set[str]:
    """Return those of some records of a source that wait."""
    if not record_ids:
        return set()
    chosen = backlog.c.record_id.in_(id_set(connection, list(record_ids), text=True))
    return set(connection.execute(select(backlog.c.record_id).where(backlog.c.source == source, chosen)).scalars())


def overview(connection: Connection) -> dict[str, dict[str, Any]]:
    """Return per source how many records wait and since when the oldest does."""
    statement = select(backlog.c.source, func.count(), func.min(backlog.c.noted_at)).group_by(backlog.c.source)
    return {
        str(source): {"waiting": int(count), "oldest": oldest}
        for source, count, oldest in connection.execute(statement)
    }


def add(connection: Connection, source: str, record_ids: Collection[str], now: datetime) -> None:
    """Note records that wait; one that waits already keeps its place."""
    if not record_ids:
        return
    frame = pd.DataFrame({"record_id": sorted(record_ids)})
    with staged(connection, frame, [backlog.c.record_id]) as rows:
        statement = upsert(connection, backlog)
        chosen = select(literal(source), rows.c.record_id, literal(now, backlog.c.noted_at.type)).where(true())
        insert = statement.from_select(["source", "record_id", "noted_at"], chosen)
        connection.execute(insert.on_conflict_do_nothing(index_elements=["source", "record_id"]))


def remove(connection: Connection, source: str, record_ids: Collection[str]) -> None:
    """Strike records that were taken up."""
    if record_ids:
        chosen = backlog.c.record_id.in_(id_set(connection, list(record_ids), text=True))
        connection.execute(delete(backlog).where(backlog.c.source == source, chosen))
