"""The report of setup as JSON and as text."""

from __future__ import annotations

import json

import pytest

from include.person_sync.core.fields import Field, FieldType, Rule, Table
from include.person_sync.core.schema import DroppedField, DynamicsColumn, EffectiveField, MarketoColumn
from include.person_sync.setup.report import Check, SetupReport, TableFields

PASSED = Check("marketo_host", passed=True, detail="answers over TLS.", remedy="not shown")
FAILED = Check("dynamics_secret", passed=False, detail="wrong.", remedy="give another.")
NOT_RUN = Check("field_map", passed=None, detail="needs 'dynamics secret' to pass first.", remedy="Mend that.")


def _fields() -> TableFields:
    field = Field("job", FieldType.TEXT, "title", contact="jobtitle")
    effective = EffectiveField(
        field, Table.CONTACT, MarketoColumn("title", "string"), DynamicsColumn("jobtitle", "String"), Rule.TWO_WAY
    )
    narrow = EffectiveField(
        Field("score", FieldType.INTEGER, "leadScore", contact="new_score"),
        Table.CONTACT,
        MarketoColumn("leadScore", "score", read_only=True),
        DynamicsColumn("new_score", "Integer"),
        Rule.MARKETO_TO_DYNAMICS,
    )
    return TableFields((effective, narrow), (DroppedField("fax", Table.CONTACT, "it does not exist", "Create it."),))


def test_report_is_ok_when_nothing_failed_even_if_something_was_not_run() -> None:
    """A check that can't tell is no failure."""
    assert SetupReport((PASSED, NOT_RUN)).ok
    assert not SetupReport((PASSED, FAILED, NOT_RUN)).ok
    assert SetupReport((PASSED, FAILED, NOT_RUN)).failed == (FAILED,)


def test_report_as_json_holds_everything_and_is_json() -> None:
    """Programs get every check, what was made, and the fields per table with reasons."""
    report = SetupReport((PASSED, FAILED), ("field a",), ("note",), {Table.CONTACT: _fields()})

    value = json.loads(json.dumps(report.as_json()))

    assert value["ok"] is False
    assert value["checks"][1] == {
        "name": "dynamics_secret",
        "passed": False,
        "detail": "wrong.",
        "remedy": "give another.",
    }
    assert (value["provisioned"], value["warnings"]) == (["field a"], ["note"])
    assert value["fields"]["contact"]["narrowed"] == ["score"]
    assert value["fields"]["contact"]["dropped"][0]["reason"] == "it does not exist"


def test_text_shows_outcome_remedy_fields_and_verdict() -> None:
    """People see one line per check, remedies of failed ones, the fields left out and why, and a last line."""
    text = SetupReport((PASSED, FAILED, NOT_RUN), ("field a",), ("note",), {Table.CONTACT: _fields()}).as_text()

    assert "ok       marketo host     answers over TLS." in text
    assert "FAILED   dynamics secret  wrong." in text
    assert "-> give another." in text
    assert "not shown" not in text
    assert "not run  field map" in text
    assert "made in Marketo: field a" in text
    assert "contact: 2 fields synced, 1 not" in text
    assert "score: only marketo_to_dynamics" in text
    assert "  fax: it does not exist\n  -> Create it.\n" in text
    assert text.endswith("1 check failed: dynamics secret.")


def test_text_of_a_good_report_says_so() -> None:
    """The last line tells that all is well."""
    assert SetupReport((PASSED,)).as_text().endswith("Everything is in place.")


def test_check_by_an_unknown_name_is_a_mistake() -> None:
    """Looking for a check that was never run must not look like one that passed."""
    with pytest.raises(KeyError):
        SetupReport((PASSED,)).check("marketo_hosts")
