"""The first snapshot of a run: what its extracts staged, and what the store remembers of everybody in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from include.person_sync.core.field_lifecycle import FieldStates
from include.person_sync.core.fields import Table
from include.person_sync.core.rows import ORIGINATING_LEAD, row_key
from include.person_sync.core.snapshot import Events, Snapshot
from include.person_sync.core.watermarks import FIELDS, table_watermark
from include.person_sync.systems.lookups import LookupNames
from include.person_sync.systems.people import people_frame, person_columns
from include.person_sync.systems.reading import base_columns
from include.person_sync.systems.rows import rows_frame

if TYPE_CHECKING:
    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.run.context import SyncContext
    from include.person_sync.run.manifests import DynamicsExtract, MarketoExtract
    from include.person_sync.run.staging import RunFolder

__all__ = ["load_snapshot"]


def load_snapshot(
    ctx: SyncContext, schema: ResolvedSchema, folder: RunFolder, marketo: MarketoExtract, dynamics: DynamicsExtract
) -> Snapshot:
    """Return the snapshot of what was staged. Reads staged files and the store, and neither system."""
    people = staged_people(ctx, schema, folder, marketo)
    rows = {table: staged_rows(ctx, schema, folder, dynamics, table) for table in Table}
    links = links_of(ctx, people, rows, marketo, dynamics)
    is_open = links["state"] == "open"
    unsettled = ctx.store.unsettled()
    settled = ctx.store.load_links(link_ids=unsettled["link_id"].unique().tolist(), state=None)
    return Snapshot(
        people=people,
        rows=rows,
        links=links[is_open].reset_index(drop=True),
        closed=links[~is_open].reset_index(drop=True),
        base=ctx.store.load_base(links.loc[is_open, "link_id"].tolist(), base_columns(schema)),
        touched=frozenset(int(person) for person in people.index),
        unsettled=unsettled,
        settled_links=frozenset(int(link_id) for link_id in settled["link_id"]),
        events=events_of(marketo, dynamics),
        requests_touched=frozenset(marketo.requests),
        fields=FieldStates.from_json(ctx.store.watermarks().get(FIELDS)),
        added={name: extract.added for name, extract in dynamics.tables.items()},
        refusals=frozenset(ctx.store.open_fingerprints()),
        busy=busy_tables(ctx, dynamics),
        complete=marketo.complete,
    )


def staged_people(ctx: SyncContext, schema: ResolvedSchema, folder: RunFolder, marketo: MarketoExtract) -> pd.DataFrame:
    """Return the staged people, the latest reading of each: index marketo_id."""
    nobody = people_frame([], person_columns(ctx, schema))
    people = pd.concat([nobody, folder.read_frames(marketo.parts)])
    return people.drop_duplicates("marketo_id", keep="last").set_index("marketo_id")


def staged_rows(
    ctx: SyncContext, schema: ResolvedSchema, folder: RunFolder, dynamics: DynamicsExtract, table: Table
) -> pd.DataFrame:
    """Return a table's staged rows, the latest reading of each: index dynamics_id."""
    nothing = rows_frame([], schema, table, LookupNames(ctx))
    rows = pd.concat([nothing, folder.read_frames(dynamics.table(table).parts)])
    return rows.drop_duplicates("dynamics_id", keep="last").set_index("dynamics_id")


def links_of(
    ctx: SyncContext,
    people: pd.DataFrame,
    rows: dict[Table, pd.DataFrame],
    marketo: MarketoExtract,
    dynamics: DynamicsExtract,
) -> pd.DataFrame:
    """Return the links, open and closed, of everybody in hand or named by an event, by either id."""
    named = [*marketo.deleted, *map(int, marketo.merged), *marketo.merged.values()]
    by_person = ctx.store.load_links(marketo_ids=[*map(int, people.index), *named], state=None)
    ids = {table: [*frame.index, *dynamics.table(table).deleted] for table, frame in rows.items()}
    origins = rows[Table.CONTACT].get(ORIGINATING_LEAD, pd.Series(dtype="str"))
    ids[Table.LEAD] += row_key(origins).dropna().tolist()
    by_row = ctx.store.load_links(dynamics_ids={table.value: own for table, own in ids.items()}, state=None)
    return pd.concat([by_person, by_row]).drop_duplicates("link_id", ignore_index=True)


def events_of(marketo: MarketoExtract, dynamics: DynamicsExtract) -> Events:
    """Return what the feeds told beside changed values."""
    return Events(
        deleted_people=frozenset(marketo.deleted),
        merged_people={int(loser): int(winner) for loser, winner in marketo.merged.items()},
        deleted_rows={table: frozenset(dynamics.table(table).deleted) for table in Table},
    )


def busy_tables(ctx: SyncContext, dynamics: DynamicsExtract) -> frozenset[str]:
    """Return the tables of which people will still wait for their turn after this run."""
    waiting = ctx.store.backlog_overview()
    return frozenset(
        table.value
        for table in Table
        if dynamics.table(table).backlog
        or waiting.get(table_watermark(table), {}).get("waiting", 0) > len(dynamics.table(table).taken_up)
    )
