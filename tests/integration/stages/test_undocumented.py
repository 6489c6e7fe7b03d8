"""The vendors leave behaviours open; whichever way they go, people end up in step and nothing is written twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from include.sandbox.marketo import ActivityIds, ClearedValue, CompanyFields, ErrorLevel, NullPresence, OverLength

if TYPE_CHECKING:
    from tests.integration.stages.conftest import Pairing

MARKETO: dict[str, dict[str, Any]] = {
    "empty fields are always absent": {"null_presence": NullPresence.ABSENT},
    "empty fields are always null": {"null_presence": NullPresence.PRESENT},
    "look-ups tell upper from lower case": {"case_sensitive_lookups": True},
    "long texts are cut": {"over_length": OverLength.TRUNCATE},
    "an unknown field fails the call": {"unknown_field_level": ErrorLevel.RESPONSE},
    "company fields are refused": {"company_fields": CompanyFields.REFUSED},
    "activities have no id": {"activity_ids": ActivityIds.ABSENT},
    "a cleared value is absent": {"cleared_value": ClearedValue.ABSENT},
    "a cleared value is an empty text": {"cleared_value": ClearedValue.EMPTY},
    "dates end in +0000": {"activity_date_suffix": "+0000"},
    "attribute names are in title case": {"attribute_names_lower_case": False},
    "values at creation are changes": {"values_at_creation_logged": True},
    "the same value is a change": {"same_value_logged": True},
    "tokens leave their own second out": {"token_includes_its_second": False},
    "pages come short and empty": {"empty_page_every": 2, "short_page_every": 1},
}
DYNAMICS: dict[str, dict[str, Any]] = {
    "qualified leads may be written": {"qualified_leads_writable": True},
    "read-only columns are refused": {"read_only_columns_refused": True},
    "an empty text stays empty": {"empty_text_is_null": False},
    "answers without content carry an ETag": {"etag_on_no_content": True},
    "an expired link answers 410": {"delta_expiry_status": 410, "delta_expiry_code": ""},
    "payload errors have the old code": {"empty_payload_codes": True},
    "a changed column ends every link": {"schema_change_expires_delta_links": True},
    "pages are small": {"max_page_size": 2},
}
READINGS = [(side, name) for side, readings in (("marketo", MARKETO), ("dynamics", DYNAMICS)) for name in readings]


@pytest.mark.parametrize(("side", "reading"), READINGS, ids=[name for _, name in READINGS])
def test_people_come_into_step_when(pairing: Pairing, side: str, reading: str) -> None:
    """Links, edits, collisions, creation, clearing and a refusal come out the same under every reading (S-22)."""
    settings = pairing.marketo.settings if side == "marketo" else pairing.dynamics.settings
    for name, value in (MARKETO if side == "marketo" else DYNAMICS)[reading].items():
        setattr(settings, name, value)
    lead, lead_row = pairing.pair("lead", "Ada@Example.com", jobtitle="CTO", mobilephone="1")
    contact, contact_row = pairing.pair("contact", "bob@example.com", jobtitle="CTO")
    pairing.cycle()
    assert pairing.context().store.count_links() == 2

    new = pairing.dynamics.create("contact", {"lastname": "O'Hara", "emailaddress1": "o@example.com"})
    asked = pairing.marketo.create({"lastName": "Lovelace", "email": "l@example.com"})
    pairing.marketo.edit(asked, {"syncToDynamics": "contact"})
    pairing.marketo.edit(lead, {"title": "CEO", "mobilePhone": "1" * 21, "city": "Bern"})
    pairing.dynamics.edit("lead", lead_row, {"jobtitle": "CFO", "address1_country": "Switzerland"})
    pairing.marketo.edit(contact, {"title": "CEO"})
    pairing.dynamics.edit("contact", contact_row, {"jobtitle": None, "address1_city": "Genf"})
    pairing.dynamics.expire_delta_links()
    pairing.cycle()

    row, person = pairing.dynamics.row("lead", lead_row), pairing.marketo.lead(lead)
    assert (row["jobtitle"], row["address1_city"], row["mobilephone"]) == ("CEO", "Bern", "1")
    assert (person["title"], person["country"]) == ("CEO", "Switzerland")
    assert pairing.marketo.lead(contact).get("title") is None
    assert pairing.marketo.lead(contact)["city"] == "Genf"
    assert [one["dynamicsId"] for one in pairing.marketo.find(email="o@example.com")] == [new]
    made = pairing.marketo.lead(asked)["dynamicsId"]
    assert pairing.dynamics.row("contact", made)["lastname"] == "Lovelace"
    assert len(pairing.dynamics.rows("contact")) == 3
    pairing.quiet()
