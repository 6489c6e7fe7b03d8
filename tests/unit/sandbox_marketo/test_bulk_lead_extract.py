"""Bulk lead extract: the way of a job, its file, and everything that is refused."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import envelope, error_code

if TYPE_CHECKING:
    from include.sandbox.server import Reply

    from .conftest import Instance

BULK = "/bulk/v1/leads/export"


def request(instance: Instance, days: float = 30, **members: Any) -> dict[str, Any]:
    """Return the body that asks for everybody of the last days."""
    end = instance.clock.now() + timedelta(hours=1)
    start = end - timedelta(days=days)
    moments = {name: f"{one:%Y-%m-%dT%H:%M:%SZ}" for name, one in (("startAt", start), ("endAt", end))}
    return {"fields": ["id", "lastName", "unsubscribed"], "filter": {"createdAt": moments}} | members


def create(instance: Instance, **members: Any) -> str:
    """Make a job and return its id."""
    [job] = instance.post(f"{BULK}/create.json", request(instance, **members))["result"]
    assert job["status"] == "Created"
    return str(job["exportId"])


def enqueued(instance: Instance, **members: Any) -> str:
    """Make a job, put it into the queue and return its id."""
    number = create(instance, **members)
    [job] = instance.post(f"{BULK}/{number}/enqueue.json")["result"]
    assert job["status"] == "Queued"
    return number


def status(instance: Instance, number: str) -> dict[str, Any]:
    """Return a job as it is shown."""
    [job] = instance.get(f"{BULK}/{number}/status.json")["result"]
    return dict(job)


def completed(instance: Instance, **members: Any) -> dict[str, Any]:
    """Have a job done and return how it is shown."""
    number = enqueued(instance, **members)
    instance.clock.advance(61)
    job = status(instance, number)
    assert job["status"] == "Completed"
    return job


def file(instance: Instance, number: str, piece: str | None = None) -> Reply:
    """Ask for a job's file."""
    headers = instance.headers() | ({} if piece is None else {"range": piece})
    return instance.send("GET", f"{BULK}/{number}/file.json", headers=headers)


def test_job_becomes_a_file_with_checksum_size_and_null_cells(instance: Instance) -> None:
    """The file has a header, a row per person, `null` for nothing, quotes where needed; size and SHA-256 are told."""
    first = instance.world.create({"lastName": 'O"Hara, Ann'})
    second = instance.world.create({"unsubscribed": True})

    job = completed(instance, columnHeaderNames={"id": "marketoId"})

    reply = file(instance, job["exportId"])
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("text/csv")
    assert reply.body.decode().splitlines() == [
        "marketoId,lastName,unsubscribed",
        f'{first},"O""Hara, Ann",false',
        f"{second},null,true",
    ]
    assert job["numberOfRecords"] == 2
    assert job["fileSize"] == len(reply.body)
    assert job["fileChecksum"] == f"sha256:{hashlib.sha256(reply.body).hexdigest()}"


def test_range_gives_a_piece_of_the_file(instance: Instance) -> None:
    """Both ends of a range count, the last piece may be shorter, and behind the end is an error."""
    instance.world.create({"lastName": "Byron"})
    job = completed(instance)
    whole = file(instance, job["exportId"]).body

    piece = file(instance, job["exportId"], "bytes=3-9")
    rest = file(instance, job["exportId"], "bytes=10-9999")

    assert (piece.status, piece.body) == (206, whole[3:10])
    assert piece.headers["Content-Range"] == f"bytes 3-9/{len(whole)}"
    assert rest.body == whole[10:]
    assert file(instance, job["exportId"], f"bytes={len(whole)}-").status == 416


def test_status_moves_at_most_once_a_minute(instance: Instance) -> None:
    """A job that is done in half a minute is still shown as queued until the status is refreshed; so is its file."""
    number = enqueued(instance)
    instance.clock.advance(50)

    assert status(instance, number)["status"] == "Queued"
    assert file(instance, number).status == 404
    instance.clock.advance(11)
    assert status(instance, number)["status"] == "Completed"
    assert file(instance, number).status == 200


def test_two_jobs_run_and_ten_wait(instance: Instance) -> None:
    """The third job waits for a place, the eleventh is not taken."""
    instance.world.settings.bulk_work_s = 100
    numbers = [enqueued(instance) for _ in range(10)]

    eleventh = instance.post(f"{BULK}/{create(instance)}/enqueue.json")
    assert error_code(eleventh) == "1029"
    assert eleventh["errors"][0]["message"] == "Too many jobs in queue"
    instance.clock.advance(61)
    assert [status(instance, one)["status"] for one in numbers[:3]] == ["Processing", "Processing", "Queued"]


def test_a_job_is_queued_once(instance: Instance) -> None:
    """Enqueuing twice is refused with the third meaning of 1029."""
    number = enqueued(instance)

    again = instance.post(f"{BULK}/{number}/enqueue.json")

    assert (error_code(again), again["errors"][0]["message"]) == ("1029", "Job already queued")


@pytest.mark.parametrize("noticed_at", ["create", "enqueue"])
def test_the_days_volume_is_limited_and_renewed_at_midnight_central(instance: Instance, noticed_at: str) -> None:
    """What was extracted today counts, whoever did it; tomorrow it does not."""
    instance.world.settings.bulk_quota_refused_at = noticed_at
    instance.world.bulk.use_up(instance.world.settings.bulk_daily_bytes)

    made = instance.post(f"{BULK}/create.json", request(instance))
    refused = made if noticed_at == "create" else instance.post(f"{BULK}/{made['result'][0]['exportId']}/enqueue.json")

    assert error_code(refused) == "1029"
    assert refused["errors"][0]["message"] == "Export daily quota 500MB exceeded"
    instance.clock.advance(timedelta(days=1))
    enqueued(instance)


def test_files_count_against_the_days_volume(instance: Instance) -> None:
    """A completed file uses up volume."""
    instance.world.create({"lastName": "Byron"})
    job = completed(instance)

    assert instance.world.bulk.volume_today() == job["fileSize"]


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"fields": []}, "1002"),
        ({"fields": ["id", "nothing", "title", "neither"]}, "1003"),
        ({"filter": {}}, "1003"),
        ({"filter": {"updatedAt": {"startAt": "2026-01-01T00:00:00Z", "endAt": "2026-01-02T00:00:00Z"}}}, "1035"),
        ({"filter": {"smartListId": 7}}, "1035"),
        ({"filter": {"createdAt": {"startAt": "2026-01-01T00:00:00Z"}}}, "1003"),
        ({"filter": {"createdAt": {"startAt": "2026-01-01T00:00:00.000Z", "endAt": "2026-01-02T00:00:00Z"}}}, "1003"),
        ({"filter": {"createdAt": {"startAt": "2026-01-01T00:00:00Z", "endAt": "2026-02-02T00:00:00Z"}}}, "1003"),
        ({"filter": {"createdAt": {"startAt": "2026-01-02T00:00:00Z", "endAt": "2026-01-01T00:00:00Z"}}}, "1003"),
        ({"format": "XML"}, "1003"),
        ({"surprise": 1}, "1003"),
    ],
)
def test_a_bad_request_makes_no_job(instance: Instance, members: dict[str, Any], code: str) -> None:
    """Unknown fields, no or two filters, long or odd ranges are refused."""
    assert error_code(instance.post(f"{BULK}/create.json", request(instance) | members)) == code
    assert instance.get(f"{BULK}.json")["result"] == []


def test_unknown_fields_are_named(instance: Instance) -> None:
    """The message lists the fields that can't be exported, formulas among them."""
    instance.world.add_field("sum", "lead_function")

    answer = instance.post(f"{BULK}/create.json", request(instance, fields=["id", "sum", "nothing"]))

    assert answer["errors"][0]["message"] == "Invalid fields [sum, nothing]"


def test_a_range_of_31_days_is_the_longest(instance: Instance) -> None:
    """31 days are taken, a second more is not."""
    create(instance, days=31)
    too_long = request(instance, days=31 + 2 / 86_400)

    assert error_code(instance.post(f"{BULK}/create.json", too_long)) == "1003"


def test_a_failed_job_says_why_and_has_no_file(instance: Instance) -> None:
    """A job that was ordered to fail ends as Failed with its message."""
    instance.faults.add("marketo", "bulk_failed", message="disk full")
    number = enqueued(instance)
    instance.clock.advance(61)

    job = status(instance, number)

    assert (job["status"], job["errorMsg"]) == ("Failed", "disk full")
    assert file(instance, number).status == 404


def test_a_file_is_kept_for_seven_days(instance: Instance) -> None:
    """After a week the status is still known, the file is not."""
    number = completed(instance)["exportId"]
    instance.clock.advance(timedelta(days=7, hours=1))

    assert status(instance, number)["status"] == "Completed"
    assert file(instance, number).status == 404
    assert file(instance, number).body == b"File not found"


def test_a_canceled_job_never_completes(instance: Instance) -> None:
    """Cancelling answers Cancelled, afterwards the status reads Canceled."""
    number = enqueued(instance)

    answer = instance.post(f"{BULK}/{number}/cancel.json")

    assert answer["result"][0]["status"] == "Cancelled"
    instance.clock.advance(120)
    assert status(instance, number)["status"] == "Canceled"
    listed = instance.get(f"{BULK}.json", status="cancelled")["result"]
    assert [one["exportId"] for one in listed] == [number]


def test_only_the_own_jobs_are_seen(instance: Instance) -> None:
    """Another API user neither lists, polls nor downloads a job."""
    number = completed(instance)["exportId"]
    instance.world.add_service("other", "secret", "other@api.example.com")
    headers = {"authorization": f"Bearer {instance.token('other', 'secret')}"}

    assert file(instance, number).status == 200
    assert instance.send("GET", f"{BULK}/{number}/file.json", headers=headers).status == 404
    assert envelope(instance.send("GET", f"{BULK}.json", headers=headers))["result"] == []
    assert error_code(envelope(instance.send("GET", f"{BULK}/{number}/status.json", headers=headers))) == "1013"


def test_the_list_of_jobs_is_paged(instance: Instance) -> None:
    """A token leads to the rest of the jobs."""
    numbers = [create(instance) for _ in range(3)]

    first = instance.get(f"{BULK}.json", batchSize=2)
    second = instance.get(f"{BULK}.json", batchSize=2, nextPageToken=first["nextPageToken"])

    assert [one["exportId"] for one in (*first["result"], *second["result"])] == numbers
    assert "nextPageToken" not in second


@pytest.mark.parametrize(("kind", "differs"), [("bulk_truncated", "length"), ("bulk_corrupted", "content")])
def test_a_download_can_be_spoiled(instance: Instance, kind: str, differs: str) -> None:
    """Ordered faults cut an answer short, or alter a byte of it, once."""
    instance.world.create({"lastName": "Byron"})
    job = completed(instance)
    whole = file(instance, job["exportId"]).body
    instance.faults.add("marketo", kind)

    spoiled = file(instance, job["exportId"]).body

    assert (len(spoiled) == len(whole)) is (differs == "content")
    assert spoiled != whole
    assert file(instance, job["exportId"]).body == whole


@pytest.mark.parametrize("code", ["603", "1035"])
def test_bulk_can_be_missing_from_the_subscription(instance: Instance, code: str) -> None:
    """With the switch every bulk call is refused with the code."""
    instance.world.settings.bulk_refusal_code = code

    assert error_code(instance.post(f"{BULK}/create.json", request(instance))) == code
    assert error_code(instance.get(f"{BULK}.json")) == code
