"""Setup as a whole: provisioning, repeating, looking only, and working with half a configuration."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from include.errors import ConfigError
from include.person_sync.core.fields import Table
from include.person_sync.run.context import context_from_environment
from include.person_sync.setup import parts_from_environment, run_setup
from tests.installing import install
from tests.integration.setup.conftest import assert_only_failure

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.setup.conftest import Installation

IDENTITY = {"dynamicsId", "dynamicsType", "dynamicsIsDeleted", "syncToDynamics"}


def test_first_run_provisions_everything_and_passes(installation: Installation) -> None:
    """
    On two untouched systems one run makes the fields and the type, stores the schemas, and finds all well (R-002).
    """
    report = installation.run()

    assert report.ok, report.as_text()
    assert all(one.passed for one in report.checks), report.as_text()
    assert installation.marketo_fields() >= IDENTITY
    kind = installation.sandbox.marketo.activity_types.get("dynamicsSyncRefused")
    assert kind.state == "approved"
    assert {one.api_name for one in kind.current.attributes} == {
        "operation",
        "direction",
        "errorCode",
        "fields",
        "letter",
    }
    assert kind.current.primary.api_name == "reason"
    assert "never deleted" in report.warnings[0]
    assert installation.stored_schema() is not None


def test_second_run_makes_nothing(ready: Installation) -> None:
    """Repeating setup sends no write and reports nothing made (R-002)."""
    report = ready.run()

    assert report.ok, report.as_text()
    assert (report.provisioned, report.warnings) == ((), ())
    assert ready.writes() == []


def test_tests_that_copy_the_outcome_begin_where_setup_ends(installation: Installation) -> None:
    """What most tests begin with in place of a setup of their own is what setup leaves: it finds nothing to make."""
    install(context_from_environment(installation.environment))
    stored = installation.stored_schema()
    installation.sandbox.reset_calls()

    report = installation.run()

    assert all(one.passed for one in report.checks), report.as_text()
    assert (report.provisioned, installation.writes()) == ((), [])
    assert installation.stored_schema() == stored


def test_repeat_after_lost_answers_makes_each_thing_once(installation: Installation) -> None:
    """When the answers to the writes are lost, the fields and the type are there once and setup passes (R-002)."""
    for match in ("POST /rest/v1/leads/schema", "POST /rest/v1/activities/external/type.json"):
        installation.sandbox.faults.add("marketo", "lost_after", match=match)

    first, second = installation.run(), installation.run()

    assert second.ok, second.as_text()
    assert "field dynamicsId" in first.provisioned
    kinds = [one.api_name for one in installation.sandbox.marketo.activity_types]
    assert kinds == ["dynamicsSyncRefused"]


def test_half_made_activity_type_is_completed(ready: Installation) -> None:
    """An attribute that is missing is added, and the type approved again."""
    kinds = ready.sandbox.marketo.activity_types
    kinds.remove_attributes("dynamicsSyncRefused", ["letter"], "2026-01-01T00:00:00Z")
    kinds.approve("dynamicsSyncRefused", "2026-01-01T00:00:00Z")

    report = ready.run()

    assert report.ok, report.as_text()
    assert report.provisioned == ("activity type dynamicsSyncRefused (completed and approved)",)
    assert "letter" in {one.api_name for one in kinds.get("dynamicsSyncRefused").current.attributes}


def test_check_only_writes_nothing_anywhere(installation: Installation, tmp_path: Path) -> None:
    """On untouched systems it reports what is missing and leaves both systems, database and folder as they were."""
    before = installation.marketo_fields()

    report = installation.run(check_only=True, provision="all")

    assert {one.name for one in report.failed} == {
        "state_database",
        "marketo_custom_fields",
        "marketo_activity_type",
    }, report.as_text()
    assert "dynamicsId" in report.check("marketo_custom_fields").detail
    assert report.check("marketo_optional_fields").passed is None
    assert installation.marketo_fields() == before
    assert list(installation.sandbox.marketo.activity_types) == []
    assert installation.writes() == []
    assert list(tmp_path.iterdir()) == []


def test_check_only_passes_once_set_up(ready: Installation) -> None:
    """After a setup, looking only finds everything in place."""
    report = ready.run(check_only=True)

    assert report.ok, report.as_text()
    assert ready.writes() == []


def test_optional_fields_are_made_on_request_only_and_once(ready: Installation) -> None:
    """The custom field of a named map entry is made when asked for, and then takes part."""
    assert "dynamicsHomePhone" not in ready.marketo_fields()
    before = {one.name for one in ready.run().fields[Table.CONTACT].effective}

    report, again = ready.run(provision=["home_phone"]), ready.run(provision=["home_phone"])

    assert report.provisioned == ("field dynamicsHomePhone",)
    assert report.warnings
    assert {one.name for one in report.fields[Table.CONTACT].effective} - before == {"home_phone"}
    assert again.ok
    assert again.provisioned == ()


def test_all_optional_fields_can_be_made_at_once(ready: Installation) -> None:
    """`all` makes the field of every map entry that has one."""
    settings = ready.parts().settings()
    wanted = {one.marketo for one in settings.field_map.fields if one.provision is not None}

    report = ready.run(provision="all")

    assert report.ok, report.as_text()
    assert wanted <= ready.marketo_fields()
    assert len(report.provisioned) == len(wanted)


def test_optional_field_that_takes_other_values_fails(ready: Installation) -> None:
    """A field of that name with a type that can't hold the values is reported, not used."""
    ready.sandbox.marketo.add_field("dynamicsHomePhone", "integer")

    assert_only_failure(ready.run(provision=["home_phone"]), "marketo_optional_fields", saying="of type integer")


def test_unknown_optional_field_is_refused_before_anything_is_written(installation: Installation) -> None:
    """A mistyped name stops setup with the valid names."""
    with pytest.raises(ConfigError, match="home_fone") as caught:
        installation.run(provision=["home_fone"])

    assert "home_phone" in caught.value.remedy
    assert not IDENTITY & installation.marketo_fields()


def test_missing_connection_leaves_the_other_system_checked(ready: Installation) -> None:
    """With one connection unset its checks say so, and those of the other system are run all the same."""
    del ready.environment["AIRFLOW_CONN_DYNAMICS_DEFAULT"]

    report = ready.run()

    assert_only_failure(report, "dynamics_connection", saying="AIRFLOW_CONN_DYNAMICS_DEFAULT")
    assert report.check("marketo_write_activities").passed
    assert report.check("dynamics_host").passed is None


def test_empty_environment_fails_with_both_connections_named(tmp_path: Path) -> None:
    """With nothing configured the report still comes, and says what to set."""
    report = run_setup(parts_from_environment({"AIRFLOW_HOME": str(tmp_path)}))

    assert {one.name for one in report.failed} == {"marketo_connection", "dynamics_connection"}
    assert all(one.remedy for one in report.failed)


def test_unreadable_settings_fail_and_the_hosts_are_still_checked(ready: Installation) -> None:
    """A mistake in the YAML is one failed check; whatever does not need it is checked."""
    ready.write_settings("overlap_minuts: 3")

    report = ready.run()

    assert_only_failure(report, "settings", saying="overlap_minuts")
    assert report.check("marketo_read_lead").passed
    assert report.check("dynamics_secret").passed


def test_unusable_state_database_fails_alone(ready: Installation) -> None:
    """A database that can't be opened is named by its connection."""
    (ready.home / "a file").write_text("")
    ready.environment["AIRFLOW_CONN_PERSON_SYNC_STATE"] = f"sqlite:///{ready.home / 'a file' / 'x.db'}"

    assert_only_failure(ready.run(), "state_database", saying="person_sync_state")


@pytest.mark.parametrize("check_only", [False, True])
def test_unusable_staging_folder_fails_alone(ready: Installation, *, check_only: bool) -> None:
    """A staging folder that can't be written to is named by its setting."""
    (ready.home / "a file").write_text("")
    ready.environment["PERSON_SYNC_STAGING"] = str(ready.home / "a file" / "staging")

    assert_only_failure(ready.run(check_only=check_only), "staging", saying="PERSON_SYNC_STAGING")


def test_object_store_serves_as_staging(ready: Installation) -> None:
    """Staging may be any place fsspec reaches."""
    ready.environment["PERSON_SYNC_STAGING"] = "memory://person-sync/staging"

    assert ready.run().check("staging").passed


def test_report_holds_no_secret(ready: Installation) -> None:
    """Neither form of the report repeats a secret, whatever fails (S-43)."""
    credentials = ready.sandbox.credentials
    guess = "a-guessed-secret"
    ready.change_connection("marketo", password=guess)
    ready.change_connection("dynamics", password=guess)

    report = ready.run()

    shown = json.dumps(report.as_json()) + report.as_text()
    assert {one.name for one in report.failed} == {"marketo_credentials", "dynamics_secret"}
    for secret in (guess, credentials.marketo_client_secret, credentials.dynamics_client_secret):
        assert secret not in shown


def test_alerts_are_information(ready: Installation) -> None:
    """Having no alerts is said, and is no failure; having them is said too."""
    assert ready.run().check("alerts").detail.startswith("off")

    ready.write_settings("alerts: {apprise_conn_id: chat}")

    assert "chat" in ready.run().check("alerts").detail


def test_whole_context_serves_as_well_and_its_clients_are_used(ready: Installation) -> None:
    """Given a context, setup works through its clients, so that their calls are counted there."""
    context = ready.parts().context()

    report = run_setup(context)

    assert report.ok, report.as_text()
    assert context.api_calls()["marketo"] > 0
    assert context.api_calls()["dynamics"] > 0
