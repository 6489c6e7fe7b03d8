"""
Reading again who is known to have been written since the baseline read them.

Cycles may run beside a baseline. What they agreed on, and what a dead run may have written, is newer than what was
staged; merging the staged values with the moved base would turn the clock back. So those people are read again. What
people edit meanwhile needs no such care: the feeds tell it, and every write looks at its target once more.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from include.person_sync.core.schema import TABLES
from include.person_sync.systems.lookups import LookupNames
from include.person_sync.systems.people import people_frame, person_columns, read_people
from include.person_sync.systems.rows import rows_frame

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from include.person_sync.core.fields import Table
    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)

PAIR = ["marketo_id", "dynamics_table", "dynamics_id"]


@dataclass
class Staged:
    """One partition's people and rows, as staged."""

    people: pd.DataFrame
    rows: dict[Table, pd.DataFrame]


def refreshed(ctx: SyncContext, schema: ResolvedSchema, staged: Staged, since: datetime) -> Staged:
    """
    Return the partition with everybody read again who was written since a moment; who is gone is left out.

    To be called under the lease, so that nothing is written between this and the commit. Sends reads only.
    """
    unsettled = ctx.store.unsettled()
    known = pd.concat([ctx.store.links_changed_since(since)[PAIR], unsettled[PAIR]]).drop_duplicates()
    mine = known[known["marketo_id"].isin(staged.people["marketo_id"]) | in_rows(known, staged)]
    if mine.empty:
        return staged
    ids = sorted({int(person) for person in mine["marketo_id"].dropna()})
    born = unsettled[(unsettled["direction"] == "to_marketo") & (unsettled["action"] == "create")]
    names = sorted(set(born.loc[in_rows(born, staged), "dynamics_id"].dropna()))
    log.info("%d people were written since they were read; they are read again", len(mine))
    people = read_again(ctx, schema, "id", ids)
    people = pd.concat([people, read_again(ctx, schema, ctx.settings.custom_fields.dynamics_id, names)])
    old = staged.people[~staged.people["marketo_id"].isin([*ids, *people["marketo_id"]])]
    return Staged(
        people=pd.concat([old, people.drop_duplicates("marketo_id")], ignore_index=True),
        rows={table: rows_again(ctx, schema, table, staged.rows[table], mine) for table in TABLES},
    )


def in_rows(pairs: pd.DataFrame, staged: Staged) -> pd.Series:
    """Return True per pair whose row is in the partition."""
    here = pd.Series(False, index=pairs.index)
    for table, rows in staged.rows.items():
        here |= (pairs["dynamics_table"] == table.value) & pairs["dynamics_id"].isin(rows["dynamics_id"])
    return here


def read_again(ctx: SyncContext, schema: ResolvedSchema, filter_type: str, values: Iterable[int | str]) -> pd.DataFrame:
    """Return people as they are now, as staged."""
    columns = person_columns(ctx, schema)
    rows = [row for page in read_people(ctx, schema, filter_type, list(values)) for row in page]
    return people_frame(rows, columns)


def rows_again(
    ctx: SyncContext, schema: ResolvedSchema, table: Table, rows: pd.DataFrame, pairs: pd.DataFrame
) -> pd.DataFrame:
    """Return a table's rows with those of `pairs` as they are now."""
    ids = sorted(set(pairs.loc[pairs["dynamics_table"] == table.value, "dynamics_id"].dropna()))
    if not ids:
        return rows
    found = ctx.dynamics.rows_by_id(table.value, ids, schema.columns[table])
    fresh = rows_frame(found, schema, table, LookupNames(ctx))
    return pd.concat([rows[~rows["dynamics_id"].isin(ids)], fresh], ignore_index=True)
