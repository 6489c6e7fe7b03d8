"""
### Set up and check the sync.

Creates what the sync keeps in Marketo (the custom fields `dynamicsId`, `dynamicsType`, `dynamicsIsDeleted`,
`syncToDynamics` and a custom activity type for refusals), then checks addresses, credentials, permissions, change
tracking and the field map. Each check passes or fails with what to do. Safe to repeat; trigger it by hand after every
change of configuration.

Fields made by API can never be deleted in Marketo. Optional fields of the field map are created only when named in
`provision`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG, Param

from person_sync_airflow.alerts import FailureAlert
from person_sync_airflow.operators.setup import SetupOperator
from person_sync_airflow.settings import alert_settings

with DAG(
    dag_id="person_sync_setup",
    description="Provisions Marketo custom fields and checks both systems",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["person-sync", "marketo", "dynamics-365"],
    render_template_as_native_obj=True,
    default_args={"owner": "data-engineering", "retries": 0, "on_failure_callback": [FailureAlert(alert_settings())]},
    params={
        "provision": Param(
            [],
            type="array",
            items={"type": "string"},
            title="Provision fields",
            description="Mapped fields whose Marketo custom field is to be created, or all. Can never be deleted.",
        ),
        "check_only": Param(False, type="boolean", title="Check only", description="Change nothing."),
    },
) as dag:
    SetupOperator(task_id="setup", provision="{{ params.provision }}", check_only="{{ params.check_only }}")
