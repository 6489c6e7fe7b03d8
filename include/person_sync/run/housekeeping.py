"""
Removing what is not needed any more: staged people right after their run's commit, the rest by age.

Staged files hold people's values. After a commit nothing reads them again (a stage run once more finds the run
committed), so they go at once. Files of runs that died stay until the next day's sweep, for whoever looks into it.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from include.person_sync.run.staging import RunFolder, remove_folder

if TYPE_CHECKING:
    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)

SWEPT = "swept"
SWEEP_EVERY = timedelta(days=1)


def tidy_up(ctx: SyncContext, run_id: str) -> None:
    """
    Remove the run's staged files and, once a day, what is older than the settings keep: staged files, history, letters.
    """
    RunFolder(ctx.staging, run_id).remove()
    stored = ctx.store.document(SWEPT)
    if stored is not None and ctx.now() - stored[1] < SWEEP_EVERY:
        return
    folders = sweep_staging(ctx)
    rows = ctx.store.purge(ctx.settings.history_days)
    ctx.store.save_document(SWEPT, {"folders": folders, "rows": rows})
    log.info(
        "swept: %d staged folders, %d rows older than %d days", folders, sum(rows.values()), ctx.settings.history_days
    )


def sweep_staging(ctx: SyncContext) -> int:
    """Remove folders of runs older than `staging_days`, and return how many; a store without dates keeps them."""
    if not ctx.staging.exists():
        return 0
    limit = ctx.now() - timedelta(days=ctx.settings.staging_days)
    old = [folder for folder in ctx.staging.iterdir() if folder.is_dir() and is_before(folder.stat().st_mtime, limit)]
    for folder in old:
        remove_folder(folder)
    return len(old)


def is_before(modified: float, limit: datetime) -> bool:
    """Return whether a modification time (0: unknown) lies before a moment."""
    return bool(modified) and datetime.fromtimestamp(modified, tz=UTC) < limit
