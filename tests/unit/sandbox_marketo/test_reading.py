"""Describing and reading leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from include.sandbox.clock import Clock
from include.sandbox.identifiers import Identifiers
from include.sandbox.marketo import MarketoWorld, NullPresence

from .conftest import error_code

if TYPE_CHECKING:
    from .conftest import Instance


def test_describe_lists_rest_fields_and_others(instance: Instance) -> None:
    """Only fields with a `rest` member may be used; a hidden one loses it."""
    instance.world.add_field("secret")
    instance.world.hide_field("secret")
    fields = {item["displayName"]: item for item in instance.get("/rest/v1/leads/describe.json")["result"]}

    assert fields["First Name"]["rest"] == {"name": "firstName", "readOnly": False}
    assert fields["First Name"]["length"] == 255
    assert fields["Person Score"]["dataType"] == "score"
    assert "length" not in fields["Person Score"]
    assert fields["Company Name"]["rest"]["name"] == "company"
    assert "rest" not in fields["secret"]
    assert "rest" not in fields["Lead Owner First Name"]


def test_field_ids_differ_between_instances() -> None:
    """Nobody can hard-code a field id."""
    ids = [
        MarketoWorld(clock=Clock(), identifiers=Identifiers(1), client_id="a", client_secret="b", instance=number)
        .database.fields.get("firstName")
        .id  # type: ignore[union-attr]  # a standard field
        for number in (1, 2)
    ]

    assert ids[0] != ids[1]


def test_describe2_says_which_fields_can_be_searched(instance: Instance) -> None:
    """Custom texts and integers can be searched, custom booleans and first names cannot."""
    instance.world.add_field("crmId")
    instance.world.add_field("crmNumber", "integer")
    instance.world.add_field("crmFlag", "boolean")
    [item] = instance.get("/rest/v1/leads/describe2.json")["result"]
    searchable = [names[0] for names in item["searchableFields"]]

    assert {"id", "email", "crmId", "crmNumber"} <= set(searchable)
    assert not {"firstName", "crmFlag", "company"} & set(searchable)
    assert {field["name"]: field["updateable"] for field in item["fields"]}["createdAt"] is False


def test_filter_finds_all_duplicates_without_case(instance: Instance) -> None:
    """One value may match several people."""
    ids = [instance.world.create({"email": text}) for text in ("Ada@x.example", "ada@x.example", "b@x.example")]
    found = instance.find("email", ["ADA@X.example", "nobody@x.example"])["result"]

    assert sorted(item["id"] for item in found) == ids[:2]


def test_filter_by_a_changed_key_finds_the_new_value_alone(instance: Instance) -> None:
    """The index follows an edit, a deletion and a merge."""
    first, second, third = (instance.world.create({"email": f"{name}@x.example"}) for name in "abc")
    instance.find("email", ["a@x.example"])
    instance.world.edit(first, {"email": "z@x.example"})
    instance.world.delete(second)
    instance.world.merge(first, [third])

    assert instance.find("email", ["a@x.example", "b@x.example", "c@x.example"])["result"] == []
    assert instance.find("email", ["z@x.example"])["result"] == [{"id": first}]


@pytest.mark.parametrize("where", ["query", "form"])
def test_method_override_is_understood_in_query_and_form(instance: Instance, where: str) -> None:
    """`_method=GET` works in both places that clients use."""
    lead_id = instance.world.create({"email": "a@x.example"})
    form = b"filterType=email&filterValues=a%40x.example" + (b"&_method=GET" if where == "form" else b"")
    params = {"_method": "GET"} if where == "query" else {}
    headers = instance.headers("application/x-www-form-urlencoded")
    reply = instance.send("POST", "/rest/v1/leads.json", params, body=form, headers=headers)

    assert f'"id":{lead_id}'.encode() in reply.body


def test_form_without_override_is_a_bad_sync_call(instance: Instance) -> None:
    """A form sent to Sync Leads is not taken for a query."""
    headers = instance.headers("application/x-www-form-urlencoded")
    reply = instance.send("POST", "/rest/v1/leads.json", body=b"filterType=email&filterValues=a", headers=headers)

    assert b'"612"' in reply.body


@pytest.mark.parametrize(
    ("field", "values", "code"),
    [
        ("firstName", ["Ada"], "1011"),
        ("updatedAt", ["2026-01-01"], "1011"),
        ("nothing", ["1"], "1011"),
        ("email", [], "1002"),
        ("email", [f"{n}@x.example" for n in range(301)], "1003"),
        ("id", ["abc"], "1001"),
    ],
)
def test_filter_is_refused_with_its_code(instance: Instance, field: str, values: list[str], code: str) -> None:
    """A filter that cannot be used refuses the whole call."""
    assert error_code(instance.find(field, values)) == code


def test_more_than_a_thousand_matches_are_refused(instance: Instance) -> None:
    """Too many matches are an error, not more pages."""
    instance.world.create_many([({"lastName": "X"}, None)] * 1_000)
    pages = instance.find("leadPartitionId", [1])
    instance.world.create({"lastName": "X"})

    assert len(pages["result"]) == 300
    assert error_code(instance.find("leadPartitionId", [1])) == "1003"


def test_pages_yield_each_match_once(instance: Instance) -> None:
    """Paging ends without a token and repeats nothing."""
    ids = instance.world.create_many([({"lastName": "X"}, None)] * 700)
    seen: list[int] = []
    token: dict[str, str] = {}
    for _ in range(3):
        page = instance.find("leadPartitionId", [1], **token)
        seen += [item["id"] for item in page["result"]]
        token = {"nextPageToken": page["nextPageToken"]} if "nextPageToken" in page else {}

    assert seen == ids
    assert token == {}


def test_page_token_belongs_to_its_parameters(instance: Instance) -> None:
    """A page token with another filter is refused."""
    instance.world.create_many([({"lastName": "X"}, None)] * 400)
    token = instance.find("leadPartitionId", [1])["nextPageToken"]

    assert error_code(instance.find("leadPartitionId", [1, 2], nextPageToken=token)) == "1003"
    assert error_code(instance.find("leadPartitionId", [1], nextPageToken="AAAA====")) == "1003"


def test_unknown_field_in_the_answer_is_1006(instance: Instance) -> None:
    """A field that does not exist refuses the call."""
    assert error_code(instance.find("email", ["a@x.example"], fields="id,nothing")) == "1006"


@pytest.mark.parametrize("presence", list(NullPresence))
def test_empty_field_is_null_or_absent(instance: Instance, presence: NullPresence) -> None:
    """Both spellings of "empty" exist, and one instance may mix them."""
    instance.world.settings.null_presence = presence
    ids = instance.world.create_many([({"lastName": "X"}, None)] * 2)
    items = instance.find("id", ids, fields="firstName,title,phone,lastName")["result"]
    present = {name in item for item in items for name in ("firstName", "title", "phone")}

    assert all(item["lastName"] == "X" and item.get("title") is None for item in items)
    assert (
        present
        == {
            NullPresence.PRESENT: {True},
            NullPresence.ABSENT: {False},
            NullPresence.SOMETIMES: {True, False},
        }[presence]
    )


def test_lead_by_id_has_default_fields(instance: Instance) -> None:
    """Without `fields` six of them are returned."""
    instance.world.settings.null_presence = NullPresence.PRESENT
    lead_id = instance.world.create({"lastName": "Ōe", "title": "CTO"})
    [item] = instance.get(f"/rest/v1/lead/{lead_id}.json")["result"]

    assert set(item) == {"id", "email", "firstName", "lastName", "createdAt", "updatedAt"}
    assert error_code(instance.get("/rest/v1/lead/99.json")) == "1004"
