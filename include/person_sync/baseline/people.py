"""Staging people read in a whole-database reading, from either route."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.person_sync.core.values import UNREADABLE
from include.person_sync.systems.people import people_frame, person_columns

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pandas as pd

    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.run.context import SyncContext

CREATED_AT = "createdAt"


def columns_to_read(ctx: SyncContext, schema: ResolvedSchema) -> list[str]:
    """Return the REST names read per person: those of any run, and the moment of creation."""
    return list(dict.fromkeys([*person_columns(ctx, schema), CREATED_AT]))


def staged_people(
    rows: Sequence[dict[str, Any]], columns: Sequence[str], left_out: Collection[str] = ()
) -> pd.DataFrame:
    """
    Return people as any run stages them; fields that could not be asked for are unreadable, which is never empty.
    """
    frame = people_frame(list(rows), list(columns))
    return frame.assign(**dict.fromkeys(left_out, UNREADABLE))
