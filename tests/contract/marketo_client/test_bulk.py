"""Bulk lead extract against the sandbox: jobs, files in pieces, the three meanings of 1029, and what is missing."""

from __future__ import annotations

import io
import itertools
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from include.errors import QuotaExhausted, RetryableError
from include.marketo import (
    BulkFileGone,
    BulkJob,
    BulkQueueFull,
    BulkSettings,
    BulkStatus,
    BulkUnavailable,
    FieldsNotExported,
    MarketoClient,
    SpoiledDownload,
)
from include.marketo.bulk import created_between, windows
from include.marketo.bulk_file import read_people

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from include.sandbox import Sandbox

    from .conftest import Waiting

FIELDS = ["id", "lastName", "unsubscribed", "title"]
DAY_BYTES = 500_000_000


@pytest.fixture(autouse=True)
def fresh_day(sandbox: Sandbox) -> Iterator[None]:
    """Begin on a day without extracts, and leave the switches as they were."""
    sandbox.clock.advance(timedelta(days=31))
    yield
    sandbox.marketo.settings.bulk_refusal_code = ""
    sandbox.marketo.settings.bulk_daily_bytes = DAY_BYTES
    sandbox.marketo.settings.bulk_quota_refused_at = "enqueue"


def new_job(client: MarketoClient, sandbox: Sandbox, fields: list[str] | None = None) -> BulkJob:
    """Create a job for everybody of the last 30 days."""
    now = sandbox.clock.now() + timedelta(minutes=1)
    return client.bulk_leads.create(fields or FIELDS, created_between(now - timedelta(days=30), now))


def extract(client: MarketoClient, sandbox: Sandbox) -> BulkJob:
    """Have a job done."""
    job = new_job(client, sandbox)
    client.bulk_leads.enqueue(job.job_id)
    return client.bulk_leads.wait(job.job_id)


def download(client: MarketoClient, job: BulkJob) -> bytes:
    """Return a job's file."""
    file = io.BytesIO()
    client.bulk_leads.download(job, file)
    return file.getvalue()


def test_people_come_back_as_they_are(client: MarketoClient, sandbox: Sandbox) -> None:
    """Quotes, commas, newlines, emoji and surnames that look like nothing survive; nothing is nothing (S-07)."""
    values = [
        {"lastName": 'O"Hara, Ann', "title": "one\ntwo"},
        {"lastName": "Null", "unsubscribed": True},
        {"lastName": "NaN", "title": "🚀"},
        {"lastName": "None"},
    ]
    ids = [sandbox.marketo.create(one) for one in values]

    content = download(client, extract(client, sandbox))
    [people] = read_people([content], FIELDS)

    assert [(one["id"], one["lastName"], one["title"]) for one in people] == [
        (str(number), one["lastName"], one.get("title")) for number, one in zip(ids, values, strict=True)
    ]
    assert [one["unsubscribed"] for one in people] == ["false", "true", "false", "false"]


def test_file_is_fetched_in_pieces_and_checked(connect: Callable[..., MarketoClient], sandbox: Sandbox) -> None:
    """A file bigger than a piece takes several ranges; together they have the announced size and checksum."""
    for number in range(20):
        sandbox.marketo.create({"lastName": f"Person {number}"})
    client = connect(bulk=BulkSettings(piece_bytes=100))
    job = extract(client, sandbox)
    sandbox.reset_calls()

    content = download(client, job)

    assert len(content) == job.size
    asked = [call for call in sandbox.calls("marketo") if call.path.endswith("file.json")]
    assert len(asked) == -(-len(content) // 100)
    assert {call.status for call in asked} == {206}


def test_status_is_asked_at_most_once_a_minute(client: MarketoClient, sandbox: Sandbox, waiting: Waiting) -> None:
    """Waiting for a job looks once a minute; asking sooner gives the last look and sends nothing."""
    job = new_job(client, sandbox)
    client.bulk_leads.enqueue(job.job_id)
    sandbox.reset_calls()

    assert client.bulk_leads.job(job.job_id).status is BulkStatus.QUEUED
    assert sandbox.calls("marketo") == []
    assert client.bulk_leads.wait(job.job_id).status is BulkStatus.COMPLETED
    assert len(sandbox.calls("marketo")) == 1
    assert [one for one in waiting.slept if one >= 60] == [60]


def test_a_short_answer_is_continued_where_it_ended(client: MarketoClient, sandbox: Sandbox) -> None:
    """Half an answer costs another range, not the download."""
    sandbox.marketo.create({"lastName": "Byron"})
    job = extract(client, sandbox)
    sandbox.faults.add("marketo", "bulk_truncated", match="GET /bulk*file.json")

    assert b"Byron" in download(client, job)


@pytest.mark.parametrize("kind", ["truncated", "lost_after", "lost_before"])
def test_a_broken_connection_is_repeated(client: MarketoClient, sandbox: Sandbox, kind: str) -> None:
    """A piece whose transfer broke is asked for again."""
    sandbox.marketo.create({"lastName": "Byron"})
    job = extract(client, sandbox)
    sandbox.faults.add("marketo", kind, match="GET /bulk*file.json")

    assert b"Byron" in download(client, job)


def test_a_wrong_byte_is_noticed(client: MarketoClient, sandbox: Sandbox) -> None:
    """A file whose SHA-256 differs is not taken; downloaded again it is right."""
    sandbox.marketo.create({"lastName": "Byron"})
    job = extract(client, sandbox)
    sandbox.faults.add("marketo", "bulk_corrupted")

    with pytest.raises(SpoiledDownload, match="SHA-256"):
        download(client, job)
    assert b"Byron" in download(client, job)


def test_an_empty_range_of_dates_gives_an_empty_file(client: MarketoClient, sandbox: Sandbox) -> None:
    """A job that finds nobody has a header only."""
    content = download(client, extract(client, sandbox))

    assert list(read_people([content], FIELDS)) == []


def test_a_file_that_is_not_there_is_gone(client: MarketoClient, sandbox: Sandbox) -> None:
    """404 in plain text, before completion and after expiry, says that the job has to be made again."""
    job = new_job(client, sandbox)
    with pytest.raises(BulkFileGone):
        client.bulk_leads.piece(job.job_id, 0, 10)
    with pytest.raises(BulkFileGone):
        client.bulk_leads.job("0b0e7a1c-0000-0000-0000-000000000000")
    done = extract(client, sandbox)
    sandbox.faults.add("marketo", "bulk_expired")
    with pytest.raises(BulkFileGone):
        download(client, done)


def test_1029_queued_already_is_success(client: MarketoClient, sandbox: Sandbox) -> None:
    """Enqueuing again, as after a lost answer, is fine."""
    job = new_job(client, sandbox)
    client.bulk_leads.enqueue(job.job_id)

    assert client.bulk_leads.enqueue(job.job_id).status is BulkStatus.QUEUED


def test_a_lost_answer_to_enqueue_is_repeated(client: MarketoClient, sandbox: Sandbox) -> None:
    """The job is in the queue once, whatever the connection did."""
    job = new_job(client, sandbox)
    sandbox.faults.add("marketo", "lost_after", match="POST /bulk*enqueue.json")

    assert client.bulk_leads.enqueue(job.job_id).status is BulkStatus.QUEUED


def test_1029_queue_full_is_tried_later(client: MarketoClient, sandbox: Sandbox) -> None:
    """Ten waiting jobs are a matter of time."""
    jobs = [new_job(client, sandbox) for _ in range(11)]
    for job in jobs[:10]:
        client.bulk_leads.enqueue(job.job_id)

    with pytest.raises(BulkQueueFull) as full:
        client.bulk_leads.enqueue(jobs[10].job_id)
    assert isinstance(full.value, RetryableError)
    assert full.value.retry_after_s == 60
    client.bulk_leads.wait(jobs[0].job_id)
    client.bulk_leads.enqueue(jobs[10].job_id)


@pytest.mark.parametrize("noticed_at", ["create", "enqueue"])
def test_1029_quota_stops_until_midnight_central(client: MarketoClient, sandbox: Sandbox, noticed_at: str) -> None:
    """The day's volume is another matter: it names the time of its renewal."""
    sandbox.marketo.settings.bulk_quota_refused_at = noticed_at
    sandbox.marketo.bulk.use_up(DAY_BYTES)

    with pytest.raises(QuotaExhausted) as stopped:
        client.bulk_leads.enqueue(new_job(client, sandbox).job_id)
    assert timedelta(0) < stopped.value.resets_at - sandbox.clock.now() <= timedelta(days=1)
    sandbox.clock.advance(stopped.value.resets_at - sandbox.clock.now() + timedelta(seconds=1))
    client.bulk_leads.enqueue(new_job(client, sandbox).job_id)


def test_own_extracts_of_today_are_summed(connect: Callable[..., MarketoClient], sandbox: Sandbox) -> None:
    """What was completed today counts against the volume we may use; yesterday's does not."""
    client = connect(bulk=BulkSettings(daily_bytes=100))
    assert client.bulk_leads.used_today() == 0
    sandbox.marketo.create({"lastName": "Byron" * 30})
    job = extract(client, sandbox)

    assert client.bulk_leads.used_today() == job.size
    with pytest.raises(QuotaExhausted):
        client.bulk_leads.require_volume()
    sandbox.clock.advance(timedelta(days=1))
    client.bulk_leads.require_volume()


@pytest.mark.parametrize("code", ["603", "1035"])
def test_a_subscription_without_bulk_is_recognised(client: MarketoClient, sandbox: Sandbox, code: str) -> None:
    """Both codes say that people have to be read another way."""
    sandbox.marketo.settings.bulk_refusal_code = code

    with pytest.raises(BulkUnavailable):
        new_job(client, sandbox)


def test_fields_that_cannot_be_exported_are_named(client: MarketoClient, sandbox: Sandbox) -> None:
    """A formula field is refused by name, so that it can be left out."""
    if sandbox.marketo.database.fields.get("sum") is None:
        sandbox.marketo.add_field("sum", "lead_function")

    with pytest.raises(FieldsNotExported) as refused:
        new_job(client, sandbox, [*FIELDS, "sum"])
    assert refused.value.names == ("sum",)


def test_a_job_can_be_canceled(client: MarketoClient, sandbox: Sandbox) -> None:
    """Cancelled and Canceled are one state."""
    job = new_job(client, sandbox)
    client.bulk_leads.enqueue(job.job_id)

    assert client.bulk_leads.cancel(job.job_id).status is BulkStatus.CANCELED
    assert client.bulk_leads.wait(job.job_id).status is BulkStatus.CANCELED
    assert job.job_id in [one.job_id for one in client.bulk_leads.jobs([BulkStatus.CANCELED])]


def test_a_failed_job_carries_its_reason(client: MarketoClient, sandbox: Sandbox) -> None:
    """The error of a failed job is handed on."""
    sandbox.faults.add("marketo", "bulk_failed", message="disk full")

    job = extract(client, sandbox)

    assert (job.status, job.error) == (BulkStatus.FAILED, "disk full")


def test_an_expired_token_is_renewed_during_a_download(client: MarketoClient, sandbox: Sandbox) -> None:
    """A refusal in the place of a file is no file."""
    sandbox.marketo.create({"lastName": "Byron"})
    job = extract(client, sandbox)
    sandbox.faults.add("marketo", "expired_token", match="GET /bulk*file.json")
    sandbox.faults.add("marketo", "606", match="GET /bulk*file.json")

    assert b"Byron" in download(client, job)


def test_windows_cover_everything_and_overlap_by_a_second(sandbox: Sandbox) -> None:
    """No window is longer than allowed, each begins a second before the last one ended, the ends are the range's."""
    end = sandbox.clock.now()
    start = end - timedelta(days=100)

    cut = windows(start, end, timedelta(days=31), timedelta(seconds=1))

    assert (cut[0][0], cut[-1][1]) == (start, end)
    assert all(timedelta(0) < last - first <= timedelta(days=31) for first, last in cut)
    assert [b[0] - a[1] for a, b in itertools.pairwise(cut)] == [timedelta(seconds=-1)] * 3
