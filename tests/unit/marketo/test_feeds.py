from __future__ import annotations

from datetime import UTC, datetime

import pytest

from include.errors import ConfigError, ContractViolation
from include.marketo import Activity, ActivityType
from tests.unit.marketo.scripted_marketo import envelope, marketo, query_of, refusal


def activity(**members):
    """Return a change of one field as the feed writes it; members given as None are left out."""
    item = {
        "id": 90211,
        "marketoGUID": "g1",
        "leadId": 4711,
        "activityDate": "2026-05-02T07:31:05Z",
        "activityTypeId": 13,
        "fields": [{"id": 53, "name": "firstName", "oldValue": "Ada", "newValue": "Adah"}],
        "attributes": [{"name": "Source", "value": "Web service API"}],
        **members,
    }
    return {name: value for name, value in item.items() if value is not None}


def items_of(scene, fields=("firstName",)):
    """Return everything the lead-change feed gives."""
    return [item for page in scene.client.lead_changes("T", fields) for item in page.items]


def test_paging_token_asks_in_utc_when_a_feed_starts(tmp_path):
    """The moment carries its zone; the token comes without a result."""
    with marketo(tmp_path, [envelope(None, nextPageToken="GIY==")]) as scene:
        assert scene.client.paging_token(datetime(2026, 5, 2, 7, 30, tzinfo=UTC)) == "GIY=="

    assert query_of(scene.rest[0]) == {"sinceDatetime": "2026-05-02T07:30:00Z"}


def test_paging_token_is_a_contract_violation_when_it_is_missing(tmp_path):
    """No token, no feed."""
    with marketo(tmp_path, [envelope(None)]) as scene, pytest.raises(ContractViolation, match="no token"):
        scene.client.paging_token(datetime(2026, 5, 2, tzinfo=UTC))


def test_activity_is_read_when_it_comes_as_documented(tmp_path):
    """Key, lead, type, time, REST names of the changed fields and attributes by lower-case name; no values."""
    with marketo(tmp_path, [envelope([activity()], nextPageToken="N", moreResult=False)]) as scene:
        (item,) = items_of(scene)

    assert (item.guid, item.lead_id, item.type_id, item.fields) == ("g1", 4711, 13, ("firstName",))
    assert item.at == datetime(2026, 5, 2, 7, 31, 5, tzinfo=UTC)
    assert item.attributes == {"source": "Web service API"}


@pytest.mark.parametrize(
    ("members", "guid"),
    [
        ({"id": None}, "g1"),
        ({"marketoGUID": None}, "90211"),
        ({"leadId": "4711", "activityTypeId": "13"}, "g1"),
        ({"activityDate": "2026-05-02T07:31:05+0000"}, "g1"),
        ({"attributes": {"Source": "Web service API"}}, "g1"),
    ],
)
def test_activity_is_read_when_it_comes_otherwise(tmp_path, members, guid):
    """Missing ids, numbers as text, other date shapes and attributes as an object mean the same."""
    with marketo(tmp_path, [envelope([activity(**members)], nextPageToken="N")]) as scene:
        (item,) = items_of(scene)

    assert (item.guid, item.lead_id, item.type_id) == (guid, 4711, 13)
    assert item.at == datetime(2026, 5, 2, 7, 31, 5, tzinfo=UTC)
    assert item.attributes["source"] == "Web service API"


@pytest.mark.parametrize("missing", ["leadId", "activityDate", "activityTypeId"])
def test_activity_is_a_contract_violation_when_an_essential_part_is_missing(tmp_path, missing):
    """An entry without lead, type or time cannot be passed over: it may be somebody's change."""
    with (
        marketo(tmp_path, [envelope([activity(**{missing: None})], nextPageToken="N")]) as scene,
        pytest.raises(ContractViolation),
    ):
        items_of(scene)


def test_changes_of_other_fields_are_left_out_when_the_server_lets_them_through(tmp_path):
    """Only the asked fields count; new leads, which have no fields, always do."""
    result = [
        activity(marketoGUID="a", fields=[{"name": "other"}]),
        activity(marketoGUID="b", fields=[{"name": "other"}, {"name": "firstName"}]),
        activity(marketoGUID="c", activityTypeId=12, fields=None),
        activity(marketoGUID="d", fields=None),
    ]
    with marketo(tmp_path, [envelope(result, nextPageToken="N")]) as scene:
        found = {item.guid: item.fields for item in items_of(scene)}

    assert found == {"b": ("firstName",), "c": (), "d": ()}


def test_feed_goes_on_when_a_page_is_empty_but_more_is_promised(tmp_path):
    """An empty page, even one without a result, is not the end."""
    pages = [
        envelope(None, nextPageToken="A", moreResult=True),
        envelope([], nextPageToken="B", moreResult="true"),
        envelope([activity()], nextPageToken="C", moreResult=False),
    ]
    with marketo(tmp_path, pages) as scene:
        seen = [(len(page.items), page.next_token, page.more) for page in scene.client.lead_changes("T", ["firstName"])]

    assert seen == [(0, "A", True), (0, "B", True), (1, "C", False)]
    assert [query_of(call)["nextPageToken"] for call in scene.rest] == ["T", "A", "B"]


def test_feed_ends_when_more_result_is_absent(tmp_path):
    """The token on the last page is for the next run, not for another page."""
    with marketo(tmp_path, [envelope([activity()], nextPageToken="N")]) as scene:
        assert [page.next_token for page in scene.client.deleted_leads("T")] == ["N"]

    assert len(scene.rest) == 1


def test_feed_goes_on_when_more_result_is_absent_after_a_full_page(tmp_path):
    """A full page that does not say whether there is more is followed by a look."""
    full = [activity(marketoGUID=str(number)) for number in range(300)]
    with marketo(tmp_path, [envelope(full, nextPageToken="A"), envelope(None, nextPageToken="B")]) as scene:
        assert sum(len(page.items) for page in scene.client.deleted_leads("T")) == 300

    assert len(scene.rest) == 2


def test_feed_keeps_its_place_when_the_last_token_is_missing(tmp_path):
    """Without a new token the old one is stored: the same entries come again, which is harmless."""
    with marketo(tmp_path, [envelope([], moreResult=False)]) as scene:
        assert [page.next_token for page in scene.client.deleted_leads("T")] == ["T"]


def test_feed_stops_when_it_promises_more_but_stands_still(tmp_path):
    """An endless feed is reported after a few looks."""
    with (
        marketo(tmp_path, [envelope([], nextPageToken="A", moreResult=True)]) as scene,
        pytest.raises(ContractViolation, match="stands still"),
    ):
        list(scene.client.deleted_leads("T"))


def test_feed_is_a_form_when_fields_do_not_fit_into_an_address(tmp_path):
    """Many mapped fields and a long token stay below the server's limit of 8 KB."""
    names = [f"customField{number}" for number in range(600)]
    with marketo(tmp_path, [envelope([], nextPageToken="N")]) as scene:
        items_of(scene, names)

    assert (scene.rest[0].method, scene.rest[0].target) == ("POST", "/rest/v1/activities/leadchanges.json?_method=GET")
    assert query_of(scene.rest[0])["fields"].split(",") == names


def test_activity_types_go_into_one_parameter_when_there_are_several(tmp_path):
    """Up to ten types a call, separated by commas; the primary attribute is read along."""
    item = activity(
        activityTypeId=32,
        fields=None,
        primaryAttributeValueId="4711",
        primaryAttributeValue="Adah",
        attributes=[{"name": "Merge IDs", "value": [4712]}],
    )
    with marketo(tmp_path, [envelope([item], nextPageToken="N")]) as scene:
        (found,) = next(iter(scene.client.activities("T", [22, 32]))).items

    assert query_of(scene.rest[0])["activityTypeIds"] == "22,32"
    assert (found.attributes, found.primary_value, found.primary_value_id) == ({"merge ids": [4712]}, "Adah", 4711)


@pytest.mark.parametrize("count", [0, 11])
def test_activities_are_refused_when_there_are_no_or_too_many_types(tmp_path, count):
    """The limit is known before the call."""
    with marketo(tmp_path, [envelope([])]) as scene, pytest.raises(ValueError, match="10"):
        list(scene.client.activities("T", list(range(count))))


def test_feed_is_a_configuration_error_when_a_mapped_field_is_unknown(tmp_path):
    """1006 names the field that the mapping chose."""
    with (
        marketo(tmp_path, [refusal("1006", "Field 'gone' not found")]) as scene,
        pytest.raises(ConfigError, match="'gone'"),
    ):
        items_of(scene)


@pytest.mark.parametrize(
    ("type_id", "kind"),
    [
        (12, ActivityType.NEW_LEAD),
        (13, ActivityType.CHANGE_VALUE),
        (22, ActivityType.CHANGE_SCORE),
        (32, ActivityType.MERGE),
        (37, ActivityType.DELETE),
        (1, None),
    ],
)
def test_activity_says_what_it_tells(type_id, kind):
    """The numbers of the types stay inside the client."""
    assert Activity("g", 1, type_id, datetime(2026, 5, 2, tzinfo=UTC)).kind is kind


@pytest.mark.parametrize("ids", [[7, 8], ["7", "8"], "[7, 8]", "7;8", "7,4711,8"])
def test_merge_names_the_people_merged_away_in_every_notation(ids):
    """A list, or a text as other instances write it; never the person who stays."""
    merge = Activity("g", 4711, ActivityType.MERGE, datetime(2026, 5, 2, tzinfo=UTC), attributes={"merge ids": ids})

    assert merge.merged_away == (7, 8)


def test_nobody_is_merged_away_by_other_activities():
    """An attribute of that name on another activity means nothing."""
    at = datetime(2026, 5, 2, tzinfo=UTC)
    assert Activity("g", 1, ActivityType.CHANGE_SCORE, at, attributes={"merge ids": [7]}).merged_away == ()
