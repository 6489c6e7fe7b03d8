"""Stage close_run: give the lease back and note how a run ended that did not reach its commit."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from include.person_sync.state import RunStatus

if TYPE_CHECKING:
    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)

ENDS = frozenset({RunStatus.COMMITTED, RunStatus.FAILED, RunStatus.STOPPED, RunStatus.DRY_RUN})


def close_run(ctx: SyncContext, run_id: str) -> None:
    """
    Release the run's lease; a run without an end is noted as stopped (by a brake) or failed, with the cause its stage
    left. Its stages may still be run again.
    """
    run = ctx.store.run(run_id)
    if run is not None and run.status not in ENDS:
        status = RunStatus.STOPPED if run.brake else RunStatus.FAILED
        ctx.store.finish_run(run_id, status, error=run.error or "a stage failed; see the task log")
        log.info("run %s ended as %s", run_id, status.value)
    ctx.release_lease(run_id)
