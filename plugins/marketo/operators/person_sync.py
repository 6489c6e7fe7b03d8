"""The tasks of the person sync that speak to Marketo. For DAGs of your own see `marketo.operators.marketo`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketo.operators.base import MarketoOperator
from person_sync_airflow.operators.stage import StageOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

__all__ = ["ExtractFromMarketoOperator", "LoadIntoMarketoOperator"]


class ExtractFromMarketoOperator(MarketoOperator, StageOperator):
    """
    Read the people whom Marketo's change feeds name, as they are now, into Parquet files.

    Returns the reference of the manifest of those files; people never pass through XCom.
    """

    custom_operator_name = "Extract from Marketo"
    task_doc = """
    Follows Marketo's feeds (changed values, new people, merges, deletions) from where the last committed run ended, and
    reads everybody they name as they are **now**. In mode `window` or `people`: the window, or the ids asked for.

    - **Writes** Parquet files below `PERSON_SYNC_STAGING`, nothing in Marketo.
    - **Returns** their manifest's reference.
    - **Counted**: `people` read, `deleted`, `merged`, `waiting` for a later run; how the `feed` was taken up;
      `api_calls`.
    - **When it fails**: it is tried again by itself while Marketo is away or asks to wait. `QuotaExhausted`: today's
      calls are used up; the error says until when. `ConfigError`: the error says which credential or permission. Clear
      it at any time: watermarks move in *commit* only, so nothing is lost.
    """

    def execute(self, context: Context) -> str:
        """Extract, show the counts, return the manifest's reference."""
        from include.person_sync.present.counted import count_marketo_extract
        from include.person_sync.stages.extract_marketo import extract_marketo

        with self.stage_of(context) as (ctx, run_id):
            extracted = extract_marketo(ctx, run_id)
            self.show(context, count_marketo_extract(ctx, run_id, extracted))
        return extracted


class LoadIntoMarketoOperator(MarketoOperator, StageOperator):
    """Write the plan's changes to people of Marketo, batch by batch, and note what became of each."""

    custom_operator_name = "Load into Marketo"
    task_doc = """
    Writes the part of the plan that goes to Marketo: updates first, then people for new rows. The people of a batch are
    read again just before it is written; whoever somebody edited meanwhile is merged again.

    - **Reads** the plan in the state database.
    - **Writes** people in Marketo, and after each batch the outcome of each change into the plan.
    - **Counted**: action → outcome → people. `applied` is done, `refused` becomes a dead letter and an entry in the
      person's activity log, `stale` and `unknown` are left to the next run, `planned` was not reached.
    - **When it fails**: it is tried again while Marketo is away. Clear it at any time: what has an outcome is left
      alone. If nobody does, the next run finds out what was written and takes that over.
    """

    def execute(self, context: Context) -> None:
        """Write, and show what became of the changes, however far it came."""
        from include.person_sync.core.vocabulary import Direction
        from include.person_sync.present.counted import count_writes
        from include.person_sync.stages.apply_marketo import apply_marketo

        with self.stage_of(context) as (ctx, run_id):
            try:
                apply_marketo(ctx, run_id)
            finally:
                self.show(context, count_writes(ctx, run_id, Direction.TO_MARKETO))
