"""Marketo people as frames: which of their fields are read, by what they can be found, and how they are staged."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from include.person_sync.systems.frames import text_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pandas as pd

    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.run.context import SyncContext
    from include.person_sync.run.staging import RunFolder

log = logging.getLogger(__name__)

PAGES_PER_PART = 20


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


def requested_people(ctx: SyncContext, schema: ResolvedSchema) -> Iterator[list[dict[str, Any]]]:
    """Yield people who were asked for before the sync ever ran; the feeds would not tell of them."""
    crowded: set[str] = set()
    field = ctx.settings.custom_fields.sync_to_dynamics
    yield from read_people(ctx, schema, field, ["lead", "contact"], crowded=crowded)
    for wish in sorted(crowded):
        log.warning("marketo: too many people ask for a %s to be read at once; a baseline reads them all", wish)


def stage_people(
    ctx: SyncContext, schema: ResolvedSchema, folder: RunFolder, name: str, pages: Iterator[list[dict[str, Any]]]
) -> Iterator[str]:
    """Write pages of people as Parquet parts of bounded size and return their references."""
    columns = person_columns(ctx, schema)
    yield from stage_pages(folder, name, pages, lambda rows: people_frame(rows, columns))


def stage_pages(
    folder: RunFolder,
    name: str,
    pages: Iterable[list[dict[str, Any]]],
    build: Callable[[list[dict[str, Any]]], pd.DataFrame],
) -> Iterator[str]:
    """Gather pages into parts, so that memory holds one part and object storage not thousands of files."""
    rows: list[dict[str, Any]] = []
    number = 0
    for count, page in enumerate(pages, start=1):
        rows += page
        if count % PAGES_PER_PART == 0:
            yield folder.write_frame(f"{name}-{number:04d}", build(rows))
            rows, number = [], number + 1
    if rows:
        yield folder.write_frame(f"{name}-{number:04d}", build(rows))
