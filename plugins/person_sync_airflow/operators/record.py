"""The operators that make a run's outcome true and tell of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from person_sync_airflow.operators.stage import StageOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

__all__ = ["CommitOperator", "ReportOperator"]


class CommitOperator(StageOperator):
    """
    Make the outcome of the plan true in one transaction: base, links, dead letters, watermarks.

    Returns False when the run was committed before.

    :param plan: what DiffAndResolveOperator returned (templated)
    """

    custom_operator_name = "Commit"
    task_doc = """
    Makes the outcome true, all of it or nothing, in one transaction: links, the new base, dead letters of what was
    refused, and how far each feed was consumed.

    - **Reads** the plan with its outcomes.
    - **Writes** the state database, neither of the systems.
    - **Counted**: the run's counts per direction (people, but for `collisions`, which are fields), and who is linked.
    - **When it fails**: clear it. `LeaseHeld`: another run took over meanwhile and settles what this one wrote; there
      is nothing to do. Without a commit the next run starts from the same watermarks and recognises what was written.
    """
    template_fields: Sequence[str] = ("plan", "counted")

    def __init__(self, *, plan: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan = plan

    def execute(self, context: Context) -> bool:
        """Commit and show the run's counts."""
        from include.person_sync.present.counted import count_commit
        from include.person_sync.stages.commit import commit

        with self.stage_of(context) as (ctx, run_id):
            committed = commit(ctx, run_id, self.plan)
            self.show(context, count_commit(ctx, run_id))
        return committed


class ReportOperator(StageOperator):
    """
    Tell of refusals in Marketo's activity log, and return the run's summary.

    :param plan: what DiffAndResolveOperator returned; a dry run leaves its plan as a file (templated)
    """

    custom_operator_name = "Report"
    task_doc = """
    Writes an entry into the activity log of each person with a refused value, removes the run's staged files, and
    returns the summary that the command line prints. A dry run leaves its plan as a file instead; the log names it.

    - **Reads** the run and its dead letters.
    - **Writes** custom activities in Marketo.
    - **Counted**: the run's counts per direction, its calls, and how many records wait for their turn.
    - **When it fails**: the run is committed all the same. Entries that could not be written are written by the next
      run.
    """
    template_fields: Sequence[str] = ("plan", "counted")

    def __init__(self, *, plan: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan = plan

    def execute(self, context: Context) -> dict[str, Any]:
        """Report, show the counts, return the summary."""
        from include.person_sync.present.counted import count_summary
        from include.person_sync.stages.report import report

        with self.stage_of(context) as (ctx, run_id):
            summary = report(ctx, run_id, self.plan)
            self.show(context, count_summary(summary))
        return summary
