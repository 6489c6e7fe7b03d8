"""Sync Leads: actions, lookups, values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from include.sandbox.marketo import CompanyFields, ErrorLevel, OverLength

from .conftest import error_code, reason_code

if TYPE_CHECKING:
    from .conftest import Instance

_LEADS = "/rest/v1/leads.json"


def test_results_stand_in_the_order_of_the_input(instance: Instance) -> None:
    """Outcomes are matched by position alone."""
    known = instance.world.create({"email": "known@x.example"})
    items = instance.sync([{"email": "new@x.example"}, {"email": None}, {"email": "KNOWN@x.example", "title": "CTO"}])

    assert [item["status"] for item in items] == ["created", "skipped", "updated"]
    assert items[2]["id"] == known
    assert set(items[1]) == {"status", "reasons"}


@pytest.mark.parametrize(
    ("action", "key", "expected"),
    [
        ("createOrUpdate", "new@x.example", "created"),
        ("createOrUpdate", "known@x.example", "updated"),
        ("createOrUpdate", "twice@x.example", "1007"),
        ("createOnly", "new@x.example", "created"),
        ("createOnly", "known@x.example", "1005"),
        ("createOnly", "twice@x.example", "1007"),
        ("updateOnly", "new@x.example", "1004"),
        ("updateOnly", "known@x.example", "updated"),
        ("updateOnly", "twice@x.example", "1007"),
        ("createDuplicate", "known@x.example", "created"),
    ],
)
def test_action_decides_what_a_match_means(instance: Instance, action: str, key: str, expected: str) -> None:
    """Each action treats no match, one match and several in its own way."""
    for email in ("known@x.example", "twice@x.example", "twice@x.example"):
        instance.world.create({"email": email})
    [item] = instance.sync([{"email": key, "title": "CTO"}], action=action)

    assert expected in {item["status"], item.get("reasons", [{}])[0].get("code")}


def test_id_goes_with_update_only_by_id(instance: Instance) -> None:
    """`id` is accepted in that one combination."""
    lead_id = instance.world.create({"email": "a@x.example"})
    [updated] = instance.sync([{"id": lead_id, "title": "CTO"}], action="updateOnly", lookupField="id")
    [missing] = instance.sync([{"id": 99, "title": "CTO"}], action="updateOnly", lookupField="id")
    [upsert] = instance.sync([{"id": lead_id, "email": "a@x.example"}])
    [by_email] = instance.sync([{"id": lead_id, "email": "a@x.example"}], action="updateOnly")

    assert updated == {"id": lead_id, "status": "updated"}
    assert reason_code(missing) == "1004"
    assert reason_code(upsert) == "1003"
    assert reason_code(by_email) == "1003"


def test_custom_key_serves_for_lookups(instance: Instance) -> None:
    """People are created and found again by a custom text field."""
    instance.world.add_field("dynamicsId")
    [created] = instance.sync([{"dynamicsId": "c1", "lastName": "A"}], action="createOnly", lookupField="dynamicsId")
    [again] = instance.sync([{"dynamicsId": "c1", "lastName": "B"}], action="createOnly", lookupField="dynamicsId")
    [updated] = instance.sync([{"dynamicsId": "C1", "lastName": "C"}], lookupField="dynamicsId")

    assert created["status"] == "created"
    assert reason_code(again) == "1005"
    assert updated == {"id": created["id"], "status": "updated"}


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"action": "upsert"}, "1003"),
        ({"lookupField": "firstName"}, "1011"),
        ({"lookupField": "nothing"}, "1011"),
        ({"partitionName": "Nowhere"}, "1008"),
        ({"partitionName": "Default", "action": "updateOnly"}, "1003"),
        ({"input": [{"email": "a@x.example"}] * 301}, "1003"),
        ({"input": ["a@x.example"]}, "1003"),
        ({"dedupe": True}, "1003"),
    ],
)
def test_request_is_refused_as_a_whole(instance: Instance, members: dict[str, Any], code: str) -> None:
    """A request that makes no sense changes nobody."""
    answer = instance.post(_LEADS, {"input": [{"email": "a@x.example"}], **members})

    assert error_code(answer) == code
    assert instance.world.leads() == []


def test_unknown_field_spoils_its_record_or_the_call(instance: Instance) -> None:
    """Both readings of 1006 can be switched on; neither writes the record."""
    record = {"email": "a@x.example", "nothing": 1}
    [item] = instance.sync([record])
    instance.world.settings.unknown_field_level = ErrorLevel.RESPONSE
    answer = instance.post(_LEADS, {"input": [{"email": "b@x.example"}, record]})

    assert reason_code(item) == "1006"
    assert error_code(answer) == "1006"
    assert instance.world.leads() == []


@pytest.mark.parametrize(
    ("name", "raw", "kept"),
    [
        ("title", "  Ōe 🎌 ", "  Ōe 🎌 "),
        ("leadScore", 7, 7),
        ("leadScore", 7.0, 7),
        ("annualRevenue", 10.5, 10.5),
        ("unsubscribed", True, True),
        ("dateOfBirth", "1980-02-29", "1980-02-29"),
        ("emailSuspendedAt", "2026-05-02T09:30:00+02:00", "2026-05-02T07:30:00Z"),
        ("emailSuspendedAt", "2026-05-02T07:30:00.123Z", "2026-05-02T07:30:00Z"),
        ("emailSuspendedAt", "2026-05-02T07:30:00", "2026-05-02T12:30:00Z"),
        ("lastName", "null", "null"),
    ],
)
def test_value_is_kept_as_answers_give_it(instance: Instance, name: str, raw: object, kept: object) -> None:
    """What is written comes back in the form that answers use."""
    [item] = instance.sync([{"email": "a@x.example", name: raw}])
    [read] = instance.find("id", [item["id"]], fields=name)["result"]

    assert read[name] == kept


@pytest.mark.parametrize(
    ("name", "raw", "code"),
    [
        ("title", 5, "1001"),
        ("leadScore", "abc", "1001"),
        ("leadScore", 1.5, "1001"),
        ("leadScore", True, "1001"),
        ("leadScore", 2**31, "1001"),
        ("annualRevenue", "10.5", "1001"),
        ("unsubscribed", "yes", "1001"),
        ("dateOfBirth", "1981-02-29", "1001"),
        ("dateOfBirth", "02/28/1981", "1001"),
        ("emailSuspendedAt", "yesterday", "1001"),
        ("email", "añe@x.example", "1001"),
        ("email", "nobody", "1001"),
        ("title", "x" * 256, "1003"),
        ("createdAt", "2026-05-02T07:30:00Z", "1003"),
    ],
)
def test_unusable_value_spoils_its_record(instance: Instance, name: str, raw: object, code: str) -> None:
    """A record with one bad value is skipped whole, with the code."""
    lead_id = instance.world.create({"email": "a@x.example"})
    [item] = instance.sync([{"id": lead_id, "city": "Oslo", name: raw}], action="updateOnly", lookupField="id")

    assert reason_code(item) == code
    assert "city" not in (instance.world.lead(lead_id) or {})


def test_too_long_text_may_be_cut(instance: Instance) -> None:
    """Silent truncation can be switched on; text areas are cut by bytes, between characters."""
    instance.world.settings.over_length = OverLength.TRUNCATE
    [item] = instance.sync([{"email": "a@x.example", "title": "x" * 256, "mktoPersonNotes": "ä" * 15_001}])
    lead = instance.world.lead(item["id"]) or {}

    assert lead["title"] == "x" * 255
    assert lead["mktoPersonNotes"] == "ä" * 15_000


@pytest.mark.parametrize("blank", [None, ""])
def test_null_and_blank_clear_a_field(instance: Instance, blank: str | None) -> None:
    """Both are kept as null; an omitted field stays."""
    lead_id = instance.world.create({"email": "a@x.example", "title": "CTO", "city": "Oslo", "unsubscribed": True})
    changes = {"id": lead_id, "title": blank, "unsubscribed": None}
    instance.sync([changes], action="updateOnly", lookupField="id")
    lead = instance.world.lead(lead_id) or {}

    assert "title" not in lead
    assert lead["city"] == "Oslo"
    assert lead["unsubscribed"] is False


def test_company_fields_are_closed_once_a_company_is_linked(instance: Instance) -> None:
    """Company fields can be written on unlinked people, or on nobody, depending on the instance."""
    [unlinked] = instance.sync([{"email": "a@x.example", "company": "Ajax"}])
    [linked] = instance.sync([{"email": "b@x.example", "company": "Ajax", "externalCompanyId": "77"}])
    instance.world.settings.company_fields = CompanyFields.REFUSED
    [refused] = instance.sync([{"email": "c@x.example", "company": "Ajax"}])

    assert unlinked["status"] == "created"
    assert reason_code(linked) == "1021"
    assert reason_code(refused) == "1021"


def test_partition_is_where_new_people_go(instance: Instance) -> None:
    """A record found in another partition is not moved by an upsert."""
    number = instance.world.add_partition("EMEA")
    [created] = instance.sync([{"email": "a@x.example"}], partitionName="EMEA")
    [other] = instance.sync([{"email": "a@x.example"}], partitionName="Default")
    instance.world.settings.partition_required = True

    assert (instance.world.lead(created["id"]) or {})["leadPartitionId"] == number
    assert reason_code(other) == "1010"
    assert error_code(instance.post(_LEADS, {"input": [{"email": "b@x.example"}]})) == "1009"


def test_updated_at_ignores_custom_fields(instance: Instance) -> None:
    """The visible `updatedAt` moves with standard fields only."""
    instance.world.add_field("crmId")
    lead_id = instance.world.create({"email": "a@x.example"})
    before = (instance.world.lead(lead_id) or {})["updatedAt"]
    instance.clock.advance(60)
    instance.sync([{"id": lead_id, "crmId": "1"}], action="updateOnly", lookupField="id")
    custom = (instance.world.lead(lead_id) or {})["updatedAt"]
    instance.sync([{"id": lead_id, "title": "CTO"}], action="updateOnly", lookupField="id")
    standard = (instance.world.lead(lead_id) or {})["updatedAt"]

    assert before == custom < standard


def test_human_refusals_are_value_errors(instance: Instance) -> None:
    """A person at the screen cannot enter what the API refuses."""
    with pytest.raises(ValueError, match="1001"):
        instance.world.create({"email": "añe@x.example"})
    with pytest.raises(KeyError):
        instance.world.edit(99, {"title": "CTO"})
