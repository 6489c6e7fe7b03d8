"""One whole run without Airflow: the same stages in the same order as the DAG."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Any

from include.errors import SyncError
from include.person_sync.run.dry_run import finish_dry_run
from include.person_sync.run.failure import cause_of
from include.person_sync.stages.apply_dynamics import apply_dynamics
from include.person_sync.stages.apply_marketo import apply_marketo
from include.person_sync.stages.commit import commit
from include.person_sync.stages.extract_dynamics import extract_dynamics
from include.person_sync.stages.extract_marketo import extract_marketo
from include.person_sync.stages.guard import guard
from include.person_sync.stages.open_run import open_run
from include.person_sync.stages.reconcile import reconcile
from include.person_sync.stages.report import report, summary_of
from include.person_sync.state import RunStatus

if TYPE_CHECKING:
    from include.person_sync.run.context import SyncContext
    from include.person_sync.run.request import RunRequest

log = logging.getLogger(__name__)


def new_run_id(ctx: SyncContext, kind: str) -> str:
    """Return an id for a run started by hand: kind, UTC time, and some randomness."""
    return f"{kind}__{ctx.now():%Y-%m-%dT%H:%M:%S}__{secrets.token_hex(3)}"


def run_cycle(
    ctx: SyncContext, request: RunRequest, *, kind: str = "cycle", run_id: str | None = None, wait_s: float = 0.0
) -> dict[str, Any]:
    """
    Run one cycle and return its summary (run_id, status, counts, api_calls; `plan` for a dry run).

    `run_id`: an id of the caller's own, so that a repeat takes up the same run; default a new one. `wait_s`: how long
    to wait for another run to give the lease back.

    Raises what the stages raise, after noting it on the run and giving the lease back.
    """
    run_id = run_id or new_run_id(ctx, kind)
    try:
        open_run(ctx, run_id, request, kind=kind, wait_s=wait_s)
        manifest = reconcile(ctx, run_id, extract_marketo(ctx, run_id), extract_dynamics(ctx, run_id))
        guard(ctx, run_id, manifest)
        if request.dry_run:
            return finish_dry_run(ctx, run_id, manifest)
        apply_dynamics(ctx, run_id)
        apply_marketo(ctx, run_id)
        commit(ctx, run_id, manifest)
        return report(ctx, run_id)
    except BaseException as error:
        note_failure(ctx, run_id, error)
        raise
    finally:
        if not request.dry_run:
            ctx.release_lease(run_id)


def note_failure(ctx: SyncContext, run_id: str, error: BaseException) -> None:
    """Note on the run how it ended; never hides the error itself."""
    text, brake = cause_of(error)
    status = RunStatus.STOPPED if brake else RunStatus.FAILED
    try:
        run = ctx.store.run(run_id)
        if run is not None and run.status is not RunStatus.COMMITTED:
            ctx.store.finish_run(run_id, status, error=text, brake=brake, api_calls=ctx.api_calls())
        if run is not None and isinstance(error, SyncError):
            error.details = summary_of(ctx, run_id)
    except SyncError:
        log.exception("the end of run %s could not be noted", run_id)
