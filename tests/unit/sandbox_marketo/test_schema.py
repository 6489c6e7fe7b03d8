"""The lead schema endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from include.sandbox.marketo import ErrorLevel

from .conftest import error_code, reason_code

if TYPE_CHECKING:
    from .conftest import Instance

_PATH = "/rest/v1/leads/schema/fields.json"
_NEW = {"displayName": "Dynamics Id", "name": "dynamicsId", "dataType": "string"}


def test_created_field_can_be_used_at_once(instance: Instance) -> None:
    """A field made by API is writable, searchable and 255 long."""
    answer = instance.post(_PATH, {"input": [_NEW]})
    [created] = instance.sync([{"dynamicsId": "c1"}], lookupField="dynamicsId")
    [shown] = instance.get("/rest/v1/leads/schema/fields/dynamicsId.json")["result"]

    assert answer["result"] == [{"name": "dynamicsId", "status": "created"}]
    assert created["status"] == "created"
    assert (shown["length"], shown["isCustom"], shown["isApiCreated"], shown["isHidden"]) == (255, True, True, False)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": "1abc"}, "1003"),
        ({"name": "a-b"}, "1003"),
        ({"name": ""}, "1002"),
        ({"name": "email"}, "1017"),
        ({"displayName": "Email Address"}, "1017"),
        ({"displayName": "Id <Dynamics>"}, "1003"),
        ({"dataType": "text"}, "1003"),
        ({"isHidden": "yes"}, "1001"),
        ({"length": 40}, "1003"),
    ],
)
def test_unusable_field_is_refused(instance: Instance, change: dict[str, Any], code: str) -> None:
    """One bad field is skipped, or spoils the call when so switched; no half-made field is left."""
    body = {"input": [_NEW | change]}
    [item] = instance.post(_PATH, body)["result"]
    instance.world.settings.schema_refusals = ErrorLevel.RESPONSE

    assert reason_code(item) == code
    assert error_code(instance.post(_PATH, body)) == code
    assert not [field for field in instance.world.database.fields if field.is_custom]


def test_hundred_fields_can_be_made_by_api(instance: Instance) -> None:
    """The hundred and first is refused."""
    fields = [{"displayName": f"F {n}", "name": f"f{n}", "dataType": "integer"} for n in range(101)]
    items = instance.post(_PATH, {"input": fields})["result"]

    assert [item["status"] for item in items] == ["created"] * 100 + ["skipped"]


def test_fields_are_listed_in_pages_with_hidden_ones(instance: Instance) -> None:
    """Paging by 40 yields each field once, hidden ones included."""
    instance.world.add_field("secret")
    instance.world.hide_field("secret")
    names: list[str] = []
    params: dict[str, Any] = {"batchSize": 40}
    while True:
        page = instance.get(_PATH, **params)
        names += [item["name"] for item in page["result"]]
        if not page["moreResult"]:
            break
        params["nextPageToken"] = page["nextPageToken"]

    assert names == [field.name for field in instance.world.database.fields]
    assert "secret" in names


def test_field_update_changes_what_may_change(instance: Instance) -> None:
    """Names and switches change; types, standard fields and hand-made fields' hiding do not."""
    instance.post(_PATH, {"input": [_NEW]})
    instance.world.add_field("byHand")
    path = "/rest/v1/leads/schema/fields/{}.json"
    changes = {"displayName": "CRM Id", "isHidden": True, "description": "key"}
    [updated] = instance.post(path.format("dynamicsId"), {"input": [changes]})["result"]
    [typed] = instance.post(path.format("dynamicsId"), {"input": [{"dataType": "integer"}]})["result"]
    [standard] = instance.post(path.format("email"), {"input": [{"description": "x"}]})["result"]
    [hiding] = instance.post(path.format("byHand"), {"input": [{"isHidden": True}]})["result"]

    assert updated == {"name": "dynamicsId", "status": "updated"}
    assert [reason_code(item) for item in (typed, standard, hiding)] == ["1003"] * 3
    assert reason_code(instance.sync([{"dynamicsId": "1", "email": "a@x.example"}])[0]) == "1006"
    assert error_code(instance.get(path.format("nothing"))) == "1006"
    assert error_code(instance.post(path.format("byHand"), {"input": [{}, {}]})) == "1003"
