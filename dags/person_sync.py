"""
### Marketo and Dynamics in step.

Every 5 minutes: read what changed in both systems, merge it field by field against what both last agreed on, and write
each change to the other side. Where both changed the same field, Marketo wins for leads and Dynamics for contacts.

| task | what it does | what it writes |
|---|---|---|
| open_run | takes the lease, refreshes the schemas, checks the API budget | nothing |
| extract_marketo, extract_dynamics | read the change feeds and current values | staging files |
| reconcile | pairs whoever is new, merges, plans | the plan, before any write |
| guard | trips a brake when the plan looks wrong | nothing |
| apply_dynamics, apply_marketo | carry out the plan, batch by batch | both systems |
| commit | makes the outcome true in one transaction | the state database |
| report | writes refusals into Marketo's activity log | activities |

Any task may be cleared and run again. A run that died is settled by the next one. A **backfill** re-examines everybody
who was touched in its interval, with today's values. To try something out, trigger with `dry_run`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Asset, CronDataIntervalTimetable, Param, TriggerRule, chain

from dynamics.operators.person_sync import ExtractFromDynamicsOperator, LoadIntoDynamicsOperator
from marketo.operators.person_sync import ExtractFromMarketoOperator, LoadIntoMarketoOperator
from person_sync_airflow.alerts import FailureAlert
from person_sync_airflow.operators.decide import DiffAndResolveOperator, GuardOperator
from person_sync_airflow.operators.record import CommitOperator, ReportOperator
from person_sync_airflow.operators.run import CloseRunOperator, OpenRunOperator
from person_sync_airflow.retries import HonourRetryAfter
from person_sync_airflow.settings import alert_settings

with DAG(
    dag_id="person_sync",
    description="Keeps Marketo people and Dynamics contacts and leads in step, in both directions",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("*/5 * * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=4),
    tags=["person-sync", "marketo", "dynamics-365"],
    render_template_as_native_obj=True,
    default_args={
        "owner": "data-engineering",
        "retries": 3,
        "retry_delay": timedelta(seconds=30),
        "retry_policy": HonourRetryAfter(),
        "on_failure_callback": [FailureAlert(alert_settings())],
    },
    params={
        "dry_run": Param(False, type="boolean", title="Dry run", description="Plan everything, write nothing."),
        "mode": Param(
            "incremental",
            type="string",
            enum=["incremental", "window", "people"],
            title="Mode",
            description="incremental: since the last run. window: the times below, else the run's data interval. "
            "people: the ids below.",
        ),
        "window_start": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="Window from",
            description="For mode window: beginning, with a time zone. A backfill uses its data interval.",
        ),
        "window_end": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="Window to",
            description="For mode window: end (exclusive); empty: now.",
        ),
        "marketo_ids": Param(
            [], type="array", items={"type": "integer"}, title="Marketo ids", description="For mode people."
        ),
        "dynamics_ids": Param(
            [],
            type="array",
            items={"type": "string"},
            title="Dynamics ids",
            description="Contacts or leads, for mode people.",
        ),
        "override": Param(
            [],
            type="array",
            items={"type": "string"},
            title="Override brakes",
            description="Names of brakes to lift for this one run; recorded with who asked.",
        ),
    },
) as dag:
    open_run = OpenRunOperator(
        task_id="open_run",
        plan_only="{{ params.dry_run }}",
        mode="{{ params.mode }}",
        marketo_ids="{{ params.marketo_ids }}",
        dynamics_ids="{{ params.dynamics_ids }}",
        override="{{ params.override }}",
        window_start="{{ params.window_start }}",
        window_end="{{ params.window_end }}",
    )
    extract_marketo = ExtractFromMarketoOperator(task_id="extract_marketo")
    extract_dynamics = ExtractFromDynamicsOperator(task_id="extract_dynamics")
    reconcile = DiffAndResolveOperator(
        task_id="reconcile", marketo=extract_marketo.output, dynamics=extract_dynamics.output
    )
    guard = GuardOperator(task_id="guard", plan=reconcile.output)
    apply_dynamics = LoadIntoDynamicsOperator(task_id="apply_dynamics")
    apply_marketo = LoadIntoMarketoOperator(task_id="apply_marketo")
    commit = CommitOperator(task_id="commit", plan=reconcile.output, outlets=[Asset("person_sync")])
    report = ReportOperator(task_id="report", plan=reconcile.output, trigger_rule=TriggerRule.NONE_FAILED)
    close_run = CloseRunOperator(task_id="close_run").as_teardown()

    chain(
        open_run, [extract_marketo, extract_dynamics], reconcile, guard, apply_dynamics, apply_marketo, commit, report
    )
    report >> close_run
