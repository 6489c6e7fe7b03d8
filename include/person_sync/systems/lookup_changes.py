"""
Changes of what lookups point to: an account gets another name, an owner another address.

The persons that refer to it have not changed themselves, so their own feeds do not tell. The tables behind the mapped
lookups are followed by change tracking too, and whoever refers to a changed row is looked at like a person whose own
row was touched. Source: Adobe, "Microsoft Dynamics sync: account sync" (an account's change reaches all its people).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from include.dynamics import FeedExpired, SchemaChanged
from include.errors import ConfigError
from include.person_sync.core.watermarks import dynamics_watermark
from include.person_sync.stages.gaps import Gap, note_gap
from include.person_sync.systems.schema import DOCUMENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from include.person_sync.core.fields import Table
    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)

lookup_watermark = dynamics_watermark

OFF = "off"
EVERYBODY = "everybody whose fields come from it is read again"


@dataclass
class LookupChanges:
    """
    What the feed of one lookup table told: its changed `rows` (with `columns`), and where to go on next time.

    `resumed`: `delta`, `first` (the link was only established: the names of everybody are as new as it), `expired` (so
    was this one, but changes may have been missed), or `off` (the table can't be followed).
    """

    table: str
    columns: tuple[str, ...]
    resumed: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)
    watermark: dict[str, Any] | None = None
    gaps: list[dict[str, str]] = field(default_factory=list)


def follow_lookups(ctx: SyncContext, schema: ResolvedSchema) -> list[LookupChanges]:
    """
    Return what changed in the tables behind lookups since their delta links; one request per table when nothing did.

    To be asked before the persons are read: a change after it is then in the next answer. A table without change
    tracking, or without the right to it, is asked again when the schemas are read again; until then its values are
    refreshed when the person changes.
    """
    return [follow(ctx, table, columns) for table, columns in schema.lookup_columns().items()]


def follow(ctx: SyncContext, table: str, columns: tuple[str, ...]) -> LookupChanges:
    """Return what changed in one table."""
    stored = ctx.store.watermarks().get(dynamics_watermark(table))
    changes = LookupChanges(table, columns)
    asked = schema_age(ctx)
    if stored and stored.get(OFF) and stored.get("asked") == asked:
        changes.resumed, changes.watermark = OFF, dict(stored)
        return changes
    try:
        consume(ctx, changes, stored)
    except SchemaChanged:
        raise
    except ConfigError as error:
        log.warning(
            "changes of %s can't be followed; what persons show of it is refreshed when they change: %s", table, error
        )
        changes.resumed, changes.watermark = OFF, {OFF: error.message, "asked": asked}
        changes.rows.clear()
    return changes


def consume(ctx: SyncContext, changes: LookupChanges, stored: Mapping[str, Any] | None) -> None:
    """Read the feed from its stored link, or establish one; a first pass has nothing to tell."""
    if stored and set(changes.columns) <= set(stored.get("columns", ())):
        try:
            changes.resumed = "delta"
            for page in pages(ctx, changes, stored["columns"], stored["delta_link"]):
                changes.rows += page
        except FeedExpired as error:
            note_gap(changes.gaps, Gap(dynamics_watermark(changes.table), error.message, EVERYBODY))
            changes.rows.clear()
            changes.resumed = "expired"
        else:
            return
    else:
        changes.resumed = "first"
    for _ in pages(ctx, changes, changes.columns, None):
        pass


def pages(
    ctx: SyncContext, changes: LookupChanges, columns: Sequence[str], delta_link: str | None
) -> Iterator[list[dict[str, Any]]]:
    """Yield the pages of the feed, and note its next link."""
    size = ctx.settings.dynamics.page_size
    for page in ctx.dynamics.track_changes(changes.table, columns, delta_link=delta_link, page_size=size):
        if page.delta_link:
            changes.watermark = {"delta_link": page.delta_link, "columns": list(columns)}
        yield page.rows


def pointing_rows(
    ctx: SyncContext, schema: ResolvedSchema, table: Table, changes: Sequence[LookupChanges]
) -> Iterator[list[dict[str, Any]]]:
    """Yield pages of the persons of a table whose lookups point to a changed row."""
    columns = {(source.lookup_table, source.column) for source in schema.lookups(table).values()}
    for lookup_table, column in sorted(columns):
        ids = [str(row[f"{one.table}id"]) for one in changes if one.table == lookup_table for row in one.rows]
        if ids:
            yield from ctx.dynamics.rows_by_lookup(table.value, column, ids, schema.columns[table])


def schema_age(ctx: SyncContext) -> str:
    """Return when the schemas were read: what could not be followed then is tried again after the next reading."""
    stored = ctx.store.document(DOCUMENT)
    return stored[1].isoformat() if stored else ""
