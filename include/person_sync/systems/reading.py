"""Reading what a snapshot lacks: the needs that pure rules name, answered in batches, never person by person."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from include.person_sync.core.fields import Table
from include.person_sync.core.rows import EMAIL_COLUMN, ORIGINATING_LEAD
from include.person_sync.systems.lookups import LookupNames
from include.person_sync.systems.people import people_frame, person_columns, read_people
from include.person_sync.systems.rows import rows_frame

if TYPE_CHECKING:
    from collections.abc import Collection

    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.core.snapshot import Needs, Snapshot
    from include.person_sync.run.context import SyncContext

__all__ = ["base_columns", "read"]


def read(ctx: SyncContext, schema: ResolvedSchema, snapshot: Snapshot, needs: Needs) -> Snapshot:
    """
    Return the snapshot with everything needed, as far as the systems and the store have it.

    Reads links and base of whatever is found. Raises what the clients raise.
    """
    for table, ids in needs.follow.items():
        snapshot = _follow_rows(ctx, schema, snapshot, table, ids)
    snapshot = _follow_contacts(ctx, schema, snapshot, needs.contacts_of_leads)
    for table, ids in needs.rows_by_id.items():
        snapshot = _with_rows(snapshot, table, _rows_by_id(ctx, schema, table, ids))
    snapshot = _with_people(ctx, schema, snapshot, ctx.settings.custom_fields.dynamics_id, needs.people_by_row)
    snapshot = _with_people(ctx, schema, snapshot, "email", needs.people_by_email)
    snapshot = _with_people(ctx, schema, snapshot, "id", {str(person) for person in needs.people_by_id})
    if needs.rows_by_email:
        snapshot = _with_candidates(ctx, schema, snapshot, needs.rows_by_email)
    return replace(snapshot, asked=snapshot.asked | needs)


def base_columns(schema: ResolvedSchema) -> list[str]:
    """Return the fields of either table: the columns of a snapshot's base."""
    return list(dict.fromkeys(name for names in schema.names().values() for name in names))


def _rows_by_id(ctx: SyncContext, schema: ResolvedSchema, table: Table, ids: Collection[str]) -> pd.DataFrame:
    rows = ctx.dynamics.rows_by_id(table.value, sorted(ids), schema.columns[table]) if ids else []
    return rows_frame(rows, schema, table, LookupNames(ctx))


def _with_rows(snapshot: Snapshot, table: Table, rows: pd.DataFrame) -> Snapshot:
    return snapshot.with_rows(table, rows) if len(rows) else snapshot


def _follow_rows(
    ctx: SyncContext, schema: ResolvedSchema, snapshot: Snapshot, table: Table, ids: Collection[str]
) -> Snapshot:
    """Read rows that links move to, with the links that point to them already: those belong to the run too."""
    if not ids:
        return snapshot
    return _followed(ctx, schema, snapshot, table, ids, _rows_by_id(ctx, schema, table, ids))


def _follow_contacts(ctx: SyncContext, schema: ResolvedSchema, snapshot: Snapshot, leads: Collection[str]) -> Snapshot:
    """Read the contacts that come from leads; those in hand stay as they are."""
    if not leads:
        return snapshot
    columns = schema.columns[Table.CONTACT]
    pages = ctx.dynamics.rows_by_lookup(Table.CONTACT.value, ORIGINATING_LEAD, sorted(leads), columns)
    rows = rows_frame([row for page in pages for row in page], schema, Table.CONTACT, LookupNames(ctx))
    rows = rows[~rows["dynamics_id"].isin(snapshot.own_rows(Table.CONTACT).index)]
    return _followed(ctx, schema, snapshot, Table.CONTACT, rows["dynamics_id"].tolist(), rows)


def _followed(
    ctx: SyncContext,
    schema: ResolvedSchema,
    snapshot: Snapshot,
    table: Table,
    ids: Collection[str],
    rows: pd.DataFrame,
) -> Snapshot:
    """Return the snapshot with rows that belong to the run from now on, and their links."""
    if not ids:
        return snapshot
    links = ctx.store.load_links(dynamics_ids={table.value: sorted(ids)}, state=None)
    owned = links[links["state"] == "open"]
    snapshot = _with_rows(snapshot, table, rows)
    snapshot = replace(snapshot, candidates=snapshot.candidates - frozenset(ids))
    base = ctx.store.load_base(owned["link_id"].tolist(), base_columns(schema))
    return snapshot.with_links(owned, base).looked_at(links)


def _with_people(
    ctx: SyncContext, schema: ResolvedSchema, snapshot: Snapshot, filter_type: str, values: Collection[str]
) -> Snapshot:
    """Read people by a searchable field, and the links they have; values that too many have are noted as crowded."""
    if not values:
        return snapshot
    columns = person_columns(ctx, schema)
    crowded: set[str] = set()
    pages = read_people(ctx, schema, filter_type, sorted(values), crowded=crowded)
    frames = [people_frame(page, columns) for page in pages if page]
    snapshot = replace(snapshot, crowded=snapshot.crowded | {value.strip().casefold() for value in crowded})
    if not frames:
        return snapshot
    people = pd.concat(frames, ignore_index=True)
    links = ctx.store.load_links(marketo_ids=people["marketo_id"].tolist(), state=None)
    return snapshot.with_people(people).looked_at(links)


def _with_candidates(ctx: SyncContext, schema: ResolvedSchema, snapshot: Snapshot, emails: Collection[str]) -> Snapshot:
    """Read rows of both tables by address, and the links they have; they are candidates, and nobody's news."""
    names = LookupNames(ctx)
    for table in snapshot.rows:
        rows = ctx.dynamics.rows_by_value(table.value, EMAIL_COLUMN, sorted(emails), schema.columns[table])
        if not rows:
            continue
        frame = rows_frame(rows, schema, table, names)
        unknown = set(frame["dynamics_id"]) - set(snapshot.rows[table].index)
        links = ctx.store.load_links(dynamics_ids={table.value: frame["dynamics_id"].tolist()}, state=None)
        snapshot = snapshot.with_rows(table, frame).looked_at(links)
        snapshot = replace(snapshot, candidates=snapshot.candidates | unknown)
    return snapshot
