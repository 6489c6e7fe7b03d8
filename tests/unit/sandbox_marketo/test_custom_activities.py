"""Custom activity types from draft to use, and their records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .conftest import error_code, reason_code

if TYPE_CHECKING:
    from .conftest import Instance

_EXTERNAL = "/rest/v1/activities/external"
_TYPE = {
    "apiName": "syncRefused",
    "name": "Sync Refused",
    "triggerName": "Sync is Refused",
    "filterName": "Sync was Refused",
    "primaryAttribute": {"apiName": "direction", "name": "Direction"},
}
_ATTRIBUTES = [
    {"apiName": "code", "name": "Code", "dataType": "string"},
    {"apiName": "tries", "name": "Tries", "dataType": "integer"},
]


def _create(instance: Instance, *, approve: bool = True) -> int:
    [made] = instance.post(f"{_EXTERNAL}/type.json", _TYPE)["result"]
    instance.post(f"{_EXTERNAL}/type/syncRefused/attributes/create.json", {"attributes": _ATTRIBUTES})
    if approve:
        instance.post(f"{_EXTERNAL}/type/syncRefused/approve.json")
    return int(made["id"])


def _record(lead_id: int, type_id: int, **changes: Any) -> dict[str, Any]:
    return {
        "leadId": lead_id,
        "activityDate": "2026-05-02T08:05:00Z",
        "activityTypeId": type_id,
        "primaryAttributeValue": "to Dynamics",
        "attributes": [{"apiName": "code", "value": "0x80040265"}, {"name": "Tries", "value": 3}],
        **changes,
    }


def test_type_goes_from_draft_to_approved_with_draft(instance: Instance) -> None:
    """Each step shows in the state; a draft does not touch what is approved."""
    states = [instance.post(f"{_EXTERNAL}/type.json", _TYPE)["result"][0]["status"]]
    path = f"{_EXTERNAL}/type/syncRefused"
    states.append(instance.post(f"{path}/approve.json")["result"][0]["status"])
    instance.post(f"{path}/attributes/create.json", {"attributes": _ATTRIBUTES})
    states.append(instance.get(f"{_EXTERNAL}/types.json")["result"][0]["status"])
    live = instance.get(f"{path}/describe.json")["result"][0]["attributes"]
    draft = instance.get(f"{path}/describe.json", draft="true")["result"][0]["attributes"]
    states.append(instance.post(f"{path}/discardDraft.json")["result"][0]["status"])

    assert states == ["draft", "approved", "approved with draft", "approved"]
    assert live == []
    assert [one["apiName"] for one in draft] == ["code", "tries"]


def test_steps_out_of_order_are_refused(instance: Instance) -> None:
    """Names are unique, approval needs a draft, unknown types are not found."""
    _create(instance)
    path = f"{_EXTERNAL}/type/syncRefused"

    assert error_code(instance.post(f"{_EXTERNAL}/type.json", _TYPE)) == "1017"
    assert error_code(instance.post(f"{path}/approve.json")) == "1003"
    assert error_code(instance.post(f"{path}/discardDraft.json")) == "1003"
    assert error_code(instance.post(f"{path}/attributes/create.json", {"attributes": _ATTRIBUTES})) == "1017"
    assert error_code(instance.get(f"{_EXTERNAL}/type/other/describe.json")) == "1013"
    assert error_code(instance.post(f"{_EXTERNAL}/type.json", {"apiName": "x"})) == "1002"
    assert error_code(instance.post(f"{path}.json", {"apiName": "other"})) == "1003"


def test_attributes_can_be_changed_and_removed_in_the_draft(instance: Instance) -> None:
    """Attribute changes wait for the next approval."""
    _create(instance)
    path = f"{_EXTERNAL}/type/syncRefused"
    instance.post(f"{path}/attributes/update.json", {"attributes": [{"apiName": "code", "name": "Error Code"}]})
    instance.post(f"{path}/attributes/delete.json", {"attributes": [{"apiName": "tries"}]})
    before = instance.get(f"{path}/describe.json")["result"][0]["attributes"]
    [approved] = instance.post(f"{path}/approve.json")["result"]

    assert [one["name"] for one in before] == ["Code", "Tries"]
    assert [one["name"] for one in approved["attributes"]] == ["Error Code"]


def test_ten_types_and_twenty_attributes_are_the_limit(instance: Instance) -> None:
    """The eleventh type and the twenty-first attribute are refused."""
    for number in range(10):
        instance.post(f"{_EXTERNAL}/type.json", _TYPE | {"apiName": f"t{number}", "name": f"T {number}"})
    attributes = [{"apiName": f"a{number}", "name": f"A {number}"} for number in range(20)]
    path = f"{_EXTERNAL}/type/t0/attributes/create.json"
    instance.post(path, {"attributes": attributes})

    assert error_code(instance.post(f"{_EXTERNAL}/type.json", _TYPE)) == "1027"
    assert error_code(instance.post(path, {"attributes": [{"apiName": "more", "name": "More"}]})) == "1028"


def test_record_appears_in_the_persons_log(instance: Instance) -> None:
    """A record is added once per call, with its attributes by name; the type then cannot be deleted."""
    type_id, lead_id = _create(instance), instance.world.create({"lastName": "X"})
    records = {"input": [_record(lead_id, type_id)]}
    first = instance.post(f"{_EXTERNAL}.json", records)["result"][0]
    instance.post(f"{_EXTERNAL}.json", records)
    rows, _, _ = instance.feed("", instance.paging_token(), activityTypeIds=type_id)

    assert first["status"] == "added"
    assert rows[0]["marketoGUID"] == first["marketoGUID"]
    assert len(rows) == 2
    assert rows[0]["primaryAttributeValue"] == "to Dynamics"
    assert rows[0]["activityDate"] == "2026-05-02T08:05:00Z"
    assert rows[0]["attributes"][0] == {"name": "Code", "value": "0x80040265", "apiName": "code"}
    assert error_code(instance.post(f"{_EXTERNAL}/type/syncRefused/delete.json")) == "1022"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"leadId": 99}, "1004"),
        ({"activityTypeId": 5}, "1003"),
        ({"activityDate": "2026-05-02"}, "1003"),
        ({"primaryAttributeValue": ""}, "1002"),
        ({"attributes": None}, "1002"),
        ({"attributes": [{"apiName": "nothing", "value": 1}]}, "1003"),
        ({"attributes": [{"apiName": "tries", "value": "three"}]}, "1001"),
        ({"attributes": [{"apiName": "code", "value": "x" * 70_000}]}, "1049"),
        ({"when": "now"}, "1003"),
    ],
)
def test_unusable_record_is_refused_under_errors(instance: Instance, change: dict[str, Any], code: str) -> None:
    """This endpoint calls its reasons `errors`."""
    type_id, lead_id = _create(instance), instance.world.create({"lastName": "X"})
    good = _record(lead_id, type_id)
    items = instance.post(f"{_EXTERNAL}.json", {"input": [good | change, good]})["result"]

    assert reason_code(items[0], "errors") == code
    assert items[1]["status"] == "added"


def test_draft_type_takes_no_records(instance: Instance) -> None:
    """Records need an approved type."""
    type_id, lead_id = _create(instance, approve=False), instance.world.create({"lastName": "X"})
    [item] = instance.post(f"{_EXTERNAL}.json", {"input": [_record(lead_id, type_id)]})["result"]

    assert reason_code(item, "errors") == "1003"


def test_types_list_standard_and_approved_custom_ones(instance: Instance) -> None:
    """Drafts are not among the activity types; New Lead has no primary attribute."""
    _create(instance, approve=False)
    before = {one["id"]: one for one in instance.get("/rest/v1/activities/types.json")["result"]}
    instance.post(f"{_EXTERNAL}/type/syncRefused/approve.json")
    after = [one["name"] for one in instance.get("/rest/v1/activities/types.json")["result"]]

    assert "primaryAttribute" not in before[12]
    assert before[13]["primaryAttribute"]["name"] == "Attribute Name"
    assert "Sync Refused" in after
    assert len(after) == len(before) + 1
