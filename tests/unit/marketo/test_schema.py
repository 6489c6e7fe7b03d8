from __future__ import annotations

import json

import pytest

from include.errors import ConfigError
from include.marketo import ActivityAttribute, MarketoField, NewCustomActivityType, NewField
from tests.unit.marketo.scripted_marketo import envelope, input_of, marketo, query_of, refusal

TYPE = NewCustomActivityType(
    "refused",
    "Refused",
    "Was Refused",
    "Was Refused",
    ActivityAttribute("code", "Code"),
    (ActivityAttribute("why", "Why"),),
)


def test_describe_gives_rest_fields_when_others_are_listed_too(tmp_path):
    """Fields without a REST name are left out; lengths and flags are read whatever their JSON type."""
    result = [
        {
            "id": 53,
            "displayName": "First Name",
            "dataType": "String",
            "length": 255,
            "rest": {"name": "firstName", "readOnly": "false"},
        },
        {"id": "1", "displayName": "Id", "dataType": "integer", "rest": {"name": "id", "readOnly": True}},
        {"id": 9, "displayName": "Soap only", "dataType": "string", "soap": {"name": "x"}},
    ]
    with marketo(tmp_path, [envelope(result)]) as scene:
        assert scene.client.describe() == [
            MarketoField("firstName", "First Name", "string", 255, read_only=False, field_id=53),
            MarketoField("id", "Id", "integer", None, read_only=True, field_id=1),
        ]


def test_describe_falls_back_when_the_older_endpoint_is_gone(tmp_path):
    """describe2 says the same without field ids."""
    fields = [{"name": "email", "displayName": "Email", "dataType": "email", "length": 255, "updateable": False}]
    with marketo(tmp_path, [refusal("610"), envelope([{"name": "API Lead", "fields": fields}])]) as scene:
        assert scene.client.describe() == [MarketoField("email", "Email", "email", 255, read_only=True, field_id=None)]


def test_schema_fields_follow_pages_when_there_are_many(tmp_path):
    """All fields come, hidden ones included; a flag that older answers lack is false."""
    pages = [
        envelope([{"name": "a", "dataType": "string", "isHidden": True}], nextPageToken="A", moreResult=True),
        envelope([{"name": "b", "dataType": "string", "isCustom": True}], nextPageToken="B", moreResult=False),
    ]
    with marketo(tmp_path, pages) as scene:
        fields = scene.client.schema_fields()

    assert [(field.name, field.is_hidden, field.is_custom, field.is_api_created) for field in fields] == [
        ("a", True, False, False),
        ("b", False, True, False),
    ]


def test_fields_are_created_when_asked_and_results_stay_in_order(tmp_path):
    """One item per field, with its reason when it exists already."""
    result = [
        {"name": "dynamicsId", "status": "created"},
        {"name": "x", "status": "skipped", "reasons": [{"code": "1017", "message": "exists"}]},
    ]
    with marketo(tmp_path, [envelope(result)]) as scene:
        rows = scene.client.create_fields(
            [NewField("dynamicsId", "Dynamics Id", "string", "Key"), NewField("x", "X", "boolean")]
        )

    assert [row.status for row in rows] == ["created", "skipped"]
    assert input_of(scene.rest[0]) == [
        {"displayName": "Dynamics Id", "name": "dynamicsId", "dataType": "string", "description": "Key"},
        {"displayName": "X", "name": "x", "dataType": "boolean"},
    ]


class Types:
    """Plays the endpoints of custom activity types."""

    def __init__(self, status=None, attributes=()) -> None:
        self.status, self.attributes, self.writes = status, list(attributes), []

    def __call__(self, call):
        """Answer one call."""
        path = call.target.split("?")[0].removeprefix("/rest/v1/activities/external/")
        if call.method == "POST":
            self.writes.append(path)
            self._write(path, call)
        return envelope([self.item()] if self.status else [])

    def item(self):
        """Return the type as Marketo lists it."""
        attributes = [{"apiName": name} for name in self.attributes]
        return {"apiName": "refused", "id": "100001", "status": self.status, "attributes": attributes}

    def _write(self, path, call):
        if path == "type.json":
            self.status = "draft"
        elif path.endswith("attributes/create.json"):
            self.attributes += [attribute["apiName"] for attribute in json.loads(call.body)["attributes"]]
            self.status = "draft" if self.status == "draft" else "approved with draft"
        else:
            self.status = "approved"


@pytest.mark.parametrize(
    ("types", "writes"),
    [
        (Types(), ["type.json", "type/refused/attributes/create.json", "type/refused/approve.json"]),
        (Types("draft"), ["type/refused/attributes/create.json", "type/refused/approve.json"]),
        (Types("draft", ["why"]), ["type/refused/approve.json"]),
        (Types("approved with draft", ["why"]), ["type/refused/approve.json"]),
        (Types("approved"), ["type/refused/attributes/create.json", "type/refused/approve.json"]),
        (Types("approved", ["why"]), []),
    ],
    ids=["nothing", "draft", "draft complete", "approved with draft", "attribute missing", "complete"],
)
def test_activity_type_is_completed_when_some_of_it_exists(tmp_path, types, writes):
    """Creating and approving may be repeated from any point: only what is missing is written."""
    with marketo(tmp_path, types) as scene:
        scene.client.create_custom_activity_type(TYPE)
        approved = scene.client.approve_custom_activity_type("refused")

    assert types.writes == writes
    assert (approved.type_id, approved.is_approved, approved.attributes) == (100001, True, ("why",))


def test_deleted_activity_types_are_left_out_when_listed(tmp_path):
    """A deleted type is as good as none."""
    with marketo(tmp_path, [envelope([{"apiName": "old", "status": "deleted"}])]) as scene:
        assert scene.client.custom_activity_types() == []


@pytest.mark.parametrize(
    ("result", "used"),
    [
        ([{"date": "2026-05-02", "total": "1310"}], 1310),
        ([{"date": "2026-05-01", "total": 9}, {"date": "2026-05-02", "total": 4}], 4),
        ([], 0),
        (None, 0),
    ],
)
def test_usage_gives_todays_calls_when_asked(tmp_path, result, used):
    """The latest day counts; nothing reported means nothing used."""
    with marketo(tmp_path, [envelope(result)]) as scene:
        assert scene.client.usage() == used


def test_connection_test_says_what_it_reached_when_all_is_well(tmp_path):
    """A sentence for a person, without the name of the API user."""
    field = {"id": 1, "displayName": "Id", "dataType": "integer", "rest": {"name": "id"}}
    with marketo(tmp_path, [envelope([field])]) as scene:
        assert "1 lead fields visible" in scene.client.test_connection()


def test_connection_test_fails_when_no_field_is_visible(tmp_path):
    """A login without access to leads is no working connection."""
    with marketo(tmp_path, [envelope([])]) as scene, pytest.raises(ConfigError, match="Read-Write Lead"):
        scene.client.test_connection()


def test_time_outs_lie_above_the_servers_own_when_nothing_is_set():
    """The server gives up first and says so."""
    from include.marketo import MarketoLimits, operations

    limits = MarketoLimits()

    assert operations.SYNC_LEADS.server_timeout_s + limits.timeout_margin_s > 90
    assert operations.PAGING_TOKEN.server_timeout_s + limits.timeout_margin_s > 300
    assert operations.MERGE_LEADS.server_timeout_s + limits.timeout_margin_s > 180


def test_activity_attributes_ask_for_the_draft_when_a_type_is_described(tmp_path):
    """What was just added is only visible in the draft."""
    with marketo(tmp_path, Types()) as scene:
        scene.client.create_custom_activity_type(TYPE)

    described = [call for call in scene.rest if "describe.json" in call.target]
    assert {query_of(call).get("draft") for call in described} == {"true"}
