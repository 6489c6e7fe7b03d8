from __future__ import annotations

import json

import pytest

from include.errors import ConfigError, ContractViolation, LostAnswer, QuotaExhausted, RetryableError
from include.marketo import CallRefused, LostBatch
from tests.unit.http.scripted_server import Answer, Wire
from tests.unit.marketo.scripted_marketo import envelope, input_of, marketo, query_of, refusal


def find(scene, values, fields=("email",), filter_type="id"):
    """Return all leads found, without their pages."""
    return [row for page in scene.client.leads_by(filter_type, values, fields) for row in page]


def test_lookup_is_a_form_when_it_asks_for_leads(tmp_path):
    """POST with _method=GET in the address and everything else in the body, so that 300 values fit."""
    with marketo(tmp_path, [envelope([])]) as scene:
        find(scene, ["a+b@x.example", "ü&=%"], ["email", "id"], "email")

    call = scene.rest[0]
    assert (call.method, call.target) == ("POST", "/rest/v1/leads.json?_method=GET")
    assert call.headers["content-type"] == "application/x-www-form-urlencoded"
    assert query_of(call) == {
        "_method": "GET",
        "filterType": "email",
        "filterValues": "a+b@x.example,ü&=%",
        "fields": "id,email",
        "batchSize": "300",
    }


def test_row_is_complete_when_marketo_leaves_empty_fields_out(tmp_path):
    """Absent and null are the same, an id in quotes is a number, and nothing unasked comes along."""
    with marketo(tmp_path, [envelope([{"id": "7", "extra": 1}, {"id": 8, "email": None}])]) as scene:
        assert find(scene, [7, 8]) == [{"id": 7, "email": None}, {"id": 8, "email": None}]


def test_lookup_asks_300_values_at_a_time_when_there_are_more(tmp_path):
    """Values are cut into calls; repeated, empty and unaskable ones are left out."""
    with marketo(tmp_path, [envelope([{"id": 1}])]) as scene:
        find(scene, [*range(601), 5, "", "a,b"])

    assert [query_of(call)["filterValues"].count(",") + 1 for call in scene.rest] == [300, 300, 1]


def test_nothing_is_sent_when_there_is_nothing_to_look_up(tmp_path):
    """No values, no call, no login."""
    with marketo(tmp_path, [envelope([])]) as scene:
        assert find(scene, []) == []
        assert scene.client.sync_leads([], action="updateOnly", lookup_field="id") == []
        assert scene.client.add_activities([]) == []
        assert scene.client.delete_leads([]) == []

    assert scene.server.received == []


def test_pages_are_followed_when_there_is_a_token(tmp_path):
    """The token goes into the next call with the same parameters, whether or not moreResult is there."""
    pages = [
        envelope([{"id": 1}], nextPageToken="A"),
        envelope([{"id": 2}], nextPageToken="B", moreResult=True),
        envelope([{"id": 3}], nextPageToken="C", moreResult=False),
    ]
    with marketo(tmp_path, pages) as scene:
        assert [row["id"] for row in find(scene, [1])] == [1, 2, 3]

    assert [query_of(call).get("nextPageToken") for call in scene.rest] == [None, "A", "B"]
    assert {query_of(call)["filterValues"] for call in scene.rest} == {"1"}


@pytest.mark.parametrize(
    "last", [envelope(None), envelope([], nextPageToken="B"), refusal("702", "No data found"), envelope([{"id": 1}])]
)
def test_lookup_ends_when_nothing_more_can_follow(tmp_path, last):
    """An absent or empty result, "no data found" and a page without token all end the lookup."""
    with marketo(tmp_path, [last]) as scene:
        find(scene, [1])

    assert len(scene.rest) == 1


def test_lookup_stops_when_the_token_stands_still(tmp_path):
    """A server that promises more for ever is reported instead of being asked for ever."""
    with (
        marketo(tmp_path, [envelope([{"id": 1}], nextPageToken="A", moreResult=True)]) as scene,
        pytest.raises(ContractViolation, match="stands still"),
    ):
        find(scene, [1])


@pytest.mark.parametrize(
    "trouble", [refusal("1003", "Too many results match the filter"), refusal(1003), refusal("604")]
)
def test_lookup_halves_the_values_when_they_match_too_much(tmp_path, trouble):
    """More than 1000 matches, or a time-out, are cured by asking for less at a time; every value is still asked for."""

    def respond(call):
        values = query_of(call)["filterValues"].split(",")
        return trouble if len(values) > 2 else envelope([{"id": int(value)} for value in values])

    with marketo(tmp_path, respond) as scene:
        assert [row["id"] for row in find(scene, range(1, 8))] == list(range(1, 8))


def test_lookup_is_refused_when_a_single_value_matches_too_much(tmp_path):
    """With one value there is nothing left to halve."""
    with (
        marketo(tmp_path, [refusal("1003", "Too many results match the filter")]) as scene,
        pytest.raises(CallRefused, match="Too many"),
    ):
        find(scene, [1, 2])


@pytest.mark.parametrize("code", ["1006", "1011"])
def test_lookup_is_a_configuration_error_when_a_field_is_unknown(tmp_path, code):
    """A field that does not exist or cannot be searched was named by the settings."""
    with marketo(tmp_path, [refusal(code, "Field 'x' not found")]) as scene, pytest.raises(ConfigError, match="'x'"):
        find(scene, [1])


def test_write_sends_what_is_documented_when_it_updates_by_id(tmp_path):
    """Action, lookup field and records in one JSON body, UTF-8, null for an empty value, one slash in the path."""
    with marketo(tmp_path, [envelope([{"id": 7, "status": "updated"}])]) as scene:
        results = scene.client.sync_leads(
            [{"id": 7, "firstName": "Zoë 😀", "title": None}], action="updateOnly", lookup_field="id"
        )

    call = scene.rest[0]
    assert (call.method, call.target) == ("POST", "/rest/v1/leads.json")
    assert call.headers["content-type"] == "application/json"
    assert json.loads(call.body) == {
        "action": "updateOnly",
        "lookupField": "id",
        "input": [{"id": 7, "firstName": "Zoë 😀", "title": None}],
    }
    assert "Zoë 😀".encode() in call.body
    assert (results[0].status, results[0].id, results[0].request_id) == ("updated", 7, "1a2b#18c0")


def test_write_names_the_partition_when_there_is_one(tmp_path):
    """The partition belongs to the call, not to a record."""
    with marketo(tmp_path, [envelope([{"id": 7, "status": "created"}])]) as scene:
        scene.client.sync_leads([{"email": "a"}], action="createOnly", lookup_field="email", partition="EMEA")

    assert json.loads(scene.rest[0].body)["partitionName"] == "EMEA"


@pytest.mark.parametrize("wire", [Wire.DROPPED, Wire.TRUNCATED])
def test_update_is_repeated_when_its_answer_is_lost(tmp_path, wire):
    """An updateOnly by id does the same thing twice without harm."""
    done = envelope([{"id": 7, "status": "updated"}])
    with marketo(tmp_path, [Answer(body=b"x" * 50, wire=wire), done]) as scene:
        assert scene.client.sync_leads([{"id": 7}], action="updateOnly", lookup_field="id")[0].status == "updated"

    assert len(scene.rest) == 2


@pytest.mark.parametrize("action", ["createOrUpdate", "createOnly", "createDuplicate"])
@pytest.mark.parametrize("answer", [Answer(wire=Wire.DROPPED), Answer(502), Answer(200, b'{"succ')])
def test_create_is_in_doubt_when_its_answer_is_lost(tmp_path, action, answer):
    """What might make a second person is never sent again before somebody has looked (S-03)."""
    with marketo(tmp_path, [answer]) as scene:
        with pytest.raises(LostBatch):
            scene.client.sync_leads([{"email": "a"}], action=action, lookup_field="email")

        assert len(scene.rest) == 1


def test_create_is_in_doubt_when_the_server_timed_out(tmp_path):
    """604 after createOnly: part of the batch may exist, and 1005 could not be told from an older person."""
    with marketo(tmp_path, [refusal("604")]) as scene, pytest.raises(LostBatch):
        scene.client.sync_leads([{"email": "a"}] * 4, action="createOnly", lookup_field="email")


def test_upsert_goes_on_with_smaller_batches_when_the_server_timed_out(tmp_path):
    """604 is an answer, so an upsert may follow: it finds what the first attempt has made."""

    def respond(call):
        records = input_of(call)
        return refusal("604") if len(records) > 2 else envelope([{"id": 1, "status": "updated"}] * len(records))

    with marketo(tmp_path, respond) as scene:
        results = scene.client.sync_leads([{"email": "a"}] * 4, action="createOrUpdate", lookup_field="email")

    assert [result.status for result in results] == ["updated"] * 4
    assert [len(input_of(call)) for call in scene.rest] == [4, 2, 2]


@pytest.mark.parametrize("code", ["606", "608", "614", "615", "713", "611"])
def test_create_is_repeated_when_it_was_not_started(tmp_path, code):
    """Codes that say "nothing was executed" allow a repeat even of a create."""
    with marketo(tmp_path, [refusal(code), envelope([{"id": 1, "status": "created"}])]) as scene:
        results = scene.client.sync_leads([{"email": "a"}], action="createOnly", lookup_field="email")

    assert results[0].status == "created"
    assert (scene.time.slept[0] >= 20) == (code == "606")


def test_write_stops_when_the_quota_is_used_up(tmp_path):
    """607 ends the write at once; what was written before has been reported."""
    told = []
    answers = [envelope([{"id": 1, "status": "updated"}] * 300), refusal("607")]
    with marketo(tmp_path, answers) as scene, pytest.raises(QuotaExhausted):
        scene.client.sync_leads(
            [{"id": n} for n in range(700)],
            action="updateOnly",
            lookup_field="id",
            on_batch=lambda offset, rows: told.append((offset, len(rows))),
        )

    assert told == [(0, 300)]
    assert len(scene.rest) == 2


def test_write_is_given_up_when_the_rate_limit_stays(tmp_path):
    """The bounded wait ends in an error that a scheduler may retry."""
    with marketo(tmp_path, [refusal("606")], attempts=3) as scene:
        with pytest.raises(RetryableError, match="606"):
            scene.client.sync_leads([{"id": 1}], action="updateOnly", lookup_field="id")

        assert len(scene.rest) == 3


def test_write_is_a_contract_violation_when_results_are_missing(tmp_path):
    """A success without results cannot be assigned to records."""
    with marketo(tmp_path, [envelope(None)]) as scene, pytest.raises(ContractViolation, match="1 records"):
        scene.client.sync_leads([{"id": 1}], action="updateOnly", lookup_field="id")


def test_delete_sends_ids_only_when_leads_are_deleted(tmp_path):
    """Deletion is by id, in the body."""
    with marketo(tmp_path, [envelope([{"id": 7, "status": "deleted"}])]) as scene:
        assert scene.client.delete_leads([7])[0].status == "deleted"

    assert scene.rest[0].target == "/rest/v1/leads/delete.json"
    assert input_of(scene.rest[0]) == [{"id": 7}]


def test_merge_names_losers_in_the_address_when_there_are_many(tmp_path):
    """At most 25 losers a call, in the query, with an empty but announced body."""
    with marketo(tmp_path, [envelope(None)]) as scene:
        scene.client.merge_leads(1, list(range(2, 32)))

    assert [query_of(call)["leadIds"].count(",") + 1 for call in scene.rest] == [25, 5]
    assert {call.target.split("?")[0] for call in scene.rest} == {"/rest/v1/leads/1/merge.json"}
    assert {call.headers["content-length"] for call in scene.rest} == {"0"}
    assert not any("content-type" in call.headers for call in scene.rest)


def test_merge_is_in_doubt_when_its_answer_is_lost(tmp_path):
    """A merge is not repeated blindly: the losers may be gone already."""
    with marketo(tmp_path, [Answer(wire=Wire.DROPPED)]) as scene, pytest.raises(LostAnswer):
        scene.client.merge_leads(1, [2])


def test_host_is_named_when_nothing_like_an_api_answers(tmp_path):
    """A 404 page in place of an envelope points at the setting."""
    with marketo(tmp_path, [Answer(404, b"<html>")]) as scene, pytest.raises(ConfigError, match="'host'"):
        scene.client.describe()


def test_answer_is_asked_for_once_more_when_it_is_malformed(tmp_path):
    """A query with half an answer is repeated; if that stays, it is a contract violation with a redacted excerpt."""
    with marketo(tmp_path, [Answer(200, b'{"result":[{"firstName":"Ada"')]) as scene:
        with pytest.raises(ContractViolation) as caught:
            find(scene, [1])

        assert len(scene.rest) == 2
        assert "Ada" not in caught.value.excerpt
