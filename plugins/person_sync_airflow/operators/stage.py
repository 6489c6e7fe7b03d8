"""
What the operators of a cycle's stages share: the run they belong to, and the numbers they show.

Stages are imported where a task runs, so that parsing a DAG loads neither pandas nor a database driver.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from person_sync_airflow.counting import CountingOperator
from person_sync_airflow.operators.base import SyncOperator, sync_run_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow.sdk import Context

    from include.person_sync.run.context import SyncContext

__all__ = ["StageOperator", "noting_failure"]


@contextmanager
def noting_failure(ctx: SyncContext, run_id: str, context: Context) -> Iterator[None]:
    """
    Note on the run why a stage failed, and forget it again when a later try of the stage succeeds.

    The run's end is not noted here: the task may be tried again, and stage close_run has the last word.
    """
    from include.person_sync.run.failure import forget_cause, note_cause

    try:
        yield
    except Exception as error:
        note_cause(ctx, run_id, error)
        raise
    if context["ti"].try_number > 1:
        forget_cause(ctx, run_id)


class StageOperator(SyncOperator, CountingOperator):
    """
    Base of the operators that carry out one stage of the run that OpenRunOperator opened in the same DAG run.

    A stage is safe to run again at any time. Its counts show on the task's page, and stay as the XCom `counted` when
    Airflow has dropped the page's templated fields (it keeps those of the last 30 runs).
    """

    @contextmanager
    def stage_of(self, context: Context) -> Iterator[tuple[SyncContext, str]]:
        """Give the run's context and id to the stage; notes why it failed, if it does."""
        ctx, run_id = self.sync_context(), sync_run_id(context)
        with noting_failure(ctx, run_id, context):
            yield ctx, run_id

    def show(self, context: Context, counted: Mapping[str, Any]) -> None:
        """Show the numbers on the task's page and in its log."""
        self.counted = counted
        self.log.info("counted: %s", counted)
        context["ti"].xcom_push(key="counted", value=dict(counted))
