"""
Reading everybody in Marketo by id, where bulk extract is not to be had: 300 ids a call, from the first to the last.

The API has no way to ask for the highest id; the newest people are named by the feed, and reading continues behind them
until a long stretch is empty.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from include.person_sync.baseline.people import columns_to_read, staged_people
from include.person_sync.baseline.progress import MARKETO

if TYPE_CHECKING:
    from include.person_sync.baseline.progress import Progress
    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)

BLOCK = 3_000
"""Ids per step: ten calls, one staged part."""
EMPTY_IDS = 30_000
"""So many ids without a person behind the last known one mean the end."""
NEW_LEAD = 12
LOOK_BACK = (timedelta(days=1), timedelta(days=14), timedelta(days=89))


def highest_known_id(ctx: SyncContext) -> int:
    """Return the highest id that the feed of new people or our own links name; 0 when neither names any."""
    linked = ctx.store.load_links()["marketo_id"]
    highest = int(linked.max()) if len(linked) else 0
    for span in LOOK_BACK:
        token = ctx.marketo.paging_token(ctx.now() - span)
        ids = [activity.lead_id for page in ctx.marketo.activities(token, [NEW_LEAD]) for activity in page.items]
        if ids:
            return max(highest, *ids)
    return highest


def read_by_id(ctx: SyncContext, schema: ResolvedSchema, progress: Progress, document: dict[str, Any]) -> None:
    """Stage everybody, block by block; `document` is the progress and is stored after every block."""
    columns = columns_to_read(ctx, schema)
    if document["highest"] is None:
        document["highest"] = highest_known_id(ctx)
        progress.save(document, MARKETO)
    while document["next_id"] <= document["highest"] or document["empty"] < EMPTY_IDS:
        start = document["next_id"]
        ids = range(start, start + BLOCK)
        rows = [row for page in ctx.marketo.leads_by("id", ids, columns) for row in page]
        if rows:
            reference = progress.folder.write_frame(f"marketo-by-id-{start:012d}", staged_people(rows, columns))
            document["parts"].append(reference)
        document["empty"] = 0 if rows or start <= document["highest"] else document["empty"] + BLOCK
        document["next_id"] = start + BLOCK
        progress.save(document, MARKETO)
    log.info("marketo: ids up to %d read", document["next_id"] - 1)
