"""The statistics of usage and errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conftest import Instance


def test_usage_counts_calls_per_user(instance: Instance) -> None:
    """Every REST call counts for its API user, identity calls for nobody."""
    instance.world.meter.use_up(12, "crm@api.example.com")
    instance.get("/rest/v1/leads/describe.json")
    [today] = instance.get("/rest/v1/stats/usage.json")["result"]

    assert today["date"] == instance.world.meter.today().isoformat()
    assert today["total"] == 13
    assert {user["userId"]: user["count"] for user in today["users"]} == {
        "crm@api.example.com": 12,
        "person-sync@api.example.com": 1,
    }


def test_errors_count_codes_of_whole_calls(instance: Instance) -> None:
    """Response-level codes are counted, refused records are not."""
    instance.get("/rest/v1/nothing.json")
    instance.sync([{"email": None}])
    [today] = instance.get("/rest/v1/stats/errors.json")["result"]

    assert today["total"] == 1
    assert today["errors"] == [{"errorCode": "610", "count": 1}]


def test_last_week_has_one_item_a_day(instance: Instance) -> None:
    """Seven days come back, yesterday's counts among them."""
    instance.get("/rest/v1/leads/describe.json")
    instance.clock.advance(86_400)
    usage = instance.get("/rest/v1/stats/usage/last7days.json")["result"]
    errors = instance.get("/rest/v1/stats/errors/last7days.json")["result"]

    assert [day["total"] for day in usage] == [0, 1, 0, 0, 0, 0, 0]
    assert len(errors) == 7
