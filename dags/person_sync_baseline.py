"""
### Everybody, once: the first load, or a new baseline.

Reads both systems in full, deals everybody out to partitions so that whoever may belong together meets, and works
through the partitions one after the other with the plan, brakes and writes of any run. It never deletes.

| task | what it does |
|---|---|
| open_baseline | notes where Marketo's feeds stand, before anybody is read |
| read_marketo | bulk extracts of 31 days each, waited for without a worker; by id where there is no bulk extract |
| read_dynamics | pages through contacts and leads, and keeps the delta link |
| deal_out | cuts everybody into partitions |
| partition.sync, partition.report | one partition each: plan, brakes, writes, commit; refusals into the activity log |
| close_baseline | lets cycles continue from where the baseline began; removes the staged people |

**When something breaks**, clear the failed task: what was read is kept, partitions that are done are left alone. When
the day's 500 MB of extracts are used up, read_marketo waits for midnight Central Time by itself. Cycles may run
meanwhile; they take turns with the partitions. The first load is exempt from the brakes on numbers of people; a new
baseline is not: name the brakes to lift under `override`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Param, chain

from person_sync_airflow.alerts import FailureAlert
from person_sync_airflow.operators.baseline import (
    CloseBaselineOperator,
    OpenBaselineOperator,
    PartitionPeopleOperator,
    ReadDynamicsOperator,
    ReadMarketoOperator,
    partition_chain,
)
from person_sync_airflow.retries import HonourRetryAfter
from person_sync_airflow.settings import alert_settings

with DAG(
    dag_id="person_sync_baseline",
    description="First load and new baseline: everybody on both sides, partition by partition; never deletes",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(days=7),
    tags=["person-sync", "marketo", "dynamics-365"],
    render_template_as_native_obj=True,
    default_args={
        "owner": "data-engineering",
        "retries": 3,
        "retry_delay": timedelta(minutes=1),
        "retry_policy": HonourRetryAfter(),
        "on_failure_callback": [FailureAlert(alert_settings())],
    },
    params={
        "partitions": Param(
            0,
            type="integer",
            minimum=0,
            maximum=1000,
            title="Partitions",
            description="0: as many as their size (baseline.partition_people) asks for.",
        ),
        "dry_run": Param(
            False, type="boolean", title="Dry run", description="Read and plan everything, write nothing."
        ),
        "since": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="Oldest person",
            description="Nobody in Marketo was created before this time; empty: Marketo is asked.",
        ),
        "override": Param(
            [],
            type="array",
            items={"type": "string"},
            title="Override brakes",
            description="Names of brakes to lift for this one baseline; recorded with who asked.",
        ),
    },
) as dag:
    open_baseline = OpenBaselineOperator(
        task_id="open_baseline",
        partitions="{{ params.partitions }}",
        plan_only="{{ params.dry_run }}",
        since="{{ params.since }}",
        override="{{ params.override }}",
    )
    read_marketo = ReadMarketoOperator(task_id="read_marketo")
    read_dynamics = ReadDynamicsOperator(task_id="read_dynamics")
    deal_out = PartitionPeopleOperator(task_id="deal_out")
    partitions = partition_chain.expand(number=deal_out.output)
    close_baseline = CloseBaselineOperator(task_id="close_baseline")

    chain(open_baseline, [read_marketo, read_dynamics], deal_out, partitions, close_baseline)
