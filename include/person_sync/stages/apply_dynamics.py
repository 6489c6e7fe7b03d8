"""
Stage apply_dynamics: carry out the plan's changes to Dynamics.

Outcomes are stored batch by batch, so that a killed run knows what it did. Marketo gets what Dynamics filled into new
rows in the same run.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from include.person_sync.core.vocabulary import Direction
from include.person_sync.state import RunStatus
from include.person_sync.systems.schema import load_schema

if TYPE_CHECKING:
    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)


def apply_dynamics(ctx: SyncContext, run_id: str) -> None:
    """
    Write the run's changes to Dynamics and record an outcome per change.

    May be repeated: changes with an outcome are left alone. Raises RetryableError when the vendor stays unavailable,
    LeaseHeld when another run writes.
    """
    run = ctx.store.require_run(run_id)
    if run.status in {RunStatus.COMMITTED, RunStatus.DRY_RUN}:
        log.info("run %s is %s already; nothing is written to Dynamics", run_id, run.status.value)
        return
    with ctx.lease(run_id):
        if ctx.store.has_changes(run_id, Direction.TO_DYNAMICS):
            write(ctx, run_id)


def write(ctx: SyncContext, run_id: str) -> None:
    """Write what has no outcome yet. Loads data frames, which a run with nothing to write has no use for."""
    from include.person_sync.systems.dynamics_writer import DynamicsWriter
    from include.person_sync.systems.new_rows import take_over_defaults
    from include.person_sync.systems.outcomes import OutcomeRecorder, unsettled_values

    schema = load_schema(ctx)
    plan = ctx.store.load_plan(run_id, direction="to_dynamics", statuses=["planned", "unknown"])
    if plan.changes.empty:
        return
    ctx.store.update_run(run_id, status=RunStatus.APPLYING)
    values = unsettled_values(plan, plan.changes[["change_no", "link_id", "dynamics_table"]])
    DynamicsWriter(ctx, schema, OutcomeRecorder(ctx, run_id, values)).write(plan.changes)
    take_over_defaults(ctx, run_id, schema)
