"""What the change feeds name that no cycle has consumed yet: the changes that are still on their way."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from include.dynamics import FeedExpired
from include.person_sync.core.schema import TABLES
from include.person_sync.core.watermarks import table_watermark
from include.person_sync.systems.marketo_feeds import people_since_watermark

if TYPE_CHECKING:
    from include.person_sync.core.fields import Table
    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)


@dataclass
class Pending:
    """Marketo ids and Dynamics row ids that the feeds name behind the watermarks; changed, deleted or merged."""

    people: set[int] = field(default_factory=set)
    rows: set[str] = field(default_factory=set)


def read_pending(ctx: SyncContext, schema: ResolvedSchema) -> Pending:
    """
    Return what changed since the watermarks, by reading the feeds without moving them. Five calls when nothing did.

    A delta link that has expired tells nothing: the next cycle reads that table in full anyway.
    """
    touched = people_since_watermark(ctx, schema)
    pending = Pending(people=touched.ids | touched.deleted | set(touched.merged))
    watermarks = ctx.store.watermarks()
    for table in TABLES:
        stored = watermarks.get(table_watermark(table))
        if stored:
            pending.rows |= pending_rows(ctx, table, stored["columns"], stored["delta_link"])
    return pending


def pending_rows(ctx: SyncContext, table: Table, columns: list[str], delta_link: str) -> set[str]:
    """Return the rows a table's feed names from a delta link on."""
    rows: set[str] = set()
    try:
        for page in ctx.dynamics.track_changes(
            table.value, columns, delta_link=delta_link, page_size=ctx.settings.dynamics.page_size
        ):
            rows |= {str(row[f"{table.value}id"]).lower() for row in page.rows}
            rows |= {row_id.lower() for row_id in page.deleted}
    except FeedExpired as error:
        log.warning("dynamics %s: changes on their way can't be told: %s", table.value, error)
    return rows
