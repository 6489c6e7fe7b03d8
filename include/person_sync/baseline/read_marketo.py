"""Step read_marketo: stage everybody in Marketo, by bulk extract where there is one, else by id."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from include.marketo import BulkUnavailable
from include.person_sync.baseline.bulk_reading import BulkReading, Waiting, plan_windows
from include.person_sync.baseline.id_reading import read_by_id
from include.person_sync.baseline.progress import MARKETO, Progress, unchanged_schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from include.person_sync.baseline.advance import Advance
    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)

BULK, BY_ID = "bulk", "ids"

__all__ = ["BULK", "BY_ID", "Waiting", "people_parts", "read_marketo"]


def read_marketo(
    ctx: SyncContext, baseline_id: str, *, tell: Callable[[Advance], None] | None = None
) -> Waiting | None:
    """
    Stage people as far as possible now; return what is waited for, or None once everybody is staged.

    To be called again after a wait, as often as it takes; also after a kill. Sends reads only. Raises QuotaExhausted
    when the day's calls or the day's volume are used up: what was read so far is kept. `tell` takes how far it has
    come; by default the log does.
    """
    progress = Progress(ctx, baseline_id, tell)
    opened = progress.opened()
    schema = unchanged_schema(ctx, opened)
    with progress.counting_calls(ctx, "marketo"):
        document = progress.load(MARKETO) or begin(ctx, progress, opened.request.since)
        return None if document["done"] else advance(ctx, schema, progress, document)


def advance(ctx: SyncContext, schema: ResolvedSchema, progress: Progress, document: dict[str, Any]) -> Waiting | None:
    """Take the reading as far as it goes now; without bulk extract it begins anew by id."""
    waiting = None
    if document["route"] == BULK:
        try:
            waiting = BulkReading(ctx, schema, progress, document).advance()
        except BulkUnavailable as error:
            log.warning("%s People are read by id instead.", error.message)
            document = by_id(progress)
    if document["route"] == BY_ID:
        read_by_id(ctx, schema, progress, document)
    if waiting is None:
        document["done"] = True
        progress.save(document, MARKETO)
    return waiting


def begin(ctx: SyncContext, progress: Progress, since: datetime | None) -> dict[str, Any]:
    """Choose the route, and store the beginning."""
    if ctx.settings.baseline.bulk == "off":
        return by_id(progress)
    document = {
        "route": BULK,
        "done": False,
        "began_at": progress.now().isoformat(),
        "windows": plan_windows(ctx, since),
        "left_out": [],
    }
    progress.save(document, MARKETO)
    return document


def by_id(progress: Progress) -> dict[str, Any]:
    """Store the beginning of a reading by id."""
    document: dict[str, Any] = {
        "route": BY_ID,
        "done": False,
        "began_at": progress.now().isoformat(),
        "next_id": 1,
        "highest": None,
        "empty": 0,
        "parts": [],
    }
    progress.save(document, MARKETO)
    return document


def people_parts(document: dict[str, Any]) -> list[list[str]]:
    """Return the staged parts, grouped by what was read together, in order of creation."""
    if document["route"] == BY_ID:
        return [document["parts"]]
    return [window["parts"] for window in document["windows"]]
