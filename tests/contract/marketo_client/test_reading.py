from __future__ import annotations

from datetime import timedelta

import pytest

from include.errors import ConfigError
from include.sandbox.marketo.settings import NullPresence


def found(client, filter_type, values, fields=("email",)):
    """Return all leads of a lookup, in no particular order."""
    return [row for page in client.leads_by(filter_type, values, fields) for row in page]


def start_of_feed(sandbox, client):
    """Return a token before everything the test does."""
    return client.paging_token(sandbox.clock.now() - timedelta(seconds=5))


def test_lookup_finds_every_lead_once_when_there_are_many(sandbox, client):
    """650 ids are asked for in three calls, and each lead comes back exactly once."""
    ids = [sandbox.marketo.create({"email": f"p{n}@x.example"}) for n in range(650)]
    sandbox.reset_calls()

    rows = found(client, "id", ids)

    assert sorted(row["id"] for row in rows) == sorted(ids)
    assert len(sandbox.calls("marketo")) == 3 + 1  # and one login
    assert client.calls == 3


def test_lookup_pages_end_when_one_value_matches_many_leads(sandbox, client):
    """Several pages of one lookup are followed to their end, each lead once."""
    ids = [sandbox.marketo.create({"email": "same@x.example", "lastName": str(n)}) for n in range(700)]

    rows = found(client, "email", ["same@x.example"], ["lastName"])

    assert sorted(row["id"] for row in rows) == sorted(ids)


def test_lookup_asks_for_less_when_more_than_a_thousand_match(sandbox, client):
    """Three values with 500 leads each are too many at once; halved, all of them come."""
    for value in "abc":
        for _ in range(500):
            sandbox.marketo.create({"email": f"{value}@x.example"})

    rows = found(client, "email", ["a@x.example", "b@x.example", "c@x.example"])

    assert len({row["id"] for row in rows}) == 1500


@pytest.mark.parametrize("presence", list(NullPresence))
def test_lookup_gives_every_asked_field_when_some_are_empty(sandbox, client, presence):
    """An empty field is None, whether Marketo writes null or leaves it out."""
    before = sandbox.marketo.settings.null_presence
    sandbox.marketo.settings.null_presence = presence
    lead_id = sandbox.marketo.create({"email": "o'hara+x@x.example", "firstName": "Zoë 😀"})

    try:
        (row,) = found(client, "email", ["o'hara+x@x.example"], ["firstName", "title", "phone"])
    finally:
        sandbox.marketo.settings.null_presence = before

    assert row == {"id": lead_id, "firstName": "Zoë 😀", "title": None, "phone": None}


def test_lookup_names_the_field_when_it_does_not_exist(client):
    """An unknown field comes out as a matter of settings."""
    with pytest.raises(ConfigError, match="nonsense"):
        found(client, "id", [1], ["nonsense"])


def test_lookup_names_the_field_when_it_cannot_be_searched(client):
    """An unsearchable field comes out as a matter of settings."""
    with pytest.raises(ConfigError, match="1011"):
        found(client, "firstName", ["Ada"])


def test_change_feed_gives_each_change_once_when_pages_are_short_or_empty(sandbox, client):
    """
    400 edits and 400 new leads come through pages of all sizes; the feed ends and continues from its token (R-003).
    """
    token = start_of_feed(sandbox, client)
    ids = [sandbox.marketo.create({"email": f"p{n}@x.example", "title": "a"}) for n in range(400)]
    for lead_id in ids:
        sandbox.marketo.edit(lead_id, {"title": "b", "city": "not asked for"})
    sandbox.clock.advance(60)

    pages = list(client.lead_changes(token, ["title"]))
    items = [item for page in pages for item in page.items]

    assert len({item.guid for item in items}) == len(items)
    assert sorted(item.lead_id for item in items if item.type_id == 13) == ids
    assert sorted(item.lead_id for item in items if item.type_id == 12) == ids
    assert {item.fields for item in items if item.type_id == 13} == {("title",)}
    assert [page.more for page in pages] == [True] * (len(pages) - 1) + [False]

    sandbox.marketo.edit(ids[0], {"title": "c"})
    sandbox.clock.advance(60)
    later = [item for page in client.lead_changes(pages[-1].next_token, ["title"]) for item in page.items]
    assert ids[0] in {item.lead_id for item in later}


def test_change_feed_goes_on_when_a_page_is_empty(sandbox, client):
    """An empty page that promises more does not end the feed."""
    token = start_of_feed(sandbox, client)
    lead_id = sandbox.marketo.create({"email": "a@x.example"})
    sandbox.clock.advance(60)
    sandbox.faults.add("marketo", "empty_page")

    pages = list(client.lead_changes(token, ["title"]))

    assert len(pages[0].items) == 0
    assert {item.lead_id for page in pages for item in page.items} == {lead_id}


def test_change_feed_fits_into_the_request_when_many_fields_are_mapped(sandbox, client):
    """More field names than an address may hold are sent all the same."""
    names = [f"aRatherLongCustomFieldName{n:03}" for n in range(300)]
    known = {field.name for field in client.describe()}
    for name in names:
        if name not in known:
            sandbox.marketo.add_field(name)
    token = start_of_feed(sandbox, client)
    lead_id = sandbox.marketo.create({"email": "a@x.example"})
    sandbox.marketo.edit(lead_id, {names[-1]: "v"})
    sandbox.clock.advance(60)

    fields = {name for page in client.lead_changes(token, names) for item in page.items for name in item.fields}

    assert fields == {names[-1]}


def test_deletes_and_merges_are_told_apart_when_leads_disappear(sandbox, client):
    """A deletion comes through its own feed; a merge names winner and losers."""
    token = start_of_feed(sandbox, client)
    gone, winner, loser = (sandbox.marketo.create({"email": f"{n}@x.example"}) for n in "abc")
    sandbox.marketo.delete(gone)
    sandbox.marketo.merge(winner, [loser])
    sandbox.clock.advance(60)

    deleted = {item.lead_id for page in client.deleted_leads(token) for item in page.items}
    merges = [item for page in client.activities(token, [22, 32]) for item in page.items]

    assert gone in deleted
    assert winner not in deleted
    assert [item.lead_id for item in merges] == [winner]
    assert str(loser) in str(merges[0].attributes["merge ids"])


def test_describe_gives_names_lengths_and_writability_when_asked(client):
    """The schema knows what may be written and how long it may be."""
    fields = {field.name: field for field in client.describe()}

    assert fields["firstName"].length == 255
    assert (fields["id"].read_only, fields["firstName"].read_only) == (True, False)
    assert fields["email"].data_type == "email"
    assert len({field.field_id for field in fields.values()}) == len(fields)


def test_schema_lists_every_field_once_when_it_is_paged(client):
    """The schema endpoint's pages end and repeat nothing."""
    names = [field.name for field in client.schema_fields()]

    assert len(names) == len(set(names))
    assert {field.name for field in client.describe()} <= set(names)


def test_usage_counts_calls_when_some_were_made(client):
    """The day's calls are reported by the instance; the login is not among them."""
    first = client.usage()

    assert client.usage() >= first + 1
    assert client.calls == 2
