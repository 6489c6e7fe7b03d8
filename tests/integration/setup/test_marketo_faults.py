"""Each fault on the Marketo side makes its own check fail and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from include.sandbox.marketo.custom_activity_types import Definition, TypeAttribute
from include.sandbox.marketo.fields import DataType
from include.sandbox.marketo.settings import ALL_PERMISSIONS, Permission
from tests.integration.setup.conftest import assert_only_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.setup.conftest import Installation


def _withdraw(*permissions: Permission) -> Callable[[Installation], None]:
    def spoil(installation: Installation) -> None:
        installation.sandbox.marketo.settings.permissions = ALL_PERMISSIONS - set(permissions)

    return spoil


def _connect(**parts: str) -> Callable[[Installation], None]:
    return lambda installation: installation.change_connection("marketo", **parts)


def _point_elsewhere(installation: Installation) -> None:
    installation.change_connection("marketo", host=installation.sandbox.authority)


def _distrust(installation: Installation) -> None:
    installation.change_connection("marketo", extra={"ca_bundle": ""})


def _misplace_bundle(installation: Installation) -> None:
    installation.change_connection("marketo", extra={"ca_bundle": "/nowhere/ca.pem"})


def _use_up(installation: Installation) -> None:
    installation.sandbox.marketo.settings.daily_quota = 0


def _use_up_by_setting(installation: Installation) -> None:
    installation.write_settings("marketo: {daily_quota: 20}")


def _refuse_tokens(installation: Installation) -> None:
    installation.sandbox.faults.add("marketo", "invalid_token", times=5)


def _forget_type(installation: Installation) -> None:
    _withdraw(Permission.WRITE_ACTIVITY_METADATA)(installation)
    installation.sandbox.marketo.activity_types.delete("dynamicsSyncRefused", "2026-01-01T00:00:00Z")


FAULTS = {
    "no host": (_connect(host=""), "marketo_connection", "host"),
    "plain http": (_connect(host="http://localhost"), "marketo_connection", "https"),
    "no secret": (_connect(password=""), "marketo_connection", "password"),
    "nobody listens": (_connect(host="https://localhost:1"), "marketo_host", "'host'"),
    "another service": (_point_elsewhere, "marketo_host", "web services"),
    "unknown authority": (_distrust, "marketo_host", "ca_bundle"),
    "bundle not there": (_misplace_bundle, "marketo_host", "does not exist"),
    "wrong client id": (_connect(login="somebody"), "marketo_credentials", "Client Id"),
    "wrong secret": (_connect(password="guess"), "marketo_credentials", "Client Secret"),
    "token not taken": (_refuse_tokens, "marketo_credentials", "LaunchPoint"),
    "quota used up": (_use_up, "marketo_api_budget", "607"),
    "quota nearly used up": (_use_up_by_setting, "marketo_api_budget", "daily_quota"),
    "no leads": (_withdraw(Permission.READ_LEAD, Permission.WRITE_LEAD), "marketo_read_lead", "'Read-Only Lead'"),
    "leads read-only": (_withdraw(Permission.WRITE_LEAD), "marketo_write_lead", "'Read-Write Lead'"),
    "no schema": (
        _withdraw(Permission.SCHEMA_CUSTOM, Permission.SCHEMA_STANDARD),
        "marketo_schema",
        "'Read-Write Schema Custom Field'",
    ),
    "no activities": (
        _withdraw(Permission.READ_ACTIVITY, Permission.WRITE_ACTIVITY),
        "marketo_read_activities",
        "'Read-Only Activity'",
    ),
    "no activity metadata": (
        _withdraw(Permission.READ_ACTIVITY_METADATA, Permission.WRITE_ACTIVITY_METADATA),
        "marketo_activity_metadata",
        "Activity Metadata'",
    ),
    "activity type gone, metadata read-only": (_forget_type, "marketo_activity_type", "'Read-Write Activity Metadata'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_makes_exactly_its_own_check_fail(ready: Installation, fault: str) -> None:
    """
    Whatever is wrong, one check fails, names the setting or permission, and says what to do; nothing is written (T-33).
    """
    spoil, check, saying = FAULTS[fault]
    spoil(ready)

    report = ready.run()

    if fault == "no activities":  # the same permission covers adding activities: one fault, seen twice
        assert {one.name for one in report.failed} == {check, "marketo_write_activities"}
        assert saying in report.check(check).detail
        return
    assert_only_failure(report, check, saying=saying)
    assert report.provisioned == ()
    assert ready.writes() == [] or fault.startswith("activity type gone")


def test_adding_activities_is_checked_by_itself(ready: Installation) -> None:
    """A role that may read activities but not add them fails that check alone."""
    _withdraw(Permission.WRITE_ACTIVITY)(ready)

    assert_only_failure(ready.run(), "marketo_write_activities", saying="'Read-Write Activity'")


def test_missing_schema_permission_on_a_fresh_instance_leaves_the_fields_not_run(installation: Installation) -> None:
    """What can't be made for want of a permission is not a second fault."""
    _withdraw(Permission.SCHEMA_CUSTOM, Permission.SCHEMA_STANDARD)(installation)

    report = installation.run()

    assert_only_failure(report, "marketo_schema", saying="'Read-Write Schema Custom Field'")
    assert report.check("marketo_custom_fields").passed is None


def test_field_of_another_type_fails(installation: Installation) -> None:
    """A field that exists with the wrong type is named with both types, and nothing is done to it."""
    installation.sandbox.marketo.add_field("dynamicsIsDeleted", "string", display_name="Dynamics Is Deleted")

    report = installation.run()

    assert_only_failure(report, "marketo_custom_fields", saying="dynamicsIsDeleted is of type string, not boolean")
    assert installation.sandbox.marketo.database.fields.get("dynamicsIsDeleted").data_type is DataType.STRING
    assert "field dynamicsId" in report.provisioned


def test_hidden_field_fails_and_is_not_made_again(ready: Installation) -> None:
    """A hidden field is called hidden, not missing."""
    ready.sandbox.marketo.hide_field("syncToDynamics")

    assert_only_failure(ready.run(), "marketo_custom_fields", saying="syncToDynamics exists but is hidden")


def test_read_only_field_fails(ready: Installation) -> None:
    """A field the API may not write is no use for keeping the identity."""
    ready.sandbox.marketo.set_field_read_only("dynamicsType")

    assert_only_failure(ready.run(), "marketo_custom_fields", saying="dynamicsType is read-only")


def test_display_name_of_another_field_fails_with_the_name(installation: Installation) -> None:
    """When Marketo refuses to make a field, its reason and the way out are told."""
    installation.sandbox.marketo.add_field("crmType", display_name="Dynamics Type")

    assert_only_failure(
        installation.run(), "marketo_custom_fields", saying="dynamicsType ('Dynamics Type') could not be made (1017"
    )


def test_id_that_cannot_be_searched_fails(ready: Installation) -> None:
    """People are found by the id field, so one that is not searchable is a fault of its own."""
    ready.sandbox.marketo.change_field("dynamicsId", is_custom=False)

    assert_only_failure(ready.run(), "marketo_searchable_id", saying="dynamicsId")


def test_activity_type_with_another_primary_attribute_fails(installation: Installation) -> None:
    """A type of that name that somebody else made is not used."""
    other = Definition("Something", "is", "was", TypeAttribute("topic", "Topic", is_primary=True))
    installation.sandbox.marketo.activity_types.create("dynamicsSyncRefused", other, "2026-01-01T00:00:00Z")

    assert_only_failure(installation.run(), "marketo_activity_type", saying="topic")


def test_tenth_activity_type_leaves_no_room(installation: Installation) -> None:
    """Marketo's limit of ten types is reported with its code."""
    for number in range(10):
        kind = Definition(f"Type {number}", "is", "was", TypeAttribute("topic", "Topic", is_primary=True))
        installation.sandbox.marketo.activity_types.create(f"type{number}", kind, "2026-01-01T00:00:00Z")

    assert_only_failure(installation.run(), "marketo_activity_type", saying="1027")
