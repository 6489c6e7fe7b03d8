"""
### Create one Marketo person in Dynamics, now.

What the flow action *Sync Person to Microsoft* does: a Marketo webhook in a trigger campaign calls
`POST /person-sync/webhook/sync-person`, which starts this DAG; it may be triggered by hand as well. Everybody else's
changes, and later changes of this person, travel with `person_sync`.

| outcome | meaning |
|---|---|
| created | the row was made, its id is stored in Marketo |
| linked | the one unlinked row with the same e-mail address became the person's row |
| already_synced | the person has a row; nothing was done |
| held | several rows could be meant; a person has to choose |
| refused | Dynamics, or a check before it, did not take the values; the reason is in the person's activity log |
| not_found | Marketo has no such person |

Safe to repeat: the row's id follows from the person's, so there is never a second row.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Param

from person_sync_airflow.alerts import FailureAlert
from person_sync_airflow.operators.create import SyncPersonOperator
from person_sync_airflow.retries import HonourRetryAfter
from person_sync_airflow.settings import alert_settings

with DAG(
    dag_id="sync_person_to_dynamics",
    description="Creates one Marketo person in Dynamics, now",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,  # it only ever runs when somebody asks, and a paused one would keep them waiting
    tags=["person-sync", "marketo", "dynamics-365"],
    render_template_as_native_obj=True,
    default_args={
        "owner": "data-engineering",
        "retries": 3,
        "retry_delay": timedelta(seconds=10),
        "retry_policy": HonourRetryAfter(),
        "on_failure_callback": [FailureAlert(alert_settings())],
    },
    params={
        "marketo_id": Param(type="integer", minimum=1, title="Marketo id", description="The person to create."),
        "table": Param(
            "lead",
            type="string",
            enum=["lead", "contact"],
            title="Sync as",
            description="The Dynamics table the row is made in.",
        ),
        "owner": Param(
            None,
            type=["null", "string"],
            title="Owner",
            description="E-mail address of the Dynamics user who is to own the row; empty: the integration user.",
        ),
    },
) as dag:
    SyncPersonOperator(
        task_id="sync_person",
        marketo_id="{{ params.marketo_id }}",
        table="{{ params.table }}",
        row_owner="{{ params.owner }}",
    )
