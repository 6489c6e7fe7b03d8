"""
The operators of the audit: compare everybody, publish what was found, repair on request.

Stages are imported where a task runs, so that parsing a DAG loads neither pandas nor a database driver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from person_sync_airflow.operators.base import SyncOperator, sync_run_id
from person_sync_airflow.operators.stage import noting_failure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

__all__ = ["CompareSidesOperator", "OpenAuditOperator", "PublishAuditOperator", "RepairOperator"]


class OpenAuditOperator(SyncOperator):
    """
    Register an audit and see whether today's Marketo calls suffice for reading everybody. Returns the id of the run.

    :param repair: send what differs through the ordinary plan and brakes afterwards (templated)
    :param sample: most ids the page shows per field and kind of finding (templated)
    :param override: brakes of the repair to lift (templated)
    """

    template_fields: Sequence[str] = ("repair", "sample", "override")
    task_doc = """
    Registers the audit and checks that today's Marketo calls suffice to read everybody.

    - **Writes** the run into the state database.
    - **When it fails** with `QuotaExhausted`: the error says until when; the next night's audit does the work.
    """

    def __init__(
        self,
        *,
        repair: bool | str = False,
        sample: int | str = 20,
        override: Sequence[str] | str = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.repair = repair
        self.sample = sample
        self.override = override

    def execute(self, context: Context) -> str:
        """Open the run and return its id."""
        from include.person_sync.audit import AuditRequest, open_audit

        dag_run = context["dag_run"]
        origin = {"by": dag_run.triggering_user_name or "scheduler", "through": "Airflow"}
        request = AuditRequest(
            repair=bool(self.repair),
            sample=int(self.sample),
            overrides=tuple(self.override),
            origin={**origin, "dag_run": str(context["run_id"])},
        )
        return open_audit(self.sync_context(), sync_run_id(context), request)


class CompareSidesOperator(SyncOperator):
    """Compare everybody on both sides; reads only. Returns the reference of what was found."""

    task_doc = """
    Reads all contacts, leads and linked people, compares every mapped field, and looks a second time at what differs.

    - **Writes** Parquet files below `PERSON_SYNC_STAGING`, nothing in either system.
    - **Returns** their manifest's reference.
    - **When it fails**: clear it; it reads anew.
    """

    def execute(self, context: Context) -> str:
        """Compare and return the manifest's reference."""
        from include.person_sync.audit import compare_sides

        ctx, run_id = self.sync_context(), sync_run_id(context)
        with noting_failure(ctx, run_id, context):
            return compare_sides(ctx, run_id)


class PublishAuditOperator(SyncOperator):
    """
    Write an audit's page and store its counts. Returns counts and the places of the reports.

    :param compared: what CompareSidesOperator returned (templated)
    """

    template_fields: Sequence[str] = ("compared",)
    task_doc = """
    Makes the audit's page of what was compared, and stores its counts with the run. The log names the place.

    - **Writes** the report below `PERSON_SYNC_STAGING`, or where `audit.reports` says.
    - **When it fails** the place for reports can't be written to; mend that and clear it.
    """

    def __init__(self, *, compared: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.compared = compared

    def execute(self, context: Context) -> Mapping[str, Any]:
        """Publish and return the summary."""
        from include.person_sync.audit import publish

        ctx, run_id = self.sync_context(), sync_run_id(context)
        with noting_failure(ctx, run_id, context):
            summary = publish(ctx, run_id, self.compared)
        return {name: summary[name] for name in ("run_id", "counts", "reports", "api_calls")}


class RepairOperator(SyncOperator):
    """
    Send what an audit found through the ordinary stages and brakes; skipped when no repair was asked for.

    Returns the ids and ends of the runs it took.

    :param compared: what CompareSidesOperator returned (templated)
    :param repair: whether a repair was asked for (templated)
    """

    template_fields: Sequence[str] = ("compared", "repair")
    task_doc = """
    Sends what differs through the ordinary plan, brakes and writes, as runs of their own. Skipped unless `repair` was
    set.

    - **Writes** both systems.
    - **Returns** the runs it took and how each ended.
    - **When it fails** with `SafetyStop`: look at the audit's page; if the repair is right, trigger the DAG with
      `repair` and the brake's name under `override`. Clear it at any time: what agrees by now is left alone.
    """

    def __init__(self, *, compared: Any, repair: bool | str = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.compared = compared
        self.repair = repair

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Repair and return the runs."""
        if not self.repair:
            raise AirflowSkipException("no repair was asked for")
        from os import getpid

        from include.person_sync.audit import repair

        runs = repair(self.sync_context(process=getpid()), sync_run_id(context), self.compared)
        return [{name: run[name] for name in ("run_id", "status", "counts")} for run in runs]
