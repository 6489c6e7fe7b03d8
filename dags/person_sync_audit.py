"""
### Everybody compared, once a night.

Once a night, at a quiet time: read everybody on both sides, compare every mapped field, and report.

| task | what it does | what it writes |
|---|---|---|
| open_audit | checks that today's Marketo calls suffice | nothing |
| compare_sides | reads all contacts, leads and linked people; looks twice at what differs | Parquet files |
| publish | makes the page, stores the counts with the run | the report |
| repair | only with `repair`: sends what differs through the ordinary plan and brakes | both systems |

The audit itself never writes to Marketo or Dynamics, and takes no lease: cycles run meanwhile. What differs is told
with its reason, if there is one: a one-way rule, the sync filter, a refused value, a change that is on its way. What
has no reason is *unexplained*, and worth a look. Differences are a result, not a failure: the run succeeds. The report
is below `PERSON_SYNC_STAGING`, or where `audit.reports` says; the log of publish names the place. See docs/audit.md.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable, Param, chain

from person_sync_airflow.alerts import FailureAlert
from person_sync_airflow.operators.audit import (
    CompareSidesOperator,
    OpenAuditOperator,
    PublishAuditOperator,
    RepairOperator,
)
from person_sync_airflow.operators.run import CloseRunOperator
from person_sync_airflow.retries import HonourRetryAfter
from person_sync_airflow.settings import alert_settings

with DAG(
    dag_id="person_sync_audit",
    description="Compares everybody in Marketo and Dynamics, reports what differs and why, repairs on request",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("20 2 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=12),
    tags=["person-sync", "marketo", "dynamics-365"],
    render_template_as_native_obj=True,
    default_args={
        "owner": "data-engineering",
        "retries": 2,
        "retry_delay": timedelta(minutes=5),
        "retry_policy": HonourRetryAfter(),
        "on_failure_callback": [FailureAlert(alert_settings())],
    },
    params={
        "repair": Param(
            False,
            type="boolean",
            title="Repair",
            description="Send what differs through the ordinary plan and brakes; the merge's rules decide.",
        ),
        "sample": Param(
            20,
            type="integer",
            minimum=0,
            maximum=1000,
            title="Sample",
            description="Most ids the page shows per field and kind of finding; the Parquet files hold all.",
        ),
        "override": Param(
            [],
            type="array",
            items={"type": "string"},
            title="Override brakes",
            description="Names of brakes to lift for the repair; recorded with who asked.",
        ),
    },
) as dag:
    open_audit = OpenAuditOperator(
        task_id="open_audit",
        repair="{{ params.repair }}",
        sample="{{ params.sample }}",
        override="{{ params.override }}",
    )
    compare_sides = CompareSidesOperator(task_id="compare_sides")
    publish = PublishAuditOperator(task_id="publish", compared=compare_sides.output)
    repair = RepairOperator(task_id="repair", compared=compare_sides.output, repair="{{ params.repair }}")
    close_run = CloseRunOperator(task_id="close_run").as_teardown()

    chain(open_audit, compare_sides, publish, repair, close_run)
