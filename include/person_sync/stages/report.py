"""
Stage report: tell people what became of their records, and whoever runs the sync what the run has done.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from include.errors import SyncError
from include.person_sync.run.housekeeping import tidy_up
from include.person_sync.run.staging import RunFolder
from include.person_sync.state import RunStatus
from include.person_sync.systems.api_budget import note_calls
from include.person_sync.systems.refusal_log import tell_refusals

if TYPE_CHECKING:
    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)


def report(ctx: SyncContext, run_id: str, reconciled: str | None = None) -> dict[str, Any]:
    """
    Write pending refusals into Marketo's activity log, note the calls used, and return the run's summary.

    A dry run writes nothing there; with the manifest `reconciled` its plan is left as a file beside the others, whose
    reference is in the summary (`plan_file`): it holds values of people, which a log must not. May be repeated. A
    Marketo failure here does not undo the run: the activities stay pending for the next one.
    """
    run = ctx.store.require_run(run_id)
    if run.params.get("dry_run") and reconciled is not None:
        return report_dry_run(ctx, run_id, reconciled)
    if run.status is RunStatus.COMMITTED:
        try:
            tell_refusals(ctx)
        except SyncError as error:
            log.warning("refusals could not be written to the activity log now; the next run tries again: %s", error)
        tidy_up(ctx, run_id)
    note_calls(ctx, ctx.api_calls()["marketo"])
    summary = summary_of(ctx, run_id)
    log_counts(summary)
    return summary


def report_dry_run(ctx: SyncContext, run_id: str, reconciled: str) -> dict[str, Any]:
    """End a dry run, leave its plan as a JSON file, and return the summary with the file's reference."""
    from include.person_sync.run.dry_run import finish_dry_run  # data frames: of no use to a real run

    whole = finish_dry_run(ctx, run_id, reconciled)
    note_calls(ctx, ctx.api_calls()["marketo"])
    people = {name: whole.pop(name) for name in ("plan", "problems", "held")}
    whole["plan_file"] = RunFolder(ctx.staging, run_id).write_manifest("plan", people)
    log_counts(whole)
    log.info("the plan, per person and field: %s below %s", whole["plan_file"], ctx.staging)
    return whole


def log_counts(summary: dict[str, Any]) -> None:
    """Say what a run counted, one line per direction."""
    for direction, counted in summary["counts"].items():
        numbers = ", ".join(f"{name} {count}" for name, count in counted.items())
        log.info("run %s %s: %s", summary["run_id"], direction, numbers)


def summary_of(ctx: SyncContext, run_id: str) -> dict[str, Any]:
    """Return what the command line prints of a run."""
    run = ctx.store.require_run(run_id)
    status = "done" if run.status is RunStatus.COMMITTED else run.status.value
    summary = {
        "run_id": run_id,
        "status": status,
        "mode": run.mode,
        "counts": dict(run.counts or {}),
        "api_calls": dict(run.api_calls or {}),
    }
    if run.brake:
        summary["brake"] = run.brake
    if run.overrides:
        summary["overrides"] = dict(run.overrides)
    summary |= dict(run.notes or {})
    waiting = ctx.store.backlog_overview()
    if waiting:
        summary["backlog"] = {source: {**one, "oldest": one["oldest"].isoformat()} for source, one in waiting.items()}
    return summary
