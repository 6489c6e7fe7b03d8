"""
Stage apply_marketo: carry out the plan's changes to Marketo.

Outcomes are stored call by call, so that a killed run knows what it did.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from include.person_sync.core.vocabulary import Direction
from include.person_sync.state import RunStatus
from include.person_sync.systems.schema import load_schema

if TYPE_CHECKING:
    import pandas as pd

    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)


def apply_marketo(ctx: SyncContext, run_id: str) -> None:
    """
    Write the run's changes to Marketo and record an outcome per change.

    May be repeated: changes with an outcome are left alone. Raises RetryableError when the vendor stays unavailable,
    LeaseHeld when another run writes.
    """
    run = ctx.store.require_run(run_id)
    if run.status in {RunStatus.COMMITTED, RunStatus.DRY_RUN}:
        log.info("run %s is %s already; nothing is written to Marketo", run_id, run.status.value)
        return
    with ctx.lease(run_id):
        if ctx.store.has_changes(run_id, Direction.TO_MARKETO):
            write(ctx, run_id)


def write(ctx: SyncContext, run_id: str) -> None:
    """Write what has no outcome yet. Loads data frames, which a run with nothing to write has no use for."""
    from include.person_sync.core.control_fields import CONTROL_FIELDS
    from include.person_sync.systems.marketo_writer import MarketoWriter
    from include.person_sync.systems.outcomes import OutcomeRecorder, unsettled_values

    plan = ctx.store.load_plan(run_id, direction="to_marketo", statuses=["planned", "unknown"])
    changes = skip_without_row(ctx, run_id, plan.changes)
    if changes.empty:
        return
    ctx.store.update_run(run_id, status=RunStatus.APPLYING)
    values = unsettled_values(plan, changes[["change_no", "link_id", "dynamics_table", "marketo_id"]])
    recorder = OutcomeRecorder(ctx, run_id, values, together=CONTROL_FIELDS)
    writer = MarketoWriter(ctx, run_id, load_schema(ctx), recorder)
    creates = changes["action"] == "create"
    writer.update(changes[~creates])
    writer.create(changes[creates])


def skip_without_row(ctx: SyncContext, run_id: str, changes: pd.DataFrame) -> pd.DataFrame:
    """Return the changes whose Dynamics row exists; those of a row that could not be created are skipped."""
    creates = ctx.store.load_plan(run_id, direction="to_dynamics", actions=["create"]).changes
    failed = creates.loc[creates["status"] != "applied", "link_id"]
    waiting = changes["link_id"].isin(failed)
    skipped = changes.loc[waiting, ["change_no"]].assign(
        status="skipped", message="its row was not created in Dynamics"
    )
    ctx.store.record_outcomes(run_id, skipped)
    return changes[~waiting]
