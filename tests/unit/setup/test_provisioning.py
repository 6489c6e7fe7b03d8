"""What setup would make in Marketo, and how it tells one answer of a host from another."""

from __future__ import annotations

import pytest

from include.errors import ConfigError
from include.http import Response
from include.person_sync.config.settings import CustomFields
from include.person_sync.core.fields import Field, FieldMap, FieldType, Provision, Rule
from include.person_sync.setup.provisioning import identity_fields, optional_fields, refusal_type
from include.person_sync.setup.reach import api_answer

FAX = Field("no_fax", FieldType.BOOLEAN, "noFax", contact="donotfax", provision=Provision("No Fax", "boolean"))
FAX_TOO = Field(
    "no_fax_lead",
    FieldType.BOOLEAN,
    "noFax",
    lead="donotfax",
    rule=Rule.DYNAMICS_TO_MARKETO,
    provision=Provision("No Fax", "boolean"),
)
PAGER = Field("pager", FieldType.PHONE, "pager", contact="pager", provision=Provision("Pager", "phone"))
JOB = Field("job", FieldType.TEXT, "title", contact="jobtitle")
FIELD_MAP = FieldMap((FAX, FAX_TOO, PAGER, JOB))


def test_identity_fields_take_their_names_from_the_settings() -> None:
    """Three texts and one boolean, under whatever REST names are configured."""
    fields = identity_fields(CustomFields(dynamics_id="crmId"))

    assert [(one.name, one.data_type) for one in fields] == [
        ("crmId", "string"),
        ("dynamicsType", "string"),
        ("dynamicsIsDeleted", "boolean"),
        ("syncToDynamics", "string"),
    ]


def test_optional_fields_makes_nothing_when_nothing_is_wanted() -> None:
    """Permanent fields are only ever made on request."""
    assert optional_fields(FIELD_MAP, ()) == ()


@pytest.mark.parametrize("wanted", ["all", ["all"]])
def test_optional_fields_all_means_each_marketo_field_once(wanted: str | list[str]) -> None:
    """Two map entries that share a Marketo field need it made once."""
    assert [one.name for one in optional_fields(FIELD_MAP, wanted)] == ["noFax", "pager"]  # type: ignore[arg-type]


def test_optional_fields_by_name_gives_just_these() -> None:
    """A name chooses the map entry's field with its display name and type."""
    [field] = optional_fields(FIELD_MAP, ["pager"])

    assert (field.name, field.display_name, field.data_type) == ("pager", "Pager", "phone")


@pytest.mark.parametrize("name", ["job", "noFax", "nobody"])
def test_optional_fields_refuses_a_name_without_a_custom_field_and_lists_the_valid_ones(name: str) -> None:
    """A standard field, a REST name or a typing mistake is refused with the names that would do."""
    with pytest.raises(ConfigError, match=name) as caught:
        optional_fields(FIELD_MAP, ["pager", name])

    assert "no_fax, no_fax_lead, pager" in caught.value.remedy


def test_refusal_type_has_a_reason_and_the_attributes_a_refusal_is_reported_with() -> None:
    """The primary attribute says why; the others what, which way, with which code, which fields, which dead letter."""
    kind = refusal_type("dynamicsSyncRefused")

    assert kind.primary_attribute.api_name == "reason"
    assert {one.api_name for one in kind.attributes} == {"operation", "direction", "errorCode", "fields", "letter"}
    assert {one.data_type for one in (kind.primary_attribute, *kind.attributes)} == {"string"}


@pytest.mark.parametrize(
    ("status", "body"),
    [(401, b""), (400, b'{"error":"invalid_request"}'), (403, b"<html>"), (500, b""), (200, b'{"UserId":"1"}')],
)
def test_api_answer_accepts_every_way_to_refuse_a_stranger(status: int, body: bytes) -> None:
    """An API may refuse a caller without credentials in ways that are not documented."""
    assert api_answer(Response(status, {}, body)) is None


@pytest.mark.parametrize(("status", "body"), [(404, b""), (302, b""), (405, b"{}"), (200, b"<html>log in</html>")])
def test_api_answer_notices_another_service(status: int, body: bytes) -> None:
    """A missing page, a redirect or a web page means that the host is a different one."""
    assert api_answer(Response(status, {}, body))
