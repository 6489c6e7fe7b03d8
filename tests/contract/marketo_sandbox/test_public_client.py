"""The sandbox as a client written by others sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
from marketorestpython.client import MarketoClient
from marketorestpython.helper.exceptions import MarketoException

if TYPE_CHECKING:
    from include.sandbox import Sandbox

_SINCE = "2020-01-01T00:00:00Z"
_TYPOGRAPHIC = "O\u2019Neil-岡田"


def test_client_signs_in_and_describes(client: MarketoClient) -> None:
    """The token is taken and both descriptions name the same writable fields."""
    described = client.describe()
    [described2] = client.describe2()
    writable = {one["rest"]["name"] for one in described if "rest" in one and not one["rest"]["readOnly"]}

    assert client.scope == "person-sync@api.example.com"
    assert writable == {one["name"] for one in described2["fields"] if one["updateable"]}
    assert {"email", "firstName", "company"} <= writable


def test_wrong_secret_fails_to_sign_in(sandbox: Sandbox, client: MarketoClient) -> None:
    """The 401 of the identity endpoint has the body that the client looks for."""
    stranger = MarketoClient("517-QXZ-204", sandbox.credentials.marketo_client_id, "guess")
    stranger.host = client.host

    with pytest.raises(Exception, match="secret is wrong"):
        stranger.describe()


def test_client_creates_finds_and_updates(sandbox: Sandbox, client: MarketoClient) -> None:
    """People go in and come out with apostrophes, emoji and other scripts intact."""
    people = [
        {"email": f"p{number}@x.example", "firstName": "Zoë 🌷", "lastName": _TYPOGRAPHIC, "title": "A, B & C + D"}
        for number in range(300)
    ]
    created = client.create_update_leads(people, action="createOnly")
    found = client.get_multiple_leads_by_filter_type(
        "email", [one["email"] for one in people], fields=["email", "firstName", "lastName", "title"]
    )
    updated = client.create_update_leads(
        [{"id": created[0]["id"], "title": None}], action="updateOnly", lookupField="id"
    )

    assert {one["status"] for one in created} == {"created"}
    assert {one["email"]: one["id"] for one in found} == {
        person["email"]: one["id"] for person, one in zip(people, created, strict=True)
    }
    assert {(one["firstName"], one["lastName"], one["title"]) for one in found} == {
        ("Zoë 🌷", _TYPOGRAPHIC, "A, B & C + D")
    }
    assert updated == [{"id": created[0]["id"], "status": "updated"}]
    assert "title" not in (sandbox.marketo.lead(created[0]["id"]) or {})


def test_client_pages_through_many_matches(sandbox: Sandbox, client: MarketoClient) -> None:
    """A filter with 700 matches is read in three pages."""
    ids = sandbox.marketo.create_many([({"email": "same@x.example"}, None)] * 700)
    found = client.get_multiple_leads_by_filter_type("email", ["same@x.example"], fields=["email"])

    assert sorted(one["id"] for one in found) == ids


def test_client_reads_human_edits_from_the_change_feed(sandbox: Sandbox, client: MarketoClient) -> None:
    """New people and changed values arrive, over short and empty pages."""
    sandbox.marketo.settings.empty_page_every = 2
    sandbox.marketo.settings.short_page_every = 3
    token = client.get_paging_token(_SINCE)
    ids = sandbox.marketo.create_many([({"lastName": "X"}, None)] * 350)
    for lead_id in ids:
        sandbox.marketo.edit(lead_id, {"city": "Oslo"})
    rows = client.get_lead_changes(["city"], nextPageToken=token)
    changed = [row["leadId"] for row in rows if row["activityTypeId"] == 13]

    assert sorted(changed) == ids
    assert len({row["marketoGUID"] for row in rows}) == 700


def test_client_merges_and_deletes(sandbox: Sandbox, client: MarketoClient) -> None:
    """A merge appears among the activities, a deletion among the deleted leads."""
    winner, loser, other = (sandbox.marketo.create({"lastName": name}) for name in "ABC")
    client.merge_lead(winner, [loser])
    deleted = client.delete_lead([other, loser])
    [merge] = client.get_lead_activities(["32"], sinceDatetime=_SINCE)
    [deletion] = client.get_deleted_leads(sinceDatetime=_SINCE)

    assert deleted[0] == {"id": other, "status": "deleted"}
    assert deleted[1]["reasons"][0]["code"] == "1004"
    assert (merge["leadId"], merge["attributes"][0]) == (winner, {"name": "Merge IDs", "value": [loser]})
    assert deletion["leadId"] == other
    with pytest.raises(MarketoException, match="1004"):
        client.get_lead_by_id(loser)


def test_client_makes_and_uses_a_custom_activity(sandbox: Sandbox, client: MarketoClient) -> None:
    """A type is created, given attributes, approved, used and read."""
    lead_id = sandbox.marketo.create({"lastName": "X"})
    [made] = client.create_custom_activity_type(
        "syncRefused", "Sync Refused", "Sync is Refused", "Sync was Refused", "direction", "Direction"
    )
    client.create_custom_activity_type_attribute(
        "syncRefused", [{"apiName": "code", "name": "Code", "dataType": "string"}]
    )
    [approved] = client.approve_custom_activity_type("syncRefused")
    record = {
        "leadId": lead_id,
        "activityDate": "2026-05-02T08:05:00Z",
        "activityTypeId": made["id"],
        "primaryAttributeValue": "to Dynamics",
        "attributes": [{"apiName": "code", "value": "0x80040265"}],
    }
    added = client.add_custom_activities([record, record | {"leadId": 99}])
    rows = client.get_lead_activities([str(made["id"])], sinceDatetime=_SINCE)

    assert approved["status"] == "approved"
    assert added[0]["status"] == "added"
    assert added[1]["errors"][0]["code"] == "1004"
    assert [row["primaryAttributeValue"] for row in rows] == ["to Dynamics"]
    assert "Sync Refused" in [one["name"] for one in client.get_activity_types()]


@pytest.mark.parametrize("code", ["607", "611", "603"])
def test_error_of_the_whole_call_reaches_the_client(sandbox: Sandbox, client: MarketoClient, code: str) -> None:
    """An ordered error arrives with its code, and the statistics count it."""
    sandbox.faults.add("marketo", code)
    with pytest.raises(MarketoException, match=code):
        client.describe()
    [errors] = client.get_daily_errors()

    assert errors["errors"] == [{"errorCode": code, "count": 1}]


def test_lost_answer_leaves_the_write_applied(sandbox: Sandbox, client: MarketoClient) -> None:
    """A connection that breaks after the work is done leaves a person behind."""
    client.describe()
    sandbox.faults.add("marketo", "lost_after", match="POST /rest/v1/leads.json")

    with pytest.raises(requests.ConnectionError):
        client.create_update_leads([{"email": "a@x.example"}])
    assert [one["email"] for one in sandbox.marketo.leads()] == ["a@x.example"]
