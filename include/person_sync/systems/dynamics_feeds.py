"""
What the change tracking of Dynamics tells of contacts and leads.

It gives whole rows, and with the first request the whole table. Source: Dataverse developer guide, "Use change tracking
to synchronize data with external systems".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from include.dynamics import FeedExpired
from include.person_sync.core.feeds import Gap
from include.person_sync.core.watermarks import table_watermark
from include.person_sync.run.request import Mode, RunRequest
from include.person_sync.systems.feed_gaps import note_gap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from include.person_sync.core.fields import Table
    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.run.context import SyncContext

__all__ = ["DELTA", "EXPIRED", "TableExtract", "pages_of"]

DELTA, EXPIRED = "delta", "expired"
READ_IN_FULL = "the table is read in full, and linked rows that it does not show are asked for by their ids"


@dataclass
class TableExtract:
    """
    What one table's feed told: staged parts, deletions seen, how the feed was taken up, and its next delta link.

    After a full reading, `linked` says how many linked rows there were before and `unseen` how many of them it did not
    show.
    """

    parts: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    rows: int = 0
    backlog: list[str] = field(default_factory=list)
    taken_up: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    gaps: list[dict[str, str]] = field(default_factory=list)
    linked: int | None = None
    unseen: int = 0
    resumed: str = ""
    watermark: dict[str, Any] | None = None


def pages_of(
    ctx: SyncContext,
    request: RunRequest,
    schema: ResolvedSchema,
    table: Table,
    extract: TableExtract,
    *,
    reread: bool = False,
) -> Iterator[list[dict[str, Any]]]:
    """Return pages of raw rows for the request."""
    columns = schema.columns[table]
    if request.mode is Mode.PEOPLE:
        ids = ids_asked_for(ctx, request, table)
        if ids:
            yield ctx.dynamics.rows_by_id(table.value, ids, columns)
    elif request.mode is Mode.WINDOW and request.start and request.end:
        yield from ctx.dynamics.rows_modified_between(table.value, columns, request.start, request.end)
    else:
        yield from tracked_pages(ctx, schema, table, extract, reread=reread)


def tracked_pages(
    ctx: SyncContext, schema: ResolvedSchema, table: Table, extract: TableExtract, *, reread: bool = False
) -> Iterator[list[dict[str, Any]]]:
    """
    Return the pages of change tracking since the stored delta link; note the next link and the deletions in `extract`.

    The link carries its own `$select`: when columns are wanted now that it lacks, or a field has come that did not take
    part when the rows went by, the table is read in full once. A column or field less is no reason to.
    """
    columns, fields = schema.columns[table], schema.names()[table.value]
    stored = ctx.store.watermarks().get(table_watermark(table))
    if stored:
        extract.added = sorted(set(fields) - set(stored.get("fields", fields)))
    if stored and not reread and not extract.added and set(columns) <= set(stored.get("columns", ())):
        extract.resumed = DELTA
        try:
            yield from consume(ctx, table, stored["columns"], fields, stored["delta_link"], extract)
        except FeedExpired as error:
            note_gap(extract.gaps, Gap(table_watermark(table), error.message, READ_IN_FULL))
            extract.resumed = EXPIRED
        else:
            return
    else:
        extract.resumed = "columns changed" if stored else "first"
    extract.deleted.clear()
    yield from consume(ctx, table, columns, fields, None, extract)


def consume(
    ctx: SyncContext,
    table: Table,
    columns: Sequence[str],
    fields: Sequence[str],
    delta_link: str | None,
    extract: TableExtract,
) -> Iterator[list[dict[str, Any]]]:
    """
    Yield the rows of each page and note deletions and the delta link of the last, with the columns it selects and the
    fields that took part.
    """
    for page in ctx.dynamics.track_changes(
        table.value, columns, delta_link=delta_link, page_size=ctx.settings.dynamics.page_size
    ):
        extract.deleted += [one.lower() for one in page.deleted]
        if page.delta_link:
            link = {"delta_link": page.delta_link, "columns": list(columns), "fields": list(fields)}
            extract.watermark = link
        if page.rows:
            yield page.rows


def ids_asked_for(ctx: SyncContext, request: RunRequest, table: Table) -> list[str]:
    """Return the row ids a `people` run is about: those given, and those linked to the Marketo ids given."""
    links = ctx.store.load_links(marketo_ids=list(request.marketo_ids))
    linked = links.loc[links["dynamics_table"] == table.value, "dynamics_id"]
    return sorted({*map(str.lower, request.dynamics_ids), *linked})
