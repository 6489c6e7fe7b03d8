"""What a baseline leaves behind: the same as a first cycle, whatever the route and the number of partitions."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from include.errors import SafetyStop
from include.person_sync.baseline import (
    BaselineRequest,
    close_baseline,
    open_baseline,
    partition,
    read_dynamics,
    read_marketo,
    sync_partition,
)
from include.person_sync.baseline.run import run_baseline

from .conftest import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Whole

BY_ID = "baseline: {bulk: 'off', poll_s: 0.02}\n"


def read_everybody(whole: Whole, name: str = "baseline", **request: Any) -> list[int]:
    """Carry out a baseline's steps up to dealing out, and return the partitions' numbers."""
    ctx = whole.context()
    open_baseline(ctx, name, BaselineRequest(**request))
    while read_marketo(ctx, name):
        pass
    read_dynamics(ctx, name)
    return partition(ctx, name)


def finish(whole: Whole, numbers: list[int], name: str = "baseline") -> dict[str, Any]:
    """Work through the partitions and close."""
    for number in numbers:
        sync_partition(whole.context(), name, number)
    return close_baseline(whole.context(), name)


@pytest.mark.parametrize(("partitions", "route"), [(1, "bulk"), (7, "bulk"), (7, "ids")])
def test_baseline_leaves_what_a_first_cycle_leaves(
    make_whole: Callable[..., Whole], partitions: int, route: str
) -> None:
    """People, rows, links and held entries are those of an incremental first run on the same people (S-40)."""
    cycled = make_whole()
    cycled.cycle()
    whole = make_whole(settings=BY_ID) if route == "ids" else make_whole()

    summary = whole.baseline(partitions=partitions)

    assert (summary["route"], summary["partitions"]) == (route, partitions)
    assert whole.marketo_people() == cycled.marketo_people()
    assert whole.dynamics_rows() == cycled.dynamics_rows()
    assert whole.links() == cycled.links()
    assert whole.holds() == cycled.holds()


def test_cycles_continue_from_the_baseline(whole: Whole) -> None:
    """After a baseline nothing is left to write; the next edits arrive, on both sides."""
    whole.baseline(partitions=3)
    whole.quiet(dynamics_calls=5)
    links = whole.context().store.load_links()
    person, row = (
        links.loc[links["dynamics_table"] == "contact", name].iloc[0] for name in ("marketo_id", "dynamics_id")
    )

    whole.marketo.edit(int(person), {"city": "Bergen"})
    whole.dynamics.edit("contact", row, {"jobtitle": "Choir"})
    whole.cycle()

    assert whole.dynamics.row("contact", row)["address1_city"] == "Bergen"
    assert whole.marketo.lead(int(person))["title"] == "Choir"


def test_a_second_baseline_writes_nothing(whole: Whole) -> None:
    """Where everything is in step, everybody is looked at and nobody is touched."""
    whole.baseline(partitions=3)
    whole.quiet(dynamics_calls=5)
    whole.mark()

    summary = whole.baseline(partitions=4)

    assert whole.writes() == []
    assert summary["counts"]["to_marketo"]["updated"] == 0


def test_what_happens_while_reading_is_not_missed(quick: Whole) -> None:
    """Edits made after somebody was read reach the other side: in the baseline itself, or in the next cycle."""
    person, row = quick.pair("lead", "ada@example.com", jobtitle="CTO")
    other, other_row = quick.pair("contact", "bob@example.com", jobtitle="CTO")
    numbers = read_everybody(quick)

    quick.marketo.edit(person, {"title": "CEO"})
    quick.dynamics.edit("contact", other_row, {"jobtitle": "CFO"})
    finish(quick, numbers)
    quick.cycle()

    assert quick.dynamics.row("lead", row)["jobtitle"] == "CEO"
    assert quick.marketo.lead(other)["title"] == "CFO"
    quick.quiet(dynamics_calls=5)
    assert quick.marketo.lead(person)["title"] == "CEO"


def test_somebody_new_since_reading_is_not_made_twice(quick: Whole) -> None:
    """A person who enters Marketo after the extract is found by address before a row would make them again."""
    row = quick.dynamics.create("contact", {"lastname": "Ruiz", "emailaddress1": "Ana@example.com"})
    numbers = read_everybody(quick)

    person = quick.marketo.create({"lastName": "Ruiz", "email": "ana@example.com"})
    finish(quick, numbers)

    assert [one["id"] for one in quick.marketo.leads()] == [person]
    assert quick.marketo.lead(person)["dynamicsId"] == row


def test_a_row_changed_while_reading_counts_as_it_is_last(quick: Whole) -> None:
    """Rows modified during the pages are read once more, and meet people by their new address."""
    row = quick.dynamics.create("lead", {"lastname": "Ruiz", "emailaddress1": "old@example.com"})
    person = quick.marketo.create({"lastName": "Ruiz", "email": "new@example.com"})
    quick.sandbox.clock.advance(timedelta(hours=1))
    ctx = quick.context()
    open_baseline(ctx, "baseline", BaselineRequest(partitions=5))
    pages = ctx.dynamics.track_changes

    def moving(table: str, *args: Any, **options: Any) -> Any:
        yield from pages(table, *args, **options)
        if table == "lead":
            quick.dynamics.edit("lead", row, {"emailaddress1": "new@example.com"})

    ctx.dynamics.track_changes = moving  # type: ignore[method-assign]
    while read_marketo(ctx, "baseline"):
        pass
    read_dynamics(ctx, "baseline")
    finish(quick, partition(ctx, "baseline"))

    assert quick.marketo.lead(person)["dynamicsId"] == row
    assert len(quick.marketo.leads()) == 1


def test_cycles_beside_a_baseline_are_not_undone(quick: Whole) -> None:
    """What a cycle brought over after the baseline had read is newer than what was read, and stays."""
    person, row = quick.pair("lead", "ada@example.com", jobtitle="CTO", mobilephone="1")
    other, other_row = quick.pair("contact", "bob@example.com", jobtitle="CTO")
    quick.baseline()
    numbers = read_everybody(quick, "second")

    quick.marketo.edit(person, {"title": "CEO"})
    quick.dynamics.edit("contact", other_row, {"jobtitle": "CFO"})
    quick.cycle()
    finish(quick, numbers, "second")

    assert quick.dynamics.row("lead", row)["jobtitle"] == "CEO"
    assert quick.marketo.lead(other)["title"] == "CFO"
    quick.dynamics.edit("lead", row, {"mobilephone": "2"})
    quick.cycle()
    assert (quick.marketo.lead(person)["title"], quick.marketo.lead(person)["mobilePhone"]) == ("CEO", "2")
    assert quick.dynamics.row("lead", row)["jobtitle"] == "CEO"


def test_several_people_naming_one_row_are_held_wherever_they_are(quick: Whole) -> None:
    """People with the same id in dynamicsId meet in the row's partition and are held; all others go on (S-04)."""
    row = quick.dynamics.create("contact", {"lastname": "Ruiz", "emailaddress1": "ana@example.com"})
    claims = [quick.marketo.create({"email": f"{name}@example.com", "dynamicsId": row.upper()}) for name in "abcdef"]
    person, other_row = quick.pair("lead", "bob@example.com")

    quick.baseline(partitions=11)

    assert {code for code, _ in quick.holds()} == {"SEVERAL_CLAIMS"}
    assert len(quick.holds()) == 1
    assert len(quick.context().store.dead_letters()) == len(claims)
    assert quick.marketo.lead(person)["dynamicsId"] == other_row
    assert len(quick.marketo.leads()) == len(claims) + 1


def test_a_person_naming_a_row_is_its_person_whatever_the_addresses(quick: Whole) -> None:
    """
    Identity beats address, also when the addresses hash into different partitions; a dead claim falls back (S-04).
    """
    rows = [quick.dynamics.create("lead", {"lastname": "R", "emailaddress1": f"d{n}@example.com"}) for n in range(6)]
    people = [quick.marketo.create({"email": f"m{n}@example.com", "dynamicsId": row}) for n, row in enumerate(rows)]
    gone = "00000000-0000-4000-8000-000000000000"
    stray = quick.marketo.create({"email": "stray@example.com", "dynamicsId": gone})
    stray_row = quick.dynamics.create("contact", {"lastname": "S", "emailaddress1": "stray@example.com"})

    quick.baseline(partitions=13)

    links = quick.context().store.load_links()
    assert dict(zip(links["marketo_id"], links["dynamics_id"], strict=True)) == {
        **dict(zip(people, rows, strict=True)),
        stray: stray_row,
    }


def test_absence_is_no_deletion(quick: Whole) -> None:
    """
    Who is missing on one side when everybody is read is neither deleted nor flagged; the feed tells later (S-05, S-40).
    """
    person, row = quick.pair("lead", "ada@example.com")
    other, other_row = quick.pair("contact", "bob@example.com")
    quick.baseline()
    quick.cycle()
    quick.dynamics.delete("lead", row)
    quick.marketo.delete(other)

    quick.baseline(partitions=2)

    assert not quick.marketo.lead(person).get("dynamicsIsDeleted")
    assert quick.dynamics.row("contact", other_row) is not None
    assert len(quick.context().store.load_links()) == 2
    quick.cycle()
    assert quick.marketo.lead(person)["dynamicsIsDeleted"] is True


def test_a_request_made_before_the_baseline_is_fulfilled(quick: Whole) -> None:
    """A person who asks to be synced becomes a row; one whose address has a row is linked to it."""
    asking = quick.marketo.create({"lastName": "Ruiz", "email": "ana@example.com", "syncToDynamics": "lead"})
    row = quick.dynamics.create("contact", {"lastname": "Byron", "emailaddress1": "ada@example.com"})
    known = quick.marketo.create({"lastName": "Byron", "email": "ada@example.com", "syncToDynamics": "contact"})

    quick.baseline(partitions=3)

    (made,) = quick.dynamics.rows("lead")
    assert quick.marketo.lead(asking)["dynamicsId"] == made["leadid"]
    assert quick.marketo.lead(known)["dynamicsId"] == row
    assert len(quick.dynamics.rows("contact")) == 1


def test_brakes_spare_the_first_load_and_stop_a_later_one(make_whole: Callable[..., Whole]) -> None:
    """A first load may change everybody; a new baseline that would is stopped before its first write."""
    limits = "brakes: {changed: {share: 0.3, number: 10000, floor: 5}}\n"
    whole = make_whole(settings=SETTINGS + limits)
    whole.baseline(partitions=2)
    whole.quiet(dynamics_calls=5)
    for person in whole.marketo.leads():
        whole.marketo.edit(person["id"], {"city": "Ys"})
    whole.mark()

    with pytest.raises(SafetyStop) as stopped:
        whole.baseline(partitions=2)

    assert stopped.value.brake == "changed_to_dynamics"
    assert whole.writes() == []
    assert stopped.value.details["resume"].startswith("person-sync baseline --resume baseline__")
    summary = whole.baseline(partitions=2, overrides=("changed_to_dynamics",))
    assert summary["counts"]["to_dynamics"]["updated"] > 0


@pytest.mark.parametrize(("settings", "pieces"), [(SETTINGS, "extracts"), (BY_ID, "ids")])
def test_log_tells_how_far_a_baseline_has_come(
    make_whole: Callable[..., Whole], caplog: pytest.LogCaptureFixture, settings: str, pieces: str
) -> None:
    """Each step, and each partition in a process of its own, says its percentage; a step that is done says 100 %."""
    whole = make_whole(24, settings=settings)
    caplog.set_level(logging.INFO, logger="include.person_sync.baseline.advance")

    numbers = read_everybody(whole, partitions=3, since=whole.sandbox.clock.now() - timedelta(days=90))
    reading = [record.getMessage() for record in caplog.records]
    finish(whole, numbers)

    (marketo,) = {line for line in reading if line.startswith("reading Marketo") and "100 %" in line}
    assert f" {pieces}, 100 %" in marketo
    assert sum(line.startswith(("reading contacts", "reading leads")) and "100 %" in line for line in reading) == 2
    later = [
        record for record in caplog.records[len(reading) :] if record.name == "include.person_sync.baseline.advance"
    ]
    lines = [record.getMessage() for record in later]
    told = [line.removeprefix("working through partitions: ").split(",")[:2] for line in lines]
    assert told == [
        ["1 of 3 partitions", " 33 %"],
        ["2 of 3 partitions", " 66 %"],
        ["3 of 3 partitions", " 100 %"],
    ]


def test_dry_run_plans_everything_and_writes_nothing(whole: Whole) -> None:
    """A dry run counts what it would do, on every partition, and moves no watermark (S-32)."""
    whole.mark()

    summary = whole.baseline(partitions=3, dry_run=True)

    assert summary["status"] == "dry_run"
    assert summary["counts"]["to_marketo"]["created"] > 0
    assert whole.writes() == []
    assert whole.context().store.watermarks() == {}
    assert whole.context().store.load_links().empty


def test_watermarks_of_running_cycles_stay_where_they_are(quick: Whole) -> None:
    """A baseline moves no feed that cycles have consumed: what they have yet to see is not skipped."""
    quick.pair("lead", "ada@example.com")
    quick.cycle()
    before = quick.context().store.watermarks()

    quick.baseline()

    after = quick.context().store.watermarks()
    assert {name: after[name] for name in before if name != "field_map"} == {
        name: value for name, value in before.items() if name != "field_map"
    }


def test_staged_people_are_removed_in_the_end(whole: Whole) -> None:
    """No extract, page or partition is left on the staging place when the baseline is closed."""
    name = whole.baseline(partitions=3)["run_id"]

    folder = whole.context().staging / name.replace(":", "_")
    left = [path.name for path in folder.rglob("*") if path.suffix in {".parquet", ".csv"} or path.is_file()]
    assert [one for one in left if not one.endswith(".json")] == []


def test_an_unknown_baseline_cannot_be_closed(quick: Whole) -> None:
    """Closing before every partition is done says what is missing."""
    read_everybody(quick)

    with pytest.raises(Exception, match="1 of 1 partitions are not done"):
        close_baseline(quick.context(), "baseline")
    assert run_baseline(quick.context(), BaselineRequest(), resume="baseline")["status"] == "done"
