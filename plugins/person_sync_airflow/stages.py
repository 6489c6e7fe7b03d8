"""
One operator for all stages of the sync: it builds the run's surroundings from Airflow's connections and calls the
stage.

Stages are named, not imported, so that parsing a DAG loads neither pandas nor a database driver.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import BaseHook, BaseOperator, ObjectStoragePath
from airflow.sdk.exceptions import AirflowNotFoundException, AirflowSkipException

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from include.person_sync.stages.context import SyncContext
    from include.person_sync.stages.request import RunRequest

__all__ = ["OpenRunOperator", "SetupOperator", "SyncStageOperator"]

STAGES: Final = (
    "extract_marketo",
    "extract_dynamics",
    "reconcile",
    "guard",
    "apply_dynamics",
    "apply_marketo",
    "commit",
    "report",
    "close_run",
)
BACKFILL: Final = "backfill"


class _SyncOperator(BaseOperator):
    """What the operators share: the connections a run uses."""

    def __init__(
        self,
        *,
        marketo_conn_id: str = "marketo_default",
        dynamics_conn_id: str = "dynamics_default",
        state_conn_id: str = "person_sync_state",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.marketo_conn_id = marketo_conn_id
        self.dynamics_conn_id = dynamics_conn_id
        self.state_conn_id = state_conn_id

    def surroundings(self) -> SyncContext:
        """Return the run's surroundings, from Airflow's connections and the staging URL."""
        import os

        from dynamics.hooks.dynamics import dynamics_connection
        from include.person_sync.stages.context import context_from_environment, default_staging
        from marketo.hooks.marketo import marketo_connection

        url = os.environ.get("PERSON_SYNC_STAGING")
        staging: Any = ObjectStoragePath(url) if url and "://" in url else default_staging(os.environ)
        return context_from_environment(
            staging=staging,
            marketo=marketo_connection(BaseHook.get_connection(self.marketo_conn_id)),
            dynamics=dynamics_connection(BaseHook.get_connection(self.dynamics_conn_id)),
            state=self._state_url(),
        )

    def _state_url(self) -> str | None:
        """Return the URL of the state database, or None (the default) when there is no such connection."""
        from include.person_sync.config.connections import state_url

        try:
            connection = BaseHook.get_connection(self.state_conn_id)
        except AirflowNotFoundException:
            return None
        return state_url({"AIRFLOW_CONN_PERSON_SYNC_STATE": connection.get_uri()})


class OpenRunOperator(_SyncOperator):
    """
    Open a run of the sync: take the single-writer lease, refresh what is known of both schemas, check the API budget.

    Returns the id of the run, which the other stages take. A backfill run becomes a `window` run over its data
    interval.

    :param plan_only: a dry run: plan, write nothing (templated)
    :param mode: `incremental`, `window` or `people` (templated)
    :param marketo_ids: people for mode `people` (templated)
    :param dynamics_ids: contacts or leads for mode `people` (templated)
    :param override: brakes to lift for this run (templated)
    """

    template_fields: Sequence[str] = ("plan_only", "mode", "marketo_ids", "dynamics_ids", "override")
    ui_color = "#e8f0fe"

    def __init__(
        self,
        *,
        plan_only: bool | str = False,
        mode: str = "incremental",
        marketo_ids: Sequence[int] | str = (),
        dynamics_ids: Sequence[str] | str = (),
        override: Sequence[str] | str = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.plan_only = plan_only
        self.mode = mode
        self.marketo_ids = marketo_ids
        self.dynamics_ids = dynamics_ids
        self.override = override

    def execute(self, context: Context) -> str:
        """Open the run and return its id."""
        from include.person_sync.stages.open_run import open_run

        run_id = f"{context['dag'].dag_id}__{context['run_id']}"
        return open_run(self.surroundings(), run_id, self._request(context))

    def _request(self, context: Context) -> RunRequest:
        from include.person_sync.stages.request import Mode, RunRequest

        dag_run = context["dag_run"]
        is_backfill = str(getattr(dag_run.run_type, "value", dag_run.run_type)) == BACKFILL
        mode = Mode.WINDOW if is_backfill else Mode(self.mode)
        windowed = mode is Mode.WINDOW
        return RunRequest(
            mode=mode,
            dry_run=bool(self.plan_only),
            start=dag_run.data_interval_start if windowed else None,
            end=dag_run.data_interval_end if windowed else None,
            marketo_ids=tuple(int(one) for one in self.marketo_ids),
            dynamics_ids=tuple(str(one).lower() for one in self.dynamics_ids),
            overrides=tuple(self.override),
            origin={
                "by": dag_run.triggering_user_name or "scheduler",
                "through": "Airflow",
                "dag_run": str(context["run_id"]),
            },
        )


class SyncStageOperator(_SyncOperator):
    """
    Carry out one stage of a run; safe to run again at any time.

    :param stage: name of the stage, one of STAGES
    :param sync_run_id: id of the run, as OpenRunOperator returned it (templated)
    :param references: what earlier stages returned, in the stage's order (templated)
    """

    template_fields: Sequence[str] = ("sync_run_id", "references")
    ui_color = "#e6f4ea"

    def __init__(self, *, stage: str, sync_run_id: Any, references: Sequence[Any] = (), **kwargs: Any) -> None:
        if stage not in STAGES:
            raise ValueError(f"stage {stage!r} is unknown; valid: {', '.join(STAGES)}")
        super().__init__(**kwargs)
        self.stage = stage
        self.sync_run_id = sync_run_id
        self.references = references

    def execute(self, context: Context) -> Any:  # noqa: ARG002 - part of Airflow's interface
        """Call the stage and return what it returns: a reference, counts, or nothing."""
        function = getattr(import_module(f"include.person_sync.stages.{self.stage}"), self.stage)
        result = function(self.surroundings(), self.sync_run_id, *self.references)
        if self.stage == "guard" and result is False:
            raise AirflowSkipException("dry run: the plan is made and nothing is written")
        return result


class SetupOperator(_SyncOperator):
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
        from include.errors import ConfigError
        from include.person_sync.stages.setup import run_setup

        names: Any = "all" if "all" in self.provision else list(self.provision)
        report = run_setup(self.surroundings(), provision=names, check_only=bool(self.check_only))
        self.log.info("setup:\n%s", report.as_text())
        if not report.ok:
            failed = [check.name for check in report.checks if check.passed is False]
            raise ConfigError(f"setup: {', '.join(failed)} failed.", remedy="the log says what to do for each.")
        return report.as_json()
