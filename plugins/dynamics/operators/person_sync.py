"""The tasks of the person sync that speak to Dynamics. For DAGs of your own see `dynamics.operators.dynamics`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamics.operators.base import DynamicsOperator
from person_sync_airflow.operators.stage import StageOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

__all__ = ["ExtractFromDynamicsOperator", "LoadIntoDynamicsOperator"]


class ExtractFromDynamicsOperator(DynamicsOperator, StageOperator):
    """
    Read the contacts and leads that Dynamics' change tracking names, as they are now, into Parquet files.

    Returns the reference of the manifest of those files; people never pass through XCom.
    """

    custom_operator_name = "Extract from Dynamics"
    task_doc = """
    Follows change tracking of contact, lead and the tables behind mapped lookups (account, user) from the delta links
    of the last committed run, and stages each row as it is **now**. In mode `window` or `people`: the window, or the
    ids asked for.

    - **Writes** Parquet files below `PERSON_SYNC_STAGING`, nothing in Dynamics.
    - **Returns** their manifest's reference.
    - **Counted** per table: `rows` read, `deleted`, `waiting` for a later run, how the `feed` was taken up;
      `api_calls`.
    - **When it fails**: it is tried again by itself while Dynamics is away or asks to wait. `ConfigError`: the error
      says which credential, permission or table setting. An expired delta link is no failure: the table is read in
      full. Clear it at any time: watermarks move in *commit* only, so nothing is lost.
    """

    def execute(self, context: Context) -> str:
        """Extract, show the counts, return the manifest's reference."""
        from include.person_sync.present.counted import count_dynamics_extract
        from include.person_sync.stages.extract_dynamics import extract_dynamics

        with self.stage_of(context) as (ctx, run_id):
            extracted = extract_dynamics(ctx, run_id)
            self.show(context, count_dynamics_extract(ctx, run_id, extracted))
        return extracted


class LoadIntoDynamicsOperator(DynamicsOperator, StageOperator):
    """Write the plan's changes to contacts and leads, batch by batch, and note what became of each."""

    custom_operator_name = "Load into Dynamics"
    task_doc = """
    Writes the part of the plan that goes to Dynamics. An update names the version of the row it is based on; where
    somebody was faster the row is read and merged again, up to three times. Comes before Marketo, so that ids of new
    rows, and what Dynamics filled in by itself, reach Marketo in the same run.

    - **Reads** the plan in the state database.
    - **Writes** contacts and leads, and after each batch the outcome of each change into the plan.
    - **Counted**: action → outcome → people. `applied` is done, `refused` becomes a dead letter and an entry in the
      person's activity log, `stale` and `unknown` are left to the next run, `planned` was not reached.
    - **When it fails**: it is tried again while Dynamics is away. Clear it at any time: what has an outcome is left
      alone, and a create that is repeated finds its first row. If nobody does, the next run takes over what was
      written.
    """

    def execute(self, context: Context) -> None:
        """Write, and show what became of the changes, however far it came."""
        from include.person_sync.core.vocabulary import Direction
        from include.person_sync.present.counted import count_writes
        from include.person_sync.stages.apply_dynamics import apply_dynamics

        with self.stage_of(context) as (ctx, run_id):
            try:
                apply_dynamics(ctx, run_id)
            finally:
                self.show(context, count_writes(ctx, run_id, Direction.TO_DYNAMICS))
