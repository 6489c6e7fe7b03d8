"""A whole audit without Airflow: the same stages as the DAG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.person_sync.audit.repair import repair
from include.person_sync.audit.steps import KIND, AuditRequest, compare_sides, open_audit, publish
from include.person_sync.run.cycle import new_run_id, note_failure

if TYPE_CHECKING:
    from include.person_sync.run.context import SyncContext


def run_audit(ctx: SyncContext, request: AuditRequest) -> dict[str, Any]:
    """
    Audit, repair when asked to, and return the summary: counts, shares, numbers by field, where the reports are, and
    `repair`, the summaries of its runs.

    Raises what the stages raise, after noting it on the run.
    """
    run_id = new_run_id(ctx, KIND)
    try:
        open_audit(ctx, run_id, request)
        compared = compare_sides(ctx, run_id)
        summary = publish(ctx, run_id, compared)
    except BaseException as error:
        note_failure(ctx, run_id, error)
        raise
    return {**summary, "repair": repair(ctx, run_id, compared)} if request.repair else summary
