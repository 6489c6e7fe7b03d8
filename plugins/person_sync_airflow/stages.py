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

from include.errors import ConfigError, RetryableError, SyncError
from person_sync_airflow.operator import SyncOperator, sync_run_id
from person_sync_airflow.run_params import RunParams, run_request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow.sdk import Context

    from include.person_sync.run.context import SyncContext

__all__ = ["CloseRunOperator", "OpenRunOperator", "SetupOperator", "SyncStageOperator"]

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


class OpenRunOperator(SyncOperator):
    """
    Open a run of the sync: take the single-writer lease, refresh what is known of both schemas, check the API budget.

    Returns the id of the run. A backfill run becomes a `window` run over its data interval. While another run holds
    the lease the task waits for it, up to `lease_wait_s`.

    :param plan_only: a dry run: plan, write nothing (templated)
    :param mode: `incremental`, `window` or `people` (templated)
    :param marketo_ids: people for mode `people` (templated)
    :param dynamics_ids: contacts or leads for mode `people` (templated)
    :param override: brakes to lift for this run (templated)
    :param window_start: beginning of a `window`; default: the data interval's (templated)
    :param window_end: end of a `window`; default: the data interval's, or now (templated)
    :param lease_wait_s: seconds to wait for the lease before the task fails and is tried again
    """

    template_fields: Sequence[str] = (
        "plan_only",
        "mode",
        "marketo_ids",
        "dynamics_ids",
        "override",
        "window_start",
        "window_end",
    )
    ui_color = "#e8f0fe"

    def __init__(
        self,
        *,
        plan_only: bool | str = False,
        mode: str = "incremental",
        marketo_ids: Sequence[int] | str = (),
        dynamics_ids: Sequence[str] | str = (),
        override: Sequence[str] | str = (),
        window_start: str | None = None,
        window_end: str | None = None,
        lease_wait_s: float = 60,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.plan_only = plan_only
        self.mode = mode
        self.marketo_ids = marketo_ids
        self.dynamics_ids = dynamics_ids
        self.override = override
        self.window_start = window_start
        self.window_end = window_end
        self.lease_wait_s = lease_wait_s

    def execute(self, context: Context) -> str:
        """Open the run and return its id."""
        from include.person_sync.stages.open_run import open_run

        run_id = sync_run_id(context)
        request = run_request(context, self._params())
        ctx = self.sync_context()
        with noting_failure(ctx, run_id, context):
            return open_run(ctx, run_id, request, wait_s=self.lease_wait_s)

    def _params(self) -> RunParams:
        return RunParams(
            plan_only=self.plan_only,
            mode=self.mode,
            marketo_ids=self.marketo_ids,
            dynamics_ids=self.dynamics_ids,
            override=self.override,
            window_start=self.window_start,
            window_end=self.window_end,
        )


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


class CloseRunOperator(SyncOperator):
    """
    End the run, however it went: give the lease back and note how it ended. Meant as the DAG's teardown.

    Where even that is impossible the task is skipped, since the task that failed before it has told people already and
    the lease frees itself when it expires.
    """

    ui_color = "#e6f4ea"

    def execute(self, context: Context) -> None:
        """Close the run."""
        from include.person_sync.stages.close_run import close_run

        try:
            close_run(self.sync_context(), sync_run_id(context))
        except SyncError as error:
            if isinstance(error, RetryableError) and context["ti"].try_number <= (self.retries or 0):
                raise
            self.log.warning("the run could not be closed; its lease frees itself when it expires: %s", error)
            raise AirflowSkipException("the run could not be closed; see the tasks before") from None


class SetupOperator(SyncOperator):
    """
    Provision what the sync needs in Marketo and check both systems; fails when a check fails. Safe to repeat.

    :param provision: mapped fields whose Marketo custom field is to be created too, or `["all"]` (templated)
    :param check_only: change nothing (templated)
    """

    template_fields: Sequence[str] = ("provision", "check_only")
    ui_color = "#fef7e0"

    def __init__(self, *, provision: Sequence[str] | str = (), check_only: bool | str = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.provision = provision
        self.check_only = check_only

    def execute(self, context: Context) -> Mapping[str, Any]:  # noqa: ARG002 - part of Airflow's interface
        """Run setup, log its table and return its report."""
        from include.person_sync.setup import run_setup

        names: Any = "all" if "all" in self.provision else list(self.provision)
        report = run_setup(self.parts(), provision=names, check_only=bool(self.check_only))
        self.log.info("setup:\n%s", report.as_text())
        if not report.ok:
            failed = [check.name for check in report.failed]
            raise ConfigError(f"setup: {', '.join(failed)} failed.", remedy="the log says what to do for each.")
        return report.as_json()
