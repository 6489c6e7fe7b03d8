"""Bulk lead extract: create, enqueue, status, file, cancel and list of jobs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from include.sandbox.marketo.api_call import json_of
from include.sandbox.marketo.bulk_jobs import BulkJob, BulkStatus, delimited
from include.sandbox.marketo.errors import ApiError, GapError, HttpError
from include.sandbox.marketo.fields import DataType
from include.sandbox.marketo.paging import open_token, seal_token
from include.sandbox.marketo.values import moment_text, parse_moment
from include.sandbox.server import Reply

if TYPE_CHECKING:
    from datetime import datetime

    from include.sandbox.marketo.api_call import ApiCall
    from include.sandbox.marketo.endpoints import Answer
    from include.sandbox.marketo.world import MarketoWorld

__all__ = ["cancel_job", "create_job", "enqueue_job", "get_file", "get_status", "list_jobs"]

_FILTERS: Final = frozenset(
    {"createdAt", "updatedAt", "staticListName", "staticListId", "smartListName", "smartListId"}
)
_DELIMITERS: Final = {"CSV": ",", "TSV": "\t"}
_DAYS_MAX: Final = 31
_RANGE: Final = re.compile(r"bytes=(\d+)-(\d*)")
_CONTENT_TYPES: Final = {"CSV": "text/csv;charset=UTF-8", "TSV": "text/tab-separated-values;charset=UTF-8"}


def create_job(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Make a job that exports people created in a range of at most 31 days.

    Source: bulk-lead-extract.md; `Invalid fields [..]` is recorded data.
    """
    _require_bulk(world)
    body = call.json("fields", "format", "columnHeaderNames", "filter")
    names = _fields(world, body)
    start, end = _range(world, body)
    file_format = _format(body)
    headers = body.get("columnHeaderNames") or {}
    if not isinstance(headers, dict):
        raise ApiError("1003", "'columnHeaderNames' must map fields to headers")
    titles = [str(headers.get(name, name)) for name in names]

    def build() -> tuple[bytes, int]:
        people = _created_between(world, start, end)
        return delimited(people, names, titles, _DELIMITERS[file_format]), len(people)

    if world.settings.bulk_quota_refused_at == "create":
        world.bulk.require_volume()
    job = world.bulk.add(world.next_export_id(), call.service.user, file_format, build)
    return {"result": [job.json()]}


def enqueue_job(world: MarketoWorld, call: ApiCall) -> Answer:
    """Put a job into the queue. Source: bulk-extract.md (1029)."""
    _require_bulk(world)
    job = _job(world, call)
    broken = call.take_fault("bulk_failed")
    world.bulk.enqueue(job, "" if broken is None else str(broken.details.get("message", "Internal error")))
    return {"result": [job.json()]}


def get_status(world: MarketoWorld, call: ApiCall) -> Answer:
    """Return a job as it was at the last refresh of its status. Source: bulk-extract.md: refreshed every 60 seconds."""
    _require_bulk(world)
    return {"result": [_job(world, call).json()]}


def cancel_job(world: MarketoWorld, call: ApiCall) -> Answer:
    """Cancel a job. Source: bulk-lead-extract.md, whose sample spells the status `Cancelled`."""
    _require_bulk(world)
    job = _job(world, call)
    world.bulk.cancel(job)
    return {"result": [job.json() | {"status": "Cancelled"}]}


def list_jobs(world: MarketoWorld, call: ApiCall) -> Answer:
    """Return the API user's own jobs of the last seven days. Source: bulk-lead-extract.md."""
    _require_bulk(world)
    parameters = call.parameters.allow("status", "batchSize", "nextPageToken")
    wanted = {one.lower().replace("cancelled", "canceled") for one in parameters.items("status")}
    unknown = wanted - {one.value.lower() for one in BulkStatus}
    if unknown:
        raise ApiError("1003", "Invalid status")
    jobs = [job for job in world.bulk.listed(call.service.user) if not wanted or job.shown.value.lower() in wanted]
    token = parameters.text("nextPageToken")
    start = 0 if token is None else int(open_token("bulk", token)[0])
    size = parameters.batch_size()
    answer: dict[str, Any] = {"result": [job.json() for job in jobs[start : start + size]]}
    if start + size < len(jobs):
        answer["nextPageToken"] = seal_token("bulk", start + size)
    return answer


def get_file(world: MarketoWorld, call: ApiCall) -> Reply:
    """
    Return a job's file, or the piece of it that `Range` asks for; 404 in plain text when there is none.

    Source: bulk-extract.md. The fault `bulk_truncated` ends an answer early, `bulk_corrupted` alters a byte of it,
    `bulk_expired` takes the file away.
    """
    _require_bulk(world)
    job = world.bulk.find(call.path["export_id"], call.service.user)
    content = None if job is None else world.bulk.file(job)
    if job is None or content is None or call.take_fault("bulk_expired") is not None:
        raise HttpError(404, "File not found")
    headers = {"Content-Type": _CONTENT_TYPES[job.format], "Accept-Ranges": "bytes"}
    status, start, end = _piece(call.range, len(content))
    piece = content[start : end + 1]
    if call.take_fault("bulk_truncated") is not None:
        piece = piece[: len(piece) // 2]
    if call.take_fault("bulk_corrupted") is not None and piece:
        piece = bytes([piece[0] ^ 1]) + piece[1:]
    if status == 206:
        headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
    return Reply(status, headers, piece)


def _piece(text: str | None, size: int) -> tuple[int, int, int]:
    """Return status, first and last byte of what is asked for; HttpError 416 when it lies behind the end."""
    found = _RANGE.fullmatch((text or "").strip())
    if found is None:
        return 200, 0, size - 1
    start, end = int(found[1]), int(found[2]) if found[2] else size - 1
    if start >= size or end < start:
        raise HttpError(416, "Requested Range Not Satisfiable")
    return 206, start, min(end, size - 1)


def _require_bulk(world: MarketoWorld) -> None:
    code = world.settings.bulk_refusal_code
    if code:
        raise ApiError(code, "Unsupported filter type for target subscription" if code == "1035" else "")


def _job(world: MarketoWorld, call: ApiCall) -> BulkJob:
    if call.body.strip():
        json_of(call.body)
    job = world.bulk.find(call.path["export_id"], call.service.user)
    if job is None:
        # [ND] the code for a job that does not exist or is another user's.
        raise ApiError("1013", "Export job not found")
    return job


def _fields(world: MarketoWorld, body: dict[str, Any]) -> list[str]:
    names = body.get("fields")
    if not isinstance(names, list) or not names:
        raise ApiError("1002", "Missing value for required parameter 'fields'")
    wanted = list(dict.fromkeys(str(name) for name in names))
    known = {name: world.database.fields.usable(name) for name in wanted}
    bad = [name for name, field in known.items() if field is None or field.data_type is DataType.FORMULA]
    if bad:
        raise ApiError("1003", f"Invalid fields [{', '.join(bad)}]")
    return wanted


def _format(body: dict[str, Any]) -> str:
    text = str(body.get("format", "CSV")).upper()
    if text == "SSV":
        raise GapError("bulk lead extract: SSV")
    if text not in _DELIMITERS:
        raise ApiError("1003", "Invalid format")
    return text


def _range(world: MarketoWorld, body: dict[str, Any]) -> tuple[datetime, datetime]:
    """Return the range of the one filter. [ND] 1003 for a range that is too long or no range."""
    filters = body.get("filter")
    if not isinstance(filters, dict) or len(filters) != 1 or not set(filters) <= _FILTERS:
        raise ApiError("1003", "Exactly one filter must be given")
    [(name, value)] = filters.items()
    if name not in world.settings.bulk_filters:
        raise ApiError("1035", "Unsupported filter type for target subscription")
    if name != "createdAt":
        raise GapError("bulk lead extract: filters other than createdAt")
    if not isinstance(value, dict) or set(value) != {"startAt", "endAt"}:
        raise ApiError("1003", "The filter needs startAt and endAt")
    start, end = (_moment(value[name]) for name in ("startAt", "endAt"))
    if not 0 < (end - start).total_seconds() <= _DAYS_MAX * 86_400:
        raise ApiError("1003", f"The date range must be between 0 and {_DAYS_MAX} days")
    return start, end


def _moment(text: object) -> datetime:
    parsed = parse_moment(text) if isinstance(text, str) and "." not in text else None
    if parsed is None:
        raise ApiError("1003", "Invalid date: ISO 8601 with a zone and without milliseconds is expected")
    return parsed


def _created_between(world: MarketoWorld, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """Return the people created in the range. [ND] whether its end is part of it."""
    first, last = moment_text(start), moment_text(end)
    inclusive = world.settings.bulk_end_included
    people = (person for _, person in world.database.people)
    return [one for one in people if first <= str(one["createdAt"]) < last or (inclusive and one["createdAt"] == last)]
