"""The operators that decide: what is to be written where, and whether it may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from person_sync_airflow.operators.stage import StageOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

__all__ = ["DiffAndResolveOperator", "GuardOperator"]


class DiffAndResolveOperator(StageOperator):
    """
    Compare both sides with what they last agreed on, resolve collisions, and store the plan before anything is written.

    Returns the reference of the plan's manifest.

    :param marketo: what ExtractFromMarketoOperator returned (templated)
    :param dynamics: what ExtractFromDynamicsOperator returned (templated)
    """

    custom_operator_name = "Diff and resolve"
    task_doc = """
    Pairs people with rows, compares Marketo, Dynamics and the base (what both last agreed on) field by field, and
    decides. Where both sides edited a field the field's rule says who wins.

    - **Reads** both extracts, links and base; and from either system the counterparts that the feeds did not name.
    - **Writes** the plan: into the state database, and in a dry run into files only. Neither system is written to.
    - **Counted**: people per direction and action; `fields` per decision (`collision`: both sides edited it);
      `problems` are values that the other side can't hold, `held` are people a person has to decide about.
    - **When it fails**: clear it; it plans anew, after taking over what an earlier try is known to have written.
      `person-sync history` tells what was decided about one person, and why.
    """
    template_fields: Sequence[str] = ("marketo", "dynamics", "counted")

    def __init__(self, *, marketo: Any, dynamics: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.marketo = marketo
        self.dynamics = dynamics

    def execute(self, context: Context) -> str:
        """Plan, show the counts, return the reference of the plan."""
        from include.person_sync.present.counted import count_plan_made
        from include.person_sync.stages.reconcile import reconcile

        with self.stage_of(context) as (ctx, run_id):
            plan = reconcile(ctx, run_id, self.marketo, self.dynamics)
            self.show(context, count_plan_made(ctx, run_id, plan))
        return plan


class GuardOperator(StageOperator):
    """
    Stop the run before its first write when the plan does not look like an ordinary day; skip the rest of a dry run.

    Returns True when the plan may be carried out.

    :param plan: what DiffAndResolveOperator returned (templated)
    """

    custom_operator_name = "Guard"
    task_doc = """
    Looks at the plan as a whole before the first write: too many people changed, created, emptied or deleted, a side
    that shrank, a changed field map, too few API calls left for it.

    - **Reads** the plan.
    - **Writes** nothing but, on the run, which brakes were lifted and by whom.
    - **Counted**: what the brakes look at, per direction, and how many people are linked.
    - **When it fails** with `SafetyStop` a brake has tripped and *nothing was written*. The error names the brake and
      what to look at. If the plan is right, trigger the DAG with the brake's name under `override`; else mend the cause
      and let the next run plan again.
    - **Skipped** means a dry run: the tasks that write are skipped with it.
    """
    template_fields: Sequence[str] = ("plan", "counted")

    def __init__(self, *, plan: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan = plan

    def execute(self, context: Context) -> bool:
        """Show what the brakes look at, then let them. Raises SafetyStop when one trips."""
        from include.person_sync.present.counted import count_plan_weighed
        from include.person_sync.stages.guard import guard

        with self.stage_of(context) as (ctx, run_id):
            self.show(context, count_plan_weighed(ctx, run_id, self.plan))
            may_write = guard(ctx, run_id, self.plan)
        if not may_write:
            raise AirflowSkipException("dry run: the plan is made and nothing is written")
        return may_write
