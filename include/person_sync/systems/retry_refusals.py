"""
Retrying refused changes after a schema change: whoever has a refusal is looked at again once the schemas are others.

A refused change rests until its values or the schema change. New values come through the feeds; that a column became
writable, longer or readable does not, so it is noticed here, by the digest of the schemas.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from include.person_sync.core.dead_letters import RETRYABLE_KINDS
from include.person_sync.core.watermarks import SCHEMAS

if TYPE_CHECKING:
    from include.person_sync.core.fields import Table
    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.run.context import SyncContext


def refused_before(ctx: SyncContext, schema: ResolvedSchema) -> pd.DataFrame:
    """
    Return the open refusals to look at again: none while the schemas are what they were. Columns as dead letters; at
    most as many as a run takes up people.
    """
    known = ctx.store.watermarks().get(SCHEMAS)
    letters = pd.DataFrame({"kind": [], "marketo_id": [], "dynamics_table": [], "dynamics_id": []})
    if known is not None and known["digest"] != schema.digest:
        letters = ctx.store.dead_letters(limit=ctx.settings.chunk_people)
    return letters[letters["kind"].isin(RETRYABLE_KINDS)]


def people_refused_before(ctx: SyncContext, schema: ResolvedSchema) -> set[int]:
    """Return the Marketo ids of the refusals to look at again."""
    return {int(one) for one in refused_before(ctx, schema)["marketo_id"].dropna()}


def rows_refused_before(ctx: SyncContext, schema: ResolvedSchema, table: Table) -> set[str]:
    """Return the row ids, in one table, of the refusals to look at again."""
    letters = refused_before(ctx, schema)
    return set(letters.loc[letters["dynamics_table"] == table.value, "dynamics_id"].dropna())
