"""The operators that open a run of the sync and close it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from include.errors import RetryableError, SyncError
from person_sync_airflow.operators.base import SyncOperator, sync_run_id
from person_sync_airflow.operators.stage import noting_failure
from person_sync_airflow.run_params import RunParams, run_request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

__all__ = ["CloseRunOperator", "OpenRunOperator"]


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
    custom_operator_name = "Open the run"
    task_doc = """
    Registers the run, takes the lease (one run writes at a time; a dry run needs none), refreshes what is known of both
    schemas when it is old, and checks that today's API calls suffice.

    - **Reads** both schemas, Marketo's usage.
    - **Writes** the run and the lease into the state database.
    - **When it fails**: `LeaseHeld` names the run that is still at work; the task waits and is tried again.
      `ConfigError` names the setting, credential or field; often `person_sync_setup` mends it. `QuotaExhausted` says
      when Marketo's day ends. Nothing was read or written yet.
    """

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


class CloseRunOperator(SyncOperator):
    """
    End the run, however it went: give the lease back and note how it ended. Meant as the DAG's teardown.

    Where even that is impossible the task is skipped, since the task that failed before it has told people already and
    the lease frees itself when it expires.
    """

    custom_operator_name = "Close the run"
    task_doc = """
    Ends the run however it went: gives the lease back, and notes a run without a commit as stopped (by a brake) or
    failed, with the cause.

    - **When it fails**, or is skipped since the state database could not be reached: the lease frees itself when it
      expires (`lease_ttl_s`), and the next run settles what this one left.
    """

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
