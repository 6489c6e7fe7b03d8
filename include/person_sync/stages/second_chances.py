"""
Refusals that may be none any more: whoever has one is looked at again once the schemas have changed.

A refused change rests until its values or the schema change. New values come through the feeds; that a column became
writable, longer or readable does not, so it is noticed here, by the digest of the schemas.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.person_sync.core.fields import Table
    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.run.context import SyncContext

SCHEMAS = "schemas"
"""The watermark that holds the digest of the schemas for which all refusals were looked at."""

AGAIN = ("rejected", "invalid")


def refused_before(ctx: SyncContext, schema: ResolvedSchema) -> pd.DataFrame:
    """
    Return the open refusals to look at again: none while the schemas are what they were. Columns as dead letters; at
    most as many as a run takes up people.
    """
    known = ctx.store.watermarks().get(SCHEMAS)
    letters = pd.DataFrame({"kind": [], "marketo_id": [], "dynamics_table": [], "dynamics_id": []})
    if known is not None and known["digest"] != schema.digest:
        letters = ctx.store.dead_letters(limit=ctx.settings.chunk_people)
    return letters[letters["kind"].isin(AGAIN)]


def people_refused_before(ctx: SyncContext, schema: ResolvedSchema) -> set[int]:
    """Return the Marketo ids of the refusals to look at again."""
    return {int(one) for one in refused_before(ctx, schema)["marketo_id"].dropna()}


def rows_refused_before(ctx: SyncContext, schema: ResolvedSchema, table: Table) -> set[str]:
    """Return the row ids, in one table, of the refusals to look at again."""
    letters = refused_before(ctx, schema)
    return set(letters.loc[letters["dynamics_table"] == table.value, "dynamics_id"].dropna())


def schemas_watermark(digest: str, manifests: Mapping[str, Mapping[str, Any]]) -> dict[str, str] | None:
    """Return the watermark's new value; None when the schemas were read anew half-way: then the next run looks."""
    return {"digest": digest} if all(one.get("digest") == digest for one in manifests.values()) else None
