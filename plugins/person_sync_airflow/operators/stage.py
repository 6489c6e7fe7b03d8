"""
One operator for all stages of the sync: it builds the run's context from Airflow's connections and calls the
stage.

Stages are named, not imported, so that parsing a DAG loads neither pandas nor a database driver.
"""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk.exceptions import AirflowSkipException

from person_sync_airflow.operators.base import SyncOperator, sync_run_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow.sdk import Context

    from include.person_sync.run.context import SyncContext

__all__ = ["SyncStageOperator", "noting_failure"]

STAGES: Final = (
    "extract_marketo",
    "extract_dynamics",
    "reconcile",
    "guard",
    "apply_dynamics",
    "apply_marketo",
    "commit",
    "report",
)


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


class SyncStageOperator(SyncOperator):
    """
    Carry out one stage of the run that OpenRunOperator opened in the same DAG run; safe to run again at any time.

    :param stage: name of the stage, one of STAGES
    :param references: what earlier stages returned, in the stage's order (templated)
    """

    template_fields: Sequence[str] = ("references",)
    ui_color = "#e6f4ea"

    def __init__(self, *, stage: str, references: Sequence[Any] = (), **kwargs: Any) -> None:
        if stage not in STAGES:
            raise ValueError(f"stage {stage!r} is unknown; valid: {', '.join(STAGES)}")
        super().__init__(**kwargs)
        self.stage = stage
        self.references = references

    def execute(self, context: Context) -> Any:
        """Call the stage and return what it returns: a reference, counts, or nothing."""
        function = getattr(import_module(f"include.person_sync.stages.{self.stage}"), self.stage)
        ctx, run_id = self.sync_context(), sync_run_id(context)
        with noting_failure(ctx, run_id, context):
            result = function(ctx, run_id, *self.references)
        if self.stage == "guard" and result is False:
            raise AirflowSkipException("dry run: the plan is made and nothing is written")
        return result
