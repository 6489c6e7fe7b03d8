"""Dynamics rows as frames: columns as delivered, versions, and what stands behind lookups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from include.person_sync.core.schema import CONTROL_COLUMNS, ResolvedSchema
from include.person_sync.core.values import UNREADABLE
from include.person_sync.systems.frames import text_frame
from include.person_sync.systems.lookups import LookupNames

if TYPE_CHECKING:
    from include.person_sync.core.fields import Table
    from include.person_sync.run.context import SyncContext


def rows_frame(rows: list[dict[str, Any]], schema: ResolvedSchema, table: Table, names: LookupNames) -> pd.DataFrame:
    """
    Return raw rows as a text frame with id, version, columns and the names behind lookups; the last row per id counts.
    """
    key = f"{table.value}id"
    columns = {key: "dynamics_id", "@odata.etag": "version", **{name: name for name in schema.columns[table]}}
    frame = text_frame(rows, columns)
    absent = set(schema.columns[table]) - set(CONTROL_COLUMNS[table]) - set(pd.DataFrame(rows).columns)
    frame = frame.assign(**dict.fromkeys(absent, UNREADABLE))
    frame["dynamics_id"] = frame["dynamics_id"].str.lower()
    frame = frame.drop_duplicates("dynamics_id", keep="last", ignore_index=True)
    return frame.assign(**names.resolve(frame, schema.lookups(table)))


def read_rows(ctx: SyncContext, schema: ResolvedSchema, table: Table, ids: list[str]) -> pd.DataFrame:
    """Return rows as they are now: index dynamics_id, text columns."""
    rows = ctx.dynamics.rows_by_id(table.value, ids, schema.columns[table])
    return rows_frame(rows, schema, table, LookupNames(ctx)).set_index("dynamics_id")
