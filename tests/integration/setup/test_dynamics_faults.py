"""Each fault on the Dynamics side makes its own check fail and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from include.person_sync.core.fields import Table
from tests.integration.setup.conftest import assert_only_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.setup.conftest import Installation


def _connect(extra: dict[str, Any] | None = None, **parts: str) -> Callable[[Installation], None]:
    return lambda installation: installation.change_connection("dynamics", extra=extra, **parts)


def _point_elsewhere(installation: Installation) -> None:
    installation.change_connection("dynamics", host=installation.sandbox.authority)


def _leave_tenant(installation: Installation) -> None:
    installation.sandbox.entra.resources.clear()


def _expire_secret(installation: Installation) -> None:
    installation.sandbox.entra.applications[installation.sandbox.credentials.dynamics_client_id].secret_expired = True


FAULTS = {
    "no host": (_connect(host=""), "dynamics_connection", "host"),
    "no tenant": (_connect({"tenant_id": ""}), "dynamics_connection", "extra.tenant_id"),
    "nobody listens": (_connect(host="https://localhost:1"), "dynamics_host", "'host'"),
    "another service": (_point_elsewhere, "dynamics_host", "crm.dynamics.com"),
    "authority away": (_connect({"authority": "https://localhost:1"}), "dynamics_sign_in_host", "extra.authority"),
    "wrong tenant": (_connect({"tenant_id": "fabrikam.example"}), "dynamics_tenant", "AADSTS90002"),
    "organisation of another tenant": (_leave_tenant, "dynamics_tenant", "AADSTS500011"),
    "wrong application": (
        _connect(login="00000000-0000-0000-0000-00000000000a"),
        "dynamics_application_id",
        "AADSTS700016",
    ),
    "wrong secret": (_connect(password="guess"), "dynamics_secret", "AADSTS7000215"),
    "expired secret": (_expire_secret, "dynamics_secret", "AADSTS7000222"),
    "no secret": (_connect(password=""), "dynamics_secret", "extra.certificate_path"),
    "no such certificate": (_connect({"certificate_path": "/nowhere.pem"}), "dynamics_secret", "certificate"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_makes_exactly_its_own_check_fail(ready: Installation, fault: str) -> None:
    """Address, tenant, application and secret are told apart, each with the setting to correct (T-33)."""
    spoil, check, saying = FAULTS[fault]
    spoil(ready)

    report = ready.run()

    assert_only_failure(report, check, saying=saying)
    assert report.check("field_map").passed is None
    assert report.provisioned == ()


def _forget_user(installation: Installation) -> None:
    installation.sandbox.dynamics.application_users.clear()


def _disable_user(installation: Installation) -> None:
    dynamics = installation.sandbox.dynamics
    dynamics.edit("systemuser", dynamics.user_id, {"isdisabled": True})


def _without_versions(installation: Installation) -> None:
    installation.sandbox.dynamics.organization.table("lead").optimistic_concurrency = False


RIGHTS = {
    "no application user": (_forget_user, "dynamics_application_user", "not a user of the organisation"),
    "user disabled": (_disable_user, "dynamics_application_user", "disabled"),
    "contact not readable": (
        lambda one: one.sandbox.dynamics.revoke("Read", "contact"),
        "dynamics_contact_privileges",
        "prvReadContact",
    ),
    "contact readable in part": (
        lambda one: one.sandbox.dynamics.grant("Read", "contact", "Local"),
        "dynamics_contact_privileges",
        "prvReadContact reaches only as far as Local",
    ),
    "leads not to be created": (
        lambda one: one.sandbox.dynamics.revoke("Create", "lead"),
        "dynamics_lead_privileges",
        "prvCreateLead",
    ),
    "contacts not to be appended to": (
        lambda one: one.sandbox.dynamics.revoke("AppendTo", "contact"),
        "dynamics_contact_privileges",
        "prvAppendToContact",
    ),
    "accounts not readable": (
        lambda one: one.sandbox.dynamics.revoke("Read", "account"),
        "dynamics_lookup_privileges",
        "prvReadAccount",
    ),
    "users not readable": (
        lambda one: one.sandbox.dynamics.revoke("Read", "systemuser"),
        "dynamics_lookup_privileges",
        "prvReadUser",
    ),
    "no lead table": (lambda one: one.sandbox.dynamics.remove_table("lead"), "dynamics_lead_table", "Sales"),
    "contact changes not tracked": (
        lambda one: one.sandbox.dynamics.set_change_tracking("contact", on=False),
        "dynamics_contact_change_tracking",
        "Track changes",
    ),
    "lead changes not tracked": (
        lambda one: one.sandbox.dynamics.set_change_tracking("lead", on=False),
        "dynamics_lead_change_tracking",
        "Track changes",
    ),
    "leads without versions": (_without_versions, "dynamics_lead_version_checks", "If-Match"),
    "mapped column hidden": (
        lambda one: one.sandbox.dynamics.secure_column("contact", "jobtitle"),
        "column_security",
        "contact.jobtitle",
    ),
    "column the sync needs hidden": (
        lambda one: one.sandbox.dynamics.secure_column("lead", "emailaddress1"),
        "column_security",
        "lead.emailaddress1",
    ),
    "nothing left to sync": (
        lambda one: one.write_settings("fields:\n  x: {type: text, marketo: firstName, contact: new_x, lead: new_x}"),
        "field_map",
        "None of the mapped fields",
    ),
}


@pytest.mark.parametrize("fault", RIGHTS)
def test_missing_right_or_property_makes_exactly_its_own_check_fail(ready: Installation, fault: str) -> None:
    """Each privilege, table property and hidden column is a check of its own (T-33)."""
    spoil, check, saying = RIGHTS[fault]
    spoil(ready)

    assert_only_failure(ready.run(), check, saying=saying)


def test_certificate_serves_in_place_of_the_secret(ready: Installation) -> None:
    """With a certificate the check names it, and passes."""
    path = str(ready.sandbox.client_certificate.file)
    ready.change_connection("dynamics", password="", extra={"certificate_path": path})

    report = ready.run()

    assert report.ok, report.as_text()
    assert "certificate" in report.check("dynamics_secret").detail


def test_column_that_is_missing_is_dropped_with_a_reason_and_fails_nothing(ready: Installation) -> None:
    """A column that an organisation lacks leaves one field out; the rest goes on."""
    ready.sandbox.dynamics.remove_column("contact", "jobtitle")

    report = ready.run()

    assert report.ok, report.as_text()
    dropped = {one.name: one for one in report.fields[Table.CONTACT].dropped}
    assert "jobtitle does not exist" in dropped["job_title"].reason
    assert dropped["job_title"].remedy
    assert "job_title" in {one.name for one in report.fields[Table.LEAD].effective}


def test_column_that_may_be_read_but_not_written_is_narrowed(ready: Installation) -> None:
    """A secured column with the right to read flows to Marketo only, and the report says so."""
    ready.sandbox.dynamics.secure_column("contact", "jobtitle", read=True)

    report = ready.run()

    assert report.ok, report.as_text()
    assert [one.name for one in report.fields[Table.CONTACT].narrowed if one.name == "job_title"] == ["job_title"]


def test_privileges_that_are_not_told_are_not_run(ready: Installation) -> None:
    """Without Read on users nothing is known of the other privileges: they are neither passed nor failed."""
    ready.sandbox.dynamics.revoke("Read", "systemuser")

    report = ready.run()

    assert report.check("dynamics_contact_privileges").passed is None
    assert "does not tell" in report.check("dynamics_contact_privileges").detail
