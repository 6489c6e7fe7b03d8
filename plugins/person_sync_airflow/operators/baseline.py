"""
The steps of a baseline as operators, and the chain that each partition goes through.

Steps are imported when their task runs, so that parsing a DAG loads neither pandas nor a database driver.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import task_group

from dynamics.operators.base import DynamicsOperator
from include.errors import ConfigError, QuotaExhausted
from marketo.operators.base import MarketoOperator
from person_sync_airflow.operators.base import SyncOperator, sync_run_id
from person_sync_airflow.run_params import origin_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from include.person_sync.baseline import BaselineRequest

__all__ = [
    "CloseBaselineOperator",
    "OpenBaselineOperator",
    "PartitionPeopleOperator",
    "ReadDynamicsOperator",
    "ReadMarketoOperator",
    "SyncPartitionOperator",
    "partition_chain",
]


class OpenBaselineOperator(SyncOperator):
    """
    Register a baseline and note where Marketo's feeds stand; returns its id.

    :param partitions: into how many partitions the people are cut; 0 lets their number decide (templated)
    :param plan_only: a dry run: plan, write nothing (templated)
    :param since: nobody in Marketo was created before; empty asks Marketo for its oldest person (templated)
    :param override: brakes to lift (templated)
    """

    template_fields: Sequence[str] = ("partitions", "plan_only", "since", "override")
    task_doc = """
    Notes where Marketo's feeds stand before anybody is read, so that cycles later go on from there.

    - **Writes** the baseline into the state database.
    - **When it fails**: the error names the setting or param that is wrong; nothing was read yet.
    """

    def __init__(
        self,
        *,
        partitions: int | str = 0,
        plan_only: bool | str = False,
        since: str | None = None,
        override: Sequence[str] | str = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.partitions = partitions
        self.plan_only = plan_only
        self.since = since
        self.override = override

    def execute(self, context: Context) -> str:
        """Register the baseline, unless an earlier try has."""
        from include.person_sync.baseline import open_baseline

        return open_baseline(self.sync_context(), sync_run_id(context), self._request(context))

    def _request(self, context: Context) -> BaselineRequest:
        from include.person_sync.baseline import BaselineRequest

        return BaselineRequest(
            partitions=int(self.partitions) or None,
            dry_run=bool(self.plan_only),
            since=_moment(self.since),
            overrides=tuple(self.override),
            origin=origin_of(context),
        )


class ReadMarketoOperator(SyncOperator):
    """
    Stage everybody in Marketo: by bulk extracts, waiting for them without holding a worker, or by id.

    When the day's volume or calls are used up, the task waits for their renewal. May be cleared: what was extracted is
    kept, and running extracts are found again.

    :param timeout: how long to wait for a state of the extracts to change
    """

    ui_color = MarketoOperator.ui_color
    ui_fgcolor = MarketoOperator.ui_fgcolor

    task_doc = """
    Reads everybody in Marketo by bulk extracts of 31 days each, waiting for them without holding a worker; by id where
    there is no bulk extract. Waits by itself when the day's 500 MB or calls are used up.

    - **Writes** staged files, nothing in Marketo.
    - **When it fails**: clear it; what was extracted is kept, and extracts that still run are found again.
    """

    def __init__(self, *, timeout: timedelta = timedelta(hours=12), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.timeout = timeout

    def execute(self, context: Context) -> None:
        """Do what can be done now; wait when there is more to come."""
        from include.person_sync.baseline import read_marketo

        try:
            waiting = read_marketo(self.sync_context(), sync_run_id(context))
        except QuotaExhausted as exhausted:
            self.log.warning("%s", exhausted)
            self.defer(trigger=DateTimeTrigger(moment=exhausted.resets_at), method_name="proceed")
        if waiting is not None:
            from marketo.triggers.bulk import MarketoBulkTrigger

            self.defer(
                trigger=MarketoBulkTrigger(self.marketo_conn_id, list(waiting.jobs), waiting.poll_s),
                method_name="proceed",
                timeout=self.timeout,
            )

    def proceed(self, context: Context, event: Any = None) -> None:  # noqa: ARG002 - part of Airflow's interface
        """Go on after a wait."""
        self.execute(context)


class ReadDynamicsOperator(SyncOperator):
    """Stage everybody in Dynamics, page by page, and keep the delta links."""

    ui_color = DynamicsOperator.ui_color
    ui_fgcolor = DynamicsOperator.ui_fgcolor

    task_doc = """
    Pages through all contacts and leads, and keeps the delta links from which cycles go on later.

    - **Writes** staged files, nothing in Dynamics.
    - **When it fails**: clear it; pages that were read are kept.
    """

    def execute(self, context: Context) -> None:
        """Read both tables, or what is left of them."""
        from include.person_sync.baseline import read_dynamics

        read_dynamics(self.sync_context(), sync_run_id(context))


class PartitionPeopleOperator(SyncOperator):
    """Cut everybody into partitions, so that whoever may belong together meets in one. Returns their numbers."""

    task_doc = """
    Cuts everybody who was read into partitions; a pair, and whoever shares an e-mail address, meet in one.

    - **Writes** staged files.
    - **Returns** the numbers of the partitions: each becomes a chain of tasks.
    - **When it fails**: clear it; partitions that are written stay as they are.
    """

    def execute(self, context: Context) -> Any:
        """Partition and return the numbers."""
        from include.person_sync.baseline import partition

        return partition(self.sync_context(), sync_run_id(context))


class CloseBaselineOperator(SyncOperator):
    """End the baseline: cycles go on from where it began, and the staged people are removed. Returns a summary."""

    task_doc = """
    Stores the watermarks from before the reading, unless a cycle has moved them since, and removes the staged people.

    - **Writes** the state database.
    - **Returns** what the partitions counted together.
    - **When it fails** a partition may not be done yet: clear that first, then this.
    """

    def execute(self, context: Context) -> Any:
        """Close the baseline and return its summary."""
        from include.person_sync.baseline import close_baseline

        return close_baseline(self.sync_context(), sync_run_id(context))


class SyncPartitionOperator(SyncOperator):
    """
    Work through one partition: plan, brakes, writes, commit, as a run of its own. Skips nothing when run again.

    :param number: the partition (templated)
    :param report: write its refusals into Marketo's activity log instead
    :param lease_wait_s: seconds to wait for a cycle that is writing
    """

    template_fields: Sequence[str] = ("number",)
    task_doc = """
    Works through one partition as a run of its own: plan, brakes, writes, commit. The task *report* tells of its
    refusals.

    - **Reads** the partition's staged people, links and base.
    - **Writes** both systems and the state database.
    - **When it fails**: `LeaseHeld`: a cycle is at work, it is tried again. `SafetyStop`: look at the plan; if it is
      right, start the baseline again with the brake's name under `override`. Clear it at any time: what has an outcome
      is left alone.
    """

    def __init__(self, *, number: Any, report: bool = False, lease_wait_s: float = 900, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.number = number
        self.report = report
        self.lease_wait_s = lease_wait_s

    def execute(self, context: Context) -> Mapping[str, Any]:
        """Work through the partition, or report on it; returns its run's summary."""
        from include.person_sync.baseline import report_partition, sync_partition

        ctx, baseline_id, number = self.sync_context(), sync_run_id(context), int(self.number)
        if self.report:
            return report_partition(ctx, baseline_id, number)
        return sync_partition(ctx, baseline_id, number, wait_s=self.lease_wait_s)


@task_group(group_id="partition", tooltip="one partition, as a run of its own")
def partition_chain(number: int) -> None:
    """Chain a partition's tasks; partitions take turns, since only one run may write at a time."""
    sync = SyncPartitionOperator(task_id="sync", number=number, max_active_tis_per_dag=1)
    sync >> SyncPartitionOperator(task_id="report", number=number, report=True, max_active_tis_per_dag=1)


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ConfigError(f"'since' is no time with a zone: {text}", remedy="Write it like 2016-05-01T00:00:00+00:00.")
    return moment
