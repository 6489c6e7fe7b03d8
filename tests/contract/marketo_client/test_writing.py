from __future__ import annotations

import math

import pytest

from include.marketo import ActivityAttribute, LostBatch, NewCustomActivityType, NewField
from include.sandbox.marketo.settings import ErrorLevel
from tests.contract.marketo_client.conftest import NEW_FIELD

LEADS = "POST /rest/v1/leads.json"


def update(client, records, **options):
    """Write by id."""
    return client.sync_leads(records, action="updateOnly", lookup_field="id", **options)


def upsert(client, records, **options):
    """Write by the custom key."""
    return client.sync_leads(records, action="createOrUpdate", lookup_field=NEW_FIELD, **options)


def test_nothing_is_sent_when_a_write_is_empty(sandbox, client):
    """An empty batch makes no call at all."""
    assert update(client, []) == []
    assert client.add_activities([]) == []
    assert sandbox.calls("marketo") == []


def test_results_belong_to_their_records_when_there_are_many(sandbox, client):
    """700 creates go out in three calls; result i is the lead of record i."""
    records = [{NEW_FIELD: f"k{n}", "email": f"p{n}@x.example"} for n in range(700)]
    told = []

    results = upsert(client, records, on_batch=lambda offset, rows: told.append((offset, len(rows))))

    assert {result.status for result in results} == {"created"}
    assert all(sandbox.marketo.lead(r.id)[NEW_FIELD] == f"k{n}" for n, r in enumerate(results))
    assert told == [(0, 300), (300, 300), (600, 100)]
    assert client.calls == 3


def test_values_arrive_when_they_are_unusual(sandbox, client):
    """
    Unicode, emoji, quotes, line breaks and words that look like nothing are written as they are; None clears (S-07).
    """
    lead_id = sandbox.marketo.create({"email": "a@x.example", "title": "old", "phone": "1"})

    update(client, [{"id": lead_id, "lastName": "null", "firstName": 'Zoë "Q" 😀', "title": None, "phone": ""}])

    lead = sandbox.marketo.lead(lead_id)
    assert (lead["lastName"], lead["firstName"]) == ("null", 'Zoë "Q" 😀')
    assert (lead.get("title"), lead.get("phone")) == (None, None)


def test_repeat_changes_nothing_when_the_same_is_written_again(sandbox, client):
    """The second write of the same record finds the first one's lead."""
    record = {NEW_FIELD: "k", "email": "a@x.example", "title": "CTO"}
    first = upsert(client, [record])
    before = sandbox.marketo.leads()

    second = upsert(client, [record])

    assert [result.status for result in first + second] == ["created", "updated"]
    assert [lead["id"] for lead in sandbox.marketo.leads()] == [lead["id"] for lead in before]
    assert sandbox.marketo.lead(first[0].id)["title"] == "CTO"


def test_refused_record_leaves_the_others_alone_when_refused_by_itself(sandbox, client):
    """An unknown lead, a duplicate key and a bad value are skipped with Marketo's code; the rest is written (S-19)."""
    good = sandbox.marketo.create({"email": "a@x.example"})

    results = update(
        client, [{"id": good, "title": "b"}, {"id": 999_999, "title": "b"}, {"id": good, "leadScore": "x"}]
    )

    assert [result.status for result in results] == ["updated", "skipped", "skipped"]
    assert results[1].errors[0].code == "1004"
    assert results[2].errors[0].code in {"1001", "1003"}
    assert sandbox.marketo.lead(good)["title"] == "b"


def test_record_is_skipped_when_its_key_is_not_unique(sandbox, client):
    """Two leads with one key: 1007, and neither is touched."""
    for _ in range(2):
        sandbox.marketo.create({NEW_FIELD: "twin", "title": "old"})

    (result,) = upsert(client, [{NEW_FIELD: "twin", "title": "new"}])

    assert (result.status, result.errors[0].code) == ("skipped", "1007")
    assert {lead["title"] for lead in sandbox.marketo.find(**{NEW_FIELD: "twin"})} == {"old"}


@pytest.mark.parametrize("level", list(ErrorLevel))
def test_unknown_field_costs_only_its_record_when_a_batch_holds_one(sandbox, client, level):
    """Whether Marketo refuses the record or the whole call, the others are written and the outcome is the same."""
    before = sandbox.marketo.settings.unknown_field_level
    sandbox.marketo.settings.unknown_field_level = level
    ids = [sandbox.marketo.create({"email": f"p{n}@x.example"}) for n in range(40)]
    records = [{"id": lead_id, "title": "new"} for lead_id in ids]
    records[17]["nonsense"] = "x"

    try:
        results = update(client, records)
    finally:
        sandbox.marketo.settings.unknown_field_level = before

    assert [n for n, result in enumerate(results) if result.status == "skipped"] == [17]
    assert results[17].errors[0].code == "1006"
    assert sum(lead.get("title") == "new" for lead in sandbox.marketo.leads()) == 39


def test_nan_is_never_sent_when_a_record_holds_one(sandbox, client):
    """The record is named and skipped; its neighbour is written."""
    good = sandbox.marketo.create({"email": "a@x.example"})

    results = update(client, [{"id": good, "leadScore": math.nan}, {"id": good, "leadScore": 7}])

    assert [result.status for result in results] == ["skipped", "updated"]
    assert "'leadScore'" in results[0].errors[0].message
    assert sandbox.marketo.lead(good)["leadScore"] == 7


def test_update_is_applied_when_its_answer_is_lost(sandbox, client):
    """An update by id whose answer is lost is simply sent again."""
    lead_id = sandbox.marketo.create({"email": "a@x.example"})
    sandbox.faults.add("marketo", "lost_after", match=LEADS)

    (result,) = update(client, [{"id": lead_id, "title": "b"}])

    assert result.status == "updated"
    assert sandbox.marketo.lead(lead_id)["title"] == "b"


@pytest.mark.parametrize(("kind", "made"), [("lost_before", 0), ("lost_after", 1), ("truncated", 1), ("status", 0)])
def test_create_is_left_in_doubt_when_its_answer_is_lost(sandbox, client, kind, made):
    """A create is sent once: whether it was applied is for the caller to find out (S-03)."""
    sandbox.faults.add("marketo", kind, match=LEADS)

    with pytest.raises(LostBatch) as caught:
        upsert(client, [{NEW_FIELD: "k", "email": "a@x.example"}])

    assert (caught.value.start, caught.value.stop) == (0, 1)
    assert len(sandbox.marketo.find(**{NEW_FIELD: "k"})) == made
    assert sum(call.path == "/rest/v1/leads.json" for call in sandbox.calls("marketo")) == 1


def test_upsert_makes_one_person_when_the_server_timed_out_after_applying(sandbox, client):
    """604 after the work was done: the smaller batches find what the first attempt made."""
    sandbox.faults.add("marketo", "applied_then_timed_out", match=LEADS)

    results = upsert(client, [{NEW_FIELD: f"k{n}"} for n in range(4)])

    assert [result.status for result in results] == ["updated"] * 4
    assert len(sandbox.marketo.leads()) == 4


def test_merge_ends_the_losers_when_there_are_some(sandbox, client):
    """The winner stays, the losers are gone."""
    winner, *losers = (sandbox.marketo.create({"email": f"{n}@x.example"}) for n in range(31))

    client.merge_leads(winner, losers)

    assert [lead["id"] for lead in sandbox.marketo.leads()] == [winner]


def test_delete_reports_what_was_there_when_some_ids_are_unknown(sandbox, client):
    """Deleting twice is harmless and told."""
    lead_id = sandbox.marketo.create({"email": "a@x.example"})

    assert [result.status for result in client.delete_leads([lead_id, 999_999])] == ["deleted", "skipped"]
    assert sandbox.marketo.leads() == []


def test_field_exists_when_it_was_created(sandbox, client):
    """A created field can be written at once; creating it again is refused without harm."""
    fields = [NewField("madeByApi", "Made By Api", "string", "of a test")]

    first, second = client.create_fields(fields), client.create_fields(fields)
    (result,) = upsert(client, [{NEW_FIELD: "k", "madeByApi": "v"}])

    assert (first[0].status, second[0].status, result.status) == ("created", "skipped", "created")
    assert sandbox.marketo.lead(result.id)["madeByApi"] == "v"


def test_activity_can_be_added_when_its_type_was_provisioned(sandbox, client):
    """Provisioning may be repeated; a record with an unknown lead is skipped, the others are added."""
    new = NewCustomActivityType(
        "personSyncRefused",
        "Person Sync Refused",
        "Person Sync Refused",
        "Person Sync Was Refused",
        ActivityAttribute("code", "Code"),
        (ActivityAttribute("reason", "Reason"), ActivityAttribute("direction", "Direction")),
    )
    for _ in range(2):
        client.create_custom_activity_type(new)
        kind = client.approve_custom_activity_type(new.api_name)
    assert kind.is_approved
    assert set(kind.attributes) >= {"reason", "direction"}

    lead_id = sandbox.marketo.create({"email": "a@x.example"})
    record = {
        "leadId": lead_id,
        "activityDate": "2026-05-02T08:05:00Z",
        "activityTypeId": kind.type_id,
        "primaryAttributeValue": "1004",
        "attributes": [{"apiName": "reason", "value": "gone"}],
    }
    results = client.add_activities([record, {**record, "leadId": 999_999}])

    assert [result.status for result in results] == ["added", "skipped"]
    assert results[1].errors[0].code == "1004"
    assert len(sandbox.marketo.activities(lead_id, kind.type_id)) == 1


def test_activity_is_left_in_doubt_when_its_answer_is_lost(sandbox, client):
    """Activities cannot be taken back, so a lost answer is never followed by a repeat."""
    sandbox.faults.add("marketo", "lost_after", match="POST /rest/v1/activities/external.json")

    with pytest.raises(LostBatch):
        client.add_activities([{"leadId": 1}])
