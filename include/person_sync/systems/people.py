"""Marketo people as frames: which of their fields are read, and by what they can be found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.person_sync.systems.frames import text_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.run.context import SyncContext


def read_people(
    ctx: SyncContext,
    schema: ResolvedSchema,
    filter_type: str,
    values: list[Any],
    *,
    crowded: set[str] | None = None,
) -> Iterator[list[dict[str, Any]]]:
    """
    Return pages of people by a searchable field, with every mapped and control field.

    A value that too many have to be answered is added to `crowded`; without it the run fails.
    """
    if not values:
        return iter(())
    return ctx.marketo.leads_by(filter_type, values, person_columns(ctx, schema), crowded=crowded)


def person_columns(ctx: SyncContext, schema: ResolvedSchema) -> list[str]:
    """Return the REST names read per person; id first."""
    names = ctx.settings.custom_fields
    control = [names.dynamics_id, names.dynamics_type, names.dynamics_is_deleted, names.sync_to_dynamics]
    return ["id", *dict.fromkeys(["email", *schema.marketo_names, *control])]


def people_frame(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """Return people as a frame: `marketo_id` int64, one text column per REST name."""
    frame = text_frame(rows, {name: name for name in columns}).rename(columns={"id": "marketo_id"})
    return frame.astype({"marketo_id": "int64"})
