"""Baselines that are killed, run out of quota, or get broken extracts: they resume, and end the same."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from include.errors import ConfigError, QuotaExhausted, RetryableError
from include.person_sync.baseline import (
    BaselineRequest,
    open_baseline,
    read_dynamics,
    read_marketo,
    run_baseline,
)
from include.person_sync.baseline.progress import MARKETO, Progress
from include.person_sync.run.request import Mode
from tests.integration.stages.killing import Killed, dead_process, trip

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Whole

RECENT = timedelta(days=800)


def bulk_calls(whole: Whole, step: str) -> int:
    """Return how often a step of a bulk extract was called."""
    return len([one for one in whole.sandbox.calls("marketo") if one.path.startswith("/bulk") and step in one.path])


def killed_baseline(whole: Whole, name: str, number: int) -> bool:
    """Run a baseline in a process that dies at its `number`-th write; return True when it lived to the end."""
    ctx = whole.context(process=dead_process())
    trip(ctx, number)
    try:
        run_baseline(ctx, BaselineRequest(partitions=3), resume=name)
    except Killed:
        return False
    return True


def test_baseline_killed_again_and_again_ends_as_if_it_had_not_been(make_whole: Callable[..., Whole]) -> None:
    """However often its process dies, at whatever write, it resumes: no extract is made twice over (S-40)."""
    undisturbed = make_whole(40)
    undisturbed.baseline(partitions=3)
    whole = make_whole(40)
    whole.sandbox.reset_calls()
    draw = Random(11)  # noqa: S311 - repeatable on purpose

    deaths = 0
    while not killed_baseline(whole, "baseline", draw.randrange(3, 28)):
        deaths += 1
        assert deaths < 60

    assert deaths > 5
    assert whole.marketo_people() == undisturbed.marketo_people()
    assert whole.dynamics_rows() == undisturbed.dynamics_rows()
    assert whole.links() == undisturbed.links()
    windows = len(Progress(whole.context(), "baseline").load(MARKETO)["windows"])  # type: ignore[index]
    assert bulk_calls(whole, "create") <= windows + deaths
    assert bulk_calls(whole, "file") <= windows + deaths
    whole.quiet(dynamics_calls=5)


@pytest.mark.parametrize("only", ["save_plan", "record_outcomes", "add_values", "commit", "update_run"])
@pytest.mark.parametrize("after", [False, True])
def test_partition_killed_at_any_of_its_writes_is_made_once(
    make_whole: Callable[..., Whole], only: str, after: bool
) -> None:
    """A partition that dies before or after a write is taken up by the next process, with nobody made twice (S-11)."""
    whole = make_whole(24)
    whole.marketo.create({"lastName": "Wish", "email": "wish@example.com", "syncToDynamics": "lead"})
    ctx = whole.context(process=dead_process())
    trip(ctx, 1, after=after, only=only)
    with pytest.raises(Killed):
        run_baseline(ctx, BaselineRequest(partitions=1), resume="baseline")

    whole.baseline(resume="baseline")

    ids = [one["dynamicsId"] for one in whole.marketo.leads() if one.get("dynamicsId")]
    assert len(ids) == len(set(ids))
    assert len([one for one in whole.dynamics.rows("lead") if one["lastname"] == "Wish"]) == 1
    whole.quiet(dynamics_calls=5)


def test_partitions_that_are_done_are_left_alone(whole: Whole) -> None:
    """Resuming after the second of four partitions runs the last two only (S-40)."""
    ctx = whole.context(process=dead_process())
    trip(ctx, 3, only="save_plan")
    with pytest.raises(Killed):
        run_baseline(ctx, BaselineRequest(partitions=4), resume="baseline")
    done = [one.run_id for one in whole.context().store.latest_runs(kind="baseline") if one.status == "committed"]
    whole.sandbox.reset_calls()

    whole.baseline(resume="baseline")

    runs = {one.run_id: one.attempt for one in whole.context().store.latest_runs(kind="baseline")}
    assert len(done) == 2
    assert {runs[one] for one in done} == {1}
    assert bulk_calls(whole, "") == 0


def test_pages_of_dynamics_are_not_read_again(whole: Whole) -> None:
    """An interrupted reading resumes behind the last page staged."""
    ctx = whole.context()
    ctx.settings = ctx.settings.model_copy(
        update={"dynamics": ctx.settings.dynamics.model_copy(update={"page_size": 10})}
    )
    open_baseline(ctx, "baseline", BaselineRequest())
    trip(ctx, 5, only="save_document")
    with pytest.raises(Killed):
        read_dynamics(ctx, "baseline")
    whole.sandbox.reset_calls()

    read_dynamics(whole.context(), "baseline")

    first = next(one for one in whole.sandbox.calls("dynamics") if "contacts" in one.path)
    assert "$skiptoken" in dict(first.query)


def test_quota_gone_half_way_stops_and_resumes_the_next_day(make_whole: Callable[..., Whole]) -> None:
    """When the day's volume is used up, what is under way is finished and kept; the next day takes the rest (S-20)."""
    whole = make_whole()
    whole.marketo.settings.bulk_daily_bytes = 9_000
    whole.sandbox.reset_calls()

    with pytest.raises(QuotaExhausted) as stopped:
        whole.baseline(resume="baseline", partitions=2)

    assert stopped.value.exit_code == 5
    assert timedelta(0) < stopped.value.resets_at - whole.sandbox.clock.now() <= timedelta(days=1)
    document = Progress(whole.context(), "baseline").load(MARKETO)
    assert document is not None
    kept = [one["job"] for one in document["windows"] if one["parts"] is not None]
    assert 0 < len(kept) < len(document["windows"])
    whole.marketo.settings.bulk_daily_bytes = 500_000_000
    whole.sandbox.clock.advance(stopped.value.resets_at - whole.sandbox.clock.now() + timedelta(seconds=1))

    assert whole.baseline(resume="baseline")["status"] == "done"
    document = Progress(whole.context(), "baseline").load(MARKETO)
    assert document is not None
    assert set(kept) <= {one["job"] for one in document["windows"]}


def test_calls_gone_half_way_stop_and_resume(whole: Whole) -> None:
    """The same with the day's number of calls."""
    whole.sandbox.faults.add("marketo", "607", skip=30)

    with pytest.raises(QuotaExhausted):
        whole.baseline(resume="baseline", partitions=2)

    assert whole.baseline(resume="baseline")["status"] == "done"
    whole.quiet(dynamics_calls=5)


BROKEN: dict[str, dict[str, Any]] = {
    "bulk_failed": {"match": "POST /bulk*enqueue*"},
    "bulk_expired": {"match": "GET /bulk*file*"},
    "bulk_truncated": {"match": "GET /bulk*file*"},
    "bulk_corrupted": {"match": "GET /bulk*file*"},
    "truncated": {"match": "GET /bulk*file*"},
    "lost_after": {"match": "POST /bulk*"},
    "expired_token": {"match": "GET /bulk*"},
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_extract_is_made_again(make_whole: Callable[..., Whole], kind: str) -> None:
    """Failed jobs, files that expired, were cut or garbled, and lost answers cost time, not people."""
    whole = make_whole(24)
    expected = len(whole.marketo.leads())
    times = 1 if kind == "expired_token" else 2  # two in a row are no longer a passing matter
    whole.sandbox.faults.add("marketo", kind, times=times, skip=1, **BROKEN[kind])

    summary = whole.baseline(partitions=2)

    assert len(whole.sandbox.faults.taken()) == times
    assert summary["read"]["people"] == expected


def test_a_canceled_extract_is_made_again(make_whole: Callable[..., Whole]) -> None:
    """Somebody cancels a running job; another takes its place."""
    whole = make_whole(24)
    expected = len(whole.marketo.leads())
    whole.marketo.settings.bulk_work_s = 100
    ctx = whole.context()
    open_baseline(ctx, "baseline", BaselineRequest())
    waiting = read_marketo(ctx, "baseline")
    assert waiting is not None
    ctx.marketo.bulk_leads.cancel(waiting.jobs[0])
    whole.marketo.settings.bulk_work_s = 0.01
    whole.sandbox.clock.advance(200)

    assert whole.baseline(resume="baseline")["read"]["people"] == expected


def test_extracts_that_keep_failing_end_the_attempt_and_can_be_resumed(make_whole: Callable[..., Whole]) -> None:
    """Three jobs for nothing are enough; resumed later, the baseline starts new ones and ends well."""
    whole = make_whole(24)
    whole.sandbox.faults.add("marketo", "bulk_failed", times=200, message="disk full")

    with pytest.raises(RetryableError, match="disk full"):
        whole.baseline(resume="baseline")

    whole.sandbox.faults.clear()
    assert whole.baseline(resume="baseline")["status"] == "done"


@pytest.mark.parametrize("code", ["603", "1035"])
def test_without_bulk_extract_people_are_read_by_id(make_whole: Callable[..., Whole], code: str) -> None:
    """A subscription or role without bulk extract is recognised at the first call, or half-way."""
    whole = make_whole(24)
    expected = len(whole.marketo.leads())
    ctx = whole.context()
    open_baseline(ctx, "baseline", BaselineRequest())
    read_marketo(ctx, "baseline")
    whole.marketo.settings.bulk_refusal_code = code

    summary = whole.baseline(resume="baseline")

    assert (summary["route"], summary["read"]["people"]) == ("ids", expected)


def test_a_field_that_cannot_be_exported_is_left_alone(make_whole: Callable[..., Whole]) -> None:
    """A field refused by bulk extract is neither emptied nor overwritten; later cycles see to it."""
    whole = make_whole(0)
    person, row = whole.pair("contact", "ada@example.com", jobtitle="CTO")
    whole.dynamics.edit("contact", row, {"jobtitle": "Choir"})
    whole.marketo.edit(person, {"title": "Band"})
    whole.sandbox.faults.add("marketo", "1003", match="POST /bulk*create*", message="Invalid fields [title]")

    whole.baseline()

    assert whole.dynamics.row("contact", row)["jobtitle"] == "Choir"
    assert whole.marketo.lead(person)["title"] == "Band"
    whole.cycle(mode=Mode.PEOPLE, marketo_ids=(person,))
    assert whole.marketo.lead(person)["title"] == "Choir"


def test_a_schema_that_changes_on_the_way_ends_the_baseline(whole: Whole) -> None:
    """What was read with other fields is not merged with the new ones; a new baseline is asked for."""
    ctx = whole.context()
    open_baseline(ctx, "baseline", BaselineRequest())
    whole.dynamics.change_column("contact", "jobtitle", max_length=7)
    stored = ctx.store.document("schema")
    assert stored is not None
    ctx.store.save_document("schema", {**stored[0], "stale": True})

    with pytest.raises(ConfigError, match="start a new baseline"):
        whole.baseline(resume="baseline")


def test_an_unknown_id_to_resume_begins_a_baseline_of_that_name(whole: Whole) -> None:
    """An id that was never stored belongs to a baseline that died before its first note."""
    assert whole.baseline(resume="mine")["run_id"] == "mine"
