"""
Stage extract_dynamics: which contacts and leads changed in Dynamics, with their values.

Change tracking gives whole rows, and with the first request the whole table. Names behind lookups (owner, account) are
not part of it and are read beside it, since annotations may not be asked for together with tracking. Source: Dataverse
developer guide, "Use change tracking to synchronize data with external systems".
"""

from __future__ import annotations

import logging
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

import pandas as pd

from include.person_sync.core.schema import TABLES, ResolvedSchema
from include.person_sync.core.watermarks import table_watermark
from include.person_sync.run import manifests
from include.person_sync.run.manifests import DynamicsExtract
from include.person_sync.run.request import Mode, RunRequest
from include.person_sync.run.staging import RunFolder
from include.person_sync.state import RunStatus
from include.person_sync.systems.current_schema import with_current_schema
from include.person_sync.systems.dynamics_feeds import DELTA, EXPIRED, TableExtract, pages_of
from include.person_sync.systems.feed_gaps import find_unseen
from include.person_sync.systems.lookup_changes import LookupChanges, follow_lookups, pointing_rows
from include.person_sync.systems.lookups import LookupNames
from include.person_sync.systems.retry_refusals import rows_refused_before
from include.person_sync.systems.rows import rows_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.person_sync.core.fields import Table
    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)


def extract_dynamics(ctx: SyncContext, run_id: str) -> str:
    """
    Write the current values of every row Dynamics' feeds name, per table, and return the manifest's reference.

    Staged frame: `dynamics_id`, `version` (ETag), the selected columns and one column per lookup field (the name behind
    it), all text. Sends reads only. An expired delta link is no error: the table is read in full, and the manifest says
    so.
    """
    run = ctx.store.require_run(run_id)
    if run.status is RunStatus.COMMITTED:
        log.info("run %s is committed already; nothing is read", run_id)
        return f"{RunFolder(ctx.staging, run_id).name}/dynamics.json"
    request = RunRequest.from_json(dict(run.params))
    folder = RunFolder(ctx.staging, run_id)
    manifest = with_current_schema(ctx, lambda schema, _: stage_tables(ctx, request, schema, folder))
    return replace(manifest, api_calls=ctx.api_calls()["dynamics"]).write(folder)


def stage_tables(ctx: SyncContext, request: RunRequest, schema: ResolvedSchema, folder: RunFolder) -> DynamicsExtract:
    """Stage the rows of both tables and return the manifest's content."""
    changes = follow_lookups(ctx, schema) if request.mode is Mode.INCREMENTAL else []
    names = LookupNames(ctx)
    for lookup in changes:
        names.know(lookup.table, lookup.columns, lookup.rows)
    tables: dict[str, manifests.TableExtract] = {}
    for table in TABLES:
        extract = extract_table(ctx, request, schema, table, folder, names, changes)
        tables[table.value] = manifests.TableExtract(**vars(extract))
        log.info(
            "dynamics %s: %d rows touched, %d deleted (feed %s)",
            table.value, extract.rows, len(extract.deleted), extract.resumed or request.mode,
        )  # fmt: skip
    return DynamicsExtract(
        tables=tables,
        lookups={lookup.table: lookup.watermark for lookup in changes},
        schema_fields=schema.names(),
        digest=schema.digest,
        gaps=[gap for lookup in changes for gap in lookup.gaps],
    )


def extract_table(
    ctx: SyncContext,
    request: RunRequest,
    schema: ResolvedSchema,
    table: Table,
    folder: RunFolder,
    names: LookupNames,
    changes: Sequence[LookupChanges],
) -> TableExtract:
    """
    Stage one table's rows: those of the feed, of a window or by id, those that refer to a changed row of another table,
    and those left over by earlier runs.
    """
    extract = TableExtract()
    limited = request.mode is Mode.INCREMENTAL
    waiting = ctx.store.backlog(table_watermark(table), ctx.settings.chunk_people) if limited else []
    extract.taken_up = waiting
    room = ctx.settings.chunk_people - len(waiting)
    reread = must_read_again(schema, table, changes)
    pages = pages_of(ctx, request, schema, table, extract, reread=reread)
    seen: set[str] = set()
    for number, rows in enumerate(chain(pages, pointing_rows(ctx, schema, table, changes))):
        extract.rows += len(rows)
        seen.update(str(row[f"{table.value}id"]).lower() for row in rows)
        if limited and len(rows) > room:
            extract.backlog += [str(row[f"{table.value}id"]).lower() for row in rows[room:]]
            rows = rows[:room]
        room -= len(rows)
        if rows:
            frame = rows_frame(rows, schema, table, names)
            extract.parts.append(folder.write_frame(f"dynamics-{table.value}-{number:04d}", frame))
    again = rows_refused_before(ctx, schema, table) if limited else set()
    there = note_unseen(ctx, request, table, extract, seen) if limited else set()
    left_over = sorted({*rows_left_over(ctx, table), *waiting, *again, *there} - set(extract.deleted))
    if left_over:
        rows = ctx.dynamics.rows_by_id(table.value, left_over, schema.columns[table])
        frame = rows_frame(rows, schema, table, names)
        extract.rows += len(frame)
        extract.parts.append(folder.write_frame(f"dynamics-{table.value}-left-over", frame))
        # The feed may have expired before it told of a deletion; a row that may not be read is not shown either.
        unshown = sorted(set(left_over) - set(frame["dynamics_id"]))
        extract.deleted += sorted(ctx.dynamics.absent_rows(table.value, unshown))
    return extract


def note_unseen(
    ctx: SyncContext, request: RunRequest, table: Table, extract: TableExtract, seen: set[str]
) -> frozenset[str]:
    """
    After a full reading, note in `extract` which linked rows are gone; return those it did not show and that exist.
    """
    if extract.resumed == DELTA:
        return frozenset()
    unseen = find_unseen(ctx, request, table, seen)
    extract.linked, extract.unseen = unseen.before, unseen.missing
    extract.deleted += sorted(unseen.gone)
    return unseen.there


def must_read_again(schema: ResolvedSchema, table: Table, changes: Sequence[LookupChanges]) -> bool:
    """Return whether a table behind the lookups of this one may have changed unseen: everybody is looked at then."""
    lost = {lookup.table for lookup in changes if lookup.resumed == EXPIRED}
    return any(source.lookup_table in lost for source in schema.lookups(table).values())


def rows_left_over(ctx: SyncContext, table: Table) -> set[str]:
    """
    Return row ids that must be looked at besides the feed's: left to this run, or part of a run that died before its
    commit.
    """
    frames = [ctx.store.links_to_recheck(), ctx.store.unsettled()]
    ids = pd.concat([frame.loc[frame["dynamics_table"] == table.value, "dynamics_id"] for frame in frames]).dropna()
    return set(ids.unique())
