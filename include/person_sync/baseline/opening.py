"""Step open_baseline: note what is asked for and where the change feeds stand, before anybody is read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from include.person_sync.baseline.progress import Progress
from include.person_sync.core.feeds import FeedPosition
from include.person_sync.stages.open_run import prepare
from include.person_sync.systems.schema import load_schema

if TYPE_CHECKING:
    from include.person_sync.baseline.request import BaselineRequest
    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)


def open_baseline(ctx: SyncContext, baseline_id: str, request: BaselineRequest) -> str:
    """
    Register a baseline and return its id; one that is known resumes with its first request.

    Marketo's feeds are taken up from this moment (less the overlap), so that nothing that happens while reading is
    missed. Raises ConfigError when an instance is not provisioned, QuotaExhausted when the day's calls are used up.
    """
    progress = Progress(ctx, baseline_id)
    prepare(ctx)
    if progress.load() is None:
        now = ctx.now()
        progress.save(
            {
                "request": request.as_json(),
                "started_at": now.isoformat(),
                "links_before": ctx.store.count_links(),
                "map_digest": ctx.settings.field_map.digest(),
                "schema_digest": load_schema(ctx).digest,
                "watermark": FeedPosition(since=now).as_json(),
            }
        )
        log.info("baseline %s opened%s", baseline_id, ", dry run" if request.dry_run else "")
    else:
        log.info("baseline %s resumes", baseline_id)
    return baseline_id
