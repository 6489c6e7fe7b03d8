"""Deleting, merging, partitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.sandbox.marketo.activity_log import DELETE_LEAD, MERGE_LEADS

from .conftest import envelope, error_code, reason_code

if TYPE_CHECKING:
    from .conftest import Instance


def test_delete_says_for_each_id_what_happened(instance: Instance) -> None:
    """Known ids are deleted, unknown ones are skipped with 1004."""
    lead_id = instance.world.create({"email": "a@x.example"})
    items = instance.post("/rest/v1/leads/delete.json", {"input": [{"id": lead_id}, {"id": 99}]})["result"]

    assert items[0] == {"id": lead_id, "status": "deleted"}
    assert reason_code(items[1]) == "1004"
    assert instance.world.lead(lead_id) is None


def test_delete_takes_ids_in_the_query(instance: Instance) -> None:
    """`?id=1,2` with an empty body deletes too, and so does the DELETE method."""
    first, second = instance.world.create({"lastName": "A"}), instance.world.create({"lastName": "B"})
    instance.post("/rest/v1/leads/delete.json", id=first)
    body = f'{{"input":[{{"id":{second}}}]}}'.encode()
    answer = envelope(
        instance.send("DELETE", "/rest/v1/leads.json", body=body, headers=instance.headers("application/json"))
    )

    assert answer["result"] == [{"id": second, "status": "deleted"}]
    assert instance.world.leads() == []


def test_merge_fills_the_winners_empty_fields(instance: Instance) -> None:
    """Winner's values win, empty ones come from the losers in the order given; the answer has no result."""
    winner = instance.world.create({"email": "w@x.example"})
    first = instance.world.create({"email": "l@x.example", "title": "CTO"})
    second = instance.world.create({"title": "CEO", "city": "Oslo"})
    answer = instance.post(f"/rest/v1/leads/{winner}/merge.json", leadIds=f"{first},{second}")
    lead = instance.world.lead(winner) or {}

    assert set(answer) == {"requestId", "success"}
    assert (lead["email"], lead["title"], lead["city"]) == ("w@x.example", "CTO", "Oslo")
    assert reason_code(instance.sync([{"id": first}], action="updateOnly", lookupField="id")[0]) == "1004"


def test_merge_is_logged_with_the_losers_ids(instance: Instance) -> None:
    """The winner gets a Merge Leads row; losers appear as deleted only when so switched."""
    winner, loser, other = (instance.world.create({"lastName": name}) for name in "ABC")
    instance.world.merge(winner, [loser])
    instance.world.settings.merge_losers_listed_as_deleted = True
    instance.world.merge(winner, [other])
    rows, _, _ = instance.feed("", instance.paging_token(), activityTypeIds=MERGE_LEADS)
    deleted, _, _ = instance.feed("/deletedleads", instance.paging_token())

    assert [{a["name"]: a["value"] for a in row["attributes"]}["Merge IDs"] for row in rows] == [[loser], [other]]
    assert {row["leadId"] for row in rows} == {winner}
    assert [row["leadId"] for row in deleted] == [other]


def test_merge_is_refused_as_a_whole(instance: Instance) -> None:
    """Failures of a merge concern the call."""
    winner, loser = instance.world.create({"lastName": "A"}), instance.world.create({"lastName": "B"})
    path = f"/rest/v1/leads/{winner}/merge.json"

    assert error_code(instance.post(path)) == "1002"
    assert error_code(instance.post(path, leadIds=winner)) == "1003"
    assert error_code(instance.post(path, leadIds=f"{loser},99")) == "1004"
    assert error_code(instance.post(path, leadIds=",".join(map(str, range(26))))) == "1080"
    assert error_code(instance.post(path, {"leadIds": [loser]}, leadIds=loser)) == "1003"
    assert instance.world.lead(loser) is not None


def test_deleted_lead_is_listed_for_fourteen_days(instance: Instance) -> None:
    """The deletion can be read for two weeks; its primary id is not the lead's id."""
    lead_id = instance.world.create({"firstName": "Ada", "lastName": "B"})
    token = instance.paging_token()
    instance.world.delete(lead_id)
    rows, _, _ = instance.feed("/deletedleads", token)
    instance.clock.advance(15 * 86_400)
    later, _, _ = instance.feed("/deletedleads", token)

    assert [(row["leadId"], row["activityTypeId"], row["primaryAttributeValue"]) for row in rows] == [
        (lead_id, DELETE_LEAD, "Ada B")
    ]
    assert rows[0]["primaryAttributeValueId"] != lead_id
    assert later == []


def test_partitions_are_listed_and_people_moved(instance: Instance) -> None:
    """Partition names map to ids; a move is reported per record."""
    number = instance.world.add_partition("EMEA")
    lead_id = instance.world.create({"lastName": "A"})
    path = "/rest/v1/leads/partitions.json"
    moves = [{"id": lead_id, "partitionName": "EMEA"}, {"id": lead_id, "partitionName": "Nowhere"}]
    items = instance.post(path, {"input": moves})["result"]

    assert {one["name"]: one["id"] for one in instance.get(path)["result"]} == {"Default": 1, "EMEA": number}
    assert items[0] == {"id": lead_id, "status": "updated"}
    assert reason_code(items[1]) == "1008"
    assert [item["id"] for item in instance.find("leadPartitionId", [number])["result"]] == [lead_id]
