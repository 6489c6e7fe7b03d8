"""Stage close_run: give the lease back and note a run that did not reach its commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.person_sync.state import RunStatus

if TYPE_CHECKING:
    from include.person_sync.stages.context import SyncContext

ENDS = frozenset({RunStatus.COMMITTED, RunStatus.FAILED, RunStatus.STOPPED, RunStatus.DRY_RUN})


def close_run(ctx: SyncContext, run_id: str) -> None:
    """Release the run's lease; a run without an end is noted as failed. Its stages may still be run again."""
    run = ctx.store.run(run_id)
    if run is not None and run.status not in ENDS:
        ctx.store.finish_run(run_id, RunStatus.FAILED, error="a stage failed; see the task log")
    ctx.release_lease(run_id)
