"""The change feeds and what their readers have to live with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from include.sandbox.marketo import API_USER, ActivityIds, ClearedValue
from include.sandbox.marketo.activity_log import CHANGE_SCORE, CHANGE_VALUE, NEW_LEAD

from .conftest import error_code

if TYPE_CHECKING:
    from .conftest import Instance

_CHANGES = "/leadchanges"


def _attributes(row: dict[str, Any]) -> dict[str, Any]:
    return {attribute["name"].lower(): attribute["value"] for attribute in row["attributes"]}


def _lead(instance: Instance, **values: Any) -> tuple[int, str]:
    lead_id = instance.world.create({"email": "a@x.example", **values})
    instance.clock.advance(2)
    token = instance.paging_token(instance.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"))
    return lead_id, token


def test_new_lead_is_reported_without_its_values(instance: Instance) -> None:
    """A creation is a row of type 12, and its values are no changes."""
    token = instance.paging_token()
    [item] = instance.sync([{"email": "a@x.example", "firstName": "Ada", "lastName": "B"}])
    [row], _, _ = instance.feed(_CHANGES, token, fields="firstName,email")

    assert (row["activityTypeId"], row["leadId"], row["primaryAttributeValue"]) == (NEW_LEAD, item["id"], "Ada B")
    assert "fields" not in row
    assert _attributes(row)["source type"] == "Web service API"


def test_change_names_the_field_both_values_and_the_author(instance: Instance) -> None:
    """An API write carries `Web service API`, its user and its request id."""
    lead_id, token = _lead(instance, firstName="Ada")
    answer = instance.post(
        "/rest/v1/leads.json",
        {"action": "updateOnly", "lookupField": "id", "input": [{"id": lead_id, "firstName": "Adah"}]},
    )
    [row], _, _ = instance.feed(_CHANGES, token, fields="firstName")
    attributes = _attributes(row)

    assert row["activityTypeId"] == CHANGE_VALUE
    assert [(change["name"], change["oldValue"], change["newValue"]) for change in row["fields"]] == [
        ("firstName", "Ada", "Adah")
    ]
    assert (attributes["source"], attributes["reason"]) == ("Web service API", "Web service API")
    assert attributes["modifying user"] == API_USER
    assert attributes["request id"] == answer["requestId"]


def test_human_edit_is_told_from_an_api_write(instance: Instance) -> None:
    """An edit by hand says so, and a campaign's change names the campaign."""
    lead_id, token = _lead(instance)
    instance.world.edit(lead_id, {"city": "Oslo"})
    instance.world.edit_by_campaign(lead_id, {"city": "Bergen"}, campaign="Welcome")
    rows, _, _ = instance.feed(_CHANGES, token, fields="city")

    assert [(_attributes(row)["source"], _attributes(row)["reason"]) for row in rows] == [
        ("Lead update", "Manual person edit"),
        ("Marketo Flow Action", "Changed by Smart Campaign Welcome"),
    ]


def test_same_value_leaves_no_trace(instance: Instance) -> None:
    """Writing what is already there is reported as updated and logs nothing."""
    lead_id, token = _lead(instance, city="Oslo")
    [item] = instance.sync([{"id": lead_id, "city": "Oslo"}], action="updateOnly", lookupField="id")

    assert item["status"] == "updated"
    assert instance.feed(_CHANGES, token, fields="city")[0] == []


def test_feed_gives_only_the_fields_asked_for(instance: Instance) -> None:
    """Changes of other fields are left out, unknown fields refused."""
    lead_id, token = _lead(instance)
    instance.world.edit(lead_id, {"city": "Oslo", "title": "CTO"})
    rows, _, _ = instance.feed(_CHANGES, token, fields="title")
    path = f"/rest/v1/activities{_CHANGES}.json"

    assert [row["fields"][0]["name"] for row in rows] == ["title"]
    assert error_code(instance.get(path, nextPageToken=token)) == "1002"
    assert error_code(instance.get(path, nextPageToken=token, fields="nothing")) == "1006"
    assert error_code(instance.get(path, nextPageToken="AAAA====", fields="title")) == "1003"


def test_score_changes_are_a_type_of_their_own(instance: Instance) -> None:
    """Scores do not appear among lead changes but as Change Score."""
    lead_id, token = _lead(instance, leadScore=5)
    instance.world.edit(lead_id, {"leadScore": 12})
    [row], _, _ = instance.feed("", token, activityTypeIds=CHANGE_SCORE)

    assert instance.feed(_CHANGES, token, fields="leadScore")[0] == []
    assert (row["leadId"], row["primaryAttributeValue"]) == (lead_id, "Person Score")
    assert {name: _attributes(row)[name] for name in ("change value", "old value", "new value")} == {
        "change value": "+7",
        "old value": "5",
        "new value": "12",
    }


def test_activities_name_fields_by_display_name(instance: Instance) -> None:
    """The same change is named `First Name` there and `firstName` in lead changes."""
    lead_id, token = _lead(instance)
    instance.world.edit(lead_id, {"firstName": "Ada"})
    [row], _, _ = instance.feed("", token, activityTypeIds="13")

    assert row["primaryAttributeValue"] == "First Name"
    assert "fields" not in row
    assert _attributes(row)["new value"] == "Ada"
    assert "old value" not in _attributes(row)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("unsubscribed", True, "True"),
        ("emailSuspendedAt", "2026-05-02T07:30:00Z", "2026-05-02 07:30:00"),
        ("numberOfEmployees", 12, "12"),
        ("annualRevenue", 10.5, "10.5"),
    ],
)
def test_log_spells_values_as_texts(instance: Instance, name: str, value: object, text: str) -> None:
    """Change values are texts in spellings of their own, unfit to be written back."""
    lead_id, token = _lead(instance)
    instance.world.edit(lead_id, {name: value})
    [row], _, _ = instance.feed(_CHANGES, token, fields=name)

    assert row["fields"][0]["newValue"] == text


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [(ClearedValue.NULL, {"newValue": None}), (ClearedValue.EMPTY, {"newValue": ""}), (ClearedValue.ABSENT, {})],
)
def test_cleared_field_is_spelled_in_three_ways(
    instance: Instance, spelling: ClearedValue, expected: dict[str, Any]
) -> None:
    """An emptied field has no new value, however that is written."""
    instance.world.settings.cleared_value = spelling
    lead_id, token = _lead(instance, city="Oslo")
    instance.world.edit(lead_id, {"city": None})
    [row], _, _ = instance.feed(_CHANGES, token, fields="city")

    assert {k: v for k, v in row["fields"][0].items() if k == "newValue"} == expected


def test_rows_of_one_second_may_straddle_two_reads(instance: Instance) -> None:
    """A stored token goes on inside a second; restarting from the second repeats its rows under the same GUIDs."""
    lead_id, token = _lead(instance)
    second = instance.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    instance.world.edit(lead_id, {"city": "Oslo"})
    first, after, _ = instance.feed(_CHANGES, token, fields="city")
    instance.world.edit(lead_id, {"city": "Bergen"})
    rest, _, _ = instance.feed(_CHANGES, after, fields="city")
    again, _, _ = instance.feed(_CHANGES, instance.paging_token(second), fields="city")

    assert len(first) == len(rest) == 1
    assert [row["marketoGUID"] for row in again] == [first[0]["marketoGUID"], rest[0]["marketoGUID"]]


def test_pages_short_and_empty_still_yield_each_row_once(instance: Instance) -> None:
    """Paging with short and empty pages ends, and repeats and loses nothing."""
    instance.world.settings.empty_page_every = 3
    instance.world.settings.short_page_every = 2
    instance.world.settings.activity_ids = ActivityIds.SOMETIMES
    token = instance.paging_token()
    ids = instance.world.create_many([({"lastName": "X"}, None)] * 1_000)
    rows, last, calls = instance.feed(_CHANGES, token, fields="city")

    assert [row["leadId"] for row in rows] == ids
    assert len({row["marketoGUID"] for row in rows}) == 1_000
    assert {"id" in row for row in rows} == {True, False}
    assert calls > 4
    assert instance.feed(_CHANGES, last, fields="city") == ([], last, 1)


def test_empty_page_has_no_result_and_says_more(instance: Instance) -> None:
    """An ordered empty page leaves the reader where it was."""
    token = instance.paging_token()
    instance.world.create({"lastName": "X"})
    instance.faults.add("marketo", "empty_page")
    path = f"/rest/v1/activities{_CHANGES}.json"
    page = instance.get(path, nextPageToken=token, fields="city")

    assert page["moreResult"] is True
    assert "result" not in page
    assert len(instance.get(path, nextPageToken=page["nextPageToken"], fields="city")["result"]) == 1


def test_rows_become_visible_late(instance: Instance) -> None:
    """A change can be read only after the visibility delay."""
    instance.world.settings.visibility_delay_s = 30
    lead_id, token = _lead(instance)
    instance.world.edit(lead_id, {"city": "Oslo"})
    early, same, _ = instance.feed(_CHANGES, token, fields="city")
    instance.clock.advance(31)
    late, _, _ = instance.feed(_CHANGES, same, fields="city")

    assert early == []
    assert len(late) == 1


def test_rows_out_of_order_are_missed_without_an_overlap(instance: Instance) -> None:
    """With jitter a stored token can pass a row by; reading again from earlier finds it."""
    instance.world.settings.visibility_jitter_s = 60
    lead_id, token = _lead(instance)
    seen: list[str] = []
    position = token
    for number in range(40):
        instance.world.edit(lead_id, {"city": f"Town {number}"})
        instance.clock.advance(2)
        rows, position, _ = instance.feed(_CHANGES, position, fields="city")
        seen += [row["marketoGUID"] for row in rows]
    instance.clock.advance(60)
    seen += [row["marketoGUID"] for row in instance.feed(_CHANGES, position, fields="city")[0]]
    everything = [row["marketoGUID"] for row in instance.feed(_CHANGES, token, fields="city")[0]]

    assert len(everything) == 40
    assert set(seen) < set(everything)
    assert len(seen) == len(set(seen))


def test_changes_are_forgotten_after_ninety_days(instance: Instance) -> None:
    """Old changes fall out of the feed, new leads stay."""
    token = instance.paging_token()
    lead_id = instance.world.create({"lastName": "X"})
    instance.world.edit(lead_id, {"city": "Oslo"})
    instance.clock.advance(91 * 86_400)
    rows, _, _ = instance.feed(_CHANGES, token, fields="city")

    assert [row["activityTypeId"] for row in rows] == [NEW_LEAD]


def test_paging_token_needs_a_zone(instance: Instance) -> None:
    """A moment without an offset, or with a plus that became a blank, is refused."""
    path = "/rest/v1/activities/pagingtoken.json"
    answer = instance.get(path, sinceDatetime="2026-05-02T07:30:00+02:00")

    assert "result" not in answer
    assert answer["nextPageToken"].endswith("=")
    assert error_code(instance.get(path, sinceDatetime="2026-05-02T07:30:00")) == "1003"
    assert error_code(instance.get(path, sinceDatetime="2026-05-02T07:30:00 02:00")) == "1003"
    assert error_code(instance.get(path)) == "1002"


def test_activity_limits_are_enforced(instance: Instance) -> None:
    """Ten types and thirty leads at most; types are required."""
    path, token = "/rest/v1/activities.json", instance.paging_token()

    assert error_code(instance.get(path, nextPageToken=token)) == "1002"
    assert error_code(instance.get(path, nextPageToken=token, activityTypeIds="1,2,3,6,7,8,9,10,11,12,13")) == "1003"
    assert (
        error_code(
            instance.get(path, nextPageToken=token, activityTypeIds="13", leadIds=",".join(map(str, range(1, 32))))
        )
        == "1003"
    )
    assert instance.send("GET", path, {"nextPageToken": token, "activityTypeIds": "13", "listId": 1},
                         headers=instance.headers()).status == 501  # fmt: skip


def test_merge_hands_the_losers_history_to_the_winner(instance: Instance) -> None:
    """After a merge the loser's rows carry the winner's id."""
    winner, loser = instance.world.create({"lastName": "A"}), instance.world.create({"lastName": "B"})
    instance.world.edit(loser, {"city": "Oslo"})
    instance.world.merge(winner, [loser])

    assert len(instance.world.activities(winner, CHANGE_VALUE)) == 1
    assert instance.world.activities(loser) == []
